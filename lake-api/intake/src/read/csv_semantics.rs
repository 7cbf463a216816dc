//! The splitter against the `csv` crate: the same rows, whatever the text.

use std::fs;

use oscar_permit::DataPermit;
use proptest::prelude::*;
use serde_json::json;

use super::block::{Block, RawBlock};
use super::source::{BlockSink, read_resource};
use super::{ReadError, cells_of_plain_lines, columns_of_cells};
use crate::package::{DeliveryPlan, Encoding};
use arrow::array::AsArray;

#[derive(Default)]
struct Kept(Vec<Vec<Option<String>>>, usize);

struct Collect<'a> {
    kept: &'a mut Kept,
    plan: &'a DeliveryPlan,
}

impl BlockSink for Collect<'_> {
    fn send(&mut self, block: Block) -> Result<(), ReadError> {
        let cells = match block.content {
            RawBlock::Cells(cells) => cells,
            RawBlock::Plain { bytes, delimiter, width, mapping } => {
                cells_of_plain_lines(bytes, delimiter, width, mapping, block.first_row)?
            }
            RawBlock::Lines { .. } | RawBlock::Batch { .. } => panic!("not cells"),
        };
        let columns = columns_of_cells(&self.plan.resources[0].fields, Encoding::Utf8, &cells);
        self.kept.1 += cells.ragged.len();
        for row in 0..columns.rows {
            if !cells.ragged.contains(&u32::try_from(row).unwrap()) {
                let cell = |array: &arrow::array::ArrayRef| {
                    let texts = array.as_string::<i32>();
                    arrow::array::Array::is_valid(texts, row).then(|| texts.value(row).to_owned())
                };
                self.kept.0.push(columns.arrays.iter().map(cell).collect());
            }
        }
        Ok(())
    }
}

/// Reads CSV text with our reader: complete rows, and the number of ragged ones.
fn ours(text: &[u8], compression: &str) -> Result<Kept, ReadError> {
    let folder = tempfile::tempdir().unwrap();
    let (name, bytes) = match compression {
        "zst" => ("a.csv.zst", zstd::encode_all(text, 1).unwrap()),
        _ => ("a.csv", text.to_vec()),
    };
    let descriptor = json!({
        "oscar": {"dataset": "d", "profile": "strict"},
        "resources": [{"name": "a", "path": name, "hash": format!("sha256:{}", oscar_permit::Sha256Digest::of(&bytes)),
            "schema": {"missingValues": [], "fields": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
            "oscar": {"kind": "reference"}}]});
    fs::write(folder.path().join(name), &bytes).unwrap();
    fs::write(folder.path().join("datapackage.json"), descriptor.to_string()).unwrap();
    let permit = DataPermit::from_yaml(
        "{id: P, tenant: t, authority: a, legalBasis: b, purpose: [p], persons: [{issuer: i, subject: s, role: analyst}], \
         datasets: [{dataset: d, tables: []}], profile: strict, validFrom: 2020-01-01T00:00:00Z, validUntil: 2030-01-01T00:00:00Z}",
    )
    .unwrap();
    let plan = DeliveryPlan::read(folder.path(), None, &permit, chrono::Utc::now()).unwrap();
    let mut kept = Kept::default();
    read_resource(&plan.resources[0], &mut Collect { kept: &mut kept, plan: &plan })?;
    Ok(kept)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn written_cells_come_back_as_they_were(
        rows in prop::collection::vec(prop::array::uniform3("[ -~æø\n\r\",;]{0,12}"), 0..40),
        compression in prop::sample::select(vec!["none", "zst"]),
    ) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let kept = ours(&text, compression).unwrap();
        let expected: Vec<Vec<Option<String>>> = rows.iter().map(|row| row.iter().cloned().map(Some).collect()).collect();
        prop_assert_eq!(kept.0, expected);
    }

    #[test]
    fn any_text_is_split_as_the_csv_crate_splits_it_or_refused_for_an_open_quote(text in "[ab\",\n\r ]{0,80}") {
        let text = format!("a,b,c\n{text}");
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let expected: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        match ours(text.as_bytes(), "none") {
            Ok(kept) => {
                let complete: Vec<Vec<Option<String>>> = expected
                    .iter()
                    .filter(|row| row.len() == 3)
                    .map(|row| row.iter().cloned().map(Some).collect())
                    .collect();
                prop_assert_eq!(kept.1, expected.len() - complete.len());
                prop_assert_eq!(kept.0, complete);
            }
            // An open quote runs to the end of the file: closing it there must change nothing.
            Err(ReadError::OpenQuote { .. }) => {
                let closed = ours(format!("{text}\"\n").as_bytes(), "none").unwrap();
                prop_assert_eq!(closed.0.len() + closed.1, expected.len());
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

/// More than a buffer of text, nearly all of it plain: what is not comes at places of every kind.
#[test]
fn text_that_is_plain_here_and_quoted_there_is_split_as_the_csv_crate_splits_it() {
    for (step, end) in [(usize::MAX, "x,y,z"), (7_001, "x,y,z\n"), (9_973, "\"x\",y,z"), (13_007, "x,y\n"), (3, "")] {
        let mut text = "a,b,c\r\n".to_owned();
        for row in 0..40_000 {
            let number = row * 7_919;
            let line = match row % step {
                0 => format!("{row},\"a \"\"quoted\"\"\n,cell\",{number}\r\n"),
                1 => format!("\n{row},too few\n\n"),
                2 => format!("{row},carriage,return\r"),
                _ => format!("{row},Århus {number},{}\n", "é".repeat(row % 9)),
            };
            text += &line;
        }
        text += end;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let expected: Vec<Vec<Option<String>>> =
            reader.records().map(|record| record.unwrap().iter().map(|cell| Some(cell.to_owned())).collect()).collect();
        for compression in ["none", "zst"] {
            let kept = ours(text.as_bytes(), compression).unwrap();
            assert_eq!(kept.1, expected.iter().filter(|row| row.len() != 3).count(), "{step}");
            assert!(kept.0.iter().eq(expected.iter().filter(|row| row.len() == 3)), "{step}");
        }
    }
}

#[test]
fn what_is_not_utf_8_is_found_in_its_row_in_plain_text_and_in_quoted() {
    for quote in ["", "\""] {
        let mut text = format!("a,b,c\n{quote}1{quote},2,3\n\n4,5,6\n7,").into_bytes();
        text.extend([0xE6, b',', b'9', b'\n', b'1', b',', b'1', b',', b'1', b'\n']);
        assert!(matches!(ours(&text, "none"), Err(ReadError::Encoding { row: 3 })), "{quote}");
    }
}

#[test]
fn a_row_of_more_cells_than_any_real_one_is_refused_in_plain_text_and_in_quoted() {
    for (cells, refused) in [(65_536, false), (65_537, true)] {
        for quote in ["", "\""] {
            let wide = vec!["1"; cells - 1].join(",");
            let read = ours(format!("a,b,c\n1,2,3\n{quote}x{quote},{wide}\n4,5,6\n").as_bytes(), "none");
            match read {
                Ok(kept) => assert!(!refused && kept.1 == 1 && kept.0.len() == 2, "{cells}{quote}"),
                Err(error) => assert!(refused && matches!(error, ReadError::TooLong { row: 2, .. }), "{cells}{quote}"),
            }
        }
    }
}
