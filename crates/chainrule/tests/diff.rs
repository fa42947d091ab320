//! Derivatives of functions, forward mode and checkpointing.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule::nn::{Activation, Dropout, Linear, Module, Sequential, checkpoint_sequential};
use chainrule::{Backward, DType, Generator, Result, Tensor, diff, manual_seed, no_grad, param, tensor};

fn f64s<const N: usize>(values: [f64; N]) -> Tensor {
    Tensor::new(values, DType::F64).unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in a.to_f64_vec().iter().zip(b.to_f64_vec()) {
        assert!((a - b).abs() <= 1e-10 * (1.0 + b.abs()), "{a} and {b}");
    }
}

/// A function with two inputs and two outputs, made of gates of all kinds of tangent rules.
fn mixed(x: &[Tensor]) -> Result<[Tensor; 2]> {
    let product = x[0].matmul(&x[1])?;
    let first = product.tanh()?.sum_dim(&[1], false)?.mul(&x[1].mean()?)?;
    let second = x[0].softmax(-1)?.logsumexp(&[0], false)?;
    Ok([first, second])
}

fn points() -> (Tensor, Tensor) {
    (
        f64s([0.1, -0.4, 0.8, 0.3, 0.9, -0.2]).reshape([2, 3]).unwrap(),
        f64s([0.5, -0.1, 0.2, 0.7, -0.6, 0.3]).reshape([3, 2]).unwrap(),
    )
}

#[test]
fn row_31_both_modes_give_the_same_jacobian() {
    let (a, b) = points();
    let jacobian = diff::jacobian(mixed, &[&a, &b]).unwrap();
    assert_eq!((jacobian.len(), jacobian[0].len()), (2, 2));
    assert_eq!(&jacobian[1][0].shape()[..], &[3, 2, 3]);
    let (u, v) = (a.mul(0.3).unwrap(), b.mul(-0.7).unwrap());
    let (outputs, tangents) = diff::jvp(mixed, &[&a, &b], &[&u, &v]).unwrap();
    for (o, (y, tangent)) in outputs.iter().zip(&tangents).enumerate() {
        let along = |i: usize, direction: &Tensor| {
            let rows = jacobian[o][i].reshape([y.elements(), direction.elements()]).unwrap();
            rows.matmul(&direction.flatten(0, -1).unwrap()).unwrap().reshape(y.shape()).unwrap()
        };
        close(tangent, &along(0, &u).add(&along(1, &v)).unwrap());
    }
    let upstream: Vec<Tensor> = outputs.iter().map(|y| y.mul(2.0).unwrap().add(0.5).unwrap()).collect();
    let (_, gradients) = diff::vjp(mixed, &[&a, &b], &[&upstream[0], &upstream[1]]).unwrap();
    let inner = |a: &[Tensor], b: &[&Tensor]| -> f64 {
        a.iter().zip(b).map(|(a, b)| a.mul(*b).unwrap().sum().unwrap().item().unwrap()).sum()
    };
    let (left, right) = (inner(&tangents, &[&upstream[0], &upstream[1]]), inner(&gradients, &[&u, &v]));
    assert!((left - right).abs() < 1e-12, "{left} and {right}");
}

#[test]
fn row_31_few_inputs_go_forward_and_many_go_backward_to_the_same_end() {
    let spread = |x: &[Tensor]| x[0].mul(&f64s([1.0, 2.0, 3.0, 4.0]))?.sin();
    let wide = diff::jacobian(spread, &[&Tensor::new(0.3, DType::F64).unwrap()]).unwrap();
    close(&wide[0][0], &f64s([1.0, 2.0, 3.0, 4.0].map(|k: f64| k * (0.3 * k).cos())));
    let tall = diff::jacobian(|x| x[0].pow(2.0)?.sum(), &[&f64s([1.0, 2.0, 3.0])]).unwrap();
    close(&tall[0][0], &f64s([2.0, 4.0, 6.0]));
    // An output that doesn't depend on the input, and an input without elements.
    let none = diff::jacobian(|_| Ok(tensor([1.0, 2.0])), &[&tensor([3.0])]).unwrap();
    assert_eq!(none[0][0].to_vec::<f32>().unwrap(), [0.0, 0.0]);
    let empty = diff::jacobian(|x| x[0].mul(2.0), &[&Tensor::zeros([0])]).unwrap();
    assert_eq!(&empty[0][0].shape()[..], &[0, 0]);
}

