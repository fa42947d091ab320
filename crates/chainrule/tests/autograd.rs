//! The rules and error situations of automatic differentiation; the numbers are those of `docs/autograd.md`.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chainrule::gate::{Context, Gate, Gradients, Metas, Needs, Outputs, Saved};
use chainrule::{
    Array, Backward, DType, ErrorKind, Formula, Meta, Result, Tensor, detect_anomaly, enable_grad, grad,
    is_grad_enabled, no_grad, param, tensor,
};

fn gradient(x: &Tensor) -> Vec<f64> {
    x.grad().unwrap().to_f64_vec()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(words), "{error:?} should say {words:?}");
}

#[test]
fn row_01_only_floats_require_gradients() {
    refused(tensor([1, 2]).requires_grad_(true), "only floats");
    assert!(tensor([1.0]).requires_grad_(true).unwrap().requires_grad());
}

#[test]
fn row_02_results_require_gradients_where_an_input_does() {
    let (x, c) = (param(1.0), tensor(2.0));
    assert!((&x * &c).requires_grad() && !(&c * &c).requires_grad());
    assert!(c.is_leaf() && (&c * &c).is_leaf() && !(&x * &c).is_leaf());
    assert!(!no_grad(|| &x * &c).requires_grad());
    assert!(!x.gt(0.5).unwrap().requires_grad());
}

#[test]
fn rows_03_and_04_flags_belong_to_leaves() {
    let x = param(1.0);
    refused((&x * 2.0).requires_grad_(false), "detach");
    assert!(!x.requires_grad_(false).unwrap().requires_grad());
}

#[test]
fn row_05_a_gradient_starts_from_one_number() {
    refused((param([1.0, 2.0]) * 2.0).backward(), "a gradient starts from one number");
    assert!((param([1.0]) * 2.0).backward().is_ok());
}

#[test]
fn row_06_no_graph_no_backward() {
    refused(tensor(1.0).backward(), "doesn't require a gradient");
    refused(no_grad(|| param(1.0) * 2.0).backward(), "no_grad");
}

#[test]
fn row_07_the_upstream_gradient_has_the_outputs_shape() {
    let x = param([1.0, 2.0]);
    let y = &x * 3.0;
    refused(y.backward_with(&tensor([1.0, 2.0, 3.0])), "[3]");
    y.backward_with(&tensor([1.0, 10.0])).unwrap();
    assert_eq!(gradient(&x), [3.0, 30.0]);
}

#[test]
fn row_08_gradients_accumulate_in_place() {
    let x = param([1.0, 2.0]);
    assert!(x.grad().is_none());
    x.sum().unwrap().backward().unwrap();
    let held = x.grad().unwrap();
    x.sum().unwrap().backward().unwrap();
    assert_eq!(held.to_f64_vec(), [2.0, 2.0]); // the same tensor
    assert!(held.is(&x.grad().unwrap()));
    refused(x.set_grad(Some(tensor([1.0, 2.0, 3.0]))), "can't be assigned");
    x.set_grad(None).unwrap();
    assert!(x.grad().is_none());
}

#[test]
fn row_09_graphs_are_freed_by_backward() {
    let x = param(2.0);
    let y = x.square().unwrap();
    y.backward().unwrap();
    refused(y.backward(), "freed");
    let z = x.square().unwrap();
    Backward::of(&[&z]).retain_graph(true).accumulate().unwrap();
    z.backward().unwrap();
    // A gate that saved nothing can run twice.
    let w = &x + &x;
    w.backward().unwrap();
    w.backward().unwrap();
}

#[test]
fn row_10_gradients_of_gradients_of_any_order() {
    let x = Tensor::new(1.3, DType::F64).unwrap().requires_grad_(true).unwrap();
    let mut y = x.sin().unwrap();
    for order in 1..=4 {
        y = Backward::of(&[&y]).create_graph(true).gradients(&[&x]).unwrap().remove(0).unwrap();
        let expected = [1.3f64.cos(), -1.3f64.sin(), -1.3f64.cos(), 1.3f64.sin()][order - 1];
        assert!((y.item().unwrap() - expected).abs() < 1e-12);
    }
}

#[test]
fn row_11_grad_leaves_accumulators_alone() {
    let (x, y, unused) = (param(3.0), param(4.0), param(5.0));
    let product = &x * &y;
    let gradients = grad(&[&product], &[&x, &y]).unwrap();
    assert_eq!((gradients[0].item().unwrap(), gradients[1].item().unwrap()), (4.0, 3.0));
    assert!(x.grad().is_none());
    let again = &x * &y;
    refused(grad(&[&again], &[&tensor(1.0)]), "doesn't require a gradient");
    refused(grad(&[&again], &[&unused]), "don't depend on input 0");
    let again = &x * &y;
    let found = Backward::of(&[&again]).allow_unused(true).gradients(&[&unused, &x]).unwrap();
    assert!(found[0].is_none() && found[1].is_some());
    // With respect to a tensor that is no leaf.
    let q = &x + &y;
    assert_eq!(grad(&[&(&q * &x)], &[&q]).unwrap()[0].item().unwrap(), 3.0);
}

