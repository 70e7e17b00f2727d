//! From merged partials to results: order, cut, filled gaps, texts.

use super::metrics::Summary;
use super::partial::{Partial, PartialBucket, PartialKey, Shape};
use super::request::{
    Aggregation, AggregationKind, BucketOrder, DateHistogram, ExtendedBounds, Filters, Grid, OrderTarget, Percentiles,
    Selection, Terms,
};
use super::result::{AggregationResult, Bucket, BucketKey, Buckets, Number};
use super::select::select;
use crate::error::QueryError;
use crate::geo::{Tile, geohash};
use crate::mapping::FieldKind;
use crate::search::{Literal, literal_date};
use crate::time::{Edge, Rounding};
use crate::value::to_f64;
use model::limits::BUCKETS_MAX;
use std::cmp::Ordering;

/// The results of the aggregations, given what was collected for each.
///
/// # Errors
/// When there are too many buckets, or an order or a bound does not fit.
pub(crate) fn finish(
    aggregations: &[(String, Aggregation)],
    partials: Vec<Partial>,
    now_ms: i64,
) -> Result<Vec<(String, AggregationResult)>, QueryError> {
    Finisher { buckets: 0, now_ms }.all(aggregations, partials)
}

struct Finisher {
    buckets: u64,
    now_ms: i64,
}

impl Finisher {
    fn all(
        &mut self,
        aggregations: &[(String, Aggregation)],
        partials: Vec<Partial>,
    ) -> Result<Vec<(String, AggregationResult)>, QueryError> {
        // A bucket that no document fell into has no partials.
        let partials = partials.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        aggregations
            .iter()
            .zip(partials)
            .map(|((name, a), p)| Ok((name.clone(), self.one(a, p.unwrap_or(Partial::Nothing))?)))
            .collect()
    }

    fn one(&mut self, aggregation: &Aggregation, partial: Partial) -> Result<AggregationResult, QueryError> {
        Ok(match (&aggregation.kind, partial) {
            (AggregationKind::Terms(terms), partial) => {
                let (shape, buckets) = buckets_of(partial);
                self.terms(terms, aggregation, &shape, buckets)?
            }
            (AggregationKind::DateHistogram(h), partial) => {
                let (shape, buckets) = buckets_of(partial);
                self.date_histogram(h, aggregation, &shape, buckets)?
            }
            (AggregationKind::GeohashGrid(grid), partial) => {
                self.grid(grid, aggregation, buckets_of(partial).1, |key| geohash(key as u64, grid.precision))?
            }
            (AggregationKind::GeotileGrid(grid), partial) => {
                let text = |key| Tile::from_number(grid.precision, key).to_string();
                self.grid(grid, aggregation, buckets_of(partial).1, text)?
            }
            (AggregationKind::Filter(_) | AggregationKind::Missing(_), partial) => {
                let (count, inner) =
                    if let Partial::Single(count, inner) = partial { (count, inner) } else { (0, Vec::new()) };
                AggregationResult::Single { count, inner: self.all(&aggregation.inner, inner)? }
            }
            (AggregationKind::Filters(filters), partial) => {
                let of = if let Partial::Filters(of) = partial { of } else { Vec::new() };
                self.filters(filters, aggregation, of)?
            }
            (kind, Partial::Summary { shape, summary }) => summarized(kind, &shape, &summary),
            (AggregationKind::Percentiles(p), partial) => percentiles(p, partial),
            (AggregationKind::Cardinality(_), Partial::Distinct(set)) => AggregationResult::Count(set.len() as u64),
            (AggregationKind::Cardinality(_), _) => AggregationResult::Count(0),
            (AggregationKind::WeightedAvg { .. }, Partial::Weighted { shape, sum, weights }) => {
                let (sum, weights) = (sum.value(), weights.value());
                let value = (weights != 0.0).then(|| sum / weights).filter(|v| !v.is_nan());
                AggregationResult::Number(shown_number(&shape, value))
            }
            (kind, _) => summarized(kind, &Shape::default(), &Summary::default()),
        })
    }

    fn note(&mut self, buckets: usize) -> Result<(), QueryError> {
        self.buckets += buckets as u64;
        if self.buckets > BUCKETS_MAX as u64 { Err(QueryError::TooManyBuckets(self.buckets)) } else { Ok(()) }
    }

