//! Sorting, selecting by rank, and cumulative operators.

use crate::table::operators;

operators! {}
