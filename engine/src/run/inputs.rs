//! Several input channels seen as one: their watermarks, barriers, idleness and ends brought into line.

use super::channel::{Batch, Channel, Epoch, Message};
use super::load::Load;
use super::time::Progress;
use model::Watermark;
use std::collections::VecDeque;
use std::sync::Arc;

/// What the inputs together say.
#[derive(Debug)]
pub(crate) enum Event {
    /// Rows or groups of one input.
    Batch(Batch),
    /// The minimum over the inputs that are not idle has risen.
    Watermark(Watermark),
    /// All inputs have reached the cut.
    Barrier(Epoch),
    /// All inputs are idle or ended.
    Idle,
    /// All inputs have ended.
    End,
}

/// The input channels of one subtask.
pub(crate) struct Inputs {
    inputs: Vec<Input>,
    next: usize,
    /// Which input the last batch came from.
    from: usize,
    watermark: Watermark,
    idle: bool,
    pending: VecDeque<Event>,
    progress: Arc<Progress>,
}

struct Input {
    channel: Arc<Channel>,
    watermark: Watermark,
    idle: bool,
    ended: bool,
    /// Reached this cut; nothing is read until all others have.
    barrier: Option<Epoch>,
}

impl Inputs {
    /// Inputs whose watermark begins at `floor`; how far they are is told in `progress`.
    pub(crate) fn new(channels: Vec<Arc<Channel>>, floor: Watermark, progress: Arc<Progress>) -> Self {
        let input = |channel| Input { channel, watermark: floor, idle: false, ended: false, barrier: None };
        let inputs = channels.into_iter().map(input).collect();
        progress.begin(floor);
        Self { inputs, next: 0, from: 0, watermark: floor, idle: false, pending: VecDeque::new(), progress }
    }

    /// What came next; `None` when nothing has come.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let (index, message) = self.pop()?;
            let input = &mut self.inputs[index];
            match message {
                Message::Batch(batch) => {
                    input.idle = false;
                    self.wake();
                    self.from = index;
                    self.load().records_in.add(batch.rows() as u64);
                    return Some(Event::Batch(batch));
                }
                Message::Watermark(watermark) => {
                    input.idle = false;
                    input.watermark = input.watermark.max(watermark);
                    self.wake();
                    self.raise();
                }
                Message::Barrier(epoch) => {
                    input.barrier = Some(epoch);
                    self.align();
                }
                Message::Idle => {
                    input.idle = true;
                    self.raise();
                    self.rest();
                }
                Message::End => {
                    input.ended = true;
                    self.align();
                    if self.inputs.iter().all(|i| i.ended) {
                        self.pending.push_back(Event::End);
                    } else {
                        self.rest();
                    }
                }
            }
        }
    }

    /// Where the subtask tells what it does.
    pub(crate) fn load(&self) -> &Load {
        &self.progress.load
    }

    /// Which input the batch came from that was given last.
    pub(crate) fn from(&self) -> usize {
        self.from
    }

    /// The next message of any input that is not held back; inputs take turns.
    fn pop(&mut self) -> Option<(usize, Message)> {
        for offset in 0..self.inputs.len() {
            let index = (self.next + offset) % self.inputs.len();
            let input = &self.inputs[index];
            if input.barrier.is_none()
                && let Some(message) = input.channel.pop()
            {
                self.next = index + 1;
                return Some((index, message));
            }
        }
        None
    }

    /// An input that has ended keeps its last watermark: one that stopped early holds the others' windows open.
    fn raise(&mut self) {
        let active = self.inputs.iter().filter(|i| !i.idle);
        if let Some(minimum) = active.map(|i| i.watermark).min()
            && minimum > self.watermark
        {
            self.watermark = minimum;
            self.progress.took(minimum);
            self.pending.push_back(Event::Watermark(minimum));
        }
    }

    fn align(&mut self) {
        let mut waiting = self.inputs.iter().filter(|i| !i.ended);
        let Some(epoch) = self.inputs.iter().filter_map(|i| i.barrier).max() else { return };
        if waiting.all(|i| i.barrier.is_some()) {
            self.inputs.iter_mut().for_each(|i| i.barrier = None);
            self.pending.push_back(Event::Barrier(epoch));
        }
    }

    fn rest(&mut self) {
        if !self.idle && self.inputs.iter().all(|i| i.idle || i.ended) {
            self.idle = true;
            self.progress.takes_nothing(true);
            self.pending.push_back(Event::Idle);
        }
    }

    fn wake(&mut self) {
        self.idle = false;
        self.progress.takes_nothing(false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::wake::{Parker, Wake};
    use super::*;

    fn inputs(count: usize) -> (Vec<Arc<Channel>>, Inputs) {
        let wake = || Wake::new(Arc::new(Parker::default()));
        let channels: Vec<_> = (0..count).map(|_| Channel::new(1_000, wake(), wake())).collect();
        (channels.clone(), Inputs::new(channels, Watermark::MIN, Progress::new(0)))
    }

    fn all(inputs: &mut Inputs) -> Vec<String> {
        std::iter::from_fn(|| inputs.next()).map(|e| format!("{e:?}")).collect()
    }

    #[test]
    fn the_watermark_is_the_least_of_those_that_are_not_idle() {
        let (channels, mut inputs) = inputs(2);
        channels[0].push(Message::Watermark(Watermark(5)));
        assert!(all(&mut inputs).is_empty());
        channels[1].push(Message::Watermark(Watermark(3)));
        assert_eq!(all(&mut inputs), ["Watermark(Watermark(3))"]);
        channels[1].push(Message::Idle);
        assert_eq!(all(&mut inputs), ["Watermark(Watermark(5))"]);
        channels[0].push(Message::Idle);
        assert_eq!(all(&mut inputs), ["Idle"]);
        channels[0].push(Message::Watermark(Watermark(9)));
        channels[1].push(Message::Watermark(Watermark(7)));
        channels[0].push(Message::End);
        channels[1].push(Message::End);
        assert_eq!(all(&mut inputs).last().map(String::as_str), Some("End"));
    }

    #[test]
    fn a_barrier_holds_its_input_until_all_have_it() {
        let (channels, mut inputs) = inputs(3);
        channels[0].push(Message::Barrier(Epoch(1)));
        channels[0].push(Message::Watermark(Watermark(8)));
        channels[1].push(Message::Barrier(Epoch(1)));
        channels[1].push(Message::Watermark(Watermark(8)));
        channels[2].push(Message::Watermark(Watermark(4)));
        assert!(all(&mut inputs).is_empty(), "two inputs wait at the cut");
        channels[2].push(Message::End);
        assert_eq!(all(&mut inputs), ["Barrier(Epoch(1))", "Watermark(Watermark(4))"]);
    }

    #[test]
    fn a_full_channel_has_room_again_when_it_is_read() {
        let (channels, _) = inputs(1);
        while channels[0].has_room() {
            channels[0].push(Message::Idle);
        }
        assert!(channels[0].pop().is_some());
        assert!(channels[0].has_room());
    }
}
