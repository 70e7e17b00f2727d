//! The wiring: one file for each port, translating one crate's types to another's.

mod aggregating;
mod application_rates;
mod applications;
mod connectors;
mod console;
mod correcting;
mod dead_letters;
mod ending;
mod help;
mod index_sink;
mod managing;
mod measure;
mod observe;
mod parts;
mod pipeline;
mod put_target;
mod rest_lookup;
mod results;
mod runner;
mod services;
pub(crate) mod stacks;
mod state_place;
mod stream_source;
mod streams;

pub use aggregating::Aggregating;
pub use connectors::PlatformConnectors;
pub(crate) use console::ConsolePlatform;
pub(crate) use parts::Parts;
pub(crate) use put_target::Remembering;
pub use put_target::{HttpTarget, StoreTarget};
pub(crate) use rest_lookup::{REST_LOOKUP, RestLookups};
pub use runner::EmbeddedRunner;
pub(crate) use runner::{DescribedTables, plan_of};
pub(crate) use services::beside_streams;
pub use state_place::StatePlace;
