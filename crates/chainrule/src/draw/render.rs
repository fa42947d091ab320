//! From a picture to shapes: how large everything is, where the layout puts it, how it looks.

use super::font::{cut, width};
use super::layout::{self, FrameSize, Geometry, Link, Rect, Request, Spacing, layout};
use super::look::{LONGEST, Look, MARK, SHAPE, is_sideways, line_height, look, mark_width, offsets, size};
use super::picture::{Edge, Line, Mark, Node, NodeKind, Picture, Style, Tone};
use super::scene::{Anchor, HEAD, Paint, Scene, Shape, Step};

/// Around the whole picture.
const MARGIN: f64 = 16.0;
/// The size of a frame's name.
const FRAME_NAME: f64 = 10.5;
/// The size of local gradients on the board.
const CHIP: f64 = 10.5;
/// The height of the box around one.
const CHIP_HEIGHT: f64 = 16.0;
/// The size of the title and of the legend.
const TITLE: f64 = 14.0;
const LEGEND: f64 = 10.5;

/// A picture with the looks and places of all that it shows.
pub(super) struct Drawn<'a> {
    picture: &'a Picture,
    looks: Vec<Look>,
    /// Marks at the end of each link.
    pub(super) links: Vec<Link>,
    pub(super) geometry: Geometry,
    /// The room above the graph.
    head: f64,
}

impl<'a> Drawn<'a> {
    pub(super) fn of(picture: &'a Picture) -> Drawn<'a> {
        let sideways = is_sideways(picture.style);
        let pairs = layout::directed(picture);
        let mut arriving = vec![0; picture.nodes.len()];
        let mut chips = vec![0.0f64; picture.nodes.len()];
        for (edge, &(_, to)) in picture.edges.iter().zip(&pairs) {
            arriving[to] += 1;
            chips[to] = chips[to].max(mark_width(&edge.marks, CHIP));
        }
        let mut looks: Vec<Look> = picture
            .nodes
            .iter()
            .zip(&arriving)
            .map(|(node, &arriving)| look(picture.style, node, arriving))
            .collect();
        if sideways {
            // The names of inputs end where their wires begin, all in one column.
            let is_name = |look: &Look, node: &Node| look.fill.is_none() && node.kind != NodeKind::Output;
            let names = looks.iter().zip(&picture.nodes).filter(|(look, node)| is_name(look, node));
            let widest = names.map(|(look, _)| look.width).fold(0.0, f64::max);
            for (look, node) in looks.iter_mut().zip(&picture.nodes) {
                if is_name(look, node) {
                    look.width = widest;
                }
            }
        }
        let sizes = picture.nodes.iter().zip(&looks).zip(&chips);
        let nodes = sizes.map(|((node, look), &chip)| size(sideways, node, look, chip)).collect();
        let links: Vec<Link> = picture
            .edges
            .iter()
            .zip(&pairs)
            .map(|(edge, &(from, to))| Link { from, output: edge.output, to, kind: edge.line as u8 })
            .collect();
        let spacing = match picture.style {
            Style::Board => Spacing {
                boxes: 14.0,
                wires: 16.0,
                rows: 12.0,
                slope: 0.4,
                frame: 0.0,
                title: 0.0,
                early: true,
            },
            _ => Spacing {
                boxes: 16.0,
                wires: 9.0,
                rows: 24.0,
                slope: 0.12,
                frame: 12.0,
                title: 20.0,
                early: false,
            },
        };
        // A board has no frames.
        let frames = if sideways { &[][..] } else { &picture.frames[..] };
        let request = Request {
            nodes,
            frame_of: picture.nodes.iter().map(|node| node.frame.filter(|_| !sideways)).collect(),
            frames: frames
                .iter()
                .map(|frame| FrameSize {
                    parent: frame.parent,
                    title: width(&cut(&frame.name, LONGEST), FRAME_NAME),
                })
                .collect(),
            links: links.clone(),
            spacing,
        };
        let head = if picture.title.is_empty() || !sideways { 0.0 } else { TITLE * 2.0 };
        Drawn { picture, looks, links, geometry: layout(&request), head }
    }

    /// From the layout's coordinates to the picture's.
    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (x, y) = if is_sideways(self.picture.style) { (y, x) } else { (x, y) };
        (x + MARGIN, y + MARGIN + self.head)
    }

