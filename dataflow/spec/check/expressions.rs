//! Expressions of a spec: derived columns, and conditions of filters and sinks. Their faults are put where they are in the file.

use super::{Check, Raw};
use crate::spec::diagnostic::{Diagnostic, Span};
use crate::spec::load::{Entry, Value};
use crate::spec::suggest::{did_you_mean, nearest};
use crate::spec::variables::{Variable, VariableType};
use operators::expressions::aggregates::{AGGREGATES, Aggregate, RulePlan, declared};
use operators::expressions::lookups::LookUp;
use operators::expressions::{
    Checker, Constant, Context, Derived, Fault, Field, KEYWORDS, Known, Type, Typed, parse, syntax,
};
use operators::features::{FeaturePlan, FeatureSettings};
use operators::flows::{FlowOptions, MOST_STAGES};
use operators::options::{Duration, OptionValue as _, Setting, Size};
use operators::schema::{Feature, Schema};
use operators::sources::Moment;
use operators::views::look_ups::LookUps;
use std::collections::{BTreeSet, HashMap};

/// The place of the first derived column at check; features come before, aggregates behind.
const DERIVED: u32 = 1 << 20;
/// The place of `flow_id` where a sample needs it.
pub(crate) const FLOW_ID: u32 = DERIVED - 1;

/// Derived columns at most, all together.
const MOST: usize = 10_000;

/// What rows of flows have, and what expressions read of it.
pub(super) struct Rows {
    pub context: Context,
    readable: Schema,
    pub aggregates: Vec<Aggregate>,
    pub asked: Vec<LookUp>,
    pub derived: Derived,
    pub reads: BTreeSet<u32>,
}

/// A derived column as it is written.
struct Column<'a> {
    entry: &'a Entry,
    text: &'a str,
    path: String,
    tree: syntax::Expr,
}

impl Rows {
    /// The names that `[features]` gives.
    fn new(settings: &FeatureSettings, is_open: bool) -> Self {
        let mut context = match &settings.written {
            None => Context::new("`jayflow features` lists the features there are").with_packets(),
            Some(_) => Context::new("the columns are those of the rows that are read"),
        };
        if is_open {
            context = context.open();
        }
        let readable = settings.readable();
        for (place, feature) in (0..).zip(&readable) {
            let known = match Type::of_feature(feature) {
                Some((kind, null)) => Known::Field(Field { place, kind, null }),
                None => {
                    let message = format!(
                        "`{}` has parts, which expressions cannot read",
                        feature.name
                    );
                    Known::Fault("E0203", message, None)
                }
            };
            context.add(&feature.name, known);
        }
        Self {
            context,
            readable,
            aggregates: Vec::new(),
            asked: Vec::new(),
            derived: Derived::default(),
            reads: BTreeSet::new(),
        }
    }

    /// Lets whoever writes what sinks call a column be told what expressions call it.
    fn renamed(&mut self, settings: &FeatureSettings, derived: &[Entry]) {
        for (old, new) in &settings.shared.rename.0 {
            let is_derived = derived.iter().any(|entry| entry.name == *new);
            if self.context.find(new).is_none() && !is_derived {
                let message = format!("`{new}` is what sinks call `{old}`");
                let help = format!("expressions know the old name: `{old}`");
                self.context
                    .add(new, Known::Fault("E0201", message, Some(help)));
            }
        }
    }

    /// The place of the column of this name; it is read then.
    pub(super) fn column(&mut self, name: &str) -> Result<u32, Box<Fault>> {
        let at = syntax::Span {
            start: 0,
            end: name.len(),
        };
        match self.context.find(name) {
            Some(Known::Field(field)) => {
                let place = field.place;
                if place < DERIVED {
                    self.reads.insert(place);
                }
                Ok(place)
            }
            Some(Known::Fault(code, message, help)) => {
                let mut fault = Fault::new(code, at, message.clone());
                fault.help.clone_from(help);
                Err(Box::new(fault))
            }
            None => {
                let fault = Fault::new("E0201", at, format!("unknown field `{name}`"));
                let known = self.context.names();
                let help = "`jayflow features` lists the features there are";
                Err(Box::new(fault.known(known).help(help)))
            }
        }
    }

