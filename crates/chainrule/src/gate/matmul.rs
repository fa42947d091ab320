//! Matrix products of vectors, matrices and batches.
//!
//! ```
//! use chainrule::{param, tensor};
//! let (x, w) = (tensor([[1.0, 2.0]]), param([[1.0, 0.0], [3.0, 1.0]]));
//! let y = x.matmul(&w)?;
//! y.backward_with(&tensor([[1.0, 10.0]]))?;
//! assert_eq!(y.to_string(), "tensor([[7., 2.]], grad_fn=<MmBackward0>)");
//! assert_eq!(w.grad().unwrap().to_string(), "tensor([[ 1., 10.],\n        [ 2., 20.]])"); // xᵀ·g
//! # Ok::<(), chainrule::Error>(())
//! ```

mod linear;
mod nodes;

pub use linear::Linear;

use std::borrow::Cow;

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::{
    Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved, Saves, TorchNode, Use,
};
use crate::array::Float;
use crate::array::{Array, DType, Element, Meta, Shape, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::matmul::Matrix;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[MatMul::ENTRY, Linear::ENTRY];

documented! {
    /// Matrix product `Y = A·B` over the last two dimensions; leading ones are batches and broadcast.
    ///
    /// A vector on the left is a row, on the right a column; the dimension that this adds is removed again.
    ///
    /// ```
    /// use chainrule::gate::matmul::MatMul;
    /// use chainrule::{tensor, Tensor};
    /// let (rows, column) = (tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, -1.0]));
    /// let y = Tensor::apply(MatMul::of(2, 1), &[&rows, &column])?;
    /// assert_eq!(y.to_string(), "tensor([-1., -1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct MatMul {
        /// The ranks of the operands that were multiplied, for PyTorch's name of the node.
        ranks: (u8, u8),
        /// Whether it was asked for as a product of two batches one by one, which has a name of its own there.
        one_by_one: bool,
    }
}

impl MatMul {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "MatMul",
        method: "matmul, dot",
        doc: MatMul::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let of = |a: Array, b: Array| Sample::new(MatMul::of(a.rank(), b.rank()), [a, b]);
            let a = || matrix([[1.0, 2.0, -1.0], [0.5, -0.3, 2.0]]);
            let b = || matrix([[1.0, 0.2], [-1.0, 0.4], [0.3, 0.7]]);
            let batch = |n: usize, r: usize, c: usize| {
                Array::filled(
                    (0..n * r * c).map(|i| (i * 7 % 11) as f64 * 0.3 - 1.0).collect(),
                    [n, r, c].into(),
                )
            };
            vec![
                of(a(), b()),
                of(f64s([1.0, 2.0, 3.0]), f64s([0.1, 0.2, 0.3])),
                of(a(), f64s([1.0, 2.0, 3.0])),
                of(f64s([1.0, 2.0, 3.0]), b()),
                of(batch(2, 2, 3), batch(2, 3, 4)),
                of(batch(2, 2, 3), b()),
                of(a(), batch(2, 3, 2)),
                of(batch(1, 2, 3), batch(4, 3, 2)),
                of(batch(2, 2, 3), f64s([1.0, 2.0, 3.0])),
                Sample::new(MatMul::one_by_one(), [batch(2, 2, 3), batch(2, 3, 4)]),
                of(Array::zeros_of([2, 0], DType::F64), Array::zeros_of([0, 3], DType::F64)),
                of(a(), a()).refused(ErrorKind::Shape),
                Sample::new(MatMul::of(1, 1), [a(), b()]).refused(ErrorKind::Shape),
                of(Array::scalar(1.0f64), a()).refused(ErrorKind::Shape),
                of(a(), b().cast(DType::F32)).refused(ErrorKind::DType),
            ]
        },
    };

    /// The product of operands with these numbers of dimensions.
    ///
    /// ```
    /// use chainrule::gate::{matmul::MatMul, Gate};
    /// assert_eq!(MatMul::of(2, 2).grad_fn(), "MmBackward0"); // PyTorch's names differ by rank
    /// assert_eq!(MatMul::of(1, 1).grad_fn(), "DotBackward0");
    /// ```
    pub fn of(rank_a: usize, rank_b: usize) -> MatMul {
        MatMul { ranks: (rank_a as u8, rank_b as u8), one_by_one: false }
    }

    /// The products of two batches of as many matrices, one by one.
    ///
    /// ```
    /// use chainrule::gate::{matmul::MatMul, Gate};
    /// assert_eq!(MatMul::one_by_one().grad_fn(), "BmmBackward0");
    /// assert_eq!(MatMul::of(3, 3).grad_fn(), "UnsafeViewBackward0"); // may broadcast
    /// ```
    pub fn one_by_one() -> MatMul {
        MatMul { ranks: (3, 3), one_by_one: true }
    }
}

