//! Whether a tenant's firewall holds, from measurements alone. Pure.
//!
//! | newest measurement of the present plan | Isolated | gateway |
//! |---|---|---|
//! | held, not too old | True | open |
//! | found a path open | False, which | withdrawn |
//! | could not be made | Unknown, why | withdrawn |
//! | none, but the same firewall was measured before and held | as before, or Unknown after a change of the spec | stays open |
//! | none, or too old | Unknown | withdrawn |
//! | none since a policy was last found changed | Unknown | withdrawn |
//!
//! A policy that somebody else has put into a tenant's namespace counts as an open path. It is
//! removed, and one that somebody has changed is repaired; from then on only measurements that
//! have begun later count. Both zones must hold.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use oscar_blueprint::GatewayAccess;
use oscar_blueprint::names::Zone;
use oscar_crds::Isolation;
use oscar_crds::condition::{Finding, ISOLATED};
use oscar_permit::{ProbeReport, Sha256Digest};

/// The reason while nothing was measured yet.
pub(crate) const NOT_MEASURED: &str = "NotMeasured";
/// After a breach the firewall is measured anew so soon.
const AFTER_BREACH: SignedDuration = SignedDuration::from_secs(10);
/// A probe that has not ended by then will not.
const PROBE_TIME: SignedDuration = SignedDuration::from_secs(75);

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measurement {
    /// Where.
    pub(crate) zone: Zone,
    /// When its pod was made.
    pub(crate) begun: Timestamp,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// What it says; `Err` when the probe ended without a report.
    pub(crate) report: Result<ProbeReport, String>,
}

/// A probe that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Where.
    pub(crate) zone: Zone,
    /// Since when.
    pub(crate) since: Timestamp,
    /// What keeps it from starting.
    pub(crate) trouble: Option<String>,
}

/// What is wanted and what is known.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    /// The plan and the firewall of each zone.
    pub(crate) wanted: BTreeMap<Zone, (Sha256Digest, Sha256Digest)>,
    /// Measurements that are still there.
    pub(crate) measurements: Vec<Measurement>,
    /// Probes that run.
    pub(crate) pending: Vec<Pending>,
    /// Policies that are not ours, by namespace and name.
    pub(crate) foreign: Vec<String>,
    /// When a policy of a zone was last repaired.
    pub(crate) disturbed: BTreeMap<Zone, Timestamp>,
    /// How often the firewall is measured.
    pub(crate) interval: SignedDuration,
    /// Now.
    pub(crate) now: Timestamp,
}

/// The answer.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    /// The condition.
    pub(crate) finding: Finding,
    /// The gateway's path.
    pub(crate) gateway: GatewayAccess,
    /// Zones to measure at once.
    pub(crate) measure: Vec<Zone>,
    /// For the status.
    pub(crate) summary: Option<Isolation>,
}

impl Verdict {
    /// The verdict once a policy was found other than it should be: what was measured before
    /// says nothing of what was open since. A path that was found open stays the worse news.
    pub(crate) fn disturb(&mut self) {
        self.gateway = GatewayAccess::Withdrawn;
        if let Some(summary) = &mut self.summary {
            summary.held = false;
        }
        if self.finding.holds != Some(false) {
            let message = "Taken off the gateway. A policy was not as it should be; the firewall is measured anew.";
            self.finding = Finding::unknown(ISOLATED, "Disturbed", message);
        }
    }
}

/// How one zone stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Held(Timestamp),
    /// Not measured for this plan yet; the same firewall held a while ago.
    HeldBefore(Timestamp),
    Breached(Timestamp, Vec<String>),
    Unmeasurable(String),
    /// Somebody had changed it; it is repaired and not measured since.
    Disturbed(Timestamp),
    Unmeasured,
}

