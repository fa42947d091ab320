//! Replayed graphs against the code that was recorded: the same bits, step after step.

#![allow(clippy::unwrap_used)]

use chainrule::models::{LeNet, Mlp};
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Adam, Optimizer, Sgd};
use chainrule::{
    Backward, ComputationalGraph, ErrorKind, Generator, Result, Tensor, manual_seed, no_grad, param,
    set_num_threads, tensor,
};

fn bits(x: &Tensor) -> Vec<u64> {
    x.to_f64_vec().into_iter().map(f64::to_bits).collect()
}

/// Trains two copies of a network, one eagerly and one replayed, and compares all parameters after every step.
fn train<const N: usize, M: Module>(
    make: impl Fn() -> M,
    input: [usize; N],
    optimizer: fn(&[Tensor]) -> Box<dyn Optimizer>,
) {
    let (eager, replayed) = (make(), make());
    let x = Tensor::zeros(input);
    let labels = tensor(vec![0i64; input[0]]);
    let loss = |net: &M| -> Result<Tensor> { net.call(&x)?.cross_entropy(&labels) };
    let mut replay = ComputationalGraph::record(|| loss(&replayed)).unwrap().replay(&[]).unwrap();
    let mut optimizers = [optimizer(&eager.parameters()), optimizer(&replayed.parameters())];
    for step in 0..4 {
        manual_seed(step);
        no_grad(|| {
            x.copy_(&Tensor::randn(input)).unwrap();
            labels.copy_(&Tensor::randint(0, 10, [input[0]]).unwrap()).unwrap();
        });
        optimizers.iter_mut().for_each(|optimizer| optimizer.zero_grad());
        manual_seed(100 + step);
        let expected = loss(&eager).unwrap();
        expected.backward().unwrap();
        manual_seed(100 + step);
        let value = replay.forward().unwrap();
        replay.backward().unwrap();
        assert_eq!(bits(&value), bits(&expected));
        optimizers.iter_mut().for_each(|optimizer| optimizer.step().unwrap());
        for (a, b) in eager.parameters().iter().zip(replayed.parameters()) {
            assert_eq!(bits(a), bits(&b), "after step {step}");
        }
    }
}

#[test]
fn training_is_the_same_to_the_bit() {
    let mlp = || Mlp::build(&[20, 50, 30, 10], Activation::Gelu, &mut Generator::new(3)).unwrap();
    train(mlp, [16, 20], |p| Box::new(Sgd::new(p, 0.1)));
    let lenet = || LeNet::build(&mut Generator::new(4)).unwrap();
    train(lenet, [3, 1, 28, 28], |p| Box::new(Adam::new(p, 0.01)));
}

/// A chain with everything: inputs used twice, numbers, values read again later, a detached branch.
fn tangle(x: &Tensor, y: &Tensor, s: &Tensor) -> Result<Tensor> {
    let a = x.tanh()?.mul(y)?;
    let b = a.sigmoid()?.add(&x.mul(x)?)?.sub(s)?;
    let c = b.detach().exp()?.mul(&a)?;
    let d = (-&c).mul(2.0)?.relu()?.add(&b)?;
    let e = d.sum_dim(&[0], false)?.unsqueeze(0)?.mul(&a)?;
    d.square()?.add(&e)?.mean()?.mul(&s.exp()?)?.add(&a.sum()?)
}

#[test]
fn chains_are_the_same_to_the_bit_for_any_number_of_threads() {
    let mut seen: Option<Vec<Vec<u64>>> = None;
    for threads in [1, 2, 3] {
        set_num_threads(threads);
        for shape in [[3, 5], [700, 301]] {
            manual_seed(5);
            let x = Tensor::randn(shape).requires_grad_(true).unwrap();
            let y = Tensor::randn(shape).requires_grad_(true).unwrap();
            let s = param(0.3);
            let graph = ComputationalGraph::record(|| tangle(&x, &y, &s)).unwrap();
            let mut replay = graph.replay(&[]).unwrap();
            assert!(replay.summary().contains("elementwise gates in"), "{}", replay.summary());
            let mut found = Vec::new();
            for leaf in [&x, &y, &s] {
                no_grad(|| leaf.copy_(&Tensor::randn(leaf.shape()))).unwrap();
            }
            let eager = tangle(&x, &y, &s).unwrap();
            eager.backward().unwrap();
            let expected: Vec<_> = [&x, &y, &s].map(|leaf| bits(&leaf.grad().unwrap())).into();
            for _ in 0..2 {
                [&x, &y, &s].into_iter().for_each(Tensor::zero_grad);
                assert_eq!(bits(&replay.forward().unwrap()), bits(&eager));
                replay.backward().unwrap();
                found = [&x, &y, &s].map(|leaf| bits(&leaf.grad().unwrap())).into();
                assert_eq!(found, expected);
            }
            if shape[0] == 700 {
                assert!(seen.get_or_insert_with(|| found.clone()) == &found);
            }
        }
    }
}

