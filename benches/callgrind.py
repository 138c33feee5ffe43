"""Instructions a packet, by stage: what a regression shows in on a noisy machine too.

The release binary runs under callgrind on two lengths of the standard trace with one worker; the difference of the two, a packet,
leaves out start and end. Instructions go to the source file that they come from, also where the compiler inlined it; those of the
standard library to the function that called it in.
"""
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter

LENGTHS = 50_000, 100_000
# stage: what the path of a source file or the name of a function has, looked for in this order
STAGES = {
    **{stage: rf"(?<!src/dataflow/)\boperators/{stage}\b|jayflow_operators::{stage}\b" for stage in
       ("sources", "decode", "flows", "features", "statistics", "columns", "sinks")},
    "other operators": r"jayflow_operators::",
    "parquet, arrow": r"\b(parquet|arrow(_\w+)?)(-\d|::)|/(parquet|arrow)-",
    "compression": r"zstd|ZSTD|HUF_|FSE_|lz4|snap|zlib",
    "copy, compare, fill": r"mem(cpy|move|set|cmp|chr)",
    "allocator": r"malloc|free|calloc|realloc|__rust_|alloc::alloc",
    "numbers as text": r"\b(zmij|itoa)\b",
    "hashing": r"siphasher|foldhash|hashbrown",
    "timely": r"timely",
}
REST = "rest"


def profile(command, folder):
    """instructions by (file, function), each where they are"""
    out = os.path.join(folder, "callgrind.out")
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--quiet", *command], check=True)
    with open(out) as file:
        return parse(file)


def parse(lines):
    """The format of callgrind: names are given once and then by number; the line behind `calls=` has the cost of what was called."""
    names, costs = {}, Counter()
    file = function = ""
    skip = False
    for line in lines:
        if found := re.match(r"(c?)(fl|fi|fe|fn|ob)=\((\d+)\)(?: (.*))?", line):
            called, kind, number, name = found.groups()
            key = ("fn" if kind == "fn" else "ob" if kind == "ob" else "file", number)
            name = names.setdefault(key, name) if name else names[key]
            if not called and kind == "fn":
                function = name
            elif not called and kind != "ob":
                file = name
        elif line.startswith("calls="):
            skip = True
        elif line[:1] in "0123456789+-*":
            if not skip:
                costs[file, function] += int(line.split()[1])
            skip = False
    return costs


def stage_of(place):
    for text in place:
        for stage, pattern in STAGES.items():
            if re.search(pattern, text):
                return stage
    return REST


def report(jayflow, traces, cases):
    """Markdown: a line a stage, a column a case; `cases` has (spec, format) by name."""
    if not shutil.which("valgrind"):
        raise SystemExit("instructions are counted by valgrind, which is missing: install the package valgrind")
    costs = {}
    for name, (spec, form) in cases.items():
        found = []
        for length in LENGTHS:
            trace = traces.get(f"standard-{length}")
            with tempfile.TemporaryDirectory(prefix="jayflow-bench-") as folder:
                out = os.path.join(folder, "out." + form)
                found.append(profile([jayflow, "extract", *trace.inputs, "-s", spec, "-o", out, "-q", "-w", "1"], folder))
        found[1].subtract(found[0])
        costs[name] = {place: cost / (LENGTHS[1] - LENGTHS[0]) for place, cost in found[1].items()}
    stages = {name: Counter() for name in cases}
    for name, places in costs.items():
        for place, cost in places.items():
            stages[name][stage_of(place)] += cost
    lines = [f"Instructions a packet, standard trace, from packet {LENGTHS[0]:,} to {LENGTHS[1]:,}, one worker:", "",
             "| stage | " + " | ".join(cases) + " |", "|---|" + "--:|" * len(cases)]
    for stage in [*STAGES, REST]:
        lines.append(f"| {stage} | " + " | ".join(f"{stages[name][stage]:,.0f}" for name in cases) + " |")
    lines.append("| all | " + " | ".join(f"{sum(stages[name].values()):,.0f}" for name in cases) + " |")
    for name, places in costs.items():
        lines += ["", f"Most, {name}:", ""]
        functions = Counter()
        for (_, function), cost in places.items():
            functions[function] += cost
        lines += [f"    {cost:6,.0f}  {function[:120]}" for function, cost in functions.most_common(15)]
    return "\n" + "\n".join(lines) + "\n"
