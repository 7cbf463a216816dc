//! The boundary: the one aggregation that turns rows of persons into cells.
//!
//! Aggregation by the bare person key is no boundary: it makes one row per person and
//! stays UNIT. Every other aggregation over UNIT is the boundary, and there may be one.
//! For each aggregate the boundary records what evidence must be collected: which rows
//! carry it (argument present, FILTER true) and what they add up to.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, LogicalPlan};
use oscar_permit::ColumnTag;

use super::expression::is_person_key;
use super::functions::{not_yet_available, per_person_allowed};
use super::refusal::RefusalCode;
use super::relation::{Base, PersonColumn, Relation, ResultField, RowField, Scope};
use super::walk::Walker;

type Judged<T> = Result<T, RefusalCode>;

pub(crate) const MAX_KEYS: usize = 12;
const MAX_AGGREGATES: usize = 24;
pub(crate) const MAX_GROUPING_SETS: usize = 64;

/// The aggregation from UNIT to VET.
#[derive(Debug, Clone)]
pub(crate) struct Boundary {
    /// The rows of persons below.
    pub(crate) input: Arc<LogicalPlan>,
    /// The schema of the aggregation's output: keys, maybe a grouping id, aggregates.
    pub(crate) schema: DFSchemaRef,
    /// The distinct group keys in output order.
    pub(crate) keys: Vec<BoundaryKey>,
    /// Which keys each grouping set uses; one set of all keys for a plain GROUP BY.
    pub(crate) grouping_sets: Vec<Vec<bool>>,
    /// Whether the output has the engine's grouping id after the keys.
    pub(crate) has_grouping_id: bool,
    /// The aggregates in output order.
    pub(crate) aggregates: Vec<BoundaryAggregate>,
    /// No person can have two rows below, whatever the data.
    pub(crate) single: bool,
}

/// One group key.
#[derive(Debug, Clone)]
pub(crate) struct BoundaryKey {
    pub(crate) expr: Expr,
    /// The lake column it is, when it is one unchanged: only then its code list is the key's domain.
    pub(crate) base: Option<Base>,
}

/// One aggregate.
#[derive(Debug, Clone)]
pub(crate) struct BoundaryAggregate {
    pub(crate) statistic: Statistic,
    /// FILTER (WHERE …).
    pub(crate) filter: Option<Expr>,
    /// Whether every row carries it: no argument, or a lake column that every row has.
    pub(crate) unconditional: bool,
}

impl BoundaryAggregate {
    /// Whether a condition decides which rows count. An argument that is no bare column may
    /// hide one (CASE, NULLIF, a division), also one computed below the boundary; and that a row has a value at all
    /// (a date of death) is one. So only a column of the lake unchanged, which its contract requires, is none.
    pub(crate) fn is_selective(&self) -> bool {
        self.filter.is_some() || !self.unconditional
    }
}

/// What is asked of the rows, with the argument.
#[derive(Debug, Clone)]
pub(crate) enum Statistic {
    /// `count(*)`.
    Rows,
    /// `count(DISTINCT person key)`; rows without the key do not count.
    Persons(Expr),
    /// `count(x)`.
    NonNull(Expr),
    /// `count(DISTINCT x)`.
    Distinct(Expr),
    /// `sum(x)`, and whether x is an integer.
    Sum(Expr, Number),
    /// `avg(x)`.
    Avg(Expr, Number),
}

/// How an argument's values are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// As 64-bit integers.
    Integer,
    /// As 64-bit floating-point numbers.
    Float,
}

