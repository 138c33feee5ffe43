//! Our rows and books against everything independent that there is: a slow implementation of the definitions, golden files of
//! JoyfulJay, tshark's view of the open captures, what the test suites of other tools expect, and the truth of a generated trace. What is compared is in `tests/tools`.

use crate::shared::{shared, skipped};
use std::path::Path;
use std::process::{Command, Output};

fn python(arguments: &[&str]) -> std::io::Result<Output> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
    Command::new("python3")
        .arg("-B")
        .args(arguments)
        .current_dir(tools)
        .output()
}

/// Runs a script, which fails on any difference that is not listed with its reason, and on a listed one that is gone.
fn agrees(arguments: &[&str]) {
    if shared().is_some() {
        succeeds(arguments);
    }
}

/// The same of a script that needs no reference material.
fn succeeds(arguments: &[&str]) {
    match python(arguments) {
        Err(error) => skipped(&format!("python3: {error}")),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}{errors}");
            println!("{said}");
        }
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_jayflow");

#[test]
fn small_captures_as_the_definitions_say() {
    let below = "--below=10000";
    agrees(&["oracle_all.py", PROGRAM, below, "--variants=default,short"]);
}

#[test]
fn the_connection_graph_as_the_definitions_say() {
    let variants = "--variants=ports,components,tumbling,sliding,asof";
    agrees(&["oracle_all.py", PROGRAM, "--below=10000", variants]);
}

#[test]
#[ignore = "slow: generated graphs, each measure by networkx; needs networkx"]
fn measures_of_the_graph_as_networkx_finds_them() {
    match python(&["-c", "import networkx, numpy"]) {
        Ok(output) if output.status.success() => agrees(&["graph.py", PROGRAM]),
        _ => skipped("python3 has no networkx"),
    }
}

#[test]
#[ignore = "slow: all captures by a slow implementation, with all kinds of settings"]
fn all_captures_as_the_definitions_say() {
    agrees(&["oracle_all.py", PROGRAM]);
}

#[test]
fn golden_files_of_joyfuljay() {
    agrees(&["golden_all.py", PROGRAM]);
}

#[test]
fn captures_as_tshark_sees_them() {
    let ours = tempfile::tempdir().expect("a folder");
    let ours = ours.path().to_str().expect("a plain name");
    agrees(&["truth.py", "run", PROGRAM, ours]);
}

#[test]
fn columns_beyond_the_catalogue_as_other_tools_have_them() {
    agrees(&["expected.py", PROGRAM]);
}

#[test]
#[ignore = "slow: runs on the open captures"]
fn columns_of_applications_as_other_programs_say() {
    agrees(&["expected_applications.py", PROGRAM]);
}

#[test]
#[ignore = "slow: puts the streams of all captures together in Python; needs cryptography"]
fn certificates_as_another_parser_reads_them() {
    match python(&["-c", "import cryptography"]) {
        Ok(output) if output.status.success() => agrees(&["certificates.py", PROGRAM]),
        _ => skipped("python3 has no cryptography"),
    }
}

#[test]
#[ignore = "slow: generates 50,000 packets; needs numpy"]
fn a_generated_trace_has_the_flows_it_was_made_of() {
    match python(&["-c", "import numpy"]) {
        Ok(output) if output.status.success() => agrees(&["trace.py", PROGRAM]),
        _ => skipped("python3 has no numpy, so that there is no trace"),
    }
}

#[test]
#[ignore = "slow: ten generated networks, each for three numbers of workers"]
fn a_recursive_view_as_plain_loops_have_it() {
    succeeds(&["lateral.py", PROGRAM]);
}
