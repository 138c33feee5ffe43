//! Several processes: the rows and books of one, and what happens when one is missing, different, a stranger, or killed.

use crate::program::{Ended, Folder, PATIENCE, Running, SAMPLE, STOP};
use crate::traffic::{Record, pcap, records, udp_frame};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Generated traffic with fragments, and header stacks too long to be told by a number.
fn traffic() -> Vec<Record> {
    let mut runner = TestRunner::deterministic();
    let mut records: Vec<Record> = (0..40)
        .flat_map(|_| records(120).new_tree(&mut runner).unwrap().current())
        .collect();
    for number in 0..40u8 {
        let mut frame = udp_frame(1 + number % 3, 4 + number % 2);
        let tags = [0x81, 0, 0, number].repeat(20 + usize::from(number));
        frame.splice(12..12, tags);
        records.push((1_700_000_000_000_000_000 + i64::from(number), frame));
    }
    records
}

/// The books without what differs from run to run.
fn books(folder: &Folder, name: &str) -> serde_json::Value {
    let mut books: serde_json::Value = serde_json::from_str(&folder.read(name)).unwrap();
    let all = books.as_object_mut().unwrap();
    for key in ["spec", "elapsed", "workers"] {
        assert!(all.remove(key).is_some(), "{key}");
    }
    let sinks = all.remove("sinks").unwrap();
    let sinks: Vec<_> = sinks.as_object().unwrap().values().cloned().collect();
    all.insert("sinks".to_owned(), sinks.into());
    books
}

#[test]
fn the_rows_and_books_are_those_of_one_process() {
    let folder = Folder::new();
    folder.put("a.pcap", std::fs::read(SAMPLE).unwrap());
    folder.put("b.pcap", pcap(&traffic()));
    let everything = "--split --splt --raw-sequences";
    for (name, options) in [
        ("one", "b.pcap --merge none"),
        ("both", "a.pcap b.pcap --merge none"),
        ("merged", "a.pcap b.pcap --merge all"),
        (
            "vlan",
            "b.pcap --key 5tuple,vlan --decap all --max-flows 256 --set decode.fragments=reassemble --set decode.dns_ports=[53,1000,1001]",
        ),
        ("entropy", "a.pcap b.pcap -f entropy,hdr_desc"),
        (
            "first",
            "b.pcap --set features.duration_unit=us --set filters.dedup=[\"src_ip\",\"total_bytes\"] --set filters.limit=40",
        ),
        (
            "sensor",
            "a.pcap b.pcap --merge all --sensor {path[1]} --key sensor,source --set flows.bidirectional=false",
        ),
        ("pushed", "b.pcap --max-flows 256 --where dst_port!=1001"),
        (
            "early",
            "a.pcap b.pcap --set flows.early=[\"2s\"] --set flows.end_when=\"count()>=7\"",
        ),
    ] {
        let run = |processes: usize| {
            let file = format!("{name}{processes}");
            folder
                .run(&format!(
                    "extract {options} {everything} -o {file}.csv --summary {file}.json --processes {processes} -w 1"
                ))
                .with_code(0);
            let rows = folder.read(&format!("{file}.csv"));
            (rows, books(&folder, &format!("{file}.json")))
        };
        let alone = run(1);
        assert!(alone.0.lines().count() > 20, "{name}");
        for processes in [2, 3] {
            let several = run(processes);
            assert!(several.0 == alone.0, "rows of {name} on {processes}");
            assert_eq!(several.1, alone.1, "books of {name} on {processes}");
        }
    }
}

/// Processes that are started by hand: a hosts file, and a run of each.
struct ByHand {
    folder: Folder,
    ports: Vec<u16>,
}

