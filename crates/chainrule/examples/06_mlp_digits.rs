//! A multilayer perceptron learns handwritten digits: batches, an optimiser, a schedule, and an honest test.
//!
//! `cargo run --release -p chainrule --example 06_mlp_digits -- --full` learns for 40 epochs instead of 4.

use chainrule::data::{Loader, Scaler, digits};
use chainrule::models::Mlp;
use chainrule::nn::{Activation, Module};
use chainrule::optim::{Adam, Optimizer, Schedule, Scheduler};
use chainrule::{Generator, Result, Tensor, no_grad};

fn main() -> Result<()> {
    let epochs = if std::env::args().any(|argument| argument == "--full") { 40 } else { 4 };

    // A fifth of each digit is never learned from; how pixels are scaled comes from the other part alone.
    let (mut train, mut test) = digits().stratified_split(0.2, 0)?;
    let scaler = Scaler::by_largest(&train);
    (train.features, test.features) = (scaler.apply(&train.features)?, scaler.apply(&test.features)?);

    let net = Mlp::build(&[64, 64, 10], Activation::Relu, &mut Generator::new(0))?;
    println!("{} parameters", net.parameter_count());
    let loader = Loader::new(train, 32).shuffle(0);
    let mut adam = Adam::new(&net.parameters(), 6e-3);
    let cosine = Schedule::Cosine { steps: epochs * loader.len(), minimum: 0.0 };
    let mut scheduler = Scheduler::new(cosine, &mut adam);

    let (x, labels) =
        (Tensor::from_array(test.features), Tensor::from_vec(test.labels.clone(), [test.labels.len()])?);
    for epoch in 0..epochs {
        let mut sum = 0.0;
        for batch in loader.epoch(epoch) {
            let batch = batch?;
            let logits = net.call(&Tensor::from_array(batch.inputs))?;
            let loss = logits.cross_entropy(&Tensor::from_array(batch.targets))?;
            adam.zero_grad();
            loss.backward()?;
            adam.step()?;
            scheduler.step(&mut adam);
            sum += loss.item()?;
        }
        if (epoch + 1) % (epochs / 4) == 0 {
            // Without a graph: nothing is remembered for a backward pass that never comes.
            let answers = no_grad(|| net.call(&x)?.argmax_dim(1, false))?;
            let right = answers.eq(&labels)?.cast(chainrule::DType::F32)?.mean()?.item()?;
            println!(
                "epoch {:>2}: loss {:.4}, test accuracy {:.1} %",
                epoch + 1,
                sum / loader.len() as f64,
                100.0 * right
            );
        }
    }
    Ok(())
}
