//! Reading and writing at indices and masks.

use chainrule::ops::Combine;
use chainrule::{Array, Index, Slice, Tensor};

use crate::arguments::{Argument, Failure, Other, Outcome, Scalar, Value};
use crate::table::operators;

operators! {
    "fill"(x: Tensor, value: Other) => x.fill(value);
    "masked_fill"(x: Tensor, mask: Tensor, value: Other) => x.masked_fill(&mask, value);
    "masked_select"(x: Tensor, mask: Tensor) => x.masked_select(&mask);
    "masked_scatter"(x: Tensor, mask: Tensor, source: Tensor) => x.masked_scatter(&mask, &source);
    "gather"(x: Tensor, dim: isize, index: Tensor) => x.gather(dim, &index);
    "index_select"(x: Tensor, dim: isize, index: Tensor) => x.index_select(dim, &index);
    "index_add"(x: Tensor, dim: isize, index: Tensor, source: Tensor, alpha: f64 = 1.0) =>
        x.index_add(dim, &index, &source, alpha);
    "index_copy"(x: Tensor, dim: isize, index: Tensor, source: Tensor) => x.index_copy(dim, &index, &source);
    "index_fill"(x: Tensor, dim: isize, index: Tensor, value: Other) => x.index_fill(dim, &index, value);
    "scatter_add"(x: Tensor, dim: isize, index: Tensor, src: Tensor) => x.scatter_add(dim, &index, &src);
    "scatter"(x: Tensor, dim: isize, index: Tensor, src: Other, reduce: Option<String> = None) => match src {
        src if reduce.is_some() => {
            let source = chainrule::Operand::with(&src, &x, |src| src.cast(x.dtype())?.expand(index.shape()))?;
            let combine = match reduce.as_deref() { Some("add") => Combine::Sum, _ => Combine::Product };
            x.scatter_reduce(dim, &index, &source, combine, true)
        }
        Other::Tensor(src) if src.rank() > 0 || index.rank() == 0 => x.scatter(dim, &index, &src),
        value => x.scatter_value(dim, &index, value),
    };
    "scatter_reduce.sum" | "scatter_reduce.mean" | "scatter_reduce.amax" | "scatter_reduce.amin" | "scatter_reduce.prod"
        (x: Tensor, dim: isize, index: Tensor, src: Tensor, reduce: String, include_self: bool = true) =>
        x.scatter_reduce(dim, &index, &src, reduce.parse::<Combine>()?, include_self);
    "index_reduce.mean" | "index_reduce.amax" | "index_reduce.amin" | "index_reduce.prod"
        (x: Tensor, dim: isize, index: Tensor, source: Tensor, reduce: String, include_self: bool = true) =>
        x.index_reduce(dim, &index, &source, reduce.parse::<Combine>()?, include_self);
    "take"(x: Tensor, index: Tensor) => x.take(&index);
    "put"(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = false) => x.put(&index, &source, accumulate);
    "take_along_dim"(x: Tensor, indices: Tensor, dim: Option<isize> = None) => match dim {
        Some(dim) => x.take_along_dim(&indices, dim),
        None => x.ravel()?.take_along_dim(&indices.ravel()?, 0),
    };
    "__getitem__"(x: Tensor, index: Indices) => x.index(&index.0);
    "index_put"(x: Tensor, indices: Indices, values: Tensor, accumulate: bool = false) =>
        x.index_put(&indices.0, &values, accumulate);
    "_unsafe_masked_index"(x: Tensor, mask: Tensor, indices: Vec<Tensor>, fill: Scalar) =>
        x.index(&within(&x, &indices)?)?.masked_fill(&mask.eq(0)?, fill);
    "_unsafe_masked_index_put_accumulate"(x: Tensor, mask: Tensor, indices: Vec<Tensor>, values: Tensor) =>
        x.index_put(&within(&x, &indices)?, &values.masked_fill(&mask.eq(0)?, 0)?, true);
    "_segment_reduce.lengths" | "_segment_reduce.offsets"(
        x: Tensor, reduce: String, lengths: Option<Tensor> = None, indices: Option<Tensor> = None,
        offsets: Option<Tensor> = None, axis: isize = 0, r#unsafe: bool = false, initial: Option<f64> = None
    ) => {
        let _ = indices;
        let lengths = match (lengths, offsets) {
            (Some(lengths), None) => lengths,
            (None, Some(offsets)) => offsets.diff(1, -1)?,
            _ => return Err(Failure::Unmapped("lengths and offsets".into())),
        };
        let combine = match reduce.as_str() { "max" => "amax", "min" => "amin", other => other };
        x.segment_reduce(combine.parse::<Combine>()?, &lengths, axis, initial, !r#unsafe)
    };
    "argwhere" | "nonzero"(x: Tensor) => x.nonzero();
}

/// Indices brought into range: those outside are masked.
fn within(x: &Tensor, indices: &[Tensor]) -> chainrule::Result<Vec<Index>> {
    let shape = x.shape();
    let limited = |(index, &size): (&Tensor, &usize)| Ok(Index::Of(index.clamp(0.0, size as f64 - 1.0)?));
    indices.iter().zip(shape.iter()).map(limited).collect()
}

/// What stands in `x[…]`: one index, or a tuple of them.
struct Indices(Vec<Index>);

impl Argument for Indices {
    fn read(value: Value) -> Outcome<Indices> {
        match value {
            Value::List(items) => Ok(Indices(items.into_iter().map(index).collect::<Outcome<_>>()?)),
            other => Ok(Indices(vec![index(other)?])),
        }
    }
}

fn index(value: Value) -> Outcome<Index> {
    Ok(match value {
        Value::Int(i) => Index::At(i as isize),
        Value::None => Index::New,
        Value::Ellipsis => Index::Ellipsis,
        Value::Slice(..) => Index::Range(Slice::read(value)?),
        Value::Tensor(x) => Index::Of(x?),
        Value::List(items) => {
            let numbers: Vec<isize> = items.into_iter().map(isize::read).collect::<Outcome<_>>()?;
            let count = numbers.len();
            Index::Of(Tensor::from_array(Array::from_vec(
                numbers.into_iter().map(|i| i as i64).collect(),
                [count],
            )?))
        }
        other => return Err(Failure::Unmapped(format!("{other:?} is no index"))),
    })
}
