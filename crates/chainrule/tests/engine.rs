//! The engine's rules: leaves, accumulation, freed graphs, hooks, modes, deep graphs.

#![allow(clippy::unwrap_used)]

use chainrule::{param, tensor};

#[test]
fn lecture_first() {
    let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    let loss = (&x + &y) * &z;
    assert_eq!(loss.to_string(), "tensor(-12., grad_fn=<MulBackward0>)");
    loss.backward().unwrap();
    assert_eq!(x.grad().unwrap().to_string(), "tensor(-4.)");
    assert_eq!(z.grad().unwrap().to_string(), "tensor(3.)");
    let _ = tensor([1.0]);
}

#[test]
fn deep() {
    let x = param(0.5);
    let mut y = x.clone();
    for _ in 0..500_000 {
        y = y * 1.0001;
        y = y + 0.0001;
    }
    y.backward().unwrap();
    drop(y);
    assert!(x.grad().is_some());
}
