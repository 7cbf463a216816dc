//! One resource, resolved: its files, its format, its fields, keys and references.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use oscar_permit::{ColumnName, DataPermit, DatasetName, Sha256Digest, TableName};

use super::column_name::table_name;
use super::descriptor::{
    ForeignKey, OneOrMany, PersonKey, Resource, ResourceKind, ResourceSection, Schema, SchemaWord,
};
use super::error::{MOST_FIELDS, MOST_KEYS, ResourceError};
use super::field::{Fate, FieldContext, FieldPlan, missing};
use super::file_format::{Compression, Encoding, FileFormat, compression, format};
use super::file_path::resolve;
use crate::fast_hash::{FastMap, FastSet};
use crate::pseudonymise::PersonKeyForm;

/// One table of the delivery.
#[derive(Debug)]
pub(crate) struct ResourcePlan {
    /// The name in the descriptor.
    pub(crate) name: String,
    pub(crate) table: TableName,
    pub(crate) files: Vec<FilePlan>,
    pub(crate) bytes: Option<u64>,
    pub(crate) rows: Option<u64>,
    pub(crate) format: FileFormat,
    pub(crate) fields: Vec<FieldPlan>,
    /// Where the fields are by their names in the file.
    pub(super) places: Places,
    pub(crate) matching: FieldsMatch,
    pub(crate) person: PersonPlan,
    pub(crate) keys: Vec<KeyPlan>,
    pub(crate) references: Vec<ReferencePlan>,
    /// Lists of fields that other resources refer to.
    pub(crate) provides: Vec<ReferencedFields>,
}

/// Positions of fields by their names in the file.
pub(super) type Places = FastMap<String, usize>;

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct FilePlan {
    pub(crate) path: PathBuf,
    pub(crate) digest: Sha256Digest,
    pub(crate) compression: Compression,
}

/// How the file's columns and the schema's fields must agree (Table Schema v2, `fieldsMatch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldsMatch {
    /// The same, in the same order.
    Exact,
    /// The same, in any order.
    Equal,
    /// The file has all fields and may have more, which are not read.
    Subset,
    /// The file has no others and may have fewer; what is not there is null.
    Superset,
    /// At least one in common.
    Partial,
}

/// Whose rows they are.
#[derive(Debug, Clone)]
pub(crate) enum PersonPlan {
    Nobody,
    Field { index: usize, form: PersonKeyForm },
    Rows { column: ColumnName, form: PersonKeyForm },
}

/// Fields that together must differ in every row. A person key differs when the persons do, however they are written.
#[derive(Debug, Clone)]
pub(crate) struct KeyPlan {
    pub(crate) fields: Vec<usize>,
    /// A primary key cannot be null; a unique field can.
    pub(crate) primary: bool,
}

/// Fields that another resource refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReferencedFields {
    pub(crate) fields: Vec<usize>,
    /// Whether the person key among them is compared by the person, and not by its writing and type.
    pub(crate) as_person: bool,
}

/// Fields whose values must occur in another resource.
#[derive(Debug, Clone)]
pub(crate) struct ReferencePlan {
    pub(crate) fields: Vec<usize>,
    /// As in the fields that are referred to.
    pub(crate) as_person: bool,
    pub(crate) table: TableName,
    /// Which of that resource's `provides`.
    pub(crate) key: usize,
}

/// A reference as the descriptor has it, resolved when all resources are known.
pub(crate) struct PendingReference {
    pub(crate) fields: Vec<usize>,
    pub(crate) resource: String,
    pub(crate) targets: Vec<String>,
}

/// What the package and the permit say about all resources.
pub(crate) struct ResourceContext<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) dataset: &'a DatasetName,
    pub(crate) identifier_space: &'a str,
    pub(crate) permit: &'a DataPermit,
    pub(crate) today: i32,
}

