//! The settings that name inputs, to a sorted list of inputs.
//!
//! Nothing is opened but directories: an input that cannot be read is listed, and refused by its reader. Directories and globs
//! give regular files only; pipes and devices are read where they are named themselves.

use super::{Bounds, CapturePath, PcapOptions, Reader, Streams};
use crate::Books;
use crate::packet::BlockPool;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Why an entry of `path` gives no input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Nothing of that name, or a directory without files.
    #[error("no file matches `{pattern}`")]
    NoMatch {
        /// Place of the entry in `path`, from 0.
        entry: usize,
        /// The entry.
        pattern: String,
    },
    /// No pattern of the form that is understood.
    #[error("`{pattern}` is not a pattern: {why}")]
    Pattern {
        /// Place of the entry in `path`, from 0.
        entry: usize,
        /// The entry.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
}

/// An input, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its path.
    pub path: PathBuf,
    /// Parts of the path that were there before anything was looked for: of a glob those before the first with `*`, `?` or `[`, of
    /// a directory all of its own, of a file the directory that it is in.
    pub fixed: usize,
}

impl Found {
    /// A part of the path: 0 is the last fixed one, 1 the first that was found.
    pub fn part(&self, at: usize) -> Option<String> {
        if self.path == Path::new("-") {
            return None;
        }
        let place = (self.fixed + at).checked_sub(1);
        let part = place.and_then(|place| parts(&self.path).nth(place));
        let name = match part {
            Some(Component::Normal(name)) => Some(name.to_owned()),
            // a directory without a name in the path has one all the same
            _ if at == 0 => {
                let fixed: PathBuf = parts(&self.path).take(self.fixed).collect();
                let here = Path::new(".");
                let fixed = if self.fixed == 0 { here } else { &fixed };
                fs::canonicalize(fixed)
                    .ok()?
                    .file_name()
                    .map(OsStr::to_owned)
            }
            _ => None,
        };
        name.map(|name| name.to_string_lossy().into_owned())
    }
}

/// The parts of a path, without a `.` at its beginning, which globs leave out of what they give.
pub(super) fn parts(path: &Path) -> impl Iterator<Item = Component<'_>> {
    let parts = path.components();
    parts.filter(|part| *part != Component::CurDir)
}

/// Whether a part of a pattern stands for several names. What is escaped stands for itself.
pub(super) fn is_wild(part: &OsStr) -> bool {
    let mut text = part.to_string_lossy().into_owned();
    for escaped in ["[?]", "[*]", "[[]", "[]]"] {
        text = text.replace(escaped, "");
    }
    text.contains(['*', '?', '['])
}

/// How many parts of a path or pattern come before the first that stands for several names.
fn fixed(pattern: &Path) -> usize {
    let known = |part: &Component<'_>| !is_wild(part.as_os_str());
    parts(pattern).take_while(known).count()
}

/// The inputs that `options` name, sorted by path. Relative paths are taken from `base`; `-` is standard input.
///
/// What is named twice is read twice; a glob or directory adds only what is not there yet.
///
/// # Errors
/// Every entry that gives no input.
pub fn list(options: &PcapOptions, base: &Path) -> Result<Vec<PathBuf>, Vec<ListError>> {
    let found = found(options, base)?;
    Ok(found.into_iter().map(|input| input.path).collect())
}

