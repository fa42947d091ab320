//! Whole slices by their numbers, and the gradient of that: adding slices up.

use super::{all_places, around, indices, integer_index, plus};
use crate::array::{Array, DType, Meta, Shape, dispatch};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::arith::{f64s, matrix};
use crate::gate::elementwise::expect_inputs;
use crate::gate::macros::documented;
use crate::gate::{
    Context, Entry, Gate, GateRef, Gradients, Linearity, Metas, Needs, Outputs, Sample, Saved, Saves,
};
use crate::kernel::zip::{fill, zip_with};
use crate::tensor::Tensor;

documented! {
    /// Whole slices picked along a dimension; for dimension 0 of a matrix an embedding: rows by their numbers.
    ///
    /// ```
    /// use chainrule::gate::index::IndexSelect;
    /// use chainrule::{tensor, Tensor};
    /// let table = tensor([[0.1, 0.2], [0.3, 0.4]]);
    /// let embed = IndexSelect { dim: 0, embedding: true, padding: None };
    /// assert_eq!(Tensor::apply(embed, &[&table, &tensor([[1, 1, 0]])])?.shape(), [1, 3, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct IndexSelect {
        /// The dimension.
        pub dim: isize,
        /// Whether the index may have any shape, which then takes the dimension's place (an embedding).
        pub embedding: bool,
        /// A row of an embedding whose gradient stays 0.
        pub padding: Option<usize>,
    }
}

impl IndexSelect {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "IndexSelect",
        method: "index_select, embedding",
        doc: IndexSelect::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            let select = |dim| IndexSelect { dim, embedding: false, padding: None };
            let table = IndexSelect { dim: 0, embedding: true, padding: None };
            vec![
                Sample::new(select(1), [x(), indices([2, 0, 2])]),
                Sample::new(select(0), [x(), indices([1])]),
                Sample::new(table, [x(), Array::filled(vec![0, 1, 1, 0], [2, 2].into()).cast(DType::I64)]),
                Sample::new(IndexSelect { padding: Some(1), ..table }, [x(), indices([0, 1])])
                    .at_kink([matrix([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])]),
                Sample::new(IndexSelect { padding: Some(2), ..table }, [x(), indices([0, 1])])
                    .refused(ErrorKind::Index),
                Sample::new(select(0), [Array::scalar(5.0f64), indices([0])]),
                Sample::new(select(0), [Array::scalar(5.0f64), indices([0, 0])]).refused(ErrorKind::Shape),
                Sample::new(select(1), [x(), indices([])]),
                Sample::new(select(1), [x(), indices([-1])]).refused(ErrorKind::Index),
                Sample::new(select(1), [x(), indices([3])]).refused(ErrorKind::Index),
                Sample::new(select(1), [x(), f64s([1.0])]).refused(ErrorKind::DType),
            ]
        },
    };
}

impl Gate for IndexSelect {
    fn name(&self) -> &'static str {
        if self.embedding { "Embedding" } else { "IndexSelect" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 2)?;
        integer_index(&inputs[1])?;
        let (x, index) = (inputs[0].shape, inputs[1].shape);
        let dim = x.dim(self.dim)?;
        if self.embedding && x.rank() != 2 {
            return Err(Error::shape(format!("the table of an embedding is a matrix, not of shape {x}")));
        }
        if let Some(padding) = self.padding.filter(|&row| row >= x.get(dim).copied().unwrap_or(1)) {
            return Err(Error::index(format!(
                "the padding row {padding} isn't one of the table of shape {x}"
            )));
        }
        if !self.embedding && index.rank() > 1 {
            return Err(Error::shape(format!("the index has one dimension, not the shape {index}"))
                .hint("use gather, or embedding"));
        }
        if x.rank() == 0 {
            return match index.elements() {
                1 => Ok([inputs[0]].into()),
                n => Err(Error::shape(format!("a 0-d tensor has one element to select, not {n}"))),
            };
        }
        let mut sizes = x[..dim].to_vec();
        if self.embedding {
            sizes.extend_from_slice(&index)
        } else {
            sizes.push(index.elements())
        }
        sizes.extend_from_slice(&x[dim + 1..]);
        Ok([Meta { dtype: inputs[0].dtype, shape: Shape::new(&sizes)? }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let x = inputs[0].contiguous();
        let dim = x.shape().dim(self.dim)?;
        let (outer, size, inner) = around(x.shape(), dim);
        let rows = all_places(inputs[1], size, dim)?;
        let shape = context.output(0).shape;
        Ok([dispatch!(x.dtype(), T => {
            let values = x.values::<T>();
            Array::made(&shape, |out: &mut [T]| {
                let mut slices = out.chunks_exact_mut(inner.max(1));
                for block in 0..outer {
                    for (row, slice) in rows.iter().zip(&mut slices) {
                        let start = (block * size + row) * inner;
                        slice.copy_from_slice(&values[start..start + inner]);
                    }
                }
            })
        })]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let gate = IndexAdd { dim: self.dim, shape: saved.input_meta(0)?.shape, skipped: self.padding };
        Ok([Some(Tensor::apply(gate, &[g, &saved.input(1)?])?), None].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        // The row for padding has no gradient, though it has a value.
        if self.padding.is_some() { Linearity::None } else { Linearity::Joint }
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = rows of x, by index",
            ["∂L/∂x = rows of g, added up at the indices", "the index has no gradient"],
        )
    }
}

documented! {
    /// Slices added up into zeros of a shape, at indices of a dimension: the gradient of [`IndexSelect`].
    ///
    /// ```
    /// use chainrule::gate::index::IndexAdd;
    /// use chainrule::{tensor, Tensor};
    /// let add = IndexAdd { dim: 0, shape: [3].into(), skipped: None };
    /// let y = Tensor::apply(add, &[&tensor([1.0, 2.0, 3.0]), &tensor([2, 0, 2])])?;
    /// assert_eq!(y.to_string(), "tensor([2., 0., 4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct IndexAdd {
        /// The dimension.
        pub dim: isize,
        /// The shape of the result.
        pub shape: Shape,
        /// An index whose slices are left out.
        pub skipped: Option<usize>,
    }
}

impl IndexAdd {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "IndexAdd",
        method: "(made by backward)",
        doc: IndexAdd::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let gate = IndexAdd { dim: 0, shape: [3, 2].into(), skipped: None };
            vec![Sample::new(gate, [matrix([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), indices([2, 0, 2])])]
        },
    };
}

