//! Saved-tensor hooks: what gates keep for their backward waits in files instead of memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use chainrule::nn::{Activation, Linear, Module, Sequential};
use chainrule::{Generator, Result, Tensor, disable_saved_tensor_hooks, io, saved_tensor_hooks};

/// A file that is deleted with its last owner: the graph.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn main() -> Result<()> {
    let mut generator = Generator::new(0);
    let net = (0..4).fold(Sequential::new(), |net, _| {
        net.push(Linear::new(64, 64, &mut generator)).push(Activation::Tanh)
    });
    let x = Tensor::randn([32, 64]);

    let folder = std::env::temp_dir().join(format!("chainrule-values-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| chainrule::Error::io(&folder, &e))?;
    let files = || std::fs::read_dir(&folder).map_or(0, Iterator::count);

    let (next, to) = (AtomicUsize::new(0), folder.clone());
    let hooks = saved_tensor_hooks(
        move |x| {
            let file = to.join(format!("{}.npy", next.fetch_add(1, Ordering::Relaxed)));
            io::save_npy(&file, &x.array())?;
            Ok(File(file))
        },
        |file: &File| Ok(Tensor::from_array(io::load_npy(&file.0)?)),
    )?;
    let loss = net.call(&x)?.square()?.mean()?;
    drop(hooks);
    println!("after the forward pass {} values wait in files", files());

    loss.backward()?;
    println!("after the backward pass {} do", files());
    let gradient = net.parameters()[0].grad().map(|g| g.to_f64_vec());

    net.parameters().iter().for_each(Tensor::zero_grad);
    net.call(&x)?.square()?.mean()?.backward()?;
    let plain = net.parameters()[0].grad().map(|g| g.to_f64_vec());
    println!("the gradients are the same numbers: {}", gradient == plain);

    // Code that counts on what gates keep can say so.
    let _guard = disable_saved_tensor_hooks("this part shares its values with another program")?;
    let refused = saved_tensor_hooks(|x| Ok(x.array()), |x| Ok(Tensor::from_array(x.clone())));
    println!("refused: {}", refused.err().map_or_else(String::new, |error| error.to_string()));
    std::fs::remove_dir_all(&folder).map_err(|e| chainrule::Error::io(&folder, &e))
}
