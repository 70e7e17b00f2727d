//! Programs on a cluster: their jars are sent to the JobManager, which calls their `main` and runs the job that it makes.
//!
//! A program of the managed service asks a library for its properties. The library reads a file, and finds its place in a
//! resource of the jar that it stands in. So the file is sent to the JobManager's disk first (which takes any file under the
//! name of a jar), and the jar after it with that place in its resource: the program need not know where it runs, and no two
//! applications share a file.

use crate::client::{Client, Of, Refusal, Upload};
use crate::plan;
use crate::submit::{Start, settings};
use crate::uploads::{Sent, Uploads};
use control::{ApplicationSpec, ProgramError, ProgramRun, Programs, PropertyGroups, RunnerError};
use model::Kind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The resource by which the library finds the file, and the key of the file's place in it.
const RESOURCE: &str = "config.properties";
const RESOURCE_KEY: &str = "application_properties_file";
/// Largest such resource, in bytes.
const RESOURCE_BYTES_MAX: u64 = 64 * 1024;

/// The programs of one cluster.
pub(crate) struct ProgramSubmitter {
    programs: Arc<Programs>,
    uploads: Uploads,
}

fn wrong(spec: &ApplicationSpec, what: impl std::fmt::Display) -> RunnerError {
    RunnerError::new(Kind::Invalid, format!("application {}: {what}", spec.name))
}

fn unread(error: &ProgramError) -> RunnerError {
    RunnerError::new(error.kind, error.message.clone())
}

/// What tells a program with its arguments and properties from others.
pub(crate) fn identity(run: &ProgramRun) -> String {
    format!("program {}\n{}\n{:?}\n{:?}", run.program.sha256, run.entry_class, run.arguments, run.properties)
}

impl ProgramSubmitter {
    pub(crate) fn new(programs: Arc<Programs>, uploads: Uploads) -> Self {
        Self { programs, uploads }
    }

    /// Whether the program has what is to be called. The cluster is not asked.
    pub(crate) fn check(&self, spec: &ApplicationSpec, run: &ProgramRun) -> Result<(), RunnerError> {
        if self.programs.has_class(&run.program, &run.entry_class).map_err(|error| unread(&error))? {
            return Ok(());
        }
        let what = format!(
            "its jar has no class {}; look at the Main-Class of its manifest, or at the property entry-class of the group Hailstream",
            run.entry_class
        );
        Err(wrong(spec, what))
    }

    /// The plan of the job that the program makes. Its `main` is called for it, and nothing is started.
    pub(crate) fn explain(
        &self,
        client: &Client,
        spec: &ApplicationSpec,
        run: &ProgramRun,
    ) -> Result<String, RunnerError> {
        self.check(spec, run)?;
        let jar = self.jar(client, spec, run)?;
        let answer = client.call_program(&format!("/jars/{jar}/plan"), called(spec, run));
        Ok(plan::told(&answer.map_err(|refusal| at(spec, &refusal))?["plan"]))
    }

    /// Starts the job that the program makes.
    pub(crate) fn start(
        &self,
        client: &Client,
        spec: &ApplicationSpec,
        run: &ProgramRun,
        start: &Start,
    ) -> Result<(), RunnerError> {
        let jar = self.jar(client, spec, run)?;
        let mut body = called(spec, run);
        body["jobId"] = json!(start.job);
        if let Some(path) = &start.restore {
            body["savepointPath"] = json!(path);
            body["allowNonRestoredState"] = json!(start.allow_dropped);
        }
        let answer = client.call_program(&format!("/jars/{jar}/run"), body).map_err(|refusal| at(spec, &refusal))?;
        match answer["jobid"].as_str() {
            Some(job) if job == start.job => Ok(()),
            job => {
                let what = format!(
                    "the cluster has started job {} under an id of its own; cancel it there: this version of Flink does not take \
                     ids of jobs",
                    job.unwrap_or_default()
                );
                Err(wrong(spec, what))
            }
        }
    }

    /// Removes what the cluster has of an application's program. What stays takes room on its disk and does no harm.
    pub(crate) fn forget(&self, client: &Client, name: &str) -> Result<(), RunnerError> {
        let Some(sent) = self.uploads.of(name)? else { return Ok(()) };
        discard(client, name, &sent);
        self.uploads.remove(name)
    }

