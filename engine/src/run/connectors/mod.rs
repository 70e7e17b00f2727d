//! The engine's own connectors by name, and a place for those that others bring.

mod ahead;
mod blackhole;
mod datagen;
mod files;
mod held;
mod local;
mod parts;
mod print;
pub mod storage;
mod table_lookup;
mod values;

pub(crate) use held::HeldSink;
pub(crate) use values::ValuesSource;

use crate::plan::{LookupCache, TableDef};
use crate::port::{Changelog, Connectors, Lookup, LookupSpec, PortError, Role, Sink, SinkSpec, Source};
use crate::run::decode::JsonOptions;
use crate::run::{duration_ms, memory_bytes};
use model::{Env, Kind};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{FileStorage, FileStorages};

/// Where `print` writes.
pub type Output = Arc<Mutex<dyn Write + Send>>;

/// `filesystem`, `datagen`, `print` and `blackhole`, and whatever else was added.
#[derive(Clone)]
pub struct BuiltinConnectors {
    base_dir: PathBuf,
    env: Env,
    output: Output,
    others: BTreeMap<String, Arc<dyn Connectors>>,
    storages: BTreeMap<String, Arc<dyn FileStorages>>,
}

impl BuiltinConnectors {
    /// The engine's own connectors. Relative paths of `filesystem` are under `base_dir`; `print` writes to standard
    /// output.
    pub fn new(base_dir: impl Into<PathBuf>, env: Env) -> Self {
        let output = Arc::new(Mutex::new(std::io::stdout()));
        Self { base_dir: base_dir.into(), env, output, others: BTreeMap::new(), storages: BTreeMap::new() }
    }

    /// Adds a connector under `name`, or replaces one of the engine's own.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, connectors: Arc<dyn Connectors>) -> Self {
        self.others.insert(name.into(), connectors);
        self
    }

    /// Lets `filesystem` read and write places whose addresses begin with `scheme` and `://`.
    #[must_use]
    pub fn with_files(mut self, scheme: impl Into<String>, storages: Arc<dyn FileStorages>) -> Self {
        self.storages.insert(scheme.into(), storages);
        self
    }

    /// Lets `print` write to `output`.
    #[must_use]
    pub fn with_output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    fn other(&self, table: &TableDef) -> Option<&Arc<dyn Connectors>> {
        table.options.get("connector").and_then(|name| self.others.get(name))
    }

    /// The place that the table's path names.
    fn storage(&self, table: &TableDef) -> Result<Arc<dyn FileStorage>, PortError> {
        let text = required(table, "path")?;
        let plain = match text.split_once("://") {
            None => text,
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                let named = |error: PortError| invalid(table, format!("'path' = '{text}': {}", error.message));
                let Some(storages) = self.storages.get(scheme) else {
                    let known: Vec<&str> = self.storages.keys().map(String::as_str).chain(["file"]).collect();
                    let what =
                        format!("'path' = '{text}': no files are reached by '{scheme}'; known: {}", known.join(", "));
                    return Err(invalid(table, what));
                };
                return storages.open(text).map_err(named);
            }
        };
        Ok(Arc::new(local::LocalFiles::new(self.base_dir.join(Path::new(plain)))))
    }

    fn unknown(&self, table: &TableDef) -> PortError {
        let mut known: Vec<&str> = vec!["blackhole", "datagen", "filesystem", "print"];
        known.extend(self.others.keys().map(String::as_str));
        known.sort_unstable();
        let known = known.join(", ");
        match table.options.get("connector") {
            Some(name) => invalid(table, format!("unknown connector '{name}'; known: {known}")),
            None => invalid(table, format!("the option 'connector' is missing; known connectors: {known}")),
        }
    }
}

/// What a table of the engine's own connectors can take when it is written to.
pub fn builtin_changelog(table: &TableDef) -> Changelog {
    match table.options.get("connector").map(String::as_str) {
        Some("print" | "blackhole") => Changelog::All,
        _ => Changelog::Append,
    }
}