impl ByHand {
    fn new(processes: usize) -> Self {
        let folder = Folder::new();
        let free: Vec<TcpListener> = (0..processes)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = free
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        let lines: Vec<String> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}\n"))
            .collect();
        folder.put("hosts", lines.concat());
        Self { folder, ports }
    }

    fn command(process: usize, options: &str) -> String {
        format!(
            "extract -o a.csv --summary books.json -w 1 --hosts hosts --process {process} {options}"
        )
    }

    fn start(&self, process: usize, options: &str) -> Running {
        Running::start(self.folder.command(&Self::command(process, options)))
    }

    /// Starts all with an input that stays open, and waits until all have met and work.
    #[cfg(target_os = "linux")]
    fn start_all(&self) -> Vec<Running> {
        let all: Vec<Running> = (0..self.ports.len())
            .map(|process| self.folder.start(&Self::command(process, "-"), b""))
            .collect();
        let begin = Instant::now();
        while !all.iter().all(|one| works(one.id())) {
            assert!(begin.elapsed() < PATIENCE, "they never met");
            std::thread::sleep(Duration::from_millis(5));
        }
        all
    }
}

#[test]
fn processes_started_by_hand_in_any_order() {
    let cluster = ByHand::new(3);
    let last = cluster.start(2, SAMPLE);
    std::thread::sleep(Duration::from_millis(100));
    let middle = cluster.start(1, SAMPLE);
    std::thread::sleep(Duration::from_millis(100));
    let first = cluster.start(0, SAMPLE);
    for other in [last, middle] {
        let ended = other.end(PATIENCE).with_code(0);
        assert_eq!((ended.out.len(), ended.err.as_str()), (0, ""));
    }
    first.end(PATIENCE).with_code(0).saying("on 3 workers");
    cluster
        .folder
        .run(&format!("extract {SAMPLE} -o alone.csv"))
        .with_code(0);
    assert!(cluster.folder.read("a.csv") == cluster.folder.read("alone.csv"));
    assert_eq!(
        cluster.folder.names(),
        [
            "a.csv",
            "a.csv.provenance.json",
            "alone.csv",
            "alone.csv.provenance.json",
            "books.json",
            "hosts"
        ]
    );
}

#[test]
fn a_process_that_does_not_come_is_named_in_time() {
    let cluster = ByHand::new(3);
    let wait = format!("{SAMPLE} --set run.wait=300ms");
    let one = cluster.start(1, &wait);
    let (two, three) = (cluster.ports[0], cluster.ports[2]);
    one.end(STOP)
        .with_code(1)
        .saying(&format!("process 0 (127.0.0.1:{two})"))
        .saying(&format!("process 2 (127.0.0.1:{three})"))
        .saying("did not come within 0.3 s");
    assert_eq!(cluster.folder.names(), ["hosts"]);
}

#[test]
fn another_spec_is_refused_on_both_sides() {
    let cluster = ByHand::new(2);
    let both = [
        cluster.start(0, SAMPLE),
        cluster.start(1, &format!("{SAMPLE} --idle-timeout 30s")),
    ];
    for (running, other) in both.into_iter().zip([1, 0]) {
        running
            .end(STOP)
            .with_code(1)
            .saying(&format!("process {other} runs something else (digest "));
    }
    assert_eq!(cluster.folder.names(), ["hosts"]);
}

