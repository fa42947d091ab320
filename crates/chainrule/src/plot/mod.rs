//! Figures: training curves, and points in a plane. SVG and PNG, with a font of their own.
//!
//! ```
//! use chainrule::plot::scatter;
//! # let path = std::env::temp_dir().join(format!("chainrule-doc-plot-{}.svg", std::process::id()));
//! scatter(&[[0.0, 1.0], [1.0, 0.5]], &[0, 1], &["cat".into(), "dog".into()], &path)?;
//! assert!(std::fs::read_to_string(&path).unwrap().starts_with("<svg"));
//! # std::fs::remove_file(path).unwrap();
//! # Ok::<(), chainrule::Error>(())
//! ```

mod confusion;
mod picture;
mod weights;

pub use confusion::confusion_matrix;
pub use picture::{encode_png, save_png};
pub use weights::{first_filters, saliency, weights};

use std::path::Path;
use std::sync::Once;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::error::{Error, Result};
use crate::io::write_atomic;
use crate::train::EpochMetrics;

const SIZE: (u32, u32) = (1000, 460);
const TRAIN: RGBColor = RGBColor(31, 119, 180);
const TEST: RGBColor = RGBColor(214, 90, 30);
const GRID: RGBColor = RGBColor(225, 225, 225);
const TEXT: RGBColor = RGBColor(50, 50, 50);

/// Ten colours that are told apart by most eyes (Tableau's).
const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

fn font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The embedded font is whole; were it not, drawing itself would say so.
        drop(register_font("sans-serif", FontStyle::Normal, crate::draw::font::embedded()));
    });
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::argument(format!("the figure can't be drawn: {error}"))
}

/// PNGs are drawn this many times larger and averaged, which smooths lines and letters.
const SMOOTHING: u32 = 2;

/// A figure, which can be drawn on either kind of canvas, at a multiple of its size.
trait Figure {
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>>;
}

/// Writes a figure whole or not at all, as SVG or PNG by the file's ending.
fn write(figure: &impl Figure, path: &Path, (width, height): (u32, u32)) -> Result<()> {
    font();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => {
            let mut text = String::new();
            {
                let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
                figure.draw(&area, 1).map_err(failed)?;
                area.present().map_err(failed)?;
            }
            write_atomic(path, text.as_bytes())
        }
        Some("png") => {
            let (wide, high) = (width * SMOOTHING, height * SMOOTHING);
            let mut pixels = vec![0; (wide * high * 3) as usize];
            {
                let area = BitMapBackend::with_buffer(&mut pixels, (wide, high)).into_drawing_area();
                figure.draw(&area, SMOOTHING).map_err(failed)?;
                area.present().map_err(failed)?;
            }
            let pixels = averaged(&pixels, width as usize, height as usize);
            let mut bytes = Vec::new();
            let mut encoder = png::Encoder::new(&mut bytes, width, height);
            encoder.set_color(png::ColorType::Rgb);
            encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).map_err(failed)?;
            write_atomic(path, &bytes)
        }
        _ => Err(Error::argument("figures are written as .svg or .png").path(path)),
    }
}

/// The mean of each square of [`SMOOTHING`] × [`SMOOTHING`] pixels, red, green and blue.
fn averaged(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let n = SMOOTHING as usize;
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let mut sums = [0; 3];
            for row in y * n..(y + 1) * n {
                let line = &pixels[(row * width + x) * n * 3..][..n * 3];
                for pixel in line.as_chunks::<3>().0 {
                    sums[0] += usize::from(pixel[0]);
                    sums[1] += usize::from(pixel[1]);
                    sums[2] += usize::from(pixel[2]);
                }
            }
            out.extend(sums.map(|sum| (sum / (n * n)) as u8));
        }
    }
    out
}

struct Curves<'a>(&'a [EpochMetrics]);

impl Figure for Curves<'_> {
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(scale * SIZE.0 / 2);
        panel(&left, scale, self.0, "loss", |m| (m.train.loss, m.held_out().1.loss), None)?;
        panel(
            &right,
            scale,
            self.0,
            "accuracy",
            |m| (100.0 * m.train.accuracy, 100.0 * m.held_out().1.accuracy),
            Some(100.0),
        )
    }
}

