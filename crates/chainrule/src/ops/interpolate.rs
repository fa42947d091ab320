//! Resizing of images: values between the elements, from their neighbours.

use super::shape::places;
use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How values between elements are found.
///
/// ```
/// use chainrule::ops::{Mode, Resize};
/// use chainrule::tensor;
/// let x = tensor([[[0.0, 2.0]]]);
/// let to_four = |mode| x.interpolate(&Resize::To(vec![4]), mode, false)?.to_vec::<f32>();
/// assert_eq!(to_four(Mode::Nearest)?, [0.0, 0.0, 2.0, 2.0]);
/// assert_eq!(to_four(Mode::Linear)?, [0.0, 0.5, 1.5, 2.0]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The element at or before the place, as PyTorch's `nearest` has it.
    Nearest,
    /// The nearest element, from the elements' centres.
    NearestExact,
    /// A straight line between the two neighbours along each dimension.
    Linear,
    /// A cubic through the four neighbours along each dimension (Keys, 1981, with a = −0.75).
    Cubic,
    /// The mean of the elements that an output covers.
    Area,
}

/// The sizes wanted of [`Tensor::interpolate`].
///
/// ```
/// use chainrule::Tensor;
/// use chainrule::ops::{Mode, Resize};
/// let x = Tensor::zeros([1, 1, 4, 6]);
/// let half = Resize::By { factors: vec![0.5, 0.5], exact: false };
/// assert_eq!(x.interpolate(&half, Mode::Area, false)?.shape(), [1, 1, 2, 3]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Resize {
    /// These sizes.
    To(Vec<usize>),
    /// The sizes times these factors, rounded down. `exact` measures places by the factors themselves, and
    /// not by the quotient of the rounded sizes.
    By {
        /// One for each dimension.
        factors: Vec<f64>,
        /// Whether places are measured by the factors.
        exact: bool,
    },
}

/// Where an output lies between the elements, for one dimension.
struct Along {
    size: usize,
    wanted: usize,
    /// Elements an output is apart from the next, as a quotient of sizes or one over a factor.
    scale: f64,
    aligned: bool,
}

impl Along {
    /// The place of an output's centre among the elements.
    fn place(&self, output: usize) -> f64 {
        match self.aligned {
            true if self.wanted > 1 => output as f64 * ((self.size - 1) as f64 / (self.wanted - 1) as f64),
            true => 0.0,
            false => (output as f64 + 0.5) * self.scale - 0.5,
        }
    }

    /// For each tap, which element every output reads and what that counts for.
    fn taps(&self, mode: Mode) -> Vec<(Vec<i64>, Vec<f64>)> {
        let last = self.size as i64 - 1;
        let outputs = 0..self.wanted;
        let single = |place: &dyn Fn(usize) -> f64| {
            let places = outputs.clone().map(|o| (place(o).floor() as i64).clamp(0, last)).collect();
            vec![(places, vec![1.0; self.wanted])]
        };
        match mode {
            Mode::Nearest => single(&|o| o as f64 * self.scale),
            Mode::NearestExact => single(&|o| (o as f64 + 0.5) * self.scale),
            Mode::Cubic => (-1..3i64)
                .map(|tap| {
                    let at = |o: usize| (self.place(o).floor() as i64 + tap).clamp(0, last);
                    let weight = |o: usize| cubic(self.place(o) - self.place(o).floor() - tap as f64);
                    (outputs.clone().map(at).collect(), outputs.clone().map(weight).collect())
                })
                .collect(),
            Mode::Linear | Mode::Area => (0..2i64)
                .map(|tap| {
                    let place = |o: usize| self.place(o).max(0.0);
                    let at = |o: usize| (place(o).floor() as i64 + tap).clamp(0, last);
                    let weight = |o: usize| {
                        let right = place(o) - place(o).floor();
                        if tap == 1 { right } else { 1.0 - right }
                    };
                    (outputs.clone().map(at).collect(), outputs.clone().map(weight).collect())
                })
                .collect(),
        }
    }
}

