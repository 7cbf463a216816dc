//! One value in its canonical form.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use oscar_vetting::KeyValue;

/// The value at `row`; `Null` for absent values and types that do not leave.
pub(super) fn value_at(array: &ArrayRef, row: usize) -> KeyValue {
    if row >= array.len() || array.is_null(row) {
        return KeyValue::Null;
    }
    match array.data_type() {
        DataType::Boolean => KeyValue::Boolean(array.as_boolean().value(row)),
        DataType::Int64 => KeyValue::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => KeyValue::Number(array.as_primitive::<Float64Type>().value(row).into()),
        DataType::Utf8 => KeyValue::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Date32 => KeyValue::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(_, _) => KeyValue::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        _ => KeyValue::Null,
    }
}
