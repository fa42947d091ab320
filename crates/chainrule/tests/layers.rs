//! Layers against PyTorch's: outputs, gradients, names of parameters, running statistics, and how they print
//! (`golden/layers.safetensors`, written by `golden/layers.py`).
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use chainrule::gate::{AvgPool, Conv, PadMode, Padding, Window};
use chainrule::io::load_tensors;
use chainrule::nn::{
    AdaptiveAvgPool2d, AdaptiveMaxPool1d, AvgPool1d, AvgPool2d, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d,
    Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, GroupNorm, InstanceNorm2d, LayerNorm, Linear,
    LocalResponseNorm, MaxPool1d, MaxPool2d, MaxPool3d, Module, ModuleList, Owned, RmsNorm,
};
use chainrule::{Generator, Result, Tensor};

/// A list of modules used one after the other, backwards.
#[derive(Debug)]
struct Named(ModuleList);

impl Module for Named {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let parts: Vec<&dyn Module> = self.0.iter().collect();
        parts[0].forward(&parts[1].forward(x)?.tanh()?)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        Vec::new()
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let named = self.0.children().into_iter();
        named.map(|(name, part)| (format!("parts.{name}"), part)).collect()
    }
}

/// The layer that the script calls so.
fn layer(name: &str) -> Result<Box<dyn Module>> {
    let g = &mut Generator::new(0);
    let conv = Conv::default();
    let ceil = AvgPool::of(Window::new(3).stride(2).padding(1));
    Ok(match name {
        "conv1d" => Box::new(Conv1d::new(4, 6, 3, conv.stride(2).padding(1).groups(2), g)?),
        "conv1d_same" => Box::new(Conv1d::new(4, 3, 4, conv.padding(Padding::Same).dilation(2), g)?),
        "conv1d_circular" => Box::new(Conv1d::new(4, 3, 3, conv.padding(2), g)?.padded_by(PadMode::Circular)),
        "conv2d" => {
            let options = conv.stride([2, 1]).padding([1, 2]).dilation([1, 2]);
            Box::new(Conv2d::new(4, 6, [3, 2], options, g)?.without_bias())
        }
        "conv2d_depthwise" => Box::new(Conv2d::new(4, 8, 3, conv.padding(1).groups(4), g)?),
        "conv2d_same_reflect" => {
            Box::new(Conv2d::new(4, 5, [4, 3], conv.padding(Padding::Same), g)?.padded_by(PadMode::Reflect))
        }
        "conv2d_reflect" => Box::new(Conv2d::new(4, 5, 3, conv.padding(2), g)?.padded_by(PadMode::Reflect)),
        "conv2d_replicate" => {
            Box::new(Conv2d::new(4, 5, 3, conv.stride(2).padding([1, 2]), g)?.padded_by(PadMode::Replicate))
        }
        "conv3d" => Box::new(Conv3d::new(2, 3, 2, conv.stride([1, 2, 2]).padding(1), g)?),
        "transposed1d" => Box::new(ConvTranspose1d::new(4, 6, 3, conv.stride(3).padding(1).groups(2), 1, g)?),
        "transposed2d" => {
            Box::new(ConvTranspose2d::new(4, 3, [3, 2], conv.stride(2).padding([1, 0]).dilation(2), 1, g)?)
        }
        "transposed3d" => {
            let layer = ConvTranspose3d::new(2, 3, 2, conv.stride(2), 0, g)?;
            Box::new(ConvTranspose3d { bias: None, ..layer })
        }
        "max_pool1d" => Box::new(MaxPool1d::new(Window::new(3).stride(2).padding(1))),
        "max_pool2d_ceil" => Box::new(MaxPool2d::new(Window::new([3, 2]).stride([2, 3]).ceil(true))),
        "max_pool2d_dilated" => Box::new(MaxPool2d::new(Window::new(2).stride(1).dilation(2))),
        "max_pool3d" => Box::new(MaxPool3d::new(Window::new(2).stride([1, 2, 2]))),
        "avg_pool1d" => Box::new(AvgPool1d::new(AvgPool::of(Window::new(3).stride(2)))),
        "avg_pool2d_ceil" => Box::new(AvgPool2d::new(AvgPool { window: ceil.window.ceil(true), ..ceil })),
        "avg_pool2d_uncounted" => Box::new(AvgPool2d::new(AvgPool { count_padding: false, ..ceil })),
        "adaptive_avg_pool2d" => Box::new(AdaptiveAvgPool2d::new([4, 3])),
        "adaptive_max_pool1d" => Box::new(AdaptiveMaxPool1d::new([4])),
        "batch_norm1d" => Box::new(BatchNorm1d::new(4)?),
        "batch_norm2d" => {
            let mut layer = BatchNorm2d::new(4)?;
            layer.momentum = 0.3;
            Box::new(layer)
        }
        "batch_norm2d_evaluated" => {
            let layer = BatchNorm2d::new(4)?;
            layer.set_training(false);
            Box::new(layer)
        }
        "layer_norm" => Box::new(LayerNorm::new(&[7, 6])?),
        "rms_norm" => Box::new(RmsNorm::new(&[6])?),
        "rms_norm_eps" => Box::new(RmsNorm { epsilon: Some(0.01), ..RmsNorm::new(&[7, 6])? }),
        "group_norm" => Box::new(GroupNorm::new(2, 4)?),
        "instance_norm2d" => Box::new(InstanceNorm2d::default()),
        "local_response_norm" => Box::new(LocalResponseNorm { alpha: 0.1, ..LocalResponseNorm::new(3) }),
        "linear" => Box::new(Linear::new(6, 3, g)),
        "module_list" => {
            Box::new(Named(ModuleList::new().push(Linear::new(3, 4, g)).push(Linear::new(5, 3, g))))
        }
        other => panic!("the script has a layer {other} that is not built here"),
    })
}

