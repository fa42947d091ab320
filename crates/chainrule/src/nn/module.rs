//! `Module`: a function with parameters that have names.

use std::any::type_name;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use super::hooks;
use super::load::load;
use super::{LoadReport, scope};
use crate::array::Shape;
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Recording, Tensor, is_recording};

/// What a module owns under a name.
///
/// ```
/// use chainrule::nn::{BatchNorm1d, Module, Owned};
/// let layer = BatchNorm1d::new(4)?;
/// let trained = layer.state().iter().filter(|(_, owned)| matches!(owned, Owned::Parameter(_))).count();
/// assert_eq!((trained, layer.state().len()), (2, 5)); // the rest are buffers
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub enum Owned {
    /// A tensor that training changes.
    Parameter(Tensor),
    /// A tensor that belongs to the module's state but has no gradient, such as a running mean.
    Buffer(Tensor),
}

impl Owned {
    /// The tensor.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module};
    /// let layer = Linear::new(2, 3, &mut Generator::new(0));
    /// assert!(layer.state()[0].1.tensor().is(&layer.weight));
    /// ```
    pub fn tensor(&self) -> &Tensor {
        match self {
            Owned::Parameter(tensor) | Owned::Buffer(tensor) => tensor,
        }
    }
}

/// A function of a tensor with named parameters.
///
/// A module says what it owns and which modules it is made of; names, state, training mode and summaries
/// follow. Inside `forward` it reads a parameter through [`current`], and calls other modules with
/// [`Module::call`].
///
/// ```
/// use chainrule::nn::{Linear, Module, Sequential};
/// use chainrule::{Generator, Tensor};
/// let mut generator = Generator::new(0);
/// let net = Sequential::new().push(Linear::new(2, 3, &mut generator)).push(chainrule::nn::Activation::Relu);
/// assert_eq!(net.call(&Tensor::ones([5, 2]))?.shape(), [5, 3]);
/// let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias"]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Module: Debug + Send + Sync {
    /// The module's value.
    ///
    /// # Errors
    /// The input's shape or element type doesn't fit.
    ///
    /// ```
    /// use chainrule::nn::Module;
    /// use chainrule::{tensor, Result, Tensor};
    /// /// y = x·|x|, without parameters.
    /// #[derive(Debug)]
    /// struct SignedSquare;
    /// impl Module for SignedSquare {
    ///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
    ///         x.mul(&x.abs()?)
    ///     }
    /// }
    /// assert_eq!(SignedSquare.call(&tensor([-3.0, 2.0]))?.to_string(), "tensor([-9.,  4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// The parameters and buffers of this module itself, without those of its children.
    ///
    /// ```
    /// use chainrule::nn::{current, Module, Owned};
    /// use chainrule::{param, Result, Tensor};
    /// /// y = s·x
    /// #[derive(Debug)]
    /// struct Scale(Tensor);
    /// impl Module for Scale {
    ///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
    ///         x.mul(&current(&self.0))
    ///     }
    ///     fn owned(&self) -> Vec<(&'static str, Owned)> {
    ///         vec![("scale", Owned::Parameter(self.0.clone()))]
    ///     }
    /// }
    /// assert_eq!(Scale(param(2.0)).named_parameters()[0].0, "scale");
    /// ```
    fn owned(&self) -> Vec<(&'static str, Owned)> {
        Vec::new()
    }

    /// The modules that this one is made of, by name.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Module, Sequential};
    /// let net = Sequential::new().push_named("act", Activation::Relu);
    /// assert_eq!(net.children()[0].0, "act");
    /// ```
    fn children(&self) -> Vec<(String, &dyn Module)> {
        Vec::new()
    }

    /// Where the module keeps whether it is being trained, if that makes a difference to it.
    ///
    /// ```
    /// use chainrule::nn::{Dropout, Identity, Module};
    /// assert!(Dropout::new(0.5)?.training_flag().is_some() && Identity.training_flag().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn training_flag(&self) -> Option<&AtomicBool> {
        None
    }

    /// The module's settings as PyTorch prints them: `Linear(in_features=2, out_features=3, bias=True)`.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Identity, Linear, Module};
    /// assert_eq!(Identity.describe(), "Identity()");
    /// let layer = Linear::new(2, 3, &mut Generator::new(0));
    /// assert_eq!(layer.describe(), "Linear(in_features=2, out_features=3, bias=True)");
    /// ```
    fn describe(&self) -> String {
        let name = type_name::<Self>();
        let name = name.split('<').next().unwrap_or(name);
        format!("{}()", name.rsplit("::").next().unwrap_or(name))
    }

    /// [`Module::forward`], noticed by summaries, by recorded graphs, and by the hooks that watch all modules.
    ///
    /// Gates that layers of the library make inside carry the source line of this call, for errors, anomaly mode and
    /// the explorer; those that a module of your own makes carry their own lines. (A call through `&dyn Module`
    /// has no line; one through `Box<dyn Module>` has.)
    ///
    /// # Errors
    /// As `forward`.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Module};
    /// use chainrule::tensor;
    /// assert_eq!(Activation::Relu.call(&tensor([-1.0, 2.0]))?.to_string(), "tensor([0., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    fn call(&self, x: &Tensor) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let run = |x: &Tensor| match hooks::are_watching() {
            false => self.forward(x),
            true => hooks::watched(&self, x, |x| self.forward(x)),
        };
        if !is_recording() {
            return run(x);
        }
        let _scope = scope::enter(self.identity(), self.children(), self.describe());
        if !OBSERVED.get() {
            return run(x);
        }
        let id = self.identity();
        tell(Event { id, output: None, gates: Recording::length() });
        let y = run(x)?;
        tell(Event { id, output: Some(y.shape()), gates: Recording::length() });
        Ok(y)
    }

    /// Which module this is, for summaries.
    #[doc(hidden)]
    fn identity(&self) -> Identity {
        (std::ptr::from_ref(self).cast::<()>() as usize, type_name::<Self>())
    }

    /// Parameters and buffers by name, as PyTorch's `state_dict` names and orders them.
    ///
    /// ```
    /// use chainrule::nn::{BatchNorm1d, Module, Sequential};
    /// let net = Sequential::new().push(BatchNorm1d::new(4)?);
    /// let names: Vec<String> = net.state().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names[..3], ["0.weight", "0.bias", "0.running_mean"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn state(&self) -> Vec<(String, Owned)> {
        let mut all: Vec<(String, Owned)> =
            self.owned().into_iter().map(|(name, owned)| (name.to_string(), owned)).collect();
        for (child, module) in self.children() {
            all.extend(module.state().into_iter().map(|(name, owned)| (format!("{child}.{name}"), owned)));
        }
        all
    }

    /// The parameters by name, as PyTorch's `state_dict` names them.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module};
    /// let layer = Linear::new(2, 3, &mut Generator::new(0));
    /// let (name, weight) = &layer.named_parameters()[0];
    /// assert_eq!((&name[..], weight.shape()), ("weight", [3, 2].into()));
    /// ```
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let parameter = |(name, owned)| match owned {
            Owned::Parameter(tensor) => Some((name, tensor)),
            Owned::Buffer(_) => None,
        };
        self.state().into_iter().filter_map(parameter).collect()
    }

    /// Tensors of the state that aren't trained, by name: running means and variances.
    ///
    /// ```
    /// use chainrule::nn::{BatchNorm1d, Module};
    /// assert_eq!(BatchNorm1d::new(4)?.named_buffers()[0].0, "running_mean");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn named_buffers(&self) -> Vec<(String, Tensor)> {
        let buffer = |(name, owned)| match owned {
            Owned::Parameter(_) => None,
            Owned::Buffer(tensor) => Some((name, tensor)),
        };
        self.state().into_iter().filter_map(buffer).collect()
    }

    /// The module's value with other parameters in place of its own (in the order of
    /// [`Module::named_parameters`]), of any float type.
    ///
    /// # Errors
    /// There are too few parameters, or they don't fit.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{tensor, Generator};
    /// let layer = Linear::without_bias(2, 1, &mut Generator::new(0));
    /// let other = tensor([[10.0, 1.0]]);
    /// let y = layer.forward_with(&mut [other].into_iter(), &tensor([[1.0, 2.0]]))?;
    /// assert_eq!(y.item()?, 12.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    fn forward_with(&self, parameters: &mut dyn Iterator<Item = Tensor>, x: &Tensor) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let replaced = self.named_parameters().into_iter().map(|(name, own)| {
            let other = parameters.next().ok_or_else(|| {
                Error::argument(format!("there are too few parameters for the network: {name} has none"))
            })?;
            Ok((own.id(), other))
        });
        Replacements(replaced.collect::<Result<_>>()?).during(|| self.call(x))
    }

    /// The module's value with some parameters and buffers replaced by others, by name, as if they were its own:
    /// PyTorch's `functional_call`.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{diff, Generator, Tensor};
    /// let layer = Linear::new(2, 1, &mut Generator::new(0));
    /// let x = Tensor::ones([1, 2]);
    /// // The gradient at another weight than the layer's own.
    /// let weight = Tensor::zeros([1, 2]);
    /// let loss = |w: &[Tensor]| layer.functional_call(&[("weight", w[0].clone())], &x)?.sum();
    /// assert_eq!(diff::grad(loss, &[&weight])?[0].to_vec::<f32>()?, [1.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A name isn't one of the module's, or its shape is another; and as `forward`.
    #[track_caller]
    fn functional_call(&self, values: &[(&str, Tensor)], x: &Tensor) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let state = self.state();
        let replaced = values.iter().map(|(name, other)| {
            let Some((_, own)) = state.iter().find(|(own, _)| own == name) else {
                return Err(Error::argument(format!("the module has no parameter or buffer called {name}")));
            };
            if own.tensor().shape() != other.shape() {
                return Err(Error::shape(format!(
                    "{name} has the shape {}, and what should stand for it {}",
                    own.tensor().shape(),
                    other.shape()
                )));
            }
            Ok((own.tensor().id(), other.clone()))
        });
        Replacements(replaced.collect::<Result<_>>()?).during(|| self.call(x))
    }

    /// The parameters without their names.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module};
    /// assert_eq!(Linear::new(2, 3, &mut Generator::new(0)).parameters().len(), 2);
    /// ```
    fn parameters(&self) -> Vec<Tensor> {
        self.named_parameters().into_iter().map(|(_, parameter)| parameter).collect()
    }

    /// Switches between training (dropout drops, batches are normalised by themselves) and evaluation.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::nn::{Dropout, Module, Sequential};
    /// let net = Sequential::new().push(Dropout::new(0.5)?);
    /// net.set_training(false); // and its children
    /// assert_eq!(net.call(&Tensor::ones([4]))?.to_f64_vec(), [1.0; 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn set_training(&self, on: bool) {
        if let Some(flag) = self.training_flag() {
            flag.store(on, Ordering::Relaxed);
        }
        self.children().into_iter().for_each(|(_, child)| child.set_training(on));
    }

    /// Keeps all parameters as they are (`on`), or lets them be trained again: gradients pass through, and
    /// none are computed for them.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// let layer = Linear::new(2, 3, &mut chainrule::Generator::new(0));
    /// layer.freeze(true);
    /// assert!(layer.parameters().iter().all(|parameter| !parameter.requires_grad()));
    /// ```
    fn freeze(&self, on: bool) {
        for parameter in self.parameters() {
            // Parameters are leaves of a float type, for which this can't fail.
            let _ = parameter.requires_grad_(!on);
        }
    }

    /// How many numbers the parameters hold; shared ones count once.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module};
    /// assert_eq!(Linear::new(64, 10, &mut Generator::new(0)).parameter_count(), 650);
    /// ```
    fn parameter_count(&self) -> usize {
        let all = self.parameters();
        let first = |i: usize| !all[..i].iter().any(|other| other.is(&all[i]));
        (0..all.len()).filter(|&i| first(i)).map(|i| all[i].elements()).sum()
    }

    /// Overwrites parameters and buffers by name. Buffers may be missing, as files with parameters alone
    /// don't have them.
    ///
    /// # Errors
    /// A name is missing, left over, or of another shape; nothing is changed then.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{tensor, Generator};
    /// let layer = Linear::without_bias(2, 1, &mut Generator::new(0));
    /// layer.load_parameters(&[("weight".into(), tensor([[3.0, 4.0]]))])?;
    /// assert_eq!(layer.weight.to_f64_vec(), [3.0, 4.0]);
    /// assert!(layer.load_parameters(&[("wait".into(), tensor([[3.0, 4.0]]))]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn load_parameters(&self, values: &[(String, Tensor)]) -> Result<()> {
        let given = |name: &str| values.iter().any(|(other, _)| other == name);
        let own: Vec<(String, Tensor)> = self
            .state()
            .into_iter()
            .filter(|(name, owned)| matches!(owned, Owned::Parameter(_)) || given(name))
            .map(|(name, owned)| (name, owned.tensor().clone()))
            .collect();
        load(&own, values, true).map(drop)
    }

    /// Overwrites the parameters and buffers whose name and shape are given, leaves the others as they are, and
    /// says what didn't fit.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{Generator, Tensor};
    /// let layer = Linear::new(2, 3, &mut Generator::new(0));
    /// let values = [("weight".into(), Tensor::ones([3, 2])), ("head".into(), Tensor::ones([1]))];
    /// let report = layer.load_matching(&values)?;
    /// assert_eq!(report.to_string(), "1 loaded; missing: bias; unexpected: head");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A tensor can't be changed.
    fn load_matching(&self, values: &[(String, Tensor)]) -> Result<LoadReport> {
        let own: Vec<(String, Tensor)> =
            self.state().into_iter().map(|(name, owned)| (name, owned.tensor().clone())).collect();
        load(&own, values, false)
    }
}

