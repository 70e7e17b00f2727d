//! A session: runs scripts against tables, views and settings that it keeps, and hands out what is to be done.

use super::bind::{Binder, place_of};
use super::catalog::{Catalog, Entry, TIME_ZONE};
use super::changelog;
use super::error::{SqlError, did_you_mean};
use super::explain;
use super::hints::Hints;
use super::lookup;
use super::lower::{Root, lower};
use super::proctime;
use super::query::{Planner, renamed};
use super::rel::{Rel, RelKind, RelRef};
use super::rewrite::rewrite;
use super::scope::Scope;
use super::script::Script;
use super::sink;
use super::statement::{ColumnKind, CreateTable, CreateView, Insert, Statement, StatementKind, Text};
use crate::expr::{CastMode, Expr, Zone};
use crate::functions::Functions;
use crate::plan::{JobPlan, SinkTarget, TableDef, WatermarkDef};
use crate::port::{Connectors, Role};
use crate::types::{DataType, Field, Schema};
use model::limits::PARALLELISM_MAX;
use sqlparser::ast::Ident;
use sqlparser::tokenizer::Span;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One thing to be done, in the order of the script.
#[derive(Debug, Clone)]
pub enum Planned {
    /// A job to run.
    Job {
        /// What to run.
        plan: JobPlan,
        /// The job's name: `SET 'pipeline.name'`, else where its rows go.
        description: String,
    },
    /// The text of a plan, to be shown.
    Explain(String),
    /// A small table, to be shown.
    Rows {
        /// The names of the columns.
        columns: Vec<String>,
        /// The rows, each with a text for each column.
        rows: Vec<Vec<String>>,
    },
    /// A line, to be shown.
    Message(String),
}

/// Tables, views and settings, kept from script to script.
#[derive(Debug, Clone, Default)]
pub struct Session {
    catalog: Catalog,
}

impl Session {
    /// A session without tables, in UTC.
    pub fn new() -> Self {
        Self::default()
    }

    /// A session that also knows the functions of the program.
    #[must_use]
    pub fn with_functions(functions: Functions) -> Self {
        let mut session = Self::default();
        session.catalog.functions = functions;
        session
    }

    /// The settings in force.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.catalog.settings
    }

    /// Checks the whole script and says what is to be done for each statement, in order. Tables that a query reads or
    /// writes are shown to `connectors`.
    ///
    /// # Errors
    /// At the first thing that cannot stand; the session is then as it was before.
    pub fn plan(&mut self, script: &Script, connectors: &dyn Connectors) -> Result<Vec<Planned>, SqlError> {
        let mut run = Run { catalog: self.catalog.clone(), connectors, planned: Vec::new(), hints: &script.hints };
        run.catalog.forget_places();
        for statement in &script.statements {
            run.statement(statement).map_err(|e| e.or_at(statement.place).within(&script.text))?;
        }
        self.catalog = run.catalog;
        Ok(run.planned)
    }
}

/// The run of one script over a copy of the session's catalog.
struct Run<'a> {
    catalog: Catalog,
    connectors: &'a dyn Connectors,
    planned: Vec<Planned>,
    hints: &'a Hints,
}

