//! The generated population: who there is, and the register file about them.

use std::io::Write;

use chrono::{Datelike as _, Days, NaiveDate};
use rand::distr::weighted::WeightedIndex;

use super::GenerateError;
use super::draw::Draw;
use super::person_number::PersonNumbers;
use super::reference::{Municipality, Reference};

/// Tenths of a lifetime: share of the population (percent) and of women in it.
const AGE_BANDS: [(f64, f64); 10] = [
    (10.3, 0.487),
    (11.3, 0.487),
    (13.0, 0.490),
    (12.6, 0.490),
    (12.0, 0.497),
    (13.7, 0.499),
    (11.7, 0.504),
    (9.9, 0.517),
    (4.6, 0.565),
    (0.9, 0.690),
];

/// One generated person.
pub(crate) struct Person {
    /// The person number, ten digits.
    pub(crate) number: String,
    /// Woman or man.
    pub(crate) female: bool,
    /// Day of birth.
    pub(crate) born: NaiveDate,
    /// Place in the list of municipalities.
    pub(crate) municipality: usize,
}

impl Person {
    /// Full years on that day.
    pub(crate) fn age(&self, on: NaiveDate) -> i64 {
        on.years_since(self.born).map_or(0, i64::from)
    }
}

/// Makes `count` persons as they stand on `status_day`.
pub(crate) fn population(
    count: usize,
    status_day: NaiveDate,
    reference: &Reference,
    draw: &mut Draw,
) -> Result<Vec<Person>, GenerateError> {
    let bands = WeightedIndex::new(AGE_BANDS.map(|(share, _)| share))?;
    let places = WeightedIndex::new(reference.municipalities.iter().map(|place| place.inhabitants))?;
    let mut numbers = PersonNumbers::default();
    let persons = (0..count).map(|_| {
        let band = draw.weighted(&bands);
        let women = AGE_BANDS.get(band).map_or(0.5, |(_, women)| *women);
        let female = draw.chance(women);
        let days = draw.below(3652) + band * 3652 + 1;
        let born = status_day.checked_sub_days(Days::new(days as u64)).unwrap_or(status_day);
        let (number, born) = numbers.issue(born, female, draw);
        Person { number, female, born, municipality: draw.weighted(&places) }
    });
    Ok(persons.collect())
}

/// Writes the population register: semicolons, a byte order mark, decimal commas, and
/// dates as registers like to send them.
pub(crate) fn write_register(
    out: &mut dyn Write,
    persons: &[Person],
    status_day: NaiveDate,
    reference: &Reference,
    draw: &mut Draw,
) -> Result<(), GenerateError> {
    out.write_all(b"\xEF\xBB\xBF")?;
    writeln!(out, "CPR;sex;birth_date;birth_year;municipality;region;marital_status;km_to_hospital\r")?;
    for person in persons {
        let Some(place) = reference.municipalities.get(person.municipality) else { continue };
        let marital = marital_status(person.age(status_day), draw);
        writeln!(
            out,
            "{};{};{};{};{};{};{marital};{}\r",
            person.number,
            if person.female { "F" } else { "M" },
            person.born,
            person.born.year(),
            place.code,
            place.region,
            decimal_comma(distance(place, draw)),
        )?;
    }
    Ok(())
}

/// `U` unmarried, `G` married, `F` divorced, `E` widowed: the Danish register's letters.
fn marital_status(age: i64, draw: &mut Draw) -> char {
    let luck = draw.share();
    match age {
        ..18 => 'U',
        18..35 => {
            if luck < 0.72 {
                'U'
            } else {
                'G'
            }
        }
        35..65 => {
            if luck < 0.28 {
                'U'
            } else if luck < 0.82 {
                'G'
            } else {
                'F'
            }
        }
        65..80 => {
            if luck < 0.10 {
                'U'
            } else if luck < 0.68 {
                'G'
            } else if luck < 0.84 {
                'F'
            } else {
                'E'
            }
        }
        _ => {
            if luck < 0.40 {
                'G'
            } else if luck < 0.52 {
                'F'
            } else {
                'E'
            }
        }
    }
}

/// Kilometres to the nearest hospital: far in places where few live.
fn distance(place: &Municipality, draw: &mut Draw) -> f64 {
    let typical = (3000.0 / place.inhabitants.sqrt()).clamp(3.0, 70.0);
    typical * (0.3 + 1.2 * draw.share())
}

fn decimal_comma(number: f64) -> String {
    format!("{number:.1}").replace('.', ",")
}
