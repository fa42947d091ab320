//! Matrix products.

use chainrule::Tensor;

use crate::arguments::{Argument, Outcome, Value, refs};
use crate::table::operators;

operators! {
    "matmul"(x: Tensor, other: Tensor) => x.matmul(&other);
    "__rmatmul__"(x: Tensor, other: Tensor) => other.matmul(&x);
    "mm"(x: Tensor, mat2: Tensor) => x.mm(&mat2);
    "bmm"(x: Tensor, mat2: Tensor) => x.bmm(&mat2);
    "mv"(x: Tensor, vec: Tensor) => x.mv(&vec);
    "dot"(x: Tensor, other: Tensor) => x.dot(&other);
    "vdot"(x: Tensor, other: Tensor) => x.vdot(&other);
    "inner"(x: Tensor, other: Tensor) => x.inner(&other);
    "outer" | "ger"(x: Tensor, vec2: Tensor) => x.outer(&vec2);
    "addmm" | "addmm.decomposed"(x: Tensor, mat1: Tensor, mat2: Tensor, beta: f64 = 1.0, alpha: f64 = 1.0) =>
        x.addmm(&mat1, &mat2, beta, alpha);
    "addmv"(x: Tensor, mat: Tensor, vec: Tensor, beta: f64 = 1.0, alpha: f64 = 1.0) => x.addmv(&mat, &vec, beta, alpha);
    "addr"(x: Tensor, vec1: Tensor, vec2: Tensor, beta: f64 = 1.0, alpha: f64 = 1.0) =>
        x.addr(&vec1, &vec2, beta, alpha);
    "baddbmm"(x: Tensor, batch1: Tensor, batch2: Tensor, beta: f64 = 1.0, alpha: f64 = 1.0) =>
        x.baddbmm(&batch1, &batch2, beta, alpha);
    "addbmm"(x: Tensor, batch1: Tensor, batch2: Tensor, beta: f64 = 1.0, alpha: f64 = 1.0) =>
        x.addbmm(&batch1, &batch2, beta, alpha);
    "nn.functional.linear"(x: Tensor, weight: Tensor, bias: Option<Tensor> = None) => x.linear(&weight, bias.as_ref());
    "einsum"(operands: Vec<Tensor>, equation: String) => Tensor::einsum(&equation, &refs(&operands));
    "tensordot"(x: Tensor, other: Tensor, dims: Pairs) => {
        let (own, theirs) = dims.of(x.rank());
        x.tensordot(&other, &own, &theirs)
    };
    "kron"(x: Tensor, other: Tensor) => x.kron(&other);
}

/// The dimensions of a tensordot: a number (the last of one with the first of the other), or two lists.
enum Pairs {
    Count(isize),
    Lists(Vec<isize>, Vec<isize>),
}

impl Pairs {
    fn of(self, rank: usize) -> (Vec<isize>, Vec<isize>) {
        match self {
            Pairs::Count(n) => {
                (((rank as isize).saturating_sub(n)..rank as isize).collect(), (0..n).collect())
            }
            Pairs::Lists(own, theirs) => (own, theirs),
        }
    }
}

impl Argument for Pairs {
    fn read(value: Value) -> Outcome<Pairs> {
        match value {
            Value::List(mut lists) if lists.len() == 2 => {
                let theirs = Vec::read(lists.remove(1))?;
                Ok(Pairs::Lists(Vec::read(lists.remove(0))?, theirs))
            }
            number => Ok(Pairs::Count(isize::read(number)?)),
        }
    }
}
