//! A table as the mysql client draws it.
//!
//! ```text
//! +----+------+
//! | id | name |
//! +----+------+
//! |  1 | NULL |
//! +----+------+
//! 1 row in set (0.00 sec)
//! ```

use std::time::Duration;

use crate::console::{columns, escape};

/// The rows that a statement found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<Column>,
    /// The cells of each row; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// Whether the column holds numbers, which are aligned to the right.
    pub number: bool,
}

impl Table {
    /// Draws the table. `took` is how long the answer took.
    pub fn render(&self, took: Duration) -> String {
        let took = format!("({:.2} sec)", took.as_secs_f64());
        if self.rows.is_empty() {
            return format!("Empty set {took}\n");
        }
        let names: Vec<_> = self.columns.iter().map(|column| escape::line(&column.name)).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        // The mysql client makes a column as wide as its longest cell has bytes.
        let widths: Vec<usize> = names
            .iter()
            .enumerate()
            .map(|(index, name)| rows.iter().map(|row| row[index].len()).fold(name.len(), usize::max))
            .collect();
        let rule: String = widths
            .iter()
            .map(|width| format!("+{}", "-".repeat(width + 2)))
            .collect::<String>()
            + "+\n";
        let mut text = rule.clone();
        text += &line(
            names
                .iter()
                .zip(&widths)
                .map(|(name, width)| columns::left(name, *width)),
        );
        text += &rule;
        for row in &rows {
            let cells = row.iter().zip(&widths).zip(&self.columns);
            text += &line(cells.map(|((cell, width), column)| match column.number {
                true => columns::right(cell, *width),
                false => columns::left(cell, *width),
            }));
        }
        text += &rule;
        let count = rows.len();
        text + &format!("{count} row{} in set {took}\n", if count == 1 { "" } else { "s" })
    }
}

/// Bytes as text where they are text, otherwise in hexadecimal digits.
pub fn of_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => text.to_owned(),
        _ => hexadecimal(bytes),
    }
}

/// Bytes in hexadecimal digits, as the mysql client writes them.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}"))
}

/// A value as it stands in its cell, on one line.
fn shown(value: &Option<String>) -> String {
    let Some(text) = value else {
        return "NULL".into();
    };
    escape::line(text).into_owned()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.map(|cell| format!("| {cell} ")).collect::<String>() + "|\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, number: bool) -> Column {
        Column {
            name: name.into(),
            number,
        }
    }

    #[test]
    fn it_looks_as_in_the_mysql_client() {
        let table = Table {
            columns: vec![column("id", true), column("address", false)],
            rows: vec![
                vec![Some("1".into()), Some("PUSAN".into())],
                vec![Some("10000".into()), None],
                vec![Some("7".into()), Some("서울".into())],
            ],
        };
        let expected = "\
+-------+---------+
| id    | address |
+-------+---------+
|     1 | PUSAN   |
| 10000 | NULL    |
|     7 | 서울    |
+-------+---------+
3 rows in set (0.01 sec)
";
        assert_eq!(table.render(Duration::from_millis(12)), expected);
    }

    #[test]
    fn no_row_and_one_row_have_words_of_their_own() {
        let mut table = Table {
            columns: vec![column("a", false)],
            rows: Vec::new(),
        };
        assert_eq!(table.render(Duration::ZERO), "Empty set (0.00 sec)\n");
        table.rows.push(vec![Some("x\ny".into())]);
        let text = table.render(Duration::ZERO);
        assert!(
            text.contains("| x\\ny |") && text.ends_with("1 row in set (0.00 sec)\n"),
            "{text}"
        );
    }
}
