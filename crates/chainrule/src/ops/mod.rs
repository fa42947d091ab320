//! Composite operators: short functions of gates, as methods on [`Tensor`](crate::Tensor), one file a family.
//!
//! An operator belongs here where a formula of gates is all there is to it; its gradient, of every order,
//! follows from the gates'. It becomes a gate of its own only where speed or memory was measured to ask for it.
//!
//! ```
//! use chainrule::param;
//! let (a, b) = (param(3.0), param(4.0));
//! let c = a.hypot(&b)?; // √(a² + b²), of gates
//! c.backward()?;
//! assert_eq!((c.item()?, a.grad().unwrap().to_string()), (5.0, "tensor(0.6000)".into()));
//! # Ok::<(), chainrule::Error>(())
//! ```

mod assemble;
mod attention;
mod ctc;
mod differences;
mod distance;
mod einsum;
mod fill;
mod grid;
mod index;
mod interpolate;
mod join;
mod loss;
mod masked;
mod matmul;
mod pointwise;
mod quantile;
mod reduce;
mod scatter_reduce;
mod segment;
mod shape;
mod statistics;
mod triangle;
mod windows;

pub use attention::Attention;
pub use ctc::Ctc;
pub use differences::Spacing;
pub use grid::{Outside, Sampling};
pub use index::Index;
pub use interpolate::{Mode, Resize};
pub use join::Sections;
pub use loss::Triplet;
pub use masked::Masked;
pub use quantile::Interpolation;
pub use scatter_reduce::Combine;
pub use segment::BagMode;
pub use windows::Patches;
