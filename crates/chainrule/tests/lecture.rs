//! The lecture's worked examples, number for number.

#![allow(clippy::unwrap_used)]

use chainrule::check::{Difference, gradcheck, numerical_gradient, numerical_gradient_with};
use chainrule::gate::{Context, Gate, Gradients, Metas, Needs, Outputs, Saved, Saves};
use chainrule::models::{Mlp, SoftmaxRegression};
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Optimizer, Sgd};
use chainrule::{
    Array, ComputationalGraph, DType, Formula, Generator, Meta, Result, Tensor, data, param, tensor,
};

fn double(values: impl chainrule::Literal) -> Tensor {
    Tensor::new(values, DType::F64).unwrap().requires_grad_(true).unwrap()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance, "{a} and {b}");
    }
}

#[test]
fn sum_times_z() {
    let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    let q = &x + &y;
    q.retain_grad().unwrap();
    let loss = &q * &z;
    assert_eq!(loss.to_string(), "tensor(-12., grad_fn=<MulBackward0>)");
    loss.backward().unwrap();
    assert_eq!(x.grad().unwrap().to_string(), "tensor(-4.)");
    assert_eq!(y.grad().unwrap().to_string(), "tensor(-4.)");
    assert_eq!(z.grad().unwrap().to_string(), "tensor(3.)");
    assert_eq!(q.grad().unwrap().to_string(), "tensor(-4.)");
}

#[test]
fn sigmoid_neuron_gate_by_gate() {
    let [w0, x0, w1, x1, w2] = [2.0, -1.0, -3.0, -2.0, -3.0].map(double);
    let neuron = || {
        let s = w0.mul(&x0)?.add(&w1.mul(&x1)?)?.add(&w2)?;
        s.neg()?.exp()?.add(1.0)?.reciprocal()
    };
    let mut graph = ComputationalGraph::record(neuron).unwrap();
    let loss = graph.forward(&[]).unwrap().item().unwrap();
    let sigmoid = 1.0 / (1.0 + (-1.0f64).exp());
    assert!((loss - sigmoid).abs() < 1e-15);
    assert_eq!(format!("{loss:.2}"), "0.73");
    let gradients: Vec<f64> = graph.backward().unwrap().iter().map(|(_, g)| g.item().unwrap()).collect();
    let printed: Vec<String> = gradients.iter().map(|g| format!("{g:.2}")).collect();
    assert_eq!(printed, ["-0.20", "0.39", "-0.39", "-0.59", "0.20"]);
    let d = sigmoid * (1.0 - sigmoid);
    close(&gradients, &[-d, 2.0 * d, -2.0 * d, -3.0 * d, d], 1e-15);

    // The circuit on the blackboard: values forward, gradients backward.
    let gates = graph.gates().unwrap();
    let values: Vec<String> = gates.iter().map(|g| format!("{:.2}", g.value.item().unwrap())).collect();
    assert_eq!(values, ["-2.00", "6.00", "4.00", "1.00", "-1.00", "0.37", "1.37", "0.73"]);
    let upstream: Vec<String> =
        gates.iter().map(|g| format!("{:.2}", g.upstream.as_ref().unwrap().item().unwrap())).collect();
    assert_eq!(upstream, ["0.20", "0.20", "0.20", "0.20", "-0.20", "-0.53", "-0.53", "1.00"]);
}

/// The lecture's gate: `forward(x, y)` and `backward(dz) → [dx, dy]`.
#[derive(Debug)]
struct MultiplyGate;

impl Gate for MultiplyGate {
    fn name(&self) -> &'static str {
        "Multiply"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let (x, y) = (inputs[0].item()?, inputs[1].item()?);
        Ok([Array::scalar((x * y) as f32)].into())
    }
    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(0) | Saves::input(1)
    }
    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(dz) = &upstream[0] else { return Ok(needs.none()) };
        let (dx, dy) = (dz.mul(&saved.input(1)?)?, dz.mul(&saved.input(0)?)?);
        Ok([Some(dx), Some(dy)].into_iter().collect())
    }
    fn formula(&self) -> Formula {
        Formula::rule("z = x·y", ["∂L/∂x = dz·y", "∂L/∂y = dz·x"])
    }
}

