//! `Leaf`: the block of a tensor that no gate made, with its version and what accumulates at it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use super::node::SCALAR;
use super::{Handle, Shared, Tensor, hooks, lock};
use crate::array::{Array, Meta};
use crate::error::Result;

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

/// The gradient that has accumulated at a leaf. It becomes a tensor when somebody asks for it: training would else spend
/// its time on making tensors.
#[derive(Default)]
pub(super) struct LeafGrad {
    /// [`NONE`], [`NUMBER`] and the bits of a 0-d f32, or [`HELD`].
    state: AtomicU64,
    /// The gradient where `state` says [`HELD`]; otherwise what stands here doesn't count. `state` becomes [`HELD`]
    /// under this lock only, and leaves it so too, but for [`LeafGrad::clear`] of a number. Arrays that were forgotten
    /// leave [`HELD`] with nothing, for the next one.
    held: Mutex<Option<Sum>>,
}

/// A gradient that isn't a number.
enum Sum {
    Array(Array),
    /// Somebody has asked for it, or put it here.
    Tensor(Tensor),
}

impl Sum {
    fn is_number(&self) -> bool {
        match self {
            Sum::Array(array) => array.inline_value::<f32>().is_some(),
            Sum::Tensor(tensor) => tensor.number().is_some(),
        }
    }
}

const NONE: u64 = 0;
const NUMBER: u64 = 1 << 32;
const HELD: u64 = 2 << 32;

impl LeafGrad {
    /// The gradient under its lock. A number becomes an array for it.
    #[inline]
    fn hold(&self) -> MutexGuard<'_, Option<Sum>> {
        let mut held = lock(&self.held);
        loop {
            let state = self.state.load(Ordering::Acquire);
            let becomes_held =
                || self.state.compare_exchange(state, HELD, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            match state {
                HELD => return held,
                _ if becomes_held() => {
                    let number = |state: u64| Sum::Array(Array::scalar(f32::from_bits(state as u32)));
                    *held = if state == NONE { None } else { Some(number(state)) };
                    return held;
                }
                _ => {}
            }
        }
    }

    /// Whether there is surely no gradient.
    fn is_none(&self) -> bool {
        self.state.load(Ordering::Acquire) == NONE
    }

    /// The gradient as a tensor.
    pub(super) fn get(&self) -> Option<Tensor> {
        if self.is_none() {
            return None;
        }
        let mut held = self.hold();
        let tensor = match held.take()? {
            Sum::Array(array) => Tensor::from_array(array),
            Sum::Tensor(tensor) => tensor,
        };
        *held = Some(Sum::Tensor(tensor.clone()));
        Some(tensor)
    }

    /// Runs `read` on the gradient's values, where there is one. It must not change the gradient.
    #[inline]
    pub(super) fn read<R>(&self, read: impl FnOnce(&Array) -> R) -> Option<R> {
        if self.is_none() {
            return None;
        }
        let held = self.hold();
        match held.as_ref()? {
            Sum::Array(array) => Some(read(array)),
            Sum::Tensor(tensor) => {
                let values = tensor.snapshot();
                drop(held);
                Some(read(&values))
            }
        }
    }

    /// Replaces the gradient.
    pub(super) fn set(&self, new: Option<Tensor>) {
        let state = if new.is_some() { HELD } else { NONE };
        let before = {
            let mut held = lock(&self.held);
            self.state.store(state, Ordering::Release);
            std::mem::replace(&mut *held, new.map(Sum::Tensor))
        };
        drop(before);
    }

    /// Forgets the gradient.
    #[inline]
    pub(super) fn clear(&self) {
        match self.state.load(Ordering::Relaxed) {
            NONE => {}
            HELD => {
                let mut held = lock(&self.held);
                let before = held.take();
                // Numbers do without the lock.
                if before.as_ref().is_some_and(Sum::is_number) {
                    self.state.store(NONE, Ordering::Release);
                }
                drop(held);
                drop(before);
            }
            // If the number becomes an array at this very moment, that one is forgotten too.
            _ => self.state.store(NONE, Ordering::Release),
        }
    }

    /// Adds a number to the gradient, where that is none or a number; tells whether it did.
    #[inline]
    pub(super) fn add_number(&self, number: f32) -> bool {
        let sum = |state: u64| match state {
            HELD => None,
            NONE => Some(NUMBER | u64::from(number.to_bits())),
            _ => Some(NUMBER | u64::from((f32::from_bits(state as u32) + number).to_bits())),
        };
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, sum).is_ok()
    }

    /// Adds an array to the gradient: the first one moves in, and to that others are added in place.
    pub(super) fn add_array(&self, gradient: Array) -> Result<()> {
        let mut held = self.hold();
        match &mut *held {
            None => *held = Some(Sum::Array(gradient)),
            Some(Sum::Array(sum)) => sum.add_assign(&gradient),
            Some(Sum::Tensor(sum)) if sum.is_leaf() => sum.modify(|sum| sum.add_assign(&gradient))?,
            Some(Sum::Tensor(_)) => return LeafGrad::add_under_lock(held, Tensor::from_array(gradient)),
        }
        Ok(())
    }

    /// Adds a gradient that may have a graph of its own.
    pub(super) fn add_tensor(&self, gradient: Tensor) -> Result<()> {
        LeafGrad::add_under_lock(self.hold(), gradient)
    }

    /// The lock is kept meanwhile, so that no gradient of another thread gets lost.
    fn add_under_lock(mut held: MutexGuard<'_, Option<Sum>>, gradient: Tensor) -> Result<()> {
        let sum = match &*held {
            None => gradient,
            Some(Sum::Array(before)) => Tensor::from_array(before.clone()).add(&gradient)?,
            Some(Sum::Tensor(before)) => before.add(&gradient)?,
        };
        let before = held.replace(Sum::Tensor(sum));
        // A graph may end with it, and with that values of the program's: not under the lock.
        drop(held);
        drop(before);
        Ok(())
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
