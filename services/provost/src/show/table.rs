//! Tables: columns two spaces apart, no lines, so that they read well and pipe well.

use crate::console::Style;
use comfy_table::presets::NOTHING;

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// There is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines; columns that are empty in every row are left out.
    pub fn render(&self, style: Style) -> Vec<String> {
        let used = |column: usize| self.rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
        let columns: Vec<usize> = (0..self.header.len()).filter(|&column| used(column)).collect();
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        table.set_header(columns.iter().filter_map(|&column| self.header.get(column)).map(|name| name.to_uppercase()));
        for row in &self.rows {
            // A cell is one line: what comes from a managed system may hold line breaks.
            let cell = |&column: &usize| row.get(column).map(|cell| single_line(cell)).unwrap_or_default();
            table.add_row(columns.iter().map(cell));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        if let Some(header) = lines.first_mut() {
            *header = style.bold(header);
        }
        lines
    }

    /// The lines, moved to the right.
    pub fn indented(&self, style: Style, by: usize) -> Vec<String> {
        let margin = " ".repeat(by);
        self.render(style).into_iter().map(|line| format!("{margin}{line}")).collect()
    }
}

fn single_line(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["order", "ticket", "state"]);
        table.row(vec!["a".into(), String::new(), "Pending".into()]);
        table.row(vec!["longer".into(), String::new(), "two\nlines".into()]);
        let lines = table.render(Style::new(false));
        assert_eq!(lines, ["ORDER   STATE", "a       Pending", "longer  two lines"]);
        assert_eq!(table.indented(Style::new(false), 2).first().map(String::as_str), Some("  ORDER   STATE"));
    }

    #[test]
    fn header_is_bold_on_a_terminal_only() {
        let mut table = Table::new(&["a"]);
        table.row(vec!["1".into()]);
        assert_eq!(table.render(Style::new(true)), ["\x1b[1mA\x1b[0m", "1"]);
    }
}
