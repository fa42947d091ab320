//! The pool of worker threads.
//!
//! Waking a sleeping thread costs tens of microseconds, more than many gates take. Workers therefore spin
//! for a moment after their last task before they sleep, and the caller always works too.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Thread;

use smallvec::SmallVec;

/// Turns of a spinning loop (about 30 µs) before a worker sleeps.
const SPIN: usize = 10_000;

static THREADS: AtomicUsize = AtomicUsize::new(0);
/// Whether a parallel loop is running; loops inside it, or from other threads meanwhile, run serially.
static BUSY: AtomicBool = AtomicBool::new(false);

/// How many threads work on one gate, the caller included.
///
/// ```
/// assert!(chainrule::num_threads() >= 1);
/// ```
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let default = std::env::var("CHAINRULE_NUM_THREADS")
                .ok()
                .and_then(|text| text.parse().ok())
                .filter(|&threads| threads > 0)
                .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
            THREADS.store(default, Ordering::Relaxed);
            default
        }
        threads => threads,
    }
}

/// Sets how many threads work on one gate (at least 1). Results are the same bits whatever the number.
///
/// By default all processors, or what the environment variable `CHAINRULE_NUM_THREADS` says.
///
/// ```
/// use chainrule::{num_threads, set_num_threads};
/// let before = num_threads();
/// set_num_threads(1);
/// assert_eq!(num_threads(), 1);
/// # set_num_threads(before);
/// ```
pub fn set_num_threads(threads: usize) {
    THREADS.store(threads.max(1), Ordering::Relaxed);
}

/// A parallel loop: its body, and how far it has come.
struct Job {
    body: *const (dyn Fn(usize) + Sync),
    tasks: usize,
    /// The next task of each thread's share: the first thread has the first tasks, and so on. So a part of an array that
    /// several loops go through is mostly worked on by one thread, in whose caches it lies; who is done helps the others.
    next: SmallVec<[Counter; 4]>,
    finished: AtomicUsize,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

// SAFETY: `body` is only called while `parallel` waits for its tasks, so what it borrows is alive, and it is
// `Sync`; everything else in a job is for sharing.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

/// Where one of so many shares of the tasks begins, and the share before it ends.
fn begin(share: usize, shares: usize, tasks: usize) -> usize {
    share * tasks / shares
}

/// A number, and what keeps it from the lines of the caches that the others are in.
struct Counter {
    number: AtomicUsize,
    _apart: [usize; 7],
}

impl Job {
    /// The next task of this share, if one is left to begin.
    fn take(&self, share: usize) -> Option<usize> {
        let (next, end) = (&self.next[share].number, begin(share + 1, self.next.len(), self.tasks));
        // To look is cheaper than to count: it takes the line away from nobody.
        if next.load(Ordering::Relaxed) >= end {
            return None;
        }
        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&task| task < end)
    }

    /// Works on the thread's own tasks, then on those of the others, until none is left to begin.
    fn work(&self, thread: usize) {
        let shares = self.next.len();
        for share in (thread..thread + shares).map(|share| share % shares) {
            self.work_on(share);
        }
    }

    fn work_on(&self, share: usize) {
        while let Some(task) = self.take(share) {
            // SAFETY: this task isn't finished, so `parallel`, which borrows the body, hasn't returned.
            let body = unsafe { &*self.body };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(task))) {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                match *first {
                    None => *first = Some(panic),
                    // To drop it could panic again, and this loop must not be left before all tasks have ended.
                    Some(_) => std::mem::forget(panic),
                }
            }
            self.finished.fetch_add(1, Ordering::Release);
        }
    }
}

/// What the workers look at.
#[derive(Default)]
struct Board {
    /// Counts jobs; a worker that sees a new number looks for work.
    round: AtomicUsize,
    job: Mutex<Option<Arc<Job>>>,
    sleeping: AtomicUsize,
}

