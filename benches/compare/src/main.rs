//! chainrule's side of the speed comparison: `compare [WORK …]` prints a JSON line a workload.
//!
//! `ns` is the median time of one step over about three seconds, `min_ns` the best sample, `peak_mib` the
//! process's largest memory so far (so a process a workload gives clean figures). `CHAINRULE_THREADS` sets the
//! number of threads; `CHAINRULE_STEPS` runs so many steps and times nothing, for profilers.

mod work;

use std::time::{Duration, Instant};

use chainrule::Result;

fn main() -> Result<()> {
    if let Some(threads) = number("CHAINRULE_THREADS") {
        chainrule::set_num_threads(threads);
    }
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for (name, make) in work::ALL {
        if asked.is_empty() || asked.iter().any(|work| work == name) {
            let mut step = make()?;
            if let Some(steps) = number("CHAINRULE_STEPS") {
                (0..steps).try_for_each(|_| step())?;
                continue;
            }
            let (median, best) = timed(step)?;
            let line = serde_json::json!({
                "work": name,
                "peer": concat!("chainrule-", env!("CARGO_PKG_VERSION")),
                "threads": chainrule::num_threads(),
                "ns": median,
                "min_ns": best,
                "peak_mib": peak_mib(),
            });
            println!("{line}");
        }
    }
    if let Some(unknown) = asked.iter().find(|work| work::ALL.iter().all(|(name, _)| name != work)) {
        eprintln!("there is no workload {unknown}");
        std::process::exit(2);
    }
    Ok(())
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Median and minimum of one step in nanoseconds, by samples of about 20 ms over three seconds.
fn timed(mut step: work::Step) -> Result<(u64, u64)> {
    for _ in 0..3 {
        step()?;
    }
    let start = Instant::now();
    step()?;
    let inner = (20_000_000 / start.elapsed().as_nanos().max(1)).max(1) as u32;
    let mut samples = Vec::new();
    let end = Instant::now() + Duration::from_secs(3);
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
