//! Reading and adding at indices: gather, scatter_add, index_select, embedding.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
//! assert_eq!(x.index_select(1, &tensor([2, 0]))?.to_string(), "tensor([[3., 1.],\n        [6., 4.]])");
//! assert_eq!(x.gather(1, &tensor([[2], [0]]))?.to_string(), "tensor([[3.],\n        [4.]])");
//! # Ok::<(), chainrule::Error>(())
//! ```

mod select;

pub use select::{IndexAdd, IndexSelect};

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::{Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved, Saves};
use crate::array::{Array, DType, Element, Layout, Meta, Shape, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::zip::mapped;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Gather::ENTRY, ScatterAdd::ENTRY, IndexSelect::ENTRY, IndexAdd::ENTRY];

pub(super) fn indices<const N: usize>(values: [i64; N]) -> Array {
    Array::filled(values.to_vec(), [N].into())
}

/// Indices are integers; where there are none, their type doesn't matter.
fn integer_index(meta: &Meta) -> Result<()> {
    if matches!(meta.dtype, DType::I64 | DType::I32) || meta.shape.elements() == 0 {
        return Ok(());
    }
    Err(Error::dtype(format!("indices must be i64 or i32, not {}", meta.dtype)).hint("cast to i64 first"))
}

/// The index as a place in a dimension of this size.
fn place(index: i64, size: usize, dim: usize) -> Result<usize> {
    usize::try_from(index).ok().filter(|&i| i < size).ok_or_else(|| {
        Error::index(format!("index {index} is out of range for dimension {dim} of size {size}"))
    })
}

/// All indices as places.
fn all_places(index: &Array, size: usize, dim: usize) -> Result<Vec<usize>> {
    let index = index.to_i64_vec();
    if let Some(&wrong) = index.iter().find(|&&i| i as u64 >= size as u64) {
        place(wrong, size, dim)?;
    }
    Ok(mapped(&index, |i| i as usize))
}

/// The sizes before, of, and after a dimension: an array is so many blocks of so many rows of so many elements.
fn around(shape: &Shape, dim: usize) -> (usize, usize, usize) {
    let size = shape.get(dim).copied().unwrap_or(1);
    (shape[..dim.min(shape.rank())].iter().product(), size, shape.iter().skip(dim + 1).product())
}

/// For each element of an index array, its row-major place in an array of `shape`, with the index along `dim`.
///
/// The index is walked by rows of its last dimension, so that the inner loop is one multiplication and addition.
pub(crate) fn places(index: &Array, shape: &Shape, dim: usize) -> Result<Vec<usize>> {
    let index = index.cast(DType::I64).contiguous();
    let values = index.values::<i64>();
    // What has no dimensions is treated as having one, of size 1.
    let size = shape.get(dim).copied().unwrap_or(1);
    if let Some(&wrong) = values.iter().find(|&&i| i as u64 >= size as u64) {
        place(wrong, size, dim)?;
    }
    let strides = Layout::contiguous(*shape).strides();
    let stride = |d: usize| strides.get(d).map_or(1, |&stride| stride as usize);
    let sizes: &[usize] = if index.rank() == 0 { &[1] } else { index.shape() };
    let last = sizes.len() - 1;
    let length = sizes[last];
    // Along the last dimension itself only the index counts.
    let step = if dim == last { 0 } else { stride(last) };
    let mut position = vec![0usize; last];
    let mut result = Vec::with_capacity(values.len());
    for row in values.chunks_exact(length.max(1)) {
        let base: usize = (0..last).filter(|&d| d != dim).map(|d| position[d] * stride(d)).sum();
        result.extend(row.iter().enumerate().map(|(j, &i)| base + i as usize * stride(dim) + j * step));
        for d in (0..last).rev() {
            position[d] += 1;
            if position[d] < sizes[d] {
                break;
            }
            position[d] = 0;
        }
    }
    Ok(result)
}

