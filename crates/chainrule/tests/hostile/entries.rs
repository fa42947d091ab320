//! What reads bytes from outside, one entry a format. The tests and the fuzz targets (`fuzz/`) share them.

use std::path::PathBuf;

use chainrule::data::{CsvOptions, Missing, read_csv, read_features, read_idx};
use chainrule::draw::Picture;
use chainrule::formula::Expr;
use chainrule::io::{load_checkpoint, load_npy, load_tensors};
use chainrule::train::TrainedModel;
use chainrule::{Array, ComputationalGraph};

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Expression,
    Csv,
    Idx,
    Safetensors,
    Npy,
    Npz,
    Checkpoint,
    Dot,
}

/// Longer expressions aren't differentiated: a derivative may be much longer than its expression.
const LONGEST_DIFFERENTIATED: usize = 200;

impl Format {
    #[allow(dead_code)]
    pub const ALL: [Format; 8] = [
        Format::Expression,
        Format::Csv,
        Format::Idx,
        Format::Safetensors,
        Format::Npy,
        Format::Npz,
        Format::Checkpoint,
        Format::Dot,
    ];

    /// Reads these bytes with every reader of the format. Errors are fine; nothing else may come of it.
    pub fn read(self, bytes: &[u8]) {
        match self {
            Format::Expression => {
                let Ok(text) = std::str::from_utf8(bytes) else { return };
                let Ok(expr) = Expr::parse(text) else { return };
                let printed = expr.to_string();
                match Expr::parse(&printed) {
                    Ok(again) => assert_eq!(again.to_string(), printed, "{text:?}"),
                    // Printing adds parentheses, which may be more than are read.
                    Err(error) => assert!(error.to_string().contains("levels deep"), "{text:?}: {error}"),
                }
                if text.len() <= LONGEST_DIFFERENTIATED {
                    let _ = ComputationalGraph::from_expr(&expr);
                    for name in expr.symbols() {
                        let _ = expr.derivative(&name);
                    }
                }
            }
            Format::Dot => {
                let Ok(text) = std::str::from_utf8(bytes) else { return };
                if let Ok(picture) = Picture::from_dot(text) {
                    let written = picture.to_dot();
                    let again = Picture::from_dot(&written).expect("what was written can be read");
                    assert_eq!(again.nodes.len(), picture.nodes.len(), "{text:?}");
                }
            }
            Format::Csv => {
                in_file(bytes, |path| {
                    let _ = read_csv(path, &CsvOptions::default());
                    for missing in [Missing::DropRow, Missing::Keep] {
                        let _ = read_csv(path, &CsvOptions { missing, ..CsvOptions::default() });
                    }
                    let _ = read_features(path, 2, None);
                });
            }
            Format::Idx => {
                in_file(bytes, |path| {
                    if let Ok(idx) = read_idx(path) {
                        assert_eq!(idx.shape.iter().product::<usize>(), idx.values.len());
                    }
                });
            }
            Format::Npy => {
                in_file(bytes, |path| {
                    if let Ok(array) = load_npy(path) {
                        look_at(&array);
                    }
                });
            }
            Format::Safetensors | Format::Npz | Format::Checkpoint => {
                in_file(bytes, |path| {
                    if let Ok((tensors, _)) = load_tensors(path) {
                        tensors.iter().for_each(|(_, array)| look_at(array));
                    }
                    if self == Format::Safetensors {
                        let _ = TrainedModel::load(path);
                    }
                    if self == Format::Checkpoint {
                        let _ = load_checkpoint(path);
                    }
                });
            }
        }
    }
}

/// The first and the last element are there.
fn look_at(array: &Array) {
    if array.elements() == 0 {
        return;
    }
    let (mut first, mut last) = (array.clone(), array.clone());
    for _ in 0..array.rank() {
        first = first.select(0, 0).expect("every dimension has an element");
        last = last.select(0, -1).expect("every dimension has an element");
    }
    let _ = (first.item(), last.item());
}

/// Runs `read` on a file with these bytes.
fn in_file(bytes: &[u8], read: impl FnOnce(&PathBuf)) {
    let name = format!("chainrule-hostile-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("the folder for temporary files can be written");
    read(&path);
    std::fs::remove_file(&path).expect("the file was just written");
}
