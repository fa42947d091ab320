//! The little arithmetic that the engine itself needs: adding gradients, and summing them back to the shape
//! from which an input was broadcast.

use super::{Array, DType, Float, Shape, dispatch_float};
use crate::kernel::pool;

/// `sum[i] += x[i]`, on several threads where there is much to add.
fn add_all<T: Float>(sum: &mut [T], x: &[T]) {
    const GRAIN: usize = 32 * 1024;
    pool::chunks_mut(sum, GRAIN, |start, sum| T::add_assign(sum, &x[start..start + sum.len()]));
}

impl Array {
    /// `self ← self + other`, of the same shape and float type; in place where nobody else holds the
    /// elements.
    pub(crate) fn add_assign(&mut self, other: &Array) {
        debug_assert_eq!(self.meta(), other.meta());
        dispatch_float!(self.dtype(), T => {
            if let (Some(a), Some(b)) = (self.inline_value::<T>(), other.inline_value::<T>()) {
                *self = Array::scalar(a + b);
                return;
            }
            // Shared or strided elements are added into fresh memory, which saves copying them first.
            let other = other.contiguous();
            if let Some(sum) = self.is_unique().then(|| self.make_mut::<T>()).flatten() {
                add_all(sum, other.values::<T>());
            } else {
                let mut sum = self.copied();
                if let Some(sum) = sum.make_mut::<T>() {
                    add_all(sum, other.values::<T>());
                }
                *self = sum;
            }
        }, otherwise => {})
    }

    /// Sums over the dimensions in which `shape`, which broadcasts to this array's, is smaller.
    pub(crate) fn sum_to(&self, shape: &Shape) -> Array {
        if self.shape() == shape {
            return self.clone();
        }
        let added = self.rank() - shape.rank();
        let summed = |dim: usize| dim < added || (shape[dim - added] == 1 && self.shape()[dim] != 1);
        let reduced = self.sum_dims(&(0..self.rank()).filter(|&d| summed(d)).collect::<Vec<_>>());
        reduced.reshape(*shape).expect("the summed dimensions are those in which the shapes differ")
    }

    /// Sums over these dimensions (in ascending order), which disappear; of a float type.
    pub(crate) fn sum_dims(&self, dims: &[usize]) -> Array {
        let kept: Vec<usize> = (0..self.rank()).filter(|d| !dims.contains(d)).collect();
        let sizes: Vec<usize> = kept.iter().map(|&d| self.shape()[d]).collect();
        let shape = Shape::trusted(&sizes);
        match self.dtype() {
            DType::F64 => self.sum_dims_of::<f64>(dims, &kept, shape),
            _ => self.sum_dims_of::<f32>(dims, &kept, shape),
        }
    }

    fn sum_dims_of<T: Float>(&self, dims: &[usize], kept: &[usize], shape: Shape) -> Array {
        let source = self.cast(T::DTYPE);
        let mut out = crate::kernel::memory::take::<T>(shape.elements());
        let count: usize = dims.iter().map(|&d| self.shape()[d]).product();
        if dims.iter().enumerate().all(|(i, &d)| i == d) {
            // The summed dimensions come first: columns are summed.
            T::sum_columns(source.contiguous().values::<T>(), shape.elements(), &mut out);
        } else if dims.windows(2).all(|pair| pair[1] == pair[0] + 1)
            && kept.last().is_some_and(|last| dims.last() < Some(last))
            && source.is_contiguous()
        {
            // They lie between others: columns are summed, block by block.
            let inner: usize = self.shape()[dims[dims.len() - 1] + 1..].iter().product();
            let values = source.values::<T>();
            crate::kernel::pool::chunks_mut(&mut out, inner.max(1), |start, out| {
                let block = start / inner * count * inner;
                T::sum_columns(&values[block..block + count * inner], inner, out);
            });
        } else {
            let order: Vec<usize> = kept.iter().chain(dims).copied().collect();
            let moved = source.with_layout(source.0.layout.permute(&order)).contiguous();
            if shape.elements() > 0 {
                T::sum_rows(moved.values::<T>(), count, &mut out);
            }
        }
        Array::filled(out, shape)
    }
}
