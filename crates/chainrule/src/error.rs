//! The one error type of the library.
//!
//! A message is only useful when it says which gate failed, what it was given, which rule that broke and
//! what to do about it. [`Error`] carries these four as data, so that programs can look at them too.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::array::Meta;

/// A result whose error is chainrule's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of rule was broken.
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
    pub fn new(kind: ErrorKind, rule: impl Into<String>) -> Error {
        Error(Box::new(Details {
            kind,
            gate: None,
            inputs: Vec::new(),
            rule: rule.into(),
            hint: None,
            path: None,
            offset: None,
            location: None,
        }))
    }

    /// Shapes do not fit.
    pub fn shape(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Shape, rule)
    }

    /// An element type is not accepted.
    pub fn dtype(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::DType, rule)
    }

    /// An index lies outside its dimension.
    pub fn index(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Index, rule)
    }

    /// An argument makes no sense.
    pub fn argument(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Argument, rule)
    }

    /// A rule of automatic differentiation was broken.
    pub fn autograd(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Autograd, rule)
    }

    /// A file could not be read or written.
    pub fn io(path: impl AsRef<Path>, error: &std::io::Error) -> Error {
        Error::new(ErrorKind::Io, error.to_string()).path(path)
    }

    /// A file's content breaks its format's rules.
    pub fn format(path: impl AsRef<Path>, rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Format, rule).path(path)
    }

    /// An expression could not be understood.
    pub fn parse(rule: impl Into<String>) -> Error {
        Error::new(ErrorKind::Parse, rule)
    }

    /// Adds the nearest remedy.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Names the gate, unless an inner layer already did.
    pub fn at_gate(mut self, gate: impl Into<String>) -> Error {
        self.0.gate.get_or_insert_with(|| gate.into());
        self
    }

    /// Records the gate's inputs, unless an inner layer already did.
    pub fn with_inputs(mut self, inputs: impl IntoIterator<Item = Meta>) -> Error {
        if self.0.inputs.is_empty() {
            self.0.inputs = inputs.into_iter().collect();
        }
        self
    }

    /// Names the file.
    pub fn path(mut self, path: impl AsRef<Path>) -> Error {
        self.0.path = Some(path.as_ref().to_path_buf());
        self
    }

    /// Says where in the file, in bytes from its start.
    pub fn offset(mut self, offset: u64) -> Error {
        self.0.offset = Some(offset);
        self
    }

    /// Says which line of the user's program made the call.
    pub fn location(mut self, location: &'static std::panic::Location<'static>) -> Error {
        self.0.location = Some(location);
        self
    }

    /// The kind of rule that was broken.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The gate that refused, by its name in the table of gates.
    pub fn gate(&self) -> Option<&str> {
        self.0.gate.as_deref()
    }

    /// Shape and dtype of each of the gate's inputs.
    pub fn inputs(&self) -> &[Meta] {
        &self.0.inputs
    }

    /// The sentence that says which rule was broken.
    pub fn rule(&self) -> &str {
        &self.0.rule
    }

    /// The nearest remedy, where there is one.
    pub fn remedy(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The file that was being read or written.
    pub fn file(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The line of the user's program, where it is known.
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