/// The same, each with how it was found.
///
/// # Errors
/// Every entry that gives no input.
pub fn found(options: &PcapOptions, base: &Path) -> Result<Vec<Found>, Vec<ListError>> {
    let (mut named, mut errors) = (Vec::new(), Vec::new());
    let mut found: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut add = |files: BTreeSet<PathBuf>, fixed: usize| {
        for file in files {
            found.entry(file).or_insert(fixed);
        }
    };
    for (entry, pattern) in options.path.iter().enumerate() {
        let path = base.join(pattern);
        if pattern == "-" {
            named.push(Found {
                path: PathBuf::from(pattern),
                fixed: 0,
            });
            continue;
        }
        let no_match = || ListError::NoMatch {
            entry,
            pattern: pattern.clone(),
        };
        if path.is_dir() {
            let mut files = BTreeSet::new();
            walk(&path, options.recursive, &mut files);
            if files.is_empty() {
                errors.push(no_match());
            }
            add(files, parts(&path).count());
        } else if path.symlink_metadata().is_ok() {
            let fixed = parts(&path).count().saturating_sub(1);
            named.push(Found { path, fixed });
        } else if !pattern.contains(['*', '?', '[']) {
            errors.push(no_match());
        } else {
            match matches(base, pattern) {
                Ok(files) if files.is_empty() => errors.push(no_match()),
                Ok(files) => add(files, fixed(&escaped(base).join(pattern))),
                Err(why) => errors.push(ListError::Pattern {
                    entry,
                    pattern: pattern.clone(),
                    why,
                }),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    found.retain(|path, _| named.iter().all(|one| one.path != *path) && !is_by_product(path));
    named.extend(found.into_iter().map(|(path, fixed)| Found { path, fixed }));
    named.sort();
    Ok(named)
}

/// A base in patterns: it is a path, not part of the pattern.
fn escaped(base: &Path) -> PathBuf {
    glob::Pattern::escape(&base.to_string_lossy()).into()
}

/// The files that a glob gives. Its own errors are directories that cannot be read: they are listed, to be refused.
fn matches(base: &Path, pattern: &str) -> Result<BTreeSet<PathBuf>, String> {
    let whole = escaped(base).join(pattern);
    let found = glob::glob(&whole.to_string_lossy()).map_err(|error| error.to_string())?;
    Ok(found
        .filter_map(|entry| match entry {
            Ok(path) => is_file(&path).then_some(path),
            Err(error) => Some(error.path().to_owned()),
        })
        .collect())
}

/// Whether a directory or glob takes it: a regular file, or a link that leads nowhere and is refused by its reader.
fn is_file(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |about| about.is_file())
}

/// Whether a directory or glob passes it over: what jayflow writes beside its outputs, or has not finished.
fn is_by_product(path: &Path) -> bool {
    let is_partial = |name: &str| {
        let run = name
            .strip_suffix(".partial")
            .and_then(|name| name.rsplit('.').next());
        run.and_then(|run| run.split_once('-'))
            .is_some_and(|(process, _)| process.parse::<u32>().is_ok())
    };
    path.components().any(|part| {
        let name = part.as_os_str().to_str();
        name.is_some_and(|name| is_partial(name) || name.ends_with(".provenance.json"))
    })
}

/// Adds the files of a directory. Links to directories are not followed: they may lead in a circle.
fn walk(directory: &Path, recursive: bool, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        files.insert(directory.to_owned()); // listed, to be refused
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_directory = path.symlink_metadata().is_ok_and(|about| about.is_dir());
        if is_directory && recursive {
            walk(&path, recursive, files);
        } else if !is_directory && is_file(&path) {
            files.insert(path);
        }
    }
}

/// What the first records of a file tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Time of the first record, ns since 1970.
    pub first: i64,
    /// How many records were looked at, and how long the clock ran over them, ns.
    pub records: u64,
    /// See `records`.
    pub span: i64,
}

