//! From a script's text to its statements: tokens, hints, and the parser's complaints in our words.

use super::dialect::FlinkDialect;
use super::error::SqlError;
use super::hints::Hints;
use super::reader::Reader;
use super::statement::Statement;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// A script: statements in order, parsed but not yet checked against any table.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) text: String,
    pub(super) statements: Vec<Statement>,
    pub(super) hints: Hints,
}

/// What is found where tokens run out.
pub(super) const THE_END: &str = "the end of the script";

/// Deepest nesting of expressions and queries.
const DEPTH_MAX: usize = 200;

impl Script {
    /// Reads the statements of `text`. Nothing is checked yet but the grammar.
    ///
    /// # Errors
    /// At the first place where the text is no SQL, or SQL that is not supported.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let dialect = FlinkDialect;
        let tokens = Tokenizer::new(&dialect, text)
            .tokenize_with_location()
            .map_err(|e| SqlError::at(e.location, e.message.to_lowercase()).within(text))?;
        refuse_bang(&tokens, text).map_err(|e| e.within(text))?;
        let hints = Hints::read(&tokens).map_err(|e| e.within(text))?;
        let parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens.clone());
        let mut reader = Reader { parser };
        let statements = reader.statements().map_err(|e| placed(e, &tokens).within(text))?;
        Ok(Self { text: text.to_owned(), statements, hints })
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// Whether there is no statement at all.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }
}

/// The error where the token that it complains about stands: the parser may have gone on, or have no place at all.
fn placed(error: SqlError, tokens: &[TokenWithSpan]) -> SqlError {
    let Some((_, found)) = error.what.rsplit_once(", found ") else { return error };
    let mut written = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_)));
    let Location { line, column } = match found {
        THE_END => written.next_back().map_or(Location::empty(), |t| t.span.end),
        _ => {
            let before = written.take_while(|t| (t.span.start.line, t.span.start.column) <= (error.line, error.column));
            let same = before.filter(|t| t.to_string() == found).last();
            same.map_or(Location { line: error.line, column: error.column }, |t| t.span.start)
        }
    };
    SqlError { line, column, ..error }
}

/// `!=` is read like `<>`, but Flink takes the latter alone.
fn refuse_bang(tokens: &[TokenWithSpan], text: &str) -> Result<(), SqlError> {
    let lines: Vec<&str> = text.lines().collect();
    for token in tokens.iter().filter(|t| t.token == Token::Neq) {
        let Location { line, column } = token.span.start;
        let written = lines.get(line as usize - 1).and_then(|l| l.chars().nth(column as usize - 1));
        if written == Some('!') {
            return Err(SqlError::at(token.span, "!= is no operator in Flink").hint("write <>"));
        }
    }
    Ok(())
}

/// The parser's error at the place that its message names.
pub(super) fn from_parser(error: ParserError, at: Span) -> SqlError {
    let text = match error {
        ParserError::RecursionLimitExceeded => return SqlError::at(at, "the nesting is too deep"),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message.to_owned(), read_place(place)),
        None => (text, None),
    };
    let expectation = message.strip_prefix("Expected").map(|m| m.trim_start_matches([':', ' ']));
    let message = match expectation.and_then(|m| m.split_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, found {THE_END}"),
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => message,
    };
    let location = place.filter(|p: &Location| p.line > 0).unwrap_or(at.start);
    SqlError::at(location, message)
}

fn read_place(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? })
}
