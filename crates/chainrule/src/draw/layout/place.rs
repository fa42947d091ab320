//! Columns: where each item stands in its row, so that long wires are straight.
//!
//! After Brandes and Köpf, "Fast and simple horizontal coordinate assignment" (2002), with wires that end beside
//! an item's middle (Rüegg et al., 2015): items are joined to blocks that stand in one column, four times over, each
//! time leaning to another corner; the mean of the two middle results counts.

use std::collections::HashSet;

use super::order::{End, Rows};
use super::rank::Lists;
use crate::order;

/// Least distances between the items of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaps {
    pub(super) boxes: f64,
    pub(super) wires: f64,
}

/// One of the four ways to lean.
#[derive(Debug, Clone, Copy)]
struct Lean {
    /// Items are aligned with the row before, else with the row behind.
    upwards: bool,
    /// Blocks stand as far left as they can, else as far right.
    left: bool,
}

/// The middle of every item. `is_wire` tells items that are only a wire passing by.
pub(super) fn place(rows: &Rows, is_wire: &[bool], gaps: Gaps) -> Vec<f64> {
    let conflicts = Conflicts::of(rows, is_wire);
    let mains = Mains::of(rows);
    let mut results: Vec<(f64, f64, Vec<f64>)> = Vec::with_capacity(4);
    for upwards in [true, false] {
        for left in [true, false] {
            let lean = Lean { upwards, left };
            let blocks = align(rows, lean, &conflicts, &mains);
            let x = compact(rows, lean, &blocks, is_wire, gaps);
            let mut low = f64::INFINITY;
            let mut high = f64::NEG_INFINITY;
            for (x, room) in x.iter().zip(&rows.room) {
                low = low.min(x - room / 2.0);
                high = high.max(x + room / 2.0);
            }
            results.push((low, high, x));
        }
    }
    let narrowest = results.iter().enumerate().min_by(|a, b| (a.1.1 - a.1.0).total_cmp(&(b.1.1 - b.1.0)));
    let (low, high) = narrowest.map_or((0.0, 0.0), |(_, result)| (result.0, result.1));
    for (i, (own_low, own_high, x)) in results.iter_mut().enumerate() {
        // Every second one leans to the right.
        let shift = if i % 2 == 0 { low - *own_low } else { high - *own_high };
        x.iter_mut().for_each(|x| *x += shift);
    }
    (0..rows.rank.len())
        .map(|item| {
            let mut four = [0, 1, 2, 3].map(|i| results[i].2[item]);
            four.sort_unstable_by(f64::total_cmp);
            (four[1] + four[2]) / 2.0
        })
        .collect()
}

/// Wires that give way: they cross a straight stretch of a long one.
struct Conflicts {
    /// Their upper and lower ends.
    crossing: HashSet<(usize, usize)>,
}

impl Conflicts {
    fn of(rows: &Rows, is_wire: &[bool]) -> Conflicts {
        let mut crossing = HashSet::new();
        let straight = |item: usize| {
            let ends = rows.up.of(item);
            if is_wire[item] && ends.len() == 1 && is_wire[ends[0].other] {
                Some(ends[0].other)
            } else {
                None
            }
        };
        for row in rows.rows.iter().skip(1) {
            if !row.iter().any(|&item| straight(item).is_some()) {
                continue;
            }
            let mut low = 0;
            let mut scanned = 0;
            for (i, &item) in row.iter().enumerate() {
                let inner = straight(item);
                if inner.is_none() && i + 1 < row.len() {
                    continue;
                }
                let high = inner.map_or(usize::MAX, |upper| rows.place[upper]);
                for &between in &row[scanned..=i] {
                    let ends = rows.up.of(between);
                    let crosses = |end: &End| {
                        let place = rows.place[end.other];
                        (place < low || place > high) && straight(between).is_none()
                    };
                    crossing.extend(ends.iter().filter(|&end| crosses(end)).map(|end| (end.other, between)));
                }
                scanned = i + 1;
                low = if high == usize::MAX { low } else { high };
            }
        }
        Conflicts { crossing }
    }

    fn at(&self, upper: usize, lower: usize) -> bool {
        !self.crossing.is_empty() && self.crossing.contains(&(upper, lower))
    }
}

/// Where the longest way through each item comes from, and where it leads to, if one is longer than all others.
/// Known once for all: an item may have a hundred thousand neighbours, each of which asks.
struct Mains {
    up: Vec<Option<usize>>,
    down: Vec<Option<usize>>,
}

impl Mains {
    fn of(rows: &Rows) -> Mains {
        let of = |lists: &Lists<End>, length: &[usize]| {
            let other = |item| {
                let ends = lists.of(item);
                main(ends, length).map(|place| ends[place].other)
            };
            (0..rows.rank.len()).map(other).collect()
        };
        Mains { up: of(&rows.up, &rows.length[0]), down: of(&rows.down, &rows.length[1]) }
    }
}

