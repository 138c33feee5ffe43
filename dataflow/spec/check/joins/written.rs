//! One join: its settings, the columns it compares, and those it gives.

use super::super::expressions::Rows;
use super::super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Kind, Value};
use crate::spec::suggest::did_you_mean;
use crate::spec::{Behind, Join};
use operators::expressions::aggregates::declared;
use operators::expressions::{Field, KEYWORDS, Known, Type};
use operators::joins::{
    JoinMode, JoinOptions, Many, Pairs, Part, TimeOptions, With, is_form, is_zone, zone_names,
};
use operators::options::Step;
use operators::schema::{DataType, Feature};

/// The column that says which way round the line of a flow is.
const REVERSED: &str = "match_reversed";

impl<'a> Check<'a> {
    pub(super) fn join(
        &mut self,
        rows: &mut Rows,
        raw: &Raw<'a>,
        keys: &[operators::options::Key],
        behind: Behind,
        next: &mut u32,
    ) -> Join {
        let mut special = vec!["input"];
        for (key, value, code, message, help) in [
            (
                "with",
                Some("view"),
                "E0008",
                "rows are not joined with views yet",
                "a join reads a file: one of `csv`, `jsonl`, `parquet`, `arrow`, `list`, `mmdb`",
            ),
            (
                "reload",
                None,
                "E0005",
                "unknown key `reload`: files are read once, before the first packet",
                "a file is read again only in live runs, which this version of jayflow does not have",
            ),
        ] {
            let entry = raw.entry(key);
            let found = entry.filter(|entry| value.is_none() || entry.value.text() == value);
            if let Some(entry) = found {
                special.push(key);
                let at = if value.is_some() {
                    entry.value.at
                } else {
                    entry.at
                };
                let path = format!("{}.{key}", raw.path);
                self.found
                    .push(Diagnostic::new(code, at, path, message).help(help));
            }
        }
        let is_wrong = special.len() > 1 || raw.entry("with").is_none();
        let mut options = JoinOptions::default();
        let own = <JoinOptions as operators::options::Options>::keys();
        let own: Vec<_> = own
            .into_iter()
            .filter(|key| !special.contains(&key.name))
            .collect();
        let before = self.found.list.len();
        self.read(raw, &special, &own, keys, |key, value| {
            operators::options::Options::set(&mut options, key, value)
        });
        let mut join = Join {
            options,
            on: Vec::new(),
            reversed: Vec::new(),
            time: None,
            gives: Behind::default(),
            behind,
            joined: self.loaded.tables.get(&raw.name).cloned(),
        };
        self.join_paths(raw, &mut join.options);
        if is_wrong || self.found.list.len() > before {
            return join;
        }
        self.fitting(raw, &join.options);
        join.on = self.on(rows, raw, &join.options);
        if join.options.either_direction && join.options.with.is_table() {
            join.reversed = self.reversed(raw, &join.options.on);
        }
        if let Some(time) = join.options.time.clone() {
            join.time = self.time(rows, raw, &time);
        }
        self.gives(rows, raw, &mut join, next);
        for place in join.on.iter().map(|(_, place)| *place).chain(join.time) {
            rows.read_place(place);
        }
        join
    }

    /// Paths as seen from the working directory.
    fn join_paths(&mut self, raw: &Raw<'_>, options: &mut JoinOptions) {
        let Some(entry) = raw.entry("path") else {
            return;
        };
        let several = matches!(entry.value.kind, Kind::List(_));
        if several && options.path.is_empty() {
            self.not_allowed(raw, "path", "the list is empty", "name a file");
        }
        for (index, path) in options.path.iter_mut().enumerate() {
            let steps: &[Step] = if several { &[Step::Index(index)] } else { &[] };
            let at = entry.value.inner(steps).0.at;
            self.inside(at, &format!("{}.path", raw.path), path);
            *path = self.absolute(at, path);
        }
    }

