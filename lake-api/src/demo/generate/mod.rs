//! Own, seeded, Danish-shaped registers for the demo and for tests.
//!
//! Nothing here is or was about a real person: persons are drawn from an age pyramid and
//! the sizes of the 98 municipalities, and get person numbers that nobody has (see
//! `person_number.rs`). Contacts and prescriptions follow age and sex, a few persons have
//! very many, rare diseases three to seven patients, and the smallest islands a handful of
//! inhabitants: what makes real registers hard to release is all here.
//!
//! The same number of persons and the same seed give the same bytes in every file.

mod contact;
mod dispensing;
mod draw;
mod error;
mod package;
mod person;
mod person_number;
mod reference;
mod registers;
mod resource;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use self::draw::Draw;
use self::person::{Person, population};
use self::reference::Reference;
use self::registers::{RowCounts, Source};

pub use self::error::GenerateError;

/// Fewer persons than this would leave ordinary diagnoses without enough patients to show.
pub const LEAST_PERSONS: usize = 5_000;
/// More would run out of person numbers on some birthdays.
pub const MOST_PERSONS: usize = 1_000_000;

/// What was generated.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The package descriptors, in the order in which they should be delivered.
    pub packages: Vec<PathBuf>,
    /// Rows of every table of persons.
    pub rows: Vec<(&'static str, u64)>,
    /// A few neighbours that everybody on a small island could name: the demo's attacker
    /// subtracts them.
    pub neighbours: Neighbours,
}

/// A group of fewer persons than any threshold, and how to say who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    /// The municipality's code.
    pub municipality: String,
    /// Its name.
    pub name: String,
    /// Born in this year or later.
    pub born_from: i32,
    /// How many they are.
    pub persons: usize,
}

/// The status day of the generated registers: fixed, because the bytes must not depend on today.
///
/// # Errors
/// Never in practice; the day is a constant.
pub fn status_day() -> Result<NaiveDate, GenerateError> {
    NaiveDate::from_ymd_opt(2025, 1, 1).ok_or(GenerateError::StatusDay)
}

/// Writes the three packages below `folder`.
///
/// # Errors
/// See [`GenerateError`].
pub fn generate(persons: usize, seed: u64, folder: &Path) -> Result<Generated, GenerateError> {
    let (reference, status_day) = (Reference::load()?, status_day()?);
    let persons = population(persons, status_day, &reference, &mut Draw::new(seed, "population"))?;
    let source = Source { persons: &persons, reference: &reference, status_day, seed };
    let mut rows = RowCounts::new();
    let packages = vec![
        source.write_population(folder, &mut rows)?,
        source.write_hospital(folder, &mut rows)?,
        source.write_prescription(folder, &mut rows)?,
    ];
    Ok(Generated { packages, rows, neighbours: neighbours(&persons, &reference) })
}

/// The group that the differencing attack takes out: on the smallest island that has any
/// inhabitants, the youngest people, three to five of them where the birth years allow it.
fn neighbours(persons: &[Person], reference: &Reference) -> Neighbours {
    use chrono::Datelike as _;
    let mut islands: Vec<usize> = (0..reference.municipalities.len()).collect();
    islands.sort_by(|a, b| {
        let size = |place: &usize| reference.municipalities.get(*place).map_or(f64::MAX, |m| m.inhabitants);
        size(a).total_cmp(&size(b))
    });
    for island in islands {
        let mut years: Vec<i32> =
            persons.iter().filter(|person| person.municipality == island).map(|person| person.born.year()).collect();
        years.sort_unstable_by(|a, b| b.cmp(a));
        let Some(place) = reference.municipalities.get(island) else { continue };
        let Some(born_from) = years.get(2).copied() else { continue };
        let persons = years.iter().filter(|year| **year >= born_from).count();
        return Neighbours { municipality: place.code.clone(), name: place.name.clone(), born_from, persons };
    }
    Neighbours { municipality: "0825".into(), name: "Læsø".into(), born_from: i32::MAX, persons: 0 }
}
