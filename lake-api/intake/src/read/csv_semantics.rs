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
        let ragged = cells.ragged.clone();
        let columns = columns_of_cells(&self.plan.resources[0].fields, Encoding::Utf8, cells);
        self.kept.1 += ragged.len();
        for row in 0..columns.rows {
            if !ragged.contains(&u32::try_from(row).unwrap()) {
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
    let (name, bytes) = match compression {
        "zst" => ("a.csv.zst", zstd::encode_all(text, 1).unwrap()),
        _ => ("a.csv", text.to_vec()),
    };
    let plan = plan(&bytes, name, "exact", &json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]));
    let mut kept = Kept::default();
    read_resource(&plan.1.resources[0], &mut Collect { kept: &mut kept, plan: &plan.1 })?;
    Ok(kept)
}

fn read_into(text: &str, name: &str, matching: &str, sink: &mut dyn BlockSink) -> Result<(), ReadError> {
    read_fields(text, name, matching, &json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]), sink)
}

fn read_fields(
    text: &str,
    name: &str,
    matching: &str,
    fields: &serde_json::Value,
    sink: &mut dyn BlockSink,
) -> Result<(), ReadError> {
    let plan = plan(text.as_bytes(), name, matching, fields);
    read_resource(&plan.1.resources[0], sink)
}

/// A plan for one file, with the folder that it lies in.
fn plan(bytes: &[u8], name: &str, matching: &str, fields: &serde_json::Value) -> (tempfile::TempDir, DeliveryPlan) {
    let folder = tempfile::tempdir().unwrap();
    let descriptor = json!({
        "oscar": {"dataset": "d", "profile": "strict"},
        "resources": [{"name": "a", "path": name, "hash": format!("sha256:{}", oscar_permit::Sha256Digest::of(bytes)),
            "schema": {"missingValues": [], "fields": fields, "fieldsMatch": matching},
            "oscar": {"kind": "reference"}}]});
    fs::write(folder.path().join(name), bytes).unwrap();
    fs::write(folder.path().join("datapackage.json"), descriptor.to_string()).unwrap();
    let permit = DataPermit::from_yaml(
        "{id: P, tenant: t, authority: a, legalBasis: b, purpose: [p], persons: [{issuer: i, subject: s, role: analyst}], \
         datasets: [{dataset: d, tables: []}], profile: strict, validFrom: 2020-01-01T00:00:00Z, validUntil: 2030-01-01T00:00:00Z}",
    )
    .unwrap();
    let plan = DeliveryPlan::read(folder.path(), None, &permit, chrono::Utc::now()).unwrap();
    (folder, plan)
}

/// The row in which a quoted cell goes on behind its closing quote, looked for character by character.
fn row_of_misplaced_quote(text: &str) -> Option<u64> {
    let (mut row, mut cell, mut quoted, mut empty) = (1, String::new(), false, true);
    for character in text.chars() {
        let closed = cell.len() > 1 && cell.starts_with('"') && !quoted;
        match character {
            '"' if quoted || cell.is_empty() || closed => {
                quoted = !quoted;
                cell.push('"');
                empty = false;
            }
            _ if quoted => cell.push(character),
            ',' | '\r' | '\n' => {
                cell.clear();
                row += u64::from(character != ',' && !empty);
                empty = character != ',';
            }
            _ if closed => return Some(row),
            _ => {
                cell.push(character);
                empty = false;
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

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
    fn any_text_is_split_as_the_csv_crate_splits_it_or_refused_for_a_quote(text in "[ab\",\n\r ]{0,80}|([ab,\n]|\"[ab,]?(\"\"|\n)?\"[,\n]){0,30}") {
        let misplaced = row_of_misplaced_quote(&text);
        let text = format!("a,b,c\n{text}");
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let expected: Vec<Vec<String>> =
            reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        match ours(text.as_bytes(), "none") {
            Err(ReadError::MisplacedQuote { row }) => prop_assert_eq!(Some(row), misplaced),
            _ if misplaced.is_some() => prop_assert!(false, "row {:?}", misplaced),
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

/// Without a look at the quotes the second row would be a cell of the first.
#[test]
fn a_quote_that_closes_in_another_row_is_refused_there() {
    for (text, row) in
        [("P1,a,\"5 inch\nP2,b,ok\nP3,c,\"6 inch\n", 1), ("P0,a,b\n\"P1\",a,\"x\" \n", 2), ("\"a\"\"b\",c,\"d\"e", 1)]
    {
        let text = format!("a,b,c\n{text}");
        let error = ours(text.as_bytes(), "none").err();
        assert!(matches!(error, Some(ReadError::MisplacedQuote { row: found }) if found == row), "{text}");
    }
    let fine = ours("a,b,c\n5\" tube,a\"b,\"\"\n".as_bytes(), "none").unwrap();
    assert_eq!(fine.0, [["5\" tube", "a\"b", ""].map(|cell| Some(cell.to_owned())).to_vec()]);
}

#[test]
fn only_one_byte_order_mark_is_taken_away() {
    let one = ours("\u{feff}\"a\",b,c\n1,2,3\n".as_bytes(), "none").unwrap();
    assert_eq!(one.0.len(), 1);
    assert!(matches!(ours("\u{feff}\u{feff}a,b,c\n1,2,3\n".as_bytes(), "none"), Err(ReadError::MissingColumn { .. })));
}

/// A short row costs memory for every column, so that blocks of wide rows have fewer.
#[test]
fn a_block_of_wide_rows_has_few_of_them() {
    let names = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    for (width, quote) in [(2_000, ""), (2_000, "\""), (60_000, ""), (60_000, "\"")] {
        let rows = 20_000;
        let text = format!("a,b,c,{}\n{}", names(width), format!("{quote}x{quote}\n").repeat(rows));
        let mut sink = Largest::default();
        read_into(&text, "a.csv", "subset", &mut sink).unwrap();
        assert_eq!(sink.rows, rows as u64);
        assert!(sink.most * width <= 5 * 1024 * 1024, "{width}{quote}: {}", sink.most);
    }
    let text = "{}\n".repeat(100_000);
    let mut sink = Largest::default();
    let fields: Vec<_> = (0..4_000).map(|n| json!({"name": format!("c{n}")})).collect();
    read_fields(&text, "a.ndjson", "partial", &json!(fields), &mut sink).unwrap();
    assert_eq!(sink.rows, 100_000);
    assert!(sink.most * 4_000 <= 5 * 1024 * 1024, "{}", sink.most);
}

/// Counts rows and looks for the largest block.
#[derive(Default)]
struct Largest {
    most: usize,
    rows: u64,
}

impl BlockSink for Largest {
    fn send(&mut self, block: Block) -> Result<(), ReadError> {
        assert_eq!(block.first_row, self.rows + 1);
        let rows = match block.content {
            RawBlock::Cells(cells) => cells.rows,
            RawBlock::Plain { bytes, .. } => bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(),
            RawBlock::Lines { places, .. } => places.len(),
            RawBlock::Batch { batch, .. } => batch.num_rows(),
        };
        self.most = self.most.max(rows);
        self.rows += rows as u64;
        Ok(())
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
