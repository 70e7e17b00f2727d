//! Typed expressions and their evaluation over batches of rows.
//!
//! The binder in [`crate::sql`] makes an [`Expr`] of every expression of a script: all types are known, every implicit
//! conversion stands there as a cast. [`Program`] evaluates some of them over Arrow batches.

mod arithmetic;
mod calendar;
mod cast;
mod compare;
mod decimal;
mod error;
mod function;
pub mod functions;
pub(crate) mod java_number;
mod java_time;
mod program;
mod scalar;
mod show;
mod value;
mod zone;

pub use arithmetic::{Arithmetic, arithmetic_type};
pub use cast::{CastMode, can_cast, can_coerce};
pub use compare::Comparison;
pub use error::EvalError;
pub use function::{FunctionRef, ScalarFunction, Signature};
pub use program::Program;
pub use scalar::Scalar;
pub use zone::Zone;

use crate::types::{DataType, Field};

/// A typed expression over the columns of one input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expr {
    /// What is computed.
    pub kind: ExprKind,
    /// The type of the result.
    pub data_type: DataType,
    /// Whether the result may be null.
    pub nullable: bool,
}

/// What an expression computes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExprKind {
    /// The value of a column of the input.
    Column(usize),
    /// A constant.
    Literal(Scalar),
    /// The value in another type.
    Cast {
        /// What is converted.
        input: Box<Expr>,
        /// What happens to a value that the type cannot hold.
        mode: CastMode,
        /// The zone by which wall clocks and points in time are converted into each other.
        zone: Zone,
    },
    /// The result of the first branch whose condition is true, else the last one's. Branches that are not taken are not
    /// evaluated, or cannot fail.
    Case {
        /// Conditions and results.
        branches: Vec<(Expr, Expr)>,
        /// What holds where no condition is true.
        otherwise: Box<Expr>,
    },
    /// True when all are true, false when one is false, else null. What stands behind a false one cannot fail.
    And(Vec<Expr>),
    /// True when one is true, false when all are false, else null. What stands behind a true one cannot fail.
    Or(Vec<Expr>),
    /// Turns true to false and false to true.
    Not(Box<Expr>),
    /// Whether the value is null.
    IsNull(Box<Expr>),
    /// Whether the value is true (and not null).
    IsTrue(Box<Expr>),
    /// How two values of the same type (or two decimals) stand to each other.
    Compare {
        /// The comparison.
        op: Comparison,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// Whether a value is among constants of its type, null aside.
    In {
        /// The value.
        input: Box<Expr>,
        /// The constants.
        list: Vec<Scalar>,
    },
    /// `+ - * / %` over numbers of types that the binder has made fit.
    Arithmetic {
        /// The operation.
        op: Arithmetic,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// A function.
    Call {
        /// Which.
        function: FunctionRef,
        /// Its arguments, in the types that its signature wants.
        args: Vec<Expr>,
        /// The session's zone.
        zone: Zone,
    },
}

impl Expr {
    /// The value of column `index`, described by `field`.
    pub fn column(index: usize, field: &Field) -> Self {
        Self { kind: ExprKind::Column(index), data_type: field.data_type, nullable: field.nullable }
    }

    /// A constant of `data_type`.
    pub fn literal(value: Scalar, data_type: DataType) -> Self {
        let nullable = value.is_null();
        Self { kind: ExprKind::Literal(value), data_type, nullable }
    }

    /// `NULL` of `data_type`.
    pub fn null(data_type: DataType) -> Self {
        Self::literal(Scalar::Null, data_type)
    }

    /// A text constant; its type is `CHAR` of its length, as in Flink.
    pub fn text(value: &str) -> Self {
        Self::literal(Scalar::Text(value.into()), DataType::Char(value.chars().count() as u32))
    }

    /// A constant of `BOOLEAN`.
    pub fn boolean(value: bool) -> Self {
        Self::literal(Scalar::Boolean(value), DataType::Boolean)
    }

    /// This expression in another type; itself when it has it already.
    #[must_use]
    pub fn cast(self, to: DataType, mode: CastMode, zone: Zone) -> Self {
        if self.data_type == to {
            return self;
        }
        let nullable = self.nullable || mode == CastMode::Try;
        Self { kind: ExprKind::Cast { input: Box::new(self), mode, zone }, data_type: to, nullable }
    }

    /// `NOT self`
    #[must_use]
    pub fn negate(self) -> Self {
        let nullable = self.nullable;
        Self { kind: ExprKind::Not(Box::new(self)), data_type: DataType::Boolean, nullable }
    }

    /// `self IS NULL`
    #[must_use]
    pub fn is_null(self) -> Self {
        Self { kind: ExprKind::IsNull(Box::new(self)), data_type: DataType::Boolean, nullable: false }
    }

    /// `self IS NOT NULL`
    #[must_use]
    pub fn is_not_null(self) -> Self {
        self.is_null().negate()
    }

    /// `self IS TRUE`
    #[must_use]
    pub fn is_true(self) -> Self {
        Self { kind: ExprKind::IsTrue(Box::new(self)), data_type: DataType::Boolean, nullable: false }
    }

    /// `left op right`, both of the same type or both decimals.
    pub fn compare(op: Comparison, left: Self, right: Self) -> Self {
        let nullable = (left.nullable || right.nullable) && !op.sees_null();
        let kind = ExprKind::Compare { op, left: Box::new(left), right: Box::new(right) };
        Self { kind, data_type: DataType::Boolean, nullable }
    }

    /// All of `parts`; nested conjunctions are made flat. No part at all is `TRUE`.
    pub fn and(parts: Vec<Self>) -> Self {
        Self::junction(parts, true)
    }

    /// Any of `parts`; nested disjunctions are made flat. No part at all is `FALSE`.
    pub fn or(parts: Vec<Self>) -> Self {
        Self::junction(parts, false)
    }

    fn junction(parts: Vec<Self>, all: bool) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part.kind {
                ExprKind::And(inner) if all => flat.extend(inner),
                ExprKind::Or(inner) if !all => flat.extend(inner),
                _ => flat.push(part),
            }
        }
        if flat.len() == 1 {
            return flat.remove(0);
        }
        if flat.is_empty() {
            return Self::boolean(all);
        }
        let nullable = flat.iter().any(|e| e.nullable);
        let kind = if all { ExprKind::And(flat) } else { ExprKind::Or(flat) };
        Self { kind, data_type: DataType::Boolean, nullable }
    }

    /// `CASE WHEN … THEN … ELSE … END`; all results of `data_type`.
    pub fn case(branches: Vec<(Self, Self)>, otherwise: Self, data_type: DataType) -> Self {
        let nullable = otherwise.nullable || branches.iter().any(|(_, value)| value.nullable);
        Self { kind: ExprKind::Case { branches, otherwise: Box::new(otherwise) }, data_type, nullable }
    }

    /// The constant that this expression is, if it is one.
    pub fn as_literal(&self) -> Option<&Scalar> {
        match &self.kind {
            ExprKind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The column that this expression is, if it is one.
    pub fn as_column(&self) -> Option<usize> {
        match self.kind {
            ExprKind::Column(index) => Some(index),
            _ => None,
        }
    }

    /// The expressions directly below this one, in order of evaluation.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) => Vec::new(),
            ExprKind::Cast { input, .. } | ExprKind::In { input, .. } => vec![input],
            ExprKind::Not(e) | ExprKind::IsNull(e) | ExprKind::IsTrue(e) => vec![e],
            ExprKind::Case { branches, otherwise } => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain([&**otherwise]).collect()
            }
            ExprKind::And(parts) | ExprKind::Or(parts) | ExprKind::Call { args: parts, .. } => parts.iter().collect(),
            ExprKind::Compare { left, right, .. } | ExprKind::Arithmetic { left, right, .. } => vec![left, right],
        }
    }

    /// The same expression over other children; as many as [`Expr::children`] gives, in the same order.
    #[must_use]
    pub fn with_children(&self, children: Vec<Self>) -> Self {
        let mut next = children.into_iter();
        let mut one = |fallback: &Self| Box::new(next.next().unwrap_or_else(|| fallback.clone()));
        let kind = match &self.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) => self.kind.clone(),
            ExprKind::Cast { input, mode, zone } => ExprKind::Cast { input: one(input), mode: *mode, zone: *zone },
            ExprKind::In { input, list } => ExprKind::In { input: one(input), list: list.clone() },
            ExprKind::Not(e) => ExprKind::Not(one(e)),
            ExprKind::IsNull(e) => ExprKind::IsNull(one(e)),
            ExprKind::IsTrue(e) => ExprKind::IsTrue(one(e)),
            ExprKind::Case { branches, otherwise } => ExprKind::Case {
                branches: branches.iter().map(|(when, then)| (*one(when), *one(then))).collect(),
                otherwise: one(otherwise),
            },
            ExprKind::And(parts) => ExprKind::And(parts.iter().map(|p| *one(p)).collect()),
            ExprKind::Or(parts) => ExprKind::Or(parts.iter().map(|p| *one(p)).collect()),
            ExprKind::Compare { op, left, right } => ExprKind::Compare { op: *op, left: one(left), right: one(right) },
            ExprKind::Arithmetic { op, left, right } => {
                ExprKind::Arithmetic { op: *op, left: one(left), right: one(right) }
            }
            ExprKind::Call { function, args, zone } => {
                ExprKind::Call { function: *function, args: args.iter().map(|a| *one(a)).collect(), zone: *zone }
            }
        };
        Self { kind, data_type: self.data_type, nullable: self.nullable }
    }

    /// The same expression with every column replaced by what `column` gives for it.
    #[must_use]
    pub fn map_columns(&self, column: &mut dyn FnMut(usize, &Self) -> Self) -> Self {
        if let ExprKind::Column(index) = self.kind {
            return column(index, self);
        }
        let children = self.children().into_iter().map(|c| c.map_columns(column)).collect();
        self.with_children(children)
    }

    /// Calls `column` with every column that the expression reads.
    pub fn each_column(&self, column: &mut dyn FnMut(usize)) {
        if let ExprKind::Column(index) = self.kind {
            column(index);
        }
        for child in self.children() {
            child.each_column(column);
        }
    }

    /// Whether the expression reads no column.
    pub fn is_constant(&self) -> bool {
        let mut constant = true;
        self.each_column(&mut |_| constant = false);
        constant
    }

    /// How many nodes the expression has.
    pub fn size(&self) -> usize {
        1 + self.children().into_iter().map(Self::size).sum::<usize>()
    }
}
