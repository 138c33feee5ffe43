//! The program from outside: exit codes, signals, full disks, closed pipes, and that nothing half-written is left.

use crate::program::{Folder, PATIENCE, Running, SAMPLE, STOP};
use std::fs;
use std::process::Stdio;

const CUT_OFF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/cut-off.pcap");

#[test]
fn a_good_run_writes_all_and_says_so() {
    let folder = Folder::new();
    let ended = folder
        .run(&format!("extract {SAMPLE} -o a.csv --summary books.json"))
        .with_code(0)
        .saying("a.csv  191 flows");
    assert!(ended.out.is_empty());
    assert_eq!(
        folder.names(),
        ["a.csv", "a.csv.provenance.json", "books.json"]
    );
    assert_eq!(folder.read("a.csv").lines().count(), 192);
    let books: serde_json::Value = serde_json::from_str(&folder.read("books.json")).unwrap();
    assert_eq!(books["inputs"]["whole"], 1);
    assert_eq!(books["packets"]["read"], 1720);
    assert_eq!(books["sinks"]["a.csv"]["written"], 191);
    assert_eq!(books["limits_hit"]["max_flows"], 0);
    assert_eq!(books["balanced"], true);
    for key in ["flows", "anomalies", "live"] {
        assert!(books[key].is_object(), "{key}");
    }
    assert!(books.get("stopped").is_none());
}

#[test]
fn usage_is_2_and_starts_nothing() {
    let folder = Folder::new();
    folder.put(
        "spec.toml",
        "spec = 1\n[sources]\npath = \"none.pcap\"\n[sinks]\npath = \"a.csv\"\n",
    );
    folder.put("hosts", "127.0.0.1:2101\n192.0.2.7:2101\n");
    for (arguments, said) in [
        ("extract".to_owned(), "INPUT"),
        (
            format!("extract {SAMPLE} --no-such-option"),
            "no-such-option",
        ),
        ("extract none.pcap -o a.csv".to_owned(), "none.pcap"),
        ("run spec.toml".to_owned(), "E0703"),
        ("run none.toml".to_owned(), "none.toml"),
        (
            format!("extract {SAMPLE} -o a.csv --workers 0"),
            "expected 1 or more",
        ),
        (
            format!("extract {SAMPLE} -o a.csv --summary none/books.json"),
            "no folder none",
        ),
        (
            format!("extract {SAMPLE} -o a.csv --hosts hosts --process 0"),
            "not a loopback address",
        ),
        (
            format!("extract {SAMPLE} -o a.csv --hosts none --process 0"),
            "cannot read none",
        ),
        (
            format!("extract {SAMPLE} -o a.csv --process 0"),
            "no hosts file",
        ),
    ] {
        folder.run(&arguments).with_code(2).saying(said);
        assert_eq!(folder.names(), ["hosts", "spec.toml"], "{arguments}");
    }
}

#[test]
fn damaged_inputs_are_3_and_none_of_use_is_4() {
    let folder = Folder::new();
    folder
        .run(&format!("extract {CUT_OFF} -o a.csv --summary books.json"))
        .with_code(3)
        .saying("truncated at byte");
    let books: serde_json::Value = serde_json::from_str(&folder.read("books.json")).unwrap();
    assert_eq!(books["inputs"]["partial"]["truncated"], 1);
    let fault = &books["inputs"]["faults"][0];
    assert!(fault["offset"].as_u64().unwrap() > 0 && fault["bytes_unread"].as_u64().unwrap() > 0);
    assert!(folder.read("a.csv").lines().count() > 1);

    let strict = Folder::new();
    strict
        .run(&format!(
            "extract {CUT_OFF} -o a.csv --summary books.json --strict"
        ))
        .with_code(1)
        .saying("not read whole");
    assert_eq!(strict.names(), [""; 0]);

    strict.put("a.txt", "no capture at all, but long enough for a header");
    strict.put("empty.pcap", "");
    strict
        .run("extract a.txt empty.pcap -o a.csv")
        .with_code(4)
        .saying("no pcap, pcapng");
    // a header and then damage: nothing of it was of use
    let mut damaged = fs::read(SAMPLE).unwrap();
    damaged[32..36].fill(0xff);
    strict.put("damaged.pcap", damaged);
    strict.run("extract damaged.pcap -o b.csv").with_code(4);
    strict
        .run(&format!("extract damaged.pcap {SAMPLE} -o c.csv"))
        .with_code(3);
}

