//! What a network has learned, as figures: histograms of its weights and gradients, and its first layer's filters.

use std::path::Path;

use crate::array::Array;
use crate::draw::font::{cut, width};
use crate::draw::scene::{Anchor, Paint, Scene, Shape};
use crate::draw::{Rect, save_scene};
use crate::error::{Error, Result};
use crate::nn::Module;

/// Bars of a histogram.
const BARS: usize = 41;
/// A panel, with the room between two.
const PANEL: (f64, f64) = (230.0, 132.0);
/// Panels beside each other.
const COLUMNS: usize = 4;
const MARGIN: f64 = 16.0;
/// The height of the line that says what the colours mean.
const LEGEND: f64 = 14.0;
/// The most filters that are shown.
const MOST: usize = 256;

/// Draws the histogram of each parameter's values (blue) and, where there is one, of its gradient (red): a layer
/// that is dead, saturated or exploding shows at a glance.
///
/// Bars stand between the smallest and the largest finite value, symmetrically about 0 where values have both
/// signs; below them stand mean and standard deviation.
///
/// ```
/// use chainrule::{models, plot, Generator, Tensor};
/// let network = models::by_name("lenet")?.build(10, &mut Generator::new(0))?;
/// network.call(&Tensor::ones([1, 1, 28, 28]))?.sum()?.backward()?;
/// let path = std::env::temp_dir().join(format!("chainrule-weights-{}.svg", std::process::id()));
/// plot::weights(&*network, &path)?;
/// assert!(std::fs::read_to_string(&path).unwrap().contains("0.weight"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The file can't be written, or is neither `.svg` nor `.png`.
pub fn weights(network: &dyn Module, path: impl AsRef<Path>) -> Result<()> {
    let mut shapes = Vec::new();
    let parameters = network.named_parameters();
    let rows = parameters.len().div_ceil(COLUMNS);
    for (i, (name, parameter)) in parameters.iter().enumerate() {
        let (column, row) = (i % COLUMNS, i / COLUMNS);
        let (x, y) = (MARGIN + column as f64 * PANEL.0, MARGIN + row as f64 * PANEL.1);
        let values = parameter.array();
        let sizes: Vec<String> = values.shape().iter().map(usize::to_string).collect();
        let title = format!("{name}  {}", sizes.join("×"));
        label(&mut shapes, x, y + 11.0, 11.0, Paint::Text, cut(&title, 34));
        let gradient = parameter.grad().map(|gradient| gradient.array());
        let half = (PANEL.0 - 22.0 - if gradient.is_some() { 10.0 } else { 0.0 })
            / if gradient.is_some() { 2.0 } else { 1.0 };
        histogram(&mut shapes, Rect { x, y: y + 18.0, width: half, height: 66.0 }, &values, Paint::Local);
        if let Some(gradient) = gradient {
            let area = Rect { x: x + half + 10.0, y: y + 18.0, width: half, height: 66.0 };
            histogram(&mut shapes, area, &gradient, Paint::Gradient);
        }
    }
    let wide = MARGIN + (COLUMNS.min(parameters.len()).max(2)) as f64 * PANEL.0;
    let height = MARGIN + rows as f64 * PANEL.1 + LEGEND;
    let y = height - MARGIN;
    label(&mut shapes, MARGIN, y, 10.0, Paint::Local, "weights".into());
    let x = MARGIN + width("weights", 10.0) + 16.0;
    label(&mut shapes, x, y, 10.0, Paint::Gradient, "gradients of the loss".into());
    let x = x + width("gradients of the loss", 10.0) + 16.0;
    label(&mut shapes, x, y, 10.0, Paint::Faint, "mean ± standard deviation below each".into());
    let title = "Weights (blue) and gradients (red)".to_string();
    save_scene(&Scene { width: wide, height, title, shapes }, path.as_ref(), false)
}

fn label(shapes: &mut Vec<Shape>, x: f64, y: f64, size: f64, paint: Paint, text: String) {
    shapes.push(Shape::Text { x, y, size, anchor: Anchor::Start, paint, text });
}

/// A number in three digits.
fn short(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e4).contains(&size) => {
            let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
            format!("{x:.digits$}").replace('-', "−")
        }
        _ => format!("{x:.1e}").replace('-', "−"),
    }
}

