//! From evidence to judgement: the rules in their order.
//!
//! The verdict is the sternest of all findings: anything refused refuses the release,
//! anything to look at sends it to people, and only a table of counts in which every rule
//! holds is released by itself. A refused judgement carries no rows and remembers no sets.

use std::borrow::Cow;

use oscar_permit::DisclosureProfile;

use crate::cell_rules::{CellFindings, KnownSets, judge_cell};
use crate::differencing::judge_differencing;
use crate::evidence_check::check_evidence;
use crate::hidden_map::hidden_cells;
use crate::layout::lay_out;
use crate::random_draw::is_drawn;
use crate::shown::{shown_sets, vetted_table};
use crate::tally::Tally;
use crate::{Evidence, HiddenCell, Judgement, LedgerTable, ReleaseContext, RuleId, Verdict, VettedTable};

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
        return refused(evidence, context, Tally::refusal(RuleId::Evidence), Vec::new());
    }
    let evidence = &without_empty_cells(evidence);
    let known = KnownSets::new(earlier);
    let cells: Vec<CellFindings> =
        evidence.cells.iter().map(|cell| judge_cell(cell, evidence, profile, &known)).collect();
    let most_rows = profile.quotas.cells_per_release as usize / evidence.aggregates.len().max(1);
    let layout = lay_out(evidence, &cells, most_rows);
    let hidden = hidden_cells(evidence, &cells, &layout);

    let mut tally = Tally::default();
    tally.add_statement(evidence, context);
    tally.add_cells(evidence, &cells, &layout, profile);
    if tally.exceeds_cells() {
        return refused(evidence, context, tally, hidden);
    }
    // Differencing also runs on tables that are refused already: the findings are for the
    // stewards, and the time a refusal takes says less about its reason.
    let released = shown_sets(evidence, &cells, &layout, context.release.clone(), profile.threshold);
    let differencing = judge_differencing(earlier, &released, profile.threshold);
    let differencing = differencing.if_comparable(earlier.iter().all(|table| evidence.is_comparable_with(table)));
    tally.add_differencing(&differencing);
    tally.add_draw(is_drawn(&context.draw, &released, profile.review_percent));

    match tally.verdict() {
        Verdict::Refused(_) => refused(evidence, context, tally, hidden),
        verdict @ (Verdict::Auto | Verdict::Review(_)) => Judgement {
            verdict,
            table: vetted_table(evidence, &cells, &layout, profile),
            findings: tally.into_findings(),
            hidden,
            released,
            witness: differencing
                .proof
                .map(|proof| context.draw.sealed("oscar-span-proof-v2", &context.release, proof.as_bytes())),
        },
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

fn refused(evidence: &Evidence, context: &ReleaseContext, tally: Tally, hidden: Vec<HiddenCell>) -> Judgement {
    Judgement {
        verdict: tally.verdict(),
        table: VettedTable {
            keys: evidence.keys.clone(),
            aggregates: evidence.aggregates.clone(),
            rows: Vec::new(),
            notes: Vec::new(),
        },
        findings: tally.into_findings(),
        hidden,
        released: LedgerTable::empty(context.release.clone(), evidence.lineage.clone()),
        witness: None,
    }
}
