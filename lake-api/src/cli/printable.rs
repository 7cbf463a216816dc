//! Text of others, made harmless for a terminal.
//!
//! Titles, statements and descriptions come from analysts, data holders and servers. A
//! carriage return, an escape sequence or a change of writing direction in them could make a
//! steward read something else than what is voted on; such characters are shown by their
//! number instead.

use std::borrow::Cow;

/// The text with every character that would act on the terminal shown as `\u{…}`. Line
/// breaks and tabs stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.replace("\r\n", "\n").chars() {
        if acts(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and format characters that are invisible or turn the direction.
fn acts(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_shown_by_its_number() {
        assert_eq!(printable("SELECT 1 -- x\rharmless"), "SELECT 1 -- x\\u{d}harmless");
        assert_eq!(printable("\u{1b}[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(printable("abc\u{202e}cba"), "abc\\u{202e}cba");
        assert_eq!(printable("in\u{200b}visible\u{9b}31m"), "in\\u{200b}visible\\u{9b}31m");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "Sjælland\n\tPersoner – efter «køn» 日本語 e\u{301}";
        assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        assert_eq!(printable("a\r\nb\u{7}"), "a\nb\\u{7}");
    }
}
