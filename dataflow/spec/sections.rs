//! The table of sections: their names and keys. The check, the JSON Schema and the commented example read it.

use super::RunOptions;
use super::variables::VariableOptions;
use crate::testing::TestOptions;
use operators::decode::DecodeOptions;
use operators::features::FeatureSettings;
use operators::filters::FilterOptions;
use operators::flows::FlowOptions;
use operators::joins::JoinOptions;
use operators::options::{Duration, Key, OptionValue as _, Options};
use operators::sinks::SinkOptions;
use operators::sources::PcapOptions;
use operators::views::ViewOptions;

/// A section of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name in a spec.
    pub name: &'static str,
    /// What a node of it is called in messages.
    pub node: &'static str,
    /// The name of a single node without one; `None` = the section has no nodes, only keys, or only nodes with names.
    pub single: Option<&'static str>,
    /// Whether every node of it has a name: `[vars.NAME]`.
    pub named: bool,
    /// What it is for.
    pub doc: &'static str,
}

/// Every section, in data order.
pub const SECTIONS: [Section; 11] = [
    Section {
        name: "vars",
        node: "variable",
        single: None,
        named: true,
        doc: "Values that are put into other settings: `${NAME}`.",
    },
    Section {
        name: "sources",
        node: "source",
        single: Some("source"),
        named: false,
        doc: "Where packets come from.",
    },
    Section {
        name: "decode",
        node: "decoder",
        single: None,
        named: false,
        doc: "How frames become packets.",
    },
    Section {
        name: "flows",
        node: "flow table",
        single: Some("flows"),
        named: false,
        doc: "How packets become flow records.",
    },
    Section {
        name: "features",
        node: "feature set",
        single: Some("features"),
        named: false,
        doc: "Which columns are computed.",
    },
    Section {
        name: "filters",
        node: "filter",
        single: Some("filter"),
        named: false,
        doc: "Which rows go on, and where to.",
    },
    Section {
        name: "views",
        node: "view",
        single: None,
        named: true,
        doc: "Tables over flows that are kept up to date.",
    },
    Section {
        name: "joins",
        node: "join",
        single: None,
        named: true,
        doc: "What files say of rows: labels, lists, databases of addresses.",
    },
    Section {
        name: "sinks",
        node: "sink",
        single: Some("sink"),
        named: false,
        doc: "Where rows go.",
    },
    Section {
        name: "tests",
        node: "test",
        single: None,
        named: true,
        doc: "What must be true of the rows of a capture; `jayflow test` looks.",
    },
    Section {
        name: "run",
        node: "run",
        single: None,
        named: false,
        doc: "How the work is done; nothing here changes a row.",
    },
];

impl Section {
    /// Whether the section holds nodes, not only keys.
    pub const fn has_nodes(&self) -> bool {
        self.named || self.single.is_some()
    }

    /// The section called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.name == name)
    }
}

/// A key at the top of a spec.
#[derive(Clone, Copy, Debug)]
pub struct TopKey {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
}

/// Every key at the top of a spec.
pub const TOP: [TopKey; 5] = [
    TopKey {
        name: "spec",
        doc: "Version of the language: 1.",
    },
    TopKey {
        name: "name",
        doc: "Name of the spec.",
    },
    TopKey {
        name: "description",
        doc: "What the spec is for.",
    },
    TopKey {
        name: "extends",
        doc: "A preset, or the path of a spec, that this one is laid over.",
    },
    TopKey {
        name: "include",
        doc: "Paths of files beside the spec whose nodes are added.",
    },
];

/// A key that the language itself knows.
fn key(name: &'static str, kind: &str, choices: Vec<&'static str>, doc: &'static str) -> Key {
    Key {
        name,
        kind: kind.to_owned(),
        default: None,
        choices,
        doc,
        required: false,
    }
}

fn input(doc: &'static str) -> Key {
    key("input", "text or a list of such", Vec::new(), doc)
}

/// Types of sources.
pub const fn source_types() -> [&'static str; 2] {
    ["pcap", "rows"]
}