    fn bucket(
        &mut self,
        aggregation: &Aggregation,
        key: BucketKey,
        key_text: Option<String>,
        of: PartialBucket,
    ) -> Result<Bucket, QueryError> {
        Ok(Bucket { key, key_text, count: of.count, inner: self.all(&aggregation.inner, of.inner)? })
    }

    fn terms(
        &mut self,
        terms: &Terms,
        aggregation: &Aggregation,
        shape: &Shape,
        mut buckets: Vec<PartialBucket>,
    ) -> Result<AggregationResult, QueryError> {
        check_order(&terms.order, aggregation)?;
        let all = buckets.len();
        buckets.retain(|b| b.count >= terms.min_doc_count);
        select(&mut buckets, shape, &terms.source)?;
        let total: u64 = buckets.iter().map(|b| b.count).sum();
        let metric_order = terms.order.iter().any(|o| matches!(o.target, OrderTarget::Metric(..)));
        let mut finished = Vec::new();
        if !metric_order {
            // Only what is returned is worth finishing.
            buckets.sort_by(|a, b| plain_order(&terms.order, (a.count, &a.key), (b.count, &b.key)));
            buckets.truncate(terms.size);
        }
        for bucket in buckets {
            let (key, text) = shown_key(shape, &bucket.key);
            let order_key = bucket.key.clone();
            finished.push((order_key, self.bucket(aggregation, key, text, bucket)?));
        }
        if metric_order {
            finished.sort_by(|(a_key, a), (b_key, b)| full_order(&terms.order, aggregation, (a_key, a), (b_key, b)));
            finished.truncate(terms.size);
        }
        self.note(finished.len())?;
        let shown: u64 = finished.iter().map(|(_, b)| b.count).sum();
        let considered = terms.shard_size.unwrap_or((terms.size as f64 * 1.5 + 10.0) as usize).max(terms.size);
        let by_key = matches!(terms.order.first(), Some(BucketOrder { target: OrderTarget::Key, .. }));
        let by_most =
            matches!(terms.order.first(), None | Some(BucketOrder { target: OrderTarget::Count, ascending: false }));
        let error_bound = if all >= considered && !by_key && !by_most { -1 } else { 0 };
        Ok(AggregationResult::Buckets(Buckets {
            buckets: finished.into_iter().map(|(_, b)| b).collect(),
            other_count: Some(total.saturating_sub(shown)),
            error_bound: Some(error_bound),
            keyed: false,
        }))
    }

