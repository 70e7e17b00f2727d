//! The words of Flink's SQL: how its text is cut into tokens, and what its expressions may contain beyond the standard.

use super::type_name;
use sqlparser::ast::{BinaryOperator, DataType as AstType, Expr, Ident, ObjectName, UnaryOperator};
use sqlparser::dialect::{Dialect, Precedence};
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

    fn supports_table_versioning(&self) -> bool {
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
        if next == Token::LParen && word.quote_style.is_none() && is_json_function(&word.value) {
            let (name, place) = (word.value.to_uppercase(), token.span.start);
            return Some(Err(ParserError::ParserError(format!("the function {name} is not supported yet{place}"))));
        }
        let is_table = word.keyword == Keyword::TABLE && word.quote_style.is_none() && matches!(next, Token::Word(_));
        if !is_table {
            return None;
        }
        parser.advance_token();
        let prefix = Ident::with_span(token.span, TABLE_ARGUMENT);
        let name = parser.parse_object_name(false).map(|name| Box::new(name_as_expr(name)));
        let argument = name.and_then(|value| {
            if !parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
                return Ok(value);
            }
            let columns = partition_columns(parser)?.into_iter().map(Expr::Identifier);
            Ok(Box::new(Expr::Tuple(std::iter::once(*value).chain(columns).collect())))
        });
        Some(argument.map(|value| Expr::Prefixed { prefix, value }))
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        let is = |n: usize, word: &str| {
            matches!(&parser.peek_nth_token(n).token, Token::Word(w)
                if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
        };
        let negated = is(0, "NOT");
        let at = usize::from(negated);
        let symmetric = is(at + 1, "SYMMETRIC");
        if !is(at, "BETWEEN") || !(symmetric || is(at + 1, "ASYMMETRIC")) {
            return None;
        }
        (0..at + 2).for_each(|_| parser.advance_token());
        Some(self.between(parser, expr, symmetric, negated))
    }

    fn parse_data_type(&self, parser: &mut Parser<'_>) -> Option<Result<AstType, ParserError>> {
        // `DATE '2016-01-01'` and intervals are left to the parser, which knows them as expressions.
        let next = parser.peek_nth_token(1).token;
        let interval = parser.peek_keyword(Keyword::INTERVAL) && !matches!(next, Token::Word(_));
        if interval || matches!(next, Token::SingleQuotedString(_)) {
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

impl FlinkDialect {
    /// What follows `BETWEEN SYMMETRIC` or `BETWEEN ASYMMETRIC`: between the bounds in the order given, or in either.
    fn between(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        symmetric: bool,
        negated: bool,
    ) -> Result<Expr, ParserError> {
        let precedence = self.prec_value(Precedence::Between);
        let low = parser.parse_subexpr(precedence)?;
        parser.expect_keyword(Keyword::AND)?;
        let high = parser.parse_subexpr(precedence)?;
        let between = |low: &Expr, high: &Expr| Expr::Between {
            expr: Box::new(expr.clone()),
            negated: false,
            low: Box::new(low.clone()),
            high: Box::new(high.clone()),
        };
        let mut found = between(&low, &high);
        if symmetric {
            let (left, right) = (Box::new(found), Box::new(between(&high, &low)));
            found = Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::Or, right }));
        }
        Ok(if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) } } else { found })
    }
}

/// The columns of PARTITION BY among the arguments of a function: in parentheses, or up to the next argument.
fn partition_columns(parser: &mut Parser<'_>) -> Result<Vec<Ident>, ParserError> {
    if parser.consume_token(&Token::LParen) {
        let columns = parser.parse_comma_separated(|p| p.parse_identifier())?;
        parser.expect_token(&Token::RParen)?;
        return Ok(columns);
    }
    let mut columns = vec![parser.parse_identifier()?];
    let is_column = |p: &Parser<'_>| {
        let behind = p.peek_nth_token(2).token;
        matches!(p.peek_nth_token(1).token, Token::Word(_)) && !matches!(behind, Token::LParen | Token::RArrow)
    };
    while parser.peek_token().token == Token::Comma && is_column(parser) {
        parser.advance_token();
        columns.push(parser.parse_identifier()?);
    }
    Ok(columns)
}

/// Functions whose arguments have a grammar of their own.
fn is_json_function(name: &str) -> bool {
    name.get(..5).is_some_and(|begin| begin.eq_ignore_ascii_case("JSON_"))
}

/// A possibly qualified name as an expression.
fn name_as_expr(name: ObjectName) -> Expr {
    let mut parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    if parts.len() == 1 { Expr::Identifier(parts.remove(0)) } else { Expr::CompoundIdentifier(parts) }
}
