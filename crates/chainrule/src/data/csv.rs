//! Tables as data sets: which columns are features, which is the class, and what is done about gaps.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Dataset;
use super::table::Table;
use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::order;

/// How a CSV table is read.
///
/// ```
/// use chainrule::data::{read_csv, CsvOptions};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-csv-options-{}.csv", std::process::id()));
/// std::fs::write(&path, "kind,size,colour\nx,1,red\ny,2,blue\n").unwrap();
/// let options = CsvOptions { target: Some("kind".into()), categories: true, ..CsvOptions::default() };
/// let data = read_csv(&path, &options)?;
/// assert_eq!(data.features.to_vec::<f32>()?, [1.0, 0.0, 1.0, 2.0, 1.0, 0.0]); // size, blue, red
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CsvOptions {
    /// The column with the classes: its name, or its number from 0; the last column where it is `None`.
    pub target: Option<String>,
    /// Whether the first line holds names; judged by whether it holds a field that is no number (`None`).
    pub header: Option<bool>,
    /// What is done about missing values (empty fields, `NA`, `NaN` and `?`).
    pub missing: Missing,
    /// Whether a column of texts becomes features: one a text, `column=text`, that is 1 where it stands and else 0.
    pub categories: bool,
}

/// What is done about missing values.
///
/// ```
/// use chainrule::data::{read_csv, CsvOptions, Missing};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-csv-missing-{}.csv", std::process::id()));
/// std::fs::write(&path, "a,kind\n1,x\n?,y\n3,x\n").unwrap();
/// let error = read_csv(&path, &CsvOptions::default()).unwrap_err();
/// assert_eq!(error.rule(), "line 3, column a: the value is missing");
/// let dropped = read_csv(&path, &CsvOptions { missing: Missing::DropRow, ..CsvOptions::default() })?;
/// assert_eq!(dropped.len(), 2);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// They are errors
    #[default]
    Refuse,
    /// Rows with missing values are left out
    DropRow,
    /// They become NaN, for an [`Imputer`](super::Imputer) that learns from the training part what to fill in
    Keep,
}

/// Whether a field stands for a missing value.
fn is_missing(field: &str) -> bool {
    matches!(field.trim(), "" | "NA" | "N/A" | "NaN" | "nan" | "?" | "null")
}

/// More different texts than this make no categories.
const MOST_CATEGORIES: usize = 1000;

/// What a table's columns mean, so that another table is read in the same way.
///
/// ```
/// use chainrule::data::{CsvOptions, read_table};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-columns-{}.csv", std::process::id()));
/// # std::fs::write(&path, "size,colour,kind\n1,red,x\n2,blue,y\n3,red,x\n").unwrap();
/// let options = CsvOptions { categories: true, ..CsvOptions::default() };
/// let (data, columns) = read_table(&path, &options)?;
/// assert_eq!((&columns.target[..], columns.features.len()), ("kind", 2));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The column with the class.
    pub target: String,
    /// The columns with the features, in the order in which a network takes them.
    pub features: Vec<Column>,
}

/// A column of a table.
///
/// ```
/// use chainrule::data::Column;
/// let colour = Column { name: "colour".into(), categories: vec!["blue".into(), "red".into()] };
/// assert_eq!(colour.categories.len(), 2); // two features: is it blue, is it red
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, or its number from 0 where the table has no header.
    pub name: String,
    /// Its texts, each of which becomes a feature that is 1 where it stands and else 0; empty for numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// Reads a CSV table, plain or gzip: numbers as features, one column as the class of each row.
