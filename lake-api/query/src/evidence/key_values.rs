//! Group keys: arrays of the engine to vetting's values.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result};
use oscar_permit::{LogicalType, Value};
use oscar_vetting::KeyValue;

/// The values of one key column.
pub(crate) fn key_values(array: &ArrayRef) -> Result<Vec<KeyValue>> {
    let plain = cast(array, &plain_type(array.data_type())?)?;
    let of = |value: &dyn Fn(usize) -> KeyValue| {
        (0..plain.len()).map(|row| if plain.is_null(row) { KeyValue::Null } else { value(row) }).collect()
    };
    Ok(match plain.data_type() {
        DataType::Boolean => of(&|row| KeyValue::Boolean(plain.as_boolean().value(row))),
        DataType::Int64 => of(&|row| KeyValue::Integer(plain.as_primitive::<Int64Type>().value(row))),
        DataType::Float64 => of(&|row| KeyValue::Number(plain.as_primitive::<Float64Type>().value(row).into())),
        DataType::Utf8 => of(&|row| KeyValue::Text(plain.as_string::<i32>().value(row).to_owned())),
        DataType::Date32 => of(&|row| KeyValue::Date(plain.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            of(&|row| KeyValue::Timestamp(plain.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        _ => return Err(unsupported()),
    })
}

/// What keys are cast to before they are grouped: the plain type where two values of the
/// engine's may be one of vetting's. Grouped apart they would be two cells with one key.
pub(crate) fn grouping_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::UInt64 => Some(DataType::Int64),
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        _ => None,
    }
}

/// The widest type of a key's family.
fn plain_type(data_type: &DataType) -> Result<DataType> {
    Ok(match data_type {
        DataType::Boolean => DataType::Boolean,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Date32 => DataType::Date32,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        _ => return Err(unsupported()),
    })
}

fn unsupported() -> DataFusionError {
    DataFusionError::Internal("a key type that the gate does not allow".to_owned())
}

/// A value of a contract as a key of a column of that type; `None` when it has no such form.
pub(crate) fn contract_value(value: &Value, logical: LogicalType) -> Option<KeyValue> {
    match (logical, value) {
        (LogicalType::Boolean, Value::Boolean(flag)) => Some(KeyValue::Boolean(*flag)),
        (LogicalType::Integer, Value::Integer(number)) => Some(KeyValue::Integer(*number)),
        (LogicalType::Integer, Value::Text(text)) => text.parse().ok().map(KeyValue::Integer),
        (LogicalType::Number, Value::Number(number)) => Some(KeyValue::Number((*number).into())),
        (LogicalType::Number, Value::Integer(number)) => Some(KeyValue::Number((*number as f64).into())),
        (LogicalType::String, Value::Text(text)) => Some(KeyValue::Text(text.clone())),
        (LogicalType::String, Value::Integer(number)) => Some(KeyValue::Text(number.to_string())),
        (LogicalType::Date, value) => {
            let days = value.as_date()?.signed_duration_since(chrono::NaiveDate::default()).num_days();
            i32::try_from(days).ok().map(KeyValue::Date)
        }
        _ => None,
    }
}
