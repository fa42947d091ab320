//! Gates: one differentiable operation each, one block a gate, one file a family.
//!
//! A gate computes its value forward and, in the backward pass, multiplies the gradient it receives by its
//! local gradient. Everything that is known about an operation stands in its block: name, formula, forward,
//! backward, what it saves, and samples. The method on [`Tensor`], the checks of `tests/gates.rs`, the table
//! of gates, labels in pictures and names in errors all come from there.
//!
//! ```
//! use chainrule::gate::{self, arith::Mul, Gate};
//! // Everything about an operation stands in its gate…
//! assert_eq!(Mul.name(), "Mul");
//! assert_eq!(Mul.formula().to_string(), "y = a*b");
//! // …and the table lists them all.
//! assert!(gate::table().any(|entry| entry.name == "Mul" && entry.file.ends_with("arith.rs")));
//! ```

pub mod activation;
pub mod arith;
pub(crate) mod chained;
pub mod compare;
mod context;
pub mod conv;
pub mod copy;
pub mod dropout;
pub mod elementwise;
mod entry;
pub mod extreme;
pub mod fft;
pub mod functions;
pub mod index;
pub mod join;
mod lifted;
pub mod linalg;
pub mod logsumexp;
pub mod loss;
mod macros;
pub mod matmul;
pub mod norm;
pub mod pad;
mod places;
mod pointwise;
pub mod pool;
mod pytorch;
pub mod rearrange;
pub mod reduce;
mod reference;
pub mod rounding;
mod saved;
mod saves;
mod scalar;
pub mod scan;
pub mod scatter;
pub mod softmax;
pub mod sort;
pub mod special;
mod structure;
pub mod trigonometry;
pub mod variance;
pub mod vector_norm;
pub mod view;
mod window;

pub use context::{Context, Outputs};
pub use conv::{Conv, ConvTranspose, Padding};
pub use elementwise::{Dependence, Elementwise, Operand};
pub use entry::{Entry, Sample, Samples};
pub use norm::{Normalize, Over, RunningStatistics};
pub use pad::PadMode;
pub use pointwise::Pointwise;
pub use pool::{AvgPool, MaxPool, Window};
pub use pytorch::{Next, SavedAs, TorchNode, Use};
pub(crate) use pytorch::{input_name, output_name, pooling, spread, tuple};
pub use reference::GateRef;
pub use saved::Saved;
pub(crate) use saved::{Laid, SavedValues};
pub use saves::{Needs, Saves};
pub use scalar::ScalarGate;
pub use structure::{Linearity, Structure};
pub use window::Sizes;

