//! Everything vetting found about one release, as one sealed object.
//!
//! The journal holds its digest, so nobody can change what stewards look at or what is
//! published. The object holds more than the requester may see (which rule hid which
//! cell); [`Findings::for_requester`] and the reviewer pack take what is theirs.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use oscar_permit::{Sha256Digest, TableRef, canonical_json};
use oscar_vetting::{HiddenCell, ReviewReason, RuleFinding, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::query::Refusal;
use crate::api::release::{ContentFormat, Finding};
use crate::api::review::ReviewTable;

/// What vetting found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Findings {
    /// Digest of the permit it was judged under.
    pub(crate) permit: Sha256Digest,
    /// The profile it was judged under.
    pub(crate) profile: Option<JudgedProfile>,
    /// What was computed and by what; absent when nothing was, and in findings from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) computed: Option<Computed>,
    /// Why the gate refused the statement.
    pub(crate) refusal: Option<Refusal>,
    /// Every rule that fired.
    pub(crate) rules: Vec<RuleFinding>,
    /// Why people must look.
    pub(crate) reasons: Vec<ReviewReason>,
    /// What is hidden and why.
    pub(crate) hidden: Vec<HiddenCell>,
    /// Digest of verdict, findings and person sets, for the receipt.
    pub(crate) verdict_digest: Sha256Digest,
    /// Digest of the differencing proof.
    pub(crate) witness: Option<Sha256Digest>,
    /// The files that would be released; empty when refused.
    pub(crate) outputs: Outputs,
}

/// What a result was computed from. It can differ from what was submitted: permit and program may have changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Computed {
    /// The build that computed and judged it.
    pub(crate) engine: String,
    /// Digest of the analysed plan.
    pub(crate) plan: Sha256Digest,
    /// The tables that the plan reads, at their versions.
    pub(crate) versions: BTreeMap<TableRef, u64>,
}

/// The profile a release was judged under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JudgedProfile {
    pub(crate) name: String,
    pub(crate) digest: Sha256Digest,
}

/// Canonical bytes by format.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Outputs(BTreeMap<ContentFormat, String>);

impl Outputs {
    pub(crate) fn insert(&mut self, format: ContentFormat, bytes: &[u8]) {
        self.0.insert(format, BASE64_STANDARD.encode(bytes));
    }

    /// The bytes of one format.
    pub(crate) fn bytes(&self, format: ContentFormat) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.0.get(&format)?).ok()
    }

    /// The formats with their bytes.
    pub(crate) fn files(&self) -> Vec<(ContentFormat, Vec<u8>)> {
        self.0.keys().filter_map(|format| Some((*format, self.bytes(*format)?))).collect()
    }

    /// The content's digest, on which stewards vote: SHA-256 of the canonical JSON that
    /// maps each format to the SHA-256 of its bytes. `None` without any file.
    pub(crate) fn digest(&self) -> Option<Sha256Digest> {
        let digests: BTreeMap<&str, Sha256Digest> =
            self.files().iter().map(|(format, bytes)| (format.extension(), Sha256Digest::of(bytes))).collect();
        if digests.is_empty() { None } else { canonical_json(&digests).ok().map(Sha256Digest::of) }
    }
}

impl Findings {
    /// What the gate's refusal leaves behind.
    pub(crate) fn of_refusal(permit: Sha256Digest, refusal: Refusal) -> Self {
        let verdict_digest = Sha256Digest::of(refusal.code.as_bytes());
        Self {
            permit,
            profile: None,
            computed: None,
            refusal: Some(refusal),
            rules: Vec::new(),
            reasons: Vec::new(),
            hidden: Vec::new(),
            verdict_digest,
            witness: None,
            outputs: Outputs::default(),
        }
    }

    /// What the requester may know: the rules of a refusal, whose texts are neutral. Which
    /// rule hid which cell of a table that goes on is the reviewers' alone.
    pub(crate) fn for_requester(&self) -> Vec<Finding> {
        let mut shown: Vec<Finding> =
            self.rules.iter().filter(|rule| rule.severity == Severity::Refused).map(finding).collect();
        shown.dedup();
        shown
    }

    /// The table as it would be released, read from the very bytes. `None` without one.
    pub(crate) fn review_table(&self) -> Option<ReviewTable> {
        review_table(&self.outputs.bytes(ContentFormat::Json)?)
    }

