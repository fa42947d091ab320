//! Expression trees as data: nested lists, which any language can walk.
//!
//! A number is a number, a name a string, and everything else a list of the operation's name and its
//! operands: `x*2` is `["mul", "x", 2]`. A choice is `["if_gt", a, b, yes, no]` (`if_ge`, `if_eq`), a vector
//! `["vector", …]`, and numbers that JSON doesn't have are `["inf"]`, `["neg", ["inf"]]` and `["nan"]`.

use serde::ser::{Serialize, SerializeSeq, SerializeStruct, Serializer};

use super::Formula;
use super::expr::{Comparison, Expr, Kind};

fn list<'a, S: Serializer>(
    serializer: S,
    head: &str,
    operands: impl IntoIterator<Item = &'a Expr>,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    list.serialize_element(head)?;
    for operand in operands {
        list.serialize_element(operand)?;
    }
    list.end()
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.kind() {
            Kind::Number(x) if x.is_nan() => list(serializer, "nan", []),
            Kind::Number(x) if *x == f64::INFINITY => list(serializer, "inf", []),
            Kind::Number(x) if x.is_infinite() => list(serializer, "neg", [&Expr::number(-x)]),
            // Whole numbers without a point: they are the same number, and shorter.
            Kind::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 => serializer.serialize_i64(*x as i64),
            Kind::Number(x) => serializer.serialize_f64(*x),
            Kind::Symbol(name) => serializer.serialize_str(name),
            Kind::Neg(..) => list(serializer, "neg", self.parts()),
            Kind::Add(..) => list(serializer, "add", self.parts()),
            Kind::Sub(..) => list(serializer, "sub", self.parts()),
            Kind::Mul(..) => list(serializer, "mul", self.parts()),
            Kind::Div(..) => list(serializer, "div", self.parts()),
            Kind::Pow(..) => list(serializer, "pow", self.parts()),
            Kind::Call(function, _) => list(serializer, function.name(), self.parts()),
            Kind::Choose(Comparison::Greater, _) => list(serializer, "if_gt", self.parts()),
            Kind::Choose(Comparison::GreaterOrEqual, _) => list(serializer, "if_ge", self.parts()),
            Kind::Choose(Comparison::Equal, _) => list(serializer, "if_eq", self.parts()),
            Kind::Vector(_) => list(serializer, "vector", self.parts()),
        }
    }
}

