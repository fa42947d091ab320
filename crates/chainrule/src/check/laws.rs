//! The laws: what every gate must obey, checked on every sample by one loop.
//!
//! [`check`] applies all of them to one gate's samples and returns every breach as a sentence; the macro
//! [`laws!`](crate::laws) makes it a test, for users' gates as for built-in ones.
//!
//! ```
//! use chainrule::gate;
//! // Every row of the table of gates is checked like this.
//! let relu = gate::table().find(|entry| entry.name == "Relu").unwrap();
//! assert_eq!(chainrule::check::laws::check(relu), [""; 0]);
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::gates::{check_gate, within};
use super::numerical::same_randomness;
use super::replayed::check_replayed;
use crate::array::{Array, DType, MAX_RANK, Shape, Slice};
use crate::diff::jvp;
use crate::error::Result;
use crate::gate::{Entry, GateRef, Sample};
use crate::tensor::{Backward, Tensor, enable_grad, no_grad};

/// Checks all laws on all samples of a gate; each breach is one sentence.
///
/// * 1: the backward pass equals differences in f64; 2: so does the gradient of the gradient.
/// * 3: forward mode and backward mode are adjoint.
/// * 4: strided, expanded and offset inputs give the same.
/// * 5: the same tensor may stand in two slots; 6: an output may be used twice.
/// * 7: empty and 0-d inputs work (they are among the samples).
/// * 8: f32 agrees with f64.
/// * 9: every subset of inputs may need a gradient.
/// * 10: bad inputs give the declared error.
/// * 11: `no_grad` records nothing.
/// * 12: the gate is documented.
/// * 13: a recorded graph, replayed, gives the same bits.
/// * Batches: many upstream gradients in one sweep give what each gives alone.
///
/// ```
/// use chainrule::Array;
/// use chainrule::check::laws::check;
/// chainrule::gates! {
///     /// A square whose gradient lacks the factor 2.
///     WrongSquare(x) -> y as "wrong_square" {
///         value: x * x;
///         local: [x];
///         samples: vec![chainrule::gate::Sample::new(WrongSquare, [Array::scalar(1.5f64)])];
///     }
/// }
/// let breaches = check(&WrongSquare::ENTRY);
/// assert!(breaches[0].contains("the gate WrongSquare is wrong: the gradient of its input 0"));
/// ```
pub fn check(entry: &Entry) -> Vec<String> {
    let mut breaches = Vec::new();
    if entry.doc.trim().is_empty() {
        breaches.push(format!("{}: law 12: it has no documentation", entry.name));
    }
    for (i, sample) in (entry.samples)().iter().enumerate() {
        let mut tell = |law: &str, what: String| {
            breaches.push(format!("{} sample {i} ({:?}): {law}: {what}", entry.name, sample.gate))
        };
        match catch_unwind(AssertUnwindSafe(|| check_sample(sample, &mut tell))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                breaches.push(format!("{} sample {i} ({:?}): {error}", entry.name, sample.gate))
            }
            Err(_) => breaches.push(format!("{} sample {i} ({:?}): it panicked", entry.name, sample.gate)),
        }
    }
    breaches
}

/// Makes a test of the laws for a gate with samples.
///
/// ```
/// chainrule::gates! {
///     /// `y = x³`
///     Cube(x) -> y as "cube" {
///         value: x * x * x;
///         local: [3.0 * x * x];
///         samples: vec![chainrule::gate::Sample::new(Cube, [chainrule::Array::literal_of([0.5, -1.2], chainrule::DType::F64).unwrap()])];
///     }
/// }
/// chainrule::laws!(Cube);
/// # assert!(chainrule::check::laws::check(&Cube::ENTRY).is_empty());
/// ```
#[macro_export]
macro_rules! laws {
    ($Gate:ty) => {
        #[test]
        fn laws_of_the_gate() {
            let breaches = $crate::check::laws::check(&<$Gate>::ENTRY);
            assert!(breaches.is_empty(), "{}", breaches.join("\n"));
        }
    };
}

type Tell<'a> = &'a mut dyn FnMut(&str, String);

