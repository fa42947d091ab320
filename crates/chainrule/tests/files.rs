//! Files of PyTorch and NumPy (`golden/files`, written by `golden/files.py`), and files that try to do harm.
#![cfg(feature = "archives")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use chainrule::io::{self, Item};
use chainrule::nn::{Activation, Linear, Module, Sequential};
use chainrule::{Array, DType, Generator, Shape, Tensor};
use proptest::prelude::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)
}

/// A path of this test's own, removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Temporary {
        let unique =
            format!("chainrule-files-{}-{:?}-{name}", std::process::id(), std::thread::current().id());
        Temporary(std::env::temp_dir().join(unique))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn array<'a>(tensors: &'a [(String, Array)], name: &str) -> &'a Array {
    &tensors.iter().find(|(other, _)| other == name).unwrap().1
}

#[test]
fn state_dictionaries_of_pytorch_are_read() {
    for file in ["state.pt", "old.pth"] {
        let (tensors, _) = io::load_tensors(golden(file)).unwrap();
        assert_eq!(tensors.len(), 16, "{file}");
        let get = |name: &str| array(&tensors, name);
        let whole: Vec<f64> = (0..24).map(f64::from).collect();
        assert_eq!((&get("whole").shape()[..], get("whole").to_f64_vec()), (&[2, 3, 4][..], whole));
        let transposed: Vec<f64> = (0..24).map(|i| f64::from(i % 4 * 6 + i / 4)).collect();
        assert_eq!(
            (&get("transposed").shape()[..], get("transposed").to_f64_vec()),
            (&[6, 4][..], transposed)
        );
        let second: Vec<f64> = (0..9).map(|i| f64::from(3 + 2 * i)).collect();
        assert_eq!(get("every.second").to_f64_vec(), second);
        assert_eq!(get("repeated").to_f64_vec(), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        assert_eq!(get("parameter").to_f64_vec(), [1.5, -2.5]);
        assert_eq!((get("scalar").rank(), get("scalar").to_f64_vec()), (0, vec![3.0]));
        assert_eq!(get("empty").shape()[..], [0, 3]);
        for (name, dtype) in [
            ("float64", DType::F64),
            ("float16", DType::F32),
            ("bfloat16", DType::F32),
            ("int64", DType::I64),
            ("int32", DType::I32),
            ("int16", DType::I32),
            ("int8", DType::I32),
            ("uint8", DType::U8),
            ("bool", DType::Bool),
        ] {
            let array = get(&format!("type.{name}"));
            let expected = if name == "bool" { [0.0, 1.0, 1.0, 1.0] } else { [0.0, 1.0, 2.0, 100.0] };
            assert_eq!((array.dtype(), array.to_f64_vec()), (dtype, expected.to_vec()), "{file}: {name}");
        }
    }
}

#[test]
fn checkpoints_with_all_kinds_of_things_are_read() {
    let checkpoint = io::load_checkpoint(golden("checkpoint.pt")).unwrap();
    let text = |key: &str| format!("{:?}", checkpoint.get(key).unwrap());
    assert_eq!(text("epoch"), "Int(3)");
    assert_eq!(text("lr"), "Float(0.1)");
    assert_eq!(text("negative"), "Int(-1099511627776)");
    assert_eq!(text("none"), "None");
    assert_eq!(text("flag"), "Bool(true)");
    assert_eq!(text("pair"), "List([Int(1), Float(2.5)])");
    assert_eq!(text("size"), "List([Int(1), Int(2)])");
    assert_eq!(text("device"), "Other(\"cpu\")");
    assert_eq!(text("counts"), "Dict([(\"a\", Int(1))])");
    assert!(text("big").contains("integer of 13 bytes"), "{}", text("big"));
    let Some(Item::Dict(model)) = checkpoint.get("model") else { panic!("no model") };
    let names: Vec<&str> = model.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names[..4], ["0.weight", "0.bias", "1.weight", "1.bias"]);
    let tensors = checkpoint.tensors();
    assert!(tensors.iter().any(|(name, _)| name == "optimizer.state.0.exp_avg"));
    assert_eq!(array(&tensors, "list.2").to_f64_vec(), [1.0, 1.0]);
}

#[test]
fn nothing_is_run() {
    for (file, named) in
        [("hostile.pt", "posix.system"), ("model.pt", "torch.nn.modules.container.Sequential")]
    {
        let error = io::load_checkpoint(golden(file)).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("not run") && error.contains(file), "{error}");
        assert!(error.contains("torch.save(model.state_dict(), path)"), "{error}");
    }
    for file in ["hostile2.pkl", "hostile4.pkl"] {
        // A pickle alone isn't a checkpoint.
        assert!(io::load_checkpoint(golden(file)).is_err());
    }
}

