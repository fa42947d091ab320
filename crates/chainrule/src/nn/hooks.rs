//! Module hooks: users' closures that see, and may replace, what goes into modules and comes out of them,
//! forward and backward.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::{Module, Owned};
use crate::array::{Array, Meta};
use crate::error::Result;
use crate::formula::Formula;
use crate::gate::{Context, Gate, Gradients, Linearity, Metas, Needs, Outputs, Saved};
use crate::tensor::{HookHandle, HookList, Tensor, add_hook, hooks_of, is_grad_enabled, lock};

type ForwardPreHook = Arc<dyn Fn(&dyn Module, &Tensor) -> Option<Tensor> + Send + Sync>;
type ForwardHook = Arc<dyn Fn(&dyn Module, &Tensor, &Tensor) -> Option<Tensor> + Send + Sync>;
type BackwardPreHook = Arc<dyn Fn(&str, &Tensor) -> Option<Tensor> + Send + Sync>;
type BackwardHook = Arc<dyn Fn(&str, Option<&Tensor>, &Tensor) -> Option<Tensor> + Send + Sync>;

/// Hooks for one module ([`Hooked`]) or for all that run in a part of the program ([`ModuleHooks::watch`]).
/// Clones are the same set of hooks.
///
/// A module that is called runs its hooks in this order: forward pre-hooks, the module's forward, forward hooks;
/// in backward the full backward pre-hooks with the gradient of its output, and, when that has gone through the
/// module, the full backward hooks with the gradient of its input. What a hook returns takes the place of what it
/// was given. Hooks that watch all modules run before the module's own.
///
/// ```
/// use chainrule::nn::{Hooked, Linear, Module, ModuleHooks, Sequential};
/// use chainrule::{Generator, Tensor};
/// let hooks = ModuleHooks::new();
/// let mut generator = Generator::new(0);
/// let net = Sequential::new()
///     .push(Hooked::new(Linear::new(2, 3, &mut generator), &hooks))
///     .push(Linear::new(3, 1, &mut generator));
/// let handle = hooks.register_forward_hook(|layer, _x, y| {
///     println!("{} gives {}", layer.describe(), y.meta());
///     Some(y * 0.0)
/// });
/// let bias = &net.named_parameters()[3].1;
/// assert_eq!(net.call(&Tensor::ones([1, 2]))?.to_f64_vec(), bias.to_f64_vec());
/// handle.remove();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ModuleHooks {
    forward_pre: HookList<ForwardPreHook>,
    forward: HookList<ForwardHook>,
    backward_pre: HookList<BackwardPreHook>,
    backward: HookList<BackwardHook>,
}

impl fmt::Debug for ModuleHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ModuleHooks")
    }
}

