//! `Array`: n-dimensional values without gradients.

mod dtype;
mod shape;

pub use dtype::DType;
pub use shape::{MAX_RANK, Meta, Shape};