/// The cubic's weight of an element at this distance.
fn cubic(distance: f64) -> f64 {
    keys(-0.75, distance.abs())
}

/// Keys' cubic with the parameter a.
fn keys(a: f64, x: f64) -> f64 {
    match x {
        x if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
        _ => 0.0,
    }
}

/// The weights with which each output (rows) sums up the elements (columns) that it covers.
fn antialiased(along: &Along, scale: f64, cubic: bool) -> Vec<f64> {
    let reach = if cubic { 2.0 } else { 1.0 };
    let (support, narrow) = if scale >= 1.0 { (reach * scale, 1.0 / scale) } else { (reach, 1.0) };
    let mut weights = vec![0.0; along.wanted * along.size];
    for (output, row) in weights.chunks_mut(along.size).enumerate() {
        let centre = scale * (output as f64 + 0.5);
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5).max(0.0) as usize).min(along.size);
        let mut sum = 0.0;
        for (k, weight) in row.iter_mut().enumerate().take(end).skip(first) {
            let distance = ((k as f64 - centre + 0.5) * narrow).abs();
            *weight = if cubic { keys(-0.5, distance) } else { (1.0 - distance).max(0.0) };
            sum += *weight;
        }
        if sum != 0.0 {
            row.iter_mut().for_each(|weight| *weight /= sum);
        }
    }
    weights
}

