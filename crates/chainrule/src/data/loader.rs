//! `Loader`: shuffled batches from worker threads, the same whatever their number.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::{Example, Source};
use crate::array::{Array, Generator, Shape, dispatch};
use crate::error::{Error, Result};

/// Some examples at once.
///
/// ```
/// use chainrule::data::{digits, Loader};
/// let batch = Loader::new(digits(), 3).epoch(0).next().unwrap()?;
/// assert_eq!((batch.inputs.shape()[..].to_vec(), &batch.indices[..]), (vec![3, 64], &[0, 1, 2][..]));
/// assert_eq!(batch.targets.to_vec::<i64>()?, [0, 1, 2]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    /// The inputs, `[n, …]`.
    pub inputs: Array,
    /// The targets, `[n, …]`.
    pub targets: Array,
    /// The numbers of the examples.
    pub indices: Vec<usize>,
}

/// Makes batches of a source, epoch by epoch.
///
/// Worker threads read ahead; batches come in the same order with the same bits for any number of them.
///
/// ```
/// use chainrule::data::{digits, Loader};
/// let loader = Loader::new(digits(), 500).shuffle(0).workers(2);
/// let sizes: Vec<usize> = loader.epoch(0).map(|batch| batch.unwrap().indices.len()).collect();
/// assert_eq!(sizes, [500, 500, 500, 297]);
/// ```
#[derive(Debug)]
pub struct Loader<S> {
    source: Arc<S>,
    size: usize,
    seed: Option<u64>,
    workers: usize,
    ahead: usize,
    drop_last: bool,
}

impl<S: Source + 'static> Loader<S> {
    /// Batches of this many examples (at least one), in the source's order, made when they are asked for.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// assert_eq!(Loader::new(digits(), 100).len(), 18);
    /// ```
    pub fn new(source: S, size: usize) -> Loader<S> {
        Loader {
            source: Arc::new(source),
            size: size.max(1),
            seed: None,
            workers: 0,
            ahead: 2,
            drop_last: false,
        }
    }

    /// Shuffles each epoch anew, by this seed; it decides what is random in the examples, too.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// let first = |seed| Loader::new(digits(), 5).shuffle(seed).epoch(0).next().unwrap().unwrap().indices;
    /// assert_eq!(first(1), first(1));
    /// assert_ne!(first(1), first(2));
    /// ```
    pub fn shuffle(self, seed: u64) -> Loader<S> {
        Loader { seed: Some(seed), ..self }
    }

    /// Reads ahead on this many threads; 0 reads on the caller's when a batch is asked for.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// let order = |workers| -> Vec<usize> {
    ///     let loader = Loader::new(digits(), 300).shuffle(0).workers(workers);
    ///     loader.epoch(0).flat_map(|batch| batch.unwrap().indices).collect()
    /// };
    /// assert_eq!(order(0), order(3));
    /// ```
    pub fn workers(self, workers: usize) -> Loader<S> {
        Loader { workers, ..self }
    }

    /// How many batches each worker may have ready (2 by default).
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// let loader = Loader::new(digits(), 600).workers(1).ahead(8);
    /// assert_eq!(loader.epoch(0).count(), 3);
    /// ```
    pub fn ahead(self, batches: usize) -> Loader<S> {
        Loader { ahead: batches, ..self }
    }

    /// Leaves the last batch out where it isn't full.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// let loader = Loader::new(digits(), 500).drop_last(true);
    /// assert!(loader.epoch(0).all(|batch| batch.unwrap().indices.len() == 500));
    /// assert_eq!(loader.len(), 3);
    /// ```
    pub fn drop_last(self, on: bool) -> Loader<S> {
        Loader { drop_last: on, ..self }
    }

    /// The source.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// assert_eq!(Loader::new(digits(), 32).source().classes.len(), 10);
    /// ```
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Batches in an epoch.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// assert_eq!(Loader::new(digits(), 1000).len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        let n = self.source.len();
        if self.drop_last { n / self.size } else { n.div_ceil(self.size) }
    }

    /// Whether an epoch has no batch.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// assert!(!Loader::new(digits(), 32).is_empty());
    /// assert!(Loader::new(digits(), 2000).drop_last(true).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batches of an epoch (counted from 0).
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// let loader = Loader::new(digits(), 500).shuffle(0);
    /// let seen = |epoch| loader.epoch(epoch).next().unwrap().unwrap().indices;
    /// assert_ne!(seen(0), seen(1)); // shuffled anew
    /// ```
    pub fn epoch(&self, epoch: usize) -> Batches<S> {
        self.epoch_from(epoch, 0)
    }

    /// The batches of an epoch from this one on: how training goes on in the middle.
    ///
    /// ```
    /// use chainrule::data::{digits, Loader};
    /// let loader = Loader::new(digits(), 500).shuffle(0);
    /// let third = loader.epoch(4).nth(2).unwrap()?;
    /// assert_eq!(loader.epoch_from(4, 2).next().unwrap()?.indices, third.indices);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn epoch_from(&self, epoch: usize, first: usize) -> Batches<S> {
        let order = epoch_order(self.source.len(), self.seed, epoch);
        let plan: Vec<Vec<usize>> = order.chunks(self.size).take(self.len()).map(<[usize]>::to_vec).collect();
        let task = Arc::new(Task {
            source: self.source.clone(),
            plan,
            // A number of its own for each epoch and example, whatever is drawn for others.
            seed: self.seed.unwrap_or(0) ^ (epoch as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        });
        let workers = (0..self.workers.min(task.plan.len().saturating_sub(first)))
            .filter_map(|number| start(&task, first + number, self.workers, self.ahead))
            .collect::<Vec<Worker>>();
        // Where the system gives fewer threads than wanted, the caller reads by itself.
        let workers = if workers.len() < self.workers.min(task.plan.len() - first.min(task.plan.len())) {
            Vec::new()
        } else {
            workers
        };
        Batches { task, next: first, first, workers }
    }
}

