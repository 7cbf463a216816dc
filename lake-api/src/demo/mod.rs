//! `oscar demo`: the whole path on one machine, as the people involved would walk it.
//!
//! ```text
//!  generate (or a real delivery) ─▶ permit ─▶ intake ─▶ serve, with a development issuer
//!        └─ scenario: which questions to ask ─▶ play: four people, real tokens, real HTTP
//!              first release → two stewards · automatic release · suppressed cells
//!              · differencing refused · rows refused · receipts and journal verified offline
//! ```
//!
//! The demo checks what it tells: a step that does not end as the story says ends the
//! program with an error. Nothing in it uses a way into the product that a stranger would
//! not have, except that it reads the signing key from the data directory instead of
//! getting it over a path that one trusts.

mod ask;
mod attack;
mod delivery;
pub mod generate;
mod narrator;
mod play;
mod review;
mod scan;
mod scenario;
mod scout;
mod stage;
mod tokens;
mod verify;

use crate::cli::arguments::DemoArguments;
use crate::cli::exit::Exit;
use crate::cli::{CliError, Output};
use crate::signals::StopSignal;

use self::narrator::Narrator;
use self::scenario::Scenario;
use self::scout::Scout;
use self::stage::Stage;

/// Plays the demo.
///
/// # Errors
/// The first step that did not end as the story says.
pub(crate) async fn run(arguments: &DemoArguments, output: &mut Output) -> Result<Exit, CliError> {
    let mut narrator = Narrator::new(output);
    let stage = unless_stopped(Stage::prepare(arguments, &mut narrator)).await?;
    let played = unless_stopped(play_on(&stage, &mut narrator)).await;
    let ended = match played {
        Ok(()) => {
            narrator.summary()?;
            if arguments.serve { stage.keep_serving(&mut narrator).await } else { Ok(()) }
        }
        Err(error) => Err(error),
    };
    stage.leave(arguments.keep, &mut narrator).await?;
    ended.map(|()| Exit::Ok)
}

/// Ends `part` early when the person has had enough, so that what it made is tidied up.
async fn unless_stopped<T>(part: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let stop = StopSignal::listen().map_err(CliError::file("the signal to stop"))?;
    tokio::select! {
        ended = part => ended,
        () = stop.received() => Err(CliError::Failed("the demo was stopped".into())),
    }
}

async fn play_on(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
    let catalogue = stage.cast.analyst.catalogue().await?;
    let scenario = if let Some(generated) = &stage.generated {
        Scenario::of_generated(generated)
    } else {
        let scout = Scout::open(&stage.directory, &stage.versions).await?;
        Scenario::derived_from(&catalogue, &scout, stage.threshold().await?).await?
    };
    let released = play::play(stage, &scenario, narrator).await?;
    verify::verify(stage, &released, narrator).await?;
    scan::scan(stage, narrator)
}
