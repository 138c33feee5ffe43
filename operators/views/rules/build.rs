//! Steps to differential operators: the same for every program, over rows of words.
//!
//! Relations are sets. What rules give is made distinct once a relation, and each relation is arranged by what it is joined by.

use super::packed::{self, Words, by_key, distinct, distinct_total};
use super::plan::{Gives, NULL, Plan, Read, Reading, Step};
use super::sets::counted;
use super::syntax::Fold;
use super::top::top;
use super::totals::{self, Groups, What, totals};
use super::words::{Row, compute, order};
use crate::expressions::Type;
use crate::views::graph::{Spell, graph};
use differential_dataflow::lattice::Lattice;
use differential_dataflow::operators::iterate::VecVariable;
use differential_dataflow::{AsCollection as _, VecCollection};
use std::cell::Cell;
use std::collections::BTreeSet;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::ToStream as _;
use timely::dataflow::operators::generic::Operator as _;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::{Scope, StreamVec};
use timely::order::Product;
use timely::progress::Timestamp;

/// Rows that come and go.
pub type Rows<'scope, T, R> = VecCollection<'scope, T, R, isize>;

/// What comes out of a program.
pub struct Built<'scope, R: Row> {
    /// The relations that are made, in the order of the plan.
    pub relations: Vec<Rows<'scope, u64, R>>,
    /// Of each stratum that is recursive the rows that it would have made beyond its last turn: any at all means that its result
    /// is not whole.
    pub beyond: Vec<(usize, Rows<'scope, u64, R>)>,
}

/// The relations of a program over its sources; the recursion of a stratum takes at most `turns` turns. `spell` is asked on the
/// first worker what numbers stand for.
pub fn build<'scope, R: Row>(
    scope: Scope<'scope, u64>,
    plan: &Plan,
    sources: &[Rows<'scope, u64, R>],
    turns: impl Fn(usize) -> u64,
    spell: &Spell,
) -> Built<'scope, R> {
    let mut relations: Vec<Option<Rows<'scope, u64, R>>> = vec![None; plan.relations.len()];
    let mut beyond = Vec::new();
    let in_order = Total {
        step,
        distinct: distinct_total,
    };
    for (at, stratum) in plan.strata.iter().enumerate() {
        let turns = turns(at);
        let heads = |head: usize| stratum.relations.contains(&head);
        let mut graphs = plan.rules.iter().filter_map(|rule| match &rule.gives {
            Gives::Graph(graph) if heads(rule.head) => Some((rule, graph)),
            _ => None,
        });
        if let Some((rule, of)) = graphs.next() {
            let known = Known {
                sources,
                relations: &relations,
                total: Some(&in_order),
            };
            let [nodes, edges] = graph(body(scope, &rule.steps, &known), of, spell);
            relations[rule.head] = Some(nodes);
            relations[rule.head + 1] = Some(edges);
            continue;
        }
        if !stratum.is_recursive {
            for at in &stratum.relations {
                let known = Known {
                    sources,
                    relations: &relations,
                    total: Some(&in_order),
                };
                relations[*at] = Some(relation(scope, plan, *at, &known));
            }
            continue;
        }
        let (made, lost) = scope.scoped::<Product<u64, u64>, _, _>("recursion", |inner| {
            let step = Product::new(Default::default(), 1);
            let mut variables = Vec::new();
            let sources: Vec<_> = sources
                .iter()
                .map(|rows| rows.clone().enter(inner))
                .collect();
            let mut known: Vec<Option<Rows<'_, Product<u64, u64>, R>>> = relations
                .iter()
                .map(|rows| rows.as_ref().map(|rows| rows.clone().enter(inner)))
                .collect();
            for at in &stratum.relations {
                let (variable, rows) = VecVariable::new(inner, step);
                variables.push(variable);
                known[*at] = Some(rows);
            }
            let (mut made, mut lost) = (Vec::new(), Vec::new());
            for (at, variable) in stratum.relations.iter().zip(variables) {
                let known = Known {
                    sources: &sources,
                    relations: &known,
                    total: None,
                };
                let rows = relation(inner, plan, *at, &known);
                // differences of the last turn are not taken further, so a recursion without an end has one
                let is_last = move |time: &Product<u64, u64>| time.inner >= turns;
                let on = rows.inner.clone();
                let on = keep(on.as_collection(), move |time| !is_last(time));
                variable.set(on);
                lost.push(keep(rows.clone(), is_last).leave(scope));
                made.push(rows.leave(scope));
            }
            (made, lost)
        });
        for (at, rows) in stratum.relations.iter().zip(made) {
            relations[*at] = Some(rows);
        }
        let lost = differential_dataflow::collection::concatenate(scope, lost);
        beyond.push((at, packed::rows(packed::by_self(lost, "consolidate"))));
    }
    Built {
        relations: relations
            .into_iter()
            .map(|rows| rows.unwrap_or_else(|| none(scope)))
            .collect(),
        beyond,
    }
}

