//! The double check by hand: symbolic derivatives, and products of local derivatives along every path.

use chainrule::Array;
use chainrule::formula::Expr;
use chainrule::graph::Local;

use super::text::{Gate, Paint, factor, short, show};
use super::{InputGradient, Verdict};
use crate::layout::flow;

/// More paths than these are counted, not shown.
const MOST: usize = 8;

/// One way from the loss back to an input: the factors along it, with their names.
type Path = Vec<(String, String)>;

/// The symbolic derivative of each input and the chain rule along each path.
pub fn by_hand(expr: &Expr, found: &[InputGradient], gates: &[Gate], paint: &Paint) -> String {
    let mut text = paint.title("by hand") + "\n" + &flow("  L = ", &expr.to_string(), str::to_string);
    for input in found {
        let beginning = format!("  ∂L/∂{} = ", input.name);
        let Some(symbolic) = &input.symbolic else {
            text += &flow(&beginning, "the product of Jacobians below", str::to_string);
            continue;
        };
        let number = |x: f64| Array::scalar(x);
        let value = match (symbolic.value.len(), input.is_vector) {
            (1, false) => show(&number(symbolic.value[0]), 60),
            (1, true) => format!("{} for each element", short(symbolic.value[0])),
            (n, _) => {
                Array::from_vec(symbolic.value.clone(), [n]).map_or_else(|_| String::new(), |v| show(&v, 60))
            }
        };
        let sum = match symbolic.expression == value {
            true => value.clone(),
            false => format!("{} = {value}", symbolic.expression),
        };
        let same = input.gradient.iter().enumerate().all(|(i, &g)| {
            let own = symbolic.value[if symbolic.value.len() == 1 { 0 } else { i }];
            (own - g).abs() <= 1e-9 * g.abs().max(1.0) || input.verdicts[i] == Verdict::Undefined
        });
        text += &flow(&beginning, &sum, |line| match line.strip_suffix(&value) {
            Some(start) => format!("{start}{}", paint.gradient(&value)),
            None => line.to_string(),
        });
        if !same {
            text += "       (at this kink backpropagation takes another of the possible values)\n";
        }
    }
    if gates.is_empty() {
        return text + "\n";
    }
    text += &format!("\n{}\n", paint.title("chain rule: the product of local derivatives along each path"));
    for input in found {
        let mut paths = Vec::new();
        walk(&input.name, gates, gates.len() - 1, &mut Vec::new(), &mut paths);
        if paths.is_empty() {
            continue;
        }
        let shown = paths.len().min(MOST);
        for (i, path) in paths[..shown].iter().enumerate() {
            let beginning = if i == 0 { format!("  ∂L/∂{} = ", input.name) } else { "       + ".into() };
            text += &flow(&beginning, &joined(path, |(name, _)| name), str::to_string);
        }
        if paths.len() > MOST {
            text += &format!("       + {} more paths\n", paths.len() - MOST);
        } else if paths.len() > 1 || paths[0].len() > 1 {
            let products: Vec<String> = paths.iter().map(|path| joined(path, |(_, value)| value)).collect();
            text += &flow("       = ", &products.join(" + "), str::to_string);
        }
        let gradient = if input.is_vector {
            Array::from_vec(input.gradient.clone(), [input.gradient.len()])
                .map_or_else(|_| String::new(), |g| show(&g, 60))
        } else {
            short(input.gradient[0])
        };
        text += &format!("       = {}\n", paint.gradient(&gradient));
    }
    text + "\n"
}

/// Collects the paths from a gate back to an input. An expression's graph is a tree but for its inputs, so there
/// are no more paths than there are names in the expression.
fn walk(target: &str, gates: &[Gate], place: usize, path: &mut Path, found: &mut Vec<Path>) {
    let gate = &gates[place];
    for (i, input) in gate.report.inputs.iter().enumerate() {
        if matches!(input.local, Local::None) {
            continue;
        }
        let name = format!("∂{}/∂{}", gate.report.output_name, input.name);
        path.push((name, local(gate, i)));
        if input.name == target {
            found.push(path.clone());
        } else if let Some(next) =
            gates[..place].iter().position(|other| other.report.output_name == input.name)
        {
            walk(target, gates, next, path, found);
        }
        path.pop();
    }
}

/// A local derivative as a factor: a number, a row, a diagonal matrix, or the size of a Jacobian.
fn local(gate: &Gate, input: usize) -> String {
    let report = &gate.report;
    match (&report.inputs[input].local, &gate.jacobians[input]) {
        (Local::Values(local), _) if local.rank() == 0 => factor(local.item().unwrap_or(f64::NAN)),
        (Local::Values(local), _) if report.inputs[input].meta.shape.elements() == local.elements() => {
            format!("diag{}", show(local, 50))
        }
        // A number that was broadcast: a column.
        (Local::Values(local), _) => format!("{}ᵀ", show(local, 50)),
        (_, Some(jacobian)) if jacobian.shape()[0] == 1 => {
            jacobian.reshape([jacobian.elements()]).map_or_else(|_| String::new(), |row| show(&row, 50))
        }
        (_, Some(jacobian)) => format!("J({}×{})", jacobian.shape()[0], jacobian.shape()[1]),
        // Too large to be computed.
        _ => format!("J({}×{})", report.value.elements(), report.inputs[input].meta.shape.elements()),
    }
}

fn joined(path: &Path, part: fn(&(String, String)) -> &String) -> String {
    path.iter().map(|step| part(step).as_str()).collect::<Vec<_>>().join(" · ")
}
