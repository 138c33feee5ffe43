//! What `explain` says of the connection graph: for each measure how it is kept up, what is kept of it, and what is exchanged.

use operators::features::ConnectionPlan;
use operators::views::graph::{Measures, NodeFacts, Record, Sums};
use operators::views::{Communities, Window};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One measure: its columns or what it is for, how it is kept up, its state, its exchange.
pub struct Measure {
    /// What is measured.
    pub name: &'static str,
    /// `incremental` or `per window`.
    pub kept: &'static str,
    /// What is held.
    pub state: String,
    /// What goes from worker to worker.
    pub exchange: &'static str,
}

/// The measures of a plan.
pub fn measures(plan: &ConnectionPlan) -> Vec<Measure> {
    let Measures {
        edge_ports,
        ports,
        degrees,
        triangles,
        times,
    } = plan.measures;
    // an entry of an arrangement: key, tick, difference
    let entry = |key: usize| key + size_of::<u64>() + size_of::<Sums>();
    let incremental = |name, state: String, exchange| Measure {
        name,
        kept: "incremental",
        state,
        exchange,
    };
    let mut all = vec![
        incremental(
            "flows, packets, bytes of nodes",
            format!("{} B a node and role", entry(4)),
            "records by node",
        ),
        incremental(
            "flows of edges",
            format!("{} B an edge", entry(8)),
            "records by edge",
        ),
    ];
    let mut counted = |wanted: bool, name, state: String, exchange| {
        if wanted {
            all.push(incremental(name, state, exchange));
        }
    };
    counted(
        edge_ports,
        "flows of edges by port",
        "28 B an edge and port".to_owned(),
        "records by edge and port",
    );
    counted(
        ports,
        "distinct ports",
        "24 B a node and port, 20 B a node".to_owned(),
        "records by node and port",
    );
    counted(
        degrees,
        "distinct peers, degrees",
        "20 B a node and role, over the edges".to_owned(),
        "distinct edges by node",
    );
    counted(
        triangles,
        "triangles, clustering",
        "24 B a pair, and 8 B a pair on every worker".to_owned(),
        "distinct pairs to all",
    );
    counted(
        times,
        "flow rate, spread, bursts",
        format!("{} B a record and end", 4 + 16 + 16),
        "records by node",
    );
    let mut whole = |wanted: bool, name, state: &str| {
        if wanted {
            all.push(Measure {
                name,
                kept: "per window",
                state: state.to_owned(),
                exchange: "counts to worker 0",
            });
        }
    };
    whole(
        plan.betweenness,
        "betweenness",
        "32 B a node, 48 B an edge while it is computed",
    );
    let name = match plan.options.communities {
        Communities::LabelPropagation => "communities: label propagation",
        Communities::Components => "communities: components",
        Communities::Louvain => "communities: louvain",
        Communities::Greedy => "communities: greedy",
    };
    whole(
        plan.communities,
        name,
        "24 B a node, 48 B an edge while it is computed",
    );
    all
}

/// The graph in words.
pub fn text(plan: &ConnectionPlan) -> String {
    let nodes = if plan.options.use_ports {
        "address and port"
    } else {
        "address"
    };
    let leaves = match (plan.options.window, plan.options.asof) {
        (Window::All, false) => "rows wait for the end of the input".to_owned(),
        (Window::All, true) => {
            "rows wait for the end of the input, and know what started before".to_owned()
        }
        (Window::Sliding { .. }, _) => format!(
            "rows wait for the first window that they are in; {} B a record until it leaves",
            size_of::<Record>()
        ),
    };
    let mut out = format!(
        "graph: a node is an {nodes}; window {}; {leaves}; rows, names and tables ({} B a node) on worker 0\n",
        plan.options.window.text(),
        size_of::<NodeFacts>()
    );
    let all = measures(plan);
    let width = all
        .iter()
        .map(|measure| measure.name.len())
        .max()
        .unwrap_or(0);
    for measure in all {
        let _ = writeln!(
            out,
            "  {:<width$}  {:<11}  {}; {}",
            measure.name, measure.kept, measure.state, measure.exchange
        );
    }
    out
}

/// The graph for programs.
pub fn json(plan: &ConnectionPlan) -> Value {
    let measures = measures(plan).into_iter().map(|measure| {
        json!({
            "name": measure.name,
            "kept": measure.kept,
            "state": measure.state,
            "exchange": measure.exchange,
        })
    });
    json!({
        "window": plan.options.window.text(),
        "asof": plan.options.asof,
        "measures": measures.collect::<Vec<_>>(),
    })
}
