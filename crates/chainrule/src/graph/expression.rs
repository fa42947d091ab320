//! A graph from an expression.

use super::vector::Vector;
use super::{ComputationalGraph, ValueId};
use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::formula::{Comparison, Expr, Function, Kind};
use crate::gate::functions as f;
use crate::gate::reduce::{Dims, Sum};
use crate::gate::softmax::Softmax;
use crate::gate::{arith, compare, matmul};

impl ComputationalGraph {
    /// The graph of an expression, one gate for each operation; its names become inputs, its numbers f64
    /// constants.
    ///
    /// # Errors
    /// The expression has no operation.
    ///
    /// ```
    /// use chainrule::{formula::Expr, ComputationalGraph, DType, Tensor};
    /// let mut graph = ComputationalGraph::from_expr(&Expr::parse("x^2 + 1")?)?;
    /// let x = Tensor::new(3.0, DType::F64)?;
    /// assert_eq!(graph.forward(&[("x", &x)])?.item()?, 10.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn from_expr(expr: &Expr) -> Result<ComputationalGraph> {
        let mut graph = ComputationalGraph::new();
        let mut names: Vec<(String, ValueId)> = Vec::new();
        for name in expr.symbols() {
            let id = graph.input(&name)?;
            names.push((name, id));
        }
        graph.value_of(expr, &names)?;
        if graph.is_empty() {
            return Err(Error::parse("there is nothing to compute: the expression has no operation"));
        }
        Ok(graph)
    }

    fn value_of(&mut self, expr: &Expr, names: &[(String, ValueId)]) -> Result<ValueId> {
        // −1 is a number too, and no gate on one.
        if let Some(number) = expr.as_number() {
            return Ok(self.constant(Array::scalar(number)));
        }
        match expr.kind() {
            Kind::Number(x) => Ok(self.constant(Array::scalar(*x))),
            Kind::Symbol(name) => names
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, id)| *id)
                .ok_or_else(|| Error::parse(format!("the name {name} is not an input"))),
            Kind::Neg(a) => {
                let a = self.value_of(a, names)?;
                self.add(arith::Neg, &[a])
            }
            Kind::Add(a, b) => self.binary(arith::Add, a, b, names),
            Kind::Sub(a, b) => self.binary(arith::Sub, a, b, names),
            Kind::Mul(a, b) => self.binary(arith::Mul, a, b, names),
            Kind::Div(a, b) => self.binary(arith::Div, a, b, names),
            Kind::Pow(a, b) => self.binary(arith::Pow { number: b.as_number().is_some() }, a, b, names),
            Kind::Vector(elements) => self.vector(elements, names),
            Kind::Call(function, arguments) => self.call(*function, arguments, names),
            Kind::Choose(comparison, parts) => {
                let [a, b, yes, no] = &**parts;
                let gate = match comparison {
                    Comparison::Greater => compare::Compare::Gt,
                    Comparison::GreaterOrEqual => compare::Compare::Ge,
                    Comparison::Equal => compare::Compare::Eq,
                };
                let condition = self.binary(gate, a, b, names)?;
                let (yes, no) = (self.value_of(yes, names)?, self.value_of(no, names)?);
                self.add(compare::Where, &[condition, yes, no])
            }
        }
    }

    fn binary(
        &mut self,
        gate: impl crate::gate::Gate,
        a: &Expr,
        b: &Expr,
        names: &[(String, ValueId)],
    ) -> Result<ValueId> {
        let (a, b) = (self.value_of(a, names)?, self.value_of(b, names)?);
        self.add(gate, &[a, b])
    }

    /// A vector of numbers is a constant; one of other elements is put together by gates.
    fn vector(&mut self, elements: &[Expr], names: &[(String, ValueId)]) -> Result<ValueId> {
        let numbers: Option<Vec<f64>> = elements.iter().map(Expr::as_number).collect();
        if let Some(numbers) = numbers {
            let shape = Shape::new(&[numbers.len()])?;
            return Ok(self.constant(Array::from_vec(numbers, shape)?));
        }
        let parts: Vec<ValueId> =
            elements.iter().map(|element| self.value_of(element, names)).collect::<Result<_>>()?;
        self.add(Vector, &parts)
    }

    fn call(
        &mut self,
        function: Function,
        arguments: &[Expr],
        names: &[(String, ValueId)],
    ) -> Result<ValueId> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value_of(argument, names)?);
        }
        let x = &values[..1];
        match function {
            Function::Exp => self.add(f::Exp, x),
            Function::Expm1 => self.add(f::Expm1, x),
            Function::Log => self.add(f::Log, x),
            Function::Log1p => self.add(f::Log1p, x),
            Function::Sqrt => self.add(f::Sqrt, x),
            Function::Sin => self.add(f::Sin, x),
            Function::Cos => self.add(f::Cos, x),
            Function::Tanh => self.add(f::Tanh, x),
            Function::Sigmoid => self.add(f::Sigmoid, x),
            Function::Erf => self.add(f::Erf, x),
            Function::Relu => self.add(f::Relu, x),
            Function::Abs => self.add(f::Abs, x),
            Function::Sign => self.add(f::Sign, x),
            Function::Sum => self.add(Sum(Dims::all()), x),
            Function::Softmax => self.add(Softmax { dim: 0, log: false }, x),
            Function::Dot => self.add(matmul::MatMul::of(1, 1), &values),
            Function::Max | Function::Min => {
                let mut best = values[0];
                for &value in &values[1..] {
                    best = match function {
                        Function::Max => self.add(compare::Maximum, &[best, value])?,
                        _ => self.add(compare::Minimum, &[best, value])?,
                    };
                }
                Ok(best)
            }
        }
    }
}
