//! What is learnt from the training part and done to all parts: scaling, and filling in what is missing.

use super::Dataset;
use crate::array::Array;
use crate::error::{Error, Result};

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
#[derive(Debug, Clone, PartialEq)]
pub struct Imputer {
    /// What stands in for a missing value of each feature.
    pub values: Vec<f32>,
}

impl Imputer {
    /// What the training part says.
    ///
    /// # Errors
    /// A feature has no value at all.
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
                    values.sort_by(f64::total_cmp);
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
