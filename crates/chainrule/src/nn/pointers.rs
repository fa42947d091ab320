//! What points to a module is a module: `&M`, `Box<M>` and `Arc<M>`, also of `dyn Module`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::module::Identity;
use super::{Module, Owned};
use crate::error::Result;
use crate::tensor::{CallerGuard, Tensor};

macro_rules! pointers {
    ($($pointer:ty),+) => {$(
        impl<M: Module + ?Sized> Module for $pointer {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                (**self).forward(x)
            }

            fn owned(&self) -> Vec<(&'static str, Owned)> {
                (**self).owned()
            }

            fn children(&self) -> Vec<(String, &dyn Module)> {
                (**self).children()
            }

            fn training_flag(&self) -> Option<&AtomicBool> {
                (**self).training_flag()
            }

            fn describe(&self) -> String {
                (**self).describe()
            }

            fn call(&self, x: &Tensor) -> Result<Tensor> {
                // Behind the pointer may stand a `dyn Module`, whose methods know no caller.
                let _line = CallerGuard::here();
                (**self).call(x)
            }

            fn identity(&self) -> Identity {
                (**self).identity()
            }
        }
    )+};
}

pointers!(&M, Box<M>, Arc<M>);
