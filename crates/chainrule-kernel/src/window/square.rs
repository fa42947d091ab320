//! Max pooling by squares of 2×2 that fill a plane: most networks' pooling.
//!
//! Rows are taken by pairs, and blocks of neighbouring squares become straight vector code. A last block lies over
//! the one before, and writes the same numbers again. For the gradient, the four corners of all squares of a plane
//! are put apart first, so that one long loop can choose among them.

use super::super::{memory, multiversion};
use super::{Windows, planes_of_a_task};
use crate::Value;

/// Planes that one call takes: one of even height goes on in the next one.
pub(super) fn planes_at_once(windows: &Windows) -> usize {
    if windows.input[1].is_multiple_of(2) { planes_of_a_task(windows.plane()) } else { 1 }
}

/// The larger of two elements, the first of equals; NaN where one is NaN.
#[inline(always)]
fn larger<T: Value>(first: T, second: T) -> T {
    if (second > first) | (second != second) { second } else { first }
}

/// Starts of blocks of `L` that cover `count`, which is at least `L`.
#[inline(always)]
fn blocks<const L: usize>(count: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(L).map(move |start| start.min(count - L))
}

/// The even, or from 1 on the odd, elements of `2·L`.
#[inline(always)]
fn every_second<T: Copy, const L: usize>(x: &[T], from: usize) -> [T; L] {
    let x = &x[..2 * L];
    std::array::from_fn(
        #[inline(always)]
        |i| x[2 * i + from],
    )
}

#[inline(always)]
fn largest_by<T: Value, const L: usize>(x: &[T], width: usize, columns: usize, out: &mut [T]) {
    for (rows, out) in x.chunks_exact(2 * width).zip(out.chunks_exact_mut(columns)) {
        let (top, bottom) = rows.split_at(width);
        for start in blocks::<L>(columns) {
            let (top, bottom) = (&top[2 * start..], &bottom[2 * start..]);
            let (a, b): ([T; L], [T; L]) = (every_second(top, 0), every_second(top, 1));
            let (c, d): ([T; L], [T; L]) = (every_second(bottom, 0), every_second(bottom, 1));
            let out = &mut out[start..start + L];
            for i in 0..L {
                out[i] = larger(larger(a[i], c[i]), larger(b[i], d[i]));
            }
        }
    }
}

/// Puts the elements of a row's pairs apart.
#[inline(always)]
fn apart<T: Value, const L: usize>(row: &[T], even: &mut [T], odd: &mut [T]) {
    for start in blocks::<L>(even.len()) {
        even[start..start + L].copy_from_slice(&every_second::<T, L>(&row[2 * start..], 0));
        odd[start..start + L].copy_from_slice(&every_second::<T, L>(&row[2 * start..], 1));
    }
}

/// Puts them together again; what lies behind the last pair becomes 0.
#[inline(always)]
fn together<T: Value, const L: usize>(even: &[T], odd: &[T], row: &mut [T]) {
    for start in blocks::<L>(even.len()) {
        let (even, odd) = (&even[start..start + L], &odd[start..start + L]);
        let row = &mut row[2 * start..2 * (start + L)];
        for i in 0..L {
            row[2 * i] = even[i];
            row[2 * i + 1] = odd[i];
        }
    }
    row[2 * even.len()..].fill(T::default());
}

/// Gives each square's gradient to its largest element, the first of equals, the last of NaNs: the corners become
/// their gradients.
#[inline(always)]
fn share<T: Value>(g: &[T], a: &mut [T], b: &mut [T], c: &mut [T], d: &mut [T]) {
    for ((((g, a), b), c), d) in g.iter().zip(a).zip(b).zip(c).zip(d) {
        let zero = T::default();
        let right = (*b > *a) | (*b != *b);
        let above = if right { *b } else { *a };
        let low_right = (*d > *c) | (*d != *d);
        let below = if low_right { *d } else { *c };
        let low = (below > above) | (below != below);
        let to_above = if low { zero } else { *g };
        let to_below = if low { *g } else { zero };
        *a = if right { zero } else { to_above };
        *b = if right { to_above } else { zero };
        *c = if low_right { zero } else { to_below };
        *d = if low_right { to_below } else { zero };
    }
}

