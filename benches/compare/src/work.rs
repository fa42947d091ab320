//! The workloads: each makes what it needs, and returns the step that is timed.

use chainrule::check::GradCheck;
use chainrule::models::{AlexNet, LeNet, Mlp};
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Optimizer, Sgd, SgdOptions};
use chainrule::{ComputationalGraph, DType, Generator, Result, Tensor, manual_seed, no_grad, param};

use crate::limits::{self, Limit};

/// One step of a workload.
pub(crate) type Step = Box<dyn FnMut() -> Result<()>>;

/// A workload: its name, what makes its step, and what bounds it from below.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Result<Step>,
    pub(crate) limit: fn() -> Limit,
}

const fn work(name: &'static str, make: fn() -> Result<Step>, limit: fn() -> Limit) -> Work {
    Work { name, make, limit }
}

/// Every workload. Those that end in `_replay` do the work of the one before as a replayed graph.
pub(crate) const ALL: &[Work] = &[
    work("scalar_graph", scalar_graph, || Limit::ByHand(limits::scalar_graph)),
    work("sigmoid_neuron", sigmoid_neuron, || Limit::ByHand(limits::sigmoid_neuron)),
    work("scalar_chain_100k", scalar_chain, || Limit::ByHand(limits::scalar_chain)),
    work("scalar_chain_100k_replay", scalar_chain_replay, || Limit::ByHand(limits::scalar_chain)),
    work("softmax_regression_b128", || mlp(&[784, 10], 128), || mlp_limit(&[784, 10], 128)),
    work("mlp_2_16_16_1_b1", || mlp(&[2, 16, 16, 2], 1), || Limit::None),
    work("mlp_2_16_16_1_b1_replay", || mlp_replay(&[2, 16, 16, 2], 1), || Limit::None),
    work("mlp_784_128_10_b32", || mlp(&[784, 128, 10], 32), || mlp_limit(&[784, 128, 10], 32)),
    work("mlp_784_128_10_b32_replay", || mlp_replay(&[784, 128, 10], 32), || mlp_limit(&[784, 128, 10], 32)),
    work(
        "mlp_784_512_256_10_b128",
        || mlp(&[784, 512, 256, 10], 128),
        || mlp_limit(&[784, 512, 256, 10], 128),
    ),
    work(
        "mlp_1024x4_b256",
        || mlp(&[1024, 1024, 1024, 1024, 10], 256),
        || mlp_limit(&[1024, 1024, 1024, 1024, 10], 256),
    ),
    work("lenet_b64", lenet, lenet_limit),
    work("lenet_b64_replay", lenet_replay, lenet_limit),
    // The input is read twice and its gradient written once; the rest can stay in the caches.
    work("elementwise_1m", elementwise, || Limit::Machine { operations: 0.0, bytes: 12e6 }),
    work("elementwise_1m_replay", elementwise_replay, || Limit::Machine { operations: 0.0, bytes: 12e6 }),
    work("attention", attention, || products(6 * 64 * 256 * 256 * 64, 0)),
    work("alexnet_forward_b1", || alexnet_forward(1), || products(alexnet_cost(1), 4 * ALEXNET_LINEAR)),
    work("alexnet_step_b1", || alexnet_step(1), || products(3 * alexnet_cost(1), 12 * ALEXNET_LINEAR)),
    work("alexnet_forward_b16", || alexnet_forward(16), || products(alexnet_cost(16), 4 * ALEXNET_LINEAR)),
    work("alexnet_step_b16", || alexnet_step(16), || products(3 * alexnet_cost(16), 12 * ALEXNET_LINEAR)),
    work("gradcheck_64_32_10_b8_f64", gradcheck, || Limit::None),
];

/// The limit of so many multiply-adds, and of so many bytes of weights that no cache holds.
fn products(multiply_adds: u64, bytes: u64) -> Limit {
    Limit::Machine { operations: 2.0 * multiply_adds as f64, bytes: bytes as f64 }
}

/// Forward and both gradients of every layer, but not the gradient of the network's input.
fn mlp_limit(sizes: &[u64], batch: u64) -> Limit {
    let layers: Vec<u64> = sizes.windows(2).map(|pair| pair[0] * pair[1]).collect();
    products(batch * (3 * layers.iter().sum::<u64>() - layers[0]), 0)
}

