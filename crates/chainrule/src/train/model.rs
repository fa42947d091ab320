//! Trained networks, with all that they need to answer for new examples.

use std::path::Path;

use super::evaluate::evaluation_batch;
use super::{Preparation, Settings, Takes, checkpoint};
use crate::array::{Array, Generator};
use crate::data::{Missing, Transform, read_features, read_idx};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;
use crate::models::write_text;
use crate::nn::Module;
use crate::tensor::{Tensor, no_grad};

/// A trained network with what it needs to classify new examples.
///
/// ```
/// use chainrule::{data::digits, train::{Settings, Training}};
/// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
/// # let (train, test) = data.stratified_split(0.2, 0)?;
/// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
/// let training = Training::new(settings, (train, test))?;
/// let model = training.into_model()?;
/// assert_eq!((model.settings.hidden[0], model.classes.len()), (8, 10));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug)]
pub struct TrainedModel {
    /// The network, in evaluation mode.
    pub network: Box<dyn Module>,
    /// What is done to an example first.
    pub preparation: Preparation,
    /// The shape of one of its inputs.
    pub example: Vec<usize>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The settings it was trained with.
    pub settings: Settings,
}

impl TrainedModel {
    /// Reads a network from a run's folder, or from its `model.safetensors`.
    ///
    /// # Errors
    /// The file is missing, broken, or isn't a network that chainrule trained.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, TrainedModel, Training}};
    /// # let folder = std::env::temp_dir().join(format!("chainrule-doc-load-model-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// training.save_results(&folder, &training.evaluate()?)?;
    /// let model = TrainedModel::load(&folder)?;
    /// assert_eq!(model.settings.hidden, [8]);
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<TrainedModel> {
        checkpoint::load_model(path.as_ref())
    }

    /// Random inputs for the network: normally distributed numbers, or characters.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// use chainrule::Generator;
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let model = Training::new(Settings::default(), data)?.into_model()?;
    /// assert_eq!(model.random_input(2, &mut Generator::new(0))?.shape(), [2, 64]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    ///
    /// # Errors
    /// The inputs are too large.
    pub fn random_input(&self, n: usize, g: &mut Generator) -> Result<Tensor> {
        let shape = crate::Shape::new(&[&[n], &self.example[..]].concat())?;
        Ok(Tensor::from_array(match self.settings.arch.takes() {
            Takes::Characters => g.randint(0, self.classes.len() as i64, shape)?,
            _ => g.randn(shape, crate::DType::F32),
        }))
    }

