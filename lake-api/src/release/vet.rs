//! Vetting one release: gate, evidence, judgement, journal.
//!
//! ```text
//!  VETTING ─▶ permit still in force? ─▶ gate ─▶ evidence (worker, pinned versions) ─▶ judge ─┐
//!                                                                                            │
//!    ┌──── the ledger has grown meanwhile: judge again ◀── journal transaction ◀── findings ◀┘
//!    ▼
//!  APPROVED | IN_REVIEW | REFUSED
//! ```
//!
//! The judgement and its journal entry are one transaction: the entry names the ledger
//! epoch it was judged against, and it is appended only while that is still the epoch. So
//! two releases that are harmless alone and not together cannot pass each other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use oscar_access::HeldPermit;
use oscar_journal::{
    Actor, Event, LedgerEntry, ReleaseRecord, ReleaseState, ReviewError, StopCause, TenantState, TransactError,
    TransitionError, VettingResult,
};
use oscar_permit::{DatasetName, DisclosureProfile, ReleaseId, Sha256Digest, canonical_json};
use oscar_query::{CheckedQuery, PinnedVersions, QueryError, ReviewFlag};
use oscar_vetting::{
    Evidence, Judgement, LedgerTable, ReleaseContext, ReviewReason, RuleFinding, RuleId, Scope as RuleScope, Severity,
    Verdict, judge,
};

use super::compute;
use super::error::ServiceError;
use super::findings::{Computed, Findings, JudgedProfile, Outputs, reason_code};
use super::service::ReleaseService;
use super::standing::Standing;
use crate::api::query::Refusal;
use crate::platform::{BUILD, SERVICE};
use crate::routes::present;
use crate::scope::{CheckError, Scope};

/// How often the permit is looked at while a release is computed.
const PERMIT_WATCH: Duration = Duration::from_secs(1);

/// How often a release is judged again because others were faster.
const MAX_JUDGEMENTS: usize = 100;

/// A statement that passed the gate, with all it is judged by.
struct Prepared {
    checked: CheckedQuery,
    scope: Scope,
    versions: PinnedVersions,
    permit: HeldPermit,
    profile: DisclosureProfile,
}

impl ReleaseService {
    /// Vets a release that is in VETTING, up to the journalled answer.
    pub(crate) async fn vet(self: &Arc<Self>, id: &ReleaseId) -> Result<(), ServiceError> {
        let _timer = self.platform.metrics.vetting();
        let record = self.in_state(id, ReleaseState::Vetting).await?;
        let permit = match self.standing(&record)? {
            Standing::Stands(permit) => permit,
            Standing::Ended(cause) => return self.stop(&record, cause).await,
        };
        let scope = Scope::pinned(&self.platform, &permit.permit, record.submission()).await?;
        let checked = match scope.check(&record.submission().sql).await {
            Ok(checked) => checked,
            Err(CheckError::Refused(refusal)) => {
                return self.refuse(&record, &permit, present::refusal(&refusal)).await;
            }
            Err(CheckError::Stopped) => return Err(ServiceError::Internal("the static check was stopped")),
        };
        let profile = scope.profile(&self.platform, &checked.tables)?;
        let versions = scope.versions_of(&checked.tables)?;
        let prepared = Prepared { checked, scope, versions, permit, profile };
        let evidence = match self.evidence_while_permitted(&record, &prepared).await? {
            Ok(evidence) => evidence,
            Err(end) => return self.end(&record, end).await,
        };
        self.judge_and_journal(&record, &prepared, Arc::new(evidence)).await
    }

    /// Computes the evidence; the computation is dropped, and its process with it, as soon
    /// as the permit no longer stands behind it.
    async fn evidence_while_permitted(
        &self,
        record: &ReleaseRecord,
        prepared: &Prepared,
    ) -> Result<Result<Evidence, End>, ServiceError> {
        let Prepared { checked: _, scope, versions, permit: _, profile: _ } = prepared;
        let job = compute::job(&self.platform, record, scope, versions);
        let evidence = self.platform.backend.evidence(&job);
        tokio::pin!(evidence);
        loop {
            tokio::select! {
                result = &mut evidence => {
                    return computed(result);
                }
                () = tokio::time::sleep(PERMIT_WATCH) => {
                    // What is in doubt now may be plain before the answer, where it is looked at once more.
                    if let Ok(Standing::Ended(cause)) = self.standing(record) {
                        return Ok(Err(End::Stopped(cause)));
                    }
                    let state = self.platform.journal.refresh().await.map_err(ServiceError::journal)?;
                    if !is_attempt(&state, record) {
                        return Err(ServiceError::NotHere);
                    }
                }
            }
        }
    }

