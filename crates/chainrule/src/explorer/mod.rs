//! The explorer: a graph as one HTML page, on which backpropagation can be watched, changed and practised.
//!
//! The page (its source is `web/explorer`) needs no network and no server. This module writes down what it
//! shows. Of a small graph: the values and gradients of the last run and each gate's formula as an expression
//! tree, out of which the page makes its formulas and its own evaluator. Of a network: statistics of values
//! and gradients, costs, and what each gate keeps for its backward pass.
//!
//! ```
//! use chainrule::formula::Expr;
//! use chainrule::{tensor, ComputationalGraph};
//! let expr = Expr::parse("x*y")?;
//! let mut graph = ComputationalGraph::from_expr(&expr)?;
//! graph.forward(&[("x", &tensor(2.0)), ("y", &tensor(3.0))])?;
//! graph.backward()?;
//! let html = graph.explorer()?.html();
//! assert!(!html.contains("https://") && html.contains("<script>")); // a page that needs nothing else
//! # Ok::<(), chainrule::Error>(())
//! ```

mod circuit;
mod network;
mod numbers;
mod page;
mod statistics;

#[cfg(feature = "plot")]
pub(crate) use network::base64;

use std::path::Path;

use crate::array::Array;
use crate::check::GateCheck;
use crate::error::Result;
use crate::formula::Expr;
use crate::graph::ComputationalGraph;
use crate::io::write_atomic;
use crate::nn::Module;
use crate::profile::Profile;
use crate::tensor::Tensor;
use circuit::Circuit;
use network::Network;
use numbers::Numbers;

/// The most gates that a page shows as a circuit; larger graphs are shown as a network.
pub const MOST_GATES: usize = 60;
/// The most elements that a value on a circuit has.
pub const MOST_ELEMENTS: usize = 16;

/// Gates of more multiply-adds are not checked numerically for a network's page, as that would take long.
pub const MOST_CHECKED: u64 = 2_000_000;

/// A graph's page, made by [`ComputationalGraph::explorer`].
///
/// ```
/// use chainrule::{formula::Expr, ComputationalGraph, DType, Tensor};
/// let expr = Expr::parse("(x+y)*z")?;
/// let mut graph = ComputationalGraph::from_expr(&expr)?;
/// let [x, y, z] = [-2.0, 5.0, -4.0].map(|x| Tensor::new(x, DType::F64));
/// graph.forward(&[("x", &x?), ("y", &y?), ("z", &z?)])?;
/// graph.backward()?;
/// let html = graph.explorer()?.expression(&expr).html();
/// assert!(html.starts_with("<!doctype html>"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Explorer {
    title: Option<String>,
    expression: Option<Expr>,
    content: Content,
}

/// What a page shows.
#[derive(Debug, Clone)]
enum Content {
    Circuit(Circuit),
    Network(Box<Network>),
}

impl ComputationalGraph {
    /// The page that shows the last run: forward, and backward if that ran too. See [`Explorer`].
    ///
    /// A graph of at most [`MOST_GATES`] gates on values of at most [`MOST_ELEMENTS`] elements is drawn as a
    /// circuit with all its numbers; any other is a list of gates that folds, with statistics of each value.
    ///
    /// # Errors
    /// [`ComputationalGraph::forward`] hasn't run.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let (x, y) = (param(2.0), param(3.0));
    /// let mut graph = ComputationalGraph::capture(&(&x * &y))?;
    /// assert!(graph.explorer().is_err()); // there is nothing to show yet
    /// graph.forward(&[])?;
    /// assert!(graph.explorer()?.html().contains("<title>1 gate<"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn explorer(&self) -> Result<Explorer> {
        let small = self.len() <= MOST_GATES
            && self.run.as_ref().is_none_or(|run| run.tensors.iter().all(|x| x.elements() <= MOST_ELEMENTS));
        let content = if small {
            Content::Circuit(Circuit::of(self)?)
        } else {
            Content::Network(Box::new(Network::of(self)?))
        };
        Ok(Explorer { title: None, expression: None, content })
    }
}

impl Explorer {
    /// The page of the graph that computed a network's loss, with the parameters under their own names.
    ///
    /// ```
    /// use chainrule::nn::{Linear, Module};
    /// use chainrule::{explorer::Explorer, Generator, Tensor};
    /// let net = Linear::new(30, 2, &mut Generator::new(0));
    /// let loss = net.forward(&Tensor::ones([5, 30]))?.square()?.mean()?;
    /// let page = Explorer::of(&loss, &net.named_parameters())?.title("a linear layer");
    /// assert!(page.html().contains("<title>a linear layer</title>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// No recorded gate made the loss, it isn't one number, or a gate has no derivative.
    pub fn of(loss: &Tensor, parameters: &[(String, Tensor)]) -> Result<Explorer> {
        let mut graph = ComputationalGraph::capture_named(parameters, loss)?;
        graph.forward(&[])?;
        graph.backward()?;
        graph.explorer()
    }

