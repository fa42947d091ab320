//! A gate by itself: forward and backward as the engine runs them, without tensors and nodes.

use std::borrow::Cow;
use std::panic::Location;

use smallvec::SmallVec;

use super::{Gradients, Place, Values};
use crate::array::{Array, Meta};
use crate::error::{Error, Result};
use crate::gate::{Context, GateRef, Laid, Metas, Needs, Saved, Saves};
use crate::tensor::{array_backward, fitted};

/// A gate with everything about it that is the same in every run.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) gate: GateRef,
    pub(super) inputs: Vec<Place>,
    pub(super) outputs: Vec<Place>,
    pub(super) input_metas: SmallVec<[Meta; 3]>,
    pub(super) output_metas: Metas,
    pub(super) needs: Needs,
    /// What backward reads; nothing where it won't run.
    pub(super) saves: Saves,
    pub(super) location: Option<&'static Location<'static>>,
    /// What the forward pass kept beside inputs and outputs.
    pub(super) extras: Vec<Array>,
}

impl Single {
    pub(super) fn forward(&mut self, values: &mut Values) -> Result<()> {
        let arrays = self.read(values, &self.inputs, |_| true);
        let mut views: SmallVec<[&Array; 3]> = SmallVec::new();
        arrays.iter().flatten().for_each(|array| views.push(array));
        let mut context = Context::new(&self.output_metas);
        let outputs = self.gate.forward(&views, &mut context).map_err(|e| self.at(e))?;
        let extras = context.into_extras();
        let promised = outputs.len() == self.outputs.len()
            && outputs.iter().zip(&self.output_metas).all(|(y, meta)| y.is_a(meta));
        if !promised {
            return Err(self.at(Error::argument("its forward returned other shapes than its infer promised")));
        }
        drop(views);
        drop(arrays);
        for (&place, output) in self.outputs.iter().zip(outputs) {
            values.set(place, output);
        }
        self.extras = if self.needs.any() { extras } else { Vec::new() };
        Ok(())
    }

    pub(super) fn backward(&mut self, values: &Values, gradients: &mut Gradients) -> Result<()> {
        let extras = std::mem::take(&mut self.extras);
        let mut upstream: SmallVec<[Option<Array>; 1]> = SmallVec::new();
        self.outputs.iter().for_each(|&place| upstream.push(gradients.take(place)));
        if !self.needs.any() || upstream.iter().all(Option::is_none) {
            return Ok(());
        }
        let inputs = self.read(values, &self.inputs, |i| self.saves.has_input(i));
        let outputs = self.read(values, &self.outputs, |i| self.saves.has_output(i));
        let laid = Laid {
            inputs: &inputs,
            outputs: &outputs,
            extras: &extras,
            input_metas: &self.input_metas,
            output_metas: &self.output_metas,
        };
        let found = array_backward(&*self.gate, &Saved::of_laid(&laid), &mut upstream, &self.needs);
        let found = found.map_err(|e| self.at(e))?;
        if found.len() != self.inputs.len() {
            return Err(self.at(Error::autograd(format!(
                "its backward returned {} gradients for {} inputs",
                found.len(),
                self.inputs.len()
            ))));
        }
        drop((upstream, inputs, outputs));
        for (i, (&place, gradient)) in self.inputs.iter().zip(found).enumerate() {
            if let (Some(gradient), true) = (gradient, self.needs.input(i)) {
                gradients.add(place, fitted(gradient, &self.input_metas[i]).map_err(|e| self.at(e))?);
            }
        }
        Ok(())
    }

    /// The gate's value from the sum of its input's elements, where it needs no more.
    pub(super) fn of_sum(&self, sum: f32) -> Option<f32> {
        self.gate.of_sum(self.input_metas.first()?, sum)
    }

    /// The gradient of every element of the input, where it is the same number whatever the input is; the output's is 1.
    pub(super) fn slope(&self) -> Option<f32> {
        let nothing = [None, None, None];
        let laid = Laid {
            inputs: &nothing,
            outputs: &nothing,
            extras: &[],
            input_metas: &self.input_metas,
            output_metas: &self.output_metas,
        };
        let upstream = &mut [Some(Array::scalar(1.0f32))];
        let found = array_backward(&*self.gate, &Saved::of_laid(&laid), upstream, &self.needs);
        found.ok()?.into_iter().next()??.repeated()
    }

    /// The values at these places that are wanted.
    fn read<'v>(
        &self,
        values: &'v Values,
        places: &[Place],
        wanted: impl Fn(usize) -> bool,
    ) -> SmallVec<[Option<Cow<'v, Array>>; 3]> {
        let mut all = SmallVec::new();
        for (i, &place) in places.iter().enumerate() {
            all.push(if wanted(i) { values.look(place) } else { None });
        }
        all
    }

    /// Names the gate, and the line of the program that ran it when it was recorded.
    fn at(&self, error: Error) -> Error {
        let error = error.at_gate(self.gate.name()).with_inputs(self.input_metas.iter().copied());
        match self.location {
            Some(location) => error.location(location),
            None => error,
        }
    }
}
