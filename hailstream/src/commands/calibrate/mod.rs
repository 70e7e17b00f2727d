//! `hailstream calibrate`: which size a script needs for a rate, found by running it over a sample.

mod advice;
pub(super) mod args;
mod html;
mod measure;
mod operators;
mod outputs;
mod report;
mod sample;

use super::{Failure, say, say_error};
use advice::Known;
use args::{CalibrateAction, CalibrateArgs, CalibrateOf};
use control::scaling::Prices;
use measure::{Bench, Paced};
use model::Env;
use outputs::Outputs;
use sample::Sample;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Rates that a size is told for where none are named; 13,000 records a second are those of the reference.
const RATES: [u64; 5] = [1_000, 4_000, 13_000, 50_000, 200_000];
/// Parallelisms per KPU that are tried.
const PER_KPU: [u32; 4] = [1, 2, 4, 8];
/// How long a run at a part of the saturated rate takes at most, in seconds.
const PACED_SECONDS: f64 = 10.0;
/// Parts of the saturated rate at which it is tried whether records are read in time.
const SUSTAINED: [f64; 4] = [0.95, 0.9, 0.8, 0.7];

pub(super) fn run(args: CalibrateArgs) -> Result<(), Failure> {
    match (args.action, args.of) {
        (Some(CalibrateAction::Verify(of)), _) => verify(&of),
        (None, Some(of)) => calibrate(&of),
        (None, None) => Err("name the script: hailstream calibrate SCRIPT --sample FILE".into()),
    }
}

/// What both commands begin with.
struct Work {
    bench: Bench,
    prices: Prices,
    cores: u32,
    _runtime: tokio::runtime::Runtime,
}

impl Work {
    fn open(of: &CalibrateOf) -> Result<Self, Failure> {
        let shown = of.script.display();
        let script = std::fs::read_to_string(&of.script).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let prices = match &of.prices {
            None => Prices::default(),
            Some(path) => read_prices(path)?,
        };
        let sample = Arc::new(Sample::read(of)?);
        let runtime = super::runtime()?;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        let env = Env::system();
        let outputs = Outputs::open(of, &env)?;
        let bench = Bench { script, whole: sample.clone(), sample, outputs, env, runtime: runtime.handle().clone() };
        Ok(Self { bench, prices, cores, _runtime: runtime })
    }

    /// Measures every size whose threads have a core each, within the time.
    fn measure(&mut self, seconds: u64) -> Result<Known, Failure> {
        let written = outputs::written(&self.bench.plan()?);
        let sizes = sizes(self.cores);
        // A fifth of the time is for the runs at a rate.
        let each = Duration::from_secs_f64(0.8 * seconds as f64 / sizes.len() as f64);
        let cut = self.bench.fit(each)?;
        let told = |round: usize| say_error(&format!("round {round} of {} sizes …", sizes.len()));
        let points = self.bench.saturated(&sizes, each * sizes.len() as u32, told)?;
        let mut known = Known::new(points, self.prices.clone(), self.cores);
        known.record_bytes = self.bench.sample.record_bytes();
        known.sample_rows = self.bench.sample.rows;
        (known.written, known.cut) = (written, cut);
        Ok(known)
    }

    /// The largest part of the saturated rate at which the recommended size of all measured KPUs reads in time.
    fn sustain(&self, known: &mut Known, slo_ms: f64) -> Result<Vec<Paced>, Failure> {
        let size = (known.measured_kpus * known.per_kpu, known.per_kpu);
        let saturated = known.rate_of(known.measured_kpus).0;
        let mut tried = Vec::new();
        for part in SUSTAINED {
            let paced = self.bench.paced(size, saturated * part, slo_ms, PACED_SECONDS)?;
            let keeps_up = paced.keeps_up;
            tried.push(paced);
            known.sustainable = part;
            if keeps_up {
                break;
            }
        }
        Ok(tried)
    }
}

fn read_prices(path: &std::path::Path) -> Result<Prices, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let prices: Prices = serde_json::from_str(&text).map_err(|error| format!("{shown}: {error}"))?;
    match prices.problem() {
        Some(problem) => Err(format!("{shown}: {problem}").into()),
        None => Ok(prices),
    }
}

/// Parallelism and parallelism per KPU of all sizes with a core for each thread: 1, 2, 4, … KPUs.
fn sizes(cores: u32) -> Vec<(u32, u32)> {
    let kpus = std::iter::successors(Some(1_u32), |kpus| kpus.checked_mul(2)).take_while(|kpus| *kpus <= cores.min(16));
    kpus.flat_map(|kpus| PER_KPU.iter().map(move |per_kpu| (kpus * per_kpu, *per_kpu))).collect()
}

fn calibrate(of: &CalibrateOf) -> Result<(), Failure> {
    let mut work = Work::open(of)?;
    let mut known = work.measure(of.time)?;
    let tried = work.sustain(&mut known, of.slo as f64)?;
    let rates = if of.rates.is_empty() { RATES.to_vec() } else { of.rates.clone() };
    let report = report::Report { of, known: &known, tried: &tried, rates: &rates, cores: work.cores };
    work.bench.outputs.close()?;
    if of.json {
        say(&report.json().to_string());
    } else {
        say(&report.text());
    }
    if let Some(path) = &of.html {
        let page = html::page(&report);
        std::fs::write(path, page).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        say_error(&format!("The report is in {}.", path.display()));
    }
    Ok(())
}

fn verify(of: &CalibrateOf) -> Result<(), Failure> {
    let [rate] = of.rates[..] else { return Err("name one --rate to verify the size for".into()) };
    let mut work = Work::open(of)?;
    let known = work.measure(of.time / 2)?;
    let rate = rate as f64;
    let advice = known.advice(rate).ok_or("no size within the quota of 32 KPUs does this rate")?;
    if advice.kpus > work.cores {
        return Err(format!(
            "parallelism {} needs {} KPUs, and this machine has {} cores for their threads: it cannot be verified here",
            advice.parallelism, advice.kpus, work.cores
        )
        .into());
    }
    let size = (advice.parallelism, advice.per_kpu);
    if !of.json {
        let (p, per_kpu, shards) = (advice.parallelism, advice.per_kpu, advice.shards);
        say(&format!("Parallelism {p}, {per_kpu} per KPU, for {rate:.0} records a second of {shards} shards:"));
    }
    let mut failed = Vec::new();
    let mut runs = Vec::new();
    for part in [1.0, 1.2] {
        let paced = work.bench.paced(size, rate * part, of.slo as f64, of.time as f64 / 4.0)?;
        if !paced.keeps_up {
            failed.push(format!("{:.0} %", part * 100.0));
        }
        if !of.json {
            say(&format!(
                "{:>4.0} % of {rate:.0} records a second for {:.1} s: p99 wait {:.1} ms, last {:.1} ms: {}",
                part * 100.0,
                paced.seconds,
                paced.p99_wait_ms,
                paced.last_wait_ms,
                if paced.keeps_up { "keeps up" } else { "falls behind" },
            ));
        }
        runs.push(paced);
    }
    work.bench.outputs.close()?;
    if of.json {
        say(&json!({ "size": advice, "runs": runs, "keeps_up": failed.is_empty() }).to_string());
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("parallelism {} does not keep up at {}", advice.parallelism, failed.join(" and ")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_core_for_each_thread() {
        assert_eq!(sizes(2), [(1, 1), (2, 2), (4, 4), (8, 8), (2, 1), (4, 2), (8, 4), (16, 8)]);
        assert!(sizes(64).iter().all(|(parallelism, per_kpu)| parallelism.div_ceil(*per_kpu) <= 16));
    }
}
