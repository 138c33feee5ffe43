#!/usr/bin/env python3
"""The preset `nfstream` beside NFStream itself, column for column, over every open capture.

    nfstream.py BINARY PYTHON [FOLDER [TRACE.pcap]]

PYTHON is an interpreter that has NFStream; its rows are kept in FOLDER. With TRACE (bench/make_trace.py of the reference material) that
is compared too. A row is compared with the one that has the same ends, protocol and first millisecond. Known differences:
tests/nfstream_differences.toml, lines `CAPTURE COLUMN ROWS`; `refused` is a capture that NFStream does not read, `only_theirs` and
`only_ours` are records without partner.
"""
import collections
import ipaddress
import os
import tempfile

import kit
import peer

KNOWN = os.path.join(kit.REPOSITORY, "tests", "nfstream_differences.toml")
CODE = """
from nfstream import NFStreamer

def rows(capture, _):
    for flow in NFStreamer(source=capture, statistical_analysis=True, splt_analysis=10, n_meters=1):
        yield dict(zip(flow.keys(), flow.values()))
"""
# numbers of records, and what only nDPI knows
LEFT_OUT = {"id", "application_category_name", "application_is_guessed", "application_confidence"}
OURS = {"DHCP", "DNS", "MDNS", "LLMNR", "HTTP", "HTTP2", "QUIC", "SSH", "TLS"}
OF_MESSAGES = {"requested_server_name", "client_fingerprint", "server_fingerprint", "user_agent", "content_type"}


def address(text):
    return str(ipaddress.ip_address(text))


def key(row):
    ends = (address(row["src_ip"]), row["src_port"]), (address(row["dst_ip"]), row["dst_port"])
    return row["protocol"], *ends, row["bidirectional_first_seen_ms"]


def values(mine, other):
    """(column, ours, theirs) of a row"""
    # of the protocols of nDPI those are compared that are recognised here: "TLS.Google" is TLS
    known = mine["application_name"] == other["application_name"].split(".")[0] in OURS
    for name, value in other.items():
        if name in LEFT_OUT or name in OF_MESSAGES and not known:
            continue
        if name in ("src_ip", "dst_ip"):
            yield name, address(mine[name]), address(value)
        elif name == "application_name":
            if mine[name] != "Unknown":
                yield name, mine[name], value.split(".")[0]
        else:
            yield name, mine[name], value


def compare(binary, capture, folder):
    """(lines, details, equal, different) of a capture"""
    path = kit.capture_path(capture)
    others = peer.theirs(path, folder)
    if others is None:
        return ["refused 1"], [], {}, {}
    equal, different, details = collections.Counter(), collections.Counter(), []
    with tempfile.TemporaryDirectory() as scratch:
        mine = peer.ours(binary, "nfstream", path, scratch)
    left = collections.defaultdict(list)
    for row in mine:
        left[key(row)].append(row)
    alone = 0
    for other in others:
        found = left.get(key(other))
        if not found:
            alone += 1
            details.append(f"only theirs: {key(other)} {other['bidirectional_packets']} packets")
            continue
        for name, a, b in values(found.pop(0), other):
            if peer.same(a, b):
                equal[name] += 1
            else:
                different[name] += 1
                details.append(f"{name}: {key(other)}: ours {a} theirs {b}")
    rest = [row for rows in left.values() for row in rows]
    details += [f"only ours: {key(row)} {row['bidirectional_packets']} packets" for row in rest]
    counts = {"only_theirs": alone, "only_ours": len(rest), **different}
    return [f"{name} {count}" for name, count in counts.items() if count], details[:60], equal, different


def main(argv):
    return peer.beside("NFStream", KNOWN, CODE, compare, argv)


if __name__ == "__main__":
    peer.start(__doc__, main)
