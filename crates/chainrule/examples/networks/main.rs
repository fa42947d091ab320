//! Whole networks against golden values from PyTorch: `cargo run --release --example networks -- FILE`.
//!
//! Without a file, the small one of the repository is checked.

mod golden;

fn main() -> chainrule::Result<()> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/networks.safetensors").to_string();
    let path = std::env::args().nth(1).unwrap_or(own);
    let verdicts = golden::check(&path)?;
    for verdict in &verdicts {
        let says = if verdict.agrees() { "agrees" } else { "DISAGREES" };
        println!(
            "{:<20} {says}: the largest error is {:.1e} of a tensor's largest element, in {} (allowed {:.0e})",
            verdict.network, verdict.worst, verdict.tensor, verdict.limit
        );
    }
    let agreeing = verdicts.iter().filter(|verdict| verdict.agrees()).count();
    println!("networks: {agreeing} of {} agree", verdicts.len());
    std::process::exit(i32::from(agreeing != verdicts.len()));
}
