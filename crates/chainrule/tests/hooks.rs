//! Hooks on tensors, nodes, modules and saved values, and walking the graph.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chainrule::nn::{Activation, Hooked, Linear, Module, ModuleHooks, Sequential};
use chainrule::{
    Array, Backward, DType, Error, Generator, Result, Tensor, disable_saved_tensor_hooks, manual_seed,
    no_grad, param, queue_callback, register_any_grad_hook, register_multi_grad_hook, saved_tensor_hooks,
    tensor,
};

#[track_caller]
fn refused<T>(result: Result<T>, part: &str) {
    match result {
        Ok(_) => panic!("it was accepted, and should be refused because of: {part}"),
        Err(error) => assert!(error.to_string().contains(part), "{error}"),
    }
}

fn number(x: Option<&Tensor>) -> Option<f64> {
    x.map(|x| x.item().unwrap())
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn row_23_hooks_run_in_the_measured_order() {
    // Tensor hook, node prehook, node, node hook: for graphs of scalars and of arrays alike.
    for x in [param(3.0), param([3.0, 3.0])] {
        let log = Log::default();
        let y = x.mul(&x).unwrap();
        let (a, b, c) = (log.clone(), log.clone(), log.clone());
        y.register_hook(move |g| {
            a.note(format!("tensor hook {}", g.to_f64_vec()[0]));
            Some(g * 2.0)
        })
        .unwrap();
        let node = y.grad_fn().unwrap();
        node.register_prehook(move |g| {
            b.note(format!("node prehook {}", g[0].as_ref().unwrap().to_f64_vec()[0]));
            Some(vec![g[0].as_ref().map(|g| g * 5.0)])
        });
        let handle = node
            .register_hook(move |inputs, outputs| {
                let first = |x: &Option<Tensor>| x.as_ref().unwrap().to_f64_vec()[0];
                c.note(format!(
                    "node hook {} {} {}",
                    first(&inputs[0]),
                    first(&inputs[1]),
                    first(&outputs[0])
                ));
                Some(vec![inputs[0].clone(), None])
            })
            .unwrap();
        let leaf = log.clone();
        x.register_hook(move |g| {
            leaf.note(format!("leaf hook {}", g.to_f64_vec()[0]));
            None
        })
        .unwrap();
        Backward::of(&[&y]).upstream(&[&y.ones_like()]).retain_graph(true).accumulate().unwrap();
        assert_eq!(
            log.take(),
            ["tensor hook 1", "node prehook 2", "node hook 30 30 10", "leaf hook 30"],
            "{x}"
        );
        handle.remove();
        x.zero_grad();
        y.backward_with(&y.ones_like()).unwrap();
        assert_eq!(log.take(), ["tensor hook 1", "node prehook 2", "leaf hook 60"]);
        assert_eq!(x.grad().unwrap().to_f64_vec()[0], 60.0);
    }
}

#[test]
fn row_23_node_hooks_must_fit_and_leaves_have_prehooks_too() {
    let (x, w) = (param([1.0, 2.0]), param(3.0));
    let run = |pre: Option<Vec<Option<Tensor>>>, post: Option<Vec<Option<Tensor>>>| {
        let y = x.mul(&w).unwrap();
        let node = y.grad_fn().unwrap();
        node.register_prehook(move |_| pre.clone());
        node.register_hook(move |_, _| post.clone()).unwrap();
        y.backward_with(&tensor([1.0, 1.0]))
    };
    refused(run(Some(vec![]), None), "0 gradients in place of 1");
    refused(run(Some(vec![Some(tensor([1.0]))]), None), "must stay");
    refused(run(None, Some(vec![None])), "1 gradients in place of 2");
    // The gradient of the broadcast factor has been summed when the hook sees it.
    refused(run(None, Some(vec![None, Some(tensor([1.0, 1.0]))])), "gradient 1 of f32[]");
    assert!(x.grad().is_none(), "nothing is accumulated by a pass that failed");
    run(None, Some(vec![None, Some(tensor(7.0))])).unwrap();
    assert_eq!((number(w.grad().as_ref()), x.grad().is_none()), (Some(7.0), true));

    // What a prehook takes away counts as zero.
    let y = x.mul(&w).unwrap();
    y.grad_fn().unwrap().register_prehook(|_| Some(vec![None]));
    y.backward_with(&tensor([1.0, 1.0])).unwrap();
    assert_eq!(number(w.grad().as_ref()), Some(7.0));

    let accumulate = w.gradient_edge().unwrap().grad_fn().clone();
    accumulate.register_prehook(|g| Some(vec![g[0].as_ref().map(|g| g * 100.0)]));
    refused(accumulate.register_hook(|_, _| None), "post_accumulate");
    (&w * 2.0).backward().unwrap();
    assert_eq!(number(w.grad().as_ref()), Some(207.0));
}

#[test]
fn row_23_hooks_are_part_of_a_graph_of_the_gradient() {
    // dy/dx = 2x; the hook squares it on its way: d(4x²)/dx = 8x.
    let x = Tensor::new(1.5, DType::F64).unwrap().requires_grad_(true).unwrap();
    let y = x.square().unwrap();
    y.grad_fn()
        .unwrap()
        .register_hook(|inputs, _| Some(vec![inputs[0].as_ref().map(|g| g.square().unwrap())]))
        .unwrap();
    let first = Backward::of(&[&y]).create_graph(true).gradients(&[&x]).unwrap().remove(0).unwrap();
    assert_eq!(first.item().unwrap(), 9.0);
    let second = chainrule::grad(&[&first], &[&x]).unwrap();
    assert_eq!(second[0].item().unwrap(), 12.0);
}

#[test]
fn row_38_backward_runs_the_latest_gate_first() {
    // Two branches of different lengths that meet: whatever the edges' order, the numbers of the nodes descend.
    let log = Log::default();
    let numbers = Arc::new(Mutex::new(Vec::<u64>::new()));
    let watched = |y: Tensor, name: &'static str| {
        let node = y.grad_fn().unwrap();
        let (log, numbers, number) = (log.clone(), numbers.clone(), node.sequence_number().unwrap());
        node.register_prehook(move |_| {
            log.note(name);
            numbers.lock().unwrap().push(number);
            None
        });
        y
    };
    let x = param([0.5, 1.5]);
    x.register_post_accumulate_grad_hook({
        let log = log.clone();
        move |_| log.note("x")
    })
    .unwrap();
    let a = watched(x.exp().unwrap(), "exp");
    let b = watched(x.sin().unwrap(), "sin");
    let c = watched(b.cos().unwrap(), "cos");
    let d = watched(a.tanh().unwrap(), "tanh");
    let late = watched(c.mul(&d).unwrap(), "mul");
    watched(late.sum().unwrap(), "sum").backward().unwrap();
    assert_eq!(log.take(), ["sum", "mul", "tanh", "cos", "sin", "exp", "x"]);
    let numbers = numbers.lock().unwrap();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "{numbers:?}");
}