    fn area(&self, area: Rect) -> Rect {
        let (x, y) = self.at((area.x, area.y));
        let (width, height) = match is_sideways(self.picture.style) {
            true => (area.height, area.width),
            false => (area.width, area.height),
        };
        Rect { x, y, width, height }
    }

    pub(super) fn scene(&self) -> Scene {
        let picture = self.picture;
        let sideways = is_sideways(picture.style);
        let mut shapes = Vec::new();
        self.frames(&mut shapes);
        self.wires(&mut shapes);
        for (place, node) in picture.nodes.iter().enumerate() {
            self.node(place, node, &mut shapes);
        }
        let (mut wide, mut high) = self.at((self.geometry.width, self.geometry.height));
        if sideways {
            (wide, high) = self.at((self.geometry.width, self.geometry.height));
            if self.head > 0.0 {
                let text = cut(&picture.title, 120);
                wide = wide.max(MARGIN + width(&text, TITLE));
                let (x, y) = (MARGIN, MARGIN + TITLE);
                shapes.push(Shape::Text {
                    x,
                    y,
                    size: TITLE,
                    anchor: Anchor::Start,
                    paint: Paint::Text,
                    text,
                });
            }
            (wide, high) = self.legend(&mut shapes, wide, high);
        }
        let title = if picture.title.is_empty() {
            format!("A graph of {} nodes", picture.nodes.len())
        } else {
            picture.title.clone()
        };
        Scene { width: wide + MARGIN, height: high + MARGIN, title, shapes }
    }

    fn frames(&self, shapes: &mut Vec<Shape>) {
        let mut depth = vec![0usize; self.geometry.frames.len()];
        for (place, frame) in self.geometry.frames.iter().enumerate() {
            let own = &self.picture.frames[place];
            depth[place] = own.parent.map_or(0, |parent| depth[parent] + 1);
            let Some(frame) = frame else { continue };
            let area = self.area(frame.area);
            let fill = if depth[place].is_multiple_of(2) { Paint::Frame } else { Paint::FrameInner };
            shapes.push(Shape::Box { area, radius: 7.0, fill, edge: Some(Paint::FrameEdge) });
            let (x, _) = self.at((frame.title, 0.0));
            shapes.push(Shape::Text {
                x,
                y: area.y + 14.0,
                size: FRAME_NAME,
                anchor: Anchor::Start,
                paint: Paint::Faint,
                text: cut(&own.name, LONGEST),
            });
        }
    }

    fn wires(&self, shapes: &mut Vec<Shape>) {
        let sideways = is_sideways(self.picture.style);
        let mut chips = Vec::new();
        for wire in &self.geometry.wires {
            let edge = &self.picture.edges[wire.link];
            let link = self.links[wire.link];
            let mut points = wire.points.clone();
            let head = wire.arrives && edge.line != Line::Undirected;
            if wire.arrives
                && let Some(last) = points.last_mut()
            {
                last.1 += self.inset(link.to, last.0);
            }
            if let Some(first) = points.first_mut() {
                first.1 -= self.inset_behind(link, first.0, first.1);
            }
            let mut steps = Vec::with_capacity(points.len());
            let mut before: Option<(f64, f64)> = None;
            let count = points.len();
            for (i, &(x, y)) in points.iter().enumerate() {
                // The head covers the end of the line.
                let short = if head && i + 1 == count { HEAD * 0.8 } else { 0.0 };
                let (px, py) = self.at((x, y - short));
                steps.push(match before {
                    None => Step::Move(px, py),
                    Some((bx, _)) if bx == x => Step::Line(px, py),
                    Some((bx, by)) => {
                        let middle = (by + y - short) / 2.0;
                        let ((ax, ay), (cx, cy)) = (self.at((bx, middle)), self.at((x, middle)));
                        Step::Curve(ax, ay, cx, cy, px, py)
                    }
                });
                before = Some((x, y));
            }
            shapes.push(Shape::Path { steps, paint: Paint::Wire, dashed: edge.line == Line::Dotted });
            if let (true, Some(&end)) = (wire.arrives, points.last()) {
                let (x, y) = self.at(end);
                if head {
                    shapes.push(Shape::Head { x, y, right: sideways, paint: Paint::Wire });
                }
                self.chip(edge, wire.points.last().map_or(end, |&point| point), &mut chips);
            }
        }
        shapes.extend(chips);
    }

