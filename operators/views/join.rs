//! The way back from the graph: each row gets its connection columns from the tables of its tick, and goes on to the sinks.

use super::graph::{Fact, Measured, Node, NodeFacts, Relation, Tables, Written, count, nodes_of};
use super::handover::{Ready, Rows, Shared};
use super::options::Window;
use super::past::Past;
use crate::columns::{Columns, FlowEdge};
use crate::error::Error;
use crate::features::{Connection, ConnectionPlan};
use std::collections::BTreeMap;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Stream, StreamVec};

/// Batches of rows that are given in one go.
const BATCHES: usize = 4;

/// Facts that change, by tick.
type Stash = BTreeMap<u64, Vec<(Fact, isize)>>;

/// What comes out of the join.
pub struct Joined<'scope> {
    /// Rows with their connection columns.
    pub rows: Stream<'scope, u64, Columns>,
    /// The tables of graph sinks, in the order in which they were asked for.
    pub tables: Vec<Stream<'scope, u64, Columns>>,
}

/// Operator `join`: facts come from all workers to the first, which has the rows. With `keeps_edges` they go on with their edges.
pub fn join<'scope>(
    facts: StreamVec<'scope, u64, (Fact, u64, isize)>,
    plan: ConnectionPlan,
    relations: Vec<Relation>,
    handover: Shared,
    keeps_edges: bool,
) -> Joined<'scope> {
    let scope = facts.scope();
    let is_first = scope.index() == 0;
    let mut builder = OperatorBuilder::new("join".to_owned(), scope);
    let activator = scope.activator_for(builder.operator_info().address);
    let mut facts = builder.new_input(facts, Exchange::new(|_: &(Fact, u64, isize)| 0));
    let (rows, stream) = builder.new_output();
    let mut rows: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(rows);
    let (mut outputs, mut tables) = (Vec::new(), Vec::new());
    for relation in relations {
        let (output, table) = builder.new_output();
        let output: OutputBuilder<u64, NoopBuilder<Columns>> = OutputBuilder::from(output);
        outputs.push((output, Written::new(relation)));
        tables.push(table);
    }
    builder.build(move |capabilities| {
        let mut held = Some(capabilities).filter(|_| is_first);
        let mut view = View::new(plan, keeps_edges);
        if outputs
            .iter()
            .any(|(_, written)| written.is_by_difference())
        {
            view.tables.track();
        }
        let mut stash = Stash::new();
        let mut working: Option<Ready> = None;
        move |frontiers| {
            facts.for_each(|_, facts| {
                for (fact, tick, diff) in facts.drain(..) {
                    stash.entry(tick).or_default().push((fact, diff));
                }
            });
            let Some((own, others)) = held.as_mut().and_then(|held| held.split_first_mut()) else {
                return;
            };
            let open = frontiers[0].frontier().first().copied();
            let mut write = |view: &mut View, is_last: bool| {
                for ((output, written), capability) in outputs.iter_mut().zip(&*others) {
                    if written.wants(is_last) {
                        let at = view.ends();
                        let mut batch = if written.is_by_difference() {
                            written.changes(&view.tables, at)
                        } else {
                            let (tables, measured) = view.measured();
                            written.tick(tables, measured, at)
                        };
                        let mut output = output.activate();
                        let mut session = output.session_with_builder(capability);
                        session.give_container(&mut batch);
                    }
                }
            };
            let mut rows = rows.activate();
            let mut given = 0;
            loop {
                if given >= BATCHES {
                    activator.activate();
                    return;
                }
                if working.is_none() {
                    let ready = &mut handover.borrow_mut().ready;
                    let is_counted = |ready: &Ready| open.is_none_or(|open| ready.last < open);
                    working = match ready.front().is_some_and(is_counted) {
                        true => ready.pop_front(),
                        false => None,
                    };
                    let Some(ready) = &mut working else { break };
                    for (tick, named) in ready.named.drain(..) {
                        view.names.entry(tick).or_default().extend(named);
                    }
                    if !matches!(ready.rows, Rows::Each(..)) {
                        view.come(ready.last, &mut stash);
                        write(&mut view, false);
                    }
                }
                let Some(ready) = &mut working else { break };
                match view.next(ready, &mut stash) {
                    Ok(Some(mut batch)) => {
                        given += 1;
                        let mut session = rows.session_with_builder(&*own);
                        session.give_container(&mut batch);
                    }
                    Ok(None) => {
                        if view.plan.options.window != Window::All {
                            // who waits for the rows of this tick has them
                            own.downgrade(&ready.last.saturating_add(1));
                        }
                        working = None;
                    }
                    Err(error) => {
                        handover.borrow_mut().fail(error);
                        working = None;
                    }
                }
            }
            if open.is_none() && handover.borrow().ready.is_empty() {
                write(&mut view, true);
                held = None;
            }
        }
    });
    Joined {
        rows: stream,
        tables,
    }
}

