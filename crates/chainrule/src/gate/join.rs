//! Joining, splitting and converting: cat, stack, split, cast.
//!
//! ```
//! use chainrule::{tensor, Tensor};
//! let x = tensor([1.0, 2.0, 3.0, 4.0]);
//! let halves = x.split(2, 0)?;
//! assert_eq!(Tensor::cat(&[&halves[1], &halves[0]], 0)?.to_string(), "tensor([3., 4., 1., 2.])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::{f64s, matrix};
use super::elementwise::{expect_inputs, promoted};
use super::{Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved};
use crate::array::{Array, DType, Meta, Shape, Slice};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Cat::ENTRY, Stack::ENTRY, Split::ENTRY, Cast::ENTRY];

documented! {
    /// Arrays one after another along an existing dimension.
    ///
    /// ```
    /// use chainrule::gate::join::Cat;
    /// use chainrule::{param, tensor, Tensor};
    /// let (a, b) = (param([1.0]), param([2.0, 3.0]));
    /// let y = Tensor::apply(Cat { dim: 0 }, &[&a, &b])?;
    /// y.backward_with(&tensor([10.0, 20.0, 30.0]))?;
    /// assert_eq!(b.grad().unwrap().to_string(), "tensor([20., 30.])"); // its part
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Cat {
        /// The dimension.
        pub dim: isize,
    }
}

impl Cat {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Cat",
        method: "cat",
        doc: Cat::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let a = || matrix([[1.0, 2.0], [3.0, 4.0]]);
            let b = || matrix([[5.0, 6.0]]);
            vec![
                Sample::new(Cat { dim: 0 }, [a(), b(), a()]),
                Sample::new(Cat { dim: -1 }, [a(), a()]),
                Sample::new(Cat { dim: 0 }, [f64s([1.0]), Array::zeros_of([0], DType::F64)]),
                Sample::new(Cat { dim: -1 }, [Array::zeros_of([0], DType::F64), a(), a()]),
                Sample::new(Cat { dim: 1 }, [a(), b()]).refused(ErrorKind::Shape),
                Sample::new(Cat { dim: 2 }, [a(), a()]).refused(ErrorKind::Index),
                Sample::new(Cat { dim: 0 }, []).refused(ErrorKind::Argument),
            ]
        },
    };
}

/// Whether this is the shape `[0]`, which joins with everything, so that a loop can start from nothing.
fn is_nothing(shape: &Shape) -> bool {
    *shape == [0]
}

impl Gate for Cat {
    fn name(&self) -> &'static str {
        "Cat"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let Some(first) = inputs.first() else {
            return Err(Error::argument("there is nothing to join: no tensors were given"));
        };
        if inputs.iter().any(|meta| meta.shape.rank() == 0) {
            return Err(Error::shape("0-d tensors have no dimension to be joined along").hint("use stack"));
        }
        let first = inputs.iter().find(|meta| !is_nothing(&meta.shape)).unwrap_or(first);
        let dim = first.shape.dim(self.dim)?;
        let mut size = 0;
        for meta in inputs.iter().filter(|meta| !is_nothing(&meta.shape)) {
            if meta.shape.rank() != first.shape.rank()
                || meta.shape.with_size(dim, 0) != first.shape.with_size(dim, 0)
            {
                return Err(Error::shape(format!(
                    "the shapes {} and {} differ in another dimension than {dim}",
                    first.shape, meta.shape
                )));
            }
            size += meta.shape[dim];
        }
        Ok([Meta { dtype: promoted(inputs), shape: first.shape.with_size(dim, size) }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let meta = context.output(0);
        let dim = meta.shape.dim(self.dim)?;
        let mut out = Array::zeros_of(meta.shape, meta.dtype);
        let whole = Array::phantom(*meta);
        let mut start = 0;
        let sizes: Vec<i64> =
            inputs.iter().map(|x| x.shape().get(dim).map_or(0, |&size| size as i64)).collect();
        for (x, &length) in inputs.iter().zip(&sizes) {
            let length = length as usize;
            if is_nothing(x.shape()) {
                continue;
            }
            let place = whole.narrow(dim as isize, start as isize, length)?;
            out.write_at(place.layout(), &x.cast(meta.dtype));
            start += length;
        }
        context.save(Array::filled(sizes, [inputs.len()].into()));
        Ok([out].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let sizes: Vec<usize> = saved.extra(0)?.to_i64_vec().into_iter().map(|size| size as usize).collect();
        let mut start = 0isize;
        (0..needs.len())
            .map(|i| {
                let range: Slice = (start..start + sizes[i] as isize).into();
                start += sizes[i] as isize;
                // What took no part, such as `[0]` beside matrices, has a gradient without elements: none.
                if needs.input(i) && sizes[i] > 0 { g.slice(self.dim, range).map(Some) } else { Ok(None) }
            })
            .collect()
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = a, b, … one after another", ["∂L/∂input = its part of g"])
    }
}

documented! {
    /// Arrays of the same shape one after another along a new dimension.
    ///
    /// ```
    /// use chainrule::gate::join::Stack;
    /// use chainrule::{param, tensor, Tensor};
    /// let (a, b) = (param([1.0, 2.0]), param([3.0, 4.0]));
    /// let y = Tensor::apply(Stack { dim: 0 }, &[&a, &b])?;
    /// y.backward_with(&tensor([[10.0, 20.0], [30.0, 40.0]]))?;
    /// assert_eq!(b.grad().unwrap().to_string(), "tensor([30., 40.])"); // its row
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Stack {
        /// The new dimension.
        pub dim: isize,
    }
}

impl Stack {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Stack",
        method: "stack",
        doc: Stack::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let a = || matrix([[1.0, 2.0], [3.0, 4.0]]);
            let b = || matrix([[5.0, 6.0], [7.0, 8.0]]);
            vec![
                Sample::new(Stack { dim: 0 }, [a(), b(), a()]),
                Sample::new(Stack { dim: -1 }, [a(), b()]),
                Sample::new(Stack { dim: 0 }, [Array::scalar(1.0f64), Array::scalar(2.0f64)]),
                Sample::new(Stack { dim: 0 }, [a(), f64s([1.0])]).refused(ErrorKind::Shape),
                Sample::new(Stack { dim: 3 }, [a(), b()]).refused(ErrorKind::Index),
                Sample::new(Stack { dim: 0 }, []).refused(ErrorKind::Argument),
            ]
        },
    };
}

