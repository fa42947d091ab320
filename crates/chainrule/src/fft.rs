//! Fourier transforms, by PyTorch's names in `torch.fft`.
//!
//! There are no complex element types: a complex tensor has a last dimension of size 2, real and imaginary part
//! (what PyTorch calls `view_as_real`). Dimensions are counted without it. All functions are differentiable.
//!
//! ```
//! use chainrule::{fft::{self, Norm}, tensor};
//! let x = tensor([1.0, 2.0, 3.0, 4.0]);
//! let spectrum = fft::rfft(&x, None, -1, Norm::Backward)?;
//! assert_eq!(spectrum.to_string(), "tensor([[10.,  0.],\n        [-2.,  2.],\n        [-2.,  0.]])");
//! assert_eq!(fft::irfft(&spectrum, None, -1, Norm::Backward)?.to_string(), "tensor([1., 2., 3., 4.])");
//! # Ok::<(), chainrule::Error>(())
//! ```

use crate::array::{Array, DType, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::PadMode;
use crate::gate::fft::Fft;
use crate::tensor::{CallerGuard, Tensor};

/// Which direction divides by the length.
///
/// ```
/// use chainrule::fft::Norm;
/// assert_eq!("ortho".parse::<Norm>()?, Norm::Ortho);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Norm {
    /// The inverse transform, by n
    #[default]
    Backward,
    /// Both, by √n
    Ortho,
    /// The forward transform, by n
    Forward,
}

/// PyTorch's names: `backward`, `ortho`, `forward`.
impl std::str::FromStr for Norm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Norm> {
        match name {
            "backward" => Ok(Norm::Backward),
            "ortho" => Ok(Norm::Ortho),
            "forward" => Ok(Norm::Forward),
            _ => {
                Err(Error::argument(format!("\"{name}\" is none of backward, ortho, forward"))
                    .at_gate("FftC2C"))
            }
        }
    }
}

impl Norm {
    fn factor(self, n: usize, inverse: bool) -> f64 {
        match (self, inverse) {
            (Norm::Backward, true) | (Norm::Forward, false) => 1.0 / n as f64,
            (Norm::Ortho, _) => 1.0 / (n as f64).sqrt(),
            _ => 1.0,
        }
    }
}

fn refused(x: &Tensor) -> impl Fn(Error) -> Error + use<> {
    let meta: Meta = x.meta();
    move |error| error.at_gate("FftC2C").with_inputs([meta])
}

/// The place of a dimension among the first `rank`.
fn dimension(x: &Tensor, rank: usize, dim: isize) -> Result<isize> {
    let place = Shape::new(&x.shape()[..rank])?.dim(dim).map_err(refused(x))?;
    match rank {
        0 => Err(refused(x)(Error::index(format!("there is no dimension {dim} of a 0-d tensor")))),
        _ => Ok(place as isize),
    }
}

/// How many dimensions a complex tensor has besides its pairs.
fn pairs(x: &Tensor) -> Result<usize> {
    match x.shape().last() {
        Some(2) => Ok(x.rank() - 1),
        _ => Err(refused(x)(
            Error::shape("complex numbers are pairs: the last dimension has the size 2")
                .hint("use rfft, or stack real and imaginary parts"),
        )),
    }
}

/// A real tensor as a complex one.
///
/// ```
/// use chainrule::{fft, tensor};
/// assert_eq!(fft::complex(&tensor([3.0]))?.to_vec::<f32>()?, [3.0, 0.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There is one dimension too many.
#[track_caller]
pub fn complex(x: &Tensor) -> Result<Tensor> {
    let x = if x.dtype().is_float() { x.clone() } else { x.cast(DType::F32)? };
    Tensor::stack(&[&x, &x.zeros_like()], -1)
}

/// The first `n` elements along a dimension, zeros where there are fewer.
#[track_caller]
fn resized(x: &Tensor, dim: isize, n: usize) -> Result<Tensor> {
    let size = x.shape()[dim as usize];
    if n <= size {
        return x.narrow(dim, 0, n as isize);
    }
    let mut widths = vec![(0, 0); x.rank()];
    widths[dim as usize].1 = (n - size) as isize;
    x.pad_constant(&widths, 0.0)
}

