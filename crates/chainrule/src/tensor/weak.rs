//! Handles that don't keep their tensor alive.

use std::fmt;

use super::node::Node;
use super::{Computed, Handle, Leaf, Shared, Tensor};
use crate::kernel::recycled::WeakShared;

impl Tensor {
    /// A handle that doesn't keep the tensor alive: for hooks that refer to their own tensor.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(2.0);
    /// let weak = x.downgrade();
    /// assert!(weak.upgrade().unwrap().is(&x));
    /// drop(x);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakTensor {
        WeakTensor(match &self.0 {
            Handle::Leaf(leaf) => WeakHandle::Leaf(Shared::downgrade(leaf)),
            Handle::Computed(computed) => WeakHandle::Computed(Shared::downgrade(computed)),
            Handle::Scalar(node) => WeakHandle::Scalar(Shared::downgrade(node)),
        })
    }
}

/// A handle on a tensor that doesn't keep it alive; see [`Tensor::downgrade`].
///
/// ```
/// use chainrule::{no_grad, param};
/// // A hook that refers to its own tensor: a strong handle would keep both alive for ever.
/// let x = param(3.0);
/// let weak = x.downgrade();
/// x.register_hook(move |g| weak.upgrade().map(|x| no_grad(|| g + &x)))?;
/// (&x * 2.0).backward()?;
/// assert_eq!(x.grad().unwrap().item()?, 5.0);
/// assert_eq!(format!("{:?}", x.downgrade()), "weak tensor(3., requires_grad=True)");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Clone)]
pub struct WeakTensor(WeakHandle);

#[derive(Clone)]
enum WeakHandle {
    Leaf(WeakShared<Leaf>),
    Computed(WeakShared<Computed>),
    Scalar(WeakShared<Node>),
}

impl WeakTensor {
    /// The tensor, if somebody still holds it.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let weak = tensor(1.0).downgrade(); // nobody holds it any more
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Tensor> {
        Some(Tensor(match &self.0 {
            WeakHandle::Leaf(leaf) => Handle::Leaf(leaf.upgrade()?),
            WeakHandle::Computed(computed) => Handle::Computed(computed.upgrade()?),
            WeakHandle::Scalar(node) => Handle::Scalar(node.upgrade()?),
        }))
    }
}

impl fmt::Debug for WeakTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.upgrade() {
            Some(tensor) => write!(f, "weak {tensor}"),
            None => f.write_str("weak (dropped)"),
        }
    }
}
