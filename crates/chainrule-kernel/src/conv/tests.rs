//! The three convolutions against the definition, element by element, and with other numbers of threads.

use super::*;

fn numbers(count: usize, seed: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 31 + seed * 7) % 23) as f64 - 11.0).collect()
}

/// Calls `visit(x, w, y)` with the places of every product of the convolution.
fn each_product(g: &Geometry, mut visit: impl FnMut(usize, usize, usize)) {
    let (channels, filters) = (g.group_channels(), g.group_filters());
    let cube = |sizes: [usize; 3]| {
        let (a, b) = (sizes[1] * sizes[2], sizes[2]);
        (0..sizes.iter().product()).map(move |i: usize| [i / a, i / b % sizes[1], i % b])
    };
    let flat = |at: [usize; 3], sizes: [usize; 3]| (at[0] * sizes[1] + at[1]) * sizes[2] + at[2];
    for n in 0..g.batch {
        for f in 0..g.filters {
            for o in cube(g.output) {
                for c in 0..channels {
                    for k in cube(g.kernel) {
                        let at = [0, 1, 2].map(|d| {
                            let i = (o[d] * g.stride[d] + k[d] * g.dilation[d]) as isize - g.before[d];
                            usize::try_from(i).ok().filter(|&i| i < g.input[d])
                        });
                        let [Some(i0), Some(i1), Some(i2)] = at else { continue };
                        let channel = f / filters * channels + c;
                        let x = (n * g.channels + channel) * g.plane() + flat([i0, i1, i2], g.input);
                        let w = (f * channels + c) * g.kernel.iter().product::<usize>() + flat(k, g.kernel);
                        visit(x, w, (n * g.filters + f) * g.pixels() + flat(o, g.output));
                    }
                }
            }
        }
    }
}

fn geometries() -> Vec<Geometry> {
    let base = Geometry {
        batch: 2,
        groups: 1,
        channels: 3,
        filters: 7,
        input: [1, 9, 11],
        kernel: [1, 3, 3],
        output: [0; 3],
        stride: [1; 3],
        before: [0, 1, 1],
        dilation: [1; 3],
    };
    let with_output = |g: Geometry, after: [isize; 3]| Geometry {
        output: [0, 1, 2].map(|d| {
            let room = g.input[d] as isize + g.before[d] + after[d];
            (room as usize - g.dilation[d] * (g.kernel[d] - 1) - 1) / g.stride[d] + 1
        }),
        ..g
    };
    vec![
        with_output(base, [0, 1, 1]),
        with_output(Geometry { stride: [1, 2, 3], ..base }, [0, 1, 1]),
        with_output(Geometry { stride: [1, 4, 4], kernel: [1, 5, 5], before: [0, 2, 2], ..base }, [0, 2, 2]),
        with_output(Geometry { dilation: [1, 2, 1], stride: [1, 2, 2], ..base }, [0, 1, 0]),
        with_output(Geometry { dilation: [1, 3, 2], before: [0; 3], ..base }, [0; 3]),
        with_output(Geometry { before: [0, -1, 3], ..base }, [0, 2, -2]),
        with_output(Geometry { groups: 3, channels: 6, filters: 9, ..base }, [0, 1, 1]),
        with_output(Geometry { kernel: [1, 1, 1], before: [0; 3], stride: [1, 2, 2], ..base }, [0; 3]),
        with_output(Geometry { kernel: [1, 1, 1], before: [0; 3], filters: 40, ..base }, [0; 3]),
        with_output(
            Geometry { input: [5, 6, 7], kernel: [2, 3, 2], stride: [2, 1, 2], before: [1, 0, 1], ..base },
            [1, 0, 0],
        ),
        with_output(
            Geometry { input: [1, 13, 22], channels: 13, filters: 29, kernel: [1, 5, 5], ..base },
            [0, 1, 1],
        ),
        // Few filters, and rows that fill vectors.
        with_output(
            Geometry {
                batch: 3,
                channels: 5,
                filters: 6,
                input: [1, 6, 14],
                kernel: [1, 5, 5],
                before: [0, 2, 2],
                ..base
            },
            [0, 2, 2],
        ),
        with_output(Geometry { channels: 18, filters: 16, input: [1, 5, 30], ..base }, [0, 1, 1]),
        with_output(
            Geometry { groups: 2, channels: 6, filters: 26, input: [1, 9, 15], kernel: [1, 5, 5], ..base },
            [0, 3, 3],
        ),
        with_output(
            Geometry {
                batch: 9,
                filters: 23,
                input: [3, 9, 16],
                kernel: [2, 3, 3],
                stride: [1, 2, 1],
                dilation: [1, 2, 1],
                before: [1, 3, 1],
                ..base
            },
            [0, 1, 1],
        ),
        with_output(Geometry { batch: 0, ..base }, [0, 1, 1]),
    ]
}

