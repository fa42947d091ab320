//! Views: gates that show the same elements in another shape or order, or some of them.
//!
//! Forward they copy nothing. The gradient of a view is the inverse view where the view is one-to-one, a sum
//! where elements were repeated, and zeros around the gradient ([`Unview`]) where elements were left out.
//!
//! ```
//! use chainrule::param;
//! let x = param([[1.0, 2.0], [3.0, 4.0]]);
//! x.select(0, 1)?.sum()?.backward()?;
//! assert_eq!(x.grad().unwrap().to_string(), "tensor([[0., 0.],\n        [1., 1.]])"); // zeros elsewhere
//! # Ok::<(), chainrule::Error>(())
//! ```

use crate::gate::macros::documented;
use smallvec::SmallVec;

use super::arith::matrix;
use super::elementwise::expect_inputs;
use super::{
    Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Next, Outputs, Sample, Saved, TorchNode, Use,
    tuple,
};
use crate::array::{Array, DType, Meta, NewShape, Shape, Slice};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[View::ENTRY, Unview::ENTRY];

documented! {
    /// Another layout of the same elements.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1, 2, 3], [4, 5, 6]]);
    /// assert_eq!(x.transpose(0, 1)?.shape(), [3, 2]);
    /// assert_eq!(x.select(1, -1)?.to_vec::<i64>()?, [3, 6]);
    /// assert_eq!(x.slice(1, ..)?.shape(), [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub enum View {
        /// The same elements in the same order under another shape
        Reshape(Shape),
        /// Dimension i of the result is the i-th of these
        Permute(SmallVec<[isize; 4]>),
        /// Two dimensions exchanged
        Transpose(isize, isize),
        /// A matrix transposed
        T,
        /// Dimensions of size 1 repeated
        Expand(Shape),
        /// These dimensions removed where their size is 1
        Squeeze(SmallVec<[isize; 4]>),
        /// A dimension of size 1 inserted
        Unsqueeze(isize),
        /// One index of a dimension
        Select(isize, isize),
        /// A range of a dimension
        Slice(isize, Slice),
        /// The diagonal with this offset of two dimensions
        Diagonal(isize, isize, isize),
    }
}

impl View {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "View",
        method: "reshape, permute, transpose, expand, squeeze, unsqueeze, select, slice, narrow, diagonal",
        doc: View::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, -2.0, 0.5], [0.3, 4.0, -1.5]]);
            let all = [
                View::Reshape([3, 2].into()),
                View::Permute([1, 0].into_iter().collect()),
                View::Transpose(0, -1),
                View::T,
                View::Expand([4, 2, 3].into()),
                View::Squeeze([0].into_iter().collect()),
                View::Unsqueeze(1),
                View::Select(1, -1),
                View::Slice(1, Slice::from(..).step(2)),
                View::Slice(1, Slice::from(..).step(-1)),
                View::Slice(0, (1..).into()),
                View::Diagonal(1, 0, 1),
            ];
            let mut samples: Vec<Sample> = all.map(|view| Sample::new(view, [x()])).into();
            let cube = Array::filled((0..6).map(f64::from).collect(), [1, 2, 3].into());
            samples.push(Sample::new(View::T, [cube]));
            samples.push(Sample::new(View::Expand([2, 3].into()), [matrix([[1.0], [2.0]])]));
            samples.push(Sample::new(View::Squeeze([1].into_iter().collect()), [matrix([[1.0], [2.0]])]));
            samples.push(Sample::new(View::Reshape([4, 2].into()), [x()]).refused(ErrorKind::Shape));
            samples.push(
                Sample::new(View::Permute([0, 0].into_iter().collect()), [x()]).refused(ErrorKind::Argument),
            );
            samples.push(Sample::new(View::Select(1, 3), [x()]).refused(ErrorKind::Index));
            samples.push(Sample::new(View::Expand([2, 4].into()), [x()]).refused(ErrorKind::Shape));
            samples.push(Sample::new(View::Transpose(0, 2), [x()]).refused(ErrorKind::Index));
            samples
        },
    };

    /// The same view of each of so many arrays that lie along one more dimension in front.
    fn in_batch(&self, size: usize) -> Result<View> {
        let dim = |dim: &isize| if *dim < 0 { *dim } else { dim + 1 };
        Ok(match self {
            View::Reshape(shape) => View::Reshape(crate::tensor::batched(size, shape)?),
            View::Expand(shape) => View::Expand(crate::tensor::batched(size, shape)?),
            View::Permute(order) => View::Permute([0].into_iter().chain(order.iter().map(dim)).collect()),
            View::Transpose(a, b) => View::Transpose(dim(a), dim(b)),
            View::T => View::Transpose(1, 2),
            View::Squeeze(dims) => View::Squeeze(dims.iter().map(dim).collect()),
            View::Unsqueeze(place) => View::Unsqueeze(dim(place)),
            View::Select(place, index) => View::Select(dim(place), *index),
            View::Slice(place, range) => View::Slice(dim(place), *range),
            View::Diagonal(offset, a, b) => View::Diagonal(*offset, dim(a), dim(b)),
        })
    }

    /// The view of an array.
    fn of(&self, x: &Array) -> Result<Array> {
        match self {
            View::Reshape(shape) => x.reshape(*shape),
            View::Permute(order) => x.permute(order),
            View::Transpose(a, b) => x.transpose(*a, *b),
            View::T => x.transpose(0, 1),
            View::Expand(shape) => x.expand(*shape),
            View::Squeeze(dims) => {
                let mut places = crate::array::dims(x.shape(), dims)?;
                places.sort_unstable();
                places.iter().rev().try_fold(x.clone(), |x, &dim| x.squeeze(dim as isize))
            }
            View::Unsqueeze(dim) => x.unsqueeze(*dim),
            View::Select(dim, index) => x.select(*dim, *index),
            View::Slice(dim, range) => x.slice(*dim, *range),
            View::Diagonal(offset, a, b) => x.diagonal(*offset, *a, *b),
        }
    }
}