    /// The id of the program's jar on the cluster, which is sent there unless the cluster has it.
    fn jar(&self, client: &Client, spec: &ApplicationSpec, run: &ProgramRun) -> Result<String, RunnerError> {
        let identity = hex(&Sha256::digest(identity(run).as_bytes()));
        let before = self.uploads.of(&spec.name)?;
        if let Some(before) = before {
            let there = listed(client)?;
            let is_there = |id: &String| there.contains(id);
            if before.identity == identity
                && before.properties.iter().all(is_there)
                && let Some(jar) = before.jar.as_ref().filter(|jar| is_there(jar))
            {
                return Ok(jar.clone());
            }
            discard(client, &spec.name, &before);
        }
        let mut sent = Sent { identity, ..Sent::default() };
        let mut jar = self.programs.file(&run.program).map_err(|error| unread(&error))?;
        if let Some(resource) = resource(&mut jar).map_err(|what| wrong(spec, what))? {
            let place = send(client, &format!("{}-properties.jar", spec.name), text(&run.properties).into_bytes())?;
            sent.properties = Some(id(&place).to_owned());
            self.uploads.put(&spec.name, &sent)?;
            jar = self.with_place(spec, jar, &resource, &place)?;
        }
        let place =
            client.upload(Upload::of_file(format!("{}.jar", spec.name), jar).map_err(|error| local(spec, &error))?)?;
        let jar = id(&place).to_owned();
        sent.jar = Some(jar.clone());
        self.uploads.put(&spec.name, &sent)?;
        Ok(jar)
    }

    /// The jar with another place in its resource, in a file without a name.
    fn with_place(&self, spec: &ApplicationSpec, jar: File, resource: &str, place: &str) -> Result<File, RunnerError> {
        let into = tempfile::tempfile_in(self.programs.folder()).map_err(|error| local(spec, &error))?;
        replaced(jar, into, resource, place).map_err(|error| match error {
            ZipError::Io(error) => local(spec, &error),
            error => wrong(spec, format!("its jar cannot be read: {error}")),
        })
    }
}

/// What is the matter with the platform's own disk.
fn local(spec: &ApplicationSpec, error: &io::Error) -> RunnerError {
    let message = format!("application {}: its jar could not be prepared for the cluster: {error}", spec.name);
    RunnerError::new(Kind::Unavailable, message)
}

fn at(spec: &ApplicationSpec, refusal: &Refusal) -> RunnerError {
    RunnerError::new(refusal.kind, format!("application {}: its program: {}", spec.name, refusal.message))
}

/// What both a plan and a start are asked with.
fn called(spec: &ApplicationSpec, run: &ProgramRun) -> Value {
    let settings: serde_json::Map<String, Value> =
        settings(spec).into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect();
    json!({
        "entryClass": run.entry_class,
        "programArgsList": run.arguments,
        "parallelism": spec.parallelism,
        "flinkConfiguration": settings,
    })
}

/// Properties as the managed service writes them into the file.
fn text(groups: &PropertyGroups) -> String {
    let groups: Vec<Value> =
        groups.iter().map(|(id, map)| json!({ "PropertyGroupId": id, "PropertyMap": map })).collect();
    Value::Array(groups).to_string()
}

fn send(client: &Client, name: &str, bytes: Vec<u8>) -> Result<String, RunnerError> {
    Ok(client.upload(Upload::of_bytes(name.to_owned(), bytes))?)
}

/// The jars that the cluster has, by their ids.
fn listed(client: &Client) -> Result<Vec<String>, Refusal> {
    let answer = client.get(Of::Jobs, "/jars")?;
    let files = answer["files"].as_array().into_iter().flatten();
    Ok(files.filter_map(|file| file["id"].as_str()).map(str::to_owned).collect())
}

fn discard(client: &Client, name: &str, sent: &Sent) {
    for id in sent.jar.iter().chain(&sent.properties) {
        match client.ask(Of::Jobs, reqwest::Method::DELETE, &format!("/jars/{id}"), None) {
            Err(refusal) if refusal.kind == Kind::Unavailable => tracing::warn!(
                application = name,
                jar = id,
                reason = refusal.message,
                "what a program has on its cluster could not be removed; it goes with the cluster, or remove it by hand"
            ),
            // It is gone already where the cluster was started anew.
            _ => {}
        }
    }
}

/// The id of an upload: the last part of its place.
fn id(place: &str) -> &str {
    place.rsplit(['/', '\\']).next().unwrap_or(place)
}

