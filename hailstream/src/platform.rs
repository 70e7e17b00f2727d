//! One platform on one data directory: everything opened in order, served, and closed in the opposite order.

use crate::audit::{self, AuditError, AuditLog};
use crate::auth::{self, Attempts, CredentialsError, KeyRing, guarded, ruled};
use crate::doors::{Addresses, DoorError, DoorName, Doors, reached_from};
use crate::replaying::{History, Replaying, ReplayingError};
use crate::settings::{DurabilityArg, Settings, SettingsError};
use crate::stack::StackFiles;
use crate::telemetry::Sender;
use crate::trouble::Trouble;
use crate::wiring::stacks::{self, Extent, Ground, StackFailure};
use crate::wiring::{
    CodePlace, ConsolePlatform, Control, EmbeddedRunner, Parts, PlatformConnectors, PolicySeat, Runners, Scaling,
};
use crate::wiring::{StatePlace, WatchError, beside_streams, help};
use axum::Router;
use connect::BucketFiles;
use control::{Applications, ControlError, Database, DatabaseError, Objects, Options, ProgramError, Programs};
use engine::port::PortError;
use engine::run::StateMemory;
use flink::FlinkRunner;
use index::{Index, IndexConfig};
use model::Env;
use replay::Speed;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Durability, Limits, Store, StoreConfig};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often readings are taken and the replay's position is written down.
const TICK: Duration = Duration::from_secs(1);

