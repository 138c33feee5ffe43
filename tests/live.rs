//! Rows while a run goes on: somebody writes to a pipe, or to a file that grows, and reads what comes out before the end.

use crate::program::{Folder, PATIENCE, signal};
use crate::traffic::{Record, pcap, udp_frame};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// The program while somebody writes to it and reads from it.
struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Live {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || out.lines().try_for_each(|line| tell.send(line.unwrap())));
        Self {
            stdin: child.stdin.take(),
            child,
            lines,
        }
    }

    fn give(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// The next line, which must come without the input coming to its end.
    fn line(&mut self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| {
            self.child.kill().unwrap();
            panic!("no line came while the input was open")
        })
    }

    /// The lines that come when the input ends, and the exit code.
    fn end(mut self) -> (Vec<String>, Option<i32>) {
        drop(self.stdin.take());
        let rest = self.lines.iter().collect();
        (rest, self.child.wait().unwrap().code())
    }
}

/// A packet from host 1 to another one, so many ms after the first.
fn packet(to: u8, ms: i64) -> Record {
    let time = 1_700_000_000_000_000_000 + ms * 1_000_000;
    (time, udp_frame(1, to))
}

/// Packets behind those that a capture starts with.
fn more(records: &[Record]) -> Vec<u8> {
    pcap(records).split_off(24)
}

const EXTRACT: &str =
    "-o - --format csv --sort none --idle-timeout 1s --set features.only=[\"dst_ip\"]";

#[test]
fn rows_come_out_of_a_pipe_before_it_ends() {
    for workers in [1, 2] {
        let folder = Folder::new();
        let mut live = Live::start(folder.command(&format!("extract - {EXTRACT} -w {workers}")));
        live.give(&pcap(&[packet(2, 0)]));
        // half a record, and a moment later the rest of it
        let second = more(&[packet(3, 5_000)]);
        live.give(&second[..20]);
        live.give(&second[20..]);
        assert_eq!(live.line(), "dst_ip");
        assert_eq!(live.line(), "192.0.2.2");
        live.give(&more(&[packet(4, 10_000)]));
        assert_eq!(live.line(), "192.0.2.3");
        assert_eq!(live.end(), (vec!["192.0.2.4".to_owned()], Some(0)));
    }
}

#[test]
fn changes_come_out_of_a_pipe_one_time_after_the_other() {
    let traffic: Vec<Record> = (0..40)
        .map(|at| {
            packet(
                2 + u8::try_from(at * at % 7).unwrap(),
                i64::from(at) * 1_500,
            )
        })
        .collect();
    let options = "--window 10s --step 2s --set flows.idle_timeout=\"1s\" -m components,pagerank";
    let folder = Folder::new();
    folder.put("whole.pcap", pcap(&traffic));
    let snapshot = format!("graph whole.pcap -o out.csv --emit snapshot {options}");
    folder.run(&snapshot).with_code(0);
    let snapshots = by_time(folder.read("out.csv").lines().map(str::to_owned));
    for workers in [1, 2] {
        let changes = format!("graph - -o - --format csv --emit changes -w {workers} {options}");
        let mut live = Live::start(folder.command(&changes));
        let mut came = Vec::new();
        live.give(&pcap(&traffic[..4]));
        for record in &traffic[4..] {
            live.give(&more(std::slice::from_ref(record)));
            if (4..20).contains(&came.len()) || record.0 > traffic[20].0 {
                came.push(live.line());
            }
        }
        assert!(came.len() > 15, "{came:?}");
        let (rest, code) = live.end();
        assert_eq!(code, Some(0));
        came.extend(rest);
        let times: Vec<&str> = came[1..]
            .iter()
            .filter_map(|line| line.split(',').next())
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        let mut state: BTreeMap<String, i64> = BTreeMap::new();
        for (time, rows) in by_time(came.into_iter()) {
            for row in rows {
                let (diff, row) = row.split_once(',').unwrap();
                *state.entry(row.to_owned()).or_default() += diff.parse::<i64>().unwrap();
            }
            state.retain(|_, count| *count != 0);
            let whole: Vec<&String> = snapshots.get(&time).into_iter().flatten().collect();
            assert_eq!(state.keys().collect::<Vec<_>>(), whole, "at {time}");
        }
    }
}

/// The rows of a table without their first column, sorted, by that column.
fn by_time(lines: impl Iterator<Item = String>) -> BTreeMap<String, Vec<String>> {
    let mut times: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.skip(1) {
        let (time, row) = line.split_once(',').unwrap();
        times
            .entry(time.to_owned())
            .or_default()
            .push(row.to_owned());
    }
    times.values_mut().for_each(|rows| rows.sort());
    times
}

#[test]
fn a_file_is_read_on_as_it_grows() {
    let folder = Folder::new();
    let path = folder.put("grows.pcap", pcap(&[packet(2, 0)]));
    let grow = |bytes: &[u8]| {
        let file = std::fs::File::options().append(true).open(&path);
        file.unwrap().write_all(bytes).unwrap();
    };
    let mut live = Live::start(folder.command(&format!("extract grows.pcap --follow {EXTRACT}")));
    grow(&more(&[packet(3, 5_000)]));
    assert_eq!([live.line(), live.line()], ["dst_ip", "192.0.2.2"]);
    grow(&more(&[packet(4, 10_000)]));
    assert_eq!(live.line(), "192.0.2.3");
    signal(live.child.id(), "INT");
    let (rest, code) = live.end();
    assert_eq!(
        (rest.as_slice(), code),
        (["192.0.2.4".to_owned()].as_slice(), Some(0))
    );
    // with a patience it ends by itself
    let patient = format!("extract grows.pcap --follow --set sources.patience=\"100ms\" {EXTRACT}");
    let ended = folder.run(&patient).with_code(0);
    assert_eq!(String::from_utf8(ended.out).unwrap().lines().count(), 4);
    folder.put("other.pcap", pcap(&[packet(2, 0)]));
    folder
        .run(&format!("extract grows.pcap other.pcap --follow {EXTRACT}"))
        .saying("`follow` reads one file");
}

#[test]
fn rows_that_look_views_up_come_when_their_step_ends() {
    let spec = "spec = 1\n[sources]\npath = \"-\"\n[flows]\nidle_timeout = \"1s\"\n[features]\nonly = [\"dst_ip\"]\n\
        [features.derive]\nhosts = 'view(\"fan\", src_ip).hosts'\n\
        [views.fan]\nwindow = { tumbling = \"2s\" }\nrules = 'fan(a, hosts: count(b)) :- flows(src_ip: a, dst_ip: b).'\n\
        [sinks]\ntype = \"csv\"\npath = \"-\"\nsort = \"none\"\n";
    for workers in [1, 2] {
        let folder = Folder::new();
        folder.put("spec.toml", spec);
        let mut live = Live::start(folder.command(&format!("run spec.toml -w {workers}")));
        live.give(&pcap(&[packet(2, 0), packet(3, 500), packet(2, 600)]));
        live.give(&more(&[packet(4, 10_000)]));
        assert_eq!(live.line(), "dst_ip,hosts");
        assert_eq!([live.line(), live.line()], ["192.0.2.2,2", "192.0.2.3,2"]);
        live.give(&more(&[packet(5, 20_000)]));
        assert_eq!(live.line(), "192.0.2.4,1");
        assert_eq!(live.end(), (vec!["192.0.2.5,1".to_owned()], Some(0)));
    }
}
