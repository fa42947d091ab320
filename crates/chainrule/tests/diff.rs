//! Derivatives of functions, forward mode and checkpointing.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule::{DType, Result, Tensor, diff, manual_seed, no_grad, param, tensor};

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
