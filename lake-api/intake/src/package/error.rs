//! What can be wrong with a package before a single row is read.

use oscar_permit::{ColumnName, ContractError, IdError, PersonNumber, TableName};

use super::PathError;

/// Resources of a package, at most.
pub(super) const MOST_RESOURCES: usize = 1_000;
/// Fields of a table, at most.
pub(super) const MOST_FIELDS: usize = 4_096;
/// Keys of a table, at most: each is remembered row by row.
pub(super) const MOST_KEYS: usize = 256;

/// Why a package is refused. Names of the descriptor are metadata and may be shown; cells never occur here.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The descriptor is not there.
    #[error("there is no datapackage.json, datapackage.yaml or datapackage.yml to read")]
    NoDescriptor(#[source] std::io::Error),
    /// The descriptor is larger than any descriptor.
    #[error("the descriptor is larger than 16 MiB")]
    DescriptorSize,
    /// Not JSON or YAML of the right shape.
    #[error("the descriptor cannot be read: {0}")]
    Syntax(String),
    /// A person number among the words that the catalogue would show.
    #[error("the descriptor holds a person number in {0}; everybody with a permit could read it: take it out")]
    PersonNumber(String),
    /// No resources.
    #[error("the package has no resources")]
    Empty,
    /// More resources than any package.
    #[error("the package has more than {MOST_RESOURCES} resources; deliver it as several datasets")]
    TooManyResources,
    /// The share of bad rows allowed is not a percentage.
    #[error("oscar.quarantinePercent must be between 0 and 100")]
    QuarantinePercent,
    /// The scope of identifiers cannot be used.
    #[error("oscar.holder and oscar.identifierSpace must have no control characters")]
    IdentifierSpace,
    /// A name that looks like another one and names other persons.
    #[error(
        "oscar.holder has blanks around it, and identifiers are the holder's: take them out, or write the old text as it was into oscar.identifierSpace if persons have been delivered under it"
    )]
    HolderBlanks,
    /// One resource.
    #[error("resource '{resource}': {problem}")]
    Resource {
        /// The resource's name in the descriptor.
        resource: String,
        /// What is wrong.
        #[source]
        problem: ResourceError,
    },
    /// Two resources for one table.
    #[error("table {0} is described by two resources; list all its files in one resource's path")]
    DuplicateTable(TableName),
    /// Resources that refer to each other in a circle.
    #[error("foreign keys of resources refer to each other in a circle; leave one of them out")]
    Circle,
    /// The contract does not hold together.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] oscar_permit::CanonicalError),
}

/// What is wrong with one resource.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// A word is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something that is not taken, and what is.
    #[error("{what} is not supported: {remedy}")]
    Unsupported {
        /// What.
        what: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// A section that is not of the right shape.
    #[error("{section} cannot be read: {problem}")]
    Syntax {
        /// Which section.
        section: &'static str,
        /// What the parser says.
        problem: String,
    },
    /// A path.
    #[error("{0}")]
    Path(#[from] PathError),
    /// A digest.
    #[error("hash must be 'sha256:' and 64 hexadecimal digits, one for every path")]
    Hash,
    /// A name that cannot be a name in the lake.
    #[error("the name of {what} cannot be used in the lake; give oscar.{word}: {source}")]
    Name {
        /// Of what.
        what: String,
        /// Which word to give.
        word: &'static str,
        /// The rule.
        source: IdError,
    },
    /// More fields than any table.
    #[error("the schema has more than {MOST_FIELDS} fields; deliver the table as several tables")]
    TooManyFields,
    /// More keys than any table.
    #[error("the schema has more than {MOST_KEYS} primary, unique and foreign keys; leave some of them out")]
    TooManyKeys,
    /// Two columns of the same name.
    #[error("two fields become column {0}; give one of them oscar.name")]
    DuplicateColumn(ColumnName),
    /// Two fields of the same name.
    #[error("two fields are named '{0}'")]
    DuplicateField(String),
    /// A name that is no field.
    #[error("{role} names field '{field}', which the schema does not have")]
    UnknownField {
        /// Who names it.
        role: &'static str,
        /// The name.
        field: String,
    },
    /// A field's own words contradict each other or its type.
    #[error("field '{field}': {problem}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// A foreign key to nothing.
    #[error("a foreign key refers to resource '{0}', which the package does not have")]
    UnknownResource(String),
    /// A foreign key of other types.
    #[error("the fields of the foreign key to resource '{0}' differ from its fields in number or type")]
    ReferenceShape(String),
}

impl ResourceError {
    pub(crate) fn field(field: &str, problem: impl Into<String>) -> Self {
        Self::Field { field: field.to_owned(), problem: problem.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>, remedy: &'static str) -> Self {
        Self::Unsupported { what: what.into(), remedy }
    }

    pub(crate) fn syntax(section: &'static str, error: &impl std::fmt::Display) -> Self {
        Self::Syntax { section, problem: without_values(&error.to_string()) }
    }
}

/// Digits in a row that are shown; more may be a value.
const MOST_DIGITS: usize = 4;

/// What a parser says, which quotes what it cannot read: without person numbers and other long numbers.
pub(super) fn without_values(words: &str) -> String {
    let masked = PersonNumber::mask(words, "…");
    let mut shown = String::with_capacity(words.len());
    let mut rest = masked.as_deref().unwrap_or(words);
    while let Some(start) = rest.find(char::is_numeric) {
        let (before, digits) = rest.split_at(start);
        let (digits, after) =
            digits.split_at(digits.find(|character| !char::is_numeric(character)).unwrap_or(digits.len()));
        shown += before;
        shown += if digits.chars().count() > MOST_DIGITS { "…" } else { digits };
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_quotes_is_shown_without_long_numbers() {
        let shown = without_values("invalid value 12345, expected 1234 at line 3 column 99999");
        assert_eq!(shown, "invalid value …, expected 1234 at line 3 column …");
        assert_eq!(without_values("string \"020160-9995\" and 02.03.29-1WQ3, ١٢٣٤٥"), "string \"…\" and …, …");
        assert_eq!(without_values("unknown field `a`"), "unknown field `a`");
    }
}