    /// Judges until the journal takes the answer.
    async fn judge_and_journal(
        self: &Arc<Self>,
        record: &ReleaseRecord,
        prepared: &Prepared,
        evidence: Arc<Evidence>,
    ) -> Result<(), ServiceError> {
        let mut earlier = Earlier::default();
        for _ in 0..MAX_JUDGEMENTS {
            let state = self.platform.journal.refresh().await.map_err(ServiceError::journal)?;
            self.read_ledger(&state, &mut earlier).await?;
            let judged = self.judgement(&state, record, prepared, &evidence, &earlier).await;
            let (result, released) = match judged {
                Err(ServiceError::Arithmetic) => return self.fail(record, "arithmetic-failed").await,
                judged => judged?,
            };
            // The last look at the permit before the answer; publication looks once more.
            if let Standing::Ended(cause) = self.standing(record)? {
                return self.stop(record, cause).await;
            }
            match self.append_answer(record, result, prepared).await {
                Ok(()) => {
                    self.platform.metrics.release(if released { "vetted" } else { "refused" });
                    return Ok(());
                }
                Err(ServiceError::Review(ReviewError::Transition(TransitionError::StaleLedger))) => {}
                Err(ServiceError::Review(ReviewError::CellsUsedUp | ReviewError::TooManyCells)) => {
                    return self.refuse_for_cells(record, prepared).await;
                }
                Err(other) => return Err(other),
            }
        }
        Err(ServiceError::Internal("the ledger kept growing while the release was judged"))
    }

    async fn append_answer(
        &self,
        record: &ReleaseRecord,
        result: VettingResult,
        prepared: &Prepared,
    ) -> Result<(), ServiceError> {
        let quotas = prepared.profile.quotas.clone();
        let finish = |state: &TenantState, actor: &Actor| {
            Ok(state.finish_vetting(actor, record.id(), result.clone(), &quotas)?)
        };
        self.on_attempt(record, finish).await
    }

    /// One judgement against the ledger of `state`, with everything kept that the journal
    /// entry will name. The flag says whether something may leave.
    async fn judgement(
        &self,
        state: &TenantState,
        record: &ReleaseRecord,
        prepared: &Prepared,
        evidence: &Arc<Evidence>,
        earlier: &Earlier,
    ) -> Result<(VettingResult, bool), ServiceError> {
        let context = self.context(state, record, prepared);
        let (evidence, profile) = (Arc::clone(evidence), prepared.profile.clone());
        let tables = Arc::clone(&earlier.tables);
        let judgement = tokio::task::spawn_blocking(move || judge(&evidence, &profile, &tables, &context))
            .await
            .map_err(|_| ServiceError::Internal("the judgement was stopped"))?;
        self.keep(state, record, prepared, judgement).await
    }

    /// Adds what the ledger has and `earlier` has not, whatever dataset it came from: the
    /// same persons are in many datasets, and a sum over one of them minus a sum over
    /// another is as good as a difference within one. Entries that went since stay: they
    /// make the judgement stricter than needed, never weaker.
    async fn read_ledger(&self, state: &TenantState, earlier: &mut Earlier) -> Result<(), ServiceError> {
        for entry in state.ledger() {
            if earlier.known.insert(entry.entry.object) {
                let table = self.platform.vault.ledger(&entry.entry.object).await?;
                Arc::make_mut(&mut earlier.tables).push(table);
            }
        }
        Ok(())
    }

    /// Keeps findings and person sets, and makes the journal's entry.
    async fn keep(
        &self,
        state: &TenantState,
        record: &ReleaseRecord,
        prepared: &Prepared,
        judgement: Judgement,
    ) -> Result<(VettingResult, bool), ServiceError> {
        let verdict_digest = judgement
            .findings_digest(&self.platform.draw, record.id())
            .map_err(|_| ServiceError::Internal("the findings have no canonical form"))?;
        let Judgement { verdict, table, findings: rules, hidden, released, witness } = judgement;
        let cells = table.figures() as u64;
        let (verdict, reasons, refused) = match verdict {
            Verdict::Auto => (oscar_journal::Verdict::Auto, Vec::new(), Vec::new()),
            Verdict::Review(reasons) => (oscar_journal::Verdict::Review, reasons, Vec::new()),
            Verdict::Refused(refused) => (oscar_journal::Verdict::Refused, Vec::new(), refused),
        };
        let leaves = verdict != oscar_journal::Verdict::Refused;
        let outputs = if leaves { compute::outputs(&prepared.checked, &table).await? } else { Outputs::default() };
        let content = outputs.digest();
        let ledger = if leaves {
            let object = self.platform.vault.put_ledger(&released).await?;
            Some(LedgerEntry { lineage: prepared.versions.0.clone(), object })
        } else {
            None
        };
        let findings = Findings {
            permit: prepared.permit.digest,
            profile: Some(judged_profile(&prepared.profile)?),
            computed: Some(prepared.computed()),
            refusal: None,
            rules: merged(rules, refused),
            reasons,
            hidden,
            verdict_digest,
            witness,
            outputs,
        };
        let result = VettingResult {
            verdict,
            rules: rule_ids(&findings.rules),
            reasons: findings.reasons.iter().map(reason_code).collect(),
            content,
            findings: self.keep_findings(record.id(), &findings).await?,
            cells: if leaves { cells } else { 0 },
            ledger,
            ledger_epoch: state.ledger_epoch(),
        };
        Ok((result, leaves))
    }

