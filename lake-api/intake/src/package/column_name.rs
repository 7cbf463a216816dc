//! From a file's header to an SQL name.

use oscar_permit::{ColumnName, IdError, TableName};

/// The header in snake case: `CPR-nr` becomes `cpr_nr`, `Læge` becomes `laege`.
pub(crate) fn snake_case(header: &str) -> String {
    let mut name = String::with_capacity(header.len());
    for character in header.chars() {
        match character {
            'a'..='z' | '0'..='9' => name.push(character),
            'A'..='Z' => name.push(character.to_ascii_lowercase()),
            'æ' | 'Æ' | 'ä' | 'Ä' => name.push_str("ae"),
            'ø' | 'Ø' | 'ö' | 'Ö' => name.push_str("oe"),
            'å' | 'Å' => name.push_str("aa"),
            'é' | 'É' => name.push('e'),
            'ü' | 'Ü' => name.push('u'),
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// The column's default name.
pub(crate) fn column_name(header: &str) -> Result<ColumnName, IdError> {
    ColumnName::new(snake_case(header))
}

/// The table's default name.
pub(crate) fn table_name(resource: &str) -> Result<TableName, IdError> {
    TableName::new(snake_case(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_sql_names() {
        for (header, name) in [
            ("CPR-nr", "cpr_nr"),
            ("PERSON_ID", "person_id"),
            ("date(birth_datetime,'unixepoch')", "date_birth_datetime_unixepoch"),
            ("Indlæggelsesmåned", "indlaeggelsesmaaned"),
            ("  dose (mg) ", "dose_mg"),
        ] {
            assert_eq!(column_name(header).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_header_without_letters_needs_a_name_of_its_own() {
        assert!(column_name("42").is_err());
        assert!(column_name("").is_err());
    }
}
