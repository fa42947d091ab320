//! Walking the graph by hand: the node that made a tensor, the nodes behind it, and what they keep.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::hooks::{HookHandle, Slots};
use super::node::Edge;
use super::sweep::Target;
use super::{Leaf, NodeRef, Shared, Tensor};
use crate::array::Meta;
use crate::error::{Error, Result};
use crate::gate::{Gate, Saved, input_name, output_name};

/// A node of the graph: a use of a gate, or the place where a leaf's gradient accumulates.
///
/// Holding one keeps the graph behind it alive.
///
/// ```
/// use chainrule::param;
/// let (x, y) = (param(3.0), param(4.0));
/// let loss = (&x * &y).exp()?;
/// let exp = loss.grad_fn().unwrap();
/// assert_eq!(exp.name(), "ExpBackward0");
/// let mul = exp.next_edges()[0].clone().unwrap();
/// assert_eq!((mul.grad_fn().name(), mul.output()), ("MulBackward0".to_string(), 0));
/// let leaf = mul.grad_fn().next_edges()[0].clone().unwrap();
/// assert_eq!(leaf.grad_fn().name(), "AccumulateGrad");
/// assert!(leaf.grad_fn().variable().unwrap().is(&x));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Clone)]
pub struct GradFn(Kind);

#[derive(Clone)]
enum Kind {
    Gate(NodeRef),
    Accumulate(Shared<Leaf>),
}

/// Where a gradient arrives: at an output of a node. What a tensor is to backward, without its values.
///
/// [`Backward::gradients_at`](crate::Backward::gradients_at) asks for the gradient there.
///
/// ```
/// use chainrule::param;
/// let (x, y) = (param(3.0), param(4.0));
/// let edges = (&x * &y).grad_fn().unwrap().next_edges();
/// assert_eq!(edges[1].as_ref().unwrap().grad_fn().name(), "AccumulateGrad"); // where y's gradient arrives
/// ```
#[derive(Debug, Clone)]
pub struct GradientEdge {
    node: GradFn,
    output: usize,
}

impl GradientEdge {
    /// The node.
    ///
    /// ```
    /// use chainrule::param;
    /// let y = param(3.0).exp()?;
    /// assert_eq!(y.gradient_edge()?.grad_fn(), &y.grad_fn().unwrap());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn grad_fn(&self) -> &GradFn {
        &self.node
    }

    /// Which of the node's outputs.
    ///
    /// ```
    /// use chainrule::param;
    /// let halves = param([3.0, 4.0]).split(1, 0)?;
    /// assert_eq!(halves[1].gradient_edge()?.output(), 1);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn output(&self) -> usize {
        self.output
    }

    /// Element type and shape of the gradient that arrives here.
    ///
    /// ```
    /// use chainrule::param;
    /// assert_eq!(param([[3.0, 4.0]]).exp()?.gradient_edge()?.meta().to_string(), "f32[1, 2]");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn meta(&self) -> Meta {
        match &self.node.0 {
            Kind::Gate(node) => node.outputs()[self.output],
            Kind::Accumulate(leaf) => *leaf.meta(),
        }
    }

    pub(super) fn target(&self) -> Target<'_> {
        match &self.node.0 {
            Kind::Gate(node) => Target::Output(node, self.output),
            Kind::Accumulate(leaf) => Target::Leaf(leaf),
        }
    }
}

