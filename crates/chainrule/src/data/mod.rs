//! Labelled examples: the embedded digits, CSV tables, IDX files.

mod csv;
mod digits;
mod idx;

pub use self::csv::{CsvOptions, read_csv, read_features};
pub use self::digits::digits;
pub use self::idx::{Idx, load_mnist, read_idx};

use crate::array::{Array, Generator, Shape};
use crate::error::{Error, Result};

/// Examples with a class each.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is called.
    pub name: String,
    /// The examples, `[n, features]`, f32.
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
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many features an example has.
    pub fn width(&self) -> usize {
        self.features.shape().get(1).copied().unwrap_or(0)
    }

    /// These examples, in this order.
    ///
    /// # Errors
    /// There is no such example.
    pub fn select(&self, examples: &[usize]) -> Result<Dataset> {
        let values = self.features.contiguous();
        let width = self.width();
        let values = values.as_slice::<f32>().ok_or_else(|| Error::dtype("features are f32"))?;
        let mut rows = Vec::with_capacity(examples.len() * width);
        let mut labels = Vec::with_capacity(examples.len());
        for &i in examples {
            let label =
                *self.labels.get(i).ok_or_else(|| Error::index(format!("there is no example {i}")))?;
            labels.push(label);
            rows.extend_from_slice(&values[i * width..(i + 1) * width]);
        }
        let features = Array::from_vec(rows, Shape::new(&[examples.len(), width])?)?;
        Ok(Dataset { features, labels, ..self.clone_names() })
    }

    fn clone_names(&self) -> Dataset {
        Dataset {
            name: self.name.clone(),
            features: Array::zeros([0, 0]),
            labels: Vec::new(),
            classes: self.classes.clone(),
        }
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
        let mut generator = Generator::new(seed);
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for class in 0..self.classes.len() as i64 {
            let members: Vec<usize> = (0..self.len()).filter(|&i| self.labels[i] == class).collect();
            let order = generator.permutation(members.len()).to_i64_vec();
            let count = (members.len() as f64 * test_fraction).round() as usize;
            for (place, i) in order.into_iter().enumerate() {
                if place < count { &mut test } else { &mut train }.push(members[i as usize]);
            }
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok((self.select(&train)?, self.select(&test)?))
    }

    /// The examples of each batch of an epoch, shuffled by seed and epoch; the last batch may be smaller.
    pub fn batches(&self, size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        // Each epoch has a stream of its own, so that training can go on in the middle.
        let mut generator = Generator::resume(seed ^ 0x5EED_BA7C, epoch as u64);
        let order: Vec<usize> =
            generator.permutation(self.len()).to_i64_vec().into_iter().map(|i| i as usize).collect();
        order.chunks(size.max(1)).map(<[usize]>::to_vec).collect()
    }
}

/// Subtracts a mean from each feature and divides by a scale, both taken from the training part alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    /// What is subtracted from each feature.
    pub mean: Vec<f32>,
    /// What each feature is divided by.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// Mean and standard deviation of each feature (features that never vary are left unscaled).
    pub fn standardise(data: &Dataset) -> Scaler {
        let width = data.width();
        let values = data.features.to_f64_vec();
        let n = data.len().max(1) as f64;
        let mut mean = vec![0.0; width];
        let mut square = vec![0.0; width];
        for row in values.chunks(width.max(1)) {
            for (m, x) in mean.iter_mut().zip(row) {
                *m += x / n;
            }
        }
        for row in values.chunks(width.max(1)) {
            for ((s, x), m) in square.iter_mut().zip(row).zip(&mean) {
                *s += (x - m).powi(2) / n;
            }
        }
        let scale = square.iter().map(|s| if *s > 1e-12 { s.sqrt() as f32 } else { 1.0 }).collect();
        Scaler { mean: mean.into_iter().map(|m| m as f32).collect(), scale }
    }

    /// Division of all features by their common largest magnitude, for pixels.
    pub fn by_largest(data: &Dataset) -> Scaler {
        let largest = data.features.to_f64_vec().into_iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let scale = if largest > 0.0 { largest as f32 } else { 1.0 };
        Scaler { mean: vec![0.0; data.width()], scale: vec![scale; data.width()] }
    }

    /// The scaled examples.
    ///
    /// # Errors
    /// The number of features is another one.
    pub fn apply(&self, features: &Array) -> Result<Array> {
        let width = self.mean.len();
        if features.rank() != 2 || features.shape()[1] != width {
            return Err(Error::shape(format!(
                "the network was trained on {width} features, the data is {}",
                features.shape()
            )));
        }
        let mut scaled = features.cast(crate::DType::F32).copied();
        if let Some(values) = scaled.make_mut::<f32>() {
            for row in values.chunks_mut(width.max(1)) {
                for ((x, m), s) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                    *x = (*x - m) / s;
                }
            }
        }
        Ok(scaled)
    }
}
