//! Resizing of images.

use chainrule::ops::{Mode, Resize};
use chainrule::{Error, Tensor};

use crate::arguments::{Failure, Outcome};
use crate::table::operators;

fn way(name: &str) -> Outcome<Mode> {
    Ok(match name {
        "nearest" => Mode::Nearest,
        "nearest-exact" => Mode::NearestExact,
        "linear" | "bilinear" | "trilinear" => Mode::Linear,
        "bicubic" => Mode::Cubic,
        "area" => Mode::Area,
        other => return Err(Failure::Unmapped(format!("no way to resize is called {other}"))),
    })
}

/// One number stands for all spatial dimensions.
fn spread<T: Clone>(x: &Tensor, given: Vec<T>) -> Vec<T> {
    if given.len() == 1 { vec![given[0].clone(); x.rank().saturating_sub(2)] } else { given }
}

fn resize(
    x: &Tensor,
    size: Option<Vec<isize>>,
    factor: Option<Vec<f64>>,
    recompute: Option<bool>,
) -> Outcome<Resize> {
    match (size, factor) {
        (Some(size), None) => {
            Ok(Resize::To(spread(x, size).into_iter().map(|n| n.max(0) as usize).collect()))
        }
        (None, Some(factors)) => {
            Ok(Resize::By { factors: spread(x, factors), exact: recompute != Some(true) })
        }
        _ => Err(Error::argument("either sizes or factors are wanted").into()),
    }
}

operators! {
    "nn.functional.interpolate.nearest" | "nn.functional.interpolate.nearest-exact" | "nn.functional.interpolate.linear"
        | "nn.functional.interpolate.bilinear" | "nn.functional.interpolate.trilinear" | "nn.functional.interpolate.bicubic"
        | "nn.functional.interpolate.area"
        (x: Tensor, size: Option<Vec<isize>> = None, scale_factor: Option<Vec<f64>> = None, mode: String = "nearest".into(),
        align_corners: Option<bool> = None, recompute_scale_factor: Option<bool> = None) =>
        x.interpolate(&resize(&x, size, scale_factor, recompute_scale_factor)?, way(&mode)?, align_corners == Some(true));
    "nn.functional.upsample_nearest"(x: Tensor, size: Option<Vec<isize>> = None, scale_factor: Option<Vec<f64>> = None) =>
        x.interpolate(&resize(&x, size, scale_factor, None)?, Mode::Nearest, false);
    "nn.functional.upsample_bilinear"(x: Tensor, size: Option<Vec<isize>> = None, scale_factor: Option<Vec<f64>> = None) =>
        x.interpolate(&resize(&x, size, scale_factor, None)?, Mode::Linear, true);
    "nn.functional.pixel_shuffle"(x: Tensor, upscale_factor: isize) => x.pixel_shuffle(upscale_factor.max(0) as usize);
    "nn.functional.pixel_unshuffle"(x: Tensor, downscale_factor: isize) => x.pixel_unshuffle(downscale_factor.max(0) as usize);
    "nn.functional.channel_shuffle"(x: Tensor, groups: isize) => x.channel_shuffle(groups.max(0) as usize);
}
