//! Extremes: the largest and smallest elements, and where they are.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([[1.0, 5.0, 2.0], [7.0, 3.0, 4.0]]);
//! assert_eq!(x.amax(&[1], false)?.to_string(), "tensor([5., 7.])");
//! assert_eq!(x.argmax_dim(1, false)?.to_string(), "tensor([1, 0])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::reduce::{Dims, reductions, samples};
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Element, Meta, dispatch_float};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::Value as _;
use crate::kernel::fold::Blocks;
use crate::kernel::memory;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Extreme::ENTRY, ArgExtreme::ENTRY];

documented! {
    /// The largest or smallest element; NaN where one is NaN.
    ///
    /// ```
    /// use chainrule::gate::{extreme::Extreme, reduce::Dims};
    /// use chainrule::{tensor, Tensor};
    /// let smallest = Extreme { largest: false, dims: Dims::of(&[0], false) };
    /// let y = Tensor::apply(smallest, &[&tensor([[1.0, 5.0], [3.0, 2.0]])])?;
    /// assert_eq!(y.to_string(), "tensor([1., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Extreme {
        /// The largest, not the smallest.
        pub largest: bool,
        /// The dimensions.
        pub dims: Dims,
    }
}

impl Extreme {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Amax",
        method: "max, min, amax, amin",
        doc: Extreme::DOC,
        at_kink: Some("elements that tie share the gradient evenly"),
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = samples(|dims| Extreme { largest: true, dims });
            all.extend(samples(|dims| Extreme { largest: false, dims }));
            let tie = Extreme { largest: true, dims: Dims::all() };
            all.push(Sample::new(tie, [f64s([2.0, 1.0, 2.0])]).at_kink([f64s([0.5, 0.0, 0.5])]));
            let nan = f64s([1.0, f64::NAN, 3.0]);
            all.push(
                Sample::new(Extreme { largest: false, dims: Dims::all() }, [nan])
                    .at_kink([f64s([0.0, 1.0, 0.0])])
                    .gives([Array::scalar(f64::NAN)]),
            );
            let empty = Extreme { largest: true, dims: Dims::all() };
            all.push(Sample::new(empty, [Array::zeros_of([0], DType::F64)]).refused(ErrorKind::Shape));
            all
        },
    };
}

/// The extremes over these dimensions, with what they were found in.
fn extremes<T: Element>((x, dims, largest): (&Array, &Dims, bool)) -> Result<(Array, Blocks, Vec<T>)> {
    // All integers as i64, which holds them exactly.
    let (x, blocks) = dims.blocks(&x.cast(T::DTYPE))?;
    let mut out = memory::take::<T>(blocks.outer * blocks.inner);
    T::extremes(x.values::<T>(), blocks, largest, &mut out);
    Ok((x, blocks, out))
}

fn not_empty(dims: &Dims, meta: &Meta) -> Result<()> {
    if dims.count(&meta.shape)? == 0 {
        return Err(Error::shape("there is no extreme of no elements"));
    }
    Ok(())
}

