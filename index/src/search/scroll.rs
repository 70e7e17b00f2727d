//! Scrolls: all hits of a search, page after page, of the snapshot that was taken when it began.

use super::collect::{Best, Candidate};
use super::matcher::{Matcher, Scores};
use super::plan::Planner;
use super::request::{SearchRequest, SortKey, SortOrder, TrackTotal};
use super::run::{Environment, Hit, SearchResponse, Total, hit, search};
use super::sort::SortPlan;
use crate::bitmap::Bitmap;
use crate::error::{IndexError, QueryError};
use crate::table::Snapshot;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Most scrolls that are open at a time: each keeps a snapshot.
pub const SCROLLS_MAX: usize = 500;
/// Longest time that a scroll may wait for its next page, in milliseconds.
pub const SCROLL_AGE_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Most hits of a scroll that is sorted; in the order of the index there is no limit.
const SORTED_HITS_MAX: usize = 4_000_000;

/// Open scrolls.
#[derive(Default)]
pub(crate) struct Scrolls {
    open: Mutex<FxHashMap<u64, Arc<Mutex<Scroll>>>>,
}

/// One scroll.
struct Scroll {
    request: SearchRequest,
    total: Option<Total>,
    max_score: Option<f32>,
    parts: Vec<ScrollPart>,
    expires_ms: u64,
}

/// The hits of one index that were not returned yet.
struct ScrollPart {
    snapshot: Arc<Snapshot>,
    plan: SortPlan,
    hits: Hits,
}

enum Hits {
    /// In the order of the index: the matching rows of each view, and the views' scores.
    Rows { matcher: Matcher, bits: Vec<Bitmap>, view: usize, row: u32 },
    /// Sorted, the next one last.
    Sorted(Vec<Candidate>),
}

impl Scrolls {
    /// Begins a scroll: returns its id and its first page, which alone has the aggregations.
    ///
    /// # Errors
    /// When the search does not fit, or too many scrolls are open.
    pub(crate) fn begin(
        &self,
        snapshots: &[Arc<Snapshot>],
        request: &SearchRequest,
        keep_ms: u64,
        with: &Environment<'_>,
    ) -> Result<(u64, SearchResponse), IndexError> {
        check(request, keep_ms)?;
        if snapshots.len() > 1 && !matches!(request.sort[..], [] | [SortKey::Document(_)]) {
            let message = "a sorted scroll over several indices is not supported; sort by [_doc], or scroll each index";
            return Err(QueryError::Argument(message.to_owned()).into());
        }
        let now_ms = with.env.now_ms();
        // Hits are taken from the parts below; this one is for totals and aggregations.
        let counted = SearchRequest { track_total: TrackTotal::All, from: 0, size: 1, ..request.clone() };
        let mut first = search(snapshots, &counted, with)?;
        let parts = snapshots.iter().map(|s| part(s, request, now_ms as i64)).collect::<Result<Vec<_>, _>>()?;
        let scroll = Scroll {
            request: request.clone(),
            total: first.total,
            max_score: first.max_score,
            parts,
            expires_ms: now_ms.saturating_add(keep_ms),
        };
        let scroll = Arc::new(Mutex::new(scroll));
        let id = with.env.random_u64();
        {
            let mut open = self.open.lock();
            open.retain(|_, s| s.try_lock().is_none_or(|s| s.expires_ms > now_ms));
            if open.len() >= SCROLLS_MAX {
                return Err(IndexError::TooManyScrolls(SCROLLS_MAX));
            }
            open.insert(id, scroll.clone());
        }
        first.hits = scroll.lock().take()?;
        Ok((id, first))
    }

    /// The next page; empty behind the last hit.
    ///
    /// # Errors
    /// When there is no such scroll (any more), or a document cannot be read.
    pub(crate) fn next(&self, id: u64, keep_ms: Option<u64>, now_ms: u64) -> Result<SearchResponse, IndexError> {
        let scroll = self.open.lock().get(&id).cloned().ok_or(IndexError::NoScroll(id))?;
        let mut scroll = scroll.lock();
        if scroll.expires_ms <= now_ms {
            self.open.lock().remove(&id);
            return Err(IndexError::NoScroll(id));
        }
        if let Some(keep_ms) = keep_ms {
            check_age(keep_ms)?;
            scroll.expires_ms = now_ms.saturating_add(keep_ms);
        }
        let hits = scroll.take()?;
        let in_order = scroll.parts.iter().all(|p| matches!(p.hits, Hits::Rows { .. }));
        Ok(SearchResponse {
            total: scroll.total,
            max_score: scroll.max_score,
            filled: in_order.then_some(hits.len() == scroll.request.size),
            hits,
            aggregations: Vec::new(),
            timed_out: false,
        })
    }

    /// Ends a scroll. Returns whether there was one.
    pub(crate) fn end(&self, id: u64) -> bool {
        self.open.lock().remove(&id).is_some()
    }

    /// Ends all scrolls. Returns how many there were.
    pub(crate) fn end_all(&self) -> usize {
        std::mem::take(&mut *self.open.lock()).len()
    }

