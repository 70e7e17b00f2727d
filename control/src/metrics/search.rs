//! Looking for series by words: `{Namespace,Dimension,…} MetricName="…" Dimension="…" word`.

use super::key::SeriesKey;

/// What is looked for. All of it must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Search {
    /// The namespace and the names of all dimensions.
    schema: Option<(String, Vec<String>)>,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    /// The property that it is about: `Namespace`, `MetricName`, or a dimension; none means any of them.
    property: Option<String>,
    /// One of these, exactly where they stood in quotes, else as a part whose letters are small.
    words: Vec<(String, bool)>,
    negated: bool,
}

impl Search {
    /// What a text looks for.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut search = Self::default();
        let mut rest = text.trim();
        if let Some(inner) = rest.strip_prefix('{') {
            let (schema, behind) = inner.split_once('}').ok_or("the search has a `{` without a `}`")?;
            let mut names = split_names(schema).into_iter();
            let namespace =
                names.next().filter(|name| !name.is_empty()).ok_or("the search names no namespace in `{}`")?;
            search.schema = Some((namespace, names.collect()));
            rest = behind;
        }
        let mut negated = false;
        for token in tokens(rest)? {
            match token.to_ascii_uppercase().as_str() {
                "AND" | "" => {}
                "OR" => {
                    return Err("the search knows OR only within a pair of parentheses behind a property".to_owned());
                }
                "NOT" => negated = true,
                _ => {
                    search.terms.push(term(&token, negated));
                    negated = false;
                }
            }
        }
        Ok(search)
    }

    /// Whether it finds a series.
    pub(super) fn finds(&self, key: &SeriesKey) -> bool {
        let names = || key.dimensions().iter().map(|(name, _)| name);
        let fits = self.schema.as_ref().is_none_or(|(namespace, dimensions)| {
            let known = |name: &String| dimensions.contains(name);
            key.namespace() == namespace && key.dimensions().len() == dimensions.len() && names().all(known)
        });
        fits && self.terms.iter().all(|term| term.holds(key) != term.negated)
    }
}

impl Term {
    fn holds(&self, key: &SeriesKey) -> bool {
        let values: Vec<&str> = match self.property.as_deref() {
            Some("Namespace") => vec![key.namespace()],
            Some("MetricName") => vec![key.name()],
            Some(dimension) => {
                key.dimensions().iter().filter(|(name, _)| name == dimension).map(|(_, v)| v.as_str()).collect()
            }
            None => {
                let own = [key.namespace(), key.name()].into_iter();
                own.chain(key.dimensions().iter().flat_map(|(name, value)| [name.as_str(), value.as_str()])).collect()
            }
        };
        values.into_iter().any(|value| {
            let small = value.to_ascii_lowercase();
            self.words.iter().any(|(word, exact)| if *exact { value == word } else { small.contains(word) })
        })
    }
}

fn split_names(schema: &str) -> Vec<String> {
    schema.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect()
}

fn unquoted(word: &str) -> (String, bool) {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    inner.map_or_else(|| (word.to_owned(), false), |inner| (inner.to_owned(), true))
}

fn term(token: &str, negated: bool) -> Term {
    let (property, value) = match token.split_once('=') {
        Some((property, value)) => (Some(unquoted(property).0), value),
        None => (None, token),
    };
    let word = |text: &str| match unquoted(text) {
        (word, false) => (word.to_ascii_lowercase(), false),
        exact => exact,
    };
    let words = match value.strip_prefix('(').and_then(|value| value.strip_suffix(')')) {
        Some(list) => list.split(" OR ").map(|one| word(one.trim())).collect(),
        None => vec![word(value)],
    };
    Term { property, words, negated }
}

/// Words apart, what stands in quotes or parentheses together.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let (mut out, mut token, mut quoted, mut depth) = (Vec::new(), String::new(), false, 0_u32);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.checked_sub(1).ok_or("the search has a `)` without a `(`")?,
            _ => {}
        }
        if c.is_whitespace() && !quoted && depth == 0 {
            out.push(std::mem::take(&mut token));
        } else {
            token.push(c);
        }
    }
    if quoted || depth > 0 {
        return Err("the search has a quote or a parenthesis without an end".to_owned());
    }
    out.push(token);
    out.retain(|token| !token.is_empty());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_all_that_is_said() {
        let key =
            SeriesKey::new("AWS/Kinesis", "IncomingBytes", [("StreamName", "trips"), ("ShardId", "s-1")]).unwrap();
        for (text, found) in [
            ("", true),
            ("{AWS/Kinesis,StreamName,ShardId}", true),
            ("{AWS/Kinesis,StreamName}", false),
            ("{AWS/Kinesis,StreamName,ShardId} MetricName=\"IncomingBytes\"", true),
            ("{AWS/Kinesis,StreamName,ShardId} MetricName=\"Incoming\"", false),
            ("MetricName=Incoming", true),
            ("StreamName=(\"trips\" OR \"other\")", true),
            ("StreamName=\"other\"", false),
            ("incoming TRIPS", true),
            ("incoming NOT trips", false),
            ("NOT StreamName=\"other\"", true),
        ] {
            assert_eq!(Search::parse(text).unwrap().finds(&key), found, "{text}");
        }
        for wrong in ["{AWS/Kinesis", "{}", "\"open", "(a", "a)", "a OR b"] {
            assert!(Search::parse(wrong).is_err(), "{wrong}");
        }
    }
}
