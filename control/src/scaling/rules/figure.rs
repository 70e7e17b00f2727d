//! Figures that target tracking and step scaling look at, and what they scale by them.

use crate::scaling::Observation;
use crate::scaling::verdict::Wish;
use serde::{Deserialize, Serialize};

/// A figure that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// How far an application is behind, in milliseconds; the parallelism follows it.
    BehindLatest,
    /// Processor time of an application's workers, in per cent; the parallelism follows it.
    Cpu,
    /// Busy time of an application's busiest operator, in per cent; the parallelism follows it.
    Busy,
    /// What is put of what the shards take, in per cent; the number of shards follows it.
    PutUse,
    /// The age of the oldest record that is not read, in milliseconds; the number of shards follows it.
    IteratorAge,
}

impl Figure {
    /// Its value and the capacity that follows it; `None` where it is not seen, or that capacity is being changed.
    pub(super) fn of(self, seen: &Observation) -> Option<(f64, u32)> {
        let (stream, application) = (seen.settled_stream(), seen.settled_application());
        match self {
            Self::BehindLatest => application.map(|a| (a.age_ms, a.parallelism)),
            Self::Cpu => application.map(|a| (a.cpu * 100.0, a.parallelism)),
            Self::Busy => application.map(|a| (a.busy * 100.0, a.parallelism)),
            Self::PutUse => stream.map(|s| (s.put_pct(), s.open_shards())),
            Self::IteratorAge => stream.map(|s| (s.age_ms(), s.open_shards())),
        }
    }

    /// A wish for another capacity of what follows it.
    pub(super) fn wish(self, seen: &Observation, capacity: u32) -> Wish {
        match self {
            Self::PutUse | Self::IteratorAge => Wish { shards: Some(capacity), ..Wish::default() },
            Self::BehindLatest | Self::Cpu | Self::Busy => {
                let per_kpu = seen.application.as_ref().map_or(1, |application| application.per_kpu);
                Wish { size: Some((capacity, per_kpu)), ..Wish::default() }
            }
        }
    }

    /// Its name in reasons.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BehindLatest => "millisBehindLatest",
            Self::Cpu => "processor time (%)",
            Self::Busy => "busy time (%)",
            Self::PutUse => "use of shards (%)",
            Self::IteratorAge => "iterator age (ms)",
        }
    }
}

/// A figure gathered over a period of the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::scaling) struct Gathered {
    /// The number of the period since the epoch.
    period: u64,
    pub(super) sum: f64,
    pub(super) count: u32,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Gathered {
    /// Adds a value; when it begins another period, the whole one before is handed out.
    pub(super) fn add(&mut self, now_ms: u64, period_ms: u64, value: f64) -> Option<Gathered> {
        let period = now_ms / period_ms.max(1);
        let whole = (self.count > 0 && period != self.period).then_some(*self);
        if whole.is_some() || self.count == 0 {
            *self = Self { period, sum: 0.0, count: 0, min: value, max: value };
        }
        self.sum += value;
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        whole
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}
