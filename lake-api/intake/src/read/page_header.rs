//! The beginning of a Parquet page header, in Thrift's compact protocol.
//!
//! ```text
//!  1 kind of page   2 bytes unpacked   3 bytes packed   (4 checksum)
//!  5 data page {1 values  2 encoding …}   or   8 data page 2 {1 values  2 nulls  3 rows  4 encoding …}
//! ```
//!
//! Fields are numbered, and a field's mark says how far it is from the one before. Everybody
//! writes them in order; a header of another order is not understood, and its file is refused.

/// A number of 32 bits in the next field.
const NEXT_NUMBER: u8 = 0x15;
/// A structure in the field after next, and so on: the distance in the upper half.
const STRUCTURE: u8 = 0x0c;
const DELTA_BYTE_ARRAY: u32 = 7;
const DICTIONARY_PAGE: u32 = 2;

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
    /// No beginning of a header is longer: eight numbers of five bytes, with their marks.
    pub(super) const LONGEST: u64 = 64;

    /// Reads the beginning of a header; `None` when it is not understood.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = number(bytes)?;
        let (unpacked, rest) = number(rest)?;
        let (packed, rest) = number(rest)?;
        let (rest, at) = match any_number(rest) {
            // A checksum may be any 32 bits.
            Some((_, rest)) => (rest, 4),
            None => (rest, 3),
        };
        let (mark, rest) = rest.split_first()?;
        let encoding = match (mark & 0x0f, at + (mark >> 4)) {
            (STRUCTURE, 5) => last_of(2, rest)?,
            (STRUCTURE, 8) => last_of(4, rest)?,
            // A dictionary or an index has no values to be made of others.
            (STRUCTURE, 6 | 7) => 0,
            _ => return None,
        };
        let has_prefixes = encoding == DELTA_BYTE_ARRAY;
        Some(Self { is_dictionary: kind == DICTIONARY_PAGE, unpacked, packed, has_prefixes })
    }
}

/// The last of so many numbers.
fn last_of(count: u8, mut rest: &[u8]) -> Option<u32> {
    let mut last = None;
    for _ in 0..count {
        let (value, more) = number(rest)?;
        (last, rest) = (Some(value), more);
    }
    last
}

/// The next field, when it is a number and not negative.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = any_number(bytes)?;
    // Zigzag: even numbers are the positive ones.
    (value % 2 == 0).then(|| u32::try_from(value / 2).ok()).flatten().map(|value| (value, rest))
}

/// The next field, when it is a number; as it is written.
fn any_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = bytes.strip_prefix(&[NEXT_NUMBER])?;
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, more) = rest.split_first()?;
        rest = more;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::page(&[0x15, 0x00, 0x15, 0x80, 0x02, 0x15, 0x02, 0x2c, 0x15, 0x02, 0x15, 0x10], false, 128, 1, false)]
    #[case::prefixes(&[0x15, 0x00, 0x15, 0x04, 0x15, 0x02, 0x2c, 0x15, 0x02, 0x15, 0x0e], false, 2, 1, true)]
    #[case::checksum(&[0x15, 0x00, 0x15, 0x04, 0x15, 0x02, 0x15, 0x03, 0x1c, 0x15, 0x02, 0x15, 0x0e], false, 2, 1, true)]
    #[case::second_form(
        &[0x15, 0x06, 0x15, 0x04, 0x15, 0x02, 0x5c, 0x15, 0x02, 0x15, 0x00, 0x15, 0x02, 0x15, 0x0e], false, 2, 1, true
    )]
    #[case::dictionary(&[0x15, 0x04, 0x15, 0x04, 0x15, 0x02, 0x4c, 0x15, 0x02], true, 2, 1, false)]
    fn a_header_says_what_its_page_takes(
        #[case] bytes: &[u8],
        #[case] is_dictionary: bool,
        #[case] unpacked: u32,
        #[case] packed: u32,
        #[case] has_prefixes: bool,
    ) {
        let expected = PageHeader { is_dictionary, unpacked, packed, has_prefixes };
        assert_eq!(PageHeader::read(bytes), Some(expected));
        assert!(bytes.len() as u64 <= PageHeader::LONGEST);
    }

    #[rstest]
    #[case::negative(&[0x15, 0x00, 0x15, 0x03, 0x15, 0x02, 0x2c, 0x15, 0x02, 0x15, 0x10])]
    #[case::left_out(&[0x25, 0x00, 0x15, 0x02, 0x15, 0x02, 0x2c, 0x15, 0x02, 0x15, 0x10])]
    #[case::endless(&[0x15, 0x00, 0x15, 0xff, 0xff, 0xff, 0xff, 0xff])]
    #[case::cut_off(&[0x15, 0x00, 0x15, 0x04, 0x15, 0x02, 0x2c, 0x15])]
    #[case::empty(&[])]
    fn anything_else_is_not_understood(#[case] bytes: &[u8]) {
        assert_eq!(PageHeader::read(bytes), None);
    }
}
