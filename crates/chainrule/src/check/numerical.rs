//! Derivatives by differences.

use crate::array::{Array, DType};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// Which difference stands for the derivative.
///
/// ```
/// use chainrule::check::{numerical_gradient_with, Difference};
/// use chainrule::{DType, Tensor};
/// let w = Tensor::new(2.0, DType::F64)?;
/// let slope = |difference| numerical_gradient_with(|w| w.pow(3.0), &w, 1e-3, difference)?.item();
/// assert!((slope(Difference::Forward)? - 12.0).abs() > 1e-3); // off by 6ε
/// assert!((slope(Difference::Central)? - 12.0).abs() < 1e-5); // off by ε²
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Difference {
    /// `(L(w + ε) − L(w)) / ε`: as a lecture writes it; its error shrinks with ε.
    #[default]
    Forward,
    /// `(L(w + ε) − L(w − ε)) / 2ε`: its error shrinks with ε².
    Central,
}

/// The numerical gradient: for every element (i, j, …) of `w`, `(L(w + ε) − L(w)) / ε`, stored at (i, j, …).
///
/// `w` keeps its values, and the thread's random numbers are drawn again for each evaluation, so that a loss
/// with dropout is the same function every time. Use f64: differences of f32 keep only a few digits.
///
/// # Errors
/// What the loss returns isn't one number, or `loss` fails.
///
/// ```
/// use chainrule::check::numerical_gradient;
/// use chainrule::{DType, Tensor};
/// let w = Tensor::new([[1.0, 2.0], [3.0, 4.0]], DType::F64)?;
/// let gradient = numerical_gradient(|w| w.square()?.sum(), &w, 1e-6)?;
/// assert!((gradient.get(&[1, 0])? - 6.0).abs() < 1e-4);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn numerical_gradient(loss: impl Fn(&Tensor) -> Result<Tensor>, w: &Tensor, eps: f64) -> Result<Array> {
    numerical_gradient_with(loss, w, eps, Difference::Forward)
}

/// Like [`numerical_gradient`], with a choice of difference.
///
/// # Errors
/// As [`numerical_gradient`].
///
/// ```
/// use chainrule::check::{numerical_gradient_with, Difference};
/// use chainrule::{DType, Tensor};
/// let w = Tensor::new([1.0, 2.0], DType::F64)?;
/// let gradient = numerical_gradient_with(|w| w.exp()?.sum(), &w, 1e-5, Difference::Central)?;
/// assert!(gradient.all_close(&w.exp()?.array(), 1e-9, 0.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn numerical_gradient_with(
    loss: impl Fn(&Tensor) -> Result<Tensor>,
    w: &Tensor,
    eps: f64,
    difference: Difference,
) -> Result<Array> {
    if eps == 0.0 || !eps.is_finite() {
        return Err(Error::argument(format!("the step ε must be a finite number other than 0, not {eps}")));
    }
    let values = w.to_f64_vec();
    let at = |i: usize, step: f64| -> Result<f64> {
        let mut moved = values.clone();
        moved[i] += step;
        let moved = Array::from_vec(moved, w.shape())?.cast(w.dtype());
        same_randomness(|| no_grad(|| loss(&Tensor::from_array(moved)))?.item())
    };
    let here = same_randomness(|| no_grad(|| loss(&w.detach()))?.item())?;
    let gradient = (0..values.len())
        .map(|i| match difference {
            Difference::Forward => Ok((at(i, eps)? - here) / eps),
            Difference::Central => Ok((at(i, eps)? - at(i, -eps)?) / (2.0 * eps)),
        })
        .collect::<Result<Vec<f64>>>()?;
    Ok(Array::from_vec(gradient, w.shape())?.cast(if w.dtype().is_float() { w.dtype() } else { DType::F32 }))
}

/// Runs `body` so that the thread's generator is afterwards where it was before.
pub(super) fn same_randomness<R>(body: impl FnOnce() -> R) -> R {
    let before = crate::Generator::of_thread();
    let result = body();
    before.set_thread();
    result
}

/// A derivative of a function of one number, with an estimate of its error.
///
/// ```
/// use chainrule::check::derivative;
/// let d = derivative(|x| Ok(x.exp()), 1.0)?;
/// assert!((d.value - 1f64.exp()).abs() <= d.error && d.error < 1e-9);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Derivative {
    /// The derivative.
    pub value: f64,
    /// How far it may be off.
    pub error: f64,
    /// The derivatives to the left and right, where they differ: a kink. NaN where there is none on that side.
    pub kink: Option<(f64, f64)>,
}