/// No rows, ever.
pub fn none<'scope, T: Timestamp + Lattice, R: Row>(scope: Scope<'scope, T>) -> Rows<'scope, T, R> {
    empty(scope).as_collection()
}

/// The differences of some times.
fn keep<'scope, T: Timestamp + Lattice, R: Row>(
    rows: Rows<'scope, T, R>,
    of: impl Fn(&T) -> bool + 'static,
) -> Rows<'scope, T, R> {
    use timely::dataflow::operators::vec::Filter as _;
    rows.inner
        .filter(move |(_, time, _)| of(time))
        .as_collection()
}

/// What a rule can read.
struct Known<'a, 'scope, T: Timestamp + Lattice, R: Row> {
    sources: &'a [Rows<'scope, T, R>],
    relations: &'a [Option<Rows<'scope, T, R>>],
    /// Steps that need times in one order: there are none in a recursion.
    total: Option<&'a Total<'scope, T, R>>,
}

/// What needs times in one order, or costs less where they are.
struct Total<'scope, T: Timestamp + Lattice, R: Row> {
    /// A step of groups.
    step: fn(Rows<'scope, T, R>, &Step) -> Rows<'scope, T, R>,
    /// Each row once.
    distinct: fn(Rows<'scope, T, R>) -> Rows<'scope, T, R>,
}

fn step<'scope, R: Row>(rows: Rows<'scope, u64, R>, step: &Step) -> Rows<'scope, u64, R> {
    match step {
        Step::Groups(groups) => totals(rows, groups),
        Step::Top(first) => top(rows, first),
        _ => rows,
    }
}

/// Bindings by what they are grouped by.
type Keyed<'scope, T, R> = Rows<'scope, T, (R, R)>;

/// All that the rules of a relation give.
fn relation<'scope, T: Timestamp + Lattice + Default, R: Row>(
    scope: Scope<'scope, T>,
    plan: &Plan,
    at: usize,
    known: &Known<'_, 'scope, T, R>,
) -> Rows<'scope, T, R> {
    let mut all: Vec<Rows<'scope, T, R>> = Vec::new();
    let mut unique: Vec<Rows<'scope, T, R>> = Vec::new();
    let mut groups: Vec<Keyed<'scope, T, R>> = Vec::new();
    let (mut flat, mut sums): (Vec<Rows<'scope, T, R>>, Option<Sums>) = Default::default();
    let mut grouping = None;
    let rules = || plan.rules.iter().filter(|rule| rule.head == at);
    let is_summed = rules().all(|rule| Sums::of(&rule.gives, R::WIDTH).is_some());
    let total = known.total.filter(|_| is_summed);
    for rule in rules() {
        let bindings = body(scope, &rule.steps, known);
        match &rule.gives {
            Gives::Rows(words) => {
                let words = words.clone();
                all.push(bindings.map(move |binding| pick(&binding, words.iter().copied())));
            }
            Gives::Unique(words) => {
                let words = words.clone();
                unique.push(bindings.map(move |binding| pick(&binding, words.iter().copied())));
            }
            Gives::Graph(_) => {} // is built by itself
            gives @ Gives::Groups { .. } if total.is_some() => {
                if let Some(own) = Sums::of(gives, R::WIDTH) {
                    let own = own.of_set(counted(plan, rule));
                    let order = own.order.clone();
                    flat.push(bindings.map(move |binding| pick(&binding, order.iter().copied())));
                    sums.get_or_insert(own);
                }
            }
            gives @ Gives::Groups {
                by,
                folds,
                bindings: count,
            } => {
                let (by, count) = (by.clone(), *count);
                // rules of one relation may bind in different places: what is folded stands in front
                let of: Vec<usize> = folds.iter().filter_map(|(_, _, of, _)| *of).collect();
                let order: Vec<usize> = of
                    .iter()
                    .copied()
                    .chain((0..count).filter(|place| !of.contains(place)))
                    .collect();
                let keyed = bindings.map(move |binding| {
                    let key = pick(&binding, by.iter().map(|(_, place)| *place));
                    (key, pick(&binding, order.iter().copied()))
                });
                groups.push(keyed);
                grouping = Some(gives);
            }
        }
    }
    if let (Some(sums), Some(total)) = (sums, total) {
        let rows = differential_dataflow::collection::concatenate(scope, flat);
        all.push(sums.rows(rows, total));
        return differential_dataflow::collection::concatenate(scope, all);
    }
    if let Some(gives) = grouping {
        all.push(folded(scope, gives, groups));
        return differential_dataflow::collection::concatenate(scope, all);
    }
    if all.is_empty() {
        return differential_dataflow::collection::concatenate(scope, unique);
    }
    all.extend(unique);
    let all = differential_dataflow::collection::concatenate(scope, all);
    match known.total {
        Some(total) => (total.distinct)(all),
        None => packed::rows(distinct(all)),
    }
}

