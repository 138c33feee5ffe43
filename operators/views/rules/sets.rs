//! Which rules give each binding once: where that is known, nothing has to be kept to count bindings, or different values, once.

use super::plan::{Gives, Plan, Read, Reading, Step, Steps};
use std::collections::BTreeSet;

/// Of a rule that gives groups, where no two of its bindings are the same: of each fold whether no two bindings of a group have the
/// same value. `None` = there may be some that are the same, or it is not known.
pub fn counted(plan: &Plan, rule: &Steps) -> Option<Vec<bool>> {
    let Gives::Groups { by, folds, .. } = &rule.gives else {
        return None;
    };
    // two rules may give the same
    let of_head = plan.rules.iter().filter(|other| other.head == rule.head);
    let decides = decides(plan, &rule.steps).filter(|_| of_head.count() == 1)?;
    let is_by = |place: usize| by.iter().any(|(_, of)| *of == place);
    let folds = folds.iter().map(|(_, _, of, _)| {
        let is_known = |place: &usize| is_by(*place) || Some(*place) == *of;
        decides.iter().all(is_known)
    });
    Some(folds.collect())
}

/// The places of the bindings that tell each binding from all others; `None` = it is not known.
fn decides(plan: &Plan, steps: &[Step]) -> Option<BTreeSet<usize>> {
    let mut decides = BTreeSet::new();
    for step in steps {
        match step {
            Step::Once | Step::Without(..) => {}
            Step::Scan(reading) => decides = takes(plan, reading, &[], decides)?,
            Step::Join(reading, key) => {
                let words: Vec<usize> = key.iter().map(|(word, _)| *word).collect();
                decides = takes(plan, reading, &words, decides)?;
            }
            // what is computed follows from the rest, which must still be there
            Step::Compute { lets, .. } => {
                if lets.iter().any(|(place, _)| decides.contains(place)) {
                    return None;
                }
            }
            Step::Groups(_) | Step::Top(_) => return None,
        }
    }
    Some(decides)
}

/// The same with the row of an atom, of which the words `bound` are known already.
fn takes(
    plan: &Plan,
    reading: &Reading,
    bound: &[usize],
    mut decides: BTreeSet<usize>,
) -> Option<BTreeSet<usize>> {
    // of what is read from outside there may be several rows with the same words
    let Read::Made(at) = reading.read else {
        return None;
    };
    let made = plan.relations.get(at)?;
    let mut known: BTreeSet<usize> = bound.iter().copied().collect();
    known.extend(reading.constants.iter().map(|(word, _)| *word));
    known.extend(reading.takes.iter().map(|(word, _)| *word));
    for (one, other) in &reading.same {
        if known.contains(one) || known.contains(other) {
            known.extend([*one, *other]);
        }
    }
    let keys = made.keys.iter().filter_map(|key| made.columns.get(*key));
    let mut words = keys.flat_map(|column| column.word..column.word + column.words);
    if !words.all(|word| known.contains(&word)) {
        return None;
    }
    for (_, place) in &reading.takes {
        if !decides.insert(*place) {
            return None; // it takes the place of what told bindings apart
        }
    }
    Some(decides)
}
