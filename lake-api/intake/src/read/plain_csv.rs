//! Delimited text in which every line is a row and every delimiter ends a cell.
//!
//! That is most of what is delivered: a piece of a file without quotes, carriage returns, escapes and
//! comments needs no splitter that remembers what it has read. The reader only looks where lines end, and workers
//! find the cells, 64 characters at a time, where they were read. Everything else is `csv-core`'s.

use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::ReadError;
use super::block::{ABSENT, CellBlock, CellText, LONGEST_RECORD, Mapping, RowLimit, WIDEST, split_front};
use crate::package::CsvDialect;

/// Lines that were read and not yet handed over.
#[derive(Debug, Default)]
pub(super) struct PlainLines {
    bytes: Vec<u8>,
    /// Where the last complete line ends.
    complete: usize,
    /// Lines so far; empty ones are no rows.
    rows: usize,
}

/// Whether a piece of text is nothing but cells, delimiters and line ends.
pub(super) fn is_plain(text: &[u8], dialect: &CsvDialect) -> bool {
    let special = match dialect.quote {
        Some(quote) => memchr2(quote, b'\r', text),
        None => memchr(b'\r', text),
    };
    special.is_none() && dialect.escape.is_none() && dialect.comment.is_none()
}

impl PlainLines {
    /// Takes plain text that follows the last one, or as many lines of it as may be taken at once; how much.
    pub(super) fn push_some(&mut self, text: &[u8], limit: RowLimit) -> usize {
        let end = if limit.admits(text) { None } else { memchr_iter(b'\n', text).nth(limit.piece - 1) };
        let text = end.and_then(|end| text.get(..=end)).unwrap_or(text);
        self.push(text);
        text.len()
    }

    fn push(&mut self, text: &[u8]) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(text);
        for at in memchr_iter(b'\n', text) {
            let end = before + at;
            self.rows += usize::from(end > self.complete);
            self.complete = end + 1;
        }
    }

    /// Ends the last line of a file.
    pub(super) fn end_line(&mut self) {
        if self.open() > 0 {
            self.push(b"\n");
        }
    }

    /// Complete lines with something in them.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of complete lines.
    pub(super) const fn complete(&self) -> usize {
        self.complete
    }

    /// Bytes of the line that is not complete.
    pub(super) fn open(&self) -> usize {
        self.bytes.len() - self.complete
    }

    /// The complete lines; what is open stays.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.rows = 0;
        split_front(&mut self.bytes, std::mem::take(&mut self.complete))
    }

    /// The line that is not complete, which is forgotten.
    pub(super) fn take_open(&mut self) -> Vec<u8> {
        self.bytes.split_off(self.complete)
    }
}

/// Length of the longest line that ends in a text, the first of which began `open` bytes before it.
pub(super) fn longest_line(open: usize, text: &[u8]) -> usize {
    // A line that begins in the text is no longer than it.
    memchr(b'\n', text).map_or(0, |first| (open + first).max(memrchr(b'\n', text).unwrap_or(0)))
}

/// Finds the cells of complete plain lines, the first of which is row `first_row`.
pub(crate) fn cells_of_plain_lines(
    bytes: Vec<u8>,
    delimiter: u8,
    width: usize,
    mapping: Mapping,
    first_row: u64,
) -> Result<CellBlock, ReadError> {
    let mut rows = Rows {
        spans: Vec::with_capacity(bytes.len() / 5),
        width,
        row: 0,
        start: 0,
        ragged: Vec::new(),
        too_wide: None,
    };
    let (chunks, last) = bytes.as_chunks::<64>();
    let mut place = 0;
    for chunk in chunks {
        rows.cut(place, chunk, delimiter);
        place += chunk.len();
    }
    let mut chunk = [0; 64];
    if let Some(start) = chunk.get_mut(..last.len()) {
        start.copy_from_slice(last);
    }
    // A delimiter of zero would be found behind the end; nothing there is a cell.
    rows.cut_some(place, &chunk, delimiter, (1u64 << last.len()) - 1);
    let Rows { spans, row, ragged, too_wide, .. } = rows;
    match too_wide {
        Some(row) => Err(ReadError::TooLong { row: first_row + u64::from(row), limit: LONGEST_RECORD }),
        None => Ok(CellBlock { text: CellText::Bytes(bytes), spans, width, rows: row as usize, ragged, mapping }),
    }
}

/// Rows as their cells are found.
struct Rows {
    spans: Vec<(u32, u32)>,
    width: usize,
    row: u32,
    /// Where the current cell begins.
    start: u32,
    ragged: Vec<u32>,
    /// The first row with more cells than any real one.
    too_wide: Option<u32>,
}

impl Rows {
    fn cut(&mut self, place: usize, chunk: &[u8; 64], delimiter: u8) {
        self.cut_some(place, chunk, delimiter, u64::MAX);
    }

    /// Ends a cell at every delimiter and line end of a chunk that begins at `place`, where `looked_at` has a bit.
    fn cut_some(&mut self, place: usize, chunk: &[u8; 64], delimiter: u8, looked_at: u64) {
        let lines = equal(chunk, b'\n') & looked_at;
        let mut ends = equal(chunk, delimiter) & looked_at | lines;
        // Blocks are far below four gigabytes.
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        while ends != 0 {
            let bit = ends.trailing_zeros();
            let end = place.saturating_add(bit);
            self.spans.push((self.start, end));
            self.start = end.saturating_add(1);
            if lines >> bit & 1 == 1 {
                self.end_row();
            }
            ends &= ends - 1;
        }
    }

    fn end_row(&mut self) {
        let from = self.row as usize * self.width;
        let cells = self.spans.len() - from;
        if cells != self.width {
            let empty = cells == 1 && self.spans.last().is_some_and(|(start, end)| start == end);
            self.spans.truncate(from);
            if empty {
                return;
            }
            self.spans.resize(from + self.width, ABSENT);
            if cells > WIDEST && self.too_wide.is_none() {
                self.too_wide = Some(self.row);
            }
            self.ragged.push(self.row);
        } else if self.width == 1 && self.spans.last().is_some_and(|(start, end)| start == end) {
            self.spans.truncate(from);
            return;
        }
        self.row += 1;
    }
}

/// Which of 64 bytes are a given one, the first in the lowest bit.
#[inline]
fn equal(chunk: &[u8; 64], byte: u8) -> u64 {
    let mut same = [0; 64];
    for (same, other) in same.iter_mut().zip(chunk) {
        *same = u8::from(*other == byte);
    }
    let (words, _) = same.as_chunks::<8>();
    // The lowest bits of eight bytes, side by side.
    let bits = |word: &[u8; 8]| u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    (0..).step_by(8).zip(words).fold(0, |found, (shift, word)| found | bits(word) << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_is_found_where_it_is(chunk: [u8; 32], other: [u8; 32], byte in prop_oneof![any::<u8>(), Just(0), Just(255)]) {
            let mut all = [0; 64];
            all[..32].copy_from_slice(&chunk);
            all[32..].copy_from_slice(&other);
            all[usize::from(byte) % 64] = byte;
            let expected = (0..64).filter(|at| all[*at] == byte).fold(0u64, |found, at| found | 1 << at);
            prop_assert_eq!(equal(&all, byte), expected);
        }
    }

    #[test]
    fn a_line_is_as_long_as_what_was_read_of_it_before() {
        assert_eq!(longest_line(5, b"abc"), 0);
        assert_eq!(longest_line(5, b"abc\n"), 8);
        assert_eq!(longest_line(0, b"a\nbcdef\n"), 7);
    }
}
