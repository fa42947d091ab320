//! Modes: whether gradients are wanted, whether values are watched for NaN, whether a graph is recorded.
//!
//! They belong to the thread; guards set them back when they are dropped, also by a panic.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;

use super::Tensor;
use crate::array::Generator;
use crate::gate::GateRef;

struct Modes {
    no_grad: Cell<bool>,
    anomaly: Cell<bool>,
    recording: Cell<bool>,
    /// How many of the recordings are for forward mode.
    forward: Cell<u32>,
}

thread_local! {
    static MODES: Modes = const {
        Modes { no_grad: Cell::new(false), anomaly: Cell::new(false), recording: Cell::new(false), forward: Cell::new(0) }
    };
    static RECORDINGS: RefCell<Vec<Recording>> = const { RefCell::new(Vec::new()) };
}

/// Whether gates record how to compute gradients on this thread.
///
/// ```
/// use chainrule::{is_grad_enabled, no_grad};
/// assert!(is_grad_enabled());
/// assert!(!no_grad(is_grad_enabled));
/// ```
#[inline]
pub fn is_grad_enabled() -> bool {
    MODES.with(|modes| !modes.no_grad.get())
}

#[inline]
pub(crate) fn is_anomaly_enabled() -> bool {
    MODES.with(|modes| modes.anomaly.get())
}

/// Whether gates and modules are noted on this thread.
#[inline]
pub(crate) fn is_recording() -> bool {
    MODES.with(|modes| modes.recording.get())
}

/// Whether what runs is recorded to send tangents through it, also through backward passes.
#[inline]
pub(crate) fn watches_forward() -> bool {
    MODES.with(|modes| modes.forward.get() > 0)
}

/// Whether anything on this thread watches gates while they run: a recording, or the search for NaN.
#[inline]
pub(crate) fn watches() -> bool {
    MODES.with(|modes| modes.recording.get() | modes.anomaly.get())
}

/// Restores gradient mode when dropped.
///
/// ```
/// use chainrule::{param, GradModeGuard};
/// let x = param(3.0);
/// let y = {
///     let _off = GradModeGuard::set(false);
///     &x * 2.0
/// };
/// assert!(!y.requires_grad() && (&x * 2.0).requires_grad());
/// ```
#[derive(Debug)]
pub struct GradModeGuard {
    before: bool,
    _this_thread: PhantomData<Rc<()>>,
}

impl GradModeGuard {
    /// Switches gradients on or off until the guard is dropped.
    ///
    /// ```
    /// use chainrule::{is_grad_enabled, GradModeGuard};
    /// let guard = GradModeGuard::set(false);
    /// assert!(!is_grad_enabled());
    /// drop(guard);
    /// assert!(is_grad_enabled());
    /// ```
    #[must_use = "the mode ends when the guard is dropped"]
    #[inline]
    pub fn set(on: bool) -> GradModeGuard {
        let before = !MODES.with(|modes| modes.no_grad.replace(!on));
        GradModeGuard { before, _this_thread: PhantomData }
    }
}

impl Drop for GradModeGuard {
    #[inline]
    fn drop(&mut self) {
        MODES.with(|modes| modes.no_grad.set(!self.before));
    }
}

/// Runs `body` without recording gradients.
///
/// ```
/// use chainrule::{no_grad, param};
/// let x = param(3.0);
/// let y = no_grad(|| &x * 2.0);
/// assert!(!y.requires_grad());
/// ```
pub fn no_grad<R>(body: impl FnOnce() -> R) -> R {
    let _guard = GradModeGuard::set(false);
    body()
}

/// Runs `body` recording gradients, also inside [`no_grad`].
///
/// ```
/// use chainrule::{enable_grad, no_grad, param};
/// let x = param(3.0);
/// let y = no_grad(|| enable_grad(|| &x * 2.0));
/// assert!(y.requires_grad());
/// ```
pub fn enable_grad<R>(body: impl FnOnce() -> R) -> R {
    let _guard = GradModeGuard::set(true);
    body()
}

/// Restores anomaly mode when dropped.
///
/// ```
/// use chainrule::{param, AnomalyGuard};
/// let _watch = AnomalyGuard::set(true);
/// let error = param([0.0, 1.0]).reciprocal().unwrap_err();
/// assert_eq!(error.gate(), Some("Reciprocal"));
/// ```
#[derive(Debug)]
pub struct AnomalyGuard {
    before: bool,
    _this_thread: PhantomData<Rc<()>>,
}

impl AnomalyGuard {
    /// Switches the watch for NaN and infinities on or off until the guard is dropped.
    ///
    /// ```
    /// use chainrule::{param, AnomalyGuard};
    /// let watch = AnomalyGuard::set(true);
    /// assert!(param(-1.0).sqrt().is_err()); // NaN
    /// drop(watch);
    /// assert!(param(-1.0).sqrt().is_ok());
    /// ```
    #[must_use = "the mode ends when the guard is dropped"]
    pub fn set(on: bool) -> AnomalyGuard {
        AnomalyGuard { before: MODES.with(|modes| modes.anomaly.replace(on)), _this_thread: PhantomData }
    }
}

impl Drop for AnomalyGuard {
    fn drop(&mut self) {
        MODES.with(|modes| modes.anomaly.set(self.before));
    }
}

