//! The windows of a pooling: which elements each of them sees.

use crate::array::Shape;
use crate::error::{Error, Result};
use crate::gate::{Sizes, TorchNode, spread, tuple};
use crate::kernel::window::{Range, Windows};

/// The windows of a pooling over one to three spatial dimensions.
///
/// ```
/// use chainrule::Tensor;
/// use chainrule::gate::Window;
/// let x = Tensor::zeros([1, 1, 7, 7]);
/// assert_eq!(x.max_pool(2, Window::new(3).stride(2))?.shape(), [1, 1, 3, 3]);
/// assert_eq!(x.max_pool(2, Window::adaptive(&[Some(2), None])?)?.shape(), [1, 1, 2, 7]);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Windows that slide.
    Sliding {
        /// Elements a window sees in each dimension.
        kernel: Sizes,
        /// How far it moves; by default its own size.
        stride: Option<Sizes>,
        /// Places beyond each end that it may see, at most half of its size.
        padding: Sizes,
        /// The distance between the elements that it sees.
        dilation: Sizes,
        /// Whether a last window may reach beyond the end, as long as it begins before.
        ceil: bool,
    },
    /// So many windows in each dimension as even as possible; `None` keeps a dimension's size.
    Adaptive([Option<usize>; 3], usize),
}

impl Window {
    /// A node of PyTorch's with the windows' attributes; adaptive ones have none.
    pub(super) fn described(&self, node: TorchNode, rank: usize, dilated: bool) -> TorchNode {
        let Window::Sliding { kernel, stride, padding, dilation, ceil } = self else { return node };
        let sizes = |sizes: &Sizes| tuple(&spread(sizes.given(), rank));
        let node = node
            .with("ceil_mode", if *ceil { "True" } else { "False" })
            .with("kernel_size", sizes(kernel))
            .with("padding", sizes(padding));
        match (dilated, stride) {
            (true, _) => {
                node.with("dilation", sizes(dilation)).with("stride", sizes(&stride.unwrap_or(*kernel)))
            }
            (false, Some(stride)) => node.with("stride", sizes(stride)),
            (false, None) => node.with("stride", "()"),
        }
    }