impl Gate for Stack {
    fn name(&self) -> &'static str {
        "Stack"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let Some(first) = inputs.first() else {
            return Err(Error::argument("there is nothing to stack: no tensors were given"));
        };
        if let Some(other) = inputs.iter().find(|meta| meta.shape != first.shape) {
            return Err(Error::shape(format!(
                "stacked tensors must have the same shape, not {} and {}",
                first.shape, other.shape
            )));
        }
        let raised = Array::phantom(*first).unsqueeze(self.dim)?;
        let dim = raised.shape().dim(self.dim)?;
        let shape = Shape::new(&raised.shape().with_size(dim, inputs.len()))?;
        Ok([Meta { dtype: promoted(inputs), shape }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let meta = context.output(0);
        let mut out = Array::zeros_of(meta.shape, meta.dtype);
        let whole = Array::phantom(*meta);
        for (i, x) in inputs.iter().enumerate() {
            out.write_at(whole.select(self.dim, i as isize)?.layout(), &x.cast(meta.dtype));
        }
        Ok([out].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        // From the end, where a batch of gradients has its dimensions too.
        let rank = saved.output_meta(0).shape.rank() as isize;
        let dim = if self.dim < 0 { self.dim } else { self.dim - rank };
        (0..needs.len()).map(|i| needs.input(i).then(|| g.select(dim, i as isize)).transpose()).collect()
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = a, b, … along a new dimension", ["∂L/∂input = its part of g"])
    }
}

documented! {
    /// A tensor cut into parts along a dimension; several outputs.
    ///
    /// ```
    /// use chainrule::gate::join::Split;
    /// use chainrule::{tensor, Tensor};
    /// let parts = Tensor::apply_many(Split { sizes: vec![1, 2], dim: 0 }, &[&tensor([1, 2, 3])])?;
    /// assert_eq!((parts[0].to_vec::<i64>()?, parts[1].to_vec::<i64>()?), (vec![1], vec![2, 3]));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Split {
        /// The size of each part.
        pub sizes: Vec<usize>,
        /// The dimension.
        pub dim: isize,
    }
}

impl Split {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Split",
        method: "split, split_sizes",
        doc: Split::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            vec![
                Sample::new(Split { sizes: vec![1, 2], dim: 1 }, [x()]),
                Sample::new(Split { sizes: vec![1, 1], dim: 1 }, [x()]).refused(ErrorKind::Argument),
            ]
        },
    };
}

