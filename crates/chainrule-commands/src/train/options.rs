//! The options of `chainrule train`, and how they and a file make the settings of a run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chainrule::train::{
    Arch, Augment, DataKind, Decay, Judge, MissingValues, OptimizerKind, Settings, Takes,
};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::Failure;

/// A whole number that isn't 0.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number from 1 up".into()),
    }
}

/// Settings files have signed numbers.
fn seed(text: &str) -> Result<u64, String> {
    match text.parse::<i64>() {
        Ok(seed) if seed >= 0 => Ok(seed.unsigned_abs()),
        _ => Err(format!("it must be a whole number from 0 to {}", i64::MAX)),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("it must be a positive number, such as 0.01".into()),
    }
}

/// A number from 0 up.
pub fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x >= 0.0 && x.is_finite() => Ok(x),
        _ => Err("it must be a number from 0 up".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..1.0).contains(&x) => Ok(x),
        _ => Err("it must be a share from 0 to less than 1, such as 0.1".into()),
    }
}

/// The names of choices, with what they are.
macro_rules! names {
    ($choice:ty) => {
        PossibleValuesParser::new(<$choice>::ALL.iter().map(|x| PossibleValue::new(x.name()).help(x.about())))
    };
}

/// The networks for images, by name.
pub fn image_networks() -> PossibleValuesParser {
    let takes_images = |arch: &&Arch| arch.takes() == Takes::Images;
    let value = |arch: &Arch| PossibleValue::new(arch.name()).help(arch.about());
    PossibleValuesParser::new(Arch::ALL.iter().filter(takes_images).map(value))
}

/// How much classes count: a name, or numbers.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Weights {
    Name(&'static str),
    Numbers(Vec<f64>),
}

fn weights(text: &str) -> Result<Weights, String> {
    match text {
        "equal" => Ok(Weights::Name("equal")),
        "balanced" => Ok(Weights::Name("balanced")),
        numbers => {
            let all = numbers.split(',').map(|x| positive(x.trim()));
            let all = all.collect::<Result<_, _>>();
            all.map(Weights::Numbers)
                .map_err(|_| "it must be equal, balanced, or a positive number for each class: 1,2.5".into())
        }
    }
}

/// The options that describe a network and its data.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Network {
    /// A table (CSV; Parquet where the program is built with it), a text, a folder of IDX files (MNIST), of CIFAR's
    /// files or of images (a folder for each class), the embedded digits, or the embedded novel alice [default:
    /// digits; alice for chargpt]
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    data: Option<String>,
    /// The column of a table that holds the classes: its name or its number from 0 (default: the last)
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    target: Option<String>,
    /// Take columns of texts as categories, each text a feature
    #[arg(long, help_heading = "Data")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    categories: bool,
    /// What is done about missing values of a table [default: refuse]
    #[arg(long, value_name = "WHAT", help_heading = "Data", value_parser = names!(MissingValues))]
    missing: Option<String>,
    /// Height and width to which images are brought (default: what suits the network)
    #[arg(long, value_name = "PIXELS", help_heading = "Data", value_parser = at_least_one)]
    size: Option<usize>,
    /// The network [default: mlp, or chargpt for a text]
    #[arg(long, value_name = "NAME", help_heading = "Network", value_parser = names!(Arch))]
    arch: Option<String>,
    /// The sizes of the hidden layers of mlp, such as 128,64 (default: 64; 256 for images)
    #[arg(long, value_delimiter = ',', value_name = "SIZES", help_heading = "Network", value_parser = at_least_one)]
    hidden: Option<Vec<usize>>,
    /// Numbers that stand for a patch of vit or a character of chargpt [default: 64; 128 for chargpt]
    #[arg(long, value_name = "NUMBERS", help_heading = "Network", value_parser = at_least_one)]
    width: Option<usize>,
    /// Blocks of vit and chargpt [default: 4; 3 for chargpt]
    #[arg(long, value_name = "BLOCKS", help_heading = "Network", value_parser = at_least_one)]
    depth: Option<usize>,
    /// Heads of each attention of vit and chargpt [default: 4]
    #[arg(long, help_heading = "Network", value_parser = at_least_one)]
    heads: Option<usize>,
    /// Height and width of a patch of vit (default: 4; 2 for images below 16)
    #[arg(long, value_name = "PIXELS", help_heading = "Network", value_parser = at_least_one)]
    patch: Option<usize>,
    /// Characters that chargpt sees at once [default: 96]
    #[arg(long, value_name = "CHARACTERS", help_heading = "Network", value_parser = at_least_one)]
    length: Option<usize>,
    /// A file of weights to begin with, where names and shapes fit
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    weights: Option<PathBuf>,
    /// Don't train the parameters whose names begin with one of these, such as features.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", help_heading = "Network")]
    freeze: Option<Vec<String>>,
    /// Decides the split, the initial values and the order of examples [default: 0]
    #[arg(long, allow_hyphen_values = true, help_heading = "Network", value_parser = seed)]
    seed: Option<u64>,
}

