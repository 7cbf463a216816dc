//! The permit's row filter as an engine expression.
//!
//! A value of the filter takes the column's own type here, once; a value that has no such
//! form hides every row, because a filter that cannot be applied must not show anything.
//! A comparison with an absent cell is NULL, and NULL hides the row.

use arrow::datatypes::DataType;
use chrono::{DateTime, NaiveDate, Utc};
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::ident;
use datafusion::scalar::ScalarValue;
use oscar_permit::{Condition, RowFilter, Value};

/// The conjunction of all conditions; `None` when every row may be seen.
pub(crate) fn predicate(filter: &RowFilter, column_type: impl Fn(&str) -> Option<DataType>) -> Option<Expr> {
    filter
        .0
        .iter()
        .map(|condition| {
            column_type(condition.column.as_str())
                .and_then(|data_type| one(condition, &data_type))
                .unwrap_or_else(|| lit(false))
        })
        .reduce(Expr::and)
}

fn one(condition: &Condition, data_type: &DataType) -> Option<Expr> {
    let Condition { column, any_of, not_in, from, until } = condition;
    let cell = || ident(column.as_str());
    let literals = |values: &[Value]| values.iter().map(|value| literal(value, data_type)).collect::<Option<Vec<_>>>();
    let mut parts = Vec::new();
    if !any_of.is_empty() {
        parts.push(cell().in_list(literals(any_of)?, false));
    }
    if !not_in.is_empty() {
        parts.push(cell().in_list(literals(not_in)?, true));
    }
    if let Some(from) = from {
        parts.push(cell().gt_eq(literal(from, data_type)?));
    }
    if let Some(until) = until {
        parts.push(cell().lt(literal(until, data_type)?));
    }
    parts.into_iter().reduce(Expr::and)
}

/// A filter value as a literal of the column's type.
fn literal(value: &Value, data_type: &DataType) -> Option<Expr> {
    let scalar = match (data_type, value) {
        (DataType::Boolean, Value::Boolean(flag)) => ScalarValue::Boolean(Some(*flag)),
        (DataType::Int64, Value::Integer(number)) => ScalarValue::Int64(Some(*number)),
        (DataType::Float64, Value::Number(number)) => ScalarValue::Float64(Some(*number)),
        (DataType::Float64, Value::Integer(number)) => ScalarValue::Float64(Some(*number as f64)),
        (DataType::Utf8, Value::Text(text)) => ScalarValue::Utf8(Some(text.clone())),
        (DataType::Utf8View, Value::Text(text)) => ScalarValue::Utf8View(Some(text.clone())),
        // A code that YAML reads as a number is still the text the column holds.
        (DataType::Utf8, Value::Integer(number)) => ScalarValue::Utf8(Some(number.to_string())),
        (DataType::Utf8View, Value::Integer(number)) => ScalarValue::Utf8View(Some(number.to_string())),
        (DataType::Date32, Value::Text(_)) => ScalarValue::Date32(Some(days(value.as_date()?)?)),
        (DataType::Timestamp(_, zone), Value::Text(text)) => {
            ScalarValue::TimestampMicrosecond(Some(moment(text, value)?.timestamp_micros()), zone.clone())
        }
        _ => return None,
    };
    Some(lit(scalar))
}

fn days(date: NaiveDate) -> Option<i32> {
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// A moment in RFC 3339, or the beginning of a day in UTC.
fn moment(text: &str, value: &Value) -> Option<DateTime<Utc>> {
    match value.as_date() {
        Some(date) => Some(date.and_hms_opt(0, 0, 0)?.and_utc()),
        None => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
    }
}

#[cfg(test)]
mod tests {
    use oscar_permit::ColumnName;

    use super::*;

    fn filter(value: Value) -> RowFilter {
        let column = ColumnName::new("c").unwrap();
        RowFilter(vec![Condition { column, any_of: vec![value], not_in: Vec::new(), from: None, until: None }])
    }

    #[test]
    fn values_take_the_type_of_the_column() {
        let shown = |value, data_type: DataType| {
            predicate(&filter(value), |_| Some(data_type.clone())).map(|expr| expr.to_string()).unwrap()
        };
        assert_eq!(shown(Value::Integer(5), DataType::Float64), "c IN ([Float64(5)])");
        assert_eq!(shown(Value::Text("2020-01-02".into()), DataType::Date32), "c IN ([Date32(\"2020-01-02\")])");
        assert_eq!(shown(Value::Integer(1084), DataType::Utf8), "c IN ([Utf8(\"1084\")])");
    }

    #[test]
    fn a_value_without_a_form_in_the_column_hides_every_row() {
        let hidden = predicate(&filter(Value::Text("north".into())), |_| Some(DataType::Int64)).unwrap();
        assert_eq!(hidden, lit(false));
        let unknown_column = predicate(&filter(Value::Integer(1)), |_| None).unwrap();
        assert_eq!(unknown_column, lit(false));
        assert!(predicate(&RowFilter::default(), |_| None).is_none());
    }
}
