//! Reductions: sum, mean, product; and the dimensions that a reduction runs over.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([[1.0, 2.0], [3.0, 6.0]]);
//! assert_eq!(x.sum()?.item()?, 12.0);
//! assert_eq!(x.mean_dim(&[0], false)?.to_string(), "tensor([2., 4.])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use crate::gate::macros::documented;
use smallvec::SmallVec;

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::{Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Meta, Shape, dispatch_float};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::kernel::Kernels as _;
use crate::kernel::fold::{self, Blocks};
use crate::kernel::memory;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Sum::ENTRY, Mean::ENTRY, Prod::ENTRY];

/// The dimensions that a reduction runs over; none named means all.
///
/// ```
/// use chainrule::Tensor;
/// use chainrule::gate::reduce::{Dims, Sum};
/// let x = Tensor::ones([2, 3, 4]);
/// assert_eq!(Tensor::apply(Sum(Dims::of(&[0, -1], false)), &[&x])?.to_string(), "tensor([8., 8., 8.])");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dims {
    dims: SmallVec<[isize; 4]>,
    keep: bool,
}

impl Dims {
    /// All dimensions; the result is 0-d.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::gate::reduce::{Dims, Sum};
    /// assert_eq!(Tensor::apply(Sum(Dims::all()), &[&Tensor::ones([2, 3])])?.to_string(), "tensor(6.)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn all() -> Dims {
        Dims::default()
    }

    /// These dimensions, kept with size 1 or removed.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::gate::reduce::{Dims, Sum};
    /// assert_eq!(Tensor::apply(Sum(Dims::of(&[1], true)), &[&Tensor::ones([2, 3])])?.shape(), [2, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn of(dims: &[isize], keep: bool) -> Dims {
        Dims { dims: dims.iter().copied().collect(), keep }
    }

    /// Whether no dimension was named.
    ///
    /// ```
    /// use chainrule::gate::reduce::Dims;
    /// assert!(Dims::all().is_all() && !Dims::of(&[0], false).is_all());
    /// ```
    pub fn is_all(&self) -> bool {
        self.dims.is_empty()
    }

    /// The dimensions as places from the front, ascending.
    pub(super) fn places(&self, shape: &Shape) -> Result<Vec<usize>> {
        if self.is_all() {
            return Ok((0..shape.rank()).collect());
        }
        let mut places = crate::array::dims(shape, &self.dims)?;
        places.retain(|&dim| dim < shape.rank());
        places.sort_unstable();
        Ok(places)
    }

    /// The shape of the result.
    pub(super) fn result(&self, shape: &Shape) -> Result<Shape> {
        Ok(if self.keep {
            self.kept(shape)?
        } else {
            self.places(shape)?.into_iter().rev().fold(*shape, |s, d| s.without(d))
        })
    }

    /// The shape of the result with the reduced dimensions kept with size 1.
    pub(super) fn kept(&self, shape: &Shape) -> Result<Shape> {
        Ok(self.places(shape)?.into_iter().fold(*shape, |s, d| s.with_size(d, 1)))
    }

    /// How many elements go into one.
    pub(super) fn count(&self, shape: &Shape) -> Result<usize> {
        Ok(self.places(shape)?.into_iter().map(|d| shape[d]).product())
    }

    /// A tensor of the result's shape (or a batch of such in front), expanded to the input's shape.
    pub(super) fn spread(&self, reduced: &Tensor, shape: &Shape) -> Result<Tensor> {
        let (kept, sizes) = (self.kept(shape)?, reduced.shape());
        if sizes.rank() > self.result(shape)?.rank() {
            let batch = |shape: &Shape| crate::tensor::batched(sizes[0], shape);
            return reduced.reshape(batch(&kept)?)?.expand(batch(shape)?);
        }
        reduced.reshape(kept)?.expand(*shape)
    }

    /// The elements with those that are reduced into one lying next to each other, row by row.
    pub(super) fn rows(&self, x: &Array) -> Result<Array> {
        let places = self.places(x.shape())?;
        let order: Vec<isize> = (0..x.rank())
            .filter(|d| !places.contains(d))
            .chain(places.iter().copied())
            .map(|d| d as isize)
            .collect();
        Ok(x.permute(&order)?.contiguous())
    }

    /// The elements in row-major order, and the blocks of rows that are reduced into one each. Where the dimensions
    /// aren't neighbours, they are brought to the end first.
    pub(super) fn blocks(&self, x: &Array) -> Result<(Array, Blocks)> {
        let places = self.places(x.shape())?;
        let shape = x.shape();
        let neighbours = places.windows(2).all(|pair| pair[1] == pair[0] + 1);
        if neighbours && x.is_contiguous() {
            let (first, end) =
                (places.first().copied().unwrap_or(0), places.last().map_or(0, |last| last + 1));
            let product = |sizes: &[usize]| sizes.iter().product();
            let (outer, inner) = (product(&shape[..first]), product(&shape[end.max(first)..]));
            return Ok((x.clone(), Blocks { outer, count: product(&shape[first..end.max(first)]), inner }));
        }
        let count = self.count(shape)?;
        let outer =
            shape.iter().enumerate().filter(|(d, _)| !places.contains(d)).map(|(_, size)| size).product();
        Ok((self.rows(x)?, Blocks { outer, count, inner: 1 }))
    }

    fn name_suffix(&self) -> u8 {
        u8::from(!self.is_all())
    }
}

