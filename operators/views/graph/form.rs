//! The graph of a view: rows of words in, its nodes and edges as rows of words out, with what is measured of them.
//!
//! Nodes are numbered on one worker, what is counted is maintained on all (`maintain.rs`), and what changes at a tick is found by
//! the tables of the graph as graph sinks have them (`written.rs`).

use super::edge::{Named, Names, Node, Record};
use super::maintain::{Measures, maintain};
use super::measured::{How, Measured};
use super::relations::{Emit, Metric, Relation, Row as Shown, Table};
use super::tables::Tables;
use super::written::Written;
use crate::columns::Address;
use crate::expressions::{Constant, Type};
use crate::views::options::{BetweennessOptions, Communities};
use crate::views::rules::{Made, MadeColumn, Row, Rows};
use differential_dataflow::AsCollection as _;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::{Operator as _, OutputBuilder};

/// What is made of rows with a node to start at, a node to end at, and a weight.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphPlan {
    /// Whether edges have a direction.
    pub directed: bool,
    /// What is measured of nodes.
    pub metrics: Vec<Metric>,
    /// How betweenness is.
    pub betweenness: BetweennessOptions,
    /// What nodes are: addresses or texts.
    pub nodes: Type,
}

/// How words are spelled, on the worker that knows.
pub type Spell = Rc<dyn Fn(u64) -> Constant>;

impl Metric {
    /// The columns of a node, with their types.
    const fn columns(self) -> &'static [(&'static str, Type)] {
        match self {
            Self::Degree => &[("degree", Type::Int)],
            Self::InDegree => &[("in_degree", Type::Int)],
            Self::OutDegree => &[("out_degree", Type::Int)],
            Self::Clustering => &[("clustering", Type::Float)],
            Self::Triangles => &[("triangles", Type::Int)],
            Self::Components => &[("component", Type::Int)],
            Self::Kcore => &[("kcore", Type::Int)],
            Self::LabelPropagation => &[("label_propagation", Type::Int)],
            Self::Louvain => &[("louvain", Type::Int)],
            Self::Greedy => &[("greedy", Type::Int)],
            Self::Pagerank => &[("pagerank", Type::Float)],
            Self::Betweenness => &[
                ("betweenness", Type::Float),
                ("betweenness_exact", Type::Bool),
            ],
        }
    }
}

impl GraphPlan {
    /// The relations `nodes` and `edges`.
    pub fn relations(&self) -> [Made; 2] {
        let made = |name: &str, columns: Vec<(&str, Type)>, keys: Vec<usize>| Made {
            name: name.to_owned(),
            columns: (0..)
                .zip(columns)
                .map(|(word, (name, kind))| MadeColumn::new(name, kind, word))
                .collect(),
            keys,
        };
        let measured = self.metrics.iter().flat_map(|metric| metric.columns());
        let mut nodes = vec![("node", self.nodes.clone())];
        nodes.extend(measured.cloned());
        let edges = vec![
            ("from", self.nodes.clone()),
            ("to", self.nodes.clone()),
            ("weight", Type::Int),
            ("flows", Type::Int),
        ];
        [
            made("nodes", nodes, vec![0]),
            made("edges", edges, vec![0, 1]),
        ]
    }

    /// The metrics by how they are kept: by differences, and computed anew of the graph of a tick.
    pub fn kept(&self) -> [Vec<Metric>; 2] {
        let (local, whole) = self.metrics.iter().partition(|metric| metric.is_local());
        [local, whole]
    }

    fn measures(&self) -> Measures {
        let has = |metrics: &[Metric]| metrics.iter().any(|one| self.metrics.contains(one));
        Measures {
            edge_ports: false,
            ports: false,
            degrees: has(&[Metric::InDegree, Metric::OutDegree]),
            neighbours: has(&[Metric::Degree]),
            triangles: has(&[Metric::Clustering, Metric::Triangles]),
            times: false,
        }
    }

    fn relation(&self, table: Table) -> Relation {
        Relation {
            table: Some(table),
            emit: Emit::Changes,
            metrics: self.metrics.clone(),
            communities: Communities::Components,
            use_ports: false,
            only_last: false,
            is_windowed: false,
        }
    }

    /// The node that a word stands for. Texts are in the order of their words: some order, and always the same one.
    fn node(&self, word: u64, spell: &Spell) -> Node {
        let address = match spell(word) {
            Constant::Ip(address) => address,
            _ => {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&word.to_be_bytes());
                Address { family: 0, bytes }
            }
        };
        Node {
            address,
            port: None,
        }
    }
}

