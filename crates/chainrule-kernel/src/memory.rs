//! Recycled buffers.
//!
//! Fresh memory costs the operating system about 2 µs for every 4 KiB page, more than most gates spend on
//! computing. Large buffers therefore go back to a list instead of the allocator, and a training step finds
//! the last step's buffers there. The list is bounded; what it can't hold is freed. Smaller buffers are cheaper
//! to allocate, but a small graph does little else: each thread keeps its last few.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::thread::LocalKey;

/// Buffers up to this many bytes are rounded up to a power of two and kept by size.
const SMALL: usize = 1024;

/// The fewest bytes a buffer takes.
const SMALLEST: usize = 16;

/// How many sizes of small buffers there are.
const SIZES: usize = (SMALL / SMALLEST).ilog2() as usize + 1;

/// Buffers from this many bytes on go to the list that all threads share.
const LARGE: usize = 32 * 1024;

/// How many smaller buffers a thread keeps, of each element type (of the small ones: and size).
const FEW: usize = 16;

/// At most this many bytes wait for reuse, of each element type: the gradients of 60 million weights, and what a step
/// computes beside them.
const MOST: usize = 512 * 1024 * 1024;

/// Elements whose buffers are recycled: `bool`, `u8`, `i32`, `i64`, `f32` and `f64`, and no others.
///
/// ```
/// use chainrule_kernel::memory::{Recycled, take};
/// fn zeros<T: Recycled>(len: usize) -> Vec<T> {
///     let mut buffer = take(len);
///     buffer.fill(T::default());
///     buffer
/// }
/// assert_eq!(zeros::<i32>(3), [0, 0, 0]);
/// ```
pub trait Recycled: lists::Lists {}

mod lists {
    use super::*;

    /// Where an element type's buffers wait. That nobody else can name this trait seals those that are built on it.
    pub trait Lists: Copy + Default + Send + Sync + 'static {
        fn store() -> &'static Mutex<Store<Self>>;
        fn recent() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
        fn small() -> &'static LocalKey<RefCell<[Vec<Vec<Self>>; SIZES]>>;
    }

    /// Large buffers that wait for reuse.
    pub struct Store<T> {
        pub(super) buffers: Vec<Vec<T>>,
        pub(super) bytes: usize,
    }
}
use lists::Store;

macro_rules! recycled {
    ($($T:ty),*) => {$(
        impl Recycled for $T {}
        impl lists::Lists for $T {
            fn store() -> &'static Mutex<Store<$T>> {
                static STORE: Mutex<Store<$T>> = Mutex::new(Store { buffers: Vec::new(), bytes: 0 });
                &STORE
            }
            fn recent() -> &'static LocalKey<RefCell<Vec<Vec<$T>>>> {
                thread_local! {
                    static RECENT: RefCell<Vec<Vec<$T>>> = const { RefCell::new(Vec::new()) };
                }
                &RECENT
            }
            #[inline]
            fn small() -> &'static LocalKey<RefCell<[Vec<Vec<$T>>; SIZES]>> {
                thread_local! {
                    static SMALL: RefCell<[Vec<Vec<$T>>; SIZES]> =
                        const { RefCell::new([const { Vec::new() }; SIZES]) };
                }
                &SMALL
            }
        }
    )*};
}

recycled!(bool, u8, i32, i64, f32, f64);

/// Buffers below this many bytes are taken for granted.
const ORDINARY: usize = 256 * 1024 * 1024;

/// Whether the system would give memory for `len` elements of `size` bytes at once. Small amounts are not asked for.
///
/// ```
/// use chainrule_kernel::memory::is_affordable;
/// assert!(is_affordable(1000, 4) && !is_affordable(usize::MAX, 4));
/// ```
#[inline]
pub fn is_affordable(len: usize, size: usize) -> bool {
    match len.checked_mul(size) {
        Some(bytes) if bytes < ORDINARY => true,
        Some(bytes) => is_given(bytes),
        None => false,
    }
}

#[cold]
fn is_given(bytes: usize) -> bool {
    Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
}

/// What is to be said where `len` elements of `size` bytes are not affordable.
///
/// ```
/// use chainrule_kernel::memory::refusal;
/// assert_eq!(refusal(1 << 60, 4), "memory can't hold 1152921504606846976 elements of 4 bytes");
/// ```
#[cold]
pub fn refusal(len: usize, size: usize) -> String {
    format!("memory can't hold {len} elements of {size} bytes")
}

/// A buffer of `len` copies of a value.
///
/// # Panics
/// Memory can't hold it; gates ask whether it [`is_affordable`] first.
///
/// ```
/// assert_eq!(chainrule_kernel::memory::filled(3, 1.5), [1.5, 1.5, 1.5]);
/// ```
pub fn filled<T: Copy>(len: usize, value: T) -> Vec<T> {
    assert_affordable::<T>(len);
    vec![value; len]
}

