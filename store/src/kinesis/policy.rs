//! Resource policies: reading a document, and what it says of a principal, an action and a resource.

use serde_json::{Map, Value};

/// Longest document, in bytes; the real service's own bound.
const BYTES_MAX: usize = 20 * 1024;
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// A policy, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy(Vec<Statement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    allow: bool,
    principals: Vec<String>,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Nothing.
    Silent,
    /// It allows it.
    Allowed,
    /// It denies it, whatever else allows it.
    Denied,
}

impl Policy {
    /// Reads a document; what is wrong or not supported is told in words, the statement by its number.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("it is longer than {BYTES_MAX} bytes"));
        }
        let document: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let document = document.as_object().ok_or("it is no JSON object")?;
        if let Some(odd) = document.keys().find(|key| !matches!(key.as_str(), "Version" | "Id" | "Statement")) {
            return Err(format!("it has {odd}, which is not supported"));
        }
        if let Some(version) = document.get("Version") {
            let known = version.as_str().is_some_and(|version| VERSIONS.contains(&version));
            known.then_some(()).ok_or_else(|| format!("its Version must be one of {}", VERSIONS.join(", ")))?;
        }
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
            Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
            _ => return Err("it has no Statement".to_owned()),
        };
        let read = statements.iter().enumerate().map(|(i, value)| Statement::read(value, i + 1));
        read.collect::<Result<_, _>>().map(Self)
    }

    /// What it says of a principal (its ARN, such as that of a user) that would act on a resource.
    pub(super) fn verdict(&self, principal: &str, action: &str, resource: &str) -> Verdict {
        let fits = self.0.iter().filter(|statement| statement.fits(principal, action, resource));
        let said = fits.map(|statement| if statement.allow { Verdict::Allowed } else { Verdict::Denied });
        said.max().unwrap_or(Verdict::Silent)
    }
}

impl Statement {
    fn read(value: &Value, number: usize) -> Result<Self, String> {
        let object = value.as_object().ok_or_else(|| format!("statement {number} is no JSON object"))?;
        for name in ["Effect", "Principal", "Action", "Resource"] {
            if !object.contains_key(name) && !object.contains_key(&format!("Not{name}")) {
                return Err(format!("statement {number} has no {name}"));
            }
        }
        let known = |key: &&String| ["Sid", "Effect", "Principal", "Action", "Resource"].contains(&key.as_str());
        if let Some(odd) = object.keys().find(|key| !known(key)) {
            return Err(format!("statement {number} has {odd}, which is not supported"));
        }
        let allow = match object["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(format!("the Effect of statement {number} must be Allow or Deny")),
        };
        let texts = |name: &str| {
            let texts = texts(&object[name]).filter(|texts| !texts.is_empty());
            texts.ok_or_else(|| format!("the {name} of statement {number} must be a text or a list of texts"))
        };
        let principals = principals(&object["Principal"])
            .ok_or_else(|| format!("the Principal of statement {number} must be \"*\" or {{\"AWS\": …}}"))?;
        Ok(Self { allow, principals, actions: texts("Action")?, resources: texts("Resource")? })
    }

    fn fits(&self, principal: &str, action: &str, resource: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.principals.iter().any(|one| is_principal(one, principal))
            && self.actions.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &action))
            && self.resources.iter().any(|pattern| fits(pattern, resource))
    }
}

/// One text or a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn principals(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(any) if any == "*" => Some(vec![any.clone()]),
        Value::Object(of) => of_aws(of),
        _ => None,
    }
}

fn of_aws(of: &Map<String, Value>) -> Option<Vec<String>> {
    let found = texts(of.get("AWS")?)?;
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let known = found.iter().all(|text| text == "*" || account(text) || text.starts_with("arn:aws:iam::"));
    (of.len() == 1 && known && !found.is_empty()).then_some(found)
}

/// Whether a principal of a policy is this one: everybody, its account, or itself. Wildcards within are none.
fn is_principal(told: &str, principal: &str) -> bool {
    let account = principal.split(':').nth(4).unwrap_or_default();
    told == "*" || told == principal || told == account || told == format!("arn:aws:iam::{account}:root")
}

