//! Photos: JPEG and PNG files, and folders of them.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Example, Source};
use crate::array::{Array, Generator, Shape};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;
use crate::order;

/// Images with longer sides are refused, and so are those of more pixels.
const LONGEST: usize = 1 << 15;
const MOST_PIXELS: usize = 1 << 28;

/// Reads a JPEG or PNG image as RGB: `[3, height, width]`, u8. Grey images have three equal channels; transparency
/// is left out.
///
/// # Errors
/// The file can't be read, or doesn't decode.
///
/// ```
/// use chainrule::data::read_image;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-red-{}.png", std::process::id()));
/// # let mut png = png::Encoder::new(std::fs::File::create(&path).unwrap(), 2, 1);
/// # png.set_color(png::ColorType::Rgb);
/// # png.write_header().unwrap().write_image_data(&[255, 0, 9, 255, 0, 9]).unwrap();
/// let pixels = read_image(&path)?;
/// assert_eq!(*pixels.shape(), [3, 1, 2]);
/// assert_eq!(pixels.to_vec::<u8>()?, [255, 255, 0, 0, 9, 9]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn read_image(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    decode_image(&read_file(path)?).map_err(|error| error.path(path))
}

/// Decodes a JPEG or PNG image as [`read_image`] does.
///
/// # Errors
/// The bytes don't decode.
///
/// ```
/// use chainrule::data::decode_image;
/// # let mut grey = Vec::new();
/// # png::Encoder::new(&mut grey, 5, 4).write_header().unwrap().write_image_data(&[7; 20]).unwrap();
/// assert_eq!(*decode_image(&grey)?.shape(), [3, 4, 5]);
/// assert_eq!(decode_image(b"GIF89a").unwrap_err().rule(), "this is neither a JPEG nor a PNG image");
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn decode_image(bytes: &[u8]) -> Result<Array> {
    let decoded = match bytes {
        [0xFF, 0xD8, 0xFF, ..] => decode_jpeg(bytes),
        [0x89, b'P', b'N', b'G', ..] => decode_png(bytes),
        _ => Err("this is neither a JPEG nor a PNG image".into()),
    };
    let Pixels { width, height, channels, values } =
        decoded.map_err(|rule| Error::new(crate::ErrorKind::Format, rule))?;
    // Colours come first; grey serves as each of them, and transparency comes last.
    let colour = |c: usize| if channels < 3 { 0 } else { c };
    let planes = (0..3).flat_map(|c| values.iter().skip(colour(c)).step_by(channels).copied()).collect();
    Ok(Array::filled(planes, Shape::new(&[3, height, width])?))
}

/// An image as it is decoded: row by row, the channels of a pixel side by side.
struct Pixels {
    width: usize,
    height: usize,
    channels: usize,
    values: Vec<u8>,
}

fn undecodable(error: impl std::fmt::Display) -> String {
    format!("the image doesn't decode: {error}")
}

/// Refuses images that are too large.
fn check_size(width: usize, height: usize) -> std::result::Result<(), String> {
    match width.max(height) <= LONGEST && width * height <= MOST_PIXELS {
        true => Ok(()),
        false => Err(undecodable(format!("its size, {width}×{height}, exceeds the limit"))),
    }
}

fn decode_jpeg(bytes: &[u8]) -> std::result::Result<Pixels, String> {
    // Damaged files are shown as far as they go, as other programs do.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(LONGEST)
        .set_max_height(LONGEST)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(undecodable)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| undecodable("it has no size"))?;
    check_size(width, height)?;
    let values = decoder.decode().map_err(undecodable)?;
    Ok(Pixels { width, height, channels: values.len() / (width * height).max(1), values })
}

