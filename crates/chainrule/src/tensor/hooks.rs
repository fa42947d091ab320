//! Hooks: users' closures that see gradients, and may replace them, on their way.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::{Tensor, lock};
use crate::error::{Error, Result};

/// Sees a gradient and may return another one in its place.
type Hook = Arc<dyn Fn(&Tensor) -> Option<Tensor> + Send + Sync>;
/// Sees a leaf whose gradient has just been accumulated.
type PostHook = Arc<dyn Fn(&Tensor) + Send + Sync>;
/// Gradients, one an input or output of a gate; `None` where there is none.
pub(super) type Slots = Vec<Option<Tensor>>;
/// Sees the gradients that arrive at a node and may replace them.
type NodePreHook = Arc<dyn Fn(&[Option<Tensor>]) -> Option<Slots> + Send + Sync>;
/// Sees the gradients that leave a node, which it may replace, and those that had arrived.
type NodePostHook = Arc<dyn Fn(&[Option<Tensor>], &[Option<Tensor>]) -> Option<Slots> + Send + Sync>;
/// Hooks, each with its number.
pub(crate) type HookList<H> = Arc<Mutex<Vec<(u64, H)>>>;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Hooks on a leaf.
#[derive(Default)]
pub(crate) struct LeafHooks {
    before: HookList<Hook>,
    after: HookList<PostHook>,
    pub(super) metadata: Metadata,
}

/// Hooks on a node, and the gradients of its outputs that were retained.
#[derive(Default)]
pub(crate) struct NodeHooks {
    on_output: HookList<(usize, Hook)>,
    before: HookList<NodePreHook>,
    after: HookList<NodePostHook>,
    pub(super) metadata: Metadata,
    grads: Mutex<Vec<OutputGrad>>,
}

/// The gradient of a computed tensor.
struct OutputGrad {
    output: usize,
    /// Whether backward passes add to it.
    retained: bool,
    grad: Option<Tensor>,
}

/// Values of the program's own that it put on a node, by key.
#[derive(Default)]
pub(super) struct Metadata(Mutex<BTreeMap<String, Arc<dyn Any + Send + Sync>>>);

impl Metadata {
    pub(super) fn set(&self, key: &str, value: Arc<dyn Any + Send + Sync>) {
        // What stood there is dropped outside the lock.
        let before = lock(&self.0).insert(key.to_string(), value);
        drop(before);
    }

    pub(super) fn get<T: Any + Clone>(&self, key: &str) -> Option<T> {
        let value = lock(&self.0).get(key).cloned()?;
        value.downcast_ref::<T>().cloned()
    }
}

impl fmt::Debug for NodeHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeHooks({})", lock(&self.on_output).len())
    }
}

/// Takes a hook away again; dropping the handle leaves the hook in place.
///
/// ```
/// use chainrule::param;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let (x, calls) = (param(3.0), Arc::new(AtomicUsize::new(0)));
/// let count = calls.clone();
/// let handle = x.register_hook(move |_| {
///     count.fetch_add(1, Ordering::Relaxed);
///     None
/// })?;
/// (&x * 2.0).backward()?;
/// handle.remove();
/// (&x * 2.0).backward()?;
/// assert_eq!(calls.load(Ordering::Relaxed), 1);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub struct HookHandle(Box<dyn Fn() + Send + Sync>);

impl HookHandle {
    /// One handle for several hooks.
    pub(super) fn together(handles: Vec<HookHandle>) -> HookHandle {
        HookHandle(Box::new(move || handles.iter().for_each(HookHandle::remove)))
    }

    /// Takes the hook away.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let doubling = x.register_hook(|g| Some(g * 2.0))?;
    /// doubling.remove();
    /// (&x * 5.0).backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn remove(&self) {
        (self.0)();
    }
}

impl fmt::Debug for HookHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookHandle")
    }
}

