//! From evidence to judgement: the rules in their order.
//!
//! The verdict is the sternest of all findings: anything refused refuses the release,
//! anything to look at sends it to people, and only a table of counts in which every rule
//! holds is released by itself. A refused judgement carries no rows and remembers no sets.

use std::borrow::Cow;
use std::collections::BTreeSet;

use oscar_permit::{ColumnTag, DisclosureProfile};
use roaring::RoaringBitmap;

use crate::cell_rules::{CellFindings, KnownSets, judge_cell};
use crate::class_disclosure::flagged_sets;
use crate::differencing::judge_differencing;
use crate::evidence_check::check_evidence;
use crate::layout::{Layout, Place, SetLayout, lay_out};
use crate::rounding::shown_value;
use crate::share_hidden::refusals;
use crate::{
    AggregateKind, AggregateSpec, Evidence, Family, HiddenCell, Judgement, LedgerTable, MANY_CELLS, Note,
    ReleaseContext, ReviewReason, RuleFinding, RuleId, Scope, Severity, Verdict, VettedRow, VettedTable, VettedValue,
};

/// Judges a release.
///
/// `earlier` is everything released before from the same sources, whoever asked for it.
/// The caller repeats the judgement inside the transaction that appends to the ledger, so
/// that two racing releases cannot pass each other.
#[must_use]
pub fn judge(
    evidence: &Evidence,
    profile: &DisclosureProfile,
    earlier: &[LedgerTable],
    context: &ReleaseContext,
) -> Judgement {
    if profile.validate().is_err() || check_evidence(evidence).is_err() {
        let finding = RuleFinding::new(RuleId::Evidence, Severity::Refused, Scope::Table);
        return refused(evidence, context, [finding].into(), Vec::new());
    }
    let evidence = &without_empty_cells(evidence);
    let known = KnownSets::new(earlier);
    let cells: Vec<CellFindings> =
        evidence.cells.iter().map(|cell| judge_cell(cell, evidence, profile, &known)).collect();
    let layout = lay_out(evidence, &cells, profile.quotas.cells_per_release);
    let hidden = hidden_cells(evidence, &cells, &layout);

    let mut findings = cell_findings(evidence, &cells);
    findings.extend(refusals(evidence, &cells, &layout));
    let rows: usize = layout.sets.iter().map(|set| set.slots.len()).sum();
    if rows > profile.quotas.cells_per_release as usize {
        findings.insert(RuleFinding::new(RuleId::Cells, Severity::Refused, Scope::Table));
    }
    if context.tags.contains(&ColumnTag::FreeText) {
        findings.insert(RuleFinding::new(RuleId::FreeText, Severity::Refused, Scope::Table));
    }
    let mut reasons = statement_reasons(evidence, profile, context);
    if rows > MANY_CELLS {
        reasons.insert(ReviewReason::ManyCells);
    }
    if layout.contradicted {
        reasons.insert(ReviewReason::StructuralZeroContradicted);
    }
    if cells.iter().any(|cell| cell.complement_unknown) {
        reasons.insert(ReviewReason::ComplementUnknown);
        findings.insert(RuleFinding::new(RuleId::R2, Severity::Review, Scope::Table));
    }
    for set in flagged_sets(evidence, &cells, profile.threshold) {
        reasons.insert(ReviewReason::ClassDisclosure);
        findings.insert(RuleFinding::new(RuleId::R5, Severity::Review, Scope::GroupingSet(set)));
    }

    // Differencing also runs on tables that are refused already: the findings are for the
    // stewards, and the time a refusal takes says less about its reason.
    let released = shown_sets(evidence, &cells, &layout, context);
    let differencing = judge_differencing(earlier, &released, profile.threshold);
    if differencing.refused {
        findings.insert(RuleFinding::new(RuleId::R7, Severity::Refused, Scope::Table));
    } else if differencing.near || differencing.proof.is_none() {
        findings.insert(RuleFinding::new(RuleId::R7, Severity::Review, Scope::Table));
    }
    if differencing.near {
        reasons.insert(ReviewReason::GapBelowTwiceThreshold);
    }
    if differencing.proof.is_none() {
        reasons.insert(ReviewReason::SpanUndecided);
    }

    if findings.iter().any(|finding| finding.severity == Severity::Refused) {
        return refused(evidence, context, findings, hidden);
    }
    let verdict = if reasons.is_empty() { Verdict::Auto } else { Verdict::Review(reasons.into_iter().collect()) };
    Judgement {
        verdict,
        table: vetted_table(evidence, &cells, &layout, profile),
        findings: findings.into_iter().collect(),
        hidden,
        released,
        witness: differencing.proof,
    }
}

