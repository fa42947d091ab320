//! What the library's unsafe code promises: nodes that are freed on other threads, loops on several threads, and
//! kernels at the borders of their arrays.
//!
//! These tests mean most under Miri and AddressSanitizer; `docs/safety.md` says how they are run there. Under Miri,
//! which is thousands of times slower, they do less of the same.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use chainrule::{Tensor, num_threads, param, set_num_threads};

/// `many` natively, `few` under Miri.
const fn times(many: usize, few: usize) -> usize {
    if cfg!(miri) { few } else { many }
}

/// The number of threads is the whole program's: tests that set it take turns.
fn alone() -> impl Drop {
    static TURN: Mutex<()> = Mutex::new(());
    struct Turn(#[allow(dead_code)] std::sync::MutexGuard<'static, ()>, usize);
    impl Drop for Turn {
        fn drop(&mut self) {
            set_num_threads(self.1);
        }
    }
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Turn(turn, num_threads())
}

/// A chain of scalar gates, each of which is its own node.
fn chain(x: &Tensor, length: usize) -> Tensor {
    (0..length).fold(x.clone(), |y, i| &y * (1.0 + 1.0 / (i + 1) as f64) + x)
}

#[test]
fn nodes_are_freed_on_other_threads_than_those_that_made_them() {
    let threads = times(4, 3);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel::<Vec<Tensor>>()).unzip();
    let expected = {
        let x = param(1.5);
        chain(&x, 5).backward().unwrap();
        x.grad().unwrap().item().unwrap()
    };
    thread::scope(|scope| {
        for (i, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(i + 1) % threads].clone();
            scope.spawn(move || {
                for round in 0..times(300, 4) {
                    let x = param(1.5);
                    // Some tensors of one graph go to the neighbour, some die here, some later there.
                    let y = chain(&x, 5);
                    let parts: Vec<Tensor> = (0..3).map(|i| chain(&y, i)).collect();
                    if next.send(vec![x.clone(), y.clone(), parts[0].clone()]).is_err() {
                        return;
                    }
                    drop(parts);
                    if round % 2 == 0 {
                        drop((x, y));
                    }
                    if let Ok(mut got) = receiver.recv() {
                        let y = got.swap_remove(1);
                        y.backward().unwrap();
                        assert_eq!(got[0].grad().unwrap().item().unwrap(), expected);
                    }
                }
                // What is still on its way is freed when this thread's list is gone.
                drop(next);
            });
        }
        drop(senders);
    });
}

#[test]
fn weak_references_and_the_last_strong_one_race() {
    for round in 0..times(300, 8) {
        let x = param(2.0);
        let y = &x * 3.0;
        let weak = y.downgrade();
        let barrier = Arc::new(Barrier::new(2));
        let own = barrier.clone();
        let dropping = thread::spawn(move || {
            own.wait();
            drop(y);
        });
        barrier.wait();
        for _ in 0..1 + round % 3 {
            if let Some(y) = weak.upgrade() {
                assert_eq!(y.item().unwrap(), 6.0);
            }
        }
        dropping.join().unwrap();
        assert!(weak.upgrade().is_none());
        // The memory serves again while the weak reference is still there.
        let z = &x * 5.0;
        assert!(weak.upgrade().is_none() && z.item().unwrap() == 10.0);
    }
}

#[test]
fn one_graph_is_run_by_several_threads_at_once() {
    let x = param(0.5);
    let shared = chain(&x, times(50, 6));
    let expected = {
        let own = param(0.5);
        (&chain(&own, times(50, 6)) * 2.0).backward().unwrap();
        own.grad().unwrap().item().unwrap()
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..times(50, 2) {
                    let y = &shared * 2.0;
                    let gradient =
                        chainrule::Backward::of(&[&y]).retain_graph(true).gradients(&[&x]).unwrap();
                    assert_eq!(gradient[0].as_ref().unwrap().item().unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn no_gradient_is_lost_between_threads() {
    let (number, array) = (param(1.0), param([1.0; 40]));
    for create_graph in [false, true] {
        for _ in 0..times(100, 2) {
            [&number, &array].iter().for_each(|x| x.zero_grad());
            let start = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let y = (&array * 2.0).sum().unwrap() * &number;
                        start.wait();
                        chainrule::Backward::of(&[&y]).create_graph(create_graph).accumulate().unwrap();
                    });
                }
            });
            assert_eq!(number.grad().unwrap().item().unwrap(), 320.0);
            assert_eq!(array.grad().unwrap().to_f64_vec(), [8.0; 40]);
        }
    }
}

#[test]
fn leaves_change_while_others_read_them() {
    let x = param([1.0; 64]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Whole or not at all: all elements are the same number.
                let values = x.to_f64_vec();
                assert!(values.iter().all(|v| *v == values[0]), "{values:?}");
            }
        });
        let one = Tensor::ones([64]);
        for _ in 0..times(2000, 20) {
            chainrule::no_grad(|| x.add_(&one)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(x.to_f64_vec()[0], 1.0 + times(2000, 20) as f64);
}

#[test]
fn loops_from_many_threads_share_the_pool() {
    let _alone = alone();
    set_num_threads(3);
    // Drawn in chunks of 4,096, each a task.
    let draw =
        || chainrule::Generator::new(7).rand([times(50_000, 4_100)], chainrule::DType::F32).to_f64_vec();
    let expected = draw();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..times(40, 1) {
                    assert!(draw() == expected);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 3 * times(40, 1));
}

/// Numbers that tell their places apart.
fn numbers(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| (i * 7 % 13) as f32 - 6.0).collect::<Vec<f32>>();
    Tensor::from(chainrule::Array::from_vec(values, chainrule::Shape::new(shape).unwrap()).unwrap())
}

