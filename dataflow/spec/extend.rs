//! What a spec is made of besides its own text: the preset or file it extends, the files it includes.
//!
//! Files come through a function that is passed in, so that a text alone can be read without touching a disk.

use super::diagnostic::{Diagnostic, Diagnostics, Source, Span};
use super::load::{Entry, Kind, Loaded, MAX_BYTES, parse};
use super::merge;
use super::presets::{self, PRESETS};
use super::sections::Section;
use super::suggest::{did_you_mean, list, nearest};
use operators::options::Setting;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

/// Files of a spec at most, presets among them.
pub const MAX_FILES: usize = 16;
/// Specs that extend each other at most.
pub const MAX_DEPTH: usize = 8;

/// Reads a file.
pub type Files<'a> = &'a dyn Fn(&Path) -> std::io::Result<Vec<u8>>;

impl Loaded {
    /// Reads the spec file `path`, and what it extends and includes.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn file(path: &Path) -> Result<Result<Self, Diagnostics>, operators::Error> {
        Self::open(path, false)
    }

    /// The same for a spec that somebody else wrote: no secrets, no paths out of its directory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn untrusted_file(path: &Path) -> Result<Result<Self, Diagnostics>, operators::Error> {
        Self::open(path, true)
    }

    fn open(path: &Path, untrusted: bool) -> Result<Result<Self, Diagnostics>, operators::Error> {
        let bytes =
            limited(path).map_err(|error| operators::Error::file("read the spec", path, error))?;
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let name = path.display().to_string();
        Ok(match source(name, bytes, base) {
            Ok(source) => Self::with_files(source, untrusted, &regular),
            Err(found) => Err(*found),
        })
    }

    /// Adds the nodes and keys of a file, as `include` does.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn include_file(
        &mut self,
        path: &Path,
    ) -> Result<Result<(), Diagnostics>, operators::Error> {
        let bytes =
            limited(path).map_err(|error| operators::Error::file("read the tests", path, error))?;
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let source = match source(path.display().to_string(), bytes, base) {
            Ok(source) => source,
            Err(found) => return Ok(Err(*found)),
        };
        let mut loading = Loading {
            files: &regular,
            untrusted: self.untrusted,
            sources: std::mem::take(&mut self.sources),
            found: Vec::new(),
            changed: true,
        };
        let added = loading.add(source, Span::default(), "include");
        for entry in added.into_iter().flat_map(|(_, entries)| entries) {
            loading.included(&mut self.root, entry);
        }
        self.files = loading.sources.len();
        self.sources = loading.sources;
        self.changed = true;
        if loading.found.is_empty() {
            return Ok(Ok(()));
        }
        Ok(Err(Diagnostics {
            sources: self.sources.clone(),
            list: loading.found,
            more: 0,
        }))
    }

    /// Reads a spec from its text; other files come from `files`.
    ///
    /// # Errors
    /// It is not TOML, or beyond a limit, or extends or includes what is not there.
    pub fn with_files(
        source: Source,
        untrusted: bool,
        files: Files<'_>,
    ) -> Result<Self, Diagnostics> {
        let path = clean(&source.base.join(file_name(&source.name)));
        let mut loading = Loading {
            files,
            untrusted,
            sources: Vec::new(),
            found: Vec::new(),
            changed: false,
        };
        let mut chain = vec![(path, file_name(&source.name))];
        let root = loading
            .add(source, Span::default(), "")
            .map(|(number, entries)| loading.whole(number, entries, &mut chain));
        match root {
            Some(root) if loading.found.is_empty() => Ok(Self {
                changed: loading.changed,
                files: loading.sources.len(),
                sources: loading.sources,
                root,
                untrusted,
                ..Self::default()
            }),
            _ => Err(Diagnostics {
                sources: loading.sources,
                list: loading.found,
                more: 0,
            }),
        }
    }
}

