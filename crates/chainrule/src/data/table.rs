//! A table as its file holds it: names, and rows of texts with their places.

use std::path::Path;

use super::csv::wrong;
use crate::error::Result;
use crate::io::bytes::{FileBytes, read_file};

/// A table read for prediction or training: its columns' names, and each row with its number in the file.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) header: Vec<String>,
    /// Whether the header's names are the file's, and not the columns' numbers.
    pub(super) named: bool,
    /// What is counted by the rows' numbers: `line` or `row`.
    pub(super) unit: &'static str,
    pub(super) rows: Vec<(u64, Vec<String>)>,
}

impl Table {
    /// The table in a file: CSV, or Parquet with the feature of that name.
    pub(super) fn read(path: &Path, header: Option<bool>) -> Result<Table> {
        let bytes = read_file(path)?;
        if bytes.starts_with(b"PAR1") { parquet(bytes) } else { Table::of_csv(&bytes, header) }
    }

    /// The columns of the features, where the table has `width` of them and perhaps one more for the class.
    pub(super) fn feature_columns(&self, width: usize, target: Option<&str>) -> Result<Vec<usize>> {
        let columns = self.header.len();
        let left_out = match columns {
            n if n == width => None,
            n if n == width + 1 => {
                Some(target.and_then(|name| self.header.iter().position(|c| c == name)).unwrap_or(n - 1))
            }
            n => {
                return Err(wrong(format!(
                    "the network takes {width} features, and the table has {n} columns"
                )));
            }
        };
        Ok((0..columns).filter(|column| Some(*column) != left_out).collect())
    }

    pub(super) fn of_csv(bytes: &[u8], header: Option<bool>) -> Result<Table> {
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(wrong("the table is in UTF-16".into()).hint("save it as UTF-8"));
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(bytes))
            .from_reader(bytes);
        let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
        for record in reader.byte_records() {
            let record = record.map_err(|e| wrong(e.to_string()))?;
            let line = record.position().map_or(0, |p| p.line());
            let text = |(column, field): (usize, &[u8])| {
                String::from_utf8(field.to_vec()).map_err(|_| {
                    wrong(format!("line {line}, field {}: the text isn't UTF-8", column + 1))
                        .hint("save the table as UTF-8, for example with iconv -t UTF-8")
                })
            };
            rows.push((line, record.iter().enumerate().map(text).collect::<Result<_>>()?));
        }
        // A quote that is never closed would swallow all rows behind it.
        if let Some((line, last)) = rows.last()
            && bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 1
            && last.last().is_some_and(|field| field.contains('\n'))
        {
            return Err(wrong(format!("line {line}: a quote is opened in it and never closed")));
        }
        let Some((_, first)) = rows.first() else {
            return Err(wrong("the table is empty".into()));
        };
        let named = header.unwrap_or_else(|| {
            let text = |field: &&String| field.trim().parse::<f64>().is_err();
            // Text classes alone make no header: a header's other fields are no numbers either.
            first.iter().filter(text).count() * 2 > first.len()
        });
        let header: Vec<String> = match named {
            true => rows.remove(0).1.iter().map(|name| name.trim().to_string()).collect(),
            false => (0..first.len()).map(|i| i.to_string()).collect(),
        };
        Table { header, named, unit: "line", rows }.checked()
    }

    /// The table, if its rows fit its header.
    pub(super) fn checked(self) -> Result<Table> {
        let Table { header, unit, rows, .. } = &self;
        if let Some(i) = (1..header.len()).find(|&i| header[..i].contains(&header[i])) {
            return Err(wrong(format!("two columns are called {}", header[i])));
        }
        if rows.is_empty() {
            return Err(wrong("the table has a header and no rows".into()));
        }
        if let Some((number, row)) = rows.iter().find(|(_, row)| row.len() != header.len()) {
            return Err(wrong(format!(
                "{unit} {number} has {} field{} where {} were expected",
                row.len(),
                if row.len() == 1 { "" } else { "s" },
                header.len()
            )));
        }
        Ok(self)
    }

    /// Where a field stands, for errors.
    pub(super) fn place(&self, number: u64, column: usize) -> String {
        format!("{} {number}, column {}", self.unit, self.header[column])
    }
}

/// What stands between the fields of a CSV table: whichever of comma, semicolon and tab the first line has most of
/// outside quotes; a comma, where it has none.
fn delimiter(bytes: &[u8]) -> u8 {
    let (mut counts, mut quoted) = ([(b',', 0usize), (b';', 0), (b'\t', 0)], false);
    for &byte in bytes.iter().take_while(|byte| **byte != b'\n') {
        quoted ^= byte == b'"';
        counts.iter_mut().filter(|(own, _)| *own == byte && !quoted).for_each(|(_, count)| *count += 1);
    }
    // The first of several that are equal.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(byte, _)| *byte)
}

#[cfg(feature = "parquet")]
fn parquet(bytes: FileBytes) -> Result<Table> {
    super::parquet::read(bytes)?.checked()
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: FileBytes) -> Result<Table> {
    Err(wrong("this is a Parquet file, which this build can't read".into())
        .hint("build chainrule with the feature parquet (--features parquet), or write the table as CSV"))
}
