//! Flows that every reader leaves out by their key: they are not in the table, and no row is another one for it.

use crate::invariance::rows;
use crate::traffic::records;
use expect_test::expect;
use jayflow::plan::explain;
use jayflow::{Loaded, Plan};
use jayflow_operators::books::Skip;
use proptest::prelude::*;
use std::path::PathBuf;

/// Conditions over columns of the key.
const CONDITIONS: [&str; 12] = [
    "src_ip == 192.0.2.1",
    "dst_ip in [192.0.2.2, fd00::/8]",
    "dst_port == 1001",
    "src_port in 1000..1001",
    "protocol in [6, 17]",
    "src_ip < dst_ip",
    "not is_private(src_ip)",
    "src_port != dst_port and dst_port > 0",
    "src_port % 2 == 0",
    "(dst_port == 1002 or src_ip == fd00::3)",
    "src_port // (dst_port - 1001) > 5",
    "text(dst_ip) == \"192.0.2.3\"",
];

fn condition() -> impl Strategy<Value = String> {
    let one = prop::sample::select(CONDITIONS.to_vec());
    let more = prop_oneof![2 => Just(""), 1 => Just(" and total_packets > 1"), 1 => Just(" and iat_mean < 1s")];
    (prop::collection::vec(one, 1..3), more).prop_map(|(parts, more)| parts.join(" and ") + more)
}

/// The same condition in such words that nothing of it is over the key alone.
fn unpushed(condition: &str) -> String {
    format!("({condition}) or total_packets < 0")
}

const COLUMNS: &str = "[features]\ngroups = [\"flow_meta\", \"timing\"]\nflow_id = true\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_are_those_of_the_filter_alone(
        traffic in records(150), condition in condition(), at_sink: bool,
        key in prop_oneof![3 => Just("5tuple"), 1 => Just("3tuple"), 1 => Just("2tuple"), 1 => Just("vlan")],
        initiator in prop_oneof![Just("syn"), Just("port")], idle in prop_oneof![Just("60s"), Just("2s")],
    ) {
        let spec = |condition: &str| {
            let reader = match at_sink {
                true => format!("where = '{condition}'\n"),
                false => format!("input = \"some\"\n[filters.some]\nwhere = '{condition}'\n"),
            };
            format!("{reader}[flows]\nkey = [\"{key}\"]\ninitiator = \"{initiator}\"\nidle_timeout = \"{idle}\"\n{COLUMNS}")
        };
        let inputs = [traffic];
        let pushed = rows(&inputs, &spec(&condition));
        let alone = rows(&inputs, &spec(&unpushed(&condition)));
        prop_assert_eq!(&pushed.0, &alone.0, "{}", condition);
        let unwanted = pushed.1.packets.skipped.get(Skip::Unwanted);
        prop_assert_eq!(alone.1.packets.skipped.get(Skip::Unwanted), 0);
        prop_assert_eq!(pushed.1.packets.used + unwanted, alone.1.packets.used);
        prop_assert_eq!(pushed.1.sinks["out"].written, alone.1.sinks["out"].written);
    }

    /// In a full table a flow takes a place or none by what the spec says, not by how it is run.
    #[test]
    fn a_full_table_is_full_of_the_flows_that_are_wanted(
        traffic in records(150), workers in 1usize..4, epoch in prop_oneof![Just(1usize), Just(7), Just(4096)],
        fused: bool, evict in prop_oneof![Just("lru"), Just("oldest"), Just("refuse")],
    ) {
        let spec = |flows: &str, condition: &str, workers, epoch, fused| format!(
            "where = '{condition}'\n[flows]\nmax_flows = 256\nevict = \"{evict}\"\n{flows}{COLUMNS}[run]\nworkers = {workers}\nepoch = {epoch}\nfused = {fused}\n"
        );
        let inputs = [traffic];
        let condition = "dst_port == 1001 and src_ip != 192.0.2.3";
        let plain = rows(&inputs, &spec("", condition, 1, 8192, true));
        let other = rows(&inputs, &spec("", condition, workers, epoch, fused));
        prop_assert_eq!(&plain.0, &other.0);
        prop_assert_eq!(&plain.1, &other.1);
        let by_hand = "where = '(pkt.dst_port == 1001 and pkt.src_ip != 192.0.2.3) or (pkt.src_port == 1001 and pkt.dst_ip != 192.0.2.3)'\n";
        let by_hand = rows(&inputs, &spec(by_hand, &unpushed(condition), 1, 8192, true));
        prop_assert_eq!(&plain.0, &by_hand.0);
        prop_assert_eq!(plain.1.packets.skipped.get(Skip::Unwanted), by_hand.1.packets.skipped.get(Skip::Filtered));
        prop_assert_eq!(plain.1.max_flows_hit, by_hand.1.max_flows_hit);
    }
}

