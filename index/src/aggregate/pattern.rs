//! Small regular expressions over whole texts: `.`, `[a-z]`, `[^a]`, `( )`, `|`, `*`, `+`, `?`, `{2,5}`, and `\` before
//! any character. A text is matched by the set of places that can be reached in it, so that nothing is tried
//! twice, and patterns that would still take long are given up.

/// Longest pattern, in characters.
const PATTERN_CHARS_MAX: usize = 1_000;
/// Most repetitions that may be asked for by number.
const REPEAT_MAX: usize = 100;
/// Deepest nesting of groups.
const DEPTH_MAX: usize = 32;
/// Steps after which a match is given up.
const STEPS_MAX: usize = 100_000;

/// A pattern that texts match as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Any,
    Char(char),
    Class(Vec<(char, char)>, bool),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is malformed, or uses what is not supported; the text says what.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > PATTERN_CHARS_MAX {
            return Err(format!("a pattern is longer than {PATTERN_CHARS_MAX} characters"));
        }
        let mut reader = Reader { chars, at: 0, depth: 0 };
        let node = reader.either()?;
        if reader.at < reader.chars.len() {
            return Err(format!("unexpected [{}] in the pattern [{text}]", reader.chars[reader.at]));
        }
        Ok(Self(node))
    }

    /// Whether the whole text matches; `None` when it takes too long to tell.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        let chars: Vec<char> = text.chars().collect();
        let mut places = vec![false; chars.len() + 1];
        places[0] = true;
        let mut steps = 0;
        step(&self.0, &chars, &places, &mut steps).map(|reached| reached[chars.len()])
    }
}

/// The places that can be reached from some places by matching a node.
fn step(node: &Node, text: &[char], from: &[bool], steps: &mut usize) -> Option<Vec<bool>> {
    *steps += from.len();
    if *steps > STEPS_MAX {
        return None;
    }
    let mut reached = vec![false; from.len()];
    let mut one = |fits: &dyn Fn(char) -> bool| {
        for (at, c) in text.iter().enumerate() {
            reached[at + 1] = from[at] && fits(*c);
        }
    };
    match node {
        Node::Any => one(&|_| true),
        Node::Char(wanted) => one(&|c| c == *wanted),
        Node::Class(ranges, negated) => one(&|c| ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *negated),
        Node::Sequence(nodes) => {
            return nodes.iter().try_fold(from.to_vec(), |places, node| step(node, text, &places, steps));
        }
        Node::Either(nodes) => {
            for node in nodes {
                let other = step(node, text, from, steps)?;
                reached.iter_mut().zip(other).for_each(|(r, o)| *r |= o);
            }
        }
        Node::Repeat(node, least, most) => return repeat(node, *least, *most, text, from, steps),
    }
    Some(reached)
}

fn repeat(
    node: &Node,
    least: usize,
    most: Option<usize>,
    text: &[char],
    from: &[bool],
    steps: &mut usize,
) -> Option<Vec<bool>> {
    let mut places = from.to_vec();
    for _ in 0..least {
        places = step(node, text, &places, steps)?;
    }
    let mut all = places.clone();
    // Each round reaches something new or is the last.
    for _ in least..most.unwrap_or(least + text.len() + 1) {
        places = step(node, text, &places, steps)?;
        let new = places.iter().zip(&all).any(|(p, a)| *p && !*a);
        if !new {
            break;
        }
        all.iter_mut().zip(&places).for_each(|(a, p)| *a |= *p);
    }
    Some(all)
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self) -> Result<char, String> {
        let c = self.peek().ok_or("the pattern ends too early")?;
        self.at += 1;
        Ok(c)
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut choices = vec![self.sequence()?];
        while self.peek() == Some('|') {
            self.at += 1;
            choices.push(self.sequence()?);
        }
        Ok(if choices.len() == 1 { choices.remove(0) } else { Node::Either(choices) })
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while let Some(c) = self.peek().filter(|c| !matches!(c, '|' | ')')) {
            let node = self.atom(c)?;
            nodes.push(self.repeated(node)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn atom(&mut self, first: char) -> Result<Node, String> {
        self.at += 1;
        match first {
            '.' => Ok(Node::Any),
            '\\' => self.take().map(Node::Char),
            '[' => self.class(),
            '(' => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(format!("groups are nested more than {DEPTH_MAX} deep"));
                }
                let inner = self.either()?;
                self.depth -= 1;
                if self.take()? == ')' { Ok(inner) } else { Err("a group is not closed".to_owned()) }
            }
            '*' | '+' | '?' | '{' | '}' | ']' => Err(format!("unexpected [{first}]")),
            '"' | '@' | '#' | '&' | '<' | '~' => Err(format!("the operator [{first}] is not supported")),
            c => Ok(Node::Char(c)),
        }
    }

    fn class(&mut self) -> Result<Node, String> {
        let negated = self.peek() == Some('^');
        self.at += usize::from(negated);
        let mut ranges = Vec::new();
        loop {
            let from = match self.take()? {
                ']' if !ranges.is_empty() => return Ok(Node::Class(ranges, negated)),
                '\\' => self.take()?,
                c => c,
            };
            let is_range = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']');
            let to = if is_range {
                self.at += 1;
                self.take()?
            } else {
                from
            };
            if from > to {
                return Err(format!("[{from}-{to}] is no range"));
            }
            ranges.push((from, to));
        }
    }

    fn repeated(&mut self, mut node: Node) -> Result<Node, String> {
        while let Some(c) = self.peek() {
            let (least, most) = match c {
                '*' => (0, None),
                '+' => (1, None),
                '?' => (0, Some(1)),
                '{' => {
                    self.at += 1;
                    let bounds = self.bounds()?;
                    node = Node::Repeat(Box::new(node), bounds.0, bounds.1);
                    continue;
                }
                _ => break,
            };
            self.at += 1;
            node = Node::Repeat(Box::new(node), least, most);
        }
        Ok(node)
    }

    fn bounds(&mut self) -> Result<(usize, Option<usize>), String> {
        let mut text = String::new();
        loop {
            match self.take()? {
                '}' => break,
                c => text.push(c),
            }
        }
        let number =
            |t: &str| t.parse().ok().filter(|n| *n <= REPEAT_MAX).ok_or(format!("[{{{text}}}] is no repetition"));
        match text.split_once(',') {
            None => number(&text).map(|n| (n, Some(n))),
            Some((least, "")) => Ok((number(least)?, None)),
            Some((least, most)) => Ok((number(least)?, Some(number(most)?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("[ab]", "a", true),
            ("[ab]", "ab", false),
            ("[^ab]", "c", true),
            ("a.*", "abc", true),
            ("a|bc", "bc", true),
            ("(ab)+", "abab", true),
            ("(ab)+", "aba", false),
            ("a?b", "b", true),
            ("a{2,3}", "aa", true),
            ("a{2}", "aaa", false),
            ("a{2,}", "aaaaa", true),
            ("\\.", ".", true),
            ("\\.", "a", false),
            ("", "", true),
            ("[a-c-]x", "-x", true),
            ("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false),
            ("é+", "éé", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), Some(expected), "{pattern} {text}");
        }
        for pattern in ["(", "[", "a{", "a{x}", "*", "a)", "[b-a]", "a{1000}", "<1-5>", "\\"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        let pattern = Pattern::new(
            &"(".repeat(8).chars().chain("a?".chars()).chain("){100}".repeat(8).chars()).collect::<String>(),
        )
        .unwrap();
        assert_eq!(pattern.matches(&"a".repeat(50)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_refused(pattern in "\\PC{0,20}", text in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                pattern.matches(&text);
            }
        }
    }
}
