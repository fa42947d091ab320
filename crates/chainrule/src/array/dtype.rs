//! Element types and PyTorch's rules for mixing them.

use std::fmt;

/// The type of an array's elements.
///
/// ```
/// use chainrule::DType;
/// assert_eq!(DType::F32.size(), 4);
/// assert_eq!(DType::I64.to_string(), "i64");
/// assert_eq!(DType::F64.torch_name(), "torch.float64");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DType {
    /// `true` and `false`
    Bool,
    /// 8-bit unsigned integers
    U8,
    /// 32-bit signed integers
    I32,
    /// 64-bit signed integers: indices and counts
    I64,
    /// single precision, the default
    #[default]
    F32,
    /// double precision
    F64,
}

impl DType {
    /// All element types, in the order of promotion.
    pub const ALL: [DType; 6] = [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F32, DType::F64];

    /// Bytes an element takes.
    ///
    /// ```
    /// use chainrule::DType;
    /// assert_eq!((DType::Bool.size(), DType::F32.size(), DType::F64.size()), (1, 4, 8));
    /// ```
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 => 1,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// Whether values of this type can be differentiated.
    ///
    /// ```
    /// use chainrule::DType;
    /// assert!(DType::F32.is_float() && !DType::I64.is_float());
    /// ```
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// The short name: `f32`, `i64`, `bool`…
    ///
    /// ```
    /// use chainrule::DType;
    /// assert_eq!(DType::F32.name(), "f32");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "u8",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }

    /// PyTorch's name, as its printed tensors show it.
    ///
    /// ```
    /// use chainrule::DType;
    /// assert_eq!(DType::I64.torch_name(), "torch.int64");
    /// ```
    pub fn torch_name(self) -> &'static str {
        match self {
            DType::Bool => "torch.bool",
            DType::U8 => "torch.uint8",
            DType::I32 => "torch.int32",
            DType::I64 => "torch.int64",
            DType::F32 => "torch.float32",
            DType::F64 => "torch.float64",
        }
    }

    /// The type's category: bool < integer < float. PyTorch promotes across categories first.
    pub(crate) fn category(self) -> u8 {
        match self {
            DType::Bool => 0,
            DType::U8 | DType::I32 | DType::I64 => 1,
            DType::F32 | DType::F64 => 2,
        }
    }

    /// The type in which two element types meet when both come from tensors of the same standing.
    ///
    /// ```
    /// use chainrule::DType;
    /// assert_eq!(DType::I64.promote(DType::F32), DType::F32);
    /// assert_eq!(DType::U8.promote(DType::I32), DType::I32);
    /// assert_eq!(DType::Bool.promote(DType::U8), DType::U8);
    /// ```
    pub fn promote(self, other: DType) -> DType {
        // The order of declaration is also the order of promotion: every type holds those before it.
        if self as u8 >= other as u8 { self } else { other }
    }

    /// PyTorch's result type of operands that are tensors (`true`: with dimensions; `false`: 0-d).
    ///
    /// A 0-d operand only decides when its category (bool, integer, float) is higher than that of every
    /// operand with dimensions.
    ///
    /// ```
    /// use chainrule::DType;
    /// // A 0-d f64 doesn't widen an f32 matrix, but it does turn integers into floats.
    /// assert_eq!(DType::result_type([(DType::F32, true), (DType::F64, false)]), DType::F32);
    /// assert_eq!(DType::result_type([(DType::I64, true), (DType::F64, false)]), DType::F64);
    /// ```
    pub fn result_type(operands: impl IntoIterator<Item = (DType, bool)>) -> DType {
        let mut with_dims: Option<DType> = None;
        let mut zero_dim: Option<DType> = None;
        for (dtype, has_dims) in operands {
            let slot = if has_dims { &mut with_dims } else { &mut zero_dim };
            *slot = Some(slot.map_or(dtype, |known| known.promote(dtype)));
        }
        match (with_dims, zero_dim) {
            (Some(d), Some(z)) if z.category() > d.category() => d.promote(z),
            (Some(d), _) => d,
            (None, Some(z)) => z,
            (None, None) => DType::F32,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