    fn grid(
        &mut self,
        grid: &Grid,
        aggregation: &Aggregation,
        mut buckets: Vec<PartialBucket>,
        text: impl Fn(i64) -> String,
    ) -> Result<AggregationResult, QueryError> {
        // Among equal counts the greater cell number comes first.
        let order_key = |b: &PartialBucket| match b.key {
            // The real one's number of a geohash ends in four more bits: at twelve digits it has a sign.
            PartialKey::Whole(key) => key << 4,
            PartialKey::Text(_) => 0,
        };
        buckets.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| order_key(b).cmp(&order_key(a))));
        buckets.truncate(grid.size);
        self.note(buckets.len())?;
        let buckets = buckets
            .into_iter()
            .map(|b| {
                let key = if let PartialKey::Whole(key) = b.key { text(key) } else { String::new() };
                self.bucket(aggregation, BucketKey::Text(key), None, b)
            })
            .collect::<Result<_, _>>()?;
        Ok(AggregationResult::Buckets(Buckets { buckets, other_count: None, error_bound: None, keyed: false }))
    }

    fn filters(
        &mut self,
        filters: &Filters,
        aggregation: &Aggregation,
        of: Vec<(u64, Vec<Partial>)>,
    ) -> Result<AggregationResult, QueryError> {
        let names: Vec<&String> = filters.filters.iter().map(|(name, _)| name).chain(&filters.other).collect();
        self.note(names.len())?;
        let of = of.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let mut buckets = Vec::new();
        for (name, of) in names.into_iter().zip(of) {
            let (count, inner) = of.unwrap_or_default();
            let key = if filters.keyed { BucketKey::Text(name.clone()) } else { BucketKey::None };
            buckets.push(Bucket { key, key_text: None, count, inner: self.all(&aggregation.inner, inner)? });
        }
        let keyed = filters.keyed;
        Ok(AggregationResult::Buckets(Buckets { buckets, other_count: None, error_bound: None, keyed }))
    }

    fn date_histogram(
        &mut self,
        histogram: &DateHistogram,
        aggregation: &Aggregation,
        shape: &Shape,
        buckets: Vec<PartialBucket>,
    ) -> Result<AggregationResult, QueryError> {
        check_order(&histogram.order, aggregation)?;
        let mut of_time: Vec<(i64, PartialBucket)> = buckets
            .into_iter()
            .filter_map(|b| if let PartialKey::Whole(ms) = b.key { Some((ms, b)) } else { None })
            .filter(|(_, b)| b.count >= histogram.min_doc_count)
            .collect();
        if let Some(Selection::Instants(bounds)) = &histogram.source.include {
            let rounding = Rounding::new(histogram.interval, histogram.zone, histogram.offset_ms);
            let (min, max) = self.bounds(histogram, shape, bounds, "hard_bounds")?;
            let (min, max) = (min.map(|ms| rounding.floor(ms)), max.map(|ms| rounding.floor(ms)));
            of_time.retain(|(ms, _)| min.is_none_or(|min| *ms >= min) && max.is_none_or(|max| *ms < max));
        }
        of_time.sort_unstable_by_key(|(ms, _)| *ms);
        if histogram.min_doc_count == 0 {
            of_time = self.fill(histogram, shape, of_time)?;
        }
        self.note(of_time.len())?;
        let mut finished = Vec::with_capacity(of_time.len());
        for (ms, bucket) in of_time {
            let text = shape.format.as_ref().map(|f| f.print(ms, shape.zone));
            let order_key = bucket.key.clone();
            finished.push((order_key, self.bucket(aggregation, BucketKey::Whole(ms), text, bucket)?));
        }
        if !histogram.order.is_empty() {
            finished
                .sort_by(|(a_key, a), (b_key, b)| full_order(&histogram.order, aggregation, (a_key, a), (b_key, b)));
        }
        Ok(AggregationResult::Buckets(Buckets {
            buckets: finished.into_iter().map(|(_, b)| b).collect(),
            other_count: None,
            error_bound: None,
            keyed: histogram.keyed,
        }))
    }

    /// Empty buckets between the first and the last, and out to the bounds.
    fn fill(
        &self,
        histogram: &DateHistogram,
        shape: &Shape,
        buckets: Vec<(i64, PartialBucket)>,
    ) -> Result<Vec<(i64, PartialBucket)>, QueryError> {
        let rounding = Rounding::new(histogram.interval, histogram.zone, histogram.offset_ms);
        let (low, high) = match &histogram.extended_bounds {
            Some(bounds) => self.bounds(histogram, shape, bounds, "extended_bounds")?,
            None => (None, None),
        };
        let first = buckets.first().map(|(ms, _)| *ms);
        let last = buckets.last().map(|(ms, _)| *ms);
        let start = first.into_iter().chain(low.map(|ms| rounding.floor(ms))).min();
        let end = last.into_iter().chain(high.map(|ms| rounding.floor(ms))).max();
        let (Some(start), Some(end)) = (start, end) else { return Ok(buckets) };
        let mut filled = Vec::with_capacity(buckets.len());
        let mut given = buckets.into_iter().peekable();
        let mut at = start;
        while at <= end {
            let empty = || PartialBucket { key: PartialKey::Whole(at), count: 0, inner: Vec::new() };
            filled.push(given.next_if(|(ms, _)| *ms <= at).unwrap_or_else(|| (at, empty())));
            if filled.len() > BUCKETS_MAX {
                let length = rounding.next(at).saturating_sub(at).max(1);
                return Err(QueryError::TooManyBuckets((end.saturating_sub(start) / length) as u64 + 1));
            }
            at = rounding.next(at);
        }
        Ok(filled)
    }

    fn bounds(
        &self,
        histogram: &DateHistogram,
        shape: &Shape,
        bounds: &ExtendedBounds,
        name: &str,
    ) -> Result<(Option<i64>, Option<i64>), QueryError> {
        let format = shape.format.clone().unwrap_or_default();
        let instant = |of: &Option<Literal>| match of {
            None | Some(Literal::Null) => Ok(None),
            Some(Literal::Number(number)) if number.parse::<i64>().is_ok() => Ok(number.parse().ok()),
            Some(text) => literal_date(text.as_text(), &format, Edge::Start, histogram.zone, self.now_ms).map(Some),
        };
        let (min, max) = (instant(&bounds.min)?, instant(&bounds.max)?);
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(QueryError::Argument(format!(
                "[{name}.min][{min}] cannot be greater than [{name}.max][{max}]"
            )));
        }
        Ok((min, max))
    }
}