/// Runs `body` with every gate's values and gradients watched: the first gate that makes a NaN or an
/// infinity, forward or backward, becomes an error that names it and the source line of its call.
///
/// ```
/// use chainrule::{detect_anomaly, param, ErrorKind};
/// let error = detect_anomaly(|| param(0.0).log()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Anomaly);
/// assert_eq!(error.gate(), Some("Log"));
/// ```
pub fn detect_anomaly<R>(body: impl FnOnce() -> R) -> R {
    let _guard = AnomalyGuard::set(true);
    body()
}

/// One gate as it ran while recording.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) gate: GateRef,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) outputs: Vec<Tensor>,
    pub(crate) location: &'static std::panic::Location<'static>,
    /// The thread's generator before the gate ran.
    pub(crate) generator: Generator,
    /// The innermost module that was running, by its place among the recording's.
    pub(crate) scope: Option<usize>,
}

/// One call of a module while recording.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The module's name in the module that it is part of; empty for the outermost.
    pub(crate) name: String,
    /// What it is, as PyTorch prints it.
    pub(crate) layer: String,
    /// The call of the module that it is part of; it has a smaller place.
    pub(crate) parent: Option<usize>,
}

impl Step {
    /// Whether gradients were wanted of its inputs, and none goes through it.
    pub(crate) fn is_frozen(&self) -> bool {
        self.inputs.iter().any(Tensor::requires_grad) && !self.outputs.iter().any(Tensor::requires_grad)
    }
}

/// Every gate that ran on this thread while [`Recording::of`] ran its body.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recording {
    pub(crate) steps: Vec<Step>,
    /// The modules that were called, in this order.
    pub(crate) scopes: Vec<Scope>,
    /// Those of them that are running, the innermost last.
    open: Vec<usize>,
    /// The tensors whose values were handed out: code that no gate stands for may have gone by them.
    pub(crate) reads: Vec<Tensor>,
    /// Whether a tensor was changed in place, or a backward pass ran.
    pub(crate) impure: bool,
}

impl Recording {
    /// Runs `body` and returns what it returned and every gate that it ran.
    pub(crate) fn of<R>(body: impl FnOnce() -> R) -> (R, Recording) {
        /// Takes the recording away again even when the body panics.
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                RECORDINGS.with_borrow_mut(|all| {
                    // What ran inside an inner recording ran inside the outer one too.
                    if let (Some(inner), Some(outer)) = (all.pop(), all.last_mut()) {
                        outer.absorb(inner);
                    }
                    MODES.with(|modes| modes.recording.set(!all.is_empty()));
                });
            }
        }
        RECORDINGS.with_borrow_mut(|all| all.push(Recording::default()));
        MODES.with(|modes| modes.recording.set(true));
        let guard = Guard;
        let result = body();
        let recording = RECORDINGS.with_borrow_mut(|all| match &mut all[..] {
            [.., _, inner] => inner.clone(),
            [only] => std::mem::take(only),
            [] => Recording::default(),
        });
        drop(guard);
        (result, recording)
    }

    /// [`Recording::of`] for sending tangents through what ran. Backward passes inside are recorded gate by
    /// gate as well.
    pub(crate) fn of_forward_mode<R>(body: impl FnOnce() -> R) -> (R, Recording) {
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                MODES.with(|modes| modes.forward.set(modes.forward.get() - 1));
            }
        }
        MODES.with(|modes| modes.forward.set(modes.forward.get() + 1));
        let _guard = Guard;
        Recording::of(body)
    }

    /// How many gates the innermost recording has noted.
    pub(crate) fn length() -> usize {
        RECORDINGS.with_borrow(|all| all.last().map_or(0, |recording| recording.steps.len()))
    }

    /// Notes a gate in the innermost recording.
    pub(super) fn note(mut step: Step) {
        RECORDINGS.with_borrow_mut(|all| {
            if let Some(recording) = all.last_mut() {
                step.scope = recording.open.last().copied();
                recording.steps.push(step);
            }
        });
    }

    /// Notes that a tensor's values were handed out.
    #[cold]
    pub(super) fn note_read(tensor: &Tensor) {
        RECORDINGS.with_borrow_mut(|all| {
            if let Some(recording) = all.last_mut() {
                recording.reads.push(tensor.clone());
            }
        });
    }

    /// Notes something that isn't a gate, where a recording runs.
    pub(super) fn note_impure() {
        if is_recording() {
            RECORDINGS.with_borrow_mut(|all| all.iter_mut().for_each(|recording| recording.impure = true));
        }
    }

    /// Notes that a module is called, until the guard is dropped.
    #[must_use = "the module's call ends when the guard is dropped"]
    pub(crate) fn enter(name: String, layer: String) -> ScopeGuard {
        RECORDINGS.with_borrow_mut(|all| {
            if let Some(recording) = all.last_mut() {
                let parent = recording.open.last().copied();
                recording.open.push(recording.scopes.len());
                recording.scopes.push(Scope { name, layer, parent });
            }
        });
        ScopeGuard
    }

    /// Appends what an inner recording noted.
    fn absorb(&mut self, inner: Recording) {
        let (first, around) = (self.scopes.len(), self.open.last().copied());
        let moved = |place: Option<usize>| place.map(|place| place + first).or(around);
        self.reads.extend(inner.reads);
        self.scopes.extend(inner.scopes.into_iter().map(|s| Scope { parent: moved(s.parent), ..s }));
        self.steps.extend(inner.steps.into_iter().map(|s| Step { scope: moved(s.scope), ..s }));
    }
}

/// Ends a module's call when dropped.
#[derive(Debug)]
pub(crate) struct ScopeGuard;

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        RECORDINGS.with_borrow_mut(|all| {
            if let Some(recording) = all.last_mut() {
                recording.open.pop();
            }
        });
    }
}
