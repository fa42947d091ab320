//! Symbolic derivatives, simplified to what one would write by hand.

use super::expr::{Comparison, Expr, Function, Kind};
use crate::error::{Error, Result};

fn number(x: f64) -> Expr {
    Expr::number(x)
}

impl Expr {
    /// The derivative with respect to a name, simplified.
    ///
    /// # Errors
    /// The expression holds a vector, which has no derivative of this kind.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!(Expr::parse("(x+y)*z")?.derivative("x")?.to_string(), "z");
    /// assert_eq!(Expr::parse("x^3")?.derivative("x")?.to_string(), "3*x^2");
    /// assert_eq!(Expr::parse("1/(1+exp(-x))")?.derivative("x")?.to_string(), "exp(-x)/(1 + exp(-x))^2");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn derivative(&self, name: &str) -> Result<Expr> {
        Ok(self.differentiate(name)?.simplify())
    }

    fn differentiate(&self, name: &str) -> Result<Expr> {
        // Also where it has no derivative, as √0: a constant doesn't move.
        if !self.mentions(name) {
            return Ok(number(0.0));
        }
        let d = |e: &Expr| e.differentiate(name);
        Ok(match self.kind() {
            Kind::Number(_) => number(0.0),
            Kind::Symbol(own) => number(if own == name { 1.0 } else { 0.0 }),
            Kind::Neg(a) => -d(a)?,
            Kind::Add(a, b) => d(a)? + d(b)?,
            Kind::Sub(a, b) => d(a)? - d(b)?,
            Kind::Mul(a, b) => d(a)? * b.clone() + a.clone() * d(b)?,
            Kind::Div(a, b) => match b.mentions(name) {
                false => d(a)? / b.clone(),
                true => (d(a)? * b.clone() - a.clone() * d(b)?) / b.clone().pow(number(2.0)),
            },
            Kind::Pow(a, b) => match b.mentions(name) {
                false => b.clone() * a.clone().pow(b.clone() - number(1.0)) * d(a)?,
                // 0ˣ is 0 on both sides, though it has no logarithm.
                true if a.simplify().as_number() == Some(0.0) => number(0.0),
                true if !a.mentions(name) => self.clone() * Expr::call(Function::Log, [a.clone()]) * d(b)?,
                true => {
                    let log = Expr::call(Function::Log, [a.clone()]);
                    self.clone() * (d(b)? * log + b.clone() * d(a)? / a.clone())
                }
            },
            Kind::Call(function, arguments) => self.differentiate_call(*function, arguments, name)?,
            Kind::Choose(comparison, parts) => {
                let [a, b, yes, no] = &**parts;
                Expr::choose(*comparison, [a.clone(), b.clone(), d(yes)?, d(no)?])
            }
            Kind::Vector(_) => {
                return Err(Error::argument("a vector has no symbolic derivative here")
                    .hint("take one of its elements, or sum it"));
            }
        })
    }

    fn differentiate_call(&self, function: Function, arguments: &[Expr], name: &str) -> Result<Expr> {
        let x = &arguments[0];
        match function {
            Function::Max | Function::Min => self.differentiate_extreme(function, arguments, name),
            Function::Sum => match x.kind() {
                Kind::Vector(elements) => {
                    let parts = elements.iter().map(|e| e.differentiate(name)).collect::<Result<Vec<_>>>()?;
                    Ok(parts.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| number(0.0)))
                }
                _ => Err(no_vector(function)),
            },
            Function::Dot => match (x.kind(), arguments[1].kind()) {
                (Kind::Vector(a), Kind::Vector(b)) if a.len() == b.len() => {
                    let parts = a.iter().zip(b).map(|(a, b)| (a.clone() * b.clone()).differentiate(name));
                    let parts = parts.collect::<Result<Vec<_>>>()?;
                    Ok(parts.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| number(0.0)))
                }
                _ => Err(no_vector(function)),
            },
            _ => Ok(self.local(function, x)? * x.differentiate(name)?),
        }
    }

    /// The local gradient of this call of an elementwise function of one argument.
    pub(super) fn local(&self, function: Function, x: &Expr) -> Result<Expr> {
        let call = |f: Function, x: &Expr| Expr::call(f, [x.clone()]);
        Ok(match function {
            Function::Exp => self.clone(),
            Function::Expm1 => call(Function::Exp, x),
            Function::Log => number(1.0) / x.clone(),
            Function::Log1p => number(1.0) / (number(1.0) + x.clone()),
            Function::Sqrt => number(1.0) / (number(2.0) * self.clone()),
            Function::Sin => call(Function::Cos, x),
            Function::Cos => -call(Function::Sin, x),
            Function::Tanh => number(1.0) - self.clone().pow(number(2.0)),
            Function::Sigmoid => self.clone() * (number(1.0) - self.clone()),
            Function::Erf => {
                number(std::f64::consts::FRAC_2_SQRT_PI) * call(Function::Exp, &-(x.clone().pow(number(2.0))))
            }
            Function::Relu => {
                Expr::choose(Comparison::Greater, [x.clone(), number(0.0), number(1.0), number(0.0)])
            }
            Function::Abs => call(Function::Sign, x),
            Function::Sign => number(0.0),
            Function::Max | Function::Min | Function::Sum | Function::Dot | Function::Softmax => {
                return Err(no_vector(function));
            }
        })
    }

    fn differentiate_extreme(&self, function: Function, arguments: &[Expr], name: &str) -> Result<Expr> {
        let (first, rest) = (&arguments[0], &arguments[1..]);
        if rest.is_empty() {
            return first.differentiate(name);
        }
        let rest = if rest.len() == 1 { rest[0].clone() } else { Expr::call(function, rest.to_vec()) };
        let (a, b) = match function {
            Function::Max => (first.clone(), rest.clone()),
            _ => (rest.clone(), first.clone()),
        };
        Ok(Expr::choose(Comparison::Greater, [a, b, first.differentiate(name)?, rest.differentiate(name)?]))
    }

    /// Whether the name occurs in the expression.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// let e = Expr::parse("sin(w*x)")?;
    /// assert!(e.mentions("w") && !e.mentions("b"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn mentions(&self, name: &str) -> bool {
        match self.kind() {
            Kind::Symbol(own) => own == name,
            _ => self.parts().into_iter().any(|part| part.mentions(name)),
        }
    }
}

