//! A file that appears whole or not at all; and standard output, which cannot.
//!
//! Bytes go to `NAME.RUN.partial` beside the target, locked while the run lives. `commit` syncs them, gives them their name
//! without replacing what is there (unless told to), and syncs the directory; dropping removes them. No formats here and no
//! buffer: callers hand over large pieces.

use crate::error::Error;
use std::fs::{self, File, FileType, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Bytes to hand over at once: large enough that calls of the system do not count.
pub const PIECE: usize = 1 << 18;

/// A file that appears whole at `commit` or not at all.
pub struct WholeFile {
    path: PathBuf,
    out: Out,
    overwrite: bool,
    /// Whether who moves it to its place syncs it (`staged.rs`).
    is_staged: bool,
    /// Bytes taken from the caller, and of these the ones the system confirmed.
    offered: u64,
    written: u64,
}

enum Out {
    /// A file with its name for now, which is removed on drop.
    File(File, TempPath),
    /// Standard output, a device or a pipe: what is written is out.
    Stream(Box<dyn Write + Send>),
    /// Committed or failed.
    Closed,
}

impl WholeFile {
    /// Opens what will be `path`; `-` is standard output. `run` is part of the name that the file has until `commit`, and must
    /// differ from that of every other living run.
    ///
    /// # Errors
    /// The path exists and `overwrite` is false, it is neither a file nor a pipe nor a character device, or it cannot be made.
    pub fn create(path: impl AsRef<Path>, overwrite: bool, run: &str) -> Result<Self, Error> {
        let path = path.as_ref();
        let whole = |path: &Path, out| Self {
            path: path.to_owned(),
            out,
            overwrite,
            is_staged: super::staged::is_within(path, run),
            offered: 0,
            written: 0,
        };
        if path == Path::new("-") {
            return Ok(whole(
                Path::new("standard output"),
                Out::Stream(Box::new(io::stdout())),
            ));
        }
        let failed = |error| Error::file("write", path, error);
        let path = match fs::metadata(path) {
            Ok(found) if is_stream(found.file_type()) => {
                let stream = File::options().write(true).open(path).map_err(failed)?;
                return Ok(whole(path, Out::Stream(Box::new(stream))));
            }
            Ok(found) if !found.is_file() => {
                return Err(
                    Error::new(format!("cannot write {}: it is no file", path.display()))
                        .help("name a file that does not exist yet"),
                );
            }
            Ok(_) if !overwrite => return Err(exists(path)),
            Ok(_) => &fs::canonicalize(path).map_err(failed)?, // what a link points to is replaced, not the link
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            Err(_) if !overwrite && path.is_symlink() => return Err(exists(path)),
            Err(_) => path,
        };
        let folder = folder(path);
        if !folder.is_dir() {
            return Err(Error::new(format!(
                "cannot write {}: there is no folder {}",
                path.display(),
                folder.display()
            ))
            .help(format!(
                "`mkdir -p {}`, or choose another path",
                folder.display()
            )));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{run}.partial"));
        let partial = folder.join(name);
        let failed = |error| Error::file("write", &partial, error);
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&partial)
            .map_err(failed)?;
        let temporary = TempPath::try_from_path(&partial).map_err(failed)?;
        // A lock tells `sweep` that this run lives. A file system without locks has no sweep.
        let locked = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if !locked || !temporary.exists() {
            return Err(Error::new(format!(
                "cannot write {}: another run started to write it at the same moment",
                path.display()
            )));
        }
        Ok(whole(path, Out::File(file, temporary)))
    }

    /// Whether what is written is out at once: standard output, a pipe or a device.
    pub const fn is_stream(&self) -> bool {
        matches!(self.out, Out::Stream(_))
    }

    /// Writes and empties `piece`.
    ///
    /// # Errors
    /// The system failed.
    pub fn put(&mut self, piece: &mut Vec<u8>) -> Result<(), Error> {
        self.write_all(piece).map_err(|error| self.failed(error))?;
        piece.clear();
        Ok(())
    }

    /// The failure to write this file: names it and the bytes written, and says what to do. `cause` may hold the error of the
    /// system anywhere in its chain.
    pub fn failed(&self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        let kind = system_error(&cause).map(io::Error::kind);
        let reason = system_error(&cause).map_or_else(|| cause.to_string(), io::Error::to_string);
        let error = Error::new(format!(
            "cannot write {}: {reason}, after {} bytes",
            self.path.display(),
            self.written
        ))
        .because(cause);
        match kind {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
                error.help(format!(
                    "at least {} bytes are needed; nothing was left behind: make room or choose another path, and run again",
                    self.offered
                ))
            }
            _ => error,
        }
    }

    /// Gives the file its name. Afterwards it takes no more bytes.
    ///
    /// # Errors
    /// The system failed, or the path was taken during the run; nothing was left behind.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.flush().map_err(|error| self.failed(error))?;
        let Out::File(file, temporary) = std::mem::replace(&mut self.out, Out::Closed) else {
            return Ok(());
        };
        if !self.is_staged {
            file.sync_all().map_err(|error| self.failed(error))?;
        }
        match put(temporary, &self.path, self.overwrite) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(exists(&self.path).because(error));
            }
            named => named.map_err(|error| self.failed(error))?,
        }
        if self.is_staged {
            return Ok(());
        }
        match File::open(folder(&self.path)).and_then(|folder| folder.sync_all()) {
            // Folders that may be written but not read, and file systems that cannot sync one, do so in their own time.
            Err(error) if !can_be_left(error.kind()) => {
                let _ = fs::remove_file(&self.path);
                Err(self.failed(error))
            }
            _ => Ok(()),
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.offered = self.written + bytes.len() as u64;
        #[cfg(test)]
        let bytes = tests::cut(bytes, self.written)?;
        let n = match &mut self.out {
            Out::File(file, _) => file.write(bytes),
            Out::Stream(stream) => stream.write(bytes),
            Out::Closed => Err(io::Error::other("the file is closed")),
        }?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Stream(stream) => stream.flush(),
            Out::File(..) | Out::Closed => Ok(()),
        }
    }
}

