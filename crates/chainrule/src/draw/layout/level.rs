//! Levels: the inside of each frame, and what is outside of all, as graphs of their own.

use std::collections::{HashMap, HashSet};

use super::rank::topological;
use super::{Link, Request};

/// What stands in a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Item {
    Node(usize),
    /// A frame, which is one box here.
    Frame(usize),
    /// Where a wire enters the level's frame.
    In(usize),
    /// Where a wire leaves it.
    Out(usize),
}

/// A wire's stretch within a level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) from: usize,
    pub(super) to: usize,
    /// What runs on the wire: stretches with equal signals from one item are bundled.
    pub(super) signal: usize,
    pub(super) link: usize,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub(super) items: Vec<Item>,
    pub(super) stretches: Vec<Stretch>,
    /// Its items from sources to sinks.
    pub(super) order: Vec<usize>,
}

/// One level a frame, and the outermost one last.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    pub(super) levels: Vec<Level>,
    /// Which output each signal is of.
    pub(super) outputs: Vec<usize>,
}

struct Builder<'a> {
    request: &'a Request,
    levels: Vec<Level>,
    /// Each node's place in its level.
    node_item: Vec<usize>,
    /// Each frame's place in the level around it, where it holds anything.
    frame_item: Vec<usize>,
    doors: HashMap<(Item, usize), usize>,
    known: HashSet<(usize, usize, usize, usize)>,
}

impl Levels {
    /// `None` where a level's items form a cycle.
    pub(super) fn of(request: &Request) -> Option<Levels> {
        let frames = request.frames.len();
        let mut builder = Builder {
            request,
            levels: vec![Level::default(); frames + 1],
            node_item: vec![0; request.nodes.len()],
            frame_item: vec![0; frames],
            doors: HashMap::new(),
            known: HashSet::new(),
        };
        builder.items();
        let mut signals: HashMap<(usize, usize, u8), usize> = HashMap::new();
        let mut outputs = Vec::new();
        for (place, link) in request.links.iter().enumerate() {
            let signal = *signals.entry((link.from, link.output, link.kind)).or_insert_with(|| {
                outputs.push(link.output);
                outputs.len() - 1
            });
            builder.link(place, link, signal);
        }
        let mut levels = builder.levels;
        for level in &mut levels {
            let edges: Vec<(usize, usize)> = level.stretches.iter().map(|s| (s.from, s.to)).collect();
            level.order = topological(level.items.len(), &edges)?;
        }
        Some(Levels { levels, outputs })
    }
}

impl Builder<'_> {
    fn level_of(&self, frame: Option<usize>) -> usize {
        frame.unwrap_or(self.request.frames.len())
    }

    fn items(&mut self) {
        let mut holds = vec![false; self.request.frames.len()];
        for (node, &frame) in self.request.frame_of.iter().enumerate() {
            let level = self.level_of(frame);
            self.node_item[node] = self.levels[level].items.len();
            self.levels[level].items.push(Item::Node(node));
            if let Some(frame) = frame {
                holds[frame] = true;
            }
        }
        // Outer frames have smaller places, so each is reached after all that are in it.
        for frame in (0..holds.len()).rev() {
            if let (true, Some(parent)) = (holds[frame], self.request.frames[frame].parent) {
                holds[parent] = true;
            }
        }
        for frame in (0..holds.len()).filter(|&frame| holds[frame]) {
            let level = self.level_of(self.request.frames[frame].parent);
            self.frame_item[frame] = self.levels[level].items.len();
            self.levels[level].items.push(Item::Frame(frame));
        }
    }

    /// The frames around a node, the innermost first.
    fn around(&self, node: usize) -> Vec<usize> {
        let mut frames = Vec::new();
        let mut next = self.request.frame_of[node];
        while let Some(frame) = next {
            frames.push(frame);
            next = self.request.frames[frame].parent;
        }
        frames
    }

    /// Leads a link out of the frames around its start and into those around its end.
    fn link(&mut self, place: usize, link: &Link, signal: usize) {
        let (mut out, mut into) = (self.around(link.from), self.around(link.to));
        while let (Some(a), Some(b)) = (out.last(), into.last())
            && a == b
        {
            out.pop();
            into.pop();
        }
        let common = match (out.last(), into.last()) {
            (Some(&frame), _) | (None, Some(&frame)) => self.level_of(self.request.frames[frame].parent),
            (None, None) => self.level_of(self.request.frame_of[link.from]),
        };
        let mut from = self.node_item[link.from];
        for frame in out {
            let door = self.door(frame, Item::Out(signal));
            self.stretch(frame, from, door, signal, place, true);
            from = self.frame_item[frame];
        }
        let mut level = common;
        for &frame in into.iter().rev() {
            self.stretch(level, from, self.frame_item[frame], signal, place, true);
            from = self.door(frame, Item::In(signal));
            level = frame;
        }
        self.stretch(level, from, self.node_item[link.to], signal, place, false);
    }

    /// Where a signal enters or leaves a frame.
    fn door(&mut self, frame: usize, item: Item) -> usize {
        let items = &mut self.levels[frame].items;
        *self.doors.entry((item, frame)).or_insert_with(|| {
            items.push(item);
            items.len() - 1
        })
    }

    /// A stretch of wire; `once`: only the first of its kind.
    fn stretch(&mut self, level: usize, from: usize, to: usize, signal: usize, link: usize, once: bool) {
        if once && !self.known.insert((level, from, to, signal)) {
            return;
        }
        self.levels[level].stretches.push(Stretch { from, to, signal, link });
    }
}
