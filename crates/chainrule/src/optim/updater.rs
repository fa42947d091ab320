//! `Updater`: what all optimisers have in common.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Sub, SubAssign};

use super::Optimizer;
use crate::array::{Array, DType, Element};
use crate::error::{Error, Result};
use crate::gate::{self, arith::Neg};
use crate::kernel::update::{Part, update};
use crate::tensor::{GradModeGuard, Tensor};

/// Float elements with the arithmetic of an update rule.
///
/// ```
/// use chainrule::optim::Real;
/// /// One step of plain gradient descent, in either precision.
/// fn descend<T: Real>(p: T, g: T, rate: f64) -> T {
///     p - T::from_f64(rate) * g
/// }
/// assert_eq!((descend(3.0f32, 6.0, 0.5), descend(3.0f64, 6.0, 0.5)), (0.0, 0.0));
/// ```
pub trait Real:
    Element
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// `√self`
    ///
    /// ```
    /// use chainrule::optim::Real;
    /// assert_eq!(<f32 as Real>::sqrt(9.0), 3.0);
    /// ```
    fn sqrt(self) -> Self;

    /// The larger of two numbers; NaN where one is NaN.
    ///
    /// ```
    /// use chainrule::optim::Real;
    /// assert_eq!(1.0f64.larger(2.0), 2.0);
    /// assert!(1.0f64.larger(f64::NAN).is_nan());
    /// ```
    fn larger(self, other: Self) -> Self {
        if self >= other || self.to_f64().is_nan() { self } else { other }
    }

    /// `self + weight·(end − self)`, from the nearer end, as PyTorch computes it.
    ///
    /// ```
    /// use chainrule::optim::Real;
    /// assert_eq!(2.0f64.lerp(6.0, 0.25), 3.0);
    /// ```
    fn lerp(self, end: Self, weight: f64) -> Self {
        if weight < 0.5 {
            self + Self::from_f64(weight) * (end - self)
        } else {
            end - (end - self) * Self::from_f64(1.0 - weight)
        }
    }
}

impl Real for f32 {
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
}

/// When a parameter is updated.
///
/// ```
/// use chainrule::optim::{AdamOptions, Moment, Rule};
/// let at = Moment { rate: 0.1, step: 1 };
/// let (mut p, mut m, mut v) = ([3.0f64], [0.0], [0.0]);
/// AdamOptions::default().update(at, &mut p, &[6.0], &mut [&mut m[..], &mut v[..]]);
/// assert!((p[0] - 2.9).abs() < 1e-6); // the first step has the length of the rate
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The learning rate γ.
    pub rate: f64,
    /// How many updates this parameter has had, this one included.
    pub step: u64,
}

