//! The linear layer: a product with a transposed matrix and the addition of a bias, as one gate.

use super::walkable;
use crate::array::Float;
use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::arith::{f64s, matrix};
use crate::gate::elementwise::expect_inputs;
use crate::gate::macros::documented;
use crate::gate::{
    Context, Entry, Gate, GateRef, Gradients, Linearity, Metas, Needs, Next, Outputs, Sample, Saved, SavedAs,
    Saves, TorchNode, Use, tuple,
};
use crate::kernel::matmul::Matrix;
use crate::tensor::Tensor;

documented! {
    /// Linear layer `Y = X·Wᵀ + b`, the bias added in place of a second gate.
    ///
    /// X has the shape `[…, in]`, W `[out, in]`, and b `[out]`.
    ///
    /// ```
    /// use chainrule::gate::matmul::Linear;
    /// use chainrule::{tensor, Tensor};
    /// let (x, w, b) =
    ///     (tensor([[1.0, 2.0]]), tensor([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]]), tensor([0.5, 0.5, 0.5]));
    /// assert_eq!(Tensor::apply(Linear, &[&x, &w, &b])?.to_string(), "tensor([[11.5000,  2.5000,  1.5000]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Linear;
}

impl Linear {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Linear",
        method: "linear",
        doc: Linear::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            let x = || matrix([[1.0, 2.0, -1.0], [0.5, -0.3, 2.0]]);
            let w = || matrix([[0.3, -0.2, 0.5], [1.0, 0.4, -0.6]]);
            vec![
                Sample::new(Linear, [x(), w(), f64s([0.1, 0.2])]),
                Sample::new(Linear, [f64s([1.0, 2.0, 3.0]), w(), f64s([0.1, 0.2])]),
                Sample::new(
                    Linear,
                    [
                        Array::zeros_of([2, 0], DType::F64),
                        Array::zeros_of([2, 0], DType::F64),
                        f64s([0.1, 0.2]),
                    ],
                ),
                Sample::new(Linear, [Array::zeros_of([0, 3], DType::F64), w(), f64s([0.1, 0.2])]),
                Sample::new(Linear, [x(), x(), f64s([0.1, 0.2, 0.3])]).refused(ErrorKind::Shape),
            ]
        },
    };
}

impl Gate for Linear {
    fn name(&self) -> &'static str {
        "Linear"
    }

    fn grad_fn(&self) -> String {
        "AddmmBackward0".into()
    }

    /// PyTorch transposes the weight in a node of its own, and flattens batches of rows into one matrix.
    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        let (x, w) = (used.inputs[0].shape, used.inputs[1].shape);
        let (inputs, outputs) = (w[1], w[0]);
        let rows = x.elements() / inputs.max(1);
        let flat = x.rank() != 2;
        let mut product = TorchNode::new(
            self.grad_fn(),
            [Next::Input(2), if flat { Next::Node(2) } else { Next::Input(0) }, Next::Node(0)],
        );
        if used.needs.input(1) {
            let x = if flat { SavedAs::Other(Shape::from([rows, inputs])) } else { SavedAs::Input(0) };
            product = product.saving("mat1", x);
        }
        if used.needs.input(0) {
            product = product.saving("mat2", SavedAs::Other(Shape::from([inputs, outputs])));
        }
        let product = product
            .with("alpha", 1)
            .with("beta", 1)
            .with("mat1_sym_sizes", tuple(&[rows, inputs]))
            .with("mat1_sym_strides", tuple(&[inputs, 1]))
            .with("mat2_sym_sizes", tuple(&[inputs, outputs]))
            .with("mat2_sym_strides", tuple(&[1, inputs]));
        let transpose = TorchNode::new("TBackward0", [Next::Input(1)]);
        let mut nodes = match flat {
            false => vec![product, transpose],
            true => {
                let view = |next| TorchNode::new("ViewBackward0", [next]);
                vec![view(Next::Node(1)), product, view(Next::Input(0)), transpose]
            }
        };
        let transposed = Next::Node(nodes.len() - 1);
        if let Some(last) = nodes[usize::from(flat)].next.last_mut() {
            *last = transposed;
        }
        nodes
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 3)?;
        let (x, w, b) = (&inputs[0].shape, &inputs[1].shape, &inputs[2].shape);
        if inputs.iter().any(|meta| meta.dtype != inputs[0].dtype || !meta.dtype.is_float()) {
            return Err(Error::dtype("a linear layer needs one float type for its input, weight and bias"));
        }
        if w.rank() != 2 || x.rank() == 0 || x[x.rank() - 1] != w[1] {
            return Err(Error::shape(format!(
                "an input of shape {x} doesn't fit a weight of shape {w}: its last size must be the weight's second"
            )));
        }
        if b[..] != [w[0]] {
            return Err(Error::shape(format!(
                "a weight of shape {w} goes with a bias of shape [{}], not {b}",
                w[0]
            )));
        }
        Ok([Meta { dtype: inputs[0].dtype, shape: x.with_size(x.rank() - 1, w[0]) }].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = context.output(0);
        Ok([match dtype {
            DType::F64 => linear::<f64>(inputs, shape),
            _ => linear::<f32>(inputs, shape),
        }]
        .into())
    }

    fn saves(&self, needs: &Needs) -> Saves {
        Saves::input(1).when(needs.input(0)) | Saves::input(0).when(needs.input(1))
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        // The rows of all leading dimensions are one matrix (in a batch of gradients: one each).
        let (outputs, rows) = (saved.output_meta(0).shape, |x: &Tensor| x.flatten_leading());
        let features = outputs[outputs.rank() - 1];
        let one = Shape::trusted(&[outputs[..outputs.rank() - 1].iter().product(), features]);
        let g_rows = || g.reshape(saved.shape_for(g, one)?);
        let x = if needs.input(0) { Some(g.matmul(&saved.input(1)?)?) } else { None };
        let w = if needs.input(1) {
            Some(g_rows()?.transpose(-2, -1)?.matmul(&rows(&saved.input(0)?)?)?)
        } else {
            None
        };
        let b = if needs.input(2) { Some(g_rows()?.sum_dim(&[-2], false)?) } else { None };
        Ok([x, w, b].into_iter().collect())
    }

    fn backward_fused(
        &self,
        saved: &Saved,
        upstream: &[Option<Array>],
        needs: &Needs,
    ) -> Option<Result<Gradients<Array>>> {
        let Some(g) = &upstream[0] else { return Some(Ok(needs.none())) };
        Some(match g.dtype() {
            DType::F64 => linear_gradients::<f64>(saved, g, needs),
            _ => linear_gradients::<f32>(saved, g, needs),
        })
    }

    fn backward_takes_batches(&self) -> bool {
        true
    }

    fn linearity(&self) -> Linearity {
        Linearity::Product
    }

    fn formula(&self) -> Formula {
        Formula::rule("Y = X·Wᵀ + b", ["∂L/∂X = G·W", "∂L/∂W = Gᵀ·X", "∂L/∂b = the sum of G's rows"])
    }

    fn cost(&self, inputs: &[Meta], outputs: &[Meta]) -> u64 {
        outputs[0].shape.elements() as u64 * inputs[1].shape[1] as u64
    }
}

