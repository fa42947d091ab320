//! `chainrule predict`: classes and probabilities for the rows of a table, or for images.

mod photos;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use chainrule::train::TrainedModel;
use clap::Args;
use serde::Serialize;

use crate::Failure;
use crate::train::not_negative;

/// Options of `chainrule predict`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  chainrule predict --model runs/digits-mlp-1 --data new.csv
  chainrule predict --model runs/digits-mlp-1 --data new.csv --json
  chainrule predict --model runs/photos-lenet-1 photo.jpg --top 3
  chainrule predict --model runs/poems-chargpt-1 --text 'The '
  chainrule predict --model squeezenet.pth --arch squeezenet1_0_caffe \\
      --labels imagenet_classes.txt photo.jpg")]
pub struct Options {
    /// A run's folder, or its model.safetensors; for images a file of safetensors, .pt, .pth or .npz
    #[arg(long)]
    model: PathBuf,
    /// A CSV table with the features (a column more is taken as the class and left out), or an IDX file of images
    #[arg(long, required_unless_present_any = ["images", "text"], conflicts_with = "images")]
    data: Option<PathBuf>,
    /// JPEG or PNG images of any size
    images: Vec<PathBuf>,
    /// The beginning of a text, which the network continues
    #[arg(long, conflicts_with_all = ["data", "images"])]
    text: Option<String>,
    /// How many characters it writes
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// How freely it writes: near 0 always the likeliest character, 1 as it learned
    #[arg(long, default_value_t = 0.8, allow_negative_numbers = true, value_parser = not_negative)]
    temperature: f64,
    /// Another seed writes another text
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    photos: photos::PhotoOptions,
    /// JSON instead of CSV
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    class: &'a str,
    probabilities: Vec<f32>,
}

/// Classifies every row and prints the result.
pub fn run(options: Options) -> Result<ExitCode, Failure> {
    if let Some(beginning) = &options.text {
        let model = TrainedModel::load(&options.model)?;
        let text = model.write(beginning, options.length, options.temperature, options.seed)?;
        writeln!(std::io::stdout(), "{text}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(data) = &options.data else {
        return photos::run(&options.model, &options.images, &options.photos, options.json);
    };
    let model = TrainedModel::load(&options.model)?;
    let probabilities = model.predict(&model.read(data)?)?;
    let values = probabilities.to_vec::<f32>()?;
    let rows: Vec<Row> = values
        .chunks(model.classes.len())
        .map(|row| {
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
            Row { class: &model.classes[best], probabilities: row.to_vec() }
        })
        .collect();
    let mut text = String::new();
    if options.json {
        #[derive(Serialize)]
        struct Answer<'a> {
            classes: &'a [String],
            predictions: Vec<Row<'a>>,
        }
        writeln!(
            text,
            "{}",
            serde_json::to_string_pretty(&Answer { classes: &model.classes, predictions: rows })?
        )?;
    } else {
        writeln!(
            text,
            "class,{}",
            model.classes.iter().map(|c| format!("p_{c}")).collect::<Vec<_>>().join(",")
        )?;
        for row in rows {
            let numbers: Vec<String> = row.probabilities.iter().map(|p| format!("{p:.6}")).collect();
            writeln!(text, "{},{}", row.class, numbers.join(","))?;
        }
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