/// The same values as the last elements of a larger buffer, so that whoever reads too far leaves it.
fn at_the_end(x: &Tensor) -> Tensor {
    let rank = x.rank();
    if rank == 0 || x.elements() == 0 {
        return x.clone();
    }
    let wide = Tensor::cat(&[x, x], 0).unwrap();
    let size = x.shape()[0] as isize;
    wide.narrow(0, size, size).unwrap()
}

#[test]
fn products_at_the_borders_of_their_tiles() {
    let _alone = alone();
    let sizes: &[usize] =
        if cfg!(miri) { &[1, 5, 17] } else { &[0, 1, 2, 3, 5, 6, 7, 8, 15, 16, 17, 31, 33, 65] };
    for threads in [1, 2] {
        set_num_threads(threads);
        for &m in sizes {
            for &k in sizes {
                for &n in sizes {
                    let (a, b) = (at_the_end(&numbers(&[m, k])), at_the_end(&numbers(&[k, n])));
                    let y = a.matmul(&b).unwrap();
                    // Against the sum of outer products, elementwise.
                    let mut expected = vec![0.0; m * n];
                    let (a_values, b_values) = (a.to_f64_vec(), b.to_f64_vec());
                    for (i, row) in expected.chunks_mut(n.max(1)).enumerate().take(m) {
                        for p in 0..k {
                            row.iter_mut()
                                .enumerate()
                                .for_each(|(j, y)| *y += a_values[i * k + p] * b_values[p * n + j]);
                        }
                    }
                    assert_eq!(y.to_f64_vec(), expected, "{m}×{k} by {k}×{n}");
                    let turned = at_the_end(&b.t().unwrap().contiguous().unwrap());
                    let bias = Tensor::zeros([n]);
                    let linear = a.linear(&turned, Some(&bias)).unwrap();
                    assert_eq!(linear.to_f64_vec(), expected, "linear {m}×{k} by {k}×{n}");
                }
            }
        }
    }
}

#[test]
fn convolutions_and_pools_at_the_borders_of_their_images() {
    use chainrule::gate::{Conv, Window};
    use chainrule::nn::{Conv2d, MaxPool2d, Module};
    let _alone = alone();
    let mut generator = chainrule::Generator::new(0);
    let cases: &[(usize, usize, usize, usize)] = match cfg!(miri) {
        // The last ones have few filters, and rows that fill vectors.
        true => &[(1, 2, 3, 5), (4, 1, 3, 12)],
        false => &[
            (1, 1, 1, 1),
            (1, 2, 3, 5),
            (2, 3, 7, 9),
            (1, 17, 16, 16),
            (3, 5, 33, 8),
            (2, 16, 17, 13),
            (1, 2, 6, 14),
            (5, 3, 16, 31),
        ],
    };
    let kernels: &[usize] = if cfg!(miri) { &[1, 3] } else { &[1, 3, 5] };
    for &(images, channels, filters, size) in cases {
        for &kernel in kernels {
            let layer =
                Conv2d::new(channels, filters, kernel, Conv::default().padding(kernel / 2), &mut generator)
                    .unwrap();
            let x =
                at_the_end(&numbers(&[images, channels, size, size])).detach().requires_grad_(true).unwrap();
            let results: Vec<Vec<Vec<f64>>> = [1, 2]
                .iter()
                .map(|&threads| {
                    set_num_threads(threads);
                    let y = layer.call(&x).unwrap();
                    let y = if size > 1 { MaxPool2d::new(Window::new(2)).call(&y).unwrap() } else { y };
                    y.sum().unwrap().backward().unwrap();
                    let mut all = vec![y.to_f64_vec(), x.grad().unwrap().to_f64_vec()];
                    x.zero_grad();
                    for parameter in layer.parameters() {
                        all.push(parameter.grad().unwrap().to_f64_vec());
                        parameter.zero_grad();
                    }
                    all
                })
                .collect();
            assert!(results[0] == results[1], "{images} {channels} {filters} {size} {kernel}");
        }
    }
}

#[test]
fn elementwise_loops_rows_and_sums_at_odd_lengths() {
    let _alone = alone();
    let lengths: &[usize] =
        if cfg!(miri) { &[1, 9, 33] } else { &[0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 1000, 4097] };
    for threads in [1, 2] {
        set_num_threads(threads);
        for &length in lengths {
            let x = at_the_end(&numbers(&[length])).detach().requires_grad_(true).unwrap();
            let y = x.mul(0.1).unwrap().tanh().unwrap().add(&x).unwrap();
            let rows = y.reshape([1, length]).unwrap();
            let all = [rows.softmax(-1).unwrap(), rows.cumsum(1).unwrap(), rows.relu().unwrap()];
            let total = all.iter().fold(y.sum().unwrap(), |sum, part| sum.add(&part.sum().unwrap()).unwrap());
            total.backward().unwrap();
            assert!(x.grad().unwrap().to_f64_vec().iter().all(|g| g.is_finite()));
            let backwards = y.slice(0, chainrule::Slice::from(..).step(-1)).unwrap();
            let exact: f64 = y.to_f64_vec().iter().sum();
            assert!((backwards.sum().unwrap().item().unwrap() - exact).abs() <= 1e-4 * (1.0 + exact.abs()));
        }
    }
}
