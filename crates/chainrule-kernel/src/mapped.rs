//! Files mapped into memory.

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// A file's content as memory that is read from the disk when it is looked at.
///
/// The file must stay as it is while it is mapped. Rust can't see to that: a program that writes to it changes what was
/// read before, and one that cuts it short ends this program with a signal when the lost part is looked at. chainrule
/// never changes a file in place (it replaces whole files), and its readers copy what they need and let go of the
/// mapping before they return.
///
/// ```
/// use chainrule_kernel::mapped::Mapped;
/// let path = std::env::temp_dir().join(format!("chainrule-mapped-{}", std::process::id()));
/// std::fs::write(&path, "0.5,1.5")?;
/// let content = Mapped::of(&std::fs::File::open(&path)?)?;
/// assert_eq!(content.split(|&byte| byte == b',').count(), 2);
/// # drop(content);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Mapped(Mmap);

impl Mapped {
    /// Maps a file that is open for reading.
    ///
    /// # Errors
    /// The system refuses: it is no regular file, or memory lacks.
    ///
    /// ```
    /// use chainrule_kernel::mapped::Mapped;
    /// let program = std::fs::File::open(std::env::current_exe()?)?;
    /// assert_eq!(Mapped::of(&program)?.len() as u64, program.metadata()?.len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(file: &File) -> io::Result<Mapped> {
        // SAFETY: the mapping is only read, and that the file isn't changed meanwhile is what the type asks for.
        unsafe { Mmap::map(file) }.map(Mapped)
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
