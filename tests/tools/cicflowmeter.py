#!/usr/bin/env python3
"""The preset `cicflowmeter` beside the Python package cicflowmeter, column for column, over every open capture.

    cicflowmeter.py BINARY PYTHON [FOLDER [TRACE.pcap]]

PYTHON is an interpreter that has cicflowmeter 0.2.0, scapy and tcpdump; its rows are kept in FOLDER. The tool writes other values than the
ones it names: tests/cicflowmeter_rules.toml has, for each of its columns, an expression that gives what it gives and why the preset
differs. Compared are the tool with that expression, which must be equal, and the tool with the preset, which is shown.

The tool reads TCP and UDP over IPv4 without VLAN tags, ends no record by flags, and cuts records of 90 s or more, or silent for 240 s, at
every 1,000th packet and after 120 s: `cut` counts conversations of which it makes several records or that it cuts short, whose packets
must add up. Other known differences: tests/cicflowmeter_differences.toml, lines `CAPTURE COLUMN ROWS`.
"""
import collections
import functools
import os
import tempfile
import tomllib

import kit
import peer

KNOWN = os.path.join(kit.REPOSITORY, "tests", "cicflowmeter_differences.toml")
RULES = os.path.join(kit.REPOSITORY, "tests", "cicflowmeter_rules.toml")
CODE = """
import csv
from cicflowmeter.sniffer import create_sniffer

def value(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text

def rows(capture, scratch):
    sniffer = create_sniffer(capture, None, "csv", scratch)
    sniffer.start()
    sniffer.join()
    if sniffer.results is None:
        raise RuntimeError("the sniffer ended with an error")
    del sniffer
    if os.path.exists(scratch):
        with open(scratch, newline="") as file:
            yield from ({name: value(text) for name, text in row.items()} for row in csv.DictReader(file))
        os.remove(scratch)
"""
WHERE = "pkt.proto in [6, 17] and ip_version(pkt.src_ip) == 4 and pkt.vlan is null and not pkt.frag_later"
MOST = 65_536


def settings(rules):
    """what is laid over the preset: the flows of the tool, and its columns as t_NAME"""
    lines = ["[flows]", 'idle_timeout = "off"', 'active_timeout = "off"', 'terminate = "never"', 'initiator = "first"', f"where = '{WHERE}'",
             "[features.derive]"]
    lines += [f"t_{name} = '{rule['tool']}'" for name, rule in rules.items() if "tool" in rule]
    # to count bulks and active periods
    lines += [f"p_time = 'list(int(pkt.time), limit={MOST})'", f"p_fwd = 'list(pkt.dir, limit={MOST})'",
              f"p_size = 'list(greatest(pkt.payload_len, pkt.payload_len + pkt.wire_len - pkt.len - 14), limit={MOST})'"]
    return "\n".join(lines)


