//! The dataset contract: what a data holder promises about a dataset's tables.
//!
//! Intake writes it from the data package of an accepted delivery, the lake stores it by
//! digest, the catalogue shows it, and the query gate takes from it which columns are
//! person keys, which carry code lists and which need a human's eye.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{ColumnName, DatasetName, Sha256Digest, TableName, Value, canonical_json};

/// One dataset: its tables and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatasetContract {
    /// The dataset's name, the SQL schema of its tables.
    pub dataset: DatasetName,
    /// A title for people.
    pub title: String,
    /// What the dataset is, for the catalogue.
    #[serde(default)]
    pub description: String,
    /// Who delivers it (a register, a region, a municipality).
    #[serde(default)]
    pub holder: String,
    /// Name of the disclosure profile the holder demands at least.
    pub profile: String,
    /// First and last day the rows speak of, as the holder states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<(chrono::NaiveDate, chrono::NaiveDate)>,
    /// The tables, by name.
    pub tables: BTreeMap<TableName, TableContract>,
    /// What named the persons of tables that earlier deliveries had and this one has not: a
    /// table that comes back must name them alike.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retired: BTreeMap<TableName, PersonNaming>,
}

/// One table of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableContract {
    /// A title for people.
    #[serde(default)]
    pub title: String,
    /// What a row is.
    #[serde(default)]
    pub description: String,
    /// Persons or public reference data.
    pub kind: TableKind,
    /// The columns in their order; the hidden person index is not among them.
    pub columns: Vec<ColumnContract>,
    /// Columns that together identify a row; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<ColumnName>,
    /// Combinations of codes that cannot occur: their zero may be shown as zero.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub structural_zeros: Vec<StructuralZero>,
}

/// Whose rows a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of")]
pub enum TableKind {
    /// Rows about persons: label UNIT in the gate.
    Persons {
        /// The column that holds the permit-scoped pseudonym.
        #[serde(rename = "personKey")]
        person_key: ColumnName,
        /// Columns that name a second unit (hospital, practice, family, enterprise).
        #[serde(default, rename = "secondUnits", skip_serializing_if = "Vec::is_empty")]
        second_units: Vec<ColumnName>,
        /// What names a person in the files; unknown in contracts of before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        naming: Option<PersonNaming>,
    },
    /// Public reference data (code lists, municipalities): label PUB in the gate.
    Reference,
}

/// What names a person in the files of a table, as far as deliveries must agree on it.
///
/// Two versions of a table speak of the same persons by the same hidden index only when a key
/// of the same form names them: so it is pinned here, and a delivery with another is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", deny_unknown_fields)]
pub enum PersonNaming {
    /// A number in a field.
    Key {
        /// SHA-256 of what stands in front of the number when it is hashed: its kind and the space it is valid in.
        form: Sha256Digest,
    },
    /// The number of the row, which says who is who in one version only.
    RowNumber,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ColumnContract {
    /// The column's name in the lake.
    pub name: ColumnName,
    /// Its type.
    #[serde(rename = "type")]
    pub logical_type: LogicalType,
    /// A title for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What it means, and its unit of measurement.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether every row has it.
    #[serde(default)]
    pub required: bool,
    /// The codes it may hold, where they are a closed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<CodeList>,
    /// What a reviewer must know about it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<ColumnTag>,
}

/// A closed list of codes with their labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeList(pub Vec<(Value, String)>);

/// The types a contract knows; each has one Arrow type in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogicalType {
    /// true or false (`Boolean`).
    Boolean,
    /// A whole number (`Int64`).
    Integer,
    /// A decimal number (`Float64`).
    Number,
    /// Text or a code (`Utf8`).
    String,
    /// A day (`Date32`).
    Date,
    /// A point in time, UTC, microseconds (`Timestamp(µs, "UTC")`).
    Datetime,
}

/// What a column needs beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnTag {
    /// Names an area of few inhabitants: releases that use it are reviewed.
    SmallArea,
    /// Names a rare disease: releases that use it are reviewed.
    RareDisease,
    /// Free text: dropped at intake unless the permit allows it, never released.
    FreeText,
    /// Anything else a reviewer should see: releases that use it are reviewed.
    Sensitive,
}

/// A combination of column values that cannot occur in a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StructuralZero(pub BTreeMap<ColumnName, Value>);

/// Why a contract is not usable. Names columns, never values.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The same column twice.
    #[error("table {table}: column {column} is declared twice")]
    DuplicateColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: ColumnName,
    },
    /// A key, second unit or structural zero names a column that the table does not have.
    #[error("table {table}: {role} names column {column}, which the table does not have")]
    UnknownColumn {
        /// The table.
        table: TableName,
        /// The column that is not there.
        column: ColumnName,
        /// What named it.
        role: &'static str,
    },
    /// A dataset without tables.
    #[error("dataset {0} has no tables")]
    Empty(DatasetName),
    /// The contract has no canonical form (a number that is not finite).
    #[error("the contract has no canonical form")]
    Canonical(#[from] crate::CanonicalError),
}

impl DatasetContract {
    /// Checks that every name a table uses is a column it has.
    ///
    /// # Errors
    /// The first name that is wrong.
    pub fn validate(&self) -> Result<(), ContractError> {
        if self.tables.is_empty() {
            return Err(ContractError::Empty(self.dataset.clone()));
        }
        self.tables.iter().try_for_each(|(name, table)| table.validate(name))
    }

    /// SHA-256 of the canonical JSON: the contract's identity in the lake and in receipts.
    ///
    /// # Errors
    /// When the contract holds a number that is not finite.
    pub fn digest(&self) -> Result<Sha256Digest, ContractError> {
        Ok(Sha256Digest::of(canonical_json(self)?))
    }
}

impl TableContract {
    fn validate(&self, name: &TableName) -> Result<(), ContractError> {
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            if !seen.insert(&column.name) {
                return Err(ContractError::DuplicateColumn { table: name.clone(), column: column.name.clone() });
            }
        }
        let known = |column: &ColumnName, role| {
            if seen.contains(column) {
                Ok(())
            } else {
                Err(ContractError::UnknownColumn { table: name.clone(), column: column.clone(), role })
            }
        };
        if let TableKind::Persons { person_key, second_units, naming: _ } = &self.kind {
            known(person_key, "the person key")?;
            second_units.iter().try_for_each(|column| known(column, "a second unit"))?;
        }
        self.primary_key.iter().try_for_each(|column| known(column, "the primary key"))?;
        self.structural_zeros
            .iter()
            .flat_map(|zero| zero.0.keys())
            .try_for_each(|column| known(column, "a structural zero"))
    }

    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnContract> {
        self.columns.iter().find(|column| column.name.as_str() == name)
    }

    /// The person key, when the table holds persons.
    #[must_use]
    pub const fn person_key(&self) -> Option<&ColumnName> {
        match &self.kind {
            TableKind::Persons { person_key, .. } => Some(person_key),
            TableKind::Reference => None,
        }
    }

    /// What names the persons of the table, where that is known.
    #[must_use]
    pub const fn naming(&self) -> Option<&PersonNaming> {
        match &self.kind {
            TableKind::Persons { naming, .. } => naming.as_ref(),
            TableKind::Reference => None,
        }
    }
}
