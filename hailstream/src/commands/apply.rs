//! `hailstream apply`: makes what a stack file declares, through the console of a running platform.

use super::{Failure, say};
use crate::cli::ApplyArgs;
use crate::stack::Stack;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What the console says of one step.
#[derive(Debug, Deserialize)]
struct Step {
    subject: String,
    change: String,
    words: String,
}

/// Why the files of a stack cannot be sent.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error("{path} cannot be read: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{0:?} is no file beside the stack file: name one in its folder or below")]
    Elsewhere(String),
}

pub(super) async fn run(args: &ApplyArgs) -> Result<(), Failure> {
    let text = read(&args.stack)?;
    let folder = args.stack.parent().unwrap_or(Path::new("."));
    let mut files = BTreeMap::new();
    for name in Stack::parse(&text)?.files() {
        files.insert(name.to_owned(), beside(folder, name)?);
    }
    let client = args.console.place.open()?;
    let path = if args.plan { "/api/stack/plan" } else { "/api/stack/apply" };
    let answer: Value = client.post(path, &json!({ "stack": text, "files": files })).await?;
    if args.console.json {
        say(&answer.to_string());
        return Ok(());
    }
    let steps: Vec<Step> = serde_json::from_value(answer["steps"].clone())?;
    let width = steps.iter().map(|step| step.subject.chars().count()).max().unwrap_or(0);
    for Step { subject, change, words } in &steps {
        say(format!("{change:<7} {subject:<width$}  {words}").trim_end());
    }
    say(&summary(&steps, args.plan));
    Ok(())
}

fn summary(steps: &[Step], plan: bool) -> String {
    let changes = steps.iter().filter(|step| step.change != "keep").count();
    match (changes, plan) {
        (0, _) => "Everything is as declared.".into(),
        (1, true) => "One step would be taken; nothing was done.".into(),
        (n, true) => format!("{n} steps would be taken; nothing was done."),
        (1, false) => "One step was taken.".into(),
        (n, false) => format!("{n} steps were taken."),
    }
}

/// The content of a file that a stack names: one of its own folder or below.
fn beside(folder: &Path, name: &str) -> Result<String, FilesError> {
    let below = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !below || name.is_empty() {
        return Err(FilesError::Elsewhere(name.to_owned()));
    }
    read(&folder.join(name))
}

fn read(path: &Path) -> Result<String, FilesError> {
    std::fs::read_to_string(path).map_err(|source| FilesError::Read { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_beside_the_stack_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sql")).unwrap();
        std::fs::write(dir.path().join("sql/a.sql"), "SELECT 1").unwrap();
        assert_eq!(beside(dir.path(), "sql/a.sql").unwrap(), "SELECT 1");
        for name in ["../a.sql", "/etc/hostname", "sql/../../a", ""] {
            assert!(matches!(beside(dir.path(), name), Err(FilesError::Elsewhere(_))), "{name}");
        }
        assert!(beside(dir.path(), "b.sql").unwrap_err().to_string().contains("b.sql cannot be read"));
    }
}
