//! Profiles and costs: what is counted from shapes is exact; what is measured hangs together.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use chainrule::explorer::Explorer;
use chainrule::nn::{Module, Summary};
use chainrule::profile::{Energy, Profile, StepCost};
use chainrule::{ComputationalGraph, Generator, Result, Tensor, models, no_grad, param, tensor};

fn lenet() -> (Box<dyn Module>, Tensor) {
    let mut g = Generator::new(0);
    let network = models::by_name("lenet").unwrap().build(10, &mut g).unwrap();
    (network, Tensor::from_array(g.randn([2, 1, 28, 28], chainrule::DType::F32)))
}

fn loss(logits: &Tensor) -> Result<Tensor> {
    models::random_loss(logits, &mut Generator::new(1))
}

fn profile(runs: usize) -> Profile {
    let (network, x) = lenet();
    ComputationalGraph::of_network(&*network, &x, loss).unwrap().profile(&[], runs).unwrap()
}

#[test]
fn work_is_counted_in_one_place() {
    let (network, x) = lenet();
    let summary = Summary::of(&*network, &x).unwrap();
    let graph = ComputationalGraph::of_network(&*network, &x, |y| y.sum()).unwrap();
    let profile = graph.profile(&[], 1).unwrap();
    // The network's gates are all but the sum.
    let (sum, layers) = profile.gates.split_last().unwrap();
    assert_eq!((sum.gate.as_str(), sum.module.as_deref()), ("Sum", None));
    assert_eq!(layers.iter().map(|gate| gate.forward_work.multiply_adds).sum::<u64>(), summary.multiply_adds);
    assert_eq!(
        layers.iter().map(|gate| gate.forward_work.bytes_written as usize).sum::<usize>(),
        summary.forward_bytes
    );
}

#[test]
fn each_gate_has_its_module_work_and_memory() {
    let profile = profile(1);
    let conv = &profile.gates[0];
    assert_eq!((conv.name.as_str(), conv.module.as_deref()), ("g1", Some("0")));
    let forward = 2 * 6 * 28 * 28 * 25;
    assert_eq!(conv.forward_work.multiply_adds, forward);
    // No gradient of the image is wanted: the weight's takes as much as the forward pass, the bias's an addition
    // for each element.
    let backward = conv.backward_work.multiply_adds;
    assert!((forward..forward + forward / 10).contains(&backward), "{backward} for {forward}");
    let linear = profile.gates.iter().find(|gate| gate.module.as_deref() == Some("7")).unwrap();
    assert_eq!(linear.forward_work.multiply_adds, 2 * 400 * 120);
    // Here both gradients are wanted.
    assert!(linear.backward_work.multiply_adds >= 2 * 2 * 400 * 120);
    // The activation is kept once, however many gates read it.
    let relu = profile.gates.iter().position(|gate| gate.gate == "Relu").unwrap();
    let kept: u64 = profile.gates[..=relu].iter().map(|gate| gate.kept).sum();
    let activation = 2 * 6 * 28 * 28 * 4;
    assert!((activation..=2 * activation).contains(&kept), "{kept}");
    // A view makes nothing and reads nothing.
    let flatten = profile.gates.iter().find(|gate| gate.module.as_deref() == Some("6")).unwrap();
    assert_eq!((flatten.forward_work.bytes_read, flatten.forward_work.bytes_written), (0, 0));
}

#[test]
fn times_add_up_to_those_of_the_whole_run() {
    let profile = profile(5);
    assert_eq!(profile.runs, 5);
    assert!(profile.gates.iter().all(|gate| gate.forward > Duration::ZERO));
    assert!(profile.gates.iter().all(|gate| gate.backward > Duration::ZERO));
    // Of each run the sums are exact; of medians they are near.
    let one = self::profile(1);
    let sum: Duration = one.gates.iter().map(|gate| gate.forward).sum();
    assert_eq!(sum, one.forward);
    let sum: Duration = one.gates.iter().map(|gate| gate.backward).sum();
    assert!(sum <= one.backward, "{sum:?} of {:?}", one.backward);
}

#[test]
fn gates_without_a_gradient_cost_nothing_backward() {
    let x = param([1.0, 2.0]);
    let graph = ComputationalGraph::record(|| {
        let scale = no_grad(|| x.exp()?.sum())?;
        x.mul(&scale)?.sum()
    })
    .unwrap();
    let profile = graph.profile(&[], 1).unwrap();
    let backward: Vec<bool> = profile.gates.iter().map(|gate| gate.backward > Duration::ZERO).collect();
    assert_eq!(backward, [false, false, true, true]);
    assert_eq!(profile.gates[0].backward_work.multiply_adds, 0);
    assert_eq!(profile.gates[0].kept, 0);
    // And a graph without any gradient has a profile, too.
    let y = tensor([1.0, 2.0]);
    let graph = ComputationalGraph::record(|| y.exp()).unwrap();
    assert_eq!(graph.profile(&[], 1).unwrap().backward, Duration::ZERO);
}

