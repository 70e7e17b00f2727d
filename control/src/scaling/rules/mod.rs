//! Rules of others, so that they can be compared with ours and chosen in its place.

mod figure;
mod managed;
mod operator;
mod shards;
mod steps;
#[cfg(test)]
mod tests;
mod tracking;

pub use figure::Figure;
pub use managed::ManagedRule;
pub(super) use managed::{ManagedMemory, managed};
pub use operator::OperatorRule;
pub(super) use operator::{OperatorMemory, operator};
pub(super) use shards::{UtilityMemory, by_utility};
pub use steps::{Adjustment, AdjustmentKind, Aggregation, StepRule, adjusted};
pub(super) use steps::{StepsMemory, by_steps};
pub use tracking::TrackingRule;
pub(super) use tracking::{TrackingMemory, track};
