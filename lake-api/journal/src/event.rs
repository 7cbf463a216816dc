//! Everything that can happen to a tenant.
//!
//! Who did it is the entry's actor and is not repeated in the event. An event names
//! rules, digests and counts; it never carries a value from the data. An unknown kind or
//! field is an error, so that an old program never misreads a newer journal.

use std::collections::BTreeMap;

use oscar_permit::{DatasetName, PermitId, ReleaseId, Sha256Digest, TableName, TableRef};
use serde::{Deserialize, Serialize};

/// A domain event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A delivery was taken in. From here on the dataset is exactly these table versions.
    DeliveryAccepted {
        /// The dataset.
        dataset: DatasetName,
        /// Digest of the package.
        delivery: Sha256Digest,
        /// Digest of the contract in force.
        contract: Sha256Digest,
        /// The permit it was delivered under.
        permit: PermitId,
        /// Every table of the dataset.
        tables: BTreeMap<TableName, DeliveredTable>,
        /// How many persons it is about, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        persons: Option<u64>,
    },
    /// A delivery was refused; the dataset stays as it was.
    DeliveryRefused {
        /// The dataset.
        dataset: DatasetName,
        /// Digest of the package.
        delivery: Sha256Digest,
        /// The permit it was delivered under.
        permit: PermitId,
        /// Id of the rule that was broken.
        rule: String,
        /// In which table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<TableName>,
    },
    /// A new version of a permit was seen for the first time.
    PermitApplied {
        /// The permit.
        permit: PermitId,
        /// Digest of its canonical form.
        digest: Sha256Digest,
    },
    /// A permit cannot be read; it gives nothing.
    PermitProblem {
        /// The permit, where it could be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permit: Option<PermitId>,
        /// Code of the problem.
        code: String,
    },
    /// A query was judged statically; no data was touched.
    QueryChecked {
        /// The permit.
        permit: PermitId,
        /// Digest of the statement.
        sql_digest: Sha256Digest,
        /// The answer.
        outcome: CheckOutcome,
        /// Code of the refusal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A release was asked for, the first time or again after it was returned.
    ReleaseSubmitted {
        /// The release.
        release: ReleaseId,
        /// What is asked for.
        submission: Box<Submission>,
    },
    /// Vetting came to an answer.
    VettingFinished {
        /// The release.
        release: ReleaseId,
        /// The answer.
        result: Box<VettingResult>,
    },
    /// Vetting could not come to an answer (a limit, a failure); the requester may try again.
    VettingFailed {
        /// The release.
        release: ReleaseId,
        /// Code of the failure.
        code: String,
    },
    /// The release is vetted again; votes and ledger reservation lapse.
    VettingRestarted {
        /// The release.
        release: ReleaseId,
        /// Why.
        cause: RestartCause,
    },
    /// A steward voted.
    VoteCast {
        /// The release.
        release: ReleaseId,
        /// The vote.
        decision: Decision,
        /// Why; never empty.
        reason: String,
        /// Digest of the content that the steward saw.
        content: Sha256Digest,
    },
    /// Content and receipt are out.
    ReleasePublished {
        /// The release.
        release: ReleaseId,
        /// One file per format (`csv`, `json`, `parquet`).
        outputs: BTreeMap<String, OutputFile>,
        /// Digest of the signed receipt.
        receipt: Sha256Digest,
    },
    /// The requester took the request back.
    ReleaseWithdrawn {
        /// The release.
        release: ReleaseId,
        /// Why; may be empty.
        reason: String,
    },
    /// The platform ended the request.
    ReleaseStopped {
        /// The release.
        release: ReleaseId,
        /// Why.
        cause: StopCause,
    },
    /// A steward called a published release back; the content is no longer served.
    ReleaseRecalled {
        /// The release.
        release: ReleaseId,
        /// Why; never empty.
        reason: String,
    },
    /// A steward looked at the content under review.
    ReviewRead {
        /// The release.
        release: ReleaseId,
    },
    /// Published content was read.
    ExportRead {
        /// The release.
        release: ReleaseId,
        /// The format.
        format: String,
    },
    /// A request was turned away.
    AccessDenied {
        /// The token's issuer, where the token is genuine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        issuer: Option<String>,
        /// The token's subject, where the token is genuine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// The route's template, never the path asked for.
        route: String,
        /// Code of the denial.
        code: String,
    },
    /// A part of the platform came up.
    ServiceStarted {
        /// Which build.
        build: String,
    },
    /// A part of the platform went down in good order.
    ServiceStopped {
        /// Which build.
        build: String,
    },
}

impl Event {
    /// The release that the event is about.
    #[must_use]
    pub const fn release(&self) -> Option<&ReleaseId> {
        match self {
            Self::ReleaseSubmitted { release, .. }
            | Self::VettingFinished { release, .. }
            | Self::VettingFailed { release, .. }
            | Self::VettingRestarted { release, .. }
            | Self::VoteCast { release, .. }
            | Self::ReleasePublished { release, .. }
            | Self::ReleaseWithdrawn { release, .. }
            | Self::ReleaseStopped { release, .. }
            | Self::ReleaseRecalled { release, .. }
            | Self::ReviewRead { release }
            | Self::ExportRead { release, .. } => Some(release),
            Self::DeliveryAccepted { .. }
            | Self::DeliveryRefused { .. }
            | Self::PermitApplied { .. }
            | Self::PermitProblem { .. }
            | Self::QueryChecked { .. }
            | Self::AccessDenied { .. }
            | Self::ServiceStarted { .. }
            | Self::ServiceStopped { .. } => None,
        }
    }