/// The keys of a sink of type `kind`, in order; those of all types without.
pub fn sink_keys(kind: Option<&str>) -> Vec<Key> {
    let mut keys = vec![
        key(
            "type",
            "text",
            SinkOptions::KINDS.to_vec(),
            "What is written; by default it follows from the ending of `path`.",
        ),
        input("The node whose rows are written."),
        key(
            "columns",
            "text or a list of such",
            Vec::new(),
            "Names or globs of the columns that are written, in this order; all by default, of a table those it shows.",
        ),
        key(
            "where",
            "text",
            Vec::new(),
            "Only the rows for which this expression is true are written.",
        ),
    ];
    if kind != Some("graph") {
        keys.push(key(
            "emit",
            "text",
            vec!["final", "snapshot", "changes"],
            "When rows of a view, or of a table of the graph, are written: the table of each window when it closes (`final`, the default) or at every tick (`snapshot`), or what changed at a tick (`changes`).",
        ));
        keys.push(key(
            "every",
            &Duration::kind(),
            Vec::new(),
            "Of a view with `emit = \"snapshot\"`: from one snapshot to the next, a multiple of the step of its window; by default each tick has one.",
        ));
    }
    for options in SinkOptions::KINDS
        .iter()
        .filter(|name| kind.is_none_or(|kind| kind == **name))
        .filter_map(|name| SinkOptions::of_kind(name))
    {
        for key in options.keys() {
            if !keys.iter().any(|known| known.name == key.name) {
                keys.push(key);
            }
        }
    }
    keys
}

/// Keys of a section that no node of it can be named after: those that nodes of every type have.
pub fn reserved_keys(section: &Section) -> Vec<&'static str> {
    let mut names: Vec<&str> = section_keys(section).iter().map(|key| key.name).collect();
    if section.name == "sinks" {
        for kind in SinkOptions::KINDS {
            let keys = sink_keys(Some(kind));
            names.retain(|name| *name == "path" || keys.iter().any(|key| key.name == *name));
        }
    }
    names
}

/// Keys of `[features]` that change a list which a parent has; they are gone when the spec is put together.
pub fn list_forms() -> Vec<Key> {
    let mut keys = Vec::new();
    for (name, doc) in [
        (
            "groups_add",
            "These groups too, beside those of `groups` (of the spec that this one extends).",
        ),
        ("groups_drop", "Takes these names out of the list `groups`."),
        ("only_add", "These features too, beside those of `only`."),
        ("only_drop", "Takes these names out of the list `only`."),
        (
            "drop_add",
            "Not these features either, beside those of `drop`.",
        ),
        ("drop_drop", "Takes these names out of the list `drop`."),
    ] {
        keys.push(key(name, "text or a list of such", Vec::new(), doc));
    }
    keys
}

/// The keys of a section, in order; for sinks those of all types.
pub fn section_keys(section: &Section) -> Vec<Key> {
    let (mut keys, own) = match section.name {
        "vars" => (Vec::new(), VariableOptions::keys()),
        "sources" => (
            vec![key(
                "type",
                "text",
                source_types().to_vec(),
                "What is read: `pcap`, captures; `rows`, files of rows that were written before, with all their columns, or with the edges of the connection graph for graph sinks (with `path`, `recursive`, `from` and `to` of the ends of flows).",
            )],
            PcapOptions::keys(),
        ),
        "decode" => (Vec::new(), DecodeOptions::keys()),
        "flows" => (
            vec![input("The sources whose packets come in; all by default.")],
            FlowOptions::keys(),
        ),
        "features" => (
            vec![input("The flow table whose records get columns.")],
            FeatureSettings::keys()
                .into_iter()
                .chain(list_forms())
                .collect(),
        ),
        "filters" => (
            vec![input(
                "The nodes whose rows come in; `features` by default.",
            )],
            FilterOptions::keys(),
        ),
        "views" => (
            vec![input(
                "What the view reads: the flow table (the default), `features`, filters and their outputs, or other views and their relations.",
            )],
            ViewOptions::keys(),
        ),
        "joins" => (
            vec![input(
                "The nodes whose rows come in; `features` by default.",
            )],
            JoinOptions::keys(),
        ),
        "tests" => (Vec::new(), TestOptions::keys()),
        "run" => (Vec::new(), RunOptions::keys()),
        _ => (sink_keys(None), Vec::new()),
    };
    keys.extend(own);
    keys
}