fn histogram(shapes: &mut Vec<Shape>, area: Rect, values: &Array, paint: Paint) {
    let all = values.to_f64_vec();
    let finite: Vec<f64> = all.iter().copied().filter(|x| x.is_finite()).collect();
    let fold = |start: f64, f: fn(f64, f64) -> f64| finite.iter().copied().fold(start, f);
    let (mut low, mut high) = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
    let count = finite.len().max(1) as f64;
    let mean = finite.iter().sum::<f64>() / count;
    let deviation = (finite.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
    if low < 0.0 && high > 0.0 {
        high = high.max(-low);
        low = -high;
    }
    let mut bars = [0usize; BARS];
    for x in &finite {
        let place = if high > low { (x - low) / (high - low) * BARS as f64 } else { BARS as f64 / 2.0 };
        bars[(place as usize).min(BARS - 1)] += 1;
    }
    let highest = bars.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = area.width / BARS as f64;
    for (i, &bar) in bars.iter().enumerate().filter(|(_, bar)| **bar > 0) {
        let height = (bar as f64 / highest * area.height).max(1.0);
        let own = Rect {
            x: area.x + i as f64 * step,
            y: area.y + area.height - height,
            width: (step - 0.6).max(0.6),
            height,
        };
        shapes.push(Shape::Box { area: own, radius: 0.0, fill: paint, edge: None });
    }
    let ground = Rect { x: area.x, y: area.y + area.height, width: area.width, height: 0.8 };
    shapes.push(Shape::Box { area: ground, radius: 0.0, fill: Paint::GateEdge, edge: None });
    let y = area.y + area.height + 11.0;
    if finite.is_empty() {
        return label(shapes, area.x, y, 9.0, Paint::Faint, "no finite value".into());
    }
    label(shapes, area.x, y, 9.0, Paint::Faint, short(low));
    let right = area.x + area.width - width(&short(high), 9.0);
    label(shapes, right, y, 9.0, Paint::Faint, short(high));
    let mut text = format!("{} ± {}", short(mean), short(deviation));
    if finite.len() < all.len() {
        text += &format!(", {} not finite", all.len() - finite.len());
    }
    label(shapes, area.x, y + 12.0, 9.0, paint, text);
}

/// Draws what the first layer's units look for, as a grid of images: each filter of a convolution of one or three
/// channels, or each row of a linear layer whose inputs are a square image. Grey is 0; every filter is scaled by
/// its own largest weight.
///
/// `false`, and no file, where the first layer sees no images.
///
/// ```
/// use chainrule::{models, plot, Generator};
/// let network = models::by_name("lenet")?.build(10, &mut Generator::new(0))?;
/// let path = std::env::temp_dir().join(format!("chainrule-filters-{}.png", std::process::id()));
/// assert!(plot::first_filters(&*network, &path)?);
/// assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The file can't be written, or is neither `.svg` nor `.png`.
pub fn first_filters(network: &dyn Module, path: impl AsRef<Path>) -> Result<bool> {
    let Some((name, first)) = network.named_parameters().into_iter().find(|(_, p)| p.rank() > 1) else {
        return Ok(false);
    };
    let array = first.array();
    let images = match array.shape()[..] {
        [_, 1 | 3, _, _] => array,
        [filters, inputs] => match (1..=inputs).find(|side| side * side >= inputs) {
            Some(side) if side * side == inputs && side > 2 => array.reshape([filters, 1, side, side])?,
            _ => return Ok(false),
        },
        _ => return Ok(false),
    };
    filters(&images, &name, path.as_ref())?;
    Ok(true)
}

/// A grid of the images `[n, 1 or 3, height, width]`.
fn filters(images: &Array, title: &str, path: &Path) -> Result<()> {
    let &[count, channels, height, width] = &images.shape()[..] else {
        return Err(Error::shape(format!(
            "filters are [n, channels, height, width], not {}",
            images.shape()
        )));
    };
    let values = images.to_f64_vec();
    let size = channels * height * width;
    let shown = count.min(MOST);
    let columns = (1..=shown.max(1)).find(|c| c * c >= shown).unwrap_or(1);
    // Small filters are shown larger.
    let zoom = (56.0 / height.max(width).max(1) as f64).max(1.0);
    let (wide, high) = (width as f64 * zoom, height as f64 * zoom);
    let mut shapes = Vec::new();
    label(&mut shapes, MARGIN, MARGIN + 11.0, 12.0, Paint::Text, cut(title, 60));
    let top = MARGIN + 22.0;
    for (i, filter) in values.chunks(size.max(1)).take(shown).enumerate() {
        let largest = filter.iter().map(|x| x.abs()).filter(|x| x.is_finite()).fold(1e-30, f64::max);
        let level = |x: f64| (127.5 + 127.5 * x / largest).round().clamp(0.0, 255.0) as u8;
        let plane = height * width;
        let pixels = (0..plane)
            .map(|p| [0, 1, 2].map(|c| level(filter[if channels == 3 { c * plane + p } else { p }])));
        let (x, y) = ((i % columns) as f64 * (wide + 5.0), (i / columns) as f64 * (high + 5.0));
        let area = Rect { x: MARGIN + x, y: top + y, width: wide, height: high };
        shapes.push(Shape::Image { area, columns: width, rows: height, pixels: pixels.collect() });
    }
    let rows = shown.div_ceil(columns);
    let scene = Scene {
        width: (2.0 * MARGIN + columns as f64 * (wide + 5.0)).max(2.0 * MARGIN + 200.0),
        height: top + rows as f64 * (high + 5.0) + MARGIN,
        title: title.to_string(),
        shapes,
    };
    save_scene(&scene, path, false)
}

/// Draws an image beside what it says to a network: how much each pixel's change would change the answer (the
/// largest channel's |gradient|, from dark to light), after Simonyan et al. (2013).
///
/// `image` and `gradient` are `[1 or 3, height, width]`; bytes, or floats from 0 to 1.
///
/// ```
/// use chainrule::{Array, DType, plot};
/// let (image, gradient) = (Array::full_of([3, 8, 8], 0.5, DType::F32), Array::ones([3, 8, 8]));
/// let path = std::env::temp_dir().join(format!("chainrule-saliency-{}.png", std::process::id()));
/// plot::saliency(&image, &gradient, &path)?;
/// assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The arrays are no such images or differ in size; the file can't be written, or is neither `.svg` nor `.png`.
pub fn saliency(image: &Array, gradient: &Array, path: impl AsRef<Path>) -> Result<()> {
    let (&[channels @ (1 | 3), height, width], &[depth, other_height, other_width]) =
        (&image.shape()[..], &gradient.shape()[..])
    else {
        return Err(Error::shape(format!(
            "image and gradient are [channels, height, width], not {} and {}",
            image.shape(),
            gradient.shape()
        )));
    };
    if (height, width) != (other_height, other_width) || height * width == 0 || depth == 0 {
        return Err(Error::shape(format!(
            "the gradient {} is not one of the image {}",
            gradient.shape(),
            image.shape()
        )));
    }
    let plane = height * width;
    let full = if image.dtype() == crate::DType::U8 { 1.0 } else { 255.0 };
    let (photo, gradient) = (image.to_f64_vec(), gradient.to_f64_vec());
    let seen = (0..plane).map(|p| {
        [0, 1, 2].map(|c| (photo[if channels == 3 { c * plane + p } else { p }] * full).round() as u8)
    });
    let sizes: Vec<f64> = (0..plane)
        .map(|p| {
            (0..depth).map(|c| gradient[c * plane + p].abs()).filter(|x| x.is_finite()).fold(0.0, f64::max)
        })
        .collect();
    // The brightest hundredth would leave the rest in the dark.
    let mut sorted = sizes.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let bright = sorted[(plane - 1) * 99 / 100].max(1e-30);
    let heat = sizes.iter().map(|&x| {
        let x = (x / bright).min(1.0).sqrt();
        // Dark violet, red, yellow, white.
        let colour = [x * 2.0 + 0.05, (x - 0.4) * 1.7, (0.3 - x).max((x - 0.8) * 5.0)];
        colour.map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8)
    });
    let zoom = (260.0 / height.max(width) as f64).max(1.0);
    let (wide, high) = (width as f64 * zoom, height as f64 * zoom);
    let mut shapes = Vec::new();
    let both = [("image", seen.collect()), ("|gradient|", heat.collect::<Vec<[u8; 3]>>())];
    for (i, (name, pixels)) in both.into_iter().enumerate() {
        let x = MARGIN + i as f64 * (wide + 14.0);
        label(&mut shapes, x, MARGIN + 11.0, 12.0, Paint::Text, name.to_string());
        let area = Rect { x, y: MARGIN + 20.0, width: wide, height: high };
        shapes.push(Shape::Image { area, columns: width, rows: height, pixels });
    }
    let scene = Scene {
        width: 2.0 * MARGIN + 2.0 * wide + 14.0,
        height: 2.0 * MARGIN + 20.0 + high,
        title: "Saliency: which pixels would change the answer most".into(),
        shapes,
    };
    save_scene(&scene, path.as_ref(), false)
}
