//! How large nodes and their texts are, and in which colours they stand.

use super::font::{cut, width};
use super::layout::Size;
use super::picture::{Mark, Node, NodeKind, Style};
use super::scene::{HEAD, Paint};

/// The size of values and gradients on the board.
pub(super) const MARK: f64 = 12.5;
/// The size of shapes at wires.
pub(super) const SHAPE: f64 = 10.0;
/// The longest line of a label.
pub(super) const LONGEST: usize = 64;

/// What a node looks like.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// Each line with its size; the rest of a line behind a tab stands at the right.
    pub(super) lines: Vec<(String, f64, Paint)>,
    pub(super) fill: Option<(Paint, Paint)>,
    pub(super) radius: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The direction in which data flows.
pub(super) fn is_sideways(style: Style) -> bool {
    style == Style::Board
}

fn fills(style: Style, kind: NodeKind) -> Option<(Paint, Paint)> {
    match (style, kind) {
        (Style::Torchviz, NodeKind::Output) => Some((Paint::TorchOutput, Paint::OutputEdge)),
        (Style::Torchviz, NodeKind::Leaf) => Some((Paint::TorchLeaf, Paint::LeafEdge)),
        (Style::Torchviz, NodeKind::Gate) => Some((Paint::Backward, Paint::BackwardEdge)),
        (_, NodeKind::Base) => Some((Paint::Base, Paint::OutputEdge)),
        (_, NodeKind::Saved) => Some((Paint::Saved, Paint::SavedEdge)),
        (_, NodeKind::Gate) => Some((Paint::Gate, Paint::GateEdge)),
        // On a board, inputs and the loss are names at the ends of wires.
        (Style::Board, _) => None,
        (_, NodeKind::Output) => Some((Paint::Output, Paint::OutputEdge)),
        (_, NodeKind::Leaf) => Some((Paint::Leaf, Paint::LeafEdge)),
        (_, NodeKind::Data | NodeKind::Constant) => Some((Paint::Data, Paint::DataEdge)),
    }
}

/// How a node with so many arriving wires looks.
pub(super) fn look(style: Style, node: &Node, arriving: usize) -> Look {
    let fill = fills(style, node.kind);
    let mut lines: Vec<(String, f64, Paint)> = Vec::new();
    let rows: Vec<&str> = node.label.trim().lines().collect();
    for (i, row) in rows.iter().enumerate() {
        let (size, paint) = match (style, i) {
            (Style::Torchviz, _) => (10.0, Paint::Text),
            (Style::Forward, 0) => (12.0, Paint::Text),
            (Style::Forward, _) => (10.0, Paint::Faint),
            (Style::Board, 0) if node.kind == NodeKind::Gate => (17.0, Paint::Text),
            (Style::Board, 0) => (16.0, Paint::Text),
            (Style::Board, _) => (10.5, Paint::Faint),
        };
        let row = match row.chars().all(|c| c == '-') {
            true => "\t".to_string(),
            // Attributes: names at the left, values at the right.
            false if i > 1 && rows[1].starts_with("--") => {
                row.split_once(':').map_or(row.to_string(), |(a, b)| format!("{}:\t{}", a.trim(), b.trim()))
            }
            false => row.trim().to_string(),
        };
        lines.push((cut(&row, LONGEST), size, paint));
    }
    let text =
        lines.iter().map(|(line, size, _)| width(&line.replace('\t', "   "), *size)).fold(0.0, f64::max);
    let height: f64 = lines.iter().map(|(_, size, _)| line_height(*size)).sum();
    let (mut across, mut tall, radius) = match style {
        Style::Torchviz => (text + 14.0, height + 8.0, 2.5),
        Style::Forward if node.kind == NodeKind::Gate => ((text + 22.0).max(64.0), height + 10.0, 5.0),
        Style::Forward => (text + 22.0, height + 6.0, 9.0),
        Style::Board if node.kind == NodeKind::Gate => {
            ((text + 22.0).max(48.0), (height + 10.0).max(48.0), 24.0)
        }
        Style::Board => (text + 8.0, (height + 4.0).max(36.0), 0.0),
    };
    if style == Style::Board {
        tall = tall.max(20.0 * arriving as f64 + 4.0);
    } else {
        across = across.max(9.0 * arriving as f64 + 12.0).min(1_200.0_f64.max(text + 22.0));
    }
    Look { lines, fill, radius, width: across, height: tall }
}

pub(super) fn line_height(size: f64) -> f64 {
    size * 1.32
}

pub(super) fn mark_width(marks: &[Mark], size: f64) -> f64 {
    marks.iter().map(|mark| width(&mark.text, size)).fold(0.0, f64::max)
}

/// Where a node's outputs leave, from its middle.
pub(super) fn offsets(sideways: bool, node: &Node) -> Vec<f64> {
    let count = node.outputs.len();
    let widest = node.outputs.iter().map(|marks| mark_width(marks, SHAPE)).fold(0.0, f64::max);
    let apart = if sideways { 2.0 * MARK + 8.0 } else { widest + 14.0 };
    (0..count).map(|i| (i as f64 - (count as f64 - 1.0) / 2.0) * apart).collect()
}

/// What the layout needs to know.
pub(super) fn size(sideways: bool, node: &Node, look: &Look, chip: f64) -> Size {
    let outputs = offsets(sideways, node);
    let aside = outputs.last().copied().unwrap_or(0.0);
    let marked = node.outputs.iter().any(|marks| !marks.is_empty());
    let before = if chip > 0.0 {
        chip + 8.0 + HEAD + 8.0
    } else if sideways {
        HEAD + 3.0
    } else {
        0.0
    };
    if sideways {
        let widest = node.outputs.iter().map(|marks| mark_width(marks, MARK)).fold(0.0, f64::max);
        let own = if marked { 2.0 * (aside + MARK + 6.0) } else { 0.0 };
        return Size {
            width: look.height,
            room: look.height.max(own),
            before,
            body: look.width,
            after: if marked { widest + 10.0 } else { 0.0 },
            between: 20.0,
            outputs,
        };
    }
    let widest = node.outputs.iter().map(|marks| mark_width(marks, SHAPE)).fold(0.0, f64::max);
    let lines = node.outputs.iter().map(Vec::len).max().unwrap_or(0);
    Size {
        width: look.width,
        room: if marked { look.width.max(2.0 * (aside + 7.0 + widest)) } else { look.width },
        before,
        body: look.height,
        after: if marked { 4.0 + 12.0 * lines as f64 } else { 0.0 },
        between: 24.0,
        outputs,
    }
}