/// Renames without replacing: `renameat2`, or a hard link where the file system has no such thing. With neither (some network
/// file systems) the path is looked at just before.
fn put(temporary: TempPath, path: &Path, overwrite: bool) -> io::Result<()> {
    let named = if overwrite {
        temporary.persist(path)
    } else {
        match temporary.persist_noclobber(path) {
            Err(failed)
                if can_be_left(failed.error.kind()) && !path.is_symlink() && !path.exists() =>
            {
                failed.path.persist(path)
            }
            named => named,
        }
    };
    named.map_err(|failed| failed.error)
}

/// The errors of a file system that lacks a call, and not of one that failed.
pub(super) fn can_be_left(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::PermissionDenied | ErrorKind::Unsupported | ErrorKind::InvalidInput
    )
}

pub(super) fn exists(path: &Path) -> Error {
    Error::new(format!("{} exists and was not touched", path.display()))
        .help("`overwrite = true` in the sink or `--overwrite` replaces it at the end, at once")
}

/// The folder that holds `path`.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Whether a path is standard output, a pipe or a device: what is written there is out at once.
pub fn leads_out(path: &str) -> bool {
    path == "-" || fs::metadata(path).is_ok_and(|found| is_stream(found.file_type()))
}

#[cfg(unix)]
fn is_stream(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(_: FileType) -> bool {
    false
}

/// The error of the operating system at the root of a failure.
fn system_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .last()
}

/// Whether a run failed because the reader of its output went away: it then stops quietly, as SIGPIPE would make it.
pub fn is_closed_pipe(error: &Error) -> bool {
    system_error(error).is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Removes the partial files and directories of `path` that this process is writing: for a program that has to stop at once.
pub fn discard(path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    let ours = format!("{name}.{}-", std::process::id());
    for entry in fs::read_dir(folder(path)).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .to_str()
            .is_some_and(|found| found.starts_with(&ours) && found.ends_with(".partial"))
        {
            // what cannot be removed is swept by the next run
            let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => fs::remove_dir_all(entry.path()),
                false => fs::remove_file(entry.path()),
            };
        }
    }
}

