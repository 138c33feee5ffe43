#!/usr/bin/env python3
"""The speed and memory of jayflow as ratios, against other programs and against itself: one command fills the table of README.md.

    run.py [NAME ...] [--rounds 5] [--python joyfuljay=PATH] [--python nfstream=PATH] [--python cicflowmeter=PATH]
    run.py instructions | groups | views [--python networkx=PATH]

Without a name everything but these three is measured. In each round every program runs once, each in a fresh process, in an
order that turns; ratios are taken round by round, so that a slow spell of the machine meets both sides. Time is CPU time, user and
system, with the processes that a program starts; only where it says so it is the wall clock. Programs that are not there are left
out, loudly. Python 3.10 or newer, standard library; the traces need an interpreter with numpy (`--python numpy=PATH`).
"""
import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import callgrind
import measure
from measure import middle
from traces import BENCH, REPOSITORY, Traces

SPECS = os.path.join(REPOSITORY, "specs")
FIVE, CORE, ALL = (os.path.join(SPECS, f"{name}.toml") for name in ("quickstart", "core", "all"))
NS, MIB = 1e9, 1 << 20


# ------------------------------------------------------------------------------------------------ what is run
@dataclass
class Case:
    """A program on a trace."""
    what: str
    trace: str
    command: Callable  # (programs, trace, path of its output) -> list of words
    tree: bool = False  # its memory is that of several processes


def ours(what, trace, spec, form, *options, tree=False):
    def command(programs, trace, out):
        return [programs["jayflow"], "extract", *trace.inputs, "-s", spec, "-o", f"{out}.{form}", "-q", *options]
    return Case(what, trace, command, tree)


def five(what, trace, *options, form="parquet", tree=False):
    return ours(f"five groups, {what}", trace, FIVE, form, *options, tree=tree)


def peer(name, trace):
    def command(programs, trace, out):
        return [programs[name.split("-")[0]], "-B", os.path.join(BENCH, "peers.py"), "--worker", name, *trace.inputs, out + ".csv"]
    return Case(f"{name}, CSV", trace, command, tree=True)


def alone(name, what, trace):
    return Case(what, trace, lambda programs, trace, out: [programs[name], *trace.inputs])


def joyfuljay(programs, trace, out):
    return [programs["joyfuljay"], "-B", os.path.join(REPOSITORY, "benches/joyfuljay_five.py"), *trace.inputs, out + ".csv"]


ONE, TWO = ("-w", "1"), ("-w", "2")
SLIDING = ("--set", 'features.groups=["flow_meta","timing","size","tcp","entropy","connection"]',
           "--set", 'features.connection={window={sliding="300s",step="10s"}}')
CASES = {
    "floor": alone("floor", "floor: read, parse, fold; no output", "standard"),
    "core": ours("core spec, Parquet", "standard", CORE, "parquet", *ONE),
    "flowscope": alone("flowscope", "flowscope, 33 columns, no output", "standard"),
    "five": five("Parquet", "standard", *ONE),
    "five-csv": five("CSV", "standard", *ONE, form="csv"),
    "five-arrow": five("Arrow", "standard", *ONE, form="arrow"),
    "five-plain": five("Parquet", "plain", *ONE),
    "all": ours("all groups, Parquet", "standard", ALL, "parquet", *ONE),
    "all-csv": ours("all groups, CSV", "standard", ALL, "csv", *ONE),
    "all-plain": ours("all groups, Parquet", "plain", ALL, "parquet", *ONE),
    "joyfuljay-dpkt": peer("joyfuljay-dpkt", "plain-50000"),
    "joyfuljay": Case("joyfuljay, dpkt, the same five groups, CSV", "plain-50000", joyfuljay),
    "nfstream": peer("nfstream-stats", "standard"),
    "cicflowmeter": peer("cicflowmeter", "standard-50000"),
    "flood": five("1,000,000 flows of one packet, Parquet", "flood", *ONE, "--idle-timeout", "off", "--max-flows", "2000000"),
    "elephant": five("1,000,000 packets of one flow, Parquet", "elephant", *ONE),
    "hub": five("1,000,000 packets with one host, Parquet", "hub", *ONE),
    "reuse": five("1,000,000 packets of ports used again and again, Parquet", "reuse", *ONE),
    "long": five("ten times as long, Parquet", "standard*10", *ONE),
    "graph": five("connection graph of 300 s, every 10 s, Parquet", "standard", *ONE, *SLIDING),
    "graph-unsorted": five("connection graph of 300 s, every 10 s, Parquet, rows as windows close", "standard", *ONE, *SLIDING, "--sort", "none"),
    "graph-long": five("connection graph of 300 s, every 10 s, ten times as long, Parquet, rows as windows close", "standard*10", *ONE, *SLIDING, "--sort", "none"),
    "five-unsorted": five("Parquet, rows as flows end", "standard", *ONE, "--sort", "none"),
    "long-unsorted": five("ten times as long, Parquet, rows as flows end", "standard*10", *ONE, "--sort", "none"),
}
# the same on one worker and on two, whose second is the first with "-2"
INPUTS = {"one file": ("standard",), "16 files": ("archive",), "16 files merged": ("archive", "--merge", "all"),
          "gzip": ("standard.gz",), "zstd": ("standard.zst",), "pcapng": ("pcapng",)}
