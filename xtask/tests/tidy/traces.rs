//! What must not be left behind in any file: paths of one machine, unfinished work, tests that do not run.

use crate::tree::{File, Offence};

/// Texts that must not occur, in files with these ends of their names (all files where there are none), and why. They are
/// written in two halves, so that this list does not offend itself.
const TRACES: [(&[&str], &str, &str, &str); 13] = [
    (&[], "/wo", "rk/", "a path of one machine"),
    (&[], "/ro", "ot/", "a path of one machine"),
    (&[], "/ho", "me/", "a path of one machine"),
    (&[".rs"], "to", "do!(", "unfinished"),
    (&[".rs"], "unimple", "mented!(", "unfinished"),
    (&[".rs"], "#[ign", "ore", "a test that does not run"),
    (&[".ts", ".tsx", ".js", ".mjs"], ".sk", "ip(", "a test that does not run"),
    (&[".ts", ".tsx", ".js", ".mjs"], ".on", "ly(", "it keeps the other tests from running"),
    (&[".ts", ".tsx", ".js", ".mjs"], ".fix", "me(", "a test that does not run"),
    (&[".py"], "mark.sk", "ip(", "a test that does not run"),
    (&[".py"], "mark.xf", "ail", "a test that may fail"),
    (&[".rs", ".ts", ".tsx", ".py", ".sql", ".md"], "TO", "DO", "unfinished"),
    (&[".rs", ".ts", ".tsx", ".py", ".sql", ".md"], "FIX", "ME", "unfinished"),
];

/// The traces in a file.
pub(crate) fn left_behind(file: &File) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (ends, head, tail, why) in TRACES {
        if !ends.is_empty() && !ends.iter().any(|end| file.path.ends_with(end)) {
            continue;
        }
        let trace = [head, tail].concat();
        let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains(&trace));
        offences.extend(lines.map(|(line, _)| file.offence(line, format!("`{trace}`: {why}"))));
    }
    offences
}

#[test]
fn traces_are_told_with_their_line() {
    let told = |path: &str, text: &str| -> Vec<usize> {
        left_behind(&File::new(path, text)).iter().map(|offence| offence.line).collect()
    };
    for (ends, head, tail, _) in TRACES {
        let path = format!("a{}", ends.first().unwrap_or(&".toml"));
        assert_eq!(told(&path, &format!("fine\nx{head}{tail}x")), [2], "{head}{tail}");
        assert_eq!(told(&path, "fine"), [0; 0]);
    }
    let skip = [".sk", "ip("].concat();
    assert_eq!(told("a.rs", &format!("rows{skip}3)")), [0; 0], "an iterator may");
    assert_eq!(told("replay/README.md", &format!("homework, rootless, {}", "~/data")), [0; 0]);
}
