//! `Tensor`: an array and its place in the graph.
//!
//! A tensor is a cheap handle on one shared block. A tensor that a gate made (while gradients were wanted)
//! points to its *node*; every other tensor is a *leaf*. Nodes point to the nodes of their inputs, so the
//! graph lives exactly as long as someone holds a tensor that was computed through it. Graphs of scalars are
//! made of little but nodes, so a scalar that a scalar gate made *is* its node: one block a gate.
//!
//! ```
//! use chainrule::param;
//! // A graph by hand: x and y are leaves, the sum and the product are nodes.
//! let (x, y) = (param(2.0), param(3.0));
//! let q = &x + &y;
//! let loss = &q * &x;
//! assert!(x.is_leaf() && !q.is_leaf());
//! assert_eq!(loss.grad_fn().unwrap().name(), "MulBackward0");
//! loss.backward()?; // x is used twice, so two gradients meet in it: q + x
//! assert_eq!(x.grad().unwrap().item()?, 7.0);
//! # Ok::<(), chainrule::Error>(())
//! ```

mod accumulated;
mod apply;
mod backward;
mod batch;
mod caller;
mod carrier;
mod chain;
mod create;
mod grad_fn;
mod hooks;
mod inplace;
mod leaf;
mod mode;
mod node;
mod numbers;
mod operators;
mod pass;
mod pending;
mod saved_hooks;
mod sweep;
mod values;
mod walk;
mod weak;

pub use backward::{Backward, grad};
pub(crate) use batch::batched;
pub(crate) use caller::{CallerGuard, line_of};
pub(crate) use carrier::{array_backward, fitted};
pub use create::{param, tensor};
pub use grad_fn::{GradFn, GradientEdge};
pub use hooks::HookHandle;
pub(crate) use hooks::{HookList, add_hook, hooks_of};
pub(crate) use leaf::Leaf;
use leaf::{ArrayLeaf, LeafGrad, Values};
pub use mode::{AnomalyGuard, GradModeGuard, detect_anomaly, enable_grad, is_grad_enabled, no_grad};
pub(crate) use mode::{
    Recording, Scope, ScopeGuard, Step, is_anomaly_enabled, is_recording, watches_forward,
};
pub(crate) use node::{Edge, Kept, NodeRef};
pub use operators::Operand;
pub use pass::{queue_callback, register_any_grad_hook, register_multi_grad_hook};
pub use saved_hooks::{SavedTensorHooksGuard, disable_saved_tensor_hooks, saved_tensor_hooks};
pub(crate) use walk::{Origin, Visit};
pub use weak::WeakTensor;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::GateRef;
use crate::gate::copy::Detach;
pub(crate) use crate::kernel::recycled::Shared;

/// An n-dimensional value that remembers how it was computed.
///
/// ```
/// use chainrule::param;
/// let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
/// let loss = (&x + &y) * &z;
/// loss.backward()?;
/// assert_eq!(loss.to_string(), "tensor(-12., grad_fn=<MulBackward0>)");
/// assert_eq!(x.grad().unwrap().to_string(), "tensor(-4.)");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Handle);

#[derive(Clone)]
enum Handle {
    /// No recorded gate made it.
    Leaf(Shared<Leaf>),
    /// An output of a node. Never changes.
    Computed(Shared<Computed>),
    /// The only output of this node, whose [`node::Scalar`] holds the value.
    Scalar(NodeRef),
}

struct Computed {
    array: Array,
    node: NodeRef,
    output: usize,
}

/// See [`Tensor::place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Output(usize, usize),
    Leaf(usize),
}

