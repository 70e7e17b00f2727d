//! Relations: what a query means, as a tree of operators over typed columns, before it becomes a plan.

use crate::expr::{Expr, Zone, functions};
use crate::functions::TableRef;
use crate::plan::{Aggregate, JoinTime, KeyedOperator, LookupOptions, TableDef, WindowKind, WindowSpec, WindowTime};
use crate::types::{DataType, Field, Schema};
use std::sync::Arc;

/// A relation, shared where a view is read more than once.
pub(super) type RelRef = Arc<Rel>;

/// Rows with typed columns, some of which tell time.
#[derive(Debug, Clone)]
pub(super) struct Rel {
    pub(super) kind: RelKind,
    pub(super) schema: Schema,
    /// What each column is beside its type.
    pub(super) roles: Vec<Role>,
}

#[derive(Debug, Clone)]
pub(super) enum RelKind {
    /// All columns of a table.
    Scan {
        table: Arc<TableDef>,
        /// Rows replace each other by the primary key, and go away by it.
        upserts: bool,
    },
    /// Constant rows.
    Values(Vec<Vec<Expr>>),
    Filter {
        input: RelRef,
        predicate: Expr,
    },
    Project {
        input: RelRef,
        exprs: Vec<Expr>,
    },
    /// Adds the columns of a table function or a table that is looked up, a row for each row that it gives.
    Widen {
        input: RelRef,
        by: Widening,
    },
    Union(Vec<RelRef>),
    /// Adds `window_start`, `window_end` and `window_time`.
    Assign {
        input: RelRef,
        window: WindowSpec,
    },
    /// Keeps rows by key. Columns of the operator are those of the inputs; gives what [`KeyedOperator`] says.
    Keyed {
        inputs: Vec<RelRef>,
        keys: Vec<Vec<usize>>,
        operator: KeyedOperator,
    },
    /// Groups by window and key; gives keys, aggregates, `window_start`, `window_end`, `window_time`.
    Aggregate {
        input: RelRef,
        window: Grouping,
        keys: Vec<usize>,
        aggregates: Vec<Aggregate>,
    },
}

/// What rows are joined to, each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Widening {
    Function(TableCall),
    Lookup(Box<LookupCall>),
}

/// A table that is asked for keys over the columns of an input.
#[derive(Debug, Clone)]
pub(super) struct LookupCall {
    pub(super) table: Arc<TableDef>,
    /// Columns of the table, ascending, and their values over the input.
    pub(super) keys: Vec<(usize, Expr)>,
    pub(super) options: LookupOptions,
    /// Rows whose key it does not have are kept.
    pub(super) outer: bool,
}

impl PartialEq for LookupCall {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.table, &other.table) && self.outer == other.outer;
        same && self.keys == other.keys && self.options == other.options
    }
}

impl Eq for LookupCall {}

/// A call of a table function over the columns of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableCall {
    pub(super) function: TableRef,
    pub(super) args: Vec<Expr>,
    /// Rows for which it gives nothing are kept.
    pub(super) outer: bool,
}

/// What a column is beside its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing special.
    Plain,
    /// An event-time attribute: watermarks speak of it.
    Rowtime,
    /// A processing-time attribute, which has no value.
    Proctime,
    /// A part of the window that the row is in.
    Window(Part, Shape),
}

/// Which part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Start,
    End,
    Time,
}

/// What windows look like, wherever their rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// `None`: sessions.
    pub(super) kind: Option<WindowKind>,
    pub(super) size_ms: i64,
    pub(super) slide_ms: i64,
    pub(super) offset_ms: i64,
    pub(super) zone: Zone,
    /// The type of `window_time`.
    pub(super) time: DataType,
    /// Rows come to them by the clock.
    pub(super) processing: bool,
}

/// How rows come to their window in an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grouping {
    Assigned(WindowSpec, Shape),
    Attached { start: usize, end: usize, shape: Shape },
}

impl Role {
    /// Whether windows can be made over the column.
    pub(super) fn is_rowtime(self) -> bool {
        match self {
            Self::Rowtime => true,
            Self::Window(Part::Time, shape) => !shape.processing,
            _ => false,
        }
    }

