//! `chainrule train`: train a network, and write everything about it into a run folder.

mod options;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chainrule::ErrorKind;
use chainrule::io::write_atomic;
use chainrule::train::{Data, EpochMetrics, EventFile, RunReport, Settings, Training};

use crate::Failure;
use options::{Every, Handling};
pub use options::{Network, Options, at_least_one, image_networks, not_negative};
use show::Show;

/// A check of gradients that takes more multiply-adds than this must be asked for.
const QUICK_CHECK: f64 = 2e9;

/// Trains, shows how it goes, and writes the run.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // Whoever asks twice doesn't want to wait. All files on the disk are whole.
            std::process::exit(130);
        }
    })?;

    let started = Instant::now();
    let threads = |handling: &Handling| handling.threads.into_iter().for_each(chainrule::set_num_threads);
    let (mut training, folder, handling) = match &options.resume {
        None => {
            let (settings, handling) = options.settle()?;
            threads(&handling);
            let data = Data::open(&settings)?;
            let training = Training::new(settings, data)?;
            let folder = new_folder(handling.out.as_deref(), training.settings())?;
            (training, folder, handling)
        }
        Some(run) => {
            let handling = options.handling();
            threads(&handling);
            let mut settings = Training::settings_of(run)?;
            settings.epochs = options.course.epochs.unwrap_or(settings.epochs);
            let data = Data::open(&settings)?;
            let mut training = Training::resume(run, settings, data)?;
            if let Some(rate) = options.course.lr {
                training.set_learning_rate(rate)?;
            }
            // An older checkpoint lies in its run's folder.
            let folder = if run.is_file() { run.parent().unwrap_or(Path::new("")) } else { run };
            (training, folder.to_path_buf(), handling)
        }
    };
    let keep = handling.keep.unwrap_or(1);
    let show = Show::new(options.quiet, &training);
    show.header(&training, &folder)?;
    if options.resume.is_none() {
        // A run that can't be written must be known before anything is learned; and one that is killed can be
        // gone on with from its first step.
        if let Err(error) = training.save_checkpoint(&folder, keep) {
            // Nothing is in the folder, so that it can go; where it can't, it stays.
            drop(std::fs::remove_dir(&folder));
            return Err(error.into());
        }
        check_gradients(&training, options.check, &show)?;
    } else if training.is_done() {
        show.line(&format!(
            "the run is complete: {} epochs; --epochs with a larger number goes on",
            training.history().len()
        ));
    }
    let settings = toml::to_string(training.settings())?;
    write_atomic(folder.join("settings.toml"), settings.as_bytes())?;
    let learned = learn(&mut training, &handling, &folder, &stop, &show);
    show.end();
    learned?;
    training.take_best()?;
    let test = training.evaluate()?;
    training.save_results(&folder, &test)?;
    for name in ["curves.svg", "curves.png"] {
        chainrule::plot::training_curves(training.history(), folder.join(name))?;
    }
    for name in ["confusion.svg", "confusion.png"] {
        chainrule::plot::confusion_matrix(&test.confusion, training.classes(), folder.join(name))?;
    }
    training.show_gradients()?;
    for name in ["weights.svg", "weights.png"] {
        chainrule::plot::weights(training.network(), folder.join(name))?;
    }
    for name in ["filters.svg", "filters.png"] {
        chainrule::plot::first_filters(training.network(), folder.join(name))?;
    }
    let title = folder.file_name().map_or("network".into(), |name| name.to_string_lossy());
    training.explorer()?.title(title.clone()).save(folder.join("explorer.html"))?;
    let report = RunReport {
        title: &title,
        training: &training,
        test: &test,
        time: started.elapsed(),
        settings: &settings,
    };
    report.save(folder.join("report.html"))?;
    show.summary(&training, &test, started.elapsed(), &folder);
    if !training.is_done() {
        show.line(&format!(
            "stopped before the end; go on with: chainrule train --resume {}",
            folder.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares the fresh network's gradients with differences: a wrong one would be learned from in vain.
fn check_gradients(training: &Training, thorough: bool, show: &Show) -> Result<(), Failure> {
    const ELEMENTS: usize = 20;
    let report = match thorough {
        true => training.check_batch(ELEMENTS)?,
        false if training.check_costs(ELEMENTS)? > QUICK_CHECK => {
            show.line("gradient check: left out, as it would take long; --check makes it");
            return Ok(());
        }
        false => training.check_gradients(ELEMENTS)?,
    };
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
    handling: &Handling,
    folder: &Path,
    stop: &AtomicBool,
    show: &Show,
) -> Result<(), Failure> {
    let every = handling.checkpoint_every.unwrap_or(Every::Time(Duration::from_secs(60)));
    let keep = handling.keep.unwrap_or(1);
    let mut events = EventFile::create(folder, training.steps())?;
    let mut watch = Watch { since: Instant::now(), steps: training.steps() };
    let (mut saved, mut steps) = (Instant::now(), 0);
    while !training.is_done() && !stop.load(Ordering::Relaxed) {
        let metrics = match training.step() {
            Ok(metrics) => metrics,
            Err(error) if error.kind() == ErrorKind::Anomaly => {
                return Err(before_anomaly(training, &error.into(), folder, keep));
            }
            Err(error) => return Err(error.into()),
        };
        show.step(training, metrics);
        watch.log(training, metrics, &mut events)?;
        steps += 1;
        if every.is_due(saved, steps) {
            training.save_checkpoint(folder, keep)?;
            (saved, steps) = (Instant::now(), 0);
        }
    }
    Ok(training.save_checkpoint(folder, keep)?)
}

/// Measures the time of steps.
struct Watch {
    since: Instant,
    steps: usize,
}

impl Watch {
    /// Writes what there is to be seen in TensorBoard: the loss some 20 times an epoch, the scores at its end.
    fn log(
        &mut self,
        training: &Training,
        metrics: Option<EpochMetrics>,
        events: &mut EventFile,
    ) -> Result<(), Failure> {
        let step = training.steps();
        if let Some(m) = metrics {
            let (part, score) = m.held_out();
            let examples = (step - self.steps) * training.settings().batch * training.settings().accumulate;
            let speed = examples as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
            *self = Watch { since: Instant::now(), steps: step };
            let names = [format!("loss/{part}"), format!("accuracy/{part}")];
            events.scalars(
                step,
                &[
                    ("loss/training", m.train.loss),
                    ("accuracy/training", m.train.accuracy),
                    (&names[0], score.loss),
                    (&names[1], score.accuracy),
                    ("learning rate", m.rate),
                    ("examples per second", speed),
                ],
            )?;
        } else if step.is_multiple_of(training.steps_per_epoch().div_ceil(20)) {
            events.scalars(step, &[("loss/so far in the epoch", training.running_loss())])?;
        }
        Ok(())
    }
}

/// The loss became infinite: the state before the step is kept, if it is sound, beside the one of the last
/// checkpoint, since the step that ruined the network may lie further back.
fn before_anomaly(training: &Training, error: &Failure, folder: &Path, keep: usize) -> Failure {
    let sound = training.network().parameters().iter().all(|parameter| parameter.array().all_finite());
    let kept = if sound { training.save_checkpoint(folder, keep.max(2)).is_ok() } else { false };
    format!(
        "{error}; the state {} is in {}: go on with --resume, there or at an older checkpoint-….safetensors in it, \
         and a smaller --lr",
        if kept { "from before this step" } else { "from some steps before" },
        folder.display()
    )
    .into()
}

/// Makes the run's folder: the one asked for, or the next free name.
fn new_folder(out: Option<&Path>, settings: &Settings) -> Result<PathBuf, Failure> {
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
    if let Some(path) = out {
        return match create(path)? {
            true => Ok(path.to_path_buf()),
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
    for number in 1.. {
        let path = Path::new("runs").join(format!("{data}-{}-{number}", settings.arch));
        if create(&path)? {
            return Ok(path);
        }
    }
    Err("all run names are taken".into())
}
