//! A reader of pickles that runs nothing.
//!
//! A pickle is a program for a small stack machine, and Python lets it call any function. This machine knows the
//! few calls that rebuild tensors, dictionaries and numbers, does them itself, and refuses all others by name.

use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Error, Result};

/// A value on the machine's stack. Containers live in the machine's list and are named by their place there, so
/// that nothing is copied, nothing nests in memory, and a container may hold itself.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// A value without an equivalent here (a device, an element type, bytes), as a text about it.
    Other(Rc<str>),
    /// A tuple, list or set.
    List(usize),
    Dict(usize),
    /// A name that may be called: module and function.
    Global(Rc<str>),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

/// A buffer of elements that lies elsewhere in the file.
#[derive(Debug)]
pub(super) struct Storage {
    /// `FloatStorage` and the like.
    pub(super) kind: Rc<str>,
    pub(super) key: Rc<str>,
    pub(super) elements: usize,
}

/// A tensor: which elements of a storage it shows.
#[derive(Debug)]
pub(super) struct View {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: usize,
    pub(super) sizes: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What is in a container.
#[derive(Debug)]
pub(super) enum Container {
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

/// The machine after it has read a pickle.
#[derive(Debug)]
pub(super) struct Unpickled {
    pub(super) value: Value,
    pub(super) containers: Vec<Container>,
    /// Where the pickle ends.
    pub(super) end: usize,
}

/// The names that may be called. Storage classes of `torch` are recognised by their ending.
const CALLABLE: [&str; 9] = [
    "collections.OrderedDict",
    "collections.defaultdict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.Size",
    "torch.device",
    "torch.serialization._get_layout",
];

/// Element types of PyTorch that may be named.
const TYPES: [&str; 12] = [
    "float16", "bfloat16", "float32", "float64", "float", "double", "half", "int8", "int16", "int32",
    "int64", "uint8",
];

struct Machine<'a> {
    bytes: &'a [u8],
    place: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    containers: Vec<Container>,
}

/// Reads the pickle at the beginning of the bytes.
///
/// # Errors
/// The pickle calls something else than [`CALLABLE`], is broken, or is cut off (with the offset).
pub(super) fn unpickle(bytes: &[u8]) -> Result<Unpickled> {
    let mut machine = Machine {
        bytes,
        place: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        containers: Vec::new(),
    };
    let value = machine.run().map_err(|error| match error {
        Refused::Broken(rule) => {
            Error::new(crate::ErrorKind::Format, format!("the pickle is broken: {rule}"))
        }
        Refused::Forbidden(what) => {
            Error::new(crate::ErrorKind::Format, format!("the pickle wants to use {what}, which is not run"))
                .hint(instead_of(&what))
        }
    });
    let place = machine.place;
    let value = value.map_err(|e| e.offset(place as u64))?;
    Ok(Unpickled { value, containers: machine.containers, end: place })
}

/// What to save in Python in place of that which a name rebuilds.
fn instead_of(name: &str) -> &'static str {
    match name.strip_prefix("torch._utils._rebuild_") {
        Some("sparse_tensor" | "sparse_csr_tensor") => {
            "save the sparse tensor as a dense one: tensor.to_dense()"
        }
        Some("qtensor") => "save the quantised tensor's numbers: tensor.dequantize()",
        Some("meta_tensor_no_storage") => "a tensor on the device meta has no numbers to read",
        Some("tensor_v3") => "save the tensor with a usual element type: tensor.float()",
        _ if name.starts_with("numpy.") => "save NumPy's arrays as tensors: torch.from_numpy(array)",
        _ => "save the parameters alone, in Python: torch.save(model.state_dict(), path)",
    }
}

/// Why a pickle isn't read.
enum Refused {
    Broken(String),
    Forbidden(String),
}

type Step<T> = std::result::Result<T, Refused>;

