//! Local gradients computed on tensors, so that they can be differentiated again.
//!
//! An elementwise gate's calculus is generic over [`Real`], whose values are `Copy`. Tensors are not; a
//! [`Lifted`] number is the place of a tensor in a list that lives as long as one evaluation.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::elementwise::Real;
use crate::array::{Array, DType};
use crate::error::Result;
use crate::tensor::Tensor;

/// A number that stands for a tensor.
#[derive(Clone, Copy)]
pub(super) struct Lifted(usize);

struct Evaluation {
    dtype: DType,
    tensors: Vec<Tensor>,
    failed: Option<crate::Error>,
}

thread_local! {
    static EVALUATIONS: RefCell<Vec<Evaluation>> = const { RefCell::new(Vec::new()) };
}

/// Evaluates `body` on tensors; a missing value is 0.
pub(super) fn evaluate(
    dtype: DType,
    values: [Option<Tensor>; 4],
    body: &dyn Fn([Lifted; 4]) -> Lifted,
) -> Result<Tensor> {
    /// Removes the evaluation's list again, also when the body panics.
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            EVALUATIONS.with_borrow_mut(Vec::pop);
        }
    }
    let tensors = values.into_iter().map(|x| x.unwrap_or_else(|| number(0.0, dtype))).collect();
    EVALUATIONS.with_borrow_mut(|all| all.push(Evaluation { dtype, tensors, failed: None }));
    let _guard = Guard;
    let result = body(std::array::from_fn(Lifted));
    EVALUATIONS.with_borrow_mut(|all| {
        let evaluation = all.last_mut().expect("this function pushed an evaluation");
        match evaluation.failed.take() {
            Some(error) => Err(error),
            None => Ok(evaluation.tensors[result.0].clone()),
        }
    })
}

fn number(x: f64, dtype: DType) -> Tensor {
    Tensor::from_array(match dtype {
        DType::F64 => Array::scalar(x),
        _ => Array::scalar(x as f32),
    })
}

/// Runs a tensor operation and lists its result. The list isn't borrowed meanwhile.
#[inline(never)]
fn run<const N: usize>(inputs: [Lifted; N], operation: fn([Tensor; N]) -> Result<Tensor>) -> Lifted {
    let tensors = EVALUATIONS.with_borrow(|all| {
        let list = &all.last().expect("lifted numbers exist only during an evaluation").tensors;
        inputs.map(|x| list[x.0].clone())
    });
    push(operation(tensors))
}

fn push(result: Result<Tensor>) -> Lifted {
    EVALUATIONS.with_borrow_mut(|all| {
        let evaluation = all.last_mut().expect("lifted numbers exist only during an evaluation");
        match result {
            Ok(tensor) => evaluation.tensors.push(tensor),
            Err(error) => {
                evaluation.tensors.push(number(0.0, evaluation.dtype));
                evaluation.failed.get_or_insert(error);
            }
        }
        Lifted(evaluation.tensors.len() - 1)
    })
}

macro_rules! lifted_operators {
    ($($Trait:ident $method:ident),*) => {$(
        impl $Trait for Lifted {
            type Output = Lifted;
            fn $method(self, other: Lifted) -> Lifted {
                run([self, other], |[a, b]| Tensor::$method(&a, &b))
            }
        }
        impl $Trait<f64> for Lifted {
            type Output = Lifted;
            fn $method(self, other: f64) -> Lifted {
                self.$method(Lifted::constant(other))
            }
        }
        impl $Trait<Lifted> for f64 {
            type Output = Lifted;
            fn $method(self, other: Lifted) -> Lifted {
                Lifted::constant(self).$method(other)
            }
        }
    )*};
}

lifted_operators!(Add add, Sub sub, Mul mul, Div div);

impl Neg for Lifted {
    type Output = Lifted;
    fn neg(self) -> Lifted {
        run([self], |[a]| Tensor::neg(&a))
    }
}

macro_rules! lifted_functions {
    ($($method:ident),*) => {$(
        fn $method(self) -> Lifted {
            run([self], |[a]| Tensor::$method(&a))
        }
    )*};
}

impl Real for Lifted {
    fn constant(x: f64) -> Lifted {
        let dtype = EVALUATIONS.with_borrow(|all| all.last().map_or(DType::F32, |e| e.dtype));
        push(Ok(number(x, dtype)))
    }
    lifted_functions!(exp, expm1, log, log1p, sqrt, sin, cos, tanh, sigmoid, erf, abs, sign);
    fn pow(self, exponent: Lifted) -> Lifted {
        run([self, exponent], |[a, b]| a.pow(&b))
    }
    fn if_gt(self, other: Lifted, yes: Lifted, no: Lifted) -> Lifted {
        run([self, other, yes, no], |[a, b, yes, no]| Tensor::where_(&a.gt(&b)?, &yes, &no))
    }
    fn if_ge(self, other: Lifted, yes: Lifted, no: Lifted) -> Lifted {
        run([self, other, yes, no], |[a, b, yes, no]| Tensor::where_(&a.ge(&b)?, &yes, &no))
    }
    fn if_eq(self, other: Lifted, yes: Lifted, no: Lifted) -> Lifted {
        run([self, other, yes, no], |[a, b, yes, no]| Tensor::where_(&a.eq(&b)?, &yes, &no))
    }
    fn maximum(self, other: Lifted) -> Lifted {
        run([self, other], |[a, b]| a.maximum(&b))
    }
    fn minimum(self, other: Lifted) -> Lifted {
        run([self, other], |[a, b]| a.minimum(&b))
    }
}