/// The transform of pairs along one dimension (a place), of length n.
#[track_caller]
fn along(x: &Tensor, n: Option<usize>, dim: isize, inverse: bool, norm: Norm) -> Result<Tensor> {
    let n = n.unwrap_or(x.shape()[dim as usize]);
    if n == 0 {
        return Err(refused(x)(Error::shape("a transform has at least one element")));
    }
    let moved = resized(x, dim, n)?.transpose(dim, -2)?;
    let y = Tensor::apply(Fft { inverse }, &[&moved])?.transpose(dim, -2)?;
    let factor = norm.factor(n, inverse);
    if factor == 1.0 { Ok(y) } else { y.mul(factor) }
}

/// The transform `yₖ = Σⱼ xⱼ·e^(−2πijk/n)` of a complex tensor along a dimension, cut or filled with zeros to
/// length n.
///
/// ```
/// use chainrule::{fft::{self, Norm}, tensor};
/// let y = fft::fft(&tensor([[1.0, 0.0], [2.0, 0.0]]), None, -1, Norm::Backward)?;
/// assert_eq!(y.to_vec::<f32>()?, [3.0, 0.0, -1.0, 0.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The last dimension doesn't hold pairs of floats, the other doesn't exist, or n is 0.
#[track_caller]
pub fn fft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    along(x, n, dimension(x, pairs(x)?, dim)?, false, norm)
}

/// The inverse of [`fft`].
///
/// ```
/// use chainrule::{fft::{self, Norm}, tensor};
/// let y = fft::ifft(&tensor([[3.0, 0.0], [-1.0, 0.0]]), None, -1, Norm::Backward)?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 0.0, 2.0, 0.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fft`].
#[track_caller]
pub fn ifft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    along(x, n, dimension(x, pairs(x)?, dim)?, true, norm)
}

/// The transform of a real tensor: the first n/2 + 1 elements, as the others are their conjugates.
///
/// ```
/// use chainrule::{fft::{self, Norm}, tensor};
/// let y = fft::rfft(&tensor([1.0, 2.0, 0.0]), None, -1, Norm::Backward)?;
/// assert_eq!(y.shape(), [2, 2]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The elements aren't floats, the dimension doesn't exist, or n is 0.
#[track_caller]
pub fn rfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    let dim = dimension(x, x.rank(), dim)?;
    let n = n.unwrap_or(x.shape()[dim as usize]);
    along(&complex(x)?, Some(n), dim, false, norm)?.narrow(dim, 0, n as isize / 2 + 1)
}

/// The inverse of [`rfft`]: a real tensor of length n, by default 2·(size − 1), from half of its spectrum.
///
/// ```
/// use chainrule::{fft::{self, Norm}, tensor};
/// let y = fft::irfft(&tensor([[3.0, 0.0], [-1.0, 0.0]]), None, -1, Norm::Backward)?;
/// assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fft`].
#[track_caller]
pub fn irfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    real(x, n, dimension(x, pairs(x)?, dim)?, true, norm)
}

/// The transform of a signal whose spectrum is real, given as its first half: the counterpart of [`irfft`].
///
/// ```
/// use chainrule::{fft::{self, Norm}, tensor};
/// let y = fft::hfft(&tensor([[1.0, 0.0], [2.0, 0.0]]), None, -1, Norm::Backward)?;
/// assert_eq!(y.to_vec::<f32>()?, [3.0, -1.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fft`].
#[track_caller]
pub fn hfft(x: &Tensor, n: Option<usize>, dim: isize, norm: Norm) -> Result<Tensor> {
    real(x, n, dimension(x, pairs(x)?, dim)?, false, norm)
}

/// The real transform of what is symmetric, from its first half.
#[track_caller]
fn real(x: &Tensor, n: Option<usize>, dim: isize, inverse: bool, norm: Norm) -> Result<Tensor> {
    let size = x.shape()[dim as usize];
    let n = n.unwrap_or((2 * size).saturating_sub(2));
    if n == 0 || size == 0 {
        return Err(refused(x)(Error::shape("a transform has at least one element")));
    }
    let half = resized(x, dim, n / 2 + 1)?;
    // The other half are the conjugates, backwards, of all but the first (and for even n but the middle).
    let rest = half.narrow(dim, 1, (n as isize - 1) / 2)?.flip(&[dim])?;
    let signs = Tensor::from_array(Array::from_vec(vec![1.0, -1.0], [2])?.cast(x.dtype()));
    let whole = Tensor::cat(&[&half, &rest.mul(&signs)?], dim)?;
    along(&whole, None, dim, inverse, norm)?.select(-1, 0)
}