#[test]
fn row_32_hessians_by_every_combination_of_modes() {
    let f = |x: &[Tensor]| x[0].mul(&x[1])?.exp()?.sum()?.add(x[0].pow(3.0)?.sum()?);
    let (a, b) = (f64s([0.2, -0.5]), f64s([1.0, 0.4]));
    let hessian = diff::hessian(f, &[&a, &b]).unwrap();
    let (u, v) = (f64s([0.3, 1.1]), f64s([-0.8, 0.5]));
    let (g1, forward_over_backward) = diff::hvp(f, &[&a, &b], &[&u, &v]).unwrap();
    let (g2, backward_over_backward) = diff::vhp(f, &[&a, &b], &[&u, &v]).unwrap();
    let backward_over_forward =
        diff::grad(|x| Ok(diff::jvp(f, &[&x[0], &x[1]], &[&u, &v])?.1.remove(0)), &[&a, &b]).unwrap();
    let forward_over_forward = |i: usize, e: usize| {
        let unit = |own: bool| f64s([0, 1].map(|place| f64::from(u8::from(own && place == e))));
        diff::jvp(
            |x| Ok(diff::jvp(f, &[&x[0], &x[1]], &[&u, &v])?.1.remove(0)),
            &[&a, &b],
            &[&unit(i == 0), &unit(i == 1)],
        )
        .unwrap()
        .1
        .remove(0)
        .item()
        .unwrap()
    };
    for i in 0..2 {
        close(&g1[i], &g2[i]);
        let row = hessian[i][0].matmul(&u).unwrap().add(hessian[i][1].matmul(&v).unwrap()).unwrap();
        close(&forward_over_backward[i], &row);
        close(&backward_over_backward[i], &row);
        close(&backward_over_forward[i], &row);
        close(&f64s([forward_over_forward(i, 0), forward_over_forward(i, 1)]), &row);
    }
}

#[test]
fn row_32_derivatives_of_derivatives_reach_outer_parameters() {
    // d/dw of dx-gradient: f = w·x², f' = 2wx, d/dw f' = 2x.
    let w = param(3.0);
    let gradient = diff::grad(|x| x[0].pow(2.0)?.mul(&x[1]), &[&param(5.0), &w]).unwrap();
    gradient[0].backward().unwrap();
    assert_eq!(w.grad().unwrap().item().unwrap(), 10.0);
    // Nobody's `.grad` is touched by a derivative that isn't nested.
    let x = tensor(5.0);
    assert!(!diff::grad(|x| x[0].pow(2.0), &[&x]).unwrap()[0].requires_grad());
    assert!(x.grad().is_none() && !x.requires_grad());
}

#[test]
fn row_31_wrong_numbers_and_shapes_are_refused() {
    let x = tensor([1.0, 2.0]);
    let error = diff::grad(|x| x[0].mul(2.0), &[&x]).unwrap_err().to_string();
    assert!(error.contains("one number"), "{error}");
    let error = diff::grad(|x| Ok([x[0].clone(), x[0].clone()]), &[&x]).unwrap_err().to_string();
    assert!(error.contains("2 tensors"), "{error}");
    let error = diff::jvp(|x| x[0].mul(2.0), &[&x], &[]).unwrap_err().to_string();
    assert!(error.contains("one tangent an input"), "{error}");
    let error = diff::vjp(|x| x[0].mul(2.0), &[&x], &[&tensor(1.0)]).unwrap_err().to_string();
    assert!(error.contains("upstream gradient 0"), "{error}");
}

#[test]
fn row_33_forward_mode_runs_the_function_once_and_no_backward() {
    let runs = AtomicUsize::new(0);
    let x = f64s([0.5, 1.5]);
    let (_, tangents) = diff::jvp(
        |x| {
            runs.fetch_add(1, Ordering::Relaxed);
            x[0].sin()?.mul(&x[0])
        },
        &[&x],
        &[&f64s([1.0, 1.0])],
    )
    .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    close(&tangents[0], &f64s([0.5, 1.5].map(|x: f64| x.sin() + x * x.cos())));
    // Detached values are constants, and dropout keeps its mask.
    let (y, t) = diff::jvp(|x| x[0].detach().mul(&x[0]), &[&x], &[&f64s([1.0, 1.0])]).unwrap();
    close(&t[0], &x);
    close(&y[0], &x.mul(&x).unwrap());
    let ones = Tensor::new([1.0; 64], DType::F64).unwrap();
    let (y, t) = diff::jvp(|x| x[0].dropout(0.5), &[&ones], &[&ones]).unwrap();
    close(&t[0], &y[0]);
}

