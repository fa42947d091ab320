//! The ways of wires: lanes through the rows or along the side, and the points at which they bend.

use std::collections::HashMap;

use super::assemble::Inside;
use super::level::Item;
use super::order::Rows;
use super::rank::Lists;
use super::{Size, Wire};
use crate::order;

/// Arriving wires may be this close together, so that one of them can come straight from above.
const CLOSEST: f64 = 8.0;
/// Wires run through the rows while that takes at most this many lanes for each item and wire.
const LANES: usize = 4;
/// … and this many besides.
const FREE_LANES: usize = 4_000;

/// A wire between two rows: indices of items and lanes, and where the wire is from their middles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub(super) from: usize,
    pub(super) from_at: f64,
    pub(super) to: usize,
    pub(super) to_at: f64,
}

/// How a stretch runs.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// Through these lanes, from the one where it leaves its bundle.
    Lanes(Vec<usize>),
    /// Along the side, in the lane with this number.
    Side(usize),
}

impl Inside<'_> {
    /// How long the longest ways are that lead to each item and on from it. What goes through a frame's border is
    /// longer than anything inside.
    pub(super) fn lengths(&self) -> [Vec<usize>; 2] {
        let level = self.level;
        let count = level.items.len();
        let mut length = [vec![0; count], vec![0; count]];
        for (i, item) in level.items.iter().enumerate() {
            match item {
                Item::In(_) => length[0][i] = count,
                Item::Out(_) => length[1][i] = count,
                Item::Node(_) | Item::Frame(_) => {}
            }
        }
        let pairs = || level.stretches.iter().map(|s| (s.from, s.to));
        let (after, before) = (Lists::new(count, pairs()), Lists::new(count, pairs().map(|(a, b)| (b, a))));
        for &item in &level.order {
            for &next in after.of(item) {
                length[0][next] = length[0][next].max(length[0][item] + 1);
            }
        }
        for &item in level.order.iter().rev() {
            for &previous in before.of(item) {
                length[1][previous] = length[1][previous].max(length[1][item] + 1);
            }
        }
        length
    }

    /// How each stretch gets to its end. Appends the ranks and lengths of the lanes behind those of the items.
    pub(super) fn ways(
        &self,
        ranks: &mut Vec<usize>,
        length: &mut [Vec<usize>; 2],
    ) -> (Vec<Way>, Vec<Hop>, usize) {
        let stretches = &self.level.stretches;
        let mut bundles: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        let mut keys = Vec::new();
        for (i, stretch) in stretches.iter().enumerate() {
            let bundle = bundles.entry((stretch.from, stretch.signal)).or_default();
            if bundle.is_empty() {
                keys.push((stretch.from, stretch.signal));
            }
            bundle.push(i);
        }
        let lanes_of = |bundle: &[usize], ranks: &[usize]| {
            bundle.iter().map(|&i| ranks[stretches[i].to] - ranks[stretches[i].from] - 1).max().unwrap_or(0)
        };
        // Short ones first, until the lanes run out.
        let mut order: Vec<(usize, usize)> =
            keys.iter().enumerate().map(|(place, key)| (lanes_of(&bundles[key], ranks), place)).collect();
        order.sort_unstable();
        let mut left = LANES * (self.level.items.len() + stretches.len()) + FREE_LANES;
        let mut through = vec![false; keys.len()];
        for (lanes, place) in order {
            if lanes > left {
                break;
            }
            left -= lanes;
            through[place] = true;
        }
        let mut ways = vec![Way::Lanes(Vec::new()); stretches.len()];
        let mut hops = Vec::new();
        let mut aside = Vec::new();
        for (key, through) in keys.iter().zip(through) {
            let bundle = &bundles[key];
            let first = ranks.len();
            let from = key.0;
            let start = ranks[from];
            let (bundle, lanes) = match through {
                true => (bundle.clone(), lanes_of(bundle, ranks)),
                // Only what goes into the next row keeps its way.
                false => {
                    let (near, far) = bundle.iter().partition(|&&i| ranks[stretches[i].to] == start + 1);
                    aside.extend::<Vec<usize>>(far);
                    (near, 0)
                }
            };
            ranks.extend((0..lanes).map(|lane| start + 1 + lane));
            let far = bundle.iter().map(|&i| stretches[i].to).filter(|&to| ranks[to] > start + 1);
            let onwards = far.map(|to| length[1][to]).max().unwrap_or(0);
            let so_far = length[0][from];
            length[0].extend((0..lanes).map(|_| so_far));
            length[1].extend((0..lanes).map(|_| onwards));
            let leaves = self.leaves_at(from, key.1);
            // The lane in the row before `rank`, or the item itself.
            let before = |rank: usize| {
                if rank == start + 1 { (from, leaves) } else { (first + rank - start - 2, 0.0) }
            };
            for lane in 0..lanes {
                let (upper, at) = before(start + 1 + lane);
                hops.push(Hop { from: upper, from_at: at, to: first + lane, to_at: 0.0 });
            }
            let mut trunk_drawn = false;
            for i in bundle {
                let to = stretches[i].to;
                let (upper, at) = before(ranks[to]);
                hops.push(Hop {
                    from: upper,
                    from_at: at,
                    to,
                    to_at: self.arrives_at(to, stretches[i].signal),
                });
                let own = ranks[to] - start - 1;
                // The farthest one draws the whole wire; the others leave it at their last lane.
                let begin = match own == lanes && !trunk_drawn {
                    true => 0,
                    false => own.saturating_sub(1),
                };
                trunk_drawn |= own == lanes;
                ways[i] = Way::Lanes((begin..own).map(|lane| first + lane).collect());
            }
        }
        let lanes = self.side_lanes(aside, ranks, &mut ways);
        (ways, hops, lanes)
    }

    /// Numbers the lanes at the side: what has the same source or the same end (whichever has more) shares one,
    /// and so do wires whose rows don't overlap. Returns how many there are.
    fn side_lanes(&self, aside: Vec<usize>, ranks: &[usize], ways: &mut [Way]) -> usize {
        let stretches = &self.level.stretches;
        let mut leaving: HashMap<(usize, usize), usize> = HashMap::new();
        let mut arriving: HashMap<usize, usize> = HashMap::new();
        for &i in &aside {
            *leaving.entry((stretches[i].from, stretches[i].signal)).or_default() += 1;
            *arriving.entry(stretches[i].to).or_default() += 1;
        }
        // Rows from the first to the last, and the stretches that share the lane.
        let mut groups: Vec<(usize, usize, Vec<usize>)> = Vec::new();
        let mut known: HashMap<(bool, usize, usize), usize> = HashMap::new();
        for i in aside {
            let s = stretches[i];
            let by_source = leaving[&(s.from, s.signal)] >= arriving[&s.to];
            let key = if by_source { (true, s.from, s.signal) } else { (false, s.to, 0) };
            let group = *known.entry(key).or_insert_with(|| {
                groups.push((usize::MAX, 0, Vec::new()));
                groups.len() - 1
            });
            let (first, last, members) = &mut groups[group];
            *first = (*first).min(ranks[s.from]);
            *last = (*last).max(ranks[s.to]);
            members.push(i);
        }
        order::sort_by(&mut groups, |a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        // Lanes in use by the row at which they end, and free ones.
        let mut busy = std::collections::BinaryHeap::new();
        let mut free = std::collections::BinaryHeap::new();
        let mut count = 0;
        for (first, last, members) in groups {
            while let Some(&std::cmp::Reverse((end, lane))) = busy.peek()
                && end <= first
            {
                busy.pop();
                free.push(std::cmp::Reverse(lane));
            }
            let lane = free.pop().map_or_else(
                || {
                    count += 1;
                    count - 1
                },
                |std::cmp::Reverse(lane)| lane,
            );
            busy.push(std::cmp::Reverse((last, lane)));
            for i in members {
                ways[i] = Way::Side(lane);
            }
        }
        count
    }

    /// Where each stretch arrives at a node, from the node's middle: side by side, in the order in which the wires
    /// come; a wire that comes straight from above stays straight. Sorted by where the wires come from.
    pub(super) fn arrivals(&self, rows: &Rows, x: &[f64], count: usize) -> Vec<Vec<(usize, f64, f64)>> {
        let mut all = vec![Vec::new(); count];
        for item in 0..count {
            let Item::Node(node) = self.level.items[item] else { continue };
            let Size { width, between, .. } = self.request.nodes[node];
            let ends = rows.up.of(item);
            let mut arriving: Vec<(usize, f64, f64)> =
                ends.iter().map(|end| (end.other, end.there, x[end.other] + end.there - x[item])).collect();
            order::sort_by(&mut arriving, |a, b| a.2.total_cmp(&b.2));
            let n = arriving.len();
            if n == 0 {
                continue;
            }
            let straight = arriving.iter().position(|end| end.2.abs() < 1.0);
            let aside = straight.map_or(0, |place| place.max(n - 1 - place));
            let narrow = if aside > 0 { (width / 2.0 - 4.0) / aside as f64 } else { f64::INFINITY };
            let fits = narrow >= CLOSEST.min(between);
            let middle = if fits { straight.map(|place| place as f64) } else { None };
            let middle = middle.unwrap_or((n - 1) as f64 / 2.0);
            let between = between.min((width - 8.0).max(0.0) / n as f64);
            let between = if fits { between.min(narrow) } else { between };
            for (i, end) in arriving.into_iter().enumerate() {
                all[item].push((end.0, end.1, (i as f64 - middle) * between));
            }
            order::sort_by(&mut all[item], |a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        }
        all
    }
}

/// Draws the wires of a level whose items have their places.
pub(super) struct Router<'a> {
    pub(super) inside: &'a Inside<'a>,
    pub(super) rows: &'a Rows,
    pub(super) x: &'a [f64],
    pub(super) tops: &'a [f64],
    pub(super) row_top: &'a [f64],
    pub(super) row_end: &'a [f64],
    pub(super) arrivals: &'a [Vec<(usize, f64, f64)>],
    pub(super) side: f64,
    pub(super) height: f64,
}

