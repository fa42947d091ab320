//! Networks that classify images: LeNet, AlexNet, SqueezeNet, ResNet.

use crate::array::{Array, Generator};
use crate::error::Result;
use crate::gate::{Conv, Window};
use crate::nn::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm,
    MaxPool2d, Module, Sequential, init,
};
use crate::tensor::Tensor;

const RELU: Activation = Activation::Relu;

fn padded(padding: usize) -> Conv {
    Conv::default().padding(padding)
}

/// Largest elements of windows of 3×3, two apart.
fn pool() -> MaxPool2d {
    MaxPool2d::new(Window::new(3).stride(2))
}

/// LeNet-5 (LeCun et al., 1998) with ReLU and max pooling.
///
/// Input `[n, channels, 28, 28]`, output `[n, classes]`, logits; 61,706 parameters for one channel and 10 classes,
/// named by the layers' places.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::{models::LeNet, nn::Module};
/// let net = LeNet::build(&mut Generator::new(0))?;
/// assert_eq!((net.parameter_count(), &net.state()[0].0[..]), (61_706, "0.weight"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LeNet;

impl LeNet {
    /// The network for MNIST: one channel, 10 classes.
    ///
    /// ```
    /// use chainrule::{models::LeNet, nn::Module, Generator, Tensor};
    /// let net = LeNet::build(&mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([2, 1, 28, 28]))?.shape(), [2, 10]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    pub fn build(g: &mut Generator) -> Result<Sequential> {
        LeNet::sized(1, 10, g)
    }

    /// The network for images of so many channels, and so many classes.
    ///
    /// ```
    /// use chainrule::{models::LeNet, nn::Module, Generator, Tensor};
    /// let net = LeNet::sized(3, 5, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([2, 3, 28, 28]))?.shape(), [2, 5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are no channels.
    ///
    /// ```
    /// use chainrule::{Generator, Tensor};
    /// use chainrule::{models::LeNet, nn::Module};
    /// let net = LeNet::sized(3, 5, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([2, 3, 28, 28]))?.shape(), [2, 5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn sized(channels: usize, classes: usize, g: &mut Generator) -> Result<Sequential> {
        Ok(Sequential::new()
            .push(Conv2d::new(channels, 6, 5, padded(2), g)?)
            .push(RELU)
            .push(MaxPool2d::new(Window::new(2)))
            .push(Conv2d::new(6, 16, 5, padded(0), g)?)
            .push(RELU)
            .push(MaxPool2d::new(Window::new(2)))
            .push(Flatten)
            .push(Linear::new(400, 120, g))
            .push(RELU)
            .push(Linear::new(120, 84, g))
            .push(RELU)
            .push(Linear::new(84, classes, g)))
    }
}

/// AlexNet (Krizhevsky, 2014, "One weird trick"), with torchvision's layers and names.
///
/// Input `[n, 3, 224, 224]` (or 227, or any size from 63 on), output `[n, classes]`, logits; 61,100,840
/// parameters for 1000 classes.
///
/// ```no_run
/// use chainrule::Generator;
/// use chainrule::{models::AlexNet, nn::Module};
/// let net = AlexNet::build(1000, &mut Generator::new(0))?;
/// assert_eq!((net.parameter_count(), &net.state()[0].0[..]), (61_100_840, "features.0.weight"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AlexNet;

