//! A script, cut into the statements that a gateway takes one by one.

use control::RunnerError;
use model::Kind;
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) text: String,
    /// Where it begins in the script, from 1.
    pub(crate) line: u64,
    pub(crate) kind: StatementKind,
}

/// What becomes of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// It makes a job.
    Job,
    /// It declares a table of this name; where its options stand in the text, without the parentheses, and what they are.
    Table { name: String, options: Option<std::ops::Range<usize>>, pairs: Vec<(String, String)> },
    /// It makes this setting.
    Set(String),
    /// It prepares something.
    Other,
}

/// The statements of a script, in their order.
///
/// # Errors
/// Says where the script is cut off in the middle of a text or a comment.
pub(crate) fn statements(script: &str) -> Result<Vec<Statement>, RunnerError> {
    let tokens = Tokenizer::new(&GenericDialect {}, script).with_unescape(false).tokenize_with_location();
    let tokens = tokens.map_err(|error| {
        let place = error.location;
        RunnerError::new(Kind::Invalid, format!("line {}: {}", place.line, error.message))
    })?;
    let places = Places::of(script);
    let mut found = Vec::new();
    let mut current: Vec<&TokenWithSpan> = Vec::new();
    let mut in_set = false;
    for token in &tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon if in_set && !ends_set(&current) => current.push(token),
            Token::SemiColon => {
                found.extend(statement(script, &places, &current, places.offset(token.span.start)));
                (current, in_set) = (Vec::new(), false);
            }
            _ => {
                current.push(token);
                in_set = in_set || begins_set(&current);
            }
        }
    }
    found.extend(statement(script, &places, &current, script.len()));
    Ok(found)
}

/// A statement from its first token to `end`: a hint behind the last token is a part of it.
fn statement(script: &str, places: &Places<'_>, tokens: &[&TokenWithSpan], end: usize) -> Option<Statement> {
    let first = tokens.first()?;
    let from = places.offset(first.span.start);
    let text = script[from..end].trim_end().to_owned();
    let kind = match (word(tokens, 0).as_str(), word(tokens, 1).as_str()) {
        ("INSERT" | "EXECUTE", _) => StatementKind::Job,
        ("SET", _) => match tokens.get(1).map(|token| &token.token) {
            Some(Token::SingleQuotedString(key)) => StatementKind::Set(key.clone()),
            _ => StatementKind::Other,
        },
        ("CREATE", second) if second == "TABLE" || (second == "TEMPORARY" && word(tokens, 2) == "TABLE") => {
            table(script, places, tokens, from)
        }
        _ => StatementKind::Other,
    };
    Some(Statement { text, line: first.span.start.line, kind })
}

/// The upper-case word at a place; empty where there is none.
pub(crate) fn word(tokens: &[&TokenWithSpan], at: usize) -> String {
    match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

fn begins_set(tokens: &[&TokenWithSpan]) -> bool {
    tokens.len() == 4
        && ["EXECUTE", "STATEMENT", "SET", "BEGIN"].iter().enumerate().all(|(at, is)| word(tokens, at) == *is)
}

fn ends_set(tokens: &[&TokenWithSpan]) -> bool {
    word(tokens, tokens.len().saturating_sub(1)) == "END"
}

/// The options of a table: behind the `WITH` that stands in no parentheses.
fn table(script: &str, places: &Places, tokens: &[&TokenWithSpan], from: usize) -> StatementKind {
    let name = name_of(tokens);
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0 && word(tokens, at) == "WITH" => {
                let open = tokens.get(at + 1).filter(|token| token.token == Token::LParen);
                let close = tokens.iter().skip(at).find(|token| token.token == Token::RParen);
                let Some((open, close)) = open.zip(close) else { break };
                let range = places.offset(open.span.end)..places.offset(close.span.start);
                let pairs = pairs(&tokens[at + 2..]);
                debug_assert!(script.is_char_boundary(range.start) && script.is_char_boundary(range.end));
                return StatementKind::Table { name, options: Some(range.start - from..range.end - from), pairs };
            }
            _ => {}
        }
    }
    StatementKind::Table { name, options: None, pairs: Vec::new() }
}

