//! What a gate kept, as its backward pass reads it.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Saves;
use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::tensor::{Kept, NodeRef, Tensor};

/// The values a node keeps, as arrays: what is read of them as tensors is joined to the graph again, inputs by the
/// node's edges and outputs to the node itself, which so never refers to itself.
#[derive(Debug, Clone)]
pub(crate) struct SavedValues<T = Array> {
    /// Which inputs and outputs there are.
    saves: Saves,
    /// The inputs and the outputs, each in their order, and what else the gate keeps.
    values: SmallVec<[T; 3]>,
}

impl<T> SavedValues<T> {
    /// A list that all inputs and outputs named have to be pushed to, then any extras.
    #[inline]
    pub(crate) fn of(saves: Saves) -> SavedValues<T> {
        SavedValues { saves, values: SmallVec::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        self.values.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn input(&self, i: usize) -> Option<&T> {
        self.saves.has_input(i).then(|| &self.values[self.saves.inputs_before(i)])
    }

    pub(crate) fn output(&self, i: usize) -> Option<&T> {
        let inputs = self.saves.inputs_before(u64::BITS as usize);
        self.saves.has_output(i).then(|| &self.values[inputs + self.saves.outputs_before(i)])
    }

    pub(crate) fn extras(&self) -> &[T] {
        let all = u64::BITS as usize;
        &self.values[self.saves.inputs_before(all) + self.saves.outputs_before(all)..]
    }

    pub(crate) fn as_ref(&self) -> SavedValues<&T> {
        SavedValues { saves: self.saves, values: self.values.iter().collect() }
    }

    /// The same in another form; `change` is told which of the inputs a value is, if it is one.
    pub(crate) fn try_map<U>(
        self,
        mut change: impl FnMut(Option<usize>, T) -> Result<U>,
    ) -> Result<SavedValues<U>> {
        let mut inputs = (0..u64::BITS as usize).filter(|&i| self.saves.has_input(i));
        let values = self.values.into_iter().map(|value| change(inputs.next(), value));
        Ok(SavedValues { saves: self.saves, values: values.collect::<Result<_>>()? })
    }
}

/// What a gate saved, as its backward reads it.
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
/// // Inside `impl Gate for Square`, which saves its input: y = x², ∂L/∂x = g·2x.
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
#[derive(Debug)]
pub struct Saved<'a>(Keeper<'a>);

/// Who keeps it.
#[derive(Debug)]
enum Keeper<'a> {
    /// A node of a graph.
    Node(&'a NodeRef, &'a Kept),
    /// A graph that is run again.
    Laid(&'a Laid<'a>),
}

/// What a replayed graph keeps of a gate: the values that it saves, and the shapes of all.
#[derive(Debug)]
pub(crate) struct Laid<'a> {
    pub(crate) inputs: &'a [Option<Cow<'a, Array>>],
    pub(crate) outputs: &'a [Option<Cow<'a, Array>>],
    pub(crate) extras: &'a [Array],
    pub(crate) input_metas: &'a [Meta],
    pub(crate) output_metas: &'a [Meta],
}

