//! Einstein's summation convention: products of tensors written with letters for their dimensions.

use crate::array::Shape;
use crate::error::{Error, Result};
use crate::order;
use crate::tensor::{CallerGuard, Tensor};

/// A dimension's name: a letter, or the n-th dimension from the end that `...` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Covered(usize),
    Letter(char),
}

/// A tensor and the names of its dimensions.
struct Named {
    tensor: Tensor,
    labels: Vec<Label>,
}

fn wrong(rule: String) -> Error {
    Error::argument(rule)
}

/// The names of a term like `b...ij`, of which `...` stands for `covered` dimensions.
fn labels(term: &str, covered: usize) -> Result<Vec<Label>> {
    let letters = |text: &str| -> Result<Vec<Label>> {
        text.chars()
            .map(|c| match c.is_ascii_alphabetic() {
                true => Ok(Label::Letter(c)),
                false => Err(wrong(format!("'{c}' in \"{term}\" is no name of a dimension"))),
            })
            .collect()
    };
    match term.split_once("...") {
        None => letters(term),
        Some((before, after)) => {
            let mut all = letters(before)?;
            all.extend((0..covered).rev().map(Label::Covered));
            all.extend(letters(after)?);
            Ok(all)
        }
    }
}

impl Named {
    /// An operand; a name that repeats means the diagonal.
    #[track_caller]
    fn new(term: &str, tensor: &Tensor) -> Result<Named> {
        let named = term.replace("...", "").chars().count();
        let misfit =
            || wrong(format!("\"{term}\" doesn't name the dimensions of the shape {}", tensor.shape()));
        let covered = tensor.rank().checked_sub(named).ok_or_else(misfit)?;
        let mut labels = labels(term, covered)?;
        if labels.len() != tensor.rank() {
            return Err(misfit());
        }
        let mut tensor = tensor.clone();
        while let Some((i, j)) =
            (0..labels.len()).flat_map(|j| (0..j).map(move |i| (i, j))).find(|&(i, j)| labels[i] == labels[j])
        {
            if tensor.shape()[i] != tensor.shape()[j] {
                return Err(wrong(format!("a name that repeats in \"{term}\" stands for different sizes")));
            }
            tensor = tensor.diagonal(0, i as isize, j as isize)?;
            let label = labels.remove(j);
            labels.remove(i);
            labels.push(label);
        }
        Ok(Named { tensor, labels })
    }

