//! TensorBoard's event files: metrics that can be watched while a run goes on.
//!
//! A file is a row of records (TensorFlow's TFRecord: length, checksum, content, checksum), each an `Event` in
//! protocol buffers' encoding. The few fields that scalars need are written here; of the crates for it none is kept up.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// An event file that grows.
///
/// A run that goes on begins another file beside the first, and says from which step on it counts: TensorBoard then
/// forgets what the interrupted run had written beyond it.
///
/// ```
/// use chainrule::train::EventFile;
/// # let folder = std::env::temp_dir().join(format!("chainrule-doc-events-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let mut events = EventFile::create(&folder, 0)?;
/// events.scalars(1, &[("loss", 0.5), ("accuracy", 0.8)])?; // tensorboard --logdir FOLDER
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// A new file in a run's folder, for a run that goes on from this step.
    ///
    /// # Errors
    /// The folder can't be written.
    ///
    /// ```
    /// use chainrule::train::EventFile;
    /// assert!(EventFile::create("no/such/folder", 0).is_err());
    /// ```
    pub fn create(folder: impl AsRef<Path>, step: usize) -> Result<EventFile> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "events.out.tfevents.{}.{:09}.chainrule.{}",
            now.as_secs(),
            now.subsec_nanos(),
            std::process::id()
        );
        let path = folder.as_ref().join(name);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let mut events = EventFile { file: file.map_err(|e| Error::io(&path, &e))?, path };
        events.append(&event(0, &text(3, b"brain.Event:2")))?;
        // A session that starts here: status 1.
        events.append(&event(step, &text(7, &number(1, 1))))?;
        Ok(events)
    }

    /// Adds values by name at a step.
    ///
    /// # Errors
    /// The file can't be written.
    ///
    /// ```
    /// use chainrule::train::EventFile;
    /// # let folder = std::env::temp_dir().join(format!("chainrule-doc-scalars-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// let mut events = EventFile::create(&folder, 100)?; // a run that goes on
    /// events.scalars(101, &[("loss/training", 0.25)])?;
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn scalars(&mut self, step: usize, values: &[(&str, f64)]) -> Result<()> {
        let value = |(tag, value): &(&str, f64)| {
            let mut one = text(1, tag.as_bytes());
            // A float, in four bytes.
            one.push(2 << 3 | 5);
            one.extend((*value as f32).to_le_bytes());
            text(1, &one)
        };
        let summary: Vec<u8> = values.iter().flat_map(value).collect();
        self.append(&event(step, &text(5, &summary)))
    }

    /// One record, in one piece.
    fn append(&mut self, content: &[u8]) -> Result<()> {
        let length = (content.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(content);
        record.extend(masked(content).to_le_bytes());
        self.file
            .write_all(&record)
            .map_err(|e| Error::io(&self.path, &e).hint("is there space on the disk?"))
    }
}

/// CRC-32C, turned and moved so that a checksum of checksums stays one.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// An event now, at a step, with one more field.
fn event(step: usize, what: &[u8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // A double, in eight bytes.
    let mut event = vec![1 << 3 | 1];
    event.extend(now.to_le_bytes());
    event.extend(number(2, step as u64));
    event.extend(what);
    event
}

/// A field with a number.
fn number(field: u8, value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    varint(value, &mut bytes);
    bytes
}

/// A field with a text, or with other fields.
fn text(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

/// A number in groups of seven bits, the lowest first.
fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_tensorflows() {
        // The checksum's mask, on the standard's example of 32 zero bytes (CRC 0x8a9136aa).
        assert_eq!(masked(&[0; 32]), 0x8a91_36aau32.rotate_right(15).wrapping_add(0xa282_ead8));
        assert_eq!(number(2, 300), [0x10, 0xac, 0x02]);
        let folder = std::env::temp_dir().join(format!("chainrule-events-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut events = EventFile::create(&folder, 7).unwrap();
        events.scalars(8, &[("loss/training", 0.5)]).unwrap();
        let bytes = std::fs::read(&events.path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        // Three records, each as long as it says, with its checksums.
        let (mut place, mut contents) = (0, Vec::new());
        while place < bytes.len() {
            let length = &bytes[place..place + 8];
            let n = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let content = &bytes[place + 12..place + 12 + n];
            assert_eq!(bytes[place + 8..place + 12], masked(length).to_le_bytes());
            assert_eq!(bytes[place + 12 + n..place + 16 + n], masked(content).to_le_bytes());
            contents.push(content[9..].to_vec());
            place += 16 + n;
        }
        assert_eq!(contents[0], [&[0x10, 0, 0x1a, 13][..], b"brain.Event:2"].concat());
        assert_eq!(contents[1], [0x10, 7, 0x3a, 2, 0x08, 1]);
        let value = [&[0x0a, 13][..], b"loss/training", &[0x15], &0.5f32.to_le_bytes()].concat();
        assert_eq!(contents[2], [&[0x10, 8, 0x2a, 22, 0x0a, 20][..], &value].concat());
    }
}
