//! Special functions: the error function and its kin, `special.*`.

use chainrule::Tensor;

use crate::arguments::Other;
use crate::table::operators;

operators! {
    "erf"(x: Tensor) => x.erf();
    "erfc"(x: Tensor) => x.erfc();
    "erfinv"(x: Tensor) => x.erfinv();
    "lgamma"(x: Tensor) => x.lgamma();
    "digamma"(x: Tensor) => x.digamma();
    "polygamma.polygamma_n_0" | "polygamma.polygamma_n_1" | "polygamma.polygamma_n_2" | "polygamma.polygamma_n_3"
        | "polygamma.polygamma_n_4" | "special.polygamma.special_polygamma_n_0"(x: Tensor, n: isize) => x.polygamma(n as i64);
    "mvlgamma.mvlgamma_p_1" | "mvlgamma.mvlgamma_p_3" | "mvlgamma.mvlgamma_p_5"(x: Tensor, p: isize) => x.mvlgamma(p as i64);
    "sinc"(x: Tensor) => x.sinc();
    "xlogy"(x: Tensor, other: Other) => x.xlogy(other);
    "logit"(x: Tensor, eps: Option<f64> = None) => eps.map_or_else(|| x.logit(), |eps| x.logit_clamped(eps));
    "i0"(x: Tensor) => x.i0();
    "special.i0e"(x: Tensor) => x.i0e();
    "special.i1"(x: Tensor) => x.i1();
    "special.i1e"(x: Tensor) => x.i1e();
    "special.modified_bessel_i0"(x: Tensor) => x.i0();
    "special.modified_bessel_i1"(x: Tensor) => x.i1();
    "special.modified_bessel_k0"(x: Tensor) => x.bessel_k0();
    "special.modified_bessel_k1"(x: Tensor) => x.bessel_k1();
    "special.bessel_j0"(x: Tensor) => x.bessel_j0();
    "special.bessel_j1"(x: Tensor) => x.bessel_j1();
    "special.bessel_y0"(x: Tensor) => x.bessel_y0();
    "special.bessel_y1"(x: Tensor) => x.bessel_y1();
    "special.entr"(x: Tensor) => x.entr();
    "special.erfcx"(x: Tensor) => x.erfcx();
    "special.ndtr"(x: Tensor) => x.ndtr();
    "special.ndtri"(x: Tensor) => x.ndtri();
    "special.log_ndtr"(x: Tensor) => x.log_ndtr();
    "special.xlog1py"(x: Tensor, other: Other) => x.xlog1py(other);
}