    /// Reads raw examples for this network from a file: a table with its columns (a column for the class may be there, and
    /// is left out), or for a network trained on images in memory also an IDX file of images.
    ///
    /// # Errors
    /// The file can't be read, is broken, or holds other examples than the network takes.
    ///
    /// ```
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// let data = digits().stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 1, hidden: vec![8], ..Settings::default() };
    /// # let path = std::env::temp_dir().join(format!("chainrule-doc-model-read-{}.csv", std::process::id()));
    /// # std::fs::write(&path, format!("{}\n", ["1"; 64].join(","))).unwrap();
    /// let model = Training::new(settings, data)?.into_model()?;
    /// assert_eq!(model.predict(&model.read(&path)?)?.shape(), [1, 10]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Array> {
        let path = path.as_ref();
        match &self.preparation {
            Preparation::Features { columns: Some(columns), fill_in, .. } => {
                columns.read(path, if fill_in.is_some() { Missing::Keep } else { Missing::Refuse })
            }
            Preparation::Features { scaler, .. } => {
                read_features(path, scaler.mean.len(), self.settings.target.as_deref())
            }
            Preparation::Image { shape: Some(shape), .. } => {
                let elements = shape.iter().product();
                let start = read_file(path)?.get(..4).map(<[u8]>::to_vec);
                if start.is_none_or(|start| start != [0, 0, 8, 3]) {
                    return read_features(path, elements, None);
                }
                let idx = read_idx(path)?;
                if idx.shape[1..].iter().product::<usize>() != elements {
                    return Err(Error::shape(format!(
                        "its images are {:?}, and the network was trained on {shape:?}",
                        &idx.shape[1..]
                    ))
                    .path(path));
                }
                let sizes = [&[idx.shape[0]], &shape[..]].concat();
                Array::from_vec(idx.values, crate::Shape::new(&sizes)?)
            }
            Preparation::Image { shape: None, .. } => {
                Err(Error::argument("the network takes photos, not tables")
                    .hint("name JPEG or PNG files behind the options"))
            }
            Preparation::Text { .. } => {
                Err(Error::argument("the network writes text, and classifies nothing")
                    .hint("give it a beginning with --text"))
            }
        }
    }

    /// The probability of each class for each raw example, `[n, classes]`: rows of features, or images of one size.
    ///
    /// # Errors
    /// The examples have another shape than those that the network was trained on.
    ///
    /// ```
    /// use chainrule::Tensor;
    /// use chainrule::{data::digits, train::{Settings, Training}};
    /// # let data = digits().select(&(0..100).collect::<Vec<_>>())?;
    /// # let (train, test) = data.stratified_split(0.2, 0)?;
    /// let settings = Settings { epochs: 2, hidden: vec![8], ..Settings::default() };
    /// let training = Training::new(settings, (train, test))?;
    /// let p = training.into_model()?.predict(&digits().features.narrow(0, 0, 3)?)?;
    /// assert!(p.sum_dim(&[1], false)?.allclose(&Tensor::ones([3]), 1e-5, 0.0, false)?);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn predict(&self, examples: &Array) -> Result<Tensor> {
        self.classify(&self.preparation.apply(examples)?)
    }

    /// The probability of each class for each image `[channels, height, width]` of any size, `[n, classes]`.
    ///
    /// # Errors
    /// The network wasn't trained on images.
    ///
    /// ```
    /// use chainrule::train::{Arch, Data, Settings, Training};
    /// use chainrule::{Array, DType};
    /// let settings = Settings { arch: Arch::LeNet, ..Settings::default() };
    /// let data = Data::open(&settings)?;
    /// let model = Training::new(settings, data)?.into_model()?;
    /// let photos = [Array::full_of([1, 8, 8], 0, DType::U8), Array::full_of([3, 30, 20], 255, DType::U8)];
    /// assert_eq!(model.predict_images(&photos)?.shape(), [2, 10]);
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn predict_images(&self, images: &[Array]) -> Result<Tensor> {
        let steps = self.preparation.for_photos()?;
        let rows =
            images.iter().map(|image| self.classify(&Transform::all(&steps, image.clone())?.unsqueeze(0)?));
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)
    }

    /// Probabilities for prepared examples, a batch at a time.
    fn classify(&self, prepared: &Array) -> Result<Tensor> {
        let n = prepared.shape().first().copied().unwrap_or(0);
        if n == 0 {
            return Err(Error::argument("there is no example to classify"));
        }
        let size = evaluation_batch(prepared.elements() / n);
        let answer = |first: usize| {
            let part = prepared.narrow(0, first as isize, size.min(n - first))?;
            no_grad(|| self.network.forward(&Tensor::from_array(part))?.softmax(-1))
        };
        let rows = (0..n).step_by(size).map(answer).collect::<Result<Vec<_>>>()?;
        if rows.len() == 1 { Ok(rows[0].clone()) } else { Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0) }
    }

    /// A text continued by so many characters, drawn at a temperature (near 0: always the likeliest), by seed.
    ///
    /// # Errors
    /// The network doesn't write text, or the text has a character that it doesn't know.
    ///
    /// ```
    /// use chainrule::data::Text;
    /// use chainrule::train::{Arch, Data, Settings, Training};
    /// let settings = Settings { arch: Arch::CharGpt, length: 8, width: 8, depth: 1, ..Settings::default() };
    /// let text = Data::Text(Text::new(&"to be or not to be ".repeat(20))?);
    /// let model = Training::new(settings, text)?.into_model()?;
    /// assert!(model.write("to ", 5, 1.0, 0)?.starts_with("to "));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn write(&self, beginning: &str, count: usize, temperature: f64, seed: u64) -> Result<String> {
        let Preparation::Text { alphabet } = &self.preparation else {
            return Err(Error::argument("the network classifies, and writes no text")
                .hint("one that does is trained with --arch chargpt"));
        };
        let text = crate::data::Text { alphabet: alphabet.chars().collect(), codes: Vec::new() };
        let codes = text.encode(beginning)?;
        let length = self.settings.length;
        let all = write_text(&*self.network, length, &codes, count, temperature, &mut Generator::new(seed))?;
        text.decode(&all)
    }
}
