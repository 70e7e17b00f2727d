//! Running a search: over the chunks of each index in parallel, then the best hits and all aggregations put together.

use super::collect::{Best, Candidate};
use super::fetch;
use super::matcher::{Matcher, Scores};
use super::plan::Planner;
use super::request::{Query, SearchRequest, SortKey, SortOrder, TrackTotal};
use super::sort::{SortPlan, SortValue};
use crate::aggregate::{AggregationResult, Collectors, Partial, finish};
use crate::bitmap::Bitmap;
use crate::error::{IndexError, QueryError};
use crate::json::Value;
use crate::table::{Snapshot, View};
use model::Env;
use model::limits::RESULT_WINDOW_MAX;
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering as Atomic};

/// Rows that one thread takes on before a second one is worth starting.
const ROWS_PER_THREAD_MIN: u64 = 200_000;
/// Rows that pass through all aggregations together, small enough to stay in the nearest caches.
const BATCH_ROWS: usize = 2_048;

/// What a search runs with.
pub(crate) struct Environment<'a> {
    pub(crate) env: &'a Env,
    pub(crate) threads: usize,
    pub(crate) time_ms_max: u64,
}

/// How many hits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The number.
    pub value: u64,
    /// Whether it is exact; else there are at least so many.
    pub exact: bool,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its index.
    pub index: Arc<str>,
    /// Its id.
    pub id: String,
    /// How often it was written.
    pub version: u64,
    /// The number of the write among all of its index.
    pub sequence: u64,
    /// Its score, where scores were asked for.
    pub score: Option<f32>,
    /// What it was sorted by.
    pub sort: Vec<SortValue>,
    /// Its JSON text, or what the filter left of it.
    pub source: Option<Vec<u8>>,
    /// Column and document values that were asked for.
    pub fields: Vec<(String, Vec<Value>)>,
}

/// The answer to a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResponse {
    /// How many hits there are; `None` when they were not to be counted.
    pub total: Option<Total>,
    /// The best score among all hits, where scores were asked for and there is a hit.
    pub max_score: Option<f32>,
    /// The hits of the page.
    pub hits: Vec<Hit>,
    /// Aggregations by name.
    pub aggregations: Vec<(String, AggregationResult)>,
    /// Whether the time ran out; then what there is covers only a part of the documents.
    pub timed_out: bool,
    /// On the later pages of a scroll in the order of the index: whether the page was filled.
    pub filled: Option<bool>,
}

/// What one index contributes.
struct Part {
    best: Vec<Candidate>,
    total: u64,
    max_score: Option<f32>,
    partials: Vec<Partial>,
    plan: SortPlan,
}

/// What one thread has found.
struct Found {
    best: Best,
    total: u64,
    max_score: Option<f32>,
    collectors: Collectors,
    partials: Vec<Partial>,
}

/// The deadline of a search.
struct Clock<'a> {
    env: &'a Env,
    end_ns: u64,
    passed: AtomicBool,
}

impl Clock<'_> {
    fn is_over(&self) -> bool {
        if self.env.monotonic_ns() >= self.end_ns {
            self.passed.store(true, Atomic::Relaxed);
        }
        self.passed.load(Atomic::Relaxed)
    }
}

fn effective_sort(request: &SearchRequest) -> Vec<SortKey> {
    if request.sort.is_empty() { vec![SortKey::Score(SortOrder::Descending)] } else { request.sort.clone() }
}

/// Whether hits show scores.
fn shows_scores(request: &SearchRequest) -> bool {
    request.track_scores || request.sort.is_empty() || request.sort.iter().any(|k| matches!(k, SortKey::Score(_)))
}

/// Runs a search over the snapshots.
///
/// # Errors
/// When it does not fit the mapping of one of them, or needs too much memory.
pub(crate) fn search(
    snapshots: &[Arc<Snapshot>],
    request: &SearchRequest,
    with: &Environment<'_>,
) -> Result<SearchResponse, IndexError> {
    check(request)?;
    let time_ms = request.time_ms_max.unwrap_or(with.time_ms_max).min(with.time_ms_max);
    let clock = Clock {
        env: with.env,
        end_ns: with.env.monotonic_ns().saturating_add(time_ms.saturating_mul(1_000_000)),
        passed: AtomicBool::new(false),
    };
    let mut parts = Vec::with_capacity(snapshots.len());
    for snapshot in snapshots {
        parts.push(search_one(snapshot, request, with, &clock)?);
    }
    let total: u64 = parts.iter().map(|p| p.total).sum();
    // Where hits are sorted by something else, the best score is told only when scores are tracked on top.
    let max_of = request.sort.is_empty() || request.track_scores;
    let mut max_score =
        parts.iter().filter_map(|p| p.max_score).reduce(f32::max).filter(|_| max_of && request.size > 0);
    if snapshots.is_empty() {
        max_score = Some(0.0);
    }
    let partials = merge_partials(&mut parts);
    let hits = page(snapshots, &parts, request)?;
    Ok(SearchResponse {
        total: counted(total, request.track_total),
        max_score,
        hits,
        aggregations: finish(&request.aggregations, partials, with.env.now_ms() as i64)?,
        timed_out: clock.passed.load(Atomic::Relaxed),
        filled: None,
    })
}