///
/// Fields are divided by commas, semicolons or tabs: whichever the first line has most of.
///
/// Classes that are texts are sorted; classes that are whole numbers are sorted by value.
///
/// # Errors
/// The file can't be read; a row has too many or too few fields; a feature is missing, no number or not
/// finite (with line and column); there is no such target column, or no row.
///
/// ```
/// use chainrule::data::{read_csv, CsvOptions};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-csv-{}.csv", std::process::id()));
/// std::fs::write(&path, "length,width,kind\n5.1,3.5,iris\n6.2,2.9,rose\n").unwrap();
/// let data = read_csv(&path, &CsvOptions::default())?;
/// assert_eq!((data.len(), data.width(), &data.labels[..]), (2, 2, &[0, 1][..]));
/// assert_eq!(data.classes, ["iris", "rose"]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn read_csv(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Dataset> {
    read_table(path, options).map(|(data, _)| data)
}

/// Reads a table as [`read_csv`] does (with the feature `parquet` also a Parquet file), and says what its columns
/// mean.
///
/// # Errors
/// As [`read_csv`].
///
/// ```
/// use chainrule::data::{CsvOptions, read_table};
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-table-{}.csv", std::process::id()));
/// # std::fs::write(&path, "size,colour,kind\n1,red,x\n2,blue,y\n3,red,x\n").unwrap();
/// let options = CsvOptions { categories: true, ..CsvOptions::default() };
/// let (data, columns) = read_table(&path, &options)?;
/// assert_eq!((data.len(), data.width()), (3, 3)); // size, colour=blue, colour=red
/// assert_eq!(columns.features[1].categories, ["blue", "red"]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn read_table(path: impl AsRef<Path>, options: &CsvOptions) -> Result<(Dataset, Columns)> {
    let path = path.as_ref();
    let read = || interpret(&Table::read(path, options.header)?, options);
    read().map_err(|error| error.path(path)).map(|(data, columns)| {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        (Dataset { name, ..data }, columns)
    })
}

/// Reads the features of a table of numbers for a network that takes `width` of them.
///
/// A column more is the class: the target column where it is named, else the last; it is left out.
///
/// # Errors
/// As [`read_csv`], or the table has another number of columns.
///
/// ```
/// use chainrule::data::read_features;
/// # let path = std::env::temp_dir().join(format!("chainrule-doc-csv-features-{}.csv", std::process::id()));
/// std::fs::write(&path, "length,width\n5.1,3.5\n6.2,2.9\n").unwrap();
/// assert_eq!(*read_features(&path, 2, None)?.shape(), [2, 2]);
/// assert!(read_features(&path, 4, None).is_err());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), chainrule::Error>(())
/// ```
pub fn read_features(path: impl AsRef<Path>, width: usize, target: Option<&str>) -> Result<Array> {
    let path = path.as_ref();
    let read = || {
        let table = Table::read(path, None)?;
        let columns = table.feature_columns(width, target)?;
        let numbers = vec![Encoding::Number; width];
        features(&table, &columns.into_iter().zip(&numbers).collect::<Vec<_>>(), Missing::Refuse)
    };
    read().map_err(|error| error.path(path))
}

impl Columns {
    /// Reads the features of another table with these columns: found by their names where it has a header with them,
    /// else by their order. Missing values become NaN, for an [`Imputer`](super::Imputer), or are refused.
    ///
    /// # Errors
    /// As [`read_csv`], the table has other columns, or a text that isn't one of a column's categories.
    ///
    /// ```
    /// use chainrule::data::{CsvOptions, Missing, read_table};
    /// # let path = std::env::temp_dir().join(format!("chainrule-doc-read-{}.csv", std::process::id()));
    /// # std::fs::write(&path, "size,colour,kind\n1,red,x\n2,blue,y\n3,red,x\n").unwrap();
    /// let options = CsvOptions { categories: true, ..CsvOptions::default() };
    /// let (data, columns) = read_table(&path, &options)?;
    /// # std::fs::write(&path, "colour,size\nred,7\n").unwrap();
    /// let features = columns.read(&path, Missing::Refuse)?; // its columns stand in another order
    /// assert_eq!(features.to_vec::<f32>()?, [7.0, 0.0, 1.0]);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), chainrule::Error>(())
    /// ```
    pub fn read(&self, path: impl AsRef<Path>, missing: Missing) -> Result<Array> {
        let path = path.as_ref();
        let read = || {
            let table = Table::read(path, None)?;
            let by_name = |column: &Column| table.header.iter().position(|name| *name == column.name);
            let found: Option<Vec<usize>> =
                if table.named { self.features.iter().map(by_name).collect() } else { None };
            let columns = match found {
                Some(columns) => columns,
                None => table.feature_columns(self.features.len(), Some(&self.target))?,
            };
            let encodings: Vec<Encoding> = self.features.iter().map(Encoding::known).collect();
            features(&table, &columns.into_iter().zip(&encodings).collect::<Vec<_>>(), missing)
        };
        read().map_err(|error| error.path(path))
    }
}

