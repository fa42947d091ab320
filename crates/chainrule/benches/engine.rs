//! What a gate, a matrix product and a training step cost.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use chainrule::models::Mlp;
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Optimizer, Sgd};
use chainrule::{Generator, Tensor, param};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Scalar gates, recorded forward and run backward.
fn scalar_gates(c: &mut Criterion) {
    let mut group = c.benchmark_group("scalar gates, forward and backward");
    let (x, y, z) = (param(-2.0), param(0.5), param(0.999));
    for gates in [2u64, 64, 2000] {
        group.throughput(Throughput::Elements(gates));
        group.bench_function(gates.to_string(), |b| {
            b.iter(|| {
                [&x, &y, &z].into_iter().for_each(Tensor::zero_grad);
                let mut t = (&x + &y) * &z;
                for _ in 1..gates / 2 {
                    t = (&t + &y) * &z;
                }
                t.backward().unwrap();
                black_box(x.grad())
            })
        });
    }
    group.finish();
}

fn matmul(c: &mut Criterion) {
    let mut group = c.benchmark_group("matmul");
    for size in [64, 256, 1024] {
        let (a, b) = (Tensor::randn([size, size]), Tensor::randn([size, size]));
        group.throughput(Throughput::Elements(2 * (size as u64).pow(3)));
        group.sample_size(20);
        group.bench_function(format!("{size}x{size}"), |bench| {
            bench.iter(|| black_box(a.matmul(&b).unwrap()))
        });
    }
    group.finish();
}

fn elementwise(c: &mut Criterion) {
    let x = Tensor::randn([1_000_000]).requires_grad_(true).unwrap();
    c.bench_function("sum(tanh(x)*sigmoid(x) + exp(-x*x)), 1M, forward and backward", |b| {
        b.iter(|| {
            x.zero_grad();
            let y = x.tanh().unwrap() * x.sigmoid().unwrap() + (-(&x * &x)).exp().unwrap();
            y.sum().unwrap().backward().unwrap();
        })
    });
}

fn training_step(c: &mut Criterion) {
    for (sizes, batch) in [(&[2, 16, 16, 2][..], 1), (&[784, 128, 10], 32), (&[784, 512, 256, 10], 128)] {
        let net = Mlp::build(sizes, Activation::Relu, &mut Generator::new(0)).unwrap();
        let x = Tensor::randn([batch, sizes[0]]);
        let labels = Tensor::randint(0, *sizes.last().unwrap() as i64, [batch]).unwrap();
        let mut sgd = Sgd::new(&net.parameters(), 0.01);
        c.bench_function(&format!("training step of {sizes:?}, batch {batch}"), |b| {
            b.iter(|| {
                sgd.zero_grad();
                net.forward(&x).unwrap().cross_entropy(&labels).unwrap().backward().unwrap();
                sgd.step().unwrap();
            })
        });
    }
}

criterion_group!(benches, scalar_gates, matmul, elementwise, training_step);
criterion_main!(benches);