    /// Every rule that fired, for stewards and auditors.
    pub(crate) fn for_reviewer(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.rules.iter().map(finding).collect();
        findings.dedup();
        findings
    }
}

/// Reads the canonical JSON of a result; a hidden value is null there already.
fn review_table(json: &[u8]) -> Option<ReviewTable> {
    #[derive(Deserialize)]
    struct Column {
        name: String,
    }
    #[derive(Deserialize)]
    struct Table {
        columns: Vec<Column>,
        rows: Vec<Vec<Value>>,
    }
    let table: Table = serde_json::from_slice(json).ok()?;
    Some(ReviewTable { columns: table.columns.into_iter().map(|column| column.name).collect(), rows: table.rows })
}

pub(crate) fn finding(finding: &RuleFinding) -> Finding {
    Finding {
        rule: finding.rule.as_str().to_owned(),
        message: finding.rule.message().to_owned(),
        remedy: finding.remedy.clone(),
    }
}

/// A review reason as a stable code.
pub(crate) fn reason_code(reason: &ReviewReason) -> String {
    match reason {
        ReviewReason::FirstOfRequester => "first-of-requester".to_owned(),
        ReviewReason::FirstOfDataset => "first-of-dataset".to_owned(),
        ReviewReason::RandomDraw => "random-draw".to_owned(),
        ReviewReason::SumsAndMeans => "sums-and-means".to_owned(),
        ReviewReason::DistinctCount => "distinct-count".to_owned(),
        ReviewReason::ManyCells => "many-cells".to_owned(),
        ReviewReason::GapBelowTwiceThreshold => "gap-below-twice-threshold".to_owned(),
        ReviewReason::SpanUndecided => "span-undecided".to_owned(),
        ReviewReason::ClassDisclosure => "class-disclosure".to_owned(),
        ReviewReason::ComplementUnknown => "complement-unknown".to_owned(),
        ReviewReason::RepeatedRows => "repeated-rows".to_owned(),
        ReviewReason::TaggedColumn(tag) => format!("tagged-column-{}", tag_code(*tag)),
        ReviewReason::SecondUnitsUnknown => "second-units-unknown".to_owned(),
        ReviewReason::StructuralZeroContradicted => "structural-zero-contradicted".to_owned(),
        ReviewReason::Statement(code) => code.clone(),
    }
}

/// What the requester is told instead of a reason that follows from the data: which of
/// them it is would say something about persons.
const NEUTRAL_REASON: &str = "rules-without-margin";

/// The reasons a requester may know, from the codes in the journal.
pub(crate) fn reasons_for_requester(codes: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = codes.iter().map(|code| requester_reason(code).to_owned()).collect();
    shown.sort();
    shown.dedup();
    shown
}

fn requester_reason(code: &str) -> &str {
    match code {
        // These follow from the statement, the contract and the record alone.
        "first-of-requester"
        | "first-of-dataset"
        | "random-draw"
        | "sums-and-means"
        | "distinct-count"
        | "second-units-unknown" => code,
        tagged if tagged.starts_with("tagged-column-") => tagged,
        _ => NEUTRAL_REASON,
    }
}

pub(crate) const fn tag_code(tag: oscar_permit::ColumnTag) -> &'static str {
    match tag {
        oscar_permit::ColumnTag::SmallArea => "small-area",
        oscar_permit::ColumnTag::RareDisease => "rare-disease",
        oscar_permit::ColumnTag::FreeText => "free-text",
        oscar_permit::ColumnTag::Sensitive => "sensitive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_digest_changes_with_every_byte_of_every_format() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.digest(), None);
        outputs.insert(ContentFormat::Csv, b"a,b\n");
        let csv = outputs.digest();
        outputs.insert(ContentFormat::Json, b"[]");
        let both = outputs.digest();
        outputs.insert(ContentFormat::Json, b"[ ]");
        assert!(csv != both && both != outputs.digest());
    }

    #[test]
    fn reasons_that_follow_from_the_data_all_look_alike_to_the_requester() {
        let codes = ["gap-below-twice-threshold", "class-disclosure", "first-of-dataset", "span-undecided"];
        let shown = reasons_for_requester(&codes.map(str::to_owned));
        assert_eq!(shown, ["first-of-dataset", NEUTRAL_REASON]);
    }
}
