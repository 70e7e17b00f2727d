//! The results as the console asks for them: its questions as searches of the index, their answers as its views.

use super::Parts;
use console::Failure;
use console::views::{AirportHour, AirportLine, Bbox, Cell, CellsRequest, HourCount, TimeRange, Totals};
use index::geo::{GeoBox, geohash_box};
use index::time::{Interval, Zone};
use index::{
    Aggregation, AggregationKind, AggregationResult, Bucket, BucketKey, BucketOrder, DateHistogram, GeoCorners, Grid,
    IndexError, Literal, OrderTarget, Query, RangeBounds, SearchRequest, Terms, TrackTotal, Validation, ValueSource,
};
use model::Kind;

const PICKUPS: &str = "pickup_count";
const TRIPS: &str = "trip_duration";
const HOUR_MS: i64 = 3_600_000;
/// Precision of the results' own cells.
const CELL_DIGITS: u8 = 7;
/// Cells that the console may have at most, before the largest are chosen: all of a city at the finest precision.
const CELLS_MAX: usize = 65_535;
/// Airports that have a line of their own at most.
const AIRPORTS_MAX: usize = 20;
/// Less than the size of the smallest cell, in degrees: cells do not own their upper edges, boxes do.
const EDGE: f64 = 1e-6;

type Named = Vec<(String, AggregationResult)>;

impl Parts {
    pub(super) fn time_range(&self) -> Result<Option<TimeRange>, Failure> {
        let time = || ValueSource::field("timestamp");
        let asked = [("min", AggregationKind::Min(time())), ("max", AggregationKind::Max(time()))];
        let mut range: Option<TimeRange> = None;
        for index in [PICKUPS, TRIPS] {
            let answer =
                self.aggregate(index, Query::ALL, asked.clone().map(|(name, kind)| leaf(name, kind)).into())?;
            if let (Some(min), Some(max)) = (number(&answer, "min"), number(&answer, "max")) {
                // A result carries the end of its window: the first window began an hour before.
                let found = TimeRange { from_ms: min as i64 - HOUR_MS, to_ms: max as i64 };
                range = Some(range.map_or(found, |r| TimeRange {
                    from_ms: r.from_ms.min(found.from_ms),
                    to_ms: r.to_ms.max(found.to_ms),
                }));
            }
        }
        Ok(range)
    }

    pub(super) fn cells(&self, request: &CellsRequest) -> Result<Vec<Cell>, Failure> {
        let query = all_of(vec![within(request.range), in_box(request.bbox)]);
        let mut cells = self.grid(query, request.precision)?;
        if cells.len() > request.cells_max {
            cells.sort_unstable_by(largest_first);
            cells.truncate(request.cells_max);
        }
        Ok(cells)
    }

    pub(super) fn top_cells(&self, range: TimeRange, n: usize) -> Result<Vec<Cell>, Failure> {
        let mut cells = self.grid(within(range), CELL_DIGITS)?;
        cells.sort_unstable_by(largest_first);
        cells.truncate(n);
        Ok(cells)
    }

    pub(super) fn totals(&self, range: TimeRange) -> Result<Totals, Failure> {
        let cells = self.grid(within(range), CELL_DIGITS)?;
        let hours = self.hours(within(range))?;
        let trips = leaf("trips", AggregationKind::Sum(ValueSource::field("trip_count")));
        let airport = self.aggregate(TRIPS, within(range), vec![trips])?;
        Ok(Totals {
            pickups: cells.iter().map(|cell| cell.count).sum(),
            areas: cells.len() as u64,
            airport_trips: number(&airport, "trips").unwrap_or(0.0) as u64,
            hours: hours.len() as u64,
        })
    }

    pub(super) fn pickups_by_hour(&self, range: TimeRange, geohash: Option<&str>) -> Result<Vec<HourCount>, Failure> {
        let mut query = vec![within(range)];
        if let Some(geohash) = geohash {
            let [south, west, north, east] =
                geohash_box(geohash).map_err(|e| Failure::new(Kind::Invalid, e.to_string()))?;
            query.push(in_box(Bbox { south, west, north: north - EDGE, east: east - EDGE }));
        }
        self.hours(all_of(query))
    }

    pub(super) fn airport_lines(&self, range: TimeRange) -> Result<Vec<AirportLine>, Failure> {
        let sums = ["sum_trip_duration", "trip_count"]
            .map(|field| leaf(field, AggregationKind::Sum(ValueSource::field(field))));
        let by_airport = Terms {
            source: ValueSource::field("airport_code"),
            size: AIRPORTS_MAX,
            shard_size: None,
            order: vec![BucketOrder { target: OrderTarget::Key, ascending: true }],
            min_doc_count: 1,
        };
        let airports = (
            "airports".to_owned(),
            Aggregation { kind: AggregationKind::Terms(by_airport), inner: vec![by_hour(sums.into())] },
        );
        let answer = self.aggregate(TRIPS, within(range), vec![airports])?;
        let line = |bucket: &Bucket| AirportLine {
            airport: text(&bucket.key),
            points: buckets(&bucket.inner, "hours").iter().filter_map(airport_hour).collect(),
        };
        Ok(buckets(&answer, "airports").iter().map(line).collect())
    }

