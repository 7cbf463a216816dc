//! Small populations from which tests make evidence, the slow and obvious way.

use std::collections::{BTreeMap, BTreeSet};

use oscar_permit::{DisclosureProfile, ReleaseId};
use oscar_vetting::{
    AggregateEvidence, AggregateKind, AggregateSpec, CellEvidence, DrawSecret, Evidence, Judgement, KeyColumn,
    KeyValue, LedgerTable, ReleaseContext, Verdict, VettedValue,
};
use roaring::RoaringBitmap;

/// One row of a table of persons.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) person: Option<u32>,
    pub(crate) keys: Vec<KeyValue>,
    pub(crate) argument: Option<f64>,
}

/// A row per person in `persons`, in the group `key`, with the argument 1.
pub(crate) fn group(key: &str, persons: std::ops::Range<u32>) -> Vec<Row> {
    persons.map(|person| Row { person: Some(person), keys: vec![text(key)], argument: Some(1.0) }).collect()
}

pub(crate) fn text(value: &str) -> KeyValue {
    KeyValue::Text(value.to_owned())
}

/// A statement: keys with their code lists, aggregates over the one argument, grouping sets.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) keys: Vec<KeyColumn>,
    pub(crate) kinds: Vec<AggregateKind>,
    pub(crate) sets: Vec<Vec<bool>>,
    pub(crate) selective: bool,
}

impl Statement {
    /// `GROUP BY` one open key.
    pub(crate) fn by_open_key(kinds: &[AggregateKind]) -> Self {
        Self::by_keys(vec![None], kinds)
    }

    /// `GROUP BY` one key with a closed code list.
    pub(crate) fn by_codes(codes: &[&str], kinds: &[AggregateKind]) -> Self {
        Self::by_keys(vec![Some(codes.iter().map(|code| text(code)).collect())], kinds)
    }

    pub(crate) fn by_keys(domains: Vec<Option<Vec<KeyValue>>>, kinds: &[AggregateKind]) -> Self {
        let sets = vec![vec![true; domains.len()]];
        let keys = domains.into_iter().enumerate().map(|(n, domain)| KeyColumn { name: format!("k{n}"), domain });
        Self { keys: keys.collect(), kinds: kinds.to_vec(), sets, selective: false }
    }

    /// The aggregates count under a condition.
    pub(crate) fn with_condition(mut self) -> Self {
        self.selective = true;
        self
    }

    pub(crate) fn with_sets(mut self, sets: Vec<Vec<bool>>) -> Self {
        self.sets = sets;
        self
    }

    /// Evidence, computed row by row.
    pub(crate) fn evidence(&self, rows: &[Row]) -> Evidence {
        let mut cells: BTreeMap<(usize, Vec<KeyValue>), Vec<&Row>> = BTreeMap::new();
        for row in rows {
            for (number, set) in self.sets.iter().enumerate() {
                let key = row.keys.iter().zip(set).map(|(key, used)| if *used { key.clone() } else { KeyValue::Null });
                cells.entry((number, key.collect())).or_default().push(row);
            }
        }
        Evidence {
            keys: self.keys.clone(),
            aggregates: (0..)
                .zip(&self.kinds)
                .map(|(n, kind)| AggregateSpec { name: format!("a{n}"), kind: *kind, selective: self.selective })
                .collect(),
            grouping_sets: self.sets.clone(),
            cells: cells.into_iter().map(|((set, key), rows)| self.cell(set, key, &rows)).collect(),
            structural_zeros: Vec::new(),
            lineage: [("health.contacts".to_owned().try_into().unwrap(), 1)].into(),
            unlinked: BTreeSet::new(),
        }
    }

    fn cell(&self, grouping_set: usize, key: Vec<KeyValue>, rows: &[&Row]) -> CellEvidence {
        CellEvidence {
            grouping_set,
            key,
            persons: rows.iter().filter_map(|row| row.person).collect(),
            rows: rows.len() as u64,
            unattributed_rows: rows.iter().filter(|row| row.person.is_none()).count() as u64,
            second_units: None,
            aggregates: self.kinds.iter().map(|kind| aggregate(*kind, rows)).collect(),
        }
    }
}

