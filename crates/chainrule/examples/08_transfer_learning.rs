//! Transfer learning: a network that knows photos gets a new last layer, and learns classes it has never seen.
//!
//! `… --example 08_transfer_learning -- squeezenet.safetensors.gz FOLDER` takes Caffe's SqueezeNet and a folder with a
//! folder of photos for each class. Without them the network's weights are random and the photos drawn: even random
//! filters tell stripes from checks.

use chainrule::data::{ImageFolder, Source, Transform};
use chainrule::models::SqueezeNet;
use chainrule::nn::{Linear, Module};
use chainrule::optim::{Adam, Optimizer};
use chainrule::train::{Arch, ImageClassifier};
use chainrule::{Array, Generator, Result, Tensor, no_grad};

/// Photos and their classes.
type Photos = (Vec<Array>, Vec<i64>, Vec<String>);

/// Images of 64×64 with stripes or checks of random width.
fn drawn(g: &mut Generator) -> Result<Photos> {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for i in 0..24 {
        let width = 3 + g.randint(0, 8, [1])?.to_i64_vec()[0] as usize;
        let bright =
            |x: usize, y: usize| (x / width + if i % 2 == 0 { 0 } else { y / width }).is_multiple_of(2);
        let pixels = (0..3 * 64 * 64).map(|p| if bright(p % 64, p / 64 % 64) { 230u8 } else { 40 });
        images.push(Array::from_vec(pixels.collect(), [3, 64, 64])?);
        labels.push(i % 2);
    }
    Ok((images, labels, vec!["stripes".into(), "checks".into()]))
}

fn read(folder: &str) -> Result<Photos> {
    let folder = ImageFolder::open(folder)?;
    let examples = (0..folder.len()).map(|i| folder.example(i, &mut Generator::new(0)));
    let images = examples.map(|example| Ok(example?.input)).collect::<Result<_>>()?;
    Ok((images, folder.images.iter().map(|(_, class)| *class).collect(), folder.classes))
}

fn main() -> Result<()> {
    let mut g = Generator::new(0);
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let (network, preprocessing, (images, labels, classes)) = match &arguments[..] {
        [weights, folder] => {
            let classifier = ImageClassifier::load(weights, Some(Arch::SqueezeNet10Caffe))?;
            (classifier.network, classifier.preprocessing, read(folder)?)
        }
        _ => {
            println!("no weights and no folder of photos were named: random weights look at drawn images");
            let steps = vec![
                Transform::Float { divisor: 255.0 },
                Transform::Normalise { mean: vec![0.5; 3], deviation: vec![0.25; 3] },
            ];
            (Box::new(SqueezeNet::v1_1(1000, &mut g)?) as Box<dyn Module>, steps, drawn(&mut g)?)
        }
    };

    // What the old network sees in each photo: its last but one layer's channels, averaged. It isn't trained any
    // more, so that once is enough, without a graph.
    network.set_training(false);
    let children = network.children();
    let (_, body) = &children[0];
    let features = images
        .iter()
        .map(|image| {
            let x = Tensor::from_array(Transform::all(&preprocessing, image.clone())?.unsqueeze(0)?);
            no_grad(|| body.call(&x)?.mean_dim(&[2, 3], false))
        })
        .collect::<Result<Vec<_>>>()?;
    let features = Tensor::cat(&features.iter().collect::<Vec<_>>(), 0)?;
    let features = no_grad(|| features.div(features.square()?.mean()?.sqrt()?))?;
    println!("{} photos as {} numbers each", images.len(), features.shape()[1]);

    // Every fourth photo is kept back.
    let part = |test: bool| -> Result<(Tensor, Tensor)> {
        let rows: Vec<i64> = (0..labels.len() as i64).filter(|i| (i % 8 >= 6) == test).collect();
        let own: Vec<i64> = rows.iter().map(|&i| labels[i as usize]).collect();
        let rows = Tensor::from_vec(rows.clone(), [rows.len()])?;
        Ok((features.index_select(0, &rows)?, Tensor::from_vec(own.clone(), [own.len()])?))
    };
    let ((x, target), (new, expected)) = (part(false)?, part(true)?);
    let last = Linear::new(features.shape()[1], classes.len(), &mut g);
    let mut adam = Adam::new(&last.parameters(), 3e-3);
    for step in 0..200 {
        let loss = last.call(&x)?.cross_entropy(&target)?;
        adam.zero_grad();
        loss.backward()?;
        adam.step()?;
        if step % 50 == 49 {
            println!("step {:>3}: loss {:.4}", step + 1, loss.item()?);
        }
    }
    let answers = no_grad(|| last.call(&new)?.argmax_dim(1, false))?.to_vec::<i64>()?;
    let expected = expected.to_vec::<i64>()?;
    let right = answers.iter().zip(&expected).filter(|(a, b)| a == b).count();
    println!(
        "{right} of {} photos that were kept back are recognised as {}",
        expected.len(),
        classes.join(", ")
    );
    Ok(())
}
