//! Random expressions: what simplification and printing keep, and symbolic derivatives against backpropagation.
#![allow(clippy::unwrap_used)]

use chainrule::formula::Expr;
use chainrule::{ComputationalGraph, DType, Tensor};

/// Marsaglia's xorshift: the same expressions on every machine.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.throw(of.len() as u64) as usize]
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.throw(1 << 30) as f64 / (1u64 << 30) as f64
    }

    fn expression(&mut self, depth: u32) -> String {
        if depth == 0 || self.throw(8) == 0 {
            return self.pick(&["x", "x", "y", "z", "0", "1", "2", "0.5", "1e-2", "-1"]).to_string();
        }
        let a = self.expression(depth - 1);
        match self.throw(9) {
            0..=3 => {
                let sign = self.pick(&["+", "-", "*", "/"]);
                format!("({a}{sign}{})", self.expression(depth - 1))
            }
            4 => format!("({a})^{}", self.pick(&["2", "3", "0.5", "-1", "-2", "x", "0"])),
            5 => format!("-{a}"),
            6 => format!("{}({a}, {})", self.pick(&["max", "min"]), self.expression(depth - 1)),
            _ => {
                let functions =
                    ["exp", "sin", "cos", "log", "tanh", "sigmoid", "sqrt", "relu", "abs", "erf", "log1p"];
                format!("{}({a})", self.pick(&functions))
            }
        }
    }
}

type Point = [(&'static str, f64); 3];

/// The graph of the expression, run at a point.
fn run(expr: &Expr, at: &Point) -> (ComputationalGraph, f64) {
    // A name alone has no graph.
    let mut graph = ComputationalGraph::from_expr(&(expr.clone() + Expr::number(0.0))).unwrap();
    let tensors = at.map(|(name, value)| (name, Tensor::new(value, DType::F64).unwrap()));
    let given: Vec<(&str, &Tensor)> =
        tensors.iter().filter(|(name, _)| expr.mentions(name)).map(|(name, x)| (*name, x)).collect();
    let value = graph.forward(&given).unwrap().item().unwrap();
    (graph, value)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-8 * b.abs().max(1.0)
}

#[test]
fn random_expressions_keep_their_values_and_have_the_right_derivatives() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut values, mut derivatives) = (0, 0);
    for _ in 0..1500 {
        let text = dice.expression(4);
        let expr = Expr::parse(&text).unwrap();
        let simple = expr.simplify();
        // Nothing is said of divisions by 0, which can vanish.
        if simple.to_string().contains("/0") || simple.to_string().contains("0)") {
            continue;
        }
        let at =
            [("x", dice.between(0.1, 3.0)), ("y", dice.between(-2.0, 2.0)), ("z", dice.between(0.0, 2.0))];
        let (mut graph, value) = run(&expr, &at);
        if !value.is_finite() {
            continue;
        }
        values += 1;
        for other in
            [&simple, &Expr::parse(&expr.to_string()).unwrap(), &Expr::parse(&simple.to_string()).unwrap()]
        {
            let own = run(other, &at).1;
            assert!(close(own, value), "{text} as {other} at {at:?}: {own}, not {value}");
        }
        for printed in [expr.to_string(), simple.to_string()] {
            assert!(
                !["+ -", "- -", "*-", "/-", "--"].iter().any(|signs| printed.contains(signs)),
                "{printed}"
            );
        }
        if expr.symbols().is_empty() {
            continue;
        }
        for (name, gradient) in graph.backward().unwrap() {
            let gradient = gradient.item().unwrap();
            if !gradient.is_finite() || gradient.abs() > 1e9 {
                continue;
            }
            let derivative = expr.derivative(&name).unwrap();
            let by_hand = run(&derivative, &at).1;
            assert!(
                close(by_hand, gradient),
                "d({text})/d{name} = {derivative} at {at:?}: {by_hand}, not {gradient}"
            );
            derivatives += 1;
        }
    }
    assert!(values > 700 && derivatives > 900, "{values} values and {derivatives} derivatives were compared");
}
