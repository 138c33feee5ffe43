//! Captures to records.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod archive;
mod capture;
mod ending;
mod frame;
mod input;
mod list;
mod members;
mod moment;
mod options;
mod pcap;
mod pcapng;
mod reader;
mod record;
mod rows;
mod sensor;
mod splitter;
#[doc(hidden)]
pub mod total;
mod walk;
mod written;

pub use capture::{CaptureInput, Progress};
pub use ending::Ending;
pub use input::Follow;
pub use list::{Found, Glance, ListError, found, glance, list};
pub use members::{CapturePath, Streams, in_archives};
pub use moment::Moment;
pub use options::{Faulty, InputOrder, Merge, PcapOptions};
pub use reader::Reader;
pub use record::{Chunk, Record};
pub use rows::{is_rows, read_rows};
pub use sensor::{InputName, Sensor};
pub use splitter::{Blocks, Input, Mark, Next, Slicing, Splitter, Step};
pub use walk::Bounds;
pub use written::{read_written, schema_of};

use crate::books::Books;
use crate::doing::Doing;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::{Scope, Stream, StreamVec};
use timely::scheduling::Activator;

/// How far a reader may be ahead of the flow table: this many epochs and bytes, and always to the end of the epoch that is the
/// lowest one open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Epochs.
    pub epochs: usize,
    /// Bytes of captured records.
    pub bytes: usize,
}

impl Default for Credit {
    fn default() -> Self {
        Self {
            epochs: 16,
            bytes: 64 << 20,
        }
    }
}

/// Wakes readers that wait for credit; the run loop rings it after each step.
#[derive(Clone, Default)]
pub struct Bell(Rc<RefCell<Vec<Waiter>>>);

/// Whether a reader waits, and how to wake it.
type Waiter = (Rc<Cell<bool>>, Activator);

impl Bell {
    /// Wakes every reader that waits.
    pub fn ring(&self) {
        for (is_waiting, activator) in self.0.borrow().iter() {
            if is_waiting.take() {
                activator.activate();
            }
        }
    }
}

/// What readers of a worker share with the rest of the run.
#[derive(Clone)]
pub struct ReadControl {
    /// How far ahead they may be.
    pub credit: Credit,
    /// Where the flow table is.
    pub probe: ProbeHandle<u64>,
    /// Rings when it got on.
    pub bell: Bell,
    /// Set from outside to stop reading.
    pub stop: Arc<AtomicBool>,
    /// The books of the worker.
    pub books: Rc<RefCell<Books>>,
}

