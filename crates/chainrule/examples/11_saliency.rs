//! A saliency map: which pixels would change the answer most? It is the gradient of the winning class's score by the
//! image, and comes from one backward pass (Simonyan et al., 2013).
//!
//! `… --example 11_saliency -- squeezenet.safetensors.gz [PHOTO] [PICTURE.png]` takes Caffe's SqueezeNet; without it
//! the network's weights are random, and the map shows no more than where the photo has edges.

use std::path::PathBuf;

use chainrule::data::{Transform, decode_image, read_image};

use chainrule::gate::{AvgPool, Window};
use chainrule::models::SqueezeNet;
use chainrule::nn::{AvgPool2d, Module};
use chainrule::train::{Arch, ImageClassifier};
use chainrule::{Array, Generator, Result, Tensor, grad, plot};

/// The photo of the cat Chelsea (Stéfan van der Walt, CC0).
const CAT: &[u8] = include_bytes!("../assets/chelsea.jpg");

/// Dark violet, red, yellow, white: from 0 to 1.
fn heat(x: f64) -> [f64; 3] {
    [
        (x * 2.2 + 0.05).min(1.0),
        ((x - 0.35) * 1.8).clamp(0.0, 1.0),
        (0.25 - x).max((x - 0.8) * 4.0).clamp(0.0, 1.0),
    ]
}

fn main() -> Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let network: Box<dyn Module> = match arguments.first() {
        Some(weights) => ImageClassifier::load(weights, Some(Arch::SqueezeNet10Caffe))?.network,
        None => {
            println!("no weights were named: they are random");
            Box::new(SqueezeNet::v1_0_caffe(1000, &mut Generator::new(0))?)
        }
    };
    network.set_training(false);
    let photo = arguments.get(1).map_or_else(|| decode_image(CAT), read_image)?;
    let preprocessing = Arch::SqueezeNet10Caffe.preprocessing();
    // The square part of the photo that the network looks at.
    let seen = Transform::all(&preprocessing[..2], photo)?;
    let input = Transform::all(&preprocessing[2..], seen.clone())?.unsqueeze(0)?;

    let x = Tensor::from_array(input).requires_grad_(true)?;
    let scores = network.call(&x)?;
    let winner = scores.argmax()?.item()? as isize;
    let score = scores.select(1, winner)?.sum()?;
    let gradient = &grad(&[&score], &[&x])?[0];
    println!("class {winner}, score {:.2}; gradient {}", score.item()?, gradient.shape());

    // The largest channel's size at each pixel, smoothed a little, from the smallest to (nearly) the largest.
    let smooth = AvgPool2d::new(AvgPool {
        window: Window::new(5).stride(1).padding(2),
        count_padding: false,
        divisor: None,
    });
    let map = smooth.call(&gradient.abs()?.amax(&[1], true)?)?;
    let values = map.to_f64_vec();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let top = sorted[sorted.len() * 995 / 1000].max(1e-30);

    // The photo, the map, and the photo where the map is bright, side by side.
    let (height, width) = (seen.shape()[1], seen.shape()[2]);
    let pixels = seen.to_f64_vec();
    let mut picture = Vec::with_capacity(9 * height * width);
    for channel in 0..3 {
        for y in 0..height {
            let place = |x: usize| y * width + x;
            let strength = |x: usize| (values[place(x)] / top).min(1.0);
            let shown = |x: usize| pixels[channel * height * width + place(x)] / 255.0;
            picture.extend((0..width).map(shown));
            picture.extend((0..width).map(|x| heat(strength(x))[channel]));
            picture.extend((0..width).map(|x| shown(x) * (0.12 + 0.88 * strength(x).sqrt())));
        }
    }
    let path =
        arguments.get(2).map_or_else(|| std::env::temp_dir().join("chainrule-saliency.png"), PathBuf::from);
    plot::save_png(&Array::from_vec(picture, [3, height, 3 * width])?, &path)?;
    println!("drawn in {}", path.display());
    Ok(())
}
