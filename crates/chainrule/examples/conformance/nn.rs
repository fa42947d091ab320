//! Convolutions, pooling, normalisation layers, embeddings.

use chainrule::gate::{AvgPool, Conv, Padding, RunningStatistics, Sizes, Window};
use chainrule::ops::{BagMode, Patches};
use chainrule::{Error, Tensor};

use crate::arguments::{Argument, Failure, Outcome, Rest, Value};
use crate::table::operators;

/// Running mean and variance, where both are given.
fn running<'a>(mean: &'a Option<Tensor>, variance: &'a Option<Tensor>) -> Option<RunningStatistics<'a>> {
    Some(RunningStatistics { mean: mean.as_ref()?, variance: variance.as_ref()? })
}

/// A number that can't be negative.
fn count(n: isize) -> chainrule::Result<usize> {
    Ok(Sizes::signed(&[n])?.given()[0])
}

fn shape(sizes: &[isize]) -> chainrule::Result<Vec<usize>> {
    sizes.iter().map(|&size| count(size)).collect()
}

/// The output sizes of adaptive pooling; one stands for all dimensions, none for the input's own size.
fn wanted(sizes: &[Option<isize>], dims: usize) -> chainrule::Result<Vec<Option<usize>>> {
    let sizes: Vec<Option<usize>> =
        sizes.iter().map(|size| size.map(count).transpose()).collect::<Result<_, _>>()?;
    Ok(if sizes.len() == 1 { vec![sizes[0]; dims] } else { sizes })
}

fn window(
    kernel: &[isize],
    stride: Option<&[isize]>,
    padding: &[isize],
    dilation: &[isize],
    ceil: bool,
) -> chainrule::Result<Window> {
    let window = Window::new(Sizes::signed(kernel)?)
        .padding(Sizes::signed(padding)?)
        .dilation(Sizes::signed(dilation)?)
        .ceil(ceil);
    match stride {
        Some(stride) if !stride.is_empty() => Ok(window.stride(Sizes::signed(stride)?)),
        _ => Ok(window),
    }
}

fn patches(
    kernel: &[isize],
    dilation: &[isize],
    padding: &[isize],
    stride: &[isize],
) -> chainrule::Result<Patches> {
    Ok(Patches::new(Sizes::signed(kernel)?)
        .dilation(Sizes::signed(dilation)?)
        .padding(Sizes::signed(padding)?)
        .stride(Sizes::signed(stride)?))
}

fn conv(stride: &[isize], padding: Padding, dilation: &[isize], groups: isize) -> chainrule::Result<Conv> {
    Ok(Conv::default()
        .stride(Sizes::signed(stride)?)
        .padding(padding)
        .dilation(Sizes::signed(dilation)?)
        .groups(count(groups)?))
}

impl Argument for Padding {
    fn read(value: Value) -> Outcome<Padding> {
        match value {
            Value::Text(name) if name == "same" => Ok(Padding::Same),
            Value::Text(name) if name == "valid" => Ok(Padding::Valid),
            sizes => Ok(Padding::Zeros(Sizes::signed(&Vec::<isize>::read(sizes)?)?)),
        }
    }
}

/// What PyTorch's native operators give beside the result: means, and one over the standard deviations.
fn statistics(
    y: Tensor,
    x: &Tensor,
    dims: &[isize],
    keep: bool,
    eps: f64,
) -> chainrule::Result<(Tensor, Tensor, Tensor)> {
    let mean = x.mean_dim(dims, keep)?;
    let deviation = x.var(dims, 0.0, keep)?.add(eps)?.sqrt()?.reciprocal()?;
    Ok((y, mean, deviation))
}

/// The same for a batch: over all dimensions but the channels', and none outside of training.
fn batch_statistics(
    y: Tensor,
    x: &Tensor,
    training: bool,
    eps: f64,
) -> chainrule::Result<(Tensor, Tensor, Tensor)> {
    let dims: Vec<isize> = (0..x.rank() as isize).filter(|&d| d != 1).collect();
    match training {
        true => statistics(y, x, &dims, false, eps),
        false => {
            let none = Tensor::from_array(chainrule::Array::zeros_of([0], x.dtype()));
            Ok((y, none.clone(), none))
        }
    }
}