fn check(request: &SearchRequest) -> Result<(), QueryError> {
    let window = request.from.saturating_add(request.size);
    if window > RESULT_WINDOW_MAX {
        return Err(QueryError::Argument(format!(
            "Result window is too large, from + size must be less than or equal to: [{RESULT_WINDOW_MAX}] but was \
             [{window}]. See the scroll api for a more efficient way to request large data sets."
        )));
    }
    Ok(())
}

fn counted(total: u64, track: TrackTotal) -> Option<Total> {
    match track {
        TrackTotal::None => None,
        TrackTotal::All => Some(Total { value: total, exact: true }),
        TrackTotal::UpTo(limit) => Some(Total { value: total.min(limit), exact: total <= limit }),
    }
}

fn merge_partials(parts: &mut [Part]) -> Vec<Partial> {
    let mut merged: Vec<Partial> = Vec::new();
    for part in parts {
        if merged.is_empty() {
            merged = std::mem::take(&mut part.partials);
            continue;
        }
        for (into, partial) in merged.iter_mut().zip(part.partials.drain(..)) {
            into.merge(partial);
        }
    }
    merged
}

struct Planned {
    matcher: Matcher,
    post_filter: Option<Matcher>,
    after: Option<Vec<i64>>,
    scored: bool,
}

fn search_one(
    snapshot: &Snapshot,
    request: &SearchRequest,
    with: &Environment<'_>,
    clock: &Clock<'_>,
) -> Result<Part, IndexError> {
    let now_ms = with.env.now_ms() as i64;
    let sort = effective_sort(request);
    let plan = SortPlan::new(&sort, snapshot, now_ms)?;
    let scored = (request.size > 0 && (shows_scores(request) || plan.uses_scores)) || request.min_score.is_some();
    let planner = Planner { snapshot, now_ms, scored };
    let planned = Planned {
        matcher: planner.plan(&request.query)?,
        post_filter: request.post_filter.as_ref().map(|q| planner.plan(q)).transpose()?,
        after: request.search_after.as_ref().map(|values| plan.after(values, &request.sort, snapshot)).transpose()?,
        scored,
    };
    let collectors = Collectors::new(&request.aggregations, &planner)?;
    let found = scan(snapshot, request, &planned, &plan, &collectors, with, clock)?;
    Ok(Part {
        best: found.best.finish(),
        total: found.total,
        max_score: found.max_score,
        partials: found.partials,
        plan,
    })
}

fn scan(
    snapshot: &Snapshot,
    request: &SearchRequest,
    planned: &Planned,
    plan: &SortPlan,
    collectors: &Collectors,
    with: &Environment<'_>,
    clock: &Clock<'_>,
) -> Result<Found, QueryError> {
    let limit = request.from + request.size;
    let next = AtomicUsize::new(0);
    let work = || -> Result<Found, QueryError> {
        let collectors = collectors.fresh();
        let mut found = Found { best: Best::new(limit), total: 0, max_score: None, collectors, partials: Vec::new() };
        loop {
            let at = next.fetch_add(1, Atomic::Relaxed);
            let Some(view) = snapshot.views.get(at).filter(|_| !clock.is_over()) else { break };
            found.view(at as u32, view, request, planned, plan)?;
        }
        found.partials = std::mem::take(&mut found.collectors).into_partials(snapshot);
        Ok(found)
    };
    let threads = with.threads.min((snapshot.rows() / ROWS_PER_THREAD_MIN) as usize).min(snapshot.views.len());
    if threads < 2 {
        return work();
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut found = work()?;
        for other in others {
            let other = other.join().map_err(|_| QueryError::Argument("a search thread failed".to_owned()))??;
            found.best.merge(other.best);
            found.total += other.total;
            found.max_score = found.max_score.into_iter().chain(other.max_score).reduce(f32::max);
            found.partials.iter_mut().zip(other.partials).for_each(|(into, partial)| into.merge(partial));
        }
        Ok(found)
    })
}

impl Found {
    fn view(
        &mut self,
        at: u32,
        view: &View,
        request: &SearchRequest,
        planned: &Planned,
        plan: &SortPlan,
    ) -> Result<(), QueryError> {
        let mut bits = planned.matcher.rows(view);
        if let Some(live) = &view.live {
            bits.and(live);
        }
        let scores = if planned.scored { planned.matcher.scores(view) } else { Scores::Same(0.0) };
        if let Some(least) = request.min_score {
            let low: Vec<u32> = bits.ones().filter(|row| scores.get(*row) < least).collect();
            low.iter().for_each(|row| bits.clear(*row as usize));
        }
        if !self.collectors.is_empty() {
            self.aggregate(view, &bits)?;
        }
        if let Some(filter) = &planned.post_filter {
            bits.and(&filter.rows(view));
        }
        self.total += bits.count() as u64;
        if request.from + request.size > 0 && !bits.is_none() {
            self.offer(at, view, &bits, &scores, planned, plan);
        }
        Ok(())
    }

