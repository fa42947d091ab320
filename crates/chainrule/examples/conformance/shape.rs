//! Views and other shapes of the same elements.

use chainrule::{Error, Slice, Tensor};

use crate::arguments::{Rest, refs};
use crate::table::operators;

operators! {
    "transpose" | "transpose_copy" | "swapaxes"(x: Tensor, dim0: isize, dim1: isize) => x.transpose(dim0, dim1);
    "t" | "t_copy" | "T"(x: Tensor) => x.t();
    "mT" | "H" | "mH"(x: Tensor) => x.mt();
    "permute" | "permute_copy"(x: Tensor, dims: Vec<isize>) => x.permute(&dims);
    "view" | "view_copy" | "reshape"(x: Tensor, shape: Vec<isize>) => x.view(&shape);
    "reshape_as" | "view_as"(x: Tensor, other: Tensor) => x.reshape(other.shape());
    "ravel"(x: Tensor) => x.ravel();
    "flatten"(x: Tensor, start_dim: isize = 0, end_dim: isize = -1) => x.flatten(start_dim, end_dim);
    "unflatten"(x: Tensor, dim: isize, sizes: Vec<isize>) => x.unflatten(dim, &sizes);
    "squeeze" | "squeeze_copy"(x: Tensor, dim: Option<isize> = None) => match dim {
        Some(dim) => x.squeeze(dim),
        None => x.squeeze_all(),
    };
    "squeeze.multiple"(x: Tensor, dim: Vec<isize>) => x.squeeze_dims(&dim);
    "unsqueeze" | "unsqueeze_copy"(x: Tensor, dim: isize) => x.unsqueeze(dim);
    "expand" | "expand_copy" | "broadcast_to"(x: Tensor, size: Vec<isize>) => x.expand_to(&size);
    "expand_as"(x: Tensor, other: Tensor) => x.expand(other.shape());
    "broadcast_tensors"(tensors: Rest<Tensor>) => Tensor::broadcast_tensors(&refs(&tensors.0));
    "clone" | "contiguous" | "alias_copy" | "resolve_conj" | "resolve_neg"(x: Tensor) => x.copy();
    "conj" | "conj_physical" | "real"(x: Tensor) => Ok::<_, Error>(x);
    "select"(x: Tensor, dim: isize, index: isize) => x.select(dim, index);
    "slice"(x: Tensor, dim: isize = 0, start: Option<isize> = None, end: Option<isize> = None, step: isize = 1) =>
        x.slice(dim, Slice { start, stop: end, step });
    "narrow" | "narrow_copy"(x: Tensor, dim: isize, start: Start, length: isize) => match start {
        Start::Number(start) => x.narrow(dim, start, length),
        Start::Tensor(start) => x.narrow_at(dim, &start, length),
    };
    "diagonal" | "diagonal_copy"(x: Tensor, offset: isize = 0, dim1: isize = 0, dim2: isize = 1) =>
        x.diagonal(offset, dim1, dim2);
    "linalg.diagonal"(x: Tensor, offset: isize = 0, dim1: isize = -2, dim2: isize = -1) =>
        x.diagonal(offset, dim1, dim2);
    "diag"(x: Tensor, diagonal: isize = 0) => x.diag(diagonal);
    "diag_embed"(x: Tensor, offset: isize = 0, dim1: isize = -2, dim2: isize = -1) => x.diag_embed(offset, dim1, dim2);
    "diagflat"(x: Tensor, offset: isize = 0) => x.ravel()?.diag_embed(offset, 0, 1);
    "tril"(x: Tensor, diagonal: isize = 0) => x.tril(diagonal);
    "triu"(x: Tensor, diagonal: isize = 0) => x.triu(diagonal);
    "trace"(x: Tensor) => x.trace();
    "flip"(x: Tensor, dims: Vec<isize>) => x.flip(&dims);
    "fliplr"(x: Tensor) => x.fliplr();
    "flipud"(x: Tensor) => x.flipud();
    "roll"(x: Tensor, shifts: Vec<isize>, dims: Vec<isize> = vec![]) => x.roll(&shifts, &dims);
    "movedim"(x: Tensor, source: Vec<isize>, destination: Vec<isize>) => x.movedim(&source, &destination);
    "repeat"(x: Tensor, repeats: Vec<isize>) => x.repeat(&repeats);
    "tile"(x: Tensor, dims: Vec<isize>) => x.tile(&dims);
    "repeat_interleave"(x: Tensor, repeats: Repeats, dim: Option<isize> = None, output_size: Option<isize> = None) => {
        let result = match dim {
            Some(dim) => x.repeat_interleave(&repeats.0, dim),
            None => x.ravel()?.repeat_interleave(&repeats.0, 0),
        }?;
        // The size, where it is told, is only a promise.
        match output_size {
            Some(size) if size != result.shape()[result.shape().dim(dim.unwrap_or(0))?] as isize => {
                Err(Error::argument(format!("the result isn't of size {size}")))
            }
            _ => Ok(result),
        }
    };
    "unfold" | "unfold_copy"(x: Tensor, dimension: isize, size: usize, step: usize) =>
        x.unfold(dimension, size, step);
}

/// The start of a narrowed part: a number or a tensor that holds one.
enum Start {
    Number(isize),
    Tensor(Tensor),
}

impl crate::arguments::Argument for Start {
    fn read(value: crate::arguments::Value) -> crate::arguments::Outcome<Start> {
        match value {
            crate::arguments::Value::Tensor(start) => Ok(Start::Tensor(start?)),
            number => Ok(Start::Number(isize::read(number)?)),
        }
    }
}

/// Numbers of repetitions: one, a list or a tensor.
struct Repeats(Vec<isize>);

impl crate::arguments::Argument for Repeats {
    fn read(value: crate::arguments::Value) -> crate::arguments::Outcome<Repeats> {
        match value {
            crate::arguments::Value::Tensor(times) => {
                Ok(Repeats(times?.array().to_i64_vec().into_iter().map(|n| n as isize).collect()))
            }
            numbers => Ok(Repeats(Vec::read(numbers)?)),
        }
    }
}
