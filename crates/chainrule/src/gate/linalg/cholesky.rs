//! `L·Lᵀ` of positive definite matrices.

use super::super::elementwise::expect_inputs;
use super::solve::{chosen, system};
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::{Triangle, cholesky, solve_triangular};

documented! {
    /// `A = L·Lᵀ` for symmetric, positive definite matrices, of which one triangle is read; and `info`.
    ///
    /// The gradient is that with respect to symmetric matrices (Murray 2016, "Differentiation of the Cholesky
    /// decomposition").
    ///
    /// ```
    /// use chainrule::gate::linalg::Cholesky;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(Cholesky { upper: false, check: true }, &[&tensor([[9.0]])])?;
    /// assert_eq!((found[0].item()?, found[1].item()?), (3.0, 0.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Cholesky {
        /// The upper triangle is read, and the factor is `U = Lᵀ`.
        pub upper: bool,
        /// A matrix that isn't positive definite is refused; else its `info` tells.
        pub check: bool,
    }
}

impl Cholesky {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgCholeskyEx",
        method: "linalg::cholesky, cholesky",
        doc: Cholesky::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let gate = |upper| Cholesky { upper, check: true };
            let mut all = square_samples(|a| Sample::new(gate(false), [a]));
            all.push(Sample::new(gate(true), [well_conditioned()]));
            all.push(
                Sample::new(gate(false), [matrix([[1.0, 2.0], [2.0, 1.0]])]).refused(ErrorKind::Argument),
            );
            let lower = matrix([[4.0, f64::NAN], [2.0, 5.0]]);
            all.push(
                Sample::new(gate(false), [lower])
                    .gives([matrix([[2.0, 0.0], [1.0, 2.0]]), Array::scalar(0i32)]),
            );
            all
        },
    };
}

impl Gate for Cholesky {
    fn name(&self) -> &'static str {
        "LinalgCholeskyEx"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, _) = square(&inputs[0])?;
        Ok([inputs[0], Meta::new(DType::I32, batch)].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let turned = |x: Matrix| if self.upper { x.transposed() } else { x };
        let factors = on_each(&each(inputs[0]), |a| match cholesky(turned(a.clone())) {
            Ok(factor) => (turned(factor), None),
            Err((part, place)) => (turned(part), Some(place)),
        });
        let info = infos(factors.iter().map(|(_, place)| *place), context.output(1).shape);
        if self.check {
            refuse_any(&info, |place| {
                format!("isn't positive definite: its first {place} rows and columns already aren't")
            })?;
        }
        Ok([stacked(factors.iter().map(|(x, _)| &x.values[..]), *context.output(0)), info]
            .into_iter()
            .collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let (l, g) = match self.upper {
            true => (saved.output(0)?.mt()?, g.mt()?),
            false => (saved.output(0)?, g.clone()),
        };
        let phi = l.mt()?.matmul(&g)?;
        let phi = phi.tril(0)?.add(&phi.tril(-1)?)?.mul(0.5)?;
        let symmetric = phi.add(&phi.mt()?)?.mul(0.5)?;
        // L⁻ᵀ·S·L⁻¹, of a symmetric S: two solutions with Lᵀ.
        let transposed = l.mt()?;
        let solve =
            |x: &Tensor| Tensor::apply(SolveTriangular { upper: true, unit: false }, &[&transposed, x]);
        Ok([Some(solve(&solve(&symmetric)?.mt()?)?)].into_iter().collect())
    }

    fn structure(&self, input: usize) -> Option<Structure> {
        (input == 0).then_some(Structure::Symmetric)
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            if self.upper { "A = Uᵀ·U" } else { "A = L·Lᵀ" },
            ["Ā = L⁻ᵀ·sym(Φ(Lᵀ·L̄))·L⁻¹, where Φ keeps the lower triangle and halves the diagonal"],
        )
    }
}

documented! {
    /// The solution of `L·Lᵀ·X = B`, for the first input L and the second one B; batches broadcast. Only the lower
    /// triangle of L is read. As in PyTorch the gradient is that of a square L all of whose elements count.
    ///
    /// ```
    /// use chainrule::gate::linalg::CholeskySolve;
    /// use chainrule::{tensor, Tensor};
    /// let x = Tensor::apply(CholeskySolve, &[&tensor([[2.0]]), &tensor([[8.0]])])?;
    /// assert_eq!(x.item()?, 2.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct CholeskySolve;
}

impl CholeskySolve {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "CholeskySolve",
        method: "linalg::cholesky_solve, cholesky_solve, cholesky_inverse",
        doc: CholeskySolve::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let factor = || matrix([[3.0, 0.0, 0.0], [0.2, 2.0, 0.0], [-0.9, 0.4, 1.2]]);
            let side = || matrix([[1.0, -0.4], [0.6, 2.0], [-1.5, 0.9]]);
            let batch_of_sides = Array::filled(vec![1.0, -0.4, 0.6, 2.0, -1.5, 0.9], [2, 3, 1].into());
            vec![
                Sample::new(CholeskySolve, [factor(), side()]),
                Sample::new(CholeskySolve, [factor(), batch_of_sides]),
                Sample::new(
                    CholeskySolve,
                    [Array::zeros_of([0, 0], DType::F64), Array::zeros_of([0, 3], DType::F64)],
                ),
                Sample::new(CholeskySolve, [batch(), side()]).refused(ErrorKind::Shape),
                Sample::new(CholeskySolve, [side(), side()]).refused(ErrorKind::Shape),
            ]
        },
    };
}

impl Gate for CholeskySolve {
    fn name(&self) -> &'static str {
        "CholeskySolve"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (batch, n, columns) = system(inputs)?;
        Ok([Meta::new(inputs[0].dtype, matrices(&batch, n, columns)?)].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let output = context.output(0);
        let batch = Shape::new(&output.shape[..output.shape.rank() - 2])?;
        let (left, right) = (chosen(inputs[0], &batch)?, chosen(inputs[1], &batch)?);
        let factors: Vec<(Matrix, Matrix)> =
            each(inputs[0]).into_iter().map(|l| (l.clone(), l.transposed())).collect();
        let sides = each(inputs[1]);
        let pairs: Vec<(usize, usize)> = left.into_iter().zip(right).collect();
        let solved = on_each(&pairs, |&(factor, side)| {
            let (l, u) = &factors[factor];
            let mut x = sides[side].clone();
            solve_triangular(l, Triangle { upper: false, unit: false }, &mut x);
            solve_triangular(u, Triangle { upper: true, unit: false }, &mut x);
            x
        });
        Ok([stacked(solved.iter().map(|x| &x.values[..]), *output)].into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        Saves::input(0) | Saves::output(0).when(needs.input(0))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let l = saved.input(0)?;
        let right = Tensor::apply(CholeskySolve, &[&l, g])?;
        let left = match needs.input(0) {
            true => {
                let product = right.matmul(&saved.output(0)?.mt()?)?;
                Some(product.add(&product.mt()?)?.matmul(&l)?.neg()?)
            }
            false => None,
        };
        Ok([left, needs.input(1).then_some(right)].into_iter().collect())
    }

    fn structure(&self, input: usize) -> Option<Structure> {
        (input == 0).then_some(Structure::Lower)
    }

    fn formula(&self) -> Formula {
        Formula::rule("X = (L·Lᵀ)⁻¹·B", ["L̄ = −(B̄·Xᵀ + X·B̄ᵀ)·L", "B̄ = (L·Lᵀ)⁻¹·g"])
    }
}