/// How a parameter follows from its gradient: the options of an optimiser and its formula.
///
/// ```
/// use chainrule::optim::{Moment, Optimizer, Real, Rule, Updater};
/// /// Only the gradient's sign counts.
/// #[derive(Debug, Clone, Default)]
/// struct Signs;
/// impl Rule for Signs {
///     fn update<T: Real>(&self, at: Moment, p: &mut [T], g: &[T], _: &mut [&mut [T]]) {
///         for (p, g) in p.iter_mut().zip(g) {
///             *p -= T::from_f64(at.rate * g.to_f64().signum());
///         }
///     }
/// }
/// let w = chainrule::param([3.0, -3.0]);
/// let mut signs = Updater::<Signs>::new(&[w.clone()], 0.5);
/// w.square()?.sum()?.backward()?;
/// signs.step()?;
/// assert_eq!(w.to_vec::<f32>()?, [2.5, -2.5]);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub trait Rule: std::fmt::Debug + Clone + Default + Send + Sync + 'static {
    /// The names of what is kept for each parameter between steps, each of the parameter's size, with the value
    /// all its elements begin with.
    ///
    /// ```
    /// use chainrule::optim::{Rule, SgdOptions};
    /// let momentum = SgdOptions { momentum: 0.9, ..SgdOptions::default() };
    /// assert_eq!(momentum.memory(), [("momentum_buffer", 0.0)]);
    /// assert!(SgdOptions::default().memory().is_empty());
    /// ```
    fn memory(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Changes the parameter's elements `p` by their gradients `g`; `memory` has the elements of
    /// [`Rule::memory`] in its order. Each place depends on its own numbers alone: large parameters are cut into
    /// parts.
    ///
    /// # Panics
    /// The slices differ in length, or `memory` isn't what [`Rule::memory`] asks for.
    ///
    /// ```
    /// use chainrule::optim::{Moment, Rule, SgdOptions};
    /// let mut p = [3.0f32, 1.0];
    /// SgdOptions::default().update(Moment { rate: 0.5, step: 1 }, &mut p, &[6.0, 2.0], &mut []);
    /// assert_eq!(p, [0.0, 0.0]);
    /// ```
    fn update<T: Real>(&self, at: Moment, p: &mut [T], g: &[T], memory: &mut [&mut [T]]);

    /// What a cyclic schedule changes beside the learning rate.
    ///
    /// ```
    /// use chainrule::optim::{AdamOptions, Rule};
    /// assert_eq!(AdamOptions::default().momentum_mut(), Some(&mut 0.9)); // β₁
    /// ```
    fn momentum_mut(&mut self) -> Option<&mut f64> {
        None
    }

    /// Whether the parameters are to climb to the highest value: [`Rule::update`] is then given `−g`.
    ///
    /// ```
    /// use chainrule::optim::{Optimizer, Sgd, SgdOptions};
    /// use chainrule::param;
    /// let w = param(3.0);
    /// let mut climb = Sgd::with(&[w.clone()], 0.1, SgdOptions { maximize: true, ..SgdOptions::default() })?;
    /// w.mul(2.0)?.backward()?;
    /// climb.step()?;
    /// assert!((w.item()? - 3.2).abs() < 1e-6);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    fn maximizes(&self) -> bool {
        false
    }

    /// Refuses options that make no sense.
    ///
    /// # Errors
    /// An option is out of its range.
    ///
    /// ```
    /// use chainrule::optim::{AdamOptions, Rule};
    /// let error = AdamOptions { beta1: 1.0, ..AdamOptions::default() }.check().unwrap_err();
    /// assert_eq!(error.to_string(), "the β₁ of Adam must be from 0 to below 1, not 1");
    /// ```
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Parameters that share a learning rate and options.
///
/// ```
/// use chainrule::optim::{Group, Optimizer, Sgd, SgdOptions};
/// use chainrule::param;
/// let (weight, bias) = (param([1.0, 2.0]), param(0.5));
/// // Biases aren't pulled to 0, and learn faster.
/// let sgd = Sgd::groups([
///     Group::new(&[weight], 0.1).with(SgdOptions { weight_decay: 1e-4, ..SgdOptions::default() }),
///     Group::new(&[bias], 0.2),
/// ])?;
/// assert_eq!(sgd.rates(), [0.1, 0.2]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Group<R> {
    /// The parameters; one that occurs again counts once.
    pub parameters: Vec<Tensor>,
    /// The learning rate γ.
    pub rate: f64,
    /// The options of the rule.
    pub options: R,
}

impl<R: Rule> Group<R> {
    /// A group with the rule's default options.
    ///
    /// ```
    /// use chainrule::optim::{Group, SgdOptions};
    /// use chainrule::param;
    /// let group = Group::<SgdOptions>::new(&[param(1.0)], 0.1);
    /// assert_eq!((group.parameters.len(), group.options), (1, SgdOptions::default()));
    /// ```
    pub fn new(parameters: &[Tensor], rate: f64) -> Group<R> {
        Group { parameters: parameters.to_vec(), rate, options: R::default() }
    }

    /// With other options.
    ///
    /// ```
    /// use chainrule::optim::{AdamOptions, Group};
    /// use chainrule::param;
    /// let group = Group::new(&[param(1.0)], 0.1).with(AdamOptions::adamw());
    /// assert!(group.options.decoupled);
    /// ```
    pub fn with(self, options: R) -> Group<R> {
        Group { options, ..self }
    }
}

/// What is remembered of a parameter.
#[derive(Debug, Clone, Default)]
struct Memory {
    step: u64,
    /// Empty before the first gradient.
    arrays: Vec<(&'static str, Array)>,
}

/// An optimiser that follows the rule `R`: [`Sgd`](super::Sgd), [`Adam`](super::Adam) and the others are this.
///
/// ```
/// use chainrule::optim::{Optimizer, SgdOptions, Updater};
/// use chainrule::param;
/// let w = param(3.0);
/// let mut sgd = Updater::<SgdOptions>::new(&[w.clone()], 0.5);
/// w.square()?.backward()?;
/// sgd.step()?;
/// assert_eq!(w.item()?, 0.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct Updater<R> {
    parameters: Vec<Tensor>,
    memory: Vec<Memory>,
    groups: Vec<OwnGroup<R>>,
}

