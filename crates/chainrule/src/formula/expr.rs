//! `Expr`: an immutable expression tree.

use std::fmt;
use std::sync::Arc;

/// A function of one or more numbers, or of a vector.
///
/// ```
/// use chainrule::formula::{Expr, Function};
/// let y = Expr::call(Function::Max, [Expr::symbol("x"), Expr::number(0.0)]);
/// assert_eq!(y.to_string(), "max(x, 0)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `eˣ`
    Exp,
    /// `eˣ − 1`
    Expm1,
    /// `ln x`
    Log,
    /// `ln(1 + x)`
    Log1p,
    /// `√x`
    Sqrt,
    /// `sin x`
    Sin,
    /// `cos x`
    Cos,
    /// `tanh x`
    Tanh,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// The error function
    Erf,
    /// `max(0, x)`
    Relu,
    /// `|x|`
    Abs,
    /// −1, 0 or 1
    Sign,
    /// The largest of its arguments
    Max,
    /// The smallest of its arguments
    Min,
    /// `eˣ` of each element over their sum
    Softmax,
    /// The scalar product of two vectors
    Dot,
    /// The sum of a vector's elements
    Sum,
}

impl Function {
    /// All functions.
    pub const ALL: [Function; 18] = [
        Function::Exp,
        Function::Expm1,
        Function::Log,
        Function::Log1p,
        Function::Sqrt,
        Function::Sin,
        Function::Cos,
        Function::Tanh,
        Function::Sigmoid,
        Function::Erf,
        Function::Relu,
        Function::Abs,
        Function::Sign,
        Function::Max,
        Function::Min,
        Function::Softmax,
        Function::Dot,
        Function::Sum,
    ];

    /// The name in texts.
    ///
    /// ```
    /// use chainrule::formula::Function;
    /// assert_eq!(Function::Sigmoid.name(), "sigmoid");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Expm1 => "expm1",
            Function::Log => "log",
            Function::Log1p => "log1p",
            Function::Sqrt => "sqrt",
            Function::Sin => "sin",
            Function::Cos => "cos",
            Function::Tanh => "tanh",
            Function::Sigmoid => "sigmoid",
            Function::Erf => "erf",
            Function::Relu => "relu",
            Function::Abs => "abs",
            Function::Sign => "sign",
            Function::Max => "max",
            Function::Min => "min",
            Function::Softmax => "softmax",
            Function::Dot => "dot",
            Function::Sum => "sum",
        }
    }

    /// How many arguments it takes: at least, and at most.
    ///
    /// ```
    /// use chainrule::formula::Function;
    /// assert_eq!((Function::Exp.arguments(), Function::Max.arguments()), ((1, 1), (2, 16)));
    /// ```
    pub fn arguments(self) -> (usize, usize) {
        match self {
            Function::Max | Function::Min => (2, 16),
            Function::Dot => (2, 2),
            _ => (1, 1),
        }
    }
}

/// How two numbers are compared in a choice.
///
/// ```
/// use chainrule::formula::{Comparison, Expr};
/// let [x, zero] = [Expr::symbol("x"), Expr::number(0.0)];
/// let relu = Expr::choose(Comparison::Greater, [x.clone(), zero.clone(), x, zero]);
/// assert_eq!(relu.to_string(), "x if x > 0 else 0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `>`
    Greater,
    /// `≥`
    GreaterOrEqual,
    /// `=`
    Equal,
}

/// An immutable expression; cloning shares.
///
/// ```
/// use chainrule::formula::Expr;
/// let (x, y) = (Expr::symbol("x"), Expr::symbol("y"));
/// assert_eq!(((x.clone() + y) * -x).to_string(), "(x + y)*(-x)");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Expr(Arc<Kind>);

/// What an expression is made of.
///
/// ```
/// use chainrule::formula::{Expr, Kind};
/// let e = Expr::parse("a*b")?;
/// assert!(matches!(e.kind(), Kind::Mul(a, b) if a.to_string() == "a" && b.to_string() == "b"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A constant
    Number(f64),
    /// A name
    Symbol(String),
    /// `−a`
    Neg(Expr),
    /// `a + b`
    Add(Expr, Expr),
    /// `a − b`
    Sub(Expr, Expr),
    /// `a·b`
    Mul(Expr, Expr),
    /// `a/b`
    Div(Expr, Expr),
    /// `aᵇ`
    Pow(Expr, Expr),
    /// A function of these arguments
    Call(Function, Vec<Expr>),
    /// Third or fourth part, by the comparison of the first two
    Choose(Comparison, Box<[Expr; 4]>),
    /// A vector of these elements
    Vector(Vec<Expr>),
}

