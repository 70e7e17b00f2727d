//! Writing to indices: which index, in which order, when it is on disk.

use crate::disk::Record;
use crate::error::IndexError;
use crate::index::Core;
use crate::mapping::Mapping;
use crate::name::{check_name, random_name};
use crate::operation::{Operation, Staged, Wanted, Written};
use crate::search::Environment;
use crate::table::{Decided, IndexSettings, State, Table, TableMeta};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Operations that are decided while an index is locked.
const OPERATIONS_AT_ONCE: usize = 512;
/// What the record of a small document takes in the log.
const RECORD_BYTES_USUAL: usize = 160;

/// One write to one index.
struct One<'a> {
    id: Cow<'a, str>,
    wanted: Wanted<'a>,
}

impl Core {
    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment {
            env: &self.config.env,
            threads: self.config.search_threads,
            time_ms_max: self.config.search_time_ms_max,
        }
    }

    /// How long a write waits for a refresh before it makes one itself.
    pub(crate) fn patience_ms(&self, table: &Table) -> u64 {
        let own = table.meta.settings.refresh_interval_ms.and_then(|ms| u64::try_from(ms).ok());
        own.unwrap_or(self.config.refresh_interval_ms).saturating_mul(2).max(20)
    }

    pub(crate) fn append(&self, record: &[u8]) -> Result<u64, IndexError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(IndexError::Unavailable("it was shut down".to_owned()));
        }
        self.log.append(record).map_err(|e| IndexError::Unavailable(e.to_string()))
    }

    pub(crate) fn sync(&self, ticket: u64) -> Result<(), IndexError> {
        self.log.sync(ticket).map_err(|e| IndexError::Unavailable(e.to_string()))
    }

    /// Logs and adds an index. The caller holds the table of indices, so that no checkpoint comes between the two.
    pub(crate) fn add_table(
        &self,
        tables: &mut BTreeMap<String, Arc<Table>>,
        name: &str,
        settings: IndexSettings,
        mapping: Mapping,
    ) -> Result<(Arc<Table>, u64), IndexError> {
        let number = self.next_table.fetch_add(1, Ordering::SeqCst);
        let uuid = random_name(&self.config.env, 16);
        let meta = TableMeta { number, name: name.to_owned(), uuid, created_ms: self.config.env.now_ms(), settings };
        let mut record = Vec::new();
        Record::Create(meta.clone(), mapping.clone()).encode(&mut record);
        let ticket = self.append(&record)?;
        let state = State::new(mapping, self.config.env.random_u64());
        let table = Arc::new(Table::new(meta, state, self.revision.clone()));
        tables.insert(name.to_owned(), table.clone());
        self.revision.fetch_add(1, Ordering::Release);
        Ok((table, ticket))
    }

    fn table_for_writing(&self, name: &str) -> Result<(Arc<Table>, u64), IndexError> {
        if let Some(table) = self.tables.read().get(name) {
            return Ok((table.clone(), 0));
        }
        check_name(name)?;
        let mut tables = self.tables.write();
        if let Some(table) = tables.get(name) {
            return Ok((table.clone(), 0));
        }
        self.add_table(&mut tables, name, IndexSettings::default(), Mapping::default())
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.tables.read().values().map(|t| t.snapshot().memory_bytes as u64).sum()
    }

    fn check_memory(&self) -> Result<(), IndexError> {
        let (used_bytes, limit_bytes) = (self.memory_bytes(), self.config.memory_bytes_max);
        if used_bytes > limit_bytes { Err(IndexError::Memory { used_bytes, limit_bytes }) } else { Ok(()) }
    }

    /// Counts which writes succeeded.
    pub(crate) fn count(&self, succeeded: impl Iterator<Item = bool>) {
        let (mut written, mut refused) = (0, 0);
        succeeded.for_each(|success| *(if success { &mut written } else { &mut refused }) += 1);
        self.counters.written.fetch_add(written, Ordering::Relaxed);
        self.counters.refused.fetch_add(refused, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, operations: &[Operation]) -> Vec<Result<Written, IndexError>> {
        if let Err(refused) = self.check_memory() {
            return operations.iter().map(|_| Err(refused.clone())).collect();
        }
        let mut answers: Vec<Option<Result<Written, IndexError>>> = Vec::new();
        answers.resize_with(operations.len(), || None);
        let mut by_index: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, operation) in operations.iter().enumerate() {
            by_index.entry(&operation.index).or_default().push(at);
        }
        let mut last_ticket = 0;
        for (name, places) in by_index {
            match self.table_for_writing(name) {
                Err(error) => places.iter().for_each(|at| answers[*at] = Some(Err(error.clone()))),
                Ok((table, ticket)) => {
                    last_ticket = last_ticket.max(ticket);
                    for places in places.chunks(OPERATIONS_AT_ONCE) {
                        last_ticket = last_ticket.max(self.write_places(&table, operations, places, &mut answers));
                    }
                }
            }
        }
        let synced = self.sync(last_ticket);
        let settle = |answer: Option<Result<Written, IndexError>>| match (answer, &synced) {
            (Some(Ok(_)), Err(error)) => Err(error.clone()),
            (Some(answer), _) => answer,
            (None, _) => Err(IndexError::Unavailable("the operation was not reached".to_owned())),
        };
        answers.into_iter().map(settle).collect()
    }

    /// Writes those of the operations that stand at `places`, and notes their answers. Returns the log's ticket.
    fn write_places(
        &self,
        table: &Table,
        operations: &[Operation],
        places: &[usize],
        answers: &mut [Option<Result<Written, IndexError>>],
    ) -> u64 {
        let write = |at: &usize| self.one(operations[*at].id.as_deref(), operations[*at].action.wanted());
        let writes: Vec<One<'_>> = places.iter().map(write).collect();
        let (decided, ticket) = self.write_some(table, &writes);
        for ((at, one), decided) in places.iter().zip(writes).zip(decided) {
            let written = |Decided { version, sequence, outcome }| Written {
                id: one.id.into_owned(),
                version,
                sequence,
                outcome,
            };
            answers[*at] = Some(decided.map(written));
        }
        ticket
    }

    /// Writes documents of one index. They are on disk once [`Core::sync`] has returned for the ticket that this returns.
    /// One that fails hinders no other; the first failure is returned.
    pub(crate) fn stage(&self, name: &str, documents: &[Staged<'_>]) -> Result<u64, IndexError> {
        self.check_memory()?;
        let (table, mut last_ticket) = self.table_for_writing(name)?;
        let mut first_failure = None;
        for documents in documents.chunks(OPERATIONS_AT_ONCE) {
            let wanted =
                documents.iter().map(|staged| (staged.id, staged.source.map_or(Wanted::Delete, Wanted::Index)));
            let writes: Vec<One<'_>> = wanted.map(|(id, wanted)| self.one(id, wanted)).collect();
            let (decided, ticket) = self.write_some(&table, &writes);
            last_ticket = last_ticket.max(ticket);
            self.count(decided.iter().map(Result::is_ok));
            first_failure = first_failure.or(decided.into_iter().find_map(Result::err));
        }
        first_failure.map_or(Ok(last_ticket), Err)
    }

    fn one<'a>(&self, id: Option<&'a str>, wanted: Wanted<'a>) -> One<'a> {
        let id = id.map_or_else(|| Cow::Owned(random_name(&self.config.env, 15)), Cow::Borrowed);
        One { id, wanted }
    }

    /// Reads documents, then decides about them with the index locked, then logs them. Returns the log's ticket.
    fn write_some(&self, table: &Table, writes: &[One<'_>]) -> (Vec<Result<Decided, IndexError>>, u64) {
        let prepared = table.prepare(writes.iter().map(|one| one.wanted));
        let mut log = Vec::with_capacity(writes.len() * RECORD_BYTES_USUAL);
        let mut state = table.state.lock();
        let hashes = state.hashes(writes.iter().map(|one| &*one.id));
        let mut decided = Vec::with_capacity(writes.len());
        for (at, (one, hash)) in writes.iter().zip(hashes).enumerate() {
            let ready = prepared.get(at, &state.mapping);
            decided.push(state.write(&table.meta, (&one.id, hash), one.wanted, ready, &mut log));
        }
        if log.is_empty() {
            return (decided, 0);
        }
        // Under the index's lock still: the log has the records of an index in the order of their sequence numbers.
        match self.append(&log) {
            Ok(ticket) => (decided, ticket),
            Err(error) => (decided.into_iter().map(|one| one.and(Err(error.clone()))).collect(), 0),
        }
    }
}
