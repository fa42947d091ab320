//! A value or gradient in a few numbers.

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::numbers::rounded;
use crate::array::Array;

/// How many bars a histogram has.
const BARS: usize = 24;

/// Smallest, largest, mean, standard deviation, and the numbers of zeros and of NaN or infinite elements,
/// the first four over the finite elements; and a histogram between smallest and largest.
///
/// In JSON a list of these seven, or of the number alone where there is only one.
#[derive(Debug, Clone)]
pub(super) struct Statistics {
    elements: usize,
    least: f64,
    most: f64,
    mean: f64,
    deviation: f64,
    zeros: usize,
    not_finite: usize,
    bars: [u32; BARS],
    single: f64,
}

impl Statistics {
    pub(super) fn of(array: &Array) -> Statistics {
        let all = array.to_f64_vec();
        let mut s = Statistics {
            elements: all.len(),
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            mean: 0.0,
            deviation: 0.0,
            zeros: all.iter().filter(|&&x| x == 0.0).count(),
            not_finite: all.iter().filter(|x| !x.is_finite()).count(),
            bars: [0; BARS],
            single: all.first().copied().unwrap_or(f64::NAN),
        };
        if all.len() < 2 {
            return s;
        }
        let finite = || all.iter().copied().filter(|x| x.is_finite());
        let count = (all.len() - s.not_finite).max(1) as f64;
        for x in finite() {
            s.least = s.least.min(x);
            s.most = s.most.max(x);
            s.mean += x / count;
        }
        let width = s.most - s.least;
        let mut squares = 0.0;
        for x in finite() {
            squares += (x - s.mean) * (x - s.mean) / count;
            let place = if width > 0.0 { (x - s.least) / width * BARS as f64 } else { 0.0 };
            s.bars[(place as usize).min(BARS - 1)] += 1;
        }
        s.deviation = squares.sqrt();
        s
    }

    /// The bars' heights as hexadecimal digits, the highest being f; a bar that isn't empty is at least 1.
    fn bars(&self) -> String {
        let highest = self.bars.iter().copied().max().unwrap_or(0).max(1);
        let digit = |bar: u32| (u64::from(bar) * 15).div_ceil(u64::from(highest)) as u32;
        self.bars.iter().filter_map(|&bar| char::from_digit(digit(bar), 16)).collect()
    }
}

impl Serialize for Statistics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if self.elements < 2 {
            list.serialize_element(&rounded(self.single))?;
            return list.end();
        }
        for x in [self.least, self.most, self.mean, self.deviation] {
            list.serialize_element(&rounded(x))?;
        }
        list.serialize_element(&self.zeros)?;
        list.serialize_element(&self.not_finite)?;
        list.serialize_element(&self.bars())?;
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_finite_are_counted_apart() {
        let array =
            Array::from_vec(vec![0.0, 1.0, 2.0, 5.0, f64::NAN, f64::INFINITY], [6]).expect("six numbers");
        let json = serde_json::to_value(Statistics::of(&array)).expect("numbers");
        assert_eq!(json[0], 0);
        assert_eq!(json[1], 5);
        assert_eq!(json[2], 2);
        assert_eq!(json[3], 1.87083);
        assert_eq!((json[4].as_i64(), json[5].as_i64()), (Some(1), Some(2)));
        assert_eq!(json[6], "f000f0000f0000000000000f");
    }

    #[test]
    fn a_single_number_stands_alone() {
        let json = serde_json::to_value(Statistics::of(&Array::scalar(-2.5f64))).expect("a number");
        assert_eq!(json, serde_json::json!([-2.5]));
    }
}
