#!/usr/bin/env python3
"""Our rows and books against the slow independent implementation of the definitions, on every open capture.

Compared: all columns of all groups, with flow_id and sequences, and the columns beyond the catalogue that it has, floats to 1e-12 of their size and all else exactly (null is a
value of its own, but for empty texts); flow_end_reason, flow_segment and initiator_swapped; the order of the rows; packets read,
used and skipped by reason, for each of the settings below. Known differences: tests/oracle_differences.toml; the field of a line is
VARIANT.COLUMN, its value the number of rows.
"""
import argparse
import concurrent.futures
import json
import os
import re
import sys
import tempfile

import kit

KNOWN = os.path.join(kit.REPOSITORY, "tests", "oracle_differences.toml")
# columns beyond the catalogue that the oracle has too
BEYOND = ["community_id", "ja3_string", "ja3s_string", "ja4", "tls_ciphers", "tls_extensions", "tls_alpn_offered", "dtls", "quic_ja3", "quic_ja4", "quic_client_dcid", "dns_queries",
          "dns_responses", "dns_answers", "hassh_string", "hassh_server_string", "http_method", "http_host", "http_user_agent"]
FEATURES = f"flow_id = true\nraw_sequences = true\nsplt = true\nquantile_exact = 0\nadd = {BEYOND}"
# name -> (settings of [flows], settings of [features], settings of the oracle)
VARIANTS = {
    "default": ("", "", {}),
    "short": ('idle_timeout = "500ms"\nactive_timeout = "2s"\ntcp_linger = "100ms"', "", {"idle_timeout": 0.5, "active_timeout": 2.0, "tcp_linger": 0.1}),
    "long": ('idle_timeout = "off"\nactive_timeout = "60s"\ntcp_linger = "0s"', "", {"idle_timeout": None, "active_timeout": 60.0, "tcp_linger": 0.0}),
    "fin_rst": ('terminate = "fin-rst"\ninitiator = "first"', "", {"terminate": "fin-rst", "initiator": "first"}),
    "never": ('terminate = "never"', "", {"terminate": "never"}),
    "vlan": ('key = ["5tuple", "vlan"]', "", {"key_vlan": True}),
    "icmp_id": ('icmp_key = "id"', "", {"icmp_key": "id"}),
    "small": ("", 'burst_threshold = "1ms"\nmax_sequence_length = 3\nentropy_sample = 7',
              {"burst_threshold": 0.001, "max_sequence_length": 3, "entropy_sample_bytes": 7}),
    "split": ("", "split = true", {}),
    "dtls": ("", "dtls = true", {"dtls": True}),
    # less than most handshakes
    "prefix": ('[decode]\npayload_prefix = "700B"', "", {"payload_prefix": 700}),
    # few gaps are kept one by one: percentiles of the others may be off by 1/256
    "histogram": ("", "quantile_exact = 4", {}),
}
# the connection graph, in the variants that have it: settings of `connection`, settings of the oracle, groups beside it
CONNECTION = {
    "default": ("temporal = true", {}, kit.GROUPS),
    "ports": ("temporal = true, use_ports = true", {"conn_use_ports": True}, ["flow_meta"]),
    "components": ('temporal = true, communities = "components"', {"conn_communities": "components"}, ["flow_meta"]),
    "tumbling": ('temporal = true, window = { tumbling = "10s" }', {}, ["flow_meta"]),
    "sliding": ('temporal = true, window = { sliding = "6s", step = "2s" }', {}, ["flow_meta"]),
    "asof": ("temporal = true, asof = true", {}, ["flow_meta"]),
}
# the oracle looks at all records; of windows and `asof` it is given those that a row is told of: size and step in ns
WINDOWS = {"tumbling": (10 * 10**9, 10 * 10**9), "sliding": (6 * 10**9, 2 * 10**9), "asof": None}
# records of a capture with `asof` at most: each start is a graph of its own
MOST = 150
VARIANTS |= {name: ("", "", settings) for name, (_, settings, _) in CONNECTION.items() if name not in VARIANTS}
PERCENTILE = re.compile(r"iat_.*(median|p\d+)$")

EMPTY = object()


def oracle():
    """the modules of the reference material"""
    folder = os.path.join(kit.SHARED, "features")
    if folder not in sys.path:
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
    import golden
    import oracle
    from oracle import __main__, capture, flows, settings
    flows.flow_key = flow_key
    return golden, oracle


