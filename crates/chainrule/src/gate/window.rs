//! Sizes for each spatial dimension, as convolutions and pooling take them.

use crate::error::{Error, Result};

/// A number for each of up to three spatial dimensions, or one for all: kernel sizes, strides, paddings.
///
/// ```
/// use chainrule::gate::Sizes;
/// assert_eq!(Sizes::from(2), Sizes::from([2]));
/// assert_ne!(Sizes::from([2, 3]), Sizes::from(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    values: [usize; 3],
    count: u8,
}

impl Sizes {
    /// Sizes that are known at run time only: one for all dimensions, or one for each.
    ///
    /// # Errors
    /// There are none, or more than three.
    ///
    /// ```
    /// use chainrule::gate::Sizes;
    /// assert_eq!(Sizes::new(&[2, 3])?, Sizes::from([2, 3]));
    /// assert!(Sizes::new(&[1, 2, 3, 4]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(sizes: &[usize]) -> Result<Sizes> {
        if sizes.is_empty() || sizes.len() > 3 {
            return Err(Error::argument(format!(
                "sizes are given for one, two or three spatial dimensions, not for {}",
                sizes.len()
            )));
        }
        let mut values = [0; 3];
        values[..sizes.len()].copy_from_slice(sizes);
        Ok(Sizes { values, count: sizes.len() as u8 })
    }

    /// Like [`Sizes::new`], from numbers that may turn out to be negative.
    ///
    /// # Errors
    /// There are none, more than three, or one is negative.
    ///
    /// ```
    /// use chainrule::gate::Sizes;
    /// assert_eq!(Sizes::signed(&[2, 3])?, Sizes::from([2, 3]));
    /// assert!(Sizes::signed(&[-1]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn signed(sizes: &[isize]) -> Result<Sizes> {
        let checked = sizes.iter().map(|&size| {
            usize::try_from(size)
                .map_err(|_| Error::argument(format!("a size can't be negative, as {size} is")))
        });
        Sizes::new(&checked.collect::<Result<Vec<usize>>>()?)
    }

    /// The sizes as they were given.
    ///
    /// ```
    /// use chainrule::gate::Sizes;
    /// assert_eq!(Sizes::from(2).given(), [2]);
    /// assert_eq!(Sizes::from([2, 3]).given(), [2, 3]);
    /// ```
    pub fn given(&self) -> &[usize] {
        &self.values[..self.count as usize]
    }

    /// The sizes of three dimensions; the last `rank` are given, those in front are `missing`.
    pub(crate) fn on(&self, rank: usize, missing: usize, what: &str) -> Result<[usize; 3]> {
        let given = self.given();
        if given.len() != 1 && given.len() != rank {
            return Err(Error::argument(format!(
                "the {what} is given for {} dimensions, and there are {rank} spatial ones",
                given.len()
            )));
        }
        if let Some(huge) = given.iter().find(|&&size| size > LARGEST) {
            return Err(Error::argument(format!("a {what} of {huge} is more than {LARGEST}")));
        }
        let mut sizes = [missing; 3];
        for (i, size) in sizes[3 - rank..].iter_mut().enumerate() {
            *size = if given.len() == 1 { given[0] } else { given[i] };
        }
        Ok(sizes)
    }
}

/// The largest size of a window, so that products of two don't overflow.
const LARGEST: usize = i32::MAX as usize;

/// One size for all dimensions.
impl From<usize> for Sizes {
    fn from(size: usize) -> Sizes {
        Sizes { values: [size, 0, 0], count: 1 }
    }
}

/// A size for each of one, two or three dimensions.
impl<const N: usize> From<[usize; N]> for Sizes {
    fn from(sizes: [usize; N]) -> Sizes {
        const { assert!(N >= 1 && N <= 3, "there are one to three spatial dimensions") };
        let mut values = [0; 3];
        values[..N].copy_from_slice(&sizes);
        Sizes { values, count: N as u8 }
    }
}

/// As PyTorch prints them: `2` or `(2, 3)`.
impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.given() {
            [one] => write!(f, "{one}"),
            many => {
                let texts: Vec<String> = many.iter().map(usize::to_string).collect();
                write!(f, "({})", texts.join(", "))
            }
        }
    }
}