fn lenet_limit() -> Limit {
    let first = 28 * 28 * 25 * 6;
    products(64 * (2 * first + 3 * (10 * 10 * 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10)), 0)
}

/// Weights of AlexNet's linear layers.
const ALEXNET_LINEAR: u64 = 9216 * 4096 + 4096 * 4096 + 4096 * 1000;

/// Multiply-adds of AlexNet's forward pass on images of 227×227. At a batch of one the linear layers take as long
/// as reading their weights does.
fn alexnet_cost(batch: u64) -> u64 {
    let planes = [
        (56u64, 3 * 121, 64),
        (27, 64 * 25, 192),
        (13, 192 * 9, 384),
        (13, 384 * 9, 256),
        (13, 256 * 9, 256),
    ];
    let convolutions: u64 = planes.iter().map(|(size, inputs, outputs)| size * size * inputs * outputs).sum();
    batch * convolutions + if batch > 1 { batch * ALEXNET_LINEAR } else { 0 }
}

fn scalar_graph() -> Result<Step> {
    let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    Ok(Box::new(move || {
        [&x, &y, &z].into_iter().for_each(Tensor::zero_grad);
        ((&x + &y) * &z).backward()
    }))
}

fn sigmoid_neuron() -> Result<Step> {
    let (w0, x0, w1, x1, w2) = (param(2.0), param(-1.0), param(-3.0), param(-2.0), param(-3.0));
    Ok(Box::new(move || {
        [&w0, &x0, &w1, &x1, &w2].into_iter().for_each(Tensor::zero_grad);
        let z = &w0 * &x0 + &w1 * &x1 + &w2;
        (1.0 / (1.0 + (-z).exp()?)).backward()
    }))
}

fn scalar_chain() -> Result<Step> {
    let x = param(0.5);
    Ok(Box::new(move || {
        x.zero_grad();
        let mut y = x.clone();
        for _ in 0..50_000 {
            y = &y * 1.0001;
            y = &y + 0.0001;
        }
        y.backward()
    }))
}

fn scalar_chain_replay() -> Result<Step> {
    let x = param(0.5);
    let body = || {
        let mut y = x.clone();
        for _ in 0..50_000 {
            y = &y * 1.0001;
            y = &y + 0.0001;
        }
        Ok(y)
    };
    let mut replay = ComputationalGraph::record(body)?.replay(&[])?;
    Ok(Box::new(move || {
        x.zero_grad();
        replay.forward()?;
        replay.backward()
    }))
}

/// A training step whose forward and backward pass are a replayed graph.
fn replayed(loss: impl FnOnce() -> Result<Tensor>, mut optimizer: impl Optimizer + 'static) -> Result<Step> {
    let mut replay = ComputationalGraph::record(loss)?.replay(&[])?;
    Ok(Box::new(move || {
        optimizer.zero_grad();
        replay.forward()?;
        replay.backward()?;
        optimizer.step()
    }))
}

fn mlp_replay(sizes: &'static [usize], batch: usize) -> Result<Step> {
    manual_seed(0);
    let net = Mlp::build(sizes, Activation::Relu, &mut Generator::new(0))?;
    let x = Tensor::randn([batch, sizes[0]]);
    let labels = Tensor::randint(0, sizes[sizes.len() - 1] as i64, [batch])?;
    let sgd = Sgd::new(&net.parameters(), 0.01);
    replayed(|| net.forward(&x)?.cross_entropy(&labels), sgd)
}

/// Linear layers with ReLU between them, mean cross entropy, SGD.
fn mlp(sizes: &'static [usize], batch: usize) -> Result<Step> {
    manual_seed(0);
    let net = Mlp::build(sizes, Activation::Relu, &mut Generator::new(0))?;
    let x = Tensor::randn([batch, sizes[0]]);
    let labels = Tensor::randint(0, sizes[sizes.len() - 1] as i64, [batch])?;
    let mut sgd = Sgd::new(&net.parameters(), 0.01);
    Ok(Box::new(move || {
        sgd.zero_grad();
        net.forward(&x)?.cross_entropy(&labels)?.backward()?;
        sgd.step()
    }))
}

