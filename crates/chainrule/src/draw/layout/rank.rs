//! Order and ranks: which nodes stand in one row.

use crate::draw::picture::{Line, Picture};

/// Neighbours of each node in one list: those of node `i` stand from `starts[i]` to `starts[i + 1]`.
#[derive(Debug, Clone)]
pub(super) struct Lists<T> {
    starts: Vec<usize>,
    items: Vec<T>,
}

impl<T: Copy + Default> Lists<T> {
    /// Groups pairs (key, item) by key, keeping their order.
    pub(super) fn new(keys: usize, pairs: impl Iterator<Item = (usize, T)> + Clone) -> Lists<T> {
        let mut starts = vec![0; keys + 1];
        for (key, _) in pairs.clone() {
            starts[key + 1] += 1;
        }
        for i in 0..keys {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut items = vec![T::default(); starts[keys]];
        for (key, item) in pairs {
            items[next[key]] = item;
            next[key] += 1;
        }
        Lists { starts, items }
    }

    pub(super) fn of(&self, key: usize) -> &[T] {
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

/// Where a node must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// In the first row
    First,
    /// In the last row
    Last,
    Free,
}

/// The row of each node, from 0; every edge leads to a later row.
///
/// As early as possible, or as late as possible: then leaves stand just before their first use.
pub(super) fn ranks(order: &[usize], edges: &[(usize, usize)], ends: &[End], early: bool) -> Vec<usize> {
    let nodes = order.len();
    let before = Lists::new(nodes, edges.iter().map(|&(from, to)| (to, from)));
    let after = Lists::new(nodes, edges.iter().copied());
    let mut rank = vec![0usize; nodes];
    if early {
        for &node in order {
            let first = before.of(node).iter().map(|&from| rank[from] + 1).max();
            rank[node] = first.unwrap_or(0);
        }
        let last = rank.iter().copied().max().unwrap_or(0);
        for node in (0..nodes).filter(|&node| ends[node] == End::Last) {
            rank[node] = last;
        }
        return rank;
    }
    for &node in order.iter().rev() {
        let steps = after.of(node).iter().map(|&to| rank[to] + 1).max();
        rank[node] = steps.unwrap_or(0);
    }
    let last = rank.iter().copied().max().unwrap_or(0);
    for node in 0..nodes {
        rank[node] = last - rank[node];
        if ends[node] == End::First {
            rank[node] = 0;
        }
    }
    // What nothing uses stands just behind what made it.
    for &node in order {
        if after.of(node).is_empty() && ends[node] == End::Free {
            rank[node] = before.of(node).iter().map(|&from| rank[from] + 1).max().unwrap_or(rank[node]);
        }
    }
    rank
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