impl Gate for Extreme {
    fn name(&self) -> &'static str {
        if self.largest { "Amax" } else { "Amin" }
    }

    fn grad_fn(&self) -> String {
        match (self.dims.is_all(), self.largest) {
            (true, true) => "MaxBackward1".into(),
            (true, false) => "MinBackward1".into(),
            _ => format!("{}Backward0", self.name()),
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        not_empty(&self.dims, &inputs[0])?;
        Ok([Meta { dtype: inputs[0].dtype, shape: self.dims.result(&inputs[0].shape)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let of = (inputs[0], &self.dims, self.largest);
        Ok([dispatch_float!(dtype, T => Array::filled(extremes::<T>(of)?.2, shape), otherwise => {
            Array::filled(extremes::<i64>(of)?.2, shape).cast(dtype)
        })]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let x = saved.input(0)?;
        let shape = x.shape();
        let extreme = self.dims.spread(&saved.output(0)?, &shape)?;
        // NaN is the extreme, and equals nothing: as in PyTorch it gets the gradient of the whole tensor's extreme,
        // while the gradient of a row that has one is NaN.
        let equal = x.eq(&extreme)?;
        let ties = if self.dims.is_all() { equal.add(&x.ne(&x)?)? } else { equal }.cast(g.dtype())?;
        let count =
            ties.sum_dim(&self.dims.places(&shape)?.iter().map(|&d| d as isize).collect::<Vec<_>>(), true)?;
        Ok([Some(self.dims.spread(g, &shape)?.mul(&ties.div(&count)?)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        let name = if self.largest { "max" } else { "min" };
        Formula::rule(
            &format!("y = {name} x"),
            ["∂L/∂x = g at the extreme (shared by those that tie), 0 elsewhere"],
        )
    }
}

documented! {
    /// The index of the largest or smallest element, the first of equals; no gradient.
    ///
    /// ```
    /// use chainrule::gate::{extreme::ArgExtreme, reduce::Dims};
    /// use chainrule::{tensor, Tensor};
    /// let first = ArgExtreme { largest: true, dims: Dims::all() };
    /// assert_eq!(Tensor::apply(first, &[&tensor([1, 9, 9])])?.to_string(), "tensor(1)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct ArgExtreme {
        /// The largest, not the smallest.
        pub largest: bool,
        /// The dimensions: all, or one.
        pub dims: Dims,
    }
}

impl ArgExtreme {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Argmax",
        method: "argmax, argmin, argmax_dim, argmin_dim",
        doc: ArgExtreme::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.5, -2.0, 0.5], [0.3, 4.0, -1.7]]);
            vec![
                Sample::new(ArgExtreme { largest: true, dims: Dims::all() }, [x()]).rough(),
                Sample::new(ArgExtreme { largest: false, dims: Dims::of(&[1], true) }, [x()]).rough(),
            ]
        },
    };
}

impl Gate for ArgExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "Argmax" } else { "Argmin" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        not_empty(&self.dims, &inputs[0])?;
        Ok([Meta { dtype: DType::I64, shape: self.dims.result(&inputs[0].shape)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let shape = context.output(0).shape;
        let mut places = memory::take::<i64>(shape.elements());
        let of = (inputs[0], &self.dims, self.largest);
        dispatch_float!(inputs[0].dtype(), T => {
            let (x, blocks, found) = extremes::<T>(of)?;
            T::places(x.values::<T>(), blocks, &found, &mut places);
        }, otherwise => {
            let (x, blocks, found) = extremes::<i64>(of)?;
            i64::places(x.values::<i64>(), blocks, &found, &mut places);
        });
        Ok([Array::filled(places, shape)].into())
    }

    fn formula(&self) -> Formula {
        let name = if self.largest { "max" } else { "min" };
        Formula::rule(&format!("y = the index of {name} x"), ["no gradient"])
    }
}

reductions! {
    /// Largest of all elements, 0-d: see [`Extreme`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([1.0, 3.0, 3.0]);
    /// let y = x.max()?;
    /// y.backward()?;
    /// assert_eq!(y.item()?, 3.0);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [0.0, 0.5, 0.5]); // shared evenly
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    max;
    /// Largest element over these dimensions (all, where none is named), which stay with size 1 where `keep`: see
    /// [`Extreme`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.amax(&[1], false)?.to_string(), "tensor([5., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    amax, |dims| Extreme { largest: true, dims };
    /// Smallest of all elements, 0-d: see [`Extreme`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([4, -2, 3]).min()?.to_string(), "tensor(-2)");
    /// assert!(tensor([0.0; 0]).min().is_err()); // there is none
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    min;
    /// Smallest element over these dimensions (all, where none is named), which stay with size 1 where `keep`: see
    /// [`Extreme`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 5.0], [3.0, 2.0]]);
    /// assert_eq!(x.amin(&[0], true)?.to_string(), "tensor([[1., 2.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    amin, |dims| Extreme { largest: false, dims };
}

impl Tensor {
    /// The index of the largest of all elements, counted in row-major order: see [`ArgExtreme`].
    ///
    /// # Errors
    /// There are no elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 5.0], [7.0, 3.0]]).argmax()?.to_string(), "tensor(2)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(&self) -> Result<Tensor> {
        Tensor::apply(ArgExtreme { largest: true, dims: Dims::all() }, &[self])
    }

    /// The index of the smallest of all elements, counted in row-major order: see [`ArgExtreme`].
    ///
    /// # Errors
    /// There are no elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 5.0], [7.0, 3.0]]).argmin()?.to_string(), "tensor(0)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn argmin(&self) -> Result<Tensor> {
        Tensor::apply(ArgExtreme { largest: false, dims: Dims::all() }, &[self])
    }

    /// The index of the largest element along a dimension: see [`ArgExtreme`].
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let logits = tensor([[0.1, 2.0, -1.0], [3.0, 0.2, 0.4]]);
    /// assert_eq!(logits.argmax_dim(1, false)?.to_string(), "tensor([1, 0])"); // the classes
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax_dim(&self, dim: isize, keep: bool) -> Result<Tensor> {
        Tensor::apply(ArgExtreme { largest: true, dims: Dims::of(&[dim], keep) }, &[self])
    }

    /// The index of the smallest element along a dimension: see [`ArgExtreme`].
    ///
    /// # Errors
    /// The dimension doesn't exist or is empty.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 5.0], [7.0, 3.0]]).argmin_dim(0, true)?.to_string(), "tensor([[0, 1]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn argmin_dim(&self, dim: isize, keep: bool) -> Result<Tensor> {
        Tensor::apply(ArgExtreme { largest: false, dims: Dims::of(&[dim], keep) }, &[self])
    }
}