/// The texts of a spec while they are put together.
struct Loading<'f> {
    files: Files<'f>,
    untrusted: bool,
    sources: Vec<Source>,
    found: Vec<Diagnostic>,
    /// Whether the tree is more than the first text.
    changed: bool,
}

/// What `extends` names, as it can be compared, and as people know it.
type Chain = Vec<(PathBuf, String)>;

impl Loading<'_> {
    /// The entries of a text, whose number is given too; `None` where it is no spec, which is told.
    fn add(&mut self, source: Source, at: Span, path: &str) -> Option<(usize, Vec<Entry>)> {
        if self.sources.len() == MAX_FILES {
            let message = format!("the spec is made of more than {MAX_FILES} files");
            let fault = Diagnostic::new("E0003", at, path, message);
            self.found.push(fault.help("put several into one"));
            return None;
        }
        let number = self.sources.len();
        let entries = parse(number, &source.text);
        self.sources.push(source);
        match entries {
            Ok(entries) => Some((number, entries)),
            Err(fault) => {
                self.found.push(*fault);
                None
            }
        }
    }

    /// The tree of a text with everything that it includes and extends.
    fn whole(&mut self, number: usize, entries: Vec<Entry>, chain: &mut Chain) -> Vec<Entry> {
        let (mut extends, mut include, mut own) = (None, None, Vec::new());
        for entry in entries {
            match entry.name.as_str() {
                "extends" => extends = Some(entry),
                "include" => include = Some(entry),
                _ => own.push(entry),
            }
        }
        if let Some(include) = include {
            self.include(number, &include, &mut own);
        }
        let mut tree = extends
            .and_then(|extends| self.parent(number, &extends, chain))
            .unwrap_or_default();
        merge::lay(&mut tree, own);
        self.changed |= merge::lists(&mut tree, &mut self.found) || self.sources.len() > 1;
        tree
    }

    /// The tree that `extends` names, without what is not handed down.
    fn parent(&mut self, number: usize, entry: &Entry, chain: &mut Chain) -> Option<Vec<Entry>> {
        let at = entry.value.at;
        let Some(text) = entry.value.text() else {
            let message = format!("expected text, found {}", entry.value.setting().kind());
            let fault = Diagnostic::new("E0007", at, "extends", message);
            self.found.push(fault.help("name one preset or one file"));
            return None;
        };
        let is_path = text.contains(['/', '\\']) || text.ends_with(".toml");
        let base = self.sources.get(number).map(|source| source.base.clone());
        let path = clean(&base.unwrap_or_default().join(text));
        let (link, kept): (_, &[&str]) = if is_path {
            ((path.clone(), text.to_owned()), &[])
        } else {
            (
                (PathBuf::from(text), text.to_owned()),
                &["sources", "sinks", "tests"],
            )
        };
        if let Some(from) = chain.iter().position(|(known, _)| *known == link.0) {
            let names = chain.get(from..).unwrap_or_default().iter();
            let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
            let message = format!("`{text}` extends itself: {} -> {text}", names.join(" -> "));
            let fault = Diagnostic::new("E0504", at, "extends", message);
            self.found.push(fault.help("break the loop at one of them"));
            return None;
        }
        if chain.len() > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} specs extend each other");
            let fault = Diagnostic::new("E0504", at, "extends", message);
            self.found.push(fault.help("extend the one that says most"));
            return None;
        }
        let source = if is_path {
            self.allowed(at, "extends", text)?;
            self.read(&path, at, "extends", text)?
        } else {
            self.preset(at, text)?
        };
        let (number, entries) = self.add(source, at, "extends")?;
        chain.push(link);
        self.version(&entries, true, at);
        let mut tree = self.whole(number, entries, chain);
        chain.pop();
        tree.retain(|entry| {
            let name = entry.name.as_str();
            !["spec", "name", "description"].contains(&name) && !kept.contains(&name)
        });
        Some(tree)
    }

    /// `spec` of a text that is not the first.
    fn version(&mut self, entries: &[Entry], required: bool, at: Span) {
        match entries.iter().find(|entry| entry.name == "spec") {
            Some(entry) if entry.value.kind == Kind::Leaf(Setting::Int(1)) => {}
            Some(entry) => self.found.push(
                Diagnostic::new(
                    "E0002",
                    entry.value.at,
                    "spec",
                    "another version of the language",
                )
                .help("this program reads `spec = 1`"),
            ),
            None if required => self.found.push(
                Diagnostic::new("E0006", at, "extends", "that file has no key `spec`")
                    .help("begin it with `spec = 1`"),
            ),
            None => {}
        }
    }

    fn preset(&mut self, at: Span, text: &str) -> Option<Source> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let Some(preset) = presets::find(name) else {
            let known = || PRESETS.iter().map(|preset| preset.name);
            let near = did_you_mean(name, known())
                .unwrap_or_else(|| format!("the presets are {};", list(known())));
            let fault = Diagnostic::new("E0503", at, "extends", format!("unknown preset `{name}`"))
                .help(format!("{near} for a file write `./{name}.toml`"));
            self.found.push(match nearest(name, known())[..] {
                [one] => fault.edit(format!("\"{one}\"")),
                _ => fault,
            });
            return None;
        };
        let is_known = |version: &str| preset.versions.iter().any(|one| one.to_string() == version);
        if version.is_some_and(|version| !is_known(version)) {
            let versions: Vec<String> = preset
                .versions
                .iter()
                .map(|version| format!("`{name}@{version}`"))
                .collect();
            let message = format!(
                "the preset `{name}` has no version `{}`",
                &text[name.len() + 1..]
            );
            let fault = Diagnostic::new("E0503", at, "extends", message);
            self.found
                .push(fault.help(format!("there is {}", versions.join(", "))));
            return None;
        }
        Some(Source {
            name: format!("preset {name}"),
            text: preset.text.to_owned(),
            base: PathBuf::new(),
        })
    }

    /// Adds the nodes and keys of the files that `include` names.
    fn include(&mut self, number: usize, entry: &Entry, own: &mut Vec<Entry>) {
        let Some(items) = merge::texts(&entry.value, "include", &mut self.found) else {
            return;
        };
        let base = self.sources.get(number).map(|source| source.base.clone());
        let base = base.unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let place = match &entry.value.kind {
                Kind::List(_) => format!("include[{index}]"),
                _ => "include".to_owned(),
            };
            let text = item.text().unwrap_or_default();
            if leaves(text) {
                let message = format!("`{text}` is not in the directory of the spec");
                let fault = Diagnostic::new("E0505", item.at, place, message);
                self.found.push(fault.help(
                    "an included file lies beside the spec or below; another spec can be extended",
                ));
                continue;
            }
            let path = clean(&base.join(text));
            let Some(source) = self.read(&path, item.at, &place, text) else {
                continue;
            };
            let Some((_, entries)) = self.add(source, item.at, &place) else {
                continue;
            };
            self.version(&entries, false, item.at);
            for entry in entries {
                self.included(own, entry);
            }
        }
    }

    /// Adds one top-level entry of an included file.
    fn included(&mut self, own: &mut Vec<Entry>, entry: Entry) {
        let name = entry.name.as_str();
        if name == "spec" {
            return;
        }
        if ["extends", "include", "name", "description"].contains(&name) {
            let message = format!("an included file has no key `{name}`");
            let fault = Diagnostic::new("E0005", entry.at, name, message);
            self.found.push(fault.help("write it into the spec"));
            return;
        }
        let Some(old) = own.iter_mut().find(|old| old.name == entry.name) else {
            own.push(entry);
            return;
        };
        let (Kind::Table { entries, .. }, Kind::Table { entries: new, .. }) =
            (&mut old.value.kind, entry.value.kind)
        else {
            let fault = twice(&self.sources, (&entry.name, entry.at), old.at, false);
            self.found.push(fault);
            return;
        };
        for inner in new {
            let path = format!("{}.{}", entry.name, inner.name);
            match entries.iter().find(|old| old.name == inner.name) {
                None => entries.push(inner),
                Some(old) => {
                    let header = |entry: &Entry| {
                        matches!(entry.value.kind, Kind::Table { inline: false, .. })
                    };
                    let is_node = Section::named(&entry.name).is_some_and(Section::has_nodes)
                        && header(old)
                        && header(&inner);
                    let fault = twice(&self.sources, (&path, inner.at), old.at, is_node);
                    self.found.push(fault);
                }
            }
        }
    }

    fn read(&mut self, path: &Path, at: Span, place: &str, text: &str) -> Option<Source> {
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let read = (self.files)(path);
        let read = read.map(|bytes| source(path.display().to_string(), bytes, base));
        match read {
            Ok(Ok(source)) => Some(source),
            Ok(Err(found)) => {
                let fault = found.list.into_iter().next()?;
                let fault = Diagnostic { at, ..fault };
                self.found.push(fault);
                None
            }
            Err(error) => {
                let message = if error.kind() == std::io::ErrorKind::NotFound {
                    format!("there is no file `{text}`")
                } else {
                    format!("cannot read `{text}`: {error}")
                };
                let fault = Diagnostic::new("E0503", at, place, message);
                self.found
                    .push(fault.help("paths are relative to the file that names them"));
                None
            }
        }
    }

    /// Whether an untrusted spec may name this file.
    fn allowed(&mut self, at: Span, place: &str, text: &str) -> Option<()> {
        if self.untrusted && leaves(text) {
            let message = format!("`{text}` is not in the directory of the spec");
            let fault = Diagnostic::new("E0505", at, place, message);
            self.found
                .push(fault.help("an untrusted spec stays in its directory"));
            return None;
        }
        Some(())
    }
}

