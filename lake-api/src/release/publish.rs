//! Publication: from an approved release to files that can be read.
//!
//! Files first, receipt second, journal last: a file without the journal's event is not
//! served, so a crash between the steps shows nothing, and the next run repeats them and
//! finds its own files there. A receipt counts when the journal names its digest.
//!
//! Before anything is written the permit is asked once more, and so is the policy: when
//! permit or profile have changed since the release was judged, it is judged again and
//! its votes lapse.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{SubsecRound, Utc};
use oscar_access::HeldPermit;
use oscar_journal::{Decision, Event, OutputFile, ReleaseRecord, ReleaseState, RestartCause, Vetted, VotesView};
use oscar_permit::{Identity, ReleaseId, Sha256Digest};
use oscar_vetting::{PinnedTable, Receipt, ReleaseBasis};

use super::error::ServiceError;
use super::findings::{Computed, Findings, JudgedProfile};
use super::service::ReleaseService;
use super::standing::Standing;
use crate::scope::Scope;

impl ReleaseService {
    /// Publishes a release that is APPROVED.
    pub(crate) async fn publish(self: &Arc<Self>, id: &ReleaseId) -> Result<(), ServiceError> {
        let record = self.in_state(id, ReleaseState::Approved).await?;
        let permit = match self.standing(&record)? {
            Standing::Stands(permit) => permit,
            Standing::Ended(cause) => return self.stop(&record, cause).await,
        };
        let vetted = record.vetted().ok_or(ServiceError::NotHere)?;
        let findings = self.findings(&record).await?;
        let Some(basis) = Basis::of(&findings) else {
            return self.restart(&record, RestartCause::PolicyChanged).await;
        };
        if self.policy_changed(&record, &permit, &basis).await? {
            return self.restart(&record, RestartCause::PolicyChanged).await;
        }
        let content = vetted.result.content.ok_or(ServiceError::NotHere)?;
        if findings.outputs.digest() != Some(content) {
            return self.restart(&record, RestartCause::ContentChanged).await;
        }
        let mut outputs = BTreeMap::new();
        for (format, bytes) in findings.outputs.files() {
            let file = OutputFile { digest: Sha256Digest::of(&bytes), bytes: bytes.len() as u64 };
            self.platform.vault.put_output(id, &content, format, bytes).await?;
            outputs.insert(format.extension().to_owned(), file);
        }
        let receipt = self.receipt(&record, vetted, &permit, &basis, &outputs).await?;
        self.on_attempt(&record, |_, _| {
            Ok(vec![Event::ReleasePublished { release: id.clone(), outputs: outputs.clone(), receipt }])
        })
        .await?;
        self.platform.metrics.release("released");
        Ok(())
    }

    /// Signs the receipt. One that an interrupted run has left lies beside it under another name and is nobody's: the
    /// journal does not name it.
    async fn receipt(
        &self,
        record: &ReleaseRecord,
        vetted: &Vetted,
        permit: &HeldPermit,
        basis: &Basis<'_>,
        outputs: &BTreeMap<String, OutputFile>,
    ) -> Result<Sha256Digest, ServiceError> {
        let content = vetted.result.content.ok_or(ServiceError::NotHere)?;
        let unusable = |_| ServiceError::Internal("the receipt cannot be signed");
        let statement = self.statement(record, vetted, permit, basis, outputs)?;
        let bytes = statement.sign(&self.platform.signer).map_err(unusable)?.to_json().map_err(unusable)?;
        Ok(self.platform.vault.put_receipt(record.id(), &content, bytes).await?)
    }

    fn statement(
        &self,
        record: &ReleaseRecord,
        vetted: &Vetted,
        permit: &HeldPermit,
        basis: &Basis<'_>,
        outputs: &BTreeMap<String, OutputFile>,
    ) -> Result<Receipt, ServiceError> {
        let head = self.platform.journal.snapshot().head;
        let submission = record.submission();
        let Basis { findings, profile, computed } = basis;
        let mut tables = BTreeMap::new();
        for (table, version) in &computed.versions {
            let contract = *submission.contracts.get(&table.dataset).ok_or(ServiceError::NotHere)?;
            tables.insert(table.clone(), PinnedTable { version: *version, contract });
        }
        Ok(Receipt {
            format: Receipt::format(),
            tenant: permit.permit.tenant.clone(),
            release: record.id().clone(),
            sequence: head.sequence,
            previous: head.digest,
            basis: ReleaseBasis {
                permit: submission.permit.clone(),
                permit_digest: findings.permit,
                profile: profile.name.clone(),
                policy: profile.digest,
                engine: computed.engine.clone(),
                plan: computed.plan,
                tables,
            },
            outputs: outputs.iter().map(|(format, file)| (format!("result.{format}"), file.digest)).collect(),
            findings: findings.verdict_digest,
            witness: findings.witness,
            ledger_epoch: vetted.result.ledger_epoch,
            reviewers: approvers(record),
            released_at: Utc::now().trunc_subsecs(3),
        })
    }

    /// Whether the release was judged under another permit text or other profile numbers
    /// than those in force now.
    async fn policy_changed(
        &self,
        record: &ReleaseRecord,
        permit: &HeldPermit,
        basis: &Basis<'_>,
    ) -> Result<bool, ServiceError> {
        if permit.digest != basis.findings.permit {
            return Ok(true);
        }
        let scope = Scope::pinned(&self.platform, &permit.permit, record.submission()).await?;
        let tables = basis.computed.versions.keys().cloned().collect();
        let digest = scope.profile(&self.platform, &tables)?.digest().ok();
        Ok(digest != Some(basis.profile.digest))
    }

    async fn restart(self: &Arc<Self>, record: &ReleaseRecord, cause: RestartCause) -> Result<(), ServiceError> {
        let release = record.id().clone();
        self.on_attempt(record, |_, _| Ok(vec![Event::VettingRestarted { release: release.clone(), cause }])).await?;
        self.start_vetting(record.id());
        Ok(())
    }

    /// What vetting found about a release, as its journal entry names it.
    pub(crate) async fn findings(&self, record: &ReleaseRecord) -> Result<Findings, ServiceError> {
        let vetted = record.vetted().ok_or(ServiceError::NotHere)?;
        let plain = self.platform.vault.findings(record.id(), &vetted.result.findings).await?;
        serde_json::from_slice(&plain).map_err(|_| ServiceError::Internal("the findings cannot be understood"))
    }
}

/// What a receipt states of the judgement. Findings that do not have it are from before it was kept.
struct Basis<'f> {
    findings: &'f Findings,
    profile: &'f JudgedProfile,
    computed: &'f Computed,
}

impl<'f> Basis<'f> {
    fn of(findings: &'f Findings) -> Option<Self> {
        Some(Self { findings, profile: findings.profile.as_ref()?, computed: findings.computed.as_ref()? })
    }
}

/// The stewards who approved; nobody for an automatic release.
fn approvers(record: &ReleaseRecord) -> Vec<Identity> {
    match record.votes_visible_to(record.requester()) {
        VotesView::Open(votes) => {
            votes.iter().filter(|vote| vote.decision == Decision::Approve).map(|vote| vote.reviewer.clone()).collect()
        }
        VotesView::Hidden { .. } => Vec::new(),
    }
}