fn buckets_of(partial: Partial) -> (Shape, Vec<PartialBucket>) {
    match partial {
        Partial::Buckets { shape, buckets } => (shape, buckets),
        _ => (Shape::default(), Vec::new()),
    }
}

/// An order must name a metric that is inside.
fn check_order(order: &[BucketOrder], aggregation: &Aggregation) -> Result<(), QueryError> {
    for criterion in order {
        let OrderTarget::Metric(name, part) = &criterion.target else { continue };
        let inner = aggregation.inner.iter().find(|(n, _)| n == name).map(|(_, a)| &a.kind);
        let fits = match (inner, part.as_deref()) {
            (Some(AggregationKind::Percentiles(p)), Some(part)) => {
                part.parse::<f64>().is_ok_and(|percent| p.percents.contains(&percent))
            }
            (Some(AggregationKind::Percentiles(_)), None) => false,
            (Some(AggregationKind::Stats(_)), part) => matches!(part, Some("count" | "min" | "max" | "avg" | "sum")),
            (
                Some(
                    AggregationKind::Terms(_)
                    | AggregationKind::DateHistogram(_)
                    | AggregationKind::GeohashGrid(_)
                    | AggregationKind::GeotileGrid(_)
                    | AggregationKind::Filters(_),
                )
                | None,
                _,
            ) => false,
            (Some(_), part) => part.is_none_or(|p| p == "value" || p == "_count"),
        };
        if !fits {
            let path = part.as_ref().map_or_else(|| name.clone(), |p| format!("{name}.{p}"));
            return Err(QueryError::Execution(format!(
                "Invalid aggregation order path [{path}]. The provided aggregation [{name}] either does not exist, or \
                 cannot be used to sort the buckets."
            )));
        }
    }
    Ok(())
}

fn directed(ordering: Ordering, ascending: bool) -> Ordering {
    if ascending { ordering } else { ordering.reverse() }
}

/// The order by counts and keys; without one, the most documents first. Ties stand in the order of their keys.
fn plain_order(order: &[BucketOrder], a: (u64, &PartialKey), b: (u64, &PartialKey)) -> Ordering {
    if order.is_empty() {
        return b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1));
    }
    order
        .iter()
        .map(|criterion| match criterion.target {
            OrderTarget::Key => directed(a.1.cmp(b.1), criterion.ascending),
            _ => directed(a.0.cmp(&b.0), criterion.ascending),
        })
        .find(|o| o.is_ne())
        .unwrap_or_else(|| a.1.cmp(b.1))
}

fn full_order(
    order: &[BucketOrder],
    aggregation: &Aggregation,
    a: (&PartialKey, &Bucket),
    b: (&PartialKey, &Bucket),
) -> Ordering {
    order
        .iter()
        .map(|criterion| match &criterion.target {
            OrderTarget::Key => directed(a.0.cmp(b.0), criterion.ascending),
            OrderTarget::Count => directed(a.1.count.cmp(&b.1.count), criterion.ascending),
            OrderTarget::Metric(name, part) => {
                let value = |bucket: &Bucket| metric_value(aggregation, bucket, name, part.as_deref());
                match (value(a.1), value(b.1)) {
                    // What is no number stands last in both directions.
                    (x, y) if x.is_nan() || y.is_nan() => x.is_nan().cmp(&y.is_nan()),
                    (x, y) => directed(x.total_cmp(&y), criterion.ascending),
                }
            }
        })
        .find(|o| o.is_ne())
        .unwrap_or_else(|| a.0.cmp(b.0))
}