/// The sizes that were pooled: those that are told, or the smallest that give what there is.
fn unpooled(
    x: &Tensor,
    dims: usize,
    kernel: &[isize],
    stride: Option<Vec<isize>>,
    padding: &[isize],
    wanted: Option<Vec<isize>>,
) -> chainrule::Result<Vec<usize>> {
    let shape = x.shape();
    let spread = |sizes: &[isize], d: usize| {
        if sizes.len() == 1 { sizes[0] } else { sizes.get(d).copied().unwrap_or(1) }
    };
    let stride = stride.filter(|stride| !stride.is_empty()).unwrap_or_else(|| kernel.to_vec());
    let mut sizes = Vec::new();
    for d in 0..dims {
        let [kernel, stride, padding] = [kernel, &stride, padding].map(|sizes| spread(sizes, d) as i128);
        let size = shape.rank().checked_sub(dims).map_or(0, |lead| shape[lead + d]) as i128;
        let least = (size - 1) * stride - 2 * padding + kernel;
        let told = wanted
            .as_ref()
            .map(|wanted| wanted[wanted.len() - dims.min(wanted.len())..].get(d).copied().unwrap_or(0));
        let size = told.map_or(least, |size| size as i128);
        if (size - least).abs() >= stride {
            return Err(Error::argument(format!("a size of {size} isn't within a stride of {least}"))
                .at_gate("MaxUnpool"));
        }
        sizes.push(count(isize::try_from(size).unwrap_or(isize::MAX))?);
    }
    Ok(sizes)
}

/// Refuses an input that hasn't so many spatial dimensions, as the operator's name says.
fn spatial(x: &Tensor, dims: usize) -> chainrule::Result<&Tensor> {
    if x.rank() == dims + 1 || x.rank() == dims + 2 {
        return Ok(x);
    }
    let rule = format!("[channels, sizes…] with {dims} sizes is expected, with or without a batch");
    Err(Error::shape(rule).with_inputs([x.meta()]))
}

/// The numbers of spatial dimensions are in the operators' names; the calls are otherwise the same.
macro_rules! by_dimensions {
    ($($name:ident = $dims:literal: $conv:literal $transpose:literal $max:literal $avg:literal $adaptive_max:literal $adaptive_avg:literal;)*) => {
        $(pub mod $name {
            use super::*;

            operators! {
                $conv(x: Tensor, weight: Tensor, bias: Option<Tensor> = None, stride: Vec<isize> = vec![1],
                    padding: Padding = Padding::Valid, dilation: Vec<isize> = vec![1], groups: isize = 1) =>
                    x.conv(&weight, bias.as_ref(), conv(&stride, padding, &dilation, groups)?);
                $transpose(x: Tensor, weight: Tensor, bias: Option<Tensor> = None, stride: Vec<isize> = vec![1],
                    padding: Padding = Padding::Valid, output_padding: Vec<isize> = vec![0], groups: isize = 1,
                    dilation: Vec<isize> = vec![1]) =>
                    x.conv_transpose(&weight, bias.as_ref(), conv(&stride, padding, &dilation, groups)?,
                        Sizes::signed(&output_padding)?);
                $max(x: Tensor, kernel_size: Vec<isize>, stride: Option<Vec<isize>> = None, padding: Vec<isize> = vec![0],
                    dilation: Vec<isize> = vec![1], ceil_mode: bool = false, return_indices: bool = false) => {
                    let window = window(&kernel_size, stride.as_deref(), &padding, &dilation, ceil_mode)?;
                    match return_indices {
                        true => x.max_pool_with_indices($dims, window).map(|(y, places)| vec![y, places]),
                        false => x.max_pool($dims, window).map(|y| vec![y]),
                    }
                };
                $avg(x: Tensor, kernel_size: Vec<isize>, stride: Option<Vec<isize>> = None, padding: Vec<isize> = vec![0],
                    ceil_mode: bool = false, count_include_pad: bool = true, divisor_override: Option<isize> = None) => {
                    let window = window(&kernel_size, stride.as_deref(), &padding, &[1], ceil_mode)?;
                    x.avg_pool($dims, AvgPool { window, count_padding: count_include_pad, divisor: divisor_override })
                };
                $adaptive_max(x: Tensor, output_size: Vec<Option<isize>>, return_indices: bool = false) => {
                    let window = Window::adaptive(&wanted(&output_size, $dims)?)?;
                    match return_indices {
                        true => x.max_pool_with_indices($dims, window).map(|(y, places)| vec![y, places]),
                        false => x.max_pool($dims, window).map(|y| vec![y]),
                    }
                };
                $adaptive_avg(x: Tensor, output_size: Vec<Option<isize>>) =>
                    spatial(&x, $dims)?.adaptive_avg_pool(&wanted(&output_size, $dims)?);
            }
        })*
    };
}

by_dimensions! {
    one = 1: "nn.functional.conv1d" "nn.functional.conv_transpose1d" "nn.functional.max_pool1d" "nn.functional.avg_pool1d"
        "nn.functional.adaptive_max_pool1d" "nn.functional.adaptive_avg_pool1d";
    two = 2: "nn.functional.conv2d" "nn.functional.conv_transpose2d" "nn.functional.max_pool2d" "nn.functional.avg_pool2d"
        "nn.functional.adaptive_max_pool2d" "nn.functional.adaptive_avg_pool2d";
    three = 3: "nn.functional.conv3d" "nn.functional.conv_transpose3d" "nn.functional.max_pool3d" "nn.functional.avg_pool3d"
        "nn.functional.adaptive_max_pool3d" "nn.functional.adaptive_avg_pool3d";
}

