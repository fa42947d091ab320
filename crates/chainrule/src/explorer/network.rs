//! A network's page: what is known of each gate and value, as columns of numbers, packed.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use flate2::{Compression, write::ZlibEncoder};
use serde::Serialize;
use serde_json::{Value, json as value};

use super::numbers;
use super::statistics::Statistics;
use crate::array::{Array, Meta};
use crate::check::{GateCheck, GateFault};
use crate::error::{Error, Result};
use crate::gate::Needs;
use crate::graph::{ComputationalGraph, Source, ValueId};
use crate::profile::{Profile, Work};

/// Each distinct item once, in order of first appearance.
#[derive(Debug, Clone)]
struct Distinct<T> {
    places: HashMap<T, usize>,
    count: usize,
}

impl<T: std::hash::Hash + Eq> Distinct<T> {
    fn new() -> Distinct<T> {
        Distinct { places: HashMap::new(), count: 0 }
    }

    /// The item's place, and whether it is new.
    fn place(&mut self, item: T) -> (usize, bool) {
        let next = self.count;
        let place = *self.places.entry(item).or_insert(next);
        self.count = self.count.max(place + 1);
        (place, place == next)
    }
}

#[derive(Debug, Clone, Serialize)]
struct Shape {
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: usize,
}

/// Columns over the values.
#[derive(Debug, Clone, Default, Serialize)]
struct Values {
    /// Place of the shape.
    shape: Vec<usize>,
    /// Whether a gradient is wanted through it.
    needs: Vec<u8>,
    value: Vec<Statistics>,
    gradient: Vec<Option<Statistics>>,
}

/// Columns over the gates, which stand in topological order.
#[derive(Debug, Clone, Default, Serialize)]
struct Gates {
    /// Place of the formula.
    formula: Vec<usize>,
    /// How far before the gate's first output each input stands among the values: small numbers pack well.
    inputs: Vec<Vec<i64>>,
    /// The first output, and how many there are.
    output: Vec<usize>,
    outputs: Vec<usize>,
    /// Multiply-adds of one forward run.
    cost: Vec<u64>,
    /// The inputs kept for the backward pass, by their place in the gate; outputs follow the inputs.
    saves: Vec<Vec<usize>>,
    /// Place of the source line, or −1.
    place: Vec<i64>,
    /// Place of the module that ran it, or −1; empty where no modules were recorded.
    module: Vec<i64>,
}

/// A module that ran gates.
#[derive(Debug, Clone, Serialize)]
struct ModuleData {
    name: String,
    /// As PyTorch prints it.
    layer: String,
}

/// What the gates cost, as columns over them; times are in nanoseconds.
#[derive(Debug, Clone, Serialize)]
struct Costs {
    runs: usize,
    forward: Vec<u64>,
    backward: Vec<u64>,
    /// Multiply-adds of the backward pass.
    backward_cost: Vec<u64>,
    /// Bytes read and written, forward and backward together.
    moved: Vec<u64>,
    /// Bytes that the gate keeps for its backward pass and no earlier one does.
    kept: Vec<u64>,
}

/// What a gate's numerical check found.
#[derive(Debug, Clone, Serialize)]
struct Check {
    gate: usize,
    compared: usize,
    kinks: usize,
    relative: Value,
    faults: Vec<String>,
}

/// All that a network's page shows.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Network {
    formulas: Vec<Value>,
    shapes: Vec<Shape>,
    places: Vec<String>,
    modules: Vec<ModuleData>,
    /// Names of inputs, and of constants that have one, by their place among the values.
    inputs: Vec<(usize, String)>,
    constants: Vec<usize>,
    values: Values,
    gates: Gates,
    /// Parameters that no gate reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unused: Vec<String>,
    output: usize,
    backward: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    costs: Option<Costs>,
    checks: Vec<Check>,
}

impl Network {
    /// Everything of the last run.
    pub(super) fn of(graph: &ComputationalGraph) -> Result<Network> {
        let run = graph
            .run
            .as_ref()
            .ok_or_else(|| Error::autograd("there is nothing to explore before forward ran"))?;
        let mut network = Network {
            formulas: Vec::new(),
            shapes: Vec::new(),
            places: Vec::new(),
            modules: Vec::new(),
            inputs: Vec::new(),
            constants: Vec::new(),
            values: Values::default(),
            gates: Gates::default(),
            unused: graph.unused.clone(),
            output: graph.output.map_or(0, |id| id.place()),
            backward: run.gradients.is_some(),
            costs: None,
            checks: Vec::new(),
        };
        let mut shapes: Distinct<Meta> = Distinct::new();
        for (place, (source, tensor)) in graph.values.iter().zip(&run.tensors).enumerate() {
            match source {
                Source::Input { name, .. } => network.inputs.push((place, name.clone())),
                Source::Constant(_) => {
                    network.constants.push(place);
                    let name = graph.constant_names.get(&place);
                    network.inputs.extend(name.map(|name| (place, name.clone())));
                }
                Source::Gate(_) => {}
            }
            let array = tensor.array();
            let (shape, new) = shapes.place(array.meta());
            if new {
                network.shapes.push(Shape {
                    dtype: array.dtype().name(),
                    shape: array.shape().to_vec(),
                    bytes: array.bytes(),
                });
            }
            network.values.shape.push(shape);
            network.values.needs.push(u8::from(tensor.requires_grad()));
            network.values.value.push(Statistics::of(&array));
            let gradient: Option<&Array> = run.gradients.as_ref().and_then(|all| all[place].as_ref());
            network.values.gradient.push(gradient.map(Statistics::of));
        }
        network.add_gates(graph);
        Ok(network)
    }

