//! Losses.

use chainrule::Tensor;
use chainrule::gate::softmax::{CrossEntropy, Reduction};
use chainrule::ops::{Ctc, Triplet};

use crate::arguments::Lengths;
use crate::table::operators;

const MEAN: Reduction = Reduction::Mean;

fn options(
    weight: Option<Tensor>,
    ignore_index: isize,
    label_smoothing: f64,
    reduction: Reduction,
) -> CrossEntropy {
    CrossEntropy {
        weight: weight.map(|weight| weight.to_f64_vec()),
        ignore_index: ignore_index as i64,
        label_smoothing,
        reduction,
    }
}

/// `batchmean` is the sum over the number of examples.
fn kl_div(x: &Tensor, target: &Tensor, reduction: &str, log_target: bool) -> chainrule::Result<Tensor> {
    match reduction {
        "batchmean" => {
            let examples = x.shape().first().copied().unwrap_or(1);
            x.kl_div(target, Reduction::Sum, log_target)?.div(examples as f64)
        }
        other => x.kl_div(target, other.parse()?, log_target),
    }
}

operators! {
    "nn.functional.mse_loss"(x: Tensor, target: Tensor, reduction: Reduction = MEAN) => x.mse_loss_with(&target, reduction);
    "nn.functional.l1_loss"(x: Tensor, target: Tensor, reduction: Reduction = MEAN) => x.l1_loss(&target, reduction);
    "nn.functional.smooth_l1_loss"(x: Tensor, target: Tensor, reduction: Reduction = MEAN, beta: f64 = 1.0)
        => x.smooth_l1_loss(&target, beta, reduction);
    "nn.functional.huber_loss"(x: Tensor, target: Tensor, reduction: Reduction = MEAN, delta: f64 = 1.0)
        => x.huber_loss(&target, delta, reduction);
    "nn.functional.binary_cross_entropy"(x: Tensor, target: Tensor, weight: Option<Tensor> = None, reduction: Reduction = MEAN)
        => x.binary_cross_entropy_weighted(&target, weight.as_ref(), reduction);
    "nn.functional.binary_cross_entropy_with_logits"(
        x: Tensor, target: Tensor, weight: Option<Tensor> = None, reduction: Reduction = MEAN, pos_weight: Option<Tensor> = None
    ) => x.binary_cross_entropy_with_logits_weighted(&target, weight.as_ref(), pos_weight.as_ref(), reduction);
    "nn.functional.cross_entropy"(
        x: Tensor, target: Tensor, weight: Option<Tensor> = None, ignore_index: isize = -100, reduction: Reduction = MEAN,
        label_smoothing: f64 = 0.0
    ) => x.cross_entropy_with(&target, &options(weight, ignore_index, label_smoothing, reduction));
    "nn.functional.linear_cross_entropy"(
        x: Tensor, linear_weight: Tensor, target: Tensor, linear_bias: Option<Tensor> = None, weight: Option<Tensor> = None,
        reduction: Reduction = MEAN, ignore_index: Option<isize> = None, label_smoothing: f64 = 0.0
    ) => x.linear_cross_entropy(&linear_weight, linear_bias.as_ref(), &target,
        &options(weight, ignore_index.unwrap_or(-100), label_smoothing, reduction));
    "nn.functional.ctc_loss"(
        x: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths, blank: isize = 0, reduction: Reduction = MEAN,
        zero_infinity: bool = false
    ) => x.ctc_loss(&targets, &input_lengths.0, &target_lengths.0, &Ctc { blank: blank as usize, reduction, zero_infinity });
    "nn.functional.nll_loss"(
        x: Tensor, target: Tensor, weight: Option<Tensor> = None, ignore_index: isize = -100, reduction: Reduction = MEAN
    ) => x.nll_loss_with(&target, &options(weight, ignore_index, 0.0, reduction));
    "nn.functional.kl_div"(x: Tensor, target: Tensor, reduction: String = "mean".into(), log_target: bool = false)
        => kl_div(&x, &target, &reduction, log_target);
    "nn.functional.poisson_nll_loss"(
        x: Tensor, target: Tensor, log_input: bool = true, full: bool = false, eps: f64 = 1e-8, reduction: Reduction = MEAN
    ) => x.poisson_nll_loss(&target, log_input, full, eps, reduction);
    "nn.functional.gaussian_nll_loss"(
        x: Tensor, target: Tensor, var: Tensor, full: bool = false, eps: f64 = 1e-6, reduction: Reduction = MEAN
    ) => x.gaussian_nll_loss(&target, &var, full, eps, reduction);
    "nn.functional.hinge_embedding_loss"(x: Tensor, target: Tensor, margin: f64 = 1.0, reduction: Reduction = MEAN)
        => x.hinge_embedding_loss(&target, margin, reduction);
    "nn.functional.margin_ranking_loss"(
        x: Tensor, other: Tensor, target: Tensor, margin: f64 = 0.0, reduction: Reduction = MEAN
    ) => x.margin_ranking_loss(&other, &target, margin, reduction);
    "nn.functional.soft_margin_loss"(x: Tensor, target: Tensor, reduction: Reduction = MEAN)
        => x.soft_margin_loss(&target, reduction);
    "nn.functional.multilabel_soft_margin_loss"(
        x: Tensor, target: Tensor, weight: Option<Tensor> = None, reduction: Reduction = MEAN
    ) => x.multilabel_soft_margin_loss(&target, weight.as_ref(), reduction);
    "nn.functional.multi_margin_loss"(
        x: Tensor, target: Tensor, p: isize = 1, margin: f64 = 1.0, weight: Option<Tensor> = None, reduction: Reduction = MEAN
    ) => x.multi_margin_loss(&target, p as i64, margin, weight.as_ref(), reduction);
    "nn.functional.multilabel_margin_loss"(x: Tensor, target: Tensor, reduction: Reduction = MEAN)
        => x.multilabel_margin_loss(&target, reduction);
    "nn.functional.triplet_margin_loss"(
        anchor: Tensor, positive: Tensor, negative: Tensor, margin: f64 = 1.0, p: f64 = 2.0, eps: f64 = 1e-6,
        swap: bool = false, reduction: Reduction = MEAN
    ) => anchor.triplet_margin_loss(&positive, &negative, &Triplet { margin, p, eps, swap, reduction });
    "nn.functional.cosine_embedding_loss"(
        x: Tensor, other: Tensor, target: Tensor, margin: f64 = 0.0, reduction: Reduction = MEAN
    ) => x.cosine_embedding_loss(&other, &target, margin, reduction);
}
