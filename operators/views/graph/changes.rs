//! What keys come to, tick by tick: counting over an arrangement.
//!
//! `count_total` of differential dataflow tells what held before and what holds now as two updates. Here both come together, once
//! a key and tick, so that one look at an arrangement serves all that depends on it; and keys that stand next to each other can be
//! looked at together.

use differential_dataflow::ExchangeData;
use differential_dataflow::difference::Monoid;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::implementations::KeySpine;
use differential_dataflow::trace::{Cursor as _, TraceReader as _};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::CapabilitySet;
use timely::dataflow::operators::generic::Operator as _;
use timely::progress::Antichain;

/// Keys, each by itself, with what they are counted by.
pub(super) type Counted<'scope, K, R> = Arranged<'scope, TraceAgent<KeySpine<K, u64, R>>>;

/// What is told of keys whose count changes at a tick. `together` gives for a key those that are told of with it, itself included,
/// which stand next to each other; it may be there twice. `tell` has these, the tick, and what they came to before and come to now.
pub(super) fn changes<'scope, K, R, I, const N: usize>(
    counted: Counted<'scope, K, R>,
    name: &str,
    together: impl Fn(&K) -> [K; N] + 'static,
    mut tell: impl FnMut(&[K; N], u64, &[R; N], &[R; N]) -> I + 'static,
) -> StreamVec<'scope, u64, I::Item>
where
    K: ExchangeData,
    R: ExchangeData + Monoid,
    I: IntoIterator<Item: Clone + 'static>,
{
    let mut trace = counted.trace;
    counted.stream.unary_frontier(Pipeline, name, move |_, _| {
        // what came before the batches that are being looked at, and behind them
        let mut lower = Antichain::from_elem(0);
        let mut upper = Antichain::from_elem(0);
        let mut updates: Vec<(u64, usize, R)> = Vec::new();
        move |(input, _), output| {
            lower.clone_from(&upper);
            let mut held = CapabilitySet::new();
            let mut batches = Vec::new();
            input.for_each(|capability, spans| {
                for capability in capability.retain_stamp(0).iter() {
                    held.insert(capability.clone());
                }
                for span in spans.drain(..) {
                    upper.clone_from(span.upper());
                    batches.extend(span.inner);
                }
            });
            if !held.is_empty() {
                let before = trace.batches_through(lower.borrow());
                let before = before.expect("what came before the last batch is there");
                let mut session = output.session(&held);
                let (mut now, batches) = cursor_list(batches);
                let (mut past, before) = cursor_list(before);
                while let Some(key) = now.get_key(&batches) {
                    let keys = together(key);
                    let mut counts: [R; N] = std::array::from_fn(|_| R::zero());
                    for (at, (key, count)) in keys.iter().zip(&mut counts).enumerate() {
                        if keys[..at].contains(key) {
                            continue;
                        }
                        past.seek_key(&before, key);
                        if past.get_key(&before) == Some(key) {
                            past.map_times(&before, |_, diff| count.plus_equals(diff));
                        }
                    }
                    while let Some(key) = now.get_key(&batches)
                        && let Some(at) = keys.iter().position(|one| one == key)
                    {
                        now.map_times(&batches, |tick, diff| {
                            updates.push((*tick, at, diff.clone()));
                        });
                        now.step_key(&batches);
                    }
                    updates.sort_by_key(|(tick, ..)| *tick);
                    for part in updates.chunk_by(|(one, ..), (other, ..)| one == other) {
                        let old = counts.clone();
                        for (_, at, diff) in part {
                            counts[*at].plus_equals(diff);
                        }
                        let tick = part.first().map_or(0, |(tick, ..)| *tick);
                        session.give_iterator(tell(&keys, tick, &old, &counts).into_iter());
                    }
                    updates.clear();
                }
            }
            // what is behind may be forgotten tick by tick
            trace.advance_upper(&mut upper);
            trace.set_logical_compaction(upper.borrow());
            trace.set_physical_compaction(upper.borrow());
        }
    })
}
