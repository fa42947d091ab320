//! The one error type of the library.
//!
//! A message is only useful when it says which gate failed, what it was given, which rule that broke and
//! what to do about it. [`Error`] carries these four as data, so that programs can look at them too.
//!
//! ```
//! use chainrule::tensor;
//! let error = tensor([1.0, 2.0, 3.0]).add(&tensor([1.0, 2.0])).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "Add: the sizes 3 and 2 at dimension 0 do not broadcast: they must be equal, or one of them 1 \
//!      (inputs: f32[3], f32[2])"
//! );
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use crate::array::Meta;

/// A result whose error is chainrule's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of rule was broken.
///
/// ```
/// use chainrule::{tensor, ErrorKind};
/// let error = tensor([1.0, 2.0]).select(0, 2).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Index);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes do not fit together, or a dimension does not exist.
    Shape,
    /// An element type is not accepted.
    DType,
    /// An index or a range lies outside its dimension.
    Index,
    /// An argument other than a tensor has a value that makes no sense.
    Argument,
    /// A rule of automatic differentiation was broken (no graph, freed graph, changed in place…).
    Autograd,
    /// A value became NaN or infinite while anomaly mode was on.
    Anomaly,
    /// A file could not be read or written.
    Io,
    /// A file's content is not what its format demands.
    Format,
    /// An expression's text could not be understood.
    Parse,
}

/// What went wrong: the gate, its inputs, the broken rule, and the nearest remedy.
///
/// ```
/// use chainrule::{tensor, ErrorKind};
/// let error = tensor([1.0, 2.0, 3.0]).add(&tensor([1.0, 2.0, 3.0, 4.0])).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Shape);
/// assert_eq!(error.gate(), Some("Add"));
/// assert!(error.to_string().contains("dimension 0"));
/// ```
#[derive(Clone, thiserror::Error)]
pub struct Error(Box<Details>);

#[derive(Clone)]
struct Details {
    kind: ErrorKind,
    gate: Option<String>,
    inputs: Vec<Meta>,
    rule: String,
    hint: Option<String>,
    path: Option<PathBuf>,
    offset: Option<u64>,
    location: Option<&'static std::panic::Location<'static>>,
}

impl Error {
    /// An error of the given kind; `rule` is the sentence that says which rule was broken.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Argument, "a rate must be positive");
    /// assert_eq!(error.to_string(), "a rate must be positive");
    /// ```
    #[cold]
    pub fn new(kind: ErrorKind, rule: impl Into<String>) -> Error {
        Error::of(kind, rule.into())
    }

    #[cold]
    #[inline(never)]
    fn of(kind: ErrorKind, rule: String) -> Error {
        Error(Box::new(Details {
            kind,
            gate: None,
            inputs: Vec::new(),
            rule,
            hint: None,
            path: None,
            offset: None,
            location: None,
        }))
    }

