//! The rules of the workspace, as tests over its manifests and sources: which crate may know which, where protocol words
//! may stand, that public items are documented, how large files and functions may be, and that nothing local or unfinished
//! is left behind. Each rule tells all offences at once; each rule's own tests prove that it can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails loudly")]

#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/edges.rs"]
mod edges;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/traces.rs"]
mod traces;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/words.rs"]
mod words;

use std::sync::OnceLock;
use tree::Offence;

/// Fails with every offence, one a line.
fn must_be_none(rule: &str, mut offences: Vec<Offence>) {
    offences.sort();
    let lines: Vec<String> = offences.iter().map(Offence::to_string).collect();
    assert!(offences.is_empty(), "{rule}: {} offences\n{}\n", offences.len(), lines.join("\n"));
}

#[test]
fn crates_depend_on_each_other_as_the_map_says() {
    must_be_none("edges between crates", edges::between_crates(&edges::manifests()));
}

#[test]
fn crates_do_not_know_what_they_must_not() {
    let manifests = edges::manifests();
    let mut offences = edges::forbidden_direct(&manifests);
    let trees = manifests.iter().filter(edges::looked_into).map(|manifest| (&manifest.name, edges::tree(manifest)));
    offences.extend(trees.flat_map(|(name, tree)| edges::forbidden_in_tree(name, &tree)));
    must_be_none("what a crate must never know", offences);
}

#[test]
fn protocol_words_stand_in_their_modules() {
    must_be_none("protocol words", tree::tracked().iter().flat_map(words::astray).collect());
}

/// What two rules need of the parsed sources, which takes the longest and is done once.
fn looked_at() -> &'static (Vec<Offence>, Vec<sizes::Measured>) {
    static LOOKED_AT: OnceLock<(Vec<Offence>, Vec<sizes::Measured>)> = OnceLock::new();
    LOOKED_AT.get_or_init(|| {
        let sources = source::parse(tree::tracked());
        (sources.shipped().flat_map(docs::undocumented).collect(), sources.shipped().map(sizes::measure).collect())
    })
}

#[test]
fn sources_are_documented_and_well_named() {
    let mut offences = looked_at().0.clone();
    offences.extend(tree::tracked().iter().filter_map(docs::headless));
    offences.extend(tree::tracked().iter().filter_map(docs::misnamed));
    must_be_none("documentation and names", offences);
}

#[test]
fn files_and_functions_keep_their_size() {
    let measured = &looked_at().1;
    eprintln!("{}", sizes::summary(measured));
    let listed = tree::tracked().iter().find(|file| file.path == sizes::LIST);
    let listed = listed.unwrap_or_else(|| panic!("{} is missing", sizes::LIST));
    must_be_none("sizes", sizes::beyond(measured, &listed.text));
}

#[test]
fn nothing_local_or_unfinished_is_left_behind() {
    must_be_none("traces", tree::tracked().iter().flat_map(traces::left_behind).collect());
}
