//! Numbers in JSON, those without a notation there included.

use serde::{Serialize, Serializer};

/// The elements of an array in row-major order.
#[derive(Debug, Clone)]
pub(super) struct Numbers(Vec<f64>);

impl Numbers {
    pub(super) fn new(values: Vec<f64>) -> Numbers {
        Numbers(values)
    }
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|&x| json(x)))
    }
}

/// JSON has no infinities and no NaN; they become strings that JavaScript's `Number` reads. Whole numbers
/// lose their `.0`.
pub(super) fn json(x: f64) -> serde_json::Value {
    if x.fract() == 0.0 && x.abs() < 1e15 && !(x == 0.0 && x.is_sign_negative()) {
        return (x as i64).into();
    }
    match serde_json::Number::from_f64(x) {
        Some(number) => number.into(),
        None if x.is_nan() => "NaN".into(),
        None if x > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

/// Six significant digits are more than the page prints.
pub(super) fn rounded(x: f64) -> serde_json::Value {
    json(format!("{x:.5e}").parse().unwrap_or(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_notation() {
        let numbers = Numbers::new(vec![1.0, -0.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300]);
        let text = serde_json::to_string(&numbers).unwrap();
        assert_eq!(text, r#"[1,-0.0,0.1,"NaN","Infinity","-Infinity",1e+300]"#);
    }
}
