//! Newline-delimited JSON: one object per line, plain values only.
//!
//! A value is taken by its text: `5` and `"5"` are the same cell, `null` and an absent name
//! are both no cell. Lists and objects inside are refused, because flattening them would be
//! a guess.
//!
//! Most files are made by a program that writes every field of every row in one order and escapes
//! next to nothing. Such plain lines are not copied: their cells are where they were read. Every other line is
//! `serde_json`'s, and a test holds the two together.

use std::fmt::{self, Write};
use std::ops::Range;

use memchr::{memchr, memchr_iter};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ReadError;
use super::block::{
    ABSENT, BLOCK_BYTES, Block, CellBlock, CellText, LONGEST_RECORD, NULL, RawBlock, RowLimit, split_front,
};
use super::source::{BlockSink, Source};
use crate::fast_hash::FastMap;
use crate::package::{CellFormat, FieldPlan, FieldsMatch};

/// Reads one file into blocks of lines of so many fields; `rows` were read before it. Returns the rows read now.
pub(super) fn read(source: &mut Source, fields: usize, rows: u64, sink: &mut dyn BlockSink) -> Result<u64, ReadError> {
    source.skip_byte_order_mark()?;
    let limit = RowLimit::of(fields);
    let mut rows = rows;
    let mut lines = Lines::default();
    loop {
        let text = source.fill()?;
        if text.is_empty() {
            lines.push(b"\n");
            return send(&mut lines, rows, source.bytes_read(), sink);
        }
        let length = lines.push_some(text, limit);
        source.consume(length);
        if lines.open() > LONGEST_RECORD {
            return Err(ReadError::TooLong { row: rows + lines.places.len() as u64 + 1, limit: LONGEST_RECORD });
        }
        if lines.complete >= BLOCK_BYTES || lines.places.len() >= limit.block {
            rows = send(&mut lines, rows, source.bytes_read(), sink)?;
        }
    }
}

fn send(lines: &mut Lines, rows: u64, bytes_read: u64, sink: &mut dyn BlockSink) -> Result<u64, ReadError> {
    let count = lines.places.len() as u64;
    if count > 0 {
        let (bytes, places) = lines.take();
        sink.send(Block { first_row: rows + 1, bytes_read, content: RawBlock::Lines { bytes, places } })?;
    }
    Ok(rows + count)
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where the last complete line ends.
    complete: usize,
    /// Where the lines are that are rows.
    places: Vec<Range<usize>>,
}

impl Lines {
    /// Takes text that follows the last one, or as many lines of it as may be taken at once; how much.
    fn push_some(&mut self, text: &[u8], limit: RowLimit) -> usize {
        let end = if limit.admits(text) { None } else { memchr_iter(b'\n', text).nth(limit.piece - 1) };
        let text = end.and_then(|end| text.get(..=end)).unwrap_or(text);
        self.push(text);
        text.len()
    }

    /// Takes text that follows the last one; empty lines are no rows.
    fn push(&mut self, text: &[u8]) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(text);
        for at in memchr_iter(b'\n', text) {
            let place = self.complete..before + at;
            self.complete = place.end + 1;
            if !self.bytes.get(place.clone()).is_none_or(|line| line.iter().all(u8::is_ascii_whitespace)) {
                self.places.push(place);
            }
        }
    }

    fn open(&self) -> usize {
        self.bytes.len() - self.complete
    }

    /// Takes the complete lines and keeps the open one.
    fn take(&mut self) -> (Vec<u8>, Vec<Range<usize>>) {
        let bytes = split_front(&mut self.bytes, std::mem::take(&mut self.complete));
        let places = Vec::with_capacity(self.places.len());
        (bytes, std::mem::replace(&mut self.places, places))
    }
}

