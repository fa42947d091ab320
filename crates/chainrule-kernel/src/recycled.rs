//! `Shared`: a reference-counted pointer whose memory serves again.
//!
//! A graph makes and drops a block or two a gate, and with `Arc` most of a small gate's time goes to the allocator
//! and to counting. So each thread keeps the memory of the blocks that it freed for those that it will make, and the
//! last reference to a block, where it is the only one, is dropped without counting. Apart from that a `Shared` is
//! what `Arc` is.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Shared ownership of a value: [`std::sync::Arc`], but for where its memory comes from.
///
/// Types that need more than 16 bytes' alignment don't compile.
///
/// ```
/// use chainrule_kernel::recycled::Shared;
/// let name = Shared::new(String::from("tanh"));
/// let again = name.clone();
/// assert_eq!((again.len(), Shared::ptr_eq(&name, &again)), (4, true));
/// ```
pub struct Shared<T>(NonNull<Block<T>>, PhantomData<Block<T>>);

/// A reference to a shared value that doesn't keep it alive: [`std::sync::Weak`] of a [`Shared`].
///
/// ```
/// use chainrule_kernel::recycled::{Shared, WeakShared};
/// let value = Shared::new(5);
/// let weak: WeakShared<i32> = Shared::downgrade(&value);
/// assert_eq!(weak.upgrade().as_deref(), Some(&5));
/// drop(value);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakShared<T>(NonNull<Block<T>>, PhantomData<Block<T>>);

struct Block<T> {
    /// How many strong references there are (lower half), and how many weak ones (upper half): one word, so that one
    /// look at it tells whether a reference is the only one of all. The strong ones together hold one weak one.
    references: AtomicU64,
    /// Valid while there are strong references.
    value: T,
}

const STRONG: u64 = 1;
const WEAK: u64 = 1 << 32;

/// How many strong references a count tells of.
#[inline]
fn strong(references: u64) -> u32 {
    references as u32
}

// SAFETY: a reference gives `&T` to whichever thread holds it, and the thread that drops the last one drops the
// value: the bounds allow both.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}
// SAFETY: a weak reference gives nothing but a `Shared`.
unsafe impl<T: Send + Sync> Send for WeakShared<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send + Sync> Sync for WeakShared<T> {}

impl<T> Shared<T> {
    /// The first reference to a value.
    ///
    /// ```
    /// assert_eq!(*chainrule_kernel::recycled::Shared::new(5), 5);
    /// ```
    #[inline(always)]
    pub fn new(value: T) -> Shared<T> {
        let block = take::<Block<T>>();
        // SAFETY: `take` returns memory for a block that nobody else uses.
        unsafe {
            block.write(Block { references: AtomicU64::new(STRONG + WEAK), value });
        }
        Shared(block, PhantomData)
    }

    #[inline]
    fn block(&self) -> &Block<T> {
        // SAFETY: the block and its value live at least as long as this reference, which counts as strong.
        unsafe { self.0.as_ref() }
    }

    /// The address of the block: no other living block has it.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let (a, b) = (Shared::new(5), Shared::new(5));
    /// assert!(a.address() == a.clone().address() && a.address() != b.address());
    /// ```
    #[inline]
    pub fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Whether both refer to the same value.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let (a, b) = (Shared::new(5), Shared::new(5));
    /// assert!(Shared::ptr_eq(&a, &a.clone()) && !Shared::ptr_eq(&a, &b));
    /// ```
    #[inline]
    pub fn ptr_eq(a: &Shared<T>, b: &Shared<T>) -> bool {
        a.0 == b.0
    }

    /// Whether no other strong reference was there just now. Nothing follows from it: a weak one may make another any
    /// time.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let a = Shared::new(5);
    /// let weak = Shared::downgrade(&a);
    /// assert!(a.seems_last());
    /// let b = weak.upgrade();
    /// assert!(!a.seems_last());
    /// ```
    #[inline]
    pub fn seems_last(&self) -> bool {
        strong(self.block().references.load(Ordering::Relaxed)) == 1
    }

    /// Whether this is the only reference of all, strong or weak: then nobody is there who could make another one.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let a = Shared::new(5);
    /// assert!(a.is_only());
    /// let weak = Shared::downgrade(&a);
    /// assert!(!a.is_only());
    /// ```
    #[inline]
    pub fn is_only(&self) -> bool {
        self.block().references.load(Ordering::Acquire) == STRONG + WEAK
    }