fn aggregate(kind: AggregateKind, rows: &[&Row]) -> AggregateEvidence {
    let needs_argument = !matches!(kind, AggregateKind::CountRows | AggregateKind::CountPersons);
    let taken: Vec<&&Row> = rows.iter().filter(|row| !needs_argument || row.argument.is_some()).collect();
    let sums = matches!(kind, AggregateKind::Sum | AggregateKind::Avg);
    let mut totals: BTreeMap<u32, f64> = BTreeMap::new();
    for row in &taken {
        if let Some(person) = row.person {
            *totals.entry(person).or_default() += if sums { row.argument.unwrap() } else { 1.0 };
        }
    }
    let mut contributions: Vec<f64> = totals.values().map(|total| total.abs()).collect();
    contributions.sort_by(|a, b| b.total_cmp(a));
    let arguments: Vec<f64> = taken.iter().filter_map(|row| row.argument).collect();
    let value = match kind {
        AggregateKind::CountPersons => totals.len() as f64,
        AggregateKind::CountRows | AggregateKind::CountNonNull => taken.len() as f64,
        AggregateKind::CountDistinct => arguments.iter().map(|x| x.to_bits()).collect::<BTreeSet<_>>().len() as f64,
        AggregateKind::Sum | AggregateKind::Avg => arguments.iter().sum(),
    };
    AggregateEvidence {
        value,
        support: needs_argument.then(|| totals.keys().copied().collect::<RoaringBitmap>()),
        non_null_rows: taken.len() as u64,
        absolute_total: contributions.iter().sum(),
        largest: [contributions.first().copied().unwrap_or(0.0), contributions.get(1).copied().unwrap_or(0.0)],
        range: sums
            .then(|| arguments.iter().copied().reduce(f64::min).zip(arguments.iter().copied().reduce(f64::max)))
            .flatten(),
    }
}

/// The strict profile, without random review, with a threshold of one's own.
pub(crate) fn profile(threshold: u32) -> DisclosureProfile {
    let strict = include_str!("../../../../policies/profiles/strict.yaml");
    let mut profile = DisclosureProfile::from_yaml(strict).unwrap();
    profile.threshold = threshold;
    profile.review_percent = 0.0;
    profile
}

/// A release about which there is nothing special.
pub(crate) fn context() -> ReleaseContext {
    ReleaseContext {
        release: release(),
        draw: DrawSecret::new([0; 32]),
        first_of_requester: false,
        first_of_dataset: false,
        tags: BTreeSet::new(),
        second_units_named: false,
        statement_reasons: Vec::new(),
    }
}

pub(crate) fn release() -> ReleaseId {
    "rel-1".parse().unwrap()
}

/// Judges with threshold 10 and nothing released before.
pub(crate) fn judge_alone(evidence: &Evidence) -> Judgement {
    judge_after(evidence, &[])
}

/// Judges with threshold 10 after earlier releases.
pub(crate) fn judge_after(evidence: &Evidence, earlier: &[LedgerTable]) -> Judgement {
    oscar_vetting::judge(evidence, &profile(10), earlier, &context())
}

/// The row of the key as shown values, `None` when there is no such row.
pub(crate) fn shown(judgement: &Judgement, key: &[KeyValue]) -> Option<Vec<Option<VettedValue>>> {
    judgement.table.rows.iter().find(|row| row.key == key).map(|row| row.values.clone())
}

/// The rules that refused, by their text.
pub(crate) fn refused_by(judgement: &Judgement) -> Vec<&'static str> {
    match &judgement.verdict {
        Verdict::Refused(findings) => findings.iter().map(|finding| finding.rule.as_str()).collect(),
        Verdict::Auto | Verdict::Review(_) => Vec::new(),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a cell of a table is an option")]
pub(crate) const fn count(value: u64) -> Option<VettedValue> {
    Some(VettedValue::Count(value))
}