/// A group, its parameters being the next `length` of the optimiser's.
#[derive(Debug)]
struct OwnGroup<R> {
    length: usize,
    rate: f64,
    options: R,
}

impl<R: Rule> Updater<R> {
    /// One group with the rule's default options and learning rate γ.
    ///
    /// ```
    /// use chainrule::optim::{Adam, Optimizer};
    /// use chainrule::param;
    /// assert_eq!(Adam::new(&[param(1.0)], 1e-3).rates(), [1e-3]);
    /// ```
    pub fn new(parameters: &[Tensor], rate: f64) -> Updater<R> {
        let mut updater = Updater { parameters: Vec::new(), memory: Vec::new(), groups: Vec::new() };
        updater.push(Group::new(parameters, rate));
        updater
    }

    /// One group with other options.
    ///
    /// # Errors
    /// An option makes no sense.
    ///
    /// ```
    /// use chainrule::optim::{Sgd, SgdOptions};
    /// use chainrule::param;
    /// let nesterov = |momentum| {
    ///     let options = SgdOptions { momentum, nesterov: true, ..SgdOptions::default() };
    ///     Sgd::with(&[param(1.0)], 0.1, options)
    /// };
    /// assert!(nesterov(0.9).is_ok());
    /// assert!(nesterov(0.0).unwrap_err().to_string().contains("Nesterov's momentum needs a momentum"));
    /// ```
    pub fn with(parameters: &[Tensor], rate: f64, options: R) -> Result<Updater<R>> {
        Updater::groups([Group::new(parameters, rate).with(options)])
    }

    /// Several groups, each with a learning rate and options of its own.
    ///
    /// # Errors
    /// An option makes no sense, or a parameter is in two groups.
    ///
    /// ```
    /// use chainrule::optim::{Adam, Group, Optimizer};
    /// use chainrule::param;
    /// let (a, b) = (param(1.0), param(2.0));
    /// let adam = Adam::groups([Group::new(&[a.clone()], 0.1), Group::new(&[b], 0.01)])?;
    /// assert_eq!(adam.rates(), [0.1, 0.01]);
    /// assert!(Adam::groups([Group::new(&[a.clone()], 0.1), Group::new(&[a], 0.2)]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn groups(groups: impl IntoIterator<Item = Group<R>>) -> Result<Updater<R>> {
        let mut updater = Updater { parameters: Vec::new(), memory: Vec::new(), groups: Vec::new() };
        for group in groups {
            group.options.check()?;
            super::check(
                "learning rate",
                group.rate,
                group.rate >= 0.0 && group.rate.is_finite(),
                "a number from 0 on",
            )?;
            if group.parameters.iter().any(|p| updater.parameters.iter().any(|own| own.is(p))) {
                return Err(Error::argument("a parameter is in two groups of an optimiser"));
            }
            updater.push(group);
        }
        Ok(updater)
    }

    fn push(&mut self, group: Group<R>) {
        let before = self.parameters.len();
        for parameter in group.parameters {
            // Shared weights come once for each place they are used in, and are still updated once.
            if !self.parameters[before..].iter().any(|own| own.is(&parameter)) {
                self.parameters.push(parameter);
                self.memory.push(Memory::default());
            }
        }
        let length = self.parameters.len() - before;
        self.groups.push(OwnGroup { length, rate: group.rate, options: group.options });
    }

    /// The options of a group, to be changed between steps; `None` where there is no such group.
    ///
    /// ```
    /// use chainrule::optim::Adam;
    /// use chainrule::param;
    /// let mut adam = Adam::new(&[param(1.0)], 0.1);
    /// adam.options_mut(0).unwrap().weight_decay = 0.01;
    /// assert!(adam.options_mut(1).is_none());
    /// ```
    pub fn options_mut(&mut self, group: usize) -> Option<&mut R> {
        self.groups.get_mut(group).map(|group| &mut group.options)
    }

    /// Each parameter's number, the parameter and its group.
    fn members(&self) -> impl Iterator<Item = (&Tensor, &OwnGroup<R>)> {
        let owners = self.groups.iter().flat_map(|group| std::iter::repeat_n(group, group.length));
        self.parameters.iter().zip(owners)
    }
}

