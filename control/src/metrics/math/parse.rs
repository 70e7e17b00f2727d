//! Reading an expression: numbers, texts, names, calls, lists, and operators by their precedence.

use super::MathError;

/// Longest expression, in bytes.
const LENGTH_MAX: usize = 2_048;
/// Deepest nesting.
const DEPTH_MAX: usize = 48;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// A text in quotes.
    Text(String),
    /// What is known under a name.
    Name(String),
    /// A function with what it is given; its name is in capitals.
    Call(String, Vec<Expr>),
    /// A list.
    List(Vec<Expr>),
    /// The negative.
    Negative(Box<Expr>),
    /// Two sides and what stands between them.
    Binary(Op, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// The names in it, in no order.
    pub fn names(&self) -> Vec<&str> {
        let (mut names, mut rest) = (Vec::new(), vec![self]);
        while let Some(expression) = rest.pop() {
            match expression {
                Self::Number(_) | Self::Text(_) => {}
                Self::Name(name) => names.push(name.as_str()),
                Self::Call(_, given) | Self::List(given) => rest.extend(given),
                Self::Negative(inner) => rest.push(inner),
                Self::Binary(_, left, right) => rest.extend([left.as_ref(), right.as_ref()]),
            }
        }
        names
    }
}

/// What stands between two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Either is not 0.
    Or,
    /// Both are not 0.
    And,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Not above.
    LessOrEqual,
    /// Above.
    Greater,
    /// Not less.
    GreaterOrEqual,
    /// The sum.
    Add,
    /// The difference.
    Subtract,
    /// The product.
    Multiply,
    /// The quotient.
    Divide,
    /// The power.
    Power,
}

/// Operators from the loosest to the tightest.
const OPERATORS: [(&str, Op, u8); 15] = [
    ("||", Op::Or, 1),
    ("OR", Op::Or, 1),
    ("&&", Op::And, 2),
    ("AND", Op::And, 2),
    ("==", Op::Equal, 3),
    ("!=", Op::NotEqual, 3),
    ("<=", Op::LessOrEqual, 3),
    (">=", Op::GreaterOrEqual, 3),
    ("<", Op::Less, 3),
    (">", Op::Greater, 3),
    ("+", Op::Add, 4),
    ("-", Op::Subtract, 4),
    ("*", Op::Multiply, 5),
    ("/", Op::Divide, 5),
    ("^", Op::Power, 6),
];

/// The expression that a text is.
///
/// # Errors
/// Says what is wrong with it and where.
pub fn parse(text: &str) -> Result<Expr, MathError> {
    if text.len() > LENGTH_MAX {
        let length = text.len();
        return Err(MathError::new(format!("the expression has {length} bytes; it may have at most {LENGTH_MAX}")));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.binary(0)?;
    parser.skip_space();
    if parser.at < text.len() { Err(parser.wrong("nothing more")) } else { Ok(expression) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn wrong(&self, expected: &str) -> MathError {
        let found = self.rest().chars().next().map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        MathError::new(format!(
            "the expression is wrong at character {}: {expected} expected, {found} found",
            self.at + 1
        ))
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn operator(&mut self) -> Option<(&'static str, Op, u8)> {
        self.skip_space();
        let rest = self.rest();
        let is_word = |token: &str| token.starts_with(|c: char| c.is_ascii_alphabetic());
        let ends = |token: &str| !rest[token.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let is_next = |token: &str| {
            let same = rest.get(..token.len()).is_some_and(|start| start.eq_ignore_ascii_case(token));
            same && (!is_word(token) || ends(token))
        };
        OPERATORS.into_iter().find(|(token, ..)| is_next(token))
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, MathError>) -> Result<T, MathError> {
        if self.depth == DEPTH_MAX {
            return Err(MathError::new(format!("the expression is nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn binary(&mut self, above: u8) -> Result<Expr, MathError> {
        self.deeper(|parser| {
            let mut left = parser.unary()?;
            while let Some((token, op, binds)) = parser.operator().filter(|(.., binds)| *binds > above) {
                parser.at += token.len();
                let right = parser.binary(binds)?;
                left = Expr::Binary(op, Box::new(left), Box::new(right));
            }
            Ok(left)
        })
    }

    fn unary(&mut self) -> Result<Expr, MathError> {
        if self.take("-") {
            return self.deeper(|parser| Ok(Expr::Negative(Box::new(parser.unary()?))));
        }
        if self.take("(") {
            let inner = self.binary(0)?;
            return if self.take(")") { Ok(inner) } else { Err(self.wrong("`)`")) };
        }
        if self.take("[") {
            return Ok(Expr::List(self.listed("]")?));
        }
        self.skip_space();
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.name(),
            _ => Err(self.wrong("a number, a name, a function or `(`")),
        }
    }

    fn listed(&mut self, end: &str) -> Result<Vec<Expr>, MathError> {
        let mut list = Vec::new();
        if self.take(end) {
            return Ok(list);
        }
        loop {
            list.push(self.binary(0)?);
            if self.take(end) {
                return Ok(list);
            }
            if !self.take(",") {
                return Err(self.wrong(&format!("`,` or `{end}`")));
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Expr, MathError> {
        let inner = &self.rest()[1..];
        let mut text = String::new();
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c if c == quote => {
                    self.at += 1 + at + 1;
                    return Ok(Expr::Text(text));
                }
                c => text.push(c),
            }
        }
        Err(MathError::new(format!("the text that begins at character {} has no end", self.at + 1)))
    }

    fn number(&mut self) -> Result<Expr, MathError> {
        let rest = self.rest();
        let mut end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            if length > 0 {
                end = rest.len() - digits.len() + length;
            }
        }
        let number: f64 = rest[..end].parse().map_err(|_| self.wrong("a number"))?;
        self.at += end;
        Ok(Expr::Number(number))
    }

    fn name(&mut self) -> Result<Expr, MathError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        let name = &rest[..end];
        if self.take("(") {
            Ok(Expr::Call(name.to_ascii_uppercase(), self.listed(")")?))
        } else {
            Ok(Expr::Name(name.to_owned()))
        }
    }
}
