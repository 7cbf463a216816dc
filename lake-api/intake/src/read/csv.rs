//! Delimited text: plain lines as they are, everything else split into cells by `csv-core`, without an
//! allocation per cell.
//!
//! `csv-core` is lenient on purpose; four things it lets through are errors here: a quote
//! that is still open at the end of the file, a quoted cell that goes on behind its closing quote (`quotes`), a
//! record longer than any real one (an open quote swallows everything behind it), and rows with a wrong number
//! of cells, which become faults of those rows.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::ReadError;
use super::block::{
    ABSENT, BLOCK_BYTES, Block, CellBlock, CellText, LONGEST_RECORD, Mapping, RawBlock, RowLimit, WIDEST,
};
use super::plain_csv::{PlainLines, is_plain, longest_line};
use super::quotes::Quotes;
use super::source::{BlockSink, Source, TextEvidence};
use crate::fast_hash::{FastMap, FastSet};
use crate::package::{CsvDialect, Encoding, FieldPlan, FieldsMatch, ResourcePlan};

/// Reads one file; `rows` were read before it. Returns the rows read now.
pub(super) fn read(
    plan: &ResourcePlan,
    dialect: &CsvDialect,
    source: &mut Source,
    rows: u64,
    text: &mut TextEvidence,
    sink: &mut dyn BlockSink,
) -> Result<u64, ReadError> {
    source.skip_byte_order_mark()?;
    let mut splitter = Splitter::new(dialect);
    let file = source.number();
    let (width, mapping) = if dialect.header {
        if !splitter.next(source, 0)? {
            return Err(ReadError::NoHeader { file });
        }
        let header = header(&splitter, dialect.encoding);
        splitter.clear();
        (header.len(), match_columns(&plan.fields, &header, plan.matching, file)?)
    } else {
        (plan.fields.len(), (0..plan.fields.len()).map(Some).collect())
    };
    let limit = RowLimit::of(width.max(plan.fields.len()));
    let mut reading = Reading { source, text, sink, rows, width, limit, mapping, dialect, cells: 0 };
    loop {
        // Text with quotes and the like is split here, a block at a time; everything else by the workers.
        if !reading.plain_lines()? || !reading.split_lines(&mut splitter)? {
            return Ok(reading.rows);
        }
    }
}

/// One file as it is read.
struct Reading<'a> {
    source: &'a mut Source,
    text: &'a mut TextEvidence,
    sink: &'a mut dyn BlockSink,
    /// Rows read so far.
    rows: u64,
    width: usize,
    limit: RowLimit,
    mapping: Mapping,
    dialect: &'a CsvDialect,
    /// Cells of the block that was split last: the next has about as many.
    cells: usize,
}