#[test]
fn row_25_hooks_on_several_tensors() {
    let (x, y, z) = (param(3.0), param(4.0), param(5.0));
    let log = Log::default();
    let inner = &x * &y;
    let (all, any) = (log.clone(), log.clone());
    let first = register_multi_grad_hook(&[&inner, &x, &z], move |g| {
        all.note(format!("all {:?}", g.iter().map(|g| number(g.as_ref())).collect::<Vec<_>>()));
    })
    .unwrap();
    let second = register_any_grad_hook(&[&inner, &x, &z], move |g| {
        any.note(format!("any {}", g.item().unwrap()));
    })
    .unwrap();
    let pass = || Backward::of(&[&(&inner * 10.0)]).retain_graph(true).accumulate().unwrap();
    // z isn't reached: the hook on all runs at the end of the pass; each pass starts anew.
    pass();
    assert_eq!(log.take(), ["any 10", "all [Some(10.0), Some(40.0), None]"]);
    (&inner * &z).backward().unwrap();
    assert_eq!(log.take(), ["any 5", "all [Some(5.0), Some(20.0), Some(12.0)]"]);
    (&y * 2.0).backward().unwrap();
    assert!(log.take().is_empty(), "a pass that reaches none of the tensors calls nothing");
    first.remove();
    second.remove();
    (&x * 2.0).backward().unwrap();
    assert!(log.take().is_empty());
    refused(register_multi_grad_hook(&[&x, &tensor(1.0)], |_| {}), "doesn't require");
    (&x * 2.0).backward().unwrap();
}