/// Locks without caring for poison: the guarded values are replaced whole, so they are never half-written.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tensor {
    /// A leaf holding this array.
    ///
    /// ```
    /// use chainrule::{Array, Tensor};
    /// let x = Tensor::from_array(Array::arange(0, 3, 1)?);
    /// assert_eq!(x.to_string(), "tensor([0, 1, 2])");
    /// assert!(x.is_leaf() && !x.requires_grad());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[inline]
    pub fn from_array(array: Array) -> Tensor {
        Tensor::leaf(array, false)
    }

    #[inline]
    pub(crate) fn leaf(array: Array, requires_grad: bool) -> Tensor {
        Tensor::leaf_with(
            match array.inline_value::<f32>() {
                Some(number) => Values::Number(AtomicU32::new(number.to_bits())),
                None => Values::Array(Shared::new(ArrayLeaf::new(array))),
            },
            requires_grad,
        )
    }

    /// A leaf holding a 0-d f32.
    #[inline]
    fn from_number(number: f32) -> Tensor {
        Tensor::leaf_with(Values::Number(AtomicU32::new(number.to_bits())), false)
    }

    #[inline]
    fn leaf_with(values: Values, requires_grad: bool) -> Tensor {
        Tensor(Handle::Leaf(Shared::new(Leaf {
            values,
            version: AtomicU32::new(0),
            requires_grad: AtomicBool::new(requires_grad),
            grad: LeafGrad::default(),
            hooks: OnceLock::new(),
        })))
    }

    /// An output of a node that works on arrays.
    #[inline]
    pub(crate) fn computed(array: Array, node: NodeRef, output: usize) -> Tensor {
        Tensor(Handle::Computed(Shared::new(Computed { array, node, output })))
    }

    /// The output of a scalar node.
    #[inline]
    pub(crate) fn scalar(node: NodeRef) -> Tensor {
        Tensor(Handle::Scalar(node))
    }

    /// A value that this node computed as a tensor again: part of the graph only where a graph of the gradient
    /// is wanted.
    pub(crate) fn rejoin(array: Array, node: &NodeRef, output: usize) -> Tensor {
        match is_grad_enabled() {
            true if node.scalar().is_some() => Tensor::scalar(node.clone()),
            true => Tensor::computed(array, node.clone(), output),
            false => Tensor::from_array(array),
        }
    }

    /// The values, as a snapshot that later in-place updates of the tensor don't change.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]);
    /// let before = x.array();
    /// x.fill_(7.0)?;
    /// assert_eq!(before.to_vec::<f32>()?, [1.0, 2.0]);
    /// assert_eq!(x.array().to_vec::<f32>()?, [7.0, 7.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn array(&self) -> Array {
        self.hand_out();
        self.snapshot()
    }

    /// [`Tensor::array`] for what a recording shows as a gate.
    #[inline]
    pub(crate) fn snapshot(&self) -> Array {
        self.with_array(Array::clone)
    }

    /// Notes, where a recording runs, that code other than gates is given the values.
    #[inline]
    fn hand_out(&self) {
        if is_recording() {
            Recording::note_read(self);
        }
    }

    /// The values as gates read them, not copied where nothing can change them.
    #[inline]
    pub(crate) fn values(&self) -> Cow<'_, Array> {
        match &self.0 {
            Handle::Computed(computed) => Cow::Borrowed(&computed.array),
            _ => Cow::Owned(self.snapshot()),
        }
    }

    /// Runs `read` on the values; cheaper than [`Tensor::array`] as nothing is cloned.
    #[inline]
    pub(crate) fn with_array<R>(&self, read: impl FnOnce(&Array) -> R) -> R {
        match &self.0 {
            Handle::Leaf(leaf) => leaf.with_array(read),
            Handle::Computed(computed) => read(&computed.array),
            Handle::Scalar(_) => read(&Array::scalar(self.number().unwrap_or_default())),
        }
    }

    /// The value, where it is a 0-d f32.
    #[inline]
    pub(crate) fn number(&self) -> Option<f32> {
        match &self.0 {
            Handle::Leaf(leaf) => leaf.number(),
            Handle::Scalar(node) => node.scalar().map(|scalar| scalar.y),
            Handle::Computed(computed) => computed.array.inline_value(),
        }
    }

    /// Element type and shape.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 2.0]]).meta().to_string(), "f32[1, 2]");
    /// ```
    #[inline]
    pub fn meta(&self) -> Meta {
        match &self.0 {
            Handle::Leaf(leaf) => *leaf.meta(),
            Handle::Computed(computed) => computed.array.meta(),
            Handle::Scalar(_) => node::SCALAR,
        }
    }

    /// The element type.
    ///
    /// ```
    /// use chainrule::{tensor, DType};
    /// assert_eq!(tensor([1, 2]).dtype(), DType::I64);
    /// assert_eq!((tensor([1, 2]) * 0.5).dtype(), DType::F32);
    /// ```
    pub fn dtype(&self) -> DType {
        match &self.0 {
            Handle::Leaf(leaf) => leaf.meta().dtype,
            Handle::Computed(computed) => computed.array.dtype(),
            Handle::Scalar(_) => DType::F32,
        }
    }

    /// The sizes of the dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 2.0, 3.0]]).shape(), [1, 3]);
    /// ```
    pub fn shape(&self) -> Shape {
        self.meta().shape
    }

    /// The number of dimensions.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(tensor(1.0).rank(), 0);
    /// assert_eq!(Tensor::zeros([2, 3, 4]).rank(), 3);
    /// ```
    pub fn rank(&self) -> usize {
        self.meta().shape.rank()
    }

    /// The number of elements.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3, 4]).elements(), 24);
    /// ```
    pub fn elements(&self) -> usize {
        self.meta().shape.elements()
    }

    /// Whether gradients are computed for this tensor.
    ///
    /// A gate's output does exactly when gradients were enabled and one of its inputs did.
    ///
    /// ```
    /// use chainrule::{no_grad, param, tensor};
    /// let x = param(2.0);
    /// assert!(x.requires_grad() && (&x * 3.0).requires_grad());
    /// assert!(!tensor(2.0).requires_grad());
    /// assert!(!no_grad(|| &x * 3.0).requires_grad());
    /// ```
    #[inline]
    pub fn requires_grad(&self) -> bool {
        match &self.0 {
            Handle::Leaf(leaf) => leaf.requires_grad.load(Ordering::Relaxed),
            Handle::Computed(_) | Handle::Scalar(_) => true,
        }
    }

    /// Switches gradients for a leaf on or off, and returns the same tensor.
    ///
    /// # Errors
    /// The elements aren't floats, or the tensor is no leaf.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let x = Tensor::ones([2]).requires_grad_(true)?;
    /// assert_eq!(x.to_string(), "tensor([1., 1.], requires_grad=True)");
    /// assert!(tensor([1, 2]).requires_grad_(true).is_err()); // integers have no gradient
    /// assert!((&x * 2.0).requires_grad_(false).is_err()); // no leaf
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn requires_grad_(&self, on: bool) -> Result<Tensor> {
        match &self.0 {
            Handle::Leaf(leaf) => {
                if on && !self.dtype().is_float() {
                    return Err(Error::dtype(format!(
                        "only floats can require a gradient, not {}",
                        self.dtype()
                    ))
                    .hint("cast to f32 or f64 first"));
                }
                leaf.requires_grad.store(on, Ordering::Relaxed);
                Ok(self.clone())
            }
            _ if on => Ok(self.clone()),
            _ => Err(Error::autograd(
                "gradients can only be switched off for leaves, and this tensor was computed by a gate",
            )
            .hint("use detach to go on without its history")),
        }
    }

    /// Whether no recorded gate made this tensor.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(2.0);
    /// let y = &x * 3.0;
    /// assert!(x.is_leaf() && !y.is_leaf() && y.detach().is_leaf());
    /// ```
    pub fn is_leaf(&self) -> bool {
        matches!(self.0, Handle::Leaf(_))
    }

    /// How often the values were changed in place.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]);
    /// x.fill_(0.0)?;
    /// x.add_(&tensor(1.0))?;
    /// assert_eq!(x.version(), 2);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[inline]
    pub fn version(&self) -> u32 {
        self.as_leaf().map_or(0, |leaf| leaf.version())
    }

    /// The node that made this tensor, and which of its outputs it is.
    #[inline]
    pub(crate) fn node(&self) -> Option<(&NodeRef, usize)> {
        match &self.0 {
            Handle::Leaf(_) => None,
            Handle::Computed(computed) => Some((&computed.node, computed.output)),
            Handle::Scalar(node) => Some((node, 0)),
        }
    }

    /// The node whose only output this is, where that is a number.
    #[inline]
    fn scalar_node(&self) -> Option<&NodeRef> {
        match &self.0 {
            Handle::Scalar(node) => Some(node),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn as_leaf(&self) -> Option<&Shared<Leaf>> {
        match &self.0 {
            Handle::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// Where this tensor's gradient arrives.
    fn target(&self) -> sweep::Target<'_> {
        match &self.0 {
            Handle::Leaf(leaf) => sweep::Target::Leaf(leaf),
            Handle::Computed(computed) => sweep::Target::Output(&computed.node, computed.output),
            Handle::Scalar(node) => sweep::Target::Output(node, 0),
        }
    }

    /// Whether this is a leaf to which nobody has another handle: nobody can change it.
    pub(crate) fn is_unshared_leaf(&self) -> bool {
        self.as_leaf().is_some_and(|leaf| leaf.seems_last())
    }

    /// Whether two handles are the same tensor.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor(2.0);
    /// let same = x.clone();
    /// assert!(x.is(&same));
    /// assert!(!x.is(&tensor(2.0))); // an equal one, but another
    /// ```
    #[inline]
    pub fn is(&self, other: &Tensor) -> bool {
        self.id() == other.id()
    }

    /// A number that no other living tensor has.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        match &self.0 {
            Handle::Leaf(leaf) => leaf.address(),
            Handle::Computed(computed) => computed.address(),
            Handle::Scalar(node) => node.address(),
        }
    }

    /// Where this tensor's value was computed: another handle on the same value has the same place.
    pub(crate) fn place(&self) -> Place {
        match self.node() {
            Some((node, output)) => Place::Output(node.address(), output),
            None => Place::Leaf(self.id()),
        }
    }

    /// The values as a leaf without history. Shares memory until one of the two is changed in place.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(2.0);
    /// let y = &x * &x;
    /// (&y.detach() * &x).backward()?; // y counts as the constant 4
    /// assert_eq!(x.grad().unwrap().item()?, 4.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn detach(&self) -> Tensor {
        // A recorded graph must know where the value came from, to compute it again.
        if is_recording()
            && let Ok(detached) = no_grad(|| Tensor::apply(GateRef::Static(&Detach), &[self]))
        {
            return detached;
        }
        Tensor::from_array(self.array())
    }
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Tensor {
        Tensor::from_array(array)
    }
}
