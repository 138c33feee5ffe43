//! The settings of the connection graph and of windows.

use super::graph::Metric;
use crate::columns::FlowEdge;
use crate::features::Expressions;
use crate::flows::Open;
use crate::options::{
    Duration, OptionError, OptionValue, Options, Setting, Step, Wrong, read_table, table_kind,
    wrong_kind,
};

/// Settings of the connection graph.
#[derive(Clone, Debug, PartialEq, Options)]
pub struct ConnectionOptions {
    /// Which records the values of a row are over: `"all"`, `{ tumbling = "60s" }` or `{ sliding = "300s", step = "10s" }`, by the
    /// time of their last packet, or with `by = "start_time"` by that of their first.
    #[option(default = "all")]
    pub window: Window,
    /// Whether a node is an address with a port instead of an address.
    #[option(default = "false")]
    pub use_ports: bool,
    /// Degrees, clustering, betweenness and communities.
    #[option(default = "true")]
    pub metrics: bool,
    /// Adds `conn_src_flow_rate`, `conn_temporal_spread` and `conn_burst_connections`.
    #[option(default = "false")]
    pub temporal: bool,
    /// What makes a community.
    #[option(default = "label_propagation")]
    pub communities: Communities,
    /// Values over the records that started before or with the row's own, so that no row knows what came later.
    #[option(default = "false")]
    pub asof: bool,
    /// Nodes up to which betweenness is exact.
    #[option(default = "5000")]
    pub max_nodes: usize,
    /// Nodes that betweenness is estimated from in larger graphs.
    #[option(default = "256")]
    pub pivots: usize,
}

impl OptionValue for ConnectionOptions {
    fn kind() -> String {
        table_kind::<Self>()
    }
    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let options: Self = read_table(setting)?;
        let other = |key: &str, text: &str| {
            let wrong: OptionError = Wrong::Other(text.to_owned()).into();
            Err(wrong.inside(Step::Key(key.to_owned())))
        };
        if options.asof && options.window != Window::All {
            return other(
                "asof",
                "`asof` is over all records so far: leave out `window`",
            );
        }
        if options.pivots == 0 {
            return other("pivots", "expected 1 or more, found 0");
        }
        Ok(options)
    }
}

/// Settings of a view: of groups, or of rules.
#[derive(Clone, Debug, Options)]
pub struct ViewOptions {
    /// Groups: only the rows for which this expression is true count.
    #[option(name = "where")]
    pub condition: Option<String>,
    /// Groups: the columns that the rows of a group agree in; `[]` = one group of all.
    #[option]
    pub group_by: Option<Vec<String>>,
    /// Groups: a table `{ name = "expression" }` of columns behind these, over aggregates such as `count()`, `distinct(dst_ip)` or
    /// `sum(total_bytes where dst_port == 443)`.
    #[option]
    pub select: Expressions,
    /// Groups: only those for which this expression is true are in the view; over its columns and aggregates.
    #[option]
    pub having: Option<String>,
    /// Groups: only the first `n` by a column, `{ by = "bytes", n = 20, per = [] }`; as many for each value of the columns `per`.
    #[option]
    pub top: Option<TopOptions>,
    /// A graph instead of groups: which columns hold the nodes that an edge starts and ends at, what it weighs, and whether it has a
    /// direction: `{ from = "src_ip", to = "dst_ip", weight = "1", directed = true }`. Its relations are `nodes` and `edges`.
    #[option]
    pub graph: Option<GraphOptions>,
    /// Graphs: what is measured of nodes; `{ betweenness = { max_nodes = 5000, pivots = 256 } }` says up to how many nodes betweenness
    /// is exact, and from how many it is estimated in larger graphs.
    #[option]
    pub metrics: Vec<Measure>,
    /// Rules instead of groups: `name(column, ...) :- condition, condition.`, over the nodes that the view reads.
    #[option]
    pub rules: Option<String>,
    /// Which flows are in the view together: `"all"`, `{ tumbling = "60s" }` or `{ sliding = "300s", step = "10s" }`, by the time of
    /// their last packet, or with `by = "start_time"` by that of their first.
    #[option(default = "all")]
    pub window: Window,
    /// When rows that look it up see it: `"end"`, at the end of the step of their window, or `"input"`, at the end of the input. By
    /// default `"end"` with a window and `"input"` without.
    #[option]
    pub asof: Option<AsOf>,
    /// Whether relations may be joined that share no variable.
    #[option(default = "false")]
    pub allow_cross: bool,
    /// Turns of a recursion at most: a run whose view needs more fails.
    #[option(default = "1000")]
    pub max_iterations: u64,
    /// Rows of a relation at most: a run whose view has more fails.
    #[option(default = "50000000")]
    pub max_rows: u64,
}

