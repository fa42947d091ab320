//! Dropout: elements left out at random.
//!
//! ```
//! use chainrule::{manual_seed, Tensor};
//! manual_seed(0);
//! let y = Tensor::ones([1000]).dropout(0.25)?;
//! assert!((y.mean()?.item()? - 1.0).abs() < 0.1); // the mean stays
//! assert_eq!(y.amax(&[], false)?.to_string(), "tensor(1.3333)"); // 1 / (1 − p)
//! # Ok::<(), chainrule::Error>(())
//! ```

use super::arith::f64s;
use super::compare::Compare;
use super::elementwise::expect_inputs;
use super::reduce::only_float;
use super::{
    Context, Entry, Gate, Gradients, Metas, Needs, Next, Outputs, Sample, Saved, SavedAs, TorchNode, Use,
};
use crate::array::{Array, DType, Generator, Meta, dispatch_float};
use crate::error::{Error, ErrorKind, Result};
use crate::formula::Formula;
use crate::gate::macros::documented;
use crate::kernel::choose::choose;
use crate::kernel::map::Operand;
use crate::kernel::memory;
use crate::tensor::Tensor;

/// The gates of this family.
pub(super) const GATES: &[Entry] = &[Dropout::ENTRY];

documented! {
    /// Elements left out with probability p, the others divided by 1 − p, so that the mean stays (Srivastava et
    /// al., 2014).
    ///
    /// Every run draws anew, from the thread's generator.
    ///
    /// ```
    /// use chainrule::gate::dropout::Dropout;
    /// use chainrule::{param, Tensor};
    /// let x = param([1.0, 2.0, 3.0, 4.0]);
    /// let y = Tensor::apply(Dropout { p: 0.5 }, &[&x])?;
    /// y.sum()?.backward()?;
    /// // What was left out gets no gradient, the rest twice as much as came.
    /// let kept = y.to_f64_vec().iter().map(|&y| if y == 0.0 { 0.0 } else { 2.0 }).collect::<Vec<_>>();
    /// assert_eq!(x.grad().unwrap().to_f64_vec(), kept);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Dropout {
        /// The probability of leaving an element out.
        pub p: f64,
    }
}

impl Dropout {
    /// This gate's row of the table of gates.
    pub const ENTRY: Entry = Entry {
        name: "Dropout",
        method: "dropout",
        doc: Dropout::DOC,
        at_kink: None,
        file: file!(),
        line: line!(),
        samples: || {
            vec![
                Sample::new(Dropout { p: 0.5 }, [f64s([1.0, 2.0, 3.0, 4.0, 5.0])]),
                Sample::new(Dropout { p: 0.0 }, [f64s([1.0, 2.0])]),
                Sample::new(Dropout { p: 1.0 }, [f64s([1.0, 2.0])]),
                Sample::new(Dropout { p: 1.5 }, [f64s([1.0])]).refused(ErrorKind::Argument),
            ]
        },
    };
}

impl Gate for Dropout {
    fn name(&self) -> &'static str {
        "Dropout"
    }

    fn grad_fn(&self) -> String {
        "MulBackward0".into()
    }

    fn torch_nodes(&self, used: &Use) -> Vec<TorchNode> {
        let mask = SavedAs::Other(used.inputs[0].shape);
        vec![TorchNode::new(self.grad_fn(), [Next::Input(0)]).saving("other", mask).with("self", "None")]
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        expect_inputs(inputs, 1)?;
        only_float(&inputs[0])?;
        if !(0.0..=1.0).contains(&self.p) {
            return Err(Error::argument(format!(
                "the probability of leaving out is between 0 and 1, not {}",
                self.p
            )));
        }
        Ok([inputs[0]].into())
    }

    fn forward(&self, inputs: &[&Array], context: &mut Context) -> Result<Outputs> {
        let Meta { dtype, shape } = *context.output(0);
        let draw = Generator::with_thread(|generator| generator.rand(shape, DType::F64));
        let scale = if self.p < 1.0 { 1.0 / (1.0 - self.p) } else { 0.0 };
        let mut stays = memory::take::<bool>(shape.elements());
        Compare::Ge.run(Operand::Slice(draw.values::<f64>()), Operand::One(self.p), &mut stays);
        let mask = dispatch_float!(dtype, T => {
            let mut mask = memory::take::<T>(shape.elements());
            choose(&stays, Operand::One(scale as T), Operand::One(0.0), &mut mask);
            Array::filled(mask, shape)
        }, otherwise => return Err(Error::dtype(format!("no values of type {dtype} were promised"))));
        memory::give(stays);
        let y = super::run_one(&super::arith::Mul, &[inputs[0], &mask])?;
        context.save(mask);
        Ok([y].into())
    }

    fn backward(&self, saved: &Saved, upstream: &[Option<Tensor>], needs: &Needs) -> Result<Gradients> {
        let Some(g) = &upstream[0] else { return Ok(needs.none()) };
        Ok([Some(g.mul(Tensor::from_array(saved.extra(0)?.clone()))?)].into_iter().collect())
    }

    fn formula(&self) -> Formula {
        Formula::rule("y = x·m, m = 0 with probability p, else 1/(1 − p)", ["∂L/∂x = g·m"])
    }
}

