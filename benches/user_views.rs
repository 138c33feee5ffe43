//! Views of users beside the same views written by hand: what a round of changes costs, on one worker and on two.
//!
//! 400,000 flows between 20,000 hosts, then 21 rounds of 1,000 that come and 1,000 that go. By hand, rows are tuples of what is needed,
//! and the operators those of differential that fit best.

use differential_dataflow::VecCollection;
use differential_dataflow::input::Input as _;
use differential_dataflow::operators::{CountTotal as _, ThresholdTotal as _};
use divan::Bencher;
use jayflow_operators::expressions::{Constant, Context, Field, Known, Type};
use jayflow_operators::views::graph::Spell;
use jayflow_operators::views::rules::{
    self, GroupForm, Plan, ReadFrom, Relation, RelationColumn, RuleOptions, compile, compile_group,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::dataflow::Scope;
use timely::dataflow::operators::probe::Handle;

const HOSTS: u64 = 20_000;
const FLOWS: usize = 400_000;
const CHANGE: usize = 1_000;
const ROUNDS: usize = 21;

/// Source, destination, bytes.
type Flow = (u32, u32, u64);

fn flows() -> Arc<Vec<Flow>> {
    let mut state = 7_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut flow = || {
        let (from, to) = (next() % HOSTS, next() % HOSTS);
        (from as u32, to as u32, next() % 100_000)
    };
    Arc::new((0..FLOWS + ROUNDS * CHANGE).map(|_| flow()).collect())
}

/// Flows as words.
fn words((from, to, bytes): Flow) -> [u64; 4] {
    [from.into(), to.into(), bytes, 0]
}

type Rows<'scope, D> = VecCollection<'scope, u64, D, isize>;

/// How long the flows take to load, and a round of changes: the median.
fn measure<D: differential_dataflow::ExchangeData>(
    workers: usize,
    flows: &Arc<Vec<Flow>>,
    row: fn(Flow) -> D,
    view: impl for<'s> Fn(Scope<'s, u64>, Rows<'s, D>, &Handle<u64>) + Send + Sync + 'static,
) -> (Duration, Duration) {
    let flows = Arc::clone(flows);
    let done = timely::execute(timely::Config::process(workers), move |worker| {
        let probe = Handle::new();
        let mut input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, rows) = scope.new_collection();
            view(scope, rows, &probe);
            input
        });
        let is_first = worker.index() == 0;
        let mut time = 0;
        let mut round = |come: &[Flow], go: &[Flow]| {
            let start = Instant::now();
            if is_first {
                come.iter().for_each(|flow| input.insert(row(*flow)));
                go.iter().for_each(|flow| input.remove(row(*flow)));
            }
            time += 1;
            input.advance_to(time);
            input.flush();
            worker.step_while(|| probe.less_than(&time));
            start.elapsed()
        };
        let load = round(&flows[..FLOWS], &[]);
        let changes = (0..ROUNDS).map(|at| {
            let at = at * CHANGE;
            let come = &flows[FLOWS + at..FLOWS + at + CHANGE];
            round(come, &flows[at..at + CHANGE])
        });
        let mut changes: Vec<Duration> = changes.collect();
        changes.sort_unstable();
        (load, changes[ROUNDS / 2])
    });
    let done = done.unwrap().join().into_iter().map(Result::unwrap);
    done.max().unwrap()
}

fn context() -> Context {
    let mut context = Context::new("");
    for (place, name) in (0..).zip(["src", "dst", "bytes"]) {
        let field = Field {
            place,
            kind: Type::Int,
            null: false,
        };
        context.add(name, Known::Field(field));
    }
    context
}

fn group() -> Plan {
    let form = GroupForm {
        name: "talkers",
        inputs: 1,
        by: vec!["src"],
        select: vec![
            ("flows", "count()"),
            ("peers", "distinct(dst)"),
            ("bytes", "sum(bytes)"),
        ],
        ..GroupForm::default()
    };
    compile_group(&form, &context(), &mut Vec::new()).unwrap()
}

fn relation() -> Relation {
    let columns = (0..).zip(["src", "dst", "bytes"]);
    Relation {
        name: "flows".to_owned(),
        from: ReadFrom::Input(0),
        columns: columns
            .map(|(place, name)| RelationColumn {
                name: name.to_owned(),
                kind: Type::Int,
                null: false,
                place,
            })
            .collect(),
    }
}