fn plan(middle: &str, tap: Option<&str>) -> Plan {
    let text = format!("spec = 1\n[sources]\npath = \"a.pcap\"\n{middle}");
    let mut loaded = Loaded::text("spec.toml", text, PathBuf::new()).unwrap();
    if let Some(node) = tap {
        loaded.tap(node, None).unwrap();
    }
    let spec = loaded.check();
    Plan::new(&spec.unwrap_or_else(|found| panic!("{}", found.text(false))))
}

/// What `explain` says of what is kept out of the flow table.
fn kept_out(middle: &str) -> String {
    let text = explain(&plan(middle, None));
    let at = text
        .find("; without the flows")
        .unwrap_or_else(|| panic!("{text}"));
    text[at..].lines().next().unwrap_or_default().to_owned()
}

#[test]
fn explain_says_what_is_kept_out() {
    let web = "[sinks]\npath = \"a.csv\"\nwhere = 'dst_port in [80, 443] and total_packets > 3 and protocol == 6'\n";
    let wanted = expect![
        "; without the flows that `sink` leaves out by dst_port, protocol, as a capture filter `((dst port 80 or dst port 443) and (tcp)) or ((src port 80 or src port 443) and (tcp))` (for packets without tags, and first fragments)"
    ];
    wanted.assert_eq(&kept_out(web));
    let two = "[filters.dns]\nwhere = 'dst_port == 53'\n[filters.inner]\nwhere = 'src_ip in 10.0.0.0/8'\nlimit = 10\n\
        [sinks.a]\ninput = \"dns\"\npath = \"a.csv\"\n[sinks.b]\ninput = \"inner\"\npath = \"b.csv\"\n";
    let wanted = expect![
        "; without the flows that `dns` and `inner` leave out by dst_port, src_ip, as a capture filter `((dst port 53) or (src port 53)) or ((src net 10.0.0.0/8) or (dst net 10.0.0.0/8))` (for packets without tags, and first fragments)"
    ];
    wanted.assert_eq(&kept_out(two));
    let unsaid = "[sinks]\npath = \"a.csv\"\nwhere = 'src_port > dst_port'\n";
    let wanted = expect!["; without the flows that `sink` leaves out by dst_port, src_port"];
    wanted.assert_eq(&kept_out(unsaid));
}

#[test]
fn who_needs_all_flows_has_them() {
    let filter =
        "[filters.dns]\nwhere = 'dst_port == 53'\n[sinks.a]\ninput = \"dns\"\npath = \"a.csv\"\n";
    assert!(plan(filter, None).pushed.is_some());
    for other in [
        "[sinks.b]\ninput = \"features\"\npath = \"b.csv\"\n",
        "[sinks.b]\ninput = \"features\"\npath = \"b.csv\"\nwhere = 'dst_port == 53 or total_packets > 3'\n",
        "[filters.some]\nsample = 0.5\n[sinks.b]\ninput = \"some\"\npath = \"b.csv\"\n",
        "[filters.some]\nroutes = { web = 'dst_port == 80' }\n[sinks.b]\ninput = \"some.web\"\npath = \"b.csv\"\n",
        "[views.talkers]\ninput = \"flows\"\ngroup_by = [\"src_ip\"]\nselect = { n = \"count()\" }\n[sinks.b]\ninput = \"talkers\"\npath = \"b.csv\"\n",
        "[features]\ngroups = [\"all\", \"connection\"]\n",
        "[sinks.b]\ntype = \"graph\"\ninput = \"features\"\npath = \"b.csv\"\n",
        "[flows]\nkey = [\"2tuple\"]\n",
    ] {
        let plan = plan(&format!("{other}{filter}"), None);
        assert!(plan.pushed.is_none(), "{other}");
    }
    // who only looks on changes nothing, and what no sink reads is not there
    for other in [
        "",
        "[views.talkers]\ninput = \"flows\"\ngroup_by = [\"src_ip\"]\nselect = { n = \"count()\" }\n",
    ] {
        let plan = plan(&format!("{other}{filter}"), Some("features"));
        assert!(plan.pushed.is_some(), "{other}");
    }
}