impl GradFn {
    /// The node's name as PyTorch prints it: `MulBackward0`, or `AccumulateGrad` for a leaf.
    ///
    /// ```
    /// use chainrule::param;
    /// assert_eq!((param(3.0) * param(4.0)).grad_fn().unwrap().name(), "MulBackward0");
    /// ```
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Gate(node) => node.gate().grad_fn(),
            Kind::Accumulate(_) => "AccumulateGrad".into(),
        }
    }

    /// The gate, where the node is the use of one.
    ///
    /// ```
    /// use chainrule::param;
    /// let y = param(3.0).exp()?;
    /// assert_eq!(y.grad_fn().unwrap().gate().unwrap().formula().to_string(), "y = exp(x)");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn gate(&self) -> Option<&dyn Gate> {
        match &self.0 {
            Kind::Gate(node) => Some(&**node.gate()),
            Kind::Accumulate(_) => None,
        }
    }

    /// The leaf whose gradient accumulates here, where the node is such a place.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let leaf = x.exp()?.grad_fn().unwrap().next_edges()[0].clone().unwrap();
    /// assert!(leaf.grad_fn().variable().unwrap().is(&x));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn variable(&self) -> Option<Tensor> {
        match &self.0 {
            Kind::Gate(_) => None,
            Kind::Accumulate(leaf) => Some(Tensor::from(leaf.clone())),
        }
    }

    /// Where the gradients of the gate's inputs go, one an input; `None` where an input needs no gradient.
    ///
    /// ```
    /// use chainrule::{param, tensor};
    /// let (x, y) = (param(3.0), tensor(4.0));
    /// let edges = (&x * &y).grad_fn().unwrap().next_edges();
    /// assert!(edges[0].is_some() && edges[1].is_none()); // y wants no gradient
    /// ```
    pub fn next_edges(&self) -> Vec<Option<GradientEdge>> {
        let Kind::Gate(node) = &self.0 else { return Vec::new() };
        let next = |edge: &Edge| match edge {
            Edge::Number(_) | Edge::Constant(..) => None,
            Edge::Leaf(leaf, _) => {
                Some(GradientEdge { node: GradFn(Kind::Accumulate(leaf.clone())), output: 0 })
            }
            Edge::Node(node, output) => {
                Some(GradientEdge { node: GradFn(Kind::Gate(node.clone())), output: *output as usize })
            }
        };
        node.edges().iter().map(next).collect()
    }

    /// A number that grows with every node that a thread makes, and is larger than those of the node's inputs:
    /// backward runs nodes in descending order. `None` for a leaf's.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let (first, second) = (x.exp()?, x.sin()?);
    /// assert!(first.grad_fn().unwrap().sequence_number() < second.grad_fn().unwrap().sequence_number());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn sequence_number(&self) -> Option<u64> {
        match &self.0 {
            Kind::Gate(node) => Some(node.number()),
            Kind::Accumulate(_) => None,
        }
    }

    /// The line of the program that ran the gate; `None` for a leaf.
    ///
    /// ```
    /// use chainrule::param;
    /// let y = param(3.0).exp()?;
    /// assert!(y.grad_fn().unwrap().location().unwrap().line() > 0); // where `exp` was called
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn location(&self) -> Option<&'static Location<'static>> {
        match &self.0 {
            Kind::Gate(node) => Some(node.location()),
            Kind::Accumulate(_) => None,
        }
    }

    /// Element types and shapes of the gate's outputs, which are those of the gradients that arrive.
    ///
    /// ```
    /// use chainrule::param;
    /// let halves = param([3.0, 4.0]).split(1, 0)?;
    /// assert_eq!(halves[0].grad_fn().unwrap().outputs().len(), 2);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn outputs(&self) -> Vec<Meta> {
        match &self.0 {
            Kind::Gate(node) => node.outputs().to_vec(),
            Kind::Accumulate(leaf) => vec![*leaf.meta()],
        }
    }

    /// What the node keeps for its backward, by name: inputs are called `self`, `other`, `input2`…, outputs
    /// `result`, `result1`…, and what else the gate put aside `saved0`, `saved1`….
    ///
    /// ```
    /// use chainrule::param;
    /// let (x, y) = (param(3.0), param(4.0));
    /// let node = (&x * &y).grad_fn().unwrap();
    /// let names: Vec<String> = node.saved()?.into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["self", "other"]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// A backward pass freed the values, or one was changed in place since.
    pub fn saved(&self) -> Result<Vec<(String, Tensor)>> {
        let Kind::Gate(node) = &self.0 else { return Ok(Vec::new()) };
        let kept = node.keep(true)?;
        let saved = Saved::new(node, &kept);
        let saves = node.gate().saves(&node.needs());
        let mut found = Vec::new();
        for i in (0..node.edges().len()).filter(|&i| saves.has_input(i)) {
            found.push((input_name(i), saved.input(i)?));
        }
        for i in (0..node.outputs().len()).filter(|&i| saves.has_output(i)) {
            found.push((output_name(i), saved.output(i)?));
        }
        let extras = (0..).map_while(|i| Some((format!("saved{i}"), saved.extra(i).ok()?.clone())));
        found.extend(extras.map(|(name, array)| (name, Tensor::from_array(array))));
        Ok(found)
    }

    /// Puts a value of the program's own on the node under a key; another one there is replaced.
    ///
    /// ```
    /// use chainrule::param;
    /// let y = param(3.0).exp()?;
    /// y.grad_fn().unwrap().set_metadata("layer", 7usize);
    /// assert_eq!(y.grad_fn().unwrap().metadata::<usize>("layer"), Some(7));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn set_metadata(&self, key: &str, value: impl Any + Send + Sync) {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        match &self.0 {
            Kind::Gate(node) => node.hooks_or_new().metadata.set(key, value),
            Kind::Accumulate(leaf) => leaf.hooks_or_new().metadata.set(key, value),
        }
    }

    /// The value under a key, where there is one of this type.
    ///
    /// ```
    /// use chainrule::param;
    /// let y = param(3.0).exp()?;
    /// let node = y.grad_fn().unwrap();
    /// node.set_metadata("layer", "fc1".to_string());
    /// assert_eq!(node.metadata::<String>("layer").as_deref(), Some("fc1"));
    /// assert_eq!(node.metadata::<usize>("layer"), None); // of another type
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn metadata<T: Any + Clone>(&self, key: &str) -> Option<T> {
        match &self.0 {
            Kind::Gate(node) => node.hooks()?.metadata.get(key),
            Kind::Accumulate(leaf) => leaf.hooks()?.metadata.get(key),
        }
    }

    /// Calls `hook` in every backward pass with the gradients that arrive at the node, one an output, before its
    /// gate multiplies them; what the hook returns takes their place. The hooks of the output tensors run before,
    /// those of [`GradFn::register_hook`] after the gate.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// let y = &x * 2.0;
    /// y.grad_fn().unwrap().register_prehook(|g| Some(vec![g[0].as_ref().map(|g| g * 10.0)]));
    /// y.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 20.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_prehook(
        &self,
        hook: impl Fn(&[Option<Tensor>]) -> Option<Vec<Option<Tensor>>> + Send + Sync + 'static,
    ) -> HookHandle {
        match &self.0 {
            Kind::Gate(node) => node.hooks_or_new().add_before(Arc::new(hook)),
            Kind::Accumulate(leaf) => leaf.hooks_or_new().add_before_all(Arc::new(hook)),
        }
    }

    /// Calls `hook` in every backward pass when the gate has run, with the gradients of its inputs and those that
    /// had arrived; what the hook returns takes the place of the former.
    ///
    /// # Errors
    /// The node is a leaf's, which passes nothing on.
    ///
    /// ```
    /// use chainrule::param;
    /// let (x, y) = (param(3.0), param(4.0));
    /// let product = &x * &y;
    /// product.grad_fn().unwrap().register_hook(|inputs, outputs| {
    ///     assert_eq!(outputs.len(), 1);
    ///     Some(vec![inputs[0].clone(), None]) // nothing for y
    /// })?;
    /// product.backward()?;
    /// assert_eq!(x.grad().unwrap().item()?, 4.0);
    /// assert!(y.grad().is_none());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn register_hook(
        &self,
        hook: impl Fn(&[Option<Tensor>], &[Option<Tensor>]) -> Option<Slots> + Send + Sync + 'static,
    ) -> Result<HookHandle> {
        match &self.0 {
            Kind::Gate(node) => Ok(node.hooks_or_new().add_after(Arc::new(hook))),
            Kind::Accumulate(_) => {
                Err(Error::autograd("the node of a leaf passes no gradient on, so no hook can run after it")
                    .hint("use register_post_accumulate_grad_hook of the leaf"))
            }
        }
    }
}

