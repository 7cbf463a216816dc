//! Threads the hidden person column from every scan of persons up to the boundary.
//!
//! The analysed plan that the gate has judged never mentions the column. Here a second
//! plan is derived from it: each scan of persons also reads the column under a name of
//! its own, every node in between passes it on, and at the boundary the keys, the
//! arguments and the one person column that belongs to the row come out.
//!
//! | node | person of a row |
//! |---|---|
//! | scan | the hidden column |
//! | projection, filter, window, alias | the input's |
//! | aggregation or DISTINCT per person | the input's, as one more key: it depends on the person key |
//! | join of persons with reference data | the persons' side |
//! | join of persons with persons | the preserved side; both sides are the same person |
//! | union | each input's, in one column |
//!
//! No expression of it fails on a value, see [`crate::total`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, JoinType, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable as _, Filter, Join, LogicalPlan, Projection, SubqueryAlias, TableScan,
    Union, Window, cast, try_cast,
};
use datafusion::prelude::coalesce;
use oscar_permit::{PERSON_INDEX_COLUMN, TableKind, TableRef};

use super::key_values::grouping_type;
use crate::catalog::PermittedCatalog;
use crate::gate::{Boundary, Number, PermittedSource, Statistic};
use crate::scan::PolicyScan;
use crate::total::total_plan;

/// Where the tables of a plan are read from: with and without the hidden column.
pub(crate) struct Sources<'a> {
    pub(crate) catalog: &'a PermittedCatalog,
    pub(crate) providers: &'a BTreeMap<TableRef, Arc<dyn datafusion::catalog::TableProvider>>,
}

/// The plan that yields evidence rows, and the meaning of its columns.
pub(crate) struct CarriedPlan {
    /// Columns: keys, then for each aggregate its argument and/or filter, then the person.
    pub(crate) plan: LogicalPlan,
    /// For each aggregate the places of its columns.
    pub(crate) inputs: Vec<AggregateInput>,
    /// Place of the person column.
    pub(crate) person: usize,
}

/// Places of one aggregate's columns in the evidence rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AggregateInput {
    pub(crate) argument: Option<usize>,
    pub(crate) filter: Option<usize>,
}

/// Derives the plan of evidence rows from the boundary.
pub(crate) fn carry(boundary: &Boundary, sources: &Sources<'_>) -> Result<CarriedPlan> {
    let mut threading = Threading { sources, next: 0 };
    let Threaded { plan, person } = threading.thread(&boundary.input)?;
    let person = person.ok_or_else(|| internal("the boundary is not over persons"))?;
    let mut exprs: Vec<Expr> = Vec::new();
    for key in &boundary.keys {
        let plain = match grouping_type(&key.expr.get_type(plan.schema())?) {
            Some(plain) => try_cast(key.expr.clone(), plain),
            None => key.expr.clone(),
        };
        exprs.push(plain.alias(format!("__oscar_key_{}", exprs.len())));
    }
    let mut inputs = Vec::with_capacity(boundary.aggregates.len());
    for aggregate in &boundary.aggregates {
        let argument = match &aggregate.statistic {
            Statistic::Rows => None,
            Statistic::Persons(arg) | Statistic::NonNull(arg) => Some(arg.clone().is_not_null()),
            Statistic::Distinct(arg) => Some(arg.clone()),
            Statistic::Sum(arg, number) | Statistic::Avg(arg, number) => {
                let target = match number {
                    Number::Integer => DataType::Int64,
                    Number::Float => DataType::Float64,
                };
                Some(cast(arg.clone(), target))
            }
        };
        let mut place = |expr: Expr| {
            exprs.push(expr.alias(format!("__oscar_input_{}", exprs.len())));
            exprs.len() - 1
        };
        let argument = argument.map(&mut place);
        inputs.push(AggregateInput { argument, filter: aggregate.filter.clone().map(&mut place) });
    }
    exprs.push(Expr::Column(person).alias(PERSON_INDEX_COLUMN));
    let person = exprs.len() - 1;
    let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
    Ok(CarriedPlan { plan: total_plan(plan)?, inputs, person })
}

