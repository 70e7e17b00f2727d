//! Mappings, from JSON and to JSON.

use super::failure::Failure;
use crate::error::IndexError;
use crate::json::{Member, Node, Value};
use crate::mapping::{Dynamic, Field, FieldKind, Mapping, MappingError};
use crate::time::DateFormat;
use std::collections::BTreeMap;

/// Kinds of fields that the real one knows and this index does not.
const UNSUPPORTED_KINDS: [&str; 34] = [
    "ip",
    "nested",
    "binary",
    "date_nanos",
    "half_float",
    "scaled_float",
    "unsigned_long",
    "integer_range",
    "float_range",
    "long_range",
    "double_range",
    "date_range",
    "ip_range",
    "geo_shape",
    "shape",
    "point",
    "completion",
    "token_count",
    "murmur3",
    "annotated_text",
    "percolator",
    "join",
    "rank_feature",
    "rank_features",
    "dense_vector",
    "sparse_vector",
    "search_as_you_type",
    "alias",
    "flattened",
    "histogram",
    "constant_keyword",
    "wildcard",
    "version",
    "object_array",
];

fn refused(error: MappingError) -> Failure {
    Failure::of(&IndexError::Mapping(error))
}

/// A mapping.
pub(super) fn parse_mapping(node: &Node) -> Result<Mapping, Failure> {
    let mut mapping = Mapping::default();
    for member in node.members().unwrap_or_default() {
        match member.key.as_str() {
            "properties" => properties(&member.node, "", &mut mapping).map_err(refused)?,
            "dynamic" => mapping.dynamic = Some(dynamic(&member.node).map_err(refused)?),
            "date_detection" | "_source" if is_default(&member.key, &member.node) => {}
            "dynamic_templates"
            | "dynamic_date_formats"
            | "date_detection"
            | "numeric_detection"
            | "_source"
            | "_routing"
            | "_meta"
            | "_field_names" => {
                let what = member.key.clone();
                return Err(refused(MappingError::Unsupported { field: "_doc".to_owned(), what }));
            }
            key => {
                let value = String::from_utf8_lossy(&member.node.value.to_bytes()).into_owned();
                return Err(refused(MappingError::UnknownRoot(format!("{key} : {value}"))));
            }
        }
    }
    Ok(mapping)
}

fn is_default(key: &str, node: &Node) -> bool {
    match (key, &node.value) {
        ("date_detection", Value::Bool(true)) => true,
        ("_source", Value::Object(members)) => {
            members.iter().all(|m| m.key == "enabled" && m.node.value == Value::Bool(true))
        }
        _ => false,
    }
}

fn dynamic(node: &Node) -> Result<Dynamic, MappingError> {
    match (&node.value, node.text()) {
        (Value::Bool(true), _) | (_, Some("true")) => Ok(Dynamic::Add),
        (Value::Bool(false), _) | (_, Some("false")) => Ok(Dynamic::Ignore),
        (_, Some("strict")) => Ok(Dynamic::Refuse),
        _ => Err(MappingError::Malformed("[dynamic] must be true, false or strict".to_owned())),
    }
}

fn properties(node: &Node, within: &str, mapping: &mut Mapping) -> Result<(), MappingError> {
    let Some(members) = node.members() else {
        return Err(MappingError::Malformed("Expected map for property [properties]".to_owned()));
    };
    for member in members {
        let path = if within.is_empty() { member.key.clone() } else { format!("{within}.{}", member.key) };
        if member.key.is_empty() {
            return Err(MappingError::Malformed("name cannot be empty string".to_owned()));
        }
        property(&path, member, mapping)?;
    }
    Ok(())
}

fn property(path: &str, member: &Member, mapping: &mut Mapping) -> Result<(), MappingError> {
    let Some(parameters) = member.node.members() else {
        let what = format!("Expected map for property [fields] on field [{path}]");
        return Err(MappingError::Malformed(what));
    };
    let kind = parameters.iter().find(|p| p.key == "type").and_then(|p| p.node.text());
    let has_properties = parameters.iter().any(|p| p.key == "properties");
    match kind {
        None if !has_properties => Err(MappingError::NoKind(path.to_owned())),
        None | Some("object") => object(path, parameters, mapping),
        Some(kind) => {
            let field = field(path, kind, parameters)?;
            let at = mapping.add(field)?;
            multi_fields(path, at, parameters, mapping)
        }
    }
}

