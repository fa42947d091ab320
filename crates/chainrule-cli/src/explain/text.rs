//! The worked solution as text: at most 80 columns, in colour on a terminal only.

use chainrule::formula::Expr;
use chainrule::graph::{GateReport, Local};
use chainrule::{Array, Formula, Tensor};

use super::InputGradient;
use crate::Failure;

/// Colours, where the output is a terminal.
pub struct Paint {
    pub on: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// Headings.
    pub fn title(&self, text: &str) -> String {
        self.with("1", text)
    }

    /// Values: green, as on a blackboard.
    fn value(&self, text: &str) -> String {
        self.with("32", text)
    }

    /// Gradients: red, as on a blackboard.
    pub fn gradient(&self, text: &str) -> String {
        self.with("31", text)
    }
}

/// The elements; a local gradient of ones may be stored once.
pub fn numbers(array: &Array) -> Vec<f64> {
    array.to_f64_vec()
}

/// A number with at most four digits after the point.
pub fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if !x.is_finite() || x.abs() >= 1e6 || x.abs() < 1e-4 {
        return format!("{x:.4e}");
    }
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// An array in one line; long ones are cut.
pub fn show(array: &Array) -> String {
    let all = array.to_f64_vec();
    match array.rank() {
        0 => short(all[0]),
        _ if all.len() > 6 => {
            let first: Vec<String> = all.iter().take(5).map(|&x| short(x)).collect();
            format!("[{}, …]", first.join(", "))
        }
        _ => format!("[{}]", all.iter().map(|&x| short(x)).collect::<Vec<_>>().join(", ")),
    }
}

/// A gate's formula with the names of its own inputs: `g2 = g1*z`.
pub fn formula(gate: &GateReport) -> String {
    let names: Vec<&str> = gate.inputs.iter().map(|input| input.name.as_str()).collect();
    match &gate.formula {
        Formula::Elementwise { inputs, value, .. } => {
            let own = |name: &str| inputs.iter().position(|i| *i == name).map(|i| names[i].to_string());
            let positional = value.rename(&own);
            format!("{} = {positional}", gate.output_name)
        }
        Formula::Rule { .. } => {
            format!("{} = {}({})", gate.output_name, gate.name.to_lowercase(), names.join(", "))
        }
    }
}

/// The expression, its inputs and its value.
pub fn header(
    expr: &Expr,
    inputs: &[(String, Tensor)],
    loss: &Tensor,
    paint: &Paint,
) -> Result<String, Failure> {
    let given: Vec<String> =
        inputs.iter().map(|(name, x)| format!("{name} = {}", show(&x.array()))).collect();
    let mut text = format!("{}\n", paint.title(&format!("L = {expr}")));
    if !given.is_empty() {
        text += &format!("at {}\n", given.join(", "));
    }
    Ok(text + &format!("L = {}\n\n", paint.value(&show(&loss.array()))))
}

/// Pads to a width counted in characters; colours don't count.
fn cell(text: &str, width: usize) -> String {
    let length = text.chars().count();
    format!("{text}{}", " ".repeat(width.saturating_sub(length)))
}

fn local_text(local: &Local) -> String {
    match local {
        Local::Values(values) => show(values),
        Local::Rule(rule) => rule.clone(),
        Local::None => "no gradient".into(),
    }
}

/// One row a gate and one a input: value, upstream gradient, local gradient, product.
pub fn table(gates: &[GateReport], paint: &Paint) -> String {
    let mut text = paint.title("gate by gate: upstream × local = passed on") + "\n";
    let formulas: Vec<String> = gates.iter().map(formula).collect();
    let widest = formulas.iter().map(|f| f.chars().count()).max().unwrap_or(0).clamp(8, 28);
    text += &format!(
        "{}{}{}{}{}{}\n",
        cell("gate", widest + 2),
        cell("value", 10),
        cell("upstream", 10),
        cell("input", 8),
        cell("local", 10),
        "passed on"
    );
    for (gate, formula) in gates.iter().zip(&formulas) {
        let value = show(&gate.value);
        let upstream = gate.upstream.as_ref().map_or("none".to_string(), show);
        let wide = value.chars().count() > 9 || upstream.chars().count() > 9;
        let mut first = if formula.chars().count() > widest {
            format!("{formula}\n{}", cell("", widest + 2))
        } else {
            cell(formula, widest + 2)
        };
        if wide {
            // Vectors get lines of their own.
            text += &format!(
                "{formula}\n  value    {}\n  upstream {}\n",
                paint.value(&value),
                paint.gradient(&upstream)
            );
            first = String::new();
        } else {
            first += &paint.value(&cell(&value, 10));
            first += &paint.gradient(&cell(&upstream, 10));
        }
        let blank = cell("", widest + 22);
        for (i, input) in gate.inputs.iter().filter(|input| !matches!(input.local, Local::None)).enumerate() {
            let local = local_text(&input.local);
            let passed = input.passed.as_ref().map_or("0".to_string(), show);
            let long = wide || local.chars().count() > 9 || passed.chars().count() > 14;
            if long {
                if i == 0 && !wide {
                    text += &format!("{}\n", first.trim_end());
                }
                text += &format!("  to {}: {local}\n     passes {}\n", input.name, paint.gradient(&passed));
            } else {
                let before = if i == 0 { &first } else { &blank };
                text += &format!(
                    "{before}{}{}{}\n",
                    cell(&input.name, 8),
                    cell(&local, 10),
                    paint.gradient(&passed)
                );
            }
        }
        if gate.inputs.iter().all(|input| matches!(input.local, Local::None)) && !wide {
            text += &format!("{}\n", first.trim_end());
        }
    }
    text + "\n"
}