/// The dimensions that `s` and `dims` name, and the length of each: as in PyTorch the last ones where only lengths
/// are given, all where nothing is, and a length of −1 leaves the size.
fn several(
    x: &Tensor,
    rank: usize,
    s: Option<&[isize]>,
    dims: Option<&[isize]>,
) -> Result<Vec<(isize, Option<usize>)>> {
    let dims: Vec<isize> = match (dims, s) {
        (Some(dims), _) => dims.iter().map(|&dim| dimension(x, rank, dim)).collect::<Result<_>>()?,
        (None, Some(s)) if s.len() <= rank => (rank as isize - s.len() as isize..rank as isize).collect(),
        (None, Some(s)) => {
            return Err(refused(x)(Error::argument(format!(
                "there are {} lengths for {rank} dimensions",
                s.len()
            ))));
        }
        (None, None) => (0..rank as isize).collect(),
    };
    let mut sorted = dims.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != dims.len() || dims.is_empty() || s.is_some_and(|s| s.len() != dims.len()) {
        return Err(refused(x)(Error::argument(
            "there is a length for each of the dimensions, none of them twice",
        )));
    }
    let length = |i: usize| -> Result<Option<usize>> {
        match s.map_or(-1, |s| s[i]) {
            -1 => Ok(None),
            n => usize::try_from(n)
                .map(Some)
                .map_err(|_| refused(x)(Error::argument(format!("a transform can't have {n} elements")))),
        }
    };
    dims.iter().enumerate().map(|(i, &dim)| Ok((dim, length(i)?))).collect()
}

/// [`fft`] along several dimensions (all, if none is named), of lengths `s`.
///
/// ```
/// use chainrule::{fft::{self, Norm}, Tensor};
/// let y = fft::fftn(&fft::complex(&Tensor::ones([2, 2]))?, None, None, Norm::Backward)?;
/// assert_eq!(y.to_vec::<f32>()?, [4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fft`]; a dimension is named twice, or there isn't a length for each.
#[track_caller]
pub fn fftn(x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    let dims = several(x, pairs(x)?, s, dims)?;
    dims.into_iter().try_fold(x.clone(), |x, (dim, n)| along(&x, n, dim, false, norm))
}

/// The inverse of [`fftn`].
///
/// ```
/// use chainrule::{fft::{self, Norm}, Tensor};
/// let x = fft::complex(&Tensor::ones([2, 2]))?;
/// let y = fft::ifftn(&fft::fftn(&x, None, None, Norm::Ortho)?, None, None, Norm::Ortho)?;
/// assert!(y.array().all_close(&x.array(), 1e-6, 1e-6));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fftn`].
#[track_caller]
pub fn ifftn(x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    let dims = several(x, pairs(x)?, s, dims)?;
    dims.into_iter().try_fold(x.clone(), |x, (dim, n)| along(&x, n, dim, true, norm))
}

/// [`ifft`] along all named dimensions but the last, then [`irfft`] along that.
///
/// ```
/// use chainrule::{fft::{self, Norm}, Tensor};
/// let x = fft::complex(&Tensor::ones([2, 2]))?;
/// assert_eq!(fft::irfftn(&x, None, None, Norm::Backward)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fftn`].
#[track_caller]
pub fn irfftn(x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    halves(x, s, dims, true, norm)
}

/// [`fft`] along all named dimensions but the last, then [`hfft`] along that.
///
/// ```
/// use chainrule::{fft::{self, Norm}, Tensor};
/// let x = fft::complex(&Tensor::ones([2, 2]))?;
/// assert_eq!(fft::hfftn(&x, None, None, Norm::Backward)?.to_vec::<f32>()?, [4.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fftn`].
#[track_caller]
pub fn hfftn(x: &Tensor, s: Option<&[isize]>, dims: Option<&[isize]>, norm: Norm) -> Result<Tensor> {
    halves(x, s, dims, false, norm)
}

