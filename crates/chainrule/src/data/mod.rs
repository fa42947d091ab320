//! Examples: where they come from, what is done to them, and how they become batches.
//!
//! A [`Source`] gives examples one by one: a [`Dataset`] in memory, an [`ImageFolder`], a [`Text`]'s windows, or
//! anything else that implements it. A [`Loader`] shuffles it and makes batches of it on worker threads.
//!
//! ```
//! use chainrule::data::{digits, Loader};
//! let (train, test) = digits().stratified_split(0.2, 0)?;
//! let batches = Loader::new(train, 32).shuffle(0).epoch(0);
//! assert_eq!((batches.len(), test.len()), (45, 359));
//! # Ok::<(), chainrule::Error>(())
//! ```

mod alice;
mod cifar;
mod csv;
mod dataset;
mod digits;
mod idx;
#[cfg(feature = "images")]
mod images;
mod loader;
#[cfg(feature = "parquet")]
mod parquet;
mod resize;
mod scaler;
mod table;
mod text;
mod transform;

pub use self::alice::alice;
pub use self::cifar::{Cifar, load_cifar, read_cifar};
pub use self::csv::{Column, Columns, CsvOptions, Missing, read_csv, read_features, read_table};
pub use self::dataset::Dataset;
pub(crate) use self::dataset::split;
pub use self::digits::digits;
pub use self::idx::{Idx, load_mnist, read_idx};
#[cfg(feature = "images")]
pub use self::images::{ImageFolder, decode_image, read_image};
pub use self::loader::{Batch, Batches, Loader};
pub use self::resize::{Filter, resize};
pub use self::scaler::{FillIn, Imputer, Scaler};
pub use self::text::{Stretches, Text, Windows};
pub use self::transform::{Transform, Transformed, one_hot};

use crate::array::{Array, Generator};
use crate::error::Result;

/// One example: what a network is given, and what it should answer.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::data::{digits, Example, Source};
/// let Example { input, target } = digits().example(7, &mut Generator::new(0))?;
/// assert_eq!((input.elements(), target.item()?), (64, 7.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Example {
    /// The network's input.
    pub input: Array,
    /// The wanted answer: a class is a 0-d i64.
    pub target: Array,
}

/// Examples by number.
///
/// ```
/// use chainrule::data::{Example, Loader, Source};
/// use chainrule::{Array, Generator};
/// /// Numbers and their squares.
/// struct Squares;
/// impl Source for Squares {
///     fn len(&self) -> usize {
///         5
///     }
///     fn example(&self, i: usize, _: &mut Generator) -> chainrule::Result<Example> {
///         let x = i as f32;
///         Ok(Example { input: Array::scalar(x), target: Array::scalar(x * x) })
///     }
/// }
/// let loader = Loader::new(Squares, 2);
/// let last = loader.epoch(0).last().unwrap()?;
/// assert_eq!(last.targets.to_vec::<f32>()?, [16.0]); // the rest of 5 in batches of 2
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Source: Send + Sync {
    /// How many examples there are.
    ///
    /// ```
    /// use chainrule::data::{digits, Source};
    /// assert_eq!(Source::len(&digits()), 1797);
    /// ```
    fn len(&self) -> usize;

    /// Whether there are none.
    ///
    /// ```
    /// use chainrule::data::{digits, Source};
    /// assert!(!Source::is_empty(&digits()));
    /// ```
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Example i. What is random in it (a crop, a flip) must come from `random`, which depends on the loader's
    /// seed, the epoch and i alone.
    ///
    /// # Errors
    /// There is no such example, or it can't be read.
    ///
    /// ```
    /// use chainrule::data::{digits, Source, Transform, Transformed};
    /// use chainrule::Generator;
    /// let image = Transform::RandomFlip { probability: 0.5 };
    /// let flipped = Transformed::new(chainrule::data::Text::new("hello")?.windows(2)?, vec![]);
    /// let (first, again) =
    ///     (flipped.example(1, &mut Generator::new(3))?, flipped.example(1, &mut Generator::new(3))?);
    /// assert_eq!(first.input.to_vec::<i64>()?, again.input.to_vec::<i64>()?);
    /// assert!(digits().example(1797, &mut Generator::new(0)).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn example(&self, i: usize, random: &mut Generator) -> Result<Example>;

    /// Several examples at once: inputs and targets, each with a new first dimension. `random` gives the generator of
    /// an example.
    ///
    /// # Errors
    /// As [`Source::example`], or their shapes differ.
    ///
    /// ```
    /// use chainrule::data::{Source, digits};
    /// use chainrule::Generator;
    /// let (inputs, targets) = digits().examples(&[0, 1, 2], &|i| Generator::new(i as u64))?;
    /// assert_eq!((inputs.shape()[..].to_vec(), targets.to_i64_vec()), (vec![3, 64], vec![0, 1, 2]));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn examples(&self, all: &[usize], random: &dyn Fn(usize) -> Generator) -> Result<(Array, Array)> {
        loader::gather(self, all, random)
    }
}

impl std::fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a source of {} examples", self.len())
    }
}

/// Some examples of a source, in an order of their own.
///
/// ```
/// use chainrule::data::{Source, Subset, digits};
/// use chainrule::Generator;
/// let part = Subset { source: digits(), examples: vec![5, 3] };
/// assert_eq!(part.len(), 2);
/// assert_eq!(part.example(1, &mut Generator::new(0))?.target.item()?, 3.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subset<S> {
    /// The whole.
    pub source: S,
    /// The examples of the part, by their numbers in the whole.
    pub examples: Vec<usize>,
}

impl<S: Source> Source for Subset<S> {
    fn len(&self) -> usize {
        self.examples.len()
    }

    fn example(&self, i: usize, random: &mut Generator) -> Result<Example> {
        let place = self.examples.get(i);
        let place =
            place.ok_or_else(|| crate::Error::index(format!("there is no example {i} in the part")))?;
        self.source.example(*place, random)
    }
}

impl<S: Source + ?Sized> Source for std::sync::Arc<S> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn example(&self, i: usize, random: &mut Generator) -> Result<Example> {
        (**self).example(i, random)
    }

    fn examples(&self, all: &[usize], random: &dyn Fn(usize) -> Generator) -> Result<(Array, Array)> {
        (**self).examples(all, random)
    }
}
