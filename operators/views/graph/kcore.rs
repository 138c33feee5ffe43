//! Core numbers of the undirected simple graph (Batagelj and Zaversnik 2003).

use super::snapshot::{Graph, index};

/// For each node the largest k so that it is in a part of the graph in which every node has k neighbours or more.
pub fn core_numbers(graph: &Graph) -> Vec<u32> {
    let nodes = graph.nodes();
    let mut degree: Vec<u32> = (0..nodes)
        .map(|node| index(graph.around.of(node).len()))
        .collect();
    let most = degree.iter().max().map_or(0, |most| *most as usize);
    // nodes by what is left of their degree: where each degree starts, and where each node is
    let mut starts = vec![0u32; most + 2];
    for degree in &degree {
        starts[*degree as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut order = vec![0u32; nodes];
    let mut place = vec![0u32; nodes];
    let mut next = starts.clone();
    for node in 0..index(nodes) {
        let at = &mut next[degree[node as usize] as usize];
        order[*at as usize] = node;
        place[node as usize] = *at;
        *at += 1;
    }
    for at in 0..nodes {
        let node = order[at] as usize;
        for (other, _) in graph.around.of(node) {
            let other = *other as usize;
            if degree[other] > degree[node] {
                // it changes places with the first of its degree, which then starts one later
                let first = &mut starts[degree[other] as usize];
                let (here, there) = (place[other] as usize, *first as usize);
                let moved = order[there] as usize;
                order.swap(here, there);
                place.swap(other, moved);
                *first += 1;
                degree[other] -= 1;
            }
        }
    }
    degree
}
