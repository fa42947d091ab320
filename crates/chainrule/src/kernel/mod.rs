//! Loops over slices: all SIMD, all threads, and nearly all `unsafe` of the library.

pub(crate) mod memory;
pub mod real;