#[track_caller]
fn halves(
    x: &Tensor,
    s: Option<&[isize]>,
    dims: Option<&[isize]>,
    inverse: bool,
    norm: Norm,
) -> Result<Tensor> {
    let _line = CallerGuard::here();
    let mut dims = several(x, pairs(x)?, s, dims)?;
    let Some((last, n)) = dims.pop() else { return Err(Error::argument("there is no dimension")) };
    let x = dims.into_iter().try_fold(x.clone(), |x, (dim, n)| along(&x, n, dim, inverse, norm))?;
    real(&x, n, last, inverse, norm)
}

/// Moves the zero frequency from the first place to the middle of dimensions (all, if none is named).
///
/// ```
/// use chainrule::{fft, tensor};
/// assert_eq!(fft::fftshift(&tensor([0, 1, 2, -2, -1]), &[])?.to_vec::<i64>()?, [-2, -1, 0, 1, 2]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// A dimension doesn't exist.
#[track_caller]
pub fn fftshift(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    shift(x, dims, |size| size / 2)
}

/// The inverse of [`fftshift`].
///
/// ```
/// use chainrule::{fft, tensor};
/// assert_eq!(fft::ifftshift(&tensor([-2, -1, 0, 1, 2]), &[])?.to_vec::<i64>()?, [0, 1, 2, -2, -1]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// As [`fftshift`].
#[track_caller]
pub fn ifftshift(x: &Tensor, dims: &[isize]) -> Result<Tensor> {
    shift(x, dims, |size| size.div_ceil(2))
}

#[track_caller]
fn shift(x: &Tensor, dims: &[isize], by: impl Fn(usize) -> usize) -> Result<Tensor> {
    let dims = match dims.is_empty() {
        true => (0..x.rank() as isize).collect(),
        false => dims.iter().map(|&dim| dimension(x, x.rank(), dim)).collect::<Result<Vec<_>>>()?,
    };
    let shifts: Vec<isize> = dims.iter().map(|&dim| by(x.shape()[dim as usize]) as isize).collect();
    if dims.is_empty() { Ok(x.clone()) } else { x.roll(&shifts, &dims) }
}

/// Transforms of overlapping pieces of signals `[…, samples]`, as pairs `[…, n/2 + 1, pieces, 2]`: pieces are `hop`
/// samples apart and multiplied by a `window` of length n (by default ones). Where `centred`, the signal is mirrored
/// by n/2 samples at both ends first, so that piece k lies around sample k·hop.
///
/// ```
/// use chainrule::{fft, Tensor};
/// assert_eq!(fft::stft(&Tensor::ones([100]), 10, 5, None, true)?.shape(), [6, 21, 2]);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The signals aren't floats in one or two dimensions or are shorter than a piece, the window has another length, or
/// the pieces have no distance.
#[track_caller]
pub fn stft(x: &Tensor, n: usize, hop: usize, window: Option<&Tensor>, centred: bool) -> Result<Tensor> {
    let refuse = |error: Error| error.at_gate("Stft").with_inputs([x.meta()]);
    if !(1..=2).contains(&x.rank()) || n == 0 || hop == 0 {
        return Err(refuse(Error::argument(
            "signals have one or two dimensions, pieces a length and a distance",
        )));
    }
    if window.is_some_and(|window| window.shape()[..] != [n]) {
        return Err(refuse(Error::shape(format!("the window has {n} elements"))));
    }
    let half = (n / 2) as isize;
    let x = if centred { x.pad(&[(half, half)], PadMode::Reflect)? } else { x.clone() };
    if x.shape()[x.rank() - 1] < n {
        return Err(refuse(Error::shape(format!("a piece of {n} samples doesn't fit into the signal"))));
    }
    let pieces = x.unfold(-1, n, hop)?;
    let pieces = window.map_or_else(|| Ok(pieces.clone()), |window| pieces.mul(window))?;
    rfft(&pieces, None, -1, Norm::Backward)?.transpose(-3, -2)
}
