//! Windows of images laid out as columns, and back; the inverse of max pooling.

use crate::array::{Array, Meta, Shape};
use crate::error::{Error, Result};
use crate::gate::Sizes;
use crate::tensor::Tensor;

/// Where windows lie on an image.
///
/// ```
/// use chainrule::ops::Patches;
/// let patches = Patches::new(3).padding(1).stride([1, 2]);
/// # let _ = patches;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
}

impl Patches {
    /// Windows of this size, one element apart.
    ///
    /// ```
    /// use chainrule::{ops::Patches, Tensor};
    /// assert_eq!(Tensor::ones([1, 4, 4]).im2col(Patches::new(2))?.shape(), [4, 9]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(kernel: impl Into<Sizes>) -> Patches {
        Patches { kernel: kernel.into(), stride: 1.into(), padding: 0.into(), dilation: 1.into() }
    }

    /// How far apart windows are.
    ///
    /// ```
    /// use chainrule::{ops::Patches, Tensor};
    /// assert_eq!(Tensor::ones([1, 4, 4]).im2col(Patches::new(2).stride(2))?.shape(), [4, 4]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn stride(self, by: impl Into<Sizes>) -> Patches {
        Patches { stride: by.into(), ..self }
    }

    /// Zeros added on every side.
    ///
    /// ```
    /// use chainrule::{ops::Patches, Tensor};
    /// assert_eq!(Tensor::ones([1, 4, 4]).im2col(Patches::new(2).padding(1))?.shape(), [4, 25]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn padding(self, places: impl Into<Sizes>) -> Patches {
        Patches { padding: places.into(), ..self }
    }

    /// How far apart a window's elements are.
    ///
    /// ```
    /// use chainrule::{ops::Patches, Tensor};
    /// assert_eq!(Tensor::ones([1, 4, 4]).im2col(Patches::new(2).dilation(3))?.shape(), [4, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn dilation(self, distance: impl Into<Sizes>) -> Patches {
        Patches { dilation: distance.into(), ..self }
    }

    /// On an image of this size: the padding, the elements and the number of windows along both dimensions.
    fn on(&self, image: [usize; 2]) -> Result<[Along; 2]> {
        let two = |sizes: &Sizes, what| sizes.on(2, 0, what).map(|[_, height, width]| [height, width]);
        let (kernel, stride) = (two(&self.kernel, "kernel size")?, two(&self.stride, "stride")?);
        let (padding, dilation) = (two(&self.padding, "padding")?, two(&self.dilation, "dilation")?);
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(Error::argument("a window's size, stride and dilation can't be 0"));
        }
        let along = |d: usize| {
            let reach = dilation[d].saturating_mul(kernel[d] - 1);
            let room = image[d].saturating_add(padding[d].saturating_mul(2));
            let Some(left) = room.checked_sub(1).and_then(|last| last.checked_sub(reach)) else {
                return Err(Error::shape(format!(
                    "a window {} wide doesn't fit into {room} elements, padding included",
                    reach.saturating_add(1)
                )));
            };
            let windows = left / stride[d] + 1;
            Ok(Along {
                room,
                padding: padding[d],
                kernel: kernel[d],
                windows,
                stride: stride[d],
                dilation: dilation[d],
            })
        };
        Ok([along(0)?, along(1)?])
    }
}

/// The windows along one dimension.
struct Along {
    /// The elements with the padding.
    room: usize,
    padding: usize,
    kernel: usize,
    windows: usize,
    stride: usize,
    dilation: usize,
}

/// The place in the padded image that each tap (rows) of each window (columns) sees.
fn places([down, across]: &[Along; 2]) -> Result<Tensor> {
    let sizes = Shape::new(&[down.kernel, across.kernel, down.windows, across.windows])?;
    let mut out = Vec::with_capacity(sizes.elements());
    for (y, x) in (0..down.kernel).flat_map(|y| (0..across.kernel).map(move |x| (y, x))) {
        for row in (0..down.windows).map(|i| i * down.stride + y * down.dilation) {
            let columns = (0..across.windows).map(|j| j * across.stride + x * across.dilation);
            out.extend(columns.map(|column| (row * across.room + column) as i64));
        }
    }
    Tensor::from_vec(out, [sizes.elements()])
}

