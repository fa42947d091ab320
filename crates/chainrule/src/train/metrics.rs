//! What is measured of a network: losses, accuracies, and which classes are taken for which.

use serde::{Deserialize, Serialize};

/// Loss and accuracy on some examples.
///
/// ```
/// use chainrule::train::Score;
/// let chance = Score { loss: 10f64.ln(), accuracy: 0.1 }; // of ten classes
/// assert!(chance.loss > 2.3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean cross entropy.
    pub loss: f64,
    /// Share of right answers.
    pub accuracy: f64,
}

/// What an epoch brought.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
/// # let (train, test) = data.stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
/// let mut training = Training::new(settings, (train, test))?;
/// let metrics = loop {
///     if let Some(metrics) = training.step()? {
///         break metrics;
///     }
/// };
/// assert_eq!(metrics.epoch, 1);
/// assert!((0.0..=1.0).contains(&metrics.held_out().1.accuracy));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: usize,
    /// The learning rate of its last step.
    pub rate: f64,
    /// Over the epoch's steps, while the network changed.
    pub train: Score,
    /// On the validation part, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Score>,
    /// On the test part, where there is no validation part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Score>,
}

impl EpochMetrics {
    /// The score on examples that the network doesn't learn from, and their part's name.
    ///
    /// ```
    /// use chainrule::train::{EpochMetrics, Score};
    /// let score = |loss| Score { loss, accuracy: 0.5 };
    /// let metrics =
    ///     EpochMetrics { epoch: 1, rate: 0.1, train: score(1.0), validation: Some(score(2.0)), test: None };
    /// assert_eq!(metrics.held_out(), ("validation", score(2.0)));
    /// ```
    pub fn held_out(&self) -> (&'static str, Score) {
        match (self.validation, self.test) {
            (Some(score), _) => ("validation", score),
            (None, Some(score)) => ("test", score),
            (None, None) => ("training", self.train),
        }
    }

    /// A table of epochs as CSV.
    pub(super) fn table(epochs: &[EpochMetrics]) -> String {
        let part = epochs.first().map_or("test", |m| m.held_out().0);
        let mut table = format!("epoch,rate,train_loss,train_accuracy,{part}_loss,{part}_accuracy\n");
        for m in epochs {
            let (_, score) = m.held_out();
            table.push_str(&format!(
                "{},{},{},{},{},{}\n",
                m.epoch, m.rate, m.train.loss, m.train.accuracy, score.loss, score.accuracy
            ));
        }
        table
    }
}

/// How often examples of each class (rows) were taken for each class (columns).
///
/// ```
/// use chainrule::train::Confusion;
/// let confusion = Confusion(vec![vec![9, 1], vec![0, 10]]);
/// assert_eq!(confusion.0[0][1], 1); // one of class 0 was taken for class 1
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion(pub Vec<Vec<usize>>);

/// How well a class is recognised.
///
/// ```
/// use chainrule::train::Confusion;
/// let score = Confusion(vec![vec![8, 2], vec![0, 10]]).classes()[0];
/// assert_eq!((score.recall, score.examples), (0.8, 10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The share of its examples among those taken for it; 0 where none was.
    pub precision: f64,
    /// The share of its examples that were recognised; 0 where it has none.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
    /// How many examples it has.
    pub examples: usize,
}

impl Confusion {
    /// Nothing counted yet.
    ///
    /// ```
    /// use chainrule::train::Confusion;
    /// assert_eq!(Confusion::new(3).total(), 0);
    /// ```
    pub fn new(classes: usize) -> Confusion {
        Confusion(vec![vec![0; classes]; classes])
    }

    /// How many answers were right.
    ///
    /// ```
    /// use chainrule::train::Confusion;
    /// assert_eq!(Confusion(vec![vec![9, 1], vec![0, 10]]).right(), 19);
    /// ```
    pub fn right(&self) -> usize {
        (0..self.0.len()).map(|i| self.0[i][i]).sum()
    }

    /// How many answers there were.
    ///
    /// ```
    /// use chainrule::train::Confusion;
    /// assert_eq!(Confusion(vec![vec![9, 1], vec![0, 10]]).total(), 20);
    /// ```
    pub fn total(&self) -> usize {
        self.0.iter().flatten().sum()
    }

    /// How well each class is recognised.
    ///
    /// ```
    /// use chainrule::train::Confusion;
    /// let scores = Confusion(vec![vec![3, 1], vec![0, 2]]).classes();
    /// assert_eq!((scores[0].precision, scores[0].recall), (1.0, 0.75));
    /// assert_eq!((scores[1].precision, scores[1].examples), (2.0 / 3.0, 2));
    /// ```
    pub fn classes(&self) -> Vec<ClassScore> {
        let share = |part: usize, all: usize| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        (0..self.0.len())
            .map(|class| {
                let right = self.0[class][class];
                let examples: usize = self.0[class].iter().sum();
                let answers: usize = self.0.iter().map(|row| row[class]).sum();
                ClassScore {
                    precision: share(right, answers),
                    recall: share(right, examples),
                    f1: share(2 * right, examples + answers),
                    examples,
                }
            })
            .collect()
    }
}

/// An answer that was wrong.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// let data = digits().stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
/// let test = Training::new(settings, data)?.evaluate()?;
/// let surest = test.mistakes[0];
/// assert!(surest.class != surest.answer && surest.probability >= test.mistakes[1].probability);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// The example's number in its part.
    pub example: usize,
    /// Its class.
    pub class: usize,
    /// What it was taken for.
    pub answer: usize,
    /// How sure the network was of that, 0 to 1.
    pub probability: f64,
}

/// All that is measured on one part of the data.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// let data = digits().stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
/// let test = Training::new(settings, data)?.evaluate()?;
/// assert_eq!(test.score.accuracy, test.confusion.right() as f64 / test.confusion.total() as f64);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Loss and accuracy.
    pub score: Score,
    /// Which classes were taken for which.
    pub confusion: Confusion,
    /// The wrong answers of which the network was surest.
    pub mistakes: Vec<Mistake>,
}
