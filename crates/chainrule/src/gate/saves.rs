//! What a gate keeps for its backward pass, and how it reads it there.

use smallvec::SmallVec;

use crate::array::{Array, Meta};
use crate::error::{Error, Result};
use crate::tensor::{Node, Shared, Tensor};

/// Which of a gate's inputs need a gradient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs(SmallVec<[bool; 8]>);

impl Needs {
    /// One flag an input.
    pub fn new(flags: impl IntoIterator<Item = bool>) -> Needs {
        Needs(flags.into_iter().collect())
    }

    /// Whether input `i` needs a gradient.
    #[inline]
    pub fn input(&self, i: usize) -> bool {
        self.0.get(i).copied().unwrap_or(false)
    }

    /// Whether any input does.
    #[inline]
    pub fn any(&self) -> bool {
        self.0.contains(&true)
    }

    /// The number of inputs.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No gradient for any input.
    pub fn none<T>(&self) -> super::Gradients<T> {
        self.0.iter().map(|_| None).collect()
    }

    /// Whether the gate has no inputs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// The values a node keeps. Inputs are kept as handles with the version they had; outputs as arrays, which
/// are joined to their node again on use, so that a node never refers to itself.
#[derive(Debug, Default, Clone)]
pub(crate) struct SavedValues {
    pub(crate) inputs: SmallVec<[(u32, u32, Tensor); 2]>,
    pub(crate) outputs: Vec<(u32, Array)>,
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
    node: &'a Shared<Node>,
    values: &'a SavedValues,
}

impl<'a> Saved<'a> {
    pub(crate) fn new(node: &'a Shared<Node>, values: &'a SavedValues) -> Saved<'a> {
        Saved { node, values }
    }

    /// Input `i`, which [`Gate::saves`](super::Gate::saves) must have named.
    ///
    /// # Errors
    /// It wasn't saved, or has been changed in place since.
    pub fn input(&self, i: usize) -> Result<Tensor> {
        let (_, version, tensor) = self
            .values
            .inputs
            .iter()
            .find(|(place, ..)| *place == i as u32)
            .ok_or_else(|| self.missing("input", i))?;
        if tensor.version() != *version {
            return Err(Error::autograd(format!(
                "input {i} ({}), which the backward pass needs, was changed in place: it is at version {}, and was at version {version} in the forward pass",
                tensor.meta(),
                tensor.version()
            ))
            .hint("compute on a copy, or call backward before changing it"));
        }
        Ok(tensor.clone())
    }

    /// The 0-d f32 values of the saved inputs and output, 0 where not saved; `None` where one isn't such a
    /// value.
    ///
    /// # Errors
    /// A saved input has been changed in place since.
    pub(crate) fn scalars(&self) -> Result<Option<([f32; 3], f32)>> {
        let (mut x, mut y) = ([0.0; 3], 0.0);
        for (place, version, tensor) in &self.values.inputs {
            let value = tensor.number();
            let (Some(value), Some(slot)) = (value, x.get_mut(*place as usize)) else { return Ok(None) };
            if tensor.version() != *version {
                self.input(*place as usize)?;
            }
            *slot = value;
        }
        for (_, array) in &self.values.outputs {
            let Some(value) = array.inline_value::<f32>() else { return Ok(None) };
            y = value;
        }
        Ok(Some((x, y)))
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
        Ok(Tensor::rejoin(self.output_array(i)?.clone(), self.node, i))
    }

    /// The values of output `i`.
    ///
    /// # Errors
    /// It wasn't saved.
    pub fn output_array(&self, i: usize) -> Result<&Array> {
        let found = self.values.outputs.iter().find(|(place, _)| *place == i as u32);
        found.map(|(_, array)| array).ok_or_else(|| self.missing("output", i))
    }

    /// The `i`-th array that the forward pass kept with [`Context::save`](super::Context::save).
    ///
    /// # Errors
    /// There are fewer.
    pub fn extra(&self, i: usize) -> Result<&Array> {
        self.values.extras.get(i).ok_or_else(|| self.missing("extra value", i))
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
