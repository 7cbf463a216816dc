//! `DataPermit`: the decision that lets a tenant use datasets, as a cluster object.
//!
//! The fields are those of [`oscar_permit::DataPermit`], which is what the lake-api is given;
//! [`DataPermitSpec::permit`] is the bridge, and a test holds the two models together.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use oscar_permit::PermitError;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

/// Who may use which data, for what, until when, under which disclosure profile. The fields
/// mirror Article 68(10) of Regulation (EU) 2025/327 (European Health Data Space).
///
/// A permit in force is never widened: that is a new object. It may be narrowed, shortened
/// and revoked at any time.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "host.oscar-project.com",
    version = "v1alpha1",
    kind = "DataPermit",
    plural = "datapermits",
    shortname = "dp",
    category = "oscar",
    namespaced,
    status = "DataPermitStatus",
    derive = "PartialEq",
    doc = "The decision that lets a tenant use datasets: who, what, for which purpose, until when.",
    selectable = ".spec.tenant",
    printcolumn(name = "Permit", type_ = "string", json_path = ".spec.id"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Profile", type_ = "string", json_path = ".spec.profile"),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.validUntil"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.validFrom < self.validUntil").message("validUntil must be later than validFrom"),
    validation = Rule::new("self.id == oldSelf.id && self.tenant == oldSelf.tenant && self.authority == oldSelf.authority && self.legalBasis == oldSelf.legalBasis")
        .message("id, tenant, authority and legalBasis are fixed: another decision is another permit")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataPermitSpec {
    /// The authority's reference number, for example `FSEID-00006512`.
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
    pub id: String,
    /// The tenant that the permit was given to.
    #[schemars(length(max = 40), regex(pattern = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"))]
    pub tenant: String,
    /// Who decided.
    #[schemars(length(min = 1, max = 200))]
    pub authority: String,
    /// The legal basis, in words.
    #[schemars(length(min = 1, max = 500))]
    pub legal_basis: String,
    /// What for: codes of the Data Use Ontology (`DUO:0000007`) or words.
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 200)))]
    pub purpose: Vec<String>,
    /// Who may do what.
    #[schemars(length(min = 1, max = 200))]
    pub persons: Vec<PermitPerson>,
    /// What may be used.
    #[schemars(length(min = 1, max = 50))]
    pub datasets: Vec<PermitDataset>,
    /// The disclosure profile, one of those the installation knows.
    #[schemars(length(max = 40), regex(pattern = r"^[a-z][a-z0-9-]{0,39}$"))]
    pub profile: String,
    /// First moment of validity.
    pub valid_from: DateTime<Utc>,
    /// First moment after validity.
    pub valid_until: DateTime<Utc>,
    /// Set when the authority takes the permit back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Free-text columns that may enter the lake, as `dataset.table.column`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(schema_with = "free_text_columns")]
    pub free_text: BTreeSet<String>,
    /// The tools that the permit names, for the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub tools: Vec<String>,
    /// The most that the use may cost, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_cap: Option<FeeCap>,
}

/// One person with one role.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermitPerson {
    /// The identity provider; one of the tenant's issuers.
    #[schemars(length(min = 1, max = 500))]
    pub issuer: String,
    /// The person at that provider.
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// The role.
    pub role: PermitRole,
}

/// What a person may do under a permit; the roles of [`oscar_permit::Role`].
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PermitRole {
    /// Writes queries and asks for releases.
    Analyst,
    /// Checks outputs on the tenant's or platform's side.
    Steward,
    /// Checks outputs on behalf of the data controller.
    ControllerSteward,
    /// Reads everything that is recorded, changes nothing.
    Auditor,
}

/// What may be used of one dataset. A table that is not listed may not be used.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermitDataset {
    /// The dataset.
    #[schemars(schema_with = "sql_name")]
    pub dataset: String,
    /// Its tables.
    #[schemars(length(min = 1, max = 100))]
    pub tables: Vec<PermitTable>,
}

/// What may be used of one table.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermitTable {
    /// The table.
    #[schemars(schema_with = "sql_name")]
    pub table: String,
    /// The columns that may be used; left out, every column.
    // Nullable, because the API server would drop a null elsewhere, and every column be granted.
    #[serde(default, deserialize_with = "null_is_none_of_them", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "sql_names")]
    pub columns: Option<BTreeSet<String>>,
    /// The rows that may be used: all conditions must hold.
    // Nullable for the same reason.
    #[serde(default, deserialize_with = "null_is_no_condition", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("nullable" = true))]
    pub row_filter: Vec<RowCondition>,
}

