//! What a run learns from: where `--data` leads.

use std::path::{Path, PathBuf};

use super::parts::divided_text;
use super::{Arch, MissingValues, Settings, Takes};
#[cfg(feature = "images")]
use crate::data::ImageFolder;
use crate::data::{
    Columns, CsvOptions, Dataset, Missing, Text, alice, digits, load_cifar, load_mnist, read_table,
};
use crate::error::{Error, Result};

/// The share of examples that only tests the network, where the source doesn't say which.
const TEST_SHARE: f64 = 0.2;

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
        match data {
            "digits" if !path.exists() => return Ok(DataKind::Digits),
            "alice" if !path.exists() => return Ok(DataKind::Text),
            _ => {}
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
                 IDX files or of CIFAR's, digits, or alice"
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
    /// Reads what the settings name: `digits` and `alice`, which are embedded, a table, a text, a folder of IDX files, of CIFAR's or of images.
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
        let data = Data::read(settings)?;
        data.check(settings).map_err(|error| error.path(&settings.data))?;
        Ok(data)
    }

    fn read(settings: &Settings) -> Result<Data> {
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
            DataKind::Text if settings.data == "alice" && !path.exists() => return Ok(Data::Text(alice())),
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

    /// Refuses data that nothing can be learned from, or that can't test what was learned.
    pub(super) fn check(&self, settings: &Settings) -> Result<()> {
        let (learn, judge, classes) = match self {
            Data::Text(text) => return divided_text(settings, text).map(drop),
            Data::Arrays { train, test, .. } => {
                let sizes =
                    |part: &Dataset| part.features.shape().iter().skip(1).copied().collect::<Vec<_>>();
                let (own, other) = (sizes(train), sizes(test));
                if own != other && !test.is_empty() {
                    return Err(Error::shape(format!(
                        "the examples of the training part are {own:?}, and those of the test part {other:?}"
                    )));
                }
                if own.contains(&0) {
                    return Err(Error::shape(format!("the examples are {own:?}: there is nothing in them")));
                }
                (train.len(), test.len(), &train.classes)
            }
            #[cfg(feature = "images")]
            Data::Photos { train, test } => (train.images.len(), test.images.len(), &train.classes),
        };
        if learn == 0 || judge == 0 {
            return Err(Error::argument(format!(
                "{learn} examples to learn from and {judge} to test with are too few"
            ))
            .hint(
                "where no test part is given, a fifth of each class is kept to test with, so that at least one class needs 3 examples",
            ));
        }
        if let [only] = &classes[..] {
            return Err(Error::argument(format!(
                "all examples are of one class, {only:?}: there is nothing to tell apart"
            )));
        }
        Ok(())
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
        let (train, test) = crate::data::split(&labels, all.classes.len(), TEST_SHARE, settings.seed);
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