impl Reading<'_> {
    /// Reads on as long as the text is plain; false at the end of the file. It begins and ends between two rows.
    fn plain_lines(&mut self) -> Result<bool, ReadError> {
        let mut lines = PlainLines::default();
        // Bytes of what is read next that have been looked at already.
        let mut plain: usize = 0;
        loop {
            let text = self.source.fill()?;
            if text.is_empty() {
                lines.end_line();
                self.send_plain(&mut lines)?;
                return Ok(false);
            }
            if plain < text.len() && !is_plain(text, self.dialect) {
                self.send_plain(&mut lines)?;
                self.source.put_back(lines.take_open());
                return Ok(true);
            }
            let (all, open) = (text.len(), lines.open());
            let length = lines.push_some(text, self.limit);
            let longest = longest_line(open, text.get(..length).unwrap_or(text));
            plain = all - length;
            self.source.consume(length);
            if longest.max(lines.open()) > LONGEST_RECORD {
                let row = self.rows + lines.rows() as u64 + 1;
                return Err(ReadError::TooLong { row, limit: LONGEST_RECORD });
            }
            if lines.complete() >= BLOCK_BYTES || lines.rows() >= self.limit.block {
                self.send_plain(&mut lines)?;
            }
        }
    }

    fn send_plain(&mut self, lines: &mut PlainLines) -> Result<(), ReadError> {
        let (first_row, count) = (self.rows + 1, lines.rows() as u64);
        let bytes = lines.take();
        if count == 0 {
            return Ok(());
        }
        self.rows += count;
        let before = |at: usize| {
            let lines = bytes.get(..at).unwrap_or_default().split(|byte| *byte == b'\n');
            lines.filter(|line| !line.is_empty()).count().saturating_sub(1) as u64
        };
        self.text.note(&bytes, self.dialect.encoding, |at| first_row + before(at + 1))?;
        let mapping = Mapping::clone(&self.mapping);
        let content = RawBlock::Plain { bytes, delimiter: self.dialect.delimiter, width: self.width, mapping };
        self.sink.send(Block { first_row, bytes_read: self.source.bytes_read(), content })
    }

    /// Splits a block of rows; false at the end of the file.
    fn split_lines(&mut self, splitter: &mut Splitter) -> Result<bool, ReadError> {
        let (first_row, width) = (self.rows + 1, self.width);
        let (mut spans, mut ragged) = (Vec::with_capacity(self.cells + self.cells / 8), Vec::new());
        let mut count: usize = 0;
        let mut more = true;
        while count < self.limit.block && splitter.used < BLOCK_BYTES {
            more = splitter.next(self.source, self.rows + 1)?;
            if !more {
                break;
            }
            if !splitter.spans_into(width, &mut spans) {
                ragged.push(u32::try_from(count).unwrap_or(u32::MAX));
            }
            splitter.start = splitter.used;
            count += 1;
            self.rows += 1;
        }
        if count > 0 {
            self.cells = spans.len();
            let bytes = splitter.take();
            self.text.note(&bytes, self.dialect.encoding, |at| {
                let cell = spans.iter().position(|(start, end)| start <= end && (*end as usize) > at).unwrap_or(0);
                first_row + (cell / width.max(1)) as u64
            })?;
            let mapping = Mapping::clone(&self.mapping);
            let text = CellText::Bytes(bytes);
            let content = RawBlock::Cells(CellBlock { text, spans, width, rows: count, ragged, mapping });
            self.sink.send(Block { first_row, bytes_read: self.source.bytes_read(), content })?;
        }
        Ok(more)
    }
}

impl TextEvidence {
    /// Checks a block against its encoding; `row_of` says in which row a byte is. The delimiters are ASCII, so no
    /// character crosses a cell and the block is valid exactly when its cells are.
    fn note(&mut self, bytes: &[u8], encoding: Encoding, row_of: impl Fn(usize) -> u64) -> Result<(), ReadError> {
        if bytes.is_ascii() {
            return Ok(());
        }
        self.beyond_ascii = true;
        let Err(error) = std::str::from_utf8(bytes) else { return Ok(()) };
        self.utf8 = false;
        match encoding {
            Encoding::Windows1252 => Ok(()),
            Encoding::Utf8 => Err(ReadError::Encoding { row: row_of(error.valid_up_to()) }),
        }
    }
}

/// `csv-core` with its buffers; one record after the other is appended to `bytes`.
struct Splitter {
    reader: Reader,
    quotes: Quotes,
    bytes: Vec<u8>,
    used: usize,
    /// Where the current record begins.
    start: usize,
    ends: Vec<usize>,
    cells: usize,
    /// Something of a record was read since the last one ended.
    pending: bool,
}

impl Splitter {
    fn new(dialect: &CsvDialect) -> Self {
        let mut builder = ReaderBuilder::new();
        builder
            .delimiter(dialect.delimiter)
            .double_quote(dialect.double_quote)
            .escape(dialect.escape)
            .comment(dialect.comment)
            .quoting(dialect.quote.is_some());
        if let Some(quote) = dialect.quote {
            builder.quote(quote);
        }
        let mut reader = builder.build();
        // It would take a second byte order mark away; asked before there is anything, it no longer looks for one.
        reader.read_record(&[], &mut [], &mut []);
        Self {
            reader,
            quotes: Quotes::of(dialect),
            bytes: vec![0; BLOCK_BYTES + 64 * 1024],
            used: 0,
            start: 0,
            ends: vec![0; 256],
            cells: 0,
            pending: false,
        }
    }

