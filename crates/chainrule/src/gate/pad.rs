//! Padding: elements added around a tensor, or taken off.
//!
//! ```
//! use chainrule::gate::PadMode;
//! use chainrule::tensor;
//! let image = tensor([[1.0, 2.0], [3.0, 4.0]]);
//! let framed = image.pad(&[(1, 1), (1, 1)], PadMode::Constant(0.0))?;
//! assert_eq!(framed.shape(), [4, 4]);
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::conv::uneven;
use super::elementwise::expect_inputs;
use super::{Context, Entry, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved};
use crate::array::{Array, Meta, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[ConstantPad::ENTRY];

documented! {
    /// Elements equal to `value` before and after each dimension; negative numbers take elements off.
    ///
    /// ```
    /// use chainrule::gate::pad::ConstantPad;
    /// use chainrule::{param, Tensor};
    /// let x = param([1.0, 2.0, 3.0]);
    /// let y = Tensor::apply(ConstantPad { pads: vec![(1, -1)], value: 9.0 }, &[&x])?;
    /// y.sum()?.backward()?;
    /// assert_eq!(y.to_f64_vec(), [9.0, 1.0, 2.0]);
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), [1.0, 1.0, 0.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, PartialEq)]
    pub struct ConstantPad {
        /// How many before and after each dimension; dimensions without numbers stay as they are.
        pub pads: Vec<(isize, isize)>,
        /// The new elements' value.
        pub value: f64,
    }
}

impl ConstantPad {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "ConstantPad",
        method: "pad_constant, pad",
        doc: ConstantPad::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let of = |pads: &[(isize, isize)], x: Array| {
                Sample::new(ConstantPad { pads: pads.to_vec(), value: 1.5 }, [x])
            };
            vec![
                of(&[(1, 2)], uneven([3], 1)),
                of(&[(0, 0), (1, 0)], uneven([2, 3], 2)),
                of(&[(1, 0), (-1, 2)], uneven([2, 3], 3)),
                of(&[(-1, -1)], uneven([4, 2], 4)),
                of(&[(1, 1)], uneven([0, 2], 5)),
                of(&[], Array::scalar(2.0f64)),
                of(&[(-2, -2)], uneven([3], 6)).refused(ErrorKind::Shape),
                of(&[(1, 1), (1, 1)], uneven([3], 7)).refused(ErrorKind::Argument),
            ]
        },
    };

    /// The part of the input that stays, and where it lies in the output, for a dimension of this size.
    fn kept(&self, dim: usize, size: usize) -> (isize, isize, usize) {
        let (before, after) = self.pads.get(dim).copied().unwrap_or_default();
        let length = size as isize + before.min(0) + after.min(0);
        ((-before).max(0), before.max(0), length.max(0) as usize)
    }
}

