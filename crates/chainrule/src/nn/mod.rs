//! Layers: modules with named parameters.

mod attention;
pub mod init;
mod layers;
mod load;
mod module;
mod norm;
mod scope;
mod spatial;
mod summary;

pub use attention::{MultiheadAttention, attention};
pub use layers::{
    Activation, Dropout, Embedding, Flatten, Identity, Linear, ModuleList, Residual, Sequential,
};
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