impl Gate for Split {
    fn name(&self) -> &'static str {
        "Split"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let Meta { dtype, shape } = inputs[0];
        if shape.rank() == 0 {
            return Err(Error::shape("a 0-d tensor has no dimension to be split along"));
        }
        let dim = shape.dim(self.dim)?;
        if self.sizes.iter().fold(0, |sum: usize, size| sum.saturating_add(*size)) != shape[dim] {
            return Err(Error::argument(format!(
                "the sizes {:?} don't add up to the {} of dimension {dim}",
                self.sizes, shape[dim]
            )));
        }
        Ok(self.sizes.iter().map(|&size| Meta { dtype, shape: shape.with_size(dim, size) }).collect())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let mut start = 0;
        self.sizes
            .iter()
            .map(|&size| {
                start += size;
                inputs[0].narrow(self.dim, (start - size) as isize, size)
            })
            .collect()
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
        let parts: Vec<Tensor> = upstream
            .iter()
            .enumerate()
            .map(|(i, g)| {
                let meta = saved.output_meta(i);
                g.clone().unwrap_or_else(|| Tensor::from_array(Array::constant(0.0, meta)))
            })
            .collect();
        let parts: Vec<&Tensor> = parts.iter().collect();
        Ok([Some(Tensor::cat(&parts, self.dim)?)].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y₁, y₂, … = parts of x", ["∂L/∂x = g₁, g₂, … one after another"])
    }
}

documented! {
    /// Another element type; between floats it can be differentiated.
    ///
    /// ```
    /// use chainrule::gate::join::Cast;
    /// use chainrule::{param, DType, Tensor};
    /// let x = param([1.5, 2.5]);
    /// let y = Tensor::apply(Cast { dtype: DType::F64 }, &[&x])?;
    /// assert_eq!(y.to_string(), "tensor([1.5000, 2.5000], dtype=torch.float64, grad_fn=<ToCopyBackward0>)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Cast {
        /// The type.
        pub dtype: DType,
    }
}

impl Cast {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "ToCopy",
        method: "cast",
        doc: Cast::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            vec![
                Sample::new(Cast { dtype: DType::F64 }, [f64s([1.5, -2.0])]),
                Sample::new(Cast { dtype: DType::I64 }, [f64s([1.5, -2.0])]).rough(),
                Sample::new(Cast { dtype: DType::F32 }, [f64s([1.5, -2.0])]).rough(),
            ]
        },
    };
}

impl Gate for Cast {
    fn name(&self) -> &'static str {
        "ToCopy"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        Ok([Meta { dtype: self.dtype, ..inputs[0] }].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].cast(self.dtype)].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(g.cast(saved.input_meta(0)?.dtype)?)].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule(&format!("y = x as {}", self.dtype), ["∂L/∂x = g as the type of x"])
    }
}

impl Tensor {
    /// Tensors one after another along a dimension: see [`Cat`].
    ///
    /// # Errors
    /// There are none, or another size differs.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::cat(&[&tensor([1.0]), &tensor([2.0, 3.0])], 0)?;
    /// assert_eq!(y.to_string(), "tensor([1., 2., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cat(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        Tensor::apply(Cat { dim }, tensors)
    }

    /// Tensors of the same shape one after another along a new dimension: see [`Stack`].
    ///
    /// # Errors
    /// There are none, or the shapes differ.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::stack(&[&tensor([1, 2]), &tensor([3, 4])], 1)?;
    /// assert_eq!(y.to_vec::<i64>()?, [1, 3, 2, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        Tensor::apply(Stack { dim }, tensors)
    }

    /// Parts of this size along a dimension (the last may be smaller): see [`Split`].
    ///
    /// # Errors
    /// The size is 0, or the dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let parts = tensor([1, 2, 3, 4, 5]).split(2, 0)?;
    /// assert_eq!(parts.len(), 3);
    /// assert_eq!(parts[2].to_vec::<i64>()?, [5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Tensor>> {
        let shape = self.shape();
        let place = shape.dim(dim)?;
        let total = shape.get(place).copied().unwrap_or(0);
        if size == 0 && total > 0 {
            return Err(Error::argument("a part of size 0 never comes to the end").at_gate("Split"));
        }
        let sizes: Vec<usize> =
            (0..total.div_ceil(size.max(1)).max(1)).map(|i| size.min(total - i * size)).collect();
        self.split_sizes(&sizes, dim)
    }

    /// Parts of these sizes along a dimension: see [`Split`].
    ///
    /// # Errors
    /// The sizes don't add up, or the dimension doesn't exist.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let parts = tensor([1, 2, 3]).split_sizes(&[1, 2], 0)?;
    /// assert_eq!(parts[1].to_vec::<i64>()?, [2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn split_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Tensor>> {
        Tensor::apply_many(Split { sizes: sizes.to_vec(), dim }, &[self])
    }

    /// Another element type: see [`Cast`]. The same tensor where the type is the same.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::{param, tensor, DType};
    /// assert_eq!(tensor([1.7, -1.7]).cast(DType::I64)?.to_string(), "tensor([ 1, -1])");
    /// let x = param([1.0, 2.0]);
    /// x.cast(DType::F64)?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().dtype(), DType::F32); // the gradient comes back as the leaf's type
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype { Ok(self.clone()) } else { Tensor::apply(Cast { dtype }, &[self]) }
    }
}
