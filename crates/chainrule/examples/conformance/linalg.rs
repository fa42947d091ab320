//! Dense linear algebra, `linalg.*`.

use crate::table::operators;

operators! {}
