//! Asking for gradients: of which outputs, from which upstream gradients, for whom, and whether once more.

use super::carrier::{Carrier, Gradient};
use super::mode::watches;
use super::numbers::Numbers;
use super::pass::PassScope;
use super::sweep::{Sweep, Target};
use super::{GradModeGuard, GradientEdge, Recording, Tensor, batch, watches_forward};
use crate::array::Array;
use crate::error::{Error, Result};

/// A backward pass with its options.
///
/// ```
/// use chainrule::{param, Backward};
/// let x = param(3.0);
/// let y = x.pow(3.0)?;
/// // The gradient 3x², itself part of a graph…
/// let first = Backward::of(&[&y]).create_graph(true).gradients(&[&x])?;
/// // …and its gradient, 6x.
/// let second = Backward::of(&[first[0].as_ref().unwrap()]).gradients(&[&x])?;
/// assert_eq!(second[0].as_ref().unwrap().item()?, 18.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a backward pass runs when `accumulate`, `accumulate_into` or `gradients` is called"]
pub struct Backward<'a> {
    outputs: Vec<&'a Tensor>,
    upstream: Vec<Option<&'a Tensor>>,
    retain_graph: Option<bool>,
    create_graph: bool,
    allow_unused: bool,
    batched: bool,
    quiet: bool,
}

