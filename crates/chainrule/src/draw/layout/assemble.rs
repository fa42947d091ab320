//! Puts rows and columns of every level together, and the levels into each other.

use std::collections::HashMap;

use super::level::{Item, Level, Levels};
use super::order::{End, Rows};
use super::place::{Gaps, place};
use super::rank::{self, Lists};
use super::route::Router;
use super::{FramePlace, Geometry, Rect, Request, Size, Wire};

/// A level whose places are known, from its own upper left corner.
#[derive(Debug, Default)]
struct Placed {
    /// Middle and top of each item, with its room.
    items: Vec<(f64, f64)>,
    wires: Vec<Wire>,
    width: f64,
    height: f64,
    /// Where the title begins.
    title: f64,
    /// Where each signal enters and leaves, from the middle.
    doors: HashMap<Item, f64>,
}

/// Lays out the levels from the innermost to the outermost, and then adds up where they stand.
pub(super) fn assemble(request: &Request, levels: Levels) -> Geometry {
    let frames = request.frames.len();
    let mut placed: Vec<Placed> = Vec::new();
    placed.resize_with(frames + 1, Placed::default);
    // Inner frames have larger places; the outermost level comes last.
    for frame in (0..frames).rev().chain([frames]) {
        let level = &levels.levels[frame];
        if !level.items.is_empty() {
            placed[frame] =
                Inside { request, level, outputs: &levels.outputs, placed: &placed, frame }.place();
        }
    }
    let outermost = &placed[frames];
    let mut geometry = Geometry {
        nodes: vec![Rect::default(); request.nodes.len()],
        frames: vec![None; frames],
        wires: Vec::new(),
        width: outermost.width,
        height: outermost.height,
    };
    let mut corner = vec![(0.0, 0.0); frames + 1];
    for frame in [frames].into_iter().chain(0..frames) {
        let (x0, y0) = corner[frame];
        let own = &mut placed[frame];
        for (item, &(x, y)) in levels.levels[frame].items.iter().zip(&own.items) {
            match *item {
                Item::Node(node) => {
                    let Size { width, before, body, .. } = request.nodes[node];
                    geometry.nodes[node] =
                        Rect { x: x0 + x - width / 2.0, y: y0 + y + before, width, height: body };
                }
                Item::Frame(inner) => corner[inner] = (x0 + x, y0 + y),
                Item::In(_) | Item::Out(_) => {}
            }
        }
        for mut wire in std::mem::take(&mut own.wires) {
            wire.points.iter_mut().for_each(|(x, y)| (*x, *y) = (*x + x0, *y + y0));
            geometry.wires.push(wire);
        }
    }
    for frame in 0..frames {
        if !levels.levels[frame].items.is_empty() {
            // A frame's place in its level is its middle.
            let Placed { width, height, title, .. } = placed[frame];
            let (x, y) = corner[frame];
            let area = Rect { x, y, width, height };
            geometry.frames[frame] = Some(FramePlace { area, title: x + title });
        }
    }
    geometry
}

/// A level about to be laid out.
pub(super) struct Inside<'a> {
    pub(super) request: &'a Request,
    pub(super) level: &'a Level,
    /// Which output each signal is of.
    outputs: &'a [usize],
    /// The levels inside it.
    placed: &'a [Placed],
    /// Its frame, or the number of frames for the outermost level.
    frame: usize,
}