    /// The page of a network and its loss on one input, run forward and backward: every gate, also those that
    /// let no gradient through, folded by the modules that ran them, with what it costs and whether it passes
    /// its numerical check (where that takes at most [`MOST_CHECKED`] multiply-adds a run).
    ///
    /// ```
    /// use chainrule::{explorer::Explorer, models, tensor, Generator, Tensor};
    /// let network = models::by_name("lenet")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::zeros([1, 1, 28, 28]), tensor([3]));
    /// let page = Explorer::of_network(&*network, &x, |logits| logits.cross_entropy(&labels))?;
    /// assert!(page.html().len() < 250_000);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The input doesn't fit the network, or its loss isn't one number that depends on a parameter.
    #[track_caller]
    pub fn of_network(
        network: &dyn Module,
        x: &Tensor,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Explorer> {
        let mut graph = ComputationalGraph::of_network(network, x, loss)?;
        let profile = graph.profile(&[], 3)?;
        graph.forward(&[])?;
        graph.backward()?;
        Ok(graph.explorer()?.profile(&profile).checks(&graph.check_gates(MOST_CHECKED)?))
    }

    /// Shows what each gate costs, as measured by [`ComputationalGraph::profile`] on the same graph. A page of a
    /// small graph has no place for it and stays as it is.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let mut graph = ComputationalGraph::capture(&param([[0.5; 30]; 30]).tanh()?.sum()?)?;
    /// graph.forward(&[])?;
    /// let page = graph.explorer()?.profile(&graph.profile(&[], 3)?);
    /// assert!(page.html().starts_with("<!doctype html>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn profile(mut self, profile: &Profile) -> Explorer {
        if let Content::Network(network) = &mut self.content {
            network.set_profile(profile);
        }
        self
    }

    /// Shows what each gate's numerical check found, as made by [`ComputationalGraph::check_gates`] on the same
    /// graph. On a page of a small graph an input's "nudge" takes its place.
    ///
    /// ```
    /// use chainrule::{param, ComputationalGraph};
    /// let mut graph = ComputationalGraph::capture(&param([[0.5; 30]; 30]).tanh()?.sum()?)?;
    /// graph.forward(&[])?;
    /// let page = graph.explorer()?.checks(&graph.check_gates(1_000_000)?);
    /// assert!(page.html().starts_with("<!doctype html>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn checks(mut self, checks: &[GateCheck]) -> Explorer {
        if let Content::Network(network) = &mut self.content {
            network.set_checks(checks);
        }
        self
    }

    /// The title at the page's head, in place of the number of gates.
    ///
    /// ```
    /// use chainrule::explorer::Explorer;
    /// use chainrule::param;
    /// let page = Explorer::of(&param([1.0, 2.0]).square()?.sum()?, &[])?.title("a sum of squares");
    /// assert!(page.html().contains("<title>a sum of squares</title>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn title(mut self, title: impl Into<String>) -> Explorer {
        self.title = Some(title.into());
        self
    }

    /// The expression that the graph computes, shown as a formula at the page's head.
    ///
    /// ```
    /// use chainrule::formula::Expr;
    /// use chainrule::{tensor, ComputationalGraph};
    /// let expr = Expr::parse("x*y")?;
    /// let mut graph = ComputationalGraph::from_expr(&expr)?;
    /// graph.forward(&[("x", &tensor(2.0)), ("y", &tensor(3.0))])?;
    /// let html = graph.explorer()?.expression(&expr).html();
    /// assert!(html.contains("<title>x*y</title>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn expression(mut self, expr: &Expr) -> Explorer {
        self.expression = Some(expr.clone());
        self
    }

    /// The page: one HTML file without references to anything outside.
    ///
    /// ```
    /// use chainrule::explorer::Explorer;
    /// use chainrule::param;
    /// let html = Explorer::of(&param([1.0, 2.0]).square()?.sum()?, &[])?.html();
    /// assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn html(&self) -> String {
        let gates = match &self.content {
            Content::Circuit(circuit) => circuit.gates(),
            Content::Network(network) => network.gates(),
        };
        let own = self.title.clone().or_else(|| self.expression.as_ref().map(Expr::to_string));
        let title =
            own.unwrap_or_else(|| if gates == 1 { "1 gate".into() } else { format!("{gates} gates") });
        page::html(&title, self.expression.as_ref(), &self.content)
    }

    /// Writes the page to a file, whole or not at all.
    ///
    /// # Errors
    /// The file can't be written.
    ///
    /// ```
    /// use chainrule::explorer::Explorer;
    /// use chainrule::param;
    /// # let path = std::env::temp_dir().join(format!("chainrule-doc-explorer-{}.html", std::process::id()));
    /// let page = Explorer::of(&param([1.0, 2.0]).square()?.sum()?, &[])?;
    /// page.save(&path)?;
    /// assert_eq!(std::fs::read_to_string(&path).unwrap(), page.html());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path, self.html().as_bytes())
    }
}

impl Numbers {
    fn of(array: &Array) -> Numbers {
        Numbers::new(array.to_f64_vec())
    }
}
