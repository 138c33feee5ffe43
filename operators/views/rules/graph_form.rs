//! Views in the form of graphs: which rows are edges becomes steps like those of groups; what is made of them is in `views/graph/`.

use super::compile::Found;
use super::group::{OverView, Part, key, over_words, told, word};
use super::named::Named;
use super::plan::{Gives, MAX_WIDTH, Plan, Read, Reading, Source, Step, Steps, Strata};
use crate::expressions::aggregates::Aggregate;
use crate::expressions::syntax::Span;
use crate::expressions::{Checker, Context, Fault, Program, Type, Typed, parse};
use crate::views::graph::{GraphPlan, Metric};
use crate::views::options::Measure;

/// A view as it is written, part by part.
#[derive(Clone, Debug)]
pub struct GraphForm<'a> {
    /// How many inputs it reads, all with the same columns.
    pub inputs: usize,
    /// The relation of another view that it reads instead.
    pub view: Option<OverView>,
    /// Which rows count.
    pub condition: Option<&'a str>,
    /// The column with the node that an edge starts at.
    pub from: &'a str,
    /// The column with the node that it ends at.
    pub to: &'a str,
    /// What it weighs.
    pub weight: &'a str,
    /// Whether it has a direction.
    pub directed: bool,
    /// What is measured of nodes.
    pub metrics: &'a [Measure],
}

/// The plan of a view over rows that have the names of `rows`; `packets` are the aggregates over packets that they have.
///
/// # Errors
/// All that is wrong with it.
pub fn compile_graph(
    form: &GraphForm<'_>,
    rows: &Context,
    packets: &mut Vec<Aggregate>,
) -> Result<Plan, Vec<(Part, Fault)>> {
    let mut faults = Vec::new();
    let mut named = Named::new("compare it in the view that is read, where its rows come in");
    let condition = form.condition.and_then(|text| {
        let checked = match form.view {
            Some(_) => over_words(text, rows, &mut named),
            None => parse(text)
                .and_then(|tree| Checker::rows(rows, text, packets).truth(&tree, "`where`")),
        };
        told(checked, Part::Where, &mut faults)
    });
    let from = told(node(form.from, rows), Part::From, &mut faults);
    let to = told(node(form.to, rows), Part::To, &mut faults);
    let weight = weight(form, rows, packets);
    let weight = told(weight, Part::Weight, &mut faults);
    if let (Some(from), Some(to)) = (&from, &to)
        && from.kind != to.kind
    {
        let message = format!(
            "edges lead from {} `{}` to {} `{}`: nodes are all addresses, or all texts",
            from.kind, form.from, to.kind, form.to
        );
        faults.push((Part::To, Fault::new("E0207", whole(form.to), message)));
    }
    let metrics: Vec<Metric> = form.metrics.iter().map(|one| one.metric()).collect();
    for (at, metric) in metrics.iter().enumerate() {
        if metrics[..at].contains(metric) {
            let message = format!("`{}` is asked for twice", metric.name());
            faults.push((
                Part::Metric(at),
                Fault::new("E0607", whole(metric.name()), message),
            ));
        }
        if !form.directed && matches!(metric, Metric::InDegree | Metric::OutDegree) {
            let message = "edges have no direction here";
            let fault = Fault::new("E0607", whole(metric.name()), message);
            faults.push((Part::Metric(at), fault.help("ask for `degree`")));
        }
    }
    let (Some(from), Some(to), Some(weight), []) = (from, to, weight, &faults[..]) else {
        return Err(faults);
    };
    let graph = GraphPlan {
        directed: form.directed,
        betweenness: (form.metrics.iter())
            .find_map(|one| match one {
                Measure::Betweenness(options) => Some(*options),
                Measure::Of(_) => None,
            })
            .unwrap_or_default(),
        metrics,
        nodes: from.kind.clone(),
    };
    let relations = graph.relations();
    let width = relations.iter().map(|made| made.columns.len()).max();
    let width = width.unwrap_or(1);
    if width > MAX_WIDTH {
        let message =
            format!("`nodes` has {width} columns with these metrics, and can have {MAX_WIDTH}");
        let help = "take it apart: two views of the same graph, each with some of the metrics; `betweenness` has two columns";
        let fault = Fault::new("E0607", Span::default(), message).help(help);
        return Err(vec![(Part::Metrics, fault)]);
    }
    let values = [from, to, weight];
    let program = |values: &[Typed]| Program::new(condition.iter().chain(values));
    let conditions = usize::from(condition.is_some());
    let (steps, sources) = match &form.view {
        Some(view) => {
            let mut scan = Reading::all(Read::Outer(0));
            scan.takes = (0..view.words).map(|word| (word, word)).collect();
            let words: Result<Vec<Typed>, _> = values
                .iter()
                .map(|value| word(value, &mut named, Span::default()))
                .collect();
            let words = words.map_err(|fault| vec![(Part::Whole, *fault)])?;
            let kinds = values.iter().map(|value| value.kind.clone());
            let compute = Step::Compute {
                program: program(&words),
                conditions,
                lets: (0..).zip(kinds).collect(),
                keeps_nulls: false,
            };
            (vec![Step::Scan(scan), compute], Vec::new())
        }
        None => {
            let mut scan = Reading::all(Read::Source(0));
            scan.takes = (0..values.len()).map(|word| (word, word)).collect();
            let source = Source {
                inputs: (0..form.inputs).collect(),
                key: String::new(),
                program: program(&values),
                conditions,
                kinds: values.iter().map(|value| value.kind.clone()).collect(),
                keeps_nulls: false,
                in_order: false,
                summed: Vec::new(),
            };
            (vec![Step::Scan(scan)], vec![source])
        }
    };
    let words = form.view.as_ref().map_or(values.len(), |view| view.words);
    Ok(Plan {
        width: width.max(words),
        constants: named.constants().to_vec(),
        sources,
        outer: form.view.iter().map(|view| view.outer.clone()).collect(),
        relations: relations.into(),
        strata: vec![Strata {
            relations: vec![0, 1],
            is_recursive: false,
        }],
        rules: vec![Steps {
            head: 0,
            steps,
            gives: Gives::Graph(graph),
        }],
    })
}

const fn whole(text: &str) -> Span {
    Span {
        start: 0,
        end: text.len(),
    }
}

/// A column with nodes.
fn node(name: &str, rows: &Context) -> Found<Typed> {
    let typed = key(name, rows)?;
    if matches!(typed.kind, Type::Ip | Type::Text) {
        return Ok(typed);
    }
    let message = format!(
        "a node is an address or a text, and `{name}` is {}",
        typed.kind
    );
    Err(Box::new(Fault::new("E0207", whole(name), message)))
}

/// What an edge weighs: a whole number.
fn weight(form: &GraphForm<'_>, rows: &Context, packets: &mut Vec<Aggregate>) -> Found<Typed> {
    let tree = parse(form.weight)?;
    let mut none = Vec::new();
    let over = match form.view {
        Some(_) => &mut none,
        None => packets,
    };
    let typed = Checker::rows(rows, form.weight, over).check(&tree)?;
    if !none.is_empty() {
        let message = "the rows of a view have no packets";
        return Err(Box::new(Fault::new("E0210", tree.at, message)));
    }
    if typed.kind != Type::Int {
        let message = format!("a weight is a whole number, found {}", typed.kind);
        let fault = Fault::new("E0207", tree.at, message);
        return Err(Box::new(
            fault.help("make one of it, e.g. `int(duration / 1ms)`"),
        ));
    }
    Ok(typed)
}
