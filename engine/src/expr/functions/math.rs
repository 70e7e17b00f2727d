//! Functions of numbers.

use super::super::arithmetic::as_decimal;
use super::super::decimal::{self, power_of_ten};
use super::super::function::{CallSite, Kernel, ScalarFunction, Signature};
use super::super::value::{Value, narrowed, widened};
use super::super::{EvalError, Scalar};
use super::kernels::{Integers, Want, build_numbers, doubles, wanting};
use super::{Expr, type_list};
use crate::types::DataType;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float32Array, PrimitiveArray};
use std::sync::Arc;

const fn unary(name: &'static str, prepare: fn(&CallSite<'_>) -> Result<Kernel, EvalError>) -> ScalarFunction {
    ScalarFunction { name, signature: one_double, prepare, can_fail: false }
}

const fn same(name: &'static str, prepare: fn(&CallSite<'_>) -> Result<Kernel, EvalError>) -> ScalarFunction {
    ScalarFunction { name, signature: same_number, prepare, can_fail: false }
}

const fn binary(name: &'static str, prepare: fn(&CallSite<'_>) -> Result<Kernel, EvalError>) -> ScalarFunction {
    ScalarFunction { name, signature: two_doubles, prepare, can_fail: false }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    unary("SQRT", |_| map(f64::sqrt)),
    unary("EXP", |_| map(f64::exp)),
    unary("LN", |_| map(f64::ln)),
    unary("LOG10", |_| map(f64::log10)),
    unary("LOG2", |_| map(|v| v.ln() / 2_f64.ln())),
    unary("SIN", |_| map(f64::sin)),
    unary("COS", |_| map(f64::cos)),
    unary("TAN", |_| map(f64::tan)),
    unary("COT", |_| map(|v| 1.0 / v.tan())),
    unary("ASIN", |_| map(f64::asin)),
    unary("ACOS", |_| map(f64::acos)),
    unary("ATAN", |_| map(f64::atan)),
    unary("SINH", |_| map(f64::sinh)),
    unary("COSH", |_| map(f64::cosh)),
    unary("TANH", |_| map(f64::tanh)),
    unary("DEGREES", |_| map(f64::to_degrees)),
    unary("RADIANS", |_| map(f64::to_radians)),
    binary("POWER", |_| map2(f64::powf)),
    binary("ATAN2", |_| map2(f64::atan2)),
    ScalarFunction { name: "LOG", signature: log_types, prepare: log, can_fail: false },
    ScalarFunction { name: "PI", signature: no_argument, prepare: |_| constant(std::f64::consts::PI), can_fail: false },
    ScalarFunction { name: "E", signature: no_argument, prepare: |_| constant(std::f64::consts::E), can_fail: false },
    same("ABS", abs),
    same("SIGN", sign),
    ScalarFunction { name: "ROUND", signature: round_types, prepare: |s| round(s, true), can_fail: false },
    ScalarFunction { name: "TRUNCATE", signature: round_types, prepare: |s| round(s, false), can_fail: false },
];

/// Rounding of numbers alone; that of times stands beside the times.
pub(super) const FLOOR: fn(&CallSite<'_>) -> Result<Kernel, EvalError> = |s| whole(s, f64::floor, -1);
pub(super) const CEIL: fn(&CallSite<'_>) -> Result<Kernel, EvalError> = |s| whole(s, f64::ceil, 1);

fn one_double(args: &[Expr]) -> Result<Signature, String> {
    wanting("this function", args, &[Want::Double], 0, DataType::Double)
}

fn two_doubles(args: &[Expr]) -> Result<Signature, String> {
    wanting("this function", args, &[Want::Double, Want::Double], 0, DataType::Double)
}

fn log_types(args: &[Expr]) -> Result<Signature, String> {
    wanting("LOG", args, &[Want::Double, Want::Double], 1, DataType::Double)
}

fn no_argument(args: &[Expr]) -> Result<Signature, String> {
    wanting("this function", args, &[], 0, DataType::Double)
}

/// One number, and the result of its type.
fn same_number(args: &[Expr]) -> Result<Signature, String> {
    match args {
        [a] if a.data_type.is_numeric() => {
            Ok(Signature { args: vec![a.data_type], returns: a.data_type, nullable: false })
        }
        [a] if a.data_type == DataType::Null => {
            Ok(Signature { args: vec![DataType::Int], returns: DataType::Int, nullable: false })
        }
        _ => Err(format!("a number is wanted, found ({})", type_list(args))),
    }
}

fn map(f: fn(f64) -> f64) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], _| Ok(Arc::new(doubles(&args[0])?.array.unary::<_, Float64Type>(f)) as ArrayRef)))
}

