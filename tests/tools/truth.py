#!/usr/bin/env python3
"""Our rows and books against what tshark says about every open capture (`pcaps/truth` of the reference material).

    truth.py OURS_DIR                        compares OURS_DIR/NAME.csv and NAME.json (rows and summary) of each capture
    truth.py run BINARY OURS_DIR [JOBS]      makes them first

The settings make one record of one conversation: `idle_timeout = "off"`, `terminate = "never"`, `initiator = "first"`.
Compared: packets read, used and skipped as not IP, IP bytes, later fragments, conversations; of each conversation packets, IP
bytes and payload bytes in each direction (payload of TCP and UDP only: the truth has none for other protocols), first and last
time, TCP flags, outer VLAN ids, segments that leave a hole, segments sent again or late, time of the handshake; of captures without
tunnels ICMP messages by type, and packets with MPTCP options; hellos, lines and other messages of application protocols
(truth_applications.py). Later fragments have no ports in the truth: their packets are compared for each pair of addresses. Known
differences: tests/truth_differences.toml.
"""
import csv
import ipaddress
import json
import os
import sys
from collections import Counter

import kit
import truth_applications

KNOWN = os.path.join(kit.REPOSITORY, "tests", "truth_differences.toml")
SETTINGS = 'idle_timeout = "off"\nterminate = "never"\ninitiator = "first"'
HALF_MICROSECOND = 500                                      # ns: a time near 2e9 s as f64 is that exact


def address(text):
    """the bytes of an address; none where the truth has none"""
    return ipaddress.ip_address(text).packed if text else b""


def shown(packed):
    return str(ipaddress.ip_address(packed)) if packed else "?"


def nanoseconds(text):
    """exact, from a decimal text"""
    whole, _, part = text.partition(".")
    value = abs(int(whole)) * 10**9 + int((part + "0" * 9)[:9])
    return -value if whole.startswith("-") else value

# ICMP types, with the column that counts them
ICMP = {
    "icmp": {8: "icmp_echo_request_count", 0: "icmp_echo_reply_count", 3: "icmp_dest_unreachable_count", 11: "icmp_time_exceeded_count"},
    "icmpv6": {128: "icmp_echo_request_count", 129: "icmp_echo_reply_count", 1: "icmp_dest_unreachable_count", 3: "icmp_time_exceeded_count"},
}


class Conversation:
    """one row of ours or one `conv` of the truth, with the smaller endpoint first"""

    def __init__(self, protocol, source, destination, there, back, times, flags):
        self.first_is_source = source <= destination
        ends, ways, marks = [source, destination], [there, back], list(flags)
        if not self.first_is_source:
            ends.reverse(), ways.reverse(), marks.reverse()
        self.key = (protocol, *ends)
        self.packets, self.bytes, self.payload = zip(*ways)
        self.times, self.flags = times, marks

    @property
    def pair(self):
        return self.key[1][0], self.key[2][0]

    def __str__(self):
        protocol, (a, p), (b, q) = self.key
        return f"{protocol} {shown(a)}:{p} {shown(b)}:{q}"


def read(path):
    """the rows of a CSV file; a capture without packets has none"""
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def ours(path, rows):
    found = []
    for row in rows:
        number = {name: int(row[name]) for name in row if name.startswith(("packets_", "bytes_", "payload_bytes_")) and row[name].isdigit()}
        if number["packets_fwd"] + number["packets_bwd"] != int(row["total_packets"]):
            raise ValueError(f"{path}: directions do not add up")
        if number["bytes_fwd"] + number["bytes_bwd"] != int(row["total_bytes"]):
            raise ValueError(f"{path}: bytes of the directions do not add up")
        flags = [int(row["tcp_flags_fwd"] or 0), int(row["tcp_flags_bwd"] or 0)]
        if int(row["tcp_flags_agg"] or 0) != flags[0] | flags[1]:
            raise ValueError(f"{path}: flags of the directions do not add up")
        ways = [(number[f"packets_{d}"], number[f"bytes_{d}"], number[f"payload_bytes_{d}"]) for d in ("fwd", "bwd")]
        source, destination = ((address(row[f"{end}_ip"]), int(row[f"{end}_port"])) for end in ("src", "dst"))
        times = [round(float(row[name]) * 10**9) for name in ("start_time", "end_time")]
        found.append(Conversation(int(row["protocol"]), source, destination, *ways, times, flags))
        found[-1].row = row
    return found


