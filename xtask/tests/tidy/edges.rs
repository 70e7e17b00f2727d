//! Which crate may know which, and what it must never know.

use crate::tree::{Offence, root};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::process::Command;

/// What the rules need of a crate's manifest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    /// Dependencies of the shipped code and of build scripts.
    pub(crate) normal: Vec<String>,
    /// Dependencies of tests and benchmarks alone.
    pub(crate) dev: Vec<String>,
}

/// The edges of the map in `ARCHITECTURE.md`: each crate with the crates of ours that it depends on. A crate of the list
/// that does not exist yet is passed over.
const EDGES: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("wire", &["model"]),
    ("store", &["model", "wire"]),
    ("replay", &["model"]),
    ("engine", &["model"]),
    ("index", &["model"]),
    ("control", &["model"]),
    ("console", &["model"]),
    ("connect", &["engine", "model", "wire"]),
    ("flink", &["control", "model"]),
    ("hailstream", &["connect", "console", "control", "engine", "flink", "index", "model", "replay", "store", "wire"]),
    ("fuzz", &["control", "engine", "hailstream", "index", "model", "store", "wire"]),
    ("sim", &["hailstream"]),
    ("xtask", &[]),
];

/// All that `model` may depend on.
const MODEL_ONLY: [&str; 3] = ["bytes", "crc32c", "thiserror"];

/// What a crate must never depend on directly; `*` stands for any end of a name.
const NEVER: [(&str, &[&str]); 10] = [
    ("wire", &["axum", "hyper*", "reqwest", "tokio"]),
    ("replay", &["arrow*", "axum", "datafusion*", "hyper*", "reqwest", "sqlparser", "tantivy*"]),
    ("store", &["arrow*", "datafusion*", "sqlparser", "tantivy*"]),
    ("engine", &["aws-*", "axum", "hyper*", "reqwest", "tantivy*"]),
    ("index", &["arrow*", "datafusion*", "sqlparser"]),
    ("control", &["arrow*", "datafusion*", "sqlparser", "tantivy*"]),
    ("console", &["arrow*", "datafusion*", "sqlparser", "tantivy*"]),
    ("connect", &["tantivy*"]),
    // It cuts scripts into statements, for which it knows the tokens of SQL, and plans nothing.
    ("flink", &["arrow*", "axum", "datafusion*", "tantivy*"]),
    ("xtask", &["axum", "tokio"]),
];

/// What must not even come in through others.
const NEVER_IN_TREE: [(&str, &[&str]); 7] = [
    ("model", &["arrow*", "axum", "serde", "serde_core", "tokio"]),
    ("replay", &["arrow*", "axum", "hyper", "sqlparser", "tantivy"]),
    ("store", &["arrow*", "datafusion*", "sqlparser", "tantivy"]),
    ("engine", &["axum", "hyper", "reqwest", "tantivy"]),
    ("index", &["arrow*", "datafusion*", "sqlparser"]),
    ("control", &["arrow*", "datafusion*", "sqlparser", "tantivy"]),
    ("console", &["arrow*", "datafusion*", "sqlparser", "tantivy"]),
];

/// The manifests of the workspace.
pub(crate) fn manifests() -> Vec<Manifest> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec();
    let metadata = metadata.expect("the workspace's manifests can be read");
    let manifest = |package: cargo_metadata::Package| {
        let (dev, normal): (Vec<_>, Vec<_>) =
            package.dependencies.into_iter().partition(|dependency| dependency.kind == DependencyKind::Development);
        let names = |dependencies: Vec<cargo_metadata::Dependency>| dependencies.into_iter().map(|d| d.name).collect();
        Manifest { name: package.name.to_string(), normal: names(normal), dev: names(dev) }
    };
    metadata.packages.into_iter().map(manifest).collect()
}

/// The crates whose whole tree is looked at.
pub(crate) fn looked_into(manifest: &&Manifest) -> bool {
    NEVER_IN_TREE.iter().any(|(name, _)| *name == manifest.name)
}

/// The names of all that a crate's shipped code depends on, at any depth, as it is built here.
pub(crate) fn tree(manifest: &Manifest) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["tree", "--quiet", "--package", &manifest.name, "--edges", "normal", "--prefix", "none"];
    let output = Command::new(cargo).args(arguments).args(["--format", "{p}"]).current_dir(root()).output();
    let output = output.expect("cargo can be started");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Edges between our crates that are not those of the map.
