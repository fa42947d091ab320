//! Norms of vectors and matrices, and what is scaled by them.

use crate::table::operators;

operators! {}
