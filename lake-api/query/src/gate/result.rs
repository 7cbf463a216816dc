//! Which expressions may be computed on cells, after suppression and rounding.
//!
//! A suppressed measure is NULL, and NULL must stay NULL: arithmetic and comparisons
//! carry it on, while CASE, COALESCE and the like could turn the mark into a number and
//! are refused. Group keys leave unchanged.

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::refusal::RefusalCode;
use super::relation::ResultField;

type Judged<T> = Result<T, RefusalCode>;

const MAX_DEPTH: usize = 40;

fn lookup(column: &Column, schema: &DFSchema, fields: &[ResultField]) -> Judged<ResultField> {
    let index = schema.index_of_column(column).map_err(|_| RefusalCode::LineageUnknown)?;
    match fields.get(index) {
        Some(ResultField::Internal) | None => Err(RefusalCode::ResultExpressionRefused),
        Some(field) => Ok(*field),
    }
}

/// Judges an output column over cells.
pub(crate) fn output(expr: &Expr, schema: &DFSchema, fields: &[ResultField]) -> Judged<ResultField> {
    match expr {
        Expr::Alias(alias) => output(&alias.expr, schema, fields),
        Expr::Column(column) => lookup(column, schema, fields),
        other => arithmetic(other, schema, fields, 0),
    }
}

/// Arithmetic on measures and literals.
fn arithmetic(expr: &Expr, schema: &DFSchema, fields: &[ResultField], depth: usize) -> Judged<ResultField> {
    if depth > MAX_DEPTH {
        return Err(RefusalCode::TooDeep);
    }
    let inner = |part: &Expr| arithmetic(part, schema, fields, depth + 1);
    match expr {
        Expr::Literal(_, _) => Ok(ResultField::Constant),
        Expr::Column(column) => match lookup(column, schema, fields)? {
            ResultField::Measure => Ok(ResultField::Measure),
            ResultField::Constant => Ok(ResultField::Constant),
            ResultField::Key(_) | ResultField::Internal => Err(RefusalCode::ResultExpressionRefused),
        },
        Expr::Alias(alias) => inner(&alias.expr),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_arithmetic(*op) => {
            Ok(join_roles(inner(left)?, inner(right)?))
        }
        Expr::Negative(part) => inner(part),
        Expr::Cast(cast) if is_number(cast.field.data_type()) => inner(&cast.expr),
        Expr::ScalarFunction(call) if call.func.name() == "round" => {
            call.args.iter().try_fold(ResultField::Constant, |role, arg| Ok(join_roles(role, inner(arg)?)))
        }
        _ => Err(RefusalCode::ResultExpressionRefused),
    }
}

/// Judges HAVING and ORDER BY over cells: comparisons of keys, measures and literals.
pub(crate) fn condition(expr: &Expr, schema: &DFSchema, fields: &[ResultField]) -> Judged<()> {
    condition_at(expr, schema, fields, 0)
}

fn condition_at(expr: &Expr, schema: &DFSchema, fields: &[ResultField], depth: usize) -> Judged<()> {
    if depth > MAX_DEPTH {
        return Err(RefusalCode::TooDeep);
    }
    let all = |parts: &[&Expr]| parts.iter().try_for_each(|part| condition_at(part, schema, fields, depth + 1));
    match expr {
        Expr::Literal(_, _) => Ok(()),
        Expr::Column(column) => lookup(column, schema, fields).map(|_| ()),
        Expr::Alias(alias) => all(&[&alias.expr]),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_arithmetic(*op) || is_comparison(*op) => {
            all(&[left, right])
        }
        Expr::Not(part) | Expr::IsNull(part) | Expr::IsNotNull(part) | Expr::Negative(part) => all(&[part]),
        Expr::Between(between) => all(&[&between.expr, &between.low, &between.high]),
        Expr::InList(list) => all(&std::iter::once(list.expr.as_ref()).chain(&list.list).collect::<Vec<_>>()),
        Expr::Like(like) => all(&[&like.expr, &like.pattern]),
        Expr::Cast(cast) if is_number(cast.field.data_type()) || is_plain(cast.field.data_type()) => all(&[&cast.expr]),
        Expr::ScalarFunction(call) if call.func.name() == "round" => all(&call.args.iter().collect::<Vec<_>>()),
        _ => Err(RefusalCode::ResultExpressionRefused),
    }
}

fn join_roles(one: ResultField, other: ResultField) -> ResultField {
    if one == ResultField::Measure || other == ResultField::Measure {
        ResultField::Measure
    } else {
        ResultField::Constant
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    matches!(operator, Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide)
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::And
            | Operator::Or
    )
}

fn is_number(target: &DataType) -> bool {
    matches!(target, DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64)
}

fn is_plain(target: &DataType) -> bool {
    matches!(
        target,
        DataType::Utf8 | DataType::Utf8View | DataType::Date32 | DataType::Timestamp(_, _) | DataType::Boolean
    )
}
