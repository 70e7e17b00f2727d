//! Writing to indices: which index, in which order, when it is on disk.

use crate::disk::Record;
use crate::error::IndexError;
use crate::index::Core;
use crate::mapping::Mapping;
use crate::name::{check_name, random_name};
use crate::operation::{Operation, Written};
use crate::search::Environment;
use crate::table::{IndexSettings, Prepared, State, Table, TableMeta};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Operations that are decided while an index is locked.
const OPERATIONS_AT_ONCE: usize = 512;

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

    pub(crate) fn write(&self, operations: &[Operation]) -> Vec<Result<Written, IndexError>> {
        let used_bytes = self.memory_bytes();
        if used_bytes > self.config.memory_bytes_max {
            let refused = IndexError::Memory { used_bytes, limit_bytes: self.config.memory_bytes_max };
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
                        last_ticket = last_ticket.max(self.write_some(&table, operations, places, &mut answers));
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

    /// Reads documents, then decides about them with the index locked, then logs them. Returns the log's ticket.
    fn write_some(
        &self,
        table: &Table,
        operations: &[Operation],
        places: &[usize],
        answers: &mut [Option<Result<Written, IndexError>>],
    ) -> u64 {
        let mapping = table.mapping();
        let prepared: Vec<_> = places.iter().map(|at| Prepared::new(&operations[*at].action, &mapping)).collect();
        let mut log = Vec::new();
        let mut state = table.state.lock();
        for (at, prepared) in places.iter().zip(prepared) {
            let operation = &operations[*at];
            let made_up = operation.id.is_none().then(|| random_name(&self.config.env, 15));
            let id = operation.id.as_deref().or(made_up.as_deref()).unwrap_or_default();
            answers[*at] = Some(state.write(&table.meta, id, &operation.action, prepared, &mut log));
        }
        if log.is_empty() {
            return 0;
        }
        // Under the index's lock still: the log has the records of an index in the order of their sequence numbers.
        match self.append(&log) {
            Ok(ticket) => ticket,
            Err(error) => {
                for at in places {
                    if matches!(answers[*at], Some(Ok(_))) {
                        answers[*at] = Some(Err(error.clone()));
                    }
                }
                0
            }
        }
    }
}