/// A comparison of one column with literals: `in`, or `notIn`, or `from` and/or `until`.
// No CEL rule says "exactly one": rules see only fields that have a type, and a literal has
// none. `oneOf` with `required` asks for the presence of fields alone.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = serde_json::json!([
    {"required": ["in"]}, {"required": ["notIn"]}, {"anyOf": [{"required": ["from"]}, {"required": ["until"]}]},
])))]
pub struct RowCondition {
    /// The column.
    #[schemars(schema_with = "sql_name")]
    pub column: String,
    /// The cell equals one of these.
    #[serde(default, rename = "in", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "literals")]
    pub any_of: Vec<serde_json::Value>,
    /// The cell is none of these, and present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "literals")]
    pub not_in: Vec<serde_json::Value>,
    /// The cell is this or greater.
    #[serde(default, deserialize_with = "kept", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "literal")]
    pub from: Option<serde_json::Value>,
    /// The cell is less than this.
    #[serde(default, deserialize_with = "kept", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "literal")]
    pub until: Option<serde_json::Value>,
}

/// An amount of money.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FeeCap {
    /// Whole units of the currency.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub amount: i64,
    /// ISO 4217.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
}

/// Where a permit stands.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitPhase {
    /// Not valid yet.
    Pending,
    /// Counts now.
    InForce,
    /// Its time is over.
    Expired,
    /// Taken back.
    Revoked,
    /// It says something that cannot be followed; it counts for nothing.
    Invalid,
}

/// What the operator found.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DataPermitStatus {
    /// The generation that the operator has acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// See the module [`crate::condition`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Where the permit stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<PermitPhase>,
    /// SHA-256 of the permit as events and receipts cite it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When the phase changes next by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_change: Option<Time>,
    /// The UID of the Tenant that had its name when the permit was first seen. It belongs to
    /// no other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
}

/// Why a spec is no permit.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The fields do not form a permit.
    #[error("the permit cannot be understood: {0}")]
    Form(#[from] serde_json::Error),
    /// They form one that contradicts itself.
    #[error(transparent)]
    Permit(#[from] PermitError),
}

impl DataPermitSpec {
    /// The permit as the lake-api knows it, validated.
    ///
    /// # Errors
    /// See [`SpecError`].
    pub fn permit(&self) -> Result<oscar_permit::DataPermit, SpecError> {
        // What is only for the record in the cluster is not part of what the lake-api judges by.
        let Self {
            id,
            tenant,
            authority,
            legal_basis,
            purpose,
            persons,
            datasets,
            profile,
            valid_from,
            valid_until,
            revoked_at,
            free_text,
            tools: _,
            fee_cap: _,
        } = self;
        let mut permit = serde_json::json!({
            "id": id, "tenant": tenant, "authority": authority, "legalBasis": legal_basis, "purpose": purpose,
            "persons": persons, "datasets": datasets, "profile": profile,
            "validFrom": valid_from, "validUntil": valid_until, "freeText": free_text,
        });
        if let (Some(fields), Some(moment)) = (permit.as_object_mut(), revoked_at) {
            fields.insert("revokedAt".to_owned(), serde_json::json!(moment));
        }
        let permit: oscar_permit::DataPermit = serde_json::from_value(permit)?;
        permit.validate()?;
        Ok(permit)
    }
}

/// A list of columns that was begun and not written grants none of them, and so makes no valid permit.
fn null_is_none_of_them<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeSet<String>>, D::Error> {
    Option::deserialize(deserializer).map(|columns| Some(columns.unwrap_or_default()))
}

/// A filter that was begun and not written lets no row through: a condition without a comparison is invalid.
fn null_is_no_condition<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RowCondition>, D::Error> {
    let unwritten = || {
        let column = "row_filter".to_owned();
        vec![RowCondition { column, any_of: Vec::new(), not_in: Vec::new(), from: None, until: None }]
    };
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(unwritten))
}

/// A bound that was begun and not written stays one, and is refused.
fn kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

fn schema(value: &serde_json::Value) -> Schema {
    Schema::try_from(value.clone()).unwrap_or_default()
}

fn sql_name(_: &mut SchemaGenerator) -> Schema {
    schema(&serde_json::json!({"type": "string", "maxLength": 63, "pattern": "^[a-z][a-z0-9_]{0,62}$"}))
}

fn sql_names(_: &mut SchemaGenerator) -> Schema {
    schema(&serde_json::json!({
        "type": "array", "minItems": 1, "maxItems": 500, "x-kubernetes-list-type": "set", "nullable": true,
        "items": {"type": "string", "maxLength": 63, "pattern": "^[a-z][a-z0-9_]{0,62}$"},
    }))
}

fn free_text_columns(_: &mut SchemaGenerator) -> Schema {
    schema(&serde_json::json!({
        "type": "array", "maxItems": 200, "x-kubernetes-list-type": "set",
        "items": {"type": "string", "maxLength": 200, "pattern": r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$"},
    }))
}

/// A boolean, a number or a text: no type of a structural schema, so the API server lets
/// every value through and [`DataPermitSpec::permit`] refuses lists and objects.
fn literal(_: &mut SchemaGenerator) -> Schema {
    schema(&serde_json::json!({"x-kubernetes-preserve-unknown-fields": true, "nullable": true}))
}

fn literals(generator: &mut SchemaGenerator) -> Schema {
    schema(&serde_json::json!({"type": "array", "minItems": 1, "maxItems": 500, "items": literal(generator)}))
}