/// Samples of a reduction, from the gate for given dimensions.
pub(super) fn samples<G: Gate>(gate: impl Fn(Dims) -> G) -> Vec<Sample> {
    let x = || matrix([[1.5, -2.0, 0.5], [0.3, 4.0, -1.7]]);
    let cube =
        || Array::filled((0..12).map(|i| f64::from(i * 5 % 12) * 0.37 - 1.9).collect(), [2, 3, 2].into());
    vec![
        Sample::new(gate(Dims::all()), [x()]),
        Sample::new(gate(Dims::of(&[1], false)), [x()]),
        Sample::new(gate(Dims::of(&[0], true)), [x()]),
        Sample::new(gate(Dims::of(&[0, -1], false)), [cube()]),
        Sample::new(gate(Dims::of(&[1], true)), [cube()]),
        Sample::new(gate(Dims::of(&[2], false)), [x()]).refused(ErrorKind::Index),
        Sample::new(gate(Dims::of(&[0, 0], false)), [x()]).refused(ErrorKind::Argument),
    ]
}

documented! {
    /// Sum of elements; integers and `bool` are summed as i64.
    ///
    /// ```
    /// use chainrule::gate::reduce::{Dims, Sum};
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::apply(Sum(Dims::all()), &[&tensor([true, true, false])])?;
    /// assert_eq!(y.to_string(), "tensor(2)"); // bool is counted
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Sum(pub Dims);
}

impl Sum {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Sum",
        method: "sum, sum_dim, sum_to_size",
        doc: Sum::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = samples(Sum);
            all.push(Sample::new(Sum(Dims::all()), [Array::zeros_of([0], DType::F64)]));
            all.push(Sample::new(Sum(Dims::of(&[0], false)), [Array::zeros_of([0, 2], DType::F64)]));
            all.push(Sample::new(Sum(Dims::all()), [Array::scalar(3.0f64)]));
            all
        },
    };
}

impl Gate for Sum {
    fn name(&self) -> &'static str {
        "Sum"
    }

    fn grad_fn(&self) -> String {
        format!("SumBackward{}", self.0.name_suffix())
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let dtype = if inputs[0].dtype.is_float() { inputs[0].dtype } else { DType::I64 };
        Ok([Meta { dtype, shape: self.0.result(&inputs[0].shape)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let x = inputs[0];
        Ok([dispatch_float!(dtype, T => {
            if shape.elements() == 1 && self.0.count(x.shape())? == x.elements() {
                Array::filled(vec![T::sum(x.contiguous().values::<T>())], shape)
            } else {
                x.sum_dims(&self.0.places(x.shape())?).reshape(shape)?
            }
        }, otherwise => {
            let (x, blocks) = self.0.blocks(&x.cast(DType::I64))?;
            let mut sums = memory::take::<i64>(shape.elements());
            fold::integer_sums(x.values::<i64>(), blocks, &mut sums);
            Array::filled(sums, shape)
        })]
        .into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(self.0.spread(g, &saved.input_meta(0)?.shape)?)].into_iter().collect())
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let Some(g) = &upstream[0] else { return Some(Ok(needs.none())) };
        let spread =
            || g.reshape(self.0.kept(&saved.input_meta(0)?.shape)?)?.expand(saved.input_meta(0)?.shape);
        Some(spread().map(|g| [Some(g)].into_iter().collect()))
    }

    fn of_sum(&self, input: &Meta, sum: f32) -> Option<f32> {
        (self.0.count(&input.shape).ok()? == input.shape.elements()).then_some(sum)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = Σ x", ["∂L/∂x = g at every summed element"])
    }
}

documented! {
    /// Mean of elements; only for floats.
    ///
    /// ```
    /// use chainrule::gate::reduce::{Dims, Mean};
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(Tensor::apply(Mean(Dims::all()), &[&tensor([1.0, 2.0, 6.0])])?.item()?, 3.0);
    /// assert!(Tensor::apply(Mean(Dims::all()), &[&tensor([1, 2, 6])]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Mean(pub Dims);
}

impl Mean {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Mean",
        method: "mean, mean_dim",
        doc: Mean::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = samples(Mean);
            all.push(
                Sample::new(Mean(Dims::all()), [Array::zeros_of([2], DType::I64)]).refused(ErrorKind::DType),
            );
            all
        },
    };
}

