//! Simplification to what one would write by hand: sums and products are taken apart into terms and factors, equal
//! ones are put together, and the rest is written down again in its order.

use super::expr::{Comparison, Expr, Function, Kind};

impl Expr {
    /// An equal expression, as one would write it by hand.
    ///
    /// Equal where both have a value: `x/x` becomes 1, also though it has none at 0.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!(Expr::parse("1*x + 0 - -y")?.simplify().to_string(), "x + y");
    /// assert_eq!(Expr::parse("(x + 2) + (x + 1)")?.simplify().to_string(), "2*x + 3");
    /// assert_eq!(Expr::parse("6*x*y*x/(4*y)")?.simplify().to_string(), "3*x^2/2");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn simplify(&self) -> Expr {
        match self.kind() {
            Kind::Number(_) | Kind::Symbol(_) => self.clone(),
            Kind::Neg(a) => negate(a.simplify()),
            Kind::Add(a, b) => sum(&a.simplify(), &b.simplify(), 1.0),
            Kind::Sub(a, b) => sum(&a.simplify(), &b.simplify(), -1.0),
            Kind::Mul(a, b) => product(&a.simplify(), &b.simplify(), 1.0),
            Kind::Div(a, b) => product(&a.simplify(), &b.simplify(), -1.0),
            Kind::Pow(a, b) => power(a.simplify(), b.simplify()),
            Kind::Call(function, arguments) => call(*function, arguments),
            Kind::Vector(elements) => Expr::vector(elements.iter().map(Expr::simplify).collect()),
            Kind::Choose(comparison, parts) => {
                let [a, b, yes, no] = [0, 1, 2, 3].map(|i| parts[i].simplify());
                match (a.as_number(), b.as_number()) {
                    _ if yes == no => yes,
                    (Some(a), Some(b)) if holds(*comparison, a, b) => yes,
                    (Some(_), Some(_)) => no,
                    _ => Expr::choose(*comparison, [a, b, yes, no]),
                }
            }
        }
    }
}

fn number(x: f64) -> Expr {
    Expr::number(x)
}

fn holds(comparison: Comparison, a: f64, b: f64) -> bool {
    match comparison {
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
        Comparison::Equal => a == b,
    }
}

fn negate(a: Expr) -> Expr {
    match a.kind() {
        Kind::Number(x) => number(-x),
        Kind::Neg(inner) => inner.clone(),
        // A difference turns around; the sign stays in front of a sum.
        Kind::Sub(..) => {
            let mut terms = Terms::default();
            terms.add(&a, -1.0);
            terms.write()
        }
        _ => -a,
    }
}

/// `a + sign·b`
fn sum(a: &Expr, b: &Expr, sign: f64) -> Expr {
    let mut terms = Terms::default();
    terms.add(a, 1.0);
    terms.add(b, sign);
    terms.write()
}

/// A sum: each term without its number, and that number. The constant's term is 1.
#[derive(Default)]
struct Terms(Vec<(Expr, f64)>);

impl Terms {
    fn add(&mut self, e: &Expr, factor: f64) {
        let (term, factor) = match e.kind() {
            Kind::Add(a, b) => {
                self.add(a, factor);
                return self.add(b, factor);
            }
            Kind::Sub(a, b) => {
                self.add(a, factor);
                return self.add(b, -factor);
            }
            Kind::Neg(a) => return self.add(a, -factor),
            Kind::Number(x) => (number(1.0), factor * x),
            Kind::Mul(x, rest) if x.as_number().is_some() => {
                (rest.clone(), factor * x.as_number().unwrap_or(1.0))
            }
            _ => (e.clone(), factor),
        };
        match self.0.iter_mut().find(|(other, _)| *other == term) {
            Some((_, total)) => *total += factor,
            None => self.0.push((term, factor)),
        }
    }

    fn write(mut self) -> Expr {
        self.0.retain(|(_, factor)| *factor != 0.0);
        // A sum doesn't begin with a sign where it can begin without.
        if self.0.first().is_some_and(|(_, factor)| *factor < 0.0)
            && let Some(positive) = self.0.iter().position(|(_, factor)| *factor > 0.0)
        {
            self.0[..=positive].rotate_right(1);
        }
        let mut terms = self.0.into_iter();
        let term = |term: &Expr, factor: f64| product(&number(factor), term, 1.0);
        let Some((first, factor)) = terms.next() else { return number(0.0) };
        terms.fold(term(&first, factor), |sum, (next, factor)| match factor < 0.0 {
            true => sum - term(&next, -factor),
            false => sum + term(&next, factor),
        })
    }
}

/// `a·b`, or `a/b` for an exponent of −1.
fn product(a: &Expr, b: &Expr, exponent: f64) -> Expr {
    let mut factors = Factors { factors: Vec::new(), above: 1.0, below: 1.0 };
    factors.add(a, 1.0);
    factors.add(b, exponent);
    factors.write()
}

/// A product: bases with their exponents, and a fraction of numbers.
struct Factors {
    factors: Vec<(Expr, f64)>,
    above: f64,
    below: f64,
}