/// A checkpoint with this pickle, and a storage "0" of 16 bytes.
fn with_pickle(pickle: &[u8]) -> Temporary {
    use std::io::Write;
    let path = Temporary::new("made.pt");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path.0).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", &[0; 16])] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn hostile_pickles_are_refused_with_the_reason() {
    let tensor = |sizes: &[u8], strides: &[u8]| {
        let storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
        let call = b"ctorch._utils\n_rebuild_tensor_v2\n(";
        [&call[..], storage, b"K\0(", sizes, b"t(", strides, b"t\x89tR."].concat()
    };
    let deep = [&b")"[..], &b"\x85".repeat(1_000_000), b"."].concat();
    // Each list holds the last one twice: 2⁶⁰ lists.
    let laughs = [&b")q\0"[..], &b"h\0h\0\x86q\0".repeat(60), b"."].concat();
    for (pickle, expected) in [
        (b"cos\nsystem\n.".to_vec(), "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.".to_vec(), "os.system"),
        (b"cbuiltins\neval\n(X\x01\0\0\x001tR.".to_vec(), "builtins.eval"),
        (b"i__main__\nX\n.".to_vec(), "0x69"),
        (b"ccollections\nOrderedDict\n(K\x01tR.".to_vec(), "a tuple or list was expected"),
        (b"]q\0h\0a.".to_vec(), "nested too deeply, or hold themselves"),
        (deep, "nested too deeply"),
        (laughs, "repeats its containers too often"),
        (b"".to_vec(), "cut off"),
        (b"X\xff\xff\xff\xffabc.".to_vec(), "cut off"),
        (b".".to_vec(), "missing on the stack"),
        (b"h\x05.".to_vec(), "remembered as 5"),
        (b"e.".to_vec(), "a mark is missing"),
        (tensor(b"K\x05", b"K\x01"), "reaches beyond its storage of 4 elements"),
        (tensor(b"K\x02K\x02", b"K\x01"), "as many strides as sizes"),
        (tensor(b"J\0\0\0\x40J\0\0\0\x40", b"K\0K\0"), "more elements than memory can hold"),
        (tensor(b"J\xff\xff\xff\x7f", b"J\xff\xff\xff\x7f"), "reaches beyond"),
        (tensor(b"J\xff\xff\xff\xff", b"K\x01"), "no number from 0 on"),
    ] {
        let path = with_pickle(&pickle);
        let error = io::load_checkpoint(&path.0).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "{:?}…: {error}",
            String::from_utf8_lossy(&pickle[..pickle.len().min(60)])
        );
    }
    // A gigabyte of one element, repeated, stays a view of it.
    let repeated = with_pickle(&tensor(b"J\0\0\0\x10", b"K\0"));
    let repeated = io::load_tensors(&repeated.0).unwrap().0.remove(0).1;
    assert_eq!((repeated.elements(), repeated.strides().to_vec()), (1 << 28, vec![0]));
    assert_eq!(repeated.narrow(0, -3, 3).unwrap().to_f64_vec(), [0.0; 3]);
    let good = with_pickle(&tensor(b"K\x02K\x02", b"K\x01K\x02"));
    assert_eq!(io::load_tensors(&good.0).unwrap().0[0].1.shape()[..], [2, 2]);
}

