//! Connectionist temporal classification: the loss of a sequence whose labels have no places.

use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::softmax::Reduction;
use crate::tensor::{CallerGuard, Tensor};

/// What [`Tensor::ctc_loss`] can be told; the default is PyTorch's.
///
/// ```
/// use chainrule::ops::Ctc;
/// use chainrule::{tensor, Tensor};
/// // One time can't spell two labels: the loss is infinite, and counts as 0 where that is asked for.
/// let x = Tensor::zeros([1, 3]);
/// let loss = |options: Ctc| x.ctc_loss(&tensor([1, 2]), &[1], &[2], &options)?.item();
/// assert_eq!(loss(Ctc::default())?, f64::INFINITY);
/// assert_eq!(loss(Ctc { zero_infinity: true, ..Ctc::default() })?, 0.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ctc {
    /// The class that stands for no label.
    pub blank: usize,
    /// How the losses are combined; the mean divides each by its number of labels first.
    pub reduction: Reduction,
    /// Sequences too short for their labels, whose loss is infinite, count as 0.
    pub zero_infinity: bool,
}

impl Tensor {
    /// CTC: `−ln` of the probability that a sequence, read without repetitions and then without blanks,
    /// spells the labels (Graves et al., 2006).
    ///
    /// This tensor holds log probabilities `[time, n, classes]` or `[time, classes]`; the targets `[n, labels]`
    /// (padded), `[labels]`, or all labels of the batch one after another. Every time's log probabilities are
    /// normalised first, so that logits serve as well. (PyTorch doesn't do so; its gradient, though, is that
    /// of the normalised loss, and on normalised input both agree.)
    ///
    /// ```
    /// use chainrule::{ops::Ctc, tensor, Tensor};
    /// // Two times, classes blank and "a", all equally likely: of four readings three spell "a".
    /// let x = Tensor::zeros([2, 2]);
    /// let loss = x.ctc_loss(&tensor([1]), &[2], &[1], &Ctc::default())?;
    /// assert!((loss.item()? - (4f64 / 3.0).ln()).abs() < 1e-6);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes and lengths don't fit, or a label is the blank or doesn't exist.
    #[track_caller]
    pub fn ctc_loss(
        &self,
        targets: &Tensor,
        input_lengths: &[usize],
        target_lengths: &[usize],
        options: &Ctc,
    ) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("CtcLoss").with_inputs([self.meta(), targets.meta()]);
        if self.rank() == 2 {
            let batch = self.unsqueeze(1)?;
            let loss = batch.ctc_loss(targets, input_lengths, target_lengths, options)?;
            return if loss.rank() > 0 { loss.squeeze(0) } else { Ok(loss) };
        }
        let shape = self.shape();
        if shape.rank() != 3 || !self.dtype().is_float() {
            return Err(refuse(Error::shape("log probabilities are floats of shape [time, n, classes]")));
        }
        let (times, n, classes) = (shape[0], shape[1], shape[2]);
        if input_lengths.len() != n || target_lengths.len() != n {
            return Err(refuse(Error::argument(format!(
                "{n} sequences have so many lengths of input and target"
            ))));
        }
        if input_lengths.iter().any(|&length| length > times) {
            return Err(refuse(Error::argument(format!("an input is longer than the {times} times"))));
        }
        if options.blank >= classes {
            return Err(refuse(Error::index(format!("the blank is one of the {classes} classes"))));
        }
        let plan = Plan::new(targets, target_lengths, classes, options.blank).map_err(refuse)?;
        let losses = self.log_softmax(-1)?.ctc_forward(&plan, input_lengths, target_lengths)?;
        let losses = match options.zero_infinity {
            true => losses.eq(f64::INFINITY)?.where_(&losses.zeros_like(), &losses)?,
            false => losses,
        };
        match options.reduction {
            Reduction::Mean => {
                let lengths = target_lengths.iter().map(|&length| length.max(1) as f64).collect();
                let lengths = Array::from_vec::<f64>(lengths, [n])?.cast(self.dtype());
                losses.div(&Tensor::from_array(lengths))?.mean()
            }
            other => other.apply(&losses),
        }
    }

    /// The forward recursion over times: `alpha[n][s]` is the logarithm of the probability of all readings so
    /// far that end at symbol s of the labels with blanks around them.
    #[track_caller]
    fn ctc_forward(&self, plan: &Plan, input_lengths: &[usize], target_lengths: &[usize]) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let n = input_lengths.len();
        let column = |values: Vec<bool>| Tensor::from_vec(values, [n, 1]);
        let never = |like: &Tensor| {
            let meta = Meta::new(like.dtype(), Shape::SCALAR);
            Tensor::from_array(Array::constant(f64::NEG_INFINITY, meta))
        };
        let nothing = never(self);
        let shifted = |alpha: &Tensor, by: usize| -> Result<Tensor> {
            let empty = nothing.expand([n, by.min(plan.length)])?;
            let kept = alpha.narrow(1, 0, plan.length.saturating_sub(by) as isize)?;
            Tensor::cat(&[&empty, &kept], 1)
        };
        let mut alpha = plan.start.where_(&nothing.zeros_like(), &nothing)?;
        for time in 0..self.shape()[0] {
            let here = self.select(0, time as isize)?.gather(1, &plan.symbols)?;
            // Staying or moving on by one; by two over a blank between different labels. The first time only
            // has its start.
            let reached = match time {
                0 => alpha.clone(),
                _ => {
                    let skipped = plan.skips.where_(&shifted(&alpha, 2)?, &nothing)?;
                    alpha.logaddexp(&shifted(&alpha, 1)?)?.logaddexp(&skipped)?
                }
            };
            let running = column(input_lengths.iter().map(|&length| time < length).collect())?;
            alpha = running.where_(&reached.add(&here)?, &alpha)?;
        }
        // A reading ends at the last label or at the blank behind it.
        let end = |back: usize| -> Result<Tensor> {
            let places =
                target_lengths.iter().map(|&length| (2 * length).saturating_sub(back) as i64).collect();
            alpha.gather(1, &Tensor::from_vec::<i64>(places, [n, 1])?)
        };
        let labelled = column(target_lengths.iter().map(|&length| length > 0).collect())?;
        let total = end(0)?.logaddexp(&labelled.where_(&end(1)?, &nothing)?)?;
        total.neg()?.squeeze(1)
    }
}

