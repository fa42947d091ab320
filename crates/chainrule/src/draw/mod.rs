//! Pictures of graphs: torchviz's backward graphs, forward pictures, and the lecturer's board.
//!
//! A [`Picture`] says what is shown; [`Picture::to_dot`], … write it.

mod dot;
mod layout;
mod picture;
mod torchviz;

pub use picture::{Edge, Frame, Line, Mark, Node, NodeKind, Picture, Style, Tone};
pub use torchviz::{DotOptions, NO_PARAMS, make_dot, make_dot_of};
