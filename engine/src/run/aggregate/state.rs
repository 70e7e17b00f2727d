//! The state of a windowed aggregation: rows go into slices, the watermark takes windows out.

use super::parts::{SliceTable, WindowParts};
use super::stored::{GroupsPart, stow};
use super::table::{GroupTable, Groups, Shape};
use super::window::{Slice, Sliced, Windows, slice_of};
use crate::plan::{WindowSource, WindowTime};
use crate::run::spill::Share;
use crate::types::{DataType, Field, Schema};
use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use model::Watermark;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Bytes of groups that are encoded before they go to disk together.
const STOWED_TOGETHER_BYTES: usize = 16 * 1024 * 1024;
/// Most rows of one batch of results.
const RESULT_ROWS_MAX: usize = 8_192;

/// Why rows were not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// The last window that they belong to has closed; when it ended, on the clock of the windows, where that is known.
    Late(Option<i64>),
    /// They have no time.
    Timeless,
}

/// Groups on their way to where they are merged.
#[derive(Debug, Clone)]
pub(crate) struct Partials {
    pub(crate) parts: Vec<(Slice, Groups)>,
}

impl Partials {
    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, g)| g.bytes() + size_of::<Slice>()).sum()
    }

    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(|(_, g)| g.len()).sum()
    }
}

/// Groups of all open windows.
pub(crate) struct Aggregation {
    shape: Arc<Shape>,
    windows: Windows,
    source: WindowSource,
    slices: BTreeMap<Slice, SliceState>,
    watermark: i64,
    /// Windows that close at or before this watermark are not this job's: somebody else has given their results.
    closed_elsewhere: i64,
    /// The moment at which rows come, where windows go by the clock, in milliseconds since the epoch.
    now_ms: i64,
    output: SchemaRef,
    window_fields: Vec<Field>,
    /// Bytes of memory as of the last call that changed a slice.
    bytes: usize,
    /// Its part of the job's memory; `None` where nothing bounds it.
    share: Option<Share>,
}

struct SliceState {
    table: SliceTable,
    /// Changed since its windows were last given out early.
    changed: bool,
}

/// Results on their way out, so that a large window leaves in pieces.
#[derive(Debug, Default)]
pub(crate) struct Emission {
    windows: VecDeque<Slice>,
    current: Option<Current>,
    /// The windows stay open; what leaves now is replaced later.
    early: bool,
}

#[derive(Debug)]
struct Current {
    window: Slice,
    parts: WindowParts,
    /// The part that leaves now; of it the groups up to `next` have left.
    part: Option<Arc<GroupTable>>,
    next: usize,
}

impl Emission {
    /// Whether nothing is left to give.
    pub(crate) fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.current.is_none()
    }
}

