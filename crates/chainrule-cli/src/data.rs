//! Where the data of a run comes from.

use std::path::Path;

use chainrule::data::{CsvOptions, Dataset, digits, load_mnist, read_csv};
use chainrule::train::Settings;

use crate::Failure;

/// The share of examples that only tests the network, where the source doesn't say which.
const TEST_SHARE: f64 = 0.2;

/// Training and test part of what `--data` names.
pub fn load(settings: &Settings) -> Result<(Dataset, Dataset), Failure> {
    if settings.data == "digits" {
        if settings.target.is_some() {
            return Err(no_column("digits"));
        }
        return Ok(digits().stratified_split(TEST_SHARE, settings.seed)?);
    }
    let path = Path::new(&settings.data);
    if settings.target.is_some() && path.is_dir() {
        return Err(no_column(&settings.data));
    }
    if path.is_dir() {
        return Ok(load_mnist(path)?);
    }
    if !path.exists() {
        return Err(format!(
            "{}: there is no such file or folder; --data takes a CSV file, a folder of IDX files, or digits",
            settings.data
        )
        .into());
    }
    let options = CsvOptions { target: settings.target.clone(), ..CsvOptions::default() };
    Ok(read_csv(path, &options)?.stratified_split(TEST_SHARE, settings.seed)?)
}

fn no_column(data: &str) -> Failure {
    format!("--target names a column of a CSV file, and {data} isn't one").into()
}
