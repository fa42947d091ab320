//! The double check by hand: symbolic derivatives, and products of local derivatives along every path.

use chainrule::Tensor;
use chainrule::formula::Expr;
use chainrule::graph::{GateReport, Local};

use super::InputGradient;
use super::text::{Paint, short};

/// More paths than these are counted, not shown.
const MOST: usize = 8;

/// One way from the loss back to an input: the factors along it, with their names.
type Path = Vec<(String, f64)>;

/// The symbolic derivative of each input and the chain rule along each path.
pub fn by_hand(
    expr: &Expr,
    inputs: &[(String, Tensor)],
    found: &[InputGradient],
    gates: &[GateReport],
    paint: &Paint,
) -> String {
    let mut text = format!("{}\n  L = {expr}\n", paint.title("by hand"));
    for input in found {
        if let Some(symbolic) = &input.symbolic {
            text += &format!(
                "  ∂L/∂{} = {symbolic} = {}\n",
                input.name,
                paint.gradient(&short(input.gradient[0]))
            );
        }
    }
    let scalars =
        inputs.iter().all(|(_, x)| x.rank() == 0) && gates.iter().all(|gate| gate.value.rank() == 0);
    if scalars && !gates.is_empty() {
        text +=
            &format!("\n{}\n", paint.title("chain rule: the product of local derivatives along each path"));
        for input in found {
            let mut paths = Vec::new();
            walk(&input.name, gates, gates.len() - 1, Vec::new(), &mut paths);
            let shown = paths.len().min(MOST);
            let terms: Vec<String> = paths[..shown].iter().map(names).collect();
            let products: Vec<String> = paths[..shown].iter().map(factors).collect();
            text += &format!("  ∂L/∂{} = {}\n", input.name, terms.join("\n       + "));
            if paths.len() > MOST {
                text += &format!("       + {} more paths\n", paths.len() - MOST);
            } else {
                text += &format!("       = {}\n", products.join(" + "));
            }
            text += &format!("       = {}\n", paint.gradient(&short(input.gradient[0])));
        }
    }
    text + "\n"
}

/// Collects the paths from a gate back to an input; more than are shown are only counted.
fn walk(target: &str, gates: &[GateReport], place: usize, path: Path, found: &mut Vec<Path>) {
    if found.len() > 10 * MOST {
        return;
    }
    let gate = &gates[place];
    for input in &gate.inputs {
        let Local::Values(local) = &input.local else { continue };
        let mut longer = path.clone();
        longer.push((format!("∂{}/∂{}", gate.output_name, input.name), local.item().unwrap_or(f64::NAN)));
        if input.name == target {
            found.push(longer);
        } else if let Some(next) = gates[..place].iter().position(|other| other.output_name == input.name) {
            walk(target, gates, next, longer, found);
        }
    }
}

fn names(path: &Path) -> String {
    path.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" · ")
}

fn factors(path: &Path) -> String {
    let factor = |x: f64| if x < 0.0 { format!("({})", short(x)) } else { short(x) };
    path.iter().map(|(_, x)| factor(*x)).collect::<Vec<_>>().join(" · ")
}
