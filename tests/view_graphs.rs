//! Views in the form of graphs: what the windows hold, against plain loops over the rows; the same on any number of workers.

use crate::program::Folder;
use crate::traffic::{in_order, records};
use crate::view_chains::windows;
use crate::views::{execute, lines, ns, on_two_processes};
use jayflow::Loaded;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A directed graph of addresses, one of texts without directions and with weights, a graph over a view, and views over graphs.
const VIEWS: &str = "
[features.derive]
one = 'text(src_ip)'
other = 'text(dst_ip)'
[views.hosts]
graph = { from = \"src_ip\", to = \"dst_ip\" }
metrics = [\"degree\", \"in_degree\", \"out_degree\", \"triangles\", \"clustering\", \"components\", \"kcore\"]
window = WINDOW
[views.ranked]
graph = { from = \"src_ip\", to = \"dst_ip\" }
metrics = [\"pagerank\", { betweenness = { max_nodes = 4000, pivots = 100 } }, \"louvain\"]
window = WINDOW
[views.texts]
input = \"features\"
where = 'protocol == 17'
graph = { from = \"one\", to = \"other\", weight = \"total_packets - 1\", directed = false }
metrics = [\"degree\", \"components\", \"label_propagation\", \"greedy\"]
window = WINDOW
[views.pairs]
group_by = [\"src_ip\", \"dst_ip\"]
select = { flows = \"count()\" }
window = WINDOW
[views.often]
input = \"pairs\"
where = 'flows > 1'
graph = { from = \"src_ip\", to = \"dst_ip\", weight = \"flows\" }
[views.hubs]
input = \"hosts.nodes\"
where = 'degree > 1'
group_by = \"component\"
select = { nodes = \"count()\", most = \"max(degree)\" }
";

const RELATIONS: [&str; 8] = [
    "hosts.nodes",
    "hosts.edges",
    "ranked.nodes",
    "texts.nodes",
    "texts.edges",
    "often.nodes",
    "often.edges",
    "hubs",
];

fn spec(window: &str, run: &str) -> String {
    let views = VIEWS.replace("WINDOW", window);
    let mut text = format!(
        "spec = 1\n[sources]\npath = \"in.pcap\"\n{views}[run]\n{run}\n\
        [sinks.rows]\ninput = \"features\"\npath = \"rows.csv\"\noverwrite = true\n\
        columns = [\"src_ip\", \"dst_ip\", \"protocol\", \"end_time\", \"total_packets\", \"one\"]\n"
    );
    for relation in RELATIONS {
        let name = relation.replace('.', "_");
        for emit in ["snapshot", "changes"] {
            text.push_str(&format!(
                "[sinks.{name}_{emit}]\ninput = \"{relation}\"\nemit = \"{emit}\"\noverwrite = true\npath = \"{relation}_{emit}.csv\"\n"
            ));
        }
    }
    text
}

type Line = Vec<String>;
type Rows = BTreeSet<Line>;

/// What an address is put in order by: family, bytes.
type Order = (u8, Vec<u8>);
/// A node and its neighbours.
type Around<'l> = (&'l str, BTreeSet<&'l str>);

fn order(address: &str) -> Order {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => (4, address.octets().to_vec()),
        std::net::IpAddr::V6(address) => (6, address.octets().to_vec()),
    }
}

/// The neighbours of each node, in the order of addresses; none of them is its own.
fn around<'l>(edges: &BTreeSet<(&'l str, &'l str)>) -> BTreeMap<Order, Around<'l>> {
    let mut around: BTreeMap<Order, Around<'_>> = BTreeMap::new();
    for (from, to) in edges {
        for (node, other) in [(from, to), (to, from)] {
            let (_, others) = around.entry(order(node)).or_insert((node, BTreeSet::new()));
            if node != other {
                others.insert(other);
            }
        }
    }
    around
}

/// For each node the first one of its component.
fn components<'l>(around: &[(&'l str, BTreeSet<&'l str>)]) -> Vec<usize> {
    let mut labels: Vec<usize> = (0..around.len()).collect();
    loop {
        let next: Vec<usize> = (around.iter().zip(&labels))
            .map(|((_, others), label)| {
                let of = |other: &&str| {
                    labels[around.iter().position(|(node, _)| node == other).unwrap()]
                };
                others.iter().map(of).chain([*label]).min().unwrap()
            })
            .collect();
        if next == labels {
            return labels;
        }
        labels = next;
    }
}

/// The largest k such that a node is left when all with fewer than k neighbours are taken away again and again.
fn core(around: &[(&str, BTreeSet<&str>)], node: &str) -> usize {
    (1..)
        .find(|k| {
            let mut left: BTreeSet<&str> = around.iter().map(|(node, _)| *node).collect();
            loop {
                let stay: BTreeSet<&str> = around
                    .iter()
                    .filter(|(node, others)| {
                        left.contains(node)
                            && others.iter().filter(|other| left.contains(*other)).count() >= *k
                    })
                    .map(|(node, _)| *node)
                    .collect();
                if stay == left {
                    break;
                }
                left = stay;
            }
            !left.contains(node)
        })
        .map_or(0, |k| k - 1)
}

/// The relations over some flows, by plain loops; floats to 9 digits.
fn plain(flows: &[&Line]) -> BTreeMap<&'static str, Rows> {
    let edges: BTreeSet<(&str, &str)> = flows
        .iter()
        .map(|flow| (flow[0].as_str(), flow[1].as_str()))
        .collect();
    let nodes: Vec<(&str, BTreeSet<&str>)> = around(&edges).into_values().collect();
    let labels = components(&nodes);
    let mut hosts = Rows::new();
    let mut hubs: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for ((node, others), label) in nodes.iter().zip(&labels) {
        let neighbours = |of: &&str| &nodes.iter().find(|(node, _)| node == of).unwrap().1;
        let triangles: usize = others
            .iter()
            .map(|other| neighbours(other).intersection(others).count())
            .sum::<usize>()
            / 2;
        let degree = others.len();
        let pairs = (degree * degree.saturating_sub(1)) as f64;
        let clustering = if degree < 2 {
            0.0
        } else {
            2.0 * triangles as f64 / pairs
        };
        if degree > 1 {
            let hub = hubs.entry(*label).or_default();
            *hub = (hub.0 + 1, hub.1.max(degree));
        }
        hosts.insert(vec![
            (*node).to_owned(),
            degree.to_string(),
            edges
                .iter()
                .filter(|(_, to)| to == node)
                .count()
                .to_string(),
            edges
                .iter()
                .filter(|(from, _)| from == node)
                .count()
                .to_string(),
            triangles.to_string(),
            format!("{clustering:.9}"),
            label.to_string(),
            core(&nodes, node).to_string(),
        ]);
    }
    let count = |from: &str, to: &str| {
        flows
            .iter()
            .filter(|flow| flow[0] == from && flow[1] == to)
            .count()
    };
    let of_hosts = edges.iter().map(|(from, to)| {
        let flows = count(from, to).to_string();
        vec![(*from).to_owned(), (*to).to_owned(), flows.clone(), flows]
    });
    let often: Vec<_> = edges
        .iter()
        .filter(|(from, to)| count(from, to) > 1)
        .collect();
    let of_often = often.iter().map(|(from, to)| {
        let flows = count(from, to).to_string();
        vec![(*from).to_owned(), (*to).to_owned(), flows, "1".to_owned()]
    });
    let often_nodes = often.iter().flat_map(|(from, to)| [from, to]);
    BTreeMap::from([
        ("hosts.edges", of_hosts.collect()),
        ("often.edges", of_often.collect()),
        (
            "often.nodes",
            often_nodes.map(|node| vec![(*node).to_owned()]).collect(),
        ),
        (
            "hubs",
            hubs.iter()
                .map(|(label, (nodes, most))| {
                    vec![label.to_string(), nodes.to_string(), most.to_string()]
                })
                .collect(),
        ),
        ("hosts.nodes", hosts),
    ])
}

/// Weights and flows between two hosts, whichever way, of the flows that the graph of texts takes; its nodes with their degrees.
type Texts<'l> = (
    BTreeMap<BTreeSet<&'l str>, (i64, i64)>,
    BTreeMap<&'l str, usize>,
);

fn plain_texts<'l>(flows: &[&'l Line]) -> Texts<'l> {
    let mut edges: BTreeMap<BTreeSet<&str>, (i64, i64)> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| flow[2] == "17") {
        let sums = edges
            .entry(BTreeSet::from([flow[0].as_str(), flow[1].as_str()]))
            .or_default();
        *sums = (sums.0 + flow[4].parse::<i64>().unwrap() - 1, sums.1 + 1);
    }
    let mut degrees: BTreeMap<&str, usize> = BTreeMap::new();
    for ends in edges.keys() {
        for node in ends {
            *degrees.entry(node).or_default() += ends.len() - 1;
        }
    }
    (edges, degrees)
}

/// PageRank by plain iteration.
fn ranks(edges: &BTreeSet<(&str, &str)>) -> BTreeMap<String, f64> {
    let nodes: BTreeSet<&str> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let n = nodes.len() as f64;
    let mut ranks: BTreeMap<&str, f64> = nodes.iter().map(|node| (*node, 1.0 / n)).collect();
    let degree = |node: &str| edges.iter().filter(|(from, _)| *from == node).count() as f64;
    for _ in 0..200 {
        let lost: f64 = nodes
            .iter()
            .filter(|node| degree(node) == 0.0)
            .map(|node| ranks[node])
            .sum();
        let mut next = BTreeMap::new();
        for node in nodes.iter().copied() {
            let into = edges.iter().filter(|(_, to)| *to == node);
            let sum: f64 = into.map(|(from, _)| ranks[from] / degree(from)).sum();
            next.insert(node, 0.15 / n + 0.85 * (sum + lost / n));
        }
        ranks = next;
    }
    ranks
        .into_iter()
        .map(|(node, rank)| (node.to_owned(), rank))
        .collect()
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let names = RELATIONS
        .into_iter()
        .flat_map(|name| ["snapshot", "changes"].map(|emit| format!("{name}_{emit}.csv")));
    names
        .map(|name| {
            let text = std::fs::read_to_string(folder.join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

const SECOND: i64 = 1_000_000_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn graphs_hold_what_a_recomputation_gives(
        traffic in records(120), workers in 1usize..4, fused: bool, epoch in prop_oneof![Just(1usize), Just(7), Just(8192)],
        (size, step) in prop_oneof![Just((0, 0)), Just((60, 20)), Just((30, 30))],
    ) {
        let traffic = in_order(traffic);
        let window = match (size, step) {
            (0, _) => "\"all\"".to_owned(),
            (size, step) => format!("{{ sliding = \"{size}s\", step = \"{step}s\" }}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        execute(path, &traffic, &spec(&window, "workers = 1"));
        let flows = lines(path, "rows.csv");
        let held = windows(&flows, size * SECOND, step * SECOND);
        let shown = |name: &str| {
            let mut shown: BTreeMap<i64, Rows> = BTreeMap::new();
            for mut line in lines(path, &format!("{name}_snapshot.csv")) {
                let at = if size > 0 { ns(&line.remove(0)) } else { 0 };
                assert!(shown.entry(at).or_default().insert(line), "twice");
            }
            shown
        };
        for name in ["hosts.nodes", "hosts.edges", "often.nodes", "often.edges", "hubs"] {
            let all = held.iter().map(|(at, flows)| (*at, plain(flows)[name].clone()));
            let filled: BTreeMap<i64, Rows> = all.filter(|(_, rows)| !rows.is_empty()).collect();
            let mut shown = shown(name);
            if name == "hosts.nodes" {
                for rows in shown.values_mut() {
                    *rows = std::mem::take(rows).into_iter().map(|mut row| {
                        row[5] = format!("{:.9}", row[5].parse::<f64>().unwrap());
                        row
                    }).collect();
                }
            }
            prop_assert_eq!(shown, filled, "{}", name);
        }
        let (ranked, nodes, edges) = (shown("ranked.nodes"), shown("texts.nodes"), shown("texts.edges"));
        // a view has the ticks in which its own rows come and go, to the last row there is or to an idle timeout before the end of the input
        let mut told = BTreeSet::from([0]);
        if size > 0 {
            let tick = |flow: &Line| ns(&flow[3]).div_euclid(step * SECOND);
            let own: Vec<i64> = flows.iter().filter(|flow| flow[2] == "17").map(tick).collect();
            let clock = traffic.iter().map(|(time, _)| *time).max().unwrap_or(0);
            let passed = (clock - 60 * SECOND).div_euclid(step * SECOND) - 1;
            let last = flows.iter().map(tick).max().unwrap_or(0).max(passed);
            let ticks = own.iter().flat_map(|tick| [*tick, tick + size / step]);
            told = ticks.filter(|tick| *tick <= last).map(|tick| (tick + 1) * step * SECOND).collect();
        }
        for (at, flows) in &held {
            let pairs = flows.iter().map(|flow| (flow[0].as_str(), flow[1].as_str())).collect();
            let wanted = ranks(&pairs);
            let found = ranked.get(at).cloned().unwrap_or_default();
            prop_assert_eq!(found.len(), wanted.len());
            for row in &found {
                prop_assert!((row[1].parse::<f64>().unwrap() - wanted[&row[0]]).abs() < 1e-9);
                prop_assert_eq!(row[3].as_str(), "true");
            }
            if !told.contains(at) {
                prop_assert!(!nodes.contains_key(at) && !edges.contains_key(at));
                continue;
            }
            let (wanted, degrees) = plain_texts(flows);
            let found: Vec<&Line> = edges.get(at).into_iter().flatten().collect();
            prop_assert_eq!(found.len(), wanted.len());
            for row in found {
                let ends = BTreeSet::from([row[0].as_str(), row[1].as_str()]);
                let (weight, flows) = wanted[&ends];
                prop_assert_eq!(&row[2..], [weight.to_string(), flows.to_string()]);
            }
            let found: Vec<&Line> = nodes.get(at).into_iter().flatten().collect();
            prop_assert_eq!(found.len(), degrees.len());
            for row in &found {
                prop_assert_eq!(&row[1], &degrees[row[0].as_str()].to_string());
                // hosts that share a component, and no others, have a label in common
                for other in &found {
                    let mut seen = BTreeSet::from([row[0].as_str()]);
                    loop {
                        let more: Vec<&str> = wanted.keys().filter(|ends| ends.iter().any(|end| seen.contains(end))).flatten().copied().collect();
                        let before = seen.len();
                        seen.extend(more);
                        if seen.len() == before { break; }
                    }
                    prop_assert_eq!(row[2] == other[2], seen.contains(other[0].as_str()));
                }
            }
        }
        let alone = files(path);
        execute(path, &traffic, &spec(&window, &format!("workers = {workers}\nepoch = {epoch}\nfused = {fused}")));
        prop_assert_eq!(files(path), alone);
    }
}

/// Sinks that draw graphs: of addresses, of texts without directions, and over a view.
const DRAWN: &str = "
[sinks.json]
type = \"graph\"
input = \"hosts\"
path = \"hosts.json\"
overwrite = true
[sinks.graphml]
type = \"graph\"
input = \"texts\"
path = \"texts.graphml\"
overwrite = true
[sinks.dot]
type = \"graph\"
input = \"texts\"
path = \"texts\"
format = \"dot\"
overwrite = true
[sinks.often]
type = \"graph\"
input = \"often\"
path = \"often.json\"
overwrite = true
";

#[test]
fn what_is_drawn_is_what_the_tables_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let traffic = in_order(crate::traffic::fixed());
    let files = |workers: usize| {
        let text = spec("\"all\"", &format!("workers = {workers}"));
        execute(path, &traffic, &format!("{text}{DRAWN}"));
        ["hosts.json", "texts.graphml", "texts", "often.json"]
            .map(|name| std::fs::read_to_string(path.join(name)).unwrap())
    };
    let [hosts, graphml, dot, often] = files(1);
    for (name, text) in [("hosts", &hosts), ("often", &often)] {
        let drawn: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(drawn["directed"], true);
        for (relation, ends, columns) in [
            ("nodes", &["id"][..], NODES),
            ("edges", &["source", "target"], &["weight", "flows"]),
        ] {
            let rows = lines(path, &format!("{name}.{relation}_snapshot.csv"));
            assert!(rows.len() > 2, "{name}.{relation}");
            let all = drawn[relation].as_array().unwrap();
            assert_eq!(all.len(), rows.len());
            for (one, row) in all.iter().zip(rows) {
                let columns = if name == "often" && relation == "nodes" {
                    &[]
                } else {
                    columns
                };
                let keys = ends.iter().chain(columns);
                let told: Line = keys
                    .map(|key| one[key].to_string().replace('"', ""))
                    .collect();
                assert_eq!(told, row, "{name}.{relation}");
                assert_eq!(one.as_object().unwrap().len(), row.len());
            }
        }
    }
    let nodes = lines(path, "texts.nodes_snapshot.csv");
    let edges = lines(path, "texts.edges_snapshot.csv");
    assert!(
        graphml.contains("<graph edgedefault=\"undirected\">"),
        "{graphml}"
    );
    assert!(dot.starts_with("graph connections {\n"), "{dot}");
    for row in &nodes {
        let node = format!(
            "<node id=\"{}\"><data key=\"n_degree\">{}</data>",
            row[0], row[1]
        );
        assert!(graphml.contains(&node), "{node}");
        assert!(dot.contains(&format!("  \"{}\" [degree=\"{}\"", row[0], row[1])));
    }
    for row in &edges {
        let edge = format!("<edge source=\"{}\" target=\"{}\">", row[0], row[1]);
        assert!(graphml.contains(&edge), "{edge}");
        let edge = format!(
            "  \"{}\" -- \"{}\" [weight=\"{}\", flows=\"{}\"];",
            row[0], row[1], row[2], row[3]
        );
        assert!(dot.contains(&edge), "{edge}");
    }
    assert_eq!(graphml.matches("<node ").count(), nodes.len());
    assert_eq!(dot.matches(" -- ").count(), edges.len());
    for workers in [2, 3] {
        assert_eq!(
            files(workers),
            [&hosts, &graphml, &dot, &often].map(String::clone)
        );
    }
}

/// The columns of `hosts.nodes` behind the name.
const NODES: &[&str] = &[
    "degree",
    "in_degree",
    "out_degree",
    "triangles",
    "clustering",
    "component",
    "kcore",
];

#[test]
fn graphs_are_the_same_on_two_processes() {
    let text = spec("{ sliding = \"60s\", step = \"20s\" }", "workers = 1");
    let alone = on_two_processes(&text, files);
    assert!(alone.iter().all(|(_, text)| text.lines().count() > 1));
}

#[test]
fn betweenness_is_estimated_where_a_spec_says_so() {
    let folder = Folder::new();
    folder.put("in.pcap", crate::traffic::pcap(&crate::traffic::fixed()));
    let exact = |settings: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"in.pcap\"\n[views.v]\ngraph = {{ from = \"src_ip\", to = \"dst_ip\" }}\n\
            metrics = {settings}\n[sinks.out]\npath = \"out.csv\"\ninput = \"v.nodes\"\noverwrite = true\n"
        );
        folder.put("spec.toml", text);
        let ended = folder.run("run spec.toml");
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let nodes = lines(folder.path(), "out.csv").into_iter();
        nodes.map(|line| line[2].clone()).collect::<BTreeSet<_>>()
    };
    let of = |settings: &str| exact(settings).into_iter().collect::<Vec<_>>();
    assert_eq!(of("\"betweenness\""), ["true"]);
    assert_eq!(
        of("{ betweenness = { max_nodes = 2, pivots = 2 } }"),
        ["false"]
    );
}

#[test]
fn explain_tells_how_each_metric_is_kept() {
    let folder = Folder::new();
    folder.put("spec.toml", spec("\"all\"", "workers = 1"));
    let text = String::from_utf8(folder.run("explain spec.toml").out).unwrap();
    for part in [
        "directed graph; incremental: edges, degree, in_degree, out_degree, triangles, clustering; per window, of the graph of the tick: components, kcore; ",
        "undirected graph; incremental: edges, degree; per window, of the graph of the tick: components, label_propagation, greedy; ",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_is_wrong_with_graphs_is_told_where_it_is() {
    let check = |view: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[features.derive]\nname = 'text(src_ip)'\n[views.v]\n{view}\n\
            [sinks.out]\npath = \"a.csv\"\ninput = \"v.nodes\"\n"
        );
        let loaded = Loaded::text("spec.toml", text.clone(), "".into()).unwrap();
        let list = loaded
            .check()
            .map_or_else(|found| found.list, |spec| spec.warnings.list);
        // not every view here has nodes with names
        let list = list.into_iter().filter(|one| one.code != "W0403");
        let told = list.map(|one| {
            let place = &text[one.at.start..one.at.end];
            let help = one.help.unwrap_or_default();
            format!(
                "{} {} `{place}` {}; {help}",
                one.code, one.path, one.message
            )
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        check("graph = { from = \"src_ip\", to = \"dst_ip\" }"),
        Vec::<String>::new()
    );
    let found = [
        "graph = { from = \"src_ip\" }",
        "graph = { from = \"src_ip\", to = \"dst_pot\" }",
        "graph = { from = \"src_ip\", to = \"dst_port\" }",
        "input = \"features\"\ngraph = { from = \"src_ip\", to = \"name\" }",
        "graph = { from = \"src_ip\", to = \"dst_ip\", weight = \"duration\" }",
        "graph = { from = \"src_ip\", to = \"dst_ip\", directed = false }\nmetrics = [\"degree\", \"in_degree\"]",
        "graph = { from = \"src_ip\", to = \"dst_ip\" }\nmetrics = [\"degre\"]",
        "graph = { from = \"src_ip\", to = \"dst_ip\" }\nmetrics = [\"degree\", \"in_degree\", \"out_degree\", \"triangles\", \"clustering\", \"kcore\", \"betweenness\"]",
        "graph = { from = \"src_ip\", to = \"dst_ip\" }\nmetrics = [{ betweenness = { pivots = 0 } }, { betweennes = {} }]",
        "graph = { from = \"src_ip\", to = \"dst_ip\" }\nmetrics = [\"degree\", { betweenness = { pivot = 3 } }]",
        "graph = { from = \"src_ip\", to = \"dst_ip\" }\nmetrics = [\"degree\", \"degree\"]",
        "graph = { from = \"src_ip\", to = \"dst_ip\" }\ngroup_by = \"src_ip\"",
        "group_by = \"src_ip\"\nmetrics = [\"degree\"]",
    ]
    .map(|view| check(view).join("\n"));
    expect_test::expect![[r#"
        E0008 views.v.graph `{ from = "src_ip" }` `graph` needs `from` and `to`: the columns with the ends of an edge; `graph`: A graph instead of groups: which columns hold the nodes that an edge starts and ends at, what it weighs, and whether it has a direction: `{ from = "src_ip", to = "dst_ip", weight = "1", directed = true }`
        E0201 views.v.graph.to `dst_pot` unknown field `dst_pot`; did you mean `dst_port`?
        E0207 views.v.graph.to `dst_port` a node is an address or a text, and `dst_port` is int; 
        E0207 views.v.graph.to `name` edges lead from ip `src_ip` to text `name`: nodes are all addresses, or all texts; 
        E0207 views.v.graph.weight `duration` a weight is a whole number, found duration; make one of it, e.g. `int(duration / 1ms)`
        E0607 views.v.metrics[1] `in_degree` edges have no direction here; ask for `degree`
        E0008 views.v.metrics[0] `"degre"` `degre` is not a metric; did you mean `degree`? one of `degree`, `in_degree`, `out_degree`, `triangles`, `clustering`, `components`, `kcore`, `label_propagation`, `louvain`, `greedy`, `pagerank`, `betweenness`
        E0607 views.v.metrics `["degree", "in_degree", "out_degree", "triangles", "clustering", "kcore", "betweenness"]` `nodes` has 9 columns with these metrics, and can have 8; take it apart: two views of the same graph, each with some of the metrics; `betweenness` has two columns
        E0008 views.v.metrics[0].betweenness.pivots `0` expected 1 or more, found 0; `metrics`: Graphs: what is measured of nodes; `{ betweenness = { max_nodes = 5000, pivots = 256 } }` says up to how many nodes betweenness is exact, and from how many it is estimated in larger graphs
        E0005 views.v.metrics[1].betweenness.pivot `pivot` unknown key `pivot`; did you mean `pivots`?
        E0607 views.v.metrics[1] `degree` `degree` is asked for twice; 
        E0607 views.v.group_by `group_by` a view of a graph has no `group_by`; let another view read `v.nodes` or `v.edges`
        E0607 views.v.metrics `metrics` `metrics` are of the nodes of a graph; write the view as a graph, `graph = { from = "src_ip", to = "dst_ip" }`"#]].assert_eq(&found.join("\n"));
}

#[test]
fn what_is_wrong_with_drawings_is_told_where_it_is() {
    let check = |sink: &str| {
        let text = format!(
            "spec = 1\n[sources]\npath = \"a.pcap\"\n[views.all]\ngraph = {{ from = \"src_ip\", to = \"dst_ip\" }}\n\
            [views.late]\ngraph = {{ from = \"src_ip\", to = \"dst_ip\" }}\nwindow = {{ sliding = \"10m\", step = \"1m\" }}\n\
            [views.table]\ngroup_by = \"src_ip\"\nselect = {{ n = \"count()\" }}\n[sinks.out]\ntype = \"graph\"\n{sink}\n"
        );
        let loaded = Loaded::text("spec.toml", text.clone(), "".into()).unwrap();
        let list = loaded
            .check()
            .map_or_else(|found| found.list, |spec| spec.warnings.list);
        let told = list.into_iter().filter(|one| one.code != "W0401");
        let told = told.map(|one| {
            let place = &text[one.at.start..one.at.end];
            let help = one.help.unwrap_or_default();
            format!(
                "{} {} `{place}` {}; {help}",
                one.code, one.path, one.message
            )
        });
        told.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(check("path = \"a.dot\"\ninput = \"all\""), "");
    let found = [
        "path = \"a.dot\"\ninput = \"table\"",
        "path = \"a.dot\"\ninput = \"all.nodes\"",
        "path = \"a.dot\"\ninput = \"late\"",
        "path = \"a.csv\"\ninput = \"all\"",
        "path = \"a.dot\"\ninput = \"all\"\nmetrics = [\"degree\"]\nemit = \"changes\"\ntable = \"edges\"",
        "path = \"a.dot\"\ninput = [\"all\", \"late\"]",
        "path = \"a.dot\"\ninput = \"all\"\nwhere = 'degree > 1'",
        "path = \"a.graphml\"\nwhere = 'degree > 1'",
    ]
    .map(check);
    expect_test::expect![[r#"
        E0304 sinks.out.input `"table"` a graph sink draws graphs, and the view `table` is a table; write it with a sink of another type, or make the view a graph: `graph = { from = "src_ip", to = "dst_ip" }`
        E0304 sinks.out.input `"all.nodes"` a graph sink draws all of a graph, and `all.nodes` is a part of it; read `all` here, or write the part with a sink of another type
        E0304 sinks.out.input `"late"` `late` is a graph for each window, and a graph sink draws one; write `late.nodes` and `late.edges` with sinks of another type, or leave out the window
        E0410 sinks.out.path `"a.csv"` `all` is drawn as a graph, and this is a format of tables; choose `format = "graphml"`, `dot` or `nodelink`; its tables are `all.nodes` and `all.edges`, for sinks of another type
        E0410 sinks.out.metrics `metrics` `metrics` is for sinks over the connection graph; leave it out: nodes have the metrics of `all`
        E0410 sinks.out.emit `emit` `emit` is for sinks over the connection graph; leave it out: the graph is drawn once, with nodes and edges
        E0410 sinks.out.table `table` `table` is for sinks over the connection graph; leave it out: the graph is drawn once, with nodes and edges
        E0304 sinks.out.input[0] `"all"` a sink writes one relation of a view, and nothing else with it: `all`; give each relation a sink of its own
        E0410 sinks.out.where `where` a graph is drawn whole: its sink has no `where`; put it into `where` of the view, or write the tables of the graph
        E0410 sinks.out.where `where` a graph is drawn whole: its sink has no `where`; put it into `where` of the view, or write the tables of the graph"#]].assert_eq(&found.join("\n"));
}