#[inline(always)]
fn gradient_by<T: Value, const L: usize>(
    x: &[T],
    upstream: &[T],
    width: usize,
    columns: usize,
    out: &mut [T],
) {
    let count = x.len() / (2 * width) * columns;
    let mut corners = memory::take::<T>(4 * count);
    let (above, below) = corners.split_at_mut(2 * count);
    let ((a, b), (c, d)) = (above.split_at_mut(count), below.split_at_mut(count));
    for (i, rows) in x.chunks_exact(2 * width).enumerate() {
        let (top, bottom) = rows.split_at(width);
        let place = i * columns..(i + 1) * columns;
        apart::<T, L>(top, &mut a[place.clone()], &mut b[place.clone()]);
        apart::<T, L>(bottom, &mut c[place.clone()], &mut d[place]);
    }
    share(&upstream[..count], a, b, c, d);
    for (i, rows) in out.chunks_exact_mut(2 * width).enumerate() {
        let (top, bottom) = rows.split_at_mut(width);
        let place = i * columns..(i + 1) * columns;
        together::<T, L>(&a[place.clone()], &b[place.clone()], top);
        together::<T, L>(&c[place.clone()], &d[place], bottom);
    }
    out[count / columns * 2 * width..].fill(T::default());
    memory::give(corners);
}

multiversion! {
    /// The largest element of each square of planes with rows of `width`, `columns` squares beside each other.
    pub(super) fn largest[T: Value](x: &[T], width: usize, columns: usize, out: &mut [T]) {
        match columns {
            8.. => largest_by::<T, 8>(x, width, columns, out),
            4.. => largest_by::<T, 4>(x, width, columns, out),
            _ => largest_by::<T, 1>(x, width, columns, out),
        }
    }
}

multiversion! {
    /// Gives each square's upstream gradient to its largest element, and 0 to all others.
    pub(super) fn largest_gradient[T: Value](
        x: &[T],
        upstream: &[T],
        width: usize,
        columns: usize,
        out: &mut [T],
    ) {
        match columns {
            8.. => gradient_by::<T, 8>(x, upstream, width, columns, out),
            4.. => gradient_by::<T, 4>(x, upstream, width, columns, out),
            _ => gradient_by::<T, 1>(x, upstream, width, columns, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Range, Windows, largest, largest_gradient, places_of_largest};

    /// Squares of planes of many sizes, with equal elements and NaNs among them, against the general way.
    #[test]
    fn squares_agree_with_windows() {
        for (planes, height, width) in
            [(3, 2, 2), (2, 5, 7), (7, 4, 9), (5, 10, 10), (3, 7, 17), (40, 6, 19), (2, 2, 28), (9, 8, 33)]
        {
            let ranges = |size: usize| -> Vec<Range> {
                (0..size / 2).map(|i| Range { start: 2 * i, end: 2 * i + 2, step: 1 }).collect()
            };
            let squares = Windows {
                input: [1, height, width],
                ranges: [
                    ranges(2).iter().map(|r| Range { end: 1, ..*r }).collect(),
                    ranges(height),
                    ranges(width),
                ],
            };
            let number = |i: usize| match (i * 7919) % 23 {
                0 | 1 => f32::NAN,
                other => (other % 5) as f32 - 2.0,
            };
            let x: Vec<f32> = (0..planes * height * width).map(number).collect();
            let count = planes * squares.outputs();
            let mut places = vec![0i64; count];
            places_of_largest(&x, &squares, &mut places);
            let (mut y, mut dx) = (vec![9.0; count], vec![9.0; x.len()]);
            largest(&x, &squares, &mut y);
            let g: Vec<f32> = (0..count).map(|i| i as f32 + 1.0).collect();
            largest_gradient(&x, &g, &squares, &mut dx);
            let mut expected = vec![0.0; x.len()];
            for (i, place) in places.iter().enumerate() {
                let at = i / squares.outputs() * height * width + *place as usize;
                assert_eq!(y[i].to_bits(), x[at].to_bits(), "{planes}x{height}x{width} at {i}");
                expected[at] += g[i];
            }
            assert_eq!(dx, expected, "{planes}x{height}x{width}");
        }
    }
}
