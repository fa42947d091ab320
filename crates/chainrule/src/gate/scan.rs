//! Cumulative gates: each element becomes the sum, product, or extreme of the elements up to it.
//!
//! ```
//! use chainrule::tensor;
//! let steps = tensor([1.0, 2.0, -1.0]);
//! assert_eq!(steps.cumsum(0)?.to_string(), "tensor([1., 3., 2.])");
//! assert_eq!(steps.cummax(0)?.0.to_string(), "tensor([1., 2., 2.])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::reduce::only_float;
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Element, Meta, Shape, dispatch};
use crate::error::{ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[CumSum::ENTRY, CumProd::ENTRY, LogCumSumExp::ENTRY, CumExtreme::ENTRY];

/// The lanes along a dimension one after another in memory, and their length (1 for a 0-d array).
pub(super) fn lanes(x: &Array, dim: usize) -> Result<(Array, usize)> {
    if x.rank() == 0 {
        return Ok((x.contiguous(), 1));
    }
    let moved = x.transpose(dim as isize, -1)?;
    Ok((moved.contiguous(), x.shape()[dim]))
}

/// The opposite of [`lanes`]: elements in the order of lanes as an array of this shape.
pub(super) fn from_lanes<T: Element>(values: Vec<T>, shape: &Shape, dim: usize) -> Result<Array> {
    if shape.rank() == 0 {
        return Ok(Array::filled(values, *shape));
    }
    let last = shape.rank() - 1;
    let moved = shape.with_size(dim, shape[last]).with_size(last, shape[dim]);
    Array::filled(values, moved).transpose(dim as isize, -1)
}

/// Runs `step` along every lane, from the first element or, where `reverse`, from the last.
fn scan<T: Element, S>(
    x: &Array,
    dim: usize,
    reverse: bool,
    start: impl Fn() -> S,
    step: impl Fn(&mut S, T) -> T,
) -> Result<Array> {
    let (mut moved, length) = lanes(x, dim)?;
    let out = moved.make_mut::<T>().expect("the caller dispatched on the element type");
    for lane in out.chunks_mut(length.max(1)) {
        let mut state = start();
        match reverse {
            false => lane.iter_mut().for_each(|x| *x = step(&mut state, *x)),
            true => lane.iter_mut().rev().for_each(|x| *x = step(&mut state, *x)),
        }
    }
    if x.rank() == 0 { Ok(moved) } else { moved.transpose(dim as isize, -1) }
}

fn scan_samples<G: Gate>(gate: impl Fn(isize) -> G) -> Vec<Sample> {
    let x = || matrix([[1.5, -2.0, 0.5], [0.3, 4.0, -1.7]]);
    vec![
        Sample::new(gate(0), [x()]),
        Sample::new(gate(-1), [x()]),
        Sample::new(gate(0), [Array::scalar(1.5f64)]),
        Sample::new(gate(1), [Array::zeros_of([2, 0], DType::F64)]),
        Sample::new(gate(2), [x()]).refused(ErrorKind::Index),
    ]
}

documented! {
    /// Running sum along a dimension; integers and `bool` are summed as i64.
    ///
    /// ```
    /// use chainrule::gate::scan::CumSum;
    /// use chainrule::{tensor, Tensor};
    /// let x = tensor([1.0, 2.0, 3.0]);
    /// let y = Tensor::apply(CumSum { dim: 0, reverse: true }, &[&x])?;
    /// assert_eq!(y.to_string(), "tensor([6., 5., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct CumSum {
        /// The dimension.
        pub dim: isize,
        /// From the last element to the first.
        pub reverse: bool,
    }
}

impl CumSum {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Cumsum",
        method: "cumsum",
        doc: CumSum::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = scan_samples(|dim| CumSum { dim, reverse: false });
            all.push(Sample::new(CumSum { dim: 0, reverse: true }, [f64s([1.0, 2.0, -0.5])]));
            all
        },
    };
}

