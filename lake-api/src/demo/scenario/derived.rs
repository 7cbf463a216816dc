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
//! Columns with a tag are left out, because releases that use them are always reviewed.
//! Which of the questions show something (large groups only, or a few small ones) the
//! demo's author finds out by looking at the lake; the product is told none of it.

use super::{Group, Key, Question, Scenario, Shape};
use crate::api::catalogue::{Catalogue, Column, Kind, Table};
use crate::cli::CliError;

/// Pairs that would make more groups than this are left out.
const MOST_GROUPS_OF_A_PAIR: usize = 120;
/// No more pairs than this are looked at.
const MOST_PAIRS: usize = 24;

/// About how many groups a question makes, guessed from the catalogue.
type Fineness = u32;

/// What the catalogue offers: questions, coarse ones first, and a request for bare rows.
pub(super) struct Offer {
    /// The questions.
    pub(super) shapes: Vec<Shape>,
    /// Rows instead of a table.
    pub(super) rows: Question,
}

pub(super) fn offer(catalogue: &Catalogue) -> Result<Offer, CliError> {
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
        let words = "no column of the delivery's tables of persons can be grouped by; declare code lists or dates";
        return Err(CliError::Usage(words.into()));
    }
    Ok(Offer { shapes: shapes.into_iter().map(|(_, shape)| shape).collect(), rows })
}

/// Pairs of questions about one table that together still make a readable table.
pub(super) fn pairs(shapes: &[Shape], groups: &[Option<Vec<Group>>]) -> Vec<Shape> {
    let sized: Vec<(&Shape, usize)> = shapes
        .iter()
        .zip(groups)
        .filter_map(|(shape, groups)| Some((shape, groups.as_ref()?.len())))
        .filter(|(_, groups)| (2..=MOST_GROUPS_OF_A_PAIR / 2).contains(groups))
        .collect();
    let mut found: Vec<(usize, Shape)> = Vec::new();
    for (place, (one, first)) in sized.iter().enumerate() {
        for (two, second) in sized.iter().skip(place + 1) {
            let both = one.by_both(two).filter(|_| first * second <= MOST_GROUPS_OF_A_PAIR);
            found.extend(both.map(|shape| (first * second, shape)));
        }
    }
    // Finer tables have more small groups, and are what a researcher asks for.
    found.sort_by_key(|(groups, _)| std::cmp::Reverse(*groups));
    found.into_iter().map(|(_, shape)| shape).take(MOST_PAIRS).collect()
}

/// Chooses from the offer what will show something: large groups only, or a few small ones.
/// `groups` are those of each shape; a shape without has too many to be a table.
pub(super) fn choose(offer: Offer, groups: Vec<Option<Vec<Group>>>, threshold: u64) -> Scenario {
    let (mut safe, mut small) = (Vec::new(), Vec::new());
    for (shape, groups) in offer.shapes.into_iter().zip(groups) {
        let Some(groups) = groups else { continue };
        let mut question = Question::of(shape);
        let size = groups.len();
        if size >= 2 && groups.iter().all(|group| group.persons >= 2 * threshold) {
            safe.push((size, question));
        } else if has_few_small(&groups, threshold) {
            let few = groups.into_iter().filter(|group| group.persons < threshold);
            question.few = few.filter_map(|group| group.key).collect();
            small.push((size, question));
        }
    }
    safe.sort_by_key(|(groups, _)| *groups);
    small.sort_by_key(|(groups, _)| *groups);
    let questions = |sorted: Vec<(usize, Question)>| sorted.into_iter().map(|(_, question)| question).collect();
    let safe: Vec<Question> = questions(safe);
    let suppressed = questions(small);
    Scenario { first: safe.clone(), automatic: safe, suppressed, attacks: Vec::new(), rows: offer.rows }
}

/// Some groups are small, but not many, and not so few persons altogether that the known
/// total gives them away.
fn has_few_small(groups: &[Group], threshold: u64) -> bool {
    let small: Vec<u64> = groups.iter().map(|group| group.persons).filter(|persons| *persons < threshold).collect();
    !small.is_empty() && small.len() * 5 <= groups.len() && small.iter().sum::<u64>() >= threshold
}

fn row_level(table: &str, person: &str, contract: &Table) -> Question {
    let others = contract.columns.iter().map(|column| column.name.as_str()).filter(|name| *name != person).take(3);
    let columns: Vec<&str> = std::iter::once(person).chain(others).collect();
    Question::new(&format!("Rows of {table}"), &format!("SELECT {}\nFROM {table}", columns.join(", ")))
}

