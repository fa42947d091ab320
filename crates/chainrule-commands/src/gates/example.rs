//! A gate at work on one of its own samples: inputs, outputs, an upstream gradient and what is passed on.

use chainrule::gate::{Entry, Sample};
use chainrule::{Array, Backward, DType, Formula, Generator, Tensor};
use serde::Serialize;

/// Inputs with more elements than this are shown only where no sample has fewer.
const SMALL: usize = 12;

/// A named array, as data.
#[derive(Serialize)]
pub struct Named {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    #[serde(skip)]
    text: String,
}

/// One run of a gate, forward and backward.
#[derive(Serialize)]
pub struct Example {
    /// The gate with its parameters: `Softmax { dim: 1, log: false }`.
    pub gate: String,
    pub inputs: Vec<Named>,
    pub outputs: Vec<Named>,
    /// The upstream gradients: 1, 2, 3… for each output that has one.
    pub upstream: Vec<Named>,
    /// What the gate passes to each input that has a gradient.
    pub gradients: Vec<Named>,
}

impl Example {
    /// The gate's first small sample, run; `None` where it has none that can be run.
    pub fn of(entry: &Entry) -> Option<Example> {
        let samples: Vec<Sample> = (entry.samples)().into_iter().filter(|s| s.refused.is_none()).collect();
        let size = |sample: &Sample| sample.inputs.iter().map(Array::elements).max().unwrap_or(0);
        let full = |sample: &&Sample| sample.inputs.iter().all(|x| x.elements() > 0);
        let shown = samples
            .iter()
            .filter(full)
            .find(|sample| sample.smooth && size(sample) <= SMALL && size(sample) > 1)
            .or_else(|| samples.iter().filter(full).min_by_key(|sample| (!sample.smooth, size(sample))))?;
        run(shown).ok()
    }

    /// The example in lines for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.gate.clone()];
        let all = [&self.inputs, &self.outputs, &self.upstream, &self.gradients];
        for named in all.into_iter().flatten() {
            let beginning = format!("{} = ", named.name);
            // Further lines of a matrix stand below its first one.
            let indent = format!("\n{}", " ".repeat(beginning.chars().count()));
            let text = beginning + &named.text.replace('\n', &indent);
            lines.extend(text.lines().map(str::to_string));
        }
        lines
    }
}

fn run(sample: &Sample) -> chainrule::Result<Example> {
    let followed = |i: usize| sample.inputs[i].dtype().is_float() && !sample.constants.contains(&i);
    // Gates that draw random numbers show the same ones each time.
    let before = Generator::of_thread();
    Generator::new(0).set_thread();
    let inputs: Vec<Tensor> = sample
        .inputs
        .iter()
        .enumerate()
        .map(|(i, x)| Tensor::from_array(x.clone()).requires_grad_(followed(i)))
        .collect::<chainrule::Result<_>>()?;
    let outputs = Tensor::apply_many(sample.gate.clone(), &inputs.iter().collect::<Vec<_>>());
    before.set_thread();
    let outputs = outputs?;
    let roots: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
    let counted = |y: &&Tensor| {
        let numbers = (1..=y.elements()).map(|i| i as f64).collect();
        Ok(Tensor::from_array(Array::from_vec(numbers, y.shape())?.cast(y.dtype())))
    };
    let upstream: Vec<Tensor> = roots.iter().map(counted).collect::<chainrule::Result<_>>()?;
    let wanted: Vec<usize> = (0..inputs.len()).filter(|&i| followed(i)).collect();
    // A gate without a derivative has values alone.
    let gradients = Backward::of(&roots)
        .upstream(&upstream.iter().collect::<Vec<_>>())
        .allow_unused(true)
        .gradients(&wanted.iter().map(|&i| &inputs[i]).collect::<Vec<_>>());
    let names = input_names(&sample.gate.formula(), inputs.len());
    let output = if names.iter().any(|name| name == "A") && outputs.len() == 1 { "Y" } else { "y" };
    let outputs_named = numbered(output, &outputs);
    let (upstream, gradients) = match gradients {
        Ok(found) if !roots.is_empty() => {
            let passed = |(gradient, &i): (Option<Tensor>, &usize)| {
                gradient.map(|gradient| named(format!("∂L/∂{}", names[i]), &gradient))
            };
            let places: Vec<usize> = (0..outputs.len()).filter(|&i| outputs[i].requires_grad()).collect();
            let upstream = places.iter().zip(&upstream);
            (
                upstream.map(|(&i, g)| named(format!("∂L/∂{}", outputs_named[i].name), g)).collect(),
                found.into_iter().zip(&wanted).filter_map(passed).collect(),
            )
        }
        _ => (Vec::new(), Vec::new()),
    };
    Ok(Example {
        gate: format!("{:?}", &*sample.gate),
        inputs: names.iter().zip(&inputs).map(|(name, x)| named(name.clone(), x)).collect(),
        outputs: outputs_named,
        upstream,
        gradients,
    })
}

/// The names in a formula of its inputs: `a` of `∂y/∂a = b`, `A` of `Ā = g·A⁻ᵀ`, `index` of `the index has no
/// gradient`.
fn input_names(formula: &Formula, count: usize) -> Vec<String> {
    let name = |i: usize| -> String {
        let rule = formula.gradient(i).unwrap_or_default();
        let start = match rule.split_once("/∂") {
            Some((_, rest)) => rest.to_string(),
            None => rule.replace("the ", "").replace('Ā', "A").replace("no gradient", "").replace("has", ""),
        };
        start.trim().chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
    };
    let names: Vec<String> =
        (0..count).map(name).map(|name| if name.is_empty() { "x".to_string() } else { name }).collect();
    let twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let numbered =
        |(i, name): (usize, &String)| if twice(name) { format!("{name}{}", i + 1) } else { name.clone() };
    names.iter().enumerate().map(numbered).collect()
}

fn numbered(name: &str, tensors: &[Tensor]) -> Vec<Named> {
    let one = tensors.len() == 1;
    let label = |i: usize| if one { name.to_string() } else { format!("{name}{}", i + 1) };
    tensors.iter().enumerate().map(|(i, x)| named(label(i), x)).collect()
}

fn named(name: String, x: &Tensor) -> Named {
    let array = x.array();
    // Samples are in double precision, which would be said of every tensor.
    let shown = if array.dtype() == DType::F64 { array.cast(DType::F32) } else { array.clone() };
    Named { name, shape: array.shape().to_vec(), values: array.to_f64_vec(), text: shown.to_string() }
}