/// The steps of [`quick_derivative`], as shares of x: a number that moves thousands of units at once carries some of them
/// over a kink at the first, and next to none at the second.
pub(super) const QUICK_STEPS: [f64; 2] = [2e-5, 2e-7];

/// The derivative at x from two values close to it, given the value `here` at x; `None` where these show a kink.
///
/// Its error is that of rounding alone; whether the steps were short enough only a comparison can tell.
pub(super) fn quick_derivative(
    mut f: impl FnMut(f64) -> Result<f64>,
    x: f64,
    here: f64,
    step: f64,
) -> Result<Option<Derivative>> {
    let step = step * x.abs().clamp(1e-2, 1.0);
    let (above, below) = (f(x + step)?, f(x - step)?);
    let (left, right) = ((here - below) / step, (above - here) / step);
    let noise = (above.abs() + below.abs()) * f64::EPSILON / step;
    let smooth = (right - left).abs() <= 1e-3 * (left.abs() + right.abs()) + 8.0 * noise;
    let value = (above - below) / (2.0 * step);
    Ok(smooth.then_some(Derivative { value, error: noise, kink: None }))
}

/// The derivative of `f` at x by Richardson's extrapolation of central differences (Ridders, 1982).
///
/// Steps shrink until rounding spoils them; the extrapolation that agrees best with its neighbours is
/// returned, and the disagreement is the error estimate. Where the one-sided derivatives differ by far more
/// than that, the place is a kink.
///
/// # Errors
/// `f` fails.
///
/// ```
/// use chainrule::check::derivative;
/// let d = derivative(|x| Ok(x.sin()), 1.0)?;
/// assert!((d.value - 1f64.cos()).abs() < 1e-10 && d.kink.is_none());
/// assert_eq!(derivative(|x| Ok(x.abs()), 0.0)?.kink, Some((-1.0, 1.0)));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn derivative(f: impl Fn(f64) -> Result<f64>, x: f64) -> Result<Derivative> {
    rounded_derivative(f, x, 0.0)
}

/// [`derivative`] of a function whose values are rounded by so much, beyond what double precision does.
pub(super) fn rounded_derivative(
    f: impl Fn(f64) -> Result<f64>,
    x: f64,
    rounding: f64,
) -> Result<Derivative> {
    const ROWS: usize = 6;
    const SHRINK: f64 = 2.0;
    let scale = x.abs().clamp(1e-2, 1.0);
    let here = f(x)?;
    let mut step = 2e-2 * scale;
    let mut table = [[0.0; ROWS]; ROWS];
    let mut best = Derivative { value: f64::NAN, error: f64::INFINITY, kink: None };
    // One-sided differences, extrapolated once, for the test of a kink.
    let mut sides = [(0.0, 0.0); ROWS];
    for row in 0..ROWS {
        let (above, below) = (f(x + step)?, f(x - step)?);
        sides[row] = ((here - below) / step, (above - here) / step);
        table[row][0] = (above - below) / (2.0 * step);
        // What rounding of f alone does to the difference.
        let noise = ((above.abs() + below.abs()) * f64::EPSILON + rounding) / step;
        let mut factor = SHRINK * SHRINK;
        for column in 1..=row {
            table[row][column] =
                (table[row][column - 1] * factor - table[row - 1][column - 1]) / (factor - 1.0);
            factor *= SHRINK * SHRINK;
            let error = (table[row][column] - table[row][column - 1])
                .abs()
                .max((table[row][column] - table[row - 1][column - 1]).abs())
                + noise;
            if error < best.error {
                best = Derivative { value: table[row][column], error, kink: None };
            }
        }
        step /= SHRINK;
    }
    let side = |get: fn((f64, f64)) -> f64| {
        let (a, b) = (get(sides[ROWS - 2]), get(sides[ROWS - 1]));
        (2.0 * b - a, (b - a).abs())
    };
    let ((left, left_error), (right, right_error)) = (side(|s| s.0), side(|s| s.1));
    // The edge of what the function is defined on, as 0 is of √x.
    if here.is_finite() && left.is_nan() != right.is_nan() {
        return Ok(Derivative { value: table[0][0], error: f64::INFINITY, kink: Some((left, right)) });
    }
    let gap = (right - left).abs();
    // The last step was the smallest, and rounding disturbs it most.
    let noise = rounding / (step * SHRINK);
    if gap > 8.0 * noise
        && gap > 20.0 * (left_error + right_error)
        && gap > 1e-4 * (left.abs() + right.abs())
        && gap > 1e-7
    {
        best.kink = Some((left, right));
    }
    if best.value.is_nan() {
        best.value = table[0][0];
    }
    Ok(best)
}