/// The order of an epoch's examples: each epoch has a stream of its own, so that training can go on in the
/// middle.
pub(super) fn epoch_order(n: usize, seed: Option<u64>, epoch: usize) -> Vec<usize> {
    match seed {
        None => (0..n).collect(),
        Some(seed) => {
            let mut generator = Generator::resume(seed ^ 0x5EED_BA7C, epoch as u64);
            generator.permutation(n).to_i64_vec().into_iter().map(|i| i as usize).collect()
        }
    }
}

/// What an epoch's batches are made from.
#[derive(Debug)]
struct Task<S> {
    source: Arc<S>,
    plan: Vec<Vec<usize>>,
    seed: u64,
}

impl<S: Source> Task<S> {
    fn batch(&self, number: usize) -> Result<Batch> {
        let indices = self.plan[number].clone();
        // Far more numbers than an example draws lie between those of two examples.
        let (inputs, targets) =
            self.source.examples(&indices, &|i| Generator::resume(self.seed, (i as u64) << 20))?;
        Ok(Batch { inputs, targets, indices })
    }
}

/// Examples one by one, put together; see [`Source::examples`].
pub(super) fn gather<S: Source + ?Sized>(
    source: &S,
    all: &[usize],
    random: &dyn Fn(usize) -> Generator,
) -> Result<(Array, Array)> {
    let examples =
        all.iter().map(|&i| source.example(i, &mut random(i))).collect::<Result<Vec<Example>>>()?;
    let part =
        |pick: fn(&Example) -> &Array, what| stack(&examples.iter().map(pick).collect::<Vec<_>>(), all, what);
    Ok((part(|example| &example.input, "input")?, part(|example| &example.target, "target")?))
}

/// Arrays of the same shape and type as one, with a new first dimension.
fn stack(arrays: &[&Array], indices: &[usize], what: &str) -> Result<Array> {
    let first = arrays.first().ok_or_else(|| Error::argument("a batch has no example"))?;
    let meta = first.meta();
    if let Some(other) = arrays.iter().position(|array| array.meta() != meta) {
        return Err(Error::shape(format!(
            "the {what} of example {} is {meta}, and that of example {} is {}",
            indices[0],
            indices[other],
            arrays[other].meta()
        ))
        .hint("bring all examples to the same size, for images with a resizing transform"));
    }
    let sizes = [&[arrays.len()], &meta.shape[..]].concat();
    Ok(dispatch!(meta.dtype, T => {
        let mut values = Vec::with_capacity(arrays.len() * meta.shape.elements());
        arrays.iter().for_each(|array| values.extend_from_slice(array.contiguous().values::<T>()));
        Array::filled(values, Shape::new(&sizes)?)
    }))
}

/// A thread that makes every n-th batch.
#[derive(Debug)]
struct Worker {
    batches: Option<Receiver<Result<Batch>>>,
    thread: Option<JoinHandle<()>>,
}

fn start<S: Source + 'static>(
    task: &Arc<Task<S>>,
    first: usize,
    step: usize,
    ahead: usize,
) -> Option<Worker> {
    let (sender, batches) = sync_channel(ahead);
    let task = task.clone();
    let work = move || {
        for number in (first..task.plan.len()).step_by(step) {
            // Nobody waits any more: the epoch was left early.
            if sender.send(task.batch(number)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("chainrule-loader".into()).spawn(work).ok()?;
    Some(Worker { batches: Some(batches), thread: Some(thread) })
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without a receiver the thread's next batch can't be sent, and it ends.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The batches of an epoch; see [`Loader::epoch`].
///
/// ```
/// use chainrule::data::{digits, Loader};
/// let mut batches = Loader::new(digits(), 500).epoch(0);
/// batches.next();
/// assert_eq!(batches.len(), 3); // left
/// ```
#[derive(Debug)]
pub struct Batches<S> {
    task: Arc<Task<S>>,
    next: usize,
    first: usize,
    workers: Vec<Worker>,
}

impl<S: Source> Iterator for Batches<S> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.next >= self.task.plan.len() {
            return None;
        }
        let number = self.next;
        self.next += 1;
        if self.workers.is_empty() {
            return Some(self.task.batch(number));
        }
        let worker = &self.workers[(number - self.first) % self.workers.len()];
        let batch = worker.batches.as_ref().and_then(|batches| batches.recv().ok());
        // A source that panics ends its thread.
        Some(
            batch.unwrap_or_else(|| {
                Err(Error::argument(format!("the thread that reads batch {number} ended")))
            }),
        )
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.task.plan.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<S: Source> ExactSizeIterator for Batches<S> {}
