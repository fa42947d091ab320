//! Computational graphs and backpropagation.

pub mod array;
pub mod error;
mod kernel;

pub use array::{DType, MAX_RANK, Meta, Shape};
pub use error::{Error, ErrorKind, Result};