pub(super) fn only_float(meta: &Meta) -> Result<()> {
    if meta.dtype.is_float() {
        return Ok(());
    }
    Err(Error::dtype(format!("it is only defined for floats, not {}", meta.dtype))
        .hint("cast to f32 or f64 first"))
}

impl Gate for Mean {
    fn name(&self) -> &'static str {
        "Mean"
    }

    fn grad_fn(&self) -> String {
        format!("MeanBackward{}", self.0.name_suffix())
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        Ok([Meta { dtype: inputs[0].dtype, shape: self.0.result(&inputs[0].shape)? }].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let total = super::run_one(&Sum(self.0.clone()), inputs)?;
        let count = Array::constant(self.0.count(inputs[0].shape())? as f64, Meta::new(total.dtype(), []));
        Ok([super::run_one(&super::arith::Div, &[&total, &count])?].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let shape = saved.input_meta(0)?.shape;
        let share = g.div(self.0.count(&shape)? as f64)?;
        Ok([Some(self.0.spread(&share, &shape)?)].into_iter().collect())
    }

    fn of_sum(&self, input: &Meta, sum: f32) -> Option<f32> {
        let count = self.0.count(&input.shape).ok()?;
        (count == input.shape.elements()).then(|| sum / count as f32)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = Σ x / n", ["∂L/∂x = g / n at every element"])
    }
}

documented! {
    /// Product of elements; integers and `bool` are multiplied as i64. The gradient is right also where elements are 0.
    ///
    /// ```
    /// use chainrule::gate::reduce::{Dims, Prod};
    /// use chainrule::{param, Tensor};
    /// let x = param([2.0, 0.0, 5.0]);
    /// let y = Tensor::apply(Prod(Dims::all()), &[&x])?;
    /// y.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([ 0., 10.,  0.])"); // the product of the others
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Prod(pub Dims);
}

impl Prod {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Prod",
        method: "prod, prod_dim",
        doc: Prod::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let mut all = samples(Prod);
            all.push(Sample::new(Prod(Dims::all()), [f64s([2.0, 0.0, 3.0])]));
            all.push(Sample::new(Prod(Dims::of(&[1], false)), [matrix([[2.0, 0.0, 0.0], [1.0, 2.0, 3.0]])]));
            all
        },
    };
}

