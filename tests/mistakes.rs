//! The typical mistakes of `../shared/specs/mistakes.toml`: each gives exactly the diagnostic that is written there.
//!
//! Those in specs with nodes that are not built wait for them, by name: a list that fails as soon as one of them could run.

use crate::program::Folder;
use crate::shared::{shared, skipped};
use jayflow::spec::layout::{Layout, lay_out};
use jayflow::spec::{Diagnostic, Diagnostics, Loaded};
use std::path::{Path, PathBuf};

/// Example specs with words that this program does not know: the words, and the places of the mistakes that wait for them.
const WAITING: &[(&str, &[&str], &[&str])] = &[
    (
        "05_live_prometheus_postgres.toml",
        &["live", "prometheus", "postgres", "metrics"],
        &["26:44", "34:8"],
    ),
    (
        "09_ja4_inventory.toml",
        &["sqlite"],
        &["13:10", "32:8", "9:78"],
    ),
    (
        "11_archive_cluster.toml",
        // `lake` is a sink in an object store
        &["object", "checkpoint", "lake"],
        &["37:8", "26:44"],
    ),
    (
        "12_remote_kafka.toml",
        &["remote", "kafka", "filters"],
        &["25:9", "28:7", "6:7"],
    ),
];

/// A mistake, as it is written there.
struct Mistake {
    spec: String,
    find: String,
    put: String,
    code: String,
    at: String,
    mark: String,
    path: String,
    message: String,
    help: String,
    deep: bool,
}

fn mistakes(folder: &Path) -> Vec<Mistake> {
    let text = std::fs::read_to_string(folder.join("mistakes.toml")).unwrap();
    let list: toml_edit::DocumentMut = text.parse().unwrap();
    let list = list["mistake"].as_array_of_tables().unwrap();
    // What later steps bring is no advice before.
    let groups = jayflow_operators::features::group_names().len();
    let all = format!("lists all {groups}");
    list.iter()
        .map(|mistake| {
            let text = |key: &str| mistake[key].as_str().unwrap().to_owned();
            Mistake {
                spec: text("spec"),
                find: text("find"),
                put: text("put"),
                code: text("code"),
                at: text("at"),
                mark: text("mark"),
                path: text("path"),
                message: text("message"),
                help: text("help")
                    .replace(" .sqlite", "")
                    .replace("lists all 23", &all),
                deep: mistake
                    .get("deep")
                    .is_some_and(|deep| deep.as_bool() == Some(true)),
            }
        })
        .collect()
}

/// What is wrong with a text; with `deep`, files are looked at, which are in `base`.
fn found(name: &str, text: &str, base: PathBuf, deep: bool) -> Diagnostics {
    let checked = Loaded::text(name, text, base).and_then(|mut loaded| {
        let spec = loaded.check()?;
        if deep {
            loaded.check_files(&spec)?;
        }
        Ok(())
    });
    checked.err().unwrap_or_default()
}

/// Whether this is the diagnostic that is wanted, and the only one; else what there is instead.
fn compare(mistake: &Mistake, changed: &str, found: &Diagnostics) -> Result<(), String> {
    let [one] = &found.list[..] else {
        return Err(format!(
            "{} diagnostics\n{}",
            found.list.len(),
            found.text(false)
        ));
    };
    let json = found.json();
    let at = format!("{}:{}", json[0]["line"], json[0]["column"]);
    let parts = [
        ("code", one.code, &mistake.code),
        ("place", &at, &mistake.at),
        ("mark", &changed[one.at.start..one.at.end], &mistake.mark),
        ("path", &one.path, &mistake.path),
        ("message", &one.message, &mistake.message),
        ("help", one.help.as_deref().unwrap_or(""), &mistake.help),
    ];
    let differing: Vec<String> = parts
        .iter()
        .filter(|(_, is, should)| is != should)
        .map(|(what, is, should)| format!("{what}: `{is}`, not `{should}`"))
        .collect();
    if differing.is_empty() {
        Ok(())
    } else {
        Err(differing.join("\n"))
    }
}

/// The labels of CICIDS2017, as they are published.
fn labels(folder: &Path) {
    // a table as it is published: 85 columns, and times without seconds
    let labels = folder.join("cicids2017/labels");
    std::fs::create_dir_all(&labels).unwrap();
    let known = [
        "Flow ID",
        "Source IP",
        "Source Port",
        "Destination IP",
        "Destination Port",
        "Protocol",
        "Timestamp",
    ];
    let others = (0..77).map(|number| format!("Feature {number}"));
    let header: Vec<String> = (known.iter().map(|name| (*name).to_owned()))
        .chain(others)
        .chain(["Label".to_owned()])
        .collect();
    let line = format!(
        "id,10.0.0.1,1025,10.0.0.2,80,6,7/7/2017 3:30,{}BENIGN\n",
        "0,".repeat(77)
    );
    let table = format!("{}\n{line}", header.join(", "));
    std::fs::write(labels.join("friday.csv"), table).unwrap();
}

/// A folder with what the examples name, where the mistakes are about files.
fn base() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("captures")).unwrap();
    labels(folder.path());
    std::fs::write(folder.path().join("cicids2017/friday.pcap"), b"").unwrap();
    folder
}