/// A deep network as one segment after another, plain or checkpointed.
fn deep(x: &Tensor, weights: &[Tensor], checkpointed: bool) -> Result<Tensor> {
    let mut x = x.clone();
    for w in weights {
        let w = w.clone();
        let segment = move |x: &[Tensor]| Ok(vec![x[0].matmul(&w)?.tanh()?.dropout(0.3)?]);
        x = if checkpointed { diff::checkpoint(segment, &[&x])? } else { segment(&[x])? }.remove(0);
    }
    x.sum()
}

#[test]
fn row_30_checkpointed_gradients_are_the_same_bits_with_dropout_inside() {
    manual_seed(7);
    let x = Tensor::randn([4, 8]).requires_grad_(true).unwrap();
    let weights: Vec<Tensor> = (0..5).map(|_| Tensor::randn([8, 8]).requires_grad_(true).unwrap()).collect();
    let run = |checkpointed: bool| {
        manual_seed(11);
        let loss = deep(&x, &weights, checkpointed).unwrap();
        let after = Tensor::rand([1]).item().unwrap();
        loss.backward().unwrap();
        let gradients: Vec<Vec<f32>> = weights
            .iter()
            .chain([&x])
            .map(|w| {
                let gradient = w.grad().unwrap().to_vec::<f32>().unwrap();
                w.zero_grad();
                gradient
            })
            .collect();
        (loss.item().unwrap(), after, gradients)
    };
    assert_eq!(run(false), run(true));
    // Without gradients nothing is recorded.
    assert!(no_grad(|| deep(&x, &weights, true)).unwrap().is_leaf());
}

#[test]
fn row_30_checkpoints_run_again_in_backward_only_and_can_be_differentiated_twice() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let x = Tensor::new(0.5, DType::F64).unwrap().requires_grad_(true).unwrap();
    let y = diff::checkpoint(
        move |x| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(vec![x[0].sin()?])
        },
        &[&x],
    )
    .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let first =
        chainrule::Backward::of(&[&y[0]]).create_graph(true).gradients(&[&x]).unwrap().remove(0).unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert!((first.item().unwrap() - 0.5f64.cos()).abs() < 1e-15);
    let second = chainrule::grad(&[&first], &[&x]).unwrap();
    assert!((second[0].item().unwrap() + 0.5f64.sin()).abs() < 1e-15);
}

#[test]
fn row_30_hooks_of_captured_parameters_run_once() {
    let w = param(3.0);
    w.register_hook(|g| Some(g * 10.0)).unwrap();
    let own = w.clone();
    let x = param(2.0);
    diff::checkpoint(move |x| Ok(vec![x[0].mul(&own)?]), &[&x]).unwrap()[0].backward().unwrap();
    assert_eq!(w.grad().unwrap().item().unwrap(), 20.0);
}

#[test]
fn row_30_inputs_that_depend_on_each_other_count_once_in_graphs_of_the_gradient() {
    // y = a·b with b = a²: dy/da = 3a², d²y/da² = 6a.
    let a = Tensor::new(1.5, DType::F64).unwrap().requires_grad_(true).unwrap();
    let b = a.square().unwrap();
    let y = diff::checkpoint(|x| Ok(vec![x[0].mul(&x[1])?]), &[&a, &b]).unwrap().remove(0);
    let first = Backward::of(&[&y]).create_graph(true).gradients(&[&a]).unwrap().remove(0).unwrap();
    close(&first, &Tensor::new(6.75, DType::F64).unwrap());
    close(&chainrule::grad(&[&first], &[&a]).unwrap()[0], &Tensor::new(9.0, DType::F64).unwrap());
}

