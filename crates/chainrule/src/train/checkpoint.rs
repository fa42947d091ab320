//! Runs on disk: the model, the metrics, and checkpoints from which training goes on bit-identically.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run::Standing;
use super::{
    ClassScore, Data, EpochMetrics, Evaluation, Preparation, Progress, Settings, TrainedModel, Training,
};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::io::{load_tensors, remove_parts, save_tensors, write_atomic};
use crate::order;
use crate::tensor::Tensor;

const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// What is stored with a model as text.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    settings: Settings,
    preparation: Preparation,
    /// The shape of one of the network's inputs.
    example: Vec<usize>,
    classes: Vec<String>,
}

/// The name of the text about a model in its file.
pub(super) const ABOUT: &str = "chainrule";

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|e| Error::argument(format!("this can't be written as JSON: {e}")))
}

impl Training {
    fn about(&self) -> Result<(String, String)> {
        let about = About {
            settings: self.settings.clone(),
            preparation: self.parts.preparation.clone(),
            example: self.example_shape()?,
            classes: self.parts.classes.clone(),
        };
        Ok((ABOUT.into(), json(&about)?))
    }

    /// Writes the state of the run, complete enough to go on from this very step, and keeps the `keep - 1` states
    /// before it, named by their steps.
    ///
    /// # Errors
    /// The folder can't be written; an older checkpoint is whole then.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let name = format!("chainrule-doc-save-checkpoint-{}", std::process::id());
    /// # let folder = std::env::temp_dir().join(name);
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// training.step()?;
    /// training.save_checkpoint(&folder, 1)?;
    /// assert_eq!(Training::settings_of(&folder)?.hidden, [8]);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save_checkpoint(&self, folder: &Path, keep: usize) -> Result<()> {
        let prefixed = |prefix: &str, all: Vec<(String, Array)>| {
            all.into_iter().map(|(name, array)| (format!("{prefix}.{name}"), array)).collect::<Vec<_>>()
        };
        let mut tensors = prefixed("model", self.named_arrays());
        tensors.extend(prefixed("optimizer", self.optimizer.state()));
        tensors.extend(prefixed("best", self.best.clone().unwrap_or_default()));
        // Sums are kept as numbers, not as text, so that not a bit of them is lost.
        tensors.push(("progress.loss".into(), Array::scalar(self.progress.loss)));
        let about = [
            self.about()?,
            ("progress".into(), json(&self.progress)?),
            ("standing".into(), json(&self.standing)?),
            ("history".into(), json(&self.history)?),
        ];
        let path = folder.join(CHECKPOINT);
        if keep > 1 {
            keep_older(folder, &path, (self.progress.epoch, self.progress.step))?;
        }
        save_tensors(&path, &tensors, &about)?;
        let mut older = older_checkpoints(folder);
        older.truncate(older.len().saturating_sub(keep.max(1) - 1));
        // What can't be removed is only in the way.
        older.iter().for_each(|(_, path)| drop(std::fs::remove_file(path)));
        Ok(())
    }

    /// Writes the model, the metrics as CSV and JSON, and how well each class is recognised.
    ///
    /// # Errors
    /// The folder can't be written.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let name = format!("chainrule-doc-save-results-{}", std::process::id());
    /// # let folder = std::env::temp_dir().join(name);
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings, (train, test))?;
    /// while training.step()?.is_none() {}
    /// training.save_results(&folder, &training.evaluate()?)?;
    /// let table = std::fs::read_to_string(folder.join("metrics.csv")).unwrap();
    /// assert!(table.starts_with("epoch,rate,train_loss,train_accuracy,test_loss,test_accuracy\n1,"));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save_results(&self, folder: &Path, test: &Evaluation) -> Result<()> {
        save_tensors(folder.join(MODEL), &self.named_arrays(), &[self.about()?])?;
        write_atomic(folder.join("metrics.csv"), EpochMetrics::table(&self.history).as_bytes())?;
        let scores = test.confusion.classes();
        let mut table = String::from("class,precision,recall,f1,examples\n");
        for (class, score) in self.parts.classes.iter().zip(&scores) {
            let ClassScore { precision, recall, f1, examples } = score;
            let quoted = match class.contains([',', '"', '\n']) {
                true => format!("\"{}\"", class.replace('"', "\"\"")),
                false => class.clone(),
            };
            table.push_str(&format!("{quoted},{precision},{recall},{f1},{examples}\n"));
        }
        write_atomic(folder.join("classes.csv"), table.as_bytes())?;
        #[derive(Serialize)]
        struct Metrics<'a> {
            epochs: &'a [EpochMetrics],
            best_epoch: Option<usize>,
            test: super::Score,
            classes: &'a [String],
            scores: &'a [ClassScore],
            confusion: &'a super::Confusion,
        }
        let metrics = Metrics {
            epochs: &self.history,
            best_epoch: self.best_epoch(),
            test: test.score,
            classes: &self.parts.classes,
            scores: &scores,
            confusion: &test.confusion,
        };
        write_atomic(folder.join("metrics.json"), json(&metrics)?.as_bytes())
    }

    /// The settings of an unfinished run: of its folder, or of one of its checkpoints.
    ///
    /// # Errors
    /// There is no checkpoint, or it is broken.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let folder = std::env::temp_dir().join(format!("chainrule-doc-settings-of-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// assert!(Training::settings_of(&folder).is_err()); // there is no checkpoint
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// training.save_checkpoint(&folder, 1)?;
    /// assert_eq!(&Training::settings_of(&folder)?, training.settings());
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn settings_of(run: &Path) -> Result<Settings> {
        Ok(read_about(&checkpoint_of(run))?.1.settings)
    }

    /// A run that goes on where its checkpoint left it, or an older checkpoint whose file is named in place of the
    /// folder; `settings` may ask for more epochs.
    ///
    /// What a killed run left half-written beside its whole files is removed.
    ///
    /// # Errors
    /// There is no checkpoint, it is broken, or it is of another network.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let folder = std::env::temp_dir().join(format!("chainrule-doc-resume-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let mut training = Training::new(settings.clone(), (train.clone(), test.clone()))?;
    /// training.step()?;
    /// training.save_checkpoint(&folder, 1)?;
    /// let mut resumed = Training::resume(&folder, settings, (train, test))?;
    /// training.step()?;
    /// resumed.step()?;
    /// assert_eq!(resumed.running_loss(), training.running_loss()); // to the last bit
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn resume(run: &Path, settings: Settings, data: impl Into<Data>) -> Result<Training> {
        let path = checkpoint_of(run);
        path.parent().into_iter().for_each(remove_parts);
        let (tensors, texts) = load_tensors(&path)?;
        let about = about_of(&texts, &path)?;
        let text = |key: &str| {
            let found = texts.iter().find(|(name, _)| name == key).map(|(_, text)| text.as_str());
            found.ok_or_else(|| Error::format(&path, format!("the checkpoint has no {key}")))
        };
        let broken =
            |e: serde_json::Error| Error::format(&path, format!("the checkpoint's text is broken: {e}"));
        let mut training = Training::build(settings, data.into(), Some(about.preparation))?;
        if training.parts.classes != about.classes {
            return Err(Error::format(&path, "the data has other classes than when the run began"));
        }
        let part = |prefix: &str| -> Vec<(String, Array)> {
            tensors
                .iter()
                .filter_map(|(name, array)| Some((name.strip_prefix(prefix)?.to_string(), array.clone())))
                .collect()
        };
        let parameters: Vec<(String, Tensor)> =
            part("model.").into_iter().map(|(name, array)| (name, Tensor::from_array(array))).collect();
        training.network.load_parameters(&parameters).map_err(|e| e.path(&path))?;
        training.optimizer.load_state(&part("optimizer.")).map_err(|e| e.path(&path))?;
        training.best = Some(part("best.")).filter(|best| !best.is_empty());
        let mut progress: Progress = serde_json::from_str(text("progress")?).map_err(broken)?;
        if let Some((_, loss)) = tensors.iter().find(|(name, _)| name == "progress.loss") {
            progress.loss = loss.item()?;
        }
        training.progress = progress;
        training.standing = serde_json::from_str::<Standing>(text("standing")?).map_err(broken)?;
        training.history = serde_json::from_str(text("history")?).map_err(broken)?;
        Ok(training)
    }
}