impl Gate for View {
    fn name(&self) -> &'static str {
        match self {
            View::Reshape(_) => "View",
            View::Permute(_) => "Permute",
            View::Transpose(..) => "Transpose",
            View::T => "T",
            View::Expand(_) => "Expand",
            View::Squeeze(_) => "Squeeze",
            View::Unsqueeze(_) => "Unsqueeze",
            View::Select(..) => "Select",
            View::Slice(..) => "Slice",
            View::Diagonal(..) => "Diagonal",
        }
    }

    fn grad_fn(&self) -> String {
        match self {
            View::Squeeze(_) => "SqueezeBackward1".into(),
            _ => format!("{}Backward0", self.name()),
        }
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        let node = TorchNode::new(self.grad_fn(), [Next::Input(0)]);
        let sizes = || tuple(&used.inputs[0].shape);
        // PyTorch keeps dimensions as they were given, and prints negative ones without their sign.
        let number = |d: isize| (d as u64).to_string();
        vec![match self {
            View::Reshape(_) | View::Expand(_) => node.with("self_sym_sizes", sizes()),
            View::Permute(dims) => {
                let dims: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
                node.with("dims", tuple(&dims))
            }
            View::Transpose(a, b) => node.with("dim0", number(*a)).with("dim1", number(*b)),
            View::Unsqueeze(d) => node.with("dim", number(*d)),
            View::Squeeze(_) | View::T | View::Select(..) | View::Slice(..) | View::Diagonal(..) => node,
        }]
    }

    fn is_view(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        Ok([self.of(&Array::phantom(inputs[0]))?.meta()].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([self.of(inputs[0])?].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let shape = saved.shape_for(g, saved.input_meta(0)?.shape)?;
        let (view, batched) = match saved.batch(g) {
            Some(size) => (&self.in_batch(size)?, true),
            None => (self, false),
        };
        let gradient = match view {
            View::Reshape(_) | View::Squeeze(_) | View::Unsqueeze(_) => g.reshape(shape)?,
            View::Transpose(a, b) => g.transpose(*a, *b)?,
            View::T => g.transpose(0, 1)?,
            View::Permute(order) => {
                let places = crate::array::dims(&shape, order)?;
                let mut inverse = vec![0isize; places.len()];
                for (to, from) in places.into_iter().enumerate() {
                    inverse[from] = to as isize;
                }
                g.permute(&inverse)?
            }
            // The engine sums each gradient of a batch.
            View::Expand(_) if batched => g.clone(),
            View::Expand(_) => g.sum_to_size(shape)?,
            View::Select(..) | View::Slice(..) | View::Diagonal(..) => {
                Tensor::apply(Unview { view: view.clone(), shape }, &[g])?
            }
        };
        Ok([Some(gradient)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        match self {
            View::Reshape(shape) => {
                Formula::rule(&format!("y = x with the shape {shape}"), ["∂L/∂x = g with the shape of x"])
            }
            View::Permute(_) | View::Transpose(..) | View::T => Formula::rule(
                "y = x with its dimensions reordered",
                ["∂L/∂x = g with its dimensions put back"],
            ),
            View::Expand(_) => {
                Formula::rule("y = x, repeated along dimensions", ["∂L/∂x = g, summed over the repetitions"])
            }
            View::Squeeze(_) | View::Unsqueeze(_) => Formula::rule(
                "y = x, with dimensions of size 1 removed or inserted",
                ["∂L/∂x = g with the shape of x"],
            ),
            View::Select(..) | View::Slice(..) | View::Diagonal(..) => {
                Formula::rule("y = some elements of x", ["∂L/∂x = g at these elements, 0 elsewhere"])
            }
        }
    }
}

documented! {
    /// The opposite of a view that leaves elements out: zeros of the larger shape, with the input where the view
    /// would look.
    ///
    /// ```
    /// use chainrule::gate::view::{Unview, View};
    /// use chainrule::{tensor, Tensor};
    /// let back = Unview { view: View::Select(0, 1), shape: [2, 2].into() };
    /// assert_eq!(
    ///     Tensor::apply(back, &[&tensor([5.0, 6.0])])?.to_string(),
    ///     "tensor([[0., 0.],\n        [5., 6.]])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Unview {
        /// The view.
        pub view: View,
        /// The shape that the view was taken of.
        pub shape: Shape,
    }
}

impl Unview {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Unview",
        method: "(made by backward)",
        doc: Unview::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let view = View::Slice(1, Slice::from(..).step(2));
            vec![Sample::new(Unview { view, shape: [2, 3].into() }, [matrix([[1.0, 2.0], [3.0, 4.0]])])]
        },
    };
}

