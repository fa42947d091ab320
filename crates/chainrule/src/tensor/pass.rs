//! What belongs to a backward pass as a whole: callbacks at its end, and hooks on several tensors.
//!
//! Passes nest (a hook may start one), so each has a level of its own on its thread. A pass in which no hook asks
//! for anything costs a counter.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Tensor;
use super::hooks::{HookHandle, Slots};
use crate::error::{Error, Result};

type Callback = Box<dyn FnOnce() -> Result<()>>;
/// Sees the gradients of several tensors.
type MultiHook = Arc<dyn Fn(&[Option<Tensor>]) + Send + Sync>;

thread_local! {
    /// How many backward passes run on this thread, one inside the other.
    static LEVEL: Cell<usize> = const { Cell::new(0) };
    /// How many of them were asked for anything.
    static ENTRIES: Cell<usize> = const { Cell::new(0) };
    /// What hooks asked of these passes: at most one entry a level, the innermost last.
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
}

/// What hooks asked of one pass.
struct Asked {
    level: usize,
    callbacks: Vec<Callback>,
    gathered: Vec<Gathered>,
}

/// The gradients that one hook on several tensors has seen in this pass.
struct Gathered {
    id: u64,
    gradients: Slots,
    /// Taken when it runs: it runs once a pass.
    hook: Option<MultiHook>,
}

/// A backward pass while it runs.
pub(super) struct PassScope {
    level: usize,
    _this_thread: PhantomData<Rc<()>>,
}

impl PassScope {
    #[inline]
    pub(super) fn enter() -> PassScope {
        let level = LEVEL.get() + 1;
        LEVEL.set(level);
        PassScope { level, _this_thread: PhantomData }
    }

    /// The end of a pass that went well: the hooks that still wait run, then the callbacks.
    #[inline]
    pub(super) fn finish(self) -> Result<()> {
        // A callback may queue another one.
        while let Some(asked) = take(self.level) {
            for gathered in asked.gathered {
                if let Some(hook) = gathered.hook {
                    hook(&gathered.gradients);
                }
            }
            for callback in asked.callbacks {
                callback()?;
            }
        }
        Ok(())
    }
}

impl Drop for PassScope {
    #[inline]
    fn drop(&mut self) {
        // After an error or a panic nothing that waited runs.
        drop(take(self.level));
        LEVEL.set(self.level - 1);
    }
}

/// Takes what was asked of the innermost pass.
#[inline]
fn take(level: usize) -> Option<Asked> {
    if ENTRIES.get() == 0 {
        return None;
    }
    ASKED.with_borrow_mut(|all| {
        let asked = all.pop_if(|asked| asked.level == level);
        ENTRIES.set(all.len());
        asked
    })
}

/// Changes what is asked of the innermost pass; `None` outside any.
fn with_asked<R>(change: impl FnOnce(&mut Asked) -> R) -> Option<R> {
    let level = LEVEL.get();
    (level > 0).then(|| {
        ASKED.with_borrow_mut(|all| {
            if all.last().is_none_or(|asked| asked.level != level) {
                all.push(Asked { level, callbacks: Vec::new(), gathered: Vec::new() });
                ENTRIES.set(all.len());
            }
            change(all.last_mut().expect("an entry was just pushed"))
        })
    })
}

