//! Rows that replace each other by key as changes of the rows that are there: what a table of upserts means to those who read it.

use super::{Input, Operator, Work};
use crate::port::RowKind;
use arrow_schema::ArrowError;

/// The area of the rows: behind the key nothing, as value the row.
const ROW: u8 = 1;

/// Keeps the row of each key. As in Flink, a row that is equal to the one before it changes nothing, a row goes away with all its
/// columns whatever the change says of them, and one that is not there does not go away.
#[derive(Debug, Default)]
pub(crate) struct Normalize;

impl Operator for Normalize {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        for at in 0..input.batch.num_rows() {
            let place = input.key(at).place(ROW, &[]);
            if !input.kind(at).adds() {
                if let Some(old) = work.state.remove(&place) {
                    work.out.push(RowKind::Delete, &[&old], []);
                }
                continue;
            }
            let row = input.row(at);
            let old: Option<Box<[u8]>> = work.state.get(&place).map(Into::into);
            match &old {
                Some(old) if **old == *row => continue,
                Some(old) => {
                    work.out.push(RowKind::UpdateBefore, &[old], []);
                    work.out.push(RowKind::UpdateAfter, &[row], []);
                }
                None => work.out.push(RowKind::Insert, &[row], []),
            }
            work.state.put(place, row);
        }
        Ok(())
    }

    fn fire(&mut self, _key: &super::Key, _at: i64, _work: &mut Work<'_>) -> Result<(), ArrowError> {
        Ok(())
    }
}
