//! Sampling of images at places that a grid says, which may itself be learned.

use std::str::FromStr;

use crate::array::{Array, DType, Shape};
use crate::error::{Error, Result};
use crate::tensor::{CallerGuard, Tensor, no_grad};

/// How [`Tensor::grid_sample`] finds values between elements.
///
/// ```
/// use chainrule::ops::Sampling;
/// assert_eq!("bicubic".parse::<Sampling>()?, Sampling::Cubic);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// From the two neighbours along each dimension, by straight lines
    Linear,
    /// The nearest element; halves go to the even neighbour
    Nearest,
    /// From the four neighbours along each dimension, by Keys' cubic with a = −0.75
    Cubic,
}

/// PyTorch's names: `bilinear`, `nearest`, `bicubic`.
impl FromStr for Sampling {
    type Err = Error;

    fn from_str(name: &str) -> Result<Sampling> {
        match name {
            "bilinear" => Ok(Sampling::Linear),
            "nearest" => Ok(Sampling::Nearest),
            "bicubic" => Ok(Sampling::Cubic),
            _ => Err(Error::argument(format!("\"{name}\" is none of bilinear, nearest, bicubic"))
                .at_gate("GridSampler")),
        }
    }
}

/// What [`Tensor::grid_sample`] sees outside of the image.
///
/// ```
/// use chainrule::ops::Outside;
/// assert_eq!("border".parse::<Outside>()?, Outside::Border);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Zeros
    Zeros,
    /// The nearest element of the border
    Border,
    /// The image mirrored at its border
    Reflection,
}

/// PyTorch's names: `zeros`, `border`, `reflection`.
impl FromStr for Outside {
    type Err = Error;

    fn from_str(name: &str) -> Result<Outside> {
        match name {
            "zeros" => Ok(Outside::Zeros),
            "border" => Ok(Outside::Border),
            "reflection" => Ok(Outside::Reflection),
            _ => Err(Error::argument(format!("\"{name}\" is none of zeros, border, reflection"))
                .at_gate("GridSampler")),
        }
    }
}

/// One dimension of the image, and how places along it are meant.
#[derive(Clone, Copy)]
struct Along {
    size: usize,
    outside: Outside,
    aligned: bool,
}

impl Along {
    /// From −1…1 to numbers of elements: the ends are the corners' centres where `aligned`, else their edges.
    #[track_caller]
    fn elements(&self, x: &Tensor) -> Result<Tensor> {
        match self.aligned {
            true => x.add(1.0)?.mul((self.size as f64 - 1.0) / 2.0),
            false => x.add(1.0)?.mul(self.size as f64)?.sub(1.0)?.mul(0.5),
        }
    }

    /// Places outside brought back into the image, where that is how the outside is seen.
    #[track_caller]
    fn inside(&self, x: &Tensor) -> Result<Tensor> {
        let last = self.size as f64 - 1.0;
        match self.outside {
            Outside::Zeros => Ok(x.clone()),
            Outside::Border => clip(x, last),
            // Mirrored at the centres of the corners, or at their edges.
            Outside::Reflection => {
                let (low, span) = if self.aligned { (0.0, last) } else { (-0.5, last + 1.0) };
                if span <= 0.0 {
                    return x.mul(0.0);
                }
                let distance = x.sub(low)?.abs()?;
                let (flips, odd) = no_grad(|| -> Result<_> {
                    let flips = distance.div(span)?.floor()?;
                    Ok((flips.mul(span)?, flips.remainder(2.0)?.eq(1.0)?))
                })?;
                let rest = distance.sub(&flips)?;
                clip(&odd.where_(&rest.rsub(span + low)?, &rest.add(low)?)?, last)
            }
        }
    }

    /// Which of these whole places are elements.
    fn exists(&self, x: &Tensor) -> Result<Tensor> {
        x.ge(0.0)?.mul(&x.le(self.size as f64 - 1.0)?)
    }
}

