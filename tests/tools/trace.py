#!/usr/bin/env python3
"""Our rows against the truth of a generated trace: of each conversation packets and bytes each way, first and last time.

    trace.py BINARY [TRACE.pcap]

Without TRACE one of 50,000 packets is made by `bench/make_trace.py` of the reference material (needs numpy); TRACE needs the truth
and the manifest beside it. The truth knows no time-outs and no end of a connection, so the settings make one record of one
conversation. Its bytes are those of frames, which have no padding: 14 bytes a packet, and 4 with a VLAN tag, are not ours.
"""
import csv
import json
import os
import subprocess
import sys
import tempfile

import kit
import truth

FLOWS = truth.SETTINGS + '\nkey = ["5tuple", "vlan"]'


def differences(binary, trace):
    """what differs, in words, and the number of conversations"""
    root = trace.removesuffix(".pcap")
    with open(root + ".manifest.json") as file:
        manifest = json.load(file)
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "ours")
        kit.run_spec(binary, kit.spec(trace, base + ".csv", FLOWS), base)
        with open(base + ".json") as file:
            packets = json.load(file)["packets"]
        with open(base + ".csv", newline="") as file:
            rows = list(csv.DictReader(file))
    ours = {row.key: row for row in truth.ours(base + ".csv", rows)}
    tags = [row["hdr_desc"].split("-").count("VLAN") for row in rows]
    link = {row.key: 14 + 4 * tagged for row, tagged in zip(ours.values(), tags, strict=True)}
    found = []
    for field, mine, theirs in [("read", packets["read"], manifest["packets"]), ("not_ip", packets["skipped"]["not_ip"], manifest["non_ip_packets"])]:
        if mine != theirs:
            found.append(f"{field}: ours {mine} truth {theirs}")
    with open(root + ".truth.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        ends = ((truth.address(row[f"ip_{end}"]), int(row[f"port_{end}"])) for end in "ab")
        ways = [(int(row[f"packets_{way}"]), int(row[f"bytes_{way}"]), 0) for way in ("ab", "ba")]
        times = [int(row[f"{place}_ns"]) // 1000 * 1000 for place in ("first", "last")]      # the file has microseconds
        theirs = truth.Conversation(int(row["protocol"]), *ends, *ways, times, (0, 0))
        mine = ours.pop(theirs.key, None)
        if mine is None:
            found.append(f"missing: {theirs}")
            continue
        frames = tuple(count + link[mine.key] * number for count, number in zip(mine.bytes, mine.packets))
        for field, a, b in [("packets", mine.packets, theirs.packets), ("bytes", frames, theirs.bytes)]:
            if a != b:
                found.append(f"{field}: {theirs}: ours {a} truth {b}")
        if any(abs(a - b) > truth.HALF_MICROSECOND for a, b in zip(mine.times, theirs.times)):
            found.append(f"times: {theirs}: ours {mine.times} truth {theirs.times}")
    return found + [f"extra: {row}" for row in ours.values()], len(rows)


def main(binary, trace=None):
    with tempfile.TemporaryDirectory() as folder:
        if trace is None:
            trace = os.path.join(folder, "small.pcap")
            make = os.path.join(kit.SHARED, "bench", "make_trace.py")
            subprocess.run([sys.executable, "-B", make, trace, "--packets", "50000", "--flows", "2500", "--truth"], check=True)
        found, count = differences(os.path.abspath(binary), trace)
    for line in found[:20]:
        print(f"DIFFERENT {line}")
    print(f"trace: {count} conversations, {len(found)} differences")
    return 1 if found or not count else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
