//! The taxi script from payload blocks in memory into a keyed sink: events per second and core, and decoding alone.
//!
//! Prints one JSON line for each figure. `--quick` runs small. `--events N` makes as many, `--trips FILE` reads
//! trips (NDJSON) instead of making them.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a program that prints its figures")]

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use bytes::Bytes;
use engine::plan::{JobPlan, TableDef};
use engine::port::{
    Connectors, Cursor, PayloadBlock, PortError, Role, Sink, SinkBatch, SinkSpec, Source, SplitId, SplitInfo,
    SplitRead, SplitReader, Waker,
};
use engine::run::decode::{JsonDecoder, JsonOptions, TimestampFormat};
use engine::run::{Job, JobOptions};
use engine::sql::{Planned, Script, Session};
use engine::types::{DataType, Field};
use model::{Env, Position};
use rustc_hash::FxHashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Splits, as shards of a stream.
const SPLITS: usize = 8;
/// Bytes of one block, as the log of a shard hands it out.
const BLOCK_BYTES: usize = 1024 * 1024;

const SCRIPT: &str = "
CREATE TABLE trips (
  `type` STRING, trip_id BIGINT, pickup_datetime TIMESTAMP_LTZ(3), dropoff_datetime TIMESTAMP_LTZ(3),
  pickup_latitude DOUBLE, pickup_longitude DOUBLE, dropoff_latitude DOUBLE, dropoff_longitude DOUBLE,
  WATERMARK FOR dropoff_datetime AS dropoff_datetime - INTERVAL '1' SECOND
) WITH ('connector'='memory','format'='json','json.timestamp-format.standard'='ISO-8601');
CREATE TABLE pickup_count (location STRING, pickup_count BIGINT, ts TIMESTAMP_LTZ(3)) WITH ('connector'='count');
CREATE TABLE trip_duration (location STRING, airport_code STRING, trip_count BIGINT, sum_trip_duration BIGINT,
  ts TIMESTAMP_LTZ(3)) WITH ('connector'='count');
CREATE TEMPORARY VIEW nyc AS SELECT * FROM trips
  WHERE `type` = 'trip' AND pickup_latitude BETWEEN 40.560 AND 40.878 AND pickup_longitude BETWEEN -74.054 AND -73.722
    AND dropoff_latitude BETWEEN 40.560 AND 40.878 AND dropoff_longitude BETWEEN -74.054 AND -73.722;
CREATE TEMPORARY VIEW cells AS SELECT GEOHASH(pickup_latitude, pickup_longitude, 7) AS cell, dropoff_datetime FROM nyc;
CREATE TEMPORARY VIEW air AS SELECT GEOHASH(pickup_latitude, pickup_longitude, 6) AS cell, dropoff_datetime,
  CASE WHEN dropoff_latitude BETWEEN 40.632 AND 40.654 AND dropoff_longitude BETWEEN -73.800 AND -73.761 THEN 'JFK'
       WHEN dropoff_latitude BETWEEN 40.766 AND 40.778 AND dropoff_longitude BETWEEN -73.881 AND -73.859 THEN 'LGA' END
    AS airport_code,
  TIMESTAMPDIFF(MINUTE, pickup_datetime, dropoff_datetime) AS minutes
  FROM nyc;
