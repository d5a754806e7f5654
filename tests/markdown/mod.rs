//! Reads what a test needs of a Markdown file of the project.
#![allow(dead_code)] // each test file uses its part

use std::path::Path;

/// The text of a file, by its path from the project's root.
pub fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The rows of the table whose header has these cells; cells are trimmed.
pub fn table(text: &str, header: &[&str]) -> Vec<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| cells(line) != header);
    assert!(lines.next().is_some(), "there is no table with the columns {header:?}");
    // The line of dashes.
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = rows.map(cells).collect();
    for row in &rows {
        assert_eq!(row.len(), header.len(), "a row has another number of cells: {row:?}");
    }
    rows
}

/// The content of the first fenced block in `language`.
pub fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let opening = format!("\n```{language}\n");
    let (_, rest) = text.split_once(&opening).expect("a block in this language");
    rest.split_once("\n```").expect("an end of the block").0
}

/// What stands in backticks.
pub fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.strip_prefix('|').and_then(|line| line.trim_end().strip_suffix('|'));
    inner.map_or_else(Vec::new, |inner| inner.split('|').map(|c| c.trim().to_owned()).collect())
}