    /// Reads the next record behind the ones that are there; false at the end of the file.
    fn next(&mut self, source: &mut Source, row: u64) -> Result<bool, ReadError> {
        self.cells = 0;
        loop {
            let input = source.fill()?;
            // A last record without a line end gets one. Inside quotes, and only there, a
            // line end is a character of the cell.
            let closing = input.is_empty() && self.pending;
            let (Some(output), Some(ends)) = (self.bytes.get_mut(self.used..), self.ends.get_mut(self.cells..)) else {
                return Err(ReadError::Interrupted);
            };
            let line_end: &[u8] = b"\n";
            let text = if closing { line_end } else { input };
            let (result, consumed, written, cells) = self.reader.read_record(text, output, ends);
            if closing {
                if written > 0 && result != ReadRecordResult::Record {
                    return Err(ReadError::OpenQuote { row });
                }
                self.pending = consumed == 0;
            } else {
                if !self.quotes.follow(input.get(..consumed).unwrap_or(input)) {
                    return Err(ReadError::MisplacedQuote { row });
                }
                source.consume(consumed);
                self.pending |= consumed > 0;
            }
            self.used += written;
            self.cells += cells;
            match result {
                ReadRecordResult::Record => {
                    self.pending = false;
                    self.quotes.end_record();
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.bytes.resize(self.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => {
                    if self.ends.len() >= WIDEST {
                        return Err(ReadError::TooLong { row, limit: LONGEST_RECORD });
                    }
                    self.ends.resize(self.ends.len() * 2, 0);
                }
            }
            if self.used - self.start > LONGEST_RECORD {
                return Err(ReadError::TooLong { row, limit: LONGEST_RECORD });
            }
        }
    }

    /// Appends the cells' spans; false, with absent cells, when their number is wrong.
    fn spans_into(&self, width: usize, spans: &mut Vec<(u32, u32)>) -> bool {
        if self.cells != width {
            spans.extend(std::iter::repeat_n(ABSENT, width));
            return false;
        }
        let mut from = self.start;
        for end in self.ends.iter().take(width) {
            let to = self.start + end;
            spans.push((u32::try_from(from).unwrap_or(1), u32::try_from(to).unwrap_or(0)));
            from = to;
        }
        true
    }

    fn clear(&mut self) {
        self.used = 0;
        self.start = 0;
    }

    /// The bytes of all records so far; the buffer starts anew.
    fn take(&mut self) -> Vec<u8> {
        let bytes = self.bytes.get(..self.used).map(<[u8]>::to_vec).unwrap_or_default();
        self.clear();
        bytes
    }
}

/// The header's cells as text; what is not of the encoding cannot match any field.
fn header(splitter: &Splitter, encoding: Encoding) -> Vec<String> {
    let mut spans = Vec::new();
    splitter.spans_into(splitter.cells, &mut spans);
    spans
        .iter()
        .map(|(start, end)| {
            let cell = splitter.bytes.get(*start as usize..*end as usize).unwrap_or_default();
            match encoding {
                Encoding::Utf8 => String::from_utf8_lossy(cell).trim().to_owned(),
                Encoding::Windows1252 => encoding_rs::WINDOWS_1252.decode(cell).0.trim().to_owned(),
            }
        })
        .collect()
}

/// Where every field is in the file, by the rules of `fieldsMatch`.
pub(super) fn match_columns(
    fields: &[FieldPlan],
    header: &[String],
    matching: FieldsMatch,
    file: usize,
) -> Result<Mapping, ReadError> {
    let known: FastSet<&str> = fields.iter().map(|field| field.source.as_str()).collect();
    let mut places: FastMap<&str, usize> = FastMap::default();
    for (at, name) in header.iter().enumerate().filter(|(_, name)| known.contains(name.as_str())) {
        if places.insert(name, at).is_some() {
            return Err(ReadError::DuplicateColumn { file, field: name.clone() });
        }
    }
    let mapping: Vec<Option<usize>> = fields.iter().map(|field| places.get(field.source.as_str()).copied()).collect();
    let found = mapping.iter().flatten().count();
    let extra = header.len() - found;
    let (may_miss, may_add) = match matching {
        FieldsMatch::Exact | FieldsMatch::Equal => (false, false),
        FieldsMatch::Subset => (false, true),
        FieldsMatch::Superset => (true, false),
        FieldsMatch::Partial => (true, true),
    };
    if found == 0 {
        return Err(ReadError::NoColumns { file });
    }
    if !may_miss && let Some((field, _)) = fields.iter().zip(&mapping).find(|(_, at)| at.is_none()) {
        return Err(ReadError::MissingColumn { file, field: field.source.clone() });
    }
    if !may_add && extra > 0 {
        return Err(ReadError::ExtraColumns { file, count: extra });
    }
    if matching == FieldsMatch::Exact {
        let moved = fields.iter().zip(&mapping).enumerate().find(|(at, (_, place))| **place != Some(*at));
        if let Some((_, (field, _))) = moved {
            return Err(ReadError::ColumnOrder { file, field: field.source.clone() });
        }
    }
    Ok(mapping.into())
}
