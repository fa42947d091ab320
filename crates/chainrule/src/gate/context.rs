//! `Context`: what a gate's forward pass is given besides its inputs.

use smallvec::SmallVec;

use crate::array::{Array, Meta};

/// A gate's output values.
pub type Outputs = SmallVec<[Array; 1]>;

/// What a gate's forward pass is given besides its inputs.
#[derive(Debug)]
pub struct Context<'a> {
    outputs: &'a [Meta],
    extras: Vec<Array>,
}

impl<'a> Context<'a> {
    /// A context for a gate whose `infer` promised these outputs.
    #[inline]
    pub fn new(outputs: &'a [Meta]) -> Context<'a> {
        Context { outputs, extras: Vec::new() }
    }

    /// Element type and shape of output `i`, as `infer` promised them.
    #[inline]
    pub fn output(&self, i: usize) -> Meta {
        self.outputs[i]
    }

    /// Keeps a value that is neither input nor output for the backward pass (a mask, indices).
    pub fn save(&mut self, array: Array) {
        self.extras.push(array);
    }

    pub(crate) fn into_extras(self) -> Vec<Array> {
        self.extras
    }
}