impl Tensor {
    /// The windows of images `[n, channels, height, width]` as columns: `[n, channels·kernel elements, windows]`
    /// (PyTorch's `nn.functional.unfold`). A batch may be missing.
    ///
    /// ```
    /// use chainrule::{ops::Patches, tensor};
    /// let columns = tensor([[[1.0, 2.0, 3.0]]]).im2col(Patches::new([1, 2]))?;
    /// assert_eq!(columns.to_string(), "tensor([[1., 2.],\n        [2., 3.]])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The window doesn't fit the shape.
    #[track_caller]
    pub fn im2col(&self, patches: Patches) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("Im2Col").with_inputs([self.meta()]);
        if self.rank() == 3 {
            return self.unsqueeze(0)?.im2col(patches)?.squeeze(0);
        }
        let &[n, channels, height, width] = &self.shape()[..] else {
            return Err(refuse(Error::shape("images are [n, channels, height, width], with or without n")));
        };
        if channels == 0 || height == 0 || width == 0 {
            return Err(refuse(Error::shape(format!(
                "there is nothing to lay out in the shape {}",
                self.shape()
            ))));
        }
        let along = patches.on([height, width]).map_err(refuse)?;
        let pad = |along: &Along| (along.padding as isize, along.padding as isize);
        let padded = self.pad_constant(&[(0, 0), (0, 0), pad(&along[0]), pad(&along[1])], 0.0)?;
        let flat = padded.reshape(Shape::new(&[n, channels, along[0].room * along[1].room])?)?;
        let [down, across] = &along;
        flat.index_select(2, &places(&along)?)?.reshape(Shape::new(&[
            n,
            channels * down.kernel * across.kernel,
            down.windows * across.windows,
        ])?)
    }

    /// Columns added up where their windows lie on images of this size: the transposed map of
    /// [`Tensor::im2col`] (PyTorch's `nn.functional.fold`).
    ///
    /// ```
    /// use chainrule::{ops::Patches, tensor};
    /// let image = tensor([[1.0, 2.0], [2.0, 3.0]]).col2im([1, 3], Patches::new([1, 2]))?;
    /// assert_eq!(image.to_vec::<f32>()?, [1.0, 4.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The columns aren't those of the windows of such an image.
    #[track_caller]
    pub fn col2im(&self, image: [usize; 2], patches: Patches) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("Col2Im").with_inputs([self.meta()]);
        if self.rank() == 2 {
            return self.unsqueeze(0)?.col2im(image, patches)?.squeeze(0);
        }
        let &[n, rows, windows] = &self.shape()[..] else {
            return Err(refuse(Error::shape(
                "columns are [n, channels·kernel elements, windows], with or without n",
            )));
        };
        let along = patches.on(image).map_err(refuse)?;
        let [down, across] = &along;
        let (taps, expected) = (down.kernel * across.kernel, down.windows * across.windows);
        if !rows.is_multiple_of(taps) || windows != expected || rows == 0 {
            return Err(refuse(Error::shape(format!(
                "such an image has {expected} windows of {taps} elements for each channel"
            ))));
        }
        let channels = rows / taps;
        let size = Shape::new(&[n, channels, down.room * across.room])?;
        let zeros = Tensor::from_array(Array::constant(0.0, Meta::new(self.dtype(), size)));
        let source = self.reshape(Shape::new(&[n, channels, taps * windows])?)?;
        let sum = zeros.index_add(2, &places(&along)?, &source, 1.0)?;
        let padded = sum.reshape(Shape::new(&[n, channels, down.room, across.room])?)?;
        let cut = |x: &Tensor, dim, along: &Along, size| x.narrow(dim, along.padding as isize, size as isize);
        cut(&cut(&padded, 2, down, image[0])?, 3, across, image[1])
    }

    /// The elements of this tensor at the places from which [`Tensor::max_pool_with_indices`] took them, zeros
    /// elsewhere; `sizes` are those of the last dimensions of what was pooled.
    ///
    /// ```
    /// use chainrule::{gate::Window, tensor};
    /// let (y, places) = tensor([[1.0, 5.0, 2.0, 3.0]]).max_pool_with_indices(1, Window::new(2))?;
    /// assert_eq!(y.max_unpool(&places, &[4])?.to_vec::<f32>()?, [0.0, 5.0, 0.0, 3.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The places have another shape or lie outside.
    #[track_caller]
    pub fn max_unpool(&self, places: &Tensor, sizes: &[usize]) -> Result<Tensor> {
        let refuse = |error: Error| error.at_gate("MaxUnpool").with_inputs([self.meta(), places.meta()]);
        let shape = self.shape();
        let dims = sizes.len();
        if dims == 0 || dims > 3 || (shape.rank() != dims + 1 && shape.rank() != dims + 2) {
            return Err(refuse(Error::shape(format!(
                "[n, channels, sizes…] with {dims} sizes is expected, with or without n"
            ))));
        }
        if places.shape() != shape {
            return Err(refuse(Error::shape("there is a place for every element")));
        }
        let lead = &shape[..shape.rank() - dims];
        if shape[lead.len() - 1..].contains(&0) {
            return Err(refuse(Error::shape(format!("there is nothing to place in the shape {shape}"))));
        }
        let with = |last: &[usize]| Shape::new(&[lead, last].concat()).map_err(refuse);
        let flat = with(&[shape[lead.len()..].iter().product()])?;
        let zeros = Array::constant(0.0, Meta::new(self.dtype(), with(&[sizes.iter().product()])?));
        let source = self.reshape(flat)?;
        Tensor::from_array(zeros).scatter(-1, &places.reshape(flat)?, &source)?.reshape(with(sizes)?)
    }
}
