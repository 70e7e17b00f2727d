//! Code of applications that is a program: a jar that somebody has written against Flink's API.

use crate::properties::{self, PropertyGroups};
use crate::{ConfigurationError, PLATFORM_GROUP};
use serde::{Deserialize, Serialize};

/// Largest program, in bytes: as large as the managed service takes one.
pub const PROGRAM_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The property of the platform's group that names the class to run, where the jar's manifest does not, or names another one.
pub const ENTRY_CLASS_PROPERTY: &str = "entry-class";
/// The property of the platform's group that holds the arguments of the program.
pub const ARGUMENTS_PROPERTY: &str = "arguments";
/// The group by which the managed service is told to run Python.
const RUN_OPTIONS_GROUP: &str = "kinesis.analytics.flink.run.options";
/// Most arguments of a program.
const ARGUMENTS_MAX: usize = 200;

/// What an application computes with. A script is kept as its text, as it was before there were programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Code {
    /// An SQL script, with places for properties: `${name}`.
    Script(String),
    /// A program.
    Program(Program),
}

impl Code {
    /// The script; `None` where it is a program.
    pub fn script(&self) -> Option<&str> {
        match self {
            Self::Script(text) => Some(text),
            Self::Program(_) => None,
        }
    }

    /// The program; `None` where it is a script.
    pub fn program(&self) -> Option<&Program> {
        match self {
            Self::Script(_) => None,
            Self::Program(program) => Some(program),
        }
    }
}

impl From<String> for Code {
    fn from(script: String) -> Self {
        Self::Script(script)
    }
}

impl From<&str> for Code {
    fn from(script: &str) -> Self {
        Self::Script(script.to_owned())
    }
}

impl From<Program> for Code {
    fn from(program: Program) -> Self {
        Self::Program(program)
    }
}

/// A program by what its bytes are; they stand in the folder of programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Their MD5, likewise, which the managed service tells.
    pub md5: String,
    /// How many they are.
    pub bytes: u64,
    /// The class that its manifest names to be run.
    pub main_class: Option<String>,
    /// Where the bytes were fetched; `None` where somebody has sent them.
    pub from: Option<ObjectPlace>,
}

/// An object in a store that speaks S3, or in a folder that stands for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPlace {
    /// Its bucket, by the ARN.
    pub bucket_arn: String,
    /// Its key in the bucket.
    pub key: String,
    /// Its version, where one is meant that need not be the newest.
    pub version: Option<String>,
}

/// A program as its runner is given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRun {
    /// Whose bytes are run.
    pub program: Program,
    /// The class whose `main` is called.
    pub entry_class: String,
    /// What it is called with.
    pub arguments: Vec<String>,
    /// The properties that the program may ask for: all but the platform's own group.
    pub properties: PropertyGroups,
}

impl ProgramRun {
    /// A program as an application's properties say that it is to be run.
    pub(crate) fn of(name: &str, program: &Program, groups: &PropertyGroups) -> Result<Self, ConfigurationError> {
        let wrong = |what: String| ConfigurationError::Program { name: name.to_owned(), what };
        if groups.get(RUN_OPTIONS_GROUP).is_some_and(|group| group.contains_key("python")) {
            let what = format!(
                "the group {RUN_OPTIONS_GROUP} asks for Python, and a cluster is given programs in Java alone; put them into a jar"
            );
            return Err(wrong(what));
        }
        let own = groups.get(PLATFORM_GROUP);
        let said = |property: &str| own.and_then(|group| group.get(property)).map(|value| value.trim());
        let entry_class = said(ENTRY_CLASS_PROPERTY).filter(|class| !class.is_empty()).map(str::to_owned);
        let entry_class = entry_class.or_else(|| program.main_class.clone()).ok_or_else(|| {
            wrong(format!(
                "the manifest of its jar names no Main-Class; add it there, or name the class by the property {ENTRY_CLASS_PROPERTY} of \
                 the group {PLATFORM_GROUP}"
            ))
        })?;
        let arguments = words(said(ARGUMENTS_PROPERTY).unwrap_or_default()).map_err(wrong)?;
        let filled = |argument: String| {
            properties::substitute(&argument, groups)
                .map_err(|error| wrong(format!("in its argument {argument:?}, {error}")))
        };
        let arguments = arguments.into_iter().map(filled).collect::<Result<Vec<_>, _>>()?;
        let properties = groups.iter().filter(|(id, _)| *id != PLATFORM_GROUP);
        let properties = properties.map(|(id, group)| (id.clone(), group.clone())).collect();
        Ok(Self { program: program.clone(), entry_class, arguments, properties })
    }
}