/// Adds a hook to a list; the handle takes it away.
pub(crate) fn add_hook<H: Send + 'static>(list: &HookList<H>, hook: H) -> HookHandle
where
    HookList<H>: Send + Sync,
{
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    lock(list).push((id, hook));
    let list: Weak<_> = Arc::downgrade(list);
    HookHandle(Box::new(move || {
        if let Some(list) = list.upgrade() {
            lock(&list).retain(|(other, _)| *other != id);
        }
    }))
}

/// The hooks as they are now, so that they run outside the lock and may add or remove hooks.
pub(crate) fn hooks_of<H: Clone>(list: &HookList<H>) -> Vec<H> {
    lock(list).iter().map(|(_, hook)| hook.clone()).collect()
}

/// Runs one hook and checks that what it returns can stand for the gradient.
fn replace(hook: &Hook, gradient: Tensor) -> Result<Tensor> {
    match hook(&gradient) {
        None => Ok(gradient),
        Some(other) if other.meta() == gradient.meta() => Ok(other),
        Some(other) => Err(Error::autograd(format!(
            "a hook replaced a gradient of {} by one of {}; shape and element type must stay",
            gradient.meta(),
            other.meta()
        ))),
    }
}

/// Checks that what a hook of a node returned can stand for the gradients it was given.
fn replace_all(before: Slots, after: Option<Slots>) -> Result<Slots> {
    let Some(after) = after else { return Ok(before) };
    if after.len() != before.len() {
        return Err(Error::autograd(format!(
            "a hook of the node returned {} gradients in place of {}",
            after.len(),
            before.len()
        )));
    }
    for (i, pair) in before.iter().zip(&after).enumerate() {
        match pair {
            (None, Some(_)) => {
                return Err(Error::autograd(format!(
                    "a hook of the node returned a gradient in place {i}, where there is none"
                )));
            }
            (Some(old), Some(new)) if old.meta() != new.meta() => {
                return Err(Error::autograd(format!(
                    "a hook of the node replaced gradient {i} of {} by one of {}; shape and element type must stay",
                    old.meta(),
                    new.meta()
                )));
            }
            _ => {}
        }
    }
    Ok(after)
}

impl NodeHooks {
    pub(super) fn add_before(&self, hook: NodePreHook) -> HookHandle {
        add_hook(&self.before, hook)
    }

    pub(super) fn add_after(&self, hook: NodePostHook) -> HookHandle {
        add_hook(&self.after, hook)
    }

    /// Whether there are hooks on the node itself, not only on its outputs.
    pub(super) fn watch_node(&self) -> bool {
        !lock(&self.before).is_empty() || !lock(&self.after).is_empty()
    }

    /// Runs the hooks that see what arrives at the node.
    pub(super) fn run_before(&self, upstream: Slots) -> Result<Slots> {
        hooks_of(&self.before).iter().try_fold(upstream, |upstream, hook| {
            let replaced = hook(&upstream);
            replace_all(upstream, replaced)
        })
    }

    /// Runs the hooks that see what leaves the node.
    pub(super) fn run_after(&self, gradients: Slots, upstream: &[Option<Tensor>]) -> Result<Slots> {
        hooks_of(&self.after).iter().try_fold(gradients, |gradients, hook| {
            let replaced = hook(&gradients, upstream);
            replace_all(gradients, replaced)
        })
    }

    /// Runs `change` on the place of this output's gradient, which is made if need be.
    fn with_grad<R>(&self, output: usize, change: impl FnOnce(&mut OutputGrad) -> R) -> R {
        let mut grads = lock(&self.grads);
        let place = grads.iter().position(|grad| grad.output == output).unwrap_or_else(|| {
            grads.push(OutputGrad { output, retained: false, grad: None });
            grads.len() - 1
        });
        change(&mut grads[place])
    }

    pub(crate) fn retain(&self, output: usize) {
        self.with_grad(output, |grad| grad.retained = true);
    }

    pub(crate) fn retains(&self, output: usize) -> bool {
        self.with_grad(output, |grad| grad.retained)
    }

    pub(crate) fn grad(&self, output: usize) -> Option<Tensor> {
        self.with_grad(output, |grad| grad.grad.clone())
    }

