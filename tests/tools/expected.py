#!/usr/bin/env python3
"""Columns beyond the catalogue against what the test suites of other tools expect (`pcaps/truth/*_expected.jsonl` of the reference
material).

    expected.py BINARY [JOBS]

- Zeek's conn.log: conn_state, history, service. Its rules of a flow: idle 5 minutes for TCP and 1 minute for others.
- Arkime: community_id, of sessions with the same ends (oracle_all.py has it of every record).
- NFStream: sums of gaps of each direction, sample deviations of lengths, flags of both directions together. Its rules of a flow: idle
  1 minute, active 30 minutes, no end by flags.

Rows of other logs, rows without what is compared, and records of NFStream that we cut in another place (they differ in start or in number
of packets) are passed over. Known differences: tests/expected_differences.toml.
"""
import collections
import csv
import ipaddress
import json
import os
import sys
import tempfile

import kit

KNOWN = os.path.join(kit.REPOSITORY, "tests", "expected_differences.toml")
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}
ZEEK = 'idle_timeout = { tcp = "300s", udp = "60s", icmp = "60s", other = "60s" }'
NFSTREAM = 'idle_timeout = "60s"\nactive_timeout = "1800s"\nterminate = "never"\ninitiator = "first"'
ADDED = ["community_id", "conn_state", "history", "service", "iat_fwd_sum", "iat_bwd_sum", "tcp_*_count_fwd", "tcp_*_count_bwd"]


def address(text):
    return str(ipaddress.ip_address(text))


def expected(tool):
    """the expectations of a tool by capture"""
    found = collections.defaultdict(list)
    with open(os.path.join(kit.SHARED, "pcaps", "truth", f"{tool}_expected.jsonl")) as file:
        for line in file:
            row = json.loads(line)
            found[row["file"]].append(row)
    return found


def rows(binary, capture, folder, name, flows, features=""):
    """our rows of a capture"""
    base = os.path.join(folder, f"{os.path.basename(capture)}.{name}")
    added = ", ".join(f'"{column}"' for column in ADDED)
    kit.run_spec(binary, kit.spec(kit.capture_path(capture), base + ".csv", flows, f"add = [{added}]\n{features}"), base)
    if not os.path.exists(base + ".csv"):
        return []
    with open(base + ".csv", newline="") as file:
        return list(csv.DictReader(file))


def ends(row):
    """(protocol, initiator, responder) of one of our rows"""
    source, destination = ((address(row[f"{end}_ip"]), int(row[f"{end}_port"])) for end in ("src", "dst"))
    return int(row["protocol"]), source, destination


def place(row):
    """the ends of a connection of Zeek"""
    return tuple(row.get(name) or row.get(name.replace(".", "_")) for name in ("id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"))


def zeek(found, mine):
    """(conversation, field, ours, Zeek's) of the connections of a capture that both have"""
    by_ends = collections.defaultdict(list)
    for row in mine:
        by_ends[ends(row)].append(row)
    # many of its tests run without analysers: where one names a service, the others are not asked
    named = {place(row) for row in found if row.get("service")}
    seen = set()
    for row in found:
        if row.get("log") != "conn" or "conn_state" not in row:
            continue
        where = place(row)
        if None in where or row["proto"] not in PROTOCOLS:
            continue
        a, p, b, q = where
        protocol = PROTOCOLS[row["proto"]]
        if protocol == 1:
            protocol, p, q = (58 if ":" in a else 1), 0, 0
        key = protocol, (address(a), int(p)), (address(b), int(q))
        values = row["conn_state"], row.get("history", ""), services(row.get("service", ""))
        if (key, row.get("orig_pkts"), row.get("resp_pkts"), values) in seen:
            continue
        seen.add((key, row.get("orig_pkts"), row.get("resp_pkts"), values))
        label = f"{row['proto']} {a}:{p} {b}:{q}"
        ours = by_ends.get(key)
        if not ours:
            turned = key[0], key[2], key[1]
            if turned in by_ends:
                yield label, "initiator", "responder", "originator"
            else:
                yield label, "record", "none", values[0]
            continue
        counts = [(row.get("orig_pkts"), row.get("resp_pkts")) == (one["packets_fwd"], one["packets_bwd"]) for one in ours]
        one = ours[counts.index(True)] if True in counts else ours[0]
        for field, theirs in zip(("conn_state", "history", "service"), values):
            if field == "service" and not theirs and where in named:
                continue
            value = services(one[field]) if field == "service" else one[field]
            if (value or "-") != (theirs or "-"):
                yield label, field, value or "-", theirs or "-"


def services(text):
    """the services that we know too, under our names, in one order"""
    names = {"ssl": "tls"}
    known = {"dhcp", "dns", "ftp", "http", "imap", "mqtt", "ntp", "pop3", "quic", "rdp", "sip", "smb", "smtp", "ssh", "stun", "telnet", "tls"}
    found = {names.get(name, name) for name in text.split(",") if name}
    if "quic" in found:
        found.discard("tls")
    return ",".join(sorted(found & known))


