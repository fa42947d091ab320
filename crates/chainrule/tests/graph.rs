//! `ComputationalGraph`: the three ways in, what it refuses, what it reports.
#![allow(clippy::unwrap_used)]

use chainrule::gate::arith::{Add, Mul, Square};
use chainrule::gate::join::Split;
use chainrule::graph::Local;
use chainrule::{
    Array, ComputationalGraph, DType, ErrorKind, Generator, Tensor, grad, no_grad, param, tensor,
};

/// (x + y)·z
fn hand_built() -> ComputationalGraph {
    let mut graph = ComputationalGraph::new();
    let [x, y, z] = ["x", "y", "z"].map(|name| graph.input(name).unwrap());
    let q = graph.add(Add, &[x, y]).unwrap();
    graph.add(Mul, &[q, z]).unwrap();
    graph
}

fn scalars(values: [f64; 3]) -> [Tensor; 3] {
    values.map(tensor)
}

#[test]
fn what_is_wrong_is_refused_with_its_name() {
    let mut graph = hand_built();
    let [x, y, z] = scalars([-2.0, 5.0, -4.0]);
    let refused = |result: chainrule::Result<Tensor>, words: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(graph.forward(&[("x", &x), ("y", &y)]), "the input z is missing");
    refused(graph.forward(&[("x", &x), ("w", &y)]), "no input w");
    refused(graph.forward(&[("x", &x), ("x", &y)]), "x is given twice");
    let error = graph.backward().unwrap_err();
    assert!(error.to_string().contains("before forward"), "{error}");
    assert!(graph.gates().is_err());
    let three = [("x", &tensor([1.0, 2.0])), ("y", &tensor([1.0, 2.0, 3.0])), ("z", &z)];
    let error = graph.forward(&three).unwrap_err();
    assert_eq!((error.kind(), error.gate()), (ErrorKind::Shape, Some("Add")));
    // After a run that failed there is nothing to run backward.
    graph.forward(&[("x", &x), ("y", &y), ("z", &z)]).unwrap();
    graph.backward().unwrap();
    assert!(graph.forward(&three).is_err());
    assert!(graph.backward().is_err());
    // A graph without gates, a gate with another graph's value, a name that is taken.
    assert!(ComputationalGraph::new().forward(&[]).is_err());
    let mut other = ComputationalGraph::new();
    let far = hand_built().input("w").unwrap();
    assert!(other.add(Square, &[far]).is_err());
    other.input("x").unwrap();
    assert!(other.input("x").is_err());
    let mut parts = ComputationalGraph::new();
    let x = parts.input("x").unwrap();
    let split = parts.add_many(Split { sizes: vec![1, 1], dim: 0 }, &[x], 3).unwrap();
    parts.add(Mul, &[split[0], split[2]]).unwrap();
    refused(parts.forward(&[("x", &tensor([1.0, 2.0]))]), "3 outputs were asked of it, and it has 2");
}

#[test]
fn recorded_shapes_and_types_are_kept_to() {
    let x = param([1.0, 2.0]);
    let mut graph = ComputationalGraph::capture(&x.square().unwrap().sum().unwrap()).unwrap();
    assert_eq!(graph.forward(&[("x0", &tensor([3.0, 4.0]))]).unwrap().item().unwrap(), 25.0);
    for wrong in [tensor([1.0, 2.0, 3.0]), tensor([1, 2]), tensor(1.0)] {
        let error = graph.forward(&[("x0", &wrong)]).unwrap_err();
        assert!(error.to_string().contains("x0 was f32[2]"), "{error}");
    }
    let error = ComputationalGraph::capture(&x).unwrap_err();
    assert!(error.to_string().contains("no gate made this tensor"), "{error}");
}

