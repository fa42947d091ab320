//! Formulas: what a gate computes and its local gradients, as expression trees.
//!
//! A gate's calculus is written once, in Rust, generic over the numbers it runs on. Run on symbols, it
//! becomes the expression tree from which texts, MathML, pictures and symbolic derivatives come. The tree itself
//! can be exported (`serde`): see `export` for its form.
//!
//! ```
//! use chainrule::formula::Expr;
//! let loss = Expr::parse("1/(1 + exp(-w*x))")?;
//! assert_eq!(loss.symbols(), ["w", "x"]);
//! assert_eq!(Expr::parse("x^2 + 3*x")?.derivative("x")?.to_string(), "2*x + 3");
//! # Ok::<(), chainrule::Error>(())
//! ```

mod derive;
mod export;
mod expr;
mod gradient;
mod mathml;
mod parse;
mod simplify;
mod symbol;

pub use expr::{Comparison, Expr, Function, Kind};

use symbol::Symbol;

/// What a gate computes and its local gradients, for people.
///
/// ```
/// use chainrule::Formula;
/// use chainrule::gate::{arith::Mul, functions::Exp, matmul::MatMul, Gate};
/// let Formula::Elementwise { inputs, value, local } = Mul.formula() else { unreachable!() };
/// assert_eq!((inputs, value.to_string(), local[0].to_string()), (vec!["a", "b"], "a*b".into(), "b".into()));
/// assert!(matches!(MatMul::of(2, 2).formula(), Formula::Rule { .. }));
/// ```
#[derive(Debug, Clone)]
pub enum Formula {
    /// An elementwise gate.
    Elementwise {
        /// The inputs' names.
        inputs: Vec<&'static str>,
        /// The output `y`.
        value: Expr,
        /// ∂y/∂input, one an input, in the inputs and `y`.
        local: Vec<Expr>,
    },
    /// Any other gate: the rules in words and symbols.
    Rule {
        /// What the output is.
        value: String,
        /// What is passed to each input.
        gradients: Vec<String>,
    },
}

impl Formula {
    /// A formula in words and symbols: the output, and what each input is passed.
    ///
    /// ```
    /// use chainrule::Formula;
    /// let formula = Formula::rule("Y = A·B", ["∂L/∂A = G·Bᵀ", "∂L/∂B = Aᵀ·G"]);
    /// assert_eq!(formula.to_string(), "Y = A·B");
    /// ```
    pub fn rule<const N: usize>(value: &str, gradients: [&str; N]) -> Formula {
        Formula::Rule { value: value.to_string(), gradients: gradients.map(String::from).to_vec() }
    }

    /// The local gradient of input `i`, or the rule by which its gradient is computed.
    ///
    /// The last rule serves all inputs that have none of their own.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, functions::Exp, Gate};
    /// assert_eq!(Mul.formula().gradient(1).unwrap(), "∂y/∂b = a");
    /// assert_eq!(Exp.formula().gradient(1), None); // it has one input
    /// ```
    pub fn gradient(&self, i: usize) -> Option<String> {
        match self {
            Formula::Elementwise { inputs, local, .. } => {
                Some(format!("∂y/∂{} = {}", inputs.get(i)?, local.get(i)?))
            }
            Formula::Rule { gradients, .. } => gradients.get(i).or(gradients.last()).cloned(),
        }
    }

    /// The formula as a MathML element; rules in words are text within it.
    ///
    /// ```
    /// use chainrule::gate::{GateRef, arith::Mul};
    /// let formula = GateRef::from(Mul).formula();
    /// assert!(formula.to_mathml().starts_with("<math><mrow><mi>y</mi><mo>=</mo>"));
    /// ```
    pub fn to_mathml(&self) -> String {
        match self {
            Formula::Elementwise { value, .. } => mathml::equation(&mathml::name("y"), value),
            Formula::Rule { value, .. } => mathml::text(value),
        }
    }

    /// [`Formula::gradient`] as a MathML element.
    ///
    /// ```
    /// use chainrule::gate::{functions::Exp, Gate};
    /// let mathml = Exp.formula().gradient_to_mathml(0).unwrap();
    /// assert!(mathml.starts_with("<math>") && mathml.contains("<mfrac>") && mathml.ends_with("</math>"));
    /// ```
    pub fn gradient_to_mathml(&self, i: usize) -> Option<String> {
        match self {
            Formula::Elementwise { inputs, local, .. } => {
                Some(mathml::equation(&mathml::partial(inputs.get(i)?), local.get(i)?))
            }
            Formula::Rule { .. } => Some(mathml::text(&self.gradient(i)?)),
        }
    }
}

impl std::fmt::Display for Formula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Formula::Elementwise { value, .. } => write!(f, "y = {value}"),
            Formula::Rule { value, .. } => f.write_str(value),
        }
    }
}

/// The formula of an elementwise gate: its own code, run on symbols.
pub(crate) fn of_elementwise(
    inputs: &'static [&'static str],
    value: &dyn Fn([Symbol; 3]) -> Symbol,
    local: &dyn Fn(usize, [Symbol; 4]) -> Symbol,
) -> Formula {
    let names = [0, 1, 2].map(|i| inputs.get(i).copied().unwrap_or("0"));
    Formula::Elementwise {
        inputs: inputs.to_vec(),
        value: symbol::trace(names, value),
        local: (0..inputs.len())
            .map(|i| symbol::trace([names[0], names[1], names[2], "y"], |x| local(i, x)))
            .collect(),
    }
}