fn object(path: &str, parameters: &[Member], mapping: &mut Mapping) -> Result<(), MappingError> {
    mapping.add_object(path)?;
    for parameter in parameters {
        match parameter.key.as_str() {
            "type" => {}
            "properties" => properties(&parameter.node, path, mapping)?,
            "dynamic" | "enabled" => {
                let what = parameter.key.clone();
                return Err(MappingError::Unsupported { field: path.to_owned(), what });
            }
            _ => {
                let (field, parameter) = (path.to_owned(), parameter.key.clone());
                return Err(MappingError::UnknownParameter { field, parameter, kind: "object".to_owned() });
            }
        }
    }
    Ok(())
}

fn multi_fields(path: &str, at: usize, parameters: &[Member], mapping: &mut Mapping) -> Result<(), MappingError> {
    let Some(fields) = parameters.iter().find(|p| p.key == "fields") else { return Ok(()) };
    for member in fields.node.members().unwrap_or_default() {
        let inner = format!("{path}.{}", member.key);
        let parameters = member.node.members().unwrap_or_default();
        let kind = parameters.iter().find(|p| p.key == "type").and_then(|p| p.node.text());
        let kind = kind.ok_or_else(|| MappingError::NoKind(inner.clone()))?;
        if kind == "geo_point" || parameters.iter().any(|p| p.key == "fields") {
            let what = format!("a multi-field of type {kind}, or one with multi-fields");
            return Err(MappingError::Unsupported { field: inner, what });
        }
        let field = field(&inner, kind, parameters)?;
        mapping.add(Field { parent: Some(at), ..field })?;
    }
    Ok(())
}

/// Parameters of fields that the real one knows and this index does not, or not with every value.
const UNSUPPORTED_PARAMETERS: [&str; 19] = [
    "doc_values",
    "store",
    "null_value",
    "copy_to",
    "boost",
    "coerce",
    "norms",
    "analyzer",
    "normalizer",
    "similarity",
    "eager_global_ordinals",
    "fielddata",
    "index_options",
    "locale",
    "ignore_z_value",
    "meta",
    "search_analyzer",
    "term_vector",
    "split_queries_on_whitespace",
];

fn field(path: &str, kind: &str, parameters: &[Member]) -> Result<Field, MappingError> {
    let unsupported = |what: String| MappingError::Unsupported { field: path.to_owned(), what };
    let Some(of) = FieldKind::of(kind) else {
        if UNSUPPORTED_KINDS.contains(&kind) {
            return Err(unsupported(format!("type {kind}")));
        }
        return Err(MappingError::UnknownKind { field: path.to_owned(), kind: kind.to_owned() });
    };
    let mut field = Field::new(path, of);
    for parameter in parameters {
        let key = parameter.key.as_str();
        if take_parameter(&mut field, parameter)? {
            continue;
        }
        if UNSUPPORTED_PARAMETERS.contains(&key) || (key == "fields" && of == FieldKind::GeoPoint) {
            return Err(unsupported(format!("{key}: {}", text_of(&parameter.node))));
        }
        let (field, parameter, kind) = (path.to_owned(), key.to_owned(), kind.to_owned());
        return Err(MappingError::UnknownParameter { field, parameter, kind });
    }
    Ok(field)
}

