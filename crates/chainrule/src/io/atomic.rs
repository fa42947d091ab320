//! Files that appear whole or not at all, also when the process is killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Writes a file so that nobody ever sees a part of it: into a temporary file beside it, which then takes
/// its name.
///
/// # Errors
/// The folder can't be written, or the disk is full; an older file of that name is still whole then.
///
/// ```
/// let path = std::env::temp_dir().join(format!("chainrule-doc-{}.txt", std::process::id()));
/// chainrule::io::write_atomic(&path, b"whole")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"whole");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path.as_ref(), |out| out.write_all(bytes))
}

/// Like [`write_atomic`], for files too large to be held as bytes.
pub(crate) fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let temporary = beside(path)?;
    let written = (|| {
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        // The error that matters is the first one.
        drop(fs::remove_file(&temporary));
        return Err(
            Error::io(path, &error).hint("is the folder there and writable, and is there space on the disk?")
        );
    }
    sync_folder(path);
    Ok(())
}

/// Removes what writers that were killed left behind in a folder. Nobody else may be writing there.
pub(crate) fn remove_parts(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".part") {
            // It is only in the way; where it can't be removed, it stays.
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// A name in the same folder that no other write uses.
fn beside(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| Error::argument("a file name is needed").path(path))?;
    let unique = format!(
        ".{}.{}-{}.part",
        name.to_string_lossy(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    Ok(path.with_file_name(unique))
}

/// Makes the new name survive a power failure, where the system can do that.
fn sync_folder(path: &Path) {
    if cfg!(unix)
        && let Some(folder) = path.parent()
        && let Ok(folder) = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        drop(folder.sync_all());
    }
}