    async fn keep_findings(&self, id: &ReleaseId, findings: &Findings) -> Result<Sha256Digest, ServiceError> {
        let plain =
            canonical_json(findings).map_err(|_| ServiceError::Internal("the findings have no canonical form"))?;
        Ok(self.platform.vault.put_findings(id, &plain).await?)
    }

    fn context(&self, state: &TenantState, record: &ReleaseRecord, prepared: &Prepared) -> ReleaseContext {
        let Prepared { checked, scope: _, versions, permit: _, profile: _ } = prepared;
        let datasets: BTreeSet<&DatasetName> = versions.0.keys().map(|table| &table.dataset).collect();
        let out = |known: &&Arc<ReleaseRecord>| match known.state() {
            ReleaseState::Released | ReleaseState::Recalled => true,
            ReleaseState::Draft
            | ReleaseState::Vetting
            | ReleaseState::Refused
            | ReleaseState::InReview
            | ReleaseState::Returned
            | ReleaseState::Conflict
            | ReleaseState::Approved
            | ReleaseState::Rejected
            | ReleaseState::Withdrawn => false,
        };
        let released: Vec<&Arc<ReleaseRecord>> = state.releases().values().filter(out).collect();
        let known_datasets: BTreeSet<&DatasetName> =
            released.iter().flat_map(|known| known.submission().versions.keys()).map(|table| &table.dataset).collect();
        let submission = record.submission();
        ReleaseContext {
            release: record.id().clone(),
            draw: self.platform.draw,
            first_of_requester: !released
                .iter()
                .any(|known| known.requester() == record.requester() && known.submission().permit == submission.permit),
            first_of_dataset: !datasets.is_subset(&known_datasets),
            tags: checked.tags.clone(),
            second_units_named: checked.has_second_units,
            statement_reasons: checked.needs_review.iter().copied().map(statement_reason).collect(),
        }
    }

    async fn refuse(&self, record: &ReleaseRecord, permit: &HeldPermit, refusal: Refusal) -> Result<(), ServiceError> {
        let rule = refusal.code.clone();
        self.journal_refusal(record, Findings::of_refusal(permit.digest, refusal), vec![rule]).await
    }

    async fn refuse_for_cells(&self, record: &ReleaseRecord, prepared: &Prepared) -> Result<(), ServiceError> {
        let finding = RuleFinding::new(RuleId::Cells, Severity::Refused, RuleScope::Table);
        let findings = Findings {
            permit: prepared.permit.digest,
            profile: Some(judged_profile(&prepared.profile)?),
            computed: Some(prepared.computed()),
            refusal: None,
            rules: vec![finding],
            reasons: Vec::<ReviewReason>::new(),
            hidden: Vec::new(),
            verdict_digest: Sha256Digest::of(RuleId::Cells.as_str()),
            witness: None,
            outputs: Outputs::default(),
        };
        self.journal_refusal(record, findings, vec![RuleId::Cells.as_str().to_owned()]).await
    }

    async fn journal_refusal(
        &self,
        record: &ReleaseRecord,
        findings: Findings,
        rules: Vec<String>,
    ) -> Result<(), ServiceError> {
        let id = record.id();
        let stored = self.keep_findings(id, &findings).await?;
        self.platform.metrics.release("refused");
        self.on_attempt(record, |state, _| {
            let result = VettingResult {
                verdict: oscar_journal::Verdict::Refused,
                rules: rules.clone(),
                reasons: Vec::new(),
                content: None,
                findings: stored,
                cells: 0,
                ledger: None,
                ledger_epoch: state.ledger_epoch(),
            };
            Ok(vec![Event::VettingFinished { release: id.clone(), result: Box::new(result) }])
        })
        .await
    }

    async fn end(&self, record: &ReleaseRecord, end: End) -> Result<(), ServiceError> {
        match end {
            End::Stopped(cause) => self.stop(record, cause).await,
            End::Failed(code) => self.fail(record, &code).await,
        }
    }

