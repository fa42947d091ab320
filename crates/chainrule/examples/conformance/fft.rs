//! Fourier transforms of real input with real output, `fft.*`; complex numbers are pairs here.

use chainrule::Tensor;
use chainrule::fft::{self, Norm};

use crate::table::operators;

operators! {
    "fft.hfft"(x: Tensor, n: Option<usize> = None, dim: isize = -1, norm: Norm = Norm::Backward) =>
        fft::hfft(&fft::complex(&x)?, n, dim, norm);
    "fft.irfft"(x: Tensor, n: Option<usize> = None, dim: isize = -1, norm: Norm = Norm::Backward) =>
        fft::irfft(&fft::complex(&x)?, n, dim, norm);
    "fft.hfft2"(x: Tensor, s: Option<Vec<isize>> = None, dim: Vec<isize> = vec![-2, -1], norm: Norm = Norm::Backward) =>
        fft::hfftn(&fft::complex(&x)?, s.as_deref(), Some(&dim), norm);
    "fft.irfft2"(x: Tensor, s: Option<Vec<isize>> = None, dim: Vec<isize> = vec![-2, -1], norm: Norm = Norm::Backward) =>
        fft::irfftn(&fft::complex(&x)?, s.as_deref(), Some(&dim), norm);
    "fft.hfftn"(x: Tensor, s: Option<Vec<isize>> = None, dim: Option<Vec<isize>> = None, norm: Norm = Norm::Backward) =>
        fft::hfftn(&fft::complex(&x)?, s.as_deref(), dim.as_deref(), norm);
    "fft.irfftn"(x: Tensor, s: Option<Vec<isize>> = None, dim: Option<Vec<isize>> = None, norm: Norm = Norm::Backward) =>
        fft::irfftn(&fft::complex(&x)?, s.as_deref(), dim.as_deref(), norm);
    "fft.fftshift"(x: Tensor, dim: Option<Vec<isize>> = None) => fft::fftshift(&x, &dim.unwrap_or_default());
    "fft.ifftshift"(x: Tensor, dim: Option<Vec<isize>> = None) => fft::ifftshift(&x, &dim.unwrap_or_default());
    "stft"(x: Tensor, n_fft: usize, hop_length: Option<usize> = None, window: Option<Tensor> = None, center: bool = true,
        return_complex: bool = false) => {
        let _ = return_complex;
        fft::stft(&x, n_fft, hop_length.unwrap_or(n_fft / 4), window.as_ref(), center)
    };
}
