//! Rules over the states of other alarms: `ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA(c))`.

use super::spec::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest rule, in bytes.
const LENGTH_MAX: usize = 10_240;
/// Most alarms that one rule names.
const CHILDREN_MAX: usize = 100;
/// Most elements of one rule.
const ELEMENTS_MAX: usize = 500;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Composite {
    text: String,
    node: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Is(State, String),
    Always(bool),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule is wrong: {0}")]
pub struct RuleError(pub String);

impl From<Composite> for String {
    fn from(composite: Composite) -> Self {
        composite.text
    }
}

impl TryFrom<String> for Composite {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        Self::parse(&text)
    }
}

impl Composite {
    /// The rule that a text is.
    ///
    /// # Errors
    /// Says what is wrong with it and where.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > LENGTH_MAX {
            return Err(RuleError(format!("it has {} bytes; it may have at most {LENGTH_MAX}", text.len())));
        }
        let mut parser = Parser { text, at: 0, depth: 0, elements: 0 };
        let node = parser.either()?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.wrong("AND, OR or the end"));
        }
        let composite = Self { text: text.to_owned(), node };
        let children = composite.children().len();
        if children > CHILDREN_MAX {
            return Err(RuleError(format!("it names {children} alarms; it may name at most {CHILDREN_MAX}")));
        }
        Ok(composite)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The alarms that it names.
    pub fn children(&self) -> BTreeSet<&str> {
        fn collect<'a>(node: &'a Node, into: &mut BTreeSet<&'a str>) {
            match node {
                Node::Is(_, name) => {
                    into.insert(name);
                }
                Node::Always(_) => {}
                Node::Not(inner) => collect(inner, into),
                Node::And(a, b) | Node::Or(a, b) => {
                    collect(a, into);
                    collect(b, into);
                }
            }
        }
        let mut names = BTreeSet::new();
        collect(&self.node, &mut names);
        names
    }

    /// Whether it holds, as the states of alarms are; one that there is not is in no state.
    pub fn holds(&self, state: &dyn Fn(&str) -> Option<State>) -> bool {
        fn holds(node: &Node, state: &dyn Fn(&str) -> Option<State>) -> bool {
            match node {
                Node::Is(wanted, name) => state(name) == Some(*wanted),
                Node::Always(is) => *is,
                Node::Not(inner) => !holds(inner, state),
                Node::And(a, b) => holds(a, state) && holds(b, state),
                Node::Or(a, b) => holds(a, state) || holds(b, state),
            }
        }
        holds(&self.node, state)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    elements: usize,
}

type Parsed = Result<Node, RuleError>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn wrong(&self, expected: &str) -> RuleError {
        let found = self.rest().chars().next().map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        RuleError(format!("{expected} expected at character {}, {found} found", self.at + 1))
    }

    /// Takes a word that nothing of a word follows.
    fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        let rest = self.rest();
        let ends = |at: usize| !rest[at..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) && ends(word.len());
        if found {
            self.at += word.len();
        }
        found
    }

    fn sign(&mut self, sign: char) -> Result<(), RuleError> {
        self.skip_space();
        if !self.rest().starts_with(sign) {
            return Err(self.wrong(&format!("`{sign}`")));
        }
        self.at += sign.len_utf8();
        Ok(())
    }

    fn either(&mut self) -> Parsed {
        if self.depth == DEPTH_MAX {
            return Err(RuleError(format!("it is nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let mut node = self.both()?;
        while self.word("OR") {
            node = Node::Or(Box::new(node), Box::new(self.both()?));
        }
        self.depth -= 1;
        Ok(node)
    }

    fn both(&mut self) -> Parsed {
        let mut node = self.one()?;
        while self.word("AND") {
            node = Node::And(Box::new(node), Box::new(self.one()?));
        }
        Ok(node)
    }

    fn one(&mut self) -> Parsed {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(RuleError(format!("it has more than {ELEMENTS_MAX} elements")));
        }
        let mut negations = 0_u32;
        while self.word("NOT") {
            negations += 1;
        }
        let node = self.plain()?;
        Ok(if negations.is_multiple_of(2) { node } else { Node::Not(Box::new(node)) })
    }

    fn plain(&mut self) -> Parsed {
        for state in State::ALL {
            if self.word(state.name()) {
                self.sign('(')?;
                let name = self.name()?;
                self.sign(')')?;
                return Ok(Node::Is(state, name));
            }
        }
        for (word, is) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) {
                return Ok(Node::Always(is));
            }
        }
        self.sign('(').map_err(|_| self.wrong("ALARM, OK, INSUFFICIENT_DATA, NOT, TRUE, FALSE or `(`"))?;
        let node = self.either()?;
        self.sign(')')?;
        Ok(node)
    }

    /// The name of an alarm, in quotes or not, or its resource name, which ends with it.
    fn name(&mut self) -> Result<String, RuleError> {
        self.skip_space();
        let rest = self.rest();
        let (name, length) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let end = rest[1..].find(quote).ok_or_else(|| self.wrong("a name with a quote at its end"))?;
                (&rest[1..=end], end + 2)
            }
            _ => {
                let end = rest.find(')').ok_or_else(|| self.wrong("`)`"))?;
                (rest[..end].trim(), end)
            }
        };
        let behind = name.strip_prefix("arn:").and_then(|_| name.split_once(":alarm:")).map(|(_, behind)| behind);
        let name = behind.unwrap_or(name);
        if name.is_empty() {
            return Err(self.wrong("the name of an alarm"));
        }
        self.at += length;
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state(name: &str) -> Option<State> {
        match name {
            "a" => Some(State::Alarm),
            "o" => Some(State::Ok),
            "i" => Some(State::InsufficientData),
            _ => None,
        }
    }

    #[test]
    fn rules_hold_as_the_states_are() {
        for (text, holds) in [
            ("ALARM(a)", true),
            ("ALARM(\"o\")", false),
            ("OK('o')", true),
            ("INSUFFICIENT_DATA(i)", true),
            ("ALARM(nobody)", false),
            ("NOT ALARM(nobody)", true),
            ("TRUE", true),
            ("FALSE OR TRUE AND FALSE", false),
            ("(FALSE OR TRUE) AND NOT FALSE", true),
            ("NOT NOT ALARM(a)", true),
            ("alarm(a) and not ok(a)", true),
            ("ALARM(arn:aws:cloudwatch:us-east-1:000000000000:alarm:a)", true),
        ] {
            assert_eq!(Composite::parse(text).unwrap().holds(&state), holds, "{text}");
        }
        let rule = Composite::parse("ALARM(b) OR ALARM(a) AND OK(b)").unwrap();
        assert_eq!(rule.children().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_rule_is_told_with_its_place() {
        for (text, part) in [
            ("", "character 1, the end found"),
            ("ALARM", "`(` expected"),
            ("ALARM(a", "`)` expected"),
            ("ALARM()", "the name of an alarm expected"),
            ("ALARM(arn:aws:cloudwatch:us-east-1:0:alarm:)", "the name of an alarm expected"),
            ("ALARM(a) ALARM(b)", "AND, OR or the end expected at character 10"),
            ("(ALARM(a)", "`)` expected"),
            ("ALARMS(a)", "ALARM, OK"),
            ("ALARM(\"a)", "a quote at its end"),
        ] {
            let error = Composite::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Composite::parse(&"(".repeat(100)).unwrap_err().0.contains("nested"));
        assert!(Composite::parse(&vec!["TRUE"; 600].join(" OR ")).unwrap_err().0.contains("500 elements"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[ ()A-Za\"é]{0,60}") {
            let _ = Composite::parse(&text);
        }
    }
}