/// Limited to 0…last; no gradient at and beyond the limits.
#[track_caller]
fn clip(x: &Tensor, last: f64) -> Result<Tensor> {
    let within = no_grad(|| x.gt(0.0)?.mul(&x.lt(last)?))?;
    within.where_(x, &x.detach().clamp(0.0, last)?)
}

/// For one dimension: the elements that an output reads (as floats), what each counts for, and whether it exists.
type Taps = Vec<(Tensor, Option<Tensor>)>;

#[track_caller]
fn taps(along: &Along, grid: &Tensor, sampling: Sampling) -> Result<Taps> {
    let x = along.elements(grid)?;
    match sampling {
        Sampling::Nearest => Ok(vec![(no_grad(|| along.inside(&x)?.round())?, None)]),
        Sampling::Linear => {
            let x = along.inside(&x)?;
            let left = no_grad(|| x.floor())?;
            let right = x.sub(&left)?;
            Ok(vec![(left.clone(), Some(right.rsub(1.0)?)), (left.add(1.0)?, Some(right))])
        }
        Sampling::Cubic => {
            let first = no_grad(|| x.floor())?;
            let t = x.sub(&first)?;
            (-1..3)
                .map(|tap| {
                    let place = no_grad(|| along.inside(&first.add(f64::from(tap))?))?;
                    Ok((place, Some(cubic(&t.sub(f64::from(tap))?.abs()?)?)))
                })
                .collect()
        }
    }
}

/// The cubic's weight of an element at this distance (up to 2).
#[track_caller]
fn cubic(x: &Tensor) -> Result<Tensor> {
    const A: f64 = -0.75;
    let near = x.mul(A + 2.0)?.sub(A + 3.0)?.mul(x)?.mul(x)?.add(1.0)?;
    let far = x.mul(A)?.sub(5.0 * A)?.mul(x)?.add(8.0 * A)?.mul(x)?.sub(4.0 * A)?;
    no_grad(|| x.le(1.0))?.where_(&near, &far)
}

impl Tensor {
    /// Samples of images `[n, channels, sizes…]` at the places of a grid `[n, outputs…, 2 or 3]`: its last dimension
    /// holds the place along width, height (and depth) from −1 to 1, which are the centres of the corners where
    /// `aligned` and else their outer edges. Both have a gradient.
    ///
    /// ```
    /// use chainrule::{ops::{Outside, Sampling}, tensor};
    /// let (image, grid) = (tensor([[[[1.0, 3.0]]]]), tensor([[[[0.0, 0.0]]]]));
    /// let y = image.grid_sample(&grid, Sampling::Linear, Outside::Zeros, true)?;
    /// assert_eq!(y.to_vec::<f32>()?, [2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shapes don't fit, or the image is empty.
    #[track_caller]
    pub fn grid_sample(
        &self,
        grid: &Tensor,
        sampling: Sampling,
        outside: Outside,
        aligned: bool,
    ) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let (shape, places) = (self.shape(), grid.shape());
        let refuse = |rule: String| {
            Err(Error::shape(rule).at_gate("GridSampler").with_inputs([self.meta(), grid.meta()]))
        };
        let rank = shape.rank();
        if !(4..=5).contains(&rank) || places.rank() != rank {
            return refuse("images and grids have two or three sizes: four or five dimensions".into());
        }
        if shape[0] != places[0] || places[rank - 1] != rank - 2 {
            return refuse(format!("a grid for such images is [{}, outputs…, {}]", shape[0], rank - 2));
        }
        if shape[1..].contains(&0) {
            return refuse("there is nothing to sample".into());
        }
        let sizes = &shape[2..];
        let outputs: usize = places[1..rank - 1].iter().product();
        let (n, channels) = (shape[0], shape[1]);
        let flat = self.reshape(Shape::new(&[n, channels, sizes.iter().product()])?)?;
        // The last coordinate of the grid is the first dimension of the image.
        let mut corners: Vec<(Tensor, Option<Tensor>, Tensor)> = Vec::new();
        for (d, &size) in sizes.iter().enumerate() {
            let along = Along { size, outside, aligned };
            let coordinate = grid.select(-1, (sizes.len() - 1 - d) as isize)?.reshape([n, 1, outputs])?;
            let mut combined = Vec::new();
            for (place, weight) in taps(&along, &coordinate, sampling)? {
                let exists = along.exists(&place)?;
                let place = no_grad(|| place.nan_to_num(0.0, None, None)?.clamp(0.0, size as f64 - 1.0))?;
                if d == 0 {
                    combined.push((place, weight, exists));
                    continue;
                }
                for (index, other, both) in &corners {
                    let index = no_grad(|| index.mul(size as f64)?.add(&place))?;
                    let weight = match (other, &weight) {
                        (Some(a), Some(b)) => Some(a.mul(b)?),
                        _ => None,
                    };
                    combined.push((index, weight, both.mul(&exists)?));
                }
            }
            corners = combined;
        }
        let mut sum: Option<Tensor> = None;
        for (index, weight, exists) in corners {
            let index = index.cast(DType::I64)?.expand(Shape::new(&[n, channels, outputs])?)?;
            let values = flat.gather(-1, &index)?;
            let part = weight.map_or_else(|| Ok(values.clone()), |weight| values.mul(&weight))?;
            let part = exists.where_(&part, &part.zeros_like())?;
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        let sum = sum.expect("every sampling has a tap");
        sum.reshape(Shape::new(&[&[n, channels], &places[1..rank - 1]].concat())?)
    }

