//! How nodes and graphs hold a gate.

use std::sync::Arc;

use super::Gate;

/// A gate as nodes and graphs hold it: a constant of the program, or shared.
///
/// ```
/// use chainrule::gate::{activation::Hardtanh, arith::Mul, GateRef};
/// let constant = GateRef::Static(&Mul);
/// let shared: GateRef = Hardtanh { low: 0.0, high: 6.0 }.into();
/// assert_eq!((constant.name(), shared.name()), ("Mul", "Hardtanh")); // either way a `Gate`
/// ```
#[derive(Debug, Clone)]
pub enum GateRef {
    /// A constant of the program: costs no reference count.
    Static(&'static dyn Gate),
    /// A gate made at run time.
    Shared(Arc<dyn Gate>),
}

impl std::ops::Deref for GateRef {
    type Target = dyn Gate;
    #[inline]
    fn deref(&self) -> &dyn Gate {
        match self {
            GateRef::Static(gate) => *gate,
            GateRef::Shared(gate) => &**gate,
        }
    }
}

impl<G: Gate> From<G> for GateRef {
    fn from(gate: G) -> GateRef {
        GateRef::Shared(Arc::new(gate))
    }
}

impl From<Arc<dyn Gate>> for GateRef {
    fn from(gate: Arc<dyn Gate>) -> GateRef {
        GateRef::Shared(gate)
    }
}
