//! (x + y)·z at (−2, 5, −4): the first graph of every lecture on backpropagation.

use chainrule::{Result, param};

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
    Ok(())
}