fn elementwise_replay() -> Result<Step> {
    let x = Tensor::randn([1_000_000]).requires_grad_(true)?;
    let body = || (x.tanh()? * x.sigmoid()? + (-&x * &x).exp()?).sum();
    let mut replay = ComputationalGraph::record(body)?.replay(&[])?;
    Ok(Box::new(move || {
        x.zero_grad();
        replay.forward()?;
        replay.backward()
    }))
}

fn elementwise() -> Result<Step> {
    let x = Tensor::randn([1_000_000]).requires_grad_(true)?;
    Ok(Box::new(move || {
        x.zero_grad();
        (x.tanh()? * x.sigmoid()? + (-&x * &x).exp()?).sum()?.backward()
    }))
}

fn attention() -> Result<Step> {
    let random = || Tensor::randn([8, 8, 256, 64]).requires_grad_(true);
    let (q, k, v) = (random()?, random()?, random()?);
    Ok(Box::new(move || {
        [&q, &k, &v].into_iter().for_each(Tensor::zero_grad);
        let weights = (q.matmul(&k.transpose(-1, -2)?)? / 8.0).softmax(-1)?;
        weights.matmul(&v)?.sum()?.backward()
    }))
}

/// LeNet-5 on 64 images: mean cross entropy, SGD with momentum.
fn lenet() -> Result<Step> {
    manual_seed(0);
    let net = LeNet::build(&mut Generator::new(0))?;
    let x = Tensor::randn([64, 1, 28, 28]);
    let labels = Tensor::randint(0, 10, [64])?;
    let mut sgd = Sgd::with(&net.parameters(), 0.01, SgdOptions { momentum: 0.9, ..SgdOptions::default() })?;
    Ok(Box::new(move || {
        sgd.zero_grad();
        net.call(&x)?.cross_entropy(&labels)?.backward()?;
        sgd.step()
    }))
}

fn lenet_replay() -> Result<Step> {
    manual_seed(0);
    let net = LeNet::build(&mut Generator::new(0))?;
    let x = Tensor::randn([64, 1, 28, 28]);
    let labels = Tensor::randint(0, 10, [64])?;
    let sgd = Sgd::with(&net.parameters(), 0.01, SgdOptions { momentum: 0.9, ..SgdOptions::default() })?;
    replayed(|| net.call(&x)?.cross_entropy(&labels), sgd)
}

/// All 2,410 gradients of a small network in double precision, against differences.
fn gradcheck() -> Result<Step> {
    manual_seed(0);
    let net = Mlp::build(&[64, 32, 10], Activation::Relu, &mut Generator::new(0))?;
    let leaf = |p: &Tensor| p.detach().cast(DType::F64)?.detach().requires_grad_(true);
    let leaves = net.parameters().iter().map(leaf).collect::<Result<Vec<_>>>()?;
    let x = Tensor::randn([8, 64]).cast(DType::F64)?;
    let labels = Tensor::randint(0, 10, [8])?;
    Ok(Box::new(move || {
        let loss = |p: &[Tensor]| {
            x.linear(&p[0], Some(&p[1]))?.relu()?.linear(&p[2], Some(&p[3]))?.cross_entropy(&labels)
        };
        GradCheck::default().run(loss, &leaves)?.into_result().map(drop)
    }))
}

/// AlexNet in evaluation, without a graph.
fn alexnet_forward(batch: usize) -> Result<Step> {
    manual_seed(0);
    let net = AlexNet::build(1000, &mut Generator::new(0))?;
    net.set_training(false);
    let x = Tensor::randn([batch, 3, 227, 227]);
    Ok(Box::new(move || no_grad(|| net.call(&x)).map(drop)))
}

/// AlexNet with mean cross entropy and gradients of every parameter and of the image.
fn alexnet_step(batch: usize) -> Result<Step> {
    manual_seed(0);
    let net = AlexNet::build(1000, &mut Generator::new(0))?;
    net.set_training(false);
    let x = Tensor::randn([batch, 3, 227, 227]).requires_grad_(true)?;
    let labels = Tensor::randint(0, 1000, [batch])?;
    let parameters = net.parameters();
    Ok(Box::new(move || {
        x.zero_grad();
        parameters.iter().for_each(Tensor::zero_grad);
        net.call(&x)?.cross_entropy(&labels)?.backward()
    }))
}
