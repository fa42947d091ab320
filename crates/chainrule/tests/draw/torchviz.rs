//! `make_dot` against the files that torchviz wrote.

use chainrule::draw::{DotOptions, Line, NO_PARAMS, NodeKind, Picture, make_dot, make_dot_of};
use chainrule::models::{AlexNet, ResNet18};
use chainrule::nn::{Activation, Linear, Module, Sequential};
use chainrule::{Generator, Tensor, param, tensor};

use crate::isomorphism::assert_same;

/// What torchviz wrote, and what we read back of what we write.
pub fn compare(ours: &Picture, theirs: &str) {
    let theirs = Picture::from_dot(theirs).unwrap();
    assert_same(ours, &theirs);
    assert_same(&Picture::from_dot(&ours.to_dot()).unwrap(), &theirs);
}

fn lecture() -> ([Tensor; 3], Tensor) {
    let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    let loss = (&x + &y) * &z;
    ([x, y, z], loss)
}

#[test]
fn the_lectures_example() {
    let (leaves, loss) = lecture();
    let picture = make_dot(&loss, ["x", "y", "z"].into_iter().zip(&leaves), &DotOptions::default());
    assert_eq!((picture.nodes.len(), picture.edges.len()), (9, 8));
    compare(&picture, include_str!("../pictures/lecture.dot"));
    let everything = DotOptions { show_attrs: true, show_saved: true, ..DotOptions::default() };
    let picture = make_dot(&loss, ["x", "y", "z"].into_iter().zip(&leaves), &everything);
    compare(&picture, include_str!("../pictures/lecture_saved_attrs.dot"));
}

#[test]
fn a_neuron() {
    let names = ["w0", "x0", "w1", "x1", "w2"];
    let [w0, x0, w1, x1, w2] = [2.0, -1.0, -3.0, -2.0, -3.0].map(|x| param(x));
    let sum = &(&(&w0 * &x0) + &(&w1 * &x1)) + &w2;
    let y = (sum.neg().unwrap().exp().unwrap() + 1.0).reciprocal().unwrap() * 1.0;
    let picture = make_dot(&y, names.into_iter().zip([&w0, &x0, &w1, &x1, &w2]), &DotOptions::default());
    compare(&picture, include_str!("../pictures/sigmoid_neuron.dot"));
}

#[test]
fn a_multilayer_perceptron_with_cross_entropy() {
    let mut generator = Generator::new(0);
    let net = Sequential::new()
        .push(Linear::new(4, 3, &mut generator))
        .push(Activation::Sigmoid)
        .push(Linear::new(3, 2, &mut generator));
    let loss = net.forward(&Tensor::ones([5, 4])).unwrap().cross_entropy(&tensor([0, 1, 0, 1, 1])).unwrap();
    let picture = make_dot(&loss, net.named_parameters(), &DotOptions::default());
    compare(&picture, include_str!("../pictures/mlp_cross_entropy.dot"));
}

/// The picture of a network as torchviz was asked for it.
fn of_network(net: &dyn Module, x: &Tensor, options: &DotOptions) -> Picture {
    let names = net.named_parameters();
    let names = names.iter().map(|(name, tensor)| (name.as_str(), tensor)).chain([("x", x)]);
    make_dot(&net.call(x).unwrap(), names, options)
}

#[test]
fn alexnet() {
    let net = AlexNet::build(1000, &mut Generator::new(0)).unwrap();
    let x = Tensor::zeros([1, 3, 224, 224]).requires_grad_(true).unwrap();
    net.set_training(false);
    let picture = of_network(&net, &x, &DotOptions::default());
    assert_eq!((picture.nodes.len(), picture.edges.len()), (58, 57));
    compare(&picture, include_str!("../pictures/alexnet_eval.dot"));
    net.set_training(true);
    let picture = of_network(&net, &x, &DotOptions::default());
    assert_eq!((picture.nodes.len(), picture.edges.len()), (60, 59));
    compare(&picture, include_str!("../pictures/alexnet_train.dot"));
    let everything = DotOptions { show_attrs: true, show_saved: true, ..DotOptions::default() };
    compare(&of_network(&net, &x, &everything), include_str!("../pictures/alexnet_saved.dot"));
}

#[test]
fn resnet18() {
    let net = ResNet18::build(1000, &mut Generator::new(0)).unwrap();
    let theirs = include_str!("../pictures/resnet18.dot");
    // In evaluation the graph is the same.
    for training in [true, false] {
        net.set_training(training);
        let y = net.call(&Tensor::zeros([2, 3, 32, 32])).unwrap();
        let picture = make_dot(&y, net.named_parameters(), &DotOptions::default());
        assert_eq!((picture.nodes.len(), picture.edges.len()), (195, 202));
        compare(&picture, theirs);
    }
}

