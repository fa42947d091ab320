//! What the machine could do at best: the rates that the workloads' times are held against.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What bounds a workload from below.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// So many f32 operations at the peak of fused multiply-add, and so many bytes that must come from or go to
    /// memory because they fit in no cache.
    Machine { operations: f64, bytes: f64 },
    /// The same arithmetic, written in Rust by hand.
    ByHand(fn()),
    /// None that says anything.
    None,
}

impl Limit {
    /// Its name, and the nanoseconds of one step.
    pub(crate) fn of_step(self, seconds: f64) -> Option<(&'static str, f64)> {
        match self {
            Limit::None => None,
            Limit::ByHand(step) => Some(("Rust written by hand", best_ns(seconds * 0.1, step))),
            Limit::Machine { operations, bytes } => {
                let threads = chainrule::num_threads();
                let name = match (operations > 0.0, bytes > 0.0) {
                    (true, false) => "the FMA peak",
                    (false, _) => "the memory's bandwidth",
                    _ => "FMA peak and bandwidth",
                };
                let compute = if operations > 0.0 { operations / peak(threads, seconds) } else { 0.0 };
                let memory = if bytes > 0.0 { bytes / bandwidth(threads, seconds) } else { 0.0 };
                Some((name, compute + memory))
            }
        }
    }
}

/// The least time of a run in nanoseconds, over so many seconds.
fn best_ns(seconds: f64, mut run: impl FnMut()) -> f64 {
    let mut inner = 1u32;
    let mut best = f64::INFINITY;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end || best.is_infinite() {
        let start = Instant::now();
        (0..inner).for_each(|_| run());
        let elapsed = start.elapsed();
        best = best.min(elapsed.as_nanos() as f64 / f64::from(inner));
        if elapsed < Duration::from_millis(2) {
            inner = inner.saturating_mul(2);
        }
    }
    best
}

/// Runs `body` on so many threads at once.
fn on_threads(threads: usize, body: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        (1..threads).for_each(|i| {
            let body = &body;
            scope.spawn(move || body(i));
        });
        body(0);
    });
}

/// f32 operations a nanosecond (a fused multiply-add is two) on so many threads, with the processor's widest vectors.
pub(crate) fn peak(threads: usize, seconds: f64) -> f64 {
    const ROUNDS: usize = 200_000;
    let (chains, lanes) = chains();
    let ns = best_ns(seconds * 0.1, || on_threads(threads, |_| chains(ROUNDS)));
    (threads * ROUNDS * CHAINS * lanes * 2) as f64 / ns
}

/// Enough chains of multiply-adds that don't wait for each other to keep the units busy.
const CHAINS: usize = 12;

/// What runs so many rounds of the chains, and how many lanes each has.
fn chains() -> (fn(usize), usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::*;
        // Written with the instructions' own names: what a compiler makes of loops isn't the machine's limit.
        macro_rules! chains {
            ($name:ident, $features:literal, $splat:ident, $fma:ident) => {
                #[target_feature(enable = $features)]
                fn $name(rounds: usize) {
                    let (factor, term) = ($splat(black_box(0.999_9)), $splat(black_box(0.000_1)));
                    let mut sums = [$splat(1.0); CHAINS];
                    for _ in 0..rounds {
                        sums = sums.map(|sum| $fma(sum, factor, term));
                    }
                    black_box(sums);
                }
            };
        }
        chains!(avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps);
        chains!(avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps);
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature, as was just checked.
            return (|rounds| unsafe { avx512(rounds) }, 16);
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features, as was just checked.
            return (|rounds| unsafe { avx2(rounds) }, 8);
        }
    }
    const LANES: usize = 8;
    fn plain(rounds: usize) {
        let (factor, term) = black_box((0.999_9f32, 0.000_1f32));
        let mut sums = [[1.0f32; LANES]; CHAINS];
        for _ in 0..rounds {
            sums = sums.map(|sum| sum.map(|x| x * factor + term));
        }
        black_box(sums);
    }
    (plain, LANES)
}

/// Bytes a nanosecond of `a ← b + s·c` over slices that no cache holds.
pub(crate) fn bandwidth(threads: usize, seconds: f64) -> f64 {
    const LENGTH: usize = 16 << 20;
    let part = LENGTH / threads;
    let (b, c) = (vec![1.0f32; LENGTH], vec![2.0f32; LENGTH]);
    let mut a = vec![0.0f32; LENGTH];
    let ns = best_ns(seconds * 0.2, || {
        std::thread::scope(|scope| {
            for (i, a) in a.chunks_mut(part).enumerate() {
                let (b, c) = (&b[i * part..], &c[i * part..]);
                scope.spawn(move || {
                    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                        *a = b + 3.0 * c;
                    }
                });
            }
        });
    });
    black_box(&a);
    (3 * 4 * LENGTH) as f64 / ns
}

/// (x+y)·z and its three gradients.
pub(crate) fn scalar_graph() {
    let (x, y, z) = black_box((-2.0f32, 5.0f32, -4.0f32));
    let q = x + y;
    black_box((q * z, z, z, q));
}

/// A neuron with its sigmoid and its five gradients.
pub(crate) fn sigmoid_neuron() {
    let [w0, x0, w1, x1, w2] = black_box([2.0f32, -1.0, -3.0, -2.0, -3.0]);
    let y = 1.0 / (1.0 + (-(w0 * x0 + w1 * x1 + w2)).exp());
    let g = y * (1.0 - y);
    black_box((y, [g * x0, g * w0, g * x1, g * w1, g]));
}

/// The chain of 100,000 gates, every value kept as the graph keeps it, and its gradient.
pub(crate) fn scalar_chain() {
    let mut values = Vec::with_capacity(100_001);
    let mut y = black_box(0.5f32);
    values.push(y);
    for _ in 0..50_000 {
        y *= 1.0001;
        values.push(y);
        y += 0.0001;
        values.push(y);
    }
    let mut gradient = black_box(1.0f32);
    for _ in 0..50_000 {
        gradient *= 1.0001;
    }
    black_box((values, gradient));
}
