//! Reading case files: what went into an operator, what came out, and the gradients.
//!
//! A file is safetensors; the cases are JSON in its metadata and name the tensors that belong to them.

use std::collections::HashMap;
use std::path::Path;

use chainrule::{Array, DType, Shape};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value as Json;

use crate::arguments::{Failure, Value};

/// One operator's cases.
pub struct File {
    pub operator: String,
    pub cases: Vec<Case>,
    arrays: HashMap<String, Result<Array, Failure>>,
}

/// One call of an operator, and what PyTorch gave for it.
pub struct Case {
    pub id: i64,
    pub input: Json,
    pub args: Vec<Json>,
    pub kwargs: Vec<(String, Json)>,
    pub expected: Expected,
    /// The names of the nodes that made the outputs, where the file tells them.
    pub grad_fns: Option<Vec<Option<String>>>,
}

/// What a call must lead to.
pub enum Expected {
    /// An error (PyTorch's pattern, for information).
    Refusal(String),
    /// These outputs and gradients, by the names of their tensors.
    Values { outputs: Vec<String>, upstream: Vec<Option<String>>, grads: Vec<(String, Option<String>)> },
}

impl File {
    /// The cases of a file; `None` where it is safetensors but holds no cases.
    pub fn read(path: &Path) -> Result<Option<File>, String> {
        let told = |what: String| format!("{}: {what}", path.display());
        let bytes = std::fs::read(path).map_err(|e| told(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| told(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| told(e.to_string()))?;
        let about = header.metadata().clone().unwrap_or_default();
        let (Some(operator), Some(cases)) = (about.get("op"), about.get("cases")) else { return Ok(None) };
        let list: Vec<Json> = serde_json::from_str(cases).map_err(|e| told(e.to_string()))?;
        let cases = list
            .iter()
            .map(|case| Case::read(case).ok_or_else(|| told(format!("not a case: {case}"))))
            .collect::<Result<_, _>>()?;
        let arrays = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, array(view.dtype(), view.shape(), view.data())))
            .collect();
        Ok(Some(File { operator: operator.clone(), cases, arrays }))
    }

    /// The values of a tensor; refused where chainrule can't hold it.
    pub fn array(&self, name: &str) -> Result<Array, Failure> {
        match self.arrays.get(name) {
            Some(array) => array.clone(),
            None => Err(Failure::Unmapped(format!("the file has no tensor {name}"))),
        }
    }

    /// An argument of a case, its tensors as leaves (the same one for the same name).
    pub fn argument(&self, json: &Json, leaves: &mut Leaves) -> Result<Value, Failure> {
        let unknown = || Failure::Unmapped(format!("not an argument: {json}"));
        let (kind, content) = json
            .as_object()
            .and_then(|o| o.iter().find(|(key, _)| *key != "requires_grad"))
            .ok_or_else(unknown)?;
        Ok(match (kind.as_str(), content) {
            ("tensor", Json::String(name)) => {
                let wanted = json["requires_grad"].as_bool().unwrap_or(false);
                Value::Tensor(leaves.get(self, name, wanted))
            }
            ("list", Json::Array(items)) => {
                Value::List(items.iter().map(|item| self.argument(item, leaves)).collect::<Result<_, _>>()?)
            }
            ("dtype", Json::String(name)) => Value::DType(name.clone()),
            ("ellipsis", _) => Value::Ellipsis,
            ("slice", Json::Array(parts)) if parts.len() == 3 => {
                let part = |i: usize| parts[i].as_i64().map(|x| x as isize);
                Value::Slice(part(0), part(1), part(2))
            }
            ("value", Json::Null) => Value::None,
            ("value", Json::Bool(b)) => Value::Bool(*b),
            ("value", Json::String(s)) => Value::Text(s.clone()),
            ("value", Json::Number(n)) => match n.as_i64() {
                Some(i) => Value::Int(i),
                None => Value::Float(n.as_f64().ok_or_else(unknown)?),
            },
            ("value", Json::Object(special)) => match special.get("float").and_then(Json::as_str) {
                Some("inf") => Value::Float(f64::INFINITY),
                Some("-inf") => Value::Float(f64::NEG_INFINITY),
                Some("nan") => Value::Float(f64::NAN),
                _ => return Err(unknown()),
            },
            _ => return Err(unknown()),
        })
    }
}

