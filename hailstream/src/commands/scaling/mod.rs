//! `hailstream scaling`: policies compared on seeded days, and what a running platform has decided.

pub(super) mod args;

use super::console::ConsoleClient;
use super::{Failure, say};
use args::{ScalingAction, ScalingArgs, SimulateArgs};
use control::scaling::simulate::{Contender, PlantOptions, Report, Trace, contenders, run as simulate_one};
use serde_json::{Value, json};

pub(super) fn run(args: ScalingArgs) -> Result<(), Failure> {
    match args.action {
        ScalingAction::Simulate(args) => simulate(&args),
        ScalingAction::Decisions { place, limit, json } => {
            super::runtime()?.block_on(decisions(&place.open()?, limit, json))
        }
        ScalingAction::Policy { place, subject, set, remove } => {
            super::runtime()?.block_on(policy(&place.open()?, subject.as_deref(), set, remove))
        }
    }
}

/// Runs the policies over the traces, a line each as it is known.
fn simulate(args: &SimulateArgs) -> Result<(), Failure> {
    let options = PlantOptions {
        seed: args.seed,
        seconds: (args.hours * 3_600.0) as usize,
        pause_s: args.pause,
        reshard_s: args.reshard,
        slo_s: args.slo as f64 / 1_000.0,
        counted: args.limits,
        ..PlantOptions::default()
    };
    let all = contenders(&options);
    let policies = chosen(&args.policies, all.iter().collect(), |contender: &&Contender| contender.name, "policy")?;
    let traces = chosen(&args.traces, Trace::ALL.to_vec(), |trace| trace.name(), "trace")?;
    let mut reports = Vec::new();
    if !args.json {
        say("policy          trace                violated %   cost  steps  settled (steps, s)  largest  refused");
    }
    for contender in policies {
        for trace in &traces {
            let report = simulate_one(*trace, contender, &options);
            if !args.json {
                say(&line(&report));
            }
            reports.push(report);
        }
    }
    if args.json {
        say(&serde_json::to_string(&reports)?);
    }
    Ok(())
}

/// Those that were named, or all.
fn chosen<T>(names: &[String], all: Vec<T>, name: impl Fn(&T) -> &'static str, what: &str) -> Result<Vec<T>, Failure> {
    let known: Vec<&str> = all.iter().map(&name).collect();
    if let Some(unknown) = names.iter().find(|wanted| !known.contains(&wanted.as_str())) {
        return Err(format!("there is no {what} {unknown:?}; there are: {}", known.join(", ")).into());
    }
    Ok(all.into_iter().filter(|one| names.is_empty() || names.iter().any(|wanted| wanted == name(one))).collect())
}

fn line(report: &Report) -> String {
    let settled = report.settled_steps.zip(report.settled_s).map(|(steps, seconds)| format!("{steps}, {seconds}"));
    let refused: Vec<&str> = report.refused.iter().map(|cause| cause.name()).collect();
    format!(
        "{:<15} {:<20} {:>10.3}  {:>5}  {:>5}  {:>18}  {:>7}  {}",
        report.policy,
        report.trace,
        report.violated_pct,
        report.cost.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.2}×")),
        report.steps,
        settled.unwrap_or_else(|| "-".to_owned()),
        format!("{}/{}", report.largest.0, report.largest.1),
        refused.join(" "),
    )
}

async fn decisions(client: &ConsoleClient, limit: u32, as_json: bool) -> Result<(), Failure> {
    let answer: Value = client.get("/api/sizes").await?;
    let found = answer["decisions"].as_array().cloned().unwrap_or_default();
    for decision in found.iter().take(limit as usize) {
        if as_json {
            say(&decision.to_string());
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        say(&format!(
            "{} {} {} [{}] {} → {}: {}",
            decision["id"],
            text(&decision["subject"]),
            text(&decision["rule"]),
            text(&decision["state"]),
            decision["account"]["formula"].as_str().unwrap_or_default(),
            decision["steps"],
            decision["account"]["reason"].as_str().unwrap_or_default(),
        ));
    }
    Ok(())
}

async fn policy(
    client: &ConsoleClient,
    subject: Option<&str>,
    set: Option<std::path::PathBuf>,
    remove: bool,
) -> Result<(), Failure> {
    let Some(subject) = subject else {
        let answer: Value = client.get("/api/sizes").await?;
        for kept in answer["policies"].as_array().into_iter().flatten() {
            say(&kept.to_string());
        }
        return Ok(());
    };
    if remove {
        client.post::<Value>("/api/sizes/policy", &json!({ "subject": subject })).await?;
        return Ok(());
    }
    let document = match set {
        None => json!({}),
        Some(path) => {
            let shown = path.display();
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
            serde_json::from_str(&text).map_err(|error| format!("{shown}: {error}"))?
        }
    };
    client.post::<Value>("/api/sizes/policy", &json!({ "subject": subject, "policy": document })).await?;
    Ok(())
}