/// What is an edge of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Options)]
pub struct GraphOptions {
    /// The column with the node that an edge starts at: an address or a text.
    #[option(required)]
    pub from: String,
    /// The column with the node that it ends at.
    #[option(required)]
    pub to: String,
    /// What it weighs: an expression over a row that gives a whole number, 0 or more; by default 1.
    #[option]
    pub weight: Option<String>,
    /// Whether it has a direction.
    #[option(default = "true")]
    pub directed: bool,
}

impl OptionValue for GraphOptions {
    fn kind() -> String {
        table_kind::<Self>()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let options: Self = read_table(setting)?;
        if options.from.is_empty() || options.to.is_empty() {
            let text = "`graph` needs `from` and `to`: the columns with the ends of an edge";
            return Err(Wrong::Other(text.to_owned()).into());
        }
        Ok(options)
    }
}

/// What is measured of nodes, with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// As it is by default.
    Of(Metric),
    /// Betweenness.
    Betweenness(BetweennessOptions),
}

/// How betweenness is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub struct BetweennessOptions {
    /// Nodes up to which it is exact.
    #[option(default = "5000")]
    pub max_nodes: usize,
    /// Nodes that it is estimated from in larger graphs.
    #[option(default = "256")]
    pub pivots: usize,
}

impl OptionValue for BetweennessOptions {
    fn kind() -> String {
        table_kind::<Self>()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let options: Self = read_table(setting)?;
        if options.pivots == 0 {
            let wrong: OptionError = Wrong::Other("expected 1 or more, found 0".to_owned()).into();
            return Err(wrong.inside(Step::Key("pivots".to_owned())));
        }
        Ok(options)
    }
}

impl Measure {
    /// What is measured.
    pub const fn metric(self) -> Metric {
        match self {
            Self::Of(metric) => metric,
            Self::Betweenness(_) => Metric::Betweenness,
        }
    }
}

impl OptionValue for Measure {
    fn kind() -> String {
        "text, or a table { betweenness }".to_owned()
    }

    fn choices() -> Vec<&'static str> {
        Metric::choices()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let Setting::Table(parts) = setting else {
            return Metric::read(setting).map(Self::Of);
        };
        let known = || vec![Metric::Betweenness.name().to_owned()];
        match &parts[..] {
            [(name, value)] if known().contains(name) => BetweennessOptions::read(value)
                .map(Self::Betweenness)
                .map_err(|error| error.inside(Step::Key(name.clone()))),
            [] => Err(Wrong::Other(format!("expected {}", Self::kind())).into()),
            [(name, _), ..] if !known().contains(name) => {
                let wrong = OptionError::from(Wrong::UnknownKey(name.clone(), known()));
                Err(wrong.inside(Step::Key(name.clone())))
            }
            [_, (name, _), ..] => {
                let text = "one measure in a table: further ones stand beside it in the list";
                let wrong = OptionError::from(Wrong::Other(text.to_owned()));
                Err(wrong.inside(Step::Key(name.clone())))
            }
            _ => wrong_kind(&Self::kind(), setting),
        }
    }
}

/// Which groups are kept.
#[derive(Clone, Debug, PartialEq, Eq, Options)]
pub struct TopOptions {
    /// The column that decides: the greatest come first.
    #[option(required)]
    pub by: String,
    /// How many.
    #[option(default = "20")]
    pub n: usize,
    /// Columns for each of whose values as many are kept; none = of all.
    #[option]
    pub per: Option<Vec<String>>,
}

impl OptionValue for TopOptions {
    fn kind() -> String {
        table_kind::<Self>()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let options: Self = read_table(setting)?;
        if options.by.is_empty() {
            let text = "`top` needs `by`: the column that decides";
            return Err(Wrong::Other(text.to_owned()).into());
        }
        if options.n == 0 {
            let wrong: OptionError = Wrong::Other("expected 1 or more, found 0".to_owned()).into();
            return Err(wrong.inside(Step::Key("n".to_owned())));
        }
        Ok(options)
    }
}

/// When a view is seen by rows that look it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum AsOf {
    /// At the end of the step in which the last packet of the flow came.
    End,
    /// At the end of the input.
    Input,
}

/// What makes a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Options)]
pub enum Communities {
    /// Synchronous label propagation.
    #[option(name = "label_propagation")]
    LabelPropagation,
    /// What is connected at all.
    Components,
    /// Largest modularity by moving nodes.
    Louvain,
    /// Largest modularity by joining communities.
    Greedy,
}

