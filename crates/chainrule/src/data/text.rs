//! Texts as sequences of characters.

use std::path::Path;

use super::{Example, Source};
use crate::array::{Array, Generator, Shape};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;
use crate::order;

/// A text and its alphabet; each character is a number, its place in the alphabet.
///
/// ```
/// use chainrule::data::Text;
/// let text = Text::new("hello")?;
/// assert_eq!(text.alphabet, ['e', 'h', 'l', 'o']);
/// assert_eq!(text.encode("hole")?, [1, 3, 2, 0]);
/// assert_eq!(text.decode(&[1, 0, 2, 2, 3])?, "hello");
/// assert!(text.encode("help").unwrap_err().to_string().contains("'p'"));
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The characters that occur, sorted.
    pub alphabet: Vec<char>,
    /// The text as places in the alphabet.
    pub codes: Vec<i64>,
}

impl Text {
    /// A text with its own characters as alphabet.
    ///
    /// # Errors
    /// The text is empty.
    ///
    /// ```
    /// use chainrule::data::Text;
    /// let text = Text::new("abba")?;
    /// assert_eq!((&text.alphabet[..], &text.codes[..]), (&['a', 'b'][..], &[0, 1, 1, 0][..]));
    /// assert!(Text::new("").is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn new(text: &str) -> Result<Text> {
        let mut alphabet: Vec<char> = text.chars().collect();
        order::sort(&mut alphabet);
        alphabet.dedup();
        if alphabet.is_empty() {
            return Err(Error::argument("an empty text has nothing to learn from"));
        }
        let mut text_of = Text { alphabet, codes: Vec::new() };
        text_of.codes = text_of.encode(text)?;
        Ok(text_of)
    }

    /// Reads a UTF-8 file, plain or gzip.
    ///
    /// # Errors
    /// The file can't be read, is empty, or isn't UTF-8 (with the byte offset).
    ///
    /// ```
    /// use chainrule::data::Text;
    /// # let path = std::env::temp_dir().join(format!("chainrule-doc-text-{}.txt", std::process::id()));
    /// std::fs::write(&path, b"ab\xff").unwrap();
    /// let error = Text::read(&path).unwrap_err();
    /// assert!(error.to_string().contains("at byte 2: the text isn't UTF-8"));
    /// # std::fs::remove_file(path).unwrap();
    /// ```
    pub fn read(path: impl AsRef<Path>) -> Result<Text> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        // A byte order mark is none of the text's characters.
        let text = std::str::from_utf8(&bytes).map(|text| text.trim_start_matches('\u{FEFF}'));
        let text = text.map_err(|e| {
            Error::format(path, "the text isn't UTF-8")
                .offset(e.valid_up_to() as u64)
                .hint("save it as UTF-8, for example with iconv -t UTF-8")
        })?;
        Text::new(text).map_err(|e| e.path(path))
    }

    /// A text as places in this alphabet.
    ///
    /// # Errors
    /// A character isn't in the alphabet.
    ///
    /// ```
    /// use chainrule::data::Text;
    /// let text = Text::new("hello")?;
    /// assert_eq!(text.encode("hole")?, [1, 3, 2, 0]);
    /// assert!(text.encode("help").is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn encode(&self, text: &str) -> Result<Vec<i64>> {
        let code = |(i, c): (usize, char)| {
            self.alphabet.binary_search(&c).map(|place| place as i64).map_err(|_| {
                Error::argument(format!("the character {c:?} (number {i}) is not in the alphabet"))
            })
        };
        text.chars().enumerate().map(code).collect()
    }

    /// The text of these places in the alphabet.
    ///
    /// # Errors
    /// A number isn't one of them.
    ///
    /// ```
    /// use chainrule::data::Text;
    /// let text = Text::new("hello")?;
    /// assert_eq!(text.decode(&[1, 3, 2, 0])?, "hole");
    /// assert!(text.decode(&[4]).is_err());
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn decode(&self, codes: &[i64]) -> Result<String> {
        let letter = |&code: &i64| {
            let found = usize::try_from(code).ok().and_then(|place| self.alphabet.get(place));
            found.copied().ok_or_else(|| {
                Error::index(format!("{code} is no place in an alphabet of {}", self.alphabet.len()))
            })
        };
        codes.iter().map(letter).collect()
    }

    /// The stretches of so many characters, each with the characters that follow: input i is `codes[i..i + length]`,
    /// its target the same moved on by one.
    ///
    /// # Errors
    /// The length is 0, or the text isn't longer than it.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::data::{Source, Text};
    /// let windows = Text::new("hello")?.windows(3)?;
    /// let example = windows.example(0, &mut Generator::new(0))?;
    /// assert_eq!(example.input.to_vec::<i64>()?, [1, 0, 2]); // "hel"
    /// assert_eq!(example.target.to_vec::<i64>()?, [0, 2, 2]); // "ell"
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn windows(&self, length: usize) -> Result<Windows> {
        if length == 0 || self.codes.len() <= length {
            return Err(Error::argument(format!(
                "a text of {} characters has no stretch of {length} with a character after it",
                self.codes.len()
            )));
        }
        Ok(Windows { codes: self.codes.clone(), length })
    }
}

