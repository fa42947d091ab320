//! NumPy's `.npz` files: named arrays, each a `.npy` in a zip file.

use std::io;
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::archive::Archive;
use super::atomic::write_atomic_with;
use super::npy;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::order;

/// Writes named arrays as NumPy's `.npz`, as `numpy.savez` does, whole or not at all.
///
/// # Errors
/// The file can't be written, or two arrays have the same name.
///
/// ```
/// use chainrule::{io, Array};
/// let path = std::env::temp_dir().join(format!("chainrule-doc-{}.npz", std::process::id()));
/// io::save_npz(&path, &[("w".into(), Array::ones([2, 3])), ("b".into(), Array::zeros([3]))])?;
/// let (arrays, _) = io::load_tensors(&path)?;
/// assert_eq!(arrays[1].0, "w");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn save_npz(path: impl AsRef<Path>, arrays: &[(String, Array)]) -> Result<()> {
    write_atomic_with(path.as_ref(), |out| {
        let mut zip = ZipWriter::new(out);
        for (name, array) in arrays {
            let large = array.bytes() as u64 + (1 << 20) > u64::from(u32::MAX);
            let options =
                SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
            zip.start_file(format!("{name}.npy"), options).map_err(io::Error::other)?;
            npy::write(array, &mut zip)?;
        }
        zip.finish().map(drop).map_err(io::Error::other)
    })
}

/// Reads the arrays of a `.npz`, stored or compressed.
pub(super) fn parse(archive: &mut Archive) -> Result<Vec<(String, Array)>> {
    let names: Vec<String> = archive.names.iter().filter(|name| name.ends_with(".npy")).cloned().collect();
    let mut arrays = Vec::with_capacity(names.len());
    for entry in names {
        let name = entry.trim_end_matches(".npy").to_string();
        let array = npy::parse(&archive.read(&entry)?)
            .map_err(|e| Error::new(e.kind(), format!("in the entry {entry}: {e}")))?;
        arrays.push((name, array));
    }
    order::sort_by(&mut arrays, |a, b| a.0.cmp(&b.0));
    Ok(arrays)
}