fn broken<T>(rule: impl Into<String>) -> Step<T> {
    Err(Refused::Broken(rule.into()))
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let part = self.place.checked_add(count).and_then(|end| self.bytes.get(self.place..end));
        match part {
            Some(part) => {
                self.place += count;
                Ok(part)
            }
            None => broken("it is cut off"),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to 8 bytes.
    fn number(&mut self, bytes: usize) -> Step<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    fn length(&mut self, bytes: usize) -> Step<usize> {
        let length = self.number(bytes)?;
        usize::try_from(length).or_else(|_| broken("a length is absurd"))
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.place..];
        match rest.iter().position(|&b| b == b'\n') {
            Some(end) => {
                self.place += end + 1;
                std::str::from_utf8(&rest[..end]).or_else(|_| broken("a line is no text"))
            }
            None => broken("a line is cut off"),
        }
    }

    fn text(&mut self, length: usize) -> Step<Value> {
        match std::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(_) => broken("a text isn't UTF-8"),
        }
    }

    /// Bytes, or a string of Python 2, which may be text.
    fn raw(&mut self, length: usize) -> Step<Value> {
        let bytes = self.take(length)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Other(format!("{length} bytes").into()),
        })
    }

    fn pop(&mut self) -> Step<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return broken("a value is missing on the stack");
        }
        self.stack.pop().map_or_else(|| broken("the stack is empty"), Ok)
    }

    /// The values since the last mark.
    fn since_mark(&mut self) -> Step<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => broken("a mark is missing"),
        }
    }

    fn last(&self) -> Step<Value> {
        self.stack.last().cloned().map_or_else(|| broken("the stack is empty"), Ok)
    }

    fn list(&mut self, items: Vec<Value>) -> Value {
        self.containers.push(Container::List(items));
        Value::List(self.containers.len() - 1)
    }

    fn dict(&mut self, items: Vec<(Value, Value)>) -> Value {
        self.containers.push(Container::Dict(items));
        Value::Dict(self.containers.len() - 1)
    }

    fn items(&self, value: &Value) -> Step<&[Value]> {
        match value {
            Value::List(i) => match &self.containers[*i] {
                Container::List(items) => Ok(items),
                Container::Dict(_) => broken("a list was expected"),
            },
            _ => broken("a tuple or list was expected"),
        }
    }

    fn append(&mut self, items: Vec<Value>) -> Step<()> {
        match self.last()? {
            Value::List(i) => match &mut self.containers[i] {
                Container::List(list) => {
                    list.extend(items);
                    Ok(())
                }
                Container::Dict(_) => broken("only lists can be appended to"),
            },
            _ => broken("only lists can be appended to"),
        }
    }

    fn set(&mut self, items: Vec<Value>) -> Step<()> {
        let pairs = pairs(items)?;
        match self.last()? {
            Value::Dict(i) => match &mut self.containers[i] {
                Container::Dict(dict) => {
                    dict.extend(pairs);
                    Ok(())
                }
                Container::List(_) => broken("only dictionaries have keys"),
            },
            _ => broken("only dictionaries have keys"),
        }
    }

    fn run(&mut self) -> Step<Value> {
        loop {
            let opcode = self.byte()?;
            let value = match opcode {
                b'.' => return self.pop(),
                0x80 => {
                    let version = self.byte()?;
                    if version > 5 {
                        return broken(format!("the protocol {version} isn't known"));
                    }
                    continue;
                }
                0x95 => {
                    self.take(8)?;
                    continue;
                }
                b'(' => {
                    self.marks.push(self.stack.len());
                    continue;
                }
                b'0' => {
                    self.pop()?;
                    continue;
                }
                b'1' => {
                    self.since_mark()?;
                    continue;
                }
                b'2' => self.last()?,
                b'N' => Value::None,
                0x88 => Value::Bool(true),
                0x89 => Value::Bool(false),
                b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
                b'K' => Value::Int(i64::from(self.byte()?)),
                b'M' => Value::Int(self.number(2)? as i64),
                0x8A => {
                    let length = self.length(1)?;
                    long(self.take(length)?)
                }
                0x8B => {
                    let length = self.length(4)?;
                    long(self.take(length)?)
                }
                b'G' => Value::Float(f64::from_bits(self.number(8)?.swap_bytes())),
                b'X' => {
                    let length = self.length(4)?;
                    self.text(length)?
                }
                0x8C => {
                    let length = self.length(1)?;
                    self.text(length)?
                }
                0x8D => {
                    let length = self.length(8)?;
                    self.text(length)?
                }
                b'U' | b'C' => {
                    let length = self.length(1)?;
                    self.raw(length)?
                }
                b'T' | b'B' => {
                    let length = self.length(4)?;
                    self.raw(length)?
                }
                0x8E => {
                    let length = self.length(8)?;
                    self.raw(length)?
                }
                b']' | b')' | 0x8F => self.list(Vec::new()),
                b'}' => self.dict(Vec::new()),
                b't' | b'l' | 0x91 => {
                    let items = self.since_mark()?;
                    self.list(items)
                }
                b'd' => {
                    let items = pairs(self.since_mark()?)?;
                    self.dict(items)
                }
                0x85..=0x87 => {
                    let mut items = Vec::with_capacity(3);
                    for _ in 0x84..opcode {
                        items.push(self.pop()?);
                    }
                    items.reverse();
                    self.list(items)
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                    continue;
                }
                b'e' | 0x90 => {
                    let items = self.since_mark()?;
                    self.append(items)?;
                    continue;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(vec![key, value])?;
                    continue;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(items)?;
                    continue;
                }
                b'q' | b'r' | 0x94 => {
                    let place = match opcode {
                        b'q' => self.number(1)?,
                        b'r' => self.number(4)?,
                        _ => self.memo.len() as u64,
                    };
                    let value = self.last()?;
                    self.memo.insert(place, value);
                    continue;
                }
                b'h' | b'j' => {
                    let place = self.number(if opcode == b'h' { 1 } else { 4 })?;
                    match self.memo.get(&place) {
                        Some(value) => value.clone(),
                        None => return broken(format!("nothing was remembered as {place}")),
                    }
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    global(module, name)?
                }
                0x93 => match (self.pop()?, self.pop()?) {
                    (Value::Text(name), Value::Text(module)) => global(&module, &name)?,
                    _ => return broken("a name must be a text"),
                },
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.call(&function, &arguments)?
                }
                b'b' => {
                    // The state of a dictionary or parameter (PyTorch's `_metadata`) says nothing about values.
                    self.pop()?;
                    match self.last()? {
                        Value::Dict(_) | Value::Tensor(_) => continue,
                        _ => return broken("only dictionaries and parameters have a state"),
                    }
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.storage(&id)?
                }
                other => {
                    return broken(format!("the operation {other:#04x} isn't one that checkpoints need"));
                }
            };
            self.stack.push(value);
        }
    }

    /// What a persistent id names: `("storage", class, key, device, elements)`, in old files with a view of it.
    fn storage(&self, id: &Value) -> Step<Value> {
        match self.items(id)? {
            [
                Value::Text(what),
                Value::Global(kind),
                Value::Text(key),
                _,
                Value::Int(elements),
                rest @ ..,
            ] if &**what == "storage" => {
                if !matches!(rest, [] | [Value::None]) {
                    return broken("storages that are views of others aren't supported");
                }
                let Ok(elements) = usize::try_from(*elements) else {
                    return broken("a storage has a negative size");
                };
                let storage = Storage { kind: kind.clone(), key: key.clone(), elements };
                Ok(Value::Storage(Rc::new(storage)))
            }
            _ => broken("a persistent id names no storage"),
        }
    }

    fn call(&mut self, function: &Value, arguments: &Value) -> Step<Value> {
        let Value::Global(name) = function else { return broken("only functions can be called") };
        let arguments = self.items(arguments)?.to_vec();
        match (&**name, &arguments[..]) {
            ("collections.OrderedDict", []) | ("collections.defaultdict", _) => Ok(self.dict(Vec::new())),
            ("collections.OrderedDict", [items]) => {
                let mut all = Vec::new();
                for pair in self.items(items)? {
                    match self.items(pair)? {
                        [key, value] => all.push((key.clone(), value.clone())),
                        _ => return broken("a dictionary is made from pairs"),
                    }
                }
                Ok(self.dict(all))
            }
            (
                "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
                [Value::Storage(storage), Value::Int(offset), sizes, strides, ..],
            ) => {
                let (sizes, strides) = (self.sizes(sizes)?, self.sizes(strides)?);
                if sizes.len() != strides.len() {
                    return broken("a tensor has as many strides as sizes");
                }
                let Ok(offset) = usize::try_from(*offset) else {
                    return broken("a tensor begins before its storage");
                };
                Ok(Value::Tensor(Rc::new(View { storage: storage.clone(), offset, sizes, strides })))
            }
            (
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
                [data @ Value::Tensor(_), ..],
            ) => Ok(data.clone()),
            ("torch.Size", [sizes]) => Ok(sizes.clone()),
            ("torch.device" | "torch.serialization._get_layout", [Value::Text(text), ..]) => {
                Ok(Value::Other(text.clone()))
            }
            (name, _) if CALLABLE.contains(&name) => broken(format!("{name} is called with other arguments")),
            (name, _) => Err(Refused::Forbidden(name.to_string())),
        }
    }

    fn sizes(&self, value: &Value) -> Step<Vec<usize>> {
        let size = |value: &Value| match value {
            Value::Int(size) if *size >= 0 => Ok(*size as usize),
            _ => broken("a size or stride is no number from 0 on"),
        };
        self.items(value)?.iter().map(size).collect()
    }
}

fn pairs(items: Vec<Value>) -> Step<Vec<(Value, Value)>> {
    if !items.len().is_multiple_of(2) {
        return broken("a key has no value");
    }
    let mut items = items.into_iter();
    Ok(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
}

/// A signed little-endian integer of any length.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Other(format!("an integer of {} bytes", bytes.len()).into());
    }
    let fill = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xFF } else { 0 };
    let mut whole = [fill; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(whole))
}

/// A name: it may be one that can be called, a storage's class, or an element type. All others are refused before
/// anything is done with them.
fn global(module: &str, name: &str) -> Step<Value> {
    let path = format!("{module}.{name}");
    if CALLABLE.contains(&&path[..])
        || (module == "torch" && name.ends_with("Storage"))
        || path == "torch.storage.UntypedStorage"
    {
        return Ok(Value::Global(path.into()));
    }
    if module == "torch" && TYPES.contains(&name) {
        return Ok(Value::Other(path.into()));
    }
    // The default of a defaultdict; never called here.
    if ["builtins", "__builtin__"].contains(&module)
        && ["int", "float", "list", "dict", "long"].contains(&name)
    {
        return Ok(Value::Other(path.into()));
    }
    Err(Refused::Forbidden(path))
}