#[test]
fn profiling_changes_neither_the_graph_nor_the_random_numbers() {
    chainrule::manual_seed(3);
    let x = param(vec![1.0; 40]);
    let mut graph = ComputationalGraph::record(|| x.dropout(0.5)?.sum()).unwrap();
    let before = graph.forward(&[]).unwrap().item().unwrap();
    let state = Generator::of_thread();
    graph.profile(&[], 2).unwrap();
    assert_eq!(Generator::of_thread(), state);
    assert_eq!(graph.gates().unwrap()[1].value.item().unwrap(), before);
    assert!(graph.profile(&[], 0).unwrap_err().to_string().contains("at least one run"));
}

#[test]
fn the_table_fits_a_terminal() {
    let text = profile(1).to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("Conv") && text.contains("kept for the backward pass"), "{text}");
    // Columns are aligned: every row is as wide as the head or shorter.
    let head = text.lines().next().unwrap().chars().count();
    assert!(text.lines().take(10).all(|line| line.chars().count() <= head), "{text}");
}

#[test]
fn the_trace_has_every_gate_once_in_each_direction() {
    let profile = profile(1);
    let trace: serde_json::Value = serde_json::from_str(&profile.chrome_trace()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let bars: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(bars.len(), 2 * profile.gates.len());
    // One after the other, without overlap.
    let mut end = 0.0;
    for bar in &bars {
        assert!(bar["ts"].as_f64().unwrap() >= end - 1e-6);
        end = bar["ts"].as_f64().unwrap() + bar["dur"].as_f64().unwrap();
    }
    let names = |bars: &[&serde_json::Value]| -> Vec<String> {
        bars.iter().map(|bar| bar["args"]["gate"].to_string()).collect()
    };
    let (forward, backward) = bars.split_at(profile.gates.len());
    let mut reversed = names(backward);
    reversed.reverse();
    assert_eq!(names(forward), reversed);
    // What is kept is let go again.
    let last = events.iter().rfind(|event| event["ph"] == "C").unwrap();
    assert_eq!(last["args"]["bytes"], 0);
}

#[test]
fn a_training_costs_as_many_steps_as_it_has() {
    let (network, x) = lenet();
    let before: Vec<Vec<f64>> = network.parameters().iter().map(Tensor::to_f64_vec).collect();
    let cost = StepCost::measure(&*network, &x, loss, 2).unwrap();
    assert_eq!((cost.examples, cost.parameters, cost.runs), (2, 61_706, 2));
    assert!(cost.range.0 <= cost.time && cost.time <= cost.range.1);
    assert_eq!(cost.update.multiply_adds, 61_706);
    // Measuring trains nothing and leaves no gradient.
    assert!(network.parameters().iter().all(|parameter| parameter.grad().is_none()));
    assert_eq!(network.parameters().iter().map(Tensor::to_f64_vec).collect::<Vec<_>>(), before);

    let training = cost.training(1001, 3);
    assert_eq!(training.steps, 3 * 501);
    let examples = 3003.0 / 2.0;
    let per_step = cost.work().multiply_adds - cost.update.multiply_adds;
    let expected = (per_step as f64 * examples) as u64 + 3 * 501 * 61_706;
    assert!(training.work.multiply_adds.abs_diff(expected) <= 2);
    assert!((training.seconds - cost.time.as_secs_f64() * examples).abs() < 1e-9);
    // Without counters the energy is an assumption, and says so.
    let assumed = StepCost { measured_joules: None, ..cost.clone() };
    let energy = assumed.energy(10.0);
    assert!(matches!(energy, Energy::Assumed { watts, .. } if watts == 10.0));
    assert!((training.energy(energy).joules() - 10.0 * training.seconds).abs() < 1e-6);
    let measured = StepCost { measured_joules: Some(2.0), ..cost };
    assert_eq!(measured.energy(10.0), Energy::Measured { joules: 2.0 });
    // Nothing overflows, however long the training.
    assert_eq!(assumed.training(u64::MAX, u64::MAX).steps, u64::MAX);
}

#[test]
fn every_gate_of_a_network_is_checked_by_itself() {
    let (network, x) = lenet();
    let mut graph = ComputationalGraph::of_network(&*network, &x, loss).unwrap();
    assert!(graph.check_gates(u64::MAX).unwrap_err().to_string().contains("before forward ran"));
    graph.forward(&[]).unwrap();
    let checks = graph.check_gates(300_000).unwrap();
    assert!(checks.iter().all(|check| check.passed()), "{checks:?}");
    assert!(checks.iter().all(|check| check.kinks == check.compared || check.relative < 1e-5));
    // The second convolution is too large: 2·16·100·150 multiply-adds.
    let places: Vec<usize> = checks.iter().map(|check| check.place).collect();
    assert!(places.contains(&0) && !places.contains(&3), "{places:?}");
}

#[test]
fn a_network_s_page_says_what_its_gates_cost() {
    let (network, x) = lenet();
    let page = Explorer::of_network(&*network, &x, loss).unwrap().title("LeNet").html();
    assert!(page.contains("<title>LeNet</title>"));
    assert!(page.len() < 250_000, "{} bytes", page.len());
}
