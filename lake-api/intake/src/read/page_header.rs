//! A Parquet page header in Thrift's compact protocol, from its first byte to its last.
//!
//! ```text
//!  1 kind of page   2 bytes unpacked   3 bytes packed   (4 checksum)   and by the kind one of
//!  5 data page {1 values  2 encoding  3 4 encodings of levels  (5 statistics)}   6 index {}
//!  7 dictionary {1 values  2 encoding  (3 sorted)}
//!  8 data page 2 {1 values  2 nulls  3 rows  4 encoding  5 6 bytes of levels  (7 packed)  (8 statistics)}
//! ```
//!
//! The reader behind takes the last of two fields of one number, skips what it does not know and believes any
//! mark. Here a field's mark says how far it is from the one before, so that fields only go up: what
//! is repeated, out of order, written in the long form or of another type is not understood, and its file is refused.

use std::io::Read;

/// Types of fields in a mark's lower half.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const NUMBER: u8 = 5;
const LONG: u8 = 6;
const BINARY: u8 = 8;
const STRUCTURE: u8 = 12;

const DELTA_BYTE_ARRAY: u32 = 7;
/// Of pages without values: no encoding has this number.
const NO_ENCODING: u32 = u32::MAX;

const DATA_PAGE: u32 = 0;
const INDEX_PAGE: u32 = 1;
const DICTIONARY_PAGE: u32 = 2;
const DATA_PAGE_2: u32 = 3;

/// What a page will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub(super) is_dictionary: bool,
    pub(super) unpacked: u32,
    pub(super) packed: u32,
    /// Values are made of the values before them.
    pub(super) has_prefixes: bool,
}

impl PageHeader {
    /// Longest header that is read; its statistics may hold two values.
    pub(super) const LONGEST: u64 = 1024 * 1024;

    /// Reads a header from its first byte; `None` when it is not understood.
    pub(super) fn read(bytes: impl Read) -> Option<Self> {
        let mut thrift = Thrift { bytes: bytes.take(Self::LONGEST) };
        let [kind, unpacked, packed] = thrift.first_numbers()?;
        let mut field = thrift.next_field(3)?;
        if field == Next::Field(4, NUMBER) {
            // A checksum may be any 32 bits.
            thrift.varint(32)?;
            field = thrift.next_field(4)?;
        }
        let (place, encoding) = match (kind, field) {
            (DATA_PAGE, Next::Field(5, STRUCTURE)) => (5, thrift.data_page()?),
            (INDEX_PAGE, Next::Field(6, STRUCTURE)) => (6, thrift.index_page()?),
            (DICTIONARY_PAGE, Next::Field(7, STRUCTURE)) => (7, thrift.dictionary_page()?),
            (DATA_PAGE_2, Next::Field(8, STRUCTURE)) => (8, thrift.data_page_2()?),
            _ => return None,
        };
        let ends = thrift.next_field(place)? == Next::End;
        let has_prefixes = encoding == DELTA_BYTE_ARRAY;
        ends.then_some(Self { is_dictionary: kind == DICTIONARY_PAGE, unpacked, packed, has_prefixes })
    }
}

/// What comes next in a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A field's number and type.
    Field(u8, u8),
    End,
}

struct Thrift<R> {
    bytes: R,
}

impl<R: Read> Thrift<R> {
    /// A page's values and the encodings of values and levels.
    fn data_page(&mut self) -> Option<u32> {
        let [_, encoding, _, _] = self.first_numbers()?;
        let mut field = self.next_field(4)?;
        if field == Next::Field(5, STRUCTURE) {
            self.statistics()?;
            field = self.next_field(5)?;
        }
        (field == Next::End).then_some(encoding)
    }

    fn data_page_2(&mut self) -> Option<u32> {
        let [_, _, _, encoding, _, _] = self.first_numbers()?;
        let mut field = self.next_field(6)?;
        if let Next::Field(7, TRUE | FALSE) = field {
            field = self.next_field(7)?;
        }
        if field == Next::Field(8, STRUCTURE) {
            self.statistics()?;
            field = self.next_field(8)?;
        }
        (field == Next::End).then_some(encoding)
    }