fn linear<T: Float>(inputs: &[&Array], shape: &Shape) -> Array {
    let (x, w, b) = (inputs[0].in_order(), walkable(inputs[1]), inputs[2].in_order());
    let (outputs, k) = (w.shape()[0], w.shape()[1]);
    Array::made(shape, |out| {
        if outputs > 0 {
            let bias = b.values::<T>();
            out.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            let left = Matrix { data: x.values::<T>(), row: k, column: 1 };
            T::product(out.len() / outputs, k, outputs, left, lying(&w).transposed(), out, true);
        }
    })
}

/// A matrix where it lies; see [`walkable`].
fn lying<T: Float>(x: &Array) -> Matrix<'_, T> {
    let buffer = x.buffer::<T>().expect("infer checked the element type");
    let data = &buffer[x.layout().offset.min(buffer.len())..];
    match x.is_contiguous() {
        true => Matrix { data, row: x.shape()[1], column: 1 },
        false => Matrix { data, row: x.strides()[0] as usize, column: x.strides()[1] as usize },
    }
}

/// The gradients of a linear layer: G·W, Gᵀ·X and the sum of G's rows.
fn linear_gradients<T: Float>(saved: &Saved, g: &Array, needs: &Needs) -> Result<Gradients<Array>> {
    let g = g.in_order();
    let leading = g.rank() - 1;
    let outputs = g.shape()[leading];
    let rows = g.shape()[..leading].iter().product();
    fn rows_of<T>(x: &[T], features: usize) -> Matrix<'_, T> {
        Matrix { data: x, row: features, column: 1 }
    }
    let right = rows_of(g.values::<T>(), outputs);
    let x = match needs.input(0) {
        false => None,
        true => {
            let w = saved.input_values(1)?;
            let w = walkable(&w);
            let inputs = w.shape()[1];
            Some(Array::made(&g.shape().with_size(leading, inputs), |out| {
                T::product(rows, outputs, inputs, right, lying(&w), out, false);
            }))
        }
    };
    let w = match needs.input(1) {
        false => None,
        true => {
            let x = saved.input_values(0)?;
            let x = x.in_order();
            let inputs = x.shape()[leading];
            let (left, right) = (right.transposed(), rows_of(x.values::<T>(), inputs));
            Some(Array::made(&Shape::from([outputs, inputs]), |out| {
                T::product(outputs, rows, inputs, left, right, out, false);
            }))
        }
    };
    let b = match needs.input(2) {
        false => None,
        true if rows == 1 => Some(g.reshape(Shape::from([outputs]))?),
        true => {
            let sum = |out: &mut [T]| T::sum_columns(g.values::<T>(), outputs, out);
            Some(Array::made(&Shape::from([outputs]), sum))
        }
    };
    Ok([x, w, b].into())
}

impl Tensor {
    /// All dimensions but the last as one, also where there are no elements to count it by.
    fn flatten_leading(&self) -> Result<Tensor> {
        let shape = self.shape();
        let (last, leading) = shape.split_last().expect("infer refused 0-d operands");
        self.reshape([leading.iter().product(), *last])
    }

    /// Linear layer `X·Wᵀ + b`: see [`Linear`].
    ///
    /// # Errors
    /// The shapes don't fit, or the element types differ.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([[1.0, 2.0]]).linear(&tensor([[1.0, 1.0], [0.0, 1.0]]), Some(&tensor([0.5, 0.5])))?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.5, 2.5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        match bias {
            Some(bias) => Tensor::apply(GateRef::Static(&Linear), &[self, weight, bias]),
            None => self.matmul(&weight.t()?),
        }
    }
}
