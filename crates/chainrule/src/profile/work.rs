//! What a gate has to do: counted from shapes, not measured.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};

use crate::array::{Array, Meta};
use crate::gate::Gate;
use crate::tensor::{Step, Tensor};

/// Multiply-adds and bytes, counted.
///
/// ```
/// use chainrule::profile::Work;
/// let work = Work { multiply_adds: 3, bytes_read: 8, bytes_written: 4 };
/// assert_eq!((work + work, work * 2), (work * 2, [work, work].into_iter().sum()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Multiply-adds, or operations like them: see [`Gate::cost`](crate::gate::Gate::cost).
    pub multiply_adds: u64,
    /// Bytes of the values that are read; views read none.
    pub bytes_read: u64,
    /// Bytes of the values that are made; views make none.
    pub bytes_written: u64,
}

impl Work {
    /// The work of one gate as it ran. This is the one place where work is counted: layers' tables, profiles,
    /// costs and the explorer show sums of it.
    pub(crate) fn of(step: &Step) -> Work {
        let arrays = |all: &[Tensor]| all.iter().map(Tensor::array).collect::<Vec<Array>>();
        Work::of_gate(&*step.gate, &arrays(&step.inputs), &arrays(&step.outputs))
    }

    /// The work of a gate that made these outputs of these inputs.
    pub(crate) fn of_gate(gate: &dyn Gate, inputs: &[Array], outputs: &[Array]) -> Work {
        let metas = |all: &[Array]| all.iter().map(Array::meta).collect::<Vec<Meta>>();
        let view = |y: &Array| inputs.iter().any(|x| x.shares_buffer(y));
        let made = outputs.iter().filter(|y| !view(y)).map(|y| y.bytes() as u64);
        let mut work = Work { bytes_written: made.sum(), ..Work::default() };
        // A view is a matter of strides alone.
        if work.bytes_written > 0 {
            work.multiply_adds = gate.cost(&metas(inputs), &metas(outputs));
            work.bytes_read = inputs.iter().map(|x| x.bytes() as u64).sum();
        }
        work
    }
}

/// It saturates.
impl Add for Work {
    type Output = Work;
    fn add(self, other: Work) -> Work {
        Work {
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
            bytes_read: self.bytes_read.saturating_add(other.bytes_read),
            bytes_written: self.bytes_written.saturating_add(other.bytes_written),
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        *self = *self + other;
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Work>>(all: I) -> Work {
        all.fold(Work::default(), Add::add)
    }
}

/// So much work many times; it saturates.
impl Mul<u64> for Work {
    type Output = Work;
    fn mul(self, times: u64) -> Work {
        Work {
            multiply_adds: self.multiply_adds.saturating_mul(times),
            bytes_read: self.bytes_read.saturating_mul(times),
            bytes_written: self.bytes_written.saturating_mul(times),
        }
    }
}
