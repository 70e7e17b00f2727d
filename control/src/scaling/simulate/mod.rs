//! Policies on seeded days: how often they break the SLO, what they cost beside someone who knew the day, and how many steps
//! they take. All of it is a function of seed and options.

mod oracle;
mod plant;
mod report;
#[cfg(test)]
mod tests;
mod trace;

pub use plant::PlantOptions;
pub use report::{Contender, Governs, Report, contenders, run};
pub use trace::{SLOTS_FOR_NOTHING, Trace, Trouble};
