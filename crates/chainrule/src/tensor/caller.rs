//! Whose source line a gate carries: the user's, also where a layer of the library made it.
//!
//! A gate knows where it was called. Inside a layer of the library that would be the layer's own source, which tells
//! a user nothing. So calling a module notes the caller's line for as long as the module runs, and a gate that the
//! library makes meanwhile carries that one. The innermost line of a user's program wins: gates that a user's own
//! module makes keep their lines, and those of a layer that it calls carry the line of that call.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

type Line = &'static Location<'static>;

thread_local! {
    static CALLER: Cell<Option<Line>> = const { Cell::new(None) };
}

/// The folder of the library's sources, as the compiler writes it into locations.
const SOURCES: &str = {
    let (folder, _) = file!().split_at(file!().len() - "tensor/caller.rs".len());
    folder
};

/// Whether a line is one of the library's. A call through `dyn Module` has such a line too: where the trait stands.
fn is_ours(line: Line) -> bool {
    line.file().as_bytes().starts_with(SOURCES.as_bytes())
}

/// The line that a gate carries which was called here.
#[inline]
pub(crate) fn line_of(called: Line) -> Line {
    match CALLER.get() {
        None => called,
        Some(caller) => line_within(caller, called),
    }
}

#[inline(never)]
fn line_within(caller: Line, called: Line) -> Line {
    if is_ours(called) { caller } else { called }
}

/// Until it is dropped, gates made by the library carry this line.
#[derive(Debug)]
pub(crate) struct CallerGuard {
    before: Option<Line>,
    _this_thread: PhantomData<Rc<()>>,
}

impl CallerGuard {
    /// Notes the caller of the function that calls this one, for the closures in which that one runs its gates.
    #[must_use = "the caller is forgotten when the guard is dropped"]
    #[track_caller]
    #[inline]
    pub(crate) fn here() -> CallerGuard {
        CallerGuard::enter(Location::caller())
    }

    /// Notes the line, unless it is one of the library's: then the caller around it stays.
    #[must_use = "the caller is forgotten when the guard is dropped"]
    #[inline]
    pub(crate) fn enter(line: Line) -> CallerGuard {
        let before = CALLER.get();
        if !is_ours(line) {
            CALLER.set(Some(line));
        }
        CallerGuard { before, _this_thread: PhantomData }
    }
}

impl Drop for CallerGuard {
    #[inline]
    fn drop(&mut self) {
        CALLER.set(self.before);
    }
}
