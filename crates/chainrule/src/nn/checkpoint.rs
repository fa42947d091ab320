//! Activation checkpointing of a chain of modules.

use std::sync::Arc;

use super::module::Replacements;
use super::{Module, Sequential};
use crate::diff;
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor};

/// The value of a chain of modules, cut into so many segments of about the same number of modules, of which all but
/// the last keep only their input and are run again in backward: see [`diff::checkpoint`]. √n segments keep the
/// least memory.
///
/// The last segment's values are needed as soon as backward begins, so it keeps them. Modules whose forward changes
/// them (running means of a batch normalisation in training) see each batch twice.
///
/// # Errors
/// There are no segments; and as the modules.
///
/// ```
/// use chainrule::nn::{checkpoint_sequential, Activation, Linear, Module, Sequential};
/// use chainrule::{Generator, Tensor};
/// use std::sync::Arc;
/// let mut generator = Generator::new(0);
/// let net = (0..8).fold(Sequential::new(), |net, _| {
///     net.push(Linear::new(4, 4, &mut generator)).push(Activation::Tanh)
/// });
/// let (net, x) = (Arc::new(net), Tensor::ones([2, 4]));
/// checkpoint_sequential(&net, 4, &x)?.sum()?.backward()?;
/// let gradient = net.parameters()[0].grad().unwrap().to_vec::<f32>()?;
/// net.parameters().iter().for_each(Tensor::zero_grad);
/// net.call(&x)?.sum()?.backward()?;
/// assert_eq!(net.parameters()[0].grad().unwrap().to_vec::<f32>()?, gradient);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[track_caller]
pub fn checkpoint_sequential(net: &Arc<Sequential>, segments: usize, x: &Tensor) -> Result<Tensor> {
    let _line = CallerGuard::here();
    let count = net.children().len();
    if segments == 0 {
        return Err(Error::argument("a chain of modules is cut into at least one segment"));
    }
    let run = |net: &Sequential, first: usize, end: usize, x: &Tensor| {
        let modules = &net.children()[first..end];
        modules.iter().try_fold(x.clone(), |x, (_, module)| module.call(&x))
    };
    let size = (count / segments).max(1);
    let last = count.saturating_sub(1) / size * size;
    let last = last.min((segments - 1) * size);
    let mut x = x.clone();
    for first in (0..last).step_by(size) {
        // The second run must use the same stand-ins for parameters as the first.
        let (net, replaced) = (net.clone(), Replacements::now());
        let segment = move |x: &[Tensor]| {
            let run = || run(&net, first, first + size, &x[0]);
            Ok(vec![replaced.clone().during(run)?])
        };
        x = diff::checkpoint(segment, &[&x])?.pop().unwrap_or(x);
    }
    run(net, last, count, &x)
}
