//! Files: written whole or not at all, and tensors in the safetensors format.

mod atomic;
mod safetensors;

pub use self::atomic::write_atomic;
pub use self::safetensors::{load_tensors, save_tensors};