    /// The sum of pickups per cell of `digits` digits.
    fn grid(&self, query: Query, digits: u8) -> Result<Vec<Cell>, Failure> {
        let grid = Grid { field: "location".into(), precision: digits, size: CELLS_MAX, bounds: None };
        let aggregation = Aggregation { kind: AggregationKind::GeohashGrid(grid), inner: vec![pickups()] };
        let answer = self.aggregate(PICKUPS, query, vec![("cells".to_owned(), aggregation)])?;
        let cell = |bucket: &Bucket| Cell { geohash: text(&bucket.key), count: pickups_of(bucket) };
        Ok(buckets(&answer, "cells").iter().map(cell).collect())
    }

    fn hours(&self, query: Query) -> Result<Vec<HourCount>, Failure> {
        let answer = self.aggregate(PICKUPS, query, vec![by_hour(vec![pickups()])])?;
        let hour = |bucket: &Bucket| instant(&bucket.key).map(|t| HourCount { t, count: pickups_of(bucket) });
        Ok(buckets(&answer, "hours").iter().filter_map(hour).collect())
    }

    /// The aggregations over one index; none while there is no such index.
    fn aggregate(&self, index: &str, query: Query, aggregations: Vec<(String, Aggregation)>) -> Result<Named, Failure> {
        let request =
            SearchRequest { query, size: 0, track_total: TrackTotal::None, aggregations, ..SearchRequest::default() };
        match self.index().search(&[index], &request) {
            Ok(response) => Ok(response.aggregations),
            Err(IndexError::NoIndex(_)) => Ok(Vec::new()),
            Err(error) => Err(Failure::from_error(error)),
        }
    }
}

fn leaf(name: &str, kind: AggregationKind) -> (String, Aggregation) {
    (name.to_owned(), Aggregation { kind, inner: Vec::new() })
}

fn pickups() -> (String, Aggregation) {
    leaf("pickups", AggregationKind::Sum(ValueSource::field("pickup_count")))
}

fn by_hour(inner: Vec<(String, Aggregation)>) -> (String, Aggregation) {
    let hours = DateHistogram {
        source: ValueSource::field("timestamp"),
        interval: Interval::Fixed(HOUR_MS),
        zone: Zone::UTC,
        offset_ms: 0,
        min_doc_count: 1,
        extended_bounds: None,
        order: Vec::new(),
        keyed: false,
    };
    ("hours".to_owned(), Aggregation { kind: AggregationKind::DateHistogram(hours), inner })
}

fn within(range: TimeRange) -> Query {
    let bound = |ms: i64, included| Some((Literal::Number(ms.to_string()), included));
    let bounds = RangeBounds { from: bound(range.from_ms, false), to: bound(range.to_ms, true), ..Default::default() };
    Query::Range { field: "timestamp".into(), bounds, boost: 1.0 }
}

fn in_box(bbox: Bbox) -> Query {
    let corners = GeoBox { top: bbox.north, left: bbox.west, bottom: bbox.south, right: bbox.east };
    let corners = GeoCorners { corners, validation: Validation::Coerce, ignore_unmapped: true };
    Query::GeoBox { field: "location".into(), corners, boost: 1.0 }
}

fn all_of(filter: Vec<Query>) -> Query {
    Query::Bool { must: vec![], filter, should: vec![], must_not: vec![], minimum_should_match: None, boost: 1.0 }
}

fn largest_first(a: &Cell, b: &Cell) -> std::cmp::Ordering {
    b.count.cmp(&a.count).then_with(|| a.geohash.cmp(&b.geohash))
}

fn found<'a>(named: &'a Named, name: &str) -> Option<&'a AggregationResult> {
    named.iter().find(|(n, _)| n == name).map(|(_, result)| result)
}

fn number(named: &Named, name: &str) -> Option<f64> {
    match found(named, name) {
        Some(AggregationResult::Number(number)) => number.value,
        _ => None,
    }
}

fn buckets<'a>(named: &'a Named, name: &str) -> &'a [Bucket] {
    match found(named, name) {
        Some(AggregationResult::Buckets(buckets)) => &buckets.buckets,
        _ => &[],
    }
}

fn pickups_of(bucket: &Bucket) -> u64 {
    number(&bucket.inner, "pickups").unwrap_or(0.0) as u64
}

fn text(key: &BucketKey) -> String {
    match key {
        BucketKey::Text(text) => text.clone(),
        BucketKey::Whole(number) => number.to_string(),
        BucketKey::Fraction(number) => number.to_string(),
        BucketKey::None => String::new(),
    }
}

fn instant(key: &BucketKey) -> Option<i64> {
    match key {
        BucketKey::Whole(ms) => Some(*ms),
        BucketKey::Text(_) | BucketKey::Fraction(_) | BucketKey::None => None,
    }
}

/// The mean over all trips of the hour: of sums, never of means.
fn airport_hour(bucket: &Bucket) -> Option<AirportHour> {
    let trips = number(&bucket.inner, "trip_count").filter(|trips| *trips > 0.0)?;
    let sum = number(&bucket.inner, "sum_trip_duration")?;
    Some(AirportHour { t: instant(&bucket.key)?, avg: sum / trips, trips: trips as u64 })
}
