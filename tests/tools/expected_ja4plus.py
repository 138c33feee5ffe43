#!/usr/bin/env python3
"""JA4S, JA4H, JA4X, JA4SSH, JA4T and JA4TS against what FoxIO's own programs are expected to say of open captures
(`pcaps/truth/ja4_expected.jsonl`: Python, Rust, Wireshark). BINARY is a build with the cargo feature `ja4plus`.

    expected_ja4plus.py BINARY [JOBS]

The settings make one record of one conversation. Expectations of Python and Rust name the two ends: our values of that record, in order,
must be theirs. Those of Wireshark name a packet: each must be a value of some record of the capture. Known differences:
tests/expected_ja4plus_differences.toml, one line `CAPTURE COLUMN.PROGRAM NUMBER`, NUMBER = values that differ.
"""
import csv
import json
import os
import sys
import tempfile
from collections import Counter, defaultdict

import kit
from expected_applications import ENDS, SETTINGS, end, rows

KNOWN = os.path.join(kit.REPOSITORY, "tests", "expected_ja4plus_differences.toml")
COLUMNS = ["ja4s", "ja4x", "ja4h", "ja4ssh", "ja4t", "ja4ts"]
# only the first value of a conversation has a column
FIRST = {"ja4s", "ja4h", "ja4t", "ja4ts"}


def listed(value):
    """the values of a cell: lists are JSON"""
    if value.startswith("["):
        return json.loads(value)
    return [value] if value else []


def numbered(row, name):
    return [row[key] for key in sorted((key for key in row if key.startswith(name + ".")), key=lambda key: int(key.split(".")[1]))]


def expectations():
    """(capture -> ends -> (column, program) -> values, capture -> (column, program) -> values of packets)"""
    ended, loose = defaultdict(lambda: defaultdict(lambda: defaultdict(list))), defaultdict(lambda: defaultdict(list))
    seen = set()
    for row in rows("ja4"):
        text = json.dumps(row, sort_keys=True)
        if text in seen:
            continue                                        # some captures are listed twice
        seen.add(text)
        capture, program = row["file"], row["by"].split()[1]
        if program == "wireshark":
            for column in COLUMNS:
                loose[capture][column, program] += row.get(column, [])
            continue
        ports = [row.get(name, row.get(name.replace("_", ""))) for name in ("src_port", "dst_port")]
        if "src" not in row or not all(ports):
            continue
        fields = ended[capture][frozenset([end(row["src"], ports[0]), end(row["dst"], ports[1])])]
        if program == "python":
            found = {"ja4s": row.get("JA4S"), "ja4h": row.get("JA4H"), "ja4x": numbered(row, "JA4X"), "ja4ssh": numbered(row, "JA4SSH")}
        else:
            requests = [request["ja4h"] for request in row.get("http", [])]
            found = {"ja4s": row.get("ja4s"), "ja4h": requests, "ja4x": row.get("ja4x"), "ja4ssh": row.get("ja4ssh"), "ja4t": row.get("ja4t")}
        for column, value in found.items():
            if value:
                fields[column, program] += [value] if isinstance(value, str) else value
    return ended, loose


def compare(binary, capture, ended, loose, folder):
    """(lines `FIELD NUMBER`, details, counts of equal values) of one capture"""
    base = os.path.join(folder, capture.replace("/", "_"))
    names = ", ".join(f'"{name}"' for name in [*ENDS, *COLUMNS])
    text = kit.spec(kit.capture_path(capture), base + ".csv", SETTINGS, f"only = [{names}]").replace("groups = [", 'groups = ["http", ')
    kit.run_spec(binary, text, base)
    different, same, details = Counter(), Counter(), []
    found, everywhere = {}, defaultdict(list)
    if os.path.exists(base + ".csv"):
        with open(base + ".csv", newline="") as file:
            for row in csv.DictReader(file):
                ends = frozenset([end(row["src_ip"], row["src_port"]), end(row["dst_ip"], row["dst_port"])])
                found.setdefault(ends, {column: listed(row[column]) for column in COLUMNS})
                for column in COLUMNS:
                    everywhere[column] += listed(row[column])

    def judge(field, is_equal, mine, theirs):
        if is_equal:
            same[field] += 1
            return
        different[field] += 1
        details.append(f"{field}: ours {mine} theirs {theirs}")

    for ends, fields in ended.items():
        for (column, program), theirs in fields.items():
            mine = found.get(ends, {}).get(column, [])
            theirs = theirs[:1] if column in FIRST else theirs
            judge((column, program), mine == theirs, mine, theirs)
    for (column, program), theirs in loose.items():
        for value in theirs:
            judge((column, program), value in everywhere[column], everywhere[column][:6], value)
    return [f"{column}.{program} {count}" for (column, program), count in sorted(different.items())], details, same


def main(binary, jobs=2):
    ended, loose = expectations()
    known = kit.Known(KNOWN)
    with tempfile.TemporaryDirectory() as folder:
        captures = sorted((set(ended) | set(loose)) & set(kit.captures()))
        one = lambda name: compare(os.path.abspath(binary), name, ended[name], loose[name], folder)
        same, unknown, failed = known.judge_all(one, captures, int(jobs))
    for (column, program), count in sorted(same.items()):
        print(f"{count:6} equal  {column} {program}")
    code = known.close(unknown, f"JA4+ of {len(captures)} captures, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