    /// The value for writing, where this is its only reference, strong or weak.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let mut a = Shared::new(5);
    /// *a.get_mut().expect("it isn't shared yet") += 1;
    /// let b = a.clone();
    /// assert_eq!((*b, a.get_mut()), (6, None));
    /// ```
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: nobody else has a reference, nor can get one while this one is borrowed.
        self.is_only().then(|| unsafe { &mut (*self.0.as_ptr()).value })
    }

    /// A reference that doesn't keep the value alive.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let a = Shared::new(5);
    /// assert!(Shared::downgrade(&a).upgrade().is_some());
    /// ```
    pub fn downgrade(this: &Shared<T>) -> WeakShared<T> {
        count_up(&this.block().references, WEAK);
        WeakShared(this.0, PhantomData)
    }
}

/// Adds a reference of this kind.
#[inline]
fn count_up(references: &AtomicU64, kind: u64) {
    // Who adds one has one already, so that nothing must be seen of other threads.
    bound((references.fetch_add(kind, Ordering::Relaxed) / kind) as u32);
}

/// Ends the program before a count could wrap around: so many references can only have been leaked.
#[inline]
fn bound(count: u32) {
    if count > i32::MAX as u32 {
        std::process::abort();
    }
}

/// Takes a reference of this kind away, and tells whether it was the last of its kind. Then everything that other
/// threads did with theirs has happened.
#[inline]
fn count_down(references: &AtomicU64, kind: u64) -> bool {
    let last = (references.fetch_sub(kind, Ordering::Release) / kind) as u32 == 1;
    if last {
        fence(Ordering::Acquire);
    }
    last
}

impl<T> Deref for Shared<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.block().value
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Shared<T> {
        count_up(&self.block().references, STRONG);
        Shared(self.0, PhantomData)
    }
}

impl<T> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        let only = self.is_only();
        if only || count_down(&self.block().references, STRONG) {
            // SAFETY: this was the last strong reference, so nobody can reach the value any more.
            unsafe { ptr::drop_in_place(&raw mut (*self.0.as_ptr()).value) };
            if only {
                give(self.0);
            } else {
                drop(WeakShared(self.0, PhantomData));
            }
        }
    }
}

impl<T> WeakShared<T> {
    /// The value, if a strong reference is still there.
    ///
    /// ```
    /// use chainrule_kernel::recycled::Shared;
    /// let a = Shared::new(5);
    /// let weak = Shared::downgrade(&a);
    /// assert!(weak.upgrade().is_some_and(|b| Shared::ptr_eq(&a, &b)));
    /// drop(a);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Shared<T>> {
        let up = |references: u64| (strong(references) > 0).then_some(references + STRONG);
        let found = self.references().fetch_update(Ordering::Acquire, Ordering::Relaxed, up);
        // Made only where it was counted: even a `Shared` that is dropped at once counts down.
        found.ok().map(|references| {
            bound(strong(references));
            Shared(self.0, PhantomData)
        })
    }

    fn references(&self) -> &AtomicU64 {
        // SAFETY: the block's memory is kept while weak references are there; only its value may be gone.
        unsafe { &(*self.0.as_ptr()).references }
    }
}

impl<T> fmt::Debug for WeakShared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(weak)")
    }
}

impl<T> Clone for WeakShared<T> {
    fn clone(&self) -> WeakShared<T> {
        count_up(self.references(), WEAK);
        WeakShared(self.0, PhantomData)
    }
}

impl<T> Drop for WeakShared<T> {
    #[inline]
    fn drop(&mut self) {
        if count_down(self.references(), WEAK) {
            give(self.0);
        }
    }
}

/// Blocks are kept by their size in steps of so many bytes, which is also their alignment.
const STEP: usize = 16;

/// How many sizes there are; larger blocks aren't kept.
const SIZES: usize = 24;

/// A thread keeps at most so many bytes of free blocks.
const KEPT: usize = 16 << 20;

/// Memory of freed blocks: for each size a list threaded through the blocks themselves.
struct Free {
    first: [Cell<Option<NonNull<Link>>>; SIZES],
    /// [`CLOSED`] before the thread kept its first block, and when it has ended.
    bytes: Cell<usize>,
}

/// More than a thread keeps.
const CLOSED: usize = usize::MAX;

/// Empties the thread's lists at its end. It stands beside them so that nobody who uses them has to ask whether
/// they are still there.
struct End;

/// What stands at the beginning of a free block.
struct Link(Option<NonNull<Link>>);

thread_local! {
    static FREE: Free = const { Free { first: [const { Cell::new(None) }; SIZES], bytes: Cell::new(CLOSED) } };
    static END: End = const { End };
}

