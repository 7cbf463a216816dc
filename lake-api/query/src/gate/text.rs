//! The first net: caps on the text itself, before any parser sees it.
//!
//! A parser or planner that is asked to swallow a megabyte of SQL or twenty thousand
//! terms may run out of stack long before a rule has been looked at, so size and nesting
//! are decided on tokens. Tokens are also the only place where *everything* a person
//! wrote can be seen: names, literals and the comments that the parser throws away. They
//! are scanned for person numbers, and names must be too plain to carry data.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};
use oscar_permit::{PersonNumber, RESERVED_PREFIX};

use super::refusal::{GateRefusal, RefusalCode};
use crate::catalog::PermittedCatalog;

/// Longest statement in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;
/// Most tokens that are not white space.
pub(crate) const MAX_TOKENS: usize = 4_000;
/// Deepest nesting of parentheses, CASE and subqueries.
pub(crate) const MAX_NESTING: usize = 40;
/// Most different names that are not the catalogue's.
const MAX_OWN_NAMES: usize = 100;
const MAX_NAME_LENGTH: usize = 40;
const MAX_DIGIT_RUN: usize = 4;

/// What the text alone says.
#[derive(Debug)]
pub(crate) struct CheckedText {
    /// The tokens, for the parser.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Number and text literals in the statement.
    pub(crate) literals: u32,
}

/// Judges the text of a statement.
pub(crate) fn check_text(sql: &str, catalog: &PermittedCatalog) -> Result<CheckedText, GateRefusal> {
    if sql.len() > MAX_TEXT_BYTES {
        return Err(GateRefusal::new(RefusalCode::TextTooLong, "statement"));
    }
    if PersonNumber::occurs_in(sql) {
        return Err(GateRefusal::new(RefusalCode::PersonNumberInText, "statement"));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| GateRefusal::new(RefusalCode::Syntax, place(error.location)))?;
    check_size(&tokens)?;
    check_start(&tokens)?;
    let known = catalogue_names(catalog);
    let mut own = BTreeSet::new();
    let mut literals = 0u32;
    for token in &tokens {
        let at = || place(token.span.start);
        if let Some(text) = written_text(&token.token)
            && PersonNumber::occurs_in(text)
        {
            return Err(GateRefusal::new(RefusalCode::PersonNumberInText, at()));
        }
        match &token.token {
            Token::Word(word) => check_word(word, &known, &mut own).map_err(|code| GateRefusal::new(code, at()))?,
            Token::Placeholder(_) => return Err(GateRefusal::new(RefusalCode::ExpressionRefused, at())),
            other if is_literal(other) => literals = literals.saturating_add(1),
            _ => {}
        }
    }
    if literals > catalog.max_literals {
        return Err(GateRefusal::new(RefusalCode::TooManyLiterals, "statement"));
    }
    Ok(CheckedText { tokens, literals })
}

/// `line 3, column 7`.
pub(crate) fn place(location: Location) -> String {
    format!("line {}, column {}", location.line, location.column)
}

fn check_size(tokens: &[TokenWithSpan]) -> Result<(), GateRefusal> {
    let mut depth = 0usize;
    let mut count = 0usize;
    let mut prefixes = 0usize;
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Word(word) if word.keyword == Keyword::CASE => depth += 1,
            Token::Word(word) if word.keyword == Keyword::END => depth = depth.saturating_sub(1),
            _ => {}
        }
        count += 1;
        // NOT NOT NOT … and - - - … nest as deeply as parentheses do.
        prefixes = if is_prefix(&token.token) { prefixes + 1 } else { 0 };
        if depth > MAX_NESTING || prefixes > MAX_NESTING {
            return Err(GateRefusal::new(RefusalCode::TooDeep, place(token.span.start)));
        }
        if count > MAX_TOKENS {
            return Err(GateRefusal::new(RefusalCode::TooManyTokens, place(token.span.start)));
        }
    }
    Ok(())
}

