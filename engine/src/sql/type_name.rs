//! Names of types as they are written in `CREATE TABLE` and `CAST`.

use crate::types::DataType;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

/// A type as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// The type.
    pub(super) data_type: DataType,
    /// `NULL` or `NOT NULL`, where given.
    pub(super) nullable: Option<bool>,
}

/// Reads a type and, behind it, `NULL` or `NOT NULL`.
pub(super) fn parse(parser: &mut Parser<'_>) -> Result<Written, ParserError> {
    let token = parser.next_token();
    let Token::Word(word) = &token.token else { return parser.expected("a data type", token) };
    if word.quote_style.is_some() {
        return parser.expected("a data type", token);
    }
    let name = word.value.to_ascii_uppercase();
    let data_type = match name.as_str() {
        "BOOLEAN" => DataType::Boolean,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => {
            let _ = parser.parse_keyword(Keyword::PRECISION);
            DataType::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(parser)?,
        "CHAR" => DataType::Char(length(parser)?.unwrap_or(1)),
        "VARCHAR" => length(parser)?.map_or(DataType::STRING, DataType::Varchar),
        "STRING" => DataType::STRING,
        "BYTES" => DataType::Bytes,
        "DATE" => DataType::Date,
        "TIME" => {
            let precision = digits(parser, 0)?;
            without_zone(parser)?;
            DataType::Time(precision)
        }
        "TIMESTAMP" => timestamp(parser)?,
        "TIMESTAMP_LTZ" => DataType::TimestampLtz(digits(parser, 6)?),
        "INTERVAL" | "ARRAY" | "MAP" | "MULTISET" | "ROW" | "RAW" | "BINARY" | "VARBINARY" => {
            return Err(refused(&token, format!("the type {name} is not supported yet")));
        }
        _ => return parser.expected("a data type", token),
    };
    if parser.parse_keyword(Keyword::ARRAY) || parser.parse_keyword(Keyword::MULTISET) {
        return Err(refused(&token, "collections of values are not supported yet".to_owned()));
    }
    let nullable = if parser.parse_keywords(&[Keyword::NOT, Keyword::NULL]) {
        Some(false)
    } else {
        parser.parse_keyword(Keyword::NULL).then_some(true)
    };
    Ok(Written { data_type, nullable })
}

/// The type that a type's own name stands for.
pub(super) fn from_name(name: &str) -> Option<DataType> {
    let dialect = super::dialect::FlinkDialect;
    let tokens = Tokenizer::new(&dialect, name).tokenize_with_location().ok()?;
    parse(&mut Parser::new(&dialect).with_tokens_with_locations(tokens)).ok().map(|w| w.data_type)
}

/// An error in the form of the parser's own, so that its place is found the same way.
fn refused(token: &sqlparser::tokenizer::TokenWithSpan, what: String) -> ParserError {
    ParserError::ParserError(format!("{what}{}", token.span.start))
}

fn number(parser: &mut Parser<'_>, low: u64, high: u64) -> Result<u64, ParserError> {
    let token = parser.peek_token();
    let value = parser.parse_literal_uint()?;
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(refused(&token, format!("{value} is out of bounds: {low} to {high} are possible here")))
}

fn length(parser: &mut Parser<'_>) -> Result<Option<u32>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let length = number(parser, 1, i32::MAX as u64)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Some(length as u32))
}

fn digits(parser: &mut Parser<'_>, default: u8) -> Result<u8, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(default);
    }
    let digits = number(parser, 0, 9)?;
    parser.expect_token(&Token::RParen)?;
    Ok(digits as u8)
}

fn decimal(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(DataType::Decimal(10, 0));
    }
    let precision = number(parser, 1, 38)?;
    let scale = if parser.consume_token(&Token::Comma) { number(parser, 0, precision)? } else { 0 };
    parser.expect_token(&Token::RParen)?;
    Ok(DataType::Decimal(precision as u8, scale as u8))
}

fn without_zone(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    if parser.parse_keyword(Keyword::WITHOUT) {
        parser.expect_keywords(&[Keyword::TIME, Keyword::ZONE])?;
    }
    Ok(())
}

fn timestamp(parser: &mut Parser<'_>) -> Result<DataType, ParserError> {
    let precision = digits(parser, 6)?;
    without_zone(parser)?;
    let token = parser.peek_token();
    if !parser.parse_keyword(Keyword::WITH) {
        return Ok(DataType::Timestamp(precision));
    }
    if !parser.parse_keyword(Keyword::LOCAL) {
        return Err(refused(&token, "TIMESTAMP WITH TIME ZONE is not supported: use TIMESTAMP_LTZ".to_owned()));
    }
    parser.expect_keywords(&[Keyword::TIME, Keyword::ZONE])?;
    Ok(DataType::TimestampLtz(precision))
}
