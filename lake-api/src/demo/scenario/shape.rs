//! "How many persons, by …": the one kind of question that fits any delivery.

/// Counts persons of one table by one or two keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// `dataset.table`.
    pub(crate) table: String,
    /// The table's person key.
    pub(crate) person: String,
    /// What is grouped by.
    pub(crate) keys: Vec<Key>,
}

/// One thing that is grouped by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The expression.
    pub(crate) expression: String,
    /// The column it is made of.
    pub(crate) column: String,
    /// Its name in the result.
    pub(crate) alias: String,
    /// The same in words.
    pub(crate) words: String,
    /// Whether its values are text; otherwise they are numbers or true and false.
    pub(crate) text: bool,
}

/// One group of a shape: its key, where no part of it is absent, and its persons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The key as text.
    pub(crate) key: Option<Vec<String>>,
    /// How many persons.
    pub(crate) persons: u64,
}

impl Shape {
    /// A title for the release.
    pub(crate) fn title(&self) -> String {
        let words: Vec<&str> = self.keys.iter().map(|key| key.words.as_str()).collect();
        format!("Persons in {} by {}", self.table, words.join(" and "))
    }

    /// The statement.
    pub(crate) fn sql(&self) -> String {
        self.with_condition("")
    }

    /// How many groups there are, cheaper to know than the groups themselves.
    pub(crate) fn group_count_sql(&self) -> String {
        let counts: Vec<String> = self.keys.iter().map(|key| format!("count(DISTINCT {})", key.expression)).collect();
        format!("SELECT {} AS groups FROM {}", counts.join(" * "), self.table)
    }

    /// Both shapes' keys together, where they are of the same table and of different columns.
    pub(crate) fn by_both(&self, other: &Self) -> Option<Self> {
        let [one] = self.keys.as_slice() else { return None };
        let [two] = other.keys.as_slice() else { return None };
        let fits = self.table == other.table && one.column != two.column;
        fits.then(|| Self { keys: vec![one.clone(), two.clone()], ..self.clone() })
    }

    /// The same table without the persons that `other` has under `key`: what an attacker
    /// asks to learn about exactly those persons by subtraction.
    pub(crate) fn without(&self, other: &Self, key: &[String]) -> Option<String> {
        let Self { table, person, keys } = other;
        let conditions: Option<Vec<String>> = keys
            .iter()
            .zip(key)
            .map(|(key, value)| Some(format!("{} = {}", key.expression, key.literal(value)?)))
            .collect();
        let condition = conditions.filter(|conditions| !conditions.is_empty())?.join(" AND ");
        Some(self.with_condition(&format!(
            "WHERE {} NOT IN (SELECT {person} FROM {table} WHERE {condition})\n",
            self.person
        )))
    }

    fn with_condition(&self, condition: &str) -> String {
        let Self { table, person, keys } = self;
        let named: Vec<String> = keys.iter().map(Key::named).collect();
        let expressions: Vec<&str> = keys.iter().map(|key| key.expression.as_str()).collect();
        format!(
            "SELECT {}, count(DISTINCT {person}) AS persons\nFROM {table}\n{condition}GROUP BY {}",
            named.join(", "),
            expressions.join(", ")
        )
    }
}

impl Key {
    /// A column as it is.
    pub(crate) fn plain(column: &str, text: bool) -> Self {
        Self { expression: column.into(), column: column.into(), alias: column.into(), words: column.into(), text }
    }

    fn named(&self) -> String {
        if self.expression == self.alias {
            self.alias.clone()
        } else {
            format!("{} AS {}", self.expression, self.alias)
        }
    }

    /// A key's value as a literal; what cannot be written safely has none.
    fn literal(&self, value: &str) -> Option<String> {
        if self.text {
            return (!value.is_empty()).then(|| format!("'{}'", value.replace('\'', "''")));
        }
        let usable = value.parse::<f64>().is_ok_and(f64::is_finite) || matches!(value, "true" | "false");
        usable.then(|| value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(table: &str, key: Key) -> Shape {
        Shape { table: table.into(), person: "person_id".into(), keys: vec![key] }
    }

    fn tens() -> Key {
        Key { expression: "floor(x / 10) * 10".into(), alias: "x_tens".into(), ..Key::plain("x", false) }
    }

    #[test]
    fn a_shape_counts_persons_by_its_keys() {
        let one = shape("omop.person", tens());
        assert_eq!(
            one.sql(),
            "SELECT floor(x / 10) * 10 AS x_tens, count(DISTINCT person_id) AS persons\nFROM omop.person\n\
             GROUP BY floor(x / 10) * 10"
        );
        let both = one.by_both(&shape("omop.person", Key::plain("sex", true))).unwrap();
        assert!(both.sql().starts_with("SELECT floor(x / 10) * 10 AS x_tens, sex, count("));
        assert_eq!(one.by_both(&shape("omop.visit", Key::plain("sex", true))), None);
        assert_eq!(one.by_both(&shape("omop.person", Key::plain("x", false))), None);
    }

    #[test]
    fn an_attack_takes_out_the_persons_of_one_group_and_quotes_its_key() {
        let base = shape("omop.person", Key::plain("sex", true));
        let other = shape("omop.visit", Key::plain("place", true));
        let sql = base.without(&other, &["St John's".into()]).unwrap();
        assert!(sql.contains("WHERE person_id NOT IN (SELECT person_id FROM omop.visit WHERE place = 'St John''s')"));
        assert_eq!(other.without(&shape("omop.person", tens()), &["1; DROP".into()]), None);
        assert_eq!(base.without(&other, &[]), None);
    }
}