/// The graph at one tick, and what is computed of it.
struct View {
    plan: ConnectionPlan,
    keeps_edges: bool,
    tables: Tables,
    /// Names that change at ticks to come.
    names: BTreeMap<u64, Vec<super::graph::Named>>,
    tick: Option<u64>,
    measured: Option<Measured>,
    /// The nodes of the last snapshot.
    nodes: Vec<(Node, u32)>,
}

impl View {
    fn new(plan: ConnectionPlan, keeps_edges: bool) -> Self {
        Self {
            plan,
            keeps_edges,
            tables: Tables::default(),
            names: BTreeMap::new(),
            tick: None,
            measured: None,
            nodes: Vec::new(),
        }
    }

    /// Goes on to a tick.
    fn come(&mut self, tick: u64, stash: &mut Stash) {
        if self.tick == Some(tick) {
            return;
        }
        self.tick = Some(tick);
        if let Some(measured) = self.measured.take() {
            self.nodes = measured.snapshot.nodes;
        }
        loop {
            let first = [self.names.keys().next(), stash.keys().next()];
            let first = first.into_iter().flatten().min().copied();
            let Some(next) = first.filter(|next| *next <= tick) else {
                break;
            };
            let named = self.names.remove(&next).unwrap_or_default();
            let facts = stash.remove(&next).unwrap_or_default();
            self.tables.come(&named, facts);
        }
    }

    /// The next rows, with their columns.
    fn next(&mut self, ready: &mut Ready, stash: &mut Stash) -> Result<Option<Columns>, Error> {
        match &mut ready.rows {
            Rows::None => Ok(None),
            Rows::Of(sorted) => {
                let Some(mut rows) = sorted.next().transpose()? else {
                    return Ok(None);
                };
                let edges = self.edges(&mut rows);
                let records = edges.iter().zip(&rows.keys);
                let values: Result<_, Error> = records
                    .map(|(edge, key)| self.value(edge, ready.past.of(key)))
                    .collect();
                let values = values?;
                rows.edges = edges;
                Ok(Some(self.filled(rows, values)))
            }
            Rows::Each(rows, ticks) => {
                let (mut rows, ticks) = (std::mem::take(rows), std::mem::take(ticks));
                ready.rows = Rows::None;
                let edges = self.edges(&mut rows);
                let mut values = Vec::with_capacity(edges.len());
                for ((edge, key), tick) in edges.iter().zip(&rows.keys).zip(ticks) {
                    self.come(tick, stash);
                    values.push(self.value(edge, ready.past.of(key))?);
                }
                rows.edges = edges;
                Ok(Some(self.filled(rows, values)))
            }
        }
    }

    /// The edges of rows, which lose them where nobody reads them later.
    fn edges(&self, rows: &mut Columns) -> Vec<FlowEdge> {
        match self.keeps_edges {
            true => rows.edges.clone(),
            false => std::mem::take(&mut rows.edges),
        }
    }

    fn filled(&self, mut rows: Columns, values: Vec<Connection>) -> Columns {
        self.plan.fill(&mut rows, values.into_iter());
        rows
    }