#[test]
fn one_unreadable_file_among_many_is_listed_and_specials_are_skipped() {
    let folder = Folder::new();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).unwrap();
    for name in ["a.pcap", "b.pcap", "c.pcap"] {
        fs::copy(SAMPLE, captures.join(name)).unwrap();
    }
    // root may read everything, so a link that leads nowhere
    std::os::unix::fs::symlink("nowhere", captures.join("b2.pcap")).unwrap();
    folder.run_shell("mkfifo captures/pipe.pcap").with_code(0);
    folder
        .run("extract captures -o a.csv --summary books.json")
        .with_code(3)
        .saying("b2.pcap: unreadable");
    let books: serde_json::Value = serde_json::from_str(&folder.read("books.json")).unwrap();
    assert_eq!(books["inputs"]["listed"], 4);
    assert_eq!(books["inputs"]["whole"], 3);
    assert_eq!(books["inputs"]["refused"]["unreadable"], 1);
    assert_eq!(folder.read("a.csv").lines().count(), 1 + 3 * 191);
}

#[test]
fn standard_input_is_a_capture() {
    let folder = Folder::new();
    let file = folder.run(&format!("extract {SAMPLE}")).with_code(0);
    for processes in [1, 2] {
        let line = format!("$JAYFLOW extract - --processes {processes} < {SAMPLE}");
        assert!(folder.run_shell(&line).with_code(0).out == file.out);
        let line = format!("cat {SAMPLE} | $JAYFLOW extract - --processes {processes}");
        assert!(folder.run_shell(&line).with_code(0).out == file.out);
    }
    // it is read by the process that has it, wherever its name is in the list
    folder.put("!", fs::read(SAMPLE).unwrap());
    folder.put("#", fs::read(SAMPLE).unwrap());
    let line = format!("cat {SAMPLE} | $JAYFLOW extract ! # - --processes 2 -w 1 -q | wc -l")
        .replace('#', "'#'");
    let lines = folder.run_shell(&line).with_code(0);
    assert_eq!(String::from_utf8_lossy(&lines.out).trim(), "574");
}