impl Tensor {
    /// The dimensions after the first two resized: see [`Mode`] and [`Resize`].
    ///
    /// Along each dimension an output is `Σ wₖ·x[k]` over the elements `k` near its place, which is
    /// `(o + ½)·size/wanted − ½`, or `o·(size − 1)/(wanted − 1)` where the corners' centres are `aligned`.
    ///
    /// # Errors
    /// There are no such dimensions or not as many sizes, a size is 0, or `aligned` is asked of a mode that
    /// has no use for it.
    ///
    /// ```
    /// use chainrule::{ops::{Mode, Resize}, tensor};
    /// let x = tensor([[[1.0, 3.0]]]);
    /// let y = x.interpolate(&Resize::To(vec![3]), Mode::Linear, true)?;
    /// assert_eq!(y.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn interpolate(&self, to: &Resize, mode: Mode, aligned: bool) -> Result<Tensor> {
        let named = |error: Error| error.at_gate("Interpolate").with_inputs([self.meta()]);
        let plan = self.resizing(to, mode, aligned).map_err(named)?;
        if mode == Mode::Area {
            let wanted: Vec<Option<usize>> = plan.iter().map(|along| Some(along.wanted)).collect();
            return self.adaptive_avg_pool(&wanted);
        }
        if !self.dtype().is_float() && !matches!(mode, Mode::Nearest | Mode::NearestExact) {
            return Err(named(Error::dtype("weighted sums are of floats")));
        }
        let mut y = self.clone();
        for (d, along) in plan.iter().enumerate() {
            let dim = d + 2;
            let mut beside = vec![1; self.rank()];
            beside[dim] = along.wanted;
            let mut total: Option<Tensor> = None;
            for (at, weights) in along.taps(mode) {
                let part = y.index_select(dim as isize, &Tensor::from_array(places(at)))?;
                let weights =
                    Tensor::from_array(Array::from_vec(weights, Shape::new(&beside)?)?.cast(self.dtype()));
                let part = match mode {
                    Mode::Nearest | Mode::NearestExact => part,
                    _ => part.mul(&weights)?,
                };
                total = Some(match total {
                    Some(sum) => sum.add(&part)?,
                    None => part,
                });
            }
            y = total.expect("every mode has a tap");
        }
        Ok(y)
    }

    /// Images `[n, channels, height, width]` resized so that a smaller one averages over all that each of its
    /// elements covers (antialiasing): along each dimension an output is `Σ wₖ·x[k] / Σ wₖ`, where w is a triangle,
    /// or for `cubic` a cubic with a = −0.5, as wide as the outputs are apart, but at least as the elements are.
    ///
    /// Places are measured by the quotient of the sizes, or one over these `factors`; where the corners' centres
    /// are `aligned`, by that of the distances between them.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[[[0.0, 0.0, 4.0, 4.0]]]]);
    /// let y = x.interpolate_antialiased([1, 2], None, false, false)?;
    /// assert_eq!(y.to_string(), "tensor([[[[0.5714, 3.4286]]]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There aren't four dimensions, or a size is 0.
    #[track_caller]
    pub fn interpolate_antialiased(
        &self,
        sizes: [usize; 2],
        factors: Option<[f64; 2]>,
        cubic: bool,
        aligned: bool,
    ) -> Result<Tensor> {
        let plan = self
            .resizing(&Resize::To(sizes.to_vec()), Mode::Cubic, aligned)
            .map_err(|error| error.at_gate("Interpolate").with_inputs([self.meta()]))?;
        if !self.dtype().is_float() {
            return Err(Error::dtype("weighted sums are of floats")
                .at_gate("Interpolate")
                .with_inputs([self.meta()]));
        }
        let mut y = self.clone();
        for (d, along) in plan.iter().enumerate() {
            let scale = match (aligned, factors) {
                (true, _) if along.wanted > 1 => (along.size - 1) as f64 / (along.wanted - 1) as f64,
                (true, _) => 0.0,
                (false, Some(factors)) if factors[d] > 0.0 => 1.0 / factors[d],
                (false, _) => along.scale,
            };
            let weights = antialiased(along, scale, cubic);
            let weights = Array::from_vec(weights, [along.wanted, along.size])?.cast(self.dtype());
            let moved = y.transpose(d as isize + 2, -1)?;
            y = moved.matmul(&Tensor::from_array(weights).t()?)?.transpose(d as isize + 2, -1)?;
        }
        Ok(y)
    }

    fn resizing(&self, to: &Resize, mode: Mode, aligned: bool) -> Result<Vec<Along>> {
        let shape = self.shape();
        let spatial = shape.get(2..).unwrap_or_default();
        let count = match to {
            Resize::To(sizes) => sizes.len(),
            Resize::By { factors, .. } => factors.len(),
        };
        if spatial.is_empty() || spatial.len() > 3 || count != spatial.len() {
            return Err(Error::shape(format!(
                "sizes for {count} dimensions don't go with [n, channels, sizes…] of shape {shape}"
            )));
        }
        if shape[1..].contains(&0) {
            return Err(Error::shape(format!("there is nothing to resize in the shape {shape}")));
        }
        if aligned && !matches!(mode, Mode::Linear | Mode::Cubic) {
            return Err(Error::argument(format!("{mode:?} has no corners to align")));
        }
        if mode == Mode::Cubic && spatial.len() != 2 {
            return Err(Error::shape("cubic resizing is of images with two dimensions"));
        }
        let along = |(d, &size): (usize, &usize)| {
            let (wanted, factor) = match to {
                Resize::To(sizes) => (sizes[d], None),
                Resize::By { factors, exact } => {
                    ((size as f64 * factors[d]).floor() as usize, exact.then_some(factors[d]))
                }
            };
            if size == 0 || wanted == 0 {
                return Err(Error::shape(format!(
                    "a size of {size} can't become {wanted}: neither may be 0"
                )));
            }
            crate::error::check_memory(wanted, 64)?;
            let scale = factor.map_or(size as f64 / wanted as f64, |factor| 1.0 / factor);
            Ok(Along { size, wanted, scale, aligned })
        };
        spatial.iter().enumerate().map(along).collect()
    }

    /// Channels turned into places: `[…, c·r², h, w]` becomes `[…, c, h·r, w·r]`.
    ///
    /// # Errors
    /// There are fewer than three dimensions, or `r²` doesn't divide the channels.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// assert_eq!(Tensor::ones([1, 8, 2, 3]).pixel_shuffle(2)?.shape(), [1, 2, 4, 6]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn pixel_shuffle(&self, r: usize) -> Result<Tensor> {
        let (lead, [c, h, w]) = self.image("PixelShuffle")?;
        let square = r.saturating_mul(r);
        if r == 0 || !c.is_multiple_of(square) {
            return Err(self.not_divided("PixelShuffle", format!("{c} channels aren't a multiple of {r}²")));
        }
        let x = self.reshape(sizes(&lead, &[c / square, r, r, h, w])?)?;
        let n = lead.len() as isize;
        let x = x.movedim(&[n + 1, n + 2], &[n + 2, n + 4])?;
        x.reshape(sizes(&lead, &[c / square, h * r, w * r])?)
    }

    /// Places turned into channels: `[…, c, h·r, w·r]` becomes `[…, c·r², h, w]`.
    ///
    /// # Errors
    /// There are fewer than three dimensions, or `r` doesn't divide the last two.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let image = tensor([[[1, 2], [3, 4]]]);
    /// let y = image.pixel_unshuffle(2)?;
    /// assert_eq!(y.shape(), [4, 1, 1]);
    /// assert_eq!(y.pixel_shuffle(2)?.to_vec::<i64>()?, [1, 2, 3, 4]); // its opposite
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: usize) -> Result<Tensor> {
        let (lead, [c, h, w]) = self.image("PixelUnshuffle")?;
        if r == 0 || !h.is_multiple_of(r) || !w.is_multiple_of(r) {
            return Err(
                self.not_divided("PixelUnshuffle", format!("{h} × {w} places aren't multiples of {r}"))
            );
        }
        let x = self.reshape(sizes(&lead, &[c, h / r, r, w / r, r])?)?;
        let n = lead.len() as isize;
        let x = x.movedim(&[n + 2, n + 4], &[n + 1, n + 2])?;
        x.reshape(sizes(&lead, &[c * r * r, h / r, w / r])?)
    }

    /// Channels dealt out among groups: `[n, g·k, …]` in the order of `k` first.
    ///
    /// # Errors
    /// There are fewer than three dimensions, or the groups don't divide the channels.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let x = tensor([[[1], [2], [3], [4]]]); // four channels in two groups: 1 2, 3 4
    /// assert_eq!(x.channel_shuffle(2)?.to_vec::<i64>()?, [1, 3, 2, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn channel_shuffle(&self, groups: usize) -> Result<Tensor> {
        let shape = self.shape();
        if shape.rank() < 3 || groups == 0 || !shape[1].is_multiple_of(groups) {
            return Err(self.not_divided(
                "ChannelShuffle",
                format!("{groups} groups don't divide the channels of {shape}"),
            ));
        }
        let apart = [groups as isize, (shape[1] / groups) as isize];
        self.unflatten(1, &apart)?.transpose(1, 2)?.reshape(shape)
    }

    /// The leading sizes, and channels, rows and columns.
    fn image(&self, name: &'static str) -> Result<(Vec<usize>, [usize; 3])> {
        let shape = self.shape();
        match shape.rank().checked_sub(3) {
            Some(n) => Ok((shape[..n].to_vec(), [shape[n], shape[n + 1], shape[n + 2]])),
            None => {
                Err(self.not_divided(name, format!("[…, channels, rows, columns] is expected, not {shape}")))
            }
        }
    }

    fn not_divided(&self, name: &'static str, rule: String) -> Error {
        Error::shape(rule).at_gate(name).with_inputs([self.meta()])
    }
}

fn sizes(lead: &[usize], rest: &[usize]) -> Result<Shape> {
    Shape::new(&[lead, rest].concat())
}