    /// What the graph says of the ends of a flow.
    fn value(&mut self, edge: &FlowEdge, past: Past) -> Result<Connection, Error> {
        let options = &self.plan.options;
        let (source, target) = nodes_of(edge, options.use_ports);
        let missing = || {
            Error::new(format!(
                "a flow from {source} to {target} waits for nodes that the connection graph does not have: this is a defect of jayflow"
            ))
        };
        let numbers = (self.tables.number(&source), self.tables.number(&target));
        let (Some(from), Some(to)) = numbers else {
            return Err(missing());
        };
        let (source, target) = (self.tables.facts(from), self.tables.facts(to));
        let on = |value: i32| options.metrics.then_some(count(value.into()));
        let clustering = |node: &NodeFacts| options.metrics.then(|| node.clustering());
        let times = source.times.filter(|_| options.temporal);
        let in_span = |peers: i32, node: &NodeFacts| {
            node.times
                .map_or(0.0, |times| rate(peers.into(), times.span()))
        };
        let mut value = Connection {
            conn_src_unique_dsts: count(source.degrees.out_degree.into()),
            conn_dst_unique_srcs: count(target.degrees.in_degree.into()),
            conn_src_dst_flows: count(self.tables.edge(from, to).0),
            conn_src_port_flows: count(self.tables.edge_port(from, to, edge.to_port)),
            conn_src_total_flows: count(source.from.0),
            conn_dst_total_flows: count(target.to.0),
            conn_src_total_packets: count(source.from.1),
            conn_src_total_bytes: count(source.from.2),
            conn_dst_total_packets: count(target.to.1),
            conn_dst_total_bytes: count(target.to.2),
            conn_src_unique_ports: count(source.degrees.ports.into()),
            conn_src_out_degree: on(source.degrees.out_degree),
            conn_dst_in_degree: on(target.degrees.in_degree),
            conn_src_clustering: clustering(source),
            conn_dst_clustering: clustering(target),
            conn_src_flow_rate: times.map(|times| rate(source.from.0, times.span())),
            conn_temporal_spread: times.map(|times| times.spread()),
            conn_burst_connections: times.map(|times| times.chain),
            fan_out_rate: in_span(source.degrees.out_degree, source),
            fan_in_rate: in_span(target.degrees.in_degree, target),
            ..past.columns()
        };
        let ConnectionPlan {
            betweenness,
            communities,
            components,
            ..
        } = self.plan;
        if !betweenness && !communities && !components {
            return Ok(value);
        }
        let method = self.plan.options.communities;
        let (_, measured) = self.measured();
        let (Some(from), Some(to)) = (measured.snapshot.rank(from), measured.snapshot.rank(to))
        else {
            return Err(missing());
        };
        if components {
            let (label, nodes) = measured.component(from);
            value.component_id = u64::from(label);
            value.component_size = nodes;
        }
        if betweenness {
            let betweenness = measured.betweenness();
            value.conn_src_betweenness = Some(betweenness.values[from]);
            value.conn_dst_betweenness = Some(betweenness.values[to]);
            value.conn_betweenness_exact = Some(u8::from(betweenness.is_exact));
        }
        if communities {
            let communities = measured.communities(method);
            value.conn_src_community = Some(i64::from(communities[from]));
            value.conn_dst_community = Some(i64::from(communities[to]));
            value.conn_same_community = Some(u8::from(communities[from] == communities[to]));
        }
        Ok(value)
    }

    /// What is computed of the whole graph at this tick.
    fn measured(&mut self) -> (&Tables, &Measured) {
        let measured = self.measured.get_or_insert_with(|| {
            let nodes = std::mem::take(&mut self.nodes);
            Measured::after(nodes, &self.tables, &self.plan.options)
        });
        (&self.tables, measured)
    }

    /// When the window ends that closes at this tick, ns; 0 where there are none.
    fn ends(&self) -> i64 {
        match (self.plan.options.window, self.tick) {
            (Window::Sliding { step, .. }, Some(tick)) => {
                let next = Window::of_time(tick).saturating_add(1);
                next.saturating_mul(step)
            }
            _ => 0,
        }
    }
}

/// Flows or nodes in a second; 0 in no time.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and spans of one capture"
)]
fn rate(count: i64, span: u64) -> f64 {
    if span == 0 {
        return 0.0;
    }
    count as f64 * 1e9 / span as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Address;
    use crate::features::FeatureSettings;
    use crate::views::graph::Measures;

    #[test]
    fn a_row_whose_node_is_not_there_ends_the_run() {
        let mut plan = FeatureSettings::default().plan().unwrap();
        plan.want_graph(Measures::ALL);
        let mut view = View::new(plan.connection().unwrap(), false);
        let address = |last| Address {
            family: 4,
            bytes: [10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        let edge = FlowEdge {
            from: address(1),
            to: address(2),
            from_port: 1,
            to_port: 2,
            protocol: 6,
            packets: 1,
            bytes: 60,
            start: 0,
            end: 0,
            clock: 0,
        };
        let node = |edge: &FlowEdge| nodes_of(edge, false).0;
        let error = view.value(&edge, Past::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("a flow from 10.0.0.1 to 10.0.0.2 waits"),
            "{error}"
        );
        view.tables.name(&[(0, Some(node(&edge)))]);
        assert!(view.value(&edge, Past::default()).is_err());
        let back = FlowEdge {
            from: edge.to,
            ..edge
        };
        view.tables.name(&[(1, Some(node(&back)))]);
        assert!(view.value(&edge, Past::default()).is_ok());
    }
}