/// Which records are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Window {
    /// All.
    #[default]
    All,
    /// Those of the last `size`, looked at every `step`; with equal lengths, windows tumble.
    Sliding {
        /// How long a record stays, ns.
        size: i64,
        /// From one look to the next, ns.
        step: i64,
        /// Which time of a record counts.
        by: By,
    },
}

/// Which time of a record decides in which window it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Options)]
pub enum By {
    /// That of its last packet, by the clock of the capture.
    #[default]
    #[option(name = "end_time")]
    End,
    /// That of its first packet.
    #[option(name = "start_time")]
    Start,
}

impl Window {
    /// The look at which a record is first seen whose last packet came at this clock.
    pub const fn tick(step: i64, clock: i64) -> i64 {
        clock.div_euclid(step)
    }

    /// The clock that decides in which window a record is. By start that is the time of its first packet; where time runs backward,
    /// no earlier than a record can have begun that may still be open.
    pub fn clock(&self, edge: &FlowEdge, open: Open) -> i64 {
        match (self, open.active) {
            (Self::Sliding { by: By::Start, .. }, Some(active)) => {
                edge.start.max(edge.clock.saturating_sub(active))
            }
            (Self::Sliding { by: By::Start, .. }, None) => edge.start,
            _ => edge.clock,
        }
    }

    /// How long after the clock that decides a record is known at the latest, ns; `None` = at the end of the input.
    pub fn lag(&self, open: Open) -> Option<i64> {
        match self {
            Self::Sliding { by: By::Start, .. } => Some(open.idle?.saturating_add(open.active?)),
            _ => open.idle,
        }
    }

    /// As a spec has it.
    pub fn text(&self) -> String {
        let Self::Sliding { size, step, by } = self else {
            return "all".to_owned();
        };
        let of = match by {
            By::End => "",
            By::Start => " by start_time",
        };
        match size == step {
            true => format!("tumbling {}{of}", Duration(*size)),
            false => format!("sliding {}, step {}{of}", Duration(*size), Duration(*step)),
        }
    }
}

impl Window {
    /// A tick as a time of the graph: in the same order, from 0.
    pub(super) const fn time(tick: i64) -> u64 {
        tick.cast_unsigned() ^ (1 << 63)
    }

    /// The tick of a time of the graph.
    pub(super) const fn of_time(time: u64) -> i64 {
        (time ^ (1 << 63)).cast_signed()
    }
}

impl OptionValue for Window {
    fn kind() -> String {
        "`\"all\"`, { tumbling = \"60s\" } or { sliding = \"300s\", step = \"10s\" }, with `by`"
            .to_owned()
    }

    fn read(setting: &Setting) -> Result<Self, OptionError> {
        let parts = match setting {
            Setting::Text(text) if text == "all" => return Ok(Self::All),
            Setting::Table(parts) => parts,
            other => return wrong_kind(&Self::kind(), other),
        };
        let (mut tumbling, mut sliding, mut step) = (None, None, None);
        let mut by = By::End;
        for (name, value) in parts {
            let inside = |error: OptionError| error.inside(Step::Key(name.clone()));
            let place = match name.as_str() {
                "tumbling" => &mut tumbling,
                "sliding" => &mut sliding,
                "step" => &mut step,
                "by" => {
                    by = By::read(value).map_err(inside)?;
                    continue;
                }
                _ => {
                    let known = ["tumbling", "sliding", "step", "by"]
                        .map(str::to_owned)
                        .to_vec();
                    let wrong = OptionError::from(Wrong::UnknownKey(name.clone(), known));
                    return Err(wrong.inside(Step::Key(name.clone())));
                }
            };
            let Duration(ns) = Duration::read(value).map_err(inside)?;
            if ns <= 0 {
                return Err(inside(
                    Wrong::Other("expected more than 0".to_owned()).into(),
                ));
            }
            *place = Some(ns);
        }
        match (tumbling, sliding, step) {
            (Some(size), None, None) => Ok(Self::Sliding {
                size,
                step: size,
                by,
            }),
            (None, Some(size), Some(step)) if size % step == 0 => {
                Ok(Self::Sliding { size, step, by })
            }
            (None, Some(_), Some(step)) => {
                let text = format!("`sliding` must be a multiple of `step`, {}", Duration(step));
                Err(OptionError::from(Wrong::Other(text)).inside(Step::Key("sliding".to_owned())))
            }
            _ => Err(Wrong::Other(format!("expected {}", Self::kind())).into()),
        }
    }
}
