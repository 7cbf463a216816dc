//! Questions for a delivery that the demo has never seen, found in the catalogue alone.
//!
//! | column | question |
//! |---|---|
//! | with a code list, or true/false | persons by the code |
//! | date | persons by year and by decade |
//! | number | persons by its tens, its fives, its whole part |
//! | whole number | the same, and by the number itself (an identifier of a concept, for example) |
//! | text without a code list | persons by the text |
//!
//! Few groups come first: they give the large cells of which the automatic release is
//! made; many groups come last: they have the small cells that get suppressed. Columns
//! with a tag are left out, because releases that use them are always reviewed.

use super::{Question, Scenario, Shape};
use crate::api::catalogue::{Catalogue, Column, Kind, Table};
use crate::cli::CliError;

/// About how many groups a question makes, guessed from the catalogue.
type Fineness = u32;

pub(super) fn scenario(catalogue: &Catalogue) -> Result<Scenario, CliError> {
    let mut shapes: Vec<(Fineness, Shape)> = Vec::new();
    let mut rows = None;
    for dataset in &catalogue.datasets {
        for table in dataset.tables.iter().filter(|table| table.kind == Kind::Persons) {
            let Some(person) = &table.person_key else { continue };
            let name = format!("{}.{}", dataset.dataset, table.table);
            rows.get_or_insert_with(|| row_level(&name, person, table));
            for column in table.columns.iter().filter(|column| column.name != *person && column.tags.is_empty()) {
                shapes.extend(column_shapes(&name, person, column));
            }
        }
    }
    shapes.sort_by_key(|(fineness, _)| *fineness);
    let rows = rows.ok_or_else(|| {
        CliError::Usage("the delivery has no table of persons (oscar.kind: persons), so there is nothing to vet".into())
    })?;
    if shapes.is_empty() {
        return Err(CliError::Usage(
            "no column of the delivery's tables of persons can be grouped by; declare code lists (oscar.codes) or dates".into(),
        ));
    }
    let coarse: Vec<Question> = shapes.iter().map(|(_, shape)| Question::of(shape.clone())).collect();
    let fine: Vec<Question> = shapes.into_iter().rev().map(|(_, shape)| Question::of(shape)).collect();
    // The middle of the list first: the finest questions are mostly hidden altogether.
    let (finest, middle) = fine.split_at(fine.len() / 3);
    let suppressed = middle.iter().chain(finest).cloned().collect();
    Ok(Scenario { first: coarse.clone(), automatic: coarse, suppressed, attacks: Vec::new(), rows })
}

fn row_level(table: &str, person: &str, contract: &Table) -> Question {
    let others = contract.columns.iter().map(|column| column.name.as_str()).filter(|name| *name != person).take(3);
    let columns: Vec<&str> = std::iter::once(person).chain(others).collect();
    Question::new(&format!("Rows of {table}"), &format!("SELECT {}\nFROM {table}", columns.join(", ")))
}

fn column_shapes(table: &str, person: &str, column: &Column) -> Vec<(Fineness, Shape)> {
    let name = &column.name;
    let shape = |expression: String, suffix: &str, words: String| Shape {
        table: table.to_owned(),
        person: person.to_owned(),
        expression,
        alias: alias(name, suffix),
        words,
        text: suffix.is_empty() && column.logical_type == "string",
    };
    let plain = || shape(name.clone(), "", name.clone());
    let steps = |of: &str| -> Vec<(Fineness, Shape)> {
        [(10, 14, "tens"), (5, 22, "fives")]
            .into_iter()
            .map(|(step, fineness, words)| {
                let expression = format!("CAST(floor({of} / {step}) * {step} AS BIGINT)");
                (fineness, shape(expression, words, format!("{words} of {name}")))
            })
            .collect()
    };
    if let Some(codes) = &column.codes {
        return vec![(u32::try_from(codes.len()).unwrap_or(u32::MAX), plain())];
    }
    match column.logical_type.as_str() {
        "boolean" => vec![(2, plain())],
        "date" | "datetime" => {
            let year = format!("date_part('year', {name})");
            let mut found = steps(&year);
            found.push((30, shape(format!("CAST({year} AS BIGINT)"), "year", format!("year of {name}"))));
            found
        }
        "number" => {
            let mut found = steps(name);
            found.push((40, shape(format!("CAST(floor({name}) AS BIGINT)"), "whole", format!("whole {name}"))));
            found
        }
        "integer" if is_identifier(name) => vec![(60, plain())],
        "integer" => {
            let mut found = steps(name);
            found.push((50, plain()));
            found
        }
        "string" => vec![(70, plain())],
        _ => Vec::new(),
    }
}

