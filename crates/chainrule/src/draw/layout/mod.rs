//! Gives every node, frame and wire of a picture a place, in time linear in the graph's size.
//!
//! Layered, after Sugiyama: nodes stand in rows that follow the flow of data (`rank`), rows are ordered to
//! avoid crossings (`order`), and columns are chosen so that long wires are straight (`place`, after Brandes and
//! Köpf, 2002). A wire passes each row in a lane of its own and bends only between rows, so that by construction it
//! crosses no box. What leaves one output is bundled: it runs down as one wire, from which the others branch.
//! Wires that would need more lanes than the graph has nodes and edges, by a constant factor, run beside the
//! rows instead; that keeps the time linear where layouts with a dummy for every row a wire passes are quadratic.
//!
//! The inside of each frame is laid out by itself (`level`), and is one box in the layout around it.
//!
//! Coordinates: x is across the flow, y along it. Pictures from left to right swap them at the end.

mod assemble;
mod level;
mod order;
mod place;
mod rank;
mod route;
#[cfg(test)]
mod tests;

use level::Levels;
pub(in crate::draw) use rank::{directed, order_of};

/// What the layout needs to know of a node.
#[derive(Debug, Clone)]
pub(in crate::draw) struct Size {
    /// Its extent across the flow.
    pub(in crate::draw) width: f64,
    /// Its extent across the flow with the texts at its wires.
    pub(in crate::draw) room: f64,
    /// The part along the flow before it that its arriving wires cross in a straight line.
    pub(in crate::draw) before: f64,
    /// Its own extent along the flow.
    pub(in crate::draw) body: f64,
    /// The part along the flow behind it that its leaving wires cross in a straight line.
    pub(in crate::draw) after: f64,
    /// The distance between two arriving wires.
    pub(in crate::draw) between: f64,
    /// Where each output leaves, from the middle.
    pub(in crate::draw) outputs: Vec<f64>,
}

/// A frame: the one around it, and how much room its title needs.
#[derive(Debug, Clone)]
pub(in crate::draw) struct FrameSize {
    pub(in crate::draw) parent: Option<usize>,
    pub(in crate::draw) title: f64,
}

/// An edge in the direction in which it counts for the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::draw) struct Link {
    pub(in crate::draw) from: usize,
    pub(in crate::draw) output: usize,
    pub(in crate::draw) to: usize,
    /// Edges of different kinds aren't bundled.
    pub(in crate::draw) kind: u8,
}

/// Distances.
#[derive(Debug, Clone, Copy)]
pub(in crate::draw) struct Spacing {
    /// Between boxes of a row.
    pub(in crate::draw) boxes: f64,
    /// Between wires, and between a wire and a box.
    pub(in crate::draw) wires: f64,
    /// Between rows, at least.
    pub(in crate::draw) rows: f64,
    /// How much this grows with the distance that wires go aside.
    pub(in crate::draw) slope: f64,
    /// Between a frame and what is in it.
    pub(in crate::draw) frame: f64,
    /// The height of a frame's title.
    pub(in crate::draw) title: f64,
    /// Whether nodes stand as early as they can, and leaves all in front; else leaves stand near their users.
    pub(in crate::draw) early: bool,
}

/// All that is to be laid out.
#[derive(Debug, Clone)]
pub(in crate::draw) struct Request {
    pub(in crate::draw) nodes: Vec<Size>,
    /// The innermost frame of each node.
    pub(in crate::draw) frame_of: Vec<Option<usize>>,
    /// Outer ones before inner ones.
    pub(in crate::draw) frames: Vec<FrameSize>,
    pub(in crate::draw) links: Vec<Link>,
    pub(in crate::draw) spacing: Spacing,
}

/// A rectangle with its sides along the axes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A frame's place, and where its title begins; `None` where it holds nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::draw) struct FramePlace {
    pub(in crate::draw) area: Rect,
    pub(in crate::draw) title: f64,
}

/// A stretch of wire. Between two points with equal x it is straight, else an S that leaves and arrives along
/// the flow.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::draw) struct Wire {
    /// Place of the link that it belongs to; a bundle belongs to the first one.
    pub(in crate::draw) link: usize,
    pub(in crate::draw) points: Vec<(f64, f64)>,
    /// Whether it ends at the link's end, and not at a frame.
    pub(in crate::draw) arrives: bool,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::draw) struct Geometry {
    /// The nodes themselves, without the room for texts around them.
    pub(in crate::draw) nodes: Vec<Rect>,
    pub(in crate::draw) frames: Vec<Option<FramePlace>>,
    pub(in crate::draw) wires: Vec<Wire>,
    pub(in crate::draw) width: f64,
    pub(in crate::draw) height: f64,
}

/// Lays out a graph without cycles.
///
/// Frames that are entered and left so that they can't stand in an order are left out.
pub(in crate::draw) fn layout(request: &Request) -> Geometry {
    let flat;
    let (request, levels) = match Levels::of(request) {
        Some(levels) => (request, levels),
        None => {
            let frame_of = vec![None; request.nodes.len()];
            flat = Request { frame_of, frames: Vec::new(), ..request.clone() };
            let levels = Levels::of(&flat).expect("a picture's arrows form no cycle");
            (&flat, levels)
        }
    };
    assemble::assemble(request, levels)
}
