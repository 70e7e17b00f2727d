//! The grammar of `CREATE TABLE`.

use super::error::SqlError;
use super::reader::{Reader, shown};
use super::script::from_parser;
use super::statement::{Column, ColumnKind, CreateTable, StatementKind};
use super::type_name;
use sqlparser::ast::Ident;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

/// Reads what follows `CREATE [TEMPORARY] TABLE`.
pub(super) fn table(reader: &mut Reader<'_>) -> Result<StatementKind, SqlError> {
    let if_not_exists = reader.if_not_exists()?;
    let name = reader.table_name()?;
    let mut table =
        CreateTable { name, if_not_exists, columns: vec![], watermark: None, primary_key: vec![], options: vec![] };
    let place = reader.place();
    if reader.word("AS") || reader.word("LIKE") {
        return Err(SqlError::unsupported(place, "CREATE TABLE … AS and LIKE").hint("write out the columns"));
    }
    reader.expect(&Token::LParen)?;
    loop {
        element(reader, &mut table)?;
        if !reader.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    reader.expect(&Token::RParen)?;
    if reader.word("COMMENT") {
        reader.text()?;
    }
    let place = reader.place();
    for (word, feature) in [("PARTITIONED", "PARTITIONED BY"), ("DISTRIBUTED", "DISTRIBUTED BY")] {
        if reader.word(word) {
            return Err(SqlError::unsupported(place, feature));
        }
    }
    if reader.parser.parse_keyword(Keyword::WITH) {
        table.options = reader.options()?;
    }
    let place = reader.place();
    if reader.word("LIKE") || reader.word("AS") {
        return Err(SqlError::unsupported(place, "CREATE TABLE … AS and LIKE").hint("write out the columns"));
    }
    Ok(StatementKind::CreateTable(Box::new(table)))
}

fn element(reader: &mut Reader<'_>, table: &mut CreateTable) -> Result<(), SqlError> {
    let place = reader.place();
    let follows = |reader: &mut Reader<'_>, word: &str| matches!(&reader.parser.peek_nth_token(1).token, Token::Word(w) if w.value.eq_ignore_ascii_case(word));
    if follows(reader, "FOR") && reader.word("WATERMARK") {
        if table.watermark.is_some() {
            return Err(SqlError::at(place, "a table has one watermark at most"));
        }
        reader.words(&["FOR"])?;
        let column = reader.name()?;
        if reader.parser.peek_token_ref().token == Token::Period {
            return Err(SqlError::unsupported(place, "a watermark on a nested column"));
        }
        reader.words(&["AS"])?;
        table.watermark = Some((column, reader.expr()?));
        return Ok(());
    }
    if reader.word("CONSTRAINT") {
        reader.name()?;
    }
    if follows(reader, "KEY") && reader.word("PRIMARY") {
        reader.words(&["KEY"])?;
        let names = reader.names()?;
        return primary_key(reader, table, names);
    }
    if follows(reader, "KEY") && reader.word("UNIQUE") {
        return Err(SqlError::unsupported(place, "UNIQUE").hint("PRIMARY KEY (…) NOT ENFORCED is"));
    }
    column(reader, table)
}

fn primary_key(reader: &mut Reader<'_>, table: &mut CreateTable, names: Vec<Ident>) -> Result<(), SqlError> {
    let place = reader.place();
    if !table.primary_key.is_empty() {
        return Err(SqlError::at(place, "a table has one primary key at most"));
    }
    if !(reader.word("NOT") && reader.word("ENFORCED")) {
        return Err(SqlError::at(place, "a primary key is not checked").hint("write NOT ENFORCED behind it"));
    }
    table.primary_key = names;
    Ok(())
}

fn column(reader: &mut Reader<'_>, table: &mut CreateTable) -> Result<(), SqlError> {
    let name = reader.name()?;
    if reader.parser.parse_keyword(Keyword::AS) {
        let kind = ColumnKind::Computed(Box::new(reader.expr()?));
        table.columns.push(Column { name, kind });
    } else {
        let place = reader.place();
        let written = type_name::parse(&mut reader.parser).map_err(|e| from_parser(e, place))?;
        table.columns.push(Column { name: name.clone(), kind: ColumnKind::Physical(written) });
        let place = reader.place();
        if reader.word("METADATA") {
            return Err(SqlError::unsupported(place, "a METADATA column"));
        }
        if reader.word("PRIMARY") {
            reader.words(&["KEY"])?;
            primary_key(reader, table, vec![name])?;
        }
    }
    if reader.word("COMMENT") {
        reader.text()?;
    }
    let next = reader.parser.peek_token();
    if !matches!(next.token, Token::Comma | Token::RParen) {
        return Err(SqlError::at(
            next.span,
            format!("expected a comma or a closing parenthesis, found {}", shown(&next)),
        ));
    }
    Ok(())
}