#[test]
fn an_existing_output_is_refused_before_anything_is_read() {
    let folder = Folder::new();
    folder.put("a.csv", "precious");
    // the input stays open: who read it would wait
    folder
        .start("extract - -o a.csv", b"")
        .end(STOP)
        .with_code(1)
        .saying("a.csv exists and was not touched");
    assert_eq!(folder.read("a.csv"), "precious");
    folder
        .run(&format!("extract {CUT_OFF} -o a.csv --strict --overwrite"))
        .with_code(1);
    assert_eq!(folder.read("a.csv"), "precious");
    assert_eq!(folder.names(), ["a.csv"]);
    folder
        .run(&format!("extract {SAMPLE} -o a.csv --overwrite"))
        .with_code(0);
    assert_eq!(folder.read("a.csv").lines().count(), 192);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_1_and_leaves_nothing() {
    let folder = Folder::new();
    folder
        .run(&format!("extract {SAMPLE} -o /dev/full --format csv"))
        .with_code(1)
        .saying("cannot write /dev/full")
        .saying("make room");
    for kilobytes in [0, 1, 60] {
        for kind in ["csv", "parquet"] {
            let line = format!(
                "ulimit -f {kilobytes}; exec $JAYFLOW extract {SAMPLE} -o a.{kind} --summary b"
            );
            let ended = folder.run_shell(&line).with_code(1);
            assert!(ended.err.contains("bytes are needed"), "{}", ended.err);
            assert_eq!(folder.names(), [""; 0]);
        }
    }
    // the rows are there by then, the books are not
    folder
        .run(&format!("extract {SAMPLE} -o a.csv --summary /dev/full"))
        .with_code(1);
    assert_eq!(folder.names(), ["a.csv", "a.csv.provenance.json"]);
    // nobody can hear it, so nothing is wrong
    folder
        .run_shell(&format!("$JAYFLOW extract {SAMPLE} -o b.csv 2> /dev/full"))
        .with_code(0);
    folder
        .run_shell("$JAYFLOW extract none.pcap 2> /dev/full")
        .with_code(2);
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly_with_141() {
    let folder = Folder::new();
    for sort in ["start", "none"] {
        let mut command = folder.command(&format!("extract {SAMPLE} --sort {sort}"));
        let (reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer);
        let running = Running::start(command);
        drop(reader);
        let ended = running.end(PATIENCE).with_code(141);
        assert_eq!(ended.err, "", "{sort}");
    }
    for command in ["features", "help E0201", "schema"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command(command);
        command.stdout(writer);
        Running::start(command).end(PATIENCE).with_code(141);
    }
}

#[test]
fn a_signal_ends_reading_and_the_files_are_whole() {
    let sample = fs::read(SAMPLE).unwrap();
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        for options in ["", "--processes 2 -w 1"] {
            let folder = Folder::new();
            let arguments = format!("extract - -o a.csv --summary books.json {options}");
            let mut running = folder.start(&arguments, &sample[..100_000]);
            folder.wait_for("a.csv.");
            std::thread::sleep(std::time::Duration::from_millis(100));
            running.signal(name);
            let ended = running.end(STOP).with_code(code);
            let told = format!("stopped by SIG{name}");
            assert_eq!(ended.err.matches(&told).count(), 1, "{}", ended.err);
            assert_eq!(
                folder.names(),
                ["a.csv", "a.csv.provenance.json", "books.json"]
            );
            let books: serde_json::Value =
                serde_json::from_str(&folder.read("books.json")).unwrap();
            assert_eq!(books["stopped"], format!("SIG{name}"));
            assert_eq!(books["inputs"]["partial"]["stopped"], 1);
            assert_eq!(books["balanced"], true);
            let rows = folder.read("a.csv").lines().count() as u64 - 1;
            assert_eq!(books["sinks"]["a.csv"]["written"], rows);
        }
    }
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_nothing_half() {
    let folder = Folder::new();
    let mut running = folder.start("extract - -o a.csv --summary books.json", b"");
    folder.wait_for("a.csv.");
    running.signal("INT");
    // it may have ended by the first
    let line = format!("kill -INT {} 2> /dev/null; true", running.id());
    folder.run_shell(&line).with_code(0);
    running.end(STOP).with_code(130);
    let names = folder.names();
    assert!(
        names.iter().all(|name| !name.ends_with(".partial")),
        "{names:?}"
    );
}

#[test]
fn what_a_killed_run_leaves_the_next_one_removes() {
    let folder = Folder::new();
    let mut running = folder.start("extract - -o a.csv --summary books.json", b"");
    folder.wait_for("a.csv.");
    running.signal("KILL");
    assert_eq!(running.end(STOP).code, None);
    assert!(folder.names().iter().all(|name| name.ends_with(".partial")));
    folder
        .run(&format!("extract {SAMPLE} -o a.csv --summary books.json"))
        .with_code(0);
    assert_eq!(
        folder.names(),
        ["a.csv", "a.csv.provenance.json", "books.json"]
    );
}

#[test]
fn a_pipe_without_a_writer_can_be_stopped() {
    let folder = Folder::new();
    folder.run_shell("mkfifo pipe").with_code(0);
    let mut command = folder.command("extract pipe -o a.csv");
    command.stdin(Stdio::null());
    let mut running = Running::start(command);
    folder.wait_for("a.csv.");
    running.signal("TERM");
    running.end(STOP).with_code(143);
    assert_eq!(folder.names(), ["a.csv", "a.csv.provenance.json", "pipe"]);
}

#[test]
fn rows_are_made_anonymous() {
    let folder = Folder::new();
    folder.put("key", "5a".repeat(32));
    let rows = |name: &str, options: &str| -> Vec<Vec<String>> {
        folder
            .run(&format!(
                "extract {SAMPLE} -o {name}.csv -f src_ip,dst_ip,src_port,total_packets {options}"
            ))
            .with_code(0);
        let text = folder.read(&format!("{name}.csv"));
        let cells = |line: &str| line.split(',').map(str::to_owned).collect();
        text.lines().map(cells).collect()
    };
    let seen = rows("seen", "");
    let prefix = rows("prefix", "--anonymise prefix --key-file key");
    assert_eq!(prefix, rows("again", "--anonymise prefix --key-file key"));
    assert_ne!(prefix, rows("random", "--anonymise prefix"));
    let ids = rows("ids", "--anonymise pseudonym --key-file key --workers 3");
    assert_eq!(seen.len(), 192);
    for ((seen, prefix), id) in seen.iter().zip(&prefix).zip(&ids).skip(1) {
        assert_eq!((&seen[2..], &seen[2..]), (&prefix[2..], &id[2..]));
        assert_eq!(seen[0].contains(':'), prefix[0].contains(':'));
        assert!(seen[0] != prefix[0] && id[0].len() == 32);
    }
    // an address stands for one address, everywhere
    let all = |rows: &[Vec<String>]| -> Vec<String> {
        rows.iter()
            .skip(1)
            .flat_map(|row| row[..2].to_vec())
            .collect()
    };
    let pairs: std::collections::BTreeSet<_> = all(&seen).into_iter().zip(all(&prefix)).collect();
    let count = |part: fn(&(String, String)) -> &String| {
        pairs
            .iter()
            .map(part)
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    };
    assert_eq!(
        (count(|pair| &pair.0), count(|pair| &pair.1)),
        (pairs.len(), pairs.len())
    );
    let dropped = rows("dropped", "--anonymise drop");
    assert_eq!(dropped[0], ["src_port", "total_packets"]);
    folder
        .run(&format!(
            "extract {SAMPLE} -o a.csv --anonymise prefix --key-file none"
        ))
        .with_code(1)
        .saying("read the key in none");
}
