//! Transformers: a small Vision Transformer and a small model that writes text character by character.

use super::Mlp;
use crate::array::{Array, DType, Generator};
use crate::error::{Error, Result};
use crate::gate::Conv;
use crate::nn::{
    Activation, Conv2d, Embedding, LayerNorm, Linear, Module, MultiheadAttention, Owned, Sequential, current,
    init,
};
use crate::tensor::Tensor;

/// A transformer's block: attention, then a perceptron at each place, both around a residual connection and
/// behind a layer normalisation.
#[derive(Debug)]
struct Block {
    ln_1: LayerNorm,
    self_attention: MultiheadAttention,
    ln_2: LayerNorm,
    mlp: Sequential,
}

impl Block {
    fn new(width: usize, heads: usize, causal: bool, g: &mut Generator) -> Result<Block> {
        let attention = MultiheadAttention::new(width, heads, g)?;
        Ok(Block {
            ln_1: LayerNorm::new(&[width])?,
            self_attention: if causal { attention.causal() } else { attention },
            ln_2: LayerNorm::new(&[width])?,
            mlp: Mlp::build(&[width, 4 * width, width], Activation::Gelu, g)?,
        })
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.add(&self.self_attention.call(&self.ln_1.call(x)?)?)?;
        x.add(&self.mlp.call(&self.ln_2.call(&x)?)?)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![
            ("ln_1".into(), &self.ln_1),
            ("self_attention".into(), &self.self_attention),
            ("ln_2".into(), &self.ln_2),
            ("mlp".into(), &self.mlp),
        ]
    }
}

/// A Vision Transformer (Dosovitskiy et al., 2020): an image cut into patches, which attend to each other.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::models::{VisionSizes, VisionTransformer};
/// use chainrule::nn::Module;
/// let sizes = VisionSizes { image: 8, width: 16, depth: 1, ..VisionSizes::default() };
/// let net = VisionTransformer::new(sizes, &mut Generator::new(0))?;
/// assert_eq!(net.state()[0].0, "class_token");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct VisionTransformer {
    class_token: Tensor,
    pos_embedding: Tensor,
    conv_proj: Conv2d,
    layers: Sequential,
    ln: LayerNorm,
    head: Linear,
}

/// The sizes of a [`VisionTransformer`].
///
/// ```
/// use chainrule::Generator;
/// use chainrule::models::{VisionSizes, VisionTransformer};
/// let uneven = VisionSizes { image: 30, patch: 4, ..VisionSizes::default() };
/// let error = VisionTransformer::new(uneven, &mut Generator::new(0)).unwrap_err();
/// assert_eq!(error.to_string(), "patches of 4 don't divide an image of 30");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisionSizes {
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image.
    pub image: usize,
    /// Height and width of a patch; it divides the image's.
    pub patch: usize,
    /// Numbers that stand for a patch.
    pub width: usize,
    /// Heads of each attention; they divide the width.
    pub heads: usize,
    /// Blocks.
    pub depth: usize,
    /// Classes.
    pub classes: usize,
}

impl Default for VisionSizes {
    /// For CIFAR's images: 3×32×32 in patches of 4×4, width 128, 4 heads, 4 blocks, 10 classes.
    fn default() -> VisionSizes {
        VisionSizes { channels: 3, image: 32, patch: 4, width: 128, heads: 4, depth: 4, classes: 10 }
    }
}

