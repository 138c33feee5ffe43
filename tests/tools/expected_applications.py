#!/usr/bin/env python3
"""Our columns beyond the catalogue against what other programs are expected to say of open captures (`pcaps/truth/*_expected.jsonl`): FoxIO
(JA4, HASSH), Suricata (HASSH, versions of SSH), nDPI (JA3, JA3S, JA4, WireGuard, OpenVPN), Arkime (JA3, JA3S, JA4, HASSH), Zeek (HTTP, SSH, names of cipher suites, QUIC, DNS, tunnels).

    expected_applications.py BINARY [JOBS]

The settings make one record of one conversation, as in truth.py. Each value of a record must be one that the other program has for the same
two ends; records of ends that it does not name are not looked at, but for WireGuard and OpenVPN, which must not be found elsewhere in a
capture that nDPI was run on. Known differences: tests/expected_applications_differences.toml, one line `CAPTURE FIELD VALUE`, VALUE = number of records.
"""
import csv
import ipaddress
import json
import os
import re
import sys
import tempfile
from collections import Counter, defaultdict

import kit

KNOWN = os.path.join(kit.REPOSITORY, "tests", "expected_applications_differences.toml")
SETTINGS = 'idle_timeout = "off"\nterminate = "never"\ninitiator = "first"'
ENDS = ["src_ip", "dst_ip", "src_port", "dst_port", "protocol"]
COLUMNS = [
    "ja3_hash", "ja3s_hash", "ja4", "tls_cipher_suite_name", "quic_client_dcid", "ssh_hassh", "ssh_hassh_server", "ssh_kex_alg", "ssh_host_key_alg",
    "ssh_cipher", "ssh_mac", "ssh_compression", "ssh_client_version", "ssh_client_software", "ssh_server_version", "ssh_server_software", "http_method", "http_host", "http_uri", "http_user_agent", "http_status", "dns_rtt", "wireguard", "openvpn", "tunnel_type",
]
TUNNELS = {"Tunnel::IP": "ipip", "Tunnel::GRE": "gre", "Tunnel::VXLAN": "vxlan", "Tunnel::GENEVE": "geneve", "Tunnel::GTPv1": "gtpu", "Tunnel::TEREDO": "teredo"}
VPN = {"WireGuard": "wireguard", "OpenVPN": "openvpn"}


def end(address, port):
    return ipaddress.ip_address(address).packed, int(port)


def split(text):
    """ADDRESS:PORT, of IPv6 in brackets"""
    address, _, port = text.rpartition(":")
    return end(address.strip("[]"), port)


def masked(ja4):
    """nDPI looks at the name and not at its extension (d or i), and shows the first two characters of the protocol"""
    return ja4[:3] + "?" + ja4[4:8] + "??" + ja4[10:] if ja4 else ja4


def rows(name):
    path = os.path.join(kit.SHARED, "pcaps", "truth", name + "_expected.jsonl")
    with open(path) as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def foxio():
    for row in rows("ja4"):
        if "src" not in row or not row["by"].startswith(("ja4 python", "ja4 rust")):
            continue
        ports = [row.get(name, row.get(name.replace("_", ""))) for name in ("src_port", "dst_port")]
        value = row.get("JA4.1") or row.get("ja4")
        if all(ports):
            program, ssh = row["by"].split()[1], row.get("ssh_extras", {})
            found = {"ja4 " + program: value}
            for name, column in {"hassh": "ssh_hassh", "hassh_server": "ssh_hassh_server"}.items():
                found[f"{column} {program}"] = ssh.get(name) if ssh.get(name) != "null" else None
            yield row["file"], [end(row["src"], ports[0]), end(row["dst"], ports[1])], found


def ndpi():
    for row in rows("ndpi"):
        try:
            ends = [split(row["a"]), split(row["b"])]
        except ValueError:
            continue                                        # protocols without ports
        found = {"ja3_hash ndpi": row.get("ja3c"), "ja3s_hash ndpi": row.get("ja3s"), "ja4 ndpi": masked(row.get("ja4"))}
        protocol = row.get("proto", "").split(".")[0]
        found |= {column + " ndpi": str(protocol == name).lower() for name, column in VPN.items()}
        yield row["file"], ends, found


def arkime():
    for row in rows("arkime"):
        if "port" not in row["source"]:
            continue
        ends = [end(row[side]["ip"], row[side]["port"]) for side in ("source", "destination")]
        for group, names in (("tls", {"ja3": "ja3_hash", "ja3s": "ja3s_hash", "ja4": "ja4"}), ("ssh", {"hassh": "ssh_hassh", "hasshServer": "ssh_hassh_server"})):
            for name, column in names.items():
                for value in row.get(group, {}).get(name, []):
                    yield row["file"], ends, {column + " arkime": value}


