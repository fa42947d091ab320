//! The worked solution as text: at most 80 columns, in colour on a terminal only.

use chainrule::formula::{Expr, Function};
use chainrule::graph::{GateReport, InputReport, Local};
use chainrule::{Array, Formula, Tensor};

use super::{InputGradient, Verdict};
use crate::layout::{WIDTH, cell, flow};

/// Elements of a vector that are shown at most.
const LONGEST: usize = 12;
/// Rows and columns of a Jacobian that are shown at most.
const LARGEST: usize = 8;
/// Elements of an input whose gradients are listed one by one.
const LISTED: usize = 16;

/// Colours, where the output is a terminal.
pub struct Paint {
    pub on: bool,
}

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// Headings.
    pub fn title(&self, text: &str) -> String {
        self.with("1", text)
    }

    /// Values: green, as on a blackboard.
    pub fn value(&self, text: &str) -> String {
        self.with("32", text)
    }

    /// Gradients: red, as on a blackboard.
    pub fn gradient(&self, text: &str) -> String {
        self.with("31", text)
    }
}

/// A gate's report, with its Jacobians where it has no elementwise local gradients.
pub struct Gate {
    pub report: GateReport,
    /// One an input.
    pub jacobians: Vec<Option<Array>>,
}

impl Gate {
    /// The inputs that have a gradient, with their Jacobians.
    fn inputs(&self) -> impl Iterator<Item = (&InputReport, Option<&Array>)> {
        let pairs = self.report.inputs.iter().zip(self.jacobians.iter().map(Option::as_ref));
        pairs.filter(|(input, _)| !matches!(input.local, Local::None))
    }

    /// The gate's formula with the names of its own inputs: `g2 = g1*z`.
    pub fn formula(&self) -> String {
        let gate = &self.report;
        let names: Vec<&str> = gate.inputs.iter().map(|input| input.name.as_str()).collect();
        let function = Function::ALL.iter().find(|function| gate.name.eq_ignore_ascii_case(function.name()));
        let value = match (&gate.formula, function, gate.name.as_str()) {
            // The name that the user wrote, rather than what it stands for: `relu(x)`, not `0 if 0 > x else x`.
            (Formula::Elementwise { .. }, Some(function), _) => {
                format!("{}({})", function.name(), names.join(", "))
            }
            (Formula::Elementwise { inputs, value, .. }, None, _) => {
                let own = |name: &str| inputs.iter().position(|i| *i == name).map(|i| names[i].to_string());
                value.rename(&own).to_string()
            }
            (Formula::Rule { .. }, _, "Vector") => format!("[{}]", names.join(", ")),
            // Products of vectors are the only products in an expression.
            (Formula::Rule { .. }, _, "MatMul") => format!("dot({})", names.join(", ")),
            (Formula::Rule { .. }, _, name) => format!("{}({})", name.to_lowercase(), names.join(", ")),
        };
        format!("{} = {value}", gate.output_name)
    }
}

/// A number with at most four digits after the point, six where it is small.
pub fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if !x.is_finite() {
        return x.to_string();
    }
    if x.abs() >= 1e6 || x.abs() < 1e-4 {
        return format!("{x:.4e}");
    }
    let text = if x.abs() < 0.01 { format!("{x:.6}") } else { format!("{x:.4}") };
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A number with eight digits after the point, or after its first.
fn precise(x: f64) -> String {
    if x == 0.0 || !x.is_finite() || (1e-4..1e7).contains(&x.abs()) {
        format!("{x:.8}")
    } else {
        format!("{x:.8e}")
    }
}

/// A number as a factor: negative ones in parentheses.
pub fn factor(x: f64) -> String {
    if x < 0.0 { format!("({})", short(x)) } else { short(x) }
}

/// An array in one line of at most so many characters; long ones are cut.
pub fn show(array: &Array, width: usize) -> String {
    let all: Vec<String> = array.to_f64_vec().into_iter().map(short).collect();
    if array.rank() == 0 {
        return all.concat();
    }
    let whole = format!("[{}]", all.join(", "));
    if all.len() <= LONGEST && whole.chars().count() <= width {
        return whole;
    }
    let end = format!(", … {} in all]", all.len());
    let mut text = String::from("[");
    for (i, number) in all.iter().take(LONGEST).enumerate() {
        if i > 0 && text.len() + 2 + number.len() + end.chars().count() > width {
            break;
        }
        text += &format!("{}{number}", if i > 0 { ", " } else { "" });
    }
    text + &end
}

