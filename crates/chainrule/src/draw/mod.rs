//! Pictures of graphs: torchviz's backward graphs, forward pictures, and the lecturer's board.
//!
//! A [`Picture`] says what is shown; [`Picture::to_dot`], … write it.
//!
//! ```
//! use chainrule::draw::make_dot;
//! use chainrule::param;
//! let (w, x) = (param(2.0), param(3.0));
//! let dot = make_dot(&(&w * &x), [("w", &w), ("x", &x)], &Default::default()).to_dot();
//! assert!(dot.starts_with("digraph") && dot.contains("MulBackward0"));
//! ```

mod dot;
mod layout;
mod picture;
mod torchviz;

pub use picture::{Edge, Frame, Line, Mark, Node, NodeKind, Picture, Style, Tone};
pub use torchviz::{DotOptions, NO_PARAMS, make_dot, make_dot_of};
