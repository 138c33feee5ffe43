//! PageRank of the directed simple graph: damping 0.85, all nodes alike to start at and to go on to from a dead end.

use super::snapshot::Graph;

const DAMPING: f64 = 0.85;
/// It is over when the ranks change by less than this together.
const TOLERANCE: f64 = 1e-12;
/// Or after as many rounds.
const ROUNDS: usize = 200;

/// The rank of each node; they add up to 1.
#[expect(clippy::cast_precision_loss, reason = "counts of a graph in memory")]
pub fn pagerank(graph: &Graph) -> Vec<f64> {
    let nodes = graph.nodes();
    let each = 1.0 / nodes as f64;
    let mut ranks = vec![each; nodes];
    let mut next = vec![0.0; nodes];
    for _ in 0..ROUNDS {
        let ends = (0..nodes).filter(|node| graph.out.of(*node).is_empty());
        let lost: f64 = ends.map(|node| ranks[node]).sum();
        next.fill((1.0 - DAMPING) * each + DAMPING * lost * each);
        for (node, rank) in ranks.iter().enumerate() {
            let out = graph.out.of(node);
            let share = DAMPING * rank / out.len() as f64;
            for (other, _) in out {
                next[*other as usize] += share;
            }
        }
        let change: f64 = ranks.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
        std::mem::swap(&mut ranks, &mut next);
        if change < TOLERANCE {
            break;
        }
    }
    ranks
}
