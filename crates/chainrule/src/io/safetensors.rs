//! Tensors in the safetensors format.

use std::collections::HashMap;
use std::path::Path;

use ::safetensors::tensor::TensorView;
use ::safetensors::{Dtype, SafeTensors};

use super::write_atomic;
use crate::array::{Array, DType, Element, Shape, dispatch};
use crate::error::{Error, Result};

/// Elements as little-endian bytes.
trait Bytes: Element {
    fn append(self, out: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! bytes {
    ($($T:ty),*) => {$(
        impl Bytes for $T {
            fn append(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> $T {
                <$T>::from_le_bytes(bytes.try_into().expect("chunks have the size of an element"))
            }
        }
    )*};
}

bytes!(u8, i32, i64, f32, f64);

impl Bytes for bool {
    fn append(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
    fn read(bytes: &[u8]) -> bool {
        bytes[0] != 0
    }
}

/// Writes named arrays and texts about them, whole or not at all.
///
/// # Errors
/// The file can't be written.
pub fn save_tensors(
    path: impl AsRef<Path>,
    tensors: &[(String, Array)],
    metadata: &[(String, String)],
) -> Result<()> {
    let path = path.as_ref();
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, array)| {
            dispatch!(array.dtype(), T => {
                let mut out = Vec::with_capacity(array.bytes());
                array.iter::<T>()?.for_each(|x| x.append(&mut out));
                Ok(out)
            })
        })
        .collect::<Result<_>>()?;
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, array), bytes)| {
            let dtype = match array.dtype() {
                DType::Bool => Dtype::BOOL,
                DType::U8 => Dtype::U8,
                DType::I32 => Dtype::I32,
                DType::I64 => Dtype::I64,
                DType::F32 => Dtype::F32,
                DType::F64 => Dtype::F64,
            };
            let view = TensorView::new(dtype, array.shape().to_vec(), bytes);
            Ok((name.clone(), view.map_err(|e| Error::format(path, e.to_string()))?))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata: HashMap<String, String> = metadata.iter().cloned().collect();
    let file =
        ::safetensors::serialize(views, Some(metadata)).map_err(|e| Error::format(path, e.to_string()))?;
    write_atomic(path, &file)
}

/// Named arrays, sorted by name, and the texts about them.
pub type Loaded = (Vec<(String, Array)>, Vec<(String, String)>);

/// Reads what [`save_tensors`], or PyTorch, wrote.
///
/// # Errors
/// The file can't be read, isn't safetensors, or holds an element type that arrays don't have.
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
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
    let broken =
        |e: ::safetensors::SafeTensorError| Error::format(path, format!("not a whole safetensors file: {e}"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let dtype = match view.dtype() {
            Dtype::BOOL => DType::Bool,
            Dtype::U8 => DType::U8,
            Dtype::I32 => DType::I32,
            Dtype::I64 => DType::I64,
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            other => {
                return Err(Error::format(
                    path,
                    format!("the tensor {name} has the element type {other:?}, which isn't supported"),
                ));
            }
        };
        let shape = Shape::new(view.shape()).map_err(|e| e.path(path))?;
        let array = dispatch!(dtype, T => {
            Array::from_vec(view.data().chunks_exact(dtype.size()).map(<T as Bytes>::read).collect(), shape)
        });
        tensors.push((name, array.map_err(|e| e.path(path))?));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut about: Vec<(String, String)> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    about.sort();
    Ok((tensors, about))
}
