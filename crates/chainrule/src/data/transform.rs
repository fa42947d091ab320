//! What is done to examples before a network sees them.

use serde::{Deserialize, Serialize};

use super::{Example, Filter, Source, resize};
use crate::array::{Array, DType, Generator, Shape};
use crate::error::{Error, Result};
use crate::kernel::zip::each;

/// One step from an image `[channels, height, width]` to a network's input. A list of steps can be stored with a
/// model as text.
///
/// ```
/// use chainrule::data::{Filter, Transform};
/// use chainrule::Array;
/// let photo = Array::full_of([3, 300, 451], 200, chainrule::DType::U8);
/// let steps = [
///     Transform::Square,
///     Transform::Resize { height: 224, width: 224, filter: Filter::Bilinear },
///     Transform::Float { divisor: 255.0 },
///     Transform::Normalise { mean: vec![0.485, 0.456, 0.406], deviation: vec![0.229, 0.224, 0.225] },
/// ];
/// let input = Transform::all(&steps, photo)?;
/// assert_eq!(input.shape()[..], [3, 224, 224]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Transform {
    /// To this height and width, whatever the image's proportions
    Resize {
        /// The new height.
        height: usize,
        /// The new width.
        width: usize,
        /// How.
        #[serde(default)]
        filter: Filter,
    },
    /// So that the shorter side has this length; the longer one keeps the proportion, rounded down
    ResizeShorter {
        /// The length of the shorter side.
        size: usize,
        /// How.
        #[serde(default)]
        filter: Filter,
    },
    /// The largest square in the middle
    Square,
    /// A part of this size from the middle; what lies beyond the image is 0
    CenterCrop {
        /// Its height.
        height: usize,
        /// Its width.
        width: usize,
    },
    /// A part of this size from a random place of the image with so many zeros around it
    RandomCrop {
        /// Its height.
        height: usize,
        /// Its width.
        width: usize,
        /// Zeros at each side.
        #[serde(default)]
        padding: usize,
    },
    /// Left and right swapped with this probability
    RandomFlip {
        /// How often.
        probability: f64,
    },
    /// f32 values, divided by a number: 255 gives 0 to 1
    Float {
        /// The number.
        divisor: f32,
    },
    /// `(x − mean) / deviation` of each channel
    Normalise {
        /// What is subtracted from each channel.
        mean: Vec<f32>,
        /// What each channel is divided by.
        deviation: Vec<f32>,
    },
    /// The channels in reverse order: RGB becomes BGR
    ReverseChannels,
    /// A grey image three times: one for each colour; other images stay as they are
    Colour,
    /// The brightness of a colour image, `0.299 r + 0.587 g + 0.114 b`; grey images stay as they are
    Grey,
    /// All pixels in a row, for networks that know nothing of places
    Flatten,
}

