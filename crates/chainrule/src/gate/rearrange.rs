//! Elements in other places: flipped, or moved round along dimensions; and the triangles of matrices.
//!
//! ```
//! use chainrule::param;
//! let y = param([1.0, 2.0, 3.0]).roll(&[1], &[0])?;
//! assert_eq!(y.to_string(), "tensor([3., 1., 2.], grad_fn=<RollBackward0>)");
//! # Ok::<(), chainrule::Error>(())
//! ```

use smallvec::SmallVec;

use super::arith::{f64s, matrix};
use super::elementwise::expect_inputs;
use super::{Context, Entry, Gate, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved};
use crate::array::{Array, DType, Meta, Shape, Slice, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Flip::ENTRY, Roll::ENTRY, Triangle::ENTRY];

documented! {
    /// The elements of some dimensions in reverse order; a view.
    ///
    /// ```
    /// use chainrule::gate::rearrange::Flip;
    /// use chainrule::{param, tensor, Tensor};
    /// let x = param([1.0, 2.0, 3.0]);
    /// let y = Tensor::apply(Flip::of(&[-1]), &[&x])?;
    /// y.backward_with(&tensor([10.0, 20.0, 30.0]))?;
    /// assert_eq!(y.to_string(), "tensor([3., 2., 1.], grad_fn=<FlipBackward0>)");
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([30., 20., 10.])"); // flipped back
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Flip {
        /// The dimensions.
        pub dims: SmallVec<[isize; 4]>,
    }
}

impl Flip {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Flip",
        method: "flip, fliplr, flipud",
        doc: Flip::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, -2.0, 0.5], [0.3, 4.0, -1.5]]);
            vec![
                Sample::new(Flip::of(&[0]), [x()]),
                Sample::new(Flip::of(&[-1, 0]), [x()]),
                Sample::new(Flip::of(&[]), [x()]),
                Sample::new(Flip::of(&[1]), [Array::zeros_of([2, 0], DType::F64)]),
                Sample::new(Flip::of(&[-1]), [Array::scalar(1.0f64)]),
                Sample::new(Flip::of(&[2]), [x()]).refused(ErrorKind::Index),
                Sample::new(Flip::of(&[0, -2]), [x()]).refused(ErrorKind::Argument),
            ]
        },
    };

    /// The gate that flips these dimensions.
    ///
    /// ```
    /// use chainrule::gate::rearrange::Flip;
    /// assert_eq!(Flip::of(&[0, -1]).dims.len(), 2);
    /// ```
    pub fn of(dims: &[isize]) -> Flip {
        Flip { dims: dims.iter().copied().collect() }
    }
}

/// Dimensions counted from the end, where a batch of gradients has them too.
fn from_end(dims: &[isize], rank: usize) -> Vec<isize> {
    dims.iter().map(|&dim| if dim < 0 { dim } else { dim - rank as isize }).collect()
}

impl Gate for Flip {
    fn name(&self) -> &'static str {
        "Flip"
    }

    fn is_view(&self) -> bool {
        true
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        crate::array::dims(&inputs[0].shape, &self.dims)?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        if inputs[0].rank() == 0 {
            return Ok([inputs[0].clone()].into());
        }
        let places = crate::array::dims(inputs[0].shape(), &self.dims)?;
        let backwards = Slice::from(..).step(-1);
        let flipped =
            places.into_iter().try_fold(inputs[0].clone(), |x, dim| x.slice(dim as isize, backwards))?;
        Ok([flipped].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let rank = saved.input_meta(0)?.shape.rank();
        if rank == 0 {
            return Ok([Some(g.clone())].into_iter().collect());
        }
        let dims = from_end(&self.dims, rank);
        Ok([Some(Tensor::apply(Flip::of(&dims), &[g])?)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x in reverse order", ["∂L/∂x = g in reverse order"])
    }
}

documented! {
    /// The elements moved along dimensions, those that leave at the end entering at the start.
    ///
    /// Without dimensions, all elements are moved as one row.
    ///
    /// ```
    /// use chainrule::gate::rearrange::Roll;
    /// use chainrule::{param, tensor, Tensor};
    /// let x = param([1.0, 2.0, 3.0]);
    /// let y = Tensor::apply(Roll { shifts: vec![1], dims: vec![0] }, &[&x])?;
    /// y.backward_with(&tensor([10.0, 20.0, 30.0]))?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([20., 30., 10.])"); // moved back
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct Roll {
        /// How far, for each dimension.
        pub shifts: Vec<isize>,
        /// The dimensions; one may come again. None: all elements are one row.
        pub dims: Vec<isize>,
    }
}

impl Roll {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Roll",
        method: "roll",
        doc: Roll::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, -2.0, 0.5], [0.3, 4.0, -1.5]]);
            let roll = |shifts: &[isize], dims: &[isize]| Roll { shifts: shifts.into(), dims: dims.into() };
            vec![
                Sample::new(roll(&[1], &[1]), [x()]),
                Sample::new(roll(&[-4, 1], &[-1, 0]), [x()]),
                Sample::new(roll(&[1, 1], &[1, -1]), [x()]),
                Sample::new(roll(&[2], &[]), [x()]),
                Sample::new(roll(&[2], &[]), [Array::scalar(1.0f64)]),
                Sample::new(roll(&[2], &[1]), [Array::zeros_of([2, 0], DType::F64)]),
                Sample::new(roll(&[1, 2], &[0]), [x()]).refused(ErrorKind::Argument),
                Sample::new(roll(&[], &[]), [x()]).refused(ErrorKind::Argument),
                Sample::new(roll(&[1], &[2]), [x()]).refused(ErrorKind::Index),
                Sample::new(roll(&[1], &[0]), [Array::scalar(1.0f64)]).refused(ErrorKind::Index),
            ]
        },
    };
}

