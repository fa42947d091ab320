//! A table of a network's layers: shapes, parameters, work and memory.

use std::fmt;

use super::Module;
use super::module::{Event, observe};
use crate::array::Shape;
use crate::error::Result;
use crate::profile::{Work, grouped_text};
use crate::tensor::{Recording, Step, Tensor};

/// One layer as it ran.
///
/// ```
/// use chainrule::nn::{Activation, Linear, Sequential, Summary};
/// use chainrule::{Generator, Tensor};
/// let net = Sequential::new().push(Linear::new(4, 3, &mut Generator::new(0))).push(Activation::Relu);
/// let row = &Summary::of(&net, &Tensor::zeros([2, 4]))?.rows[1]; // after the network's own
/// assert_eq!((&row.name[..], row.parameters, row.multiply_adds), ("0", 15, 24));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LayerRow {
    /// How deep it lies in other modules.
    pub depth: usize,
    /// Its name in the state: `features.0`.
    pub name: String,
    /// What it is, as PyTorch prints it.
    pub layer: String,
    /// Its output's shape.
    pub output: Shape,
    /// Numbers in its parameters, its children's included.
    pub parameters: usize,
    /// Multiply-adds (or operations like them) of one forward run, its children's included.
    pub multiply_adds: u64,
    /// Bytes of the values that its gates made.
    pub forward_bytes: usize,
    /// Bytes of the gradients that a backward run makes: of those values' and of the parameters.
    pub backward_bytes: usize,
    /// Whether it is made of other modules.
    pub composite: bool,
}

/// A network's layers, and their sums.
///
/// ```
/// use chainrule::{models::LeNet, nn::Summary, Generator, Tensor};
/// let net = LeNet::build(&mut Generator::new(0))?;
/// let summary = Summary::of(&net, &Tensor::zeros([1, 1, 28, 28]))?;
/// assert_eq!(summary.parameters, 61_706);
/// assert!(summary.to_string().contains("Conv2d"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The network's own row first, then its layers in the order in which they ran.
    pub rows: Vec<LayerRow>,
    /// The input's shape.
    pub input: Shape,
    /// Numbers in all parameters; shared ones count once.
    pub parameters: usize,
    /// Numbers in the parameters that are trained.
    pub trainable: usize,
    /// Multiply-adds of one forward run.
    pub multiply_adds: u64,
    /// Bytes of all values that gates made.
    pub forward_bytes: usize,
    /// Bytes of all gradients of a backward run.
    pub backward_bytes: usize,
}

/// What a gate cost: multiply-adds, and bytes of the values that it made.
type Cost = (u64, usize);

impl Summary {
    /// Runs the network once, without gradients, and sums up. The network stays in the mode it is in; an input
    /// of zeros will do.
    ///
    /// # Errors
    /// The input doesn't fit the network.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Summary};
    /// use chainrule::{Generator, Tensor};
    /// let summary = Summary::of(&Linear::new(4, 3, &mut Generator::new(0)), &Tensor::zeros([2, 4]))?;
    /// assert_eq!((summary.parameters, summary.multiply_adds), (15, 24));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn of(network: &dyn Module, x: &Tensor) -> Result<Summary> {
        let ((result, events), recording) = Recording::of(|| observe(|| crate::no_grad(|| network.call(x))));
        result?;
        let costs: Vec<Cost> = recording.steps.iter().map(cost).collect();
        let total = |costs: &[Cost]| costs.iter().fold((0, 0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1));
        let mut modules = Vec::new();
        list(network, String::new(), &mut modules);
        let mut rows: Vec<LayerRow> = Vec::new();
        let mut open: Vec<(usize, usize)> = Vec::new();
        for Event { id, output, gates } in events {
            match output {
                None => {
                    // A module without parameters may be in many places; the next unused name is the right one.
                    let place = modules.iter().position(|(_, module)| module.identity() == id);
                    let row = place.map(|place| modules.remove(place));
                    let (name, module) = row.unwrap_or_else(|| (String::from("(again)"), network));
                    open.push((rows.len(), gates));
                    rows.push(LayerRow {
                        depth: open.len() - 1,
                        name,
                        layer: module.describe(),
                        output: Shape::SCALAR,
                        parameters: module.parameter_count(),
                        multiply_adds: 0,
                        forward_bytes: 0,
                        backward_bytes: parameter_bytes(module),
                        composite: !module.children().is_empty(),
                    });
                }
                Some(shape) => {
                    let Some((row, first)) = open.pop() else { continue };
                    let (work, bytes) = total(&costs[first..gates]);
                    let row = &mut rows[row];
                    (row.output, row.multiply_adds, row.forward_bytes) = (shape, work, bytes);
                    row.backward_bytes += bytes;
                }
            }
        }
        let (multiply_adds, forward_bytes) = total(&costs);
        let trained = network.parameters().into_iter().filter(Tensor::requires_grad);
        Ok(Summary {
            input: x.shape(),
            parameters: network.parameter_count(),
            trainable: trained.map(|parameter| parameter.elements()).sum(),
            multiply_adds,
            forward_bytes,
            backward_bytes: forward_bytes + parameter_bytes(network),
            rows,
        })
    }
}