/// What is told between the two ends, by time: names that change, and the words that new names stand for. On one worker.
type Told = Rc<RefCell<BTreeMap<u64, (Vec<Named>, Vec<(Node, u64)>)>>>;

/// The nodes and the edges of the graph of rows whose first words are the ends of an edge and its weight.
pub fn graph<'scope, R: Row>(
    rows: Rows<'scope, u64, R>,
    plan: &GraphPlan,
    spell: &Spell,
) -> [Rows<'scope, u64, R>; 2] {
    let told: Told = Rc::default();
    let records = number(rows, plan, spell, &told);
    let facts = maintain(records, plan.measures());
    let scope = facts.scope();
    let mut builder = OperatorBuilder::new("graph tables".to_owned(), scope);
    let mut facts = builder.new_input(facts, Exchange::new(|_: &(super::Fact, u64, isize)| 0));
    let (nodes_out, nodes) = builder.new_output::<Vec<(R, u64, isize)>>();
    let (edges_out, edges) = builder.new_output::<Vec<(R, u64, isize)>>();
    let outputs = [nodes_out, edges_out];
    let mut outputs = outputs.map(OutputBuilder::<_, CapacityContainerBuilder<_>>::from);
    let plan = plan.clone();
    builder.build(move |capabilities| {
        let mut held = Some(capabilities);
        let mut stash: BTreeMap<u64, Vec<(super::Fact, isize)>> = BTreeMap::new();
        let mut tables = Tables::default();
        tables.track();
        let mut words: HashMap<Node, u64> = HashMap::new();
        let mut written = [Table::Nodes, Table::Edges].map(|of| Written::new(plan.relation(of)));
        move |frontiers| {
            facts.for_each(|_, facts| {
                for (fact, time, diff) in facts.drain(..) {
                    stash.entry(time).or_default().push((fact, diff));
                }
            });
            let Some(capabilities) = &mut held else {
                return;
            };
            let open = frontiers[0].frontier().first().copied();
            loop {
                let mut told = told.borrow_mut();
                let next = [stash.keys().next(), told.keys().next()];
                let next = next.into_iter().flatten().min().copied();
                let Some(time) = next.filter(|time| open.is_none_or(|open| *time < open)) else {
                    break;
                };
                let (named, come) = told.remove(&time).unwrap_or_default();
                drop(told);
                words.extend(come);
                let gone: Vec<Node> = (named.iter())
                    .filter(|(_, node)| node.is_none())
                    .filter_map(|(number, _)| tables.name_of(*number))
                    .collect();
                tables.come(&named, stash.remove(&time).unwrap_or_default());
                let mut measured = None;
                for (at, (written, output)) in written.iter_mut().zip(&mut outputs).enumerate() {
                    let rows = written.differences(&tables, || {
                        let how = How {
                            weighted: true,
                            directed: plan.directed,
                            betweenness: plan.betweenness,
                        };
                        measured.get_or_insert_with(|| Measured::new(&tables, how))
                    });
                    let mut output = output.activate();
                    let mut session = output.session(&capabilities[at]);
                    let rows = rows.iter().filter_map(|(row, diff)| {
                        let row = plan.row(row, &words)?;
                        Some((row, time, isize::from(*diff)))
                    });
                    session.give_iterator(rows);
                }
                for node in gone {
                    words.remove(&node);
                }
            }
            match open {
                Some(open) => capabilities
                    .iter_mut()
                    .filter(|capability| *capability.time() < open)
                    .for_each(|capability| capability.downgrade(&open)),
                None => held = None,
            }
        }
    });
    [nodes, edges].map(|stream| stream.as_collection())
}

impl GraphPlan {
    /// A node or an edge as words.
    fn row<R: Row>(&self, row: &Shown, words: &HashMap<Node, u64>) -> Option<R> {
        let Shown::Element(element) = row else {
            return None;
        };
        let word = |address: Option<Address>| {
            let node = Node {
                address: address?,
                port: None,
            };
            words.get(&node).copied()
        };
        let mut made = R::default();
        made.set(0, word(element.node)?);
        if element.to.is_some() {
            made.set(1, word(element.to)?);
            made.set(2, element.bytes);
            made.set(3, element.flows);
            return Some(made);
        }
        let float = |value: Option<f64>| (value.unwrap_or(0.0) + 0.0).to_bits();
        let rank = |value: Option<u32>| u64::from(value.unwrap_or(0));
        let mut at = 1;
        for metric in &self.metrics {
            let word = match metric {
                Metric::Degree => element.degree.unwrap_or(0),
                Metric::InDegree => element.in_degree.unwrap_or(0),
                Metric::OutDegree => element.out_degree.unwrap_or(0),
                Metric::Triangles => element.triangles.unwrap_or(0),
                Metric::Clustering => float(element.clustering),
                Metric::Components => rank(element.component),
                Metric::Kcore => rank(element.kcore),
                Metric::LabelPropagation => rank(element.label_propagation),
                Metric::Louvain => rank(element.louvain),
                Metric::Greedy => rank(element.greedy),
                Metric::Pagerank => float(element.pagerank),
                Metric::Betweenness => {
                    let is_exact = element.betweenness_exact.unwrap_or(1);
                    made.set(at + 1, u64::from(is_exact));
                    float(element.betweenness)
                }
            };
            made.set(at, word);
            at += metric.columns().len();
        }
        Some(made)
    }
}

