//! The order of a row's items, chosen so that few wires cross.

use super::rank::Lists;
use crate::order;

/// A wire between neighbouring rows, seen from one of its ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    /// The item at the other end.
    pub(super) other: usize,
    /// Where the wire is at this end, from the item's middle.
    pub(super) here: f64,
    /// Where it is at the other end.
    pub(super) there: f64,
}

/// Items in rows, and the wires between neighbouring rows.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// The items of each row, from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    /// The row of each item.
    pub(super) rank: Vec<usize>,
    /// Each item's place in its row.
    pub(super) place: Vec<usize>,
    /// How wide each item is.
    pub(super) room: Vec<f64>,
    /// How long the longest way is that leads to each item, and the one that leads on from it.
    pub(super) length: [Vec<usize>; 2],
    /// Wires to the row before.
    pub(super) up: Lists<End>,
    /// Wires to the row behind.
    pub(super) down: Lists<End>,
}

/// How often all rows are ordered anew, at most, in small graphs.
const SWEEPS: usize = 12;
/// With more wires than this, few times.
const MANY: usize = 20_000;

impl Rows {
    /// Orders every row: first as the graph is walked from its ends back to its beginnings, which lays trees out
    /// without any crossing and with inputs in their order; then by the means of neighbours, while that helps.
    pub(super) fn order(&mut self, wires: usize) {
        self.walk();
        let mut best = self.crossings();
        let mut kept = self.rows.clone();
        let sweeps = if wires > MANY { 2 } else { SWEEPS };
        let mut in_vain = 0;
        for sweep in 0..sweeps {
            if best == 0 || in_vain == 4 {
                break;
            }
            self.sweep(sweep % 2 == 0);
            let crossings = self.crossings();
            in_vain += 1;
            if crossings < best {
                (best, in_vain) = (crossings, 0);
                kept.clone_from(&self.rows);
            }
        }
        self.rows = kept;
        self.number();
    }

    fn number(&mut self) {
        for row in &self.rows {
            for (place, &item) in row.iter().enumerate() {
                self.place[item] = place;
            }
        }
    }

    fn walk(&mut self) {
        let count = self.rank.len();
        let mut seen = vec![false; count];
        let old: Vec<Vec<usize>> = self.rows.iter_mut().map(std::mem::take).collect();
        let mut stack: Vec<(usize, usize)> = Vec::new();
        // From the last row up; ends in earlier rows follow.
        for &root in old.iter().rev().flatten().filter(|&&item| self.down.of(item).is_empty()) {
            let mut enter = |item: usize, stack: &mut Vec<(usize, usize)>, rows: &mut Vec<Vec<usize>>| {
                if !std::mem::replace(&mut seen[item], true) {
                    rows[self.rank[item]].push(item);
                    stack.push((item, 0));
                }
            };
            enter(root, &mut stack, &mut self.rows);
            while let Some((item, next)) = stack.pop() {
                let Some(end) = self.up.of(item).get(next) else { continue };
                stack.push((item, next + 1));
                enter(end.other, &mut stack, &mut self.rows);
            }
        }
        self.number();
    }

    /// Orders each row by the mean place of what its items are joined to in the row before (or behind).
    fn sweep(&mut self, downwards: bool) {
        let count = self.rows.len();
        let mut keys: Vec<(f64, usize)> = Vec::new();
        for step in 1..count {
            let (row, from) = if downwards { (step, step - 1) } else { (count - 1 - step, count - step) };
            let scale = self.rows[from].len() as f64 / self.rows[row].len().max(1) as f64;
            keys.clear();
            for (place, &item) in self.rows[row].iter().enumerate() {
                let ends = if downwards { self.up.of(item) } else { self.down.of(item) };
                let at = |end: &End| {
                    self.place[end.other] as f64 + 0.5 + 0.9 * end.there / self.room[end.other].max(1.0)
                        - 0.1 * end.here / self.room[item].max(1.0)
                };
                let key = match ends.len() {
                    0 => (place as f64 + 0.5) * scale,
                    n => ends.iter().map(at).sum::<f64>() / n as f64,
                };
                keys.push((key, item));
            }
            keys.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (place, &(_, item)) in keys.iter().enumerate() {
                self.rows[row][place] = item;
                self.place[item] = place;
            }
        }
    }

    /// How many pairs of wires cross.
    pub(super) fn crossings(&self) -> u64 {
        let mut total = 0;
        let mut wires: Vec<(usize, f64, usize, f64)> = Vec::new();
        let mut tree: Vec<u64> = Vec::new();
        for row in &self.rows {
            wires.clear();
            let mut last = 0;
            for &item in row {
                for end in self.down.of(item) {
                    wires.push((self.place[item], end.here, self.place[end.other], end.there));
                    last = last.max(self.place[end.other]);
                }
            }
            if wires.len() < 2 {
                continue;
            }
            order::sort_by(&mut wires, |a, b| {
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)).then(a.3.total_cmp(&b.3))
            });
            // Wires that end left of an earlier one's end cross it: counted in a Fenwick tree over the ends.
            let ends = order::ranked(wires.len(), &|a, b| {
                wires[a].2.cmp(&wires[b].2).then(wires[a].3.total_cmp(&wires[b].3))
            });
            // Equal ends don't cross.
            let mut number = vec![0; wires.len()];
            let mut distinct = 0;
            for (i, &wire) in ends.iter().enumerate() {
                let same = i > 0 && {
                    let before = &wires[ends[i - 1]];
                    before.2 == wires[wire].2 && before.3 == wires[wire].3
                };
                distinct += usize::from(!same);
                number[wire] = distinct;
            }
            tree.clear();
            tree.resize(distinct + 1, 0);
            for (seen, &end) in number.iter().enumerate() {
                let mut not_right = 0;
                let mut i = end;
                while i > 0 {
                    not_right += tree[i];
                    i &= i - 1;
                }
                total += seen as u64 - not_right;
                let mut i = end;
                while i <= distinct {
                    tree[i] += 1;
                    i += i & i.wrapping_neg();
                }
            }
        }
        total
    }
}
