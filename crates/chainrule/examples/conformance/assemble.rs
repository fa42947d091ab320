//! Tensors put together out of others.

// Arguments are called as PyTorch calls them.
#![allow(non_snake_case)]

use chainrule::ops::Spacing;
use chainrule::{DType, Error, Slice, Tensor};

use crate::arguments::{Argument, Outcome, Rest, Value, refs};
use crate::table::operators;

/// How far apart samples are: a number, numbers, or places.
struct Steps(Spacing);

impl Argument for Steps {
    fn read(value: Value) -> Outcome<Steps> {
        Ok(Steps(match value {
            Value::None => Spacing::Even(1.0),
            Value::List(items) if items.iter().any(|item| matches!(item, Value::Tensor(_))) => {
                let places: Vec<Tensor> = items.into_iter().map(Tensor::read).collect::<Outcome<_>>()?;
                Spacing::At(places.iter().map(Tensor::to_f64_vec).collect())
            }
            Value::List(items) => Spacing::Each(items.into_iter().map(f64::read).collect::<Outcome<_>>()?),
            number => Spacing::Even(f64::read(number)?),
        }))
    }
}

operators! {
    "select_scatter"(x: Tensor, src: Tensor, dim: isize, index: isize) => x.select_scatter(&src, dim, index);
    "slice_scatter"(x: Tensor, src: Tensor, dim: isize = 0, start: Option<isize> = None, end: Option<isize> = None,
        step: isize = 1) => x.slice_scatter(&src, dim, Slice { start, stop: end, step });
    "diagonal_scatter"(x: Tensor, src: Tensor, offset: isize = 0, dim1: isize = 0, dim2: isize = 1) =>
        x.diagonal_scatter(&src, offset, dim1, dim2);
    "as_strided" | "as_strided_copy" | "as_strided.partial_views"
        (x: Tensor, size: Vec<usize>, stride: Vec<usize>, storage_offset: Option<usize> = None) =>
        x.as_strided(&size, &stride, storage_offset.unwrap_or(0));
    "as_strided_scatter"(x: Tensor, src: Tensor, size: Vec<usize>, stride: Vec<usize>, storage_offset: Option<usize> = None) =>
        x.as_strided_scatter(&src, &size, &stride, storage_offset.unwrap_or(0));
    "block_diag"(tensors: Rest<Tensor>) => Tensor::block_diag(&refs(&tensors.0));
    "cartesian_prod"(tensors: Rest<Tensor>) => Tensor::cartesian_prod(&refs(&tensors.0));
    "combinations"(x: Tensor, r: usize = 2, with_replacement: bool = false) =>
        x.combinations(r, with_replacement);
    "diff"(x: Tensor, n: isize = 1, dim: isize = -1, prepend: Option<Tensor> = None, append: Option<Tensor> = None) => {
        let parts: Vec<&Tensor> = prepend.iter().chain([&x]).chain(append.iter()).collect();
        let whole = if parts.len() == 1 || n == 0 { x.clone() } else { Tensor::cat(&parts, dim)? };
        match usize::try_from(n) {
            Ok(n) => whole.diff(n, dim),
            Err(_) => Err(Error::argument(format!("{n} differences are fewer than none"))),
        }
    };
    "gradient"(x: Tensor, spacing: Steps = Steps(Spacing::Even(1.0)), dim: Option<Vec<isize>> = None, edge_order: usize = 1) =>
        x.gradient(&spacing.0, &dim.unwrap_or_default(), edge_order);
    "double"(x: Tensor) => x.cast(DType::F64);
    "float"(x: Tensor) => x.cast(DType::F32);
    "rot90"(x: Tensor, k: isize = 1, dims: Vec<isize> = vec![0, 1]) => x.rot90(k, &dims);
    "cross"(x: Tensor, other: Tensor, dim: Option<isize> = None) => {
        // By default the first dimension with three elements.
        let first = x.shape().iter().position(|&size| size == 3).map_or(-1, |dim| dim as isize);
        x.cross(&other, dim.unwrap_or(first))
    };
    "sum_to_size"(x: Tensor, size: Rest<usize>) => x.sum_to_size(chainrule::Shape::new(&size.0)?);
    "unsafe_chunk"(x: Tensor, chunks: usize, dim: isize = 0) => x.chunk(chunks, dim);
    "unsafe_split"(x: Tensor, size: usize, dim: isize = 0) => x.split(size, dim);
    "zero_"(x: Tensor) => Ok::<_, Error>(x.zeros_like());
}
