//! The files of the repository, and what a rule says about them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A text file: its path from the root of the repository, with forward slashes, and its text.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it lies in a folder of this name.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        let mut folders = self.path.split('/').collect::<Vec<_>>();
        folders.pop();
        folders.contains(&folder)
    }

    /// An offence at the line (counted from 0) of this file.
    pub(crate) fn offence(&self, line: usize, what: impl Into<String>) -> Offence {
        Offence { path: self.path.clone(), line: line + 1, what: what.into() }
    }
}

/// Something that a rule forbids, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offence {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// The text files that are under version control; without version control, all that is neither hidden nor built.
pub(crate) fn tracked() -> &'static [File] {
    static TRACKED: OnceLock<Vec<File>> = OnceLock::new();
    TRACKED.get_or_init(|| {
        let root = root();
        let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output();
        let paths = match listed {
            Ok(output) if output.status.success() && !output.stdout.is_empty() => {
                String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
            }
            _ => walked(&root),
        };
        // A file that is listed but gone is being removed; one that is not UTF-8 is no text.
        let read = |path: String| std::fs::read_to_string(root.join(&path)).ok().map(|text| File { path, text });
        paths.into_iter().filter_map(read).filter(|file| !file.text.contains('\0')).collect()
    })
}

fn walked(root: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the workspace can be read") {
            let path = entry.expect("the workspace can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let built = ["target", "node_modules", "dist", "__pycache__"].contains(&name.as_str());
            if built || (name.starts_with('.') && name != ".ci" && name != ".cargo") {
                continue;
            }
            match path.is_dir() {
                true => folders.push(path),
                false => paths.push(path.strip_prefix(root).expect("below the root").display().to_string()),
            }
        }
    }
    paths.sort_unstable();
    paths
}

#[test]
fn the_tree_is_found_with_and_without_version_control() {
    assert!(tracked().iter().any(|file| file.path == "model/src/lib.rs"));
    assert!(walked(&root()).contains(&"model/src/lib.rs".to_owned()));
    assert!(!walked(&root()).iter().any(|path| path.starts_with("target/")));
}

#[test]
fn folders_are_whole_names() {
    let file = File::new("store/tests/a/b.rs", "");
    assert!(file.is_under("tests") && file.is_under("a") && !file.is_under("test") && !file.is_under("b.rs"));
}