impl Transform {
    /// The image after this step; random steps draw from the generator.
    ///
    /// # Errors
    /// The image has another shape or element type than the step needs.
    ///
    /// ```
    /// use chainrule::data::Transform;
    /// use chainrule::{Array, Generator};
    /// let image = Array::literal([[[1, 2, 3]]])?; // one channel, one row
    /// let mut random = Generator::new(0);
    /// let crop = Transform::CenterCrop { height: 1, width: 1 };
    /// assert_eq!(crop.apply(&image, &mut random)?.to_vec::<i64>()?, [2]);
    /// let flip = Transform::RandomFlip { probability: 1.0 };
    /// assert_eq!(flip.apply(&image, &mut random)?.to_vec::<i64>()?, [3, 2, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn apply(&self, image: &Array, random: &mut Generator) -> Result<Array> {
        let [channels, height, width] = image.shape()[..] else {
            return Err(Error::shape(format!(
                "an image is [channels, height, width], not {}",
                image.shape()
            )));
        };
        match self {
            Transform::Resize { height, width, filter } => resize(image, *height, *width, *filter),
            Transform::ResizeShorter { size, filter } => {
                let longer = |long: usize, short: usize| (size * long).checked_div(short).unwrap_or(0);
                let (height, width) = if height <= width {
                    (*size, longer(width, height))
                } else {
                    (longer(height, width), *size)
                };
                resize(image, height, width, *filter)
            }
            Transform::Square => {
                let side = height.min(width);
                crop(image, [(height - side) / 2, (width - side) / 2].map(|x| x as isize), [side, side])
            }
            Transform::CenterCrop { height: h, width: w } => {
                // Torchvision rounds half a pixel to the even place.
                let start =
                    |all: usize, part: usize| ((all as f64 - part as f64) / 2.0).round_ties_even() as isize;
                crop(image, [start(height, *h), start(width, *w)], [*h, *w])
            }
            Transform::RandomCrop { height: h, width: w, padding } => {
                let mut start = |all: usize, part: usize| -> Result<isize> {
                    let room = (all + 2 * padding).checked_sub(part).ok_or_else(|| {
                        Error::shape(format!(
                            "a part of {h}×{w} can't be cut out of {height}×{width} with a padding of {padding}"
                        ))
                    })?;
                    let place = random.randint(0, room as i64 + 1, Shape::SCALAR)?.item()?;
                    Ok(place as isize - *padding as isize)
                };
                let place = [start(height, *h)?, start(width, *w)?];
                crop(image, place, [*h, *w])
            }
            Transform::RandomFlip { probability } => {
                let flip = random.rand(Shape::SCALAR, DType::F64).item()? < *probability;
                if flip { reverse(image, 2) } else { Ok(image.clone()) }
            }
            Transform::Float { divisor } => {
                let mut float = image.cast(DType::F32);
                each(float.make_mut::<f32>().unwrap_or_default(), |x| *x /= divisor);
                Ok(float)
            }
            Transform::Normalise { mean, deviation } => {
                if mean.len() != channels || deviation.len() != channels {
                    return Err(Error::shape(format!(
                        "there are {channels} channels, {} means and {} deviations",
                        mean.len(),
                        deviation.len()
                    )));
                }
                let mut scaled = image.cast(DType::F32);
                let planes =
                    scaled.make_mut::<f32>().into_iter().flat_map(|v| v.chunks_mut((height * width).max(1)));
                for ((plane, m), d) in planes.zip(mean).zip(deviation) {
                    each(plane, |x| *x = (*x - m) / d);
                }
                Ok(scaled)
            }
            Transform::ReverseChannels => reverse(image, 0),
            Transform::Colour if channels == 1 => Ok(image.expand([3, height, width])?.contiguous()),
            Transform::Colour => Ok(image.clone()),
            Transform::Grey if channels == 3 => {
                let values = image.to_f64_vec();
                let [red, green, blue] = [0, 1, 2].map(|channel| &values[channel * height * width..]);
                let brightness = |i: usize| (0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i]).round();
                let plane: Vec<f64> = (0..height * width).map(brightness).collect();
                Ok(Array::from_vec(plane, [1, height, width])?.cast(image.dtype()))
            }
            Transform::Grey => Ok(image.clone()),
            Transform::Flatten => image.reshape([channels * height * width]),
        }
    }

    /// Whether the step draws random numbers.
    ///
    /// ```
    /// use chainrule::data::Transform;
    /// assert!(Transform::RandomFlip { probability: 0.5 }.is_random() && !Transform::Square.is_random());
    /// ```
    pub fn is_random(&self) -> bool {
        matches!(self, Transform::RandomCrop { .. } | Transform::RandomFlip { .. })
    }

    /// The image after all steps, none of which draws anew: random ones draw what seed 0 says.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    ///
    /// ```
    /// use chainrule::data::Transform;
    /// use chainrule::{Array, DType};
    /// let image = Array::full_of([3, 4, 4], 255, DType::U8);
    /// let steps = [Transform::CenterCrop { height: 2, width: 2 }, Transform::Float { divisor: 255.0 }];
    /// assert_eq!(Transform::all(&steps, image)?.to_vec::<f32>()?, [1.0; 12]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn all(steps: &[Transform], image: Array) -> Result<Array> {
        let mut random = Generator::new(0);
        steps.iter().try_fold(image, |image, step| step.apply(&image, &mut random))
    }
}