/// The operands as batches of matrices: their shapes, and the shape of the batch.
fn batched(a: &Shape, b: &Shape) -> Result<(Shape, Shape, Shape)> {
    if a.rank() == 0 || b.rank() == 0 {
        return Err(
            Error::shape("0-d tensors have no matrix product").hint("multiply them element by element")
        );
    }
    let left = if a.rank() == 1 { Shape::from([1, a[0]]) } else { *a };
    let right = if b.rank() == 1 { Shape::from([b[0], 1]) } else { *b };
    let (inner_a, inner_b) = (left[left.rank() - 1], right[right.rank() - 2]);
    if inner_a != inner_b {
        return Err(Error::shape(format!(
            "the shapes {a} and {b} can't be multiplied: {inner_a} columns meet {inner_b} rows"
        )));
    }
    let leading = |shape: &Shape| Shape::trusted(&shape[..shape.rank() - 2]);
    let batch = leading(&left).broadcast(&leading(&right))?;
    Ok((left, right, batch))
}

impl Gate for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn grad_fn(&self) -> String {
        match self.ranks {
            (1, 1) => "DotBackward0".into(),
            (2, 1) => "MvBackward0".into(),
            (2, 2) => "MmBackward0".into(),
            (3, 3) if self.one_by_one => "BmmBackward0".into(),
            (1, 2) => "SqueezeBackward4".into(),
            _ => "UnsafeViewBackward0".into(),
        }
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        nodes::of(self.one_by_one, used)
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 2)?;
        if inputs[0].dtype != inputs[1].dtype {
            return Err(Error::dtype(format!(
                "a matrix product needs one element type, not {} and {}",
                inputs[0].dtype, inputs[1].dtype
            ))
            .hint("cast one of the two"));
        }
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        let (left, right, batch) = batched(a, b)?;
        if MatMul::of(a.rank(), b.rank()).ranks != self.ranks {
            let (of_a, of_b) = self.ranks;
            return Err(Error::shape(format!(
                "this product is of operands with {of_a} and {of_b} dimensions, not of {a} and {b}"
            ))
            .hint("make the gate for these: MatMul::of(a.rank(), b.rank())"));
        }
        let mut sizes = batch.to_vec();
        if a.rank() > 1 {
            sizes.push(left[left.rank() - 2]);
        }
        if b.rank() > 1 {
            sizes.push(right[right.rank() - 1]);
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: Shape::new(&sizes)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        Ok([multiply(inputs[0], inputs[1], context.output(0).shape)?].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        Saves::input(1).when(needs.input(0)) | Saves::input(0).when(needs.input(1))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (rank_a, rank_b) = (self.ranks.0 as usize, self.ranks.1 as usize);
        // The upstream gradient with the dimensions that vectors left out.
        let mut g = g.clone();
        if rank_b == 1 {
            g = g.unsqueeze(-1)?;
        }
        if rank_a == 1 {
            g = g.unsqueeze(-2)?;
        }
        let gradient_a = || -> Result<Tensor> {
            let b = saved.input(1)?;
            let b = if rank_b == 1 { b.unsqueeze(0)? } else { b.transpose(-1, -2)? };
            let gradient = g.matmul(&b)?;
            if rank_a == 1 { gradient.squeeze(-2) } else { Ok(gradient) }
        };
        let gradient_b = || -> Result<Tensor> {
            let a = saved.input(0)?;
            let a = if rank_a == 1 { a.unsqueeze(1)? } else { a.transpose(-1, -2)? };
            let gradient = a.matmul(&g)?;
            if rank_b == 1 { gradient.squeeze(-1) } else { Ok(gradient) }
        };
        Ok([needs.input(0).then(gradient_a).transpose()?, needs.input(1).then(gradient_b).transpose()?]
            .into_iter()
            .collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Product
    }

    fn formula(&self) -> Formula {
        Formula::rule("Y = A·B", ["∂L/∂A = G·Bᵀ", "∂L/∂B = Aᵀ·G"])
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        let inner = inputs[0].shape.last().copied().unwrap_or(1);
        outputs[0].shape.elements() as u64 * inner as u64
    }
}

/// `Y = A·B` on arrays, whose shapes fit.
fn multiply(a: &Array, b: &Array, shape: Shape) -> Result<Array> {
    let (left, right, batch) = batched(a.shape(), b.shape())?;
    let with_batch = |x: &Array, matrix: &Shape| -> Result<Array> {
        let mut sizes = batch.to_vec();
        sizes.extend_from_slice(&matrix[matrix.rank() - 2..]);
        x.reshape(*matrix)?.expand(Shape::new(&sizes)?)
    };
    let (a, b) = (with_batch(a, &left)?, with_batch(b, &right)?);
    let rank = a.rank();
    // Where A shows one row again and again, as the gradient of a sum does, so does the product; likewise B's columns.
    if repeats(&a, rank - 2) || repeats(&b, rank - 1) {
        let (a, b) = (shown_once(&a, rank - 2)?, shown_once(&b, rank - 1)?);
        let mut sizes = batch.to_vec();
        sizes.extend([a.shape()[rank - 2], b.shape()[rank - 1]]);
        let once = multiply(&a, &b, Shape::trusted(&sizes))?;
        sizes[rank - 2..].copy_from_slice(&[left[left.rank() - 2], right[right.rank() - 1]]);
        return once.expand(Shape::trusted(&sizes))?.reshape(shape);
    }
    let (m, k, n) = (a.shape()[rank - 2], a.shape()[rank - 1], b.shape()[rank - 1]);
    Ok(match a.dtype() {
        DType::F32 => batches::<f32>(&a, &b, (m, k, n), shape),
        DType::F64 => batches::<f64>(&a, &b, (m, k, n), shape),
        dtype => dispatch!(dtype, T => integers::<T>(&a, &b, (m, k, n), shape)?),
    })
}

/// Whether the array shows the same elements at every place of this dimension.
pub(super) fn repeats(x: &Array, dim: usize) -> bool {
    !x.is_contiguous() && x.shape()[dim] > 1 && x.strides()[dim] == 0
}

/// The array with one place of a dimension of which all are the same.
fn shown_once(x: &Array, dim: usize) -> Result<Array> {
    if repeats(x, dim) { x.narrow(dim as isize, 0, 1) } else { Ok(x.clone()) }
}

/// The place of every matrix of a batch in its buffer.
fn places(x: &Array) -> Vec<usize> {
    let rank = x.rank() - 2;
    let mut places = vec![x.layout().offset as isize];
    for dim in 0..rank {
        let step = x.strides()[dim];
        places = places
            .iter()
            .flat_map(|&place| (0..x.shape()[dim] as isize).map(move |i| place + i * step))
            .collect();
    }
    places.into_iter().map(|place| place as usize).collect()
}

/// An array that the kernel can walk quickly: no stride is negative, and its matrices don't repeat elements.
fn walkable(x: &Array) -> Cow<'_, Array> {
    if x.is_contiguous() {
        return Cow::Borrowed(x);
    }
    let strides = x.strides();
    let backward = strides.iter().any(|&stride| stride < 0);
    let dims = strides.iter().zip(x.shape().iter());
    let repeats = dims.rev().take(2).any(|(&stride, &size)| stride == 0 && size > 1);
    if backward || repeats { Cow::Owned(x.copied()) } else { Cow::Borrowed(x) }
}