thread_local! {
    /// Parameters that others stand in for while a module runs.
    static REPLACED: RefCell<Vec<(usize, Tensor)>> = const { RefCell::new(Vec::new()) };
    static OBSERVED: Cell<bool> = const { Cell::new(false) };
    static EVENTS: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

/// Tensors that stand for others, by the identity of these.
#[derive(Clone)]
pub(super) struct Replacements(Vec<(usize, Tensor)>);

impl Replacements {
    /// Those in force on this thread.
    pub(super) fn now() -> Replacements {
        Replacements(REPLACED.with_borrow(Vec::clone))
    }

    /// Runs `body` with these replacements, on top of those in force.
    pub(super) fn during<R>(self, body: impl FnOnce() -> R) -> R {
        /// Takes the replacements away again, also after a panic.
        struct Guard(usize);
        impl Drop for Guard {
            fn drop(&mut self) {
                let ended = REPLACED.with_borrow_mut(|all| all.split_off(self.0));
                drop(ended);
            }
        }
        let _guard = Guard(REPLACED.with_borrow(Vec::len));
        REPLACED.with_borrow_mut(|all| all.extend(self.0));
        body()
    }
}

/// The tensor that stands for a parameter now: itself, or what [`Module::forward_with`] was given for it.
///
/// ```
/// use chainrule::nn::current;
/// use chainrule::param;
/// let w = param(2.0);
/// assert!(current(&w).is(&w)); // unless `forward_with` has put another one in its place
/// ```
pub fn current(parameter: &Tensor) -> Tensor {
    now(parameter).into_owned()
}

/// [`current`], where nothing has been put in its place without another handle.
pub(super) fn now(parameter: &Tensor) -> Cow<'_, Tensor> {
    REPLACED.with_borrow(|all| {
        let found = all.iter().rev().find(|(id, _)| *id == parameter.id());
        found.map_or(Cow::Borrowed(parameter), |(_, other)| Cow::Owned(other.clone()))
    })
}

