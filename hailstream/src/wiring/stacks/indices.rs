//! Indices of a stack: the fields that they have at least.

use super::{Change, Doing, StackFailure, Step};
use crate::stack::IndexDecl;
use crate::wiring::Parts;
use crate::wiring::index_sink::{make_index, mapping};
use model::Kind;

pub(super) fn plan(parts: &Parts, declared: &IndexDecl, steps: &mut Vec<Step>) -> Result<(), StackFailure> {
    let subject = format!("index {}", declared.name);
    let wanted =
        mapping(&declared.properties).map_err(|message| StackFailure::new(&subject, Kind::Invalid, message))?;
    let Ok(index) = parts.index().info(&declared.name) else {
        let words = format!("with {} fields", declared.properties.len());
        steps.push(Step::new(&subject, Change::Create, words, Doing::MakeIndex(declared.clone())));
        return Ok(());
    };
    // A field that is there keeps its type: documents were written with it.
    index.mapping.merged(&wanted).map_err(|error| StackFailure::new(&subject, Kind::Conflict, error.to_string()))?;
    let missing: Vec<&str> =
        declared.properties.keys().map(String::as_str).filter(|field| index.mapping.field(field).is_none()).collect();
    steps.push(match missing.is_empty() {
        true => Step::keep(subject),
        false => {
            let words = format!("with the fields {} too", missing.join(", "));
            Step::new(&subject, Change::Update, words, Doing::AddFields(declared.clone()))
        }
    });
    Ok(())
}

pub(super) fn make(parts: &Parts, subject: &str, declared: &IndexDecl) -> Result<(), StackFailure> {
    let made = make_index(parts.index(), &declared.name, &declared.properties);
    made.map_err(|message| StackFailure::new(subject, Kind::Invalid, message))
}

pub(super) fn add_fields(parts: &Parts, subject: &str, declared: &IndexDecl) -> Result<(), StackFailure> {
    let wanted = mapping(&declared.properties).map_err(|message| StackFailure::new(subject, Kind::Invalid, message))?;
    parts.index().put_mapping(&declared.name, &wanted).map_err(|error| StackFailure::of(subject, &error))
}