impl Aggregation {
    /// An aggregation without groups. `output` is the schema of the results, whose last three columns are the window's.
    pub(crate) fn new(shape: Shape, windows: Windows, source: WindowSource, output: &Schema) -> Self {
        let fields = &output.fields;
        Self {
            shape: Arc::new(shape),
            windows,
            source,
            slices: BTreeMap::new(),
            watermark: i64::MIN,
            closed_elsewhere: i64::MIN,
            now_ms: 0,
            output: output.arrow(),
            window_fields: fields[fields.len().saturating_sub(3)..].to_vec(),
            bytes: 0,
            share: None,
        }
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Groups of all slices.
    pub(crate) fn groups(&self) -> usize {
        self.slices.values().map(|s| s.table.len()).sum()
    }

    fn measure(&mut self) {
        self.bytes = self.slices.values().map(|s| s.table.bytes()).sum();
    }

    /// Begins at `watermark` with these groups, which are of this aggregation's shape.
    pub(crate) fn restore(&mut self, watermark: Watermark, parts: Vec<(Slice, GroupsPart)>) -> Result<(), ArrowError> {
        self.watermark = watermark.0;
        let mut slices: BTreeMap<Slice, Vec<GroupsPart>> = BTreeMap::new();
        parts.into_iter().for_each(|(slice, part)| slices.entry(slice).or_default().push(part));
        for (slice, parts) in slices {
            let table = SliceTable::of(&self.shape, parts)?;
            self.slices.insert(slice, SliceState { table, changed: true });
        }
        self.measure();
        self.settle()
    }

    /// Leaves the windows alone that close at or before `watermark`: rows of theirs are passed over, and are not late.
    pub(crate) fn leave_closed(&mut self, watermark: Option<i64>) {
        self.closed_elsewhere = watermark.unwrap_or(i64::MIN);
    }

    /// Keeps to a part of the job's memory from now on.
    pub(crate) fn keep_to(&mut self, share: Share) {
        self.share = Some(share);
    }

    fn settle_if_due(&mut self) -> Result<(), ArrowError> {
        if self.share.as_ref().is_some_and(|share| share.is_due(self.bytes)) { self.settle() } else { Ok(()) }
    }

    /// Tells how much it holds, and moves to disk what is past its part of the job's memory: the largest parts first.
    pub(crate) fn settle(&mut self) -> Result<(), ArrowError> {
        let Some(share) = &mut self.share else { return Ok(()) };
        let surplus = share.hold(self.bytes);
        if surplus == 0 {
            return Ok(());
        }
        let store = share.store().clone();
        let goal = self.bytes.saturating_sub(surplus);
        let mut held: Vec<(usize, Slice, usize)> = Vec::new();
        for (slice, state) in &mut self.slices {
            let parts = state.table.held(&self.shape)?;
            held.extend(parts.into_iter().map(|(part, bytes)| (bytes, *slice, part)));
        }
        held.sort_unstable_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
        self.measure();
        let mut held = held.into_iter();
        while self.bytes > goal {
            let (mut chosen, mut bytes) = (Vec::new(), 0);
            while bytes < STOWED_TOGETHER_BYTES.min(self.bytes - goal)
                && let Some(next) = held.next()
            {
                bytes += next.0;
                chosen.push(next);
            }
            if chosen.is_empty() {
                break;
            }
            let tables = chosen.iter().filter_map(|(_, slice, part)| {
                self.slices.get_mut(slice).map(|state| state.table.take(&self.shape, *part))
            });
            let tables: Vec<Arc<GroupTable>> = tables.collect();
            for ((_, slice, part), stored) in chosen.into_iter().zip(stow(&tables, &self.shape, &store)?) {
                if let Some(state) = self.slices.get_mut(&slice) {
                    state.table.push_stored(&self.shape, part, stored)?;
                }
            }
            self.measure();
        }
        if let Some(share) = &mut self.share {
            share.hold(self.bytes);
        }
        Ok(())
    }

    /// The moment at which rows come from now on, in milliseconds since the epoch: it is their time where windows go by the
    /// clock.
    pub(crate) fn tell(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// The slice that the moment is in, where windows go by the clock.
    fn present(&self) -> Option<Slice> {
        match &self.windows {
            Windows::Assigned { spec, slice_ms } if spec.time == WindowTime::Processing => {
                Some(slice_of(spec, *slice_ms, spec.zone.wall_ms(self.now_ms)))
            }
            _ => None,
        }
    }

    /// The first moment after the one that was told at which a window may be over, in milliseconds since the epoch.
    pub(crate) fn next_end_ms(&self) -> i64 {
        self.present().map_or(i64::MAX, |slice| self.windows.closes_at(slice.end).saturating_add(1))
    }

    /// The slice with what has become of its windows written on it: subtasks look at the clock one by one, and whoever goes
    /// on from here begins with the one that is furthest behind.
    fn kept(&self, slice: Slice) -> Slice {
        let from = if self.present().is_some() { self.open_part(slice).from } else { slice.from };
        Slice { from: from.max(slice.from), ..slice }
    }

    /// The watermark and all groups as they are now. What changes later changes a copy.
    pub(crate) fn freeze(&self) -> (i64, Vec<(Slice, GroupsPart)>) {
        let of = |(slice, state): (&Slice, &SliceState)| {
            let kept = self.kept(*slice);
            state.table.all().map(|part| (kept, part)).collect::<Vec<_>>()
        };
        (self.watermark, self.slices.iter().flat_map(of).collect())
    }

    /// Takes the rows of `batch` in; those that cannot be are handed to `reject`.
    pub(crate) fn update(
        &mut self,
        batch: &RecordBatch,
        reject: &mut dyn FnMut(Rejected, &[u32]),
    ) -> Result<(), ArrowError> {
        let mut timeless = Vec::new();
        let sliced = self.slice(batch, &mut timeless)?;
        if !timeless.is_empty() {
            reject(Rejected::Timeless, &timeless);
        }
        if sliced.parts.is_empty() {
            return Ok(());
        }
        let keys = self.shape.keys.encode(batch);
        for (slice, rows) in sliced.parts {
            // With gaps between windows a row may belong to none.
            let Some(last) = self.windows.last_window_of(slice) else { continue };
            let closes = self.windows.closes_at(last.end);
            if closes <= self.closed_elsewhere {
                continue;
            }
            if closes <= self.watermark {
                reject(Rejected::Late(Some(last.end)), &rows);
                continue;
            }
            let slice = self.open_part(slice);
            let shape = &self.shape;
            let state = self.slices.entry(slice).or_insert_with(|| SliceState::new(shape));
            state.changed = true;
            let before = state.table.bytes();
            state.table.update(shape, batch, &keys, &rows)?;
            self.bytes = (self.bytes + state.table.bytes()).saturating_sub(before);
        }
        self.settle_if_due()
    }

    /// The slice for rows that come now: without the windows that share it and have closed.
    fn open_part(&self, slice: Slice) -> Slice {
        let passed = self.watermark.max(self.closed_elsewhere);
        if self.windows.is_slice_window() || self.windows.closes_at(slice.end) > passed {
            return slice;
        }
        let mut windows = self.windows.windows_of(slice).into_iter();
        let closed = windows.next().is_some_and(|w| self.windows.closes_at(w.end) <= passed);
        let open = windows.find(|w| self.windows.closes_at(w.end) > passed);
        Slice { from: open.filter(|_| closed).map_or(i64::MIN, |w| w.end), ..slice }
    }

    fn slice(&self, batch: &RecordBatch, timeless: &mut Vec<u32>) -> Result<Sliced, ArrowError> {
        let mut none = |row: usize| {
            timeless.push(row as u32);
            None
        };
        if let Some(present) = self.present() {
            return Ok(Sliced::new(batch.num_rows(), |_| Some(present)));
        }
        match (&self.source, &self.windows) {
            (WindowSource::Assigned(spec), Windows::Assigned { slice_ms, .. }) => {
                let column = spec.time.column().unwrap_or_default();
                let times = millis(batch, column)?;
                let (utc, nulls) = (spec.zone.is_utc(), times.nulls());
                let mut current = Slice::new(0, 0);
                Ok(Sliced::new(batch.num_rows(), |row| {
                    if nulls.is_some_and(|n| n.is_null(row)) {
                        return none(row);
                    }
                    let at = times.value(row);
                    let wall = if utc { at } else { spec.zone.wall_ms(at) };
                    if !(current.start..current.end).contains(&wall) {
                        current = slice_of(spec, *slice_ms, wall);
                    }
                    Some(current)
                }))
            }
            (WindowSource::Attached { start_column, end_column, .. }, _) => {
                let (starts, ends) = (millis(batch, *start_column)?, millis(batch, *end_column)?);
                Ok(Sliced::new(batch.num_rows(), |row| {
                    if starts.is_null(row) || ends.is_null(row) {
                        return none(row);
                    }
                    Some(Slice::new(starts.value(row), ends.value(row)))
                }))
            }
            _ => Err(ArrowError::InvalidArgumentError("windows and their source do not fit".into())),
        }
    }

    /// Takes groups in that another part of the aggregation has made. By the clock they belong to the moment.
    pub(crate) fn merge(&mut self, partials: &Partials) -> Result<(), ArrowError> {
        let present = self.present();
        for (slice, groups) in &partials.parts {
            let state = self.slices.entry(present.unwrap_or(*slice)).or_insert_with(|| SliceState::new(&self.shape));
            state.changed = true;
            state.table.merge(&self.shape, groups)?;
        }
        self.measure();
        self.settle_if_due()
    }

    /// Takes out the groups of slices that end at or before `watermark`, to be merged elsewhere.
    pub(crate) fn take_passed(&mut self, watermark: Watermark) -> Partials {
        self.watermark = self.watermark.max(watermark.0);
        let mut parts = Vec::new();
        while let Some(entry) = self.slices.first_entry() {
            if self.windows.closes_at(entry.key().end) > self.watermark {
                break;
            }
            let (slice, state) = entry.remove_entry();
            parts.extend(state.table.into_groups().map(|groups| (slice, groups)));
        }
        self.measure();
        Partials { parts }
    }

    /// Takes all groups out, to be merged elsewhere.
    pub(crate) fn take_all(&mut self) -> Partials {
        self.bytes = 0;
        let slices = std::mem::take(&mut self.slices);
        let of = |(slice, state): (Slice, SliceState)| state.table.into_groups().map(move |groups| (slice, groups));
        Partials { parts: slices.into_iter().flat_map(of).collect() }
    }

    /// Moves the watermark; gives the windows that close by it. All of them must be given out by
    /// [`Aggregation::next_batch`] before anything else is done.
    pub(crate) fn advance(&mut self, watermark: Watermark) -> Emission {
        let before = self.watermark;
        self.watermark = before.max(watermark.0);
        let mut windows = VecDeque::new();
        if self.windows.is_slice_window() {
            let closed = |slice: &&Slice| self.windows.closes_at(slice.end) <= self.watermark;
            windows.extend(self.slices.keys().take_while(closed));
        } else {
            let mut after = i64::MIN;
            while let Some(window) = self.first_window_after(before, after) {
                if self.windows.closes_at(window.end) > self.watermark {
                    break;
                }
                after = window.end;
                windows.push_back(window);
            }
        }
        Emission { windows, current: None, early: false }
    }

    /// The earliest window with rows that closes after the watermark `closed` and ends after `end`.
    fn first_window_after(&self, closed: i64, end: i64) -> Option<Slice> {
        self.slices.keys().find_map(|slice| {
            let last = self.windows.last_window_of(*slice)?;
            if last.end <= end || self.windows.closes_at(last.end) <= closed {
                return None;
            }
            self.windows.windows_of(*slice).into_iter().find(|w| w.end > end && self.windows.closes_at(w.end) > closed)
        })
    }

    /// The open windows that have changed since they were last given out early. They stay open.
    pub(crate) fn early(&mut self) -> Emission {
        let open = |w: &Slice| self.windows.closes_at(w.end) > self.watermark;
        let changed = self.slices.iter().filter(|(_, state)| state.changed);
        let windows: BTreeSet<Slice> = changed.flat_map(|(s, _)| self.windows.windows_of(*s)).filter(open).collect();
        self.slices.values_mut().for_each(|s| s.changed = false);
        Emission { windows: windows.into_iter().collect(), current: None, early: true }
    }

    /// The next rows of an emission; `None` when all have been given.
    pub(crate) fn next_batch(&mut self, emission: &mut Emission) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if emission.current.is_none() {
                let Some(window) = emission.windows.pop_front() else {
                    self.forget_closed();
                    return Ok(None);
                };
                let slices = self.slices_of(window, emission.early);
                let parts = WindowParts::new(&self.shape, slices)?;
                emission.current = Some(Current { window, parts, part: None, next: 0 });
            }
            let Some(current) = &mut emission.current else { continue };
            if current.part.is_none() {
                (current.part, current.next) = (current.parts.take(&self.shape)?, 0);
            }
            let Some(part) = &current.part else {
                emission.current = None;
                continue;
            };
            let groups = part.groups();
            let range = current.next..groups.len().min(current.next + RESULT_ROWS_MAX);
            if range.is_empty() {
                current.part = None;
                continue;
            }
            current.next = range.end;
            let mut columns = groups.columns(&self.shape, range.clone())?;
            for field in 0..self.window_fields.len() {
                columns.push(self.window_column(field, current.window, range.len())?);
            }
            return RecordBatch::try_new(self.output.clone(), columns).map(Some);
        }
    }