impl Walker<'_> {
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate) -> Judged<Relation> {
        match self.walk(&aggregate.input)? {
            Relation::Public { fields, .. } => {
                Ok(Relation::Public { fields: self.per_group(aggregate, &fields)?, rows_of: None })
            }
            Relation::Vetted(_) => Err(RefusalCode::SeveralAggregations),
            Relation::Unit { fields, single, .. } => {
                let schema = aggregate.input.schema();
                let per_person = self.in_scope(schema, &fields, false, |_, scope| {
                    Ok(aggregate.group_expr.iter().any(|key| is_person_key(key, scope)))
                })?;
                if per_person {
                    let fields = self.per_group(aggregate, &fields)?;
                    let single = single || aggregate.group_expr.len() == 1;
                    Ok(Relation::Unit { fields, tied: false, single })
                } else {
                    self.cross_boundary(aggregate, &fields, single)
                }
            }
        }
    }

    pub(crate) fn distinct(&mut self, plan: &LogicalPlan, input: &Arc<LogicalPlan>) -> Judged<Relation> {
        match self.walk(input)? {
            Relation::Public { fields, rows_of } => Ok(Relation::Public { fields, rows_of }),
            Relation::Vetted(_) => Err(RefusalCode::SeveralAggregations),
            Relation::Unit { fields, single, .. } if fields.iter().any(|field| field.person == PersonColumn::Key) => {
                self.used.extend(fields.iter().flat_map(|field| field.sources.iter().cloned()));
                let single = single || fields.len() == 1;
                Ok(Relation::Unit { fields, tied: false, single })
            }
            Relation::Unit { fields, single, .. } => {
                let exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
                let keys = self.in_scope(input.schema(), &fields, false, |walker, scope| {
                    exprs.iter().map(|expr| walker.key(expr, scope)).collect::<Judged<Vec<_>>>()
                })?;
                let grouping_sets = vec![vec![true; keys.len()]];
                self.set_boundary(Boundary {
                    input: Arc::clone(input),
                    schema: Arc::clone(plan.schema()),
                    keys,
                    grouping_sets,
                    has_grouping_id: false,
                    aggregates: Vec::new(),
                    single,
                })
            }
        }
    }

    /// Aggregation that makes no cells: per person, or over reference data.
    fn per_group(&mut self, aggregate: &Aggregate, input: &[RowField]) -> Judged<Vec<RowField>> {
        self.in_scope(aggregate.input.schema(), input, false, |walker, scope| {
            let mut fields = Vec::new();
            for key in &aggregate.group_expr {
                if matches!(key, Expr::GroupingSet(_)) {
                    return Err(RefusalCode::GroupingRefused);
                }
                let field = walker.value_or_key(key, scope)?;
                if field.person == PersonColumn::Optional {
                    return Err(RefusalCode::PersonKeyMisused);
                }
                // What splits a person's rows decides how many there are.
                walker.used.extend(field.sources.iter().cloned());
                fields.push(field);
            }
            for expr in &aggregate.aggr_expr {
                let function = aggregate_function(expr)?;
                let params = &function.params;
                if !per_person_allowed(function.func.name()) {
                    return Err(refused_aggregate(function.func.name()));
                }
                if !params.order_by.is_empty() || params.null_treatment.is_some() {
                    return Err(RefusalCode::AggregateFormRefused);
                }
                adds_numbers(function.func.name(), &params.args, scope)?;
                let mut sources = BTreeSet::new();
                for part in params.args.iter().chain(params.filter.as_deref()) {
                    sources.extend(walker.value(part, scope)?.sources);
                }
                fields.push(RowField::derived(sources));
            }
            Ok(fields)
        })
    }

    fn cross_boundary(&mut self, aggregate: &Aggregate, input: &[RowField], single: bool) -> Judged<Relation> {
        let (key_exprs, grouping_sets, has_grouping_id) = grouping(&aggregate.group_expr)?;
        let (keys, aggregates) = self.in_scope(aggregate.input.schema(), input, false, |walker, scope| {
            let keys = key_exprs.iter().map(|key| walker.key(key, scope)).collect::<Judged<Vec<_>>>()?;
            let statistics = aggregate.aggr_expr.iter().map(|expr| walker.statistic(expr, scope));
            Ok((keys, statistics.collect::<Judged<Vec<_>>>()?))
        })?;
        self.set_boundary(Boundary {
            input: Arc::clone(&aggregate.input),
            schema: Arc::clone(&aggregate.schema),
            keys,
            grouping_sets,
            has_grouping_id,
            aggregates,
            single,
        })
    }

    fn set_boundary(&mut self, boundary: Boundary) -> Judged<Relation> {
        let Boundary { input: _, schema: _, keys, grouping_sets, has_grouping_id, aggregates, single: _ } = &boundary;
        if keys.len() > MAX_KEYS || aggregates.len() > MAX_AGGREGATES || grouping_sets.len() > MAX_GROUPING_SETS {
            return Err(RefusalCode::TooManyColumns);
        }
        let mut fields: Vec<ResultField> = (0..keys.len()).map(ResultField::Key).collect();
        if *has_grouping_id {
            fields.push(ResultField::Internal);
        }
        fields.extend(aggregates.iter().map(|_| ResultField::Measure));
        if self.boundary.replace(boundary).is_some() {
            return Err(RefusalCode::SeveralAggregations);
        }
        Ok(Relation::Vetted(fields))
    }

    fn key(&mut self, expr: &Expr, scope: &Scope<'_>) -> Judged<BoundaryKey> {
        let field = self.value(expr, scope)?;
        let free_text =
            |base: &Base| self.contract_of(base).is_none_or(|column| column.tags.contains(&ColumnTag::FreeText));
        if field.sources.iter().any(free_text) {
            return Err(RefusalCode::FreeTextKey);
        }
        let key_type = expr.get_type(scope.schema).map_err(|_| RefusalCode::LineageUnknown)?;
        if !is_key_type(&key_type) {
            return Err(RefusalCode::ExpressionRefused);
        }
        self.used.extend(field.sources);
        Ok(BoundaryKey { expr: expr.clone(), base: field.base })
    }

    fn statistic(&mut self, expr: &Expr, scope: &Scope<'_>) -> Judged<BoundaryAggregate> {
        let AggregateFunction { func, params } = aggregate_function(expr)?;
        if !params.order_by.is_empty() || params.null_treatment.is_some() {
            return Err(if matches!(func.name(), "count" | "sum" | "avg") {
                RefusalCode::AggregateFormRefused
            } else {
                refused_aggregate(func.name())
            });
        }
        let only = |params: &[Expr]| match params {
            [argument] => Ok(argument.clone()),
            _ => Err(RefusalCode::AggregateFormRefused),
        };
        let statistic = match (func.name(), params.distinct) {
            ("count", false) => match only(&params.args)? {
                Expr::Literal(value, _) if !value.is_null() => Statistic::Rows,
                other => Statistic::NonNull(other),
            },
            ("count", true) => {
                let counted = only(&params.args)?;
                let person = self.value_or_key(&counted, scope)?.person != PersonColumn::No;
                if person { Statistic::Persons(counted) } else { Statistic::Distinct(counted) }
            }
            ("sum", false) => {
                let summed = only(&params.args)?;
                let number = number_type(&summed, scope)?;
                Statistic::Sum(summed, number)
            }
            ("avg", false) => {
                let averaged = only(&params.args)?;
                let number = number_type(&averaged, scope)?;
                Statistic::Avg(averaged, number)
            }
            ("sum" | "avg", true) => return Err(RefusalCode::AggregateFormRefused),
            (name, _) => return Err(refused_aggregate(name)),
        };
        let argument = match &statistic {
            Statistic::Rows => None,
            // Counting keys is one of the five things a key may be used for.
            Statistic::Persons(arg) | Statistic::NonNull(arg) => Some(self.value_or_key(arg, scope)?),
            Statistic::Distinct(arg) | Statistic::Sum(arg, _) | Statistic::Avg(arg, _) => Some(self.value(arg, scope)?),
        };
        let is_required = |base: &Base| self.contract_of(base).is_some_and(|column| column.required);
        let unconditional = match &statistic {
            // Rows without the key hide their cell.
            Statistic::Rows | Statistic::Persons(_) => true,
            Statistic::NonNull(_) | Statistic::Distinct(_) | Statistic::Sum(..) | Statistic::Avg(..) => {
                argument.as_ref().and_then(|argument| argument.base.as_ref()).is_some_and(is_required)
            }
        };
        self.used.extend(argument.into_iter().flat_map(|argument| argument.sources));
        if let Some(filter) = params.filter.as_deref() {
            self.condition(filter, scope)?;
        }
        Ok(BoundaryAggregate { statistic, filter: params.filter.as_deref().cloned(), unconditional })
    }
}

