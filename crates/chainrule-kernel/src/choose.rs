//! Loops that compare elements and choose between them, for every element type.
//!
//! A number that stands for all is spread over a block, which is then read again and again: so there is one loop for
//! all combinations of operands.

use std::hint::select_unpredictable;

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
    /// The number that stands for all, or the last elements, which are looked at among others.
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

    fn at(&mut self, start: usize) -> &[T; BLOCK] {
        if let Operand::Slice(slice) = self.operand {
            let slice = &slice[start..];
            match slice.first_chunk() {
                Some(block) => return block,
                None => self.spread[..slice.len()].copy_from_slice(slice),
            }
        }
        &self.spread
    }
}

/// What is done with a block: compiled once for all that compare, as calling it costs little beside what it does.
type Each<'a, T, O> = &'a (dyn Fn(&[bool; BLOCK], &[T; BLOCK], &[T; BLOCK], &mut [O; BLOCK]) + Sync);

/// Runs `each` over blocks of the output and what the operands have there, on all threads.
#[inline(never)]
fn in_blocks<T: Value, O: Value>(
    condition: Operand<'_, bool>,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    out: &mut [O],
    each: Each<'_, T, O>,
) {
    pool::chunks_mut(out, GRAIN, |start, out| {
        let (mut condition, mut a, mut b) = (Blocks::new(condition), Blocks::new(a), Blocks::new(b));
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let start = start + block * BLOCK;
            let (condition, a, b) = (condition.at(start), a.at(start), b.at(start));
            match out.first_chunk_mut() {
                Some(out) => each(condition, a, b, out),
                None => {
                    let mut whole = [O::default(); BLOCK];
                    each(condition, a, b, &mut whole);
                    out.copy_from_slice(&whole[..out.len()]);
                }
            }
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
    in_blocks(Operand::One(false), a, b, out, &|_, a, b, out| compare_block(a, b, out, holds));
}

multiversion! {
    fn compare_block[T: Value, F: Fn(T, T) -> bool](
        a: &[T; BLOCK],
        b: &[T; BLOCK],
        out: &mut [bool; BLOCK],
        holds: F,
    ) {
        for i in 0..BLOCK {
            out[i] = holds(a[i], b[i]);
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
    in_blocks(Operand::Slice(condition), a, b, out, &|condition, a, b, out| {
        choose_block(condition, a, b, out)
    });
}

multiversion! {
    fn choose_block[T: Value](
        condition: &[bool; BLOCK],
        a: &[T; BLOCK],
        b: &[T; BLOCK],
        out: &mut [T; BLOCK],
    ) {
        for i in 0..BLOCK {
            // Of an `if` the compiler makes a choice between places, and no vector code.
            out[i] = select_unpredictable(condition[i], a[i], b[i]);
        }
    }
}