#[test]
fn numpy_files_are_read() {
    let read = |name: &str| io::load_npy(golden(name)).unwrap();
    let fortran = read("fortran.npy");
    assert_eq!(
        (&fortran.shape()[..], fortran.to_f64_vec()),
        (&[2, 3][..], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    );
    assert_eq!(
        (read("big_endian.npy").dtype(), read("big_endian.npy").to_f64_vec()),
        (DType::I32, vec![0.0, 1.0, 2.0])
    );
    assert_eq!((read("half.npy").dtype(), read("half.npy").to_f64_vec()), (DType::F32, vec![0.5, -2.0]));
    assert_eq!((read("scalar.npy").rank(), read("scalar.npy").item().unwrap()), (0, 7.0));
    let error = io::load_npy(golden("objects.npy")).unwrap_err().to_string();
    assert!(error.contains("objects") && error.contains("aren't run"), "{error}");
    let (arrays, _) = io::load_tensors(golden("arrays.npz")).unwrap();
    assert_eq!((arrays[0].0.as_str(), arrays[0].1.dtype()), ("a", DType::F32));
    assert_eq!(arrays[1].1.to_vec::<bool>().unwrap(), [true, false]);
    let (packed, _) = io::load_tensors(golden("packed.npz")).unwrap();
    assert_eq!(
        (array(&packed, "zeros").elements(), array(&packed, "ones").to_f64_vec()),
        (10_000, vec![1.0; 3])
    );
}

fn samples() -> Vec<(String, Array)> {
    let mut all: Vec<(String, Array)> = DType::ALL
        .iter()
        .map(|&dtype| {
            let values: Vec<i64> = (0..6).map(|i| i * 40 - 3).collect();
            let array = Array::from_vec(values, [2, 3]).unwrap().cast(dtype).transpose(0, 1).unwrap();
            (dtype.name().to_string(), array)
        })
        .collect();
    all.push(("empty".into(), Array::zeros([0, 4])));
    all.push(("scalar".into(), Array::scalar(2.5f64)));
    // Large enough to be mapped.
    all.push(("large".into(), Array::linspace(0.0, 1.0, 50_000)));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn every_format_gives_back_what_was_written() {
    let samples = samples();
    for name in ["all.safetensors", "all.npz"] {
        let path = Temporary::new(name);
        let write = || match name {
            "all.npz" => io::save_npz(&path.0, &samples).unwrap(),
            _ => io::save_tensors(&path.0, &samples, &[("a".into(), "ä\n\"".into())]).unwrap(),
        };
        write();
        let first = std::fs::read(&path.0).unwrap();
        let (read, about) = io::load_tensors(&path.0).unwrap();
        assert_eq!(read.len(), samples.len());
        for ((a, x), (b, y)) in read.iter().zip(&samples) {
            assert!(a == b && x.same_as(y), "{name}: {a}");
        }
        assert_eq!(about.is_empty(), name == "all.npz");
        write();
        assert_eq!(std::fs::read(&path.0).unwrap(), first, "the same content gives the same bytes");
    }
    for (name, array) in &samples {
        let path = Temporary::new("one.npy");
        io::save_npy(&path.0, array).unwrap();
        assert!(io::load_npy(&path.0).unwrap().same_as(array), "{name}");
    }
    let path = Temporary::new("twice.safetensors");
    let twice = [("a".to_string(), Array::ones([1])), ("a".to_string(), Array::ones([2]))];
    assert!(io::save_tensors(&path.0, &twice, &[]).unwrap_err().to_string().contains("both be called a"));
    assert!(!path.0.exists());
}

#[test]
fn loading_says_what_did_not_fit() {
    let mut generator = Generator::new(0);
    let net = Sequential::new()
        .push(Linear::new(2, 3, &mut generator))
        .push(Activation::Relu)
        .push(Linear::new(3, 1, &mut generator));
    let values = [
        ("0.weight".to_string(), Tensor::full([3, 2], 7.0)),
        ("0.bias".to_string(), Tensor::ones([4])),
        ("2.weight".to_string(), Tensor::ones([1, 3])),
        ("head".to_string(), Tensor::ones([1])),
    ];
    let before = net.parameters()[0].to_vec::<f32>().unwrap();
    let error = net.load_parameters(&values).unwrap_err().to_string();
    assert_eq!(
        error,
        "the parameters don't fit the network; missing: 2.bias; unexpected: head; \
         misshaped: 0.bias (expected [3], given [4])"
    );
    assert_eq!(net.parameters()[0].to_vec::<f32>().unwrap(), before, "nothing is changed");
    let report = net.load_matching(&values).unwrap();
    assert_eq!(report.matched, ["0.weight", "2.weight"]);
    assert_eq!(
        (&report.missing[..], &report.unexpected[..]),
        (&["2.bias".to_string()][..], &["head".to_string()][..])
    );
    assert_eq!(report.misshaped, [("0.bias".to_string(), Shape::from([3]), Shape::from([4]))]);
    assert_eq!(net.parameters()[0].to_vec::<f32>().unwrap(), [7.0; 6]);
}

/// Every reader on these bytes; only errors may come of it.
fn read_all(bytes: &[u8]) {
    let path = Temporary::new("fuzz");
    std::fs::write(&path.0, bytes).unwrap();
    drop(io::load_tensors(&path.0));
    drop(io::load_checkpoint(&path.0));
    drop(io::load_npy(&path.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn broken_files_are_refused(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut: u16) {
        for file in ["state.pt", "checkpoint.pt", "old.pth", "arrays.npz", "packed.npz", "fortran.npy"] {
            let mut bytes = std::fs::read(golden(file)).unwrap();
            for (place, byte) in &changes {
                let length = bytes.len();
                bytes[usize::from(*place) % length] = *byte;
            }
            if cut % 2 == 0 {
                bytes.truncate(usize::from(cut) % bytes.len());
            }
            read_all(&bytes);
        }
    }

    #[test]
    fn any_pickle_is_read_or_refused(program in proptest::collection::vec(
        prop_oneof![
            8 => proptest::sample::select(b"(.0125NJKMXUtl]})dRQbsuaeqhI\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x93\x94".to_vec()).prop_map(|b| vec![b]),
            2 => any::<u8>().prop_map(|b| vec![b]),
            1 => Just(b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec()),
            1 => Just(b"ccollections\nOrderedDict\n".to_vec()),
            1 => Just(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000NK\x04tQ".to_vec()),
        ],
        0..60,
    )) {
        let path = with_pickle(&program.concat());
        drop(io::load_checkpoint(&path.0));
        // The pickles of PyTorch's older format.
        read_all(&[b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), program.concat()].concat());
    }
}
