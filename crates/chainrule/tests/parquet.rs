//! Parquet tables, written by pyarrow (`golden/parquet.py`).
#![cfg(feature = "parquet")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use chainrule::data::{CsvOptions, Missing, read_table};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)
}

fn options(missing: Missing) -> CsvOptions {
    CsvOptions { missing, categories: true, ..CsvOptions::default() }
}

/// Numbers of all kinds, truth values, decimals, texts in a dictionary, nulls, two groups of rows.
#[test]
fn a_table_is_the_same_as_its_csv() {
    let read = |name: &str, missing| read_table(golden(name), &options(missing)).unwrap();
    for missing in [Missing::Keep, Missing::DropRow] {
        let (parquet, columns) = read("table.parquet", missing);
        let (csv, expected) = read("table.csv", missing);
        assert_eq!(columns, expected);
        assert_eq!((&parquet.labels, &parquet.classes), (&csv.labels, &csv.classes));
        let bits =
            |x: &chainrule::Array| x.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(parquet.features.shape(), csv.features.shape());
        assert_eq!(bits(&parquet.features), bits(&csv.features));
    }
    // Another file is read by the names of its columns, whatever its format.
    let (_, columns) = read("table.csv", Missing::Keep);
    let again = columns.read(golden("table.parquet"), Missing::Keep).unwrap();
    assert_eq!(again.shape()[0], 7);
}

#[test]
fn faults_name_the_file_and_the_row_or_column() {
    let error = |name: &str, options: &CsvOptions| {
        let text = read_table(golden(name), options).unwrap_err().to_string();
        assert!(text.contains(name), "{text}");
        text
    };
    let refuse = options(Missing::Refuse);
    for (name, expected) in [
        ("table.parquet", "row 3, column length: the value is missing"),
        ("zstd.parquet", "the column x is packed as ZSTD"),
        ("date.parquet", "the column when is of the type TIMESTAMP"),
        ("list.parquet", "the column pixels.list.element holds lists"),
        ("bytes.parquet", "row 2, column x: its bytes are no text"),
    ] {
        let text = error(name, &refuse);
        assert!(text.contains(expected), "{name}: {text}");
    }
    let texts = CsvOptions { missing: Missing::Keep, ..CsvOptions::default() };
    let text = error("table.parquet", &texts);
    assert!(text.contains("row 1, column colour: \"red\" is not a number"), "{text}");
    let other = CsvOptions { target: Some("species".into()), ..refuse };
    assert!(error("table.parquet", &other).contains("there is no column species; the columns are length, "));
}

/// Cut off anywhere, or with any byte changed, a file gives a table or an error, and nothing worse.
#[test]
fn broken_files_are_errors() {
    let whole = std::fs::read(golden("table.parquet")).unwrap();
    let path = std::env::temp_dir().join(format!("chainrule-broken-{}.parquet", std::process::id()));
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read_table(&path, &options(Missing::Keep)).map_err(|e| e.to_string())
    };
    assert!(read(&whole).is_ok());
    for end in (4..whole.len()).step_by(3) {
        let error = read(&whole[..end]).unwrap_err();
        assert!(error.contains("chainrule-broken-") && error.contains("not a whole Parquet file"), "{error}");
    }
    let mut faults = 0;
    for place in 4..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x80;
        faults += usize::from(read(&bytes).is_err());
    }
    std::fs::remove_file(&path).unwrap();
    assert!(faults > 500, "{faults}");
}