#[test]
fn a_stranger_does_not_delay_the_start() {
    let cluster = ByHand::new(2);
    let first = cluster.start(0, SAMPLE);
    let address = ("127.0.0.1", cluster.ports[0]);
    let begin = Instant::now();
    let silent = loop {
        match TcpStream::connect(address) {
            Ok(silent) => break silent,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(begin.elapsed() < PATIENCE);
    };
    // what timely itself would take for a worker, and what it would not
    for bytes in [
        vec![0; 8],
        vec![0; 4096],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        TcpStream::connect(address)
            .unwrap()
            .write_all(&bytes)
            .unwrap();
    }
    let begin = Instant::now();
    let second = cluster.start(1, SAMPLE);
    first.end(PATIENCE).with_code(0);
    second.end(PATIENCE).with_code(0);
    assert!(
        begin.elapsed() < Duration::from_millis(2_900),
        "{:?}",
        begin.elapsed()
    );
    drop(silent);
}

/// Whether the workers of a process have started.
#[cfg(target_os = "linux")]
fn works(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    threads.into_iter().flatten().flatten().any(|thread| {
        std::fs::read_to_string(thread.path().join("comm"))
            .is_ok_and(|name| name.starts_with("timely:work"))
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_that_is_killed_ends_the_others() {
    for victim in 0..3 {
        let cluster = ByHand::new(3);
        let mut all = cluster.start_all();
        let mut killed = all.remove(victim);
        killed.signal("KILL");
        let begin = Instant::now();
        assert_eq!(killed.end(STOP).code, None);
        let ended: Vec<Ended> = all.into_iter().map(|one| one.end(PATIENCE)).collect();
        assert!(begin.elapsed() < STOP, "{:?}", begin.elapsed());
        for one in ended {
            assert_eq!(one.code, Some(1), "{}", one.err);
            assert_eq!(one.err.matches("error: ").count(), 1, "{}", one.err);
            assert!(
                one.err.contains("went away; nothing was written"),
                "{}",
                one.err
            );
            assert!(one.err.lines().count() <= 2, "{}", one.err);
        }
        // the one that writes cannot tidy up when it is killed itself: its next run does
        let left: Vec<String> = cluster.folder.names();
        let is_tidy = left == ["hosts"];
        assert_eq!(is_tidy, victim > 0, "{left:?}");
        assert!(
            left.iter()
                .all(|name| name == "hosts" || name.ends_with(".partial"))
        );
    }
}

/// The processes that a process has started.
#[cfg(target_os = "linux")]
fn children(of: u32) -> Vec<u32> {
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(number)
        .filter(|process| lives(*process, Some(of)))
        .collect()
}

/// Whether a process lives, as a child of `parent` if that is given.
#[cfg(target_os = "linux")]
fn lives(process: u32, parent: Option<u32>) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some((_, rest)) = text.rsplit_once(") ") else {
        return false;
    };
    let words: Vec<&str> = rest.split(' ').collect();
    words[0] != "Z" && parent.is_none_or(|parent| words[1] == parent.to_string())
}

#[test]
#[cfg(target_os = "linux")]
fn started_processes_live_and_die_with_the_first() {
    for victim in 0..3 {
        let folder = Folder::new();
        let mut first = folder.start("extract - -o a.csv --processes 3 -w 1", b"");
        folder.wait_for("a.csv.");
        let started = children(first.id());
        assert_eq!(started.len(), 2);
        assert!(started.iter().all(|process| children(*process).is_empty()));
        match victim {
            0 => first.signal("KILL"),
            _ => crate::program::signal(started[victim - 1], "KILL"),
        }
        let begin = Instant::now();
        let ended = first.end(STOP);
        while started.iter().any(|process| lives(*process, None)) {
            assert!(begin.elapsed() < STOP, "they still live");
            std::thread::sleep(Duration::from_millis(5));
        }
        if victim == 0 {
            assert_eq!((ended.code, ended.err.as_str()), (None, ""));
            let left = folder.names();
            assert_eq!(left.len(), 2);
            assert!(left.iter().all(|name| name.ends_with(".partial")));
            continue;
        }
        let ended = ended.with_code(1).saying("went away; nothing was written");
        assert_eq!(ended.err.lines().count(), 2, "{}", ended.err);
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[test]
fn a_failure_of_the_first_is_told_once() {
    let folder = Folder::new();
    folder.put("a.csv", "precious");
    let ended = folder
        .run(&format!("extract {SAMPLE} -o a.csv --processes 3 -w 1"))
        .with_code(1)
        .saying("a.csv exists and was not touched");
    assert_eq!(ended.err.matches("error").count(), 1, "{}", ended.err);
    assert!(ended.took < STOP);
    #[cfg(target_os = "linux")]
    {
        let line = format!("extract {SAMPLE} -o /dev/full --format csv --sort none --processes 2");
        let ended = folder.run(&line).with_code(1);
        assert_eq!(ended.err.matches("error").count(), 2, "{}", ended.err); // "os error 28" too
    }
}

#[test]
fn the_place_of_a_started_process_is_not_for_use_by_hand() {
    let folder = Folder::new();
    for (place, said) in [
        ("1 1", "is no place"),
        ("0 1 127.0.0.1:2101", "was not given 127.0.0.1:2101"),
    ] {
        let mut command = folder.command(&format!("extract {SAMPLE} --processes 2"));
        command.env("JAYFLOW_PLACE", place);
        let ended = Running::start(command).end(STOP).saying(said);
        assert!(matches!(ended.code, Some(1 | 2)));
    }
}