/// Removes what runs that died left of `path`, and names it, to be called before `create`. The partial file of a run that
/// lives is locked and stays.
pub fn sweep(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(folder(path)) else {
        return Vec::new(); // `create` says what is wrong
    };
    let is_ours = |found: &str| {
        found
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(".partial"))
            .is_some_and(|run| !run.is_empty() && !run.contains('.'))
    };
    let mut removed: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
        .map(|entry| entry.path())
        .filter(|left| left.symlink_metadata().is_ok_and(|found| found.is_file()))
        .filter(|left| {
            File::options()
                .write(true)
                .open(left)
                .is_ok_and(|file| file.try_lock().is_ok() && fs::remove_file(left).is_ok())
        })
        .collect();
    removed.sort();
    removed
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// The disk of this thread's tests is full after so many bytes of a file.
        static ROOM: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Runs `body` with files that take `room` bytes each.
    pub(crate) fn with_room<T>(room: u64, body: impl FnOnce() -> T) -> T {
        ROOM.set(Some(room));
        let result = body();
        ROOM.set(None);
        result
    }

    /// What still fits of `bytes` behind `written`.
    pub(super) fn cut(bytes: &[u8], written: u64) -> io::Result<&[u8]> {
        let Some(room) = ROOM.get() else {
            return Ok(bytes);
        };
        let left = usize::try_from(room - written).expect("tests are small");
        if left == 0 && !bytes.is_empty() {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(&bytes[..bytes.len().min(left)])
    }

    /// Names in a folder, sorted.
    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn appears_whole_and_only_at_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut file = WholeFile::create(&path, false, "7-0").unwrap();
        file.write_all(b"one").unwrap();
        assert_eq!(names(folder.path()), ["a.csv.7-0.partial"]);
        file.commit().unwrap();
        assert_eq!(names(folder.path()), ["a.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(file.written, 3);
        assert!(file.write_all(b"more").is_err());
    }

    #[test]
    fn dropping_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = WholeFile::create(folder.path().join("a.csv"), false, "7-0").unwrap();
        file.write_all(b"one").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn an_existing_path_is_refused_and_swapped_only_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        let error = WholeFile::create(&path, false, "7-0").err().unwrap();
        assert!(error.to_string().contains("a.csv exists"), "{error}");
        assert!(error.hint().unwrap().contains("--overwrite"));
        let mut file = WholeFile::create(&path, true, "7-0").unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn a_path_taken_during_the_run_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut file = WholeFile::create(&path, false, "7-0").unwrap();
        fs::write(&path, "theirs").unwrap();
        let error = file.commit().err().unwrap();
        assert!(error.to_string().contains("exists"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[test]
    fn a_missing_folder_and_a_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = WholeFile::create(folder.path().join("none/a.csv"), true, "7-0");
        assert!(
            error
                .err()
                .unwrap()
                .to_string()
                .contains("there is no folder")
        );
        let error = WholeFile::create(folder.path(), true, "7-0");
        assert!(error.err().unwrap().to_string().contains("no file"));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_followed_and_a_dangling_one_counts_as_existing() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (
            folder.path().join("real.csv"),
            folder.path().join("link.csv"),
        );
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(WholeFile::create(&link, false, "7-0").is_err());
        fs::write(&real, "old").unwrap();
        assert!(WholeFile::create(&link, false, "7-0").is_err());
        let mut file = WholeFile::create(&link, true, "7-0").unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_named_and_stays_a_device() {
        let mut file = WholeFile::create("/dev/full", true, "7-0").unwrap();
        let error = file
            .write_all(b"12345")
            .map_err(|error| file.failed(error))
            .unwrap_err();
        assert!(error.to_string().contains("/dev/full"), "{error}");
        assert!(error.hint().unwrap().contains("at least 5 bytes"));
        assert!(is_stream(fs::metadata("/dev/full").unwrap().file_type()));
    }

    #[test]
    #[cfg(unix)]
    fn a_closed_pipe_is_recognised() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut file = WholeFile::create("-", false, "7-0").unwrap();
        file.out = Out::Stream(Box::new(writer));
        let error = file
            .write_all(b"x")
            .map_err(|error| file.failed(error))
            .unwrap_err();
        assert!(is_closed_pipe(&error), "{error}");
        assert!(!is_closed_pipe(&Error::new("else")));
    }

    #[test]
    fn leftovers_of_dead_runs_are_swept_and_living_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for name in [
            "a.csv.1-0.partial",
            "b.csv.1-0.partial",
            "a.csv.partial",
            "a.csv.gz.1-0.partial",
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let mut living = WholeFile::create(&path, false, "2-0").unwrap();
        assert_eq!(sweep(&path), [folder.path().join("a.csv.1-0.partial")]);
        living.commit().unwrap();
        assert_eq!(
            names(folder.path()),
            [
                "a.csv",
                "a.csv.gz.1-0.partial",
                "a.csv.partial",
                "b.csv.1-0.partial"
            ]
        );
    }

    #[test]
    fn every_point_of_failure_leaves_nothing() {
        for room in 0..7 {
            let folder = tempfile::tempdir().unwrap();
            let error = with_room(room, || {
                let mut file =
                    WholeFile::create(folder.path().join("a.csv"), false, "7-0").unwrap();
                file.write_all(b"1234")
                    .and_then(|()| file.write_all(b"567"))
                    .map_err(|error| file.failed(error))
                    .unwrap_err()
            });
            assert!(
                error.to_string().contains(&format!("after {room} bytes")),
                "{error}"
            );
            let needed = if room < 4 { 4 } else { 7 };
            assert!(
                error
                    .hint()
                    .unwrap()
                    .contains(&format!("at least {needed} bytes"))
            );
            assert!(names(folder.path()).is_empty());
        }
    }
}