fn column_shapes(table: &str, person: &str, column: &Column) -> Vec<(Fineness, Shape)> {
    let name = &column.name;
    let shape = |key: Key| Shape { table: table.to_owned(), person: person.to_owned(), keys: vec![key] };
    let made = |expression: String, suffix: &str, words: String| {
        shape(Key { expression, column: name.clone(), alias: alias(name, suffix), words, text: false })
    };
    let plain = || shape(Key::plain(name, column.logical_type == "string"));
    let steps = |of: &str| -> Vec<(Fineness, Shape)> {
        [(10, 14, "tens"), (5, 22, "fives")]
            .into_iter()
            .map(|(step, fineness, words)| {
                let expression = format!("CAST(floor({of} / {step}) * {step} AS BIGINT)");
                (fineness, made(expression, words, format!("{words} of {name}")))
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
            found.push((30, made(format!("CAST({year} AS BIGINT)"), "year", format!("year of {name}"))));
            found
        }
        "number" => {
            let mut found = steps(name);
            found.push((40, made(format!("CAST(floor({name}) AS BIGINT)"), "whole", format!("whole {name}"))));
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

    fn catalogue(columns: &serde_json::Value, kind: &str) -> Catalogue {
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

    fn column(name: &str, kind: &str, more: &serde_json::Value) -> serde_json::Value {
        let mut column = json!({"name": name, "type": kind, "title": "", "description": "", "required": true});
        column.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        column
    }

    #[test]
    fn questions_come_from_codes_years_and_numbers_and_coarse_ones_first() {
        let columns = json!([
            column("person", "string", &json!({})),
            column("born", "date", &json!({})),
            column("sex", "string", &json!({"codes": [{"code": "F", "label": ""}, {"code": "M", "label": ""}]})),
            column("concept_id", "integer", &json!({})),
            column("village", "string", &json!({"tags": ["small-area"]})),
        ]);
        let offer = offer(&catalogue(&columns, "persons")).unwrap();
        assert_eq!(
            offer.shapes[0].sql(),
            "SELECT sex, count(DISTINCT person) AS persons\nFROM register.patient\nGROUP BY sex"
        );
        let all: String = offer.shapes.iter().map(Shape::sql).collect();
        assert!(all.contains("date_part('year', born)"));
        assert!(!all.contains("village"), "a tagged column is left out");
        assert!(all.contains("GROUP BY concept_id") && !all.contains("concept_id / 10"), "an identifier has no tens");
        assert!(!all.contains("GROUP BY person"), "the person key is nothing to group by");
        assert!(offer.rows.sql.starts_with("SELECT person, born"));
    }

    #[test]
    fn a_table_with_a_few_small_groups_is_chosen_for_suppression_and_one_without_for_release() {
        let columns = json!([column("flag", "boolean", &json!({})), column("year", "number", &json!({}))]);
        let offer = offer(&catalogue(&columns, "persons")).unwrap();
        let group = |key: u64, persons: u64| Group { key: Some(vec![key.to_string()]), persons };
        let table =
            |sizes: &[u64]| Some((0..).zip(sizes).map(|(key, persons)| group(key, *persons)).collect::<Vec<_>>());
        let mut years = vec![50; 20];
        years.extend([8, 9, 7]);
        // The shapes: flag, tens, fives and whole years.
        let groups = vec![table(&[900, 80]), table(&[900, 4]), table(&years), None];
        assert!(pairs(&offer.shapes, &groups).iter().all(|pair| pair.sql().contains("flag")), "never a column twice");
        let scenario = choose(offer, groups, 10);
        assert_eq!(scenario.suppressed[0].few, [["20"], ["21"], ["22"]]);
        assert_eq!(scenario.first.len(), 1);
        assert!(scenario.first[0].sql.contains("GROUP BY flag"));
        assert_eq!(scenario.suppressed.len(), 1);
        assert!(scenario.suppressed[0].sql.contains("year / 5"));
    }

    #[test]
    fn a_delivery_without_persons_or_without_anything_to_group_by_is_explained() {
        let nobody = offer(&catalogue(&json!([column("code", "string", &json!({}))]), "reference"));
        assert!(nobody.err().unwrap().to_string().contains("no table of persons"));
        let nothing = offer(&catalogue(&json!([column("person", "string", &json!({}))]), "persons"));
        assert!(nothing.err().unwrap().to_string().contains("can be grouped by"));
    }

    #[test]
    fn a_long_column_name_still_gives_a_short_alias() {
        let name = "a_very_long_column_name_that_goes_on_and_on";
        assert!(alias(name, "whole").len() <= 40);
        assert!(alias("x", "tens") == "x_tens");
    }
}
