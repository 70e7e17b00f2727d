//! What an expression is worth.

use super::functions::call;
use super::parse::{Expr, Op};
use super::{Line, MathError, Source, Worth};

/// The worth of an expression about what `source` knows.
///
/// # Errors
/// When it names what there is not, or gives a function what it does not take.
pub fn evaluate(expression: &Expr, source: &dyn Source) -> Result<Worth, MathError> {
    match expression {
        Expr::Number(number) => Ok(Worth::Number(*number)),
        Expr::Text(text) => Err(MathError::new(format!("the text {text:?} is worth nothing by itself"))),
        Expr::Name(name) => taken(source.named(name), source),
        Expr::List(members) => list(members, source),
        Expr::Negative(inner) => Ok(evaluate(inner, source)?.each(|value| -value)),
        Expr::Binary(..) => sides(expression, source),
        Expr::Call(name, given) => call(name, given, source),
    }
}

/// All series of a list's members.
pub(super) fn list(members: &[Expr], source: &dyn Source) -> Result<Worth, MathError> {
    let mut lines: Vec<Line> = Vec::new();
    for member in members {
        let found = evaluate(member, source)?.lines();
        lines.extend(found.ok_or_else(|| MathError::new("a list holds series, not numbers"))?);
    }
    Ok(Worth::Lines(lines))
}

/// Sides with operators between them. `1 + 1 + …` is as deep to the left as a text is long: it takes no stack.
fn sides(expression: &Expr, source: &dyn Source) -> Result<Worth, MathError> {
    let (mut rights, mut leftmost) = (Vec::new(), expression);
    while let Expr::Binary(op, left, right) = leftmost {
        rights.push((*op, right));
        leftmost = left;
    }
    let mut worth = evaluate(leftmost, source)?;
    for (op, right) in rights.into_iter().rev() {
        worth = worth.with(evaluate(right, source)?, &|a, b| apply(op, a, b))?;
    }
    Ok(worth)
}

/// What was asked of the source, which counts for the expression's budget.
pub(super) fn taken(worth: Result<Worth, MathError>, source: &dyn Source) -> Result<Worth, MathError> {
    let worth = worth?;
    source.budget().take(worth.weight())?;
    Ok(worth)
}

fn apply(op: Op, a: f64, b: f64) -> f64 {
    let truth = |is: bool| if is { 1.0 } else { 0.0 };
    match op {
        Op::Or => truth(a != 0.0 || b != 0.0),
        Op::And => truth(a != 0.0 && b != 0.0),
        Op::Equal => truth(a == b),
        Op::NotEqual => truth(a != b),
        Op::Less => truth(a < b),
        Op::LessOrEqual => truth(a <= b),
        Op::Greater => truth(a > b),
        Op::GreaterOrEqual => truth(a >= b),
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Power => a.powf(b),
    }
}
