//! A picture as SVG: light or dark as the reader's system is.

use std::fmt::Write as _;

use super::scene::{Anchor, HEAD, Paint, Scene, Shape, Step};

/// Text between tags or in an attribute; characters that XML can't have are replaced.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\t' => safe.push(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(c),
        }
    }
    safe
}

/// A number with at most one digit behind the point.
struct N(f64);

impl std::fmt::Display for N {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let (whole, rest, sign) = (tenths.abs() / 10, tenths.abs() % 10, if tenths < 0 { "-" } else { "" });
        match rest {
            0 => write!(f, "{sign}{whole}"),
            rest => write!(f, "{sign}{whole}.{rest}"),
        }
    }
}

fn style() -> String {
    let rules = |colour: fn(&(Paint, &str, u32, u32)) -> u32| {
        Paint::ALL.iter().fold(String::new(), |mut text, entry| {
            let (class, colour) = (entry.1, colour(entry));
            let _ = write!(text, ".{class}{{fill:#{colour:06x}}}.{class}-line{{stroke:#{colour:06x}}}");
            text
        })
    };
    format!(
        "text{{font-family:'DejaVu Sans',Verdana,'Segoe UI',sans-serif}}path{{fill:none;stroke-width:1.3}}\
         {}@media(prefers-color-scheme:dark){{{}}}",
        rules(|entry| entry.2),
        rules(|entry| entry.3)
    )
}

/// The scene as an SVG document.
pub(super) fn write(scene: &Scene) -> String {
    let (w, h) = (N(scene.width), N(scene.height));
    let title = escape(&scene.title);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\" \
         aria-label=\"{title}\">\n<title>{title}</title>\n<style>{}</style>\n\
         <rect width=\"100%\" height=\"100%\" class=\"background\"/>\n",
        style()
    );
    for shape in &scene.shapes {
        shape_text(&mut text, shape);
    }
    text + "</svg>\n"
}

fn shape_text(out: &mut String, shape: &Shape) {
    // Writing to a string can't fail.
    let _ = match shape {
        Shape::Open(id) => writeln!(out, "<g id=\"{}\">", escape(id)),
        Shape::Close => writeln!(out, "</g>"),
        Shape::Box { area, radius, fill, edge } => {
            let edge = edge.map_or(String::new(), |edge| format!(" {}-line", edge.class()));
            writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" class=\"{}{edge}\"/>",
                N(area.x),
                N(area.y),
                N(area.width),
                N(area.height),
                N(*radius),
                fill.class()
            )
        }
        Shape::Text { x, y, size, anchor, paint, text } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor} class=\"{}\">{}</text>",
                N(*x),
                N(*y),
                N(*size),
                paint.class(),
                escape(text)
            )
        }
        Shape::Path { steps, paint, dashed } => {
            let mut d = String::new();
            for step in steps {
                let _ = match *step {
                    Step::Move(x, y) => write!(d, "M{} {}", N(x), N(y)),
                    Step::Line(x, y) => write!(d, "L{} {}", N(x), N(y)),
                    Step::Curve(a, b, c, e, x, y) => {
                        write!(d, "C{} {} {} {} {} {}", N(a), N(b), N(c), N(e), N(x), N(y))
                    }
                };
            }
            let dashes = if *dashed { " stroke-dasharray=\"2 3\"" } else { "" };
            writeln!(out, "<path d=\"{d}\" class=\"{}-line\"{dashes}/>", paint.class())
        }
        #[cfg(feature = "plot")]
        Shape::Image { area, columns, rows, pixels } => {
            let bytes =
                super::png::encode(&pixels.concat(), *columns as u32, *rows as u32).unwrap_or_default();
            writeln!(
                out,
                "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" style=\"image-rendering:pixelated\" \
                 preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>",
                N(area.x),
                N(area.y),
                N(area.width),
                N(area.height),
                crate::explorer::base64(&bytes)
            )
        }
        Shape::Head { x, y, right, paint } => {
            let (side, length) = (HEAD * 0.45, HEAD);
            let points = match right {
                true => [(*x, *y), (x - length, y - side), (x - length, y + side)],
                false => [(*x, *y), (x - side, y - length), (x + side, y - length)],
            };
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", N(*x), N(*y))).collect();
            writeln!(out, "<polygon points=\"{}\" class=\"{}\"/>", points.join(" "), paint.class())
        }
    };
}