def flow_key(packet, settings):
    """the oracle's key, with all its parts: it leaves the identifier out of flow_id where the packet has none, which has
    0xFFFFFFFF there (semantics.md section 6)"""
    a, b = sorted([(packet.src, packet.sport), (packet.dst, packet.dport)])
    extra = []
    if settings.key_vlan:
        extra.append(packet.vlan_ids[0] if packet.vlan_ids else 0xFFFFFFFF)
    if settings.icmp_key == "id":
        extra.append(0xFFFFFFFF if packet.proto not in (1, 58) or packet.icmp_id is None else packet.icmp_id)
    return packet.source, packet.version, a, b, packet.proto, tuple(extra)


class Direction:
    """the packets of one direction of a flow, as a flow to the oracle's groups"""

    def __init__(self, flow, forward):
        vars(self).update(vars(flow))
        self.packets = flow.fwd if forward else flow.bwd
        self.fwd, self.bwd = (self.packets, []) if forward else ([], self.packets)
        self.is_tcp, self.is_fwd, self.flow_id = flow.is_tcp, flow.is_fwd, flow.flow_id
        if self.packets:
            self.start, self.end = self.packets[0].t, self.packets[-1].t

    def columns(self, modules, settings, record):
        found = {}
        for module in modules:
            found.update(module.columns(self, settings))
        # the one column that counts from the start of the record, which has no direction
        found["timestamp_sequence"] = [(p.t - record.start) / 10**9 for p in self.packets[:settings.max_sequence_length]]
        return found


def split_columns(oracle, path, settings, catalogue):
    """for each record, in row order: name -> value of the columns that `split = true` adds (semantics.md section 8)"""
    names = [name for name, column in catalogue.items() if column["group"] in kit.GROUPS and column["splittable"] == "yes"]
    modules = [oracle.__main__.group_module(group) for group in kit.GROUPS]
    packets, books = oracle.capture.load(path)
    for flow in oracle.flows.build(packets, books, settings):
        row = {}
        for ending, forward in (("_fwd", True), ("_bwd", False)):
            part = Direction(flow, forward)
            # a direction without packets: counts are 0, all else is null
            values = part.columns(modules, settings, flow) if part.packets else dict.fromkeys(names, EMPTY)
            row |= {name + ending: values[name] for name in names if name + ending not in catalogue}
        yield row


