//! The Frictionless Data Package v2 descriptor as it is written, with our `oscar` sections.
//!
//! Properties of the package and of a resource that this reader does not know are left
//! alone, as the specification asks. Inside `dialect`, `schema`, `fields`, `constraints` and
//! every `oscar` section an unknown word is an error: there it would be a check that is
//! silently not made.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use oscar_permit::{ColumnName, ColumnTag, DatasetName, TableName, Value};
use serde::Deserialize;
use serde_json::Value as Json;

/// One value or a list of values.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// The package.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) resources: Vec<Resource>,
    pub(crate) oscar: PackageSection,
}

/// The package's `oscar` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PackageSection {
    pub(crate) dataset: DatasetName,
    /// Name of the disclosure profile the holder demands at least.
    pub(crate) profile: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) holder: String,
    #[serde(default)]
    pub(crate) coverage: Option<Coverage>,
    #[serde(default)]
    pub(crate) delivery: DeliveryMode,
    /// Share of a table's rows that may be quarantined, in percent.
    #[serde(default)]
    pub(crate) quarantine_percent: Option<f64>,
    /// Scope in which an identifier names the same person; the holder's name when absent. It
    /// cannot change between deliveries of a dataset.
    #[serde(default)]
    pub(crate) identifier_space: Option<String>,
}

/// First and last day the rows speak of.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Coverage {
    pub(crate) from: NaiveDate,
    pub(crate) until: NaiveDate,
}

/// What a delivery does to the rows that are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeliveryMode {
    /// The package is the whole dataset.
    #[default]
    Full,
    /// The package adds rows.
    Append,
}

/// One resource.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resource {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) path: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(crate) data: Option<Json>,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) encoding: Option<String>,
    #[serde(default)]
    pub(crate) dialect: Option<DialectWord>,
    #[serde(default)]
    pub(crate) schema: Option<SchemaWord>,
    #[serde(default)]
    pub(crate) hash: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(crate) bytes: Option<u64>,
    #[serde(default)]
    pub(crate) oscar: Option<ResourceSection>,
}

/// Frictionless allows a dialect by reference; only a written-out one is accepted here.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum DialectWord {
    Reference(#[expect(dead_code, reason = "only its form matters: a text where a section should be")] String),
    Inline(Json),
}

/// Frictionless allows a schema by reference; only a written-out one is accepted here.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum SchemaWord {
    Reference(#[expect(dead_code, reason = "only its form matters: a text where a section should be")] String),
    Inline(Json),
}

/// How a delimited file is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Dialect {
    #[serde(default, rename = "$schema")]
    pub(crate) _schema: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) _type: Option<String>,
    #[serde(default)]
    pub(crate) delimiter: Option<String>,
    #[serde(default)]
    pub(crate) quote_char: Option<String>,
    #[serde(default)]
    pub(crate) escape_char: Option<String>,
    #[serde(default)]
    pub(crate) double_quote: Option<bool>,
    #[serde(default)]
    pub(crate) header: Option<bool>,
    #[serde(default)]
    pub(crate) comment_char: Option<String>,
    /// Only the two line ends that the reader takes anyway are allowed.
    #[serde(default)]
    pub(crate) line_terminator: Option<String>,
}

/// A table schema.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Schema {
    #[serde(default, rename = "$schema")]
    pub(crate) _profile: Option<String>,
    #[serde(default, rename = "name")]
    pub(crate) _name: Option<String>,
    #[serde(default, rename = "title")]
    pub(crate) _title: Option<String>,
    #[serde(default, rename = "description")]
    pub(crate) _description: Option<String>,
    pub(crate) fields: Vec<Field>,
    #[serde(default)]
    pub(crate) fields_match: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(crate) missing_values: Option<Vec<MissingValue>>,
    #[serde(default)]
    pub(crate) primary_key: Option<OneOrMany<String>>,
    #[serde(default)]
    pub(crate) unique_keys: Vec<OneOrMany<String>>,
    #[serde(default)]
    pub(crate) foreign_keys: Vec<ForeignKey>,
}

/// A text that stands for "absent", with or without a label.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum MissingValue {
    Text(String),
    Labelled {
        value: String,
        #[serde(default, rename = "label")]
        _label: Option<String>,
    },
}