    /// A dictionary has no values to be made of others.
    fn dictionary_page(&mut self) -> Option<u32> {
        let [_, _] = self.first_numbers()?;
        let mut field = self.next_field(2)?;
        if let Next::Field(3, TRUE | FALSE) = field {
            field = self.next_field(3)?;
        }
        (field == Next::End).then_some(NO_ENCODING)
    }

    fn index_page(&mut self) -> Option<u32> {
        (self.next_field(0)? == Next::End).then_some(NO_ENCODING)
    }

    /// Least and greatest value twice, counts, and what is exact of them.
    fn statistics(&mut self) -> Option<()> {
        let mut last = 0;
        while let Next::Field(place, kind) = self.next_field(last)? {
            match (place, kind) {
                (1 | 2 | 5 | 6, BINARY) => {
                    let length = self.varint(32)?;
                    let skipped = std::io::copy(&mut self.bytes.by_ref().take(length), &mut std::io::sink()).ok()?;
                    (skipped == length).then_some(())?;
                }
                (3 | 4 | 9, LONG) => {
                    self.varint(64)?;
                }
                (7 | 8, TRUE | FALSE) => {}
                _ => return None,
            }
            last = place;
        }
        Some(())
    }

    /// The numbers that every structure begins with, one behind the other and none below zero.
    fn first_numbers<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut numbers = [0; N];
        for (last, number) in (0..).zip(&mut numbers) {
            (self.next_field(last)? == Next::Field(last + 1, NUMBER)).then_some(())?;
            // Zigzag: even numbers are the positive ones.
            let value = self.varint(32)?;
            *number = (value % 2 == 0).then(|| u32::try_from(value / 2).ok()).flatten()?;
        }
        Some(numbers)
    }

    /// What comes behind field `last`.
    fn next_field(&mut self, last: u8) -> Option<Next> {
        match self.byte()? {
            0 => Some(Next::End),
            mark => {
                let (distance, kind) = (mark >> 4, mark & 0x0f);
                (distance > 0 && kind > 0).then_some(Next::Field(last.checked_add(distance)?, kind))
            }
        }
    }

    /// A number of so many bits, seven in every byte, the lowest first.
    fn varint(&mut self, bits: u32) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return (bits == 64 || value >> bits == 0).then_some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte).ok()?;
        let [byte] = byte;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Kind, sizes and the mark of the structure.
    fn header(kind: u8, mark: &[u8], structure: &[u8]) -> Vec<u8> {
        [&[0x15, kind * 2, 0x15, 0x80, 0x02, 0x15, 0x02][..], mark, structure, &[0, 0]].concat()
    }

    const PLAIN: &[u8] = &[0x15, 0x02, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06];
    const PREFIXES: &[u8] = &[0x15, 0x02, 0x15, 0x0e, 0x15, 0x06, 0x15, 0x06];
    const SECOND: &[u8] = &[0x15, 0x02, 0x15, 0x00, 0x15, 0x02, 0x15, 0x0e, 0x15, 0x00, 0x15, 0x00];
    const STATISTICS: &[u8] = &[0x1c, 0x18, 3, b'a', b'b', b'c', 0x18, 0, 0x16, 0x04, 0x38, 1, b'x', 0x12, 0x11, 0];

    #[rstest]
    #[case::page(header(0, &[0x2c], PLAIN), false, false)]
    #[case::prefixes(header(0, &[0x2c], PREFIXES), false, true)]
    #[case::checksum(header(0, &[0x15, 0x03, 0x1c], PREFIXES), false, true)]
    #[case::largest_checksum(header(0, &[0x15, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1c], PLAIN), false, false)]
    #[case::statistics(header(0, &[0x2c], &[PLAIN, STATISTICS].concat()), false, false)]
    #[case::second_form(header(3, &[0x5c], SECOND), false, true)]
    #[case::second_with_all(header(3, &[0x5c], &[SECOND, &[0x12], STATISTICS].concat()), false, true)]
    #[case::second_with_statistics(header(3, &[0x5c], &[SECOND, &[0x2c], &STATISTICS[1..]].concat()), false, true)]
    #[case::dictionary(header(2, &[0x4c], &[0x15, 0x02, 0x15, 0x00]), true, false)]
    #[case::sorted(header(2, &[0x4c], &[0x15, 0x02, 0x15, 0x00, 0x11]), true, false)]
    #[case::index(header(1, &[0x3c], &[]), false, false)]
    fn a_header_says_what_its_page_takes(
        #[case] bytes: Vec<u8>,
        #[case] is_dictionary: bool,
        #[case] has_prefixes: bool,
    ) {
        let expected = PageHeader { is_dictionary, unpacked: 128, packed: 1, has_prefixes };
        let behind = [bytes.as_slice(), &[0xff; 9]].concat();
        assert_eq!(PageHeader::read(behind.as_slice()), Some(expected));
        for length in 0..bytes.len() {
            assert_eq!(PageHeader::read(&bytes[..length]), None, "cut off after {length}");
        }
    }

    #[rstest]
    #[case::negative(vec![0x15, 0x00, 0x15, 0x03, 0x15, 0x02, 0x2c, 0x15, 0x02, 0x15, 0x10])]
    #[case::left_out([&[0x25, 0x00, 0x15, 0x02, 0x15, 0x02, 0x2c][..], PLAIN, &[0, 0]].concat())]
    #[case::endless(vec![0x15, 0x00, 0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])]
    #[case::beyond_32_bits(vec![0x15, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0x15, 0x02])]
    #[case::other_kind(header(3, &[0x2c], PLAIN))]
    #[case::unknown_kind(header(4, &[0x2c], PLAIN))]
    #[case::repeated_size([&header(0, &[0x2c], PLAIN)[..header(0, &[0x2c], PLAIN).len() - 1], &[0x05, 0x04, 0x15, 0xfe, 0x0f, 0]].concat())]
    #[case::second_structure([&header(0, &[0x2c], PLAIN)[..header(0, &[0x2c], PLAIN).len() - 1], &[0x3c], SECOND, &[0, 0]].concat())]
    #[case::long_form(header(0, &[0x0c, 0x0a], PLAIN))]
    #[case::repeated_encoding(header(0, &[0x2c], &[PLAIN, &[0x05, 0x04, 0x0e]].concat()))]
    #[case::wrong_type(header(0, &[0x2c], &[0x15, 0x02, 0x16, 0x0e, 0x15, 0x06, 0x15, 0x06]))]
    #[case::unknown_field(header(0, &[0x2c], &[PLAIN, &[0x25, 0x02]].concat()))]
    #[case::stop_with_a_distance([&header(0, &[0x2c], PLAIN)[..header(0, &[0x2c], PLAIN).len() - 1], &[0x10]].concat())]
    #[case::structure_in_statistics(header(0, &[0x2c], &[PLAIN, &[0x1c, 0x1c, 0, 0]].concat()))]
    #[case::long_statistics(header(0, &[0x2c], &[PLAIN, &[0x1c, 0x18, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 64]].concat()))]
    #[case::empty(vec![])]
    fn anything_else_is_not_understood(#[case] bytes: Vec<u8>) {
        assert_eq!(PageHeader::read(bytes.as_slice()), None);
    }

    #[test]
    fn a_header_may_be_long_and_not_endless() {
        for (length, fine) in [(100_000_u32, true), (1_048_576, false)] {
            let mut size = Vec::new();
            let mut rest = length;
            while rest >= 0x80 {
                size.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
                rest >>= 7;
            }
            size.push(u8::try_from(rest).unwrap());
            let values = vec![b'x'; length as usize];
            let bytes = header(0, &[0x2c], &[PLAIN, &[0x1c, 0x18], &size, &values, &[0]].concat());
            assert_eq!(PageHeader::read(bytes.as_slice()).is_some(), fine, "{length}");
        }
    }
}
