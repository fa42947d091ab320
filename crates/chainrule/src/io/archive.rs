//! Zip files: what `.npz` and PyTorch's checkpoints are.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::bytes::most_unpacked;
use crate::error::{Error, Result};

/// The first bytes of a zip file with content.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// A zip file in memory.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The names of the entries, in the order of the file.
    pub(super) names: Vec<String>,
}

fn wrong(rule: String) -> Error {
    Error::new(crate::ErrorKind::Format, rule)
}

impl<'a> Archive<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Archive<'a>> {
        let broken = |e: zip::result::ZipError| wrong(format!("not a whole zip file: {e}"));
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        let mut names = Vec::with_capacity(zip.len());
        for i in 0..zip.len() {
            let entry = zip.by_index_raw(i).map_err(broken)?;
            names.push(entry.name().map_err(broken)?.into_owned());
        }
        Ok(Archive { zip, names })
    }

    /// The unpacked bytes of an entry, its checksum checked.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>> {
        let failed =
            |e: &dyn std::fmt::Display| wrong(format!("the zip file's entry {name} can't be read: {e}"));
        let entry = self.zip.by_name(name).map_err(|e| failed(&e))?;
        // What the entry promises is not believed: packed bytes unpack to a bounded number.
        let most = most_unpacked(entry.compressed_size() as usize);
        let mut bytes = Vec::new();
        entry.take(most).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
        Ok(bytes)
    }
}
