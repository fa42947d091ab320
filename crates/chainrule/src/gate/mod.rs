//! Gates: one differentiable operation each, one block a gate, one file a family.
//!
//! A gate computes its value forward and, in the backward pass, multiplies the gradient it receives by its
//! local gradient. Everything that is known about an operation stands in its block: name, formula, forward,
//! backward, what it saves, and samples. The method on [`Tensor`], the checks of `tests/gates.rs`, the table
//! of gates, labels in pictures and names in errors all come from there.

pub mod activation;
pub mod arith;
pub mod compare;
mod context;
pub mod conv;
pub mod dropout;
pub mod elementwise;
mod entry;
pub mod extreme;
pub mod functions;
pub mod index;
pub mod join;
mod lifted;
pub mod loss;
mod macros;
pub mod matmul;
pub mod norm;
pub mod pad;
mod pointwise;
pub mod pool;
mod pytorch;
pub mod reduce;
pub mod rounding;
mod saves;
pub mod scan;
pub mod scatter;
pub mod softmax;
pub mod sort;
pub mod special;
pub mod trigonometry;
pub mod vector_norm;
pub mod view;
mod window;

pub use context::{Context, Outputs};
pub use conv::{Conv, ConvTranspose, Padding};
pub use elementwise::Elementwise;
pub use entry::{Entry, Sample, Samples};
pub use norm::{Normalize, Over, RunningStatistics};
pub use pad::PadMode;
pub use pointwise::Pointwise;
pub use pool::{AvgPool, MaxPool, Window};
pub(crate) use pytorch::tuple;
pub use pytorch::{Next, SavedAs, TorchNode, Use};
pub(crate) use saves::SavedValues;
pub use saves::{Needs, Saved, Saves};
pub use window::Sizes;

use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::array::{Array, Meta};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::tensor::Tensor;

/// The table of gates: one row a gate, by family.
///
/// ```
/// assert!(chainrule::gate::table().any(|gate| gate.name == "Mul"));
/// ```
pub fn table() -> impl Iterator<Item = &'static Entry> {
    const FAMILIES: &[&[Entry]] = &[
        arith::GATES,
        functions::GATES,
        activation::GATES,
        trigonometry::GATES,
        rounding::GATES,
        special::GATES,
        compare::GATES,
        matmul::GATES,
        reduce::GATES,
        extreme::GATES,
        vector_norm::GATES,
        softmax::GATES,
        loss::GATES,
        dropout::GATES,
        conv::GATES,
        pool::GATES,
        view::GATES,
        join::GATES,
        index::GATES,
        norm::GATES,
        scatter::GATES,
        pad::GATES,
        sort::GATES,
        scan::GATES,
    ];
    FAMILIES.iter().copied().flatten()
}

/// Element type and shape of each of a gate's outputs.
pub type Metas = SmallVec<[Meta; 1]>;

/// A gate's gradients: one for each input, `None` where the input needs none or the gradient is zero.
pub type Gradients<T = Tensor> = SmallVec<[Option<T>; 2]>;

/// The tangents of a gate's outputs; `None` for zero.
pub type Tangents = SmallVec<[Option<Tensor>; 1]>;

/// How a gate's outputs depend on its (floating-point) inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linearity {
    /// In no simple way.
    None,
    /// Linear in all inputs together, as a sum: the gate applied to the tangents gives the tangents.
    Joint,
    /// A product of the first two inputs, to which a third may be added: so does the sum of its values with one
    /// factor replaced by its tangent.
    Product,
}

