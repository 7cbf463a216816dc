//! The metadata map: what a permit lets its holder use.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The datasets that the caller's permits name and that have been delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// The datasets, by name.
    pub datasets: Vec<Dataset>,
}

/// One dataset as the caller may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dataset {
    /// The name, the SQL schema of its tables.
    pub dataset: String,
    /// A title for people.
    pub title: String,
    /// What it is.
    pub description: String,
    /// Who delivers it.
    pub holder: String,
    /// The days its rows speak of, where the holder states them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Coverage>,
    /// When the newest accepted delivery came in.
    pub delivered: DateTime<Utc>,
    /// The permits that let the caller use it.
    pub permits: Vec<String>,
    /// The tables the caller may use, by name.
    pub tables: Vec<Table>,
}

/// First and last day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub until: NaiveDate,
}

/// One table as the caller may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// The name.
    pub table: String,
    /// A title for people.
    pub title: String,
    /// What a row is.
    pub description: String,
    /// Whether its rows are about persons.
    pub kind: Kind,
    /// The column that holds the pseudonym, for tables of persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_key: Option<String>,
    /// Rows in the lake, rounded coarsely; the permit may show fewer.
    pub rows: Size,
    /// Whether the permit hides some rows.
    pub filtered: bool,
    /// The columns the caller may use, in their order.
    pub columns: Vec<Column>,
}

/// Whose rows a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Rows about persons.
    Persons,
    /// Public reference data.
    Reference,
}

/// A rounded number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// About so many.
    pub about: u64,
    /// Set when there are fewer than `about`.
    pub fewer: bool,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// The name.
    pub name: String,
    /// Its type: boolean, integer, number, string, date or datetime.
    #[serde(rename = "type")]
    pub logical_type: String,
    /// A title for people.
    pub title: String,
    /// What it means.
    pub description: String,
    /// Whether every row has it.
    pub required: bool,
    /// Its codes, where they are a closed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<Vec<Code>>,
    /// What makes a release that uses it go to review.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// One code with its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Code {
    /// The code as text.
    pub code: String,
    /// What it means.
    pub label: String,
}
