//! Comparing what chainrule gave with what PyTorch gave.

use chainrule::Array;

/// |ours − theirs| may be this much, and …
const ABSOLUTE: f64 = 1e-9;
/// … this much of |theirs|.
const RELATIVE: f64 = 1e-7;

/// The first difference, for people; `None` where there is none. Integers and bools must be exact.
pub fn difference(ours: &Array, theirs: &Array) -> Option<String> {
    if ours.shape() != theirs.shape() {
        return Some(format!("the shape is {}, not {}", ours.shape(), theirs.shape()));
    }
    if ours.dtype() != theirs.dtype() {
        return Some(format!("the element type is {}, not {}", ours.dtype(), theirs.dtype()));
    }
    if !ours.dtype().is_float() {
        let place = ours.to_i64_vec().iter().zip(theirs.to_i64_vec()).position(|(a, b)| *a != b)?;
        return Some(told(place, ours, theirs));
    }
    let (a, b) = (ours.to_f64_vec(), theirs.to_f64_vec());
    // How many tolerances apart; NaN where only one is NaN or infinite, which is worse than any number.
    let excess = |(a, b): (&f64, &f64)| -> f64 {
        if a == b || (a.is_nan() && b.is_nan()) {
            0.0
        } else if a.is_finite() && b.is_finite() {
            (a - b).abs() / (ABSOLUTE + RELATIVE * b.abs())
        } else {
            f64::INFINITY
        }
    };
    let (place, worst) = a.iter().zip(&b).map(excess).enumerate().max_by(|x, y| x.1.total_cmp(&y.1))?;
    (worst > 1.0).then(|| told(place, ours, theirs))
}

fn told(place: usize, ours: &Array, theirs: &Array) -> String {
    let mut rest = place;
    let mut index: Vec<usize> = theirs
        .shape()
        .iter()
        .rev()
        .map(|&size| {
            let i = rest % size;
            rest /= size;
            i
        })
        .collect();
    index.reverse();
    format!("at {index:?} it is {:?}, not {:?}", ours.to_f64_vec()[place], theirs.to_f64_vec()[place])
}

/// Like [`difference`] for a gradient, where none at all (`None`) is as good as zeros.
pub fn gradient_difference(ours: Option<&Array>, theirs: Option<&Array>) -> Option<String> {
    let zeros = |x: &Array| x.to_f64_vec().iter().all(|&v| v == 0.0);
    match (ours, theirs) {
        (Some(a), Some(b)) => difference(a, b),
        (None, Some(b)) if !zeros(b) => Some("there is none".into()),
        (Some(a), None) if !zeros(a) => Some("there should be none".into()),
        _ => None,
    }
}