impl<'a> Backward<'a> {
    /// A backward pass from these outputs; several outputs add up.
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let x = param(3.0);
    /// let (y, z) = (&x * 2.0, &x * &x);
    /// Backward::of(&[&y, &z]).accumulate()?; // ∂(y + z)/∂x = 2 + 2x
    /// assert_eq!(x.grad().unwrap().item()?, 8.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn of(outputs: &[&'a Tensor]) -> Backward<'a> {
        Backward {
            upstream: vec![None; outputs.len()],
            outputs: outputs.to_vec(),
            retain_graph: None,
            create_graph: false,
            allow_unused: false,
            batched: false,
            quiet: false,
        }
    }

    /// The gradients to start from, one an output; without them each output must have one element (and 1 is
    /// its gradient).
    ///
    /// ```
    /// use chainrule::{param, tensor, Backward};
    /// let x = param([1.0, 2.0]);
    /// let y = &x * &x;
    /// let gradients = Backward::of(&[&y]).upstream(&[&tensor([1.0, 10.0])]).gradients(&[&x])?;
    /// assert_eq!(gradients[0].as_ref().unwrap().to_string(), "tensor([ 2., 40.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn upstream(mut self, upstream: &[&'a Tensor]) -> Backward<'a> {
        self.upstream = upstream.iter().map(|&g| Some(g)).collect();
        self
    }

    /// Whether another backward pass may go through the same graph. By default only where a graph of the
    /// gradient is made.
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let x = param(3.0);
    /// let y = &x * &x;
    /// Backward::of(&[&y]).retain_graph(true).accumulate()?;
    /// Backward::of(&[&y]).accumulate()?; // the second pass adds to the first, and frees the graph
    /// assert_eq!(x.grad().unwrap().item()?, 12.0);
    /// assert!(Backward::of(&[&y]).accumulate().is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn retain_graph(mut self, on: bool) -> Backward<'a> {
        self.retain_graph = Some(on);
        self
    }

    /// Whether the gradients can themselves be differentiated.
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let x = param(2.0);
    /// let y = x.pow(4.0)?;
    /// let slope = &Backward::of(&[&y]).create_graph(true).gradients(&[&x])?[0]; // 4x³
    /// slope.as_ref().unwrap().backward()?; // 12x²
    /// assert_eq!(x.grad().unwrap().item()?, 48.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn create_graph(mut self, on: bool) -> Backward<'a> {
        self.create_graph = on;
        self
    }

    /// Whether [`Backward::gradients`] accepts inputs that the outputs don't depend on (`None`).
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let (x, unused) = (param(2.0), param(7.0));
    /// let y = &x * 3.0;
    /// let gradients = Backward::of(&[&y]).allow_unused(true).gradients(&[&x, &unused])?;
    /// assert_eq!(gradients[0].as_ref().unwrap().item()?, 3.0);
    /// assert!(gradients[1].is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn allow_unused(mut self, on: bool) -> Backward<'a> {
        self.allow_unused = on;
        self
    }

    /// Whether each upstream gradient is a batch: many of them, along one more dimension in front, go through the
    /// graph in one sweep, and so are the gradients that [`Backward::gradients`] returns.
    ///
    /// Gates whose backward doesn't take batches are run once for each gradient.
    ///
    /// ```
    /// use chainrule::{param, tensor, Backward};
    /// let x = param([1.0, 2.0]);
    /// let y = x.mul(&x)?;
    /// // Both rows of the Jacobian at once.
    /// let rows = tensor([[1.0, 0.0], [0.0, 1.0]]);
    /// let jacobian = Backward::of(&[&y]).upstream(&[&rows]).is_grads_batched(true).gradients(&[&x])?;
    /// assert_eq!(jacobian[0].as_ref().unwrap().to_vec::<f32>()?, [2.0, 0.0, 0.0, 4.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn is_grads_batched(mut self, on: bool) -> Backward<'a> {
        self.batched = on;
        self
    }

    /// Leaves the hooks of the tensors whose gradients are asked for to the pass of which this one is a part.
    pub(crate) fn quiet(mut self) -> Backward<'a> {
        self.quiet = true;
        self
    }

    /// Adds the gradients to `.grad` of every leaf that the outputs depend on.
    ///
    /// # Errors
    /// An output has no graph, or not one element and no upstream gradient; the graph was freed; a gate has
    /// no derivative; a saved value was changed in place. Nothing is accumulated then.
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let x = param(3.0);
    /// Backward::of(&[&(&x * 2.0)]).accumulate()?;
    /// Backward::of(&[&(&x * 5.0)]).accumulate()?;
    /// assert_eq!(x.grad().unwrap().item()?, 7.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn accumulate(&self) -> Result<()> {
        self.pass().accumulate(None)
    }

    /// Like [`Backward::accumulate`], for these leaves only.
    ///
    /// # Errors
    /// As [`Backward::accumulate`].
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let (w, x) = (param(2.0), param(3.0));
    /// Backward::of(&[&(&w * &x)]).accumulate_into(&[&w])?;
    /// assert_eq!(w.grad().unwrap().item()?, 3.0);
    /// assert!(x.grad().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn accumulate_into(&self, leaves: &[&Tensor]) -> Result<()> {
        self.pass().accumulate(Some(&leaves.iter().map(|leaf| leaf.target()).collect::<Vec<_>>()))
    }

    /// The gradients with respect to these tensors, leaves or not; `.grad` stays as it is.
    ///
    /// # Errors
    /// As [`Backward::accumulate`]; or an input doesn't require a gradient, or isn't used (see
    /// [`Backward::allow_unused`]).
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let (w, x) = (param(2.0), param(3.0));
    /// let q = &w * &x;
    /// let loss = &q * &q;
    /// let gradients = Backward::of(&[&loss]).gradients(&[&q, &w])?; // q is no leaf
    /// assert_eq!(gradients[0].as_ref().unwrap().item()?, 12.0);
    /// assert_eq!(gradients[1].as_ref().unwrap().item()?, 36.0);
    /// assert!(w.grad().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn gradients(&self, inputs: &[&Tensor]) -> Result<Vec<Option<Tensor>>> {
        if let Some(i) = inputs.iter().position(|x| !x.requires_grad()) {
            return Err(Error::autograd(format!("input {i} doesn't require a gradient"))
                .hint("switch gradients on before computing with it: requires_grad_(true)"));
        }
        self.gradients_of(&inputs.iter().map(|x| x.target()).collect::<Vec<_>>())
    }

    /// Like [`Backward::gradients`], with respect to places in the graph.
    ///
    /// # Errors
    /// As [`Backward::gradients`].
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let x = param(3.0);
    /// let hidden = &x * 2.0;
    /// let edge = hidden.gradient_edge()?;
    /// let loss = hidden.square()?;
    /// drop(hidden); // the place stays
    /// assert_eq!(Backward::of(&[&loss]).gradients_at(&[&edge])?[0].as_ref().unwrap().item()?, 12.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn gradients_at(&self, edges: &[&GradientEdge]) -> Result<Vec<Option<Tensor>>> {
        self.gradients_of(&edges.iter().map(|edge| edge.target()).collect::<Vec<_>>())
    }

    fn gradients_of(&self, targets: &[Target]) -> Result<Vec<Option<Tensor>>> {
        let scope = PassScope::enter();
        let gradients = self.pass().wanted(targets)?;
        scope.finish()?;
        if !self.allow_unused
            && let Some(i) = gradients.iter().position(Option::is_none)
        {
            return Err(Error::autograd(format!("the outputs don't depend on input {i}"))
                .hint("call allow_unused(true) if that is intended"));
        }
        Ok(gradients)
    }

    fn pass(&self) -> Pass<'_> {
        Pass {
            begun: None,
            outputs: &self.outputs,
            upstream: &self.upstream,
            options: Options {
                retain_graph: self.retain_graph.unwrap_or(self.create_graph),
                create_graph: self.create_graph,
                batched: self.batched,
                quiet: self.quiet,
            },
        }
    }
}

