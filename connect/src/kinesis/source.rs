//! A table that is read: each shard of its stream is a split, numbered as its name says.

use super::client::{Failure, KinesisClient, about};
use super::fan_out;
use super::options::{Reading, SourceOptions, Start, StreamName};
use super::pauses::Pauses;
use super::place::Place;
use super::shapes::{ChildShard, ListedShard, ShardList, shard_number};
use super::shard::ShardReader;
use engine::port::{Cursor, PortError, Source, SplitId, SplitInfo, SplitReader, Waker, Wakers};
use model::{Env, Kind, Position};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long a service that does not answer is asked before a table cannot be opened.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most shards of one stream: so many pages of a thousand are read.
const PAGES_MAX: usize = 200;

/// How the readers' tasks fetch.
#[derive(Clone)]
pub(super) enum Feeding {
    /// They ask.
    Polling { records_max: u64, interval: Duration },
    /// They subscribe for the consumer of this ARN.
    FanOut(String),
}

/// What the source and its readers share.
pub(super) struct Shared {
    /// How messages begin.
    pub(super) place: String,
    pub(super) stream: StreamName,
    pub(super) client: KinesisClient,
    pub(super) feeding: Feeding,
    pub(super) wakers: Arc<Wakers>,
    pub(super) runtime: Handle,
    pub(super) env: Env,
    known: Mutex<Known>,
}

/// The shards that were found.
struct Known {
    shards: BTreeMap<u32, Shard>,
    /// Where a first read of the shards begins that were found first; later ones are read whole.
    start: Place,
    listed: bool,
    /// The splits that the job's state knows; `None` where it begins anew.
    gone_on: Option<BTreeSet<SplitId>>,
}

#[derive(Clone)]
struct Shard {
    name: String,
    parents: Vec<u32>,
    start: Place,
    /// A list has shown it; before that its parent's end has told of it.
    listed: bool,
}

impl Shared {
    /// Lists the shards, and takes them in.
    ///
    /// # Errors
    /// When the service does not answer, or there is no such stream.
    async fn look(&self, start: Option<Start>) -> Result<(), Failure> {
        let mut listed = Vec::new();
        let mut input = about(&self.stream, json!({ "MaxResults": 1_000 }));
        for _ in 0..PAGES_MAX {
            let answer = self.client.call::<ShardList>("ListShards", &input).await?;
            listed.extend(answer.body.shards);
            let Some(token) = answer.body.next_token else {
                let now_ms = answer.at_ms.unwrap_or_else(|| self.env.now_ms());
                let mut known = self.known.lock();
                if let Some(start) = start {
                    known.start = start.place(now_ms);
                }
                return known.take_in(listed);
            };
            input = json!({ "NextToken": token, "MaxResults": 1_000 });
        }
        Err(Failure::Refused(format!(
            "ListShards: stream {} has more than {PAGES_MAX} pages of shards",
            self.stream.name
        )))
    }

    /// Takes in what follows a shard that has been read to its end.
    ///
    /// # Errors
    /// As [`Shared::look`], where the shard did not tell what follows it.
    pub(super) async fn learn(&self, ended: &str, children: Vec<ChildShard>) -> Result<(), Failure> {
        if children.is_empty() {
            return self.look(None).await;
        }
        let ended = shard_number(ended)?;
        let mut known = self.known.lock();
        for child in children {
            let parents: Result<Vec<u32>, Failure> =
                child.parent_shards.iter().map(|name| shard_number(name)).collect();
            let parents = Some(parents?).filter(|parents| !parents.is_empty()).unwrap_or_else(|| vec![ended]);
            let shard = Shard { parents, start: Place::Oldest, listed: false, name: child.shard_id };
            known.shards.entry(shard_number(&shard.name)?).or_insert(shard);
        }
        Ok(())
    }
}

impl Known {
    fn take_in(&mut self, found: Vec<ListedShard>) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.listed, true);
        let mut shards = BTreeMap::new();
        for shard in found {
            let number = shard_number(&shard.shard_id)?;
            let before = self.shards.get(&number);
            let start = if first { self.start.clone() } else { Place::Oldest };
            let start = before.map_or(start, |before| before.start.clone());
            let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id].into_iter().flatten();
            let parents = parents.map(|name| shard_number(&name)).collect::<Result<_, _>>()?;
            shards.insert(number, Shard { name: shard.shard_id, parents, start, listed: true });
        }
        // What was listed once and is no more has expired; what was only told of comes with the next list.
        let told = self.shards.iter().filter(|(number, shard)| !shard.listed && !shards.contains_key(number));
        let told: Vec<_> = told.map(|(number, shard)| (*number, shard.clone())).collect();
        shards.extend(told);
        self.shards = shards;
        Ok(())
    }

    fn split(&self, stream: &str, number: u32, shard: &Shard) -> SplitInfo {
        let is_new = self.gone_on.as_ref().is_some_and(|known| !known.contains(&SplitId(number)));
        let start = if is_new { &Place::Oldest } else { &shard.start };
        SplitInfo {
            id: SplitId(number),
            name: format!("{stream}, {}", shard.name),
            // A parent that has expired cannot be read any more, so nothing waits for it.
            parents: shard.parents.iter().filter(|p| self.shards.contains_key(p)).map(|p| SplitId(*p)).collect(),
            start: Cursor { position: Position::ZERO, mark: Some(start.to_string().into()) },
        }
    }
}