fn map2(f: fn(f64, f64) -> f64) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |args: &[Value], rows| {
        let (a, b) = (doubles(&args[0])?, doubles(&args[1])?);
        build_numbers::<Float64Type>(rows, |row| Ok(a.get(row).zip(b.get(row)).map(|(a, b)| f(a, b))))
    }))
}

fn log(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    // With one argument the natural logarithm, with two the first is the base.
    if site.args.len() == 1 { map(f64::ln) } else { map2(|base, value| value.ln() / base.ln()) }
}

fn constant(value: f64) -> Result<Kernel, EvalError> {
    Ok(Box::new(move |_: &[Value], rows| build_numbers::<Float64Type>(rows, |_| Ok(Some(value)))))
}

/// Applies to each number of the argument the function for its kind.
fn by_kind(
    site: &CallSite<'_>,
    float: impl Fn(f64) -> f64 + Send + Sync + 'static,
    long: impl Fn(i64) -> i64 + Send + Sync + 'static,
    exact: impl Fn(i128) -> Option<i128> + Send + Sync + 'static,
) -> Result<Kernel, EvalError> {
    let (of, returns) = (site.arg_type(0), site.returns);
    Ok(Box::new(move |args: &[Value], _| {
        let array = &args[0].array;
        Ok(match of {
            DataType::Double => Arc::new(doubles(&args[0])?.array.unary::<_, Float64Type>(&float)) as ArrayRef,
            DataType::Float => {
                let values = args[0].rows::<Float32Array>()?;
                Arc::new(values.array.unary::<_, Float32Type>(|v| float(f64::from(v)) as f32))
            }
            DataType::Decimal(_, _) => {
                let values = args[0].rows::<PrimitiveArray<Decimal128Type>>()?.array;
                let out: PrimitiveArray<Decimal128Type> = values.iter().map(|v| v.and_then(&exact)).collect();
                Arc::new(out.with_data_type(returns.arrow()))
            }
            _ => narrowed(widened(array)?.unary::<_, Int64Type>(&long), of)
                .ok_or_else(|| EvalError::new(format!("internal fault: {of} is no number")))?,
        })
    }))
}

fn abs(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    by_kind(site, f64::abs, i64::wrapping_abs, |v| Some(v.abs()))
}

fn sign(site: &CallSite<'_>) -> Result<Kernel, EvalError> {
    let scale = as_decimal(site.arg_type(0)).map_or(0, |(_, s)| s);
    let float = |v: f64| if v == 0.0 || v.is_nan() { v } else { v.signum() };
    by_kind(site, float, i64::signum, move |v| Some(v.signum() * power_of_ten(scale)))
}

/// `FLOOR` and `CEIL` of a number; `up` is 1 where the next whole number above is taken.
fn whole(site: &CallSite<'_>, float: fn(f64) -> f64, up: i128) -> Result<Kernel, EvalError> {
    let unit = power_of_ten(as_decimal(site.arg_type(0)).map_or(0, |(_, s)| s));
    let exact = move |v: i128| {
        let down = v.div_euclid(unit);
        Some(if up > 0 && down * unit != v { down + 1 } else { down })
    };
    by_kind(site, float, |v| v, exact)
}

/// The type of `FLOOR` and `CEIL` of a number.
pub(super) fn whole_types(name: &str, arg: &Expr) -> Result<Signature, String> {
    let of = arg.data_type;
    let returns = match of {
        DataType::Decimal(p, _) => DataType::Decimal(p, 0),
        t if t.is_numeric() => t,
        t => return Err(format!("{name} takes a number, or a time TO a unit, found {t}")),
    };
    Ok(Signature { args: vec![of], returns, nullable: false })
}

fn round_types(args: &[Expr]) -> Result<Signature, String> {
    let wrong = || Err(format!("a number and how many digits to keep are wanted, found ({})", type_list(args)));
    if args.is_empty() || args.len() > 2 || !args[0].data_type.is_numeric() {
        return wrong();
    }
    if args.len() == 2 && !args[1].data_type.is_integer() {
        return wrong();
    }
    let digits = args.get(1).map_or(Some(0), |d| d.as_literal().and_then(Scalar::as_integer));
    let returns = match (args[0].data_type, digits) {
        (DataType::Decimal(p, s), Some(digits)) if digits < 0 => DataType::Decimal((1 + p - s).min(38), 0),
        (DataType::Decimal(p, s), Some(digits)) if digits < i64::from(s) => {
            DataType::Decimal((1 + p - s + digits as u8).min(38), digits as u8)
        }
        (t, _) => t,
    };
    Ok(Signature { args: args.iter().map(|a| a.data_type).collect(), returns, nullable: false })
}

