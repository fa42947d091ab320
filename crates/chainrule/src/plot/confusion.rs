//! A confusion matrix as a figure.

use std::path::Path;

use plotters::backend::DrawingBackend;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Figure, TEXT, write};
use crate::error::Result;
use crate::train::Confusion;

/// Around the matrix: the names of the classes and the axes.
const EDGE: i32 = 96;

struct Matrix<'a> {
    counts: &'a [Vec<usize>],
    classes: &'a [String],
    cell: i32,
}

/// White for none, and ever more blue.
fn shade(share: f64) -> RGBColor {
    // Few mistakes must be seen beside many right answers.
    let strength = share.clamp(0.0, 1.0).sqrt();
    let mix =
        |light: u8, dark: u8| (f64::from(light) + (f64::from(dark) - f64::from(light)) * strength) as u8;
    RGBColor(mix(255, 24), mix(255, 90), mix(255, 160))
}

/// At most so many letters.
fn short(name: &str, letters: usize) -> String {
    match name.chars().count() {
        n if n <= letters => name.to_string(),
        _ => format!("{}…", name.chars().take(letters - 1).collect::<String>()),
    }
}

impl Figure for Matrix<'_> {
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let scale = scale as i32;
        let (cell, edge, n) = (self.cell * scale, EDGE * scale, self.counts.len() as i32);
        let style = |size: i32, colour: &RGBColor, h, v| {
            ("sans-serif", size * scale).into_font().color(colour).pos(Pos::new(h, v))
        };
        let letters = if self.cell < 30 { 0 } else { (self.cell as usize / 8).max(3) };
        for (row, counts) in self.counts.iter().enumerate() {
            let all: usize = counts.iter().sum();
            let y = edge + row as i32 * cell;
            for (column, &count) in counts.iter().enumerate() {
                let share = count as f64 / all.max(1) as f64;
                let x = edge + column as i32 * cell;
                let corners = [(x, y), (x + cell - scale, y + cell - scale)];
                let colour = if count == 0 { RGBColor(246, 246, 244) } else { shade(share) };
                area.draw(&Rectangle::new(corners, colour.filled()))?;
                if count > 0 && self.cell >= 24 {
                    let colour = if share > 0.3 { WHITE } else { TEXT };
                    let font = style(if count > 999 { 11 } else { 13 }, &colour, HPos::Center, VPos::Center);
                    area.draw(&Text::new(count.to_string(), (x + cell / 2, y + cell / 2), font))?;
                }
            }
            let font = style(13, &TEXT, HPos::Right, VPos::Center);
            let name = short(&self.classes[row], 10);
            if self.cell >= 16 {
                area.draw(&Text::new(name, (edge - 6 * scale, y + cell / 2), font))?;
            }
            if letters > 0 {
                let font = style(13, &TEXT, HPos::Center, VPos::Bottom);
                let name = short(&self.classes[row], letters);
                let x = edge + row as i32 * cell + cell / 2;
                area.draw(&Text::new(name, (x, edge - 6 * scale), font))?;
            }
        }
        let middle = edge + n * cell / 2;
        let font = style(15, &TEXT, HPos::Center, VPos::Top);
        area.draw(&Text::new("answer", (middle, 24 * scale), font))?;
        let font = style(15, &TEXT, HPos::Left, VPos::Bottom);
        area.draw(&Text::new("true class", (14 * scale, edge - 6 * scale), font))
    }
}

/// Draws which classes (rows) were taken for which (columns); the colour is the share of the class's examples.
///
/// # Errors
/// The file can't be written, or is neither `.svg` nor `.png`.
///
/// ```
/// use chainrule::{plot, train::Confusion};
/// let path = std::env::temp_dir().join(format!("chainrule-doc-matrix-{}.svg", std::process::id()));
/// let confusion = Confusion(vec![vec![9, 1], vec![0, 10]]);
/// plot::confusion_matrix(&confusion, &["cat".into(), "dog".into()], &path)?;
/// assert!(std::fs::read_to_string(&path).unwrap().contains("dog"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn confusion_matrix(confusion: &Confusion, classes: &[String], path: impl AsRef<Path>) -> Result<()> {
    let n = confusion.0.len().max(1);
    let cell = (640 / n as i32).clamp(4, 52);
    let side = (EDGE + 24 + cell * n as i32).max(220) as u32;
    write(&Matrix { counts: &confusion.0, classes, cell }, path.as_ref(), (side, side))
}
