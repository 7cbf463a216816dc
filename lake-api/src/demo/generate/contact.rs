//! Hospital contacts: skewed as in reality. Most people have none, a few have dozens;
//! diagnoses follow age and sex; rare diseases belong to three to seven persons each,
//! however large the population is.

use std::collections::BTreeSet;
use std::io::Write;

use chrono::{Days, NaiveDate};
use rand::distr::weighted::WeightedIndex;

use super::GenerateError;
use super::draw::Draw;
use super::person::Person;
use super::reference::{Diagnosis, REGIONS, Reference};

/// The hospitals of a region; invented codes, the fourth digit tells them apart.
const HOSPITALS_PER_REGION: usize = 4;
/// Contacts are spread over the five years before the status day.
const DAYS: usize = 1826;
/// Rows with nights that cannot be: every register has a few, and intake must find them.
const BAD_ROWS: usize = 3;

/// A diagnosis list by weight, for one sex and one tenth of a lifetime.
struct Mix {
    places: Vec<usize>,
    weights: WeightedIndex<f64>,
}

/// Writes the contacts as plain comma-separated text and tells how many there are.
pub(crate) fn write_contacts(
    out: &mut dyn Write,
    persons: &[Person],
    status_day: NaiveDate,
    reference: &Reference,
    draw: &mut Draw,
) -> Result<u64, GenerateError> {
    let mut table = ContactTable { out: csv::Writer::from_writer(out), rows: 0, status_day };
    table.out.write_record(["contact_id", "cpr", "hospital", "contact_type", "start_date", "bed_days", "diagnosis"])?;
    let mixes = mixes(&reference.diagnoses)?;
    for person in persons {
        let age = person.age(status_day);
        let count = draw.heavy_tailed(0.6 + (age as f64 / 45.0).powi(2), 60);
        let Some(Some(mix)) = mixes.get(mix_index(person.female, age)) else { continue };
        // A chronic disease brings the same person back again and again.
        let chronic = mix.choose(draw);
        for _ in 0..count {
            let diagnosis = if draw.chance(0.45) { chronic } else { mix.choose(draw) };
            table.write(person, diagnosis, reference, draw)?;
        }
    }
    for (place, diagnosis) in reference.diagnoses.iter().enumerate().filter(|(_, diagnosis)| diagnosis.rare) {
        for person in rare_patients(persons, diagnosis, status_day, draw) {
            for _ in 0..draw.between(1, 4) {
                table.write(person, Some(place), reference, draw)?;
            }
        }
    }
    for person in persons.iter().take(BAD_ROWS) {
        table.write_bad(person, reference, draw)?;
    }
    table.out.flush()?;
    Ok(table.rows)
}

struct ContactTable<W: Write> {
    out: csv::Writer<W>,
    rows: u64,
    status_day: NaiveDate,
}

impl<W: Write> ContactTable<W> {
    fn write(
        &mut self,
        person: &Person,
        diagnosis: Option<usize>,
        reference: &Reference,
        draw: &mut Draw,
    ) -> Result<(), GenerateError> {
        let Some(diagnosis) = diagnosis.and_then(|place| reference.diagnoses.get(place)) else { return Ok(()) };
        self.rows += 1;
        let (kind, bed_days) = match draw.below(10) {
            0..3 => ("inpatient", draw.between(1, 3) + i64::from(draw.heavy_tailed(1.5, 60))),
            3..5 => ("emergency", 0),
            _ => ("outpatient", 0),
        };
        // Nobody is seen before birth: the days to choose from end there.
        let lived = usize::try_from((self.status_day - person.born).num_days()).unwrap_or(1);
        let back = draw.below(DAYS.min(lived)) + 1;
        let day = self.status_day.checked_sub_days(Days::new(back as u64)).unwrap_or(self.status_day);
        self.out.write_record([
            &self.rows.to_string(),
            &person.number,
            &hospital(person, reference, draw),
            kind,
            &day.to_string(),
            &bed_days.to_string(),
            &diagnosis.code,
        ])?;
        Ok(())
    }
}

impl<W: Write> ContactTable<W> {
    fn write_bad(&mut self, person: &Person, reference: &Reference, draw: &mut Draw) -> Result<(), GenerateError> {
        self.rows += 1;
        let day = self.status_day.checked_sub_days(Days::new(30)).unwrap_or(self.status_day);
        let hospital = hospital(person, reference, draw);
        let number = self.rows.to_string();
        self.out.write_record([&number, &person.number, &hospital, "outpatient", &day.to_string(), "-1", "DZ03"])?;
        Ok(())
    }
}

/// Nine times in ten a hospital of the own region.
fn hospital(person: &Person, reference: &Reference, draw: &mut Draw) -> String {
    let home = reference.municipalities.get(person.municipality).map_or("1084", |place| place.region.as_str());
    let region = if draw.chance(0.9) { home } else { REGIONS.get(draw.below(REGIONS.len())).map_or(home, |r| r.0) };
    format!("H{}-{}", region, draw.below(HOSPITALS_PER_REGION) + 1)
}

fn mix_index(female: bool, age: i64) -> usize {
    usize::try_from(age.clamp(0, 99) / 10).unwrap_or(0) * 2 + usize::from(female)
}

fn mixes(diagnoses: &[Diagnosis]) -> Result<Vec<Option<Mix>>, GenerateError> {
    (0..20)
        .map(|index| {
            let (oldest, female) = (index / 2 * 10 + 9, index % 2 == 1);
            let fits = |d: &Diagnosis| {
                let birth = d.chapter == "O" && oldest > 49;
                !d.rare && d.sex.includes(female) && d.least_age <= oldest && !birth
            };
            let (places, weights): (Vec<usize>, Vec<f64>) =
                diagnoses.iter().enumerate().filter(|(_, d)| fits(d)).map(|(place, d)| (place, d.weight)).unzip();
            if places.is_empty() {
                return Ok(None);
            }
            Ok(Some(Mix { places, weights: WeightedIndex::new(weights)? }))
        })
        .collect()
}

impl Mix {
    fn choose(&self, draw: &mut Draw) -> Option<usize> {
        self.places.get(draw.weighted(&self.weights)).copied()
    }
}

/// Three to seven persons who have a rare disease.
fn rare_patients<'p>(
    persons: &'p [Person],
    diagnosis: &Diagnosis,
    status_day: NaiveDate,
    draw: &mut Draw,
) -> Vec<&'p Person> {
    let can_have: Vec<usize> = persons
        .iter()
        .enumerate()
        .filter(|(_, person)| person.age(status_day) >= diagnosis.least_age && diagnosis.sex.includes(person.female))
        .map(|(place, _)| place)
        .collect();
    let wanted = usize::try_from(draw.between(3, 7)).unwrap_or(3).min(can_have.len());
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    while chosen.len() < wanted {
        chosen.extend(can_have.get(draw.below(can_have.len())));
    }
    chosen.into_iter().filter_map(|place| persons.get(place)).collect()
}