/// Splits lines into cells. `seen` collects which fields have occurred.
pub(crate) fn cells_of_lines(
    fields: &[FieldPlan],
    matching: FieldsMatch,
    bytes: Vec<u8>,
    places: &[Range<usize>],
    first_row: u64,
    seen: &mut [bool],
) -> Result<CellBlock, ReadError> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let before = places.partition_point(|place| place.end <= error.utf8_error().valid_up_to());
        ReadError::Encoding { row: first_row + before as u64 }
    })?;
    let width = fields.len();
    let plain = PlainObjects::of(fields);
    let names: FastMap<&str, usize> = (0..).zip(fields).map(|(place, field)| (field.source.as_str(), place)).collect();
    // Cells that are not in their lines as they are; they come behind all lines.
    let mut written = Written { from: text.len(), cells: String::new() };
    let mut spans = vec![ABSENT; width * places.len()];
    let may_add = match matching {
        FieldsMatch::Subset | FieldsMatch::Partial => true,
        FieldsMatch::Exact | FieldsMatch::Equal | FieldsMatch::Superset => false,
    };
    for ((row, place), spans) in (first_row..).zip(places).zip(spans.chunks_exact_mut(width)) {
        let line = text.get(place.clone()).unwrap_or_default();
        if plain.as_ref().is_some_and(|plain| plain.read(line.as_bytes(), place.start, spans)) {
            seen.fill(true);
            continue;
        }
        spans.fill(ABSENT);
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let mut unknown = 0;
        let row_seed = Row { fields, names: &names, written: &mut written, spans, seen, unknown: &mut unknown };
        row_seed.deserialize(&mut deserializer).map_err(|_| ReadError::Json { row })?;
        deserializer.end().map_err(|_| ReadError::Json { row })?;
        if unknown > 0 && !may_add {
            return Err(ReadError::ExtraColumns { file: 1, count: unknown });
        }
    }
    text.push_str(&written.cells);
    let mapping = (0..width).map(Some).collect();
    Ok(CellBlock { text: CellText::Utf8(text), spans, width, rows: places.len(), ragged: Vec::new(), mapping })
}

/// Cells that were written anew, and where their block will have them.
struct Written {
    from: usize,
    cells: String,
}

impl Written {
    fn end(&self) -> usize {
        self.from + self.cells.len()
    }
}

/// Lines with every field in its order, without escapes, blanks only behind colons and commas.
struct PlainObjects {
    /// Of every field its name, and whether it is of type number.
    fields: Vec<(PlainName, bool)>,
}

/// A name with quotes and colon.
struct PlainName {
    bytes: Vec<u8>,
    /// Its first bytes as two numbers, each with the bits that they have there: comparing numbers takes no call.
    head: [(u64, u64); 2],
}

impl PlainName {
    fn of(name: &str) -> Self {
        let bytes = format!("\"{name}\":").into_bytes();
        let (mut first, mut bits) = ([[0; 8]; 2], [[0; 8]; 2]);
        let places = first.as_flattened_mut().iter_mut().zip(bits.as_flattened_mut());
        for ((first, bits), byte) in places.zip(&bytes) {
            (*first, *bits) = (*byte, u8::MAX);
        }
        let [first, bits] = [first, bits].map(|numbers| numbers.map(u64::from_le_bytes));
        let ([one, other], [of_one, of_other]) = (first, bits);
        Self { bytes, head: [(one, of_one), (other, of_other)] }
    }

    /// What follows the name.
    fn strip<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let [(one, of_one), (other, of_other)] = self.head;
        match text.as_chunks::<8>().0 {
            [first, second, ..] if self.bytes.len() <= 16 => {
                let differs = (u64::from_le_bytes(*first) & of_one) ^ one;
                let differs = differs | ((u64::from_le_bytes(*second) & of_other) ^ other);
                if differs == 0 { text.get(self.bytes.len()..) } else { None }
            }
            _ => text.strip_prefix(self.bytes.as_slice()),
        }
    }
}

impl PlainObjects {
    /// `None` where a name is written with escapes: no line is plain then.
    fn of(fields: &[FieldPlan]) -> Option<Self> {
        let field = |field: &FieldPlan| {
            let plain = !field.source.bytes().any(is_escaped);
            plain.then(|| (PlainName::of(&field.source), matches!(field.format, CellFormat::Number { .. })))
        };
        Some(Self { fields: fields.iter().map(field).collect::<Option<_>>()? })
    }