fn batches<T: Float>(a: &Array, b: &Array, (m, k, n): (usize, usize, usize), shape: Shape) -> Array {
    let mut out = crate::kernel::memory::take::<T>(shape.elements());
    // The rows of all batches of A are one tall matrix where every batch meets the same B.
    let (a, b) = (walkable(a), walkable(b));
    let same_b = b.strides()[..b.rank() - 2]
        .iter()
        .zip(b.shape().iter())
        .all(|(&stride, &size)| stride == 0 || size == 1);
    if same_b && a.rank() > 2 && shape.elements() > 0 {
        let tall = a.contiguous();
        let rows = tall.elements() / k.max(1);
        let one = b.layout().offset;
        if k > 0 {
            let strides = b.strides();
            let strides = &strides[b.rank() - 2..];
            let left = Matrix { data: tall.values::<T>(), row: k, column: 1 };
            let buffer = b.buffer::<T>().expect("infer checked the element type");
            let right =
                Matrix { data: &buffer[one..], row: strides[0] as usize, column: strides[1] as usize };
            T::product(rows, k, n, left, right, &mut out, false);
            return Array::filled(out, shape);
        }
    }
    if m * n == 0 || shape.elements() == 0 {
        return Array::filled(out, shape);
    }
    let (buffer_a, buffer_b) = (
        a.buffer::<T>().expect("infer checked the element type"),
        b.buffer::<T>().expect("infer checked the element type"),
    );
    let (places_a, places_b) = (places(&a), places(&b));
    let strides = |x: &Array| {
        let strides = x.strides();
        (strides[x.rank() - 2] as usize, strides[x.rank() - 1] as usize)
    };
    let ((row_a, column_a), (row_b, column_b)) = (strides(&a), strides(&b));
    let operands = |i: usize| {
        let start = |buffer: &'_ [T], place: usize| place.min(buffer.len());
        let left = Matrix { data: &buffer_a[start(buffer_a, places_a[i])..], row: row_a, column: column_a };
        let right = Matrix { data: &buffer_b[start(buffer_b, places_b[i])..], row: row_b, column: column_b };
        (left, right)
    };
    if places_a.len() == 1 {
        let (left, right) = operands(0);
        T::product(m, k, n, left, right, &mut out, false);
    } else {
        crate::kernel::pool::chunks_mut(&mut out, m * n, |start, out| {
            let (left, right) = operands(start / (m * n));
            T::product_of_batch((m, k, n), left, right, out);
        });
    }
    Array::filled(out, shape)
}