/// The options that describe how a network learns.
#[derive(Debug, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Learning {
    /// Examples at once (default: 32 or 64)
    #[arg(long, value_name = "EXAMPLES", help_heading = "Learning", value_parser = at_least_one, allow_negative_numbers = true)]
    batch: Option<usize>,
    /// Batches whose gradients are added up for one step [default: 1]
    #[arg(long, value_name = "BATCHES", help_heading = "Learning", value_parser = at_least_one)]
    accumulate: Option<usize>,
    /// The optimiser [default: adam]
    #[arg(long, value_name = "NAME", help_heading = "Learning", value_parser = names!(OptimizerKind))]
    optimizer: Option<String>,
    /// The momentum of sgd, nesterov (default: 0.9) and rmsprop (default: 0)
    #[arg(long, value_name = "SHARE", help_heading = "Learning", value_parser = share)]
    momentum: Option<f64>,
    /// How strongly parameters are pulled to 0 (default: 0; 0.01 for adamw)
    #[arg(long, value_name = "NUMBER", help_heading = "Learning", value_parser = not_negative)]
    weight_decay: Option<f64>,
    /// How the learning rate changes in the course of training (default: constant for small data, else cosine)
    #[arg(long, value_name = "NAME", help_heading = "Learning", value_parser = names!(Decay))]
    schedule: Option<String>,
    /// What the schedule multiplies the rate by (default: 0.1; exponential 0.95, linear 0)
    #[arg(long, value_name = "NUMBER", help_heading = "Learning", value_parser = not_negative)]
    factor: Option<f64>,
    /// Epochs between two changes of step; epochs that plateau waits
    #[arg(long, value_name = "EPOCHS", help_heading = "Learning", value_parser = at_least_one)]
    every: Option<usize>,
    /// The epochs after which multi-step changes the rate
    #[arg(long, value_delimiter = ',', value_name = "EPOCHS", help_heading = "Learning", value_parser = at_least_one)]
    milestones: Option<Vec<usize>>,
    /// Epochs in which the learning rate first rises from a tenth to its full height
    #[arg(long, value_name = "EPOCHS", help_heading = "Learning")]
    warm_up: Option<usize>,
    /// Scale gradients down to this norm where theirs is larger
    #[arg(long, value_name = "NORM", help_heading = "Learning", value_parser = positive)]
    clip_norm: Option<f64>,
    /// Cut each element of the gradients to this magnitude
    #[arg(long, value_name = "SIZE", help_heading = "Learning", value_parser = positive)]
    clip_value: Option<f64>,
    /// How much of each target is spread evenly over all classes
    #[arg(long, value_name = "SHARE", help_heading = "Learning", value_parser = share)]
    label_smoothing: Option<f64>,
    /// How much examples of each class count: equal, balanced, or numbers
    #[arg(long, value_name = "WEIGHTS", help_heading = "Learning", value_parser = weights)]
    class_weights: Option<Weights>,
    /// What is changed at random in training images
    #[arg(long, value_delimiter = ',', value_name = "WHAT", help_heading = "Learning", value_parser = names!(Augment))]
    augment: Option<Vec<String>>,
    /// Keep back this share of the training part to judge the network by: the epoch that it judges best is saved
    #[arg(long, value_name = "SHARE", help_heading = "Learning", value_parser = share)]
    validation: Option<f64>,
    /// By what it judges [default: loss]
    #[arg(long, value_name = "WHAT", help_heading = "Learning", value_parser = names!(Judge))]
    judge: Option<String>,
    /// Stop when it saw no improvement for so many epochs
    #[arg(long, value_name = "EPOCHS", help_heading = "Learning", value_parser = at_least_one)]
    patience: Option<usize>,
}