impl Tensor {
    /// Elements left out with probability p: see [`Dropout`].
    ///
    /// # Errors
    /// p isn't in 0…1, or the elements aren't floats.
    ///
    /// ```
    /// use chainrule::{tensor, Tensor};
    /// let y = Tensor::ones([8]).dropout(0.5)?;
    /// assert!(y.to_f64_vec().iter().all(|&y| y == 0.0 || y == 2.0));
    /// assert_eq!(tensor([1.0, 2.0]).dropout(0.0)?.to_string(), "tensor([1., 2.])");
    /// assert!(tensor([1.0]).dropout(1.5).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn dropout(&self, p: f64) -> Result<Tensor> {
        Tensor::apply(Dropout { p }, &[self])
    }

    /// Whole channels of `[n, channels, …]` left out with probability p, the others divided by 1 − p.
    ///
    /// # Errors
    /// p isn't in 0…1, or the shape has no channels.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// let y = Tensor::ones([1, 4, 3, 3]).channel_dropout(0.5)?;
    /// for channel in y.to_f64_vec().chunks(9) {
    ///     assert!(channel.iter().all(|y| y == &channel[0])); // all or nothing
    /// }
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn channel_dropout(&self, p: f64) -> Result<Tensor> {
        let shape = self.shape();
        if shape.rank() < 2 {
            return Err(
                Error::shape(format!("it needs [n, channels, …], not the shape {shape}")).at_gate("Dropout")
            );
        }
        let ones = (2..shape.rank()).fold(shape, |shape, dim| shape.with_size(dim, 1));
        let ones = Tensor::from_array(Array::ones_of(ones, self.dtype()));
        self.mul(&ones.dropout(p)?)
    }

    /// Elements set to −1.758 with probability p, and all scaled and shifted so that mean 0 and variance 1 stay
    /// (Klambauer et al., 2017).
    ///
    /// # Errors
    /// p isn't in 0…1, or the elements aren't floats.
    ///
    /// ```
    /// use chainrule::{manual_seed, Tensor};
    /// manual_seed(0);
    /// let y = Tensor::randn([10_000]).alpha_dropout(0.2)?;
    /// assert!(y.mean()?.item()?.abs() < 0.05);
    /// assert!((y.std(&[], 1.0, false)?.item()? - 1.0).abs() < 0.05);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    #[track_caller]
    pub fn alpha_dropout(&self, p: f64) -> Result<Tensor> {
        // What SELU tends to for −∞: −scale·α.
        const LOWEST: f64 = -1.758_099_340_847_376_6;
        let ones = Tensor::from_array(Array::ones_of(self.shape(), self.dtype()));
        // 1 where an element stays.
        let kept = ones.dropout(p)?.mul(1.0 - p)?;
        if p == 1.0 {
            return self.mul(&kept);
        }
        let scale = ((1.0 - p) * (1.0 + p * LOWEST * LOWEST)).sqrt().recip();
        let left_out = kept.neg()?.add(1.0)?.mul(LOWEST)?;
        self.mul(&kept)?.add(&left_out)?.mul(scale)?.add(-scale * p * LOWEST)
    }
}