impl AlexNet {
    /// The network for so many classes.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```no_run
    /// use chainrule::{Generator, Tensor};
    /// use chainrule::{models::AlexNet, nn::Module};
    /// let net = AlexNet::build(2, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([1, 3, 224, 224]))?.shape(), [1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn build(classes: usize, g: &mut Generator) -> Result<Sequential> {
        let features = Sequential::new()
            .push(Conv2d::new(3, 64, 11, padded(2).stride(4), g)?)
            .push(RELU)
            .push(pool())
            .push(Conv2d::new(64, 192, 5, padded(2), g)?)
            .push(RELU)
            .push(pool())
            .push(Conv2d::new(192, 384, 3, padded(1), g)?)
            .push(RELU)
            .push(Conv2d::new(384, 256, 3, padded(1), g)?)
            .push(RELU)
            .push(Conv2d::new(256, 256, 3, padded(1), g)?)
            .push(RELU)
            .push(pool());
        with_classifier(features, classes, g)
    }

    /// The network of 2012 (Krizhevsky, Sutskever and Hinton) in one column: more filters in the first layers,
    /// and local response normalisation after them. Input `[n, 3, 227, 227]`.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```no_run
    /// use chainrule::{Generator, Tensor};
    /// use chainrule::{models::AlexNet, nn::Module};
    /// let net = AlexNet::of_2012(1000, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([1, 3, 227, 227]))?.shape(), [1, 1000]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn of_2012(classes: usize, g: &mut Generator) -> Result<Sequential> {
        let normalise = || LocalResponseNorm { k: 2.0, ..LocalResponseNorm::new(5) };
        let features = Sequential::new()
            .push(Conv2d::new(3, 96, 11, Conv::default().stride(4), g)?)
            .push(RELU)
            .push(normalise())
            .push(pool())
            .push(Conv2d::new(96, 256, 5, padded(2), g)?)
            .push(RELU)
            .push(normalise())
            .push(pool())
            .push(Conv2d::new(256, 384, 3, padded(1), g)?)
            .push(RELU)
            .push(Conv2d::new(384, 384, 3, padded(1), g)?)
            .push(RELU)
            .push(Conv2d::new(384, 256, 3, padded(1), g)?)
            .push(RELU)
            .push(pool());
        with_classifier(features, classes, g)
    }
}

/// AlexNet's three linear layers behind its features.
fn with_classifier(features: Sequential, classes: usize, g: &mut Generator) -> Result<Sequential> {
    let classifier = Sequential::new()
        .push(Dropout::new(0.5)?)
        .push(Linear::new(256 * 6 * 6, 4096, g))
        .push(RELU)
        .push(Dropout::new(0.5)?)
        .push(Linear::new(4096, 4096, g))
        .push(RELU)
        .push(Linear::new(4096, classes, g));
    Ok(Sequential::new()
        .push_named("features", features)
        .push_named("avgpool", AdaptiveAvgPool2d::new([6, 6]))
        .push_named("flatten", Flatten)
        .push_named("classifier", classifier))
}

/// SqueezeNet's block: few filters of size 1, then many of sizes 1 and 3 side by side.
#[derive(Debug)]
struct Fire {
    squeeze: Conv2d,
    expand1x1: Conv2d,
    expand3x3: Conv2d,
}

impl Fire {
    fn new(channels: usize, squeeze: usize, expand: usize, g: &mut Generator) -> Result<Fire> {
        Ok(Fire {
            squeeze: he(channels, squeeze, 1, padded(0), g)?,
            expand1x1: he(squeeze, expand, 1, padded(0), g)?,
            expand3x3: he(squeeze, expand, 3, padded(1), g)?,
        })
    }
}

impl Module for Fire {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.squeeze.call(x)?.relu()?;
        Tensor::cat(&[&self.expand1x1.call(&x)?.relu()?, &self.expand3x3.call(&x)?.relu()?], 1)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![
            ("squeeze".into(), &self.squeeze),
            ("expand1x1".into(), &self.expand1x1),
            ("expand3x3".into(), &self.expand3x3),
        ]
    }
}

/// A convolution whose weights are initialised by Kaiming's uniform rule, and its bias to 0.
fn he(channels: usize, filters: usize, kernel: usize, options: Conv, g: &mut Generator) -> Result<Conv2d> {
    let mut layer = Conv2d::new(channels, filters, kernel, options, g)?;
    layer.weight = Tensor::leaf(init::kaiming_uniform(layer.weight.shape(), g), true);
    layer.bias = Some(Tensor::leaf(Array::zeros([filters]), true));
    Ok(layer)
}

