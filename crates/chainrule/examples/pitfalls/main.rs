//! Every way in which a parameter doesn't learn, in one network: its explorer page says of each parameter why its
//! gradient is zero, missing or NaN, and names the gate responsible.
//!
//! An argument names the page's file; otherwise it goes into the folder for temporary files.

use chainrule::explorer::Explorer;
use chainrule::nn::{Module, Owned, current};
use chainrule::{DType, Result, Tensor, no_grad, tensor};

/// What a layer makes of its input times its weight.
type Run = fn(&Tensor) -> Result<Tensor>;

/// A layer with one parameter.
#[derive(Debug)]
struct Case {
    name: &'static str,
    weight: Tensor,
    run: Run,
}

impl Module for Case {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        (self.run)(&current(&self.weight).mul(x)?)?.sum()
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        vec![("weight", Owned::Parameter(self.weight.clone()))]
    }
}

/// All cases side by side, and a parameter that no gate reads.
#[derive(Debug)]
struct Pitfalls {
    cases: Vec<Case>,
    forgotten: Tensor,
}

impl Module for Pitfalls {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut total = tensor(0.0);
        for case in &self.cases {
            total = total.add(&case.call(x)?)?;
        }
        Ok(total)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        vec![("forgotten", Owned::Parameter(self.forgotten.clone()))]
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        self.cases.iter().map(|case| (case.name.to_string(), case as &dyn Module)).collect()
    }
}

/// Each layer's name, every element of its weight, and what it makes of `x·weight`.
const CASES: [(&str, f64, Run); 19] = [
    ("learns", 1.0, |z| z.square()),
    ("detached", 1.0, |z| z.detach().exp()),
    ("under_no_grad", 1.0, |z| no_grad(|| z.exp())),
    ("integer", 1.0, |z| z.cast(DType::I64)?.cast(DType::F32)),
    ("compared", 1.0, |z| z.gt(0.5)?.cast(DType::F32)),
    ("leads_nowhere", 1.0, |z| {
        z.exp()?;
        Ok(tensor([1.0; 20]))
    }),
    ("dead_relu", -1.0, |z| z.relu()),
    ("dropped", 1.0, |z| z.dropout(1.0)),
    ("masked", 1.0, |z| z.mul(&Tensor::zeros([20]))),
    ("not_chosen", 1.0, |z| z.gt(2.0)?.where_(z, &Tensor::zeros([20]))),
    ("smaller", 1.0, |z| z.maximum(&tensor([2.0; 20]))),
    ("clamped", 9.0, |z| z.clamp(-1.0, 1.0)),
    ("rounded", 1.3, |z| z.round()),
    ("saturated", 90.0, |z| z.tanh()),
    // Rows of four: quarters, whose sum isn't rounded.
    ("probabilities", 1.0, |z| z.reshape([5, 4])?.softmax(1)?.reshape([20])),
    ("cancelled", 1.0, |z| z.sub(z)),
    ("vanished", 1.0, |z| z.mul(1e-30)?.mul(1e-30)),
    ("root_at_zero", 0.0, |z| z.sqrt()),
    ("chosen_too_late", 0.0, |z| z.gt(0.0)?.where_(&z.log()?, &Tensor::zeros([20]))),
];

fn main() -> Result<()> {
    let parameter = |x: f64| tensor([x; 20]).requires_grad_(true);
    let cases = CASES.into_iter().map(|(name, x, run)| Ok(Case { name, weight: parameter(x)?, run }));
    let network = Pitfalls { cases: cases.collect::<Result<_>>()?, forgotten: parameter(1.0)? };
    let page = Explorer::of_network(&network, &Tensor::ones([20]), |y| y.add(0.0))?;
    let path = std::env::args()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("chainrule-pitfalls.html"), Into::into);
    page.title("Why don't these parameters learn?").save(&path)?;
    println!("open {} in a browser", path.display());
    Ok(())
}
