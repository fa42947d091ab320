//! Nothing that comes from outside may make the library panic, or allocate more than its own size justifies,
//! whatever its bytes.
//!
//! Thousands of files, made from whole ones by mutations that know their structure, are read under a counting
//! allocator. The same readers are fuzzed for longer with `cargo fuzz` (see `fuzz/`); `CHAINRULE_FUZZ_CASES` sets
//! another number of cases a format here.
#![cfg(feature = "archives")]
#![allow(clippy::unwrap_used)]

mod counting;
#[path = "hostile/entries.rs"]
mod entries;
#[path = "hostile/mutate.rs"]
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use chainrule::Array;
use chainrule::io::save_tensors;
use counting::{Counting, peak_of};
use entries::Format;
use mutate::{Random, mutate};
use proptest::prelude::*;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that a file of this many may make its reader hold: buffers of a fixed size, and a multiple of the
/// file (a comma of a table becomes a text, a byte of a pickle a value). Deflate packs at most about 1,032 times.
fn justified(bytes: &[u8]) -> usize {
    let packed = bytes.starts_with(&[0x1F, 0x8B]) || bytes.starts_with(b"PK");
    (1 << 18) + bytes.len() * if packed { 512 * 8 } else { 512 }
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)).unwrap()
}

/// A whole safetensors file.
fn tensors() -> Vec<u8> {
    let path = std::env::temp_dir().join(format!(
        "chainrule-whole-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let arrays =
        [("w".into(), Array::ones([2, 3])), ("b.bias".into(), Array::zeros_of([3], chainrule::DType::F64))];
    save_tensors(&path, &arrays, &[("chainrule".into(), "{\"arch\":\"mlp\"}".into())]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

fn idx() -> Vec<u8> {
    [&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[1, 2, 3, 4, 5, 6]].concat()
}

/// Whole files of a format.
fn whole(format: Format) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match format {
        Format::Expression => texts(&[
            "1/(1 + exp(-(w0*x0 + w1*x1 + w2)))",
            "dot([1, 2], w) + sum(x^2) - max(a, b, .5)",
            "-x**2^-y · ln(θ) / (3.5e-2 − sqrt(abs(z)))",
        ]),
        Format::Csv => texts(&[
            "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n",
            "1.5;2\n\"3,1\",\"a \"\"b\"\"\"\n",
            "size,colour,kind\r\n1,NA,0\r\n?,2.5e3,1\r\n-7,nan,0\r\n",
        ]),
        Format::Dot => texts(&[
            "digraph {\n\tgraph [size=\"12,12\"]\n\tnode [shape=box]\n\t1 [label=\"MulBackward0\"]\n\t2 -> 1\n\t2 [label=\"x\n (2, 3)\" fillcolor=lightblue]\n\t1 -> 3 [dir=none]\n}\n",
            "digraph { a -> \"subgraph\" -> \"node\" [dir=none] \"edge\" [label=\"\"] }",
            "strict digraph g { a -> b -> c [style=dotted]; c [fillcolor=orange label=z] // end\n }",
        ]),
        Format::Idx => vec![idx(), [&[0, 0, 8, 1, 0, 0, 0, 4][..], &[9, 8, 7, 6]].concat()],
        Format::Safetensors => vec![tensors()],
        Format::Npy => ["half.npy", "scalar.npy", "fortran.npy", "big_endian.npy"].map(golden).into(),
        Format::Npz => ["arrays.npz", "packed.npz"].map(golden).into(),
        Format::Checkpoint => ["state.pt", "old.pth", "checkpoint.pt", "hostile.pt"].map(golden).into(),
    }
}

/// Reads the bytes; a panic or too much memory becomes a sentence.
fn fault(format: Format, bytes: &[u8]) -> Option<String> {
    let (result, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| format.read(bytes))));
    if result.is_err() {
        return Some("the reader panicked".into());
    }
    let limit = justified(bytes);
    (peak > limit).then(|| format!("it held {peak} bytes; for {} at most {limit} are justified", bytes.len()))
}

#[test]
fn mutated_files_are_read_or_refused_within_the_memory_they_justify() {
    let cases = std::env::var("CHAINRULE_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    for format in Format::ALL {
        let whole = whole(format);
        for (i, bytes) in whole.iter().enumerate() {
            assert_eq!(fault(format, bytes), None, "{format:?}, whole file {i}");
        }
        for case in 0..cases {
            let mut random = Random::new(case);
            let mut bytes = mutate(random.pick(&whole).as_slice(), format, &mut random);
            if random.below(4) == 0 {
                bytes = mutate(&bytes, format, &mut random);
            }
            if let Some(fault) = fault(format, &bytes) {
                panic!("{format:?}, case {case}: {fault}:\n\"{}\"", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn files_that_promise_gigabytes_are_refused_without_them() {
    let npy = |header: &str| {
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat()
    };
    let safetensors = |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    for (format, bytes) in [
        (Format::Idx, vec![0, 0, 8, 3, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0, 0, 1]),
        (Format::Idx, [&[0, 0, 8, 255][..], &[255; 1020]].concat()),
        (Format::Npy, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967295, 2), }\n")),
        (Format::Npy, npy("{'descr': '<f8', 'fortran_order': True, 'shape': (0, 4294967295), }\n")),
        (Format::Npy, b"\x93NUMPY\x02\0\xFF\xFF\xFF\xFF{".to_vec()),
        (
            Format::Safetensors,
            safetensors(r#"{"w":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}"#),
        ),
        (Format::Safetensors, u64::MAX.to_le_bytes().to_vec()),
        (Format::Safetensors, (1u64 << 40).to_le_bytes().to_vec()),
        (Format::Expression, "(".repeat(60_000).into_bytes()),
        (Format::Expression, format!("max({}1)", "1,".repeat(30_000)).into_bytes()),
        (Format::Dot, format!("digraph {{ {} }}", "a -> ".repeat(10_000)).into_bytes()),
        (Format::Csv, ",".repeat(50_000).into_bytes()),
        (Format::Csv, "\n".repeat(50_000).into_bytes()),
    ] {
        assert_eq!(
            fault(format, &bytes),
            None,
            "{format:?}: {}",
            bytes[..bytes.len().min(100)].escape_ascii()
        );
    }
}

#[test]
fn the_count_sees_what_readers_allocate() {
    let ((), small) = peak_of(|| drop(std::hint::black_box(vec![0u8; 1000])));
    assert!((1000..2000).contains(&small), "{small}");
    let (kept, large) = peak_of(|| {
        let kept = std::hint::black_box(vec![1u8; 1 << 20]);
        drop(std::hint::black_box(vec![1u8; 1 << 21]));
        kept
    });
    assert!(large >= 3 << 20 && kept.len() == 1 << 20, "{large}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in "[-+*/^()\\[\\], .0-9a-ex²θ]{0,40}") {
        Format::Expression.read(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in Format::ALL {
            prop_assert_eq!(fault(format, &bytes), None);
        }
    }

    #[test]
    fn broken_files_are_refused(place in 0usize..200, byte: u8, length in 0usize..400) {
        for (format, mut bytes) in [(Format::Idx, idx()), (Format::Csv, whole(Format::Csv).remove(0)), (Format::Safetensors, tensors())] {
            let place = place % bytes.len();
            bytes[place] = byte;
            bytes.truncate(length);
            prop_assert_eq!(fault(format, &bytes), None);
        }
    }
}