    /// Finds the cells of a line that begins at `from` in its block. When it returns false the line is not
    /// plain, or is wrong, and the spans mean nothing.
    fn read(&self, line: &[u8], from: usize, spans: &mut [(u32, u32)]) -> bool {
        let Some(mut rest) = line.strip_prefix(b"{") else { return false };
        for (place, ((name, is_number), span)) in self.fields.iter().zip(spans).enumerate() {
            if place > 0 {
                let Some(after) = rest.strip_prefix(b",") else { return false };
                rest = after.strip_prefix(b" ").unwrap_or(after);
            }
            let Some(value) = name.strip(rest) else { return false };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let Some((cell, after)) = plain_value(value, *is_number) else { return false };
            if let Some(cell) = cell {
                // Nothing but the lengths of what is left says where the cell is.
                let start = from + (line.len() - value.len()) + usize::from(value.first() == Some(&b'"'));
                let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(start + cell.len())) else {
                    return false;
                };
                *span = (start, end);
            }
            rest = after;
        }
        rest == b"}"
    }
}

/// Whether JSON writes a character of a text in another way.
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1F)
}

/// Where the first such character is, looked for eight at a time.
fn first_escaped(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // Bytes below `least` have their highest bit set, and so can bytes behind the first of them, which nobody asks for.
    let below = |bytes: u64, least: u8| bytes.wrapping_sub(ONES * u64::from(least)) & !bytes & (ONES << 7);
    let equal = |bytes: u64, byte: u8| below(bytes ^ (ONES * u64::from(byte)), 1);
    let (eights, rest) = text.as_chunks::<8>();
    for (place, eight) in eights.iter().enumerate() {
        let bytes = u64::from_le_bytes(*eight);
        let found = equal(bytes, b'"') | equal(bytes, b'\\') | below(bytes, 0x20);
        if found != 0 {
            return Some(place * eight.len() + (found.trailing_zeros() / u8::BITS) as usize);
        }
    }
    let end = rest.iter().position(|byte| is_escaped(*byte))?;
    Some(text.len() - rest.len() + end)
}

/// The cell that a plain value is, if it is one, and what follows the value.
fn plain_value(value: &[u8], is_number: bool) -> Option<(Option<&[u8]>, &[u8])> {
    match value {
        [b'"', text @ ..] => {
            let end = first_escaped(text)?;
            let (cell, after) = text.split_at_checked(end)?;
            Some((Some(cell), after.strip_prefix(b"\"")?))
        }
        [b'-' | b'0'..=b'9', ..] => {
            let (digits, after) = whole_number(value)?;
            let after = match after {
                [b'.', fraction @ ..] if is_number => {
                    let end = fraction.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(fraction.len());
                    fraction.get(end..).filter(|_| end > 0)?
                }
                after => after,
            };
            let cell = value.get(..value.len() - after.len())?;
            // Anything else behind it makes it another number, or none.
            (digits > 0 && matches!(after, [b',' | b'}', ..])).then_some((Some(cell), after))
        }
        _ => {
            let word = |word: &'static [u8]| value.strip_prefix(word);
            let cell = |length: usize| value.get(..length);
            word(b"null")
                .map(|after| (None, after))
                .or_else(|| Some((cell(4), word(b"true")?)))
                .or_else(|| Some((cell(5), word(b"false")?)))
        }
    }
}

/// How many digits a whole number has, and what follows it; no digits when it begins with a needless zero.
fn whole_number(text: &[u8]) -> Option<(usize, &[u8])> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let count = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let needless = count > 1 && digits.first() == Some(&b'0');
    Some((if needless { 0 } else { count }, digits.get(count..)?))
}

struct Row<'a> {
    fields: &'a [FieldPlan],
    names: &'a FastMap<&'a str, usize>,
    written: &'a mut Written,
    spans: &'a mut [(u32, u32)],
    seen: &'a mut [bool],
    unknown: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Writers keep one order of names, so the next field is usually the next name.
        let mut expected = 0;
        while let Some(index) = map.next_key_seed(Name { fields: self.fields, names: self.names, expected })? {
            let Some(index) = index else {
                *self.unknown += 1;
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            expected = index + 1;
            let start = self.written.end();
            let is_number =
                self.fields.get(index).is_some_and(|field| matches!(field.format, CellFormat::Number { .. }));
            let value: &RawValue = map.next_value()?;
            let present = write_cell(value.get(), is_number, &mut self.written.cells).map_err(A::Error::custom)?;
            let span = (u32::try_from(start), u32::try_from(self.written.end()));
            if let (Some(slot), Some(seen)) = (self.spans.get_mut(index), self.seen.get_mut(index)) {
                if *slot != ABSENT {
                    return Err(A::Error::custom("a name occurs twice"));
                }
                *seen = true;
                *slot = match (present, span) {
                    (true, (Ok(from), Ok(to))) => (from, to),
                    _ => NULL,
                };
            }
        }
        Ok(())
    }
}