impl ModuleHooks {
    /// No hooks yet.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::tensor;
    /// let relu = Hooked::new(Activation::Relu, &ModuleHooks::new()); // as it was
    /// assert_eq!(relu.call(&tensor([-1.0, 2.0]))?.to_string(), "tensor([0., 2.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new() -> ModuleHooks {
        ModuleHooks::default()
    }

    /// Before the module runs: sees its input.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::tensor;
    /// let hooks = ModuleHooks::new();
    /// let relu = Hooked::new(Activation::Relu, &hooks);
    /// hooks.register_forward_pre_hook(|_, x| Some(x * -1.0));
    /// assert_eq!(relu.call(&tensor([-1.0, 2.0]))?.to_string(), "tensor([1., 0.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_forward_pre_hook(
        &self,
        hook: impl Fn(&dyn Module, &Tensor) -> Option<Tensor> + Send + Sync + 'static,
    ) -> HookHandle {
        add_hook(&self.forward_pre, Arc::new(hook))
    }

    /// After the module ran: sees its input and its output, and may replace the output.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::tensor;
    /// let hooks = ModuleHooks::new();
    /// let relu = Hooked::new(Activation::Relu, &hooks);
    /// hooks.register_forward_hook(|_, x, y| Some(x + y)); // a residual connection
    /// assert_eq!(relu.call(&tensor([-1.0, 2.0]))?.to_string(), "tensor([-1.,  4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_forward_hook(
        &self,
        hook: impl Fn(&dyn Module, &Tensor, &Tensor) -> Option<Tensor> + Send + Sync + 'static,
    ) -> HookHandle {
        add_hook(&self.forward, Arc::new(hook))
    }

    /// In backward, before the gradient goes through the module: sees the module's description and the gradient
    /// of its output.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::param;
    /// let hooks = ModuleHooks::new();
    /// let relu = Hooked::new(Activation::Relu, &hooks);
    /// hooks.register_full_backward_pre_hook(|_, g| Some(g * 10.0));
    /// let x = param([-1.0, 2.0]);
    /// relu.call(&x)?.sum()?.backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([ 0., 10.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_full_backward_pre_hook(
        &self,
        hook: impl Fn(&str, &Tensor) -> Option<Tensor> + Send + Sync + 'static,
    ) -> HookHandle {
        add_hook(&self.backward_pre, Arc::new(hook))
    }

    /// In backward, when the gradient has gone through the module: sees the module's description, the gradient of
    /// its input (`None` where the input needs none), which it may replace, and that of its output.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::param;
    /// let hooks = ModuleHooks::new();
    /// let relu = Hooked::new(Activation::Relu, &hooks);
    /// // Guided backpropagation: negative gradients stop here.
    /// hooks.register_full_backward_hook(|_, input, _| input?.relu().ok());
    /// let x = param([1.0, 2.0, -3.0]);
    /// relu.call(&x)?.backward_with(&chainrule::tensor([5.0, -5.0, 5.0]))?;
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [5.0, 0.0, 0.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_full_backward_hook(
        &self,
        hook: impl Fn(&str, Option<&Tensor>, &Tensor) -> Option<Tensor> + Send + Sync + 'static,
    ) -> HookHandle {
        add_hook(&self.backward, Arc::new(hook))
    }

    /// Runs `body` with these hooks on every module that is called on this thread meanwhile.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Module, ModuleHooks, Sequential};
    /// use std::sync::{Arc, Mutex};
    /// let net = Sequential::new().push(Activation::Relu).push(Activation::Tanh);
    /// let (hooks, names) = (ModuleHooks::new(), Arc::new(Mutex::new(Vec::new())));
    /// let own = names.clone();
    /// hooks.register_forward_pre_hook(move |module, _| {
    ///     own.lock().unwrap().push(module.describe());
    ///     None
    /// });
    /// hooks.watch(|| net.call(&chainrule::tensor([1.0])))?;
    /// assert_eq!(names.lock().unwrap().len(), 3); // the network and its two layers
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn watch<R>(&self, body: impl FnOnce() -> R) -> R {
        /// Ends the watch, also after a panic.
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {
                let ended = WATCHING.with_borrow_mut(Vec::pop);
                WATCHED.set(WATCHING.with_borrow(|all| !all.is_empty()));
                drop(ended);
            }
        }
        WATCHING.with_borrow_mut(|all| all.push(self.clone()));
        WATCHED.set(true);
        let _guard = Guard;
        body()
    }
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static WATCHING: RefCell<Vec<ModuleHooks>> = const { RefCell::new(Vec::new()) };
}

/// Whether hooks watch all modules on this thread.
pub(super) fn are_watching() -> bool {
    WATCHED.get()
}

/// Runs a module's forward between the hooks that watch all modules.
pub(super) fn watched(
    module: &dyn Module,
    x: &Tensor,
    forward: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let all = WATCHING.with_borrow(Vec::clone);
    around(&all, module, x, forward)
}

/// Runs a module's forward between its hooks.
fn around(
    sets: &[ModuleHooks],
    module: &dyn Module,
    x: &Tensor,
    forward: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut x = x.clone();
    for hook in sets.iter().flat_map(|hooks| hooks_of(&hooks.forward_pre)) {
        x = hook(module, &x).unwrap_or(x);
    }
    let boundary = Boundary::of(sets, module);
    if let Some(boundary) = &boundary {
        x = boundary.enter(&x)?;
    }
    let mut y = forward(&x)?;
    for hook in sets.iter().flat_map(|hooks| hooks_of(&hooks.forward)) {
        y = hook(module, &x, &y).unwrap_or(y);
    }
    match &boundary {
        Some(boundary) => boundary.leave(&y, x.requires_grad()),
        None => Ok(y),
    }
}

/// The backward hooks of one call of a module.
struct Boundary {
    description: String,
    before: Vec<BackwardPreHook>,
    after: Vec<BackwardHook>,
    /// The gradient of the output, on its way through the module.
    upstream: Mutex<Option<Tensor>>,
}

impl Boundary {
    /// `None` where there are no backward hooks, or no gradient will come.
    fn of(sets: &[ModuleHooks], module: &dyn Module) -> Option<Arc<Boundary>> {
        let before: Vec<_> = sets.iter().flat_map(|hooks| hooks_of(&hooks.backward_pre)).collect();
        let after: Vec<_> = sets.iter().flat_map(|hooks| hooks_of(&hooks.backward)).collect();
        if before.is_empty() && after.is_empty() || !is_grad_enabled() {
            return None;
        }
        Some(Arc::new(Boundary { description: module.describe(), before, after, upstream: Mutex::new(None) }))
    }

