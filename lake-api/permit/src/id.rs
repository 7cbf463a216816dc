//! Identifiers as newtypes: parsed once at the edge, trusted afterwards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::RESERVED_PREFIX;

/// Why a text is not an identifier. The message never repeats the text: it may be data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a name of the required form.
    #[error("{kind} must be {rule}")]
    Form {
        /// What was being parsed, as a reader would call it.
        kind: &'static str,
        /// The form it must have.
        rule: &'static str,
    },
    /// Not a SHA-256 digest.
    #[error("a SHA-256 digest is 64 hexadecimal digits")]
    Digest,
}

const LABEL_RULE: &str = "1 to 40 characters a-z, 0-9 and '-', beginning with a letter and not ending with '-'";
const SQL_RULE: &str = "1 to 63 characters a-z, 0-9 and '_', beginning with a letter, not beginning with '__oscar'";
const TOKEN_RULE: &str = "1 to 64 characters a-z, A-Z, 0-9, '-', '_' and '.', beginning with a letter or digit";

fn is_label(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_sql_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.starts_with(RESERVED_PREFIX)
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:ident, $rule:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the name.
            ///
            /// # Errors
            /// [`IdError::Form`] says which form the name must have.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if $check(&text) { Ok(Self(text)) } else { Err(IdError::Form { kind: $kind, rule: $rule }) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// A tenant: one company. A DNS label, because namespaces and buckets are named after it.
    TenantName, "a tenant name", is_label, LABEL_RULE
);
name_type!(
    /// A dataset, for example `hospital_contacts`: an SQL identifier and the schema its tables live in.
    DatasetName, "a dataset name", is_sql_name, SQL_RULE
);
name_type!(
    /// A table inside a dataset: an SQL identifier.
    TableName, "a table name", is_sql_name, SQL_RULE
);
name_type!(
    /// A column of a table: an SQL identifier.
    ColumnName, "a column name", is_sql_name, SQL_RULE
);
name_type!(
    /// A data permit's reference number, for example `FSEID-00006512`.
    PermitId, "a permit id", is_token, TOKEN_RULE
);
name_type!(
    /// A release, `rel-` and a time-ordered unique number.
    ReleaseId, "a release id", is_token, TOKEN_RULE
);

/// A table with the dataset it belongs to; written `dataset.table` as in SQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableRef {
    /// The dataset.
    pub dataset: DatasetName,
    /// The table inside it.
    pub table: TableName,
}

impl TableRef {
    /// Joins the two names.
    #[must_use]
    pub const fn new(dataset: DatasetName, table: TableName) -> Self {
        Self { dataset, table }
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.dataset, self.table)
    }
}

impl TryFrom<String> for TableRef {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let (dataset, table) = text
            .split_once('.')
            .ok_or(IdError::Form { kind: "a table reference", rule: "a dataset name, a dot and a table name" })?;
        Ok(Self::new(dataset.parse()?, table.parse()?))
    }
}

impl From<TableRef> for String {
    fn from(table: TableRef) -> Self {
        table.to_string()
    }
}

/// A person's place in the spoke-wide dense index. It identifies nobody outside the
/// spoke, and still it never leaves evidence and ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonIndex(pub u32);
