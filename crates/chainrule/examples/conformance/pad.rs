//! Padding.

use chainrule::gate::PadMode;
use chainrule::{Error, Tensor};

use crate::arguments::{Failure, Scalar};
use crate::table::operators;

/// PyTorch's flat list of widths as pairs.
fn pairs(widths: &[isize]) -> chainrule::Result<Vec<(isize, isize)>> {
    if widths.len() % 2 == 1 {
        return Err(Error::argument(format!("{widths:?} are no pairs of widths")));
    }
    Ok(widths.chunks(2).map(|pair| (pair[0], pair[1])).collect())
}

fn number(value: Scalar) -> f64 {
    match value {
        Scalar::Int(i) => i as f64,
        Scalar::Float(x) => x,
        Scalar::Bool(b) => f64::from(u8::from(b)),
    }
}

operators! {
    "constant_pad_nd"(x: Tensor, pad: Vec<isize>, value: Scalar = Scalar::Int(0)) =>
        x.pad(&pairs(&pad)?, PadMode::Constant(number(value)));
    "nn.functional.pad.constant" | "nn.functional.pad.reflect" | "nn.functional.pad.replicate"
        | "nn.functional.pad.replicate_negative" | "nn.functional.pad.circular"
        (x: Tensor, pad: Vec<isize>, mode: String = "constant".into(), value: Option<f64> = None) => {
        let mode = match mode.as_str() {
            "constant" => PadMode::Constant(value.unwrap_or(0.0)),
            "reflect" => PadMode::Reflect,
            "replicate" => PadMode::Replicate,
            "circular" => PadMode::Circular,
            other => return Err(Failure::Unmapped(format!("no way to pad is called {other}"))),
        };
        x.pad(&pairs(&pad)?, mode)
    };
}
