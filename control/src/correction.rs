//! What becomes of closed windows that had late rows.

/// Which windows of an application are computed anew, and which stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Correction {
    /// Rows that came too late and were kept.
    pub late_rows: u64,
    /// Windows that are computed anew, by operator.
    pub corrected: Vec<CorrectedWindows>,
    /// Windows of which records are gone.
    pub lost: Vec<LostWindow>,
    /// Operators whose windows cannot be computed anew by themselves.
    pub refused: Vec<RefusedOperator>,
    /// Where reading begins, for each split.
    pub from: Vec<ReadFrom>,
    /// What was done; `None` where only that was told.
    pub work: Option<CorrectionWork>,
}

/// Windows of one operator, in milliseconds on its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectedWindows {
    /// The operator, as late rows tell it.
    pub operator: String,
    /// The tables that the results go into.
    pub sinks: Vec<String>,
    /// Start and end of each, the earliest first.
    pub windows: Vec<(i64, i64)>,
}

/// A window whose records are not all there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostWindow {
    /// The operator.
    pub operator: String,
    /// Its first millisecond on the operator's clock.
    pub start_ms: i64,
    /// The first one after it.
    pub end_ms: i64,
    /// What is missing.
    pub reason: String,
}

/// An operator whose windows stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedOperator {
    /// The operator.
    pub operator: String,
    /// Why.
    pub reason: String,
}

/// Where a split is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFrom {
    /// The split.
    pub split: String,
    /// Its oldest record that is still there.
    pub position: u64,
}

/// What a correction came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrectionWork {
    /// Records read.
    pub records_in: u64,
    /// Rows written, each in the place of the one before.
    pub records_out: u64,
}
