//! Saved-tensor hooks: another form for the values that gates keep until backward, for example on disk.
//!
//! The mode belongs to the thread, like the others; what was packed under it is unpacked by the same hooks
//! wherever and whenever backward runs.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::node::{Edge, Kept};
use super::{Tensor, no_grad};
use crate::array::{Array, Meta};
use crate::error::{Error, Result};
use crate::gate::SavedValues;

/// What stands for a value meanwhile.
type Value = Box<dyn Any + Send + Sync>;
type Pack = dyn Fn(&Tensor) -> Result<Value> + Send + Sync;
type Unpack = dyn Fn(&dyn Any) -> Result<Tensor> + Send + Sync;

/// Both directions, for values of any type.
struct Hooks {
    pack: Box<Pack>,
    unpack: Box<Unpack>,
}

/// What becomes of values that gates keep on this thread.
#[derive(Clone)]
enum Mode {
    /// They are kept as they are.
    Plain,
    Hooked(Arc<Hooks>),
    /// They are kept as they are, and hooks are refused for this reason.
    Disabled(Rc<str>),
}

thread_local! {
    static MODE: RefCell<Mode> = const { RefCell::new(Mode::Plain) };
    /// Whether that is [`Mode::Hooked`]: all that a gate without hooks has to look at.
    static HOOKED: Cell<bool> = const { Cell::new(false) };
}

/// Restores what was done with saved values before, when dropped.
///
/// ```
/// use chainrule::saved_tensor_hooks;
/// use chainrule::{param, Tensor};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let saved = Arc::new(AtomicUsize::new(0));
/// let count = saved.clone();
/// let guard = saved_tensor_hooks(
///     move |x| {
///         count.fetch_add(1, Ordering::Relaxed);
///         Ok(x.clone())
///     },
///     |x: &Tensor| Ok(x.clone()),
/// )?;
/// let y = param([1.0, 2.0]).exp()?; // keeps its output
/// drop(guard);
/// let z = y.exp()?; // no longer seen
/// assert_eq!(saved.load(Ordering::Relaxed), 1);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[must_use = "the mode ends when the guard is dropped"]
pub struct SavedTensorHooksGuard {
    before: Mode,
    _this_thread: PhantomData<Rc<()>>,
}

impl SavedTensorHooksGuard {
    fn set(mode: Mode) -> SavedTensorHooksGuard {
        SavedTensorHooksGuard { before: switch(mode), _this_thread: PhantomData }
    }
}

impl Drop for SavedTensorHooksGuard {
    fn drop(&mut self) {
        // What was in force is dropped outside the borrow: it may hold values of the program's.
        drop(switch(std::mem::replace(&mut self.before, Mode::Plain)));
    }
}

/// Sets the mode, and returns the one before.
fn switch(mode: Mode) -> Mode {
    HOOKED.set(matches!(mode, Mode::Hooked(_)));
    MODE.with_borrow_mut(|now| std::mem::replace(now, mode))
}

impl fmt::Debug for SavedTensorHooksGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SavedTensorHooksGuard")
    }
}

/// Until the guard is dropped, `pack` is called with every value that a gate saves for its backward, and the graph
/// keeps what it returns in the value's place; `unpack` makes the value of it again when backward (or
/// [`GradFn::saved`](crate::GradFn::saved)) reads it. Shape and element type must come back.
///
/// Left as they are: leaves, as the graph itself refers to them, and the numbers of graphs of scalars (0-d f32),
/// which live in their nodes. When hooks are nested, the innermost are used. What `pack` returned is dropped with
/// the graph, or when a backward pass has freed it.
///
/// # Errors
/// Hooks are disabled on this thread: see [`disable_saved_tensor_hooks`]. Errors of `pack` become those of the gate
/// that saves, errors of `unpack` those of the backward pass.
///
/// ```
/// use chainrule::{param, saved_tensor_hooks, Array, Tensor};
/// // Half the memory: f64 kept as f32.
/// use chainrule::DType;
/// let x = Tensor::new([0.5, 1.5], DType::F64)?.requires_grad_(true)?;
/// let guard = saved_tensor_hooks(
///     |x| Ok(x.array().cast(DType::F32)),
///     |kept: &Array| Ok(Tensor::from_array(kept.cast(DType::F64))),
/// )?;
/// let y = x.exp()?.sum()?;
/// drop(guard);
/// y.backward()?;
/// assert_eq!(x.grad().unwrap().to_f64_vec()[0], f64::from(0.5f64.exp() as f32));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn saved_tensor_hooks<P: Any + Send + Sync>(
    pack: impl Fn(&Tensor) -> Result<P> + Send + Sync + 'static,
    unpack: impl Fn(&P) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<SavedTensorHooksGuard> {
    if let Mode::Disabled(reason) = current() {
        return Err(Error::autograd(&*reason));
    }
    let hooks = Hooks {
        pack: Box::new(move |x| Ok(Box::new(pack(x)?))),
        unpack: Box::new(move |value| {
            unpack(value.downcast_ref().expect("a value is unpacked by the hooks that packed it"))
        }),
    };
    Ok(SavedTensorHooksGuard::set(Mode::Hooked(Arc::new(hooks))))
}