/// [`now`] of a parameter that may be missing.
pub(super) fn current_of(parameter: Option<&Tensor>) -> Option<Cow<'_, Tensor>> {
    parameter.map(now)
}

/// A module's place in memory and its type: a module and its first child may begin at the same place.
pub type Identity = (usize, &'static str);

/// A module was entered or left while modules were observed.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: Identity,
    /// The shape of its output, when it was left.
    pub(super) output: Option<Shape>,
    /// How many gates had been recorded.
    pub(super) gates: usize,
}

fn tell(event: Event) {
    EVENTS.with_borrow_mut(|events| events.push(event));
}

/// Runs `body` and returns what it returned, and every module that it called.
pub(super) fn observe<R>(body: impl FnOnce() -> R) -> (R, Vec<Event>) {
    /// Ends observing, also after a panic.
    struct Guard(bool);
    impl Drop for Guard {
        fn drop(&mut self) {
            OBSERVED.set(self.0);
            if !self.0 {
                EVENTS.with_borrow_mut(Vec::clear);
            }
        }
    }
    let guard = Guard(OBSERVED.replace(true));
    let before = EVENTS.with_borrow_mut(std::mem::take);
    let result = body();
    let events = EVENTS.with_borrow_mut(|events| std::mem::replace(events, before));
    drop(guard);
    (result, events)
}