/// The rows of a small matrix, aligned; of a large one its size.
fn matrix(array: &Array, width: usize) -> Vec<String> {
    let (rows, columns) = (array.shape()[0], array.shape()[1]);
    let all: Vec<String> = array.to_f64_vec().into_iter().map(short).collect();
    let widest = all.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    if rows > LARGEST || columns > LARGEST || columns * (widest + 2) + 4 > width {
        return vec![format!("a matrix of {rows} rows and {columns} columns")];
    }
    let last = rows.saturating_sub(1);
    all.chunks(columns.max(1))
        .enumerate()
        .map(|(i, row)| {
            let row: Vec<String> = row.iter().map(|text| format!("{text:>widest$}")).collect();
            let (start, end) = (if i == 0 { "[[" } else { " [" }, if i == last { "]]" } else { "]," });
            format!("{start}{}{end}", row.join(", "))
        })
        .collect()
}

/// A Jacobian: in one line where it is a row.
fn jacobian(array: &Array, width: usize) -> Vec<String> {
    match array.shape()[0] {
        1 => vec![array.reshape([array.elements()]).map_or_else(|_| String::new(), |row| show(&row, width))],
        _ => matrix(array, width),
    }
}

fn passed(input: &InputReport, width: usize) -> String {
    input.passed.as_ref().map_or_else(|| "0".to_string(), |passed| show(passed, width))
}

fn upstream(gate: &GateReport, width: usize) -> String {
    gate.upstream.as_ref().map_or_else(|| "none".to_string(), |g| show(g, width))
}

/// The expression, its inputs and its value.
pub fn header(expr: &Expr, inputs: &[(String, Tensor)], loss: &Tensor, paint: &Paint) -> String {
    let given: Vec<String> =
        inputs.iter().map(|(name, x)| format!("{name} = {}", show(&x.array(), 60))).collect();
    let mut text = flow("L = ", &expr.to_string(), |line| paint.title(line));
    if !given.is_empty() {
        text += &flow("at ", &given.join(", "), str::to_string);
    }
    text + &format!("L = {}\n\n", paint.value(&show(&loss.array(), 60)))
}

/// A row of the table for each input of a gate of numbers; `None` where they don't fit.
fn rows(gate: &Gate, widest: usize, paint: &Paint) -> Option<String> {
    let report = &gate.report;
    let fits = |text: &str, width: usize| (text.chars().count() < width).then_some(());
    let (value, upstream) = (show(&report.value, 60), upstream(report, 60));
    if report.value.rank() > 0 {
        return None;
    }
    fits(&value, 10)?;
    fits(&upstream, 10)?;
    let formula = gate.formula();
    let mut start = if formula.chars().count() > widest {
        flow("", &formula, str::to_string) + &cell("", widest + 2)
    } else {
        cell(&formula, widest + 2)
    };
    start += &paint.value(&cell(&value, 10));
    start += &paint.gradient(&cell(&upstream, 10));
    let mut text = String::new();
    for (input, _) in gate.inputs() {
        let Local::Values(local) = &input.local else { return None };
        let (local, passed) = (show(local, 60), passed(input, 60));
        fits(&input.name, 8)?;
        fits(&local, 10)?;
        fits(&passed, WIDTH - widest - 40)?;
        if input.meta.shape.rank() > 0 {
            return None;
        }
        let start = std::mem::replace(&mut start, cell("", widest + 22));
        text += &format!("{start}{}{}{}\n", cell(&input.name, 8), cell(&local, 10), paint.gradient(&passed));
    }
    if text.is_empty() {
        text = format!("{}\n", start.trim_end());
    }
    Some(text)
}

