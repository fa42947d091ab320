//! PyTorch's checkpoints (`.pt`, `.pth`), read without running anything.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use super::archive::{self, Archive};
use super::bytes::read_file;
use super::elements::Stored;
use super::pickle::{Container, Storage, Unpickled, Value, View, unpickle};
use crate::array::{Array, Shape, dispatch};
use crate::error::{Error, Result};

/// What a checkpoint holds: numbers, texts and tensors in lists and dictionaries.
///
/// ```
/// use chainrule::Array;
/// use chainrule::io::Item;
/// let content = Item::Dict(vec![
///     ("epoch".into(), Item::Int(7)),
///     ("model".into(), Item::Dict(vec![("0.weight".into(), Item::Tensor(Array::ones([2, 2])))])),
/// ]);
/// assert!(matches!(content.get("epoch"), Some(Item::Int(7))));
/// assert_eq!(content.tensors()[0].0, "model.0.weight");
/// ```
#[derive(Debug, Clone)]
pub enum Item {
    /// Python's `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer
    Int(i64),
    /// A float
    Float(f64),
    /// A text
    Text(String),
    /// A tensor or parameter
    Tensor(Array),
    /// A list or tuple
    List(Vec<Item>),
    /// A dictionary in its order; keys that are numbers become their text
    Dict(Vec<(String, Item)>),
    /// Something without an equivalent here (a device, an element type), as a text about it
    Other(String),
}

impl Item {
    /// The entry of a dictionary.
    ///
    /// ```
    /// use chainrule::io::Item;
    /// let content = Item::Dict(vec![("lr".into(), Item::Float(0.1))]);
    /// assert!(matches!(content.get("lr"), Some(Item::Float(lr)) if *lr == 0.1));
    /// assert!(content.get("epoch").is_none() && Item::None.get("lr").is_none());
    /// ```
    pub fn get(&self, key: &str) -> Option<&Item> {
        match self {
            Item::Dict(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, item)| item),
            _ => None,
        }
    }

    /// All tensors with their names: the keys that lead to them, joined by dots, list entries by their number.
    ///
    /// Of a state dictionary these are the parameters' names.
    ///
    /// ```
    /// use chainrule::Array;
    /// use chainrule::io::Item;
    /// let content = Item::List(vec![Item::Int(1), Item::Tensor(Array::zeros([2]))]);
    /// assert_eq!(content.tensors()[0].0, "1"); // its place in the list
    /// ```
    pub fn tensors(&self) -> Vec<(String, Array)> {
        let mut found = Vec::new();
        self.collect(String::new(), &mut found);
        found
    }

    fn collect(&self, name: String, found: &mut Vec<(String, Array)>) {
        let inside = |key: &str| if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
        match self {
            Item::Tensor(array) => found.push((name, array.clone())),
            Item::Dict(entries) => entries.iter().for_each(|(key, item)| item.collect(inside(key), found)),
            Item::List(items) => {
                items.iter().enumerate().for_each(|(i, item)| item.collect(inside(&i.to_string()), found));
            }
            _ => {}
        }
    }
}

/// Reads a checkpoint that PyTorch's `torch.save` wrote (`.pt`, `.pth`; also its format before version 1.6, also
/// packed with gzip), without running anything.
///
/// Only what state dictionaries need is understood: tensors of all element types that safetensors files may have,
/// parameters, strided views, numbers, texts, lists and dictionaries. A pickle is a program, and Python's reader
/// lets it call any function; here any other name than those is refused.
///
/// # Errors
/// The file can't be read, is broken, or wants to call something (a whole saved model does).
///
/// ```
/// use chainrule::ErrorKind;
/// use chainrule::io::load_checkpoint;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-checkpoint-{}.pth", std::process::id()));
/// std::fs::write(&path, "no checkpoint").unwrap();
/// let error = load_checkpoint(&path).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Format);
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn load_checkpoint(path: impl AsRef<Path>) -> Result<Item> {
    let path = path.as_ref();
    parse(&read_file(path)?).map_err(|error| error.path(path))
}

/// Reads the content of a checkpoint.
pub(super) fn parse(bytes: &[u8]) -> Result<Item> {
    if bytes.starts_with(archive::MAGIC) { parse_zip(&mut Archive::new(bytes)?) } else { parse_old(bytes) }
}

/// The format since PyTorch 1.6: a zip file with the pickle and one entry a storage.
pub(super) fn parse_zip(archive: &mut Archive) -> Result<Item> {
    let pickle = archive.names.iter().find(|name| name.ends_with("/data.pkl") || *name == "data.pkl");
    let Some(pickle) = pickle.cloned() else {
        return Err(wrong("the zip file has no data.pkl, so it is no checkpoint of PyTorch"));
    };
    let root = pickle.trim_end_matches("data.pkl").to_string();
    if archive.names.contains(&format!("{root}constants.pkl")) {
        return Err(wrong("this is a TorchScript program, not a checkpoint")
            .hint("save the parameters alone, in Python: torch.save(model.state_dict(), path)"));
    }
    let order = format!("{root}byteorder");
    let big_endian = archive.names.contains(&order) && archive.read(&order)? == b"big";
    let unpickled = unpickle(&archive.read(&pickle)?)?;
    let mut read = |storage: &Storage| archive.read(&format!("{root}data/{}", storage.key));
    Builder::new(&unpickled, &mut read, big_endian).build()
}

