//! What a gate declares of its backward pass: which inputs need a gradient, and what it keeps for them.

/// Which of a gate's inputs need a gradient.
///
/// ```
/// use chainrule::gate::Needs;
/// let needs = Needs::new([true, false]);
/// assert!(needs.input(0) && !needs.input(1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    count: usize,
    /// One bit an input; for gates with more than 64 inputs, those after the first 64 stand in `more`.
    bits: u64,
    more: Vec<bool>,
}

impl Needs {
    /// One flag an input.
    ///
    /// ```
    /// use chainrule::gate::Needs;
    /// assert_eq!(Needs::new((0..100).map(|i| i == 99)).len(), 100);
    /// ```
    #[inline]
    pub fn new(flags: impl IntoIterator<Item = bool>) -> Needs {
        let mut needs = Needs { count: 0, bits: 0, more: Vec::new() };
        for flag in flags {
            match needs.count {
                i @ 0..64 => needs.bits |= u64::from(flag) << i,
                _ => needs.more.push(flag),
            }
            needs.count += 1;
        }
        needs
    }

    /// Whether input `i` needs a gradient.
    ///
    /// ```
    /// use chainrule::gate::Needs;
    /// let needs = Needs::new((0..100).map(|i| i == 99));
    /// assert!(needs.input(99) && !needs.input(0) && !needs.input(1000));
    /// ```
    #[inline]
    pub fn input(&self, i: usize) -> bool {
        match i {
            0..64 => self.bits >> i & 1 == 1,
            _ => self.more.get(i - 64).copied().unwrap_or(false),
        }
    }

    /// Whether any input does.
    ///
    /// ```
    /// use chainrule::gate::Needs;
    /// assert!(Needs::new([false, true]).any() && !Needs::new([false, false]).any());
    /// ```
    #[inline]
    pub fn any(&self) -> bool {
        self.bits != 0 || self.more.contains(&true)
    }

    /// The number of inputs.
    ///
    /// ```
    /// use chainrule::gate::Needs;
    /// assert_eq!(Needs::new([true, false, false]).len(), 3);
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// No gradient for any input.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::gate::Needs;
    /// let gradients = Needs::new([true, true]).none::<Tensor>();
    /// assert!(gradients.len() == 2 && gradients.iter().all(Option::is_none));
    /// ```
    pub fn none<T>(&self) -> super::Gradients<T> {
        (0..self.count).map(|_| None).collect()
    }

    /// Whether the gate has no inputs.
    ///
    /// ```
    /// use chainrule::gate::Needs;
    /// assert!(Needs::new([]).is_empty() && !Needs::new([false]).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// A set of inputs and outputs of a gate: those that its backward reads.
///
/// ```
/// use chainrule::gate::Saves;
/// let both = Saves::input(0) | Saves::output(0);
/// assert!(both.has_input(0) && both.has_output(0) && !both.has_input(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saves {
    inputs: u64,
    outputs: u64,
}

impl Saves {
    /// Nothing.
    pub const NONE: Saves = Saves { inputs: 0, outputs: 0 };

    /// Input `i` (0 to 63).
    ///
    /// ```
    /// use chainrule::gate::Saves;
    /// assert!(Saves::input(2).has_input(2) && !Saves::input(2).has_input(0));
    /// ```
    pub const fn input(i: usize) -> Saves {
        Saves { inputs: 1 << i, outputs: 0 }
    }

    /// Output `i` (0 to 63).
    ///
    /// ```
    /// use chainrule::gate::Saves;
    /// assert!(Saves::output(0).has_output(0) && !Saves::output(0).has_input(0));
    /// ```
    pub const fn output(i: usize) -> Saves {
        Saves { inputs: 0, outputs: 1 << i }
    }

    /// This set where `condition` holds, else nothing.
    ///
    /// ```
    /// use chainrule::gate::{Needs, Saves};
    /// let needs = Needs::new([false, true]);
    /// // A product's second gradient needs the first factor.
    /// assert_eq!(
    ///     Saves::input(0).when(needs.input(1)) | Saves::input(1).when(needs.input(0)),
    ///     Saves::input(0)
    /// );
    /// ```
    pub fn when(self, condition: bool) -> Saves {
        if condition { self } else { Saves::NONE }
    }

    /// Whether input `i` is in the set.
    ///
    /// ```
    /// use chainrule::gate::Saves;
    /// assert!((Saves::input(0) | Saves::input(3)).has_input(3));
    /// assert!(!Saves::NONE.has_input(0));
    /// ```
    #[inline]
    pub fn has_input(self, i: usize) -> bool {
        i < 64 && self.inputs >> i & 1 == 1
    }

    /// Whether output `i` is in the set.
    ///
    /// ```
    /// use chainrule::gate::Saves;
    /// assert!((Saves::input(0) | Saves::output(1)).has_output(1));
    /// ```
    #[inline]
    pub fn has_output(self, i: usize) -> bool {
        i < 64 && self.outputs >> i & 1 == 1
    }

    /// The part of the set that a gate with so many inputs and outputs has.
    #[inline]
    pub(crate) fn among(self, inputs: usize, outputs: usize) -> Saves {
        Saves { inputs: self.inputs & below(inputs), outputs: self.outputs & below(outputs) }
    }

    /// How many of the inputs before input `i` are in the set.
    #[inline]
    pub(crate) fn inputs_before(self, i: usize) -> usize {
        (self.inputs & below(i)).count_ones() as usize
    }

    /// How many of the outputs before output `i` are in the set.
    #[inline]
    pub(crate) fn outputs_before(self, i: usize) -> usize {
        (self.outputs & below(i)).count_ones() as usize
    }
}

/// The lowest `count` bits.
#[inline]
fn below(count: usize) -> u64 {
    if count < 64 { (1 << count) - 1 } else { u64::MAX }
}

impl std::ops::BitOr for Saves {
    type Output = Saves;
    #[inline]
    fn bitor(self, other: Saves) -> Saves {
        Saves { inputs: self.inputs | other.inputs, outputs: self.outputs | other.outputs }
    }
}
