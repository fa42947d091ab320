//! Systems of linear equations, and the inverse.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::{Lu, Triangle, lu, solve_triangular};

documented! {
    /// The solution of `A·X = B` for square matrices, by elimination with row pivots (LU), and `info`; batches
    /// broadcast.
    ///
    /// ```
    /// use chainrule::gate::linalg::Solve;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Solve { check: true }, &[&tensor([[2.0]]), &tensor([[6.0]])])?;
    /// assert_eq!(found[0].item()?, 3.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Solve {
        /// A singular matrix is refused; else its `info` tells, and the solution has infinities.
        pub check: bool,
    }
}

impl Solve {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgSolveEx",
        method: "linalg::solve, linalg::solve_ex",
        doc: Solve::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let right = |a: &Array| match a.shape()[..] {
                [n, _] => Array::filled((0..2 * n).map(|i| 1.3 - i as f64 * 0.4).collect(), [n, 2].into()),
                [b, n, _] => {
                    Array::filled((0..b * n).map(|i| 0.3 + i as f64 * 0.7).collect(), [b, n, 1].into())
                }
                _ => Array::zeros_of([2, 2], a.dtype()),
            };
            let gate = Solve { check: true };
            let mut all = square_samples(|a| {
                let b = right(&a).cast(a.dtype());
                Sample::new(gate, [a, b])
            });
            // One matrix for two right sides, and the reverse.
            all.push(Sample::new(gate, [matrix([[2.0, 0.5], [0.3, 1.5]]), batch()]));
            all.push(Sample::new(gate, [batch(), matrix([[2.0, 0.5], [0.3, 1.5]])]));
            let singular = || matrix([[1.0, 2.0], [2.0, 4.0]]);
            all.push(Sample::new(gate, [singular(), matrix([[1.0], [2.0]])]).refused(ErrorKind::Argument));
            all.push(Sample::new(gate, [well_conditioned(), singular()]).refused(ErrorKind::Shape));
            all.push(Sample::new(gate, [singular(), singular().cast(DType::F32)]).refused(ErrorKind::DType));
            all
        },
    };
}

/// Which matrix of the first input each of a broadcast batch is.
pub(super) fn chosen(x: &Array, batch: &Shape) -> Result<Vec<usize>> {
    let own = Shape::new(&x.shape()[..x.rank() - 2])?;
    let places = Array::filled((0..own.elements() as i64).collect(), own).expand(*batch)?;
    Ok(places.to_i64_vec().into_iter().map(|i| i as usize).collect())
}

/// The shapes of a system: the broadcast batch, and rows and columns of the solution.
pub(super) fn system(inputs: &[Meta]) -> Result<(Shape, usize, usize)> {
    expect_inputs(inputs, 2)?;
    let (batch, n) = square(&inputs[0])?;
    let (other, rows, columns) = sizes(&inputs[1])?;
    same_dtype(inputs)?;
    if rows != n {
        return Err(Error::shape(format!(
            "a system of {n} equations has a right side with {n} rows, not {rows}"
        )));
    }
    Ok((batch.broadcast(&other)?, n, columns))
}

impl Gate for Solve {
    fn name(&self) -> &'static str {
        "LinalgSolveEx"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (batch, n, columns) = system(inputs)?;
        let info = Meta::new(DType::I32, square(&inputs[0])?.0);
        Ok([Meta::new(inputs[0].dtype, matrices(&batch, n, columns)?), info].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let factors: Vec<Lu> = on_each(&each(inputs[0]), |a| lu(a.clone()));
        let info = infos(factors.iter().map(|lu| lu.singular), context.output(1).shape);
        if self.check {
            refuse_any(&info, |place| format!("is singular: the {place}. pivot is 0"))?;
        }
        let output = context.output(0);
        let batch = Shape::new(&output.shape[..output.shape.rank() - 2])?;
        let (left, right) = (chosen(inputs[0], &batch)?, chosen(inputs[1], &batch)?);
        let sides = each(inputs[1]);
        let pairs: Vec<(usize, usize)> = left.into_iter().zip(right).collect();
        let solved = on_each(&pairs, |&(a, b)| factors[a].solve(sides[b].clone()));
        Ok([stacked(solved.iter().map(|x| &x.values[..]), *output), info].into_iter().collect())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0).when(needs.input(0))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let right = super::super::pair(Tensor::apply_many(*self, &[&saved.input(0)?.mt()?, g])?)?.0;
        let left = match needs.input(0) {
            true => Some(right.matmul(&saved.output(0)?.mt()?)?.neg()?),
            false => None,
        };
        Ok([left, needs.input(1).then_some(right)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("X = A⁻¹·B", ["Ā = −B̄·Xᵀ", "B̄ = A⁻ᵀ·g"])
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        let n = inputs[0].shape.last().copied().unwrap_or(0) as u64;
        n * (inputs[0].shape.elements() as u64 / 3 + outputs[0].shape.elements() as u64)
    }
}

documented! {
    /// The solution of `T·X = B` for triangular matrices; batches broadcast. A zero on the diagonal gives
    /// infinities.
    ///
    /// ```
    /// use chainrule::gate::linalg::SolveTriangular;
    /// use chainrule::{tensor, Tensor};
    /// let gate = SolveTriangular { upper: true, unit: true };
    /// let x = Tensor::apply(gate, &[&tensor([[9.0, 1.0], [9.0, 9.0]]), &tensor([[3.0], [2.0]])])?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct SolveTriangular {
        /// T is the part on and above the diagonal; else the part on and below.
        pub upper: bool,
        /// The diagonal counts as ones, whatever it holds.
        pub unit: bool,
    }
}

