//! Computational graphs and backpropagation.

pub mod array;
pub mod error;
mod kernel;

pub use array::{Array, DType, Element, Literal, MAX_RANK, Meta, Number, PrintOptions, Shape, Slice};
pub use error::{Error, ErrorKind, Result};
