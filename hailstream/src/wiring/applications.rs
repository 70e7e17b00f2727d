//! Applications as the console shows them: in few words, and one of them with its operators.

use super::Parts;
use super::application_rates::{ApplicationRates, OperatorRates};
use super::pipeline::application_state;
use console::{Failure, views};
use control::{ApplicationView, OperatorFigures};

impl Parts {
    /// All applications by name.
    pub(super) fn application_lines(&self) -> Vec<views::ApplicationLine> {
        self.applications().views().iter().map(line).collect()
    }

    /// One application with its operators.
    pub(super) fn application_detail(&self, name: &str) -> Result<views::ApplicationView, Failure> {
        let view = self.applications().view(name).map_err(Failure::from_error)?;
        let (second, none) = (self.second(), ApplicationRates::default());
        Ok(detail(&view, second.rates.applications.get(name).unwrap_or(&none)))
    }
}

/// An application in few words.
pub(super) fn line(view: &ApplicationView) -> views::ApplicationLine {
    views::ApplicationLine {
        name: view.spec.name.clone(),
        state: application_state(view.status),
        parallelism: view.spec.parallelism,
        kpus: view.spec.kpus(),
        restarts: view.restarts,
        last_error: view.last_error.clone(),
    }
}

fn detail(view: &ApplicationView, rates: &ApplicationRates) -> views::ApplicationView {
    let metrics = view.metrics.clone().unwrap_or_default();
    let names: Vec<&str> = metrics.operators.iter().map(|operator| operator.operator.as_str()).collect();
    let operator = |figures: &OperatorFigures| {
        let inputs = figures.inputs.iter().filter_map(|input| names.iter().position(|name| name == input)).collect();
        operator(figures, inputs, rates.operators.get(&figures.operator).copied().unwrap_or_default())
    };
    views::ApplicationView {
        line: line(view),
        runner: view.spec.runner.clone(),
        page: view.page.clone(),
        parallelism_per_kpu: view.spec.parallelism_per_kpu,
        records_in_per_s: rates.records_in,
        records_out_per_s: rates.records_out,
        watermark_ms: metrics.watermark_ms,
        millis_behind_latest: metrics.millis_behind_latest,
        state_bytes: metrics.state_bytes,
        state_budget_bytes: metrics.state_budget_bytes,
        spilled_bytes: metrics.spilled_bytes,
        rescale_pause_ms: metrics.rescale_pause_ms,
        checkpoints: views::Checkpoints {
            completed: metrics.checkpoints.completed,
            failed: metrics.checkpoints.failed,
            last_duration_ms: metrics.checkpoints.last_duration_ms,
            last_size_bytes: metrics.checkpoints.last_size_bytes,
        },
        operators: metrics.operators.iter().map(operator).collect(),
    }
}

fn operator(figures: &OperatorFigures, inputs: Vec<usize>, rates: OperatorRates) -> views::OperatorUse {
    views::OperatorUse {
        name: figures.operator.clone(),
        inputs,
        subtasks: figures.subtasks.len() as u32,
        records_in_per_s: rates.records_in,
        records_out_per_s: rates.records_out,
        busy: rates.busy,
        busy_most: rates.busy_most,
        backpressured: rates.backpressured,
        watermark_ms: figures.output_ms,
        hold: figures.hold.clone(),
        behind_ms: figures.source.and_then(|source| source.millis_behind_latest),
        read_bytes_per_s: rates.bytes,
        write_ms: rates.sink.and_then(|sink| sink.latency_ms),
        refused_per_s: rates.sink.map(|sink| sink.refused),
    }
}
