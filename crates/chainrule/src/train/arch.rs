//! Networks by name: what each takes, how it is built, and what its makers did to images.

use super::Settings;
use super::choice::choices;
use crate::array::Generator;
use crate::data::{Filter, Transform};
use crate::error::{Error, Result};
use crate::models::{CharGpt, GptSizes, Mlp, VisionSizes, VisionTransformer, by_name};
use crate::nn::{Activation, Module};

choices! {
    /// A network by its kind.
    ///
    /// ```
    /// use chainrule::{nn::Module, train::{Arch, Settings}};
    /// let settings = Settings { arch: Arch::Softmax, ..Settings::default() };
    /// assert_eq!(settings.network(&[64], 10)?.parameter_count(), 650);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub enum Arch {
        /// one linear layer
        Softmax = "softmax",
        /// linear layers with ReLU between them
        Mlp = "mlp",
        /// LeNet-5, for small images
        LeNet = "lenet",
        /// torchvision's AlexNet
        AlexNet = "alexnet",
        /// AlexNet of 2012 in one column, with local response normalisation
        AlexNet2012 = "alexnet2012",
        /// torchvision's SqueezeNet 1.0
        SqueezeNet10 = "squeezenet1_0",
        /// Caffe's SqueezeNet 1.0: blue first, last convolution padded
        SqueezeNet10Caffe = "squeezenet1_0_caffe",
        /// torchvision's SqueezeNet 1.1
        SqueezeNet11 = "squeezenet1_1",
        /// torchvision's ResNet18
        ResNet18 = "resnet18",
        /// a small Vision Transformer
        Vit = "vit",
        /// a small GPT that writes text character by character
        CharGpt = "chargpt",
    }
}

/// What a network takes.
///
/// ```
/// use chainrule::train::{Arch, Takes};
/// assert_eq!(Arch::CharGpt.takes(), Takes::Characters);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Numbers in a row, `[n, features]`
    Features,
    /// Images, `[n, channels, height, width]`
    Images,
    /// Places in an alphabet, `[n, length]`
    Characters,
}