impl Gate for CumSum {
    fn name(&self) -> &'static str {
        "Cumsum"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        inputs[0].shape.dim(self.dim)?;
        let dtype = if inputs[0].dtype.is_float() { inputs[0].dtype } else { DType::I64 };
        Ok([Meta { dtype, shape: inputs[0].shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let dim = shape.dim(self.dim)?;
        let x = inputs[0].cast(dtype);
        Ok([match dtype {
            DType::I64 => scan(
                &x,
                dim,
                self.reverse,
                || 0i64,
                |sum, x: i64| {
                    *sum = sum.wrapping_add(x);
                    *sum
                },
            )?,
            _ => dispatch!(dtype, T => scan(&x, dim, self.reverse, || 0f64, |sum, x: T| {
                *sum += x.to_f64();
                T::from_f64(*sum)
            })?),
        }]
        .into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let back = CumSum { reverse: !self.reverse, ..*self };
        Ok([Some(Tensor::apply(back, &[g])?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("yᵢ = x₀ + … + xᵢ", ["∂L/∂xᵢ = gᵢ + … + gₙ"])
    }
}

documented! {
    /// Running product along a dimension; integers and `bool` are multiplied as i64.
    ///
    /// ```
    /// use chainrule::gate::scan::CumProd;
    /// use chainrule::{param, Tensor};
    /// let x = param([2.0, 0.0, 3.0]);
    /// Tensor::apply(CumProd { dim: 0 }, &[&x])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([1., 8., 0.])"); // right also beside a 0
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct CumProd {
        /// The dimension.
        pub dim: isize,
    }
}

impl CumProd {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Cumprod",
        method: "cumprod",
        doc: CumProd::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = scan_samples(|dim| CumProd { dim });
            all.push(Sample::new(CumProd { dim: 0 }, [f64s([2.0, 0.0, -0.5, 3.0])]));
            all.push(Sample::new(CumProd { dim: 0 }, [f64s([2.0, 0.0, -0.5, 0.0, 1.5])]));
            all
        },
    };
}

impl Gate for CumProd {
    fn name(&self) -> &'static str {
        "Cumprod"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        CumSum { dim: self.dim, reverse: false }.infer(inputs)
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let dim = shape.dim(self.dim)?;
        let x = inputs[0].cast(dtype);
        Ok([match dtype {
            DType::I64 => scan(
                &x,
                dim,
                false,
                || 1i64,
                |product, x: i64| {
                    *product = product.wrapping_mul(x);
                    *product
                },
            )?,
            _ => dispatch!(dtype, T => scan(&x, dim, false, || 1f64, |product, x: T| {
                *product *= x.to_f64();
                T::from_f64(*product)
            })?),
        }]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let x = saved.input(0)?;
        if x.elements() == 0 || x.rank() == 0 {
            return Ok([Some(g.clone())].into_iter().collect());
        }
        if x.to_f64_vec().iter().all(|&x| x != 0.0) {
            let back = CumSum { dim: self.dim, reverse: true };
            let sum = Tensor::apply(back, &[&g.mul(&saved.output(0)?)?])?;
            return Ok([Some(sum.div(&x)?)].into_iter().collect());
        }
        // Dividing by an element that is 0 loses the others. Row i of a square has the lane with 1 in place of
        // element i; its running products from i on are ∂y/∂xᵢ.
        let lane = x.transpose(self.dim, -1)?;
        let n = lane.shape()[lane.rank() - 1];
        let identity = Tensor::from_array(Array::eye_of(n, n, DType::Bool));
        let square = identity.where_(&lane.ones_like().unsqueeze(-2)?, &lane.unsqueeze(-2)?)?;
        let products = Tensor::apply(CumProd { dim: -1 }, &[&square])?.triu(0)?;
        let lane = products.mul(&g.transpose(self.dim, -1)?.unsqueeze(-2)?)?.sum_dim(&[-1], false)?;
        Ok([Some(lane.transpose(self.dim, -1)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("yᵢ = x₀ · … · xᵢ", ["∂L/∂xᵢ = Σₖ₌ᵢ gₖ · yₖ / xᵢ"])
    }
}

documented! {
    /// Running `ln Σ eˣ` along a dimension, computed without overflow.
    ///
    /// ```
    /// use chainrule::gate::scan::LogCumSumExp;
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::apply(LogCumSumExp { dim: 0, reverse: false }, &[&tensor([1000.0, 1000.0])])?;
    /// assert_eq!(y.to_string(), "tensor([1000.0000, 1000.6932])"); // no overflow
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct LogCumSumExp {
        /// The dimension.
        pub dim: isize,
        /// From the last element to the first.
        pub reverse: bool,
    }
}

impl LogCumSumExp {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Logcumsumexp",
        method: "logcumsumexp",
        doc: LogCumSumExp::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = scan_samples(|dim| LogCumSumExp { dim, reverse: false });
            let reverse = LogCumSumExp { dim: 0, reverse: true };
            all.push(Sample::new(reverse, [f64s([1.0, 2.0, -0.5])]));
            all.push(Sample::new(reverse, [f64s([900.0, -900.0, 900.5])]));
            all
        },
    };
}

impl Gate for LogCumSumExp {
    fn name(&self) -> &'static str {
        "Logcumsumexp"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        inputs[0].shape.dim(self.dim)?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let dim = shape.dim(self.dim)?;
        Ok([dispatch!(dtype, T => scan(inputs[0], dim, self.reverse, || f64::NEG_INFINITY, |total, x: T| {
            let x = x.to_f64();
            let (low, high) = (total.min(x), total.max(x));
            *total = if total.is_nan() || x.is_nan() {
                f64::NAN
            } else if low == high && low.is_infinite() {
                low
            } else {
                high + (low - high).exp().ln_1p()
            };
            T::from_f64(*total)
        })?)]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (x, y) = (saved.input(0)?, saved.output(0)?);
        // ∂L/∂xᵢ = Σ gₖ·e^(xᵢ − yₖ), in logarithms, for positive and negative gradients apart.
        let back = LogCumSumExp { reverse: !self.reverse, ..*self };
        let part = |g: &Tensor| -> Result<Tensor> {
            let counts = g.gt(0.0)?;
            let logarithm = counts.where_(g, &g.ones_like())?.log()?.sub(&y)?;
            let none = Tensor::from_array(Array::constant(f64::NEG_INFINITY, Meta::new(x.dtype(), [])));
            let sum = Tensor::apply(back, &[&counts.where_(&logarithm, &none)?])?;
            let any = sum.ne(f64::NEG_INFINITY)?;
            let share = any.where_(&sum.add(&x)?, &x.zeros_like())?.exp()?;
            any.where_(&share, &x.zeros_like())
        };
        Ok([Some(part(g)?.sub(&part(&Tensor::neg(g)?)?)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("yᵢ = ln(e^x₀ + … + e^xᵢ)", ["∂L/∂xᵢ = Σₖ₌ᵢ gₖ · e^(xᵢ − yₖ)"])
    }
}

documented! {
    /// The largest or smallest element so far along a dimension, and its index; of equals the last.
    ///
    /// ```
    /// use chainrule::gate::scan::CumExtreme;
    /// use chainrule::{tensor, Tensor};
    /// let outputs = Tensor::apply_many(CumExtreme { dim: 0, largest: true }, &[&tensor([1.0, 3.0, 3.0, 2.0])])?;
    /// assert_eq!(outputs[0].to_string(), "tensor([1., 3., 3., 3.])");
    /// assert_eq!(outputs[1].to_string(), "tensor([0, 1, 2, 2])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct CumExtreme {
        /// The dimension.
        pub dim: isize,
        /// The largest, not the smallest.
        pub largest: bool,
    }
}

impl CumExtreme {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Cummax",
        method: "cummax, cummin",
        doc: CumExtreme::DOC,
        at_kink: Some("of elements that tie the last gets the gradient"),
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = scan_samples(|dim| CumExtreme { dim, largest: true });
            all.extend(scan_samples(|dim| CumExtreme { dim, largest: false }));
            let tie = CumExtreme { dim: 0, largest: true };
            all.push(Sample::new(tie, [f64s([2.0, 1.0, 2.0])]).at_kink([f64s([2.0, 0.0, 1.0])]));
            all
        },
    };
}

impl Gate for CumExtreme {
    fn name(&self) -> &'static str {
        if self.largest { "Cummax" } else { "Cummin" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        inputs[0].shape.dim(self.dim)?;
        Ok([inputs[0], Meta { dtype: DType::I64, shape: inputs[0].shape }].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let dim = shape.dim(self.dim)?;
        let (moved, length) = lanes(inputs[0], dim)?;
        let (values, places) = dispatch!(dtype, T => {
            let (mut values, mut places) = (moved.to_vec::<T>()?, Vec::with_capacity(moved.elements()));
            let nan = |x: T| x.partial_cmp(&x).is_none();
            for lane in values.chunks_mut(length.max(1)) {
                let mut best = 0;
                for i in 0..lane.len() {
                    let better = if self.largest { lane[i] >= lane[best] } else { lane[i] <= lane[best] };
                    if better || nan(lane[i]) {
                        best = i;
                    }
                    // The best so far is copied forward, so that it can be read here again.
                    lane[i] = lane[best];
                    places.push(best as i64);
                }
            }
            (from_lanes(values, &shape, dim)?, places)
        });
        Ok([values, from_lanes(places, &shape, dim)?].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let places = Tensor::from_array(saved.output_array(1)?);
        Ok([Some(g.zeros_like().scatter_add(self.dim, &places, g)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        let name = if self.largest { "max" } else { "min" };
        Formula::rule(&format!("yᵢ = {name}(x₀, …, xᵢ)"), ["∂L/∂x = g, added up at the extremes' places"])
    }
}

impl Tensor {
    /// Running sum along a dimension: see [`CumSum`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0, 3.0]).cumsum(0)?.to_string(), "tensor([1., 3., 6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        Tensor::apply(CumSum { dim, reverse: false }, &[self])
    }

    /// Running product along a dimension: see [`CumProd`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([2.0, 3.0, 0.5]).cumprod(0)?.to_string(), "tensor([2., 6., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        Tensor::apply(CumProd { dim }, &[self])
    }

    /// Running `ln Σ eˣ` along a dimension: see [`LogCumSumExp`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the elements aren't floats.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0.0, 0.0]).logcumsumexp(0)?.to_string(), "tensor([0.0000, 0.6931])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn logcumsumexp(&self, dim: isize) -> Result<Tensor> {
        Tensor::apply(LogCumSumExp { dim, reverse: false }, &[self])
    }

    /// The largest element so far along a dimension, and its index: see [`CumExtreme`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([1.0, 3.0, 2.0]).cummax(0)?;
    /// assert_eq!(values.to_string(), "tensor([1., 3., 3.])");
    /// assert_eq!(places.to_vec::<i64>()?, [0, 1, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cummax(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        super::pair(Tensor::apply_many(CumExtreme { dim, largest: true }, &[self])?)
    }

    /// The smallest element so far along a dimension, and its index: see [`CumExtreme`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (values, places) = tensor([3.0, 1.0, 2.0]).cummin(0)?;
    /// assert_eq!(values.to_string(), "tensor([3., 1., 1.])");
    /// assert_eq!(places.to_string(), "tensor([0, 1, 1])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cummin(&self, dim: isize) -> Result<(Tensor, Tensor)> {
        super::pair(Tensor::apply_many(CumExtreme { dim, largest: false }, &[self])?)
    }
}