impl Text {
    /// The text cut into stretches of so many characters that don't overlap, as [`Text::windows`] has them; with
    /// `random` each begins at a place drawn anew within its stretch, so that every character is met at every place.
    ///
    /// # Errors
    /// The length is 0, or the text isn't longer than it.
    ///
    /// ```
    /// use chainrule::Generator;
    /// use chainrule::data::{Source, Text};
    /// let stretches = Text::new("hello world")?.stretches(5, false)?;
    /// assert_eq!(stretches.len(), 2);
    /// let second = stretches.example(1, &mut Generator::new(0))?;
    /// assert_eq!(second.input.shape()[..], [5]); // " worl", and "world" is to be guessed
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn stretches(&self, length: usize, random: bool) -> Result<Stretches> {
        Ok(Stretches { windows: self.windows(length)?, random, rounds: 1 })
    }

    /// The part of the text from one character to another, with the whole's alphabet.
    ///
    /// ```
    /// use chainrule::data::Text;
    /// let text = Text::new("hello")?;
    /// assert_eq!((text.part(1..3).codes.len(), text.part(1..3).alphabet), (2, text.alphabet));
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn part(&self, range: std::ops::Range<usize>) -> Text {
        let range = range.start.min(self.codes.len())..range.end.min(self.codes.len());
        Text { alphabet: self.alphabet.clone(), codes: self.codes[range].to_vec() }
    }
}

/// A text cut into stretches; see [`Text::stretches`].
///
/// ```
/// use chainrule::data::{Source, Text};
/// assert_eq!(Text::new("to be or not to be")?.stretches(4, true)?.len(), 4);
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stretches {
    windows: Windows,
    random: bool,
    rounds: usize,
}

impl Stretches {
    /// The text several times over, so that there are at least so many stretches: an epoch of a short text would be over
    /// after a step or two.
    ///
    /// ```
    /// use chainrule::data::{Source, Text};
    /// let stretches = Text::new("to be or not to be")?.stretches(4, true)?;
    /// assert_eq!(stretches.at_least(10).len(), 12); // three times four
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn at_least(self, count: usize) -> Stretches {
        Stretches { rounds: count.div_ceil(self.once()).max(1), ..self }
    }

    /// How many stretches the text has.
    fn once(&self) -> usize {
        // Each has a character after it.
        (self.windows.codes.len() - 1) / self.windows.length
    }
}

impl Source for Stretches {
    fn len(&self) -> usize {
        self.once() * self.rounds
    }

    fn example(&self, i: usize, random: &mut Generator) -> Result<Example> {
        let length = self.windows.length;
        let shift =
            if self.random { random.randint(0, length as i64, Shape::SCALAR)?.item()? as usize } else { 0 };
        if i >= self.len() {
            return Err(Error::index(format!("there is no stretch {i}")));
        }
        self.windows.example((i % self.once() * length + shift).min(self.windows.len() - 1), random)
    }
}

/// The stretches of a text; see [`Text::windows`].
///
/// ```
/// use chainrule::data::{Source, Text};
/// assert_eq!(Text::new("hello")?.windows(3)?.len(), 2);
/// assert!(Text::new("hello")?.windows(5).is_err()); // nothing follows
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Windows {
    codes: Vec<i64>,
    length: usize,
}

impl Source for Windows {
    fn len(&self) -> usize {
        self.codes.len() - self.length
    }

    fn example(&self, i: usize, _: &mut Generator) -> Result<Example> {
        let stretch = |start: usize| {
            let codes = self.codes.get(start..start + self.length);
            let codes = codes.ok_or_else(|| Error::index(format!("there is no stretch {i}")))?;
            Ok::<Array, Error>(Array::filled(codes.to_vec(), Shape::from([self.length])))
        };
        Ok(Example { input: stretch(i)?, target: stretch(i + 1)? })
    }
}
