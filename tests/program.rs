//! The real program, run in a folder of its own: arguments in, exit code, output and talk out. It must end in time.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take that is not told to wait.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a run may take to stop.
pub const STOP: Duration = Duration::from_secs(5);

/// The capture that comes with the program.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sample.pcap");

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` = a signal killed it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: String,
    /// From the start, or from `since`.
    pub took: Duration,
}

/// A folder with what runs in it. Temporary files go to a folder of their own, which must be empty at the end.
pub struct Folder {
    folder: tempfile::TempDir,
    temporary: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            temporary: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// What is in the folder, sorted; and nothing is among the temporary files.
    pub fn names(&self) -> Vec<String> {
        let names = |path: &Path| {
            let entries = std::fs::read_dir(path).unwrap();
            let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
            let mut names: Vec<String> = entries
                .map(|entry| name(entry).into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(self.temporary.path()), [""; 0], "temporary files");
        names(self.path())
    }

    /// The program with these arguments, in words.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jayflow"));
        command.args(arguments.split_whitespace());
        self.prepared(command)
    }

    /// A line for the shell, in which `$JAYFLOW` is the program.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command.env("JAYFLOW", env!("CARGO_BIN_EXE_jayflow"));
        self.prepared(command)
    }

    fn prepared(&self, mut command: Command) -> Command {
        command
            .current_dir(self.path())
            .env("TMPDIR", self.temporary.path())
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &str) -> Ended {
        Running::start(self.command(arguments)).end(PATIENCE)
    }

    /// Runs a line of the shell to its end.
    pub fn run_shell(&self, line: &str) -> Ended {
        Running::start(self.shell(line)).end(PATIENCE)
    }

    /// Starts the program with a standard input that stays open: it waits for more, until it is told otherwise.
    pub fn start(&self, arguments: &str, input: &[u8]) -> Running {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let mut running = Running::start(command);
        let mut stdin = running.child.stdin.take().unwrap();
        // one that ended at once does not read it
        let _ = stdin.write_all(input);
        running.stdin = Some(stdin);
        running
    }

    /// Waits until a file of which the name starts so is there.
    pub fn wait_for(&self, start: &str) {
        let begin = Instant::now();
        while !self.names().iter().any(|name| name.starts_with(start)) {
            assert!(begin.elapsed() < PATIENCE, "{start} never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Option<JoinHandle<Vec<u8>>>,
    err: Option<JoinHandle<Vec<u8>>>,
    since: Instant,
}

fn drain(from: Option<impl std::io::Read + Send + 'static>) -> Option<JoinHandle<Vec<u8>>> {
    from.map(|mut from| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            bytes
        })
    })
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        Self {
            stdin: None,
            out: drain(child.stdout.take()),
            err: drain(child.stderr.take()),
            child,
            since: Instant::now(),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by name.
    pub fn signal(&mut self, name: &str) {
        signal(self.id(), name);
        self.since = Instant::now();
    }

    /// Waits for the end, which must come within `limit`.
    pub fn end(mut self, limit: Duration) -> Ended {
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.since.elapsed() > limit {
                self.child.kill().unwrap();
                let err = self.err.take().map(|err| err.join().unwrap());
                let err = String::from_utf8(err.unwrap_or_default()).unwrap();
                panic!("still running after {limit:?}: {err}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = self.since.elapsed();
        drop(self.stdin.take());
        let read = |stream: Option<JoinHandle<Vec<u8>>>| {
            stream.map_or_else(Vec::new, |stream| stream.join().unwrap())
        };
        let ended = Ended {
            code: status.code(),
            out: read(self.out.take()),
            err: String::from_utf8(read(self.err.take())).unwrap(),
            took,
        };
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        assert_ne!(ended.code, Some(101), "{}", ended.err);
        ended
    }
}

/// Sends a signal to a process.
pub fn signal(process: u32, name: &str) {
    let line = format!("kill -{name} {process}");
    let status = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(status.success(), "{line}");
}

impl Ended {
    /// The same, if it ended with this code.
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.err);
        self
    }

    /// The same, if it says this on standard error.
    pub fn saying(self, text: &str) -> Self {
        assert!(self.err.contains(text), "`{text}` is not in: {}", self.err);
        self
    }
}
