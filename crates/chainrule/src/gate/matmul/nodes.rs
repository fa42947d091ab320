//! The nodes of PyTorch's graph that stand for a matrix product: its `matmul` brings operands to the shapes that
//! its products of vectors, matrices or batches take, and the result back.

use crate::array::Shape;
use crate::gate::{Next, SavedAs, TorchNode, Use};

/// The nodes, the one that made the output first.
pub(super) fn of(one_by_one: bool, used: &Use) -> Vec<TorchNode> {
    let (a, b) = (used.inputs[0].shape, used.inputs[1].shape);
    let (x, y) = (Operand::as_is(0), Operand::as_is(1));
    match (a.rank(), b.rank()) {
        (1, 1) => product("Dot", "tensor", [x, y], &[], used),
        (2, 1) => product("Mv", "vec", [x, y], &[], used),
        (2, 2) => product("Mm", "mat2", [x, y], &[], used),
        (3, 3) if one_by_one => product("Bmm", "mat2", [x, y], &[], used),
        (1, 2) => product("Mm", "mat2", [x.through(&["Unsqueeze"], [1, a[0]]), y], &["Squeeze"], used),
        // The rows of all batches are one tall matrix, where they meet the same operand …
        (_, 1) => product("Mv", "vec", [x.tall(&["View"], a, 1), y], &["UnsafeView"], used),
        (_, 2) => product("Mm", "mat2", [x.tall(&["View"], a, 1), y], &["UnsafeView"], used),
        (1, _) => {
            let turned = y.tall(&["UnsafeView", "Clone", "Transpose"], b, 2);
            product("Mv", "vec", [turned, x], &["UnsafeView"], used)
        }
        (2, _) if used.needs.input(0) => {
            let turned = y.tall(&["UnsafeView", "Clone", "Transpose"], b, 2);
            let x = x.through(&["T"], [a[1], a[0]]);
            product("Mm", "mat2", [turned, x], &["Clone", "Transpose", "UnsafeView"], used)
        }
        // … and elsewhere both are expanded to as many matrices.
        _ => product("Bmm", "mat2", [x.expanded(a, used), y.expanded(b, used)], &["UnsafeView"], used),
    }
}

/// An operand of a product: which input of the gate it is, and the nodes that brought it to form, the last first.
#[derive(Clone, Copy)]
struct Operand {
    input: usize,
    nodes: &'static [&'static str],
    saved: SavedAs,
}

impl Operand {
    fn as_is(input: usize) -> Operand {
        Operand { input, nodes: &[], saved: SavedAs::Input(input) }
    }

    fn through(self, nodes: &'static [&'static str], shape: impl Into<Shape>) -> Operand {
        Operand { nodes, saved: SavedAs::Other(shape.into()), ..self }
    }

    /// As one matrix whose columns are the dimension that is this many places from the end.
    fn tall(self, nodes: &'static [&'static str], shape: Shape, from_end: usize) -> Operand {
        let columns = shape[shape.rank() - from_end];
        self.through(nodes, [shape.elements() / columns.max(1), columns])
    }

    /// As one matrix for each of the result's.
    fn expanded(self, shape: Shape, used: &Use) -> Operand {
        let of_result = used.outputs[0].shape;
        let batch = &of_result[..of_result.rank() - 2];
        let (own, matrix) = shape.split_at(shape.rank() - 2);
        let missing = batch.len() - own.len();
        let size = |dim: usize| if dim < missing { 1 } else { own[dim - missing] };
        let repeats = (0..batch.len()).filter(|&dim| batch[dim] != size(dim)).count();
        // A view is enough where nothing, or everything, is a repetition.
        let viewed = repeats == 0 || repeats == batch.iter().filter(|&&size| size != 1).count();
        let nodes: &[&str] = if viewed { &["View", "Expand"] } else { &["UnsafeView", "Clone", "Expand"] };
        self.through(nodes, [batch.iter().product(), matrix[0], matrix[1]])
    }
}

/// The node of a product, with those that bring the operands to form and then the result (`after`).
fn product(name: &str, second: &str, operands: [Operand; 2], after: &[&str], used: &Use) -> Vec<TorchNode> {
    let node = |name: &str, next: Next| {
        let number = match name {
            "Squeeze" => 4,
            _ => 0,
        };
        TorchNode::new(format!("{name}Backward{number}"), [next])
    };
    let mut nodes: Vec<TorchNode> =
        after.iter().enumerate().map(|(i, name)| node(name, Next::Node(i + 1))).collect();
    let place = nodes.len();
    nodes.push(TorchNode::new(format!("{name}Backward0"), []));
    for (i, operand) in operands.iter().enumerate() {
        // What needs no gradient leaves no nodes.
        let operand =
            if used.needs.input(operand.input) { operand } else { &Operand { nodes: &[], ..*operand } };
        let first = nodes.len();
        for (i, name) in operand.nodes.iter().enumerate() {
            let last = i + 1 == operand.nodes.len();
            nodes.push(node(name, if last { Next::Input(operand.input) } else { Next::Node(first + i + 1) }));
        }
        let next = if operand.nodes.is_empty() { Next::Input(operand.input) } else { Next::Node(first) };
        nodes[place].next.push(next);
        if used.needs.input(operands[1 - i].input) {
            nodes[place].saved.push((if i == 0 { "self" } else { second }.into(), operand.saved));
        }
    }
    nodes
}
