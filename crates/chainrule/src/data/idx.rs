//! IDX files: the format of MNIST.

use std::path::{Path, PathBuf};

use super::Dataset;
use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;

/// The content of an IDX file of bytes.
///
/// ```
/// use chainrule::data::{read_idx, Idx};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-idx-type-{}.idx", std::process::id()));
/// // Bytes (8) in one dimension (1) of size 3.
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 9]).unwrap();
/// assert_eq!(read_idx(&path)?, Idx { shape: vec![3], values: vec![7, 2, 9] });
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// The sizes of the dimensions.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, plain or gzip.
///
/// # Errors
/// The file can't be read; its magic number, type or length is wrong (with the byte offset).
///
/// ```
/// use chainrule::data::read_idx;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-idx-read-{}.idx", std::process::id()));
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 2]).unwrap();
/// let error = read_idx(&path).unwrap_err();
/// assert!(error.to_string().ends_with("at byte 10: the sizes [3] promise 3 bytes, and there are 2"));
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn read_idx(path: impl AsRef<Path>) -> Result<Idx> {
    let path = path.as_ref();
    parse(&read_file(path)?).map_err(|error| error.path(path))
}

fn parse(bytes: &[u8]) -> Result<Idx> {
    let wrong =
        |offset: usize, rule: String| Error::new(crate::ErrorKind::Format, rule).offset(offset as u64);
    if bytes.len() < 4 {
        return Err(wrong(bytes.len(), "an IDX file begins with 4 bytes, and this one ends before".into()));
    }
    if bytes[0] != 0 || bytes[1] != 0 {
        return Err(wrong(
            0,
            format!("an IDX file begins with two zero bytes, not {:#04x} {:#04x}", bytes[0], bytes[1]),
        ));
    }
    if bytes[2] != 0x08 {
        return Err(wrong(
            2,
            format!("the element type is {:#04x}; only unsigned bytes (0x08) are supported", bytes[2]),
        ));
    }
    let rank = bytes[3] as usize;
    let start = 4 + 4 * rank;
    let sizes = bytes
        .get(4..start)
        .ok_or_else(|| wrong(bytes.len(), format!("the sizes of {rank} dimensions are cut off")))?;
    let shape: Vec<usize> =
        sizes.chunks(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let expected = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let values = &bytes[start..];
    match expected {
        Some(expected) if expected == values.len() => Ok(Idx { shape, values: values.to_vec() }),
        Some(expected) => Err(wrong(
            start + expected.min(values.len()),
            format!("the sizes {shape:?} promise {expected} bytes, and there are {}", values.len()),
        )),
        None => Err(wrong(4, format!("the sizes {shape:?} are absurd"))),
    }
}

/// Training and test part of MNIST (or of a set in the same format) from a folder with its four files, plain
/// or gzip: images `[n, 1, height, width]`, u8.
///
/// # Errors
/// A file is missing or broken, the numbers of images and labels differ, or a label isn't 0 to 9.
///
/// ```
/// use chainrule::data::load_mnist;
/// # let folder = std::env::temp_dir().join(format!("chainrule-doc-mnist-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// for part in ["train", "t10k"] {
///     let images = [vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2], vec![0, 255, 0, 255]].concat();
///     std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
///     std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), [0, 0, 8, 1, 0, 0, 0, 1, 4]).unwrap();
/// }
/// let (train, test) = load_mnist(&folder)?;
/// assert_eq!((train.labels, test.width()), (vec![4], 4));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn load_mnist(folder: impl AsRef<Path>) -> Result<(Dataset, Dataset)> {
    let folder = folder.as_ref();
    Ok((part(folder, "train")?, part(folder, "t10k")?))
}

fn part(folder: &Path, name: &str) -> Result<Dataset> {
    let image_path = find(folder, &format!("{name}-images"), "idx3-ubyte")?;
    let label_path = find(folder, &format!("{name}-labels"), "idx1-ubyte")?;
    let (images, labels) = (read_idx(&image_path)?, read_idx(&label_path)?);
    let [n, height, width] = images.shape[..] else {
        return Err(Error::format(
            &image_path,
            format!("images have three dimensions, not {:?}", images.shape),
        )
        .offset(3));
    };
    if labels.shape != [n] {
        return Err(Error::format(
            &label_path,
            format!("there are {n} images and labels of shape {:?}", labels.shape),
        )
        .offset(4));
    }
    if let Some(i) = labels.values.iter().position(|&label| label > 9) {
        return Err(Error::format(&label_path, format!("the label {} is not a digit", labels.values[i]))
            .offset(8 + i as u64));
    }
    let features = Array::from_vec(images.values, Shape::new(&[n, 1, height, width])?)?;
    let labels = labels.values.iter().map(|&label| i64::from(label)).collect();
    Dataset::new(format!("mnist-{name}"), features, labels, (0..10).map(|c| c.to_string()).collect())
}

/// The file in any of the spellings in which MNIST is found.
fn find(folder: &Path, stem: &str, kind: &str) -> Result<PathBuf> {
    let names = ["-", "."].iter().flat_map(|dot| ["", ".gz"].map(|end| format!("{stem}{dot}{kind}{end}")));
    let paths: Vec<PathBuf> = names.map(|name| folder.join(name)).collect();
    paths.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        Error::new(
            crate::ErrorKind::Io,
            format!("{stem}-{kind} is not in this folder, neither plain nor as .gz"),
        )
        .path(folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(shape: &[u32], values: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        shape.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend((0..values).map(|i| i as u8));
        bytes
    }

    #[test]
    fn whole_files_are_read_and_others_refused_at_their_offset() {
        assert_eq!(parse(&file(&[2, 3], 6)).unwrap().shape, [2, 3]);
        for (bytes, offset) in [
            (vec![], "byte 0"),
            (vec![1, 0, 8, 1], "byte 0"),
            (vec![0, 0, 9, 1], "byte 2"),
            (vec![0, 0, 8, 2, 0, 0], "byte 6"),
            (file(&[2, 3], 5), "byte 17"),
            (file(&[2, 3], 7), "byte 18"),
            (file(&[u32::MAX, u32::MAX, u32::MAX], 0), "byte 4"),
        ] {
            let error = parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(offset), "{error}");
        }
    }
}