/// A cell without rows is an absent cell: the two must not be judged differently.
fn without_empty_cells(evidence: &Evidence) -> Cow<'_, Evidence> {
    if evidence.cells.iter().all(|cell| cell.rows > 0) {
        return Cow::Borrowed(evidence);
    }
    let mut evidence = evidence.clone();
    evidence.cells.retain(|cell| cell.rows > 0);
    Cow::Owned(evidence)
}

fn refused(
    evidence: &Evidence,
    context: &ReleaseContext,
    findings: BTreeSet<RuleFinding>,
    hidden: Vec<HiddenCell>,
) -> Judgement {
    let public = findings.iter().filter(|finding| finding.severity == Severity::Refused).cloned().collect();
    Judgement {
        verdict: Verdict::Refused(public),
        table: VettedTable {
            keys: evidence.keys.clone(),
            aggregates: evidence.aggregates.clone(),
            rows: Vec::new(),
            notes: Vec::new(),
        },
        findings: findings.into_iter().collect(),
        hidden,
        released: LedgerTable::empty(context.release.clone(), evidence.lineage.clone()),
        witness: None,
    }
}

/// Reasons that do not depend on the cells' contents.
fn statement_reasons(
    evidence: &Evidence,
    profile: &DisclosureProfile,
    context: &ReleaseContext,
) -> BTreeSet<ReviewReason> {
    let ReleaseContext {
        release: _,
        draw,
        first_of_requester,
        first_of_dataset,
        tags,
        second_units_named,
        statement_reasons,
    } = context;
    let mut reasons: BTreeSet<ReviewReason> = statement_reasons.iter().cloned().collect();
    reasons.extend(first_of_requester.then_some(ReviewReason::FirstOfRequester));
    reasons.extend(first_of_dataset.then_some(ReviewReason::FirstOfDataset));
    reasons.extend(is_drawn(*draw, profile.review_percent).then_some(ReviewReason::RandomDraw));
    reasons.extend(tags.iter().map(|tag| ReviewReason::TaggedColumn(*tag)));
    for AggregateSpec { name: _, kind } in &evidence.aggregates {
        match kind {
            AggregateKind::CountRows | AggregateKind::CountPersons | AggregateKind::CountNonNull => {}
            AggregateKind::CountDistinct => {
                reasons.insert(ReviewReason::DistinctCount);
            }
            AggregateKind::Sum | AggregateKind::Avg => {
                reasons.insert(ReviewReason::SumsAndMeans);
            }
        }
    }
    let uncounted = evidence.cells.iter().any(|cell| cell.second_units.is_none());
    reasons.extend((*second_units_named && uncounted).then_some(ReviewReason::SecondUnitsUnknown));
    reasons
}

/// Whether a uniform draw falls into the share that people look at.
fn is_drawn(draw: u64, percent: f64) -> bool {
    // 53 bits are exact in a double; the share of draws below `percent` is as exact.
    let uniform = (draw >> 11) as f64 / (1u64 << 53) as f64;
    uniform * 100.0 < percent
}

fn cell_findings(evidence: &Evidence, cells: &[CellFindings]) -> BTreeSet<RuleFinding> {
    let mut findings = BTreeSet::new();
    for (cell, found) in evidence.cells.iter().zip(cells) {
        for rule in &found.whole {
            findings.insert(RuleFinding::new(*rule, Severity::Hidden, Scope::GroupingSet(cell.grouping_set)));
        }
        for (rules, spec) in found.aggregates.iter().zip(&evidence.aggregates) {
            for rule in rules {
                findings.insert(RuleFinding::new(*rule, Severity::Hidden, Scope::Aggregate(spec.name.clone())));
            }
        }
    }
    findings
}

/// The map for reviewers: everything that is not shown, and why.
fn hidden_cells(evidence: &Evidence, cells: &[CellFindings], layout: &Layout) -> Vec<HiddenCell> {
    let mut hidden = Vec::new();
    for (cell, found) in evidence.cells.iter().zip(cells) {
        let place = |aggregate, rules: &BTreeSet<RuleId>| HiddenCell {
            grouping_set: cell.grouping_set,
            key: cell.key.clone(),
            aggregate,
            rules: rules.clone(),
        };
        if found.is_hidden() {
            hidden.push(place(None, &found.whole));
            continue;
        }
        let aggregates = found.aggregates.iter().zip(&evidence.aggregates).filter(|(rules, _)| !rules.is_empty());
        hidden.extend(aggregates.map(|(rules, spec)| place(Some(spec.name.clone()), rules)));
    }
    for SetLayout { grouping_set, complete: _, slots } in &layout.sets {
        let empty = slots.iter().filter(|slot| slot.place == Place::Empty);
        hidden.extend(empty.map(|slot| HiddenCell {
            grouping_set: *grouping_set,
            key: slot.key.clone(),
            aggregate: None,
            rules: BTreeSet::new(),
        }));
    }
    hidden.sort();
    hidden
}