    /// Keys that do not go with what is joined.
    fn fitting(&mut self, raw: &Raw<'_>, options: &JoinOptions) {
        let with = options.with.name();
        if !options.with.is_table() {
            for key in ["time", "either_direction", "many"] {
                if raw.entry(key).is_some() {
                    let message = format!("a {with} has no lines that could be compared so");
                    self.not_allowed(raw, key, &message, "leave it out");
                }
            }
        }
        let is_csv = options.with == With::Csv;
        if raw.entry("delimiter").is_some() && !is_csv {
            let message = format!("a {with} has no delimiter");
            self.not_allowed(raw, "delimiter", &message, "leave it out");
        }
        let columns = raw.entry("columns").is_some();
        match (options.with, options.mode) {
            (With::List, _) if columns => {
                let message = format!("a list has no columns; it gives `in_{}`", raw.name);
                self.not_allowed(raw, "columns", &message, "leave it out");
            }
            (_, JoinMode::Anti) if columns => {
                let message = "rows that nothing matches get no columns";
                self.not_allowed(raw, "columns", message, "leave it out, or the mode `anti`");
            }
            (With::Mmdb, JoinMode::Left | JoinMode::Inner) | (_, JoinMode::Left)
                if !columns && options.with != With::List =>
            {
                self.missing(raw, "columns");
            }
            _ => {}
        }
        if options.mode == JoinMode::Anti && options.many == Many::All {
            let message = "rows that nothing matches do not match several lines";
            self.not_allowed(raw, "many", message, "leave it out");
        }
    }

