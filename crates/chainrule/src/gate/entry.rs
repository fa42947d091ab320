//! What the table of gates knows of each gate, and the samples on which the laws are checked.

use super::GateRef;
use crate::array::Array;
use crate::error::ErrorKind;

/// A gate with inputs on which it can be checked.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The gate, with its parameters.
    pub gate: GateRef,
    /// Its inputs; floats are checked for gradients unless listed in `constants`.
    pub inputs: Vec<Array>,
    /// Inputs that are floats but are not differentiated.
    pub constants: Vec<usize>,
    /// The kind of error that these inputs must be refused with.
    pub refused: Option<ErrorKind>,
    /// Whether the gradient is compared with differences; off where the sample sits on a kink or a pole.
    pub smooth: bool,
    /// At a kink: the gradients for an upstream gradient of ones, as the convention has them.
    pub expected: Option<Vec<Array>>,
    /// The outputs, where the sample is about a special value.
    pub outputs: Option<Vec<Array>>,
}

impl Sample {
    /// An ordinary sample.
    pub fn new(gate: impl Into<GateRef>, inputs: impl Into<Vec<Array>>) -> Sample {
        Sample {
            gate: gate.into(),
            inputs: inputs.into(),
            constants: Vec::new(),
            refused: None,
            smooth: true,
            expected: None,
            outputs: None,
        }
    }

    /// These inputs must be refused with this kind of error.
    pub fn refused(self, kind: ErrorKind) -> Sample {
        Sample { refused: Some(kind), smooth: false, ..self }
    }

    /// This float input isn't differentiated.
    pub fn constant(mut self, input: usize) -> Sample {
        self.constants.push(input);
        self
    }

    /// The sample sits where differences don't exist; the gradients (for an upstream gradient of ones) are
    /// these by convention.
    pub fn at_kink(self, expected: impl Into<Vec<Array>>) -> Sample {
        Sample { smooth: false, expected: Some(expected.into()), ..self }
    }

    /// These inputs are special, and the outputs must be exactly these (NaN equals NaN). Gradients are not compared
    /// with differences.
    pub fn gives(self, outputs: impl Into<Vec<Array>>) -> Sample {
        Sample { smooth: false, outputs: Some(outputs.into()), ..self }
    }

    /// The sample sits where neither differences nor a convention exist; only values and shapes are checked.
    pub fn rough(self) -> Sample {
        Sample { smooth: false, ..self }
    }
}

/// A gate's samples.
pub type Samples = Vec<Sample>;

/// A row of the table of gates.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The gate's name.
    pub name: &'static str,
    /// The method on `Tensor` (or the function) that applies it.
    pub method: &'static str,
    /// What it computes, with an example: its documentation.
    pub doc: &'static str,
    /// What happens where no derivative exists.
    pub at_kink: Option<&'static str>,
    /// The file in which it stands.
    pub file: &'static str,
    /// The line at which it stands.
    pub line: u32,
    /// Inputs on which it is checked; the first sample also shows its formula.
    pub samples: fn() -> Samples,
}
