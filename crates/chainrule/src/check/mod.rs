//! Proof: gradients compared with numerical derivatives.
//!
//! [`numerical_gradient`] is the definition as a lecture writes it. [`gradcheck`] compares every gradient of
//! a function with differences whose own error it estimates, says where the two part, and names the gate
//! that is wrong. [`laws`] are what every gate must obey.

mod gates;
mod gradcheck;
pub mod laws;
mod numerical;

pub use gates::{GateFault, check_gates};
pub use gradcheck::{Finding, GradCheck, Mismatch, Report, gradcheck, gradgradcheck};
pub use numerical::{Derivative, Difference, derivative, numerical_gradient, numerical_gradient_with};
