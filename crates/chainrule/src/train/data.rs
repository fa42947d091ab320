//! What a run learns from: where `--data` leads, how it is divided, and what is done to an example before the
//! network sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::arch::Takes;
use super::{Arch, Augment, MissingValues, Settings};
use crate::array::{Array, Generator};
#[cfg(feature = "images")]
use crate::data::ImageFolder;
use crate::data::{
    Columns, CsvOptions, Dataset, FillIn, Filter, Imputer, Missing, Scaler, Source, Text, Transform,
    Transformed, digits, load_cifar, load_mnist, read_table, split,
};
use crate::error::{Error, Result};

/// The share of examples that only tests the network, where the source doesn't say which.
const TEST_SHARE: f64 = 0.2;

/// A share of a text that only tests the network: its end.
const TEST_TEXT: f64 = 0.1;

/// Prepared examples of at most this many bytes are kept, rather than made anew whenever they are seen.
const MOST_KEPT: usize = 1 << 28;

/// What `--data` leads to.
///
/// ```
/// use chainrule::train::DataKind;
/// assert_eq!(DataKind::of("digits", false)?, DataKind::Digits);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// The embedded digits
    Digits,
    /// A table: CSV, or Parquet
    Table,
    /// A folder of IDX files: MNIST
    Idx,
    /// A folder of CIFAR's binary files
    Cifar,
    /// A folder with a folder of images for each class, or with such folders `train` and `test` (or `val`)
    Photos,
    /// A text
    Text,
}

impl DataKind {
    /// The kind that a path's content has; files without a telling name are texts for a network of characters, and
    /// tables for others.
    ///
    /// # Errors
    /// There is no such file or folder.
    ///
    /// ```
    /// use chainrule::train::DataKind;
    /// assert!(DataKind::of("no/such/file.csv", false).unwrap_err().to_string().contains("no such file"));
    /// ```
    pub fn of(data: &str, characters: bool) -> Result<DataKind> {
        let path = Path::new(data);
        if data == "digits" && !path.exists() {
            return Ok(DataKind::Digits);
        }
        if path.is_dir() {
            let has = |start: &str| -> bool {
                let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
                entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(start))
            };
            // Any of the four files will do: which one is missing is for its reader to say.
            let idx = ["train-images", "train-labels", "t10k-images", "t10k-labels"];
            return Ok(if idx.into_iter().any(has) {
                DataKind::Idx
            } else if has("data_batch_") || path.join("train.bin").is_file() {
                DataKind::Cifar
            } else {
                DataKind::Photos
            });
        }
        if !path.exists() {
            return Err(Error::argument(format!(
                "{data}: there is no such file or folder; --data takes a table (CSV), a text, a folder of images, of \
                 IDX files or of CIFAR's, or digits"
            )));
        }
        let name = data.to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        Ok(match () {
            () if name.ends_with(".txt") || name.ends_with(".md") => DataKind::Text,
            () if characters && !name.ends_with(".csv") => DataKind::Text,
            () => DataKind::Table,
        })
    }
}

/// Examples to learn from and to test with.
///
/// ```
/// use chainrule::{data::digits, train::Data};
/// let data = Data::from(digits().stratified_split(0.2, 0)?);
/// assert!(matches!(data, Data::Arrays { train, .. } if train.len() == 1438));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a run has one of them")]
pub enum Data {
    /// Arrays in memory: features `[n, features]`, or images `[n, channels, height, width]`
    Arrays {
        /// To learn from.
        train: Dataset,
        /// To test with.
        test: Dataset,
        /// What the columns of their table mean.
        columns: Option<Columns>,
    },
    /// Photos on disk
    #[cfg(feature = "images")]
    Photos {
        /// To learn from.
        train: ImageFolder,
        /// To test with.
        test: ImageFolder,
    },
    /// A text, whose end is to test with
    Text(Text),
}

impl From<(Dataset, Dataset)> for Data {
    /// Training and test part.
    fn from((train, test): (Dataset, Dataset)) -> Data {
        Data::Arrays { train, test, columns: None }
    }
}

