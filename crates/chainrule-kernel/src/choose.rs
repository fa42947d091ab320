//! Loops that compare elements and choose between them, for every element type.
//!
//! A number that stands for all is spread over a block, which is then read again and again: so there is one loop for
//! all combinations of operands.

use super::map::Operand;
use super::{multiversion, pool};
use crate::Value;

/// Elements that one thread works on at a time.
const GRAIN: usize = 64 * 1024;

/// Elements that are looked at together.
const BLOCK: usize = 128;

/// An operand, a block at a time.
struct Blocks<'a, T> {
    operand: Operand<'a, T>,
    spread: [T; BLOCK],
}

impl<'a, T: Value> Blocks<'a, T> {
    fn new(operand: Operand<'a, T>) -> Blocks<'a, T> {
        let spread = match operand {
            Operand::One(value) => [value; BLOCK],
            Operand::Slice(_) => [T::default(); BLOCK],
        };
        Blocks { operand, spread }
    }

    fn at(&self, start: usize, length: usize) -> &[T] {
        match self.operand {
            Operand::Slice(slice) => &slice[start..start + length],
            Operand::One(_) => &self.spread[..length],
        }
    }
}

/// Runs `each` over blocks of the output and what the operands have there, on all threads.
fn in_blocks<T: Value, O: Send>(
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    out: &mut [O],
    each: impl Fn(usize, &[T], &[T], &mut [O]) + Sync,
) {
    pool::chunks_mut(out, GRAIN, |start, out| {
        let (a, b) = (Blocks::new(a), Blocks::new(b));
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let (start, length) = (start + block * BLOCK, out.len());
            each(start, a.at(start, length), b.at(start, length), out);
        }
    });
}

/// `out[i] = holds(a[i], b[i])`
///
/// # Panics
/// A slice is shorter than `out`.
///
/// ```
/// use chainrule_kernel::choose::compare;
/// use chainrule_kernel::map::Operand;
/// let mut out = [true; 3];
/// compare(Operand::Slice(&[1.0, 2.0, f64::NAN]), Operand::One(1.5), &mut out, |a, b| a < b);
/// assert_eq!(out, [true, false, false]);
/// ```
pub fn compare<T: Value>(
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    out: &mut [bool],
    holds: impl Fn(T, T) -> bool + Sync + Copy,
) {
    in_blocks(a, b, out, |_, a, b, out| compare_block(a, b, out, holds));
}

multiversion! {
    fn compare_block[T: Value, F: Fn(T, T) -> bool](a: &[T], b: &[T], out: &mut [bool], holds: F) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = holds(a, b);
        }
    }
}

/// `out[i] = a[i]` where the condition is true, else `b[i]`
///
/// # Panics
/// The condition or a slice is shorter than `out`.
///
/// ```
/// use chainrule_kernel::choose::choose;
/// use chainrule_kernel::map::Operand;
/// let mut out = [0; 3];
/// choose(&[true, false, true], Operand::Slice(&[1, 2, 3]), Operand::One(-1), &mut out);
/// assert_eq!(out, [1, -1, 3]);
/// ```
pub fn choose<T: Value>(condition: &[bool], a: Operand<'_, T>, b: Operand<'_, T>, out: &mut [T]) {
    in_blocks(a, b, out, |start, a, b, out| {
        choose_block(&condition[start..start + out.len()], a, b, out);
    });
}

multiversion! {
    fn choose_block[T: Value](condition: &[bool], a: &[T], b: &[T], out: &mut [T]) {
        for (((out, &first), &a), &b) in out.iter_mut().zip(condition).zip(a).zip(b) {
            *out = if first { a } else { b };
        }
    }
}
