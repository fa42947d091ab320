//! Elements as files store them: more types and byte orders than arrays have.

use std::io::{self, Write};

use crate::array::{Array, Element, Shape, dispatch};
use crate::error::{Error, Result};

/// An element type of a file. Types that arrays don't have become the next larger one that they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Bool,
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Stored {
    /// Bytes an element takes in the file.
    pub(super) fn size(self) -> usize {
        match self {
            Stored::Bool | Stored::U8 | Stored::I8 => 1,
            Stored::I16 | Stored::U16 | Stored::F16 | Stored::Bf16 => 2,
            Stored::I32 | Stored::U32 | Stored::F32 => 4,
            Stored::I64 | Stored::U64 | Stored::F64 => 8,
        }
    }

    /// The elements in the bytes, as an array with one dimension; f16 and bf16 become f32, small integers i32,
    /// u32 and u64 i64. A rest shorter than an element is left out.
    ///
    /// # Errors
    /// A u64 is larger than an i64 can be.
    pub(super) fn decode(self, bytes: &[u8], big_endian: bool) -> Result<Array> {
        macro_rules! each {
            ($T:ty as $To:ty, $convert:expr) => {{
                const SIZE: usize = size_of::<$T>();
                let (chunks, _) = bytes.as_chunks::<SIZE>();
                let convert: fn($T) -> $To = $convert;
                let values: Vec<$To> = if big_endian {
                    chunks.iter().map(|chunk| convert(<$T>::from_be_bytes(*chunk))).collect()
                } else {
                    chunks.iter().map(|chunk| convert(<$T>::from_le_bytes(*chunk))).collect()
                };
                flat(values)
            }};
        }
        Ok(match self {
            Stored::Bool => flat(bytes.iter().map(|&b| b != 0).collect()),
            Stored::U8 => flat(bytes.to_vec()),
            Stored::I8 => each!(i8 as i32, i32::from),
            Stored::I16 => each!(i16 as i32, i32::from),
            Stored::U16 => each!(u16 as i32, i32::from),
            Stored::I32 => each!(i32 as i32, |x| x),
            Stored::U32 => each!(u32 as i64, i64::from),
            Stored::I64 => each!(i64 as i64, |x| x),
            Stored::U64 => {
                let values = each!(u64 as i64, |x| i64::try_from(x).unwrap_or(-1));
                // Only numbers that don't fit became negative.
                if values.as_slice::<i64>().is_some_and(|v| v.iter().any(|&x| x < 0)) {
                    return Err(Error::dtype("a value of the type u64 is larger than an i64 can be"));
                }
                values
            }
            Stored::F16 => each!(u16 as f32, half_to_f32),
            Stored::Bf16 => each!(u16 as f32, |bits| f32::from_bits(u32::from(bits) << 16)),
            Stored::F32 => each!(f32 as f32, |x| x),
            Stored::F64 => each!(f64 as f64, |x| x),
        })
    }
}

fn flat<T: Element>(values: Vec<T>) -> Array {
    let length = values.len();
    Array::filled(values, Shape::from([length]))
}

/// The value of IEEE 754's half precision number with these bits.
fn half_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1F), u32::from(bits & 0x3FF));
    match (exponent, fraction) {
        // Subnormal numbers are multiples of 2⁻²⁴.
        (0, _) => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        (31, _) => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Elements that can be written as bytes.
trait Bytes: Element {
    fn append(self, out: &mut Vec<u8>);
}

macro_rules! bytes {
    ($($T:ty),*) => {$(
        impl Bytes for $T {
            fn append(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

bytes!(u8, i32, i64, f32, f64);

impl Bytes for bool {
    fn append(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
}

/// Writes the elements in row-major order, little-endian.
pub(super) fn write(array: &Array, out: &mut impl Write) -> io::Result<()> {
    let array = array.contiguous();
    let mut buffer = Vec::with_capacity(1 << 16);
    dispatch!(array.dtype(), T => {
        for chunk in array.values::<T>().chunks((1 << 16) / size_of::<T>()) {
            buffer.clear();
            chunk.iter().for_each(|x| x.append(&mut buffer));
            out.write_all(&buffer)?;
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_are_exact() {
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x03FF, 1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0xFC00, f32::NEG_INFINITY),
        ] {
            assert_eq!(half_to_f32(bits), value, "{bits:#06x}");
        }
        assert!(half_to_f32(0x7E00).is_nan());
        assert!(half_to_f32(0x8000).is_sign_negative() && half_to_f32(0x8000) == 0.0);
        // Positive numbers grow with their bits.
        assert!((0..0x7C00).all(|bits| half_to_f32(bits) < half_to_f32(bits + 1)));
    }

    #[test]
    fn other_types_become_larger_ones() {
        let list = |stored: Stored, bytes: &[u8], big| stored.decode(bytes, big).unwrap().to_f64_vec();
        assert_eq!(list(Stored::I8, &[0xFF, 2], false), [-1.0, 2.0]);
        assert_eq!(list(Stored::I16, &[1, 0, 0xFF, 0xFF], false), [1.0, -1.0]);
        assert_eq!(list(Stored::U16, &[1, 0, 0xFF, 0xFF], true), [256.0, 65535.0]);
        assert_eq!(list(Stored::U32, &[0xFF; 4], false), [4_294_967_295.0]);
        assert_eq!(list(Stored::Bf16, &[0x80, 0x3F], false), [1.0]);
        assert!(Stored::U64.decode(&[0xFF; 8], false).unwrap_err().to_string().contains("u64"));
    }
}