    /// The local gradient, in a box on the wire before the gate.
    fn chip(&self, edge: &Edge, end: (f64, f64), shapes: &mut Vec<Shape>) {
        let Some(mark) = edge.marks.first() else { return };
        let own = width(&mark.text, CHIP) + 8.0;
        let (x, y) = self.at((end.0, end.1 - HEAD - 3.0));
        let area = Rect { x: x - own, y: y - CHIP_HEIGHT / 2.0, width: own, height: CHIP_HEIGHT };
        shapes.push(Shape::Box { area, radius: 4.0, fill: Paint::Chip, edge: None });
        shapes.push(Shape::Text {
            x: x - own / 2.0,
            y: y + CHIP * 0.36,
            size: CHIP,
            anchor: Anchor::Middle,
            paint: tone(mark.tone),
            text: mark.text.clone(),
        });
    }

    /// How far a wire goes on from a node's bounding box to its round outline.
    fn inset(&self, node: usize, at: f64) -> f64 {
        let (look, place) = (&self.looks[node], &self.geometry.nodes[node]);
        let offset = (at - place.x - place.width / 2.0).abs();
        let r = look.radius;
        let flat = place.width / 2.0 - r;
        if !is_sideways(self.picture.style) || look.fill.is_none() || offset <= flat {
            return 0.0;
        }
        r - (r * r - (offset - flat).min(r).powi(2)).sqrt()
    }

    /// The same where a wire leaves its node; wires that branch off elsewhere stay as they are.
    fn inset_behind(&self, link: Link, x: f64, y: f64) -> f64 {
        let place = &self.geometry.nodes[link.from];
        if (y - place.y - place.height).abs() < 0.5 { self.inset(link.from, x) } else { 0.0 }
    }

    fn node(&self, place: usize, node: &Node, shapes: &mut Vec<Shape>) {
        let (look, area) = (&self.looks[place], self.area(self.geometry.nodes[place]));
        shapes.push(Shape::Open(node.id.clone()));
        if let Some((fill, edge)) = look.fill {
            shapes.push(Shape::Box { area, radius: look.radius, fill, edge: Some(edge) });
        }
        let tall: f64 = look.lines.iter().map(|(_, size, _)| line_height(*size)).sum();
        let mut y = area.y + (area.height - tall) / 2.0;
        for (text, size, paint) in &look.lines {
            let (x, baseline) = (area.x + area.width / 2.0, y + line_height(*size) * 0.5 + size * 0.36);
            let at = |x: f64, anchor: Anchor, text: &str| Shape::Text {
                x,
                y: baseline,
                size: *size,
                anchor,
                paint: *paint,
                text: text.to_string(),
            };
            match text.split_once('\t') {
                None if is_sideways(self.picture.style) && look.fill.is_none() => match node.kind {
                    NodeKind::Output => shapes.push(at(area.x + 3.0, Anchor::Start, text)),
                    _ => shapes.push(at(area.x + area.width - 4.0, Anchor::End, text)),
                },
                None => shapes.push(at(x, Anchor::Middle, text)),
                Some(("", "")) => {
                    let middle = y + line_height(*size) * 0.5;
                    let steps =
                        vec![Step::Move(area.x + 5.0, middle), Step::Line(area.x + area.width - 5.0, middle)];
                    shapes.push(Shape::Path { steps, paint: Paint::BackwardEdge, dashed: false });
                }
                Some((name, value)) => {
                    shapes.push(at(area.x + 7.0, Anchor::Start, name));
                    shapes.push(at(area.x + area.width - 7.0, Anchor::End, value));
                }
            }
            y += line_height(*size);
        }
        self.marks(place, node, shapes);
        shapes.push(Shape::Close);
    }

