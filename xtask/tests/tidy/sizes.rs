//! How large files and functions are, and a ratchet: what is too large today may shrink, but not grow.

use crate::source::{Source, is_test};
use crate::tree::Offence;
use std::collections::BTreeMap;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Most lines of a file, its tests not counted.
const FILE_LINES_MAX: usize = 800;
/// Most lines of a function, from its name to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// The list of what is larger, with its size: a path, or a path and a function as `path::name`, and the number of lines.
pub(crate) const LIST: &str = "xtask/tests/ratchet.txt";

/// The size of a file and of its functions, in lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    path: String,
    lines: usize,
    functions: Vec<Function>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Function {
    name: String,
    /// Where it begins, counted from 0.
    at: usize,
    lines: usize,
}

/// Measures a file.
pub(crate) fn measure(source: &Source<'_>) -> Measured {
    let mut walk = Walk { within: Vec::new(), test_lines: 0, functions: Vec::new() };
    walk.visit_file(&source.syntax);
    let lines = source.file.text.lines().count().saturating_sub(walk.test_lines);
    Measured { path: source.file.path.clone(), lines, functions: walk.functions }
}

#[derive(Default)]
struct Walk {
    within: Vec<String>,
    test_lines: usize,
    functions: Vec<Function>,
}

impl Walk {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.fn_token.span.start().line, block.brace_token.span.close().end().line);
        let path = self.within.iter().chain([&signature.ident.to_string()]).cloned().collect::<Vec<_>>();
        self.functions.push(Function { name: path.join("::"), at: first - 1, lines: last - first + 1 });
    }

    fn inside(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.within.push(name);
        visit(self);
        self.within.pop();
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(crate::source::attributes(item)) {
            self.test_lines += lines(item);
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inside(module.ident.to_string(), |walk| visit::visit_item_mod(walk, module));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.inside(name.unwrap_or_else(|| "impl".to_owned()), |walk| visit::visit_item_impl(walk, item));
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.inside(item.ident.to_string(), |walk| visit::visit_item_trait(walk, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// The lines of an item, from its first attribute on.
fn lines(item: &syn::Item) -> usize {
    let first = crate::source::attributes(item).first().map(|attribute| attribute.pound_token.span.start().line);
    // An item's span is put together from all of its tokens; a long module has its end at hand.
    let last = match item {
        syn::Item::Mod(syn::ItemMod { content: Some((brace, _)), .. }) => brace.span.close().end().line,
        item => item.span().end().line,
    };
    last - first.unwrap_or_else(|| item.span().start().line) + 1
}

/// What is larger than allowed and not listed, larger than listed, or listed in vain.
pub(crate) fn beyond(measured: &[Measured], list: &str) -> Vec<Offence> {
    let mut offences = Vec::new();
    let mut listed = listed(list, &mut offences);
    for file in measured {
        let file_key = (file.path.clone(), file.path.as_str(), 0, file.lines, FILE_LINES_MAX);
        let function_keys = file.functions.iter().map(|function| {
            let key = format!("{}::{}", file.path, function.name);
            (key, file.path.as_str(), function.at, function.lines, FUNCTION_LINES_MAX)
        });
        for (key, path, at, lines, max) in [file_key].into_iter().chain(function_keys) {
            // A name that occurs twice in a file (behind different conditions) is listed once for all.
            let entry = listed.get_mut(&key);
            let offence = |what: String| Offence { path: path.to_owned(), line: at + 1, what };
            match entry {
                None if lines > max => offences.push(offence(format!("`{key}` has {lines} lines; {max} are allowed"))),
                None => {}
                Some(entry) => {
                    entry.seen = entry.seen.max(lines);
                    if lines > entry.lines {
                        offences.push(offence(format!("`{key}` has grown from {} to {lines} lines", entry.lines)));
                    }
                }
            }
        }
    }
    offences.extend(listed.iter().filter_map(|(key, entry)| entry.in_vain(key)));
    offences
}

/// An entry of the list.
struct Entry {
    /// Its line in the list, counted from 1.
    at: usize,
    lines: usize,
    /// The size that was measured; 0 when nothing of this name was.
    seen: usize,
}

impl Entry {
    fn in_vain(&self, key: &str) -> Option<Offence> {
        let max = if key.contains("::") { FUNCTION_LINES_MAX } else { FILE_LINES_MAX };
        let what = match self.seen {
            0 => format!("`{key}` does not exist any more: remove the entry"),
            seen if seen <= max => format!("`{key}` has {seen} lines, which is allowed: remove the entry"),
            seen if seen < self.lines => format!("`{key}` has shrunk to {seen} lines: lower the entry"),
            _ => return None,
        };
        Some(Offence { path: LIST.to_owned(), line: self.at, what })
    }
}

fn listed(list: &str, offences: &mut Vec<Offence>) -> BTreeMap<String, Entry> {
    let mut listed = BTreeMap::new();
    for (index, line) in list.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match line.rsplit_once(' ').and_then(|(key, lines)| Some((key.trim(), lines.parse().ok()?))) {
            Some((key, lines)) => {
                listed.insert(key.to_owned(), Entry { at: index + 1, lines, seen: 0 });
            }
            None => {
                let what = "not a path, perhaps with `::function`, and a number of lines".to_owned();
                offences.push(Offence { path: LIST.to_owned(), line: index + 1, what });
            }
        }
    }
    listed
}

/// Medians, for the reader of the test's output.
pub(crate) fn summary(measured: &[Measured]) -> String {
    let files = sorted(measured.iter().map(|file| file.lines));
    let functions = sorted(measured.iter().flat_map(|file| file.functions.iter().map(|function| function.lines)));
    let long = functions.iter().filter(|lines| **lines > FUNCTION_LINES_MAX).count();
    format!(
        "{} files: median {}, 90 % up to {} lines; {} functions: median {}, 90 % up to {}, {long} over {FUNCTION_LINES_MAX}",
        files.len(),
        quantile(&files, 50),
        quantile(&files, 90),
        functions.len(),
        quantile(&functions, 50),
        quantile(&functions, 90),
    )
}

fn sorted(lines: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut lines: Vec<usize> = lines.collect();
    lines.sort_unstable();
    lines
}

fn quantile(sorted: &[usize], percent: usize) -> usize {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or(0)
}

#[cfg(test)]
fn measured(text: &str) -> Measured {
    let files = [crate::tree::File::new("a/src/lib.rs", text)];
    let sources = crate::source::parse(&files);
    sources.shipped().map(measure).next().unwrap()
}

#[test]
fn tests_are_not_counted_and_functions_are_named_by_where_they_stand() {
    let text = "//! A.
fn a() {
    fn within() {}
}
struct S;
impl S {
    /// Documented.
    fn b(&self) -> u8 {
        1
    }
}
trait T { fn c(); fn d() {} }
/// Documented.
#[cfg(test)]
mod tests {
    fn e() {}
}
";
    let measured = measured(text);
    assert_eq!(measured.lines, 12);
    let told: Vec<(&str, usize, usize)> = measured.functions.iter().map(|f| (f.name.as_str(), f.at, f.lines)).collect();
    assert_eq!(told, [("a", 1, 3), ("within", 2, 1), ("S::b", 7, 3), ("T::d", 11, 1)]);
}

#[test]
fn the_ratchet_turns_one_way() {
    let long = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    let check = |text: &str, list: &str, expected: &[&str]| {
        let told: Vec<String> = beyond(&[measured(text)], list).iter().map(Offence::to_string).collect();
        assert_eq!(told, expected);
    };
    check(&long(70), "", &[]);
    check(&long(71), "", &["a/src/lib.rs:1: `a/src/lib.rs::f` has 71 lines; 70 are allowed"]);
    check(&long(75), "# why\na/src/lib.rs::f 75 # because\n", &[]);
    check(&long(76), "a/src/lib.rs::f 75", &["a/src/lib.rs:1: `a/src/lib.rs::f` has grown from 75 to 76 lines"]);
    let lower = "xtask/tests/ratchet.txt:1: `a/src/lib.rs::f` has shrunk to 74 lines: lower the entry";
    check(&long(74), "a/src/lib.rs::f 75", &[lower]);
    let allowed = "xtask/tests/ratchet.txt:1: `a/src/lib.rs::f` has 70 lines, which is allowed: remove the entry";
    check(&long(70), "a/src/lib.rs::f 75", &[allowed]);
    let gone = "xtask/tests/ratchet.txt:2: `a/src/gone.rs` does not exist any more: remove the entry";
    check("", "\na/src/gone.rs 900", &[gone]);
    check(&"// x\n".repeat(801), "", &["a/src/lib.rs:1: `a/src/lib.rs` has 801 lines; 800 are allowed"]);
    check("", "nonsense", &["xtask/tests/ratchet.txt:1: not a path, perhaps with `::function`, and a number of lines"]);
}

#[test]
fn medians_are_told() {
    let text = summary(&[measured("fn a() {}\n"), measured("fn a() {}\n\n\n"), measured("fn a() {\n}\n\n\n\n")]);
    assert_eq!(text, "3 files: median 3, 90 % up to 5 lines; 3 functions: median 1, 90 % up to 2, 0 over 70");
}