/// The resource of a jar that tells where properties lie; `None` where the jar has no library that would ask.
fn resource(jar: &mut File) -> Result<Option<String>, String> {
    let unreadable = |error: ZipError| format!("its jar cannot be read: {error}");
    let mut archive = ZipArchive::new(&mut *jar).map_err(unreadable)?;
    let mut text = String::new();
    match archive.by_name(RESOURCE) {
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        Ok(found) => {
            let read = found.take(RESOURCE_BYTES_MAX).read_to_string(&mut text);
            read.map_err(|error| format!("{RESOURCE} in its jar cannot be read: {error}"))?;
        }
    }
    if !text.lines().any(|line| key(line) == Some(RESOURCE_KEY)) {
        return Ok(None);
    }
    let names = archive.file_names().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if names.iter().any(|name| name.starts_with("META-INF/") && name.ends_with(".SF")) {
        let what = format!(
            "its jar is signed, so that {RESOURCE} in it cannot be told where the properties lie; use one that is not"
        );
        return Err(what);
    }
    Ok(Some(text))
}

/// The key of a line of a properties file.
fn key(line: &str) -> Option<&str> {
    line.split_once(['=', ':']).map(|(key, _)| key.trim()).filter(|key| !key.starts_with(['#', '!']))
}

/// A copy of a jar with another place in its resource; all other entries are taken over as they are.
fn replaced(jar: File, into: File, resource: &str, place: &str) -> Result<File, ZipError> {
    let mut archive = ZipArchive::new(jar)?;
    let mut copy = ZipWriter::new(into);
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at)?;
        if entry.name()? == RESOURCE {
            continue;
        }
        copy.raw_copy_file(entry)?;
    }
    copy.start_file(RESOURCE, SimpleFileOptions::default())?;
    for line in resource.lines().filter(|line| key(line) != Some(RESOURCE_KEY)) {
        writeln!(copy, "{line}")?;
    }
    // As such files escape it.
    writeln!(copy, "{RESOURCE_KEY}={}", place.replace('\\', "\\\\"))?;
    copy.finish()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(entries: &[(&str, &str)]) -> File {
        let mut jar = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, content) in entries {
            jar.start_file(*name, SimpleFileOptions::default()).unwrap();
            jar.write_all(content.as_bytes()).unwrap();
        }
        jar.finish().unwrap()
    }

    const LIBRARY: &str = "# where\nother=1\napplication_properties_file = /etc/flink/application_properties.json\n";

    #[test]
    fn a_jar_with_the_library_is_told_where_its_properties_lie_and_nothing_else_changes() {
        let mut whole = jar(&[("a/Main.class", "code"), (RESOURCE, LIBRARY), ("b", "c")]);
        let found = resource(&mut whole).unwrap().unwrap();
        let copy = replaced(whole, tempfile::tempfile().unwrap(), &found, "C:\\up\\x_y.jar").unwrap();
        let mut archive = ZipArchive::new(copy).unwrap();
        let mut read = |name: &str| {
            let mut text = String::new();
            archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read(RESOURCE), "# where\nother=1\napplication_properties_file=C:\\\\up\\\\x_y.jar\n");
        assert_eq!((read("a/Main.class"), read("b")), ("code".to_owned(), "c".to_owned()));
        assert_eq!(archive.len(), 3);
    }

    #[test]
    fn jars_that_ask_for_nothing_are_sent_as_they_are_and_signed_ones_are_refused() {
        for entries in [&[("a", "b")][..], &[(RESOURCE, "log=1\n#application_properties_file=x")]] {
            assert_eq!(resource(&mut jar(entries)), Ok(None));
        }
        let signed = resource(&mut jar(&[(RESOURCE, LIBRARY), ("META-INF/K.SF", "x")])).unwrap_err();
        assert!(signed.contains("is signed"), "{signed}");
    }

    #[test]
    fn properties_are_written_as_the_managed_service_writes_them() {
        let groups: PropertyGroups = [("In".to_owned(), [("stream.name".to_owned(), "a\"b".to_owned())].into())].into();
        assert_eq!(text(&groups), r#"[{"PropertyGroupId":"In","PropertyMap":{"stream.name":"a\"b"}}]"#);
        assert_eq!(id("/tmp/flink-web-upload/1-2_taxi.jar"), "1-2_taxi.jar");
    }
}