/// A feature, with its place in the error where it is none.
fn number(field: &str, place: impl Fn() -> String) -> Result<f32> {
    match field.trim() {
        text if is_missing(text) => Err(missing_value(&place())),
        text => match text.parse::<f32>() {
            Ok(x) if x.is_finite() => Ok(x),
            Ok(_) => Err(wrong(format!("{}: {text} is not finite", place()))),
            Err(_) if text.replace(',', ".").parse::<f32>().is_ok() => {
                Err(wrong(format!("{}: {text:?} is not a number", place()))
                    .hint("write it with a decimal point in place of the comma"))
            }
            Err(_) => Err(wrong(format!("{}: {text:?} is not a number", place()))
                .hint("take columns of texts as categories (--categories), or another column as the target")),
        },
    }
}

fn missing_value(place: &str) -> Error {
    wrong(format!("{place}: the value is missing")).hint(
        "fill it in, leave such rows out (--missing drop), or have it filled in (--missing mean or median)",
    )
}

pub(super) fn wrong(rule: String) -> Error {
    Error::new(crate::ErrorKind::Format, rule)
}

fn interpret(table: &Table, options: &CsvOptions) -> Result<(Dataset, Columns)> {
    let width = table.header.len();
    if width < 2 {
        return Err(wrong("a table needs a feature and a target, and this one has one column".into()));
    }
    let target = match &options.target {
        None => width - 1,
        Some(name) => table
            .header
            .iter()
            .position(|column| column == name)
            .or_else(|| name.parse().ok().filter(|&i: &usize| i < width))
            .ok_or_else(|| {
                wrong(format!("there is no column {name}; the columns are {}", table.header.join(", ")))
            })?,
    };
    let columns: Vec<usize> = (0..width).filter(|&column| column != target).collect();
    let encodings = columns
        .iter()
        .map(|&column| Encoding::of(table, column, options.categories))
        .collect::<Result<Vec<_>>>()?;
    let complete = |row: &[String]| !row.iter().any(|field| is_missing(field));
    let table = &Table {
        rows: match options.missing {
            Missing::DropRow => table.rows.iter().filter(|(_, row)| complete(row)).cloned().collect(),
            _ => table.rows.clone(),
        },
        ..table.clone()
    };
    let mut targets = Vec::with_capacity(table.rows.len());
    for (line, row) in &table.rows {
        if is_missing(&row[target]) {
            return Err(wrong(format!("{}: the class is missing", table.place(*line, target)))
                .hint("leave such rows out (--missing drop)"));
        }
        targets.push(row[target].trim().to_string());
    }
    if targets.is_empty() {
        return Err(wrong("every row has a missing value".into()));
    }
    let mut classes: Vec<String> = targets.clone();
    if targets.iter().all(|t| t.parse::<f64>().is_ok()) {
        order::sort_by(&mut classes, |a, b| {
            a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse::<f64>().unwrap_or(0.0))
        });
    } else {
        order::sort(&mut classes);
    }
    classes.dedup();
    if classes.len() > 1000 || (classes.len() > 20 && classes.len() * 2 > targets.len()) {
        return Err(wrong(format!(
            "the target column {} has {} different values, too many to be classes",
            table.header[target],
            classes.len()
        ))
        .hint("choose another column with --target"));
    }
    let labels =
        targets.iter().filter_map(|t| classes.iter().position(|c| c == t)).map(|i| i as i64).collect();
    let placed: Vec<(usize, &Encoding)> = columns.iter().copied().zip(&encodings).collect();
    let features = features(table, &placed, options.missing)?;
    let named = |(&column, encoding): (&usize, &Encoding)| Column {
        name: table.header[column].clone(),
        categories: match encoding {
            Encoding::Number => Vec::new(),
            Encoding::Categories(texts) => texts.clone(),
        },
    };
    let columns = Columns {
        target: table.header[target].clone(),
        features: columns.iter().zip(&encodings).map(named).collect(),
    };
    Ok((Dataset::new("", features, labels, classes)?, columns))
}