    /// Ends the scrolls that nobody has asked for in time.
    pub(crate) fn expire(&self, now_ms: u64) {
        self.open.lock().retain(|_, s| s.try_lock().is_none_or(|s| s.expires_ms > now_ms));
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }
}

fn check_age(keep_ms: u64) -> Result<(), QueryError> {
    if keep_ms > SCROLL_AGE_MS_MAX {
        return Err(QueryError::Argument(format!(
            "Keep alive for request ({keep_ms}ms) is too large. It must be less than ({SCROLL_AGE_MS_MAX}ms)."
        )));
    }
    Ok(())
}

fn check(request: &SearchRequest, keep_ms: u64) -> Result<(), QueryError> {
    check_age(keep_ms)?;
    if request.size > model::limits::RESULT_WINDOW_MAX {
        return Err(QueryError::Argument(format!(
            "Batch size is too large, size must be less than or equal to: [{}] but was [{}].",
            model::limits::RESULT_WINDOW_MAX,
            request.size
        )));
    }
    Ok(())
}

fn part(snapshot: &Arc<Snapshot>, request: &SearchRequest, now_ms: i64) -> Result<ScrollPart, QueryError> {
    let by_score = [SortKey::Score(SortOrder::Descending)];
    let sort = if request.sort.is_empty() { &by_score[..] } else { &request.sort };
    let plan = SortPlan::new(sort, snapshot, now_ms)?;
    let scored = plan.uses_scores || request.track_scores || request.min_score.is_some();
    let planner = Planner { snapshot, now_ms, scored };
    let matcher = planner.plan(&request.query)?;
    let filter = request.post_filter.as_ref().map(|q| planner.plan(q)).transpose()?;
    let least = request.min_score.unwrap_or(f32::NEG_INFINITY);
    let bits: Vec<Bitmap> = snapshot
        .views
        .iter()
        .map(|view| {
            let mut bits = matcher.rows(view);
            if let Some(live) = &view.live {
                bits.and(live);
            }
            if let Some(filter) = &filter {
                bits.and(&filter.rows(view));
            }
            if request.min_score.is_some() {
                let scores = matcher.scores(view);
                let low: Vec<u32> = bits.ones().filter(|row| scores.get(*row) < least).collect();
                low.iter().for_each(|row| bits.clear(*row as usize));
            }
            bits
        })
        .collect();
    let in_order = plan.is_document_order() || (request.sort.is_empty() && matcher.constant_score().is_some());
    let hits = if in_order {
        Hits::Rows { matcher, bits, view: 0, row: 0 }
    } else {
        Hits::Sorted(sorted(snapshot, &plan, &matcher, &bits, scored)?)
    };
    Ok(ScrollPart { snapshot: snapshot.clone(), plan, hits })
}

fn sorted(
    snapshot: &Snapshot,
    plan: &SortPlan,
    matcher: &Matcher,
    bits: &[Bitmap],
    scored: bool,
) -> Result<Vec<Candidate>, QueryError> {
    let count: usize = bits.iter().map(Bitmap::count).sum();
    if count > SORTED_HITS_MAX {
        return Err(QueryError::Argument(format!(
            "a sorted scroll of {count} hits is too large (at most {SORTED_HITS_MAX}); sort by [_doc], or narrow the query"
        )));
    }
    let mut best = Best::new(count);
    for (at, (view, bits)) in snapshot.views.iter().zip(bits).enumerate() {
        let scores = if scored { matcher.scores(view) } else { Scores::Same(0.0) };
        let rows: Vec<u32> = bits.ones().collect();
        best.offer(plan, at as u32, view, &rows, &scores, None);
    }
    let mut hits = best.finish();
    hits.reverse();
    Ok(hits)
}

impl Scroll {
    /// The next page, index after index.
    fn take(&mut self) -> Result<Vec<Hit>, IndexError> {
        let mut page = Vec::new();
        for part in &mut self.parts {
            while page.len() < self.request.size {
                let Some(candidate) = part.hits.next(&part.snapshot, &part.plan) else { break };
                page.push(hit(&part.snapshot, &part.plan, &candidate, &self.request)?);
            }
        }
        Ok(page)
    }
}

impl Hits {
    fn next(&mut self, snapshot: &Snapshot, plan: &SortPlan) -> Option<Candidate> {
        match self {
            Self::Sorted(hits) => hits.pop(),
            Self::Rows { matcher, bits, view, row } => loop {
                let of_view = bits.get(*view)?;
                let found = (*row as usize..of_view.len()).find(|r| of_view.get(*r));
                let Some(found) = found else {
                    *view += 1;
                    *row = 0;
                    continue;
                };
                *row = found as u32 + 1;
                let score = matcher.constant_score().unwrap_or(0.0);
                let (at, mut keys, mut one) = (*view as u32, Vec::new(), Vec::new());
                for key in 0..plan.len() {
                    plan.keys(key, &snapshot.views[*view], &[found as u32], |_| score, &mut one);
                    keys.append(&mut one);
                }
                return Some(Candidate { keys, view: at, row: found as u32, score });
            },
        }
    }
}
