//! Joins: whose rows they make, and whether a person can have several of them.
//!
//! Rows of persons are joined by the person key. Joined with reference data a row stays one when the join is by
//! the whole key of the reference table; otherwise its copies are rows of which a person can have several.

use std::collections::BTreeSet;

use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, Operator};
use oscar_permit::TableRef;

use super::expression::{bare_column, is_person_key};
use super::refusal::RefusalCode;
use super::relation::{Base, Relation, RowField, Scope};
use super::walk::Walker;

type Judged<T> = Result<T, RefusalCode>;

impl Walker<'_> {
    pub(crate) fn join(&mut self, join: &Join) -> Judged<Relation> {
        let (left, right) = (self.walk(&join.left)?, self.walk(&join.right)?);
        let (left, right) = (Side::of(left)?, Side::of(right)?);
        let (left_unit, right_unit) = (left.is_unit, right.is_unit);
        let equated = self.join_conditions(join, &left.fields, &right.fields)?;
        match (left_unit, right_unit) {
            (true, true) if !equated.same_person => return Err(RefusalCode::JoinWithoutPersonKey),
            (true, false) if preserves_right(join.join_type) => return Err(RefusalCode::JoinPreservesReference),
            (false, true) if preserves_left(join.join_type) => return Err(RefusalCode::JoinPreservesReference),
            _ => {}
        }
        let single = match (left_unit, right_unit) {
            (true, true) => left.single && right.single,
            (true, false) => left.single && self.is_one_row(&right, &equated.right),
            (false, true) => right.single && self.is_one_row(&left, &equated.left),
            (false, false) => false,
        };
        let kept_single = (left.single, right.single);
        let (left, right) = (left.fields, right.fields);
        let optional = |fields: Vec<RowField>| fields.into_iter().map(RowField::optional).collect::<Vec<_>>();
        let (fields, single) = match join.join_type {
            JoinType::Inner => ([left, right].concat(), single),
            JoinType::Left => ([left, optional(right)].concat(), single),
            JoinType::Right => ([optional(left), right].concat(), single),
            JoinType::Full => ([optional(left), optional(right)].concat(), single),
            // A semi join of persons with reference data keeps the persons; the other
            // way round it would ask which reference rows have a person at all.
            JoinType::LeftSemi | JoinType::LeftAnti if left_unit || !right_unit => (left, kept_single.0),
            JoinType::RightSemi | JoinType::RightAnti if right_unit || !left_unit => (right, kept_single.1),
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::RightSemi | JoinType::RightAnti => {
                return Err(RefusalCode::JoinPreservesReference);
            }
            JoinType::LeftMark | JoinType::RightMark => return Err(RefusalCode::NodeRefused),
        };
        if left_unit || right_unit {
            Ok(Relation::Unit { fields, tied: false, single })
        } else {
            Ok(Relation::Public { fields, rows_of: None })
        }
    }

    /// Whether reference data, of which these columns are equal to something, can have no two such rows.
    fn is_one_row(&self, side: &Side, equal: &BTreeSet<usize>) -> bool {
        let Some(table) = &side.rows_of else { return false };
        let key = self.catalog.tables.get(table).map(|table| table.contract.primary_key.as_slice()).unwrap_or_default();
        let columns: BTreeSet<&Base> = equal
            .iter()
            .filter_map(|place| side.fields.get(*place)?.base.as_ref())
            .filter(|base| base.0 == *table)
            .collect();
        !key.is_empty() && key.iter().all(|name| columns.iter().any(|base| base.1 == *name))
    }

    /// Judges ON and says what it equates.
    fn join_conditions(&mut self, join: &Join, left: &[RowField], right: &[RowField]) -> Judged<Equated> {
        let schema = join.left.schema().join(join.right.schema()).map_err(|_| RefusalCode::LineageUnknown)?;
        let fields = [left, right].concat();
        let width = left.len();
        self.in_scope(&schema, &fields, false, |walker, scope| {
            let mut equated = Equated::default();
            let mut pair = |walker: &mut Walker<'_>, one: &Expr, other: &Expr| {
                equated.note(one, other, scope, width);
                if keys_of_both_sides(one, other, scope, width) {
                    equated.same_person = true;
                    return Ok(());
                }
                walker.condition(one, scope)?;
                walker.condition(other, scope)
            };
            for (one, other) in &join.on {
                pair(walker, one, other)?;
            }
            for condition in join.filter.iter().flat_map(split_conjunction) {
                match condition {
                    Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => pair(walker, left, right)?,
                    other => walker.condition(other, scope)?,
                }
            }
            Ok(equated)
        })
    }
}

/// One input of a node, before any aggregation.
pub(crate) struct Side {
    pub(crate) fields: Vec<RowField>,
    pub(crate) is_unit: bool,
    pub(crate) single: bool,
    pub(crate) rows_of: Option<TableRef>,
}

impl Side {
    pub(crate) fn of(relation: Relation) -> Judged<Self> {
        match relation {
            Relation::Public { fields, rows_of } => Ok(Self { fields, is_unit: false, single: false, rows_of }),
            Relation::Unit { fields, single, .. } => Ok(Self { fields, is_unit: true, single, rows_of: None }),
            Relation::Vetted(_) => Err(RefusalCode::CombinesResults),
        }
    }
}

/// What the condition of a join says is equal.
#[derive(Default)]
struct Equated {
    /// The persons of both sides.
    same_person: bool,
    /// Columns of the left side, and of the right, that are equal to something of the other.
    left: BTreeSet<usize>,
    right: BTreeSet<usize>,
}

impl Equated {
    /// Notes an equality, of which one side is a bare column and the other is made of the other input alone.
    fn note(&mut self, one: &Expr, other: &Expr, scope: &Scope<'_>, width: usize) {
        let place = |column: &Column| scope.schema.index_of_column(column).ok();
        for (bare, value) in [(one, other), (other, one)] {
            let Some(bare) = bare_column(bare).and_then(place) else { continue };
            let is_left = bare < width;
            let others = value.column_refs();
            if others.iter().all(|column| place(column).is_some_and(|place| (place < width) != is_left)) {
                if is_left {
                    self.left.insert(bare)
                } else {
                    self.right.insert(bare - width)
                };
            }
        }
    }
}

/// Whether two expressions are the person keys of the left and of the right input.
fn keys_of_both_sides(one: &Expr, other: &Expr, scope: &Scope<'_>, width: usize) -> bool {
    let side = |expr: &Expr| {
        let column = bare_column(expr)?;
        let index = scope.schema.index_of_column(column).ok()?;
        is_person_key(expr, scope).then_some(index < width)
    };
    matches!((side(one), side(other)), (Some(left), Some(right)) if left != right)
}

fn preserves_left(join: JoinType) -> bool {
    matches!(join, JoinType::Left | JoinType::Full)
}

fn preserves_right(join: JoinType) -> bool {
    matches!(join, JoinType::Right | JoinType::Full)
}