for name, (trace, *options) in INPUTS.items():
    for workers in (1, 2):
        CASES[f"{name}-{workers}"] = five(f"{name}, workers {workers}, Parquet", trace, "-w", str(workers), *options)
for workers in (4, 8):
    CASES[f"one file-{workers}"] = five(f"one file, workers {workers}, Parquet", "standard", "-w", str(workers))
for processes in (1, 2, 4):
    options = ["-w", "1", "--processes", str(processes)]
    CASES[f"processes-{processes}"] = five(f"one file, processes {processes}, Parquet", "standard", *options, tree=True)


# ------------------------------------------------------------------------------------------------ what is compared
@dataclass
class Row:
    """A line of the table: of one figure of a case the ratio to that of another, or the figure itself."""
    group: str  # the name on the command line
    what: str
    of: str
    to: str | None = None
    figure: str = "cpu"
    least: float | None = None  # the goal, and what is aimed for
    aim: float | None = None
    unit: str = "x"
    more: bool = False  # whether more is better

    def cases(self):
        return [case for case in (self.of, self.to) if case]

    def verdict(self, value):
        if self.least is None:
            return ""
        meets = (lambda goal: value >= goal) if self.more else (lambda goal: value <= goal)
        return "aim met" if meets(self.aim) else "met" if meets(self.least) else "**missed**"


ROWS = [
    Row("core", "core spec against the floor", "core", "floor", least=3, aim=2.5),
    Row("floor", "five groups, Parquet, against the floor", "five", "floor"),
    Row("flowscope", "flowscope (33 columns, no output) against core spec (Parquet)", "flowscope", "core", least=1, aim=2, more=True),
    Row("joyfuljay", "JoyfulJay (dpkt, same groups, CSV) against five groups (Parquet)", "joyfuljay", "five-plain", least=300, aim=600, more=True),
    Row("nfstream", "NFStream (statistics, CSV) against five groups (Parquet)", "nfstream", "five", least=30, aim=60, more=True),
    Row("cicflowmeter", "cicflowmeter (CSV) against five groups (Parquet)", "cicflowmeter", "five", more=True),
    Row("all", "all groups, Parquet, against the floor", "all", "floor", least=16, aim=8),
    Row("all", "all groups, CSV instead of Parquet", "all-csv", "all", least=1.4, aim=1.25),
    Row("joyfuljay", "JoyfulJay (dpkt, all groups, CSV) against all groups (Parquet)", "joyfuljay-dpkt", "all-plain", least=150, aim=300, more=True),
    Row("nfstream", "NFStream (statistics, CSV) against all groups (Parquet)", "nfstream", "all", least=15, aim=30, more=True),
    Row("csv", "five groups, CSV instead of Parquet", "five-csv", "five", least=1.5, aim=1.25),
    Row("arrow", "five groups, Arrow instead of Parquet", "five-arrow", "five"),
]
ROWS += [
    Row("graph", "five groups with the connection graph of 300 s, every 10 s, against without", "graph", "five", least=1.5, aim=1.25),
    Row("graph", "ten times as long: peak memory with the graph, `sort = \"none\"`", "graph-long", "graph-unsorted", "peak", least=1.2, aim=1.05),
]
for name in INPUTS:
    goals = {"least": 1.25, "aim": 1.1} if name in ("one file", "16 files") else {}
    ROWS.append(Row("workers2", f"{name}: 2 workers against 1, CPU", f"{name}-2", f"{name}-1", **goals))
    goals = {"one file": {"least": 1.5, "aim": 1.8}, "16 files": {"least": 1.6, "aim": 1.9}}.get(name, {})
    ROWS.append(Row("workers2", f"{name}: 1 worker against 2, wall clock", f"{name}-1", f"{name}-2", "wall", more=True, **goals))
