//! Padding.

use crate::table::operators;

operators! {}