EXECUTE STATEMENT SET BEGIN
INSERT INTO pickup_count SELECT cell, COUNT(*), window_end
  FROM TABLE(TUMBLE(TABLE cells, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, cell;
INSERT INTO trip_duration SELECT cell, airport_code, COUNT(*), SUM(CAST(minutes AS BIGINT)), window_end
  FROM TABLE(TUMBLE(TABLE air, DESCRIPTOR(dropoff_datetime), INTERVAL '1' HOUR)) WHERE airport_code IS NOT NULL
  GROUP BY window_start, window_end, cell, airport_code HAVING COUNT(*) > 1;
END;";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let quick = args.iter().any(|a| a == "--quick" || a == "--test");
    let trips = args.iter().position(|a| a == "--trips").and_then(|at| args.get(at + 1));
    let wanted = args.iter().position(|a| a == "--events").and_then(|at| args.get(at + 1)).map(|n| n.parse().unwrap());
    let events = wanted.unwrap_or(if quick { 20_000 } else { 600_000 });
    let lines: Vec<String> = match trips {
        Some(path) => std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect(),
        None => (0..events).map(trip).collect(),
    };
    let events = lines.len() as u64;
    let bytes: u64 = lines.iter().map(|l| l.len() as u64).sum();
    let blocks = Arc::new(blocks(&lines));
    drop(lines);
    let runs = if quick { 1 } else { 5 };
    decode_alone(&blocks, events, bytes, runs);
    for parallelism in [1, 2] {
        whole(&blocks, events, parallelism, runs);
    }
    scaling(&blocks, events, runs);
}

/// A trip of about 460 bytes; event time grows by 0.29 s, which makes 12,400 trips an hour.
fn trip(i: u64) -> String {
    let mut state = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B;
    let mut random = || {
        state ^= state >> 30;
        state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state ^= state >> 27;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut near = |middle: f64, spread: f64| middle + (random() + random() + random() - 1.5) * spread;
    let (from, to) = ((near(40.75, 0.035), near(-73.975, 0.03)), (near(40.752, 0.045), near(-73.97, 0.045)));
    let minutes = near(14.0, 8.0).abs() + 1.0;
    let dropoff_ms = 1_452_038_400_000 + i as i64 * 290;
    let pickup_ms = dropoff_ms - (minutes * 60_000.0) as i64;
    let to = match i % 40 {
        0 => (40.643, -73.782),
        1 => (40.773, -73.871),
        _ => to,
    };
    let shown = |ms: i64| chrono::DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let mut line = String::with_capacity(512);
    let _ = write!(
        line,
        "{{\"type\":\"trip\",\"trip_id\":{i},\"vendor_id\":\"2\",\"pickup_datetime\":\"{}\",\"dropoff_datetime\":\"{}\",\
         \"passenger_count\":1,\"trip_distance\":{:.2},\"pickup_latitude\":{:.6},\"pickup_longitude\":{:.6},\
         \"dropoff_latitude\":{:.6},\"dropoff_longitude\":{:.6},\"rate_code_id\":1,\"store_and_fwd_flag\":\"N\",\
         \"payment_type\":\"2\",\"fare_amount\":{:.1},\"extra\":0.5,\"mta_tax\":0.5,\"tip_amount\":0.0,\
         \"tolls_amount\":0.0,\"improvement_surcharge\":0.3,\"total_amount\":{:.1}}}",
        shown(pickup_ms),
        shown(dropoff_ms),
        minutes / 4.0,
        from.0,
        from.1,
        to.0,
        to.1,
        minutes,
        minutes + 1.3,
    );
    line
}

/// For each split its blocks.
fn blocks(lines: &[String]) -> Vec<Vec<PayloadBlock>> {
    (0..SPLITS)
        .map(|split| {
            let mut blocks = Vec::new();
            let (mut data, mut rows, mut first) = (Vec::new(), Vec::new(), 0_u64);
            let mut cut = |data: &mut Vec<u8>, rows: &mut Vec<std::ops::Range<u32>>| {
                let next = first + rows.len() as u64;
                let (data, rows) = (Bytes::from(std::mem::take(data)), std::mem::take(rows));
                blocks.push(PayloadBlock { data, rows, first: Position(first), next: Position(next).into() });
                first = next;
            };
            for line in lines.iter().enumerate().filter(|(i, _)| (i * 7) % SPLITS == split).map(|(_, l)| l) {
                // What a record's head takes in the log.
                data.extend_from_slice(&[0; 32]);
                let start = data.len() as u32;
                data.extend_from_slice(line.as_bytes());
                rows.push(start..data.len() as u32);
                if data.len() >= BLOCK_BYTES {
                    cut(&mut data, &mut rows);
                }
            }
            if !rows.is_empty() {
                cut(&mut data, &mut rows);
            }
            blocks
        })
        .collect()
}

/// The columns that the script uses.
fn fields() -> [Field; 8] {
    let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
    let (time, double) = (DataType::TimestampLtz(3), DataType::Double);
    [
        field("type", DataType::STRING),
        field("trip_id", DataType::BigInt),
        field("pickup_datetime", time),
        field("dropoff_datetime", time),
        field("pickup_latitude", double),
        field("pickup_longitude", double),
        field("dropoff_latitude", double),
        field("dropoff_longitude", double),
    ]
}

fn json_options() -> JsonOptions {
    JsonOptions { timestamp_format: TimestampFormat::Iso8601, ..JsonOptions::default() }
}

fn decode_alone(blocks: &Arc<Vec<Vec<PayloadBlock>>>, events: u64, bytes: u64, runs: usize) {
    let env = Env::system();
    let mut rates = Vec::new();
    for _ in 0..runs {
        let mut decoder = JsonDecoder::new(&fields(), json_options());
        let (start, mut rows) = (env.monotonic_ns(), 0);
        for block in blocks.iter().flatten() {
            let batch = decoder.decode(block, 0..block.rows.len(), &mut |row, why| panic!("{row}: {why}")).unwrap();
            rows += batch.num_rows() as u64;
        }
        assert_eq!(rows, events);
        rates.push(events as f64 * 1e9 / (env.monotonic_ns() - start) as f64);
    }
    let (median, least, most) = spread(&mut rates);
    let megabytes = median * bytes as f64 / events as f64 / 1e6;
    println!(
        "{{\"bench\":\"engine_decode\",\"events\":{events},\"events_per_s_per_core\":{median:.0},\"min\":{least:.0},\
         \"max\":{most:.0},\"mb_per_s\":{megabytes:.0}}}"
    );
}

fn whole(blocks: &Arc<Vec<Vec<PayloadBlock>>>, events: u64, parallelism: u32, runs: usize) {
    let env = Env::system();
    let (mut rates, mut per_cpu_s) = (Vec::new(), Vec::new());
    let mut documents = 0;
    for _ in 0..runs {
        let cpu = cpu_ms();
        let (took, made) = run(blocks, events, parallelism, &env);
        documents = made;
        rates.push(events as f64 * 1e9 / took as f64);
        per_cpu_s.push(events as f64 * 1e3 / (cpu_ms() - cpu).max(1) as f64);
    }
    let (rate, least, most) = spread(&mut rates);
    let (per_cpu_s, ..) = spread(&mut per_cpu_s);
    let per_core = rate / f64::from(parallelism);
    println!(
        "{{\"bench\":\"engine_taxi\",\"parallelism\":{parallelism},\"events\":{events},\"documents\":{documents},\
         \"events_per_s\":{rate:.0},\"min\":{least:.0},\"max\":{most:.0},\"events_per_s_per_core\":{per_core:.0},\
         \"events_per_cpu_s\":{per_cpu_s:.0}}}"
    );
}

/// Runs the job once; returns how long it took, in nanoseconds, and how many documents came out.
fn run(blocks: &Arc<Vec<Vec<PayloadBlock>>>, events: u64, parallelism: u32, env: &Env) -> (u64, u64) {
    let memory = Memory { blocks: blocks.clone(), documents: Arc::default() };
    let plan = plan(&memory);
    let options =
        JobOptions { parallelism: Some(parallelism), ..JobOptions::new("taxi", env.clone(), Arc::new(memory.clone())) };
    let start = env.monotonic_ns();
    let job = Job::start(plan, options).unwrap();
    job.wait().unwrap();
    let took = env.monotonic_ns() - start;
    assert_eq!((job.metrics().records_in, job.metrics().late), (events, 0));
    (took, memory.documents.load(Ordering::SeqCst))
}

/// P3: what a second worker is worth, as the share of twice the rate of one; beside it what a second core of this machine
/// is worth to a loop without an engine, whose threads share nothing. Each run measures one and two in turn.
fn scaling(blocks: &Arc<Vec<Vec<PayloadBlock>>>, events: u64, runs: usize) {
    let env = Env::system();
    let efficiency = |took: &dyn Fn(u32) -> u64| took(1) as f64 / (2 * took(2)) as f64;
    let (mut engine, mut machine) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        engine.push(efficiency(&|workers| run(blocks, events, workers, &env).0));
        machine.push(efficiency(&|threads| loop_alone(blocks, events, threads as usize, &env)));
    }
    for (name, runs) in [("p3_scaling_efficiency", &mut engine), ("p3_scaling_of_the_machine", &mut machine)] {
        let (median, ..) = spread(runs);
        println!(
            r#"{{"figure":"{name}","value":{median:.3},"unit":"of 2 x one","better":"higher","runs":{runs:.3?}}}"#
        );
    }
}

/// Decodes and counts by hour and place in `threads` threads, each with splits and a table of its own; returns how long
/// it took, in nanoseconds.
fn loop_alone(blocks: &Arc<Vec<Vec<PayloadBlock>>>, events: u64, threads: usize, env: &Env) -> u64 {
    let start = env.monotonic_ns();
    let counted: u64 = std::thread::scope(|scope| {
        let thread = |nth| scope.spawn(move || count_splits(blocks.iter().skip(nth).step_by(threads)));
        let running: Vec<_> = (0..threads).map(thread).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(counted, events);
    env.monotonic_ns() - start
}

fn count_splits<'a>(splits: impl Iterator<Item = &'a Vec<PayloadBlock>>) -> u64 {
    let mut counts: FxHashMap<(i64, i64, i64), u64> = FxHashMap::default();
    let mut decoder = JsonDecoder::new(&fields(), json_options());
    for block in splits.flatten() {
        let batch = decoder.decode(block, 0..block.rows.len(), &mut |row, why| panic!("{row}: {why}")).unwrap();
        let times = batch.column(3).as_primitive::<TimestampMillisecondType>().values();
        let lats = batch.column(4).as_primitive::<Float64Type>().values();
        let lons = batch.column(5).as_primitive::<Float64Type>().values();
        for (time, (lat, lon)) in times.iter().zip(lats.iter().zip(lons)) {
            *counts.entry((time / 3_600_000, (lat * 700.0) as i64, (lon * 700.0) as i64)).or_default() += 1;
        }
    }
    counts.values().sum()
}

fn spread(rates: &mut [f64]) -> (f64, f64, f64) {
    rates.sort_by(f64::total_cmp);
    (rates[rates.len() / 2], rates[0], rates[rates.len() - 1])
}

/// Processor time of this process, in milliseconds, where the system tells it.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}

fn plan(memory: &Memory) -> JobPlan {
    let script = Script::parse(SCRIPT).unwrap();
    let planned = Session::new().plan(&script, memory).unwrap();
    let job = planned.into_iter().find_map(|p| match p {
        Planned::Job { plan, .. } => Some(plan),
        _ => None,
    });
    job.unwrap()
}

/// Blocks in memory, and documents counted.
#[derive(Clone)]
struct Memory {
    blocks: Arc<Vec<Vec<PayloadBlock>>>,
    documents: Arc<AtomicU64>,
}

impl Connectors for Memory {
    fn check(&self, _: &TableDef, _: Role) -> Result<(), PortError> {
        Ok(())
    }

    fn source(&self, _: &TableDef) -> Result<Arc<dyn Source>, PortError> {
        Ok(Arc::new(self.clone()))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>, PortError> {
        Ok(Box::new(Counting(self.documents.clone())))
    }
}

impl Source for Memory {
    fn splits(&self) -> Result<Vec<SplitInfo>, PortError> {
        let info = |id: usize| SplitInfo {
            id: SplitId(id as u32),
            name: format!("shard-{id}"),
            parents: Vec::new(),
            start: Position::ZERO.into(),
        };
        Ok((0..SPLITS).map(info).collect())
    }

    fn open(&self, split: SplitId, _: Cursor) -> Result<Box<dyn SplitReader>, PortError> {
        Ok(Box::new(Reader { blocks: self.blocks.clone(), split: split.0 as usize, next: 0 }))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn subscribe(&self, _: Waker) -> Box<dyn Send> {
        Box::new(())
    }
}

struct Reader {
    blocks: Arc<Vec<Vec<PayloadBlock>>>,
    split: usize,
    next: usize,
}

impl SplitReader for Reader {
    fn read(&mut self, _: usize) -> Result<SplitRead, PortError> {
        let block = self.blocks[self.split].get(self.next).cloned();
        self.next += 1;
        Ok(block.map_or(SplitRead::End, SplitRead::Payloads))
    }

    fn millis_behind_latest(&self) -> Option<u64> {
        Some(0)
    }
}

struct Counting(Arc<AtomicU64>);

impl Sink for Counting {
    fn write(&mut self, batch: &SinkBatch) -> Result<(), PortError> {
        assert!(batch.ids.as_ref().is_some_and(|ids| ids.len() == batch.rows.num_rows()));
        self.0.fetch_add(batch.rows.num_rows() as u64, Ordering::SeqCst);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
