//! Calls of scalar functions, those with a grammar of their own included.

use super::{Binder, aggregate, place_of};
use crate::expr::{Arithmetic, CastMode, Comparison, Expr, ExprKind, FunctionRef, Scalar, can_coerce, functions};
use crate::plan::AggregateFunction;
use crate::sql::coerce::fold;
use crate::sql::error::{Place, SqlError, did_you_mean};
use crate::types::DataType;
use sqlparser::ast::{self, CeilFloorKind, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField};

/// Functions made of other expressions.
const COMPOSED: [&str; 8] = ["COALESCE", "IF", "IFNULL", "NULLIF", "MOD", "TIMESTAMPADD", "CEILING", "ISNULL"];

impl Binder<'_> {
    /// Functions that the grammar knows by name.
    pub(super) fn special_call(&mut self, expr: &ast::Expr, place: Place) -> Result<Expr, SqlError> {
        use ast::Expr as E;
        match expr {
            E::Function(call) => self.function(call, place),
            E::Extract { field, expr, .. } => {
                let args = vec![Expr::text(&field.to_string().to_uppercase()), self.bind(expr)?];
                self.named_call("EXTRACT", args, place_of(expr))
            }
            E::Ceil { expr, field } => self.round("CEIL", expr, field),
            E::Floor { expr, field } => self.round("FLOOR", expr, field),
            E::Position { expr, r#in } => {
                let args = self.bind_all([&**expr, &**r#in])?;
                self.named_call("POSITION", args, place_of(expr))
            }
            E::Substring { expr, substring_from, substring_for, .. } => {
                let parts = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
                let args = self.bind_all(parts.into_iter().flatten().map(|e| &**e))?;
                self.named_call("SUBSTRING", args, place_of(expr))
            }
            E::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let side = match trim_where {
                    Some(TrimWhereField::Leading) => "LTRIM",
                    Some(TrimWhereField::Trailing) => "RTRIM",
                    _ => "BTRIM",
                };
                let what = trim_what.as_ref().map_or_else(|| Ok(Expr::text(" ")), |w| self.bind(w))?;
                let args = vec![self.bind(expr)?, what];
                self.named_call(side, args, place_of(expr))
            }
            E::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let parts = [Some(expr), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()];
                let args = self.bind_all(parts.into_iter().flatten().map(|e| &**e))?;
                self.named_call("OVERLAY", args, place_of(expr))
            }
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                let parts = [Some(expr), Some(pattern), escape_char.as_ref()];
                let args = self.bind_all(parts.into_iter().flatten().map(|e| &**e))?;
                let like = self.named_call("LIKE", args, place)?;
                Ok(if *negated { like.negate() } else { like })
            }
            E::SimilarTo { negated, expr, pattern, escape_char } => {
                let parts = [Some(expr), Some(pattern), escape_char.as_ref()];
                let args = self.bind_all(parts.into_iter().flatten().map(|e| &**e))?;
                let similar = self.named_call("SIMILAR TO", args, place)?;
                Ok(if *negated { similar.negate() } else { similar })
            }
            E::RLike { .. } | E::ILike { .. } => Err(SqlError::at(place, "Flink has no such operator")),
            E::AtTimeZone { .. } => Err(SqlError::unsupported(place, "AT TIME ZONE")),
            _ => Err(SqlError::unsupported(place, format!("the expression {expr}"))),
        }
    }

    /// `CEIL` and `FLOOR` of a number, or of a time to a unit.
    fn round(&mut self, name: &str, expr: &ast::Expr, field: &CeilFloorKind) -> Result<Expr, SqlError> {
        let place = place_of(expr);
        let mut args = vec![self.bind(expr)?];
        match field {
            CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {}
            CeilFloorKind::DateTimeField(unit) => args.push(Expr::text(&unit.to_string().to_uppercase())),
            CeilFloorKind::Scale(_) => {
                return Err(SqlError::at(place, format!("{name} takes one argument")).hint("ROUND takes a scale"));
            }
        }
        self.named_call(name, args, place)
    }

    fn function(&mut self, call: &ast::Function, place: Place) -> Result<Expr, SqlError> {
        let name = call.name.to_string().to_ascii_uppercase();
        if call.over.is_some() {
            return self.over(&name, call, place);
        }
        let registered = self.functions.and_then(|f| f.find_aggregate(&name)).map(AggregateFunction::Registered);
        if let Some(function) = registered.or_else(|| aggregate::find(&name)) {
            return self.aggregate(function, call, place);
        }
        if let Some(part) = self.window.map_or(Ok(None), |w| w.part(call, place))? {
            return Ok(part);
        }
        if call.filter.is_some() {
            return Err(SqlError::at(place, format!("{name} is no aggregate function: it takes no FILTER")));
        }
        if matches!(name.as_str(), "TIMESTAMPDIFF" | "TIMESTAMPADD") {
            return self.timed_call(&name, call, place);
        }
        let args = self.plain_args(&name, call, place)?;
        self.named_call(&name, args, place)
    }

    fn plain_args(&mut self, name: &str, call: &ast::Function, place: Place) -> Result<Vec<Expr>, SqlError> {
        arguments(call, place)?
            .into_iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => self.bind(e),
                FunctionArg::Unnamed(_) => Err(SqlError::at(place, format!("{name} does not take *"))),
                _ => Err(SqlError::unsupported(place, "a named argument of a scalar function")),
            })
            .collect()
    }

    /// `TIMESTAMPDIFF` and `TIMESTAMPADD`, whose first argument is a word.
    fn timed_call(&mut self, name: &str, call: &ast::Function, place: Place) -> Result<Expr, SqlError> {
        let args = arguments(call, place)?;
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(unit))), rest @ ..] = args.as_slice()
        else {
            return Err(SqlError::at(place, format!("{name} takes a unit first")).hint("like MINUTE"));
        };
        let word = unit.value.to_ascii_uppercase();
        let word = word.strip_prefix("SQL_TSI_").unwrap_or(&word).to_owned();
        let mut bound = vec![Expr::text(&word)];
        for arg in rest {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = arg else {
                return Err(SqlError::at(place, format!("{name} takes (unit, value, value)")));
            };
            bound.push(self.bind(e)?);
        }
        if name == "TIMESTAMPDIFF" {
            return self.named_call(name, bound, unit.span.into());
        }
        self.timestamp_add(&word, bound, unit.span.into())
    }

    fn timestamp_add(&self, unit: &str, args: Vec<Expr>, place: Place) -> Result<Expr, SqlError> {
        let (ms, months) = match unit {
            "SECOND" => (1_000, 0),
            "MINUTE" => (60_000, 0),
            "HOUR" => (3_600_000, 0),
            "DAY" => (86_400_000, 0),
            "WEEK" => (7 * 86_400_000, 0),
            "MONTH" => (0, 1),
            "QUARTER" => (0, 3),
            "YEAR" => (0, 12),
            _ => return Err(SqlError::at(place, format!("TIMESTAMPADD does not know the unit {unit}"))),
        };
        let [_, count, time] =
            <[Expr; 3]>::try_from(args).map_err(|_| SqlError::at(place, "TIMESTAMPADD takes (unit, count, time)"))?;
        let (amount, kind) =
            if months > 0 { (months, DataType::IntervalYearMonth) } else { (ms, DataType::IntervalDayTime) };
        let time = match (time.data_type, ms % 86_400_000) {
            // A date that is moved by hours is a timestamp.
            (DataType::Date, rest) if rest != 0 => time.cast(DataType::Timestamp(6), CastMode::Strict, self.zone),
            _ => time,
        };
        let unit = Expr::literal(Scalar::Integer(amount), kind);
        let span = self.combine(Arithmetic::Multiply, unit, count, place)?;
        self.combine(Arithmetic::Add, time, span, place)
    }

    /// A call of the function called `name` with bound arguments, converted to what it takes.
    pub(super) fn named_call(&self, name: &str, args: Vec<Expr>, place: Place) -> Result<Expr, SqlError> {
        if COMPOSED.contains(&name) {
            return self.composed(name, args, place);
        }
        let registered = self.functions.and_then(|f| f.find_scalar(name)).map(FunctionRef::registered);
        let Some(function) = registered.or_else(|| functions::find(name)) else {
            return Err(self.unknown(name, place));
        };
        if let Some(null) = args.iter().position(|a| a.data_type == DataType::Null) {
            let what = format!("argument {} of {name} is a bare NULL, which has no type", null + 1);
            return Err(SqlError::at(place, what).hint("write CAST(NULL AS …)"));
        }
        let signature = function.signature(&args).map_err(|what| SqlError::at(place, what))?;
        let nullable = registered.is_some() || signature.nullable || args.iter().any(|a| a.nullable);
        let to = |(arg, wanted): (Expr, &DataType)| {
            if registered.is_some() {
                return self.implicit(arg, *wanted, name, place);
            }
            if arg.data_type.is_text() && wanted.is_text() {
                return Ok(arg);
            }
            Ok(fold(arg.cast(*wanted, CastMode::Strict, self.zone)))
        };
        let args = args.into_iter().zip(&signature.args).map(to).collect::<Result<_, _>>()?;
        let kind = ExprKind::Call { function, args, zone: self.zone };
        Ok(fold(Expr { kind, data_type: signature.returns, nullable }))
    }

    /// An argument in the type that a registered function takes, where Flink converts it without a cast.
    pub(in crate::sql) fn implicit(&self, arg: Expr, to: DataType, name: &str, place: Place) -> Result<Expr, SqlError> {
        let found = arg.data_type;
        if found.is_text() && to.is_text() {
            return Ok(arg);
        }
        if !can_coerce(found, to) {
            return Err(
                SqlError::at(place, format!("{name} takes {to}, found {found}")).hint(format!("CAST it to {to}"))
            );
        }
        Ok(fold(arg.cast(to, CastMode::Strict, self.zone)))
    }

    /// Functions that are other expressions under a name.
    fn composed(&self, name: &str, args: Vec<Expr>, place: Place) -> Result<Expr, SqlError> {
        let wrong = |takes: &str| SqlError::at(place, format!("{name} takes {takes}, found {} arguments", args.len()));
        match (name, args.as_slice()) {
            ("COALESCE" | "IFNULL", [first @ .., last]) if name == "COALESCE" || args.len() == 2 => {
                let branches = first.iter().map(|a| (a.clone().is_not_null(), a.clone())).collect();
                let nullable = args.iter().all(|a| a.nullable);
                let mut case = self.make_case(branches, last.clone(), place)?;
                case.nullable = nullable;
                Ok(case)
            }
            ("IF", [condition, yes, no]) => {
                let condition = self.boolean(condition.clone(), place)?;
                self.make_case(vec![(condition, yes.clone())], no.clone(), place)
            }
            ("NULLIF", [value, other]) => {
                let same = self.compare(Comparison::Equal, value.clone(), other.clone(), place)?;
                self.make_case(vec![(same, Expr::null(value.data_type))], value.clone(), place)
            }
            ("ISNULL", [value]) => Ok(value.clone().is_null()),
            ("MOD", [a, b]) => self.combine(Arithmetic::Remainder, a.clone(), b.clone(), place),
            ("CEILING", [_]) => self.named_call("CEIL", args, place),
            ("IF", _) => Err(wrong("(condition, value, other value)")),
            ("COALESCE", _) => Err(wrong("at least one value")),
            _ => Err(wrong("two values")),
        }
    }
}