#[test]
fn row_12_accumulating_into_some_leaves_and_from_several_outputs() {
    let (x, y) = (param(3.0), param(4.0));
    let product = &x * &y;
    Backward::of(&[&product]).accumulate_into(&[&x]).unwrap();
    assert!(x.grad().is_some() && y.grad().is_none());
    let (a, b) = (&x * 2.0, &x * 5.0);
    x.zero_grad();
    Backward::of(&[&a, &b]).accumulate().unwrap();
    assert_eq!(gradient(&x), [7.0]);
}

#[test]
fn row_13_retained_gradients() {
    let x = param(3.0);
    let y = &x * 2.0;
    assert!(!y.retains_grad());
    y.retain_grad().unwrap();
    assert!(y.retains_grad());
    y.square().unwrap().backward().unwrap();
    assert_eq!(gradient(&y), [12.0]);
    refused(tensor(1.0).retain_grad(), "doesn't require a gradient");
    let z = &x * 2.0;
    z.square().unwrap().backward().unwrap();
    assert!(z.grad().is_none());
}

#[test]
fn row_14_detached_tensors_share_memory_until_written() {
    let x = param([1.0, 2.0, 3.0]);
    let d = x.detach();
    assert!(d.is_leaf() && !d.requires_grad());
    assert!(d.array().shares_buffer(&x.array()));
    d.fill_(0.0).unwrap();
    assert_eq!(x.to_f64_vec(), [1.0, 2.0, 3.0]);
}

#[test]
fn row_15_modes_nest_and_belong_to_the_thread() {
    assert!(is_grad_enabled());
    no_grad(|| {
        assert!(!is_grad_enabled());
        enable_grad(|| assert!(is_grad_enabled()));
        assert!(std::thread::spawn(is_grad_enabled).join().unwrap());
    });
    let _ = std::panic::catch_unwind(|| no_grad(|| std::panic::resume_unwind(Box::new(()))));
    assert!(is_grad_enabled());
}

#[test]
fn row_17_leaves_change_in_place_only_without_gradients() {
    let x = param([1.0, 2.0]);
    refused(x.add_(&tensor([1.0, 1.0])), "no_grad");
    refused((&x * 2.0).mul_(&tensor(2.0)), "can't be changed in place");
    no_grad(|| x.add_(&tensor([1.0, 1.0]))).unwrap();
    assert_eq!((x.to_f64_vec(), x.version()), (vec![2.0, 3.0], 1));
    refused(no_grad(|| x.add_(&tensor([[1.0, 1.0], [1.0, 1.0]]))), "must keep");
    // The element type stays, too.
    no_grad(|| x.mul_(Tensor::new([0.5, 2.0], DType::F64)?)).unwrap();
    assert_eq!((x.dtype(), x.to_f64_vec()), (DType::F32, vec![1.0, 6.0]));
    refused(tensor([1, 2]).add_(&tensor([0.5, 0.5])), "can't be kept in a tensor of i64");
}

#[test]
fn row_18_saved_values_must_not_change() {
    let x = param([1.0, 2.0]);
    let y = x.square().unwrap().sum().unwrap();
    no_grad(|| x.fill_(7.0)).unwrap();
    let error = y.backward().unwrap_err();
    assert_eq!(error.gate(), Some("Square"));
    assert!(error.to_string().contains("at version 1, and was at version 0"), "{error}");
    assert!(x.grad().is_none());
}

#[test]
fn row_20_broadcast_inputs_get_summed_gradients() {
    let (x, y) = (param([[1.0], [2.0]]), param([10.0, 20.0, 30.0]));
    (&x * &y).sum().unwrap().backward().unwrap();
    assert_eq!(gradient(&x), [60.0, 60.0]);
    assert_eq!(gradient(&y), [3.0, 3.0, 3.0]);
}

#[test]
fn row_21_hooks_see_and_replace_gradients() {
    let x = param(3.0);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    x.register_hook(move |g| {
        log.lock().unwrap().push(g.item().unwrap());
        None
    })
    .unwrap();
    let y = &x * 2.0;
    let handle = y.register_hook(|g| Some(g * 10.0)).unwrap();
    y.backward().unwrap();
    assert_eq!((gradient(&x), seen.lock().unwrap().clone()), (vec![20.0], vec![20.0]));
    handle.remove();
    y.backward().unwrap_err(); // freed
    let z = &x * 2.0;
    z.register_hook(|_| Some(tensor([1.0, 2.0]))).unwrap();
    refused(z.backward(), "replaced a gradient of f32[] by one of f32[2]");
    refused(tensor(1.0).register_hook(|_| None), "doesn't require a gradient");
}

