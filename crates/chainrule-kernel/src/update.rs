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

/// Places that change together.
const BLOCK: usize = 32;

/// `p[i], memory[…][i] = change(p[i], g[i], memory[…][i])` at each place, by vector code also where small code is wanted;
/// at most three numbers are remembered of a place.
///
/// # Panics
/// The slices differ in length, or there are not M that are remembered.
///
/// ```
/// use chainrule_kernel::update::at_each;
/// let (mut p, mut velocity) = ([1.0, 2.0], [0.0, 1.0]);
/// at_each(&mut p, &[0.5, 0.25], &mut [&mut velocity[..]], |p, g, [v]| {
///     let v = 0.5 * v + g;
///     (p - 0.1 * v, [v])
/// });
/// assert_eq!((p, velocity), ([0.95, 1.925], [0.5, 0.75]));
/// ```
#[inline(always)]
pub fn at_each<T: Copy + Default, const M: usize>(
    p: &mut [T],
    g: &[T],
    memory: &mut [&mut [T]],
    change: impl Fn(T, T, [T; M]) -> (T, [T; M]),
) {
    const { assert!(M <= 3, "more have to be written out") };
    assert_eq!(memory.len(), M, "what is remembered of each place");
    let mut memory = memory.iter_mut();
    let mut next = || memory.next().map_or(&mut [][..], |slice| slice);
    in_blocks(p, g, next(), next(), next(), change);
}

multiversion! {
    /// The slices are arguments of a function of their own: of these the compiler knows that they don't overlap.
    #[allow(clippy::needless_range_loop)] // A loop of constant length becomes vector code.
    fn in_blocks[T: Copy + Default, const M: usize, F: Fn(T, T, [T; M]) -> (T, [T; M])](
        p: &mut [T],
        g: &[T],
        a: &mut [T],
        b: &mut [T],
        c: &mut [T],
        change: F,
    ) {
        let same = |k: usize, length: usize| M <= k || length == p.len();
        assert!(g.len() == p.len() && same(0, a.len()) && same(1, b.len()) && same(2, c.len()));
        let (p, last_p) = p.as_chunks_mut::<BLOCK>();
        let (g, last_g) = g.as_chunks::<BLOCK>();
        let (a, last_a) = a.as_chunks_mut::<BLOCK>();
        let (b, last_b) = b.as_chunks_mut::<BLOCK>();
        let (c, last_c) = c.as_chunks_mut::<BLOCK>();
        for block in 0..p.len() {
            let [a, b, c] = [nth(M > 0, a, block), nth(M > 1, b, block), nth(M > 2, c, block)];
            for i in 0..BLOCK {
                at(i, &mut p[block], &g[block], [a, b, c], &change);
            }
        }
        for i in 0..last_p.len() {
            at(i, last_p, last_g, [last_a, last_b, last_c], &change);
        }
    }
}

/// A block of what is remembered, if anything is.
#[inline(always)]
fn nth<T>(some: bool, blocks: &mut [[T; BLOCK]], block: usize) -> &mut [T] {
    if some { &mut blocks[block] } else { &mut [] }
}

/// [`at_each`] at one place.
#[inline(always)]
fn at<T: Copy + Default, const M: usize>(
    i: usize,
    p: &mut [T],
    g: &[T],
    [a, b, c]: [&mut [T]; 3],
    change: &impl Fn(T, T, [T; M]) -> (T, [T; M]),
) {
    let read = |k: usize, x: &[T]| if k < M { x[i] } else { T::default() };
    let before = [read(0, a), read(1, b), read(2, c)];
    let (value, after) = change(p[i], g[i], *before.first_chunk().expect("there are at most three"));
    p[i] = value;
    // Written out, as a loop here would stay one where small code is wanted.
    if M > 0 {
        a[i] = after[0];
    }
    if M > 1 {
        b[i] = after[1];
    }
    if M > 2 {
        c[i] = after[2];
    }
}
