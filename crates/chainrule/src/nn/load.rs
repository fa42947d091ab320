//! Loading values into a module by name, and what didn't fit.

use std::fmt;

use crate::array::Shape;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// How named values fit a module.
///
/// ```
/// use chainrule::nn::{Linear, LoadReport, Module};
/// use chainrule::{Generator, Tensor};
/// let layer = Linear::new(2, 3, &mut Generator::new(0));
/// let report: LoadReport = layer.load_matching(&[("weight".into(), Tensor::ones([2, 2]))])?;
/// assert_eq!(report.misshaped[0].0, "weight");
/// assert_eq!(
///     report.to_string(),
///     "0 loaded; missing: bias; misshaped: weight (expected [3, 2], given [2, 2])"
/// );
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadReport {
    /// The names that fit.
    pub matched: Vec<String>,
    /// Names that the module has and the values don't.
    pub missing: Vec<String>,
    /// Names that the values have and the module doesn't.
    pub unexpected: Vec<String>,
    /// Names whose shapes differ: the module's shape, and the one given.
    pub misshaped: Vec<(String, Shape, Shape)>,
}

impl LoadReport {
    /// Whether every name of the module was given with its shape, and no other.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{Generator, Tensor};
    /// let layer = Linear::without_bias(2, 3, &mut Generator::new(0));
    /// assert!(layer.load_matching(&[("weight".into(), Tensor::ones([3, 2]))])?.is_complete());
    /// assert!(!layer.load_matching(&[])?.is_complete());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshaped.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misshaped: Vec<String> = self
            .misshaped
            .iter()
            .map(|(name, expected, given)| format!("{name} (expected {expected}, given {given})"))
            .collect();
        write!(f, "{} loaded", self.matched.len())?;
        for (what, names) in
            [("missing", &self.missing), ("unexpected", &self.unexpected), ("misshaped", &misshaped)]
        {
            if !names.is_empty() {
                write!(f, "; {what}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Overwrites a module's tensors by the values of the same name and shape.
///
/// # Errors
/// `strict`, and a name is missing, left over or of another shape: nothing is changed then.
pub(super) fn load(
    own: &[(String, Tensor)],
    values: &[(String, Tensor)],
    strict: bool,
) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    let mut fitting = Vec::new();
    for (name, target) in own {
        match values.iter().find(|(other, _)| other == name) {
            None => report.missing.push(name.clone()),
            Some((_, value)) if value.shape() != target.shape() => {
                report.misshaped.push((name.clone(), target.shape(), value.shape()));
            }
            Some((_, value)) => {
                report.matched.push(name.clone());
                fitting.push((target, value));
            }
        }
    }
    let unknown = |name: &&String| own.iter().all(|(other, _)| other != *name);
    report.unexpected = values.iter().map(|(name, _)| name).filter(unknown).cloned().collect();
    if strict && !report.is_complete() {
        let text = report.to_string();
        let faults = text.split_once("; ").map_or("", |(_, faults)| faults);
        return Err(Error::argument(format!("the parameters don't fit the network; {faults}")));
    }
    fitting.into_iter().try_for_each(|(target, value)| no_grad(|| target.copy_(value)))?;
    Ok(report)
}