#[test]
fn a_hand_made_gate_in_a_hand_made_graph() {
    let mut graph = ComputationalGraph::new();
    let (x, y) = (graph.input("x").unwrap(), graph.input("y").unwrap());
    graph.add(MultiplyGate, &[x, y]).unwrap();
    let backward_first = graph.backward().unwrap_err().to_string();
    assert!(backward_first.contains("before forward"), "{backward_first}");
    let loss = graph.forward(&[("x", &tensor(3.0)), ("y", &tensor(-4.0))]).unwrap();
    assert_eq!(loss.item().unwrap(), -12.0);
    let gradients = graph.backward().unwrap();
    assert_eq!((gradients[0].1.item().unwrap(), gradients[1].1.item().unwrap()), (-4.0, 3.0));
    assert!(
        graph.forward(&[("x", &tensor(3.0))]).unwrap_err().to_string().contains("the input y is missing")
    );
    assert!(graph.forward(&[("q", &tensor(3.0))]).unwrap_err().to_string().contains("no input q"));
}

#[test]
fn softmax_with_cross_entropy() {
    let p = [0.2f64, 0.7, 0.1];
    let logits = double(p.map(f64::ln));
    close(&logits.softmax(0).unwrap().to_f64_vec(), &p, 1e-12);
    logits.cross_entropy(&tensor(1)).unwrap().backward().unwrap();
    close(&logits.grad().unwrap().to_f64_vec(), &[0.2, -0.3, 0.1], 1e-12);
    // The same with the target as probabilities.
    let again = double(p.map(f64::ln));
    let target = Tensor::new([0.0, 1.0, 0.0], DType::F64).unwrap();
    again.cross_entropy(&target).unwrap().backward().unwrap();
    close(&again.grad().unwrap().to_f64_vec(), &[0.2, -0.3, 0.1], 1e-12);
}

#[test]
fn linear_layer_as_matrix_and_row_by_row() {
    let w = double([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]]);
    let (x, b) = (double([0.5, 1.5, -2.0]), double([0.1, -0.2]));
    let z = w.matmul(&x).unwrap().add(&b).unwrap();
    z.sum().unwrap().backward().unwrap();
    let whole: Vec<Vec<f64>> = [&w, &x, &b].map(|t| t.grad().unwrap().to_f64_vec()).into();
    [&w, &x, &b].iter().for_each(|t| t.zero_grad());
    for row in 0..2 {
        let h = w.select(0, row).unwrap().dot(&x).unwrap().add(&b.select(0, row).unwrap()).unwrap();
        assert!((h.item().unwrap() - z.select(0, row).unwrap().item().unwrap()).abs() < 1e-15);
        h.backward().unwrap();
    }
    for (tensor, expected) in [&w, &x, &b].iter().zip(&whole) {
        close(&tensor.grad().unwrap().to_f64_vec(), expected, 1e-15);
    }
    // One row: h = wᵀx + b has ∂h/∂w = x, ∂h/∂x = w, ∂h/∂b = 1.
    let (w, x, b) = (double([1.0, -2.0]), double([0.5, 1.5]), double(0.1));
    w.dot(&x).unwrap().add(&b).unwrap().backward().unwrap();
    assert_eq!(w.grad().unwrap().to_f64_vec(), x.to_f64_vec());
    assert_eq!(x.grad().unwrap().to_f64_vec(), w.to_f64_vec());
    assert_eq!(b.grad().unwrap().item().unwrap(), 1.0);
}

