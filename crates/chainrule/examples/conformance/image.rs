//! Resizing of images, sampling them at places.

use chainrule::ops::{Mode, Outside, Resize, Sampling};
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
    size: Option<Vec<usize>>,
    factor: Option<Vec<f64>>,
    recompute: Option<bool>,
) -> Outcome<Resize> {
    match (size, factor) {
        (Some(size), None) => Ok(Resize::To(spread(x, size))),
        (None, Some(factors)) => {
            Ok(Resize::By { factors: spread(x, factors), exact: recompute != Some(true) })
        }
        _ => Err(Error::argument("either sizes or factors are wanted").into()),
    }
}

/// Sizes as they are given or from factors, which also say how far apart outputs are.
fn antialiased(
    x: &Tensor,
    sizes: Option<Vec<usize>>,
    aligned: bool,
    factors: Option<Vec<f64>>,
) -> Outcome<Tensor> {
    let factors = factors.map(<[f64; 2]>::try_from).transpose();
    let factors = factors.map_err(|_| Failure::Unmapped("factors for two dimensions".into()))?;
    let shape = x.shape();
    let sizes = match (sizes, factors) {
        (Some(sizes), _) if sizes.len() == 2 => [sizes[0], sizes[1]],
        (None, Some(factors)) if shape.rank() == 4 => {
            [0, 1].map(|d| (shape[d + 2] as f64 * factors[d]) as usize)
        }
        _ => return Err(Failure::Unmapped("sizes or factors for two dimensions".into())),
    };
    Ok(x.interpolate_antialiased(sizes, factors, false, aligned)?)
}

operators! {
    "nn.functional.interpolate.nearest" | "nn.functional.interpolate.nearest-exact" | "nn.functional.interpolate.linear"
        | "nn.functional.interpolate.bilinear" | "nn.functional.interpolate.trilinear" | "nn.functional.interpolate.bicubic"
        | "nn.functional.interpolate.area"
        (x: Tensor, size: Option<Vec<usize>> = None, scale_factor: Option<Vec<f64>> = None, mode: String = "nearest".into(),
        align_corners: Option<bool> = None, recompute_scale_factor: Option<bool> = None) =>
        x.interpolate(&resize(&x, size, scale_factor, recompute_scale_factor)?, way(&mode)?, align_corners == Some(true));
    "nn.functional.upsample_nearest"(x: Tensor, size: Option<Vec<usize>> = None, scale_factor: Option<Vec<f64>> = None) =>
        x.interpolate(&resize(&x, size, scale_factor, None)?, Mode::Nearest, false);
    "nn.functional.upsample_bilinear"(x: Tensor, size: Option<Vec<usize>> = None, scale_factor: Option<Vec<f64>> = None) =>
        x.interpolate(&resize(&x, size, scale_factor, None)?, Mode::Linear, true);
    "_upsample_bilinear2d_aa" | "_upsample_bicubic2d_aa"(
        x: Tensor, output_size: Option<Vec<usize>> = None, align_corners: bool = false, scale_factors: Option<Vec<f64>> = None,
        scales_h: Option<f64> = None, scales_w: Option<f64> = None
    ) => antialiased(&x, output_size, align_corners, scale_factors.or_else(|| Some(vec![scales_h?, scales_w?])));
    "nn.functional.grid_sample"(x: Tensor, grid: Tensor, mode: Sampling = Sampling::Linear,
        padding_mode: Outside = Outside::Zeros, align_corners: Option<bool> = None) =>
        x.grid_sample(&grid, mode, padding_mode, align_corners == Some(true));
    "grid_sampler_2d" | "grid_sampler_3d"(x: Tensor, grid: Tensor, mode: isize, padding: isize, align_corners: bool) => {
        let mode = *[Sampling::Linear, Sampling::Nearest, Sampling::Cubic].get(mode as usize)
            .ok_or_else(|| Failure::Unmapped(format!("the mode {mode}")))?;
        let outside = *[Outside::Zeros, Outside::Border, Outside::Reflection].get(padding as usize)
            .ok_or_else(|| Failure::Unmapped(format!("the padding {padding}")))?;
        x.grid_sample(&grid, mode, outside, align_corners)
    };
    "nn.functional.affine_grid"(theta: Tensor, size: Vec<usize>, align_corners: Option<bool> = None) =>
        theta.affine_grid(&size, align_corners == Some(true));
    "nn.functional.pixel_shuffle"(x: Tensor, upscale_factor: usize) => x.pixel_shuffle(upscale_factor);
    "nn.functional.pixel_unshuffle"(x: Tensor, downscale_factor: usize) => x.pixel_unshuffle(downscale_factor);
    "nn.functional.channel_shuffle"(x: Tensor, groups: usize) => x.channel_shuffle(groups);
}