/// Which block each item is in, by the block's first item, and where it stands from the block's column.
struct Blocks {
    root: Vec<usize>,
    shift: Vec<f64>,
}

/// The wire on the longest way, where one is longer than all others.
fn main(ends: &[End], length: &[usize]) -> Option<usize> {
    let longest = ends.iter().map(|end| length[end.other]).max()?;
    let mut all = (0..ends.len()).filter(|&i| length[ends[i].other] == longest);
    all.next().filter(|_| all.next().is_none())
}

fn align(rows: &Rows, lean: Lean, conflicts: &Conflicts, mains: &Mains) -> Blocks {
    let count = rows.rank.len();
    let mut root: Vec<usize> = (0..count).collect();
    let mut shift = vec![0.0; count];
    let mut ends: Vec<End> = Vec::new();
    let steps = rows.rows.len();
    for step in 1..steps {
        let row = &rows.rows[if lean.upwards { step } else { steps - 1 - step }];
        let mut limit: Option<usize> = None;
        let mut visit = |item: usize| {
            ends.clear();
            ends.extend(if lean.upwards { rows.up.of(item) } else { rows.down.of(item) });
            if ends.is_empty() {
                return;
            }
            order::sort_by(&mut ends, |a, b| {
                rows.place[a.other].cmp(&rows.place[b.other]).then(a.there.total_cmp(&b.there))
            });
            let (low, high) = ((ends.len() - 1) / 2, ends.len() / 2);
            // The longest way through the graph stays straight; where there is none, the middle one.
            let longest = main(&ends, &rows.length[usize::from(!lean.upwards)]);
            let medians = if lean.left { [low, high] } else { [high, low] };
            for median in longest.into_iter().chain(medians) {
                let end = ends[median];
                let back = if lean.upwards { mains.down[end.other] } else { mains.up[end.other] };
                if back.is_some_and(|other| other != item) {
                    continue;
                }
                let place = rows.place[end.other];
                let free = limit.is_none_or(|limit| if lean.left { place > limit } else { place < limit });
                let conflict = match lean.upwards {
                    true => conflicts.at(end.other, item),
                    false => conflicts.at(item, end.other),
                };
                if free && !conflict {
                    root[item] = root[end.other];
                    shift[item] = shift[end.other] + end.there - end.here;
                    limit = Some(place);
                    return;
                }
            }
        };
        match lean.left {
            true => row.iter().for_each(|&item| visit(item)),
            false => row.iter().rev().for_each(|&item| visit(item)),
        }
    }
    Blocks { root, shift }
}

/// Puts the blocks as close together as their items allow, to one side, and then draws them back to what they
/// left behind.
fn compact(rows: &Rows, lean: Lean, blocks: &Blocks, is_wire: &[bool], gaps: Gaps) -> Vec<f64> {
    let count = rows.rank.len();
    let side = if lean.left { 1.0 } else { -1.0 };
    let mut edges: Vec<(usize, (usize, f64))> = Vec::with_capacity(count);
    for row in &rows.rows {
        for pair in row.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let gap = if is_wire[a] || is_wire[b] { gaps.wires } else { gaps.boxes };
            let apart = (rows.room[a] + rows.room[b]) / 2.0 + gap;
            // From the mirror's point of view the right one comes first.
            let (first, second) = if lean.left { (a, b) } else { (b, a) };
            let distance = apart + side * (blocks.shift[first] - blocks.shift[second]);
            edges.push((blocks.root[first], (blocks.root[second], distance)));
        }
    }
    let behind = Lists::new(count, edges.iter().copied());
    let mut waiting = vec![0usize; count];
    for &(_, (to, _)) in &edges {
        waiting[to] += 1;
    }
    let mut order: Vec<usize> =
        (0..count).filter(|&item| blocks.root[item] == item && waiting[item] == 0).collect();
    let mut x = vec![0.0f64; count];
    let mut done = 0;
    while done < order.len() {
        let block = order[done];
        for &(to, distance) in behind.of(block) {
            x[to] = x[to].max(x[block] + distance);
            waiting[to] -= 1;
            if waiting[to] == 0 {
                order.push(to);
            }
        }
        done += 1;
    }
    for &block in order.iter().rev() {
        let room =
            behind.of(block).iter().map(|&(to, distance)| x[to] - distance).fold(f64::INFINITY, f64::min);
        if room.is_finite() {
            x[block] = x[block].max(room);
        }
    }
    (0..count).map(|item| side * x[blocks.root[item]] + blocks.shift[item]).collect()
}
