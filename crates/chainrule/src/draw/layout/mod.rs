//! Gives every node of a picture a place.

mod rank;

pub(super) use rank::order_of;