impl Run<'_> {
    fn planner(&self) -> Planner<'_> {
        Planner::new(&self.catalog, self.hints, self.connectors)
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), SqlError> {
        match &statement.kind {
            StatementKind::CreateTable(table) => self.create_table(table),
            StatementKind::CreateView(view) => self.create_view(view),
            StatementKind::Drop { view, name, if_exists } => self.catalog.remove(name, *view, *if_exists),
            StatementKind::Set(None) => {
                let rows = self.catalog.settings.iter().map(|(k, v)| vec![k.clone(), v.clone()]).collect();
                self.planned.push(Planned::Rows { columns: vec!["key".into(), "value".into()], rows });
                Ok(())
            }
            StatementKind::Set(Some((key, value))) => {
                check_setting(key, value)?;
                self.catalog.set(&key.value, &value.value);
                Ok(())
            }
            StatementKind::Reset(key) => {
                self.catalog.reset(key.as_ref().map(|k| k.value.as_str()));
                Ok(())
            }
            StatementKind::ShowTables => self.list("table name", false),
            StatementKind::ShowViews => self.list("view name", true),
            StatementKind::Describe(name) => self.describe(name),
            StatementKind::Explain(inner) => {
                let (plan, _) = self.job(inner)?;
                self.planned.push(Planned::Explain(explain::text(&plan)));
                Ok(())
            }
            StatementKind::Insert(_) | StatementKind::StatementSet(_) | StatementKind::Select(_) => {
                let (plan, name) = self.job(statement)?;
                let description = self.catalog.settings.get("pipeline.name").cloned().unwrap_or(name);
                self.planned.push(Planned::Job { plan, description });
                Ok(())
            }
        }
    }

    /// The plan of a statement that runs, and a name for it.
    fn job(&self, statement: &Statement) -> Result<(JobPlan, String), SqlError> {
        let one;
        let inserts: &[Insert] = match &statement.kind {
            StatementKind::Select(query) => {
                let rel = rewrite(&self.planner().query(query)?);
                let root = self.root(rel, SinkTarget::Collect, None, Vec::new(), statement.place)?;
                let plan = lower(&[root], self.catalog.settings.clone());
                return Ok((proctime::checked(plan, statement.place)?, "select".to_owned()));
            }
            StatementKind::StatementSet(inserts) => inserts,
            StatementKind::Insert(insert) => {
                one = [(**insert).clone()];
                &one
            }
            _ => return Err(SqlError::at(statement.place, "this statement runs nothing")),
        };
        let mut roots = Vec::with_capacity(inserts.len());
        for insert in inserts {
            roots.push(self.insert(insert)?);
        }
        let mut names: Vec<&str> = inserts.iter().map(|i| i.table.value.as_str()).collect();
        names.dedup();
        let plan = proctime::checked(lower(&roots, self.catalog.settings.clone()), statement.place)?;
        Ok((plan, format!("insert into {}", names.join(", "))))
    }

    fn insert(&self, insert: &Insert) -> Result<Root, SqlError> {
        let place = insert.table.span;
        let Entry::Table(table, _) = self.catalog.get(&insert.table)? else {
            return Err(SqlError::at(
                place,
                format!("\"{}\" is a view: nothing can be written into it", insert.table.value),
            ));
        };
        let table = self.hints.apply(table, place);
        let output = sink::insert(&self.planner(), insert, &table)?;
        self.check_connector(&table, Role::Sink, place)?;
        let target = SinkTarget::Table(output.table);
        let rel = rewrite(&output.rel);
        let takes = self.connectors.changelog(&table);
        let batch =
            self.catalog.settings.get("execution.runtime-mode").is_some_and(|m| m.eq_ignore_ascii_case("batch"));
        let rel = changelog::fitted(rel, &table, takes, &output.key, batch, place.into())?;
        self.root(rel, target, Some(output.columns), output.key, place)
    }

    /// Where rows leave the job; what names a row is looked for when no primary key does.
    fn root(
        &self,
        rel: RelRef,
        target: SinkTarget,
        columns: Option<Vec<usize>>,
        key: Vec<usize>,
        place: Span,
    ) -> Result<Root, SqlError> {
        changelog::check(&rel, place.into())?;
        for (table, role) in tables_of(&rel) {
            self.check_connector(&table, role, place)?;
        }
        let columns = columns.unwrap_or_else(|| (0..rel.schema.fields.len()).collect());
        if !key.is_empty() {
            return Ok(Root { rel, target, columns, key });
        }
        let (rel, key) = Rel::keyed(&rel).unwrap_or((rel, Vec::new()));
        Ok(Root { rel, target, columns, key })
    }

    /// The connector's own check; its complaint stands where the table was created.
    fn check_connector(&self, table: &TableDef, role: Role, place: Span) -> Result<(), SqlError> {
        let created = self.catalog.place_of(&table.name).filter(|p| p.start.line > 0);
        self.connectors
            .check(table, role)
            .map_err(|e| SqlError::at(created.unwrap_or(place), format!("table \"{}\": {}", table.name, e.message)))
    }

    fn create_view(&mut self, view: &CreateView) -> Result<(), SqlError> {
        let rel = self.planner().query(&view.query)?;
        let rel = renamed(rel, &view.columns)?;
        self.catalog.add(&view.name, Entry::View(rel), view.if_not_exists)
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<(), SqlError> {
        let table = table_def(create, self.catalog.zone(), &self.catalog.functions)?;
        self.catalog.add(&create.name, Entry::Table(Arc::new(table), create.name.span), create.if_not_exists)
    }

    fn list(&mut self, title: &str, views_only: bool) -> Result<(), SqlError> {
        let rows = self.catalog.names(views_only).into_iter().map(|name| vec![name]).collect();
        self.planned.push(Planned::Rows { columns: vec![title.to_owned()], rows });
        Ok(())
    }

    fn describe(&mut self, name: &Ident) -> Result<(), SqlError> {
        let rel = self.catalog.relation(name)?;
        let table = match &rel.kind {
            RelKind::Scan { table, .. } => Some(Arc::clone(table)),
            _ => None,
        };
        let rows = (0..rel.schema.fields.len()).map(|i| describe_column(&rel, table.as_deref(), i)).collect();
        let columns = ["name", "type", "null", "key", "extras", "watermark"].map(str::to_owned).to_vec();
        self.planned.push(Planned::Rows { columns, rows });
        Ok(())
    }
}

