//! What protects the one who is asked: a limit of requests that follows failures, and a circuit that opens.

/// Failures in a row after which the circuit opens.
pub(super) const FAILURES_MAX: u32 = 50;
/// How long it stays open, in nanoseconds.
pub(super) const PAUSE_NS: u64 = 10_000_000_000;

/// How many requests may be out, and whether any may.
pub(super) struct Guard {
    capacity: f64,
    limit: f64,
    /// How long an answer takes, smoothed, in nanoseconds.
    latency_ns: f64,
    /// Until then a failure says nothing new.
    cut_until_ns: u64,
    failures: u32,
    /// When the circuit may be tried again; `None` while it is closed.
    open_until_ns: Option<u64>,
    /// Since when nothing has been answered; `None` while it is closed.
    broken_since_ns: Option<u64>,
    /// One request is out to see whether the circuit may be closed.
    probing: bool,
}

impl Guard {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity as f64;
        Self {
            capacity,
            limit: capacity,
            latency_ns: 0.0,
            cut_until_ns: 0,
            failures: 0,
            open_until_ns: None,
            broken_since_ns: None,
            probing: false,
        }
    }

    /// Whether one more request may go out beside `out` others.
    pub(super) fn allows(&self, out: usize, now_ns: u64) -> bool {
        let closed = self.open_until_ns.is_none_or(|until| until <= now_ns && !self.probing);
        closed && (out as f64) < self.limit.floor()
    }

    /// A request goes out.
    pub(super) fn sent(&mut self) {
        self.probing = self.open_until_ns.is_some();
    }

    /// When waiting for the circuit ends; `None` while it is closed.
    pub(super) fn open_until(&self) -> Option<u64> {
        self.open_until_ns
    }

    /// Since when the circuit has been open without an answer between; `None` while it is closed.
    pub(super) fn broken_since(&self) -> Option<u64> {
        self.broken_since_ns
    }

    /// An answer came after `took_ns`.
    pub(super) fn answered(&mut self, took_ns: u64) {
        let smooth = if self.latency_ns == 0.0 { 1.0 } else { 0.1 };
        self.latency_ns += (took_ns as f64 - self.latency_ns) * smooth;
        self.limit = (self.limit + 1.0 / self.limit).min(self.capacity);
        (self.failures, self.open_until_ns, self.probing) = (0, None, false);
        self.broken_since_ns = None;
    }

    /// A request has failed; whether that has opened the circuit.
    pub(super) fn failed(&mut self, now_ns: u64) -> bool {
        if now_ns >= self.cut_until_ns {
            self.limit = (self.limit / 2.0).max(1.0);
            self.cut_until_ns = now_ns.saturating_add(self.latency_ns as u64 + 1);
        }
        self.failures = self.failures.saturating_add(1);
        let opens = self.probing || (self.failures >= FAILURES_MAX && self.open_until_ns.is_none());
        if opens {
            self.open_until_ns = Some(now_ns.saturating_add(PAUSE_NS));
            self.broken_since_ns.get_or_insert(now_ns);
            self.probing = false;
        }
        opens
    }
}