impl VisionTransformer {
    /// The network. Input `[n, channels, image, image]`, output `[n, classes]`, logits.
    ///
    /// ```
    /// use chainrule::models::{VisionSizes, VisionTransformer};
    /// use chainrule::{nn::Module, Generator, Tensor};
    /// let sizes = VisionSizes { image: 8, width: 16, depth: 1, ..VisionSizes::default() };
    /// let net = VisionTransformer::new(sizes, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&Tensor::zeros([2, 3, 8, 8]))?.shape(), [2, 10]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The patch doesn't divide the image, or the heads don't divide the width.
    pub fn new(sizes: VisionSizes, g: &mut Generator) -> Result<VisionTransformer> {
        let VisionSizes { channels, image, patch, width, heads, depth, classes } = sizes;
        if patch == 0 || !image.is_multiple_of(patch) {
            return Err(Error::argument(format!("patches of {patch} don't divide an image of {image}")));
        }
        let places = (image / patch) * (image / patch) + 1;
        let mut layers = Sequential::new();
        for i in 0..depth {
            layers = layers.push_named(&format!("encoder_layer_{i}"), Block::new(width, heads, false, g)?);
        }
        Ok(VisionTransformer {
            class_token: Tensor::leaf(Array::zeros([1, 1, width]), true),
            pos_embedding: Tensor::leaf(init::normal([1, places, width], 0.02, g), true),
            conv_proj: Conv2d::new(channels, width, patch, Conv::default().stride(patch), g)?,
            layers,
            ln: LayerNorm::new(&[width])?,
            head: Linear::new(width, classes, g),
        })
    }
}

impl Module for VisionTransformer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let patches = self.conv_proj.call(x)?.flatten(2, -1)?.transpose(1, 2)?;
        let shape = patches.shape();
        let class = current(&self.class_token).expand([shape[0], 1, shape[2]])?;
        let x = Tensor::cat(&[&class, &patches], 1)?.add(&current(&self.pos_embedding))?;
        self.head.call(&self.ln.call(&self.layers.call(&x)?)?.select(1, 0)?)
    }

    fn owned(&self) -> Vec<(&'static str, Owned)> {
        vec![
            ("class_token", Owned::Parameter(self.class_token.clone())),
            ("encoder.pos_embedding", Owned::Parameter(self.pos_embedding.clone())),
        ]
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![
            ("conv_proj".into(), &self.conv_proj),
            ("encoder.layers".into(), &self.layers),
            ("encoder.ln".into(), &self.ln),
            ("heads.head".into(), &self.head),
        ]
    }
}

/// A small GPT (Radford et al., 2019) over characters: from the characters so far to the logits of the next.
///
/// ```
/// use chainrule::Generator;
/// use chainrule::models::{CharGpt, GptSizes};
/// use chainrule::nn::Module;
/// let sizes = GptSizes { characters: 30, length: 16, width: 8, heads: 2, depth: 1 };
/// let net = CharGpt::new(sizes, &mut Generator::new(0))?;
/// assert_eq!(net.state()[0].0, "transformer.wte.weight");
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct CharGpt {
    wte: Embedding,
    wpe: Embedding,
    h: Sequential,
    ln_f: LayerNorm,
    lm_head: Linear,
}

/// The sizes of a [`CharGpt`].
///
/// ```
/// use chainrule::Generator;
/// use chainrule::models::{CharGpt, GptSizes};
/// let sizes = GptSizes { characters: 30, length: 16, width: 8, heads: 3, depth: 1 };
/// let error = CharGpt::new(sizes, &mut Generator::new(0)).unwrap_err();
/// assert_eq!(error.to_string(), "3 heads don't divide a width of 8 evenly");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GptSizes {
    /// Different characters.
    pub characters: usize,
    /// The longest text that it sees.
    pub length: usize,
    /// Numbers that stand for a character.
    pub width: usize,
    /// Heads of each attention; they divide the width.
    pub heads: usize,
    /// Blocks.
    pub depth: usize,
}

impl CharGpt {
    /// The network. Input `[n, length]` of character numbers (i64), output `[n, length, characters]`, logits.
    ///
    /// ```
    /// use chainrule::models::{CharGpt, GptSizes};
    /// use chainrule::{nn::Module, tensor, Generator};
    /// let sizes = GptSizes { characters: 30, length: 16, width: 8, heads: 2, depth: 1 };
    /// let net = CharGpt::new(sizes, &mut Generator::new(0))?;
    /// assert_eq!(net.call(&tensor([[1, 2, 3]]))?.shape(), [1, 3, 30]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The heads don't divide the width.
    pub fn new(sizes: GptSizes, g: &mut Generator) -> Result<CharGpt> {
        let GptSizes { characters, length, width, heads, depth } = sizes;
        let table = |count: usize, g: &mut Generator| -> Result<Embedding> {
            let mut table = Embedding::new(count, width, g);
            table.weight = Tensor::leaf(init::normal([count, width], 0.02, g), true);
            Ok(table)
        };
        let (wte, wpe) = (table(characters, g)?, table(length, g)?);
        let mut h = Sequential::new();
        for _ in 0..depth {
            h = h.push(Block::new(width, heads, true, g)?);
        }
        let lm_head = Linear::without_bias(width, characters, g);
        Ok(CharGpt { wte, wpe, h, ln_f: LayerNorm::new(&[width])?, lm_head })
    }

