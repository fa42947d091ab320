//! Gates on plain numbers: what graphs of scalars, replay and fused loops run instead of gates on arrays.

use super::{Dependence, Operand};

/// A gate with one output on plain numbers, one at a time or slices of them; every [`Elementwise`](super::Elementwise) gate is one.
///
/// ```
/// use chainrule::gate::{arith::Div, ScalarGate};
/// let y = ScalarGate::value(&Div, [3.0, 4.0, 0.0]);
/// assert_eq!(y, 0.75);
/// assert_eq!(Div.product(0, 1.0, [3.0, 4.0, 0.0], y), 0.25); // 1/b
/// ```
pub trait ScalarGate: Sync {
    /// How many inputs the gate takes (at most three).
    ///
    /// ```
    /// use chainrule::gate::{arith::{Mul, Neg}, ScalarGate};
    /// assert_eq!((Mul.inputs(), Neg.inputs()), (2, 1));
    /// ```
    fn inputs(&self) -> usize;
    /// The output; unused inputs are 0.
    ///
    /// ```
    /// use chainrule::gate::{arith::Square, ScalarGate};
    /// assert_eq!(ScalarGate::value(&Square, [3.0, 0.0, 0.0]), 9.0);
    /// ```
    fn value(&self, x: [f32; 3]) -> f32;
    /// Upstream gradient × local gradient of one input.
    ///
    /// ```
    /// use chainrule::gate::{arith::Square, ScalarGate};
    /// assert_eq!(Square.product(0, 10.0, [3.0, 0.0, 0.0], 9.0), 60.0); // g·2x
    /// ```
    fn product(&self, input: usize, upstream: f32, x: [f32; 3], y: f32) -> f32;
    /// [`ScalarGate::value`] at every place.
    ///
    /// ```
    /// use chainrule::gate::{arith::Mul, Operand, ScalarGate};
    /// let mut y = [0.0; 2];
    /// Mul.values([Operand::Slice(&[1.0, 2.0]), Operand::One(3.0), Operand::One(0.0)], &mut y);
    /// assert_eq!(y, [3.0, 6.0]);
    /// ```
    fn values(&self, x: [Operand<'_, f32>; 3], out: &mut [f32]);
    /// [`ScalarGate::values`] in double precision.
    ///
    /// ```
    /// use chainrule::gate::{arith::Neg, Operand, ScalarGate};
    /// let mut y = [0.0f64; 2];
    /// Neg.values_f64([Operand::Slice(&[1.0, 2.0]), Operand::One(0.0), Operand::One(0.0)], &mut y);
    /// assert_eq!(y, [-1.0, -2.0]);
    /// ```
    fn values_f64(&self, x: [Operand<'_, f64>; 3], out: &mut [f64]);
    /// [`ScalarGate::product`] at every place, from the upstream gradient, three inputs and the output.
    ///
    /// ```
    /// use chainrule::gate::{arith::Square, Operand, ScalarGate};
    /// let (g, x, zero) = (Operand::One(10.0), Operand::Slice(&[1.0, 3.0][..]), Operand::One(0.0));
    /// let mut gradient = [0.0; 2];
    /// Square.products(0, [g, x, zero, zero, Operand::Slice(&[1.0, 9.0])], &mut gradient);
    /// assert_eq!(gradient, [20.0, 60.0]); // g·2x
    /// ```
    fn products(&self, input: usize, x: [Operand<'_, f32>; 5], out: &mut [f32]);
    /// [`ScalarGate::products`] in double precision.
    ///
    /// ```
    /// use chainrule::gate::{arith::Neg, Operand, ScalarGate};
    /// let (g, zero) = (Operand::One(10.0), Operand::One(0.0));
    /// let mut gradient = [0.0f64];
    /// Neg.products_f64(0, [g, zero, zero, zero, zero], &mut gradient);
    /// assert_eq!(gradient, [-10.0]);
    /// ```
    fn products_f64(&self, input: usize, x: [Operand<'_, f64>; 5], out: &mut [f64]);
    /// What the local gradient of this input depends on.
    ///
    /// ```
    /// use chainrule::gate::{arith::{Add, Square}, ScalarGate};
    /// assert_eq!(Add.local(0).known(), Some(1.0));
    /// assert!(Square.local(0).reads(0));
    /// ```
    fn local(&self, input: usize) -> Dependence;
    /// The value for integers; `None` where integers become floats first.
    ///
    /// ```
    /// use chainrule::gate::{arith::Add, functions::Exp, ScalarGate};
    /// assert_eq!(ScalarGate::integer(&Add, [2, 3, 0]), Some(5));
    /// assert_eq!(ScalarGate::integer(&Exp, [2, 0, 0]), None);
    /// ```
    fn integer(&self, x: [i64; 3]) -> Option<i64>;
}
