//! The gate's yes: what a statement asks for, in the words the rest of the platform uses.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::logical_expr::LogicalPlan;
use oscar_permit::{ColumnTag, Sha256Digest, TableKind, TableRef};
use serde::Serialize;

use super::boundary::{Boundary, Statistic};
use super::relation::ResultField;
use super::walk::Walker;
use super::{GateRefusal, RefusalCode, is_plain_name, planner, text};
use crate::catalog::PermittedCatalog;

/// Stack of the planning thread: parser, planner and gate are recursive.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A statement that passed the gate.
#[derive(Debug, Clone)]
pub struct CheckedQuery {
    /// SHA-256 of the analysed plan's canonical text; the same for two texts that differ
    /// in white space or comments only. Table versions are no part of it.
    pub plan_hash: Sha256Digest,
    /// The analysed plan for reviewers. It holds the statement's literals and stays inside.
    pub plan_text: String,
    /// Tables read, reference data included.
    pub tables: BTreeSet<TableRef>,
    /// Those of them that the statement reads in one place only.
    pub(crate) read_once: BTreeSet<TableRef>,
    /// Tags of the columns that decide something (keys, arguments, conditions).
    pub tags: BTreeSet<ColumnTag>,
    /// Whether a table that is read names second units (hospital, practice …).
    pub has_second_units: bool,
    /// Literals in the text.
    pub literals: u32,
    /// The group keys of the boundary.
    pub keys: Vec<KeyOutline>,
    /// The aggregates of the boundary.
    pub aggregates: Vec<AggregateOutline>,
    /// Number of linked tables (grouping sets) in the result.
    pub grouping_sets: usize,
    /// The columns of the result.
    pub output: Vec<OutputColumnOutline>,
    /// What a person must look at before release, as far as the plan alone tells.
    pub needs_review: BTreeSet<ReviewFlag>,
    pub(crate) boundary: Boundary,
    pub(crate) plan: LogicalPlan,
}

/// A group key of the boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyOutline {
    /// The key's name in the result, or a neutral one.
    pub name: String,
    /// The lake column it is, when it is one unchanged (`dataset.table.column`).
    pub column: Option<String>,
}

/// An aggregate of the boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AggregateOutline {
    /// The aggregate's name in the result, or a neutral one.
    pub name: String,
    /// What is computed: `rows`, `persons`, `non-null`, `distinct`, `sum` or `avg`.
    pub kind: &'static str,
    /// Whether a condition decides which rows count: FILTER, or an argument that is no bare column.
    pub selective: bool,
}

/// What a result column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputRole {
    /// A group key or a literal.
    Key,
    /// An aggregate or arithmetic on aggregates; suppressed when unsafe.
    Measure,
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputColumnOutline {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: OutputRole,
}

/// Why a person must look at the result, decided on the plan alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewFlag {
    /// A tagged column decides something.
    TaggedColumn(ColumnTag),
    /// A table has second units, whose count per cell is not collected yet.
    SecondUnits,
    /// `count(DISTINCT x)` of something other than persons.
    DistinctCount,
    /// Sums or means.
    SumOrMean,
    /// Rows are counted of which a person can have several.
    RepeatedRows,
}

/// Judges a statement. Touches no data and does no input or output.
///
/// # Errors
/// [`GateRefusal`] with a stable code, the rule, the place and a remedy.
pub fn check(sql: &str, catalog: &PermittedCatalog) -> Result<CheckedQuery, GateRefusal> {
    let checked_text = text::check_text(sql, catalog)?;
    // A panic in parser or planner becomes a refusal: joining the thread reports it.
    std::thread::scope(|scope| {
        let judge = || judge(checked_text, catalog);
        let thread = std::thread::Builder::new().name("query-gate".into()).stack_size(STACK_BYTES);
        let handle = thread.spawn_scoped(scope, judge).map_err(|_| not_understood())?;
        handle.join().unwrap_or_else(|_| Err(not_understood()))
    })
}

fn not_understood() -> GateRefusal {
    GateRefusal::new(RefusalCode::NotUnderstood, "statement")
}

fn judge(checked_text: text::CheckedText, catalog: &PermittedCatalog) -> Result<CheckedQuery, GateRefusal> {
    let text::CheckedText { tokens, literals } = checked_text;
    let plan = planner::plan(planner::parse(tokens)?, catalog)?;
    let mut walker = Walker::new(catalog);
    let relation = walker.label(&plan)?;
    let at_root = |code| GateRefusal::new(code, "result");
    let roles = Walker::root(relation).map_err(at_root)?;
    let boundary = walker.boundary.take().ok_or_else(|| at_root(RefusalCode::LineageUnknown))?;
    let tags: BTreeSet<ColumnTag> = walker
        .used
        .iter()
        .filter_map(|base| walker.contract_of(base))
        .flat_map(|column| column.tags.iter().copied())
        .collect();
    let has_second_units = walker.tables.keys().filter_map(|table| catalog.tables.get(table)).any(
        |table| matches!(&table.contract.kind, TableKind::Persons { second_units, .. } if !second_units.is_empty()),
    );
    let plan_text = plan.display_indent_schema().to_string();
    let output = output_columns(&plan, &roles).map_err(at_root)?;
    Ok(CheckedQuery {
        plan_hash: Sha256Digest::of(&plan_text),
        plan_text,
        needs_review: review_flags(&boundary, &tags, has_second_units),
        keys: key_outlines(&boundary),
        aggregates: aggregate_outlines(&boundary),
        grouping_sets: boundary.grouping_sets.len(),
        read_once: walker.tables.iter().filter(|(_, times)| **times == 1).map(|(table, _)| table.clone()).collect(),
        tables: walker.tables.into_keys().collect(),
        tags,
        has_second_units,
        literals,
        output,
        boundary,
        plan,
    })
}