/// A head that is added up: outside of recursions, where one of its values is a count or a sum.
struct Sums {
    /// Bindings in the order of [`Groups`]: what they agree in, then what is folded, then those that make bindings several.
    order: Vec<usize>,
    groups: Groups,
    /// The words of the head, in the order of the groups.
    words: Vec<usize>,
    /// Whether equal bindings count once.
    is_distinct: bool,
}

impl Sums {
    /// Of what a rule gives, if it is such a head and fits into rows of `width` words.
    fn of(gives: &Gives, width: usize) -> Option<Self> {
        let Gives::Groups {
            by,
            folds,
            bindings,
        } = gives
        else {
            return None;
        };
        let what = |fold: &Fold, of: Option<usize>| match (fold, of) {
            (Fold::Count, None) => What::Count,
            (Fold::Count, Some(_)) => What::Distinct,
            (Fold::Sum, _) => What::Sum,
            (Fold::Min, _) => What::Least,
            (Fold::Max, _) => What::Greatest,
        };
        let mut order: Vec<usize> = by.iter().map(|(_, place)| *place).collect();
        let mut made = Vec::new();
        for (_, fold, of, kind) in folds {
            made.push(totals::Fold {
                what: what(fold, *of),
                of: of.map(|of| {
                    order.push(of);
                    order.len() - 1
                }),
                kind: kind.clone(),
            });
        }
        if !made.iter().any(|fold| fold.what.is_summed()) {
            return None;
        }
        let rest = (0..*bindings).filter(|place| !order.contains(place));
        let rest: Vec<usize> = rest.collect();
        order.extend(rest);
        let words = by.iter().map(|(word, _)| *word);
        let words: Vec<usize> = words.chain(folds.iter().map(|(word, ..)| *word)).collect();
        let is_distinct = !made.iter().all(|fold| fold.what == What::Distinct);
        (order.len() <= width).then_some(Self {
            order,
            groups: Groups {
                by: (0..by.len()).collect(),
                folds: made,
                order: None,
            },
            words,
            is_distinct,
        })
    }

    /// The same where bindings are known to differ: `folds` says of each whether its values do too, so that they are counted as
    /// they come.
    fn of_set(mut self, folds: Option<Vec<bool>>) -> Self {
        let Some(folds) = folds else { return self };
        self.is_distinct = false;
        for (fold, are_different) in self.groups.folds.iter_mut().zip(folds) {
            if fold.what == What::Distinct && are_different {
                (fold.what, fold.of) = (What::Count, None);
            }
        }
        self
    }