impl Gate for Unview {
    fn name(&self) -> &'static str {
        "Unview"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let meta = Meta { dtype: inputs[0].dtype, shape: self.shape };
        let seen = self.view.of(&Array::phantom(meta))?;
        if *seen.shape() != inputs[0].shape {
            return Err(Error::shape(format!(
                "the view has the shape {}, its input {}",
                seen.shape(),
                inputs[0].shape
            )));
        }
        Ok([meta].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let meta = context.output(0);
        let mut out = Array::zeros_of(meta.shape, meta.dtype);
        let layout = self.view.of(&Array::phantom(*meta))?.layout().clone();
        out.write_at(&layout, inputs[0]);
        Ok([out].into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(Tensor::apply(self.view.clone(), &[g])?)].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x at some elements, 0 elsewhere", ["∂L/∂x = g at these elements"])
    }
}

impl Tensor {
    /// The same elements under another shape: see [`View`]. One size may be −1 and is computed.
    ///
    /// # Errors
    /// The numbers of elements differ.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2, 3], [4, 5, 6]]).reshape([3, -1])?.shape(), [3, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn reshape(&self, shape: impl NewShape) -> Result<Tensor> {
        let shape = shape.resolve(&self.shape());
        let shape = shape.map_err(|error| error.at_gate("View").with_inputs([self.meta()]))?;
        Tensor::apply(View::Reshape(shape), &[self])
    }

    /// PyTorch's other name for [`Tensor::reshape`]: tensors here are values, so that one that can't be seen
    /// under the shape without copying is copied.
    ///
    /// # Errors
    /// The numbers of elements differ.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([1.0, 2.0, 3.0, 4.0]);
    /// let y = x.reshape([2, 2])?;
    /// assert_eq!(y.to_string(), "tensor([[1., 2.],\n        [3., 4.]], grad_fn=<ViewBackward0>)");
    /// assert!(x.reshape([3]).is_err());
    /// assert_eq!(x.reshape([2, -1])?.shape(), [2, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn view(&self, shape: impl NewShape) -> Result<Tensor> {
        self.reshape(shape)
    }

    /// All dimensions from `start` to `end` (both included) as one.
    ///
    /// # Errors
    /// A dimension doesn't exist, or `start` comes after `end`.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([8, 3, 4, 4]).flatten(1, -1)?.shape(), [8, 48]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Result<Tensor> {
        let shape = self.shape();
        let (start, end) = (shape.dim(start)?, shape.dim(end)?);
        if start > end {
            return Err(Error::argument(format!(
                "flatten from dimension {start} to {end}: the first comes after the last"
            )));
        }
        if shape.rank() == 0 {
            return self.reshape([1]);
        }
        let mut sizes = shape[..start].to_vec();
        sizes.push(shape[start..=end].iter().product());
        sizes.extend_from_slice(&shape[end + 1..]);
        self.reshape(Shape::new(&sizes)?)
    }

    /// Dimensions in another order: see [`View`].
    ///
    /// # Errors
    /// `order` doesn't name every dimension once.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([8, 3, 32, 48]).permute(&[0, 2, 3, 1])?.shape(), [8, 32, 48, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn permute(&self, order: &[isize]) -> Result<Tensor> {
        Tensor::apply(View::Permute(order.iter().copied().collect()), &[self])
    }

    /// Two dimensions exchanged: see [`View`].
    ///
    /// # Errors
    /// A dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2, 3], [4, 5, 6]]).transpose(0, 1)?.to_vec::<i64>()?, [1, 4, 2, 5, 3, 6]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Tensor> {
        Tensor::apply(View::Transpose(dim0, dim1), &[self])
    }

    /// The matrix transposed (vectors and numbers as they are).
    ///
    /// # Errors
    /// More than two dimensions.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(tensor([[1, 2], [3, 4]]).t()?.to_string(), "tensor([[1, 3],\n        [2, 4]])");
    /// assert!(Tensor::zeros([2, 2, 2]).t().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn t(&self) -> Result<Tensor> {
        match self.rank() {
            0 | 1 => Ok(self.clone()),
            2 => Tensor::apply(View::T, &[self]),
            rank => Err(Error::shape(format!("t() is for at most two dimensions, not {rank}"))
                .hint("use transpose or permute")),
        }
    }

    /// Dimensions of size 1 repeated: see [`View`].
    ///
    /// # Errors
    /// A size differs and isn't 1.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([1.0, 2.0]);
    /// x.expand([3, 2])?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([3., 3.])"); // the repetitions add up
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::apply(View::Expand(shape.into()), &[self])
    }

    /// A dimension removed where its size is 1: see [`View`].
    ///
    /// # Errors
    /// The dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([2, 1, 3]).squeeze(1)?.shape(), [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze(&self, dim: isize) -> Result<Tensor> {
        Tensor::apply(View::Squeeze([dim].into_iter().collect()), &[self])
    }

    /// A dimension of size 1 inserted before `dim`: see [`View`].
    ///
    /// # Errors
    /// The place doesn't exist.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3]).unsqueeze(-1)?.shape(), [2, 3, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Result<Tensor> {
        Tensor::apply(View::Unsqueeze(dim), &[self])
    }

    /// One index of a dimension: see [`View`].
    ///
    /// # Errors
    /// The index is out of range.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 2], [3, 4]]).select(1, -1)?.to_string(), "tensor([2, 4])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn select(&self, dim: isize, index: isize) -> Result<Tensor> {
        Tensor::apply(View::Select(dim, index), &[self])
    }

    /// A range of a dimension, with a step: see [`View`] and [`Slice`].
    ///
    /// # Errors
    /// The dimension doesn't exist, or the step is 0.
    ///
    /// ```
    /// use chainrule::{tensor, Slice};
    /// let x = tensor([0, 1, 2, 3, 4, 5]);
    /// assert_eq!(x.slice(0, 1..-1)?.to_string(), "tensor([1, 2, 3, 4])");
    /// assert_eq!(x.slice(0, Slice::from(1..).step(2))?.to_string(), "tensor([1, 3, 5])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(&self, dim: isize, range: impl Into<Slice>) -> Result<Tensor> {
        Tensor::apply(View::Slice(dim, range.into()), &[self])
    }

    /// `length` elements of a dimension from `start` (negative: from the end) on: see [`View`].
    ///
    /// # Errors
    /// The length is negative, or the range leaves the dimension.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([0, 1, 2, 3, 4, 5]);
    /// assert_eq!(x.narrow(0, -3, 2)?.to_string(), "tensor([3, 4])");
    /// assert!(x.narrow(0, 5, 2).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn narrow(&self, dim: isize, start: isize, length: isize) -> Result<Tensor> {
        let place = |x: &Array| -> Result<isize> {
            let length = usize::try_from(length)
                .map_err(|_| Error::argument(format!("a length of {length} is negative")))?;
            x.narrow(dim, start, length)?;
            Ok(if start < 0 { start + x.shape()[x.shape().dim(dim)?] as isize } else { start })
        };
        let start =
            self.with_array(place).map_err(|error| error.at_gate("Slice").with_inputs([self.meta()]))?;
        self.slice(dim, start..start + length)
    }

    /// Like [`Tensor::narrow`], from a place that a 0-d integer tensor holds.
    ///
    /// # Errors
    /// As [`Tensor::narrow`]; `start` is no 0-d integer.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([0, 1, 2, 3]).narrow_at(0, &tensor(1), 2)?.to_string(), "tensor([1, 2])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn narrow_at(&self, dim: isize, start: &Tensor, length: isize) -> Result<Tensor> {
        if start.rank() != 0 || start.dtype().is_float() || start.dtype() == DType::Bool {
            return Err(
                Error::dtype(format!("the start is a 0-d integer, not {}", start.meta())).at_gate("Slice")
            );
        }
        self.narrow(dim, start.array().to_i64_vec()[0] as isize, length)
    }

    /// The diagonal of two dimensions, as a new last one: see [`View`].
    ///
    /// # Errors
    /// The dimensions are the same, or don't exist.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param([[1.0, 2.0], [3.0, 4.0]]);
    /// let trace = x.diagonal(0, 0, 1)?.sum()?;
    /// trace.backward()?;
    /// assert_eq!(trace.item()?, 5.0);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [1.0, 0.0, 0.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        Tensor::apply(View::Diagonal(offset, dim1, dim2), &[self])
    }
}