def arkime(found, mine):
    """the same of the ids of Arkime; its sessions are cut in other places"""
    by_ends = {}
    for row in mine:
        by_ends.setdefault(frozenset(ends(row)[1:]) | {ends(row)[0]}, row["community_id"])
    for row in found:
        theirs = row.get("network", {}).get("community_id")
        if not theirs:
            continue
        source, destination = ((address(row[end]["ip"]), row[end].get("port", 0)) for end in ("source", "destination"))
        if row["ipProtocol"] in (1, 58):
            source, destination = (source[0], 0), (destination[0], 0)
        label = f"{row['ipProtocol']} {source[0]}:{source[1]} {destination[0]}:{destination[1]}"
        ours = by_ends.get(frozenset((source, destination)) | {row["ipProtocol"]})
        if ours != theirs:
            yield label, "community_id", ours or "none", theirs


def nfstream(found, mine):
    """the same of the statistics of NFStream; of records that both have, with the same number of packets"""
    by_start = {}
    for row in mine:
        by_start[(ends(row), int(float(row["start_time"]) * 1000 + 1e-3))] = row
    for row in found:
        key = (row["protocol"], (address(row["src_ip"]), row["src_port"]), (address(row["dst_ip"]), row["dst_port"]))
        ours = by_start.get((key, row["bidirectional_first_seen_ms"]))
        if ours is None or int(ours["total_packets"]) != row["bidirectional_packets"]:
            continue  # compared by truth.py with tshark's view
        label = f"{key[0]} {key[1][0]}:{key[1][1]} {key[2][0]}:{key[2][1]}"
        number = lambda name: float(ours[name] or 0)
        for way, side in (("src2dst", "fwd"), ("dst2src", "bwd")):
            gaps = row[f"{way}_mean_piat_ms"] * max(row[f"{way}_packets"] - 1, 0)
            if abs(number(f"iat_{side}_sum") * 1000 - gaps) > 1.5:
                yield label, f"iat_{side}_sum", number(f"iat_{side}_sum") * 1000, gaps
            if abs(number(f"pkt_len_{side}_std") - row[f"{way}_stddev_ps"]) > 1e-4:
                yield label, f"pkt_len_{side}_std", number(f"pkt_len_{side}_std"), row[f"{way}_stddev_ps"]
        if abs(number("pkt_len_std") - row["bidirectional_stddev_ps"]) > 1e-4:
            yield label, "pkt_len_std", number("pkt_len_std"), row["bidirectional_stddev_ps"]
        for flag in ("syn", "fin", "rst", "psh", "ack", "urg", "ece", "cwr"):
            names = ["syn", "synack"] if flag == "syn" else [flag]
            total = sum(number(f"tcp_{name}_count_{side}") for name in names for side in ("fwd", "bwd"))
            if total != row[f"bidirectional_{flag}_packets"]:
                yield label, f"tcp_{flag}_count", total, row[f"bidirectional_{flag}_packets"]


def compare(binary, capture, folder, suites):
    """lines `CAPTURE TOOL CONVERSATION FIELD OURS/THEIRS` of one capture, and how many values were compared"""
    def lines(tool, differences):
        # a connection that was blanked or that comes again differs in the same way
        return sorted({f"{capture} {tool} {label} {field} {ours}/{theirs}" for label, field, ours, theirs in differences})

    found, compared = [], collections.Counter()
    plain = rows(binary, capture, folder, "zeek", ZEEK)
    for tool, function in (("zeek", zeek), ("arkime", arkime)):
        compared[tool] = len(suites[tool].get(capture, []))
        found += lines(tool, function(suites[tool].get(capture, []), plain))
    if capture in suites["nfstream"]:
        compared["nfstream"] = len(suites["nfstream"][capture])
        cut = rows(binary, capture, folder, "nfstream", NFSTREAM, 'deviation = "sample"')
        found += lines("nfstream", nfstream(suites["nfstream"][capture], cut))
    return found, compared


def main(binary, jobs="2"):
    suites = {tool: expected(tool) for tool in ("zeek", "arkime", "nfstream")}
    known = kit.Known(KNOWN)
    unknown, failed, total = 0, 0, collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        one = lambda capture: compare(binary, capture, folder, suites)
        for capture, result in kit.each(one, kit.captures(), int(jobs)):
            if isinstance(result, Exception):
                failed += 1
                print(f"FAILED {capture}: {result!r}")
                continue
            total += result[1]
            unknown += known.judge(result[0])
    what = ", ".join(f"{count} {name}" for name, count in sorted(total.items()))
    code = known.close(unknown, f"rows of expectations looked through: {what}; {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
