//! `oscar verify`: is this file the one that the receipt speaks of, and is the receipt genuine?

use oscar_vetting::Receipt;

use crate::cli::arguments::VerifyArguments;
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::verification::{read_key, receipt};
use crate::cli::{CliError, Output};

/// Verifies one receipt and its content.
pub(super) fn run(arguments: &VerifyArguments, output: &mut Output) -> Result<Exit, CliError> {
    let key = read_key(&arguments.key)?;
    let bytes = std::fs::read(&arguments.receipt).map_err(CliError::file("the receipt"))?;
    let content = std::fs::read(&arguments.content).map_err(CliError::file("the content"))?;
    let (receipt, file) = receipt(&bytes, &content, &key)?;
    output.show(&receipt, |receipt| sheet(receipt, &file))?;
    Ok(Exit::Ok)
}

fn sheet(receipt: &Receipt, file: &str) -> Sheet {
    let basis = &receipt.basis;
    let mut sheet = Sheet::new(&["receipt", "genuine"]);
    sheet.row(["file", &format!("is {file} of the release, unchanged")]);
    sheet.row(["release", receipt.release.as_str()]);
    sheet.row(["tenant", receipt.tenant.as_str()]);
    sheet.row(["released at", &receipt.released_at.format("%Y-%m-%d %H:%M:%S UTC").to_string()]);
    sheet.row(["journal record", &receipt.sequence.to_string()]);
    sheet.row(["permit", basis.permit.as_str()]);
    sheet.row(["disclosure profile", &basis.profile]);
    for (table, pinned) in &basis.tables {
        sheet.row(["computed from".to_owned(), format!("{table}, version {}", pinned.version)]);
    }
    let reviewers: Vec<&str> = receipt.reviewers.iter().map(|reviewer| reviewer.subject.as_str()).collect();
    sheet.row(["reviewed by", &if reviewers.is_empty() { "rules alone".to_owned() } else { reviewers.join(", ") }]);
    sheet
}
