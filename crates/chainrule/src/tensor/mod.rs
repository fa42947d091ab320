//! `Tensor`: an array and its place in the graph.
//!
//! A tensor is a cheap handle on one shared block. A tensor that a gate made (while gradients were wanted)
//! points to its *node*; every other tensor is a *leaf*. Nodes point to the nodes of their inputs, so the
//! graph lives exactly as long as someone holds a tensor that was computed through it.

mod apply;
mod backward;
mod carrier;
mod create;
mod hooks;
mod inplace;
mod mode;
mod node;
mod operators;
mod walk;

pub use backward::{Backward, grad};
pub use create::{param, tensor};
pub use hooks::HookHandle;
pub(crate) use mode::Recording;
pub use mode::{AnomalyGuard, GradModeGuard, detect_anomaly, enable_grad, is_grad_enabled, no_grad};
pub(crate) use node::{Edge, Node, Shared};
pub use operators::Operand;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use crate::array::{Array, DType, Element, Meta, PrintOptions, Shape};
use crate::error::{Error, Result};

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
pub struct Tensor(Shared<Block>);

/// What a tensor's handles share.
struct Block {
    value: Value,
    /// Rarely used parts, made when first needed.
    extra: OnceLock<Box<Extra>>,
}

enum Value {
    /// Computed by a gate whose node is recorded: never changes.
    Computed { held: Held, node: Shared<Node>, output: u32 },
    /// A leaf: may be updated in place, which counts up its version.
    Leaf { held: RwLock<Held>, version: AtomicU32, requires_grad: AtomicBool },
}

/// A tensor's values. A 0-d f32 is kept as the number alone, which is ten times smaller than an array: graphs
/// of scalars are made of little else.
enum Held {
    Number(f32),
    Array(Box<Array>),
}

impl Held {
    #[inline]
    fn new(array: Array) -> Held {
        match array.inline_value::<f32>() {
            Some(number) => Held::Number(number),
            None => Held::Array(Box::new(array)),
        }
    }

    #[inline]
    fn read<R>(&self, read: impl FnOnce(&Array) -> R) -> R {
        match self {
            Held::Number(number) => read(&Array::scalar(*number)),
            Held::Array(array) => read(array),
        }
    }

    #[inline]
    fn number(&self) -> Option<f32> {
        match self {
            Held::Number(number) => Some(*number),
            Held::Array(_) => None,
        }
    }
}

#[derive(Default)]
struct Extra {
    /// The accumulated gradient; shared with the node of a computed tensor that retains it.
    grad: Arc<GradCell>,
    hooks: hooks::LeafHooks,
}

/// A place for a gradient.
pub(crate) type GradCell = Mutex<Option<Tensor>>;

