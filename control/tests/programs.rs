//! Applications whose code is a program: their bytes are kept as long as a version names them, also over the end of a platform.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the test's result")]
#![allow(dead_code, reason = "a puppet does more than is asked for here")]

mod puppet;

use control::{Applications, Code, Configuration, Expected, New, Program, Programs, Update};
use model::Env;
use puppet::{Puppet, database, open};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

fn jar(content: &str) -> Vec<u8> {
    let mut jar = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [("META-INF/MANIFEST.MF", "Main-Class: a.Main\n"), ("a/Main.class", content)] {
        jar.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        jar.write_all(content.as_bytes()).unwrap();
    }
    jar.finish().unwrap().into_inner()
}

/// Applications on these data; what was sent is as old as the platform.
fn opened(dir: &Path, puppet: &Puppet) -> (Applications, Arc<Programs>) {
    let programs = Arc::new(Programs::open(dir.join("programs"), Env::system(), None).unwrap());
    let applications = open(dir, puppet);
    applications.keep_programs(programs.clone());
    (applications, programs)
}

fn configuration(code: impl Into<Code>) -> Configuration {
    Configuration::new("FLINK-1_20", "arn:aws:iam::000000000000:role/r", code)
}

fn update(applications: &Applications, code: impl Into<Code>) {
    let update = Update { configuration: configuration(code), resized: false, beginning: None };
    applications.update("a", Expected::Any, update).unwrap();
}

/// How many programs there are after another start of the platform, which is when nobody may be about to name one.
fn left(dir: &Path, puppet: &Puppet) -> usize {
    let (applications, _) = opened(dir, puppet);
    applications.close().unwrap();
    std::fs::read_dir(dir.join("programs")).unwrap().count()
}

#[test]
fn a_program_stays_as_long_as_a_version_names_it() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let (applications, programs) = opened(dir.path(), &puppet);
    let [one, two, stray]: [Program; 3] = ["one", "two", "stray"].map(|content| programs.keep(&jar(content)).unwrap());
    let (name, tags) = ("a".to_owned(), BTreeMap::new());
    applications.make(New { name, configuration: configuration(one.clone()), tags }).unwrap();
    let view = applications.view("a").unwrap();
    assert_eq!((view.spec.runner.as_str(), view.spec.script.as_str()), (control::FLINK, ""));
    assert_eq!(view.spec.program.unwrap().program, one);
    update(&applications, two.clone());
    let told = applications.compare("a", "SELECT 1").unwrap_err().to_string();
    assert!(told.contains("application a is a program"), "{told}");
    applications.close().unwrap();
    drop((applications, programs));
    assert!(dir.path().join("programs").join(format!("{}.jar", stray.sha256)).exists());
    assert_eq!(left(dir.path(), &puppet), 2, "a former version may take its place again");
    let (applications, programs) = opened(dir.path(), &puppet);
    assert_eq!(applications.view("a").unwrap().version.configuration.code, Code::from(two.clone()));
    assert!(programs.file(&one).is_ok() && programs.file(&two).is_ok());
    applications.delete("a").unwrap();
    assert!(programs.file(&one).is_err() && programs.file(&two).is_err());
    applications.close().unwrap();
}

#[test]
fn applications_of_former_versions_are_read_as_the_scripts_that_they_were() {
    let (dir, puppet) = (tempfile::tempdir().unwrap(), Puppet::default());
    let (applications, _) = opened(dir.path(), &puppet);
    let (name, tags) = ("a".to_owned(), BTreeMap::new());
    applications.make(New { name, configuration: configuration("SELECT 1"), tags }).unwrap();
    applications.close().unwrap();
    drop(applications);
    let kept = database(dir.path());
    let text: String =
        kept.read(|sql| sql.query_row("SELECT configuration FROM versions", [], |row| row.get(0))).unwrap();
    assert!(text.contains(r#""code":"SELECT 1""#), "as it was written before there were programs: {text}");
    drop(kept);
    let (applications, _) = opened(dir.path(), &puppet);
    assert_eq!(applications.view("a").unwrap().spec.script, "SELECT 1");
    applications.close().unwrap();
}