impl<'a> Saved<'a> {
    pub(crate) fn new(node: &'a NodeRef, kept: &'a Kept) -> Saved<'a> {
        Saved(Keeper::Node(node, kept))
    }

    pub(crate) fn of_laid(laid: &'a Laid<'a>) -> Saved<'a> {
        Saved(Keeper::Laid(laid))
    }

    /// Input `i`, which [`Gate::saves`](super::Gate::saves) must have named.
    ///
    /// # Errors
    /// It wasn't saved, or has been changed in place since.
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
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     let twice = saved.input(0)?.mul(2.0)?; // a tensor: the gradient can be differentiated again
    ///     Ok([Some(g.mul(&twice)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param(3.0);
    /// let slope = &chainrule::grad(&[&Tensor::apply(Square, &[&x])?], &[&x])?[0];
    /// assert_eq!(slope.item()?, 6.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let array = self.input_array(i)?;
        Ok(match self.0 {
            Keeper::Node(node, _) => node.edges()[i].input(array),
            Keeper::Laid(_) => Tensor::from_array(array),
        })
    }

    /// The values of input `i`.
    ///
    /// # Errors
    /// As [`Saved::input`].
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
    ///     let Some(g) = &upstream[0] else { return Some(Ok(needs.none())) };
    ///     let product = || run_one(&Mul, &[g, &saved.input_array(0)?]); // g·x; once more for 2x
    ///     let double = |gx: Array| run_one(&Mul, &[&gx, &Array::scalar(2.0f32)]);
    ///     Some(product().and_then(double).map(|gradient| [Some(gradient)].into_iter().collect()))
    /// }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2., 4., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn input_array(&self, i: usize) -> Result<Array> {
        self.input_values(i).map(Cow::into_owned)
    }

    /// [`Saved::input_array`] where it lies.
    pub(crate) fn input_values(&self, i: usize) -> Result<Cow<'a, Array>> {
        let (node, found) = match self.0 {
            Keeper::Laid(laid) => (None, laid.inputs.get(i).and_then(|x| x.as_deref()).map(Cow::Borrowed)),
            Keeper::Node(node, kept) => (
                Some(node),
                match node.scalar() {
                    Some(scalar) if i < node.edges().len() => Some(Cow::Owned(Array::scalar(scalar.x[i]))),
                    Some(_) => None,
                    None => kept.values().and_then(|values| values.input(i)).map(Cow::Borrowed),
                },
            ),
        };
        let array = found.ok_or_else(|| self.missing("input", i))?;
        match node.and_then(|node| node.edges()[i].changed()) {
            None => Ok(array),
            Some(versions) => Err(changed(i, array.meta(), versions)),
        }
    }

    /// Output `i`, which [`Gate::saves`](super::Gate::saves) must have named, joined to the graph again.
    ///
    /// # Errors
    /// It wasn't saved.
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
    /// #         Ok([run_one(&chainrule::gate::functions::Sqrt, inputs)?].into())
    /// #     }
    /// #     fn saves(&self, _: &Needs) -> Saves { Saves::output(0) }
    /// // y = √x is its own best witness: ∂y/∂x = 1/(2y).
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     Ok([Some(g.div(&saved.output(0)?.mul(2.0)?)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([1.0, 4.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0.5000, 0.2500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn output(&self, i: usize) -> Result<Tensor> {
        let array = self.output_array(i)?;
        Ok(match self.0 {
            Keeper::Node(node, _) => Tensor::rejoin(array, node, i),
            Keeper::Laid(_) => Tensor::from_array(array),
        })
    }

    /// The values of output `i`.
    ///
    /// # Errors
    /// It wasn't saved.
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
    /// #         Ok([run_one(&chainrule::gate::functions::Sqrt, inputs)?].into())
    /// #     }
    /// #     fn saves(&self, _: &Needs) -> Saves { Saves::output(0) }
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     let y = Tensor::from_array(saved.output_array(0)?); // values only: no second derivative
    ///     Ok([Some(g.div(&y.mul(2.0)?)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param(4.0);
    /// Tensor::apply(Square, &[&x])?.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 0.25);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn output_array(&self, i: usize) -> Result<Array> {
        self.output_values(i).map(Cow::into_owned)
    }

    /// [`Saved::output_array`] where it lies.
    pub(crate) fn output_values(&self, i: usize) -> Result<Cow<'a, Array>> {
        let found = match self.0 {
            Keeper::Node(node, kept) => match (node.scalar(), i) {
                (Some(scalar), 0) => Some(Cow::Owned(Array::scalar(scalar.y))),
                _ => kept.values().and_then(|values| values.output(i)).map(Cow::Borrowed),
            },
            Keeper::Laid(laid) => laid.outputs.get(i).and_then(|y| y.as_deref()).map(Cow::Borrowed),
        };
        found.ok_or_else(|| self.missing("output", i))
    }

    /// The `i`-th array that the forward pass kept with [`Context::save`](super::Context::save).
    ///
    /// # Errors
    /// There are fewer.
    ///
    /// ```
    /// # use chainrule::gate::{run_one, arith::Mul, Context, Gate, Gradients, Metas, Needs};
    /// # use chainrule::gate::{compare::Compare, Outputs, Saved, Saves};
    /// # use chainrule::{param, Array, Formula, Meta, Result, Tensor};
    /// # #[derive(Debug)]
    /// # struct Square;
    /// # impl Gate for Square {
    /// #     fn name(&self) -> &'static str { "Square" }
    /// #     fn infer(&self, inputs: &[Meta]) -> Result<Metas> { Ok([inputs[0]].into()) }
    /// #     fn formula(&self) -> Formula { Formula::rule("y = x²", ["∂y/∂x = 2x"]) }
    /// fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
    ///     let zero = Array::scalar(0.0f32);
    ///     let mask = run_one(&Compare::Gt, &[inputs[0], &zero])?.cast(zero.dtype());
    ///     let y = run_one(&Mul, &[inputs[0], &mask])?; // relu
    ///     context.save(mask);
    ///     Ok([y].into())
    /// }
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     let mask = Tensor::from_array(saved.extra(0)?.clone());
    ///     Ok([Some(g.mul(&mask)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([-1.0, 2.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([0., 1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn extra(&self, i: usize) -> Result<&Array> {
        let extras = match self.0 {
            Keeper::Node(_, kept) => kept.values().map(SavedValues::extras).unwrap_or_default(),
            Keeper::Laid(laid) => laid.extras,
        };
        extras.get(i).ok_or_else(|| self.missing("extra value", i))
    }

    /// Element type and shape of an input that needs a gradient.
    ///
    /// # Errors
    /// The input needs none.
    ///
    /// ```
    /// # use chainrule::gate::{run_one, arith::Mul, Context, Gate, Gradients, Metas, Needs};
    /// # use chainrule::gate::{Outputs, Saved, Saves};
    /// # use chainrule::{param, Array, Formula, Meta, Result, Tensor};
    /// # #[derive(Debug)]
    /// # struct Square;
    /// # impl Gate for Square {
    /// #     fn name(&self) -> &'static str { "Square" }
    /// #     fn infer(&self, inputs: &[Meta]) -> Result<Metas> { Ok([Meta::new(inputs[0].dtype, [])].into()) }
    /// #     fn formula(&self) -> Formula { Formula::rule("y = x²", ["∂y/∂x = 2x"]) }
    /// #     fn forward(&self, inputs: &[&Array], _: &mut Context) -> Result<Outputs> {
    /// #         Ok([run_one(&chainrule::gate::reduce::Sum(Default::default()), inputs)?].into())
    /// #     }
    /// // y = Σ x needs of its input the shape only.
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     Ok([Some(g.expand(saved.input_meta(0)?.shape)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// Tensor::apply(Square, &[&x])?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([1., 1., 1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn input_meta(&self, i: usize) -> Result<Meta> {
        let meta = match self.0 {
            Keeper::Node(node, _) => node.input_meta(i),
            Keeper::Laid(laid) => laid.input_metas.get(i).copied(),
        };
        meta.ok_or_else(|| self.missing("the shape of input", i))
    }

    /// Element type and shape of output `i`.
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
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     assert_eq!(g.meta(), saved.output_meta(0)); // so it always is
    ///     Ok([Some(g.mul(&saved.input(0)?.mul(2.0)?)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// Tensor::apply(Square, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([2., 4., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn output_meta(&self, i: usize) -> Meta {
        match self.0 {
            Keeper::Node(node, _) => node.outputs()[i],
            Keeper::Laid(laid) => laid.output_metas[i],
        }
    }

    /// `shape` as an upstream gradient of output 0 has it in a batched pass: with the size of the batch in front,
    /// where `g` is a batch. See [`Gate::backward_takes_batches`](super::Gate::backward_takes_batches).
    ///
    /// # Errors
    /// There are too many dimensions then.
    ///
    /// ```
    /// # use chainrule::gate::{run_one, arith::Mul, Context, Gate, Gradients, Metas, Needs};
    /// # use chainrule::gate::{Outputs, Saved, Saves};
    /// # use chainrule::{param, Array, Formula, Meta, Result, Tensor};
    /// # #[derive(Debug)]
    /// # struct Square;
    /// # impl Gate for Square {
    /// #     fn name(&self) -> &'static str { "Square" }
    /// #     fn infer(&self, inputs: &[Meta]) -> Result<Metas> { Ok([Meta::new(inputs[0].dtype, [])].into()) }
    /// #     fn formula(&self) -> Formula { Formula::rule("y = x²", ["∂y/∂x = 2x"]) }
    /// #     fn forward(&self, inputs: &[&Array], _: &mut Context) -> Result<Outputs> {
    /// #         Ok([run_one(&chainrule::gate::reduce::Sum(Default::default()), inputs)?].into())
    /// #     }
    /// // y = Σ x, for batches of upstream gradients as well.
    /// fn backward_takes_batches(&self) -> bool {
    ///     true
    /// }
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     let wide = saved.shape_for(g, saved.input_meta(0)?.shape)?;
    ///     let columns = saved.batch(g).map_or(Ok(g.clone()), |size| g.reshape([size, 1]))?;
    ///     Ok([Some(columns.expand(wide)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([1.0, 2.0, 3.0]);
    /// let y = Tensor::apply(Square, &[&x])?;
    /// let two = chainrule::tensor([1.0, 10.0]);
    /// let pass = chainrule::Backward::of(&[&y]).upstream(&[&two]).is_grads_batched(true);
    /// assert_eq!(pass.gradients(&[&x])?[0].as_ref().unwrap().shape(), [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn shape_for(&self, g: &Tensor, shape: Shape) -> Result<Shape> {
        match self.batch(g) {
            Some(size) => crate::tensor::batched(size, &shape),
            None => Ok(shape),
        }
    }

    /// The size of the batch, where this upstream gradient of output 0 is one.
    ///
    /// ```
    /// # use chainrule::gate::{run_one, arith::Mul, Context, Gate, Gradients, Metas, Needs};
    /// # use chainrule::gate::{Outputs, Saved, Saves};
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
    /// fn backward_takes_batches(&self) -> bool {
    ///     true
    /// }
    /// fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
    ///     let Some(g) = &upstream[0] else { return Ok(needs.none()) };
    ///     assert_eq!(saved.batch(g), Some(2)); // two gradients at once
    ///     Ok([Some(g.mul(&saved.input(0)?.mul(2.0)?)?)].into_iter().collect())
    /// }
    /// # }
    /// let x = param([3.0, 5.0]);
    /// let y = Tensor::apply(Square, &[&x])?;
    /// let rows = chainrule::Tensor::eye(2);
    /// let pass = chainrule::Backward::of(&[&y]).upstream(&[&rows]).is_grads_batched(true);
    /// assert_eq!(pass.gradients(&[&x])?[0].as_ref().unwrap().to_f64_vec(), [6.0, 0.0, 0.0, 10.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn batch(&self, g: &Tensor) -> Option<usize> {
        let shape = g.shape();
        (shape.rank() > self.output_meta(0).shape.rank()).then(|| shape[0])
    }

    fn missing(&self, what: &str, i: usize) -> Error {
        Error::autograd(format!("its backward reads {what} {i}, which its `saves` doesn't name"))
    }
}

#[cold]
fn changed(i: usize, meta: Meta, (then, now): (u32, u32)) -> Error {
    Error::autograd(format!(
        "input {i} ({meta}), which the backward pass needs, was changed in place: it is at version {now}, and was at version {then} in the forward pass"
    ))
    .hint("compute on a copy, or call backward before changing it")
}
