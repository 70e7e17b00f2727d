//! From a node of a plan to the operator that keeps its rows, and how these become bytes.

use super::keyed::tally::Tally;
use super::keyed::{
    Changes, Final, Group, IntervalJoin, Latest, Normalize, Operator, Over, Pairs, Rank, RankOptions, RegularJoin,
    RowCodec, Session, Sides, WindowJoin,
};
use super::nullable_field;
use super::task::{Rejects, Side};
use crate::expr::Program;
use crate::plan::{Aggregate, JobPlan, JoinTime, Joining, KeyedOperator, Node, NodeId, NodeKind, OverFrame, Ranking};
use crate::types::{DataType, Schema};
use arrow_schema::{ArrowError, DataType as ArrowType, SchemaRef, SortOptions};
use std::sync::Arc;

/// What a subtask of a keyed operator is made of.
pub(crate) struct KeyedParts {
    pub(crate) place: String,
    /// How far the watermark that it gives is behind the one that it takes, in milliseconds.
    pub(crate) delay_ms: i64,
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) changes: Changes,
    pub(crate) sides: Vec<SideParts>,
}

/// How the rows of one input become bytes.
pub(crate) struct SideParts {
    keys: (Vec<usize>, RowCodec),
    columns: Vec<usize>,
    types: Vec<ArrowType>,
    codec: Arc<RowCodec>,
    change: Option<usize>,
    schema: SchemaRef,
}

/// A codec of some columns of a schema.
pub(crate) fn codec_of(schema: &Schema, columns: &[usize]) -> Result<RowCodec, ArrowError> {
    RowCodec::new(columns.iter().map(|c| schema.fields[*c].data_type.arrow()))
}

impl SideParts {
    fn of(input: &Node, keys: &[usize]) -> Result<Self, ArrowError> {
        let columns: Vec<usize> = (0..input.schema.fields.len()).filter(|c| Some(*c) != input.change).collect();
        let fields = columns.iter().map(|c| nullable_field(&input.schema.fields[*c])).collect();
        Ok(Self {
            keys: (keys.to_vec(), codec_of(&input.schema, keys)?),
            codec: Arc::new(codec_of(&input.schema, &columns)?),
            types: columns.iter().map(|c| input.schema.fields[*c].data_type.arrow()).collect(),
            columns,
            change: input.change,
            schema: Schema { fields }.arrow(),
        })
    }

    /// The side of a subtask.
    pub(crate) fn side(self, rejects: Rejects) -> Side {
        Side { keys: self.keys, rows: (self.columns, self.codec), change: self.change, rejects }
    }
}