    /// Marks where the module's input enters.
    fn enter(self: &Arc<Self>, x: &Tensor) -> Result<Tensor> {
        if !x.requires_grad() {
            return Ok(x.clone());
        }
        let x = Tensor::apply(ModuleBoundary, &[x])?;
        let own = self.clone();
        x.register_hook(move |gradient| {
            let upstream = lock(&own.upstream).take()?;
            own.run_after(Some(gradient), &upstream)
        })?;
        Ok(x)
    }

    /// Marks where its output leaves.
    fn leave(self: &Arc<Self>, y: &Tensor, input_needs_gradient: bool) -> Result<Tensor> {
        if !y.requires_grad() {
            return Ok(y.clone());
        }
        let y = Tensor::apply(ModuleBoundary, &[y])?;
        let own = self.clone();
        y.register_hook(move |gradient| {
            let replaced = own.before.iter().fold(None, |now, hook| {
                let seen = now.as_ref().unwrap_or(gradient);
                hook(&own.description, seen).or(now)
            });
            let upstream = replaced.as_ref().unwrap_or(gradient);
            match input_needs_gradient {
                true => *lock(&own.upstream) = Some(upstream.clone()),
                false => drop(own.run_after(None, upstream)),
            }
            replaced
        })?;
        Ok(y)
    }

    fn run_after(&self, gradient: Option<&Tensor>, upstream: &Tensor) -> Option<Tensor> {
        self.after.iter().fold(None, |now: Option<Tensor>, hook| {
            let replaced = hook(&self.description, now.as_ref().or(gradient), upstream);
            replaced.or(now)
        })
    }
}

/// The identity at which backward hooks of a module see the gradient.
#[derive(Debug)]
struct ModuleBoundary;

impl Gate for ModuleBoundary {
    fn name(&self) -> &'static str {
        "BackwardHookFunction"
    }

    fn grad_fn(&self) -> String {
        "BackwardHookFunctionBackward".into()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], _context: &mut Context) -> Result<Outputs> {
        Ok([inputs[0].clone()].into())
    }

    fn backward(&self, _saved: &Saved, upstream: &[Option<Tensor>], _needs: &Needs) -> Result<Gradients> {
        Ok(upstream.iter().cloned().collect())
    }

    fn linearity(&self) -> Linearity {
        Linearity::Joint
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x", ["∂L/∂x = g, shown to the module's hooks"])
    }
}

/// A module with hooks of its own. Names, state and summaries are those of the module inside.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::nn::{Hooked, Linear, Module, ModuleHooks};
/// let layer = Hooked::new(Linear::new(2, 3, &mut Generator::new(0)), &ModuleHooks::new());
/// assert_eq!(layer.state()[0].0, "weight"); // as if it weren't there
/// assert_eq!(layer.describe(), "Linear(in_features=2, out_features=3, bias=True)");
/// ```
#[derive(Debug)]
pub struct Hooked<M> {
    module: M,
    hooks: ModuleHooks,
}

impl<M: Module> Hooked<M> {
    /// The module with these hooks; more can be registered at any time.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::tensor;
    /// let hooks = ModuleHooks::new();
    /// let layers = [Activation::Relu, Activation::Tanh].map(|layer| Hooked::new(layer, &hooks));
    /// hooks.register_forward_hook(|_, _, y| Some(y * 0.0)); // of both
    /// assert_eq!(layers[1].call(&tensor([2.0]))?.item()?, 0.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(module: M, hooks: &ModuleHooks) -> Hooked<M> {
        Hooked { module, hooks: hooks.clone() }
    }

    /// The module itself.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, ModuleHooks};
    /// assert_eq!(*Hooked::new(Activation::Relu, &ModuleHooks::new()).inner(), Activation::Relu);
    /// ```
    pub fn inner(&self) -> &M {
        &self.module
    }

    /// Its hooks.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Hooked, Module, ModuleHooks};
    /// use chainrule::tensor;
    /// let relu = Hooked::new(Activation::Relu, &ModuleHooks::new());
    /// relu.hooks().register_forward_hook(|_, _, y| Some(y * 2.0));
    /// assert_eq!(relu.call(&tensor([3.0]))?.item()?, 6.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn hooks(&self) -> &ModuleHooks {
        &self.hooks
    }
}

impl<M: Module> Module for Hooked<M> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        around(std::slice::from_ref(&self.hooks), &self.module, x, |x| self.module.forward(x))
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        self.module.owned()
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        self.module.children()
    }

    fn training_flag(&self) -> Option<&AtomicBool> {
        self.module.training_flag()
    }

    fn describe(&self) -> String {
        self.module.describe()
    }
}
