//! One field of a resource, resolved.

use std::collections::{BTreeMap, BTreeSet};

use oscar_permit::{CodeList, ColumnContract, ColumnName, ColumnTag, LogicalType, Value};
use serde_json::Value as Json;

use super::cell_format::{Cell, CellFormat};
use super::checks::{Checks, constant};
use super::column_name::column_name;
use super::descriptor::{Category, Field, MissingValue};
use super::error::ResourceError;
use super::file_format::Encoding;

/// What becomes of a field's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Stored as they are; a person number among them refuses the delivery.
    Keep,
    /// Stored; person numbers in text are replaced, integers that look like one become null.
    Mask,
    /// Replaced by the pseudonym.
    PersonKey,
    /// Checked and not stored.
    Drop,
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct FieldPlan {
    /// The name in the file.
    pub(crate) source: String,
    pub(crate) column: ColumnName,
    pub(crate) format: CellFormat,
    /// Cells without a value, in the bytes of the file's encoding.
    pub(crate) missing: Vec<Vec<u8>>,
    pub(crate) checks: Checks,
    pub(crate) fate: Fate,
    /// The holder has said that values which look like person numbers are none.
    pub(crate) not_person_number: bool,
    pub(crate) contract: ColumnContract,
}

/// What the resource and the permit say about a field.
pub(crate) struct FieldContext<'a> {
    pub(crate) default_missing: &'a [String],
    pub(crate) encoding: Encoding,
    pub(crate) codes: Option<&'a BTreeMap<String, String>>,
    pub(crate) is_person_key: bool,
    /// Free text is dropped unless the permit allows the column of this name.
    pub(crate) free_text_allowed: &'a dyn Fn(&ColumnName) -> bool,
    pub(crate) today: i32,
}

impl FieldPlan {
    pub(crate) fn of(field: &Field, context: &FieldContext<'_>) -> Result<Self, ResourceError> {
        let column = match &field.oscar.name {
            Some(name) => name.clone(),
            None => column_name(&field.name).map_err(|source| ResourceError::Name {
                what: format!("field '{}'", field.name),
                word: "name",
                source,
            })?,
        };
        let format = CellFormat::of(field)?;
        let labels = code_labels(field, context.codes)?;
        let codes: Option<Vec<String>> =
            labels.as_ref().map(|labels| labels.iter().map(|(code, _)| code.clone()).collect());
        let checks = Checks::of(field, &format, codes.as_deref(), context.today)?;
        let fate = fate(field, &column, &format, context)?;
        if let Some(reason) = &field.oscar.not_person_number
            && reason.trim().is_empty()
        {
            return Err(ResourceError::field(&field.name, "oscar.notPersonNumber must give the reason in words"));
        }
        let contract = contract(field, &column, &format, fate, labels)?;
        Ok(Self {
            source: field.name.clone(),
            column,
            format,
            missing: missing(field.missing_values.as_deref())
                .unwrap_or_else(|| context.default_missing.to_vec())
                .iter()
                .filter_map(|word| encoded(word, context.encoding))
                .collect(),
            checks,
            fate,
            not_person_number: field.oscar.not_person_number.is_some(),
            contract,
        })
    }

    /// Whether the column enters the lake.
    pub(crate) const fn is_stored(&self) -> bool {
        match self.fate {
            Fate::Keep | Fate::Mask | Fate::PersonKey => true,
            Fate::Drop => false,
        }
    }
}

pub(crate) fn missing(values: Option<&[MissingValue]>) -> Option<Vec<String>> {
    values.map(|values| {
        values
            .iter()
            .map(|value| match value {
                MissingValue::Text(text) => text.clone(),
                MissingValue::Labelled { value, _label: _ } => value.clone(),
            })
            .collect()
    })
}

/// A word in the bytes of an encoding; `None` when it has characters that the encoding does not have, so that no
/// cell can be it.
fn encoded(word: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Utf8 => Some(word.as_bytes().to_vec()),
        Encoding::Windows1252 => {
            let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(word);
            (!unmappable).then(|| bytes.into_owned())
        }
    }
}