/// Judges.
#[must_use]
pub(crate) fn judge(situation: &Situation) -> Verdict {
    let standings: BTreeMap<Zone, Standing> =
        Zone::ALL.into_iter().map(|zone| (zone, standing(situation, zone))).collect();
    let measure = standings
        .iter()
        .filter(|(zone, standing)| wants_measurement(situation, **zone, standing))
        .map(|(zone, _)| *zone)
        .collect();
    let breaches = breaches(situation, &standings);
    let (finding, gateway) = verdict(&standings, &breaches);
    Verdict { finding, gateway, measure, summary: summary(situation, &standings, breaches) }
}

fn standing(situation: &Situation, zone: Zone) -> Standing {
    let Some((plan, firewall)) = situation.wanted.get(&zone) else { return Standing::Unmeasured };
    let oldest = situation.now - situation.interval * 3 - SignedDuration::from_mins(1);
    let disturbed = situation.disturbed.get(&zone).copied();
    // A pod's own time has no fractions of a second.
    let counts_from = disturbed.map_or(Timestamp::MIN, to_the_second);
    let mut measurements: Vec<&Measurement> = situation
        .measurements
        .iter()
        .filter(|found| found.zone == zone && found.at >= oldest && found.begun >= counts_from)
        .collect();
    measurements.sort_by_key(|found| std::cmp::Reverse(found.at));
    for found in measurements {
        match &found.report {
            // A probe without a report tells nothing of which plan it was: it counts only
            // while nothing newer was measured.
            Err(why) => return Standing::Unmeasurable(why.clone()),
            Ok(report) if report.firewall != *firewall => {}
            Ok(report) if !report.open.is_empty() => return Standing::Breached(found.at, report.open.clone()),
            // Of an older plan: it may have tried what is no more there.
            Ok(report) if report.plan != *plan && !report.held() => {}
            Ok(report) if !report.held() => {
                let missing: Vec<&str> = report.closed.iter().chain(&report.unclear).map(String::as_str).collect();
                return Standing::Unmeasurable(format!("what must work does not: {}", missing.join(", ")));
            }
            Ok(report) if report.plan == *plan => return Standing::Held(found.at),
            Ok(_) => return Standing::HeldBefore(found.at),
        }
    }
    let stuck = situation.pending.iter().find(|pending| {
        pending.zone == zone && pending.trouble.is_some() && situation.now.duration_since(pending.since) > AFTER_BREACH
    });
    match (stuck.and_then(|pending| pending.trouble.clone()), disturbed) {
        (Some(trouble), _) => Standing::Unmeasurable(format!("the probe does not start: {trouble}")),
        (None, Some(at)) => Standing::Disturbed(at),
        (None, None) => Standing::Unmeasured,
    }
}

/// Whether to start a probe now instead of waiting for the next one by the clock.
fn wants_measurement(situation: &Situation, zone: Zone, standing: &Standing) -> bool {
    let running = situation
        .pending
        .iter()
        .any(|pending| pending.zone == zone && situation.now.duration_since(pending.since) < PROBE_TIME);
    let last = situation.measurements.iter().filter(|found| found.zone == zone).map(|found| found.at).max();
    let rested = last.is_none_or(|last| situation.now.duration_since(last) >= AFTER_BREACH);
    match standing {
        Standing::Held(_) => false,
        Standing::HeldBefore(_) | Standing::Unmeasured => !running,
        // Whoever changes a policy again and again does not get a probe each time.
        Standing::Breached(..) | Standing::Unmeasurable(_) | Standing::Disturbed(_) => !running && rested,
    }
}

fn breaches(situation: &Situation, standings: &BTreeMap<Zone, Standing>) -> Vec<String> {
    let measured = standings.iter().flat_map(|(zone, standing)| match standing {
        Standing::Breached(_, open) => open.iter().map(|path| format!("{}: {path}", zone.as_str())).collect(),
        Standing::Held(_)
        | Standing::HeldBefore(_)
        | Standing::Unmeasurable(_)
        | Standing::Disturbed(_)
        | Standing::Unmeasured => Vec::new(),
    });
    let foreign = situation.foreign.iter().map(|policy| format!("policy {policy} is not ours"));
    measured.chain(foreign).collect()
}

