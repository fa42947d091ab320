//! p = σ(W²σ(W¹x + b¹) + b²), and what its hidden layer φ(x) learned: as a CSV table, and drawn in a plane.
//!
//! Run it with `cargo run --release -p chainrule --features plot --example 04_two_layers`.

use std::fmt::Write as _;

use chainrule::models::Mlp;
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Adam, Optimizer};
use chainrule::{Generator, Result, Tensor, data, io, no_grad, plot};

fn main() -> Result<()> {
    let digits = data::digits();
    let x = Tensor::from_array(data::Scaler::by_largest(&digits).apply(&digits.features)?);
    let target = Tensor::from_vec(digits.labels.clone(), [digits.len()])?;

    // d → p → k: 64 pixels, 2 hidden units (so that they can be drawn in a plane), 10 classes.
    let net = Mlp::build(&[64, 2, 10], Activation::Sigmoid, &mut Generator::new(0))?;
    for (name, parameter) in net.named_parameters() {
        println!("{name:<9} {}", parameter.shape());
    }
    let mut adam = Adam::new(&net.parameters(), 0.05);
    for step in 0..400 {
        adam.zero_grad();
        let loss = net.forward(&x)?.cross_entropy(&target)?;
        loss.backward()?;
        adam.step()?;
        if step % 100 == 99 {
            println!("step {:>3}: loss {:.4}", step + 1, loss.item()?);
        }
    }

    let hidden = no_grad(|| net.activations(&x))?[1].to_vec::<f32>()?;
    let mut table = String::from("phi1,phi2,digit\n");
    for (phi, label) in hidden.chunks(2).zip(&digits.labels) {
        writeln!(table, "{},{},{label}", phi[0], phi[1])
            .map_err(|e| chainrule::Error::argument(e.to_string()))?;
    }
    let folder = std::env::temp_dir();
    let path = folder.join("chainrule-hidden-layer.csv");
    io::write_atomic(&path, table.as_bytes())?;
    println!("the hidden layer of {} digits is in {}", digits.len(), path.display());

    let points: Vec<[f64; 2]> = hidden.chunks(2).map(|phi| [phi[0].into(), phi[1].into()]).collect();
    for ending in ["png", "svg"] {
        let picture = folder.join(format!("chainrule-hidden-layer.{ending}"));
        plot::scatter(&points, &digits.labels, &digits.classes, &picture)?;
        println!("and drawn in {}", picture.display());
    }
    Ok(())
}
