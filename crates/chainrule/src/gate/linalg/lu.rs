//! Elimination with row pivots.

use super::super::elementwise::expect_inputs;
use super::*;
use crate::gate::macros::documented;
use crate::kernel::linalg::lu;

documented! {
    /// `A = P·L·U`, both factors in one matrix (without the ones on L's diagonal), the pivots (from 1, as
    /// LAPACK counts: step k swapped row k with this one), and `info`.
    ///
    /// The derivative is that of Roberts and Roberts 2020, "QR and LQ decomposition matrix backpropagation
    /// algorithms for square, wide, and deep matrices", with L in place of Q.
    ///
    /// ```
    /// use chainrule::gate::linalg::LuFactor;
    /// use chainrule::{tensor, Tensor};
    /// let found = Tensor::apply_many(LuFactor { check: true }, &[&tensor([[1.0, 2.0], [4.0, 4.0]])])?;
    /// assert_eq!(found[0].to_string(), "tensor([[4.0000, 4.0000],\n        [0.2500, 1.0000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct LuFactor {
        /// A matrix whose U has a zero on its diagonal is refused; else its `info` tells.
        pub check: bool,
    }
}

impl LuFactor {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "LinalgLuFactorEx",
        method: "linalg::lu_factor, lu",
        doc: LuFactor::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let gate = LuFactor { check: true };
            let mut all: Vec<Sample> = square_samples(|a| Sample::new(gate, [a]));
            // Matrices that aren't square are as good.
            all.retain(|sample| sample.inputs[0].shape()[..] != [2, 3]);
            all.push(Sample::new(gate, [matrix([[0.5, 2.0, -1.0], [4.0, 1.0, 0.6]])]));
            all.push(Sample::new(gate, [matrix([[0.5, 2.0], [4.0, 1.0], [-1.0, 1.6]])]));
            all.push(Sample::new(gate, [matrix([[1.0, 2.0], [2.0, 4.0]])]).refused(ErrorKind::Argument));
            all
        },
    };
}

impl Gate for LuFactor {
    fn name(&self) -> &'static str {
        "LinalgLuFactorEx"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        let (batch, rows, columns) = sizes(&inputs[0])?;
        let pivots = Meta::new(DType::I32, vectors(&batch, rows.min(columns))?);
        Ok([inputs[0], pivots, Meta::new(DType::I32, batch)].into_iter().collect())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let factors = on_each(&each(inputs[0]), |a| lu(a.clone()));
        let info = infos(factors.iter().map(|lu| lu.singular), context.output(2).shape);
        if self.check {
            refuse_any(&info, |place| format!("has a zero at place {place} of U's diagonal"))?;
        }
        let pivots = factors.iter().flat_map(|lu| &lu.pivots).map(|&row| row as i32 + 1).collect();
        let packed = stacked(factors.iter().map(|lu| &lu.packed.values[..]), *context.output(0));
        Ok([packed, Array::filled(pivots, context.output(1).shape), info].into_iter().collect())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::output(0) | Saves::output(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let packed = saved.output(0)?;
        let (_, rows, columns) = sizes(&packed.meta())?;
        let k = rows.min(columns) as isize;
        // The square part, and what is below or beside it.
        let corner = |x: &Tensor| x.narrow(-2, 0, k)?.narrow(-1, 0, k);
        let below = |x: &Tensor| x.narrow(-2, k, rows as isize - k);
        let beside = |x: &Tensor| x.narrow(-1, k, columns as isize - k);
        let square = corner(&packed)?;
        let lower = SolveTriangular { upper: true, unit: true };
        let upper = SolveTriangular { upper: true, unit: false };
        // L⁻ᵀ·x, and x·U⁻ᵀ = (U⁻¹·xᵀ)ᵀ.
        let under = |x: &Tensor| Tensor::apply(lower, &[&square.mt()?, x]);
        let over = |x: &Tensor| Tensor::apply(upper, &[&square, &x.mt()?])?.mt();
        let (l, u) = (unit_lower(&square)?, square.triu(0)?);
        let (corner_g, wide) = (corner(g)?, columns > rows);
        let mut from_lower = l.mt()?.matmul(&corner_g.tril(-1)?)?;
        let mut from_upper = corner_g.triu(0)?.matmul(&u.mt()?)?;
        let mut extra = None;
        if wide {
            let (u2, g2) = (beside(&packed)?, beside(g)?);
            from_lower = from_lower.sub(&g2.matmul(&u2.mt()?)?)?;
            extra = Some(under(&g2)?);
        } else if rows > columns {
            let (l2, g2) = (below(&packed)?, below(g)?);
            from_upper = from_upper.sub(&l2.mt()?.matmul(&g2)?)?;
            extra = Some(over(&g2)?);
        }
        let inner = from_lower.tril(-1)?.add(&from_upper.triu(0)?)?;
        let whole = over(&under(&inner)?)?;
        let whole = match extra {
            Some(extra) => Tensor::cat(&[&whole, &extra], if wide { -1 } else { -2 })?,
            None => whole,
        };
        let p = Tensor::from_array(permutation(&saved.output_array(1)?, rows, packed.dtype())?);
        Ok([Some(p.matmul(&whole)?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("A = P·L·U", ["Ā = P·L⁻ᵀ·(tril(Lᵀ·L̄, −1) + triu(Ū·Uᵀ))·U⁻ᵀ"])
    }
}

/// The part below the diagonal, with ones on it.
#[track_caller]
pub(crate) fn unit_lower(x: &Tensor) -> Result<Tensor> {
    let (_, rows, columns) = sizes(&x.meta())?;
    x.tril(-1)?.add(&Tensor::from_array(Array::eye_of(rows, columns, x.dtype())))
}

/// The permutations P that pivots (from 1) stand for, as matrices: row `i` of `P·X` is the row of X that step
/// by step came to place `i`.
pub(crate) fn permutation(pivots: &Array, rows: usize, dtype: DType) -> Result<Array> {
    let rank = pivots.rank().saturating_sub(1);
    let batch = Shape::new(&pivots.shape()[..rank])?;
    let steps = pivots.shape().last().copied().unwrap_or(0);
    let all = pivots.to_i64_vec();
    let mut values = vec![0.0f64; batch.elements() * rows * rows];
    for matrix in 0..batch.elements() {
        let mut order: Vec<usize> = (0..rows).collect();
        for (k, &pivot) in all[matrix * steps..(matrix + 1) * steps].iter().enumerate() {
            let place = usize::try_from(pivot - 1).ok().filter(|&place| place < rows);
            let Some(place) = place.filter(|_| k < rows) else {
                return Err(Error::index(format!("the pivot {pivot} is no row of {rows}, counted from 1")));
            };
            order.swap(k, place);
        }
        for (i, row) in order.into_iter().enumerate() {
            values[(matrix * rows + row) * rows + i] = 1.0;
        }
    }
    Ok(Array::filled(values, matrices(&batch, rows, rows)?).cast(dtype))
}
