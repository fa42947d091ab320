//! A tensor's values as numbers and as text.

use std::fmt;

use super::Tensor;
use crate::array::{Array, Element, PrintOptions};
use crate::error::{Error, Result};

impl Tensor {
    /// The only element, as `f64`.
    ///
    /// # Errors
    /// There isn't exactly one element.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.5, 2.5]]).sum()?.item()?, 4.0);
    /// assert!(tensor([1.5, 2.5]).item().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn item(&self) -> Result<f64> {
        self.hand_out();
        self.with_array(Array::item)
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// `T` isn't the element type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]).t()?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0]);
    /// assert!(x.to_vec::<f64>().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.hand_out();
        self.with_array(Array::to_vec)
    }

    /// The elements in row-major order, converted to `f64` whatever their type.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([true, false]).to_f64_vec(), [1.0, 0.0]);
    /// ```
    pub fn to_f64_vec(&self) -> Vec<f64> {
        self.hand_out();
        self.with_array(Array::to_f64_vec)
    }

    /// The only element as a truth value: anything but 0 is true.
    ///
    /// # Errors
    /// There isn't exactly one element: which of them should decide?
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert!(tensor(3.0).to_bool()?);
    /// assert!(!tensor([0]).to_bool()?);
    /// let error = tensor([1, 1]).to_bool().unwrap_err();
    /// assert!(error.to_string().contains("the truth value of a tensor with 2 elements is ambiguous"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn to_bool(&self) -> Result<bool> {
        if self.elements() != 1 {
            return Err(Error::shape(format!(
                "the truth value of a tensor with {} elements is ambiguous",
                self.elements()
            ))
            .hint("reduce it first, or compare the elements themselves"));
        }
        Ok(self.item()? != 0.0)
    }

    /// The text that PyTorch prints, with other options.
    ///
    /// ```
    /// use chainrule::{param, PrintOptions};
    /// let options = PrintOptions { precision: 2, ..PrintOptions::default() };
    /// assert_eq!(param([0.5, 1.25]).format_with(&options), "tensor([0.50, 1.25], requires_grad=True)");
    /// ```
    pub fn format_with(&self, options: &PrintOptions) -> String {
        let mut suffixes = Vec::new();
        if let Some((node, _)) = self.node() {
            suffixes.push(format!("grad_fn=<{}>", node.gate().grad_fn()));
        } else if self.requires_grad() {
            suffixes.push("requires_grad=True".to_string());
        }
        self.array().format_with_suffixes(options, &suffixes)
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format_with(&PrintOptions::default()))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