impl Connectors for BuiltinConnectors {
    fn check(&self, table: &TableDef, role: Role) -> Result<(), PortError> {
        if let Some(other) = self.other(table) {
            return other.check(table, role);
        }
        match (table.options.get("connector").map(String::as_str), role) {
            (Some("filesystem"), _) => {
                let mut known = vec!["path", RELOAD, SIZE];
                known.extend(JsonOptions::KEYS);
                known.extend(LookupCache::KEYS);
                check_options(table, &known, &[])?;
                self.storage(table)?;
                reload_ms(table)?;
                file_bytes_max(table)?;
                JsonOptions::parse(&table.options).map(drop).map_err(|e| invalid(table, e.message))
            }
            (Some("datagen"), Role::Source) => datagen::Generator::new(table, &self.env).map(drop),
            (Some("print"), Role::Sink) => check_options(table, &["print-identifier"], &[]),
            (Some("blackhole"), Role::Sink) => check_options(table, &[], &[]),
            (Some(name @ ("print" | "blackhole")), Role::Source) => {
                Err(invalid(table, format!("connector '{name}' can only be written to")))
            }
            (Some(name @ ("print" | "blackhole" | "datagen")), Role::Lookup) => {
                Err(invalid(table, format!("connector '{name}' cannot be looked up")))
            }
            (Some("datagen"), Role::Sink) => Err(invalid(table, "connector 'datagen' can only be read".into())),
            _ => Err(self.unknown(table)),
        }
    }

    fn changelog(&self, table: &TableDef) -> Changelog {
        if let Some(other) = self.other(table) {
            return other.changelog(table);
        }
        builtin_changelog(table)
    }

    fn gives(&self, table: &TableDef) -> Changelog {
        self.other(table).map_or(Changelog::Append, |other| other.gives(table))
    }

    fn source(&self, table: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        if let Some(other) = self.other(table) {
            return other.source(table);
        }
        self.check(table, Role::Source)?;
        match table.options.get("connector").map(String::as_str) {
            Some("filesystem") => Ok(Arc::new(files::FileSource::new(self.storage(table)?)?)),
            Some("datagen") => Ok(Arc::new(datagen::Generator::new(table, &self.env)?)),
            _ => Err(self.unknown(table)),
        }
    }

    fn lookup(&self, spec: &LookupSpec) -> Result<Arc<dyn Lookup>, PortError> {
        let table = &spec.table;
        if let Some(other) = self.other(table) {
            return other.lookup(spec);
        }
        self.check(table, Role::Lookup)?;
        let lookup = table_lookup::TableLookup::open(self.storage(table)?, spec, reload_ms(table)?, &self.env)?;
        Ok(Arc::new(lookup))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        let table = &spec.table;
        if let Some(other) = self.other(table) {
            return other.sink(spec);
        }
        self.check(table, Role::Sink)?;
        match table.options.get("connector").map(String::as_str) {
            Some("filesystem") => Ok(Box::new(parts::PartSink::new(spec, self.storage(table)?, &self.env)?)),
            Some("print") => Ok(Box::new(print::PrintSink::new(spec, self.output.clone()))),
            Some("blackhole") => Ok(Box::new(blackhole::Blackhole)),
            _ => Err(self.unknown(table)),
        }
    }
}

/// The option that says how often a table that is looked up is loaded anew.
const RELOAD: &str = "lookup.full-cache.periodic-reload.interval";

fn reload_ms(table: &TableDef) -> Result<Option<u64>, PortError> {
    let Some(text) = table.options.get(RELOAD) else { return Ok(None) };
    let wrong = || invalid(table, format!("'{RELOAD}' is a duration such as '10 min', not '{text}'"));
    duration_ms(text).filter(|ms| *ms > 0).map(Some).ok_or_else(wrong)
}

/// The option that says how large a part gets, as Flink has it.
const SIZE: &str = "sink.rolling-policy.file-size";
const SIZE_DEFAULT: u64 = 128 << 20;
const SIZE_MIN: u64 = 1 << 10;
/// Object stores copy no more in one request than a bit above.
const SIZE_MAX: u64 = 4 << 30;