/// How long a reader lets others do their work before it looks again for bytes that had not come: twice as long each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// Operator `read`: gives the chunks of a splitter, one an activation, and the marks between them.
pub fn read<'scope>(
    scope: Scope<'scope, u64>,
    mut splitter: Splitter,
    control: ReadControl,
) -> (Stream<'scope, u64, Chunk>, StreamVec<'scope, u64, Mark>) {
    let mut builder = OperatorBuilder::new("read".to_owned(), scope);
    let (chunks, chunk_stream) = builder.new_output();
    let (marks, mark_stream) = builder.new_output();
    let mut chunks: OutputBuilder<u64, NoopBuilder<Chunk>> = OutputBuilder::from(chunks);
    let mut marks: OutputBuilder<u64, CapacityContainerBuilder<Vec<Mark>>> =
        OutputBuilder::from(marks);
    let activator = scope.activator_for(builder.operator_info().address);
    let is_waiting = Rc::new(Cell::new(false));
    control.bell.0.borrow_mut().push((
        Rc::clone(&is_waiting),
        scope.activator_for(builder.operator_info().address),
    ));
    builder.build(move |capabilities| {
        let mut capabilities = Some(capabilities);
        // epochs behind which the flow table still is, with their bytes
        let mut ahead: VecDeque<(u64, usize)> = VecDeque::new();
        let mut pause = PAUSES.0;
        move |_frontiers| {
            let Some(held) = &mut capabilities else {
                return;
            };
            Doing::begin("read", None);
            let books = &mut *control.books.borrow_mut();
            let (mut chunks, mut marks) = (chunks.activate(), marks.activate());
            if control.stop.load(Ordering::Relaxed) {
                marks
                    .session(&held[1])
                    .give_iterator(splitter.stop(books).into_iter());
                capabilities = None;
                return;
            }
            while ahead
                .front()
                .is_some_and(|(epoch, _)| !control.probe.less_equal(epoch))
            {
                ahead.pop_front();
            }
            let is_far = ahead.len() >= control.credit.epochs
                || ahead.iter().map(|(_, bytes)| bytes).sum::<usize>() >= control.credit.bytes;
            if is_far && ahead.front().map(|(epoch, _)| *epoch) < splitter.epoch() {
                is_waiting.set(true);
                return;
            }
            let mut waits = false;
            match splitter.next(books) {
                Step::Waits => {
                    waits = true;
                    if let Some(mark) = splitter.pause() {
                        marks.session(&held[1]).give(mark);
                    }
                }
                Step::Chunk(epoch, mut chunk) => {
                    pause = PAUSES.0;
                    let bytes = chunk
                        .records
                        .iter()
                        .map(|record| record.captured as usize)
                        .sum();
                    match ahead.back_mut() {
                        Some((last, total)) if *last == epoch => *total += bytes,
                        _ => ahead.push_back((epoch, bytes)),
                    }
                    held[0].downgrade(&epoch);
                    held[1].downgrade(&epoch);
                    chunks
                        .session_with_builder(&held[0])
                        .give_container(&mut chunk);
                    if let Some(mark) = splitter.close_epoch() {
                        marks.session(&held[1]).give(mark);
                    }
                }
                Step::Mark(epoch, mark) => {
                    held[1].downgrade(&epoch);
                    marks.session(&held[1]).give(mark);
                    splitter.advance();
                }
                Step::Done => {}
            }
            match splitter.epoch() {
                Some(epoch) => {
                    held.iter_mut()
                        .for_each(|capability| capability.downgrade(&epoch));
                    if waits {
                        activator.activate_after(pause);
                        pause = PAUSES.1.min(2 * pause);
                    } else {
                        activator.activate();
                    }
                }
                None => capabilities = None,
            }
        }
    });
    (chunk_stream, mark_stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timely::dataflow::channels::pact::Pipeline;
    use timely::dataflow::operators::{Operator, Probe};

    /// An input of many equal chunks of 1,000 bytes.
    #[derive(Clone, Copy)]
    struct Chunks(u32);

    impl Input for Chunks {
        fn source(&self) -> u32 {
            0
        }
        fn open(&self) -> Box<dyn Blocks> {
            Box::new(*self)
        }
        fn stopped(&self, _: &mut Books) {}
        fn first_time(&self) -> i64 {
            0
        }
    }

    impl Blocks for Chunks {
        fn next(&mut self, _: &mut Books) -> Next {
            let Some(left) = self.0.checked_sub(1) else {
                return Next::Ended;
            };
            self.0 = left;
            let record = Record {
                offset: 0,
                captured: 100,
                original: 100,
                link: 1,
                time: 0,
                clock: 0,
            };
            Next::Chunk(Chunk {
                records: vec![record; 10],
                ..Chunk::default()
            })
        }
        fn close(self: Box<Self>, _: &mut Books) -> Option<i64> {
            Some(0)
        }
    }

    /// The most epochs and bytes that wait in an operator which takes one epoch at a time, and how many came in all.
    fn ahead(credit: Credit) -> (usize, usize, usize) {
        timely::execute_directly(move |worker| {
            let seen = Rc::new(Cell::new((0, 0, 0)));
            let control = ReadControl {
                credit,
                probe: ProbeHandle::new(),
                bell: Bell::default(),
                stop: Arc::default(),
                books: Rc::default(),
            };
            worker.dataflow(|scope| {
                let splitter =
                    Splitter::new(vec![Box::new(Chunks(100))], Slicing::Packets(20), 4096);
                let (chunks, _) = read(scope, splitter, control.clone());
                let (seen, activator) = (Rc::clone(&seen), RefCell::new(None));
                let slow =
                    chunks.unary::<NoopBuilder<Chunk>, _, _, _>(Pipeline, "slow", |_, info| {
                        *activator.borrow_mut() = Some(scope.activator_for(info.address));
                        let activator = activator.take();
                        let (mut waiting, mut turn) = (VecDeque::new(), 0);
                        move |input, _| {
                            turn += 1;
                            if turn % 4 == 0 {
                                waiting.pop_front();
                            }
                            input.for_each(|capability, _| {
                                waiting.extend(capability.retain_least(0))
                            });
                            let epochs: std::collections::BTreeSet<u64> =
                                waiting.iter().map(|held| *held.time()).collect();
                            let (most, bytes, all) = seen.get();
                            let all = all.max(epochs.last().map_or(0, |last| *last as usize + 1));
                            seen.set((
                                most.max(epochs.len()),
                                bytes.max(waiting.len() * 1000),
                                all,
                            ));
                            if !waiting.is_empty() {
                                activator.iter().for_each(Activator::activate);
                            }
                        }
                    });
                slow.probe_with(&control.probe);
            });
            while worker.has_dataflows() {
                control.bell.ring();
                worker.step();
            }
            seen.get()
        })
    }

    #[test]
    fn a_reader_is_never_further_ahead_than_its_credit() {
        let by_epochs = ahead(Credit {
            epochs: 3,
            bytes: usize::MAX,
        });
        assert_eq!((by_epochs.0, by_epochs.2), (3, 50));
        let (epochs, bytes, all) = ahead(Credit {
            epochs: 50,
            bytes: 5000,
        });
        assert!(
            bytes <= 6000 && epochs <= 3,
            "{epochs} epochs of {bytes} bytes"
        );
        assert_eq!(all, 50);
        // less than an epoch: the lowest open one may always be finished
        assert_eq!(
            ahead(Credit {
                epochs: 1,
                bytes: 1
            })
            .2,
            50
        );
        assert!(
            ahead(Credit {
                epochs: 1,
                bytes: 1
            })
            .0 <= 2
        );
    }
}