#[test]
fn a_vector_of_losses_needs_an_upstream_gradient() {
    let mut graph = ComputationalGraph::new();
    let x = graph.input("x").unwrap();
    graph.add(Square, &[x]).unwrap();
    graph.forward(&[("x", &tensor([1.0, 2.0]))]).unwrap();
    assert!(graph.backward().is_err());
    assert!(graph.backward_with(&tensor([1.0, 2.0, 3.0])).is_err());
    let gradients = graph.backward_with(&tensor([1.0, 10.0])).unwrap();
    assert_eq!(gradients[0].1.to_vec::<f32>().unwrap(), [2.0, 40.0]);
}

#[test]
fn the_report_says_what_each_gate_did() {
    let mut graph = hand_built();
    let [x, y, z] = scalars([-2.0, 5.0, -4.0]);
    graph.forward(&[("z", &z), ("x", &x), ("y", &y)]).unwrap();
    graph.backward().unwrap();
    let gates = graph.gates().unwrap();
    let names: Vec<&str> = gates.iter().map(|gate| &gate.name[..]).collect();
    assert_eq!(names, ["Add", "Mul"]);
    let [sum, product] = &gates[..] else { panic!("two gates") };
    assert_eq!((sum.value.item().unwrap(), product.value.item().unwrap()), (3.0, -12.0));
    assert_eq!(sum.upstream.as_ref().unwrap().item().unwrap(), -4.0);
    assert_eq!(product.upstream.as_ref().unwrap().item().unwrap(), 1.0);
    assert_eq!(product.inputs[0].name, sum.output_name);
    let local = |i: usize| match &product.inputs[i].local {
        Local::Values(values) => values.item().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((local(0), local(1)), (-4.0, 3.0));
    let passed: Vec<f64> =
        product.inputs.iter().map(|x| x.passed.as_ref().unwrap().item().unwrap()).collect();
    assert_eq!(passed, [-4.0, 3.0]);
    assert!(sum.formula.to_string().contains("a + b") || !sum.formula.to_string().is_empty());
}

#[test]
fn gates_with_several_outputs_and_constants() {
    let mut graph = ComputationalGraph::new();
    let x = graph.input("x").unwrap();
    let two = graph.constant(Array::scalar(2.0f32));
    let parts = graph.add_many(Split { sizes: vec![1, 2], dim: 0 }, &[x], 2).unwrap();
    let first = graph.add(Mul, &[parts[0], two]).unwrap();
    let product = graph.add(Mul, &[first, parts[1]]).unwrap();
    graph.add(chainrule::gate::reduce::Sum(chainrule::gate::reduce::Dims::all()), &[product]).unwrap();
    let loss = graph.forward(&[("x", &tensor([3.0, 4.0, 5.0]))]).unwrap();
    assert_eq!(loss.item().unwrap(), 54.0);
    assert_eq!(graph.backward().unwrap()[0].1.to_vec::<f32>().unwrap(), [18.0, 6.0, 6.0]);
    assert_eq!(graph.constants().len(), 1);
    assert_eq!(graph.gates().unwrap().len(), 4);
}

/// Runs code directly and recorded, then recorded with other inputs; loss and gradient must be the same.
#[track_caller]
fn same_as_code(code: impl Fn(&Tensor) -> chainrule::Result<Tensor>, first: [f64; 2], second: [f64; 2]) {
    let x = param(first);
    let mut graph = ComputationalGraph::record(|| code(&x)).unwrap();
    for values in [first, second] {
        let x = param(values);
        let expected = code(&x).unwrap();
        let gradient = grad(&[&expected], &[&x]).unwrap().remove(0);
        let loss = graph.forward(&[("x0", &tensor(values))]).unwrap();
        assert_eq!(loss.to_string(), expected.detach().to_string());
        let found = graph.backward().unwrap().remove(0);
        assert!(found.1.same_as(&gradient.array()), "recorded {}, direct {gradient}", found.1);
    }
}

#[test]
fn a_recorded_graph_computes_what_the_code_computes() {
    same_as_code(|x| x.square()?.sum(), [1.0, 2.0], [3.0, -4.0]);
    same_as_code(|x| x.mul(&x.detach())?.sum(), [1.0, 2.0], [3.0, -4.0]);
    same_as_code(|x| x.mul(&no_grad(|| x.exp())?)?.sum(), [1.0, 2.0], [0.5, -1.0]);
    same_as_code(
        |x| {
            let largest = x.detach().max()?;
            x.sub(&largest)?.exp()?.sum()?.log()?.add(&largest)
        },
        [1.0, 2.0],
        [30.0, -4.0],
    );
    same_as_code(|x| x.gt(0.0)?.where_(x, &x.square()?)?.sum(), [1.0, 2.0], [3.0, -4.0]);
    same_as_code(|x| x.index_select(0, &x.argmax()?.reshape([1])?)?.sum(), [1.0, 2.0], [3.0, -4.0]);
}

#[test]
fn dropout_draws_anew_at_every_run_and_the_report_shows_the_draw() {
    let x = Tensor::full([64], 1.0).requires_grad_(true).unwrap();
    let mut graph = ComputationalGraph::record(|| x.dropout(0.5)?.sum()).unwrap();
    let mut losses = Vec::new();
    for _ in 0..6 {
        losses.push(graph.forward(&[]).unwrap().item().unwrap());
        let gradient = graph.backward().unwrap().remove(0).1;
        let gates = graph.gates().unwrap();
        assert!(gates[0].value.same_as(&gradient), "of ones, the gradient is the value");
        assert!(gates[0].inputs[0].passed.as_ref().unwrap().same_as(&gradient));
    }
    assert!(losses.iter().any(|loss| *loss != losses[0]), "{losses:?}");
}

#[test]
fn other_types_run_through_the_same_graph() {
    let mut graph = hand_built();
    let [x, y, z] = scalars([-2.0, 5.0, -4.0]).map(|x| x.cast(DType::F64).unwrap());
    let loss = graph.forward(&[("x", &x), ("y", &y), ("z", &z)]).unwrap();
    assert_eq!(loss.dtype(), DType::F64);
    // An integer input has no gradient and is left out.
    let loss = graph.forward(&[("x", &tensor(-2)), ("y", &y), ("z", &z)]).unwrap();
    assert_eq!(loss.item().unwrap(), -12.0);
    let names: Vec<String> = graph.backward().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["y", "z"]);
}