#[test]
fn softmax_regression_by_plain_gradient_descent() {
    let digits = data::digits();
    let net = SoftmaxRegression::build(64, 10, &mut Generator::new(0)).unwrap();
    assert_eq!(net.parameters()[0].shape(), [10, 64]); // W is k×d
    let x = Tensor::from_array(data::Scaler::by_largest(&digits).apply(&digits.features).unwrap());
    let labels = Tensor::from_vec(digits.labels.clone(), [digits.len()]).unwrap();
    let mut sgd = Sgd::new(&net.parameters(), 1.0); // W ← W − γ∇
    let mut losses = Vec::new();
    for _ in 0..100 {
        sgd.zero_grad();
        let loss = net.forward(&x).unwrap().cross_entropy(&labels).unwrap();
        losses.push(loss.item().unwrap());
        loss.backward().unwrap();
        sgd.step().unwrap();
    }
    assert!(losses[99] < 0.4 && losses[99] < losses[0] / 4.0, "{losses:?}");
    let right = net.forward(&x).unwrap().argmax_dim(1, false).unwrap().eq(&labels).unwrap();
    assert!(right.cast(DType::F32).unwrap().mean().unwrap().item().unwrap() > 0.9);
}

#[test]
fn two_layers_d_p_k() {
    // p = σ(W²σ(W¹x + b¹) + b²): d = 3 → p = 4 → k = 2.
    let mut generator = Generator::new(1);
    let net = Mlp::build(&[3, 4, 2], Activation::Sigmoid, &mut generator).unwrap();
    let shapes: Vec<String> =
        net.named_parameters().iter().map(|(name, p)| format!("{name} {}", p.shape())).collect();
    assert_eq!(shapes, ["0.weight [4, 3]", "0.bias [4]", "2.weight [2, 4]", "2.bias [2]"]);
    let x = Tensor::ones([5, 3]);
    let hidden = &net.activations(&x).unwrap()[1]; // φ(x)
    assert_eq!(hidden.shape(), [5, 4]);
    let p = net.forward(&x).unwrap().sigmoid().unwrap();
    assert_eq!(p.shape(), [5, 2]);
    assert!(p.to_f64_vec().iter().all(|p| (0.0..1.0).contains(p)));
}

#[test]
fn the_chain_rule_on_nested_functions() {
    // loss(g(h(i(x)))) with i = x², h = sin, g = exp, loss = 3·: the product of local derivatives.
    let x = double(0.7);
    let mut graph = ComputationalGraph::record(|| x.square()?.sin()?.exp()?.mul(3.0)).unwrap();
    graph.forward(&[]).unwrap();
    let gradient = graph.backward().unwrap()[0].1.item().unwrap();
    let product: f64 = graph
        .gates()
        .unwrap()
        .iter()
        .map(|gate| match &gate.inputs[0].local {
            chainrule::graph::Local::Values(local) => local.item().unwrap(),
            other => panic!("{other:?}"),
        })
        .product();
    assert!((gradient - product).abs() < 1e-14);
    let u = 0.49f64;
    assert!((gradient - 3.0 * u.sin().exp() * u.cos() * 1.4).abs() < 1e-14);
}

#[test]
fn the_full_numerical_gradient_of_w() {
    let w = double([[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]]);
    let x = Tensor::new([[1.0, 2.0, -1.0], [0.5, -0.5, 1.5]], DType::F64).unwrap();
    let loss = |w: &Tensor| x.matmul(&w.t()?)?.cross_entropy(&tensor([0, 1]));
    loss(&w).unwrap().backward().unwrap();
    let analytic = w.grad().unwrap().to_f64_vec();
    let forward = numerical_gradient(loss, &w, 1e-6).unwrap();
    assert_eq!(*forward.shape(), [2, 3]);
    close(&forward.to_f64_vec(), &analytic, 1e-5);
    let central = numerical_gradient_with(loss, &w, 1e-5, Difference::Central).unwrap();
    close(&central.to_f64_vec(), &analytic, 1e-9);
    assert!(gradcheck(|w| loss(&w[0]), &[w]).unwrap().passed());
}

#[test]
fn relu_is_elementwise() {
    let x = param([[-1.0, 2.0], [0.0, 3.0]]);
    let y = x.relu().unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [0.0, 2.0, 0.0, 3.0]);
    y.backward_with(&tensor([[1.0, 2.0], [3.0, 4.0]])).unwrap();
    assert_eq!(x.grad().unwrap().to_vec::<f32>().unwrap(), [0.0, 2.0, 0.0, 4.0]);
}