struct Pool {
    board: Arc<Board>,
    workers: Mutex<Vec<Thread>>,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool { board: Arc::default(), workers: Mutex::new(Vec::new()) })
}

impl Pool {
    /// Starts workers until there are `wanted`; fewer where the system gives none.
    fn ensure(&self, wanted: usize) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while workers.len() < wanted {
            let board = self.board.clone();
            let thread = workers.len() + 1;
            let name = format!("chainrule-{thread}");
            match std::thread::Builder::new().name(name).spawn(move || board.serve(thread)) {
                Ok(handle) => workers.push(handle.thread().clone()),
                Err(_) => return,
            }
        }
    }

    fn wake(&self) {
        if self.board.sleeping.load(Ordering::SeqCst) > 0 {
            for worker in self.workers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                worker.unpark();
            }
        }
    }
}

impl Board {
    fn serve(&self, thread: usize) {
        let mut seen = 0;
        loop {
            let mut turns = 0;
            while self.round.load(Ordering::Acquire) == seen {
                turns += 1;
                if turns < SPIN {
                    std::hint::spin_loop();
                } else {
                    self.sleeping.fetch_add(1, Ordering::SeqCst);
                    while self.round.load(Ordering::SeqCst) == seen {
                        std::thread::park();
                    }
                    self.sleeping.fetch_sub(1, Ordering::SeqCst);
                }
            }
            seen = self.round.load(Ordering::Acquire);
            let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(job) = job {
                job.work(thread);
            }
        }
    }
}

