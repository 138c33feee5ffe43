//! Reads any bytes as a file of rows and asserts what must hold: the body of fuzz targets, and of the test that runs them.

use super::kind::{Seen, column};
use super::{Cells, Format, Part, Reader};
use crate::schema::DataType;
use std::io;
use std::path::Path;

/// Rows that are read at most: a few bytes may stand for millions of them.
const MOST: usize = 1 << 16;

/// Puts bytes into a file of this name, as readers open files by their names.
///
/// # Errors
/// It cannot be written.
pub fn with_file(bytes: &[u8], name: &str, read: impl FnOnce(&Path)) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    std::fs::write(&path, bytes)?;
    read(&path);
    Ok(())
}

/// Reads a file of rows: the same cells come in parts of any size, and each column is of the type that was found for it. Gives whether
/// that was all of it, so that it may be read without a limit.
pub fn rows(path: &Path, size: usize) -> bool {
    let Some(format) = Format::of_path(path) else {
        return false;
    };
    let (whole, is_whole) = all(path, format, MOST);
    let (parts, is_too) = all(path, format, size.max(1));
    let rows = whole.lines.len().min(parts.lines.len());
    assert_eq!(whole.lines.get(..rows), parts.lines.get(..rows));
    assert!(whole.lines.is_sorted());
    assert!(!(is_whole && is_too) || whole.lines.len() == parts.lines.len());
    for (one, other) in whole.columns.iter().zip(&parts.columns) {
        for row in 0..rows {
            assert_eq!(
                (one.mark(row), one.get(row)),
                (other.mark(row), other.get(row))
            );
        }
        typed(one);
    }
    is_whole
}

/// What is read, up to about `MOST` rows, and whether that is all, and no fault.
fn all(path: &Path, format: Format, size: usize) -> (Part, bool) {
    let mut all = Part::default();
    let Ok(mut reader) = Reader::open(path, format) else {
        return (all, false);
    };
    all.columns
        .resize(reader.headings().len(), Cells::default());
    while all.lines.len() < MOST {
        match reader.next(size) {
            Ok(Some(part)) => {
                assert!(!part.lines.is_empty());
                for (to, from) in all.columns.iter_mut().zip(&part.columns) {
                    assert_eq!(from.len(), part.lines.len());
                    to.append(from);
                }
                all.lines.extend(part.lines);
            }
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
        }
    }
    (all, false)
}

/// A column of the type that its cells have: null only where nothing stands, and where a number is none.
fn typed(cells: &Cells) {
    let mut seen = Seen::default();
    seen.look(cells);
    let data_type = seen.data_type();
    let rows: Vec<u32> = (0..).take(cells.len()).collect();
    let column = column(cells, &rows, &data_type);
    assert_eq!(column.len(), cells.len());
    for row in 0..cells.len() {
        let is_number = data_type == DataType::F64;
        let is_null = cells.get(row).is_none();
        assert!(
            column.is_null(row) == is_null || is_number,
            "{:?} as {data_type:?}",
            cells.get(row)
        );
    }
}
