//! `oscar catalogue`: what data there is for the caller.

use crate::api::catalogue::{Catalogue, Column, Dataset, Kind, Size};
use crate::cli::exit::Exit;
use crate::cli::output::Sheet;
use crate::cli::session::Session;
use crate::cli::{CliError, Output};

/// The datasets, or one dataset's columns.
pub(super) async fn run(session: &Session, dataset: Option<&str>, output: &mut Output) -> Result<Exit, CliError> {
    match dataset {
        None => {
            let catalogue = session.client.catalogue().await?;
            output.show(&catalogue, overview)?;
            if catalogue.datasets.is_empty() {
                output.talk("No dataset has been delivered for your permits, or you have none ('oscar permit').");
            }
        }
        Some(name) => {
            let dataset = session.client.dataset(name).await?;
            output.show(&dataset, columns)?;
        }
    }
    Ok(Exit::Ok)
}

fn overview(catalogue: &Catalogue) -> Sheet {
    let mut sheet = Sheet::new(&["table", "rows about", "of", "title", "holder", "coverage"]);
    for dataset in &catalogue.datasets {
        let coverage = dataset.coverage.as_ref().map_or(String::new(), |c| format!("{} – {}", c.from, c.until));
        for table in &dataset.tables {
            let of = match table.kind {
                Kind::Persons => "persons",
                Kind::Reference => "reference",
            };
            sheet.row([
                format!("{}.{}", dataset.dataset, table.table),
                size(table.rows),
                of.to_owned(),
                if table.title.is_empty() { dataset.title.clone() } else { table.title.clone() },
                dataset.holder.clone(),
                coverage.clone(),
            ]);
        }
    }
    sheet
}

fn size(rows: Size) -> String {
    if rows.fewer { format!("< {}", rows.about) } else { rows.about.to_string() }
}

fn columns(dataset: &Dataset) -> Sheet {
    let mut sheet = Sheet::new(&["table", "column", "type", "meaning", "codes", "notes"]);
    for table in &dataset.tables {
        for column in &table.columns {
            let key = (table.person_key.as_deref() == Some(column.name.as_str())).then_some("person key");
            let notes: Vec<&str> = key.into_iter().chain(column.tags.iter().map(String::as_str)).collect();
            sheet.row([
                format!("{}.{}", dataset.dataset, table.table),
                column.name.clone(),
                column.logical_type.clone(),
                if column.title.is_empty() { column.description.clone() } else { column.title.clone() },
                codes(column),
                notes.join(", "),
            ]);
        }
    }
    sheet
}

/// The first few codes; JSON output has them all.
fn codes(column: &Column) -> String {
    let Some(codes) = &column.codes else { return String::new() };
    let shown: Vec<String> = codes
        .iter()
        .take(4)
        .map(|c| if c.label.is_empty() { c.code.clone() } else { format!("{}={}", c.code, c.label) })
        .collect();
    let more = if codes.len() > shown.len() { format!(", … ({} in all)", codes.len()) } else { String::new() };
    shown.join(", ") + &more
}
