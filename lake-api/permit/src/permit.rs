//! The data permit: who may use what, for which purpose, until when, under which rules.
//!
//! On one machine a permit is a YAML or JSON file; in a cluster it is a `DataPermit`
//! object. The fields mirror Article 68(10) of the European Health Data Space
//! regulation, (EU) 2025/327.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::written::{written, written_or_absent};
use crate::{
    ColumnName, DatasetName, IdError, PermitId, Role, RowFilter, RowFilterError, Sha256Digest, TableName, TenantName,
    canonical_json,
};

/// A decision that lets a tenant's persons use datasets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataPermit {
    /// The authority's reference number.
    pub id: PermitId,
    /// The tenant the permit was given to.
    pub tenant: TenantName,
    /// Who decided.
    pub authority: String,
    /// The legal basis, in words.
    pub legal_basis: String,
    /// What for: codes of the Data Use Ontology (`DUO:0000007`) or words.
    pub purpose: Vec<String>,
    /// Who may do what.
    pub persons: Vec<PermitPerson>,
    /// What may be used.
    pub datasets: Vec<DatasetGrant>,
    /// Name of the disclosure profile.
    pub profile: String,
    /// First moment of validity.
    pub valid_from: DateTime<Utc>,
    /// First moment after validity.
    pub valid_until: DateTime<Utc>,
    /// Set when the authority has taken the permit back.
    #[serde(default, deserialize_with = "written_or_absent", skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Free-text columns that may enter the lake, as `dataset.table.column`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub free_text: BTreeSet<String>,
}

/// One person with one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermitPerson {
    /// The identity provider.
    pub issuer: String,
    /// The person at that provider.
    pub subject: String,
    /// The role.
    pub role: Role,
}

/// What may be used of one dataset. A table that is not listed may not be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatasetGrant {
    /// The dataset.
    pub dataset: DatasetName,
    /// Its tables.
    pub tables: Vec<TableGrant>,
}

/// What may be used of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableGrant {
    /// The table.
    pub table: TableName,
    /// The columns that may be used; `None` (the word left out) means every column of the contract.
    #[serde(default, deserialize_with = "written_or_absent", skip_serializing_if = "Option::is_none")]
    pub columns: Option<BTreeSet<ColumnName>>,
    /// The rows that may be used.
    #[serde(default, deserialize_with = "written")]
    pub row_filter: RowFilter,
}

/// Why a permit is not usable.
#[derive(Debug, thiserror::Error)]
pub enum PermitError {
    /// The text is not a permit.
    #[error("the permit cannot be read: {0}")]
    Syntax(String),
    /// Valid for no moment.
    #[error("permit {0}: validUntil must be later than validFrom")]
    Period(PermitId),
    /// Nobody, or nothing.
    #[error("permit {0}: {1} must not be empty")]
    Empty(PermitId, &'static str),
    /// The same person, dataset or table twice: which entry holds would be a guess.
    #[error("permit {0}: {1} is listed twice")]
    Duplicate(PermitId, &'static str),
    /// A row filter that says nothing or two things.
    #[error(transparent)]
    RowFilter(#[from] RowFilterError),
    /// A name of the wrong form.
    #[error(transparent)]
    Name(#[from] IdError),
    /// No canonical form.
    #[error(transparent)]
    Canonical(#[from] crate::CanonicalError),
}

impl DataPermit {
    /// Reads a permit from YAML or JSON (JSON is YAML) and validates it.
    ///
    /// # Errors
    /// See [`PermitError`]; unknown fields are errors, so that a misspelt restriction is never ignored.
    pub fn from_yaml(text: &str) -> Result<Self, PermitError> {
        let permit: Self = serde_saphyr::from_str(text).map_err(|error| PermitError::Syntax(error.to_string()))?;
        permit.validate()?;
        Ok(permit)
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// See [`PermitError`].
    pub fn validate(&self) -> Result<(), PermitError> {
        if self.valid_until <= self.valid_from {
            return Err(PermitError::Period(self.id.clone()));
        }
        let empty = |what| PermitError::Empty(self.id.clone(), what);
        if self.persons.is_empty() {
            return Err(empty("persons"));
        }
        if self.persons.iter().any(|person| person.issuer.is_empty() || person.subject.is_empty()) {
            return Err(empty("a person's issuer and subject"));
        }
        if self.datasets.is_empty() {
            return Err(empty("datasets"));
        }
        if self.purpose.is_empty() {
            return Err(empty("purpose"));
        }
        self.validate_unique()?;
        self.datasets.iter().flat_map(|dataset| &dataset.tables).try_for_each(|table| {
            if table.columns.as_ref().is_some_and(BTreeSet::is_empty) {
                return Err(empty("a table's columns"));
            }
            table.row_filter.validate().map_err(PermitError::from)
        })
    }

    fn validate_unique(&self) -> Result<(), PermitError> {
        let duplicate = |what| Err(PermitError::Duplicate(self.id.clone(), what));
        let mut persons = BTreeSet::new();
        if !self.persons.iter().all(|person| persons.insert((&person.issuer, &person.subject))) {
            return duplicate("a person");
        }
        let mut datasets = BTreeSet::new();
        if !self.datasets.iter().all(|grant| datasets.insert(&grant.dataset)) {
            return duplicate("a dataset");
        }
        for grant in &self.datasets {
            let mut tables = BTreeSet::new();
            if !grant.tables.iter().all(|table| tables.insert(&table.table)) {
                return duplicate("a table");
            }
        }
        Ok(())
    }

    /// SHA-256 of the canonical JSON, recorded in every event and receipt made under the permit.
    ///
    /// # Errors
    /// When the permit holds a number that is not finite.
    pub fn digest(&self) -> Result<Sha256Digest, PermitError> {
        Ok(Sha256Digest::of(canonical_json(self)?))
    }
}