fn decode_png(bytes: &[u8]) -> std::result::Result<Pixels, String> {
    let limits = png::Limits { bytes: 8 * MOST_PIXELS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Palettes and fewer than 8 bits become whole bytes.
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(undecodable)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height)?;
    let size = reader.output_buffer_size().ok_or_else(|| undecodable("it is too large"))?;
    let mut values = vec![0; size];
    let frame = reader.next_frame(&mut values).map_err(undecodable)?;
    values.truncate(frame.buffer_size());
    if frame.bit_depth == png::BitDepth::Sixteen {
        // Rounded to the nearest: 65535 / 257 = 255.
        let byte = |pair: &[u8; 2]| ((u32::from(u16::from_be_bytes(*pair)) + 128) / 257) as u8;
        values = values.as_chunks::<2>().0.iter().map(byte).collect();
    }
    Ok(Pixels { width, height, channels: frame.color_type.samples(), values })
}

/// A folder with a folder of JPEG and PNG images for each class, named like it.
///
/// Classes are sorted by name, images by path, those in folders within a class's folder too; hidden files and files
/// with other endings are passed over. Images are read when they are asked for.
///
/// ```
/// use chainrule::data::{ImageFolder, Loader};
/// # let folder = std::env::temp_dir().join(format!("chainrule-doc-images-{}", std::process::id()));
/// # for class in ["cat", "dog"] {
/// #     std::fs::create_dir_all(folder.join(class)).unwrap();
/// #     let file = std::fs::File::create(folder.join(class).join("1.png")).unwrap();
/// #     png::Encoder::new(file, 5, 4).write_header().unwrap().write_image_data(&[7; 20]).unwrap();
/// # }
/// // The folder has cat/1.png and dog/1.png.
/// let batch = Loader::new(ImageFolder::open(&folder)?, 2).epoch(0).next().unwrap()?;
/// assert_eq!(*batch.inputs.shape(), [2, 3, 4, 5]);
/// assert_eq!(batch.targets.to_vec::<i64>()?, [0, 1]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageFolder {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The path of each image, and its class.
    pub images: Vec<(PathBuf, i64)>,
}

impl ImageFolder {
    /// Lists a folder's images.
    ///
    /// # Errors
    /// The folder can't be read, has no class, or a class has no image.
    ///
    /// ```
    /// use chainrule::data::ImageFolder;
    /// # let folder = std::env::temp_dir().join(format!("chainrule-doc-no-images-{}", std::process::id()));
    /// std::fs::create_dir_all(folder.join("cat")).unwrap();
    /// let error = ImageFolder::open(&folder).unwrap_err();
    /// assert_eq!(error.rule(), "the class has no image (.jpg, .jpeg or .png)");
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// ```
    pub fn open(folder: impl AsRef<Path>) -> Result<ImageFolder> {
        let folder = folder.as_ref();
        let classes: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
        if classes.is_empty() {
            return Err(Error::format(folder, "there is no folder in here, and each class needs one"));
        }
        let mut found = ImageFolder { classes: Vec::new(), images: Vec::new() };
        for path in classes {
            let before = found.images.len();
            let class = found.classes.len() as i64;
            found.images.extend(images_below(&path)?.into_iter().map(|image| (image, class)));
            if found.images.len() == before {
                return Err(Error::format(&path, "the class has no image (.jpg, .jpeg or .png)"));
            }
            found.classes.push(name(&path));
        }
        Ok(found)
    }
}

impl Source for ImageFolder {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn example(&self, i: usize, _: &mut Generator) -> Result<Example> {
        let (path, class) =
            self.images.get(i).ok_or_else(|| Error::index(format!("there is no image {i}")))?;
        Ok(Example { input: read_image(path)?, target: Array::scalar(*class) })
    }
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What is in a folder, sorted, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::io(folder, &e);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !name(&path).starts_with('.') {
            all.push(path);
        }
    }
    order::sort(&mut all);
    Ok(all)
}

/// The images in a folder and in the folders within it. A folder that is met again through a link isn't gone into
/// once more.
fn images_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut waiting, mut met) = (Vec::new(), vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = waiting.pop() {
        let real = folder.canonicalize().map_err(|e| Error::io(&folder, &e))?;
        if met.contains(&real) {
            continue;
        }
        met.push(real);
        let (folders, files): (Vec<_>, Vec<_>) =
            entries(&folder)?.into_iter().partition(|path| path.is_dir());
        waiting.extend(folders);
        found.extend(files.into_iter().filter(|path| is_image(path)));
    }
    order::sort(&mut found);
    Ok(found)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
}