impl Gate for ConstantPad {
    fn name(&self) -> &'static str {
        "ConstantPad"
    }

    fn grad_fn(&self) -> String {
        "ConstantPadNdBackward0".into()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let shape = inputs[0].shape;
        if self.pads.len() > shape.rank() {
            return Err(Error::argument(format!(
                "{} dimensions are to be padded, and the shape {shape} has {}",
                self.pads.len(),
                shape.rank()
            )));
        }
        let mut sizes = shape.to_vec();
        for (size, &(before, after)) in sizes.iter_mut().zip(&self.pads) {
            let padded = (*size as isize).checked_add(before).and_then(|size| size.checked_add(after));
            *size = padded.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| {
                Error::shape(format!("a size of {size} can't be padded by {before} and {after}"))
            })?;
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: Shape::new(&sizes)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let mut out = Array::full_of(shape, self.value, dtype);
        let (mut source, mut target) = (inputs[0].clone(), out.clone());
        for dim in 0..shape.rank() {
            let (from, to, length) = self.kept(dim, inputs[0].shape()[dim]);
            if length == 0 {
                return Ok([out].into());
            }
            source = source.narrow(dim as isize, from, length)?;
            target = target.narrow(dim as isize, to, length)?;
        }
        let layout = target.layout().clone();
        drop(target);
        out.write_at(&layout, &source);
        Ok([out].into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let pads = self.pads.iter().map(|&(before, after)| (-before, -after)).collect();
        Ok([Some(Tensor::apply(ConstantPad { pads, value: 0.0 }, &[g])?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x with constants around it", ["∂L/∂x = g without its edges"])
    }
}

/// What stands in the padding.
///
/// ```
/// use chainrule::gate::PadMode;
/// use chainrule::tensor;
/// let x = tensor([1.0, 2.0, 3.0]);
/// assert_eq!(x.pad(&[(1, 1)], PadMode::Constant(0.0))?.to_f64_vec(), [0.0, 1.0, 2.0, 3.0, 0.0]);
/// assert_eq!(x.pad(&[(1, 1)], PadMode::Reflect)?.to_f64_vec(), [2.0, 1.0, 2.0, 3.0, 2.0]);
/// assert_eq!(x.pad(&[(1, 1)], PadMode::Replicate)?.to_f64_vec(), [1.0, 1.0, 2.0, 3.0, 3.0]);
/// assert_eq!(x.pad(&[(1, 1)], PadMode::Circular)?.to_f64_vec(), [3.0, 1.0, 2.0, 3.0, 1.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// This number.
    Constant(f64),
    /// The elements mirrored at the first and last, which aren't repeated.
    Reflect,
    /// The first and the last element.
    Replicate,
    /// The elements from the other end.
    Circular,
}

impl PadMode {
    /// For each index of a padded dimension, the index of the element that stands there.
    fn places(self, size: usize, (before, after): (isize, isize)) -> Result<Vec<i64>> {
        let size = size as isize;
        let (widest, limit) = (
            before.max(after),
            match self {
                PadMode::Reflect => size - 1,
                PadMode::Circular => size,
                _ => isize::MAX,
            },
        );
        if widest > limit || size == 0 {
            return Err(Error::argument(format!(
                "a dimension of size {size} can't be padded by {before} and {after} with its own elements"
            )));
        }
        let padded = size.saturating_add(before).saturating_add(after);
        let Ok(padded) = usize::try_from(padded) else {
            return Err(Error::shape(format!("a size of {size} can't be padded by {before} and {after}")));
        };
        crate::error::check_memory(padded, size_of::<i64>())?;
        let place = |i: isize| match self {
            PadMode::Reflect if i < 0 => -i,
            PadMode::Reflect if i >= size => 2 * (size - 1) - i,
            // What is taken off is gone before the rest is repeated.
            PadMode::Circular => {
                let (first, last) = (0.max(-before), size.min(size + after));
                first + (i - first).rem_euclid((last - first).max(1))
            }
            _ => i.clamp(0, size - 1),
        };
        Ok((-before..size + after).map(|i| place(i) as i64).collect())
    }
}

impl Tensor {
    /// Elements equal to `value` before and after the first dimensions: see [`ConstantPad`].
    ///
    /// # Errors
    /// More is taken off than there is.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[1.0, 2.0]]).pad_constant(&[(0, 1), (1, 0)], 0.0)?;
    /// assert_eq!(y.to_string(), "tensor([[0., 1., 2.],\n        [0., 0., 0.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn pad_constant(&self, pads: &[(isize, isize)], value: f64) -> Result<Tensor> {
        Tensor::apply(ConstantPad { pads: pads.to_vec(), value }, &[self])
    }

    /// Elements added before and after dimensions, beginning with the last one; negative numbers take some off.
    ///
    /// # Errors
    /// There are more pads than dimensions, more is taken off than there is, or there are too few elements to
    /// mirror or repeat.
    ///
    /// ```
    /// use chainrule::{gate::PadMode, tensor};
    /// let x = tensor([1.0, 2.0, 3.0]);
    /// assert_eq!(x.pad(&[(2, 1)], PadMode::Reflect)?.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(&self, pads: &[(isize, isize)], mode: PadMode) -> Result<Tensor> {
        let shape = self.shape();
        if pads.len() > shape.rank() {
            return Err(Error::argument(format!(
                "{} dimensions are to be padded, and the shape {shape} has {}",
                pads.len(),
                shape.rank()
            ))
            .at_gate("ConstantPad"));
        }
        if let PadMode::Constant(value) = mode {
            let mut all = vec![(0, 0); shape.rank()];
            for (all, pad) in all.iter_mut().rev().zip(pads) {
                *all = *pad;
            }
            return self.pad_constant(&all, value);
        }
        let mut y = self.clone();
        for (i, &pad) in pads.iter().enumerate().filter(|(_, pad)| **pad != (0, 0)) {
            let dim = shape.rank() - 1 - i;
            let places = mode.places(shape[dim], pad).map_err(|e| e.at_gate("IndexSelect"))?;
            let count = places.len();
            y = y.index_select(dim as isize, &Tensor::from_vec(places, [count])?)?;
        }
        Ok(y)
    }
}
