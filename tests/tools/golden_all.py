#!/usr/bin/env python3
"""Our rows against golden files of the Python package JoyfulJay: columns that it computes as defined.

    golden_all.py BINARY [JOBS]

The rows are those of the preset `joyfuljay`, with the idle timeout off (JoyfulJay looks at it with every 10,000th packet only, and no
golden capture is that long) and with the columns that options add. Records that differ, and columns whose catalogue status is `exact`, are reported. Known
differences: tests/golden_differences.toml, lines `CAPTURE COLUMN ROWS`.
"""
import os
import sys
import tempfile

import kit
import oracle_all

KNOWN = os.path.join(kit.REPOSITORY, "tests", "golden_differences.toml")
GROUPS = [*kit.GROUPS, "connection"]
# the golden files were made with all options on, and with an extractor of HTTP/2
SPEC = """spec = 1
extends = "joyfuljay"
[sources]
path = '{capture}'
[flows]
idle_timeout = "off"
[features]
groups = ["all", "connection"]
splt = true
connection = {{ temporal = true }}
[sinks]
path = '{out}'
"""


def same(golden, column, expected, actual):
    """whether two rows agree in a column; a null is none with `missing = "default"`, and the comparer would take it for the default"""
    name = column["name"]
    missing = actual[name] == "" != expected[name]
    return not missing and golden.equal(column["compare"], column["dtype"], column["default"], expected[name], actual[name], expected, name)


def compare(binary, capture):
    """(lines `FIELD VALUE`, details) of one capture"""
    golden, *_ = oracle_all.oracle()
    catalogue = golden.load_catalogue(os.path.join(kit.SHARED, "features", "features.csv"))
    expected = golden.read_rows(os.path.join(kit.SHARED, "features", "golden", os.path.basename(capture) + ".csv.gz"))
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "ours")
        kit.run_spec(binary, SPEC.format(capture=kit.capture_path(capture), out=base + ".csv"), base)
        actual = golden.read_rows(base + ".csv")
    pairs, missing, extra = golden.pair_rows(expected, actual)
    lines = [f"{name} {len(rows)}" for name, rows in (("only_golden", missing), ("only_ours", extra)) if rows]
    details = [f"{'only golden' if row in missing else 'only ours'}: {golden.short(row)}" for row in (missing + extra)[:4]]
    for name, column in catalogue.items():
        exact = column["group"] in GROUPS and column["reference_status"] == "exact" and column["compare"] != "none"
        if not exact or name not in expected[0] or name == "flow_id":
            continue
        if actual and name not in actual[0]:
            lines.append(f"{name} missing")
            continue
        wrong = [(e, a) for e, a in pairs
                 if not same(golden, column, e, a) and not golden.known_defect(column, e)]
        if wrong:
            lines.append(f"{name} {len(wrong)}")
            details += [f"{name}: {golden.short(e)}: golden {e[name]} ours {a[name]}" for e, a in wrong[:2]]
    return lines, details


def main(binary, jobs="2"):
    known = kit.Known(KNOWN)
    folder = os.path.join(kit.SHARED, "features", "golden")
    names = {name.removesuffix(".csv.gz") for name in os.listdir(folder) if name.endswith(".csv.gz")}
    captures = [capture for capture in kit.captures() if os.path.basename(capture) in names]
    failed = unknown = equal = 0
    if len(captures) != len(names):
        sys.exit(f"{len(names)} golden files, but {len(captures)} of their captures")
    for capture, result in kit.each(lambda capture: compare(os.path.abspath(binary), capture), captures, int(jobs)):
        if isinstance(result, Exception):
            failed += 1
            print(f"FAILED {capture}: {result!r}")
            continue
        lines, details = result
        equal += not lines
        unknown += known.judge([f"{capture} {line}" for line in lines], details)
    code = known.close(unknown, f"golden: {len(captures)} captures, {equal} equal, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