/// The last part of the name that stands before the first parenthesis.
fn name_of(tokens: &[&TokenWithSpan]) -> String {
    let named = tokens.iter().take_while(|token| token.token != Token::LParen);
    named
        .filter_map(|token| if let Token::Word(word) = &token.token { Some(word.value.clone()) } else { None })
        .last()
        .unwrap_or_default()
}

/// `'key' = 'value', …` up to the parenthesis that closes.
fn pairs(tokens: &[&TokenWithSpan]) -> Vec<(String, String)> {
    let texts: Vec<String> = tokens
        .iter()
        .take_while(|token| token.token != Token::RParen)
        .filter_map(|token| match &token.token {
            Token::SingleQuotedString(text) => Some(text.replace("''", "'")),
            _ => None,
        })
        .collect();
    texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// Where lines begin.
pub(crate) struct Places<'a> {
    script: &'a str,
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn of(script: &'a str) -> Self {
        let lines = std::iter::once(0).chain(script.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { script, lines }
    }

    /// Bytes before a place, whose lines and characters are counted from 1.
    pub(crate) fn offset(&self, place: Location) -> usize {
        let line = self.lines.get((place.line as usize).saturating_sub(1)).copied().unwrap_or(self.script.len());
        let characters = (place.column as usize).saturating_sub(1);
        let rest = &self.script[line..];
        line + rest.char_indices().nth(characters).map_or(rest.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(script: &str) -> Vec<(String, u64, bool)> {
        let all = statements(script).unwrap();
        all.into_iter().map(|one| (one.text, one.line, one.kind == StatementKind::Job)).collect()
    }

    #[test]
    fn a_script_is_cut_at_semicolons_that_end_statements() {
        let script = "-- a; comment\nSET 'a' = 'x;y';\n/* ; */ CREATE VIEW v AS SELECT ';' AS `a;b`;\n\n\
                      EXECUTE STATEMENT SET BEGIN\nINSERT INTO a SELECT 1;\nINSERT INTO b SELECT 'é;';\nEND;\nINSERT INTO c SELECT 1";
        assert_eq!(
            cut(script),
            [
                ("SET 'a' = 'x;y'".to_owned(), 2, false),
                ("CREATE VIEW v AS SELECT ';' AS `a;b`".to_owned(), 3, false),
                (
                    "EXECUTE STATEMENT SET BEGIN\nINSERT INTO a SELECT 1;\nINSERT INTO b SELECT 'é;';\nEND".to_owned(),
                    5,
                    true
                ),
                ("INSERT INTO c SELECT 1".to_owned(), 9, true),
            ]
        );
        let hinted = "INSERT INTO a SELECT 1 FROM t /*+ OPTIONS('k'='v;') */ ;";
        assert_eq!(cut(hinted), [(hinted.trim_end_matches(" ;").to_owned(), 1, true)]);
        assert_eq!(cut(" ;; -- nothing\n"), []);
        assert!(statements("SET 'a").unwrap_err().message.starts_with("line 1: "));
    }

    #[test]
    fn options_of_tables_are_found_where_they_stand() {
        let script = "CREATE TABLE t (a INT, b STRING COMMENT 'WITH (') WITH ( 'k' = 'v''s',\n 'é' = '2' )";
        let all = statements(script).unwrap();
        let StatementKind::Table { name, options: Some(range), pairs } = &all[0].kind else { panic!("{all:?}") };
        assert_eq!(&all[0].text[range.clone()], " 'k' = 'v''s',\n 'é' = '2' ");
        assert_eq!(*pairs, [("k".to_owned(), "v's".to_owned()), ("é".to_owned(), "2".to_owned())]);
        assert_eq!(name, "t");
        let bare = statements("CREATE TEMPORARY TABLE IF NOT EXISTS d.`a b` (a INT)").unwrap();
        assert_eq!(bare[0].kind, StatementKind::Table { name: "a b".into(), options: None, pairs: vec![] });
    }
}
