//! PyTorch's calling conventions: positional and named arguments, their defaults, and what they may be.
//!
//! A row of the table reads its arguments through [`Call`], which refuses what it doesn't know: an argument
//! that no row reads, a name that doesn't exist, a value of another kind. Such failures are gaps of the
//! mapping ([`Failure::Unmapped`]), never refusals of chainrule's.

use chainrule::{DType, Error, Operand, Slice, Tensor};

/// Why a call gave nothing.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The mapping has no such operator, argument or form.
    Unmapped(String),
    /// A check of chainrule's refused the input.
    Refused(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Refused(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Unmapped(what) => write!(f, "not mapped: {what}"),
            Failure::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// One argument as the case file has it.
#[derive(Debug, Clone)]
pub enum Value {
    Tensor(Outcome<Tensor>),
    List(Vec<Value>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    DType(String),
    Slice(Option<isize>, Option<isize>, Option<isize>),
    Ellipsis,
    None,
}

/// The arguments of one call, taken one after another in the order of PyTorch's signature.
pub struct Call {
    positional: std::vec::IntoIter<Value>,
    named: Vec<(String, Value)>,
}

impl Call {
    pub fn new(positional: Vec<Value>, named: Vec<(String, Value)>) -> Call {
        Call { positional: positional.into_iter(), named }
    }

    /// The next argument: the next by position, else the one with this name.
    fn next(&mut self, name: &str) -> Option<Value> {
        self.positional.next().or_else(|| self.named(name))
    }

    fn named(&mut self, name: &str) -> Option<Value> {
        let place = self.named.iter().position(|(key, _)| key == name)?;
        Some(self.named.remove(place).1)
    }

    /// An argument that must be given.
    pub fn take<T: Argument>(&mut self, name: &str) -> Outcome<T> {
        let name = name.trim_start_matches("r#");
        if T::VARIADIC {
            return T::read(Value::List(self.positional.by_ref().collect()));
        }
        match self.next(name) {
            Some(value) => read(name, value),
            None => Err(Failure::Unmapped(format!("the argument {name} is missing"))),
        }
    }

    /// An argument with a default.
    pub fn take_or<T: Argument>(&mut self, name: &str, default: T) -> Outcome<T> {
        let name = name.trim_start_matches("r#");
        match self.next(name) {
            Some(value) => read(name, value),
            None => Ok(default),
        }
    }

    /// The `out=` argument, which every operator may have.
    pub fn out(&mut self) -> Option<Value> {
        self.named("out")
    }

    /// Every argument must have been read.
    pub fn finish(&mut self) -> Outcome<()> {
        if let Some(value) = self.positional.next() {
            return Err(Failure::Unmapped(format!("one argument too many: {value:?}")));
        }
        match self.named.first() {
            Some((name, value)) => {
                Err(Failure::Unmapped(format!("no argument is called {name} ({value:?})")))
            }
            None => Ok(()),
        }
    }
}

fn read<T: Argument>(name: &str, value: Value) -> Outcome<T> {
    T::read(value).map_err(|failure| match failure {
        Failure::Unmapped(what) => Failure::Unmapped(format!("the argument {name}: {what}")),
        refused => refused,
    })
}

/// `out=`: its type and shape must be the outputs'; it is ignored otherwise.
pub fn check_out(out: Value, outputs: &[Tensor]) -> Outcome<()> {
    let given: Vec<Tensor> = Argument::read(out)?;
    for (given, output) in given.iter().zip(outputs) {
        if given.dtype() != output.dtype() {
            let (have, want) = (given.dtype(), output.dtype());
            return Err(Error::dtype(format!("the result is {want}, its destination {have}")).into());
        }
        if given.shape() != output.shape() {
            let (have, want) = (given.shape(), output.shape());
            return Err(
                Error::shape(format!("the result has the shape {want}, its destination {have}")).into()
            );
        }
    }
    Ok(())
}

/// A type that an argument may have.
pub trait Argument: Sized {
    /// Whether it takes all positional arguments that are left.
    const VARIADIC: bool = false;

    fn read(value: Value) -> Outcome<Self>;
}

fn unfit<T>(value: &Value, what: &str) -> Outcome<T> {
    Err(Failure::Unmapped(format!("{value:?} is no {what}")))
}

impl Argument for Tensor {
    fn read(value: Value) -> Outcome<Tensor> {
        match value {
            Value::Tensor(tensor) => tensor,
            other => unfit(&other, "tensor"),
        }
    }
}

impl Argument for isize {
    fn read(value: Value) -> Outcome<isize> {
        match value {
            Value::Int(i) => Ok(i as isize),
            // An integer tensor with one element stands for its number.
            Value::Tensor(Ok(x)) if !x.dtype().is_float() && x.elements() == 1 => {
                Ok(x.array().to_i64_vec()[0] as isize)
            }
            other => unfit(&other, "integer"),
        }
    }
}

/// A number that can't be negative: chainrule's own type for it can't hold one.
impl Argument for usize {
    fn read(value: Value) -> Outcome<usize> {
        let n = isize::read(value)?;
        usize::try_from(n).map_err(|_| Error::argument(format!("{n} is negative")).into())
    }
}

impl Argument for f64 {
    fn read(value: Value) -> Outcome<f64> {
        match value {
            Value::Int(i) => Ok(i as f64),
            Value::Float(x) => Ok(x),
            other => unfit(&other, "number"),
        }
    }
}

impl Argument for bool {
    fn read(value: Value) -> Outcome<bool> {
        match value {
            Value::Bool(b) => Ok(b),
            other => unfit(&other, "bool"),
        }
    }
}

impl Argument for String {
    fn read(value: Value) -> Outcome<String> {
        match value {
            Value::Text(text) => Ok(text),
            other => unfit(&other, "text"),
        }
    }
}

impl Argument for DType {
    fn read(value: Value) -> Outcome<DType> {
        let Value::DType(name) = &value else { return unfit(&value, "element type") };
        DType::ALL
            .into_iter()
            .find(|dtype| dtype.torch_name() == format!("torch.{name}"))
            .map_or_else(|| unfit(&value, "element type of chainrule's"), Ok)
    }
}

/// Names that chainrule itself reads; it refuses those it doesn't know.
macro_rules! named {
    ($($T:ty),*) => {$(
        impl Argument for $T {
            fn read(value: Value) -> Outcome<$T> {
                match value {
                    Value::Text(name) => Ok(name.parse::<$T>()?),
                    other => unfit(&other, "name"),
                }
            }
        }
    )*};
}

named!(
    chainrule::fft::Norm,
    chainrule::ops::Sampling,
    chainrule::ops::Outside,
    chainrule::ops::BagMode,
    chainrule::gate::softmax::Reduction,
    chainrule::linalg::QrMode,
    chainrule::ops::Interpolation
);

/// The `dtype=` argument of reductions and softmax: the input is cast first.
pub fn as_type(x: &Tensor, dtype: Option<DType>) -> chainrule::Result<Tensor> {
    dtype.map_or_else(|| Ok(x.clone()), |dtype| x.cast(dtype))
}

impl Argument for Value {
    fn read(value: Value) -> Outcome<Value> {
        Ok(value)
    }
}

impl<T: Argument> Argument for Option<T> {
    fn read(value: Value) -> Outcome<Option<T>> {
        match value {
            Value::None => Ok(None),
            other => T::read(other).map(Some),
        }
    }
}

/// A list; as in PyTorch a lone value is a list of one.
impl<T: Argument> Argument for Vec<T> {
    fn read(value: Value) -> Outcome<Vec<T>> {
        match value {
            Value::List(items) => items.into_iter().map(T::read).collect(),
            other => Ok(vec![T::read(other)?]),
        }
    }
}

impl Argument for Slice {
    fn read(value: Value) -> Outcome<Slice> {
        match value {
            Value::Slice(start, stop, step) => Ok(Slice { start, stop, step: step.unwrap_or(1) }),
            other => unfit(&other, "slice"),
        }
    }
}

/// Lengths, as a list or as a tensor.
pub struct Lengths(pub Vec<usize>);

impl Argument for Lengths {
    fn read(value: Value) -> Outcome<Lengths> {
        let lengths = match value {
            Value::Tensor(x) => x?.array().to_i64_vec(),
            other => Vec::<isize>::read(other)?.into_iter().map(|length| length as i64).collect(),
        };
        lengths
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<_, _>>()
            .map(Lengths)
            .map_err(|_| Failure::Unmapped("a negative length".into()))
    }
}

/// All positional arguments that are left: `f(*rest)`; also as one list, `f([…])`.
pub struct Rest<T>(pub Vec<T>);

impl<T: Argument> Argument for Rest<T> {
    const VARIADIC: bool = true;

    fn read(value: Value) -> Outcome<Rest<T>> {
        match value {
            Value::List(mut items) if items.len() == 1 && matches!(items[0], Value::List(_)) => {
                Ok(Rest(Vec::read(items.remove(0))?))
            }
            other => Ok(Rest(Vec::read(other)?)),
        }
    }
}

/// A number of Python's: its type decides the result's.
#[derive(Debug, Clone, Copy)]
pub enum Scalar {
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Argument for Scalar {
    fn read(value: Value) -> Outcome<Scalar> {
        match value {
            Value::Int(i) => Ok(Scalar::Int(i)),
            Value::Float(x) => Ok(Scalar::Float(x)),
            Value::Bool(b) => Ok(Scalar::Bool(b)),
            other => unfit(&other, "number"),
        }
    }
}

impl Operand for Scalar {
    fn with<R>(&self, other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R {
        match self {
            Scalar::Int(i) => i.with(other, body),
            Scalar::Float(x) => x.with(other, body),
            Scalar::Bool(b) => body(&Tensor::from_array(chainrule::Array::scalar(*b))),
        }
    }

    fn as_number(&self) -> Option<f32> {
        match self {
            Scalar::Int(i) => i.as_number(),
            Scalar::Float(x) => x.as_number(),
            Scalar::Bool(_) => None,
        }
    }
}

/// A tensor or a number.
#[derive(Debug, Clone)]
pub enum Other {
    Tensor(Tensor),
    Number(Scalar),
}

impl Argument for Other {
    fn read(value: Value) -> Outcome<Other> {
        match value {
            Value::Tensor(tensor) => Ok(Other::Tensor(tensor?)),
            other => Ok(Other::Number(Scalar::read(other)?)),
        }
    }
}

impl Operand for Other {
    fn with<R>(&self, other: &Tensor, body: impl FnOnce(&Tensor) -> R) -> R {
        match self {
            Other::Tensor(x) => x.with(other, body),
            Other::Number(x) => x.with(other, body),
        }
    }

    fn as_number(&self) -> Option<f32> {
        match self {
            Other::Tensor(_) => None,
            Other::Number(x) => x.as_number(),
        }
    }
}

/// A list of tensors, of which none may be missing: chainrule sees to that.
pub struct Tensors(pub Vec<Tensor>);

impl Argument for Tensors {
    fn read(value: Value) -> Outcome<Tensors> {
        Ok(Tensors(Tensor::all_present(&Vec::<Option<Tensor>>::read(value)?)?))
    }
}

/// References to tensors, as functions of several take them.
pub fn refs(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}

/// What a row may give: one tensor, several, or a pair.
pub trait IntoOutputs {
    fn outputs(self) -> Vec<Tensor>;
}

impl IntoOutputs for Tensor {
    fn outputs(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl IntoOutputs for Vec<Tensor> {
    fn outputs(self) -> Vec<Tensor> {
        self
    }
}

impl IntoOutputs for (Tensor, Tensor) {
    fn outputs(self) -> Vec<Tensor> {
        vec![self.0, self.1]
    }
}

impl IntoOutputs for (Tensor, Tensor, Tensor) {
    fn outputs(self) -> Vec<Tensor> {
        vec![self.0, self.1, self.2]
    }
}