fn refused_aggregate(name: &str) -> RefusalCode {
    if not_yet_available(name) { RefusalCode::StatisticNotYetAvailable } else { RefusalCode::AggregateRefused }
}

fn aggregate_function(expr: &Expr) -> Judged<&AggregateFunction> {
    match expr {
        Expr::AggregateFunction(function) => Ok(function),
        Expr::Alias(alias) => aggregate_function(&alias.expr),
        _ => Err(RefusalCode::AggregateFormRefused),
    }
}

fn number_type(expr: &Expr, scope: &Scope<'_>) -> Judged<Number> {
    match expr.get_type(scope.schema).map_err(|_| RefusalCode::LineageUnknown)? {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => Ok(Number::Integer),
        DataType::Float32 | DataType::Float64 => Ok(Number::Float),
        _ => Err(RefusalCode::AggregateTypeRefused),
    }
}

/// Sums and means, of persons or of reference data, are of numbers: decimals and durations fail on values that are
/// too large, and whose value that is would be an answer.
pub(crate) fn adds_numbers(function: &str, args: &[Expr], scope: &Scope<'_>) -> Judged<()> {
    if !matches!(function, "sum" | "avg") {
        return Ok(());
    }
    args.iter().try_for_each(|arg| match arg.get_type(scope.schema) {
        Ok(DataType::UInt64) => Ok(()),
        Ok(_) => number_type(arg, scope).map(drop),
        Err(_) => Err(RefusalCode::LineageUnknown),
    })
}