impl KeyedParts {
    /// What `head`, a keyed operator of `plan`, is made of.
    pub(crate) fn of(plan: &JobPlan, head: NodeId) -> Result<Self, ArrowError> {
        let node = &plan.nodes[head];
        let NodeKind::Keyed { keys, operator } = &node.kind else {
            return Err(ArrowError::InvalidArgumentError(format!("node {head} keeps nothing by key")));
        };
        let inputs: Vec<&Node> = node.inputs.iter().map(|i| &plan.nodes[*i]).collect();
        let sides = inputs.iter().zip(keys).map(|(i, k)| SideParts::of(i, k)).collect::<Result<Vec<_>, _>>()?;
        let input = inputs[0];
        let first = &sides[0];
        let (built, codecs, values): (Box<dyn Operator>, Vec<Arc<RowCodec>>, usize) = match operator {
            KeyedOperator::Rank(rank) => {
                let built = Rank::new(rank_options(rank, input)?);
                (Box::new(built), vec![first.codec.clone()], usize::from(rank.numbered))
            }
            KeyedOperator::Latest => (Box::new(Latest), vec![first.codec.clone()], 0),
            KeyedOperator::Normalize => (Box::new(Normalize), vec![first.codec.clone()], 0),
            KeyedOperator::Final => (Box::new(Final), vec![first.codec.clone()], 0),
            KeyedOperator::Session { time, gap_ms, zone } => {
                let zoned = |c: usize| matches!(input.schema.fields[c].data_type, DataType::TimestampLtz(_));
                let (time, zoned) = (time.column(), time.column().is_none_or(zoned));
                let built = Session { time, gap_ms: *gap_ms, zone: *zone, zoned };
                (Box::new(built), vec![first.codec.clone()], 3)
            }
            KeyedOperator::Join(join) => {
                let codecs = sides.iter().map(|s| s.codec.clone()).collect();
                (joined(join, &sides)?, codecs, 0)
            }
            KeyedOperator::Group { aggregates } => {
                let results = &node.schema.fields[keys[0].len()..];
                let types = results.iter().map(|f| f.data_type);
                let tallies = tallies(aggregates, input, types, input.change.is_some())?;
                let codec = Arc::new(codec_of(&input.schema, &keys[0])?);
                (Box::new(Group::new(tallies)), vec![codec], aggregates.len())
            }
            KeyedOperator::Over { time_column, frame, aggregates } => {
                let types = node.schema.fields[first.columns.len()..].iter().map(|f| f.data_type);
                let leaves = !matches!(frame, OverFrame::Unbounded { .. });
                let built = Over {
                    tallies: tallies(aggregates, input, types, leaves)?,
                    time: *time_column,
                    frame: *frame,
                    codec: first.codec.clone(),
                    schema: first.schema.clone(),
                };
                (Box::new(built), vec![first.codec.clone()], aggregates.len())
            }
        };
        let changes = Changes::new(codecs, values, node.change.is_some(), &node.schema);
        let place = format!("{} {head}", operator.label());
        Ok(Self { place, delay_ms: operator.delay_ms(), operator: built, changes, sides })
    }
}

fn rank_options(rank: &Ranking, input: &Node) -> Result<RankOptions, ArrowError> {
    let sorted = rank.order.iter().map(|o| {
        let options = SortOptions { descending: o.descending, nulls_first: o.nulls_first };
        (input.schema.fields[o.column].data_type.arrow(), options)
    });
    Ok(RankOptions {
        order: (rank.order.iter().map(|o| o.column).collect(), RowCodec::sorted(sorted)?),
        from: rank.from,
        to: rank.to.unwrap_or(u64::MAX),
        numbered: rank.numbered,
        newest_first: rank.newest_first,
        retracts: input.change.is_some(),
        window: rank.window,
    })
}

fn tallies(
    aggregates: &[Aggregate],
    input: &Node,
    results: impl Iterator<Item = DataType>,
    retracts: bool,
) -> Result<Vec<Tally>, ArrowError> {
    let all = aggregates.iter().zip(results).enumerate();
    all.map(|(n, (a, result))| Tally::new(a, &input.schema.fields, result, n, retracts)).collect()
}

fn joined(join: &Joining, sides: &[SideParts]) -> Result<Box<dyn Operator>, ArrowError> {
    let [left, right] = sides else {
        return Err(ArrowError::InvalidArgumentError("a join has two inputs".into()));
    };
    let condition = match &join.condition {
        None => None,
        Some(condition) => {
            let program = Program::compile(std::slice::from_ref(condition));
            let program = program.map_err(|e| ArrowError::ExternalError(Box::new(e)))?;
            let fields: Vec<_> = left.schema.fields().iter().chain(right.schema.fields()).cloned().collect();
            Some((program, Arc::new(arrow_schema::Schema::new(fields))))
        }
    };
    let outer = Sides { left: join.keeps_left, right: join.keeps_right };
    let codecs = [left.codec.clone(), right.codec.clone()];
    let pairs = Pairs::new(codecs, [&left.types, &right.types], condition, outer)?;
    Ok(match join.time {
        JoinTime::Unbounded => Box::new(RegularJoin::new(pairs)),
        JoinTime::Interval { times, lower_ms, upper_ms } => Box::new(IntervalJoin { pairs, times, lower_ms, upper_ms }),
        JoinTime::Window { ends, zone } => Box::new(WindowJoin { pairs, ends, zone }),
    })
}