/// A reference to a key of a resource of the same package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForeignKey {
    pub(crate) fields: OneOrMany<String>,
    pub(crate) reference: ForeignReference,
}

/// What a foreign key points to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForeignReference {
    #[serde(default)]
    pub(crate) resource: String,
    pub(crate) fields: OneOrMany<String>,
}

/// One field.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) name: String,
    #[serde(default, rename = "type")]
    pub(crate) type_name: Option<String>,
    #[serde(default)]
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default, rename = "example")]
    pub(crate) _example: Option<Json>,
    #[serde(default, rename = "examples")]
    pub(crate) _examples: Option<Json>,
    #[serde(default, rename = "rdfType")]
    pub(crate) _rdf_type: Option<String>,
    #[serde(default)]
    pub(crate) constraints: Constraints,
    #[serde(default)]
    pub(crate) missing_values: Option<Vec<MissingValue>>,
    #[serde(default)]
    pub(crate) categories: Option<Vec<Category>>,
    #[serde(default, rename = "categoriesOrdered")]
    pub(crate) _categories_ordered: Option<bool>,
    #[serde(default)]
    pub(crate) true_values: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) false_values: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) decimal_char: Option<String>,
    #[serde(default)]
    pub(crate) group_char: Option<String>,
    #[serde(default)]
    pub(crate) bare_number: Option<bool>,
    #[serde(default)]
    pub(crate) oscar: FieldSection,
}

/// A category with or without a label.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Category {
    Labelled {
        value: Json,
        #[serde(default)]
        label: Option<String>,
    },
    Bare(Json),
}

/// What every cell of a field must satisfy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Constraints {
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) unique: bool,
    #[serde(default, rename = "enum")]
    pub(crate) any_of: Option<Vec<Json>>,
    #[serde(default)]
    pub(crate) pattern: Option<String>,
    #[serde(default)]
    pub(crate) minimum: Option<Json>,
    #[serde(default)]
    pub(crate) maximum: Option<Json>,
    #[serde(default)]
    pub(crate) exclusive_minimum: Option<Json>,
    #[serde(default)]
    pub(crate) exclusive_maximum: Option<Json>,
    #[serde(default)]
    pub(crate) min_length: Option<usize>,
    #[serde(default)]
    pub(crate) max_length: Option<usize>,
}

/// A field's `oscar` section.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FieldSection {
    /// The column's name in the lake.
    #[serde(default)]
    pub(crate) name: Option<ColumnName>,
    #[serde(default)]
    pub(crate) tags: BTreeSet<ColumnTag>,
    /// Person numbers in the text are replaced.
    #[serde(default)]
    pub(crate) mask: bool,
    /// The field does not enter the lake.
    #[serde(default)]
    pub(crate) drop: bool,
    /// Unit of measurement.
    #[serde(default)]
    pub(crate) unit: Option<String>,
    /// Why values that look like person numbers are none.
    #[serde(default)]
    pub(crate) not_person_number: Option<String>,
}

/// A resource's `oscar` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResourceSection {
    #[serde(default)]
    pub(crate) table: Option<TableName>,
    pub(crate) kind: ResourceKind,
    #[serde(default)]
    pub(crate) person_key: Option<PersonKey>,
    #[serde(default)]
    pub(crate) person_key_kind: Option<PersonKeyKind>,
    #[serde(default)]
    pub(crate) second_units: Vec<String>,
    /// Closed code lists: field, code, label.
    #[serde(default)]
    pub(crate) codes: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) structural_zeros: Vec<BTreeMap<String, Value>>,
    /// Rows the holder counted.
    #[serde(default)]
    pub(crate) rows: Option<u64>,
}

/// Whose rows a resource holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ResourceKind {
    Persons,
    Reference,
}

/// Where the person of a row is named.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum PersonKey {
    /// In a field.
    Field(String),
    /// Nowhere: the file has exactly one row per person, always in the same order.
    RowNumber(RowNumberKey),
}

/// The row number as person key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RowNumberKey {
    pub(crate) row_number: bool,
    #[serde(default)]
    pub(crate) name: Option<ColumnName>,
}

/// What the person key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PersonKeyKind {
    /// A Danish person number or replacement number.
    Cpr,
    /// A number of the data holder's own.
    Identifier,
}
