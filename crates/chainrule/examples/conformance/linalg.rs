//! Dense linear algebra, `linalg.*` and its relatives.

// Arguments are called as PyTorch calls them.
#![allow(non_snake_case)]

use chainrule::linalg::{self, LeastSquares, Ord, QrMode, Tolerance};
use chainrule::{Array, DType, Error, Tensor};

use crate::arguments::{Argument, Failure, Outcome, Rest, Value, refs};
use crate::table::operators;

/// A norm as PyTorch names it; `None` is left to the operator.
pub fn order(value: &Value) -> Outcome<Option<Ord>> {
    match value {
        Value::Int(p) => Ok(Some(Ord::Number(*p as f64))),
        Value::Float(p) => Ok(Some(Ord::Number(*p))),
        Value::None => Ok(None),
        Value::Text(name) if name == "fro" => Ok(Some(Ord::Fro)),
        Value::Text(name) if name == "nuc" => Ok(Some(Ord::Nuc)),
        other => Err(Failure::Unmapped(format!("the norm {other:?}"))),
    }
}

/// A tolerance: a number, or a tensor that holds one.
struct Limit(Option<f64>);

impl Argument for Limit {
    fn read(value: Value) -> Outcome<Limit> {
        match value {
            Value::None => Ok(Limit(None)),
            Value::Tensor(x) => match x?.to_f64_vec()[..] {
                [one] => Ok(Limit(Some(one))),
                _ => Err(Failure::Unmapped("a tolerance for each matrix".into())),
            },
            number => Ok(Limit(Some(f64::read(number)?))),
        }
    }
}

/// Which triangle: `U` or `L`.
fn upper(name: &str) -> chainrule::Result<bool> {
    match name {
        "U" | "u" => Ok(true),
        "L" | "l" => Ok(false),
        _ => Err(Error::argument(format!("a triangle is U or L, not {name}"))),
    }
}

/// Pivoting can't be left away.
fn pivoted(pivot: bool) -> chainrule::Result<()> {
    match pivot {
        true => Ok(()),
        false => Err(Error::argument("there is no LU factorisation without pivots")),
    }
}

/// What each of LAPACK's drivers for least squares tells; the others' outputs are empty.
fn told(found: LeastSquares, driver: Option<String>) -> chainrule::Result<Vec<Tensor>> {
    let empty = |dtype| Tensor::from_array(Array::zeros_of([0], dtype));
    let LeastSquares { solution, residuals, rank, singular_values } = found;
    let float = solution.dtype();
    Ok(match driver.as_deref().unwrap_or("gelsy") {
        "gels" => vec![solution, residuals, empty(DType::I64), empty(float)],
        "gelsy" => vec![solution, empty(float), rank, empty(float)],
        "gelss" | "gelsd" => vec![solution, residuals, rank, singular_values],
        other => return Err(Error::argument(format!("there is no driver {other}"))),
    })
}

