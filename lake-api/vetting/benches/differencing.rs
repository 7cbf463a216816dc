//! How long the ledger check takes per earlier release: a nation's worth of persons in
//! disjoint cells, and smaller datasets in which a person is in many cells (diagnoses).
//!
//! Run with `cargo bench -p oscar-vetting --profile dev`. Every figure is also given as a
//! multiple of one pass over the persons of one table, measured in the same run.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use oscar_permit::{DisclosureProfile, Quotas};
use oscar_vetting::{
    AggregateEvidence, AggregateKind, AggregateSpec, CellEvidence, DrawSecret, Evidence, KeyColumn, KeyValue,
    LedgerTable, ReleaseContext, judge,
};
use roaring::RoaringBitmap;

const PERSONS: u32 = 6_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("threshold 10; times per check, ratio to one pass over the new table's memberships");
    for (persons, scale, earlier) in [
        (2_700, 0.7, 3u32),
        (2_700, 0.7, 6),
        (2_700, 0.7, 12),
        (2_700, 0.7, 24),
        (100_000, 0.15, 6),
        (20_000, 10.0, 12),
    ] {
        let ledger =
            (0..earlier).map(|n| diagnoses(persons, scale, 10 + n).released(n)).collect::<Result<Vec<_>, _>>()?;
        measure(&format!("{persons} persons, overlapping"), &diagnoses(persons, scale, 3), &ledger);
    }
    for (cells, earlier) in [(100u32, 1u32), (100, 5), (200, 5), (1000, 1), (1000, 5)] {
        let ledger = (0..earlier).map(|n| groups(cells, 10 + n).released(n)).collect::<Result<Vec<_>, _>>()?;
        measure(&format!("{PERSONS} persons, disjoint"), &groups(cells, 3), &ledger);
    }
    Ok(())
}

/// Judges a table after earlier tables that group otherwise.
fn measure(what: &str, new: &Table, ledger: &[LedgerTable]) {
    let earlier = u32::try_from(ledger.len()).unwrap_or(u32::MAX);
    let pass = timed(|| new.evidence.cells.iter().flat_map(|cell| &cell.persons).map(u64::from).sum::<u64>());
    let alone = timed(|| judge(&new.evidence, &profile(), &[], &context()));
    let judged = timed(|| judge(&new.evidence, &profile(), ledger, &context()));
    let proven = judge(&new.evidence, &profile(), ledger, &context()).witness.map_or("not proven", |_| "proven");
    let per_release = judged.saturating_sub(alone) / earlier;
    let ratio = match pass.as_millis() {
        0 => "one pass is too short to measure".to_owned(),
        _ => format!("{:.1} passes; one pass {pass:.1?}", per_release.as_secs_f64() / pass.as_secs_f64()),
    };
    println!(
        "{what}, {:4} cells, {earlier:2} earlier: {proven}, judged in {judged:>9.1?}, \
         {per_release:>9.1?} per earlier release ({ratio})",
        new.evidence.cells.len(),
    );
}

/// The shortest of three runs, in time on the processor where the system tells it: other
/// work on the machine then does not count.
fn timed<T>(work: impl Fn() -> T) -> Duration {
    (0..3)
        .map(|_| {
            let (wall, processor) = (Instant::now(), processor_time());
            black_box(work());
            match (processor, processor_time()) {
                (Some(before), Some(after)) => after.saturating_sub(before),
                _ => wall.elapsed(),
            }
        })
        .min()
        .unwrap_or_default()
}

/// Linux: the first number of `schedstat` is this thread's time on a processor.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

struct Table {
    evidence: Evidence,
}

impl Table {
    fn released(self, number: u32) -> Result<LedgerTable, oscar_permit::IdError> {
        let families =
            vec![oscar_vetting::Family { cells: self.evidence.cells.into_iter().map(|c| c.persons).collect() }];
        Ok(LedgerTable {
            release: format!("rel-{number}").parse()?,
            lineage: self.evidence.lineage,
            threshold: Some(10),
            families,
        })
    }
}

/// Uniform in 0..2^32, from three numbers.
fn hash(a: u32, b: u32, salt: u32) -> u64 {
    let mut hash = u64::from(a) << 40 ^ u64::from(b) << 20 ^ u64::from(salt);
    for _ in 0..2 {
        hash = (hash ^ hash >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    hash >> 32
}

/// Persons are spread over the cells by a hash of their index and `salt`, as registers do.
fn groups(cells: u32, salt: u32) -> Table {
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); cells as usize];
    for person in 0..PERSONS {
        let cell = (hash(person, 0, salt) * u64::from(cells)) >> 32;
        if let Some(list) = usize::try_from(cell).ok().and_then(|cell| members.get_mut(cell)) {
            list.push(person);
        }
    }
    table(members)
}

/// 95 diagnoses, the common ones common (Zipf); a table shows those of one period, in
/// which six of ten were noted.
fn diagnoses(persons: u32, scale: f64, period: u32) -> Table {
    let has = |person: u32, code: u32| {
        let share = scale / f64::from(code + 1).powf(0.6);
        (hash(person, code, 0) as f64) < share * 2f64.powi(32) && hash(person, code, period) % 10 < 6
    };
    table((0..95).map(|code| (0..persons).filter(|person| has(*person, code)).collect()).collect())
}

fn table(members: Vec<Vec<u32>>) -> Table {
    let cell = |(number, members): (i64, Vec<u32>)| {
        let persons: RoaringBitmap = members.into_iter().collect();
        let rows = persons.len();
        CellEvidence {
            grouping_set: 0,
            key: vec![KeyValue::Integer(number)],
            rows,
            unattributed_rows: 0,
            second_units: None,
            aggregates: vec![AggregateEvidence {
                value: rows as f64,
                support: None,
                non_null_rows: rows,
                absolute_total: rows as f64,
                largest: [1.0, 1.0],
                range: None,
            }],
            persons,
        }
    };
    Table {
        evidence: Evidence {
            keys: vec![KeyColumn { name: "key".into(), domain: None }],
            aggregates: vec![AggregateSpec {
                name: "persons".into(),
                kind: AggregateKind::CountPersons,
                selective: false,
            }],
            grouping_sets: vec![vec![true]],
            cells: (0i64..).zip(members).map(cell).collect(),
            structural_zeros: Vec::new(),
            lineage: [].into(),
            unlinked: [].into(),
        },
    }
}

fn profile() -> DisclosureProfile {
    DisclosureProfile {
        name: "bench".into(),
        threshold: 10,
        dominance: oscar_permit::Dominance { n: 2, k_percent: 85.0 },
        p_percent: 10.0,
        degrees_of_freedom: 10,
        second_units: 3,
        round_to: 5,
        significant_digits: 3,
        review_percent: 0.0,
        quotas: Quotas { releases: 500, cells: 50_000, cells_per_release: 1000, literals: 200 },
    }
}

#[expect(clippy::expect_used, reason = "a name of our own making")]
fn context() -> ReleaseContext {
    ReleaseContext {
        release: "rel-new".parse().expect("a release id"),
        draw: DrawSecret::new([0; 32]),
        first_of_requester: false,
        first_of_dataset: false,
        tags: [].into(),
        second_units_named: false,
        statement_reasons: Vec::new(),
    }
}
