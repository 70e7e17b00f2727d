//! What flows between subtasks: one closed set of messages, through channels bounded in bytes.
//!
//! *Invariant:* a sender asks [`Channel::has_room`] of all its channels before it takes a step, and a step then never
//! waits: channels overshoot their bound by what one step makes. The graph has no cycle and its ends always drain, so
//! somebody can always step.

use super::aggregate::Partials;
use super::wake::Wake;
use arrow_array::RecordBatch;
use model::Watermark;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cut through the whole job: what came before it is flushed before the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Epoch(pub(crate) u64);

/// All that can travel on a channel.
#[derive(Debug)]
pub(crate) enum Message {
    /// Rows or groups.
    Batch(Batch),
    /// No row at or before this time is to be expected any more.
    Watermark(Watermark),
    /// The cut of an epoch.
    Barrier(Epoch),
    /// The sender has nothing to say for now, not even about time.
    Idle,
    /// Nothing will ever come again.
    End,
}

/// Rows, or groups between the two halves of an aggregation.
#[derive(Debug)]
pub(crate) enum Batch {
    Rows(RecordBatch),
    Partials(Partials),
}

impl Batch {
    /// Rows, or groups.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.num_rows(),
            Self::Partials(partials) => partials.rows(),
        }
    }
}

impl Message {
    /// What the message counts against the bound of its channel.
    fn bytes(&self) -> usize {
        64 + match self {
            Self::Batch(Batch::Rows(rows)) => rows.get_array_memory_size(),
            Self::Batch(Batch::Partials(partials)) => partials.bytes(),
            Self::Watermark(_) | Self::Barrier(_) | Self::Idle | Self::End => 0,
        }
    }
}

/// A queue from one subtask to another.
pub(crate) struct Channel {
    queue: Mutex<VecDeque<(Message, usize)>>,
    bytes: AtomicUsize,
    capacity: usize,
    sender: Arc<Wake>,
    receiver: Arc<Wake>,
}

impl Channel {
    /// A channel that is full at `capacity` bytes.
    pub(crate) fn new(capacity: usize, sender: Arc<Wake>, receiver: Arc<Wake>) -> Arc<Self> {
        let (queue, bytes) = (Mutex::new(VecDeque::new()), AtomicUsize::new(0));
        Arc::new(Self { queue, bytes, capacity, sender, receiver })
    }

    /// Whether the sender may take another step.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < self.capacity
    }

    /// Appends a message and wakes the receiver.
    pub(crate) fn push(&self, message: Message) {
        let bytes = message.bytes();
        // Counted first: whoever takes it out finds it counted.
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.queue.lock().push_back((message, bytes));
        self.receiver.wake();
    }

    /// Takes the oldest message; wakes the sender when that makes room.
    pub(crate) fn pop(&self) -> Option<Message> {
        let (message, bytes) = self.queue.lock().pop_front()?;
        let before = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if before >= self.capacity && before - bytes < self.capacity {
            self.sender.wake();
        }
        Some(message)
    }
}
