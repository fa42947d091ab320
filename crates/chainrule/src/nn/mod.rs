//! Layers: modules with named parameters.

pub mod init;
mod layers;
mod module;

pub use layers::{Activation, Dropout, Flatten, Linear, Sequential};
pub use module::Module;
