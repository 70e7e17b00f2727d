//! Searches and aggregations against a naive model: the same documents in a plain list, every answer computed anew.
#![allow(clippy::unwrap_used, missing_docs)]

use index::time::{Interval, Zone};
use index::{
    Action, Aggregation, AggregationKind, AggregationResult, BucketKey, DateHistogram, Field, FieldKind, Index,
    IndexConfig, IndexSettings, Literal, Mapping, Operation, Query, RangeBounds, Refresh, SearchRequest, SortField,
    SortKey, SortMissing, SortOrder, SourceFilter, Terms, TrackTotal, ValueSource,
};
use model::Env;
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Clone, PartialEq)]
struct Doc {
    n: Vec<i64>,
    k: Vec<String>,
    t: Option<i64>,
}

impl Doc {
    fn source(&self) -> String {
        let t = self.t.map_or("null".to_owned(), |t| t.to_string());
        format!(r#"{{"n":{:?},"k":{:?},"t":{t}}}"#, self.n, self.k)
    }
}

fn doc() -> impl Strategy<Value = Doc> {
    let n = proptest::collection::vec(-5i64..5, 0..3);
    let k = proptest::collection::vec("[a-c]", 0..3);
    let t = proptest::option::of((0i64..20).prop_map(|q| 1_452_038_400_000 + q * HOUR_MS / 4));
    (n, k, t).prop_map(|(n, k, t)| Doc { n, k, t })
}

#[derive(Debug, Clone)]
enum Ask {
    N(i64, i64),
    K(String),
    HasN,
    All(Vec<Ask>),
    Any(Vec<Ask>),
    Not(Box<Ask>),
}

fn ask() -> impl Strategy<Value = Ask> {
    let leaf =
        prop_oneof![(-6i64..6, -6i64..6).prop_map(|(a, b)| Ask::N(a, b)), "[a-d]".prop_map(Ask::K), Just(Ask::HasN),];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Ask::All),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Ask::Any),
            inner.prop_map(|a| Ask::Not(Box::new(a))),
        ]
    })
}

