//! A small graph as a lecturer draws it on the blackboard: a circuit from left to right, with the value (green)
//! above and the gradient (red) below each wire, and the local gradient where a wire enters a gate.

use super::graph::{number, sizes, tensors, value};
use super::picture::{Edge, Ids, Line, Mark, NodeKind, Picture, Style, Tone};
use crate::array::Array;
use crate::error::Result;
use crate::graph::{ComputationalGraph, GateReport, Local, Source};

/// The letters of local gradients at most.
const LONGEST: usize = 22;

pub(super) fn board(graph: &ComputationalGraph) -> Result<Picture> {
    let tensors = tensors(graph)?;
    let gradients = graph.run.as_ref().and_then(|run| run.gradients.as_ref());
    let marks = |place: usize| {
        let mut marks = vec![Mark::new(value(&tensors[place].array()), Tone::Value)];
        if let Some(gradient) = gradients.and_then(|all| all[place].as_ref()) {
            marks.push(Mark::new(value(gradient), Tone::Gradient));
        }
        marks
    };
    let mut picture = Picture { style: Style::Board, ..Picture::default() };
    let mut ids = Ids::default();
    let mut made: Vec<(usize, usize)> = vec![(0, 0); graph.values.len()];
    for (place, source) in graph.values.iter().enumerate() {
        if let Source::Input { name, .. } = source {
            let kind = if tensors[place].requires_grad() { NodeKind::Leaf } else { NodeKind::Data };
            let node = picture.node(ids.next(name), kind, name.clone());
            picture.nodes[node].outputs.push(marks(place));
            made[place] = (node, 0);
        }
    }
    for (report, step) in graph.gates()?.iter().zip(&graph.steps) {
        let folded = folded(graph, report);
        let label = folded.as_ref().map_or_else(|| symbol(&report.name), |(_, label)| label.clone());
        let node = picture.node(ids.next(&report.name), NodeKind::Gate, label);
        for (i, id) in step.inputs.iter().enumerate() {
            if folded.as_ref().is_some_and(|(constant, _)| *constant == i) {
                continue;
            }
            if let Source::Constant(tensor) = &graph.values[id.place()] {
                // Each use has its own constant.
                let label = value(&tensor.array());
                made[id.place()] = (picture.node(ids.next("constant"), NodeKind::Constant, label), 0);
            }
            let (from, output) = made[id.place()];
            let marks = local(graph, report, i)?.map(|text| Mark::new(text, Tone::Local));
            let marks = marks.into_iter().collect();
            picture.edges.push(Edge { from, output, to: node, line: Line::Arrow, marks });
        }
        for (output, id) in step.outputs.iter().enumerate() {
            made[id.place()] = (node, output);
            picture.nodes[node].outputs.push(marks(id.place()));
        }
    }
    if let Some(output) = graph.output {
        let end = picture.node(ids.next("L"), NodeKind::Output, "L");
        let (from, output) = made[output.place()];
        picture.edges.push(Edge { from, output, to: end, line: Line::Arrow, marks: Vec::new() });
    }
    Ok(picture)
}

/// What a gate multiplies the gradient by on its way to an input.
fn local(graph: &ComputationalGraph, gate: &GateReport, input: usize) -> Result<Option<String>> {
    let text = |array: &Array| {
        let all = array.to_f64_vec();
        match all.split_first() {
            Some((first, rest)) if rest.iter().all(|x| x == first) => number(*first),
            _ => value(array),
        }
    };
    let of = match &gate.inputs[input].local {
        Local::None => return Ok(None),
        Local::Values(array) => text(array),
        // Of a gate with one number as its output, the Jacobian is one row.
        Local::Rule(_) if gate.value.elements() == 1 && gate.inputs[input].meta.shape.elements() <= 16 => {
            match graph.jacobian(gate.place, input)? {
                Some(row) => text(&row.reshape([row.elements()])?),
                None => return Ok(None),
            }
        }
        Local::Rule(_) => {
            format!("J {}", sizes(&[gate.value.elements(), gate.inputs[input].meta.shape.elements()]))
        }
    };
    Ok(Some(super::font::cut(&format!("×{}", wrapped(&of)), LONGEST)))
}

/// A gate with a number of the program: `+1`, `1/x`, `x²`. The constant's place among the inputs, and the label.
fn folded(graph: &ComputationalGraph, gate: &GateReport) -> Option<(usize, String)> {
    let [a, b] = &gate.inputs[..] else { return None };
    let constant = |input: &crate::graph::InputReport| match &graph.values[input.id.place()] {
        Source::Constant(tensor) if tensor.rank() == 0 => tensor.item().ok(),
        _ => None,
    };
    match (constant(a), constant(b)) {
        (None, Some(c)) => {
            let n = number(c);
            let label = match &gate.name[..] {
                "Add" if c < 0.0 => n,
                "Add" => format!("+{n}"),
                "Sub" => format!("−{}", wrapped(&n)),
                "Rsub" => format!("{n}−x"),
                "Rdiv" => format!("{n}/x"),
                "Mul" => format!("×{}", wrapped(&n)),
                "Div" => format!("÷{}", wrapped(&n)),
                "Pow" => power(c),
                _ => return None,
            };
            Some((1, label))
        }
        (Some(c), None) => {
            let n = number(c);
            let label = match &gate.name[..] {
                "Add" if c < 0.0 => n,
                "Add" => format!("+{n}"),
                "Sub" => format!("{n}−x"),
                "Mul" => format!("×{}", wrapped(&n)),
                "Div" => format!("{n}/x"),
                "Pow" => format!("{}^x", wrapped(&n)),
                _ => return None,
            };
            Some((0, label))
        }
        _ => None,
    }
}

fn wrapped(number: &str) -> String {
    if number.starts_with('−') { format!("({number})") } else { number.to_string() }
}

/// x to this power.
fn power(exponent: f64) -> String {
    if exponent.fract() != 0.0 || !(-99.0..=99.0).contains(&exponent) {
        return format!("x^{}", number(exponent));
    }
    let raised = |c: char| match c {
        '−' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => c.to_digit(10).and_then(|digit| char::from_u32('⁰' as u32 + digit)).unwrap_or(c),
    };
    format!("x{}", number(exponent).chars().map(raised).collect::<String>())
}

/// A gate's sign on the board.
fn symbol(name: &str) -> String {
    match name {
        "Add" => "+",
        "Sub" => "−",
        "Mul" => "×",
        "Div" => "÷",
        "Neg" => "×(−1)",
        "Pow" => "xʸ",
        "Reciprocal" => "1/x",
        "Square" => "x²",
        "Sqrt" => "√",
        "Exp" => "exp",
        "Log" => "ln",
        "Sin" => "sin",
        "Cos" => "cos",
        "Tanh" => "tanh",
        "Sigmoid" => "σ",
        "Relu" => "ReLU",
        "Abs" => "|x|",
        "Maximum" => "max",
        "Minimum" => "min",
        "Sum" => "Σ",
        "MatMul" => "·",
        "Softmax" => "softmax",
        "Vector" => "[ ]",
        _ => name,
    }
    .to_string()
}
