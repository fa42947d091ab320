//! A small transformer writes text: every letter attends to all letters before it.
//!
//! `… --example 10_transformer -- --full` learns from a whole novel, for some minutes; the name of a text file takes that text
//! instead.

use chainrule::data::{Loader, Text, alice};
use chainrule::models::{CharGpt, GptSizes};
use chainrule::nn::Module;
use chainrule::optim::{Adam, AdamOptions, Optimizer, clip_grad_norm};
use chainrule::{Generator, Result, Tensor};

fn main() -> Result<()> {
    let full = std::env::args().any(|argument| argument == "--full");
    let text = match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(path) => Text::read(path)?,
        None if full => alice(),
        None => Text::new(include_str!("../assets/jabberwocky.txt"))?,
    };
    let (length, width, depth, steps) = if full { (96, 128, 3, 3000) } else { (32, 32, 1, 60) };
    let sizes = GptSizes { characters: text.alphabet.len(), length, width, heads: 4, depth };
    let mut g = Generator::new(0);
    let net = CharGpt::new(sizes, &mut g)?;
    println!("{} letters, {} parameters", text.codes.len(), net.parameter_count());

    let mut adam = Adam::with(&net.parameters(), 3e-3, AdamOptions::adamw())?;
    // Every stretch of the text, in another order in each epoch; each of its letters is to be guessed.
    let loader = Loader::new(text.windows(length)?, 16).shuffle(0);
    for (step, batch) in (0..).flat_map(|epoch| loader.epoch(epoch)).take(steps).enumerate() {
        let batch = batch?;
        let logits = net.call(&Tensor::from_array(batch.inputs))?.flatten(0, 1)?;
        let loss = logits.cross_entropy(&Tensor::from_array(batch.targets).flatten(0, 1)?)?;
        adam.zero_grad();
        loss.backward()?;
        clip_grad_norm(&net.parameters(), 1.0, 2.0)?;
        adam.step()?;
        if (step + 1) % (steps / 3) == 0 {
            println!("step {:>4}: loss {:.3}", step + 1, loss.item()?);
        }
    }
    // It goes on from the text's own first letters.
    let beginning = &text.codes[..text.codes.len().min(10)];
    println!("\n{}", text.decode(&net.write(beginning, 300, 0.7, &mut g)?)?);
    if !full {
        println!("\n(after {steps} steps; --full learns for longer, and writes words)");
    }
    Ok(())
}