#[test]
fn row_30_chains_of_modules_in_segments_give_the_same_bits() {
    let mut generator = Generator::new(1);
    let net = (0..7).fold(Sequential::new(), |net, _| {
        net.push(Linear::new(6, 6, &mut generator)).push(Activation::Tanh).push(Dropout::new(0.3).unwrap())
    });
    let net = Arc::new(net);
    manual_seed(5);
    let x = Tensor::randn([3, 6]);
    let run = |segments: Option<usize>| {
        manual_seed(9);
        let y = match segments {
            None => net.call(&x),
            Some(segments) => checkpoint_sequential(&net, segments, &x),
        };
        let loss = y.unwrap().square().unwrap().sum().unwrap();
        loss.backward().unwrap();
        let bits = |x: &Tensor| x.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let mut all = vec![bits(&loss)];
        for parameter in net.parameters() {
            all.push(bits(&parameter.grad().unwrap()));
            parameter.zero_grad();
        }
        all
    };
    let plain = run(None);
    for segments in [1, 2, 4, 5, 21, 100] {
        assert_eq!(run(Some(segments)), plain, "{segments} segments");
    }
    assert!(checkpoint_sequential(&net, 0, &x).unwrap_err().to_string().contains("at least one segment"));
    let empty = Arc::new(Sequential::new());
    assert_eq!(checkpoint_sequential(&empty, 3, &x).unwrap().to_f64_vec(), x.to_f64_vec());

    // With other parameters in place of its own, also when the segments run again.
    let zeros: Vec<Tensor> =
        net.parameters().iter().map(|p| p.zeros_like().requires_grad_(true).unwrap()).collect();
    let names = net.named_parameters();
    let values: Vec<(&str, Tensor)> =
        names.iter().map(|(name, _)| &name[..]).zip(zeros.iter().cloned()).collect();
    #[derive(Debug)]
    struct InSegments(Arc<Sequential>);
    impl Module for InSegments {
        fn forward(&self, x: &Tensor) -> Result<Tensor> {
            checkpoint_sequential(&self.0, 4, x)
        }
        fn children(&self) -> Vec<(String, &dyn Module)> {
            self.0.children()
        }
    }
    let y = InSegments(net.clone()).functional_call(&values, &x).unwrap();
    assert!(y.to_f64_vec().iter().all(|&y| y == 0.0));
    y.sum().unwrap().backward().unwrap();
    assert!(zeros.iter().all(|w| w.grad().is_some()));
    assert!(net.parameters().iter().all(|w| w.grad().is_none()));
}

