//! Publication: from an approved release to files that can be read.
//!
//! Files first, receipt second, journal last: a file without the journal's event is not
//! served, so a crash between the steps shows nothing, and the next run repeats them and
//! finds its own files there. The receipt that lies there is the receipt: a second run
//! takes it over instead of signing another.
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
use oscar_vetting::{PinnedTable, Receipt, ReleaseBasis, SignedReceipt};

use super::error::ServiceError;
use super::findings::Findings;
use super::service::ReleaseService;
use crate::platform::BUILD;
use crate::scope::Scope;

impl ReleaseService {
    /// Publishes a release that is APPROVED.
    pub(crate) async fn publish(self: &Arc<Self>, id: &ReleaseId) -> Result<(), ServiceError> {
        let record = self.in_state(id, ReleaseState::Approved).await?;
        let permit = match self.standing(&record) {
            Ok(permit) => permit,
            Err(cause) => return self.stop(id, cause).await,
        };
        let vetted = record.vetted().ok_or(ServiceError::NotHere)?;
        let findings = self.findings(&record).await?;
        if self.policy_changed(&record, &permit, &findings).await? {
            return self.restart(id, RestartCause::PolicyChanged).await;
        }
        let content = vetted.result.content.ok_or(ServiceError::NotHere)?;
        if findings.outputs.digest() != Some(content) {
            return self.restart(id, RestartCause::ContentChanged).await;
        }
        let mut outputs = BTreeMap::new();
        for (format, bytes) in findings.outputs.files() {
            let file = OutputFile { digest: Sha256Digest::of(&bytes), bytes: bytes.len() as u64 };
            self.platform.vault.put_output(id, &content, format, bytes).await?;
            outputs.insert(format.extension().to_owned(), file);
        }
        let receipt = self.receipt(&record, vetted, &permit, &findings, &outputs).await?;
        self.by_platform(|_, _| {
            Ok(vec![Event::ReleasePublished { release: id.clone(), outputs: outputs.clone(), receipt }])
        })
        .await?;
        self.platform.metrics.release("released");
        Ok(())
    }

    /// Signs the receipt, or takes over the one that an interrupted run has left.
    async fn receipt(
        &self,
        record: &ReleaseRecord,
        vetted: &Vetted,
        permit: &HeldPermit,
        findings: &Findings,
        outputs: &BTreeMap<String, OutputFile>,
    ) -> Result<Sha256Digest, ServiceError> {
        let content = vetted.result.content.ok_or(ServiceError::NotHere)?;
        let unusable = |_| ServiceError::Internal("the receipt cannot be signed");
        let signed =
            self.statement(record, vetted, permit, findings, outputs)?.sign(&self.platform.signer).map_err(unusable)?;
        let bytes = signed.to_json().map_err(unusable)?;
        let kept = self.platform.vault.put_receipt(record.id(), &content, bytes).await?;
        let found = SignedReceipt::from_json(&kept).map_err(unusable)?;
        let stated = found.verify_signature(&self.platform.signer.verifying_key()).map_err(unusable)?;
        // What an earlier run signed must say the same about the release; only where the
        // journal stood and the time may differ.
        let mut expected = signed.receipt;
        expected.sequence = stated.sequence;
        expected.previous = stated.previous;
        expected.released_at = stated.released_at;
        if *stated == expected {
            Ok(Sha256Digest::of(&kept))
        } else {
            Err(ServiceError::Internal("another receipt lies where this one belongs"))
        }
    }

    fn statement(
        &self,
        record: &ReleaseRecord,
        vetted: &Vetted,
        permit: &HeldPermit,
        findings: &Findings,
        outputs: &BTreeMap<String, OutputFile>,
    ) -> Result<Receipt, ServiceError> {
        let head = self.platform.journal.snapshot().head;
        let submission = record.submission();
        let profile = findings.profile.as_ref().ok_or(ServiceError::NotHere)?;
        let mut tables = BTreeMap::new();
        for (table, version) in &submission.versions {
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
                engine: BUILD.to_owned(),
                plan: submission.plan_hash,
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
        findings: &Findings,
    ) -> Result<bool, ServiceError> {
        if permit.digest != findings.permit {
            return Ok(true);
        }
        let scope = Scope::pinned(&self.platform, &permit.permit, record.submission()).await?;
        let tables = record.submission().versions.keys().cloned().collect();
        let digest = scope.profile(&self.platform, &tables)?.digest().ok();
        Ok(digest != findings.profile.as_ref().map(|judged| judged.digest))
    }

    async fn restart(self: &Arc<Self>, id: &ReleaseId, cause: RestartCause) -> Result<(), ServiceError> {
        self.by_platform(|_, _| Ok(vec![Event::VettingRestarted { release: id.clone(), cause }])).await?;
        self.start_vetting(id);
        Ok(())
    }

    /// What vetting found about a release, as its journal entry names it.
    pub(crate) async fn findings(&self, record: &ReleaseRecord) -> Result<Findings, ServiceError> {
        let vetted = record.vetted().ok_or(ServiceError::NotHere)?;
        let plain = self.platform.vault.findings(record.id(), &vetted.result.findings).await?;
        serde_json::from_slice(&plain).map_err(|_| ServiceError::Internal("the findings cannot be understood"))
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
