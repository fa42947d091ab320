//! Whether two pictures are the same up to the names of their nodes.

use std::collections::{BTreeMap, HashMap};

use chainrule::draw::{Line, Picture};

/// How the colours of the nodes' neighbours are told apart.
type Signature = (usize, Vec<(Line, bool, usize)>);

/// The colours of all nodes of both pictures, refined until they no longer split: equal colours have equal
/// kinds and labels, and equally coloured neighbours along equal edges.
fn colours(pictures: [&Picture; 2]) -> [Vec<usize>; 2] {
    let mut names = HashMap::new();
    let mut colours = pictures.map(|picture| {
        let name = |node: &chainrule::draw::Node| {
            let next = names.len();
            *names.entry((node.kind, node.label.trim_start().to_string())).or_insert(next)
        };
        picture.nodes.iter().map(name).collect::<Vec<usize>>()
    });
    let mut count = 0;
    loop {
        let signatures = [0, 1].map(|which| {
            let mut all: Vec<Signature> = colours[which].iter().map(|&colour| (colour, Vec::new())).collect();
            for edge in &pictures[which].edges {
                all[edge.from].1.push((edge.line, true, colours[which][edge.to]));
                all[edge.to].1.push((edge.line, false, colours[which][edge.from]));
            }
            all.iter_mut().for_each(|(_, around)| around.sort());
            all
        });
        let numbers: BTreeMap<&Signature, usize> = BTreeMap::from_iter(
            signatures.iter().flatten().collect::<std::collections::BTreeSet<_>>().into_iter().zip(0..),
        );
        colours = [0, 1].map(|which| signatures[which].iter().map(|s| numbers[s]).collect());
        if numbers.len() == count {
            return colours;
        }
        count = numbers.len();
    }
}

/// Fails with what differs unless the pictures are isomorphic (as far as colour refinement tells, which for
/// graphs of named leaves is all the way).
pub fn assert_same(ours: &Picture, theirs: &Picture) {
    let count = |picture: &Picture| {
        let mut labels: BTreeMap<String, isize> = BTreeMap::new();
        for node in &picture.nodes {
            *labels.entry(format!("{:?} {:?}", node.kind, node.label)).or_default() += 1;
        }
        labels
    };
    let (left, right) = (count(ours), count(theirs));
    for label in left.keys().chain(right.keys()) {
        let (a, b) = (left.get(label).unwrap_or(&0), right.get(label).unwrap_or(&0));
        assert_eq!(a, b, "so many nodes {label}, and so many expected");
    }
    assert_eq!(ours.edges.len(), theirs.edges.len(), "so many edges");
    let [mut a, mut b] = colours([ours, theirs]);
    a.sort();
    b.sort();
    assert!(a == b, "the same nodes, joined in another way:\n{}", ours.to_dot());
}

#[test]
fn a_moved_edge_is_noticed() {
    let lecture = include_str!("../pictures/lecture.dot");
    let right = Picture::from_dot(lecture).unwrap();
    let mut wrong = right.clone();
    let leaf = |picture: &Picture, name: &str| {
        picture.nodes.iter().position(|node| node.label.starts_with(name)).unwrap()
    };
    let (x, z) = (leaf(&right, "x"), leaf(&right, "z"));
    let (i, j) = (
        wrong.edges.iter().position(|edge| edge.from == x).unwrap(),
        wrong.edges.iter().position(|edge| edge.from == z).unwrap(),
    );
    wrong.edges[i].from = z;
    wrong.edges[j].from = x;
    assert!(std::panic::catch_unwind(|| assert_same(&wrong, &right)).is_err());
    assert_same(&right, &right);
}
