//! Every public item says what it is, every file begins with its subject, and no file has a name without one.

use crate::source::{self, Source, is_test};
use crate::tree::{File, Offence};
use syn::{Attribute, ImplItem, Item, TraitItem, Visibility};

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "stuff", "shared_utils"];

/// A Rust file that does not begin with a `//!` line.
pub(crate) fn headless(file: &File) -> Option<Offence> {
    let begins = file.text.strip_prefix("//!").is_some_and(|rest| !rest.lines().next().unwrap_or("").trim().is_empty());
    (file.is_rust() && !begins)
        .then(|| file.offence(0, "the file does not begin with a `//!` line that says its subject"))
}

/// A source file, or a folder of it, whose name has no subject.
pub(crate) fn misnamed(file: &File) -> Option<Offence> {
    let (path, extension) = file.path.rsplit_once('.')?;
    let is_source = ["rs", "ts", "tsx", "svelte", "js", "mjs", "py"].contains(&extension);
    let name = path.split('/').find(|name| EMPTY_NAMES.contains(name)).filter(|_| is_source)?;
    Some(file.offence(0, format!("`{name}` is a name without a subject")))
}

/// The public items of a crate's `src` that have no documentation.
pub(crate) fn undocumented(source: &Source<'_>) -> Vec<Offence> {
    let mut walk = Walk { source, offences: Vec::new() };
    if source.file.is_under("src") {
        walk.items(&source.syntax.items);
    }
    walk.offences
}

struct Walk<'a, 'b> {
    source: &'a Source<'b>,
    offences: Vec<Offence>,
}

impl Walk<'_, '_> {
    fn items(&mut self, items: &[Item]) {
        for item in items.iter().filter(|item| !is_test(source::attributes(item))) {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        let attributes = source::attributes(item);
        match item {
            Item::Fn(item) => self.public(&item.vis, attributes, &item.sig.ident),
            Item::Const(item) => self.public(&item.vis, attributes, &item.ident),
            Item::Static(item) => self.public(&item.vis, attributes, &item.ident),
            Item::Type(item) => self.public(&item.vis, attributes, &item.ident),
            Item::Struct(item) => {
                self.public(&item.vis, attributes, &item.ident);
                if is_public(&item.vis) {
                    self.fields(&item.fields, false);
                }
            }
            Item::Enum(item) => {
                self.public(&item.vis, attributes, &item.ident);
                for variant in item.variants.iter().filter(|_| is_public(&item.vis)) {
                    self.documented(&variant.attrs, &variant.ident);
                    self.fields(&variant.fields, true);
                }
            }
            Item::Trait(item) => {
                self.public(&item.vis, attributes, &item.ident);
                self.trait_items(item.items.iter().filter(|_| is_public(&item.vis)));
            }
            Item::Impl(item) if item.trait_.is_none() => self.impl_items(&item.items),
            Item::Mod(item) => {
                if let Some((_, items)) = &item.content {
                    self.public(&item.vis, attributes, &item.ident);
                    self.items(items);
                }
            }
            Item::Macro(item) if attributes.iter().any(|a| a.path().is_ident("macro_export")) => {
                if let Some(name) = &item.ident {
                    self.documented(attributes, name);
                }
            }
            _ => {}
        }
    }

    /// Named fields; those of an enum's variant are always as public as it is.
    fn fields(&mut self, fields: &syn::Fields, all: bool) {
        for field in fields.iter().filter(|field| all || is_public(&field.vis)) {
            if let Some(name) = &field.ident {
                self.documented(&field.attrs, name);
            }
        }
    }

    fn trait_items<'i>(&mut self, items: impl Iterator<Item = &'i TraitItem>) {
        for item in items {
            match item {
                TraitItem::Fn(item) => self.documented(&item.attrs, &item.sig.ident),
                TraitItem::Const(item) => self.documented(&item.attrs, &item.ident),
                TraitItem::Type(item) => self.documented(&item.attrs, &item.ident),
                _ => {}
            }
        }
    }

    fn impl_items(&mut self, items: &[ImplItem]) {
        for item in items {
            match item {
                ImplItem::Fn(item) if !is_test(&item.attrs) => self.public(&item.vis, &item.attrs, &item.sig.ident),
                ImplItem::Const(item) => self.public(&item.vis, &item.attrs, &item.ident),
                _ => {}
            }
        }
    }

    fn public(&mut self, visibility: &Visibility, attributes: &[Attribute], name: &syn::Ident) {
        if is_public(visibility) {
            self.documented(attributes, name);
        }
    }

    fn documented(&mut self, attributes: &[Attribute], name: &syn::Ident) {
        if !attributes.iter().any(|attribute| attribute.path().is_ident("doc")) {
            let line = name.span().start().line - 1;
            self.offences.push(self.source.file.offence(line, format!("`{name}` is public and has no documentation")));
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

#[cfg(test)]
fn told(text: &str) -> Vec<String> {
    let files = [File::new("a/src/lib.rs", text)];
    let sources = source::parse(&files);
    let offences: Vec<Offence> = sources.shipped().flat_map(undocumented).collect();
    offences.iter().map(|o| format!("{} {}", o.line, o.what.split('`').nth(1).unwrap())).collect()
}

#[test]
fn public_items_without_documentation_are_told() {
    let text = "
pub fn a() {}
pub(crate) fn b() {}
/// Documented.
pub struct C { pub d: u8, e: u8, /** Documented. */ pub f: u8 }
/// Documented.
pub enum G { H { i: u8 }, /// Documented.
 J(u8) }
/// Documented.
pub trait K { fn l(); type M; }
impl C { pub fn n(&self) {} fn o(&self) {} pub const P: u8 = 1; }
impl K for C { fn l() {} type M = u8; }
pub mod q { pub type R = u8; }
pub const S: u8 = 1;
#[macro_export] macro_rules! t { () => {} }
pub use q::R;
pub mod elsewhere;
#[cfg(test)] mod tests { pub fn u() {} }
";
    assert_eq!(
        told(text),
        ["2 a", "5 d", "7 H", "7 i", "10 l", "10 M", "11 n", "11 P", "13 q", "13 R", "14 S", "15 t"]
    );
}

#[test]
fn files_without_a_subject_are_told() {
    assert!(headless(&File::new("a.rs", "//! The a of b.\n")).is_none());
    assert!(headless(&File::new("a.md", "text")).is_none());
    for text in ["", "//!\n", "// no\n", "\n//! late", "#![allow(x)]\n//! late"] {
        assert!(headless(&File::new("a.rs", text)).is_some(), "{text:?}");
    }
}

#[test]
fn names_without_a_subject_are_told() {
    let told = |path: &str| misnamed(&File::new(path, "")).map(|offence| offence.what);
    assert_eq!(told("store/src/utils.rs").unwrap(), "`utils` is a name without a subject");
    assert!(told("web/src/helpers/date.ts").is_some() && told("tests/common/mod.rs").is_some());
    assert!(told("store/src/utility_poles.rs").is_none() && told("docs/common.md").is_none());
}
