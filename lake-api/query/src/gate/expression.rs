//! Which expressions may be computed on rows.
//!
//! Every variant of the engine's expression type is decided here by name, so a new
//! version of the engine that adds one does not compile until somebody has decided it.
//! The person key may only appear bare, and only where the caller asks for it; any
//! expression that computes with it ends in [`RefusalCode::PersonKeyMisused`].

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::expr::{BinaryExpr, InSubquery, ScalarFunction};
use datafusion::logical_expr::{Expr, Operator, Subquery};

use super::functions::scalar_allowed;
use super::refusal::RefusalCode;
use super::relation::{Base, PersonColumn, Relation, RowField, Scope};
use super::walk::Walker;

/// Deepest expression tree.
const MAX_EXPRESSION_DEPTH: usize = 200;
/// Longest pattern of LIKE, in bytes.
const LONGEST_PATTERN: usize = 200;

type Judged<T> = Result<T, RefusalCode>;

/// The column an expression is, when it is one under any number of aliases.
pub(crate) fn bare_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => bare_column(&alias.expr),
        _ => None,
    }
}

/// The facts of a column in scope.
pub(crate) fn lookup(column: &Column, scope: &Scope<'_>) -> Judged<RowField> {
    let index = scope.schema.index_of_column(column).map_err(|_| RefusalCode::LineageUnknown)?;
    scope.fields.get(index).cloned().ok_or(RefusalCode::LineageUnknown)
}

/// Whether an expression is the bare person key of a row that has one.
pub(crate) fn is_person_key(expr: &Expr, scope: &Scope<'_>) -> bool {
    bare_column(expr)
        .and_then(|column| lookup(column, scope).ok())
        .is_some_and(|field| field.person == PersonColumn::Key)
}

fn is_outer_person_key(expr: &Expr, scope: &Scope<'_>) -> bool {
    match (expr, scope.outer) {
        (Expr::OuterReferenceColumn(_, column), Some(outer)) => {
            lookup(column, outer).is_ok_and(|field| field.person == PersonColumn::Key)
        }
        _ => false,
    }
}

/// `outer person key = person key`: the tie of a correlated subquery.
pub(crate) fn is_tie(expr: &Expr, scope: &Scope<'_>) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = expr else { return false };
    (is_outer_person_key(left, scope) && is_person_key(right, scope))
        || (is_outer_person_key(right, scope) && is_person_key(left, scope))
}

