//! `NodeRef`: the reference-counted pointer to a node, whose memory serves again.
//!
//! A graph of scalars makes and drops one node a gate, and with `Arc` most of a gate's time goes to the
//! allocator. So each thread keeps the memory of the nodes that it freed for those that it will make. Apart from
//! that a `NodeRef` is what `Arc` is. This is the engine's only unsafe code.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use super::node::Node;

/// Shared ownership of a node.
#[derive(Debug)]
pub(crate) struct NodeRef(NonNull<Block>);

/// A reference to a node that doesn't keep it alive.
#[derive(Debug)]
pub(super) struct WeakNodeRef(NonNull<Block>);

struct Block {
    strong: AtomicUsize,
    /// The weak references, and one more for all strong ones together.
    weak: AtomicUsize,
    /// Valid while `strong` isn't 0.
    node: Node,
}

// SAFETY: a reference gives `&Node` to whichever thread holds it, and the thread that drops the last one drops
// the node: `Node` allows both, as the assertion below makes sure.
unsafe impl Send for NodeRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for NodeRef {}
// SAFETY: a weak reference gives nothing but a `NodeRef`.
unsafe impl Send for WeakNodeRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for WeakNodeRef {}

const _: fn() = || {
    fn assert_send_and_sync<T: Send + Sync>() {}
    assert_send_and_sync::<Node>();
};

impl NodeRef {
    #[inline]
    pub(crate) fn new(node: Node) -> NodeRef {
        let block = take();
        // SAFETY: `take` returns memory for a block that nobody else uses.
        unsafe {
            block.write(Block { strong: AtomicUsize::new(1), weak: AtomicUsize::new(1), node });
        }
        NodeRef(block)
    }

    #[inline]
    fn block(&self) -> &Block {
        // SAFETY: the block and its node live at least as long as this reference, which counts as strong.
        unsafe { self.0.as_ref() }
    }

    /// The address of the node's block: no other living node has it.
    #[inline]
    pub(super) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Whether no other strong reference was there just now; one may have been dropped since.
    #[inline]
    pub(super) fn seems_last(&self) -> bool {
        self.block().strong.load(Ordering::Relaxed) == 1
    }

    pub(super) fn downgrade(&self) -> WeakNodeRef {
        count_up(&self.block().weak);
        WeakNodeRef(self.0)
    }
}

/// Adds a reference.
#[inline]
fn count_up(count: &AtomicUsize) {
    // Who adds one has one already, so that nothing must be seen of other threads. So many references can only
    // have been leaked; before the count could wrap around, the program ends.
    if count.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
        std::process::abort();
    }
}

/// Takes a reference away, and tells whether it was the last. Then everything that other threads did with
/// theirs has happened.
#[inline]
fn count_down(count: &AtomicUsize) -> bool {
    let last = count.fetch_sub(1, Ordering::Release) == 1;
    if last {
        fence(Ordering::Acquire);
    }
    last
}

impl Deref for NodeRef {
    type Target = Node;
    #[inline]
    fn deref(&self) -> &Node {
        &self.block().node
    }
}

impl Clone for NodeRef {
    #[inline]
    fn clone(&self) -> NodeRef {
        count_up(&self.block().strong);
        NodeRef(self.0)
    }
}

impl Drop for NodeRef {
    #[inline]
    fn drop(&mut self) {
        if count_down(&self.block().strong) {
            // SAFETY: this was the last strong reference, so nobody can reach the node any more.
            unsafe { ptr::drop_in_place(&raw mut (*self.0.as_ptr()).node) };
            drop(WeakNodeRef(self.0));
        }
    }
}

impl WeakNodeRef {
    /// The node, if a strong reference is still there.
    pub(super) fn upgrade(&self) -> Option<NodeRef> {
        let up = |count: usize| if count == 0 { None } else { Some(count + 1) };
        let strong = self.strong().fetch_update(Ordering::Acquire, Ordering::Relaxed, up);
        // Made only where it was counted: even a `NodeRef` that is dropped at once counts down.
        strong.is_ok().then(|| NodeRef(self.0))
    }

    fn strong(&self) -> &AtomicUsize {
        // SAFETY: the block's memory is kept while weak references are there; only its node may be gone.
        unsafe { &(*self.0.as_ptr()).strong }
    }

    fn weak(&self) -> &AtomicUsize {
        // SAFETY: as in `strong`.
        unsafe { &(*self.0.as_ptr()).weak }
    }
}

impl Clone for WeakNodeRef {
    fn clone(&self) -> WeakNodeRef {
        count_up(self.weak());
        WeakNodeRef(self.0)
    }
}

impl Drop for WeakNodeRef {
    #[inline]
    fn drop(&mut self) {
        if count_down(self.weak()) {
            give(self.0);
        }
    }
}

/// Memory of freed blocks: a list threaded through the blocks themselves.
struct Free {
    first: Cell<Option<NonNull<Link>>>,
    count: Cell<usize>,
}

/// What stands at the beginning of a free block.
struct Link(Option<NonNull<Link>>);

/// A thread keeps at most so many free blocks: 16 MiB.
const KEPT: usize = (16 << 20) / size_of::<Block>();

thread_local! {
    static FREE: Free = const { Free { first: Cell::new(None), count: Cell::new(0) } };
}

/// Memory for a block.
#[inline]
fn take() -> NonNull<Block> {
    FREE.try_with(Free::pop).ok().flatten().unwrap_or_else(|| {
        let layout = Layout::new::<Block>();
        // SAFETY: a block isn't of size 0.
        let memory = unsafe { alloc(layout) };
        NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
    })
}

/// Takes a block's memory back; nothing of it may be in use.
#[inline]
fn give(block: NonNull<Block>) {
    // At the end of a thread its list is gone before other values of the thread are.
    if !FREE.try_with(|free| free.push(block)).unwrap_or(false) {
        release(block);
    }
}

fn release(block: NonNull<Block>) {
    // SAFETY: `take` allocated every block with this layout, and nobody uses this one any more.
    unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Block>()) };
}

impl Free {
    #[inline]
    fn pop(&self) -> Option<NonNull<Block>> {
        let first = self.first.get()?;
        // SAFETY: `push` wrote a link at the beginning of every block of the list, and only this thread sees it.
        self.first.set(unsafe { first.read() }.0);
        self.count.set(self.count.get() - 1);
        Some(first.cast())
    }

    /// Whether there is room for the block, which is then in the list.
    #[inline]
    fn push(&self, block: NonNull<Block>) -> bool {
        let room = self.count.get() < KEPT;
        if room {
            let link = block.cast::<Link>();
            // SAFETY: the block is unused memory, larger than a link and aligned for one.
            unsafe { link.write(Link(self.first.get())) };
            self.first.set(Some(link));
            self.count.set(self.count.get() + 1);
        }
        room
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        while let Some(block) = self.pop() {
            release(block);
        }
    }
}
