//! Computational graphs and backpropagation.

pub mod array;
pub mod check;
pub mod data;
pub mod error;
pub mod formula;
pub mod gate;
pub mod graph;
pub mod io;
mod kernel;
pub mod models;
pub mod nn;
pub mod optim;
pub mod tensor;
pub mod train;

pub use array::{
    Array, DType, Element, Generator, Literal, MAX_RANK, Meta, Number, PrintOptions, Shape, Slice,
    manual_seed,
};
pub use error::{Error, ErrorKind, Result};
pub use formula::Formula;
pub use graph::ComputationalGraph;
pub use kernel::pool::{num_threads, set_num_threads};
pub use tensor::{
    AnomalyGuard, Backward, GradModeGuard, HookHandle, Operand, Tensor, WeakTensor, detect_anomaly,
    enable_grad, grad, is_grad_enabled, no_grad, param, tensor,
};