impl SolveTriangular {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgSolveTriangular",
        method: "linalg::solve_triangular",
        doc: SolveTriangular::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let of = |upper, unit| SolveTriangular { upper, unit };
            let side = || matrix([[1.0, -0.4], [0.6, 2.0], [-1.5, 0.9]]);
            let mut all = vec![];
            for (upper, unit) in [(true, false), (false, false), (true, true), (false, true)] {
                all.push(Sample::new(of(upper, unit), [well_conditioned(), side()]));
            }
            let gate = of(true, false);
            all.push(Sample::new(gate, [batch(), matrix([[1.0], [2.0]])]));
            all.push(Sample::new(
                gate,
                [Array::zeros_of([0, 0], DType::F64), Array::zeros_of([0, 3], DType::F64)],
            ));
            all.push(Sample::new(gate, [batch(), side()]).refused(ErrorKind::Shape));
            all.push(Sample::new(gate, [side(), side()]).refused(ErrorKind::Shape));
            all.push(
                Sample::new(gate, [Array::zeros_of([1, 1], DType::F64), matrix([[2.0]])])
                    .gives([matrix([[f64::INFINITY]])]),
            );
            all
        },
    };

    /// The part of a square matrix's gradient that belongs to the triangle.
    fn part(&self, x: &Tensor) -> Result<Tensor> {
        let off = isize::from(self.unit);
        if self.upper { x.triu(off) } else { x.tril(-off) }
    }
}

impl Gate for SolveTriangular {
    fn name(&self) -> &'static str {
        "LinalgSolveTriangular"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (batch, n, columns) = system(inputs)?;
        Ok([Meta::new(inputs[0].dtype, matrices(&batch, n, columns)?)].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let output = context.output(0);
        let batch = Shape::new(&output.shape[..output.shape.rank() - 2])?;
        let (left, right) = (chosen(inputs[0], &batch)?, chosen(inputs[1], &batch)?);
        let (triangles, sides) = (each(inputs[0]), each(inputs[1]));
        let pairs: Vec<(usize, usize)> = left.into_iter().zip(right).collect();
        let solved = on_each(&pairs, |&(a, b)| {
            let mut x = sides[b].clone();
            solve_triangular(&triangles[a], Triangle { upper: self.upper, unit: self.unit }, &mut x);
            x
        });
        Ok([stacked(solved.iter().map(|x| &x.values[..]), *output)].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0).when(needs.input(0))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let transposed = SolveTriangular { upper: !self.upper, ..*self };
        let right = Tensor::apply(transposed, &[&saved.input(0)?.mt()?, g])?;
        let left = match needs.input(0) {
            true => Some(self.part(&right.matmul(&saved.output(0)?.mt()?)?.neg()?)?),
            false => None,
        };
        Ok([left, needs.input(1).then_some(right)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("X = T⁻¹·B", ["T̄ = the triangle of −B̄·Xᵀ", "B̄ = T⁻ᵀ·g"])
    }
}

documented! {
    /// The inverse of square matrices, and `info`.
    ///
    /// To solve a system, [`linalg::solve`](crate::linalg::solve) is faster and more exact.
    ///
    /// ```
    /// use chainrule::gate::linalg::Inv;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Inv { check: true }, &[&tensor([[4.0]])])?;
    /// assert_eq!(found[0].item()?, 0.25);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Inv {
        /// A singular matrix is refused; else its `info` tells, and the inverse has infinities.
        pub check: bool,
    }
}

impl Inv {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgInvEx",
        method: "linalg::inv, inverse",
        doc: Inv::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let gate = Inv { check: true };
            let mut all = square_samples(|a| Sample::new(gate, [a]));
            all.push(Sample::new(gate, [matrix([[1.0, 2.0], [2.0, 4.0]])]).refused(ErrorKind::Argument));
            all
        },
    };
}

impl Gate for Inv {
    fn name(&self) -> &'static str {
        "LinalgInvEx"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, _) = square(&inputs[0])?;
        Ok([inputs[0], Meta::new(DType::I32, batch)].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let inverses = on_each(&each(inputs[0]), |a| {
            let factors = lu(a.clone());
            (factors.solve(Matrix::identity(a.rows, a.rows)), factors.singular)
        });
        let info = infos(inverses.iter().map(|(_, singular)| *singular), context.output(1).shape);
        if self.check {
            refuse_any(&info, |place| format!("is singular: the {place}. pivot is 0"))?;
        }
        Ok([stacked(inverses.iter().map(|(x, _)| &x.values[..]), *context.output(0)), info]
            .into_iter()
            .collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let transposed = saved.output(0)?.mt()?;
        Ok([Some(transposed.matmul(&g.matmul(&transposed)?)?.neg()?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("Y = A⁻¹", ["Ā = −Yᵀ·g·Yᵀ"])
    }
}
