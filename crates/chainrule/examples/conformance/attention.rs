//! Softmax and attention.

use chainrule::ops::Attention;
use chainrule::{DType, Tensor};

use crate::arguments::as_type;
use crate::table::operators;

operators! {
    "softmax" | "softmax.with_dtype"(x: Tensor, dim: isize, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.softmax(dim);
    "log_softmax" | "log_softmax.with_dtype"(x: Tensor, dim: isize, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.log_softmax(dim);
    "nn.functional.softmin" | "nn.functional.softmin.with_dtype"(x: Tensor, dim: isize, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.softmin(dim);
    "torch.ops.aten._safe_softmax.default"(x: Tensor, dim: isize, dtype: Option<DType> = None)
        => as_type(&x, dtype)?.safe_softmax(dim);
    "_softmax_backward_data"(g: Tensor, y: Tensor, dim: isize, input_dtype: DType)
        => {
            let weighted = g.mul(&y)?;
            weighted.sub(&y.mul(&weighted.sum_dim(&[dim], true)?)?)?.cast(input_dtype)
        };
    "nn.functional.scaled_dot_product_attention"(
        q: Tensor, key: Tensor, value: Tensor, attn_mask: Option<Tensor> = None, dropout_p: f64 = 0.0,
        is_causal: bool = false, scale: Option<f64> = None, enable_gqa: bool = false
    ) => q.scaled_dot_product_attention(&key, &value, &Attention {
        mask: attn_mask.as_ref(), causal: is_causal, dropout: dropout_p, scale, grouped: enable_gqa,
    });
    "torch.ops.aten._scaled_dot_product_flash_attention_for_cpu"(
        q: Tensor, key: Tensor, value: Tensor, dropout_p: f64 = 0.0, is_causal: bool = false,
        attn_mask: Option<Tensor> = None, scale: Option<f64> = None
    ) => q.scaled_dot_product_attention_with_logsumexp(&key, &value, &Attention {
        mask: attn_mask.as_ref(), causal: is_causal, dropout: dropout_p, scale, grouped: false,
    });
    "nn.functional.bilinear"(x: Tensor, other: Tensor, weight: Tensor, bias: Option<Tensor> = None)
        => x.bilinear(&other, &weight, bias.as_ref());
}