/// The file from which a run goes on: its last checkpoint, unless another one is named.
fn checkpoint_of(run: &Path) -> PathBuf {
    if run.is_file() { run.to_path_buf() } else { run.join(CHECKPOINT) }
}

/// Gives the checkpoint that is about to be replaced a name with its step, beside its own; unless it is of the same
/// epoch and step as the new one.
fn keep_older(folder: &Path, path: &Path, new: (usize, usize)) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let (_, texts) = load_tensors(path)?;
    let progress = texts.iter().find(|(name, _)| name == "progress");
    let progress = progress.and_then(|(_, text)| serde_json::from_str::<Progress>(text).ok());
    let Some(Progress { epoch, step, .. }) = progress else { return Ok(()) };
    let older = folder.join(format!("checkpoint-{epoch:05}-{step:07}.safetensors"));
    if older.exists() || (epoch, step) == new {
        return Ok(());
    }
    // Another name for the same file costs nothing; where file systems don't have that, it is copied.
    std::fs::hard_link(path, &older).or_else(|_| std::fs::copy(path, &older).map(drop)).map_err(|e| {
        // A copy that was cut short must not be taken for a checkpoint.
        drop(std::fs::remove_file(&older));
        Error::io(&older, &e).hint("is there space on the disk?")
    })
}

/// The checkpoints that were kept, the oldest first.
fn older_checkpoints(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, _)| name.starts_with("checkpoint-") && name.ends_with(".safetensors"))
        .collect();
    order::sort(&mut found);
    found
}

fn about_of(texts: &[(String, String)], path: &Path) -> Result<About> {
    let text = texts.iter().find(|(name, _)| name == ABOUT).map(|(_, text)| text).ok_or_else(|| {
        Error::format(path, "the file doesn't say which network it holds")
            .hint("it wasn't written by chainrule train")
    })?;
    serde_json::from_str(text)
        .map_err(|e| Error::format(path, format!("what the file says of its network is broken: {e}")))
}

fn read_about(path: &Path) -> Result<(Vec<(String, Array)>, About)> {
    let (tensors, texts) = load_tensors(path)?;
    let about = about_of(&texts, path)?;
    Ok((tensors, about))
}

/// Reads a model from its file or its run's folder.
pub(super) fn load_model(path: &Path) -> Result<TrainedModel> {
    let path: PathBuf = if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() };
    let (tensors, About { settings, preparation, example, classes }) = read_about(&path)?;
    let network = settings.network(&example, classes.len()).map_err(|e| e.path(&path))?;
    let parameters: Vec<(String, Tensor)> =
        tensors.into_iter().map(|(name, array)| (name, Tensor::from_array(array))).collect();
    network.load_parameters(&parameters).map_err(|e| e.path(&path))?;
    network.set_training(false);
    Ok(TrainedModel { network, preparation, example, classes, settings })
}
