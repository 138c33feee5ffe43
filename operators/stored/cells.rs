//! The cells of a column as a file has them.

/// What is in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Nothing: an empty cell of CSV, a null.
    None,
    /// What may be a number, a truth or text: a cell of CSV, a number of JSON.
    Plain,
    /// Text.
    Text,
}

/// A column of cells, text one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    marks: Vec<Mark>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl Cells {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a cell.
    pub fn push(&mut self, mark: Mark, text: &str) {
        if mark != Mark::None {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.marks.push(mark);
        self.ends.push(self.bytes.len());
    }

    /// Adds a cell of CSV: blanks around it do not count, one without anything else is empty.
    pub fn push_plain(&mut self, text: &[u8]) {
        let text = text.trim_ascii();
        let mark = if text.is_empty() {
            Mark::None
        } else {
            Mark::Plain
        };
        // published tables have bytes of old code pages in their texts
        self.push(mark, &String::from_utf8_lossy(text));
    }

    /// The cells of another column behind these.
    pub fn append(&mut self, other: &Self) {
        let start = self.bytes.len();
        self.marks.extend_from_slice(&other.marks);
        self.ends.extend(other.ends.iter().map(|end| start + end));
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// What is in a cell.
    pub fn mark(&self, row: usize) -> Mark {
        self.marks.get(row).copied().unwrap_or(Mark::None)
    }

    /// The text of a cell; `None` where it is empty.
    pub fn get(&self, row: usize) -> Option<&str> {
        if self.mark(row) == Mark::None {
            return None;
        }
        let start = row
            .checked_sub(1)
            .map_or(Some(0), |at| self.ends.get(at).copied())?;
        let bytes = self.bytes.get(start..*self.ends.get(row)?)?;
        // only whole texts are pushed
        std::str::from_utf8(bytes).ok()
    }

    /// The texts of all cells with their marks.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, Option<&str>)> {
        (0..self.len()).map(|row| (self.mark(row), self.get(row)))
    }
}