use std::fmt::Debug;

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
#[inline(never)]
pub fn table() -> impl Iterator<Item = &'static Entry> {
    // A constant would be made, with all gates in it, wherever the table is read.
    static FAMILIES: &[&[Entry]] = &[
        arith::GATES,
        functions::GATES,
        activation::GATES,
        trigonometry::GATES,
        rounding::GATES,
        special::GATES,
        compare::GATES,
        matmul::GATES,
        linalg::GATES,
        fft::GATES,
        reduce::GATES,
        logsumexp::GATES,
        variance::GATES,
        extreme::GATES,
        vector_norm::GATES,
        softmax::GATES,
        loss::GATES,
        dropout::GATES,
        conv::GATES,
        pool::GATES,
        view::GATES,
        copy::GATES,
        rearrange::GATES,
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
pub type Gradients<T = Tensor> = SmallVec<[Option<T>; 3]>;

/// The tangents of a gate's outputs; `None` for zero.
pub type Tangents = SmallVec<[Option<Tensor>; 1]>;

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
    ///
    /// ```
    /// use chainrule::gate::{functions::Exp, Gate};
    /// assert_eq!(Exp.name(), "Exp");
    /// let error = chainrule::tensor([true, false]).sub(1).unwrap_err();
    /// assert_eq!(error.gate(), Some("Sub")); // errors name the gate
    /// ```
    fn name(&self) -> &'static str;

    /// The name PyTorch gives its node, where it isn't [`Gate::name`] + `Backward0`.
    ///
    /// ```
    /// use chainrule::gate::{arith::{Mul, Rsub}, Gate};
    /// assert_eq!(Gate::grad_fn(&Mul), "MulBackward0");
    /// assert_eq!(Gate::grad_fn(&Rsub), "RsubBackward1");
    /// ```
    fn grad_fn(&self) -> String {
        format!("{}Backward0", self.name())
    }

    /// The nodes of PyTorch's graph that stand for this gate in torchviz's pictures; the first made the
    /// output. By default it is one, called [`Gate::grad_fn`]; fused gates have several.
    ///
    /// ```
    /// use chainrule::gate::{matmul::Linear, Gate, Needs, Use};
    /// use chainrule::{DType, Meta};
    /// let (x, w, b) =
    ///     (Meta::new(DType::F32, [8, 2]), Meta::new(DType::F32, [3, 2]), Meta::new(DType::F32, [3]));
    /// let used = Use {
    ///     inputs: &[x, w, b],
    ///     outputs: &[Meta::new(DType::F32, [8, 3])],
    ///     needs: &Needs::new([false, true, true]),
    /// };
    /// let names: Vec<String> = Linear.torch_nodes(&used).into_iter().map(|node| node.name).collect();
    /// assert_eq!(names, ["AddmmBackward0", "TBackward0"]);
    /// ```
    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        vec![pytorch::single(self.grad_fn(), self.saves(used.needs), &format!("{self:?}"), used)]
    }

    /// Shapes and element types of the outputs, from those of the inputs.
    ///
    /// # Errors
    /// The inputs break a rule of the gate; `forward` runs only where this returned `Ok`.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, Gate};
    /// use chainrule::{DType, Meta};
    /// let (a, b) = (Meta::new(DType::F32, [3, 1]), Meta::new(DType::F64, [2]));
    /// assert_eq!(Mul.infer(&[a, b])?[0], Meta::new(DType::F64, [3, 2])); // broadcast and promoted
    /// assert!(Mul.infer(&[Meta::new(DType::F32, [3]), b]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn infer(&self, inputs: &[Meta]) -> Result<Metas>;

    /// The outputs' values.
    ///
    /// # Errors
    /// Rules that depend on values, such as an index out of range.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::gate::{arith::Mul, Context, Gate};
    /// let (a, b) = (Array::literal([1.0, 2.0])?, Array::literal([3.0, 4.0])?);
    /// let promised = Mul.infer(&[a.meta(), b.meta()])?;
    /// let outputs = Mul.forward(&[&a, &b], &mut Context::new(&promised))?;
    /// assert_eq!(outputs[0].to_vec::<f32>()?, [3.0, 8.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs>;

    /// Which inputs and outputs `backward` reads when these inputs need a gradient; nothing else is kept.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, functions::Exp, Gate, Needs, Saves};
    /// assert_eq!(Mul.saves(&Needs::new([true, false])), Saves::input(1)); // ∂L/∂a = g·b
    /// assert_eq!(Exp.saves(&Needs::new([true])), Saves::output(0)); // ∂L/∂x = g·y
    /// ```
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
    ///
    /// ```
    /// # use chainrule::gate::{run_one, arith::Mul, Context, Gate, Gradients};
    /// # use chainrule::gate::{Metas, Needs, Outputs, Saved, Saves};
    /// # use chainrule::{param, Array, Formula, Meta, Result, Tensor};
    /// # #[derive(Debug)]
    /// # struct Square;
    /// # impl Gate for Square {
    /// #     fn name(&self) -> &'static str { "Square" }
    /// #     fn infer(&self, inputs: &[Meta]) -> Result<Metas> { Ok([inputs[0]].into()) }
    /// #     fn formula(&self) -> Formula { Formula::rule("y = x²", ["∂y/∂x = 2x"]) }
    /// #     fn forward(&self, inputs: &[&Array], _: &mut Context) -> Result<Outputs> {
    /// #         Ok([run_one(&Mul, &[inputs[0], inputs[0]])?].into())
    /// #     }
    /// #     fn saves(&self, _: &Needs) -> Saves { Saves::input(0) }
    /// // y = x²: the local gradient is 2x.
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     let x = saved.input(0)?;
    ///     Ok([Some(g.mul(&x.mul(2.0)?)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2., 4., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let _ = (saved, upstream, needs);
        Err(Error::autograd("this gate has no derivative")
            .hint("detach its input if no gradient is wanted through it"))
    }

    /// The same as `backward` on values alone, for when no graph of the gradient is wanted.
    ///
    /// `None` (the default) lets the engine run `backward`. The laws check that both agree.
    ///
    /// ```
    /// # use chainrule::gate::{run_one, arith::Mul, Context, Gate, Gradients};
    /// # use chainrule::gate::{Metas, Needs, Outputs, Saved, Saves};
    /// # use chainrule::{param, Array, Formula, Meta, Result, Tensor};
    /// # #[derive(Debug)]
    /// # struct Square;
    /// # impl Gate for Square {
    /// #     fn name(&self) -> &'static str { "Square" }
    /// #     fn infer(&self, inputs: &[Meta]) -> Result<Metas> { Ok([inputs[0]].into()) }
    /// #     fn formula(&self) -> Formula { Formula::rule("y = x²", ["∂y/∂x = 2x"]) }
    /// #     fn forward(&self, inputs: &[&Array], _: &mut Context) -> Result<Outputs> {
    /// #         Ok([run_one(&Mul, &[inputs[0], inputs[0]])?].into())
    /// #     }
    /// #     fn saves(&self, _: &Needs) -> Saves { Saves::input(0) }
    /// fn backward_fused(
    ///     &self,
    ///     saved: &Saved,
    ///     upstream: &[Option<Array>],
    ///     needs: &Needs,
    /// ) -> Option<Result<Gradients<Array>>> {
    ///     let g = upstream[0].as_ref()?; // g·2x in one pass over the elements
    ///     let x = saved.input_array(0).ok()?.contiguous();
    ///     let pairs = g.iter::<f32>().ok()?.zip(x.iter::<f32>().ok()?);
    ///     let gradient = Array::from_vec(pairs.map(|(g, x)| g * 2.0 * x).collect(), *x.shape());
    ///     Some(gradient.map(|gradient| [Some(gradient)].into_iter().collect()))
    /// }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2., 4., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let _ = (saved, upstream, needs);
        None
    }

    /// [`Gate::backward_fused`] of upstream gradients that aren't needed afterwards: large results may take their
    /// buffers.
    #[doc(hidden)]
    fn backward_taking(
        &self,
        saved: &Saved,
        upstream: &mut [Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        self.backward_fused(saved, upstream, needs)
    }

    /// The value from the sum of all elements of the only input, where it needs no more: such a loss can be computed
    /// while the elements come by.
    #[doc(hidden)]
    fn of_sum(&self, input: &Meta, sum: f32) -> Option<f32> {
        let _ = (input, sum);
        None
    }

    /// Whether [`Gate::backward`] also takes *batches* of upstream gradients, each with one more dimension in front of
    /// its output's, and then returns batches of gradients.
    ///
    /// Products with values that broadcast do so by themselves, reductions and views when they count dimensions from
    /// the end; [`Saved::shape_for`] gives the shape to bring a batch to. For a gate that says no (the default), a
    /// batched pass runs `backward` once for each gradient. The laws check that both agree.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, Gate};
    /// assert!(Mul.backward_takes_batches()); // products broadcast
    /// ```
    fn backward_takes_batches(&self) -> bool {
        false
    }

    /// The gate on 0-d f32 values, where it has such a form: graphs of scalars then run without arrays.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, matmul::MatMul, Gate};
    /// assert_eq!(Mul.as_scalar().unwrap().value([2.0, 3.0, 0.0]), 6.0);
    /// assert!(MatMul::of(2, 2).as_scalar().is_none());
    /// ```
    fn as_scalar(&self) -> Option<&dyn ScalarGate> {
        None
    }

    /// Whether the outputs follow from the inputs so simply that the gate itself gives the tangents.
    ///
    /// ```
    /// use chainrule::gate::{join::Cat, Gate, Linearity};
    /// assert_eq!(Cat { dim: 0 }.linearity(), Linearity::Joint);
    /// ```
    fn linearity(&self) -> Linearity {
        Linearity::None
    }

    /// Forward mode: the tangents of the outputs, `Σ ∂y/∂xᵢ · ẋᵢ`, from those of the inputs (`None` for zero).
    ///
    /// `None` (the default) lets the engine use [`Gate::linearity`], or derive the rule from `backward`. The
    /// laws check that forward and backward mode agree.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, Gate};
    /// use chainrule::tensor;
    /// let (a, b) = (tensor(2.0), tensor(5.0));
    /// let tangents = [Some(tensor(1.0)), Some(tensor(10.0))];
    /// let tangent = Mul.tangent(&[a.clone(), b.clone()], &[&a * &b], &tangents).unwrap()?;
    /// assert_eq!(tangent[0].as_ref().unwrap().item()?, 25.0); // ȧ·b + a·ḃ = 5 + 20
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn tangent(
        &self,
        inputs: &[Tensor],
        outputs: &[Tensor],
        tangents: &[Option<Tensor>],
    ) -> Option<Result<Tangents>> {
        let _ = (inputs, outputs, tangents);
        None
    }

    /// Whether the outputs are views: they show elements of the inputs and take no memory of their own.
    ///
    /// ```
    /// use chainrule::gate::{functions::Exp, view::View, Gate};
    /// assert!(View::T.is_view() && !Exp.is_view());
    /// ```
    fn is_view(&self) -> bool {
        false
    }

    /// The matrices that an input stands for, where they aren't all: a gate of symmetric matrices may read one
    /// triangle, and its gradient is that with respect to symmetric matrices. Checks move within these only.
    ///
    /// ```
    /// use chainrule::gate::{linalg::Eigh, Gate, Structure};
    /// assert_eq!(Eigh { upper: false }.structure(0), Some(Structure::Symmetric));
    /// ```
    fn structure(&self, input: usize) -> Option<Structure> {
        let _ = input;
        None
    }

    /// What the gate computes and its local gradients, for people.
    ///
    /// ```
    /// use chainrule::gate::{functions::Sigmoid, Gate};
    /// let formula = Sigmoid.formula();
    /// assert_eq!(formula.to_string(), "y = sigmoid(x)");
    /// assert_eq!(formula.gradient(0).unwrap(), "∂y/∂x = y*(1 - y)");
    /// ```
    fn formula(&self) -> Formula;

    /// Multiply-adds (or comparable operations) of one forward run; by default one an output element.
    ///
    /// ```
    /// use chainrule::gate::{matmul::MatMul, Gate};
    /// use chainrule::{DType, Meta};
    /// let (a, b, y) =
    ///     (Meta::new(DType::F32, [2, 3]), Meta::new(DType::F32, [3, 4]), Meta::new(DType::F32, [2, 4]));
    /// assert_eq!(MatMul::of(2, 2).cost(&[a, b], &[y]), 2 * 3 * 4);
    /// ```
    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        let _ = inputs;
        outputs.iter().map(|meta| meta.shape.elements() as u64).sum()
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
///
/// ```
/// use chainrule::Array;
/// use chainrule::gate::{run, sort::Sort};
/// let outputs = run(&Sort { dim: 0, descending: true }, &[&Array::literal([1, 3, 2])?])?;
/// assert_eq!(outputs[0].to_vec::<i64>()?, [3, 2, 1]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn run(gate: &dyn Gate, inputs: &[&Array]) -> Result<Outputs> {
    let metas: SmallVec<[Meta; 3]> = inputs.iter().map(|x| x.meta()).collect();
    let attributed = |error: Error| error.at_gate(gate.name()).with_inputs(metas.iter().copied());
    let outputs = gate.infer(&metas).map_err(attributed)?;
    if !gate.is_view() {
        for meta in &outputs {
            crate::error::check_memory(meta.shape.elements(), meta.dtype.size()).map_err(attributed)?;
        }
    }
    gate.forward(inputs, &mut Context::new(&outputs)).map_err(attributed)
}

/// Runs a gate that has one output on arrays, without any graph.
///
/// # Errors
/// The gate's own.
///
/// ```
/// use chainrule::Array;
/// use chainrule::gate::{arith::Add, run_one};
/// let sum = run_one(&Add, &[&Array::literal([1.0, 2.0])?, &Array::scalar(0.5f32)])?;
/// assert_eq!(sum.to_vec::<f32>()?, [1.5, 2.5]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn run_one(gate: &dyn Gate, inputs: &[&Array]) -> Result<Array> {
    run(gate, inputs)?
        .pop()
        .ok_or_else(|| Error::argument("the gate returned no output").at_gate(gate.name()))
}
