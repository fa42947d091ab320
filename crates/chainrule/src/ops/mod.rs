//! Composite operators: short functions of gates, as methods on [`Tensor`](crate::Tensor), one file a family.
//!
//! An operator belongs here where a formula of gates is all there is to it; its gradient, of every order,
//! follows from the gates'. It becomes a gate of its own only where speed or memory was measured to ask for it.

mod assemble;
mod attention;
mod ctc;
mod distance;
mod einsum;
mod fill;
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
mod shape;
mod statistics;
mod triangle;

pub use attention::Attention;
pub use ctc::Ctc;
pub use index::Index;
pub use interpolate::{Mode, Resize};
pub use join::Sections;
pub use loss::Triplet;
pub use masked::Masked;
pub use quantile::Interpolation;
pub use scatter_reduce::Combine;
