//! Flink SQL: from the text of a script to checked plans.
//!
//! A script passes through here in this order: `script`, `reader` and `create` (the grammar, over the parser's tokens,
//! cut by `dialect`), `session` (statements against a `catalog`), `query`, `group`, `window` and `sink` (queries to
//! relations, with expressions bound in `bind`), `rewrite` (relations made cheaper), `lower` (a plan that shares what is
//! common).
//!
//! *Invariant:* nothing is handed out before the whole script has been checked.

mod bind;
mod catalog;
mod changelog;
mod coerce;
mod create;
mod dialect;
mod error;
mod explain;
mod fold;
mod group;
mod hints;
mod join;
mod keyed;
mod legacy;
mod lookup;
mod lower;
mod names;
mod over;
mod proctime;
mod query;
mod rank;
mod reader;
mod rel;
mod relation;
mod reserved;
mod rewrite;
mod scope;
mod script;
mod session;
mod sink;
mod statement;
mod type_name;
mod window;

pub(crate) use bind::is_taken;
pub(crate) use coerce::common_type;
pub use error::SqlError;
pub use explain::text as explain;
pub use script::Script;
pub use session::{Planned, Session};