fn leaves(inputs: &[Array], needs: &dyn Fn(usize) -> bool) -> Vec<Tensor> {
    inputs
        .iter()
        .enumerate()
        .map(|(i, x)| Tensor::leaf(x.clone(), x.dtype().is_float() && needs(i)))
        .collect()
}

fn apply(gate: &GateRef, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    same_randomness(|| Tensor::apply_many(gate.clone(), &inputs.iter().collect::<Vec<_>>()))
}

/// Fixed, uneven upstream gradients for the differentiable outputs.
fn upstream(outputs: &[&Tensor]) -> Vec<Tensor> {
    let number = |i: usize| 0.4 + ((i * 5 + 2) % 9) as f64 / 6.0 - (i % 3) as f64 * 0.45;
    outputs
        .iter()
        .map(|y| {
            let values: Vec<f64> = (0..y.elements()).map(number).collect();
            Tensor::from_array(Array::filled(values, y.shape()).cast(y.dtype()))
        })
        .collect()
}

/// The gradients of all inputs that need one, `None` for the others.
fn gradients(
    gate: &GateRef,
    inputs: &[Tensor],
    create_graph: bool,
) -> Result<(Vec<Tensor>, Vec<Option<Tensor>>)> {
    let outputs = apply(gate, inputs)?;
    let float: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
    let wanted: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
    let mut found = match float.is_empty() || wanted.is_empty() {
        true => vec![None; wanted.len()],
        false => Backward::of(&float)
            .upstream(&upstream(&float).iter().collect::<Vec<_>>())
            .create_graph(create_graph)
            .allow_unused(true)
            .gradients(&wanted)?,
    }
    .into_iter();
    let all = inputs.iter().map(|x| if x.requires_grad() { found.next().flatten() } else { None }).collect();
    Ok((outputs, all))
}

fn close(a: &Array, b: &Array, relative: f64) -> bool {
    let scale = b.to_f64_vec().iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()));
    a.all_close(b, relative, relative * scale + 1e-300)
}

fn check_sample(sample: &Sample, tell: Tell) -> Result<()> {
    let gate = &sample.gate;
    if let Some(kind) = sample.refused {
        match apply(gate, &leaves(&sample.inputs, &|_| true)) {
            Err(error) if error.kind() == kind && error.gate().is_some() => {}
            Err(error) => tell(
                "law 10",
                format!("refused with {error:?} and not with an error of kind {kind:?} that names the gate"),
            ),
            Ok(_) => tell("law 10", "it accepted what must be refused".into()),
        }
        return Ok(());
    }
    let needs = |i: usize| !sample.constants.contains(&i);
    let inputs = leaves(&sample.inputs, &needs);
    let (outputs, found) = gradients(gate, &inputs, false)?;

    let (_, graphed) = gradients(gate, &inputs, true)?;
    for (i, (fused, plain)) in found.iter().zip(&graphed).enumerate() {
        let same = match (fused, plain) {
            (Some(a), Some(b)) => close(&a.array(), &b.array(), 1e-12),
            (None, None) => true,
            (Some(a), None) | (None, Some(a)) => a.to_f64_vec().iter().all(|&x| x == 0.0),
        };
        if !same {
            tell(
                "fused backward",
                format!("for input {i} the fused backward gives {fused:?}, the plain one {plain:?}"),
            );
        }
    }
    for (x, gradient) in inputs.iter().zip(&found) {
        if let Some(gradient) = gradient
            && gradient.meta() != x.meta()
        {
            tell("shape", format!("the gradient of {} is {}", x.meta(), gradient.meta()));
        }
    }
    for (y, expected) in outputs.iter().zip(sample.outputs.iter().flatten()) {
        if !y.array().same_as(expected) {
            tell("special value", format!("it gives {y}, and must give {expected}"));
        }
    }
    if let Some(expected) = &sample.expected {
        check_kink(gate, &inputs, expected, tell)?;
    }
    if sample.smooth {
        for fault in check_gate(gate, &sample.inputs, &sample.constants)? {
            tell("laws 1 and 3", fault.to_string());
        }
        check_second(sample, tell)?;
    }
    check_tangents(sample, &outputs, &found, tell)?;
    check_batches(gate, &inputs, tell)?;
    check_layouts(sample, &outputs, &found, tell)?;
    check_slots(sample, tell)?;
    check_subsets(sample, &found, tell)?;
    check_single(sample, &outputs, &found, tell)?;

    if let Some(difference) = check_replayed(sample)? {
        tell("law 13", difference);
    }

    let silent = no_grad(|| apply(gate, &inputs))?;
    if silent.iter().any(|y| y.requires_grad() || y.grad_fn().is_some()) {
        tell("law 11", "it recorded a node under no_grad".into());
    }
    let names = gate.formula();
    if names.to_string().is_empty() || names.gradient(0).is_none_or(|text| text.is_empty()) {
        tell("law 12", "its formula is empty".into());
    }
    Ok(())
}

