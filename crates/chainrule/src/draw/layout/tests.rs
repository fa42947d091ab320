//! The geometry that the layout promises, on torchviz's pictures and on random graphs with frames.

use std::io::Read as _;

use super::{FrameSize, Geometry, Link, Rect, Request, Size, Spacing, directed, layout};
use crate::draw::picture::Picture;

const SPACING: Spacing =
    Spacing { boxes: 16.0, wires: 9.0, rows: 24.0, slope: 0.12, frame: 12.0, title: 20.0, early: false };

fn size(width: f64, body: f64) -> Size {
    Size { width, room: width, before: 0.0, body, after: 0.0, between: 24.0, outputs: vec![0.0] }
}

/// Straight pieces of a wire, as it is drawn.
fn pieces(points: &[(f64, f64)]) -> Vec<((f64, f64), (f64, f64))> {
    let mut all = Vec::new();
    for pair in points.windows(2) {
        let ((ax, ay), (bx, by)) = (pair[0], pair[1]);
        if ax == bx {
            all.push((pair[0], pair[1]));
            continue;
        }
        // A cubic curve whose control points are half way along the flow.
        let at = |t: f64| {
            let (s, m) = (1.0 - t, (ay + by) / 2.0);
            let mix = |p: [f64; 4]| {
                s * s * s * p[0] + 3.0 * s * s * t * p[1] + 3.0 * s * t * t * p[2] + t * t * t * p[3]
            };
            (mix([ax, ax, bx, bx]), mix([ay, m, m, by]))
        };
        for i in 0..16 {
            all.push((at(f64::from(i) / 16.0), at(f64::from(i + 1) / 16.0)));
        }
    }
    all
}

