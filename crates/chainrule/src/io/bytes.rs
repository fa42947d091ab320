//! A file's bytes: mapped into memory, or unpacked from gzip.

use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use crate::error::{Error, Result};
use crate::kernel::mapped::Mapped;

/// Files below this size are read: mapping them costs more.
const SMALLEST_MAPPED: u64 = 64 * 1024;

/// A file's bytes.
#[derive(Debug)]
pub(crate) enum FileBytes {
    Mapped(Mapped),
    Read(Vec<u8>),
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            FileBytes::Mapped(map) => map,
            FileBytes::Read(bytes) => bytes,
        }
    }
}

/// A file's bytes, unpacked where they are gzip (told by their first bytes, not by the name).
pub(crate) fn read_file(path: &Path) -> Result<FileBytes> {
    let failed = |e: std::io::Error| Error::io(path, &e);
    let mut file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(Error::new(crate::ErrorKind::Io, "this is a folder, not a file").path(path));
    }
    // A pipe has no length and can't be mapped.
    let bytes = if about.is_file() && about.len() >= SMALLEST_MAPPED {
        FileBytes::Mapped(Mapped::of(&file).map_err(failed)?)
    } else {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        FileBytes::Read(bytes)
    };
    if bytes.starts_with(&[0x1F, 0x8B]) { Ok(FileBytes::Read(unpack(&bytes, path)?)) } else { Ok(bytes) }
}

/// Unpacks gzip; a small file that promises gigabytes is refused.
pub(crate) fn unpack(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(most_unpacked(bytes.len()));
    reader
        .read_to_end(&mut unpacked)
        .map_err(|e| Error::format(path, format!("not a whole gzip file: {e}")))?;
    Ok(unpacked)
}

/// The most that so many packed bytes can hold: deflate packs at most about 1,032 times.
pub(crate) fn most_unpacked(packed: usize) -> u64 {
    packed as u64 * 1100
}
