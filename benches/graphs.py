#!/usr/bin/env python3
"""What networkx and rustworkx need for the graphs of `views.rs`: computed anew, as they keep nothing up to date.

    graphs.py FOLDER     # where `JAYFLOW_EDGES=FOLDER cargo bench -- views` wrote them

One line of JSON: seconds by name. Betweenness from few starts, times 256 / starts. Needs networkx, numpy, rustworkx, scipy.
"""
import json
import os
import sys
import time

import networkx as nx
import numpy as np
import rustworkx as rx

STARTS = 2
PIVOTS = 256
SMALL = 1_000  # nodes of the graph on which rustworkx, which has no pivots, searches from all


def edges_of(path):
    return [tuple(pair) for pair in np.fromfile(path, dtype="<u4").reshape(-1, 2).tolist()]


def timed(of, name, work):
    begin = time.process_time()
    found = work()
    of[name] = time.process_time() - begin
    return found


def counts(edges):
    """flows of nodes and edges, and degrees"""
    flows = nx.MultiDiGraph(edges)
    simple = nx.DiGraph(edges)
    return dict(flows.out_degree), dict(flows.in_degree), dict(simple.out_degree), dict(simple.in_degree)


def main(folder):
    of = {}
    records = edges_of(os.path.join(folder, "records"))
    timed(of, "networkx counts and degrees", lambda: counts(records))
    plain = timed(of, "networkx undirected graph", lambda: nx.Graph(records))
    timed(of, "networkx clustering", lambda: nx.clustering(plain))
    of["networkx counts, degrees and clustering"] = sum(of[name] for name in ("networkx counts and degrees", "networkx undirected graph", "networkx clustering"))
    del plain, records
    large = edges_of(os.path.join(folder, "large"))
    directed = nx.DiGraph(large)
    undirected = directed.to_undirected()
    timed(of, "networkx components", lambda: list(nx.weakly_connected_components(directed)))
    timed(of, "networkx label_propagation", lambda: list(nx.community.label_propagation_communities(undirected)))
    timed(of, "networkx pagerank", lambda: nx.pagerank(directed))
    timed(of, "networkx kcore", lambda: nx.core_number(undirected))
    timed(of, "networkx betweenness", lambda: nx.betweenness_centrality(directed, k=STARTS, seed=1))
    of["networkx betweenness of 256 pivots"] = of.pop("networkx betweenness") * PIVOTS / STARTS
    fast = rx.PyDiGraph(multigraph=False)
    fast.add_nodes_from(range(1 + max(map(max, large))))
    fast.add_edges_from_no_data(large)
    timed(of, "rustworkx components", lambda: rx.weakly_connected_components(fast))
    timed(of, "rustworkx pagerank", lambda: rx.pagerank(fast))
    timed(of, "rustworkx kcore", lambda: rx.core_number(fast))
    # ten edges a node, as in the large one; one thread
    small = rx.PyDiGraph(multigraph=False)
    small.add_nodes_from(range(SMALL))
    small.add_edges_from_no_data([(a % SMALL, b % SMALL) for a, b in large[: 10 * SMALL]])
    timed(of, "small", lambda: rx.digraph_betweenness_centrality(small, parallel_threshold=1 << 30))
    of["rustworkx betweenness of 256 pivots"] = of.pop("small") / SMALL / small.num_edges() * PIVOTS * fast.num_edges()
    print(json.dumps(of))


if __name__ == "__main__":
    main(sys.argv[1])