    fn rows<'scope, T: Timestamp + Lattice, R: Row>(
        self,
        mut rows: Rows<'scope, T, R>,
        total: &Total<'scope, T, R>,
    ) -> Rows<'scope, T, R> {
        if self.is_distinct {
            rows = (total.distinct)(rows);
        }
        let made = (total.step)(rows, &Step::Groups(self.groups));
        let words = self.words;
        made.flat_map(move |made| {
            let mut row = R::default();
            for (at, word) in words.iter().enumerate() {
                row.set(*word, made.word(at));
            }
            // a sum that is too large is no value, and without one there is no row
            (0..words.len())
                .all(|at| made.word(at) != NULL)
                .then_some(row)
        })
    }
}

/// Some words of a row, in this order.
fn pick<R: Row>(row: &R, places: impl Iterator<Item = usize>) -> R {
    let mut picked = R::default();
    for (at, place) in places.enumerate() {
        picked.set(at, row.word(place));
    }
    picked
}

fn folded<'scope, T: Timestamp + Lattice + Default, R: Row>(
    scope: Scope<'scope, T>,
    gives: &Gives,
    rows: Vec<Rows<'scope, T, (R, R)>>,
) -> Rows<'scope, T, R> {
    let Gives::Groups { by, folds, .. } = gives.clone() else {
        return none(scope);
    };
    let all = differential_dataflow::collection::concatenate(scope, rows);
    let reduced = packed::reduce(all, "groups", move |key, bindings| {
        let mut row = R::default();
        for (at, (word, _)) in by.iter().enumerate() {
            row.set(*word, key.word(at));
        }
        let mut argument = 0;
        for (word, fold, of, kind) in &folds {
            let place = of.map(|_| argument);
            argument += usize::from(of.is_some());
            let values = || bindings.iter().map(|(row, _)| row.word(place.unwrap_or(0)));
            // one without a value: a sum that is too large
            let value = value_of(*fold, place.is_some(), kind, values, bindings.len())?;
            row.set(*word, value);
        }
        Some(row)
    });
    reduced.as_collection(|_, row| row.row())
}

fn value_of<I: Iterator<Item = u64>>(
    fold: Fold,
    has_argument: bool,
    kind: &Type,
    values: impl Fn() -> I,
    count: usize,
) -> Option<u64> {
    let is_float = *kind == Type::Float;
    match fold {
        Fold::Count if has_argument => Some(values().collect::<BTreeSet<u64>>().len() as u64),
        Fold::Count => Some(count as u64),
        // bindings come in order, so that a sum of floats is the same however it came about
        Fold::Sum if is_float => {
            let sum = values().map(f64::from_bits).sum::<f64>() + 0.0;
            sum.is_finite().then(|| sum.to_bits())
        }
        Fold::Sum => {
            let sum = values()
                .map(|value| i128::from(value.cast_signed()))
                .sum::<i128>();
            i64::try_from(sum).ok().map(i64::cast_unsigned)
        }
        Fold::Min | Fold::Max => {
            let by_kind = |a: &u64, b: &u64| order(*a, *b, kind);
            match fold {
                Fold::Min => values().min_by(by_kind),
                _ => values().max_by(by_kind),
            }
        }
    }
}

