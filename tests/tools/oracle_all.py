#!/usr/bin/env python3
"""Our rows and books against the slow independent implementation of the definitions, on every open capture.

    oracle_all.py BINARY [JOBS [VARIANT...]]

Compared: all columns of the five groups, with flow_id and sequences, by the rule of each column and null against value;
flow_end_reason, flow_segment and initiator_swapped; the order of the rows; packets read, used and skipped by reason. The variants
are the settings below, all of them by default. Known differences: tests/oracle_differences.toml; the field of a line is
VARIANT.COLUMN, its value the number of rows.
"""
import concurrent.futures
import contextlib
import io
import json
import os
import re
import sys
import tempfile

import kit

KNOWN = os.path.join(kit.REPOSITORY, "tests", "oracle_differences.toml")
FEATURES = "flow_id = true\nraw_sequences = true\nsplt = true"
# name -> (settings of the spec, settings of the oracle)
VARIANTS = {
    "default": ("", {}),
    "short": ('idle_timeout = "500ms"\nactive_timeout = "2s"\ntcp_linger = "100ms"', {"idle_timeout": 0.5, "active_timeout": 2.0, "tcp_linger": 0.1}),
    "fin_rst": ('terminate = "fin-rst"\ninitiator = "first"', {"terminate": "fin-rst", "initiator": "first"}),
    "vlan": ('key = ["5tuple", "vlan"]', {"key_vlan": True}),
    "icmp_id": ('icmp_key = "id"', {"icmp_key": "id"}),
}
# the identifier is part of every flow_id with icmp_key = "id", 0xFFFFFFFF where the packet has none (semantics.md section 6); the
# oracle adds it to the ids of ICMP flows only
SKIPPED = {"icmp_id": {"flow_id"}}
BESIDE = ("flow_end_reason", "flow_segment", "initiator_swapped")       # columns that the catalogue does not have


def oracle():
    """the modules of the reference material"""
    folder = os.path.join(kit.SHARED, "features")
    if folder not in sys.path:
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
    import golden
    from oracle.__main__ import report, rows
    from oracle.settings import Settings
    return golden, report, rows, Settings


def compare(task):
    """(lines `FIELD VALUE`, details) of one capture and one variant"""
    binary, capture, variant = task
    golden, report, rows, Settings = oracle()
    flows, settings = VARIANTS[variant]
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "ours")
        kit.run_spec(binary, kit.spec(kit.capture_path(capture), base + ".csv", flows, FEATURES), base)
        actual = golden.read_rows(base + ".csv") if os.path.exists(base + ".csv") else []
        with open(base + ".json") as file:
            summary = json.load(file)
    expected, _, books = rows(kit.capture_path(capture), Settings(**settings), set(kit.GROUPS))
    lines, details = [], []
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        report(expected, actual, SKIPPED.get(variant, frozenset()))
    for line in said.getvalue().splitlines():
        if found := re.match(r"oracle \d+ records, ours \d+; paired \d+, only oracle (\d+), only ours (\d+)", line):
            lines += [f"{name} {count}" for name, count in zip(("only_oracle", "only_ours"), found.groups()) if count != "0"]
        elif found := re.match(r"(\w+) +\w+ +(\d+)/\d+ differ", line):
            lines.append(f"{found[1]} {found[2]}")
        elif (found := re.match(r" +columns missing in ours \((\d+)\)", line)) and actual:
            lines.append(f"columns_missing {found[1]}")
        if line.startswith(" "):
            details.append(line.strip())
    pairs, missing, extra = golden.pair_rows(expected, actual)
    for name in BESIDE:
        wrong = [(e, a) for e, a in pairs if golden.cell(e[name]) != a.get(name)]
        if wrong:
            lines.append(f"{name} {len(wrong)}")
            details += [f"{name}: {golden.short(e)}: oracle {e[name]} ours {a.get(name)}" for e, a in wrong[:2]]
    place = {id(row): number for number, row in enumerate(actual)}
    wanted = {id(row): number for number, row in enumerate(expected)}
    places = [place[id(a)] for e, a in sorted(pairs, key=lambda pair: wanted[id(pair[0])])]
    if places != sorted(places):
        lines.append("order 1")
    packets = summary["packets"]
    mine = {"read": packets["read"], "used": packets["used"], **{k: v for k, v in packets["skipped"].items() if v}}
    theirs = {"read": books.read, "used": books.used, **{k: v for k, v in books.skipped.items() if v}}
    lines += [f"books.{key} {mine.get(key, 0)}/{theirs.get(key, 0)}" for key in {**mine, **theirs} if mine.get(key, 0) != theirs.get(key, 0)]
    return [f"{variant}.{line}" for line in lines], details


def main(binary, jobs="2", *variants):
    chosen = variants or tuple(VARIANTS)
    known = kit.Known(KNOWN, lambda line: line.split()[1].split(".")[0] in chosen)
    failed = unknown = equal = 0
    tasks = [(os.path.abspath(binary), capture, variant) for variant in chosen for capture in kit.captures()]
    with concurrent.futures.ProcessPoolExecutor(int(jobs)) as pool:
        for task, result in [(task, pool.submit(compare, task)) for task in tasks]:
            capture = task[1]
            try:
                lines, details = result.result()
            except Exception as error:                      # whatever goes wrong with one capture, the others are compared
                failed += 1
                print(f"FAILED {capture} ({task[2]}): {error!r}")
                continue
            equal += not lines
            unknown += known.judge([f"{capture} {line}" for line in lines], details)
    code = known.close(unknown, f"oracle: {len(tasks)} comparisons, {equal} equal, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