fn assert_affordable<T>(len: usize) {
    assert!(is_affordable(len, size_of::<T>()), "{}", refusal(len, size_of::<T>()));
}

/// A buffer of `len` elements whose contents are arbitrary (values of a former use, or zeros).
///
/// # Panics
/// Memory can't hold it; gates ask whether it [`is_affordable`] first.
///
/// ```
/// use chainrule_kernel::memory::{give, take};
/// let buffer = take::<f32>(1000);
/// let place = buffer.as_ptr();
/// give(buffer);
/// assert_eq!(take::<f32>(1000).as_ptr(), place); // the same memory again
/// ```
pub fn take<T: Recycled>(len: usize) -> Vec<T> {
    let bytes = len.saturating_mul(size_of::<T>());
    if bytes <= SMALL {
        return take_small(len, bytes);
    }
    // One that wastes at most a quarter; the newest first, as it is still in the cache.
    let fits = |buffer: &Vec<T>| buffer.capacity() >= len && buffer.capacity() <= len.saturating_add(len / 4);
    let recycled = if bytes < LARGE {
        // At the end of a thread its buffers are gone before other values of the thread are.
        T::recent().try_with(|recent| {
            let mut recent = recent.borrow_mut();
            let place = recent.iter().rposition(fits)?;
            Some(recent.remove(place))
        })
    } else {
        let mut store = T::store().lock().unwrap_or_else(PoisonError::into_inner);
        let found = store.buffers.iter().rposition(fits);
        Ok(found.map(|place| {
            let buffer = store.buffers.remove(place);
            store.bytes -= buffer.capacity() * size_of::<T>();
            buffer
        }))
    };
    match recycled.ok().flatten() {
        Some(mut buffer) => {
            // `give` left the old length, so that usually nothing has to be written here.
            buffer.resize(len, T::default());
            buffer
        }
        None => filled(len, T::default()),
    }
}

/// The place of a small buffer's size among the sizes, and its bytes.
#[inline]
fn size_of_small(bytes: usize) -> (usize, usize) {
    let bytes = bytes.max(SMALLEST).next_power_of_two();
    ((bytes / SMALLEST).ilog2() as usize, bytes)
}

#[inline]
fn take_small<T: Recycled>(len: usize, bytes: usize) -> Vec<T> {
    let (size, bytes) = size_of_small(bytes);
    // At the end of a thread its buffers are gone before other values of the thread are.
    let kept = T::small().try_with(|small| small.borrow_mut()[size].pop());
    let mut buffer = kept.ok().flatten().unwrap_or_else(|| Vec::with_capacity(bytes / size_of::<T>()));
    buffer.resize(len, T::default());
    buffer
}

#[inline]
fn give_small<T: Recycled>(buffer: Vec<T>, bytes: usize) {
    let (size, rounded) = size_of_small(bytes);
    if bytes == rounded {
        let _ = T::small().try_with(|small| {
            let kept = &mut small.borrow_mut()[size];
            if kept.len() < FEW {
                kept.push(buffer);
            }
        });
    }
}

/// Gives a buffer back for reuse by [`take`], also one that was made otherwise. The lists are bounded: what they can't
/// hold is freed, the oldest first.
///
/// ```
/// use chainrule_kernel::memory::{give, take};
/// give(vec![7i64; 100]);
/// assert_eq!(take::<i64>(100).len(), 100);
/// ```
#[inline]
pub fn give<T: Recycled>(buffer: Vec<T>) {
    let bytes = buffer.capacity() * size_of::<T>();
    match bytes {
        ..=SMALL => give_small(buffer, bytes),
        _ => give_large(buffer, bytes),
    }
}

fn give_large<T: Recycled>(buffer: Vec<T>, bytes: usize) {
    if bytes < LARGE {
        let _ = T::recent().try_with(|recent| {
            let mut recent = recent.borrow_mut();
            if recent.len() == FEW {
                recent.remove(0);
            }
            recent.push(buffer);
        });
        return;
    }
    let mut store = T::store().lock().unwrap_or_else(PoisonError::into_inner);
    store.bytes += bytes;
    store.buffers.push(buffer);
    let mut dropped = Vec::new();
    while store.bytes > MOST {
        let oldest = store.buffers.remove(0);
        store.bytes -= oldest.capacity() * size_of::<T>();
        dropped.push(oldest);
    }
    // The allocator is called outside the lock.
    drop(store);
    drop(dropped);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back() {
        for size in [1 << 20, 1000, 12] {
            let mut buffer = take::<i32>(size);
            buffer.fill(7);
            let place = buffer.as_ptr();
            give(buffer);
            let again = take::<i32>(size - 3);
            assert_eq!(again.as_ptr(), place);
            assert_eq!(again.len(), size - 3);
        }
    }
}
