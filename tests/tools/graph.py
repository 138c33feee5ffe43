#!/usr/bin/env python3
"""The measures of `jayflow graph` against networkx, on generated graphs and on the open captures.

Compared exactly or to 1e-9: degrees, clustering, triangles, components, core numbers, PageRank, betweenness. Communities have
no one right answer: label propagation must be that of the definition (the oracle's), the modularity of Louvain's must not be below
the best of networkx's over seeds 1 to 5 minus 0.01, that of `greedy` is printed beside networkx's. Needs networkx and numpy.
"""
import argparse
import csv
import ipaddress
import os
import random
import subprocess
import sys
import tempfile

import networkx as nx
from networkx.algorithms.link_analysis import pagerank_alg

import kit

METRICS = "clustering,components,kcore,label_propagation,louvain,greedy,pagerank,betweenness"
SEEDS = range(1, 6)
HEAD = ["src_ip", "dst_ip", "src_port", "dst_port", "total_packets", "total_bytes", "start_time", "end_time"]


def generated():
    """(name, directed graph) with a `weight` of flows on each edge"""
    for seed in (1, 2, 3):
        yield f"random-{seed}", nx.gnp_random_graph(120, 0.05, seed=seed, directed=True)
        yield f"small-world-{seed}", nx.DiGraph(nx.watts_strogatz_graph(300, 6, 0.1, seed=seed).edges)
        yield f"small-world-sparse-{seed}", nx.DiGraph(nx.watts_strogatz_graph(1000, 4, 0.3, seed=seed).edges)
        yield f"small-world-dense-{seed}", nx.DiGraph(nx.watts_strogatz_graph(600, 10, 0.05, seed=seed).edges)
        yield f"preferential-{seed}", nx.DiGraph(nx.barabasi_albert_graph(400, 3, seed=seed).edges)
        yield f"scale-free-{seed}", nx.DiGraph(nx.scale_free_graph(400, seed=seed))
        yield f"planted-{seed}", nx.DiGraph(nx.planted_partition_graph(6, 40, 0.2, 0.02, seed=seed).edges)
        yield f"bipartite-{seed}", nx.DiGraph(nx.bipartite.random_graph(30, 200, 0.05, seed=seed).edges)
    yield "karate", nx.DiGraph(nx.karate_club_graph().edges)
    yield "path", nx.path_graph(50, create_using=nx.DiGraph)
    yield "grid", nx.DiGraph(nx.convert_node_labels_to_integers(nx.grid_2d_graph(20, 20)).edges)
    yield "caveman", nx.DiGraph(nx.relaxed_caveman_graph(30, 8, 0.2, seed=1).edges)
    loops = nx.DiGraph([(0, 0), (0, 1), (1, 0), (2, 2), (3, 4)])
    yield "loops", loops


def address(node):
    return str(ipaddress.IPv4Address(0x0A000000 + node))


def write_rows(graph, path, seed):
    """a flow row for each flow of each edge"""
    chance = random.Random(seed)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEAD)
        for a, b in graph.edges:
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                out.writerow([address(a), address(b), 1024, chance.choice((53, 80, 443)), 2, 120, 1.5, 2.5])


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def order(text):
    found = ipaddress.ip_address(text)
    return found.version, int(found)


