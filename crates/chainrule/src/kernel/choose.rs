//! Loops that compare elements and choose between them, for every element type.

use super::map::Operand;
use super::{multiversion, pool};
use crate::array::Element;

/// Elements that one thread works on at a time.
const GRAIN: usize = 64 * 1024;

fn part<'a, T: Element>(x: Operand<'a, T>, start: usize, length: usize) -> Operand<'a, T> {
    match x {
        Operand::Slice(slice) => Operand::Slice(&slice[start..start + length]),
        one => one,
    }
}

/// `out[i] = holds(a[i], b[i])`
pub(crate) fn compare<T: Element>(
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    out: &mut [bool],
    holds: impl Fn(T, T) -> bool + Sync + Copy,
) {
    pool::chunks_mut(out, GRAIN, |start, out| {
        let length = out.len();
        match (part(a, start, length), part(b, start, length)) {
            (Operand::Slice(a), Operand::Slice(b)) => compare_slices(a, b, out, holds),
            (Operand::Slice(a), Operand::One(b)) => compare_one(a, out, |a| holds(a, b)),
            (Operand::One(a), Operand::Slice(b)) => compare_one(b, out, |b| holds(a, b)),
            (Operand::One(a), Operand::One(b)) => out.fill(holds(a, b)),
        }
    });
}

multiversion! {
    fn compare_slices[T: Element, F: Fn(T, T) -> bool](a: &[T], b: &[T], out: &mut [bool], holds: F) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = holds(a, b);
        }
    }
}

multiversion! {
    fn compare_one[T: Element, F: Fn(T) -> bool](x: &[T], out: &mut [bool], holds: F) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = holds(x);
        }
    }
}

/// `out[i] = a[i]` where the condition is true, else `b[i]`
pub(crate) fn choose<T: Element>(condition: &[bool], a: Operand<'_, T>, b: Operand<'_, T>, out: &mut [T]) {
    pool::chunks_mut(out, GRAIN, |start, out| {
        let length = out.len();
        let condition = &condition[start..start + length];
        match (part(a, start, length), part(b, start, length)) {
            (Operand::Slice(a), Operand::Slice(b)) => choose_slices(condition, a, b, out),
            (Operand::Slice(a), Operand::One(b)) => choose_or(condition, a, b, out),
            (Operand::One(a), Operand::Slice(b)) => choose_and(condition, a, b, out),
            (Operand::One(a), Operand::One(b)) => choose_ones(condition, a, b, out),
        }
    });
}

multiversion! {
    fn choose_slices[T: Element](condition: &[bool], a: &[T], b: &[T], out: &mut [T]) {
        for (((out, &first), &a), &b) in out.iter_mut().zip(condition).zip(a).zip(b) {
            *out = if first { a } else { b };
        }
    }
}

multiversion! {
    fn choose_or[T: Element](condition: &[bool], a: &[T], b: T, out: &mut [T]) {
        for ((out, &first), &a) in out.iter_mut().zip(condition).zip(a) {
            *out = if first { a } else { b };
        }
    }
}

multiversion! {
    fn choose_and[T: Element](condition: &[bool], a: T, b: &[T], out: &mut [T]) {
        for ((out, &first), &b) in out.iter_mut().zip(condition).zip(b) {
            *out = if first { a } else { b };
        }
    }
}

multiversion! {
    fn choose_ones[T: Element](condition: &[bool], a: T, b: T, out: &mut [T]) {
        for (out, &first) in out.iter_mut().zip(condition) {
            *out = if first { a } else { b };
        }
    }
}
