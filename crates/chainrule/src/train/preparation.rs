//! What is done to an example before a network sees it, learned from the training part alone.

use serde::{Deserialize, Serialize};

use super::{Arch, Data, MissingValues, Settings, Takes};
use crate::array::Array;
use crate::data::{Columns, Dataset, FillIn, Filter, Imputer, Scaler, Transform};
use crate::error::{Error, Result};
use crate::kernel::Kernels as _;
use crate::kernel::norm::Moments;

/// What is done to an example before the network sees it; stored with the network.
///
/// ```
/// use chainrule::{data::digits, train::{Preparation, Settings, Training}};
/// let data = digits().stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
/// let training = Training::new(settings, data)?;
/// assert!(matches!(training.preparation(), Preparation::Features { scaler, .. } if scaler.scale[0] == 16.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Preparation {
    /// Features: gaps filled in, then scaled
    Features {
        /// What the columns of the table mean, where the examples are from one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<Columns>,
        /// What stands in for missing values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill_in: Option<Imputer>,
        /// How they are scaled.
        scaler: Scaler,
    },
    /// Images: these steps
    Image {
        /// The shape of an image in memory; photos have shapes of their own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shape: Option<Vec<usize>>,
        /// What is done to it.
        steps: Vec<Transform>,
    },
    /// Characters: their places in the alphabet
    Text {
        /// The characters.
        alphabet: String,
    },
}

impl Preparation {
    /// What suits the network, with statistics from the training part alone.
    pub(super) fn fit(settings: &Settings, data: &Data) -> Result<Preparation> {
        let takes = settings.arch.takes();
        match data {
            Data::Text(text) => Ok(Preparation::Text { alphabet: text.alphabet.iter().collect() }),
            #[cfg(feature = "images")]
            Data::Photos { .. } => {
                let size = settings.size.unwrap_or_else(|| settings.arch.image_size());
                let filter = Filter::Bilinear;
                let mut steps = match settings.arch {
                    // What its makers did, so that their weights stay right.
                    Arch::SqueezeNet10Caffe => settings.arch.preprocessing(),
                    _ => vec![
                        Transform::ResizeShorter { size: size * 8 / 7, filter },
                        Transform::CenterCrop { height: size, width: size },
                        Transform::Float { divisor: 255.0 },
                        super::arch::imagenet(),
                    ],
                };
                for step in &mut steps {
                    if let Transform::Resize { height, width, .. } = step {
                        (*height, *width) = (size, size);
                    }
                }
                steps.extend((takes == Takes::Features).then_some(Transform::Flatten));
                Ok(Preparation::Image { shape: None, steps })
            }
            Data::Arrays { train, columns, .. } if train.features.rank() == 2 => {
                if takes != Takes::Features {
                    return Err(Error::argument(format!(
                        "{} takes images, and {} has rows of {} numbers",
                        settings.arch,
                        settings.data,
                        train.width()
                    ))
                    .hint("choose --arch mlp or softmax"));
                }
                let fill = match settings.missing {
                    MissingValues::Mean => Some(FillIn::Mean),
                    MissingValues::Median => Some(FillIn::Median),
                    _ => None,
                };
                let fill_in = fill.map(|fill| Imputer::fit(train, fill)).transpose()?;
                let whole = match &fill_in {
                    None => train.clone(),
                    Some(imputer) => Dataset { features: imputer.apply(&train.features)?, ..train.clone() },
                };
                let pixels = whole.features.to_f64_vec().iter().all(|&x| x >= 0.0 && x.fract() == 0.0);
                let scaler = if pixels { Scaler::by_largest(&whole) } else { Scaler::standardise(&whole) };
                Ok(Preparation::Features { columns: columns.clone(), fill_in, scaler })
            }
            Data::Arrays { train, .. } => {
                let &[_, channels, height, width] = &train.features.shape()[..] else {
                    return Err(Error::shape(format!(
                        "examples are rows of numbers or images, not {}",
                        train.features.shape()
                    )));
                };
                let least = settings.arch.least_size();
                let own = if height == width { height } else { height.max(width) };
                let fixed = matches!(settings.arch, Arch::LeNet);
                let size = settings.size.unwrap_or(if fixed { least } else { own.max(least) });
                let mut steps = Vec::new();
                if (height, width) != (size, size) {
                    steps.push(Transform::Resize { height: size, width: size, filter: Filter::Bilinear });
                }
                if settings.arch.takes_colour() && channels == 1 {
                    steps.push(Transform::Colour);
                }
                let (largest, moments) = statistics(train, channels)?;
                let divisor = if largest > 16.0 { 255.0 } else { largest as f32 };
                steps.push(Transform::Float { divisor });
                steps.push(normalise(&moments, divisor, settings.arch.takes_colour()));
                steps.extend((takes == Takes::Features).then_some(Transform::Flatten));
                Ok(Preparation::Image { shape: Some(vec![channels, height, width]), steps })
            }
        }
    }

