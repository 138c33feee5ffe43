//! The plan in words: what each operator reads, keeps and gives.

use super::{Kind, Plan, graph};
use crate::Layout;
use crate::spec::diagnostic::visible;
use crate::spec::{Filter, Join, View};
use operators::decode::{Checksum, Fragments};
use operators::expressions::capture_filter;
use operators::features::ConnectionPlan;
use operators::filters::Mode;
use operators::flows::{FlowOptions, FlowTable, IdleTimeout, Kept, SHARDS, Terminate, typical};
use operators::joins::{JoinMode, Pairs};
use operators::options::Duration;
use operators::sinks::{MOST_FILES, SinkOptions, Sort};
use operators::sources::Merge;
use operators::views::graph::Metric;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One operator a line: number, kind, name, and what it does.
pub fn explain(plan: &Plan) -> String {
    let rows: Vec<[String; 4]> = plan
        .numbered()
        .into_iter()
        .map(|(number, node)| {
            let one = &plan.graph[node];
            let inputs = numbers(&plan.inputs(node));
            [
                number.to_string(),
                kind(&one.kind).to_owned(),
                visible(&one.name),
                visible(&describe(plan, &one.kind, &inputs)),
            ]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..3).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for [number, kind, name, text] in &rows {
        let _ = writeln!(
            out,
            "{number:<0$} {kind:<1$} {name:<2$}  {text}",
            widths[0], widths[1], widths[2]
        );
    }
    if let Some(connection) = connection(plan) {
        out.push_str(&graph::text(&connection));
    }
    let columns = plan
        .features()
        .map_or(0, |features| features.columns().len());
    let workers = plan
        .run
        .workers
        .map_or("one a core".to_owned(), |n| n.to_string());
    let _ = writeln!(
        out,
        "{columns} columns; workers {workers}, processes {}; {} records a chunk, {} packets an epoch; spec {}",
        plan.run.processes,
        plan.run.chunk,
        plan.run.epoch,
        &plan.digest[..12]
    );
    out
}

fn connection(plan: &Plan) -> Option<ConnectionPlan> {
    plan.features()?.plan.connection()
}

/// How the work is shared, and what is not.
pub fn layout(layout: &Layout) -> String {
    let number = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        number if what.ends_with('s') => format!("{number} {what}es"),
        number => format!("{number} {what}s"),
    };
    let mut out = format!(
        "here: {} on {}",
        number(layout.inputs, "input"),
        number(layout.workers, "worker")
    );
    if layout.processes > 1 {
        let _ = write!(out, " of each of {}", number(layout.processes, "process"));
    }
    out.push_str(match (layout.is_exchanged, layout.processes * layout.workers) {
        (true, _) => {
            "; chunks are dealt to the workers of a process, packets exchanged by shard. \
             One worker at a time reads an input, joins its fragments, collects the rows of a sink"
        }
        (false, 1) => "; nothing is exchanged",
        (false, _) => {
            "; whole inputs to each, only rows are exchanged. One worker reads an input, one collects the rows of a sink"
        }
    });
    out.push('\n');
    out
}

