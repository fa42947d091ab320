//! Golden values of whole networks, made by PyTorch: logits, loss, and gradients of image and parameters.
//!
//! Weights aren't stored; they follow from a formula of seed, parameter and place, in [`values`].

use chainrule::models::{AlexNet, LeNet, SoftmaxRegression};
use chainrule::nn::{Activation, Linear, Module, Sequential};
use chainrule::{Array, Backward, DType, Error, Generator, Result, Shape, Tensor, io};

/// How one network did.
pub struct Verdict {
    pub network: String,
    /// The largest error of any tensor, relative to that tensor's largest element.
    pub worst: f64,
    /// Which tensor that is.
    pub tensor: String,
    /// What is allowed.
    pub limit: f64,
}

impl Verdict {
    pub fn agrees(&self) -> bool {
        self.worst <= self.limit
    }
}

/// Checks every network of a file.
pub fn check(path: &str) -> Result<Vec<Verdict>> {
    let (tensors, about) = io::load_tensors(path)?;
    let text = |name: &str| {
        about.iter().find(|(key, _)| key == name).map(|(_, value)| &value[..]).ok_or_else(|| {
            Error::format(path, format!("the metadata has no {name}: this is no file of golden networks"))
        })
    };
    let broken = |what: String| Error::format(path, what);
    let seed: u32 = text("seed")?.parse().map_err(|e| broken(format!("the seed isn't a number: {e}")))?;
    let networks: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text("networks")?)
        .map_err(|e| broken(format!("the networks aren't JSON: {e}")))?;
    networks
        .iter()
        .map(|(name, about)| {
            let golden = |tensor: &str| {
                let full = format!("{name}.{tensor}");
                let found = tensors.iter().find(|(other, _)| *other == full).map(|(_, array)| array.clone());
                found.ok_or_else(|| Error::format(path, format!("the tensor {full} is missing")))
            };
            let sizes: Vec<usize> = about["input"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|size| size.as_u64().map(|size| size as usize))
                .collect();
            let dtype = if about["dtype"] == "float64" { DType::F64 } else { DType::F32 };
            check_one(name, seed, Shape::new(&sizes)?, dtype, &golden)
        })
        .collect()
}

/// A network by its name in the file.
fn build(name: &str) -> Result<Sequential> {
    let g = &mut Generator::new(0);
    match name {
        "softmax_regression" => SoftmaxRegression::build(64, 10, g),
        "mlp" => Ok(Sequential::new()
            .push(Linear::new(784, 128, g))
            .push(Activation::Relu)
            .push(Linear::new(128, 64, g))
            .push(Activation::Sigmoid)
            .push(Linear::new(64, 10, g))),
        "lenet" => LeNet::build(g),
        "alexnet" => AlexNet::build(1000, g),
        other => Err(Error::argument(format!("no network is called {other}"))),
    }
}

/// The values of a tensor: a hash of place, tag and seed, between −`scale` and `scale`.
fn values(shape: Shape, tag: u32, seed: u32, scale: f64, dtype: DType) -> Result<Tensor> {
    let number = |i: usize| {
        let mut h = (i as u32).wrapping_add(0x9E37_79B9u32.wrapping_mul(tag)).wrapping_add(seed);
        h ^= h >> 16;
        h = h.wrapping_mul(0x7FEB_352D);
        h ^= h >> 15;
        h = h.wrapping_mul(0x846C_A68B);
        h ^= h >> 16;
        (f64::from(h) / 4_294_967_296.0 - 0.5) * 2.0 * scale
    };
    let array = match dtype {
        DType::F64 => Array::from_vec((0..shape.elements()).map(number).collect::<Vec<f64>>(), shape)?,
        _ => Array::from_vec((0..shape.elements()).map(|i| number(i) as f32).collect::<Vec<f32>>(), shape)?,
    };
    Tensor::from_array(array).requires_grad_(true)
}

fn check_one(
    name: &str,
    seed: u32,
    input: Shape,
    dtype: DType,
    golden: &dyn Fn(&str) -> Result<Array>,
) -> Result<Verdict> {
    let network = build(name)?;
    network.set_training(false);
    let x = values(input, 0, seed, 2.0, dtype)?;
    let mut parameters = Vec::new();
    for (tag, (parameter, own)) in (1..).zip(network.named_parameters()) {
        let shape = own.shape();
        let fan_in: usize = shape.iter().skip(1).product();
        let scale = if shape.rank() == 1 { 0.1 } else { (6.0 / fan_in as f64).sqrt() };
        parameters.push((parameter, values(shape, tag, seed, scale, dtype)?));
    }
    let targets = Tensor::from_array(golden("targets")?);
    let logits = network.forward_with(&mut parameters.iter().map(|(_, p)| p.clone()), &x)?;
    let loss = logits.cross_entropy(&targets)?;
    let wanted: Vec<&Tensor> = std::iter::once(&x).chain(parameters.iter().map(|(_, p)| p)).collect();
    let mut gradients = Backward::of(&[&loss]).gradients(&wanted)?.into_iter().flatten();

    let limit = if dtype == DType::F64 { 1e-9 } else { 1e-3 };
    let mut verdict = Verdict { network: name.into(), worst: 0.0, tensor: "loss".into(), limit };
    let mut compare = |tensor: &str, ours: &[f64], theirs: &[f64]| {
        let largest = theirs.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let apart = ours.iter().zip(theirs).fold(0.0f64, |m, (a, b)| {
            // A NaN is as far apart as can be.
            let distance = (a - b).abs();
            if distance.is_nan() { f64::INFINITY } else { m.max(distance) }
        });
        let error =
            if ours.len() == theirs.len() { apart / largest.max(f64::MIN_POSITIVE) } else { f64::INFINITY };
        if error > verdict.worst {
            (verdict.worst, verdict.tensor) = (error, tensor.to_string());
        }
    };
    compare("loss", &[loss.item()?], &golden("loss")?.to_f64_vec());
    compare("logits", &logits.to_f64_vec(), &golden("logits")?.to_f64_vec());
    let x_grad = gradients.next().map(|g| g.to_f64_vec()).unwrap_or_default();
    compare("x.grad", &x_grad, &golden("x.grad")?.to_f64_vec());
    for ((parameter, _), gradient) in parameters.iter().zip(gradients) {
        let gradient = gradient.to_f64_vec();
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        compare(
            &format!("{parameter}.grad.norm"),
            &[norm],
            &golden(&format!("{parameter}.grad.norm"))?.to_f64_vec(),
        );
        let places = golden(&format!("{parameter}.grad.index"))?.to_vec::<i64>()?;
        let at: Vec<f64> =
            places.iter().map(|&i| gradient.get(i as usize).copied().unwrap_or(f64::NAN)).collect();
        let theirs = golden(&format!("{parameter}.grad.at_index"))?.to_f64_vec();
        compare(&format!("{parameter}.grad"), &at, &theirs);
    }
    Ok(verdict)
}