/// SqueezeNet (Iandola et al., 2016), with torchvision's layers and names.
///
/// Input `[n, 3, 224, 224]`, output `[n, classes]`, logits; 1,248,424 parameters (1.0) or 1,235,496 (1.1) for
/// 1000 classes.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::{models::SqueezeNet, nn::Module};
/// let net = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
/// assert_eq!((net.parameter_count(), &net.state()[0].0[..]), (723_522, "features.0.weight"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SqueezeNet;

impl SqueezeNet {
    /// Version 1.0.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::{models::SqueezeNet, nn::Module};
    /// let net = SqueezeNet::v1_0(2, &mut Generator::new(0))?;
    /// assert_eq!(net.parameter_count(), 736_450);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn v1_0(classes: usize, g: &mut Generator) -> Result<Sequential> {
        SqueezeNet::first(classes, 0, g)
    }

    /// Version 1.0 as Caffe's model has it: the last convolution is padded.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::{models::SqueezeNet, nn::Module};
    /// let net = SqueezeNet::v1_0_caffe(2, &mut Generator::new(0))?;
    /// assert_eq!(net.state().last().unwrap().0, "classifier.1.bias");
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn v1_0_caffe(classes: usize, g: &mut Generator) -> Result<Sequential> {
        SqueezeNet::first(classes, 1, g)
    }

    fn first(classes: usize, last_padding: usize, g: &mut Generator) -> Result<Sequential> {
        let ceil = || MaxPool2d::new(Window::new(3).stride(2).ceil(true));
        let features = Sequential::new()
            .push(he(3, 96, 7, padded(0).stride(2), g)?)
            .push(RELU)
            .push(ceil())
            .push(Fire::new(96, 16, 64, g)?)
            .push(Fire::new(128, 16, 64, g)?)
            .push(Fire::new(128, 32, 128, g)?)
            .push(ceil())
            .push(Fire::new(256, 32, 128, g)?)
            .push(Fire::new(256, 48, 192, g)?)
            .push(Fire::new(384, 48, 192, g)?)
            .push(Fire::new(384, 64, 256, g)?)
            .push(ceil())
            .push(Fire::new(512, 64, 256, g)?);
        SqueezeNet::classified(features, classes, last_padding, g)
    }

    /// Version 1.1: as accurate with less than half of the work.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```
    /// use chainrule::{Generator, Tensor};
    /// use chainrule::{models::SqueezeNet, nn::Module};
    /// let net = SqueezeNet::v1_1(2, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([1, 3, 32, 32]))?.shape(), [1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn v1_1(classes: usize, g: &mut Generator) -> Result<Sequential> {
        let ceil = || MaxPool2d::new(Window::new(3).stride(2).ceil(true));
        let features = Sequential::new()
            .push(he(3, 64, 3, padded(0).stride(2), g)?)
            .push(RELU)
            .push(ceil())
            .push(Fire::new(64, 16, 64, g)?)
            .push(Fire::new(128, 16, 64, g)?)
            .push(ceil())
            .push(Fire::new(128, 32, 128, g)?)
            .push(Fire::new(256, 32, 128, g)?)
            .push(ceil())
            .push(Fire::new(256, 48, 192, g)?)
            .push(Fire::new(384, 48, 192, g)?)
            .push(Fire::new(384, 64, 256, g)?)
            .push(Fire::new(512, 64, 256, g)?);
        SqueezeNet::classified(features, classes, 0, g)
    }

    fn classified(
        features: Sequential,
        classes: usize,
        padding: usize,
        g: &mut Generator,
    ) -> Result<Sequential> {
        let mut last = he(512, classes, 1, padded(padding), g)?;
        last.weight = Tensor::leaf(init::normal(last.weight.shape(), 0.01, g), true);
        let classifier = Sequential::new()
            .push(Dropout::new(0.5)?)
            .push(last)
            .push(RELU)
            .push(AdaptiveAvgPool2d::new([1, 1]));
        Ok(Sequential::new()
            .push_named("features", features)
            .push_named("classifier", classifier)
            .push_named("flatten", Flatten))
    }
}

/// ResNet's basic block: two convolutions of 3×3 and a way around them.
#[derive(Debug)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Sequential>,
}

