//! Layers: modules with named parameters.

pub mod init;
mod layers;
mod load;
mod module;

pub use layers::{Activation, Dropout, Flatten, Linear, Sequential};
pub use load::LoadReport;
pub use module::Module;