#[track_caller]
fn assert_close(actual: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(actual.shape(), expected.shape(), "{what}");
    let (actual, expected) = (actual.to_f64_vec(), expected.to_f64_vec());
    let scale = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (a, e) in actual.iter().zip(&expected) {
        assert!((a - e).abs() <= 2e-6 * scale, "{what}: {a}, PyTorch: {e}");
    }
}

#[test]
fn layers_agree_with_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/layers.safetensors");
    let (tensors, texts) = load_tensors(path).unwrap();
    let tensors: HashMap<String, Tensor> =
        tensors.into_iter().map(|(name, array)| (name, Tensor::from_array(array))).collect();
    let (_, texts) = texts.iter().find(|(name, _)| name == "layers").unwrap();
    let texts: HashMap<String, String> = serde_json::from_str(texts).unwrap();
    assert_eq!(texts.len(), 32);
    for (name, text) in &texts {
        let layer = layer(name).unwrap();
        let part = |what: &str| &tensors[&format!("{name}/{what}")];
        let all = |what: &str| -> Vec<(String, Tensor)> {
            let start = format!("{name}/{what}.");
            tensors
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(&start)?.to_string(), value.clone())))
                .collect()
        };
        layer.load_parameters(&all("state")).unwrap();
        let x = part("x").copy().unwrap().requires_grad_(true).unwrap();
        let y = layer.call(&x).unwrap();
        assert_close(&y, part("y"), &format!("{name}: output"));
        y.mul(part("weights")).unwrap().sum().unwrap().backward().unwrap();
        assert_close(&x.grad().unwrap(), part("grad"), &format!("{name}: gradient of the input"));
        let own: HashMap<String, Tensor> = layer.named_parameters().into_iter().collect();
        let gradients = all("grad");
        assert_eq!(own.len(), gradients.len(), "{name}");
        for (key, expected) in gradients {
            assert_close(&own[&key].grad().unwrap(), &expected, &format!("{name}: gradient of {key}"));
        }
        let buffers: HashMap<String, Tensor> = layer.named_buffers().into_iter().collect();
        for (key, expected) in all("after") {
            assert_close(&buffers[&key], &expected, &format!("{name}: {key}"));
        }
        // Other layers print differently from one version of PyTorch to the next.
        if ["Conv", "MaxPool", "Adaptive", "RMS", "Linear", "Local"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            assert_eq!(layer.describe(), *text);
        }
    }
}
