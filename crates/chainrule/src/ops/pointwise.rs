//! Arithmetic of several tensors, limits, and repairs of single numbers.

use super::fill;
use crate::array::{Array, DType, dispatch};
use crate::error::{Error, Result};
use crate::gate::GateRef;
use crate::gate::compare::ClampBetween;
use crate::tensor::{CallerGuard, Operand, Tensor};

impl Tensor {
    /// `self + value·(a·b)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 2.0]).addcmul(&tensor([3.0, 4.0]), &tensor([5.0, 6.0]), 0.5)?;
    /// assert_eq!(y.to_string(), "tensor([ 8.5000, 14.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn addcmul(&self, a: &Tensor, b: &Tensor, value: impl Operand) -> Result<Tensor> {
        self.add(&a.mul(b)?.mul(value)?)
    }

    /// `self + value·(a/b)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0, 2.0]).addcdiv(&tensor([3.0, 4.0]), &tensor([2.0, 8.0]), 2.0)?;
    /// assert_eq!(y.to_string(), "tensor([4., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, or a and b are both integers, whose quotient isn't one.
    #[track_caller]
    pub fn addcdiv(&self, a: &Tensor, b: &Tensor, value: impl Operand) -> Result<Tensor> {
        if !a.dtype().is_float() && !b.dtype().is_float() {
            return Err(Error::dtype("integers aren't divided here, as the quotient may be broken")
                .at_gate("Addcdiv")
                .with_inputs([self.meta(), a.meta(), b.meta()])
                .hint("cast one of them to a float, or use addcmul with div_trunc"));
        }
        self.add(&a.div(b)?.mul(value)?)
    }

    /// Linear interpolation: `self + weight·(end − self)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([1.0, 2.0]).lerp(&tensor([3.0, 6.0]), 0.25)?.to_string(),
    ///     "tensor([1.5000, 3.0000])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, or the elements aren't floats of one type.
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        if !self.dtype().is_float() || self.dtype() != end.dtype() {
            return Err(Error::dtype("both ends must be floats of the same type")
                .at_gate("Lerp")
                .with_inputs([self.meta(), end.meta()]));
        }
        weight.with(self, |weight| {
            // From the nearer end, so that both ends are met exactly.
            let difference = end.sub(self)?;
            let from_start = self.add(&weight.mul(&difference)?)?;
            let from_end = end.sub(&weight.rsub(1.0)?.mul(&difference)?)?;
            let shape = from_start.shape();
            weight.detach().abs()?.lt(0.5)?.expand(shape)?.where_(&from_start, &from_end)
        })
    }

    /// Limits: `min(max(x, low), high)`, each limit a tensor or absent; `high` wins over `low`.
    ///
    /// Where x lies on a limit both share the gradient: see [`ClampBetween`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y =
    ///     tensor([-2.0, 0.5, 3.0]).clamp_between(Some(&tensor([-1.0])), Some(&tensor([1.0, 1.0, 2.0])))?;
    /// assert_eq!(y.to_string(), "tensor([-1.0000,  0.5000,  2.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// Both limits are absent, or the shapes don't broadcast.
    #[track_caller]
    pub fn clamp_between(&self, low: Option<&Tensor>, high: Option<&Tensor>) -> Result<Tensor> {
        match (low, high) {
            (None, None) => Err(Error::argument("a lower or an upper limit is needed")
                .at_gate("Clamp")
                .with_inputs([self.meta()])),
            (Some(low), None) => self.clamp_min(low),
            (None, Some(high)) => self.clamp_max(high),
            (Some(low), Some(high)) => Tensor::apply(GateRef::Static(&ClampBetween), &[self, low, high]),
        }
    }

    /// `max(x, low)`; NaN where either is NaN. On a limit that is a number x has no gradient, as with
    /// [`Tensor::clamp`]; with a tensor it shares it, as with [`Tensor::maximum`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-2.0, 3.0]).clamp_min(0.0)?.to_string(), "tensor([0., 3.])");
    /// let bytes = tensor([3, 200]).cast(chainrule::DType::U8)?;
    /// assert_eq!(bytes.clamp_min(-300)?.to_vec::<u8>()?, [3, 200]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, or the limit is above all integers of the type.
    #[track_caller]
    pub fn clamp_min(&self, low: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        if let (Some(number), Some((least, most))) = (fill::Number::of(&low), fill::range(self.dtype()))
            && !number.is_float
        {
            if number.value > most {
                return Err(self.beyond(number.value));
            } else if number.value < least {
                return self.clamp_min(least as i64);
            }
        }
        let number = low.as_number().is_some();
        low.with(self, |low| match number {
            true => self.gt(low)?.where_(self, &self.detach().maximum(low)?),
            false => self.maximum(low),
        })
    }

    /// `min(x, high)`; NaN where either is NaN. On a limit that is a number x has no gradient, as with
    /// [`Tensor::clamp`]; with a tensor it shares it, as with [`Tensor::minimum`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-2.0, 3.0]).clamp_max(0.0)?.to_string(), "tensor([-2.,  0.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast, or the limit is below all integers of the type.
    #[track_caller]
    pub fn clamp_max(&self, high: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        if let (Some(number), Some((least, most))) = (fill::Number::of(&high), fill::range(self.dtype()))
            && !number.is_float
        {
            if number.value < least {
                return Err(self.beyond(number.value));
            } else if number.value > most {
                return self.clamp_max(most as i64);
            }
        }
        let number = high.as_number().is_some();
        high.with(self, |high| match number {
            true => self.lt(high)?.where_(self, &self.detach().minimum(high)?),
            false => self.minimum(high),
        })
    }

    /// The refusal of a limit that no element could keep to.
    fn beyond(&self, limit: f64) -> Error {
        Error::argument(format!("no {} is on that side of {limit}", self.dtype()))
            .at_gate("Clamp")
            .with_inputs([self.meta()])
    }

    /// The larger of two, and the other where one is NaN; ties share the gradient.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, f64::NAN]).fmax(&tensor([3.0, 4.0]))?.to_string(), "tensor([3., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn fmax(&self, other: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        other.with(self, |other| self.unless_nan(other, &self.maximum(other)?))
    }

    /// The smaller of two, and the other where one is NaN; ties share the gradient.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, f64::NAN]).fmin(&tensor([3.0, 4.0]))?.to_string(), "tensor([1., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn fmin(&self, other: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        other.with(self, |other| self.unless_nan(other, &self.minimum(other)?))
    }

    /// `both` where neither is NaN, else the one that isn't.
    #[track_caller]
    fn unless_nan(&self, other: &Tensor, both: &Tensor) -> Result<Tensor> {
        let _line = CallerGuard::here();
        other.ne(other)?.where_(self, &self.ne(self)?.where_(other, both)?)
    }

    /// NaN and the infinities replaced; `None` for an infinity means the largest number of the type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([f64::NAN, f64::INFINITY, 2.0]).nan_to_num(0.0, Some(9.0), None)?;
    /// assert_eq!(y.to_string(), "tensor([0., 9., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn nan_to_num(&self, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let dtype = self.dtype();
        if !dtype.is_float() {
            return Ok(self.clone());
        }
        let largest = if dtype == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
        let number = |x: f64| {
            Tensor::from_array(dispatch!(dtype, T => Array::scalar(<T as crate::Element>::from_f64(x))))
        };
        let y = self.ne(self)?.where_(&number(nan), self)?;
        let y = self.eq(f64::INFINITY)?.where_(&number(posinf.unwrap_or(largest)), &y)?;
        self.eq(f64::NEG_INFINITY)?.where_(&number(neginf.unwrap_or(-largest)), &y)
    }

    /// `self` to the power `other`, in double precision whatever the types.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([2, 3]).float_power(0.5)?.to_string(),
    ///     "tensor([1.4142, 1.7321], dtype=torch.float64)"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn float_power(&self, other: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let base = self.cast(DType::F64)?;
        other.with(&base, |other| base.pow(&other.cast(DType::F64)?))
    }

    /// `self·2^other`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 3.0]).ldexp(&tensor([2, -1]))?.to_string(), "tensor([4.0000, 1.5000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't broadcast.
    #[track_caller]
    pub fn ldexp(&self, other: impl Operand) -> Result<Tensor> {
        let _line = CallerGuard::here();
        // The power of two in the result's type: an integer alone would make it f32.
        other.with(self, |other| {
            let exponent = if self.dtype().is_float() && !other.dtype().is_float() {
                other.cast(self.dtype())?
            } else {
                other.clone()
            };
            self.mul(&exponent.exp2()?)
        })
    }

    /// Mantissa and exponent: `x = mantissa·2^exponent`, ½ ≤ |mantissa| < 1 (both 0 for 0).
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (mantissa, exponent) = tensor([10.0]).frexp()?;
    /// assert_eq!((mantissa.item()?, exponent.item()?), (0.625, 4.0));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't floats.
    #[track_caller]
    pub fn frexp(&self) -> Result<(Tensor, Tensor)> {
        if !self.dtype().is_float() {
            return Err(Error::dtype(format!("it is only defined for floats, not {}", self.dtype()))
                .at_gate("Frexp")
                .with_inputs([self.meta()]));
        }
        let exponents: Vec<i32> =
            self.to_f64_vec().into_iter().map(|x| if x.is_finite() { libm::frexp(x).1 } else { 0 }).collect();
        let shape = self.shape();
        // 2⁻ᵉ itself may be beyond the numbers where x is tiny, so it is multiplied in two steps.
        let power = |part: fn(i32) -> i32| -> Result<Tensor> {
            let values = exponents.iter().map(|&e| 2f64.powi(-part(e))).collect();
            Ok(Tensor::from_array(Array::from_vec::<f64>(values, shape)?.cast(self.dtype())))
        };
        let mantissa = self.mul(&power(|e| e / 2)?)?.mul(&power(|e| e - e / 2)?)?;
        Ok((mantissa, Tensor::from_vec(exponents, shape)?))
    }

    /// `x·π/180`: degrees as radians.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([180.0]).deg2rad()?.to_string(), "tensor([3.1416])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn deg2rad(&self) -> Result<Tensor> {
        self.mul(std::f64::consts::PI / 180.0)
    }

    /// `x·180/π`: radians as degrees.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([3.0]).rad2deg()?.to_string(), "tensor([171.8873])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn rad2deg(&self) -> Result<Tensor> {
        self.mul(180.0 / std::f64::consts::PI)
    }

    /// The same tensor; `bool` is refused, as it has no sign.
    ///
    /// # Errors
    /// The elements are `bool`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1, 2]).positive()?.to_string(), "tensor([-1,  2])");
    /// assert!(tensor([true]).positive().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn positive(&self) -> Result<Tensor> {
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("bool has no sign").at_gate("Positive").with_inputs([self.meta()]));
        }
        Ok(self.clone())
    }

    /// Where the elements are NaN.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, f64::NAN]).isnan()?.to_string(), "tensor([False,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None.
    #[track_caller]
    pub fn isnan(&self) -> Result<Tensor> {
        self.ne(self)
    }

    /// Where the elements are infinite, by either sign.
    ///
    /// # Errors
    /// None for numbers.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([1.0, f64::INFINITY, f64::NAN]).isinf()?.to_string(),
    ///     "tensor([False,  True, False])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn isinf(&self) -> Result<Tensor> {
        self.isposinf()?.add(&self.isneginf()?)
    }

    /// Where the elements are +∞.
    ///
    /// # Errors
    /// None.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([f64::INFINITY, -f64::INFINITY]).isposinf()?.to_string(), "tensor([ True, False])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn isposinf(&self) -> Result<Tensor> {
        self.eq(f64::INFINITY)
    }

    /// Where the elements are −∞.
    ///
    /// # Errors
    /// None.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([f64::INFINITY, -f64::INFINITY]).isneginf()?.to_string(), "tensor([False,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn isneginf(&self) -> Result<Tensor> {
        self.eq(f64::NEG_INFINITY)
    }

    /// Where the elements are neither NaN nor infinite.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, f64::INFINITY]).isfinite()?.to_string(), "tensor([ True, False])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None.
    #[track_caller]
    pub fn isfinite(&self) -> Result<Tensor> {
        let size = if self.dtype().is_float() { self.abs()? } else { self.clone() };
        size.lt(f64::INFINITY)
    }

    /// Where the sign is negative, that of −0 included.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, -0.0]).signbit()?.to_string(), "tensor([False,  True])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None for numbers.
    #[track_caller]
    pub fn signbit(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return self.lt(0);
        }
        self.ones_like().copysign(self)?.lt(0.0)
    }

    /// Where the elements agree within `absolute + relative·|other|`; infinities agree by sign, NaN with
    /// NaN where `equal_nan`. PyTorch's defaults are 1e-5 and 1e-8.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let near = tensor([1.0, 2.0]).isclose(&tensor([1.0, 2.1]), 1e-5, 1e-8, false)?;
    /// assert_eq!(near.to_string(), "tensor([ True, False])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The element types differ, the shapes don't broadcast, or a tolerance is negative.
    #[track_caller]
    pub fn isclose(&self, other: &Tensor, relative: f64, absolute: f64, equal_nan: bool) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("IsClose").with_inputs([self.meta(), other.meta()]);
        if self.dtype() != other.dtype() {
            return Err(refuse(Error::dtype("both tensors must have the same element type")));
        }
        if [relative, absolute].iter().any(|x| x.is_nan() || *x < 0.0) {
            return Err(refuse(Error::argument(format!(
                "the tolerances are 0 or more, not {relative} and {absolute}"
            ))));
        }
        let (a, b) = (self.detach().cast(DType::F64)?, other.detach().cast(DType::F64)?);
        let allowed = b.abs()?.mul(relative)?.add(absolute)?;
        let near = a.sub(&b)?.abs()?.le(&allowed)?.mul(&b.isfinite()?)?;
        let close = a.eq(&b)?.add(&near)?;
        if equal_nan { close.add(&a.isnan()?.mul(&b.isnan()?)?) } else { Ok(close) }
    }

    /// Whether all elements agree: see [`Tensor::isclose`].
    ///
    /// # Errors
    /// As [`Tensor::isclose`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (a, b) = (tensor([1.0, 2.0]), tensor([1.0, 2.00001]));
    /// assert!(a.allclose(&b, 1e-5, 1e-8, false)?);
    /// assert!(!a.allclose(&b, 1e-7, 1e-8, false)?);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn allclose(&self, other: &Tensor, relative: f64, absolute: f64, equal_nan: bool) -> Result<bool> {
        Ok(self.isclose(other, relative, absolute, equal_nan)?.to_f64_vec().iter().all(|&x| x != 0.0))
    }
}