impl Gate for IndexAdd {
    fn name(&self) -> &'static str {
        "IndexAdd"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 2)?;
        integer_index(&inputs[1])?;
        let (outer, _, inner) = around(&self.shape, self.shape.dim(self.dim)?);
        if inputs[0].shape.elements() != outer * inner * inputs[1].shape.elements() {
            return Err(Error::shape("the slices don't have the size of the result's"));
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: self.shape }].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        let dim = self.shape.dim(self.dim)?;
        let (outer, size, inner) = around(&self.shape, dim);
        let rows = all_places(inputs[1], size, dim)?;
        let source = inputs[0].contiguous();
        Ok([dispatch!(source.dtype(), T => {
            let values = source.values::<T>();
            Array::made(&self.shape, |out: &mut [T]| {
                fill(out, T::default());
                let mut slices = values.chunks_exact(inner.max(1));
                for block in 0..outer {
                    for (&row, slice) in rows.iter().zip(&mut slices) {
                        if Some(row) != self.skipped {
                            let start = (block * size + row) * inner;
                            zip_with(&mut out[start..start + inner], slice, |sum, x| *sum = plus(*sum, x));
                        }
                    }
                }
            })
        })]
        .into())
    }

    fn saves(&self, _needs: &Needs) -> Saves {
        Saves::input(1)
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        let index = saved.input(1)?;
        let mut picked = g.index_select(self.dim, &index.reshape([index.elements()])?)?;
        if let Some(skipped) = self.skipped {
            // Only embeddings skip a row, and their slices are rows.
            let skip = index.reshape([index.elements(), 1])?.eq(skipped as i64)?;
            picked = skip.where_(&picked.zeros_like(), &picked)?;
        }
        Ok([Some(picked.reshape(saved.input_meta(0)?.shape)?), None].into_iter().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule(
            "y = slices of x, added up at the indices",
            ["∂L/∂x = slices of g, by index", "the index has no gradient"],
        )
    }
}

impl Tensor {
    /// Slices picked along a dimension: see [`IndexSelect`].
    ///
    /// # Errors
    /// An index is out of range or not an integer, or the index has several dimensions.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([[1.0, 2.0], [3.0, 4.0]]);
    /// let y = x.index_select(0, &tensor([1, 1]))?;
    /// y.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([[0., 0.],\n        [2., 2.]])");
    /// assert!(x.index_select(0, &tensor([2])).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        Tensor::apply(IndexSelect { dim, embedding: false, padding: None }, &[self, index])
    }

    /// Rows of this table, by an index of any shape; the gradient of row `padding` stays 0: see [`IndexSelect`].
    ///
    /// # Errors
    /// An index is out of range or not an integer, or this is no matrix.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let table = tensor([[0.1, 0.2], [0.3, 0.4]]);
    /// assert_eq!(table.embedding(&tensor([1, 1, 0]), None)?.shape(), [3, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn embedding(&self, index: &Tensor, padding: Option<usize>) -> Result<Tensor> {
        let gate: GateRef = IndexSelect { dim: 0, embedding: true, padding }.into();
        Tensor::apply(gate, &[self, index])
    }
}
