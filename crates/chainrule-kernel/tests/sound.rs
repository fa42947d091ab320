//! Arguments that don't fit together: the functions are safe, so they must panic before they read or write anything
//! that isn't theirs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chainrule_kernel::Kernels;
use chainrule_kernel::conv::Geometry;
use chainrule_kernel::map::{Body, Float, Operand};
use chainrule_kernel::matmul::Matrix;
use chainrule_kernel::pool::{chunks_mut, parts_mut};
use chainrule_kernel::real::Real;
use chainrule_kernel::recycled::Shared;

fn refused<R>(what: &str, run: impl FnOnce() -> R) {
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{what} must be refused");
}

#[test]
fn products_of_matrices_that_are_too_small() {
    let data = [1.0f32; 4096];
    let of = |row: usize, column: usize| Matrix { data: &data, row, column };
    let product = |(m, k, n): (usize, usize, usize), a: Matrix<'_, f32>, b: Matrix<'_, f32>, out: usize| {
        let mut c = vec![0.0; out];
        f32::product(m, k, n, a, b, &mut c, false);
    };
    for size in if cfg!(miri) { [2, 3, 12] } else { [2, 64, 300] } {
        let (a, b) = (of(size, 1), of(size, 1));
        if size * size <= data.len() {
            product((size, size, size), a, b, size * size);
        }
        refused("a short result", || product((size, size, size), a, b, size * size - 1));
        refused("a short left side", || product((4097 / size + 1, size, size), a, b, 1 << 20));
        refused("a short right side", || product((size, 4097 / size + 1, size), of(1, 0), b, 1 << 20));
    }
    // Numbers that wrap around: 2·(2⁶³ + 1) is 2.
    let half = 1usize << (usize::BITS - 1);
    refused("rows that wrap around", || product((half + 1, 1, 2), of(0, 0), of(2, 1), 2));
    refused("a stride that wraps around", || product((3, 300, 300), of(half, 1), of(1, 0), 900));
    refused("strides that wrap around", || product((2, 2, 300), of(half, half), of(1, 0), 600));
    refused("a side that wraps around", || product((1, usize::MAX / 16 + 2, 1), of(0, 0), of(0, 0), 1));
    refused("a batch's side that wraps around", || {
        let mut c = vec![0.0; 1];
        f32::product_of_batch((1, usize::MAX / 16 + 2, 1), of(0, 0), of(0, 0), &mut c);
    });
}

/// Kernels at every way to compute a convolution: 3×3, few filters, many of them, with a stride.
fn geometries() -> Vec<Geometry> {
    let plain = |channels, filters, size, kernel: usize, stride: usize| Geometry {
        batch: 4,
        groups: 1,
        channels,
        filters,
        input: [1, size, size],
        kernel: [1, kernel, kernel],
        output: [1, (size - kernel) / stride + 1, (size - kernel) / stride + 1],
        stride: [1, stride, stride],
        before: [0; 3],
        dilation: [1; 3],
    };
    if cfg!(miri) {
        return vec![plain(1, 1, 4, 2, 1), plain(1, 2, 2, 1, 1)];
    }
    vec![plain(3, 8, 18, 3, 1), plain(16, 16, 10, 3, 1), plain(2, 40, 7, 1, 1), plain(2, 17, 20, 6, 2)]
}

fn lengths(g: &Geometry) -> [usize; 3] {
    let product = |sizes: [usize; 3]| sizes.iter().product::<usize>();
    [
        g.batch * g.channels * product(g.input),
        g.filters * g.channels / g.groups * product(g.kernel),
        g.batch * g.filters * product(g.output),
    ]
}

/// All three kernels, with arrays of these lengths.
fn convolve<T: Kernels>(which: usize, g: &Geometry, [x, w, y]: [usize; 3]) {
    let of = |length: usize| vec![T::default(); length];
    match which {
        0 => T::convolve(g, &of(x), &of(w), None, &mut of(y)),
        1 => T::convolution_input_gradient(g, &of(y), &of(w), None, &mut of(x)),
        _ => T::convolution_weight_gradient(g, &of(x), &of(y), &mut of(w)),
    }
}

#[test]
fn convolutions_of_arrays_that_are_too_short() {
    fn all<T: Kernels>() {
        for g in geometries() {
            for which in 0..3 {
                convolve::<T>(which, &g, lengths(&g));
                for short in 0..3 {
                    let mut lengths = lengths(&g);
                    lengths[short] -= 1;
                    refused("a short array", || convolve::<T>(which, &g, lengths));
                }
            }
        }
    }
    all::<f32>();
    all::<f64>();
}

#[test]
fn convolutions_whose_sizes_are_no_numbers() {
    let g = geometries()[0];
    let half = 1usize << (usize::BITS - 1);
    for which in 0..3 {
        let short = [9, 9, 9];
        let batch = Geometry { batch: half, ..g };
        refused("a batch that wraps around", || convolve::<f32>(which, &batch, short));
        let output = Geometry { output: [half, 2, 1], ..g };
        refused("an output that wraps around", || convolve::<f32>(which, &output, short));
        let wide = Geometry { dilation: [1, 1, half], ..g };
        refused("taps that wrap around", || convolve::<f64>(which, &wide, lengths(&g)));
        refused("no groups", || convolve::<f32>(which, &Geometry { groups: 0, stride: [2; 3], ..g }, short));
    }
}

struct Sum;
impl Body<2> for Sum {
    fn call<R: Real>(&self, [a, b]: [R; 2]) -> R {
        a + b
    }
}

#[test]
fn elementwise_loops_over_operands_that_are_too_short() {
    for length in [1, 16, 17, 100] {
        let (x, short, mut out) = (vec![1.0f64; length], vec![1.0f64; length - 1], vec![0.0; length]);
        refused("a short operand", || {
            f64::run(&Sum, [Operand::Slice(&x), Operand::Slice(&short)], &mut out);
        });
    }
}

#[test]
fn parts_of_slices() {
    let (mut a, mut b) = ([0u8; 10], [0u8; 9]);
    refused("parts of no elements", || chunks_mut(&mut a, 0, |_, _| ()));
    refused("slices of several lengths", || parts_mut(&mut [&mut a, &mut b], 3, |_, _| ()));
}

#[test]
fn a_value_that_is_shared_cannot_be_written() {
    let mut one = Shared::new(String::from("one"));
    let weak = Shared::downgrade(&one);
    assert!(one.get_mut().is_none());
    let again = weak.upgrade();
    drop(weak);
    assert!(one.get_mut().is_none());
    drop(again);
    assert!(one.get_mut().is_some());
}
