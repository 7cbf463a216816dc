//! Text in the few kinds of character that matter for finding person numbers.
//!
//! People, spreadsheets and word processors write the same number with typographic dashes,
//! hard spaces, full-width or Arabic digits, and with characters in between that nobody can
//! see. All of that is taken out here, so that the search knows ASCII alone.

use std::borrow::Cow;
use std::ops::Range;

/// Stands for any letter beyond ASCII.
pub(super) const LETTER: u8 = 0x80;
/// Stands for any other visible character beyond ASCII.
const SYMBOL: u8 = 0x81;

/// The zeros of all scripts that have decimal digits (Unicode category Nd); one to nine follow each.
const ZEROS: [u32; 74] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50,
    0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2,
    0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e950, 0x1fbf0,
];

/// Characters that take no room: joiners, direction marks, soft hyphens, variation selectors,
/// accents that are put over the character before.
const INVISIBLE: [(u32, u32); 25] = [
    (0xad, 0xad),
    (0x300, 0x36f),
    (0x483, 0x489),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x64b, 0x65f),
    (0x70f, 0x70f),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x1ab0, 0x1aff),
    (0x1dc0, 0x1dff),
    (0x200b, 0x200f),
    (0x202a, 0x202e),
    (0x2060, 0x206f),
    (0x20d0, 0x20ff),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfe20, 0xfe2f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff9, 0xfffb),
    (0x1bca0, 0x1bca3),
    (0x1d173, 0x1d17a),
    (0xe0000, 0xe0fff),
];

/// A text in simple characters, with the way back to where they stand.
pub(super) struct Characters<'a> {
    /// One byte per visible character.
    pub(super) bytes: Cow<'a, [u8]>,
    /// Start and end in the text of every character; empty where bytes and text are the same.
    places: Vec<(usize, usize)>,
}

impl<'a> Characters<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self { bytes: Cow::Borrowed(text.as_bytes()), places: Vec::new() };
        }
        // Most words with letters beyond ASCII have no digits, and then nothing can be found in them.
        if !text.chars().any(|character| simple(character).is_some_and(|byte| byte.is_ascii_digit())) {
            return Self { bytes: Cow::Borrowed(&[]), places: Vec::new() };
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut places = Vec::with_capacity(text.len());
        for (start, character) in text.char_indices() {
            if let Some(byte) = simple(character) {
                bytes.push(byte);
                places.push((start, start + character.len_utf8()));
            }
        }
        Self { bytes: Cow::Owned(bytes), places }
    }

    /// Where a range of characters stands in the text.
    pub(super) fn place(&self, range: &Range<usize>) -> Range<usize> {
        let first = self.places.get(range.start).map_or(range.start, |(start, _)| *start);
        let last = range.end.checked_sub(1).and_then(|last| self.places.get(last));
        first..last.map_or(range.end, |(_, end)| *end)
    }
}

/// The character that stands for this one; `None` when nobody sees it.
fn simple(character: char) -> Option<u8> {
    if character.is_ascii() {
        return u8::try_from(character).ok();
    }
    let code = u32::from(character);
    if INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&code)) {
        return None;
    }
    if let Some(digit) = digit(code) {
        return Some(b'0' + digit);
    }
    Some(match character {
        _ if character.is_whitespace() => b' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2e3a}' | '\u{2e3b}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => b'-',
        // Full-width letters, for replacement numbers.
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => u8::try_from(code - 0xfee0).unwrap_or(LETTER),
        _ if character.is_alphanumeric() => LETTER,
        _ => SYMBOL,
    })
}

fn digit(code: u32) -> Option<u8> {
    let value = match code {
        0xb9 => 1,
        0xb2 => 2,
        0xb3 => 3,
        // Superscript, subscript and circled digits.
        0x2070 | 0x2074..=0x2079 => code - 0x2070,
        0x2080..=0x2089 => code - 0x2080,
        0x24ea => 0,
        0x2460..=0x2468 => code - 0x245f,
        _ => {
            let zero = ZEROS.iter().rev().find(|zero| **zero <= code)?;
            code - zero
        }
    };
    u8::try_from(value).ok().filter(|value| *value < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zeros_are_in_order_and_ten_numerals_follow_each() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for (value, code) in (zero..zero + 10).enumerate() {
                assert_eq!(digit(code).map(usize::from), Some(value), "{code:x}");
                // Numerals that this compiler's Unicode tables do not know yet are unassigned to it.
                if let Some(character) = char::from_u32(code).filter(|character| character.is_alphanumeric()) {
                    assert!(character.is_numeric(), "{code:x}");
                }
            }
        }
    }

    #[test]
    fn a_range_leads_back_to_the_text() {
        let text = "æ\u{200b}0\u{301}２ x";
        let characters = Characters::of(text);
        assert_eq!(characters.bytes.as_ref(), [LETTER, b'0', b'2', b' ', b'x']);
        assert_eq!(&text[characters.place(&(1..3))], "0\u{301}２");
        assert_eq!(&text[Characters::of(text).place(&(4..5))], "x");
    }
}