#[test]
fn row_25_callbacks_run_at_the_end_of_their_own_pass() {
    let log = Log::default();
    let x = param(3.0);
    let y = &x * 2.0;
    let own = log.clone();
    y.register_hook(move |_| {
        let (own, inside) = (own.clone(), own.clone());
        queue_callback(move || {
            own.note("outer callback");
            Ok(())
        })
        .unwrap();
        // A pass inside a hook has its own end.
        let z = param(1.0);
        let w = chainrule::enable_grad(|| &z * 3.0);
        w.register_hook(move |_| {
            let inside = inside.clone();
            queue_callback(move || {
                inside.note("inner callback");
                Ok(())
            })
            .unwrap();
            None
        })
        .unwrap();
        w.backward().unwrap();
        None
    })
    .unwrap();
    let own = log.clone();
    x.register_post_accumulate_grad_hook(move |_| own.note("accumulated")).unwrap();
    y.backward().unwrap();
    assert_eq!(log.take(), ["inner callback", "accumulated", "outer callback"]);

    // A pass that fails drops what was queued; a callback that fails makes its pass fail.
    let y = x.square().unwrap();
    let z = y.exp().unwrap();
    y.backward().unwrap();
    log.take();
    let own = log.clone();
    z.register_hook(move |_| {
        let own = own.clone();
        queue_callback(move || {
            own.note("never");
            Ok(())
        })
        .unwrap();
        None
    })
    .unwrap();
    refused(z.backward(), "freed");
    assert!(log.take().is_empty());
    let y = &x * 2.0;
    y.register_hook(|_| {
        queue_callback(|| Err(chainrule::Error::argument("enough"))).unwrap();
        None
    })
    .unwrap();
    refused(y.backward(), "enough");
    refused(queue_callback(|| Ok(())), "only while a backward pass runs");
}

#[test]
fn row_35_the_graph_can_be_walked() {
    let (x, w) = (param([1.0, 2.0]), param(3.0));
    let product = x.mul(&w).unwrap();
    let (values, _indices) = product.sort(0, true).unwrap();
    let loss = values.mul(&tensor([1.0, 1.0])).unwrap().sum().unwrap();
    let mut node = loss.grad_fn().unwrap();
    assert_eq!(node.name(), "SumBackward0");
    assert_eq!(node.to_string(), "SumBackward0");
    assert!(node.gate().is_some() && node.variable().is_none());
    let mut names = vec![node.name()];
    let mut numbers = vec![node.sequence_number().unwrap()];
    while let Some(Some(edge)) = node.next_edges().into_iter().next() {
        assert_eq!(edge.output(), 0);
        node = edge.grad_fn().clone();
        names.push(node.name());
        numbers.extend(node.sequence_number());
    }
    assert_eq!(names, ["SumBackward0", "MulBackward0", "SortBackward0", "MulBackward0", "AccumulateGrad"]);
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "inputs were made earlier");
    assert!(node.variable().unwrap().is(&x));
    assert_eq!(node, *x.gradient_edge().unwrap().grad_fn());
    assert!(node.next_edges().is_empty() && node.location().is_none());

    let mul = product.grad_fn().unwrap();
    assert!(mul.location().unwrap().file().ends_with("hooks.rs"));
    assert_eq!(mul.outputs(), [product.meta()]);
    let to_w = mul.next_edges()[1].clone().unwrap();
    assert!(to_w.grad_fn().variable().unwrap().is(&w));
    assert_eq!(to_w.meta(), w.meta());
    let second = values.mul(&tensor([1.0, 1.0])).unwrap().grad_fn().unwrap();
    assert!(second.next_edges()[1].is_none(), "no gradient goes to a constant");
    assert!(x.grad_fn().is_none());
    refused(tensor(1.0).gradient_edge(), "doesn't require");

    // The program's own values on nodes, and on the nodes of leaves.
    mul.set_metadata("layer", "first".to_string());
    mul.set_metadata("layer", "last".to_string());
    assert_eq!(product.grad_fn().unwrap().metadata::<String>("layer").as_deref(), Some("last"));
    assert_eq!(mul.metadata::<u32>("layer"), None);
    node.set_metadata("seen", true);
    assert_eq!(x.gradient_edge().unwrap().grad_fn().metadata::<bool>("seen"), Some(true));
}

