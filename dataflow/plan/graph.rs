//! What `explain` says of the connection graph: for each measure how it is kept up, what is kept of it, and what is exchanged.

use operators::features::ConnectionPlan;
use operators::views::graph::{
    Betweenness, Degrees, Graph, Measures, NodeFacts, Record, Sums, Times,
};
use operators::views::{Communities, Recent, Window};
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
        neighbours: _,
        triangles,
        times,
    } = plan.measures;
    let incremental = |name, state: String, exchange| Measure {
        name,
        kept: "incremental",
        state,
        exchange,
    };
    let mut all = vec![
        incremental(
            "flows, packets, bytes of nodes",
            format!("{} B a node", update::<u32, (Sums, Sums)>()),
            "records by node",
        ),
        incremental(
            "flows of edges",
            format!("{} B an edge", update::<(u32, u32), Sums>()),
            "records by edge",
        ),
    ];
    let node = update::<u32, Degrees>();
    let mut counted = |wanted: bool, name, state: String, exchange| {
        if wanted {
            all.push(incremental(name, state, exchange));
        }
    };
    counted(
        edge_ports,
        "flows of edges by port",
        format!("{} B an edge and port", update::<(u32, u32, u16), isize>()),
        "records by edge and port",
    );
    counted(
        ports,
        "distinct ports",
        format!(
            "{} B a node and port, {node} B a node",
            update::<(u32, u16), isize>(),
        ),
        "records by node and port",
    );
    counted(
        degrees,
        "distinct peers, degrees",
        format!("{node} B a node, with its ports and triangles; over the edges"),
        "distinct edges by node",
    );
    counted(
        triangles,
        "triangles, clustering",
        format!(
            "{node} B a node, with its degrees, and {} B a pair on every worker; over the edges",
            size_of::<[u32; 2]>()
        ),
        "distinct pairs to all",
    );
    counted(
        times,
        "flow rate, spread, bursts",
        format!(
            "{} B a record and end, {} B a node",
            update::<(u32, (i64, i64)), isize>(),
            update::<(u32, Times), isize>()
        ),
        "records by node",
    );
    if plan.past {
        let [record, edge] = Recent::BYTES;
        all.push(Measure {
            name: "last records, new edges",
            kept: "incremental",
            state: format!(
                "{record} B a record until it is compared, {edge} B an edge for the whole run"
            ),
            exchange: "nothing: all rows are on worker 0",
        });
    }
    let edge = Graph::BYTES_PER_EDGE;
    let mut whole = |wanted: bool, name, state: String| {
        if wanted {
            all.push(Measure {
                name,
                kept: "per window",
                state,
                exchange: "counts to worker 0",
            });
        }
    };
    whole(
        plan.betweenness,
        "betweenness",
        format!(
            "{} B a node, {edge} B an edge while it is computed",
            Betweenness::BYTES_PER_NODE
        ),
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
        format!("{edge} B an edge while it is computed"),
    );
    whole(
        plan.components && plan.options.communities != Communities::Components,
        "components",
        format!("{edge} B an edge while it is computed"),
    );
    all
}

/// Bytes of an update in an arrangement: key, tick and difference, each in an array of its own. How many there are of each measure
/// a test of the operators knows; while batches merge there may be twice as many.
const fn update<K, D>() -> usize {
    size_of::<K>() + size_of::<u64>() + size_of::<D>()
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