def compare(binary, source, folder):
    """what differs, as lines; and (our modularity, theirs by seed, our greedy, theirs)"""
    tables = {}
    for table in ("nodes", "edges"):
        out = os.path.join(folder, table + ".csv")
        command = [binary, "graph", source, "-q", "-t", table, "-o", out, "--overwrite", "--set", "features.connection={max_nodes=5000}"]
        code, said = kit.run(command + (["-m", METRICS] if table == "nodes" else []))
        if code not in kit.GOOD_EXITS:
            raise RuntimeError(said[-300:])
        tables[table] = read(out) if os.path.exists(out) else []
    rows = sorted(tables["nodes"], key=lambda row: order(row["node"]))
    names = [row["node"] for row in rows]
    plain, weights = nx.DiGraph(), nx.Graph()
    plain.add_nodes_from(names)
    weights.add_nodes_from(names)
    for edge in tables["edges"]:
        a, b, flows = edge["from"], edge["to"], int(edge["flows"])
        plain.add_edge(a, b)
        if a != b:
            weights.add_edge(a, b, weight=flows + (weights[a][b]["weight"] if weights.has_edge(a, b) else 0))
    rank = {name: at for at, name in enumerate(names)}
    exact = {
        "out_degree": dict(plain.out_degree),
        "in_degree": dict(plain.in_degree),
        "triangles": nx.triangles(weights),
        "kcore": nx.core_number(weights),
        "component": {name: min(rank[x] for x in part) for part in nx.connected_components(weights) for name in part},
        "label_propagation": propagated(names, weights),
    }
    close = {"clustering": nx.clustering(weights)}
    if names:
        # the one that needs no scipy
        close["pagerank"] = pagerank_alg._pagerank_python(plain, tol=1e-14, max_iter=1000)
        if len(names) <= 1500:
            close["betweenness"] = nx.betweenness_centrality(plain)
    lines = []
    for name, wanted in exact.items():
        wrong = sum(int(row[name]) != wanted[row["node"]] for row in rows)
        lines += [f"{name} {wrong}"] if wrong else []
    for name, wanted in close.items():
        wrong = sum(abs(float(row[name]) - wanted[row["node"]]) > 1e-9 for row in rows)
        lines += [f"{name} {wrong}"] if wrong else []
    if not weights.number_of_edges():
        return lines, None

    def modularity(column):
        parts = {}
        for row in rows:
            parts.setdefault(row[column], set()).add(row["node"])
        return nx.community.modularity(weights, parts.values())

    theirs = [nx.community.modularity(weights, nx.community.louvain_communities(weights, seed=seed)) for seed in SEEDS]
    ours = modularity("louvain")
    if ours < max(theirs) - 0.01:
        lines.append(f"louvain {ours:.4f} theirs {max(theirs):.4f}")
    greedy = nx.community.modularity(weights, nx.community.greedy_modularity_communities(weights, weight="weight"))
    return lines, (ours, theirs, modularity("greedy"), greedy)


def propagated(names, weights):
    """label propagation by the definition"""
    sys.path.insert(0, os.path.join(kit.SHARED, "features"))
    from oracle import connection
    around = {name: {other: weights[name][other]["weight"] for other in weights[name]} for name in names}
    return connection.communities(names, around, around, "label_propagation")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("--captures", action="store_true", help="the open captures too")
    parser.add_argument("--verbose", action="store_true", help="all modularities")
    options = parser.parse_args()
    failed, worst, count = 0, (0.0, ""), 0
    with tempfile.TemporaryDirectory() as folder:
        tasks = []
        for name, graph in generated():
            path = os.path.join(folder, name + ".csv")
            write_rows(nx.convert_node_labels_to_integers(graph, ordering="sorted"), path, name)
            tasks.append((name, path))
        if options.captures:
            tasks += [(capture, kit.capture_path(capture)) for capture in kit.captures()]
        for name, source in tasks:
            try:
                lines, found = compare(options.binary, source, folder)
            except (RuntimeError, subprocess.SubprocessError) as error:
                lines, found = [f"FAILED {error}"], None
            count += 1
            failed += bool(lines)
            for line in lines:
                print(f"DIFFERENT {name}: {line}")
            if found:
                ours, theirs, greedy, their_greedy = found
                worst = min(worst, (ours - max(theirs), name))
                if options.verbose:
                    print(f"{name}: louvain {ours:.4f}, networkx {min(theirs):.4f} to {max(theirs):.4f}; greedy {greedy:.4f}, networkx {their_greedy:.4f}")
    print(f"graph: {count} graphs, {count - failed} equal; louvain at worst {worst[0]:+.4f} of networkx's best of {len(SEEDS)} seeds ({worst[1]})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
