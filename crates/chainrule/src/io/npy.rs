//! NumPy's `.npy` files: one array each.

use std::io::{self, Write};
use std::path::Path;

use super::atomic::write_atomic_with;
use super::bytes::read_file;
use super::elements::{self, Stored};
use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};

/// The first bytes of a `.npy` file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Writes an array as NumPy's `.npy` (version 1.0, row-major, little-endian), whole or not at all.
///
/// # Errors
/// The file can't be written.
///
/// ```
/// use chainrule::{io, Array};
/// let path = std::env::temp_dir().join(format!("chainrule-doc-{}.npy", std::process::id()));
/// let array = Array::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3])?;
/// io::save_npy(&path, &array.transpose(0, 1)?)?;
/// assert_eq!(io::load_npy(&path)?.to_vec::<f32>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn save_npy(path: impl AsRef<Path>, array: &Array) -> Result<()> {
    write_atomic_with(path.as_ref(), |out| write(array, out))
}

/// Reads NumPy's `.npy`, plain or gzip: any version, byte order and memory order, of the types bool, integers up
/// to 64 bits and floats of 16, 32 and 64 bits.
///
/// f16 becomes f32; integers that arrays don't have become the next larger ones.
///
/// # Errors
/// The file can't be read, is cut off, or holds another type (objects are pickles, which aren't run).
///
/// ```
/// use chainrule::Array;
/// use chainrule::io;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-npy-{}.npy", std::process::id()));
/// io::save_npy(&path, &Array::literal([true, false])?)?;
/// assert_eq!(io::load_npy(&path)?.to_vec::<bool>()?, [true, false]);
/// std::fs::write(&path, "no array").unwrap();
/// assert!(io::load_npy(&path).is_err());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn load_npy(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    parse(&read_file(path)?).map_err(|error| error.path(path))
}

/// Writes the whole content of a `.npy` file.
pub(super) fn write(array: &Array, out: &mut impl Write) -> io::Result<()> {
    let descr = match array.dtype() {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
    };
    let sizes: String = array.shape().iter().map(|size| format!("{size}, ")).collect();
    // A tuple of one number needs its comma; longer ones are written without the last.
    let sizes = if array.rank() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version and length are 10 bytes; the elements begin at a multiple of 64.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', length - header.len() - 1));
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(length as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    elements::write(array, out)
}

/// Reads the content of a `.npy` file.
pub(super) fn parse(bytes: &[u8]) -> Result<Array> {
    let wrong =
        |offset: usize, rule: String| Error::new(crate::ErrorKind::Format, rule).offset(offset as u64);
    if !bytes.starts_with(MAGIC) {
        return Err(wrong(0, "a .npy file begins with \\x93NUMPY, and this one doesn't".into()));
    }
    let cut = || wrong(bytes.len(), "the header of the .npy file is cut off".into());
    let (length, start): (usize, usize) = match bytes.get(6).ok_or_else(cut)? {
        1 => {
            let field = bytes.get(8..10).ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes([field[0], field[1]])), 10)
        }
        2 | 3 => {
            let field = bytes.get(8..12).ok_or_else(cut)?;
            (u32::from_le_bytes([field[0], field[1], field[2], field[3]]) as usize, 12)
        }
        other => return Err(wrong(6, format!("the version {other} of .npy isn't known"))),
    };
    let header = bytes.get(start..start.saturating_add(length)).ok_or_else(cut)?;
    let header = String::from_utf8_lossy(header);
    let (stored, big_endian, fortran, sizes) = read_header(&header).map_err(|rule| wrong(start, rule))?;
    let data = &bytes[start + length..];
    let shape = Shape::new(&sizes).map_err(|e| wrong(start, e.rule().to_string()))?;
    let expected = shape.elements().checked_mul(stored.size());
    if expected != Some(data.len()) {
        return Err(wrong(
            bytes.len(),
            format!(
                "the shape {shape} promises {} bytes of elements, and there are {}",
                expected.map_or("absurdly many".to_string(), |n| n.to_string()),
                data.len()
            ),
        ));
    }
    let array = stored.decode(data, big_endian)?;
    if !fortran {
        return array.reshape(shape);
    }
    // Column-major elements are the row-major ones of the transposed array.
    let turned: Vec<usize> = sizes.iter().rev().copied().collect();
    let order: Vec<isize> = (0..sizes.len() as isize).rev().collect();
    array.reshape(Shape::new(&turned)?)?.permute(&order)
}

type Header = (Stored, bool, bool, Vec<usize>);

/// What the header's text (a Python dictionary of three entries) says.
fn read_header(text: &str) -> std::result::Result<Header, String> {
    let value = |key: &str| {
        let place = text.find(&format!("'{key}'")).ok_or_else(|| format!("the header has no {key}"))?;
        let rest = text[place + key.len() + 2..].trim_start();
        Ok::<&str, String>(rest.strip_prefix(':').ok_or("the header is no dictionary")?.trim_start())
    };
    let descr = value("descr")?;
    let descr = descr
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
        .map(|(descr, _)| descr)
        .ok_or("the element type is a structure, which isn't supported")?;
    let (order, kind) = match descr.strip_prefix(['<', '>', '|', '=']) {
        Some(kind) => (&descr[..1], kind),
        None => ("<", descr),
    };
    let stored = match kind {
        "b1" | "?" => Stored::Bool,
        "u1" => Stored::U8,
        "i1" => Stored::I8,
        "u2" => Stored::U16,
        "i2" => Stored::I16,
        "u4" => Stored::U32,
        "i4" => Stored::I32,
        "u8" => Stored::U64,
        "i8" => Stored::I64,
        "f2" => Stored::F16,
        "f4" => Stored::F32,
        "f8" => Stored::F64,
        "O" => return Err("the array holds Python objects, which are pickles and aren't run".into()),
        other => return Err(format!("the element type {other:?} isn't supported")),
    };
    let fortran = match value("fortran_order")? {
        text if text.starts_with("True") => true,
        text if text.starts_with("False") => false,
        _ => return Err("fortran_order is neither True nor False".into()),
    };
    let shape = value("shape")?;
    let list = shape
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map(|(list, _)| list)
        .ok_or("the shape is no tuple")?;
    let sizes = list
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(|size| size.parse().map_err(|_| format!("{size:?} is no size of a dimension")))
        .collect::<std::result::Result<Vec<usize>, String>>()?;
    Ok((stored, order == ">", fortran, sizes))
}