ROWS += [Row("workers", f"one file: {workers} workers against 1, CPU", f"one file-{workers}", "one file-1") for workers in (4, 8)]
for processes in (2, 4):
    ROWS.append(Row("processes", f"{processes} processes of one worker against 1, CPU", f"processes-{processes}", "processes-1"))
    ROWS.append(Row("processes", f"{processes} processes: bytes over the loopback device", f"processes-{processes}", None, "wire", unit="B/packet"))
ROWS += [
    Row("memory", "1,000,000 one-packet flows, five groups: peak memory", "flood", None, "peak", least=900, aim=500, unit="MB"),
    Row("memory", "1,000,000 packets of one flow, five groups: peak memory", "elephant", None, "peak", unit="MB"),
    Row("memory", "1,000,000 packets with one host, five groups: peak memory", "hub", None, "peak", unit="MB"),
    Row("memory", "1,000,000 packets of ports used again and again, five groups: peak memory", "reuse", None, "peak", unit="MB"),
    Row("memory", "ten times as long a capture, five groups: peak memory", "long", "five", "peak", least=1.2, aim=1.05),
    Row("memory", "the same with `sort = \"none\"`", "long-unsorted", "five-unsorted", "peak"),
    Row("bytes", "bytes of a TCP connection of 20 packets, core spec", CORE, None, "plan", least=640, aim=384, unit="B"),
    Row("bytes", "bytes of a TCP connection of 20 packets, five groups", FIVE, None, "plan", least=1400, aim=900, unit="B"),
    Row("bytes", "bytes of a TCP connection of 20 packets, all groups", ALL, None, "plan", least=4096, aim=2048, unit="B"),
]


def figure(name, run, packets):
    """one figure of a run, in the unit of the table"""
    return {"cpu": lambda: run.cpu * NS / packets, "wall": lambda: run.wall, "peak": lambda: run.peak / 1e6, "wire": lambda: run.wire / packets}[name]()


SPECIAL = ["instructions", "groups", "views"]  # only where they are named