#[test]
fn typical_mistakes_give_exactly_the_expected_diagnostics() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("specs");
    let (mut wrong, mut compared) = (Vec::new(), 0);
    let list = mistakes(&folder);
    for mistake in &list {
        let original = std::fs::read_to_string(folder.join(&mistake.spec)).unwrap();
        assert_eq!(original.matches(&mistake.find).count(), 1);
        let changed = original.replace(&mistake.find, &mistake.put);
        let base = base();
        let found = found(
            &mistake.spec,
            &changed,
            base.path().to_path_buf(),
            mistake.deep,
        );
        let what = format!("{} at {}", mistake.spec, mistake.at);
        let waits = WAITING.iter().any(|(spec, _, places)| {
            *spec == mistake.spec && places.contains(&mistake.at.as_str())
        });
        match compare(mistake, &changed, &found) {
            Ok(()) if waits => wrong.push(format!(
                "{what} is found now: take it out of the list of those that wait"
            )),
            Ok(()) => compared += 1,
            Err(_) if waits => {}
            Err(differing) => wrong.push(format!("{what}\n{differing}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let waiting: usize = WAITING.iter().map(|(_, _, places)| places.len()).sum();
    assert_eq!(compared + waiting, list.len());
    if waiting > 0 {
        skipped(&format!(
            "of {waiting} of the {} mistakes, which are in specs with nodes that are not built",
            list.len()
        ));
    }
}

#[test]
fn the_example_specs_are_laid_out_as_fmt_does_it() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("specs")];
    folders.extend(shared().map(|shared| shared.join("specs")));
    for path in folders.iter().flat_map(|folder| {
        let files = std::fs::read_dir(folder).unwrap();
        let paths = files.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
    }) {
        let text = std::fs::read_to_string(&path).unwrap();
        let out = lay_out("t", &text, Layout::default()).unwrap();
        assert_eq!(out, text, "{}", path.display());
        let old = lay_out("t", &text, Layout { toml_1_0: true }).unwrap();
        let tree = |text: &str| {
            let root = Loaded::text("t", text, PathBuf::new()).map(|loaded| loaded.root);
            root.map(|root| jayflow::spec::format::text(&root)).ok()
        };
        assert_eq!(tree(&old), tree(&text), "{}", path.display());
        let again = lay_out("t", &old, Layout { toml_1_0: true }).unwrap();
        assert_eq!(again, old, "{}", path.display());
    }
}

/// Whether a fault says that a word of the language, a type or a key is not known.
fn is_unknown(fault: &Diagnostic, words: &[&str]) -> bool {
    let kind = [
        "E0005", "E0006", "E0008", "E0009", "E0109", "E0202", "E0503", "E0801",
    ]
    .contains(&fault.code);
    let named = |word: &&str| {
        let inside = || fault.path.split('.').any(|part| part == *word);
        fault.message.contains(&format!("`{word}`")) || inside()
    };
    kind && words.iter().any(named)
}

/// Runs an example over an open capture, which has the names of its sources: every sink writes something whole.
fn runs(shared: &Path, name: &str, text: &str) {
    let folder = Folder::new();
    let capture = shared.join("pcaps/dns/nDPI-dns-tunnel-iodine.pcap");
    let named = [
        "capture.pcap",
        "captures/a.pcap",
        "dns/a.pcap",
        "enterprise/a.pcap",
        "cicids2017/a.pcap",
        "Friday-WorkingHours.pcap",
        // what an input is is told by its first bytes
        "captures/b.pcapng.zst",
    ];
    for name in named {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&capture, path).unwrap();
    }
    std::fs::create_dir_all(folder.path().join("out")).unwrap();
    // the published labels are of another network
    labels(folder.path());
    let text = text.replace("expect_matched = 0.95", "expect_matched = 0.0");
    folder.put(name, text);
    let explained = folder.run(&format!("explain {name}"));
    assert_eq!(explained.code, Some(0), "{name}: {}", explained.err);
    let sinks = String::from_utf8_lossy(&explained.out)
        .matches(" sink ")
        .count();
    assert!(sinks > 0, "{name}");
    let ended = folder.run(&format!("run {name} --summary books.json"));
    assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
    let books: serde_json::Value = serde_json::from_str(&folder.read("books.json")).unwrap();
    let written = books["sinks"].as_object().unwrap();
    assert_eq!(written.len(), sinks, "{name}");
    for (sink, counts) in written {
        assert_eq!(counts["offered"], counts["written"], "{name}, {sink}");
    }
}

#[test]
fn the_example_specs_are_right_or_need_what_is_not_built() {
    let Some(shared) = shared() else { return };
    let mut names: Vec<String> = std::fs::read_dir(shared.join("specs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    names.sort();
    assert_eq!(names.len(), 12);
    for name in names {
        let text = std::fs::read_to_string(shared.join("specs").join(&name)).unwrap();
        let found = found(&name, &text, PathBuf::new(), false);
        let waits = WAITING.iter().find(|(spec, _, _)| *spec == name);
        let Some((_, words, _)) = waits else {
            assert!(!found.has_errors(), "{}", found.text(false));
            runs(&shared, &name, &text);
            continue;
        };
        assert!(
            found.has_errors(),
            "{name} is right now: take it out of the list of those that wait"
        );
        for fault in &found.list {
            assert!(is_unknown(fault, words), "{}", found.text(false));
        }
    }
}
