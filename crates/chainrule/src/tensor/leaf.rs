//! `Leaf`: the block of a tensor that no gate made, with its version and what accumulates at it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use super::{Handle, Shared, Tensor, hooks};
use crate::array::{Array, Meta};

/// A place for a gradient.
pub(crate) type GradCell = Mutex<Option<Tensor>>;

/// A leaf may be updated in place, which counts up its version.
pub(crate) struct Leaf {
    pub(super) values: Values,
    pub(super) version: AtomicU32,
    pub(super) requires_grad: AtomicBool,
    /// Rarely used parts, made when first needed.
    pub(super) extra: OnceLock<Box<Extra>>,
}

/// A leaf's values; element type and shape never change.
pub(super) enum Values {
    /// A 0-d f32, as bits: graphs of scalars read their leaves without a lock.
    Number(AtomicU32),
    Array(Box<RwLock<Array>>),
}

#[derive(Default)]
pub(super) struct Extra {
    /// The accumulated gradient.
    pub(super) grad: GradCell,
    pub(super) hooks: OnceLock<Box<hooks::LeafHooks>>,
}

impl Extra {
    pub(super) fn hooks(&self) -> &hooks::LeafHooks {
        self.hooks.get_or_init(Box::default)
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
    pub(super) fn hooks(&self) -> Option<&hooks::LeafHooks> {
        self.extra.get()?.hooks.get().map(|hooks| &**hooks)
    }

    pub(super) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
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
