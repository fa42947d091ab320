//! Functions that must depend on what they are differentiated by.

use super::{Values, recorded};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The same function, refusing to be differentiated where an output doesn't depend on an input. Without this the
/// derivative there is 0, as it should be; often it is a mistake, such as a `detach` too many.
///
/// Works with every function of this module. For a Hessian that must not vanish, wrap the gradient:
/// `jacobian(strict(|x| grad(&f, …)), …)`.
///
/// ```
/// use chainrule::{diff, tensor, Tensor};
/// let f = |x: &[Tensor]| x[0].detach().mul(&x[1]);
/// let (x, y) = (tensor(3.0), tensor(4.0));
/// assert_eq!(diff::grad(f, &[&x, &y])?[0].item()?, 0.0);
/// let error = diff::grad(diff::strict(f), &[&x, &y]).unwrap_err();
/// assert!(error.to_string().contains("output 0 of the function doesn't depend on input 0"));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn strict<V: Values>(f: impl Fn(&[Tensor]) -> Result<V>) -> impl Fn(&[Tensor]) -> Result<Vec<Tensor>> {
    move |inputs| {
        let (own, outputs) = recorded(&f, &inputs.iter().collect::<Vec<_>>())?;
        for (o, output) in outputs.iter().enumerate() {
            if !output.requires_grad() {
                return Err(Error::autograd(format!(
                    "output {o} of the function doesn't require a gradient: it wasn't computed from the inputs by gates that have one"
                ))
                .hint("look for detach, no_grad, and gates whose output is an integer"));
            }
            if let Some(i) = own.iter().position(|x| !output.depends_on(x)) {
                return Err(Error::autograd(format!(
                    "output {o} of the function doesn't depend on input {i}"
                ))
                .hint("without `strict` its derivative is 0"));
            }
        }
        Ok(outputs)
    }
}