    /// What stands where a node's outputs leave.
    fn marks(&self, place: usize, node: &Node, shapes: &mut Vec<Shape>) {
        let area = self.geometry.nodes[place];
        let offsets = offsets(is_sideways(self.picture.style), node);
        for (marks, offset) in node.outputs.iter().zip(offsets) {
            let (x, y) = self.at((area.x + area.width / 2.0 + offset, area.y + area.height));
            let mut stand = |x: f64, y: f64, anchor: Anchor, size: f64, mark: &Mark| {
                shapes.push(Shape::Text {
                    x,
                    y,
                    size,
                    anchor,
                    paint: tone(mark.tone),
                    text: mark.text.clone(),
                });
            };
            if is_sideways(self.picture.style) {
                // On the board values stand above the wire and gradients below.
                let middle = x + 5.0 + mark_width(marks, MARK) / 2.0;
                for mark in marks {
                    let y = if mark.tone == Tone::Gradient { y + MARK + 1.5 } else { y - 5.0 };
                    stand(middle, y, Anchor::Middle, MARK, mark);
                }
            } else {
                for (i, mark) in marks.iter().enumerate() {
                    stand(x + 5.0, y + 12.0 + 12.0 * i as f64, Anchor::Start, SHAPE, mark);
                }
            }
        }
    }

    /// What the colours mean, where there are any. Returns the picture's extent with it.
    fn legend(&self, shapes: &mut Vec<Shape>, wide: f64, high: f64) -> (f64, f64) {
        let outputs = self.picture.nodes.iter().flat_map(|node| node.outputs.iter().flatten());
        let all = || outputs.clone().chain(self.picture.edges.iter().flat_map(|edge| &edge.marks));
        let meanings = [
            (Tone::Value, "value"),
            (Tone::Gradient, "gradient of the result"),
            (Tone::Local, "local gradient, by which a gate multiplies"),
        ];
        let mut x = MARGIN;
        let y = high + 22.0;
        for (meaning, text) in meanings {
            if all().any(|mark| mark.tone == meaning) {
                let paint = tone(meaning);
                shapes.push(Shape::Text {
                    x,
                    y,
                    size: LEGEND,
                    anchor: Anchor::Start,
                    paint,
                    text: text.to_string(),
                });
                x += width(text, LEGEND) + 18.0;
            }
        }
        if x > MARGIN { (wide.max(x - 18.0), y) } else { (wide, high) }
    }
}

