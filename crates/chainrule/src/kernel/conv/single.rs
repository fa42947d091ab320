//! Convolutions in f32: by Winograd's method where that is faster and allowed, else as in f64.

use super::winograd::{self, Plan};
use super::{Geometry, input_gradient as direct_input, weight_gradient as direct_weight};
use crate::kernel::simd::Level;

fn plan(g: &Geometry) -> Option<Plan> {
    if winograd::winograd() { Plan::of(g) } else { None }
}

/// See [`super::forward`].
pub(crate) fn forward(g: &Geometry, x: &[f32], w: &[f32], b: Option<&[f32]>, out: &mut [f32]) {
    match plan(g) {
        Some(plan) => winograd::forward(Level::best(), plan, g, x, (w, false), b, out),
        None => super::forward(g, x, w, b, out),
    }
}

/// See [`super::input_gradient`].
pub(crate) fn input_gradient(g: &Geometry, upstream: &[f32], w: &[f32], b: Option<&[f32]>, out: &mut [f32]) {
    let turned = g.turned();
    match plan(&turned) {
        Some(plan) => winograd::forward(Level::best(), plan, &turned, upstream, (w, true), b, out),
        None => direct_input(g, upstream, w, b, out),
    }
}

/// See [`super::weight_gradient`].
pub(crate) fn weight_gradient(g: &Geometry, x: &[f32], upstream: &[f32], out: &mut [f32]) {
    match plan(g) {
        Some(plan) => winograd::weight_gradient(Level::best(), plan, g, x, upstream, out),
        None => direct_weight(g, x, upstream, out),
    }
}
