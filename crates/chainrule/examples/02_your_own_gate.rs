//! A gate of your own, checked by the same laws as the built-in ones; and one that is wrong, and is named.

use chainrule::check::{gradcheck, laws};
use chainrule::gate::Sample;
use chainrule::{Array, DType, Result, Tensor};

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
    println!("laws broken by SignedSquare: {}", laws::check(&SignedSquare::ENTRY).len());

    let x = Tensor::new([-3.0, 2.0], DType::F64)?.requires_grad_(true)?;
    let report = gradcheck(|x| Tensor::apply(Forgetful, &[&x[0]])?.tanh()?.sum(), &[x])?;
    println!("{report}");
    assert!(!report.passed() && report.faults[0].gate == "Forgetful");
    Ok(())
}
