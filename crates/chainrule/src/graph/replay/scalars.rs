//! Runs of scalar gates: a list of small records, worked off on two lists of numbers.

use super::{Gradients, Numeric, Values};
use crate::gate::{GateRef, ScalarGate};

/// Scalar gates that run one after another.
#[derive(Debug, Default)]
pub(super) struct Scalars(Vec<Step>);

#[derive(Debug)]
struct Step {
    gate: Gate,
    /// The numbers that it reads; for inputs that the gate doesn't have, the one after the last value's.
    inputs: [u32; 3],
    output: u32,
    /// One bit an input that needs a gradient.
    needs: u8,
}

enum Gate {
    Static(&'static dyn ScalarGate),
    Shared(Numeric),
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a scalar gate")
    }
}

impl Gate {
    #[inline]
    fn get(&self) -> &dyn ScalarGate {
        match self {
            Gate::Static(gate) => *gate,
            Gate::Shared(gate) => gate.get(),
        }
    }
}

impl Scalars {
    /// Adds a gate; `needs` says which inputs need a gradient.
    pub(super) fn push(&mut self, gate: &GateRef, inputs: [usize; 3], output: usize, needs: u8) {
        let gate = match gate {
            GateRef::Static(gate) => gate.as_scalar().map(Gate::Static),
            GateRef::Shared(_) => None,
        }
        .unwrap_or_else(|| Gate::Shared(Numeric(gate.clone())));
        self.0.push(Step { gate, inputs: inputs.map(|i| i as u32), output: output as u32, needs });
    }

    /// Gives back what memory no gate takes.
    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forward(&self, values: &mut Values) {
        for step in &self.0 {
            let y = step.gate.get().value(step.read(values));
            values.numbers[step.output as usize] = y;
        }
    }

    pub(super) fn backward(&self, values: &Values, gradients: &mut Gradients) {
        for step in self.0.iter().rev().filter(|step| step.needs != 0) {
            let output = step.output as usize;
            if !gradients.arrived[output] {
                continue;
            }
            let (upstream, x, y) = (gradients.numbers[output], step.read(values), values.numbers[output]);
            for (input, &place) in step.inputs.iter().enumerate() {
                if step.needs >> input & 1 == 1 {
                    gradients.add_number(place as usize, step.gate.get().product(input, upstream, x, y));
                }
            }
        }
    }
}

impl Step {
    #[inline]
    fn read(&self, values: &Values) -> [f32; 3] {
        // Written out, as `map` would be a call where small code is wanted.
        let [a, b, c] = self.inputs;
        [values.numbers[a as usize], values.numbers[b as usize], values.numbers[c as usize]]
    }
}
