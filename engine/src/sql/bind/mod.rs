//! From the syntax of expressions to typed expressions: names become columns, types are derived and every implicit
//! conversion is written out, by Flink's rules.

mod aggregate;
mod call;
mod interval;
mod literal;
mod over;

pub(super) use aggregate::{AGGREGATE_BASE, AggregateCall};
pub(crate) use call::is_taken;
pub(super) use over::{Frame, OVER_BASE, OverCall, OverFunction};

use super::coerce::{self, fold};
use super::dialect::TABLE_ARGUMENT;
use super::error::{Place, SqlError};
use super::legacy::LegacyWindow;
use super::scope::Scope;
use super::type_name;
use crate::expr::{
    Arithmetic, CastMode, Comparison, Expr, ExprKind, Scalar, Zone, arithmetic_type, can_cast, functions,
};
use crate::functions::Functions;
use crate::types::DataType;
use sqlparser::ast::{self, BinaryOperator, CastKind, Ident, Spanned, UnaryOperator};
use sqlparser::tokenizer::Span;

/// Binds expressions over the columns of one scope.
pub(super) struct Binder<'a> {
    scope: &'a Scope,
    zone: Zone,
    /// Where aggregate calls are collected; `None` where they may not stand.
    aggregates: Option<&'a mut Vec<AggregateCall>>,
    /// Where calls with OVER are collected; `None` where they may not stand.
    overs: Option<&'a mut Vec<OverCall>>,
    /// The windows that the query has given names to.
    named_windows: &'a [ast::NamedWindowDefinition],
    /// Where each column was named, for later complaints.
    pub(super) places: Vec<(usize, Span)>,
    /// What kind of clause this is, for messages (`WHERE`).
    clause: &'static str,
    /// The window that GROUP BY names in its older form.
    window: Option<&'a LegacyWindow>,
    /// The functions that the program brings.
    functions: Option<&'a Functions>,
}

impl<'a> Binder<'a> {
    /// A binder for a clause in which aggregates may not stand.
    pub(super) fn new(scope: &'a Scope, zone: Zone, clause: &'static str) -> Self {
        Self {
            scope,
            zone,
            aggregates: None,
            overs: None,
            named_windows: &[],
            places: Vec::new(),
            clause,
            window: None,
            functions: None,
        }
    }

    /// A binder that collects aggregates; each stands in the result as a column from [`AGGREGATE_BASE`] on.
    pub(super) fn collecting(scope: &'a Scope, zone: Zone, aggregates: &'a mut Vec<AggregateCall>) -> Self {
        Self { aggregates: Some(aggregates), ..Self::new(scope, zone, "this clause") }
    }

    /// The same binder that also collects calls with OVER; each stands in the result as a column from [`OVER_BASE`] on.
    pub(super) fn with_overs(self, overs: &'a mut Vec<OverCall>, named: &'a [ast::NamedWindowDefinition]) -> Self {
        Self { overs: Some(overs), named_windows: named, ..self }
    }

    /// The same binder that also knows the parts of a window.
    pub(super) fn with_window(self, window: Option<&'a LegacyWindow>) -> Self {
        Self { window, ..self }
    }

    /// The same binder that also knows the functions of the program.
    pub(super) fn with_functions(self, functions: &'a Functions) -> Self {
        Self { functions: Some(functions), ..self }
    }

    /// Binds an expression that must be a condition.
    pub(super) fn condition(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let bound = self.bind(expr)?;
        self.boolean(bound, place_of(expr))
    }

    fn boolean(&self, bound: Expr, place: Place) -> Result<Expr, SqlError> {
        match bound.data_type {
            DataType::Boolean => Ok(bound),
            other => Err(SqlError::at(place, format!("a condition is wanted here, found {other}"))),
        }
    }