/// Whether a short piece of wire runs through the inside of a box.
fn crosses(area: Rect, (a, b): ((f64, f64), (f64, f64))) -> bool {
    const SKIN: f64 = 0.6;
    let inside = |low: f64, high: f64, a: f64, b: f64| (a.min(b) < high - SKIN) && (a.max(b) > low + SKIN);
    if !inside(area.x, area.x + area.width, a.0, b.0) || !inside(area.y, area.y + area.height, a.1, b.1) {
        return false;
    }
    // The pieces are short against boxes: their points tell.
    (0..=32).any(|i| {
        let t = f64::from(i) / 32.0;
        let (x, y) = (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
        x > area.x + SKIN
            && x < area.x + area.width - SKIN
            && y > area.y + SKIN
            && y < area.y + area.height - SKIN
    })
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.x + b.width - 0.01
        && b.x < a.x + a.width - 0.01
        && a.y < b.y + b.height - 0.01
        && b.y < a.y + a.height - 0.01
}

fn holds(outer: Rect, inner: Rect) -> bool {
    outer.x <= inner.x
        && outer.y <= inner.y
        && inner.x + inner.width <= outer.x + outer.width
        && inner.y + inner.height <= outer.y + outer.height
}

/// Everything that is promised.
fn check(request: &Request, geometry: &Geometry) {
    let around = |node: usize| {
        let mut frames = Vec::new();
        let mut next = request.frame_of[node];
        while let Some(frame) = next {
            frames.push(frame);
            next = request.frames[frame].parent;
        }
        frames
    };
    // Boxes in stripes along the flow, so that each is compared with few.
    let mut order: Vec<usize> = (0..geometry.nodes.len()).collect();
    order.sort_by(|&a, &b| geometry.nodes[a].y.total_cmp(&geometry.nodes[b].y));
    for (i, &a) in order.iter().enumerate() {
        let own = geometry.nodes[a];
        for &b in order[i + 1..].iter().take_while(|&&b| geometry.nodes[b].y < own.y + own.height) {
            assert!(!overlap(own, geometry.nodes[b]), "boxes {a} and {b} overlap");
        }
        for (frame, place) in geometry.frames.iter().enumerate() {
            let Some(place) = place else { continue };
            match around(a).contains(&frame) {
                true => assert!(holds(place.area, own), "box {a} leaves its frame {frame}"),
                false => assert!(!overlap(place.area, own), "box {a} is in the foreign frame {frame}"),
            }
        }
    }
    for link in &request.links {
        let (from, to) = (geometry.nodes[link.from], geometry.nodes[link.to]);
        assert!(from.y + from.height < to.y, "{link:?} doesn't lead forward");
    }
    let highest = geometry.nodes.iter().map(|area| area.height).fold(0.0, f64::max);
    let tops: Vec<f64> = order.iter().map(|&node| geometry.nodes[node].y).collect();
    for wire in &geometry.wires {
        let link = request.links[wire.link];
        for pair in wire.points.windows(2) {
            assert!(pair[0].1 <= pair[1].1 + 1e-9, "the wire of {link:?} turns back: {:?}", wire.points);
        }
        let (out, into) = (around(link.from), around(link.to));
        for piece in pieces(&wire.points) {
            let first = tops.partition_point(|&top| top < piece.0.1 - highest - 1.0);
            let last = tops.partition_point(|&top| top <= piece.1.1 + 1.0);
            for &node in &order[first..last] {
                let foreign = request.links.iter().all(|_| node != link.from && node != link.to);
                assert!(
                    !foreign || !crosses(geometry.nodes[node], piece),
                    "the wire of {link:?} crosses the box {node}"
                );
            }
            for (frame, place) in geometry.frames.iter().enumerate() {
                let Some(place) = place else { continue };
                // A bundle goes into the frames of all that use the signal.
                let wanted = out.contains(&frame)
                    || into.contains(&frame)
                    || request.links.iter().any(|other| {
                        (other.from, other.output) == (link.from, link.output)
                            && around(other.to).contains(&frame)
                    });
                assert!(
                    wanted || !crosses(place.area, piece),
                    "the wire of {link:?} crosses the frame {frame}"
                );
            }
        }
    }
    let arrived = geometry.wires.iter().filter(|wire| wire.arrives).count();
    assert_eq!(arrived, request.links.len(), "every link has one wire that arrives");
}

fn of_picture(text: &str) -> Request {
    let picture = Picture::from_dot(text).unwrap();
    let links = directed(&picture).into_iter().zip(&picture.edges);
    Request {
        nodes: picture.nodes.iter().map(|node| size(20.0 + 6.0 * node.label.len() as f64, 18.0)).collect(),
        frame_of: vec![None; picture.nodes.len()],
        frames: Vec::new(),
        links: links.map(|((from, to), edge)| Link { from, output: 0, to, kind: edge.line as u8 }).collect(),
        spacing: SPACING,
    }
}

#[test]
fn torchvizs_pictures() {
    for text in [
        include_str!("../../../tests/pictures/lecture.dot"),
        include_str!("../../../tests/pictures/lecture_saved_attrs.dot"),
        include_str!("../../../tests/pictures/sigmoid_neuron.dot"),
        include_str!("../../../tests/pictures/mlp_cross_entropy.dot"),
        include_str!("../../../tests/pictures/alexnet_saved.dot"),
        include_str!("../../../tests/pictures/resnet18.dot"),
    ] {
        let mut request = of_picture(text);
        check(&request, &layout(&request));
        request.spacing.early = true;
        check(&request, &layout(&request));
    }
}

#[test]
fn a_network_in_which_every_layer_sees_all_before() {
    let packed = include_bytes!("../../../tests/pictures/densenet201.dot.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let request = of_picture(&text);
    let geometry = layout(&request);
    assert_eq!((request.nodes.len(), request.links.len()), (1921, 3723));
    let points: usize = geometry.wires.iter().map(|wire| wire.points.len()).sum();
    assert!(points < 60_000, "{points} points in wires that would be 182,028 dummies of other layouts");
    check(&request, &geometry);
}

/// A generator of its own, so that the graphs are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

#[test]
fn random_graphs_with_nested_frames() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let count = 2 + dice.below(60);
        // Frames are stretches of the program, nested as calls are.
        let mut frames: Vec<FrameSize> = Vec::new();
        let mut frame_of = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        for _ in 0..count {
            match dice.below(6) {
                0 if open.len() < 4 => {
                    frames.push(FrameSize { parent: open.last().copied(), title: dice.below(120) as f64 });
                    open.push(frames.len() - 1);
                }
                1 => drop(open.pop()),
                _ => {}
            }
            frame_of.push(open.last().copied());
        }
        let mut links = Vec::new();
        for to in 1..count {
            for _ in 0..dice.below(4) {
                // Mostly near ones.
                let from = if dice.below(3) == 0 { dice.below(to) } else { to - 1 - dice.below(to.min(4)) };
                links.push(Link { from, output: dice.below(2), to, kind: 0 });
            }
        }
        let nodes = (0..count).map(|_| {
            let width = 20.0 + dice.below(100) as f64;
            let room = width + dice.below(60) as f64;
            let (before, after) = (dice.below(20) as f64, dice.below(20) as f64);
            let outputs = vec![-5.0, 5.0];
            Size { width, room, before, body: 10.0 + dice.below(40) as f64, after, between: 24.0, outputs }
        });
        let nodes = nodes.collect();
        let mut request = Request { nodes, frame_of, frames, links, spacing: SPACING };
        check(&request, &layout(&request));
        request.spacing.early = true;
        request.frames.clear();
        request.frame_of.fill(None);
        check(&request, &layout(&request));
    }
}