/// What `explain` says, for programs. `layout` is `None` where the inputs are not there.
pub fn json(plan: &Plan, layout: Option<&Layout>) -> Value {
    let nodes: Vec<Value> = plan
        .numbered()
        .into_iter()
        .map(|(number, node)| {
            let one = &plan.graph[node];
            let inputs = plan.inputs(node);
            let columns: Option<Vec<&str>> = match &one.kind {
                Kind::Features(features) => Some(features.columns().map(|f| &*f.name).collect()),
                Kind::Sink(sink) => Some(plan.columns_of(sink).map(|f| &*f.name).collect()),
                _ => None,
            };
            let state: Option<usize> = match &one.kind {
                Kind::Flows(_) => Some(FlowTable::BYTES_PER_FLOW),
                Kind::Features(features) => Some(
                    features
                        .plan
                        .bytes_per_flow()
                        .iter()
                        .map(|(_, bytes)| bytes)
                        .sum(),
                ),
                _ => None,
            };
            json!({
                "number": number,
                "kind": kind(&one.kind),
                "name": one.name,
                "inputs": inputs,
                "exchange": matches!(one.kind, Kind::Flows(_)).then_some("flow key hash"),
                "state_bytes_per_flow": state,
                "columns": columns,
                "text": describe(plan, &one.kind, &numbers(&inputs)),
            })
        })
        .collect();
    json!({
        "spec": plan.digest,
        "workers": plan.run.workers,
        "processes": plan.run.processes,
        "layout": layout.map(|layout| {
            json!({
                "inputs": layout.inputs,
                "workers": layout.workers,
                "processes": layout.processes,
                "exchanged": layout.is_exchanged,
            })
        }),
        "nodes": nodes,
        "graph": connection(plan).map(|connection| graph::json(&connection)),
    })
}

/// Packets of the connections whose memory is told.
const PACKETS: [usize; 3] = [2, 20, 200];

/// Bytes kept of each open flow record by what keeps them, and what that is when the table is full.
pub fn memory(plan: &Plan) -> String {
    let (Some(flows), Some(features)) = (plan.flows(), plan.features()) else {
        return String::new();
    };
    let kept = PACKETS.map(|packets| typical(flows, &features.plan, packets));
    let mut out = format!(
        "{:<14} {:>8}   and in a TCP connection, after {} packets\n",
        "bytes a flow",
        "always",
        PACKETS.map(|packets| packets.to_string()).join(", ")
    );
    for at in 0..kept[0].len() {
        let grown = kept.each_ref().map(|kept| kept[at].grown);
        line(&mut out, kept[0][at].name, kept[0][at].fixed, grown);
    }
    let sum = |part: fn(&Kept) -> usize, kept: &[Kept]| kept.iter().map(part).sum::<usize>();
    let fixed = sum(|kept| kept.fixed, &kept[0]);
    let grown = kept.each_ref().map(|kept| sum(|kept| kept.grown, kept));
    line(&mut out, "together", fixed, grown);
    let most = flows.max_flows;
    let mib = |bytes: usize| bytes as f64 * most as f64 / f64::from(1 << 20);
    let _ = writeln!(
        out,
        "{:.1} MiB over all workers at max_flows = {most}, {:.1} MiB of connections of {} packets{}",
        mib(fixed),
        mib(fixed + grown[1]),
        PACKETS[1],
        if plan.sources().all(|(_, source)| source.merge == Merge::All) {
            ""
        } else {
            ", for each input that is open (a worker opens one at a time)"
        }
    );
    out
}

fn line(out: &mut String, name: &str, fixed: usize, grown: [usize; 3]) {
    let _ = write!(out, "{name:<14} {fixed:>8}  ");
    for bytes in grown {
        let _ = write!(out, " {:>8}", format!("+{bytes}"));
    }
    out.push('\n');
}

/// The verb of an operator.
pub(super) const fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Source(_) => "read",
        Kind::Decode(_) => "decode",
        Kind::Flows(_) => "flows",
        Kind::Features(_) => "features",
        Kind::Filter(_) => "filter",
        Kind::View(_) => "view",
        Kind::Join(_) => "join",
        Kind::LookUp => "look up",
        Kind::Sink(_) => "sink",
    }
}

fn numbers(numbers: &[usize]) -> String {
    let texts: Vec<String> = numbers.iter().map(usize::to_string).collect();
    texts.join(", ")
}

