//! One file per command.

mod audit;
mod catalogue;
mod intake;
mod keys;
mod login;
mod permit;
mod query;
mod release;
mod review;
mod verify;

use std::io;
use std::time::Duration;

use clap::CommandFactory as _;

pub(crate) use self::intake::refusal;

use super::arguments::{Arguments, AuditCommand, Command, QueryCommand, ReleaseCommand, Statement};
use super::exit::Exit;
use super::session::Session;
use super::{CliError, Output};

/// Runs the command that was asked for.
pub(super) async fn dispatch(arguments: Arguments, output: &mut Output) -> Result<Exit, CliError> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Demo(demo) => crate::demo::run(&demo, output).await,
        Command::Login(login) => login::run(&global, &login, output).await,
        Command::Intake(intake) => intake::run(&intake, output).await,
        Command::Verify(verify) => verify::run(&verify, output),
        Command::Completion { shell } => completion(shell, output),
        Command::Worker => worker().await,
        Command::Catalogue { dataset } => {
            catalogue::run(&Session::open(&global).await?, dataset.as_deref(), output).await
        }
        Command::Keys => keys::run(&global, output).await,
        Command::Permit => permit::run(&Session::open(&global).await?, output).await,
        Command::Query(QueryCommand::Check(check)) => {
            query::check(&Session::open(&global).await?, &check, output).await
        }
        Command::Audit(audit) => match audit.command {
            AuditCommand::Verify { directory, key, checkpoint } => {
                audit::verify(&directory, &key, checkpoint.as_deref(), output).await
            }
            AuditCommand::List { after, limit } => {
                audit::list(&Session::open(&global).await?, after, limit, output).await
            }
        },
        Command::Release(command) => release(command, &Session::open(&global).await?, output).await,
    }
}

async fn release(command: ReleaseCommand, session: &Session, output: &mut Output) -> Result<Exit, CliError> {
    match command {
        ReleaseCommand::Submit(submit) => release::submit(session, &submit, output).await,
        ReleaseCommand::List { limit } => release::list(session, limit, output).await,
        ReleaseCommand::Show { id, wait } => release::show(session, &id, wait, output).await,
        ReleaseCommand::Get(arguments) => release::get(session, &arguments, output).await,
        ReleaseCommand::Withdraw { id, reason } => release::withdraw(session, &id, reason, output).await,
        ReleaseCommand::Review(arguments) => review::pack(session, &arguments.id, output).await,
        ReleaseCommand::Vote(vote) => review::vote(session, &vote, output).await,
        ReleaseCommand::Votes { id } => review::votes(session, &id, output).await,
    }
}

fn completion(shell: clap_complete::Shell, output: &mut Output) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "oscar", &mut script);
    output.raw(&script)?;
    Ok(Exit::Ok)
}

/// Computes one statement in a process of its own; only the service starts it.
async fn worker() -> Result<Exit, CliError> {
    oscar_query::worker::run_stdio().await.map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(Exit::Ok)
}

/// The text of a statement, from wherever it was given.
fn statement(statement: &Statement) -> Result<String, CliError> {
    match (&statement.file, &statement.sql) {
        (_, Some(sql)) => Ok(sql.clone()),
        (Some(file), None) if file.as_os_str() == "-" => {
            io::read_to_string(io::stdin().lock()).map_err(CliError::file("standard input"))
        }
        (Some(file), None) => std::fs::read_to_string(file).map_err(CliError::file("the file with the statement")),
        (None, None) => Err(CliError::Usage("give a file with a statement, '-' or --sql".into())),
    }
}

/// How long to wait between two looks at something the server is still working on.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
