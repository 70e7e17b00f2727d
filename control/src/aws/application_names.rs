//! The names, dimensions and units under which the measurements of applications are known.

use crate::metrics::{KeyError, SeriesKey, Unit};

const NAMESPACE: &str = "AWS/KinesisAnalytics";
const APPLICATION: &str = "Application";

/// What of an application is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured<'a> {
    /// All of it.
    Whole,
    /// One of its sources.
    Source(&'a str),
    /// One of its operators.
    Operator(&'a str),
}

/// What is measured of an application, a source or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApplicationMetric {
    /// How long it has run without a break.
    Uptime,
    /// How long it has not run although it should.
    Downtime,
    /// Restarts after failures.
    FullRestarts,
    /// Checkpoints that failed since the run began.
    FailedCheckpoints,
    /// How long the last durable checkpoint took.
    LastCheckpointDuration,
    /// Its size.
    LastCheckpointSize,
    /// KPUs that it runs on.
    Kpus,
    /// The part of its threads' time that is spent computing.
    CpuUtilization,
    /// The same, of the container that a KPU is.
    ContainerCpuUtilization,
    /// The part of its KPUs' memory that it takes.
    ContainerMemoryUtilization,
    /// The part of its KPUs' disk that it takes.
    ContainerDiskUtilization,
    /// The part of its budget of state that it takes.
    HeapMemoryUtilization,
    /// Records read since the run began.
    RecordsIn,
    /// Records read a second.
    RecordsInPerSecond,
    /// Records written since the run began.
    RecordsOut,
    /// Records written a second.
    RecordsOutPerSecond,
    /// Records that came too late for their windows, since the run began.
    LateRecordsDropped,
    /// The watermark that has come in.
    InputWatermark,
    /// The watermark that was handed on.
    OutputWatermark,
    /// Milliseconds of a second spent waiting for room downstream.
    BackPressuredTime,
    /// Milliseconds of a second spent computing.
    BusyTime,
    /// Milliseconds of a second spent waiting for input.
    IdleTime,
    /// How far the slowest split is behind its newest record; -1 while that is not known.
    MillisBehindLatest,
    /// Bytes that one read of a source asks for.
    BytesRequestedPerFetch,
    /// Rows that a sink's target did not take, each as often as it did not, since the run began.
    SendErrors,
    /// How long it takes a sink to make what it has written durable.
    SendTime,
}

impl ApplicationMetric {
    /// All of them.
    pub const ALL: [Self; 26] = {
        use ApplicationMetric::*;
        [
            Uptime,
            Downtime,
            FullRestarts,
            FailedCheckpoints,
            LastCheckpointDuration,
            LastCheckpointSize,
            Kpus,
            CpuUtilization,
            ContainerCpuUtilization,
            ContainerMemoryUtilization,
            ContainerDiskUtilization,
            HeapMemoryUtilization,
            RecordsIn,
            RecordsInPerSecond,
            RecordsOut,
            RecordsOutPerSecond,
            LateRecordsDropped,
            InputWatermark,
            OutputWatermark,
            BackPressuredTime,
            BusyTime,
            IdleTime,
            MillisBehindLatest,
            BytesRequestedPerFetch,
            SendErrors,
            SendTime,
        ]
    };

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uptime => "uptime",
            Self::Downtime => "downtime",
            Self::FullRestarts => "fullRestarts",
            Self::FailedCheckpoints => "numberOfFailedCheckpoints",
            Self::LastCheckpointDuration => "lastCheckpointDuration",
            Self::LastCheckpointSize => "lastCheckpointSize",
            Self::Kpus => "KPUs",
            Self::CpuUtilization => "cpuUtilization",
            Self::ContainerCpuUtilization => "containerCPUUtilization",
            Self::ContainerMemoryUtilization => "containerMemoryUtilization",
            Self::ContainerDiskUtilization => "containerDiskUtilization",
            Self::HeapMemoryUtilization => "heapMemoryUtilization",
            Self::RecordsIn => "numRecordsIn",
            Self::RecordsInPerSecond => "numRecordsInPerSecond",
            Self::RecordsOut => "numRecordsOut",
            Self::RecordsOutPerSecond => "numRecordsOutPerSecond",
            Self::LateRecordsDropped => "numLateRecordsDropped",
            Self::InputWatermark => "currentInputWatermark",
            Self::OutputWatermark => "currentOutputWatermark",
            Self::BackPressuredTime => "backPressuredTimeMsPerSecond",
            Self::BusyTime => "busyTimeMsPerSecond",
            Self::IdleTime => "idleTimeMsPerSecond",
            Self::MillisBehindLatest => "millisBehindLatest",
            Self::BytesRequestedPerFetch => "bytesRequestedPerFetch",
            Self::SendErrors => "numRecordsSendErrors",
            Self::SendTime => "currentSendTime",
        }
    }

    /// What its numbers count.
    pub fn unit(self) -> Unit {
        match self {
            Self::Uptime
            | Self::Downtime
            | Self::LastCheckpointDuration
            | Self::InputWatermark
            | Self::OutputWatermark
            | Self::BackPressuredTime
            | Self::BusyTime
            | Self::IdleTime
            | Self::MillisBehindLatest
            | Self::SendTime => Unit::MILLISECONDS,
            Self::LastCheckpointSize | Self::BytesRequestedPerFetch => Unit::BYTES,
            Self::CpuUtilization
            | Self::ContainerCpuUtilization
            | Self::ContainerMemoryUtilization
            | Self::ContainerDiskUtilization
            | Self::HeapMemoryUtilization => Unit::Percent,
            Self::RecordsInPerSecond | Self::RecordsOutPerSecond => Unit::CountPerSecond,
            _ => Unit::Count,
        }
    }
}

/// The series of a measurement of an application, or of a part of it.
///
/// # Errors
/// When a name can be no value of a dimension.
pub fn application_series(
    application: &str,
    measured: Measured<'_>,
    metric: ApplicationMetric,
) -> Result<SeriesKey, KeyError> {
    let mut dimensions = vec![(APPLICATION, application)];
    match measured {
        Measured::Whole => {}
        Measured::Source(id) => dimensions.extend([("Id", id), ("Flow", "Input")]),
        Measured::Operator(name) => dimensions.extend([("Task", name), ("Operator", name)]),
    }
    SeriesKey::new(NAMESPACE, metric.name(), dimensions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_measurement_has_a_name_of_its_own_and_its_dimensions() {
        let names: BTreeSet<_> = ApplicationMetric::ALL.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), ApplicationMetric::ALL.len());
        let key = application_series("taxi", Measured::Source("trips"), ApplicationMetric::MillisBehindLatest).unwrap();
        let dimensions: Vec<_> = key.dimensions().iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(dimensions, ["Application=taxi", "Flow=Input", "Id=trips"]);
    }
}
