//! `.grad`: the gradient that has accumulated at a leaf, or at a computed tensor that retains its own.

use super::{Handle, NodeRef, Tensor};
use crate::array::Array;
use crate::error::{Error, Result};

impl Tensor {
    /// The accumulated gradient; `None` before the first backward pass.
    ///
    /// Leaves that require a gradient have one, and tensors on which [`Tensor::retain_grad`] was called.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// assert!(x.grad().is_none());
    /// (&x * &x).backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 6.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn grad(&self) -> Option<Tensor> {
        match self.node() {
            None => self.as_leaf()?.grad.get(),
            Some((node, output)) => node.hooks()?.grad(output),
        }
    }

    /// Runs `read` on the values of the accumulated gradient, where there is one. It must not change that.
    #[inline]
    pub(crate) fn with_grad<R>(&self, read: impl FnOnce(&Array) -> R) -> Option<R> {
        match self.as_leaf() {
            Some(leaf) => leaf.grad.read(read),
            None => self.grad().map(|gradient| read(&gradient.snapshot())),
        }
    }

    /// Replaces the accumulated gradient.
    ///
    /// # Errors
    /// Shape or element type aren't the tensor's.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([1.0, 2.0]);
    /// x.set_grad(Some(tensor([0.5, 0.5])))?;
    /// (&x * 3.0).sum()?.backward()?; // adds to it
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([3.5000, 3.5000])");
    /// assert!(x.set_grad(Some(tensor([1.0]))).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(grad) = &grad
            && grad.meta() != self.meta()
        {
            return Err(Error::shape(format!(
                "a gradient of {} can't be assigned to a tensor of {}",
                grad.meta(),
                self.meta()
            )));
        }
        match &self.0 {
            Handle::Leaf(leaf) => leaf.grad.set(grad),
            Handle::Computed(computed) => computed.node.hooks_or_new().set_grad(computed.output, grad),
            Handle::Scalar(node) => node.hooks_or_new().set_grad(0, grad),
        }
        Ok(())
    }

    /// Forgets the accumulated gradient.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// (&x * &x).backward()?;
    /// x.zero_grad();
    /// assert!(x.grad().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn zero_grad(&self) {
        match &self.0 {
            Handle::Leaf(leaf) => leaf.grad.clear(),
            Handle::Computed(computed) => clear_retained(&computed.node, computed.output),
            Handle::Scalar(node) => clear_retained(node, 0),
        }
    }

    /// Keeps this computed tensor's gradient in [`Tensor::grad`] too, as if it were a leaf.
    ///
    /// # Errors
    /// The tensor doesn't require a gradient.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let q = &x * 2.0;
    /// q.retain_grad()?;
    /// (&q * &q).backward()?;
    /// assert_eq!(q.grad().unwrap().item()?, 12.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn retain_grad(&self) -> Result<()> {
        match self.node() {
            Some((node, output)) => {
                node.hooks_or_new().retain(output);
                Ok(())
            }
            None if self.requires_grad() => Ok(()),
            None => {
                Err(Error::autograd("retain_grad was called on a tensor that doesn't require a gradient"))
            }
        }
    }

    /// Whether [`Tensor::retain_grad`] was called on this computed tensor.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let q = &x * 2.0;
    /// assert!(!q.retains_grad());
    /// q.retain_grad()?;
    /// assert!(q.retains_grad());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn retains_grad(&self) -> bool {
        self.node().is_some_and(|(node, output)| node.hooks().is_some_and(|hooks| hooks.retains(output)))
    }
}

fn clear_retained(node: &NodeRef, output: usize) {
    if let Some(hooks) = node.hooks() {
        hooks.set_grad(output, None);
    }
}