/// Names come from aliases; what has none gets a neutral name, because the engine would
/// spell out the expression, literals included.
fn output_columns(plan: &LogicalPlan, roles: &[ResultField]) -> Result<Vec<OutputColumnOutline>, RefusalCode> {
    let fields = plan.schema().fields();
    let mut taken: BTreeSet<String> =
        fields.iter().map(|field| field.name()).filter(|name| is_plain_name(name)).cloned().collect();
    let aliased = fields.iter().filter(|field| is_plain_name(field.name())).count();
    if taken.len() != aliased {
        return Err(RefusalCode::DuplicateColumn);
    }
    let mut columns = Vec::with_capacity(fields.len());
    for (field, role) in fields.iter().zip(roles) {
        let role = match role {
            ResultField::Key(_) | ResultField::Constant => OutputRole::Key,
            ResultField::Measure => OutputRole::Measure,
            ResultField::Internal => return Err(RefusalCode::ResultExpressionRefused),
        };
        let name = if is_plain_name(field.name()) {
            field.name().clone()
        } else {
            let stem = if role == OutputRole::Key { "key" } else { "value" };
            neutral_name(stem, &mut taken)
        };
        columns.push(OutputColumnOutline { name, role });
    }
    Ok(columns)
}

/// The first `stem_1`, `stem_2`, … that is not taken.
fn neutral_name(stem: &str, taken: &mut BTreeSet<String>) -> String {
    let mut number = 1usize;
    loop {
        let name = format!("{stem}_{number}");
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

fn review_flags(boundary: &Boundary, tags: &BTreeSet<ColumnTag>, has_second_units: bool) -> BTreeSet<ReviewFlag> {
    let mut flags: BTreeSet<ReviewFlag> = tags.iter().copied().map(ReviewFlag::TaggedColumn).collect();
    if has_second_units {
        flags.insert(ReviewFlag::SecondUnits);
    }
    for aggregate in &boundary.aggregates {
        match aggregate.statistic {
            Statistic::Rows | Statistic::NonNull(_) if !boundary.single => {
                flags.insert(ReviewFlag::RepeatedRows);
            }
            Statistic::Rows | Statistic::Persons(_) | Statistic::NonNull(_) => {}
            Statistic::Distinct(_) => {
                flags.insert(ReviewFlag::DistinctCount);
            }
            Statistic::Sum(..) | Statistic::Avg(..) => {
                flags.insert(ReviewFlag::SumOrMean);
            }
        }
    }
    flags
}

/// Names of keys and aggregates in evidence and findings: the boundary's own field names
/// where they are plain, numbered neutral names otherwise.
fn neutral_names(boundary: &Boundary, offset: usize, count: usize, stem: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    (0..count)
        .map(|index| {
            let name = boundary.schema.fields().get(offset + index).map(|field| field.name().clone());
            let name = name.filter(|name| is_plain_name(name)).unwrap_or_else(|| format!("{stem}_{}", index + 1));
            let times = seen.entry(name.clone()).or_default();
            *times += 1;
            if *times == 1 { name } else { format!("{name}_{times}") }
        })
        .collect()
}

fn key_outlines(boundary: &Boundary) -> Vec<KeyOutline> {
    let names = neutral_names(boundary, 0, boundary.keys.len(), "key");
    let column = |base: &super::relation::Base| format!("{}.{}", base.0, base.1);
    boundary
        .keys
        .iter()
        .zip(names)
        .map(|(key, name)| KeyOutline { name, column: key.base.as_ref().map(column) })
        .collect()
}

fn aggregate_outlines(boundary: &Boundary) -> Vec<AggregateOutline> {
    let offset = boundary.keys.len() + usize::from(boundary.has_grouping_id);
    let names = neutral_names(boundary, offset, boundary.aggregates.len(), "value");
    let kind = |statistic: &Statistic| match statistic {
        Statistic::Rows => "rows",
        Statistic::Persons(_) => "persons",
        Statistic::NonNull(_) => "non-null",
        Statistic::Distinct(_) => "distinct",
        Statistic::Sum(..) => "sum",
        Statistic::Avg(..) => "avg",
    };
    boundary
        .aggregates
        .iter()
        .zip(names)
        .map(|(aggregate, name)| AggregateOutline {
            name,
            kind: kind(&aggregate.statistic),
            selective: aggregate.is_selective(),
        })
        .collect()
}
