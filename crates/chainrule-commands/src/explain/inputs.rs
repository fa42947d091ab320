//! The values that the user gave for the names of an expression.

use chainrule::formula::{Expr, Kind};
use chainrule::{Array, Shape, Tensor};

use crate::Failure;

/// The tensors for all names of the expression, from `x=-2` and `v=[1,2,3]`.
pub fn parse(expr: &Expr, texts: &[String]) -> Result<Vec<(String, Tensor)>, Failure> {
    let names = expr.symbols();
    let mut given: Vec<(String, Tensor)> = Vec::new();
    for text in texts {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is no value for a name; write NAME=VALUE, such as x=-2"))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("{text:?} has no name; write NAME=VALUE, such as x=-2").into());
        }
        if !names.iter().any(|known| known == name) {
            let hint = if names.is_empty() {
                "it has no names".to_string()
            } else {
                format!("its names are {}", names.join(", "))
            };
            return Err(format!("the expression doesn't mention {name}; {hint}").into());
        }
        if given.iter().any(|(other, _)| other == name) {
            return Err(format!("{name} is given twice").into());
        }
        given.push((name.to_string(), Tensor::from_array(value_of(name, value)?)));
    }
    let missing: Vec<&String> =
        names.iter().filter(|name| !given.iter().any(|(other, _)| other == *name)).collect();
    if let Some(first) = missing.first() {
        let all: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
        return Err(format!("no value for {}; give each name one, such as {first}=2", all.join(", ")).into());
    }
    Ok(given)
}

/// A number, or a vector of numbers.
fn value_of(name: &str, text: &str) -> Result<Array, Failure> {
    let expr = Expr::parse(text).map_err(|e| format!("the value of {name}: {e}"))?;
    if let Some(x) = expr.simplify().as_number() {
        return Ok(Array::scalar(x));
    }
    if let Kind::Vector(elements) = expr.kind()
        && let Some(numbers) = elements.iter().map(|e| e.simplify().as_number()).collect::<Option<Vec<f64>>>()
    {
        let shape = Shape::new(&[numbers.len()])?;
        return Ok(Array::from_vec(numbers, shape)?);
    }
    Err(format!("the value of {name} must be a number or a vector of numbers, not {text}").into())
}
