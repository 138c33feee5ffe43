//! The specs of `specs/` do what they say: each checks, is laid out, and passes the tests that it carries; presets have the columns of the
//! programs that they stand for.

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Standard output and error of the program, run in the repository; it must go well.
fn jayflow(arguments: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_jayflow"))
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .unwrap();
    let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    assert_eq!(out.status.code(), Some(0), "{arguments:?}\n{text}");
    text
}

fn specs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("specs")).unwrap();
    let mut specs: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    specs.sort();
    specs
}

#[test]
fn each_passes_its_own_tests() {
    for spec in specs() {
        let spec = spec.to_str().unwrap();
        jayflow(&["check", spec]);
        jayflow(&["fmt", "--check", spec]);
        let said = jayflow(&["test", spec]);
        assert!(said.contains(" 0 failed"), "{said}");
    }
}

#[test]
fn each_says_what_it_is_for() {
    for spec in specs() {
        let text = std::fs::read_to_string(&spec).unwrap();
        let head: Vec<&str> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        assert!(head.len() >= 2, "{}: a comment at its head", spec.display());
        let name = spec.file_stem().unwrap().to_str().unwrap();
        let line = format!("name = \"{name}\"");
        assert!(
            text.lines().any(|found| found == line),
            "{}: {line}",
            spec.display()
        );
    }
}

/// The columns of a table with this head, in their order.
fn columns(head: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.toml");
    let sample = Path::new(ROOT).join("examples/sample.pcap");
    let out = folder.path().join("rows.csv");
    let text = format!(
        "spec = 1\n{head}\n[sources]\npath = '{}'\n[sinks]\npath = '{}'\n",
        sample.display(),
        out.display()
    );
    std::fs::write(&spec, text).unwrap();
    jayflow(&["run", spec.to_str().unwrap(), "-q"]);
    let rows = std::fs::read_to_string(&out).unwrap();
    let first = rows.lines().next().unwrap_or_default();
    first.split(',').map(str::to_owned).collect()
}

/// The header of a table that the other program wrote: a name a line.
fn header(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn joyfuljay_has_the_columns_of_joyfuljay() {
    // DataFrame.columns of joyfuljay 0.1.6.1 with its default settings
    let theirs = header(include_str!("golden/columns-joyfuljay.txt"));
    assert_eq!(theirs.len(), 387);
    assert_eq!(columns("extends = \"joyfuljay@1\""), theirs);
}
