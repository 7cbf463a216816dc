//! The demo looks for itself: does any of the delivered person numbers lie anywhere in the
//! tenant's bucket? Parquet files are decoded, everything else is searched as it is.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::narrator::Narrator;
use super::stage::Stage;
use crate::cli::CliError;

/// Digits of a person number.
const DIGITS: usize = 10;

/// Searches the whole bucket for every generated person number.
pub(super) fn scan(stage: &Stage, narrator: &mut Narrator<'_>) -> Result<(), CliError> {
    if stage.generated.is_none() {
        return Ok(());
    }
    narrator.step("Did a person number get anywhere? Every file of the workspace is searched")?;
    let numbers = delivered_numbers(&stage.directory)?;
    let bucket = stage.directory.join("tenant");
    let files = files_below(&bucket)?;
    for file in &files {
        if holds_any(file, &numbers)? {
            return Err(CliError::Failed("a person number lies in the tenant's bucket".into()));
        }
    }
    narrator.ended(&format!("none of {} person numbers is in any of {} files", numbers.len(), files.len()))
}

fn delivered_numbers(directory: &Path) -> Result<HashSet<Vec<u8>>, CliError> {
    let text = fs::read_to_string(directory.join("extracts/population/person.csv"))
        .map_err(CliError::file("the generated population register"))?;
    let numbers: HashSet<Vec<u8>> =
        text.lines().skip(1).filter_map(|line| line.get(..DIGITS)).map(|number| number.as_bytes().to_vec()).collect();
    // A search for nothing would find nothing.
    if numbers.is_empty() {
        return Err(CliError::Failed("the generated population register holds no person numbers".into()));
    }
    Ok(numbers)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(CliError::file("a folder of the bucket"))? {
            let path = entry.map_err(CliError::file("a folder of the bucket"))?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

fn holds_any(file: &Path, numbers: &HashSet<Vec<u8>>) -> Result<bool, CliError> {
    if file.extension().is_some_and(|extension| extension == "parquet") {
        return parquet_holds_any(file, numbers);
    }
    let bytes = fs::read(file).map_err(CliError::file("a file of the bucket"))?;
    Ok(occurs(&bytes, numbers))
}

fn parquet_holds_any(file: &Path, numbers: &HashSet<Vec<u8>>) -> Result<bool, CliError> {
    let unreadable = |_| CliError::Failed("a Parquet file of the lake cannot be decoded".into());
    let file = File::open(file).map_err(CliError::file("a Parquet file of the lake"))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?.build().map_err(unreadable)?;
    for batch in reader {
        let batch = batch.map_err(|_| CliError::Failed("a Parquet file of the lake cannot be decoded".into()))?;
        if batch_holds_any(&batch, numbers)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn batch_holds_any(batch: &RecordBatch, numbers: &HashSet<Vec<u8>>) -> Result<bool, CliError> {
    for column in batch.columns() {
        if column.data_type() == &DataType::Utf8 {
            if column.as_string::<i32>().iter().flatten().any(|text| occurs(text.as_bytes(), numbers)) {
                return Ok(true);
            }
            continue;
        }
        if let Some(stored) = column.as_binary_opt::<i32>() {
            if stored.iter().flatten().any(|bytes| occurs(bytes, numbers)) {
                return Ok(true);
            }
            continue;
        }
        for row in 0..column.len() {
            let text = array_value_to_string(column, row)
                .map_err(|_| CliError::Failed("a column of the lake cannot be shown as text".into()))?;
            // A number loses its leading zero.
            if occurs(text.as_bytes(), numbers) || occurs(format!("0{text}").as_bytes(), numbers) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether ten digits in a row, with or without the dash after the sixth, are a number.
fn occurs(bytes: &[u8], numbers: &HashSet<Vec<u8>>) -> bool {
    let plain = bytes.windows(DIGITS).any(|window| is_digits(window) && numbers.contains(window));
    plain
        || bytes.windows(DIGITS + 1).any(|window| {
            let (Some(day), Some(b'-'), Some(sequence)) = (window.get(..6), window.get(6), window.get(7..)) else {
                return false;
            };
            is_digits(day) && is_digits(sequence) && numbers.contains(&[day, sequence].concat())
        })
}

fn is_digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_text_with_and_without_its_dash_and_inside_longer_text() {
        let numbers = HashSet::from([b"0201609995".to_vec()]);
        for text in ["0201609995", "x 020160-9995, y", "\"cpr\":\"0201609995\"", "9902016099951"] {
            assert!(occurs(text.as_bytes(), &numbers), "{text}");
        }
        for text in ["0201609996", "020160 9995", "020160-999", ""] {
            assert!(!occurs(text.as_bytes(), &numbers), "{text}");
        }
    }
}
