//! Runs on disk: the model, the metrics, and a checkpoint from which training goes on bit-identically.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{EpochMetrics, Progress, Settings, TrainedModel, Training};
use crate::array::Array;
use crate::data::{Dataset, Scaler};
use crate::error::{Error, Result};
use crate::io::{load_tensors, remove_parts, save_tensors, write_atomic};
use crate::nn::Module;
use crate::tensor::Tensor;

const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// What is stored with a model as text.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    settings: Settings,
    mean: Vec<f32>,
    scale: Vec<f32>,
    classes: Vec<String>,
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|e| Error::argument(format!("this can't be written as JSON: {e}")))
}

impl Training {
    fn about(&self) -> Result<(String, String)> {
        let about = About {
            settings: self.settings.clone(),
            mean: self.scaler.mean.clone(),
            scale: self.scaler.scale.clone(),
            classes: self.train_set().classes.clone(),
        };
        Ok(("chainrule".into(), json(&about)?))
    }

    fn named_arrays(&self) -> Vec<(String, Array)> {
        self.network.state().into_iter().map(|(name, owned)| (name, owned.tensor().array())).collect()
    }

    /// Writes the state of the run, complete enough to go on from this very step.
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
    /// let mut training = Training::new(settings, train, test)?;
    /// training.step()?;
    /// training.save_checkpoint(&folder)?;
    /// assert_eq!(Training::settings_of(&folder)?.hidden, [8]);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save_checkpoint(&self, folder: &Path) -> Result<()> {
        let mut tensors: Vec<(String, Array)> =
            self.named_arrays().into_iter().map(|(name, array)| (format!("model.{name}"), array)).collect();
        tensors.extend(
            self.optimizer.state().into_iter().map(|(name, array)| (format!("optimizer.{name}"), array)),
        );
        // Sums are kept as numbers, not as text, so that not a bit of them is lost.
        tensors.push(("progress.loss".into(), Array::scalar(self.progress.loss)));
        let about = [
            self.about()?,
            ("progress".into(), json(&self.progress)?),
            ("history".into(), json(&self.history)?),
        ];
        save_tensors(folder.join(CHECKPOINT), &tensors, &about)
    }

    /// Writes the model, the metrics as CSV and JSON, and the settings.
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
    /// let mut training = Training::new(settings, train, test)?;
    /// while training.step()?.is_none() {}
    /// training.save_results(&folder)?;
    /// let table = std::fs::read_to_string(folder.join("metrics.csv")).unwrap();
    /// assert!(table.starts_with("epoch,train_loss,train_accuracy,test_loss,test_accuracy\n1,"));
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save_results(&self, folder: &Path) -> Result<()> {
        save_tensors(folder.join(MODEL), &self.named_arrays(), &[self.about()?])?;
        write_atomic(folder.join("settings.json"), json(&self.settings)?.as_bytes())?;
        let mut table = String::from("epoch,train_loss,train_accuracy,test_loss,test_accuracy\n");
        for m in &self.history {
            table.push_str(&format!(
                "{},{},{},{},{}\n",
                m.epoch, m.train_loss, m.train_accuracy, m.test_loss, m.test_accuracy
            ));
        }
        write_atomic(folder.join("metrics.csv"), table.as_bytes())?;
        #[derive(Serialize)]
        struct Metrics<'a> {
            epochs: &'a [EpochMetrics],
            classes: &'a [String],
            confusion: Vec<Vec<usize>>,
        }
        let metrics = Metrics {
            epochs: &self.history,
            classes: &self.test_set().classes,
            confusion: self.confusion()?.0,
        };
        write_atomic(folder.join("metrics.json"), json(&metrics)?.as_bytes())
    }

    /// The settings of an unfinished run.
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
    /// let training = Training::new(settings, train, test)?;
    /// training.save_checkpoint(&folder)?;
    /// assert_eq!(&Training::settings_of(&folder)?, training.settings());
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn settings_of(folder: &Path) -> Result<Settings> {
        Ok(read_about(&folder.join(CHECKPOINT))?.1.settings)
    }

    /// A run that goes on where its checkpoint left it; `settings` may ask for more epochs.
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
    /// let mut training = Training::new(settings.clone(), train.clone(), test.clone())?;
    /// training.step()?;
    /// training.save_checkpoint(&folder)?;
    /// let mut resumed = Training::resume(&folder, settings, train, test)?;
    /// training.step()?;
    /// resumed.step()?;
    /// assert_eq!(resumed.running_loss(), training.running_loss()); // to the last bit
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn resume(folder: &Path, settings: Settings, train: Dataset, test: Dataset) -> Result<Training> {
        let path = folder.join(CHECKPOINT);
        remove_parts(folder);
        let (tensors, _) = read_about(&path)?;
        let (_, texts) = load_tensors(&path)?;
        let text = |key: &str| {
            let found = texts.iter().find(|(name, _)| name == key).map(|(_, text)| text.as_str());
            found.ok_or_else(|| Error::format(&path, format!("the checkpoint has no {key}")))
        };
        let broken =
            |e: serde_json::Error| Error::format(&path, format!("the checkpoint's text is broken: {e}"));
        let mut training = Training::new(settings, train, test)?;
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
        let mut progress: Progress = serde_json::from_str(text("progress")?).map_err(broken)?;
        if let Some((_, loss)) = tensors.iter().find(|(name, _)| name == "progress.loss") {
            progress.loss = loss.item()?;
        }
        training.progress = progress;
        training.history = serde_json::from_str(text("history")?).map_err(broken)?;
        Ok(training)
    }
}

fn read_about(path: &Path) -> Result<(Vec<(String, Array)>, About)> {
    let (tensors, texts) = load_tensors(path)?;
    let text = texts.iter().find(|(name, _)| name == "chainrule").map(|(_, text)| text).ok_or_else(|| {
        Error::format(path, "the file doesn't say which network it holds")
            .hint("it wasn't written by chainrule train")
    })?;
    let about = serde_json::from_str(text)
        .map_err(|e| Error::format(path, format!("what the file says of its network is broken: {e}")))?;
    Ok((tensors, about))
}

/// Reads a model from its file or its run's folder.
pub(super) fn load_model(path: &Path) -> Result<TrainedModel> {
    let path: PathBuf = if path.is_dir() { path.join(MODEL) } else { path.to_path_buf() };
    let (tensors, about) = read_about(&path)?;
    let network = about.settings.network(about.mean.len(), about.classes.len()).map_err(|e| e.path(&path))?;
    let parameters: Vec<(String, Tensor)> =
        tensors.into_iter().map(|(name, array)| (name, Tensor::from_array(array))).collect();
    network.load_parameters(&parameters).map_err(|e| e.path(&path))?;
    network.set_training(false);
    Ok(TrainedModel {
        network,
        scaler: Scaler { mean: about.mean, scale: about.scale },
        classes: about.classes,
        settings: about.settings,
    })
}
