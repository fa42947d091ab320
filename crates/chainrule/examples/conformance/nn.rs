//! Convolutions, pooling, normalisation layers, embeddings, resizing of images.

use chainrule::Tensor;

use crate::table::operators;

operators! {
    "nn.functional.embedding"(weight: Tensor, indices: Tensor) => weight.embedding(&indices, None);
}
