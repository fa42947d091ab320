//! The handwritten digits that are part of the library.

use std::path::Path;

use super::Dataset;
use crate::array::Array;

/// 1,797 handwritten digits of 8×8 pixels, values 0 to 16 (E. Alpaydin, C. Kaynak, 1998; as distributed with
/// scikit-learn).
///
/// ```
/// let digits = chainrule::data::digits();
/// assert_eq!((digits.len(), digits.width(), digits.classes.len()), (1797, 64, 10));
/// ```
pub fn digits() -> Dataset {
    let packed = include_bytes!("../../assets/digits.csv.gz");
    let text =
        crate::io::bytes::unpack(packed, Path::new("embedded digits")).expect("the embedded file is whole");
    let text = String::from_utf8(text).expect("the embedded file is text");
    let mut pixels = Vec::with_capacity(1797 * 64);
    let mut labels = Vec::with_capacity(1797);
    for line in text.lines() {
        let mut row: Vec<f32> =
            line.split(',').map(|x| x.trim().parse().expect("the embedded file holds numbers")).collect();
        labels.extend(row.pop().map(|label| label as i64));
        pixels.extend(row);
    }
    let features = Array::from_vec(pixels, [labels.len(), 64]).expect("every line has 64 pixels");
    Dataset::new("digits", features, labels, (0..10).map(|c| c.to_string()).collect())
        .expect("labels are digits")
}