#[test]
fn all_three_agree_with_the_definition() {
    for g in geometries() {
        let x = numbers(g.batch * g.channels * g.plane(), 1);
        let w = numbers(g.filters * g.taps(), 2);
        let u = numbers(g.batch * g.filters * g.pixels(), 3);
        let (b, d) = (numbers(g.filters, 4), numbers(g.channels, 5));
        let mut y: Vec<f64> = (0..u.len()).map(|i| b[i / g.pixels() % g.filters]).collect();
        let mut dx: Vec<f64> = (0..x.len()).map(|i| d[i / g.plane() % g.channels]).collect();
        let mut dw = vec![0.0; w.len()];
        each_product(&g, |at_x, at_w, at_y| {
            y[at_y] += x[at_x] * w[at_w];
            dx[at_x] += u[at_y] * w[at_w];
            dw[at_w] += u[at_y] * x[at_x];
        });
        // Small whole numbers, so that every order of addition gives the same.
        let mut found = vec![99.0; y.len()];
        forward(&g, &x, &w, Some(&b), &mut found);
        assert_eq!(found, y, "forward of {g:?}");
        let mut found = vec![99.0; x.len()];
        input_gradient(&g, &u, &w, Some(&d), &mut found);
        assert_eq!(found, dx, "the input's gradient of {g:?}");
        let mut found = vec![99.0; w.len()];
        weight_gradient(&g, &x, &u, &mut found);
        assert_eq!(found, dw, "the weights' gradient of {g:?}");
        let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        for level in Level::all().filter(|_| g.batch > 0) {
            let mut found = vec![99.0; y.len()];
            forward_at(level, &g, &single(&x), &single(&w), Some(&single(&b)), &mut found);
            assert_eq!(found, single(&y), "{level:?}, forward of {g:?}");
            let mut found = vec![0.0; w.len()];
            weight_gradient_at(level, &g, &single(&x), &single(&u), &mut found);
            assert_eq!(found, single(&dw), "{level:?}, the weights' gradient of {g:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    for g in [geometries()[10], geometries()[11], geometries()[13]] {
        check_threads(g);
    }
}

fn check_threads(g: Geometry) {
    let single =
        |numbers: Vec<f64>| numbers.into_iter().map(|x| (x * 0.37).sin() as f32).collect::<Vec<f32>>();
    let x = single(numbers(g.batch * g.channels * g.plane(), 1));
    let w = single(numbers(g.filters * g.taps(), 2));
    let u = single(numbers(g.batch * g.filters * g.pixels(), 3));
    let results: Vec<Vec<f32>> = [1, 2, 3]
        .iter()
        .map(|&threads| {
            pool::set_num_threads(threads);
            let mut all = vec![0.0; u.len() + x.len() + w.len()];
            let (y, rest) = all.split_at_mut(u.len());
            let (dx, dw) = rest.split_at_mut(x.len());
            forward(&g, &x, &w, None, y);
            input_gradient(&g, &u, &w, None, dx);
            weight_gradient(&g, &x, &u, dw);
            all
        })
        .collect();
    assert!(results.iter().all(|all| all == &results[0]));
}