fn fate(
    field: &Field,
    column: &ColumnName,
    format: &CellFormat,
    context: &FieldContext<'_>,
) -> Result<Fate, ResourceError> {
    let free_text = field.oscar.tags.contains(&ColumnTag::FreeText);
    if context.is_person_key {
        if field.oscar.mask || field.oscar.drop || free_text {
            return Err(ResourceError::field(
                &field.name,
                "the person key can be neither masked, dropped nor free text",
            ));
        }
        return match format.logical_type() {
            LogicalType::String | LogicalType::Integer => Ok(Fate::PersonKey),
            LogicalType::Boolean | LogicalType::Number | LogicalType::Date | LogicalType::Datetime => {
                Err(ResourceError::field(&field.name, "the person key must be of type string or integer"))
            }
        };
    }
    if field.oscar.drop || (free_text && !(context.free_text_allowed)(column)) {
        return Ok(Fate::Drop);
    }
    if !field.oscar.mask {
        return Ok(Fate::Keep);
    }
    match format.logical_type() {
        LogicalType::String | LogicalType::Integer | LogicalType::Number => Ok(Fate::Mask),
        LogicalType::Boolean | LogicalType::Date | LogicalType::Datetime => {
            Err(ResourceError::field(&field.name, "oscar.mask needs type string, integer or number"))
        }
    }
}

/// The closed code list, from `oscar.codes` or from Frictionless `categories`.
fn code_labels(
    field: &Field,
    codes: Option<&BTreeMap<String, String>>,
) -> Result<Option<Vec<(String, String)>>, ResourceError> {
    let as_text = |value: &Json| match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
            Err(ResourceError::field(&field.name, "categories must be texts or numbers"))
        }
    };
    match (codes, &field.categories) {
        (Some(_), Some(_)) => Err(ResourceError::field(&field.name, "give either categories or oscar.codes, not both")),
        (Some(codes), None) => Ok(Some(codes.iter().map(|(code, label)| (code.clone(), label.clone())).collect())),
        (None, Some(categories)) => categories
            .iter()
            .map(|category| match category {
                Category::Labelled { value, label } => {
                    let code = as_text(value)?;
                    Ok((code.clone(), label.clone().unwrap_or(code)))
                }
                Category::Bare(value) => as_text(value).map(|code| (code.clone(), code)),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        (None, None) => Ok(None),
    }
}

fn contract(
    field: &Field,
    column: &ColumnName,
    format: &CellFormat,
    fate: Fate,
    labels: Option<Vec<(String, String)>>,
) -> Result<ColumnContract, ResourceError> {
    let logical_type = if fate == Fate::PersonKey { LogicalType::String } else { format.logical_type() };
    let codes = match labels {
        // A list of person keys would be a list of persons.
        Some(_) if fate == Fate::PersonKey => {
            return Err(ResourceError::field(&field.name, "the person key cannot have a code list"));
        }
        Some(labels) => Some(code_list(field, format, labels)?),
        None => None,
    };
    let unit = field.oscar.unit.as_ref().map(|unit| format!("Unit: {unit}."));
    let reason = field.oscar.not_person_number.as_ref().map(|reason| format!("Not a person number: {reason}."));
    let description: Vec<&str> = [Some(&field.description), unit.as_ref(), reason.as_ref()]
        .into_iter()
        .flatten()
        .map(|part| part.trim())
        .collect();
    Ok(ColumnContract {
        name: column.clone(),
        logical_type,
        title: field.title.clone(),
        description: description.join(" ").trim().to_owned(),
        // Masking may take a cell away.
        required: field.constraints.required && fate != Fate::Mask,
        codes,
        tags: BTreeSet::clone(&field.oscar.tags),
    })
}

fn code_list(field: &Field, format: &CellFormat, labels: Vec<(String, String)>) -> Result<CodeList, ResourceError> {
    let value = |code: &str| {
        let json = Json::String(code.to_owned());
        Some(match constant(format, &json, &mut String::new())? {
            Cell::Text(text) => Value::Text(text.to_owned()),
            Cell::Boolean(flag) => Value::Boolean(flag),
            Cell::Integer(number) => Value::Integer(number),
            Cell::Number(number) => Value::Number(number),
            Cell::Date(_) | Cell::Datetime(_) => Value::Text(code.to_owned()),
        })
    };
    labels
        .into_iter()
        .map(|(code, label)| value(&code).map(|value| (value, label)))
        .collect::<Option<Vec<_>>>()
        .map(CodeList)
        .ok_or_else(|| ResourceError::field(&field.name, "a code is not of the field's type"))
}