impl Walker<'_> {
    /// Judges a condition in ON or WHERE and notes the columns it reads. A condition may
    /// tie persons by `IN (SELECT person key …)` or EXISTS.
    pub(crate) fn condition(&mut self, expr: &Expr, scope: &Scope<'_>) -> Judged<()> {
        let field = match expr {
            Expr::Not(inner) if matches!(inner.as_ref(), Expr::Exists(_) | Expr::InSubquery(_)) => {
                return self.condition(inner, scope);
            }
            Expr::InSubquery(within) if scope.subqueries && is_person_key(&within.expr, scope) => {
                return self.in_same_person(within, scope);
            }
            Expr::Exists(exists) if scope.subqueries => return self.exists(&exists.subquery, scope),
            other => self.value(other, scope)?,
        };
        self.used.extend(field.sources);
        Ok(())
    }

    /// Judges an expression on a row; a bare person key is refused.
    pub(crate) fn value(&mut self, expr: &Expr, scope: &Scope<'_>) -> Judged<RowField> {
        let field = self.field(expr, scope, 0)?;
        if field.person == PersonColumn::No { Ok(field) } else { Err(RefusalCode::PersonKeyMisused) }
    }

    /// Judges an expression on a row; a bare person key passes and says so.
    pub(crate) fn value_or_key(&mut self, expr: &Expr, scope: &Scope<'_>) -> Judged<RowField> {
        self.field(expr, scope, 0)
    }

    fn field(&mut self, expr: &Expr, scope: &Scope<'_>, depth: usize) -> Judged<RowField> {
        if depth > MAX_EXPRESSION_DEPTH {
            return Err(RefusalCode::TooDeep);
        }
        let depth = depth + 1;
        let mut all = |parts: &[&Expr]| self.combine(parts, scope, depth);
        match expr {
            Expr::Alias(alias) => self.field(&alias.expr, scope, depth),
            Expr::Column(column) => lookup(column, scope),
            // The outer row's key has one use, the tie, which is judged where conditions
            // are. As a column of the subquery it would pass for the key of *its* rows, and
            // `person IN (SELECT outer person FROM …)` would ask whether anybody's row exists.
            Expr::OuterReferenceColumn(_, column) => {
                let field = lookup(column, scope.outer.ok_or(RefusalCode::SubqueryRefused)?)?;
                if field.person == PersonColumn::No { Ok(field) } else { Err(RefusalCode::PersonKeyMisused) }
            }
            Expr::Literal(_, _) => Ok(RowField::derived(BTreeSet::new())),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                row_operator(*op)?;
                if is_like(*op) {
                    like_pattern(right)?;
                }
                all(&[left, right])
            }
            Expr::Like(like) => {
                like_pattern(&like.pattern)?;
                all(&[&like.expr, &like.pattern])
            }
            // The one question that may be asked of a person key: is there one?
            Expr::IsNotNull(inner) => {
                let field = self.field(inner, scope, depth)?;
                Ok(RowField::derived(field.sources))
            }
            Expr::Not(inner)
            | Expr::IsNull(inner)
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Negative(inner) => all(&[inner]),
            Expr::Between(between) => all(&[&between.expr, &between.low, &between.high]),
            Expr::Case(case) => {
                let arms = case.when_then_expr.iter().flat_map(|(when, then)| [when, then]);
                let parts: Vec<&Expr> =
                    case.expr.iter().chain(arms).chain(&case.else_expr).map(AsRef::as_ref).collect();
                all(&parts)
            }
            Expr::Cast(cast) => {
                cast_target(cast.field.data_type())?;
                all(&[&cast.expr])
            }
            Expr::TryCast(cast) => {
                cast_target(cast.field.data_type())?;
                all(&[&cast.expr])
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                if !scalar_allowed(func) {
                    return Err(RefusalCode::FunctionNotAllowed);
                }
                all(&args.iter().collect::<Vec<_>>())
            }
            Expr::InList(list) => {
                let parts: Vec<&Expr> = std::iter::once(list.expr.as_ref()).chain(&list.list).collect();
                all(&parts)
            }
            Expr::InSubquery(within) => self.in_reference(within, scope, depth),
            Expr::ScalarSubquery(subquery) => self.scalar_subquery(subquery, scope),
            Expr::Exists(_) | Expr::SetComparison(_) => Err(RefusalCode::SubqueryRefused),
            // Aggregates, windows and grouping sets are judged by the nodes they belong
            // to and have no place inside another expression.
            Expr::AggregateFunction(_) => Err(RefusalCode::AggregateFormRefused),
            Expr::SimilarTo(_)
            | Expr::WindowFunction(_)
            | Expr::GroupingSet(_)
            | Expr::ScalarVariable(_, _)
            | Expr::Placeholder(_)
            | Expr::Unnest(_)
            | Expr::HigherOrderFunction(_)
            | Expr::Lambda(_)
            | Expr::LambdaVariable(_) => Err(RefusalCode::ExpressionRefused),
            // Deprecated by the engine, and still a variant: so it is decided, too.
            #[expect(deprecated, clippy::match_same_arms, reason = "an attribute needs an arm of its own")]
            Expr::Wildcard { .. } => Err(RefusalCode::ExpressionRefused),
        }
    }

    fn combine(&mut self, parts: &[&Expr], scope: &Scope<'_>, depth: usize) -> Judged<RowField> {
        let mut sources: BTreeSet<Base> = BTreeSet::new();
        for part in parts {
            let field = self.field(part, scope, depth)?;
            if field.person != PersonColumn::No {
                return Err(RefusalCode::PersonKeyMisused);
            }
            sources.extend(field.sources);
        }
        Ok(RowField::derived(sources))
    }

    /// `person key IN (SELECT person key FROM …)`.
    fn in_same_person(&mut self, within: &InSubquery, scope: &Scope<'_>) -> Judged<()> {
        match self.subquery(&within.subquery, scope)? {
            Relation::Unit { fields, .. } => match fields.as_slice() {
                [only] if only.person == PersonColumn::Key => Ok(()),
                _ => Err(RefusalCode::SubqueryRefused),
            },
            Relation::Public { .. } => Err(RefusalCode::PersonKeyMisused),
            Relation::Vetted(_) => Err(RefusalCode::CombinesResults),
        }
    }

    fn exists(&mut self, subquery: &Subquery, scope: &Scope<'_>) -> Judged<()> {
        match self.subquery(subquery, scope)? {
            Relation::Public { .. } | Relation::Unit { tied: true, .. } => Ok(()),
            Relation::Unit { tied: false, .. } => Err(RefusalCode::SubqueryRefused),
            Relation::Vetted(_) => Err(RefusalCode::CombinesResults),
        }
    }

    /// `column IN (SELECT code FROM reference data)`.
    fn in_reference(&mut self, within: &InSubquery, scope: &Scope<'_>, depth: usize) -> Judged<RowField> {
        if !scope.subqueries {
            return Err(RefusalCode::SubqueryRefused);
        }
        match self.subquery(&within.subquery, scope)? {
            Relation::Public { .. } => self.combine(&[&within.expr], scope, depth),
            Relation::Unit { .. } => Err(RefusalCode::SubqueryRefused),
            Relation::Vetted(_) => Err(RefusalCode::CombinesResults),
        }
    }

    fn scalar_subquery(&mut self, subquery: &Subquery, scope: &Scope<'_>) -> Judged<RowField> {
        if !scope.subqueries || !subquery.outer_ref_columns.is_empty() {
            return Err(RefusalCode::SubqueryRefused);
        }
        match self.subquery(subquery, scope)? {
            Relation::Public { .. } => Ok(RowField::derived(BTreeSet::new())),
            Relation::Unit { .. } => Err(RefusalCode::SubqueryRefused),
            Relation::Vetted(_) => Err(RefusalCode::CombinesResults),
        }
    }
}

