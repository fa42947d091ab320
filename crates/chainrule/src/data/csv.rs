//! CSV tables as data sets.

use std::path::Path;

use super::Dataset;
use crate::array::{Array, Shape};
use crate::error::{Error, Result};
use crate::io::bytes::read_file;

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

/// A table read for prediction or training.
#[derive(Debug, Clone)]
struct Table {
    header: Vec<String>,
    rows: Vec<(u64, Vec<String>)>,
}

/// Reads a CSV table, plain or gzip: numbers as features, one column as the class of each row.
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
    let path = path.as_ref();
    let bytes = read_file(path)?;
    parse(&bytes, options).map_err(|error| error.path(path)).map(|data| Dataset {
        name: path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        ..data
    })
}

/// Reads the features of a CSV table for a network that takes `width` of them.
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
    let bytes = read_file(path)?;
    let parsed = (|| {
        let table = read_table(&bytes, &CsvOptions::default())?;
        let columns = table.header.len();
        let left_out = match columns {
            n if n == width => None,
            n if n == width + 1 => {
                Some(target.and_then(|name| table.header.iter().position(|c| c == name)).unwrap_or(n - 1))
            }
            n => {
                return Err(wrong(format!(
                    "the network takes {width} features, and the table has {n} columns"
                )));
            }
        };
        let mut values = Vec::with_capacity(table.rows.len() * width);
        for (line, row) in &table.rows {
            for (column, field) in row.iter().enumerate().filter(|(column, _)| Some(*column) != left_out) {
                values.push(number(field, *line, &table.header[column])?);
            }
        }
        Array::from_vec(values, Shape::new(&[table.rows.len(), width])?)
    })();
    parsed.map_err(|error| error.path(path))
}

/// A feature, with its place in the error where it is none.
fn number(field: &str, line: u64, column: &str) -> Result<f32> {
    let place = format!("line {line}, column {column}");
    match field.trim() {
        text if is_missing(text) => Err(wrong(format!("{place}: the value is missing")).hint(
            "fill it in, leave the row out (Missing::DropRow), or keep it for an Imputer (Missing::Keep)",
        )),
        text => match text.parse::<f32>() {
            Ok(x) if x.is_finite() => Ok(x),
            Ok(_) => Err(wrong(format!("{place}: {text} is not finite"))),
            Err(_) => Err(wrong(format!("{place}: {text:?} is not a number"))),
        },
    }
}

fn wrong(rule: String) -> Error {
    Error::new(crate::ErrorKind::Format, rule)
}

fn parse(bytes: &[u8], options: &CsvOptions) -> Result<Dataset> {
    let table = read_table(bytes, options)?;
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
    let columns = (0..width).filter(|&column| column != target);
    let encodings = columns
        .map(|column| Ok((column, Encoding::of(&table, column, options.categories)?)))
        .collect::<Result<Vec<_>>>()?;
    let features_wide: usize = encodings.iter().map(|(_, encoding)| encoding.width()).sum();
    let mut features = Vec::with_capacity(table.rows.len() * features_wide);
    let mut targets = Vec::with_capacity(table.rows.len());
    for (line, row) in &table.rows {
        if options.missing == Missing::DropRow && row.iter().any(|field| is_missing(field)) {
            continue;
        }
        for (column, encoding) in &encodings {
            let (field, name) = (&row[*column], &table.header[*column]);
            match encoding {
                _ if options.missing == Missing::Keep && is_missing(field) => {
                    features.extend(std::iter::repeat_n(f32::NAN, encoding.width()));
                }
                Encoding::Number => features.push(number(field, *line, name)?),
                Encoding::Categories(texts) => {
                    let field = field.trim();
                    if is_missing(field) {
                        return Err(wrong(format!("line {line}, column {name}: the value is missing")));
                    }
                    features.extend(texts.iter().map(|text| if text == field { 1.0 } else { 0.0 }));
                }
            }
        }
        if row[target].trim().is_empty() {
            return Err(wrong(format!("line {line}, column {}: the class is missing", table.header[target])));
        }
        targets.push(row[target].trim().to_string());
    }
    if targets.is_empty() {
        return Err(wrong("every row has a missing value".into()));
    }
    let mut classes: Vec<String> = targets.clone();
    if targets.iter().all(|t| t.parse::<f64>().is_ok()) {
        classes.sort_by(|a, b| a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse::<f64>().unwrap_or(0.0)));
    } else {
        classes.sort();
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
    let features = Array::from_vec(features, Shape::new(&[targets.len(), features_wide])?)?;
    Dataset::new("", features, labels, classes)
}

/// How a column becomes features.
enum Encoding {
    Number,
    /// One feature a text, in this order.
    Categories(Vec<String>),
}

impl Encoding {
    fn of(table: &Table, column: usize, categories: bool) -> Result<Encoding> {
        let fields =
            || table.rows.iter().map(|(_, row)| row[column].trim()).filter(|field| !is_missing(field));
        if !categories || fields().all(|field| field.parse::<f64>().is_ok()) {
            return Ok(Encoding::Number);
        }
        let mut texts: Vec<String> = fields().map(String::from).collect();
        texts.sort();
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

fn read_table(bytes: &[u8], options: &CsvOptions) -> Result<Table> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(e.to_string()))?;
        let line = record.position().map_or(0, |p| p.line());
        rows.push((line, record.iter().map(String::from).collect()));
    }
    let Some((_, first)) = rows.first() else {
        return Err(wrong("the table is empty".into()));
    };
    let has_header = options.header.unwrap_or_else(|| {
        first.iter().any(|field| field.trim().parse::<f64>().is_err()) && {
            // Text classes alone make no header: a header's other fields are no numbers either.
            first.iter().filter(|field| field.trim().parse::<f64>().is_err()).count() * 2 > first.len()
        }
    });
    let header: Vec<String> = match has_header {
        true => rows.remove(0).1.iter().map(|name| name.trim().to_string()).collect(),
        false => (0..first.len()).map(|i| i.to_string()).collect(),
    };
    if let Some(i) = (1..header.len()).find(|&i| header[..i].contains(&header[i])) {
        return Err(wrong(format!("two columns are called {}", header[i])));
    }
    if rows.is_empty() {
        return Err(wrong("the table has a header and no rows".into()));
    }
    if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != header.len()) {
        return Err(wrong(format!(
            "line {line} has {} fields where {} were expected",
            row.len(),
            header.len()
        )));
    }
    Ok(Table { header, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("a,a\n1,2\n", "two columns"),
        ] {
            let error = parse(text.as_bytes(), &CsvOptions::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let missing = CsvOptions { target: Some("z".into()), ..CsvOptions::default() };
        assert!(parse(b"a,b\n1,2\n", &missing).unwrap_err().to_string().contains("there is no column z"));
    }
}