impl Inside<'_> {
    pub(super) fn extent(&self, item: usize) -> (f64, f64) {
        match self.level.items[item] {
            Item::Node(node) => {
                let Size { room, before, body, after, .. } = &self.request.nodes[node];
                (*room, before + body + after)
            }
            Item::Frame(frame) => (self.placed[frame].width, self.placed[frame].height),
            Item::In(_) | Item::Out(_) => (0.0, 0.0),
        }
    }

    /// An item's extent along the flow before the middle of its box and behind it.
    fn halves(&self, item: usize) -> (f64, f64) {
        match self.level.items[item] {
            Item::Node(node) => {
                let Size { before, body, after, .. } = &self.request.nodes[node];
                (before + body / 2.0, body / 2.0 + after)
            }
            _ => (self.extent(item).1 / 2.0, self.extent(item).1 / 2.0),
        }
    }

    /// Where a signal leaves an item, from its middle.
    pub(super) fn leaves_at(&self, item: usize, signal: usize) -> f64 {
        match self.level.items[item] {
            Item::Node(node) => {
                self.request.nodes[node].outputs.get(self.outputs[signal]).copied().unwrap_or(0.0)
            }
            Item::Frame(frame) => self.placed[frame].doors[&Item::Out(signal)],
            Item::In(_) | Item::Out(_) => 0.0,
        }
    }

    /// Where a signal arrives at an item, from its middle; at nodes this is settled later.
    pub(super) fn arrives_at(&self, item: usize, signal: usize) -> f64 {
        match self.level.items[item] {
            Item::Frame(frame) => self.placed[frame].doors[&Item::In(signal)],
            _ => 0.0,
        }
    }

    fn place(&self) -> Placed {
        let level = self.level;
        let spacing = self.request.spacing;
        let count = level.items.len();
        let edges: Vec<(usize, usize)> = level.stretches.iter().map(|s| (s.from, s.to)).collect();
        let ends: Vec<rank::End> = level
            .items
            .iter()
            .map(|item| match item {
                Item::In(_) => rank::End::First,
                Item::Out(_) => rank::End::Last,
                _ => rank::End::Free,
            })
            .collect();
        let mut ranks = rank::ranks(&level.order, &edges, &ends, spacing.early);
        let mut length = self.lengths();
        let (ways, hops, side_lanes) = self.ways(&mut ranks, &mut length);
        let last = ranks.iter().copied().max().unwrap_or(0);
        let total = ranks.len();

        let mut rows = Rows {
            rows: vec![Vec::new(); last + 1],
            place: vec![0; total],
            room: (0..total).map(|i| if i < count { self.extent(i).0 } else { 0.0 }).collect(),
            up: Lists::new(
                total,
                hops.iter().map(|h| (h.to, End { other: h.from, here: h.to_at, there: h.from_at })),
            ),
            down: Lists::new(
                total,
                hops.iter().map(|h| (h.from, End { other: h.to, here: h.from_at, there: h.to_at })),
            ),
            rank: ranks,
            length,
        };
        for item in 0..total {
            rows.rows[rows.rank[item]].push(item);
        }
        rows.order(hops.len());
        let is_wire: Vec<bool> =
            (0..total).map(|i| i >= count || matches!(level.items[i], Item::In(_) | Item::Out(_))).collect();
        let mut x = place(&rows, &is_wire, Gaps { boxes: spacing.boxes, wires: spacing.wires });

        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (x, room) in x.iter().zip(&rows.room) {
            low = low.min(x - room / 2.0);
            high = high.max(x + room / 2.0);
        }
        let side = high - low + spacing.wires;
        let mut width = high - low + side_lanes as f64 * spacing.wires;
        x.iter_mut().for_each(|x| *x -= low);
        let arrivals = self.arrivals(&rows, &x, count);
        let is_frame = self.frame < self.request.frames.len();
        let mut placed = Placed::default();
        let mut left = 0.0;
        if is_frame {
            left = spacing.frame;
            width += 2.0 * spacing.frame;
            let title = self.request.frames[self.frame].title;
            let entries: Vec<f64> =
                (0..count).filter(|&i| matches!(level.items[i], Item::In(_))).map(|i| x[i] + left).collect();
            placed.title = title_place(&entries, title, spacing.frame, &mut left, &mut width);
            x.iter_mut().for_each(|x| *x += left);
        }
        let top = if is_frame { spacing.title } else { 0.0 };
        let bottom = if is_frame { spacing.frame } else { 0.0 };

        // Rows: as high as their highest item; the distance to the next grows with how far wires must go aside.
        let mut row_top = vec![0.0f64; last + 1];
        let mut row_end = vec![0.0f64; last + 1];
        let mut middle = vec![0.0f64; last + 1];
        let mut y = top;
        for rank in 0..=last {
            let items = || rows.rows[rank].iter().copied();
            let boxes = || items().filter(|&i| i < count);
            middle[rank] = boxes().map(|i| self.halves(i).0).fold(0.0, f64::max);
            let height = match spacing.early {
                true => middle[rank] + boxes().map(|i| self.halves(i).1).fold(0.0, f64::max),
                false => boxes().map(|i| self.extent(i).1).fold(0.0, f64::max),
            };
            row_top[rank] = y;
            row_end[rank] = y + height;
            let aside = items()
                .flat_map(|i| rows.down.of(i).iter().map(move |end| (i, end)))
                .map(|(i, end)| (x[i] + end.here - x[end.other] - end.there).abs())
                .fold(0.0, f64::max);
            let only_wires = items().all(|i| is_wire[i]);
            let next_only_wires = rank < last && rows.rows[rank + 1].iter().all(|&i| is_wire[i]);
            let least = match aside < 1.0 && (only_wires || next_only_wires) {
                true => spacing.rows * 0.3,
                false => spacing.rows,
            };
            y = row_end[rank];
            if rank < last {
                y += least + (spacing.slope * (aside - spacing.rows).max(0.0)).min(72.0);
            }
        }
        placed.height = y + bottom;
        placed.width = width;
        let top = |item: usize| {
            let rank = rows.rank[item];
            if spacing.early {
                // On a board the boxes of a column stand above each other.
                return row_top[rank] + middle[rank] - self.halves(item).0;
            }
            let slack = row_end[rank] - row_top[rank] - self.extent(item).1;
            row_top[rank]
                + slack
                    * match (rows.up.of(item).is_empty(), rows.down.of(item).is_empty()) {
                        (true, false) => 1.0,
                        (false, true) => 0.0,
                        _ => 0.5,
                    }
        };
        let tops: Vec<f64> = (0..count).map(top).collect();
        placed.wires = Router {
            inside: self,
            rows: &rows,
            x: &x,
            tops: &tops,
            row_top: &row_top,
            row_end: &row_end,
            arrivals: &arrivals,
            side: side + left,
            height: placed.height,
        }
        .wires(&ways);
        for item in 0..count {
            let middle = x[item] - width / 2.0;
            if let door @ (Item::In(_) | Item::Out(_)) = level.items[item] {
                placed.doors.insert(door, middle);
            }
            let corner = match level.items[item] {
                Item::Frame(_) => x[item] - rows.room[item] / 2.0,
                _ => x[item],
            };
            placed.items.push((corner, tops[item]));
        }
        placed
    }
}

/// The room for a frame's title: at the left of all wires that enter, else at their right, else the frame is made
/// wider at its left.
fn title_place(entries: &[f64], title: f64, edge: f64, left: &mut f64, width: &mut f64) -> f64 {
    const APART: f64 = 5.0;
    let first = entries.iter().copied().fold(f64::INFINITY, f64::min);
    let last = entries.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let needed = title + edge;
    if entries.is_empty() || needed + APART <= first {
        *width = width.max(needed + edge);
        return edge;
    }
    if last + APART + needed <= *width {
        return *width - needed;
    }
    let more = needed + APART - first;
    *left += more;
    *width += more;
    edge
}
