//! Pictures: torchviz's graphs node for node, and the geometry of the layout.
#![allow(clippy::unwrap_used)]

mod forward;
mod isomorphism;
mod large;
mod torchviz;
