//! From a table contract to the Arrow schema of its files.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use oscar_permit::{LogicalType, PERSON_INDEX_COLUMN, PersonIndex, TableContract, TableKind};

/// The Arrow type in which a column is written, unless it holds pseudonyms (see [`arrow_schema`]).
#[must_use]
pub fn arrow_type(logical_type: LogicalType) -> DataType {
    match logical_type {
        LogicalType::Boolean => DataType::Boolean,
        LogicalType::Integer => DataType::Int64,
        LogicalType::Number => DataType::Float64,
        LogicalType::String => DataType::Utf8,
        LogicalType::Date => DataType::Date32,
        LogicalType::Datetime => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// The Arrow type in which a query sees a column: as it was written, except that text comes as
/// views into the file's pages, which DataFusion groups and compares up to twice as fast. A pseudonym
/// is text, too: its letters.
#[must_use]
pub fn scan_type(logical_type: LogicalType) -> DataType {
    match logical_type {
        LogicalType::String => DataType::Utf8View,
        LogicalType::Boolean
        | LogicalType::Integer
        | LogicalType::Number
        | LogicalType::Date
        | LogicalType::Datetime => arrow_type(logical_type),
    }
}

/// The physical schema of a table as it is written: the contract's columns in their order and, for a table of
/// persons, the pseudonym as its bytes (`Binary`, see [`crate::Pseudonym`]) and the hidden person index last
/// (`Int32`, null where a row belongs to nobody).
#[must_use]
pub fn arrow_schema(contract: &TableContract) -> SchemaRef {
    let (person_key, hidden) = match &contract.kind {
        TableKind::Persons { person_key, .. } => {
            (Some(person_key), Some(Field::new(PERSON_INDEX_COLUMN, DataType::Int32, true)))
        }
        TableKind::Reference => (None, None),
    };
    let declared = contract.columns.iter().map(|column| {
        let pseudonym = person_key == Some(&column.name);
        let data_type = if pseudonym { DataType::Binary } else { arrow_type(column.logical_type) };
        Field::new(column.name.as_str(), data_type, !column.required)
    });
    Arc::new(Schema::new(declared.chain(hidden).collect::<Vec<_>>()))
}

/// The 32 bits of a person index as the signed number that the lake stores.
#[must_use]
pub const fn person_index_to_storage(person: PersonIndex) -> i32 {
    person.0.cast_signed()
}

/// The person index whose bits the lake stores as `stored`.
#[must_use]
pub const fn person_index_from_storage(stored: i32) -> PersonIndex {
    PersonIndex(stored.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_person_index_survives_storage() {
        for index in [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            assert_eq!(person_index_from_storage(person_index_to_storage(PersonIndex(index))), PersonIndex(index));
        }
    }
}
