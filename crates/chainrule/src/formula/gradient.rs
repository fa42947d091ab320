//! Gradients of expressions in which there are vectors: backpropagation on symbols.

use super::expr::{Comparison, Expr, Function, Kind};
use crate::error::{Error, Result};

impl Expr {
    /// The gradient of an expression whose value is a number, with respect to a name, simplified.
    ///
    /// `vectors` lists the names that are vectors, and how many elements they have. The gradient with respect
    /// to a vector is an expression of the same length, or a number that holds for each element.
    ///
    /// # Errors
    /// The expression's value is a vector, or lengths don't fit.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// let loss = Expr::parse("dot(w, x) + sum(w^2)")?;
    /// let gradient = loss.gradient("w", &[("w", 3), ("x", 3)])?;
    /// assert_eq!(gradient.to_string(), "x + 2*w");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn gradient(&self, name: &str, vectors: &[(&str, usize)]) -> Result<Expr> {
        let mut pass = Pass { name, vectors, total: None };
        if pass.length(self)?.is_some() {
            return Err(Error::argument("only an expression whose value is one number has a gradient"));
        }
        pass.back(self, Expr::number(1.0))?;
        Ok(pass.total.unwrap_or_else(|| Expr::number(0.0)).simplify())
    }
}

/// A backward pass for one name.
struct Pass<'a> {
    name: &'a str,
    vectors: &'a [(&'a str, usize)],
    total: Option<Expr>,
}