/// At a kink the gradients, for an upstream gradient of ones, are those of the convention.
fn check_kink(gate: &GateRef, inputs: &[Tensor], expected: &[Array], tell: Tell) -> Result<()> {
    let mut outputs = apply(gate, inputs)?;
    // Indices among the outputs take no part.
    outputs.retain(Tensor::requires_grad);
    let ones: Vec<Tensor> = outputs.iter().map(Tensor::ones_like).collect();
    let wanted: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
    let gradients = Backward::of(&outputs.iter().collect::<Vec<_>>())
        .upstream(&ones.iter().collect::<Vec<_>>())
        .allow_unused(true)
        .gradients(&wanted)?;
    for (i, (gradient, expected)) in gradients.iter().zip(expected).enumerate() {
        let gradient =
            gradient.as_ref().map_or_else(|| Array::zeros_of(*expected.shape(), DType::F64), Tensor::array);
        if !gradient.all_close(expected, 1e-12, 1e-12) {
            tell(
                "convention at the kink",
                format!("the gradient of input {i} is {gradient}, the convention says {expected}"),
            );
        }
    }
    Ok(())
}

/// Law 2: the gradient of the gradient, along a direction, against differences of the gradient.
fn check_second(sample: &Sample, tell: Tell) -> Result<()> {
    let needs = |i: usize| !sample.constants.contains(&i);
    let direction = |input: usize, x: &Array| -> Result<Vec<f64>> {
        let values = (0..x.elements()).map(|i| 0.6 - ((i * 3 + 1) % 5) as f64 * 0.25).collect();
        Ok(within(&sample.gate, input, Array::filled::<f64>(values, *x.shape()))?.to_f64_vec())
    };
    // φ(t) = ⟨direction, gradient at inputs + t·direction⟩, whose derivative a second backward pass gives too.
    let project = |inputs: &[Tensor], create: bool| -> Result<Option<Tensor>> {
        let (_, found) = gradients(&sample.gate, inputs, create)?;
        let mut total: Option<Tensor> = None;
        for (i, (x, gradient)) in inputs.iter().zip(found).enumerate() {
            if let Some(gradient) = gradient {
                let weights = Array::filled(direction(i, &x.array())?, x.shape()).cast(x.dtype());
                let part = enable_grad(|| gradient.mul(Tensor::from_array(weights))?.sum())?;
                total = Some(match total {
                    Some(sum) => enable_grad(|| sum.add(&part))?,
                    None => part,
                });
            }
        }
        Ok(total)
    };
    let inputs = leaves(&sample.inputs, &needs);
    let Some(value) = project(&inputs, true)? else { return Ok(()) };
    let analytic = if value.requires_grad() {
        let wanted: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].requires_grad()).collect();
        let points: Vec<&Tensor> = wanted.iter().map(|&i| &inputs[i]).collect();
        let second = Backward::of(&[&value]).allow_unused(true).gradients(&points)?;
        let mut sum = 0.0;
        for (i, gradient) in wanted.into_iter().zip(second) {
            if let Some(g) = gradient {
                let direction = direction(i, &inputs[i].array())?;
                sum += g.to_f64_vec().iter().zip(direction).map(|(a, b)| a * b).sum::<f64>();
            }
        }
        sum
    } else {
        0.0
    };
    let along = |t: f64| -> Result<f64> {
        let moved: Vec<Array> = sample
            .inputs
            .iter()
            .enumerate()
            .map(|(i, x)| match x.dtype().is_float() && needs(i) {
                false => Ok(x.clone()),
                true => {
                    let direction = direction(i, x)?;
                    let values = x.to_f64_vec().iter().zip(direction).map(|(x, d)| x + t * d).collect();
                    Ok(Array::filled::<f64>(values, *x.shape()).cast(x.dtype()))
                }
            })
            .collect::<Result<_>>()?;
        project(&leaves(&moved, &needs), false)?.map_or(Ok(0.0), |y| y.item())
    };
    let measured = super::derivative(along, 0.0)?;
    let scale = analytic.abs().max(measured.value.abs());
    if measured.kink.is_none()
        && (analytic - measured.value).abs() > 1e-5 * scale + 10.0 * measured.error + 1e-9
    {
        tell(
            "law 2",
            format!(
                "the second derivative along a direction is {analytic}, differences give {} ± {:.1e}",
                measured.value, measured.error
            ),
        );
    }
    Ok(())
}

