//! `Node`: one use of a gate, with its edges to the nodes of its inputs and what it saved.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use smallvec::SmallVec;

use super::Tensor;
use super::hooks::NodeHooks;
use crate::array::{DType, Meta, Shape};
use crate::gate::{GateRef, Metas, Needs, SavedValues};

/// The reference-counted pointer of the graph's blocks.
pub(crate) type Shared<T> = Arc<T>;

/// From an input of a gate to where its gradient goes.
#[derive(Debug, Clone)]
pub(crate) enum Edge {
    /// The input needs no gradient; it is kept so that the graph can be captured and run again.
    Constant(Tensor),
    /// The input is an output of this node: the one with this number.
    Node(Shared<Node>, u32),
    /// The input is a leaf.
    Leaf(Tensor),
}

/// Element type and shape of a node's outputs: nearly always one 0-d f32, or a short list.
#[derive(Debug)]
pub(crate) enum NodeOutputs {
    Scalar,
    List(Box<[Meta]>),
}

const SCALAR: Meta = Meta { dtype: DType::F32, shape: Shape::SCALAR };

impl NodeOutputs {
    pub(crate) fn of(metas: Metas) -> NodeOutputs {
        if metas[..] == [SCALAR] {
            NodeOutputs::Scalar
        } else {
            NodeOutputs::List(metas.into_vec().into_boxed_slice())
        }
    }
}

/// One use of a gate.
#[derive(Debug)]
pub(crate) struct Node {
    /// Always there, until the node is dropped.
    gate: Option<GateRef>,
    /// Grows with every node, so that descending numbers are a topological order of any graph.
    number: u64,
    edges: SmallVec<[Edge; 2]>,
    outputs: NodeOutputs,
    saved: Mutex<SavedState>,
    location: &'static Location<'static>,
    hooks: OnceLock<Box<NodeHooks>>,
}

/// What a node keeps for its backward, until a backward pass without `retain_graph` went through it.
#[derive(Debug)]
pub(crate) enum SavedState {
    Kept(SavedValues),
    Freed,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl Node {
    #[inline]
    pub(crate) fn new(
        gate: GateRef,
        edges: SmallVec<[Edge; 2]>,
        outputs: NodeOutputs,
        saved: SavedValues,
        location: &'static Location<'static>,
    ) -> Node {
        Node {
            gate: Some(gate),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            edges,
            outputs,
            saved: Mutex::new(SavedState::Kept(saved)),
            location,
            hooks: OnceLock::new(),
        }
    }

    #[inline]
    pub(crate) fn gate(&self) -> &GateRef {
        self.gate.as_ref().expect("a node has its gate until it is dropped")
    }

    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    #[inline]
    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn saved(&self) -> &Mutex<SavedState> {
        &self.saved
    }

    #[inline]
    pub(crate) fn outputs(&self) -> &[Meta] {
        match &self.outputs {
            NodeOutputs::Scalar => &[SCALAR],
            NodeOutputs::List(list) => list,
        }
    }

    /// Whether this node has one output, which is a 0-d f32.
    #[inline]
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.outputs, NodeOutputs::Scalar)
    }

    /// Element type and shape of an input that needs a gradient.
    #[inline]
    pub(crate) fn input_meta(&self, i: usize) -> Option<Meta> {
        match self.edges.get(i)? {
            Edge::Constant(_) => None,
            Edge::Node(node, output) => Some(node.outputs()[*output as usize]),
            Edge::Leaf(tensor) => Some(tensor.meta()),
        }
    }

    #[inline]
    pub(crate) fn needs(&self) -> Needs {
        Needs::new(self.edges.iter().map(|edge| !matches!(edge, Edge::Constant(_))))
    }

    #[inline]
    pub(crate) fn hooks(&self) -> Option<&NodeHooks> {
        self.hooks.get().map(|hooks| &**hooks)
    }

    pub(crate) fn hooks_mut(&self) -> &NodeHooks {
        self.hooks.get_or_init(Box::default)
    }
}

/// What a dropped node held.
type Remains = (SmallVec<[Edge; 2]>, SavedState, Option<GateRef>);

thread_local! {
    /// The remains of nodes that are being dropped on this thread, while one of them is.
    static REMAINS: RefCell<Option<Vec<Remains>>> = const { RefCell::new(None) };
}

impl Drop for Node {
    // A graph a million gates deep must not be dropped by recursion: the outermost drop works off a list to
    // which the drops inside it (through edges, saved tensors, or gates that hold tensors) only add.
    fn drop(&mut self) {
        let saved = std::mem::replace(
            self.saved.get_mut().unwrap_or_else(PoisonError::into_inner),
            SavedState::Freed,
        );
        let mut remains = Some((std::mem::take(&mut self.edges), saved, self.gate.take()));
        let outermost = REMAINS.try_with(|list| {
            let mut list = list.borrow_mut();
            match &mut *list {
                Some(list) => {
                    list.extend(remains.take());
                    false
                }
                None => {
                    *list = Some(Vec::new());
                    true
                }
            }
        });
        if outermost != Ok(true) {
            return;
        }
        while let Some(last) = remains.take() {
            drop(last);
            remains = REMAINS.with_borrow_mut(|list| list.as_mut().and_then(Vec::pop));
        }
        REMAINS.with_borrow_mut(|list| *list = None);
    }
}