impl Pass<'_> {
    /// How many elements a vector has; `None` for a number.
    fn length(&self, expr: &Expr) -> Result<Option<usize>> {
        match expr.kind() {
            Kind::Symbol(name) => {
                Ok(self.vectors.iter().find(|(vector, _)| vector == name).map(|(_, length)| *length))
            }
            Kind::Vector(elements) => Ok(Some(elements.len())),
            Kind::Call(Function::Sum | Function::Dot, _) => Ok(None),
            _ => {
                let mut longest = None;
                for part in expr.parts() {
                    match (longest, self.length(part)?) {
                        (Some(a), Some(b)) if a != b && a != 1 && b != 1 => {
                            return Err(Error::shape(format!("vectors of {a} and {b} elements don't fit")));
                        }
                        (a, b) => longest = a.max(b),
                    }
                }
                Ok(longest)
            }
        }
    }

    /// Passes the upstream gradient of `expr` on to its parts. A number stands for a vector of equal elements.
    fn back(&mut self, expr: &Expr, g: Expr) -> Result<()> {
        if !expr.mentions(self.name) {
            return Ok(());
        }
        let one = || Expr::number(1.0);
        match expr.kind() {
            Kind::Symbol(_) => {
                self.total = Some(match self.total.take() {
                    Some(total) => total + g,
                    None => g,
                });
                Ok(())
            }
            Kind::Number(_) => Ok(()),
            Kind::Neg(a) => self.down(expr, a, -g),
            Kind::Add(a, b) => {
                self.down(expr, a, g.clone())?;
                self.down(expr, b, g)
            }
            Kind::Sub(a, b) => {
                self.down(expr, a, g.clone())?;
                self.down(expr, b, -g)
            }
            Kind::Mul(a, b) => {
                self.down(expr, a, g.clone() * b.clone())?;
                self.down(expr, b, g * a.clone())
            }
            Kind::Div(a, b) => {
                self.down(expr, a, g.clone() / b.clone())?;
                self.down(expr, b, -(g * a.clone() / b.clone().pow(Expr::number(2.0))))
            }
            Kind::Pow(a, b) => {
                let lower = a.clone().pow(b.clone() - one());
                self.down(expr, a, g.clone() * (b.clone() * lower))?;
                self.down(expr, b, g * (expr.clone() * Expr::call(Function::Log, [a.clone()])))
            }
            Kind::Choose(comparison, parts) => {
                let [a, b, yes, no] = &**parts;
                let when = |x: f64, y: f64| {
                    let parts = [a.clone(), b.clone(), Expr::number(x), Expr::number(y)];
                    Expr::choose(*comparison, parts)
                };
                self.down(expr, yes, g.clone() * when(1.0, 0.0))?;
                self.down(expr, no, g * when(0.0, 1.0))
            }
            Kind::Vector(elements) => {
                for (i, element) in elements.iter().enumerate() {
                    let own = self.element(&g, i, elements.len())?;
                    self.back(element, own)?;
                }
                Ok(())
            }
            Kind::Call(function, arguments) => self.back_call(expr, *function, arguments, g),
        }
    }

    fn back_call(&mut self, expr: &Expr, function: Function, arguments: &[Expr], g: Expr) -> Result<()> {
        let x = &arguments[0];
        match function {
            Function::Sum => self.back(x, g),
            Function::Dot => {
                let y = &arguments[1];
                self.back(x, g.clone() * y.clone())?;
                self.back(y, g * x.clone())
            }
            // Softmax sums to 1 whatever x is, so equal upstream gradients have no effect.
            Function::Softmax if self.length(&g)?.is_none() => Ok(()),
            Function::Softmax => {
                let mean = Expr::call(Function::Dot, [g.clone(), expr.clone()]);
                self.back(x, expr.clone() * (g - mean))
            }
            Function::Max | Function::Min => {
                let (first, rest) = (x, &arguments[1..]);
                if rest.is_empty() {
                    return self.back(first, g);
                }
                let rest =
                    if rest.len() == 1 { rest[0].clone() } else { Expr::call(function, rest.to_vec()) };
                let (a, b) = match function {
                    Function::Max => (first.clone(), rest.clone()),
                    _ => (rest.clone(), first.clone()),
                };
                let when = |x: f64, y: f64| {
                    let parts = [a.clone(), b.clone(), Expr::number(x), Expr::number(y)];
                    Expr::choose(Comparison::Greater, parts)
                };
                self.down(expr, first, g.clone() * when(1.0, 0.0))?;
                self.down(expr, &rest, g * when(0.0, 1.0))
            }
            _ => {
                let local = expr.local(function, x)?;
                self.back(x, g * local)
            }
        }
    }

    /// Passes on to a part; one that was broadcast is passed the sum.
    fn down(&mut self, whole: &Expr, part: &Expr, g: Expr) -> Result<()> {
        let g = match (self.length(whole)?, self.length(part)?, self.length(&g)?) {
            (Some(_), None, Some(_)) => Expr::call(Function::Sum, [g]),
            (Some(n), None, None) => Expr::number(n as f64) * g,
            _ => g,
        };
        self.back(part, g)
    }

    /// The element of a vector that stands at this place; a number is its own element.
    fn element(&self, vector: &Expr, i: usize, of: usize) -> Result<Expr> {
        if self.length(vector)?.is_none() {
            return Ok(vector.clone());
        }
        let at = |e: &Expr| self.element(e, i, of);
        Ok(match vector.kind() {
            Kind::Vector(elements) if elements.len() == of => elements[i].clone(),
            Kind::Neg(a) => -at(a)?,
            Kind::Add(a, b) => at(a)? + at(b)?,
            Kind::Sub(a, b) => at(a)? - at(b)?,
            Kind::Mul(a, b) => at(a)? * at(b)?,
            Kind::Div(a, b) => at(a)? / at(b)?,
            Kind::Pow(a, b) => at(a)?.pow(at(b)?),
            // Any other vector: its scalar product with a unit vector.
            _ => {
                let unit = (0..of).map(|j| Expr::number(f64::from(u8::from(i == j)))).collect();
                Expr::call(Function::Dot, [vector.clone(), Expr::vector(unit)])
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, ComputationalGraph, DType, Tensor};

    fn value(expr: &Expr, given: &[(&str, &Tensor)]) -> Array {
        // An expression without an operation has no graph.
        let expr = expr.clone() + Expr::number(0.0);
        let names = expr.symbols();
        let given: Vec<(&str, &Tensor)> =
            given.iter().copied().filter(|(name, _)| names.iter().any(|own| own == name)).collect();
        ComputationalGraph::from_expr(&expr).unwrap().forward(&given).unwrap().array()
    }

    #[test]
    fn gradients_by_hand_read_well() {
        let vectors = [("v", 3), ("w", 3)];
        for (text, name, expected) in [
            ("sum(v)", "v", "1"),
            ("dot(v, w)", "v", "w"),
            ("sum(v*w)", "w", "v"),
            ("sum(v^2)", "v", "2*v"),
            ("dot(v, v)", "v", "2*v"),
            ("sum(x + v)", "x", "3"),
            ("sum(x*v)", "x", "sum(v)"),
            ("sum(softmax(v))", "v", "0"),
            ("dot([x, y], [2, 3])", "y", "3"),
            ("log(sum(exp(v)))", "v", "exp(v)/sum(exp(v))"),
        ] {
            let gradient = Expr::parse(text).unwrap().gradient(name, &vectors).unwrap();
            assert_eq!(gradient.to_string(), expected, "{text}");
        }
        assert!(Expr::parse("v*w").unwrap().gradient("v", &vectors).is_err());
        assert!(Expr::parse("sum([1,2]*v)").unwrap().gradient("v", &vectors).is_err());
    }

    #[test]
    fn gradients_by_hand_are_what_backpropagation_finds() {
        let double = |values: Vec<f64>| {
            let shape = [values.len()];
            Tensor::from_array(Array::from_vec(values, shape).unwrap())
        };
        let (v, w) = (double(vec![0.5, -1.2, 2.0]), double(vec![1.5, 0.3, -0.7]));
        let x = Tensor::new(0.8, DType::F64).unwrap();
        let given = [("v", &v), ("w", &w), ("x", &x)];
        for text in [
            "-log(dot(softmax(v), [0,1,0])) + 0*x*sum(w)",
            "sum(softmax(v*x)*w)",
            "dot(tanh(v), sigmoid(w))*x^2",
            "sum(max(v, w, x))/sum(exp(w))",
            "dot([x, 2*x, x^2], softmax(w)) - sum(min(v, 0))",
            "sum([x, sum(v), 3]*v)^2 + dot(w, relu(w))",
            "dot(softmax([x, sum(v), x*x]), w)",
            "sum(abs(v)^x)/x + sum(x/(w + 3))",
            "sum(log1p(v^2)) * sqrt(sum(w*w)) * x",
        ] {
            let expr = Expr::parse(text).unwrap();
            let mut graph = ComputationalGraph::from_expr(&expr).unwrap();
            let used: Vec<(&str, &Tensor)> =
                given.iter().copied().filter(|(name, _)| graph.inputs().contains(name)).collect();
            graph.forward(&used).unwrap();
            for (name, found) in graph.backward().unwrap() {
                let by_hand = expr.gradient(&name, &[("v", 3), ("w", 3)]).unwrap();
                let expected = found.to_f64_vec();
                let mut own = value(&by_hand, &given).to_f64_vec();
                if own.len() == 1 {
                    own = vec![own[0]; expected.len()];
                }
                let close = own.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-10 * b.abs().max(1.0));
                assert!(
                    own.len() == expected.len() && close,
                    "{text}: ∂/∂{name} = {by_hand}\n{own:?}\n{expected:?}"
                );
            }
        }
    }
}