impl Gate for Prod {
    fn name(&self) -> &'static str {
        "Prod"
    }

    fn grad_fn(&self) -> String {
        format!("ProdBackward{}", self.0.name_suffix())
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Sum(self.0.clone()).infer(inputs)
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let (x, blocks) = self.0.blocks(&inputs[0].cast(dtype))?;
        Ok([dispatch_float!(dtype, T => {
            let mut out = memory::take::<T>(shape.elements());
            T::products(x.values::<T>(), blocks, &mut out);
            Array::filled(out, shape)
        }, otherwise => {
            let mut out = memory::take::<i64>(shape.elements());
            fold::integer_products(x.values::<i64>(), blocks, &mut out);
            Array::filled(out, shape)
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
        if x.elements() == 0 {
            return Ok([Some(self.0.spread(g, &shape)?)].into_iter().collect());
        }
        if x.to_f64_vec().iter().all(|&x| x != 0.0) {
            let share = self.0.spread(&g.mul(&saved.output(0)?)?, &shape)?;
            return Ok([Some(share.div(&x)?)].into_iter().collect());
        }
        // Dividing by an element that is 0 loses the others; their product is taken without it instead.
        let places = self.0.places(&shape)?;
        let kept: Vec<usize> = (0..shape.rank()).filter(|d| !places.contains(d)).collect();
        let order: Vec<isize> = kept.iter().chain(&places).map(|&d| d as isize).collect();
        let outer: usize = kept.iter().map(|&d| shape[d]).product();
        let moved = x.permute(&order)?;
        let rows = moved.reshape([outer, self.0.count(&shape)?])?;
        let others = (0..rows.shape()[1] as isize)
            .map(|i| {
                let (before, after) = (rows.slice(1, ..i)?, rows.slice(1, i + 1..)?);
                Tensor::cat(&[&before, &after], 1)?.prod_dim(1, true)
            })
            .collect::<Result<Vec<_>>>()?;
        let others = Tensor::cat(&others.iter().collect::<Vec<_>>(), 1)?.reshape(moved.shape())?;
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back[from as usize] = to as isize;
        }
        Ok([Some(self.0.spread(g, &shape)?.mul(&others.permute(&back)?)?)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = Π x", ["∂L/∂xᵢ = g · the product of the other elements"])
    }
}

macro_rules! reductions {
    ($(
        $(#[doc = $doc:expr])* $all:ident;
        $(#[doc = $doc_some:expr])* $some:ident, |$dims:ident| $gate:expr;
    )*) => {
        impl Tensor {$(
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// The element type isn't accepted, or there are no elements where one is needed.
            #[track_caller]
            pub fn $all(&self) -> Result<Tensor> {
                let $dims = Dims::all();
                Tensor::apply($gate, &[self])
            }

            $(#[doc = $doc_some])*
            ///
            /// # Errors
            /// A dimension doesn't exist or appears twice, or the element type isn't accepted.
            #[track_caller]
            pub fn $some(&self, dims: &[isize], keep: bool) -> Result<Tensor> {
                let $dims = Dims::of(dims, keep);
                Tensor::apply($gate, &[self])
            }
        )*}
    };
}

pub(super) use reductions;

reductions! {
    /// Sum of all elements, 0-d: see [`Sum`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([[1.0, 2.0], [3.0, 4.0]]);
    /// let y = x.sum()?;
    /// y.backward()?;
    /// assert_eq!(y.item()?, 10.0);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [1.0; 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sum;
    /// Sum over these dimensions (all, where none is named), which stay with size 1 where `keep`: see [`Sum`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_dim(&[0], false)?.to_string(), "tensor([4., 6.])");
    /// assert_eq!(x.sum_dim(&[1], true)?.to_string(), "tensor([[3.],\n        [7.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    sum_dim, |dims| Sum(dims);
    /// Mean of all elements, 0-d: see [`Mean`].
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([1.0, 2.0, 6.0, 7.0]);
    /// let y = x.mean()?;
    /// y.backward()?;
    /// assert_eq!(y.item()?, 4.0);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [0.25; 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    mean;
    /// Mean over these dimensions (all, where none is named), which stay with size 1 where `keep`: see [`Mean`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 2.0], [3.0, 6.0]]);
    /// assert_eq!(x.mean_dim(&[1], false)?.to_string(), "tensor([1.5000, 4.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    mean_dim, |dims| Mean(dims);
}

impl Tensor {
    /// Product of all elements: see [`Prod`].
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([2.0, 3.0, 4.0]);
    /// x.prod()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([12.,  8.,  6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn prod(&self) -> Result<Tensor> {
        Tensor::apply(Prod(Dims::all()), &[self])
    }

    /// Product over one dimension: see [`Prod`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).prod_dim(0, false)?.to_string(), "tensor([3, 8])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn prod_dim(&self, dim: isize, keep: bool) -> Result<Tensor> {
        Tensor::apply(Prod(Dims::of(&[dim], keep)), &[self])
    }

    /// Sums over the dimensions in which `shape`, which must broadcast to this shape, is smaller.
    ///
    /// # Errors
    /// The shape doesn't broadcast to this tensor's.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// // What a gradient goes through whose input was broadcast.
    /// let g = Tensor::ones([4, 2, 3]);
    /// assert_eq!(g.sum_to_size([2, 1])?.to_string(), "tensor([[12.],\n        [12.]])");
    /// assert!(g.sum_to_size([5]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn sum_to_size(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let (own, shape) = (self.shape(), shape.into());
        if shape.broadcast(&own).ok() != Some(own) {
            return Err(Error::shape(format!(
                "{own} can't be summed to {shape}, which doesn't broadcast to it"
            ))
            .at_gate("Sum"));
        }
        let added = own.rank() - shape.rank();
        let dims: Vec<isize> = (0..own.rank())
            .filter(|&d| d < added || (shape[d - added] == 1 && own[d] != 1))
            .map(|d| d as isize)
            .collect();
        if dims.is_empty() { self.reshape(shape) } else { self.sum_dim(&dims, false)?.reshape(shape) }
    }
}