struct Threaded {
    plan: LogicalPlan,
    person: Option<Column>,
}

struct Threading<'a> {
    sources: &'a Sources<'a>,
    next: usize,
}

impl Threading<'_> {
    fn thread(&mut self, plan: &LogicalPlan) -> Result<Threaded> {
        if !reads_persons(plan, self.sources)? {
            return Ok(Threaded { plan: self.resolve(plan.clone())?, person: None });
        }
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => {
                let (input, person) = self.input(&projection.input)?;
                let mut exprs = self.resolve_all(&projection.expr)?;
                exprs.push(Expr::Column(person.clone()));
                done(LogicalPlan::Projection(Projection::try_new(exprs, input)?), person)
            }
            LogicalPlan::Filter(filter) => {
                let (input, person) = self.input(&filter.input)?;
                let predicate = self.resolve_in(filter.predicate.clone())?;
                done(LogicalPlan::Filter(Filter::try_new(predicate, input)?), person)
            }
            LogicalPlan::Window(window) => {
                let (input, person) = self.input(&window.input)?;
                done(LogicalPlan::Window(Window::try_new(window.window_expr.clone(), input)?), person)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let (input, person) = self.input(&aggregate.input)?;
                let mut keys = aggregate.group_expr.clone();
                keys.push(Expr::Column(person.clone()));
                done(LogicalPlan::Aggregate(Aggregate::try_new(input, keys, aggregate.aggr_expr.clone())?), person)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, person) = self.input(input)?;
                done(LogicalPlan::Distinct(Distinct::All(input)), person)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let (input, person) = self.input(&alias.input)?;
                let aliased = SubqueryAlias::try_new(input, alias.alias.clone())?;
                done(LogicalPlan::SubqueryAlias(aliased), Column::new(Some(alias.alias.clone()), person.name))
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            // The gate has refused every other node over persons.
            _ => Err(internal("a node over persons that the gate does not allow")),
        }
    }

    fn input(&mut self, plan: &LogicalPlan) -> Result<(Arc<LogicalPlan>, Column)> {
        let Threaded { plan, person } = self.thread(plan)?;
        let person = person.ok_or_else(|| internal("rows of persons without a person"))?;
        Ok((Arc::new(plan), person))
    }

    fn fresh(&mut self) -> String {
        self.next += 1;
        format!("{PERSON_INDEX_COLUMN}_{}", self.next)
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Threaded> {
        let guarded = guarded_scan(scan, self.sources, true)?;
        let name = self.fresh();
        let mut exprs: Vec<Expr> = scan.projected_schema.columns().into_iter().map(Expr::Column).collect();
        let hidden = Column::new(Some(scan.table_name.clone()), PERSON_INDEX_COLUMN);
        exprs.push(Expr::Column(hidden).alias(name.clone()));
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(guarded))?);
        done(plan, Column::from_name(name))
    }

    fn join(&mut self, join: &Join) -> Result<Threaded> {
        let left = self.thread(&join.left)?;
        let right = self.thread(&join.right)?;
        let joined = LogicalPlan::Join(Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            join.on.clone(),
            join.filter.clone(),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?);
        match (left.person, right.person, join.join_type) {
            (Some(left), Some(right), JoinType::Full) => {
                let name = self.fresh();
                let mut exprs: Vec<Expr> = joined.schema().columns().into_iter().map(Expr::Column).collect();
                let either = coalesce(vec![Expr::Column(left), Expr::Column(right)]);
                exprs.push(either.alias(name.clone()));
                let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(joined))?);
                done(plan, Column::from_name(name))
            }
            (_, Some(right), JoinType::Right | JoinType::RightSemi | JoinType::RightAnti)
            | (None, Some(right), JoinType::Inner) => done(joined, right),
            (Some(left), _, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti) => {
                done(joined, left)
            }
            _ => Err(internal("a join that the gate does not allow")),
        }
    }

    fn union(&mut self, union: &Union) -> Result<Threaded> {
        let name = self.fresh();
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            let columns = input.schema().columns();
            let (plan, person) = self.input(input)?;
            let mut exprs: Vec<Expr> = columns.into_iter().map(Expr::Column).collect();
            exprs.push(Expr::Column(person).alias(name.clone()));
            inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, plan)?)));
        }
        let united = Union::try_new_with_loose_types(inputs)?;
        let person = united.schema.columns().pop().ok_or_else(|| internal("a union without columns"))?;
        done(LogicalPlan::Union(united), person)
    }

    /// A plan that carries no person: its scans become guarded scans.
    fn resolve(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let resolved = plan.transform_up_with_subqueries(|node| match &node {
            LogicalPlan::TableScan(scan) => Ok(Transformed::yes(guarded_scan(scan, self.sources, false)?)),
            _ => Ok(Transformed::no(node)),
        })?;
        Ok(resolved.data)
    }

    fn resolve_all(&self, exprs: &[Expr]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.resolve_in(expr.clone())).collect()
    }

    /// The plans of subqueries inside an expression.
    fn resolve_in(&self, expr: Expr) -> Result<Expr> {
        let resolved = expr.transform_up(|node| {
            Ok(match node {
                Expr::InSubquery(mut within) => {
                    let plan = self.resolve(within.subquery.subquery.as_ref().clone())?;
                    within.subquery = within.subquery.with_plan(Arc::new(plan));
                    Transformed::yes(Expr::InSubquery(within))
                }
                Expr::Exists(mut exists) => {
                    let plan = self.resolve(exists.subquery.subquery.as_ref().clone())?;
                    exists.subquery = exists.subquery.with_plan(Arc::new(plan));
                    Transformed::yes(Expr::Exists(exists))
                }
                Expr::ScalarSubquery(subquery) => {
                    let plan = self.resolve(subquery.subquery.as_ref().clone())?;
                    Transformed::yes(Expr::ScalarSubquery(subquery.with_plan(Arc::new(plan))))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(resolved.data)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every arm of the walk ends with it")]
fn done(plan: LogicalPlan, person: Column) -> Result<Threaded> {
    Ok(Threaded { plan, person: Some(person) })
}

fn source_of<'a>(scan: &'a TableScan, sources: &'a Sources<'_>) -> Result<(&'a TableRef, &'a crate::PermittedTable)> {
    let source = scan.source.downcast_ref::<PermittedSource>().ok_or_else(|| internal("a scan of a foreign table"))?;
    let table = sources.catalog.tables.get(&source.table).ok_or_else(|| internal("a table outside the permit"))?;
    Ok((&source.table, table))
}

fn reads_persons(plan: &LogicalPlan, sources: &Sources<'_>) -> Result<bool> {
    let mut failed = None;
    let found = plan.exists(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(false) };
        match source_of(scan, sources) {
            Ok((_, table)) => Ok(matches!(table.contract.kind, TableKind::Persons { .. })),
            Err(error) => {
                failed = Some(error);
                Ok(true)
            }
        }
    })?;
    failed.map_or(Ok(found), Err)
}

/// The scan a query really makes.
fn guarded_scan(scan: &TableScan, sources: &Sources<'_>, carry_person: bool) -> Result<LogicalPlan> {
    let (reference, table) = source_of(scan, sources)?;
    let provider = sources.providers.get(reference).ok_or_else(|| internal("a table without a pinned version"))?;
    let guarded = PolicyScan::new(Arc::clone(provider), table, carry_person)?;
    let visible = table.visible().count();
    let mut columns = scan.projection.clone().unwrap_or_else(|| (0..visible).collect());
    if carry_person {
        columns.push(visible);
    }
    let source = provider_as_source(Arc::new(guarded));
    let scan = TableScanBuilder::new(scan.table_name.clone(), source).with_projection(Some(columns)).build()?;
    Ok(LogicalPlan::TableScan(scan))
}

fn internal(what: &str) -> DataFusionError {
    DataFusionError::Internal(what.to_owned())
}
