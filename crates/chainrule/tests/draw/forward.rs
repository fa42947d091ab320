//! Forward pictures: what stands for a module.

use chainrule::draw::{NodeKind, Picture, Style};
use chainrule::gate::Conv;
use chainrule::nn::{Activation, BatchNorm2d, Conv2d, LayerNorm, Module, Sequential};
use chainrule::{ComputationalGraph, Generator, Tensor};

fn network() -> Sequential {
    Sequential::new()
        .push(Conv2d::new(1, 2, 3, Conv::default(), &mut Generator::new(0)).unwrap())
        .push(BatchNorm2d::new(2).unwrap())
        .push(Activation::Relu)
        .push(LayerNorm::new(&[2, 2]).unwrap())
}

/// The names of those that lead to each gate.
fn inputs(picture: &Picture) -> Vec<(String, Vec<String>)> {
    let first_line = |node: usize| picture.nodes[node].label.lines().next().unwrap_or_default().to_string();
    let gates = (0..picture.nodes.len()).filter(|&node| picture.nodes[node].kind == NodeKind::Gate);
    gates
        .map(|node| {
            let edges = picture.edges.iter().filter(|edge| edge.to == node);
            (first_line(node), edges.map(|edge| first_line(edge.from)).collect())
        })
        .collect()
}

#[test]
fn a_normalisation_is_one_box_with_its_input_first() {
    let net = network();
    let x = Tensor::ones([3, 1, 4, 4]);
    for training in [true, false] {
        net.set_training(training);
        let mut graph = ComputationalGraph::of_network(&net, &x, |y| y.sum()).unwrap();
        graph.forward(&[]).unwrap();
        let picture = graph.picture(Style::Forward).unwrap();
        let found = inputs(&picture);
        let names: Vec<&str> = found.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["Conv2d", "BatchNorm2d", "ReLU", "LayerNorm", "Sum"]);
        let mut norm = found[1].1.clone();
        assert_eq!(norm.remove(0), "Conv2d");
        norm.sort();
        assert_eq!(norm, ["1.bias", "1.running_mean", "1.running_var", "1.weight"], "training: {training}");
        assert_eq!(found[3].1, ["ReLU", "3.weight", "3.bias"]);
        // Each wire that leaves a gate has its shape.
        for edge in picture.edges.iter().filter(|edge| picture.nodes[edge.from].kind == NodeKind::Gate) {
            assert_eq!(picture.nodes[edge.from].outputs[edge.output].len(), 1);
        }
        assert!(picture.frames.is_empty());
    }
}
