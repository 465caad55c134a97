//! Tables as Kafka's tool prints them: an empty line, the headings, and the rows below.

use std::fmt::Write;

use crate::console::columns;

/// A column: its heading and its width.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    heading: &'static str,
    width: Width,
}

#[derive(Debug, Clone, Copy)]
enum Width {
    /// As wide as its widest cell, and at least so wide.
    Grows(usize),
    /// So wide, and a longer cell moves what is behind it.
    Fixed(usize),
    /// Not padded: the last column.
    Open,
}

/// The least width of a column that holds a name.
const NAME: usize = 15;

impl Column {
    /// A column of names.
    pub const fn names(heading: &'static str) -> Self {
        Self::growing(heading, NAME)
    }

    /// A column that is as wide as its widest cell, and at least so wide.
    pub const fn growing(heading: &'static str, least: usize) -> Self {
        Self {
            heading,
            width: Width::Grows(least),
        }
    }

    /// A column of this width.
    pub const fn fixed(heading: &'static str, width: usize) -> Self {
        Self {
            heading,
            width: Width::Fixed(width),
        }
    }

    /// The last column, which is not padded.
    pub const fn open(heading: &'static str) -> Self {
        Self {
            heading,
            width: Width::Open,
        }
    }
}

/// A table, with a cell for each column in every row.
pub fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let widest = |index: usize| rows.iter().map(|row| columns::width(&row[index])).max().unwrap_or(0);
    let widths = (0..).zip(columns).map(|(index, column)| match column.width {
        Width::Grows(least) => widest(index).max(least),
        Width::Fixed(width) => width,
        Width::Open => 0,
    });
    let widths: Vec<usize> = widths.collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| columns::left(cell, *width));
        padded.collect::<Vec<_>>().join(" ")
    };
    let headings = columns.iter().map(|column| column.heading).collect();
    let mut text = format!("\n{}\n", line(headings));
    for row in rows {
        let _ = writeln!(text, "{}", line(row.iter().map(String::as_str).collect()));
    }
    text
}
