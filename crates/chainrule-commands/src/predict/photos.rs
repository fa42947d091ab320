//! What is in an image, by a network for images.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chainrule::data::read_image;
use chainrule::train::{Arch, ImageClassifier};
use clap::Args;
use serde::Serialize;

use crate::Failure;
use crate::train::{at_least_one, image_networks};

/// The options for images.
#[derive(Debug, Args)]
pub struct PhotoOptions {
    /// The network for images, where its file doesn't say which it is
    #[arg(long, value_name = "NAME", value_parser = image_networks())]
    arch: Option<String>,
    /// A text file with the name of a class in each line (for images; default:
    /// what the network's file says, else the classes' numbers)
    #[arg(long)]
    labels: Option<PathBuf>,
    /// How many classes to show for an image
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    top: usize,
}

#[derive(Serialize)]
struct Answer<'a> {
    image: &'a Path,
    top: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    class: usize,
    label: String,
    probability: f32,
}

/// Classifies each image and prints its likeliest classes.
pub fn run(
    model: &Path,
    images: &[PathBuf],
    options: &PhotoOptions,
    json: bool,
) -> Result<ExitCode, Failure> {
    let network = ImageClassifier::load(model, options.arch.as_deref().map(Arch::of_name).transpose()?)?;
    let labels = match &options.labels {
        Some(path) => Some(read_labels(path)?),
        None => network.classes.clone(),
    };
    let mut answers = Vec::with_capacity(images.len());
    for path in images {
        let probabilities = network.classify(&read_image(path)?)?;
        if let (Some(labels), Some(path)) = (&labels, &options.labels)
            && labels.len() != probabilities.len()
        {
            return Err(format!(
                "{}: there are {} names for {} classes",
                path.display(),
                labels.len(),
                probabilities.len()
            )
            .into());
        }
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let label =
            |class: usize| labels.as_ref().map_or_else(|| class.to_string(), |names| names[class].clone());
        let guess = |&class: &usize| Guess { class, label: label(class), probability: probabilities[class] };
        answers.push(Answer { image: path, top: order.iter().take(options.top).map(guess).collect() });
    }
    let mut text = String::new();
    if json {
        writeln!(text, "{}", serde_json::to_string_pretty(&answers)?)?;
    } else {
        for (i, answer) in answers.iter().enumerate() {
            writeln!(text, "{}{}", if i > 0 { "\n" } else { "" }, answer.image.display())?;
            for guess in &answer.top {
                writeln!(text, "  {:6.2} %  {}", 100.0 * guess.probability, guess.label)?;
            }
        }
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn read_labels(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(text.lines().map(|line| line.trim().to_string()).collect())
}