/// Arguments as a property holds them: words between blanks, or a list of JSON where one has blanks itself.
fn words(text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| {
            format!("the property {ARGUMENTS_PROPERTY} begins as a list of JSON, and is no list of texts: {error}")
        })?
    } else {
        text.split_whitespace().map(str::to_owned).collect()
    };
    if words.len() > ARGUMENTS_MAX {
        return Err(format!("it has {} arguments, and {ARGUMENTS_MAX} are the most", words.len()));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(main_class: Option<&str>) -> Program {
        Program {
            sha256: "ab".into(),
            md5: "cd".into(),
            bytes: 3,
            main_class: main_class.map(str::to_owned),
            from: None,
        }
    }

    fn groups(all: &[(&str, &[(&str, &str)])]) -> PropertyGroups {
        let group =
            |entries: &[(&str, &str)]| entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        all.iter().map(|(id, entries)| ((*id).to_owned(), group(entries))).collect()
    }

    #[test]
    fn a_script_is_kept_as_the_text_that_it_was_and_a_program_as_what_it_is() {
        let script = Code::from("SELECT 1");
        assert_eq!(serde_json::to_string(&script).unwrap(), "\"SELECT 1\"");
        for code in [script, Code::from(program(Some("a.B")))] {
            let text = serde_json::to_string(&code).unwrap();
            assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), code);
        }
    }

    #[test]
    fn properties_say_how_a_program_is_run_and_the_program_gets_those_that_are_its_own() {
        let own = [("runner", "flink"), (ENTRY_CLASS_PROPERTY, " a.C "), (ARGUMENTS_PROPERTY, "--in ${stream}  -x")];
        let all = groups(&[(PLATFORM_GROUP, &own), ("In", &[("stream", "two words")])]);
        let run = ProgramRun::of("p", &program(Some("a.B")), &all).unwrap();
        assert_eq!(
            (run.entry_class.as_str(), &run.arguments[..]),
            ("a.C", &["--in", "two words", "-x"].map(str::to_owned)[..])
        );
        assert_eq!(run.properties, groups(&[("In", &[("stream", "two words")])]));
        let list = groups(&[(PLATFORM_GROUP, &[(ARGUMENTS_PROPERTY, r#"["a b", "c"]"#)])]);
        let run = ProgramRun::of("p", &program(Some("a.B")), &list).unwrap();
        assert_eq!((run.entry_class.as_str(), run.arguments.len()), ("a.B", 2));
    }

    #[test]
    fn what_cannot_be_run_is_told_with_what_to_do() {
        let many = "x ".repeat(ARGUMENTS_MAX + 1);
        for (main_class, all, told) in [
            (None, groups(&[]), "application p: the manifest of its jar names no Main-Class; add it there"),
            (Some("a.B"), groups(&[(PLATFORM_GROUP, &[(ARGUMENTS_PROPERTY, "[1]")])]), "is no list of texts"),
            (Some("a.B"), groups(&[(PLATFORM_GROUP, &[(ARGUMENTS_PROPERTY, "${no}")])]), "in its argument \"${no}\""),
            (Some("a.B"), groups(&[(PLATFORM_GROUP, &[(ARGUMENTS_PROPERTY, &many)])]), "201 arguments"),
            (Some("a.B"), groups(&[(RUN_OPTIONS_GROUP, &[("python", "main.py")])]), "asks for Python"),
        ] {
            let error = ProgramRun::of("p", &program(main_class), &all).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
