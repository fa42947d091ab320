//! Where PyTorch's gradcheck is weak, this one must not be.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use chainrule::check::{GradCheck, gradcheck, gradgradcheck};
use chainrule::gate::{Context, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves, arith};
use chainrule::nn::Module;
use chainrule::{Array, DType, Formula, Generator, Meta, Result, Tensor, models, nn, tensor};

fn leaf(values: impl chainrule::Literal) -> Tensor {
    Tensor::new(values, DType::F64).unwrap().requires_grad_(true).unwrap()
}

chainrule::gates! {
    /// `y = x²` with a derivative of 0.
    NoSlope(x) -> y as "no_slope" {
        value: x * x;
        local: [0.0];
        samples: vec![];
    }

    /// `y = x³` with a derivative 5 % too large.
    TooSteep(x) -> y as "too_steep" {
        value: x * x * x;
        local: [3.15 * x * x];
        samples: vec![Sample::new(arith::Neg, [Array::scalar(1.0f64)])];
    }
}

#[test]
fn tiny_gradients_are_compared_too() {
    let report = gradcheck(|x| Tensor::apply(NoSlope, &[&x[0]]), &[leaf([1e-6])]).unwrap();
    assert!(!report.passed(), "{report}");
}

#[test]
fn captured_parameters_are_checked() {
    let w = leaf([999.0, 1.0]);
    let report = gradcheck(|x| Tensor::apply(TooSteep, &[&w])?.mul(&x[0]), &[leaf([0.5, 0.25])]).unwrap();
    assert!(report.findings[0].wrong == 0 && report.findings[1].wrong == 2, "{report}");
    assert!(report.findings[1].name.starts_with("captured parameter"), "{report}");
}

#[test]
fn the_wrong_gate_is_named_with_its_line() {
    let x = leaf([0.5, -1.0]);
    let line = Cell::new(0);
    let report = gradcheck(
        |x| {
            line.set(line!() + 1);
            let y = Tensor::apply(TooSteep, &[&x[0].tanh()?])?;
            y.exp()?.sum()
        },
        &[x],
    )
    .unwrap();
    assert_eq!(report.faults.len(), 1, "{report}");
    assert_eq!(report.faults[0].gate, "TooSteep");
    assert!(report.faults[0].location.as_ref().unwrap().contains(&format!("gradcheck.rs:{}", line.get())));
}

#[test]
fn the_second_derivative_of_a_wrong_first_one_fails() {
    let report = gradgradcheck(|x| Tensor::apply(TooSteep, &[&x[0]]), &[leaf([0.5])]).unwrap();
    assert!(!report.passed());
    assert!(
        gradgradcheck(|x| x[0].sin()?.mul(&x[1].exp()?), &[leaf([0.5, 1.0]), leaf([0.1])]).unwrap().passed()
    );
}

#[test]
fn one_wrong_element_among_thousands_is_found() {
    let x = Tensor::from_array(Array::linspace_of(0.5, 1.5, 3000, DType::F64)).requires_grad_(true).unwrap();
    let report = gradcheck(
        |x| {
            let first = Tensor::apply(TooSteep, &[&x[0].narrow(0, 1234, 1)?])?;
            x[0].square()?.sum()?.add(&first.sum()?)
        },
        &[x],
    )
    .unwrap();
    assert_eq!((report.findings[0].compared, report.findings[0].wrong), (3000, 1));
    assert_eq!(report.findings[0].worst.as_ref().unwrap().index, [1234]);
}

#[test]
fn integer_outputs_beside_floats_do_no_harm() {
    let report = gradcheck(
        |x| {
            let best = x[0].argmax()?;
            x[0].gather(0, &best.reshape([1])?)?.square()?.sum()
        },
        &[leaf([1.0, 3.0, 2.0])],
    );
    assert!(report.unwrap().passed());
}

#[test]
fn kinks_are_called_kinks() {
    for f in [Tensor::relu as fn(&Tensor) -> Result<Tensor>, Tensor::abs] {
        let report = gradcheck(|x| f(&x[0]), &[leaf([0.0, 1.0])]).unwrap();
        assert!(report.passed(), "{report}");
        assert_eq!(report.findings[0].kinks.len(), 1);
        assert_eq!((report.findings[0].compared, &report.findings[0].kinks[0].0[..]), (1, &[0][..]));
        assert!(report.to_string().contains("kink"), "{report}");
    }
}

