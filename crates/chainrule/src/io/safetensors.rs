//! Tensors in the safetensors format.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ::safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::atomic::write_atomic_with;
use super::elements::{self, Stored};
use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::order;

/// Writes named arrays and texts about them, whole or not at all.
///
/// The same content gives the same bytes.
///
/// # Errors
/// The file can't be written, or two arrays have the same name.
///
/// ```
/// use chainrule::Array;
/// use chainrule::io;
/// # let name = format!("chainrule-doc-tensors-{}.safetensors", std::process::id());
/// # let path = std::env::temp_dir().join(name);
/// let tensors = [("b".into(), Array::zeros([3])), ("w".into(), Array::ones([3, 2]))];
/// io::save_tensors(&path, &tensors, &[("epoch".into(), "7".into())])?;
/// let (loaded, about) = io::load_tensors(&path)?;
/// assert!(loaded[1].1.same_as(&tensors[1].1));
/// assert_eq!(about, [("epoch".to_string(), "7".to_string())]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn save_tensors(
    path: impl AsRef<Path>,
    tensors: &[(String, Array)],
    metadata: &[(String, String)],
) -> Result<()> {
    let path = path.as_ref();
    // In the order of the reference implementation: large elements first, so that all are aligned.
    let mut sorted: Vec<&(String, Array)> = tensors.iter().collect();
    order::sort_by(&mut sorted, |(a, x), (b, y)| {
        y.dtype().size().cmp(&x.dtype().size()).then_with(|| a.cmp(b))
    });
    let mut header = BTreeMap::new();
    if !metadata.is_empty() {
        let texts: BTreeMap<&String, &String> = metadata.iter().map(|(key, text)| (key, text)).collect();
        header.insert("__metadata__", json!(texts));
    }
    let mut offset = 0;
    for (name, array) in &sorted {
        let end = offset + array.bytes();
        let about = json!({
            "dtype": dtype_name(array.dtype()),
            "shape": array.shape().to_vec(),
            "data_offsets": [offset, end],
        });
        if header.insert(name.as_str(), about).is_some() {
            return Err(Error::argument(format!("two tensors can't both be called {name}")).path(path));
        }
        offset = end;
    }
    let mut text = serde_json::to_string(&header).map_err(|e| Error::argument(e.to_string()).path(path))?;
    // The elements begin at a multiple of 8 bytes.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    write_atomic_with(path, |out| {
        out.write_all(&(text.len() as u64).to_le_bytes())?;
        out.write_all(text.as_bytes())?;
        sorted.iter().try_for_each(|(_, array)| elements::write(array, out))
    })
}

fn dtype_name(dtype: DType) -> Value {
    Value::from(match dtype {
        DType::Bool => "BOOL",
        DType::U8 => "U8",
        DType::I32 => "I32",
        DType::I64 => "I64",
        DType::F32 => "F32",
        DType::F64 => "F64",
    })
}

/// Named arrays, sorted by name, and the texts about them.
pub type Loaded = (Vec<(String, Array)>, Vec<(String, String)>);

/// Reads the content of a safetensors file.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Loaded> {
    let broken =
        |e: ::safetensors::SafeTensorError| Error::format(path, format!("not a whole safetensors file: {e}"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let stored = match view.dtype() {
            Dtype::BOOL => Stored::Bool,
            Dtype::U8 => Stored::U8,
            Dtype::I8 => Stored::I8,
            Dtype::I16 => Stored::I16,
            Dtype::U16 => Stored::U16,
            Dtype::I32 => Stored::I32,
            Dtype::U32 => Stored::U32,
            Dtype::I64 => Stored::I64,
            Dtype::U64 => Stored::U64,
            Dtype::F16 => Stored::F16,
            Dtype::BF16 => Stored::Bf16,
            Dtype::F32 => Stored::F32,
            Dtype::F64 => Stored::F64,
            other => {
                return Err(Error::format(
                    path,
                    format!("the tensor {name} has the element type {other:?}, which isn't supported"),
                ));
            }
        };
        let array = Shape::new(view.shape())
            .and_then(|shape| stored.decode(view.data(), false)?.reshape(shape))
            .map_err(|e| Error::format(path, format!("the tensor {name}: {}", e.rule())))?;
        tensors.push((name, array));
    }
    order::sort_by(&mut tensors, |a, b| a.0.cmp(&b.0));
    let mut about: Vec<(String, String)> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    order::sort(&mut about);
    Ok((tensors, about))
}