fn is_prefix(token: &Token) -> bool {
    match token {
        Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark => true,
        Token::Word(word) => word.keyword == Keyword::NOT,
        _ => false,
    }
}

/// Only queries begin with SELECT, WITH, VALUES or a parenthesis. Everything else is
/// refused before a parser decides what it might be.
fn check_start(tokens: &[TokenWithSpan]) -> Result<(), GateRefusal> {
    let first = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_) | Token::SemiColon));
    let Some(first) = first else {
        return Err(GateRefusal::new(RefusalCode::NotOneStatement, "statement"));
    };
    match &first.token {
        Token::LParen => Ok(()),
        Token::EOF => Err(GateRefusal::new(RefusalCode::NotOneStatement, "statement")),
        Token::Word(word) if matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES) => Ok(()),
        _ => Err(GateRefusal::new(RefusalCode::StatementRefused, place(first.span.start))),
    }
}

fn catalogue_names(catalog: &PermittedCatalog) -> BTreeSet<&str> {
    let tables = catalog.tables.iter().flat_map(|(reference, table)| {
        let columns = table.columns.iter().map(AsRef::as_ref);
        [reference.dataset.as_str(), reference.table.as_str()].into_iter().chain(columns)
    });
    tables.collect()
}

fn check_word(word: &Word, known: &BTreeSet<&str>, own: &mut BTreeSet<String>) -> Result<(), RefusalCode> {
    if word.quote_style.is_none() {
        match word.keyword {
            Keyword::NoKeyword => {}
            Keyword::RECURSIVE | Keyword::INTO | Keyword::LATERAL | Keyword::TABLESAMPLE | Keyword::UNNEST => {
                return Err(RefusalCode::QueryFormRefused);
            }
            _ => return Ok(()),
        }
    }
    let name = if word.quote_style.is_none() { word.value.to_lowercase() } else { word.value.clone() };
    if known.contains(name.as_str()) {
        return Ok(());
    }
    if !is_plain_name(&name) {
        return Err(RefusalCode::NameRefused);
    }
    own.insert(name);
    if own.len() > MAX_OWN_NAMES { Err(RefusalCode::NameRefused) } else { Ok(()) }
}

/// A name too plain to carry data.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let mut run = 0usize;
    let digits_ok = name.bytes().all(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run <= MAX_DIGIT_RUN
    });
    digits_ok
        && (1..=MAX_NAME_LENGTH).contains(&name.len())
        && !name.starts_with(RESERVED_PREFIX)
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_literal(token: &Token) -> bool {
    matches!(token, Token::Number(..)) || (written_text(token).is_some() && !matches!(token, Token::Whitespace(_)))
}

/// The text a person wrote inside a literal or a comment, decoded.
fn written_text(token: &Token) -> Option<&str> {
    match token {
        Token::Number(text, _)
        | Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text)
        | Token::TripleSingleQuotedString(text)
        | Token::TripleDoubleQuotedString(text)
        | Token::SingleQuotedByteStringLiteral(text)
        | Token::DoubleQuotedByteStringLiteral(text)
        | Token::TripleSingleQuotedByteStringLiteral(text)
        | Token::TripleDoubleQuotedByteStringLiteral(text)
        | Token::SingleQuotedRawStringLiteral(text)
        | Token::DoubleQuotedRawStringLiteral(text)
        | Token::TripleSingleQuotedRawStringLiteral(text)
        | Token::TripleDoubleQuotedRawStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::HexStringLiteral(text) => Some(text),
        Token::DollarQuotedString(quoted) => Some(&quoted.value),
        Token::QuoteDelimitedStringLiteral(quoted) | Token::NationalQuoteDelimitedStringLiteral(quoted) => {
            Some(&quoted.value)
        }
        Token::Whitespace(Whitespace::SingleLineComment { comment, .. } | Whitespace::MultiLineComment(comment)) => {
            Some(comment)
        }
        _ => None,
    }
}
