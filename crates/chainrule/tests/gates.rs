//! The laws, applied to every gate and every sample by one loop.

#![allow(clippy::unwrap_used)]

use chainrule::check::laws;
use chainrule::gate;

#[test]
fn every_gate_obeys_the_laws() {
    let breaches: Vec<String> = gate::table().flat_map(laws::check).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn every_gate_has_samples() {
    for entry in gate::table() {
        let samples = (entry.samples)();
        assert!(samples.iter().any(|sample| sample.refused.is_none()), "{} has no sample", entry.name);
    }
}

chainrule::gates! {
    /// A gate whose author forgot a factor: `y = x³`.
    WrongCube(x) -> y as "wrong_cube" {
        value: x * x * x;
        local: [2.0 * x * x];
        samples: vec![gate::Sample::new(
            WrongCube,
            [chainrule::Array::literal_of([0.5, -1.2], chainrule::DType::F64).unwrap()],
        )];
    }
}

#[test]
fn a_wrong_gate_breaks_the_laws() {
    let breaches = laws::check(&WrongCube::ENTRY);
    assert!(breaches.iter().any(|b| b.contains("laws 1 and 3") && b.contains("WrongCube")), "{breaches:?}");
}
