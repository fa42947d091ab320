//! Fourier transforms of real input with real output, `fft.*`; complex numbers are pairs here.

use chainrule::Tensor;
use chainrule::fft::{self, Norm};

use crate::table::operators;

/// A length, which can't be negative.
fn length(n: Option<isize>) -> chainrule::Result<Option<usize>> {
    n.map(|n| {
        usize::try_from(n)
            .map_err(|_| chainrule::Error::argument(format!("{n} elements can't be transformed")))
    })
    .transpose()
}

operators! {
    "fft.hfft"(x: Tensor, n: Option<isize> = None, dim: isize = -1, norm: Norm = Norm::Backward) =>
        fft::hfft(&fft::complex(&x)?, length(n)?, dim, norm);
    "fft.irfft"(x: Tensor, n: Option<isize> = None, dim: isize = -1, norm: Norm = Norm::Backward) =>
        fft::irfft(&fft::complex(&x)?, length(n)?, dim, norm);
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
    "stft"(x: Tensor, n_fft: isize, hop_length: Option<isize> = None, window: Option<Tensor> = None, center: bool = true,
        return_complex: bool = false) => {
        let _ = return_complex;
        let n = n_fft.max(0) as usize;
        fft::stft(&x, n, hop_length.map_or(n / 4, |hop| hop.max(0) as usize), window.as_ref(), center)
    };
}
