//! Rust sources, parsed once for the rules that look at items.

use crate::tree::File;
use std::collections::HashSet;
use syn::visit::Visit;

/// A parsed file.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a File,
    pub(crate) syntax: syn::File,
}

/// All parsed files.
pub(crate) struct Sources<'a> {
    all: Vec<Source<'a>>,
    /// What modules that exist for tests alone lie under: a file's path, or a folder's with a slash.
    test_only: HashSet<String>,
}

/// Parses every Rust file of a crate's own code: what lies in `src` and beside it, but not in `tests`.
pub(crate) fn parse<'a>(files: &'a [File]) -> Sources<'a> {
    let parsed = |file: &'a File| {
        let syntax = syn::parse_file(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        Source { file, syntax }
    };
    let all: Vec<Source<'a>> =
        files.iter().filter(|file| file.is_rust() && !file.is_under("tests")).map(parsed).collect();
    let test_only = all.iter().flat_map(test_modules).collect();
    Sources { all, test_only }
}

impl<'a> Sources<'a> {
    /// The files that are not for tests alone.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = &Source<'a>> {
        self.all.iter().filter(|source| {
            let path = &source.file.path;
            let folders = path.match_indices('/').map(|(at, _)| &path[..=at]);
            !self.test_only.contains(path.as_str())
                && !folders.into_iter().any(|folder| self.test_only.contains(folder))
        })
    }
}

/// Where the modules lie that a file declares as `#[cfg(test)] mod name;`.
fn test_modules(source: &Source<'_>) -> Vec<String> {
    struct Find(Vec<String>);
    impl Visit<'_> for Find {
        fn visit_item_mod(&mut self, module: &syn::ItemMod) {
            if module.content.is_none() && is_test(&module.attrs) {
                self.0.push(module.ident.to_string());
            }
        }
    }
    let mut find = Find(Vec::new());
    find.visit_file(&source.syntax);
    let (folder, name) = source.file.path.rsplit_once('/').unwrap_or(("", &source.file.path));
    let base = match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    find.0.iter().flat_map(|module| [format!("{base}/{module}.rs"), format!("{base}/{module}/")]).collect()
}

/// Whether something exists in tests alone: it is a test, or compiled for tests only.
pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            let names: Vec<&str> = condition.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            names.contains(&"test") && !names.contains(&"not")
        }
        _ => false,
    })
}

/// The attributes of an item of any kind that the rules look at.
pub(crate) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        _ => &[],
    }
}

#[test]
fn modules_for_tests_alone_are_set_apart() {
    let files = [
        File::new("a/src/lib.rs", "#[cfg(test)] mod tests; mod b; #[cfg(all(test, unix))] mod stand;"),
        File::new("a/src/tests.rs", ""),
        File::new("a/src/stand/deep/mod.rs", ""),
        File::new("a/src/b.rs", "#[cfg(test)] mod proofs; #[cfg(not(test))] mod real;"),
        File::new("a/src/b/proofs.rs", ""),
        File::new("a/src/b/real.rs", ""),
        File::new("a/tests/t.rs", ""),
    ];
    let sources = parse(&files);
    let shipped: Vec<&str> = sources.shipped().map(|source| source.file.path.as_str()).collect();
    assert_eq!(shipped, ["a/src/lib.rs", "a/src/b.rs", "a/src/b/real.rs"]);
}
