//! Files that appear together or not at all: a hidden directory beside them, in which they are made, and from which they are moved.
//!
//! The directory is `.NAME.RUN.partial`, locked while the run lives, so that what a run that died has left is known and removed. `commit`
//! syncs every file and moves it to its place without replacing what is there (unless told to), and takes back what it has moved where one
//! fails. No file is written here. A machine that dies within `commit` may leave some of the files in their places.

use super::file::{can_be_left, exists, folder};
use crate::error::Error;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use tempfile::TempPath;

/// A directory of files on their way.
pub struct Staged {
    /// Where they will be.
    folder: PathBuf,
    /// Where they are made.
    place: PathBuf,
    /// Tells that this run lives.
    _lock: File,
}

/// A file on its way, by its path below the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnItsWay {
    /// Its path.
    pub path: String,
    /// Whether it may take the place of another one.
    pub replaces: bool,
}

impl Staged {
    /// A directory for the files that `name` writes below `folder`. `run` must differ from that of every other living run.
    ///
    /// # Errors
    /// There is no such folder, or nothing can be made in it.
    pub fn create(at: &Path, name: &str, run: &str) -> Result<Self, Error> {
        if !at.is_dir() {
            let at = at.display();
            return Err(
                Error::new(format!("cannot write into {at}: there is no such folder"))
                    .help(format!("`mkdir -p {at}`, or choose another path")),
            );
        }
        let place = at.join(format!(".{name}.{run}.partial"));
        let failed = |error| Error::file("write", &place, error);
        fs::create_dir(&place).map_err(failed)?;
        let lock = File::create_new(place.join("lock")).and_then(|lock| match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(io::Error::other("another run has it")),
            // a file system without locks has no sweep
            _ => fs::create_dir(place.join("new")).map(|()| lock),
        });
        let lock = lock.map_err(|error| {
            let _ = fs::remove_dir_all(&place);
            failed(error)
        })?;
        Ok(Self {
            folder: at.to_owned(),
            place,
            _lock: lock,
        })
    }

    /// Where the file is made that will be `path` below the folder; its directories are there.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn path(&self, path: &str) -> Result<PathBuf, Error> {
        let path = self.place.join("new").join(path);
        let parent = folder(&path);
        fs::create_dir_all(parent).map_err(|error| Error::file("write", parent, error))?;
        Ok(path)
    }

    /// Where the file will be.
    pub fn place_of(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The place of the file, if nothing is there.
    ///
    /// # Errors
    /// Something is.
    pub fn free(&self, path: &str) -> Result<(), Error> {
        let path = self.place_of(path);
        match path.symlink_metadata() {
            Ok(_) => Err(exists(&path)),
            Err(_) => Ok(()),
        }
    }

    /// Moves the files to their places; all are there, or none. Before that they are synced, several at a time.
    ///
    /// # Errors
    /// One cannot be synced or moved: the others were taken back.
    pub fn commit(self, files: &[OnItsWay]) -> Result<(), Error> {
        let made = self.place.join("new");
        files.par_iter().try_for_each(|file| {
            let synced = File::open(made.join(&file.path)).and_then(|made| made.sync_all());
            synced.map_err(|error| Error::file("write", &self.place_of(&file.path), error))
        })?;
        let mut moved = Moved::default();
        let done = files
            .iter()
            .enumerate()
            .try_for_each(|(at, file)| self.put(at, file, &mut moved));
        let done = done.and_then(|()| moved.sync());
        done.inspect_err(|_| moved.take_back())
    }

    fn put(&self, at: usize, file: &OnItsWay, moved: &mut Moved) -> Result<(), Error> {
        let target = self.place_of(&file.path);
        let failed = |error| Error::file("write", &target, error);
        self.make_folders(&file.path, moved)?;
        let made = self.place.join("new").join(&file.path);
        let temporary = TempPath::try_from_path(made).map_err(failed)?;
        let before = match file.replaces && target.symlink_metadata().is_ok() {
            // what it replaces is kept until all are there, where the file system can
            true => {
                let kept = self.place.join(format!("old{at}"));
                fs::hard_link(&target, &kept).is_ok().then_some(kept)
            }
            false => None,
        };
        let named = match file.replaces {
            true => temporary.persist(&target),
            false => match temporary.persist_noclobber(&target) {
                Err(lacks)
                    if can_be_left(lacks.error.kind()) && target.symlink_metadata().is_err() =>
                {
                    lacks.path.persist(&target)
                }
                named => named,
            },
        };
        match named {
            Ok(()) => {
                moved.files.push((target, before));
                Ok(())
            }
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                Err(exists(&target).because(error.error))
            }
            Err(error) => Err(failed(error.error)),
        }
    }

    /// Makes the directories of a file. A link among them would lead out of the folder.
    fn make_folders(&self, path: &str, moved: &mut Moved) -> Result<(), Error> {
        let mut folder = self.folder.clone();
        let parent = Path::new(path).parent().unwrap_or(Path::new(""));
        for name in parent.components() {
            let Component::Normal(name) = name else {
                return Err(Error::new(format!(
                    "{path} leads out of {}",
                    self.folder.display()
                )));
            };
            folder.push(name);
            match folder.symlink_metadata() {
                Ok(found) if found.is_dir() => continue,
                Ok(_) => {
                    return Err(Error::new(format!(
                        "cannot write {path}: {} is no folder",
                        folder.display()
                    ))
                    .help("links are not followed below the fixed beginning of a path"));
                }
                Err(_) => {}
            }
            fs::create_dir(&folder).map_err(|error| Error::file("write", &folder, error))?;
            moved.folders.push(folder.clone());
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // what cannot be removed is swept by the next run
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// What was moved so far.
#[derive(Default)]
struct Moved {
    /// Each with what was there before.
    files: Vec<(PathBuf, Option<PathBuf>)>,
    folders: Vec<PathBuf>,
}

impl Moved {
    fn sync(&self) -> Result<(), Error> {
        let mut folders: Vec<&Path> = self.files.iter().map(|(file, _)| folder(file)).collect();
        folders.extend(self.folders.iter().map(|made| folder(made)));
        folders.sort_unstable();
        folders.dedup();
        folders.into_iter().try_for_each(|at| {
            match File::open(at).and_then(|folder| folder.sync_all()) {
                Err(error) if !can_be_left(error.kind()) => Err(Error::file("write", at, error)),
                _ => Ok(()),
            }
        })
    }

    /// What cannot be taken back stays: the error that led here is told.
    fn take_back(&self) {
        for (file, before) in self.files.iter().rev() {
            let _ = match before {
                Some(before) => fs::rename(before, file),
                None => fs::remove_file(file),
            };
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Whether a file is made in such a directory of this run.
pub(super) fn is_within(path: &Path, run: &str) -> bool {
    let end = format!(".{run}.partial");
    path.ancestors().skip(1).any(|at| {
        let name = at.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with('.') && name.ends_with(&end))
    })
}

/// Removes what runs that died left of `name` in a folder. That of a run that lives is locked and stays.
pub fn sweep_staged(at: &Path, name: &str) {
    let start = format!(".{name}.");
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let run =
            (file.to_str()).and_then(|file| file.strip_prefix(&start)?.strip_suffix(".partial"));
        let is_one = run.is_some_and(|run| !run.is_empty() && !run.contains('.'));
        if !is_one || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let lock = File::options().write(true).open(entry.path().join("lock"));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // what cannot be removed stays for the next run
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::names;
    use super::*;

    fn put(staged: &Staged, path: &str, text: &str) -> OnItsWay {
        fs::write(staged.path(path).unwrap(), text).unwrap();
        OnItsWay {
            path: path.to_owned(),
            replaces: false,
        }
    }

    fn read(folder: &Path, path: &str) -> String {
        fs::read_to_string(folder.join(path)).unwrap()
    }

    #[test]
    fn all_appear_at_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let staged = Staged::create(folder.path(), "out", "7-0").unwrap();
        let files = ["a/b/1", "a/2", "3"].map(|path| put(&staged, path, path));
        assert_eq!(names(folder.path()), [".out.7-0.partial"]);
        staged.commit(&files).unwrap();
        assert_eq!(names(folder.path()), ["3", "a"]);
        assert_eq!(read(folder.path(), "a/b/1"), "a/b/1");
        drop(Staged::create(folder.path(), "out", "7-1").unwrap());
        assert_eq!(names(folder.path()), ["3", "a"]);
        let error = Staged::create(&folder.path().join("none"), "out", "7-2")
            .err()
            .unwrap();
        assert!(error.hint().unwrap().starts_with("`mkdir -p "), "{error}");
    }

    #[test]
    fn one_that_fails_takes_the_others_back() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        for (path, text) in [("a/old", "old"), ("taken", "theirs")] {
            fs::write(folder.path().join(path), text).unwrap();
        }
        let staged = Staged::create(folder.path(), "out", "7-0").unwrap();
        let mut files =
            ["a/old", "a/new", "b/c/new", "taken"].map(|path| put(&staged, path, "mine"));
        files[0].replaces = true;
        assert!(staged.free("a/new").is_ok() && staged.free("taken").is_err());
        let error = staged.commit(&files).unwrap_err();
        assert!(error.to_string().contains("taken exists"), "{error}");
        assert_eq!(names(folder.path()), ["a", "taken"]);
        assert_eq!(names(&folder.path().join("a")), ["old"]);
        assert_eq!(
            (read(folder.path(), "a/old"), read(folder.path(), "taken")),
            ("old".into(), "theirs".into())
        );
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("a")).unwrap();
        let staged = Staged::create(folder.path(), "out", "7-0").unwrap();
        let file = put(&staged, "a/b", "mine");
        let error = staged.commit(&[file]).unwrap_err();
        assert!(error.to_string().contains("is no folder"), "{error}");
        assert!(names(outside.path()).is_empty());
    }

    #[test]
    fn what_dead_runs_left_is_swept_and_what_lives_stays() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            ".out.1-0.partial",
            ".other.1-0.partial",
            ".out.a.1-0.partial",
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("lock"), "").unwrap();
        }
        let own = format!("{}-9", std::process::id());
        let living = Staged::create(folder.path(), "out", &own).unwrap();
        sweep_staged(folder.path(), "out");
        let own = format!(".out.{own}.partial");
        let left = [".other.1-0.partial", ".out.a.1-0.partial"];
        assert_eq!(names(folder.path()).len(), 3);
        assert!(folder.path().join(&own).is_dir());
        super::super::discard(&folder.path().join(".out"));
        assert_eq!(names(folder.path()), left);
        drop(living);
    }
}
