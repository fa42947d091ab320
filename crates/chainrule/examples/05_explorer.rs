//! The explorer's page of a graph of 100,000 gates, in which a gradient vanishes: xₜ₊₁ = tanh(w·xₜ + b).
//!
//! Every step halves it at least, so that it ends at 0 and not at the smallest number that a float has.
//!
//! An argument names the page's file; otherwise it goes into the folder for temporary files.

use chainrule::{ComputationalGraph, Result, param};

fn main() -> Result<()> {
    let (start, w, b) = (param([0.1, 0.5, -0.3]), param([0.4, 0.3, -0.45]), param([0.1, 0.0, -0.2]));
    let mut x = start.clone();
    for _ in 0..33_333 {
        x = x.mul(&w)?.add(&b)?.tanh()?;
    }
    let loss = x.sum()?;

    let path = std::env::args()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("chainrule-recurrence.html"), Into::into);
    let names = [("start", start), ("w", w), ("b", b)].map(|(name, tensor)| (name.to_string(), tensor));
    let mut graph = ComputationalGraph::capture_named(&names, &loss)?;
    graph.forward(&[])?;
    graph.backward()?;
    let page = graph.explorer()?.profile(&graph.profile(&[], 1)?);
    page.title("xₜ₊₁ = tanh(w·xₜ + b), 33,333 times").save(&path)?;
    println!("open {} in a browser", path.display());
    Ok(())
}
