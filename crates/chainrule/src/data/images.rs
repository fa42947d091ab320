//! Photos: JPEG and PNG files, and folders of them.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, ImageReader, Limits};

use super::{Example, Source};
use crate::array::{Array, Generator, Shape};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;

/// Images with longer sides are refused, and so are those that need more than this many bytes.
const LONGEST: u32 = 1 << 15;
const MOST_BYTES: u64 = 1 << 30;

/// Reads a JPEG or PNG image as RGB: `[3, height, width]`, u8. Grey images have three equal channels; transparency
/// is left out.
///
/// # Errors
/// The file can't be read, or doesn't decode.
///
/// ```
/// use chainrule::data::read_image;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-red-{}.png", std::process::id()));
/// image::RgbImage::from_pixel(2, 1, image::Rgb([255, 0, 9])).save(&path).unwrap();
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
/// let mut png = std::io::Cursor::new(Vec::new());
/// image::RgbImage::new(5, 4).write_to(&mut png, image::ImageFormat::Png).unwrap();
/// assert_eq!(*decode_image(png.get_ref())?.shape(), [3, 4, 5]);
/// assert_eq!(decode_image(b"GIF89a").unwrap_err().rule(), "this is neither a JPEG nor a PNG image");
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn decode_image(bytes: &[u8]) -> Result<Array> {
    let wrong = |rule: String| Error::new(crate::ErrorKind::Format, rule);
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| wrong(format!("the image doesn't decode: {e}")))?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(wrong("this is neither a JPEG nor a PNG image".into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST);
    limits.max_image_height = Some(LONGEST);
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| wrong(format!("the image doesn't decode: {e}")))?.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = image.into_raw();
    let planes = (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect();
    Ok(Array::filled(planes, Shape::new(&[3, height, width])?))
}

/// A folder with a folder of JPEG and PNG images for each class, named like it.
///
/// Classes are sorted by name, images by path; hidden files and files with other endings are passed over. Images are
/// read when they are asked for.
///
/// ```
/// use chainrule::data::{ImageFolder, Loader};
/// # let folder = std::env::temp_dir().join(format!("chainrule-doc-images-{}", std::process::id()));
/// for class in ["cat", "dog"] {
///     std::fs::create_dir_all(folder.join(class)).unwrap();
///     image::RgbImage::new(5, 4).save(folder.join(class).join("1.png")).unwrap();
/// }
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
            let images = entries(&path)?.into_iter().filter(|path| is_image(path));
            found.images.extend(images.map(|image| (image, class)));
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
    all.sort_unstable();
    Ok(all)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
}