/// The options that describe how long a network learns; an interrupted run may go on with others.
#[derive(Debug, Args, Serialize)]
pub struct Course {
    /// How often every example is seen (default: 40; 10 to 20 for images and texts)
    #[arg(long, help_heading = "Learning", value_parser = at_least_one, allow_negative_numbers = true)]
    pub epochs: Option<usize>,
    /// The learning rate (default: what suits network and optimiser)
    #[arg(long, value_name = "RATE", help_heading = "Learning", allow_negative_numbers = true, value_parser = positive)]
    pub lr: Option<f64>,
}

/// The options that change nothing in what is learned.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Handling {
    /// How many threads work (default: all processors); the result is the same bits for any number
    #[arg(long, help_heading = "Run", value_parser = at_least_one, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// The run's folder (default: runs/DATA-ARCH-NUMBER)
    #[arg(long, value_name = "FOLDER", help_heading = "Run", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Write the run's state so often, in seconds (60s) or steps (500): a killed run loses no more than that
    /// [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = "Run")]
    pub checkpoint_every: Option<Every>,
    /// Keep so many states of the run [default: 1]
    #[arg(long, value_name = "STATES", help_heading = "Run", value_parser = at_least_one)]
    pub keep: Option<usize>,
}

/// A time in seconds or steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Every {
    Time(Duration),
    Steps(usize),
}

impl std::str::FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Every, String> {
        let refused = || "it must be seconds, such as 60s, or steps, such as 500".to_string();
        match text.strip_suffix('s') {
            Some(seconds) => {
                let seconds = seconds.parse().ok().and_then(|x| Duration::try_from_secs_f64(x).ok());
                seconds.map(Every::Time).ok_or_else(refused)
            }
            None => at_least_one(text).map(Every::Steps).map_err(|_| refused()),
        }
    }
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Every, String> {
        text.parse()
    }
}

impl From<Every> for String {
    fn from(every: Every) -> String {
        match every {
            Every::Time(time) => format!("{}s", time.as_secs_f64()),
            Every::Steps(steps) => steps.to_string(),
        }
    }
}

impl Every {
    /// Whether it is time again, so long and so many steps after the last time.
    pub fn is_due(self, last: Instant, steps: usize) -> bool {
        match self {
            Every::Time(time) => last.elapsed() >= time,
            Every::Steps(every) => steps >= every,
        }
    }
}

/// Options of `chainrule train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule train
  chainrule train --data iris.csv --target species --hidden 16 --epochs 100
  chainrule train --data mnist/ --arch lenet
  chainrule train --data photos/ --arch squeezenet1_1 --weights squeezenet.pth \\
      --freeze features. --validation 0.1 --patience 5
  chainrule train --data poems.txt
  chainrule train --config run.toml --lr 0.001
  chainrule train --resume runs/digits-mlp-1")]