impl Data {
    /// Reads what the settings name: `digits`, a table, a text, a folder of IDX files, of CIFAR's or of images.
    ///
    /// Where the source doesn't say what is to test with, a fifth of each class is, by seed.
    ///
    /// # Errors
    /// There is no such file, or it is broken: the error names the file and the place.
    ///
    /// ```
    /// use chainrule::train::{Data, Settings};
    /// assert!(matches!(Data::open(&Settings::default())?, Data::Arrays { test, .. } if test.len() == 359));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn open(settings: &Settings) -> Result<Data> {
        let characters = settings.arch.takes() == Takes::Characters;
        let kind = DataKind::of(&settings.data, characters)?;
        let path = PathBuf::from(&settings.data);
        if settings.target.is_some() && kind != DataKind::Table {
            return Err(Error::argument(format!(
                "--target names a column of a table, and {} isn't one",
                settings.data
            )));
        }
        if characters != (kind == DataKind::Text) {
            return Err(match characters {
                true => Error::argument(format!(
                    "{} learns from a text, and {} is none; name one with --data FILE.txt",
                    settings.arch, settings.data
                )),
                false => Error::argument(format!(
                    "{} is a text, from which {} can't learn; choose --arch {}",
                    settings.data,
                    settings.arch,
                    Arch::CharGpt
                )),
            });
        }
        let parts: (Dataset, Dataset) = match kind {
            DataKind::Digits if settings.arch.takes() == Takes::Images => {
                let all = digits();
                let pixels = all.features.cast(crate::DType::U8).reshape([all.len(), 1, 8, 8])?;
                Dataset::new(all.name, pixels, all.labels, all.classes)?
                    .stratified_split(TEST_SHARE, settings.seed)?
            }
            DataKind::Digits => digits().stratified_split(TEST_SHARE, settings.seed)?,
            DataKind::Idx => load_mnist(path)?,
            DataKind::Cifar => load_cifar(path)?,
            DataKind::Photos => return Data::photos(&path, settings),
            DataKind::Text => return Ok(Data::Text(Text::read(path)?)),
            DataKind::Table => {
                let options = CsvOptions {
                    target: settings.target.clone(),
                    missing: match settings.missing {
                        MissingValues::Refuse => Missing::Refuse,
                        MissingValues::Drop => Missing::DropRow,
                        MissingValues::Mean | MissingValues::Median => Missing::Keep,
                    },
                    categories: settings.categories,
                    ..CsvOptions::default()
                };
                let (all, columns) = read_table(&path, &options)?;
                let (train, test) = all.stratified_split(TEST_SHARE, settings.seed)?;
                return Ok(Data::Arrays { train, test, columns: Some(columns) });
            }
        };
        Ok(parts.into())
    }

    #[cfg(feature = "images")]
    fn photos(path: &Path, settings: &Settings) -> Result<Data> {
        let part = |name: &str| Some(path.join(name)).filter(|part| part.is_dir());
        if let (Some(train), Some(test)) =
            (part("train"), part("test").or_else(|| part("val")).or_else(|| part("valid")))
        {
            let (train, mut test) = (ImageFolder::open(&train)?, ImageFolder::open(&test)?);
            // The classes of the training part decide; the test part may lack some.
            for (image, class) in &mut test.images {
                let name = &test.classes[*class as usize];
                let own = train.classes.iter().position(|other| other == name).ok_or_else(|| {
                    Error::format(image, format!("the class {name} is not in the training part"))
                })?;
                *class = own as i64;
            }
            test.classes.clone_from(&train.classes);
            return Ok(Data::Photos { train, test });
        }
        let all = ImageFolder::open(path)?;
        let labels: Vec<i64> = all.images.iter().map(|(_, class)| *class).collect();
        let (train, test) = split(&labels, all.classes.len(), TEST_SHARE, settings.seed);
        let pick = |rows: Vec<usize>| ImageFolder {
            classes: all.classes.clone(),
            images: rows.into_iter().map(|i| all.images[i].clone()).collect(),
        };
        Ok(Data::Photos { train: pick(train), test: pick(test) })
    }

    #[cfg(not(feature = "images"))]
    fn photos(path: &Path, _: &Settings) -> Result<Data> {
        Err(Error::argument("folders of images can't be read by this build")
            .path(path)
            .hint("build chainrule with the feature images"))
    }
}

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
    fn fit(settings: &Settings, data: &Data) -> Result<Preparation> {
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
                let largest = train.features.to_f64_vec().into_iter().fold(0.0f64, f64::max).max(1.0);
                let divisor = if largest > 16.0 { 255.0 } else { largest as f32 };
                steps.push(Transform::Float { divisor });
                steps.push(normalise(train, channels, divisor, settings.arch.takes_colour())?);
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

/// Each channel's mean and deviation over the training part, after division.
fn normalise(train: &Dataset, channels: usize, divisor: f32, colour: bool) -> Result<Transform> {
    let values = train.features.to_f64_vec();
    let plane = train.width() / channels.max(1);
    let (mut mean, mut deviation) = (Vec::new(), Vec::new());
    for channel in 0..channels {
        let own = || values.chunks(plane).skip(channel).step_by(channels).flatten();
        let n = (train.len() * plane) as f64;
        let middle = own().sum::<f64>() / n;
        let spread = (own().map(|x| (x - middle).powi(2)).sum::<f64>() / n).sqrt();
        mean.push((middle / f64::from(divisor)) as f32);
        deviation.push(if spread > 1e-9 { (spread / f64::from(divisor)) as f32 } else { 1.0 });
    }
    if colour && channels == 1 {
        (mean, deviation) = (vec![mean[0]; 3], vec![deviation[0]; 3]);
    }
    Ok(Transform::Normalise { mean, deviation })
}

/// The parts of the data as the network sees them.
#[derive(Debug)]
pub(super) struct Parts {
    /// To learn from; what is random in it is drawn anew for each epoch.
    pub(super) train: Arc<dyn Source>,
    pub(super) validation: Option<Arc<dyn Source>>,
    pub(super) test: Arc<dyn Source>,
    pub(super) classes: Vec<String>,
    /// How many training examples each class has.
    pub(super) counts: Vec<usize>,
    pub(super) preparation: Preparation,
    /// Whether examples are read from the disk or made with much work, so that it pays to read ahead.
    pub(super) slow: bool,
}

impl Parts {
    /// The data divided and prepared: as the settings say, or as a trained network needs it.
    pub(super) fn new(settings: &Settings, data: Data, known: Option<Preparation>) -> Result<Parts> {
        // What is kept back to judge by must not be among what the preparation learns from.
        let kept_back = |labels: &[i64], classes: usize| match settings.validation {
            0.0 => ((0..labels.len()).collect(), Vec::new()),
            share => split(labels, classes, share, settings.seed ^ 0x5641_4C49),
        };
        match data {
            Data::Text(text) => Parts::of_text(settings, &text, known),
            #[cfg(feature = "images")]
            Data::Photos { train, test } => {
                let labels: Vec<i64> = train.images.iter().map(|(_, class)| *class).collect();
                let (learn, judge) = kept_back(&labels, train.classes.len());
                let preparation = match known {
                    Some(preparation) => preparation,
                    None => Preparation::fit(
                        settings,
                        &Data::Photos { train: train.clone(), test: test.clone() },
                    )?,
                };
                let Preparation::Image { steps, .. } = &preparation else { return Err(other_data()) };
                let classes = train.classes.clone();
                let part =
                    |folder: &ImageFolder, examples: Vec<usize>, steps: Vec<Transform>| -> Arc<dyn Source> {
                        Arc::new(Transformed::new(
                            crate::data::Subset { source: folder.clone(), examples },
                            steps,
                        ))
                    };
                Ok(Parts {
                    counts: counts(learn.iter().map(|&i| labels[i]), classes.len()),
                    validation: (!judge.is_empty()).then(|| part(&train, judge, steps.clone())),
                    test: part(&test, (0..test.images.len()).collect(), steps.clone()),
                    train: part(&train, learn, augmented(steps, &settings.augment)),
                    classes,
                    preparation,
                    slow: true,
                })
            }
            Data::Arrays { train, test, columns } => {
                let (learn, judge) = kept_back(&train.labels, train.classes.len());
                let validation = if judge.is_empty() { None } else { Some(train.select(&judge)?) };
                let train = if validation.is_some() { train.select(&learn)? } else { train };
                let preparation = match known {
                    Some(preparation) => preparation,
                    None => {
                        let data = Data::Arrays { train: train.clone(), test: test.clone(), columns };
                        Preparation::fit(settings, &data)?
                    }
                };
                let classes = train.classes.clone();
                let ready = |part: Dataset, augment: &[Augment]| prepared(part, &preparation, augment);
                Ok(Parts {
                    counts: counts(train.labels.iter().copied(), classes.len()),
                    validation: validation.map(|part| ready(part, &[])).transpose()?,
                    test: ready(test, &[])?,
                    slow: !settings.augment.is_empty(),
                    train: ready(train, &settings.augment)?,
                    classes,
                    preparation,
                })
            }
        }
    }

    fn of_text(settings: &Settings, text: &Text, known: Option<Preparation>) -> Result<Parts> {
        let all = text.codes.len();
        let test = all - (all as f64 * TEST_TEXT) as usize;
        let judge = test - (test as f64 * settings.validation) as usize;
        let preparation = match known {
            Some(Preparation::Text { alphabet }) => Preparation::Text { alphabet },
            Some(_) => return Err(other_data()),
            None => Preparation::fit(settings, &Data::Text(text.clone()))?,
        };
        let part = |range, random| -> Result<Arc<dyn Source>> {
            Ok(Arc::new(text.part(range).stretches(settings.length, random).map_err(|e| {
                e.hint("the text is divided into parts to learn from and to test with: shorten --length")
            })?))
        };
        Ok(Parts {
            train: part(0..judge, true)?,
            validation: if judge < test { Some(part(judge..test, false)?) } else { None },
            test: part(test..all, false)?,
            classes: text.alphabet.iter().map(|c| format!("{c:?}")).collect(),
            counts: counts(text.codes[..judge].iter().copied(), text.alphabet.len()),
            preparation,
            slow: false,
        })
    }

    /// The shape of one of the network's inputs.
    pub(super) fn example_shape(&self) -> Result<Vec<usize>> {
        Ok(self.train.example(0, &mut Generator::new(0))?.input.shape().to_vec())
    }
}

fn other_data() -> Error {
    Error::argument("the network was trained on data of another kind")
}

fn counts(labels: impl Iterator<Item = i64>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.filter_map(|label| usize::try_from(label).ok()).for_each(|label| counts[label] += 1);
    counts
}

/// The steps with random ones among them: while pixels are still bytes.
fn augmented(steps: &[Transform], augment: &[Augment]) -> Vec<Transform> {
    let mut all: Vec<Transform> = Vec::new();
    for step in steps {
        match step {
            // Another part of the photo each time, in place of its middle.
            Transform::CenterCrop { height, width } if augment.contains(&Augment::Crop) => {
                all.push(Transform::RandomCrop { height: *height, width: *width, padding: 0 });
            }
            Transform::Float { .. } => {
                all.extend(
                    augment.contains(&Augment::Flip).then_some(Transform::RandomFlip { probability: 0.5 }),
                );
                all.push(step.clone());
            }
            _ => all.push(step.clone()),
        }
    }
    all
}

/// A part of the data in memory as the network sees it.
fn prepared(part: Dataset, preparation: &Preparation, augment: &[Augment]) -> Result<Arc<dyn Source>> {
    let Preparation::Image { steps, .. } = preparation else {
        return Ok(Arc::new(Dataset { features: preparation.apply(&part.features)?, ..part }));
    };
    if augment.is_empty() {
        let first = Transform::all(steps, part.features.select(0, 0)?)?;
        if first.bytes() * part.len() <= MOST_KEPT {
            return Ok(Arc::new(Dataset { features: preparation.apply(&part.features)?, ..part }));
        }
    }
    let mut steps = augmented(steps, augment);
    if augment.contains(&Augment::Crop) {
        let &[_, _, height, width] = &part.features.shape()[..] else { return Err(other_data()) };
        // An eighth of its side further to each side, as is usual for CIFAR.
        steps.insert(0, Transform::RandomCrop { height, width, padding: height.min(width) / 8 });
    }
    Ok(Arc::new(Transformed::new(part, steps)))
}
