//! The reliability kit of the reference material: 200 named hostile captures with the books they must give, and seeded damage.

use crate::shared::{shared, skipped};
use std::process::Command;

/// Runs a tool of the kit; `None` if it is not here.
fn kit(tool: &str, arguments: &[&str]) -> Option<String> {
    let kit = shared()?.join("reliability").join(tool);
    if !kit.is_file() {
        skipped(&format!("{} is not here", kit.display()));
        return None;
    }
    let run = Command::new("python3").arg(&kit).args(arguments).output();
    let Ok(run) = run else {
        skipped("there is no python3");
        return None;
    };
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{tool}: {said}{wrong}");
    Some(said)
}

fn command() -> String {
    let program = env!("CARGO_BIN_EXE_jayflow");
    format!("{program} extract {{in}} -o {{out}} --format csv --summary {{summary}}")
}

#[test]
fn hostile_captures() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    if kit("hostile.py", &[folder]).is_none() {
        return;
    }
    let said = kit("hostile.py", &["check", folder, "--cmd", &command()]).unwrap();
    assert!(said.trim().ends_with("200 of 200 as expected"), "{said}");
}

#[test]
#[ignore = "takes a minute"]
fn seeded_damage() {
    let Some(corpus) = shared().map(|shared| shared.join("pcaps")) else {
        return;
    };
    // One seed: a change must not fail by the day it is made on. Other seeds are run by hand, and each finding looked at: the kit's
    // reader counts the records of a pcapng whose version was damaged, say, which jayflow refuses as tshark does.
    let (corpus, seed, command) = (corpus.to_str().unwrap(), "7", command());
    let fixed = [
        "run",
        "--count",
        "500",
        "--check-count",
        "--check-rows",
        "**/*.csv",
        "--timeout",
        "60",
    ];
    let chosen = ["--corpus", corpus, "--seed", seed, "--cmd", &command];
    let said = kit("mutate.py", &[&fixed[..], &chosen[..]].concat());
    assert!(said.is_none_or(|said| said.contains("\"ok\": 500")));
}
