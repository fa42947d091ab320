//! Samples of the convolutions: every option, and what must be refused.

use super::{Conv, ConvTranspose, ConvWeight, Padding};
use crate::array::{Array, DType, Shape};
use crate::error::ErrorKind;
use crate::gate::arith::f64s;
use crate::gate::{Gate, Sample};

/// Uneven numbers of a shape.
pub(in crate::gate) fn uneven<const N: usize>(shape: [usize; N], seed: usize) -> Array {
    let shape = Shape::from(shape);
    Array::filled(
        (0..shape.elements()).map(|i| ((i * 37 + seed * 11) % 29) as f64 * 0.13 - 1.8).collect(),
        shape,
    )
}

/// Shapes that show each option: the convolution, its input, its weight.
fn settings() -> Vec<(Conv, Array, Array)> {
    vec![
        (Conv::default(), uneven([2, 2, 4, 5], 1), uneven([3, 2, 3, 2], 2)),
        (Conv::default().stride(2).padding(1), uneven([1, 2, 5, 4], 3), uneven([2, 2, 3, 3], 4)),
        (
            Conv::default().stride([2, 3]).padding([0, 2]).dilation([1, 2]),
            uneven([1, 1, 5, 6], 5),
            uneven([2, 1, 2, 3], 6),
        ),
        (Conv::default().groups(2).padding(Padding::Same), uneven([1, 4, 3, 3], 7), uneven([2, 2, 2, 3], 8)),
        (Conv::default().stride(2), uneven([2, 3, 7], 9), uneven([2, 3, 3], 10)),
        (
            Conv::default().stride([1, 2, 1]).padding(1),
            uneven([1, 1, 2, 3, 2], 11),
            uneven([2, 1, 2, 2, 2], 12),
        ),
        (Conv::default(), uneven([0, 2, 4, 4], 13), uneven([3, 2, 3, 3], 14)),
        // Few filters, and rows that fill vectors.
        (Conv::default(), uneven([1, 1, 4, 8], 16), uneven([6, 1, 3, 3], 17)),
    ]
}

pub(super) fn forward() -> Vec<Sample> {
    let mut all: Vec<Sample> = settings()
        .into_iter()
        .enumerate()
        .map(|(i, (gate, x, w))| {
            let bias = uneven([3], 15).narrow(0, 0, w.shape()[0]);
            Sample::new(gate, [x, w].into_iter().chain(bias.ok().filter(|_| i % 2 == 0)).collect::<Vec<_>>())
        })
        .collect();
    let (x, w) = (|| uneven([1, 2, 4, 4], 1), || uneven([3, 2, 3, 3], 2));
    all.push(Sample::new(Conv::default(), [x(), uneven([3, 3, 3, 3], 2)]).refused(ErrorKind::Shape));
    all.push(Sample::new(Conv::default(), [x(), uneven([3, 2, 5, 3], 2)]).refused(ErrorKind::Shape));
    all.push(Sample::new(Conv::default(), [x(), w(), f64s([1.0, 2.0])]).refused(ErrorKind::Shape));
    all.push(Sample::new(Conv::default().stride(0), [x(), w()]).refused(ErrorKind::Argument));
    all.push(Sample::new(Conv::default().stride([1, 1, 1]), [x(), w()]).refused(ErrorKind::Argument));
    all.push(Sample::new(Conv::default().groups(2), [x(), w()]).refused(ErrorKind::Argument));
    all.push(
        Sample::new(Conv::default().stride(2).padding(Padding::Same), [x(), w()])
            .refused(ErrorKind::Argument),
    );
    all.push(Sample::new(Conv::default(), [x(), uneven([0, 2, 3, 3], 2)]).refused(ErrorKind::Shape));
    // Numbers that would overflow.
    let huge = usize::MAX;
    for conv in [Conv::default().dilation(huge), Conv::default().padding(huge), Conv::default().stride(huge)]
    {
        all.push(Sample::new(conv, [x(), w()]).refused(ErrorKind::Argument));
    }
    all.push(Sample::new(Conv::default().groups(huge), [x(), w()]).refused(ErrorKind::Argument));
    all.push(Sample::new(Conv::default(), [x(), w().cast(DType::F32)]).refused(ErrorKind::DType));
    all
}

/// The upstream gradient's shape of one of the settings.
fn output_of(gate: &Conv, x: &Array, w: &Array) -> Array {
    let shape = gate.infer(&[x.meta(), w.meta()]).map_or(Shape::SCALAR, |metas| metas[0].shape);
    Array::filled((0..shape.elements()).map(|i| ((i * 17) % 13) as f64 * 0.21 - 1.3).collect(), shape)
}

pub(super) fn transposed() -> Vec<Sample> {
    let mut all: Vec<Sample> = settings()
        .into_iter()
        .enumerate()
        .map(|(i, (conv, x, w))| {
            let bias = uneven([4], 16).narrow(0, 0, x.shape()[1]).ok().filter(|_| i % 2 == 1);
            let inputs = [output_of(&conv, &x, &w), w].into_iter().chain(bias).collect::<Vec<_>>();
            Sample::new(ConvTranspose { conv, shape: *x.shape() }, inputs)
        })
        .collect();
    let gate = ConvTranspose { conv: Conv::default(), shape: [1, 2, 4, 4].into() };
    all.push(Sample::new(gate, [uneven([1, 3, 3, 3], 1), uneven([3, 2, 3, 3], 2)]).refused(ErrorKind::Shape));
    all
}

pub(super) fn weight() -> Vec<Sample> {
    let mut all: Vec<Sample> = settings()
        .into_iter()
        .map(|(conv, x, w)| {
            let u = output_of(&conv, &x, &w);
            Sample::new(ConvWeight { conv, shape: *w.shape() }, [x, u])
        })
        .collect();
    let gate = ConvWeight { conv: Conv::default(), shape: [3, 2, 3, 3].into() };
    all.push(Sample::new(gate, [uneven([1, 2, 4, 4], 1), uneven([1, 3, 3, 3], 2)]).refused(ErrorKind::Shape));
    all
}
