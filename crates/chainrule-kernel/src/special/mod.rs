//! Special functions in double precision, from their published definitions.
//!
//! Each file names its sources: the formulas are those of the NIST Digital Library of Mathematical Functions
//! (DLMF, <https://dlmf.nist.gov>) unless it says otherwise. The tests compare with values computed to 30
//! digits.

mod bessel;
mod erf;
mod gamma;

pub use bessel::{i0, i0e, i1, i1e, k0, k1};
pub use erf::{erfcx, erfinv, log_ndtr, ndtr, ndtri};
pub use gamma::{digamma, polygamma, zeta};