/// Until the guard is dropped, [`saved_tensor_hooks`] on this thread is refused with this message: for code that
/// relies on what gates keep.
///
/// # Errors
/// Hooks are in force already; the error is the message.
///
/// ```
/// use chainrule::{disable_saved_tensor_hooks, saved_tensor_hooks, Array, Tensor};
/// let _guard = disable_saved_tensor_hooks("the values are shared with another program")?;
/// let hooks = saved_tensor_hooks(|x| Ok(x.array()), |x: &Array| Ok(Tensor::from_array(x.clone())));
/// assert!(hooks.unwrap_err().to_string().contains("shared with another program"));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn disable_saved_tensor_hooks(message: &str) -> Result<SavedTensorHooksGuard> {
    match current() {
        Mode::Hooked(_) => Err(Error::autograd(message)),
        _ => Ok(SavedTensorHooksGuard::set(Mode::Disabled(message.into()))),
    }
}

fn current() -> Mode {
    MODE.with_borrow(Mode::clone)
}

/// One value of those that a node keeps.
enum Slot {
    Plain(Array),
    Packed(Meta, Value),
}

/// What a node keeps in another form, and the hooks that know it.
pub(crate) struct Packed {
    hooks: Arc<Hooks>,
    slots: SavedValues<Slot>,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({})", self.slots.len())
    }
}

/// What a node is to keep of these values.
#[inline]
pub(super) fn kept(values: SavedValues, edges: &[Edge]) -> Result<Kept> {
    if values.is_empty() {
        return Ok(Kept::Nothing);
    }
    match HOOKED.get() {
        false => Ok(Kept::Values(values)),
        true => packed(values, edges),
    }
}

#[cold]
fn packed(values: SavedValues, edges: &[Edge]) -> Result<Kept> {
    match current() {
        Mode::Hooked(hooks) => {
            Packed::pack(hooks, values, edges).map(|packed| Kept::Packed(Arc::new(packed)))
        }
        Mode::Plain | Mode::Disabled(_) => Ok(Kept::Values(values)),
    }
}

impl Packed {
    fn pack(hooks: Arc<Hooks>, values: SavedValues, edges: &[Edge]) -> Result<Packed> {
        // What the hooks themselves compute is kept as it is.
        let _plain = SavedTensorHooksGuard::set(Mode::Plain);
        let pack = |array: Array| -> Result<Slot> {
            let meta = array.meta();
            let value = no_grad(|| (hooks.pack)(&Tensor::from_array(array)))?;
            Ok(Slot::Packed(meta, value))
        };
        let slots = values.try_map(|input, array| match input {
            Some(i) if !matches!(edges[i], Edge::Node(..)) => Ok(Slot::Plain(array)),
            _ => pack(array),
        })?;
        Ok(Packed { slots, hooks })
    }

    /// The values again.
    #[cold]
    pub(super) fn unpack(&self) -> Result<SavedValues> {
        self.slots.as_ref().try_map(|_, slot| match slot {
            Slot::Plain(array) => Ok(array.clone()),
            Slot::Packed(meta, value) => {
                let tensor = {
                    let _plain = SavedTensorHooksGuard::set(Mode::Plain);
                    no_grad(|| (self.hooks.unpack)(&**value))?
                };
                if tensor.meta() == *meta {
                    return Ok(tensor.array());
                }
                Err(Error::autograd(format!(
                    "a saved-tensor hook unpacked {} where {meta} had been packed",
                    tensor.meta()
                )))
            }
        })
    }
}
