//! Making tensors. Everything [`Array`] can be made from, and literals.

use super::Tensor;
use crate::array::{Array, DType, Element, Generator, Literal, Number, Shape};
use crate::error::Result;

/// A tensor spelled out, as PyTorch's `torch.tensor(…)`: floats make f32, integers i64, `bool` bool.
///
/// # Panics
/// Rows of different lengths; [`Array::literal`] returns that as an error.
///
/// ```
/// use chainrule::tensor;
/// assert_eq!(
///     tensor([[1.0, 2.5], [3.0, 4.0]]).to_string(),
///     "tensor([[1.0000, 2.5000],\n        [3.0000, 4.0000]])"
/// );
/// ```
#[track_caller]
pub fn tensor(literal: impl Literal) -> Tensor {
    match Array::literal(literal) {
        Ok(array) => Tensor::from_array(array),
        Err(error) => panic!("{error}"),
    }
}

/// A leaf that requires a gradient, spelled out: PyTorch's `torch.tensor(…, requires_grad=True)`.
///
/// Integers become f32 here, as only floats have gradients.
///
/// # Panics
/// Rows of different lengths.
///
/// ```
/// use chainrule::param;
/// assert_eq!(param([1.0, 2.0]).to_string(), "tensor([1., 2.], requires_grad=True)");
/// ```
#[track_caller]
pub fn param(literal: impl Literal) -> Tensor {
    match Array::literal_of(literal, DType::F32) {
        Ok(array) => Tensor::leaf(array, true),
        Err(error) => panic!("{error}"),
    }
}

impl Tensor {
    /// A leaf of this element type, spelled out.
    ///
    /// # Errors
    /// Rows of different lengths.
    ///
    /// ```
    /// use chainrule::{DType, Tensor};
    /// let x = Tensor::new([0.1, 0.2], DType::F64)?.requires_grad_(true)?;
    /// assert_eq!(x.to_string(), "tensor([0.1000, 0.2000], dtype=torch.float64, requires_grad=True)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(literal: impl Literal, dtype: DType) -> Result<Tensor> {
        Array::literal_of(literal, dtype).map(Tensor::from_array)
    }

    /// A leaf from its elements in row-major order; keeps `T`.
    ///
    /// # Errors
    /// The number of elements isn't the shape's.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let x = Tensor::from_vec(vec![1u8, 2, 3, 4], [2, 2])?;
    /// assert_eq!(x.to_string(), "tensor([[1, 2],\n        [3, 4]], dtype=torch.uint8)");
    /// assert!(Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [2, 2]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
        Array::from_vec(values, shape).map(Tensor::from_array)
    }

    /// All elements 0, of type f32.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::zeros([2, 3]).to_string(), "tensor([[0., 0., 0.],\n        [0., 0., 0.]])");
    /// ```
    pub fn zeros(shape: impl Into<Shape>) -> Tensor {
        Tensor::from_array(Array::zeros(shape))
    }

    /// All elements 1, of type f32.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::ones([3]).to_string(), "tensor([1., 1., 1.])");
    /// ```
    pub fn ones(shape: impl Into<Shape>) -> Tensor {
        Tensor::from_array(Array::ones(shape))
    }

    /// All elements equal to `value`; the element type follows the number.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::full([2], 0.5).to_string(), "tensor([0.5000, 0.5000])");
    /// assert_eq!(Tensor::full([2], 7).to_string(), "tensor([7, 7])");
    /// ```
    pub fn full(shape: impl Into<Shape>, value: impl Number) -> Tensor {
        Tensor::from_array(Array::full(shape, value))
    }

    /// The numbers `start, start + step, …` before `end`.
    ///
    /// # Errors
    /// See [`Array::arange`].
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::arange(0, 10, 3)?.to_string(), "tensor([0, 3, 6, 9])");
    /// assert_eq!(Tensor::arange(1.0, 0.0, -0.25)?.to_string(), "tensor([1.0000, 0.7500, 0.5000, 0.2500])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn arange<N: Number>(start: N, end: N, step: N) -> Result<Tensor> {
        Array::arange(start, end, step).map(Tensor::from_array)
    }

    /// `steps` numbers evenly from `start` to `end`, both included.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::linspace(0.0, 1.0, 3).to_string(), "tensor([0.0000, 0.5000, 1.0000])");
    /// ```
    pub fn linspace(start: f64, end: f64, steps: usize) -> Tensor {
        Tensor::from_array(Array::linspace(start, end, steps))
    }

    /// The identity matrix.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::eye(2).to_string(), "tensor([[1., 0.],\n        [0., 1.]])");
    /// ```
    pub fn eye(size: usize) -> Tensor {
        Tensor::from_array(Array::eye(size, size))
    }

    /// Uniform numbers in [0, 1), from this thread's generator.
    ///
    /// ```
    /// use chainrule::{manual_seed, Tensor};
    /// manual_seed(0);
    /// let x = Tensor::rand([1000]);
    /// assert!(x.to_f64_vec().iter().all(|x| (0.0..1.0).contains(x)));
    /// manual_seed(0); // the same seed, the same numbers
    /// assert_eq!(Tensor::rand([1000]).to_f64_vec(), x.to_f64_vec());
    /// ```
    pub fn rand(shape: impl Into<Shape>) -> Tensor {
        Tensor::from_array(Generator::with_thread(|generator| generator.rand(shape, DType::F32)))
    }

    /// Normally distributed numbers with mean 0 and variance 1, from this thread's generator.
    ///
    /// ```
    /// use chainrule::{manual_seed, Tensor};
    /// manual_seed(0);
    /// let x = Tensor::randn([10_000]);
    /// assert!(x.mean()?.item()?.abs() < 0.05);
    /// assert!((x.var(&[0], 1.0, false)?.item()? - 1.0).abs() < 0.05);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn randn(shape: impl Into<Shape>) -> Tensor {
        Tensor::from_array(Generator::with_thread(|generator| generator.randn(shape, DType::F32)))
    }

    /// Integers from `low` to `high` − 1, from this thread's generator.
    ///
    /// # Errors
    /// There is no integer in the range.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let dice = Tensor::randint(1, 7, [100])?.to_vec::<i64>()?;
    /// assert!(dice.iter().all(|spots| (1..=6).contains(spots)));
    /// assert!(Tensor::randint(3, 3, [1]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn randint(low: i64, high: i64, shape: impl Into<Shape>) -> Result<Tensor> {
        Generator::with_thread(|generator| generator.randint(low, high, shape)).map(Tensor::from_array)
    }

    /// The numbers 0 to n − 1 in random order, from this thread's generator.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let mut order = Tensor::permutation(5).to_vec::<i64>()?;
    /// order.sort();
    /// assert_eq!(order, [0, 1, 2, 3, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn permutation(n: usize) -> Tensor {
        Tensor::from_array(Generator::with_thread(|generator| generator.permutation(n)))
    }

    /// Zeros of this tensor's shape and element type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).zeros_like().to_string(), "tensor([0, 0])");
    /// ```
    pub fn zeros_like(&self) -> Tensor {
        let meta = self.meta();
        Tensor::from_array(Array::zeros_of(meta.shape, meta.dtype))
    }

    /// Ones of this tensor's shape and element type.
    ///
    /// ```
    /// use chainrule::{DType, Tensor};
    /// let x = Tensor::new([0.5, 2.5], DType::F64)?;
    /// assert_eq!(x.ones_like().to_string(), "tensor([1., 1.], dtype=torch.float64)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn ones_like(&self) -> Tensor {
        let meta = self.meta();
        Tensor::from_array(Array::ones_of(meta.shape, meta.dtype))
    }
}