    /// Binds an expression.
    pub(super) fn bind(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        use ast::Expr as E;
        let place = place_of(expr);
        match expr {
            E::Identifier(name) => self.column(name, None),
            E::CompoundIdentifier(path) => self.column(path.last().unwrap_or(&path[0]), Some(path)),
            E::Nested(inner) => self.bind(inner),
            E::Value(value) => literal::value(value),
            E::TypedString(typed) => literal::typed(typed),
            E::Interval(interval) => interval::literal(interval, place),
            E::UnaryOp { op, expr } => self.unary(*op, expr, place),
            E::BinaryOp { left, op, right } => self.binary(left, op, right, place),
            E::IsNull(e) => Ok(self.bind(e)?.is_null()),
            E::IsNotNull(e) => Ok(self.bind(e)?.is_not_null()),
            E::IsTrue(e) => Ok(self.condition(e)?.is_true()),
            E::IsNotTrue(e) => Ok(self.condition(e)?.is_true().negate()),
            E::IsFalse(e) => Ok(self.condition(e)?.negate().is_true()),
            E::IsNotFalse(e) => Ok(self.condition(e)?.negate().is_true().negate()),
            E::IsUnknown(e) => Ok(self.condition(e)?.is_null()),
            E::IsNotUnknown(e) => Ok(self.condition(e)?.is_not_null()),
            E::IsDistinctFrom(l, r) => self.comparison(Comparison::Distinct, l, r, place),
            E::IsNotDistinctFrom(l, r) => self.comparison(Comparison::NotDistinct, l, r, place),
            E::Between { expr, negated, low, high } => self.between(expr, low, high, *negated, place),
            E::In { expr, target: ast::InTarget::List(list), negated, .. } => self.in_list(expr, list, *negated, place),
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place)
            }
            E::Cast { kind, expr, data_type, format: None } => self.cast(kind, expr, data_type, place),
            E::In { .. } | E::Exists { .. } | E::Subquery(_) | E::AnyOp { .. } | E::AllOp { .. } => {
                Err(SqlError::unsupported(place, "a subquery inside an expression"))
            }
            E::Prefixed { prefix, .. } if prefix.value == TABLE_ARGUMENT => {
                Err(SqlError::at(prefix.span, "TABLE … may only stand among the arguments of a window function"))
            }
            E::Wildcard(_) | E::QualifiedWildcard(..) => Err(SqlError::at(place, "* may not stand here")),
            _ => self.special_call(expr, place),
        }
    }

    /// Binds an expression that must have a type, which a bare NULL has not.
    fn typed(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let bound = self.bind(expr)?;
        if bound.data_type == DataType::Null {
            return Err(SqlError::at(place_of(expr), "a bare NULL has no type here").hint("write CAST(NULL AS …)"));
        }
        Ok(bound)
    }

    /// Binds one side of AND or OR.
    fn operand(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let bound = self.typed(expr)?;
        self.boolean(bound, place_of(expr))
    }

    /// Binds several expressions.
    pub(super) fn bind_all<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e ast::Expr>,
    ) -> Result<Vec<Expr>, SqlError> {
        exprs.into_iter().map(|e| self.bind(e)).collect()
    }

    fn column(&mut self, name: &Ident, path: Option<&[Ident]>) -> Result<Expr, SqlError> {
        // A word that is a function where no column has its name.
        if path.is_none() && name.quote_style.is_none() && self.scope.schema.index_of(&name.value).is_none() {
            let word = name.value.to_ascii_uppercase();
            if word == "PI" || functions::is_known_elsewhere(&word) {
                return self.named_call(&word, Vec::new(), name.span.into());
            }
        }
        crate::sql::reserved::check(name)?;
        let (index, column) = match path {
            Some(path) => self.scope.qualified(path)?,
            None => self.scope.column(name)?,
        };
        self.places.push((index, path.and_then(|p| p.first()).unwrap_or(name).span));
        Ok(column)
    }

    fn unary(&mut self, op: UnaryOperator, operand: &ast::Expr, place: Place) -> Result<Expr, SqlError> {
        match op {
            UnaryOperator::Not => Ok(self.condition(operand)?.negate()),
            UnaryOperator::Minus if is_number(operand) => {
                // The sign belongs to the number: the least BIGINT is one.
                let digits = format!("-{operand}");
                literal::number(&digits).ok_or_else(|| SqlError::at(place, format!("{digits} is out of range")))
            }
            UnaryOperator::Plus | UnaryOperator::Minus => {
                let value = self.bind(operand)?;
                if !value.data_type.is_numeric() && !value.data_type.is_interval() {
                    return Err(SqlError::at(place, format!("a number is wanted here, found {}", value.data_type)));
                }
                Ok(if op == UnaryOperator::Plus { value } else { negative(value) })
            }
            _ => Err(SqlError::unsupported(place, format!("the operator {op}"))),
        }
    }

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        place: Place,
    ) -> Result<Expr, SqlError> {
        use BinaryOperator as B;
        match op {
            B::And => Ok(Expr::and(vec![self.operand(left)?, self.operand(right)?])),
            B::Or => Ok(Expr::or(vec![self.operand(left)?, self.operand(right)?])),
            B::Eq => self.comparison(Comparison::Equal, left, right, place),
            B::NotEq => self.comparison(Comparison::NotEqual, left, right, place),
            B::Lt => self.comparison(Comparison::Less, left, right, place),
            B::LtEq => self.comparison(Comparison::LessOrEqual, left, right, place),
            B::Gt => self.comparison(Comparison::Greater, left, right, place),
            B::GtEq => self.comparison(Comparison::GreaterOrEqual, left, right, place),
            B::Plus => self.arithmetic(Arithmetic::Add, left, right, place),
            B::Minus => self.arithmetic(Arithmetic::Subtract, left, right, place),
            B::Multiply => self.arithmetic(Arithmetic::Multiply, left, right, place),
            B::Divide => self.arithmetic(Arithmetic::Divide, left, right, place),
            B::Modulo => self.arithmetic(Arithmetic::Remainder, left, right, place),
            B::Overlaps => self.overlaps(left, right, place),
            B::StringConcat => {
                let args = vec![self.typed(left)?, self.typed(right)?];
                self.named_call("||", args, place)
            }
            _ => Err(SqlError::unsupported(place, format!("the operator {op}"))),
        }
    }

    fn comparison(
        &mut self,
        op: Comparison,
        left: &ast::Expr,
        right: &ast::Expr,
        place: Place,
    ) -> Result<Expr, SqlError> {
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        self.compare(op, left, right, place)
    }

    fn compare(&self, op: Comparison, left: Expr, right: Expr, place: Place) -> Result<Expr, SqlError> {
        let types = (left.data_type, right.data_type);
        coerce::comparison(op, left, right, self.zone).ok_or_else(|| {
            SqlError::at(place, format!("{} and {} cannot be compared", types.0, types.1)).hint("CAST one of them")
        })
    }

    fn between(
        &mut self,
        value: &ast::Expr,
        low: &ast::Expr,
        high: &ast::Expr,
        negated: bool,
        place: Place,
    ) -> Result<Expr, SqlError> {
        let (value, low, high) = (self.bind(value)?, self.bind(low)?, self.bind(high)?);
        let from = self.compare(Comparison::GreaterOrEqual, value.clone(), low, place)?;
        let to = self.compare(Comparison::LessOrEqual, value, high, place)?;
        let inside = Expr::and(vec![from, to]);
        Ok(if negated { inside.negate() } else { inside })
    }

    /// `(start, end) OVERLAPS (start, end)`, where an end may be an interval from its start.
    fn overlaps(&mut self, left: &ast::Expr, right: &ast::Expr, place: Place) -> Result<Expr, SqlError> {
        let mut period = |e: &ast::Expr| -> Result<(Expr, Expr), SqlError> {
            let ast::Expr::Tuple(parts) = e else {
                return Err(SqlError::at(place_of(e), "a period is wanted here").hint("write (start, end)"));
            };
            let [start, end] = parts.as_slice() else {
                return Err(SqlError::at(place_of(e), "a period has a start and an end"));
            };
            let (start, end) = (self.bind(start)?, self.bind(end)?);
            let end = if end.data_type.is_interval() {
                self.combine(Arithmetic::Add, start.clone(), end, place)?
            } else {
                end
            };
            // Either may be the earlier one.
            let swapped = self.compare(Comparison::Greater, start.clone(), end.clone(), place)?;
            let first = self.make_case(vec![(swapped.clone(), end.clone())], start.clone(), place)?;
            Ok((first, self.make_case(vec![(swapped, start)], end, place)?))
        };
        let ((a, b), (c, d)) = (period(left)?, period(right)?);
        let begins = self.compare(Comparison::GreaterOrEqual, b, c, place)?;
        let ends = self.compare(Comparison::GreaterOrEqual, d, a, place)?;
        Ok(Expr::and(vec![begins, ends]))
    }

    fn in_list(
        &mut self,
        value: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        place: Place,
    ) -> Result<Expr, SqlError> {
        let value = self.bind(value)?;
        let candidates: Vec<Expr> = self.bind_all(list)?;
        let common = candidates.iter().try_fold(value.data_type, |t, c| coerce::common_type(t, c.data_type));
        let to = |e: Expr, t| fold(e.cast(t, CastMode::Strict, self.zone));
        let constants: Option<Vec<Scalar>> =
            common.and_then(|t| candidates.iter().map(|c| to(c.clone(), t).as_literal().cloned()).collect());
        let found = match (common, constants) {
            (Some(t), Some(list)) => {
                let input = if t.is_text() { value } else { to(value, t) };
                let nullable = input.nullable || list.iter().any(Scalar::is_null);
                Expr { kind: ExprKind::In { input: Box::new(input), list }, data_type: DataType::Boolean, nullable }
            }
            _ => {
                let equal = |c: Expr| self.compare(Comparison::Equal, value.clone(), c, place);
                Expr::or(candidates.into_iter().map(equal).collect::<Result<_, _>>()?)
            }
        };
        Ok(if negated { found.negate() } else { found })
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        place: Place,
    ) -> Result<Expr, SqlError> {
        let operand = operand.map(|e| self.bind(e)).transpose()?;
        let mut branches = Vec::with_capacity(conditions.len());
        for ast::CaseWhen { condition, result } in conditions {
            let when = match &operand {
                None => self.condition(condition)?,
                Some(value) => {
                    let other = self.bind(condition)?;
                    self.compare(Comparison::Equal, value.clone(), other, place_of(condition))?
                }
            };
            branches.push((when, self.bind(result)?));
        }
        let otherwise = otherwise.map_or_else(|| Ok(Expr::null(DataType::Null)), |e| self.bind(e))?;
        self.make_case(branches, otherwise, place)
    }

    /// A CASE whose results are brought to a common type.
    fn make_case(&self, branches: Vec<(Expr, Expr)>, otherwise: Expr, place: Place) -> Result<Expr, SqlError> {
        let mut common = otherwise.data_type;
        for (_, value) in &branches {
            common = coerce::common_type(common, value.data_type).ok_or_else(|| {
                let what = format!("the results are of different types: {} and {common}", value.data_type);
                SqlError::at(place, what).hint("CAST them to one type")
            })?;
        }
        if common == DataType::Null {
            return Err(SqlError::at(place, "all results are a bare NULL").hint("CAST one of them"));
        }
        let to = |e: Expr| fold(e.cast(common, CastMode::Strict, self.zone));
        let branches = branches.into_iter().map(|(when, then)| (when, to(then))).collect();
        Ok(Expr::case(branches, to(otherwise), common))
    }

    fn cast(
        &mut self,
        kind: &CastKind,
        operand: &ast::Expr,
        to: &ast::DataType,
        place: Place,
    ) -> Result<Expr, SqlError> {
        let mode = match kind {
            CastKind::Cast => CastMode::Strict,
            CastKind::TryCast => CastMode::Try,
            _ => return Err(SqlError::unsupported(place, "this form of a cast").hint("write CAST(value AS type)")),
        };
        let Some(to) = type_name::from_name(&to.to_string()) else {
            return Err(SqlError::unsupported(place, format!("the type {to}")));
        };
        let value = self.bind(operand)?;
        if !can_cast(value.data_type, to) {
            let what = format!("{} cannot be cast to {to}", value.data_type);
            return Err(SqlError::at(place, what).maybe_hint(cast_hint(value.data_type, to)));
        }
        if value.data_type == to && value.as_column().is_some() {
            // An explicit cast, though it changes nothing, makes a plain column of a time attribute.
            let (nullable, input) = (value.nullable, Box::new(value));
            return Ok(Expr { kind: ExprKind::Cast { input, mode, zone: self.zone }, data_type: to, nullable });
        }
        Ok(fold(value.cast(to, mode, self.zone)))
    }

    fn arithmetic(
        &mut self,
        op: Arithmetic,
        left: &ast::Expr,
        right: &ast::Expr,
        place: Place,
    ) -> Result<Expr, SqlError> {
        let (left, right) = (self.typed(left)?, self.typed(right)?);
        self.combine(op, left, right, place)
    }

    /// `left op right` over numbers, or over times and intervals.
    fn combine(&self, op: Arithmetic, left: Expr, right: Expr, place: Place) -> Result<Expr, SqlError> {
        if let Some(result) = interval::combine(op, &left, &right, self.zone) {
            return result.map_err(|what| SqlError::at(place, what));
        }
        let (l, r) = (number_like(left), number_like(right));
        let Some((result, common)) = arithmetic_type(op, l.data_type, r.data_type) else {
            let what = format!("{} {op} {} is not possible", l.data_type, r.data_type);
            return Err(SqlError::at(place, what).hint("CAST the sides to numbers"));
        };
        let to = |e: Expr| {
            let wanted = common.unwrap_or_else(|| {
                let (p, s) = coerce::digits(e.data_type);
                DataType::Decimal(p, s)
            });
            fold(e.cast(wanted, CastMode::Strict, self.zone))
        };
        // A decimal that does not fit is null.
        let nullable = l.nullable || r.nullable || matches!(result, DataType::Decimal(_, _));
        let kind = ExprKind::Arithmetic { op, left: Box::new(to(l)), right: Box::new(to(r)) };
        Ok(fold(Expr { kind, data_type: result, nullable }))
    }
}