    /// Ends a release that the permit no longer stands behind.
    pub(crate) async fn stop(&self, record: &ReleaseRecord, cause: StopCause) -> Result<(), ServiceError> {
        self.platform.metrics.release("stopped");
        let release = record.id();
        self.on_attempt(record, |_, _| Ok(vec![Event::ReleaseStopped { release: release.clone(), cause }])).await
    }

    /// Gives a release back because the platform could not compute it.
    pub(crate) async fn fail(&self, record: &ReleaseRecord, code: &str) -> Result<(), ServiceError> {
        self.platform.metrics.release("failed");
        let failed = || Event::VettingFailed { release: record.id().clone(), code: code.to_owned() };
        self.on_attempt(record, |_, _| Ok(vec![failed()])).await
    }

    /// A journal transaction in the service's own name that answers what was read in `record`: it is dropped when the
    /// release has moved on since, by another process for example, and is [`ServiceError::NotHere`] then.
    pub(crate) async fn on_attempt(
        &self,
        record: &ReleaseRecord,
        decide: impl Fn(&TenantState, &Actor) -> Result<Vec<Event>, ServiceError>,
    ) -> Result<(), ServiceError> {
        let actor = Actor::service(SERVICE);
        let decided = |state: &TenantState| {
            if is_attempt(state, record) { decide(state, &actor) } else { Err(ServiceError::NotHere) }
        };
        match self.platform.journal.transact(actor.clone(), decided).await {
            Ok(_) => Ok(()),
            Err(TransactError::Decision(error)) => Err(error),
            Err(TransactError::Illegal(error)) => Err(ReviewError::Transition(error).into()),
            Err(TransactError::Journal(error)) => Err(ServiceError::journal(error)),
        }
    }
}

impl Prepared {
    fn computed(&self) -> Computed {
        Computed { engine: BUILD.to_owned(), plan: self.checked.plan_hash, versions: self.versions.0.clone() }
    }
}

/// Whether a release is where `record` has it: no step has been taken since.
fn is_attempt(state: &TenantState, record: &ReleaseRecord) -> bool {
    state.release(record.id()).is_some_and(|known| known.sequence() == record.sequence())
}

/// The person sets of earlier releases.
#[derive(Default)]
struct Earlier {
    known: BTreeSet<Sha256Digest>,
    tables: Arc<Vec<LedgerTable>>,
}

/// Why there is no evidence.
enum End {
    Stopped(StopCause),
    Failed(String),
}

/// What a query's end means for its release: what lies in the statement goes back to the
/// requester, what lies in the platform is tried again.
fn computed(result: Result<Evidence, QueryError>) -> Result<Result<Evidence, End>, ServiceError> {
    match result {
        Ok(evidence) => Ok(Ok(evidence)),
        Err(error) => match &error {
            QueryError::Refused(_) | QueryError::ExecutionFailed | QueryError::TooLarge | QueryError::Deadline => {
                Ok(Err(End::Failed(error.code().to_owned())))
            }
            QueryError::TableUnavailable(_) | QueryError::Unavailable => {
                Err(ServiceError::Internal("the query worker or a table is not available"))
            }
        },
    }
}

/// Codes of the reasons for review that the statement alone gives.
pub(crate) fn statement_reasons(checked: &CheckedQuery) -> Vec<String> {
    checked.needs_review.iter().map(|flag| reason_code(&statement_reason(*flag))).collect()
}

fn statement_reason(flag: ReviewFlag) -> ReviewReason {
    match flag {
        ReviewFlag::TaggedColumn(tag) => ReviewReason::TaggedColumn(tag),
        ReviewFlag::SecondUnits => ReviewReason::SecondUnitsUnknown,
        ReviewFlag::DistinctCount => ReviewReason::DistinctCount,
        ReviewFlag::SumOrMean => ReviewReason::SumsAndMeans,
        ReviewFlag::RepeatedRows => ReviewReason::RepeatedRows,
    }
}

fn judged_profile(profile: &DisclosureProfile) -> Result<JudgedProfile, ServiceError> {
    let digest = profile.digest().map_err(|_| ServiceError::Internal("the profile has no canonical form"))?;
    Ok(JudgedProfile { name: profile.name.clone(), digest })
}

/// All findings, those of the refusal included, each once.
fn merged(rules: Vec<RuleFinding>, refused: Vec<RuleFinding>) -> Vec<RuleFinding> {
    rules.into_iter().chain(refused).collect::<BTreeSet<_>>().into_iter().collect()
}

fn rule_ids(rules: &[RuleFinding]) -> Vec<String> {
    let ids: BTreeSet<&str> = rules.iter().map(|finding| finding.rule.as_str()).collect();
    ids.into_iter().map(str::to_owned).collect()
}
