//! What calibration tells: a table, a plot, what to paste, and what was measured and what was not.

use super::advice::{Advice, Known};
use super::args::CalibrateOf;
use super::measure::Paced;
use serde_json::{Value, json};
use std::fmt::Write;

/// Width of the plot's bars, in characters.
const BAR: usize = 48;
/// The reference's rate, and the numbers of shards that are beside it.
const REFERENCE: (f64, [u32; 2]) = (13_000.0, [8, 16]);

/// Everything that a report is made of.
pub(super) struct Report<'a> {
    pub(super) of: &'a CalibrateOf,
    pub(super) known: &'a Known,
    pub(super) tried: &'a [Paced],
    pub(super) rates: &'a [u64],
    pub(super) cores: u32,
}

impl Report<'_> {
    /// The sizes for all rates; those beyond the quota have none.
    pub(super) fn advices(&self) -> Vec<(u64, Option<Advice>)> {
        self.rates.iter().map(|rate| (*rate, self.known.advice(*rate as f64))).collect()
    }

    /// The rate whose size is to be pasted: the reference's where it is asked for, else the largest that has a size.
    fn chosen(&self) -> Option<Advice> {
        let advices = self.advices();
        let reference = advices.iter().find(|(rate, _)| *rate as f64 == REFERENCE.0);
        let chosen = reference.and_then(|(_, advice)| advice.clone());
        chosen.or_else(|| advices.into_iter().rev().find_map(|(_, advice)| advice))
    }

    pub(super) fn paste(advice: &Advice) -> Value {
        json!({ "ParallelismConfiguration": {
            "ConfigurationType": "CUSTOM", "Parallelism": advice.parallelism, "ParallelismPerKPU": advice.per_kpu,
            "AutoScalingEnabled": true,
        }})
    }

    /// What was measured and what was not.
    pub(super) fn scope(&self) -> String {
        let known = self.known;
        let (real, left) = &known.written;
        let mut told = format!(
            "Measured: {} rows of {:.0} bytes{}, medians of three runs or more that are up to {:.0} % apart, on up to {} \
             thread{} of {} cores.",
            known.sample_rows,
            known.record_bytes,
            if known.cut { " (the first of each shard; give it more --time for all)" } else { "" },
            100.0 * known.spread(),
            known.measured_kpus,
            if known.measured_kpus == 1 { "" } else { "s" },
            self.cores,
        );
        if !real.is_empty() {
            told += &format!(
                " Results of {} were written to an index on this machine's disk, by threads \
                  beside the workers on the same cores.",
                real.join(", ")
            );
        }
        if !left.is_empty() {
            told += &format!(" What is written to {} was left out.", left.join(", "));
        }
        let most = known.points.iter().map(|point| point.kpus).max().unwrap_or(1);
        if most > known.measured_kpus {
            told += &format!(
                " With more than {} KPU{} the cores of this machine were full, so that it does not show how the script scales.",
                known.measured_kpus,
                if known.measured_kpus == 1 { "" } else { "s" }
            );
        }
        let extrapolated = format!(" Extrapolated: every size with more KPUs than {}.", known.measured_kpus);
        told + " Left out: the stream itself, whose records stood in memory." + &extrapolated
    }

    /// What the shards beside the recommended ones do.
    pub(super) fn shards(&self) -> Vec<String> {
        let Some(advice) = self.chosen() else { return Vec::new() };
        let beside: Vec<u32> = if advice.rate == REFERENCE.0 {
            vec![REFERENCE.1[0], advice.shards, REFERENCE.1[1]]
        } else {
            vec![advice.shards.div_ceil(2), advice.shards, advice.shards * 2]
        };
        beside.into_iter().map(|shards| self.known.shards_told(shards, advice.rate)).collect()
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{text}");
        };
        line(
            "   rate/s  shards  parallelism  per KPU  KPUs  headroom  state MB  disk GB/day  USD/h here  USD/h AWS"
                .to_owned(),
        );
        for (rate, advice) in self.advices() {
            line(match advice {
                None => format!("{rate:>9}  more than the quota of KPUs"),
                Some(a) => format!(
                    "{rate:>9}  {:>6}  {:>11}  {:>7}  {:>4}  {:>7.0} %  {:>8.1}  {:>11.1}  {:>10.3}  {:>9.3}{}",
                    a.shards,
                    a.parallelism,
                    a.per_kpu,
                    a.kpus,
                    100.0 * a.headroom,
                    a.state_mb,
                    a.disk_gb_per_day,
                    a.usd_per_hour_here,
                    a.usd_per_hour_aws,
                    if a.measured { "" } else { "  (extrapolated)" },
                ),
            });
        }
        line(String::new());
        self.plot(&mut line);
        line(String::new());
        line(format!("Bottleneck: {}.", self.known.bottleneck()));
        if let Some(law) = self.known.law() {
            line(format!(
                "Law: X(n) = {:.0}·n / (1 + {:.4}(n−1) + {:.6}·n(n−1)) records a second on n KPUs.",
                law.c, law.sigma, law.kappa
            ));
        }
        self.operators(&mut line);
        if self.tried.iter().all(|run| !run.keeps_up) {
            line(
                "None of the rates that were tried was read in time; the lowest is taken. Give it a larger sample."
                    .to_owned(),
            );
        }
        line(format!(
            "Sustained: {:.0} % of what it does at once, with no record waiting longer than {} ms.",
            100.0 * self.known.sustainable,
            self.of.slo
        ));
        self.shards().into_iter().for_each(&mut line);
        if let Some(advice) = self.chosen() {
            self.known.lookups_told(advice.rate, advice.parallelism).into_iter().for_each(&mut line);
            line(format!("For {:.0} records a second paste: {}", advice.rate, Self::paste(&advice)));
        }
        line(self.scope());
        out.trim_end().to_owned()
    }

    /// KPUs for which operators are told: those of the size that is recommended.
    pub(super) fn kpus(&self) -> u32 {
        self.chosen().map_or(self.known.measured_kpus, |advice| advice.kpus)
    }

    /// What each operator costs, and which is full first.
    fn operators(&self, line: &mut impl FnMut(String)) {
        let kpus = self.kpus();
        line(String::new());
        line(format!(
            "{:<32} µs/record  apart  of its threads  alone on {kpus} KPU{}: records/s, for sure",
            "operator",
            if kpus == 1 { "" } else { "s" }
        ));
        for one in self.known.operators(kpus) {
            line(format!(
                "{:<32} {:>9.3} {:>4.0} % {:>14.0} % {:>28.0} {:>9.0}",
                one.operator,
                one.us_per_record,
                100.0 * one.spread,
                100.0 * one.part,
                one.alone.0,
                one.alone.1,
            ));
        }
        if let Some(told) = self.known.full_first_told(kpus) {
            line(format!("{told}."));
        }
        line(String::new());
    }

    /// Bars: what each number of KPUs does, measured or extrapolated, with its doubt.
    fn plot(&self, line: &mut impl FnMut(String)) {
        let sizes = [1, 2, 4, 8, 16, 32];
        let largest = sizes.iter().map(|kpus| self.known.rate_of(*kpus).0).fold(1.0, f64::max);
        for kpus in sizes {
            let (likely, sure) = self.known.rate_of(kpus);
            let (whole, certain) = ((likely / largest * BAR as f64) as usize, (sure / largest * BAR as f64) as usize);
            let bar = "█".repeat(certain) + &"░".repeat(whole.saturating_sub(certain));
            let kind = if kpus <= self.known.measured_kpus { "measured" } else { "extrapolated" };
            line(format!(
                "{kpus:>3} KPU{} {bar:<BAR$} {likely:>10.0}/s, {sure:.0}/s for sure ({kind})",
                if kpus == 1 { " " } else { "s" }
            ));
        }
    }

    pub(super) fn json(&self) -> Value {
        let advices: Vec<Option<Advice>> = self.advices().into_iter().map(|(_, advice)| advice).collect();
        let kpus = self.kpus();
        json!({
            "rates": self.rates, "sizes": advices, "points": self.known.points, "law": self.known.law(),
            "sustainable": self.known.sustainable, "sustained": self.tried, "bottleneck": self.known.bottleneck(),
            "shards": self.shards(), "scope": self.scope(), "spread": self.known.spread(),
            "operators": self.known.operators(kpus), "operators_kpus": kpus, "full_first": self.known.full_first_told(kpus),
            "written": self.known.written.0, "left_out": self.known.written.1, "sample_rows": self.known.sample_rows,
            "cores": self.cores,
            "record_bytes": self.known.record_bytes, "slo_ms": self.of.slo,
            "paste": self.chosen().map(|advice| Self::paste(&advice)), "prices": self.known.prices,
        })
    }
}
