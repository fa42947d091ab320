//! The workloads: each makes what it needs, and returns the step that is timed.

use chainrule::models::{AlexNet, LeNet, Mlp};
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Optimizer, Sgd, SgdOptions};
use chainrule::{Generator, Result, Tensor, manual_seed, no_grad, param};

/// One step of a workload.
pub(crate) type Step = Box<dyn FnMut() -> Result<()>>;
type Make = fn() -> Result<Step>;

/// Every workload by its name.
pub(crate) const ALL: &[(&str, Make)] = &[
    ("scalar_graph", scalar_graph),
    ("sigmoid_neuron", sigmoid_neuron),
    ("scalar_chain_100k", scalar_chain),
    ("softmax_regression_b128", || mlp(&[784, 10], 128)),
    ("mlp_2_16_16_1_b1", || mlp(&[2, 16, 16, 2], 1)),
    ("mlp_784_128_10_b32", || mlp(&[784, 128, 10], 32)),
    ("mlp_784_512_256_10_b128", || mlp(&[784, 512, 256, 10], 128)),
    ("mlp_1024x4_b256", || mlp(&[1024, 1024, 1024, 1024, 10], 256)),
    ("lenet_b64", lenet),
    ("elementwise_1m", elementwise),
    ("attention", attention),
    ("alexnet_forward_b1", || alexnet_forward(1)),
    ("alexnet_step_b1", || alexnet_step(1)),
    ("alexnet_forward_b16", || alexnet_forward(16)),
    ("alexnet_step_b16", || alexnet_step(16)),
];

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
