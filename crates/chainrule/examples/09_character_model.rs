//! A character model that writes text: a perceptron that guesses the next letter from the eight before it
//! (Bengio et al., 2003), learned from Lewis Carroll's Jabberwocky.
//!
//! `… --example 09_character_model -- --full` learns for longer; the name of a text file takes that text instead.

use chainrule::data::Text;
use chainrule::models::Mlp;
use chainrule::nn::{Activation, Embedding, Flatten, Module, Sequential};
use chainrule::optim::{Adam, Optimizer};
use chainrule::{DType, Generator, Result, Tensor, no_grad};

/// Letters that are seen before one is guessed.
const SEEN: usize = 8;

fn main() -> Result<()> {
    let steps = if std::env::args().any(|argument| argument == "--full") { 3000 } else { 150 };
    let text = match std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        Some(path) => Text::read(path)?,
        None => Text::new(include_str!("../assets/jabberwocky.txt"))?,
    };
    let letters = text.alphabet.len();

    // Each letter becomes ten numbers; eight letters together lead to the logits of the ninth.
    let mut g = Generator::new(0);
    let net = Sequential::new().push(Embedding::new(letters, 10, &mut g)).push(Flatten).push(Mlp::build(
        &[10 * SEEN, 128, letters],
        Activation::Tanh,
        &mut g,
    )?);
    println!("{} letters of {letters} kinds, {} parameters", text.codes.len(), net.parameter_count());

    let mut adam = Adam::new(&net.parameters(), 0.01);
    for step in 0..steps {
        let places = g.randint(0, (text.codes.len() - SEEN) as i64, [64])?.to_i64_vec();
        let seen = places.iter().flat_map(|&i| &text.codes[i as usize..i as usize + SEEN]).copied();
        let next: Vec<i64> = places.iter().map(|&i| text.codes[i as usize + SEEN]).collect();
        let x = Tensor::from_vec(seen.collect::<Vec<_>>(), [64, SEEN])?;
        let loss = net.call(&x)?.cross_entropy(&Tensor::from_vec(next, [64])?)?;
        adam.zero_grad();
        loss.backward()?;
        adam.step()?;
        if (step + 1) % (steps / 3) == 0 {
            println!("step {:>4}: loss {:.3}", step + 1, loss.item()?);
        }
    }

    // Letter after letter, each drawn from what the network expects.
    let mut written = text.codes[..SEEN].to_vec();
    for _ in 0..300 {
        let x = Tensor::from_vec(written[written.len() - SEEN..].to_vec(), [1, SEEN])?;
        let chances = no_grad(|| net.call(&x)?.div(0.8)?.softmax(1))?.to_f64_vec();
        let mut left = g.rand([1], DType::F64).to_f64_vec()[0];
        let drawn = chances.iter().position(|p| {
            left -= p;
            left < 0.0
        });
        written.push(drawn.unwrap_or(letters - 1) as i64);
    }
    println!("\n{}", text.decode(&written)?);
    if steps < 3000 {
        println!("\n(after {steps} steps; --full learns for longer, and writes words)");
    }
    Ok(())
}
