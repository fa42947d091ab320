//! How much memory a network keeps, counted.
#![allow(clippy::unwrap_used)]

mod counting;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule::nn::{Activation, Dropout, Linear, Module, Sequential, checkpoint_sequential};
use chainrule::{Generator, Tensor, manual_seed, saved_tensor_hooks};
use counting::{Counting, peak_of};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So many layers with dropout inside, and a batch for them.
fn network(layers: usize) -> (Arc<Sequential>, Tensor) {
    let mut generator = Generator::new(1);
    let net = (0..layers).fold(Sequential::new(), |net, _| {
        net.push(Linear::new(16, 16, &mut generator)).push(Activation::Tanh).push(Dropout::new(0.2).unwrap())
    });
    manual_seed(2);
    (Arc::new(net), Tensor::randn([128, 16]))
}

/// The gradients' bits after a step, and the most bytes that it held.
fn step(net: &Sequential, run: impl Fn() -> Tensor) -> (Vec<Vec<u32>>, usize) {
    manual_seed(3);
    let ((), peak) = peak_of(|| run().square().unwrap().sum().unwrap().backward().unwrap());
    let bits = |parameter: &Tensor| {
        let gradient = parameter.grad().unwrap().to_vec::<f32>().unwrap();
        parameter.zero_grad();
        gradient.iter().map(|x| x.to_bits()).collect()
    };
    (net.parameters().iter().map(bits).collect(), peak)
}

#[test]
fn row_30_checkpoints_of_64_layers_need_a_third_of_the_memory_for_the_same_bits() {
    let (net, x) = network(64);
    let (plain, most) = step(&net, || net.call(&x).unwrap());
    let (checkpointed, least) = step(&net, || checkpoint_sequential(&net, 8, &x).unwrap());
    assert!(plain == checkpointed, "the gradients differ");
    assert!(least * 3 <= most, "{least} bytes with checkpoints, {most} without");
    assert!(least > 8 * x.elements() * 4, "the inputs of eight segments are there at least: {least}");
}

#[test]
fn row_29_values_that_hooks_take_away_are_not_kept() {
    let folder = std::env::temp_dir().join(format!("chainrule-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let steps = |layers: usize| {
        let (net, x) = network(layers);
        let (plain, most) = step(&net, || net.call(&x).unwrap());
        let (next, to) = (AtomicUsize::new(0), folder.clone());
        let guard = saved_tensor_hooks(
            move |x| {
                let file = to.join(next.fetch_add(1, Ordering::Relaxed).to_string());
                chainrule::io::save_npy(&file, &x.array())?;
                Ok(file)
            },
            |file: &PathBuf| Ok(Tensor::from_array(chainrule::io::load_npy(file)?)),
        )
        .unwrap();
        let (on_disk, least) = step(&net, || net.call(&x).unwrap());
        drop(guard);
        assert!(plain == on_disk, "the gradients differ");
        (most, least)
    };
    // Reading and writing need buffers, whatever the depth; what a layer more keeps is the difference.
    let ((most_16, least_16), (most_48, least_48)) = (steps(16), steps(48));
    let (plain, on_disk) = (most_48 - most_16, least_48 - least_16);
    assert!(on_disk * 5 <= plain, "32 layers more keep {on_disk} bytes with values on disk, {plain} without");
    std::fs::remove_dir_all(&folder).unwrap();
}