#[test]
fn normalisations_are_one_node_each() {
    let weight = || param([1.0, 2.0, 3.0, 4.0]);
    let (x, w, b) = (Tensor::zeros([2, 4]).requires_grad_(true).unwrap(), weight(), weight());
    let names = |y: &Tensor| {
        let picture = make_dot(y, [("x", &x), ("w", &w), ("b", &b)], &DotOptions::default());
        assert_eq!(picture.nodes.len(), 8, "{}", picture.to_dot());
        picture.nodes[1].label.clone()
    };
    let layer = x.layer_norm(&[4], Some(&w), Some(&b), 1e-5).unwrap();
    assert_eq!(names(&layer), "NativeLayerNormBackward0");
    let group = x.group_norm(2, Some(&w), Some(&b), 1e-5).unwrap();
    assert_eq!(names(&group), "NativeGroupNormBackward0");
    let batch = x.batch_norm(None, Some(&w), Some(&b), true, 0.1, 1e-5).unwrap();
    assert_eq!(names(&batch), "NativeBatchNormBackward0");
}

#[test]
fn matrix_products_bring_their_operands_to_form() {
    let ones =
        |sizes: &[usize]| Tensor::ones(chainrule::Shape::new(sizes).unwrap()).requires_grad_(true).unwrap();
    let (x, m, b, b4) = (ones(&[3]), ones(&[3, 3]), ones(&[2, 3, 3]), ones(&[2, 2, 3, 3]));
    // The chain of nodes, depth first, as PyTorch 2.15 has it.
    for (y, expected) in [
        (x.matmul(&m), "Squeeze Mm Unsqueeze"),
        (b.matmul(&m), "UnsafeView Mm View"),
        (b.matmul(&x), "UnsafeView Mv View"),
        (b.matmul(&b4), "UnsafeView Bmm UnsafeView Clone Expand View Expand"),
        (b.matmul(&b.exp().unwrap()), "UnsafeView Bmm View Expand View Expand Exp"),
        (x.matmul(&b), "UnsafeView Mv UnsafeView Clone Transpose"),
        (m.matmul(&b), "Clone Transpose UnsafeView Mm UnsafeView Clone Transpose T"),
        (m.detach().matmul(&b), "UnsafeView Bmm View Expand"),
        (b.bmm(&b), "Bmm"),
        (m.exp().unwrap().rdiv(2.0), "Mul Reciprocal Exp"),
    ] {
        let picture = make_dot(&y.unwrap(), NO_PARAMS, &DotOptions::default());
        let mut names: Vec<String> = (picture.nodes.iter())
            .filter_map(|node| node.label.split_once("Backward").map(|(name, _)| name.to_string()))
            .collect();
        let mut expected: Vec<&str> = expected.split(' ').collect();
        names.sort();
        expected.sort();
        assert_eq!(names, expected);
    }
}

#[test]
fn ids_are_the_same_in_every_run() {
    let text = || {
        let (leaves, loss) = lecture();
        make_dot(&loss, ["x", "y", "z"].into_iter().zip(&leaves), &DotOptions::default()).to_dot()
    };
    assert_eq!(text(), text());
    assert!(text().contains("\tx -> AccumulateGrad_x\n"), "{}", text());
}

#[test]
fn views_outputs_and_tensors_without_a_graph() {
    let x = param([[1.0, 2.0], [3.0, 4.0]]);
    // A view of a leaf: the leaf is the base.
    let picture = make_dot(&x.t().unwrap(), [("x", &x)], &DotOptions::default());
    assert_eq!((picture.nodes.len(), picture.edges.len()), (4, 4));
    assert_eq!(picture.edges.iter().filter(|edge| edge.line == Line::Dotted).count(), 1);
    // A view of a computed tensor: the base is drawn too.
    let view = x.exp().unwrap().t().unwrap();
    let picture = make_dot(&view, [("x", &x)], &DotOptions::default());
    assert_eq!(picture.nodes.iter().filter(|node| node.kind == NodeKind::Base).count(), 1);
    // Two outputs share what they have in common.
    let h = x.exp().unwrap();
    let (a, b) = (h.sum().unwrap(), h.mean().unwrap());
    let picture = make_dot_of(&[&a, &b], NO_PARAMS, &DotOptions::default());
    assert_eq!(picture.nodes.len(), 7);
    // No graph: one green node.
    let picture = make_dot(&tensor(1.0), NO_PARAMS, &DotOptions::default());
    assert_eq!(picture.nodes.len(), 1);
    assert_eq!(picture.nodes[0].kind, NodeKind::Output);
}

#[test]
fn attributes_are_cut() {
    let x = param([1.0, 2.0]);
    let y = x.dropout(0.123456789).unwrap();
    let options = DotOptions { show_attrs: true, max_attr_chars: 8, ..DotOptions::default() };
    let picture = make_dot(&y, NO_PARAMS, &options);
    let label = &picture.nodes.iter().find(|node| node.label.starts_with("Mul")).unwrap().label;
    assert_eq!(label, "MulBackward0\n---------------\nother: [save...\nself :     None");
}

#[test]
fn a_hundred_thousand_gates_deep() {
    let x = param(1.0);
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = y.add(1.0).unwrap();
    }
    let picture = make_dot(&y, [("x", &x)], &DotOptions { show_saved: true, ..DotOptions::default() });
    assert_eq!((picture.nodes.len(), picture.edges.len()), (100_003, 100_002));
    assert!(picture.to_dot().contains("AddBackward0_100000"));
}