impl Arch {
    /// The network of this name.
    ///
    /// # Errors
    /// There is none; those that there are are listed.
    ///
    /// ```
    /// use chainrule::train::Arch;
    /// assert_eq!(Arch::of_name("vit")?, Arch::Vit);
    /// assert!(Arch::of_name("vgg").unwrap_err().to_string().contains("alexnet"));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn of_name(name: &str) -> Result<Arch> {
        Arch::ALL.iter().copied().find(|arch| arch.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Arch::ALL.iter().map(|arch| arch.name()).collect();
            Error::argument(format!("there is no network {name:?}; there are {}", names.join(", ")))
        })
    }

    /// What it takes.
    ///
    /// ```
    /// use chainrule::train::{Arch, Takes};
    /// assert_eq!((Arch::Mlp.takes(), Arch::LeNet.takes()), (Takes::Features, Takes::Images));
    /// ```
    pub fn takes(self) -> Takes {
        match self {
            Arch::Softmax | Arch::Mlp => Takes::Features,
            Arch::CharGpt => Takes::Characters,
            _ => Takes::Images,
        }
    }

    /// Whether it only takes images of three channels.
    pub(super) fn takes_colour(self) -> bool {
        !matches!(self, Arch::Softmax | Arch::Mlp | Arch::LeNet | Arch::Vit | Arch::CharGpt)
    }

    /// Height and width of the images that it was made for.
    ///
    /// ```
    /// use chainrule::train::Arch;
    /// assert_eq!((Arch::LeNet.image_size(), Arch::AlexNet.image_size()), (28, 224));
    /// ```
    pub fn image_size(self) -> usize {
        match self {
            Arch::LeNet => 28,
            Arch::AlexNet2012 | Arch::SqueezeNet10Caffe => 227,
            Arch::AlexNet | Arch::SqueezeNet10 | Arch::SqueezeNet11 | Arch::ResNet18 => 224,
            _ => 32,
        }
    }

    /// The smallest height and width that pass its layers.
    pub(super) fn least_size(self) -> usize {
        match self {
            Arch::LeNet => 28,
            Arch::AlexNet => 63,
            Arch::AlexNet2012 => 67,
            Arch::SqueezeNet10 | Arch::SqueezeNet10Caffe | Arch::SqueezeNet11 | Arch::ResNet18 => 32,
            _ => 1,
        }
    }

    /// The fresh network for examples of this shape.
    pub(super) fn build(
        self,
        settings: &Settings,
        example: &[usize],
        classes: usize,
        g: &mut Generator,
    ) -> Result<Box<dyn Module>> {
        let (channels, side) = match *example {
            [channels, height, width] if height == width => (channels, height),
            _ => (0, 0),
        };
        if self.takes() == Takes::Images && channels == 0 {
            return Err(Error::shape(format!("{self} takes square images, and an example is {example:?}")));
        }
        Ok(match self {
            Arch::Mlp => {
                let features = [example.iter().product()];
                let sizes: Vec<usize> =
                    features.into_iter().chain(settings.hidden.iter().copied()).chain([classes]).collect();
                Box::new(Mlp::build(&sizes, Activation::Relu, g)?)
            }
            Arch::Vit => {
                let Settings { width, heads, depth, .. } = *settings;
                let patch = settings.patch.unwrap_or(if side >= 16 { 4 } else { 2 });
                let sizes = VisionSizes { channels, image: side, patch, width, heads, depth, classes };
                Box::new(VisionTransformer::new(sizes, g)?)
            }
            Arch::CharGpt => {
                let Settings { width, heads, depth, length, .. } = *settings;
                Box::new(CharGpt::new(GptSizes { characters: classes, length, width, heads, depth }, g)?)
            }
            _ => by_name(self.name())?.build_for(example, classes, g)?,
        })
    }

    /// The parameter with an element for each class, of networks for photos.
    pub(super) fn last_bias(self) -> &'static str {
        match self {
            Arch::AlexNet | Arch::AlexNet2012 => "classifier.6.bias",
            Arch::ResNet18 => "fc.bias",
            Arch::SqueezeNet10 | Arch::SqueezeNet10Caffe | Arch::SqueezeNet11 => "classifier.1.bias",
            Arch::LeNet => "11.bias",
            Arch::Vit => "heads.head.bias",
            Arch::Softmax | Arch::Mlp | Arch::CharGpt => "",
        }
    }

    /// What the network's makers did to photos.
    ///
    /// ```
    /// use chainrule::{Array, DType};
    /// use chainrule::{data::Transform, train::Arch};
    /// let photo = Array::full_of([3, 300, 451], 200, DType::U8);
    /// let input = Transform::all(&Arch::ResNet18.preprocessing(), photo)?;
    /// assert_eq!(*input.shape(), [3, 224, 224]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn preprocessing(self) -> Vec<Transform> {
        let filter = Filter::Bilinear;
        match self {
            Arch::SqueezeNet10Caffe => vec![
                Transform::Square,
                Transform::Resize { height: 227, width: 227, filter },
                Transform::ReverseChannels,
                Transform::Float { divisor: 1.0 },
                Transform::Normalise { mean: vec![104.0, 117.0, 123.0], deviation: vec![1.0; 3] },
            ],
            _ => {
                let size = self.image_size();
                vec![
                    // Torchvision's 256 for 224.
                    Transform::ResizeShorter { size: size * 8 / 7, filter },
                    Transform::CenterCrop { height: size, width: size },
                    Transform::Float { divisor: 255.0 },
                    imagenet(),
                ]
            }
        }
    }
}

/// Mean and deviation of ImageNet's photos, red, green and blue.
pub(super) fn imagenet() -> Transform {
    Transform::Normalise { mean: vec![0.485, 0.456, 0.406], deviation: vec![0.229, 0.224, 0.225] }
}
