//! Networks of hundreds of layers, drawn as torchviz drew torchvision's.

use std::io::Read as _;

use chainrule::draw::{DotOptions, Picture, make_dot};
use chainrule::gate::{AvgPool, Conv, Window};
use chainrule::{Result, Tensor};

use crate::torchviz::compare;

/// A network's parameters as they are used. Their numbers are no part of the picture: all are 0.
#[derive(Default)]
struct Layers {
    parameters: Vec<(String, Tensor)>,
}

impl Layers {
    fn parameter<const N: usize>(&mut self, name: String, shape: [usize; N]) -> Result<Tensor> {
        let tensor = Tensor::zeros(shape).requires_grad_(true)?;
        self.parameters.push((name, tensor.clone()));
        Ok(tensor)
    }

    /// A square convolution without bias, padded so that stride 1 keeps the size.
    fn conv(
        &mut self,
        name: &str,
        x: &Tensor,
        filters: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Tensor> {
        let weight = self.parameter(format!("{name}.weight"), [filters, x.shape()[1], kernel, kernel])?;
        x.conv(&weight, None, Conv::default().padding(kernel / 2).stride(stride))
    }

    fn norm(&mut self, name: &str, x: &Tensor) -> Result<Tensor> {
        let channels = x.shape()[1];
        let weight = self.parameter(format!("{name}.weight"), [channels])?;
        let bias = self.parameter(format!("{name}.bias"), [channels])?;
        x.batch_norm(None, Some(&weight), Some(&bias), true, 0.1, 1e-5)
    }

    /// The mean of each channel, and a linear layer for 1000 classes.
    fn classes(&mut self, name: &str, x: &Tensor) -> Result<Tensor> {
        let channels = x.shape()[1];
        let weight = self.parameter(format!("{name}.weight"), [1000, channels])?;
        let bias = self.parameter(format!("{name}.bias"), [1000])?;
        x.adaptive_avg_pool(&[Some(1), Some(1)])?.flatten(1, -1)?.linear(&weight, Some(&bias))
    }

    fn picture(&self, y: &Tensor) -> Picture {
        make_dot(y, self.parameters.iter().cloned(), &DotOptions::default())
    }
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn pooled(x: &Tensor) -> Result<Tensor> {
    x.max_pool(2, Window::new(3).stride(2).padding(1))
}

/// He et al., 2015: blocks of three convolutions with a way around each.
fn resnet152(net: &mut Layers, x: &Tensor) -> Result<Tensor> {
    let x = net.conv("conv1", x, 64, 7, 2)?;
    let mut x = pooled(&net.norm("bn1", &x)?.relu()?)?;
    for (i, blocks) in [3, 8, 36, 3].into_iter().enumerate() {
        for block in 0..blocks {
            let name = |part: &str| format!("layer{}.{block}.{part}", i + 1);
            let (width, stride) = (64 << i, if i > 0 && block == 0 { 2 } else { 1 });
            let y = net.conv(&name("conv1"), &x, width, 1, 1)?;
            let y = net.norm(&name("bn1"), &y)?.relu()?;
            let y = net.conv(&name("conv2"), &y, width, 3, stride)?;
            let y = net.norm(&name("bn2"), &y)?.relu()?;
            let y = net.conv(&name("conv3"), &y, 4 * width, 1, 1)?;
            let y = net.norm(&name("bn3"), &y)?;
            if block == 0 {
                x = net.conv(&name("downsample.0"), &x, 4 * width, 1, stride)?;
                x = net.norm(&name("downsample.1"), &x)?;
            }
            x = y.add(&x)?.relu()?;
        }
    }
    net.classes("fc", &x)
}

/// Huang et al., 2016: each layer sees the outputs of all before it.
fn densenet201(net: &mut Layers, x: &Tensor) -> Result<Tensor> {
    let x = net.conv("features.conv0", x, 64, 7, 2)?;
    let mut x = pooled(&net.norm("features.norm0", &x)?.relu()?)?;
    for (i, layers) in (1..).zip([6, 12, 48, 32]) {
        let mut features = vec![x];
        for layer in 1..=layers {
            let name = |part: &str| format!("features.denseblock{i}.denselayer{layer}.{part}");
            let all = Tensor::cat(&features.iter().collect::<Vec<_>>(), 1)?;
            let y = net.norm(&name("norm1"), &all)?.relu()?;
            let y = net.conv(&name("conv1"), &y, 128, 1, 1)?;
            let y = net.norm(&name("norm2"), &y)?.relu()?;
            features.push(net.conv(&name("conv2"), &y, 32, 3, 1)?);
        }
        x = Tensor::cat(&features.iter().collect::<Vec<_>>(), 1)?;
        if i < 4 {
            let half = x.shape()[1] / 2;
            let y = net.norm(&format!("features.transition{i}.norm"), &x)?.relu()?;
            let y = net.conv(&format!("features.transition{i}.conv"), &y, half, 1, 1)?;
            x = y.avg_pool(2, AvgPool::of(Window::new(2)))?;
        }
    }
    let x = net.norm("features.norm5", &x)?.relu()?;
    net.classes("classifier", &x)
}

#[test]
fn resnet_of_152_layers() {
    let mut net = Layers::default();
    let y = resnet152(&mut net, &Tensor::zeros([2, 3, 32, 32])).unwrap();
    let picture = net.picture(&y);
    assert_eq!((picture.nodes.len(), picture.edges.len()), (1451, 1500));
    compare(&picture, &unpacked(include_bytes!("../pictures/resnet152.dot.gz")));
}

#[test]
fn densenet_of_201_layers() {
    let mut net = Layers::default();
    let y = densenet201(&mut net, &Tensor::zeros([2, 3, 32, 32])).unwrap();
    let picture = net.picture(&y);
    assert_eq!((picture.nodes.len(), picture.edges.len()), (1921, 3723));
    compare(&picture, &unpacked(include_bytes!("../pictures/densenet201.dot.gz")));
}
