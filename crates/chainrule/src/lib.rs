//! Computational graphs and backpropagation.
//!
//! A program writes ordinary expressions on tensors; every operation is a *gate* that computes its value
//! forward and, in the backward pass, multiplies the gradient it receives (upstream) by its local gradient.
//!
//! # Five minutes
//!
//! ```
//! use chainrule::check::gradcheck;
//! use chainrule::{grad, param, tensor, ComputationalGraph, DType, Tensor};
//!
//! // Leaves that want a gradient, an expression, the backward pass.
//! let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
//! let loss = (&x + &y) * &z;
//! assert_eq!(loss.to_string(), "tensor(-12., grad_fn=<MulBackward0>)");
//! loss.backward()?;
//! assert_eq!(x.grad().unwrap().to_string(), "tensor(-4.)");
//!
//! // Tensors broadcast and promote as PyTorch's do; methods return errors, operators panic with the same text.
//! let w = param([[1.0, 2.0], [3.0, 4.0]]);
//! let h = w.matmul(&tensor([1.0, -1.0]))?.tanh()?;
//! let gradient = &grad(&[&h.sum()?], &[&w])?[0];
//! assert_eq!(gradient.shape(), [2, 2]);
//! assert!(w.matmul(&tensor([1.0, 2.0, 3.0])).is_err());
//!
//! // A graph as data: run it again, look at every gate.
//! let mut graph = ComputationalGraph::capture(&((&x + &y) * &z))?;
//! graph.forward(&[("x0", &tensor(1.0))])?;
//! graph.backward()?;
//! assert_eq!(graph.gates()?[1].name, "Mul");
//!
//! // Gradients are proved by differences, in double precision.
//! let v = Tensor::new([0.5, -1.5], DType::F64)?.requires_grad_(true)?;
//! assert!(gradcheck(|v| v[0].sigmoid()?.sum(), &[v])?.passed());
//! # Ok::<(), chainrule::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod array;
pub mod check;
pub mod data;
pub mod diff;
pub mod draw;
pub mod error;
pub mod explorer;
pub mod fft;
pub mod formula;
pub mod gate;
pub mod graph;
pub mod io;
pub mod linalg;
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
mod order;
#[cfg(feature = "plot")]
pub mod plot;
pub mod profile;
pub mod tensor;
pub mod train;

pub use array::{
    Array, DType, Element, Generator, Literal, MAX_RANK, Meta, NewShape, Number, PrintOptions, Shape, Slice,
    Strides, manual_seed,
};
use chainrule_kernel as kernel;
pub use error::{Error, ErrorKind, Result};
pub use formula::Formula;
pub use graph::ComputationalGraph;

pub use kernel::conv::{set_winograd, winograd};
pub use kernel::pool::{num_threads, set_num_threads};
pub use ops::{Index, Sections};
pub use tensor::{
    AnomalyGuard, Backward, GradFn, GradModeGuard, GradientEdge, HookHandle, Operand, SavedTensorHooksGuard,
    Tensor, WeakTensor, detect_anomaly, disable_saved_tensor_hooks, enable_grad, grad, is_grad_enabled,
    no_grad, param, queue_callback, register_any_grad_hook, register_multi_grad_hook, saved_tensor_hooks,
    tensor,
};

/// The README's example is run, too.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