impl PartialEq for GradFn {
    /// Whether both are the same node.
    fn eq(&self, other: &GradFn) -> bool {
        match (&self.0, &other.0) {
            (Kind::Gate(a), Kind::Gate(b)) => a.address() == b.address(),
            (Kind::Accumulate(a), Kind::Accumulate(b)) => Shared::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Eq for GradFn {}

impl fmt::Display for GradFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for GradFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.name())
    }
}

impl Tensor {
    /// The node that made this tensor; `None` for leaves.
    ///
    /// ```
    /// use chainrule::param;
    /// let x = param(3.0);
    /// assert!(x.grad_fn().is_none());
    /// assert_eq!(x.exp()?.grad_fn().unwrap().to_string(), "ExpBackward0");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn grad_fn(&self) -> Option<GradFn> {
        self.node().map(|(node, _)| GradFn(Kind::Gate(node.clone())))
    }

    /// Where this tensor's gradient arrives: at the node that made it, or where a leaf's accumulates.
    ///
    /// ```
    /// use chainrule::{param, Backward};
    /// let x = param(3.0);
    /// let (loss, edge) = {
    ///     let hidden = &x * 2.0;
    ///     (hidden.exp()?, hidden.gradient_edge()?)
    /// };
    /// let gradients = Backward::of(&[&loss]).gradients_at(&[&edge])?;
    /// assert_eq!(gradients[0].as_ref().unwrap().item()?, loss.item()?);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The tensor doesn't require a gradient.
    pub fn gradient_edge(&self) -> Result<GradientEdge> {
        match (self.node(), self.as_leaf()) {
            (Some((node, output)), _) => Ok(GradientEdge { node: GradFn(Kind::Gate(node.clone())), output }),
            (None, Some(leaf)) if self.requires_grad() => {
                Ok(GradientEdge { node: GradFn(Kind::Accumulate(leaf.clone())), output: 0 })
            }
            _ => Err(Error::autograd("no gradient arrives at a tensor that doesn't require one")
                .hint("switch gradients on first: requires_grad_(true)")),
        }
    }
}
