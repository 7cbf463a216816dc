//! "How many persons, by …": the one kind of question that fits any delivery.

/// Counts persons of one table by one expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// `dataset.table`.
    pub(crate) table: String,
    /// The table's person key.
    pub(crate) person: String,
    /// What is grouped by.
    pub(crate) expression: String,
    /// Its name in the result.
    pub(crate) alias: String,
    /// The same in words.
    pub(crate) words: String,
    /// Whether its values are text; otherwise they are numbers or true and false.
    pub(crate) text: bool,
}

impl Shape {
    /// A title for the release.
    pub(crate) fn title(&self) -> String {
        format!("Persons in {} by {}", self.table, self.words)
    }

    /// The statement.
    pub(crate) fn sql(&self) -> String {
        self.with_condition("")
    }

    /// The same table without the persons that `other` shows under `key`: what an attacker
    /// asks to learn about exactly those persons by subtraction.
    pub(crate) fn without(&self, other: &Self, key: &str) -> Option<String> {
        let literal = other.literal(key)?;
        let Self { table, person, expression, alias: _, words: _, text: _ } = other;
        Some(self.with_condition(&format!(
            "WHERE {} NOT IN (SELECT {person} FROM {table} WHERE {expression} = {literal})\n",
            self.person
        )))
    }

    fn with_condition(&self, condition: &str) -> String {
        let Self { table, person, expression, alias, words: _, text: _ } = self;
        let named = if expression == alias { expression.clone() } else { format!("{expression} AS {alias}") };
        format!("SELECT {named}, count(DISTINCT {person}) AS persons\nFROM {table}\n{condition}GROUP BY {expression}")
    }

    /// A released key as a literal; a key that is absent or hidden has none.
    fn literal(&self, key: &str) -> Option<String> {
        if self.text {
            return (!key.is_empty()).then(|| format!("'{}'", key.replace('\'', "''")));
        }
        let usable = key.parse::<f64>().is_ok_and(f64::is_finite) || matches!(key, "true" | "false");
        usable.then(|| key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(table: &str, expression: &str, alias: &str) -> Shape {
        Shape {
            table: table.into(),
            person: "person_id".into(),
            expression: expression.into(),
            alias: alias.into(),
            words: alias.into(),
            text: alias == "place",
        }
    }

    #[test]
    fn a_shape_counts_persons_by_its_expression() {
        let sql = shape("omop.person", "CAST(floor(x / 10) * 10 AS BIGINT)", "x_tens").sql();
        assert_eq!(
            sql,
            "SELECT CAST(floor(x / 10) * 10 AS BIGINT) AS x_tens, count(DISTINCT person_id) AS persons\n\
             FROM omop.person\nGROUP BY CAST(floor(x / 10) * 10 AS BIGINT)"
        );
    }

    #[test]
    fn an_attack_takes_out_the_persons_of_one_cell_and_quotes_its_key() {
        let (base, other) = (shape("omop.person", "sex", "sex"), shape("omop.visit", "place", "place"));
        let sql = base.without(&other, "St John's").unwrap();
        assert!(sql.contains("WHERE person_id NOT IN (SELECT person_id FROM omop.visit WHERE place = 'St John''s')"));
        assert_eq!(other.without(&base, "1; DROP"), None);
    }
}