    /// The slices of a window: the one that it is, taken out where it closes, or pointers to those that it shares.
    fn slices_of(&mut self, window: Slice, early: bool) -> Vec<SliceTable> {
        if self.windows.is_slice_window() {
            let slice = if early { None } else { self.slices.remove(&window) };
            let table = slice.map(|s| s.table).or_else(|| self.slices.get(&window).map(|s| s.table.clone()));
            return table.into_iter().collect();
        }
        let first = Slice { end: window.start, start: i64::MAX, from: i64::MAX };
        let until_end = self.slices.range(first..).take_while(|(slice, _)| slice.end <= window.end);
        let within = until_end.filter(|(slice, _)| slice.start >= window.start && slice.from <= window.end);
        within.map(|(_, state)| state.table.clone()).collect()
    }

    fn forget_closed(&mut self) {
        let (windows, watermark) = (&self.windows, self.watermark);
        self.slices
            .retain(|slice, _| windows.last_window_of(*slice).is_some_and(|w| windows.closes_at(w.end) > watermark));
        self.measure();
    }

    /// `window_start`, `window_end` or `window_time`, the same for `rows` rows.
    fn window_column(&self, which: usize, window: Slice, rows: usize) -> Result<ArrayRef, ArrowError> {
        let field = &self.window_fields[which];
        let wall = match which {
            0 => window.start,
            1 => window.end,
            _ => window.end.saturating_sub(1),
        };
        let zoned = matches!(field.data_type, DataType::TimestampLtz(_));
        let value = if zoned { self.windows.zone().epoch_ms(wall) } else { wall };
        let mut builder = PrimitiveBuilder::<Int64Type>::with_capacity(rows);
        builder.append_value_n(value, rows);
        super::retype(builder, field.data_type)
    }
}

