//! Modules made of modules: one after the other, in a list, or beside a shortcut.

use super::{Module, Owned};
use crate::error::Result;
use crate::tensor::{CallerGuard, Tensor};

/// Modules one after another; their parameters are named by their places, `0.weight`, `2.bias`, or by names.
///
/// ```
/// use chainrule::nn::{Activation, Linear, Module, Sequential};
/// use chainrule::{Generator, Tensor};
/// let mut generator = Generator::new(0);
/// let net = Sequential::new()
///     .push(Linear::new(4, 8, &mut generator))
///     .push(Activation::Tanh)
///     .push(Linear::new(8, 3, &mut generator));
/// assert_eq!(net.call(&Tensor::ones([5, 4]))?.shape(), [5, 3]);
/// assert_eq!(net.state()[3].0, "2.bias");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Sequential(ModuleList);

impl Sequential {
    /// No module yet: the identity.
    ///
    /// ```
    /// use chainrule::nn::{Module, Sequential};
    /// use chainrule::tensor;
    /// let x = tensor([1.0, 2.0]);
    /// assert!(Sequential::new().call(&x)?.is(&x));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// With one more module at the end, named by its place.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Module, Sequential};
    /// use chainrule::tensor;
    /// let net = Sequential::new().push(Activation::Relu).push(Activation::Tanh);
    /// assert_eq!(net.call(&tensor([-1.0, 0.5]))?.to_string(), "tensor([0.0000, 0.4621])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn push(self, module: impl Module + 'static) -> Sequential {
        Sequential(self.0.push(module))
    }

    /// With one more module at the end under a name.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module, Sequential};
    /// let net = Sequential::new().push_named("fc", Linear::new(2, 3, &mut Generator::new(0)));
    /// assert_eq!(net.state()[0].0, "fc.weight");
    /// ```
    pub fn push_named(self, name: &str, module: impl Module + 'static) -> Sequential {
        Sequential(self.0.push_named(name, module))
    }

    /// The values after each module, the last being [`Module::forward`]'s.
    ///
    /// # Errors
    /// A module fails.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Sequential};
    /// use chainrule::tensor;
    /// let net = Sequential::new().push(Activation::Relu).push(Activation::Tanh);
    /// let values = net.activations(&tensor([-1.0, 0.5]))?;
    /// assert_eq!(values[0].to_string(), "tensor([0.0000, 0.5000])");
    /// assert_eq!(values.len(), 2);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn activations(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let _line = CallerGuard::here();
        let mut all: Vec<Tensor> = Vec::with_capacity(self.0.len());
        for module in self.0.iter() {
            let next = module.call(all.last().unwrap_or(x))?;
            all.push(next);
        }
        Ok(all)
    }
}

impl Module for Sequential {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let _line = CallerGuard::here();
        self.0.iter().try_fold(x.clone(), |x, module| module.call(&x))
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        self.0.children()
    }
}

/// Modules in a list, for a module that calls them in its own way; their parameters are named by their places.
///
/// ```
/// use chainrule::nn::{Linear, Module, ModuleList};
/// use chainrule::Generator;
/// let mut generator = Generator::new(0);
/// let list =
///     ModuleList::new().push(Linear::new(2, 3, &mut generator)).push(Linear::new(3, 1, &mut generator));
/// assert_eq!(list.state()[2].0, "1.weight");
/// assert_eq!(list.iter().count(), 2);
/// ```
#[derive(Debug, Default)]
pub struct ModuleList(Vec<(String, Box<dyn Module>)>);

impl ModuleList {
    /// No module yet.
    ///
    /// ```
    /// use chainrule::nn::ModuleList;
    /// assert!(ModuleList::new().is_empty());
    /// ```
    pub fn new() -> ModuleList {
        ModuleList::default()
    }

    /// With one more module at the end, named by its place.
    ///
    /// ```
    /// use chainrule::nn::{Activation, ModuleList};
    /// let list = ModuleList::new().push(Activation::Relu).push(Activation::Tanh);
    /// assert_eq!(list.children()[1].0, "1");
    /// ```
    pub fn push(self, module: impl Module + 'static) -> ModuleList {
        let name = self.0.len().to_string();
        self.push_named(&name, module)
    }

