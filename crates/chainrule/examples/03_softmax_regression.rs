//! Linear softmax regression by plain gradient descent: W ← W − γ∇.

use chainrule::models::SoftmaxRegression;
use chainrule::nn::Module;
use chainrule::optim::{Optimizer, Sgd};
use chainrule::{Generator, Result, Tensor, data};

fn main() -> Result<()> {
    let (train, test) = data::digits().stratified_split(0.2, 0)?;
    let scaler = data::Scaler::by_largest(&train);
    let inputs =
        |set: &data::Dataset| Ok::<_, chainrule::Error>(Tensor::from_array(scaler.apply(&set.features)?));
    let labels = |set: &data::Dataset| Tensor::from_vec(set.labels.clone(), [set.len()]);
    let (x, target) = (inputs(&train)?, labels(&train)?);

    let net = SoftmaxRegression::build(train.width(), 10, &mut Generator::new(0))?;
    let mut sgd = Sgd::new(&net.parameters(), 0.5);
    for epoch in 0..100 {
        sgd.zero_grad();
        let loss = net.forward(&x)?.cross_entropy(&target)?;
        loss.backward()?;
        sgd.step()?;
        if epoch % 20 == 19 {
            println!("epoch {:>3}: loss {:.4}", epoch + 1, loss.item()?);
        }
    }
    let answers = net.forward(&inputs(&test)?)?.argmax_dim(1, false)?;
    let right = answers.eq(&labels(&test)?)?.cast(chainrule::DType::F32)?.mean()?.item()?;
    println!("test accuracy {:.1} %", 100.0 * right);
    Ok(())
}
