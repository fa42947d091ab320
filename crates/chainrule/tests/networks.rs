//! Whole networks: golden values, names, shapes, state, summaries.

#![allow(clippy::unwrap_used)]

#[path = "../examples/networks/golden.rs"]
mod golden;

use chainrule::models::{AlexNet, LeNet, ResNet18, SqueezeNet, VisionSizes, VisionTransformer};
use chainrule::nn::{
    BatchNorm2d, Conv2d, Dropout, Module, MultiheadAttention, Sequential, Summary, attention,
};
use chainrule::{Generator, Tensor, gate::Conv, manual_seed};

fn generator() -> Generator {
    Generator::new(1)
}

#[test]
fn networks_agree_with_golden_values() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/networks.safetensors");
    let verdicts = golden::check(path).unwrap();
    assert_eq!(verdicts.len(), 3);
    for verdict in verdicts {
        assert!(
            verdict.agrees(),
            "{}: {} is off by {:e}, more than {:e}",
            verdict.network,
            verdict.tensor,
            verdict.worst,
            verdict.limit
        );
    }
}

/// The names and the number of parameters are torchvision's.
#[test]
fn models_have_the_names_and_sizes_of_torchvision() {
    let squeezed = SqueezeNet::v1_1(1000, &mut generator()).unwrap();
    assert_eq!(squeezed.parameter_count(), 1_235_496);
    assert_eq!(SqueezeNet::v1_0(1000, &mut generator()).unwrap().parameter_count(), 1_248_424);
    let names: Vec<String> = squeezed.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[2], "features.3.squeeze.weight");
    assert_eq!(names.last().unwrap(), "classifier.1.bias");

    let residual = ResNet18::build(10, &mut generator()).unwrap();
    assert_eq!(residual.parameter_count(), 11_181_642);
    let state: Vec<String> = residual.state().into_iter().map(|(name, _)| name).collect();
    assert_eq!(state.len(), 122);
    for name in
        ["bn1.running_mean", "layer2.0.downsample.1.num_batches_tracked", "layer4.1.conv2.weight", "fc.bias"]
    {
        assert!(state.iter().any(|other| other == name), "{name} is missing");
    }

    let names: Vec<String> = AlexNet::build(2, &mut generator())
        .unwrap()
        .named_parameters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names[..4], ["features.0.weight", "features.0.bias", "features.3.weight", "features.3.bias"]);
    assert_eq!(names[10..12], ["classifier.1.weight", "classifier.1.bias"]);
}

#[test]
fn models_run_and_every_parameter_gets_a_gradient() {
    manual_seed(3);
    let check = |network: &dyn Module, x: Tensor, classes: usize| {
        let y = network.call(&x).unwrap();
        assert_eq!(y.shape(), [x.shape()[0], classes]);
        y.cross_entropy(&Tensor::from_vec(vec![1i64; x.shape()[0]], [x.shape()[0]]).unwrap())
            .unwrap()
            .backward()
            .unwrap();
        for (name, parameter) in network.named_parameters() {
            let gradient = parameter.grad().unwrap_or_else(|| panic!("{name} has no gradient"));
            assert!(gradient.to_f64_vec().iter().all(|g| g.is_finite()), "{name}");
        }
    };
    check(&SqueezeNet::v1_1(5, &mut generator()).unwrap(), Tensor::randn([2, 3, 64, 64]), 5);
    check(&ResNet18::build(5, &mut generator()).unwrap(), Tensor::randn([2, 3, 32, 32]), 5);
    let sizes = VisionSizes { image: 8, width: 16, depth: 2, ..VisionSizes::default() };
    check(&VisionTransformer::new(sizes, &mut generator()).unwrap(), Tensor::randn([2, 3, 8, 8]), 10);
}

#[test]
fn batch_norm_keeps_running_statistics_as_pytorch_does() {
    let layer = BatchNorm2d::new(2).unwrap();
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, -1.0, 0.0, 0.0, 1.0], [2, 2, 1, 2]).unwrap();
    layer.call(&x).unwrap();
    // Channel 0 has 1, 2, −1, 0: mean 0.5, unbiased variance 5/3; channel 1 has 3, 4, 0, 1: 2 and 10/3.
    let close = |x: &Tensor, y: [f64; 2]| x.to_f64_vec().iter().zip(y).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(&layer.running_mean, [0.05, 0.2]), "{}", layer.running_mean);
    assert!(close(&layer.running_var, [0.9 + 0.5 / 3.0, 0.9 + 1.0 / 3.0]), "{}", layer.running_var);
    assert_eq!(layer.num_batches_tracked.item().unwrap(), 1.0);
    layer.set_training(false);
    let y = layer.call(&x).unwrap().to_f64_vec();
    assert!((y[0] - (1.0 - 0.05) / (0.9 + 0.5 / 3.0 + 1e-5f64).sqrt()).abs() < 1e-6);
    assert_eq!(layer.num_batches_tracked.item().unwrap(), 1.0);
    assert!(layer.call(&Tensor::ones([2, 2])).is_err());
}

