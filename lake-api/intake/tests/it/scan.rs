//! Looks for person numbers in everything that intake has written, decoded.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use oscar_permit::PersonNumber;

use crate::spoke::{Spoke, cpr, parquet_batches, persons_csv, put_persons};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Every text and number below the folder, decoded; bytes as far as they are text.
pub(crate) fn everything_below(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let mut texts = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        texts.push(path.to_string_lossy().into_owned());
        if path.extension().is_some_and(|word| word == "parquet") {
            for batch in parquet_batches(bytes::Bytes::from(bytes)) {
                for column in batch.columns() {
                    if let Some(stored) = column.as_binary_opt::<i32>() {
                        texts.extend(stored.iter().flatten().map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
                        continue;
                    }
                    let decoded = arrow::compute::cast(column, &DataType::Utf8).unwrap();
                    texts.extend(decoded.as_string::<i32>().iter().flatten().map(str::to_owned));
                }
            }
        } else {
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    texts
}

/// Asserts that none of the numbers is below the folder, in any writing.
pub(crate) fn assert_absent(folder: &Path, numbers: &[String]) {
    let forbidden: HashSet<&str> = numbers.iter().map(String::as_str).collect();
    for text in everything_below(folder) {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        assert!(
            !forbidden.contains(digits.as_str()) && !forbidden.contains(format!("{digits:0>10}").as_str()),
            "a person number was stored"
        );
        let mut rest = text.as_str();
        while let Some(found) = PersonNumber::find_in(rest) {
            // Written with signs between, behind filling zeros, or with the year in four digits.
            let written: String = rest[found.clone()].chars().filter(char::is_ascii_alphanumeric).collect();
            let last_ten = written.get(written.len().saturating_sub(10)..).unwrap_or_default().to_owned();
            let without_century = [written.get(..4), written.get(6..)].into_iter().flatten().collect::<String>();
            for number in [written, last_ten, without_century] {
                assert!(!forbidden.contains(number.as_str()), "a person number was stored inside text");
            }
            rest = &rest[found.end..];
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_intake_no_decoded_byte_anywhere_holds_a_person_number() {
    let spoke = Spoke::new();
    put_persons(&spoke, &persons_csv(3000));
    let report = spoke.deliver().await.unwrap();
    assert_eq!((report.persons, report.tables.values().next().unwrap().rows), (3000, 3000));
    let numbers: Vec<String> = (0..3000).map(cpr).collect();
    for place in ["tenant", "person-index", "keys"] {
        assert_absent(&spoke.folder.join(place), &numbers);
    }
    // The scan itself is no blind one.
    fs::write(spoke.folder.join("tenant/leak.txt"), format!("x {} y", numbers[7])).unwrap();
    let tenant = spoke.folder.join("tenant");
    assert!(std::panic::catch_unwind(|| assert_absent(&tenant, &numbers)).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_delivery_leaves_no_person_number_in_abandoned_files() {
    let spoke = Spoke::new();
    // The leak comes in a late block: earlier blocks have been stored by then.
    let mut csv = persons_csv(60_000);
    csv.extend_from_slice(format!("{},5,see {}\n", cpr(60_001), cpr(60_002)).as_bytes());
    put_persons(&spoke, &csv);
    assert_eq!(spoke.refusal().await.rule(), "person-number");
    let numbers: Vec<String> = (0..60_003).map(cpr).collect();
    for place in ["tenant", "person-index"] {
        assert_absent(&spoke.folder.join(place), &numbers);
    }
}
