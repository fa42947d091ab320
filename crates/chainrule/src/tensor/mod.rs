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

mod apply;
mod backward;
mod batch;
mod carrier;
mod create;
mod grad_fn;
mod hooks;
mod inplace;
mod mode;
mod node;
mod operators;
mod pass;
mod recycled;
mod saved_hooks;
mod sweep;
mod walk;

pub use backward::{Backward, grad};
pub(crate) use batch::batched;
pub(crate) use carrier::{array_backward, fitted};
pub use create::{param, tensor};
pub use grad_fn::{GradFn, GradientEdge};
pub use hooks::HookHandle;
pub(crate) use hooks::{HookList, add_hook, hooks_of};
pub use mode::{AnomalyGuard, GradModeGuard, detect_anomaly, enable_grad, is_grad_enabled, no_grad};
pub(crate) use mode::{
    Recording, Scope, ScopeGuard, Step, is_anomaly_enabled, is_recording, watches_forward,
};
pub(crate) use node::{Edge, Kept, Shared};
pub use operators::Operand;
pub use pass::{queue_callback, register_any_grad_hook, register_multi_grad_hook};
pub(crate) use recycled::NodeRef;
use recycled::WeakNodeRef;
pub use saved_hooks::{SavedTensorHooksGuard, disable_saved_tensor_hooks, saved_tensor_hooks};
pub(crate) use walk::{Origin, Visit};

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use crate::array::{Array, DType, Element, Meta, PrintOptions, Shape};
use crate::error::{Error, Result};
use crate::gate::GateRef;
use crate::gate::view::Detach;

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

/// A leaf may be updated in place, which counts up its version.
pub(crate) struct Leaf {
    values: Values,
    version: AtomicU32,
    requires_grad: AtomicBool,
    /// Rarely used parts, made when first needed.
    extra: OnceLock<Box<Extra>>,
}

/// A leaf's values; element type and shape never change.
enum Values {
    /// A 0-d f32, as bits: graphs of scalars read their leaves without a lock.
    Number(AtomicU32),
    Array(Box<RwLock<Array>>),
}

struct Computed {
    array: Array,
    node: NodeRef,
    output: usize,
}

#[derive(Default)]
struct Extra {
    /// The accumulated gradient.
    grad: GradCell,
    hooks: OnceLock<Box<hooks::LeafHooks>>,
}

impl Extra {
    fn hooks(&self) -> &hooks::LeafHooks {
        self.hooks.get_or_init(Box::default)
    }
}

impl Leaf {
    #[inline]
    fn number(&self) -> Option<f32> {
        match &self.values {
            Values::Number(bits) => Some(f32::from_bits(bits.load(Ordering::Relaxed))),
            Values::Array(_) => None,
        }
    }

    fn with_array<R>(&self, read: impl FnOnce(&Array) -> R) -> R {
        match &self.values {
            Values::Number(bits) => read(&Array::scalar(f32::from_bits(bits.load(Ordering::Relaxed)))),
            Values::Array(array) => read(&array.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        self.with_array(Array::meta)
    }

    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// The hooks, where there are any.
    #[inline]
    fn hooks(&self) -> Option<&hooks::LeafHooks> {
        self.extra.get()?.hooks.get().map(|hooks| &**hooks)
    }

    fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leaf of {}", self.meta())
    }
}

/// See [`Tensor::place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Output(usize, usize),
    Leaf(usize),
}

/// A place for a gradient.
pub(crate) type GradCell = Mutex<Option<Tensor>>;

