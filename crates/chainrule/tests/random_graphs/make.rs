//! Making random graphs: gates out of samples, fed with earlier values that are brought into shape and range.

use chainrule::gate::view::View;
use chainrule::gate::{GateRef, Sample, Structure, arith, functions};
use chainrule::{Array, DType, Meta, Shape, Slice, Tensor, no_grad};

use super::program::{Program, Source, Step};

/// A gate with inputs that suit it.
#[derive(Debug, Clone)]
pub struct Kind {
    pub name: &'static str,
    sample: Sample,
}

impl Kind {
    /// Gates of linear algebra, most of which have singular matrices.
    fn is_of_matrices(&self) -> bool {
        self.name.starts_with("Linalg") && self.name != "LinalgVectorNorm" || self.name == "CholeskySolve"
    }
}

/// Values of the graphs have at most so many elements and dimensions, so that differences stay cheap.
const MOST_ELEMENTS: usize = 48;
const MOST_DIMENSIONS: usize = 4;
/// …and aren't larger than this, so that they stay exact.
const LARGEST: f64 = 50.0;

/// The kinds of gates out of samples: smooth ones in f64 with something to differentiate.
pub fn kinds(samples: impl IntoIterator<Item = (&'static str, Sample)>) -> Vec<Kind> {
    let moving = |sample: &Sample| {
        let float = |i: usize| sample.inputs[i].dtype() == DType::F64 && !sample.constants.contains(&i);
        (0..sample.inputs.len()).any(|i| float(i) && sample.inputs[i].elements() > 0)
    };
    let fits = |kind: &Kind| {
        let inputs: Vec<Tensor> = kind.sample.inputs.iter().cloned().map(Tensor::from_array).collect();
        let step = Step { name: kind.name, gate: kind.sample.gate.clone(), inputs: vec![], values: vec![] };
        no_grad(|| Program::outputs(&step, &inputs)).is_ok_and(|outputs| tame(&outputs))
    };
    samples
        .into_iter()
        .filter(|(_, sample)| sample.refused.is_none() && sample.smooth && moving(sample))
        .map(|(name, sample)| Kind { name, sample })
        .filter(fits)
        .collect()
}

/// Whether a graph goes on well with these values.
fn tame(outputs: &[Tensor]) -> bool {
    let differentiable = outputs.iter().any(|y| y.dtype() == DType::F64);
    let single = outputs.iter().any(|y| y.dtype() == DType::F32);
    let fine = |y: &Tensor| {
        y.elements() <= MOST_ELEMENTS
            && y.rank() <= MOST_DIMENSIONS
            && y.to_f64_vec().iter().all(|y| y.is_finite() && y.abs() <= LARGEST)
    };
    differentiable && !single && outputs.iter().all(fine)
}

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// From −1 to 1.
    fn number(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

struct Maker<'k> {
    random: Random,
    kinds: &'k [Kind],
    program: Program,
    most: usize,
}

/// The graph of a seed, of at most so many gates.
pub fn random(seed: u64, kinds: &[Kind], most: usize) -> Program {
    let mut maker = Maker { random: Random(seed), kinds, program: Program::default(), most };
    for _ in 0..1 + maker.random.below(3) {
        maker.leaf();
    }
    for _ in 0..40 * most {
        if maker.program.steps.len() >= most {
            break;
        }
        maker.gate();
    }
    maker.program
}

impl Maker<'_> {
    /// A leaf of a random shape.
    fn leaf(&mut self) {
        let rank = self.random.below(4);
        let sizes: Vec<usize> = (0..rank).map(|_| 1 + self.random.below(4)).collect();
        let shape = Shape::new(&sizes).unwrap();
        let values = (0..shape.elements()).map(|_| 2.0 * self.random.number()).collect();
        self.program.leaves.push(Array::from_vec::<f64>(values, shape).unwrap());
    }

    /// All values that a gate may use.
    fn pool(&self) -> Vec<Source> {
        let leaves = (0..self.program.leaves.len()).map(Source::Leaf);
        let outputs = self.program.steps.iter().enumerate().flat_map(|(i, step)| {
            let float = (0..step.values.len()).filter(|&o| step.values[o].dtype() == DType::F64);
            float.map(move |output| Source::Step(i, output))
        });
        leaves.chain(outputs).collect()
    }

    fn value(&self, source: &Source) -> Array {
        match source {
            Source::Leaf(i) => self.program.leaves[*i].clone(),
            Source::Step(i, output) => self.program.steps[*i].values[*output].clone(),
            Source::Constant(array) => array.clone(),
        }
    }

    /// Adds a gate; `None` where its outputs would be too large or not finite.
    fn add(&mut self, name: &'static str, gate: GateRef, inputs: Vec<Source>) -> Option<Source> {
        let mut step = Step { name, gate, inputs, values: Vec::new() };
        let values: Vec<Tensor> =
            step.inputs.iter().map(|source| Tensor::from_array(self.value(source))).collect();
        let outputs = no_grad(|| Program::outputs(&step, &values)).ok().filter(|outputs| tame(outputs))?;
        step.values = outputs.iter().map(Tensor::array).collect();
        let first = step.values.iter().position(|y| y.dtype() == DType::F64)?;
        self.program.steps.push(step);
        Some(Source::Step(self.program.steps.len() - 1, first))
    }

    /// Adds a gate of a random kind, and what feeds it; nothing where it doesn't work out.
    fn gate(&mut self) {
        let before = (self.program.leaves.len(), self.program.steps.len());
        // Every gate is as likely, whatever the number of its samples.
        let runs: Vec<&[Kind]> = self.kinds.chunk_by(|a, b| a.name == b.name).collect();
        let run = runs[self.random.below(runs.len())];
        let kind = run[self.random.below(run.len())].clone();
        let added = self.feed(&kind).and_then(|inputs| self.add(kind.name, kind.sample.gate.clone(), inputs));
        if added.is_none() || self.program.steps.len() > self.most {
            self.program.leaves.truncate(before.0);
            self.program.steps.truncate(before.1);
        }
    }

    /// Inputs for a gate: earlier values as they are, where the gate takes them, else in the sample's shapes.
    fn feed(&mut self, kind: &Kind) -> Option<Vec<Source>> {
        let sample = &kind.sample;
        let moving = |i: usize| sample.inputs[i].dtype() == DType::F64 && !sample.constants.contains(&i);
        let free: Vec<Source> = (0..sample.inputs.len())
            .map(|i| match moving(i) {
                true => {
                    let pool = self.pool();
                    pool[self.random.below(pool.len())].clone()
                }
                false => Source::Constant(sample.inputs[i].clone()),
            })
            .collect();
        let metas: Vec<Meta> = free.iter().map(|source| self.value(source).meta()).collect();
        let as_they_are =
            self.random.below(4) > 0 && sample.gate.infer(&metas).is_ok() && !kind.is_of_matrices();
        let mut inputs = Vec::with_capacity(free.len());
        for (i, source) in free.into_iter().enumerate() {
            inputs.push(match moving(i) {
                false => source,
                // Now and then the sample's own values, as a new leaf.
                true if !as_they_are && sample.gate.structure(i).is_none() && self.random.below(6) == 0 => {
                    self.program.leaves.push(sample.inputs[i].clone());
                    Source::Leaf(self.program.leaves.len() - 1)
                }
                true => {
                    let shaped =
                        if as_they_are { source } else { self.shaped(source, *sample.inputs[i].shape())? };
                    match kind.is_of_matrices() {
                        true => self.near(shaped, &sample.inputs[i], sample.gate.structure(i))?,
                        false => self.ranged(shaped, &sample.inputs[i])?,
                    }
                }
            });
        }
        // Where its inputs are equal, PyTorch's convention for this gate is no derivative along both together.
        let [a, b] = [0, 1].map(|i| inputs.get(i).map_or(vec![], |source| self.value(source).to_f64_vec()));
        let meet = kind.name == "Nextafter" && a.iter().any(|a| b.contains(a));
        (!meet).then_some(inputs)
    }

    /// The sample's matrices, moved a little by the value: any others may be singular, where no gradient exists. They
    /// stay within the matrices that the gate stands for.
    fn near(&mut self, source: Source, like: &Array, structure: Option<Structure>) -> Option<Source> {
        let scaled = |value: f64| Source::Constant(Array::scalar(value));
        let mut part = self.add("Tanh", functions::Tanh.into(), vec![source])?;
        let mut middle = like.clone();
        if let Some(structure) = structure {
            middle = structure.nearest(like).ok()?;
            part = match structure {
                Structure::Symmetric => {
                    let turned = self.add("View", View::Transpose(-2, -1).into(), vec![part.clone()])?;
                    self.add("Add", arith::Add.into(), vec![part, turned])?
                }
                Structure::Lower => {
                    let ones = Array::ones_of(*like.shape(), DType::F64);
                    let mask = Source::Constant(structure.nearest(&ones).ok()?);
                    self.add("Mul", arith::Mul.into(), vec![part, mask])?
                }
            };
        }
        let part = self.add("Mul", arith::Mul.into(), vec![part, scaled(0.02)])?;
        self.add("Add", arith::Add.into(), vec![part, Source::Constant(middle)])
    }

    /// The value with another shape: its first elements, or all of them repeated.
    fn shaped(&mut self, source: Source, shape: Shape) -> Option<Source> {
        let value = self.value(&source);
        if *value.shape() == shape {
            return Some(source);
        }
        let (have, need) = (value.elements(), shape.elements());
        if have == 0 {
            return None;
        }
        let flat = self.add("View", View::Reshape([have].into()).into(), vec![source])?;
        let enough = if have >= need {
            flat
        } else {
            let copies = need.div_ceil(have);
            let wide = self.add("View", View::Expand([copies, have].into()).into(), vec![flat])?;
            self.add("View", View::Reshape([copies * have].into()).into(), vec![wide])?
        };
        let first = Slice::from(..need as isize);
        let part = self.add("View", View::Slice(0, first).into(), vec![enough])?;
        self.add("View", View::Reshape(shape).into(), vec![part])
    }

    /// The value, brought by a sigmoid between the least and the largest value of the sample where it isn't there.
    fn ranged(&mut self, source: Source, like: &Array) -> Option<Source> {
        let ends = |values: Vec<f64>| {
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)))
        };
        let ((low, high), (least, most)) = (ends(like.to_f64_vec()), ends(self.value(&source).to_f64_vec()));
        if least >= low && most <= high || low > high {
            return Some(source);
        }
        if low == high {
            // Nothing lies between: such a sample may sit beside a singularity.
            self.program.leaves.push(like.clone());
            let leaf = Source::Leaf(self.program.leaves.len() - 1);
            return self.shaped(leaf, *self.value(&source).shape());
        }
        let number = |x: f64| Source::Constant(Array::scalar(x));
        let squashed =
            self.add("Sigmoid", GateRef::Static(&chainrule::gate::functions::Sigmoid), vec![source])?;
        let scaled = self.add("Mul", GateRef::Static(&arith::Mul), vec![squashed, number(high - low)])?;
        self.add("Add", GateRef::Static(&arith::Add), vec![scaled, number(low)])
    }
}
