//! What a `PromQL` expression speaks of: its metrics and its labels. Only as much of the
//! language as that takes; whether an expression is one is said by promtool.

use std::collections::BTreeSet;

/// Before a list of labels in parentheses.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are neither metric nor label.
const OPERATORS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"];

/// The names in an expression.
#[derive(Debug, Default)]
pub(crate) struct Mentioned {
    pub(crate) metrics: BTreeSet<String>,
    pub(crate) labels: BTreeSet<String>,
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Symbol(char),
}

/// The words and symbols of an expression, or of a sample in the text format: strings, numbers
/// and ranges are left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '"' | '\'' => {
                while let Some(inner) = rest.next().filter(|inner| *inner != first) {
                    if inner == '\\' {
                        rest.next();
                    }
                }
            }
            '[' => while rest.next().is_some_and(|inner| inner != ']') {},
            _ if first.is_whitespace() => {}
            _ if first.is_ascii_alphanumeric() || first == '_' => {
                let mut word = String::from(first);
                while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || "_:.".contains(*next)) {
                    word.push(next);
                }
                if !first.is_ascii_digit() {
                    tokens.push(Token::Word(word));
                }
            }
            symbol => tokens.push(Token::Symbol(symbol)),
        }
    }
    tokens
}

/// What an expression, or a sample in the text format, speaks of.
pub(crate) fn mentioned(expression: &str) -> Mentioned {
    let tokens = tokens(expression);
    let mut found = Mentioned::default();
    let mut labels_until = None;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let grouping = |token: Option<&Token>| matches!(token, Some(Token::Word(word)) if GROUPING.contains(&&**word));
        match token {
            Token::Symbol('{') => labels_until = Some('}'),
            Token::Symbol('(') if grouping(before) => labels_until = Some(')'),
            Token::Symbol(symbol) => labels_until = labels_until.filter(|end| end != symbol),
            Token::Word(word) if labels_until.is_some() => {
                found.labels.insert(word.clone());
            }
            Token::Word(_) if next == Some(&Token::Symbol('(')) || grouping(next) || grouping(Some(token)) => {}
            Token::Word(word) if OPERATORS.contains(&&**word) => {}
            Token::Word(word) => {
                found.metrics.insert(word.clone());
            }
        }
    }
    found
}

#[test]
fn the_names_of_an_expression_are_found_and_nothing_else() {
    let found = mentioned(
        "histogram_quantile(0.95, sum by (le, route) (rate(a_bucket{tenant=~\"$x, {b}\"}[5m]))) \
         / on (tenant) group_left (kind) (b_total offset 1h) or vector(1e3) > bool c",
    );
    assert_eq!(found.metrics, ["a_bucket", "b_total", "c"].map(str::to_owned).into());
    assert_eq!(found.labels, ["le", "route", "tenant", "kind"].map(str::to_owned).into());
    let sample = mentioned(r#"http_total{method="GET",route="/v1/{id}",code="a\"b"} 1.0"#);
    assert_eq!(sample.metrics, ["http_total"].map(str::to_owned).into());
    assert_eq!(sample.labels, ["method", "route", "code"].map(str::to_owned).into());
}