    /// Windows of this size next to each other.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::gate::Window;
    /// let x = Tensor::zeros([1, 1, 6, 6]);
    /// assert_eq!(x.max_pool(2, Window::new([2, 3]))?.shape(), [1, 1, 3, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(kernel: impl Into<Sizes>) -> Window {
        Window::Sliding {
            kernel: kernel.into(),
            stride: None,
            padding: 0.into(),
            dilation: 1.into(),
            ceil: false,
        }
    }

    /// So many windows in each of one to three dimensions; `None` keeps a dimension's size.
    ///
    /// # Errors
    /// There are no sizes, or more than three.
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::tensor;
    /// let thirds = Window::adaptive(&[Some(3)])?;
    /// assert_eq!(tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]).max_pool(1, thirds)?.to_f64_vec(), [2.0, 4.0, 5.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn adaptive(sizes: &[Option<usize>]) -> Result<Window> {
        if sizes.is_empty() || sizes.len() > 3 {
            return Err(Error::argument(format!(
                "there are one to three spatial dimensions to pool, not {}",
                sizes.len()
            )));
        }
        let mut all = [None; 3];
        all[..sizes.len()].copy_from_slice(sizes);
        Ok(Window::Adaptive(all, sizes.len()))
    }

    /// Windows that move this far (sliding ones only; others stay as they are).
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 5.0, 2.0, 4.0]]);
    /// assert_eq!(x.max_pool(1, Window::new(2).stride(1))?.to_f64_vec(), [5.0, 5.0, 4.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn stride(mut self, by: impl Into<Sizes>) -> Window {
        if let Window::Sliding { stride, .. } = &mut self {
            *stride = Some(by.into());
        }
        self
    }

    /// Windows that may see so many places beyond each end (sliding ones only).
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 5.0, 2.0, 4.0]]);
    /// assert_eq!(x.max_pool(1, Window::new(2).padding(1))?.to_f64_vec(), [1.0, 5.0, 4.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn padding(mut self, places: impl Into<Sizes>) -> Window {
        if let Window::Sliding { padding, .. } = &mut self {
            *padding = places.into();
        }
        self
    }

    /// Windows that see every so manieth element (sliding ones only).
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 5.0, 2.0, 4.0]]);
    /// // Windows of two elements that lie two apart: 1 and 2, 5 and 4.
    /// assert_eq!(x.max_pool(1, Window::new(2).stride(1).dilation(2))?.to_f64_vec(), [2.0, 5.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn dilation(mut self, distance: impl Into<Sizes>) -> Window {
        if let Window::Sliding { dilation, .. } = &mut self {
            *dilation = distance.into();
        }
        self
    }

    /// Windows of which a last one may reach beyond the end (sliding ones only).
    ///
    /// ```
    /// use chainrule::gate::Window;
    /// use chainrule::tensor;
    /// let x = tensor([[1.0, 5.0, 2.0]]);
    /// assert_eq!(x.max_pool(1, Window::new(2))?.to_f64_vec(), [5.0]);
    /// assert_eq!(x.max_pool(1, Window::new(2).ceil(true))?.to_f64_vec(), [5.0, 2.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn ceil(mut self, on: bool) -> Window {
        if let Window::Sliding { ceil, .. } = &mut self {
            *ceil = on;
        }
        self
    }

    /// How many spatial dimensions an input `[n, channels, sizes…]` has.
    fn rank(shape: &Shape) -> Result<usize> {
        match shape.rank() {
            rank @ 3..=5 => Ok(rank - 2),
            _ => Err(Error::shape(format!(
                "pooling needs [n, channels, sizes…] with one to three sizes, not the shape {shape}"
            ))),
        }
    }

    /// For each dimension and window: the elements it sees, and how many there are with the padding.
    pub(super) fn windows(&self, shape: &Shape) -> Result<(Windows, [Vec<usize>; 3])> {
        let rank = Window::rank(shape)?;
        let mut input = [1; 3];
        input[3 - rank..].copy_from_slice(&shape[2..]);
        if input.contains(&0) || shape[1] == 0 {
            return Err(Error::shape(format!("there is nothing to pool in the shape {shape}")));
        }
        let mut ranges = [Vec::new(), Vec::new(), Vec::new()];
        let mut counts = [Vec::new(), Vec::new(), Vec::new()];
        match *self {
            Window::Adaptive(sizes, given) => {
                if given != rank {
                    return Err(Error::argument(format!(
                        "{given} sizes are wanted, and there are {rank} spatial dimensions"
                    )));
                }
                for d in 0..3 {
                    let size = input[d];
                    let wanted = if d < 3 - rank { 1 } else { sizes[d + rank - 3].unwrap_or(size) };
                    crate::error::check_memory(wanted, size_of::<Range>() + size_of::<usize>())?;
                    if size.checked_mul(wanted).is_none() {
                        return Err(Error::argument(format!(
                            "{wanted} windows are too many for {size} elements"
                        )));
                    }
                    for o in 0..wanted {
                        let (start, end) = (o * size / wanted, ((o + 1) * size).div_ceil(wanted));
                        ranges[d].push(Range { start, end, step: 1 });
                        counts[d].push(end - start);
                    }
                }
            }
            Window::Sliding { kernel, stride, padding, dilation, ceil } => {
                let kernel = kernel.on(rank, 1, "kernel size")?;
                let stride = stride.map_or(Ok(kernel), |stride| stride.on(rank, 1, "stride"))?;
                let padding = padding.on(rank, 0, "padding")?;
                let dilation = dilation.on(rank, 1, "dilation")?;
                for (what, sizes) in [("kernel size", kernel), ("stride", stride), ("dilation", dilation)] {
                    if sizes.contains(&0) {
                        return Err(Error::argument(format!("the {what} of a pooling can't be 0")));
                    }
                }
                for d in 0..3 {
                    let (size, stride, padding) = (input[d], stride[d], padding[d]);
                    // Sizes no memory could hold are refused below, and must not overflow before.
                    let reach = dilation[d].saturating_mul(kernel[d] - 1).min(isize::MAX as usize);
                    if padding > reach.div_ceil(2) {
                        return Err(Error::argument(format!(
                            "a padding of {padding} is more than half of a window {} wide",
                            reach + 1
                        )));
                    }
                    let room = size + 2 * padding;
                    // Rounding up, the last window may reach over the end.
                    let slack = if ceil { stride - 1 } else { 0 };
                    if room + slack <= reach {
                        return Err(Error::shape(format!(
                            "a window {} wide doesn't fit into {room} elements, padding included",
                            reach + 1
                        )));
                    }
                    let mut windows = (room + slack - reach - 1) / stride + 1;
                    if ceil && (windows - 1) * stride >= size + padding {
                        windows -= 1;
                    }
                    crate::error::check_memory(windows, size_of::<Range>() + size_of::<usize>())?;
                    for o in 0..windows {
                        let first = o * stride;
                        // The first tap that isn't in the padding; the last one is before `end`.
                        let skipped = padding.saturating_sub(first).div_ceil(dilation[d]);
                        let start = first + skipped * dilation[d] - padding;
                        let end = (first + reach + 1).saturating_sub(padding).min(size);
                        ranges[d].push(Range { start, end, step: dilation[d] });
                        counts[d].push((first + reach + 1).min(size + 2 * padding) - first);
                        if start >= end {
                            return Err(Error::argument("a window sees nothing but padding".to_string())
                                .hint("use a smaller dilation or padding"));
                        }
                    }
                }
            }
        }
        Ok((Windows { input, ranges }, counts))
    }

    /// The shape of the output.
    pub(super) fn output(&self, shape: &Shape) -> Result<Shape> {
        let (windows, _) = self.windows(shape)?;
        let mut sizes = shape[..2].to_vec();
        sizes.extend(windows.ranges[5 - shape.rank()..].iter().map(Vec::len));
        Shape::new(&sizes)
    }

    pub(super) fn is_adaptive(&self) -> bool {
        matches!(self, Window::Adaptive(..))
    }
}