    /// Whether it marks processing time.
    pub(super) fn is_proctime(self) -> bool {
        match self {
            Self::Proctime => true,
            Self::Window(Part::Time, shape) => shape.processing,
            _ => false,
        }
    }

    /// What is left of it behind a keyed operator: where rows come at any time, none of their columns tells it.
    fn behind(self, operator: &KeyedOperator, changes: bool) -> Self {
        match (operator, self) {
            (KeyedOperator::Session { .. }, role) => role.outside_window(),
            // Its rows are those of a table; that they change is told to those who cannot take it.
            (KeyedOperator::Normalize, role) => role,
            (_, role) if role.is_proctime() && changes => Self::Proctime,
            (_, role) if role.is_rowtime() && changes => Self::Plain,
            (_, role) => role,
        }
    }

    /// What is left of it once other windows are made over the row.
    fn outside_window(self) -> Self {
        match self {
            role if role.is_rowtime() => Self::Rowtime,
            role if role.is_proctime() => Self::Proctime,
            Self::Window(_, _) => Self::Plain,
            other => other,
        }
    }
}

/// The type of a time attribute.
fn type_of(time: WindowTime, input: &RelRef) -> DataType {
    time.column().map_or(DataType::TimestampLtz(3), |column| input.schema.fields[column].data_type)
}

/// The fields that windows add to a row.
fn window_fields(shape: Shape) -> [Field; 3] {
    let field = |name: &str, data_type| Field { name: name.to_owned(), data_type, nullable: false };
    [
        field("window_start", DataType::Timestamp(3)),
        field("window_end", DataType::Timestamp(3)),
        field("window_time", shape.time),
    ]
}

/// The roles of the columns that windows add to a row.
fn window_roles(shape: Shape) -> [Role; 3] {
    [Part::Start, Part::End, Part::Time].map(|part| Role::Window(part, shape))
}

impl Rel {
    /// All rows of a table that is only added to.
    pub(super) fn scan(table: Arc<TableDef>) -> RelRef {
        Self::scanned(table, false)
    }

    /// The rows that are there of a table whose rows replace each other by its primary key, as they change.
    pub(super) fn upserted(table: Arc<TableDef>) -> RelRef {
        let key = table.primary_key.clone();
        Self::keyed_by(vec![Self::scanned(table, true)], vec![key], KeyedOperator::Normalize, Vec::new())
    }

    fn scanned(table: Arc<TableDef>, upserts: bool) -> RelRef {
        let rowtime = table.watermark.as_ref().map(|w| w.column);
        let marks = |i: usize| table.computed[i].as_ref().is_some_and(functions::is_proctime);
        let role = |i| match i {
            _ if Some(i) == rowtime => Role::Rowtime,
            _ if marks(i) => Role::Proctime,
            _ => Role::Plain,
        };
        let roles = (0..table.schema.fields.len()).map(role).collect();
        Arc::new(Self { schema: table.schema.clone(), roles, kind: RelKind::Scan { table, upserts } })
    }

    pub(super) fn values(rows: Vec<Vec<Expr>>, schema: Schema) -> RelRef {
        let roles = vec![Role::Plain; schema.fields.len()];
        Arc::new(Self { kind: RelKind::Values(rows), schema, roles })
    }

    pub(super) fn filter(input: RelRef, predicate: Expr) -> RelRef {
        let (schema, roles) = (input.schema.clone(), input.roles.clone());
        Arc::new(Self { kind: RelKind::Filter { input, predicate }, schema, roles })
    }

    /// Columns that are taken over as they are keep their roles.
    pub(super) fn project(input: RelRef, columns: Vec<(Expr, String)>) -> RelRef {
        let computed = |e: &Expr| if functions::is_proctime(e) { Role::Proctime } else { Role::Plain };
        let role = |e: &Expr| e.as_column().map_or_else(|| computed(e), |c| input.roles[c]);
        let roles = columns.iter().map(|(e, _)| role(e)).collect();
        let field =
            |(e, name): &(Expr, String)| Field { name: name.clone(), data_type: e.data_type, nullable: e.nullable };
        let schema = Schema { fields: columns.iter().map(field).collect() };
        let exprs = columns.into_iter().map(|(e, _)| e).collect();
        Arc::new(Self { kind: RelKind::Project { input, exprs }, schema, roles })
    }

