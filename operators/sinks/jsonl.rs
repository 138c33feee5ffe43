//! Rows to JSON Lines: one object (RFC 8259) a line, keys in column order.
//!
//! Times are seconds, lists are arrays, a struct is an array of its parts. Rows come in order; sorting is not done here.

use super::file::WholeFile;
use super::lines::Lines;
use super::{Description, JsonlOptions, Sink, TextCompression, text};
use crate::columns::Columns;
use crate::error::Error;

struct Jsonl {
    lines: Lines,
    /// What stands before each value: `{"src_ip":`, `,"dst_ip":`.
    keys: Vec<Vec<u8>>,
}

/// A file of JSON lines.
///
/// # Errors
/// The file cannot be made.
pub fn open(
    options: &JsonlOptions,
    description: &Description,
    run: &str,
) -> Result<Box<dyn Sink>, Error> {
    let keys = description.schema.iter().enumerate().map(|(at, feature)| {
        let mut key = vec![if at == 0 { b'{' } else { b',' }];
        text::string(&mut key, &feature.name);
        key.push(b':');
        key
    });
    let file = WholeFile::create(&options.path, options.overwrite, run)?;
    let compression = options.compression;
    let compression = compression.unwrap_or_else(|| TextCompression::of_path(&options.path));
    Ok(Box::new(Jsonl {
        lines: Lines::new(file, compression, Vec::new())?,
        keys: keys.collect(),
    }))
}

impl Sink for Jsonl {
    fn write(&mut self, rows: Columns) -> Result<(), Error> {
        let keys = &self.keys;
        self.lines.write(&rows, |out, columns, row| {
            for (key, column) in keys.iter().zip(columns) {
                out.extend_from_slice(key);
                text::json(out, column, row);
            }
            out.extend_from_slice(b"}\n");
        })
    }

    fn commit(self: Box<Self>) -> Result<u64, Error> {
        self.lines.commit()
    }

    fn abort(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sample;
    use serde_json::{Value, json};

    fn lines(description: &Description, rows: &Columns) -> Vec<Value> {
        let bytes = sample::written(|path| {
            let options = JsonlOptions {
                path,
                ..JsonlOptions::default()
            };
            let mut sink = open(&options, description, "1-0")?;
            sink.write(rows.clone())?;
            sink.commit()
        });
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_type_reads_back() {
        let (description, rows) = sample::rows();
        let lines = lines(&description, &rows);
        assert_eq!(lines.len(), rows.rows());
        assert_eq!(
            lines[0],
            json!({
                "bool": true, "u8": 255, "u16": 65535, "u32": 4_294_967_295_u32, "u64": u64::MAX, "i8": -128, "i16": i16::MIN,
                "i32": i32::MIN, "i64": i64::MIN, "f64": 0.1, "text": "say \"hi\", a\nb", "address": "192.0.2.1",
                "id": "000102030405060708090a0b0c0d0e0f", "time": 1_700_000_000.123_456_7, "numbers": [1, 2],
                "names": ["a\"b", "c,d"], "splt": [[60, 0.0, 1], [1500, 0.25, -1]],
            })
        );
        assert_eq!(lines[1]["splt"], json!([]));
        assert_eq!(lines[1]["text"], json!(""));
        for name in sample::names(&description) {
            assert_eq!(lines[2][name.as_str()], Value::Null, "{name}");
        }
        let keys = sample::names(&description);
        let mut sorted: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
        sorted.sort();
        let mut expected: Vec<&String> = keys.iter().collect();
        expected.sort();
        assert_eq!(sorted, expected);
    }

    #[test]
    fn any_text_is_one_line_and_reads_back() {
        let odd = [
            "a\nb\r\u{0}\u{1b}[31m",
            "\u{202e}gpj.exe\u{2028}",
            "\\x3d \\\\",
            "=1+1",
            "\u{1f600}",
        ];
        let texts: Vec<Option<&str>> = odd.iter().copied().map(Some).collect();
        let (description, rows) = sample::texts(&texts);
        let lines = lines(&description, &rows);
        let read: Vec<&str> = lines
            .iter()
            .map(|line| line["text"].as_str().unwrap())
            .collect();
        assert_eq!(read, odd);
    }
}
