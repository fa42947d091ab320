//! CIFAR-10 and CIFAR-100 in their binary form.

use std::path::Path;

use super::Dataset;
use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;

/// Which of the two sets a file is of.
///
/// ```
/// use chainrule::data::{read_cifar, Cifar};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-cifar-kind-{}.bin", std::process::id()));
/// // One image of CIFAR-100: the class of the group, the class, and the pixels.
/// std::fs::write(&path, [vec![3, 42], vec![0; 3072]].concat()).unwrap();
/// assert_eq!(read_cifar(&path, Cifar::Hundred)?.labels, [42]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cifar {
    /// 10 classes, one byte of label
    Ten,
    /// 100 classes in 20 groups, two bytes of label, of which the second is the class
    Hundred,
}

const PIXELS: usize = 3 * 32 * 32;

impl Cifar {
    fn classes(self) -> Vec<String> {
        match self {
            Cifar::Ten => {
                ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
                    .map(String::from)
                    .to_vec()
            }
            Cifar::Hundred => (0..100).map(|class| class.to_string()).collect(),
        }
    }

    fn label_bytes(self) -> usize {
        match self {
            Cifar::Ten => 1,
            Cifar::Hundred => 2,
        }
    }
}

/// Reads one file of CIFAR's binary form, plain or gzip: images `[n, 3, 32, 32]`, u8.
///
/// # Errors
/// The file can't be read, is cut off, or a label is out of range (with the byte offset).
///
/// ```
/// use chainrule::data::{read_cifar, Cifar};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-cifar-read-{}.bin", std::process::id()));
/// std::fs::write(&path, [vec![5], vec![0; 3072]].concat()).unwrap();
/// let data = read_cifar(&path, Cifar::Ten)?;
/// assert_eq!((data.features.shape()[..].to_vec(), &data.classes[5][..]), (vec![1, 3, 32, 32], "dog"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn read_cifar(path: impl AsRef<Path>, kind: Cifar) -> Result<Dataset> {
    let path = path.as_ref();
    parse(&[&read_file(path)?], kind).map_err(|(_, error)| error.path(path))
}

/// Training and test part from a folder with the files of the binary distribution (`data_batch_1.bin` to 5 and
/// `test_batch.bin`, or `train.bin` and `test.bin` of CIFAR-100).
///
/// # Errors
/// As [`read_cifar`], or a file is missing.
///
/// ```
/// use chainrule::data::load_cifar;
/// # let folder = std::env::temp_dir().join(format!("chainrule-doc-cifar-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// for name in ["train.bin", "test.bin"] {
///     std::fs::write(folder.join(name), [vec![0, 7], vec![0; 3072]].concat()).unwrap();
/// }
/// let (train, test) = load_cifar(&folder)?;
/// assert_eq!((&train.name[..], train.len(), test.len()), ("cifar100", 1, 1));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn load_cifar(folder: impl AsRef<Path>) -> Result<(Dataset, Dataset)> {
    let folder = folder.as_ref();
    let (kind, train, test) = if folder.join("train.bin").is_file() {
        (Cifar::Hundred, vec!["train.bin".to_string()], "test.bin")
    } else {
        (Cifar::Ten, (1..6).map(|i| format!("data_batch_{i}.bin")).collect(), "test_batch.bin")
    };
    let read = |names: &[String]| {
        let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
        let files = paths.iter().map(|path| read_file(path)).collect::<Result<Vec<_>>>()?;
        let bytes: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
        parse(&bytes, kind).map_err(|(file, error)| error.path(&paths[file]))
    };
    Ok((read(&train)?, read(&[test.to_string()])?))
}

/// The images of several files; an error comes with the number of its file.
fn parse(files: &[&[u8]], kind: Cifar) -> std::result::Result<Dataset, (usize, Error)> {
    let classes = kind.classes();
    let row = kind.label_bytes() + PIXELS;
    let total: usize = files.iter().map(|bytes| bytes.len() / row).sum();
    let (mut pixels, mut labels) = (Vec::with_capacity(total * PIXELS), Vec::with_capacity(total));
    for (file, bytes) in files.iter().enumerate() {
        let wrong = |offset: usize, rule: String| {
            (file, Error::new(crate::ErrorKind::Format, rule).offset(offset as u64))
        };
        if bytes.is_empty() {
            return Err(wrong(0, format!("the file is empty, and every image takes {row} bytes")));
        }
        if bytes.len() % row != 0 {
            return Err(wrong(
                bytes.len() / row * row,
                format!("every image takes {row} bytes, and the last one has {}", bytes.len() % row),
            ));
        }
        for (i, image) in bytes.chunks_exact(row).enumerate() {
            let (label, image) = image.split_at(kind.label_bytes());
            let label = label[label.len() - 1];
            if usize::from(label) >= classes.len() {
                return Err(wrong(
                    i * row + kind.label_bytes() - 1,
                    format!("the label {label} of image {i} is not one of the {} classes", classes.len()),
                ));
            }
            labels.push(i64::from(label));
            pixels.extend_from_slice(image);
        }
    }
    let make = || {
        let features = Array::filled(pixels, Shape::new(&[labels.len(), 3, 32, 32])?);
        Dataset::new(if kind == Cifar::Ten { "cifar10" } else { "cifar100" }, features, labels, classes)
    };
    make().map_err(|error| (0, error))
}