/// The elements moved along one dimension.
fn rolled(x: &Array, shift: isize, dim: usize) -> Result<Array> {
    let size = x.shape()[dim];
    let shift = if size == 0 { 0 } else { shift.rem_euclid(size as isize) };
    if shift == 0 {
        return Ok(x.clone());
    }
    let (dim, rest) = (dim as isize, size - shift as usize);
    let mut out = Array::zeros_of(*x.shape(), x.dtype());
    let whole = Array::phantom(x.meta());
    out.write_at(whole.narrow(dim, shift, rest)?.layout(), &x.narrow(dim, 0, rest)?);
    out.write_at(
        whole.narrow(dim, 0, shift as usize)?.layout(),
        &x.narrow(dim, rest as isize, shift as usize)?,
    );
    Ok(out)
}

impl Gate for Roll {
    fn name(&self) -> &'static str {
        "Roll"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let shape = inputs[0].shape;
        let as_row = self.dims.is_empty() && self.shifts.len() == 1;
        if !as_row && (self.shifts.is_empty() || self.shifts.len() != self.dims.len()) {
            return Err(Error::argument(format!(
                "{} shifts don't go with {} dimensions",
                self.shifts.len(),
                self.dims.len()
            )));
        }
        if let Some(dim) = self.dims.first().filter(|_| shape.rank() == 0) {
            return Err(Error::index(format!("a 0-d tensor has no dimension {dim}")));
        }
        self.dims.iter().try_for_each(|&dim| shape.dim(dim).map(drop))?;
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let x = inputs[0];
        if self.dims.is_empty() {
            let row = rolled(&x.reshape(Shape::from([x.elements()]))?, self.shifts[0], 0)?;
            return Ok([row.reshape(*x.shape())?].into());
        }
        let pairs = self.shifts.iter().zip(&self.dims);
        let moved = pairs.into_iter().try_fold(x.clone(), |x, (&shift, &dim)| {
            let place = x.shape().dim(dim)?;
            rolled(&x, shift, place)
        })?;
        Ok([moved].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let shifts = self.shifts.iter().map(|shift| shift.wrapping_neg()).collect();
        let dims = from_end(&self.dims, saved.input_meta(0)?.shape.rank());
        Ok([Some(Tensor::apply(Roll { shifts, dims }, &[g])?)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        !self.dims.is_empty()
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x, moved round", ["∂L/∂x = g, moved back"])
    }
}

documented! {
    /// The elements of matrices on one side of a diagonal, 0 on the other.
    ///
    /// ```
    /// use chainrule::gate::rearrange::Triangle;
    /// use chainrule::{param, Tensor};
    /// let y = Tensor::apply(Triangle::Lower(0), &[&param([[1.0, 2.0], [3.0, 4.0]])])?;
    /// assert_eq!(y.to_string(), "tensor([[1., 0.],\n        [3., 4.]], grad_fn=<TrilBackward0>)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub enum Triangle {
        /// What is on the diagonal with this offset and below it
        Lower(isize),
        /// What is on the diagonal with this offset and above it
        Upper(isize),
    }
}

impl Triangle {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Triangle",
        method: "tril, triu",
        doc: Triangle::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, -2.0, 0.5], [0.3, 4.0, -1.5]]);
            let cube = Array::filled((1..=12).map(f64::from).collect(), [2, 3, 2].into());
            vec![
                Sample::new(Triangle::Lower(0), [x()]),
                Sample::new(Triangle::Upper(1), [x()]),
                Sample::new(Triangle::Lower(-1), [cube.clone()]),
                Sample::new(Triangle::Upper(-1), [cube]),
                Sample::new(Triangle::Lower(isize::MAX), [x()]),
                Sample::new(Triangle::Upper(isize::MIN), [x()]),
                Sample::new(Triangle::Lower(0), [f64s([1.0, 2.0])]).refused(ErrorKind::Shape),
            ]
        },
    };

    /// The columns of a row that are kept, of so many.
    fn kept(self, row: usize, columns: usize) -> std::ops::Range<usize> {
        let clamped = |column: isize| column.clamp(0, columns as isize) as usize;
        let row = row as isize;
        match self {
            Triangle::Lower(offset) => 0..clamped(row.saturating_add(offset).saturating_add(1)),
            Triangle::Upper(offset) => clamped(row.saturating_add(offset))..columns,
        }
    }
}

impl Gate for Triangle {
    fn name(&self) -> &'static str {
        match self {
            Triangle::Lower(_) => "Tril",
            Triangle::Upper(_) => "Triu",
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        if inputs[0].shape.rank() < 2 {
            return Err(Error::shape(format!(
                "a triangle is of matrices, not of the shape {}",
                inputs[0].shape
            )));
        }
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let meta = context.output(0);
        let (rows, columns) = (meta.shape[meta.shape.rank() - 2], meta.shape[meta.shape.rank() - 1]);
        let x = inputs[0].contiguous();
        Ok([dispatch!(meta.dtype, T => {
            let x = x.values::<T>();
            let mut out = vec![T::default(); x.len()];
            if !x.is_empty() {
                let both = out.chunks_exact_mut(columns).zip(x.chunks_exact(columns));
                for (i, (out, x)) in both.enumerate() {
                    let kept = self.kept(i % rows, columns);
                    out[kept.clone()].copy_from_slice(&x[kept]);
                }
            }
            Array::from_vec(out, meta.shape)?
        })]
        .into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(Tensor::apply(*self, &[g])?)].into_iter().collect())
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x on one side of a diagonal, 0 elsewhere", ["∂L/∂x = g there, 0 elsewhere"])
    }
}
