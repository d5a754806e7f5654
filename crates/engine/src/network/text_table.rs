//! Tables of plain text.

use std::fmt::Write;

/// `6,998,552`
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// On which side the cells of a column stand.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Right,
}

use Align::{Left, Right};

/// Rows of cells, written in columns as wide as their widest cell.
pub(super) struct Table {
    align: Vec<Align>,
    /// A row without cells is a rule.
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: impl Iterator<Item = (&'static str, Align)>) -> Self {
        let (head, align): (Vec<String>, Vec<Align>) =
            head.map(|(title, align)| (title.to_owned(), align)).unzip();
        Self { align, rows: vec![head, Vec::new()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn rule(&mut self) {
        self.rows.push(Vec::new());
    }

    pub(super) fn text(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max()
        };
        let widths: Vec<usize> = (0..self.align.len()).filter_map(width).collect();
        let whole = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, &width), align) in row.iter().zip(&widths).zip(&self.align) {
                let gap = if line.is_empty() { "" } else { "  " };
                // Writing to a string cannot fail.
                let _ = match align {
                    Left => write!(line, "{gap}{cell:<width$}"),
                    Right => write!(line, "{gap}{cell:>width$}"),
                };
            }
            if row.is_empty() {
                line = "-".repeat(whole);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
