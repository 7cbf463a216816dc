//! The three generated deliveries, each in the shapes that a data holder of its kind
//! would send:
//!
//! | package | tables | files |
//! |---|---|---|
//! | `population` | `person`, `municipality` | semicolons with byte order mark and decimal comma; Latin-1 |
//! | `hospital` | `contact`, `diagnosis` | comma-separated and gzipped; newline-delimited JSON |
//! | `prescription` | `dispensing`, `medicine` | Parquet; zstd-compressed comma-separated text |

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use chrono::{Datelike as _, Days, NaiveDate};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::GenerateError;
use super::contact::write_contacts;
use super::dispensing::write_dispensings;
use super::draw::Draw;
use super::package::PackageWriter;
use super::person::{Person, write_register};
use super::reference::Reference;
use super::resource::{
    contact_resource, diagnosis_resource, dispensing_resource, medicine_resource, municipality_resource,
    person_resource,
};

/// What every delivery needs to know.
pub(crate) struct Source<'s> {
    /// The population.
    pub(crate) persons: &'s [Person],
    /// The public lists.
    pub(crate) reference: &'s Reference,
    /// The day on which the registers stand.
    pub(crate) status_day: NaiveDate,
    /// The seed of all chance.
    pub(crate) seed: u64,
}

/// Rows per table, for the story.
pub(crate) type RowCounts = Vec<(&'static str, u64)>;

impl Source<'_> {
    /// Writes the population register.
    pub(crate) fn write_population(&self, folder: &Path, counts: &mut RowCounts) -> Result<PathBuf, GenerateError> {
        let oldest = NaiveDate::from_ymd_opt(self.status_day.year() - 110, 1, 1).ok_or(GenerateError::StatusDay)?;
        let mut package = PackageWriter::create(
            folder.join("population"),
            self.about("population", "Population register (generated)", "Statistics office of the demo", oldest),
        )?;
        let mut file = BufWriter::new(package.file("person.csv")?);
        let mut draw = Draw::new(self.seed, "person.csv");
        write_register(&mut file, self.persons, self.status_day, self.reference, &mut draw)?;
        file.flush()?;
        drop(file);
        package.add("person.csv", self.persons.len() as u64, person_resource(self.reference))?;
        package.file("municipality.csv")?.write_all(&self.municipalities_latin_1())?;
        package.add("municipality.csv", self.reference.municipalities.len() as u64, municipality_resource())?;
        counts.push(("population.person", self.persons.len() as u64));
        package.finish()
    }

    /// Writes the hospital register.
    pub(crate) fn write_hospital(&self, folder: &Path, counts: &mut RowCounts) -> Result<PathBuf, GenerateError> {
        let mut package = PackageWriter::create(
            folder.join("hospital"),
            self.about(
                "hospital",
                "Hospital contacts (generated)",
                "Patient register of the demo",
                self.days_back(1826),
            ),
        )?;
        // No name and no time in the header: the same seed must give the same bytes.
        let mut file = GzEncoder::new(BufWriter::new(package.file("contact.csv.gz")?), Compression::fast());
        let mut draw = Draw::new(self.seed, "contact.csv.gz");
        let rows = write_contacts(&mut file, self.persons, self.status_day, self.reference, &mut draw)?;
        file.finish()?.flush()?;
        package.add("contact.csv.gz", rows, contact_resource(self.reference))?;
        let mut file = BufWriter::new(package.file("diagnosis.ndjson")?);
        for diagnosis in &self.reference.diagnoses {
            let line = json!({"code": diagnosis.code, "name": diagnosis.name, "chapter": diagnosis.chapter});
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        drop(file);
        package.add("diagnosis.ndjson", self.reference.diagnoses.len() as u64, diagnosis_resource())?;
        counts.push(("hospital.contact", rows));
        package.finish()
    }

    /// Writes the prescription register.
    pub(crate) fn write_prescription(&self, folder: &Path, counts: &mut RowCounts) -> Result<PathBuf, GenerateError> {
        let title = "Dispensed prescriptions (generated)";
        let mut package = PackageWriter::create(
            folder.join("prescription"),
            self.about("prescription", title, "Medicines register of the demo", self.days_back(365)),
        )?;
        let file = package.file("dispensing.parquet")?;
        let mut draw = Draw::new(self.seed, "dispensing.parquet");
        let rows = write_dispensings(file, self.persons, self.status_day, self.reference, &mut draw)?;
        package.add("dispensing.parquet", rows, dispensing_resource(self.reference))?;
        let mut table = csv::Writer::from_writer(zstd::Encoder::new(package.file("medicine.csv.zst")?, 3)?);
        table.write_record(["code", "name", "main_group"])?;
        for medicine in &self.reference.medicines {
            table.write_record([&medicine.code, &medicine.name, &medicine.main_group])?;
        }
        table.into_inner().map_err(csv::IntoInnerError::into_error)?.finish()?;
        package.add("medicine.csv.zst", self.reference.medicines.len() as u64, medicine_resource())?;
        counts.push(("prescription.dispensing", rows));
        package.finish()
    }

    fn days_back(&self, days: u64) -> NaiveDate {
        self.status_day.checked_sub_days(Days::new(days)).unwrap_or(self.status_day)
    }

    fn about(&self, dataset: &str, title: &str, holder: &str, from: NaiveDate) -> Value {
        json!({
            "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
            "name": dataset,
            "title": title,
            "description": "Made by the demo's seeded generator. No row is about a real person.",
            "oscar": {
                "dataset": dataset,
                "holder": holder,
                "profile": "strict",
                "coverage": {"from": from, "until": self.status_day},
                "delivery": "full",
            },
        })
    }

    /// The municipalities as ISO 8859-1, as older register systems send them. Every letter
    /// of the list is in Latin-1, where a character's number is its byte.
    fn municipalities_latin_1(&self) -> Vec<u8> {
        let mut text = String::from("code;name;region;inhabitants\r\n");
        for place in &self.reference.municipalities {
            let inhabitants = format!("{:.0}\r\n", place.inhabitants);
            text.extend([&place.code, ";", &place.name, ";", &place.region, ";", &inhabitants]);
        }
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
    }
}
