//! The table of sections: their names and keys. The check, the JSON Schema and the commented example read it.

use super::RunOptions;
use operators::decode::DecodeOptions;
use operators::features::FeatureSettings;
use operators::filters::FilterOptions;
use operators::flows::FlowOptions;
use operators::options::{Key, Options};
use operators::sinks::SinkOptions;
use operators::sources::PcapOptions;

/// A section of a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name in a spec.
    pub name: &'static str,
    /// What a node of it is called in messages.
    pub node: &'static str,
    /// The name of a single node without one; `None` = the section has no nodes, only keys.
    pub single: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
}

/// Every section, in data order.
pub const SECTIONS: [Section; 7] = [
    Section {
        name: "sources",
        node: "source",
        single: Some("source"),
        doc: "Where packets come from.",
    },
    Section {
        name: "decode",
        node: "decoder",
        single: None,
        doc: "How frames become packets.",
    },
    Section {
        name: "flows",
        node: "flow table",
        single: Some("flows"),
        doc: "How packets become flow records.",
    },
    Section {
        name: "features",
        node: "feature set",
        single: Some("features"),
        doc: "Which columns are computed.",
    },
    Section {
        name: "filters",
        node: "filter",
        single: Some("filter"),
        doc: "Which rows go on, and where to.",
    },
    Section {
        name: "sinks",
        node: "sink",
        single: Some("sink"),
        doc: "Where rows go.",
    },
    Section {
        name: "run",
        node: "run",
        single: None,
        doc: "How the work is done; nothing here changes a row.",
    },
];

impl Section {
    /// The section called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.name == name)
    }
}

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

/// The keys of a section, in order; for sinks those of all types.
pub fn section_keys(section: &Section) -> Vec<Key> {
    let (mut keys, own) = match section.name {
        "sources" => (
            vec![key(
                "type",
                "text",
                source_types().to_vec(),
                "What is read: `pcap`, captures; `rows`, files of rows that were written before, for graph sinks (with `path`, `recursive`, `from` and `to` of the ends of flows).",
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
            FeatureSettings::keys(),
        ),
        "filters" => (
            vec![input("The nodes whose rows come in; `features` by default.")],
            FilterOptions::keys(),
        ),
        "run" => (Vec::new(), RunOptions::keys()),
        _ => (sink_keys(None), Vec::new()),
    };
    keys.extend(own);
    keys
}