/// The place of a type among the sizes.
const fn size_of_block<B>() -> usize {
    assert!(align_of::<B>() <= STEP && size_of::<B>() >= size_of::<Link>());
    size_of::<B>().div_ceil(STEP)
}

/// Blocks of the same size share memory, whatever they hold.
const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size * STEP, STEP) {
        Ok(layout) => layout,
        Err(_) => panic!("no block is so large"),
    }
}

/// Memory for a block.
#[inline]
fn take<B>() -> NonNull<B> {
    let size = const { size_of_block::<B>() };
    if size < SIZES
        && let Some(block) = FREE.with(|free| free.pop(size))
    {
        return block.cast();
    }
    allocate(size).cast()
}

#[cold]
fn allocate(size: usize) -> NonNull<u8> {
    // SAFETY: a block isn't of size 0.
    let memory = unsafe { alloc(layout(size)) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout(size)))
}

/// Takes a block's memory back; nothing of it may be in use.
#[inline]
fn give<B>(block: NonNull<B>) {
    let size = const { size_of_block::<B>() };
    if !(size < SIZES && FREE.with(|free| free.push(block.cast(), size))) {
        keep_or_release(block.cast(), size);
    }
}

/// A block for which the lists seem to have no room.
#[cold]
#[inline(never)]
fn keep_or_release(block: NonNull<Link>, size: usize) {
    FREE.with(|free| {
        // At the end of a thread its lists are emptied before other values of the thread are dropped.
        if free.bytes.get() == CLOSED && END.try_with(|_| ()).is_ok() {
            free.bytes.set(0);
        }
        if !(size < SIZES && free.push(block, size)) {
            release(block.cast(), size);
        }
    });
}

fn release(block: NonNull<u8>, size: usize) {
    // SAFETY: `allocate` made every block of this size with this layout, and nobody uses this one any more.
    unsafe { dealloc(block.as_ptr(), layout(size)) };
}

impl Free {
    #[inline]
    fn pop(&self, size: usize) -> Option<NonNull<Link>> {
        let list = &self.first[size];
        let first = list.get()?;
        // SAFETY: `push` wrote a link at the beginning of every block of the list, and only this thread sees it.
        list.set(unsafe { first.read() }.0);
        self.bytes.set(self.bytes.get() - size * STEP);
        Some(first)
    }

    /// Whether there is room for the block, which is then in the list.
    #[inline]
    fn push(&self, block: NonNull<Link>, size: usize) -> bool {
        let room = self.bytes.get() < KEPT;
        if room {
            let list = &self.first[size];
            // SAFETY: the block is unused memory, at least as large as a link and aligned for one.
            unsafe { block.write(Link(list.get())) };
            list.set(Some(block));
            self.bytes.set(self.bytes.get() + size * STEP);
        }
        room
    }
}

impl Drop for End {
    fn drop(&mut self) {
        FREE.with(|free| {
            for size in 0..SIZES {
                while let Some(block) = free.pop(size) {
                    release(block.cast(), size);
                }
            }
            free.bytes.set(CLOSED);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn memory_serves_again_and_values_are_dropped_once() {
        let dropped = Mutex::new(Vec::new());
        struct Noted<'a>(u64, &'a Mutex<Vec<u64>>);
        impl Drop for Noted<'_> {
            fn drop(&mut self) {
                self.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(self.0);
            }
        }
        let first = Shared::new(Noted(1, &dropped));
        let (place, weak) = (first.address(), Shared::downgrade(&first));
        let second = first.clone();
        assert!(!first.is_only() && !first.seems_last());
        drop(first);
        assert!(second.seems_last() && !second.is_only() && weak.upgrade().is_some());
        drop(second);
        assert!(weak.upgrade().is_none());
        // The weak reference keeps the memory, not the value.
        assert_ne!(Shared::new(Noted(2, &dropped)).address(), place);
        drop(weak);
        let mut last = Shared::new(Noted(3, &dropped));
        assert_eq!(last.address(), place);
        assert_eq!(last.get_mut().map(|noted| noted.0), Some(3));
        drop(last);
        assert_eq!(*dropped.lock().unwrap_or_else(std::sync::PoisonError::into_inner), [1, 2, 3]);
    }

    #[test]
    fn references_are_counted_between_threads() {
        let shared = Shared::new(Mutex::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let own = shared.clone();
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let (again, weak) = (own.clone(), Shared::downgrade(&own));
                        *again.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
                        drop(again);
                        assert!(weak.upgrade().is_some());
                    }
                });
            }
        });
        assert!(shared.is_only());
        assert_eq!(*shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner), 4000);
    }
}
