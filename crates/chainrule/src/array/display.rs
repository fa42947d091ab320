//! Printing arrays exactly as PyTorch prints tensors.
//!
//! The rules, as measured on PyTorch 2.15: one format for the whole tensor, chosen from the elements that
//! are shown; at most `line_width` characters a line; more than `threshold` elements are summarised.

use std::fmt;

use super::{Array, DType, Element, dispatch};

/// How arrays are printed; the default is PyTorch's.
///
/// ```
/// use chainrule::{Array, PrintOptions};
/// let a = Array::from_vec(vec![1.5f32], [1]).unwrap();
/// let short = PrintOptions { precision: 2, ..PrintOptions::default() };
/// assert_eq!(a.format_with(&short), "tensor([1.50])");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrintOptions {
    /// Digits after the decimal point.
    pub precision: usize,
    /// Arrays with more elements are summarised.
    pub threshold: usize,
    /// Elements shown at each end of a summarised dimension.
    pub edge_items: usize,
    /// Characters in a line.
    pub line_width: usize,
    /// Scientific notation: always, never, or by the size of the numbers.
    pub scientific: Option<bool>,
}

impl Default for PrintOptions {
    fn default() -> Self {
        PrintOptions { precision: 4, threshold: 1000, edge_items: 3, line_width: 80, scientific: None }
    }
}

const PREFIX: &str = "tensor(";

impl Array {
    /// The text PyTorch prints, with other options.
    ///
    /// ```
    /// use chainrule::{Array, PrintOptions};
    /// let a = Array::literal([1e-9, 1e9])?;
    /// let plain = PrintOptions { scientific: Some(false), precision: 1, ..PrintOptions::default() };
    /// assert_eq!(a.format_with(&plain), "tensor([         0.0, 1000000000.0])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn format_with(&self, options: &PrintOptions) -> String {
        self.format_with_suffixes(options, &[])
    }

    /// The text PyTorch prints, with what a tensor adds (`requires_grad=True`, `grad_fn=<…>`).
    pub(crate) fn format_with_suffixes(&self, options: &PrintOptions, extra: &[String]) -> String {
        let mut text = String::from(PREFIX);
        let mut suffixes = Vec::new();
        // The shape is said where the brackets don't show it.
        if if self.elements() == 0 { self.rank() != 1 } else { options.edge_items == 0 } {
            let sizes: Vec<String> = self.shape().iter().map(usize::to_string).collect();
            let comma = if sizes.len() == 1 { "," } else { "" };
            suffixes.push(format!("size=({}{comma})", sizes.join(", ")));
        }
        if self.elements() == 0 {
            text.push_str("[]");
        } else {
            let format = Format::choose(self, options);
            self.write_body(&mut text, PREFIX.len(), &format, options);
        }
        let shown_by_default = match self.dtype() {
            DType::F32 => true,
            DType::I64 | DType::Bool => self.elements() > 0,
            _ => false,
        };
        if !shown_by_default {
            suffixes.push(format!("dtype={}", self.dtype().torch_name()));
        }
        suffixes.extend_from_slice(extra);
        append_suffixes(&mut text, &suffixes, options.line_width);
        text
    }

    /// Writes the brackets and elements of this (sub)array.
    fn write_body(&self, text: &mut String, indent: usize, format: &Format, options: &PrintOptions) {
        if self.rank() == 0 {
            text.push_str(format.element(self).trim_start());
            return;
        }
        let size = self.shape()[0];
        // The test concerns the whole array; its result was kept in the format.
        let edge = options.edge_items;
        let shown: Vec<Option<usize>> = if format.summarise && size > 2 * edge {
            (0..edge).map(Some).chain([None]).chain((size - edge..size).map(Some)).collect()
        } else {
            (0..size).map(Some).collect()
        };
        let part = |i: usize| self.select(0, i as isize).expect("the index is within the dimension");
        text.push('[');
        if self.rank() == 1 {
            let in_line = ((options.line_width - indent.min(options.line_width)) / (format.width + 2)).max(1);
            let gap = if edge == 0 { "..." } else { " ..." };
            let items: Vec<String> =
                shown.iter().map(|i| i.map_or(gap.to_string(), |i| format.element(&part(i)))).collect();
            let lines: Vec<String> = items.chunks(in_line).map(|line| line.join(", ")).collect();
            text.push_str(&lines.join(&format!(",\n{}", " ".repeat(indent + 1))));
        } else {
            let separator = format!(",{}{}", "\n".repeat(self.rank() - 1), " ".repeat(indent + 1));
            for (position, i) in shown.iter().enumerate() {
                if position > 0 {
                    text.push_str(&separator);
                }
                match i {
                    Some(i) => part(*i).write_body(text, indent + 1, format, options),
                    None => text.push_str("..."),
                }
            }
        }
        text.push(']');
    }

    /// The elements that will be shown.
    fn shown_elements(&self, options: &PrintOptions, summarise: bool) -> Vec<Array> {
        if self.rank() == 0 {
            return vec![self.clone()];
        }
        let size = self.shape()[0];
        let edge = options.edge_items;
        (0..size)
            .filter(|&i| !summarise || size <= 2 * edge || i < edge || i >= size - edge)
            .filter_map(|i| self.select(0, i as isize).ok())
            .flat_map(|part| part.shown_elements(options, summarise))
            .collect()
    }
}

