//! A picture as PNG, with a font of its own.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, GlyphId, OutlineCurve};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint as Ink, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash,
    Transform,
};

use super::font;
use super::scene::{Anchor, Colour, HEAD, Scene, Shape, Step};
use crate::error::{Error, Result};

/// Pixels a unit, where the picture isn't too large for it.
const SCALE: f64 = 2.0;
/// The most pixels in all.
const PIXELS: f64 = 6e7;
/// The most pixels along a side.
const SIDE: f64 = 20_000.0;

fn font() -> &'static FontRef<'static> {
    static FONT: OnceLock<FontRef<'static>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(super::font::embedded()).expect("the embedded font is whole"))
}

/// The scene as a PNG file.
pub(super) fn write(scene: &Scene, dark: bool) -> Result<Vec<u8>> {
    let area = (scene.width * scene.height).max(1.0);
    let scale = SCALE.min((PIXELS / area).sqrt()).min(SIDE / scene.width.max(scene.height).max(1.0));
    let size = |length: f64| ((length * scale).ceil() as u32).max(1);
    let mut canvas = Pixmap::new(size(scene.width), size(scene.height)).ok_or_else(|| {
        Error::argument("the picture is too large for a PNG file").hint("write an .svg file")
    })?;
    canvas.fill(colour(super::scene::Paint::Background.colour(dark)));
    let mut painter = Painter { canvas, at: Transform::from_scale(scale as f32, scale as f32), dark };
    for shape in &scene.shapes {
        painter.shape(shape);
    }
    let canvas = painter.canvas;
    let pixels: Vec<u8> =
        canvas.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    encode(&pixels, canvas.width(), canvas.height())
}

/// Pixels (red, green, blue) as a PNG file.
pub(super) fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .map_err(|error| Error::argument(format!("the picture can't be written as PNG: {error}")))?;
    Ok(bytes)
}

