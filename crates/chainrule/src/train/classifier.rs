//! Networks that classify images, with what is done to an image before it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::array::{Array, Generator};
use crate::data::{Filter, Transform};
use crate::error::{Error, Result};
use crate::io::{load_tensors, save_tensors};
use crate::models::{AlexNet, ResNet18, SqueezeNet};
use crate::nn::{Module, Sequential};
use crate::tensor::{Tensor, no_grad};

/// A network for images by its kind.
///
/// ```
/// use chainrule::train::ImageArch;
/// assert_ne!(ImageArch::SqueezeNet10Caffe.preprocessing(), ImageArch::SqueezeNet10.preprocessing());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageArch {
    /// Caffe's SqueezeNet 1.0: blue first, last convolution padded
    #[serde(rename = "squeezenet1_0_caffe")]
    SqueezeNet10Caffe,
    /// torchvision's SqueezeNet 1.0
    #[serde(rename = "squeezenet1_0")]
    SqueezeNet10,
    /// torchvision's SqueezeNet 1.1
    #[serde(rename = "squeezenet1_1")]
    SqueezeNet11,
    /// torchvision's AlexNet
    #[serde(rename = "alexnet")]
    AlexNet,
    /// torchvision's ResNet18
    #[serde(rename = "resnet18")]
    ResNet18,
}

impl ImageArch {
    fn network(self, classes: usize) -> Result<Sequential> {
        let mut generator = Generator::new(0);
        match self {
            ImageArch::SqueezeNet10Caffe => SqueezeNet::v1_0_caffe(classes, &mut generator),
            ImageArch::SqueezeNet10 => SqueezeNet::v1_0(classes, &mut generator),
            ImageArch::SqueezeNet11 => SqueezeNet::v1_1(classes, &mut generator),
            ImageArch::AlexNet => AlexNet::build(classes, &mut generator),
            ImageArch::ResNet18 => ResNet18::build(classes, &mut generator),
        }
    }

    /// The parameter with an element for each class.
    fn last_bias(self) -> &'static str {
        match self {
            ImageArch::AlexNet => "classifier.6.bias",
            ImageArch::ResNet18 => "fc.bias",
            _ => "classifier.1.bias",
        }
    }

    /// What the network's makers did to images.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// use chainrule::{data::Transform, train::ImageArch};
    /// let photo = Array::full_of([3, 300, 451], 200, DType::U8);
    /// let input = Transform::all(&ImageArch::ResNet18.preprocessing(), photo)?;
    /// assert_eq!(*input.shape(), [3, 224, 224]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn preprocessing(self) -> Vec<Transform> {
        let filter = Filter::Bilinear;
        match self {
            ImageArch::SqueezeNet10Caffe => vec![
                Transform::Square,
                Transform::Resize { height: 227, width: 227, filter },
                Transform::ReverseChannels,
                Transform::Float { divisor: 1.0 },
                Transform::Normalise { mean: vec![104.0, 117.0, 123.0], deviation: vec![1.0; 3] },
            ],
            _ => vec![
                Transform::ResizeShorter { size: 256, filter },
                Transform::CenterCrop { height: 224, width: 224 },
                Transform::Float { divisor: 255.0 },
                Transform::Normalise {
                    mean: vec![0.485, 0.456, 0.406],
                    deviation: vec![0.229, 0.224, 0.225],
                },
            ],
        }
    }

    /// The name that torchvision would give a parameter, for one of Caffe's names (`conv1`, `fire2`, `conv_final`).
    fn own_name(self, name: &str) -> String {
        let Some((layer, rest)) = name.split_once('.') else { return name.to_string() };
        let place = match (self, layer) {
            (ImageArch::SqueezeNet10Caffe, "conv1") => "features.0".to_string(),
            (ImageArch::SqueezeNet10Caffe, "conv_final") => "classifier.1".to_string(),
            (ImageArch::SqueezeNet10Caffe, fire) => {
                match fire.strip_prefix("fire").map(str::parse::<usize>) {
                    // A pooling layer stands before fire5 and before fire9.
                    Some(Ok(number @ 2..=9)) => {
                        format!(
                            "features.{}",
                            number + 1 + usize::from(number >= 5) + usize::from(number >= 9)
                        )
                    }
                    _ => return name.to_string(),
                }
            }
            _ => return name.to_string(),
        };
        format!("{place}.{rest}")
    }
}

/// A trained network for images.
///
/// ```
/// use chainrule::{Array, DType, Generator};
/// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{ImageArch, ImageClassifier}};
/// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
/// # network.set_training(false);
/// let classifier = ImageClassifier {
///     arch: ImageArch::SqueezeNet11,
///     network,
///     preprocessing: vec![Transform::Float { divisor: 255.0 }],
/// };
/// let p = classifier.classify(&Array::full_of([3, 32, 32], 200, DType::U8))?;
/// assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct ImageClassifier {
    /// Its kind.
    pub arch: ImageArch,
    /// The network, in evaluation mode.
    pub network: Sequential,
    /// What is done to an image `[3, height, width]` first.
    pub preprocessing: Vec<Transform>,
}

/// The texts about a network in its file.
const ARCH: &str = "arch";
const PREPROCESSING: &str = "preprocessing";

