//! What is said of a plan with views, filters and look-ups; what a run did, operator by operator; and rows that are tapped.

use crate::program::{Folder, SAMPLE};
use expect_test::{ExpectFile, expect_file};
use serde_json::Value;

const SPEC: &str = "spec = 1
[sources]
path = \"in.pcap\"
[features]
groups = [\"flow_meta\", \"timing\"]
only = [\"src_ip\", \"dst_ip\", \"protocol\", \"iat_mean\", \"start_time\", \"total_packets\"]
[features.derive]
hosts = 'view(\"fan\", src_ip).hosts ?? 0'
rate = 'total_packets / duration'
[views.fan]
window = { sliding = \"30s\", step = \"10s\" }
rules = 'fan(a, hosts: count(b)) :- flows(src_ip: a, dst_ip: b).'
[filters.kind]
routes = { wide = 'hosts > 2', rest = 'else' }
[sinks.wide]
input = \"kind.wide\"
path = \"wide.csv\"
columns = [\"src_ip\", \"hosts\", \"rate\"]
[sinks.rest]
input = \"kind.rest\"
path = \"rest.csv\"
columns = [\"src_ip\", \"iat_mean\"]
where = 'protocol == 17'
[sinks.hosts]
input = \"fan\"
path = \"hosts.csv\"
[run]
workers = 2
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("in.pcap", std::fs::read(SAMPLE).unwrap());
    folder.put("spec.toml", SPEC);
    folder
}

fn out(folder: &Folder, arguments: &str) -> String {
    let ended = folder.run(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    String::from_utf8(ended.out).unwrap()
}

#[test]
fn views_filters_and_look_ups_are_shown() {
    let folder = folder();
    let shows = |arguments: &str, wanted: ExpectFile| wanted.assert_eq(&out(&folder, arguments));
    shows(
        "explain spec.toml",
        expect_file!["golden/look-ups-explain.txt"],
    );
    shows(
        "explain spec.toml --types",
        expect_file!["golden/look-ups-types.txt"],
    );
    shows(
        "explain spec.toml --physical",
        expect_file!["golden/look-ups-physical.txt"],
    );
    shows(
        "topology spec.toml",
        expect_file!["golden/look-ups.mermaid"],
    );
    shows(
        "topology spec.toml --format svg",
        expect_file!["golden/look-ups.svg"],
    );
    let types: Value =
        serde_json::from_str(&out(&folder, "explain spec.toml --types --json")).unwrap();
    let nodes = types["nodes"].as_array().unwrap();
    let features = nodes
        .iter()
        .find(|node| node["kind"] == "features")
        .unwrap();
    let columns = features["tables"][0]["columns"].as_array().unwrap();
    let hosts = columns
        .iter()
        .find(|column| column["name"] == "hosts")
        .unwrap();
    assert_eq!(hosts["null"], Value::Null);
    assert_eq!(hosts["type"], "i64");
    let readers = ["filter kind", "sink wide"];
    assert_eq!(hosts["readers"], serde_json::json!(readers));
}

#[test]
fn a_run_is_analyzed_without_its_sinks() {
    let folder = folder();
    folder.put("other.pcap", std::fs::read(SAMPLE).unwrap());
    std::fs::remove_file(folder.path().join("in.pcap")).unwrap();
    for workers in [1, 2] {
        let set = format!("--set run.workers={workers}");
        let text = out(
            &folder,
            &format!("explain spec.toml --analyze other.pcap --json {set}"),
        );
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&told["rows"], &told["packets"]),
            (&Value::from(191), &Value::from(1720))
        );
        let operators = told["operators"].as_array().unwrap();
        let sum = |dataflow: &str, name: &str, what: &str| {
            let is_it = |one: &&Value| one["dataflow"] == dataflow && one["operator"] == name;
            let own: Vec<&Value> = operators.iter().filter(is_it).collect();
            assert!(!own.is_empty(), "{name}: {text}");
            own.iter()
                .map(|one| one[what].as_i64().unwrap())
                .sum::<i64>()
        };
        assert_eq!(sum("rows", "look up", "given"), 191);
        assert_eq!(sum("rows", "filter kind", "taken"), 191);
        assert_eq!(sum("rows", "filter kind", "given"), 191);
        assert!(sum("view fan", "tell", "taken") > 0);
        let held = operators
            .iter()
            .map(|one| one["updates_held"].as_i64().unwrap());
        assert!(held.sum::<i64>() > 0, "{text}");
        let open = told["open_flows"].as_u64().unwrap();
        assert!(open > 0 && open <= 191, "{open}");
        let active = operators.iter().map(|one| one["seconds"].as_f64().unwrap());
        assert!(active.sum::<f64>() > 0.0);
    }
    let text = out(&folder, "explain spec.toml --analyze other.pcap");
    assert!(text.contains("191 rows of 1720 packets"), "{text}");
    assert_eq!(folder.names(), ["other.pcap", "spec.toml"]);
}

#[test]
fn rows_are_tapped_and_files_stay_as_they_are() {
    let folder = folder();
    let files =
        |folder: &Folder| ["wide.csv", "rest.csv", "hosts.csv"].map(|name| folder.read(name));
    out(&folder, "run spec.toml");
    let before = files(&folder);
    for name in ["wide.csv", "rest.csv", "hosts.csv"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let tapped = out(&folder, "run spec.toml --tap kind.wide");
    assert_eq!(files(&folder), before);
    assert!(tapped.starts_with("src_ip,dst_ip,"), "{tapped}");
    assert_eq!(sorted(&tapped).len(), before[0].lines().count() - 1);
    let set = "--set sinks.wide.overwrite=true --set sinks.rest.overwrite=true --set sinks.hosts.overwrite=true";
    let some = out(
        &folder,
        &format!("run spec.toml --tap features --where protocol==17 {set}"),
    );
    let plain = out(&folder, &format!("run spec.toml --tap features {set}"));
    assert_eq!(sorted(&plain).len(), 191);
    assert!(!sorted(&some).is_empty() && sorted(&some).len() < 191);
    assert!(
        sorted(&some)
            .iter()
            .all(|line| sorted(&plain).contains(line))
    );
    let first = out(
        &folder,
        &format!("run spec.toml --tap features --limit 3 {set}"),
    );
    assert_eq!(sorted(&first).len(), 3);
    let view = out(&folder, &format!("run spec.toml --tap fan {set}"));
    assert!(view.starts_with("at,diff,a,hosts"), "{view}");
    assert_eq!(files(&folder), before);
    let wrong = folder.run("run spec.toml --tap kinds.wide");
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("error[E0302]") && wrong.err.contains("--tap"),
        "{}",
        wrong.err
    );
    let wrong = folder.run("run spec.toml --tap features --where hosts+1");
    assert!(wrong.err.contains("error[E0204]"), "{}", wrong.err);
}