pub struct Options {
    /// A TOML file with settings, named like these options; options given here count more
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Go on with an interrupted run (its folder, or one of the checkpoints in it), or with --epochs beyond a
    /// complete one's end
    #[arg(long, value_name = "RUN", conflicts_with_all = ["Network", "Learning", "config"])]
    pub resume: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    pub course: Course,
    #[command(flatten)]
    learning: Learning,
    #[command(flatten)]
    handling: Handling,
    /// Check the gradients on the first batch as it is, also of large networks
    #[arg(long, help_heading = "Run")]
    pub check: bool,
    /// Print nothing but errors
    #[arg(long, help_heading = "Run")]
    pub quiet: bool,
}

impl Options {
    /// The settings of a fresh run, and how it is handled.
    ///
    /// # Errors
    /// The file can't be read or has an unknown name; options contradict each other.
    pub fn settle(&self) -> Result<(Settings, Handling), Failure> {
        let mut given = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        given.extend(table(&self.network)?);
        given.extend(table(&self.course)?);
        given.extend(table(&self.learning)?);
        let mut handling = Table::new();
        for name in ["threads", "out", "checkpoint-every", "keep"] {
            handling.extend(given.remove(name).map(|value| (name.to_string(), value)));
        }
        handling.extend(table(&self.handling)?);
        let named = |e: toml::de::Error| -> Failure { self.fault(&e).into() };
        Ok((settle(given, named)?, handling.try_into().map_err(named)?))
    }

    /// How a run that goes on is handled.
    pub fn handling(&self) -> Handling {
        self.handling.clone()
    }

    /// What is wrong in the settings, as one sentence.
    fn fault(&self, error: &toml::de::Error) -> String {
        let text = error.message().trim().replace('\n', " ");
        match &self.config {
            Some(path) => format!("{}: {text}", path.display()),
            None => text,
        }
    }
}

impl Network {
    /// The settings of a fresh network.
    ///
    /// # Errors
    /// Options that contradict each other.
    pub fn settings(&self) -> Result<Settings, Failure> {
        settle(table(self)?, |e| e.message().trim().replace('\n', " ").into())
    }
}

/// What was given, as settings.
fn table(options: &impl Serialize) -> Result<Table, Failure> {
    Ok(Table::try_from(options)?)
}

fn read(path: &Path) -> Result<Table, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    text.parse::<Table>().map_err(|e| {
        let place = e.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        format!("{}: line {place}: {}", path.display(), e.message().trim().replace('\n', " ")).into()
    })
}

/// Settings for a network and its data, with what was given in place of what suits them.
fn settle(given: Table, fault: impl Fn(toml::de::Error) -> Failure) -> Result<Settings, Failure> {
    fn text<'a>(given: &'a Table, name: &str) -> Option<&'a str> {
        given.get(name).and_then(Value::as_str)
    }
    let arch = text(&given, "arch").map(Arch::of_name).transpose()?;
    let embedded = if arch == Some(Arch::CharGpt) { "alice" } else { "digits" };
    let data = text(&given, "data").unwrap_or(embedded);
    let kind = DataKind::of(data, arch == Some(Arch::CharGpt))?;
    let arch = arch.unwrap_or(if kind == DataKind::Text { Arch::CharGpt } else { Arch::Mlp });
    let optimizer =
        text(&given, "optimizer").and_then(|name| OptimizerKind::ALL.iter().find(|kind| kind.name() == name));
    let mut table =
        Table::try_from(Settings::suited(arch, kind, optimizer.copied().unwrap_or(OptimizerKind::Adam)))?;
    // A run's own settings name them whatever the network.
    if arch != Arch::Mlp && given.get("hidden").is_some_and(|sizes| table.get("hidden") != Some(sizes)) {
        return Err(format!(
            "--arch {arch} has no hidden layers whose sizes can be chosen; leave --hidden out, or choose --arch mlp"
        )
        .into());
    }
    table.extend(given);
    table.try_into().map_err(fault)
}