#[test]
fn row_21_a_hook_may_hold_its_own_tensor_weakly() {
    let x = param(3.0);
    let weak = x.downgrade();
    x.register_hook(move |g| weak.upgrade().map(|x| g * x.item().unwrap())).unwrap();
    (&x * 2.0).backward().unwrap();
    assert_eq!(gradient(&x), [6.0]);
    let weak = x.downgrade();
    drop(x);
    assert!(weak.upgrade().is_none());
}

#[test]
fn row_22_hooks_after_accumulation() {
    let x = param(3.0);
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    x.register_post_accumulate_grad_hook(move |leaf| {
        assert!(leaf.grad().is_some());
        counter.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    (&x * &x).backward().unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    refused((&x * 2.0).register_post_accumulate_grad_hook(|_| ()), "only leaves");
}

/// A gate whose backward misbehaves as it is told.
#[derive(Debug)]
struct Faulty(&'static str);

impl Gate for Faulty {
    fn name(&self) -> &'static str {
        "Faulty"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].clone()].into())
    }
    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        match self.0 {
            "too many" => Ok([upstream[0].clone(), None].into_iter().collect()),
            "shape" => Ok([Some(tensor([1.0, 2.0, 3.0]))].into_iter().collect()),
            "reads unsaved" => saved.input(0).map(|x| [Some(x)].into_iter().collect()),
            _ => Ok(needs.none()),
        }
    }
    fn formula(&self) -> Formula {
        Formula::rule("y = x", ["whatever it is told"])
    }
}

/// A gate without a derivative.
#[derive(Debug)]
struct Opaque;

impl Gate for Opaque {
    fn name(&self) -> &'static str {
        "Opaque"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].clone()].into())
    }
    fn formula(&self) -> Formula {
        Formula::rule("y = x", ["none"])
    }
}

#[test]
fn rows_26_and_27_faults_of_users_gates_are_named() {
    for (fault, words) in [
        ("too many", "returned 2 gradients for 1 inputs"),
        ("shape", "returned a gradient of f32[3] for an input of f32[2]"),
        ("reads unsaved", "which its `saves` doesn't name"),
    ] {
        let x = param([1.0, 2.0]);
        let y = Tensor::apply(Faulty(fault), &[&x]).unwrap().sum().unwrap();
        let error = y.backward().unwrap_err();
        assert_eq!(error.gate(), Some("Faulty"));
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.source_line().unwrap().file().ends_with("autograd.rs"));
    }
    let error = Tensor::apply(Opaque, &[&param(1.0)]).unwrap().backward().unwrap_err();
    assert_eq!((error.gate(), error.kind()), (Some("Opaque"), ErrorKind::Autograd));
    assert!(error.to_string().contains("no derivative"), "{error}");
}

#[test]
fn row_28_anomalies_are_named_with_their_line() {
    let line = line!() + 1;
    let error = detect_anomaly(|| param([1.0, 0.0]).log()).unwrap_err();
    assert_eq!((error.kind(), error.gate()), (ErrorKind::Anomaly, Some("Log")));
    assert_eq!(error.source_line().unwrap().line(), line);
    // Backward: the value of √0 is finite, its gradient isn't.
    let x = param([0.0, 1.0]);
    let error = detect_anomaly(|| x.sqrt()?.sum()?.backward()).unwrap_err();
    assert_eq!(error.gate(), Some("Sqrt"));
    assert!(error.to_string().contains("input 0"), "{error}");
    assert!(error.source_line().unwrap().file().ends_with("autograd.rs"));
    assert!(x.sqrt().unwrap().sum().unwrap().backward().is_ok());
}

#[test]
fn row_36_leaves_of_a_tensor() {
    let (x, y) = (param(1.0), param(2.0));
    let z = &x * &y + &x;
    let leaves = z.leaves();
    assert!(leaves.len() == 2 && leaves.iter().any(|l| l.is(&x)) && leaves.iter().any(|l| l.is(&y)));
}

#[test]
fn row_41_conventions_at_kinks() {
    let at = |x: f64, f: fn(&Tensor) -> Result<Tensor>| {
        let x = param(x);
        f(&x).unwrap().backward().unwrap();
        gradient(&x)[0]
    };
    assert_eq!(at(0.0, |x| x.relu()), 0.0);
    assert_eq!(at(0.0, |x| x.abs()), 0.0);
    assert_eq!(at(0.0, |x| x.sqrt()), f64::INFINITY);
    assert_eq!(at(0.0, |x| x.pow(0.0)), 0.0);
    let (a, b) = (param(2.0), param(2.0));
    a.maximum(&b).unwrap().backward().unwrap();
    assert_eq!((gradient(&a), gradient(&b)), (vec![0.5], vec![0.5]));
    let x = param([3.0, 1.0, 3.0]);
    x.max().unwrap().backward().unwrap();
    assert_eq!(gradient(&x), [0.5, 0.0, 0.5]);
}

