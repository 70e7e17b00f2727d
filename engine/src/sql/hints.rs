//! Hints: what stands in `/*+ … */`. `OPTIONS` behind a table's name replaces options of the table for that one use.

use super::dialect::FlinkDialect;
use super::error::SqlError;
use super::reader::Reader;
use super::statement::Text;
use crate::plan::TableDef;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};
use std::collections::HashMap;
use std::sync::Arc;

/// The hints of a script by the place where the name before them ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints(HashMap<(u64, u64), Vec<(Text, Text)>>);

impl Hints {
    /// Finds the hints among a script's tokens, where they look like comments.
    pub(super) fn read(tokens: &[TokenWithSpan]) -> Result<Self, SqlError> {
        let mut found = HashMap::new();
        let mut before: Option<Location> = None;
        for token in tokens {
            match &token.token {
                Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                    let options = options(&text[1..], token.span)?;
                    if let Some(Location { line, column }) = before {
                        found.insert((line, column), options);
                    }
                }
                Token::Whitespace(_) => {}
                _ => before = Some(token.span.end),
            }
        }
        Ok(Self(found))
    }

    /// The table as it is used where its name, `name`, stands.
    pub(super) fn apply(&self, table: &Arc<TableDef>, name: Span) -> Arc<TableDef> {
        let Some(options) = self.0.get(&(name.end.line, name.end.column)) else { return Arc::clone(table) };
        let mut changed = TableDef::clone(table);
        changed.options.extend(options.iter().map(|(key, value)| (key.value.clone(), value.value.clone())));
        Arc::new(changed)
    }
}

/// Reads `OPTIONS('key'='value', …)`.
fn options(text: &str, place: Span) -> Result<Vec<(Text, Text)>, SqlError> {
    let dialect = FlinkDialect;
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| SqlError::at(place, e.message.to_lowercase()))?;
    let mut reader = Reader { parser: Parser::new(&dialect).with_tokens_with_locations(tokens) };
    if !reader.word("OPTIONS") {
        let name = text.split('(').next().unwrap_or_default().trim();
        return Err(SqlError::unsupported(place, format!("the hint {name}")));
    }
    // Places inside the hint are counted from its own begin: the hint's place is the better one.
    let found = reader.options().map_err(|e| SqlError::at(place, e.what))?;
    match reader.parser.peek_token_ref().token {
        Token::EOF => Ok(found),
        _ => Err(SqlError::at(place, "a hint is OPTIONS('key'='value', …) and nothing more")),
    }
}