/// A key or node that two files have.
fn twice(sources: &[Source], (path, at): (&str, Span), old: Span, is_node: bool) -> Diagnostic {
    let (file, line) = place(sources, old);
    let name = path.rsplit('.').next().unwrap_or(path);
    let (message, help) = if is_node {
        (
            format!("two nodes are named `{name}`; the other is `[{path}]` at {file}:{line}"),
            "an included file adds nodes: choose another name",
        )
    } else {
        (
            format!("`{path}` is set twice; the other place is {file}:{line}"),
            "an included file adds to the spec: keep one of the two",
        )
    };
    Diagnostic::new("E0301", at, path, message).help(help)
}

/// File and line of a span.
pub fn place(sources: &[Source], at: Span) -> (&str, usize) {
    sources.get(at.source).map_or(("", 0), |source| {
        let before = &source.text.as_bytes()[..at.start.min(source.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        (source.name.as_str(), line)
    })
}

/// Whether a path may lead out of the directory it starts from.
pub fn leaves(path: &str) -> bool {
    let mut depth = 0usize;
    for part in Path::new(path).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

/// A path without `.` and inner `..`, to compare: `a/./b` is `a/b`.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn file_name(name: &str) -> String {
    let name = Path::new(name).file_name();
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The text of a spec file.
fn source(name: String, bytes: Vec<u8>, base: PathBuf) -> Result<Source, Box<Diagnostics>> {
    String::from_utf8(bytes)
        .map(|text| Source {
            name: name.clone(),
            text,
            base: base.clone(),
        })
        .map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let at = Span {
                source: 0,
                start: valid,
                end: valid + 1,
            };
            let fault = Diagnostic::new("E0001", at, "", "not valid TOML: the text is not UTF-8");
            Box::new(Diagnostics {
                sources: vec![Source { name, text, base }],
                list: vec![fault.help("save the file as UTF-8")],
                more: 0,
            })
        })
}

/// The bytes of a file, as far as a spec may be long, and one more.
fn limited(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    std::fs::File::open(path)?
        .take(most)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of a regular file: a pipe that a spec names would make the program wait.
fn regular(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    limited(path)
}