impl Expr {
    fn new(kind: Kind) -> Expr {
        Expr(Arc::new(kind))
    }

    /// What the expression is made of.
    ///
    /// ```
    /// use chainrule::formula::{Expr, Kind};
    /// assert_eq!(*Expr::number(2.0).kind(), Kind::Number(2.0));
    /// ```
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// A constant.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!((Expr::number(2.0) * Expr::symbol("x")).to_string(), "2*x");
    /// ```
    pub fn number(x: f64) -> Expr {
        Expr::new(Kind::Number(x))
    }

    /// A name.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!(Expr::symbol("w0").symbols(), ["w0"]);
    /// ```
    pub fn symbol(name: &str) -> Expr {
        Expr::new(Kind::Symbol(name.to_string()))
    }

    /// A vector.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!(Expr::vector(vec![Expr::number(1.0), Expr::symbol("x")]).to_string(), "[1, x]");
    /// ```
    pub fn vector(elements: Vec<Expr>) -> Expr {
        Expr::new(Kind::Vector(elements))
    }

    /// A function of these arguments.
    ///
    /// ```
    /// use chainrule::formula::{Expr, Function};
    /// assert_eq!(Expr::call(Function::Exp, [-Expr::symbol("x")]).to_string(), "exp(-x)");
    /// ```
    pub fn call(function: Function, arguments: impl Into<Vec<Expr>>) -> Expr {
        Expr::new(Kind::Call(function, arguments.into()))
    }

    /// `parts[2]` where `parts[0]` and `parts[1]` compare so, else `parts[3]`.
    ///
    /// ```
    /// use chainrule::formula::{Comparison, Expr};
    /// let [a, b] = [Expr::symbol("a"), Expr::symbol("b")];
    /// let equal = Expr::choose(Comparison::Equal, [a, b, Expr::number(1.0), Expr::number(0.0)]);
    /// assert_eq!(equal.to_string(), "1 if a = b else 0");
    /// ```
    pub fn choose(comparison: Comparison, parts: [Expr; 4]) -> Expr {
        Expr::new(Kind::Choose(comparison, Box::new(parts)))
    }

    /// `selfᵉ`
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!((Expr::symbol("x") + Expr::number(1.0)).pow(Expr::number(2.0)).to_string(), "(x + 1)^2");
    /// ```
    pub fn pow(self, exponent: Expr) -> Expr {
        Expr::new(Kind::Pow(self, exponent))
    }

    /// The constant, if it is one.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!((-Expr::number(2.0)).as_number(), Some(-2.0));
    /// assert_eq!(Expr::symbol("x").as_number(), None);
    /// ```
    pub fn as_number(&self) -> Option<f64> {
        match self.kind() {
            Kind::Number(x) => Some(*x),
            Kind::Neg(x) => x.as_number().map(|x| -x),
            _ => None,
        }
    }

