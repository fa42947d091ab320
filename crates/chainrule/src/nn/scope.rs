//! Which module is running: while a graph is recorded, each gate is noted with the module that ran it.

use std::cell::RefCell;

use super::Module;
use super::module::Identity;
use crate::tensor::{Recording, ScopeGuard};

/// A part of a running module, and whether it was called before.
struct Part {
    name: String,
    id: Identity,
    called: bool,
}

thread_local! {
    /// The parts of each running module, the innermost last.
    static RUNNING: RefCell<Vec<Vec<Part>>> = const { RefCell::new(Vec::new()) };
}

/// Ends the module's call when dropped.
pub(super) struct Guard {
    _scope: ScopeGuard,
}

impl Drop for Guard {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
    }
}

/// Notes a module's call under the name that the module around it has for it.
pub(super) fn enter(id: Identity, children: Vec<(String, &dyn Module)>, layer: String) -> Guard {
    let parts = children.into_iter().map(|(name, part)| Part { name, id: part.identity(), called: false });
    let parts = parts.collect();
    let name = RUNNING.with_borrow_mut(|running| {
        // Modules without content may share a place in memory; the next one not yet called is the right one.
        let own = running.last_mut().and_then(|around| {
            let next = around.iter().position(|part| part.id == id && !part.called);
            let part = next.or_else(|| around.iter().position(|part| part.id == id));
            part.map(|place| &mut around[place])
        });
        let name = own.map_or_else(String::new, |part| {
            part.called = true;
            part.name.clone()
        });
        running.push(parts);
        name
    });
    Guard { _scope: Recording::enter(name, layer) }
}
