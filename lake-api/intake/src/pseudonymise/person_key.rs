//! The normal form of a person key: the bytes that are hashed, whoever wrote the cell.
//!
//! | key | normal form | links persons |
//! |---|---|---|
//! | person number | `cpr` 0 ten characters | everywhere in the spoke |
//! | local replacement number | `local` 0 space 0 ten characters | within the holder's identifier space |
//! | identifier | `identifier` 0 space 0 text | within the holder's identifier space |
//! | row number | `row` 0 space 0 dataset.table 0 number | within one delivery of one table |
//!
//! So datasets of different holders can be linked by person number only. A local replacement
//! number (D-eCPR) is not one: two hospitals give the same to different patients. Where a file has
//! one row per person and names nobody, row n has the same key in every delivery and may be somebody
//! else: such a table is never added to, and its contract says that its versions cannot be compared.
//!
//! What stands in front of the number is pinned in the table's contract
//! ([`PersonNaming`]): with another everybody would be somebody new.

use oscar_permit::{DatasetName, PersonNaming, PersonNumber, PersonNumberKind, Sha256Digest, TableName};

use crate::package::PersonKeyKind;

/// Longest identifier that is taken for one.
const LONGEST: usize = 128;

/// Builds normal forms for one table.
#[derive(Debug, Clone)]
pub(crate) struct PersonKeyForm {
    kind: PersonKeyKind,
    prefix: Vec<u8>,
    /// In front of local replacement numbers.
    local_prefix: Vec<u8>,
}

impl PersonKeyForm {
    pub(crate) fn of_field(kind: PersonKeyKind, identifier_space: &str) -> Self {
        let prefix = match kind {
            PersonKeyKind::Cpr => b"cpr\0".to_vec(),
            PersonKeyKind::Identifier => [b"identifier\0", identifier_space.as_bytes(), b"\0"].concat(),
        };
        let local_prefix = [b"local\0", identifier_space.as_bytes(), b"\0"].concat();
        Self { kind, prefix, local_prefix }
    }

    /// Whether the key is a number of the data holder's own.
    pub(crate) const fn is_identifier(&self) -> bool {
        match self.kind {
            PersonKeyKind::Identifier => true,
            PersonKeyKind::Cpr => false,
        }
    }

    pub(crate) fn of_rows(space: &str, dataset: &DatasetName, table: &TableName) -> Self {
        let place = format!("{dataset}.{table}");
        let prefix = [b"row\0", space.as_bytes(), b"\0", place.as_bytes(), b"\0"].concat();
        Self { kind: PersonKeyKind::Identifier, prefix, local_prefix: Vec::new() }
    }

    /// What a contract says of the key: the same for two forms that write every number alike.
    pub(crate) fn naming(&self) -> PersonNaming {
        PersonNaming::Key { form: Sha256Digest::of([self.prefix.as_slice(), &self.local_prefix].concat()) }
    }

    /// Writes the normal form of a text cell; false when the cell is no such key.
    pub(crate) fn write_text(&self, text: &str, into: &mut Vec<u8>) -> bool {
        match self.kind {
            PersonKeyKind::Cpr => self.write_number(PersonNumber::parse(text), into),
            PersonKeyKind::Identifier => self.write_identifier(text.trim(), into),
        }
    }

    /// Writes the normal form of a whole number.
    pub(crate) fn write_integer(&self, number: i64, into: &mut Vec<u8>) -> bool {
        match self.kind {
            PersonKeyKind::Cpr => self.write_number(PersonNumber::parse_integer(number), into),
            PersonKeyKind::Identifier => self.write_identifier(&number.to_string(), into),
        }
    }

    fn write_number(&self, number: Option<PersonNumber>, into: &mut Vec<u8>) -> bool {
        let Some(number) = number else { return false };
        into.clear();
        into.extend_from_slice(match number.kind() {
            PersonNumberKind::Cpr | PersonNumberKind::NationalReplacement => &self.prefix,
            PersonNumberKind::LocalReplacement => &self.local_prefix,
        });
        into.extend_from_slice(number.normal_form());
        true
    }

    fn write_identifier(&self, text: &str, into: &mut Vec<u8>) -> bool {
        into.clear();
        into.extend_from_slice(&self.prefix);
        into.extend_from_slice(text.as_bytes());
        !text.is_empty() && text.len() <= LONGEST && !text.contains('\0')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(kind: PersonKeyKind, space: &str, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        PersonKeyForm::of_field(kind, space).write_text(text, &mut bytes).then_some(bytes)
    }

    #[test]
    fn a_person_number_is_the_same_person_however_it_is_written() {
        let plain = form(PersonKeyKind::Cpr, "a", "0201609995");
        assert!(plain.is_some());
        assert_eq!(plain, form(PersonKeyKind::Cpr, "b", " 020160-9995 "));
        assert_eq!(form(PersonKeyKind::Cpr, "a", "0203291wq3"), form(PersonKeyKind::Cpr, "a", "020329-1WQ3"));
        let mut integer = Vec::new();
        assert!(PersonKeyForm::of_field(PersonKeyKind::Cpr, "").write_integer(201_609_995, &mut integer));
        assert_eq!(plain, Some(integer));
        assert_eq!(form(PersonKeyKind::Cpr, "a", "3102609995"), None);
    }

    #[test]
    fn a_local_replacement_number_is_somebody_else_at_another_holder() {
        assert_ne!(form(PersonKeyKind::Cpr, "a", "0203290WQ3"), form(PersonKeyKind::Cpr, "b", "0203290WQ3"));
        assert_eq!(form(PersonKeyKind::Cpr, "a", "0203290WQ3"), form(PersonKeyKind::Cpr, "a", "020329-0wq3"));
        assert_eq!(form(PersonKeyKind::Cpr, "a", "0203291WQ3"), form(PersonKeyKind::Cpr, "b", "0203291WQ3"));
    }

    #[test]
    fn forms_that_could_write_a_number_differently_are_told_apart_by_their_naming() {
        let naming = |kind, space| PersonKeyForm::of_field(kind, space).naming();
        let (cpr, identifier) = (PersonKeyKind::Cpr, PersonKeyKind::Identifier);
        assert_eq!(naming(identifier, "a"), naming(identifier, "a"));
        assert_ne!(naming(identifier, "a"), naming(identifier, "b"));
        assert_ne!(naming(identifier, "a"), naming(cpr, "a"));
        assert_ne!(naming(cpr, "a"), naming(cpr, "b"), "local replacement numbers differ");
    }

    #[test]
    fn an_identifier_is_somebody_else_in_another_space() {
        assert_ne!(form(PersonKeyKind::Identifier, "a", "6"), form(PersonKeyKind::Identifier, "b", "6"));
        assert_eq!(form(PersonKeyKind::Identifier, "a", "  "), None);
    }
}
