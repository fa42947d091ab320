//! Convolutions in f32: by Winograd's method where that is faster and allowed, else as in f64.

use super::phased::Phased;
use super::turned::input_gradient_by;
use super::winograd::{self, Plan};
use super::{Geometry, weight_gradient as direct_weight};
use crate::simd::Level;

fn plan(g: &Geometry) -> Option<Plan> {
    if winograd::winograd() { Plan::of(g) } else { None }
}

fn phased(g: &Geometry) -> Option<Phased> {
    if winograd::winograd() { Phased::of(g) } else { None }
}

/// See [`super::forward`].
pub(crate) fn forward(g: &Geometry, x: &[f32], w: &[f32], b: Option<&[f32]>, out: &mut [f32]) {
    if let Some(plan) = plan(g) {
        winograd::forward(Level::best(), plan, g, x, (w, false), b, out);
    } else if let Some(phased) = phased(g) {
        phased.forward(g, x, w, b, out);
    } else {
        super::forward(g, x, w, b, out);
    }
}

/// See [`super::input_gradient`].
pub(crate) fn input_gradient(g: &Geometry, upstream: &[f32], w: &[f32], b: Option<&[f32]>, out: &mut [f32]) {
    let turned = g.turned();
    match plan(&turned) {
        Some(plan) => winograd::forward(Level::best(), plan, &turned, upstream, (w, true), b, out),
        None => input_gradient_by(forward, g, upstream, w, b, out),
    }
}

/// See [`super::weight_gradient`].
pub(crate) fn weight_gradient(g: &Geometry, x: &[f32], upstream: &[f32], out: &mut [f32]) {
    if let Some(plan) = plan(g) {
        winograd::weight_gradient(Level::best(), plan, g, x, upstream, out);
    } else if let Some(phased) = phased(g) {
        phased.weight_gradient(g, x, upstream, out);
    } else {
        direct_weight(g, x, upstream, out);
    }
}
