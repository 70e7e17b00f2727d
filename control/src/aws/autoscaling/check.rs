//! Reads the members of a call, and collects what is wrong with them in the words of the real service.

use super::{DIMENSION, NAMESPACE, validation};
use crate::aws::service::ServiceError;
use crate::scaling::Subject;
use serde_json::Value;

const NAMESPACES: [&str; 15] = [
    "ecs",
    "elasticmapreduce",
    "ec2",
    "appstream",
    "dynamodb",
    "rds",
    "sagemaker",
    "custom-resource",
    "comprehend",
    "lambda",
    "cassandra",
    "kafka",
    "elasticache",
    "neptune",
    "workspaces",
];
/// Longest page where the call says nothing, and longest at all.
pub(super) const PAGE: usize = 50;

/// The members of a call.
pub(super) struct Members<'a> {
    input: &'a Value,
    violations: Vec<String>,
}

impl<'a> Members<'a> {
    pub(super) fn new(input: &'a Value) -> Self {
        Self { input, violations: Vec::new() }
    }

    pub(super) fn violated(&mut self, value: &str, path: &str, constraint: &str) {
        let text = format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}");
        self.violations.push(text);
    }

    /// The member, which must be a string of `min` to `max` characters where it is there.
    pub(super) fn text(&mut self, name: &str, (min, max): (usize, usize)) -> Option<&'a str> {
        let path = lower_first(name);
        match self.input.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                let chars = text.chars().count();
                if chars < min {
                    self.violated(text, &path, &format!("have length greater than or equal to {min}"));
                } else if chars > max {
                    self.violated(text, &path, &format!("have length less than or equal to {max}"));
                }
                Some(text)
            }
            Some(other) => {
                self.violated(&other.to_string(), &path, "be a string");
                None
            }
        }
    }

    /// The same of a member that must be there.
    pub(super) fn needed(&mut self, name: &str, bounds: (usize, usize)) -> &'a str {
        let found = self.text(name, bounds);
        if found.is_none() && self.input.get(name).is_none_or(Value::is_null) {
            let path = lower_first(name);
            self.violations
                .push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
        }
        found.unwrap_or_default()
    }

    pub(super) fn one_of(&mut self, name: &str, value: &str, words: &[&str]) {
        if !value.is_empty() && !words.contains(&value) {
            let words = words.join(", ");
            self.violated(value, &lower_first(name), &format!("satisfy enum value set: [{words}]"));
        }
    }

    /// A whole number that is not below 0.
    pub(super) fn count(&mut self, name: &str) -> Option<u32> {
        let value = self.input.get(name).filter(|value| !value.is_null())?;
        let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
        if count.is_none() {
            self.violated(&value.to_string(), &lower_first(name), "have value greater than or equal to 0");
        }
        count
    }

    /// The namespace, which must be one of the service; what it is of ours is checked by [`subject`].
    pub(super) fn namespace(&mut self) -> &'a str {
        let namespace = self.needed("ServiceNamespace", (0, 1_600));
        self.one_of("ServiceNamespace", namespace, &NAMESPACES);
        namespace
    }

    /// What a call names by namespace, resource and dimension.
    pub(super) fn resource(&mut self) -> Resource {
        let namespace = self.namespace().to_owned();
        let id = self.needed("ResourceId", (1, 1_600)).to_owned();
        let dimension = self.needed("ScalableDimension", (0, 1_600)).to_owned();
        Resource { namespace, id, dimension }
    }

    /// The first page's length, and where it begins: the token is the key that it begins behind.
    pub(super) fn page(&mut self) -> (usize, Option<&'a str>) {
        let most = self.count("MaxResults").map_or(PAGE, |most| most as usize);
        if !(1..=PAGE).contains(&most) {
            self.violated(&most.to_string(), "maxResults", "have value between 1 and 50");
        }
        (most, self.text("NextToken", (1, 4_096)))
    }

    /// What is wrong, all of it together.
    pub(super) fn done(self) -> Result<(), ServiceError> {
        match self.violations.len() {
            0 => Ok(()),
            1 => Err(validation(format!("1 validation error detected: {}", self.violations[0]))),
            many => Err(validation(format!("{many} validation errors detected: {}", self.violations.join("; ")))),
        }
    }
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// What a call names.
pub(super) struct Resource {
    namespace: String,
    pub(super) id: String,
    dimension: String,
}

impl Resource {
    /// What of ours it is.
    pub(super) fn subject(&self) -> Result<Subject, ServiceError> {
        if self.namespace != NAMESPACE || self.dimension != DIMENSION {
            return Err(validation(format!(
                "Unsupported service namespace, resource type or scalable dimension: {} and {}; this endpoint scales \
                 {NAMESPACE} resources by {DIMENSION}",
                self.namespace, self.dimension,
            )));
        }
        Subject::read(&self.id).ok_or_else(|| {
            validation(format!(
                "Unsupported resource {:?}: name application/NAME for its parallelism or stream/NAME for its shards",
                self.id,
            ))
        })
    }
}

/// One page of what was found, in the order of keys, under `name`.
pub(super) fn page(
    name: &str,
    found: impl Iterator<Item = (String, Value)>,
    (most, after): (usize, Option<&str>),
) -> Value {
    let mut rest = found.skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after)).peekable();
    let (mut items, mut last) = (Vec::new(), String::new());
    while items.len() < most
        && let Some((key, item)) = rest.next()
    {
        last = key;
        items.push(item);
    }
    let mut answer = serde_json::json!({ name: items });
    if rest.peek().is_some() {
        answer["NextToken"] = Value::from(last);
    }
    answer
}

/// Whether a list of names in a call is missing or has this one.
pub(super) fn listed(input: &Value, list: &str, name: &str) -> bool {
    let names = input.get(list).and_then(Value::as_array).filter(|names| !names.is_empty());
    names.is_none_or(|names| names.iter().any(|known| known == name))
}

/// Whether a member of a call is missing or has this value.
pub(super) fn fits(input: &Value, member: &str, value: &Value) -> bool {
    input.get(member).is_none_or(|wanted| wanted.is_null() || wanted == value)
}
