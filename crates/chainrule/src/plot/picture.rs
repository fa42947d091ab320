//! Arrays as pictures.

use std::path::Path;

use super::failed;
use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::io::write_atomic;

/// An image as PNG: `[height, width]` or `[1, height, width]` grey, `[3, height, width]` in colour; bytes as they are,
/// floats from 0 (black) to 1.
///
/// # Errors
/// The array has another shape, or no pixel.
///
/// ```
/// use chainrule::{Array, plot};
/// let grey = Array::from_vec(vec![0u8, 255, 128, 7], [2, 2])?;
/// assert!(plot::encode_png(&grey)?.starts_with(b"\x89PNG"));
/// assert!(plot::encode_png(&Array::zeros([2])).is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn encode_png(image: &Array) -> Result<Vec<u8>> {
    let (channels, height, width) = match image.shape()[..] {
        [height, width] => (1, height, width),
        [channels @ (1 | 3), height, width] => (channels, height, width),
        _ => {
            return Err(Error::shape(format!(
                "a picture is [height, width], [1, height, width] or [3, height, width], not {}",
                image.shape()
            )));
        }
    };
    let full = if image.dtype() == DType::U8 { 1.0 } else { 255.0 };
    // Saturating: what lies outside becomes black or white.
    let values: Vec<u8> = image.to_f64_vec().into_iter().map(|x| (x * full).round() as u8).collect();
    let plane = height * width;
    let places = (0..plane).flat_map(|i| (0..channels).map(move |channel| channel * plane + i));
    let pixels: Vec<u8> = places.map(|place| values[place]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).map_err(failed)?;
    Ok(bytes)
}

/// Writes an image as PNG, as [`encode_png`] has it.
///
/// ```
/// use chainrule::{Array, DType, plot};
/// let path = std::env::temp_dir().join(format!("chainrule-doc-{}.png", std::process::id()));
/// plot::save_png(&Array::full_of([3, 4, 5], 0.5, DType::F32), &path)?;
/// assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As there, or the file can't be written.
pub fn save_png(image: &Array, path: impl AsRef<Path>) -> Result<()> {
    write_atomic(path, &encode_png(image)?)
}
