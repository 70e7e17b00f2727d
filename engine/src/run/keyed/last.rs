//! What is left at the end: of all changes the rows that are there when nothing follows.

use super::state::Key;
use super::{Input, Operator, Work};
use crate::port::RowKind;
use arrow_schema::ArrowError;

/// The area of the rows, which are their own keys; as value how often a row is there, which may be less than never for a
/// while where changes overtake each other.
const ROWS: u8 = 1;

/// Keeps all rows and gives them at the end.
#[derive(Debug, Default)]
pub(crate) struct Final;

fn count(value: &[u8]) -> i64 {
    value.first_chunk::<8>().map_or(0, |c| i64::from_be_bytes(*c))
}

impl Operator for Final {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        for at in 0..input.batch.num_rows() {
            let key = input.key(at);
            let place = key.place(ROWS, &[]);
            let before = work.state.get(&place).map_or(0, count);
            let after = if input.kind(at).adds() { before + 1 } else { before - 1 };
            if after == 0 {
                work.state.remove(&place);
            } else {
                work.state.put(place, &after.to_be_bytes());
                work.state.wake_at(&key, i64::MAX);
            }
        }
        Ok(())
    }

    fn fire(&mut self, key: &Key, _at: i64, work: &mut Work<'_>) -> Result<(), ArrowError> {
        let left = work.state.remove(&key.place(ROWS, &[])).map_or(0, |value| count(&value));
        (0..left).for_each(|_| work.out.push(RowKind::Insert, &[key.bytes()], []));
        Ok(())
    }
}
