//! The walk over the analysed plan: every node gets a label or is refused.
//!
//! The match in [`Walker::walk`] names every variant of the engine's plan type, exactly
//! by the table in the design ("From plan to evidence"). What is not listed there is
//! refused; a variant that a new version of the engine adds does not compile.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Distinct, Expr, Filter, Limit, LogicalPlan, Projection, Sort, Subquery, TableScan, Union, Values, Window,
};
use oscar_permit::{TableKind, TableRef};

use super::boundary::{Boundary, adds_numbers};
use super::expression::{is_person_key, is_tie};
use super::functions::window_allowed;
use super::join::Side;
use super::planner::PermittedSource;
use super::refusal::{GateRefusal, RefusalCode};
use super::relation::{Base, PersonColumn, Relation, ResultField, RowField, Scope};
use crate::catalog::PermittedCatalog;

type Judged<T> = Result<T, RefusalCode>;

/// The state of one walk.
pub(crate) struct Walker<'a> {
    pub(crate) catalog: &'a PermittedCatalog,
    /// The one aggregation from UNIT to VET, once found.
    pub(crate) boundary: Option<Boundary>,
    /// Tables read, and how often.
    pub(crate) tables: BTreeMap<TableRef, usize>,
    /// Columns that decide something: keys, arguments, conditions.
    pub(crate) used: BTreeSet<Base>,
    path: Vec<&'static str>,
    outer: Vec<OuterRow>,
}

/// The row outside a subquery; owned, because the walk descends into the subquery's plan.
#[derive(Clone)]
struct OuterRow {
    schema: DFSchema,
    fields: Vec<RowField>,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(catalog: &'a PermittedCatalog) -> Self {
        Self {
            catalog,
            boundary: None,
            tables: BTreeMap::new(),
            used: BTreeSet::new(),
            path: Vec::new(),
            outer: Vec::new(),
        }
    }

    /// Labels a whole plan. The path of the refusal leads from the root to the node that
    /// was refused.
    pub(crate) fn label(&mut self, plan: &LogicalPlan) -> Result<Relation, GateRefusal> {
        self.walk(plan).map_err(|code| GateRefusal::new(code, self.path.join(" > ")))
    }

    /// Labels one node. On refusal the path is left standing where it happened.
    pub(crate) fn walk(&mut self, plan: &LogicalPlan) -> Judged<Relation> {
        self.path.push(node_name(plan));
        let relation = match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(plan, input),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::SubqueryAlias(alias) => self.walk(&alias.input),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => {
                let field = RowField::derived(BTreeSet::new());
                Ok(Relation::Public { fields: vec![field; empty.schema.fields().len()], rows_of: None })
            }
            LogicalPlan::Distinct(Distinct::On(_))
            | LogicalPlan::Repartition(_)
            | LogicalPlan::Subquery(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::RecursiveQuery(_) => Err(RefusalCode::NodeRefused),
        }?;
        let width = match &relation {
            Relation::Public { fields, .. } | Relation::Unit { fields, .. } => fields.len(),
            Relation::Vetted(fields) => fields.len(),
        };
        if width != plan.schema().fields().len() {
            return Err(RefusalCode::LineageUnknown);
        }
        self.path.pop();
        Ok(relation)
    }

    /// Labels the plan of a subquery that stands in a row of `scope`.
    pub(crate) fn subquery(&mut self, subquery: &Subquery, scope: &Scope<'_>) -> Judged<Relation> {
        self.outer.push(OuterRow { schema: scope.schema.clone(), fields: scope.fields.to_vec() });
        let relation = self.walk(&subquery.subquery)?;
        self.outer.pop();
        Ok(relation)
    }

    /// Runs `judge` with a scope over one input.
    pub(crate) fn in_scope<T>(
        &mut self,
        schema: &DFSchema,
        fields: &[RowField],
        subqueries: bool,
        judge: impl FnOnce(&mut Self, &Scope<'_>) -> Judged<T>,
    ) -> Judged<T> {
        let outer = self.outer.last().cloned();
        let outer = outer.as_ref().map(|row| Scope {
            schema: &row.schema,
            fields: &row.fields,
            outer: None,
            subqueries: false,
        });
        judge(self, &Scope { schema, fields, outer: outer.as_ref(), subqueries })
    }

    fn scan(&mut self, scan: &TableScan) -> Judged<Relation> {
        let source = scan.source.downcast_ref::<PermittedSource>().ok_or(RefusalCode::NodeRefused)?;
        let table = self.catalog.tables.get(&source.table).ok_or(RefusalCode::NodeRefused)?;
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(RefusalCode::NodeRefused);
        }
        *self.tables.entry(source.table.clone()).or_default() += 1;
        let person_key = table.contract.person_key();
        let all: Vec<RowField> = table
            .visible()
            .map(|column| {
                let person = if Some(&column.name) == person_key { PersonColumn::Key } else { PersonColumn::No };
                RowField::column((source.table.clone(), column.name.clone()), person)
            })
            .collect();
        let fields = match &scan.projection {
            None => all,
            Some(indices) => indices
                .iter()
                .map(|&index| all.get(index).cloned().ok_or(RefusalCode::LineageUnknown))
                .collect::<Judged<_>>()?,
        };
        Ok(match &table.contract.kind {
            TableKind::Persons { person_key, .. } => {
                let single = table.contract.primary_key.as_slice() == std::slice::from_ref(person_key);
                Relation::Unit { fields, tied: false, single }
            }
            TableKind::Reference => Relation::Public { fields, rows_of: Some(source.table.clone()) },
        })
    }

