//! chainrule's side of the speed comparison: `compare [WORK …]` prints a JSON line a workload.
//!
//! `ns` is the median time of one step over about three seconds, `min_ns` the best sample, `peak_mib` the
//! process's largest memory so far (so a process a workload gives clean figures), `limit_ns` what one step would
//! take at the machine's limit. `CHAINRULE_THREADS` sets the number of threads, `BENCH_SECONDS` how long to
//! measure; `CHAINRULE_STEPS` runs so many steps and times nothing, for profilers.
//!
//! `--list` prints the workloads, `--limits` the machine's limits, `--first-gradient` the first gradient only.

mod limits;
mod work;

use std::time::{Duration, Instant};

use chainrule::{Result, param};

fn main() -> Result<()> {
    if let Some(threads) = number("CHAINRULE_THREADS") {
        chainrule::set_num_threads(threads as usize);
    }
    let seconds = number("BENCH_SECONDS").unwrap_or(3.0);
    let asked: Vec<String> = std::env::args().skip(1).collect();
    match asked.first().map(String::as_str) {
        Some("--list") => {
            work::ALL.iter().for_each(|work| println!("{}", work.name));
            return Ok(());
        }
        Some("--limits") => {
            print_limits(seconds);
            return Ok(());
        }
        Some("--first-gradient") => return first_gradient(),
        _ => {}
    }
    if let Some(unknown) = asked.iter().find(|name| work::ALL.iter().all(|work| work.name != **name)) {
        eprintln!("there is no workload {unknown}");
        std::process::exit(2);
    }
    for work in work::ALL.iter().filter(|work| asked.is_empty() || asked.iter().any(|name| name == work.name))
    {
        let mut step = (work.make)()?;
        if let Some(steps) = number("CHAINRULE_STEPS") {
            (0..steps as usize).try_for_each(|_| step())?;
            continue;
        }
        let (median, best) = timed(step, seconds)?;
        let peak = peak_mib();
        let limit = (work.limit)().of_step(seconds);
        let line = serde_json::json!({
            "work": work.name,
            "peer": concat!("chainrule-", env!("CARGO_PKG_VERSION")),
            "threads": chainrule::num_threads(),
            "ns": median,
            "min_ns": best,
            "peak_mib": peak,
            "limit": limit.map(|(name, _)| name),
            "limit_ns": limit.map(|(_, ns)| ns),
        });
        println!("{line}");
    }
    Ok(())
}

fn print_limits(seconds: f64) {
    let threads = chainrule::num_threads();
    for (limit, unit, rate) in [
        ("of fused multiply-adds in f32", "GFLOP/s", limits::peak(threads, seconds)),
        ("from and to memory", "GB/s", limits::bandwidth(threads, seconds)),
    ] {
        println!(
            "{}",
            serde_json::json!({ "limit": limit, "unit": unit, "threads": threads, "per_ns": rate })
        );
    }
}

/// What a program does that computes one gradient and ends.
fn first_gradient() -> Result<()> {
    let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    ((&x + &y) * &z).backward()?;
    println!("{:?}", x.grad());
    Ok(())
}

fn number(variable: &str) -> Option<f64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Median and minimum of one step in nanoseconds, by samples of about 20 ms.
fn timed(mut step: work::Step, seconds: f64) -> Result<(u64, u64)> {
    for _ in 0..3 {
        step()?;
    }
    let start = Instant::now();
    step()?;
    let inner = (20_000_000 / start.elapsed().as_nanos().max(1)).max(1) as u32;
    let mut samples = Vec::new();
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end || samples.len() < 5 {
        let start = Instant::now();
        for _ in 0..inner {
            step()?;
        }
        samples.push((start.elapsed() / inner).as_nanos() as u64);
    }
    samples.sort_unstable();
    Ok((samples[samples.len() / 2], samples[0]))
}

/// The most memory this process has held, in MiB, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib / 1024)
}