/// A convolution without bias whose weights are normally distributed for the outputs that they reach.
fn he_normal(
    channels: usize,
    filters: usize,
    kernel: usize,
    options: Conv,
    g: &mut Generator,
) -> Result<Conv2d> {
    let mut layer = Conv2d::new(channels, filters, kernel, options, g)?.without_bias();
    let deviation = (2.0 / (filters * kernel * kernel) as f64).sqrt();
    layer.weight = Tensor::leaf(init::normal(layer.weight.shape(), deviation, g), true);
    Ok(layer)
}

impl BasicBlock {
    fn new(channels: usize, filters: usize, stride: usize, g: &mut Generator) -> Result<BasicBlock> {
        let changes = stride != 1 || channels != filters;
        Ok(BasicBlock {
            conv1: he_normal(channels, filters, 3, padded(1).stride(stride), g)?,
            bn1: BatchNorm2d::new(filters)?,
            conv2: he_normal(filters, filters, 3, padded(1), g)?,
            bn2: BatchNorm2d::new(filters)?,
            downsample: match changes {
                false => None,
                true => Some(
                    Sequential::new()
                        .push(he_normal(channels, filters, 1, padded(0).stride(stride), g)?)
                        .push(BatchNorm2d::new(filters)?),
                ),
            },
        })
    }
}

impl Module for BasicBlock {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let inner = self.bn1.call(&self.conv1.call(x)?)?.relu()?;
        let inner = self.bn2.call(&self.conv2.call(&inner)?)?;
        let around = self.downsample.as_ref().map_or_else(|| Ok(x.clone()), |module| module.call(x))?;
        inner.add(&around)?.relu()
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        let mut all: Vec<(String, &dyn Module)> = vec![
            ("conv1".into(), &self.conv1),
            ("bn1".into(), &self.bn1),
            ("conv2".into(), &self.conv2),
            ("bn2".into(), &self.bn2),
        ];
        all.extend(self.downsample.iter().map(|module| ("downsample".into(), module as &dyn Module)));
        all
    }
}

/// ResNet with 18 layers (He et al., 2015), with torchvision's layers and names.
///
/// Input `[n, 3, 224, 224]` (or any size from 32 on), output `[n, classes]`, logits; 11,689,512 parameters for
/// 1000 classes.
///
/// ```no_run
/// use chainrule::Generator;
/// use chainrule::{models::ResNet18, nn::Module};
/// let net = ResNet18::build(1000, &mut Generator::new(0))?;
/// assert_eq!(net.parameter_count(), 11_689_512);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ResNet18;

impl ResNet18 {
    /// The network for so many classes.
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    ///
    /// ```no_run
    /// use chainrule::{Generator, Tensor};
    /// use chainrule::{models::ResNet18, nn::Module};
    /// let net = ResNet18::build(2, &mut Generator::new(0))?;
    /// net.set_training(false);
    /// assert_eq!(net.call(&Tensor::zeros([1, 3, 32, 32]))?.shape(), [1, 2]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn build(classes: usize, g: &mut Generator) -> Result<Sequential> {
        let mut net = Sequential::new()
            .push_named("conv1", he_normal(3, 64, 7, padded(3).stride(2), g)?)
            .push_named("bn1", BatchNorm2d::new(64)?)
            .push_named("relu", RELU)
            .push_named("maxpool", MaxPool2d::new(Window::new(3).stride(2).padding(1)));
        for (i, filters) in [64, 128, 256, 512].into_iter().enumerate() {
            let (channels, stride) = if i == 0 { (64, 1) } else { (filters / 2, 2) };
            let blocks = Sequential::new()
                .push(BasicBlock::new(channels, filters, stride, g)?)
                .push(BasicBlock::new(filters, filters, 1, g)?);
            net = net.push_named(&format!("layer{}", i + 1), blocks);
        }
        Ok(net
            .push_named("avgpool", AdaptiveAvgPool2d::new([1, 1]))
            .push_named("flatten", Flatten)
            .push_named("fc", Linear::new(512, classes, g)))
    }
}