/// Longest table name that leaves room for the quarantine's.
const LONGEST_TABLE_NAME: usize = 63 - QUARANTINE.len();
/// How the name of a table's quarantine ends: no table of a package may take it.
pub(crate) const QUARANTINE: &str = "__quarantine";

/// A resource, what it refers to, and its `oscar` section.
pub(crate) type Resolved = (ResourcePlan, Vec<PendingReference>, ResourceSection);

impl ResourcePlan {
    pub(crate) fn of(resource: &Resource, context: &ResourceContext<'_>) -> Result<Resolved, ResourceError> {
        let section = resource.oscar.clone().ok_or(ResourceError::Missing("the oscar section"))?;
        let table = match &section.table {
            Some(table) => table.clone(),
            None => table_name(&resource.name).map_err(|source| ResourceError::Name {
                what: "the resource".into(),
                word: "table",
                source,
            })?,
        };
        if table.as_str().ends_with(QUARANTINE) {
            return Err(ResourceError::unsupported(
                "a table name that ends like a quarantine's",
                "give another oscar.table",
            ));
        }
        if table.as_str().len() > LONGEST_TABLE_NAME {
            return Err(ResourceError::unsupported(
                "a table name of more than 51 characters",
                "give a shorter oscar.table",
            ));
        }
        let schema = schema(resource)?;
        let format = format(resource)?;
        let fields = fields(&schema, &section, &table, encoding(format), context)?;
        let places: Places = (0..).zip(&fields).map(|(place, field)| (field.source.clone(), place)).collect();
        let files = files(resource, context.folder)?;
        let plan = Self {
            name: resource.name.clone(),
            bytes: resource.bytes,
            rows: section.rows,
            format,
            matching: fields_match(schema.fields_match.clone())?,
            person: person(&section, &fields, &table, context)?,
            keys: keys(&schema, &places)?,
            references: Vec::new(),
            provides: Vec::new(),
            table,
            files,
            fields,
            places,
        };
        let pending =
            schema.foreign_keys.into_iter().map(|key| reference(key, &plan.places)).collect::<Result<_, _>>()?;
        Ok((plan, pending, section))
    }

    /// The field that is the person key, and what it is.
    pub(crate) const fn person_field(&self) -> Option<(usize, &PersonKeyForm)> {
        match &self.person {
            PersonPlan::Field { index, form } => Some((*index, form)),
            PersonPlan::Rows { .. } | PersonPlan::Nobody => None,
        }
    }
}

/// Positions of the fields of a key, each named once.
pub(super) fn positions(names: &[String], places: &Places, role: &'static str) -> Result<Vec<usize>, ResourceError> {
    let mut seen = FastSet::default();
    names
        .iter()
        .map(|name| {
            let unknown = || ResourceError::UnknownField { role, field: name.clone() };
            let place = places.get(name).copied().ok_or_else(unknown)?;
            let twice = || ResourceError::unsupported("a key that names a field twice", "name every field once");
            seen.insert(place).then_some(place).ok_or_else(twice)
        })
        .collect()
}

/// The encoding of the files' text.
const fn encoding(format: FileFormat) -> Encoding {
    match format {
        FileFormat::Csv(dialect) => dialect.encoding,
        FileFormat::NdJson | FileFormat::Parquet => Encoding::Utf8,
    }
}

fn schema(resource: &Resource) -> Result<Schema, ResourceError> {
    match &resource.schema {
        None => Err(ResourceError::Missing("schema")),
        Some(SchemaWord::Reference(_)) => {
            Err(ResourceError::unsupported("a schema in another file", "write the schema into the descriptor"))
        }
        Some(SchemaWord::Inline(json)) => {
            serde_json::from_value(json.clone()).map_err(|error| ResourceError::syntax("schema", &error))
        }
    }
}