#[test]
fn row_35_saved_values_have_names() {
    let (x, w) = (param([1.0, 2.0]), param(3.0));
    let names = |y: &Tensor| -> Vec<String> {
        y.grad_fn().unwrap().saved().unwrap().into_iter().map(|(name, _)| name).collect()
    };
    let product = x.mul(&w).unwrap();
    let saved = product.grad_fn().unwrap().saved().unwrap();
    assert!(saved[0].1.is(&x) && saved[1].1.is(&w));
    assert_eq!(names(&product), ["self", "other"]);
    let e = product.exp().unwrap();
    let saved = e.grad_fn().unwrap().saved().unwrap();
    assert_eq!(saved[0].0, "result");
    assert_eq!(saved[0].1.to_f64_vec(), e.to_f64_vec());
    assert!(saved[0].1.requires_grad(), "a saved output is still part of the graph");
    assert!(names(&x.add(&w).unwrap()).is_empty());
    assert_eq!(names(&w.exp().unwrap()), ["result"], "scalars too");
    e.sum().unwrap().backward().unwrap();
    refused(e.grad_fn().unwrap().saved(), "freed");
}

#[test]
fn row_36_gradients_at_edges_need_no_tensor() {
    let x = param([1.0, 2.0]);
    let (loss, hidden, leaf) = {
        let hidden = x.mul(&x).unwrap();
        (hidden.exp().unwrap().sum().unwrap(), hidden.gradient_edge().unwrap(), x.gradient_edge().unwrap())
    };
    assert_eq!(hidden.meta(), x.meta());
    let found = Backward::of(&[&loss]).gradients_at(&[&hidden, &leaf]).unwrap();
    let e = [1f64.exp(), 4f64.exp()];
    for (gradient, expected) in found.iter().zip([e, [2.0 * e[0], 4.0 * e[1]]]) {
        for (a, b) in gradient.as_ref().unwrap().to_f64_vec().into_iter().zip(expected) {
            assert!((a - b).abs() < 1e-5 * b, "{a} and {b}");
        }
    }
    assert!(x.grad().is_none());
    refused(Backward::of(&[&param(1.0)]).gradients_at(&[&hidden]), "don't depend on input 0");
}

fn ones(g: &Tensor) -> f64 {
    g.to_f64_vec()[0]
}

#[test]
fn row_24_module_hooks_run_in_order_and_replace() {
    let (hooks, log) = (ModuleHooks::new(), Log::default());
    let layer = Linear::new(1, 1, &mut Generator::new(0));
    layer.load_parameters(&[("weight".into(), tensor([[3.0]])), ("bias".into(), tensor([0.0]))]).unwrap();
    let net = Sequential::new().push(Activation::Relu).push(Hooked::new(layer, &hooks));
    let own = log.clone();
    hooks.register_forward_pre_hook(move |module, x| {
        own.note(format!("forward pre {} {}", module.describe().starts_with("Linear"), ones(x)));
        Some(x * 2.0)
    });
    let own = log.clone();
    hooks.register_forward_hook(move |_, x, y| {
        own.note(format!("forward {} {}", ones(x), ones(y)));
        Some(y + 1.0)
    });
    let own = log.clone();
    hooks.register_full_backward_pre_hook(move |name, g| {
        own.note(format!("backward pre {} {}", name.starts_with("Linear"), ones(g)));
        Some(g * 10.0)
    });
    let own = log.clone();
    let last = hooks.register_full_backward_hook(move |_, input, output| {
        own.note(format!("backward {:?} {}", input.map(ones), ones(output)));
        input.map(|g| g * 100.0)
    });
    let x = param([[1.0]]);
    let y = net.call(&x).unwrap();
    assert_eq!(ones(&y), 7.0);
    assert_eq!(log.take(), ["forward pre true 1", "forward 2 6"]);
    y.backward_with(&tensor([[1.0]])).unwrap();
    assert_eq!(log.take(), ["backward pre true 1", "backward Some(30.0) 10"]);
    // 1 × 10 (pre) × 3 (weight) × 100 (hook) × 2 (what the pre-hook did).
    assert_eq!(ones(&x.grad().unwrap()), 6000.0);
    assert_eq!(ones(&net.parameters()[0].grad().unwrap()), 20.0);

    // Without a gradient of the input, the hook still sees that of the output.
    net.call(&tensor([[1.0]])).unwrap().backward_with(&tensor([[1.0]])).unwrap();
    assert_eq!(log.take()[2..], ["backward pre true 1", "backward None 10"]);
    last.remove();
    net.call(&x).unwrap().backward_with(&tensor([[1.0]])).unwrap();
    assert_eq!(log.take()[2..], ["backward pre true 1"]);
    no_grad(|| net.call(&x)).unwrap();
    assert_eq!(log.take().len(), 2);
}