/// Whether this is a number as written.
fn is_number(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(v) if matches!(v.value, ast::Value::Number(..)))
}

/// A bare NULL among numbers counts as an INT.
fn number_like(e: Expr) -> Expr {
    if e.data_type == DataType::Null { Expr::null(DataType::Int) } else { e }
}

/// `-value`, of the same type.
pub(super) fn negative(value: Expr) -> Expr {
    let zero = match value.data_type {
        // Minus zero minus zero is minus zero, and so is its opposite: no sign is lost.
        DataType::Float | DataType::Double => Scalar::Float(-0.0),
        DataType::Decimal(_, _) => Scalar::Decimal(0),
        _ => Scalar::Integer(0),
    };
    let (data_type, nullable) = (value.data_type, value.nullable);
    let left = Box::new(Expr::literal(zero, data_type));
    fold(Expr {
        kind: ExprKind::Arithmetic { op: Arithmetic::Subtract, left, right: Box::new(value) },
        data_type,
        nullable,
    })
}

/// Where an expression begins.
pub(super) fn place_of(expr: &ast::Expr) -> Place {
    expr.span().into()
}

/// What to write in place of a cast that does not exist.
fn cast_hint(from: DataType, to: DataType) -> Option<String> {
    if from.is_numeric() && to.is_timestamp() {
        return Some("use TO_TIMESTAMP_LTZ(milliseconds, 3) or TO_TIMESTAMP(FROM_UNIXTIME(seconds))".to_owned());
    }
    (from.is_timestamp() && to.is_numeric()).then(|| "use UNIX_TIMESTAMP(CAST(… AS STRING))".to_owned())
}
