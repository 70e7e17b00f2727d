//! What an application is made of: its code, its parallelism, and what that costs in KPUs.

use crate::Handover;
use crate::program::ProgramRun;
use model::limits::{PARALLELISM_MAX, PARALLELISM_PER_KPU_MAX};
use model::{Classified, Kind};
use serde::{Deserialize, Serialize};

/// What someone wants to have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationSpec {
    /// 1–128 characters of `a-z A-Z 0-9 _ . -`; ids of result documents are a function of it.
    pub name: String,
    /// What runs it, by its name: `embedded` or `flink`.
    #[serde(default = "embedded")]
    pub runner: String,
    /// The SQL script; empty where a program is run.
    pub script: String,
    /// The program, where the code is one.
    #[serde(default)]
    pub program: Option<ProgramRun>,
    /// How many subtasks each operator has, 1–256.
    pub parallelism: u32,
    /// How many subtasks share one KPU, 1–8.
    pub parallelism_per_kpu: u32,
    /// How often it keeps its state; `None`: as its runner does by itself.
    #[serde(default)]
    pub checkpoints: Option<Checkpoints>,
    /// What it has taken over from another runner; `None`: it has begun with its present one.
    #[serde(default)]
    pub handover: Option<Handover>,
}

fn embedded() -> String {
    crate::EMBEDDED.to_owned()
}

/// How often an application keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoints {
    /// Whether there are any beside those of a clean end.
    pub enabled: bool,
    /// From the beginning of one to that of the next, in milliseconds.
    pub interval_ms: u64,
    /// From the end of one to the beginning of the next, at least, in milliseconds.
    pub min_pause_ms: u64,
}

/// Why a specification is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The name is not a legal one.
    #[error("application name {0:?}: use 1 to 128 of the characters a-z A-Z 0-9 _ . -")]
    Name(String),
    /// The parallelism is out of bounds.
    #[error("application {name}: parallelism {parallelism} is not within 1 to {PARALLELISM_MAX}")]
    Parallelism {
        /// The application.
        name: String,
        /// What was asked for.
        parallelism: u32,
    },
    /// The parallelism per KPU is out of bounds.
    #[error("application {name}: parallelism per KPU {per_kpu} is not within 1 to {PARALLELISM_PER_KPU_MAX}")]
    ParallelismPerKpu {
        /// The application.
        name: String,
        /// What was asked for.
        per_kpu: u32,
    },
    /// It would need more KPUs than an application may have.
    #[error(
        "application {name}: {kpus} KPUs are more than the quota of {max}; lower the parallelism, raise the parallelism per KPU, \
         or raise the quota with --kpus-max"
    )]
    Kpus {
        /// The application.
        name: String,
        /// What it would need.
        kpus: u32,
        /// What it may have.
        max: u32,
    },
}

impl Classified for SpecError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl ApplicationSpec {
    /// KPUs of the application: one worker thread and one state budget each.
    pub fn kpus(&self) -> u32 {
        self.parallelism.div_ceil(self.parallelism_per_kpu.max(1))
    }

    /// Whether all of it is within its bounds, with `kpus_max` KPUs for an application.
    ///
    /// # Errors
    /// Names the first bound that is broken.
    pub fn check(&self, kpus_max: u32) -> Result<(), SpecError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if self.name.is_empty() || self.name.len() > 128 || !self.name.chars().all(legal) {
            return Err(SpecError::Name(self.name.clone()));
        }
        let name = self.name.clone();
        if !(1..=PARALLELISM_MAX).contains(&self.parallelism) {
            return Err(SpecError::Parallelism { name, parallelism: self.parallelism });
        }
        if !(1..=PARALLELISM_PER_KPU_MAX).contains(&self.parallelism_per_kpu) {
            return Err(SpecError::ParallelismPerKpu { name, per_kpu: self.parallelism_per_kpu });
        }
        if self.kpus() > kpus_max {
            return Err(SpecError::Kpus { name, kpus: self.kpus(), max: kpus_max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::limits::KPUS_MAX;

    fn spec(name: &str, parallelism: u32, per_kpu: u32) -> ApplicationSpec {
        let (name, script) = (name.into(), String::new());
        ApplicationSpec {
            name,
            runner: embedded(),
            script,
            program: None,
            parallelism,
            parallelism_per_kpu: per_kpu,
            checkpoints: None,
            handover: None,
        }
    }

    #[test]
    fn kpus_are_the_parallelism_over_the_parallelism_per_kpu_rounded_up() {
        for (parallelism, per_kpu, kpus) in [(1, 1, 1), (4, 4, 1), (5, 4, 2), (6, 2, 3), (256, 8, 32)] {
            assert_eq!(spec("a", parallelism, per_kpu).kpus(), kpus, "{parallelism} / {per_kpu}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let refused = |s: ApplicationSpec| s.check(KPUS_MAX).unwrap_err().to_string();
        assert_eq!(spec("taxi-1.b_c", 256, 8).check(KPUS_MAX), Ok(()));
        assert!(refused(spec("", 1, 1)).contains("application name \"\""));
        assert!(refused(spec("a b", 1, 1)).contains("\"a b\""));
        assert!(refused(spec("a", 0, 1)).contains("parallelism 0"));
        assert!(refused(spec("a", 257, 8)).contains("parallelism 257"));
        assert!(refused(spec("a", 1, 9)).contains("per KPU 9"));
        assert!(refused(spec("a", 1, 0)).contains("per KPU 0"));
        assert!(refused(spec("a", 33, 1)).contains("33 KPUs"));
    }
}
