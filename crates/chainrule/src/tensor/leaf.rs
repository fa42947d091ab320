//! `Leaf`: the block of a tensor that no gate made, with its version and what accumulates at it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use super::node::SCALAR;
use super::{Handle, Shared, Tensor, hooks, lock};
use crate::array::{Array, Meta};

/// A leaf may be updated in place, which counts up its version.
pub(crate) struct Leaf {
    pub(super) values: Values,
    pub(super) version: AtomicU32,
    pub(super) requires_grad: AtomicBool,
    pub(super) grad: LeafGrad,
    pub(super) hooks: OnceLock<Box<hooks::LeafHooks>>,
}

/// A leaf's values; element type and shape never change.
pub(super) enum Values {
    /// A 0-d f32, as bits: graphs of scalars read their leaves without a lock.
    Number(AtomicU32),
    Array(Shared<ArrayLeaf>),
}

/// The array of a leaf, and what is known of it without its lock.
pub(super) struct ArrayLeaf {
    pub(super) meta: Meta,
    pub(super) array: RwLock<Array>,
}

impl ArrayLeaf {
    #[inline]
    pub(super) fn new(array: Array) -> ArrayLeaf {
        ArrayLeaf { meta: array.meta(), array: RwLock::new(array) }
    }
}

/// The gradient that has accumulated at a leaf. Where it is a 0-d f32, it stays a number until somebody asks for the
/// tensor: training graphs of scalars would else spend their time on making tensors.
#[derive(Default)]
pub(super) struct LeafGrad {
    /// [`NONE`], [`NUMBER`] and its bits, or [`TENSOR`].
    state: AtomicU64,
    /// The gradient where `state` says so; otherwise what stands here doesn't count. `state` becomes [`TENSOR`], and
    /// leaves it, under this lock only.
    tensor: Mutex<Option<Tensor>>,
}

const NONE: u64 = 0;
const NUMBER: u64 = 1 << 32;
const TENSOR: u64 = 2 << 32;

impl LeafGrad {
    /// The gradient; a number becomes a tensor for it.
    pub(super) fn get(&self) -> Option<Tensor> {
        match self.state.load(Ordering::Acquire) {
            NONE => None,
            _ => self.get_or_put(None).map(|(before, _)| before),
        }
    }

    /// The gradient, if there is one, with `new`; otherwise `new` becomes the gradient.
    pub(super) fn get_or_put(&self, new: Option<Tensor>) -> Option<(Tensor, Option<Tensor>)> {
        let mut tensor = lock(&self.tensor);
        loop {
            let state = self.state.load(Ordering::Acquire);
            let becomes_tensor =
                || self.state.compare_exchange(state, TENSOR, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            match state {
                TENSOR => return tensor.clone().map(|before| (before, new)),
                NONE if new.is_none() => return None,
                NONE if becomes_tensor() => {
                    let before = std::mem::replace(&mut *tensor, new);
                    drop(tensor);
                    drop(before);
                    return None;
                }
                NUMBER.. if becomes_tensor() => {
                    *tensor = Some(Tensor::from_number(f32::from_bits(state as u32)))
                }
                _ => {}
            }
        }
    }

    /// Replaces the gradient.
    pub(super) fn set(&self, new: Option<Tensor>) {
        let state = if new.is_some() { TENSOR } else { NONE };
        let before = {
            let mut tensor = lock(&self.tensor);
            self.state.store(state, Ordering::Release);
            std::mem::replace(&mut *tensor, new)
        };
        drop(before);
    }

    /// Forgets the gradient.
    #[inline]
    pub(super) fn clear(&self) {
        match self.state.load(Ordering::Relaxed) {
            NONE => {}
            TENSOR => self.set(None),
            // If the number becomes a tensor at this very moment, that one is forgotten too.
            _ => self.state.store(NONE, Ordering::Release),
        }
    }

    /// Adds a number to the gradient, where that isn't a tensor; tells whether it did.
    #[inline]
    pub(super) fn add_number(&self, number: f32) -> bool {
        let sum = |state: u64| match state {
            TENSOR => None,
            NONE => Some(NUMBER | u64::from(number.to_bits())),
            _ => Some(NUMBER | u64::from((f32::from_bits(state as u32) + number).to_bits())),
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, sum).is_ok()
    }
}

impl Leaf {
    #[inline]
    pub(super) fn number(&self) -> Option<f32> {
        match &self.values {
            Values::Number(bits) => Some(f32::from_bits(bits.load(Ordering::Relaxed))),
            Values::Array(_) => None,
        }
    }

    pub(super) fn with_array<R>(&self, read: impl FnOnce(&Array) -> R) -> R {
        match &self.values {
            Values::Number(bits) => read(&Array::scalar(f32::from_bits(bits.load(Ordering::Relaxed)))),
            Values::Array(own) => read(&own.array.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    #[inline]
    pub(crate) fn meta(&self) -> &Meta {
        match &self.values {
            Values::Number(_) => &SCALAR,
            Values::Array(own) => &own.meta,
        }
    }

    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// The hooks, where there are any.
    #[inline]
    pub(super) fn hooks(&self) -> Option<&hooks::LeafHooks> {
        self.hooks.get().map(|hooks| &**hooks)
    }

    pub(super) fn hooks_or_new(&self) -> &hooks::LeafHooks {
        self.hooks.get_or_init(Box::default)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leaf of {}", self.meta())
    }
}

impl From<Shared<Leaf>> for Tensor {
    fn from(leaf: Shared<Leaf>) -> Tensor {
        Tensor(Handle::Leaf(leaf))
    }
}
