//! Proof: gradients compared with numerical derivatives.
//!
//! [`numerical_gradient`] is the definition as a lecture writes it. [`gradcheck`] compares every gradient of
//! a function with differences whose own error it estimates, says where the two part, and names the gate
//! that is wrong. [`laws`] are what every gate must obey.
//!
//! ```
//! use chainrule::check::{gradcheck, numerical_gradient};
//! use chainrule::{DType, Tensor};
//! let w = Tensor::new([1.0, 2.0], DType::F64)?.requires_grad_(true)?;
//! let loss = |w: &Tensor| w.square()?.sum();
//! loss(&w)?.backward()?;
//! // By definition, and with an estimate of the definition's own error:
//! let numeric = numerical_gradient(loss, &w, 1e-6)?;
//! assert!(numeric.all_close(&w.grad().unwrap().array(), 1e-5, 0.0));
//! assert!(gradcheck(|x| loss(&x[0]), &[w])?.passed());
//! # Ok::<(), chainrule::Error>(())
//! ```

mod gates;
mod gradcheck;
pub mod laws;
mod numerical;
mod program;
mod replayed;

pub use gates::{GateCheck, GateFault, check_gates};
pub use gradcheck::{Finding, GradCheck, Mismatch, Report, gradcheck, gradgradcheck};
pub use numerical::{Derivative, Difference, derivative, numerical_gradient, numerical_gradient_with};
