//! What the table of gates knows of each gate, and the samples on which the laws are checked.

use super::GateRef;
use crate::array::Array;
use crate::error::ErrorKind;

/// A gate with inputs on which it can be checked.
///
/// ```
/// use chainrule::gate::{arith::Div, Sample};
/// use chainrule::Array;
/// let sample = Sample::new(Div, [Array::scalar(1.0f64), Array::scalar(4.0f64)]);
/// assert_eq!(sample.gate.name(), "Div");
/// assert_eq!(
///     chainrule::gate::run_one(&*sample.gate, &sample.inputs.iter().collect::<Vec<_>>())?.item()?,
///     0.25
/// );
/// # Ok::<(), chainrule::Error>(())
/// ```
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
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::gate::{functions::Exp, Sample};
    /// let sample = Sample::new(Exp, [Array::scalar(0.5f64)]);
    /// assert!(sample.smooth && sample.refused.is_none());
    /// ```
    pub fn new(gate: impl Into<GateRef>, inputs: impl Into<Vec<Array>>) -> Sample {
        Sample::of(gate.into(), inputs.into())
    }

    /// Compiled once: there are many samples, and none needs to be made fast.
    #[cold]
    #[inline(never)]
    fn of(gate: GateRef, inputs: Vec<Array>) -> Sample {
        Sample {
            gate,
            inputs,
            constants: Vec::new(),
            refused: None,
            smooth: true,
            expected: None,
            outputs: None,
        }
    }

    /// These inputs must be refused with this kind of error.
    ///
    /// ```
    /// use chainrule::gate::{arith::Sub, Sample};
    /// use chainrule::{Array, ErrorKind};
    /// let truths = Array::literal([true, false])?;
    /// let sample = Sample::new(Sub, [truths.clone(), truths]).refused(ErrorKind::DType);
    /// assert_eq!(sample.refused, Some(ErrorKind::DType));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[cold]
    #[inline(never)]
    pub fn refused(self, kind: ErrorKind) -> Sample {
        Sample { refused: Some(kind), smooth: false, ..self }
    }

    /// This float input isn't differentiated.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::gate::{arith::Pow, Sample};
    /// // A negative base has a derivative by the base only.
    /// let sample = Sample::new(Pow::TENSORS, [Array::scalar(-1.5f64), Array::scalar(2.0f64)]).constant(1);
    /// assert_eq!(sample.constants, [1]);
    /// ```
    #[cold]
    #[inline(never)]
    pub fn constant(mut self, input: usize) -> Sample {
        self.constants.push(input);
        self
    }

    /// The sample sits where differences don't exist; the gradients (for an upstream gradient of ones) are
    /// these by convention.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::gate::{functions::Relu, Sample};
    /// let sample = Sample::new(Relu, [Array::scalar(0.0f64)]).at_kink([Array::scalar(0.0f64)]);
    /// assert_eq!(sample.expected.unwrap()[0].item()?, 0.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn at_kink(self, expected: impl Into<Vec<Array>>) -> Sample {
        Sample { smooth: false, expected: Some(expected.into()), ..self }
    }

    /// These inputs are special, and the outputs must be exactly these (NaN equals NaN). Gradients are not compared
    /// with differences.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::gate::{functions::Log, Sample};
    /// let sample = Sample::new(Log, [Array::scalar(0.0f64)]).gives([Array::scalar(f64::NEG_INFINITY)]);
    /// assert!(!sample.smooth && sample.outputs.is_some());
    /// ```
    pub fn gives(self, outputs: impl Into<Vec<Array>>) -> Sample {
        Sample { smooth: false, outputs: Some(outputs.into()), ..self }
    }

    /// The sample sits where neither differences nor a convention exist; only values and shapes are checked.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::gate::{compare::Compare, Sample};
    /// let sample = Sample::new(Compare::Gt, [Array::scalar(2.0f64), Array::scalar(1.0f64)]).rough();
    /// assert!(!sample.smooth && sample.expected.is_none());
    /// ```
    #[cold]
    #[inline(never)]
    pub fn rough(self) -> Sample {
        Sample { smooth: false, ..self }
    }
}

/// A gate's samples.
pub type Samples = Vec<Sample>;

/// A row of the table of gates.
///
/// ```
/// use chainrule::gate;
/// let entry = gate::table().find(|entry| entry.name == "Relu").unwrap();
/// assert_eq!(entry.method, "relu");
/// assert_eq!(entry.at_kink, Some("∂y/∂x = 0 at 0, and 1 at NaN"));
/// assert!(!(entry.samples)().is_empty());
/// ```
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
