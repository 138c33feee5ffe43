//! Views that read each other as one plan: each reads the relations of the others as they are at the tick, nothing is written out
//! and taken in again between them.

use super::plan::{Plan, Read, Reading, Step, Steps, Strata};

/// A view among those that run together.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does.
    pub plan: &'a Plan,
    /// Of each of its inputs the place among those of all.
    pub inputs: Vec<usize>,
}

/// One plan of all: relations and strata stand in the order of the members. Each of these comes after those that it reads.
pub fn merged(members: &[Member<'_>]) -> Plan {
    let mut all = Plan {
        width: 1,
        constants: Vec::new(),
        sources: Vec::new(),
        outer: Vec::new(),
        relations: Vec::new(),
        strata: Vec::new(),
        rules: Vec::new(),
    };
    // where the relations of each member begin
    let mut starts: Vec<(&str, usize)> = Vec::new();
    for Member { name, plan, inputs } in members {
        let (sources, relations) = (all.sources.len(), all.relations.len());
        starts.push((name, relations));
        let read = |read: Read| match read {
            Read::Source(at) => Read::Source(sources + at),
            Read::Made(at) => Read::Made(relations + at),
            Read::Outer(at) => {
                let found = plan.outer.get(at).and_then(|outer| {
                    let (_, start) = starts.iter().find(|(name, _)| **name == outer.view)?;
                    Some(start + outer.relation)
                });
                // checked: a view that is read is there, and comes first
                found.map_or(Read::Outer(at), Read::Made)
            }
        };
        all.width = all.width.max(plan.width);
        for constant in &plan.constants {
            if !all.constants.contains(constant) {
                all.constants.push(constant.clone());
            }
        }
        for source in &plan.sources {
            let mut source = source.clone();
            let places = source.inputs.iter();
            source.inputs = places.filter_map(|at| inputs.get(*at).copied()).collect();
            all.sources.push(source);
        }
        all.relations.extend(plan.relations.iter().cloned());
        all.strata.extend(plan.strata.iter().map(|stratum| Strata {
            relations: stratum.relations.iter().map(|at| relations + at).collect(),
            is_recursive: stratum.is_recursive,
        }));
        all.rules.extend(plan.rules.iter().map(|rule| Steps {
            head: relations + rule.head,
            steps: rule.steps.iter().map(|step| moved(step, &read)).collect(),
            gives: rule.gives.clone(),
        }));
    }
    all
}

/// A step that reads from somewhere else.
fn moved(step: &Step, read: &impl Fn(Read) -> Read) -> Step {
    let from = |reading: &Reading| Reading {
        read: read(reading.read),
        ..reading.clone()
    };
    match step {
        Step::Scan(reading) => Step::Scan(from(reading)),
        Step::Join(reading, key) => Step::Join(from(reading), key.clone()),
        Step::Without(reading, key) => Step::Without(from(reading), key.clone()),
        step => step.clone(),
    }
}
