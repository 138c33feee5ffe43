//! The guides of `docs/guides/` are true: their blocks are run, in a folder that looks like the repository.
//!
//! A block of `toml` is a file, named by the last `NAME.toml` in the line before it; it must pass `jayflow check`. A block of `sh` is run by
//! bash, and must go well. A block of `text` is what the block of `sh` before it printed.

use std::path::Path;
use std::process::Command;

/// Language, text, and the last line before each block.
fn blocks(guide: &str) -> Vec<(&str, String, &str)> {
    let (mut found, mut before) = (Vec::new(), "");
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                before = line;
            }
            continue;
        };
        let inside = lines.by_ref().take_while(|line| *line != "```");
        let text = inside.fold(String::new(), |text, line| text + line + "\n");
        found.push((language, text, before));
    }
    found
}

/// The last name of a spec in a line.
fn name(line: &str) -> Option<&str> {
    line.split('`').rfind(|part| part.ends_with(".toml"))
}

#[cfg(unix)]
#[test]
fn every_block_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_BIN_EXE_jayflow"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        program
            .parent()
            .map(Path::to_path_buf)
            .into_iter()
            .chain(std::env::split_paths(&path)),
    );
    let path = path.unwrap();
    let mut guides = 0;
    for entry in std::fs::read_dir(root.join("docs/guides")).unwrap() {
        let guide = entry.unwrap().path();
        let text = std::fs::read_to_string(&guide).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for link in ["examples", "specs", "tests"] {
            std::os::unix::fs::symlink(root.join(link), folder.path().join(link)).unwrap();
        }
        let (mut printed, mut ran) = (None, 0);
        for (language, block, before) in blocks(&text) {
            let place = format!("{}: {before}", guide.display());
            let mut command = match language {
                "toml" => {
                    let name = name(before).unwrap_or_else(|| panic!("{place}: no file is named"));
                    std::fs::write(folder.path().join(name), &block).unwrap();
                    let mut command = Command::new(program);
                    command.args(["check", name]);
                    command
                }
                "sh" => {
                    let mut command = Command::new("bash");
                    command.args(["-euo", "pipefail", "-c", &block]);
                    command
                }
                "text" => {
                    assert_eq!(printed.take(), Some(block), "{place}");
                    continue;
                }
                other => panic!("{place}: a block of `{other}` is not run"),
            };
            let out = command
                .current_dir(folder.path())
                .env("PATH", &path)
                .output()
                .unwrap();
            let said = String::from_utf8(out.stdout).unwrap();
            let errors = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success(), "{place}\n{block}{said}{errors}");
            printed = (language == "sh").then_some(said);
            ran += 1;
        }
        assert!(ran > 0, "{}: a guide without blocks", guide.display());
        guides += 1;
    }
    assert!(guides > 0);
}
