#!/usr/bin/env python3
"""The recursive view of specs/lateral_movement.toml on generated networks, against plain loops, tick by tick.

    lateral.py BINARY [--networks 10] [--seed 1]

Each network is a capture of logins over a day: some answered, some not, on ports of administration and on others, along chains and
at random. The rows that the program writes say which flows there are; from them alone every relation of the view is computed anew
for every window, and must be the table that the program has at that tick, and what its changes, replayed, have led to. The rules
and the window are those of the spec. Its files are the same for 1, 2 and 3 workers. Needs nothing but Python 3.11.
"""
import argparse
import collections
import csv
import os
import random
import struct
import sys
import tempfile
import tomllib

import kit

SPEC = os.path.join(kit.REPOSITORY, "specs", "lateral_movement.toml")
RELATIONS = ["hop", "path", "spread", "wide"]
PORTS = [22, 135, 445, 3389, 5985]
HOUR, MINUTE, MS = 3_600_000_000_000, 60_000_000_000, 1_000_000
SIZE, STEP = 6 * HOUR, MINUTE


def packet(time, src, dst, sport, dport, flags):
    """a TCP segment without data as a record of a capture (ns)"""
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, bytes([10, 0, 0, src]), bytes([10, 0, 0, dst]))
    tcp = struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 1000, 0, 0)
    frame = bytes(12) + b"\x08\x00" + ip + tcp
    return struct.pack("<IIII", *divmod(time, 1_000_000_000), len(frame), len(frame)) + frame


def network(chance, path):
    """writes the capture of a network"""
    hosts, logins = chance.randrange(4, 16), []
    port = 10_000

    def login(time, src, dst):
        nonlocal port
        time -= time % MS  # a number of seconds in a CSV file is a float, which has no ns
        port += 1
        service = chance.choice(PORTS if chance.random() < 0.8 else [80, 443])
        logins.append((time, packet(time, src, dst, port, service, 2)))
        if chance.random() < 0.85:
            logins.append((time + MS, packet(time + MS, dst, src, service, port, 18)))

    for _ in range(chance.randrange(10, 60)):
        login(chance.randrange(24 * HOUR), chance.randrange(hosts), chance.randrange(hosts))
    for _ in range(chance.randrange(6)):
        time, at = chance.randrange(24 * HOUR), chance.randrange(hosts)
        for _ in range(chance.randrange(2, 7)):
            to = chance.randrange(hosts)
            login(time, at, to)
            # at most an hour lies between two logins, and not a millisecond more
            time, at = time + chance.choice([0, chance.randrange(HOUR), HOUR, HOUR + MS]), to
    start = 1_700_000_000_000_000_000
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time, record in sorted(logins):
            seconds, ns = divmod(start + time, 1_000_000_000)
            file.write(struct.pack("<II", seconds, ns) + record[8:])


def text(capture, workers, folder):
    """the spec: the view as it is shipped, all of its relations, and the rows"""
    with open(SPEC, "rb") as file:
        view = tomllib.load(file)["views"]["lateral"]
    if view["window"] != {"sliding": "6h", "step": "1m"}:
        sys.exit(f"{SPEC} has another window than this script: {view['window']}")
    lines = ["spec = 1", "[sources]", f"path = '{capture}'", "[features]", 'groups = ["flow_meta"]', "[views.lateral]",
             'window = { sliding = "6h", step = "1m" }', f"max_iterations = {view['max_iterations']}", f"rules = '''{view['rules']}'''",
             "[run]", f"workers = {workers}", "[sinks.rows]", 'input = "features"', f"path = '{folder}/rows.csv'", "overwrite = true",
             'columns = ["src_ip", "dst_ip", "dst_port", "start_time", "end_time", "packets_bwd"]']
    for relation in RELATIONS:
        for emit in ["snapshot", "changes"]:
            lines += [f"[sinks.{relation}_{emit}]", f'input = "lateral.{relation}"', f'emit = "{emit}"', "overwrite = true",
                      f"path = '{folder}/{relation}_{emit}.csv'"]
    return "\n".join(lines) + "\n"


