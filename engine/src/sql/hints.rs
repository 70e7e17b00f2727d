//! Hints: what stands in `/*+ … */`. `OPTIONS` behind a table's name replaces options of the table for that one use;
//! `LOOKUP` behind SELECT says how a table is looked up.

use super::dialect::FlinkDialect;
use super::error::SqlError;
use super::reader::Reader;
use super::statement::Text;
use crate::plan::TableDef;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Whitespace};
use std::collections::HashMap;
use std::sync::Arc;

/// The hints of a script by the place where the name before them ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    /// Options of a table, by the end of its name.
    options: HashMap<(u64, u64), Vec<(Text, Text)>>,
    /// Lookups of a query, by the end of its word SELECT.
    lookups: HashMap<(u64, u64), Vec<LookupHint>>,
}

/// One `LOOKUP(…)`.
#[derive(Debug, Clone)]
pub(super) struct LookupHint {
    /// Where the hint stands.
    pub(super) place: Span,
    pub(super) options: Vec<(Text, Text)>,
}

impl LookupHint {
    /// The value of one of its options.
    pub(super) fn value(&self, key: &str) -> Option<&Text> {
        self.options.iter().find(|(k, _)| k.value == key).map(|(_, value)| value)
    }
}

impl Hints {
    /// Finds the hints among a script's tokens, where they look like comments.
    pub(super) fn read(tokens: &[TokenWithSpan]) -> Result<Self, SqlError> {
        let mut found = Self::default();
        let mut before: Option<&TokenWithSpan> = None;
        for token in tokens {
            match &token.token {
                Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with('+') => {
                    if let Some(before) = before {
                        found.take(&text[1..], token.span, before)?;
                    }
                }
                Token::Whitespace(_) => {}
                _ => before = Some(token),
            }
        }
        Ok(found)
    }

    /// Reads the hints of one comment, which stands behind `before`.
    fn take(&mut self, text: &str, place: Span, before: &TokenWithSpan) -> Result<(), SqlError> {
        let at = (before.span.end.line, before.span.end.column);
        let select = matches!(&before.token, Token::Word(word) if word.keyword == Keyword::SELECT);
        for (name, options) in hints(text, place)? {
            match (name, select) {
                (Name::Lookup, true) => self.lookups.entry(at).or_default().push(LookupHint { place, options }),
                (Name::Options, false) => self.options.entry(at).or_default().extend(options),
                (Name::Lookup, false) => {
                    return Err(SqlError::at(place, "the hint LOOKUP stands behind SELECT"));
                }
                (Name::Options, true) => {
                    return Err(SqlError::at(place, "the hint OPTIONS stands behind a table's name"));
                }
            }
        }
        Ok(())
    }

    /// The lookup hints of the query whose word SELECT stands at `select`.
    pub(super) fn lookups(&self, select: Span) -> &[LookupHint] {
        self.lookups.get(&(select.end.line, select.end.column)).map_or(&[], Vec::as_slice)
    }

    /// The table as it is used where its name, `name`, stands.
    pub(super) fn apply(&self, table: &Arc<TableDef>, name: Span) -> Arc<TableDef> {
        let Some(options) = self.options.get(&(name.end.line, name.end.column)) else { return Arc::clone(table) };
        let mut changed = TableDef::clone(table);
        changed.options.extend(options.iter().map(|(key, value)| (key.value.clone(), value.value.clone())));
        Arc::new(changed)
    }
}

/// Keys and values, in order.
type Options = Vec<(Text, Text)>;

#[derive(Debug, Clone, Copy)]
enum Name {
    Options,
    Lookup,
}

/// Reads `OPTIONS('key'='value', …)` and `LOOKUP('key'='value', …)`, one or several.
fn hints(text: &str, place: Span) -> Result<Vec<(Name, Options)>, SqlError> {
    let dialect = FlinkDialect;
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| SqlError::at(place, e.message.to_lowercase()))?;
    let mut reader = Reader { parser: Parser::new(&dialect).with_tokens_with_locations(tokens) };
    let mut found = Vec::new();
    loop {
        let name = match (reader.word("OPTIONS"), found.is_empty()) {
            (true, _) => Name::Options,
            _ if reader.word("LOOKUP") => Name::Lookup,
            (_, true) => {
                let name = text.split('(').next().unwrap_or_default().trim();
                return Err(SqlError::unsupported(place, format!("the hint {name}")));
            }
            _ => return Err(SqlError::at(place, "a hint is OPTIONS('key'='value', …) and nothing more")),
        };
        // Places inside the hint are counted from its own begin: the hint's place is the better one.
        found.push((name, reader.options().map_err(|e| SqlError::at(place, e.what))?));
        let comma = reader.parser.consume_token(&Token::Comma);
        if !comma && reader.parser.peek_token_ref().token == Token::EOF {
            return Ok(found);
        }
    }
}
