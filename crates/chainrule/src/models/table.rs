//! The networks by name: one table for every program that builds, draws, trains or measures one.

use super::{
    AlexNet, CharGpt, GptSizes, LeNet, Mlp, ResNet18, SoftmaxRegression, SqueezeNet, VisionSizes,
    VisionTransformer,
};
use crate::array::{DType, Generator, Shape};
use crate::error::{Error, Result};
use crate::nn::{Activation, Module, Sequential};
use crate::tensor::Tensor;

/// A network that has a name.
///
/// ```
/// use chainrule::models::{self, NamedModel};
/// let &NamedModel { name, example, classes, .. } = models::by_name("AlexNet")?;
/// assert_eq!((name, example, classes), ("alexnet", &[3, 224, 224][..], 1000));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// ```
/// use chainrule::models;
/// let lenet = models::by_name("lenet")?;
/// assert_eq!((lenet.example, lenet.classes, lenet.tokens), (&[1, 28, 28][..], 10, None));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct NamedModel {
    /// The name: `alexnet`.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The shape of one example, without the batch.
    pub example: &'static [usize],
    /// How many classes it has, where nothing else is asked for.
    pub classes: usize,
    /// How many different numbers an element of an example may be, for texts; `None` for real numbers.
    pub tokens: Option<usize>,
    make: Make,
}

/// Makes a network for examples of this shape, with so many classes.
type Make = fn(&[usize], usize, &mut Generator) -> Result<Box<dyn Module>>;

fn boxed(network: Result<Sequential>) -> Result<Box<dyn Module>> {
    Ok(Box::new(network?))
}

fn character_gpt(example: &[usize], characters: usize, g: &mut Generator) -> Result<Box<dyn Module>> {
    let length = elements(example);
    let sizes = GptSizes { characters, length, width: 128, heads: 4, depth: 4 };
    Ok(Box::new(CharGpt::new(sizes, g)?))
}

fn vision_transformer(example: &[usize], classes: usize, g: &mut Generator) -> Result<Box<dyn Module>> {
    let sizes = VisionSizes { channels: example[0], image: example[1], classes, ..VisionSizes::default() };
    Ok(Box::new(VisionTransformer::new(sizes, g)?))
}

fn elements(example: &[usize]) -> usize {
    example.iter().product()
}

/// A network for photos of 224×224 in colour.
const PHOTOS: NamedModel = NamedModel {
    name: "",
    about: "",
    example: &[3, 224, 224],
    classes: 1000,
    tokens: None,
    make: |_, classes, g| boxed(AlexNet::build(classes, g)),
};

/// Every network with a name, the simplest first.
pub const MODELS: &[NamedModel] = &[
    NamedModel {
        name: "softmax",
        about: "softmax regression: one linear layer",
        example: &[64],
        classes: 10,
        make: |example, classes, g| boxed(SoftmaxRegression::build(elements(example), classes, g)),
        ..PHOTOS
    },
    NamedModel {
        name: "mlp",
        about: "multilayer perceptron with ReLU and hidden layers of 128 and 64",
        example: &[784],
        classes: 10,
        make: |example, classes, g| {
            boxed(Mlp::build(&[elements(example), 128, 64, classes], Activation::Relu, g))
        },
        ..PHOTOS
    },
    NamedModel {
        name: "lenet",
        about: "LeNet-5, for images of 28×28",
        example: &[1, 28, 28],
        classes: 10,
        make: |example, classes, g| boxed(LeNet::sized(example[0], classes, g)),
        ..PHOTOS
    },
    NamedModel { name: "alexnet", about: "AlexNet as torchvision has it (2014)", ..PHOTOS },
    NamedModel {
        name: "alexnet2012",
        about: "AlexNet of 2012 in one column, with local response normalisation",
        example: &[3, 227, 227],
        make: |_, classes, g| boxed(AlexNet::of_2012(classes, g)),
        ..PHOTOS
    },
    NamedModel {
        name: "squeezenet1_0",
        about: "SqueezeNet 1.0",
        make: |_, classes, g| boxed(SqueezeNet::v1_0(classes, g)),
        ..PHOTOS
    },
    NamedModel {
        name: "squeezenet1_0_caffe",
        about: "SqueezeNet 1.0 as Caffe has it, the last convolution padded",
        example: &[3, 227, 227],
        make: |_, classes, g| boxed(SqueezeNet::v1_0_caffe(classes, g)),
        ..PHOTOS
    },
    NamedModel {
        name: "squeezenet1_1",
        about: "SqueezeNet 1.1: as accurate with less than half of the work",
        make: |_, classes, g| boxed(SqueezeNet::v1_1(classes, g)),
        ..PHOTOS
    },
    NamedModel {
        name: "resnet18",
        about: "ResNet with 18 layers",
        make: |_, classes, g| boxed(ResNet18::build(classes, g)),
        ..PHOTOS
    },
    NamedModel {
        name: "vit",
        about: "a small Vision Transformer",
        example: &[3, 32, 32],
        classes: 10,
        make: vision_transformer,
        ..PHOTOS
    },
    NamedModel {
        name: "chargpt",
        about: "a small GPT that continues a text; its classes are the characters",
        example: &[64],
        classes: 65,
        tokens: Some(65),
        make: character_gpt,
    },
];