fn describe(plan: &Plan, kind: &Kind, inputs: &str) -> String {
    match kind {
        Kind::Source(options) => {
            if plan.written.is_some() {
                return format!(
                    "rows {}; a file is read by one worker",
                    options.path.join(", ")
                );
            }
            if plan.is_rows {
                return format!(
                    "rows {}; edges of the graph, nothing else is read of them",
                    options.path.join(", ")
                );
            }
            let mut text = format!("pcap {}", options.path.join(", "));
            text.push_str(match options.merge {
                Merge::None => "; each input has its own flows",
                Merge::All => "; inputs merged by time",
            });
            if let Some(limit) = options.limit {
                let _ = write!(text, "; at most {limit} packets of each input");
            }
            text.push_str("; an input is read and decompressed by one worker");
            text
        }
        Kind::Decode(options) => format!(
            "from {inputs}: {}tunnels {}, later fragments {}{}",
            if options.link_types.is_some() {
                "some link types alone, "
            } else {
                ""
            },
            if options.decap.is_none() {
                "stay on"
            } else {
                "come off"
            },
            match options.fragments {
                Fragments::FirstPort => "join the flow of the first",
                Fragments::Reassemble => "join the flow of the first, parsers get the whole",
                Fragments::Ignore => "have no ports",
            },
            match options.checksum {
                Checksum::Ignore => "",
                Checksum::DropBad => ", packets with wrong checksums left out",
            }
        ),
        Kind::Flows(options) => {
            let text = flows(options, inputs);
            let early = match &options.early[..] {
                [] => String::new(),
                _ => format!("; early rows at {}", options.stages().join(", ")),
            };
            let said = |filter: Option<String>| {
                let filter = filter.map(|filter| {
                    format!(", as a capture filter `{filter}` (for packets without tags, and first fragments)")
                });
                filter.unwrap_or_default()
            };
            let condition = plan.condition.as_ref();
            let condition = condition.map(|condition| {
                format!("; where over packets{}", said(capture_filter(condition)))
            });
            let pushed = plan.pushed.as_ref();
            let pushed = pushed.map(|pushed| pushed.text() + &said(pushed.capture_filter()));
            let rule = plan.rule.as_ref();
            let rule = rule.map_or("", |_| "; end_when asks each packet");
            format!(
                "{text}{}{}{rule}{early}",
                condition.unwrap_or_default(),
                pushed.unwrap_or_default()
            )
        }
        Kind::Features(features) if plan.written.is_some() => format!(
            "from {inputs}: {} of the {} columns of the rows{}",
            features.plan.schema.len(),
            features.selected,
            match features.derived.schema.len() {
                0 => String::new(),
                derived => format!("; {derived} derived"),
            }
        ),
        Kind::Features(features) => {
            let groups: Vec<&str> = features.plan.groups().collect();
            let needs = features.plan.needs();
            let payload = match needs.payload {
                0 => "not read".to_owned(),
                bytes => format!("{bytes} bytes of each packet"),
            };
            let each = features
                .plan
                .bytes_per_flow()
                .iter()
                .map(|(_, bytes)| bytes)
                .sum::<usize>();
            format!(
                "from {inputs}: {} ({} of {} columns); {each} B/flow; payload {payload}{}{}{}",
                groups.join("+"),
                features.plan.schema.len(),
                operators::features::catalogue()
                    .len()
                    .max(features.selected),
                if needs.headers { ", headers" } else { "" },
                match features.derived.schema.len() {
                    0 => String::new(),
                    derived => format!("; {derived} derived"),
                },
                if plan.run.fused {
                    ""
                } else {
                    "; an operator for each group"
                }
            )
        }
        Kind::Filter(filter) => describe_filter(plan, inputs, filter),
        Kind::View(view) => describe_view(view, inputs),
        Kind::Join(join) => describe_join(inputs, join),
        Kind::LookUp => describe_look_ups(plan, inputs),
        Kind::Sink(sink) => format!(
            "{} <- {inputs}, {} columns{}, {}, {}{}",
            match sink.options.path() {
                Some(_) => format!("{} {}", sink.options.kind(), sink.label),
                None => sink.options.kind().to_owned(),
            },
            plan.columns_of(sink).count(),
            if sink.condition.is_some() {
                " where"
            } else {
                ""
            },
            match (&sink.options, sink.options.sort()) {
                (SinkOptions::Stdout(options), _) => format!("the first {} rows", options.rows),
                (_, Sort::Start) => "sorted by start".to_owned(),
                (_, Sort::None) => "in the order of their ends".to_owned(),
            },
            match &sink.options {
                SinkOptions::Stdout(_) | SinkOptions::Arrow(_) => "by one thread",
                _ => "encoded by a thread a worker, written by one",
            },
            match sink.parts {
                Some(_) =>
                    format!("; a file for each path, {MOST_FILES} at most, one open at a time"),
                None => String::new(),
            }
        ),
    }
}

