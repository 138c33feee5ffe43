"""Our application columns against the messages that tshark lists (`client_hello`, `server_hello`, `quic`, `ssh_version`, `hassh`,
`hasshserver`, `dns` and its kin, frames of HTTP/2 in clear). truth.py calls it for each capture.

The truth lists messages; a record has the first of each kind. So each record's values must be those of a message of the truth
between the same two ends, and a conversation that has a message must have values. Messages inside tunnels have no record here.
"""
import re
from collections import Counter, defaultdict

FRAMES = {"data": "0", "headers": "1", "settings": "4", "push_promise": "5", "goaway": "7", "window_update": "8"}


def messages(truth):
    """kind -> {ends of the conversation -> messages}, from the lines of the truth that have a flow"""
    found = defaultdict(lambda: defaultdict(list))
    for row in truth:
        if "flow" in row:
            source, sport, destination, dport, protocol = row["flow"]
            kind = f"{row['k']}_{row['via']}" if "via" in row else row["k"]
            found[kind][protocol, frozenset([(source, sport), (destination, dport)])].append(row)
    return found


def hexadecimal(cell):
    return f"0x{int(cell):04x}" if cell else None


def client(row):
    return {
        "tls_sni": row.get("sni", "").lower(), "tls_cipher_count": str(len(row.get("ciphers", ()))),
        "tls_extension_count": str(len(row.get("extensions", ()))), "ja3_hash": row.get("ja3", ""),
    }


def quic(row):
    # packets of version 2 are numbered anew: Initial is 1; of gQUIC the truth has no types
    initial = "1" if any(version in ("0x6b3343cf", "0x709a50c4") for version in row["versions"]) else "0"
    return {"quic_initial_packets": str(row["long"].get(initial, 0))}


def ssh(row):
    _, version, software = row["text"].split("-", 2)
    return version, software.split(" ")[0]


def expectations(row, found, ends):
    """(name, our value, values it may have) of one of our records; nothing where the truth says nothing"""
    for kind, of in (("client_hello_tls", client), ("client_hello_quic", client), ("client_hello_dtls", client), ("quic", quic)):
        rows = [m for m in found[kind].get(ends, ()) if m.get("long") != {}]
        if rows:
            for name in of(rows[0]):
                yield name, row[name], [of(message)[name] for message in rows]
    for message in (found["server_hello_tls"].get(ends, ()), found["server_hello_dtls"].get(ends, ())):
        if message:
            yield "ja3s_hash", row["ja3s_hash"], [m.get("ja3s", "") for m in message]
            yield "tls_cipher_suite", hexadecimal(row["tls_cipher_suite"]), [m.get("ciphers", [None])[0] for m in message]
    versions = found["quic"].get(ends, ())
    if versions:
        theirs = versions[0]["versions"]
        # by number, but for some of Google's
        names = [version.encode().hex() if version.startswith("Q") else version.removeprefix("0x") for version in theirs]
        yield "quic_version", f"{int(row['quic_version']):08x}" if row["quic_version"] else "", names or [""]
    initiator = (row["src_ip"], int(row["src_port"]))
    for side, is_client in (("client", True), ("server", False)):
        lines = [ssh(m) for m in found["ssh_version"].get(ends, ()) if (tuple(m["flow"][:2]) == initiator) == is_client]
        if lines:
            yield f"ssh_{side}", (row[f"ssh_{side}_version"], row[f"ssh_{side}_software"]), lines
    for name, kind in (("ssh_hassh", "hassh"), ("ssh_hassh_server", "hasshserver")):
        hashes = [m["md5"] for m in found[kind].get(ends, ())]
        if hashes:
            yield name, row[name], hashes


def plain(name):
    """a name with one `?` for each run of bytes that are no visible text: we escape them, the truth decodes or replaces them"""
    return "." if name == "<Root>" else re.sub(r"(\\\d{3}|\\.|[^!-\[\]-~])+", "?", name).lower()


def names(truth):
    """names and types that somebody asked for"""
    return {(plain(row["name"]), row.get("type", "")) for row in truth if row["k"] in ("dns", "mdns", "llmnr")}


def compare(rows, truth):
    """(lines `FIELD VALUE`, details) of one capture: its records and the lines of the truth"""
    found, counts, details = messages(truth), Counter(), []

    def differ(field, row, mine, theirs):
        counts[field] += 1
        if counts[field] <= 3:
            details.append(f"{field}: {row['src_ip']}:{row['src_port']} {row['dst_ip']}:{row['dst_port']}: ours {mine!r} truth {theirs!r}")

    known = names(truth)
    for row in rows:
        ends = int(row["protocol"]), frozenset([(row["src_ip"], int(row["src_port"])), (row["dst_ip"], int(row["dst_port"]))])
        for field, mine, theirs in expectations(row, found, ends):
            if mine not in theirs:
                differ(field, row, mine, theirs[:2])
        if row["dns_query_type"] and (plain(row["dns_query_name"]), row["dns_query_type"]) not in known:
            differ("dns_query", row, (row["dns_query_name"], row["dns_query_type"]), "no such question")
    lines = [f"{field} {count}" for field, count in counts.items()]
    frames = truth[0].get("http2_frames", {})
    for name, kind in FRAMES.items():
        mine = sum(int(row[f"http2_{name}_frames"] or 0) for row in rows)
        if mine != frames.get(kind, 0):
            lines.append(f"http2_{name}_frames {mine}/{frames.get(kind, 0)}")
    return lines, details