/// Hosts two steps away, of hosts with a number that 16 divides, and how many there are.
const RULES: &str = "
hop(a, b) :- flows(src: a, dst: b).
two(a, c) :- hop(a, b), hop(a: b, b: c), a % 16 == 0.
wide(a, hosts: count(c)) :- two(a, c).
";

/// The view of a plan whose sources take flows as they are.
fn planned(plan: Plan) -> impl for<'s> Fn(Scope<'s, u64>, Rows<'s, [u64; 4]>, &Handle<u64>) {
    move |scope, rows, probe| {
        assert_eq!(plan.row_words(), 4);
        let sources: Vec<_> = plan.sources.iter().map(|_| rows.clone()).collect();
        let spell: Spell = std::rc::Rc::new(|_| Constant::Null);
        let built = rules::build(scope, &plan, &sources, |_| 100, &spell);
        for made in built.relations {
            made.probe_with(probe);
        }
    }
}

fn group_by_hand<'s>(_: Scope<'s, u64>, rows: Rows<'s, Flow>, probe: &Handle<u64>) {
    use differential_dataflow::AsCollection as _;
    use timely::dataflow::operators::vec::Map as _;
    // all three are added up in one arrangement
    let pairs = rows.clone().map(|(from, to, _)| (from, to));
    let peers = pairs.distinct_total().inner;
    let peers = peers.map(|((from, _), time, diff)| (from, time, (0, diff, 0)));
    rows.inner
        .map(|((from, _, bytes), time, diff)| (from, time, (diff, 0, bytes as isize * diff)))
        .as_collection()
        .concat(peers.as_collection())
        .count_total()
        .map(|(from, (flows, peers, bytes))| (from, flows, peers, bytes))
        .probe_with(probe);
}

fn rules_by_hand<'s>(_: Scope<'s, u64>, rows: Rows<'s, Flow>, probe: &Handle<u64>) {
    let hops = rows.map(|(from, to, _)| (from, to)).distinct_total();
    let first = hops.clone().filter(|(from, _)| from % 16 == 0);
    let two = first
        .map(|(from, by)| (by, from))
        .join_map(hops, |_, from, to| (*from, *to))
        .distinct_total();
    let wide = two.map(|(from, _)| from).count_total();
    wide.probe_with(probe);
}

fn tell(view: &str, workers: usize, own: (Duration, Duration), hand: (Duration, Duration)) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{view}, {workers} workers: {FLOWS} flows loaded in {:.0} ms, by hand {:.0}; {CHANGE} come and {CHANGE} go in {:.2} ms, by hand {:.2}: {:.2} times",
        ms(own.0),
        ms(hand.0),
        ms(own.1),
        ms(hand.1),
        ms(own.1) / ms(hand.1),
    );
}

/// Prints what a view of groups costs beside the same by hand.
#[divan::bench(sample_size = 1, sample_count = 1, args = [1, 2])]
fn groups(bencher: Bencher<'_, '_>, workers: usize) {
    let flows = flows();
    bencher.bench(|| {
        let hand = measure(workers, &flows, |flow| flow, group_by_hand);
        let own = measure(workers, &flows, words, planned(group()));
        tell("groups", workers, own, hand);
    });
}

/// The same of rules.
#[divan::bench(sample_size = 1, sample_count = 1, args = [1, 2])]
fn rules_of_two_steps(bencher: Bencher<'_, '_>, workers: usize) {
    let flows = flows();
    bencher.bench(|| {
        let (plan, _) = compile(RULES, &[relation()], RuleOptions::default()).unwrap();
        let hand = measure(workers, &flows, |flow| flow, rules_by_hand);
        let own = measure(workers, &flows, words, planned(plan));
        tell("rules", workers, own, hand);
    });
}

/// Reads, checks and installs a view of 20 rules.
#[divan::bench]
fn install(bencher: Bencher<'_, '_>) {
    let mut text = "r0(a, b) :- flows(src: a, dst: b).\n".to_owned();
    for at in 1..20 {
        let before = at - 1;
        text.push_str(&format!(
            "r{at}(a, b: c) :- r{before}(a, b), flows(src: b, dst: c), a != c.\n"
        ));
    }
    bencher.bench(|| {
        let text = text.clone();
        let done = timely::execute(timely::Config::thread(), move |worker| {
            let (plan, _) = compile(&text, &[relation()], RuleOptions::default()).unwrap();
            let view = planned(plan);
            let probe = Handle::new();
            worker.dataflow::<u64, _, _>(|scope| {
                let (_, rows) = scope.new_collection();
                view(scope, rows, &probe);
            });
        });
        done.unwrap().join().into_iter().for_each(Result::unwrap);
    });
}
