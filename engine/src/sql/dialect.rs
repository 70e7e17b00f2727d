//! The words of Flink's SQL: how its text is cut into tokens, and what its expressions may contain beyond the standard.

use super::type_name;
use sqlparser::ast::{DataType as AstType, Expr, Ident, ObjectName};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// Flink's dialect: backticks around names, single quotes around text, `TABLE t` as an argument, types of its own.
#[derive(Debug)]
pub(super) struct FlinkDialect;

/// The prefix under which `TABLE t` stands among the arguments of a table function.
pub(super) const TABLE_ARGUMENT: &str = "TABLE";

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || ch == '$'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    fn supports_match_recognize(&self) -> bool {
        true
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let token = parser.peek_token();
        let Token::Word(word) = &token.token else { return None };
        let next = parser.peek_nth_token(1).token;
        let is_table = word.keyword == Keyword::TABLE && word.quote_style.is_none() && matches!(next, Token::Word(_));
        if !is_table {
            return None;
        }
        parser.advance_token();
        let prefix = Ident::with_span(token.span, TABLE_ARGUMENT);
        let name = parser.parse_object_name(false).map(|name| Box::new(name_as_expr(name)));
        Some(name.map(|value| Expr::Prefixed { prefix, value }))
    }

    fn parse_data_type(&self, parser: &mut Parser<'_>) -> Option<Result<AstType, ParserError>> {
        // `DATE '2016-01-01'` and intervals are left to the parser, which knows them as expressions.
        if matches!(parser.peek_nth_token(1).token, Token::SingleQuotedString(_))
            || parser.peek_keyword(Keyword::INTERVAL)
        {
            return None;
        }
        let span = parser.peek_token().span;
        Some(type_name::parse(parser).map(|found| {
            // The type travels through the syntax tree as its own name.
            let name = Ident::with_span(span, found.data_type.to_string());
            AstType::Custom(ObjectName::from(vec![name]), Vec::new())
        }))
    }
}

/// A possibly qualified name as an expression.
fn name_as_expr(name: ObjectName) -> Expr {
    let mut parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    if parts.len() == 1 { Expr::Identifier(parts.remove(0)) } else { Expr::CompoundIdentifier(parts) }
}
