//! `oscar permit`: under which permits the caller is here.

use crate::api::permit::Permits;
use crate::cli::client::ClientError;
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::session::Session;
use crate::cli::{CliError, Output};

/// The caller's permits in force.
pub(super) async fn run(session: &Session, output: &mut Output) -> Result<Exit, CliError> {
    let permits = match session.client.permits().await {
        Err(ClientError::Problem(problem)) if problem.status == 404 => return Err(CliError::NoPermit),
        permits => permits?,
    };
    output.show(&permits, sheet)?;
    Ok(Exit::Ok)
}

fn sheet(permits: &Permits) -> Sheet {
    let mut sheet =
        Sheet::new(&["permit", "your role", "authority", "purpose", "profile", "valid until", "data", "used"]);
    for permit in &permits.permits {
        let data =
            permit.datasets.iter().flat_map(|(set, tables)| tables.iter().map(move |table| format!("{set}.{table}")));
        let used = permit.quota.map_or(String::new(), |q| {
            format!("{} of {} releases, {} of {} cells", q.releases_used, q.releases, q.cells_used, q.cells)
        });
        sheet.row([
            permit.id.clone(),
            permit.role.clone(),
            permit.authority.clone(),
            permit.purpose.join(", "),
            permit.profile.clone(),
            permit.valid_until.date_naive().to_string(),
            data.collect::<Vec<_>>().join("\n"),
            used,
        ]);
    }
    sheet
}
