//! What does a layer remember of an image? Gradient ascent finds out: an image of noise is changed until the layer
//! answers to it as it did to the original (Mahendran and Vedaldi, 2015). And the same with a class's score instead
//! shows what the network takes for the purest digit of each kind.
//!
//! `… --example 12_feature_inversion -- --full [PICTURE.png]` takes its time for both.

use std::path::PathBuf;

use chainrule::data::{Scaler, digits};
use chainrule::models::Mlp;
use chainrule::nn::{Activation, Module, Sequential};
use chainrule::optim::{Adam, Optimizer};
use chainrule::{Array, DType, Generator, Result, Tensor, no_grad, plot};

/// A perceptron for digits, trained for so many steps.
fn trained(x: &Tensor, labels: &Tensor, steps: usize) -> Result<Sequential> {
    let net = Mlp::build(&[64, 48, 32, 10], Activation::Tanh, &mut Generator::new(0))?;
    let mut adam = Adam::new(&net.parameters(), 0.01);
    for _ in 0..steps {
        adam.zero_grad();
        net.call(x)?.cross_entropy(labels)?.backward()?;
        adam.step()?;
    }
    net.freeze(true);
    Ok(net)
}

/// Climbs: changes images, which begin as noise, so that `score` grows, less their roughness.
fn climb(steps: usize, smooth: f64, score: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Array> {
    let noise = Generator::new(1).rand([10, 64], DType::F32);
    let image = Tensor::from_array(noise).requires_grad_(true)?;
    let mut adam = Adam::new(std::slice::from_ref(&image), 0.05);
    for _ in 0..steps {
        adam.zero_grad();
        let square = image.reshape([10, 8, 8])?;
        let down = square.diff(1, 1)?.square()?.sum()?;
        let across = square.diff(1, 2)?.square()?.sum()?;
        // Ascent is descent of the negative.
        let loss = down.add(&across)?.mul(smooth)?.sub(&score(&image)?)?;
        loss.backward()?;
        adam.step()?;
        no_grad(|| image.copy_(&image.clamp(0.0, 1.0)?))?;
    }
    Ok(image.array())
}

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--full");
    let steps = if full { 1500 } else { 150 };
    let digits = digits();
    let x = Tensor::from_array(Scaler::by_largest(&digits).apply(&digits.features)?);
    let labels = Tensor::from_vec(digits.labels.clone(), [digits.len()])?;
    let net = trained(&x, &labels, if full { 500 } else { 80 })?;
    let right = no_grad(|| net.call(&x)?.argmax_dim(1, false)?.eq(&labels)?.cast(DType::F32)?.mean())?;
    println!("the network knows {:.1} % of the digits", 100.0 * right.item()?);

    // The first of each digit, and what the first and the last layer say of them.
    let first: Vec<i64> = (0..10)
        .filter_map(|c| digits.labels.iter().position(|&label| label == c))
        .map(|i| i as i64)
        .collect();
    let originals = x.index_select(0, &Tensor::from_vec(first, [10])?)?;
    let mut rows = vec![originals.array()];
    for layer in [0, 2, 4] {
        let wanted = no_grad(|| net.activations(&originals))?[layer].clone();
        let likeness = |image: &Tensor| net.activations(image)?[layer].sub(&wanted)?.square()?.sum()?.neg();
        rows.push(climb(steps, 0.02, likeness)?);
        let found = Tensor::from_array(rows[rows.len() - 1].clone());
        let apart = no_grad(|| found.sub(&originals)?.abs()?.mean())?.item()?;
        println!("from {} numbers: {apart:.3} from the original on average", wanted.shape()[1]);
    }
    // Image i is to raise the score of class i above the mean of all: the loss would be content with a faint one.
    let own = Tensor::eye(10).sub(0.1)?;
    rows.push(climb(steps, 0.1, |image| net.call(image)?.mul(&own)?.sum())?);

    // One row a layer; each pixel six pixels wide.
    const SIZE: usize = 6;
    let (height, width) = ((rows.len() * 9 - 1) * SIZE, (10 * 9 - 1) * SIZE);
    let values: Vec<Vec<f64>> = rows.iter().map(Array::to_f64_vec).collect();
    let pixel = |y: usize, x: usize| match (y % 9, x % 9) {
        (8, _) | (_, 8) => 0.35,
        (v, u) => values[y / 9][x / 9 * 64 + v * 8 + u],
    };
    let picture: Vec<f64> = (0..height * width).map(|i| pixel(i / width / SIZE, i % width / SIZE)).collect();
    let path = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .map_or_else(|| std::env::temp_dir().join("chainrule-inversion.png"), PathBuf::from);
    plot::save_png(&Array::from_vec(picture, [height, width])?, &path)?;
    println!(
        "drawn in {}: the originals; from 48, 32 and 10 numbers; the purest of each kind",
        path.display()
    );
    Ok(())
}