/// The forward pass and then the backward pass, one gate at a time.
pub fn steps(gates: &[GateReport], paint: &Paint) -> String {
    let mut text = paint.title("forward") + "\n";
    for (i, gate) in gates.iter().enumerate() {
        text += &format!("  {}. {} = {}\n", i + 1, formula(gate), paint.value(&show(&gate.value)));
    }
    text += &format!("\n{}\n", paint.title("backward"));
    for (i, gate) in gates.iter().rev().enumerate() {
        let upstream = gate.upstream.as_ref().map_or("none".to_string(), show);
        text += &format!(
            "  {}. {}: upstream ∂L/∂{} = {}\n",
            i + 1,
            formula(gate),
            gate.output_name,
            paint.gradient(&upstream)
        );
        for input in &gate.inputs {
            let passed = input.passed.as_ref().map_or("0".to_string(), show);
            match &input.local {
                Local::None => {}
                Local::Rule(rule) => {
                    text += &format!(
                        "       to {}: {rule}\n         = {}\n",
                        input.name,
                        paint.gradient(&passed)
                    );
                }
                Local::Values(values) => {
                    text += &format!(
                        "       to {}: upstream × local = {upstream} × {} = {}\n",
                        input.name,
                        show(values),
                        paint.gradient(&passed)
                    );
                }
            }
        }
    }
    text + "\n"
}

/// Where a value goes into several gates, its gradient is a sum.
pub fn forks(gates: &[GateReport], paint: &Paint) -> String {
    let mut names: Vec<&str> = Vec::new();
    for input in gates.iter().flat_map(|gate| &gate.inputs) {
        if !matches!(input.local, Local::None) && !names.contains(&input.name.as_str()) {
            names.push(&input.name);
        }
    }
    let mut text = String::new();
    for name in names {
        let parts: Vec<&Array> = gates
            .iter()
            .rev()
            .flat_map(|gate| &gate.inputs)
            .filter(|input| input.name == name)
            .filter_map(|input| input.passed.as_ref())
            .collect();
        if parts.len() > 1 {
            let total = (0..parts[0].elements())
                .map(|i| parts.iter().map(|part| part.to_f64_vec()[i]).sum::<f64>())
                .collect::<Vec<f64>>();
            let total =
                Array::from_vec(total, *parts[0].shape()).map_or_else(|_| String::new(), |sum| show(&sum));
            let terms: Vec<String> = parts.iter().map(|part| show(part)).collect();
            text += &format!("  ∂L/∂{name} = {} = {}\n", terms.join(" + "), paint.gradient(&total));
        }
    }
    if text.is_empty() { text } else { format!("{}\n{text}\n", paint.title("sums at forks")) }
}

/// The gradients of the inputs, with the numerical check beside them.
pub fn gradients(found: &[InputGradient], paint: &Paint) -> String {
    let mut text = paint.title("gradients of the inputs") + "\n";
    text += &format!("  {}{}{}\n", cell("", 12), cell("backpropagation", 20), "differences");
    for input in found {
        for (i, (gradient, numerical)) in input.gradient.iter().zip(&input.numerical).enumerate() {
            let name = if input.gradient.len() > 1 {
                format!("∂L/∂{}[{i}]", input.name)
            } else {
                format!("∂L/∂{}", input.name)
            };
            let verdict = match input.kinks.iter().find(|kink| kink.element == i) {
                Some(kink) => format!("a kink: {} left, {} right", short(kink.left), short(kink.right)),
                None => {
                    let close = (gradient - numerical).abs()
                        <= 1e-6 * gradient.abs().max(numerical.abs()) + 4.0 * input.numerical_error[i] + 1e-9;
                    format!(
                        "{}{}",
                        cell(&format!("{numerical:.8}"), 20),
                        if close || gradient == numerical { "agrees" } else { "DISAGREES" }
                    )
                }
            };
            text += &format!(
                "  {}{}{verdict}\n",
                cell(&name, 12),
                paint.gradient(&cell(&format!("{gradient:.8}"), 20))
            );
        }
    }
    text
}