/// A sum of many units with ReLU has a kink within reach of any step but the smallest.
#[test]
fn kinks_nearby_are_not_taken_for_wrong_gradients() {
    let bends = Tensor::from_array(Generator::new(4).rand([4000], DType::F64));
    let bent = |x: &Tensor| x.sub(&bends)?.relu()?.square()?.add(&x.sub(&bends)?.relu()?)?.mean();
    let report = gradcheck(|x| bent(&x[0]), &[leaf(0.5)]).unwrap();
    assert!(report.passed() && report.findings[0].compared == 1, "{report}");
    // A gradient that is wrong by a hundredth stays wrong.
    let wrong = |x: &Tensor| bent(x)?.add(&x.detach().mul(0.01)?);
    assert!(!gradcheck(|x| wrong(&x[0]), &[leaf(0.5)]).unwrap().passed());
}

/// What code outside of gates does with values, no recording of the gates shows.
#[test]
fn a_gradient_that_a_look_at_values_leaves_out_is_found() {
    let first = |x: &Tensor| x.mul(x.to_f64_vec()[0]);
    let report = gradcheck(|x| first(&x[0]), &[leaf([0.5, -1.5, 0.25])]).unwrap();
    assert_eq!((report.findings[0].compared, report.findings[0].wrong), (3, 1), "{report}");
    assert_eq!(report.findings[0].worst.as_ref().unwrap().index, [0]);
    // A parameter that isn't the argument, computed with on another thread.
    let w = leaf([0.5, 2.0]);
    let apart = || std::thread::scope(|scope| scope.spawn(|| w.exp()).join().unwrap());
    let report = gradcheck(|_| w.add(&apart()?.detach()), &[]).unwrap();
    assert_eq!(report.findings[0].wrong, 2, "{report}");
}

#[test]
fn a_report_is_the_same_for_any_number_of_threads() {
    let double = |p: &Tensor| Tensor::from_array(p.array().cast(DType::F64)).requires_grad_(true).unwrap();
    let net = models::Mlp::build(&[6, 8, 3], nn::Activation::Relu, &mut Generator::new(0)).unwrap();
    let leaves: Vec<Tensor> = net.parameters().iter().map(double).collect();
    let x = Tensor::from_array(Generator::new(1).randn([4, 6], DType::F64));
    let network = |p: &[Tensor]| {
        let hidden = x.linear(&p[0], Some(&p[1]))?.relu()?;
        hidden.linear(&p[2], Some(&p[3]))?.cross_entropy(&tensor([0, 1, 2, 0]))
    };
    let before = chainrule::num_threads();
    let reports = [1, 2, 3].map(|threads| {
        chainrule::set_num_threads(threads);
        gradcheck(network, &leaves).unwrap()
    });
    chainrule::set_num_threads(before);
    assert!(reports[0].passed(), "{}", reports[0]);
    for report in &reports[1..] {
        assert_eq!(report.to_string(), reports[0].to_string());
        for (a, b) in report.findings.iter().zip(&reports[0].findings) {
            assert_eq!((&a.worst, &a.kinks), (&b.worst, &b.kinks));
        }
    }
}

#[test]
fn dropout_draws_the_same_numbers_again() {
    let x = Tensor::from_array(Generator::new(3).randn([20], DType::F64)).requires_grad_(true).unwrap();
    assert!(gradcheck(|x| x[0].dropout(0.5)?.square()?.sum(), &[x]).unwrap().passed());
}

#[test]
fn nothing_to_check_is_an_error() {
    let error = gradcheck(|x| x[0].square(), &[tensor([1.0])]).unwrap_err();
    assert!(error.to_string().contains("requires a gradient"), "{error}");
}

#[test]
fn the_report_shows_the_worst_element_with_both_numbers() {
    let report = gradcheck(|x| Tensor::apply(TooSteep, &[&x[0]]), &[leaf([0.5, 2.0])]).unwrap();
    let text = report.to_string();
    for part in ["2 of 2 gradients DISAGREE", "worst at [", "backpropagation", "differences", "tolerated"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(report.into_result().is_err());
}

#[test]
fn values_are_as_before_after_a_check() {
    let x = leaf([0.1, 0.2]);
    let before = x.to_f64_vec();
    gradcheck(|x| x[0].exp(), std::slice::from_ref(&x)).unwrap();
    assert_eq!(x.to_f64_vec(), before);
}

#[test]
fn a_whole_network_in_single_precision_passes_within_what_its_digits_allow() {
    let net = models::Mlp::build(&[4, 5, 3], nn::Activation::Tanh, &mut Generator::new(0)).unwrap();
    let x = Tensor::from_array(Generator::new(1).randn([6, 4], DType::F32));
    let labels = tensor([0, 1, 2, 0, 1, 2]);
    let report = GradCheck::default().run(|_| net.forward(&x)?.cross_entropy(&labels), &[]).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.findings.len(), 4);
}