impl ImageClassifier {
    /// Reads a network from a file of any format that [`load_tensors`] reads, in torchvision's names or, for Caffe's
    /// SqueezeNet, in Caffe's.
    ///
    /// A file that [`ImageClassifier::save`] wrote says itself which network it holds and what is done to images.
    ///
    /// # Errors
    /// The file can't be read, it doesn't say which network it holds and `arch` doesn't either, or the parameters are
    /// another network's.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{ImageArch, ImageClassifier}};
    /// # let name = format!("chainrule-doc-classifier-load-{}.safetensors", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// # network.set_training(false);
    /// let classifier = ImageClassifier {
    ///     arch: ImageArch::SqueezeNet11,
    ///     network,
    ///     preprocessing: vec![Transform::Float { divisor: 255.0 }],
    /// };
    /// classifier.save(&path)?;
    /// let loaded = ImageClassifier::load(&path, None)?; // the file says what it holds
    /// assert_eq!((loaded.arch, loaded.preprocessing.len()), (ImageArch::SqueezeNet11, 1));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>, arch: Option<ImageArch>) -> Result<ImageClassifier> {
        let path = path.as_ref();
        let (tensors, about) = load_tensors(path)?;
        let text = |key: &str| about.iter().find(|(name, _)| name == key).map(|(_, text)| text);
        let stored = text(ARCH).and_then(|name| serde_json::from_value(name.as_str().into()).ok());
        let arch = arch.or(stored).ok_or_else(|| {
            Error::argument("the file doesn't say which network it holds")
                .path(path)
                .hint("name it with --arch")
        })?;
        let preprocessing = match text(PREPROCESSING) {
            None => arch.preprocessing(),
            Some(steps) => serde_json::from_str(steps).map_err(|e| {
                Error::format(path, format!("the preprocessing stored with the network is broken: {e}"))
            })?,
        };
        // PyTorch counts batches beside the running statistics; the count decides nothing here.
        let counted = |name: &String| name.ends_with(".num_batches_tracked");
        let named: Vec<(String, Tensor)> = tensors
            .into_iter()
            .filter(|(name, _)| !counted(name))
            .map(|(name, array)| (arch.own_name(&name), Tensor::from_array(array)))
            .collect();
        let last = named.iter().find(|(name, _)| name == arch.last_bias());
        let classes =
            last.map(|(_, bias)| bias.elements()).filter(|&classes| classes > 0).ok_or_else(|| {
                Error::argument(format!(
                    "the parameters are another network's: there is no {}",
                    arch.last_bias()
                ))
                .path(path)
            })?;
        let network = arch.network(classes)?;
        network.load_parameters(&named).map_err(|e| e.path(path))?;
        network.set_training(false);
        Ok(ImageClassifier { arch, network, preprocessing })
    }

    /// Writes the network with its kind and its preprocessing, so that the file alone classifies images.
    ///
    /// # Errors
    /// The file can't be written.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{ImageArch, ImageClassifier}};
    /// # let name = format!("chainrule-doc-classifier-save-{}.safetensors", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// # network.set_training(false);
    /// let classifier = ImageClassifier {
    ///     arch: ImageArch::SqueezeNet11,
    ///     network,
    ///     preprocessing: vec![Transform::Float { divisor: 255.0 }],
    /// };
    /// classifier.save(&path)?;
    /// let (_, about) = chainrule::io::load_tensors(&path)?;
    /// assert_eq!(about[0], ("arch".to_string(), "squeezenet1_1".to_string()));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text =
            |value: serde_json::Result<String>| value.map_err(|e| Error::argument(e.to_string()).path(path));
        let arch = text(serde_json::to_string(&self.arch))?.trim_matches('"').to_string();
        let steps = text(serde_json::to_string(&self.preprocessing))?;
        let all = self.network.named_parameters().into_iter().chain(self.network.named_buffers());
        let tensors: Vec<(String, Array)> = all.map(|(name, tensor)| (name, tensor.array())).collect();
        save_tensors(path, &tensors, &[(ARCH.into(), arch), (PREPROCESSING.into(), steps)])
    }

    /// The probability of each class for an image `[3, height, width]` of any size.
    ///
    /// # Errors
    /// The array is no such image.
    ///
    /// ```
    /// use chainrule::{Array, DType, Generator};
    /// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{ImageArch, ImageClassifier}};
    /// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// # network.set_training(false);
    /// let classifier = ImageClassifier {
    ///     arch: ImageArch::SqueezeNet11,
    ///     network,
    ///     preprocessing: vec![Transform::Float { divisor: 255.0 }],
    /// };
    /// assert_eq!(classifier.classify(&Array::full_of([3, 40, 32], 200, DType::U8))?.len(), 2);
    /// assert!(classifier.classify(&Array::zeros([40, 32])).is_err()); // no channels
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn classify(&self, image: &Array) -> Result<Vec<f32>> {
        let input = Transform::all(&self.preprocessing, image.clone())?.unsqueeze(0)?;
        no_grad(|| self.network.forward(&Tensor::from_array(input))?.softmax(1))?.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caffes_names_become_torchvisions() {
        let own = |name| ImageArch::SqueezeNet10Caffe.own_name(name);
        assert_eq!(own("fire4.squeeze.bias"), "features.5.squeeze.bias");
        assert_eq!(own("fire5.squeeze.bias"), "features.7.squeeze.bias");
        assert_eq!(own("fire9.expand1x1.weight"), "features.12.expand1x1.weight");
        assert_eq!(own("conv_final.weight"), "classifier.1.weight");
        assert_eq!(own("features.0.weight"), "features.0.weight");
        assert_eq!(ImageArch::SqueezeNet10.own_name("conv1.weight"), "conv1.weight");
    }
}