    /// All inputs have columns of the same types; the first gives the names.
    pub(super) fn union(inputs: Vec<RelRef>) -> RelRef {
        let mut schema = inputs[0].schema.clone();
        let mut roles = inputs[0].roles.clone();
        for input in &inputs[1..] {
            for (i, field) in input.schema.fields.iter().enumerate() {
                schema.fields[i].nullable |= field.nullable;
                if input.roles[i] != roles[i] {
                    roles[i] = match (input.roles[i], roles[i]) {
                        (a, b) if a.is_rowtime() && b.is_rowtime() => Role::Rowtime,
                        (a, b) if a.is_proctime() && b.is_proctime() => Role::Proctime,
                        _ => Role::Plain,
                    };
                }
            }
        }
        Arc::new(Self { kind: RelKind::Union(inputs), schema, roles })
    }

    /// `fields` are the columns that are added.
    pub(super) fn widen(input: RelRef, by: Widening, fields: Vec<Field>) -> RelRef {
        let (mut schema, mut roles) = (input.schema.clone(), input.roles.clone());
        roles.extend(fields.iter().map(|_| Role::Plain));
        schema.fields.extend(fields);
        Arc::new(Self { kind: RelKind::Widen { input, by }, schema, roles })
    }

    pub(super) fn assign(input: RelRef, window: WindowSpec) -> RelRef {
        let shape = Shape {
            kind: Some(window.kind),
            size_ms: window.size_ms,
            slide_ms: window.slide_ms,
            offset_ms: window.offset_ms,
            zone: window.zone,
            time: type_of(window.time, &input),
            processing: window.time == WindowTime::Processing,
        };
        let mut schema = input.schema.clone();
        schema.fields.extend(window_fields(shape));
        let roles = input.roles.iter().map(|r| r.outside_window()).chain(window_roles(shape)).collect();
        Self::marked(Arc::new(Self { kind: RelKind::Assign { input, window }, schema, roles }), shape)
    }

    /// The rows of `rel`, whose last three columns are those of windows of this shape. Where these go by the clock,
    /// `window_time` marks processing time and has no value, as every such column.
    fn marked(rel: RelRef, shape: Shape) -> RelRef {
        if !shape.processing {
            return rel;
        }
        let last = rel.schema.fields.len() - 1;
        let of = |i: usize| if i == last { functions::proctime(shape.zone) } else { rel.column(i) };
        let columns = rel.schema.fields.iter().enumerate().map(|(i, f)| (of(i), f.name.clone())).collect();
        let mut marked = Self::project(rel.clone(), columns);
        if let Some(known) = Arc::get_mut(&mut marked) {
            known.roles.clone_from(&rel.roles);
        }
        marked
    }

    /// `results` are the fields of the aggregates.
    pub(super) fn aggregate(
        input: RelRef,
        window: Grouping,
        keys: Vec<usize>,
        aggregates: Vec<Aggregate>,
        results: Vec<Field>,
    ) -> RelRef {
        let shape = window.shape();
        let mut fields: Vec<Field> = keys.iter().map(|&k| input.schema.fields[k].clone()).collect();
        fields.extend(results);
        let mut roles = vec![Role::Plain; fields.len()];
        fields.extend(window_fields(shape));
        roles.extend(window_roles(shape));
        let kind = RelKind::Aggregate { input, window, keys, aggregates };
        Self::marked(Arc::new(Self { kind, schema: Schema { fields }, roles }), shape)
    }