fn text_of(node: &Node) -> String {
    match &node.value {
        Value::Text(text) | Value::Number(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}

/// Takes a parameter into a field. Returns whether it is one that such a field has here, with this value.
fn take_parameter(field: &mut Field, parameter: &Member) -> Result<bool, MappingError> {
    let text = text_of(&parameter.node);
    let malformed =
        || MappingError::Malformed(format!("[{}] on field [{}] cannot be [{text}]", parameter.key, field.path.clone()));
    match (parameter.key.as_str(), field.kind) {
        ("type", _) => {}
        ("fields", kind) if kind != FieldKind::GeoPoint => {}
        ("ignore_above", FieldKind::Keyword) => field.ignore_above = Some(text.parse().map_err(|_| malformed())?),
        ("format", FieldKind::Date) => {
            field.format = Some(DateFormat::new(&text).map_err(|e| MappingError::Malformed(e.to_string()))?);
        }
        ("ignore_malformed", kind) if !matches!(kind, FieldKind::Keyword | FieldKind::Text | FieldKind::Boolean) => {
            field.ignore_malformed = text.parse().map_err(|_| malformed())?;
        }
        ("index", _) => field.searchable = text.parse().map_err(|_| malformed())?,
        ("doc_values", kind) if kind != FieldKind::Text => field.columnar = text.parse().map_err(|_| malformed())?,
        ("null_value", kind) if !matches!(kind, FieldKind::Text | FieldKind::GeoPoint) => {
            field.null_value = Some(text).filter(|_| parameter.node.value != Value::Null);
        }
        // What is so anyway may be said.
        ("coerce", kind) if (kind.is_whole() || kind.is_fractional()) && text == "true" => {}
        ("store", _) if text == "false" => {}
        ("norms", FieldKind::Keyword) if text == "false" => {}
        ("norms", FieldKind::Text) => {}
        ("analyzer", FieldKind::Text) if text == "standard" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// What stands in an object of a mapping, by name.
#[derive(Default)]
struct Properties<'m> {
    fields: BTreeMap<&'m str, usize>,
    objects: BTreeMap<&'m str, Properties<'m>>,
}

/// A mapping as JSON, its names in order.
pub(super) fn render_mapping(mapping: &Mapping) -> Value {
    let mut top = Properties::default();
    for object in mapping.objects() {
        top.at(object);
    }
    for (at, field) in mapping.fields().iter().enumerate().filter(|(_, f)| f.parent.is_none()) {
        let (object, name) = field.path.rsplit_once('.').unwrap_or(("", &field.path));
        let within = if object.is_empty() { &mut top } else { top.at(object) };
        within.fields.insert(name, at);
    }
    let mut shown = Value::object::<&str>([]);
    match mapping.dynamic {
        None => {}
        Some(Dynamic::Add) => shown.push("dynamic", "true"),
        Some(Dynamic::Ignore) => shown.push("dynamic", "false"),
        Some(Dynamic::Refuse) => shown.push("dynamic", "strict"),
    }
    if !top.fields.is_empty() || !top.objects.is_empty() {
        shown.push("properties", top.render(mapping));
    }
    shown
}

impl<'m> Properties<'m> {
    fn at(&mut self, path: &'m str) -> &mut Self {
        match path.split_once('.') {
            None => self.objects.entry(path).or_default(),
            Some((first, rest)) => self.objects.entry(first).or_default().at(rest),
        }
    }

    fn render(&self, mapping: &Mapping) -> Value {
        let mut all: BTreeMap<&str, Value> = BTreeMap::new();
        for (name, object) in &self.objects {
            let empty = object.fields.is_empty() && object.objects.is_empty();
            let shown = if empty {
                Value::object([("type", Value::from("object"))])
            } else {
                Value::object([("properties", object.render(mapping))])
            };
            all.insert(name, shown);
        }
        for (name, at) in &self.fields {
            all.insert(name, render_field(mapping, *at));
        }
        Value::object(all)
    }
}

fn render_field(mapping: &Mapping, at: usize) -> Value {
    let field = &mapping.fields()[at];
    let mut shown = Value::object([("type", Value::from(field.kind.name()))]);
    if let Some(format) = &field.format {
        shown.push("format", format.text());
    }
    if field.ignore_malformed {
        shown.push("ignore_malformed", true);
    }
    if !field.searchable {
        shown.push("index", false);
    }
    if !field.columnar {
        shown.push("doc_values", false);
    }
    if let Some(value) = &field.null_value {
        shown.push("null_value", value.as_str());
    }
    if let Some(limit) = field.ignore_above {
        shown.push("ignore_above", limit);
    }
    let inner = mapping.children(at);
    if !inner.is_empty() {
        let fields = inner.iter().map(|child| {
            let path = &mapping.fields()[*child].path;
            (path[field.path.len() + 1..].to_owned(), render_field(mapping, *child))
        });
        shown.push("fields", Value::object(fields));
    }
    shown
}