def statistics(values):
    """mean, deviation, maximum and minimum as the tool takes them, in microseconds"""
    if len(values) < 2:
        return dict.fromkeys(("mean", "std", "max", "min"), 0)
    values = [value / 1e3 for value in values]
    mean = sum(values) / len(values)
    return {"mean": mean, "std": (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5, "max": max(values), "min": min(values)}


def periods(packets):
    """the active and idle times of the tool: it compares a gap with the gap before, not with a time"""
    active, idle = [], []
    first = last = latest = 0
    for time, *_ in packets:
        gap = time - (latest or time)
        if gap > 1_000_000:
            if gap - last > 5_000_000:
                if first != last:
                    active.append(abs(last - first))
                idle.append(gap - last)
                first = gap
            last = gap
        latest = max(latest, time)
    return {f"{name}_{kind}": value for name, times in (("active", active), ("idle", idle)) for kind, value in statistics(times).items()}


class Bulks:
    """the bulks of one direction as the tool counts them"""

    def __init__(self):
        self.start = self.last = self.packets = self.bytes = 0
        self.count = self.all_packets = self.all_bytes = self.all_time = 0

    def add(self, time, size, other):
        if other.last > self.start:
            self.start = 0
        if self.start == 0 or time - self.last > 1_000_000:
            self.start, self.packets, self.bytes = time, 1, size
        else:
            self.packets += 1
            self.bytes += size
            if self.packets == 4:
                self.count += 1
                self.all_packets += 4
                self.all_bytes += self.bytes
                self.all_time += time - self.start
            elif self.packets > 4:
                self.all_packets += 1
                self.all_bytes += size
                self.all_time += time - self.last
        self.last = time

    def columns(self, side):
        share = lambda a, b: a / b if b else 0
        return {f"{side}_byts_b_avg": share(self.all_bytes, self.count), f"{side}_pkts_b_avg": share(self.all_packets, self.count),
                f"{side}_blk_rate_avg": share(self.all_bytes * 1e9, self.all_time)}


def counted(row):
    """the columns that have no expression"""
    packets = list(zip(row["p_time"], row["p_fwd"], row["p_size"]))
    sides = {1: Bulks(), -1: Bulks()}
    for time, side, size in packets:
        if size > 0:
            sides[side].add(time, size, sides[-side])
    return {**periods(packets), **sides[1].columns("fwd"), **sides[-1].columns("bwd")}


def ends(row, names=("src_ip", "src_port", "dst_ip", "dst_port")):
    a, p, b, q = (row[name] for name in names)
    return tuple(sorted(((a, p), (b, q))))


def compare(rules, binary, capture, folder):
    """(lines, details, equal, different) of a capture"""
    path = kit.capture_path(capture)
    others = peer.theirs(path, folder)
    if others is None:
        return ["refused 1"], [], {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        mine = peer.ours(binary, "cicflowmeter", path, scratch, settings(rules))
    sides = collections.defaultdict(lambda: ([], []))
    for row in mine:
        sides[ends(row, ("Src IP", "Src Port", "Dst IP", "Dst Port"))][0].append(row)
    for row in others:
        sides[ends(row)][1].append(row)
    equal, different, wrong = (collections.Counter() for _ in range(3))
    details = []
    for key, (left, right) in sides.items():
        total = lambda rows, names: sum(row[name] for row in rows for name in names)
        a, b = total(left, ("Total Fwd Packet", "Total Bwd packets")), total(right, ("tot_fwd_pkts", "tot_bwd_pkts"))
        if a != b or len(left) != len(right) or len(left) != 1:
            name = "cut" if a == b else "packets"
            wrong[name] += 1
            details.append(f"{name}: {key}: ours {a} packets in {len(left)}, theirs {b} in {len(right)}")
            continue
        row, other = left[0], right[0]
        extra = counted(row) if row["p_time"] and len(row["p_time"]) < MOST else {}
        for name, rule in rules.items():
            shown, value = row[rule["preset"]], other[name]
            model = row[f"t_{name}"] if "tool" in rule else extra.get(name, value) if "why" in rule else shown
            if not near(model, value):
                wrong[name] += 1
                details.append(f"{name}: {key}: as the tool {model}, theirs {value}")
            (equal if near(shown, value) else different)[name] += 1
    return [f"{name} {count}" for name, count in wrong.items()], details[:12], equal, different


def near(mine, other):
    """equal to 1e-6 of the larger: the tool takes differences of times as floats"""
    if isinstance(mine, (int, float)) and isinstance(other, (int, float)):
        return abs(mine - other) <= max(1e-3, 1e-6 * max(abs(mine), abs(other)))
    return mine == other


def main(argv):
    with open(RULES, "rb") as file:
        rules = tomllib.load(file)
    return peer.beside("cicflowmeter", KNOWN, CODE, functools.partial(compare, rules), argv, lambda name: rules[name].get("why", ""))


if __name__ == "__main__":
    peer.start(__doc__, main)