/// Law 3: forward and backward mode are adjoint, `⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩`, for the tangent rule that the gate declares
/// or that is derived from its backward.
fn check_tangents(sample: &Sample, outputs: &[Tensor], found: &[Option<Tensor>], tell: Tell) -> Result<()> {
    let moving: Vec<usize> = (0..found.len()).filter(|&i| found[i].is_some()).collect();
    let points: Vec<Tensor> = moving.iter().map(|&i| Tensor::from_array(sample.inputs[i].clone())).collect();
    let direction: Vec<Tensor> = points
        .iter()
        .map(|x| {
            let values = (0..x.elements()).map(|i| 0.7 - ((i * 7 + 3) % 11) as f64 * 0.15).collect();
            Tensor::from_array(Array::filled::<f64>(values, x.shape()).cast(x.dtype()))
        })
        .collect();
    let (_, tangents) = jvp(
        |x| {
            let mut inputs = leaves(&sample.inputs, &|_| false);
            for (x, &i) in x.iter().zip(&moving) {
                inputs[i] = x.clone();
            }
            apply(&sample.gate, &inputs)
        },
        &points.iter().collect::<Vec<_>>(),
        &direction.iter().collect::<Vec<_>>(),
    )?;
    let float: Vec<usize> = (0..outputs.len()).filter(|&i| outputs[i].requires_grad()).collect();
    let upstream = upstream(&float.iter().map(|&i| &outputs[i]).collect::<Vec<_>>());
    let products = |a: &Tensor, b: &Tensor| -> Vec<f64> {
        a.to_f64_vec().iter().zip(b.to_f64_vec()).map(|(a, b)| a * b).collect()
    };
    let forward: Vec<f64> =
        float.iter().zip(&upstream).flat_map(|(&i, v)| products(&tangents[i], v)).collect();
    let backward: Vec<f64> = (moving.iter().zip(&direction))
        .filter_map(|(&i, u)| Some(products(found[i].as_ref()?, u)))
        .flatten()
        .collect();
    let (sum, scale) =
        (|x: &[f64]| x.iter().sum::<f64>(), forward.iter().chain(&backward).map(|x| x.abs()).sum::<f64>());
    let dtypes = sample.inputs.iter().map(Array::dtype).chain(outputs.iter().map(Tensor::dtype));
    let single = dtypes.into_iter().any(|dtype| dtype == DType::F32);
    let tolerance = if single { 1e-5 } else { 1e-10 };
    let (forward, backward) = (sum(&forward), sum(&backward));
    if scale.is_finite() && (forward - backward).abs() > tolerance * scale {
        tell(
            "law 3",
            format!("forward mode gives ⟨v, J·u⟩ = {forward}, backward mode ⟨Jᵀ·v, u⟩ = {backward}"),
        );
    }
    Ok(())
}