/// Runs `body(0)`, …, `body(tasks − 1)`, each once, on the caller and the pool's workers.
///
/// A panic in a task is raised again here when all tasks have ended.
pub(crate) fn parallel(tasks: usize, body: &(dyn Fn(usize) + Sync)) {
    let threads = num_threads().min(tasks);
    if threads <= 1 || BUSY.swap(true, Ordering::Acquire) {
        (0..tasks).for_each(body);
        return;
    }
    /// Lets the next loop in, also after a panic.
    struct Free;
    impl Drop for Free {
        fn drop(&mut self) {
            BUSY.store(false, Ordering::Release);
        }
    }
    let _free = Free;
    let pool = pool();
    pool.ensure(threads - 1);
    // SAFETY: only the lifetime is erased; this function doesn't return before all tasks have finished.
    let body =
        unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(body) };
    let job = Arc::new(Job {
        body,
        tasks,
        next: (0..threads)
            .map(|share| Counter { number: AtomicUsize::new(begin(share, threads, tasks)), _apart: [0; 7] })
            .collect(),
        finished: AtomicUsize::new(0),
        panic: Mutex::new(None),
    });
    *pool.board.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(job.clone());
    pool.board.round.fetch_add(1, Ordering::SeqCst);
    pool.wake();
    job.work(0);
    let mut turns = 0usize;
    while job.finished.load(Ordering::Acquire) < tasks {
        turns += 1;
        // Where another program holds the worker's processor, spinning on would only slow it further.
        if turns < SPIN { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
    let panic = job.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Runs `body(start, chunk)` over consecutive chunks of `out`, on several threads where there are several. The last chunk
/// may be shorter.
///
/// A panic in `body` is raised again here when all chunks are done with. A loop inside another one runs on its thread
/// alone.
///
/// # Panics
/// `chunk` is 0.
///
/// ```
/// use chainrule_kernel::pool::chunks_mut;
/// let mut squares = [0; 100];
/// chunks_mut(&mut squares, 32, |start, part| {
///     for (i, x) in part.iter_mut().enumerate() {
///         *x = (start + i) * (start + i);
///     }
/// });
/// assert_eq!(squares[99], 9801);
/// ```
pub fn chunks_mut<T: Send>(out: &mut [T], chunk: usize, body: impl Fn(usize, &mut [T]) + Sync) {
    // Compiled once for each element type, not for each body.
    fn cut<T: Send>(out: &mut [T], chunk: usize, body: &(dyn Fn(usize, &mut [T]) + Sync)) {
        let length = out.len();
        let first = Shared(out.as_mut_ptr());
        parallel(length.div_ceil(chunk), &|task| {
            let start = task * chunk;
            let size = chunk.min(length - start);
            // SAFETY: the chunks of different tasks don't overlap, each task runs once, and `out` is borrowed
            // until all have ended.
            let part = unsafe { std::slice::from_raw_parts_mut(first.at(start), size) };
            body(start, part);
        });
    }
    cut(out, chunk, &body);
}

/// [`chunks_mut`] for several slices of one length at once: `body(start, chunks)`.
///
/// # Panics
/// `chunk` is 0, or the slices are of different lengths.
///
/// ```
/// use chainrule_kernel::pool::parts_mut;
/// let (mut sin, mut cos) = (vec![0.0; 1000], vec![0.0; 1000]);
/// parts_mut(&mut [&mut sin, &mut cos], 256, |start, parts| {
///     for i in 0..parts[0].len() {
///         (parts[0][i], parts[1][i]) = (((start + i) as f64).sin(), ((start + i) as f64).cos());
///     }
/// });
/// assert_eq!((sin[999], cos[999]), (999f64.sin(), 999f64.cos()));
/// ```
pub fn parts_mut<T: Send>(outs: &mut [&mut [T]], chunk: usize, body: impl Fn(usize, &mut [&mut [T]]) + Sync) {
    let length = outs.first().map_or(0, |out| out.len());
    assert!(outs.iter().all(|out| out.len() == length), "slices that are cut together are of one length");
    let firsts: SmallVec<[Shared<T>; 4]> = outs.iter_mut().map(|out| Shared(out.as_mut_ptr())).collect();
    parallel(length.div_ceil(chunk), &|task| {
        let start = task * chunk;
        let size = chunk.min(length - start);
        let mut parts: SmallVec<[&mut [T]; 4]> = firsts
            .iter()
            // SAFETY: as in `chunks_mut`; the slices are borrowed apart from each other.
            .map(|first| unsafe { std::slice::from_raw_parts_mut(first.at(start), size) })
            .collect();
        body(start, &mut parts);
    });
}

/// A pointer that tasks on several threads use for parts that don't overlap.
pub(super) struct Shared<T>(pub(super) *mut T);

impl<T> Shared<T> {
    pub(super) fn at(&self, index: usize) -> *mut T {
        // SAFETY: callers stay within the slice that the pointer was made from.
        unsafe { self.0.add(index) }
    }
}

// SAFETY: see where it is used: each task has a part of its own.
unsafe impl<T: Send> Sync for Shared<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_also_when_nested() {
        for tasks in [0, 1, 2, 3, 100] {
            let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            parallel(tasks, &|i| {
                parallel(2, &|_| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 2));
        }
    }

    #[test]
    fn panics_that_panic_when_dropped_leave_no_task_behind() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("a payload was dropped");
            }
        }
        let ended = AtomicUsize::new(0);
        let result = catch_unwind(|| {
            parallel(8, &|i| {
                ended.fetch_add(1, Ordering::Relaxed);
                if i % 2 == 0 {
                    std::panic::panic_any(Bomb);
                }
            });
        });
        std::mem::forget(result.expect_err("a task has panicked"));
        // One thread alone stops at the first panic; on several, all tasks are run.
        assert!([1, 8].contains(&ended.load(Ordering::Relaxed)));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let result = catch_unwind(|| parallel(8, &|i| assert!(i != 5, "task five")));
        assert!(result.is_err());
        let mut out = vec![0; 1000];
        chunks_mut(&mut out, 7, |start, part| part.iter_mut().enumerate().for_each(|(i, x)| *x = start + i));
        assert!(out.iter().enumerate().all(|(i, &x)| i == x));
    }
}
