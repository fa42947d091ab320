//! Gates of your own: the lecture's, in a graph made by hand; one that is checked by the same laws as the
//! built-in ones; and one that is wrong, and is named.

use chainrule::check::{gradcheck, laws};
use chainrule::gate::{Context, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves};
use chainrule::{Array, ComputationalGraph, DType, Formula, Meta, Result, Tensor, tensor};

/// `z = x·y`, as a lecture writes it: `forward(x, y)` and `backward(dz) → [dx, dy]`.
#[derive(Debug)]
struct MultiplyGate;

impl Gate for MultiplyGate {
    fn name(&self) -> &'static str {
        "Multiply"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let (x, y) = (inputs[0].item()?, inputs[1].item()?);
        Ok([Array::scalar((x * y) as f32)].into())
    }
    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::input(1)
    }
    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(dz) = &upstream[0] else { return Ok(needs.none()) };
        let (dx, dy) = (dz.mul(&saved.input(1)?)?, dz.mul(&saved.input(0)?)?);
        Ok([Some(dx), Some(dy)].into_iter().collect())
    }
    fn formula(&self) -> Formula {
        Formula::rule("z = x·y", ["∂L/∂x = dz·y", "∂L/∂y = dz·x"])
    }
}

chainrule::gates! {
    /// `y = x·|x|`: a square that keeps its sign.
    SignedSquare(x) -> y as "signed_square" {
        value: x * x.abs();
        local: [2.0 * x.abs()];
        samples: vec![Sample::new(SignedSquare, [Array::linspace_of(-2.0, 1.5, 6, DType::F64)])];
    }

    /// The same, with a factor forgotten in the derivative.
    Forgetful(x) -> y as "forgetful" {
        value: x * x.abs();
        local: [x.abs()];
        samples: vec![Sample::new(Forgetful, [Array::linspace_of(-2.0, 1.5, 6, DType::F64)])];
    }
}

fn main() -> Result<()> {
    let mut graph = ComputationalGraph::new();
    let (x, y) = (graph.input("x")?, graph.input("y")?);
    graph.add(MultiplyGate, &[x, y])?;
    println!("z = {}", graph.forward(&[("x", &tensor(3.0)), ("y", &tensor(-4.0))])?);
    for (name, gradient) in graph.backward()? {
        println!("∂z/∂{name} = {gradient}");
    }

    println!("laws broken by SignedSquare: {}", laws::check(&SignedSquare::ENTRY).len());

    let x = Tensor::new([-3.0, 2.0], DType::F64)?.requires_grad_(true)?;
    let report = gradcheck(|x| Tensor::apply(Forgetful, &[&x[0]])?.tanh()?.sum(), &[x])?;
    println!("{report}");
    assert!(!report.passed() && report.faults[0].gate == "Forgetful");
    Ok(())
}