#[derive(Debug)]
struct Square(Fault);

/// What is wrong with the backward of a [`Square`].
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It doesn't multiply by the upstream gradient.
    UpstreamForgotten,
    /// It fails.
    Fails,
    /// It gives NaN.
    Nan,
}

impl Gate for Square {
    fn name(&self) -> &'static str {
        "FaultySquare"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let squares = inputs[0].to_f64_vec().iter().map(|x| x * x).collect();
        Ok([Array::from_vec(squares, *inputs[0].shape())?].into())
    }
    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0)
    }
    fn backward(&self, saved: &Saved, _upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
        let x = saved.input(0)?;
        Ok([Some(match self.0 {
            Fault::UpstreamForgotten => x.mul(2.0)?,
            Fault::Nan => x.mul(f64::NAN)?,
            Fault::Fails => return Err(chainrule::Error::argument("the author gave up here")),
        })]
        .into_iter()
        .collect())
    }
    fn formula(&self) -> Formula {
        Formula::rule("y = x²", ["∂y/∂x = 2x"])
    }
}

#[test]
fn a_backward_that_forgets_the_upstream_gradient_or_gives_nan_is_named() {
    for fault in [Fault::UpstreamForgotten, Fault::Nan] {
        let report =
            gradcheck(|x| Tensor::apply(Square(fault), &[&x[0]])?.exp(), &[leaf([0.5, -1.0])]).unwrap();
        assert_eq!(report.findings[0].wrong, 2, "{report}");
        assert_eq!(report.faults.len(), 1, "{report}");
        assert_eq!(report.faults[0].gate, "FaultySquare");
    }
}

#[test]
fn a_backward_that_fails_is_named_in_the_error() {
    let error = gradcheck(|x| Tensor::apply(Square(Fault::Fails), &[&x[0]]), &[leaf([0.5])]).unwrap_err();
    assert_eq!(error.gate(), Some("FaultySquare"));
    assert!(error.to_string().contains("gave up"), "{error}");
}

#[test]
fn the_edge_of_the_domain_is_said_and_not_called_wrong() {
    for f in [Tensor::sqrt as fn(&Tensor) -> Result<Tensor>, |x| x.pow(0.5)] {
        let report = gradcheck(|x| f(&x[0]), &[leaf([0.0, 1.0])]).unwrap();
        assert!(report.passed(), "{report}");
        assert!(report.to_string().contains("undefined to the left"), "{report}");
    }
}

#[test]
fn ties_of_maximum_and_max_are_kinks() {
    let report = gradcheck(|x| x[0].maximum(&x[1]), &[leaf([1.0, 2.0]), leaf([1.0, 3.0])]).unwrap();
    assert!(report.passed() && report.findings.iter().all(|f| f.kinks.len() == 1), "{report}");
    let report = gradcheck(|x| x[0].max(), &[leaf([1.0, 1.0, 0.0])]).unwrap();
    assert!(report.passed() && report.findings[0].kinks.len() == 2, "{report}");
}

#[test]
fn inputs_with_a_history_and_expanded_ones_are_moved_one_by_one() {
    let w = leaf([0.5, 1.5]);
    let report = gradcheck(|x| x[0].square(), &[w.mul(2.0).unwrap()]).unwrap();
    assert!(report.passed() && report.findings[0].compared == 2, "{report}");
    let expanded = Array::scalar(0.5f64).expand([2, 3]).unwrap();
    let expanded = Tensor::from_array(expanded).requires_grad_(true).unwrap();
    let report = gradcheck(|x| x[0].sin(), &[expanded]).unwrap();
    assert!(report.passed() && report.findings[0].compared == 6, "{report}");
}

