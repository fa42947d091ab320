//! Files: tensors in the formats of safetensors, NumPy and PyTorch; everything written whole or not at all.
//!
//! [`load_tensors`] reads named arrays from any of them, telling the format by the file's first bytes.
//!
//! ```
//! use chainrule::Array;
//! use chainrule::io;
//! # let path = std::env::temp_dir().join(format!("chainrule-doc-io-{}.safetensors", std::process::id()));
//! io::save_tensors(&path, &[("w".into(), Array::ones([2, 3]))], &[])?;
//! let (tensors, _) = io::load_tensors(&path)?;
//! assert_eq!((&tensors[0].0[..], tensors[0].1.shape()[..].to_vec()), ("w", vec![2, 3]));
//! # std::fs::remove_file(path).unwrap();
//! # Ok::<(), chainrule::Error>(())
//! ```

#[cfg(feature = "archives")]
mod archive;
mod atomic;
pub(crate) mod bytes;
#[cfg(feature = "archives")]
mod checkpoint;
mod elements;
mod npy;
#[cfg(feature = "archives")]
mod npz;
#[cfg(feature = "archives")]
mod pickle;
mod safetensors;

pub(crate) use self::atomic::remove_parts;
pub use self::atomic::write_atomic;
#[cfg(feature = "archives")]
pub use self::checkpoint::{Item, load_checkpoint};
pub use self::npy::{load_npy, save_npy};
#[cfg(feature = "archives")]
pub use self::npz::save_npz;
pub use self::safetensors::{Loaded, save_tensors};

use std::path::Path;

use crate::error::Result;

/// Reads named arrays, sorted by name, and the texts about them: what [`save_tensors`] or PyTorch wrote.
///
/// Files may be safetensors, NumPy's `.npy` (its array is called by the file's name) and, with the feature
/// `archives`, NumPy's `.npz` and PyTorch's `.pt` and `.pth` (see [`load_checkpoint`]); each also packed with gzip.
/// Large files are mapped into memory, so that no second copy of them is made.
///
/// # Errors
/// The file can't be read, has another format, or holds an element type that arrays don't have.
///
/// ```
/// use chainrule::{io, Array};
/// let path = std::env::temp_dir().join(format!("chainrule-doc-{}.safetensors", std::process::id()));
/// io::save_tensors(&path, &[("w".into(), Array::ones([2, 3]))], &[("arch".into(), "mlp".into())])?;
/// let (tensors, about) = io::load_tensors(&path)?;
/// assert_eq!(*tensors[0].1.shape(), [2, 3]);
/// assert_eq!(about[0].1, "mlp");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn load_tensors(path: impl AsRef<Path>) -> Result<Loaded> {
    let path = path.as_ref();
    let bytes = bytes::read_file(path)?;
    if bytes.starts_with(npy::MAGIC) {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let array = npy::parse(&bytes).map_err(|e| e.path(path))?;
        return Ok((vec![(name, array)], Vec::new()));
    }
    // PyTorch's older format begins with a pickle of protocol 2.
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02\x8a\x0a") {
        return Ok((packed(&bytes).map_err(|e| e.path(path))?, Vec::new()));
    }
    self::safetensors::parse(&bytes, path)
}

/// Named arrays of a `.npz` or a checkpoint of PyTorch.
#[cfg(feature = "archives")]
fn packed(bytes: &[u8]) -> Result<Vec<(String, crate::Array)>> {
    if bytes.starts_with(archive::MAGIC) {
        let mut archive = archive::Archive::new(bytes)?;
        if !archive.names.iter().any(|name| name.ends_with("data.pkl")) {
            return npz::parse(&mut archive);
        }
    }
    let mut tensors = checkpoint::parse(bytes)?.tensors();
    crate::order::sort_by(&mut tensors, |a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

#[cfg(not(feature = "archives"))]
fn packed(_: &[u8]) -> Result<Vec<(String, crate::Array)>> {
    Err(crate::Error::new(crate::ErrorKind::Format, "this is a zip file or a checkpoint of PyTorch")
        .hint("build chainrule with the feature archives to read it"))
}