fn verdict(standings: &BTreeMap<Zone, Standing>, breaches: &[String]) -> (Finding, GatewayAccess) {
    if !breaches.is_empty() {
        let message = format!("Taken off the gateway. Open: {}", breaches.join("; "));
        return (Finding::no(ISOLATED, "Breached", message), GatewayAccess::Withdrawn);
    }
    for (zone, standing) in standings {
        if let Standing::Unmeasurable(why) = standing {
            let message = format!("Taken off the gateway. The {} cannot be measured: {why}", zone.as_str());
            return (Finding::unknown(ISOLATED, "NotMeasurable", message), GatewayAccess::Withdrawn);
        }
    }
    let disturbed = standings.iter().find_map(|(zone, standing)| match standing {
        Standing::Disturbed(at) => Some((zone, to_the_second(*at))),
        _ => None,
    });
    if let Some((zone, at)) = disturbed {
        let message = format!(
            "Taken off the gateway. Somebody else had changed a policy of the {}; it was repaired at {at} and is \
             measured anew.",
            zone.as_str()
        );
        return (Finding::unknown(ISOLATED, "Disturbed", message), GatewayAccess::Withdrawn);
    }
    if standings.values().any(|standing| *standing == Standing::Unmeasured) {
        let finding = Finding::unknown(ISOLATED, NOT_MEASURED, "The firewall is being measured.");
        return (finding, GatewayAccess::Withdrawn);
    }
    if standings.values().all(|standing| matches!(standing, Standing::Held(_))) {
        let message = "Everything that must not be reached was tried from inside and failed.";
        return (Finding::yes(ISOLATED, "Measured", message), GatewayAccess::Open);
    }
    (
        Finding::unknown(ISOLATED, "Remeasuring", "The same firewall held before; it is measured anew."),
        GatewayAccess::Open,
    )
}

fn summary(situation: &Situation, standings: &BTreeMap<Zone, Standing>, breaches: Vec<String>) -> Option<Isolation> {
    let at = standings.values().filter_map(|standing| match standing {
        Standing::Held(at) | Standing::HeldBefore(at) | Standing::Breached(at, _) => Some(*at),
        Standing::Unmeasurable(_) | Standing::Disturbed(_) | Standing::Unmeasured => None,
    });
    let plan = situation.wanted.get(&Zone::Workspace).map(|(plan, _)| plan.to_string())?;
    Some(Isolation {
        // To the minute: the status is not written anew for every probe of a quiet tenant.
        measured_at: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(to_the_minute(at.min()?)),
        plan,
        held: breaches.is_empty() && standings.values().all(|standing| matches!(standing, Standing::Held(_))),
        breaches,
    })
}

fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn to_the_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() / 60 * 60).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn digest(text: &str) -> Sha256Digest {
        Sha256Digest::of(text)
    }

    fn report(plan: &str) -> ProbeReport {
        ProbeReport {
            plan: digest(plan),
            firewall: digest("firewall"),
            open: Vec::new(),
            closed: Vec::new(),
            unclear: Vec::new(),
        }
    }

    fn held(zone: Zone, second: i64) -> Measurement {
        Measurement { zone, begun: at(second - 5), at: at(second), report: Ok(report("plan")) }
    }

    fn both(second: i64) -> Vec<Measurement> {
        Zone::ALL.into_iter().map(|zone| held(zone, second)).collect()
    }

    fn situation(measurements: Vec<Measurement>) -> Situation {
        let wanted = (digest("plan"), digest("firewall"));
        Situation {
            wanted: Zone::ALL.into_iter().map(|zone| (zone, wanted)).collect(),
            measurements,
            pending: Vec::new(),
            foreign: Vec::new(),
            disturbed: BTreeMap::new(),
            interval: SignedDuration::from_mins(1),
            now: at(100),
        }
    }

    fn short(verdict: &Verdict) -> (Option<bool>, &str, GatewayAccess) {
        (verdict.finding.holds, verdict.finding.reason.as_str(), verdict.gateway)
    }

    #[test]
    fn a_firewall_that_held_in_both_zones_opens_the_gateway() {
        let verdict = judge(&situation(both(90)));
        assert_eq!(short(&verdict), (Some(true), "Measured", GatewayAccess::Open));
        assert!(verdict.measure.is_empty());
    }

    #[test]
    fn what_was_never_measured_is_closed_and_measured_at_once() {
        let verdict = judge(&situation(Vec::new()));
        assert_eq!(short(&verdict), (None, "NotMeasured", GatewayAccess::Withdrawn));
        assert_eq!(verdict.measure, Zone::ALL);
        let half = judge(&situation(vec![held(Zone::Workspace, 90)]));
        assert_eq!(short(&half), (None, "NotMeasured", GatewayAccess::Withdrawn));
        assert_eq!(half.measure, [Zone::Intake]);
    }

    #[test]
    fn one_open_path_in_one_zone_quarantines() {
        let mut measurements = both(80);
        let mut breached = held(Zone::Intake, 95);
        breached.report.as_mut().unwrap().open.push("resolver 10.96.0.10:53".to_owned());
        measurements.push(breached);
        let verdict = judge(&situation(measurements));
        assert_eq!(short(&verdict), (Some(false), "Breached", GatewayAccess::Withdrawn));
        assert!(verdict.finding.message.contains("intake: resolver 10.96.0.10:53"));
        assert_eq!(verdict.measure, Vec::new(), "ten seconds of rest first");
    }

    #[test]
    fn only_what_was_measured_after_a_repair_counts() {
        let mut disturbed = situation(both(90));
        disturbed.disturbed.insert(Zone::Intake, at(88));
        let verdict = judge(&disturbed);
        assert_eq!(short(&verdict), (None, "Disturbed", GatewayAccess::Withdrawn));
        assert!(verdict.finding.message.contains("of the intake"), "{}", verdict.finding.message);
        assert_eq!(verdict.measure, [Zone::Intake], "at once, the last measurement is ten seconds old");
        disturbed.measurements.push(held(Zone::Intake, 94));
        assert_eq!(short(&judge(&disturbed)), (Some(true), "Measured", GatewayAccess::Open));
        disturbed.disturbed.insert(Zone::Intake, at(95));
        let again = judge(&disturbed);
        assert_eq!(short(&again), (None, "Disturbed", GatewayAccess::Withdrawn));
        assert_eq!(again.measure, Vec::new(), "not a probe for each change");
    }

    #[test]
    fn a_breach_heals_by_a_later_measurement_alone() {
        let mut measurements = both(80);
        measurements[0].report.as_mut().unwrap().open.push("x".to_owned());
        let mut later = situation(measurements);
        assert_eq!(judge(&later).measure, [Zone::Workspace]);
        later.measurements.push(held(Zone::Workspace, 99));
        assert_eq!(short(&judge(&later)), (Some(true), "Measured", GatewayAccess::Open));
    }

    #[test]
    fn a_policy_of_somebody_else_is_a_breach_whatever_was_measured() {
        let mut widened = situation(both(99));
        widened.foreign.push("oscar-acme/allow-all".to_owned());
        let verdict = judge(&widened);
        assert_eq!(short(&verdict), (Some(false), "Breached", GatewayAccess::Withdrawn));
        assert!(verdict.finding.message.contains("oscar-acme/allow-all"));
    }

    #[test]
    fn a_measurement_of_another_firewall_does_not_count() {
        let mut measurements = both(90);
        measurements[0].report.as_mut().unwrap().firewall = digest("another");
        assert_eq!(short(&judge(&situation(measurements))), (None, "NotMeasured", GatewayAccess::Withdrawn));
    }

    #[test]
    fn new_targets_are_measured_while_the_gateway_stays_open() {
        let mut measurements = both(90);
        for found in &mut measurements {
            found.report.as_mut().unwrap().plan = digest("older plan");
        }
        let verdict = judge(&situation(measurements));
        assert_eq!(short(&verdict), (None, "Remeasuring", GatewayAccess::Open));
        assert_eq!(verdict.measure, Zone::ALL);
    }

    #[test]
    fn a_measurement_grows_old() {
        let mut old = situation(both(0));
        old.now = at(240);
        assert_eq!(short(&judge(&old)).2, GatewayAccess::Open);
        old.now = at(242);
        assert_eq!(short(&judge(&old)), (None, "NotMeasured", GatewayAccess::Withdrawn));
    }

    #[test]
    fn a_probe_that_cannot_run_closes_and_says_why() {
        let mut stuck = situation(Vec::new());
        stuck.pending = Zone::ALL
            .into_iter()
            .map(|zone| Pending { zone, since: at(80), trouble: Some("ContainerCreating".to_owned()) })
            .collect();
        let verdict = judge(&stuck);
        assert_eq!(short(&verdict), (None, "NotMeasurable", GatewayAccess::Withdrawn));
        assert!(verdict.finding.message.contains("ContainerCreating"));
        let mut silent = situation(both(80));
        silent.measurements.push(Measurement {
            zone: Zone::Intake,
            begun: at(99 - 5),
            at: at(99),
            report: Err("no report".to_owned()),
        });
        assert_eq!(short(&judge(&silent)), (None, "NotMeasurable", GatewayAccess::Withdrawn));
    }

    #[test]
    fn a_probe_without_its_own_bucket_has_measured_nothing() {
        let mut cut_off = both(90);
        cut_off[0].report.as_mut().unwrap().closed.push("lake/ of the own bucket".to_owned());
        let verdict = judge(&situation(cut_off));
        assert_eq!(short(&verdict), (None, "NotMeasurable", GatewayAccess::Withdrawn));
    }

    #[test]
    fn an_older_plan_that_missed_something_says_nothing_and_one_that_found_a_hole_does() {
        let mut older = situation(both(80));
        let mut report = report("older plan");
        report.unclear.push("bucket of tenant gone".to_owned());
        older.measurements.push(Measurement {
            zone: Zone::Intake,
            begun: at(95 - 5),
            at: at(95),
            report: Ok(report.clone()),
        });
        assert_eq!(short(&judge(&older)), (Some(true), "Measured", GatewayAccess::Open));
        report.open.push("resolver".to_owned());
        older.measurements.push(Measurement { zone: Zone::Intake, begun: at(96 - 5), at: at(96), report: Ok(report) });
        assert_eq!(short(&judge(&older)), (Some(false), "Breached", GatewayAccess::Withdrawn));
    }

    #[test]
    fn what_was_measured_before_a_policy_was_found_missing_does_not_count() {
        let mut situation = situation(vec![held(Zone::Workspace, 90), held(Zone::Intake, 80)]);
        let mut verdict = judge(&situation);
        assert_eq!(short(&verdict), (Some(true), "Measured", GatewayAccess::Open));
        verdict.disturb();
        assert_eq!(short(&verdict), (None, "Disturbed", GatewayAccess::Withdrawn));
        assert!(verdict.summary.is_some_and(|summary| !summary.held));
        // Of another plan of the same firewall: measured anew with an open gateway.
        for measured in &mut situation.measurements {
            measured.report = Ok(report("older plan"));
        }
        let mut verdict = judge(&situation);
        assert_eq!(short(&verdict), (None, "Remeasuring", GatewayAccess::Open));
        verdict.disturb();
        assert_eq!(short(&verdict), (None, "Disturbed", GatewayAccess::Withdrawn));
        situation.foreign = vec!["oscar-acme/evil".to_owned()];
        let mut verdict = judge(&situation);
        verdict.disturb();
        assert_eq!(short(&verdict), (Some(false), "Breached", GatewayAccess::Withdrawn));
    }

    #[test]
    fn no_probe_is_started_beside_a_running_one() {
        let mut running = situation(Vec::new());
        running.pending = vec![Pending { zone: Zone::Workspace, since: at(95), trouble: None }];
        assert_eq!(judge(&running).measure, [Zone::Intake]);
        running.now = at(200);
        assert_eq!(judge(&running).measure, Zone::ALL, "one that hangs does not block for ever");
    }
}
