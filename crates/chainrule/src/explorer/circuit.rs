//! A small graph's page: every number, and every gate's formula as a tree.

use serde::Serialize;
use serde_json::{Value, json as value};

use super::numbers::Numbers;
use crate::error::{Error, Result};
use crate::formula::Formula;
use crate::graph::{ComputationalGraph, GateReport, Local, Source, ValueId};

/// All that a circuit's page shows.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Circuit {
    values: Vec<ValueData>,
    gates: Vec<GateData>,
    rules: Vec<Value>,
    /// Names of parameters that no gate reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unused: Vec<String>,
    output: usize,
}

/// An input, a constant or a gate's output.
#[derive(Debug, Clone, Serialize)]
struct ValueData {
    name: String,
    kind: &'static str,
    shape: Vec<usize>,
    dtype: &'static str,
    /// Whether a gradient is wanted through it.
    needs: bool,
    value: Numbers,
    gradient: Option<Numbers>,
}

/// A gate; inputs and outputs are places among the values.
#[derive(Debug, Clone, Serialize)]
struct GateData {
    name: String,
    rule: usize,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    local: Vec<Option<Numbers>>,
    passed: Vec<Option<Numbers>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl Circuit {
    /// Everything of the last run.
    pub(super) fn of(graph: &ComputationalGraph) -> Result<Circuit> {
        let values = values_of(graph)?;
        let output = graph.output.map_or(0, |id| id.place());
        let unused = graph.unused.clone();
        let mut circuit = Circuit { values, gates: Vec::new(), rules: Vec::new(), unused, output };
        for (report, step) in graph.gates()?.iter().zip(&graph.steps) {
            let rule = circuit.rule(&report.name, &report.formula);
            circuit.gates.push(GateData {
                name: report.name.clone(),
                rule,
                inputs: step.inputs.iter().map(|id| id.place()).collect(),
                outputs: step.outputs.iter().map(|id| id.place()).collect(),
                local: locals(report),
                passed: report.inputs.iter().map(|input| input.passed.as_ref().map(Numbers::of)).collect(),
                at: report.location.clone(),
            });
        }
        Ok(circuit)
    }

    /// How many gates there are.
    pub(super) fn gates(&self) -> usize {
        self.gates.len()
    }

    /// The place of a gate's rule in the list; gates of the same kind share one.
    fn rule(&mut self, gate: &str, formula: &Formula) -> usize {
        let rule = match formula {
            Formula::Elementwise { inputs, value, local } => value!({
                "gate": gate,
                "inputs": inputs,
                "value": value,
                "local": local,
            }),
            Formula::Rule { value, gradients } => {
                value!({ "gate": gate, "text": value, "gradients": gradients })
            }
        };
        match self.rules.iter().position(|known| *known == rule) {
            Some(place) => place,
            None => {
                self.rules.push(rule);
                self.rules.len() - 1
            }
        }
    }
}

fn values_of(graph: &ComputationalGraph) -> Result<Vec<ValueData>> {
    let run = graph
        .run
        .as_ref()
        .ok_or_else(|| Error::autograd("there is nothing to explore before forward ran"))?;
    let all = graph.values.iter().zip(&run.tensors).enumerate();
    Ok(all
        .map(|(place, (source, tensor))| {
            let array = tensor.array();
            let gradient = run.gradients.as_ref().and_then(|all| all[place].as_ref());
            ValueData {
                name: graph.name_of(ValueId::new(place)),
                kind: match source {
                    Source::Input { .. } => "input",
                    Source::Constant(_) => "constant",
                    Source::Gate(_) => "gate",
                },
                shape: array.shape().to_vec(),
                dtype: array.dtype().name(),
                needs: tensor.requires_grad(),
                gradient: gradient.map(Numbers::of),
                value: Numbers::of(&array),
            }
        })
        .collect())
}

/// The local gradients of an elementwise gate that have the output's shape.
fn locals(gate: &GateReport) -> Vec<Option<Numbers>> {
    let of = |local: &Local| match local {
        Local::Values(array) if array.shape() == gate.value.shape() => Some(Numbers::of(array)),
        _ => None,
    };
    gate.inputs.iter().map(|input| of(&input.local)).collect()
}
