//! The answer of the vetting and what it depends on besides the evidence.

use std::collections::BTreeSet;

use oscar_permit::{CanonicalError, ColumnTag, ReleaseId, Sha256Digest, canonical_json};
use serde::{Deserialize, Serialize};

use crate::{DrawSecret, KeyValue, LedgerTable, RuleFinding, RuleId, VettedTable};

/// What the judgement must know about the release besides its evidence. Every field is
/// the caller's to fill, so none has a default: a forgotten one would be a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseContext {
    /// The release.
    pub release: ReleaseId,
    /// The platform's secret of the random draw for review.
    pub draw: DrawSecret,
    /// Whether the requester has no released result under this permit yet.
    pub first_of_requester: bool,
    /// Whether nothing of one of the datasets has been released to this tenant yet.
    pub first_of_dataset: bool,
    /// Tags of all columns the statement uses.
    pub tags: BTreeSet<ColumnTag>,
    /// Whether the contract of any scanned table names second units (rule R10).
    pub second_units_named: bool,
    /// Reasons for review that the query gate has found in the statement.
    pub statement_reasons: Vec<ReviewReason>,
}

/// Why a person must look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewReason {
    /// The requester's first release.
    FirstOfRequester,
    /// The first release of a dataset.
    FirstOfDataset,
    /// Drawn at random.
    RandomDraw,
    /// The table holds sums or means.
    SumsAndMeans,
    /// The table counts distinct values of something that is not the person.
    DistinctCount,
    /// More than [`crate::MANY_CELLS`] cells.
    ManyCells,
    /// A difference to a released table has between T and 2T-1 persons.
    GapBelowTwiceThreshold,
    /// It is not proven that no combination of released tables singles out few persons.
    SpanUndecided,
    /// A cell says something about everybody, or nearly everybody, in its group.
    ClassDisclosure,
    /// Whose values are left out of a count cannot be told from the evidence.
    ComplementUnknown,
    /// A count of rows to which some person contributes several: such a count is a total,
    /// not the size of a set of persons, and the ledger knows sets only.
    RepeatedRows,
    /// A column with this tag is used.
    TaggedColumn(ColumnTag),
    /// The contract names second units and the evidence does not count them.
    SecondUnitsUnknown,
    /// A declared structural zero holds persons.
    StructuralZeroContradicted,
    /// The query gate asks for it: a neutral code of the statement's shape.
    Statement(String),
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "because")]
pub enum Verdict {
    /// May be released without a person looking.
    Auto,
    /// Two stewards must approve, for these reasons.
    Review(Vec<ReviewReason>),
    /// Not released. The findings are neutral and may be shown to the requester.
    Refused(Vec<RuleFinding>),
}

/// One hidden place of the table and the rules that hid it: for reviewers only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenCell {
    /// The grouping set.
    pub grouping_set: usize,
    /// The key.
    pub key: Vec<KeyValue>,
    /// The aggregate's name; `None` when the whole cell is hidden.
    pub aggregate: Option<String>,
    /// Why; empty for a cell without any person.
    pub rules: BTreeSet<RuleId>,
}

/// Everything the vetting has to say about a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The table to release; without rows when refused.
    pub table: VettedTable,
    /// Every rule that fired, for stewards and auditors; sorted, each once.
    pub findings: Vec<RuleFinding>,
    /// The hidden-cell map for the reviewer pack. It must not reach the requester.
    pub hidden: Vec<HiddenCell>,
    /// The person sets to remember once the table is released; empty when refused.
    pub released: LedgerTable,
    /// Digest of the proof that no combination of released tables singles out few persons,
    /// under the platform's secret; `None` when there is no such proof.
    pub witness: Option<Sha256Digest>,
}

#[derive(Serialize)]
struct DigestedFindings<'a> {
    verdict: &'a Verdict,
    findings: &'a [RuleFinding],
    hidden: &'a [HiddenCell],
    ledger: Sha256Digest,
}

impl Judgement {
    /// The rule-verdict digest of the receipt, under the platform's secret and of this
    /// release alone: otherwise the few possible findings could be tried one by one against
    /// it, and two releases of the same statement would tell whether a hidden cell is empty.
    ///
    /// # Errors
    /// When a key has no canonical form.
    pub fn findings_digest(&self, secret: &DrawSecret, release: &ReleaseId) -> Result<Sha256Digest, CanonicalError> {
        let Self { verdict, table: _, findings, hidden, released, witness: _ } = self;
        let digested = DigestedFindings { verdict, findings, hidden, ledger: released.digest() };
        Ok(secret.sealed("oscar-findings-v2", release, &canonical_json(&digested)?))
    }
}