    fn aggregate(&mut self, view: &View, bits: &Bitmap) -> Result<(), QueryError> {
        let mut batch: Vec<u32> = Vec::with_capacity(BATCH_ROWS + 64);
        for (at, word) in bits.words().iter().enumerate() {
            let first = at as u32 * 64;
            if *word == u64::MAX {
                batch.extend(first..first + 64);
            } else {
                let mut rest = *word;
                while rest != 0 {
                    batch.push(first + rest.trailing_zeros());
                    rest &= rest - 1;
                }
            }
            if batch.len() >= BATCH_ROWS {
                self.collectors.collect(view, &batch)?;
                batch.clear();
            }
        }
        self.collectors.collect(view, &batch)
    }

    fn offer(&mut self, at: u32, view: &View, bits: &Bitmap, scores: &Scores, planned: &Planned, plan: &SortPlan) {
        if planned.scored {
            let best = match scores {
                Scores::Same(score) => Some(*score),
                Scores::Rows(scores) => bits.ones().map(|row| scores[row as usize]).reduce(f32::max),
            };
            self.max_score = self.max_score.into_iter().chain(best).reduce(f32::max);
        }
        let rows: Vec<u32> = bits.ones().collect();
        for batch in rows.chunks(BATCH_ROWS) {
            self.best.offer(plan, at, view, batch, scores, planned.after.as_deref());
        }
    }
}

/// The hits of the page, out of the best of each index.
fn page(snapshots: &[Arc<Snapshot>], parts: &[Part], request: &SearchRequest) -> Result<Vec<Hit>, IndexError> {
    let mut order: Vec<(usize, &Candidate)> =
        parts.iter().enumerate().flat_map(|(i, p)| p.best.iter().map(move |c| (i, c))).collect();
    if parts.len() > 1 {
        let sort = effective_sort(request);
        let values: Vec<Vec<SortValue>> =
            order.iter().map(|(i, c)| shown_keys(&parts[*i].plan, c, &snapshots[*i])).collect();
        let mut places: Vec<usize> = (0..order.len()).collect();
        places.sort_by(|a, b| compare(&values[*a], &values[*b], &sort));
        order = places.into_iter().map(|at| order[at]).collect();
    }
    order
        .into_iter()
        .skip(request.from)
        .take(request.size)
        .map(|(i, candidate)| hit(&snapshots[i], &parts[i].plan, candidate, request))
        .collect()
}

fn shown_keys(plan: &SortPlan, candidate: &Candidate, snapshot: &Snapshot) -> Vec<SortValue> {
    candidate.keys.iter().enumerate().map(|(at, key)| plan.show(at, *key, snapshot)).collect()
}

fn compare(a: &[SortValue], b: &[SortValue], sort: &[SortKey]) -> Ordering {
    a.iter()
        .zip(b)
        .zip(sort)
        .map(|((a, b), key)| {
            let order = match key {
                SortKey::Score(order) | SortKey::Document(order) => *order,
                SortKey::Field(field) => field.order,
            };
            let nulls = matches!(a, SortValue::Null) || matches!(b, SortValue::Null);
            let compared = a.compare(b);
            if order == SortOrder::Descending && !nulls { compared.reverse() } else { compared }
        })
        .find(|o| *o != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// What a hit shows.
pub(super) fn hit(
    snapshot: &Snapshot,
    plan: &SortPlan,
    candidate: &Candidate,
    request: &SearchRequest,
) -> Result<Hit, IndexError> {
    let view = &snapshot.views[candidate.view as usize];
    let (chunk, at) = (&view.chunk, candidate.row as usize);
    let mut fields = fetch::column_fields(snapshot, view, candidate.row, &request.column_fields)?;
    fields.extend(fetch::document_fields(snapshot, view, candidate.row, &request.document_fields)?);
    Ok(Hit {
        index: snapshot.name.clone(),
        id: chunk.ids.text(at),
        version: chunk.versions.get(at) as u64,
        sequence: chunk.sequences.get(at) as u64,
        score: shows_scores(request).then_some(candidate.score),
        sort: if request.sort.is_empty() { Vec::new() } else { shown_keys(plan, candidate, snapshot) },
        source: fetch::source(view, candidate.row, &request.source)?,
        fields,
    })
}

/// How many documents a query finds.
///
/// # Errors
/// When it does not fit the mapping of one of the snapshots.
pub(crate) fn count(snapshots: &[Arc<Snapshot>], query: &Query, env: &Env) -> Result<u64, IndexError> {
    let mut total = 0;
    for snapshot in snapshots {
        let planner = Planner { snapshot, now_ms: env.now_ms() as i64, scored: false };
        let matcher = planner.plan(query)?;
        if matches!(matcher, Matcher::All { .. }) {
            total += snapshot.documents;
            continue;
        }
        for view in &snapshot.views {
            let mut bits = matcher.rows(view);
            if let Some(live) = &view.live {
                bits.and(live);
            }
            total += bits.count() as u64;
        }
    }
    Ok(total)
}