ZEEK = {
    "http": {"method": "http_method", "host": "http_host", "uri": "http_uri", "user_agent": "http_user_agent", "status_code": "http_status"},
    "ssh": {"kex_alg": "ssh_kex_alg", "host_key_alg": "ssh_host_key_alg", "cipher_alg": "ssh_cipher", "mac_alg": "ssh_mac", "compression_alg": "ssh_compression"},
    "ssl": {"cipher": "tls_cipher_suite_name"},
    "quic": {"client_initial_dcid": "quic_client_dcid"},
    "dns": {"rtt": "dns_rtt"},
}


def zeek():
    for row in rows("zeek"):
        try:
            ends = [end(row["id.orig_h"], row["id.orig_p"]), end(row["id.resp_h"], row["id.resp_p"])]
        except (KeyError, ValueError):
            continue
        found = {column + " zeek": row[name] for name, column in ZEEK.get(row["log"], {}).items() if row.get(name) not in (None, "-", "")}
        if row["log"] == "tunnel" and row["tunnel_type"] in TUNNELS:
            found["tunnel_type zeek"] = TUNNELS[row["tunnel_type"]]
        yield row["file"], ends, found


SURICATA = {"ssh.client.hassh.hash": "ssh_hassh", "ssh.server.hassh.hash": "ssh_hassh_server", "ssh.client.proto_version": "ssh_client_version",
            "ssh.client.software_version": "ssh_client_software", "ssh.server.proto_version": "ssh_server_version",
            "ssh.server.software_version": "ssh_server_software"}


def suricata(capture):
    """what one record of a capture must have, whichever it is: Suricata's tests do not name its ends"""
    for row in rows("suricata"):
        found = {SURICATA[name]: value for name, value in row["match"].items() if name in SURICATA}
        if row["file"] == capture and found and row["count"] == 1:
            yield found


def expectations():
    """capture -> ends -> field -> values"""
    found = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for source in (foxio, ndpi, arkime, zeek):
        for capture, ends, fields in source():
            for field, value in fields.items():
                if value:
                    found[capture][frozenset(ends)][field].add(value)
    return found


def equal(field, mine, theirs):
    column, program = field.split()
    if column == "dns_rtt":
        return mine and any(abs(float(mine) - float(value)) < 2e-6 for value in theirs)
    if field == "ja4 ndpi":
        mine = masked(mine)
    if program == "zeek":
        # it writes bytes that are not visible as \xNN
        theirs = {re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: "%" + found[1].upper(), value) for value in theirs}
    return mine in theirs


def compare(binary, capture, expected, folder):
    """(lines `FIELD VALUE`, details, counts of equal values) of one capture"""
    base = os.path.join(folder, capture.replace("/", "_"))
    names = ", ".join(f'"{name}"' for name in [*ENDS, *COLUMNS])
    kit.run_spec(binary, kit.spec(kit.capture_path(capture), base + ".csv", SETTINGS, f"only = [{names}]\ndtls = true").replace("groups = [", 'groups = ["http", "vpn", "tunnel", '), base)
    counts, same, details, records = Counter(), Counter(), [], []
    if not os.path.exists(base + ".csv"):
        return [], [], same
    with open(base + ".csv", newline="") as file:
        for row in csv.DictReader(file):
            records.append(row)
            ends = frozenset([end(row["src_ip"], row["src_port"]), end(row["dst_ip"], row["dst_port"])])
            fields = dict(expected.get(ends, {}))
            if any(field.endswith("ndpi") for fields in expected.values() for field in fields):
                for column in VPN.values():
                    fields.setdefault(column + " ndpi", {"false"})
            for field, theirs in fields.items():
                mine = row[field.split()[0]]
                if equal(field, mine, theirs):
                    same[field] += 1
                    continue
                counts[field] += 1
                if counts[field] <= 3:
                    details.append(f"{field}: {row['src_ip']}:{row['src_port']} {row['dst_ip']}:{row['dst_port']}: ours {mine!r} theirs {sorted(theirs)[:3]!r}")
    for wanted in suricata(capture):
        for column, theirs in wanted.items():
            # where one value is missing, all that belong to it are
            is_there = any(all(row[column] == value for column, value in wanted.items()) for row in records)
            (same if is_there else counts)[column + " suricata"] += 1
            if not is_there:
                details.append(f"{column} suricata: theirs {theirs!r} in {wanted}")
    return [f"{field.replace(' ', '.')} {count}" for field, count in counts.items()], details, same


def main(binary, jobs=2):
    expected = expectations()
    known = kit.Known(KNOWN)
    with tempfile.TemporaryDirectory() as folder:
        captures = sorted((set(expected) | {row["file"] for row in rows("suricata")}) & set(kit.captures()))
        one = lambda name: compare(os.path.abspath(binary), name, expected[name], folder)
        same, unknown, failed = known.judge_all(one, captures, int(jobs))
    for field, count in sorted(same.items()):
        print(f"{count:6} equal  {field}")
    code = known.close(unknown, f"expectations of {len(captures)} captures, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