/// Checks that an index fits beside `x`: the same number of dimensions, none but `dim` larger.
fn index_fits(x: &Shape, index: &Shape, dim: usize) -> Result<()> {
    let fits = x.rank().max(1) == index.rank().max(1)
        && (0..index.rank().min(x.rank())).all(|d| d == dim || index[d] <= x[d]);
    if fits || index.elements() == 0 {
        return Ok(());
    }
    Err(Error::shape(format!(
        "an index of shape {index} doesn't fit beside {x}: it has as many dimensions, and none but {dim} may be larger"
    )))
}

documented! {
    /// Elements picked along a dimension: `y[i][j] = x[index[i][j]][j]` for dimension 0.
    ///
    /// ```
    /// use chainrule::gate::index::Gather;
    /// use chainrule::{param, tensor, Tensor};
    /// let (x, index) = (param([[1.0, 2.0], [3.0, 4.0]]), tensor([[0, 0], [1, 0]]));
    /// let y = Tensor::apply(Gather { dim: 1 }, &[&x, &index])?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_f64_vec(), [1.0, 1.0, 4.0, 3.0]);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [2.0, 0.0, 1.0, 1.0]); // as often as it was read
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Gather {
        /// The dimension.
        pub dim: isize,
    }
}

impl Gather {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Gather",
        method: "gather",
        doc: Gather::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            let index = |values: Vec<i64>, shape: [usize; 2]| Array::filled(values, shape.into());
            vec![
                Sample::new(Gather { dim: 1 }, [x(), index(vec![0, 2, 1, 1], [2, 2])]),
                Sample::new(Gather { dim: 0 }, [x(), index(vec![1, 1, 0], [1, 3])]),
                Sample::new(Gather { dim: 0 }, [x(), index(vec![2, 1, 0], [1, 3])]).refused(ErrorKind::Index),
                Sample::new(Gather { dim: 0 }, [f64s([1.0, 2.0, 3.0]), Array::scalar(1i64)]),
                Sample::new(Gather { dim: 0 }, [Array::scalar(5.0f64), indices([0, 0])]),
                Sample::new(Gather { dim: -1 }, [Array::scalar(5.0f64), Array::scalar(0i64)]),
                Sample::new(Gather { dim: 0 }, [x(), index(vec![], [0, 3])]),
                Sample::new(Gather { dim: 0 }, [x(), x()]).refused(ErrorKind::DType),
            ]
        },
    };
}

impl Gate for Gather {
    fn name(&self) -> &'static str {
        "Gather"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 2)?;
        integer_index(&inputs[1])?;
        index_fits(&inputs[0].shape, &inputs[1].shape, inputs[0].shape.dim(self.dim)?)?;
        Ok([Meta { dtype: inputs[0].dtype, shape: inputs[1].shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let x = inputs[0].contiguous();
        let places = places(inputs[1], x.shape(), x.shape().dim(self.dim)?)?;
        let shape = context.output(0).shape;
        Ok([dispatch!(x.dtype(), T => {
            let values = x.values::<T>();
            Array::filled(places.iter().map(|&i| values[i]).collect(), shape)
        })]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let zeros = Tensor::from_array(Array::constant(0.0, saved.input_meta(0)?));
        Ok([Some(zeros.scatter_add(self.dim, &saved.input(1)?, g)?), None].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x[index]", ["∂L/∂x = g, added up at the indices", "the index has no gradient"])
    }
}

documented! {
    /// Elements added along a dimension: `y = x`, then `y[index[i][j]][j] += source[i][j]` for dimension 0.
    ///
    /// ```
    /// use chainrule::gate::index::ScatterAdd;
    /// use chainrule::{tensor, Tensor};
    /// let counts =
    ///     Tensor::apply(ScatterAdd { dim: 0 }, &[&Tensor::zeros([3]), &tensor([2, 0, 2]), &Tensor::ones([3])])?;
    /// assert_eq!(counts.to_string(), "tensor([1., 0., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct ScatterAdd {
        /// The dimension.
        pub dim: isize,
    }
}

impl ScatterAdd {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "ScatterAdd",
        method: "scatter_add",
        doc: ScatterAdd::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            let index = || Array::filled(vec![0, 0, 1, 2], [2, 2].into());
            let source = || matrix([[0.1, 0.2], [0.3, 0.4]]);
            vec![
                Sample::new(ScatterAdd { dim: 1 }, [x(), index().cast(DType::I64), source()]),
                Sample::new(
                    ScatterAdd { dim: 0 },
                    [f64s([1.0, 2.0]), Array::scalar(1i64), Array::scalar(5.0f64)],
                )
                .gives([f64s([1.0, 7.0])]),
                Sample::new(
                    ScatterAdd { dim: 0 },
                    [f64s([1.0, 2.0]), indices([1, 1]), f64s([5.0, 6.0, 7.0])],
                ),
                Sample::new(ScatterAdd { dim: 0 }, [x(), index().cast(DType::I64), source()])
                    .refused(ErrorKind::Index),
            ]
        },
    };
}