    /// Shapes do not fit.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// assert_eq!(Error::shape("3 rows don't fit 4").kind(), ErrorKind::Shape);
    /// ```
    #[cold]
    pub fn shape(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Shape, rule)
    }

    /// An element type is not accepted.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// assert_eq!(Error::dtype("bool has no mean").kind(), ErrorKind::DType);
    /// ```
    #[cold]
    pub fn dtype(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::DType, rule)
    }

    /// An index lies outside its dimension.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// assert_eq!(Error::index("there is no element 7").kind(), ErrorKind::Index);
    /// ```
    #[cold]
    pub fn index(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Index, rule)
    }

    /// An argument makes no sense.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// assert_eq!(Error::argument("0 can't be a divisor").kind(), ErrorKind::Argument);
    /// ```
    #[cold]
    pub fn argument(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Argument, rule)
    }

    /// A rule of automatic differentiation was broken.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// assert_eq!(Error::autograd("there is no graph").kind(), ErrorKind::Autograd);
    /// ```
    #[cold]
    pub fn autograd(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Autograd, rule)
    }

    /// A file could not be read or written.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// let missing = std::fs::read("no/such/file").unwrap_err();
    /// let error = Error::io("no/such/file", &missing);
    /// assert_eq!(error.kind(), ErrorKind::Io);
    /// assert!(error.to_string().starts_with("no/such/file: "));
    /// ```
    #[cold]
    pub fn io(path: impl AsRef<Path>, error: &std::io::Error) -> Error {
        Error::new(ErrorKind::Io, error.to_string()).path(path)
    }

    /// A file's content breaks its format's rules.
    ///
    /// ```
    /// use chainrule::Error;
    /// let error = Error::format("digits.csv", "line 3 has 5 columns, not 4");
    /// assert_eq!(error.to_string(), "digits.csv: line 3 has 5 columns, not 4");
    /// ```
    #[cold]
    pub fn format(path: impl AsRef<Path>, rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Format, rule).path(path)
    }

    /// An expression could not be understood.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// assert_eq!(Error::parse("a ) is missing").kind(), ErrorKind::Parse);
    /// ```
    #[cold]
    pub fn parse(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Parse, rule)
    }

    /// Adds the nearest remedy.
    ///
    /// ```
    /// use chainrule::Error;
    /// let error = Error::dtype("bool has no mean").hint("cast to f32 first");
    /// assert_eq!(error.to_string(), "bool has no mean; cast to f32 first");
    /// ```
    #[cold]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Names the gate, unless an inner layer already did.
    ///
    /// ```
    /// use chainrule::Error;
    /// let error = Error::dtype("it isn't defined for bool").at_gate("Mean").at_gate("Var");
    /// assert_eq!(error.to_string(), "Mean: it isn't defined for bool"); // the inner one stays
    /// ```
    #[cold]
    pub fn at_gate(mut self, gate: impl Into<String>) -> Error {
        self.0.gate.get_or_insert_with(|| gate.into());
        self
    }

    /// Records the gate's inputs, unless an inner layer already did.
    ///
    /// ```
    /// use chainrule::{DType, Error, Meta};
    /// let error = Error::shape("the sizes differ").with_inputs([Meta::new(DType::F32, [2, 3])]);
    /// assert_eq!(error.to_string(), "the sizes differ (inputs: f32[2, 3])");
    /// ```
    #[cold]
    pub fn with_inputs(mut self, inputs: impl IntoIterator<Item = Meta>) -> Error {
        if self.0.inputs.is_empty() {
            self.0.inputs = inputs.into_iter().collect();
        }
        self
    }

    /// Names the file.
    ///
    /// ```
    /// use chainrule::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Format, "it is empty").path("train.csv");
    /// assert_eq!(error.to_string(), "train.csv: it is empty");
    /// ```
    #[cold]
    pub fn path(mut self, path: impl AsRef<Path>) -> Error {
        self.0.path = Some(path.as_ref().to_path_buf());
        self
    }

    /// Says where in the file, in bytes from its start.
    ///
    /// ```
    /// use chainrule::Error;
    /// let error = Error::format("model.npy", "the header ends early").offset(10);
    /// assert_eq!(error.to_string(), "model.npy: at byte 10: the header ends early");
    /// ```
    #[cold]
    pub fn offset(mut self, offset: u64) -> Error {
        self.0.offset = Some(offset);
        self
    }

    /// Says which line of the user's program made the call.
    ///
    /// ```
    /// use chainrule::Error;
    /// let error = Error::autograd("NaN").location(std::panic::Location::caller());
    /// assert!(error.to_string().contains(" [called at "));
    /// ```
    #[cold]
    pub fn location(mut self, location: &'static std::panic::Location<'static>) -> Error {
        self.0.location = Some(location);
        self
    }

    /// The kind of rule that was broken.
    ///
    /// ```
    /// use chainrule::{tensor, ErrorKind};
    /// assert_eq!(tensor([true]).neg().unwrap_err().kind(), ErrorKind::DType);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The gate that refused, by its name in the table of gates.
    ///
    /// ```
    /// use chainrule::{tensor, Error};
    /// assert_eq!(tensor([true]).neg().unwrap_err().gate(), Some("Neg"));
    /// assert_eq!(Error::argument("no gate was at work").gate(), None);
    /// ```
    pub fn gate(&self) -> Option<&str> {
        self.0.gate.as_deref()
    }

    /// Shape and dtype of each of the gate's inputs.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let error = tensor([1.0, 2.0]).matmul(&tensor([1.0, 2.0, 3.0])).unwrap_err();
    /// assert_eq!(
    ///     error.inputs().iter().map(|meta| meta.to_string()).collect::<Vec<_>>(),
    ///     ["f32[2]", "f32[3]"]
    /// );
    /// ```
    pub fn inputs(&self) -> &[Meta] {
        &self.0.inputs
    }

    /// The sentence that says which rule was broken.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([true]).neg().unwrap_err().rule(), "negation isn't defined for bool");
    /// ```
    pub fn rule(&self) -> &str {
        &self.0.rule
    }

    /// The nearest remedy, where there is one.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([true]).neg().unwrap_err().remedy(), Some("cast to a number type first"));
    /// ```
    pub fn remedy(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The file that was being read or written.
    ///
    /// ```
    /// use chainrule::Error;
    /// let error = Error::format("digits.csv", "it is empty");
    /// assert_eq!(error.file(), Some(std::path::Path::new("digits.csv")));
    /// ```
    pub fn file(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The line of the user's program, where it is known.
    ///
    /// ```
    /// use chainrule::{detect_anomaly, param};
    /// let error = detect_anomaly(|| param(0.0).log()).unwrap_err();
    /// assert!(error.source_line().is_some()); // where this program called `log`
    /// ```
    pub fn source_line(&self) -> Option<&'static std::panic::Location<'static>> {
        self.0.location
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { gate, inputs, rule, hint, path, offset, location, .. } = &*self.0;
        if let Some(path) = path {
            write!(f, "{}: ", path.display())?;
        }
        if let Some(offset) = offset {
            write!(f, "at byte {offset}: ")?;
        }
        if let Some(gate) = gate {
            write!(f, "{gate}: ")?;
        }
        f.write_str(rule)?;
        if !inputs.is_empty() {
            f.write_str(" (inputs: ")?;
            for (i, meta) in inputs.iter().enumerate() {
                write!(f, "{}{meta}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str(")")?;
        }
        if let Some(location) = location {
            write!(f, " [called at {}:{}:{}]", location.file(), location.line(), location.column())?;
        }
        if let Some(hint) = hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    // The text is the best thing to see in a failed `unwrap` of a test, so Debug shows it whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}
/// An error where memory can't hold so many elements of this size.
#[inline]
pub(crate) fn check_memory(len: usize, size: usize) -> Result<()> {
    match crate::kernel::memory::is_affordable(len, size) {
        true => Ok(()),
        false => Err(Error::shape(crate::kernel::memory::refusal(len, size))),
    }
}