/// A stream as a source.
pub(super) struct KinesisSource {
    shared: Arc<Shared>,
    /// Lists shards from time to time.
    discovery: JoinHandle<()>,
}

impl KinesisSource {
    /// Finds the stream, its shards, and, where records are to be pushed, the consumer.
    ///
    /// # Errors
    /// When the service is not reachable for half a minute, refuses the key, or has no such stream.
    pub(super) fn open(table: &str, options: SourceOptions, runtime: &Handle, env: &Env) -> Result<Self, PortError> {
        let place = format!("table {table}: stream {}", options.stream.name);
        let client = KinesisClient::new(&options.address, &place, env)?;
        let opened = runtime.block_on(async {
            let mut pauses = Pauses::new(place.clone(), env.clone());
            let begun_ns = env.monotonic_ns();
            loop {
                let failure = match feeding(&client, &options).await {
                    Ok(feeding) => return Ok(feeding),
                    Err(failure) => failure,
                };
                give_up(env, begun_ns, &failure, &place)?;
                pauses.wait(&failure).await;
            }
        });
        let known = Known { shards: BTreeMap::new(), start: Place::Oldest, listed: false, gone_on: None };
        let shared = Arc::new(Shared {
            place,
            stream: options.stream,
            client,
            feeding: opened?,
            wakers: Arc::default(),
            runtime: runtime.clone(),
            env: env.clone(),
            known: Mutex::new(known),
        });
        runtime.block_on(first_look(&shared, options.start))?;
        let discovery = runtime.spawn(discover(shared.clone(), options.discovery));
        Ok(Self { shared, discovery })
    }
}

/// Fails where waiting does not help, or has been tried for long enough.
fn give_up(env: &Env, begun_ns: u64, failure: &Failure, place: &str) -> Result<(), PortError> {
    let waited = Duration::from_nanos(env.monotonic_ns().saturating_sub(begun_ns));
    if failure.passes() && waited < PATIENCE { Ok(()) } else { Err(failure.error(place)) }
}

async fn feeding(client: &KinesisClient, options: &SourceOptions) -> Result<Feeding, Failure> {
    match &options.reading {
        Reading::Polling { records_max, interval } => {
            Ok(Feeding::Polling { records_max: *records_max, interval: *interval })
        }
        Reading::FanOut(consumer) => fan_out::consumer(client, &options.stream, consumer).await.map(Feeding::FanOut),
    }
}

async fn first_look(shared: &Shared, start: Start) -> Result<(), PortError> {
    let mut pauses = Pauses::new(shared.place.clone(), shared.env.clone());
    let begun_ns = shared.env.monotonic_ns();
    while let Err(failure) = shared.look(Some(start)).await {
        give_up(&shared.env, begun_ns, &failure, &shared.place)?;
        pauses.wait(&failure).await;
    }
    Ok(())
}

/// Lists shards again and again. What reads a shard to its end learns by itself what follows it; so this finds only what
/// came to be in another way.
async fn discover(shared: Arc<Shared>, interval: Duration) {
    let mut pauses = Pauses::new(shared.place.clone(), shared.env.clone());
    loop {
        tokio::time::sleep(interval).await;
        match shared.look(None).await {
            Ok(()) => pauses.over(),
            Err(failure) => pauses.wait(&failure).await,
        }
    }
}

impl Source for KinesisSource {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let known = self.shared.known.lock();
        let split = |(number, shard): (&u32, &Shard)| known.split(&self.shared.stream.name, *number, shard);
        Ok(known.shards.iter().map(split).collect())
    }

    fn open(&self, split: SplitId, from: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        let place = &self.shared.place;
        let shard = self.shared.known.lock().shards.get(&split.0).map(|shard| shard.name.clone());
        let shard = shard.ok_or_else(|| {
            PortError::new(Kind::NotFound, format!("{place}: shard number {} is not there any more", split.0))
        })?;
        let from_place = match &from.mark {
            Some(mark) => Place::parse(mark)
                .map_err(|error| PortError::new(error.kind, format!("{place}, {shard}: {}", error.message)))?,
            None => {
                let what = format!("{place}, {shard}: the job's state does not tell where it was read to");
                return Err(PortError::new(Kind::Corrupt, what));
            }
        };
        Ok(Box::new(ShardReader::open(&self.shared, &shard, from.position, from_place)))
    }

    fn goes_on(&self, known: &BTreeSet<SplitId>) {
        self.shared.known.lock().gone_on = Some(known.clone());
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn subscribe(&self, waker: Waker) -> Box<dyn Send> {
        Box::new(self.shared.wakers.add(waker))
    }
}

impl Drop for KinesisSource {
    fn drop(&mut self) {
        self.discovery.abort();
    }
}