/// The person sets that the table shows, family by family.
fn shown_sets(evidence: &Evidence, cells: &[CellFindings], layout: &Layout, context: &ReleaseContext) -> LedgerTable {
    let mut families = Vec::new();
    for set in &layout.sets {
        let shown: Vec<_> = set
            .slots
            .iter()
            .filter_map(|slot| match slot.place {
                Place::Cell(cell) => evidence.cells.get(cell).zip(cells.get(cell)),
                Place::Empty | Place::StructuralZero => None,
            })
            .filter(|(_, found)| !found.is_hidden())
            .collect();
        let group_only = evidence.aggregates.is_empty();
        let mut persons: Vec<RoaringBitmap> =
            shown.iter().filter(|_| group_only).map(|(cell, _)| cell.persons.clone()).collect();
        let mut supports: Vec<Vec<RoaringBitmap>> = vec![Vec::new(); evidence.aggregates.len()];
        for (cell, found) in &shown {
            let mut cell_is_shown = false;
            for (number, (aggregate, supports)) in cell.aggregates.iter().zip(&mut supports).enumerate() {
                if !found.shows(number) {
                    continue;
                }
                match &aggregate.support {
                    Some(support) if *support != cell.persons => supports.push(support.clone()),
                    Some(_) | None => cell_is_shown = true,
                }
            }
            if cell_is_shown {
                persons.push(cell.persons.clone());
            }
        }
        let filled = [persons].into_iter().chain(supports).filter(|cells| !cells.is_empty());
        families.extend(filled.map(|cells| Family { cells }));
    }
    LedgerTable { release: context.release.clone(), lineage: evidence.lineage.clone(), families }
}

fn vetted_table(
    evidence: &Evidence,
    cells: &[CellFindings],
    layout: &Layout,
    profile: &DisclosureProfile,
) -> VettedTable {
    let value = |place: Place, number: usize, spec: &AggregateSpec| match place {
        Place::Empty => None,
        Place::StructuralZero => zero(spec.kind),
        Place::Cell(cell) => {
            let shown = cells.get(cell).is_some_and(|found| found.shows(number));
            let found = evidence.cells.get(cell).and_then(|cell| cell.aggregates.get(number)).filter(|_| shown);
            found.and_then(|found| shown_value(found, spec.kind, profile.round_to, profile.significant_digits))
        }
    };
    let rows = layout
        .sets
        .iter()
        .flat_map(|set| set.slots.iter().map(move |slot| (set.grouping_set, slot)))
        .map(|(grouping_set, slot)| VettedRow {
            grouping_set,
            key: slot.key.clone(),
            values: evidence.aggregates.iter().enumerate().map(|(n, spec)| value(slot.place, n, spec)).collect(),
        })
        .collect();
    let notes = notes(evidence, layout, profile).into_iter().collect();
    VettedTable { keys: evidence.keys.clone(), aggregates: evidence.aggregates.clone(), rows, notes }
}

/// What a structural zero shows: nobody has nothing to add up or to average.
const fn zero(kind: AggregateKind) -> Option<VettedValue> {
    match kind {
        AggregateKind::CountRows
        | AggregateKind::CountPersons
        | AggregateKind::CountNonNull
        | AggregateKind::CountDistinct => Some(VettedValue::Count(0)),
        AggregateKind::Sum | AggregateKind::Avg => None,
    }
}

/// Notes say what may be, not what is: they are the same whether anything is hidden.
fn notes(evidence: &Evidence, layout: &Layout, profile: &DisclosureProfile) -> BTreeSet<Note> {
    let mut notes = BTreeSet::new();
    for AggregateSpec { name: _, kind } in &evidence.aggregates {
        notes.insert(Note::HiddenCells);
        match kind {
            AggregateKind::CountRows
            | AggregateKind::CountPersons
            | AggregateKind::CountNonNull
            | AggregateKind::CountDistinct => {
                notes.insert(Note::CountsRoundedTo(profile.round_to));
            }
            AggregateKind::Sum => {
                notes.insert(Note::SignificantDigits(profile.significant_digits));
            }
            AggregateKind::Avg => {
                notes.insert(Note::SignificantDigits(profile.significant_digits));
                notes.insert(Note::MeansFromRoundedCounts);
            }
        }
    }
    if layout.sets.iter().any(|set| !set.complete) {
        notes.insert(Note::SmallGroupsNotListed);
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::is_drawn;

    #[test]
    fn the_share_of_draws_is_the_profile_s_percentage() {
        assert!(!is_drawn(0, 0.0), "no review means no draw at all");
        assert!(is_drawn(0, 5.0) && !is_drawn(u64::MAX, 99.999));
        assert!(is_drawn(u64::MAX, 100.0));
        let drawn = (0..10_000u64).filter(|n| is_drawn(n * (u64::MAX / 10_000), 5.0)).count();
        assert!((499..=501).contains(&drawn));
    }
}
