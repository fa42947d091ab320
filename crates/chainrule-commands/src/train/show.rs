//! What the user sees of a run.

use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use chainrule::train::{Arch, Decay, EpochMetrics, Evaluation, Progress, Takes, Training};
use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;

/// A bar on a terminal, plain lines elsewhere, nothing when quiet.
pub struct Show {
    quiet: bool,
    bar: Option<ProgressBar>,
    started: Instant,
    /// Steps that had been taken before.
    before: usize,
}

impl Show {
    pub fn new(quiet: bool, training: &Training) -> Show {
        let steps = (training.steps_per_epoch() * training.settings().epochs) as u64;
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(steps).with_position(training.steps() as u64);
            let style = ProgressStyle::with_template("{bar:20.cyan/blue} {percent:>3}% {msg}, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.reset_eta();
            bar
        });
        Show { quiet, bar, started: Instant::now(), before: training.steps() }
    }

    pub fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| println!("{text}")),
            // A closed pipe must not stop the training.
            None => drop(writeln!(std::io::stdout(), "{text}")),
        }
    }

    pub fn header(&self, training: &Training, folder: &Path) -> Result<(), Failure> {
        let settings = training.settings();
        let (learn, judge, test) = training.examples();
        let (what, classes) = match settings.arch.takes() {
            Takes::Characters => ("stretches of text", "characters"),
            _ => ("examples", "classes"),
        };
        let judge = if judge > 0 { format!(", {judge} validation") } else { String::new() };
        self.line(&format!(
            "{}: {learn} training{judge} and {test} test {what}, {} {classes}",
            settings.data,
            training.classes().len()
        ));
        let shape = training.example_shape()?;
        let network = match settings.arch {
            Arch::Softmax | Arch::Mlp => {
                let hidden = if settings.arch == Arch::Mlp { &settings.hidden[..] } else { &[] };
                let sizes = std::iter::once(shape.iter().product()).chain(hidden.iter().copied());
                let sizes: Vec<String> =
                    sizes.chain([training.classes().len()]).map(|size| size.to_string()).collect();
                sizes.join("→")
            }
            Arch::CharGpt => {
                format!("{} of {} blocks, {} wide", settings.arch, settings.depth, settings.width)
            }
            arch => {
                format!("{arch} for {}", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×"))
            }
        };
        self.line(&format!(
            "network: {network} ({} parameters); seed {}; writing to {}",
            training.network().parameter_count(),
            settings.seed,
            folder.display()
        ));
        if let (Some(report), Some(path)) = (training.loaded(), &settings.weights) {
            let new: Vec<&str> = report
                .missing
                .iter()
                .map(String::as_str)
                .chain(report.misshaped.iter().map(|(name, ..)| name.as_str()))
                .collect();
            let new = if new.is_empty() { String::new() } else { format!("; new: {}", new.join(", ")) };
            self.line(&format!("weights: {} tensors from {path}{new}", report.matched.len()));
        }
        let decay = match settings.schedule {
            Decay::Constant => String::new(),
            Decay::Step if settings.every.is_none() => ", in three steps".into(),
            Decay::Step => ", in steps".into(),
            Decay::MultiStep => format!(
                ", changed after epoch {}",
                settings.milestones.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            Decay::Exponential => ", falling exponentially".into(),
            Decay::Linear => ", along a line".into(),
            Decay::Cosine => ", along a cosine".into(),
            Decay::OneCycle => ", in one cycle".into(),
            Decay::Plateau => ", lowered when the loss rests".into(),
        };
        let warm_up = match settings.warm_up {
            0 => String::new(),
            1 => ", after an epoch of warm-up".into(),
            epochs => format!(", after {epochs} epochs of warm-up"),
        };
        let batches = match settings.accumulate {
            1 => format!("batches of {}", settings.batch),
            n => format!("{n} batches of {} a step", settings.batch),
        };
        self.line(&format!(
            "learning: {}, rate {}{decay}{warm_up}; {batches}, {} epochs",
            settings.optimizer, settings.lr, settings.epochs
        ));
        if training.progress() != Progress::default() {
            let Progress { epoch, step, .. } = training.progress();
            let within = if step > 0 { format!(", step {step} of the next") } else { String::new() };
            self.line(&format!("going on after epoch {epoch}{within}"));
        }
        Ok(())
    }

    pub fn step(&self, training: &Training, metrics: Option<EpochMetrics>) {
        let epochs = training.settings().epochs;
        if let Some(bar) = &self.bar {
            let progress = training.progress();
            bar.set_position(training.steps() as u64);
            let last = training.history().last();
            let loss = match last {
                Some(m) if progress.step == 0 => m.train.loss,
                _ => training.running_loss(),
            };
            let accuracy = last.map_or(String::new(), |m| {
                let (part, score) = m.held_out();
                format!(", {part} {:.2}%", 100.0 * score.accuracy)
            });
            let settings = training.settings();
            let steps = (training.steps() - self.before) * settings.batch * settings.accumulate;
            let speed = steps as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
            bar.set_message(format!(
                "epoch {}/{epochs} loss {loss:.4}{accuracy}, {speed:.0}/s",
                (progress.epoch + 1).min(epochs)
            ));
        } else if let Some(m) = metrics {
            let (part, score) = m.held_out();
            self.line(&format!(
                "epoch {:>3}/{epochs}: train loss {:.4} accuracy {:>6.2}%   {part} loss {:.4} accuracy {:>6.2}%",
                m.epoch,
                m.train.loss,
                100.0 * m.train.accuracy,
                score.loss,
                100.0 * score.accuracy
            ));
        }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub fn summary(&self, training: &Training, test: &Evaluation, time: Duration, folder: &Path) {
        let classes = training.classes();
        let counts = &test.confusion.0;
        let width = classes
            .iter()
            .map(|class| class.chars().count())
            .chain(counts.iter().flatten().map(|n| n.to_string().len()))
            .max()
            .unwrap_or(1)
            + 1;
        if classes.len() <= 20 && width * (classes.len() + 1) <= 160 {
            self.line("\nconfusion matrix (rows: true class, columns: answer)");
            let label = |text: &str| format!("{text:>width$}");
            self.line(&format!("{}{}", label(""), classes.iter().map(|c| label(c)).collect::<String>()));
            for (class, row) in classes.iter().zip(counts) {
                let numbers: String = row
                    .iter()
                    .map(|&n| label(&if n == 0 { ".".to_string() } else { n.to_string() }))
                    .collect();
                self.line(&format!("{}{numbers}", label(class)));
            }
        }
        let best = match training.best_epoch() {
            Some(epoch) if epoch != training.history().len() => format!(" (the best was {epoch})"),
            _ => String::new(),
        };
        self.line(&format!(
            "\ntest accuracy {:.2}% ({} of {}) after {} epochs{best} in {:.1} s; everything is in {}",
            100.0 * test.score.accuracy,
            test.confusion.right(),
            test.confusion.total(),
            training.history().len(),
            time.as_secs_f64(),
            folder.display()
        ));
    }
}