struct Name<'a> {
    fields: &'a [FieldPlan],
    names: &'a FastMap<&'a str, usize>,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        if self.fields.get(self.expected).is_some_and(|field| field.source == name) {
            return Ok(Some(self.expected));
        }
        Ok(self.names.get(name).copied())
    }
}

/// Appends a value's text; false for null. Numbers keep the holder's digits where a number is wanted;
/// elsewhere 5.0 is 5 and 1e2 is 100, as no two writers agree about whole numbers.
fn write_cell(value: &str, is_number: bool, cells: &mut String) -> Result<bool, &'static str> {
    let quoted = || value.strip_prefix('"')?.strip_suffix('"').filter(|text| memchr(b'\\', text.as_bytes()).is_none());
    match value.as_bytes() {
        b"null" => return Ok(false),
        [b'"', ..] if let Some(text) = quoted() => cells.push_str(text),
        [b'"', ..] => {
            let text: String = serde_json::from_str(value).map_err(|_| "not a text")?;
            cells.push_str(&text);
        }
        [b'-' | b'0'..=b'9', rest @ ..] => {
            if is_number || rest.iter().all(u8::is_ascii_digit) {
                cells.push_str(value);
            } else {
                let number: f64 = serde_json::from_str(value).map_err(|_| "not a number")?;
                write!(cells, "{number}").map_err(|_| "not a number")?;
            }
        }
        b"true" | b"false" => cells.push_str(value),
        _ => return Err("a list or an object"),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_first_escaped_character_is_found_wherever_it_is() {
        for length in 0..20 {
            let plain = vec![b'x'; length];
            assert_eq!(first_escaped(&plain), None);
            for (at, byte) in (0..length).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let mut text = plain.clone();
                text[at] = byte;
                assert_eq!(first_escaped(&text), is_escaped(byte).then_some(at), "{byte} at {at} of {length}");
                if let Some(next) = text.get_mut(at + 1) {
                    *next = 0;
                    assert_eq!(first_escaped(&text), Some(at + usize::from(!is_escaped(byte))), "{byte} at {at}");
                }
            }
        }
    }

    #[rstest]
    #[case::short("a")]
    #[case::sixteen("thirteen_char")]
    #[case::longer("a_name_of_more_than_sixteen")]
    fn only_a_whole_name_is_taken_off(#[case] name: &str) {
        let plain = PlainName::of(name);
        for rest in ["", "1", "                    "] {
            let text = format!("\"{name}\":{rest}");
            assert_eq!(plain.strip(text.as_bytes()), Some(rest.as_bytes()), "{text}");
            for at in 0..text.len() - rest.len() {
                let mut wrong = text.clone().into_bytes();
                wrong[at] ^= 1;
                assert_eq!(plain.strip(&wrong), None, "{at} of {text}");
            }
        }
        assert_eq!(plain.strip(&format!("\"{name}\"").into_bytes()), None);
    }

    #[rstest]
    #[case("null", false, Ok(None))]
    #[case(r#""""#, false, Ok(Some("")))]
    #[case(r#""a,b""#, false, Ok(Some("a,b")))]
    #[case(r#""0\u0032\n\"""#, false, Ok(Some("02\n\"")))]
    #[case("-12", false, Ok(Some("-12")))]
    #[case("5.0", false, Ok(Some("5")))]
    #[case("1e2", false, Ok(Some("100")))]
    #[case("1E2", true, Ok(Some("1E2")))]
    #[case("0.10", true, Ok(Some("0.10")))]
    #[case("1e999", false, Err("not a number"))]
    #[case("true", false, Ok(Some("true")))]
    #[case("[1]", false, Err("a list or an object"))]
    #[case("{}", true, Err("a list or an object"))]
    fn a_value_is_taken_by_its_text(
        #[case] value: &str,
        #[case] is_number: bool,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let mut cells = String::new();
        let written = write_cell(value, is_number, &mut cells);
        let text = written.map(|present| present.then_some(cells));
        assert_eq!(text, expected.map(|text| text.map(str::to_owned)));
    }
}
