//! `chainrule train`: train a classifier, and write everything about it into a run folder.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chainrule::train::{Arch, Confusion, Decay, EpochMetrics, OptimizerKind, Progress, Settings, Training};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Failure, data};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ArchArg {
    /// one linear layer
    Softmax,
    /// linear layers with ReLU between them
    Mlp,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OptimizerArg {
    /// gradient descent with momentum 0.9
    Sgd,
    /// Adam
    Adam,
    /// Adam with decoupled weight decay
    Adamw,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScheduleArg {
    /// always the same
    Constant,
    /// times 0.1 after each third of the epochs
    Step,
    /// down to 0 along half a cosine
    Cosine,
}

/// A whole number that isn't 0.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("it must be a whole number from 1 up".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("it must be a positive number, such as 0.01".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|x| Duration::try_from_secs_f64(x).ok());
    seconds.ok_or_else(|| "it must be a number of seconds, 0 or more".into())
}

/// The options that describe a network and its data.
#[derive(Debug, Args)]
pub struct Network {
    /// A CSV file, a folder of IDX files (MNIST), or the embedded digits
    #[arg(long, default_value = "digits")]
    data: String,
    /// The column of the CSV file that holds the classes: its name or its number from 0 (default: the last)
    #[arg(long)]
    target: Option<String>,
    /// The network
    #[arg(long, value_enum, default_value = "mlp")]
    arch: ArchArg,
    /// The sizes of the hidden layers of mlp, such as 128,64 (default: 64)
    #[arg(long, value_delimiter = ',', value_name = "SIZES", value_parser = at_least_one)]
    hidden: Option<Vec<usize>>,
    /// Decides the split, the initial values and the order of examples
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Network {
    /// The settings of a fresh network.
    ///
    /// # Errors
    /// Options that contradict each other.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let hidden = match (self.arch, &self.hidden) {
            (ArchArg::Softmax, Some(_)) => {
                return Err(
                    "--arch softmax has no hidden layers; leave --hidden out, or choose --arch mlp".into()
                );
            }
            (_, Some(sizes)) => sizes.clone(),
            (_, None) => Settings::default().hidden,
        };
        Ok(Settings {
            data: self.data.clone(),
            target: self.target.clone(),
            arch: match self.arch {
                ArchArg::Softmax => Arch::Softmax,
                ArchArg::Mlp => Arch::Mlp,
            },
            hidden,
            seed: self.seed,
            ..Settings::default()
        })
    }
}

/// Options of `chainrule train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule train
  chainrule train --data iris.csv --target species --hidden 16 --epochs 100
  chainrule train --data mnist/ --hidden 128,64 --optimizer sgd --lr 0.05
  chainrule train --schedule cosine --warm-up 5 --epochs 60
  chainrule train --resume runs/digits-mlp-1")]
pub struct Options {
    #[command(flatten)]
    network: Network,
    /// How often every example is seen (default: 40)
    #[arg(long, value_parser = at_least_one, allow_negative_numbers = true)]
    epochs: Option<usize>,
    /// Examples in a step
    #[arg(long, default_value = "32", value_parser = at_least_one, allow_negative_numbers = true)]
    batch: usize,
    /// The learning rate (default: 0.006 for adam and adamw, 0.05 for sgd)
    #[arg(long, allow_negative_numbers = true, value_parser = positive)]
    lr: Option<f64>,
    /// How the learning rate changes in the course of training
    #[arg(long, value_enum, default_value = "constant")]
    schedule: ScheduleArg,
    /// Epochs in which the learning rate first rises from a tenth to its full height
    #[arg(long, value_name = "EPOCHS", default_value_t = 0)]
    warm_up: usize,
    /// The optimiser
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: OptimizerArg,
    /// How many threads work (default: all processors); the result is the same bits for any number
    #[arg(long, value_parser = at_least_one, allow_negative_numbers = true)]
    threads: Option<usize>,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
    /// The run's folder (default: runs/DATA-ARCH-NUMBER)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with an interrupted run, or with --epochs beyond a complete one's end
    #[arg(long, value_name = "RUN", conflicts_with_all = ["data", "target", "arch", "hidden", "seed", "batch", "lr",
        "optimizer", "schedule", "warm_up", "out"])]
    resume: Option<PathBuf>,
    /// Seconds between two writings of the run's state: a killed run loses no more than that
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    checkpoint_every: Duration,
}

impl Options {
    fn settings(&self) -> Result<Settings, Failure> {
        let optimizer = match self.optimizer {
            OptimizerArg::Sgd => OptimizerKind::Sgd,
            OptimizerArg::Adam => OptimizerKind::Adam,
            OptimizerArg::Adamw => OptimizerKind::Adamw,
        };
        let fresh = self.network.settings()?;
        let default_lr = if optimizer == OptimizerKind::Sgd { 0.05 } else { fresh.lr };
        Ok(Settings {
            epochs: self.epochs.unwrap_or(fresh.epochs),
            batch: self.batch,
            lr: self.lr.unwrap_or(default_lr),
            optimizer,
            schedule: match self.schedule {
                ScheduleArg::Constant => Decay::Constant,
                ScheduleArg::Step => Decay::Step,
                ScheduleArg::Cosine => Decay::Cosine,
            },
            warm_up: self.warm_up,
            ..fresh
        })
    }
}

