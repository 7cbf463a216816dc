//! `oscar query check`: the gate's answer before anything is asked for.

use super::statement;
use crate::api::query::{QueryCheck, QueryCheckRequest, StaticVerdict};
use crate::cli::arguments::CheckArguments;
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::session::Session;
use crate::cli::{CliError, Output};

/// Checks one statement. A refusal is an answer, and an error for the shell.
pub(super) async fn check(
    session: &Session,
    arguments: &CheckArguments,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let request = QueryCheckRequest { sql: statement(&arguments.statement)?, permit: arguments.permit.clone() };
    let mut answer = session.client.check(&request).await?;
    if output.for_programs() || answer.verdict != StaticVerdict::Refused {
        output.show(&answer, sheet)?;
    }
    match (answer.verdict, answer.refusal.take()) {
        (StaticVerdict::Refused, Some(refusal)) => Err(CliError::Gate(Box::new(refusal))),
        (StaticVerdict::Refused, None) => Ok(Exit::Refused),
        (StaticVerdict::Admissible | StaticVerdict::Review, _) => Ok(Exit::Ok),
    }
}

fn sheet(answer: &QueryCheck) -> Sheet {
    let mut sheet = Sheet::new(&["question", "answer"]);
    let verdict = match answer.verdict {
        StaticVerdict::Admissible => "may be submitted; the data decides the rest",
        StaticVerdict::Review => "may be submitted; two stewards will look at it",
        StaticVerdict::Refused => "would be refused",
    };
    sheet.row(["verdict", verdict]);
    sheet.row(["permit", &answer.permit]);
    sheet.row(["reads", &answer.tables.join(", ")]);
    sheet.row(["result columns", &answer.columns.join(", ")]);
    sheet.row(["literals", &answer.literals.to_string()]);
    if !answer.review_reasons.is_empty() {
        sheet.row(["why review", &answer.review_reasons.join("; ")]);
    }
    if let Some(refusal) = &answer.refusal {
        sheet.row(["refused because", &refusal.message]);
        sheet.row(["remedy", &refusal.remedy]);
    }
    sheet
}