    pub(crate) fn set_grad(&self, output: usize, gradient: Option<Tensor>) {
        // The old one is dropped outside the lock: it may hold a graph of its own.
        let before = self.with_grad(output, |grad| std::mem::replace(&mut grad.grad, gradient));
        drop(before);
    }

    /// Runs the hooks of one output, and stores the gradient where it is retained.
    pub(crate) fn run(&self, output: usize, mut gradient: Tensor, batched: bool) -> Result<Tensor> {
        for (place, hook) in hooks_of(&self.on_output) {
            if place == output {
                gradient = replace(&hook, gradient)?;
            }
        }
        // A batch of gradients belongs to whom asked for it.
        if self.retains(output) && !batched {
            let sum = match self.grad(output) {
                Some(before) => Tensor::add(&before, &gradient)?,
                None => gradient.clone(),
            };
            self.set_grad(output, Some(sum));
        }
        Ok(gradient)
    }
}

impl LeafHooks {
    /// A hook of the place where this leaf's gradient accumulates: it sees the one gradient that arrives.
    pub(super) fn add_before_all(&self, hook: NodePreHook) -> HookHandle {
        let one: Hook = Arc::new(move |gradient| hook(&[Some(gradient.clone())])?.pop().flatten());
        add_hook(&self.before, one)
    }

    pub(crate) fn run_before(&self, mut gradient: Tensor) -> Result<Tensor> {
        for hook in hooks_of(&self.before) {
            gradient = replace(&hook, gradient)?;
        }
        Ok(gradient)
    }

    pub(crate) fn run_after(&self, leaf: &Tensor) {
        for hook in hooks_of(&self.after) {
            hook(leaf);
        }
    }
}

impl Tensor {
    /// Calls `hook` with this tensor's gradient in every backward pass, before it goes further; what the
    /// hook returns takes the gradient's place.
    ///
    /// A hook that refers to its own tensor should hold it by [`Tensor::downgrade`], else neither is freed.
    ///
    /// # Errors
    /// The tensor doesn't require a gradient.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let y = &x * 2.0;
    /// let handle = y.register_hook(|g| Some(g * 10.0))?;
    /// y.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 20.0);
    /// handle.remove();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_hook(
        &self,
        hook: impl Fn(&Tensor) -> Option<Tensor> + Send + Sync + 'static,
    ) -> Result<HookHandle> {
        let hook: Hook = Arc::new(hook);
        match (self.node(), self.as_leaf()) {
            (Some((node, output)), _) => Ok(add_hook(&node.hooks_or_new().on_output, (output, hook))),
            (None, Some(leaf)) if self.requires_grad() => Ok(add_hook(&leaf.hooks_or_new().before, hook)),
            _ => Err(Error::autograd("a hook on a tensor that doesn't require a gradient would never run")
                .hint("switch gradients on first: requires_grad_(true)")),
        }
    }

    /// Calls `hook` with this leaf whenever a gradient has been accumulated in it.
    ///
    /// # Errors
    /// The tensor is no leaf, or doesn't require a gradient.
    ///
    /// ```
    /// use chainrule::{no_grad, param};
    /// // Plain gradient descent inside the backward pass: no gradient is kept longer than it is needed.
    /// let w = param(3.0);
    /// w.register_post_accumulate_grad_hook(|w| {
    ///     no_grad(|| w.sub_(&(w.grad().unwrap() * 0.1))).unwrap();
    ///     w.zero_grad();
    /// })?;
    /// (&w * &w).backward()?; // ∂/∂w = 6
    /// assert_eq!(w.to_string(), "tensor(2.4000, requires_grad=True)");
    /// assert!(w.grad().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_post_accumulate_grad_hook(
        &self,
        hook: impl Fn(&Tensor) + Send + Sync + 'static,
    ) -> Result<HookHandle> {
        match self.as_leaf() {
            Some(leaf) if self.requires_grad() => {
                let hook: PostHook = Arc::new(hook);
                Ok(add_hook(&leaf.hooks_or_new().after, hook))
            }
            _ => Err(Error::autograd(
                "only leaves that require a gradient accumulate one, so only they can have such a hook",
            )),
        }
    }
}