    /// Tells the features what expressions read, before they are planned.
    pub(super) fn tell(&self, settings: &mut FeatureSettings) {
        let features = self.reads.range(..FLOW_ID);
        let names = features.filter_map(|place| self.readable.get(*place as usize));
        settings.hidden = names.map(|feature| feature.name.to_string()).collect();
        if self.reads.contains(&FLOW_ID) {
            settings.hidden.push("flow_id".to_owned());
        }
        settings.aggregates = self.aggregates.clone().into();
    }

    /// Where each column is in the rows of a plan, by its place at check.
    pub(super) fn places(&self, plan: &FeaturePlan, look_ups: &LookUps) -> HashMap<u32, usize> {
        let mut places = HashMap::new();
        for place in self.reads.range(..DERIVED) {
            let feature = self.readable.get(*place as usize);
            let name = feature.map_or("flow_id", |feature| &feature.name);
            if let Some(at) = plan.place(name) {
                places.insert(*place, at);
            }
        }
        let first = plan.schema.len() - self.aggregates.len();
        places.extend((AGGREGATES..).zip(first..plan.schema.len()));
        let behind = look_ups.values().map(|value| value.place);
        let behind = behind.chain(self.derived.places().iter().copied());
        places.extend(behind.zip(plan.schema.len()..));
        places
    }

    /// The names of flow records, as views read them; of all other columns it is told that they are none of these.
    pub(super) fn of_flows(&self, flows: &str, features: &str) -> Context {
        let mut context = Context::new("a flow record has the columns of the group `flow_meta`");
        for name in self.context.names() {
            let is_own = |feature: &&Feature| feature.name == name && feature.group == "flow_meta";
            let known = match self.readable.iter().find(is_own) {
                Some(_) => self.context.find(&name).cloned(),
                None => {
                    let message = format!("`{flows}` gives flow records, which have no `{name}`");
                    let help = format!("read `{features}` here: `input = \"{features}\"`");
                    Some(Known::Fault("E0201", message, Some(help)))
                }
            };
            if let Some(known) = known {
                context.add(&name, known);
            }
        }
        context.borrow_variables(&self.context);
        context
    }

    /// Takes note of places that a view reads.
    pub(super) fn read(&mut self, places: impl Iterator<Item = u32>) {
        self.reads.extend(places.filter(|place| *place < DERIVED));
    }

    fn note(&mut self, typed: &Typed) {
        typed.loads(&mut |place| self.read_place(place));
    }

    /// A column that something else than a sink reads.
    pub(super) fn read_place(&mut self, place: u32) {
        if place < DERIVED {
            self.reads.insert(place);
        }
    }

    /// What expressions read to look things up.
    pub(super) fn note_keys(&mut self) {
        let keys = self.asked.iter().flat_map(|asked| asked.keys.clone());
        for key in keys.collect::<Vec<_>>() {
            self.note(&key);
        }
    }
}

impl<'a> Check<'a> {
    /// What rows have before anything is derived.
    pub(super) fn known(&self, settings: &FeatureSettings, raw: Option<&Raw<'a>>) -> Rows {
        let mut rows = Rows::new(settings, self.is_open());
        for variable in self.variables {
            let value = constant(variable);
            rows.context.set(&variable.name, value);
        }
        let derived = raw.and_then(|raw| raw.entry("derive")?.value.entries());
        rows.renamed(settings, derived.unwrap_or_default());
        rows
    }

