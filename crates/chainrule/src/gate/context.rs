//! `Context`: what a gate's forward pass is given besides its inputs.

use smallvec::SmallVec;

use crate::array::{Array, Meta};

/// A gate's output values.
pub type Outputs = SmallVec<[Array; 1]>;

/// What a gate's forward pass is given besides its inputs.
///
/// ```
/// use chainrule::Array;
/// use chainrule::gate::{arith::Add, Context, Gate};
/// let a = Array::literal([1.0, 2.0])?;
/// let promised = Add.infer(&[a.meta(), a.meta()])?;
/// let mut context = Context::new(&promised);
/// assert_eq!(Add.forward(&[&a, &a], &mut context)?[0].to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Context<'a> {
    outputs: &'a [Meta],
    extras: Vec<Array>,
}

impl<'a> Context<'a> {
    /// A context for a gate whose `infer` promised these outputs.
    ///
    /// ```
    /// use chainrule::gate::Context;
    /// use chainrule::{DType, Meta};
    /// let promised = [Meta::new(DType::F32, [2, 3])];
    /// assert_eq!(Context::new(&promised).output(0).shape, [2, 3]);
    /// ```
    #[inline]
    pub fn new(outputs: &'a [Meta]) -> Context<'a> {
        Context { outputs, extras: Vec::new() }
    }

    /// Element type and shape of output `i`, as `infer` promised them.
    ///
    /// ```
    /// use chainrule::gate::Context;
    /// use chainrule::{DType, Meta};
    /// let promised = [Meta::new(DType::F32, [2]), Meta::new(DType::I64, [2])];
    /// assert_eq!(Context::new(&promised).output(1).to_string(), "i64[2]");
    /// ```
    #[inline]
    pub fn output(&self, i: usize) -> &'a Meta {
        &self.outputs[i]
    }

    /// Keeps a value that is neither input nor output for the backward pass (a mask, indices).
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
    /// fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
    ///     let slope = run_one(&Mul, &[inputs[0], &Array::scalar(2.0f32)])?;
    ///     context.save(slope); // read by backward: saved.extra(0)
    ///     Ok([run_one(&Mul, &[inputs[0], inputs[0]])?].into())
    /// }
    /// # fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    /// #     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    /// #     Ok([Some(g.mul(Tensor::from_array(saved.extra(0)?.clone()))?)].into_iter().collect())
    /// # }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2., 4., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save(&mut self, array: Array) {
        self.extras.push(array);
    }

    pub(crate) fn into_extras(self) -> Vec<Array> {
        self.extras
    }
}