def windowed_columns(oracle, path, settings, window):
    """for each record, in row order: its connection columns over the records of its window; None where there are too many"""
    packets, books = oracle.capture.load(path)
    flows = oracle.flows.build(packets, books, settings)
    connection = oracle.__main__.group_module("connection")
    if window is None and len(flows) > MOST:
        return None
    # when a record comes, and how much later it goes
    size, step = window or (sys.maxsize, 1)
    came = [flow.packets[-1].clock // step if window else flow.start for flow in flows]
    rows = {}
    for tick in sorted(set(came)):
        there = [at for at, other in enumerate(came) if other <= tick and (not window or other > tick - size // step)]
        found = connection.columns_for_all([flows[at] for at in there], settings)
        rows |= {at: row for at, row in zip(there, found) if came[at] == tick}
    return [rows[at] for at in range(len(flows))]


def same(wanted, found, tolerance):
    """whether a value of the oracle and a value read from a cell are the same; floats to TOLERANCE of their size, all else exactly"""
    if wanted is EMPTY:
        return not found
    if isinstance(wanted, float) or isinstance(found, float):
        return wanted is not None and found is not None and abs(wanted - found) <= tolerance * max(abs(wanted), abs(found))
    if isinstance(wanted, (list, tuple)):
        return isinstance(found, list) and len(wanted) == len(found) and all(same(*pair, tolerance) for pair in zip(wanted, found))
    return type(wanted) is type(found) and wanted == found


def value(cell, wanted):
    """the value that a cell of CSV holds, where one like WANTED is expected"""
    if cell == "" or isinstance(wanted, str):
        return cell or None
    value = json.loads(cell)
    # a step of splt is a list there and has names here
    return [list(step.values()) if isinstance(step, dict) else step for step in value] if isinstance(value, list) else value


def compare(task):
    """(lines `FIELD VALUE`, details) of one capture and one variant"""
    binary, capture, variant = task
    golden, reference = oracle()
    flows, features, settings = VARIANTS[variant]
    connection, _, groups = CONNECTION.get(variant, ("", {}, kit.GROUPS))
    if connection:
        features, groups = f"{features}\nconnection = {{ {connection} }}", [*groups, "connection"]
    own = FEATURES.replace("quantile_exact = 0", features) if "quantile_exact" in features else f"{FEATURES}\n{features}"
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "ours")
        kit.run_spec(binary, kit.spec(kit.capture_path(capture), base + ".csv", flows, own, groups), base)
        actual = golden.read_rows(base + ".csv") if os.path.exists(base + ".csv") else []
        with open(base + ".json") as file:
            summary = json.load(file)
    settings = reference.settings.Settings(**settings)
    groups = [group for group in groups if variant not in WINDOWS or group != "connection"]
    expected, columns, books = reference.__main__.rows(kit.capture_path(capture), settings, {*groups, "community_id"})
    catalogue = golden.load_catalogue(reference.__main__.CATALOGUE)
    if variant == "split":
        more = list(split_columns(reference, kit.capture_path(capture), settings, catalogue))
        expected = [row | added for row, added in zip(expected, more, strict=True)]
        columns = list(expected[0]) if expected else columns
    if variant in WINDOWS:
        more = windowed_columns(reference, kit.capture_path(capture), settings, WINDOWS[variant])
        if more is None:
            return [], []
        columns += list(more[0]) if more else []
        expected = [row | added for row, added in zip(expected, more, strict=True)]
    lines, details = [], []
    pairs, missing, extra = golden.pair_rows(expected, actual)
    for name, left in (("only_oracle", missing), ("only_ours", extra)):
        if left:
            lines.append(f"{name} {len(left)}")
            details += [f"{name}: {golden.short(row)} packets={row['total_packets']}" for row in left[:2]]
    for name in columns if pairs else ():
        if name not in pairs[0][1]:
            # the oracle has columns of its own beside those of the catalogue
            if name in catalogue:
                lines.append(f"{name} missing")
            continue
        tolerance = 1 / 256 if variant == "histogram" and PERCENTILE.match(name) else 1e-12
        wrong = [(e, a) for e, a in pairs if not same(e[name] if e[name] != "" else None, value(a[name], e[name]), tolerance)]
        if wrong:
            lines.append(f"{name} {len(wrong)}")
            details += [f"{name}: {golden.short(e)}: oracle {str(e[name])[:80]!r} ours {a[name][:80]!r}" for e, a in wrong[:2]]
    place = {id(row): number for number, row in enumerate(actual)}
    wanted = {id(row): number for number, row in enumerate(expected)}
    places = [place[id(a)] for e, a in sorted(pairs, key=lambda pair: wanted[id(pair[0])])]
    if places != sorted(places):
        lines.append("order 1")
    packets = summary["packets"]
    mine = {"read": packets["read"], "used": packets["used"], **{k: v for k, v in packets["skipped"].items() if v}}
    theirs = {"read": books.read, "used": books.used, **{k: v for k, v in books.skipped.items() if v}}
    lines += [f"books.{key} {mine.get(key, 0)}/{theirs.get(key, 0)}" for key in {**mine, **theirs} if mine.get(key, 0) != theirs.get(key, 0)]
    return [f"{variant}.{line}" for line in lines], details


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--variants", type=lambda text: text.split(","), default=list(VARIANTS), help="of " + ", ".join(VARIANTS))
    parser.add_argument("--below", type=int, default=sys.maxsize, metavar="BYTES", help="only captures smaller than this")
    options = parser.parse_args()
    captures = [capture for capture in kit.captures() if os.path.getsize(kit.capture_path(capture)) < options.below]
    tasks = [(options.binary, capture, variant) for variant in options.variants for capture in captures]
    chosen = {(capture, variant) for _, capture, variant in tasks}

    def concerns(line):
        capture, field, _ = line.split()
        return (capture, field.split(".")[0]) in chosen

    known = kit.Known(KNOWN, concerns)
    failed = unknown = equal = 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for task, result in [(task, pool.submit(compare, task)) for task in tasks]:
            capture, variant = task[1:]
            try:
                lines, details = result.result()
            except Exception as error:                      # whatever goes wrong with one capture, the others are compared
                failed += 1
                print(f"FAILED {capture} ({variant}): {error!r}")
                continue
            equal += not lines
            unknown += known.judge([f"{capture} {line}" for line in lines], details)
    code = known.close(unknown, f"oracle: {len(tasks)} comparisons, {equal} equal, {failed} failed")
    return 1 if failed else code


if __name__ == "__main__":
    sys.exit(main())