fn describe_view(view: &View, inputs: &str) -> String {
    let rules = &view.rules;
    let window = view.options.window.text();
    let state = format!("{} B a row", 8 * rules.row_words());
    if let Some(text) = rules.text_of_groups() {
        let place = match rules.outer.is_empty() {
            true => "at worker 0",
            false => "in the dataflow of the view that it reads",
        };
        return format!(
            "from {inputs}, {place}; window {window}; {text}; exchanged by group, {state}"
        );
    }
    if let Some(graph) = rules.graph() {
        let [local, whole] = graph.kept();
        let named = |metrics: &[Metric]| {
            let names = metrics.iter().map(|metric| metric.name());
            names.collect::<Vec<_>>().join(", ")
        };
        let mut kept = String::from("incremental: edges");
        if !local.is_empty() {
            let _ = write!(kept, ", {}", named(&local));
        }
        if !whole.is_empty() {
            let _ = write!(
                kept,
                "; per window, of the graph of the tick: {}",
                named(&whole)
            );
        }
        let place = match rules.outer.is_empty() {
            true => "at worker 0",
            false => "in the dataflow of the view that it reads",
        };
        return format!(
            "from {inputs}, {place}; window {window}; {} graph; {kept}; nodes numbered and tables at worker 0, exchanged by node and by edge, {state}",
            if graph.directed {
                "directed"
            } else {
                "undirected"
            },
        );
    }
    let made = rules.strata.iter().flat_map(|stratum| {
        let names = stratum
            .relations
            .iter()
            .filter_map(|at| rules.relations.get(*at));
        names.map(|made| match stratum.is_recursive {
            true => format!("{} (recursive)", made.name),
            false => made.name.clone(),
        })
    });
    let made: Vec<String> = made.collect();
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let mut read = Vec::new();
    if !rules.sources.is_empty() || rules.outer.is_empty() {
        let readings = count(rules.sources.len(), "reading");
        read.push(format!("at worker 0, {readings} of them"));
    }
    if !rules.outer.is_empty() {
        let relations = count(rules.outer.len(), "relation");
        read.push(format!("{relations} of views, in one dataflow with these"));
    }
    format!(
        "from {inputs}, {}; window {window}; incremental: {}; exchanged by what is joined, {state}",
        read.join(", and "),
        made.join(", "),
    )
}

fn describe_look_ups(plan: &Plan, inputs: &str) -> String {
    let stages = plan.features().map(|features| &features.look_ups.stages);
    let stages = stages.into_iter().flatten().map(|stage| {
        let values = stage.questions.iter().flat_map(|one| &one.values);
        let values = values.map(|value| format!("{}: {}", value.feature.name, value.kind));
        let when = match stage.step {
            Some(ns) => format!("as of the end of their step of {}:", Duration(ns)),
            None => "as of the end of the input:".to_owned(),
        };
        format!("{when} {}", values.collect::<Vec<_>>().join(", "))
    });
    let stages: Vec<String> = stages.collect();
    format!(
        "from {inputs}: half-join, rows wait at worker 0, beyond sort_memory on disk; {}",
        stages.join("; then ")
    )
}