fn fields(
    schema: &Schema,
    section: &ResourceSection,
    table: &TableName,
    encoding: Encoding,
    context: &ResourceContext<'_>,
) -> Result<Vec<FieldPlan>, ResourceError> {
    if schema.fields.len() > MOST_FIELDS {
        return Err(ResourceError::TooManyFields);
    }
    let person_key = match &section.person_key {
        Some(PersonKey::Field(name)) => Some(name),
        Some(PersonKey::RowNumber(_)) | None => None,
    };
    let default_missing = missing(schema.missing_values.as_deref()).unwrap_or_else(|| vec![String::new()]);
    let free_text_allowed =
        |column: &ColumnName| context.permit.free_text.contains(&format!("{}.{table}.{column}", context.dataset));
    let mut plans: Vec<FieldPlan> = Vec::with_capacity(schema.fields.len());
    let mut sources = BTreeSet::new();
    let mut columns = BTreeSet::new();
    for field in &schema.fields {
        let plan = FieldPlan::of(
            field,
            &FieldContext {
                default_missing: &default_missing,
                encoding,
                codes: section.codes.get(&field.name),
                is_person_key: person_key == Some(&field.name),
                free_text_allowed: &free_text_allowed,
                today: context.today,
            },
        )?;
        if !sources.insert(plan.source.clone()) {
            return Err(ResourceError::DuplicateField(plan.source));
        }
        if plan.is_stored() && !columns.insert(plan.column.clone()) {
            return Err(ResourceError::DuplicateColumn(plan.column));
        }
        plans.push(plan);
    }
    if plans.is_empty() {
        return Err(ResourceError::Missing("schema.fields"));
    }
    if let Some(unknown) = section.codes.keys().find(|name| !sources.contains(*name)) {
        return Err(ResourceError::UnknownField { role: "oscar.codes", field: unknown.clone() });
    }
    Ok(plans)
}

fn files(resource: &Resource, folder: &Path) -> Result<Vec<FilePlan>, ResourceError> {
    if resource.data.is_some() {
        return Err(ResourceError::unsupported(
            "data inside the descriptor",
            "put the rows into a file and give its path",
        ));
    }
    let paths = resource.path.clone().ok_or(ResourceError::Missing("path"))?.into_vec();
    let hashes = resource.hash.clone().ok_or(ResourceError::Missing("hash"))?.into_vec();
    if paths.is_empty() || paths.len() != hashes.len() {
        return Err(ResourceError::Hash);
    }
    paths
        .iter()
        .zip(&hashes)
        .map(|(path, hash)| {
            // Without a prefix Frictionless means MD5, which proves nothing.
            if !hash.starts_with("sha256:") {
                return Err(ResourceError::Hash);
            }
            let digest = hash.parse().map_err(|_| ResourceError::Hash)?;
            let file = resolve(folder, path)?;
            Ok(FilePlan { path: file, digest, compression: compression(path) })
        })
        .collect()
}

fn fields_match(word: Option<OneOrMany<String>>) -> Result<FieldsMatch, ResourceError> {
    let words = word.map(OneOrMany::into_vec).unwrap_or_default();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["exact"] => Ok(FieldsMatch::Exact),
        ["equal"] => Ok(FieldsMatch::Equal),
        ["subset"] => Ok(FieldsMatch::Subset),
        ["superset"] => Ok(FieldsMatch::Superset),
        ["partial"] => Ok(FieldsMatch::Partial),
        _ => Err(ResourceError::unsupported("this fieldsMatch", "use exact, equal, subset, superset or partial")),
    }
}

