//! Slices of equal length that change together: a parameter, its gradient and what an optimiser remembers.

use smallvec::SmallVec;

use super::{multiversion, pool};

/// Elements that one thread changes at a time.
const GRAIN: usize = 32 * 1024;

/// A stretch of a parameter with what belongs to it: slices of one length.
///
/// ```
/// use chainrule_kernel::update::Part;
/// let (mut weights, mut velocity) = ([1.0, 2.0], [0.0, 0.0]);
/// let part = Part { values: &mut weights, gradient: &[0.5, 0.25], memory: [&mut velocity[..]].into_iter().collect() };
/// assert_eq!(part.memory.len(), 1);
/// ```
#[derive(Debug)]
pub struct Part<'a, T> {
    /// What is trained.
    pub values: &'a mut [T],
    /// The loss' gradient at the values.
    pub gradient: &'a [T],
    /// What the optimiser remembers of each value, as its momentum.
    pub memory: SmallVec<[&'a mut [T]; 3]>,
}

/// Runs `body` over all places, cut into parts for the threads where there are many. All slices are as long
/// as `part.values`; `body` must treat each place by itself.
///
/// # Panics
/// A slice is shorter than `part.values`, where these are cut.
///
/// ```
/// use chainrule_kernel::update::{Part, update};
/// let mut weights = [1.0, 2.0];
/// let part = Part { values: &mut weights, gradient: &[0.5, 0.25], memory: Default::default() };
/// update(part, |part| {
///     for (w, g) in part.values.iter_mut().zip(part.gradient) {
///         *w -= 0.1 * g; // a step of gradient descent
///     }
/// });
/// assert_eq!(weights, [0.95, 1.975]);
/// ```
pub fn update<T: Send + Sync>(part: Part<'_, T>, body: impl Fn(&mut Part<'_, T>) + Sync) {
    let Part { mut values, mut gradient, mut memory } = part;
    if values.len() <= GRAIN {
        return run(&mut Part { values, gradient, memory }, &body);
    }
    let mut parts = Vec::with_capacity(values.len().div_ceil(GRAIN));
    while !values.is_empty() {
        let length = GRAIN.min(values.len());
        let (head, tail) = values.split_at_mut(length);
        let (gradient_head, gradient_tail) = gradient.split_at(length);
        let (memory_head, memory_tail) = memory.into_iter().map(|slice| slice.split_at_mut(length)).unzip();
        parts.push(Part { values: head, gradient: gradient_head, memory: memory_head });
        (values, gradient, memory) = (tail, gradient_tail, memory_tail);
    }
    pool::chunks_mut(&mut parts, 1, |_, part| run(&mut part[0], &body));
}

multiversion! {
    fn run[T, F: Fn(&mut Part<'_, T>)](part: &mut Part<'_, T>, change: &F) {
        change(part);
    }
}