    /// The grid for [`Tensor::grid_sample`] that affine maps `[n, 2, 3]` (or `[n, 3, 4]`) make of the places of an
    /// output `[n, channels, sizes…]`: `A·(x, y, 1)` for each place (x, y).
    ///
    /// ```
    /// use chainrule::tensor;
    /// let turned = tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]]).affine_grid(&[1, 1, 1, 2], true)?;
    /// assert_eq!(turned.to_vec::<f32>()?, [0.0, -1.0, 0.0, 1.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The maps don't fit the sizes, or a size is 0.
    #[track_caller]
    pub fn affine_grid(&self, size: &[usize], aligned: bool) -> Result<Tensor> {
        let refuse =
            |rule: String| Err(Error::shape(rule).at_gate("AffineGridGenerator").with_inputs([self.meta()]));
        let dims = size.len().saturating_sub(2);
        if !(2..=3).contains(&dims) || size.contains(&0) {
            return refuse(format!(
                "the output is [n, channels, sizes…] with two or three sizes, not {size:?}"
            ));
        }
        if self.shape()[..] != [size[0], dims, dims + 1] || !self.dtype().is_float() {
            return refuse(format!("the maps are floats [{}, {dims}, {}]", size[0], dims + 1));
        }
        let sizes = &size[2..];
        let count: usize = sizes.iter().product();
        // Rows (x, y, 1), width first.
        let mut rows = Vec::with_capacity(count * (dims + 1));
        for output in 0..count {
            let mut rest = output;
            for &size in sizes.iter().rev() {
                let i = (rest % size) as f64;
                rest /= size;
                rows.push(match (aligned, size) {
                    (true, 1) => 0.0,
                    (true, _) => 2.0 * i / (size as f64 - 1.0) - 1.0,
                    (false, _) => (2.0 * i + 1.0) / size as f64 - 1.0,
                });
            }
            rows.push(1.0);
        }
        let base = Tensor::from_array(Array::from_vec(rows, [count, dims + 1])?.cast(self.dtype()));
        let grid = base.matmul(&self.transpose(1, 2)?)?;
        grid.reshape(Shape::new(&[&size[..1], sizes, &[dims]].concat())?)
    }
}