fn person(
    section: &ResourceSection,
    fields: &[FieldPlan],
    table: &TableName,
    context: &ResourceContext<'_>,
) -> Result<PersonPlan, ResourceError> {
    match (section.kind, &section.person_key) {
        (ResourceKind::Reference, None) if section.person_key_kind.is_none() => Ok(PersonPlan::Nobody),
        (ResourceKind::Reference, _) => {
            Err(ResourceError::unsupported("a person key in reference data", "declare kind: persons"))
        }
        (ResourceKind::Persons, None) => Err(ResourceError::Missing("oscar.personKey")),
        (ResourceKind::Persons, Some(PersonKey::Field(name))) => {
            let kind = section.person_key_kind.ok_or(ResourceError::Missing("oscar.personKeyKind"))?;
            let index = fields.iter().position(|field| field.source == *name && field.fate == Fate::PersonKey);
            let index =
                index.ok_or_else(|| ResourceError::UnknownField { role: "oscar.personKey", field: name.clone() })?;
            Ok(PersonPlan::Field { index, form: PersonKeyForm::of_field(kind, context.identifier_space) })
        }
        (ResourceKind::Persons, Some(PersonKey::RowNumber(key))) => {
            if !key.row_number || section.person_key_kind.is_some() {
                return Err(ResourceError::unsupported(
                    "this personKey",
                    "write {\"rowNumber\": true} and no personKeyKind",
                ));
            }
            let column = match &key.name {
                Some(column) => column.clone(),
                None => ColumnName::new("person").map_err(|source| ResourceError::Name {
                    what: "the person key".into(),
                    word: "personKey.name",
                    source,
                })?,
            };
            if fields.iter().any(|field| field.is_stored() && field.column == column) {
                return Err(ResourceError::DuplicateColumn(column));
            }
            Ok(PersonPlan::Rows {
                column,
                form: PersonKeyForm::of_rows(context.identifier_space, context.dataset, table),
            })
        }
    }
}

fn keys(schema: &Schema, places: &Places) -> Result<Vec<KeyPlan>, ResourceError> {
    let unique_fields = schema.fields.iter().filter(|field| field.constraints.unique).count();
    if 1 + schema.unique_keys.len() + unique_fields + schema.foreign_keys.len() > MOST_KEYS {
        return Err(ResourceError::TooManyKeys);
    }
    let mut keys = Vec::new();
    if let Some(primary) = &schema.primary_key {
        let fields = positions(&primary.clone().into_vec(), places, "primaryKey")?;
        if !fields.is_empty() {
            keys.push(KeyPlan { fields, primary: true });
        }
    }
    for unique in &schema.unique_keys {
        keys.push(KeyPlan { fields: positions(&unique.clone().into_vec(), places, "uniqueKeys")?, primary: false });
    }
    for (index, _) in schema.fields.iter().enumerate().filter(|(_, field)| field.constraints.unique) {
        let is_key = keys.iter().any(|key| key.fields == [index]);
        if !is_key {
            keys.push(KeyPlan { fields: vec![index], primary: false });
        }
    }
    Ok(keys)
}

fn reference(key: ForeignKey, places: &Places) -> Result<PendingReference, ResourceError> {
    let targets = key.reference.fields.into_vec();
    let names = key.fields.into_vec();
    if key.reference.resource.is_empty() {
        return Err(ResourceError::unsupported("a foreign key of a resource to itself", "leave it out"));
    }
    if names.len() != targets.len() || names.is_empty() {
        return Err(ResourceError::ReferenceShape(key.reference.resource));
    }
    Ok(PendingReference {
        fields: positions(&names, places, "foreignKeys")?,
        resource: key.reference.resource,
        targets,
    })
}

/// Structural zeros and second units by their columns in the lake.
pub(super) fn stored_column(plan: &ResourcePlan, name: &str, role: &'static str) -> Result<ColumnName, ResourceError> {
    let field = plan.places.get(name).and_then(|place| plan.fields.get(*place));
    field
        .filter(|field| field.is_stored())
        .map(|field| field.column.clone())
        .ok_or_else(|| ResourceError::UnknownField { role, field: name.to_owned() })
}

/// Structural zeros with lake names.
pub(super) fn structural_zero(
    plan: &ResourcePlan,
    zero: &BTreeMap<String, oscar_permit::Value>,
) -> Result<oscar_permit::StructuralZero, ResourceError> {
    zero.iter()
        .map(|(name, value)| Ok((stored_column(plan, name, "oscar.structuralZeros")?, value.clone())))
        .collect::<Result<_, ResourceError>>()
        .map(oscar_permit::StructuralZero)
}