    /// `added` are the columns behind those of the inputs (for [`KeyedOperator::Group`] all but the key), with their roles.
    pub(super) fn keyed_by(
        inputs: Vec<RelRef>,
        keys: Vec<Vec<usize>>,
        operator: KeyedOperator,
        added: Vec<(Field, Role)>,
    ) -> RelRef {
        let mut columns: Vec<(Field, Role)> = match &operator {
            KeyedOperator::Group { .. } => {
                keys[0].iter().map(|k| (inputs[0].schema.fields[*k].clone(), Role::Plain)).collect()
            }
            KeyedOperator::Join(join) => {
                let kept = [join.keeps_right, join.keeps_left];
                let of = |(input, kept): (&RelRef, bool)| {
                    let nullable = move |f: &Field| Field { nullable: f.nullable || kept, ..f.clone() };
                    let fields = input.schema.fields.iter().map(nullable).collect::<Vec<_>>();
                    fields.into_iter().zip(input.roles.clone()).collect::<Vec<_>>()
                };
                inputs.iter().zip(kept).flat_map(of).collect()
            }
            _ => inputs[0].schema.fields.iter().cloned().zip(inputs[0].roles.iter().copied()).collect(),
        };
        let changes = operator.is_changing() || inputs.iter().any(|i| i.is_changing());
        columns.iter_mut().for_each(|(_, role)| *role = role.behind(&operator, changes));
        columns.extend(added);
        let (fields, roles) = columns.into_iter().unzip();
        Arc::new(Self { kind: RelKind::Keyed { inputs, keys, operator }, schema: Schema { fields }, roles })
    }

    /// The rows with the session that each is in, by key.
    pub(super) fn session(input: RelRef, key: Vec<usize>, time: WindowTime, gap_ms: i64, zone: Zone) -> RelRef {
        let shape = Shape {
            kind: None,
            size_ms: gap_ms,
            slide_ms: gap_ms,
            offset_ms: 0,
            zone,
            time: type_of(time, &input),
            processing: time == WindowTime::Processing,
        };
        let added = window_fields(shape).into_iter().zip(window_roles(shape)).collect();
        let operator = KeyedOperator::Session { time, gap_ms, zone };
        Self::marked(Self::keyed_by(vec![input], vec![key], operator, added), shape)
    }

    /// Whether rows that were given may be taken back or replaced.
    pub(super) fn is_changing(&self) -> bool {
        match &self.kind {
            RelKind::Scan { upserts, .. } => *upserts,
            RelKind::Keyed { operator: KeyedOperator::Final, .. } => false,
            RelKind::Keyed { operator, .. } if operator.is_changing() => true,
            _ => self.inputs().iter().any(|i| i.is_changing()),
        }
    }

    /// The column at `index` as an expression.
    pub(super) fn column(&self, index: usize) -> Expr {
        Expr::column(index, &self.schema.fields[index])
    }
}

impl KeyedOperator {
    /// Whether it takes back or replaces rows that it gave, whatever its inputs do.
    pub(super) fn is_changing(&self) -> bool {
        match self {
            Self::Rank(rank) => rank.window.is_none(),
            Self::Latest | Self::Normalize | Self::Group { .. } => true,
            Self::Join(join) => join.time == JoinTime::Unbounded && (join.keeps_left || join.keeps_right),
            Self::Final | Self::Session { .. } | Self::Over { .. } => false,
        }
    }

    /// Its name, where it can work only with rows that are never taken back.
    pub(super) fn takes_only_new(&self) -> Option<&'static str> {
        match self {
            Self::Rank(rank) => rank.window.map(|_| "a top-N of a window"),
            Self::Session { .. } => Some("SESSION"),
            Self::Over { .. } => Some("OVER"),
            Self::Join(join) => match join.time {
                JoinTime::Unbounded => None,
                JoinTime::Interval { .. } => Some("a join within an interval of time"),
                JoinTime::Window { .. } => Some("a join of windows"),
            },
            Self::Latest | Self::Normalize | Self::Final | Self::Group { .. } => None,
        }
    }
}

impl Widening {
    /// What it reads of the input.
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let (args, keys): (&[Expr], &[(usize, Expr)]) = match self {
            Self::Function(call) => (&call.args, &[]),
            Self::Lookup(call) => (&[], &call.keys),
        };
        args.iter().chain(keys.iter().map(|(_, value)| value))
    }
}

impl Grouping {
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Assigned(_, shape) | Self::Attached { shape, .. } => *shape,
        }
    }
}