/// The bindings of a body.
fn body<'scope, T: Timestamp + Lattice + Default, R: Row>(
    scope: Scope<'scope, T>,
    steps: &[Step],
    known: &Known<'_, 'scope, T, R>,
) -> Rows<'scope, T, R> {
    let mut bindings: Rows<'scope, T, R> = none(scope);
    for step in steps {
        bindings = match step {
            Step::Once => {
                let once = (scope.index() == 0).then(|| (R::default(), T::default(), 1));
                let stream: StreamVec<'scope, T, (R, T, isize)> = once.to_stream(scope);
                stream.as_collection()
            }
            Step::Scan(reading) => {
                let takes = reading.takes.clone();
                rows_of(reading, known, scope).map(move |row| bind(R::default(), &row, &takes))
            }
            Step::Join(reading, key) => {
                let (words, places) = parts(key);
                let (taken, takes): (Vec<usize>, Vec<usize>) = parts(&reading.takes);
                let freed = takes.clone();
                // both sides keep what the other has not: a word that is kept twice is looked past twice
                let right = rows_of(reading, known, scope).map(move |row| {
                    let key = pick(&row, words.iter().copied());
                    (key, pick(&row, taken.iter().copied()))
                });
                let left = bindings.map(move |mut row| {
                    let key = pick(&row, places.iter().copied());
                    freed.iter().for_each(|place| row.set(*place, 0));
                    (key, row)
                });
                let (left, right) = (
                    by_key(left, "arrange: join"),
                    by_key(right, "arrange: join"),
                );
                left.join_core(right, move |_, binding: Words<'_>, row: Words<'_>| {
                    let mut binding: R = binding.row();
                    for (at, place) in takes.iter().enumerate() {
                        binding.set(*place, row.word(at));
                    }
                    [binding]
                })
            }
            Step::Without(reading, key) => {
                let (words, places) = parts(key);
                let right = rows_of(reading, known, scope)
                    .map(move |row| pick(&row, words.iter().copied()));
                let keyed = bindings
                    .clone()
                    .map(move |row| (pick(&row, places.iter().copied()), row));
                let left = by_key(keyed, "arrange: without");
                let there = left.join_core(distinct(right), |_, row: Words<'_>, ()| [row.row()]);
                bindings.concat(there.negate())
            }
            Step::Compute {
                program,
                conditions,
                lets,
                keeps_nulls,
            } => {
                let keeps_nulls = *keeps_nulls;
                let lets: Vec<usize> = lets.iter().map(|(place, _)| *place).collect();
                let (program, conditions) = (program.clone(), *conditions);
                let overflows = Cell::new(0);
                let computed = bindings
                    .inner
                    .unary::<CapacityContainerBuilder<Vec<_>>, _, _, _>(
                        Pipeline,
                        "compute",
                        |_, _| {
                            move |input, output| {
                                input.for_each(|capability, rows| {
                                    let rows = rows.drain(..);
                                    let mut rows: Vec<(R, (T, isize))> =
                                        rows.map(|(row, time, diff)| (row, (time, diff))).collect();
                                    compute(
                                        &program,
                                        conditions,
                                        (&lets, keeps_nulls),
                                        &mut rows,
                                        &overflows,
                                    );
                                    let rows = rows.into_iter();
                                    let mut session = output.session(&capability);
                                    session.give_iterator(
                                        rows.map(|(row, (time, diff))| (row, time, diff)),
                                    );
                                });
                            }
                        },
                    );
                computed.as_collection()
            }
            Step::Groups(_) | Step::Top(_) => match known.total {
                Some(total) => (total.step)(bindings, step),
                None => none(scope),
            },
        };
    }
    bindings
}

/// Words of a row, and the bindings that they meet.
fn parts(key: &[(usize, usize)]) -> (Vec<usize>, Vec<usize>) {
    key.iter().copied().unzip()
}

/// A binding with what is taken of a row.
fn bind<R: Row>(mut binding: R, row: &R, takes: &[(usize, usize)]) -> R {
    for (word, place) in takes {
        binding.set(*place, row.word(*word));
    }
    binding
}

/// The rows that an atom means.
fn rows_of<'scope, T: Timestamp + Lattice, R: Row>(
    reading: &Reading,
    known: &Known<'_, 'scope, T, R>,
    scope: Scope<'scope, T>,
) -> Rows<'scope, T, R> {
    let rows = match reading.read {
        Read::Source(at) => known.sources.get(at),
        Read::Made(at) => known.relations.get(at).and_then(Option::as_ref),
        // views that read each other run as one plan, in which there is none of these
        Read::Outer(_) => None,
    };
    let rows = rows.cloned().unwrap_or_else(|| none(scope));
    let (constants, same) = (reading.constants.clone(), reading.same.clone());
    let there = reading.there.clone();
    if constants.is_empty() && same.is_empty() && there.is_empty() {
        return rows;
    }
    rows.filter(move |row| {
        let is = |(at, value): &(usize, u64)| row.word(*at) == *value;
        let are = |(a, b): &(usize, usize)| row.word(*a) == row.word(*b);
        let has = |at: &usize| row.word(*at) != NULL;
        there.iter().all(has) && constants.iter().all(is) && same.iter().all(are)
    })
}