    /// The derived columns of `[features]`.
    pub(super) fn derived(&mut self, rows: &mut Rows, raw: Option<&Raw<'a>>) {
        let Some((raw, entries)) =
            raw.and_then(|raw| Some((raw, raw.entry("derive")?.value.entries()?)))
        else {
            return;
        };
        if entries.len() > MOST {
            let at = entries[MOST].at;
            let message = format!("more than {MOST} derived columns");
            self.found.push(Diagnostic::new(
                "E0003",
                at,
                format!("{}.derive", raw.path),
                message,
            ));
            return;
        }
        let mut columns: Vec<Column<'a>> = Vec::new();
        for entry in entries {
            let path = format!("{}.derive.{}", raw.path, entry.name);
            let Some(text) = entry.value.text() else {
                continue;
            };
            if !self.column_name(entry, &path, rows) {
                continue;
            }
            match parse(text) {
                Ok(tree) => columns.push(Column {
                    entry,
                    text,
                    path,
                    tree,
                }),
                Err(fault) => {
                    self.expression_fault(&fault, &entry.value, &path);
                    // what uses it finds it all the same
                    let message = format!("`{}` has a fault of its own", entry.name);
                    rows.context
                        .add(&entry.name, Known::Fault("", message, None));
                }
            }
        }
        let Some(order) = self.order(&columns) else {
            // what uses them is told of no other fault
            for column in &columns {
                let message = format!("`{}` has a fault of its own", column.entry.name);
                rows.context
                    .add(&column.entry.name, Known::Fault("", message, None));
            }
            return;
        };
        let mut schema: Vec<Option<operators::schema::Feature>> = vec![None; columns.len()];
        let mut ordered = Vec::new();
        for at in order {
            let column = &columns[at];
            let place = DERIVED + u32::try_from(at).unwrap_or(0);
            let name = &column.entry.name;
            let checked = Checker::rows(&rows.context, column.text, &mut rows.aggregates)
                .looking(&mut rows.asked)
                .check(&column.tree)
                .and_then(|typed| {
                    let kind = typed
                        .kind
                        .column()
                        .ok_or_else(|| no_column(&typed, &column.tree))?;
                    Ok((typed, kind))
                });
            match checked {
                Ok((typed, kind)) => {
                    rows.note(&typed);
                    let null = typed
                        .null
                        .then(|| "an operand is null, or there is no value".to_owned());
                    let mut feature = declared(name.clone(), "derived", column.text, kind, null);
                    if let (Type::Text, true) = (&typed.kind, self.is_private(rows, &typed)) {
                        feature.private = Some(operators::schema::Private::Name);
                    }
                    schema[at] = Some(feature);
                    let field = Field {
                        place,
                        kind: typed.kind.clone(),
                        null: typed.null,
                    };
                    rows.context.add(name, Known::Field(field));
                    ordered.push((place, typed));
                }
                Err(fault) => {
                    self.expression_fault(&fault, &column.entry.value, &column.path);
                    let message = format!("`{name}` has a fault of its own");
                    rows.context.add(name, Known::Fault("", message, None));
                }
            }
        }
        if ordered.len() == columns.len() {
            rows.derived = Derived::new(schema.into_iter().flatten().collect(), DERIVED, ordered);
        }
    }

    /// Whether a text tells what a private column does.
    fn is_private(&self, rows: &Rows, typed: &Typed) -> bool {
        let mut private = false;
        typed.loads(&mut |place| {
            let feature = rows.readable.get(place as usize);
            private |= match (feature, rows.derived.expression(place)) {
                (Some(feature), _) => feature.private.is_some(),
                (None, Some(inner)) => self.is_private(rows, inner),
                // of packets: addresses and names are in them
                (None, None) => true,
            };
        });
        private
    }

    /// Whether a derived column may have this name.
    fn column_name(&mut self, entry: &Entry, path: &str, rows: &Rows) -> bool {
        let name = entry.name.as_str();
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.len() <= 63;
        let (code, message, help) = if !plain {
            let help = "a name has letters, digits and `_`, begins with a letter and has at most 63 characters";
            (
                "E0011",
                format!("`{name}` cannot be the name of a column"),
                help,
            )
        } else if KEYWORDS.contains(&name) {
            let help = "it is a word of the expression language";
            (
                "E0011",
                format!("`{name}` cannot be the name of a column"),
                help,
            )
        } else if rows.context.find(name).is_some() {
            let help = "choose another name";
            ("E0301", format!("there is a feature named `{name}`"), help)
        } else {
            return true;
        };
        self.found
            .push(Diagnostic::new(code, entry.at, path, message).help(help));
        false
    }

    /// The columns in an order in which none needs a later one; `None` where they run in circles.
    fn order(&mut self, columns: &[Column<'_>]) -> Option<Vec<usize>> {
        let places: HashMap<&str, usize> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| (column.entry.name.as_str(), at))
            .collect();
        let needs: Vec<Vec<(usize, syntax::Span)>> = columns
            .iter()
            .map(|column| {
                let mut found = Vec::new();
                column.tree.names(&mut |name, at| {
                    found.extend(places.get(name).map(|place| (*place, at)));
                });
                found
            })
            .collect();
        // 0 = not seen, 1 = on the way, 2 = done
        let mut states = vec![0_u8; columns.len()];
        let mut order = Vec::new();
        let mut circles = false;
        for start in 0..columns.len() {
            // columns that are looked at, each with which of its needs comes next
            let mut stack = vec![(start, 0)];
            if states[start] != 0 {
                continue;
            }
            states[start] = 1;
            while let Some((at, next)) = stack.last_mut() {
                let Some((need, _)) = needs[*at].get(*next) else {
                    states[*at] = 2;
                    order.push(*at);
                    stack.pop();
                    continue;
                };
                *next += 1;
                match states[*need] {
                    0 => {
                        states[*need] = 1;
                        stack.push((*need, 0));
                    }
                    1 => {
                        circles = true;
                        let from = stack.iter().position(|(at, _)| at == need).unwrap_or(0);
                        let circle: Vec<usize> = stack[from..].iter().map(|(at, _)| *at).collect();
                        self.circle(columns, &needs, &circle);
                    }
                    _ => {}
                }
            }
        }
        (!circles).then_some(order)
    }