/// A gate of vectors, or one whose numbers are too long for the table, in lines of its own.
fn block(gate: &Gate, paint: &Paint) -> String {
    const LABELS: usize = 20;
    let room = WIDTH - LABELS;
    let report = &gate.report;
    let mut text = flow("", &gate.formula(), str::to_string);
    text += &format!("  {}{}\n", cell("value", 18), paint.value(&show(&report.value, room)));
    text += &format!("  {}{}\n", cell("upstream", 18), paint.gradient(&upstream(report, room)));
    for (input, jacobian_of) in gate.inputs() {
        let to = format!("to {}", input.name);
        let mut first = if to.chars().count() < 10 {
            format!("  {}", cell(&to, 10))
        } else {
            text += &flow("  ", &to, str::to_string);
            cell("", 12)
        };
        let mut line = |label: &str, content: &str| {
            let beginning = std::mem::replace(&mut first, cell("", 12));
            format!("{beginning}{}{content}\n", cell(label, LABELS - 12))
        };
        match (&input.local, jacobian_of) {
            (Local::Values(local), _) => text += &line("local", &show(local, room)),
            (Local::Rule(rule), jacobian_of) => {
                text += &line("rule", rule);
                let (rows, columns) = (report.value.elements(), input.meta.shape.elements());
                let too_large = || vec![format!("a matrix of {rows} rows and {columns} columns")];
                for (i, row) in jacobian_of.map_or_else(too_large, |j| jacobian(j, room)).iter().enumerate() {
                    text += &line(if i == 0 { "local" } else { "" }, row);
                }
            }
            (Local::None, _) => {}
        }
        let summed =
            matches!(input.local, Local::Values(_)) && input.meta.shape.elements() < report.value.elements();
        let note = if summed { " (summed: it was broadcast)" } else { "" };
        let number = passed(input, room - note.len());
        text += &line("passed", &format!("{}{note}", paint.gradient(&number)));
    }
    text
}

/// One row a gate and one an input: value, upstream gradient, local gradient, product. Gates of vectors have a
/// block of lines instead.
pub fn table(gates: &[Gate], paint: &Paint) -> String {
    let mut text = paint.title("gate by gate: upstream × local = passed on") + "\n";
    let widest = gates
        .iter()
        .filter(|gate| gate.report.value.rank() == 0)
        .map(|gate| gate.formula().chars().count())
        .max()
        .unwrap_or(0)
        .clamp(8, 28);
    let mut headed = false;
    let mut ruled = false;
    for gate in gates {
        ruled |= gate.inputs().any(|(input, _)| matches!(input.local, Local::Rule(_)));
        match rows(gate, widest, paint) {
            Some(rows) => {
                if !std::mem::replace(&mut headed, true) {
                    text += &format!(
                        "{}{}{}{}{}passed on\n",
                        cell("gate", widest + 2),
                        cell("value", 10),
                        cell("upstream", 10),
                        cell("input", 8),
                        cell("local", 10)
                    );
                }
                text += &rows;
            }
            None => text += &block(gate, paint),
        }
    }
    text += "\n";
    if ruled {
        text += "Rules: x (A, B) is the input, y the output, g (G) the upstream gradient. Local\n\
                 is then the Jacobian, one row for each element of the output; upstream × local\n\
                 is the vector–Jacobian product.\n\n";
    }
    text
}

/// The forward pass and then the backward pass, one gate at a time.
pub fn steps(gates: &[Gate], paint: &Paint) -> String {
    let mut text = paint.title("forward") + "\n";
    for (i, gate) in gates.iter().enumerate() {
        let value = show(&gate.report.value, 60);
        text += &flow(&format!("  {}. ", i + 1), &format!("{} = {value}", gate.formula()), |line| {
            // The value is the line's end.
            match line.strip_suffix(&value) {
                Some(start) => format!("{start}{}", paint.value(&value)),
                None => line.to_string(),
            }
        });
    }
    text += &format!("\n{}\n", paint.title("backward"));
    for (i, gate) in gates.iter().rev().enumerate() {
        let report = &gate.report;
        let g = upstream(report, 56);
        text += &flow(&format!("  {}. ", i + 1), &gate.formula(), str::to_string);
        text += &format!("       upstream ∂L/∂{} = {}\n", report.output_name, paint.gradient(&g));
        for (input, jacobian_of) in gate.inputs() {
            let product = passed(input, 60);
            let beginning = format!("       to {}: ", input.name);
            let scalar = |a: &Array| a.rank() == 0;
            let sum = match &input.local {
                Local::Values(local) => {
                    let g = match &report.upstream {
                        Some(g) if scalar(g) => factor(g.item().unwrap_or(f64::NAN)),
                        _ => g.clone(),
                    };
                    let local = match scalar(local) {
                        true => factor(local.item().unwrap_or(f64::NAN)),
                        false => show(local, 56),
                    };
                    let summed = input.meta.shape.elements() < report.value.elements();
                    format!("upstream × local = {g} × {local}{}", if summed { ", summed" } else { "" })
                }
                Local::Rule(rule) => match jacobian_of {
                    Some(local) if local.shape()[0] == 1 => {
                        let local = jacobian(local, 56).concat();
                        format!("{rule}: upstream × local = {g} × {local}")
                    }
                    _ => rule.clone(),
                },
                Local::None => String::new(),
            };
            let whole = format!("{sum} = {product}");
            if beginning.chars().count() + whole.chars().count() <= WIDTH {
                text += &format!("{beginning}{sum} = {}\n", paint.gradient(&product));
            } else {
                text += &flow(&beginning, &sum, str::to_string);
                text += &format!("         = {}\n", paint.gradient(&product));
            }
        }
    }
    text + "\n"
}