impl<R: Rule> Optimizer for Updater<R> {
    fn step(&mut self) -> Result<()> {
        let _off = GradModeGuard::set(false);
        let (mut parameters, mut memories) = (self.parameters.iter(), self.memory.iter_mut());
        for group in &self.groups {
            for (parameter, memory) in parameters.by_ref().zip(memories.by_ref()).take(group.length) {
                parameter.with_grad(|gradient| group.update(parameter, gradient, memory)).transpose()?;
            }
        }
        Ok(())
    }

    fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    fn rates(&self) -> Vec<f64> {
        self.groups.iter().map(|group| group.rate).collect()
    }

    fn rates_mut(&mut self) -> Vec<&mut f64> {
        self.groups.iter_mut().map(|group| &mut group.rate).collect()
    }

    fn momenta_mut(&mut self) -> Vec<&mut f64> {
        self.groups.iter_mut().filter_map(|group| group.options.momentum_mut()).collect()
    }

    fn state(&self) -> Vec<(String, Array)> {
        let mut state = Vec::new();
        for (i, group) in self.groups.iter().enumerate() {
            state.push((format!("rate.{i}"), Array::scalar(group.rate)));
        }
        for (i, memory) in self.memory.iter().enumerate() {
            state.push((format!("step.{i}"), Array::scalar(memory.step as i64)));
            for (name, array) in &memory.arrays {
                state.push((format!("{name}.{i}"), array.clone()));
            }
        }
        state
    }

    fn load_state(&mut self, state: &[(String, Array)]) -> Result<()> {
        let find = |name: String| {
            let found = state.iter().find(|(other, _)| *other == name);
            found
                .map(|(_, array)| array)
                .ok_or_else(|| Error::argument(format!("the optimiser's {name} is missing")))
        };
        let rates = (0..self.groups.len())
            .map(|i| find(format!("rate.{i}"))?.item())
            .collect::<Result<Vec<f64>>>()?;
        let mut all = Vec::with_capacity(self.memory.len());
        for (i, (parameter, group)) in self.members().enumerate() {
            let mut memory = Memory { step: find(format!("step.{i}"))?.item()? as u64, arrays: Vec::new() };
            // A parameter that never had a gradient has no memory either.
            if memory.step > 0 {
                for (name, _) in group.options.memory() {
                    let array = find(format!("{name}.{i}"))?;
                    if *array.shape() != parameter.shape() {
                        return Err(Error::shape(format!(
                            "the optimiser's {name}.{i} has the shape {}, not {}",
                            array.shape(),
                            parameter.shape()
                        )));
                    }
                    memory.arrays.push((name, array.cast(parameter.dtype())));
                }
            }
            all.push(memory);
        }
        self.memory = all;
        for (group, rate) in self.groups.iter_mut().zip(rates) {
            group.rate = rate;
        }
        Ok(())
    }
}

impl<R: Rule> OwnGroup<R> {
    /// Changes one of its parameters.
    fn update(&self, parameter: &Tensor, gradient: &Array, memory: &mut Memory) -> Result<()> {
        let dtype = parameter.dtype();
        let gradient = match self.options.maximizes() {
            true => &gate::run_one(&Neg, &[gradient])?,
            false => gradient,
        };
        let gradient = if gradient.dtype() == dtype { gradient } else { &gradient.cast(dtype) };
        let gradient = &*gradient.in_order();
        memory.step += 1;
        if memory.arrays.is_empty() {
            let begin = |(name, value)| (name, Array::full_of(parameter.shape(), value, dtype));
            memory.arrays = self.options.memory().into_iter().map(begin).collect();
        }
        let at = Moment { rate: self.rate, step: memory.step };
        parameter.modify(|array| match dtype {
            DType::F64 => step::<R, f64>(&self.options, at, array, gradient, &mut memory.arrays),
            _ => step::<R, f32>(&self.options, at, array, gradient, &mut memory.arrays),
        })
    }
}

/// Applies a rule to all elements of a parameter.
fn step<R: Rule, T: Real>(
    rule: &R,
    at: Moment,
    array: &mut Array,
    gradient: &Array,
    memory: &mut [(&'static str, Array)],
) {
    let memory = memory.iter_mut().filter_map(|(_, array)| array.make_mut::<T>()).collect();
    if let (Some(values), Some(gradient)) = (array.make_mut::<T>(), gradient.as_slice::<T>()) {
        update(
            Part { values, gradient, memory },
            #[inline(always)]
            |part| rule.update(at, part.values, part.gradient, &mut part.memory),
        );
    }
}