fn tone(tone: Tone) -> Paint {
    match tone {
        Tone::Plain => Paint::Text,
        Tone::Faint => Paint::Faint,
        Tone::Value => Paint::Value,
        Tone::Gradient => Paint::Gradient,
        Tone::Local => Paint::Local,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Generator;
    use crate::formula::Expr;
    use crate::graph::ComputationalGraph;
    use crate::models;
    use crate::tensor::Tensor;

    /// Every text's box, and the boxes of local gradients.
    fn labels(scene: &Scene) -> Vec<(String, Rect)> {
        let mut all = Vec::new();
        for shape in &scene.shapes {
            if let Shape::Text { x, y, size, anchor, text, .. } = shape {
                let wide = width(text, *size);
                let x = match anchor {
                    Anchor::Start => *x,
                    Anchor::Middle => x - wide / 2.0,
                    Anchor::End => x - wide,
                };
                let area = Rect { x, y: y - 0.76 * size, width: wide, height: 0.96 * size };
                all.push((text.clone(), area));
            }
        }
        all
    }

    /// No two labels overlap, none leaves the picture, and no box covers a label that isn't its own.
    fn check(scene: &Scene) {
        let labels = labels(scene);
        let apart = |a: &Rect, b: &Rect| {
            a.x + a.width <= b.x + 0.5
                || b.x + b.width <= a.x + 0.5
                || a.y + a.height <= b.y + 0.5
                || b.y + b.height <= a.y + 0.5
        };
        for (i, (text, area)) in labels.iter().enumerate() {
            let inside = area.x >= 0.0
                && area.y >= 0.0
                && area.x + area.width <= scene.width
                && area.y + area.height <= scene.height;
            assert!(inside, "{text:?} leaves the picture");
            for (other, place) in &labels[i + 1..] {
                assert!(apart(area, place), "{text:?} and {other:?} overlap");
            }
            for shape in &scene.shapes {
                if let Shape::Box { area: place, fill, .. } = shape
                    && !matches!(fill, Paint::Frame | Paint::FrameInner)
                {
                    let within = area.x >= place.x - 0.5
                        && area.x + area.width <= place.x + place.width + 0.5
                        && area.y >= place.y - 0.5
                        && area.y + area.height <= place.y + place.height + 0.5;
                    assert!(within || apart(area, place), "a box cuts {text:?}");
                }
            }
        }
    }

    #[test]
    fn labels_on_the_board_never_overlap() {
        for (text, values) in [
            ("(x+y)*z", &[("x", -2.0), ("y", 5.0), ("z", -4.0)][..]),
            (
                "1/(1+exp(-(w0*x0+w1*x1+w2)))",
                &[("w0", 2.0), ("x0", -1.0), ("w1", -3.0), ("x1", -2.0), ("w2", -3.0)],
            ),
            ("x*y + sin(x)*exp(x/y)^2 - tanh(x*y*z)", &[("x", 2.0), ("y", 3.0), ("z", 1e-7)]),
            (
                "max(x, y)*a_name_that_is_long + relu(x)*x*x",
                &[("x", 2.5), ("y", 3.5), ("a_name_that_is_long", 1e9)],
            ),
        ] {
            let mut graph = ComputationalGraph::from_expr(&Expr::parse(text).unwrap()).unwrap();
            let values: Vec<(&str, Tensor)> =
                values.iter().map(|&(name, x)| (name, Tensor::new(x, crate::DType::F64).unwrap())).collect();
            let given: Vec<(&str, &Tensor)> = values.iter().map(|(name, x)| (*name, x)).collect();
            graph.forward(&given).unwrap();
            for style in [Style::Board, Style::Forward, Style::Torchviz] {
                let mut picture = graph.picture(style).unwrap();
                picture.title = text.to_string();
                check(&Drawn::of(&picture).scene());
            }
            graph.backward().unwrap();
            check(&Drawn::of(&graph.picture(Style::Board).unwrap()).scene());
        }
    }

    #[test]
    fn labels_of_networks_never_overlap() {
        for name in ["lenet", "vit"] {
            let model = models::by_name(name).unwrap();
            let mut generator = Generator::new(0);
            let network = model.build(10, &mut generator).unwrap();
            let x = model.random_input(model.input(1).unwrap(), &mut generator).unwrap();
            let mut graph = ComputationalGraph::record(|| network.call(&x)).unwrap();
            graph.forward(&[]).unwrap();
            check(&Drawn::of(&graph.picture(Style::Forward).unwrap()).scene());
        }
    }
}
