//! Quotes of delimited text stand where they can be understood in one way only.
//!
//! Behind the quote that closes a cell follows a delimiter, a line end or, where it is so written, another quote.
//! `csv-core` takes anything: in `P1,"5 inch` it opens a cell, closes it at the next inch, rows later, and goes on as if
//! nothing were wrong. What it reads is followed here from quote to quote. Quotes inside a cell
//! that does not begin with one are characters like others.

use memchr::{memchr, memchr2};

use crate::package::CsvDialect;

/// Where in a record the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first character of a record; line ends and comments may come.
    Start,
    Comment,
    /// Outside of quotes; whether a cell begins here.
    Outside {
        begins: bool,
    },
    Quoted,
    /// Behind an escape sign inside quotes.
    Escaped,
    /// Behind the quote that closed a cell.
    Closed,
}

/// Follows the quotes of one file.
#[derive(Debug)]
pub(super) struct Quotes {
    quote: Option<u8>,
    delimiter: u8,
    double_quote: bool,
    escape: Option<u8>,
    comment: Option<u8>,
    state: State,
}

impl Quotes {
    pub(super) fn of(dialect: &CsvDialect) -> Self {
        let CsvDialect { delimiter, quote, double_quote, escape, comment, header: _, encoding: _ } = *dialect;
        // A quote that is its own escape is a quote first.
        let escape = escape.filter(|escape| Some(*escape) != quote);
        Self { quote, delimiter, double_quote, escape, comment, state: State::Start }
    }

    /// The record has ended.
    pub(super) const fn end_record(&mut self) {
        self.state = State::Start;
    }

    /// Takes what was read next of the record; false when a closed cell goes on.
    pub(super) fn follow(&mut self, mut text: &[u8]) -> bool {
        let Some(quote) = self.quote else { return true };
        while let Some((first, rest)) = text.split_first() {
            let (state, taken) = match self.state {
                State::Start if matches!(first, b'\r' | b'\n') => (State::Start, 1),
                State::Start if self.comment == Some(*first) => (State::Comment, 1),
                State::Start => (State::Outside { begins: true }, 0),
                State::Comment => match memchr(b'\n', text) {
                    Some(end) => (State::Start, end + 1),
                    None => return true,
                },
                State::Outside { begins: true } if *first == quote => (State::Quoted, 1),
                State::Outside { .. } => match memchr(quote, rest) {
                    Some(at) => {
                        let begins = text.get(at) == Some(&self.delimiter);
                        (if begins { State::Quoted } else { State::Outside { begins: false } }, at + 2)
                    }
                    None => (State::Outside { begins: text.last() == Some(&self.delimiter) }, text.len()),
                },
                State::Quoted => {
                    let next = self.escape.map_or_else(|| memchr(quote, text), |escape| memchr2(quote, escape, text));
                    let Some(at) = next else { return true };
                    (if text.get(at) == Some(&quote) { State::Closed } else { State::Escaped }, at + 1)
                }
                State::Escaped => (State::Quoted, 1),
                State::Closed if self.double_quote && *first == quote => (State::Quoted, 1),
                State::Closed if *first == self.delimiter => (State::Outside { begins: true }, 1),
                State::Closed if matches!(first, b'\r' | b'\n') => (State::Start, 1),
                State::Closed => return false,
            };
            self.state = state;
            text = text.get(taken..).unwrap_or_default();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::package::Encoding;

    #[rstest]
    #[case::plain("a,b,c", true)]
    #[case::quoted(r#""a","b, c","d ""e""""#, true)]
    #[case::line_ends("\"a\",\"b\"\r\n", true)]
    #[case::in_the_middle(r#"5",a"b"c,""#, true)]
    #[case::inches("P1,\"5 inch\nP2,ok\nP3,\"6 inch", false)]
    #[case::behind(r#""a"b,c"#, false)]
    #[case::blank(r#""a" ,c"#, false)]
    #[case::at_the_end(r#"a,"b"c"#, false)]
    #[case::empty(r#""",a,"""#, true)]
    #[case::after_lines("\n\r\n\"a\"b", false)]
    fn a_closed_cell_does_not_go_on(#[case] text: &str, #[case] fine: bool) {
        for (escape, comment) in [(None, None), (Some(b'\\'), Some(b'#'))] {
            let dialect = CsvDialect {
                delimiter: b',',
                quote: Some(b'"'),
                double_quote: true,
                escape,
                comment,
                header: true,
                encoding: Encoding::Utf8,
            };
            // However it comes, the answer is the same.
            for size in [1, 2, 3, 100] {
                let mut quotes = Quotes::of(&dialect);
                assert_eq!(text.as_bytes().chunks(size).all(|piece| quotes.follow(piece)), fine, "{size}");
            }
            let mut none = Quotes::of(&CsvDialect { quote: None, ..dialect });
            assert!(none.follow(text.as_bytes()));
        }
    }

    #[rstest]
    #[case(r#""a\"b","c""#, true, true)]
    #[case(r#""a\\"b,"c""#, true, false)]
    #[case(r#""a""b""#, false, false)]
    #[case("#it's \"so\" here\n\"a\",b", true, true)]
    #[case("a,#\"b\"c", true, true)]
    fn escapes_and_comments_are_those_of_the_dialect(
        #[case] text: &str,
        #[case] double_quote: bool,
        #[case] fine: bool,
    ) {
        let dialect = CsvDialect {
            delimiter: b',',
            quote: Some(b'"'),
            double_quote,
            escape: Some(b'\\'),
            comment: Some(b'#'),
            header: true,
            encoding: Encoding::Utf8,
        };
        for size in [1, 2, 3, 100] {
            let mut quotes = Quotes::of(&dialect);
            assert_eq!(text.as_bytes().chunks(size).all(|piece| quotes.follow(piece)), fine, "{size}");
        }
    }
}