fn integers<T: Element>(
    a: &Array,
    b: &Array,
    (m, k, n): (usize, usize, usize),
    shape: Shape,
) -> Result<Array> {
    let (a, b) = (a.to_i64_vec(), b.to_i64_vec());
    let element = |i: usize| {
        let (batch, row, column) = (i / (m * n), i / n % m, i % n);
        let sum = (0..k).fold(0i64, |sum, p| {
            sum.wrapping_add(a[(batch * m + row) * k + p].wrapping_mul(b[(batch * k + p) * n + column]))
        });
        T::from_i64(sum)
    };
    Array::from_vec((0..shape.elements()).map(element).collect(), shape)
}

impl Tensor {
    /// Matrix product of vectors, matrices or batches: see [`MatMul`].
    ///
    /// # Errors
    /// The shapes don't fit, or the element types differ.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[1.0, 2.0], [3.0, 4.0]]).matmul(&tensor([1.0, 1.0]))?;
    /// assert_eq!(y.to_string(), "tensor([3., 7.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::apply(MatMul::of(self.rank(), other.rank()), &[self, other])
    }

    /// Scalar product of two vectors: see [`MatMul`].
    ///
    /// # Errors
    /// These aren't two vectors of the same length.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let (w, x) = (param([2.0, -3.0]), tensor([-1.0, -2.0]));
    /// let y = w.dot(&x)?;
    /// y.backward()?;
    /// assert_eq!(y.item()?, 4.0);
    /// assert_eq!(w.grad().unwrap().to_string(), "tensor([-1., -2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        if self.rank() != 1 || other.rank() != 1 {
            return Err(Error::shape(format!(
                "a scalar product is of two vectors, not of shapes {} and {}",
                self.shape(),
                other.shape()
            ))
            .at_gate("MatMul"));
        }
        self.matmul(other)
    }
}
