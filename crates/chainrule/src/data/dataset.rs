//! Labelled examples in memory.

use super::{Example, Source};
use crate::array::{Array, Generator, Shape, dispatch};
use crate::error::{Error, Result};

/// Examples with a class each.
///
/// ```
/// let digits = chainrule::data::digits();
/// assert_eq!(*digits.features.shape(), [1797, 64]);
/// assert_eq!((digits.labels[0], &digits.classes[9][..]), (0, "9"));
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is called.
    pub name: String,
    /// The examples, `[n, …]`: `[n, features]` f32 from tables, `[n, channels, height, width]` u8 from images.
    pub features: Array,
    /// The class of each example, an index into `classes`.
    pub labels: Vec<i64>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

impl Dataset {
    /// A data set whose parts fit.
    ///
    /// # Errors
    /// The numbers of examples and labels differ, or a label isn't a class.
    ///
    /// ```
    /// use chainrule::data::Dataset;
    /// use chainrule::Array;
    /// let features = Array::arange(0.0, 6.0, 1.0)?.reshape([3, 2])?;
    /// let data = Dataset::new("points", features, vec![0, 1, 0], vec!["a".into(), "b".into()])?;
    /// assert_eq!((data.len(), data.width()), (3, 2));
    /// assert!(Dataset::new("none", Array::zeros([3, 2]), vec![0, 1], vec!["a".into(), "b".into()]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(
        name: impl Into<String>,
        features: Array,
        labels: Vec<i64>,
        classes: Vec<String>,
    ) -> Result<Dataset> {
        let examples = features.shape().first().copied().unwrap_or(0);
        if examples != labels.len() {
            return Err(Error::shape(format!("there are {examples} examples and {} labels", labels.len())));
        }
        if let Some(i) =
            labels.iter().position(|&label| usize::try_from(label).map_or(true, |l| l >= classes.len()))
        {
            return Err(Error::index(format!(
                "the label {} of example {i} is not one of the {} classes",
                labels[i],
                classes.len()
            )));
        }
        Ok(Dataset { name: name.into(), features, labels, classes })
    }

    /// How many examples there are.
    ///
    /// ```
    /// assert_eq!(chainrule::data::digits().len(), 1797);
    /// ```
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no examples.
    ///
    /// ```
    /// assert!(!chainrule::data::digits().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many features an example has, all its dimensions taken together.
    ///
    /// ```
    /// assert_eq!(chainrule::data::digits().width(), 64); // 8 × 8 pixels
    /// ```
    pub fn width(&self) -> usize {
        self.features.shape().iter().skip(1).product()
    }

    /// These examples, in this order.
    ///
    /// # Errors
    /// There is no such example.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::data::Dataset;
    /// let features = Array::arange(0.0, 6.0, 1.0)?.reshape([3, 2])?;
    /// let data = Dataset::new("points", features, vec![0, 1, 0], vec!["a".into(), "b".into()])?;
    /// let last_first = data.select(&[2, 1])?;
    /// assert_eq!(last_first.features.to_vec::<f32>()?, [4.0, 5.0, 2.0, 3.0]);
    /// assert_eq!(last_first.labels, [0, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn select(&self, examples: &[usize]) -> Result<Dataset> {
        if let Some(i) = examples.iter().find(|&&i| i >= self.len()) {
            return Err(Error::index(format!("there is no example {i} among {}", self.len())));
        }
        let features = pick(&self.features, examples)?;
        let labels = examples.iter().map(|&i| self.labels[i]).collect();
        Ok(Dataset { name: self.name.clone(), features, labels, classes: self.classes.clone() })
    }

    /// Training and test part; every class is split in the same proportion, by seed.
    ///
    /// # Errors
    /// The fraction isn't between 0 and 1.
    ///
    /// ```
    /// let (train, test) = chainrule::data::digits().stratified_split(0.2, 0)?;
    /// assert_eq!(train.len() + test.len(), 1797);
    /// assert_eq!(test.len(), 359);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn stratified_split(&self, test_fraction: f64, seed: u64) -> Result<(Dataset, Dataset)> {
        if !(test_fraction > 0.0 && test_fraction < 1.0) {
            return Err(Error::argument(format!(
                "the test part is a fraction between 0 and 1, not {test_fraction}"
            )));
        }
        let (train, test) = split(&self.labels, self.classes.len(), test_fraction, seed);
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// The examples of each batch of an epoch, shuffled by seed and epoch; the last batch may be smaller.
    ///
    /// ```
    /// let digits = chainrule::data::digits();
    /// let batches = digits.batches(500, 0, 0);
    /// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 500, 297]);
    /// assert_ne!(batches, digits.batches(500, 0, 1)); // every epoch in another order
    /// ```
    pub fn batches(&self, size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let order = super::loader::epoch_order(self.len(), Some(seed), epoch);
        order.chunks(size.max(1)).map(<[usize]>::to_vec).collect()
    }
}

impl Source for Dataset {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn example(&self, i: usize, _: &mut Generator) -> Result<Example> {
        let label = *self.labels.get(i).ok_or_else(|| Error::index(format!("there is no example {i}")))?;
        Ok(Example { input: self.features.select(0, i as isize)?, target: Array::scalar(label) })
    }

    fn examples(&self, all: &[usize], _: &dyn Fn(usize) -> Generator) -> Result<(Array, Array)> {
        let part = self.select(all)?;
        Ok((part.features, Array::filled(part.labels, Shape::from([all.len()]))))
    }
}

/// The numbers of the examples of two parts, sorted; every class is split in the same proportion, by seed.
pub(crate) fn split(labels: &[i64], classes: usize, fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut generator = Generator::new(seed);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for class in 0..classes as i64 {
        let members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
        let order = generator.permutation(members.len()).to_i64_vec();
        let count = (members.len() as f64 * fraction).round() as usize;
        for (place, i) in order.into_iter().enumerate() {
            if place < count { &mut second } else { &mut first }.push(members[i as usize]);
        }
    }
    first.sort_unstable();
    second.sort_unstable();
    (first, second)
}

/// These rows of an array, in this order.
fn pick(array: &Array, rows: &[usize]) -> Result<Array> {
    let array = array.contiguous();
    let mut sizes = array.shape().to_vec();
    if let Some(first) = sizes.first_mut() {
        *first = rows.len();
    }
    let width: usize = sizes.iter().skip(1).product();
    Ok(dispatch!(array.dtype(), T => {
        let values = array.values::<T>();
        let mut picked = Vec::with_capacity(rows.len() * width);
        rows.iter().for_each(|row| picked.extend_from_slice(&values[row * width..(row + 1) * width]));
        Array::filled(picked, Shape::new(&sizes)?)
    }))
}
