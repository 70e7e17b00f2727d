//! Of the rows that share a key the one that came last: what a table with a primary key shows of changes that came about
//! under another key.

use super::state::Key;
use super::{Input, Operator, Work};
use crate::port::RowKind;
use arrow_schema::ArrowError;

/// The area of the rows: behind the key their number.
const ROWS: u8 = 1;

/// Keeps all rows of a key and gives the newest one.
#[derive(Debug, Default)]
pub(crate) struct Latest;

fn newest(key: &Key, work: &Work<'_>) -> Option<Box<[u8]>> {
    let prefix = key.place(ROWS, &[]);
    work.state.within(&prefix).next_back().map(|(_, row)| row.into())
}

impl Operator for Latest {
    fn update(&mut self, input: &Input<'_>, work: &mut Work<'_>) -> Result<(), ArrowError> {
        for at in 0..input.batch.num_rows() {
            let (key, row) = (input.key(at), input.row(at));
            let before = newest(&key, work);
            if input.kind(at).adds() {
                let sequence = work.state.next_sequence();
                work.state.put(key.place(ROWS, &[&sequence.to_be_bytes()]), row);
            } else {
                let prefix = key.place(ROWS, &[]);
                let equal = work.state.within(&prefix).rev().find(|(_, kept)| *kept == row);
                if let Some(place) = equal.map(|(place, _)| place.to_vec()) {
                    work.state.remove(&place);
                }
            }
            match (before, newest(&key, work)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    work.out.push(RowKind::UpdateBefore, &[&old], []);
                    work.out.push(RowKind::UpdateAfter, &[&new], []);
                }
                (Some(old), None) => work.out.push(RowKind::Delete, &[&old], []),
                (None, Some(new)) => work.out.push(RowKind::Insert, &[&new], []),
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn fire(&mut self, _key: &Key, _at: i64, _work: &mut Work<'_>) -> Result<(), ArrowError> {
        Ok(())
    }
}