#[test]
fn gates_know_their_modules() {
    use chainrule::nn::{Activation, Linear, Module, Sequential};
    let mut generator = Generator::new(0);
    let net = Sequential::new()
        .push_named(
            "features",
            Sequential::new().push(Linear::new(2, 3, &mut generator)).push(Activation::Relu),
        )
        .push_named("classifier", Linear::new(3, 2, &mut generator));
    let x = Tensor::ones([4, 2]);
    let mut graph = ComputationalGraph::record(|| net.call(&x)?.sum()).unwrap();
    graph.forward(&[]).unwrap();
    let modules: Vec<Option<String>> = graph.gates().unwrap().into_iter().map(|gate| gate.module).collect();
    let expected = [Some("features.0"), Some("features.1"), Some("classifier"), None];
    assert_eq!(modules, expected.map(|name| name.map(String::from)));
    let layer = graph.gates().unwrap()[1].layer.clone();
    assert_eq!(layer.as_deref(), Some("ReLU()"));
    // A recording inside a module's call belongs to that module, and the outer recording has it too.
    let inner = std::cell::Cell::new(0);
    let mut outer = ComputationalGraph::record(|| {
        let y = ComputationalGraph::record(|| net.call(&x))?;
        inner.set(y.len());
        net.call(&x)
    })
    .unwrap();
    outer.forward(&[]).unwrap();
    assert_eq!((inner.get(), outer.len()), (3, 6));
    assert!(outer.gates().unwrap().iter().all(|gate| gate.module.is_some()));
}