#[test]
fn row_42_conversions() {
    refused(tensor([1.0, 2.0]).item(), "can't be turned into one number");
    refused(tensor([1.0, 2.0]).to_bool(), "ambiguous");
    assert!(tensor(3).to_bool().unwrap());
    refused(tensor([1.0]).to_vec::<i64>(), "f32, not i64");
}

#[test]
fn row_43_shapes_that_do_not_fit() {
    refused(tensor([1.0, 2.0, 3.0]).add(&tensor([1.0, 2.0, 3.0, 4.0])), "the sizes 3 and 4 at dimension 0");
    let (a, b) = (Tensor::ones([2, 3]), Tensor::ones([2, 3]));
    refused(a.matmul(&b), "3 columns meet 2 rows");
    let panic = std::panic::catch_unwind(|| tensor([1.0, 2.0]) + tensor([1.0, 2.0, 3.0])).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("the sizes 2 and 3"));
}

#[test]
fn row_44_unused_leaves_have_no_gradient() {
    let (x, y) = (param(1.0), param(2.0));
    (&x * 2.0).backward().unwrap();
    assert!(x.grad().is_some() && y.grad().is_none());
    x.zero_grad();
    assert!(x.grad().is_none());
}

#[test]
fn tensors_travel_between_threads() {
    let x = param([1.0, 2.0]);
    let y = &x * 3.0;
    let z = std::thread::spawn(move || y.square().unwrap().sum().unwrap()).join().unwrap();
    z.backward().unwrap();
    assert_eq!(gradient(&x), [18.0, 36.0]);
}

#[test]
fn a_million_gates_deep_on_a_small_stack() {
    let run = || {
        let x = param(0.5);
        let mut y = x.clone();
        for _ in 0..500_000 {
            y = y * 1.000_001;
            y = y + 0.000_001;
        }
        y.backward().unwrap();
        drop(y);
        assert!((gradient(&x)[0] - 1.000_001f64.powi(500_000)).abs() < 0.1);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

/// A gate that holds a tensor, as a user's gate may.
#[derive(Debug)]
struct Holding(#[allow(dead_code)] Tensor);

impl Gate for Holding {
    fn name(&self) -> &'static str {
        "Holding"
    }
    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }
    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].clone()].into())
    }
    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
        Ok(upstream.iter().cloned().collect())
    }
    fn formula(&self) -> Formula {
        Formula::rule("y = x", ["g"])
    }
}

#[test]
fn graphs_inside_gates_are_dropped_without_recursion() {
    let run = || {
        let x = param(0.5);
        let mut held = &x * 2.0;
        for _ in 0..100_000 {
            held = Tensor::apply(Holding(held), &[&x]).unwrap();
        }
        drop(held);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn one_output_is_not_taken_for_all() {
    let sort = chainrule::gate::sort::Sort { dim: 0, descending: false };
    let error = Tensor::apply(sort, &[&tensor([3.0, 1.0])]).unwrap_err();
    assert!(
        error.to_string().starts_with("Sort: the gate has several outputs, and one is wanted"),
        "{error}"
    );
}

#[test]
fn a_gradient_that_repeats_gives_what_one_that_is_written_out_gives() {
    const COUNT: usize = 2 * 3 * 40 * 8;
    let of = |f: &dyn Fn(usize) -> f64| {
        Tensor::from_array(Array::from_vec((0..COUNT).map(f).collect(), [2, 3, 40, 8]).unwrap())
    };
    let gradients = |written_out: bool| {
        let [q, k, v] =
            [0.0, 1.0, 2.0].map(|seed| of(&|i| (i as f64 * 0.7 + seed).sin()).requires_grad_(true).unwrap());
        let weights = q.matmul(&k.transpose(-1, -2).unwrap()).unwrap().softmax(-1).unwrap();
        let out = weights.matmul(&v).unwrap();
        match written_out {
            true => out.backward_with(&of(&|_| 1.0)).unwrap(),
            false => out.sum().unwrap().backward().unwrap(),
        }
        [q, k, v].map(|x| gradient(&x))
    };
    for (repeated, written_out) in gradients(false).iter().zip(gradients(true)) {
        assert_eq!(repeated.len(), COUNT);
        for (a, b) in repeated.iter().zip(written_out) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }
}