fn cost(step: &Step) -> Cost {
    let work = Work::of(step);
    (work.multiply_adds, work.bytes_written as usize)
}

/// The bytes of the gradients of a module's parameters.
fn parameter_bytes(module: &dyn Module) -> usize {
    let trained = module.parameters().into_iter().filter(Tensor::requires_grad);
    trained.map(|parameter| parameter.array().bytes()).sum()
}

/// A module and all that it is made of, with their full names, in the order of the state.
fn list<'a>(module: &'a dyn Module, name: String, all: &mut Vec<(String, &'a dyn Module)>) {
    let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
    all.push((name, module));
    for (child, module) in module.children() {
        list(module, format!("{prefix}{child}"), all);
    }
}

/// Bytes in the unit that suits them.
fn bytes(count: usize) -> String {
    match count as f64 {
        0.0 => "-".into(),
        small if small < 1024.0 => format!("{count} B"),
        middle if middle < 1024.0 * 1024.0 => format!("{:.1} KiB", middle / 1024.0),
        large => format!("{:.1} MiB", large / (1024.0 * 1024.0)),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: u64| if number == 0 { "-".into() } else { grouped_text(number) };
        let mut table = vec![
            ["layer", "output shape", "parameters", "multiply-adds", "forward", "backward"].map(String::from),
        ];
        for row in &self.rows {
            let kind = row.layer.split('(').next().unwrap_or_default();
            let name = row.name.rsplit('.').next().unwrap_or_default();
            let title = if name.is_empty() { kind.to_string() } else { format!("{name}: {kind}") };
            // The numbers of a composite are its layers'.
            let own = |text: String| if row.composite { String::new() } else { text };
            table.push([
                format!("{}{title}", "  ".repeat(row.depth)),
                row.output.to_string(),
                own(count(row.parameters as u64)),
                own(count(row.multiply_adds)),
                own(bytes(row.forward_bytes)),
                own(bytes(row.backward_bytes)),
            ]);
        }
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        let line = "─".repeat(widths.iter().sum::<usize>() + 10);
        for (i, row) in table.iter().enumerate() {
            let [layer, shape, rest @ ..] = row;
            let mut text = format!("{layer:<0$}  {shape:<1$}", widths[0], widths[1]);
            for (cell, width) in rest.iter().zip(&widths[2..]) {
                text += &format!("  {cell:>width$}");
            }
            writeln!(f, "{}", text.trim_end())?;
            if i == 0 {
                writeln!(f, "{line}")?;
            }
        }
        writeln!(f, "{line}")?;
        let frozen = match self.parameters - self.trainable.min(self.parameters) {
            0 => String::new(),
            frozen => format!(" ({} of them frozen)", grouped_text(frozen as u64)),
        };
        writeln!(f, "input {}, parameters {}{frozen}", self.input, grouped_text(self.parameters as u64))?;
        write!(
            f,
            "multiply-adds {}, values {}, gradients {}",
            grouped_text(self.multiply_adds),
            bytes(self.forward_bytes),
            bytes(self.backward_bytes)
        )
    }
}
