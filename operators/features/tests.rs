//! Tests of the list of groups, of selection, and of rows over all groups.

use super::testing::{Built, Packets, back, forth};
use super::*;
use crate::columns::{Column, Columns, Values, span};
use crate::options::{Options, Setting};
use crate::packet::{Packet, tcp};
use crate::protocols::Protocols;
use crate::schema::{DataType, Feature, Profile, Scope, Split};
use crate::slots::Slots;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

fn settings(set: impl IntoIterator<Item = (&'static str, Setting)>) -> FeatureSettings {
    let mut settings = FeatureSettings::default();
    for (key, value) in set {
        settings.set(key, &value).expect("a valid setting");
    }
    settings
}

fn texts(items: &[&str]) -> Setting {
    Setting::List(
        items
            .iter()
            .map(|item| Setting::Text((*item).to_owned()))
            .collect(),
    )
}

fn text(text: &str) -> Setting {
    Setting::Text(text.to_owned())
}

fn plan(set: impl IntoIterator<Item = (&'static str, Setting)>) -> FeaturePlan {
    settings(set).plan().expect("a valid selection")
}

fn names(plan: &FeaturePlan) -> Vec<&str> {
    plan.schema.iter().map(|feature| &*feature.name).collect()
}

/// The row of these packets, fed in one run.
fn rows(plan: &FeaturePlan, packets: &Packets) -> Columns {
    let mut extractors = plan.extractors();
    extractors.open(0);
    let run: Vec<Packet<'_>> = packets
        .packets
        .iter()
        .map(|packet| packet.packet())
        .collect();
    let flows = Slots::from_iter([packets.flow.clone()]);
    extractors.packets(&run, &vec![0; run.len()], &flows);
    let mut rows = plan.batch(0);
    extractors.finish(0, &flows[0], &mut rows);
    let rows = plan.shape().apply(rows);
    for column in &rows.columns {
        assert_eq!(column.len(), 1);
        assert!(column.valid.as_ref().is_none_or(|valid| valid.len() == 1));
    }
    rows
}

/// The only row by name, as text; `None` is null.
fn row(plan: &FeaturePlan, packets: &Packets) -> BTreeMap<String, Option<String>> {
    let rows = rows(plan, packets);
    let cells = plan.schema.iter().zip(&rows.columns);
    cells
        .map(|(feature, column)| (feature.name.to_string(), cell(column, 0)))
        .collect()
}

fn cell(column: &Column, row: usize) -> Option<String> {
    let text = match &column.values {
        Values::Bool(v) => v[row].to_string(),
        Values::U8(v) => v[row].to_string(),
        Values::U16(v) => v[row].to_string(),
        Values::U32(v) => v[row].to_string(),
        Values::U64(v) => v[row].to_string(),
        Values::I8(v) => v[row].to_string(),
        Values::I16(v) => v[row].to_string(),
        Values::I32(v) => v[row].to_string(),
        Values::F64(v) => v[row].to_string(),
        Values::I64(v) | Values::Time(v) => v[row].to_string(),
        Values::Text { ends, bytes } => {
            String::from_utf8_lossy(&bytes[span(ends, row)]).into_owned()
        }
        Values::Address(v) => v[row].to_string(),
        Values::Id(v) => format!("{:032x}", u128::from_be_bytes(v[row])),
        Values::List { ends, items } => {
            let items = span(ends, row).map(|item| cell(items, item).unwrap_or_default());
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        Values::Struct(parts) => {
            let parts = parts
                .iter()
                .map(|(_, part)| cell(part, row).unwrap_or_default());
            format!("({})", parts.collect::<Vec<_>>().join(","))
        }
    };
    (!column.is_null(row)).then_some(text)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn connection() -> Packets {
    Packets::tcp()
        .push(forth().at(ms(0)).ip(60).flags(tcp::SYN).seq(1, 0))
        .push(
            back()
                .at(ms(10))
                .ip(60)
                .flags(tcp::SYN | tcp::ACK)
                .seq(9, 2),
        )
        .push(forth().at(ms(20)).ip(52).flags(tcp::ACK).seq(2, 10))
        .push(
            forth()
                .at(ms(30))
                .ip(62)
                .flags(tcp::ACK | tcp::PSH)
                .payload(b"0123456789"),
        )
        .push(back().at(ms(130)).ip(52).flags(tcp::ACK))
}

fn one_way() -> Packets {
    Packets::tcp()
        .push(forth().at(ms(0)).ip(60).flags(tcp::SYN))
        .push(forth().at(ms(1000)).ip(60).flags(tcp::SYN))
}

#[test]
fn every_file_of_a_group_is_in_the_list() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("features");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder of this file") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a source file");
        if text.contains("\nimpl Extractor for State") {
            found.insert(
                path.file_stem()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
    assert_eq!(
        found,
        group_names().into_iter().map(str::to_owned).collect()
    );
}

#[test]
fn declarations_are_sound() {
    let keys = FeatureSettings::keys();
    let unique: BTreeSet<_> = keys.iter().map(|key| key.name).collect();
    assert_eq!(unique.len(), keys.len(), "two groups share a key");
    let catalogue = catalogue();
    let unique: BTreeSet<_> = catalogue.iter().map(|feature| &feature.name).collect();
    assert_eq!(unique.len(), catalogue.len(), "two columns share a name");
    for Feature {
        name,
        when,
        default,
        data_type,
        null,
        definition,
        ..
    } in catalogue
    {
        assert!(definition.ends_with('.'), "{name}: {definition}");
        let switch = when.map(|when| FeaturesOptions::default().switch(&when));
        assert!(switch != Some(None), "{name}: no such setting");
        if null.is_some() && !default.is_empty() {
            assert!(
                Column::new(&data_type, false).push_text(&default),
                "{name}: default {default}"
            );
        }
    }
}

#[test]
fn every_difference_has_its_reason() {
    let used: BTreeSet<String> = (catalogue().into_iter())
        .filter_map(|feature| feature.differs.map(Into::into))
        .collect();
    let known: BTreeSet<String> = (DIFFERENCES.iter())
        .map(|(name, why)| {
            assert!(why.ends_with('.'), "{name}");
            (*name).to_owned()
        })
        .collect();
    assert_eq!(used, known);
    assert_eq!(known.len(), DIFFERENCES.len(), "two reasons share a name");
}

#[test]
fn columns_cost_what_they_need() {
    let (catalogue, costs) = (catalogue(), costs());
    let class = |name: &str| {
        let place = catalogue.iter().position(|feature| feature.name == name);
        costs[place.expect("a column")].needs.class()
    };
    assert_eq!(class("iat_mean"), "fields");
    assert_eq!(class("tcp_mss_fwd"), "headers");
    assert_eq!(class("entropy_payload"), "payload");
    assert_eq!(class("ja3_hash"), "messages");
    assert_eq!(class("splt_tls_records"), "payload");
    assert_eq!(
        (class("flow_id"), class("community_id")),
        ("fields", "headers")
    );
}

#[test]
fn settings_reach_their_group() {
    let mut settings = settings([
        ("burst_threshold", text("15ms")),
        ("only", texts(&["burst_count"])),
    ]);
    assert_eq!(
        row(&settings.plan().expect("valid"), &connection())["burst_count"].as_deref(),
        Some("2")
    );
    settings
        .set("burst_threshold", &text("5ms"))
        .expect("valid");
    assert_eq!(
        row(&settings.plan().expect("valid"), &connection())["burst_count"].as_deref(),
        Some("5")
    );
    assert!(settings.set("burst_threshold", &Setting::Int(5)).is_err());
    assert!(settings.set("burst_treshold", &text("5ms")).is_err());
}

/// The groups with a column of the catalogue.
fn catalogued_groups() -> Vec<String> {
    let catalogued = catalogue().into_iter();
    let catalogued = catalogued.filter(|feature| feature.profile != Profile::Extra);
    let mut groups: Vec<String> = catalogued.map(|feature| feature.group.into()).collect();
    groups.dedup();
    groups
}

/// Every column there is, with or without those of one direction.
fn everything(split: bool) -> FeaturePlan {
    let switches = [
        ("flow_id", true),
        ("raw_sequences", true),
        ("splt", true),
        ("split", split),
    ];
    let switches = switches.map(|(key, value)| (key, Setting::Bool(value)));
    plan(switches.into_iter().chain([("profile", text("JF-EXTRA"))]))
}

#[test]
fn groups_are_chosen_in_column_order() {
    let groups = |list: &[&str]| plan([("groups", texts(list))]).groups().collect::<Vec<_>>();
    let catalogued = catalogued_groups();
    let without = |left_out: &[&str]| {
        let mut names = catalogued.clone();
        names.retain(|name| !left_out.contains(&name.as_str()));
        names
    };
    assert_eq!(groups(&["all"]), without(&["connection"]));
    assert_eq!(groups(&["all", "connection"]), catalogued);
    assert_eq!(groups(&["tcp", "timing"]), ["timing", "tcp"]);
    assert_eq!(groups(&["all", "-tcp"]), without(&["tcp", "connection"]));
    assert_eq!(
        groups(&["-tcp", "-size"]),
        without(&["tcp", "size", "connection"])
    );
    assert_eq!(groups(&[]), Vec::<&str>::new());
}

#[test]
fn switches_profiles_and_globs() {
    let mut all = catalogue();
    let temporal = vec![("temporal".to_owned(), Setting::Bool(true))];
    let switches = [
        ("flow_id", Setting::Bool(true)),
        ("raw_sequences", Setting::Bool(true)),
        ("splt", Setting::Bool(true)),
        ("connection", Setting::Table(temporal)),
        ("groups", texts(&["all", "connection"])),
    ];
    let extra = ("profile", text("JF-EXTRA"));
    // those of early rows and sensors are switched on in other sections
    let others = |one: &mut Feature| ["flow_stage", "sensor"].contains(&&*one.name);
    assert_eq!(all.extract_if(.., others).count(), 2);
    assert_eq!(
        plan(switches.clone().into_iter().chain([extra])).schema,
        all
    );
    all.retain(|feature| feature.profile != Profile::Extra);
    assert_eq!(plan(switches).schema, all);
    all.retain(|feature| feature.when.is_none() && feature.group != "connection");
    assert_eq!(plan([]).schema, all);
    let core = plan([("profile", text("JJ-CORE")), ("splt", Setting::Bool(true))]);
    assert!(!core.groups().any(|group| group == "entropy"));
    assert!(names(&core).contains(&"splt"), "the switch wins");
    assert_eq!(
        names(&plan([
            ("only", texts(&["iat_fwd_m*", "duration"])),
            ("drop", texts(&["*_mean"]))
        ])),
        ["duration", "iat_fwd_min", "iat_fwd_max", "iat_fwd_median"]
    );
    let id = plan([
        ("flow_id", Setting::Bool(true)),
        ("groups", texts(&["size"])),
        ("only", texts(&["pkt_len_min"])),
    ]);
    assert_eq!(names(&id), ["flow_id", "pkt_len_min"]);
}

#[test]
fn columns_beyond_the_catalogue_come_where_they_are_asked_for() {
    let has = |set: &[(&'static str, Setting)], name: &str| {
        names(&plan(set.iter().cloned())).contains(&name)
    };
    let (whole, part) = ("wire_bytes_fwd", "tcp_psh_count_fwd");
    for name in [whole, part] {
        assert!(!has(&[], name), "never by default");
        assert!(!has(&[("groups", texts(&["all", "tcp"]))], name));
        assert!(!has(&[("profile", text("JJ-EXPERIMENTAL"))], name));
        assert!(has(&[("profile", text("JF-EXTRA"))], name));
        let alone = plan([("only", texts(&[name]))]);
        assert_eq!(names(&alone), [name]);
    }
    // by a glob, as all others
    let globbed = plan([("only", texts(&["p*_bytes_bwd", "wire_*_bwd", "tcp_fin_c*"]))]);
    let expected = [
        "payload_bytes_bwd",
        "tcp_fin_count",
        "tcp_fin_count_fwd",
        "tcp_fin_count_bwd",
        "wire_bytes_bwd",
    ];
    assert_eq!(names(&globbed), expected);
    // with its group, if that has nothing else
    assert!(has(&[("groups", texts(&["record"]))], whole));
    assert!(has(&[("groups", texts(&["all", "record"]))], whole));
    assert!(!has(
        &[("groups", texts(&["record", "all", "-record"]))],
        whole
    ));
    let narrow = [("groups", texts(&["record"])), ("profile", text("JJ-CORE"))];
    assert!(!has(&narrow, whole), "the profile limits");
}

#[test]
fn what_is_added_comes_beside_the_rest() {
    let beside = plan([
        ("groups", texts(&["size", "-timing"])),
        ("only", texts(&["pkt_len_min"])),
        ("profile", text("JJ-CORE")),
        (
            "add",
            texts(&[
                "tcp_psh_count_*",
                "iat_min",
                "entropy_payload",
                "pkt_len_m??",
            ]),
        ),
        ("drop", texts(&["*_bwd", "pkt_len_max"])),
    ]);
    let expected = [
        "iat_min",
        "pkt_len_min",
        "tcp_psh_count_fwd",
        "entropy_payload",
    ];
    assert_eq!(names(&beside), expected);
    let wrong = settings([("add", texts(&["splt", "tcp_psh_count_fw", "y*"]))]);
    let errors = wrong.plan().expect_err("three mistakes");
    let found: Vec<_> = errors
        .iter()
        .map(|e| (e.key, e.index, &e.absence))
        .collect();
    let switch = Absence::Switch("splt".to_owned());
    assert_eq!(
        found,
        [
            ("add", Some(0), &switch),
            ("add", Some(1), &Absence::Unknown),
            ("add", Some(2), &Absence::Unknown),
        ]
    );
    assert!(errors[1].valid.contains(&"tcp_psh_count_fwd".to_owned()));
    let outside = settings([
        ("only", texts(&["wire_bytes_fwd"])),
        ("profile", text("JJ-CORE")),
    ]);
    assert_eq!(
        outside.plan().expect_err("JF-EXTRA")[0].absence,
        Absence::Profile("JF-EXTRA".to_owned())
    );
}

#[test]
fn a_column_that_split_makes_has_one_value_and_one_place() {
    let name = "tcp_ack_count_fwd";
    let split = [("split", Setting::Bool(true))];
    let all = plan(split.clone());
    assert!(
        names(&all).contains(&name),
        "it is there without being named"
    );
    let both = plan(split.into_iter().chain([("profile", text("JF-EXTRA"))]));
    assert_eq!(names(&both).iter().filter(|one| **one == name).count(), 1);
    let named = plan([("only", texts(&["tcp_*_count_?wd"]))]);
    assert!(named.schema.iter().any(|feature| feature.name == name));
    for flow in [connection(), one_way()] {
        let (made, declared) = (row(&all, &flow), row(&named, &flow));
        for (name, value) in declared {
            assert_eq!(made[&name], value, "{name}");
        }
    }
}

#[test]
fn names_that_stand_for_nothing_are_reported_together() {
    let wrong = settings([
        ("groups", texts(&["flow_meta", "timings", "-tpc"])),
        (
            "only",
            texts(&["duration", "splt", "iat_min", "byte_bwd", "x*", "tcp_*"]),
        ),
        ("drop", texts(&["splt", "nothing"])),
        ("profile", text("CORE")),
    ]);
    let errors = wrong.plan().expect_err("six mistakes");
    let found: Vec<_> = errors
        .iter()
        .map(|e| (e.key, e.index, e.name.as_str(), &e.absence))
        .collect();
    let group = |name: &str| Absence::Group(name.to_owned());
    assert_eq!(
        found,
        [
            ("groups", Some(1), "timings", &Absence::Unknown),
            ("groups", Some(2), "tpc", &Absence::Unknown),
            ("profile", None, "CORE", &Absence::Unknown),
            ("only", Some(1), "splt", &group("timing")),
            ("only", Some(2), "iat_min", &group("timing")),
            ("only", Some(3), "byte_bwd", &Absence::Unknown),
            ("only", Some(4), "x*", &Absence::Unknown),
            ("only", Some(5), "tcp_*", &group("tcp")),
            ("drop", Some(1), "nothing", &Absence::Unknown),
        ]
    );
    assert!(errors[0].valid.contains(&"timing".to_owned()));
    assert!(errors[5].valid.contains(&"bytes_bwd".to_owned()));
    let off = settings([("only", texts(&["splt"]))])
        .plan()
        .expect_err("it is off");
    assert_eq!(off[0].absence, Absence::Switch("splt".to_owned()));
    let outside = settings([
        ("only", texts(&["entropy_payload"])),
        ("profile", text("JJ-CORE")),
    ])
    .plan();
    assert_eq!(
        outside.expect_err("JJ-EXTENDED")[0].absence,
        Absence::Profile("JJ-EXTENDED".to_owned())
    );
}

#[test]
fn groups_alone_give_the_same_columns() {
    let plan = everything(true);
    for packets in [connection(), one_way()] {
        let mut parts = (0..plan.groups().len()).map(|at| plan.group(at));
        let first = parts.next().expect("a group");
        let joined = parts.fold(
            (first.schema.clone(), rows(&first, &packets)),
            |(mut schema, mut all), part| {
                all.join(rows(&part, &packets));
                schema.extend(part.schema.clone());
                (schema, all)
            },
        );
        assert_eq!(joined, (plan.schema.clone(), rows(&plan, &packets)));
    }
}

#[test]
fn columns_that_are_only_read_are_the_same_from_groups_alone() {
    let mut settings = settings([("only", texts(&["total_packets", "pkt_len_mean", "tcp_*"]))]);
    let hidden = ["entropy_payload", "flow_id", "iat_mean", "pkt_len_max"];
    settings.hidden = hidden.map(str::to_owned).into();
    let plan = settings.plan().expect("a valid selection");
    let names = names(&plan);
    assert!(hidden.iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(plan.offered().len(), names.len() - hidden.len());
    let mut parts = (0..plan.groups().len()).map(|at| plan.group(at));
    let mut joined = rows(&parts.next().expect("a group"), &connection());
    parts.for_each(|part| joined.join(rows(&part, &connection())));
    assert_eq!(plan.shape().apply(joined), rows(&plan, &connection()));
}

#[test]
fn a_column_has_the_same_value_whatever_else_is_asked_for() {
    for whole in [true, false].map(everything) {
        let values = row(&whole, &connection());
        for feature in &whole.schema {
            let mut alone = whole.clone();
            alone.restrict(|other| other.name == feature.name);
            assert_eq!(alone.groups().len(), 1);
            assert_eq!(
                row(&alone, &connection())[&*feature.name],
                values[&*feature.name],
                "{}",
                feature.name
            );
        }
    }
}

/// Beginnings of the names of the columns that read captured headers: all others are made of decoded fields.
const HEADERS: [&str; 15] = [
    "mac_src",
    "mac_dst",
    "mac_eth_type",
    "mac_unique",
    "mac_stat",
    "mac_broadcast",
    "mac_multicast",
    "ip_flags",
    "ip_df",
    "ip_id_gaps",
    "ipv6_flow_label",
    "icmp_",
    "tcp_",
    "mptcp",
    "is_mptcp",
];

#[test]
fn pruning_lowers_needs_and_memory() {
    let mut plan = plan([("groups", texts(&["all", "connection"]))]);
    let all = [
        Protocols::DNS,
        Protocols::HTTP,
        Protocols::QUIC,
        Protocols::SSH,
        Protocols::TLS,
    ];
    let all = all.into_iter().fold(Protocols::NONE, Protocols::union);
    assert_eq!(
        plan.needs(),
        Needs {
            headers: true,
            ..Needs::messages(all)
        }
    );
    assert_eq!(
        plan.bytes_per_flow().len(),
        catalogued_groups().len() + 1,
        "the parsers too"
    );
    let applications = ["tls", "quic", "http2", "ssh", "dns", "fingerprint"];
    plan.restrict(|feature| !applications.contains(&&*feature.group));
    let needs = |payload, headers| Needs {
        payload,
        headers,
        ..Needs::NONE
    };
    assert_eq!(plan.needs(), needs(256, true));
    plan.restrict(|feature| feature.group != "entropy");
    assert_eq!(plan.needs(), needs(0, true));
    assert_eq!(
        plan.bytes_per_flow().len(),
        catalogued_groups().len() - applications.len() - 1
    );
    plan.restrict(|feature| !HEADERS.iter().any(|start| feature.name.starts_with(start)));
    assert_eq!(plan.needs(), Needs::NONE);
    plan.restrict(|_| false);
    assert_eq!((plan.schema.len(), plan.groups().len()), (0, 0));
    assert_eq!(
        rows(&plan, &connection()).rows(),
        1,
        "a row without columns is a row"
    );
}

#[test]
fn split_columns_follow_the_one_they_split() {
    let plan = plan([
        ("split", Setting::Bool(true)),
        ("only", texts(&["duration*", "packets_with_payload*"])),
    ]);
    assert_eq!(
        names(&plan),
        [
            "duration",
            "duration_fwd",
            "duration_bwd",
            "packets_with_payload",
            "packets_with_payload_fwd",
            "packets_with_payload_bwd",
        ]
    );
    let row = row(&plan, &connection());
    let values: Vec<_> = names(&plan)
        .into_iter()
        .map(|name| row[name].as_deref().expect("a value"))
        .collect();
    assert_eq!(values, ["0.13", "0.03", "0.12", "1", "1", "0"]);
}

#[test]
fn split_columns_are_those_of_one_direction() {
    let plan = plan([
        ("split", Setting::Bool(true)),
        ("raw_sequences", Setting::Bool(true)),
    ]);
    let row = row(&plan, &connection());
    for (split, same) in [
        ("iat_min_fwd", "iat_fwd_min"),
        ("iat_std_bwd", "iat_bwd_std"),
        ("iat_median_fwd", "iat_fwd_median"),
        ("total_packets_bwd", "packets_bwd"),
        ("total_bytes_fwd", "bytes_fwd"),
        ("pkt_len_mean_bwd", "pkt_len_bwd_mean"),
        ("pkt_len_median_fwd", "pkt_len_fwd_median"),
        ("payload_len_std_fwd", "payload_len_fwd_std"),
        ("entropy_payload_fwd", "entropy_initiator"),
    ] {
        assert!(row[split].is_some());
        assert_eq!(row[split], row[same], "{split}");
    }
    assert_eq!(row["iat_sequence_fwd"].as_deref(), Some("[0.02,0.01]"));
    assert_eq!(
        row["timestamp_sequence_bwd"].as_deref(),
        Some("[0.01,0.13]"),
        "since the start of the record"
    );
    assert_eq!(row["tcp_syn_ratio_bwd"].as_deref(), Some("0.5"));
}

#[test]
fn a_direction_without_packets_has_counts_only() {
    let plan = plan([
        ("split", Setting::Bool(true)),
        ("raw_sequences", Setting::Bool(true)),
    ]);
    let split = row(&plan, &one_way());
    for feature in plan.schema.iter().filter(|feature| {
        feature
            .definition
            .starts_with("Over the packets of the responder")
    }) {
        let expected = match feature.data_type {
            DataType::U64 => Some("0"),
            DataType::Bool => Some("false"),
            _ => None,
        };
        let found = split[&*feature.name].as_deref();
        // of no packets, some are null by their own rule
        let own_rule = matches!(&feature.null, Some(null) if null != "not TCP");
        assert!(
            found == expected || own_rule && found.is_none(),
            "{}: {found:?}",
            feature.name
        );
    }
    let mut udp = one_way();
    udp.flow.key.protocol = 17;
    assert_eq!(row(&plan, &udp)["tcp_syn_count_bwd"], None, "not TCP");
}

#[test]
fn missing_values_become_defaults() {
    let plan = plan([("missing", text("default")), ("split", Setting::Bool(true))]);
    let row = row(&plan, &one_way());
    for (name, value) in &row {
        // Columns that the catalogue gives no default keep their nulls.
        let ratio = [
            "packets_ratio",
            "bytes_ratio",
            "packets_per_second",
            "bytes_per_second",
        ];
        let kept = ratio.iter().any(|ratio| name.starts_with(ratio));
        assert!(value.is_some() || kept, "{name}");
    }
    assert_eq!(row["iat_bwd_min"].as_deref(), Some("0"));
    assert_eq!(row["pkt_len_min_bwd"].as_deref(), Some("0"));
    assert_eq!(row["packets_ratio"], None);
    let nullable = |feature: &&Feature| feature.null.is_some();
    assert!(
        plan.schema
            .iter()
            .filter(nullable)
            .all(|feature| feature.default.is_empty())
    );
}

#[test]
fn slots_are_used_again() {
    let plan = plan([]);
    let mut extractors = plan.extractors();
    let flows = Slots::from_iter(vec![connection().flow; 3]);
    for packets in [connection(), one_way()] {
        let run: Vec<Packet<'_>> = packets
            .packets
            .iter()
            .map(|packet| packet.packet())
            .collect();
        extractors.open(2);
        extractors.packets(&run, &vec![2; run.len()], &flows);
        let mut again = plan.batch(0);
        extractors.finish(2, &packets.flow, &mut again);
        let again = plan.shape().apply(again);
        assert_eq!(again, rows(&plan, &packets));
        extractors.close(2);
        assert_eq!(extractors.heap_bytes_by_group().sum::<usize>(), 0);
    }
}

/// A download over one connection with timestamps: 6 segments on their way at a time, as many acknowledgements.
fn download(rounds: u32) -> Packets {
    let stamped = |packet: Built, at: u32, seq: u32, ack: u32| {
        let options = [&[1, 1, 8, 10][..], &at.to_be_bytes(), &at.to_be_bytes()].concat();
        let packet = packet.seq(seq, ack).at(ms(at.into())).ip(1500);
        packet.flags(tcp::ACK).window(500).options(&options)
    };
    let mut flow = connection();
    for round in 1..=rounds {
        let (at, seq) = (200 * round, 10 + 9000 * round);
        for n in 0..6 {
            let segment = stamped(back(), at + n, seq + 1500 * n, 12);
            flow = flow.push(segment.payload_len(1500));
        }
        for n in 1..=6 {
            flow = flow.push(stamped(forth(), at + 50 + n, 12, seq + 1500 * n));
        }
    }
    flow
}

/// Bytes of an open record with all groups.
fn bytes_of(packets: &Packets) -> usize {
    let plan = plan([]);
    let mut extractors = plan.extractors();
    extractors.open(0);
    let run: Vec<Packet<'_>> = packets.packets.iter().map(|p| p.packet()).collect();
    let flows = Slots::from_iter([packets.flow.clone()]);
    extractors.packets(&run, &vec![0; run.len()], &flows);
    let fixed: usize = plan.bytes_per_flow().iter().map(|(_, bytes)| bytes).sum();
    fixed + extractors.heap_bytes_by_group().sum::<usize>()
}

#[test]
fn all_groups_of_a_connection_fit_in_4_kib() {
    let [short, usual, long] = [one_way(), download(1), download(10)].map(|flow| bytes_of(&flow));
    assert!(short < 2_304, "{short}");
    assert!(usual < 4 << 10, "{usual}");
    assert!(long < 8 << 10, "{long}");
}

#[test]
fn groups_of_tcp_hold_a_word_where_there_is_none() {
    let flow = Packets::udp().push(forth().ip(60)).push(back().ip(60));
    let plan = plan([]);
    for (at, group) in plan.groups().enumerate() {
        if !group.starts_with("tcp_") && group != "icmp" {
            continue;
        }
        let alone = plan.group(at);
        let mut extractors = alone.extractors();
        extractors.open(0);
        let run: Vec<Packet<'_>> = flow.packets.iter().map(|p| p.packet()).collect();
        extractors.packets(&run, &[0, 0], &Slots::from_iter([flow.flow.clone()]));
        assert_eq!(alone.bytes_per_flow(), [(group, size_of::<usize>())]);
        assert_eq!(
            extractors.heap_bytes_by_group().sum::<usize>(),
            0,
            "{group}"
        );
    }
}

/// The catalogue of the designs, where it is at hand.
fn shared(file: &str) -> Option<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("JAYFLOW_SHARED").map_or(root, PathBuf::from);
    let path = root.join(file);
    let text = std::fs::read_to_string(&path);
    if text.is_err() {
        eprintln!("NOT CHECKED: {} is not here", path.display());
    }
    text.ok()
}

#[test]
fn the_catalogue_is_that_of_the_design() {
    let Some(text) = shared("features/features.csv") else {
        return;
    };
    // Columns beyond the catalogue that every record has; the others of that kind are of the profile JF-EXTRA.
    let beyond = [
        "flow_end_reason",
        "flow_segment",
        "initiator_swapped",
        "conn_betweenness_exact",
    ];
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().expect("a header").clone();
    let place = |name: &str| head.iter().position(|head| head == name).expect("a column");
    let places = [
        "group",
        "name",
        "dtype",
        "unit",
        "default",
        "profile",
        "direction",
        "splittable",
    ]
    .map(place);
    let (null_when, emitted_when) = (place("null_when"), place("emitted_when"));
    let (status, mut differing) = (place("reference_status"), BTreeSet::new());
    let known = group_names();
    let mut expected = Vec::new();
    for record in reader.records().map(|record| record.expect("a record")) {
        let mut cells = places.map(|place| record[place].to_owned());
        if !known.contains(&cells[0].as_str()) {
            continue;
        }
        if &record[status] != "exact" {
            differing.insert(cells[1].clone());
        }
        let null = &record[null_when] != "never";
        if !null {
            // It is written for nulls only, so it means nothing here.
            cells[4].clear();
        }
        let when = match &record[emitted_when] {
            "default" => "",
            "include_flow_id" => "flow_id",
            "include_raw_sequences" => "raw_sequences",
            "include_splt" => "splt",
            "connection_include_temporal" => "connection.temporal",
            other => panic!("{other} is a setting of which group?"),
        };
        expected.push((cells, null, when.to_owned()));
    }
    let declared = catalogue();
    let differs = declared.iter().filter(|feature| feature.differs.is_some());
    let differs: BTreeSet<String> = differs.map(|feature| feature.name.to_string()).collect();
    assert_eq!(differs, differing, "columns that differ from the reference");
    let declared = declared
        .iter()
        .filter(|feature| feature.profile != Profile::Extra)
        .filter(|feature| !beyond.contains(&&*feature.name));
    let declared: Vec<_> = declared.map(as_designed).collect();
    for (ours, theirs) in declared.iter().zip(&expected) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(declared.len(), expected.len());
}

/// A column in the words of the catalogue.
fn as_designed(feature: &Feature) -> ([String; 8], bool, String) {
    fn data_type(of: &DataType) -> String {
        match of {
            // Addresses and identifiers are text where there is no better type, times are seconds.
            DataType::Text | DataType::Address | DataType::Id => "str".to_owned(),
            DataType::Time => "f64".to_owned(),
            DataType::Struct(_) => "tuple".to_owned(),
            DataType::List(item) => format!("list<{}>", data_type(item)),
            plain => format!("{plain:?}").to_lowercase(),
        }
    }
    let scope = match feature.scope {
        Scope::Flow => "flow",
        Scope::Both => "both",
        Scope::Fwd => "fwd",
        Scope::Bwd => "bwd",
        Scope::Src => "src",
        Scope::Dst => "dst",
    };
    let split = match feature.split {
        Split::No => "no",
        Split::Yes => "yes",
        Split::Is => "is",
    };
    let null = feature.null.is_some();
    let data_type = data_type(&feature.data_type);
    let cells = [
        &*feature.group,
        &feature.name,
        &data_type,
        &feature.unit,
        if null { &*feature.default } else { "" },
        feature.profile.name(),
        scope,
        split,
    ];
    (
        cells.map(str::to_owned),
        null,
        feature.when.clone().unwrap_or_default().to_string(),
    )
}

#[test]
fn profiles_are_ordered() {
    assert!(Profile::NAMED.is_sorted());
    assert!(Profile::Experimental < Profile::Extra && Profile::Extra < Profile::Optional);
}

/// A table of settings.
fn table(entries: &[(&str, &str)]) -> Setting {
    let entries = entries.iter();
    Setting::Table(
        entries
            .map(|(key, value)| ((*key).to_owned(), text(value)))
            .collect(),
    )
}

/// What sinks see of the features and of one derived column.
fn seen(set: &[(&'static str, Setting)]) -> Result<Vec<String>, Vec<SelectionError>> {
    let settings = settings(set.iter().cloned());
    let plan = settings.plan()?;
    let mut offered = plan.offered();
    let mut derived = offered[0].feature.clone();
    derived.name = "rate".into();
    offered.push(Offered {
        place: 99,
        base: derived.name.to_string(),
        feature: derived,
    });
    let (seen, errors) = settings.shared.arrange(offered);
    let names = |schema: &Schema| schema.iter().map(|one| one.name.to_string()).collect();
    let plain: Vec<String> = names(&seen.plain);
    let at = plain.iter().position(|name| name == "rate");
    assert_eq!(at.map(|at| seen.places[at]), Some(99));
    for (name, place) in plain.iter().zip(&seen.places).filter(|(_, at)| **at < 99) {
        assert_eq!(*name, plan.schema[*place].name);
    }
    match errors.is_empty() {
        true => Ok(names(&seen.schema)),
        false => Err(errors),
    }
}

#[test]
fn columns_come_in_the_order_that_is_asked_for() {
    let order = |order: &[&str]| {
        let only = texts(&["src_ip", "dst_ip", "duration", "iat_min", "iat_max"]);
        let seen = seen(&[("only", only), ("order", texts(order))]);
        seen.expect("a right order").join(" ")
    };
    assert_eq!(order(&[]), "src_ip dst_ip duration iat_min iat_max rate");
    assert_eq!(
        order(&["duration", "*"]),
        "duration src_ip dst_ip iat_min iat_max rate"
    );
    assert_eq!(
        order(&["iat_*", "rate"]),
        "iat_min iat_max rate src_ip dst_ip duration"
    );
    // a name stands where it is, whatever a glob before it takes
    assert_eq!(
        order(&["*", "dst_ip", "iat_min"]),
        "src_ip duration iat_max rate dst_ip iat_min"
    );
    let errors = seen(&[
        ("groups", texts(&["flow_meta"])),
        ("order", texts(&["*", "iat_min"])),
    ]);
    let errors = errors.expect_err("iat_min is left out");
    assert_eq!((errors[0].key, errors[0].index), ("order", Some(1)));
    assert_eq!(errors[0].absence, Absence::LeftOut);
}

#[test]
fn columns_have_the_names_that_are_asked_for() {
    let only = ("only", texts(&["src_ip", "iat_mean"]));
    let renamed = [
        ("src_ip", "Src IP"),
        ("iat_mean", "src_ip"),
        ("rate", "Flow Bytes/s"),
    ];
    let names = seen(&[
        only.clone(),
        ("rename", table(&renamed)),
        ("order", texts(&["iat_mean"])),
    ]);
    assert_eq!(
        names.expect("right names"),
        ["src_ip", "Src IP", "Flow Bytes/s"]
    );
    let wrong = |entries: &[(&str, &str)], order: &[&str]| {
        let errors = seen(&[
            only.clone(),
            ("rename", table(entries)),
            ("order", texts(order)),
        ]);
        let errors = errors.expect_err("a mistake");
        errors
            .into_iter()
            .map(|error| (error.key, error.name, error.absence))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        wrong(&[("iat_max", "x")], &[]),
        [("rename", "iat_max".to_owned(), Absence::LeftOut)]
    );
    for (old, new) in [("iat_mean", "src_ip"), ("src_ip", "rate")] {
        assert_eq!(
            wrong(&[(old, new)], &[]),
            [("rename", new.to_owned(), Absence::Taken)]
        );
    }
    let renamed = Absence::Renamed("src_ip".to_owned());
    assert_eq!(
        wrong(&[("src_ip", "from")], &["from"]),
        [("order", "from".to_owned(), renamed)]
    );
    let mut settings = FeatureSettings::default();
    assert!(settings.set("rename", &table(&[("src_ip", "")])).is_err());
    assert!(settings.set("rename", &text("src_ip")).is_err());
}

#[test]
fn sequences_are_padded() {
    let padded = |pad: i64, of: &[&str]| {
        let plan = plan([
            ("only", texts(of)),
            ("raw_sequences", Setting::Bool(true)),
            ("splt", Setting::Bool(true)),
            ("max_sequence_length", Setting::Int(7)),
            ("pad", Setting::Int(pad)),
        ]);
        let row = row(&plan, &connection());
        let types = plan.schema.iter().map(|feature| feature.data_type.clone());
        (types.collect::<Vec<_>>(), row)
    };
    let list = |item: DataType| DataType::List(Box::new(item));
    let (types, row) = padded(-1, &["splt_lengths", "splt_directions", "iat_sequence"]);
    assert_eq!(
        types,
        [list(DataType::F64), list(DataType::I64), list(DataType::I8)]
    );
    assert_eq!(
        row["splt_lengths"].as_deref(),
        Some("[60,60,52,62,52,-1,-1]")
    );
    assert_eq!(
        row["splt_directions"].as_deref(),
        Some("[1,-1,1,1,-1,-1,-1]")
    );
    assert_eq!(
        row["iat_sequence"].as_deref(),
        Some("[0.01,0.01,0.01,0.1,-1,-1,-1]")
    );
    let (types, row) = padded(0, &["splt_lengths", "splt", "iat_min"]);
    assert_eq!(types[2], list(DataType::U32));
    assert_eq!(types[0], DataType::F64, "no sequence");
    let splt = row["splt"].as_deref().expect("a list");
    assert!(splt.ends_with("(52,0.1,-1),(0,0,0),(0,0,0)]"), "{splt}");
}

#[test]
fn sequences_become_columns() {
    let exploded = |set: &[(&'static str, Setting)]| {
        let all = [
            ("only", texts(&["splt_lengths", "splt", "iat_min"])),
            ("splt", Setting::Bool(true)),
            ("max_sequence_length", Setting::Int(6)),
            ("explode", Setting::Bool(true)),
        ];
        plan(all.into_iter().chain(set.iter().cloned()))
    };
    let plan = exploded(&[]);
    let expected = [
        "iat_min",
        "splt_0_length",
        "splt_0_time",
        "splt_0_direction",
        "splt_1_length",
    ];
    assert_eq!(names(&plan)[..5], expected);
    assert_eq!(
        names(&plan)[19..],
        [
            "splt_lengths_0",
            "splt_lengths_1",
            "splt_lengths_2",
            "splt_lengths_3",
            "splt_lengths_4",
            "splt_lengths_5"
        ]
    );
    let values = row(&plan, &connection());
    assert_eq!(values["splt_lengths_1"].as_deref(), Some("60"));
    assert_eq!(
        (
            values["splt_4_time"].as_deref(),
            values["splt_4_direction"].as_deref()
        ),
        (Some("0.1"), Some("-1"))
    );
    assert_eq!(
        (
            values["splt_lengths_5"].as_deref(),
            values["splt_5_time"].as_deref()
        ),
        (None, None)
    );
    let padded = exploded(&[("pad", Setting::Int(-1))]);
    let values = row(&padded, &connection());
    assert_eq!(values["splt_lengths_5"].as_deref(), Some("-1"));
    assert!(
        padded
            .schema
            .iter()
            .skip(1)
            .all(|feature| feature.null.is_none())
    );
    let filled = exploded(&[("missing", text("default"))]);
    assert_eq!(
        row(&filled, &connection())["splt_5_time"].as_deref(),
        Some("0")
    );
    // what of them is not wanted costs nothing
    let mut one = plan.clone();
    one.restrict(|feature| feature.name == "splt_lengths_2");
    let values = row(&one, &connection());
    assert_eq!(values["splt_lengths_2"].as_deref(), Some("52"));
    assert_eq!(one.schema.len(), 1);
    // a list is named as a whole, or an entry of it
    let names = seen(&[
        ("only", texts(&["splt_lengths"])),
        ("splt", Setting::Bool(true)),
        ("max_sequence_length", Setting::Int(3)),
        ("explode", Setting::Bool(true)),
        (
            "rename",
            table(&[("splt_lengths", "len"), ("splt_lengths_1", "second")]),
        ),
        ("order", texts(&["splt_lengths_2", "splt_lengths"])),
    ]);
    let expected = ["len_2", "len_0", "second", "rate"];
    assert_eq!(names.expect("right names"), expected);
}

#[test]
fn profiles_have_short_names() {
    for profile in Profile::NAMED {
        let of = |name: &str| plan([("profile", text(name))]).schema;
        assert_eq!(of(profile.name()), of(profile.short_name()));
    }
}