/// A part of an image that may reach beyond it; there it is 0.
fn crop(image: &Array, [top, left]: [isize; 2], [height, width]: [usize; 2]) -> Result<Array> {
    let (rows, columns) = (image.shape()[1], image.shape()[2]);
    let inside = |start: isize, length: usize, all: usize| {
        let (from, to) = (start.max(0), (start + length as isize).min(all as isize));
        (from, (to - from).max(0) as usize, (from - start) as usize)
    };
    let (row, row_count, row_gap) = inside(top, height, rows);
    let (column, column_count, column_gap) = inside(left, width, columns);
    if row_count == height && column_count == width {
        return Ok(image.narrow(1, row, height)?.narrow(2, column, width)?.contiguous());
    }
    let mut out = Array::zeros_of(Shape::new(&[image.shape()[0], height, width])?, image.dtype());
    if row_count > 0 && column_count > 0 {
        let part = image.narrow(1, row, row_count)?.narrow(2, column, column_count)?;
        let place =
            out.narrow(1, row_gap as isize, row_count)?.narrow(2, column_gap as isize, column_count)?;
        let layout = place.layout().clone();
        drop(place);
        out.write_at(&layout, &part);
    }
    Ok(out)
}

fn reverse(image: &Array, dim: isize) -> Result<Array> {
    let size = image.shape()[dim as usize];
    let parts = (0..size).rev().map(|i| image.narrow(dim, i as isize, 1)).collect::<Result<Vec<_>>>()?;
    let mut out = Array::zeros_of(*image.shape(), image.dtype());
    for (i, part) in parts.iter().enumerate() {
        let layout = out.narrow(dim, i as isize, 1)?.layout().clone();
        out.write_at(&layout, part);
    }
    Ok(out)
}

/// Rows of 0 with a 1 at the class: `[n, classes]`, f32.
///
/// # Errors
/// A label isn't one of the classes.
///
/// ```
/// use chainrule::data::one_hot;
/// assert_eq!(one_hot(&[2, 0], 3)?.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
/// assert!(one_hot(&[3], 3).is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn one_hot(labels: &[i64], classes: usize) -> Result<Array> {
    let mut values = vec![0.0f32; labels.len() * classes];
    for (i, &label) in labels.iter().enumerate() {
        let class = usize::try_from(label).ok().filter(|&class| class < classes);
        let class = class.ok_or_else(|| {
            Error::index(format!("the label {label} of example {i} is not one of the {classes} classes"))
        })?;
        values[i * classes + class] = 1.0;
    }
    Ok(Array::filled(values, Shape::new(&[labels.len(), classes])?))
}

/// A source whose inputs go through transforms, each example with random numbers of its own.
///
/// ```
/// use chainrule::data::{Dataset, Loader, Transform, Transformed};
/// use chainrule::{Array, DType};
/// let images = Array::full_of([2, 3, 8, 8], 255, DType::U8);
/// let data = Dataset::new("white", images, vec![0, 0], vec!["white".into()])?;
/// let steps =
///     vec![Transform::RandomCrop { height: 4, width: 4, padding: 0 }, Transform::Float { divisor: 255.0 }];
/// let batch = Loader::new(Transformed::new(data, steps), 2).epoch(0).next().unwrap()?;
/// assert_eq!(batch.inputs.to_vec::<f32>()?, [1.0; 2 * 3 * 4 * 4]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Transformed<S> {
    source: S,
    steps: Vec<Transform>,
}

impl<S: Source> Transformed<S> {
    /// The source with these steps.
    ///
    /// ```
    /// use chainrule::data::{Dataset, Source, Transform, Transformed};
    /// use chainrule::{Array, Generator};
    /// let data = Dataset::new("white", Array::ones([1, 3, 8, 8]), vec![0], vec!["white".into()])?;
    /// let squares = Transformed::new(data, vec![Transform::CenterCrop { height: 4, width: 4 }]);
    /// assert_eq!(*squares.example(0, &mut Generator::new(0))?.input.shape(), [3, 4, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(source: S, steps: Vec<Transform>) -> Transformed<S> {
        Transformed { source, steps }
    }
}

impl<S: Source> Source for Transformed<S> {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn example(&self, i: usize, random: &mut Generator) -> Result<Example> {
        let Example { input, target } = self.source.example(i, random)?;
        let input = self.steps.iter().try_fold(input, |image, step| step.apply(&image, random))?;
        Ok(Example { input, target })
    }
}