impl Router<'_> {
    pub(super) fn wires(&self, ways: &[Way]) -> Vec<Wire> {
        // Equal wires into one item arrive in turn.
        let mut used: HashMap<(usize, usize, u64), usize> = HashMap::new();
        let mut wires = Vec::with_capacity(ways.len());
        for (stretch, way) in self.inside.level.stretches.iter().zip(ways) {
            let mut points = Points(Vec::new());
            let (from, to) = (stretch.from, stretch.to);
            let (start, end) = (self.rows.rank[from], self.rows.rank[to]);
            let leaves = self.x[from] + self.inside.leaves_at(from, stretch.signal);
            let through = |points: &mut Points, x: f64, rank: usize| {
                points.to(x, self.row_top[rank]);
                points.to(x, self.row_end[rank]);
            };
            let mut last = (from, self.inside.leaves_at(from, stretch.signal));
            match way {
                Way::Lanes(lanes) => {
                    let whole = lanes.len() == end - start - 1;
                    if whole {
                        points.to(leaves, self.bottom(from));
                        points.to(leaves, self.row_end[start]);
                    }
                    for (i, &lane) in lanes.iter().enumerate() {
                        if i > 0 || whole {
                            through(&mut points, self.x[lane], self.rows.rank[lane]);
                        } else {
                            points.to(self.x[lane], self.row_end[self.rows.rank[lane]]);
                        }
                    }
                    last = lanes.last().map_or(last, |&lane| (lane, 0.0));
                }
                Way::Side(lane) => {
                    let x = self.side + *lane as f64 * self.inside.request.spacing.wires;
                    points.to(leaves, self.bottom(from));
                    points.to(leaves, self.row_end[start]);
                    points.to(x, self.row_top[start + 1]);
                    points.to(x, self.row_end[end - 1]);
                }
            }
            let side = matches!(way, Way::Side(_));
            let arrives = match self.inside.level.items[to] {
                Item::Node(_) if !side => {
                    let turn = used.entry((to, last.0, last.1.to_bits())).or_default();
                    let own = &self.arrivals[to];
                    let first =
                        own.partition_point(|a| a.0.cmp(&last.0).then(a.1.total_cmp(&last.1)).is_lt());
                    let found = own.get(first + *turn).filter(|a| a.0 == last.0 && a.1 == last.1);
                    *turn += 1;
                    found.map_or(0.0, |arrival| arrival.2)
                }
                _ => self.inside.arrives_at(to, stretch.signal),
            };
            let x = self.x[to] + arrives;
            points.to(x, self.row_top[end]);
            points.to(x, self.top(to));
            wires.push(Wire {
                link: stretch.link,
                points: points.0,
                arrives: matches!(self.inside.level.items[to], Item::Node(_)),
            });
        }
        wires
    }

    /// Where wires arrive at an item.
    fn top(&self, item: usize) -> f64 {
        match self.inside.level.items[item] {
            Item::Node(node) => self.tops[item] + self.inside.request.nodes[node].before,
            Item::Frame(_) | Item::In(_) => self.tops[item],
            Item::Out(_) => self.height,
        }
    }

    /// Where wires leave an item.
    fn bottom(&self, item: usize) -> f64 {
        match self.inside.level.items[item] {
            Item::Node(node) => {
                let size = &self.inside.request.nodes[node];
                self.tops[item] + size.before + size.body
            }
            Item::Frame(_) => self.tops[item] + self.inside.extent(item).1,
            Item::In(_) => 0.0,
            Item::Out(_) => self.height,
        }
    }
}

/// A wire's points as they are found; those on a straight line are left out.
struct Points(Vec<(f64, f64)>);

impl Points {
    fn to(&mut self, x: f64, y: f64) {
        let x = if self.0.last().is_some_and(|last| (last.0 - x).abs() < 0.3) {
            self.0[self.0.len() - 1].0
        } else {
            x
        };
        if self.0.last() == Some(&(x, y)) {
            return;
        }
        if let [.., a, b] = self.0[..]
            && a.0 == b.0
            && b.0 == x
        {
            self.0.pop();
        }
        self.0.push((x, y));
    }
}