def ns(seconds):
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part.ljust(9, "0"))


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def plain(flows):
    """every relation over some flows, by loops over what is there until nothing new comes"""
    hop = {(src, dst, start) for src, dst, port, start, _, answers in flows if port in PORTS and answers > 0 and src != dst}
    path, new = set(hop), set(hop)
    while new:
        new = {(first, to, then) for first, mid, at in new for src, to, then in hop if src == mid and at <= then <= at + HOUR} - path
        path |= new
    spread = collections.defaultdict(set)
    for first, to, _ in path:
        if first != to:
            spread[first].add(to)
    spread = {(first, str(len(to))) for first, to in spread.items()}
    return {"hop": hop, "path": path, "spread": spread, "wide": {row for row in spread if int(row[1]) >= 5}}


def values(relation, row):
    return (row[0], row[1], ns(row[2])) if relation in ("hop", "path") else tuple(row)


def differences(folder):
    """what differs in the tables of a run, and the number of ticks"""
    flows = [(src, dst, int(port), ns(start), ns(end), int(answers)) for src, dst, port, start, end, answers in table(f"{folder}/rows.csv")]
    tick = {flow: flow[4] // STEP for flow in flows}
    last = max(tick.values())
    ticks = sorted({at for first in tick.values() for at in (first, first + SIZE // STEP) if at <= last})
    expected = {(at + 1) * STEP: plain([flow for flow in flows if tick[flow] <= at < tick[flow] + SIZE // STEP]) for at in ticks}
    found = []
    for relation in RELATIONS:
        shown, changed = collections.defaultdict(set), collections.defaultdict(list)
        for at, *row in table(f"{folder}/{relation}_snapshot.csv"):
            shown[ns(at)].add(values(relation, row))
        for at, diff, *row in table(f"{folder}/{relation}_changes.csv"):
            changed[ns(at)].append((int(diff), values(relation, row)))
        found += [f"{relation}: rows at {at}, which is no tick" for at in {*shown, *changed} - {*expected}]
        holds, before = set(), set()
        for at, tables in expected.items():
            for diff, row in sorted(changed[at]):
                (holds.add if diff > 0 else holds.discard)(row)
            # a flow that is no login makes no tick: the table is the one before
            table_then = before if at not in shown and before == tables[relation] else shown[at]
            before = tables[relation]
            for name, rows in [("snapshot", table_then), ("changes", holds)]:
                if rows != tables[relation]:
                    found.append(f"{relation} {name} at {at}: too many {sorted(rows - tables[relation])}, lacking {sorted(tables[relation] - rows)}")
    return found, len(ticks)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed, ticks, rows = 0, 0, 0
    for seed in range(options.seed, options.seed + options.networks):
        with tempfile.TemporaryDirectory() as folder:
            capture = os.path.join(folder, "in.pcap")
            network(random.Random(seed), capture)
            files = []
            for workers in [1, 2, 3]:
                own = os.path.join(folder, str(workers))
                os.mkdir(own)
                kit.run_spec(options.binary, text(capture, workers, own), os.path.join(folder, "spec"))
                files.append({name: open(os.path.join(own, name), "rb").read() for name in sorted(os.listdir(own)) if name.endswith(".csv")})
            found, count = differences(os.path.join(folder, "1"))
            found += [f"{workers} workers: {name} is another file" for workers, other in zip([2, 3], files[1:])
                      for name in files[0] if other[name] != files[0][name]]
            ticks += count
            rows += sum(text.count(b"\n") - 1 for name, text in files[0].items() if name.endswith("_changes.csv"))
        failed += bool(found)
        for line in found:
            print(f"DIFFERENT network {seed}: {line}")
    print(f"lateral: {options.networks} networks, {options.networks - failed} equal; {ticks} ticks, {rows} changes, 1, 2 and 3 workers")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