    /// The event's kind as it is written.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::DeliveryAccepted { .. } => "delivery-accepted",
            Self::DeliveryRefused { .. } => "delivery-refused",
            Self::PermitApplied { .. } => "permit-applied",
            Self::PermitProblem { .. } => "permit-problem",
            Self::QueryChecked { .. } => "query-checked",
            Self::ReleaseSubmitted { .. } => "release-submitted",
            Self::VettingFinished { .. } => "vetting-finished",
            Self::VettingFailed { .. } => "vetting-failed",
            Self::VettingRestarted { .. } => "vetting-restarted",
            Self::VoteCast { .. } => "vote-cast",
            Self::ReleasePublished { .. } => "release-published",
            Self::ReleaseWithdrawn { .. } => "release-withdrawn",
            Self::ReleaseStopped { .. } => "release-stopped",
            Self::ReleaseRecalled { .. } => "release-recalled",
            Self::ReviewRead { .. } => "review-read",
            Self::ExportRead { .. } => "export-read",
            Self::AccessDenied { .. } => "access-denied",
            Self::ServiceStarted { .. } => "service-started",
            Self::ServiceStopped { .. } => "service-stopped",
        }
    }
}

/// One table of an accepted delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveredTable {
    /// The Delta version that is now visible.
    pub version: u64,
    /// Rows taken in by this delivery.
    pub rows: u64,
    /// Rows put into quarantine.
    pub quarantined: u64,
    /// Files read.
    pub files: u64,
}

/// What the static check answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// The statement may be submitted.
    Accepted,
    /// It may be submitted and will go to two stewards.
    Review,
    /// It may not be submitted.
    Refused,
}

/// What a requester asks for, pinned to the last digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The permit.
    pub permit: PermitId,
    /// Digest of the permit as it was in force.
    pub permit_digest: Sha256Digest,
    /// A title for people.
    pub title: String,
    /// What it is for, in the requester's words.
    pub purpose_note: String,
    /// The statement.
    pub sql: String,
    /// SHA-256 of the statement's bytes.
    pub sql_digest: Sha256Digest,
    /// Digest of the analysed plan.
    pub plan_hash: Sha256Digest,
    /// The table versions it is computed on.
    pub versions: BTreeMap<TableRef, u64>,
    /// The contracts in force.
    pub contracts: BTreeMap<DatasetName, Sha256Digest>,
    /// Digest of the disclosure profile.
    pub profile_digest: Sha256Digest,
}

impl Submission {
    /// The datasets it asks of, once for every table.
    pub fn datasets(&self) -> impl Iterator<Item = &DatasetName> {
        self.versions.keys().map(|table| &table.dataset)
    }
}

/// Vetting's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every rule passes with margin.
    Auto,
    /// Two stewards decide.
    Review,
    /// Not releasable.
    Refused,
}

/// Vetting's answer with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VettingResult {
    /// The answer.
    pub verdict: Verdict,
    /// Ids of the rules that were broken.
    pub rules: Vec<String>,
    /// Codes of the reasons for review.
    pub reasons: Vec<String>,
    /// Digest of the canonical content; present unless refused.
    pub content: Option<Sha256Digest>,
    /// Digest of the stored findings.
    pub findings: Sha256Digest,
    /// Cells that would leave.
    pub cells: u64,
    /// What the ledger must remember; present unless refused.
    pub ledger: Option<LedgerEntry>,
    /// The ledger epoch that the content was judged against.
    pub ledger_epoch: u64,
}

/// A released table's place in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// The table versions that it was computed from.
    pub lineage: BTreeMap<TableRef, u64>,
    /// Digest of the stored person sets.
    pub object: Sha256Digest,
}

/// Why a release is vetted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartCause {
    /// The disclosure profile or the permit changed.
    PolicyChanged,
    /// Vetting was cut off, by a restart of the service for example.
    Interrupted,
    /// The stored content no longer has the digest that was voted on.
    ContentChanged,
}

/// A steward's vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Let it out.
    Approve,
    /// Never in this form.
    Reject,
    /// Back to the requester for a change.
    Return,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// SHA-256 of its bytes.
    pub digest: Sha256Digest,
    /// Its length.
    pub bytes: u64,
}

/// Why the platform ended a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopCause {
    /// The permit expired or was revoked.
    PermitNotInForce,
    /// The permit no longer names the requester.
    RequesterNotNamed,
    /// The permit no longer covers what the statement uses.
    PermitNarrowed,
    /// The pinned data is no longer available.
    DataWithdrawn,
}

impl StopCause {
    /// The cause as it is written.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PermitNotInForce => "permit-not-in-force",
            Self::RequesterNotNamed => "requester-not-named",
            Self::PermitNarrowed => "permit-narrowed",
            Self::DataWithdrawn => "data-withdrawn",
        }
    }

    /// Whether a text is the code of a cause.
    #[must_use]
    pub fn is_code(text: &str) -> bool {
        [Self::PermitNotInForce, Self::RequesterNotNamed, Self::PermitNarrowed, Self::DataWithdrawn]
            .iter()
            .any(|cause| cause.code() == text)
    }
}
