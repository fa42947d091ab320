//! Winograd's method against the direct one in f64.

use super::super::{forward as direct, input_gradient, weight_gradient as direct_weight};
use super::*;

fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let mut state = seed as u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

fn double(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The largest error, as a share of the largest value.
fn error(found: &[f32], exact: &[f64]) -> f64 {
    let largest = exact.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let errors = found.iter().zip(exact).map(|(&x, y)| (f64::from(x) - y).abs());
    errors.fold(0.0, f64::max) / largest
}

fn geometries() -> Vec<Geometry> {
    let of =
        |batch, channels, filters, kernel: usize, input: [usize; 2], before: isize, after: isize| Geometry {
            batch,
            groups: 1,
            channels,
            filters,
            input: [1, input[0], input[1]],
            kernel: [1, kernel, kernel],
            output: [1, input[0], input[1]].map(|size| match size {
                1 => 1,
                size => (size as isize + before + after) as usize + 1 - kernel,
            }),
            stride: [1; 3],
            before: [0, before, before],
            dilation: [1; 3],
        };
    vec![
        of(2, 16, 40, 3, [13, 11], 1, 1),
        of(1, 37, 19, 5, [27, 12], 2, 2),
        of(3, 50, 70, 3, [6, 9], 0, 0),
        of(2, 33, 16, 5, [9, 8], 0, 1),
        of(1, 16, 17, 3, [30, 5], 2, 2),
        of(2, 20, 16, 3, [14, 14], -1, 2),
        of(2, 16, 16, 3, [5, 3], 0, 0),
        of(1, 16, 18, 5, [6, 7], 1, 1),
    ]
}

#[test]
fn all_three_agree_with_the_direct_method() {
    for g in geometries() {
        let x = numbers(g.batch * g.channels * g.plane(), 1);
        let w = numbers(g.filters * g.taps(), 2);
        let u = numbers(g.batch * g.filters * g.pixels(), 3);
        let (b, d) = (numbers(g.filters, 4), numbers(g.channels, 5));
        let (x64, w64, u64s) = (double(&x), double(&w), double(&u));
        let (mut y, mut dx, mut dw) = (vec![0.0; u.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        direct(&g, &x64, &w64, Some(&double(&b)), &mut y);
        input_gradient(&g, &u64s, &w64, Some(&double(&d)), &mut dx);
        direct_weight(&g, &x64, &u64s, &mut dw);
        let turned = g.turned();
        for level in Level::all() {
            let mut found = vec![9.0; y.len()];
            forward(level, Plan::new(&g), &g, &x, (&w, false), Some(&b), &mut found);
            assert!(error(&found, &y) < 4e-6, "{level:?}, forward of {g:?}: {}", error(&found, &y));
            let mut found = vec![9.0; dx.len()];
            forward(level, Plan::new(&turned), &turned, &u, (&w, true), Some(&d), &mut found);
            assert!(error(&found, &dx) < 4e-6, "{level:?}, input of {g:?}: {}", error(&found, &dx));
            let mut found = vec![9.0; dw.len()];
            weight_gradient(level, Plan::new(&g), &g, &x, &u, &mut found);
            assert!(error(&found, &dw) < 4e-6, "{level:?}, weight of {g:?}: {}", error(&found, &dw));
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let g = geometries()[1];
    let x = numbers(g.batch * g.channels * g.plane(), 1);
    let w = numbers(g.filters * g.taps(), 2);
    let u = numbers(g.batch * g.filters * g.pixels(), 3);
    let plan = Plan::of(&g).expect("this size is worth it");
    let of = |threads: usize| {
        pool::set_num_threads(threads);
        let (mut y, mut dw) = (vec![0.0; u.len()], vec![0.0; w.len()]);
        forward(Level::best(), plan, &g, &x, (&w, false), None, &mut y);
        weight_gradient(Level::best(), plan, &g, &x, &u, &mut dw);
        (y, dw)
    };
    assert!([2, 3].iter().all(|&threads| of(threads) == of(1)));
}
