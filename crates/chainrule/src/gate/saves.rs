//! What a gate keeps for its backward pass, and how it reads it there.

use smallvec::SmallVec;

use crate::array::{Array, Meta};
use crate::error::{Error, Result};
use crate::tensor::{Kept, NodeRef, Tensor};

/// Which of a gate's inputs need a gradient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    count: usize,
    /// One bit an input; for gates with more than 64 inputs, those after the first 64 stand in `more`.
    bits: u64,
    more: Vec<bool>,
}

impl Needs {
    /// One flag an input.
    pub fn new(flags: impl IntoIterator<Item = bool>) -> Needs {
        let mut needs = Needs { count: 0, bits: 0, more: Vec::new() };
        for flag in flags {
            match needs.count {
                i @ 0..64 => needs.bits |= u64::from(flag) << i,
                _ => needs.more.push(flag),
            }
            needs.count += 1;
        }
        needs
    }

    /// Whether input `i` needs a gradient.
    #[inline]
    pub fn input(&self, i: usize) -> bool {
        match i {
            0..64 => self.bits >> i & 1 == 1,
            _ => self.more.get(i - 64).copied().unwrap_or(false),
        }
    }

    /// Whether any input does.
    #[inline]
    pub fn any(&self) -> bool {
        self.bits != 0 || self.more.contains(&true)
    }

    /// The number of inputs.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// No gradient for any input.
    pub fn none<T>(&self) -> super::Gradients<T> {
        (0..self.count).map(|_| None).collect()
    }

    /// Whether the gate has no inputs.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A set of inputs and outputs of a gate: those that its backward reads.
///
/// ```
/// use chainrule::gate::Saves;
/// let both = Saves::input(0) | Saves::output(0);
/// assert!(both.has_input(0) && both.has_output(0) && !both.has_input(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saves {
    inputs: u64,
    outputs: u64,
}

impl Saves {
    /// Nothing.
    pub const NONE: Saves = Saves { inputs: 0, outputs: 0 };

    /// Input `i` (0 to 63).
    pub const fn input(i: usize) -> Saves {
        Saves { inputs: 1 << i, outputs: 0 }
    }

    /// Output `i` (0 to 63).
    pub const fn output(i: usize) -> Saves {
        Saves { inputs: 0, outputs: 1 << i }
    }

    /// This set where `condition` holds, else nothing.
    pub fn when(self, condition: bool) -> Saves {
        if condition { self } else { Saves::NONE }
    }

    /// Whether input `i` is in the set.
    #[inline]
    pub fn has_input(self, i: usize) -> bool {
        i < 64 && self.inputs >> i & 1 == 1
    }

    /// Whether output `i` is in the set.
    #[inline]
    pub fn has_output(self, i: usize) -> bool {
        i < 64 && self.outputs >> i & 1 == 1
    }
}

impl std::ops::BitOr for Saves {
    type Output = Saves;
    #[inline]
    fn bitor(self, other: Saves) -> Saves {
        Saves { inputs: self.inputs | other.inputs, outputs: self.outputs | other.outputs }
    }
}

/// The values a node keeps. Outputs are kept as arrays, which are joined to their node again on use, so that
/// a node never refers to itself.
#[derive(Debug, Default, Clone)]
pub(crate) struct SavedValues {
    pub(crate) inputs: SmallVec<[(u32, Tensor); 2]>,
    pub(crate) outputs: SmallVec<[(u32, Array); 1]>,
    pub(crate) extras: Vec<Array>,
}

impl SavedValues {
    pub(crate) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty() && self.extras.is_empty()
    }
}

/// What a gate saved, as its backward reads it.
#[derive(Debug)]
pub struct Saved<'a> {
    node: &'a NodeRef,
    kept: &'a Kept,
}

impl<'a> Saved<'a> {
    pub(crate) fn new(node: &'a NodeRef, kept: &'a Kept) -> Saved<'a> {
        Saved { node, kept }
    }

    fn values(&self) -> Option<&'a SavedValues> {
        match self.kept {
            Kept::Values(values) => Some(values),
            Kept::Nothing | Kept::Freed => None,
        }
    }

    /// Input `i`, which [`Gate::saves`](super::Gate::saves) must have named.
    ///
    /// # Errors
    /// It wasn't saved, or has been changed in place since.
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let tensor = match self.node.scalar() {
            Some(scalar) => self.node.edges().get(i).map(|edge| edge.scalar_input(scalar.x[i])),
            None => self.values().and_then(|values| {
                let found = values.inputs.iter().find(|(place, _)| *place == i as u32);
                found.map(|(_, tensor)| tensor.clone())
            }),
        };
        let tensor = tensor.ok_or_else(|| self.missing("input", i))?;
        if let Some((then, now)) = self.node.edges()[i].changed() {
            return Err(Error::autograd(format!(
                "input {i} ({}), which the backward pass needs, was changed in place: it is at version {now}, and was at version {then} in the forward pass",
                tensor.meta(),
            ))
            .hint("compute on a copy, or call backward before changing it"));
        }
        Ok(tensor)
    }

    /// The values of input `i`.
    ///
    /// # Errors
    /// As [`Saved::input`].
    pub fn input_array(&self, i: usize) -> Result<Array> {
        Ok(self.input(i)?.array())
    }

    /// Output `i`, which [`Gate::saves`](super::Gate::saves) must have named, joined to the graph again.
    ///
    /// # Errors
    /// It wasn't saved.
    pub fn output(&self, i: usize) -> Result<Tensor> {
        Ok(Tensor::rejoin(self.output_array(i)?, self.node, i))
    }

    /// The values of output `i`.
    ///
    /// # Errors
    /// It wasn't saved.
    pub fn output_array(&self, i: usize) -> Result<Array> {
        if let (Some(scalar), 0) = (self.node.scalar(), i) {
            return Ok(Array::scalar(scalar.y));
        }
        let outputs = self.values().map(|values| &values.outputs[..]).unwrap_or_default();
        let found = outputs.iter().find(|(place, _)| *place == i as u32);
        found.map(|(_, array)| array.clone()).ok_or_else(|| self.missing("output", i))
    }

    /// The `i`-th array that the forward pass kept with [`Context::save`](super::Context::save).
    ///
    /// # Errors
    /// There are fewer.
    pub fn extra(&self, i: usize) -> Result<&Array> {
        let extras = self.values().map(|values| &values.extras[..]).unwrap_or_default();
        extras.get(i).ok_or_else(|| self.missing("extra value", i))
    }

    /// Element type and shape of an input that needs a gradient.
    ///
    /// # Errors
    /// The input needs none.
    pub fn input_meta(&self, i: usize) -> Result<Meta> {
        self.node.input_meta(i).ok_or_else(|| self.missing("the shape of input", i))
    }

    /// Element type and shape of output `i`.
    pub fn output_meta(&self, i: usize) -> Meta {
        self.node.outputs()[i]
    }

    fn missing(&self, what: &str, i: usize) -> Error {
        Error::autograd(format!("its backward reads {what} {i}, which its `saves` doesn't name"))
    }
}