/// The options of a backward pass, settled.
#[derive(Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) retain_graph: bool,
    create_graph: bool,
    batched: bool,
    pub(super) quiet: bool,
}

/// A backward pass.
#[derive(Clone, Copy)]
struct Pass<'a> {
    /// What has run of it already; it then begins there, and not at the outputs.
    begun: Option<&'a Numbers<'a>>,
    outputs: &'a [&'a Tensor],
    upstream: &'a [Option<&'a Tensor>],
    options: Options,
}

impl<'a> Pass<'a> {
    /// The usual pass from one output.
    #[inline]
    fn from(output: &'a [&'a Tensor; 1], upstream: &'a [Option<&'a Tensor>; 1]) -> Pass<'a> {
        Pass { begun: None, outputs: output, upstream, options: Options::default() }
    }

    fn accumulate<'g>(self, only: Option<&'g [Target<'g>]>) -> Result<()>
    where
        'a: 'g,
    {
        if self.options.batched {
            return Err(Error::autograd(
                "a batch of gradients can't be accumulated: `.grad` is one gradient",
            )
            .hint("ask for them with gradients(…)"));
        }
        if self.by_gates() {
            self.accumulate_as::<Tensor>(only)
        } else {
            self.accumulate_as::<Gradient>(only)
        }
    }

    fn accumulate_as<'g, G: Carrier>(self, only: Option<&'g [Target<'g>]>) -> Result<()>
    where
        'a: 'g,
    {
        let scope = PassScope::enter();
        let mut sweep = Sweep::<G>::new(only, &self.options);
        self.run(&mut sweep)?;
        for (leaf, gradient) in sweep.leaves() {
            let added = gradient.number().is_some_and(|number| leaf.grad.add_number(number));
            match self.options.create_graph {
                _ if added => {}
                // No leaf keeps a graph in `.grad` that nobody asked for.
                false => leaf.grad.add_array(gradient.into_array())?,
                true => leaf.grad.add_tensor(gradient.into_tensor())?,
            }
            if let Some(hooks) = leaf.hooks() {
                hooks.run_after(&Tensor::from(leaf.clone()));
            }
        }
        scope.finish()
    }

    /// The gradients of these places.
    fn wanted(self, targets: &[Target]) -> Result<Vec<Option<Tensor>>> {
        if self.by_gates() { self.wanted_as::<Tensor>(targets) } else { self.wanted_as::<Gradient>(targets) }
    }

    fn wanted_as<G: Carrier>(self, targets: &[Target]) -> Result<Vec<Option<Tensor>>> {
        let mut sweep = Sweep::<G>::new(Some(targets), &self.options);
        self.run(&mut sweep)?;
        Ok(sweep.into_wanted())
    }

    /// Whether gradients are tensors that gates compute. Forward mode follows values through gates, so a backward pass
    /// inside it must consist of such.
    fn by_gates(&self) -> bool {
        self.options.create_graph || watches_forward()
    }

    /// Sends the gradients of the outputs through the graph.
    fn run<'g, G: Carrier>(self, sweep: &mut Sweep<'g, G>) -> Result<()>
    where
        'a: 'g,
    {
        Recording::note_impure();
        let _guard = GradModeGuard::set(self.by_gates());
        if self.upstream.len() != self.outputs.len() {
            return Err(Error::argument(format!(
                "{} upstream gradients were given for {} outputs",
                self.upstream.len(),
                self.outputs.len()
            )));
        }
        let batch = match self.options.batched {
            true => Some(batch::size_of(self.outputs, self.upstream)?),
            false => None,
        };
        sweep.set_batch(batch);
        if let Some(numbers) = self.begun {
            numbers.hand_over(sweep)?;
            return sweep.run();
        }
        for (i, (output, upstream)) in self.outputs.iter().zip(self.upstream).enumerate() {
            let seed = seed::<G>(i, output, *upstream, batch)?;
            match (output.node(), output.as_leaf()) {
                (Some((node, place)), _) => sweep.arrive(node, place, seed)?,
                (None, Some(leaf)) => sweep.arrive_at_leaf(leaf, seed)?,
                (None, None) => unreachable!("what no node made is a leaf"),
            }
        }
        sweep.limit_to_paths(self.outputs);
        sweep.run()
    }
}

