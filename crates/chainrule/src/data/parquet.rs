//! Parquet tables: columns of numbers, truth values and texts, read as [`Table`]s.

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, Encoding, PageType};
use parquet::column::page::PageReader;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::csv::wrong;
use super::table::Table;
use crate::error::{Error, Result};
use crate::io::bytes::FileBytes;

/// How many rows are unpacked at once.
const ROWS: usize = 1024;

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The table in a file. Empty fields stand for nulls; the index that pandas writes as a column is left out.
pub(super) fn read(bytes: FileBytes) -> Result<Table> {
    let broken = |e: ParquetError| wrong(format!("not a whole Parquet file: {e}"));
    let size = bytes.len() as u64;
    let file = SerializedFileReader::new(Bytes::from_owner(bytes)).map_err(broken)?;
    let schema = file.metadata().file_metadata().schema_descr();
    let columns: Vec<usize> = (0..schema.num_columns())
        .filter(|&i| !schema.column(i).name().starts_with("__index_level_"))
        .collect();
    let mut table = Table { header: Vec::new(), named: true, unit: "row", rows: Vec::new() };
    for &i in &columns {
        let column = schema.column(i);
        if column.max_rep_level() > 0 || column.max_def_level() > 1 || column.path().parts().len() > 1 {
            return Err(wrong(format!("the column {} holds lists or records", column.path().string()))
                .hint("features are numbers, truth values and texts: spread it out into columns of these"));
        }
        table.header.push(column.name().to_string());
    }
    for group in 0..file.num_row_groups() {
        let rows = file.get_row_group(group).map_err(broken)?;
        let first = table.rows.len();
        for (place, &i) in columns.iter().enumerate() {
            let column = schema.column(i);
            let about = rows.metadata().column(i);
            if !lies_within(about, size) {
                return Err(wrong(format!("the column {} lies outside the file", column.name())));
            }
            if let packing @ (Compression::ZSTD(_) | Compression::BROTLI(_)) = about.compression() {
                return Err(wrong(format!("the column {} is packed as {packing}", column.name()))
                    .hint("write the file without compression, or with snappy, gzip or lz4"));
            }
            let located = |read: usize, e: &str| {
                let row = first + read + 1;
                wrong(format!("row {row}, column {}: {e}", column.name()))
            };
            let pages = rows.get_column_page_reader(i).map_err(|e| located(0, &e.to_string()))?;
            dictionary_comes_first(pages).map_err(|e| located(0, &e))?;
            let reader = rows.get_column_reader(i).map_err(|e| located(0, &e.to_string()))?;
            let fields = fields(reader, &column, &located)?;
            if place == 0 {
                let number = |(i, field): (usize, String)| ((first + i + 1) as u64, vec![field]);
                table.rows.extend(fields.into_iter().enumerate().map(number));
            } else if fields.len() == table.rows.len() - first {
                table.rows[first..].iter_mut().zip(fields).for_each(|((_, row), field)| row.push(field));
            } else {
                return Err(located(fields.len(), "the column ends before others do, or after them"));
            }
        }
    }
    Ok(table)
}

/// Whether a column's bytes are some of the file's; the crate takes that for granted.
fn lies_within(about: &ColumnChunkMetaData, size: u64) -> bool {
    let start = about.dictionary_page_offset().unwrap_or_else(|| about.data_page_offset());
    match (u64::try_from(start), u64::try_from(about.compressed_size())) {
        (Ok(start), Ok(length)) => start.checked_add(length).is_some_and(|end| end <= size),
        _ => false,
    }
}

/// Whether pages that mean entries of a dictionary come after it, which the crate takes for granted, too.
fn dictionary_comes_first(pages: Box<dyn PageReader>) -> std::result::Result<(), String> {
    let mut seen = false;
    for page in pages {
        let page = page.map_err(|e| e.to_string())?;
        seen |= page.page_type() == PageType::DICTIONARY_PAGE;
        if !seen && matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) {
            return Err("its dictionary is missing".into());
        }
    }
    Ok(())
}

/// The fields of a column in a group of rows, as texts.
fn fields(
    reader: ColumnReader,
    column: &ColumnDescriptor,
    located: &dyn Fn(usize, &str) -> Error,
) -> Result<Vec<String>> {
    use ConvertedType as Kind;
    let kind = column.converted_type();
    let plain = |x: String| Ok(x);
    let scale = 10f64.powi(column.type_scale());
    let is_number =
        matches!(kind, Kind::NONE | Kind::INT_8 | Kind::INT_16 | Kind::INT_32 | Kind::INT_64 | Kind::DECIMAL);
    let is_unsigned = matches!(kind, Kind::UINT_8 | Kind::UINT_16 | Kind::UINT_32 | Kind::UINT_64);
    match reader {
        ColumnReader::BoolColumnReader(r) => texts(r, column, located, |&x| plain(u8::from(x).to_string())),
        ColumnReader::FloatColumnReader(r) => texts(r, column, located, |x| plain(x.to_string())),
        ColumnReader::DoubleColumnReader(r) => texts(r, column, located, |x| plain(x.to_string())),
        ColumnReader::Int32ColumnReader(r) if kind == Kind::DECIMAL => {
            texts(r, column, located, |&x| plain((f64::from(x) / scale).to_string()))
        }
        ColumnReader::Int64ColumnReader(r) if kind == Kind::DECIMAL => {
            texts(r, column, located, |&x| plain((x as f64 / scale).to_string()))
        }
        ColumnReader::Int32ColumnReader(r) if is_number => {
            texts(r, column, located, |x| plain(x.to_string()))
        }
        ColumnReader::Int64ColumnReader(r) if is_number => {
            texts(r, column, located, |x| plain(x.to_string()))
        }
        ColumnReader::Int32ColumnReader(r) if is_unsigned => {
            texts(r, column, located, |&x| plain(x.cast_unsigned().to_string()))
        }
        ColumnReader::Int64ColumnReader(r) if is_unsigned => {
            texts(r, column, located, |&x| plain(x.cast_unsigned().to_string()))
        }
        ColumnReader::ByteArrayColumnReader(r)
            if matches!(kind, Kind::NONE | Kind::UTF8 | Kind::ENUM | Kind::JSON) =>
        {
            texts(r, column, located, |x| {
                x.as_utf8().map(String::from).map_err(|_| "its bytes are no text".into())
            })
        }
        _ => {
            let kind = match kind {
                Kind::NONE => column.physical_type().to_string(),
                kind => kind.to_string(),
            };
            Err(wrong(format!("the column {} is of the type {kind}", column.name())).hint(
                "features are numbers, truth values and texts: leave it out, or write it as one of these",
            ))
        }
    }
}

/// All values of a column as texts, with empty ones for nulls.
fn texts<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    located: &dyn Fn(usize, &str) -> Error,
    text: impl Fn(&T::T) -> std::result::Result<String, String>,
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    loop {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let (records, _, _) = reader
            .read_records(ROWS, Some(&mut levels), None, &mut values)
            .map_err(|e| located(all.len(), &e.to_string()))?;
        if records == 0 {
            return Ok(all);
        }
        let mut values = values.iter();
        for i in 0..records {
            let present = column.max_def_level() == 0 || levels.get(i) == Some(&1);
            let field = match if present { values.next() } else { None } {
                Some(value) => text(value).map_err(|e| located(all.len(), &e))?,
                None => String::new(),
            };
            all.push(field);
        }
    }
}