    fn circle(
        &mut self,
        columns: &[Column<'_>],
        needs: &[Vec<(usize, syntax::Span)>],
        circle: &[usize],
    ) {
        let (Some(first), Some(second)) = (circle.first(), circle.get(1).or(circle.first())) else {
            return;
        };
        let name = |at: &usize| columns[*at].entry.name.as_str();
        let mut names: Vec<&str> = circle.iter().map(name).collect();
        names.push(name(first));
        let place = needs[*first].iter().find(|(need, _)| need == second);
        let column = &columns[*first];
        let at = place.map_or(column.entry.value.at, |(_, span)| {
            self.inner(&column.entry.value, column.text, *span)
        });
        let message = format!("`{}` depends on itself: {}", names[0], names.join(" -> "));
        self.found.push(
            Diagnostic::new("E0305", at, &column.path, message)
                .help("break the loop at one of them"),
        );
    }

    /// A condition over rows: `where` of a filter or a sink, or a route.
    pub(super) fn condition(
        &mut self,
        rows: &mut Rows,
        value: &Value,
        path: &str,
        what: &str,
    ) -> Option<Typed> {
        let Some(text) = value.text() else {
            self.wrong_type(value, path, "text", "write an expression in quotes");
            return None;
        };
        let checked = parse(text).and_then(|tree| {
            Checker::rows(&rows.context, text, &mut rows.aggregates)
                .looking(&mut rows.asked)
                .truth(&tree, what)
        });
        match checked {
            Ok(typed) => {
                rows.note(&typed);
                Some(typed)
            }
            Err(fault) => {
                self.expression_fault(&fault, value, path);
                None
            }
        }
    }

    /// `where` of the flow table: a condition over packets.
    pub(super) fn of_packets(&mut self, rows: &Rows, raw: Option<&Raw<'a>>) -> Option<Typed> {
        let raw = raw?;
        let value = &raw.entry("where")?.value;
        let text = value.text()?;
        let mut aggregates = Vec::new();
        let checked = parse(text).and_then(|tree| {
            Checker::packets(&rows.context, text, &mut aggregates).truth(&tree, "`where`")
        });
        match checked {
            Ok(typed) => Some(typed),
            Err(fault) => {
                self.expression_fault(&fault, value, &format!("{}.where", raw.path));
                None
            }
        }
    }

    /// `end_when` of the flow table.
    pub(super) fn end_when(&mut self, rows: &Rows, raw: Option<&Raw<'a>>) -> Option<RulePlan> {
        let raw = raw?;
        let value = &raw.entry("end_when")?.value;
        let text = value.text()?;
        let mut aggregates = Vec::new();
        let checked = parse(text).and_then(|tree| {
            tree.either()
                .into_iter()
                .map(|part| {
                    Checker::ends(&rows.context, text, &mut aggregates).truth(part, "`end_when`")
                })
                .collect::<Result<Vec<Typed>, _>>()
        });
        match checked {
            Ok(conditions) => Some(RulePlan::new(&conditions, aggregates)),
            Err(fault) => {
                self.expression_fault(&fault, value, &format!("{}.end_when", raw.path));
                None
            }
        }
    }

    /// `early` of the flow table: each point once, and nothing that would count a record twice.
    pub(super) fn early(
        &mut self,
        flows: &FlowOptions,
        raw: Option<&Raw<'a>>,
        twice: Option<&str>,
    ) {
        let Some((raw, entry)) = raw.and_then(|raw| Some((raw, raw.entry("early")?))) else {
            return;
        };
        let path = format!("{}.early", raw.path);
        let stages = &flows.early;
        let again = (1..stages.len()).find(|at| stages[..*at].contains(&stages[*at]));
        let (message, help) = if let Some(at) = again {
            (
                format!("`{}` is there twice", stages[at]),
                "leave one of them out".to_owned(),
            )
        } else if stages.len() > MOST_STAGES {
            let message = format!("{} points, of {MOST_STAGES} at most", stages.len());
            (message, "leave some of them out".to_owned())
        } else if let (Some(twice), false) = (twice, stages.is_empty()) {
            let message = format!("{twice} would count a record once for each of its rows");
            (
                message,
                "leave out `early`, or write a second spec".to_owned(),
            )
        } else {
            return;
        };
        let at = entry.value.at;
        self.found
            .push(Diagnostic::new("E0008", at, path, message).help(help));
    }

    /// Where a part of an expression is in the file.
    pub(super) fn inner(&self, value: &Value, text: &str, span: syntax::Span) -> Span {
        const QUOTES: [&str; 9] = [
            "'''\r\n",
            "'''\n",
            "'''",
            "\"\"\"\r\n",
            "\"\"\"\n",
            "\"\"\"",
            "'",
            "\"",
            "",
        ];
        let source = self.loaded.sources.get(value.at.source);
        let written = source
            .and_then(|source| source.text.get(value.at.start..value.at.end))
            .unwrap_or_default();
        let fits = |quote: &&&str| {
            let rest = written.strip_prefix(**quote);
            rest.is_some_and(|rest| rest.starts_with(text))
        };
        // what has escapes in it cannot be followed
        let Some(quote) = QUOTES.iter().find(fits) else {
            return value.at;
        };
        let start = value.at.start + quote.len();
        Span {
            source: value.at.source,
            start: start + span.start,
            end: start + span.end,
        }
    }

    pub(super) fn expression_fault(&mut self, fault: &Fault, value: &Value, path: &str) {
        let text = value.text().unwrap_or_default();
        if fault.code.is_empty() {
            return;
        }
        let at = self.inner(value, text, fault.at);
        let mut told = Diagnostic::new(fault.code, at, path, &fault.message);
        let written = fault.at.of(text);
        let name = written.trim_matches(['"', '\'']);
        let known = || fault.known.iter().map(String::as_str);
        told.help = did_you_mean(name, known()).or_else(|| fault.help.clone());
        let is_exact = at != value.at;
        if let (true, [one]) = (is_exact, &nearest(name, known())[..]) {
            told = told.edit(written.replace(name, one));
        } else if let (true, Some(edit)) = (is_exact, &fault.edit) {
            told = told.edit(edit);
        }
        self.found.push(told);
    }
}

/// The value of a variable in expressions. One that has none yet is told elsewhere; it stands for nothing until then.
pub(super) fn constant(variable: &Variable) -> Constant {
    let text = |value: &Setting| match value {
        Setting::Text(text) => text.clone(),
        _ => String::new(),
    };
    let read = |value: &Setting| {
        Some(match variable.kind {
            VariableType::Text | VariableType::Path => Constant::Text(text(value)),
            VariableType::Int => Constant::Int(i64::read(value).ok()?),
            VariableType::Float => Constant::Float(f64::read(value).ok()?),
            VariableType::Bool => Constant::Bool(bool::read(value).ok()?),
            VariableType::Duration => Constant::Duration(Duration::read(value).ok()?.0),
            VariableType::Size => Constant::Int(i64::try_from(Size::read(value).ok()?.0).ok()?),
            VariableType::Time => Constant::Time(Moment::read(value).ok()?.0),
            // as they are written in expressions
            VariableType::Ip | VariableType::Cidr => match parse(&text(value)).ok()?.kind {
                syntax::Kind::Ip(address) => Constant::Ip(address),
                syntax::Kind::Net(net) => Constant::Net(net),
                _ => return None,
            },
        })
    };
    variable
        .value
        .as_ref()
        .and_then(read)
        .unwrap_or(Constant::Null)
}

/// The fault of a value that no column can hold.
fn no_column(typed: &Typed, tree: &syntax::Expr) -> Box<Fault> {
    let message = format!("a column cannot hold a value of type {}", typed.kind);
    let fault = Fault::new("E0206", tree.at, message);
    Box::new(match typed.kind {
        Type::Bytes => fault.help("write it as text: `hex(...)`"),
        _ => fault.help("write a value of another type"),
    })
}