    /// The expressions it is made of, one level down.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// let e = Expr::parse("x*y + 1")?;
    /// assert_eq!(e.parts().iter().map(|part| part.to_string()).collect::<Vec<_>>(), ["x*y", "1"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn parts(&self) -> Vec<&Expr> {
        match self.kind() {
            Kind::Number(_) | Kind::Symbol(_) => vec![],
            Kind::Neg(a) => vec![a],
            Kind::Add(a, b) | Kind::Sub(a, b) | Kind::Mul(a, b) | Kind::Div(a, b) | Kind::Pow(a, b) => {
                vec![a, b]
            }
            Kind::Call(_, parts) | Kind::Vector(parts) => parts.iter().collect(),
            Kind::Choose(_, parts) => parts.iter().collect(),
        }
    }

    /// The same expression with names replaced by others.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// let e = Expr::parse("x + y")?.rename(&|name| (name == "x").then(|| "x1".to_string()));
    /// assert_eq!(e.to_string(), "x1 + y");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn rename(&self, new_name: &dyn Fn(&str) -> Option<String>) -> Expr {
        let all = |parts: &[Expr]| parts.iter().map(|part| part.rename(new_name)).collect::<Vec<_>>();
        let new = |e: &Expr| e.rename(new_name);
        match self.kind() {
            Kind::Number(_) => self.clone(),
            Kind::Symbol(name) => new_name(name).map_or_else(|| self.clone(), |name| Expr::symbol(&name)),
            Kind::Neg(a) => -new(a),
            Kind::Add(a, b) => new(a) + new(b),
            Kind::Sub(a, b) => new(a) - new(b),
            Kind::Mul(a, b) => new(a) * new(b),
            Kind::Div(a, b) => new(a) / new(b),
            Kind::Pow(a, b) => new(a).pow(new(b)),
            Kind::Call(function, arguments) => Expr::call(*function, all(arguments)),
            Kind::Vector(elements) => Expr::vector(all(elements)),
            Kind::Choose(comparison, parts) => {
                let [a, b, yes, no] = &**parts;
                Expr::choose(*comparison, [new(a), new(b), new(yes), new(no)])
            }
        }
    }

    /// The names in it, in order of first appearance.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// assert_eq!(Expr::parse("w*x + w*b")?.symbols(), ["w", "x", "b"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn symbols(&self) -> Vec<String> {
        fn visit(expr: &Expr, found: &mut Vec<String>) {
            if let Kind::Symbol(name) = expr.kind()
                && !found.contains(name)
            {
                found.push(name.clone());
            }
            expr.parts().into_iter().for_each(|part| visit(part, found));
        }
        let mut found = Vec::new();
        visit(self, &mut found);
        found
    }

    /// How tightly the outermost operator binds; what stands inside a tighter one needs parentheses.
    fn precedence(&self) -> u8 {
        match self.kind() {
            Kind::Add(..) | Kind::Sub(..) => 1,
            Kind::Mul(..) | Kind::Div(..) => 2,
            Kind::Neg(_) => 2,
            Kind::Number(x) if *x < 0.0 => 2,
            Kind::Pow(..) => 4,
            Kind::Choose(..) => 0,
            _ => 5,
        }
    }

    /// Whether the text begins with `-`.
    fn begins_with_sign(&self) -> bool {
        match self.kind() {
            Kind::Neg(_) => true,
            Kind::Number(x) => *x < 0.0,
            Kind::Add(a, _) | Kind::Sub(a, _) => a.begins_with_sign(),
            Kind::Mul(a, _) | Kind::Div(a, _) => a.precedence() >= 2 && a.begins_with_sign(),
            _ => false,
        }
    }

    fn write_within(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.precedence() < least { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

macro_rules! operators {
    ($($Trait:ident $method:ident $Kind:ident),*) => {$(
        impl std::ops::$Trait for Expr {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr {
                Expr::new(Kind::$Kind(self, other))
            }
        }
    )*};
}

operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl std::ops::Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        Expr::new(Kind::Neg(self))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = |f: &mut fmt::Formatter<'_>, a: &Expr, op: &str, b: &Expr, left: u8, right: u8| {
            a.write_within(f, left)?;
            f.write_str(op)?;
            // A sign right after an operator reads badly.
            if right <= b.precedence() && b.begins_with_sign() {
                write!(f, "({b})")
            } else {
                b.write_within(f, right)
            }
        };
        match self.kind() {
            // Without an exponent, very small numbers are rows of zeros.
            Kind::Number(x) if *x != 0.0 && x.abs() < 1e-4 => write!(f, "{x:e}"),
            Kind::Number(x) => write!(f, "{x}"),
            Kind::Symbol(name) => f.write_str(name),
            Kind::Neg(a) => {
                f.write_str("-")?;
                // Two signs in a row read badly; −a/b needs no parentheses, as (−a)/b is the same.
                if a.begins_with_sign() { write!(f, "({a})") } else { a.write_within(f, 2) }
            }
            Kind::Add(a, b) => binary(f, a, " + ", b, 1, 1),
            Kind::Sub(a, b) => binary(f, a, " - ", b, 1, 2),
            Kind::Mul(a, b) => binary(f, a, "*", b, 2, 2),
            Kind::Div(a, b) => binary(f, a, "/", b, 2, 3),
            Kind::Pow(a, b) => binary(f, a, "^", b, 5, 4),
            Kind::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                list(f, arguments)?;
                f.write_str(")")
            }
            Kind::Vector(elements) => {
                f.write_str("[")?;
                list(f, elements)?;
                f.write_str("]")
            }
            Kind::Choose(comparison, parts) => {
                let [a, b, yes, no] = &**parts;
                let sign = match comparison {
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => "≥",
                    Comparison::Equal => "=",
                };
                yes.write_within(f, 1)?;
                write!(f, " if {a} {sign} {b} else {no}")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
    }
    Ok(())
}