#[test]
fn row_24_hooked_modules_keep_their_names_and_hooks_can_watch_all() {
    let hooks = ModuleHooks::new();
    let mut generator = Generator::new(0);
    let net = Sequential::new()
        .push(Hooked::new(Linear::new(2, 3, &mut generator), &hooks))
        .push(Activation::Tanh)
        .push(Linear::new(3, 1, &mut generator));
    let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
    let summary = chainrule::nn::Summary::of(&net, &Tensor::ones([1, 2])).unwrap();
    assert_eq!(summary.rows.iter().map(|row| &row.name[..]).collect::<Vec<_>>(), ["", "0", "1", "2"]);

    let (all, log) = (ModuleHooks::new(), Log::default());
    let own = log.clone();
    all.register_forward_hook(move |module, _, y| {
        own.note(format!("{} {}", module.describe().split('(').next().unwrap(), y.shape()));
        None
    });
    let own = log.clone();
    all.register_full_backward_hook(move |name, _, _| {
        own.note(format!("back through {}", name.split('(').next().unwrap()));
        None
    });
    let x = Tensor::ones([1, 2]).requires_grad_(true).unwrap();
    let y = all.watch(|| net.call(&x)).unwrap();
    assert_eq!(log.take(), ["Linear [1, 3]", "Tanh [1, 3]", "Linear [1, 1]", "Sequential [1, 1]"]);
    y.backward_with(&tensor([[1.0]])).unwrap();
    assert_eq!(
        log.take(),
        ["back through Linear", "back through Tanh", "back through Linear", "back through Sequential"]
    );
    net.call(&x).unwrap();
    assert!(log.take().is_empty(), "the watch has ended");
    let panics = std::panic::catch_unwind(|| all.watch(|| panic!("inside")));
    assert!(panics.is_err());
    net.call(&x).unwrap();
    assert!(log.take().is_empty(), "also after a panic");
}

/// Gradients of a small network with dropout, sorting and products: every kind of saved value.
fn gradients_of_everything(x: &Tensor, w: &Tensor) -> Vec<Vec<f64>> {
    manual_seed(3);
    let hidden = x.matmul(w).unwrap().tanh().unwrap().dropout(0.4).unwrap();
    let (sorted, _) = hidden.sort(1, false).unwrap();
    let loss = sorted.mul(&hidden).unwrap().softmax(-1).unwrap().square().unwrap().sum().unwrap();
    let gradients = chainrule::grad(&[&loss], &[x, w]).unwrap();
    gradients.iter().map(Tensor::to_f64_vec).collect()
}

