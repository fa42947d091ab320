//! A drawn picture as shapes with places and meanings; how these are coloured is decided by the writer.

use super::layout::Rect;

/// What a shape means, which gives it its colour in the light and in the dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Paint {
    Background,
    /// Names
    Text,
    /// Shapes, parameters
    Faint,
    /// Wires and arrow heads
    Wire,
    Gate,
    GateEdge,
    Leaf,
    LeafEdge,
    Data,
    DataEdge,
    Output,
    OutputEdge,
    Base,
    Saved,
    SavedEdge,
    Frame,
    FrameInner,
    FrameEdge,
    Value,
    Gradient,
    Local,
    Chip,
    /// torchviz's backward nodes
    Backward,
    BackwardEdge,
    /// torchviz's leaves
    TorchLeaf,
    TorchOutput,
}

/// Red, green, blue.
pub(crate) type Colour = u32;

impl Paint {
    /// All of them, with their names in style sheets and their colours in the light and in the dark.
    pub(crate) const ALL: [(Paint, &'static str, Colour, Colour); 26] = [
        (Paint::Background, "background", 0xffffff, 0x15181d),
        (Paint::Text, "text", 0x1c2430, 0xe6e9ee),
        (Paint::Faint, "faint", 0x647084, 0x97a3b4),
        (Paint::Wire, "wire", 0x5b6676, 0x8b96a6),
        (Paint::Gate, "gate", 0xffffff, 0x242a33),
        (Paint::GateEdge, "gate-edge", 0x7c8798, 0x6b7686),
        (Paint::Leaf, "leaf", 0xe3eefb, 0x1d3247),
        (Paint::LeafEdge, "leaf-edge", 0x7ba6d6, 0x4a7aac),
        (Paint::Data, "data", 0xf3f4f6, 0x2a2f37),
        (Paint::DataEdge, "data-edge", 0xb4bcc8, 0x59626f),
        (Paint::Output, "output", 0xe4f5df, 0x1f3a24),
        (Paint::OutputEdge, "output-edge", 0x77b56b, 0x549a54),
        (Paint::Base, "base", 0xa2cd5a, 0x4d6b22),
        (Paint::Saved, "saved", 0xffc66b, 0x80520a),
        (Paint::SavedEdge, "saved-edge", 0xd58a10, 0xb98229),
        (Paint::Frame, "frame", 0xf7f9fc, 0x1a1e25),
        (Paint::FrameInner, "frame-inner", 0xeef2f8, 0x20252d),
        (Paint::FrameEdge, "frame-edge", 0xcbd5e2, 0x3a4452),
        (Paint::Value, "value", 0x157f3b, 0x5fd08a),
        (Paint::Gradient, "gradient", 0xc42b2b, 0xff8a80),
        (Paint::Local, "local", 0x2456b8, 0x8fb8ff),
        (Paint::Chip, "chip", 0xeef3ff, 0x1e2a42),
        (Paint::Backward, "backward", 0xd9dce1, 0x3a414c),
        (Paint::BackwardEdge, "backward-edge", 0x8a93a0, 0x6b7686),
        (Paint::TorchLeaf, "torch-leaf", 0xb5dcea, 0x1f4a5c),
        (Paint::TorchOutput, "torch-output", 0xcaff70, 0x4f7a1a),
    ];

    pub(crate) fn class(self) -> &'static str {
        self.entry().1
    }

    /// Its colour, in the light or in the dark.
    #[cfg_attr(not(feature = "plot"), expect(dead_code, reason = "only PNG files have one colour"))]
    pub(crate) fn colour(self, dark: bool) -> Colour {
        let (_, _, light, dark_one) = self.entry();
        if dark { dark_one } else { light }
    }

    fn entry(self) -> (Paint, &'static str, Colour, Colour) {
        Paint::ALL[self as usize]
    }
}

/// Where a text is, seen from its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A piece of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Move(f64, f64),
    Line(f64, f64),
    Curve(f64, f64, f64, f64, f64, f64),
}

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Box {
        area: Rect,
        radius: f64,
        fill: Paint,
        edge: Option<Paint>,
    },
    Text {
        x: f64,
        y: f64,
        size: f64,
        anchor: Anchor,
        paint: Paint,
        text: String,
    },
    Path {
        steps: Vec<Step>,
        paint: Paint,
        dashed: bool,
    },
    /// A triangle whose tip is at the point, pointing down or to the right
    Head {
        x: f64,
        y: f64,
        right: bool,
        paint: Paint,
    },
    /// So many columns and rows of pixels, red, green and blue, enlarged without smoothing
    #[cfg(feature = "plot")]
    Image {
        area: Rect,
        columns: usize,
        rows: usize,
        pixels: Vec<[u8; 3]>,
    },
    /// What follows belongs to this node
    Open(String),
    Close,
}

/// All shapes, those in the background first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What the picture is of.
    pub(crate) title: String,
    pub(crate) shapes: Vec<Shape>,
}

/// The length of an arrow's head.
pub(crate) const HEAD: f64 = 7.0;