fn colour(rgb: Colour) -> Color {
    Color::from_rgba8((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8, 255)
}

struct Painter {
    canvas: Pixmap,
    at: Transform,
    dark: bool,
}

impl Painter {
    fn ink(&self, paint: super::scene::Paint) -> Ink<'static> {
        let mut ink = Ink { anti_alias: true, ..Ink::default() };
        ink.set_color(colour(paint.colour(self.dark)));
        ink
    }

    fn fill(&mut self, path: Option<Path>, paint: super::scene::Paint) {
        if let Some(path) = path {
            let ink = self.ink(paint);
            self.canvas.fill_path(&path, &ink, FillRule::Winding, self.at, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, paint: super::scene::Paint, width: f32, dashed: bool) {
        if let Some(path) = path {
            let dash = if dashed { StrokeDash::new(vec![2.0, 3.0], 0.0) } else { None };
            let stroke = Stroke {
                width,
                dash,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            let ink = self.ink(paint);
            self.canvas.stroke_path(&path, &ink, &stroke, self.at, None);
        }
    }

    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Open(_) | Shape::Close => {}
            Shape::Box { area, radius, fill, edge } => {
                let path = rounded(
                    [area.x, area.y, area.width, area.height].map(|x| x as f32),
                    radius.min(area.width / 2.0).min(area.height / 2.0) as f32,
                );
                self.fill(path.clone(), *fill);
                if let Some(edge) = edge {
                    self.stroke(path, *edge, 1.0, false);
                }
            }
            Shape::Text { x, y, size, anchor, paint, text } => {
                let path = outline(*x, *y, *size, *anchor, text);
                self.fill(path, *paint);
            }
            Shape::Path { steps, paint, dashed } => {
                let mut path = PathBuilder::new();
                for step in steps {
                    match *step {
                        Step::Move(x, y) => path.move_to(x as f32, y as f32),
                        Step::Line(x, y) => path.line_to(x as f32, y as f32),
                        Step::Curve(a, b, c, d, x, y) => {
                            path.cubic_to(a as f32, b as f32, c as f32, d as f32, x as f32, y as f32);
                        }
                    }
                }
                self.stroke(path.finish(), *paint, 1.3, *dashed);
            }
            Shape::Image { area, columns, rows, pixels } => {
                let (wide, high) = (area.width / *columns as f64, area.height / *rows as f64);
                for (i, &[r, g, b]) in pixels.iter().enumerate() {
                    let (x, y) = (area.x + (i % columns) as f64 * wide, area.y + (i / columns) as f64 * high);
                    // Without smoothing, neighbouring pixels leave no seam.
                    let mut ink = Ink { anti_alias: false, ..Ink::default() };
                    ink.set_color_rgba8(r, g, b, 255);
                    if let Some(pixel) = Rect::from_xywh(x as f32, y as f32, wide as f32, high as f32) {
                        self.canvas.fill_rect(pixel, &ink, self.at, None);
                    }
                }
            }
            Shape::Head { x, y, right, paint } => {
                let (side, length) = (HEAD * 0.45, HEAD);
                let points = match right {
                    true => [(*x, *y), (x - length, y - side), (x - length, y + side)],
                    false => [(*x, *y), (x - side, y - length), (x + side, y - length)],
                };
                let mut path = PathBuilder::new();
                path.move_to(points[0].0 as f32, points[0].1 as f32);
                path.line_to(points[1].0 as f32, points[1].1 as f32);
                path.line_to(points[2].0 as f32, points[2].1 as f32);
                path.close();
                self.fill(path.finish(), *paint);
            }
        }
    }
}

/// A rectangle with rounded corners.
fn rounded([x, y, w, h]: [f32; 4], r: f32) -> Option<Path> {
    // How far a cubic's control points are from the ends for a quarter of a circle.
    let k = r * (1.0 - 0.552_285);
    let mut path = PathBuilder::new();
    path.move_to(x + r, y);
    path.line_to(x + w - r, y);
    path.cubic_to(x + w - k, y, x + w, y + k, x + w, y + r);
    path.line_to(x + w, y + h - r);
    path.cubic_to(x + w, y + h - k, x + w - k, y + h, x + w - r, y + h);
    path.line_to(x + r, y + h);
    path.cubic_to(x + k, y + h, x, y + h - k, x, y + h - r);
    path.line_to(x, y + r);
    path.cubic_to(x, y + k, x + k, y, x + r, y);
    path.close();
    path.finish()
}

/// The outlines of a text's letters.
fn outline(x: f64, y: f64, size: f64, anchor: Anchor, text: &str) -> Option<Path> {
    let font = font();
    let scale = size as f32 / font.units_per_em()?;
    let glyphs: Vec<GlyphId> = text.chars().map(|c| font.glyph_id(c)).collect();
    let width: f32 = glyphs.iter().map(|&glyph| font.h_advance_unscaled(glyph) * scale).sum();
    debug_assert!(f64::from(width) <= font::width(text, size) + 0.1, "{text:?} is wider than assumed");
    let mut left = x as f32
        - match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        };
    let mut path = PathBuilder::new();
    for glyph in glyphs {
        let at = |p: ab_glyph::Point| (left + p.x * scale, y as f32 - p.y * scale);
        let mut last = None;
        for curve in font.outline(glyph).map(|outline| outline.curves).unwrap_or_default() {
            let (first, end) = match &curve {
                OutlineCurve::Line(a, b) | OutlineCurve::Quad(a, _, b) | OutlineCurve::Cubic(a, _, _, b) => {
                    (*a, *b)
                }
            };
            if last != Some(first) {
                let (x, y) = at(first);
                path.move_to(x, y);
            }
            last = Some(end);
            let (ex, ey) = at(end);
            match curve {
                OutlineCurve::Line(..) => path.line_to(ex, ey),
                OutlineCurve::Quad(_, c, _) => {
                    let (cx, cy) = at(c);
                    path.quad_to(cx, cy, ex, ey);
                }
                OutlineCurve::Cubic(_, c, d, _) => {
                    let ((cx, cy), (dx, dy)) = (at(c), at(d));
                    path.cubic_to(cx, cy, dx, dy, ex, ey);
                }
            }
        }
        left += font.h_advance_unscaled(glyph) * scale;
    }
    path.finish()
}