impl SliceState {
    fn new(shape: &Shape) -> Self {
        Self { table: SliceTable::new(shape), changed: true }
    }
}

/// A time column, which is in milliseconds wherever it may be a rowtime.
fn millis(batch: &RecordBatch, column: usize) -> Result<&arrow_array::TimestampMillisecondArray, ArrowError> {
    let array = batch.column(column);
    array.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(|| {
        ArrowError::SchemaError(format!("the time column is {}, which is no rowtime", array.data_type()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Zone;
    use crate::plan::{Aggregate, AggregateFunction, WindowKind, WindowSpec};

    /// Counts in hopping windows of ten milliseconds, each five after the one before, by the clock.
    fn hopping() -> Aggregation {
        let (time, kind, zone) = (WindowTime::Processing, WindowKind::Sliding, Zone::UTC);
        let spec = WindowSpec { time, kind, size_ms: 10, slide_ms: 5, offset_ms: 0, zone };
        let field = |name: &str, data_type| Field { name: name.into(), data_type, nullable: true };
        let at = DataType::Timestamp(3);
        let fields = vec![
            field("n", DataType::BigInt),
            field("window_start", at),
            field("window_end", at),
            field("window_time", DataType::TimestampLtz(3)),
        ];
        let count = Aggregate { function: AggregateFunction::Count, argument: None, distinct: false, filter: None };
        let shape = Shape::new(&[], &[count], &[], &fields).unwrap();
        Aggregation::new(shape, Windows::assigned(spec.clone()), WindowSource::Assigned(spec), &Schema { fields })
    }

    fn rows(count: usize) -> RecordBatch {
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Schema::default().arrow(), Vec::new(), &options).unwrap()
    }

    /// The windows that close by `watermark`: start, end and count.
    fn closed(state: &mut Aggregation, watermark: i64) -> Vec<(i64, i64, i64)> {
        let mut emission = state.advance(Watermark(watermark));
        let mut found = Vec::new();
        while let Some(batch) = state.next_batch(&mut emission).unwrap() {
            let number = |c: usize, row: usize| {
                let millis = batch.column(c).as_primitive_opt::<TimestampMillisecondType>().map(|a| a.value(row));
                millis.unwrap_or_else(|| batch.column(c).as_primitive::<Int64Type>().value(row))
            };
            found.extend((0..batch.num_rows()).map(|row| (number(1, row), number(2, row), number(0, row))));
        }
        found
    }

    /// Counts in hopping windows of ten milliseconds by the rows' own time.
    fn by_event_time() -> Aggregation {
        let Windows::Assigned { spec, .. } = hopping().windows else { unreachable!() };
        let spec = WindowSpec { time: WindowTime::Row(0), ..spec };
        let windows = Windows::assigned(spec.clone());
        Aggregation { windows, source: WindowSource::Assigned(spec), ..hopping() }
    }

    fn at(times: &[i64]) -> RecordBatch {
        let field = Field { name: "ts".into(), data_type: DataType::Timestamp(3), nullable: false };
        let times = arrow_array::TimestampMillisecondArray::from(times.to_vec());
        RecordBatch::try_new(Schema { fields: vec![field] }.arrow(), vec![Arc::new(times)]).unwrap()
    }

    #[test]
    fn windows_that_were_closed_elsewhere_are_left_alone_and_their_rows_are_not_late() {
        // By 1,009 the windows up to 1,010 have closed.
        let mut state = by_event_time();
        state.leave_closed(Some(1_009));
        let rows = at(&[993, 1_001, 1_004, 1_007, 1_009, 1_012, 1_016]);
        state.update(&rows, &mut |why, rows| panic!("{why:?} {rows:?}")).unwrap();
        let told = closed(&mut state, 1_030);
        assert_eq!(told, [(1_005, 1_015, 3), (1_010, 1_020, 2), (1_015, 1_025, 1)]);
        // What comes behind the watermark of this job is late, as ever.
        let mut late = Vec::new();
        state.update(&at(&[1_003, 1_016]), &mut |why, rows| late.push((why, rows.to_vec()))).unwrap();
        assert_eq!(late, [(Rejected::Late(Some(1_025)), vec![1])]);
    }

    #[test]
    fn what_one_clock_has_closed_stays_closed_for_one_that_is_behind() {
        let mut state = hopping();
        state.tell(1_001);
        assert_eq!(state.next_end_ms(), 1_005);
        state.update(&rows(3), &mut |why, _| panic!("{why:?}")).unwrap();
        state.tell(1_006);
        assert_eq!(closed(&mut state, 1_005), [(995, 1_005, 3)]);
        state.update(&rows(2), &mut |why, _| panic!("{why:?}")).unwrap();
        // Another subtask has looked at the clock before the window was over: both begin again where that one stood.
        let (_, parts) = state.freeze();
        let mut again = hopping();
        again.restore(Watermark(1_001), parts).unwrap();
        assert_eq!(closed(&mut again, 1_009), [(1_000, 1_010, 5)]);
        assert_eq!(closed(&mut again, 1_019), [(1_005, 1_015, 2)]);
        assert_eq!(again.groups(), 0);
    }
}