fn describe_join(inputs: &str, join: &Join) -> String {
    let options = &join.options;
    let pairs = |pairs: &Pairs| {
        let named = pairs.0.iter().map(|(name, of)| match name == of {
            true => name.clone(),
            false => format!("{name} = {of}"),
        });
        named.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "from {inputs}: {} {} on {}",
        options.with.name(),
        options.path.join(", "),
        pairs(&options.on)
    );
    if options.either_direction {
        text.push_str(", either direction");
    }
    if let Some(time) = &options.time {
        let _ = write!(text, "; {} ", time.row);
        let _ = match &time.to {
            Some(to) => write!(text, "from {} to {to}", time.from),
            None => write!(text, "nearest to {}", time.from),
        };
        if let Some(tolerance) = time.tolerance {
            let _ = write!(text, " within {tolerance}");
        }
        let _ = write!(text, ", {}", time.zone);
    }
    let gives: Vec<&str> = join.gives.schema.iter().map(|one| &*one.name).collect();
    if !gives.is_empty() {
        let _ = write!(text, "; gives {}", gives.join(", "));
    }
    let _ = write!(text, "; {} rows", options.mode.name());
    if options.with.is_table() && options.mode != JoinMode::Anti {
        let _ = write!(text, ", {} of several lines", options.many.name());
    }
    if let Some(joined) = &join.joined {
        let _ = write!(
            text,
            "; {} entries, {} B in each process",
            joined.entries(),
            joined.memory()
        );
    }
    text
}

fn describe_filter(plan: &Plan, inputs: &str, filter: &Filter) -> String {
    let mut text = format!("from {inputs}:");
    if filter.has_where {
        text.push_str(" where;");
    }
    if let Some(share) = filter.sample {
        let _ = write!(text, " {share} of the flows;");
    }
    if !filter.dedup.is_empty() {
        let columns = plan.features().map(|features| {
            let names = filter.dedup.iter().filter_map(|place| {
                let at = features.places.get(place)?;
                features.columns().nth(*at).map(|one| &*one.name)
            });
            names.collect::<Vec<_>>().join(", ")
        });
        let _ = write!(text, " the first of each {};", columns.unwrap_or_default());
    }
    if let Some(limit) = filter.limit {
        let _ = write!(text, " the first {limit};");
    }
    if filter.limit.is_some() || !filter.dedup.is_empty() {
        text.push_str(" at worker 0, when the input has ended;");
    }
    match &filter.routes[..] {
        [] => text.push_str(" one output"),
        routes => {
            let names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
            let mode = match filter.mode {
                Mode::First => "the first of",
                Mode::All => "all of",
            };
            let _ = write!(text, " to {mode} {}", names.join(", "));
        }
    }
    text
}

fn flows(options: &FlowOptions, inputs: &str) -> String {
    let key: Vec<&str> = options.key.iter().map(|part| part.name()).collect();
    format!(
        "from {inputs}: by hash of {} in {SHARDS} shards{}; {} B/flow; idle {}, active {}, {}",
        key.join("+"),
        if options.bidirectional {
            ""
        } else {
            ", each direction by itself"
        },
        FlowTable::BYTES_PER_FLOW,
        idle(&options.idle_timeout),
        options
            .active_timeout
            .0
            .map_or("off".to_owned(), |duration| duration.to_string()),
        match options.terminate {
            Terminate::Tcp => format!("tcp linger {}", options.tcp_linger),
            Terminate::FinRst => "ended by the first FIN or RST".to_owned(),
            Terminate::Never => "not ended by TCP".to_owned(),
        }
    )
}

fn idle(timeout: &IdleTimeout) -> String {
    let text = |ns: Option<i64>| ns.map_or("off".to_owned(), |ns| Duration(ns).to_string());
    let parts = [
        ("tcp", timeout.tcp),
        ("udp", timeout.udp),
        ("icmp", timeout.icmp),
        ("other", timeout.other),
    ];
    if parts.iter().all(|(_, ns)| *ns == timeout.tcp) {
        return text(timeout.tcp);
    }
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, ns)| format!("{name} {}", text(*ns)))
        .collect();
    parts.join(" ")
}
