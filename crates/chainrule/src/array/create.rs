//! Making arrays: constants, ranges, the identity.

use std::hint::select_unpredictable;

use super::{Array, DType, Element, Number, Shape, dispatch};
use crate::error::{Error, Result};
use crate::kernel::{memory, zip};

impl Array {
    /// All elements `value`, converted to `dtype`. The value is stored once and expanded.
    pub(crate) fn constant(value: f64, meta: super::Meta) -> Array {
        let one = dispatch!(meta.dtype, T => Array::scalar(T::from_f64(value)));
        if meta.shape.rank() == 0 {
            return one;
        }
        one.expand(meta.shape).expect("a 0-d array expands to any shape")
    }

    /// All elements equal to `value`; the element type follows the number (`1.0` f32, `1` i64, `true` bool).
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::full([2, 2], 7.0).to_vec::<f32>().unwrap(), [7.0; 4]);
    /// ```
    pub fn full(shape: impl Into<Shape>, value: impl Number) -> Array {
        Array::full_of(shape, value, value.default_dtype())
    }

    /// All elements equal to `value`, of this element type.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::full_of([2], 7, DType::F64).to_vec::<f64>()?, [7.0, 7.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn full_of(shape: impl Into<Shape>, value: impl Number, dtype: DType) -> Array {
        let shape = shape.into();
        dispatch!(dtype, T => Array::filled(memory::filled(shape.elements(), value.convert::<T>()), shape))
    }

    /// All elements 0, of type f32.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::zeros([2, 2]).to_vec::<f32>()?, [0.0; 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn zeros(shape: impl Into<Shape>) -> Array {
        Array::zeros_of(shape, DType::F32)
    }

    /// All elements 0 (`false` for `bool`), of this element type.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::zeros_of([2], DType::Bool).to_vec::<bool>()?, [false, false]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn zeros_of(shape: impl Into<Shape>, dtype: DType) -> Array {
        let shape = shape.into();
        dispatch!(dtype, T => Array::filled(memory::filled(shape.elements(), T::default()), shape))
    }

    /// All elements 1, of type f32.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::ones([3]).to_vec::<f32>()?, [1.0; 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn ones(shape: impl Into<Shape>) -> Array {
        Array::full(shape, 1.0)
    }

    /// All elements 1 (`true` for `bool`), of this element type.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::ones_of([2], DType::I64).to_vec::<i64>()?, [1, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn ones_of(shape: impl Into<Shape>, dtype: DType) -> Array {
        Array::full_of(shape, 1, dtype)
    }

    /// The numbers `start, start + step, …` before `end`, `⌈(end − start) / step⌉` of them.
    ///
    /// f32 where a bound or the step is written as a float, else i64.
    ///
    /// # Errors
    /// The step is 0, points away from `end`, or a bound isn't finite.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::arange(0, 10, 4).unwrap().to_vec::<i64>().unwrap(), [0, 4, 8]);
    /// assert_eq!(Array::arange(1.0, 0.0, -0.5).unwrap().to_vec::<f32>().unwrap(), [1.0, 0.5]);
    /// ```
    pub fn arange<N: Number>(start: N, end: N, step: N) -> Result<Array> {
        Array::arange_of(start, end, step, start.default_dtype())
    }

    /// Like [`Array::arange`], of this element type.
    ///
    /// # Errors
    /// As [`Array::arange`].
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::arange_of(0, 3, 1, DType::F64)?.to_vec::<f64>()?, [0.0, 1.0, 2.0]);
    /// assert!(Array::arange_of(0, 3, 0, DType::F64).is_err()); // never gets there
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn arange_of<N: Number>(start: N, end: N, step: N, dtype: DType) -> Result<Array> {
        if !start.default_dtype().is_float() && !dtype.is_float() {
            return integer_range(start.convert(), end.convert(), step.convert(), dtype);
        }
        let (start, end, step) = (start.as_f64(), end.as_f64(), step.as_f64());
        let length = arange_length(start, end, step)?;
        Ok(dispatch!(dtype, T => {
            affordable::<T>(length)?;
            Array::made(&Shape::new(&[length])?, |out: &mut [T]| {
                zip::number(out, #[inline(always)] move |i| T::from_f64(start + i * step))
            })
        }))
    }

    /// `steps` numbers evenly from `start` to `end`, both included, of type f32.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::linspace(0.0, 1.0, 5).to_vec::<f32>().unwrap(), [0.0, 0.25, 0.5, 0.75, 1.0]);
    /// ```
    pub fn linspace(start: f64, end: f64, steps: usize) -> Array {
        Array::linspace_of(start, end, steps, DType::F32)
    }

    /// Like [`Array::linspace`], of this element type.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::linspace_of(1.0, 2.0, 3, DType::F64).to_vec::<f64>()?, [1.0, 1.5, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn linspace_of(start: f64, end: f64, steps: usize, dtype: DType) -> Array {
        let step = if steps > 1 { (end - start) / (steps - 1) as f64 } else { 0.0 };
        // Counting from the nearer end makes both ends exact.
        let (half, last) = (if steps == 1 { 1 } else { steps / 2 } as f64, steps as f64 - 1.0);
        dispatch!(dtype, T => Array::made(&Shape::from([steps]), |out: &mut [T]| {
            zip::number(
                out,
                #[inline(always)]
                move |i| {
                    let (from_start, from_end) = (start + i * step, end - (last - i) * step);
                    T::from_f64(select_unpredictable(i < half, from_start, from_end))
                },
            )
        }))
    }

    /// The identity matrix: 1 where row and column are the same, else 0; type f32.
    ///
    /// ```
    /// use chainrule::Array;
    /// assert_eq!(Array::eye(2, 3).to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    /// ```
    pub fn eye(rows: usize, columns: usize) -> Array {
        Array::eye_of(rows, columns, DType::F32)
    }

    /// Like [`Array::eye`], of this element type.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// assert_eq!(Array::eye_of(2, 2, DType::I64).to_vec::<i64>()?, [1, 0, 0, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn eye_of(rows: usize, columns: usize, dtype: DType) -> Array {
        dispatch!(dtype, T => {
            let mut values = vec![T::default(); rows * columns];
            for i in 0..rows.min(columns) {
                values[i * columns + i] = T::from_i64(1);
            }
            Array::filled(values, Shape::from([rows, columns]))
        })
    }
}

