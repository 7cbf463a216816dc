//! Findings and reasons for review, gathered while the rules run.

use std::collections::BTreeSet;

use oscar_permit::{ColumnTag, DisclosureProfile};

use crate::cell_rules::CellFindings;
use crate::class_disclosure::flagged_sets;
use crate::differencing::Differencing;
use crate::hidden_map::cell_findings;
use crate::layout::Layout;
use crate::share_hidden::refusals;
use crate::table::figures;
use crate::{
    AggregateKind, AggregateSpec, CellEvidence, Evidence, MANY_CELLS, ReleaseContext, ReviewReason, RuleFinding,
    RuleId, Scope, Severity, Verdict,
};

/// Everything found so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    findings: BTreeSet<RuleFinding>,
    reasons: BTreeSet<ReviewReason>,
}

impl Tally {
    /// A tally of one refusal.
    pub(crate) fn refusal(rule: RuleId) -> Self {
        let mut tally = Self::default();
        tally.refuse(rule);
        tally
    }

    fn refuse(&mut self, rule: RuleId) {
        self.findings.insert(RuleFinding::new(rule, Severity::Refused, Scope::Table));
    }

    fn review(&mut self, rule: RuleId, scope: Scope, reason: ReviewReason) {
        self.findings.insert(RuleFinding::new(rule, Severity::Review, scope));
        self.reasons.insert(reason);
    }

    /// What does not depend on the cells' contents.
    pub(crate) fn add_statement(&mut self, evidence: &Evidence, context: &ReleaseContext) {
        self.reasons.extend(statement_reasons(evidence, context));
        if context.tags.contains(&ColumnTag::FreeText) {
            self.refuse(RuleId::FreeText);
        }
    }

    /// What the cells and their arrangement say.
    pub(crate) fn add_cells(
        &mut self,
        evidence: &Evidence,
        cells: &[CellFindings],
        layout: &Layout,
        profile: &DisclosureProfile,
    ) {
        self.findings.extend(cell_findings(evidence, cells));
        self.findings.extend(refusals(evidence, cells, layout, profile.threshold));
        let figures = figures(layout.rows(), evidence.aggregates.len());
        if figures > profile.quotas.cells_per_release as usize {
            self.refuse(RuleId::Cells);
        }
        if figures > MANY_CELLS {
            self.reasons.insert(ReviewReason::ManyCells);
        }
        if layout.contradicted {
            self.reasons.insert(ReviewReason::StructuralZeroContradicted);
        }
        if cells.iter().any(|cell| cell.complement_unknown) {
            self.review(RuleId::R2, Scope::Table, ReviewReason::ComplementUnknown);
        }
        if repeats_rows(evidence, cells) {
            self.review(RuleId::R7, Scope::Table, ReviewReason::RepeatedRows);
        }
        for set in flagged_sets(evidence, cells, profile.threshold) {
            self.review(RuleId::R5, Scope::GroupingSet(set), ReviewReason::ClassDisclosure);
        }
    }

    /// What earlier releases say together with this one.
    pub(crate) fn add_differencing(&mut self, found: &Differencing) {
        let Differencing { refused, near, proof } = found;
        if *refused {
            self.refuse(RuleId::R7);
        }
        if *near {
            self.review(RuleId::R7, Scope::Table, ReviewReason::GapBelowTwiceThreshold);
        }
        if proof.is_none() {
            self.review(RuleId::R7, Scope::Table, ReviewReason::SpanUndecided);
        }
    }

    /// The draw that sends some to people whatever the rules say.
    pub(crate) fn add_draw(&mut self, drawn: bool) {
        self.reasons.extend(drawn.then_some(ReviewReason::RandomDraw));
    }

    /// Whether the release has too many cells to be worth comparing with others.
    pub(crate) fn exceeds_cells(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == RuleId::Cells)
    }

    /// The verdict: the sternest of what was found.
    pub(crate) fn verdict(&self) -> Verdict {
        let refused: Vec<RuleFinding> =
            self.findings.iter().filter(|finding| finding.severity == Severity::Refused).cloned().collect();
        if !refused.is_empty() {
            Verdict::Refused(refused)
        } else if self.reasons.is_empty() {
            Verdict::Auto
        } else {
            Verdict::Review(self.reasons.iter().cloned().collect())
        }
    }

    /// All findings, sorted.
    pub(crate) fn into_findings(self) -> Vec<RuleFinding> {
        self.findings.into_iter().collect()
    }
}

/// Reasons that do not depend on the cells' contents.
fn statement_reasons(evidence: &Evidence, context: &ReleaseContext) -> BTreeSet<ReviewReason> {
    let ReleaseContext {
        release: _,
        draw: _,
        first_of_requester,
        first_of_dataset,
        tags,
        second_units_named,
        statement_reasons,
    } = context;
    let mut reasons: BTreeSet<ReviewReason> = statement_reasons.iter().cloned().collect();
    reasons.extend(first_of_requester.then_some(ReviewReason::FirstOfRequester));
    reasons.extend(first_of_dataset.then_some(ReviewReason::FirstOfDataset));
    reasons.extend(tags.iter().map(|tag| ReviewReason::TaggedColumn(*tag)));
    for AggregateSpec { name: _, kind, selective: _ } in &evidence.aggregates {
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

/// Whether a shown count of rows holds several rows of one person. Two such counts may
/// have the same persons and still differ by rows of a single one, which a comparison of
/// person sets cannot see; and copies of rows (a union, a join) would undo the rounding.
fn repeats_rows(evidence: &Evidence, cells: &[CellFindings]) -> bool {
    let repeated = |cell: &CellEvidence, findings: &CellFindings| {
        let aggregates = cell.aggregates.iter().zip(&evidence.aggregates).enumerate();
        aggregates.into_iter().any(|(number, (found, spec))| match spec.kind {
            AggregateKind::CountRows | AggregateKind::CountNonNull => {
                findings.shows(number) && found.largest.iter().any(|rows| *rows > 1.0)
            }
            AggregateKind::CountPersons | AggregateKind::CountDistinct | AggregateKind::Sum | AggregateKind::Avg => {
                false
            }
        })
    };
    evidence.cells.iter().zip(cells).any(|(cell, findings)| repeated(cell, findings))
}
