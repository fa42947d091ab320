//! A physics-informed network: it solves u'' = −u with u(0) = 0 and u'(0) = 1, and is never shown the solution, sin.
//!
//! The loss holds the network's own second derivative by its input, and is itself differentiated by the weights: third
//! derivatives in all. `… --example 13_physics_informed -- --full [PICTURE.png]` learns until it is accurate.

use std::path::PathBuf;

use chainrule::models::Mlp;
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Adam, Optimizer, Schedule, Scheduler};
use chainrule::tensor::Backward;
use chainrule::{Generator, Result, Tensor, no_grad, plot};

/// The derivative of y by x, at every point, as part of the graph.
fn derivative(y: &Tensor, x: &Tensor) -> Result<Tensor> {
    let total = y.sum()?;
    let gradient = Backward::of(&[&total]).create_graph(true).gradients(&[x])?.swap_remove(0);
    gradient.ok_or_else(|| chainrule::Error::autograd("y doesn't depend on x"))
}

fn main() -> Result<()> {
    let steps = if std::env::args().any(|argument| argument == "--full") { 4000 } else { 200 };
    let net = Mlp::build(&[1, 24, 24, 1], Activation::Tanh, &mut Generator::new(0))?;
    let mut adam = Adam::new(&net.parameters(), 5e-3);
    let mut scheduler = Scheduler::new(Schedule::Cosine { steps, minimum: 0.0 }, &mut adam);

    const END: f64 = 2.0 * std::f64::consts::PI;
    let points = |n: usize| Tensor::linspace(0.0, END, n).reshape([n, 1]);
    let x = points(64)?.requires_grad_(true)?;
    for step in 0..steps {
        let u = net.call(&x)?;
        let slope = derivative(&u, &x)?;
        let curve = derivative(&slope, &x)?;
        // u'' + u = 0 everywhere; u(0) = 0 and u'(0) = 1.
        let equation = curve.add(&u)?.square()?.mean()?;
        let start = u.select(0, 0)?.square()?.sum()?.add(&slope.select(0, 0)?.sub(1.0)?.square()?.sum()?)?;
        let loss = equation.add(&start)?;
        adam.zero_grad();
        loss.backward()?;
        adam.step()?;
        scheduler.step(&mut adam);
        x.zero_grad();
        if (step + 1) % (steps / 4) == 0 {
            println!("step {:>4}: loss {:.6}", step + 1, loss.item()?);
        }
    }

    let places = points(120)?;
    let found = no_grad(|| net.call(&places))?.to_f64_vec();
    let places = places.to_f64_vec();
    let worst = places.iter().zip(&found).fold(0.0f64, |most, (x, u)| most.max((u - x.sin()).abs()));
    println!("furthest from sin: {worst:.4}");

    let mut dots: Vec<[f64; 2]> = places.iter().zip(&found).map(|(&x, &u)| [x, u]).collect();
    dots.extend(places.iter().map(|&x| [x, x.sin()]));
    let labels: Vec<i64> = (0..dots.len()).map(|i| i64::from(i >= places.len())).collect();
    let path = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .map_or_else(|| std::env::temp_dir().join("chainrule-physics.png"), PathBuf::from);
    plot::scatter(&dots, &labels, &["the network".into(), "sin".into()], &path)?;
    println!("drawn in {}", path.display());
    Ok(())
}
