//! Matrix products that are a few vectors wide or a few tiles high.
//!
//! The large side is used once, so that packing it would take as long as multiplying: it is read where it lies.
//! The last layer of a classifier is such a product, forward and for its weights' gradient.

use super::matmul::{self, Product};
use super::memory;
use super::pack::{Lines, Order, Part, Run, Source};
use super::pool::Shared;
use super::tile::{Block, CHAIN, Store, Tile, depths, packed};

/// Tasks into which a product is cut at least, where it is large enough for several threads.
const TASKS: usize = 8;

/// Elements of a right side that the second cache holds: only there may tiles jump from row to row.
const NEAR: usize = 256 * 1024;

/// Elements of a right side that lies in the second cache together with all else, and rows that read it there, so that
/// packing it gains nothing.
const SMALL: usize = 64 * 1024;
const MANY: usize = 512;

/// Computes the product if it is narrow; `false`, and nothing done, if not.
pub(super) fn product<T: Tile>(product: &mut Product<'_, '_, T>) -> bool {
    let &mut Product { m, k, n, b, level, .. } = product;
    let (lanes, high) = T::tile(level);
    let few = m <= 2 * high && k * n < NEAR || m <= MANY && k * n <= SMALL && matmul::lies_close(&b);
    if n <= 2 * lanes && m >= n {
        few_columns(product);
    } else if few && n >= 2 * lanes && b.column == 1 {
        few_rows(product);
    } else {
        return false;
    }
    true
}

/// How B lies in memory, with the run that covers its lines.
fn order(b_row: usize, b_column: usize, whole: &[Run; 1]) -> Order<'_> {
    match (b_row, b_column) {
        (row, 1) => Order::Rows(Lines::Even(row), whole),
        (1, column) => Order::Columns(Lines::Even(column), whole),
        (row, column) => Order::Strides(row, column),
    }
}

/// B is one panel, which is packed; each row of A is read once.
fn few_columns<T: Tile>(product: &mut Product<'_, '_, T>) {
    let each = matmul::each(product.multiply_adds());
    let &mut Product { m, k, n, a, b, ref mut c, accumulate, level } = product;
    let (lanes, high) = T::tile(level);
    let wide = packed(lanes, n);
    let mut right = memory::take::<T>(wide * k);
    let whole = [Run { index: 0, place: 0, length: k.max(n) }];
    let source = Source { data: b.data, order: order(b.row, b.column, &whole) };
    for (start, depth) in depths(k) {
        let part = Part { row: start, rows: depth, column: 0, columns: n };
        // SAFETY: B reaches that far, as `matmul::product` asserted; the parts lie one behind the other.
        unsafe { T::pack(level, &source, part, right.as_mut_ptr().add(start * wide)) };
    }
    let rows = m.div_ceil(TASKS).next_multiple_of(high);
    let out = Shared(c.as_mut_ptr());
    each(m.div_ceil(rows), &|task| {
        let first = task * rows;
        for (start, depth) in depths(k) {
            let block = Block {
                rows: rows.min(m - first),
                columns: n,
                depth,
                chain: CHAIN,
                a: a.data[first * a.row + start * a.column..].as_ptr(),
                a_row: a.row,
                a_step: a.column,
                b: right[start * wide..].as_ptr(),
                b_row: None,
                c: out.at(first * n),
                c_row: n,
                into: Store::added(accumulate || start > 0),
            };
            // SAFETY: A reaches that far, as was asserted; B was packed whole; tasks have other rows of C.
            unsafe { T::block(level, &block) };
        }
    });
    memory::give(right);
}

/// A is few tiles high, or B is small, and B's rows run through memory: nothing is packed but B's last columns, where they
/// don't fill a vector.
fn few_rows<T: Tile>(product: &mut Product<'_, '_, T>) {
    let each = matmul::each(product.multiply_adds());
    let &mut Product { m, k, n, a, b, ref mut c, accumulate, level } = product;
    let (lanes, _) = T::tile(level);
    let whole = n / lanes * lanes;
    let wide = whole.div_ceil(TASKS).next_multiple_of(2 * lanes);
    let out = Shared(c.as_mut_ptr());
    let block = |column: usize, columns: usize, (start, depth): (usize, usize)| Block {
        rows: m,
        columns,
        depth,
        chain: CHAIN,
        a: a.data[start * a.column..].as_ptr(),
        a_row: a.row,
        a_step: a.column,
        b: b.data[start * b.row + column..].as_ptr(),
        b_row: Some(b.row),
        c: out.at(column),
        c_row: n,
        into: Store::added(accumulate || start > 0),
    };
    each(whole.div_ceil(wide), &|task| {
        let column = task * wide;
        for part in depths(k) {
            // SAFETY: A and B reach that far, as `matmul::product` asserted, and these columns fill vectors;
            // tasks have other columns of C.
            unsafe { T::block(level, &block(column, wide.min(whole - column), part)) };
        }
    });
    if whole == n {
        return;
    }
    let run = [Run { index: 0, place: 0, length: n }];
    let source = Source { data: b.data, order: Order::Rows(Lines::Even(b.row), &run) };
    for (start, depth) in depths(k) {
        let mut right = memory::take::<T>(lanes * depth);
        let part = Part { row: start, rows: depth, column: whole, columns: n - whole };
        let block = Block { b: right.as_ptr(), b_row: None, ..block(whole, n - whole, (start, depth)) };
        // SAFETY: as above; the last columns take one vector.
        unsafe {
            T::pack(level, &source, part, right.as_mut_ptr());
            T::block(level, &block);
        }
        memory::give(right);
    }
}
