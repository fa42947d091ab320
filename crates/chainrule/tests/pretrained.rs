//! Networks that others trained, on real images. The data is not part of the repository: where it isn't given
//! (`../shared/data` beside the project, or `CHAINRULE_DATA`), the tests say so and check nothing.
#![cfg(all(feature = "archives", feature = "images"))]
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chainrule::data::{Loader, Transform, load_mnist, read_image};
use chainrule::gate::{Conv, RunningStatistics};
use chainrule::io::load_tensors;
use chainrule::train::{Arch, ImageClassifier};
use chainrule::{Array, Result, Tensor, no_grad};

/// The folder with the data, or `None`, loudly.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("CHAINRULE_DATA").map_or(beside, PathBuf::from);
    if folder.join("pretrained").is_dir() {
        return Some(folder);
    }
    eprintln!("NOT RUN: the pretrained networks aren't in {}", folder.display());
    None
}

/// Named tensors of a file.
struct Weights(HashMap<String, Tensor>);

impl Weights {
    fn read(path: &Path) -> Weights {
        let (tensors, _) = load_tensors(path).unwrap();
        Weights(tensors.into_iter().map(|(name, array)| (name, Tensor::from_array(array))).collect())
    }

    fn get(&self, layer: &str, part: &str) -> &Tensor {
        &self.0[&format!("{layer}.{part}")]
    }

    fn conv(&self, x: &Tensor, layer: &str, conv: Conv) -> Result<Tensor> {
        x.conv(self.get(layer, "weight"), Some(self.get(layer, "bias")), conv)
    }

    fn linear(&self, x: &Tensor, layer: &str) -> Result<Tensor> {
        x.linear(self.get(layer, "weight"), Some(self.get(layer, "bias")))
    }

    fn norm(&self, x: &Tensor, layer: &str) -> Result<Tensor> {
        let running = RunningStatistics {
            mean: self.get(layer, "running_mean"),
            variance: self.get(layer, "running_var"),
        };
        x.batch_norm(
            Some(running),
            Some(self.get(layer, "weight")),
            Some(self.get(layer, "bias")),
            false,
            0.1,
            1e-5,
        )
    }

    fn mnist(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in ["conv1", "conv2", "conv3"] {
            x = self.conv(&x, layer, Conv::default())?.relu()?;
        }
        let x = self.norm(&x, "norm1")?.flatten(1, -1)?;
        let x = self.linear(&x, "fc1")?.relu()?;
        self.norm(&self.linear(&x, "fc2")?, "norm2")
    }
}

fn best(probabilities: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    order.truncate(count);
    order
}

#[test]
fn squeezenet_sees_what_is_in_the_photos() {
    let Some(data) = data() else { return };
    let folder = data.join("pretrained");
    let file = folder.join("squeezenet_v1.0_dc.safetensors.gz");
    assert!(ImageClassifier::load(&file, None).unwrap_err().to_string().contains("--arch"));
    assert!(ImageClassifier::load(&file, Some(Arch::ResNet18)).unwrap_err().to_string().contains("fc.bias"));
    let loaded = ImageClassifier::load(&file, Some(Arch::SqueezeNet10Caffe)).unwrap();
    // Saved, the network says itself what it is and what is done to images.
    let saved = std::env::temp_dir().join(format!("chainrule-squeezenet-{}.safetensors", std::process::id()));
    loaded.save(&saved).unwrap();
    let network = ImageClassifier::load(&saved, None).unwrap();
    std::fs::remove_file(&saved).unwrap();
    assert_eq!((network.arch, &network.preprocessing), (loaded.arch, &loaded.preprocessing));
    let (expected, _) = load_tensors(folder.join("squeezenet_expected_probs.safetensors")).unwrap();
    let top: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("squeezenet_expected_top5.json")).unwrap())
            .unwrap();
    assert_eq!(expected.len(), 6);
    for (photo, expected) in &expected {
        let image = read_image(data.join("photos").join(photo)).unwrap();
        let probabilities = network.classify(&image).unwrap();
        let difference = expected
            .to_f64_vec()
            .iter()
            .zip(&probabilities)
            .fold(0.0f64, |most, (e, &p)| most.max((e - f64::from(p)).abs()));
        assert!(difference < 1e-4, "{photo}: {difference}");
        let five: Vec<usize> =
            top[photo].as_array().unwrap().iter().map(|pair| pair[0].as_u64().unwrap() as usize).collect();
        assert_eq!(best(&probabilities, 5), five, "{photo}");
    }
}

#[test]
fn photos_are_cropped_and_resized_as_pillow_does() {
    let Some(data) = data() else { return };
    for (photo, small) in [
        ("chelsea.png", "chelsea_227.png"),
        ("coffee.png", "coffee_227.png"),
        ("astronaut.png", "astronaut_227.png"),
    ] {
        let image = read_image(data.join("photos").join(photo)).unwrap();
        let image = Transform::all(&Arch::SqueezeNet10Caffe.preprocessing()[..2], image).unwrap();
        let expected = read_image(data.join("photos").join(small)).unwrap();
        assert!(image.same_as(&expected), "{photo}");
    }
}

#[test]
fn the_mnist_network_gets_9916_of_10000() {
    let Some(data) = data() else { return };
    let weights = Weights::read(&data.join("pretrained/mnist_cnn.safetensors"));
    let (_, test) = load_mnist(data.join("mnist")).unwrap();
    let mut right = 0;
    for batch in Loader::new(test, 500).workers(1).epoch(0) {
        let batch = batch.unwrap();
        let mut pixels: Array = batch.inputs.cast(chainrule::DType::F32);
        let values = pixels.make_mut::<f32>().unwrap();
        values.iter_mut().for_each(|x| *x = (*x / 255.0 - 0.1307) / 0.3081);
        let logits = no_grad(|| weights.mnist(&Tensor::from_array(pixels))).unwrap();
        let answers = logits.argmax_dim(1, false).unwrap().to_vec::<i64>().unwrap();
        right += answers.iter().zip(batch.targets.to_i64_vec()).filter(|(a, b)| *a == b).count();
    }
    assert_eq!(right, 9916);
}