/// The gradient at an output.
fn seed<G: Carrier>(i: usize, output: &Tensor, upstream: Option<&Tensor>, batch: Option<usize>) -> Result<G> {
    if !output.requires_grad() {
        return Err(Error::autograd(format!(
            "output {i} doesn't require a gradient and wasn't made by a gate"
        ))
        .hint("does any input require a gradient, and was it computed outside no_grad?"));
    }
    if upstream.is_none() && output.number().is_some() {
        return Ok(G::from_number(1.0));
    }
    let meta = output.meta();
    if let (Some(gradient), Some(size)) = (upstream, batch) {
        return batch::fit(G::from_tensor(gradient), meta, size);
    }
    match upstream {
        Some(gradient) if gradient.shape() != meta.shape => Err(Error::shape(format!(
            "the upstream gradient {i} has the shape {}, its output {}",
            gradient.shape(),
            meta.shape
        ))),
        Some(gradient) => G::from_tensor(gradient).fit(&meta),
        None if meta.shape.elements() != 1 => Err(Error::autograd(format!(
            "a gradient starts from one number, and output {i} has the shape {}",
            meta.shape
        ))
        .hint("reduce it to a loss (sum, mean), or give the upstream gradient: backward_with(&gradient)")),
        None => Ok(G::from_tensor(&Tensor::from_array(Array::constant(1.0, meta)))),
    }
}

/// The gradients with respect to `inputs` of the sum of `outputs`; `.grad` stays as it is.
///
/// # Errors
/// See [`Backward::gradients`].
///
/// ```
/// use chainrule::{grad, param};
/// let (x, y) = (param(3.0), param(4.0));
/// let gradients = grad(&[&(&x * &y)], &[&x, &y])?;
/// assert_eq!(gradients[0].item()?, 4.0);
/// assert_eq!(gradients[1].item()?, 3.0);
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn grad(outputs: &[&Tensor], inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    Ok(Backward::of(outputs).gradients(inputs)?.into_iter().flatten().collect())
}

impl Tensor {
    /// Computes ∂self/∂leaf for every leaf this tensor depends on, and adds it to the leaf's `.grad`.
    ///
    /// # Errors
    /// See [`Backward::accumulate`].
    ///
    /// ```
    /// use chainrule::param;
    /// let (x, y, z) = (param(-2.0), param(5.0), param(-4.0));
    /// ((&x + &y) * &z).backward()?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor(-4.)");
    /// assert_eq!(y.grad().unwrap().to_string(), "tensor(-4.)");
    /// assert_eq!(z.grad().unwrap().to_string(), "tensor(3.)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn backward(&self) -> Result<()> {
        let Some(node) = self.scalar_node().filter(|_| !watches()) else {
            return Pass::from(&[self], &[None]).accumulate(None);
        };
        let mut numbers = Numbers::from(node);
        numbers.run()?;
        match numbers.deliver()? {
            true => Ok(()),
            false => Pass { begun: Some(&numbers), ..Pass::from(&[self], &[None]) }.accumulate(None),
        }
    }

    /// Like [`Tensor::backward`] from a given upstream gradient, for tensors with several elements.
    ///
    /// # Errors
    /// See [`Backward::accumulate`].
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let x = param([1.0, 2.0, 3.0]);
    /// let y = &x * &x;
    /// y.backward_with(&tensor([1.0, 0.0, -1.0]))?;
    /// assert_eq!(x.grad().unwrap().to_string(), "tensor([ 2.,  0., -6.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn backward_with(&self, upstream: &Tensor) -> Result<()> {
        Pass::from(&[self], &[Some(upstream)]).accumulate(None)
    }

    /// Adds a gradient that was computed elsewhere to this leaf's `.grad`; its hooks see it.
    pub(crate) fn deliver(&self, gradient: Array) -> Result<()> {
        let Some(leaf) = self.as_leaf() else { return Ok(()) };
        let gradient = match leaf.hooks() {
            Some(hooks) => hooks.run_before(Tensor::from_array(gradient))?.array(),
            None => gradient,
        };
        leaf.grad.add_array(gradient)?;
        if let Some(hooks) = leaf.hooks() {
            hooks.run_after(self);
        }
        Ok(())
    }
}