/// A batch of upstream gradients in one sweep gives what each gives alone.
fn check_batches(gate: &GateRef, inputs: &[Tensor], tell: Tell) -> Result<()> {
    let outputs = apply(gate, inputs)?;
    let float: Vec<&Tensor> = outputs.iter().filter(|y| y.requires_grad()).collect();
    let wanted: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
    let too_many = |x: &Tensor| x.rank() == MAX_RANK;
    if float.is_empty() || outputs.iter().chain(inputs).any(too_many) {
        return Ok(());
    }
    let first = upstream(&float);
    let second: Vec<Tensor> = first.iter().map(|g| g.mul(-1.5)?.add(0.25)).collect::<Result<_>>()?;
    let run = |upstream: &[Tensor], batched: bool| {
        Backward::of(&float)
            .upstream(&upstream.iter().collect::<Vec<_>>())
            .is_grads_batched(batched)
            .retain_graph(true)
            .allow_unused(true)
            .gradients(&wanted)
    };
    let alone = [run(&first, false)?, run(&second, false)?];
    let batch: Vec<Tensor> =
        first.iter().zip(&second).map(|(a, b)| Tensor::stack(&[a, b], 0)).collect::<Result<_>>()?;
    for (i, together) in run(&batch, true)?.iter().enumerate() {
        for (place, alone) in alone.iter().enumerate() {
            let same = match (together, &alone[i]) {
                (Some(a), Some(b)) => close(&a.select(0, place as isize)?.array(), &b.array(), 1e-12),
                (a, None) => a.as_ref().is_none_or(|a| a.to_f64_vec().iter().all(|&x| x == 0.0)),
                (None, Some(b)) => b.to_f64_vec().iter().all(|&x| x == 0.0),
            };
            if !same {
                tell(
                    "batches",
                    format!(
                        "in a batch of upstream gradients the gradient of input {i} is {together:?}, and number {place} alone gives {:?}",
                        alone[i]
                    ),
                );
            }
        }
    }
    Ok(())
}

/// Law 4: the same values in other layouts.
fn check_layouts(sample: &Sample, outputs: &[Tensor], found: &[Option<Tensor>], tell: Tell) -> Result<()> {
    type Change = fn(&Array) -> Result<Array>;
    let changes: [(&str, Change); 3] = [
        ("transposed in memory", |x| {
            let order: Vec<isize> = (0..x.rank() as isize).rev().collect();
            x.permute(&order)?.copied().permute(&order)
        }),
        ("every second element of a larger buffer", |x| {
            let wide = Array::filled(
                x.to_f64_vec().into_iter().flat_map(|v| [v, 99.0]).collect(),
                Shape::new(&x.shape().iter().copied().chain([2]).collect::<Vec<_>>())?,
            );
            wide.cast(x.dtype()).select(x.rank() as isize, 0)
        }),
        ("behind an offset, backwards", |x| {
            if x.rank() == 0 {
                return Ok(x.clone());
            }
            let backwards = x.slice(0, Slice::from(..).step(-1))?.copied();
            backwards.slice(0, Slice::from(..).step(-1))
        }),
    ];
    for (name, change) in changes {
        let changed: Vec<Array> = sample.inputs.iter().map(change).collect::<Result<_>>()?;
        let inputs = leaves(&changed, &|i| !sample.constants.contains(&i));
        let (other, gradients) = gradients(&sample.gate, &inputs, false)?;
        let same = outputs.iter().zip(&other).all(|(a, b)| close(&b.array(), &a.array(), 1e-12))
            && found.iter().zip(&gradients).all(|(a, b)| match (a, b) {
                (Some(a), Some(b)) => close(&b.array(), &a.array(), 1e-12),
                (a, b) => a.is_none() == b.is_none(),
            });
        if !same {
            tell("law 4", format!("with inputs {name} it gives {other:?} and not {outputs:?}"));
        }
    }
    Ok(())
}