    /// Text continued by `count` characters, each drawn from what the network expects at this temperature
    /// (near 0: always the likeliest).
    ///
    /// # Errors
    /// There is no text to continue, or it has numbers of no character.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::models::{CharGpt, GptSizes};
    /// let sizes = GptSizes { characters: 30, length: 16, width: 8, heads: 2, depth: 1 };
    /// let net = CharGpt::new(sizes, &mut Generator::new(0))?;
    /// let text = net.write(&[1, 2, 3], 5, 0.8, &mut Generator::new(1))?;
    /// assert_eq!((text.len(), &text[..3]), (8, &[1, 2, 3][..]));
    /// assert!(text.iter().all(|character| (0..30).contains(character)));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn write(&self, text: &[i64], count: usize, temperature: f64, g: &mut Generator) -> Result<Vec<i64>> {
        write_text(self, self.wpe.weight.shape()[0], text, count, temperature, g)
    }
}

/// Text continued by any network that takes `[1, length]` of character numbers, at most `length` of them, and
/// answers with logits of the next characters: see [`CharGpt::write`].
///
/// # Errors
/// As there.
///
/// ```
/// use chainrule::models::{CharGpt, GptSizes, write_text};
/// use chainrule::Generator;
/// let mut g = Generator::new(0);
/// let net = CharGpt::new(GptSizes { characters: 5, length: 4, width: 8, heads: 2, depth: 1 }, &mut g)?;
/// let text = write_text(&net, 4, &[0, 1], 3, 1.0, &mut g)?;
/// assert!(text.len() == 5 && text.starts_with(&[0, 1]));
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn write_text(
    network: &dyn Module,
    length: usize,
    text: &[i64],
    count: usize,
    temperature: f64,
    g: &mut Generator,
) -> Result<Vec<i64>> {
    if text.is_empty() {
        return Err(Error::argument("there is no text to continue: give it one character at least"));
    }
    let mut text = text.to_vec();
    for _ in 0..count {
        let seen = &text[text.len().saturating_sub(length)..];
        let x = Tensor::from_vec(seen.to_vec(), [1, seen.len()])?;
        let chances =
            crate::no_grad(|| network.call(&x)?.select(1, -1)?.div(temperature.max(1e-6))?.softmax(-1))?
                .to_f64_vec();
        let mut left = g.rand([1], DType::F64).to_f64_vec()[0];
        let drawn = chances.iter().position(|p| {
            left -= p;
            left < 0.0
        });
        text.push(drawn.unwrap_or(chances.len() - 1) as i64);
    }
    Ok(text)
}

impl Module for CharGpt {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let length = self.wpe.weight.shape()[0];
        if x.rank() != 2 || x.shape()[1] > length {
            return Err(Error::shape(format!(
                "it takes [n, length] with at most {length} characters, not the shape {}",
                x.shape()
            )));
        }
        let places = Tensor::arange(0, x.shape()[1] as i64, 1)?;
        let x = self.wte.call(x)?.add(&self.wpe.call(&places)?)?;
        self.lm_head.call(&self.ln_f.call(&self.h.call(&x)?)?)
    }

    fn children(&self) -> Vec<(String, &dyn Module)> {
        vec![
            ("transformer.wte".into(), &self.wte),
            ("transformer.wpe".into(), &self.wpe),
            ("transformer.h".into(), &self.h),
            ("transformer.ln_f".into(), &self.ln_f),
            ("lm_head".into(), &self.lm_head),
        ]
    }
}