#[test]
fn frames_that_cannot_be_ordered_are_left_out() {
    // a (in a frame) → b (outside) → c (in the frame)
    let links =
        vec![Link { from: 0, output: 0, to: 1, kind: 0 }, Link { from: 1, output: 0, to: 2, kind: 0 }];
    let nodes = vec![size(40.0, 20.0), size(40.0, 20.0), size(40.0, 20.0)];
    let frames = vec![FrameSize { parent: None, title: 30.0 }];
    let frame_of = vec![Some(0), None, Some(0)];
    let geometry = layout(&Request { nodes, frame_of, frames, links, spacing: SPACING });
    assert!(geometry.frames.is_empty());
    assert!(geometry.nodes[0].y < geometry.nodes[1].y && geometry.nodes[1].y < geometry.nodes[2].y);
}

/// A chain in which every tenth node is used again a thousand nodes later, and the last one by all.
fn long_chain(count: usize) -> Request {
    let mut links: Vec<Link> = (1..count).map(|to| Link { from: to - 1, output: 0, to, kind: 0 }).collect();
    links.extend((1000..count).step_by(10).map(|to| Link { from: to - 1000, output: 0, to, kind: 0 }));
    links.extend((0..count - 2).step_by(100).map(|from| Link { from, output: 0, to: count - 1, kind: 0 }));
    let nodes = (0..count).map(|_| size(40.0, 20.0)).collect();
    Request { nodes, frame_of: vec![None; count], frames: Vec::new(), links, spacing: SPACING }
}

#[test]
fn long_wires_beside_the_rows_cross_no_box_either() {
    let request = long_chain(3_000);
    let geometry = layout(&request);
    check(&request, &geometry);
}

#[test]
fn deep_graphs_need_no_deep_stack() {
    let work = || {
        let request = long_chain(100_000);
        let geometry = layout(&request);
        let points: usize = geometry.wires.iter().map(|wire| wire.points.len()).sum();
        (request.links.len(), points)
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(work).unwrap();
    let (links, points) = thread.join().unwrap();
    assert!(points < 40 * links, "{points} points for {links} links");
}

#[test]
fn a_node_with_many_neighbours_takes_no_longer_than_as_many_nodes() {
    // With work for every pair of neighbours this test would run for hours.
    const MANY: usize = 50_000;
    let both = |i: usize| [(MANY, i), (i, MANY + 1)].map(|(from, to)| Link { from, output: 0, to, kind: 0 });
    let links: Vec<Link> = (0..MANY).flat_map(both).collect();
    let nodes = (0..MANY + 2).map(|_| size(40.0, 20.0)).collect();
    let frame_of = vec![None; MANY + 2];
    let geometry = layout(&Request { nodes, frame_of, frames: Vec::new(), links, spacing: SPACING });
    let mut row: Vec<Rect> = geometry.nodes[..MANY].to_vec();
    row.sort_by(|a, b| a.x.total_cmp(&b.x));
    assert!(row.windows(2).all(|pair| pair[0].y == pair[1].y && !overlap(pair[0], pair[1])));
    assert_eq!(geometry.wires.iter().filter(|wire| wire.arrives).count(), 2 * MANY);
    // Each wire arrives at a place of its own, within the node.
    let last = geometry.nodes[MANY + 1];
    let mut ends: Vec<f64> =
        geometry.wires.iter().filter_map(|wire| wire.points.last()).map(|end| end.0).collect();
    ends.retain(|&x| (last.x..=last.x + last.width).contains(&x));
    assert!(ends.len() >= MANY);
}