/// A range of integers, exact also where f64 is not.
fn integer_range(start: i64, end: i64, step: i64, dtype: DType) -> Result<Array> {
    let distance = i128::from(end) - i128::from(start);
    if step == 0 {
        return Err(no_step());
    }
    if distance.signum() == -i128::from(step.signum()) {
        return Err(leads_away(start, end, step));
    }
    let length = distance.unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(dispatch!(dtype, T => {
        affordable::<T>(length)?;
        Array::made(&Shape::new(&[length])?, |out: &mut [T]| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = T::from_i64(start.wrapping_add((i as i64).wrapping_mul(step)));
            }
        })
    }))
}

fn no_step() -> Error {
    Error::argument("the step of a range must not be 0")
}

fn leads_away<N: std::fmt::Display>(start: N, end: N, step: N) -> Error {
    Error::argument(format!("a step of {step} leads away from {end} when starting at {start}"))
}

/// An error where memory can't hold so many elements.
fn affordable<T>(length: usize) -> Result<()> {
    match memory::is_affordable(length, size_of::<T>()) {
        true => Ok(()),
        false => Err(Error::argument(format!("memory can't hold a range of {length} numbers"))),
    }
}

/// How many numbers [`Array::arange`] makes: `⌈(end − start) / step⌉`.
///
/// # Errors
/// The step is 0, points away from `end`, or a bound isn't finite.
///
/// ```
/// use chainrule::array::arange_length;
/// assert_eq!(arange_length(0.0, 1.0, 0.3)?, 4); // 0, 0.3, 0.6, 0.9
/// assert!(arange_length(0.0, 1.0, -0.3).is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn arange_length(start: f64, end: f64, step: f64) -> Result<usize> {
    if step == 0.0 || step.is_nan() {
        return Err(no_step());
    }
    if !start.is_finite() || !end.is_finite() {
        return Err(Error::argument(format!("a range needs finite bounds, not {start} to {end}")));
    }
    if (end - start) * step.signum() < 0.0 {
        return Err(leads_away(start, end, step));
    }
    let length = ((end - start) / step).ceil();
    if length > i64::MAX as f64 / 16.0 {
        return Err(Error::argument(format!("a range of {length} numbers is too large")));
    }
    Ok(length as usize)
}