def truth(name):
    """(all lines, conversations, later fragments)"""
    with open(os.path.join(kit.SHARED, "pcaps", "truth", name + ".jsonl")) as file:
        rows = [json.loads(line) for line in file]
    conversations = []
    for row in rows:
        if row["k"] == "conv":
            ways = [(way[0], way[2], way[3]) for way in (row["ab"], row["ba"])]
            flags = [int(mark, 16) & 0xFF for mark in row.get("flags", ("0", "0"))]
            times = [nanoseconds(row["t0"]), nanoseconds(row["t1"])]
            ends = (address(row["a"]), row["ap"]), (address(row["b"]), row["bp"])
            conversations.append(Conversation(row["proto"], *ends, *ways, times, flags))
            conversations[-1].row = row
    return rows, conversations, [row for row in rows if row["k"] == "frag"]


def headers(mine, theirs):
    """(field, ours, truth) of VLAN tags and of the analysis of TCP, of one conversation"""
    def number(name):
        return int(mine[name] or 0)

    # ours are the outer ids, the truth has those of all tags
    stacked = "VLAN-VLAN" in mine["hdr_desc"]
    vlans, known = number("mac_vlan_count"), theirs.get("vlan", [])
    if (vlans > len(known) if stacked else vlans != len(known)) or vlans and number("mac_vlan_id") not in known:
        yield "vlan", (mine["mac_vlan_id"], vlans), known
    if mine["protocol"] != "6":
        return
    analysis = Counter(theirs.get("tcp", {}))
    holes = number("tcp_seq_fwd_gaps") + number("tcp_seq_bwd_gaps")
    if holes != analysis["lost"]:
        yield "holes", holes, analysis["lost"]
    # the truth counts repeated SYN and FIN without payload too
    again, there = number("tcp_total_retrans") + number("tcp_total_ooo"), analysis["retrans"] + analysis["ooo"]
    repeated = sum(max(0, number(f"tcp_{flag}_count") - 1) for flag in ("syn", "synack", "fin"))
    if not again <= there <= again + repeated:
        yield "again", (again, repeated), there
    # repeated ones give none here; the truth also has a time where there was no SYN+ACK
    once = mine["tcp_complete_handshake"] == "true" and number("tcp_syn_count") == number("tcp_synack_count") == 1
    time = mine["tcp_rtt_handshake"]
    if (time or once) and nanoseconds(time or "0") != nanoseconds(theirs.get("rtt", "-1")):
        yield "handshake", time, theirs.get("rtt")


def messages(first, rows):
    """(field, ours, truth) of the whole capture: ICMP messages and packets with MPTCP options"""
    if first["counts"].get("packets_tunnelled"):
        return
    for kind, protocol in (("icmp", "1"), ("icmpv6", "58")):
        for number, column in ICMP[kind].items():
            mine = sum(int(row.row[column]) for row in rows if row.row["protocol"] == protocol)
            theirs = sum(count for name, count in first.get(kind, {}).items() if int(name.split("/")[0]) == number)
            yield f"{kind}_{number}", mine, theirs
    yield "mptcp", sum(int(row.row["mptcp_option_count"] or 0) for row in rows), sum(first.get("mptcp_subtypes", {}).values())


def totals(first, summary, rows):
    """(field, ours, truth) of the whole capture"""
    counts = Counter(first["counts"])
    packets, flows = summary["packets"], summary["flows"]
    yield "read", packets["read"], counts["packets"]
    yield "used", packets["used"], counts["ipv4"] + counts["ipv6"]
    yield "not_ip", packets["skipped"].get("not_ip", 0), counts["not_ip"]
    yield "bytes_ip", flows["bytes"], counts["bytes_ip"]
    # our own figures must agree with each other without exception
    if sum(sum(row.packets) for row in rows) != packets["used"] or flows["packets"] != packets["used"]:
        yield "rows_packets", sum(sum(row.packets) for row in rows), packets["used"]
    if sum(sum(row.bytes) for row in rows) != flows["bytes"]:
        yield "rows_bytes", sum(sum(row.bytes) for row in rows), flows["bytes"]
    if packets["read"] != packets["used"] + sum(packets["skipped"].values()):
        yield "books", packets["read"], packets["used"] + sum(packets["skipped"].values())