/// The arguments of a call without any of the clauses that aggregates take.
fn arguments(call: &ast::Function, place: Place) -> Result<Vec<&FunctionArg>, SqlError> {
    match &call.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => {
            Ok(list.args.iter().collect())
        }
        _ => Err(SqlError::unsupported(place, format!("this form of {}", call.name))),
    }
}

impl Binder<'_> {
    fn unknown(&self, name: &str, place: Place) -> SqlError {
        if functions::is_known_elsewhere(name) || aggregate::is_later(name) {
            return SqlError::unsupported(place, format!("the function {name}"));
        }
        if self.functions.is_some_and(|f| f.find_table(name).is_some()) {
            let hint = format!("write FROM t, LATERAL TABLE({name}(…))");
            return SqlError::at(place, format!("{name} is a table function")).hint(hint);
        }
        let own = self.functions.into_iter().flat_map(|f| f.names(false));
        let mut known: Vec<&str> =
            functions::names().chain(COMPOSED).chain(["COUNT", "SUM", "AVG", "MIN", "MAX"]).collect();
        known.extend(own);
        SqlError::at(place, format!("unknown function {name}")).maybe_hint(did_you_mean(name, known))
    }
}

/// Names that stand in the place of functions by the grammar.
const GRAMMAR: [&str; 12] = [
    "TIMESTAMPDIFF",
    "TUMBLE",
    "HOP",
    "CUMULATE",
    "SESSION",
    "DESCRIPTOR",
    "CAST",
    "TRY_CAST",
    "CONVERT",
    "UNNEST",
    "TUMBLE_TIME",
    "HOP_TIME",
];

/// Whether a function of this name (in upper case) is SQL's own, known or planned, or the name a word of the grammar.
pub(crate) fn is_taken(name: &str) -> bool {
    let known = functions::find(name).is_some() || functions::is_known_elsewhere(name);
    let aggregate = aggregate::find(name).is_some() || aggregate::is_later(name);
    let reserved = crate::sql::reserved::check(&ast::Ident::new(name)).is_err();
    known || aggregate || reserved || COMPOSED.contains(&name) || GRAMMAR.contains(&name)
}
