//! Loops over slices of one length, for users that are compiled for size.
//!
//! Where small code is wanted the compiler makes vector code only of loops whose length is constant, over slices that
//! it knows not to overlap. So these go block by block, and are functions of their own: of their arguments it knows.

use super::multiversion;

/// Places that are worked on together.
const BLOCK: usize = 32;

/// `f(&mut a[i], b[i])` at all places.
///
/// # Panics
/// The slices differ in length.
///
/// ```
/// let mut sum = [1, 2, 3];
/// chainrule_kernel::zip::zip_with(&mut sum, &[10, 20, 30], |sum, x| *sum += x);
/// assert_eq!(sum, [11, 22, 33]);
/// ```
#[inline]
pub fn zip_with<A, B: Copy>(a: &mut [A], b: &[B], f: impl Fn(&mut A, B)) {
    assert_eq!(a.len(), b.len(), "slices of one length are gone through together");
    // Short slices, of which there may be many, are not worth a call.
    match a.len() {
        ..BLOCK => a.iter_mut().zip(b).for_each(|(a, &b)| f(a, b)),
        _ => zip_blocks(a, b, f),
    }
}

#[inline(never)]
fn zip_blocks<A, B: Copy>(a: &mut [A], b: &[B], f: impl Fn(&mut A, B)) {
    let (a, last_a) = a.as_chunks_mut::<BLOCK>();
    let (b, last_b) = b.as_chunks::<BLOCK>();
    for (a, b) in a.iter_mut().zip(b) {
        for i in 0..BLOCK {
            f(&mut a[i], b[i]);
        }
    }
    for (a, &b) in last_a.iter_mut().zip(last_b) {
        f(a, b);
    }
}

/// `f(&mut a[i])` at all places.
///
/// ```
/// let mut x = [1.0, 2.0];
/// chainrule_kernel::zip::each(&mut x, |x| *x *= 2.0);
/// assert_eq!(x, [2.0, 4.0]);
/// ```
#[inline(never)]
pub fn each<A>(a: &mut [A], f: impl Fn(&mut A)) {
    each_block(a, f);
}

multiversion! {
    #[allow(clippy::needless_range_loop)] // A loop of constant length becomes vector code.
    fn each_block[A, F: Fn(&mut A)](a: &mut [A], f: F) {
        let (chunks, last) = a.as_chunks_mut::<BLOCK>();
        for chunk in chunks {
            for i in 0..BLOCK {
                f(&mut chunk[i]);
            }
        }
        last.iter_mut().for_each(f);
    }
}

/// `out[i] = f(i)`, for places that a float counts exactly.
///
/// ```
/// let mut x = [0.0f32; 3];
/// chainrule_kernel::zip::number(&mut x, |i| 0.5 * i as f32);
/// assert_eq!(x, [0.0, 0.5, 1.0]);
/// ```
#[inline(never)]
pub fn number<A>(out: &mut [A], f: impl Fn(f64) -> A) {
    number_blocks(out, f);
}

multiversion! {
    #[allow(clippy::needless_range_loop)] // A loop of constant length becomes vector code.
    fn number_blocks[A, F: Fn(f64) -> A](out: &mut [A], f: F) {
        let (chunks, last) = out.as_chunks_mut::<BLOCK>();
        let mut first = 0.0;
        for chunk in chunks {
            for i in 0..BLOCK {
                chunk[i] = f(first + f64::from(i as i32));
            }
            first += BLOCK as f64;
        }
        for (i, out) in last.iter_mut().enumerate() {
            *out = f(first + i as f64);
        }
    }
}

/// `out[i] = value`
///
/// ```
/// let mut x = [0; 3];
/// chainrule_kernel::zip::fill(&mut x, 7);
/// assert_eq!(x, [7; 3]);
/// ```
pub fn fill<T: Copy>(out: &mut [T], value: T) {
    each(out, |out| *out = value);
}

/// `f(x[i])` of all elements.
///
/// ```
/// assert_eq!(chainrule_kernel::zip::mapped(&[1u8, 2], f64::from), [1.0, 2.0]);
/// ```
pub fn mapped<T: Copy, R>(x: &[T], f: impl Fn(T) -> R) -> Vec<R> {
    let mut out = Vec::with_capacity(x.len());
    zip_with(&mut out.spare_capacity_mut()[..x.len()], x, |out, x| {
        out.write(f(x));
    });
    // SAFETY: so many elements were just written.
    unsafe { out.set_len(x.len()) };
    out
}
