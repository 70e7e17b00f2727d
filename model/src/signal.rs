//! Signals: one number with a name and labels, as every stage reports them for metrics, decisions and people.

/// One reading of one signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The signal's name in snake_case, its unit last (`store_incoming_bytes_total`).
    pub name: &'static str,
    /// What it is a reading of, such as `[("stream", "trips"), ("shard", "3")]`.
    pub labels: Vec<(&'static str, String)>,
    /// The reading.
    pub value: f64,
}

impl Sample {
    /// A reading without labels.
    pub fn new(name: &'static str, value: f64) -> Self {
        Self { name, labels: Vec::new(), value }
    }

    /// The same reading with one more label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}