def compare(name, folder):
    """(lines `FIELD VALUE`, details) of one capture"""
    with open(os.path.join(folder, name + ".json")) as file:
        summary = json.load(file)
    path = os.path.join(folder, name + ".csv")
    read_rows = read(path)
    rows = ours(path, read_rows)
    facts, conversations, fragments = truth(name)
    lines, details = truth_applications.compare(read_rows, facts)
    counts = Counter()
    for field, mine, theirs in [*totals(facts[0], summary, rows), *messages(facts[0], rows)]:
        if mine != theirs:
            lines.append(f"{field} {mine}/{theirs}")

    def differ(field, row, mine="", theirs=""):
        counts[field] += 1
        if counts[field] <= 3:
            details.append(f"{field}: {row}: ours {mine} truth {theirs}")

    mine, theirs = ({row.key: row for row in side} for side in (rows, conversations))
    if len(mine) != len(rows):
        lines.append(f"records_of_one_key {len(rows) - len(mine)}")
    split = {tuple(sorted((address(row["src"]), address(row["dst"])))) for row in fragments}
    for key, expected in theirs.items():
        row = mine.get(key)
        if row is None:
            differ("missing", expected, "-", expected.packets)
            continue
        if expected.pair not in split:
            for field in ("packets", "bytes", "payload") if key[0] in (6, 17) else ("packets", "bytes"):
                if getattr(row, field) != getattr(expected, field):
                    differ(field, expected, getattr(row, field), getattr(expected, field))
            for field, a, b in zip(("start", "end"), row.times, expected.times):
                if abs(a - b) > HALF_MICROSECOND:
                    differ(field, expected, a, b)
        elif any(a < b for a, b in zip(row.packets, expected.packets)):
            differ("packets", expected, row.packets, expected.packets)
        if row.flags != expected.flags:
            differ("flags", expected, row.flags, expected.flags)
        for field, a, b in headers(row.row, expected.row):
            differ(field, expected, a, b)
        # with `initiator = "first"`; only visible where the ends differ
        if row.first_is_source != expected.first_is_source and row.key[1] != row.key[2]:
            differ("initiator", expected)
    for key, row in mine.items():
        if key not in theirs and row.pair not in split:
            differ("extra", row, row.packets, "-")
    with_fragments = fragment_packets(rows, conversations, fragments, split)
    for pair, (a, b) in with_fragments.items():
        if a != b:
            differ("fragments", "-".join(map(shown, pair)), a, b)
    return lines + [f"{field} {count}" for field, count in counts.items()], details


def fragment_packets(rows, conversations, fragments, split):
    """for each pair of addresses with later fragments, packets each way: ours, and the truth's with its fragments"""
    def ways(side):
        total = {pair: [0, 0] for pair in split}
        for row in side:
            if row.pair in split:
                total[row.pair] = [x + y for x, y in zip(total[row.pair], row.packets)]
        return total

    mine, theirs = ways(rows), ways(conversations)
    for row in fragments:
        source, destination = address(row["src"]), address(row["dst"])
        theirs[tuple(sorted((source, destination)))][0 if source <= destination else 1] += row["packets"]
    # the side of a packet between two ports of one address is a matter of ports, which fragments lack
    return {pair: ((mine[pair], theirs[pair]) if pair[0] != pair[1] else (sum(mine[pair]), sum(theirs[pair]))) for pair in split}


def make(binary, folder, jobs):
    """runs the program on every capture; the number of runs that failed"""
    os.makedirs(folder, exist_ok=True)

    def one(capture):
        base = os.path.join(folder, os.path.basename(capture))
        for old in (base + ".csv", base + ".json"):
            if os.path.exists(old):
                os.remove(old)
        kit.run_spec(binary, kit.spec(kit.capture_path(capture), base + ".csv", SETTINGS, "dtls = true"), base)

    failed = 0
    for capture, result in kit.each(one, kit.captures(), jobs):
        if isinstance(result, Exception):
            failed += 1
            print(f"FAILED {capture}: {result}")
    return failed


def main(arguments):
    failed = 0
    if arguments[0] == "run":
        _, binary, folder, *jobs = arguments
        failed = make(binary, folder, int(jobs[0]) if jobs else 2)
    else:
        folder, = arguments
    known = kit.Known(KNOWN)
    unknown = compared = equal = 0
    for capture in kit.captures():
        try:
            lines, details = compare(os.path.basename(capture), folder)
        except (OSError, ValueError, KeyError) as error:
            failed += 1
            print(f"FAILED {capture}: {error!r}")
            continue
        compared += 1
        equal += not lines
        unknown += known.judge([f"{capture} {line}" for line in lines], details)
    code = known.close(unknown, f"truth of {compared} captures, {equal} of them equal, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