/// Where a value goes into several gates, its gradient is a sum.
pub fn forks(gates: &[Gate], paint: &Paint) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (input, _) in gates.iter().flat_map(Gate::inputs) {
        if !names.contains(&input.name.as_str()) {
            names.push(&input.name);
        }
    }
    let mut text = String::new();
    for name in names {
        let parts: Vec<&Array> = gates
            .iter()
            .rev()
            .flat_map(|gate| &gate.report.inputs)
            .filter(|input| input.name == name)
            .filter_map(|input| input.passed.as_ref())
            .collect();
        if parts.len() > 1 {
            let sum = |i: usize| parts.iter().map(|part| part.to_f64_vec()[i]).sum::<f64>();
            let total = Array::from_vec((0..parts[0].elements()).map(sum).collect(), *parts[0].shape());
            let total = total.map_or_else(|_| String::new(), |sum| show(&sum, 60));
            let terms: Vec<String> = parts
                .iter()
                .map(|part| if part.rank() == 0 { factor(part.to_f64_vec()[0]) } else { show(part, 60) })
                .collect();
            let beginning = format!("  ∂L/∂{name} = ");
            text += &flow(&beginning, &format!("{} = {total}", terms.join(" + ")), |line| {
                match line.strip_suffix(&total) {
                    Some(start) => format!("{start}{}", paint.gradient(&total)),
                    None => line.to_string(),
                }
            });
        }
    }
    if text.is_empty() { text } else { format!("{}\n{text}\n", paint.title("sums at forks")) }
}

/// The gradients of the inputs, with the numerical check beside them.
pub fn gradients(found: &[InputGradient], paint: &Paint) -> String {
    let label = |input: &InputGradient, i: usize| match input.value.len() {
        1 if !input.is_vector => format!("∂L/∂{}", input.name),
        _ => format!("∂L/∂{}[{i}]", input.name),
    };
    let widest = found
        .iter()
        .map(|input| label(input, input.value.len().min(LISTED).saturating_sub(1)).chars().count() + 2)
        .max()
        .unwrap_or(0)
        .clamp(12, 34);
    let mut text = paint.title("gradients of the inputs") + "\n";
    text += &format!("  {}{}{}\n", cell("", widest), cell("backpropagation", 18), "differences");
    for input in found {
        let mut hidden = 0;
        for (i, verdict) in input.verdicts.iter().enumerate() {
            if i >= LISTED && *verdict != Verdict::Disagrees {
                hidden += 1;
                continue;
            }
            let verdict = match (verdict, input.kinks.iter().find(|kink| kink.element == i)) {
                (Verdict::Kink, Some(kink)) => match (kink.left.is_nan(), kink.right.is_nan()) {
                    (true, _) => "undefined on the left".to_string(),
                    (_, true) => "undefined on the right".to_string(),
                    _ => format!("a kink: {} left, {} right", short(kink.left), short(kink.right)),
                },
                (Verdict::Undefined, _) => "there is no derivative here".to_string(),
                (Verdict::Disagrees, _) => format!("{}DISAGREES", cell(&precise(input.numerical[i]), 18)),
                _ => format!("{}agrees", cell(&precise(input.numerical[i]), 18)),
            };
            let gradient = paint.gradient(&cell(&precise(input.gradient[i]), 18));
            text += &format!("  {}{gradient}{verdict}\n", cell(&label(input, i), widest));
        }
        if hidden > 0 {
            text += &format!("  … and {hidden} more elements of {}, which agree\n", input.name);
        }
    }
    text
}