fn describe_column(rel: &Rel, table: Option<&TableDef>, index: usize) -> Vec<String> {
    let field = &rel.schema.fields[index];
    let names = |i: usize| rel.schema.fields[i].name.clone();
    let rowtime = if rel.role(index).is_rowtime() { " *ROWTIME*" } else { "" };
    let extras = table.and_then(|t| t.computed[index].as_ref()).map(|e| format!("AS {}", e.shown(&names)));
    let watermark = table.and_then(|t| t.watermark.as_ref()).filter(|w| w.column == index);
    let key = table.is_some_and(|t| t.primary_key.contains(&index));
    let key_names = |t: &TableDef| t.primary_key.iter().map(|&k| names(k)).collect::<Vec<_>>().join(", ");
    vec![
        field.name.clone(),
        format!("{}{rowtime}", field.data_type),
        if field.nullable { "TRUE" } else { "FALSE" }.to_owned(),
        if key { table.map_or(String::new(), |t| format!("PRI({})", key_names(t))) } else { String::new() },
        extras.unwrap_or_default(),
        watermark.map_or(String::new(), |w| w.expr.shown(&names).to_string()),
    ]
}

/// The tables that a relation reads.
fn tables_of(rel: &Rel) -> Vec<(Arc<TableDef>, Role)> {
    let own = match &rel.kind {
        RelKind::Scan { table, .. } => Some((Arc::clone(table), Role::Source)),
        RelKind::Widen { by, .. } => lookup::table_of(by).map(|table| (Arc::clone(table), Role::Lookup)),
        _ => None,
    };
    own.into_iter().chain(rel.inputs().iter().flat_map(|i| tables_of(i))).collect()
}

/// A table as declared, checked.
fn table_def(create: &CreateTable, zone: Zone, functions: &Functions) -> Result<TableDef, SqlError> {
    let mut fields: Vec<Field> = Vec::with_capacity(create.columns.len());
    let mut physical = Schema::default();
    for column in &create.columns {
        let name = &column.name;
        if create.columns.iter().filter(|c| c.name.value == name.value).count() > 1 {
            return Err(SqlError::at(name.span, format!("column \"{}\" is declared twice", name.value)));
        }
        if let ColumnKind::Physical(written) = &column.kind {
            let nullable = written.nullable.unwrap_or(true);
            physical.fields.push(Field { name: name.value.clone(), data_type: written.data_type, nullable });
        }
    }
    // Computed columns read physical ones, which keep their place in the whole row.
    let place = |name: &str| create.columns.iter().position(|c| c.name.value == name).unwrap_or_default();
    let places: Vec<usize> = physical.fields.iter().map(|f| place(&f.name)).collect();
    let scope = Scope::of(Some(create.name.value.clone()), physical.clone());
    let mut computed = Vec::with_capacity(create.columns.len());
    for column in &create.columns {
        match &column.kind {
            ColumnKind::Physical(_) => {
                computed.push(None);
                fields.push(physical.fields[physical.index_of(&column.name.value).unwrap_or_default()].clone());
            }
            ColumnKind::Computed(expr) => {
                let bound = Binder::new(&scope, zone, "a computed column").with_functions(functions).bind(expr)?;
                if bound.data_type == DataType::Null {
                    return Err(SqlError::at(place_of(expr), "a bare NULL has no type").hint("CAST it"));
                }
                let bound =
                    bound.map_columns(&mut |c, e| Expr { kind: crate::expr::ExprKind::Column(places[c]), ..e.clone() });
                fields.push(Field {
                    name: column.name.value.clone(),
                    data_type: bound.data_type,
                    nullable: bound.nullable,
                });
                computed.push(Some(bound));
            }
        }
    }
    let schema = Schema { fields };
    let watermark = watermark(create, &schema, zone)?;
    let primary_key = primary_key(create, &schema, &computed)?;
    let options = options(create)?;
    let mut table = TableDef { name: create.name.value.clone(), schema, computed, watermark, primary_key, options };
    for &key in &table.primary_key {
        table.schema.fields[key].nullable = false;
    }
    Ok(table)
}