    fn projection(&mut self, projection: &Projection) -> Judged<Relation> {
        let schema = projection.input.schema();
        match self.walk(&projection.input)? {
            Relation::Public { fields, rows_of } => {
                Ok(Relation::Public { fields: self.row_projection(&projection.expr, schema, &fields)?, rows_of })
            }
            Relation::Unit { fields, tied, single } => {
                Ok(Relation::Unit { fields: self.row_projection(&projection.expr, schema, &fields)?, tied, single })
            }
            Relation::Vetted(input) => {
                let outputs = projection.expr.iter().map(|expr| super::result::output(expr, schema, &input));
                Ok(Relation::Vetted(outputs.collect::<Judged<_>>()?))
            }
        }
    }

    fn row_projection(&mut self, exprs: &[Expr], schema: &DFSchema, input: &[RowField]) -> Judged<Vec<RowField>> {
        self.in_scope(schema, input, false, |walker, scope| {
            exprs.iter().map(|expr| walker.value_or_key(expr, scope)).collect()
        })
    }

    fn filter(&mut self, filter: &Filter) -> Judged<Relation> {
        let relation = self.walk(&filter.input)?;
        let schema = filter.input.schema();
        match relation {
            Relation::Public { fields, rows_of } => {
                self.row_filter(&filter.predicate, schema, &fields)?;
                Ok(Relation::Public { fields, rows_of })
            }
            Relation::Unit { fields, tied, single } => {
                let ties = self.row_filter(&filter.predicate, schema, &fields)?;
                Ok(Relation::Unit { fields, tied: tied || ties, single })
            }
            Relation::Vetted(fields) => {
                super::result::condition(&filter.predicate, schema, &fields)?;
                Ok(Relation::Vetted(fields))
            }
        }
    }

    fn row_filter(&mut self, predicate: &Expr, schema: &DFSchema, fields: &[RowField]) -> Judged<bool> {
        self.in_scope(schema, fields, true, |walker, scope| {
            let mut ties = false;
            for condition in split_conjunction(predicate) {
                if is_tie(condition, scope) {
                    ties = true;
                } else {
                    walker.condition(condition, scope)?;
                }
            }
            Ok(ties)
        })
    }

    fn union(&mut self, union: &Union) -> Judged<Relation> {
        let mut united: Option<(bool, Vec<RowField>)> = None;
        for input in &union.inputs {
            let relation = self.walk(input)?;
            let Side { fields, is_unit: unit, .. } = Side::of(relation)?;
            united = Some(match united {
                None => (unit, fields),
                Some((first, before)) if first == unit && before.len() == fields.len() => {
                    (unit, before.into_iter().zip(fields).map(unite).collect::<Judged<_>>()?)
                }
                Some(_) => return Err(RefusalCode::UnionOfDifferentUnits),
            });
        }
        match united {
            Some((true, fields)) => Ok(Relation::Unit { fields, tied: false, single: false }),
            Some((false, fields)) => Ok(Relation::Public { fields, rows_of: None }),
            None => Err(RefusalCode::NodeRefused),
        }
    }

    fn window(&mut self, window: &Window) -> Judged<Relation> {
        let Side { mut fields, is_unit: unit, single, rows_of } = match self.walk(&window.input)? {
            Relation::Vetted(_) => return Err(RefusalCode::ResultExpressionRefused),
            other => Side::of(other)?,
        };
        let input = fields.clone();
        let schema = window.input.schema();
        for expr in &window.window_expr {
            fields.push(self.in_scope(schema, &input, false, |walker, scope| walker.window_value(expr, unit, scope))?);
        }
        Ok(if unit { Relation::Unit { fields, tied: false, single } } else { Relation::Public { fields, rows_of } })
    }