/// After how many bytes a part that is written is full.
fn file_bytes_max(table: &TableDef) -> Result<u64, PortError> {
    let Some(text) = table.options.get(SIZE) else { return Ok(SIZE_DEFAULT) };
    let wrong = || invalid(table, format!("'{SIZE}' is a size such as '10mb', from 1kb to 4gb, not '{text}'"));
    memory_bytes(text).filter(|bytes| (SIZE_MIN..=SIZE_MAX).contains(bytes)).ok_or_else(wrong)
}

/// An error about a table.
fn invalid(table: &TableDef, message: String) -> PortError {
    PortError::new(Kind::Invalid, format!("table {}: {message}", table.name))
}

fn required<'a>(table: &'a TableDef, key: &str) -> Result<&'a str, PortError> {
    let missing = || invalid(table, format!("the option '{key}' is missing"));
    table.options.get(key).map(String::as_str).ok_or_else(missing)
}

/// Refuses every option that is neither `connector`, nor among `known`, nor begins with one of `prefixes`.
fn check_options(table: &TableDef, known: &[&str], prefixes: &[&str]) -> Result<(), PortError> {
    for key in table.options.keys() {
        let fits = key == "connector" || known.contains(&key.as_str()) || prefixes.iter().any(|p| key.starts_with(p));
        if !fits {
            let connector = table.options.get("connector").map_or("", String::as_str);
            let known = known.join(", ");
            return Err(invalid(table, format!("connector '{connector}' has no option '{key}'; it takes: {known}")));
        }
    }
    Ok(())
}

/// An error of the file system about `path`.
fn io(path: &Path) -> impl Fn(std::io::Error) -> PortError + '_ {
    move |error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => Kind::Corrupt,
            _ => Kind::Unavailable,
        };
        PortError::new(kind, format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DataType, Field, Schema};

    pub(super) fn table(options: &[(&str, &str)]) -> TableDef {
        let fields = vec![Field { name: "a".into(), data_type: DataType::BigInt, nullable: true }];
        TableDef {
            name: "t".into(),
            schema: Schema { fields },
            computed: vec![None],
            watermark: None,
            primary_key: Vec::new(),
            options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn wrong_options_are_refused_by_name() {
        let connectors = BuiltinConnectors::new("/tmp", Env::manual(0, 1).0);
        let check = |options: &[(&str, &str)], role| connectors.check(&table(options), role);
        let files = [("connector", "filesystem"), ("path", "x"), ("format", "json")];
        assert!(check(&files, Role::Source).is_ok());
        for (options, role, word) in [
            (vec![], Role::Source, "'connector'"),
            (vec![("connector", "kafka")], Role::Source, "kafka"),
            (vec![("connector", "filesystem"), ("format", "json")], Role::Source, "'path'"),
            (vec![("connector", "filesystem"), ("path", "x")], Role::Source, "'format'"),
            (vec![("connector", "filesystem"), ("path", "x"), ("format", "csv")], Role::Source, "csv"),
            (vec![("connector", "filesystem"), ("path", "s3://x"), ("format", "json")], Role::Source, "s3://x"),
            ([&files[..], &[("jason.x", "1")]].concat(), Role::Source, "jason.x"),
            ([&files[..], &[("json.ignore-parse-errors", "maybe")]].concat(), Role::Source, "maybe"),
            (vec![("connector", "print")], Role::Source, "written"),
            (vec![("connector", "datagen")], Role::Sink, "read"),
            (vec![("connector", "datagen"), ("fields.b.kind", "random")], Role::Source, "fields.b.kind"),
            (vec![("connector", "blackhole"), ("x", "y")], Role::Sink, "'x'"),
        ] {
            let error = check(&options, role).unwrap_err();
            assert!(error.message.contains(word), "{options:?}: {error}");
        }
    }
}
