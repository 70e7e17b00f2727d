//! The grammar of Flink's statements, over the parser's tokens: most of them are Flink's own; queries and expressions
//! are the parser's.

use super::create;
use super::error::{Place, SqlError};
use super::script::{THE_END, from_parser};
use super::statement::{CreateView, Insert, Statement, StatementKind, Text};
use sqlparser::ast::{Expr, Ident, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

/// Reads statements from the parser's tokens.
pub(super) struct Reader<'a> {
    pub(super) parser: Parser<'a>,
}

impl Reader<'_> {
    /// All statements up to the end.
    pub(super) fn statements(&mut self) -> Result<Vec<Statement>, SqlError> {
        let mut statements = Vec::new();
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            if self.parser.peek_token_ref().token == Token::EOF {
                return Ok(statements);
            }
            statements.push(self.statement()?);
            let next = self.parser.peek_token();
            if !matches!(next.token, Token::SemiColon | Token::EOF) {
                return Err(SqlError::at(next.span, format!("expected the end of the statement, found {next}"))
                    .hint("statements are separated by semicolons"));
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, SqlError> {
        let place = self.place();
        let kind = self.statement_kind()?;
        Ok(Statement { place, kind })
    }

    fn statement_kind(&mut self) -> Result<StatementKind, SqlError> {
        let token = self.parser.peek_token();
        let word = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            Token::LParen => "SELECT".to_owned(),
            _ => return Err(SqlError::at(token.span, format!("expected a statement, found {token}"))),
        };
        if matches!(word.as_str(), "SELECT" | "WITH" | "VALUES") {
            return Ok(StatementKind::Select(self.query()?));
        }
        self.parser.advance_token();
        match word.as_str() {
            "CREATE" => self.create(token.span),
            "DROP" => self.drop_object(),
            "INSERT" => Ok(StatementKind::Insert(Box::new(self.insert_after_keyword()?))),
            "EXECUTE" => self.execute(),
            "BEGIN" => {
                self.words(&["STATEMENT", "SET"])?;
                self.expect(&Token::SemiColon)?;
                self.statement_set()
            }
            "SET" => self.set(),
            "RESET" => {
                let all = matches!(self.parser.peek_token_ref().token, Token::SemiColon | Token::EOF);
                Ok(StatementKind::Reset(if all { None } else { Some(self.text()?) }))
            }
            "EXPLAIN" => self.explain(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => Ok(StatementKind::Describe(self.table_name()?)),
            "ALTER" | "USE" | "CALL" | "ANALYZE" | "DELETE" | "UPDATE" | "TRUNCATE" | "LOAD" | "UNLOAD" | "COMPILE"
            | "STOP" | "ADD" | "REMOVE" => Err(SqlError::unsupported(token.span, word)),
            _ => Err(SqlError::at(token.span, format!("expected a statement, found {token}")).maybe_hint(
                super::error::did_you_mean(&word, ["SELECT", "INSERT", "CREATE", "EXPLAIN", "EXECUTE", "DESCRIBE"]),
            )),
        }
    }

    fn create(&mut self, place: Span) -> Result<StatementKind, SqlError> {
        if self.parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]) {
            return Err(SqlError::unsupported(place, "CREATE OR REPLACE"));
        }
        let _ = self.word("TEMPORARY");
        let what = self.parser.next_token();
        match &what.token {
            Token::Word(w) if w.keyword == Keyword::TABLE => create::table(self),
            Token::Word(w) if w.keyword == Keyword::VIEW => self.create_view(),
            Token::Word(w) => Err(SqlError::unsupported(what.span, format!("CREATE {}", w.value.to_ascii_uppercase()))),
            _ => Err(SqlError::at(what.span, format!("expected TABLE or VIEW, found {what}"))),
        }
    }

    fn create_view(&mut self) -> Result<StatementKind, SqlError> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        let columns = self.optional_names()?;
        if self.word("COMMENT") {
            self.text()?;
        }
        self.words(&["AS"])?;
        Ok(StatementKind::CreateView(CreateView { name, if_not_exists, columns, query: self.query()? }))
    }

    pub(super) fn if_not_exists(&mut self) -> Result<bool, SqlError> {
        if !self.parser.parse_keyword(Keyword::IF) {
            return Ok(false);
        }
        self.words(&["NOT", "EXISTS"])?;
        Ok(true)
    }

    fn drop_object(&mut self) -> Result<StatementKind, SqlError> {
        let _ = self.word("TEMPORARY");
        let what = self.parser.next_token();
        let view = match &what.token {
            Token::Word(w) if w.keyword == Keyword::TABLE => false,
            Token::Word(w) if w.keyword == Keyword::VIEW => true,
            Token::Word(w) => {
                return Err(SqlError::unsupported(what.span, format!("DROP {}", w.value.to_ascii_uppercase())));
            }
            _ => return Err(SqlError::at(what.span, format!("expected TABLE or VIEW, found {what}"))),
        };
        let if_exists = self.parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
        Ok(StatementKind::Drop { view, name: self.table_name()?, if_exists })
    }

    fn insert_after_keyword(&mut self) -> Result<Insert, SqlError> {
        let place = self.place();
        if self.word("OVERWRITE") {
            return Err(SqlError::unsupported(place, "INSERT OVERWRITE"));
        }
        self.words(&["INTO"])?;
        let table = self.table_name()?;
        let place = self.place();
        if self.word("PARTITION") {
            return Err(SqlError::unsupported(place, "INSERT INTO … PARTITION"));
        }
        // A parenthesis may begin the list of columns or the query.
        let is_query = matches!(&self.parser.peek_nth_token(1).token, Token::Word(w)
            if matches!(w.keyword, Keyword::SELECT | Keyword::VALUES | Keyword::WITH) && w.quote_style.is_none());
        let columns = if is_query { Vec::new() } else { self.optional_names()? };
        Ok(Insert { table, columns, query: self.query()? })
    }

    fn execute(&mut self) -> Result<StatementKind, SqlError> {
        let place = self.place();
        if self.word("INSERT") {
            return Ok(StatementKind::Insert(Box::new(self.insert_after_keyword()?)));
        }
        if !self.word("STATEMENT") {
            return Ok(StatementKind::Select(self.query().map_err(|e| e.or_at(place))?));
        }
        self.words(&["SET", "BEGIN"])?;
        self.statement_set()
    }

    /// Reads INSERTs up to END.
    fn statement_set(&mut self) -> Result<StatementKind, SqlError> {
        let mut inserts = Vec::new();
        loop {
            while self.parser.consume_token(&Token::SemiColon) {}
            let token = self.parser.peek_token();
            if self.word("END") {
                if inserts.is_empty() {
                    return Err(SqlError::at(token.span, "a statement set holds at least one INSERT"));
                }
                return Ok(StatementKind::StatementSet(inserts));
            }
            if !self.word("INSERT") {
                return Err(SqlError::at(token.span, format!("expected INSERT or END, found {}", shown(&token)))
                    .hint("a statement set holds INSERT statements alone"));
            }
            inserts.push(self.insert_after_keyword()?);
            let token = self.parser.peek_token();
            if token.token != Token::SemiColon {
                return Err(SqlError::at(token.span, format!("expected a semicolon, found {}", shown(&token))));
            }
        }
    }

    fn set(&mut self) -> Result<StatementKind, SqlError> {
        if matches!(self.parser.peek_token_ref().token, Token::SemiColon | Token::EOF) {
            return Ok(StatementKind::Set(None));
        }
        let key = self.text()?;
        self.expect(&Token::Eq)?;
        Ok(StatementKind::Set(Some((key, self.text()?))))
    }

    fn explain(&mut self) -> Result<StatementKind, SqlError> {
        let place = self.place();
        if self.word("PLAN") {
            self.words(&["FOR"])?;
        } else if ["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"]
            .iter()
            .any(|w| self.word(w))
        {
            return Err(SqlError::unsupported(place, "EXPLAIN with details").hint("write EXPLAIN alone"));
        }
        let statement = if self.word("STATEMENT") {
            let place = self.place();
            self.words(&["SET", "BEGIN"])?;
            Statement { place, kind: self.statement_set()? }
        } else {
            self.statement()?
        };
        match statement.kind {
            StatementKind::Insert(_) | StatementKind::StatementSet(_) | StatementKind::Select(_) => {
                Ok(StatementKind::Explain(Box::new(statement)))
            }
            _ => Err(SqlError::at(statement.place, "EXPLAIN takes a SELECT, an INSERT or a statement set")),
        }
    }

    fn show(&mut self) -> Result<StatementKind, SqlError> {
        let token = self.parser.next_token();
        match &token.token {
            Token::Word(w) if w.value.eq_ignore_ascii_case("TABLES") => Ok(StatementKind::ShowTables),
            Token::Word(w) if w.value.eq_ignore_ascii_case("VIEWS") => Ok(StatementKind::ShowViews),
            Token::Word(w) => Err(SqlError::unsupported(token.span, format!("SHOW {}", w.value.to_ascii_uppercase()))
                .hint("SHOW TABLES and SHOW VIEWS are")),
            _ => Err(SqlError::at(token.span, format!("expected TABLES or VIEWS, found {}", shown(&token)))),
        }
    }

    /// Where the next token stands.
    pub(super) fn place(&self) -> Span {
        self.parser.peek_token_ref().span
    }

    /// Whether the next token is this unquoted word, whatever its case; it is taken if so.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let is = matches!(&self.parser.peek_token_ref().token,
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
        if is {
            self.parser.advance_token();
        }
        is
    }

    /// Takes these words or says what is there instead.
    pub(super) fn words(&mut self, words: &[&str]) -> Result<(), SqlError> {
        for word in words {
            let token = self.parser.peek_token();
            if !self.word(word) {
                return Err(SqlError::at(token.span, format!("expected {word}, found {}", shown(&token))));
            }
        }
        Ok(())
    }

    pub(super) fn expect(&mut self, token: &Token) -> Result<(), SqlError> {
        let place = self.place();
        self.parser.expect_token(token).map(|_| ()).map_err(|e| from_parser(e, place))
    }

    /// A text in single quotes.
    pub(super) fn text(&mut self) -> Result<Text, SqlError> {
        let token = self.parser.next_token();
        match token.token {
            Token::SingleQuotedString(value) => Ok(Text { value, place: token.span }),
            _ => Err(SqlError::at(token.span, format!("expected a text in single quotes, found {}", shown(&token)))),
        }
    }

    /// A name of a column.
    pub(super) fn name(&mut self) -> Result<Ident, SqlError> {
        let place = self.place();
        let name = self.parser.parse_identifier().map_err(|e| from_parser(e, place))?;
        super::reserved::check(&name)?;
        Ok(name)
    }

    /// A name of a table or a view, without catalog and database.
    pub(super) fn table_name(&mut self) -> Result<Ident, SqlError> {
        let place = self.place();
        let name = self.parser.parse_object_name(false).map_err(|e| from_parser(e, place))?;
        super::names::single(&name, Place::from(place))
    }

    /// `('key'='value', …)`
    pub(super) fn options(&mut self) -> Result<Vec<(Text, Text)>, SqlError> {
        self.expect(&Token::LParen)?;
        let mut options = Vec::new();
        loop {
            let key = self.text()?;
            self.expect(&Token::Eq)?;
            options.push((key, self.text()?));
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)?;
        Ok(options)
    }

    fn optional_names(&mut self) -> Result<Vec<Ident>, SqlError> {
        if self.parser.peek_token_ref().token == Token::LParen { self.names() } else { Ok(Vec::new()) }
    }

    /// Names in parentheses.
    pub(super) fn names(&mut self) -> Result<Vec<Ident>, SqlError> {
        self.expect(&Token::LParen)?;
        let mut names = vec![self.name()?];
        while self.parser.consume_token(&Token::Comma) {
            names.push(self.name()?);
        }
        self.expect(&Token::RParen)?;
        Ok(names)
    }

    pub(super) fn query(&mut self) -> Result<Box<Query>, SqlError> {
        let place = self.place();
        self.parser.parse_query().map_err(|e| from_parser(e, place))
    }

    pub(super) fn expr(&mut self) -> Result<Expr, SqlError> {
        let place = self.place();
        self.parser.parse_expr().map_err(|e| from_parser(e, place))
    }
}

/// A token for a message.
pub(super) fn shown(token: &TokenWithSpan) -> String {
    if token.token == Token::EOF { THE_END.to_owned() } else { token.to_string() }
}
