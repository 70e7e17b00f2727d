//! Statements as they are written, before they are checked against any table.

use super::type_name::Written;
use sqlparser::ast::{Expr, Ident, Query};
use sqlparser::tokenizer::Span;

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
    Physical(Written),
    Computed(Box<Expr>),
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
