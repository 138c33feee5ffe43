//! The settings of each kind of node, beyond what single keys say.

use super::{Check, Raw};
use crate::spec::RunOptions;
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::extend::leaves;
use crate::spec::load::{Entry, Kind};
use crate::spec::sections::{Section, section_keys, sink_keys, source_types};
use crate::spec::suggest::{did_you_mean, list, nearest};
use operators::features::{Absence, FeaturePlan, FeatureSettings, Offered, Seen, SelectionError};
use operators::flows::{FlowOptions, InitiatorRule, KeyPart};
use operators::options::{Key, Options as _, Setting, Step};
use operators::schema::Schema;
use operators::sinks::SinkOptions;
use operators::sources::PcapOptions;
use std::path::Path;

impl Check<'_> {
    pub(super) fn source(&mut self, raw: &Raw<'_>) -> PcapOptions {
        let Ok(kind) = self.type_of(raw, "source", &source_types()) else {
            return PcapOptions::default();
        };
        let of_packets = [
            "order", "sensor", "merge", "limit", "errors", "follow", "patience",
        ];
        let is_known = |key: &Key| kind != Some("rows") || !of_packets.contains(&key.name);
        let keys = Section::named("sources").map(section_keys);
        let keys: Vec<Key> = keys
            .unwrap_or_default()
            .into_iter()
            .filter(is_known)
            .collect();
        let own: Vec<Key> = PcapOptions::keys().into_iter().filter(is_known).collect();
        let mut options = PcapOptions::default();
        self.read(raw, &["type"], &own, &keys, |key, value| {
            options.set(key, value)
        });
        self.sensor(raw, &mut options);
        let Some(entry) = raw.entry("path") else {
            return options;
        };
        if options.path.is_empty() && matches!(entry.value.kind, Kind::List(_)) {
            self.not_allowed(raw, "path", "the list is empty", "name at least one input");
        }
        if options.patience.is_some() && !options.follow {
            self.not_allowed(
                raw,
                "patience",
                "nothing is waited for",
                "set `follow = true`, or leave `patience` out",
            );
        }
        let several = matches!(entry.value.kind, Kind::List(_));
        for (index, path) in options.path.iter_mut().enumerate() {
            let steps: &[Step] = if several { &[Step::Index(index)] } else { &[] };
            let at = entry.value.inner(steps).0.at;
            self.inside(at, &format!("{}.path", raw.path), path);
            *path = self.absolute(at, path);
        }
        options
    }

    /// What a source calls its inputs: whether they can have the parts of a path that it asks for.
    fn sensor(&mut self, raw: &Raw<'_>, options: &mut PcapOptions) {
        let Some(sensor) = options.sensor.take() else {
            return;
        };
        let mut paths = options.path.iter();
        let beyond = paths.find_map(|path| Some((path, sensor.beyond(path, options)?)));
        if let Some((path, (at, most))) = beyond {
            let message = format!("`{path}` has no part `{{path[{at}]}}`");
            let help = match most {
                _ if path == "-" => "standard input has no path: write the text itself".to_owned(),
                most => format!(
                    "its last part is `{{path[{most}]}}`; `{{path[0]}}` is the last one that is fixed"
                ),
            };
            self.not_allowed(raw, "sensor", &message, &help);
        }
        options.sensor = Some(sensor.named(&raw.name));
    }

    /// What settings of flows say together: names of inputs in the key are given by somebody, and the initiator of a flow of one
    /// direction is its sender.
    pub(super) fn flows(&mut self, flows: &FlowOptions, raw: Option<&Raw<'_>>, has_sensor: bool) {
        let Some(raw) = raw else { return };
        if !flows.bidirectional && flows.initiator == InitiatorRule::Port {
            let message = "each direction is a record of its own, and its sender the initiator";
            let help = "leave out `initiator`, or `bidirectional = false`";
            self.not_allowed(raw, "initiator", message, help);
        }
        if flows.key.contains(&KeyPart::Sensor) && !has_sensor {
            let message = "`sensor` is part of the key, and no source has one";
            let help = "give the sources a `sensor`, or leave it out";
            self.not_allowed(raw, "key", message, help);
        }
    }

    /// Tells of a path that was written at `at` and leaves where it may be: this machine, of an untrusted spec its directory. Gives whether
    /// it is one of this machine.
    pub(super) fn inside(&mut self, at: Span, place: &str, path: &str) -> bool {
        if let Some((scheme, rest)) = address(path) {
            let message = format!(
                "`{path}` is an address (`{scheme}:`), and this program reads and writes local files"
            );
            let help = match scheme {
                "file" => format!("write the path alone: `{rest}`"),
                _ => "copy it here or mount it, and write its path".to_owned(),
            };
            self.found
                .push(Diagnostic::new("E0008", at, place, message).help(help));
            return false;
        }
        if self.loaded.untrusted && at.source < self.loaded.files && path != "-" && leaves(path) {
            let message = format!("`{path}` is not in the directory of the spec");
            self.found.push(
                Diagnostic::new("E0505", at, place, message)
                    .help("an untrusted spec reads and writes below its directory only"),
            );
        }
        true
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
        let written = self.type_of(raw, "sink", SinkOptions::KINDS).ok()?;
        let path = raw.entry("path");
        let ending = path
            .and_then(|entry| entry.value.text())
            .and_then(operators::sinks::kind_of_path);
        let Some((kind, mut options)) = written
            .or(ending)
            .and_then(|kind| Some((kind, SinkOptions::of_kind(kind)?)))
        else {
            self.no_type(raw, path);
            return None;
        };
        let own = options.keys();
        let mut common = vec!["type", "input", "columns", "where"];
        if own.iter().all(|key| key.name != "emit") {
            common.extend(["emit", "every"]);
        }
        self.read(raw, &common, &own, &sink_keys(Some(kind)), |key, value| {
            options.set(key, value)
        });
        if let (Some(entry), Some(path)) = (path, options.path()) {
            let path = path.to_owned();
            if self.inside(entry.value.at, &format!("{}.path", raw.path), &path) {
                let path = self.output_path(raw, entry, &path, kind);
                // It took text before.
                let _ = options.set("path", &Setting::Text(path));
            }
        }
        if let Some(entry) = raw.entry("anonymise") {
            self.key_file(raw, entry, &mut options);
        }
        Some(options)
    }

    /// The file with the key of `anonymise` is named like any other: from the spec file on.
    fn key_file(&mut self, raw: &Raw<'_>, entry: &Entry, options: &mut SinkOptions) {
        let steps = [Step::Key("key_file".to_owned())];
        let (value, Some(_)) = entry.value.inner(&steps) else {
            return;
        };
        let (Some(path), Setting::Table(mut parts)) = (value.text(), entry.value.setting()) else {
            return;
        };
        self.inside(value.at, &format!("{}.anonymise.key_file", raw.path), path);
        for (name, part) in &mut parts {
            if name == "key_file" {
                *part = Setting::Text(self.absolute(value.at, path));
            }
        }
        let _ = options.set("anonymise", &Setting::Table(parts));
    }

    pub(super) fn no_type(&mut self, raw: &Raw<'_>, path: Option<&Entry>) {
        let mut endings: Vec<String> = SinkOptions::KINDS
            .iter()
            .map(|name| format!(".{name}"))
            .filter(|ending| operators::sinks::kind_of_path(&format!("x{ending}")).is_some())
            .collect();
        // What is best for most comes first.
        endings.sort_by_key(|ending| ending != ".parquet");
        if path.is_some_and(|entry| self.misplaced(&entry.value, &format!("{}.path", raw.path))) {
            return;
        }
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
        if let (Some(entry), Some(hosts)) = (raw.entry("hosts"), &run.hosts) {
            self.inside(entry.value.at, "run.hosts", hosts);
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

    /// The columns that the settings of `[features]` select, and how sinks see them with the derived ones, which are so many places behind;
    /// `None` where they name something that is not there.
    pub(super) fn select(
        &mut self,
        settings: &FeatureSettings,
        (behind, derived): (usize, &Schema),
        raw: Option<&Raw<'_>>,
    ) -> Option<(FeaturePlan, Seen)> {
        let plan = match settings.plan() {
            Ok(plan) => plan,
            Err(errors) => {
                for error in &errors {
                    self.not_selected(error, raw);
                }
                return None;
            }
        };
        let mut offered = plan.offered();
        offered.extend(
            (plan.schema.len() + behind..)
                .zip(derived)
                .map(|(place, feature)| Offered {
                    place,
                    base: feature.name.to_string(),
                    feature: feature.clone(),
                }),
        );
        if offered.is_empty() && settings.written.is_none() {
            let at = raw.map_or_else(Span::default, |raw| raw.at);
            self.found.push(
                Diagnostic::new("E0008", at, "features", "the settings leave no column")
                    .help("leave out `groups`, `only`, `drop` and `profile` for all"),
            );
            return None;
        }
        let (shown, errors) = settings.shared.arrange(offered);
        // a derived column with a fault of its own is not offered, and is told already
        let derive = raw.and_then(|raw| raw.entry("derive")?.value.entries());
        let derive = derive.unwrap_or_default();
        let is_told = |name: &str| derive.iter().any(|entry| entry.name == name);
        let has_faults = self.found.has_errors();
        for error in &errors {
            let is_there = matches!(error.absence, Absence::Taken);
            if is_there || !(has_faults && is_told(&error.name)) {
                self.not_selected(error, raw);
            }
        }
        errors.is_empty().then_some((plan, shown))
    }

    /// A name in `[features]` that selects nothing.
    fn not_selected(&mut self, error: &SelectionError, raw: Option<&Raw<'_>>) {
        let entry = raw.and_then(|raw| raw.entry(error.key));
        let mut path = format!("{}.{}", raw.map_or("features", |raw| &raw.path), error.key);
        let mut at = entry.map_or_else(Span::default, |entry| entry.value.at);
        if let (Some(index), Some(entry)) = (error.index, entry)
            && matches!(entry.value.kind, Kind::List(_))
        {
            path.push_str(&format!("[{index}]"));
            at = entry.value.inner(&[Step::Index(index)]).0.at;
        }
        let entries = entry.and_then(|entry| entry.value.entries());
        let one = error.index.zip(entries);
        if let Some(one) = one.and_then(|(index, entries)| entries.get(index)) {
            path.push_str(&format!(".{}", one.name));
            at = match &error.absence {
                Absence::Taken => one.value.at,
                _ => one.at,
            };
        }
        let name = &error.name;
        let known = || error.valid.iter().map(String::as_str);
        let near = did_you_mean(name, known());
        let is_glob = name.contains(['*', '?']);
        let (code, message, help) = match (&error.absence, error.key) {
            (Absence::Unknown, "groups") => {
                let all = operators::features::group_names().len();
                let list = format!("`jayflow schema --groups` lists all {all}");
                let help = near.map_or_else(|| list.clone(), |near| format!("{near} {list}"));
                ("E0008", format!("unknown feature group `{name}`"), help)
            }
            (Absence::Unknown, "profile") => {
                let list = format!("one of {}", list(known()));
                (
                    "E0008",
                    format!("unknown profile `{name}`"),
                    near.unwrap_or(list),
                )
            }
            (Absence::Unknown, _) => {
                let message = if is_glob {
                    format!("no feature matches `{name}`")
                } else {
                    format!("no feature is named `{name}`")
                };
                let list = "`jayflow features` lists them".to_owned();
                ("E0201", message, near.unwrap_or(list))
            }
            (Absence::Group(group), _) => (
                "E0201",
                format!("`{name}` is of the group `{group}`, which `groups` leaves out"),
                format!("add `{group}` to `groups`"),
            ),
            (Absence::Switch(switch), _)
                if switch.contains("flows.") || switch.contains("sources.") =>
            {
                (
                    "E0201",
                    format!("`{name}` is only there with `{switch}`"),
                    format!("set `{switch}`"),
                )
            }
            (Absence::Switch(switch), _) => (
                "E0201",
                format!("`{name}` is only there with `{switch} = true`"),
                format!("set `{switch} = true`"),
            ),
            (Absence::LeftOut, _) => {
                let list = "`jayflow schema --output SPEC` lists the columns there are".to_owned();
                (
                    "E0201",
                    format!("`{name}` is none of the columns that the other settings leave"),
                    near.unwrap_or(list),
                )
            }
            (Absence::Renamed(old), _) => (
                "E0201",
                format!("`{name}` is what sinks call `{old}`"),
                format!("`[features]` knows the old name: `{old}`"),
            ),
            (Absence::Taken, _) => (
                "E0301",
                format!("two columns would have the name `{name}`"),
                "give each a name of its own, or leave one of them out".to_owned(),
            ),
            (Absence::Profile(profile), _) => (
                "E0201",
                format!("`{name}` is in no profile below {profile}"),
                format!("ask for `profile = \"{profile}\"`, or for none"),
            ),
        };
        let mut fault = Diagnostic::new(code, at, path, message).help(help);
        if let ([one], Absence::Unknown, Some(_)) =
            (&nearest(name, known())[..], &error.absence, entry)
        {
            let written = entry.map(|entry| {
                entry
                    .value
                    .inner(&[Step::Index(error.index.unwrap_or(0))])
                    .0
            });
            let minus = written
                .and_then(|value| value.text())
                .is_some_and(|text| text.starts_with('-'));
            fault = fault.edit(format!("\"{}{one}\"", if minus { "-" } else { "" }));
        }
        self.found.push(fault);
    }
}

/// The scheme of an address, and what is behind it: `s3` of `s3://bucket/a.pcap` (RFC 3986 section 3.1). One letter is a drive.
fn address(path: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = path.split_once("://")?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}