    fn window_value(&mut self, expr: &Expr, unit: bool, scope: &Scope<'_>) -> Judged<RowField> {
        let function = match expr {
            Expr::Alias(alias) => return self.window_value(&alias.expr, unit, scope),
            Expr::WindowFunction(function) => function,
            _ => return Err(RefusalCode::ExpressionRefused),
        };
        if !window_allowed(function.fun.name()) {
            return Err(RefusalCode::FunctionNotAllowed);
        }
        let params = &function.params;
        if unit && !params.partition_by.iter().any(|key| is_person_key(key, scope)) {
            return Err(RefusalCode::WindowWithoutPerson);
        }
        adds_numbers(function.fun.name(), &params.args, scope)?;
        let mut sources = BTreeSet::new();
        let partition = params.partition_by.iter().filter(|key| !is_person_key(key, scope));
        let order = params.order_by.iter().map(|sort| &sort.expr);
        for part in params.args.iter().chain(partition).chain(order).chain(params.filter.as_deref()) {
            sources.extend(self.value(part, scope)?.sources);
        }
        self.used.extend(sources.iter().cloned());
        Ok(RowField::derived(sources))
    }

    fn sort(&mut self, sort: &Sort) -> Judged<Relation> {
        match self.walk(&sort.input)? {
            Relation::Public { fields, rows_of } => {
                self.in_scope(sort.input.schema(), &fields, false, |walker, scope| {
                    sort.expr.iter().try_for_each(|key| walker.value(&key.expr, scope).map(|_| ()))
                })?;
                Ok(Relation::Public { fields, rows_of })
            }
            Relation::Unit { .. } => Err(RefusalCode::SortBelowBoundary),
            Relation::Vetted(fields) => {
                let schema = sort.input.schema();
                sort.expr.iter().try_for_each(|key| super::result::condition(&key.expr, schema, &fields))?;
                Ok(Relation::Vetted(fields))
            }
        }
    }

    fn limit(&mut self, limit: &Limit) -> Judged<Relation> {
        let relation = self.walk(&limit.input)?;
        if matches!(relation, Relation::Unit { .. }) {
            return Err(RefusalCode::LimitBelowBoundary);
        }
        let literal =
            |bound: &Option<Box<Expr>>| bound.as_deref().is_none_or(|expr| matches!(expr, Expr::Literal(_, _)));
        if literal(&limit.skip) && literal(&limit.fetch) { Ok(relation) } else { Err(RefusalCode::LimitNotLiteral) }
    }

    fn values(&mut self, values: &Values) -> Judged<Relation> {
        let schema = DFSchema::empty();
        self.in_scope(&schema, &[], false, |walker, scope| {
            values.values.iter().flatten().try_for_each(|expr| walker.value(expr, scope).map(|_| ()))
        })?;
        let fields = vec![RowField::derived(BTreeSet::new()); values.schema.fields().len()];
        Ok(Relation::Public { fields, rows_of: None })
    }

    /// What a contract says of a column.
    pub(crate) fn contract_of(&self, base: &Base) -> Option<&oscar_permit::ColumnContract> {
        self.catalog.tables.get(&base.0).and_then(|table| table.contract.column(base.1.as_str()))
    }

    /// Role of every output column at the root; only VET leaves.
    pub(crate) fn root(relation: Relation) -> Judged<Vec<ResultField>> {
        match relation {
            Relation::Vetted(fields) => Ok(fields),
            Relation::Unit { .. } => Err(RefusalCode::RowLevelResult),
            Relation::Public { .. } => Err(RefusalCode::NoPersonData),
        }
    }
}

fn unite((one, other): (RowField, RowField)) -> Judged<RowField> {
    if one.person != other.person {
        return Err(RefusalCode::UnionOfDifferentUnits);
    }
    let base = if one.base == other.base { one.base } else { None };
    Ok(RowField { person: one.person, base, sources: one.sources.into_iter().chain(other.sources).collect() })
}

fn node_name(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::Projection(_) => "Projection",
        LogicalPlan::Filter(_) => "Filter",
        LogicalPlan::Window(_) => "Window",
        LogicalPlan::Aggregate(_) => "Aggregate",
        LogicalPlan::Sort(_) => "Sort",
        LogicalPlan::Join(_) => "Join",
        LogicalPlan::Union(_) => "Union",
        LogicalPlan::TableScan(_) => "TableScan",
        LogicalPlan::SubqueryAlias(_) => "SubqueryAlias",
        LogicalPlan::Limit(_) => "Limit",
        LogicalPlan::Values(_) => "Values",
        LogicalPlan::Distinct(_) => "Distinct",
        LogicalPlan::RecursiveQuery(_) => "RecursiveQuery",
        LogicalPlan::Unnest(_) => "Unnest",
        LogicalPlan::EmptyRelation(_) => "EmptyRelation",
        _ => "Node",
    }
}
