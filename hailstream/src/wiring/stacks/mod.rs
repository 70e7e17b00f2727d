//! Stacks: what a stack file declares, compared with what there is, and made so.
//!
//! *Laws.* A plan changes nothing. Making a stack so twice changes nothing the second time. What a stack does not declare
//! stays as it is. Everything is checked before anything is changed.

mod alarms;
mod applications;
mod dashboards;
mod indices;
mod policies;
mod streams;

use super::{Parts, Scaling};
use crate::stack::{ApplicationDecl, IndexDecl, StackFiles, StreamDecl};
use control::Configuration;
use control::alarms::Alarm;
use control::scaling::KeptPolicy;
use model::{Classified, Kind};
use std::sync::Arc;

/// How far a stack is made so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is missing is made; what is there stays as somebody has set it, and runs if it should.
    Missing,
    /// What is missing is made, what differs is changed.
    All,
}

/// What becomes of one declared thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is as declared.
    Keep,
    Create,
    Update,
    Start,
    Stop,
}

impl Change {
    /// Its word for people and programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Create => "create",
            Self::Update => "update",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// One step on the way from what there is to what is declared.
#[derive(Debug)]
pub(crate) struct Step {
    /// What it is about, such as `stream trips`.
    pub(crate) subject: String,
    pub(crate) change: Change,
    /// What is done, in words; empty where nothing is.
    pub(crate) words: String,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    Nothing,
    MakeStream(StreamDecl),
    Reshard(String, u32),
    Keep(String, u32),
    MakeIndex(IndexDecl),
    AddFields(IndexDecl),
    MakeApplication(String, Box<Configuration>),
    ChangeApplication(String, Box<Configuration>),
    StartApplication(String),
    StopApplication(String),
    PutAlarm(Box<Alarm>),
    PutPolicy(Box<KeptPolicy>),
    PutDashboard(String, String),
}

/// What stacks are made of.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) parts: Arc<Parts>,
    pub(crate) scaling: Arc<Scaling>,
}

/// Why a stack cannot be made so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{subject}: {message}")]
pub(crate) struct StackFailure {
    pub(crate) kind: Kind,
    /// What it is about.
    subject: String,
    message: String,
}

impl Classified for StackFailure {
    fn kind(&self) -> Kind {
        self.kind
    }
}

impl StackFailure {
    fn new(subject: &str, kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, subject: subject.to_owned(), message: message.into() }
    }

    fn of(subject: &str, error: &(impl Classified + std::fmt::Display)) -> Self {
        // What failed may say itself what it is about.
        let told = error.to_string();
        let message = told.strip_prefix(subject).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&told);
        Self::new(subject, error.kind(), message)
    }
}

impl Step {
    fn keep(subject: String) -> Self {
        Self { subject, change: Change::Keep, words: String::new(), doing: Doing::Nothing }
    }

    fn new(subject: &str, change: Change, words: impl Into<String>, doing: Doing) -> Self {
        Self { subject: subject.to_owned(), change, words: words.into(), doing }
    }
}

/// The steps to a stack, in the order in which they are taken: streams and indices before the applications that use them.
///
/// # Errors
/// When something that is declared is wrong, or contradicts what there is.
pub(crate) fn plan(ground: &Ground, files: &StackFiles, extent: Extent) -> Result<Vec<Step>, StackFailure> {
    let (parts, mut steps) = (&*ground.parts, Vec::new());
    for declared in &files.stack.streams {
        streams::plan(parts, declared, extent, &mut steps)?;
    }
    for declared in &files.stack.indices {
        indices::plan(parts, declared, &mut steps)?;
    }
    for declared in &files.stack.applications {
        applications::plan(parts, declared, script(files, declared), extent, &mut steps)?;
    }
    for declared in &files.stack.alarms {
        alarms::plan(parts, &files.stack, declared, extent, &mut steps)?;
    }
    for declared in &files.stack.scaling {
        policies::plan(&ground.scaling, declared, extent, &mut steps)?;
    }
    for declared in &files.stack.dashboards {
        dashboards::plan(parts, files, declared, extent, &mut steps)?;
    }
    Ok(steps)
}

fn script<'a>(files: &'a StackFiles, declared: &ApplicationDecl) -> &'a str {
    files.files.get(&declared.script).map_or("", String::as_str)
}

/// Takes one step; what it does is durable when this returns.
///
/// # Errors
/// When it cannot be taken; what was done before stays done.
pub(crate) async fn take(ground: &Ground, step: &Step) -> Result<(), StackFailure> {
    let parts = &ground.parts;
    match &step.doing {
        Doing::Nothing => Ok(()),
        Doing::MakeStream(declared) => streams::make(parts, &step.subject, declared).await,
        Doing::Reshard(name, shards) => streams::reshard(parts, &step.subject, name, *shards).await,
        Doing::Keep(name, hours) => streams::keep(parts, &step.subject, name, *hours).await,
        Doing::MakeIndex(declared) => indices::make(parts, &step.subject, declared),
        Doing::AddFields(declared) => indices::add_fields(parts, &step.subject, declared),
        Doing::MakeApplication(name, configuration) => {
            applications::make(parts, &step.subject, name, (**configuration).clone())
        }
        Doing::ChangeApplication(name, configuration) => {
            applications::change(parts, &step.subject, name, (**configuration).clone()).await
        }
        Doing::StartApplication(name) => applications::start(parts, &step.subject, name).await,
        Doing::StopApplication(name) => applications::stop(parts, &step.subject, name).await,
        Doing::PutAlarm(alarm) => alarms::put(parts, &step.subject, (**alarm).clone()),
        Doing::PutPolicy(policy) => policies::put(&ground.scaling, &step.subject, (**policy).clone()),
        Doing::PutDashboard(name, body) => dashboards::put(parts, &step.subject, name, body),
    }
}
