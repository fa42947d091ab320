//! What is learnt from the training part and done to all parts: scaling, and filling in what is missing.

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::array::Array;
use crate::error::{Error, Result};

/// Subtracts a mean from each feature and divides by a scale, both taken from the training part alone.
///
/// ```
/// use chainrule::Array;
/// use chainrule::data::Scaler;
/// let scaler = Scaler { mean: vec![1.0, 0.0], scale: vec![2.0, 1.0] };
/// assert_eq!(scaler.apply(&Array::literal([[5.0, 5.0]])?)?.to_vec::<f32>()?, [2.0, 5.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// What is subtracted from each feature.
    pub mean: Vec<f32>,
    /// What each feature is divided by.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// Mean and standard deviation of each feature (features that never vary are left unscaled).
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::data::{Dataset, Scaler};
    /// let features = Array::literal([[1.0, 7.0], [3.0, 7.0]])?;
    /// let data = Dataset::new("points", features, vec![0, 0], vec!["a".into()])?;
    /// let scaler = Scaler::standardise(&data);
    /// assert_eq!((scaler.mean, scaler.scale), (vec![2.0, 7.0], vec![1.0, 1.0]));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
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
    ///
    /// ```
    /// use chainrule::data::{digits, Scaler};
    /// let scaled = Scaler::by_largest(&digits()).apply(&digits().features)?;
    /// assert_eq!(scaled.to_vec::<f32>()?.into_iter().fold(0.0, f32::max), 1.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn by_largest(data: &Dataset) -> Scaler {
        let largest = data.features.to_f64_vec().into_iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let scale = if largest > 0.0 { largest as f32 } else { 1.0 };
        Scaler { mean: vec![0.0; data.width()], scale: vec![scale; data.width()] }
    }

    /// The scaled examples.
    ///
    /// # Errors
    /// The number of features is another one.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::data::{digits, Scaler};
    /// let scaler = Scaler::standardise(&digits());
    /// assert_eq!(*scaler.apply(&digits().features)?.shape(), [1797, 64]);
    /// assert!(scaler.apply(&Array::zeros([1, 65])).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn apply(&self, features: &Array) -> Result<Array> {
        let width = self.mean.len();
        if features.rank() < 2 || features.shape().iter().skip(1).product::<usize>() != width {
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

/// What stands in for a missing value.
///
/// ```
/// use chainrule::Array;
/// use chainrule::data::{Dataset, FillIn, Imputer};
/// let features = Array::literal([[1.0], [f64::NAN], [2.0], [9.0]])?;
/// let data = Dataset::new("points", features, vec![0; 4], vec!["a".into()])?;
/// let value = |fill_in| Ok::<f32, chainrule::Error>(Imputer::fit(&data, fill_in)?.values[0]);
/// assert_eq!((value(FillIn::Mean)?, value(FillIn::Median)?, value(FillIn::Number(0.5))?), (4.0, 2.0, 0.5));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FillIn {
    /// The mean of the feature's values that are there
    Mean,
    /// The middle one of them (the mean of the two middle ones)
    Median,
    /// This number
    Number(f32),
}

/// Fills in missing values (NaN), by what the training part alone says.
///
/// ```
/// use chainrule::data::{CsvOptions, Dataset, FillIn, Imputer, Missing};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-missing-{}.csv", std::process::id()));
/// # std::fs::write(&path, "a,b,kind\n1,2,x\n,4,y\n3,6,x\n").unwrap();
/// let options = CsvOptions { missing: Missing::Keep, ..CsvOptions::default() };
/// let mut data = chainrule::data::read_csv(&path, &options)?;
/// let imputer = Imputer::fit(&data, FillIn::Mean)?;
/// data.features = imputer.apply(&data.features)?;
/// assert_eq!(data.features.to_vec::<f32>()?, [1.0, 2.0, 2.0, 4.0, 3.0, 6.0]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imputer {
    /// What stands in for a missing value of each feature.
    pub values: Vec<f32>,
}

impl Imputer {
    /// What the training part says.
    ///
    /// # Errors
    /// A feature has no value at all.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::data::{Dataset, FillIn, Imputer};
    /// let nothing = Array::literal([[f64::NAN]])?;
    /// let data = Dataset::new("points", nothing, vec![0], vec!["a".into()])?;
    /// assert!(Imputer::fit(&data, FillIn::Mean).is_err());
    /// assert!(Imputer::fit(&data, FillIn::Number(0.0)).is_ok());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn fit(train: &Dataset, fill_in: FillIn) -> Result<Imputer> {
        let width = train.width();
        let all = train.features.to_f64_vec();
        let value = |feature: usize| {
            let mut values: Vec<f64> =
                all.iter().skip(feature).step_by(width.max(1)).copied().filter(|x| !x.is_nan()).collect();
            let n = values.len();
            match fill_in {
                FillIn::Number(x) => Ok(x),
                _ if n == 0 => Err(Error::argument(format!(
                    "the feature {feature} has no value in the training part, so nothing can stand in for it"
                ))
                .hint("leave the column out, or fill in a number")),
                FillIn::Mean => Ok((values.iter().sum::<f64>() / n as f64) as f32),
                FillIn::Median => {
                    values.sort_unstable_by(f64::total_cmp);
                    Ok(((values[(n - 1) / 2] + values[n / 2]) / 2.0) as f32)
                }
            }
        };
        Ok(Imputer { values: (0..width).map(value).collect::<Result<_>>()? })
    }

    /// The features without missing values.
    ///
    /// # Errors
    /// The number of features is another one.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::data::Imputer;
    /// let imputer = Imputer { values: vec![5.0, 6.0] };
    /// let features = Array::literal([[1.0, f64::NAN]])?;
    /// assert_eq!(imputer.apply(&features)?.to_vec::<f32>()?, [1.0, 6.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn apply(&self, features: &Array) -> Result<Array> {
        let width = self.values.len();
        if features.rank() < 2 || features.shape().iter().skip(1).product::<usize>() != width {
            return Err(Error::shape(format!(
                "what to fill in is known of {width} features, the data is {}",
                features.shape()
            )));
        }
        let mut filled = features.cast(crate::DType::F32).copied();
        if let Some(values) = filled.make_mut::<f32>() {
            for row in values.chunks_mut(width.max(1)) {
                for (x, value) in row.iter_mut().zip(&self.values) {
                    if x.is_nan() {
                        *x = *value;
                    }
                }
            }
        }
        Ok(filled)
    }
}
