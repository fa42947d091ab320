//! Rounding, remainders, and the sign and neighbours of numbers. Their derivatives are 0 or 1 between jumps.
//!
//! ```
//! use chainrule::tensor;
//! let x = tensor([-1.5, 0.5, 2.7]);
//! assert_eq!(x.floor()?.to_string(), "tensor([-2.,  0.,  2.])");
//! assert_eq!(x.round()?.to_string(), "tensor([-2.,  0.,  3.])"); // ties to even
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::pointwise::{Local, functions};
use crate::error::{Error, Result};
use crate::tensor::{Operand, Tensor};

functions! {
    /// The largest whole number that isn't larger: `y = ⌊x⌋`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 2.7]).floor()?.to_string(), "tensor([-2.,  2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    FLOOR(x) as floor {
        name: "Floor";
        formula: "y = ⌊x⌋";
        value: |[x]| x.floor();
        local: [Local::Zero];
        integers: |[x]| Some(x);
        samples: [[0.5], [-1.2], [2.7]];
    }

    /// The smallest whole number that isn't smaller: `y = ⌈x⌉`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 2.7]).ceil()?.to_string(), "tensor([-1.,  3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    CEIL(x) as ceil {
        name: "Ceil";
        formula: "y = ⌈x⌉";
        value: |[x]| x.ceil();
        local: [Local::Zero];
        integers: |[x]| Some(x);
        samples: [[0.5], [-1.2], [2.7]];
    }

    /// The whole number towards zero.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 2.7]).trunc()?.to_string(), "tensor([-1.,  2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    TRUNC(x) as trunc {
        name: "Trunc";
        formula: "y = trunc x";
        value: |[x]| x.trunc();
        local: [Local::Zero];
        integers: |[x]| Some(x);
        samples: [[0.5], [-1.2], [2.7]];
    }

    /// The nearest whole number; of two, the even one.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 0.5, 2.7]).round()?.to_string(), "tensor([-2.,  0.,  3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ROUND(x) as round {
        name: "Round";
        formula: "y = round x";
        value: |[x]| x.round_ties_even();
        local: [Local::Zero];
        integers: |[x]| Some(x);
        samples: [[0.4], [-1.2], [2.7]];
    }

    /// The remainder of a division rounded towards zero, with the sign of `a`: `y = a − b·trunc(a/b)`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-7.0, 7.0]).fmod(3.0)?.to_string(), "tensor([-1.,  1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    FMOD(a, b) as fmod {
        name: "Fmod";
        formula: "y = a − b·trunc(a/b)";
        value: |[a, b]| a % b;
        local: [Local::One, Local::Inputs("(−trunc(a/b))", |[a, b]| a.div_trunc(b)?.neg())];
        integers: |[a, b]| if b == 0 { None } else { Some(a.wrapping_rem(b)) };
        at_kink: "at the jumps the derivatives are those of the smooth pieces";
        samples: [[7.5, 2.0], [-3.2, 0.7], [2.9, -1.3]];
    }

    /// The remainder of a division rounded down, with the sign of `b`: `y = a − b·⌊a/b⌋`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-7.0, 7.0]).remainder(3.0)?.to_string(), "tensor([2., 1.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    REMAINDER(a, b) as remainder {
        name: "Remainder";
        formula: "y = a − b·⌊a/b⌋";
        value: |[a, b]| {
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        };
        local: [Local::One, Local::Inputs("(−⌊a/b⌋)", |[a, b]| a.div_floor(b)?.neg())];
        integers: |[a, b]| {
            let rest = if b == 0 { return None } else { a.wrapping_rem(b) };
            Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
        };
        at_kink: "at the jumps the derivatives are those of the smooth pieces";
        samples: [[7.5, 2.0], [-3.2, 0.7], [2.9, -1.3]];
    }

    /// The quotient rounded down: `y = ⌊a/b⌋`, PyTorch's `div` with `rounding_mode='floor'`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-7, 7]).div_floor(3)?.to_string(), "tensor([-3,  2])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    DIV_FLOOR(a, b) as div_floor {
        name: "DivFloor";
        formula: "y = ⌊a/b⌋";
        value: |[a, b]| quotient_rounded_down(a, b);
        local: [Local::Zero, Local::Zero];
        integers: |[a, b]| {
            if b == 0 {
                return None;
            }
            let towards_zero = a.wrapping_div(b);
            let rounded_up = a.wrapping_rem(b) != 0 && (a < 0) != (b < 0);
            Some(if rounded_up { towards_zero - 1 } else { towards_zero })
        };
        samples: [[7.5, 2.0], [-3.2, 0.7], [2.9, -1.3]];
    }

    /// The quotient rounded towards zero, PyTorch's `div` with `rounding_mode='trunc'`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-7, 7]).div_trunc(3)?.to_string(), "tensor([-2,  2])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    DIV_TRUNC(a, b) as div_trunc {
        name: "DivTrunc";
        formula: "y = trunc(a/b)";
        value: |[a, b]| (a / b).trunc();
        single: |[a, b]: [f32; 2]| (a / b).trunc();
        local: [Local::Zero, Local::Zero];
        integers: |[a, b]| if b == 0 { None } else { Some(a.wrapping_div(b)) };
        samples: [[7.5, 2.0], [-3.2, 0.7], [2.9, -1.3]];
    }

    /// The size of `a` with the sign of `b`, that of a zero included.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, -2.0]).copysign(-0.0)?.to_string(), "tensor([-1., -2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    COPYSIGN(a, b) as copysign {
        name: "Copysign";
        formula: "y = |a| with the sign of b";
        value: |[a, b]| a.copysign(b);
        local: [
            Local::Inputs("y/a", |[a, b]| {
                let ratio = a.copysign(b)?.div(a)?;
                a.eq(0.0)?.where_(&ratio.zeros_like(), &ratio)
            }),
            Local::Zero,
        ];
        at_kink: "∂y/∂a = 0 at a = 0";
        samples: [[7.5, 2.0], [-3.2, 0.7], [2.9, -1.3]];
    }

    /// The next number of the type from `a` towards `b`.
    ///
    /// ```
    /// use chainrule::{DType, Tensor};
    /// let x = Tensor::new([1.0], DType::F64)?;
    /// assert_eq!(x.nextafter(2.0)?.item()?, 1.0 + f64::EPSILON);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    NEXTAFTER(a, b) as nextafter {
        name: "Nextafter";
        formula: "y = the next number from a towards b";
        value: |[a, b]| libm::nextafter(a, b);
        single: |[a, b]: [f32; 2]| libm::nextafterf(a, b);
        local: [Local::Inputs("1 where a ≠ b", |[a, b]| a.ne(b)?.cast(a.dtype())), Local::Zero];
        at_kink: "∂y/∂a = 0 where a = b";
        samples: [[7.5, 2.0], [-3.2, 0.7], [2.9, -1.3]];
    }

    /// 0 for negative `a`, 1 for positive, and `b` where a = 0.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 0.0, 2.0]).heaviside(0.5)?.to_string(), "tensor([0.0000, 0.5000, 1.0000])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    HEAVISIDE(a, b) as heaviside {
        name: "Heaviside";
        formula: "y = 0 where a < 0, b where a = 0, else 1";
        value: |[a, b]| if a == 0.0 { b } else { f64::from(u8::from(a > 0.0)) };
        local: [Local::Unknown, Local::Unknown];
        integers: |[a, b]| Some(if a == 0 { b } else { i64::from(a > 0) });
        samples: [[7.5, 2.0], [-3.2, 0.7], [0.0, -1.3]];
    }
}