#[test]
fn parts_without_a_gradient_do_no_harm() {
    // A float that can't be differentiated, an input that nothing depends on, a detached factor's own gradient.
    let (x, unused) = (leaf([0.5, -1.5]), leaf([1.0]));
    let report = gradcheck(|x| x[0].sign()?.mul(&x[0].square()?), &[x, unused]).unwrap();
    assert!(report.passed() && report.findings.len() == 2, "{report}");
}

#[test]
fn a_gradient_that_detach_leaves_out_is_found() {
    let report = gradcheck(|x| x[0].mul(&x[0].detach()), &[leaf([0.5, -1.5])]).unwrap();
    assert_eq!(report.findings[0].wrong, 2, "{report}");
    // No gate is to blame: each does what it says.
    assert!(report.faults.is_empty(), "{report}");
}

#[test]
fn a_network_in_training_mode_with_dropout_can_be_checked() {
    let mut generator = Generator::new(4);
    let net = nn::Sequential::new()
        .push(nn::Linear::new(4, 6, &mut generator))
        .push(nn::Activation::Gelu)
        .push(nn::Dropout::new(0.4).unwrap())
        .push(nn::Linear::new(6, 3, &mut generator));
    let x = Tensor::from_array(Generator::new(1).randn([5, 4], DType::F32));
    let report = GradCheck::default().run(|_| net.forward(&x)?.log_softmax(1)?.square(), &[]).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.findings.len(), 4);
}

#[test]
fn large_and_small_gradients_are_judged_by_their_own_size() {
    for scale in [1e-150, 1e-9, 1.0, 1e9, 1e150] {
        let right = gradcheck(|x| x[0].sin()?.mul(scale), &[leaf([0.5, 1.0])]).unwrap();
        assert!(right.passed(), "{scale}: {right}");
        let wrong =
            gradcheck(|x| Tensor::apply(TooSteep, &[&x[0]])?.mul(scale), &[leaf([0.5, 1.0])]).unwrap();
        assert_eq!(wrong.findings[0].wrong, 2, "{scale}: {wrong}");
    }
}

chainrule::gates! {
    /// `y = eˣ` with a derivative that is too large by a share.
    Inflated { by: f64 }(x) -> y as "inflated" {
        value: x.exp();
        local: [y + by * y];
        samples: vec![];
    }
}

#[test]
fn single_precision_finds_errors_of_a_hundredth() {
    let x = tensor([0.3, 1.2]).requires_grad_(true).unwrap();
    for (by, passes) in [(0.0, true), (1e-4, true), (1e-2, false), (0.05, false)] {
        let report =
            gradcheck(|x| Tensor::apply(Inflated { by }, &[&x[0]]), std::slice::from_ref(&x)).unwrap();
        assert_eq!((report.passed(), report.findings[0].compared), (passes, 2), "{by}: {report}");
    }
}

#[test]
fn what_rounding_swallows_is_not_called_right() {
    // At 10⁸ single precision has steps of 8, and sees nothing of what is added to it.
    let x = tensor([1e8, 1.0]).requires_grad_(true).unwrap();
    let report = gradcheck(|x| x[0].sum(), &[x]).unwrap();
    assert!(report.passed() && report.findings[0].undecided == [[0], [1]], "{report}");
    assert!(report.to_string().contains("too rough to tell"), "{report}");
    // A jump has a derivative on neither side that differences could find.
    let report = gradcheck(|x| x[0].floor()?.add(&x[0]), &[leaf([1.5, 2.0])]).unwrap();
    assert!(report.passed() && report.findings[0].undecided == [[1]], "{report}");
}

#[test]
fn functions_without_a_derivative_to_compare_with_are_refused() {
    let calls = Cell::new(0.0);
    let refusals: [(&str, Result<chainrule::check::Report>); 4] = [
        ("is NaN at [0]", gradcheck(|x| x[0].log(), &[leaf([-1.0, 1.0])])),
        ("is inf at []", gradcheck(|x| x[0].reciprocal(), &[leaf(0.0)])),
        (
            "when it is called again",
            gradcheck(
                |x| {
                    calls.set(calls.get() + 1.0);
                    x[0].mul(calls.get())
                },
                &[leaf([1.5])],
            ),
        ),
        (
            "where one of them moves a little",
            gradcheck(|x| x[0].expand([if x[0].item()? > 1.5 { 2 } else { 1 }]), &[leaf(1.5)]),
        ),
    ];
    for (expected, result) in refusals {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
