//! Networks that classify images, with what is done to an image before it.

use std::path::Path;

use super::{Arch, Settings, Takes, TrainedModel, checkpoint};
use crate::array::{Array, Generator};
use crate::data::Transform;
use crate::error::{Error, Result};
use crate::io::{load_tensors, save_tensors};
use crate::nn::Module;
use crate::tensor::{Tensor, no_grad};

impl Arch {
    /// The name that torchvision would give a parameter, for one of Caffe's names (`conv1`, `fire2`, `conv_final`).
    pub(super) fn own_name(self, name: &str) -> String {
        let Some((layer, rest)) = name.split_once('.') else { return name.to_string() };
        let place = match (self, layer) {
            (Arch::SqueezeNet10Caffe, "conv1") => "features.0".to_string(),
            (Arch::SqueezeNet10Caffe, "conv_final") => "classifier.1".to_string(),
            (Arch::SqueezeNet10Caffe, fire) => {
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
/// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{Arch, ImageClassifier}};
/// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
/// # network.set_training(false);
/// let classifier = ImageClassifier {
///     arch: Arch::SqueezeNet11,
///     network: Box::new(network),
///     classes: None,
///     preprocessing: vec![Transform::Float { divisor: 255.0 }],
/// };
/// let p = classifier.classify(&Array::full_of([3, 32, 32], 200, DType::U8))?;
/// assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct ImageClassifier {
    /// Its kind.
    pub arch: Arch,
    /// The network, in evaluation mode.
    pub network: Box<dyn Module>,
    /// What is done to an image `[3, height, width]` first.
    pub preprocessing: Vec<Transform>,
    /// The names of the classes, where the file says them.
    pub classes: Option<Vec<String>>,
}

/// The texts about a network in its file.
const ARCH: &str = "arch";
const PREPROCESSING: &str = "preprocessing";

impl ImageClassifier {
    /// Reads a network from a file of any format that [`load_tensors`] reads, in torchvision's names or, for Caffe's
    /// SqueezeNet, in Caffe's.
    ///
    /// A file that [`ImageClassifier::save`] or a run wrote says itself which network it holds and what is done to
    /// images; a run's folder will do, too.
    ///
    /// # Errors
    /// The file can't be read, it doesn't say which network it holds and `arch` doesn't either, or the parameters are
    /// another network's.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{Arch, ImageClassifier}};
    /// # let name = format!("chainrule-doc-classifier-load-{}.safetensors", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// # network.set_training(false);
    /// let classifier = ImageClassifier {
    ///     arch: Arch::SqueezeNet11,
    ///     network: Box::new(network),
    ///     classes: None,
    ///     preprocessing: vec![Transform::Float { divisor: 255.0 }],
    /// };
    /// classifier.save(&path)?;
    /// let loaded = ImageClassifier::load(&path, None)?; // the file says what it holds
    /// assert_eq!((loaded.arch, loaded.preprocessing.len()), (Arch::SqueezeNet11, 1));
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>, arch: Option<Arch>) -> Result<ImageClassifier> {
        let path = path.as_ref();
        if path.is_dir() {
            return ImageClassifier::of_run(TrainedModel::load(path)?, path);
        }
        let (tensors, about) = load_tensors(path)?;
        let text = |key: &str| about.iter().find(|(name, _)| name == key).map(|(_, text)| text);
        if text(checkpoint::ABOUT).is_some() {
            return ImageClassifier::of_run(TrainedModel::load(path)?, path);
        }
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
        if arch.takes() != Takes::Images {
            return Err(Error::argument(format!("{arch} is no network for images")).path(path));
        }
        let last = named.iter().find(|(name, _)| name == arch.last_bias());
        let classes =
            last.map(|(_, bias)| bias.elements()).filter(|&classes| classes > 0).ok_or_else(|| {
                Error::argument(format!(
                    "the parameters are another network's: there is no {}",
                    arch.last_bias()
                ))
                .path(path)
            })?;
        let size = arch.image_size();
        let network = arch.build(&Settings::default(), &[3, size, size], classes, &mut Generator::new(0))?;
        network.load_parameters(&named).map_err(|e| e.path(path))?;
        network.set_training(false);
        Ok(ImageClassifier { arch, network, preprocessing, classes: None })
    }

    /// The network of a run.
    fn of_run(model: TrainedModel, path: &Path) -> Result<ImageClassifier> {
        let TrainedModel { network, preparation, classes, settings, .. } = model;
        let steps = preparation.for_photos().map_err(|e| e.path(path).hint("give it a table with --data"))?;
        Ok(ImageClassifier { arch: settings.arch, network, preprocessing: steps, classes: Some(classes) })
    }

    /// Writes the network with its kind and its preprocessing, so that the file alone classifies images.
    ///
    /// # Errors
    /// The file can't be written.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{Arch, ImageClassifier}};
    /// # let name = format!("chainrule-doc-classifier-save-{}.safetensors", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// # network.set_training(false);
    /// let classifier = ImageClassifier {
    ///     arch: Arch::SqueezeNet11,
    ///     network: Box::new(network),
    ///     classes: None,
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
        let arch = self.arch.name().to_string();
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
    /// use chainrule::{data::Transform, models::SqueezeNet, nn::Module, train::{Arch, ImageClassifier}};
    /// # let network = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// # network.set_training(false);
    /// let classifier = ImageClassifier {
    ///     arch: Arch::SqueezeNet11,
    ///     network: Box::new(network),
    ///     classes: None,
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
        let own = |name| Arch::SqueezeNet10Caffe.own_name(name);
        assert_eq!(own("fire4.squeeze.bias"), "features.5.squeeze.bias");
        assert_eq!(own("fire5.squeeze.bias"), "features.7.squeeze.bias");
        assert_eq!(own("fire9.expand1x1.weight"), "features.12.expand1x1.weight");
        assert_eq!(own("conv_final.weight"), "classifier.1.weight");
        assert_eq!(own("features.0.weight"), "features.0.weight");
        assert_eq!(Arch::SqueezeNet10.own_name("conv1.weight"), "conv1.weight");
    }
}