/// One differentiable operation.
///
/// Built-in gates and users' gates go through the same door, [`Tensor::apply`].
///
/// ```
/// use chainrule::gate::{Context, Gate, Gradients, Metas, Needs, Outputs, Saved, Saves};
/// use chainrule::{param, Array, Formula, Meta, Result, Tensor};
///
/// /// y = x³
/// #[derive(Debug)]
/// struct Cube;
///
/// impl Gate for Cube {
///     fn name(&self) -> &'static str {
///         "Cube"
///     }
///     fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
///         Ok([inputs[0]].into())
///     }
///     fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
///         let cubes = inputs[0].to_vec::<f32>()?.iter().map(|x| x * x * x).collect();
///         Ok([Array::from_vec(cubes, *inputs[0].shape())?].into())
///     }
///     fn saves(&self, _needs: &Needs) -> Saves {
///         Saves::input(0)
///     }
///     fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
///         let x = saved.input(0)?;
///         let local = x.mul(&x)?.mul(3.0)?;
///         Ok([upstream[0].as_ref().map(|g| g.mul(&local)).transpose()?].into_iter().collect())
///     }
///     fn formula(&self) -> Formula {
///         Formula::rule("y = x³", ["∂y/∂x = 3x²"])
///     }
/// }
///
/// let x = param(2.0);
/// let y = Tensor::apply(Cube, &[&x])?;
/// y.backward()?;
/// assert_eq!(x.grad().unwrap().item()?, 12.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Gate: Debug + Send + Sync + 'static {
    /// The gate's name in errors, pictures and tables: `"Mul"`.
    fn name(&self) -> &'static str;

    /// The name PyTorch gives its node, where it isn't [`Gate::name`] + `Backward0`.
    fn grad_fn(&self) -> String {
        format!("{}Backward0", self.name())
    }

    /// The nodes of PyTorch's graph that stand for this gate in torchviz's pictures; the first made the
    /// output. By default it is one, called [`Gate::grad_fn`]; fused gates have several.
    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        vec![pytorch::single(self, used)]
    }

    /// Shapes and element types of the outputs, from those of the inputs.
    ///
    /// # Errors
    /// The inputs break a rule of the gate; `forward` runs only where this returned `Ok`.
    fn infer(&self, inputs: &[Meta]) -> Result<Metas>;

    /// The outputs' values.
    ///
    /// # Errors
    /// Rules that depend on values, such as an index out of range.
    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs>;

    /// Which inputs and outputs `backward` reads when these inputs need a gradient; nothing else is kept.
    fn saves(&self, needs: &Needs) -> Saves {
        let _ = needs;
        Saves::NONE
    }

    /// Multiplies the upstream gradients (one an output, `None` for zero) by the local gradients.
    ///
    /// Written in tensor operations, so that the gradient can itself be differentiated. A gradient may have
    /// the shape to which its input was broadcast; the engine sums it back.
    ///
    /// # Errors
    /// By default: the gate has no derivative.
    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let _ = (saved, upstream, needs);
        Err(Error::autograd("this gate has no derivative")
            .hint("detach its input if no gradient is wanted through it"))
    }

    /// The same as `backward` on values alone, for when no graph of the gradient is wanted.
    ///
    /// `None` (the default) lets the engine run `backward`. The laws check that both agree.
    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let _ = (saved, upstream, needs);
        None
    }

    /// The gate on 0-d f32 values, where it has such a form: graphs of scalars then run without arrays.
    fn as_scalar(&self) -> Option<&dyn ScalarGate> {
        None
    }

    /// Whether the outputs follow from the inputs so simply that the gate itself gives the tangents.
    fn linearity(&self) -> Linearity {
        Linearity::None
    }

    /// Forward mode: the tangents of the outputs, `Σ ∂y/∂xᵢ · ẋᵢ`, from those of the inputs (`None` for zero).
    ///
    /// `None` (the default) lets the engine use [`Gate::linearity`], or derive the rule from `backward`. The
    /// laws check that forward and backward mode agree.
    fn tangent(
        &self,
        inputs: &[Tensor],
        outputs: &[Tensor],
        tangents: &[Option<Tensor>],
    ) -> Option<Result<Tangents>> {
        let _ = (inputs, outputs, tangents);
        None
    }

    /// What the gate computes and its local gradients, for people.
    fn formula(&self) -> Formula;

    /// Multiply-adds (or comparable operations) of one forward run; by default one an output element.
    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        let _ = inputs;
        outputs.iter().map(|meta| meta.shape.elements() as u64).sum()
    }
}

/// A gate with one output, on plain numbers; every [`Elementwise`] gate is one.
pub trait ScalarGate {
    /// How many inputs the gate takes (at most three).
    fn inputs(&self) -> usize;
    /// The output; unused inputs are 0.
    fn value(&self, x: [f32; 3]) -> f32;
    /// Upstream gradient × local gradient of one input.
    fn product(&self, input: usize, upstream: f32, x: [f32; 3], y: f32) -> f32;
}

/// A gate as nodes and graphs hold it: a constant of the program, or shared.
#[derive(Debug, Clone)]
pub enum GateRef {
    /// A constant of the program: costs no reference count.
    Static(&'static dyn Gate),
    /// A gate made at run time.
    Shared(Arc<dyn Gate>),
}

impl std::ops::Deref for GateRef {
    type Target = dyn Gate;
    #[inline]
    fn deref(&self) -> &dyn Gate {
        match self {
            GateRef::Static(gate) => *gate,
            GateRef::Shared(gate) => &**gate,
        }
    }
}

impl<G: Gate> From<G> for GateRef {
    fn from(gate: G) -> GateRef {
        GateRef::Shared(Arc::new(gate))
    }
}

impl From<Arc<dyn Gate>> for GateRef {
    fn from(gate: Arc<dyn Gate>) -> GateRef {
        GateRef::Shared(gate)
    }
}

/// The two outputs of a gate that has two.
fn pair(outputs: Vec<Tensor>) -> Result<(Tensor, Tensor)> {
    let mut outputs = outputs.into_iter();
    match (outputs.next(), outputs.next()) {
        (Some(first), Some(second)) => Ok((first, second)),
        _ => Err(Error::argument("the gate returned fewer outputs than two")),
    }
}

/// Runs a gate on arrays, without any graph.
///
/// # Errors
/// The gate's own.
pub fn run(gate: &dyn Gate, inputs: &[&Array]) -> Result<Outputs> {
    let metas: SmallVec<[Meta; 3]> = inputs.iter().map(|x| x.meta()).collect();
    let attributed = |error: Error| error.at_gate(gate.name()).with_inputs(metas.iter().copied());
    let outputs = gate.infer(&metas).map_err(attributed)?;
    gate.forward(inputs, &mut Context::new(&outputs)).map_err(attributed)
}

/// Runs a gate that has one output on arrays, without any graph.
///
/// # Errors
/// The gate's own.
pub fn run_one(gate: &dyn Gate, inputs: &[&Array]) -> Result<Array> {
    run(gate, inputs)?
        .pop()
        .ok_or_else(|| Error::argument("the gate returned no output").at_gate(gate.name()))
}
