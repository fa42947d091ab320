//! Mutations of whole files that know something of their structure: lengths are made to fit again, entries of
//! zip files are changed inside and packed again, numbers in texts become other numbers.

use std::io::{Cursor, Read, Write};

use super::entries::Format;

/// A small generator of random numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Numbers at which readers go wrong.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0xFFFF,
    0x10_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    u64::MAX,
];

const TEXT_NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "255",
    "65536",
    "4294967295",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999",
    "1e999",
    "-0.0",
    "NaN",
];

/// Pieces that have a meaning in the format.
fn words(format: Format) -> &'static [&'static str] {
    match format {
        Format::Expression => &[
            "(", ")", "[", "]", ",", "^", "**", "-", "·", "exp(", "dot(", "max(", "sum(", "x", "θ", "²", ".",
            "1e", "softmax(", "if(", "norm(",
        ],
        Format::Csv => &[",", "\n", "\r\n", "\"", "\"\"", "NA", "?", "x", ";", "\u{FEFF}", "nan", "inf"],
        Format::Dot => &[
            "digraph",
            "strict",
            "{",
            "}",
            "->",
            "[",
            "]",
            "=",
            ";",
            ",",
            "\"",
            "\\",
            "label",
            "fillcolor",
            "dir",
            "none",
            "style",
            "subgraph",
            "node",
            "edge",
            "//",
            "#",
            "\n",
        ],
        Format::Npy | Format::Npz => &[
            "'descr'",
            "'fortran_order'",
            "'shape'",
            "True",
            "False",
            "(",
            ")",
            ",",
            "'<f8'",
            "'>i2'",
            "'|O'",
            "'<f2'",
            "'<U3'",
            "\u{93}NUMPY",
        ],
        Format::Safetensors => &[
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"dtype\"",
            "\"shape\"",
            "\"data_offsets\"",
            "\"__metadata__\"",
            "\"F64\"",
            "\"BF16\"",
            "\"BOOL\"",
            "\"\"",
            "null",
        ],
        Format::Checkpoint => &[
            "(",
            "t",
            "l",
            "d",
            "}",
            "]",
            ")",
            "a",
            "e",
            "s",
            "u",
            "q\0",
            "h\0",
            "h\u{1}",
            "2",
            "0",
            "1",
            "R",
            "Q",
            "N",
            "\u{85}",
            "\u{86}",
            "K\u{7F}",
            "K\0",
            ".",
            "b",
            "ctorch\nFloatStorage\n",
            "cos\nsystem\n",
            "ctorch._utils\n_rebuild_tensor_v2\n",
            "ccollections\nOrderedDict\n",
        ],
        Format::Idx => &["\0\0\u{8}\u{1}"],
    }
}

/// Changes bytes without regard to any structure.
fn edit(bytes: &mut Vec<u8>, format: Format, random: &mut Random) {
    let place = random.below(bytes.len() + 1);
    let span = |random: &mut Random, bytes: &Vec<u8>| {
        let end = place + 1 + random.below(16);
        place.min(bytes.len())..end.min(bytes.len())
    };
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = *random.pick(&NUMBERS) as u8;
            }
        }
        // A number of 2, 4 or 8 bytes, in either order.
        2 => {
            let size = *random.pick(&[2, 4, 8]);
            let mut number = random.pick(&NUMBERS).to_le_bytes()[..size].to_vec();
            if random.below(2) == 0 {
                number.reverse();
            }
            if place + size <= bytes.len() {
                bytes[place..place + size].copy_from_slice(&number);
            }
        }
        3 => drop(bytes.drain(span(random, bytes))),
        4 => {
            let part = bytes[span(random, bytes)].to_vec();
            let part = part.repeat(1 + random.below(20));
            bytes.splice(place..place, part);
        }
        5 => {
            let word = random.pick(words(format)).as_bytes().to_vec();
            bytes.splice(place..place, word);
        }
        // A number in a text.
        6 => {
            let digits: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let start = *random.pick(&digits);
                let end = (start..bytes.len()).find(|&i| !bytes[i].is_ascii_digit()).unwrap_or(bytes.len());
                let number = random.pick(&TEXT_NUMBERS).as_bytes().to_vec();
                bytes.splice(start..end, number);
            }
        }
        7 => bytes.truncate(place),
        _ => {
            let other = random.next().to_le_bytes();
            let part = other[..1 + random.below(8)].to_vec();
            bytes.splice(place..place, part);
        }
    }
}

fn edits(bytes: &mut Vec<u8>, format: Format, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        edit(bytes, format, random);
    }
}

/// One of the entries of a zip file changed; `None` where these bytes aren't one.
fn in_zip(bytes: &[u8], format: Format, random: &mut Random) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let changed = random.below(archive.len());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).ok()?;
        let mut name = entry.name().ok()?.into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        if i == changed {
            if random.below(8) == 0 {
                let mut text = name.into_bytes();
                edit(&mut text, format, random);
                name = String::from_utf8_lossy(&text).into_owned();
            }
            // Mostly the pickle, or the header of an array.
            content = fit(&content, if name.ends_with(".npy") { Format::Npy } else { format }, random);
        }
        let method = *random.pick(&[zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated]);
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(name, options).ok()?;
        zip.write_all(&content).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

/// Changes a part of the file and makes the length that stands before it fit again.
fn fit(bytes: &[u8], format: Format, random: &mut Random) -> Vec<u8> {
    let (length_at, length_size, start): (usize, usize, usize) = match format {
        Format::Safetensors => (0, 8, 8),
        Format::Npy => (8, 2, 10),
        _ => {
            let mut bytes = bytes.to_vec();
            edits(&mut bytes, format, random);
            return bytes;
        }
    };
    let field = bytes.get(length_at..length_at + length_size);
    let length = field.map(|field| field.iter().rev().fold(0usize, |n, &b| n << 8 | usize::from(b)));
    let header = length.and_then(|length| bytes.get(start..start.checked_add(length)?));
    let Some(header) = header.filter(|_| random.below(4) > 0) else {
        let mut bytes = bytes.to_vec();
        edits(&mut bytes, format, random);
        return bytes;
    };
    let rest = bytes[start + header.len()..].to_vec();
    let mut header = header.to_vec();
    edits(&mut header, format, random);
    let mut whole = bytes[..length_at].to_vec();
    whole.extend_from_slice(&header.len().to_le_bytes()[..length_size]);
    whole.extend(header);
    whole.extend(rest);
    whole
}

/// A file made from a whole one.
pub fn mutate(bytes: &[u8], format: Format, random: &mut Random) -> Vec<u8> {
    let inside = (random.below(4) > 0).then(|| in_zip(bytes, format, random)).flatten();
    let changed = inside.unwrap_or_else(|| fit(bytes, format, random));
    let reads_gzip = !matches!(format, Format::Expression | Format::Dot);
    if !reads_gzip || random.below(16) > 0 {
        return changed;
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&changed).expect("memory can be written");
    packed.finish().expect("memory can be written")
}
