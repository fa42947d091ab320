//! How cost grows: time and memory of one step against depth, width, batch and threads, as a Markdown table with
//! the measured exponents beside the expected ones. Every point is measured in a process of its own.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use chainrule::models::Mlp;
use chainrule::nn::{Activation, Module};
use chainrule::{ComputationalGraph, Generator, Result, Tensor, param};

/// One step of what is measured.
type Step = Box<dyn FnMut() -> Result<()>>;

/// A quantity that grows, and how the cost of a step should grow with it.
struct Series {
    name: &'static str,
    what: &'static str,
    sizes: &'static [usize],
    step: fn(usize) -> Result<Step>,
    /// Expected exponents of time and memory; `None` where memory says nothing.
    expected: (f64, Option<f64>),
}

const SERIES: &[Series] = &[
    Series {
        name: "depth",
        what: "scalar gates in a chain, recorded and run backward",
        sizes: &[100, 1_000, 10_000, 100_000, 1_000_000],
        step: depth,
        expected: (1.0, Some(1.0)),
    },
    Series {
        name: "depth, replayed",
        what: "the same as a replayed graph",
        sizes: &[100, 1_000, 10_000, 100_000, 1_000_000],
        step: replayed_depth,
        expected: (1.0, Some(1.0)),
    },
    Series {
        name: "leaves",
        what: "scalar parameters that are added up",
        sizes: &[100, 1_000, 10_000, 100_000],
        step: leaves,
        expected: (1.0, Some(1.0)),
    },
    Series {
        name: "width",
        what: "units of each of three layers, batch 64",
        sizes: &[128, 256, 512, 1024, 2048],
        step: width,
        expected: (2.0, Some(2.0)),
    },
    Series {
        name: "batch",
        what: "rows through layers of 256 units",
        sizes: &[64, 256, 1024, 4096],
        step: batch,
        expected: (1.0, Some(1.0)),
    },
    Series {
        name: "threads",
        what: "on a training step of width 1024 and batch 256",
        sizes: &[1, 2, 4, 8],
        step: threads,
        expected: (-1.0, None),
    },
];

fn chain(x: &Tensor, gates: usize) -> Tensor {
    let mut y = x.clone();
    for _ in 0..gates / 2 {
        y = &y * 1.0001;
        y = &y + 0.0001;
    }
    y
}

fn depth(gates: usize) -> Result<Step> {
    let x = param(0.5);
    Ok(Box::new(move || {
        x.zero_grad();
        chain(&x, gates).backward()
    }))
}

fn replayed_depth(gates: usize) -> Result<Step> {
    let x = param(0.5);
    let mut replay = ComputationalGraph::record(|| Ok(chain(&x, gates)))?.replay(&[])?;
    Ok(Box::new(move || {
        x.zero_grad();
        replay.forward()?;
        replay.backward()
    }))
}

fn leaves(count: usize) -> Result<Step> {
    let leaves: Vec<Tensor> = (0..count).map(|i| param(i as f64)).collect();
    Ok(Box::new(move || {
        leaves.iter().for_each(Tensor::zero_grad);
        let sum = leaves.iter().skip(1).fold(leaves[0].clone(), |sum, x| &sum + x);
        sum.backward()
    }))
}

fn training(sizes: &[usize], batch: usize) -> Result<Step> {
    let net = Mlp::build(sizes, Activation::Relu, &mut Generator::new(0))?;
    let x = Tensor::randn([batch, sizes[0]]);
    let labels = Tensor::randint(0, sizes[sizes.len() - 1] as i64, [batch])?;
    Ok(Box::new(move || {
        net.parameters().iter().for_each(Tensor::zero_grad);
        net.forward(&x)?.cross_entropy(&labels)?.backward()
    }))
}

fn width(units: usize) -> Result<Step> {
    training(&[units, units, units, 10], 64)
}

fn batch(rows: usize) -> Result<Step> {
    training(&[256, 256, 256, 10], rows)
}

fn threads(threads: usize) -> Result<Step> {
    chainrule::set_num_threads(threads);
    training(&[1024, 1024, 1024, 10], 256)
}

/// The least time of a step in nanoseconds, over half a second.
fn best(mut step: Step) -> Result<u64> {
    let (mut best, mut runs) = (u64::MAX, 0);
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end || runs < 3 {
        let start = Instant::now();
        step()?;
        best = best.min(start.elapsed().as_nanos() as u64);
        runs += 1;
    }
    Ok(best)
}

/// The most memory this process has held, in KiB.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The slope of ln y over ln x.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    covariance / logs.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}

/// Time and peak memory of a point, measured in another process.
fn measured(series: usize, size: usize) -> Option<(f64, f64)> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args([series.to_string(), size.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn main() -> ExitCode {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if let [series, size] = arguments[..] {
        return match (SERIES[series].step)(size).and_then(best) {
            Ok(ns) => {
                println!("{ns} {}", peak_kib().unwrap_or_default());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!("| against | size | time of a step | memory of the process | exponent of time | of memory |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for (i, series) in SERIES.iter().enumerate() {
        let sizes = series.sizes.iter().filter(|&&size| series.name != "threads" || size <= processors);
        let points: Vec<(f64, f64, f64)> =
            sizes.filter_map(|&size| measured(i, size).map(|(ns, kib)| (size as f64, ns, kib))).collect();
        for (place, (size, ns, kib)) in points.iter().enumerate() {
            let (mut time, mut memory) = (String::new(), String::new());
            if place + 1 == points.len() && points.len() > 1 {
                let times: Vec<(f64, f64)> = points.iter().map(|p| (p.0, p.1)).collect();
                time = format!("{:.2} (expected {})", exponent(&times), series.expected.0);
                // What the process takes at the smallest size is there without any graph.
                let grown: Vec<(f64, f64)> = points
                    .iter()
                    .filter(|p| p.2 > 2.0 * points[0].2)
                    .map(|p| (p.0, p.2 - points[0].2))
                    .collect();
                if let (Some(expected), true) = (series.expected.1, grown.len() > 1) {
                    memory = format!("{:.2} (expected {expected})", exponent(&grown));
                }
            }
            let name = if place == 0 { format!("{}: {}", series.name, series.what) } else { String::new() };
            let (ms, mib) = (ns / 1e6, kib / 1024.0);
            println!("| {name} | {size} | {ms:.4} ms | {mib:.1} MiB | {time} | {memory} |");
        }
    }
    ExitCode::SUCCESS
}