fn no_vector(function: Function) -> Error {
    Error::argument(format!(
        "{} of a vector that isn't spelled out has no symbolic derivative here",
        function.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(e: &Expr, x: f64, y: f64) -> f64 {
        let of = |e: &Expr| value(e, x, y);
        match e.kind() {
            Kind::Number(n) => *n,
            Kind::Symbol(name) => {
                if name == "x" {
                    x
                } else {
                    y
                }
            }
            Kind::Neg(a) => -of(a),
            Kind::Add(a, b) => of(a) + of(b),
            Kind::Sub(a, b) => of(a) - of(b),
            Kind::Mul(a, b) => of(a) * of(b),
            Kind::Div(a, b) => of(a) / of(b),
            Kind::Pow(a, b) => of(a).powf(of(b)),
            Kind::Call(function, arguments) => {
                let a = of(&arguments[0]);
                match function {
                    Function::Exp => a.exp(),
                    Function::Log => a.ln(),
                    Function::Sqrt => a.sqrt(),
                    Function::Sin => a.sin(),
                    Function::Cos => a.cos(),
                    Function::Tanh => a.tanh(),
                    Function::Sigmoid => 1.0 / (1.0 + (-a).exp()),
                    Function::Relu => a.max(0.0),
                    Function::Abs => a.abs(),
                    Function::Sign => a.signum(),
                    Function::Max => a.max(of(&arguments[1])),
                    Function::Min => a.min(of(&arguments[1])),
                    other => panic!("{other:?} is not in these tests"),
                }
            }
            Kind::Choose(_, parts) => {
                if of(&parts[0]) > of(&parts[1]) {
                    of(&parts[2])
                } else {
                    of(&parts[3])
                }
            }
            Kind::Vector(_) => panic!("no vectors in these tests"),
        }
    }

    #[test]
    fn derivatives_read_as_if_written_by_hand() {
        for (text, expected) in [
            ("(x+y)*y", "y"),
            ("x*x", "2*x"),
            ("x^3", "3*x^2"),
            ("3*x + y", "3"),
            ("sigmoid(x)", "sigmoid(x)*(1 - sigmoid(x))"),
            ("tanh(x)", "1 - tanh(x)^2"),
            ("exp(-x)", "-exp(-x)"),
            ("log(x)", "1/x"),
            ("y/x", "-y/x^2"),
            ("sin(2*x)", "2*cos(2*x)"),
            ("max(x, y)", "1 if x > y else 0"),
            ("dot([x, 2], [y, x])", "y + 2"),
            ("1/(1+exp(-x))", "exp(-x)/(1 + exp(-x))^2"),
        ] {
            assert_eq!(Expr::parse(text).unwrap().derivative("x").unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn derivatives_and_simplifications_keep_their_values() {
        for text in [
            "x^2*y - 3*x/y + exp(-x*y)",
            "sin(x)*cos(y*x)^2",
            "log(x^2 + 1)/sqrt(x + 2)",
            "tanh(x*y) - sigmoid(x)^3",
            "x^y + y^x",
            "(x - y)/(x + y)/x",
            "-(-x)*-y + 2*(3*x)",
            "abs(x - 2)*relu(y - x)",
            "min(x*y, x + y, 3)",
            "1/(1/(x+1)) + x/x",
            "(x^2)^0.5 + (x*2)*(3*x)",
        ] {
            let e = Expr::parse(text).unwrap();
            let d = e.derivative("x").unwrap();
            for (x, y) in [(0.7, 1.3), (1.9, 0.4), (1.1, 2.2)] {
                let simple = value(&e.simplify(), x, y);
                assert!((simple - value(&e, x, y)).abs() < 1e-9, "{text} simplifies to {}", e.simplify());
                let h = 1e-5;
                let difference = (value(&e, x + h, y) - value(&e, x - h, y)) / (2.0 * h);
                assert!(
                    (value(&d, x, y) - difference).abs() < 1e-6 * difference.abs().max(1.0),
                    "{text}: {d} at {x}, {y}"
                );
            }
        }
    }
}