/// Identifiers are names, not amounts: their tens mean nothing.
fn is_identifier(column: &str) -> bool {
    column == "id" || column.ends_with("_id") || column.ends_with("_key")
}

/// A name of the platform's form: at most 40 characters.
fn alias(column: &str, suffix: &str) -> String {
    if suffix.is_empty() {
        return column.to_owned();
    }
    let room = 39usize.saturating_sub(suffix.len());
    let short: String = column.chars().take(room).collect();
    format!("{}_{suffix}", short.trim_end_matches('_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn catalogue(columns: serde_json::Value, kind: &str) -> Catalogue {
        let table = json!({
            "table": "patient", "title": "", "description": "", "kind": kind, "personKey": "person",
            "rows": {"about": 10000, "fewer": false}, "filtered": false, "columns": columns,
        });
        let dataset = json!({
            "dataset": "register", "title": "", "description": "", "holder": "", "delivered": "2025-01-01T00:00:00Z",
            "permits": [], "tables": [table],
        });
        serde_json::from_value(json!({"datasets": [dataset]})).unwrap()
    }

    fn column(name: &str, kind: &str, more: serde_json::Value) -> serde_json::Value {
        let mut column = json!({"name": name, "type": kind, "title": "", "description": "", "required": true});
        column.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        column
    }

    #[test]
    fn coarse_questions_come_first_for_release_and_fine_ones_first_for_suppression() {
        let columns = json!([
            column("person", "string", json!({})),
            column("born", "date", json!({})),
            column("sex", "string", json!({"codes": [{"code": "F", "label": ""}, {"code": "M", "label": ""}]})),
            column("concept_id", "integer", json!({})),
            column("village", "string", json!({"tags": ["small-area"]})),
        ]);
        let scenario = scenario(&catalogue(columns, "persons")).unwrap();
        assert_eq!(
            scenario.first[0].sql,
            "SELECT sex, count(DISTINCT person) AS persons\nFROM register.patient\nGROUP BY sex"
        );
        assert!(scenario.suppressed[0].sql.contains("date_part"));
        let all: String = scenario.automatic.iter().map(|question| question.sql.as_str()).collect();
        assert!(!all.contains("village"), "a tagged column is left out");
        assert!(all.contains("GROUP BY concept_id") && !all.contains("concept_id / 10"), "an identifier has no tens");
        assert!(!all.contains("GROUP BY person"), "the person key is nothing to group by");
        assert!(scenario.rows.sql.starts_with("SELECT person, born"));
    }

    #[test]
    fn a_delivery_without_persons_or_without_anything_to_group_by_is_explained() {
        let nobody = scenario(&catalogue(json!([column("code", "string", json!({}))]), "reference"));
        assert!(nobody.err().unwrap().to_string().contains("no table of persons"));
        let nothing = scenario(&catalogue(json!([column("person", "string", json!({}))]), "persons"));
        assert!(nothing.err().unwrap().to_string().contains("can be grouped by"));
    }

    #[test]
    fn a_long_column_name_still_gives_a_short_alias() {
        let name = "a_very_long_column_name_that_goes_on_and_on";
        assert!(alias(name, "whole").len() <= 40);
        assert!(alias("x", "tens") == "x_tens");
    }
}
