//! The tutorial is true: what it says is done to a copy of the repository, and its tests are run there.

use std::fs;
use std::path::Path;
use std::process::Command;

const TUTORIAL: &str = include_str!("../docs/TUTORIAL.md");

/// The code blocks of a language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    let parts = TUTORIAL.split(start.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default())
        .collect()
}

/// `text` with the lines that a block adds (`+`) behind those that it repeats (` `); gives how many there were.
fn patch(text: &mut String, block: &str) -> usize {
    let mut place = None;
    let mut added = 0;
    for line in block.lines() {
        let (sign, line) = line.split_at(1);
        let whole = format!("{line}\n");
        match sign {
            " " => {
                let found = text.matches(&whole).count();
                assert_eq!(found, 1, "`{line}` is there {found} times");
                place = text.find(&whole).map(|at| at + whole.len());
            }
            "+" => {
                let at = place.expect("a line that is there comes first");
                text.insert_str(at, &whole);
                place = Some(at + whole.len());
                added += 1;
            }
            _ => panic!("`{sign}{line}` is neither repeated nor added"),
        }
    }
    added
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The tutorial's group as a file and the list of modules with its lines.
fn walked() -> (&'static str, String) {
    let [file] = blocks("rust")[..] else {
        panic!("the tutorial has one file");
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut list = fs::read_to_string(root.join("operators/features/mod.rs")).unwrap();
    let added: usize = blocks("diff")
        .into_iter()
        .map(|block| patch(&mut list, block))
        .sum();
    assert_eq!(added, 2, "one file and two lines");
    (file, list)
}

#[test]
fn the_two_lines_have_their_places() {
    let (file, list) = walked();
    assert!(file.contains("impl Extractor for State"));
    assert!(list.contains("mod turns;") && list.contains("turns::State,"));
}

#[test]
#[ignore = "slow: compiles the operators again"]
fn the_group_of_the_tutorial_compiles_and_passes_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // always the same place, so that cargo finds what it compiled there before
    let house = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial");
    let _ = fs::remove_dir_all(&house);
    for folder in ["operators", "dataflow"] {
        copy(&root.join(folder), &house.join(folder));
    }
    fs::copy(root.join("Cargo.lock"), house.join("Cargo.lock")).unwrap();
    // The macros stay where they are: cargo would take a copy for the same package in the same target folder, build it again, and
    // leave what it compiled for this test without its macros.
    fs::remove_dir_all(house.join("operators/derive")).unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let derive = root.join("operators/derive");
    let manifest = manifest
        .replace(", \"operators/derive\"", "")
        .replace("\"operators/derive\"", &format!("'{}'", derive.display()));
    fs::write(house.join("Cargo.toml"), manifest).unwrap();
    for file in ["tests/main.rs", "benches/main.rs", "benches/floor.rs"] {
        fs::create_dir_all(house.join(file).parent().unwrap()).unwrap();
        fs::write(house.join(file), "//! None.\n").unwrap();
    }
    let (file, list) = walked();
    fs::write(house.join("operators/features/turns.rs"), file).unwrap();
    fs::write(house.join("operators/features/mod.rs"), list).unwrap();
    let target = std::env::current_exe().unwrap();
    let target = target.ancestors().nth(3).expect("target/debug/deps/main");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |arguments: &[&str]| {
        let out = Command::new(&cargo)
            .args(arguments)
            .current_dir(&house)
            .env("CARGO_TARGET_DIR", target)
            // compiled once and hardly run: what is compiled without optimising is there in half the time
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        let well = out.status.success() && !told.contains("warning");
        assert!(well, "{said}{told}");
        said
    };
    run(&["fmt", "--all", "--check"]);
    let said = run(&[
        "test",
        "--offline",
        "--package=jayflow-operators",
        "--lib",
        "--",
        "turns::",
        "every_file_of_a_group_is_in_the_list",
        "declarations_are_sound",
    ]);
    assert!(said.contains("4 passed"), "{said}");
}
