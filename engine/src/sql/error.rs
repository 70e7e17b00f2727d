//! Why a script is refused: where, what, and what to do instead.

use model::{Classified, Kind};
use sqlparser::tokenizer::{Location, Span};
use std::fmt;

/// A place in a script that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Line of the script, from 1; 0 where no place can be told.
    pub line: u64,
    /// Column in the line, in characters, from 1.
    pub column: u64,
    /// What is wrong.
    pub what: String,
    /// What to write instead, or where it stands in the plans.
    pub hint: Option<String>,
    /// The line of the script, when known.
    pub source: Option<String>,
}

impl SqlError {
    /// An error at a place of the script.
    pub(super) fn at(place: impl Into<Place>, what: impl Into<String>) -> Self {
        let Place(location) = place.into();
        Self { line: location.line, column: location.column, what: what.into(), hint: None, source: None }
    }

    /// A feature that is not there yet, named.
    pub(super) fn unsupported(place: impl Into<Place>, feature: impl fmt::Display) -> Self {
        Self::at(place, format!("{feature} is not supported yet"))
    }

    /// The same error with a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with a hint, if there is one.
    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// The same error with the line of `text` that it points at.
    pub(super) fn within(mut self, text: &str) -> Self {
        if self.source.is_none() && self.line > 0 {
            self.source = text.lines().nth(self.line as usize - 1).map(str::to_owned);
        }
        self
    }

    /// The same error at `place`, unless it has a place already.
    pub(super) fn or_at(mut self, place: impl Into<Place>) -> Self {
        if self.line == 0 {
            let Place(location) = place.into();
            (self.line, self.column) = (location.line, location.column);
        }
        self
    }

    /// The error over several lines: the message, the line of the script, and a caret under the place.
    pub fn pointed(&self) -> String {
        let Some(source) = &self.source else { return self.to_string() };
        // Tabs are kept, so that the caret stands under its character at any tab width.
        let before = source.chars().take(self.column.saturating_sub(1) as usize);
        let padding: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        format!("{self}\n{margin} |\n{number} | {source}\n{margin} | {padding}^")
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for SqlError {}

impl Classified for SqlError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

/// Where in a script something stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub(super) Location);

impl Place {
    /// No place in particular.
    pub(super) const NONE: Self = Self(Location { line: 0, column: 0 });
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self(location)
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self(span.start)
    }
}

/// The name among `known` that `written` was probably meant to be.
pub(super) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = written.to_lowercase();
    let most = (written.chars().count() / 3).max(1);
    let rated = known.into_iter().map(|name| (distance(&lower, &name.to_lowercase()), name));
    let (_, best) = rated.filter(|(d, _)| *d <= most).min_by_key(|(d, _)| *d)?;
    Some(format!("did you mean \"{best}\"?"))
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn one word into another.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_seen() {
        let known = ["pickup_datetime", "dropoff_datetime", "type"];
        assert_eq!(did_you_mean("pickup_datetiem", known).as_deref(), Some("did you mean \"pickup_datetime\"?"));
        assert_eq!(did_you_mean("Type", known).as_deref(), Some("did you mean \"type\"?"));
        assert_eq!(did_you_mean("fare", known), None);
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        let error =
            SqlError::at(Location { line: 2, column: 9 }, "unknown column \"x\"").hint("look").within("a\n  SELECT x");
        assert_eq!(error.pointed(), "line 2, column 9: unknown column \"x\"; look\n  |\n2 |   SELECT x\n  |         ^");
    }
}
