//! What chainrule computes in f32, with the inputs it had: `accuracy DIRECTORY` writes a safetensors file a case.
//!
//! `benches/accuracy.py` runs it, computes the same with PyTorch in f32 and in f64, and compares the errors.

use std::path::Path;

use chainrule::gate::Conv;
use chainrule::{DType, Generator, Result, Shape, Tensor, io};

/// A gate's name in the script, its inputs' shapes, and what it computes.
type Case = (&'static str, &'static str, Vec<Vec<usize>>, fn(&[Tensor]) -> Result<Tensor>);

fn convolution(x: &[Tensor], stride: usize, padding: usize) -> Result<Tensor> {
    x[0].conv(&x[1], Some(&x[2]), Conv::default().stride(stride).padding(padding))
}

fn cases() -> Vec<Case> {
    let conv = |n, c, size, f, k| vec![vec![n, c, size, size], vec![f, c, k, k], vec![f]];
    let wide = || vec![vec![1 << 20]];
    let rows = || vec![vec![256, 1000]];
    vec![
        ("matmul 64x64x64", "matmul", vec![vec![64, 64], vec![64, 64]], |x| x[0].matmul(&x[1])),
        ("matmul 1024x1024x1024", "matmul", vec![vec![1024, 1024], vec![1024, 1024]], |x| x[0].matmul(&x[1])),
        ("linear 128x784 to 10", "linear", vec![vec![128, 784], vec![10, 784], vec![10]], |x| {
            x[0].linear(&x[1], Some(&x[2]))
        }),
        ("linear 1x9216 to 1000", "linear", vec![vec![1, 9216], vec![1000, 9216], vec![1000]], |x| {
            x[0].linear(&x[1], Some(&x[2]))
        }),
        ("conv LeNet 1, 5x5", "conv 1 2", conv(16, 1, 28, 6, 5), |x| convolution(x, 1, 2)),
        ("conv LeNet 2, 5x5", "conv 1 0", conv(16, 6, 14, 16, 5), |x| convolution(x, 1, 0)),
        ("conv AlexNet 1, 11x11 by 4", "conv 4 2", conv(2, 3, 227, 64, 11), |x| convolution(x, 4, 2)),
        ("conv AlexNet 2, 5x5 (Winograd)", "conv 1 2", conv(2, 64, 27, 192, 5), |x| convolution(x, 1, 2)),
        ("conv AlexNet 3, 3x3 (Winograd)", "conv 1 1", conv(2, 192, 13, 384, 3), |x| convolution(x, 1, 1)),
        ("conv AlexNet 4, 3x3 (Winograd)", "conv 1 1", conv(2, 384, 13, 256, 3), |x| convolution(x, 1, 1)),
        ("softmax 256x1000", "softmax", rows(), |x| x[0].softmax(-1)),
        ("log_softmax 256x1000", "log_softmax", rows(), |x| x[0].log_softmax(-1)),
        ("logsumexp 256x1000", "logsumexp", rows(), |x| x[0].logsumexp(&[-1], false)),
        ("layer_norm 256x1000", "layer_norm", vec![vec![256, 1000], vec![1000], vec![1000]], |x| {
            x[0].layer_norm(&[1000], Some(&x[1]), Some(&x[2]), 1e-5)
        }),
        ("sum of 1M", "sum", wide(), |x| x[0].sum()),
        ("mean of 1M", "mean", wide(), |x| x[0].mean()),
        ("sum of 1000 rows of 1000", "sum 0", vec![vec![1000, 1000]], |x| x[0].sum_dim(&[0], false)),
        ("var of 256x1000", "var", rows(), |x| x[0].var(&[-1], 1.0, false)),
        ("exp", "exp", wide(), |x| x[0].exp()),
        ("log of sizes", "log", wide(), |x| x[0].abs()?.log()),
        ("tanh", "tanh", wide(), |x| x[0].tanh()),
        ("sigmoid", "sigmoid", wide(), |x| x[0].sigmoid()),
        ("gelu", "gelu", wide(), |x| x[0].gelu()),
        ("erf", "erf", wide(), |x| x[0].erf()),
        ("sin", "sin", wide(), |x| x[0].sin()),
        ("softplus", "softplus", wide(), |x| x[0].softplus(1.0, 20.0)),
        ("avg_pool 3x3 by 2", "avg_pool", vec![vec![8, 16, 27, 27]], |x| {
            x[0].avg_pool(2, chainrule::gate::AvgPool::of(chainrule::gate::Window::new(3).stride(2)))
        }),
    ]
}

fn main() -> Result<()> {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("usage: accuracy DIRECTORY");
        std::process::exit(2);
    };
    for (number, (name, gate, shapes, compute)) in cases().into_iter().enumerate() {
        let mut random = Generator::new(number as u64);
        let mut draw = |shape: Shape| Tensor::from_array(random.randn(shape, DType::F32));
        let inputs = shapes
            .iter()
            .map(|shape| draw(Shape::new(shape)?).requires_grad_(true))
            .collect::<Result<Vec<Tensor>>>()?;
        let y = compute(&inputs)?;
        let upstream = draw(y.shape());
        y.backward_with(&upstream)?;
        let mut arrays = vec![("upstream".to_string(), upstream.array()), ("output".to_string(), y.array())];
        for (i, input) in inputs.iter().enumerate() {
            arrays.push((format!("input {i}"), input.array()));
            arrays.extend(input.grad().map(|gradient| (format!("gradient {i}"), gradient.array())));
        }
        let about = [("name".to_string(), name.to_string()), ("gate".to_string(), gate.to_string())];
        io::save_tensors(Path::new(&directory).join(format!("{number:02}.safetensors")), &arrays, &about)?;
    }
    Ok(())
}
