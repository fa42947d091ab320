//! The gate behind `[x, y, 1]` in an expression.

use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::gate::join::Cat;
use crate::gate::{self, Context, Gate, Gradients, Metas, Needs, Outputs, Saved};
use crate::tensor::Tensor;

/// Numbers put together to a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vector;

fn of_one(meta: &Meta) -> Result<Meta> {
    if meta.shape.rank() != 0 {
        return Err(Error::shape("an element of a vector must be a number, not a vector"));
    }
    Ok(Meta { shape: Shape::new(&[1])?, ..*meta })
}

impl Gate for Vector {
    fn name(&self) -> &'static str {
        "Vector"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Cat { dim: 0 }.infer(&inputs.iter().map(of_one).collect::<Result<Vec<_>>>()?)
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let parts = inputs.iter().map(|x| x.reshape([1])).collect::<Result<Vec<_>>>()?;
        gate::run(&Cat { dim: 0 }, &parts.iter().collect::<Vec<_>>())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        (0..needs.len())
            .map(|i| if needs.input(i) { g.select(0, i as isize).map(Some) } else { Ok(None) })
            .collect()
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = [a, b, …]", ["its element of g"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Entry, Sample};

    impl Vector {
        const ENTRY: Entry = Entry {
            name: "Vector",
            method: "[x, y, …]",
            doc: "Numbers put together to a vector.\n",
            at_kink: None,
            file: file!(),
            line: line!(),
            samples: || {
                let number = |x: f64| Array::scalar(x);
                vec![
                    Sample::new(Vector, [number(1.5), number(-2.0), number(0.5)]),
                    Sample::new(Vector, [number(3.0)]),
                    Sample::new(Vector, []).refused(crate::ErrorKind::Argument),
                    Sample::new(Vector, [Array::zeros_of([2], crate::DType::F64)])
                        .refused(crate::ErrorKind::Shape),
                ]
            },
        };
    }

    #[test]
    fn the_gate_keeps_the_laws() {
        assert_eq!(crate::check::laws::check(&Vector::ENTRY), Vec::<String>::new());
    }
}