/// Locks without caring for poison: the guarded values are replaced whole, so they are never half-written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tensor {
    /// A leaf holding this array.
    #[inline]
    pub fn from_array(array: Array) -> Tensor {
        Tensor::leaf(array, false)
    }

    #[inline]
    pub(crate) fn leaf(array: Array, requires_grad: bool) -> Tensor {
        Tensor(Shared::new(Block {
            value: Value::Leaf {
                held: RwLock::new(Held::new(array)),
                version: AtomicU32::new(0),
                requires_grad: AtomicBool::new(requires_grad),
            },
            extra: OnceLock::new(),
        }))
    }

    #[inline]
    pub(crate) fn computed(array: Array, node: Shared<Node>, output: usize) -> Tensor {
        Tensor(Shared::new(Block {
            value: Value::Computed { held: Held::new(array), node, output: output as u32 },
            extra: OnceLock::new(),
        }))
    }

    /// A saved output as a tensor again: part of the graph only where a graph of the gradient is wanted.
    pub(crate) fn rejoin(array: Array, node: &Shared<Node>, output: usize) -> Tensor {
        if is_grad_enabled() {
            Tensor::computed(array, node.clone(), output)
        } else {
            Tensor::from_array(array)
        }
    }

    /// The values, as a snapshot that later in-place updates of the tensor don't change.
    pub fn array(&self) -> Array {
        self.with_array(Array::clone)
    }

    /// Runs `read` on the values; cheaper than [`Tensor::array`] as nothing is cloned.
    #[inline]
    pub(crate) fn with_array<R>(&self, read: impl FnOnce(&Array) -> R) -> R {
        match &self.0.value {
            Value::Computed { held, .. } => held.read(read),
            Value::Leaf { held, .. } => held.read().unwrap_or_else(PoisonError::into_inner).read(read),
        }
    }

    /// The value, where it is a 0-d f32.
    #[inline]
    pub(crate) fn number(&self) -> Option<f32> {
        match &self.0.value {
            Value::Computed { held, .. } => held.number(),
            Value::Leaf { held, .. } => held.read().unwrap_or_else(PoisonError::into_inner).number(),
        }
    }

    /// Element type and shape.
    #[inline]
    pub fn meta(&self) -> Meta {
        self.with_array(Array::meta)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.with_array(Array::dtype)
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> Shape {
        self.with_array(|array| *array.shape())
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.with_array(Array::rank)
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.with_array(Array::elements)
    }

    /// The only element, as `f64`.
    ///
    /// # Errors
    /// There isn't exactly one element.
    pub fn item(&self) -> Result<f64> {
        self.with_array(Array::item)
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// `T` isn't the element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.with_array(Array::to_vec)
    }

    /// The elements in row-major order, converted to `f64` whatever their type.
    pub fn to_f64_vec(&self) -> Vec<f64> {
        self.with_array(Array::to_f64_vec)
    }

    /// The only element as a truth value: anything but 0 is true.
    ///
    /// # Errors
    /// There isn't exactly one element: which of them should decide?
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
    #[inline]
    pub fn requires_grad(&self) -> bool {
        match &self.0.value {
            Value::Computed { .. } => true,
            Value::Leaf { requires_grad, .. } => requires_grad.load(Ordering::Relaxed),
        }
    }

    /// Switches gradients for a leaf on or off, and returns the same tensor.
    ///
    /// # Errors
    /// The elements aren't floats, or the tensor is no leaf.
    pub fn requires_grad_(&self, on: bool) -> Result<Tensor> {
        match &self.0.value {
            Value::Leaf { requires_grad, .. } => {
                if on && !self.dtype().is_float() {
                    return Err(Error::dtype(format!(
                        "only floats can require a gradient, not {}",
                        self.dtype()
                    ))
                    .hint("cast to f32 or f64 first"));
                }
                requires_grad.store(on, Ordering::Relaxed);
                Ok(self.clone())
            }
            Value::Computed { .. } if on => Ok(self.clone()),
            Value::Computed { .. } => Err(Error::autograd(
                "gradients can only be switched off for leaves, and this tensor was computed by a gate",
            )
            .hint("use detach to go on without its history")),
        }
    }

    /// Whether no recorded gate made this tensor.
    pub fn is_leaf(&self) -> bool {
        matches!(self.0.value, Value::Leaf { .. })
    }

    /// How often the values were changed in place.
    #[inline]
    pub fn version(&self) -> u32 {
        match &self.0.value {
            Value::Computed { .. } => 0,
            Value::Leaf { version, .. } => version.load(Ordering::Acquire),
        }
    }

    /// The name of the node that made this tensor, as PyTorch prints it (`MulBackward0`).
    pub fn grad_fn(&self) -> Option<String> {
        self.node().map(|(node, _)| node.gate().grad_fn())
    }

    /// The node that made this tensor, and which of its outputs it is.
    #[inline]
    pub(crate) fn node(&self) -> Option<(&Shared<Node>, usize)> {
        match &self.0.value {
            Value::Computed { node, output, .. } => Some((node, *output as usize)),
            Value::Leaf { .. } => None,
        }
    }

    /// Whether two handles are the same tensor.
    #[inline]
    pub fn is(&self, other: &Tensor) -> bool {
        Shared::ptr_eq(&self.0, &other.0)
    }

    /// A number that no other living tensor has.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        Shared::as_ptr(&self.0) as usize
    }

    /// The values as a leaf without history. Shares memory until one of the two is changed in place.
    pub fn detach(&self) -> Tensor {
        Tensor::from_array(self.array())
    }

    /// A handle that doesn't keep the tensor alive: for hooks that refer to their own tensor.
    pub fn downgrade(&self) -> WeakTensor {
        WeakTensor(Shared::downgrade(&self.0))
    }

    fn extra(&self) -> &Extra {
        self.0.extra.get_or_init(Box::default)
    }

    /// The accumulated gradient; `None` before the first backward pass.
    ///
    /// Leaves that require a gradient have one, and tensors on which [`Tensor::retain_grad`] was called.
    pub fn grad(&self) -> Option<Tensor> {
        self.0.extra.get().and_then(|extra| lock(&extra.grad).clone())
    }

    /// Replaces the accumulated gradient.
    ///
    /// # Errors
    /// Shape or element type aren't the tensor's.
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
        *lock(&self.extra().grad) = grad;
        Ok(())
    }

    /// Forgets the accumulated gradient.
    pub fn zero_grad(&self) {
        if let Some(extra) = self.0.extra.get() {
            *lock(&extra.grad) = None;
        }
    }

    /// Keeps this computed tensor's gradient in [`Tensor::grad`] too, as if it were a leaf.
    ///
    /// # Errors
    /// The tensor doesn't require a gradient.
    pub fn retain_grad(&self) -> Result<()> {
        match self.node() {
            Some((node, output)) => {
                if !self.retains_grad() {
                    node.hooks_mut().retain(output, self.extra().grad.clone());
                }
                Ok(())
            }
            None if self.requires_grad() => Ok(()),
            None => {
                Err(Error::autograd("retain_grad was called on a tensor that doesn't require a gradient"))
            }
        }
    }

    /// Whether [`Tensor::retain_grad`] was called on this computed tensor.
    pub fn retains_grad(&self) -> bool {
        match (self.node(), self.0.extra.get()) {
            (Some((node, output)), Some(extra)) => {
                node.hooks().is_some_and(|hooks| hooks.retains(output, &extra.grad))
            }
            _ => false,
        }
    }

    /// The text that PyTorch prints, with other options.
    pub fn format_with(&self, options: &PrintOptions) -> String {
        let mut suffixes = Vec::new();
        if let Some(name) = self.grad_fn() {
            suffixes.push(format!("grad_fn=<{name}>"));
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

/// A handle on a tensor that doesn't keep it alive; see [`Tensor::downgrade`].
#[derive(Clone)]
pub struct WeakTensor(Weak<Block>);

impl WeakTensor {
    /// The tensor, if somebody still holds it.
    pub fn upgrade(&self) -> Option<Tensor> {
        self.0.upgrade().map(Tensor)
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
