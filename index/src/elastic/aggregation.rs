//! Aggregations, from JSON.

use super::body::{Body, literal, token};
use super::failure::Failure;
use crate::aggregate::{
    Aggregation, AggregationKind, BucketOrder, Filters, Grid, OrderTarget, Percentiles, Selection, Terms, ValueSource,
};
use crate::geo::{GEOHASH_DIGITS_MAX, GeoBox, TILE_ZOOM_MAX};
use crate::json::{Member, Node, Value};

/// Deepest nesting of aggregations.
const DEPTH_MAX: usize = 16;
/// Cells of a grid returned where nothing is said.
const GRID_SIZE: usize = 10_000;
/// Aggregations that the real one knows and this index does not.
const UNSUPPORTED: [&str; 42] = [
    "histogram",
    "auto_date_histogram",
    "range",
    "date_range",
    "ip_range",
    "geo_distance",
    "global",
    "composite",
    "nested",
    "reverse_nested",
    "children",
    "parent",
    "sampler",
    "diversified_sampler",
    "significant_terms",
    "significant_text",
    "rare_terms",
    "adjacency_matrix",
    "variable_width_histogram",
    "extended_stats",
    "percentile_ranks",
    "top_hits",
    "geo_bounds",
    "geo_centroid",
    "scripted_metric",
    "median_absolute_deviation",
    "matrix_stats",
    "derivative",
    "cumulative_sum",
    "moving_fn",
    "moving_avg",
    "bucket_script",
    "bucket_selector",
    "bucket_sort",
    "max_bucket",
    "min_bucket",
    "avg_bucket",
    "sum_bucket",
    "stats_bucket",
    "extended_stats_bucket",
    "percentiles_bucket",
    "serial_diff",
];

impl Body {
    /// The aggregations of a search (`within` nothing), or those of the buckets of the one with this path.
    pub(super) fn aggregations(&self, node: &Node, within: &str) -> Result<Vec<(String, Aggregation)>, Failure> {
        if within.split('>').count() > DEPTH_MAX {
            return Err(self.parsing(node.at, format!("aggregations are nested more than {DEPTH_MAX} deep")));
        }
        node.members().unwrap_or_default().iter().map(|m| self.named_aggregation(m, within)).collect()
    }

    fn named_aggregation(&self, member: &Member, within: &str) -> Result<(String, Aggregation), Failure> {
        let name = &member.key;
        if name.is_empty() || name.contains(['[', ']', '>']) {
            let reason = format!(
                "Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', ']', and '>'"
            );
            return Err(self.parsing(member.at, reason));
        }
        let Some(members) = member.node.members() else {
            let kind = token(&member.node.value);
            let reason =
                format!("Aggregation definition for [{name} starts with a [{kind}], expected a [START_OBJECT].");
            return Err(self.parsing(member.node.at, reason));
        };
        let path = if within.is_empty() { name.clone() } else { format!("{within}>{name}") };
        let (mut found, mut inner): (Option<(&str, AggregationKind)>, _) = (None, Vec::new());
        for part in members {
            if part.node.members().is_none() {
                let kind = token(&part.node.value);
                let reason = format!("Expected [START_OBJECT] under [{}], but got a [{kind}] in [{name}]", part.key);
                return Err(self.parsing(part.node.at, reason));
            }
            match (part.key.as_str(), &found) {
                ("aggs" | "aggregations", _) => inner = self.aggregations(&part.node, &path)?,
                ("meta", _) => self.note(&path, &part.node),
                (second, Some((first, _))) => {
                    let reason =
                        format!("Found two aggregation type definitions in [{name}]: [{first}] and [{second}]");
                    return Err(self.parsing(part.node.at, reason));
                }
                (kind, None) => found = Some((kind, self.aggregation_kind(name, part)?)),
            }
        }
        let Some((_, kind)) = found else {
            return Err(self.parsing(member.node.end, format!("Missing definition for aggregation [{name}]")));
        };
        if !inner.is_empty() && !has_buckets(&kind) {
            let reason = format!("Aggregator [{name}] of type [{}] cannot accept sub-aggregations", kind.name());
            return Err(Failure::new(500, "aggregation_initialization_exception", reason));
        }
        Ok((name.clone(), Aggregation { kind, inner }))
    }