/// Operator `number nodes`: rows come to one worker, which gives their nodes numbers.
fn number<'scope, R: Row>(
    rows: Rows<'scope, u64, R>,
    plan: &GraphPlan,
    spell: &Spell,
    told: &Told,
) -> Rows<'scope, u64, Record> {
    let (plan, spell, told) = (plan.clone(), Rc::clone(spell), Rc::clone(told));
    let pact = Exchange::new(|_: &(R, u64, isize)| 0);
    let records: StreamVec<'scope, u64, (Record, u64, isize)> = rows
        .inner
        .unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(
            pact,
            "number nodes",
            |capability, _| {
                let mut held = Some(capability);
                let mut stash: BTreeMap<u64, BTreeMap<R, isize>> = BTreeMap::new();
                let mut names = Names::default();
                move |(input, frontier), output| {
                    input.for_each(|_, rows| {
                        for (row, time, diff) in rows.drain(..) {
                            *stash.entry(time).or_default().entry(row).or_default() += diff;
                        }
                    });
                    let Some(capability) = &mut held else {
                        return;
                    };
                    let open = frontier.frontier().first().copied();
                    while let Some(first) = stash.first_entry() {
                        let time = *first.key();
                        if open.is_some_and(|open| time >= open) {
                            break;
                        }
                        let changes = first.remove();
                        let numbered = plan.numbered(changes, &spell, &mut names);
                        let records = numbered.records.into_iter();
                        let records = records.map(|(record, diff)| (record, time, diff));
                        output.session(capability).give_iterator(records);
                        let change = (numbered.named, numbered.words);
                        told.borrow_mut().insert(time, change);
                    }
                    match open {
                        Some(open) if open > *capability.time() => capability.downgrade(&open),
                        Some(_) => {}
                        None => held = None,
                    }
                }
            },
        );
    records.as_collection()
}

/// What happens at a tick.
#[derive(Default)]
struct Numbered {
    records: Vec<(Record, isize)>,
    named: Vec<Named>,
    words: Vec<(Node, u64)>,
}

impl GraphPlan {
    fn numbered<R: Row>(
        &self,
        changes: BTreeMap<R, isize>,
        spell: &Spell,
        names: &mut Names,
    ) -> Numbered {
        let mut numbered = Numbered::default();
        // what comes stands before what goes: no number is given anew at the tick at which it is given up
        let (come, go): (Vec<_>, Vec<_>) = changes
            .into_iter()
            // a weight below 0 is none
            .filter(|(row, diff)| *diff != 0 && row.word(2).cast_signed() >= 0)
            .partition(|(_, diff)| *diff > 0);
        for (row, diff) in come.into_iter().chain(go) {
            let ends = [row.word(0), row.word(1)];
            let mut nodes = ends.map(|word| (self.node(word, spell), word));
            if !self.directed {
                nodes.sort_unstable();
            }
            let times = diff.unsigned_abs() as u64;
            let numbers = nodes.map(|(node, word)| match diff > 0 {
                true => {
                    let before = numbered.named.len();
                    let number = names.hold(node, times, &mut numbered.named);
                    if numbered.named.len() > before {
                        numbered.words.push((node, word));
                    }
                    Some(number)
                }
                false => names.number(&node),
            });
            let [Some(from), Some(to)] = numbers else {
                continue;
            };
            if diff < 0 {
                for number in [from, to] {
                    names.release(number, times, &mut numbered.named);
                }
            }
            let record = Record {
                from,
                to,
                port: 0,
                packets: 0,
                bytes: row.word(2),
                start: 0,
                end: 0,
            };
            numbered.records.push((record, diff));
        }
        numbered
    }
}