/// The features of all rows: of these columns, in this order.
fn features(table: &Table, columns: &[(usize, &Encoding)], missing: Missing) -> Result<Array> {
    let width: usize = columns.iter().map(|(_, encoding)| encoding.width()).sum();
    let mut values = Vec::with_capacity(table.rows.len() * width);
    for (line, row) in &table.rows {
        for &(column, encoding) in columns {
            let field = row[column].trim();
            let place = || table.place(*line, column);
            match encoding {
                _ if missing == Missing::Keep && is_missing(field) => {
                    values.extend(std::iter::repeat_n(f32::NAN, encoding.width()));
                }
                Encoding::Number => values.push(number(field, place)?),
                Encoding::Categories(_) if is_missing(field) => {
                    return Err(missing_value(&place()));
                }
                Encoding::Categories(texts) => {
                    if !texts.iter().any(|text| text == field) {
                        let known = texts.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
                        return Err(wrong(format!(
                            "{}: {field:?} is not one of the {} known texts ({known}{})",
                            place(),
                            texts.len(),
                            if texts.len() > 8 { ", …" } else { "" }
                        )));
                    }
                    values.extend(texts.iter().map(|text| if text == field { 1.0 } else { 0.0 }));
                }
            }
        }
    }
    Array::from_vec(values, Shape::new(&[table.rows.len(), width])?)
}

/// How a column becomes features.
#[derive(Debug, Clone)]
enum Encoding {
    Number,
    /// One feature a text, in this order.
    Categories(Vec<String>),
}

impl Encoding {
    fn known(column: &Column) -> Encoding {
        match column.categories.is_empty() {
            true => Encoding::Number,
            false => Encoding::Categories(column.categories.clone()),
        }
    }

    fn of(table: &Table, column: usize, categories: bool) -> Result<Encoding> {
        let fields =
            || table.rows.iter().map(|(_, row)| row[column].trim()).filter(|field| !is_missing(field));
        if !categories || fields().all(|field| field.parse::<f64>().is_ok()) {
            return Ok(Encoding::Number);
        }
        let mut texts: Vec<String> = fields().map(String::from).collect();
        order::sort(&mut texts);
        texts.dedup();
        if texts.len() > MOST_CATEGORIES {
            return Err(wrong(format!(
                "the column {} has {} different texts, too many to be categories",
                table.header[column],
                texts.len()
            )));
        }
        Ok(Encoding::Categories(texts))
    }

    /// How many features the column becomes.
    fn width(&self) -> usize {
        match self {
            Encoding::Number => 1,
            Encoding::Categories(texts) => texts.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], options: &CsvOptions) -> Result<Dataset> {
        Ok(interpret(&Table::of_csv(bytes, options.header)?, options)?.0)
    }

