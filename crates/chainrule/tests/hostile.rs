//! Nothing that comes from outside may make the library panic, whatever its bytes.
#![allow(clippy::unwrap_used)]

use chainrule::data::{CsvOptions, read_csv, read_features, read_idx};
use chainrule::formula::Expr;
use chainrule::io::{load_tensors, save_tensors, write_atomic};
use chainrule::train::TrainedModel;
use chainrule::{Array, ComputationalGraph};
use proptest::prelude::*;

/// Runs every reader on these bytes; only errors may come of it.
fn read_all(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!(
        "chainrule-hostile-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    write_atomic(&path, bytes).unwrap();
    let _ = read_idx(&path);
    let _ = read_csv(&path, &CsvOptions::default());
    let _ = read_features(&path, 2, None);
    let _ = load_tensors(&path);
    let _ = TrainedModel::load(&path);
    std::fs::remove_file(&path).unwrap();
}

/// A whole safetensors file.
fn tensors() -> Vec<u8> {
    let path = std::env::temp_dir().join(format!(
        "chainrule-whole-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    save_tensors(&path, &[("w".into(), Array::ones([2, 3]))], &[("chainrule".into(), "{}".into())]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused(text in "[-+*/^()\\[\\], .0-9a-ex²θ]{0,40}") {
        if let Ok(expr) = Expr::parse(&text) {
            let _ = ComputationalGraph::from_expr(&expr);
            for name in expr.symbols() {
                let _ = expr.derivative(&name);
            }
            prop_assert_eq!(&Expr::parse(&expr.to_string()).unwrap().to_string(), &expr.to_string());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn broken_files_are_refused(place in 0usize..200, byte: u8, length in 0usize..400) {
        let idx = [&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[1, 2, 3, 4, 5, 6]].concat();
        let csv = b"a,b,kind\n1,2,x\n3,4,y\n5,6,x\n".to_vec();
        for mut bytes in [idx, csv, tensors()] {
            let place = place % bytes.len();
            bytes[place] = byte;
            bytes.truncate(length);
            read_all(&bytes);
        }
    }
}