# ------------------------------------------------------------------------------------------------ measuring
def programs_of(given, folder):
    """the programs by name: those that are given, else built; peers where their module can be imported; and why others are missing"""
    found, missing = dict(given), {}
    if "jayflow" not in found or "floor" not in found:
        subprocess.run(["cargo", "build", "--release", "--bin", "jayflow", "--example", "floor"], cwd=REPOSITORY, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target"))
        found.setdefault("jayflow", os.path.join(target, "release/jayflow"))
        found.setdefault("floor", os.path.join(target, "release/examples/floor"))
    if "flowscope" not in found:
        manifest = os.path.join(REPOSITORY, "benches/flowscope/Cargo.toml")
        built = subprocess.run(["cargo", "build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", folder])
        if built.returncode:
            missing["flowscope"] = "it could not be built"
        found["flowscope"] = os.path.join(folder, "release/flowscope")
    for module in ("joyfuljay", "nfstream", "cicflowmeter"):
        python = found.setdefault(module, sys.executable)
        look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"
        if subprocess.run([python, "-c", look]).returncode:
            missing[module] = f"{python} has no module {module}; name one that has with --python {module}=PATH"
    return found, missing


def measure_rounds(cases, rounds, programs, traces, folder):
    """the runs of each case, and why those failed that are left out"""
    runs, failed = {name: [] for name in cases}, {}
    for case in cases:
        try:
            traces.get(CASES[case].trace)
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            failed[case] = str(error)
            print(f"FAILED {case}: {error}", file=sys.stderr)
    for turn in range(rounds):
        at = turn % len(cases)
        for name in cases[at:] + cases[:at]:
            if name in failed:
                continue
            case, out = CASES[name], os.path.join(folder, "out")
            try:
                trace = traces.get(case.trace)
                done = measure.run(case.command(programs, trace, out), case.tree)
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                failed[name] = str(error)
                print(f"FAILED {name}: {error}", file=sys.stderr)
                continue
            finally:
                for left in os.listdir(folder):
                    os.remove(os.path.join(folder, left))
            if found := re.search(r"^RESULT (.*)", done.said, re.M):
                done.cpu = json.loads(found[1]).get("cpu_s", done.cpu)
            runs[name].append(done)
            print(f"round {turn + 1}: {name}: {done.cpu * NS / trace.packets:.0f} ns/packet, {done.wall:.2f} s, {done.peak / MIB:.0f} MiB", file=sys.stderr)
    return {name: done for name, done in runs.items() if name not in failed}, failed


def bytes_of_plan(jayflow, spec):
    said = subprocess.run([jayflow, "explain", "--memory", spec], capture_output=True, text=True, check=True).stdout
    always, _, after_20, _ = map(int, re.search(r"^together" + r"\s+\+?(\d+)" * 4, said, re.M).groups())
    return always + after_20


def columns_of(jayflow, spec):
    said = subprocess.run([jayflow, "explain", spec], capture_output=True, text=True, check=True).stdout
    return re.search(r"^(\d+) columns;", said, re.M)[1]


def values_of(row, runs, packets, jayflow):
    """the values of a row, one a round"""
    if row.figure == "plan":
        return [bytes_of_plan(jayflow, row.of)]
    of = [figure(row.figure, run, packets(row.of)) for run in runs[row.of]]
    if row.to is None:
        return of
    return [a / b for a, b in zip(of, (figure(row.figure, run, packets(row.to)) for run in runs[row.to]))]


def groups_alone(traces):
    """CPU of each group of features alone, packets that have found their records to rows, as `benches/groups.rs` measures it"""
    trace = traces.get("standard")
    said = subprocess.run(["cargo", "bench", "--bench", "main", "--", "groups"], cwd=REPOSITORY, check=True, capture_output=True, text=True,
                          env=os.environ | {"JAYFLOW_TRACE": os.path.abspath(trace.inputs[0])}).stdout
    units = {"µs": 1e3, "ms": 1e6, "s": 1e9}
    cells = re.findall(r"[├╰]─ (\w+) +([\d.]+) (\S+) +│ +[\d.]+ \S+ +│ +([\d.]+) (\S+)", said)
    lines = ["\nEach group alone, standard trace, ns a packet, records found before and rows made: median, least.\n", "| group | median | least |", "|---|--:|--:|"]
    cost = lambda value, unit: float(value) * units[unit] / trace.packets
    rows = sorted((-cost(median, unit), name, cost(least, least_unit)) for name, least, least_unit, median, unit in cells)
    return "\n".join(lines + [f"| {name} | {-median:.0f} | {least:.0f} |" for median, name, least in rows]) + "\n"


# the connection graph: (what, a line of `benches/views.rs` that has it, place of the figure in it, unit, at least, aim, more is better)
COUNTS, CLUSTERING, EVERYTHING = VIEWS = ("counts and degrees", "and clustering", "all")
LINES = {
    "change": r"records loaded in ([\d.]+) ms; 1000 come in ([\d.]+) ms \(worst [\d.]+\), (\d+) times faster; 1000 come and 1000 go in ([\d.]+) ms",
    "held": r"loaded in ticks of 10000 in ([\d.]+) ms; ([\d.]+) bytes and ([\d.]+) updates a record",
    "slide": r"; (\d+) updates and (\d+) KiB resident when it is full, \d+ and \d+ after 20 windows, (\d+) and (\d+) at most",
}
SNAPSHOTS = {"components": 1, "label_propagation": 1, "pagerank": 2, "kcore": None, "louvain": None, "betweenness of 256 pivots": None}


def bench_lines(name, folder):
    """what a bench of `views.rs` prints, from a process of its own"""
    said = subprocess.run(["cargo", "bench", "--bench", "main", "--", f"views::{name}"], cwd=REPOSITORY, check=True, capture_output=True, text=True,
                          env=os.environ | {"JAYFLOW_EDGES": folder})
    return said.stdout


def views_alone(python):
    """the connection graph by itself, beside networkx and rustworkx on the same graphs"""
    with tempfile.TemporaryDirectory(prefix="jayflow-views-") as folder:
        found = {}
        for measures in VIEWS:
            for bench, line in LINES.items():
                said = bench_lines(f"{bench}::{measures}$", folder)
                found[bench, measures] = [float(value) for value in re.search(line, said).groups()]
        table = re.search(r"table of .*", bench_lines("table", folder))[0]
        said = bench_lines("snapshot", folder)
        units = {"µs": 1e-6, "ms": 1e-3, "s": 1}
        cells = re.findall(r"[├╰]─ ([\w ]+?) +[\d.]+ \S+ +│ +[\d.]+ \S+ +│ +([\d.]+) (\S+)", said)
        snapshots = {name: float(value) * units[unit] for name, value, unit in cells}
        theirs, why = {}, ""
        try:
            done = subprocess.run([python, "-B", os.path.join(REPOSITORY, "benches/graphs.py"), folder], check=True, capture_output=True, text=True)
            theirs = json.loads(done.stdout)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            why = f"\nLEFT OUT: networkx: {error}; name an interpreter that has it and rustworkx with --python networkx=PATH\n"
    lines = ["\nThe connection graph by itself: 1,000,000 records between 50,000 hosts, power law, one scanner with 40,000 destinations; one worker.\n",
             "| what | counts and degrees | with clustering | all that is counted | at least | |", "|---|--:|--:|--:|--:|---|"]

    def line(what, values, least=None, more=False):
        goals = least if isinstance(least, tuple) else (least,) * 2
        meets = [value >= goal if more else value < goal for value, goal in zip(values, goals) if goal is not None]
        verdict = ("met" if all(meets) else "**missed**") if meets else ""
        texts = ", ".join(f"{goal:,g}" for goal in dict.fromkeys(goals) if goal is not None)
        lines.append(f"| {what} | {' | '.join(number(value) for value in values)} | {texts} | {verdict} |")

    of = lambda bench, place: [found[bench, measures][place] for measures in VIEWS]
    line("records a second, loaded at once", [1e9 / ms for ms in of("change", 0)], 300_000, True)
    line("records a second, in ticks of 10,000", [1e9 / ms for ms in of("held", 0)])
    line("1,000 records come, ms", of("change", 1), (5, 150))
    line("the same against loading all again, times", of("change", 2), 100, True)
    if theirs:
        whole = [1e3 * theirs["networkx counts and degrees"], 1e3 * theirs["networkx counts, degrees and clustering"]]
        line("the same against networkx, times", [theirs / ours for theirs, ours in zip(whole, of("change", 1))] + [float("nan")], 1000, True)
    line("1,000 records come and 1,000 go, ms", of("change", 3))
    line("bytes resident a record", of("held", 1), (100, 1700))
    line("updates held a record", of("held", 2))
    line("a window that slides by 20 times its length: updates at most against when it is full", [line[2] / line[0] for line in (found["slide", one] for one in VIEWS)], 1.2)
    line("the same, bytes resident", [line[3] / line[1] for line in (found["slide", one] for one in VIEWS)], 1.2)
    lines += ["\nMeasures of a snapshot of 100,000 nodes and 1,000,000 edges, seconds (`betweenness` of others: from few starts, scaled to 256).\n",
              "| measure | jayflow | networkx | rustworkx | below | |", "|---|--:|--:|--:|--:|---|"]
    for name, most in SNAPSHOTS.items():
        other = [f"{theirs[key]:.3g}" if (key := f"{program} {name}") in theirs else "" for program in ("networkx", "rustworkx")]
        verdict = "" if most is None else "met" if snapshots[name] < most else "**missed**"
        lines.append(f"| {name} | {snapshots[name]:.3g} | {' | '.join(other)} | {most or ''} | {verdict} |")
    return "\n".join(lines) + f"\n\nA {table}.\n" + why


# ------------------------------------------------------------------------------------------------ reporting
def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def spread(values):
    median, least, most = middle(values)
    return number(median), f"{number(least)} to {number(most)}" if len(values) > 1 else ""


def report(rows, runs, failed, missing, programs, traces, args, load):
    packets = lambda case: traces.get(CASES[case].trace).packets
    jayflow = programs["jayflow"]
    versions = [measure.first_line([jayflow, "--version"]) + " at " + measure.first_line(["git", "-C", REPOSITORY, "describe", "--always", "--dirty"]),
                measure.first_line(["rustc", "--version"])]
    lines = [
        f"{measure.today()}; {measure.machine()}; load {load[0]:.2f} before, {os.getloadavg()[0]:.2f} after; {'; '.join(versions)}.",
        f"Rounds: {args.rounds}. Five groups: {columns_of(jayflow, FIVE)} columns; core spec: {columns_of(jayflow, CORE)} columns; one worker"
        " where it does not say more. Cells: median of the rounds, least to most.", "",
        "| what | median | spread | at least | aim | |", "|---|--:|---|--:|--:|---|",
    ]
    for row in rows:
        values = values_of(row, runs, packets, jayflow)
        median, range_ = spread(values)
        goal = lambda value: "" if value is None else f"{value:g}"
        lines.append(f"| {row.what} | {median} {row.unit} | {range_} | {goal(row.least)} | {goal(row.aim)} | {row.verdict(middle(values)[0])} |")
    lines += ["", "| program and output | trace | packets | CPU ns/packet | spread | wall s | peak MiB |", "|---|---|--:|--:|---|--:|--:|"]
    for name, done in runs.items():
        count = packets(name)
        median, range_ = spread([figure("cpu", run, count) for run in done])
        wall, peak = middle([run.wall for run in done])[0], max(run.peak for run in done) / MIB
        lines.append(f"| {CASES[name].what} | {CASES[name].trace} | {count:,} | {median} | {range_} | {wall:.2f} | {peak:.0f} |")
    lines += [f"\nLEFT OUT: {name}: {why.splitlines()[0]}" for name, why in (missing | failed).items()]
    return "\n".join(lines) + "\n"


def main():
    groups = list(dict.fromkeys(row.group for row in ROWS))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(groups)}, {', '.join(SPECIAL)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", action="append", default=[], metavar="NAME=PATH", help="jayflow, floor or flowscope, instead of building it")
    parser.add_argument("--python", action="append", default=[], metavar="MODULE=PATH", help="the interpreter that has joyfuljay, nfstream, cicflowmeter or numpy")
    parser.add_argument("--traces", default=os.path.join(REPOSITORY, "target/traces"), help="where the traces are kept (default: %(default)s)")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables there too")
    args = parser.parse_args()
    names = args.names or groups
    if unknown := set(names) - {*groups, *SPECIAL}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(groups)}, {', '.join(SPECIAL)}")
    given = dict(word.split("=", 1) for word in args.program + args.python)
    traces = Traces(args.traces, given.pop("numpy", sys.executable))
    load = os.getloadavg()
    programs, missing = programs_of(given, os.path.join(REPOSITORY, "target/flowscope"))
    rows = [row for row in ROWS if row.group in names and row.group not in missing]
    cases = list(dict.fromkeys(case for row in rows for case in row.cases() if case in CASES))
    text = ""
    if rows:
        cases = ["floor"] + [case for case in cases if case != "floor"]  # the yardstick of every run
        with tempfile.TemporaryDirectory(prefix="jayflow-bench-") as folder:
            runs, failed = measure_rounds(cases, args.rounds, programs, traces, folder)
        rows = [row for row in rows if not failed.keys() & set(row.cases())]
        missing = {name: why for name, why in missing.items() if name in names}
        text = report(rows, runs, failed, missing, programs, traces, args, load)
    if "groups" in names:
        text += groups_alone(traces)
    if "views" in names:
        text += views_alone(given.get("networkx", sys.executable))
    if "instructions" in names:
        text += callgrind.report(programs["jayflow"], traces, {"core spec, Parquet": (CORE, "parquet"), "five groups, Parquet": (FIVE, "parquet"), "five groups, CSV": (FIVE, "csv"), "all groups, Parquet": (ALL, "parquet")})
    print(text)
    if args.markdown:
        with open(args.markdown, "w") as file:
            file.write(text)
    return 1 if "LEFT OUT" in text and args.names else 0


if __name__ == "__main__":
    sys.exit(main())
