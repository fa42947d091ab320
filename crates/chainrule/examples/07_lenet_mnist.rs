//! LeNet-5 reads handwritten digits: convolutions, pooling, images through transforms.
//!
//! `cargo run --release -p chainrule --example 07_lenet_mnist -- --full MNIST_FOLDER` learns from all of MNIST;
//! without the folder the embedded digits of 8×8 pixels stand in for it.

use std::path::PathBuf;

use chainrule::data::{Dataset, Filter, Loader, Source, Transform, Transformed, digits, load_mnist};
use chainrule::models::LeNet;
use chainrule::nn::{Module, Summary};
use chainrule::optim::{Adam, Optimizer};
use chainrule::{DType, Generator, Result, Tensor, no_grad};

/// Training and test images, what their pixels are divided by, and where they are from.
fn images() -> Result<(Dataset, Dataset, f32)> {
    if let Some(folder) =
        std::env::args().skip(1).find(|argument| !argument.starts_with("--")).map(PathBuf::from)
    {
        let (train, test) = load_mnist(folder)?;
        return Ok((train, test, 255.0));
    }
    println!("no folder with MNIST was named: the embedded digits of 8×8 pixels stand in for it");
    let all = digits();
    let pixels = all.features.cast(DType::U8).reshape([all.len(), 1, 8, 8])?;
    let (train, test) = Dataset::new("digits", pixels, all.labels, all.classes)?.stratified_split(0.2, 0)?;
    Ok((train, test, 16.0))
}

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--full");
    let (mut train, mut test, divisor) = images()?;
    if !full {
        (train, test) =
            (train.select(&(0..400).collect::<Vec<_>>())?, test.select(&(0..200).collect::<Vec<_>>())?);
    }
    let steps = vec![
        Transform::Resize { height: 28, width: 28, filter: Filter::Bilinear },
        Transform::Float { divisor },
        Transform::Normalise { mean: vec![0.1307], deviation: vec![0.3081] },
    ];
    let train =
        Loader::new(Transformed::new(train, steps.clone()), if full { 64 } else { 16 }).shuffle(0).workers(1);
    let test = Loader::new(Transformed::new(test, steps), 200);

    let net = LeNet::build(&mut Generator::new(0))?;
    println!("{}", Summary::of(&net, &Tensor::zeros([1, 1, 28, 28]))?);
    let mut adam = Adam::new(&net.parameters(), 2e-3);
    for epoch in 0..if full { 5 } else { 2 } {
        let mut sum = 0.0;
        for batch in train.epoch(epoch) {
            let batch = batch?;
            let logits = net.call(&Tensor::from_array(batch.inputs))?;
            let loss = logits.cross_entropy(&Tensor::from_array(batch.targets))?;
            adam.zero_grad();
            loss.backward()?;
            adam.step()?;
            sum += loss.item()?;
        }
        let mut right = 0;
        for batch in test.epoch(0) {
            let batch = batch?;
            let answers = no_grad(|| net.call(&Tensor::from_array(batch.inputs))?.argmax_dim(1, false))?
                .to_vec::<i64>()?;
            right += answers.iter().zip(batch.targets.to_i64_vec()).filter(|(a, b)| *a == b).count();
        }
        println!(
            "epoch {}: loss {:.4}, test accuracy {:.2} %",
            epoch + 1,
            sum / train.len() as f64,
            100.0 * right as f64 / test.source().len() as f64
        );
    }
    Ok(())
}
