//! The plan as a picture: boxes in columns, each to the right of all that it reads. Small plans need no program to draw them.

use super::draw::Drawing;
use std::fmt::Write as _;

/// Pixels a letter, about.
const LETTER: usize = 7;
/// Pixels of a box, and between boxes of a column.
const HEIGHT: usize = 40;
const GAP: usize = 24;
/// Letters of the second line at most: a path can be long.
const LONGEST: usize = 40;

/// Where a box is: its left edge, its top, its width.
struct Placed {
    left: usize,
    top: usize,
    width: usize,
}

impl Drawing {
    /// The column of each box: one more than that of the last that it reads.
    fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.boxes.len()];
        // a path has no more arrows than there are boxes
        for _ in 0..self.boxes.len() {
            for (from, to, _) in &self.arrows {
                ranks[*to] = ranks[*to].max(ranks[*from] + 1);
            }
        }
        ranks
    }

    /// As SVG.
    pub fn svg(&self) -> String {
        let ranks = self.ranks();
        let shown = |text: &str| match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.to_owned(),
        };
        let wide = |text: &str| shown(text).chars().count() * LETTER;
        let columns = ranks.iter().max().map_or(0, |last| last + 1);
        let (mut left, mut height) = (GAP, 0);
        let mut placed: Vec<Placed> = Vec::new();
        placed.resize_with(self.boxes.len(), || Placed {
            left: 0,
            top: 0,
            width: 0,
        });
        for column in 0..columns {
            let own: Vec<usize> = (0..ranks.len()).filter(|at| ranks[*at] == column).collect();
            let lines = own.iter().flat_map(|at| &self.boxes[*at].lines);
            let width = lines.map(|line| wide(line)).max().unwrap_or(0) + 2 * LETTER;
            for (row, at) in own.iter().enumerate() {
                placed[*at] = Placed {
                    left,
                    top: GAP + row * (HEIGHT + GAP),
                    width,
                };
            }
            height = height.max(own.len() * (HEIGHT + GAP) + GAP);
            let labels = self
                .arrows
                .iter()
                .filter(|(from, ..)| ranks[*from] == column);
            let label = labels.map(|(_, _, label)| wide(label)).max().unwrap_or(0);
            left += width + label + 2 * GAP;
        }
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{left}\" height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\n\
             <defs><marker id=\"tip\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
        );
        for (from, to, label) in &self.arrows {
            let (from, to) = (&placed[*from], &placed[*to]);
            let (x, y) = (from.left + from.width, from.top + HEIGHT / 2);
            let (end_x, end_y) = (to.left, to.top + HEIGHT / 2);
            let middle = usize::midpoint(x, end_x);
            let _ = writeln!(
                out,
                "<path d=\"M{x} {y}C{middle} {y} {middle} {end_y} {end_x} {end_y}\" fill=\"none\" stroke=\"#555\" marker-end=\"url(#tip)\"/>\n\
                 <text x=\"{}\" y=\"{}\" fill=\"#555\">{}</text>",
                x + LETTER,
                // labels of arrows from one box stand where the arrows go
                (y + (y + end_y) / 2) / 2 - 4,
                escaped(&shown(label))
            );
        }
        for (one, Placed { left, top, width }) in self.boxes.iter().zip(&placed) {
            let round = if one.is_round { HEIGHT / 2 } else { 3 };
            let [name, detail] = one.lines.each_ref().map(|line| escaped(&shown(line)));
            let x = left + LETTER;
            let _ = writeln!(
                out,
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"{round}\" fill=\"#fff\" stroke=\"#000\"/>\n\
                 <text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{name}</text><text x=\"{x}\" y=\"{}\">{detail}</text>",
                top + 16,
                top + 31
            );
        }
        out.push_str("</svg>\n");
        out
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
