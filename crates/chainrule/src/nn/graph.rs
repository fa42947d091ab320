//! A network's graph, with its modules and the names of its parameters.

use super::Module;
use crate::error::Result;
use crate::graph::ComputationalGraph;
use crate::tensor::{CallerGuard, Tensor, enable_grad};

impl ComputationalGraph {
    /// Every gate that a network and `loss` run on this input, each with the module that ran it; `loss` makes
    /// one number of the network's output. The parameters are the graph's inputs, under their own names.
    ///
    /// ```
    /// use chainrule::{models, tensor, ComputationalGraph, Generator, Tensor};
    /// let network = models::by_name("lenet")?.build(10, &mut Generator::new(0))?;
    /// let (x, labels) = (Tensor::zeros([1, 1, 28, 28]), tensor([3]));
    /// let mut graph = ComputationalGraph::of_network(&*network, &x, |logits| logits.cross_entropy(&labels))?;
    /// assert_eq!(graph.inputs()[0], "0.weight");
    /// graph.forward(&[])?;
    /// assert_eq!(graph.gates()?[0].module.as_deref(), Some("0"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The input doesn't fit the network, or `loss` fails.
    #[track_caller]
    pub fn of_network(
        network: &dyn Module,
        x: &Tensor,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<ComputationalGraph> {
        let _line = CallerGuard::here();
        let mut names = network.named_parameters();
        // A parameter that two modules share has the name that it has first.
        for i in (1..names.len()).rev() {
            if names[..i].iter().any(|(_, other)| other.is(&names[i].1)) {
                names.remove(i);
            }
        }
        names.extend(network.named_buffers());
        names.push(("input".into(), x.clone()));
        ComputationalGraph::record_named(&names, || enable_grad(|| loss(&network.call(x)?)))
    }
}