/// Once a backward has followed, such a loss and its gradients are computed in one pass.
#[test]
fn a_loss_that_ends_in_a_sum_is_the_same_to_the_bit() {
    for (shape, threads) in [([1, 7], 1), ([70_001, 1], 2), ([700, 100], 3)] {
        set_num_threads(threads);
        let x = Tensor::randn(shape).requires_grad_(true).unwrap();
        let y = Tensor::randn(shape);
        let body = || {
            let a = x.tanh()?.mul(&x.sigmoid()?)?;
            a.add(&x.neg()?.mul(&y)?.exp()?)?.sub(&a)
        };
        let losses: [&dyn Fn() -> Result<Tensor>; 2] = [&|| body()?.sum(), &|| body()?.mean()];
        for loss in losses {
            let mut replay = ComputationalGraph::record(loss).unwrap().replay(&[]).unwrap();
            for round in 0..4 {
                no_grad(|| x.copy_(&Tensor::randn(shape))).unwrap();
                let eager = loss().unwrap();
                x.zero_grad();
                eager.backward().unwrap();
                let expected = bits(&x.grad().unwrap());
                x.zero_grad();
                if round == 2 {
                    // Nothing comes back from this one, which sees other values.
                    let now = x.detach().add(0.0).unwrap();
                    no_grad(|| x.copy_(&y)).unwrap();
                    assert_eq!(bits(&replay.forward().unwrap()), bits(&no_grad(loss).unwrap()));
                    no_grad(|| x.copy_(&now)).unwrap();
                }
                assert_eq!(bits(&replay.forward().unwrap()), bits(&eager));
                // What backward reads is what forward saw.
                no_grad(|| x.zero_()).unwrap();
                replay.backward().unwrap();
                assert_eq!(bits(&x.grad().unwrap()), expected);
            }
        }
    }
}

