//! Pictures of graphs: torchviz's backward graphs, forward pictures, and the lecturer's board.
//!
//! A [`Picture`] says what is shown. It is written as DOT text ([`Picture::to_dot`]), or laid out and drawn
//! without Graphviz as SVG ([`Picture::to_svg`]) and PNG.
//!
//! ```
//! use chainrule::draw::make_dot;
//! use chainrule::param;
//! let (w, x) = (param(2.0), param(3.0));
//! let dot = make_dot(&(&w * &x), [("w", &w), ("x", &x)], &Default::default()).to_dot();
//! assert!(dot.starts_with("digraph") && dot.contains("MulBackward0"));
//! ```

mod board;
mod dot;
pub(crate) mod font;
mod graph;
mod layout;
mod look;
mod picture;
#[cfg(feature = "plot")]
mod png;
mod render;
pub(crate) mod scene;
mod svg;
mod text;
mod torchviz;

pub use picture::{Edge, Frame, Line, Mark, Node, NodeKind, Picture, Style, Tone};
pub use torchviz::{DotOptions, NO_PARAMS, make_dot, make_dot_of};

use std::path::Path;

use crate::error::{Error, Result};
use crate::io::write_atomic;
#[cfg(feature = "plot")]
pub(crate) use layout::Rect;

/// Writes shapes as SVG or PNG, by the file's ending.
#[cfg(feature = "plot")]
pub(crate) fn save_scene(scene: &scene::Scene, path: &Path, dark: bool) -> Result<()> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => write_atomic(path, svg::write(scene).as_bytes()),
        Some("png") => write_atomic(path, &png::write(scene, dark).map_err(|error| error.path(path))?),
        _ => Err(Error::argument("figures are written as .svg or .png").path(path)),
    }
}

impl Picture {
    /// The picture as SVG, laid out and drawn without Graphviz, light or dark as the reader's system is.
    ///
    /// ```
    /// use chainrule::{draw::make_dot, param};
    /// let (x, y) = (param(2.0), param(3.0));
    /// let svg = make_dot(&(&x * &y), [("x", &x), ("y", &y)], &Default::default()).to_svg();
    /// assert!(svg.starts_with("<svg") && svg.contains("MulBackward0"));
    /// ```
    pub fn to_svg(&self) -> String {
        svg::write(&render::Drawn::of(self).scene())
    }

    /// The picture as a PNG file, two pixels a unit where it isn't very large.
    ///
    /// # Errors
    /// The picture is too large for any.
    ///
    /// ```
    /// use chainrule::{draw::make_dot, param};
    /// let (x, y) = (param(2.0), param(3.0));
    /// let picture = make_dot(&(&x * &y), [("x", &x), ("y", &y)], &Default::default());
    /// assert!(picture.to_png(false)?.starts_with(b"\x89PNG"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[cfg(feature = "plot")]
    pub fn to_png(&self, dark: bool) -> Result<Vec<u8>> {
        png::write(&render::Drawn::of(self).scene(), dark)
    }

    /// Writes the picture to a file, whole or not at all: SVG, DOT text, or PNG by the file's ending. `dark` is
    /// about PNG alone.
    ///
    /// ```
    /// use chainrule::{draw::make_dot, param};
    /// let x = param(2.0);
    /// let picture = make_dot(&x.exp()?, [("x", &x)], &Default::default());
    /// let path = std::env::temp_dir().join("chainrule-picture.svg");
    /// picture.save(&path, false)?;
    /// assert!(std::fs::read_to_string(&path).unwrap().starts_with("<svg"));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The file has another ending or can't be written; PNG needs the feature `plot`.
    pub fn save(&self, path: impl AsRef<Path>, dark: bool) -> Result<()> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
        match ending.as_deref() {
            Some("svg") => write_atomic(path, self.to_svg().as_bytes()),
            Some("dot" | "gv") => write_atomic(path, self.to_dot().as_bytes()),
            #[cfg(feature = "plot")]
            Some("png") => write_atomic(path, &self.to_png(dark).map_err(|error| error.path(path))?),
            #[cfg(not(feature = "plot"))]
            Some("png") => {
                Err(Error::argument(format!("PNG files (dark: {dark}) need the feature `plot`")).path(path))
            }
            _ => Err(Error::argument("pictures are written as .svg, .dot or .png").path(path)),
        }
    }
}
