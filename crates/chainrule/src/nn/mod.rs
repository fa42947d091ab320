//! Layers: modules with named parameters.
//!
//! ```
//! use chainrule::nn::{Activation, Linear, Module, Sequential};
//! use chainrule::optim::{Adam, Optimizer};
//! use chainrule::{tensor, DType, Generator};
//! // Exclusive or, learned by two layers.
//! let mut generator = Generator::new(1);
//! let net = Sequential::new()
//!     .push(Linear::new(2, 8, &mut generator))
//!     .push(Activation::Tanh)
//!     .push(Linear::new(8, 1, &mut generator));
//! let x = tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//! let y = tensor([[0.0], [1.0], [1.0], [0.0]]);
//! let mut adam = Adam::new(&net.parameters(), 0.05);
//! for _ in 0..200 {
//!     adam.zero_grad();
//!     net.call(&x)?.binary_cross_entropy_with_logits(&y)?.backward()?;
//!     adam.step()?;
//! }
//! assert_eq!(net.call(&x)?.gt(0.0)?.cast(DType::F32)?.to_f64_vec(), y.to_f64_vec());
//! # Ok::<(), chainrule::Error>(())
//! ```

mod attention;
mod checkpoint;
mod containers;
mod graph;
mod hooks;
pub mod init;
mod layers;
mod load;
mod module;
mod norm;
mod pointers;
mod scope;
mod spatial;
mod summary;

pub use attention::{MultiheadAttention, attention};
pub use checkpoint::checkpoint_sequential;
pub use containers::{ModuleList, Residual, Sequential};
pub use hooks::{Hooked, ModuleHooks};
pub use layers::{Activation, Dropout, Embedding, Flatten, Identity, Linear};
pub use load::LoadReport;
pub use module::{Module, Owned, current};
pub use norm::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormNd, GroupNorm, InstanceNorm1d, InstanceNorm2d,
    InstanceNorm3d, InstanceNormNd, LayerNorm, LocalResponseNorm, RmsNorm,
};
pub use spatial::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveAvgPoolNd, AdaptiveMaxPool1d,
    AdaptiveMaxPool2d, AdaptiveMaxPool3d, AdaptiveMaxPoolNd, AvgPool1d, AvgPool2d, AvgPool3d, AvgPoolNd,
    Conv1d, Conv2d, Conv3d, ConvNd, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeNd,
    MaxPool1d, MaxPool2d, MaxPool3d, MaxPoolNd, Pad,
};
pub use summary::{LayerRow, Summary};