/// Everything a page needs to show and to run a gate: texts, MathML, and (elementwise gates) the trees.
impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = |of: fn(&Formula, usize) -> Option<String>| -> Vec<String> {
            let inputs = match self {
                Formula::Elementwise { inputs, .. } => inputs.len(),
                Formula::Rule { gradients, .. } => gradients.len(),
            };
            (0..inputs).filter_map(|i| of(self, i)).collect()
        };
        let mut map = serializer.serialize_struct("Formula", 7)?;
        map.serialize_field("text", &self.to_string())?;
        map.serialize_field("gradients", &all(Formula::gradient))?;
        map.serialize_field("mathml", &self.to_mathml())?;
        map.serialize_field("gradients_mathml", &all(Formula::gradient_to_mathml))?;
        if let Formula::Elementwise { inputs, value, local } = self {
            map.serialize_field("inputs", inputs)?;
            map.serialize_field("value", value)?;
            map.serialize_field("local", local)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formula::Function;
    use crate::gate;
    use serde_json::{Value, json};

    /// The evaluator that a page would have, written against the JSON alone.
    fn run(tree: &Value, names: &[(&str, f64)]) -> f64 {
        let of = |tree: &Value| run(tree, names);
        match tree {
            Value::Number(x) => x.as_f64().unwrap(),
            Value::String(name) => names.iter().find(|(n, _)| n == name).expect(name).1,
            Value::Array(list) => {
                let (head, a) = (list[0].as_str().unwrap(), &list[1..]);
                let choice = |yes: bool| of(&a[if yes { 2 } else { 3 }]);
                match head {
                    "neg" => -of(&a[0]),
                    "add" => of(&a[0]) + of(&a[1]),
                    "sub" => of(&a[0]) - of(&a[1]),
                    "mul" => of(&a[0]) * of(&a[1]),
                    "div" => of(&a[0]) / of(&a[1]),
                    "pow" => of(&a[0]).powf(of(&a[1])),
                    "exp" => of(&a[0]).exp(),
                    "expm1" => of(&a[0]).exp_m1(),
                    "log" => of(&a[0]).ln(),
                    "log1p" => of(&a[0]).ln_1p(),
                    "sqrt" => of(&a[0]).sqrt(),
                    "sin" => of(&a[0]).sin(),
                    "cos" => of(&a[0]).cos(),
                    "tanh" => of(&a[0]).tanh(),
                    "sigmoid" => 1.0 / (1.0 + (-of(&a[0])).exp()),
                    "erf" => libm::erf(of(&a[0])),
                    "relu" => of(&a[0]).max(0.0),
                    "abs" => of(&a[0]).abs(),
                    "sign" if of(&a[0]) == 0.0 => 0.0,
                    "sign" => of(&a[0]).signum(),
                    "max" => a.iter().map(of).fold(f64::NEG_INFINITY, f64::max),
                    "min" => a.iter().map(of).fold(f64::INFINITY, f64::min),
                    "if_gt" => choice(of(&a[0]) > of(&a[1])),
                    "if_ge" => choice(of(&a[0]) >= of(&a[1])),
                    "if_eq" => choice(of(&a[0]) == of(&a[1])),
                    "inf" => f64::INFINITY,
                    "nan" => f64::NAN,
                    other => panic!("{other} is unknown"),
                }
            }
            other => panic!("{other} in a tree"),
        }
    }

    #[test]
    fn trees_are_nested_lists() {
        let tree = |text: &str| serde_json::to_value(Expr::parse(text).unwrap()).unwrap();
        assert_eq!(tree("(x+y)*-2.5"), json!(["mul", ["add", "x", "y"], ["neg", 2.5]]));
        assert_eq!(tree("max(a, b, 3)"), json!(["max", "a", "b", 3]));
        assert_eq!(tree("dot([1, x], w)"), json!(["dot", ["vector", 1, "x"], "w"]));
        let relu = Expr::call(Function::Relu, [Expr::symbol("x")]).derivative("x").unwrap();
        assert_eq!(serde_json::to_value(relu).unwrap(), json!(["if_gt", "x", 0, 1, 0]));
        let infinite = serde_json::to_value(Expr::number(f64::NEG_INFINITY)).unwrap();
        assert_eq!(infinite, json!(["neg", ["inf"]]));
    }

    /// The exported trees compute what the gates compute, forward and backward.
    #[test]
    fn trees_of_gates_compute_what_the_gates_compute() {
        let mut checked = 0;
        for entry in gate::table() {
            for sample in (entry.samples)().iter().filter(|s| s.refused.is_none() && s.smooth) {
                let formula = serde_json::to_value(sample.gate.formula()).unwrap();
                let Some(value) = formula.get("value") else { continue };
                let first: Option<Vec<f64>> =
                    sample.inputs.iter().map(|x| x.to_f64_vec().first().copied()).collect();
                let Some(first) = first.filter(|_| sample.inputs.iter().all(|x| x.dtype().is_float())) else {
                    continue;
                };
                let point: Vec<crate::Tensor> = first
                    .iter()
                    .map(|&x| {
                        crate::Tensor::from_array(crate::Array::scalar(x)).requires_grad_(true).unwrap()
                    })
                    .collect();
                let y = crate::Tensor::apply(sample.gate.clone(), &point.iter().collect::<Vec<_>>()).unwrap();
                let mut names: Vec<(&str, f64)> = formula["inputs"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .zip(&first)
                    .map(|(name, &x)| (name.as_str().unwrap(), x))
                    .collect();
                let same =
                    |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(1.0);
                assert!(same(y.item().unwrap(), run(value, &names)), "{}: {value}", entry.name);
                names.push(("y", y.item().unwrap()));
                if y.requires_grad() {
                    y.backward().unwrap();
                    for (x, local) in point.iter().zip(formula["local"].as_array().unwrap()) {
                        if let Some(gradient) = x.grad() {
                            let expected = gradient.item().unwrap();
                            assert!(same(expected, run(local, &names)), "{}: {local}", entry.name);
                        }
                    }
                }
                checked += 1;
            }
        }
        assert!(checked > 60, "{checked} samples were compared");
    }
}
