//! Joining and splitting.

use chainrule::{Sections, Tensor};

use crate::arguments::{Argument, Outcome, Rest, Tensors, Value, refs};
use crate::table::operators;

operators! {
    "cat"(tensors: Tensors, dim: isize = 0) => Tensor::cat(&refs(&tensors.0), dim);
    "stack"(tensors: Tensors, dim: isize = 0) => Tensor::stack(&refs(&tensors.0), dim);
    "hstack"(tensors: Tensors) => Tensor::hstack(&refs(&tensors.0));
    "vstack"(tensors: Tensors) => Tensor::vstack(&refs(&tensors.0));
    "dstack"(tensors: Tensors) => Tensor::dstack(&refs(&tensors.0));
    "column_stack"(tensors: Tensors) => Tensor::column_stack(&refs(&tensors.0));
    "atleast_1d"(tensors: Rest<Tensor>) => tensors.0.iter().map(Tensor::atleast_1d).collect::<chainrule::Result<Vec<_>>>();
    "atleast_2d"(tensors: Rest<Tensor>) => tensors.0.iter().map(Tensor::atleast_2d).collect::<chainrule::Result<Vec<_>>>();
    "atleast_3d"(tensors: Rest<Tensor>) => tensors.0.iter().map(Tensor::atleast_3d).collect::<chainrule::Result<Vec<_>>>();
    "meshgrid.variadic_tensors" | "meshgrid.list_of_tensors"(tensors: Rest<Tensor>, indexing: String = "ij".into()) =>
        Tensor::meshgrid(&refs(&tensors.0), &indexing);
    "chunk"(x: Tensor, chunks: usize, dim: isize = 0) => x.chunk(chunks, dim);
    "split"(x: Tensor, size: usize, dim: isize = 0) => x.split(size, dim);
    "split.list_args" | "split_with_sizes" | "split_with_sizes_copy"(x: Tensor, sizes: Vec<usize>, dim: isize = 0) =>
        x.split_sizes(&sizes, dim);
    "tensor_split"(x: Tensor, sections: Sections, dim: isize = 0) => x.tensor_split(&sections, dim);
    "hsplit"(x: Tensor, sections: Sections) => x.hsplit(&sections);
    "vsplit"(x: Tensor, sections: Sections) => x.vsplit(&sections);
    "dsplit"(x: Tensor, sections: Sections) => x.dsplit(&sections);
    "unbind" | "unbind_copy"(x: Tensor, dim: isize = 0) => x.unbind(dim);
}

/// A number, a list, a tensor of either, or a text that chainrule reads.
impl Argument for Sections {
    fn read(value: Value) -> Outcome<Sections> {
        let indices = |x: &Tensor| x.array().to_i64_vec().into_iter().map(|i| i as isize).collect();
        Ok(match value {
            Value::Text(text) => text.parse()?,
            Value::Tensor(x) if x.as_ref().is_ok_and(|x| x.rank() > 0) => Sections::At(indices(&x?)),
            Value::List(_) => Sections::At(Vec::read(value)?),
            number => Sections::Count(usize::read(number)?),
        })
    }
}