operators! {
    "linalg.solve"(a: Tensor, b: Tensor, left: bool = true) => linalg::solve_ex(&a, &b, left, true).map(|(x, _)| x);
    "linalg.solve_ex"(a: Tensor, b: Tensor, left: bool = true, check_errors: bool = false) =>
        linalg::solve_ex(&a, &b, left, check_errors);
    "linalg.solve_triangular"(a: Tensor, b: Tensor, upper: bool, left: bool = true, unitriangular: bool = false) =>
        linalg::solve_triangular(&a, &b, upper, left, unitriangular);
    "triangular_solve"(b: Tensor, a: Tensor, upper: bool = true, transpose: bool = false, unitriangular: bool = false) => {
        let t = if transpose { a.mt()? } else { a.clone() };
        Ok::<_, Error>((linalg::solve_triangular(&t, &b, upper != transpose, true, unitriangular)?, a.copy()?))
    };
    "linalg.inv"(a: Tensor) => linalg::inv(&a);
    "linalg.inv_ex"(a: Tensor, check_errors: bool = false) => linalg::inv_ex(&a, check_errors);
    "linalg.pinv" | "linalg.pinv.hermitian"(
        a: Tensor, atol: Limit = Limit(None), rtol: Limit = Limit(None), hermitian: bool = false
    ) => linalg::pinv(&a, Tolerance { absolute: atol.0, relative: rtol.0 }, hermitian);
    "linalg.pinv.singular"(a: Tensor, b: Tensor) => linalg::pinv(&a.matmul(&b.mt()?)?, Tolerance::default(), false);
    "pinverse"(a: Tensor, rcond: f64 = 1e-15) => a.pinverse(rcond);
    "linalg.det" | "linalg.det.singular"(a: Tensor) => a.det();
    "logdet"(a: Tensor) => a.logdet();
    "linalg.slogdet"(a: Tensor) => a.slogdet();
    "linalg.cholesky"(a: Tensor, upper: bool = false) => linalg::cholesky(&a, upper);
    "linalg.cholesky_ex"(a: Tensor, upper: bool = false, check_errors: bool = false) =>
        linalg::cholesky_ex(&a, upper, check_errors);
    "cholesky"(a: Tensor, upper: bool = false) => a.cholesky(upper);
    "cholesky_inverse"(factor: Tensor, upper: bool = false) => factor.cholesky_inverse(upper);
    "cholesky_solve"(b: Tensor, factor: Tensor, upper: bool = false) => b.cholesky_solve(&factor, upper);
    "linalg.qr"(a: Tensor, mode: QrMode = QrMode::Reduced) => linalg::qr(&a, mode);
    "qr"(a: Tensor, some: bool = true) => a.qr(if some { QrMode::Reduced } else { QrMode::Complete });
    "linalg.eigh"(a: Tensor, UPLO: String = "L".into()) => linalg::eigh(&a, upper(&UPLO)?);
    "linalg.eigvalsh"(a: Tensor, UPLO: String = "L".into()) => linalg::eigvalsh(&a, upper(&UPLO)?);
    "linalg.svd"(a: Tensor, full_matrices: bool = true) => linalg::svd(&a, full_matrices);
    "linalg.svdvals"(a: Tensor) => linalg::svdvals(&a);
    "svd"(a: Tensor, some: bool = true) => a.svd(!some);
    "linalg.lu"(a: Tensor, pivot: bool = true) => { pivoted(pivot)?; linalg::lu(&a) };
    "linalg.lu_factor"(a: Tensor, pivot: bool = true) => { pivoted(pivot)?; linalg::lu_factor(&a) };
    "linalg.lu_factor_ex"(a: Tensor, pivot: bool = true, check_errors: bool = false) => {
        pivoted(pivot)?;
        linalg::lu_factor_ex(&a, check_errors)
    };
    "lu"(a: Tensor, pivot: bool = true, get_infos: bool = false) => {
        pivoted(pivot)?;
        let (lu, pivots, info) = linalg::lu_factor_ex(&a, !get_infos)?;
        Ok::<_, Error>(if get_infos { vec![lu, pivots, info] } else { vec![lu, pivots] })
    };
    "lu_unpack"(lu: Tensor, pivots: Tensor, unpack_data: bool = true, unpack_pivots: bool = true) => {
        match unpack_data && unpack_pivots {
            true => linalg::lu_unpack(&lu, &pivots),
            false => return Err(Failure::Unmapped("a part of what was packed".into())),
        }
    };
    "linalg.lu_solve"(lu: Tensor, pivots: Tensor, b: Tensor, left: bool = true, adjoint: bool = false) =>
        linalg::lu_solve(&lu, &pivots, &b, left, adjoint);
    "lu_solve"(b: Tensor, lu: Tensor, pivots: Tensor) => b.lu_solve(&lu, &pivots);
    "linalg.lstsq"(a: Tensor, b: Tensor, rcond: Option<f64> = None, driver: Option<String> = None) =>
        told(linalg::lstsq(&a, &b, rcond)?, driver);
    "linalg.lstsq.grad_oriented"(a: Tensor, b: Tensor, rcond: Option<f64> = None, driver: Option<String> = None) =>
        told(linalg::lstsq(&a, &b, rcond)?, driver).map(|mut outputs| { outputs.truncate(2); outputs });
    "linalg.householder_product"(a: Tensor, tau: Tensor) => linalg::householder_product(&a, &tau);
    "ormqr"(a: Tensor, tau: Tensor, other: Tensor, left: bool = true, transpose: bool = false) =>
        a.ormqr(&tau, &other, left, transpose);
    "matrix_exp" | "linalg.matrix_exp"(a: Tensor) => a.matrix_exp();
    "matrix_power" | "linalg.matrix_power"(a: Tensor, n: isize) => linalg::matrix_power(&a, n);
    "linalg.matrix_sqrth"(a: Tensor) => linalg::matrix_sqrth(&a);
    "linalg.polar"(a: Tensor) => linalg::polar(&a);
    "linalg.matrix_rank" | "linalg.matrix_rank.hermitian"(
        a: Tensor, atol: Limit = Limit(None), rtol: Limit = Limit(None), hermitian: bool = false
    ) => linalg::matrix_rank(&a, Tolerance { absolute: atol.0, relative: rtol.0 }, hermitian);
    "linalg.cond"(a: Tensor, p: Value = Value::None) => linalg::cond(&a, order(&p)?);
    "linalg.tensorinv"(a: Tensor, ind: usize = 2) => linalg::tensorinv(&a, ind);
    "linalg.tensorsolve"(a: Tensor, b: Tensor, dims: Option<Vec<isize>> = None) =>
        linalg::tensorsolve(&a, &b, &dims.unwrap_or_default());
    "linalg.multi_dot"(matrices: Vec<Tensor>) => linalg::multi_dot(&refs(&matrices));
    "chain_matmul"(matrices: Rest<Tensor>) => match &matrices.0[..] {
        [one] => Ok(one.clone()),
        many => linalg::multi_dot(&refs(many)),
    };
    "linalg.vecdot"(x: Tensor, other: Tensor, dim: isize = -1) => linalg::vecdot(&x, &other, dim);
    "linalg.cross"(x: Tensor, other: Tensor, dim: isize = -1) => linalg::cross(&x, &other, dim);
    "linalg.vander"(x: Tensor, N: Option<usize> = None) => {
        let n = N.unwrap_or(x.shape().last().copied().unwrap_or(0));
        linalg::vander(&x.atleast_1d()?, n)
    };
}
