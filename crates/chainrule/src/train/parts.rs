//! The data of a run divided: what to learn from, to judge by, and to test with.

use std::ops::Range;
use std::sync::Arc;

use super::{Augment, Data, Preparation, Settings};
use crate::array::Generator;
use crate::data::{Dataset, Source, Text, Transform, Transformed, split};
#[cfg(feature = "images")]
use crate::data::{ImageFolder, Subset};
use crate::error::{Error, Result};

/// A share of a text that only tests the network: its end.
const TEST_TEXT: f64 = 0.1;

/// An epoch goes through a short text so often that it has so many batches.
const LEAST_BATCHES: usize = 50;

/// Prepared examples of at most this many bytes are kept, rather than made anew whenever they are seen.
const MOST_KEPT: usize = 1 << 28;

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
        let kept_back = |labels: &[i64], classes: usize| -> Result<(Vec<usize>, Vec<usize>)> {
            let share = settings.validation;
            if share == 0.0 {
                return Ok(((0..labels.len()).collect(), Vec::new()));
            }
            let (learn, judge) = split(labels, classes, share, settings.seed ^ 0x5641_4C49);
            match learn.is_empty() || judge.is_empty() {
                true => Err(Error::argument(format!(
                    "a share of {share} of each class leaves {} examples to learn from and {} to judge by",
                    learn.len(),
                    judge.len()
                ))
                .hint("choose another share with --validation, or leave it out")),
                false => Ok((learn, judge)),
            }
        };
        match data {
            Data::Text(text) => Parts::of_text(settings, &text, known),
            #[cfg(feature = "images")]
            Data::Photos { train, test } => {
                let labels: Vec<i64> = train.images.iter().map(|(_, class)| *class).collect();
                let (learn, judge) = kept_back(&labels, train.classes.len())?;
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
                        Arc::new(Transformed::new(Subset { source: folder.clone(), examples }, steps))
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
                let (learn, judge) = kept_back(&train.labels, train.classes.len())?;
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
        let [learn, judge, test] = divided_text(settings, text)?;
        let preparation = match known {
            Some(Preparation::Text { alphabet }) => Preparation::Text { alphabet },
            Some(_) => return Err(other_data()),
            None => Preparation::fit(settings, &Data::Text(text.clone()))?,
        };
        let part = |range, learn| -> Result<Arc<dyn Source>> {
            let least = if learn { LEAST_BATCHES * settings.batch } else { 1 };
            Ok(Arc::new(text.part(range).stretches(settings.length, learn)?.at_least(least)))
        };
        Ok(Parts {
            counts: counts(text.codes[learn.clone()].iter().copied(), text.alphabet.len()),
            train: part(learn, true)?,
            validation: if judge.is_empty() { None } else { Some(part(judge, false)?) },
            test: part(test, false)?,
            classes: text.alphabet.iter().map(|c| format!("{c:?}")).collect(),
            preparation,
            slow: false,
        })
    }

    /// The shape of one of the network's inputs.
    pub(super) fn example_shape(&self) -> Result<Vec<usize>> {
        Ok(self.train.example(0, &mut Generator::new(0))?.input.shape().to_vec())
    }
}

/// Which characters of a text are to learn from, to judge by and to test with.
///
/// # Errors
/// A part is too short.
pub(super) fn divided_text(settings: &Settings, text: &Text) -> Result<[Range<usize>; 3]> {
    let all = text.codes.len();
    let test = all - (all as f64 * TEST_TEXT) as usize;
    let judge = test - (test as f64 * settings.validation) as usize;
    let parts = [("learn from", 0..judge), ("judge by", judge..test), ("test with", test..all)];
    for (what, part) in &parts {
        let empty_as_asked = *what == "judge by" && settings.validation == 0.0;
        if part.len() <= settings.length && !empty_as_asked {
            return Err(Error::argument(format!(
                "of the text's {all} characters {} are to {what}, too few for a stretch of {} and a character after it",
                part.len(),
                settings.length
            ))
            .hint("take a longer text, or a shorter --length"));
        }
    }
    Ok(parts.map(|(_, part)| part))
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
