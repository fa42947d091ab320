//! `Symbol`: a number that records what is done with it.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::expr::{Comparison, Expr, Function};
use crate::kernel::real::Real;

/// A number that stands for an expression in the list of the current trace.
#[derive(Clone, Copy)]
pub(crate) struct Symbol(usize);

thread_local! {
    static TRACES: RefCell<Vec<Vec<Expr>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` on symbols with these names and returns the expression that it computes.
pub(crate) fn trace<const N: usize>(names: [&str; N], body: impl FnOnce([Symbol; N]) -> Symbol) -> Expr {
    /// Removes the trace's list again, also when the body panics.
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            TRACES.with_borrow_mut(Vec::pop);
        }
    }
    TRACES.with_borrow_mut(|all| all.push(names.iter().map(|name| Expr::symbol(name)).collect()));
    let _guard = Guard;
    let result = body(std::array::from_fn(Symbol));
    result.expr()
}

impl Symbol {
    #[inline(never)]
    fn expr(self) -> Expr {
        TRACES.with_borrow(|all| all.last().expect("symbols exist only during a trace")[self.0].clone())
    }

    #[inline(never)]
    fn new(expr: Expr) -> Symbol {
        TRACES.with_borrow_mut(|all| {
            let list = all.last_mut().expect("symbols exist only during a trace");
            list.push(expr);
            Symbol(list.len() - 1)
        })
    }
}

macro_rules! operators {
    ($($Trait:ident $method:ident $op:tt),*) => {$(
        impl $Trait for Symbol {
            type Output = Symbol;
            fn $method(self, other: Symbol) -> Symbol {
                Symbol::new(self.expr() $op other.expr())
            }
        }
        impl $Trait<f64> for Symbol {
            type Output = Symbol;
            fn $method(self, other: f64) -> Symbol {
                Symbol::new(self.expr() $op Expr::number(other))
            }
        }
        impl $Trait<Symbol> for f64 {
            type Output = Symbol;
            fn $method(self, other: Symbol) -> Symbol {
                Symbol::new(Expr::number(self) $op other.expr())
            }
        }
    )*};
}

operators!(Add add +, Sub sub -, Mul mul *, Div div /);

impl Neg for Symbol {
    type Output = Symbol;
    fn neg(self) -> Symbol {
        Symbol::new(-self.expr())
    }
}

macro_rules! functions {
    ($($method:ident $Function:ident),*) => {$(
        fn $method(self) -> Symbol {
            Symbol::new(Expr::call(Function::$Function, [self.expr()]))
        }
    )*};
}

macro_rules! choices {
    ($($method:ident $Comparison:ident),*) => {$(
        fn $method(self, other: Symbol, yes: Symbol, no: Symbol) -> Symbol {
            Symbol::new(Expr::choose(Comparison::$Comparison, [self, other, yes, no].map(Symbol::expr)))
        }
    )*};
}

impl Real for Symbol {
    fn constant(x: f64) -> Symbol {
        Symbol::new(Expr::number(x))
    }
    functions!(exp Exp, expm1 Expm1, log Log, log1p Log1p, sqrt Sqrt, sin Sin, cos Cos, tanh Tanh, sigmoid Sigmoid,
        erf Erf, abs Abs, sign Sign);
    choices!(if_gt Greater, if_ge GreaterOrEqual, if_eq Equal);
    fn pow(self, exponent: Symbol) -> Symbol {
        Symbol::new(self.expr().pow(exponent.expr()))
    }
    fn maximum(self, other: Symbol) -> Symbol {
        Symbol::new(Expr::call(Function::Max, [self.expr(), other.expr()]))
    }
    fn minimum(self, other: Symbol) -> Symbol {
        Symbol::new(Expr::call(Function::Min, [self.expr(), other.expr()]))
    }
}