/// `⌊a/b⌋` from the exact remainder: the rounded quotient may have passed a whole number.
fn quotient_rounded_down(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

impl Tensor {
    /// The quotient rounded down: see [`Tensor::div_floor`].
    ///
    /// # Errors
    /// The shapes don't broadcast, or an integer is divided by zero.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([7, -7]).floor_divide(2)?.to_string(), "tensor([ 3, -4])");
    /// assert!(tensor([7, -7]).floor_divide(0).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn floor_divide(&self, other: impl Operand) -> Result<Tensor> {
        self.div_floor(other)
    }

    /// What stands behind the decimal point: `x − trunc x`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([-1.5, 2.25]).frac()?.to_string(), "tensor([-0.5000,  0.2500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements aren't floats.
    #[track_caller]
    pub fn frac(&self) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Err(Error::dtype(format!("it is only defined for floats, not {}", self.dtype()))
                .at_gate("Frac")
                .with_inputs([self.meta()]));
        }
        self.sub(&self.trunc()?)
    }

    /// Rounded to this many decimal places (negative: to tens, hundreds…): `round(x·10ᵈ)/10ᵈ`.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.257, -3.141]).round_decimals(2)?.to_string(), "tensor([ 1.2600, -3.1400])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The elements are `bool`, or integers and `decimals` isn't 0.
    #[track_caller]
    pub fn round_decimals(&self, decimals: i32) -> Result<Tensor> {
        if decimals == 0 {
            return self.round();
        }
        if !self.dtype().is_float() {
            return Err(Error::dtype(format!("{} can't be rounded to decimal places", self.dtype()))
                .at_gate("Round")
                .with_inputs([self.meta()])
                .hint("round floats, or use 0 decimals"));
        }
        let scale = 10f64.powi(decimals.abs());
        match decimals > 0 {
            true => self.mul(scale)?.round()?.div(scale),
            false => self.div(scale)?.round()?.mul(scale),
        }
    }
}
