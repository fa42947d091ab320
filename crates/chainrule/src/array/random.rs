//! Random arrays from a seeded, counter-based generator.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::kernel::pool;
use crate::kernel::random::Stream;
use crate::kernel::zip::zip_with;

/// A source of random numbers: a seed, and how many arrays have been drawn from it.
///
/// Element i of the n-th array depends on the seed, n and i alone: the same seed gives the same numbers on
/// every machine and with every number of threads.
///
/// ```
/// use chainrule::{DType, Generator};
/// let (mut a, mut b) = (Generator::new(7), Generator::new(7));
/// assert!(a.randn([3], DType::F32).same_as(&b.randn([3], DType::F32)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generator {
    seed: u64,
    drawn: u64,
}

/// The seed of threads that nobody seeded.
const DEFAULT_SEED: u64 = 67_280_421_310_721;

thread_local! {
    static THREAD: Cell<Option<Generator>> = const { Cell::new(None) };
}

/// Seeds this thread's generator, from which `rand`, `randn`, dropout and initialisation draw.
///
/// ```
/// use chainrule::{manual_seed, Tensor};
/// manual_seed(1);
/// let first = Tensor::randn([2]);
/// manual_seed(1);
/// assert_eq!(first.to_vec::<f32>()?, Tensor::randn([2]).to_vec::<f32>()?);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn manual_seed(seed: u64) {
    THREAD.set(Some(Generator::new(seed)));
}

impl Generator {
    /// A generator with this seed.
    ///
    /// ```
    /// use chainrule::Generator;
    /// let mut generator = Generator::new(7);
    /// assert_eq!(generator.randint(0, 10, [4])?.shape(), Generator::new(7).randint(0, 10, [4])?.shape());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(seed: u64) -> Generator {
        Generator { seed, drawn: 0 }
    }

    /// A generator with this seed that goes on where another one, after `drawn` arrays, stopped.
    ///
    /// ```
    /// use chainrule::{DType, Generator};
    /// let mut whole = Generator::new(7);
    /// whole.rand([2], DType::F32);
    /// let mut resumed = Generator::resume(7, 1); // as if one array had been drawn
    /// assert!(whole.rand([2], DType::F32).same_as(&resumed.rand([2], DType::F32)));
    /// ```
    pub fn resume(seed: u64, drawn: u64) -> Generator {
        Generator { seed, drawn }
    }

    /// The seed.
    ///
    /// ```
    /// use chainrule::Generator;
    /// assert_eq!(Generator::new(7).seed(), 7);
    /// ```
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many arrays have been drawn.
    ///
    /// ```
    /// use chainrule::{DType, Generator};
    /// let mut generator = Generator::new(7);
    /// generator.rand([100], DType::F32);
    /// generator.permutation(5);
    /// assert_eq!(generator.drawn(), 2);
    /// ```
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// This thread's generator, as it is now.
    ///
    /// ```
    /// use chainrule::{manual_seed, Generator};
    /// manual_seed(3);
    /// assert_eq!(Generator::of_thread(), Generator::new(3));
    /// ```
    pub fn of_thread() -> Generator {
        THREAD.get().unwrap_or_else(|| {
            // Threads that nobody seeded draw different numbers.
            static THREADS: AtomicU64 = AtomicU64::new(0);
            let generator =
                Generator { seed: DEFAULT_SEED, drawn: THREADS.fetch_add(1, Ordering::Relaxed) << 40 };
            THREAD.set(Some(generator));
            generator
        })
    }

    /// Makes this the thread's generator; with [`Generator::of_thread`], for drawing the same numbers again.
    ///
    /// ```
    /// use chainrule::{Generator, Tensor};
    /// let before = Generator::of_thread();
    /// let x = Tensor::rand([3]);
    /// before.set_thread();
    /// assert_eq!(Tensor::rand([3]).to_f64_vec(), x.to_f64_vec());
    /// ```
    pub fn set_thread(self) {
        THREAD.set(Some(self));
    }

    /// Runs `body` on this thread's generator.
    pub(crate) fn with_thread<R>(body: impl FnOnce(&mut Generator) -> R) -> R {
        let mut generator = Generator::of_thread();
        let result = body(&mut generator);
        generator.set_thread();
        result
    }

    fn next(&mut self) -> Stream {
        self.drawn += 1;
        Stream { seed: self.seed, stream: self.drawn - 1 }
    }

    /// Uniform numbers in [0, 1), of a float type.
    ///
    /// ```
    /// use chainrule::{DType, Generator};
    /// let numbers = Generator::new(0).rand([1000], DType::F64).to_vec::<f64>()?;
    /// assert!(numbers.iter().all(|x| (0.0..1.0).contains(x)));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn rand(&mut self, shape: impl Into<Shape>, dtype: DType) -> Array {
        let (stream, shape) = (self.next(), shape.into());
        match dtype {
            DType::F32 => draw(shape, |start, out| stream.uniform_f32(start, out)),
            _ => draw(shape, |start, out| stream.uniform(start, out)).cast(dtype),
        }
    }

    /// Normally distributed numbers with mean 0 and variance 1, of a float type.
    ///
    /// ```
    /// use chainrule::{DType, Generator};
    /// let numbers = Generator::new(0).randn([10_000], DType::F64).to_vec::<f64>()?;
    /// assert!((numbers.iter().sum::<f64>() / 1e4).abs() < 0.05);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn randn(&mut self, shape: impl Into<Shape>, dtype: DType) -> Array {
        let (stream, shape) = (self.next(), shape.into());
        match dtype {
            DType::F32 => draw(shape, |start, out: &mut [f32]| {
                let mut double = [0.0; PART];
                stream.normal(start, &mut double[..out.len()]);
                zip_with(out, &double[..out.len()], |out, x| *out = x as f32);
            }),
            _ => draw(shape, |start, out| stream.normal(start, out)).cast(dtype),
        }
    }

    /// Integers from `low` to `high` − 1, of type i64.
    ///
    /// # Errors
    /// There is no integer in the range.
    ///
    /// ```
    /// use chainrule::Generator;
    /// let digits = Generator::new(0).randint(0, 10, [50])?.to_vec::<i64>()?;
    /// assert!(digits.iter().all(|digit| (0..10).contains(digit)));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn randint(&mut self, low: i64, high: i64, shape: impl Into<Shape>) -> Result<Array> {
        if low >= high {
            return Err(Error::argument(format!(
                "there is no integer from {low} up to, but without, {high}"
            )));
        }
        let (stream, span) = (self.next(), high.wrapping_sub(low) as u64);
        Ok(draw(shape.into(), |start, out| {
            for (i, out) in (start..).zip(out) {
                *out = low.wrapping_add(stream.below(span, i) as i64);
            }
        }))
    }

    /// The numbers 0 to n − 1 in random order, of type i64.
    ///
    /// ```
    /// use chainrule::Generator;
    /// let mut order = Generator::new(0).permutation(4).to_vec::<i64>()?;
    /// order.sort();
    /// assert_eq!(order, [0, 1, 2, 3]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn permutation(&mut self, n: usize) -> Array {
        let order = self.next().permutation(n);
        Array::filled(order.into_iter().map(|i| i as i64).collect(), Shape::from([n]))
    }
}

/// Numbers that one thread draws at a time; an even number of them.
const PART: usize = 4096;

/// An array whose parts, from a position on, `draw` draws.
fn draw<T: super::Element>(shape: Shape, draw: impl Fn(u64, &mut [T]) + Sync) -> Array {
    Array::made(&shape, |out| pool::chunks_mut(out, PART, |start, out| draw(start as u64, out)))
}
