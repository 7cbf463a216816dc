//! Prescriptions that a pharmacy has dispensed, as a Parquet file.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Builder, Float64Builder, Int64Builder, RecordBatch, StringBuilder};
use chrono::{Datelike as _, Days, NaiveDate};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rand::distr::weighted::WeightedIndex;

use super::GenerateError;
use super::draw::Draw;
use super::person::Person;
use super::reference::{Medicine, Reference};

/// Rows gathered before they are written out: bounds the memory.
const BATCH: usize = 65_536;
/// Days from 1 January of the year 1 to 1 January 1970.
const EPOCH: i32 = 719_163;

/// Writes one year of dispensed prescriptions and tells how many there are.
pub(crate) fn write_dispensings<W: Write + Send>(
    out: W,
    persons: &[Person],
    status_day: NaiveDate,
    reference: &Reference,
    draw: &mut Draw,
) -> Result<u64, GenerateError> {
    let mut rows = Rows::default();
    let first = rows.take()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(out, first.schema(), Some(properties))?;
    let mut written = 0;
    let mixes = mixes(&reference.medicines)?;
    for person in persons {
        let age = person.age(status_day);
        let Some((places, weights)) = mixes.get(usize::try_from(age.clamp(0, 99) / 10).unwrap_or(0)) else { continue };
        for _ in 0..draw.heavy_tailed(0.5 + age as f64 / 22.0, 14) {
            let Some(medicine) = places.get(draw.weighted(weights)).and_then(|place| reference.medicines.get(*place))
            else {
                continue;
            };
            for _ in 0..draw.between(1, 4) {
                rows.push(person, medicine, status_day, draw);
                written += 1;
            }
        }
        if rows.count >= BATCH {
            writer.write(&rows.take()?)?;
        }
    }
    writer.write(&rows.take()?)?;
    writer.close()?;
    Ok(written)
}

type AgeMix = (Vec<usize>, WeightedIndex<f64>);

fn mixes(medicines: &[Medicine]) -> Result<Vec<AgeMix>, GenerateError> {
    (0..10)
        .map(|band| {
            let (places, weights): (Vec<usize>, Vec<f64>) = medicines
                .iter()
                .enumerate()
                .filter(|(_, medicine)| medicine.least_age <= band * 10 + 9)
                .map(|(place, medicine)| (place, medicine.weight))
                .unzip();
            Ok((places, WeightedIndex::new(weights)?))
        })
        .collect()
}

#[derive(Default)]
struct Rows {
    cpr: StringBuilder,
    atc: StringBuilder,
    dispensed: Date32Builder,
    packages: Int64Builder,
    price: Float64Builder,
    count: usize,
}

impl Rows {
    fn push(&mut self, person: &Person, medicine: &Medicine, status_day: NaiveDate, draw: &mut Draw) {
        let lived = usize::try_from((status_day - person.born).num_days()).unwrap_or(1);
        let back = draw.below(365.min(lived)) + 1;
        let day = status_day.checked_sub_days(Days::new(back as u64)).unwrap_or(status_day);
        let packages = draw.between(1, 3);
        self.cpr.append_value(&person.number);
        self.atc.append_value(&medicine.code);
        self.dispensed.append_value(day.num_days_from_ce() - EPOCH);
        self.packages.append_value(packages);
        self.price
            .append_value((medicine.price * packages as f64 * (0.9 + 0.2 * draw.share()) * 100.0).round() / 100.0);
        self.count += 1;
    }

    fn take(&mut self) -> Result<RecordBatch, GenerateError> {
        self.count = 0;
        Ok(RecordBatch::try_from_iter([
            ("cpr", Arc::new(self.cpr.finish()) as ArrayRef),
            ("atc", Arc::new(self.atc.finish())),
            ("dispensed", Arc::new(self.dispensed.finish())),
            ("packages", Arc::new(self.packages.finish())),
            ("price_dkk", Arc::new(self.price.finish())),
        ])?)
    }
}