impl Case {
    fn read(json: &Json) -> Option<Case> {
        let names = |key: &str| -> Option<Vec<Option<String>>> {
            Some(json.get(key)?.as_array()?.iter().map(|name| name.as_str().map(String::from)).collect())
        };
        let expected = match json.get("error") {
            Some(error) => Expected::Refusal(error.as_str()?.to_string()),
            None => Expected::Values {
                outputs: names("outputs")?.into_iter().collect::<Option<_>>()?,
                upstream: names("upstream")?,
                grads: json
                    .get("grads")?
                    .as_object()?
                    .iter()
                    .map(|(input, gradient)| (input.clone(), gradient.as_str().map(String::from)))
                    .collect(),
            },
        };
        Some(Case {
            id: json.get("id")?.as_i64()?,
            input: json.get("input")?.clone(),
            args: json.get("args")?.as_array()?.clone(),
            kwargs: json.get("kwargs")?.as_object()?.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            expected,
            grad_fns: names("grad_fns"),
        })
    }
}

/// The input tensors of one case, by name.
#[derive(Default)]
pub struct Leaves {
    found: HashMap<String, Result<chainrule::Tensor, Failure>>,
    strided: bool,
}

impl Leaves {
    /// No tensors yet; they will be views that aren't contiguous where that is asked for.
    pub fn new(strided: bool) -> Leaves {
        Leaves { strided, ..Leaves::default() }
    }

    fn get(&mut self, file: &File, name: &str, requires_grad: bool) -> Result<chainrule::Tensor, Failure> {
        let make = || {
            let array = file.array(name)?;
            let tensor = chainrule::Tensor::from_array(if self.strided { scattered(&array)? } else { array });
            if requires_grad { Ok(tensor.requires_grad_(true)?) } else { Ok(tensor) }
        };
        self.found.entry(name.to_string()).or_insert_with(make).clone()
    }

    /// The leaf of this name, if the case's arguments have it.
    pub fn leaf(&self, name: &str) -> Option<&chainrule::Tensor> {
        self.found.get(name)?.as_ref().ok()
    }
}

/// The same values in a buffer with an offset, with its dimensions in reverse order and a gap behind each element.
fn scattered(x: &Array) -> Result<Array, Failure> {
    if x.rank() == 0 || x.rank() == chainrule::MAX_RANK {
        return Ok(x.clone());
    }
    let reversed: Vec<isize> = (0..x.rank() as isize).rev().collect();
    let turned = x.permute(&reversed)?.unsqueeze(-1)?;
    let mut sizes = turned.shape().to_vec();
    sizes.pop();
    sizes.push(2);
    let doubled = turned.expand(Shape::new(&sizes)?)?.copied();
    Ok(doubled.select(-1, 1)?.permute(&reversed)?)
}

/// A stored tensor as an array. Too many dimensions for chainrule is chainrule's own refusal; an element type
/// that it doesn't have is a gap.
fn array(dtype: Dtype, sizes: &[usize], data: &[u8]) -> Result<Array, Failure> {
    let shape = Shape::new(sizes)?;
    macro_rules! of {
        ($T:ty) => {
            data.chunks_exact(size_of::<$T>())
                .map(|bytes| <$T>::from_le_bytes(bytes.try_into().expect("chunks have the element's size")))
                .collect::<Vec<$T>>()
        };
    }
    Ok(match dtype {
        Dtype::F64 => Array::from_vec(of!(f64), shape)?,
        Dtype::F32 => Array::from_vec(of!(f32), shape)?,
        Dtype::I64 => Array::from_vec(of!(i64), shape)?,
        Dtype::I32 => Array::from_vec(of!(i32), shape)?,
        Dtype::U8 => Array::from_vec(of!(u8), shape)?,
        Dtype::BOOL => Array::from_vec(of!(u8), shape)?.cast(DType::Bool),
        other => return Err(Failure::Unmapped(format!("chainrule has no element type {other:?}"))),
    })
}
