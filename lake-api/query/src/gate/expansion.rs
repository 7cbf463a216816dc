//! How large a statement becomes once every WITH is written out.
//!
//! The planner puts a copy of a CTE's plan wherever its name stands. A chain of CTEs that
//! each read the one before twice thus doubles with every link: forty short lines make a
//! plan of 2⁴⁰ nodes, and whoever walks it never comes back. So the tables of a statement
//! are counted as often as they are read, on the parsed text, before anything is planned.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query, Statement, Visit, Visitor};

use super::refusal::{GateRefusal, RefusalCode};

/// Most tables that a statement may read, each counted as often as it is read.
pub(crate) const MAX_RELATIONS: u64 = 100;

/// Judges a statement's size.
pub(crate) fn check_expansion(statement: &Statement) -> Result<(), GateRefusal> {
    let mut counting = Counting::default();
    match statement.visit(&mut counting) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(GateRefusal::new(RefusalCode::TooManyTables, "statement")),
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

    fn add(&mut self, relations: u64) -> ControlFlow<()> {
        let Some(level) = self.0.last_mut() else { return ControlFlow::Continue(()) };
        level.relations = level.relations.saturating_add(relations);
        if level.relations > MAX_RELATIONS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Visitor for Counting {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let unseen = ctes.map(|cte| normal(&cte.alias.name)).collect();
        self.0.push(Level { unseen, ctes: HashMap::new(), relations: 0 });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        let size = self.0.pop().map_or(1, |level| level.relations.max(1));
        if let Some(level) = self.0.last_mut()
            && let Some(name) = level.unseen.pop_front()
        {
            level.ctes.insert(name, size);
            return ControlFlow::Continue(());
        }
        self.add(size)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = match relation.0.as_slice() {
            [only] => only.as_ident().map(normal),
            _ => None,
        };
        let size = name.and_then(|name| self.size_of(&name)).unwrap_or(1);
        self.add(size)
    }
}

/// A name as the planner compares it.
fn normal(name: &Ident) -> String {
    if name.quote_style.is_none() { name.value.to_lowercase() } else { name.value.clone() }
}
