//! Products of matrices and vectors: the strict forms, and those that add to another tensor.

use crate::array::Shape;
use crate::error::{Error, Result};
use crate::gate::matmul::MatMul;
use crate::tensor::{CallerGuard, Tensor};

/// `beta·input + alpha·product`; a beta of 0 leaves the input out, so that its NaNs do too.
#[track_caller]
fn blend(input: &Tensor, beta: f64, product: &Tensor, alpha: f64) -> Result<Tensor> {
    let _line = CallerGuard::here();
    // Whole factors leave integers what they are.
    let times = |x: &Tensor, factor: f64| match factor {
        1.0 => Ok(x.clone()),
        whole if !x.dtype().is_float() && whole.fract() == 0.0 => x.mul(whole as i64),
        other => x.mul(other),
    };
    let product = times(product, alpha)?;
    if beta == 0.0 {
        input.shape().broadcast(&product.shape())?;
        return Ok(product);
    }
    let input = times(input, beta)?;
    if input.shape().broadcast(&product.shape())? != product.shape() {
        return Err(Error::shape(format!(
            "what is added, of shape {}, doesn't broadcast to the product's shape {}",
            input.shape(),
            product.shape()
        )));
    }
    input.add(&product)
}

/// Refuses operands that don't have these numbers of dimensions.
fn expect(name: &'static str, operands: &[&Tensor], ranks: &[usize]) -> Result<()> {
    if operands.iter().zip(ranks).all(|(x, &rank)| x.rank() == rank) {
        return Ok(());
    }
    let have: Vec<usize> = operands.iter().map(|x| x.rank()).collect();
    Err(Error::shape(format!("operands with {ranks:?} dimensions are expected, not {have:?}"))
        .at_gate(name)
        .with_inputs(operands.iter().map(|x| x.meta())))
}

/// `[b, …]·[b, …]`: batches must have the same number of matrices.
fn same_batch(name: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    expect(name, &[a, b], &[3, 3])?;
    if a.shape()[0] == b.shape()[0] {
        return Ok(());
    }
    Err(Error::shape(format!("a batch of {} matrices meets one of {}", a.shape()[0], b.shape()[0]))
        .at_gate(name)
        .with_inputs([a.meta(), b.meta()]))
}