    fn aggregation_kind(&self, name: &str, part: &Member) -> Result<AggregationKind, Failure> {
        let members = part.node.members().unwrap_or_default();
        let value = |kind: &str, extra: &[&str]| self.value_source(kind, members, extra);
        Ok(match part.key.as_str() {
            "terms" => AggregationKind::Terms(self.terms_aggregation(name, members)?),
            "date_histogram" => AggregationKind::DateHistogram(self.date_histogram(name, members)?),
            "geohash_grid" => AggregationKind::GeohashGrid(self.grid("geohash_grid", members)?),
            "geotile_grid" => AggregationKind::GeotileGrid(self.grid("geotile_grid", members)?),
            "filter" => AggregationKind::Filter(self.query(&part.node)?),
            "filters" => AggregationKind::Filters(self.filters_aggregation(members)?),
            "missing" => AggregationKind::Missing(value("missing", &[])?.field),
            "sum" => AggregationKind::Sum(value("sum", &[])?),
            "avg" => AggregationKind::Avg(value("avg", &[])?),
            "min" => AggregationKind::Min(value("min", &[])?),
            "max" => AggregationKind::Max(value("max", &[])?),
            "stats" => AggregationKind::Stats(value("stats", &[])?),
            "value_count" => AggregationKind::ValueCount(value("value_count", &[])?),
            // Counts are exact here, whatever precision is asked for.
            "cardinality" => {
                for member in members.iter().filter(|m| m.key == "precision_threshold") {
                    self.not_negative("cardinality", name, member, "precisionThreshold")?;
                }
                AggregationKind::Cardinality(value("cardinality", &["precision_threshold"])?)
            }
            "percentiles" => AggregationKind::Percentiles(self.percentiles(name, members)?),
            "weighted_avg" => self.weighted_avg(members)?,
            kind if UNSUPPORTED.contains(&kind) => {
                return Err(self.parsing(part.node.at, format!("aggregation [{kind}] is not supported by this index")));
            }
            kind => {
                let cause = format!("[{}] unknown field [{kind}]", self.place(part.node.at));
                return Err(self
                    .parsing(part.node.at, format!("Unknown aggregation type [{kind}]"))
                    .caused_by(Failure::new(400, "named_object_not_found_exception", cause)));
            }
        })
    }