fn watermark(create: &CreateTable, schema: &Schema, zone: Zone) -> Result<Option<WatermarkDef>, SqlError> {
    let Some((name, expr)) = &create.watermark else { return Ok(None) };
    let scope = Scope::of(Some(create.name.value.clone()), schema.clone());
    let (column, bound) = scope.column(name)?;
    let rowtime = bound.data_type;
    if !matches!(rowtime, DataType::Timestamp(0..=3) | DataType::TimestampLtz(0..=3)) {
        let what = format!("a time attribute is TIMESTAMP(3) or TIMESTAMP_LTZ(3), \"{}\" is {rowtime}", name.value);
        return Err(SqlError::at(name.span, what));
    }
    let bound = Binder::new(&scope, zone, "WATERMARK").bind(expr)?;
    let same_kind = matches!(
        (rowtime, bound.data_type),
        (DataType::Timestamp(_), DataType::Timestamp(_)) | (DataType::TimestampLtz(_), DataType::TimestampLtz(_))
    );
    if !same_kind {
        let what = format!("the watermark is {}, the column \"{}\" is {rowtime}", bound.data_type, name.value);
        return Err(SqlError::at(place_of(expr), what).hint("write it like: time - INTERVAL '5' SECOND"));
    }
    let to = match rowtime {
        DataType::TimestampLtz(_) => DataType::TimestampLtz(3),
        _ => DataType::Timestamp(3),
    };
    Ok(Some(WatermarkDef { column, expr: bound.cast(to, CastMode::Strict, zone) }))
}

fn primary_key(create: &CreateTable, schema: &Schema, computed: &[Option<Expr>]) -> Result<Vec<usize>, SqlError> {
    let scope = Scope::of(None, schema.clone());
    let mut key = Vec::with_capacity(create.primary_key.len());
    for name in &create.primary_key {
        let (column, _) = scope.column(name)?;
        if computed[column].is_some() {
            return Err(SqlError::at(name.span, format!("\"{}\" is computed: it cannot be a key", name.value)));
        }
        if key.contains(&column) {
            return Err(SqlError::at(name.span, format!("\"{}\" stands twice in the key", name.value)));
        }
        key.push(column);
    }
    Ok(key)
}

fn options(create: &CreateTable) -> Result<BTreeMap<String, String>, SqlError> {
    let mut options = BTreeMap::new();
    for (key, value) in &create.options {
        if options.insert(key.value.clone(), value.value.clone()).is_some() {
            return Err(SqlError::at(key.place, format!("the option '{}' is given twice", key.value)));
        }
    }
    Ok(options)
}

/// Settings whose values are looked at when they are set.
fn check_setting(key: &Text, value: &Text) -> Result<(), SqlError> {
    let wrong = |what: String| Err(SqlError::at(value.place, what));
    let one_of = |words: &[&str]| -> Result<(), SqlError> {
        if words.iter().any(|w| w.eq_ignore_ascii_case(&value.value)) {
            return Ok(());
        }
        Err(SqlError::at(value.place, format!("'{}' is no value of '{}'", value.value, key.value)).maybe_hint(
            did_you_mean(&value.value, words.iter().copied()).or(Some(format!("it is one of {}", words.join(", ")))),
        ))
    };
    match key.value.as_str() {
        TIME_ZONE if Zone::parse(&value.value).is_none() => wrong(format!("'{}' is no time zone", value.value))
            .map_err(|e: SqlError| e.hint("write it like 'America/New_York' or 'UTC'")),
        "parallelism.default" => match value.value.parse::<u32>() {
            Ok(n) if (1..=PARALLELISM_MAX).contains(&n) => Ok(()),
            _ => wrong(format!("the parallelism is 1 to {PARALLELISM_MAX}, not '{}'", value.value)),
        },
        "execution.runtime-mode" => one_of(&["streaming", "batch"]),
        sink::NOT_NULL_ENFORCER => one_of(&["ERROR", "DROP"]),
        _ => Ok(()),
    }
}