impl Tensor {
    /// Product of two matrices.
    ///
    /// # Errors
    /// These aren't two matrices whose shapes fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1.0, 2.0]]).mm(&tensor([[3.0], [4.0]]))?.item()?, 11.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn mm(&self, other: &Tensor) -> Result<Tensor> {
        expect("Mm", &[self, other], &[2, 2])?;
        self.matmul(other)
    }

    /// Product of a matrix and a vector.
    ///
    /// # Errors
    /// These aren't a matrix and a vector whose shapes fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(
    ///     tensor([[1.0, 2.0], [3.0, 4.0]]).mv(&tensor([1.0, -1.0]))?.to_string(),
    ///     "tensor([-1., -1.])"
    /// );
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn mv(&self, vector: &Tensor) -> Result<Tensor> {
        expect("Mv", &[self, vector], &[2, 1])?;
        self.matmul(vector)
    }

    /// Products of two batches of matrices, one by one.
    ///
    /// # Errors
    /// These aren't two batches of as many matrices whose shapes fit.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (a, b) = (tensor([[[1.0, 2.0]], [[3.0, 4.0]]]), tensor([[[1.0], [0.0]], [[0.0], [1.0]]]));
    /// assert_eq!(a.bmm(&b)?.to_f64_vec(), [1.0, 4.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn bmm(&self, other: &Tensor) -> Result<Tensor> {
        same_batch("Bmm", self, other)?;
        Tensor::apply(MatMul::one_by_one(), &[self, other])
    }

    /// Scalar product of two vectors; for real numbers the same as [`Tensor::dot`].
    ///
    /// # Errors
    /// These aren't two vectors of the same length.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1.0, 2.0]).vdot(&tensor([3.0, 4.0]))?.item()?, 11.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn vdot(&self, other: &Tensor) -> Result<Tensor> {
        self.dot(other)
    }

    /// Every element of one vector times every element of another: `yᵢⱼ = aᵢ·bⱼ`.
    ///
    /// # Errors
    /// These aren't two vectors.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).outer(&tensor([3, 4]))?.to_vec::<i64>()?, [3, 4, 6, 8]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        expect("Outer", &[self, other], &[1, 1])?;
        self.unsqueeze(1)?.mul(other)
    }

    /// Scalar products of the last dimensions: `y[i…][j…] = Σₖ a[i…][k]·b[j…][k]`; of a number, multiples.
    ///
    /// # Errors
    /// The last sizes differ.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (a, b) = (tensor([[1.0, 2.0], [0.0, 1.0]]), tensor([3.0, 4.0]));
    /// assert_eq!(a.inner(&b)?.to_string(), "tensor([11.,  4.])");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn inner(&self, other: &Tensor) -> Result<Tensor> {
        if self.rank() == 0 || other.rank() == 0 {
            return self.mul(other);
        }
        self.tensordot(other, &[-1], &[-1])
    }

    /// `beta·input + alpha·(A·B)` for matrices.
    ///
    /// # Errors
    /// A and B aren't matrices whose shapes fit, or the input doesn't broadcast to their product.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0]).addmm(&tensor([[2.0]]), &tensor([[3.0]]), 1.0, 0.5)?;
    /// assert_eq!(y.item()?, 4.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn addmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        blend(self, beta, &a.mm(b)?, alpha)
            .map_err(|e| e.at_gate("Addmm").with_inputs([self.meta(), a.meta(), b.meta()]))
    }

    /// `beta·input + alpha·(A·v)` for a matrix and a vector.
    ///
    /// # Errors
    /// As [`Tensor::addmm`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let y = tensor([1.0]).addmv(&tensor([[2.0, 3.0]]), &tensor([1.0, 1.0]), 10.0, 1.0)?;
    /// assert_eq!(y.item()?, 15.0); // 10·1 + (2 + 3)
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn addmv(&self, a: &Tensor, v: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        blend(self, beta, &a.mv(v)?, alpha)
            .map_err(|e| e.at_gate("Addmv").with_inputs([self.meta(), a.meta(), v.meta()]))
    }

    /// `beta·input + alpha·(a ⊗ b)`: see [`Tensor::outer`].
    ///
    /// # Errors
    /// These aren't vectors, or the input doesn't broadcast to their product.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::ones([2, 2]).addr(&tensor([1.0, 2.0]), &tensor([3.0, 4.0]), 1.0, 1.0)?;
    /// assert_eq!(y.to_f64_vec(), [4.0, 5.0, 7.0, 9.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn addr(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        blend(self, beta, &a.outer(b)?, alpha)
            .map_err(|e| e.at_gate("Addr").with_inputs([self.meta(), a.meta(), b.meta()]))
    }

    /// `beta·input + alpha·(A·B)` for batches of matrices.
    ///
    /// # Errors
    /// As [`Tensor::addmm`].
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let (a, b) = (tensor([[[2.0]], [[3.0]]]), tensor([[[5.0]], [[7.0]]]));
    /// assert_eq!(Tensor::ones([2, 1, 1]).baddbmm(&a, &b, 1.0, 1.0)?.to_f64_vec(), [11.0, 22.0]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn baddbmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        blend(self, beta, &a.bmm(b)?, alpha)
            .map_err(|e| e.at_gate("Baddbmm").with_inputs([self.meta(), a.meta(), b.meta()]))
    }

    /// `beta·input + alpha·Σ(A·B)` over batches of matrices.
    ///
    /// # Errors
    /// As [`Tensor::addmm`].
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (a, b) = (tensor([[[2.0]], [[3.0]]]), tensor([[[5.0]], [[7.0]]]));
    /// assert_eq!(tensor([[1.0]]).addbmm(&a, &b, 1.0, 1.0)?.item()?, 32.0); // 1 + 10 + 21
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn addbmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        blend(self, beta, &a.bmm(b)?.sum_dim(&[0], false)?, alpha)
            .map_err(|e| e.at_gate("Addbmm").with_inputs([self.meta(), a.meta(), b.meta()]))
    }

    /// Products summed over pairs of dimensions: those of this tensor in `dims`, each with that of `other`.
    /// A dimension of size 1 is repeated beside a larger one.
    ///
    /// # Errors
    /// A dimension doesn't exist or is named twice, or the sizes of a pair differ.
    ///
    /// ```
    /// use chainrule::tensor;
    /// let (a, b) = (tensor([[1, 2], [3, 4]]), tensor([[5, 6], [7, 8]]));
    /// assert_eq!(a.tensordot(&b, &[0, 1], &[0, 1])?.item()?, 70.0);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn tensordot(&self, other: &Tensor, dims: &[isize], dims_other: &[isize]) -> Result<Tensor> {
        let _line = CallerGuard::here();
        let inputs = [self.meta(), other.meta()];
        let (a, b) = (self.shape(), other.shape());
        let checked = || -> Result<(Vec<usize>, Vec<usize>)> {
            let (x, y) = (crate::array::dims(&a, dims)?, crate::array::dims(&b, dims_other)?);
            let fits = |(&x, &y): (&usize, &usize)| a[x] == b[y] || a[x] == 1 || b[y] == 1;
            if x.len() != y.len() || !x.iter().zip(&y).all(fits) {
                return Err(Error::shape(format!(
                    "the dimensions {dims:?} of {a} and {dims_other:?} of {b} aren't pairs of the same size"
                )));
            }
            Ok((x, y))
        };
        let (x, y) = checked().map_err(|e| e.at_gate("Tensordot").with_inputs(inputs))?;
        // Beside a dimension of size 1 the other one is summed up first.
        let lone = |own: &[usize], sizes: &Shape, theirs: &[usize], other: &Shape| -> Vec<isize> {
            let pairs = own.iter().zip(theirs);
            pairs.filter(|(d, e)| sizes[**d] != 1 && other[**e] == 1).map(|(d, _)| *d as isize).collect()
        };
        let (alone_a, alone_b) = (lone(&x, &a, &y, &b), lone(&y, &b, &x, &a));
        if !alone_a.is_empty() || !alone_b.is_empty() {
            let summed = |t: &Tensor, dims: &[isize]| {
                if dims.is_empty() { Ok(t.clone()) } else { t.sum_dim(dims, true) }
            };
            return summed(self, &alone_a)?.tensordot(&summed(other, &alone_b)?, dims, dims_other);
        }
        let free = |shape: &Shape, used: &[usize]| {
            (0..shape.rank()).filter(|d| !used.contains(d)).collect::<Vec<_>>()
        };
        let (free_a, free_b) = (free(&a, &x), free(&b, &y));
        let sizes: Vec<usize> = free_a.iter().map(|&d| a[d]).chain(free_b.iter().map(|&d| b[d])).collect();
        let inner: usize = x.iter().map(|&d| a[d]).product();
        let order = |first: &[usize], second: &[usize]| {
            first.iter().chain(second).map(|&d| d as isize).collect::<Vec<_>>()
        };
        let rows: usize = free_a.iter().map(|&d| a[d]).product();
        let columns: usize = free_b.iter().map(|&d| b[d]).product();
        let left = self.permute(&order(&free_a, &x))?.reshape([rows, inner])?;
        let right = other.permute(&order(&y, &free_b))?.reshape([inner, columns])?;
        left.matmul(&right)?.reshape(Shape::new(&sizes)?)
    }

    /// Kronecker product: every element of this tensor times the whole other one, side by side.
    ///
    /// # Errors
    /// The result is too large.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([1, 2]).kron(&tensor([3, 4]))?.to_vec::<i64>()?, [3, 4, 6, 8]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn kron(&self, other: &Tensor) -> Result<Tensor> {
        let rank = self.rank().max(other.rank());
        let size = |x: &Tensor, d: usize| (d + x.rank()).checked_sub(rank).map_or(1, |d| x.shape()[d]);
        let (mut a, mut b, mut both) = (Vec::new(), Vec::new(), Vec::new());
        for d in 0..rank {
            let (own, theirs) = (size(self, d), size(other, d));
            a.extend([own, 1]);
            b.extend([1, theirs]);
            both.push(own.saturating_mul(theirs));
        }
        self.reshape(Shape::new(&a)?)?.mul(&other.reshape(Shape::new(&b)?)?)?.reshape(Shape::new(&both)?)
    }

    /// The matrix multiplied by itself `n` times (batches of matrices one by one); `n` = 0 gives the identity, a
    /// negative `n` powers of the inverse.
    ///
    /// # Errors
    /// The matrices aren't square, or for negative `n` are singular.
    ///
    /// ```
    /// use chainrule::tensor;
    /// assert_eq!(tensor([[1, 1], [0, 1]]).matrix_power(5)?.to_vec::<i64>()?, [1, 5, 0, 1]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn matrix_power(&self, n: isize) -> Result<Tensor> {
        let shape = self.shape();
        if shape.rank() < 2 || shape[shape.rank() - 1] != shape[shape.rank() - 2] {
            let rule = format!("powers are of square matrices, not of the shape {shape}");
            return Err(Error::shape(rule).at_gate("MatrixPower").with_inputs([self.meta()]));
        }
        if n < 0 {
            return crate::linalg::inv(self)?.matrix_power(n.saturating_neg());
        }
        let size = shape[shape.rank() - 1];
        let identity = Tensor::from_array(crate::Array::eye_of(size, size, self.dtype()));
        let (mut power, mut square, mut left) = (None::<Tensor>, self.clone(), n);
        while left > 0 {
            if left % 2 == 1 {
                power = Some(match power {
                    Some(power) => power.matmul(&square)?,
                    None => square.clone(),
                });
            }
            left /= 2;
            if left > 0 {
                square = square.matmul(&square)?;
            }
        }
        power.map_or_else(|| identity.expand(shape), Ok)
    }
}