/// The labels of a batch with blanks before, between and behind them.
struct Plan {
    /// How many symbols the longest row has.
    length: usize,
    /// Classes, `[n, length]`.
    symbols: Tensor,
    /// Where a reading may begin.
    start: Tensor,
    /// Where a reading may come from two symbols before.
    skips: Tensor,
}

impl Plan {
    fn new(targets: &Tensor, lengths: &[usize], classes: usize, blank: usize) -> Result<Plan> {
        if targets.dtype().is_float() {
            return Err(Error::dtype(format!("labels are integers, not {}", targets.dtype())));
        }
        let (n, labels) = (lengths.len(), targets.array().to_i64_vec());
        let starts: Vec<usize> = match targets.rank() {
            2 if targets.shape()[0] == n => {
                let width = targets.shape()[1];
                if lengths.iter().any(|&length| length > width) {
                    return Err(Error::argument(format!(
                        "a target is longer than the {width} labels of a row"
                    )));
                }
                (0..n).map(|row| row * width).collect()
            }
            1 if lengths.iter().sum::<usize>() == labels.len() => lengths
                .iter()
                .scan(0, |start, length| Some(std::mem::replace(start, *start + length)))
                .collect(),
            _ => {
                return Err(Error::shape(
                    "the targets are a row of labels a sequence, or all of them in a row",
                ));
            }
        };
        let length = 2 * lengths.iter().max().copied().unwrap_or(0) + 1;
        let mut symbols = vec![blank as i64; n * length];
        let (mut start, mut skips) = (vec![false; n * length], vec![false; n * length]);
        for (row, (&first, &count)) in starts.iter().zip(lengths).enumerate() {
            for (i, &label) in labels[first..first + count].iter().enumerate() {
                if label < 0 || label >= classes as i64 || label == blank as i64 {
                    return Err(Error::index(format!(
                        "the label {label} is the blank or not one of the {classes} classes"
                    )));
                }
                let place = row * length + 2 * i + 1;
                symbols[place] = label;
                skips[place] = i > 0 && label != labels[first + i - 1];
            }
            start[row * length] = true;
            if count > 0 {
                start[row * length + 1] = true;
            }
        }
        Ok(Plan {
            length,
            symbols: Tensor::from_vec(symbols, [n, length])?,
            start: Tensor::from_vec(start, [n, length])?,
            skips: Tensor::from_vec(skips, [n, length])?,
        })
    }
}
