//! The facts of a graph from scratch, in the plainest way: what the maintained ones are held against.

use super::edge::Record;
use super::maintain::{Degrees, Fact, Sums, Times};
use std::collections::{BTreeMap, BTreeSet};

/// Every fact of these records.
pub fn facts(records: &[Record]) -> BTreeSet<Fact> {
    let mut from: BTreeMap<u32, Sums> = BTreeMap::new();
    let mut to: BTreeMap<u32, Sums> = BTreeMap::new();
    let mut edges: BTreeMap<(u32, u32), Sums> = BTreeMap::new();
    let mut edge_ports: BTreeMap<(u32, u32, u16), i64> = BTreeMap::new();
    let mut ports: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
    let mut out: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut into: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut around: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut times: BTreeMap<u32, Vec<(i64, i64, u64)>> = BTreeMap::new();
    let add = |sums: &mut Sums, record: &Record| {
        sums.0 += 1;
        sums.1 += i64::try_from(record.packets).unwrap();
        sums.2 += i64::try_from(record.bytes).unwrap();
    };
    for record in records {
        let (a, b) = (record.from, record.to);
        add(from.entry(a).or_default(), record);
        add(to.entry(b).or_default(), record);
        add(edges.entry((a, b)).or_default(), record);
        *edge_ports.entry((a, b, record.port)).or_default() += 1;
        ports.entry(a).or_default().insert(record.port);
        out.entry(a).or_default().insert(b);
        into.entry(b).or_default().insert(a);
        for (node, other) in BTreeSet::from([(a, b), (b, a)]) {
            let times = times.entry(node).or_default();
            times.push((record.start, record.end, 1));
            if node != other {
                around.entry(node).or_default().insert(other);
            }
        }
    }
    let size = |set: &BTreeSet<u32>| i32::try_from(set.len()).unwrap();
    let mut facts = BTreeSet::new();
    let nodes: BTreeSet<u32> = from.keys().chain(to.keys()).copied().collect();
    for node in nodes {
        let sums = [&from, &to].map(|sums| sums.get(&node).copied().unwrap_or_default());
        facts.insert(Fact::Flows(node, sums[0], sums[1]));
        let none = BTreeSet::new();
        let others = around.get(&node).unwrap_or(&none);
        let pairs = others
            .iter()
            .flat_map(|a| others.range(a + 1..).map(move |b| (a, b)));
        let triangles = pairs.filter(|(a, b)| around[a].contains(b)).count();
        let degrees = Degrees {
            out_degree: out.get(&node).map_or(0, size),
            in_degree: into.get(&node).map_or(0, size),
            ports: ports
                .get(&node)
                .map_or(0, |ports| i32::try_from(ports.len()).unwrap()),
            degree: size(others),
            triangles: i64::try_from(triangles).unwrap(),
        };
        facts.insert(Fact::Degrees(node, degrees));
    }
    facts.extend(
        edges
            .into_iter()
            .map(|((a, b), sums)| Fact::Edge(a, b, sums)),
    );
    facts.extend(
        edge_ports
            .into_iter()
            .map(|((a, b, port), n)| Fact::Port(a, b, port, n)),
    );
    for (node, mut flows) in times {
        flows.sort_unstable();
        facts.extend(Times::of(flows.into_iter()).map(|times| Fact::Times(node, times)));
    }
    facts
}
