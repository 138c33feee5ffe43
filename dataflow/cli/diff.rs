//! `jayflow diff`.

use super::{Failure, Outcome, print};
use crate::Error;
use crate::diff::{Difference, Rules, Table, compare};
use clap::Args;
use glob::Pattern;
use operators::stored::{Format, Reader};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Compares two files of rows, by key and with tolerances: .parquet .arrow .csv .jsonl, in any two formats.
///
/// Exit code 0 where they are the same, 1 where not. Shows only what differs. Example: `jayflow diff old.parquet new.csv --tolerance 1e-6 --ignore 'iat_*'`
#[derive(Args, Debug)]
pub struct Diff {
    /// The first file.
    one: PathBuf,
    /// The second file.
    other: PathBuf,
    #[command(flatten)]
    how: How,
    /// Columns that only one file has do not count.
    #[arg(long)]
    common: bool,
}

/// How rows are compared.
#[derive(Args, Clone, Debug)]
pub struct How {
    /// The columns that name a row; by default those of the flow key and the start, of what is no flow its place in the file.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    key: Option<Vec<String>>,
    /// Columns that do not matter: names or globs.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Numbers are equal within this share of the larger one.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-9)]
    tolerance: f64,
    /// Numbers are equal within this.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    absolute: f64,
    /// Rows and values to show of each kind; the rest is counted.
    #[arg(long, value_name = "N", default_value_t = 5)]
    show: usize,
    /// Prints the differences as JSON.
    #[arg(long)]
    json: bool,
}

impl Diff {
    /// Compares the files.
    pub(super) fn run(&self) -> Outcome {
        let [one, other] = [&self.one, &self.other].map(|path| read(path));
        let names = [&self.one, &self.other].map(|path| path.display().to_string());
        let only = if self.common { [false; 2] } else { [true; 2] };
        self.how.compare([&one?, &other?], &names, only)
    }
}

impl How {
    /// The same as by default.
    pub(super) fn exact() -> Self {
        Self {
            key: None,
            ignore: Vec::new(),
            tolerance: 0.0,
            absolute: 0.0,
            show: 5,
            json: false,
        }
    }

    /// Compares two tables and tells how they differ. `only` says of each whether a column that it alone has counts.
    pub(super) fn compare(
        &self,
        tables: [&Table; 2],
        names: &[String; 2],
        only: [bool; 2],
    ) -> Outcome {
        let ignore = self.ignore.iter().map(|glob| {
            Pattern::new(glob).map_err(|error| {
                Failure::Usage(Error::new(format!(
                    "`--ignore {glob}` is no name or glob: {error}"
                )))
            })
        });
        let rules = Rules {
            key: self.key.clone(),
            ignore: ignore.collect::<Result<_, _>>()?,
            relative: self.tolerance,
            absolute: self.absolute,
        };
        let found =
            compare(tables[0], tables[1], &rules).map_err(|why| Failure::Usage(Error::new(why)))?;
        let counts = only.iter().zip(&found.only_columns);
        let lacks = counts
            .into_iter()
            .any(|(counts, only)| *counts && !only.is_empty());
        let differ = lacks || !found.is_none();
        let rows = tables.map(|table| table.rows.len());
        print(&match self.json {
            true => self.json(&found, names, rows, differ),
            false => self.text(&found, names, rows, differ),
        })?;
        Ok(u8::from(differ))
    }

    fn text(
        &self,
        found: &Difference,
        names: &[String; 2],
        rows: [usize; 2],
        differ: bool,
    ) -> String {
        let by = match &found.key[..] {
            [] => "their order".to_owned(),
            key => key.join(", "),
        };
        let mut out = format!(
            "{}: {} rows\n{}: {} rows\n{} rows compared by {by}, {} columns\n",
            names[0], rows[0], names[1], rows[1], found.compared, found.columns
        );
        for (name, (columns, rows)) in names
            .iter()
            .zip(found.only_columns.iter().zip(&found.only_rows))
        {
            if !columns.is_empty() {
                let _ = writeln!(out, "only in {name}: columns {}", self.few(columns, ", "));
            }
            if !rows.is_empty() {
                let _ = writeln!(out, "only in {name}: {} rows", rows.len());
                let _ = writeln!(out, "  {}", self.few(rows, "\n  "));
            }
        }
        for (name, one) in &found.differing {
            let largest = one
                .largest
                .map_or(String::new(), |most| format!(", by {most} at most"));
            let _ = writeln!(
                out,
                "{name}: {} of {} rows differ{largest}",
                one.rows, found.compared
            );
            for (key, a, b) in one.first.iter().take(self.show) {
                let _ = writeln!(out, "  {a} and {b} at {key}");
            }
            let more = one
                .rows
                .saturating_sub(one.first.len().min(self.show) as u64);
            if more > 0 {
                let _ = writeln!(out, "  and {more} more");
            }
        }
        out.push_str(if differ {
            "they differ\n"
        } else {
            "no difference\n"
        });
        crate::spec::diagnostic::visible_lines(&out)
    }

    /// The first few of several texts.
    fn few(&self, all: &[String], between: &str) -> String {
        let shown = &all[..all.len().min(self.show)];
        match all.len() - shown.len() {
            0 => shown.join(between),
            more => format!("{}{between}and {more} more", shown.join(between)),
        }
    }

    fn json(
        &self,
        found: &Difference,
        names: &[String; 2],
        rows: [usize; 2],
        differ: bool,
    ) -> String {
        let files = names
            .iter()
            .zip(rows)
            .zip(found.only_columns.iter().zip(&found.only_rows));
        let files = files.map(|((name, rows), (columns, only))| {
            json!({
                "file": name,
                "rows": rows,
                "only_columns": columns,
                "only_rows": only.len(),
                "first_only_rows": only.iter().take(self.show).collect::<Vec<_>>(),
            })
        });
        let columns = found.differing.iter().map(|(name, one)| {
            let first = one.first.iter().take(self.show);
            json!({
                "column": name,
                "rows": one.rows,
                "largest": one.largest,
                "first": first.map(|(key, a, b)| json!({ "key": key, "values": [a, b] })).collect::<Vec<_>>(),
            })
        });
        let all = json!({
            "files": files.collect::<Vec<_>>(),
            "key": found.key,
            "compared": { "rows": found.compared, "columns": found.columns },
            "differing": columns.collect::<Vec<_>>(),
            "differ": differ,
        });
        format!("{all:#}\n")
    }
}

/// Reads a file of rows into memory.
pub(super) fn read(path: &Path) -> Result<Table, Failure> {
    let format = Format::of_path(path).ok_or_else(|| {
        let known = ".parquet .arrow .csv .jsonl (.csv.gz .jsonl.zst and the like)";
        Failure::Usage(
            Error::new(format!("{} is no file of rows by its name", path.display()))
                .help(format!("files of rows end in {known}")),
        )
    })?;
    let read = || -> Result<Table, Error> {
        let mut reader = Reader::open(path, format)?;
        let names = reader.headings().iter().map(|heading| heading.name.clone());
        let mut table = Table {
            names: names.collect(),
            rows: Vec::new(),
        };
        while let Some(part) = reader.next(8_192)? {
            let rows = (0..part.lines.len()).map(|row| {
                let cells = part
                    .columns
                    .iter()
                    .map(|cells| cells.get(row).map(str::to_owned));
                cells.collect()
            });
            table.rows.extend(rows);
        }
        Ok(table)
    };
    read().map_err(Failure::Usage)
}