/// A running platform.
pub(crate) struct Platform {
    pub(crate) addresses: Addresses,
    parts: Arc<Parts>,
    index: Index,
    ended: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why the platform did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlatformError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("checkpoints cannot be kept: {0}; name another place with --checkpoint-dir")]
    State(#[from] PortError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error(transparent)]
    Index(#[from] index::OpenError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Runner(#[from] control::RunnerError),
    #[error("programs cannot be kept: {0}")]
    Programs(#[from] ProgramError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Replay(#[from] ReplayingError),
    #[error("the stack cannot be made: {0}")]
    Stack(#[from] StackFailure),
    #[error("the addresses cannot be written to {path}: {source}")]
    Addresses { path: PathBuf, source: std::io::Error },
    #[error("no client for a collector of metrics can be made: {0}")]
    Telemetry(std::io::Error),
    #[error("a listener does not tell its address: {0}")]
    Address(std::io::Error),
}

/// What shall run on a platform beside its doors.
pub(crate) struct Work {
    pub(crate) files: StackFiles,
    pub(crate) history: History,
    pub(crate) speed: Speed,
}

impl Platform {
    /// Opens everything: first what can be in somebody's way (directory, ports), then what takes time.
    pub(crate) async fn open(settings: &Settings, env: Env, work: Option<Work>) -> Result<Self, PlatformError> {
        settings.prepare_data_dir()?;
        let keys = settings.credentials.as_deref().map(|path| KeyRing::open(path, env.clone())).transpose()?;
        let keys = keys.map(Arc::new);
        let state = StatePlace::open(&settings.state, Handle::current())?;
        state.check().await?;
        let doors = Doors::open(settings, &env).await?;
        let addresses = doors.addresses().map_err(PlatformError::Address)?;
        let (store, index) = open_stages(settings, &env)?;
        // The store has made sure by now that no other process uses the directory.
        let audit = Arc::new(AuditLog::open(&settings.data_dir.join(audit::FOLDER), env.clone())?);
        let (runtime, files) = (Handle::current(), BucketFiles::new(settings.files.clone(), Handle::current()));
        let connectors = PlatformConnectors::new(store.clone(), index.clone(), runtime, Path::new("."), env.clone())
            .with_buckets(files);
        let connectors = Arc::new(connectors);
        let runner = EmbeddedRunner::new(connectors, store.clone(), Handle::current(), env.clone(), state);
        let pace = settings.kpu_records_per_s.filter(|records| *records > 0);
        let runner = runner.with_state_memory(state_memory(settings)?).with_records_per_kpu_s(pace);
        let (dir, database) = open_database(settings)?;
        let programs = open_programs(settings, &env)?;
        let flink = flink_runner(settings, &addresses, (&database, &programs), &env)?;
        let runner = Arc::new(Runners::new(runner, flink));
        let options = Options { kpus_max: settings.kpus_max, ..Options::default() };
        let applications = {
            let (database, env) = (database.clone(), env.clone());
            // What was under way may have to ask for state, which may stand in a bucket.
            apart(move || Applications::open(database, &dir, env, runner, options)).await?
        };
        let applications = Arc::new(applications);
        applications.keep_programs(programs);
        let policies = PolicySeat::default();
        let actions = (settings.alarm_actions.clone(), policies.clone());
        let control = Control::open(&settings.data_dir, env.clone(), database.clone(), actions, Handle::current())?;
        let stages = (store.clone(), index.clone(), control);
        let parts = Arc::new(Parts::new(env, stages, applications, Handle::current()));
        let timeline = parts.control().timeline().clone();
        let scaling = Arc::new(Scaling::open(parts.clone(), database, timeline)?);
        // Alarms that fired before now found none, and said so.
        policies.get_or_init(|| scaling.clone());
        if let Some(work) = work {
            let ground = Ground { parts: parts.clone(), scaling: scaling.clone() };
            begin(work, &settings.data_dir, &ground).await?;
        }
        let (ended, watching) = watch::channel(false);
        let services: Vec<Arc<dyn control::aws::Service>> =
            vec![analytics(&parts, &addresses), scaling.service(), parts.control().service()?];
        let services = control::aws::Door::new(services, parts.env().clone());
        let attempts = Arc::new(Attempts::new(parts.env().clone()));
        let hosts = settings.console_hosts.clone();
        let guards = (keys.clone(), attempts.clone());
        let console = console_router(&parts, &scaling, hosts, watching.clone(), guards, &audit);
        let aws = ruled(beside_streams(store::kinesis::router(store), services), DoorName::Aws, &audit);
        let search = ruled(index::elastic::router(index.clone()), DoorName::Search, &audit);
        let (aws, search) = (guarded(aws, keys.clone()), auth::asked(search, keys, attempts));
        let [aws, search, console] = [(aws, DoorName::Aws), (search, DoorName::Search), (console, DoorName::Console)]
            .map(|(door, name)| reached_from(door, name, &settings.reach));
        let mut tasks = doors.serve(aws, search, console, &watching);
        tasks.push(tokio::spawn(each_second(parts.clone(), scaling, watching.clone())));
        tasks.extend(send_metrics(settings, &parts, watching)?);
        announce(settings, &addresses)?;
        Ok(Self { addresses, parts, index, ended, tasks })
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    /// Ends everything in order: no more puts, results durable, doors closed, stages closed.
    pub(crate) async fn close(self) -> Result<(), PlatformError> {
        let parts = self.parts.clone();
        let stopped = tokio::task::spawn_blocking(move || parts.stop_work()).await;
        self.ended.send_replace(true);
        for mut task in self.tasks {
            // A client that keeps its connection open is not waited for.
            if tokio::time::timeout(Duration::from_secs(2), &mut task).await.is_err() {
                task.abort();
            }
        }
        self.parts.store().shutdown().await;
        if let Err(error) = self.parts.sync_metrics() {
            tracing::error!(%error, "the last seconds of metrics may be lost");
        }
        if let Err(error) = self.parts.control().settle() {
            tracing::error!(%error, "the database could not be brought into one file; the next start reads what is beside it");
        }
        let index = self.index;
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || index.shutdown()).await {
            tracing::error!(%error, "the index's log could not be cleared; the next start reads it");
        }
        stopped.unwrap_or(Ok(()))
    }
}

/// The runner on the Flink cluster of the settings, where they name one.
fn flink_runner(
    settings: &Settings,
    addresses: &Addresses,
    (database, programs): (&Arc<Database>, &Arc<Programs>),
    env: &Env,
) -> Result<Option<FlinkRunner>, PlatformError> {
    let options = settings.flink.options(Some((&addresses.aws, &addresses.search))).map_err(SettingsError::from)?;
    let Some(options) = options else { return Ok(None) };
    Ok(Some(FlinkRunner::open(options, database.clone(), programs.clone(), env.clone(), Handle::current())?))
}

/// Kinesis Analytics V2 over the platform's applications.
fn analytics(parts: &Parts, addresses: &Addresses) -> Arc<dyn control::aws::Service> {
    let place = control::aws::analytics::Place {
        account: store::kinesis::DEFAULT_ACCOUNT.to_owned(),
        region: store::kinesis::DEFAULT_REGION.to_owned(),
        console: addresses.console.clone(),
    };
    Arc::new(control::aws::analytics::Analytics::new(parts.applications().clone(), place))
}

fn open_stages(settings: &Settings, env: &Env) -> Result<(Store, Index), PlatformError> {
    let limits = if settings.unlimited { Limits::Unlimited } else { Limits::Enforced };
    let durability = match settings.durability {
        DurabilityArg::Fsync => Durability::Fsync,
        DurabilityArg::Os => Durability::Os,
    };
    let store = StoreConfig {
        limits,
        durability,
        limits_speedup: settings.limits_speedup,
        ..StoreConfig::new(settings.data_dir.join("stream"), env.clone())
    };
    let store = Store::open(store)?;
    let index = Index::open(IndexConfig::new(settings.data_dir.join("index"), env.clone()))?;
    Ok((store, index))
}

/// The bound of the memory that applications' state takes, and the folder of what is past it.
fn state_memory(settings: &Settings) -> Result<StateMemory, SettingsError> {
    let spill_dir = settings.data_dir.join("spill");
    std::fs::create_dir_all(&spill_dir).map_err(|source| SettingsError::DataDir { path: spill_dir.clone(), source })?;
    Ok(StateMemory { bytes_per_kpu: u64::from(settings.kpu_memory_mib) << 20, spill_dir })
}

/// The database of what is controlled, and its folder.
fn open_database(settings: &Settings) -> Result<(PathBuf, Arc<Database>), PlatformError> {
    let dir = settings.data_dir.join("control");
    let failed = |source| SettingsError::DataDir { path: dir.clone(), source };
    std::fs::create_dir_all(&dir).map_err(failed)?;
    let database = Database::open(&dir.join(control::DATABASE_FILE))?;
    Ok((dir, Arc::new(database)))
}

/// The bytes of programs, and where those come from that are named by their place.
fn open_programs(settings: &Settings, env: &Env) -> Result<Arc<Programs>, PlatformError> {
    let objects =
        settings.code.as_ref().map(|code| -> Arc<dyn Objects> { Arc::new(CodePlace::of(code, Handle::current())) });
    Ok(Arc::new(Programs::open(settings.data_dir.join("programs"), env.clone(), objects)?))
}

/// Does what may wait on a thread that may be held up.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody breaks it off, so it has panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Makes of the stack what does not exist, starts what was not stopped by someone, and replays.
async fn begin(work: Work, data_dir: &Path, ground: &Ground) -> Result<(), PlatformError> {
    let parts = &ground.parts;
    for step in stacks::plan(ground, &work.files, Extent::Missing)? {
        stacks::take(ground, &step).await?;
    }
    let stream = work.files.stack.streams.first().map(|s| s.name.clone()).unwrap_or_default();
    let place = (parts.store().clone(), stream, Handle::current());
    let replaying = Replaying::open(data_dir, parts.env().clone(), place, work.history, work.speed)?;
    if !replaying.was_stopped() {
        replaying.start()?;
    }
    parts.replay_with(replaying);
    Ok(())
}

/// Takes a reading and writes down the replay's position, once a second until the end.
async fn each_second(parts: Arc<Parts>, scaling: Arc<Scaling>, mut ended: watch::Receiver<bool>) {
    let mut measured = Trouble::of("what was measured, or what alarms say of it, could not be written down");
    let mut decided = Trouble::of("a scaling decision could not be kept, and is not acted upon");
    let mut replayed = Trouble::of("the replay's position could not be written down");
    // By the clock and not after the work: a value stands for one second, so there have to be sixty in a minute.
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = ended.wait_for(|ended| *ended) => return,
        }
        let (parts, scaling) = (parts.clone(), scaling.clone());
        let work = move || {
            let second = parts.observe();
            (parts.control().watch(&parts, &second), scaling.look(&second), parts.save_replay())
        };
        if let Ok((observed, looked, saved)) = tokio::task::spawn_blocking(work).await {
            measured.note(observed);
            decided.note(looked);
            replayed.note(saved);
        }
    }
}

/// Sends what is measured to a collector, where the settings name one.
fn send_metrics(
    settings: &Settings,
    parts: &Arc<Parts>,
    ended: watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>, PlatformError> {
    let Some(otlp) = settings.otlp.clone() else { return Ok(None) };
    let sender = Sender::new(parts.env().clone(), otlp, &settings.data_dir).map_err(PlatformError::Telemetry)?;
    parts.tell_of_messages(sender.counts());
    let parts = parts.clone();
    Ok(Some(tokio::spawn(sender.run(move || parts.samples(), help, ended))))
}

/// The console behind its guards: of hosts and origins first, then of people.
fn console_router(
    parts: &Arc<Parts>,
    scaling: &Arc<Scaling>,
    hosts: Vec<String>,
    ended: watch::Receiver<bool>,
    (keys, attempts): (Option<Arc<KeyRing>>, Arc<Attempts>),
    audit: &Arc<AuditLog>,
) -> Router {
    let options = console::Options { closing: Some(ended), hosts, ..console::Options::new(parts.env().clone()) };
    let platform = Arc::new(ConsolePlatform::new(parts.clone(), scaling.clone(), audit.clone()));
    console::router_behind(platform, options, |routes| auth::console_door(routes, keys, attempts, audit))
}

/// Writes the addresses for programs that wait for them: as a whole, so that none reads half a file.
fn announce(settings: &Settings, addresses: &Addresses) -> Result<(), PlatformError> {
    let Some(path) = &settings.addresses_file else { return Ok(()) };
    let failed = |source| PlatformError::Addresses { path: path.clone(), source };
    let next = path.with_extension("next");
    let text = serde_json::to_string(addresses).map_err(|e| failed(e.into()))?;
    std::fs::write(&next, text).and_then(|()| std::fs::rename(&next, path)).map_err(failed)
}