/// Laws 5 and 6: one tensor in two slots gets the sum of both gradients; so does an output that is used twice.
fn check_slots(sample: &Sample, tell: Tell) -> Result<()> {
    let needs = |i: usize| !sample.constants.contains(&i);
    let mut inputs = leaves(&sample.inputs, &needs);
    let twin = (1..inputs.len())
        .find(|&j| inputs[j].meta() == inputs[0].meta() && inputs[0].requires_grad() && needs(j));
    if let Some(j) = twin {
        inputs[j] = inputs[0].clone();
        let separate: Vec<Tensor> =
            inputs.iter().map(|x| Tensor::leaf(x.array(), x.requires_grad())).collect();
        let (_, apart) = gradients(&sample.gate, &separate, false)?;
        let (_, together) = gradients(&sample.gate, &inputs, false)?;
        let sum: Vec<f64> = (0..inputs[0].elements())
            .map(|e| [0, j].iter().filter_map(|&i| apart[i].as_ref()).map(|g| g.to_f64_vec()[e]).sum())
            .collect();
        let sum = Array::filled(sum, inputs[0].shape());
        if let Some(together) = &together[0]
            && !close(&together.array(), &sum, 1e-10)
        {
            tell("law 5", format!("in two slots its gradient is {together}, the sum of both is {sum}"));
        }
    }
    let inputs = leaves(&sample.inputs, &needs);
    let outputs = apply(&sample.gate, &inputs)?;
    if let Some(y) = outputs.iter().find(|y| y.requires_grad()) {
        let wanted: Vec<&Tensor> = inputs.iter().filter(|x| x.requires_grad()).collect();
        let ones = y.ones_like();
        let once =
            Backward::of(&[y]).upstream(&[&ones]).retain_graph(true).allow_unused(true).gradients(&wanted)?;
        let twice = enable_grad(|| y.add(y))?;
        let doubled = Backward::of(&[&twice]).upstream(&[&ones]).allow_unused(true).gradients(&wanted)?;
        for (a, b) in once.iter().zip(&doubled) {
            if let (Some(a), Some(b)) = (a, b)
                && !close(&b.array(), &a.mul(2.0)?.array(), 1e-12)
            {
                tell("law 6", format!("used twice its gradient is {b}, used once {a}"));
            }
        }
    }
    Ok(())
}

/// Law 9: an input's gradient doesn't depend on which other inputs need one.
fn check_subsets(sample: &Sample, found: &[Option<Tensor>], tell: Tell) -> Result<()> {
    let count = sample.inputs.len().min(4);
    for subset in 1..(1usize << count) {
        let needs = |i: usize| !sample.constants.contains(&i) && subset >> i & 1 == 1;
        let inputs = leaves(&sample.inputs, &needs);
        if !inputs.iter().any(Tensor::requires_grad) {
            continue;
        }
        let (_, some) = gradients(&sample.gate, &inputs, false)?;
        for (i, (all, some)) in found.iter().zip(&some).enumerate() {
            if let (Some(all), Some(some)) = (all, some)
                && !close(&some.array(), &all.array(), 1e-12)
            {
                tell(
                    "law 9",
                    format!(
                        "with only the inputs {subset:#b} needing gradients, that of input {i} is {some}"
                    ),
                );
            }
        }
    }
    Ok(())
}

/// Law 8: f32 agrees with f64.
fn check_single(sample: &Sample, outputs: &[Tensor], found: &[Option<Tensor>], tell: Tell) -> Result<()> {
    let single: Vec<Array> = sample
        .inputs
        .iter()
        .map(|x| if x.dtype() == DType::F64 { x.cast(DType::F32) } else { x.clone() })
        .collect();
    let inputs = leaves(&single, &|i| !sample.constants.contains(&i));
    let (other, gradients) = gradients(&sample.gate, &inputs, false)?;
    let agree =
        |a: &Tensor, b: &Tensor| close(&a.array().cast(DType::F64), &b.array().cast(DType::F64), 1e-5);
    let same = outputs.iter().zip(&other).all(|(a, b)| agree(b, a))
        && found.iter().zip(&gradients).all(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => agree(b, a),
            (a, b) => a.is_none() == b.is_none(),
        });
    if !same {
        tell(
            "law 8",
            format!(
                "in f32 it gives {other:?} with gradients {gradients:?}, in f64 {outputs:?} and {found:?}"
            ),
        );
    }
    Ok(())
}
