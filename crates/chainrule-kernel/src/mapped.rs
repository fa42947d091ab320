//! Files mapped into memory.

use std::fs::File;
use std::io;

pub use memmap2::Mmap;

/// The file's content as memory that is read from the disk when it is looked at.
pub fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is private and only read. A program that cuts the file short meanwhile would make
    // reading fail with a signal; the library itself never changes a file in place (it replaces whole files),
    // and readers copy what they need and let go of the mapping before they return.
    unsafe { Mmap::map(file) }
}