/// The network of this name, in any case, with or without hyphens and underscores: `AlexNet`, `squeezenet1.1`.
///
/// ```
/// use chainrule::{models, nn::Module, Generator};
/// let lenet = models::by_name("LeNet")?;
/// assert_eq!(lenet.build(10, &mut Generator::new(0))?.parameter_count(), 61_706);
/// assert!(models::by_name("alxnet").unwrap_err().to_string().contains("alexnet"));
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// There is no such network; the error lists those that there are.
pub fn by_name(name: &str) -> Result<&'static NamedModel> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', '.'], "");
    MODELS.iter().find(|model| plain(model.name) == plain(name)).ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        Error::argument(format!("no network is called {name}"))
            .hint(format!("the names are {}", names.join(", ")))
    })
}

impl NamedModel {
    /// A fresh network for its usual examples, with so many classes, in training mode.
    ///
    /// ```
    /// use chainrule::{models, nn::Module, Generator};
    /// let network = models::by_name("softmax")?.build(10, &mut Generator::new(0))?;
    /// assert_eq!(network.parameter_count(), 64 * 10 + 10);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// There are no classes.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::models;
    /// let network = models::by_name("lenet")?.build(10, &mut Generator::new(0))?;
    /// assert_eq!(network.parameter_count(), 61_706);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn build(&self, classes: usize, generator: &mut Generator) -> Result<Box<dyn Module>> {
        self.build_for(self.example, classes, generator)
    }

    /// A fresh network for examples of another shape (without the batch).
    ///
    /// ```
    /// use chainrule::{models, Generator, Tensor};
    /// let network = models::by_name("lenet")?.build_for(&[3, 28, 28], 5, &mut Generator::new(0))?;
    /// assert_eq!(network.call(&Tensor::zeros([2, 3, 28, 28]))?.shape(), [2, 5]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The examples have another number of dimensions, or there are no classes.
    pub fn build_for(
        &self,
        example: &[usize],
        classes: usize,
        generator: &mut Generator,
    ) -> Result<Box<dyn Module>> {
        if example.len() != self.example.len() || example.contains(&0) {
            return Err(Error::shape(format!(
                "an example for {} has the shape {:?}, not {example:?}",
                self.name, self.example
            ))
            .hint("other sizes will do, but not another number of them"));
        }
        if classes == 0 {
            return Err(Error::argument("a network needs at least one class"));
        }
        (self.make)(example, classes, generator)
    }

    /// The shape of a batch of so many examples.
    ///
    /// ```
    /// use chainrule::models;
    /// assert_eq!(models::by_name("alexnet")?.input(32)?, [32, 3, 224, 224]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The shape has too many elements.
    pub fn input(&self, batch: usize) -> Result<Shape> {
        let mut sizes = vec![batch];
        sizes.extend_from_slice(self.example);
        Shape::new(&sizes)
    }

    /// A random input of this shape: normally distributed numbers, or characters for a text.
    ///
    /// ```
    /// use chainrule::{models, DType, Generator};
    /// let model = models::by_name("chargpt")?;
    /// assert_eq!(model.random_input(model.input(2)?, &mut Generator::new(0))?.dtype(), DType::I64);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// None: the result is one for the sake of uniformity.
    pub fn random_input(&self, shape: Shape, generator: &mut Generator) -> Result<Tensor> {
        Ok(Tensor::from_array(match self.tokens {
            None => generator.randn(shape, DType::F32),
            Some(tokens) => generator.randint(0, tokens as i64, shape)?,
        }))
    }
}

/// The mean cross entropy of a network's logits `[n, …, classes]` with random classes: a loss to run a network
/// backward from where there is no data.
///
/// ```
/// use chainrule::{models, Generator, Tensor};
/// let loss = models::random_loss(&Tensor::zeros([2, 5]), &mut Generator::new(0))?;
/// assert!((loss.item()? - 5f64.ln()).abs() < 1e-6);
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// The output isn't logits: it has fewer than two dimensions, or isn't of a float type.
pub fn random_loss(logits: &Tensor, generator: &mut Generator) -> Result<Tensor> {
    let shape = logits.shape();
    if shape.rank() < 2 {
        return Err(Error::shape(format!("logits have the shape [n, …, classes], not {shape}")));
    }
    let classes = shape[shape.rank() - 1];
    let rows = shape.elements() / classes.max(1);
    let labels = Tensor::from_array(generator.randint(0, classes as i64, [rows])?);
    let logits = if shape.rank() == 2 { logits.clone() } else { logits.reshape([rows, classes])? };
    logits.cross_entropy(&labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_takes_its_own_input() {
        for model in MODELS.iter().filter(|model| elements(model.example) < 10_000) {
            let mut g = Generator::new(0);
            let network = model.build(70, &mut g).unwrap();
            let x = model.random_input(model.input(2).unwrap(), &mut g).unwrap();
            assert_eq!(network.call(&x).unwrap().shape().last(), Some(&70), "{}", model.name);
        }
    }

    #[test]
    fn examples_of_another_kind_are_refused() {
        let refused = |name: &str, example: &[usize], classes| {
            by_name(name)
                .unwrap()
                .build_for(example, classes, &mut Generator::new(0))
                .unwrap_err()
                .to_string()
        };
        assert!(refused("alexnet", &[224, 224], 10).contains("[3, 224, 224], not [224, 224]"));
        assert!(refused("mlp", &[784], 0).contains("at least one class"));
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        for name in ["squeezenet1_1", "SqueezeNet1.1", "squeezenet-1-1"] {
            assert_eq!(by_name(name).unwrap().name, "squeezenet1_1");
        }
        for model in MODELS {
            assert_eq!(by_name(model.name).unwrap().about, model.about, "two names look alike");
        }
    }
}