impl Gate for ScatterAdd {
    fn name(&self) -> &'static str {
        "ScatterAdd"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 3)?;
        integer_index(&inputs[1])?;
        let dim = inputs[0].shape.dim(self.dim)?;
        index_fits(&inputs[0].shape, &inputs[1].shape, dim)?;
        if inputs[0].dtype != inputs[2].dtype {
            return Err(Error::dtype("what is added must have the element type of what it is added to"));
        }
        let covered = inputs[1].shape.rank() == inputs[2].shape.rank()
            && inputs[1].shape.iter().zip(inputs[2].shape.iter()).all(|(i, s)| i <= s);
        if !covered {
            return Err(Error::shape(format!(
                "the source of shape {} has no element for each index of shape {}",
                inputs[2].shape, inputs[1].shape
            )));
        }
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let mut out = inputs[0].copied();
        let places = places(inputs[1], out.shape(), out.shape().dim(self.dim)?)?;
        let source = covered(inputs[2], inputs[1].shape())?;
        dispatch!(out.dtype(), T => {
            let source = source.to_vec::<T>()?;
            if let Some(out) = out.make_mut::<T>() {
                for (&i, x) in places.iter().zip(source) {
                    out[i] = plus(out[i], x);
                }
            }
        });
        Ok([out].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        Saves::input(1).when(needs.input(2))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let source = match needs.input(2) {
            false => None,
            true => {
                let picked = g.gather(self.dim, &saved.input(1)?)?;
                Some(grown(&picked, &saved.input_meta(2)?.shape)?)
            }
        };
        Ok([needs.input(0).then(|| g.clone()), None, source].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = x, with the source added at the indices",
            ["∂L/∂x = g", "the index has no gradient", "∂L/∂source = g[index]"],
        )
    }
}

/// The part of a source that an index of this shape covers.
pub(super) fn covered(source: &Array, index: &Shape) -> Result<Array> {
    index.iter().enumerate().try_fold(source.clone(), |part, (dim, &size)| part.narrow(dim as isize, 0, size))
}

/// The gradient of a covered part as that of the whole source: elements that took no part get 0.
pub(super) fn grown(part: &Tensor, shape: &Shape) -> Result<Tensor> {
    let own = part.shape();
    let widths: Vec<(isize, isize)> =
        (0..shape.rank()).map(|dim| (0, (shape[dim] - own[dim]) as isize)).collect();
    if own == *shape { Ok(part.clone()) } else { part.pad_constant(&widths, 0.0) }
}

#[inline(always)]
fn plus<T: Element>(a: T, b: T) -> T {
    match T::DTYPE.is_float() {
        true => T::from_f64(a.to_f64() + b.to_f64()),
        false => T::from_i64(a.to_i64().wrapping_add(b.to_i64())),
    }
}

impl Tensor {
    /// Elements picked along a dimension: see [`Gather`].
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.gather(1, &tensor([[1], [0]]))?.to_vec::<f32>()?, [2.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        Tensor::apply(Gather { dim }, &[self, index])
    }

    /// Elements of `source` added at indices: see [`ScatterAdd`].
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the shapes don't fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 1.0]).scatter_add(0, &tensor([1, 1, 0]), &tensor([10.0, 20.0, 5.0]))?;
    /// assert_eq!(y.to_string(), "tensor([ 6., 31.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        Tensor::apply(ScatterAdd { dim }, &[self, index, source])
    }
}
