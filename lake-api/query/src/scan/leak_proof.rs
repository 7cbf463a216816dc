//! Predicates that may be evaluated on rows the permit hides.

use arrow::datatypes::Schema;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use oscar_permit::RESERVED_PREFIX;

/// Whether a predicate cannot fail on any row: a visible column compared with literals of
/// the column's own type, no cast, no function, no arithmetic.
pub(crate) fn is_leak_proof(predicate: &Expr, schema: &Schema) -> bool {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            is_pair(left, right, schema) || is_pair(right, left, schema)
        }
        Expr::IsNull(column) | Expr::IsNotNull(column) => column_type(column, schema).is_some(),
        Expr::Between(between) => {
            is_pair(&between.expr, &between.low, schema) && is_pair(&between.expr, &between.high, schema)
        }
        Expr::InList(list) => list.list.iter().all(|item| is_pair(&list.expr, item, schema)),
        _ => false,
    }
}

fn is_pair(column: &Expr, literal: &Expr, schema: &Schema) -> bool {
    match (column_type(column, schema), literal) {
        (Some(column), Expr::Literal(value, _)) => *column == value.data_type(),
        _ => false,
    }
}

fn column_type<'a>(expr: &Expr, schema: &'a Schema) -> Option<&'a arrow::datatypes::DataType> {
    match expr {
        Expr::Column(column) if !column.name.starts_with(RESERVED_PREFIX) => {
            schema.field_with_name(&column.name).ok().map(arrow::datatypes::Field::data_type)
        }
        _ => None,
    }
}

fn is_comparison(operator: Operator) -> bool {
    matches!(operator, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::prelude::{cast, col, lit};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("age", DataType::Int64, true),
            Field::new("sex", DataType::Utf8View, true),
            Field::new("__oscar_person", DataType::Int32, true),
        ])
    }

    #[test]
    fn comparisons_with_literals_of_the_same_type_are_leak_proof() {
        assert!(is_leak_proof(&col("age").gt(lit(5_i64)), &schema()));
        assert!(is_leak_proof(&lit(5_i64).lt_eq(col("age")), &schema()));
        assert!(is_leak_proof(&col("age").is_null(), &schema()));
        assert!(is_leak_proof(&col("age").in_list(vec![lit(1_i64), lit(2_i64)], false), &schema()));
    }

    #[test]
    fn whatever_can_fail_or_names_the_hidden_column_is_not() {
        assert!(!is_leak_proof(&(lit(1_i64) / col("age")).gt(lit(5_i64)), &schema()));
        assert!(!is_leak_proof(&cast(col("sex"), DataType::Int64).gt(lit(5_i64)), &schema()));
        assert!(!is_leak_proof(&col("age").gt(lit("5")), &schema()));
        assert!(!is_leak_proof(&col("age").gt(col("age")), &schema()));
        assert!(!is_leak_proof(&col("__oscar_person").gt(lit(5_i32)), &schema()));
        assert!(!is_leak_proof(&col("unknown").gt(lit(5_i64)), &schema()));
    }
}
