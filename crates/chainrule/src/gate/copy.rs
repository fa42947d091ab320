//! The same values in another place: a row-major copy, and a value without its history.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([[1.0, 2.0], [3.0, 4.0]]).t()?;
//! assert!(x.contiguous()?.array().is_contiguous());
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::matrix;
use super::elementwise::expect_inputs;
use super::{Context, Entry, Gate, GateRef, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved};
use crate::array::{Array, Meta};
use crate::error::Result;
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Contiguous::ENTRY, Detach::ENTRY];

documented! {
    /// A row-major copy where the layout isn't row-major already.
    ///
    /// ```
    /// use chainrule::gate::copy::Contiguous;
    /// use chainrule::{param, Tensor};
    /// let y = Tensor::apply(Contiguous, &[&param([[1.0, 2.0], [3.0, 4.0]]).t()?])?;
    /// assert_eq!(y.grad_fn().unwrap().name(), "CloneBackward0");
    /// assert!(y.array().is_contiguous());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Contiguous;
}

impl Contiguous {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Clone",
        method: "copy, contiguous",
        doc: Contiguous::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || vec![Sample::new(Contiguous, [matrix([[1.0, 2.0], [3.0, 4.0]])])],
    };
}

impl Gate for Contiguous {
    fn name(&self) -> &'static str {
        "Clone"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].copied()].into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
        Ok(upstream.iter().cloned().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x", ["∂L/∂x = g"])
    }
}

documented! {
    /// The same values, through which no gradient goes: what [`Tensor::detach`] is in a recorded graph.
    ///
    /// ```
    /// use chainrule::gate::{copy::Detach, Gate};
    /// use chainrule::{param, ComputationalGraph};
    /// let x = param(3.0);
    /// let mut graph = ComputationalGraph::record(|| x.detach().mul(&x))?;
    /// graph.forward(&[])?;
    /// assert_eq!(graph.gates()?[0].name, Detach.name()); // a recorded graph shows where gradients stop
    /// assert_eq!(graph.backward()?[0].1.item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Detach;
}

impl Detach {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Detach",
        method: "detach",
        doc: Detach::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0], [3.0, 4.0]]);
            vec![Sample::new(Detach, [x()]).at_kink([matrix([[0.0; 2]; 2])]).gives([x()])]
        },
    };
}

impl Gate for Detach {
    fn name(&self) -> &'static str {
        "Detach"
    }

    fn is_view(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].clone()].into())
    }

    fn backward(&self, _saved: &Saved, _upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        Ok(needs.none())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x", ["no gradient"])
    }
}

impl Tensor {
    /// A row-major copy that stays in the graph: see [`Contiguous`]. (`clone` clones the handle.)
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]);
    /// let copy = x.copy()?;
    /// x.fill_(0.0)?;
    /// assert_eq!(copy.to_string(), "tensor([1., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn copy(&self) -> Result<Tensor> {
        Tensor::apply(GateRef::Static(&Contiguous), &[self])
    }

    /// This tensor where its layout is row-major, else a row-major copy: see [`Contiguous`].
    ///
    /// # Errors
    /// As [`Tensor::copy`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1, 2], [3, 4]]);
    /// assert!(x.contiguous()?.is(&x)); // as it is already
    /// assert!(x.t()?.contiguous()?.array().is_contiguous());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn contiguous(&self) -> Result<Tensor> {
        if self.with_array(Array::is_contiguous) { Ok(self.clone()) } else { self.copy() }
    }
}