/// Trains, shows how it goes, and writes the run.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    if let Some(threads) = options.threads {
        chainrule::set_num_threads(threads);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // Whoever asks twice doesn't want to wait. All files on the disk are whole.
            std::process::exit(130);
        }
    })?;

    let started = Instant::now();
    let (mut training, folder) = match &options.resume {
        None => {
            let settings = options.settings()?;
            let (train, test) = data::load(&settings)?;
            let training = Training::new(settings, train, test)?;
            let folder = new_folder(&options, training.settings())?;
            (training, folder)
        }
        Some(folder) => {
            let mut settings = Training::settings_of(folder)?;
            settings.epochs = options.epochs.unwrap_or(settings.epochs);
            let (train, test) = data::load(&settings)?;
            (Training::resume(folder, settings, train, test)?, folder.clone())
        }
    };
    let show = Show::new(options.quiet, &training);
    show.header(&training, &folder);
    if options.resume.is_none() {
        // A run that can't be written must be known before anything is learned; and one that is killed can be
        // gone on with from its first step.
        if let Err(error) = training.save_checkpoint(&folder) {
            // Nothing is in the folder, so that it can go; where it can't, it stays.
            drop(std::fs::remove_dir(&folder));
            return Err(error.into());
        }
        check_gradients(&training, &show)?;
    } else if training.is_done() {
        show.line(&format!(
            "the run is complete: {} epochs; --epochs with a larger number goes on",
            training.history().len()
        ));
    }
    let learned = learn(&mut training, &options, &folder, &stop, &show);
    show.end();
    learned?;
    training.save_results(&folder)?;
    for name in ["curves.svg", "curves.png"] {
        chainrule::plot::training_curves(training.history(), folder.join(name))?;
    }
    let title = folder.file_name().map_or("network".into(), |name| name.to_string_lossy());
    training.explorer()?.title(title).save(folder.join("explorer.html"))?;
    let (_, accuracy) = training.evaluate()?;
    show.summary(&training, accuracy, started.elapsed(), &folder)?;
    if !training.is_done() {
        show.line(&format!(
            "stopped before the end; go on with: chainrule train --resume {}",
            folder.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares the fresh network's gradients with differences: a wrong one would be learned from in vain.
fn check_gradients(training: &Training, show: &Show) -> Result<(), Failure> {
    let report = training.check_gradients(20)?;
    show.line(&match report.worst().and_then(|f| f.worst.as_ref().map(|m| (f, m))) {
        Some((finding, m)) if report.passed() => format!(
            "gradient check: passed ({} elements; largest relative error {:.1e}, in {})",
            report.findings.iter().map(|f| f.compared).sum::<usize>(),
            m.relative,
            finding.name
        ),
        _ => format!("gradient check: {report}"),
    });
    match report.passed() {
        true => Ok(()),
        false => {
            Err("the gradients are wrong, so there is no point in training; see the report above".into())
        }
    }
}

/// Step after step until the end or until asked to stop; the state is on the disk afterwards.
fn learn(
    training: &mut Training,
    options: &Options,
    folder: &Path,
    stop: &AtomicBool,
    show: &Show,
) -> Result<(), Failure> {
    let mut saved = Instant::now();
    while !training.is_done() && !stop.load(Ordering::Relaxed) {
        let metrics = training.step()?;
        show.step(training, metrics);
        if saved.elapsed() >= options.checkpoint_every {
            training.save_checkpoint(folder)?;
            saved = Instant::now();
        }
    }
    Ok(training.save_checkpoint(folder)?)
}

/// Makes the run's folder: the one asked for, or the next free name.
fn new_folder(options: &Options, settings: &Settings) -> Result<PathBuf, Failure> {
    // The folder above may be there already, the run's own may not.
    let create = |path: &Path| -> Result<bool, Failure> {
        let failed = |e: std::io::Error| -> Failure {
            format!("{}: the run's folder can't be made: {e}", path.display()).into()
        };
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        above.map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        match std::fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(failed(e)),
        }
    };
    if let Some(path) = &options.out {
        return match create(path)? {
            true => Ok(path.clone()),
            false => Err(format!(
                "{}: this folder exists already; choose another --out, or go on with --resume",
                path.display()
            )
            .into()),
        };
    }
    let data = Path::new(&settings.data)
        .file_stem()
        .map_or("data".into(), |name| name.to_string_lossy().into_owned());
    let arch = match settings.arch {
        Arch::Softmax => "softmax",
        Arch::Mlp => "mlp",
    };
    for number in 1.. {
        let path = Path::new("runs").join(format!("{data}-{arch}-{number}"));
        if create(&path)? {
            return Ok(path);
        }
    }
    Err("all run names are taken".into())
}

/// What the user sees of a run: a bar on a terminal, plain lines elsewhere, nothing when quiet.
struct Show {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Show {
    fn new(quiet: bool, training: &Training) -> Show {
        let steps = (training.steps_per_epoch() * training.settings().epochs) as u64;
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(steps);
            let style = ProgressStyle::with_template("{bar:28.cyan/blue} {percent:>3}% {msg} {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Show { quiet, bar }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| println!("{text}")),
            // A closed pipe must not stop the training.
            None => drop(writeln!(std::io::stdout(), "{text}")),
        }
    }

    fn header(&self, training: &Training, folder: &Path) {
        let settings = training.settings();
        let sizes: Vec<String> = std::iter::once(training.train_set().width())
            .chain(if settings.arch == Arch::Mlp { settings.hidden.clone() } else { vec![] })
            .chain([training.train_set().classes.len()])
            .map(|size| size.to_string())
            .collect();
        self.line(&format!(
            "{}: {} training and {} test examples, {} classes",
            settings.data,
            training.train_set().len(),
            training.test_set().len(),
            training.train_set().classes.len()
        ));
        use chainrule::nn::Module;
        self.line(&format!(
            "network: {} ({} parameters); seed {}; writing to {}",
            sizes.join("→"),
            training.network().parameter_count(),
            settings.seed,
            folder.display()
        ));
        let optimizer = match settings.optimizer {
            OptimizerKind::Sgd => "sgd",
            OptimizerKind::Adam => "adam",
            OptimizerKind::Adamw => "adamw",
        };
        let decay = match settings.schedule {
            Decay::Constant => "",
            Decay::Step => ", in three steps",
            Decay::Cosine => ", along a cosine",
        };
        let warm_up = match settings.warm_up {
            0 => String::new(),
            epochs => format!(", after {epochs} epochs of warm-up"),
        };
        self.line(&format!(
            "learning: {optimizer}, rate {}{decay}{warm_up}; batches of {}, {} epochs",
            settings.lr, settings.batch, settings.epochs
        ));
        if training.progress() != Progress::default() {
            self.line(&format!("going on after epoch {}", training.progress().epoch));
        }
    }

    fn step(&self, training: &Training, metrics: Option<EpochMetrics>) {
        let epochs = training.settings().epochs;
        if let Some(bar) = &self.bar {
            let progress = training.progress();
            bar.set_position((progress.epoch * training.steps_per_epoch() + progress.step) as u64);
            let (loss, accuracy) =
                training.history().last().filter(|_| progress.step == 0).map_or(
                    (training.running_loss(), training.history().last().map(|m| m.test_accuracy)),
                    |m| (m.train_loss, Some(m.test_accuracy)),
                );
            let accuracy = accuracy.map_or(String::new(), |a| format!(" accuracy {:.2}%", 100.0 * a));
            bar.set_message(format!(
                "epoch {}/{epochs} loss {loss:.4}{accuracy}",
                (progress.epoch + 1).min(epochs)
            ));
        } else if let Some(m) = metrics {
            self.line(&format!(
                "epoch {:>3}/{epochs}: train loss {:.4} accuracy {:>6.2}%   test loss {:.4} accuracy {:>6.2}%",
                m.epoch,
                m.train_loss,
                100.0 * m.train_accuracy,
                m.test_loss,
                100.0 * m.test_accuracy
            ));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn summary(
        &self,
        training: &Training,
        accuracy: f64,
        time: Duration,
        folder: &Path,
    ) -> Result<(), Failure> {
        let Confusion(counts) = training.confusion()?;
        let classes = &training.test_set().classes;
        let width = classes
            .iter()
            .map(String::len)
            .chain(counts.iter().flatten().map(|n| n.to_string().len()))
            .max()
            .unwrap_or(1)
            + 1;
        if classes.len() <= 20 {
            self.line("\nconfusion matrix (rows: true class, columns: answer)");
            let label = |text: &str| format!("{text:>width$}");
            self.line(&format!("{}{}", label(""), classes.iter().map(|c| label(c)).collect::<String>()));
            for (class, row) in classes.iter().zip(&counts) {
                let numbers: String = row
                    .iter()
                    .map(|&n| label(&if n == 0 { ".".to_string() } else { n.to_string() }))
                    .collect();
                self.line(&format!("{}{numbers}", label(class)));
            }
        }
        let right: usize = (0..counts.len()).map(|i| counts[i][i]).sum();
        self.line(&format!(
            "\ntest accuracy {:.2}% ({right} of {}) after {} epochs in {:.1} s; everything is in {}",
            100.0 * accuracy,
            training.test_set().len(),
            training.history().len(),
            time.as_secs_f64(),
            folder.display()
        ));
        Ok(())
    }
}
