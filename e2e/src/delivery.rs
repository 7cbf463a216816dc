//! A small delivery with person numbers, made on the spot: hospital contacts of persons
//! whose numbers are right by date, most of them wrong by the old modulus 11.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest as _, Sha256};

/// The dataset's name.
pub const DATASET: &str = "contacts";

const REGIONS: [(&str, usize); 5] = [("1081", 8), ("1082", 14), ("1083", 20), ("1084", 40), ("1085", 17)];

/// A data package in a folder of its own.
pub struct Delivery {
    folder: tempfile::TempDir,
    numbers: Vec<String>,
}

impl Delivery {
    /// Writes a package of `persons` persons with two contacts each; the island `1099` has
    /// four inhabitants.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write(persons: usize) -> anyhow::Result<Self> {
        Self::write_visits(persons, 2)
    }

    /// The same with so many contacts each.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write_visits(persons: usize, visits: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let numbers: Vec<String> = (0..persons).map(person_number).collect();
        let mut csv = String::from("cpr;region;sex;kontaktdato\n");
        for (number, cpr) in numbers.iter().enumerate() {
            let region = if number < 4 { "1099" } else { region(number) };
            let sex = if number % 2 == 0 { "F" } else { "M" };
            for visit in 0..visits {
                let day = 1 + (number * 7 + visit * 11) % 28;
                writeln!(csv, "{cpr};{region};{sex};{}-{:02}-{day:02}", 2019 + visit % 2, 1 + number % 12)?;
            }
        }
        let delivery = Self { folder, numbers };
        delivery.replace(&csv, persons * visits)?;
        Ok(delivery)
    }

    /// Puts other text in the place of the file, and its digest into the package.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn replace(&self, csv: &str, rows: usize) -> anyhow::Result<()> {
        std::fs::write(self.data_file(), csv)?;
        Ok(std::fs::write(self.descriptor(), serde_json::to_vec_pretty(&descriptor(csv, rows))?)?)
    }

    /// The data file.
    #[must_use]
    pub fn data_file(&self) -> PathBuf {
        self.folder.path().join("contact.csv")
    }

    /// The descriptor's path.
    #[must_use]
    pub fn descriptor(&self) -> PathBuf {
        self.folder.path().join("datapackage.json")
    }

    /// The descriptor's digest, as an `Extract` pins it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn descriptor_digest(&self) -> anyhow::Result<String> {
        Ok(format!("sha256:{}", hex::encode(Sha256::digest(std::fs::read(self.descriptor())?))))
    }

    /// The folder that holds it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Every person number in it.
    #[must_use]
    pub fn person_numbers(&self) -> &[String] {
        &self.numbers
    }

    /// Searches every file below `folder` for the person numbers, with or without a dash;
    /// Parquet files are decoded.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn search(&self, folder: &Path) -> anyhow::Result<Searched> {
        let numbers: HashSet<&[u8]> = self.numbers.iter().map(String::as_bytes).collect();
        let mut searched = Searched::default();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut found = holds_any(&std::fs::read(&path)?, &numbers);
                if path.extension().is_some_and(|extension| extension == "parquet") {
                    let cells = decoded(&path)?;
                    searched.cells += cells.len();
                    found |= cells.iter().any(|cell| holds_any(cell.as_bytes(), &numbers));
                }
                searched.found.extend(found.then_some(path));
            }
        }
        Ok(searched)
    }
}

/// What a search has seen.
#[derive(Debug, Default)]
pub struct Searched {
    /// The files with a person number in them.
    pub found: Vec<PathBuf>,
    /// Cells of Parquet files that were decoded.
    pub cells: usize,
}

/// Every cell of a Parquet file as text; numbers also with the zero that they lose.
fn decoded(path: &Path) -> anyhow::Result<Vec<String>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path)?)?.build()?;
    let mut cells = Vec::new();
    for batch in reader {
        for column in batch?.columns() {
            for row in 0..column.len() {
                let text = array_value_to_string(column, row)?;
                cells.push(if column.data_type().is_integer() { format!("{text:0>10}") } else { text });
            }
        }
    }
    Ok(cells)
}

/// Whether any ten digits in a row, with or without a dash after the sixth, are one of the numbers.
fn holds_any(bytes: &[u8], numbers: &HashSet<&[u8]>) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    let plain = bytes.windows(10).any(|window| digits(window) && numbers.contains(window));
    plain
        || bytes.windows(11).any(|window| match window.split_at(6) {
            (date, [b'-', rest @ ..]) => digits(date) && numbers.contains([date, rest].concat().as_slice()),
            _ => false,
        })
}

/// Born 1940 to 1999; serial numbers 0000 to 3999 stand for the 1900s.
fn person_number(number: usize) -> String {
    let (day, month, year) = (1 + number % 28, 1 + (number / 28) % 12, 40 + (number / 336) % 60);
    format!("{day:02}{month:02}{year:02}{:04}", (number * 37) % 4000)
}

fn region(number: usize) -> &'static str {
    let all: usize = REGIONS.iter().map(|(_, weight)| weight).sum();
    let mut left = (number * 61) % all;
    for (region, weight) in REGIONS {
        if left < weight {
            return region;
        }
        left -= weight;
    }
    "1085"
}

fn descriptor(csv: &str, rows: usize) -> serde_json::Value {
    serde_json::json!({
        "name": DATASET, "title": "Hospital contacts",
        "oscar": {"dataset": DATASET, "profile": "sds", "holder": "Region Test", "delivery": "full"},
        "resources": [{
            "name": "contact", "path": "contact.csv", "format": "csv", "encoding": "utf-8",
            "hash": format!("sha256:{}", hex::encode(Sha256::digest(csv.as_bytes()))), "bytes": csv.len(),
            "dialect": {"delimiter": ";"},
            "schema": {"fields": [
                {"name": "cpr", "type": "string", "constraints": {"required": true}, "oscar": {"name": "person_id"}},
                {"name": "region", "type": "string", "description": "Region of residence",
                 "constraints": {"required": true}},
                {"name": "sex", "type": "string", "constraints": {"required": true}},
                {"name": "kontaktdato", "type": "date", "oscar": {"name": "contact_date"}},
            ]},
            "oscar": {"table": "contact", "kind": "persons", "personKey": "cpr", "personKeyKind": "cpr", "rows": rows,
                "codes": {
                    "region": {"1081": "Nordjylland", "1082": "Midtjylland", "1083": "Syddanmark",
                               "1084": "Hovedstaden", "1085": "Sjælland", "1099": "An island"},
                    "sex": {"F": "women", "M": "men"}}},
        }],
    })
}
