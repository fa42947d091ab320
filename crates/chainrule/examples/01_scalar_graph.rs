//! The first graphs of every lecture on backpropagation: (x + y)·z at (−2, 5, −4), and a sigmoid neuron.

use chainrule::graph::Local;
use chainrule::{ComputationalGraph, Result, param};

fn main() -> Result<()> {
    let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    let q = &x + &y;
    q.retain_grad()?; // keep ∂L/∂q too
    let loss = &q * &z;
    println!("loss  = {loss}");

    loss.backward()?;
    for (name, value) in [("x", &x), ("y", &y), ("z", &z), ("q", &q)] {
        if let Some(gradient) = value.grad() {
            println!("∂L/∂{name} = {gradient}");
        }
    }

    // 1/(1 + exp(−(w0·x0 + w1·x1 + w2))), gate by gate: upstream × local gradient is what is passed on.
    let [w0, x0, w1, x1, w2] = [2.0, -1.0, -3.0, -2.0, -3.0].map(param);
    let mut neuron =
        ComputationalGraph::record(|| (&w0 * &x0 + &w1 * &x1 + &w2).neg()?.exp()?.add(1.0)?.reciprocal())?;
    for (i, name) in ["w0", "x0", "w1", "x1", "w2"].iter().enumerate() {
        neuron.rename(&format!("x{i}"), &format!("_{name}"))?;
    }
    println!("\nneuron = {:.2}", neuron.forward(&[])?.item()?);
    let gradients = neuron.backward()?;
    println!("gate             value  upstream  local gradients");
    for gate in neuron.gates()? {
        let upstream = gate.upstream.as_ref().map_or(Ok(0.0), |g| g.item())?;
        print!("{:<16} {:>5.2}  {upstream:>8.2} ", gate.formula.to_string(), gate.value.item()?);
        for input in &gate.inputs {
            if let Local::Values(local) = &input.local {
                print!(" {:.2}", local.item()?);
            }
        }
        println!();
    }
    for (name, gradient) in gradients {
        println!("∂L/∂{} = {:.2}", name.trim_start_matches('_'), gradient.item()?);
    }
    Ok(())
}