#[test]
fn row_31_batches_of_upstream_gradients_go_through_one_sweep() {
    let (a, b) = points();
    let (a, b) = (a.requires_grad_(true).unwrap(), b.requires_grad_(true).unwrap());
    // Broadcasting, views, reductions, a gate that loops (cumsum), and a scalar.
    let y = a
        .matmul(&b)
        .unwrap()
        .add(&a.sum().unwrap())
        .unwrap()
        .transpose(0, 1)
        .unwrap()
        .cumsum(0)
        .unwrap()
        .mul(&b.select(0, 1).unwrap())
        .unwrap();
    let rows =
        f64s([1.0, -2.0, 0.5, 3.0, 0.0, 1.0, 1.0, -1.0, 2.0, 0.1, 0.2, 0.3]).reshape([3, 2, 2]).unwrap();
    let pass = |create: bool| {
        Backward::of(&[&y])
            .upstream(&[&rows])
            .is_grads_batched(true)
            .retain_graph(true)
            .create_graph(create)
            .gradients(&[&a, &b])
            .unwrap()
    };
    let (plain, graphed) = (pass(false), pass(true));
    for i in 0..3 {
        let row = rows.select(0, i).unwrap();
        let alone = Backward::of(&[&y]).upstream(&[&row]).retain_graph(true).gradients(&[&a, &b]).unwrap();
        for (batch, graph, alone) in plain.iter().zip(&graphed).zip(&alone).map(|((a, b), c)| (a, b, c)) {
            let alone = alone.as_ref().unwrap();
            close(&batch.as_ref().unwrap().select(0, i).unwrap(), alone);
            close(&graph.as_ref().unwrap().select(0, i).unwrap(), alone);
        }
    }
    // A graph of the batch: the second derivative through it equals differences of the Hessian's product.
    let total = graphed[1].as_ref().unwrap().square().unwrap().sum().unwrap();
    let second = chainrule::grad(&[&total], &[&a]).unwrap().remove(0);
    assert!(second.to_f64_vec().iter().any(|&x| x != 0.0));

    let refused = |upstream: &Tensor, what: &str| {
        let error = Backward::of(&[&y])
            .upstream(&[upstream])
            .is_grads_batched(true)
            .retain_graph(true)
            .gradients(&[&a])
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(&f64s([1.0, 1.0]), "followed by its output's shape");
    refused(&Tensor::zeros([0, 2, 2]), "at least one");
    let error = Backward::of(&[&y]).upstream(&[&rows]).is_grads_batched(true).accumulate().unwrap_err();
    assert!(error.to_string().contains("can't be accumulated"), "{error}");
    let error = Backward::of(&[&y.sum().unwrap()]).is_grads_batched(true).gradients(&[&a]).unwrap_err();
    assert!(error.to_string().contains("no batch of upstream"), "{error}");
}

#[test]
fn row_31_jacobians_by_either_mode_and_of_more_rows_than_a_batch() {
    let (a, b) = points();
    let (forward, backward) =
        (diff::jacfwd(mixed, &[&a, &b]).unwrap(), diff::jacrev(mixed, &[&a, &b]).unwrap());
    for o in 0..2 {
        for i in 0..2 {
            close(&forward[o][i], &backward[o][i]);
        }
    }
    let many =
        Tensor::new((0..150).map(f64::from).collect::<Vec<_>>(), DType::F64).unwrap().mul(0.01).unwrap();
    let jacobian = diff::jacrev(|x| x[0].sin(), &[&many]).unwrap();
    let expected = many.cos().unwrap().diag_embed(0, -2, -1).unwrap();
    close(&jacobian[0][0], &expected);
}

#[test]
fn row_31_strict_functions_depend_on_every_input() {
    let (x, y) = (tensor([1.0, 2.0]), tensor([3.0, 4.0]));
    let good = |x: &[Tensor]| Ok([x[0].mul(&x[1])?, x[1].exp()?.add(&x[0])?]);
    let (plain, strict) =
        (diff::jacobian(good, &[&x, &y]).unwrap(), diff::jacobian(diff::strict(good), &[&x, &y]).unwrap());
    for (a, b) in plain.iter().flatten().zip(strict.iter().flatten()) {
        assert_eq!(a.to_f64_vec(), b.to_f64_vec());
    }
    let message = |f: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>| {
        let f = diff::strict(f);
        let first = diff::jacobian(&f, &[&x, &y]).unwrap_err().to_string();
        let second = diff::jvp(&f, &[&x, &y], &[&x, &y]).unwrap_err().to_string();
        let third = diff::vjp(&f, &[&x, &y], &[&x, &x]).unwrap_err().to_string();
        assert!(first == second && second == third, "{first}, {second}, {third}");
        first
    };
    let text = message(&|x| Ok(vec![x[0].mul(&x[1])?, x[1].exp()?]));
    assert!(text.contains("output 1 of the function doesn't depend on input 0"), "{text}");
    let text = message(&|x| Ok(vec![x[0].detach(), x[1].clone()]));
    assert!(text.contains("output 0 of the function doesn't require a gradient"), "{text}");
    // The gradient of a linear function doesn't depend on where it is taken.
    let linear = |x: &[Tensor]| x[0].mul(3.0)?.sum();
    assert!(diff::hessian(linear, &[&x]).unwrap()[0][0].to_f64_vec().iter().all(|&h| h == 0.0));
    let gradient = diff::strict(|x: &[Tensor]| diff::grad(linear, &[&x[0]]));
    assert!(diff::jacobian(gradient, &[&x]).is_err());
}

#[test]
fn row_32_linearised_functions_run_once() {
    let runs = AtomicUsize::new(0);
    let (a, b) = points();
    let counted = |x: &[Tensor]| {
        runs.fetch_add(1, Ordering::Relaxed);
        mixed(x)
    };
    let (outputs, linear) = diff::linearize(counted, &[&a, &b]).unwrap();
    for scale in [1.0, -0.5] {
        let (u, v) = (a.mul(scale).unwrap(), b.sin().unwrap());
        let (values, expected) = diff::jvp(mixed, &[&a, &b], &[&u, &v]).unwrap();
        for (o, tangent) in linear.apply(&[&u, &v]).unwrap().iter().enumerate() {
            close(tangent, &expected[o]);
            close(&outputs[o], &values[o]);
        }
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert!(linear.apply(&[&a]).unwrap_err().to_string().contains("one tangent an input"));
}

#[test]
fn row_32_modules_are_functions_of_their_parameters() {
    let net = Sequential::new()
        .push(Linear::new(2, 3, &mut Generator::new(0)))
        .push(Activation::Tanh)
        .push(Linear::new(3, 1, &mut Generator::new(1)));
    let x = Tensor::ones([4, 2]);
    let names = net.named_parameters();
    let own: Vec<&Tensor> = names.iter().map(|(_, parameter)| parameter).collect();
    let loss = |w: &[Tensor]| {
        let values: Vec<(&str, Tensor)> =
            names.iter().map(|(name, _)| &name[..]).zip(w.iter().cloned()).collect();
        net.functional_call(&values, &x)?.square()?.sum()
    };
    let gradients = diff::grad(loss, &own).unwrap();
    net.call(&x).unwrap().square().unwrap().sum().unwrap().backward().unwrap();
    for (parameter, gradient) in own.iter().zip(&gradients) {
        assert_eq!(parameter.grad().unwrap().to_f64_vec(), gradient.to_f64_vec());
    }
    // The Hessian of a network by its parameters is symmetric.
    let hessian = diff::hessian(loss, &own).unwrap();
    let (ab, ba) = (&hessian[0][2], &hessian[2][0]);
    let flat = |h: &Tensor, rows: usize| h.reshape([rows, h.elements() / rows]).unwrap();
    let (ab, ba) = (flat(ab, 6), flat(ba, 3).t().unwrap());
    for (a, b) in ab.to_f64_vec().iter().zip(ba.to_f64_vec()) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
    let error = net.functional_call(&[("3.weight", x.clone())], &x).unwrap_err().to_string();
    assert!(error.contains("no parameter or buffer called 3.weight"), "{error}");
    let error = net.functional_call(&[("0.weight", x.clone())], &x).unwrap_err().to_string();
    assert!(error.contains("0.weight has the shape [3, 2]"), "{error}");
}

/// `Σ sin(x)·e^y·x`, its middle in a checkpoint or not.
fn in_segments(x: &[Tensor], checkpointed: bool) -> Result<Tensor> {
    let segment = |x: &[Tensor]| Ok(vec![x[0].sin()?.mul(x[1].exp()?)?]);
    let middle = match checkpointed {
        true => diff::checkpoint(segment, &[&x[0], &x[1]])?,
        false => segment(x)?,
    };
    middle[0].mul(&x[0])?.sum()
}

#[test]
fn rows_30_to_32_derivatives_of_checkpoints_in_both_modes_and_of_derivatives() {
    let (x, y) = (f64s([0.3, -1.2, 2.0]), f64s([0.5, 0.1, -0.7]));
    let (dx, dy) = (f64s([1.0, -0.5, 0.25]), f64s([0.3, 0.7, -1.0]));
    let plain = |x: &[Tensor]| in_segments(x, false);
    let kept = |x: &[Tensor]| in_segments(x, true);
    // The second derivatives of a function with checkpoints are those of the function.
    let expected = diff::hessian(plain, &[&x, &y]).unwrap();
    let found = diff::hessian(kept, &[&x, &y]).unwrap();
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        close(found, expected);
    }
    // Forward mode through a checkpoint, and forward over backward.
    let (_, expected) = diff::jvp(plain, &[&x, &y], &[&dx, &dy]).unwrap();
    let (_, found) = diff::jvp(kept, &[&x, &y], &[&dx, &dy]).unwrap();
    close(&found[0], &expected[0]);
    let (_, expected) = diff::hvp(plain, &[&x, &y], &[&dx, &dy]).unwrap();
    let (_, found) = diff::hvp(kept, &[&x, &y], &[&dx, &dy]).unwrap();
    found.iter().zip(&expected).for_each(|(found, expected)| close(found, expected));
    // The Jacobian of a directional derivative is the Hessian in that direction, by every mode of the outer one.
    let directional = |x: &[Tensor]| Ok(diff::jvp(kept, &[&x[0], &x[1]], &[&dx, &dy])?.1);
    for jacobian in [
        diff::jacobian(directional, &[&x, &y]).unwrap(),
        diff::jacfwd(directional, &[&x, &y]).unwrap(),
        diff::jacrev(directional, &[&x, &y]).unwrap(),
    ] {
        jacobian[0].iter().zip(&expected).for_each(|(found, expected)| close(found, expected));
    }
}
