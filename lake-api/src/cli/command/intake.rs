//! `oscar intake`: takes a delivery into the lake of a data directory on this machine.

use oscar_intake::{DeliveryReport, IntakeError};
use oscar_permit::DataPermit;

use crate::cli::arguments::IntakeArguments;
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::progress::Bar;
use crate::cli::{CliError, Output};
use crate::delivery::{DeliveryError, Destination, deliver};

/// Delivers one package.
pub(super) async fn run(arguments: &IntakeArguments, output: &mut Output) -> Result<Exit, CliError> {
    let text = std::fs::read_to_string(&arguments.permit).map_err(CliError::file("the permit"))?;
    let permit = DataPermit::from_yaml(&text).map_err(|error| CliError::Usage(error.to_string()))?;
    let bar = Bar::new(output.talks_to_a_terminal());
    let destination = Destination::in_data_dir(&arguments.data_dir);
    let report = deliver(&destination, &arguments.package, arguments.files.as_deref(), &permit, &bar).await;
    bar.clear();
    let report = report.map_err(refusal)?;
    output.show(&report, sheet)?;
    if report.already_delivered {
        output.talk("This very delivery had been accepted before; nothing was changed.");
    }
    Ok(Exit::Ok)
}

/// A delivery that intake refuses has its own exit code; everything else is a failure.
pub(crate) fn refusal(error: DeliveryError) -> CliError {
    match error {
        DeliveryError::Intake(IntakeError::Refused(refusal)) => {
            CliError::Delivery { rule: refusal.rule().to_owned(), words: refusal.to_string() }
        }
        other => CliError::Failed(other.to_string()),
    }
}

fn sheet(report: &DeliveryReport) -> Sheet {
    let mut sheet = Sheet::new(&["table", "version", "rows", "quarantined", "faults", "not stored"]);
    for (name, table) in &report.tables {
        let faults: Vec<String> = table.faults.iter().map(|(fault, count)| format!("{fault}: {count}")).collect();
        sheet.row([
            format!("{}.{name}", report.dataset),
            table.version.to_string(),
            table.rows.to_string(),
            table.quarantined.to_string(),
            faults.join("\n"),
            table.dropped.join(", "),
        ]);
    }
    sheet
}