/// `ROUND` (half up, away from zero) or `TRUNCATE` to digits after, or before, the point.
fn round(site: &CallSite<'_>, nearest: bool) -> Result<Kernel, EvalError> {
    let (of, returns) = (site.arg_type(0), site.returns);
    let digits_of = |args: &[Value], row: usize| -> Result<Option<i64>, EvalError> {
        args.get(1).map_or(Ok(Some(0)), |d| Integers::of(d).get(row)).map(|d| d.map(|d| d.clamp(-400, 400)))
    };
    Ok(Box::new(move |args: &[Value], rows| match of {
        DataType::Double => {
            let values = doubles(&args[0])?;
            build_numbers::<Float64Type>(rows, |row| {
                Ok(values.get(row).zip(digits_of(args, row)?).map(|(v, d)| round_float(v, d, nearest)))
            })
        }
        DataType::Float => {
            let values = args[0].rows::<Float32Array>()?;
            build_numbers::<Float32Type>(rows, |row| {
                let digits = digits_of(args, row)?;
                // A FLOAT is rounded by its own text.
                let text = |v: f32| v.to_string().parse::<f64>().unwrap_or(f64::from(v));
                Ok(values.get(row).zip(digits).map(|(v, d)| round_float(text(v), d, nearest) as f32))
            })
        }
        _ => round_exact(args, rows, (of, returns), nearest, &digits_of),
    }))
}

/// How many digits a row keeps.
type DigitsOf = dyn Fn(&[Value], usize) -> Result<Option<i64>, EvalError>;

/// Integers and decimals.
fn round_exact(
    args: &[Value],
    rows: usize,
    (of, returns): (DataType, DataType),
    nearest: bool,
    digits_of: &DigitsOf,
) -> Result<ArrayRef, EvalError> {
    let scale = as_decimal(of).map_or(0, |(_, s)| i64::from(s));
    let decimals = args[0].rows::<PrimitiveArray<Decimal128Type>>().ok();
    let integers = Integers::of(&args[0]);
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        let value = match &decimals {
            Some(d) => d.get(row),
            None => integers.get(row)?.map(i128::from),
        };
        let cut = digits_of(args, row)?.map(|d| scale - d);
        values.push(value.zip(cut).map(|(v, cut)| round_digits(v, cut, nearest)));
    }
    let Some((precision, to)) = as_decimal(returns).filter(|_| matches!(returns, DataType::Decimal(_, _))) else {
        let longs: PrimitiveArray<Int64Type> = values.into_iter().map(|v| v.map(|v| v as i64)).collect();
        return narrowed(longs, returns).ok_or_else(|| EvalError::new("internal fault: a number of no type"));
    };
    let fit = |v: i128| decimal::rescale(v, scale as u8, to, precision);
    let out: PrimitiveArray<Decimal128Type> = values.into_iter().map(|v| v.and_then(fit)).collect();
    Ok(Arc::new(out.with_data_type(returns.arrow())))
}

/// `value` with its last `cut` digits made zero.
fn round_digits(value: i128, cut: i64, nearest: bool) -> i128 {
    if cut <= 0 {
        return value;
    }
    if cut > 38 {
        return 0;
    }
    let unit = power_of_ten(cut as u8);
    let rest = value % unit;
    let down = value - rest;
    if nearest && rest.unsigned_abs() * 2 >= unit.unsigned_abs() { down + unit * value.signum() } else { down }
}

/// Rounds a double by the digits of its shortest text.
fn round_float(value: f64, digits: i64, nearest: bool) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return value };
    let (Ok(exponent), places) = (exponent.parse::<i64>(), mantissa.split_once('.').map_or(0, |(_, f)| f.len())) else {
        return value;
    };
    let Ok(unscaled) = mantissa.replace('.', "").parse::<i128>() else { return value };
    // value = unscaled * 10^-scale
    let scale = places as i64 - exponent;
    let rounded = round_digits(unscaled, scale - digits, nearest);
    format!("{rounded}e{}", -scale).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_rounded_by_their_text() {
        for (value, digits, nearest, expected) in [
            (1.005, 2, true, 1.01),
            (2.5, 0, true, 3.0),
            (-2.5, 0, true, -3.0),
            (123_456.789, -1, true, 123_460.0),
            (0.499_999_999_999_999_94, 0, true, 0.0),
            (2.49, 1, false, 2.4),
            (1e300, 2, true, 1e300),
            (5.0, -3, true, 0.0),
        ] {
            assert_eq!(round_float(value, digits, nearest), expected, "{value} to {digits}");
        }
        assert!(round_float(f64::NAN, 2, true).is_nan());
    }
}