    /// The network's input for raw examples in memory: features `[n, features]` or images `[n, …]`.
    ///
    /// # Errors
    /// The examples have another shape.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, data)?;
    /// let ready = training.preparation().apply(&digits().features.narrow(0, 0, 2)?)?;
    /// assert!(ready.to_f64_vec().iter().all(|x| (0.0..=1.0).contains(x)));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn apply(&self, raw: &Array) -> Result<Array> {
        match self {
            Preparation::Features { fill_in, scaler, .. } => match fill_in {
                Some(imputer) => scaler.apply(&imputer.apply(raw)?),
                None => scaler.apply(raw),
            },
            Preparation::Image { shape, steps } => {
                let rows = raw.shape().first().copied().unwrap_or(0);
                let raw = match shape {
                    Some(shape)
                        if raw.rank() != 4 && raw.elements() == rows * shape.iter().product::<usize>() =>
                    {
                        raw.reshape(crate::Shape::new(&[&[rows], &shape[..]].concat())?)?
                    }
                    _ => raw.clone(),
                };
                let ready: Vec<Array> = (0..rows)
                    .map(|i| Transform::all(steps, raw.select(0, i as isize)?))
                    .collect::<Result<_>>()?;
                stacked(&ready)
            }
            Preparation::Text { .. } => Ok(raw.clone()),
        }
    }
}

impl Preparation {
    /// What is done to a photo of any size: where the network knows images of one shape, it is brought to that first.
    pub(super) fn for_photos(&self) -> Result<Vec<Transform>> {
        let Preparation::Image { shape, steps } = self else {
            return Err(Error::argument("the network wasn't trained on images"));
        };
        let mut all = Vec::new();
        if let Some(&[channels, height, width]) = shape.as_deref() {
            all.push(if channels == 1 { Transform::Grey } else { Transform::Colour });
            all.push(Transform::Resize { height, width, filter: Filter::Bilinear });
        }
        all.extend(steps.iter().cloned());
        Ok(all)
    }
}

/// Images of one shape, f32, with a new first dimension.
fn stacked(images: &[Array]) -> Result<Array> {
    let first = images.first().ok_or_else(|| Error::argument("there is no example"))?;
    let mut values = Vec::with_capacity(images.len() * first.elements());
    for image in images {
        let image = image.contiguous();
        let own = image.as_slice::<f32>().ok_or_else(|| Error::dtype("prepared images are f32"))?;
        values.extend_from_slice(own);
    }
    Array::from_vec(values, crate::Shape::new(&[&[images.len()], &first.shape()[..]].concat())?)
}

/// The largest feature of the training part (at least 1), and each channel's moments. A few examples at a time, as all of
/// them in double precision would take much memory; their moments are merged as Chan, Golub and LeVeque do (1979).
fn statistics(train: &Dataset, channels: usize) -> Result<(f64, Vec<Moments>)> {
    const TOGETHER: usize = 128;
    let plane = train.width() / channels.max(1);
    let (mut largest, mut all) = (1.0, vec![Moments::default(); channels]);
    for start in (0..train.len()).step_by(TOGETHER) {
        let images = TOGETHER.min(train.len() - start);
        let block = train.features.narrow(0, start as isize, images)?.to_f64_vec();
        largest = block.iter().copied().fold(largest, f64::max);
        let part = images as f64 / (start + images) as f64;
        for (all, own) in all.iter_mut().zip(f64::moments(&block, [images, channels, plane], true)) {
            let apart = own.mean - all.mean;
            all.mean += apart * part;
            all.variance += (own.variance - all.variance) * part + apart * apart * part * (1.0 - part);
        }
    }
    Ok((largest, all))
}

/// Division of each channel's distance from its mean by its deviation, after division of all by `divisor`.
fn normalise(moments: &[Moments], divisor: f32, colour: bool) -> Transform {
    let divisor = f64::from(divisor);
    let mut mean: Vec<f32> = moments.iter().map(|own| (own.mean / divisor) as f32).collect();
    let spread = moments.iter().map(|own| own.variance.sqrt());
    let mut deviation: Vec<f32> = spread.map(|s| if s > 1e-9 { (s / divisor) as f32 } else { 1.0 }).collect();
    if colour && moments.len() == 1 {
        (mean, deviation) = (vec![mean[0]; 3], vec![deviation[0]; 3]);
    }
    Transform::Normalise { mean, deviation }
}