/// Looks at the first block of a capture; `None` where it has no record, and for pipes, which can be read only once.
pub fn glance(capture: &CapturePath, streams: &Streams) -> Option<Glance> {
    let about = fs::metadata(&capture.file).ok();
    about.filter(fs::Metadata::is_file)?;
    let (pool, bounds) = (BlockPool::default(), Bounds::default());
    let reader = Reader::open_in(capture, streams, 0, pool, bounds, &Arc::default());
    let mut reader = reader.with_block_size(1 << 16);
    let chunk = reader.next(&mut Books::default())?;
    let (first, last) = (chunk.records.first()?, chunk.records.last()?);
    Some(Glance {
        first: first.time,
        records: chunk.records.len() as u64,
        span: last.clock.saturating_sub(first.time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(path: &[&str], recursive: bool) -> PcapOptions {
        PcapOptions {
            path: path.iter().map(|path| (*path).to_owned()).collect(),
            recursive,
            ..PcapOptions::default()
        }
    }

    #[test]
    fn files_globs_and_directories() {
        let directory = tempfile::tempdir().expect("a directory");
        let base = directory.path();
        fs::create_dir_all(base.join("day/night")).expect("directories");
        fs::create_dir(base.join("empty")).expect("a directory");
        for file in [
            "b.pcap",
            "a.pcap",
            "day/c.pcap",
            "day/night/d.pcap",
            "odd[1].pcap",
            "day/c.pcap.12-0.partial",
            "day/c.csv.provenance.json",
        ] {
            fs::write(base.join(file), b"").expect("a file");
        }
        let listed = |path: &[&str], recursive| {
            list(&options(path, recursive), base).map(|paths| {
                let short = |path: PathBuf| {
                    let path = path.strip_prefix(base).unwrap_or(&path);
                    path.to_string_lossy().into_owned()
                };
                paths.into_iter().map(short).collect::<Vec<_>>()
            })
        };
        assert_eq!(
            listed(&["b.pcap", "a.pcap"], false),
            Ok(vec!["a.pcap".into(), "b.pcap".into()])
        );
        assert_eq!(listed(&["-"], false), Ok(vec!["-".into()]));
        assert_eq!(
            listed(&["?.pcap", "*.pcap"], false),
            Ok(vec!["a.pcap".into(), "b.pcap".into(), "odd[1].pcap".into()])
        );
        assert_eq!(
            listed(&["odd[1].pcap"], false),
            Ok(vec!["odd[1].pcap".into()])
        );
        assert_eq!(listed(&["day"], false), Ok(vec!["day/c.pcap".into()]));
        assert_eq!(
            listed(&["day"], true),
            Ok(vec!["day/c.pcap".into(), "day/night/d.pcap".into()])
        );
        assert_eq!(
            listed(&["**/?.pcap"], false).map(|paths| paths.len()),
            Ok(4)
        );
        assert_eq!(
            listed(&["a.pcap", "a.pcap", "a*"], false),
            Ok(vec!["a.pcap".into(), "a.pcap".into()])
        );
        let no_match = |entry, pattern: &str| ListError::NoMatch {
            entry,
            pattern: pattern.to_owned(),
        };
        assert_eq!(
            listed(&["a.pcap", "no.pcap", "no/*.pcap", "empty", "day/*"], false),
            Err(vec![
                no_match(1, "no.pcap"),
                no_match(2, "no/*.pcap"),
                no_match(3, "empty")
            ])
        );
        assert_eq!(no_match(0, "x/*").to_string(), "no file matches `x/*`");
        let errors = listed(&["a***b"], false).expect_err("three stars");
        assert!(matches!(errors[..], [ListError::Pattern { entry: 0, .. }]));
    }

    #[cfg(unix)]
    #[test]
    fn sockets_and_circles_are_left_out_and_links_to_nothing_are_listed() {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let directory = tempfile::tempdir().expect("a directory");
        let base = directory.path();
        let _socket = UnixListener::bind(base.join("socket")).expect("a socket");
        symlink(base, base.join("circle")).expect("a link");
        symlink("nowhere", base.join("dangling")).expect("a link");
        fs::write(base.join("a"), b"").expect("a file");
        let expected = vec![base.join("a"), base.join("dangling")];
        assert_eq!(
            list(&options(&["."], true), base).map(|paths| paths.len()),
            Ok(2)
        );
        assert_eq!(list(&options(&["*"], false), base), Ok(expected));
        assert_eq!(
            list(&options(&["socket"], false), base),
            Ok(vec![base.join("socket")])
        );
    }

    #[test]
    fn the_first_time_of_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.pcap");
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        for word in [0_u32, 0, 262_144, 1, 3, 4, 5, 5, 0, 0] {
            file.extend(word.to_le_bytes());
        }
        fs::write(&path, &file).expect("a file");
        let glance = |path: &Path| glance(&path.to_owned().into(), &Streams::default());
        assert_eq!(
            glance(&path).map(|glance| glance.first),
            Some(3_000_004_000)
        );
        fs::write(&path, &file[..30]).expect("a file");
        assert_eq!(glance(&path), None);
        assert_eq!(glance(Path::new("-")), None);
    }
}