impl Ask {
    fn query(&self) -> Query {
        let all = |asks: &[Self]| asks.iter().map(Self::query).collect();
        let (mut must, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
        match self {
            Self::N(a, b) => {
                let end = |v: &i64, included| Some((Literal::Number(v.to_string()), included));
                let bounds = RangeBounds { from: end(a, true), to: end(b, false), ..RangeBounds::default() };
                return Query::Range { field: "n".into(), bounds, boost: 1.0 };
            }
            Self::K(k) => return Query::Term { field: "k".into(), value: Literal::Text(k.clone()), boost: 1.0 },
            Self::HasN => return Query::Exists { field: "n".into(), boost: 1.0 },
            Self::All(asks) => must = all(asks),
            Self::Any(asks) => should = all(asks),
            Self::Not(ask) => must_not = vec![ask.query()],
        }
        Query::Bool { must, filter: Vec::new(), should, must_not, minimum_should_match: None, boost: 1.0 }
    }

    fn finds(&self, doc: &Doc) -> bool {
        match self {
            Self::N(a, b) => doc.n.iter().any(|n| (a..b).contains(&n)),
            Self::K(k) => doc.k.contains(k),
            Self::HasN => !doc.n.is_empty(),
            Self::All(asks) => asks.iter().all(|a| a.finds(doc)),
            Self::Any(asks) => asks.iter().any(|a| a.finds(doc)),
            Self::Not(ask) => !ask.finds(doc),
        }
    }
}

fn open(dir: &tempfile::TempDir) -> Index {
    let index = Index::open(IndexConfig::new(dir.path(), Env::system())).unwrap();
    let mut mapping = Mapping::default();
    mapping.add(Field::new("n", FieldKind::Long)).unwrap();
    mapping.add(Field::new("k", FieldKind::Keyword)).unwrap();
    mapping.add(Field::new("t", FieldKind::Date)).unwrap();
    index.create_index("docs", IndexSettings::default(), mapping).unwrap();
    index
}

fn leaf(kind: AggregationKind) -> Aggregation {
    Aggregation { kind, inner: Vec::new() }
}

fn aggregations() -> Vec<(String, Aggregation)> {
    let n = || ValueSource::field("n");
    let terms =
        Terms { source: ValueSource::field("k"), size: 10, shard_size: None, order: Vec::new(), min_doc_count: 1 };
    let hours = DateHistogram {
        source: ValueSource::field("t"),
        interval: Interval::Fixed(HOUR_MS),
        zone: Zone::UTC,
        offset_ms: 0,
        min_doc_count: 1,
        extended_bounds: None,
        order: Vec::new(),
        keyed: false,
    };
    let inner = vec![("sum".to_owned(), leaf(AggregationKind::Sum(n())))];
    vec![
        ("sum".to_owned(), leaf(AggregationKind::Sum(n()))),
        ("max".to_owned(), leaf(AggregationKind::Max(n()))),
        ("distinct".to_owned(), leaf(AggregationKind::Cardinality(ValueSource::field("k")))),
        ("words".to_owned(), Aggregation { kind: AggregationKind::Terms(terms), inner: inner.clone() }),
        ("hours".to_owned(), Aggregation { kind: AggregationKind::DateHistogram(hours), inner }),
    ]
}

/// Buckets as key, documents and sum.
fn rows(result: &AggregationResult) -> Vec<(String, u64, f64)> {
    let AggregationResult::Buckets(buckets) = result else { panic!("no buckets") };
    let row = |b: &index::Bucket| {
        let key = match &b.key {
            BucketKey::Text(text) => text.clone(),
            BucketKey::Whole(ms) => ms.to_string(),
            other => panic!("{other:?}"),
        };
        (key, b.count, number(&b.inner[0].1).unwrap())
    };
    buckets.buckets.iter().map(row).collect()
}

fn number(result: &AggregationResult) -> Option<f64> {
    match result {
        AggregationResult::Number(number) => number.value,
        AggregationResult::Count(count) => Some(*count as f64),
        other => panic!("{other:?}"),
    }
}

fn check_aggregations(found: &[&Doc], results: &[(String, AggregationResult)]) {
    let sum: i64 = found.iter().flat_map(|d| &d.n).sum();
    assert_eq!(number(&results[0].1), Some(sum as f64));
    assert_eq!(number(&results[1].1), found.iter().flat_map(|d| &d.n).max().map(|n| *n as f64));
    let mut words: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    let mut hours: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
    for doc in found {
        let n: i64 = doc.n.iter().sum();
        let mut of_doc: Vec<&str> = doc.k.iter().map(String::as_str).collect();
        of_doc.sort_unstable();
        of_doc.dedup();
        for word in of_doc {
            let of = words.entry(word).or_default();
            *of = (of.0 + 1, of.1 + n);
        }
        if let Some(t) = doc.t {
            let of = hours.entry(t.div_euclid(HOUR_MS) * HOUR_MS).or_default();
            *of = (of.0 + 1, of.1 + n);
        }
    }
    assert_eq!(number(&results[2].1), Some(words.len() as f64));
    let mut words: Vec<_> = words.into_iter().map(|(w, (count, n))| (w.to_owned(), count, n as f64)).collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    assert_eq!(rows(&results[3].1), words);
    let hours: Vec<_> = hours.into_iter().map(|(h, (count, n))| (h.to_string(), count, n as f64)).collect();
    assert_eq!(rows(&results[4].1), hours);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_are_those_of_the_model(
        writes in proptest::collection::vec((0u8..30, proptest::option::weighted(0.9, doc())), 1..60),
        checkpoint_at in proptest::collection::vec(0usize..60, 0..4),
        asks in proptest::collection::vec(ask(), 1..5),
        descending in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let index = open(&dir);
        let mut model: BTreeMap<String, Doc> = BTreeMap::new();
        for (at, (id, doc)) in writes.into_iter().enumerate() {
            let id = format!("{id:02}");
            let action = match &doc {
                Some(doc) => Action::Index { source: doc.source().into_bytes().into() },
                None => Action::Delete,
            };
            let operation = Operation { index: "docs".into(), id: Some(id.clone()), action };
            prop_assert!(index.bulk(&[operation], Refresh::Later)[0].is_ok());
            match doc {
                Some(doc) => model.insert(id, doc),
                None => model.remove(&id),
            };
            if checkpoint_at.contains(&at) {
                index.checkpoint().unwrap();
            }
        }
        index.refresh("docs").unwrap();
        let order = if descending { SortOrder::Descending } else { SortOrder::Ascending };
        for ask in asks {
            let found: BTreeMap<&String, &Doc> = model.iter().filter(|(_, d)| ask.finds(d)).collect();
            let key = SortField { field: "n".into(), order, missing: SortMissing::Last, mode: None, unmapped: false };
            let request = SearchRequest {
                query: ask.query(),
                size: 1_000,
                sort: vec![SortKey::Field(key)],
                track_total: TrackTotal::All,
                source: SourceFilter::none(),
                aggregations: aggregations(),
                ..SearchRequest::default()
            };
            let response = index.search(&["docs"], &request).unwrap();
            prop_assert_eq!(response.total.unwrap().value, found.len() as u64);
            let mut ids: Vec<&String> = response.hits.iter().map(|h| &h.id).collect();
            let keys: Vec<Option<i64>> = ids
                .iter()
                .map(|id| if descending { found[*id].n.iter().max().map(|n| -n) } else { found[*id].n.iter().min().copied() })
                .collect();
            // Documents without a value stand last, whatever the direction.
            prop_assert!(keys.windows(2).all(|w| w[0].unwrap_or(i64::MAX) <= w[1].unwrap_or(i64::MAX)), "{keys:?}");
            ids.sort();
            prop_assert_eq!(ids, found.keys().copied().collect::<Vec<_>>());
            check_aggregations(&found.values().copied().collect::<Vec<_>>(), &response.aggregations);
            let (id, mut page) = index.scroll(&["docs"], &SearchRequest { size: 7, ..request }, 60_000).unwrap();
            let mut scrolled = 0;
            while !page.hits.is_empty() {
                scrolled += page.hits.len();
                page = index.scroll_next(id, None).unwrap();
            }
            prop_assert_eq!(scrolled, found.len());
            prop_assert!(index.scroll_end(id) && !index.scroll_end(id));
        }
    }
}

#[test]
fn many_chunks_and_threads_answer_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let index = open(&dir);
    let env = Env::system();
    let documents = 450_000usize;
    for first in (0..documents).step_by(10_000) {
        let operations: Vec<Operation> = (first..first + 10_000)
            .map(|n| {
                let t = 1_452_038_400_000 + n as i64 * 1_000;
                let source = format!(r#"{{"n":{},"k":"word{}","t":{t}}}"#, n % 1_000, n % 7).into_bytes().into();
                Operation { index: "docs".into(), id: Some(n.to_string()), action: Action::Index { source } }
            })
            .collect();
        assert!(index.bulk(&operations, Refresh::Later).iter().all(Result::is_ok));
    }
    index.refresh("docs").unwrap();
    let request = SearchRequest { size: 3, aggregations: aggregations(), ..SearchRequest::default() };
    let started = env.monotonic_ns();
    let response = index.search(&["docs"], &request).unwrap();
    assert!(env.monotonic_ns() - started < 30_000_000_000, "a search of so few documents takes no half minute");
    assert_eq!(number(&response.aggregations[0].1), Some((documents / 1_000 * 499_500) as f64));
    let words = rows(&response.aggregations[3].1);
    assert_eq!(words.iter().map(|w| w.1).sum::<u64>(), documents as u64);
    assert_eq!(words[0].0, "word0");
    let hours = rows(&response.aggregations[4].1);
    assert_eq!((hours.len(), hours[0].1, hours[124].1), (125, 3_600, 3_600));
    assert_eq!(response.hits.iter().map(|h| h.id.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(response.total, Some(index::Total { value: 10_000, exact: false }));
}
