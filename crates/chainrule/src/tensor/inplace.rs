//! Changing a leaf's values in place.
//!
//! Only leaves have values that can change, and a leaf that requires a gradient only while gradients are
//! off: a change that the graph doesn't know of would make its gradients wrong.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Operand, Recording, Tensor, Values, is_grad_enabled};
use crate::array::{Array, Number};
use crate::error::{Error, Result};
use crate::gate;

impl Tensor {
    /// Replaces the values by what `change` makes of them, and counts up the version.
    ///
    /// # Errors
    /// The tensor was computed by a recorded gate; or it requires a gradient and gradients are on; or shape
    /// or element type would change; or `change` fails. The values stay as they were then.
    ///
    /// ```
    /// use chainrule::{no_grad, param};
    /// let x = param([1.0, 2.0]);
    /// no_grad(|| x.update(|old| old.reshape([2])))?;
    /// assert_eq!(x.version(), 1);
    /// assert!(x.update(|old| Ok(old.clone())).is_err()); // gradients are on here
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn update(&self, change: impl FnOnce(&Array) -> Result<Array>) -> Result<()> {
        // Users' code runs outside the lock, so that it may read this tensor.
        self.check_changeable()?;
        let old = self.array();
        let new = change(&old)?;
        if new.meta() != old.meta() {
            return Err(Error::shape(format!(
                "an in-place change must keep {}, and would give {}",
                old.meta(),
                new.meta()
            )));
        }
        drop(old);
        self.modify(|array| *array = new)
    }

    /// Changes the values in their own memory (copied first where a snapshot shares it). `change` must keep
    /// shape and element type, and must not read this tensor.
    pub(crate) fn modify(&self, change: impl FnOnce(&mut Array)) -> Result<()> {
        self.check_changeable()?;
        Recording::note_impure();
        if let Some(leaf) = self.as_leaf() {
            match &leaf.values {
                Values::Array(own) => {
                    let mut array = own.array.write().unwrap_or_else(PoisonError::into_inner);
                    change(&mut array);
                    // Nobody else counts meanwhile.
                    leaf.version.store(leaf.version() + 1, Ordering::Release);
                }
                Values::Number(bits) => {
                    let mut array = Array::scalar(f32::from_bits(bits.load(Ordering::Relaxed)));
                    change(&mut array);
                    let number = array.inline_value::<f32>().expect("a change keeps element type and shape");
                    bits.store(number.to_bits(), Ordering::Relaxed);
                    leaf.version.fetch_add(1, Ordering::Release);
                }
            }
        }
        Ok(())
    }

    fn check_changeable(&self) -> Result<()> {
        if !self.is_leaf() {
            return Err(Error::autograd("a tensor that a gate computed can't be changed in place")
                .hint("compute a new tensor, or detach this one first"));
        }
        if self.requires_grad() && is_grad_enabled() {
            return Err(Error::autograd(
                "a leaf that requires a gradient can't be changed in place while gradients are on",
            )
            .hint("change it inside no_grad(|| …)"));
        }
        Ok(())
    }

    /// Overwrites the values with those of `source`, broadcast and converted to this tensor's type.
    ///
    /// # Errors
    /// As [`Tensor::update`].
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let x = Tensor::zeros([2, 3]);
    /// x.copy_(&tensor([1, 2, 3]))?;
    /// assert_eq!(x.to_string(), "tensor([[1., 2., 3.],\n        [1., 2., 3.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn copy_(&self, source: &Tensor) -> Result<()> {
        let source = source.array();
        self.update(|old| source.cast(old.dtype()).expand(*old.shape()).map(|new| new.contiguous()))
    }

    /// Overwrites all values with one number.
    ///
    /// # Errors
    /// As [`Tensor::update`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]);
    /// x.fill_(0.5)?;
    /// assert_eq!(x.to_string(), "tensor([0.5000, 0.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn fill_(&self, value: impl Number) -> Result<()> {
        self.update(|old| Ok(Array::full_of(*old.shape(), value, old.dtype())))
    }

    /// Overwrites all values with 0.
    ///
    /// # Errors
    /// As [`Tensor::update`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1, 2]);
    /// x.zero_()?;
    /// assert_eq!(x.to_string(), "tensor([0, 0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn zero_(&self) -> Result<()> {
        self.fill_(0)
    }

    /// `self ← self + other`
    ///
    /// # Errors
    /// As [`Tensor::update`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let total = tensor([1.0, 2.0]);
    /// total.add_(&tensor([10.0, 20.0]))?;
    /// total.add_(0.5)?;
    /// assert_eq!(total.to_string(), "tensor([11.5000, 22.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn add_(&self, other: impl Operand) -> Result<()> {
        self.combine_(&gate::arith::Add, other)
    }

    /// `self ← self − other`
    ///
    /// # Errors
    /// As [`Tensor::update`].
    ///
    /// ```
    /// use chainrule::{no_grad, param};
    /// let w = param([1.0, 2.0]);
    /// w.square()?.sum()?.backward()?;
    /// no_grad(|| w.sub_(&(w.grad().unwrap() * 0.25)))?; // a step of gradient descent
    /// assert_eq!(w.to_string(), "tensor([0.5000, 1.0000], requires_grad=True)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn sub_(&self, other: impl Operand) -> Result<()> {
        self.combine_(&gate::arith::Sub, other)
    }

    /// `self ← self · other`
    ///
    /// # Errors
    /// As [`Tensor::update`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]);
    /// x.mul_(&tensor([3.0, -1.0]))?;
    /// assert_eq!(x.to_string(), "tensor([ 3., -2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn mul_(&self, other: impl Operand) -> Result<()> {
        self.combine_(&gate::arith::Mul, other)
    }

    /// `self ← self / other`
    ///
    /// # Errors
    /// As [`Tensor::update`]; a quotient of integers is no integer.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 3.0]);
    /// x.div_(2)?;
    /// assert_eq!(x.to_string(), "tensor([0.5000, 1.5000])");
    /// assert!(tensor([1, 2]).div_(2).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn div_(&self, other: impl Operand) -> Result<()> {
        self.combine_(&gate::arith::Div, other)
    }

    /// The result takes on this tensor's element type, as in PyTorch: but floats don't become integers
    /// silently, nor numbers truth values.
    fn combine_(&self, gate: &dyn gate::Gate, other: impl Operand) -> Result<()> {
        other.with(self, |other| {
            let other = other.array();
            self.update(|old| {
                let new = gate::run_one(gate, &[old, &other])?;
                if new.dtype().category() > old.dtype().category() {
                    return Err(Error::dtype(format!(
                        "the result is {} and can't be kept in a tensor of {}",
                        new.dtype(),
                        old.dtype()
                    ))
                    .hint("cast the other operand first, or compute a new tensor")
                    .at_gate(gate.name()));
                }
                Ok(new.cast(old.dtype()))
            })
        })
    }
}
