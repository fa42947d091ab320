//! Initial values of parameters.
//!
//! ```
//! use chainrule::Generator;
//! use chainrule::nn::init;
//! let w = init::kaiming_uniform([8, 6], &mut Generator::new(0));
//! assert!(w.to_vec::<f32>()?.iter().all(|x| x.abs() <= 1.0)); // √(6/6)
//! # Ok::<(), chainrule::Error>(())
//! ```

use crate::array::{Array, DType, Generator, Shape};

/// Uniform numbers from −`bound` to `bound`.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::nn::init;
/// let w = init::uniform([100], 0.5, &mut Generator::new(0));
/// assert!(w.to_vec::<f32>()?.iter().all(|x| x.abs() <= 0.5));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn uniform(shape: impl Into<Shape>, bound: f64, generator: &mut Generator) -> Array {
    scaled(generator.rand(shape, DType::F32), |u| (2.0 * u - 1.0) * bound)
}

/// Normally distributed numbers with mean 0.
///
/// ```
/// use chainrule::nn::init;
/// use chainrule::{Generator, Tensor};
/// let w = Tensor::from_array(init::normal([10_000], 0.02, &mut Generator::new(0)));
/// assert!((w.std(&[], 1.0, false)?.item()? - 0.02).abs() < 1e-3);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn normal(shape: impl Into<Shape>, deviation: f64, generator: &mut Generator) -> Array {
    scaled(generator.randn(shape, DType::F32), |x| x * deviation)
}

/// Xavier's uniform initialisation: bound `√(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010).
///
/// ```
/// use chainrule::Generator;
/// use chainrule::nn::init;
/// let w = init::xavier_uniform([2, 4], &mut Generator::new(0)); // four inputs, two outputs: bound 1
/// assert!(w.to_vec::<f32>()?.iter().all(|x| x.abs() <= 1.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn xavier_uniform(shape: impl Into<Shape>, generator: &mut Generator) -> Array {
    let shape = shape.into();
    let (fan_in, fan_out) = fans(&shape);
    uniform(shape, (6.0 / (fan_in + fan_out)).sqrt(), generator)
}

/// Xavier's normal initialisation: deviation `√(2 / (fan_in + fan_out))`.
///
/// ```
/// use chainrule::nn::init;
/// use chainrule::{Generator, Tensor};
/// let w = Tensor::from_array(init::xavier_normal([100, 100], &mut Generator::new(0)));
/// assert!((w.std(&[], 1.0, false)?.item()? - 0.1).abs() < 0.01); // √(2/200)
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn xavier_normal(shape: impl Into<Shape>, generator: &mut Generator) -> Array {
    let shape = shape.into();
    let (fan_in, fan_out) = fans(&shape);
    normal(shape, (2.0 / (fan_in + fan_out)).sqrt(), generator)
}

/// Kaiming's uniform initialisation for ReLU networks: bound `√(6 / fan_in)` (He et al., 2015).
///
/// ```
/// use chainrule::Generator;
/// use chainrule::nn::init;
/// let w = init::kaiming_uniform([4, 6, 3, 3], &mut Generator::new(0)); // 54 inputs
/// assert!(w.to_vec::<f32>()?.iter().all(|x| x.abs() <= 1.0 / 3.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn kaiming_uniform(shape: impl Into<Shape>, generator: &mut Generator) -> Array {
    let shape = shape.into();
    uniform(shape, (6.0 / fans(&shape).0).sqrt(), generator)
}

/// Kaiming's normal initialisation for ReLU networks: deviation `√(2 / fan_in)`.
///
/// ```
/// use chainrule::nn::init;
/// use chainrule::{Generator, Tensor};
/// let w = Tensor::from_array(init::kaiming_normal([100, 200], &mut Generator::new(0)));
/// assert!((w.std(&[], 1.0, false)?.item()? - 0.1).abs() < 0.01); // √(2/200)
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn kaiming_normal(shape: impl Into<Shape>, generator: &mut Generator) -> Array {
    let shape = shape.into();
    normal(shape, (2.0 / fans(&shape).0).sqrt(), generator)
}

/// PyTorch's default for the weight and bias of a layer: bound `1 / √fan_in`.
///
/// ```
/// use chainrule::{nn::init, Generator};
/// let w = init::default_uniform([4, 100], 100, &mut Generator::new(1));
/// assert!(w.to_vec::<f32>()?.iter().all(|x| x.abs() <= 0.1));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn default_uniform(shape: impl Into<Shape>, fan_in: usize, generator: &mut Generator) -> Array {
    uniform(shape, 1.0 / (fan_in.max(1) as f64).sqrt(), generator)
}

/// How many inputs and outputs a weight `[out, in, …]` connects.
fn fans(shape: &Shape) -> (f64, f64) {
    let field: usize = shape.iter().skip(2).product();
    let size = |dim: usize| shape.get(dim).copied().unwrap_or(1) * field;
    (size(1).max(1) as f64, size(0).max(1) as f64)
}

fn scaled(mut numbers: Array, scale: impl Fn(f64) -> f64) -> Array {
    // In place: a layer of AlexNet has 150 MB of them. Nobody else holds them, so that this doesn't fail.
    if let Some(values) = numbers.make_mut::<f32>() {
        values.iter_mut().for_each(|x| *x = scale(f64::from(*x)) as f32);
    }
    numbers
}