    /// Takes a member that every aggregation over values has. Returns whether it was one.
    pub(super) fn source_member(&self, kind: &str, member: &Member, source: &mut ValueSource) -> Result<bool, Failure> {
        match member.key.as_str() {
            "field" => source.field = self.text(kind, member)?,
            "missing" => {
                source.missing = Some(literal(&member.node.value).ok_or_else(|| self.wrong_kind(kind, member))?);
            }
            "format" => source.format = Some(self.text(kind, member)?),
            "script" => {
                return Err(Failure::argument(format!("[{kind}] with a [script] is not supported by this index")));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn value_source(&self, kind: &str, members: &[Member], without_effect: &[&str]) -> Result<ValueSource, Failure> {
        let mut source = ValueSource::default();
        for member in members {
            let known = self.source_member(kind, member, &mut source)? || without_effect.contains(&member.key.as_str());
            if !known {
                return Err(self.unknown(kind, member));
            }
        }
        required(source)
    }

    fn terms_aggregation(&self, name: &str, members: &[Member]) -> Result<Terms, Failure> {
        let mut terms =
            Terms { source: ValueSource::default(), size: 10, shard_size: None, order: Vec::new(), min_doc_count: 1 };
        for member in members {
            if self.source_member("terms", member, &mut terms.source)? {
                continue;
            }
            match member.key.as_str() {
                "size" => terms.size = self.positive("terms", name, member)?,
                "shard_size" => terms.shard_size = Some(self.positive("terms", name, member)?),
                "order" => terms.order = self.order("terms", member)?,
                "min_doc_count" => terms.min_doc_count = self.min_doc_count("terms", name, member)?,
                "include" => terms.source.include = Some(self.selection(member)?),
                "exclude" => terms.source.exclude = Some(self.selection(member)?),
                // These choose between ways that give the same counts here.
                "execution_hint" | "collect_mode" | "shard_min_doc_count" => {}
                "show_term_doc_count_error" if !self.boolean("terms", member)? => {}
                "value_type" | "show_term_doc_count_error" => {
                    let reason = format!("[{}] on a [terms] aggregation is not supported by this index", member.key);
                    return Err(self.failed("terms", member, Failure::argument(reason)));
                }
                _ => return Err(self.unknown("terms", member)),
            }
        }
        terms.source = required(terms.source)?;
        Ok(terms)
    }

    fn selection(&self, member: &Member) -> Result<Selection, Failure> {
        match &member.node.value {
            Value::Text(pattern) => Ok(Selection::Pattern(pattern.clone())),
            Value::Array(items) => {
                let values: Option<Vec<_>> = items.iter().map(|i| literal(&i.value)).collect();
                values.map(Selection::Values).ok_or_else(|| self.wrong_kind("terms", member))
            }
            _ => {
                let reason = format!("[{}] by partition is not supported by this index", member.key);
                Err(self.failed("terms", member, Failure::argument(reason)))
            }
        }
    }

    fn positive(&self, kind: &str, name: &str, member: &Member) -> Result<usize, Failure> {
        let number = self.whole(kind, member)?;
        usize::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| {
            let reason = format!("[{}] must be greater than 0. Found [{number}] in [{name}]", member.key);
            self.failed(kind, member, Failure::argument(reason))
        })
    }

    pub(super) fn min_doc_count(&self, kind: &str, name: &str, member: &Member) -> Result<u64, Failure> {
        self.not_negative(kind, name, member, "minDocCount")
    }

    fn not_negative(&self, kind: &str, name: &str, member: &Member, called: &str) -> Result<u64, Failure> {
        let number = self.whole(kind, member)?;
        u64::try_from(number).map_err(|_| {
            let reason = format!("[{called}] must be greater than or equal to 0. Found [{number}] in [{name}]");
            self.failed(kind, member, Failure::argument(reason))
        })
    }

    pub(super) fn order(&self, kind: &str, member: &Member) -> Result<Vec<BucketOrder>, Failure> {
        let one = |node: &Node| match node.members() {
            Some([criterion]) => self.criterion(kind, member, criterion),
            _ => {
                let reason = "Must specify at least one field for [order]";
                Err(self.failed(kind, member, self.parsing(node.at, reason)))
            }
        };
        match &member.node.value {
            Value::Array(items) => items.iter().map(one).collect(),
            Value::Object(_) => Ok(vec![one(&member.node)?]),
            _ => Err(self.wrong_kind(kind, member)),
        }
    }

    fn criterion(&self, kind: &str, member: &Member, criterion: &Member) -> Result<BucketOrder, Failure> {
        let ascending = match criterion.node.text().map(str::to_ascii_lowercase).as_deref() {
            Some("asc") => true,
            Some("desc") => false,
            other => {
                let reason = format!("Unknown order direction [{}]", other.unwrap_or_default());
                return Err(self.failed(kind, member, self.parsing(criterion.node.at, reason)));
            }
        };
        let target = match criterion.key.as_str() {
            "_count" => OrderTarget::Count,
            "_key" | "_term" | "_time" => OrderTarget::Key,
            path => match path.split_once('.') {
                Some((name, part)) => OrderTarget::Metric(name.to_owned(), Some(part.to_owned())),
                None => OrderTarget::Metric(path.to_owned(), None),
            },
        };
        Ok(BucketOrder { target, ascending })
    }

    fn grid(&self, kind: &str, members: &[Member]) -> Result<Grid, Failure> {
        let geohash = kind == "geohash_grid";
        let mut grid =
            Grid { field: String::new(), precision: if geohash { 5 } else { 7 }, size: GRID_SIZE, bounds: None };
        for member in members {
            match member.key.as_str() {
                "field" => grid.field = self.text(kind, member)?,
                "precision" => grid.precision = self.precision(kind, member, geohash)?,
                "size" => grid.size = self.positive(kind, kind, member)?,
                // There is one shard, which considers all cells.
                "shard_size" => {
                    self.positive(kind, kind, member)?;
                }
                "bounds" => grid.bounds = Some(self.grid_bounds(kind, member)?),
                _ => return Err(self.unknown(kind, member)),
            }
        }
        if grid.field.is_empty() { Err(no_field()) } else { Ok(grid) }
    }

    fn precision(&self, kind: &str, member: &Member, geohash: bool) -> Result<u8, Failure> {
        let (least, greatest) =
            if geohash { (1, i64::from(GEOHASH_DIGITS_MAX)) } else { (0, i64::from(TILE_ZOOM_MAX)) };
        let number = match (member.node.text().and_then(distance_metres), geohash) {
            (Some(metres), true) => digits_for(metres),
            _ => self.whole(kind, member)?,
        };
        u8::try_from(number).ok().filter(|p| (least..=greatest).contains(&i64::from(*p))).ok_or_else(|| {
            let name = if geohash { "geohash" } else { "geotile_grid" };
            let reason =
                format!("Invalid {name} aggregation precision of {number}. Must be between {least} and {greatest}.");
            self.failed(kind, member, Failure::argument(reason))
        })
    }

    fn grid_bounds(&self, kind: &str, member: &Member) -> Result<GeoBox, Failure> {
        let Some(members) = member.node.members() else { return Err(self.wrong_kind(kind, member)) };
        let bounds = self.corners(members).map_err(|cause| self.failed(kind, member, cause))?;
        let all = [bounds.top, bounds.left, bounds.bottom, bounds.right];
        if all.iter().all(|v| v.is_finite()) && bounds.top >= bounds.bottom {
            return Ok(bounds);
        }
        Err(self.failed(kind, member, Failure::argument("the corners of [bounds] make no box")))
    }

    fn filters_aggregation(&self, members: &[Member]) -> Result<Filters, Failure> {
        let mut filters = Filters { filters: Vec::new(), other: None, keyed: true };
        let mut wants_other = false;
        for member in members {
            match (member.key.as_str(), &member.node.value) {
                ("filters", Value::Object(of)) => {
                    filters.filters =
                        of.iter().map(|f| Ok((f.key.clone(), self.query(&f.node)?))).collect::<Result<_, Failure>>()?;
                    // They are answered in the order of their names.
                    filters.filters.sort_by(|a, b| a.0.cmp(&b.0));
                }
                ("filters", Value::Array(of)) => {
                    filters.keyed = false;
                    let named = of.iter().enumerate().map(|(i, q)| Ok((i.to_string(), self.query(q)?)));
                    filters.filters = named.collect::<Result<_, Failure>>()?;
                }
                ("other_bucket", _) => wants_other = self.boolean("filters", member)?,
                ("other_bucket_key", _) => filters.other = Some(self.text("filters", member)?),
                _ => return Err(self.unknown("filters", member)),
            }
        }
        if wants_other && filters.other.is_none() {
            filters.other = Some("_other_".to_owned());
        }
        if filters.filters.is_empty() {
            return Err(Failure::argument("[filters] cannot be empty"));
        }
        Ok(filters)
    }

    fn percentiles(&self, name: &str, members: &[Member]) -> Result<Percentiles, Failure> {
        const KIND: &str = "percentiles";
        let mut of = Percentiles {
            source: ValueSource::default(),
            percents: vec![1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0],
            keyed: true,
        };
        let build = |reason: String| {
            let what = "Failed to build [percentiles] after last required field arrived";
            Failure::new(400, "x_content_parse_exception", what).caused_by(Failure::argument(reason))
        };
        for member in members {
            if self.source_member(KIND, member, &mut of.source)? {
                continue;
            }
            match (member.key.as_str(), &member.node.value) {
                ("percents", Value::Number(_)) => of.percents = vec![self.number(KIND, member)?],
                ("percents", Value::Array(items)) => {
                    let number = |item: &Node| match &item.value {
                        Value::Number(text) | Value::Text(text) => text.parse::<f64>().ok(),
                        _ => None,
                    };
                    let percents: Option<Vec<f64>> = items.iter().map(number).collect();
                    of.percents = percents.ok_or_else(|| self.wrong_kind(KIND, member))?;
                    of.percents.sort_by(f64::total_cmp);
                }
                ("keyed", _) => of.keyed = self.boolean(KIND, member)?,
                // Percentiles are exact here, whatever compression is asked for.
                ("tdigest", Value::Object(inner)) if inner.iter().all(|m| m.key == "compression") => {}
                ("hdr", _) => {
                    let cause = Failure::argument("[hdr] is not supported by this index");
                    return Err(self.failed(KIND, member, cause));
                }
                _ => return Err(self.unknown(KIND, member)),
            }
        }
        if of.percents.is_empty() {
            return Err(build(format!("[percents] must not be empty: [{name}]")));
        }
        if let Some(wrong) = of.percents.iter().find(|p| !(0.0..=100.0).contains(*p)) {
            return Err(build(format!("percent must be in [0,100], got [{wrong:?}]: [{name}]")));
        }
        of.source = required(of.source)?;
        Ok(of)
    }

    fn weighted_avg(&self, members: &[Member]) -> Result<AggregationKind, Failure> {
        const KIND: &str = "weighted_avg";
        let (mut value, mut weight, mut format) = (None::<ValueSource>, None, None);
        for member in members {
            let side = || {
                let inner = member.node.members().ok_or_else(|| self.wrong_kind(KIND, member))?;
                self.value_source(KIND, inner, &[])
            };
            match member.key.as_str() {
                "value" => value = Some(side()?),
                "weight" => weight = Some(side()?),
                "format" => format = Some(self.text(KIND, member)?),
                "value_type" => {
                    let reason = format!("[{}] on a [weighted_avg] is not supported by this index", member.key);
                    return Err(self.failed(KIND, member, Failure::argument(reason)));
                }
                _ => return Err(self.unknown(KIND, member)),
            }
        }
        let missing = |name: &str| shard_argument(&format!("Could not find field name [{name}] in multiValuesSource"));
        let value = ValueSource { format, ..value.ok_or_else(|| missing("value"))? };
        let weight = weight.ok_or_else(|| missing("weight"))?;
        Ok(AggregationKind::WeightedAvg { value, weight })
    }
}

fn has_buckets(kind: &AggregationKind) -> bool {
    matches!(
        kind,
        AggregationKind::Terms(_)
            | AggregationKind::DateHistogram(_)
            | AggregationKind::GeohashGrid(_)
            | AggregationKind::GeotileGrid(_)
            | AggregationKind::Filter(_)
            | AggregationKind::Filters(_)
            | AggregationKind::Missing(_)
    )
}

fn no_field() -> Failure {
    Failure::argument("Required one of fields [field, script], but none were specified. ")
}

pub(super) fn required(source: ValueSource) -> Result<ValueSource, Failure> {
    if source.field.is_empty() { Err(no_field()) } else { Ok(source) }
}

/// An argument that the real one finds wrong in a shard.
pub(super) fn shard_argument(reason: &str) -> Failure {
    Failure::from(crate::IndexError::Query(crate::QueryError::Argument(reason.to_owned())))
}

/// Metres of `1km` and the like, which a geohash precision may be given as.
fn distance_metres(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..at].trim().parse().ok()?;
    let metres = match &text[at..] {
        "m" => 1.0,
        "km" => 1_000.0,
        "cm" => 0.01,
        "mm" => 0.001,
        "mi" | "miles" => 1_609.344,
        "yd" => 0.9144,
        "ft" => 0.3048,
        _ => return None,
    };
    Some(number * metres)
}

/// The digits of the largest geohash cell whose diagonal is at most so many metres.
fn digits_for(metres: f64) -> i64 {
    const EARTH_METRES: f64 = 40_075_016.685_578_5;
    (1..=12)
        .find(|digits| {
            let bits = 5 * digits;
            let (lat_bits, lon_bits) = (bits / 2, bits - bits / 2);
            let (height, width) = (EARTH_METRES / 2.0 / 2f64.powi(lat_bits), EARTH_METRES / 2f64.powi(lon_bits));
            height.hypot(width) <= metres
        })
        .map_or(12, i64::from)
}