pub(crate) fn between_crates(manifests: &[Manifest]) -> Vec<Offence> {
    let ours: Vec<&str> = manifests.iter().map(|manifest| manifest.name.as_str()).collect();
    let mut offences = Vec::new();
    for manifest in manifests {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == manifest.name) else {
            offences.push(offence(manifest, "is not on the map: give it its place in ARCHITECTURE.md and here"));
            continue;
        };
        let is_ours = |name: &&str| ours.contains(name);
        let actual: Vec<&str> = manifest.normal.iter().map(String::as_str).filter(is_ours).collect();
        for added in actual.iter().filter(|name| !allowed.contains(name)) {
            offences.push(offence(manifest, &format!("depends on `{added}`, which the map does not allow")));
        }
        for missing in allowed.iter().filter(|name| is_ours(name) && !actual.contains(name)) {
            offences.push(offence(manifest, &format!("does not depend on `{missing}`, as the map says")));
        }
        let dev = manifest.dev.iter().map(String::as_str).filter(is_ours);
        for added in dev.filter(|name| !allowed.contains(name) && *name != manifest.name) {
            offences
                .push(offence(manifest, &format!("depends on `{added}` in its tests, which the map does not allow")));
        }
    }
    offences
}

/// Direct dependencies that a crate must not have.
pub(crate) fn forbidden_direct(manifests: &[Manifest]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for manifest in manifests {
        if manifest.name == "model" {
            for name in manifest.normal.iter().filter(|name| !MODEL_ONLY.contains(&name.as_str())) {
                offences.push(offence(manifest, &format!("depends on `{name}`: model has {MODEL_ONLY:?} alone")));
            }
        }
        let never = NEVER.iter().filter(|(name, _)| *name == manifest.name).flat_map(|(_, never)| never.iter());
        for pattern in never {
            for name in manifest.normal.iter().filter(|name| matches(pattern, name)) {
                offences.push(offence(manifest, &format!("depends on `{name}`, which it must never know")));
            }
        }
    }
    offences
}

/// Dependencies at any depth that a crate must not have.
pub(crate) fn forbidden_in_tree(name: &str, tree: &[String]) -> Vec<Offence> {
    let manifest = Manifest { name: name.to_owned(), ..Manifest::default() };
    let never = NEVER_IN_TREE.iter().filter(|(crate_name, _)| *crate_name == name).flat_map(|(_, never)| never.iter());
    let mut found: Vec<&String> = never.flat_map(|pattern| tree.iter().filter(|name| matches(pattern, name))).collect();
    found.sort_unstable();
    found.dedup();
    let why = |name| format!("has `{name}` among its dependencies' own (see `cargo tree --invert {name}`)");
    found.into_iter().map(|name| offence(&manifest, &why(name))).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn offence(manifest: &Manifest, what: &str) -> Offence {
    Offence { path: format!("{}/Cargo.toml", manifest.name), line: 1, what: format!("`{}` {what}", manifest.name) }
}

#[cfg(test)]
fn made(name: &str, normal: &[&str], dev: &[&str]) -> Manifest {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Manifest { name: name.to_owned(), normal: owned(normal), dev: owned(dev) }
}

#[test]
fn an_edge_too_many_and_one_too_few_are_told() {
    let check = |manifests: &[Manifest], expected: &[&str]| {
        let told: Vec<String> = between_crates(manifests).into_iter().map(|offence| offence.what).collect();
        assert_eq!(told, expected);
    };
    let (model, engine) = (made("model", &[], &[]), made("engine", &["model", "arrow-array"], &[]));
    check(&[model.clone(), engine.clone()], &[]);
    check(
        &[model.clone(), engine.clone(), made("store", &["model", "engine"], &[])],
        &["`store` depends on `engine`, which the map does not allow"],
    );
    check(
        &[model.clone(), engine.clone(), made("index", &["model"], &["engine"])],
        &["`index` depends on `engine` in its tests, which the map does not allow"],
    );
    check(&[model.clone(), made("store", &[], &[])], &["`store` does not depend on `model`, as the map says"]);
    check(
        &[model, made("extra", &[], &[])],
        &["`extra` is not on the map: give it its place in ARCHITECTURE.md and here"],
    );
}

#[test]
fn what_must_never_be_known_is_told() {
    let told = |manifest: Manifest| forbidden_direct(&[manifest]).into_iter().map(|o| o.what).collect::<Vec<_>>();
    assert_eq!(told(made("model", &["bytes", "thiserror"], &["proptest"])), [""; 0]);
    assert_eq!(told(made("model", &["serde"], &[])).len(), 1);
    assert_eq!(
        told(made("store", &["arrow-array", "tokio"], &[])),
        ["`store` depends on `arrow-array`, which it must never know"]
    );
    assert_eq!(told(made("engine", &["arrow-array", "axum", "hyper-util"], &[])).len(), 2);
    let tree = ["model", "bytes", "serde", "serde"].map(str::to_owned);
    assert_eq!(forbidden_in_tree("model", &tree).len(), 1);
    assert_eq!(forbidden_in_tree("index", &tree).len(), 0);
}