/// Whether a text fits a pattern in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and up to where it has taken the text: only that one is ever taken back to.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&one) if one == '?' || one == text[t] => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"Effect":"Allow","Principal":"*","Action":"kinesis:*","Resource":"*"}"#;

    #[test]
    fn a_policy_has_statements_with_all_their_parts() {
        let check = |policy: &str, expected: &str| {
            assert_eq!(Policy::parse(policy).err().unwrap_or_default(), expected, "{policy}");
        };
        check(&format!(r#"{{"Version":"2012-10-17","Id":"a","Statement":[{WHOLE}]}}"#), "");
        check(&format!(r#"{{"Statement":{WHOLE}}}"#), "");
        check("{}", "it has no Statement");
        check("[]", "it is no JSON object");
        check(r#"{"Statement":[]}"#, "it has no Statement");
        check(r#"{"Statement":[1]}"#, "statement 1 is no JSON object");
        check(&format!(r#"{{"Statement":{WHOLE},"More":1}}"#), "it has More, which is not supported");
        check(
            &format!(r#"{{"Version":"2020-01-01","Statement":{WHOLE}}}"#),
            "its Version must be one of 2012-10-17, 2008-10-17",
        );
        check(&format!(r#"{{"Statement":[{WHOLE},{{}}]}}"#), "statement 2 has no Effect");
        check("{", "it is no JSON: EOF while parsing an object at line 1 column 1");
        check(&" ".repeat(20 * 1024 + 1), "it is longer than 20480 bytes");
        for (from, to, expected) in [
            ("Allow", "Maybe", "the Effect of statement 1 must be Allow or Deny"),
            ("\"Principal\":\"*\",", "", "statement 1 has no Principal"),
            ("\"Principal\"", "\"NotPrincipal\"", "statement 1 has NotPrincipal, which is not supported"),
            ("\"Action\"", "\"NotAction\"", "statement 1 has NotAction, which is not supported"),
            ("\"Resource\"", "\"Condition\":{},\"Resource\"", "statement 1 has Condition, which is not supported"),
            ("\"kinesis:*\"", "[]", "the Action of statement 1 must be a text or a list of texts"),
            ("\"kinesis:*\"", "[1]", "the Action of statement 1 must be a text or a list of texts"),
            ("\"Resource\":\"*\"", "\"Resource\":{}", "the Resource of statement 1 must be a text or a list of texts"),
            ("\"*\"", "{\"AWS\":[\"123456789012\",\"arn:aws:iam::123456789012:user/x\"]}", ""),
            ("\"*\"", "{\"Service\":\"x\"}", "the Principal of statement 1 must be \"*\" or {\"AWS\": …}"),
            (
                "\"*\"",
                "{\"AWS\":\"*\",\"Service\":\"x\"}",
                "the Principal of statement 1 must be \"*\" or {\"AWS\": …}",
            ),
            ("\"*\"", "{\"AWS\":\"somebody\"}", "the Principal of statement 1 must be \"*\" or {\"AWS\": …}"),
            ("\"*\"", "\"somebody\"", "the Principal of statement 1 must be \"*\" or {\"AWS\": …}"),
        ] {
            check(&format!(r#"{{"Statement":{}}}"#, WHOLE.replacen(from, to, 1)), expected);
        }
    }

    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/trips";
    const USER: &str = "arn:aws:iam::000000000000:user/P";

    #[test]
    fn a_statement_counts_where_principal_action_and_resource_fit() {
        let check = |principal: &str, action: &str, resource: &str, fits: bool| {
            for (effect, expected) in [("Allow", Verdict::Allowed), ("Deny", Verdict::Denied)] {
                let statement = format!(
                    r#"{{"Effect":"{effect}","Principal":{principal},"Action":{action},"Resource":{resource}}}"#
                );
                let policy = Policy::parse(&format!(r#"{{"Statement":[{statement}]}}"#)).unwrap();
                let expected = if fits { expected } else { Verdict::Silent };
                assert_eq!(policy.verdict(USER, "kinesis:PutRecords", ARN), expected, "{statement}");
            }
        };
        let any = "\"*\"";
        for (principal, fits) in [
            (any, true),
            (r#"{"AWS":"*"}"#, true),
            (r#"{"AWS":"000000000000"}"#, true),
            (r#"{"AWS":"arn:aws:iam::000000000000:root"}"#, true),
            (r#"{"AWS":["arn:aws:iam::000000000000:user/Q","arn:aws:iam::000000000000:user/P"]}"#, true),
            (r#"{"AWS":"arn:aws:iam::000000000000:user/Q"}"#, false),
            (r#"{"AWS":"arn:aws:iam::000000000000:user/*"}"#, false),
            (r#"{"AWS":"111111111111"}"#, false),
        ] {
            check(principal, any, any, fits);
        }
        for (action, fits) in [
            ("\"kinesis:PutRecords\"", true),
            ("\"Kinesis:putrecords\"", true),
            ("\"kinesis:Put*\"", true),
            ("\"kinesis:PutRecord?\"", true),
            ("\"kinesis:PutRecord\"", false),
            ("\"kinesis:PutRecords?\"", false),
            (r#"["kinesis:Get*","*:*Records"]"#, true),
            ("\"s3:*\"", false),
        ] {
            check(any, action, any, fits);
        }
        for (resource, fits) in [
            (format!("\"{ARN}\""), true),
            ("\"arn:aws:kinesis:*:*:stream/tr*\"".into(), true),
            (format!("\"{ARN}s\""), false),
            (format!("\"{ARN}/*\""), false),
            ("\"ARN:*\"".into(), false),
        ] {
            check(any, any, &resource, fits);
        }
    }

    #[test]
    fn a_denial_outweighs_what_allows() {
        let deny = WHOLE.replace("Allow", "Deny").replace("kinesis:*", "kinesis:PutRecord");
        for statements in [format!("{WHOLE},{deny}"), format!("{deny},{WHOLE}")] {
            let policy = Policy::parse(&format!(r#"{{"Statement":[{statements}]}}"#)).unwrap();
            assert_eq!(policy.verdict(USER, "kinesis:PutRecord", ARN), Verdict::Denied);
            assert_eq!(policy.verdict(USER, "kinesis:PutRecords", ARN), Verdict::Allowed);
            assert_eq!(policy.verdict(USER, "s3:PutObject", ARN), Verdict::Silent);
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_fit_as_their_plain_meaning_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), None) => plain(rest, text),
                    (Some((b'*', rest)), Some((_, tail))) => plain(rest, text) || plain(pattern, tail),
                    (Some((one, rest)), Some((first, tail))) => (*one == b'?' || one == first) && plain(rest, tail),
                    _ => false,
                }
            }
            proptest::prop_assert_eq!(fits(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,64}|\\{\"Statement\":.{0,64}\\}") {
            let _told = Policy::parse(&text);
        }
    }
}