    /// The place of an entry of `on` or `columns`, its key where it has one, and its path.
    fn pair<'v>(entry: &'v Entry, name: &str, at: usize, path: &str) -> (&'v Value, Span, String) {
        let path = format!("{path}.{}", entry.name);
        match &entry.value.kind {
            Kind::List(items) => {
                let value = items.get(at).unwrap_or(&entry.value);
                (value, value.at, format!("{path}[{at}]"))
            }
            Kind::Table { .. } => {
                let (value, key) = entry.value.inner(&[Step::Key(name.to_owned())]);
                (value, key.unwrap_or(value.at), format!("{path}.{name}"))
            }
            Kind::Leaf(_) => (&entry.value, entry.value.at, path),
        }
    }

    /// A column of the rows: its place and type; told where there is none.
    fn column_of(&mut self, rows: &Rows, name: &str, at: Span, path: &str) -> Option<Field> {
        match rows.context.find(name) {
            Some(Known::Field(field)) => Some(field.clone()),
            Some(Known::Fault(code, message, help)) => {
                if !code.is_empty() {
                    let mut fault = Diagnostic::new(code, at, path, message);
                    fault.help.clone_from(help);
                    self.found.push(fault);
                }
                None
            }
            None if rows.context.is_open() => None,
            None => {
                let names = rows.context.names();
                let known = || names.iter().map(String::as_str);
                let help = did_you_mean(name, known()).unwrap_or_else(|| {
                    "`jayflow features` lists the features there are".to_owned()
                });
                let message = format!("the rows have no column `{name}`");
                self.found
                    .push(Diagnostic::new("E0201", at, path, message).help(help));
                None
            }
        }
    }

    fn on(&mut self, rows: &Rows, raw: &Raw<'_>, options: &JoinOptions) -> Vec<(Part, u32)> {
        let Some(entry) = raw.entry("on") else {
            return Vec::new();
        };
        let is_table = options.with.is_table();
        let most = match options.with {
            With::List => 1,
            With::Mmdb => 2,
            _ => 64,
        };
        let count = options.on.0.len();
        if count == 0 || count > most {
            let message = match options.with {
                With::List => "a list is joined on one column".to_owned(),
                With::Mmdb => "a database is joined on one column, or on two".to_owned(),
                _ => format!("from 1 to {most} columns can be compared, not {count}"),
            };
            self.not_allowed(raw, "on", &message, "name the columns of the rows");
            return Vec::new();
        }
        let mut on = Vec::new();
        for (index, (name, _)) in options.on.0.iter().enumerate() {
            let (_, at, path) = Self::pair(entry, name, index, &raw.path);
            let Some(field) = self.column_of(rows, name, at, &path) else {
                continue;
            };
            let part = Part::of(name, &field.kind).filter(|part| match options.with {
                With::Mmdb => *part == Part::Address,
                With::List => [Part::Address, Part::Text].contains(part),
                _ => true,
            });
            match part {
                Some(part) => on.push((part, field.place)),
                None => {
                    let kind = &field.kind;
                    let help = match options.with {
                        With::Mmdb => "a database is joined on an address",
                        With::List => "a list is joined on an address or a text",
                        _ => "int, text, ip, bool and ids can; times go into `time`",
                    };
                    let message = format!("`{name}` is of type {kind}, which is not looked up");
                    self.found
                        .push(Diagnostic::new("E0203", at, path, message).help(help));
                }
            }
        }
        if is_table || matches!(entry.value.kind, Kind::Leaf(_) | Kind::List(_)) {
            return on;
        }
        let message = format!("a {} has no columns to compare with", options.with.name());
        self.not_allowed(
            raw,
            "on",
            &message,
            "name the column of the rows alone: `on = \"dst_ip\"`",
        );
        on
    }

    /// Which entries of `on` change places in the other direction.
    fn reversed(&mut self, raw: &Raw<'_>, on: &Pairs) -> Vec<usize> {
        let mut order = Vec::new();
        let mut lacks = None;
        for (at, (name, _)) in on.0.iter().enumerate() {
            let other = match (name.strip_prefix("src_"), name.strip_prefix("dst_")) {
                (Some(end), _) => format!("dst_{end}"),
                (_, Some(end)) => format!("src_{end}"),
                _ => name.clone(),
            };
            match on.0.iter().position(|(name, _)| *name == other) {
                Some(place) => order.push(place),
                None => {
                    lacks = lacks.or(Some((name.clone(), other)));
                    order.push(at);
                }
            }
        }
        let is_same = order.iter().enumerate().all(|(at, place)| at == *place);
        let told = match lacks {
            Some((name, other)) => Some((
                format!("`on` has `{name}` and not `{other}`, which is its other direction"),
                format!("add `{other}` to `on`"),
            )),
            None if is_same => Some((
                "`on` names nothing that has a direction".to_owned(),
                "leave it out: it is for `src_ip` and `dst_ip`, `src_port` and `dst_port`"
                    .to_owned(),
            )),
            None => None,
        };
        if let Some((message, help)) = told {
            self.not_allowed(raw, "either_direction", &message, &help);
        }
        order
    }

    fn time(&mut self, rows: &Rows, raw: &Raw<'_>, time: &TimeOptions) -> Option<u32> {
        let entry = raw.entry("time")?;
        let path = format!("{}.time", raw.path);
        let part = |key: &str| entry.value.inner(&[Step::Key(key.to_owned())]).0;
        let is_said = |key: &str| {
            let entries = entry.value.entries().unwrap_or_default();
            entries.iter().any(|entry| entry.name == key)
        };
        for (key, is_missing) in [
            ("from", !is_said("from")),
            ("tolerance", !is_said("to") && !is_said("tolerance")),
        ] {
            if is_missing {
                let message = format!("`time` needs the key `{key}`");
                let help = match key {
                    "from" => "name the column of the file with the time",
                    _ => {
                        "say how far the nearest line may be, such as `tolerance = \"1s\"`, or name its end, `to`"
                    }
                };
                let path = format!("{path}.{key}");
                self.found
                    .push(Diagnostic::new("E0006", entry.at, path, message).help(help));
            }
        }
        if !is_zone(&time.zone) {
            let names = zone_names();
            let help =
                did_you_mean(&time.zone, names.iter().map(String::as_str)).unwrap_or_else(|| {
                    "the names are those of the IANA database, such as `Europe/Berlin`".to_owned()
                });
            let message = format!("there is no time zone `{}`", time.zone);
            let at = part("zone").at;
            self.found
                .push(Diagnostic::new("E0008", at, format!("{path}.zone"), message).help(help));
        }
        let forms = part("format");
        for (index, form) in time.format.iter().enumerate() {
            let Err(why) = is_form(form) else { continue };
            let (value, path) = match &forms.kind {
                Kind::List(items) => (
                    items.get(index).unwrap_or(forms),
                    format!("{path}.format[{index}]"),
                ),
                _ => (forms, format!("{path}.format")),
            };
            let message = format!("`{form}` is no form of times: {why}");
            self.found.push(
                Diagnostic::new("E0008", value.at, path, message)
                    .help("as of strptime: `%d/%m/%Y %H:%M:%S`, or one of `s`, `ms`, `us`, `ns`"),
            );
        }
        let row = part("row");
        let at = if is_said("row") { row.at } else { entry.at };
        let path = format!("{path}.row");
        let field = self.column_of(rows, &time.row, at, &path)?;
        if field.kind != Type::Time {
            let message = format!("`{}` is of type {}, not time", time.row, field.kind);
            self.found.push(
                Diagnostic::new("E0203", at, path, message)
                    .help("`start_time` and `end_time` are times"),
            );
            return None;
        }
        Some(field.place)
    }

    /// The columns that a join gives.
    fn gives(&mut self, rows: &Rows, raw: &Raw<'_>, join: &mut Join, next: &mut u32) {
        let options = &join.options;
        let mut names: Vec<(String, Span, String, String, DataType)> = Vec::new();
        let types = join.joined.as_ref().map(|joined| joined.types());
        let is_null = options.with != With::List;
        if let Some(entry) = raw.entry("columns") {
            let ends: Vec<String> = match options.on.0.len() {
                2 if options.with == With::Mmdb => options.on.0.iter().map(end).collect(),
                _ => vec![String::new()],
            };
            for prefix in &ends {
                for (at, (name, of)) in options.columns.0.iter().enumerate() {
                    let (_, span, path) = Self::pair(entry, name, at, &raw.path);
                    let what = match options.with {
                        With::Mmdb => format!("`{of}` of the address in `{}`.", raw.name),
                        _ => format!("Column `{of}` of the line in `{}` that matches.", raw.name),
                    };
                    let data_type = types.as_ref().and_then(|types| types.get(at).cloned());
                    names.push((
                        format!("{prefix}{name}"),
                        span,
                        path,
                        what,
                        data_type.unwrap_or(DataType::Text),
                    ));
                }
            }
        }
        if options.with == With::List && options.mode != JoinMode::Anti {
            let what = format!("Whether the list `{}` has it.", raw.name);
            let name = format!("in_{}", raw.name);
            names.push((name, raw.at, raw.path.clone(), what, DataType::Bool));
        }
        if !join.reversed.is_empty() && options.mode != JoinMode::Anti {
            let what = format!(
                "Whether the line in `{}` has the ends the other way round.",
                raw.name
            );
            let at = raw
                .entry("either_direction")
                .map_or(raw.at, |entry| entry.at);
            let path = format!("{}.either_direction", raw.path);
            names.push((REVERSED.to_owned(), at, path, what, DataType::Bool));
        }
        let mut gives = Behind::default();
        for (name, at, path, what, data_type) in names {
            let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.len() <= 63;
            let told = if !is_plain {
                let help = "write `{ name = \"name in the file\" }`; a name has letters, digits and `_` and at most 63 characters";
                Some((
                    "E0011",
                    format!("`{name}` cannot be the name of a column"),
                    help,
                ))
            } else if KEYWORDS.contains(&name.as_str()) {
                let help = "it is a word of the expression language";
                Some((
                    "E0011",
                    format!("`{name}` cannot be the name of a column"),
                    help,
                ))
            } else if rows.context.find(&name).is_some()
                || gives.schema.iter().any(|one: &Feature| one.name == name)
            {
                let help = "choose another name: `columns = { name = \"name in the file\" }`";
                Some((
                    "E0301",
                    format!("there is a column named `{name}` already"),
                    help,
                ))
            } else {
                None
            };
            if let Some((code, message, help)) = told {
                self.found
                    .push(Diagnostic::new(code, at, path, message).help(help));
                continue;
            }
            let null = is_null.then(|| "nothing matches, or nothing stands there".to_owned());
            gives
                .schema
                .push(declared(name, &raw.name, &what, (data_type, ""), null));
            gives.places.push(*next);
            *next += 1;
        }
        join.gives = gives;
    }
}

/// What stands in front of the columns of an end: `src_` of `src_ip`.
fn end((name, _): &(String, String)) -> String {
    let end = name.split_once('_').map_or(name.as_str(), |(end, _)| end);
    format!("{end}_")
}