#[test]
fn state_travels_between_networks_with_its_buffers() {
    let (a, b) = (
        ResNet18::build(3, &mut Generator::new(1)).unwrap(),
        ResNet18::build(3, &mut Generator::new(2)).unwrap(),
    );
    let x = Tensor::randn([2, 3, 32, 32]);
    a.call(&x).unwrap();
    let state: Vec<(String, Tensor)> =
        a.state().into_iter().map(|(name, owned)| (name, owned.tensor().clone())).collect();
    b.load_parameters(&state).unwrap();
    a.set_training(false);
    b.set_training(false);
    assert_eq!(a.call(&x).unwrap().to_f64_vec(), b.call(&x).unwrap().to_f64_vec());
    let missing = b.load_parameters(&state[1..]).unwrap_err().to_string();
    assert!(missing.contains("missing: conv1.weight"), "{missing}");
}

#[test]
fn frozen_parts_get_no_gradient_and_pass_it_on() {
    let (first, last) = (
        LeNet::build(&mut generator()).unwrap(),
        Conv2d::new(1, 1, 1, Conv::default(), &mut generator()).unwrap(),
    );
    first.freeze(true);
    let x = Tensor::randn([1, 1, 28, 28]);
    let y = first.call(&last.call(&x).unwrap()).unwrap();
    y.sum().unwrap().backward().unwrap();
    assert!(first.parameters().iter().all(|p| p.grad().is_none()));
    assert!(last.parameters().iter().all(|p| p.grad().is_some()));
}

#[test]
fn attention_sees_only_what_it_may() {
    let x = Tensor::randn([1, 4, 6]);
    let all = attention(&x, &x, &x, None, true, None).unwrap();
    // The first place sees itself alone.
    assert_eq!(all.select(1, 0).unwrap().to_f64_vec(), x.select(1, 0).unwrap().to_f64_vec());
    let mask = Tensor::from_vec(vec![false, true, false, false], [1, 4]).unwrap();
    let second = attention(&x, &x, &x, Some(&mask), false, None).unwrap();
    assert_eq!(second.select(1, 3).unwrap().to_f64_vec(), x.select(1, 1).unwrap().to_f64_vec());
    let layer = MultiheadAttention::new(6, 2, &mut generator()).unwrap();
    let whole = layer.call(&x).unwrap();
    let apart = layer.attend(&x, &x.copy().unwrap(), &x.copy().unwrap(), None).unwrap();
    assert!(whole.array().all_close(&apart.array(), 1e-5, 1e-6));
    assert!(MultiheadAttention::new(6, 4, &mut generator()).is_err());
}

#[test]
fn dropouts_keep_the_mean() {
    manual_seed(7);
    let x = Tensor::ones([200, 50, 2]);
    for dropout in [Dropout::new(0.3).unwrap(), Dropout::channels(0.3).unwrap()] {
        let y = dropout.call(&x).unwrap();
        assert!((y.mean().unwrap().item().unwrap() - 1.0).abs() < 0.03);
    }
    let channels = Dropout::channels(0.3).unwrap().call(&x).unwrap().to_f64_vec();
    assert!(channels.chunks(2).all(|pair| pair[0] == pair[1]));
    let alpha = Dropout::alpha(0.3).unwrap().call(&Tensor::randn([20_000])).unwrap();
    assert!(alpha.mean().unwrap().item().unwrap().abs() < 0.05);
    assert!((alpha.std(&[], 1.0, false).unwrap().item().unwrap() - 1.0).abs() < 0.05);
}

#[test]
fn a_summary_lists_layers_with_their_work() {
    let net = LeNet::build(&mut generator()).unwrap();
    let summary = Summary::of(&net, &Tensor::zeros([1, 1, 28, 28])).unwrap();
    assert_eq!((summary.parameters, summary.trainable), (61_706, 61_706));
    let row = |name: &str| summary.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("0").layer, "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))");
    assert_eq!(row("3").multiply_adds, 10 * 10 * 16 * 6 * 25);
    assert_eq!(row("3").output, [1, 16, 10, 10]);
    assert_eq!(row("11").parameters, 850);
    assert_eq!(row("1").forward_bytes, 6 * 28 * 28 * 4);
    let text = summary.to_string();
    assert!(text.contains("parameters 61,706"), "{text}");
    assert!(Sequential::new().call(&Tensor::zeros([1])).is_ok());
}