/// Operators that look at two values of one row.
fn row_operator(operator: Operator) -> Judged<()> {
    match operator {
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::Plus
        | Operator::Minus
        | Operator::Multiply
        | Operator::Divide
        | Operator::IntegerDivide
        | Operator::Modulo
        | Operator::And
        | Operator::Or
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom
        | Operator::LikeMatch
        | Operator::ILikeMatch
        | Operator::NotLikeMatch
        | Operator::NotILikeMatch
        | Operator::StringConcat => Ok(()),
        Operator::RegexMatch
        | Operator::RegexIMatch
        | Operator::RegexNotMatch
        | Operator::RegexNotIMatch
        | Operator::BitwiseAnd
        | Operator::BitwiseOr
        | Operator::BitwiseXor
        | Operator::BitwiseShiftRight
        | Operator::BitwiseShiftLeft
        | Operator::AtArrow
        | Operator::ArrowAt
        | Operator::Arrow
        | Operator::LongArrow
        | Operator::HashArrow
        | Operator::HashLongArrow
        | Operator::AtAt
        | Operator::HashMinus
        | Operator::AtQuestion
        | Operator::Question
        | Operator::QuestionAnd
        | Operator::QuestionPipe
        | Operator::Colon => Err(RefusalCode::ExpressionRefused),
    }
}

/// A pattern is compiled when the first row asks for it, and one that cannot be would fail there: an answer about that
/// row. So it is a text of the statement, and short enough for every compiler.
fn like_pattern(pattern: &Expr) -> Judged<()> {
    match pattern {
        Expr::Literal(value, _) => match value.try_as_str() {
            Some(text) if text.is_none_or(|text| text.len() <= LONGEST_PATTERN) => Ok(()),
            Some(_) => Err(RefusalCode::PatternTooLong),
            None => Err(RefusalCode::ExpressionRefused),
        },
        Expr::Cast(cast) => like_pattern(&cast.expr),
        Expr::Alias(alias) => like_pattern(&alias.expr),
        _ => Err(RefusalCode::ExpressionRefused),
    }
}

const fn is_like(operator: Operator) -> bool {
    matches!(operator, Operator::LikeMatch | Operator::ILikeMatch | Operator::NotLikeMatch | Operator::NotILikeMatch)
}

/// Types that rows may be cast to.
fn cast_target(target: &DataType) -> Judged<()> {
    let allowed = matches!(
        target,
        DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(_, _)
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Date32
            | DataType::Timestamp(_, _)
            | DataType::Interval(_)
            | DataType::Duration(_)
    );
    if allowed { Ok(()) } else { Err(RefusalCode::CastRefused) }
}
