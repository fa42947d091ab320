//! Resizing images as Pillow and torchvision do it.

use serde::{Deserialize, Serialize};

use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};

/// How the pixels of a resized image follow from those around their place.
///
/// ```
/// use chainrule::Array;
/// use chainrule::data::{resize, Filter};
/// let image = Array::literal([[[0.0, 8.0]]])?;
/// let wider = |filter| resize(&image, 1, 4, filter)?.to_vec::<f32>();
/// assert_eq!(wider(Filter::Bilinear)?, [0.0, 2.0, 6.0, 8.0]);
/// assert!(wider(Filter::Bicubic)?[0] < 0.0); // cubics overshoot
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Weights that fall evenly to 0 within one pixel
    #[default]
    Bilinear,
    /// Cubic weights (a = −½) within two pixels
    Bicubic,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Filter::Bilinear => (1.0 - x).max(0.0),
            Filter::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Filter::Bicubic => 0.0,
        }
    }
}

/// For each output pixel: the first input pixel that counts, and the weights from there on.
fn weights(input: usize, output: usize, filter: Filter) -> Vec<(usize, Vec<f64>)> {
    let scale = input as f64 / output as f64;
    // A smaller image is made from all pixels (antialias): the filter is stretched.
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let row = |place: usize| {
        let center = (place as f64 + 0.5) * scale;
        let first = ((center - support + 0.5).max(0.0)) as usize;
        let end = ((center + support + 0.5) as usize).min(input);
        let mut row: Vec<f64> =
            (first..end).map(|i| filter.weight((i as f64 - center + 0.5) / stretch)).collect();
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= sum);
        (first, row)
    };
    (0..output).map(row).collect()
}

/// Resizes an image `[channels, height, width]`.
///
/// Smaller images are made from all pixels (antialias). Bytes give exactly what Pillow gives (and torchvision for
/// Pillow images): weights are rounded to 22 bits, rows are done first and rounded, then columns. f32 images are
/// computed without rounding, as torchvision does for float tensors with `antialias=True`.
///
/// # Errors
/// The array is no u8 or f32 image, or a size is 0.
///
/// ```
/// use chainrule::data::{Filter, resize};
/// use chainrule::Array;
/// let image = Array::from_vec(vec![0u8, 100, 200, 100], [1, 2, 2])?;
/// let small = resize(&image, 1, 1, Filter::Bilinear)?;
/// assert_eq!(small.to_vec::<u8>()?, [100]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn resize(image: &Array, height: usize, width: usize, filter: Filter) -> Result<Array> {
    let [channels, from_height, from_width] = image.shape()[..] else {
        return Err(Error::shape(format!("an image is [channels, height, width], not {}", image.shape())));
    };
    if height == 0 || width == 0 || from_height == 0 || from_width == 0 {
        return Err(Error::shape(format!(
            "an image of {from_height}×{from_width} can't be resized to {height}×{width}"
        )));
    }
    let shape = Shape::new(&[channels, height, width])?;
    // Bringing the short side of a narrow strip to a size can make an absurdly long one.
    if shape.elements() > MOST_ELEMENTS {
        return Err(Error::shape(format!("an image of {height}×{width} is too large to resize to")));
    }
    let image = image.contiguous();
    let (across, down) = (weights(from_width, width, filter), weights(from_height, height, filter));
    match image.dtype() {
        DType::U8 => {
            let rounded = |rows: &[(usize, Vec<f64>)]| -> Vec<(usize, Vec<i32>)> {
                let fixed = |weight: &f64| (weight * f64::from(1 << BITS)).round() as i32;
                rows.iter().map(|(first, row)| (*first, row.iter().map(fixed).collect())).collect()
            };
            let pixel = |sum: i32| ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8;
            let (across, down) = (rounded(&across), rounded(&down));
            let values = two_passes(
                image.values::<u8>(),
                [from_height, from_width],
                &across,
                &down,
                |x, weight| i32::from(x) * weight,
                pixel,
            );
            Ok(Array::filled(values, shape))
        }
        DType::F32 => {
            let values = two_passes(
                image.values::<f32>(),
                [from_height, from_width],
                &across,
                &down,
                |x, weight| f64::from(x) * weight,
                |sum| sum as f32,
            );
            Ok(Array::filled(values, shape))
        }
        other => {
            Err(Error::dtype(format!("an image of {other} can't be resized")).hint("images are u8 or f32"))
        }
    }
}

/// Larger images aren't made.
const MOST_ELEMENTS: usize = 1 << 28;

/// Bits after the point of Pillow's weights.
const BITS: u32 = 22;

/// Resizes rows, then columns; a size that stays is left as it is, as Pillow does.
fn two_passes<T: Copy + Default, W: Copy, A: std::iter::Sum<A>>(
    image: &[T],
    [height, width]: [usize; 2],
    across: &[(usize, Vec<W>)],
    down: &[(usize, Vec<W>)],
    product: impl Fn(T, W) -> A,
    finish: impl Fn(A) -> T,
) -> Vec<T> {
    let (new_height, new_width) = (down.len(), across.len());
    let rows: Vec<T> = if new_width == width {
        image.to_vec()
    } else {
        image
            .chunks_exact(width)
            .flat_map(|line| {
                across.iter().map(|(first, row)| {
                    finish(line[*first..].iter().zip(row).map(|(&x, &w)| product(x, w)).sum())
                })
            })
            .collect()
    };
    if new_height == height {
        return rows;
    }
    let mut out = Vec::with_capacity(rows.len() / height * new_height);
    for plane in rows.chunks_exact(height * new_width) {
        for (first, column) in down {
            for x in 0..new_width {
                let values = plane[first * new_width + x..].iter().step_by(new_width);
                out.push(finish(values.zip(column).map(|(&value, &w)| product(value, w)).sum()));
            }
        }
    }
    out
}
