//! Push-down: what every reader of the rows leaves out by the flow key alone is left out before the flow table.
//!
//! It belongs to the meaning of a spec, not to the way in which it is run: which flows are in the table decides whom a full table ends.
//! So it depends on the spec alone, and nothing switches it off. Not pushed: what is behind a join or a second filter, routes, and
//! columns that are derived of the key.

use super::{Kind, Plan, prune};
use crate::spec::TAP;
use operators::expressions::aggregates::fields;
use operators::expressions::{Typed, capture_filter};
use operators::flows::FlowOptions;
use petgraph::Direction;
use std::collections::BTreeSet;

/// What is asked of packets in the place of rows.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Whether some reader can take the flow of a packet, whichever of its ends has sent it.
    pub condition: Typed,
    /// The columns that it stands for.
    pub columns: BTreeSet<&'static str>,
    /// The readers whose conditions these are.
    pub readers: Vec<String>,
}

impl Pushed {
    /// What is kept out, in words.
    pub(super) fn text(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().copied().collect();
        let readers: Vec<String> = self
            .readers
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        format!(
            "; without the flows that {} {} out by {}",
            readers.join(" and "),
            if readers.len() == 1 {
                "leaves"
            } else {
                "leave"
            },
            columns.join(", ")
        )
    }

    /// The same for whoever captures, where that can be said.
    pub fn capture_filter(&self) -> Option<String> {
        capture_filter(&self.condition)
    }
}

/// A column of the flow key: its name, and the field of a packet that has its value where the initiator sent it, and where the
/// responder did.
type KeyColumn = (&'static str, [&'static str; 2]);

/// The columns that all packets of a flow agree in, but for the direction.
fn key_columns(flows: &FlowOptions) -> impl Iterator<Item = KeyColumn> + use<> {
    let ports = flows.has_ports().then_some([
        ("src_port", ["src_port", "dst_port"]),
        ("dst_port", ["dst_port", "src_port"]),
    ]);
    let protocol = flows.has_protocol().then_some(("protocol", ["proto"; 2]));
    let addresses = [
        ("src_ip", ["src_ip", "dst_ip"]),
        ("dst_ip", ["dst_ip", "src_ip"]),
    ];
    addresses
        .into_iter()
        .chain(ports.into_iter().flatten())
        .chain(protocol)
}

/// What goes before the flow table; `None` = nothing, as somebody needs all flows.
pub(super) fn down(plan: &Plan) -> Option<Pushed> {
    let (flows, features) = (plan.flows()?, plan.features()?);
    let needs_all = plan.is_rows
        || plan.relations().next().is_some()
        || plan.views().next().is_some()
        || features.plan.connection().is_some();
    if needs_all {
        return None;
    }
    let column = |place: u32| {
        let feature = features.plan.schema.get(*features.places.get(&place)?)?;
        let mut known = key_columns(flows);
        known.find(|(name, _)| feature.group == "flow_meta" && *name == feature.name)
    };
    let graph = &plan.graph;
    let at = graph
        .node_indices()
        .find(|node| matches!(graph[*node].kind, Kind::Features(_)))?;
    // whoever looks on changes nothing
    let wanted = prune::reaching(graph, |sink| sink.name != TAP);
    let mut pushed: Option<Pushed> = None;
    let mut readers: Vec<_> = graph.neighbors_directed(at, Direction::Outgoing).collect();
    readers.sort_unstable();
    for reader in readers.into_iter().filter(|node| wanted.contains(node)) {
        let condition = match &graph[reader].kind {
            Kind::Filter(filter) if filter.has_where => filter.conditions.first()?,
            Kind::Sink(sink) => sink.condition.as_ref()?,
            _ => return None,
        };
        let mut columns = BTreeSet::new();
        // all of it in one direction, or all of it in the other
        let mut asked: Option<[Typed; 2]> = None;
        for part in condition.conjuncts() {
            let (mut names, mut is_key) = (BTreeSet::new(), true);
            part.loads(&mut |place| match column(place) {
                Some((name, _)) => _ = names.insert(name),
                None => is_key = false,
            });
            let over = |way: usize| part.over(&|place| fields::find(column(place)?.1[way]));
            let Some((there, back)) = over(0).zip(over(1)) else {
                continue;
            };
            if !is_key || names.is_empty() {
                continue;
            }
            columns.append(&mut names);
            asked = Some(match asked {
                None => [there, back],
                Some([before_there, before_back]) => {
                    [before_there.and(there), before_back.and(back)]
                }
            });
        }
        let [there, back] = asked?;
        // a flow of one direction has the ends of its packets
        let asked = match flows.bidirectional {
            true => there.or(back),
            false => there,
        };
        let name = graph[reader].name.clone();
        match &mut pushed {
            None => {
                pushed = Some(Pushed {
                    condition: asked,
                    columns,
                    readers: vec![name],
                });
            }
            Some(pushed) => {
                pushed.condition = pushed.condition.clone().or(asked);
                pushed.columns.append(&mut columns);
                pushed.readers.push(name);
            }
        }
    }
    pushed
}
