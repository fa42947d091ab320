//! `chainrule train`: train a classifier, and write everything about it into a run folder.

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chainrule::train::{Arch, Confusion, EpochMetrics, OptimizerKind, Settings, Training};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Failure, data};

/// How often the state of a run is written at least, so that a kill loses no more than that.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

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
    /// The sizes of the hidden layers
    #[arg(long, value_delimiter = ',', default_value = "64")]
    hidden: Vec<usize>,
    /// Decides the split, the initial values and the order of examples
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Network {
    /// The settings of a fresh network.
    pub fn settings(&self) -> Settings {
        Settings {
            data: self.data.clone(),
            target: self.target.clone(),
            arch: match self.arch {
                ArchArg::Softmax => Arch::Softmax,
                ArchArg::Mlp => Arch::Mlp,
            },
            hidden: self.hidden.clone(),
            seed: self.seed,
            ..Settings::default()
        }
    }
}

/// Options of `chainrule train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule train
  chainrule train --data iris.csv --target species --hidden 16 --epochs 100
  chainrule train --data mnist/ --hidden 128,64 --optimizer sgd --lr 0.05
  chainrule train --resume runs/digits-mlp-1")]
pub struct Options {
    #[command(flatten)]
    network: Network,
    /// How often every example is seen
    #[arg(long)]
    epochs: Option<usize>,
    /// Examples in a step
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// The learning rate (default: 0.006 for adam and adamw, 0.05 for sgd)
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// The optimiser
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: OptimizerArg,
    /// How many threads work (default: all processors); the result is the same bits for any number
    #[arg(long)]
    threads: Option<usize>,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
    /// The run's folder (default: runs/DATA-ARCH-NUMBER)
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with an interrupted run
    #[arg(long, conflicts_with_all = ["data", "target", "arch", "hidden", "seed", "batch", "lr", "optimizer", "out"])]
    resume: Option<PathBuf>,
}

impl Options {
    fn settings(&self) -> Settings {
        let optimizer = match self.optimizer {
            OptimizerArg::Sgd => OptimizerKind::Sgd,
            OptimizerArg::Adam => OptimizerKind::Adam,
            OptimizerArg::Adamw => OptimizerKind::Adamw,
        };
        let fresh = self.network.settings();
        let default_lr = if optimizer == OptimizerKind::Sgd { 0.05 } else { fresh.lr };
        Settings {
            epochs: self.epochs.unwrap_or(fresh.epochs),
            batch: self.batch,
            lr: self.lr.unwrap_or(default_lr),
            optimizer,
            ..fresh
        }
    }
}

/// Trains, shows how it goes, and writes the run.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    if let Some(threads) = options.threads {
        if threads == 0 {
            return Err("--threads needs at least 1".into());
        }
        chainrule::set_num_threads(threads);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;

    let started = Instant::now();
    let (mut training, folder) = match &options.resume {
        None => {
            let settings = options.settings();
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
        if !report.passed() {
            return Err(
                "the gradients are wrong, so there is no point in training; see the report above".into()
            );
        }
    }
    let mut saved = Instant::now();
    while !training.is_done() && !stop.load(Ordering::Relaxed) {
        let metrics = training.step()?;
        show.step(&training, metrics);
        if saved.elapsed() > CHECKPOINT_EVERY {
            training.save_checkpoint(&folder)?;
            saved = Instant::now();
        }
    }
    show.end();
    training.save_checkpoint(&folder)?;
    training.save_results(&folder)?;
    for name in ["curves.svg", "curves.png"] {
        chainrule::plot::training_curves(training.history(), folder.join(name))?;
    }
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

/// Makes the run's folder: the one asked for, or the next free name.
fn new_folder(options: &Options, settings: &Settings) -> Result<PathBuf, Failure> {
    let create = |path: &Path| {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
            .and_then(|()| std::fs::create_dir(path))
    };
    if let Some(path) = &options.out {
        return match create(path) {
            Ok(()) => Ok(path.clone()),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(format!(
                "{}: this folder exists already; choose another --out, or go on with --resume",
                path.display()
            )
            .into()),
            Err(e) => Err(format!("{}: the run's folder can't be made: {e}", path.display()).into()),
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
        match create(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(format!("{}: the run's folder can't be made: {e}", path.display()).into()),
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
