//! From a script's text to its statements: our own layer over the parser's tokens, since most of Flink's statements are
//! its own; queries and expressions are the parser's.

use super::create;
use super::dialect::FlinkDialect;
use super::error::{Place, SqlError};
use super::hints::Hints;
use sqlparser::ast::{Expr, Ident, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// A script: statements in order, parsed but not yet checked against any table.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) text: String,
    pub(super) statements: Vec<Statement>,
    pub(super) hints: Hints,
}

/// One statement and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) place: Span,
    pub(super) kind: StatementKind,
}

#[derive(Debug, Clone)]
pub(super) enum StatementKind {
    CreateTable(Box<CreateTable>),
    CreateView(CreateView),
    Drop {
        view: bool,
        name: Ident,
        if_exists: bool,
    },
    Insert(Box<Insert>),
    StatementSet(Vec<Insert>),
    Select(Box<Query>),
    /// `SET 'key' = 'value'`, or `SET` alone, which lists what is set.
    Set(Option<(Text, Text)>),
    /// `RESET 'key'`, or `RESET` alone, which forgets all settings.
    Reset(Option<Text>),
    Explain(Box<Statement>),
    ShowTables,
    ShowViews,
    Describe(Ident),
}

/// A text constant and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) place: Span,
}

#[derive(Debug, Clone)]
pub(super) struct CreateTable {
    pub(super) name: Ident,
    pub(super) if_not_exists: bool,
    pub(super) columns: Vec<Column>,
    pub(super) watermark: Option<(Ident, Expr)>,
    pub(super) primary_key: Vec<Ident>,
    pub(super) options: Vec<(Text, Text)>,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: Ident,
    pub(super) kind: ColumnKind,
}

#[derive(Debug, Clone)]
pub(super) enum ColumnKind {
    Physical(super::type_name::Written),
    Computed(Expr),
}

#[derive(Debug, Clone)]
pub(super) struct CreateView {
    pub(super) name: Ident,
    pub(super) if_not_exists: bool,
    pub(super) columns: Vec<Ident>,
    pub(super) query: Box<Query>,
}

#[derive(Debug, Clone)]
pub(super) struct Insert {
    pub(super) table: Ident,
    pub(super) columns: Vec<Ident>,
    pub(super) query: Box<Query>,
}

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
        let parser = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
        let mut reader = Reader { parser };
        let statements = reader.statements().map_err(|e| e.within(text))?;
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
    let message = match message.strip_prefix("Expected: ").and_then(|m| m.split_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, found the end of the script"),
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => message,
    };
    let location = place.filter(|p: &sqlparser::tokenizer::Location| p.line > 0).unwrap_or(at.start);
    SqlError::at(location, message)
}

fn read_place(text: &str) -> Option<sqlparser::tokenizer::Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(sqlparser::tokenizer::Location { line: line.parse().ok()?, column: column.trim().parse().ok()? })
}

/// Reads statements from the parser's tokens.
pub(super) struct Reader<'a> {
    pub(super) parser: Parser<'a>,
}

impl Reader<'_> {
    fn statements(&mut self) -> Result<Vec<Statement>, SqlError> {
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
    if token.token == Token::EOF { "the end of the script".to_owned() } else { token.to_string() }
}
