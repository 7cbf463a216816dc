//! How large a statement becomes once every WITH and every GROUP BY is written out.
//!
//! The planner puts a copy of a CTE's plan wherever its name stands. A chain of CTEs that
//! each read the one before twice thus doubles with every link: forty short lines make a
//! plan of 2⁴⁰ nodes, and whoever walks it never comes back. So the tables of a statement
//! are counted as often as they are read, on the parsed text, before anything is planned.
//!
//! Several ROLLUP, CUBE and GROUPING SETS of one GROUP BY are multiplied out, by the planner
//! as well, and each of their sets then holds every plain key: a short line makes thousands of
//! sets with thousands of keys each. So both are counted here, too.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, Ident, ObjectName, Query, Select, Statement, Visit, Visitor};

use super::boundary::{MAX_GROUPING_SETS, MAX_KEYS};
use super::refusal::{GateRefusal, RefusalCode};

/// Most tables that a statement may read, each counted as often as it is read.
pub(crate) const MAX_RELATIONS: u64 = 100;

/// Judges a statement's size.
pub(crate) fn check_expansion(statement: &Statement) -> Result<(), GateRefusal> {
    let mut counting = Counting::default();
    match statement.visit(&mut counting) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(code) => Err(GateRefusal::new(code, "statement")),
    }
}

/// The queries around the place that is being visited, outermost first.
#[derive(Default)]
struct Counting(Vec<Level>);

/// One query.
struct Level {
    /// Names of its CTEs whose queries have not been visited yet. They come first among the
    /// queries inside it, in this order.
    unseen: VecDeque<String>,
    /// Sizes of its CTEs that have been.
    ctes: HashMap<String, u64>,
    /// What it reads itself.
    relations: u64,
}

impl Counting {
    fn size_of(&self, name: &str) -> Option<u64> {
        self.0.iter().rev().find_map(|level| level.ctes.get(name)).copied()
    }

    fn add(&mut self, relations: u64) -> ControlFlow<RefusalCode> {
        let Some(level) = self.0.last_mut() else { return ControlFlow::Continue(()) };
        level.relations = level.relations.saturating_add(relations);
        if level.relations > MAX_RELATIONS {
            ControlFlow::Break(RefusalCode::TooManyTables)
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Visitor for Counting {
    type Break = RefusalCode;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<RefusalCode> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let unseen = ctes.map(|cte| normal(&cte.alias.name)).collect();
        self.0.push(Level { unseen, ctes: HashMap::new(), relations: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<RefusalCode> {
        let size = self.0.pop().map_or(1, |level| level.relations.max(1));
        if let Some(level) = self.0.last_mut()
            && let Some(name) = level.unseen.pop_front()
        {
            level.ctes.insert(name, size);
            return ControlFlow::Continue(());
        }
        self.add(size)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<RefusalCode> {
        let GroupByExpr::Expressions(keys, _) = &select.group_by else { return ControlFlow::Continue(()) };
        if !keys.iter().any(|key| members(key).is_some()) {
            return ControlFlow::Continue(());
        }
        let sets = product(keys);
        let written = keys.iter().map(written_keys).fold(0, usize::saturating_add);
        if sets > MAX_GROUPING_SETS || written > MAX_KEYS * MAX_GROUPING_SETS {
            ControlFlow::Break(RefusalCode::TooManyColumns)
        } else {
            ControlFlow::Continue(())
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<RefusalCode> {
        let name = match relation.0.as_slice() {
            [only] => only.as_ident().map(normal),
            _ => None,
        };
        let size = name.and_then(|name| self.size_of(&name)).unwrap_or(1);
        self.add(size)
    }
}

/// What stands between the parentheses of a ROLLUP, a CUBE or GROUPING SETS.
fn members(key: &Expr) -> Option<&[Vec<Expr>]> {
    match key {
        Expr::Rollup(members) | Expr::Cube(members) | Expr::GroupingSets(members) => Some(members),
        Expr::Nested(inner) => members(inner),
        _ => None,
    }
}

/// How many grouping sets keys beside each other make.
fn product(keys: &[Expr]) -> usize {
    keys.iter().map(grouping_sets).fold(1, usize::saturating_mul)
}

/// How many grouping sets a key stands for.
fn grouping_sets(key: &Expr) -> usize {
    match key {
        Expr::Rollup(members) => members.len().saturating_add(1),
        Expr::Cube(members) => {
            u32::try_from(members.len()).ok().and_then(|n| 1usize.checked_shl(n)).unwrap_or(usize::MAX)
        }
        Expr::GroupingSets(members) => members.iter().map(|member| product(member)).fold(0, usize::saturating_add),
        Expr::Nested(inner) => grouping_sets(inner),
        _ => 1,
    }
}

/// How many keys are written, those inside of others included.
fn written_keys(key: &Expr) -> usize {
    let inside = members(key).map(|members| members.iter().flatten().map(written_keys).fold(0, usize::saturating_add));
    inside.unwrap_or(1)
}

/// A name as the planner compares it.
fn normal(name: &Ident) -> String {
    if name.quote_style.is_none() { name.value.to_lowercase() } else { name.value.clone() }
}