    #[test]
    fn tables_with_and_without_header_are_read() {
        let named = parse(b"a,b,kind\r\n1,2,x\r\n3,4,y\r\n5,6,x\r\n", &CsvOptions::default()).unwrap();
        assert_eq!(
            (named.len(), named.width(), &named.classes[..]),
            (3, 2, &["x".to_string(), "y".to_string()][..])
        );
        assert_eq!(named.labels, [0, 1, 0]);
        let bare = parse(b"1,2,0\n3,4,10\n5,6,9\n", &CsvOptions::default()).unwrap();
        assert_eq!(bare.classes, ["0", "9", "10"]);
        for other in ["a;b;kind\n1;2;x\n3;4;y,z\n", "\u{FEFF}a\tb\tkind\r\n1\t2\t\"x\"\r\n3\t4\t\"y,z\"\r\n"]
        {
            assert_eq!(parse(other.as_bytes(), &CsvOptions::default()).unwrap().classes, ["x", "y,z"]);
        }
        let first = CsvOptions { target: Some("kind".into()), ..CsvOptions::default() };
        assert_eq!(parse(b"kind,a\n1,2\n0,4\n", &first).unwrap().labels, [1, 0]);
    }

    #[test]
    fn missing_values_and_texts_are_treated_as_asked() {
        let text = b"size,colour,kind\n1,red,x\n?,blue,y\n3,NA,x\n4,red,y\n";
        let with = |missing| CsvOptions { missing, categories: true, ..CsvOptions::default() };
        let kept = parse(text, &with(Missing::Keep)).unwrap();
        let rows = kept.features.to_vec::<f32>().unwrap();
        assert_eq!(kept.width(), 3);
        assert_eq!(rows[..3], [1.0, 0.0, 1.0]);
        assert!(rows[3].is_nan() && rows[4..6] == [1.0, 0.0]);
        assert!(rows[6] == 3.0 && rows[7].is_nan() && rows[8].is_nan());
        let dropped = parse(text, &with(Missing::DropRow)).unwrap();
        assert_eq!((dropped.len(), &dropped.labels[..]), (2, &[0, 1][..]));
        let error = parse(text, &with(Missing::Refuse)).unwrap_err().to_string();
        assert!(error.contains("line 3, column size: the value is missing"), "{error}");
        let error = parse(b"a,b,kind\n1,red,x\n2,blue,y\n", &CsvOptions::default()).unwrap_err().to_string();
        assert!(error.contains("line 2, column b: \"red\" is not a number"), "{error}");
        assert!(parse(b"a,b\n?,x\n", &with(Missing::DropRow)).is_err());
    }

    #[test]
    fn faults_are_named_with_their_place() {
        for (text, expected) in [
            ("", "empty"),
            ("a,b\n", "no rows"),
            ("a,b,c\n1,2,3\n1,2\n", "line 3 has 2 fields where 3"),
            ("a,b\n1,x\n1,2,y\n", "line 3 has 3 fields where 2"),
            ("a,b\n1,x\n,y\n", "line 3, column a: the value is missing"),
            ("a,b\n1,x\ntwo,y\n", "line 3, column a: \"two\" is not a number"),
            ("a,b\ninf,x\n", "not finite"),
            ("a,b\n1,NA\n2,x\n", "line 2, column b: the class is missing"),
            (
                "a;b;k\n1;2;x\n3,5;4;y\n",
                "line 3, column a: \"3,5\" is not a number; write it with a decimal point",
            ),
            ("a,b,k\n1,2,x\n3,4,\"y\n5,6,x\n", "line 3: a quote is opened"),
            ("a,a\n1,2\n", "two columns"),
        ] {
            let error = parse(text.as_bytes(), &CsvOptions::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let error = parse(b"a,k\n1,caf\xe9\n", &CsvOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("line 2, field 2: the text isn't UTF-8"), "{error}");
        let missing = CsvOptions { target: Some("z".into()), ..CsvOptions::default() };
        assert!(parse(b"a,b\n1,2\n", &missing).unwrap_err().to_string().contains("there is no column z"));
    }
}
