//! Order and ranks: which nodes stand in one row.

use crate::draw::picture::{Line, Picture};

/// Neighbours of each node in one list: those of node `i` stand from `starts[i]` to `starts[i + 1]`.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    starts: Vec<usize>,
    items: Vec<usize>,
}

impl Lists {
    /// Groups pairs (key, item) by key, keeping their order.
    pub(super) fn new(keys: usize, pairs: impl Iterator<Item = (usize, usize)> + Clone) -> Lists {
        let mut starts = vec![0; keys + 1];
        for (key, _) in pairs.clone() {
            starts[key + 1] += 1;
        }
        for i in 0..keys {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut items = vec![0; starts[keys]];
        for (key, item) in pairs {
            items[next[key]] = item;
            next[key] += 1;
        }
        Lists { starts, items }
    }

    pub(super) fn of(&self, key: usize) -> &[usize] {
        &self.items[self.starts[key]..self.starts[key + 1]]
    }
}

/// The nodes from sources to sinks; `None` if the edges form a cycle.
pub(super) fn topological(nodes: usize, edges: &[(usize, usize)]) -> Option<Vec<usize>> {
    let outgoing = Lists::new(nodes, edges.iter().copied());
    let mut waiting = vec![0usize; nodes];
    for &(_, to) in edges {
        waiting[to] += 1;
    }
    let mut order: Vec<usize> = (0..nodes).filter(|&node| waiting[node] == 0).collect();
    let mut done = 0;
    while done < order.len() {
        for &to in outgoing.of(order[done]) {
            waiting[to] -= 1;
            if waiting[to] == 0 {
                order.push(to);
            }
        }
        done += 1;
    }
    (done == nodes).then_some(order)
}

/// The direction in which an edge counts for the order: what a gate saved stands before the gate.
pub(in crate::draw) fn directed(picture: &Picture) -> Vec<(usize, usize)> {
    let pair = |edge: &crate::draw::picture::Edge| match edge.line {
        Line::Undirected => (edge.to, edge.from),
        Line::Arrow | Line::Dotted => (edge.from, edge.to),
    };
    picture.edges.iter().map(pair).collect()
}

/// The nodes of a picture from sources to sinks; `None` if the edges form a cycle.
pub(in crate::draw) fn order_of(picture: &Picture) -> Option<Vec<usize>> {
    topological(picture.nodes.len(), &directed(picture))
}