    /// With one more module at the end under a name.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, ModuleList};
    /// let list = ModuleList::new().push_named("head", Linear::new(2, 3, &mut Generator::new(0)));
    /// assert_eq!(list.state()[1].0, "head.bias");
    /// ```
    pub fn push_named(mut self, name: &str, module: impl Module + 'static) -> ModuleList {
        self.0.push((name.to_string(), Box::new(module)));
        self
    }

    /// The modules.
    ///
    /// ```
    /// use chainrule::nn::{Activation, Module, ModuleList};
    /// let list = ModuleList::new().push(Activation::Relu).push(Activation::Tanh);
    /// let texts: Vec<String> = list.iter().map(|module| module.describe()).collect();
    /// assert_eq!(texts, ["ReLU()", "Tanh()"]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &dyn Module> {
        self.0.iter().map(|(_, module)| &**module)
    }

    /// How many there are.
    ///
    /// ```
    /// use chainrule::nn::{Activation, ModuleList};
    /// assert_eq!(ModuleList::new().push(Activation::Relu).len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// use chainrule::nn::{Activation, ModuleList};
    /// assert!(!ModuleList::new().push(Activation::Relu).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The modules and their names.
    ///
    /// ```
    /// use chainrule::nn::{Activation, ModuleList};
    /// let list = ModuleList::new().push(Activation::Relu);
    /// let (name, module) = &list.children()[0];
    /// assert_eq!((&name[..], module.describe()), ("0", "ReLU()".into()));
    /// ```
    pub fn children(&self) -> Vec<(String, &dyn Module)> {
        self.0.iter().map(|(name, module)| (name.clone(), &**module)).collect()
    }

    /// The state of all modules.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, ModuleList};
    /// let list = ModuleList::new().push(Linear::new(2, 3, &mut Generator::new(0)));
    /// let names: Vec<String> = list.state().into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["0.weight", "0.bias"]);
    /// ```
    pub fn state(&self) -> Vec<(String, Owned)> {
        let prefixed = |(name, module): &(String, Box<dyn Module>)| {
            let name = name.clone();
            module.state().into_iter().map(move |(inner, owned)| (format!("{name}.{inner}"), owned))
        };
        self.0.iter().flat_map(prefixed).collect()
    }
}

/// `x + module(x)`: a residual connection (He et al., 2015).
///
/// Where shapes change, a `shortcut` brings x to the new shape.
///
/// ```
/// use chainrule::nn::{Activation, Module, Residual};
/// use chainrule::tensor;
/// let y = Residual::new(Activation::Relu).call(&tensor([-1.0, 2.0]))?;
/// assert_eq!(y.to_string(), "tensor([-1.,  4.])"); // x + max(0, x)
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Residual {
    module: Box<dyn Module>,
    shortcut: Option<Box<dyn Module>>,
}

impl Residual {
    /// Around a module; its parameters are named `module.…`.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::nn::{Linear, Module, Residual};
    /// let layer = Residual::new(Linear::new(2, 2, &mut Generator::new(0)));
    /// assert_eq!(layer.state()[0].0, "module.weight");
    /// ```
    pub fn new(module: impl Module + 'static) -> Residual {
        Residual { module: Box::new(module), shortcut: None }
    }

    /// With a module on the way around; its parameters are named `shortcut.…`.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module, Residual};
    /// use chainrule::{Generator, Tensor};
    /// let mut generator = Generator::new(0);
    /// let layer = Residual::new(Linear::new(2, 3, &mut generator))
    ///     .with_shortcut(Linear::without_bias(2, 3, &mut generator));
    /// assert_eq!(layer.call(&Tensor::ones([1, 2]))?.shape(), [1, 3]);
    /// assert_eq!(layer.state()[2].0, "shortcut.weight");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn with_shortcut(mut self, shortcut: impl Module + 'static) -> Residual {
        self.shortcut = Some(Box::new(shortcut));
        self
    }
}

impl Module for Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let around = self.shortcut.as_ref().map_or_else(|| Ok(x.clone()), |shortcut| shortcut.call(x))?;
        self.module.call(x)?.add(&around)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let mut all = vec![("module".to_string(), &*self.module)];
        all.extend(self.shortcut.as_ref().map(|shortcut| ("shortcut".to_string(), &**shortcut)));
        all
    }
}