/// The format before PyTorch 1.6: three small pickles, the content, the storages' keys, and their elements.
fn parse_old(bytes: &[u8]) -> Result<Item> {
    /// 0x1950a86a20f9469cfc6c as a pickle of protocol 2.
    const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
    if !bytes.starts_with(MAGIC) {
        return Err(wrong("this is no checkpoint of PyTorch: neither a zip file nor its older format"));
    }
    let mut place = MAGIC.len();
    let mut next = || -> Result<Unpickled> {
        let unpickled = unpickle(&bytes[place..])?;
        place += unpickled.end;
        Ok(unpickled)
    };
    let (_version, _system, content, keys) = (next()?, next()?, next()?, next()?);
    let mut storages: HashMap<Rc<str>, usize> = HashMap::new();
    let kinds = kinds(&content);
    let keys = match keys.value {
        Value::List(i) => match &keys.containers[i] {
            Container::List(keys) => keys,
            Container::Dict(_) => return Err(wrong("the list of storages is missing")),
        },
        _ => return Err(wrong("the list of storages is missing")),
    };
    for key in keys {
        let Value::Text(key) = key else { return Err(wrong("a storage's key must be a text")) };
        storages.insert(key.clone(), place);
        let count = bytes.get(place..place + 8).and_then(|part| part.try_into().ok()).map(u64::from_le_bytes);
        let length =
            count.zip(kinds.get(key)).and_then(|(n, size)| usize::try_from(n).ok()?.checked_mul(*size));
        place = length
            .and_then(|length| place.checked_add(8)?.checked_add(length))
            .filter(|&end| end <= bytes.len())
            .ok_or_else(|| wrong(format!("the storage {key} is cut off")).offset(place as u64))?;
    }
    let mut read = |storage: &Storage| {
        let start = storages.get(&storage.key);
        let start = start.ok_or_else(|| wrong(format!("the storage {} is missing", storage.key)))? + 8;
        let length = stored(storage)?.size() * storage.elements.min(bytes.len());
        bytes
            .get(start..start.saturating_add(length))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| wrong(format!("the storage {} is cut off", storage.key)))
    };
    Builder::new(&content, &mut read, false).build()
}

/// The element size of each storage that the tensors use.
fn kinds(content: &Unpickled) -> HashMap<Rc<str>, usize> {
    let mut sizes = HashMap::new();
    let mut note = |value: &Value| {
        let storage = match value {
            Value::Tensor(view) => &view.storage,
            Value::Storage(storage) => storage,
            _ => return,
        };
        if let Ok(stored) = stored(storage) {
            sizes.insert(storage.key.clone(), stored.size());
        }
    };
    note(&content.value);
    for container in &content.containers {
        match container {
            Container::List(items) => items.iter().for_each(&mut note),
            Container::Dict(entries) => entries.iter().for_each(|(_, value)| note(value)),
        }
    }
    sizes
}

fn wrong(rule: impl Into<String>) -> Error {
    Error::new(crate::ErrorKind::Format, rule)
}

/// The element type of a storage's class.
fn stored(storage: &Storage) -> Result<Stored> {
    let kind = storage.kind.strip_prefix("torch.").and_then(|name| name.strip_suffix("Storage"));
    Ok(match kind {
        Some("Bool") => Stored::Bool,
        Some("Byte") => Stored::U8,
        Some("Char") => Stored::I8,
        Some("Short") => Stored::I16,
        Some("Int") => Stored::I32,
        Some("Long") => Stored::I64,
        Some("Half") => Stored::F16,
        Some("BFloat16") => Stored::Bf16,
        Some("Float") => Stored::F32,
        Some("Double") => Stored::F64,
        _ => return Err(wrong(format!("tensors of {} aren't supported", storage.kind))),
    })
}

/// The bytes of a storage.
type Read<'a> = &'a mut dyn FnMut(&Storage) -> Result<Vec<u8>>;

/// Turns what the pickle describes into items.
struct Builder<'a> {
    unpickled: &'a Unpickled,
    read: Read<'a>,
    big_endian: bool,
    /// The storages that have been read; tensors are views of them.
    storages: HashMap<Rc<str>, Array>,
    /// How many more items there may be: a few containers that hold each other twice describe more than any memory
    /// holds.
    left: usize,
}

/// Containers nested deeper than this are refused.
const DEEPEST: usize = 64;