/// Locks without caring for poison: the guarded values are replaced whole, so they are never half-written.
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
                None => Values::Array(Box::new(RwLock::new(array))),
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
            extra: OnceLock::new(),
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
        self.with_array(Array::clone)
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
        self.with_array(Array::meta)
    }

    /// The element type.
    ///
    /// ```
    /// use chainrule::{tensor, DType};
    /// assert_eq!(tensor([1, 2]).dtype(), DType::I64);
    /// assert_eq!((tensor([1, 2]) * 0.5).dtype(), DType::F32);
    /// ```
    pub fn dtype(&self) -> DType {
        self.with_array(Array::dtype)
    }

    /// The sizes of the dimensions.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 2.0, 3.0]]).shape(), [1, 3]);
    /// ```
    pub fn shape(&self) -> Shape {
        self.with_array(|array| *array.shape())
    }

    /// The number of dimensions.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// assert_eq!(tensor(1.0).rank(), 0);
    /// assert_eq!(Tensor::zeros([2, 3, 4]).rank(), 3);
    /// ```
    pub fn rank(&self) -> usize {
        self.with_array(Array::rank)
    }

    /// The number of elements.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3, 4]).elements(), 24);
    /// ```
    pub fn elements(&self) -> usize {
        self.with_array(Array::elements)
    }

    /// The only element, as `f64`.
    ///
    /// # Errors
    /// There isn't exactly one element.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.5, 2.5]]).sum()?.item()?, 4.0);
    /// assert!(tensor([1.5, 2.5]).item().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn item(&self) -> Result<f64> {
        self.with_array(Array::item)
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// `T` isn't the element type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]).t()?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// assert!(x.to_vec::<f64>().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.with_array(Array::to_vec)
    }

    /// The elements in row-major order, converted to `f64` whatever their type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([true, false]).to_f64_vec(), [1.0, 0.0]);
    /// ```
    pub fn to_f64_vec(&self) -> Vec<f64> {
        self.with_array(Array::to_f64_vec)
    }

    /// The only element as a truth value: anything but 0 is true.
    ///
    /// # Errors
    /// There isn't exactly one element: which of them should decide?
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert!(tensor(3.0).to_bool()?);
    /// assert!(!tensor([0]).to_bool()?);
    /// let error = tensor([1, 1]).to_bool().unwrap_err();
    /// assert!(error.to_string().contains("the truth value of a tensor with 2 elements is ambiguous"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_bool(&self) -> Result<bool> {
        if self.elements() != 1 {
            return Err(Error::shape(format!(
                "the truth value of a tensor with {} elements is ambiguous",
                self.elements()
            ))
            .hint("reduce it first, or compare the elements themselves"));
        }
        Ok(self.item()? != 0.0)
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
            Handle::Leaf(leaf) => Shared::as_ptr(leaf) as usize,
            Handle::Computed(computed) => Shared::as_ptr(computed) as usize,
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
            Handle::Scalar(node) => WeakHandle::Scalar(node.downgrade()),
        })
    }

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
            None => self.as_leaf()?.extra.get().and_then(|extra| lock(&extra.grad).clone()),
            Some((node, output)) => node.hooks()?.grad(output),
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
            Handle::Leaf(leaf) => *lock(&leaf.extra().grad) = grad,
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
        match self.node() {
            None => {
                if let Some(extra) = self.as_leaf().and_then(|leaf| leaf.extra.get()) {
                    *lock(&extra.grad) = None;
                }
            }
            Some((node, output)) => {
                if let Some(hooks) = node.hooks() {
                    hooks.set_grad(output, None);
                }
            }
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

    /// The text that PyTorch prints, with other options.
    ///
    /// ```
    /// use chainrule::{param, PrintOptions};
    /// let options = PrintOptions { precision: 2, ..PrintOptions::default() };
    /// assert_eq!(param([0.5, 1.25]).format_with(&options), "tensor([0.50, 1.25], requires_grad=True)");
    /// ```
    pub fn format_with(&self, options: &PrintOptions) -> String {
        let mut suffixes = Vec::new();
        if let Some((node, _)) = self.node() {
            suffixes.push(format!("grad_fn=<{}>", node.gate().grad_fn()));
        } else if self.requires_grad() {
            suffixes.push("requires_grad=True".to_string());
        }
        self.array().format_with_suffixes(options, &suffixes)
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format_with(&PrintOptions::default()))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Tensor {
        Tensor::from_array(array)
    }
}

impl From<Shared<Leaf>> for Tensor {
    fn from(leaf: Shared<Leaf>) -> Tensor {
        Tensor(Handle::Leaf(leaf))
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
    Leaf(Weak<Leaf>),
    Computed(Weak<Computed>),
    Scalar(WeakNodeRef),
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
