//! Neighbours reduced in groups: segments of a dimension, bags of embeddings.

use super::scatter_reduce::Combine;
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// How the rows of a bag become one: see [`Tensor::embedding_bag`].
///
/// ```
/// use chainrule::ops::BagMode;
/// assert_eq!("max".parse::<BagMode>()?, BagMode::Max);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BagMode {
    /// Their sum
    Sum,
    /// Their mean
    Mean,
    /// The largest of each column
    Max,
}

/// PyTorch's names: `sum`, `mean`, `max`.
impl std::str::FromStr for BagMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<BagMode> {
        match name {
            "sum" => Ok(BagMode::Sum),
            "mean" => Ok(BagMode::Mean),
            "max" => Ok(BagMode::Max),
            _ => {
                Err(Error::argument(format!("\"{name}\" is none of sum, mean, max")).at_gate("EmbeddingBag"))
            }
        }
    }
}

impl Tensor {
    /// Segments of a dimension, of these lengths, reduced to one element each; the shape of `lengths` is that of
    /// this tensor up to the dimension, and then the number of segments.
    ///
    /// Where `exact`, the lengths must fill the dimension; else elements behind the last segment take no part.
    ///
    /// `initial` takes part in every segment (a mean divides by the elements alone). Without one, an empty segment
    /// gives 0 for a sum, NaN for a mean, −∞ and ∞ for the largest and smallest, 1 for a product.
    ///
    /// ```
    /// use chainrule::{ops::Combine, tensor};
    /// let y = tensor([1.0, 2.0, 3.0]).segment_reduce(Combine::Sum, &tensor([2, 0, 1]), 0, None, true)?;
    /// assert_eq!(y.to_string(), "tensor([3., 0., 3.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The lengths aren't integers that fill (or fit into) the dimension, or their shape doesn't fit.
    #[track_caller]
    pub fn segment_reduce(
        &self,
        combine: Combine,
        lengths: &Tensor,
        dim: isize,
        initial: Option<f64>,
        exact: bool,
    ) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("SegmentReduce").with_inputs([self.meta(), lengths.meta()]);
        let shape = self.shape();
        let dim = shape.dim(dim).map_err(refuse)?;
        if shape.rank() <= dim || lengths.rank() != dim + 1 || lengths.shape()[..dim] != shape[..dim] {
            return Err(refuse(Error::shape(
                "the lengths have the tensor's sizes up to the dimension, and then the number of segments",
            )));
        }
        if lengths.dtype().is_float() || lengths.dtype() == DType::Bool || !self.dtype().is_float() {
            return Err(refuse(Error::dtype("the lengths are integers, the elements floats")));
        }
        let (size, segments) = (shape[dim], lengths.shape()[dim]);
        let (lead, rest) = (&shape[..dim], &shape[dim + 1..]);
        let batch: usize = lead.iter().product();
        let counts = lengths.array().to_i64_vec();
        let mut segment_of = Vec::with_capacity(batch * size);
        for counts in counts.chunks(segments.max(1)).take(batch) {
            let before = segment_of.len();
            for (segment, &count) in counts.iter().enumerate() {
                let left = size - (segment_of.len() - before);
                match usize::try_from(count).ok().filter(|&count| count <= left) {
                    Some(count) => segment_of.extend(std::iter::repeat_n(segment as i64, count)),
                    None => {
                        return Err(refuse(Error::argument(format!(
                            "a segment can't have {count} elements"
                        ))));
                    }
                }
            }
            let left = size - (segment_of.len() - before);
            if left > 0 && exact {
                return Err(refuse(Error::argument(format!("the lengths don't add up to {size}"))));
            }
            segment_of.extend(std::iter::repeat_n(segments as i64, left));
        }
        // Without any segment nothing was looped over.
        segment_of.resize(batch * size, segments as i64);
        let wide: usize = rest.iter().product();
        let index =
            Tensor::from_vec(segment_of, [batch, size, 1])?.expand(Shape::new(&[batch, size, wide])?)?;
        let neutral = match combine {
            Combine::Sum | Combine::Mean => 0.0,
            Combine::Product => 1.0,
            Combine::Largest => f64::NEG_INFINITY,
            Combine::Smallest => f64::INFINITY,
        };
        // One segment more, for the elements that are left.
        let start = Meta::new(self.dtype(), Shape::new(&[batch, segments + 1, wide])?);
        let start = Tensor::from_array(Array::constant(initial.unwrap_or(neutral), start));
        let flat = self.reshape(Shape::new(&[batch, size, wide])?)?;
        let kind = if combine == Combine::Mean { Combine::Sum } else { combine };
        let mut y = start.scatter_reduce(1, &index, &flat, kind, true)?.narrow(1, 0, segments as isize)?;
        if combine == Combine::Mean {
            // With an initial value an empty segment keeps it.
            let least = if initial.is_some() { 1 } else { 0 };
            let counts = counts.into_iter().map(|count| count.max(least) as f64).collect();
            let counts = Array::from_vec(counts, Shape::new(&[batch, segments, 1])?)?.cast(self.dtype());
            y = y.div(&Tensor::from_array(counts))?;
        }
        y.reshape(Shape::new(&[lead, &[segments], rest].concat())?)
    }

    /// Rows of this table, reduced bag by bag: `indices` is a matrix of bags, or a vector that `offsets` cut into
    /// bags (the place at which each begins). `weights` multiply the rows of a sum; rows of the index `padding`
    /// take no part.
    ///
    /// ```
    /// use chainrule::{ops::BagMode, tensor};
    /// let table = tensor([[1.0], [10.0], [100.0]]);
    /// let y = table.embedding_bag(&tensor([0, 1, 2]), Some(&tensor([0, 1])), BagMode::Sum, None, None)?;
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 110.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// An index is out of range, the offsets don't begin with 0 or decrease, or weights are given with another mode.
    #[track_caller]
    pub fn embedding_bag(
        &self,
        indices: &Tensor,
        offsets: Option<&Tensor>,
        mode: BagMode,
        weights: Option<&Tensor>,
        padding: Option<usize>,
    ) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("EmbeddingBag").with_inputs([self.meta(), indices.meta()]);
        if !self.dtype().is_float() || self.rank() != 2 {
            return Err(refuse(Error::shape("a table is a matrix of floats")));
        }
        let total = indices.elements();
        let starts: Vec<i64> = match (indices.rank(), offsets) {
            (2, None) => {
                let (bags, length) = (indices.shape()[0], indices.shape()[1]);
                (0..bags).map(|bag| (bag * length) as i64).collect()
            }
            (1, Some(offsets)) if offsets.rank() == 1 && !offsets.dtype().is_float() => {
                offsets.array().to_i64_vec()
            }
            _ => {
                let rule = "indices are a matrix of bags, or a vector with offsets of bags";
                return Err(refuse(Error::shape(rule)));
            }
        };
        let ends = starts.iter().skip(1).copied().chain([total as i64]);
        if starts.first().is_some_and(|&first| first != 0) || starts.iter().zip(ends).any(|(a, b)| *a > b) {
            return Err(refuse(Error::argument(format!(
                "bags begin at 0 and don't overlap, up to the {total} indices; these begin at {starts:?}"
            ))));
        }
        if weights.is_some_and(|w| w.shape() != indices.shape() || mode != BagMode::Sum) {
            return Err(refuse(Error::argument("there is a weight for every index, of a sum")));
        }
        // The bag of every index that isn't padding.
        let flat = indices.ravel()?;
        let numbers = flat.array().to_i64_vec();
        let kept: Vec<i64> = (0..total as i64)
            .filter(|&i| padding.is_none_or(|padding| numbers[i as usize] != padding as i64))
            .collect();
        let bag_of = |i: &i64| starts.partition_point(|start| start <= i) as i64 - 1;
        let bags = Tensor::from_vec(kept.iter().map(bag_of).collect(), [kept.len()])?;
        let kept = Tensor::from_vec(kept, [bags.elements()])?;
        let rows = self.embedding(&flat, padding)?.index_select(0, &kept)?;
        let rows = match weights {
            Some(weights) => rows.mul(&weights.ravel()?.index_select(0, &kept)?.unsqueeze(1)?)?,
            None => rows,
        };
        let width = self.shape()[1];
        let zeros = Meta::new(self.dtype(), Shape::new(&[starts.len(), width])?);
        let zeros = Tensor::from_array(Array::constant(0.0, zeros));
        match mode {
            BagMode::Sum => zeros.index_add(0, &bags, &rows, 1.0),
            BagMode::Mean => {
                let counts = no_grad(|| {
                    let none = zeros.narrow(1, 0, width.min(1) as isize)?;
                    let ones = rows.ones_like().narrow(1, 0, width.min(1) as isize)?;
                    none.index_add(0, &bags, &ones, 1.0)?.clamp_min(1.0)
                })?;
                zeros.index_add(0, &bags, &rows, 1.0)?.div(&counts)
            }
            BagMode::Max => {
                let first = Tensor::from_array(first_largest(&rows, &bags, starts.len())?);
                let none = first.eq(-1)?;
                if rows.elements() == 0 {
                    return Ok(zeros);
                }
                let y = rows.gather(0, &first.clamp_min(0)?)?;
                none.where_(&zeros, &y)
            }
        }
    }
}

/// For each bag and column, the row with the first of the largest elements; −1 for an empty bag. NaN is larger than
/// nothing.
fn first_largest(rows: &Tensor, bags: &Tensor, count: usize) -> Result<Array> {
    let width = rows.shape()[1];
    let (values, bags) = (rows.to_f64_vec(), bags.array().to_i64_vec());
    let mut best = vec![-1i64; count * width];
    for (row, &bag) in bags.iter().enumerate() {
        for column in 0..width {
            let best = &mut best[bag as usize * width + column];
            if *best < 0 || values[row * width + column] > values[*best as usize * width + column] {
                *best = row as i64;
            }
        }
    }
    Array::from_vec(best, [count, width])
}