fn is_key_type(key: &DataType) -> bool {
    matches!(
        key,
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
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Date32
            | DataType::Timestamp(_, _)
    )
}

/// The distinct keys, which of them each set uses, and whether there are several sets.
type Grouping = (Vec<Expr>, Vec<Vec<bool>>, bool);

fn grouping(group_expr: &[Expr]) -> Judged<Grouping> {
    let set = match group_expr {
        [Expr::GroupingSet(set)] => set,
        plain if plain.iter().any(|key| matches!(key, Expr::GroupingSet(_))) => {
            return Err(RefusalCode::GroupingRefused);
        }
        plain => return Ok((plain.to_vec(), vec![vec![true; plain.len()]], false)),
    };
    let keys: Vec<Expr> = set.distinct_expr().into_iter().cloned().collect();
    if keys.len() > MAX_KEYS {
        return Err(RefusalCode::TooManyColumns);
    }
    let sets: Vec<Vec<bool>> = match set {
        GroupingSet::Rollup(_) => {
            (0..=keys.len()).rev().map(|used| (0..keys.len()).map(|key| key < used).collect()).collect()
        }
        GroupingSet::Cube(_) => {
            let width = keys.len();
            (0..1usize << width).map(|mask| (0..width).map(|key| mask >> key & 1 == 0).collect()).collect()
        }
        GroupingSet::GroupingSets(sets) => {
            sets.iter().map(|members| keys.iter().map(|key| members.contains(key)).collect()).collect()
        }
    };
    let distinct: BTreeSet<&Vec<bool>> = sets.iter().collect();
    if distinct.len() != sets.len() {
        return Err(RefusalCode::GroupingRefused);
    }
    Ok((keys, sets, true))
}