/// How every element of one array is written.
struct Format {
    kind: Kind,
    width: usize,
    precision: usize,
    summarise: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Integers and booleans as they are
    Plain,
    /// Floats that are all integral: `3.`
    Integral,
    Fixed,
    Scientific,
}

impl Format {
    fn choose(array: &Array, options: &PrintOptions) -> Format {
        let summarise = array.elements() > options.threshold;
        let shown = array.shown_elements(options, summarise);
        let mut format = Format { kind: Kind::Plain, width: 1, precision: options.precision, summarise };
        if !array.dtype().is_float() {
            format.width = shown.iter().map(|x| format.element(x).len()).max().unwrap_or(1);
            return format;
        }
        let finite: Vec<f64> =
            shown.iter().filter_map(|x| x.item().ok()).filter(|x| x.is_finite() && *x != 0.0).collect();
        let largest = finite.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        let smallest = finite.iter().fold(f64::INFINITY, |m, x| m.min(x.abs()));
        let wide = largest / smallest > 1000.0 || largest > 1e8 || smallest < 1e-4;
        let scientific = !finite.is_empty() && options.scientific.unwrap_or(wide);
        format.kind = if scientific {
            Kind::Scientific
        } else if finite.iter().all(|x| x.fract() == 0.0) {
            Kind::Integral
        } else {
            Kind::Fixed
        };
        format.width = finite.iter().map(|&x| format.float(x).len()).max().unwrap_or(1);
        format
    }

    fn float(&self, x: f64) -> String {
        if !x.is_finite() {
            return if x.is_nan() {
                "nan".into()
            } else if x > 0.0 {
                "inf".into()
            } else {
                "-inf".into()
            };
        }
        match self.kind {
            Kind::Scientific => {
                let text = format!("{x:.*e}", self.precision);
                // Rust writes 1.5e-5 where C writes 1.5e-05.
                let (mantissa, exponent) = text.split_once('e').expect("scientific notation has an exponent");
                let (sign, digits) = match exponent.strip_prefix('-') {
                    Some(digits) => ('-', digits),
                    None => ('+', exponent),
                };
                format!("{mantissa}e{sign}{digits:0>2}")
            }
            Kind::Integral => format!("{x:.0}."),
            _ => format!("{x:.*}", self.precision),
        }
    }

    /// One element, padded to the common width.
    fn element(&self, scalar: &Array) -> String {
        let text = match self.kind {
            Kind::Plain => dispatch!(scalar.dtype(), T => {
                let value: Vec<T> = scalar.to_vec().unwrap_or_default();
                value.first().map_or_else(String::new, |&v| plain(v))
            }),
            _ => self.float(scalar.item().unwrap_or(f64::NAN)),
        };
        format!("{text:>width$}", width = self.width)
    }
}

fn plain<T: Element>(value: T) -> String {
    match T::DTYPE {
        DType::Bool => {
            if value.to_i64() != 0 {
                "True".into()
            } else {
                "False".into()
            }
        }
        _ => value.to_string(),
    }
}

/// Adds `, dtype=…` and the like, on a new line where the last one would become too long.
fn append_suffixes(text: &mut String, suffixes: &[String], line_width: usize) {
    let mut length = text.len() - text.rfind('\n').map_or(0, |newline| newline + 1) + 2;
    for suffix in suffixes {
        if length + suffix.len() + 2 > line_width {
            text.push_str(",\n");
            text.push_str(&" ".repeat(PREFIX.len()));
            length = PREFIX.len() + suffix.len();
        } else {
            text.push_str(", ");
            length += suffix.len() + 2;
        }
        text.push_str(suffix);
    }
    text.push(')');
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format_with(&PrintOptions::default()))
    }
}