#[test]
fn row_29_saved_values_can_be_kept_in_files() {
    /// A file that is deleted with its last owner.
    struct Kept(std::path::PathBuf);
    impl Drop for Kept {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).unwrap();
        }
    }
    let folder = std::env::temp_dir().join(format!("chainrule-saved-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = || std::fs::read_dir(&folder).unwrap().count();
    let x = Tensor::randn([4, 3]).requires_grad_(true).unwrap();
    let w = Tensor::randn([3, 5]).requires_grad_(true).unwrap();
    let plain = gradients_of_everything(&x, &w);
    let (packed, unpacked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let hooks = || {
        let (folder, packed, unpacked) = (folder.clone(), packed.clone(), unpacked.clone());
        saved_tensor_hooks(
            move |x| {
                let file = folder.join(packed.fetch_add(1, Ordering::Relaxed).to_string());
                chainrule::io::save_npy(&file, &x.array())?;
                Ok(Kept(file))
            },
            move |kept: &Kept| {
                unpacked.fetch_add(1, Ordering::Relaxed);
                Ok(Tensor::from_array(chainrule::io::load_npy(&kept.0)?))
            },
        )
        .unwrap()
    };
    let guard = hooks();
    assert_eq!(gradients_of_everything(&x, &w), plain);
    drop(guard);
    let count = packed.load(Ordering::Relaxed);
    assert!(count >= 6 && count == unpacked.load(Ordering::Relaxed), "{count} values were packed");
    assert_eq!(files(), 0, "what a backward pass has freed is gone");

    // Unpacked as often as asked for while the graph is retained; joined to the graph for second derivatives; and
    // dropped with a graph through which no pass went.
    let guard = hooks();
    let y = x.mul(&x).unwrap().exp().unwrap().sum().unwrap();
    drop(guard);
    assert_eq!(files(), 1, "the leaf x isn't packed");
    let exp = y.grad_fn().unwrap().next_edges().remove(0).unwrap().grad_fn().clone();
    assert_eq!(exp.saved().unwrap()[0].1.shape(), [4, 3]);
    let first = Backward::of(&[&y]).create_graph(true).gradients(&[&x]).unwrap().remove(0).unwrap();
    let second = chainrule::grad(&[&first.sum().unwrap()], &[&x]).unwrap().remove(0);
    for (x, second) in x.to_f64_vec().iter().zip(second.to_f64_vec()) {
        let expected = (2.0 + 4.0 * x * x) * (x * x).exp();
        assert!((second - expected).abs() < 1e-4 * expected, "{second} and {expected}");
    }
    drop((y, exp, first));
    assert_eq!(files(), 0);
    std::fs::remove_dir(&folder).unwrap();
}

#[test]
fn row_29_hooks_nest_fail_and_can_be_disabled() {
    let x = param([1.0, 2.0]);
    let y = || x.mul(2.0).unwrap().exp();
    let keep = |_: &Tensor| -> Result<Array> { Err(Error::argument("the disk is full")) };
    let guard = saved_tensor_hooks(keep, |x: &Array| Ok(Tensor::from_array(x.clone()))).unwrap();
    let error = y().unwrap_err();
    assert!(error.to_string().contains("the disk is full") && error.gate() == Some("Exp"), "{error}");
    {
        // The innermost hooks count; those that pack don't pack what they compute themselves.
        let pack = |x: &Tensor| Ok(chainrule::enable_grad(|| x.exp()).unwrap().array());
        let _inner = saved_tensor_hooks(pack, |x: &Array| Tensor::from_array(x.clone()).log()).unwrap();
        let y = y().unwrap();
        y.backward_with(&tensor([1.0, 1.0])).unwrap();
        assert!((x.grad().unwrap().to_f64_vec()[0] - 2.0 * 2f64.exp()).abs() < 1e-4);
    }
    refused(y(), "the disk is full");
    refused(disable_saved_tensor_hooks("not now"), "not now");
    drop(guard);

    // What comes back must be what went in; a failed pass leaves the values for another try.
    let tries = Arc::new(AtomicUsize::new(0));
    let own = tries.clone();
    let guard = saved_tensor_hooks(
        |x| Ok(x.array()),
        move |x: &Array| match own.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Error::argument("try again")),
            1 => Ok(tensor([1.0])),
            _ => Ok(Tensor::from_array(x.clone())),
        },
    )
    .unwrap();
    let y = y().unwrap();
    drop(guard);
    refused(y.backward_with(&tensor([1.0, 1.0])), "try again");
    refused(y.backward_with(&tensor([1.0, 1.0])), "unpacked f32[1] where f32[2] had been packed");
    y.backward_with(&tensor([1.0, 1.0])).unwrap();
    refused(y.backward_with(&tensor([1.0, 1.0])), "freed");

    let guard = disable_saved_tensor_hooks("this part shares its memory").unwrap();
    let pack = |x: &Tensor| Ok(x.array());
    refused(saved_tensor_hooks(pack, |x: &Array| Ok(Tensor::from_array(x.clone()))), "shares its memory");
    drop(guard);
    drop(saved_tensor_hooks(pack, |x: &Array| Ok(Tensor::from_array(x.clone()))).unwrap());
}
