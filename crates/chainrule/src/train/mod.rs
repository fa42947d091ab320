//! Training a network: settings, data, the loop, checkpoints, and what is written about a run.
//!
//! [`Settings`] say everything that decides the outcome; [`Data::open`] reads what they name; [`Training`] goes
//! step by step, and can stop and go on anywhere with the same bits.
//!
//! ```
//! use chainrule::train::{Arch, Data, Settings, Training};
//! let settings = Settings { arch: Arch::Softmax, epochs: 1, ..Settings::default() };
//! let data = Data::open(&settings)?;
//! let mut training = Training::new(settings, data)?;
//! while !training.is_done() {
//!     training.step()?;
//! }
//! assert!(training.evaluate()?.score.accuracy > 0.8);
//! # Ok::<(), chainrule::Error>(())
//! ```

mod arch;
mod checkpoint;
mod choice;
mod classifier;
mod data;
mod evaluate;
#[cfg(feature = "tensorboard")]
mod events;
mod metrics;
mod model;
mod parts;
mod preparation;
#[cfg(feature = "plot")]
mod report;
mod run;
mod settings;
mod step;

pub use arch::{Arch, Takes};
pub use classifier::ImageClassifier;
pub use data::{Data, DataKind};
pub use evaluate::CheckPlan;
#[cfg(feature = "tensorboard")]
pub use events::EventFile;
pub use metrics::{ClassScore, Confusion, EpochMetrics, Evaluation, Mistake, Score};
pub use model::TrainedModel;
pub use preparation::Preparation;
#[cfg(feature = "plot")]
pub use report::RunReport;
pub use run::{Progress, Training};
pub use settings::{Augment, ClassWeights, Decay, Judge, MissingValues, OptimizerKind, Settings};