impl Factors {
    fn add(&mut self, e: &Expr, exponent: f64) {
        let (base, exponent) = match e.kind() {
            Kind::Number(x) if exponent == 1.0 => return self.above *= x,
            // A division by 0 stays for everybody to see.
            Kind::Number(x) if exponent == -1.0 && *x != 0.0 => return self.below *= x,
            Kind::Neg(a) if exponent.abs() == 1.0 => {
                self.above = -self.above;
                return self.add(a, exponent);
            }
            Kind::Mul(a, b) if exponent.abs() == 1.0 => {
                self.add(a, exponent);
                return self.add(b, exponent);
            }
            Kind::Div(a, b) if exponent.abs() == 1.0 => {
                self.add(a, exponent);
                return self.add(b, -exponent);
            }
            Kind::Pow(base, own) => match own.as_number() {
                Some(own) => (base.clone(), exponent * own),
                None => (e.clone(), exponent),
            },
            _ => (e.clone(), exponent),
        };
        match self.factors.iter_mut().find(|(other, _)| *other == base) {
            Some((_, total)) => *total += exponent,
            None => self.factors.push((base, exponent)),
        }
    }

    fn write(self) -> Expr {
        if self.above == 0.0 {
            return number(0.0);
        }
        let negative = (self.above < 0.0) != (self.below < 0.0);
        let (above, below) = reduced(self.above.abs(), self.below.abs());
        let side = |coefficient: f64, sign: f64| {
            let factors = self.factors.iter().filter(|(_, exponent)| exponent * sign > 0.0);
            let factors = factors.map(|(base, exponent)| power(base.clone(), number(exponent * sign)));
            let coefficient = (coefficient != 1.0).then(|| number(coefficient));
            coefficient.into_iter().chain(factors).reduce(|a, b| a * b)
        };
        let numerator = side(above, 1.0).unwrap_or_else(|| number(1.0));
        let whole = match side(below, -1.0) {
            None => numerator,
            Some(denominator) => numerator / denominator,
        };
        if negative { negate(whole) } else { whole }
    }
}

/// The fraction in lowest terms; whole where it is.
fn reduced(above: f64, below: f64) -> (f64, f64) {
    let (quotient, inverse) = (above / below, below / above);
    let whole = |x: f64| x.fract() == 0.0 && x < 2f64.powi(53);
    if below == 1.0 || whole(quotient) {
        return (quotient, 1.0);
    }
    if whole(inverse) {
        return (1.0, inverse);
    }
    if !whole(above) || !whole(below) {
        return (above, below);
    }
    // Euclid's algorithm.
    let (mut a, mut b) = (above, below);
    while b != 0.0 {
        (a, b) = (b, a % b);
    }
    (above / a, below / a)
}

fn power(a: Expr, b: Expr) -> Expr {
    let whole = |e: &Expr| e.as_number().is_some_and(|x| x.fract() == 0.0);
    match (a.kind(), b.kind()) {
        (_, Kind::Number(0.0)) => number(1.0),
        (_, Kind::Number(1.0)) | (Kind::Number(1.0), _) => a,
        (Kind::Number(x), Kind::Number(y)) if x.powf(*y).fract() == 0.0 && x.powf(*y).abs() < 1e9 => {
            number(x.powf(*y))
        }
        (_, Kind::Number(-1.0)) => product(&number(1.0), &a, -1.0),
        (Kind::Number(x), Kind::Number(n)) if *n < 0.0 && x.powf(-n).fract() == 0.0 && *x != 0.0 => {
            product(&number(1.0), &number(x.powf(-n)), -1.0)
        }
        (Kind::Neg(x), Kind::Number(n)) if n.fract() == 0.0 => match n % 2.0 == 0.0 {
            true => power(x.clone(), b),
            false => negate(power(x.clone(), b)),
        },
        // (aᵐ)ⁿ = aᵐⁿ only for whole exponents: √(x²) is |x|.
        (Kind::Pow(base, m), Kind::Number(n)) if whole(m) && n.fract() == 0.0 => {
            power(base.clone(), product(m, &b, 1.0))
        }
        _ => a.pow(b),
    }
}

fn call(function: Function, arguments: &[Expr]) -> Expr {
    let simple: Vec<Expr> = arguments.iter().map(Expr::simplify).collect();
    if matches!(function, Function::Sum | Function::Dot | Function::Softmax) {
        // v/v is a vector of ones: what holds its names also holds its length.
        let kept = arguments.iter().zip(&simple).all(|(old, new)| old.symbols() == new.symbols());
        return Expr::call(function, if kept { simple } else { arguments.to_vec() });
    }
    let numbers: Option<Vec<f64>> = simple.iter().map(Expr::as_number).collect();
    let value = numbers.and_then(|x| match function {
        Function::Exp | Function::Cos => (x[0] == 0.0).then_some(1.0),
        Function::Log => (x[0] == 1.0).then_some(0.0),
        Function::Expm1 | Function::Log1p | Function::Sin | Function::Tanh | Function::Erf => {
            (x[0] == 0.0).then_some(0.0)
        }
        Function::Sigmoid => (x[0] == 0.0).then_some(0.5),
        Function::Sqrt => Some(x[0].sqrt()).filter(|root| root.fract() == 0.0),
        Function::Relu => Some(x[0].max(0.0)),
        Function::Abs => Some(x[0].abs()),
        Function::Sign => Some(if x[0] == 0.0 { 0.0 } else { x[0].signum() }),
        Function::Max => x.into_iter().reduce(f64::max),
        Function::Min => x.into_iter().reduce(f64::min),
        Function::Softmax | Function::Dot | Function::Sum => None,
    });
    value.map_or_else(|| Expr::call(function, simple), number)
}