fn metric_value(aggregation: &Aggregation, bucket: &Bucket, name: &str, part: Option<&str>) -> f64 {
    let Some((_, result)) = bucket.inner.iter().find(|(n, _)| n == name) else { return f64::NAN };
    let kind = aggregation.inner.iter().find(|(n, _)| n == name).map(|(_, a)| &a.kind);
    let empty = match kind {
        Some(AggregationKind::Min(_)) => f64::INFINITY,
        Some(AggregationKind::Max(_)) => f64::NEG_INFINITY,
        _ => f64::NAN,
    };
    match result {
        AggregationResult::Number(number) => number.value.unwrap_or(empty),
        AggregationResult::Count(count) | AggregationResult::Single { count, .. } => *count as f64,
        AggregationResult::Stats { count, min, max, avg, sum } => match part {
            Some("count") => *count as f64,
            Some("min") => min.value.unwrap_or(f64::INFINITY),
            Some("max") => max.value.unwrap_or(f64::NEG_INFINITY),
            Some("avg") => avg.value.unwrap_or(f64::NAN),
            _ => sum.value.unwrap_or(f64::NAN),
        },
        AggregationResult::Percentiles { values, .. } => {
            let percent: f64 = part.and_then(|p| p.parse().ok()).unwrap_or(f64::NAN);
            values.iter().find(|(p, _)| *p == percent).and_then(|(_, n)| n.value).unwrap_or(f64::NAN)
        }
        AggregationResult::Buckets(_) => f64::NAN,
    }
}

/// The key of a bucket as it is shown, and its text.
pub(super) fn shown_key(shape: &Shape, key: &PartialKey) -> (BucketKey, Option<String>) {
    let value = match key {
        PartialKey::Text(text) => return (BucketKey::Text(text.clone()), None),
        PartialKey::Whole(value) => *value,
    };
    match shape.kind {
        Some(FieldKind::Date) => (BucketKey::Whole(value), shape.format.as_ref().map(|f| f.print(value, shape.zone))),
        Some(FieldKind::Boolean) => (BucketKey::Whole(value), Some((value != 0).to_string())),
        Some(kind) if kind.is_fractional() => {
            (BucketKey::Fraction(to_f64(value)), shape.decimal.as_ref().map(|d| d.print(to_f64(value))))
        }
        _ => (BucketKey::Whole(value), shape.decimal.as_ref().map(|d| d.print(value as f64))),
    }
}

/// A number with its text, where it is a date or a boolean.
fn shown_number(shape: &Shape, value: Option<f64>) -> Number {
    let text = value.and_then(|v| match shape.kind {
        Some(FieldKind::Date) => shape.format.as_ref().map(|f| f.print(v as i64, shape.zone)),
        Some(FieldKind::Boolean) => Some((v != 0.0).to_string()),
        _ => shape.decimal.as_ref().map(|d| d.print(v)),
    });
    Number { value, text }
}

fn summarized(kind: &AggregationKind, shape: &Shape, summary: &Summary) -> AggregationResult {
    let some = |value: f64| (summary.count > 0).then_some(value);
    let shown = |value| shown_number(shape, value);
    let (min, max) = (some(summary.min), some(summary.max));
    let avg = some(summary.sum.value() / summary.count.max(1) as f64);
    match kind {
        AggregationKind::ValueCount(_) | AggregationKind::Cardinality(_) => AggregationResult::Count(summary.count),
        AggregationKind::Sum(_) => AggregationResult::Number(shown(Some(summary.sum.value()))),
        AggregationKind::Avg(_) => AggregationResult::Number(shown(avg)),
        AggregationKind::Min(_) => AggregationResult::Number(shown(min)),
        AggregationKind::Max(_) => AggregationResult::Number(shown(max)),
        AggregationKind::Stats(_) => AggregationResult::Stats {
            count: summary.count,
            min: shown(min),
            max: shown(max),
            avg: shown(avg),
            sum: shown(Some(summary.sum.value())),
        },
        _ => AggregationResult::Number(Number::default()),
    }
}

fn percentiles(percentiles: &Percentiles, partial: Partial) -> AggregationResult {
    let (shape, values) = match partial {
        Partial::Distribution { shape, values } => (shape, values),
        _ => Default::default(),
    };
    let found = values.percentiles(&percentiles.percents);
    AggregationResult::Percentiles {
        values: percentiles.percents.iter().copied().zip(found.into_iter().map(|v| shown_number(&shape, v))).collect(),
        keyed: percentiles.keyed,
    }
}
