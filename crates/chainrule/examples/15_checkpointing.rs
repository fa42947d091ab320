//! Activation checkpointing: a deep network's training step in a fraction of the memory, for one more forward pass.
//!
//! Each way runs in a process of its own, which says how much memory it needed at most.

use std::process::Command;
use std::sync::Arc;

use chainrule::nn::{Activation, Dropout, Linear, Module, Sequential, checkpoint_sequential};
use chainrule::{Error, Generator, Result, Tensor, manual_seed};

const LAYERS: usize = 64;
const WIDTH: usize = 64;
const BATCH: usize = 4096;

fn main() -> Result<()> {
    if let Some(segments) = std::env::args().nth(1) {
        return step(segments.parse().unwrap_or(0));
    }
    let program = std::env::current_exe().map_err(|e| Error::io("the program", &e))?;
    println!("{LAYERS} layers of {WIDTH} units with dropout, a batch of {BATCH}:");
    let mut results = Vec::new();
    for (segments, name) in [(0, "plain"), (8, "8 segments")] {
        let child = Command::new(&program).arg(segments.to_string()).output();
        let child = child.map_err(|e| Error::io(&program, &e))?;
        let text = String::from_utf8_lossy(&child.stdout).trim().to_string();
        let (peak, checksum) = text.split_once(' ').unwrap_or(("?", "?"));
        println!("{name:>12}: {peak:>7} KiB at most, gradients {checksum}");
        results.push((peak.parse::<f64>().unwrap_or(f64::NAN), checksum.to_string()));
    }
    println!("the same bits: {}", results[0].1 == results[1].1);
    println!("{:.1} times less memory", results[0].0 / results[1].0);
    Ok(())
}

/// One training step; prints the most memory that the process had, and a checksum of the gradients' bits.
fn step(segments: usize) -> Result<()> {
    let mut generator = Generator::new(1);
    let net = (0..LAYERS).try_fold(Sequential::new(), |net, _| {
        let layer = Linear::new(WIDTH, WIDTH, &mut generator);
        Ok::<_, Error>(net.push(layer).push(Activation::Tanh).push(Dropout::new(0.1)?))
    })?;
    let net = Arc::new(net);
    manual_seed(2);
    let x = Tensor::randn([BATCH, WIDTH]);
    let y = match segments {
        0 => net.call(&x)?,
        _ => checkpoint_sequential(&net, segments, &x)?,
    };
    y.square()?.mean()?.backward()?;
    let mut checksum = 0u64;
    for parameter in net.parameters() {
        for g in parameter.grad().map_or(Ok(Vec::new()), |g| g.to_vec::<f32>())? {
            checksum = checksum.rotate_left(5) ^ u64::from(g.to_bits());
        }
    }
    println!("{} {checksum:016x}", peak_memory().map_or("?".into(), |kib| kib.to_string()));
    Ok(())
}

/// The most memory that this process had in KiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
