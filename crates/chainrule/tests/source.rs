//! The source line that a gate carries is one of the user's program, also where a layer of the library made it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use chainrule::nn::{
    Activation, Linear, Module, Owned, Residual, Sequential, checkpoint_sequential, current,
};
use chainrule::{
    Backward, ComputationalGraph, Generator, GradFn, Result, Tensor, detect_anomaly, models, param,
};

/// Each gate's name and the line of this file that it carries; 0 if it is of another file.
fn lines(y: &Tensor) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    let mut next: Vec<GradFn> = y.grad_fn().into_iter().collect();
    while let Some(node) = next.pop() {
        if let (Some(gate), Some(at)) = (node.gate(), node.location()) {
            let here = at.file().ends_with("source.rs");
            found.push((gate.name().to_string(), if here { at.line() } else { 0 }));
        }
        next.extend(node.next_edges().into_iter().flatten().map(|edge| edge.grad_fn().clone()));
    }
    found
}

fn network() -> Sequential {
    let mut generator = Generator::new(0);
    let inner = Sequential::new().push(Linear::new(3, 3, &mut generator)).push(Activation::Tanh);
    Sequential::new().push(Residual::new(inner)).push(Activation::Relu).push(Linear::new(
        3,
        2,
        &mut generator,
    ))
}

#[track_caller]
fn all_at(y: &Tensor, line: u32) {
    let found = lines(y);
    assert!(found.len() > 1);
    assert!(found.iter().all(|(_, at)| *at == line), "of line {line}: {found:?}");
}

#[test]
fn layers_carry_the_line_of_their_networks_call() {
    let (net, x) = (network(), Tensor::ones([2, 3]));
    all_at(&net.call(&x).unwrap(), line!());
    all_at(&net.forward(&x).unwrap(), line!());
    all_at(&net.activations(&x).unwrap()[2], line!());
    let borrowed: &dyn Module = &net;
    all_at(&Module::call(&borrowed, &x).unwrap(), line!());
    let values = net.parameters();
    all_at(&net.forward_with(&mut values.into_iter(), &x).unwrap(), line!());
    all_at(&net.functional_call(&[], &x).unwrap(), line!());
    let boxed: Box<dyn Module> = Box::new(net);
    all_at(&boxed.call(&x).unwrap(), line!());
    let shared: Arc<dyn Module> = Arc::from(boxed);
    all_at(&shared.call(&x).unwrap(), line!());
    // Outside of any module a call has its own line, whatever ran before.
    all_at(&param(1.0).exp().unwrap().sin().unwrap(), line!());
    let error = shared.call(&Tensor::ones([2, 7])).unwrap_err();
    assert_eq!(error.source_line(), None);
    all_at(&param(1.0).exp().unwrap().sin().unwrap(), line!());
}

#[test]
fn models_and_recorded_graphs_carry_the_users_line() {
    let net = models::by_name("vit").unwrap().build(10, &mut Generator::new(0)).unwrap();
    let x = Tensor::zeros([1, 3, 32, 32]);
    all_at(&net.call(&x).unwrap(), line!());
    let (net, x) = (network(), Tensor::ones([2, 3]));
    let mut graph = ComputationalGraph::of_network(&net, &x, |y| y.sum()).unwrap();
    let line = line!() - 1;
    graph.forward(&[]).unwrap();
    for gate in graph.gates().unwrap() {
        assert!(
            gate.location.as_deref().unwrap().contains(&format!("source.rs:{line}")),
            "{:?}",
            gate.location
        );
    }
}

/// A module of the user's own: two layers of the library and a gate.
#[derive(Debug)]
struct Own {
    scale: Tensor,
    layer: Linear,
    rest: Box<dyn Module>,
}

impl Own {
    const LAYER: u32 = line!() + 5;
}

impl Module for Own {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.layer.call(x)?;
        let x = x.mul(&current(&self.scale))?;
        self.rest.call(&x)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        vec![("scale", Owned::Parameter(self.scale.clone()))]
    }
}

#[test]
fn the_innermost_line_of_the_users_wins() {
    let layer = Linear::new(3, 3, &mut Generator::new(0));
    let own = Own { scale: param(2.0), layer, rest: Box::new(Activation::Tanh) };
    let net = Sequential::new().push(own).push(Activation::Sigmoid);
    let y = net.call(&Tensor::ones([1, 3])).unwrap();
    let line = line!() - 1;
    let found = lines(&y);
    let expected =
        [("Sigmoid", line), ("Tanh", Own::LAYER + 2), ("Mul", Own::LAYER + 1), ("Linear", Own::LAYER)];
    assert_eq!(found, expected.map(|(name, line)| (name.to_string(), line)));
}

#[test]
fn anomalies_are_reported_with_the_users_line() {
    #[derive(Debug)]
    struct Log;
    impl Module for Log {
        fn forward(&self, x: &Tensor) -> Result<Tensor> {
            x.log()
        }
    }
    let net = Sequential::new().push(Activation::Relu).push(Log);
    let error = detect_anomaly(|| net.call(&param([0.0, 1.0]))).unwrap_err();
    assert_eq!((error.gate(), error.source_line().unwrap().line()), (Some("Log"), line!() - 5));

    let net =
        Sequential::new().push(Linear::without_bias(1, 1, &mut Generator::new(0))).push(Activation::Tanh);
    let x = param([[f32::INFINITY]]);
    let error = detect_anomaly(|| net.call(&x)).unwrap_err();
    assert_eq!((error.gate(), error.source_line().unwrap().line()), (Some("MatMul"), line!() - 1));
    let y = net.call(&x).unwrap();
    let line = line!() - 1;
    let error = detect_anomaly(|| y.backward_with(&Tensor::ones([1, 1]))).unwrap_err();
    assert_eq!(error.gate(), Some("MatMul"), "{error}");
    assert!(error.to_string().contains("its backward returned"), "{error}");
    assert_eq!(error.source_line().unwrap().line(), line);
    assert!(error.source_line().unwrap().file().ends_with("source.rs"));
}

#[test]
fn gradients_and_second_runs_carry_the_line_of_what_they_come_from() {
    let (net, x) = (network(), param([[0.1, 0.2, 0.3]]));
    let y = net.call(&x).unwrap().square().unwrap().sum().unwrap();
    let line = line!() - 1;
    let gradient = Backward::of(&[&y]).create_graph(true).gradients(&[&x]).unwrap()[0].clone().unwrap();
    let found = lines(&gradient);
    assert!(found.len() > 10);
    assert!(found.iter().all(|(_, at)| *at == line), "{found:?}");

    let net = Arc::new(network());
    let y = checkpoint_sequential(&net, 2, &x).unwrap();
    let line = line!() - 1;
    let gradient = Backward::of(&[&y.sum().unwrap()]).create_graph(true).gradients(&[&x]).unwrap();
    let found = lines(gradient[0].as_ref().unwrap());
    assert!(found.iter().filter(|(_, at)| *at == line).count() > 5, "{found:?}");
    assert!(found.iter().all(|(_, at)| *at != 0), "{found:?}");
}