/// One panel: a quantity of the training and of the test part over the epochs.
fn panel<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    scale: u32,
    epochs: &[EpochMetrics],
    title: &str,
    values: fn(&EpochMetrics) -> (f64, f64),
    top: Option<f64>,
) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let last = epochs.last().map_or(1, |m| m.epoch).max(2);
    let all = || epochs.iter().map(values).flat_map(|(a, b)| [a, b]).filter(|x| x.is_finite());
    let (lowest, highest) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let range = match top {
        // Accuracies near the top would lie on one line if the axis began at 0.
        Some(top) => (lowest.min(top - 5.0) / 10.0).floor() * 10.0..top,
        None => 0.0..(highest * 1.05).max(1e-9),
    };
    // As many digits as tell neighbouring labels apart.
    let decimals = (-((range.end - range.start) / 8.0).log10()).ceil().clamp(0.0, 9.0) as usize;
    let unit = if top.is_some() { " %" } else { "" };
    let mut chart = ChartBuilder::on(area)
        .margin(18 * scale)
        .caption(title, ("sans-serif", 22 * scale).into_font().color(&TEXT))
        .x_label_area_size(40 * scale)
        .y_label_area_size(58 * scale)
        .build_cartesian_2d(1..last, range)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .light_line_style(WHITE)
        .bold_line_style(GRID.stroke_width(scale))
        .axis_style(TEXT.stroke_width(scale))
        .label_style(("sans-serif", 14 * scale).into_font().color(&TEXT))
        .axis_desc_style(("sans-serif", 15 * scale).into_font().color(&TEXT))
        .x_labels(8)
        .y_labels(8)
        .y_label_formatter(&|y| format!("{y:.decimals$}{unit}"))
        .draw()?;
    let held_out = epochs.first().map_or("test", |m| m.held_out().0);
    for (name, colour, which) in [("training", TRAIN, 0), (held_out, TEST, 1)] {
        let pick = |m: &EpochMetrics| if which == 0 { values(m).0 } else { values(m).1 };
        let points = epochs.iter().map(|m| (m.epoch, pick(m))).filter(|(_, y)| y.is_finite());
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2 * scale)))?
            .label(name)
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 22 * scale as i32, y)], colour.stroke_width(3 * scale))
            });
        if epochs.len() == 1 {
            // A line of one point can't be seen.
            chart.draw_series(points.map(|point| Circle::new(point, 4 * scale, colour.filled())))?;
        }
    }
    let corner =
        if top.is_some() { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
    chart
        .configure_series_labels()
        .position(corner)
        .margin(12 * scale)
        .legend_area_size(28 * scale)
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .label_font(("sans-serif", 15 * scale).into_font().color(&TEXT))
        .draw()
}

/// Draws loss and accuracy over the epochs, of the training and the test part.
///
/// # Errors
/// The file can't be written, or is neither `.svg` nor `.png`.
///
/// ```
/// use chainrule::plot::training_curves;
/// use chainrule::train::{EpochMetrics, Score};
/// let score = |loss| Score { loss, accuracy: 0.8 };
/// let epoch = |epoch, train, test| EpochMetrics {
///     epoch,
///     rate: 0.01,
///     train: score(train),
///     validation: None,
///     test: Some(score(test)),
/// };
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-curves-{}.svg", std::process::id()));
/// training_curves(&[epoch(1, 0.9, 1.0), epoch(2, 0.5, 0.7)], &path)?;
/// assert!(std::fs::read_to_string(&path).unwrap().contains("<polyline"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn training_curves(epochs: &[EpochMetrics], path: impl AsRef<Path>) -> Result<()> {
    write(&Curves(epochs), path.as_ref(), SIZE)
}

struct Scatter<'a> {
    points: &'a [[f64; 2]],
    labels: &'a [i64],
    classes: &'a [String],
}

impl Figure for Scatter<'_> {
    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: u32,
    ) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let range = |axis: usize| {
            let all = || self.points.iter().map(|point| point[axis]).filter(|x| x.is_finite());
            let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
            let edge = ((high - low) * 0.04).max(1e-6);
            if low.is_finite() { low - edge..high + edge } else { 0.0..1.0 }
        };
        let x = range(0);
        // The names stand to the right of all points: each letter takes some 8 of the 680 pixels.
        let longest = self.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let share = ((44 + 8 * longest) as f64 / 680.0).min(0.5);
        let mut chart = ChartBuilder::on(area)
            .margin(18 * scale)
            .x_label_area_size(34 * scale)
            .y_label_area_size(48 * scale)
            .build_cartesian_2d(x.start..x.end + (x.end - x.start) * share / (1.0 - share), range(1))?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID.stroke_width(scale))
            .axis_style(TEXT.stroke_width(scale))
            .label_style(("sans-serif", 14 * scale).into_font().color(&TEXT))
            .draw()?;
        for (class, name) in self.classes.iter().enumerate() {
            let colour = COLOURS[class % COLOURS.len()];
            let own = self.points.iter().zip(self.labels).filter(|(_, label)| **label == class as i64);
            chart
                .draw_series(own.map(|(point, _)| {
                    Circle::new((point[0], point[1]), 3 * scale as i32, colour.mix(0.7).filled())
                }))?
                .label(name)
                .legend(move |(x, y)| {
                    Circle::new((x + 8 * scale as i32, y), 5 * scale as i32, colour.filled())
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .legend_area_size(18 * scale)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .label_font(("sans-serif", 14 * scale).into_font().color(&TEXT))
            .draw()
    }
}

/// Draws points in a plane, coloured by their classes: what a hidden layer of two units learned.
///
/// # Errors
/// The file can't be written, or is neither `.svg` nor `.png`.
///
/// ```
/// use chainrule::plot::scatter;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-scatter-{}.svg", std::process::id()));
/// scatter(&[[0.0, 1.0], [1.0, 0.5]], &[0, 1], &["cat".into(), "dog".into()], &path)?;
/// assert!(std::fs::read_to_string(&path).unwrap().contains("<circle"));
/// assert!(scatter(&[], &[], &[], path.with_extension("gif")).is_err());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn scatter(
    points: &[[f64; 2]],
    labels: &[i64],
    classes: &[String],
    path: impl AsRef<Path>,
) -> Result<()> {
    write(&Scatter { points, labels, classes }, path.as_ref(), (760, 640))
}
