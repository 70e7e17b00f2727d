//! What a rule remembers from one look to the next.

use super::joint::{Capacity, JointMemory};
use super::rules::{ManagedMemory, OperatorMemory, StepsMemory, TrackingMemory, UtilityMemory};

/// What a rule remembers; another rule of the same policy begins with nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    joint: JointMemory,
    managed: ManagedMemory,
    operator: OperatorMemory,
    tracking: TrackingMemory,
    steps: StepsMemory,
    utility: UtilityMemory,
}

impl Memory {
    /// The model of capacity that our rule has learned; empty for other rules.
    pub fn capacity(&self) -> &Capacity {
        self.joint.capacity()
    }

    /// What the rule wanted last is only told and not done.
    pub(super) fn untried(&mut self) {
        self.joint.untried();
    }
}

/// The part of the memory that is a rule's own.
pub(super) trait PartOf {
    fn part(memory: &mut Memory) -> &mut Self;
}

/// The rule's own part.
pub(super) fn of<T: PartOf>(memory: &mut Memory) -> &mut T {
    T::part(memory)
}

macro_rules! part {
    ($type:ty, $name:ident) => {
        impl PartOf for $type {
            fn part(memory: &mut Memory) -> &mut Self {
                &mut memory.$name
            }
        }
    };
}

part!(JointMemory, joint);
part!(ManagedMemory, managed);
part!(OperatorMemory, operator);
part!(TrackingMemory, tracking);
part!(StepsMemory, steps);
part!(UtilityMemory, utility);