    fn has(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    /// The size under a name.
    fn size(&self, label: Label) -> usize {
        self.labels.iter().position(|&l| l == label).map_or(1, |d| self.tensor.shape()[d])
    }

    /// Sums over the dimensions that nothing needs any more.
    #[track_caller]
    fn without(self, gone: impl Fn(Label) -> bool) -> Result<Named> {
        let dims: Vec<isize> =
            (0..self.labels.len()).filter(|&d| gone(self.labels[d])).map(|d| d as isize).collect();
        if dims.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.into_iter().filter(|&label| !gone(label)).collect();
        Ok(Named { tensor: self.tensor.sum_dim(&dims, false)?, labels })
    }

    /// The dimensions in this order, as three blocks of one dimension each, sizes of 1 stretched.
    #[track_caller]
    fn blocks(&self, order: [&[Label]; 3], sizes: &impl Fn(Label) -> usize) -> Result<Tensor> {
        let all: Vec<Label> = order.concat();
        let dims: Vec<isize> = all
            .iter()
            .filter_map(|label| self.labels.iter().position(|l| l == label))
            .map(|d| d as isize)
            .collect();
        let full: Vec<usize> = all.iter().map(|&label| sizes(label)).collect();
        let three = order.map(|block| block.iter().map(|&label| sizes(label)).product::<usize>());
        self.tensor.permute(&dims)?.expand(Shape::new(&full)?)?.reshape(three)
    }
}

/// The product of two operands, summed over the names that nothing else needs.
#[track_caller]
fn contract(a: Named, b: Named, needed: impl Fn(Label) -> bool) -> Result<Named> {
    let a_alone = |label: Label| !needed(label) && !b.has(label);
    let a = a.without(a_alone)?;
    let b_alone = |label: Label| !needed(label) && !a.has(label);
    let b = b.without(b_alone)?;
    for &label in a.labels.iter().filter(|&&label| b.has(label)) {
        let (x, y) = (a.size(label), b.size(label));
        if x != y && x != 1 && y != 1 {
            return Err(wrong(format!("{label:?} stands for the sizes {x} and {y}")));
        }
    }
    let sizes = |label: Label| match (a.size(label), b.size(label)) {
        (1, size) | (size, 1) => size,
        (size, _) => size,
    };
    let pick = |from: &Named, kept: &dyn Fn(Label) -> bool| -> Vec<Label> {
        from.labels.iter().copied().filter(|&label| kept(label)).collect()
    };
    let batch = pick(&a, &|label| b.has(label) && needed(label));
    let summed = pick(&a, &|label| b.has(label) && !needed(label));
    let left = pick(&a, &|label| !b.has(label));
    let right = pick(&b, &|label| !a.has(label));
    let product =
        a.blocks([&batch, &left, &summed], &sizes)?.matmul(&b.blocks([&batch, &summed, &right], &sizes)?)?;
    let labels = [batch, left, right].concat();
    let shape: Vec<usize> = labels.iter().map(|&label| sizes(label)).collect();
    Ok(Named { tensor: product.reshape(Shape::new(&shape)?)?, labels })
}

impl Tensor {
    /// Sum of products, written with a letter for each dimension: `"ij,jk->ik"` is the matrix product.
    ///
    /// Names that the result doesn't have are summed over; one that repeats within a term means the diagonal;
    /// `...` stands for any dimensions, which broadcast. Without `->` the result has the names that occur
    /// once, in alphabetical order.
    ///
    /// # Errors
    /// The terms don't name the operands' dimensions, or a name stands for different sizes.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let (a, b) = (tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, 10.0]));
    /// assert_eq!(Tensor::einsum("ij,j->i", &[&a, &b])?.to_string(), "tensor([21., 43.])");
    /// assert_eq!(Tensor::einsum("ii", &[&a])?.item()?, 5.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        einsum(equation, operands)
            .map_err(|error| error.at_gate("Einsum").with_inputs(operands.iter().map(|x| x.meta())))
    }
}

#[track_caller]
fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
    let _line = CallerGuard::here();
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (terms, result) = match text.split_once("->") {
        Some((terms, result)) => (terms, Some(result)),
        None => (text.as_str(), None),
    };
    let terms: Vec<&str> = terms.split(',').collect();
    if terms.len() != operands.len() || operands.is_empty() {
        return Err(wrong(format!("\"{equation}\" is for {} operands, not {}", terms.len(), operands.len())));
    }
    let named: Vec<Named> =
        terms.iter().zip(operands).map(|(term, x)| Named::new(term, x)).collect::<Result<_>>()?;
    let covered = named
        .iter()
        .map(|x| x.labels.iter().filter(|label| matches!(label, Label::Covered(_))).count())
        .max()
        .unwrap_or(0);
    let wanted = match result {
        Some(term) => labels(term, covered)?,
        None => {
            let mut letters: Vec<char> = text.chars().filter(char::is_ascii_alphabetic).collect();
            order::sort(&mut letters);
            let once = letters.iter().filter(|c| letters.iter().filter(|d| d == c).count() == 1);
            (0..covered).rev().map(Label::Covered).chain(once.map(|&c| Label::Letter(c))).collect()
        }
    };
    for (i, label) in wanted.iter().enumerate() {
        if wanted[..i].contains(label) || !named.iter().any(|x| x.has(*label)) {
            return Err(wrong(format!(
                "the result of \"{equation}\" names {label:?} twice, or no operand does"
            )));
        }
    }
    let mut rest = named.into_iter();
    let mut total = rest.next().expect("there is at least one operand");
    while let Some(next) = rest.next() {
        let later: Vec<Label> = rest.as_slice().iter().flat_map(|x| x.labels.iter().copied()).collect();
        total = contract(total, next, |label| wanted.contains(&label) || later.contains(&label))?;
    }
    let total = total.without(|label| !wanted.contains(&label))?;
    let order: Vec<isize> = wanted
        .iter()
        .filter_map(|label| total.labels.iter().position(|l| l == label))
        .map(|d| d as isize)
        .collect();
    total.tensor.permute(&order)
}