/// Runs `callback` at the end of the backward pass that runs now, when all gradients have arrived. For hooks, and
/// for the backward of users' gates. An error of the callback becomes the pass's.
///
/// # Errors
/// No backward pass runs on this thread.
///
/// ```
/// use chainrule::{param, queue_callback};
/// let x = param(3.0);
/// let y = &x * 2.0;
/// let leaf = x.downgrade();
/// y.register_hook(move |_| {
///     let leaf = leaf.clone();
///     // The gradient is there when the callback runs, not yet when the hook does.
///     assert!(leaf.upgrade()?.grad().is_none());
///     queue_callback(move || {
///         assert!(leaf.upgrade().and_then(|x| x.grad()).is_some());
///         Ok(())
///     })
///     .ok()?;
///     None
/// })?;
/// y.backward()?;
/// assert!(queue_callback(|| Ok(())).is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn queue_callback(callback: impl FnOnce() -> Result<()> + 'static) -> Result<()> {
    with_asked(|asked| asked.callbacks.push(Box::new(callback)))
        .ok_or_else(|| Error::autograd("a callback can be queued only while a backward pass runs"))
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Notes a gradient for a hook on `count` tensors; returns them all, with the hook, when the hook must run now.
fn gather(
    id: u64,
    hook: &MultiHook,
    count: usize,
    i: usize,
    gradient: &Tensor,
) -> Option<(MultiHook, Slots)> {
    with_asked(|asked| {
        let place = asked.gathered.iter().position(|gathered| gathered.id == id).unwrap_or_else(|| {
            let hook = Some(hook.clone());
            asked.gathered.push(Gathered { id, gradients: vec![None; count], hook });
            asked.gathered.len() - 1
        });
        let gathered = &mut asked.gathered[place];
        gathered.gradients[i] = Some(gradient.clone());
        match gathered.gradients.iter().all(Option::is_some) {
            true => Some((gathered.hook.take()?, gathered.gradients.clone())),
            false => None,
        }
    })
    .flatten()
}

/// Calls `hook` once a backward pass with the gradients of all these tensors: when the last of them has arrived,
/// or, where the pass doesn't reach every tensor, at its end, with `None` for those that it didn't reach. Not
/// called by a pass that reaches none.
///
/// # Errors
/// A tensor doesn't require a gradient.
///
/// ```
/// use chainrule::{param, register_multi_grad_hook};
/// use std::sync::{Arc, Mutex};
/// let (x, y, z) = (param(3.0), param(4.0), param(5.0));
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let own = seen.clone();
/// let handle = register_multi_grad_hook(&[&x, &y, &z], move |gradients| {
///     *own.lock().unwrap() = gradients.iter().map(|g| g.as_ref().and_then(|g| g.item().ok())).collect();
/// })?;
/// (&x * &y).backward()?;
/// assert_eq!(*seen.lock().unwrap(), [Some(4.0), Some(3.0), None]);
/// handle.remove();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn register_multi_grad_hook(
    tensors: &[&Tensor],
    hook: impl Fn(&[Option<Tensor>]) + Send + Sync + 'static,
) -> Result<HookHandle> {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let hook: MultiHook = Arc::new(hook);
    let count = tensors.len();
    on_each(tensors, |i| {
        let hook = hook.clone();
        move |gradient| {
            if let Some((hook, gradients)) = gather(id, &hook, count, i, gradient) {
                hook(&gradients);
            }
        }
    })
}

/// Calls `hook` once a backward pass, with the first gradient that arrives at any of these tensors.
///
/// # Errors
/// A tensor doesn't require a gradient.
///
/// ```
/// use chainrule::{param, register_any_grad_hook};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
/// let (x, y) = (param(3.0), param(4.0));
/// let calls = Arc::new(AtomicUsize::new(0));
/// let own = calls.clone();
/// register_any_grad_hook(&[&x, &y], move |_| {
///     own.fetch_add(1, Ordering::Relaxed);
/// })?;
/// (&x * &y).backward()?;
/// assert_eq!(calls.load(Ordering::Relaxed), 1);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn register_any_grad_hook(
    tensors: &[&Tensor],
    hook: impl Fn(&Tensor) + Send + Sync + 'static,
) -> Result<HookHandle> {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let hook: MultiHook = Arc::new(move |gradients| gradients.iter().flatten().for_each(&hook));
    on_each(tensors, |_| {
        let hook = hook.clone();
        move |gradient| {
            // As if there were one tensor: it is complete with the first gradient.
            if let Some((hook, gradients)) = gather(id, &hook, 1, 0, gradient) {
                hook(&gradients);
            }
        }
    })
}

/// Registers on each of these tensors the hook that `make` gives for its place; on none if one refuses.
fn on_each<H: Fn(&Tensor) + Send + Sync + 'static>(
    tensors: &[&Tensor],
    make: impl Fn(usize) -> H,
) -> Result<HookHandle> {
    let mut handles = Vec::with_capacity(tensors.len());
    for (i, tensor) in tensors.iter().enumerate() {
        let see = make(i);
        match tensor.register_hook(move |gradient| {
            see(gradient);
            None
        }) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                HookHandle::together(handles).remove();
                return Err(error);
            }
        }
    }
    Ok(HookHandle::together(handles))
}
