//! The table: which of chainrule's methods each of PyTorch's operators is, one file a family.
//!
//! A row is PyTorch's signature and the call: `"diagonal"(x: Tensor, offset: isize = 0) => x.diagonal(offset)`.
//! Arguments are taken in this order or by name; one that no row mentions makes the case fail. To map an
//! operator, add a row to the file of its family.

use chainrule::Tensor;

use crate::arguments::{Call, Outcome};

/// One row: names of operators (with variants) that are called alike, and the call.
pub struct Operator {
    pub names: &'static [&'static str],
    pub call: fn(&mut Call) -> Outcome<Vec<Tensor>>,
}

/// Rows of the table.
macro_rules! operators {
    ($($($name:literal)|+ ($($arg:ident : $T:ty $(= $default:expr)?),* $(,)?) => $body:expr;)*) => {
        pub const OPERATORS: &[crate::table::Operator] = &[$(crate::table::Operator {
            names: &[$($name),+],
            call: |call| {
                $(let $arg: $T = operators!(@take call, $arg $(, $default)?)?;)*
                call.finish()?;
                let result = || -> crate::arguments::Outcome<_> { Ok($body?) };
                Ok(crate::arguments::IntoOutputs::outputs(result()?))
            },
        }),*];
    };
    (@take $call:ident, $arg:ident) => {
        $call.take(stringify!($arg))
    };
    (@take $call:ident, $arg:ident, $default:expr) => {
        $call.take_or(stringify!($arg), $default)
    };
}
pub(crate) use operators;

/// All families.
const FAMILIES: &[&[Operator]] = &[
    crate::pointwise::OPERATORS,
    crate::activation::OPERATORS,
    crate::special::OPERATORS,
    crate::logic::OPERATORS,
    crate::reduce::OPERATORS,
    crate::masked::OPERATORS,
    crate::norm::OPERATORS,
    crate::loss::OPERATORS,
    crate::shape::OPERATORS,
    crate::join::OPERATORS,
    crate::assemble::OPERATORS,
    crate::index::OPERATORS,
    crate::sort::OPERATORS,
    crate::matmul::OPERATORS,
    crate::pad::OPERATORS,
    crate::nn::OPERATORS,
    crate::nn::one::OPERATORS,
    crate::nn::two::OPERATORS,
    crate::nn::three::OPERATORS,
    crate::image::OPERATORS,
    crate::attention::OPERATORS,
    crate::linalg::OPERATORS,
    crate::fft::OPERATORS,
];

/// The row of an operator.
pub fn find(name: &str) -> Option<&'static Operator> {
    FAMILIES.iter().copied().flatten().find(|row| row.names.contains(&name))
}