    fn add_gates(&mut self, graph: &ComputationalGraph) {
        let mut formulas: Distinct<String> = Distinct::new();
        let mut places: Distinct<String> = Distinct::new();
        let mut modules: Distinct<String> = Distinct::new();
        let tensors = graph.run.as_ref().map_or(&[][..], |run| &run.tensors);
        for step in &graph.steps {
            let arrays =
                |ids: &[ValueId]| ids.iter().map(|id| tensors[id.place()].array()).collect::<Vec<_>>();
            let work = Work::of_gate(&*step.gate, &arrays(&step.inputs), &arrays(&step.outputs));
            // Gates of one kind with the same settings share a formula.
            let (formula, new) = formulas.place(format!("{:?}", &*step.gate));
            if new {
                let mut formula = value!(step.gate.formula());
                formula["gate"] = step.gate.name().into();
                self.formulas.push(formula);
            }
            let first = step.outputs[0].place();
            let wants = |id: &ValueId| !step.frozen && tensors[id.place()].requires_grad();
            let needs = Needs::new(step.inputs.iter().map(wants));
            let saves = step.gate.saves(&needs);
            let kept_inputs = (0..step.inputs.len()).filter(|&i| saves.has_input(i));
            let kept_outputs =
                (0..step.outputs.len()).filter(|&i| saves.has_output(i)).map(|i| step.inputs.len() + i);
            let gates = &mut self.gates;
            gates.formula.push(formula);
            gates.inputs.push(step.inputs.iter().map(|id| first as i64 - id.place() as i64).collect());
            gates.output.push(first);
            gates.outputs.push(step.outputs.len());
            gates.cost.push(work.multiply_adds);
            gates.saves.push(if needs.any() { kept_inputs.chain(kept_outputs).collect() } else { vec![] });
            if !graph.scopes.is_empty() {
                gates.module.push(match step.scope {
                    None => -1,
                    Some(scope) => {
                        let (place, new) = modules.place(graph.module_of(scope));
                        if new {
                            let (name, layer) = (graph.module_of(scope), graph.scopes[scope].layer.clone());
                            self.modules.push(ModuleData { name, layer });
                        }
                        place as i64
                    }
                });
            }
            gates.place.push(match step.location {
                None => -1,
                Some(at) => {
                    let text = format!("{}:{}", at.file(), at.line());
                    let (place, new) = places.place(text.clone());
                    if new {
                        self.places.push(text);
                    }
                    place as i64
                }
            });
        }
    }

    /// Adds what the gates cost, where the profile is of as many gates.
    pub(super) fn set_profile(&mut self, profile: &Profile) {
        if profile.gates.len() != self.gates() {
            return;
        }
        // Three digits are more than a measured time has.
        let nanoseconds = |time: Duration| {
            let exact = time.as_nanos() as u64;
            let unit = 10u64.pow(exact.checked_ilog10().unwrap_or(0).saturating_sub(2));
            (exact + unit / 2) / unit * unit
        };
        let all = &profile.gates;
        self.costs = Some(Costs {
            runs: profile.runs,
            forward: all.iter().map(|gate| nanoseconds(gate.forward)).collect(),
            backward: all.iter().map(|gate| nanoseconds(gate.backward)).collect(),
            backward_cost: all.iter().map(|gate| gate.backward_work.multiply_adds).collect(),
            moved: all
                .iter()
                .map(|gate| gate.forward_work + gate.backward_work)
                .map(|work| work.bytes_read + work.bytes_written)
                .collect(),
            kept: all.iter().map(|gate| gate.kept).collect(),
        });
    }

    /// Adds what the gates' numerical checks found.
    pub(super) fn set_checks(&mut self, checks: &[GateCheck]) {
        let of = |check: &GateCheck| Check {
            gate: check.place,
            compared: check.compared,
            kinks: check.kinks,
            relative: numbers::rounded(check.relative),
            faults: check.faults.iter().map(GateFault::to_string).collect(),
        };
        self.checks = checks.iter().filter(|check| check.place < self.gates()).map(of).collect();
    }

    /// How many gates there are.
    pub(super) fn gates(&self) -> usize {
        self.gates.formula.len()
    }

    /// The data, compressed, in base64.
    pub(super) fn packed(&self) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let json = serde_json::to_vec(self).expect("the page's data has a JSON form");
        encoder.write_all(&json).expect("a vector takes all bytes");
        base64(&encoder.finish().expect("a vector takes all bytes"))
    }
}

/// Bytes as text: six bits a letter.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_to_four_letters() {
        let texts = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn a_page_knows_where_gradients_end() {
        let x = crate::param(vec![1.0; 40]);
        let mut graph = ComputationalGraph::record(|| {
            let scale = crate::no_grad(|| x.exp())?;
            x.mul(&x.detach())?.mul(&scale)?.sum()
        })
        .unwrap();
        graph.forward(&[]).unwrap();
        graph.backward().unwrap();
        let network = Network::of(&graph).unwrap();
        let gates: Vec<&str> = graph.steps.iter().map(|step| step.gate.name()).collect();
        assert_eq!(gates, ["Exp", "Detach", "Mul", "Mul", "Sum"]);
        let needs: Vec<u8> =
            network.gates.output.iter().map(|&output| network.values.needs[output]).collect();
        assert_eq!(needs, [0, 0, 1, 1, 1]);
        // What no gradient goes through keeps nothing, and has no gradient.
        assert_eq!(network.gates.saves[0], Vec::<usize>::new());
        assert!(network.values.gradient[network.gates.output[0]].is_none());
    }

    #[test]
    fn distinct_items_are_counted_once() {
        let mut all = Distinct::new();
        let places = ["a", "b", "a", "c"].map(|x| all.place(x));
        assert_eq!(places, [(0, true), (1, true), (0, false), (2, true)]);
    }
}
