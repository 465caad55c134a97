//! Tables as Kafka's tool prints them: an empty line, the headings, and the rows below.

use std::fmt::Write;

use crate::console::columns;

/// A table. Each column is at least as wide as given; one of width 0, the last, is not padded.
pub fn table<const N: usize>(headings: [&str; N], widths: [usize; N], rows: &[[String; N]]) -> String {
    let mut widths = widths;
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row).filter(|(width, _)| **width > 0) {
            *width = (*width).max(columns::width(cell));
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| columns::left(cell, width));
        padded.collect::<Vec<_>>().join(" ")
    };
    let mut text = format!("\n{}\n", line(headings));
    for row in rows {
        let _ = writeln!(text, "{}", line(row.each_ref().map(String::as_str)));
    }
    text
}
