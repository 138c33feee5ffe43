//! `explain --analyze`: what the operators of a run did, as text and as JSON.

use super::Plan;
use crate::Report;
use crate::analysis::{Analysis, Measured};
use crate::spec::diagnostic::visible;
use operators::flows::FlowTable;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// Bytes of the state of an open flow, without what it has on the heap.
fn flow_bytes(plan: &Plan) -> usize {
    let groups = plan
        .features()
        .map(|features| features.plan.bytes_per_flow());
    let groups = groups.into_iter().flatten().map(|(_, bytes)| bytes);
    FlowTable::BYTES_PER_FLOW + groups.sum::<usize>()
}

fn state(plan: &Plan, report: &Report, one: &Measured) -> String {
    match (one.name.as_str(), one.held) {
        ("flows", _) => format!(
            "{} open flows at most, {} KiB",
            report.books.flows.most_open.0,
            (report.books.flows.most_open.0 * flow_bytes(plan) as u64).div_ceil(1024)
        ),
        (_, 0) => String::new(),
        (_, held) => format!("{held} updates at most"),
    }
}

/// One operator a line: records read and given, time at work, calls, state.
pub fn analyzed(plan: &Plan, analysis: &Analysis, report: &Report) -> String {
    let head = ["", "operator", "taken", "given", "ms", "calls", "state"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head)
        .chain(analysis.operators().map(|one| {
            [
                visible(&one.dataflow),
                visible(&one.name),
                one.taken.to_string(),
                one.given.to_string(),
                format!("{:.1}", one.active.as_secs_f64() * 1e3),
                one.calls.to_string(),
                state(plan, report, one),
            ]
        }))
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|at| width(at).unwrap_or(0)).collect();
    let mut out = String::new();
    for [dataflow, name, taken, given, ms, calls, state] in &rows {
        let line = format!(
            "{dataflow:<0$}  {name:<1$}  {taken:>2$}  {given:>3$}  {ms:>4$}  {calls:>5$}  {state}",
            widths[0], widths[1], widths[2], widths[3], widths[4], widths[5]
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let active: Duration = analysis.operators().map(|one| one.active).sum();
    let _ = writeln!(
        out,
        "{} rows of {} packets in {:.1} ms on {}; {:.1} ms at work in operators, the sum over workers; nothing was written",
        report.rows,
        report.books.packets.read,
        report.elapsed.as_secs_f64() * 1e3,
        match report.workers {
            1 => "1 worker".to_owned(),
            workers => format!("{workers} workers"),
        },
        active.as_secs_f64() * 1e3,
    );
    out
}

/// The same, for programs.
pub fn analyzed_json(plan: &Plan, analysis: &Analysis, report: &Report) -> Value {
    let operators = analysis.operators().map(|one| {
        json!({
            "dataflow": one.dataflow,
            "operator": one.name,
            "taken": one.taken,
            "given": one.given,
            "seconds": one.active.as_secs_f64(),
            "calls": one.calls,
            "updates_held": one.held,
        })
    });
    json!({
        "spec": plan.digest,
        "rows": report.rows,
        "packets": report.books.packets.read,
        "workers": report.workers,
        "seconds": report.elapsed.as_secs_f64(),
        "open_flows": report.books.flows.most_open.0,
        "state_bytes_per_flow": flow_bytes(plan),
        "operators": operators.collect::<Vec<_>>(),
    })
}
