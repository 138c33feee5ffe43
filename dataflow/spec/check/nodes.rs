//! The settings of each kind of node, beyond what single keys say.

use super::{Check, Raw};
use crate::plan::features;
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Kind};
use crate::spec::sections::{Section, section_keys, sink_keys, sink_types, source_types};
use crate::spec::suggest::{did_you_mean, list, nearest};
use crate::spec::{RunOptions, SinkOptions};
use operators::schema::Schema;
use operators::sinks::Compression;
use operators::sources::PcapOptions;
use std::path::Path;

impl Check<'_> {
    pub(super) fn source(&mut self, raw: &Raw<'_>) -> PcapOptions {
        if self.type_of(raw, "source", &source_types()).is_err() {
            return PcapOptions::default();
        }
        let keys = Section::named("sources")
            .map(section_keys)
            .unwrap_or_default();
        let mut options: PcapOptions = self.options(raw, &["type"], &keys);
        let Some(entry) = raw.entry("path") else {
            return options;
        };
        if options.path.is_empty() && matches!(entry.value.kind, Kind::List(_)) {
            self.not_allowed(raw, "path", "the list is empty", "name at least one input");
        }
        for path in &mut options.path {
            *path = self.absolute(entry.value.at, path);
        }
        options
    }

    /// A path that was written at `at`, as seen from the working directory.
    pub(super) fn absolute(&self, at: Span, path: &str) -> String {
        let base = self
            .loaded
            .sources
            .get(at.source)
            .map(|source| &source.base);
        match base {
            Some(base) if path != "-" && !base.as_os_str().is_empty() => {
                let is_glob = path.contains(['*', '?', '[']);
                let base = base.display().to_string();
                let base = if is_glob {
                    glob::Pattern::escape(&base)
                } else {
                    base
                };
                Path::new(&base).join(path).display().to_string()
            }
            _ => path.to_owned(),
        }
    }

    pub(super) fn sink(&mut self, raw: &Raw<'_>) -> Option<SinkOptions> {
        let written = self.type_of(raw, "sink", &sink_types()).ok()?;
        let path = raw.entry("path");
        let ending = path
            .and_then(|entry| entry.value.text())
            .and_then(|path| Path::new(path).extension()?.to_str())
            .and_then(|ending| {
                sink_types()
                    .into_iter()
                    .find(|name| *name == ending && *name != "stdout")
            });
        let Some(kind) = written.or(ending) else {
            self.no_type(raw, path);
            return None;
        };
        let keys = sink_keys(Some(kind));
        let common = ["type", "input", "columns"];
        let mut options = match kind {
            "csv" => SinkOptions::Csv(self.options(raw, &common, &keys)),
            "jsonl" => SinkOptions::Jsonl(self.options(raw, &common, &keys)),
            "parquet" => SinkOptions::Parquet(self.options(raw, &common, &keys)),
            "arrow" => SinkOptions::Arrow(self.options(raw, &common, &keys)),
            _ => SinkOptions::Stdout(self.options(raw, &common, &keys)),
        };
        match &options {
            SinkOptions::Csv(csv) if raw.entry("delimiter").is_some() => {
                let one = matches!(csv.delimiter.as_bytes(), [byte] if !b"\"\r\n".contains(byte));
                if !one {
                    self.not_allowed(
                        raw,
                        "delimiter",
                        "expected one ASCII character other than a quote or a line end",
                        "for a tab write `\"\\t\"`",
                    );
                }
            }
            SinkOptions::Arrow(arrow) if arrow.compression == Compression::Snappy => {
                self.not_allowed(
                    raw,
                    "compression",
                    "an Arrow file cannot be compressed with `snappy`",
                    "one of `none`, `zstd`, `lz4`",
                );
            }
            SinkOptions::Parquet(parquet) if parquet.row_group == 0 => {
                self.not_allowed(
                    raw,
                    "row_group",
                    "a row group has at least one row",
                    "leave it out for 131072",
                );
            }
            _ => {}
        }
        if let (Some(entry), Some(path)) = (path, options.path_mut()) {
            *path = self.absolute(entry.value.at, path);
        }
        Some(options)
    }

    pub(super) fn no_type(&mut self, raw: &Raw<'_>, path: Option<&Entry>) {
        let endings: Vec<String> = sink_types()
            .iter()
            .filter(|name| **name != "stdout")
            .map(|name| format!(".{name}"))
            .collect();
        let (at, message) = match path.map(|entry| (entry.value.at, entry.value.text())) {
            Some((at, Some(text))) => (
                at,
                format!("the sink has no `type` and none follows from the path `{text}`"),
            ),
            Some((at, None)) => (
                at,
                "the sink has no `type`, and its path is no text".to_owned(),
            ),
            None => (raw.at, "the sink has neither `path` nor `type`".to_owned()),
        };
        self.found.push(
            Diagnostic::new("E0006", at, format!("{}.type", raw.path), message).help(format!(
                "give the file an ending ({}) or set `type`",
                endings.join(" ")
            )),
        );
    }

    pub(super) fn run(&mut self, raw: &Raw<'_>, run: &RunOptions) {
        for (key, value) in [
            ("workers", run.workers),
            ("processes", Some(run.processes)),
            ("chunk", Some(run.chunk)),
            ("epoch", Some(run.epoch)),
        ] {
            if value == Some(0) {
                self.not_allowed(
                    raw,
                    key,
                    "expected 1 or more, found 0",
                    "leave it out for the default",
                );
            }
        }
        if run.hosts.is_some() && run.processes > 1 {
            self.not_allowed(
                raw,
                "processes",
                "`processes` starts processes here, `hosts` names processes elsewhere",
                "keep one of the two",
            );
        }
    }

    /// What the settings of `[features]` select.
    pub(super) fn select(
        &mut self,
        settings: &features::Settings,
        raw: Option<&Raw<'_>>,
    ) -> Schema {
        let faults = match features::select(settings) {
            Ok(schema) => return schema,
            Err(faults) => faults,
        };
        for fault in faults {
            let entry = raw.and_then(|raw| raw.entry(fault.key));
            let step = [operators::options::Step::Index(fault.index)];
            let at = entry.map_or_else(Span::default, |entry| entry.value.inner(&step).0.at);
            let is_list = entry.is_some_and(|entry| matches!(entry.value.kind, Kind::List(_)));
            let index = if is_list {
                format!("[{}]", fault.index)
            } else {
                String::new()
            };
            let path = format!(
                "{}.{}{index}",
                raw.map_or("features", |raw| &raw.path),
                fault.key
            );
            let known = || fault.known.iter().map(String::as_str);
            let name = fault.name.trim_start_matches('-');
            let (code, message, more) = match fault.key {
                "groups" => (
                    "E0008",
                    format!("unknown feature group `{name}`"),
                    format!("`jayflow schema --groups` lists all {}", fault.known.len()),
                ),
                "profile" => (
                    "E0008",
                    format!("unknown profile `{name}`"),
                    format!("one of {}", list(known())),
                ),
                _ if name.contains(['*', '?', '[']) => (
                    "E0201",
                    format!("no feature matches `{name}`"),
                    "`jayflow features` lists them".to_owned(),
                ),
                _ => (
                    "E0201",
                    format!("no feature is named `{name}`"),
                    "`jayflow features` lists them".to_owned(),
                ),
            };
            let help = match (did_you_mean(name, known()), code) {
                (Some(near), "E0008") => format!("{near} {more}"),
                (Some(near), _) => near,
                (None, _) => more,
            };
            let minus = if fault.name.starts_with('-') { "-" } else { "" };
            let mut diagnostic = Diagnostic::new(code, at, path, message).help(help);
            if let ([one], Some(_)) = (&nearest(name, known())[..], entry) {
                diagnostic = diagnostic.edit(format!("\"{minus}{one}\""));
            }
            self.found.push(diagnostic);
        }
        Schema::new()
    }
}