/// How a gradient lies in memory decides how later gates compute with it, to the last bit. Between two sums stands a gate
/// that gradients don't reach: a replay runs the sums one by one, a backward pass both together.
#[test]
fn gradients_that_go_on_as_they_came_lie_as_they_lay() {
    const SIZE: usize = 300;
    let square = || Tensor::randn([SIZE, SIZE]);
    let (c, d, k) = (square(), square(), square());
    type End<'a> = dyn Fn(Tensor) -> Result<Tensor> + 'a;
    let ends: [&End<'_>; 3] =
        [&|h| h.sum(), &|h| h.transpose(0, 1)?.mul(&k)?.sum(), &|h| h.sum_dim(&[0], false)?.mul(&k)?.sum()];
    for (inner, apart) in [(1, true), (16, true), (2, false)] {
        let leaves = [[SIZE, inner], [inner, SIZE]].map(|s| Tensor::randn(s).requires_grad_(true).unwrap());
        let [a, b] = &leaves;
        for end in ends {
            let body = || {
                let h = a.matmul(b)?.add(&c)?;
                end(h.add(&if apart { d.exp()? } else { d.clone() })?)
            };
            let loss = body().unwrap();
            let named = Backward::of(&[&loss]).gradients(&[a, b]).unwrap();
            let expected: Vec<_> = named.into_iter().map(|g| bits(&g.unwrap())).collect();
            let mut replay = ComputationalGraph::record(body).unwrap().replay(&[]).unwrap();
            for round in 0..3 {
                leaves.iter().for_each(|leaf| leaf.zero_grad());
                match round {
                    0 => body().unwrap().backward().unwrap(),
                    _ => replay.forward().and_then(|_| replay.backward()).unwrap(),
                }
                let found = leaves.iter().map(|leaf| bits(&leaf.grad().unwrap()));
                assert!(found.eq(expected.iter().cloned()), "{inner} {apart}, round {round}");
            }
        }
    }
}

#[test]
fn a_deep_scalar_graph_replays_and_gradients_accumulate() {
    let x = param(0.5);
    let body = || {
        let mut y = x.clone();
        for _ in 0..5_000 {
            y = &y * 1.0001;
            y = (&y + 0.0001).sin()?;
        }
        y.pow(2.0)
    };
    let graph = ComputationalGraph::record(body).unwrap();
    let mut replay = graph.replay(&[]).unwrap();
    for value in [0.5, -0.25] {
        no_grad(|| x.copy_(&tensor(value))).unwrap();
        x.zero_grad();
        let eager = body().unwrap();
        eager.backward().unwrap();
        assert_eq!(bits(&replay.forward().unwrap()), bits(&eager));
        let once = x.grad().unwrap().item().unwrap();
        replay.backward().unwrap();
        assert_eq!(x.grad().unwrap().item().unwrap(), once * 2.0);
    }
}

#[test]
fn dropout_draws_anew_and_as_the_code_would() {
    let x = param(vec![1.0; 100]);
    let body = || x.dropout(0.5)?.mul(&x)?.sum();
    let mut replay = ComputationalGraph::record(body).unwrap().replay(&[]).unwrap();
    manual_seed(9);
    let (first, second) = (replay.forward().unwrap(), replay.forward().unwrap());
    assert_ne!(bits(&first), bits(&second));
    manual_seed(9);
    assert_eq!(bits(&body().unwrap()), bits(&first));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let x = param([1.0, 2.0]);
    let graph = ComputationalGraph::record(|| x.mul(2.0)).unwrap();
    let mut replay = graph.replay(&[]).unwrap();
    assert!(replay.backward().unwrap_err().to_string().contains("reduce it to a loss"));
    assert_eq!(graph.replay(&[("y", &x)]).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(graph.replay(&[("x0", &param(1.0))]).unwrap_err().kind(), ErrorKind::Shape);
    assert!(graph.replay(&[("x0", &x.mul(1.0).unwrap())]).unwrap_err().to_string().contains("leaf"));

    let mut sums = ComputationalGraph::record(|| x.sum()).unwrap().replay(&[]).unwrap();
    assert!(sums.backward().unwrap_err().to_string().contains("forward"));
    sums.forward().unwrap();
    sums.backward().unwrap();
    assert!(sums.backward().is_err(), "what backward reads is gone");

    let mut by_hand = ComputationalGraph::new();
    let a = by_hand.input("a").unwrap();
    by_hand.add(chainrule::gate::arith::Square, &[a]).unwrap();
    assert!(by_hand.replay(&[]).unwrap_err().to_string().contains("missing"));
    let a = param(3.0);
    let mut replay = by_hand.replay(&[("a", &a)]).unwrap();
    assert_eq!(replay.forward().unwrap().item().unwrap(), 9.0);
    replay.backward().unwrap();
    assert_eq!(a.grad().unwrap().item().unwrap(), 6.0);
}

#[test]
fn an_input_that_no_gradient_reaches_has_none() {
    let (x, y) = (param([1.0, 2.0, 3.0]), param([4.0, 5.0, 6.0]));
    // Both end in one chain; only one of its outputs leads to the loss.
    let body = || {
        let (a, b) = (x.exp()?.mul(2.0)?, y.exp()?.mul(3.0)?);
        b.cumsum(0)?;
        a.sum()
    };
    let mut replay = ComputationalGraph::record(body).unwrap().replay(&[]).unwrap();
    assert!(replay.summary().contains("elementwise gates in 1 pass"), "{}", replay.summary());
    for _ in 0..2 {
        [&x, &y].into_iter().for_each(Tensor::zero_grad);
        replay.forward().unwrap();
        replay.backward().unwrap();
        assert!(y.grad().is_none());
        assert_eq!(bits(&x.grad().unwrap()), bits(&x.exp().unwrap().mul(2.0).unwrap().detach()));
    }
}
