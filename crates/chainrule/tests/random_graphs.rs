//! Random graphs of up to 50 gates out of all that there are: backward against forward mode and against differences.
//!
//! The laws check each gate by itself; here gates meet each other, with random shapes. The same seed makes the same
//! graph. A graph that fails is shrunk, and printed with its seed. `CHAINRULE_GRAPHS` sets another number of graphs.
#![allow(clippy::unwrap_used)]

#[path = "random_graphs/make.rs"]
mod make;
#[path = "random_graphs/program.rs"]
mod program;

use std::collections::BTreeSet;

use chainrule::gate::{
    self, Context, Gate, Gradients, Metas, Needs, Outputs, Sample, Saved, Saves, Tangents,
};
use chainrule::{Array, DType, Formula, Meta, Result, Tensor};

use make::{Kind, kinds, random};
use program::{Program, fault, shrunk};

/// The most gates of a graph.
const GATES: usize = 50;

/// What stands in a report of a failed seed.
fn report(seed: u64, program: &Program, what: &str) -> String {
    let (small, why) = shrunk(program);
    format!(
        "seed {seed}: {what}\nthe graph:\n{program}\nshrunk to {} gates: {why}\n{small}",
        small.steps.len()
    )
}

#[test]
fn backward_forward_mode_and_differences_agree_on_random_graphs() {
    let kinds = kinds(gate::table().flat_map(|entry| (entry.samples)().into_iter().map(|s| (entry.name, s))));
    let mut used = BTreeSet::new();
    let mut sizes = BTreeSet::new();
    let mut faults = Vec::new();
    let seeds = std::env::var("CHAINRULE_GRAPHS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    for seed in 0..seeds {
        let program = random(seed, &kinds, 1 + seed as usize % GATES);
        used.extend(program.steps.iter().map(|step| step.name));
        sizes.insert(program.steps.len());
        if let Some(what) = fault(&program) {
            faults.push(report(seed, &program, &what));
        }
    }
    assert!(faults.is_empty(), "{} graphs fail:\n{}", faults.len(), faults.join("\n\n"));
    let all: BTreeSet<&str> = kinds.iter().map(|kind| kind.name).collect();
    let missing: Vec<_> = all.difference(&used).collect();
    assert!(missing.is_empty(), "no graph has one of these gates: {missing:?}");
    assert!(sizes.iter().any(|&size| size >= 45), "the graphs are too small: {sizes:?}");
    // Gates without a gradient anywhere, and those that only work on f32, aren't among the kinds.
    let absent: Vec<_> = gate::table().map(|entry| entry.name).filter(|name| !all.contains(name)).collect();
    println!("{} gates took part; without a smooth sample in f64: {absent:?}", all.len());
    assert!(absent.len() * 4 < all.len(), "too many gates take no part: {absent:?}");
}

chainrule::gates! {
    /// A gate whose author forgot a factor: `y = x³`.
    WrongCube(x) -> y as "wrong_cube" {
        value: x * x * x;
        local: [2.0 * x * x];
        samples: vec![Sample::new(WrongCube, [Array::literal_of([0.5, -1.2], DType::F64).unwrap()])];
    }
}

/// `y = 2x`, right backward and wrong forward.
#[derive(Debug)]
struct WrongTangent;

impl Gate for WrongTangent {
    fn name(&self) -> &'static str {
        "WrongTangent"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let doubled = inputs[0].to_f64_vec().iter().map(|x| 2.0 * x).collect();
        Ok([Array::from_vec::<f64>(doubled, *inputs[0].shape())?].into())
    }
    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::NONE
    }
    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
        upstream.iter().map(|g| g.as_ref().map(|g| g.mul(2.0)).transpose()).collect()
    }
    fn tangent(&self, _: &[Tensor], _: &[Tensor], tangents: &[Option<Tensor>]) -> Option<Result<Tangents>> {
        Some(tangents.iter().map(|t| t.as_ref().map(|t| t.mul(3.0)).transpose()).collect())
    }
    fn formula(&self) -> Formula {
        Formula::rule("y = 2x", ["∂L/∂x = 2g"])
    }
}

#[test]
fn a_planted_wrong_gate_is_found_and_shrunk_to() {
    let sample = Sample::new(WrongTangent, [Array::literal_of([0.5, -1.2], DType::F64).unwrap()]);
    let planted = [(WrongCube::ENTRY.name, (WrongCube::ENTRY.samples)().remove(0)), ("WrongTangent", sample)];
    for (name, sample) in planted {
        let all = gate::table().flat_map(|entry| (entry.samples)().into_iter().map(|s| (entry.name, s)));
        let mut kinds: Vec<Kind> = kinds(all.chain([(name, sample)]));
        // Planted in twenty places, so that a few seeds are enough.
        let wrong = kinds.pop().unwrap();
        for place in 0..20 {
            kinds.insert(place * kinds.len() / 20, wrong.clone());
        }
        let found = (0..20).find_map(|seed| {
            let program = random(seed, &kinds, GATES);
            fault(&program).map(|what| (seed, program, what))
        });
        let (seed, program, what) = found.unwrap_or_else(|| panic!("{name} was not found"));
        let (small, _) = shrunk(&program);
        let text = report(seed, &program, &what);
        assert!(small.steps.len() <= 3, "{text}");
        assert!(small.steps.iter().any(|step| step.name == name), "{text}");
        assert!(text.contains(&format!("seed {seed}")) && text.contains(&format!("= {name}")), "{text}");
    }
}

#[test]
fn the_same_seed_makes_the_same_graph() {
    let kinds = kinds(gate::table().flat_map(|entry| (entry.samples)().into_iter().map(|s| (entry.name, s))));
    for seed in [3, 49] {
        assert_eq!(random(seed, &kinds, 30).to_string(), random(seed, &kinds, 30).to_string());
    }
    assert_ne!(random(1, &kinds, 30).to_string(), random(2, &kinds, 30).to_string());
}
