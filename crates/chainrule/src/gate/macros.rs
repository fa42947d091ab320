//! The macros that turn one block into one gate.

/// A gate's type: its documentation is also what the table of gates shows, as `DOC`.
macro_rules! documented {
    ($(#[doc = $doc:expr])* #[derive($($derive:tt)*)] pub $kind:tt $Name:ident $($rest:tt)*) => {
        $(#[doc = $doc])*
        #[derive($($derive)*)]
        pub $kind $Name $($rest)*

        impl $Name {
            const DOC: &'static str = concat!($($doc, "\n"),*);
        }
    };
}
pub(super) use documented;

/// Declares elementwise gates: name, formula, local gradients and samples, one block each.
///
/// A block makes a type (with the parameters in braces as fields), its [`Gate`](crate::gate::Gate), and its
/// row of the table of gates. `value` computes `y` from the inputs; `local` lists ∂y/∂x, one an input, from
/// the inputs and `y`. Both may use `+ - * /`, numbers, and the methods of
/// [`Real`](crate::gate::elementwise::Real); parameters are plain `f64`, which stand beside these as numbers do
/// (`y + by * y`, not `(1.0 + by) * y`, which would add two numbers). The laws differentiate, check and document the rest. The table
/// knows the line of the `gates!` in which a gate stands, so that one gate in each is best.
///
/// ```
/// chainrule::gates! {
///     /// `y = x·|x|`
///     SignedSquare(x) -> y as "signed_square" {
///         value: x * x.abs();
///         local: [2.0 * x.abs()];
///         samples: vec![];
///     }
/// }
/// use chainrule::{param, Tensor};
/// let x = param(-3.0);
/// let y = Tensor::apply(SignedSquare, &[&x])?;
/// y.backward()?;
/// assert_eq!((y.item()?, x.grad().unwrap().item()?), (-9.0, 6.0));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[macro_export]
macro_rules! gates {
    ($(
        $(#[doc = $doc:expr])*
        $Name:ident $({ $($field:ident: $Field:ty),* $(,)? })? ($($x:ident),+) -> $y:ident as $method:literal {
            value: $value:expr;
            local: [$($local:expr),+ $(,)?];
            $(integer: $integer:expr;)?
            $(check: $check:expr;)?
            $(grad_fn: $grad_fn:expr;)?
            $(torch_nodes: $torch_nodes:expr;)?
            $(at_kink: $at_kink:expr;)?
            samples: $samples:expr;
        }
    )*) => {$(
        $crate::gates!(@struct [$(#[doc = $doc])*] $Name $({ $($field: $Field),* })?);

        impl $Name {
            /// This gate's row of the table of gates.
            pub const ENTRY: $crate::gate::Entry = $crate::gate::Entry {
                name: stringify!($Name),
                method: $method,
                doc: concat!($($doc, "\n"),*),
                at_kink: $crate::gates!(@option $($at_kink)?),
                file: file!(),
                line: line!(),
                samples: || $samples,
            };
        }

        #[allow(unused_variables)]
        impl $crate::gate::Elementwise for $Name {
            const NAME: &'static str = stringify!($Name);
            const INPUTS: &'static [&'static str] = &[$(stringify!($x)),+];

            #[inline(always)]
            fn value<R: $crate::gate::elementwise::Real>(&self, inputs: [R; 3]) -> R
            where
                f64: ::std::ops::Add<R, Output = R>
                    + ::std::ops::Sub<R, Output = R>
                    + ::std::ops::Mul<R, Output = R>
                    + ::std::ops::Div<R, Output = R>,
            {
                $(let Self { $($field),* } = *self;)?
                $crate::gates!(@bind inputs, 0; $($x)+);
                $value
            }

            #[inline(always)]
            fn local<R: $crate::gate::elementwise::Real>(&self, input: usize, inputs: [R; 3], $y: R) -> R
            where
                f64: ::std::ops::Add<R, Output = R>
                    + ::std::ops::Sub<R, Output = R>
                    + ::std::ops::Mul<R, Output = R>
                    + ::std::ops::Div<R, Output = R>,
            {
                $(let Self { $($field),* } = *self;)?
                $crate::gates!(@bind inputs, 0; $($x)+);
                $crate::gates!(@local R, input, 0; $($local),+)
            }

            $(
                fn integer(&self, inputs: [i64; 3]) -> Option<i64> {
                    #[allow(clippy::redundant_closure_call)]
                    ($integer)(self, inputs)
                }
            )?
            $(
                fn check(&self, inputs: &[$crate::Meta]) -> $crate::Result<()> {
                    #[allow(clippy::redundant_closure_call)]
                    ($check)(self, inputs)
                }
            )?
            $(
                fn grad_fn(&self) -> String {
                    #[allow(clippy::redundant_closure_call)]
                    String::from(($grad_fn)(self))
                }
            )?
            $(
                fn torch_nodes(&self, used: &$crate::gate::Use) -> Vec<$crate::gate::TorchNode> {
                    #[allow(clippy::redundant_closure_call)]
                    ($torch_nodes)(self, used)
                }
            )?
        }
    )*};
    (@struct [$($doc:tt)*] $Name:ident) => {
        $($doc)*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name;
    };
    (@struct [$($doc:tt)*] $Name:ident { $($field:ident: $Field:ty),* }) => {
        $($doc)*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Name {
            $(
                #[doc = concat!("The parameter `", stringify!($field), "`.")]
                pub $field: $Field
            ),*
        }
    };
    (@bind $inputs:ident, $i:expr;) => {};
    (@bind $inputs:ident, $i:expr; $x:ident $($rest:ident)*) => {
        let $x = $inputs[$i];
        $crate::gates!(@bind $inputs, $i + 1; $($rest)*);
    };
    (@local $R:ident, $input:ident, $i:expr; $last:expr) => {
        $crate::gates!(@real $R, $last)
    };
    (@local $R:ident, $input:ident, $i:expr; $first:expr, $($rest:expr),+) => {
        if $input == $i { $crate::gates!(@real $R, $first) } else { $crate::gates!(@local $R, $input, $i + 1; $($rest),+) }
    };
    (@real $R:ident, $x:literal) => {
        $R::constant($x)
    };
    (@real $R:ident, $x:expr) => {
        $x
    };
    (@option) => { None };
    (@option $x:expr) => { Some($x) };
}