operators! {
    "nn.functional.layer_norm"(x: Tensor, normalized_shape: Vec<isize>, weight: Option<Tensor> = None,
        bias: Option<Tensor> = None, eps: f64 = 1e-5) =>
        x.layer_norm(&shape(&normalized_shape)?, weight.as_ref(), bias.as_ref(), eps);
    "nn.functional.rms_norm"(x: Tensor, normalized_shape: Vec<isize>, weight: Option<Tensor> = None, eps: Option<f64> = None) =>
        x.rms_norm(&shape(&normalized_shape)?, weight.as_ref(), eps);
    "nn.functional.group_norm"(x: Tensor, num_groups: isize, weight: Option<Tensor> = None, bias: Option<Tensor> = None,
        eps: f64 = 1e-5) =>
        x.group_norm(count(num_groups)?, weight.as_ref(), bias.as_ref(), eps);
    "nn.functional.batch_norm"(x: Tensor, running_mean: Option<Tensor>, running_var: Option<Tensor>,
        weight: Option<Tensor> = None, bias: Option<Tensor> = None, training: bool = false, momentum: f64 = 0.1, eps: f64 = 1e-5) =>
        x.batch_norm(running(&running_mean, &running_var), weight.as_ref(), bias.as_ref(), training, momentum, eps);
    "nn.functional.local_response_norm"(x: Tensor, size: isize, alpha: f64 = 1e-4, beta: f64 = 0.75, k: f64 = 1.0) =>
        x.local_response_norm(count(size)?, alpha, beta, k);
    // An instance is a group of one channel.
    "nn.functional.instance_norm"(x: Tensor, running_mean: Option<Tensor> = None, running_var: Option<Tensor> = None,
        weight: Option<Tensor> = None, bias: Option<Tensor> = None, use_input_stats: bool = true, momentum: f64 = 0.1,
        eps: f64 = 1e-5) => match use_input_stats && (running_mean.is_some() == running_var.is_some()) && !momentum.is_nan() {
        true => x.group_norm(x.shape().get(1).copied().unwrap_or(0), weight.as_ref(), bias.as_ref(), eps),
        false => return Err(Failure::Unmapped("instances are normalised by their own statistics".into())),
    };
    "native_layer_norm"(x: Tensor, normalized_shape: Vec<isize>, weight: Option<Tensor>, bias: Option<Tensor>, eps: f64) => {
        let y = x.layer_norm(&shape(&normalized_shape)?, weight.as_ref(), bias.as_ref(), eps)?;
        let dims: Vec<isize> = (1..=normalized_shape.len() as isize).map(|d| -d).collect();
        statistics(y, &x, &dims, true, eps)
    };
    "native_group_norm"(x: Tensor, weight: Option<Tensor>, bias: Option<Tensor>, n: isize, c: isize, hxw: isize,
        group: isize, eps: f64) => {
        let y = x.group_norm(count(group)?, weight.as_ref(), bias.as_ref(), eps)?;
        let groups = x.reshape([count(n)?, count(group)?, count(c.saturating_mul(hxw))? / count(group)?.max(1)])?;
        statistics(y, &groups, &[-1], false, eps)
    };
    "native_batch_norm"(x: Tensor, weight: Option<Tensor>, bias: Option<Tensor>, running_mean: Option<Tensor>,
        running_var: Option<Tensor>, training: bool, momentum: f64, eps: f64) => {
        let y = x.batch_norm(running(&running_mean, &running_var), weight.as_ref(), bias.as_ref(), training, momentum, eps)?;
        batch_statistics(y, &x, training, eps)
    };
    // With running statistics or, in another overload, without: then the next argument is `training`.
    "_native_batch_norm_legit"(x: Tensor, weight: Option<Tensor>, bias: Option<Tensor>, rest: Rest<Value>) => {
        let (running_mean, running_var, rest) = match rest.0.len() {
            3 => (None, None, &rest.0[..]),
            5 => (Option::read(rest.0[0].clone())?, Option::read(rest.0[1].clone())?, &rest.0[2..]),
            more => return Err(Failure::Unmapped(format!("{more} more arguments"))),
        };
        let training = bool::read(rest[0].clone())?;
        let (momentum, eps) = (f64::read(rest[1].clone())?, f64::read(rest[2].clone())?);
        let y = x.batch_norm(running(&running_mean, &running_var), weight.as_ref(), bias.as_ref(), training, momentum, eps)?;
        batch_statistics(y, &x, training, eps)
    };
    "_batch_norm_with_update"(x: Tensor, weight: Option<Tensor>, bias: Option<Tensor>, running_mean: Option<Tensor>,
        running_var: Option<Tensor>, momentum: f64, eps: f64) => {
        let y = x.batch_norm(running(&running_mean, &running_var), weight.as_ref(), bias.as_ref(), true, momentum, eps)?;
        let (y, mean, deviation) = batch_statistics(y, &x, true, eps)?;
        let reserved = Tensor::from_array(chainrule::Array::zeros_of([0], chainrule::DType::U8));
        Ok::<_, Error>(vec![y, mean, deviation, reserved])
    };
    "native_dropout_backward"(g: Tensor, mask: Tensor, scale: f64) => g.mul(&mask.cast(g.dtype())?)?.mul(scale);
    "nn.functional.embedding_bag"(weight: Tensor, indices: Tensor, offsets: Option<Tensor> = None, mode: BagMode = BagMode::Mean,
        per_sample_weights: Option<Tensor> = None, include_last_offset: bool = false, padding_idx: Option<isize> = None) => {
        // The last offset is the end of the last bag.
        let offsets = match offsets {
            Some(offsets) if include_last_offset => Some(offsets.narrow(0, 0, offsets.elements() as isize - 1)?),
            offsets => offsets,
        };
        let rows = weight.shape().first().copied().unwrap_or(0) as isize;
        let padding = padding_idx.map(|row| count(if row < 0 { row + rows } else { row })).transpose()?;
        weight.embedding_bag(&indices, offsets.as_ref(), mode, per_sample_weights.as_ref(), padding)
    };
    "nn.functional.unfold"(x: Tensor, kernel_size: Vec<isize>, dilation: Vec<isize> = vec![1], padding: Vec<isize> = vec![0],
        stride: Vec<isize> = vec![1]) => x.im2col(patches(&kernel_size, &dilation, &padding, &stride)?);
    "nn.functional.fold"(x: Tensor, output_size: Vec<isize>, kernel_size: Vec<isize>, dilation: Vec<isize> = vec![1],
        padding: Vec<isize> = vec![0], stride: Vec<isize> = vec![1]) => {
        let size = |d: usize| count(output_size[if output_size.len() == 1 { 0 } else { d }]);
        x.col2im([size(0)?, size(1)?], patches(&kernel_size, &dilation, &padding, &stride)?)
    };
    "nn.functional.max_unpool1d" | "nn.functional.max_unpool1d.grad"(x: Tensor, indices: Tensor, kernel_size: Vec<isize>,
        stride: Option<Vec<isize>> = None, padding: Vec<isize> = vec![0], output_size: Option<Vec<isize>> = None) =>
        x.max_unpool(&indices, &unpooled(&x, 1, &kernel_size, stride, &padding, output_size)?);
    "nn.functional.max_unpool2d" | "nn.functional.max_unpool2d.grad"(x: Tensor, indices: Tensor, kernel_size: Vec<isize>,
        stride: Option<Vec<isize>> = None, padding: Vec<isize> = vec![0], output_size: Option<Vec<isize>> = None) =>
        x.max_unpool(&indices, &unpooled(&x, 2, &kernel_size, stride, &padding, output_size)?);
    "nn.functional.max_unpool3d" | "nn.functional.max_unpool3d.grad"(x: Tensor, indices: Tensor, kernel_size: Vec<isize>,
        stride: Option<Vec<isize>> = None, padding: Vec<isize> = vec![0], output_size: Option<Vec<isize>> = None) =>
        x.max_unpool(&indices, &unpooled(&x, 3, &kernel_size, stride, &padding, output_size)?);
    // PyTorch's test calls it with an upstream gradient of ones, and the places as constants.
    "max_pool2d_with_indices_backward"(x: Tensor, kernel_size: Vec<isize>, stride: Option<Vec<isize>> = None,
        padding: Vec<isize> = vec![0], dilation: Vec<isize> = vec![1], ceil_mode: bool = false, return_indices: bool = true) => {
        let _ = return_indices;
        let x = x.detach().requires_grad_(true)?;
        let y = x.max_pool(2, window(&kernel_size, stride.as_deref(), &padding, &dilation, ceil_mode)?)?;
        chainrule::grad(&[&y.sum()?], &[&x]).map(|mut gradients| gradients.remove(0))
    };
    "nn.functional.embedding"(weight: Tensor, indices: Tensor, padding_idx: Option<isize> = None) => {
        let rows = weight.shape().first().copied().unwrap_or(0) as isize;
        let padding = padding_idx.map(|row| count(if row < 0 { row + rows } else { row })).transpose()?;
        weight.embedding(&indices, padding)
    };
}
