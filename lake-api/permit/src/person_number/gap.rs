//! What may stand between two groups of a person number's digits.
//!
//! One to three signs that are neither letters nor digits. In text that was made for the web a sign may be
//! escaped: `&nbsp;`, `&#45;`, `%2D`, `%C2%A0`, and once more escaped `&amp;nbsp;` and `%252D`. An escape holds letters and digits
//! of its own, so a gap is read in two ways: as it is written, and with its escapes for the signs they stand for.

use std::ops::Range;

use super::characters::LETTER;

/// Most signs between two groups of digits.
const WIDEST: usize = 3;
/// Longest name or number of an escape.
const LONGEST_NAME: usize = 8;
/// Escapes of escapes that are followed.
const DEEPEST: usize = 3;
/// Escapes that stand for dashes, or end so, in small letters.
const DASHES: [&str; 15] = [
    "-",
    "%2d",
    "%e2%80%9",
    "%e2%88%92",
    "%c2%ad",
    "dash;",
    "minus;",
    "hyphen;",
    "shy;",
    "&#45;",
    "&#x2d;",
    "&#820",
    "&#821",
    "&#x201",
    "&#8722;",
];

/// How a gap is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    AsWritten,
    /// Escapes are signs. A gap without any is no gap but where groups have several.
    Unescaped,
}

/// The gap at `start` with a digit behind it.
pub(super) fn gap_at(bytes: &[u8], start: usize, reading: Reading) -> Option<Range<usize>> {
    let is_sign = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != LETTER;
    let end = match reading {
        Reading::AsWritten => {
            let length = bytes.iter().skip(start).take(WIDEST + 1).take_while(|byte| is_sign(byte)).count();
            (1..=WIDEST).contains(&length).then_some(start + length)?
        }
        Reading::Unescaped => {
            let mut end = start;
            for _ in 0..WIDEST {
                let rest = bytes.get(end..)?;
                let length = escape(rest).or_else(|| rest.first().is_some_and(is_sign).then_some(1));
                end += length.unwrap_or(0);
            }
            (end > start).then_some(end)?
        }
    };
    bytes.get(end).is_some_and(u8::is_ascii_digit).then_some(start..end)
}

/// Whether a gap has a dash in it.
pub(super) fn is_dash(gap: &[u8]) -> bool {
    let has = |dash: &str| gap.windows(dash.len()).any(|part| part.eq_ignore_ascii_case(dash.as_bytes()));
    DASHES.into_iter().any(has)
}

/// Whether a text may have escapes.
pub(super) fn may_have_escapes(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, b'&' | b'%'))
}

/// The length of the escape of one sign at the beginning of a text.
fn escape(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'&' => entity(text),
        b'%' => percent(text),
        _ => None,
    }
}

/// `&name;`, `&#10;` or `&#xA;`, with `amp;` as often as it was escaped again.
fn entity(text: &[u8]) -> Option<usize> {
    let mut rest = text.strip_prefix(b"&")?;
    let mut escaped_again = false;
    for _ in 0..DEEPEST {
        if let Some(inner) = rest.strip_prefix(b"amp;") {
            (rest, escaped_again) = (inner, true);
        }
    }
    let body = rest.strip_prefix(b"#").unwrap_or(rest);
    let name = body.iter().take(LONGEST_NAME).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let ends = name > 0 && body.get(name) == Some(&b';');
    let left = if ends { body.len() - name - 1 } else { rest.len() };
    (ends || escaped_again).then_some(text.len() - left)
}

/// `%20`, or the several escapes of one character beyond ASCII.
fn percent(text: &[u8]) -> Option<usize> {
    let (first, mut length) = percent_byte(text)?;
    if first < 0x80 {
        return (!first.is_ascii_alphanumeric()).then_some(length);
    }
    while let Some((0x80..=0xBF, more)) = percent_byte(text.get(length..)?)
        && length < 4 * more
    {
        length += more;
    }
    Some(length)
}

/// A byte and how long its escape is; `%25` is an escaped percent sign.
fn percent_byte(text: &[u8]) -> Option<(u8, usize)> {
    let mut rest = text.strip_prefix(b"%")?;
    for _ in 0..DEEPEST {
        rest = rest.strip_prefix(b"25").filter(|inner| hexadecimal(inner).is_some()).unwrap_or(rest);
    }
    Some((hexadecimal(rest)?, text.len() - rest.len() + 2))
}

fn hexadecimal(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..2)?).ok()?;
    // A sign in front would be taken for one of the number's.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("-9", Some(1))]
    #[case(" - 9", Some(3))]
    #[case("&nbsp;9", Some(6))]
    #[case("&#160;9", Some(6))]
    #[case("&#xA0;9", Some(6))]
    #[case("&amp;nbsp;9", Some(10))]
    #[case("&amp;#45;9", Some(9))]
    #[case("&amp;9", Some(5))]
    #[case("%2D9", Some(3))]
    #[case("%209", Some(3))]
    #[case("%252d9", Some(5))]
    #[case("%C2%A09", Some(6))]
    #[case("%20%E2%80%93%209", Some(15))]
    #[case("&nbsp;-&nbsp;9", Some(13))]
    #[case("&nbsp9", None)]
    #[case("&nbsp;x", None)]
    #[case("%419", Some(1))]
    #[case("----9", None)]
    #[case("", None)]
    fn an_escape_is_one_sign(#[case] text: &str, #[case] length: Option<usize>) {
        let gap = gap_at(text.as_bytes(), 0, Reading::Unescaped);
        assert_eq!(gap, length.map(|length| 0..length), "{text}");
    }

    #[test]
    fn dashes_are_known_in_every_writing() {
        for dash in ["-", " - ", "%2D", "&ndash;", "&#45;", "%E2%80%93", "&minus;"] {
            assert!(is_dash(dash.as_bytes()), "{dash}");
        }
        for other in [" ", "%20", "&nbsp;", "."] {
            assert!(!is_dash(other.as_bytes()), "{other}");
        }
    }
}