impl<'a> Builder<'a> {
    fn new(unpickled: &'a Unpickled, read: Read<'a>, big_endian: bool) -> Builder<'a> {
        let items = |container: &Container| match container {
            Container::List(items) => items.len(),
            Container::Dict(entries) => entries.len(),
        };
        let left = 100_000 + 4 * unpickled.containers.iter().map(items).sum::<usize>();
        Builder { unpickled, read, big_endian, storages: HashMap::new(), left }
    }

    fn build(&mut self) -> Result<Item> {
        self.item(&self.unpickled.value, 0)
    }

    fn item(&mut self, value: &Value, depth: usize) -> Result<Item> {
        self.left =
            self.left.checked_sub(1).ok_or_else(|| wrong("the pickle repeats its containers too often"))?;
        if depth > DEEPEST {
            return Err(wrong("the pickle's containers are nested too deeply, or hold themselves"));
        }
        let unpickled = self.unpickled;
        Ok(match value {
            Value::None => Item::None,
            Value::Bool(x) => Item::Bool(*x),
            Value::Int(x) => Item::Int(*x),
            Value::Float(x) => Item::Float(*x),
            Value::Text(text) => Item::Text(text.to_string()),
            Value::Other(text) | Value::Global(text) => Item::Other(text.to_string()),
            Value::Storage(storage) => Item::Tensor(self.elements(storage)?),
            Value::Tensor(view) => Item::Tensor(self.tensor(view)?),
            Value::List(i) | Value::Dict(i) => match &unpickled.containers[*i] {
                Container::List(items) => {
                    Item::List(items.iter().map(|item| self.item(item, depth + 1)).collect::<Result<_>>()?)
                }
                Container::Dict(entries) => {
                    let mut all = Vec::with_capacity(entries.len());
                    for (key, value) in entries {
                        let key = match key {
                            Value::Text(text) => text.to_string(),
                            Value::Int(x) => x.to_string(),
                            Value::Float(x) => x.to_string(),
                            Value::Bool(x) => x.to_string(),
                            _ => return Err(wrong("the key of a dictionary is neither text nor number")),
                        };
                        let item = self.item(value, depth + 1).map_err(|e| match value {
                            Value::Tensor(_) => Error::new(e.kind(), format!("the tensor {key}: {e}")),
                            _ => e,
                        })?;
                        all.push((key, item));
                    }
                    Item::Dict(all)
                }
            },
        })
    }

    /// The elements of a storage.
    fn elements(&mut self, storage: &Storage) -> Result<Array> {
        if let Some(array) = self.storages.get(&storage.key) {
            return Ok(array.clone());
        }
        let stored = stored(storage)?;
        let bytes = (self.read)(storage)?;
        if storage.elements.checked_mul(stored.size()) != Some(bytes.len()) {
            return Err(wrong(format!(
                "the storage {} has {} bytes, which aren't {} elements of {}",
                storage.key,
                bytes.len(),
                storage.elements,
                storage.kind
            )));
        }
        let array = stored.decode(&bytes, self.big_endian)?;
        self.storages.insert(storage.key.clone(), array.clone());
        Ok(array)
    }

    /// The tensor as a view of its storage where it is one in row-major order, or shows elements several times; else
    /// a copy in row-major order.
    fn tensor(&mut self, view: &View) -> Result<Array> {
        let shape = Shape::new(&view.sizes)?;
        let all = self.elements(&view.storage)?;
        let count = shape.elements();
        if count == 0 {
            return Array::zeros_of(shape, all.dtype()).reshape(shape);
        }
        // The place of the last element; strides aren't negative.
        let last = view.sizes.iter().zip(&view.strides).try_fold(view.offset, |place, (size, stride)| {
            place.checked_add((size - 1).checked_mul(*stride)?)
        });
        if last.is_none_or(|last| last >= all.elements()) {
            return Err(wrong(format!(
                "the shape {shape} with the strides {:?} from element {} on reaches beyond its storage of {} elements",
                view.strides,
                view.offset,
                all.elements()
            )));
        }
        let mut expected = 1;
        let row_major = view.sizes.iter().zip(&view.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        });
        if row_major {
            return all.narrow(0, view.offset as isize, count)?.reshape(shape);
        }
        // A file of a few bytes may promise a tensor of gigabytes that repeats its elements: that stays a view.
        if count > all.elements() {
            return Ok(all.strided(shape, &view.strides, view.offset));
        }
        let mut places = vec![view.offset];
        for (&size, &stride) in view.sizes.iter().zip(&view.strides) {
            places = places.iter().flat_map(|&place| (0..size).map(move |i| place + i * stride)).collect();
        }
        Ok(dispatch!(all.dtype(), T => {
            let values = all.values::<T>();
            Array::filled(places.iter().map(|&place| values[place]).collect(), shape)
        }))
    }
}
